package azts

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Longest texts that are kept, in bytes; what is beyond is cut off.
const (
	NameLimit = 1 << 10  // ids, names and other short fields
	TextLimit = 32 << 10 // reasons, descriptions, remediations
)

// Stamp is a time as AzTS wrote it. Time is zero when Text cannot be read.
type Stamp struct {
	Time time.Time // UTC
	Text string
}

// Percentage is a share of 100. Value counts only if Known; Text is what AzTS wrote.
type Percentage struct {
	Value float64 // 0 to 100
	Known bool
	Text  string
}

// Count is a number of things. N counts only if Known.
type Count struct {
	N     int
	Known bool
}

// scalar is any JSON value as text: strings as they are, numbers and booleans
// as written, null as nothing. Lists and objects stay JSON, plainly visible.
type scalar string

// UnmarshalJSON implements json.Unmarshaler.
func (s *scalar) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	switch {
	case bytes.Equal(data, []byte("null")):
		*s = ""
	case len(data) > 0 && data[0] == '"':
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		*s = scalar(text)
	default:
		*s = scalar(data)
	}
	return nil
}

func (s scalar) name() string { return limit(string(s), NameLimit) }
func (s scalar) text() string { return limit(string(s), TextLimit) }

// limit cuts s to bytes without breaking a character, and takes out NUL, which
// PostgreSQL cannot store.
func limit(s string, bytes int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= bytes {
		return s
	}
	for bytes > 0 && !utf8.RuneStart(s[bytes]) {
		bytes--
	}
	return strings.Clone(s[:bytes]) // or ten megabytes would live on behind one kilobyte
}

// stampLayouts are the forms in azts.md first, then what .NET services write
// elsewhere. All are UTC unless they name a zone.
var stampLayouts = []string{
	"01/02/2006 15:04:05",
	"1/2/2006 3:04:05 PM",
	"1/2/2006 15:04:05",
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05",
}

func (s scalar) stamp() Stamp {
	text := limit(strings.TrimSpace(string(s)), NameLimit)
	// Newer .NET writes a narrow no-break space before AM and PM.
	plain := strings.NewReplacer("\u202f", " ", "\u00a0", " ").Replace(text)
	for _, layout := range stampLayouts {
		if t, err := time.Parse(layout, plain); err == nil && t.Year() >= 2000 && t.Year() < 3000 {
			return Stamp{Time: t.UTC(), Text: text}
		}
	}
	return Stamp{Text: text}
}

// percentage reads "93.33 %", "93,33 %" and 93.33.
func (s scalar) percentage() Percentage {
	text := limit(strings.TrimSpace(string(s)), NameLimit)
	p := Percentage{Text: text}
	digits := strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", ",", ".").Replace(strings.TrimSuffix(text, "%"))
	if !isDecimal(digits) {
		return p
	}
	if v, err := strconv.ParseFloat(digits, 64); err == nil && v >= 0 && v <= 100 {
		p.Value, p.Known = v, true
	}
	return p
}

// count reads 15, "15", 15.0 and " 15 ". Negative and absurd numbers are not known.
func (s scalar) count() Count {
	text := strings.TrimSpace(string(s))
	if !isDecimal(text) {
		return Count{}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v != float64(int(v)) || v > 1e9 {
		return Count{}
	}
	return Count{N: int(v), Known: true}
}

// isDecimal keeps ParseFloat from reading hexadecimal, infinity and the like.
func isDecimal(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for _, c := range []byte(s) {
		if c != '.' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func (s scalar) flag() bool {
	switch strings.ToLower(strings.TrimSpace(string(s))) {
	case "true", "yes", "1":
		return true
	}
	return false
}
