package entra

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"azts.internal/portal/internal/trace"
)

// Limits on the text of a provider, in bytes.
const (
	maxScan        = 16 << 10 // of a description that is searched for numbers and ids
	maxDescription = 2000     // of a description that is kept for the log
	maxName        = 64       // of an error or a subcode
	maxURI         = 256      // of an error_uri, and of a quoted name in the log
)

// ProviderError is the error answer of the authorization endpoint or the token
// endpoint (RFC 6749 §4.1.2.1 and §5.2, entra.md §2.5 and §2.6), and the cause
// of what [ParseError] returns. All its text was written by a stranger: it is
// for the log, and for the program to branch on, never for a page. After
// ParseError the ids and the time are either well formed or empty.
type ProviderError struct {
	OAuthError    string    // error
	Description   string    // error_description
	URI           string    // error_uri
	Subcode       string    // error_subcode or suberror
	Codes         []int     // error_codes; after ParseError those of the description and error_uri too, at most 8
	CorrelationID string    // correlation_id, a GUID
	TraceID       string    // trace_id, a GUID
	Timestamp     time.Time // timestamp, in UTC; zero if unknown
	Claims        string    // claims, as it came: it is sent back to the authorization endpoint (entra.md §6.2)
	Status        int       // HTTP status of a token answer, 0 for the authorization endpoint

	sent url.Values // what the answer may repeat, and nobody is to read
}

// Error returns the answer in one line for the log.
func (e *ProviderError) Error() string {
	var b strings.Builder
	b.WriteString("identity provider: ")
	if name := cleanText(e.OAuthError, maxURI); name != "" {
		b.WriteString(name)
	} else {
		b.WriteString("no error name")
	}
	if sub := cleanText(e.Subcode, maxURI); sub != "" {
		b.WriteString("/" + sub)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	if len(e.Codes) > 0 {
		fmt.Fprintf(&b, " codes %d", e.Codes[:min(len(e.Codes), maxNumbers)])
	}
	description := cleanText(e.Description, maxDescription)
	if description != "" {
		b.WriteString(": " + description)
	}
	for _, id := range []struct{ name, value string }{{"trace", guid(e.TraceID)}, {"correlation", guid(e.CorrelationID)}} {
		if id.value != "" && !strings.Contains(description, id.value) {
			fmt.Fprintf(&b, " %s %s", id.name, id.value)
		}
	}
	return b.String()
}

// Cancelled reports whether the person backed out or declined. That is a
// choice and no incident: it needs no warning in the log.
func (e *ProviderError) Cancelled() bool {
	return e.Subcode == "cancel" || e.OAuthError == "authorization_declined" || slices.Contains(e.Codes, 65004)
}

// The ids stand at the end of a description, after line breaks (older answers)
// or blanks.
var (
	traceInText       = regexp.MustCompile(`(?i)\btrace id:\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b`)
	correlationInText = regexp.MustCompile(`(?i)\bcorrelation id:\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b`)
	timestampInText   = regexp.MustCompile(`(?i)\btimestamp:\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)`)
)

// normalized returns a copy within the limits, with the numbers, the ids and
// the time that only the description or error_uri holds.
func (e ProviderError) normalized() ProviderError {
	text := head(e.Description, maxScan)
	e.Codes = e.numbers(text)
	if e.TraceID = guid(e.TraceID); e.TraceID == "" {
		e.TraceID = lastGroup(traceInText, text)
	}
	if e.CorrelationID = guid(e.CorrelationID); e.CorrelationID == "" {
		e.CorrelationID = lastGroup(correlationInText, text)
	}
	if e.Timestamp.IsZero() {
		// A time that does not parse stays zero, which means unknown.
		e.Timestamp, _ = time.Parse("2006-01-02 15:04:05Z", lastGroup(timestampInText, text))
	}
	e.OAuthError = errorName(e.OAuthError)
	e.Subcode = errorName(e.Subcode)
	e.URI = cleanText(e.URI, maxURI)
	e.Description = cleanText(withoutSecrets(text, e.sent), maxDescription)
	e.sent = nil
	return e
}

// withoutSecrets takes out of a text what was sent and what looks like a secret: it
// is logged, and whoever wrote it may be anybody.
func withoutSecrets(text string, sent url.Values) string {
	if text == "" {
		return ""
	}
	redactor := trace.NewRedactor(rand.Reader)
	for name, kind := range map[string]trace.Kind{"code": trace.Code, "code_verifier": trace.Verifier, "refresh_token": trace.RefreshToken, "assertion": trace.Assertion,
		"client_secret": trace.ClientSecret, "client_assertion": trace.Assertion} {
		if value := sent.Get(name); value != "" {
			redactor.Secret(kind, value)
		}
	}
	return redactor.Text(text)
}

// numbers returns the AADSTS numbers of the description, of error_codes and of
// error_uri, each once, at most 8.
func (e *ProviderError) numbers(description string) []int {
	found := AADSTSNumbers(description)
	add := func(n int) {
		if n > 0 && n <= maxNumber && len(found) < maxNumbers && !slices.Contains(found, n) {
			found = append(found, n)
		}
	}
	for _, n := range e.Codes[:min(len(e.Codes), maxNumbers)] {
		add(n)
	}
	if len(e.URI) <= maxURI {
		if uri, err := url.Parse(e.URI); err == nil {
			if n, ok := aadstsNumber(uri.Query().Get("code")); ok {
				add(n)
			}
		}
	}
	return found
}

// guid returns s if it has the form of a GUID, else "".
func guid(s string) string {
	if !IsGUID(s) {
		return ""
	}
	return s
}

// errorName returns s if it can be an error name at all (RFC 6749 §5.2: no
// control characters, quotes or backslashes), else s quoted, which equals no
// name: cleaning it could make a known name of one that only looks like it.
func errorName(s string) string {
	plain := func(r rune) bool { return r >= ' ' && r <= '~' && r != '"' && r != '\\' }
	if len(s) <= maxName && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return strconv.QuoteToASCII(head(s, maxName))
}

// lastGroup returns the first group of the last match: Entra writes the ids
// last, and what stands before them may be quoted from the request.
func lastGroup(re *regexp.Regexp, text string) string {
	matches := re.FindAllStringSubmatch(text, -1)
	if len(matches) == 0 {
		return ""
	}
	return matches[len(matches)-1][1]
}

// head returns at most limit bytes of s without breaking a character.
func head(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// cleanText returns s as one line of at most limit bytes. Every run of white
// space becomes one blank; control and formatting characters are removed, so
// that nobody can forge a log line or reverse the direction of its text.
func cleanText(s string, limit int) string {
	var b strings.Builder
	blank := false
	for _, r := range head(s, maxScan) {
		if unicode.IsSpace(r) {
			blank = b.Len() > 0
			continue
		}
		if !unicode.IsPrint(r) {
			continue
		}
		size := utf8.RuneLen(r)
		if blank {
			size++
		}
		if b.Len()+size > limit {
			break
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
