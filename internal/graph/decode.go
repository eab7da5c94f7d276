package graph

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"azts.internal/portal/internal/apperr"
)

// decode reads raw into v as far as it can: a member of another type than
// expected stays empty and leaves the others readable.
func decode(raw json.RawMessage, v any) bool {
	if len(raw) == 0 || raw[0] != '{' {
		return false
	}
	err := json.Unmarshal(raw, v)
	var other *json.UnmarshalTypeError
	return err == nil || errors.As(err, &other)
}

// text is a name or a description: cut to its limit, without the characters by
// which one text passes for another or that a database cannot store.
func text(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return ' '
		case unicode.IsControl(c), unicode.Is(unicode.Bidi_Control, c), c == utf8.RuneError:
			return -1
		}
		return c
	}, s)
	if len(s) > MaxText {
		s = s[:MaxText]
		for len(s) > 0 && !utf8.ValidString(s[max(0, len(s)-utf8.UTFMax):]) {
			s = s[:len(s)-1]
		}
		s = strings.Clone(s) // else the whole text lives as long as its beginning
	}
	return strings.TrimSpace(s)
}

// guid returns an id in lower case, "" for what is none.
func guid(s string) string {
	if len(s) != 36 {
		return ""
	}
	s = strings.ToLower(s)
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return s
}

// maxOpaque is the longest id of a grant or an assignment, in bytes.
const maxOpaque = 512

// opaque returns the id of a grant or an assignment, "" for what cannot be one:
// it becomes a segment of a path.
func opaque(s string) string {
	if len(s) == 0 || len(s) > maxOpaque {
		return ""
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return ""
		}
	}
	return s
}

var errBadID = apperr.New(apperr.Invalid, "graph_id", "This is not an id of Microsoft Graph.").
	WithNext(apperr.MenderPerson, "Load the list again and choose from there.")

// moment reads a time; zero for what is none.
func moment(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// members decodes the entries of a list inside an entity.
func members[T any](list []json.RawMessage, decode func(json.RawMessage) (T, bool)) []T {
	var out []T
	for _, raw := range list {
		if len(out) >= maxMembers {
			break
		}
		if v, ok := decode(raw); ok {
			out = append(out, v)
		}
	}
	return out
}
