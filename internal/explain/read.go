package explain

import (
	"encoding/json"
	"html"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/trace"
)

const (
	// MaxText is how much of a pasted text is read, in bytes.
	MaxText = 64 << 10
	// MaxEntries is how many errors an answer has.
	MaxEntries = 20
	// maxIDs is how many ids and times are set apart.
	maxIDs = 8
	// maxWords is how long a text can be to be looked for as words, in bytes.
	maxWords = 200
)

// ID is an id or a time by which the identity platform's log can be searched.
type ID struct{ Label, Value string }

// Reading is what was found in a text.
type Reading struct {
	Entries []Entry
	// Unknown are AADSTS numbers that are in no table.
	Unknown []string
	IDs     []ID
	// Form says what the text was, "" where that is not known.
	Form string
	// Secrets is how many tokens, codes and the like were in it.
	Secrets int
	// Reference is a reference number of this portal, "" for none.
	Reference string
	// Cut tells that the text was longer than MaxText.
	Cut bool
	// ByWords tells that no code was found, and that the words were looked for.
	ByWords bool
}

const guidPattern = `[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`

var (
	aadsts = regexp.MustCompile(`(?i)AADSTS[ :#-]?([0-9]{4,9})`)
	// Numbers without their prefix, where only such stand.
	bareNumber = regexp.MustCompile(`^[#-]?([0-9]{4,9})[.:]?$`)
	codesList  = regexp.MustCompile(`error_codes["']?\s*[:=]\s*\[([0-9,\s]{1,200})\]`)
	errorURI   = regexp.MustCompile(`/error\?code=([0-9]{4,9})`)

	// Error names where they stand by their member, and names that tell by their
	// underscore.
	keyed = regexp.MustCompile(`(?i)["']?\b(error|suberror|error_subcode|code)\b["']?\s*[:=]\s*["']?([a-z][a-z0-9_]{2,63})\b`)
	named = regexp.MustCompile(`\b[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+\b`)

	machineText = regexp.MustCompile(`(?i)169\.254\.169\.254|metadata/identity|\bimds\b|managed identity|identity not found|bad_request_102|unknown_source|IDENTITY_ENDPOINT|msi/token`)
	statusText  = regexp.MustCompile(`\b(404|410|429|5[0-9]{2})\b`)
	lateText    = regexp.MustCompile(`(?i)\btimed?[ -]?out\b|\bdeadline exceeded\b`)
	manyText    = regexp.MustCompile(`(?i)\btoo many requests\b`)
	codeMember  = regexp.MustCompile(`(?is)\{.*["']code["']\s*:`)
	bearerText  = regexp.MustCompile(`(?i)www-authenticate\s*:|\bbearer\s+(?:realm|authorization_uri|error|scope|client_id)\s*=`)

	ownReference = regexp.MustCompile(`(?i)^(?:reference(?: number)?\s*:?\s*)?([0-9a-hjkmnp-tv-z]{12})$`)
	referenceIn  = regexp.MustCompile(`(?mi)^\s*reference(?: number)?\s*:\s*([0-9A-HJKMNP-TV-Z]{12})\s*$`)
	// In a sentence or an address it is told from words by its capitals, and it may be
	// spelled in groups of four, as on the telephone.
	referenceAmid = regexp.MustCompile(`(?:^|[^0-9A-Za-z])([0-9A-HJKMNP-TV-Z]{4})[ -]?([0-9A-HJKMNP-TV-Z]{4})[ -]?([0-9A-HJKMNP-TV-Z]{4})(?:[^0-9A-Za-z]|$)`)

	ids = []struct {
		label string
		re    *regexp.Regexp
	}{
		{"Correlation ID", regexp.MustCompile(`(?i)\bcorrelation[ _-]?id["']?\s*[:=]\s*["']?(` + guidPattern + `)\b`)},
		{"Trace ID", regexp.MustCompile(`(?i)\btrace[ _-]?id["']?\s*[:=]\s*["']?(` + guidPattern + `)\b`)},
		{"Request ID", regexp.MustCompile(`(?i)\b(?:x-ms-)?(?:client-)?request-id["']?\s*[:=]\s*["']?(` + guidPattern + `)\b`)},
		{"Timestamp", regexp.MustCompile(`(?i)\btimestamp["']?\s*[:=]\s*["']?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,7})?Z)`)},
	}
)

// Read finds the errors in a text, the most specific first. Random names the
// secrets that are taken out; crypto/rand.Reader but in tests.
func Read(text string, random io.Reader) Reading {
	var r Reading
	text, r.Cut = cut(strings.ToValidUTF8(text, " "))
	text = strings.TrimSpace(text)
	if text == "" {
		return r
	}
	redactor := trace.NewRedactor(random)
	clean := redactor.Text(text)
	r.Secrets = redactor.Found()
	r.Reference = reference(text)
	if r.Reference != "" && len(text) < 40 {
		return r
	}
	// Names and numbers come from our tables and are as good as before; ids are
	// put into the answer, so they are read from what is left.
	variants := unescaped(text)
	machine := machineText.MatchString(text)
	r.Form = form(text, machine)
	r.numbers(text, variants)
	r.names(text, variants, machine)
	r.findIDs(unescaped(clean))
	if len(r.Entries) == 0 && len(r.Unknown) == 0 && len(r.IDs) == 0 && r.Reference == "" && r.Secrets == 0 && len(text) <= maxWords && !answers(variants) {
		r.ByWords = true
		r.Entries = Search(text)
	}
	return r
}

// answers reports whether a text is an answer with a code of its own. One that is in
// no table is unknown: words of it that fit something else would mislead.
func answers(variants []string) bool {
	return slices.ContainsFunc(variants, func(v string) bool { return codeMember.MatchString(v) || bearerText.MatchString(v) })
}

// cut bounds a text without breaking a character.
func cut(text string) (string, bool) {
	if len(text) <= MaxText {
		return text, false
	}
	end := MaxText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end], true
}

// Reference returns the reference number of this portal that a text is or has on a
// line of its own, else "".
func Reference(text string) string { return reference(text) }

// reference returns a reference number of ours that is all of a text, or stands in
// what the error page copies.
func reference(text string) string {
	if m := ownReference.FindStringSubmatch(text); m != nil && strings.ContainsAny(m[1], "0123456789") && !aadsts.MatchString(m[1]) {
		return strings.ToUpper(m[1])
	}
	if m := referenceIn.FindStringSubmatch(text); m != nil {
		return strings.ToUpper(m[1])
	}
	for _, m := range referenceAmid.FindAllStringSubmatch(text, maxAmid) {
		found := m[1] + m[2] + m[3]
		if strings.ContainsAny(found, "0123456789") && strings.ContainsAny(found, "ABCDEFGHJKMNPQRSTVWXYZ") && !aadsts.MatchString(found) {
			return found
		}
	}
	return ""
}

// maxAmid is how many things that look like a reference are tried in a text.
const maxAmid = 20

// unescaped returns a text as it is and as it was before it was put into an
// address, into JSON or into HTML: errors are copied from all of them.
func unescaped(text string) []string {
	all := []string{text}
	add := func(s string) {
		if s != text && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	if strings.ContainsAny(text, "%+") {
		// Piece by piece: one wrong escape must not spoil the rest.
		once := unescapeQuery(text)
		add(once)
		add(unescapeQuery(once))
	}
	if strings.Contains(text, "&") {
		add(html.UnescapeString(text))
	}
	if strings.Contains(text, `\`) {
		add(unescapeJSON(text))
		add(unescapeJSON(unescapeJSON(text)))
	}
	return all
}

var percent = regexp.MustCompile(`(?:%[0-9a-fA-F]{2})+`)

func unescapeQuery(text string) string {
	return strings.ToValidUTF8(percent.ReplaceAllStringFunc(strings.ReplaceAll(text, "+", " "), func(s string) string {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return s
		}
		return plain
	}), " ")
}

var jsonEscape = regexp.MustCompile(`\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])`)

func unescapeJSON(text string) string {
	return jsonEscape.ReplaceAllStringFunc(text, func(s string) string {
		var plain string
		if json.Unmarshal([]byte(`"`+s+`"`), &plain) != nil {
			return s
		}
		return plain
	})
}

// numbers finds AADSTS numbers, those that only say that something failed last.
func (r *Reading) numbers(text string, variants []string) {
	var found []string
	add := func(digits string) {
		n, err := strconv.Atoi(digits)
		if err != nil || n <= 0 {
			return
		}
		if code := strconv.Itoa(n); !slices.Contains(found, code) && len(found) < MaxEntries {
			found = append(found, code)
		}
	}
	for _, v := range variants {
		for _, m := range aadsts.FindAllStringSubmatch(v, -1) {
			add(m[1])
		}
	}
	for _, v := range variants {
		for _, m := range codesList.FindAllStringSubmatch(v, -1) {
			for _, digits := range strings.FieldsFunc(m[1], func(c rune) bool { return c < '0' || c > '9' }) {
				add(digits)
			}
		}
		for _, m := range errorURI.FindAllStringSubmatch(v, -1) {
			add(m[1])
		}
	}
	if m := bareNumber.FindStringSubmatch(text); m != nil {
		add(m[1])
	}
	var wrappers []Entry
	for _, digits := range found {
		known := lookup("AADSTS" + digits)
		switch {
		case len(known) == 0:
			r.Unknown = append(r.Unknown, "AADSTS"+digits)
		case (digits == "70002" || digits == "70000") && len(found) > 1:
			wrapper := known[0]
			wrapper.Meaning, wrapper.Next = "Only says that the request failed. The other number says why.", ""
			wrapper.Mender, wrapper.Retry = apperr.MenderNobody, false
			wrappers = append(wrappers, wrapper)
		default:
			r.add(known)
		}
	}
	r.add(wrappers)
}

// names finds the names of errors: subcodes first, for they say more than the error
// beside them.
func (r *Reading) names(text string, variants []string, machine bool) {
	if !strings.ContainsAny(text, " \t\n") {
		bare := strings.Trim(text, `"'.,:;`)
		r.add(lookup(bare, entra.TableSubcodes))
		r.add(lookup(bare, apart...)) // it may come from a machine or an API as well
	}
	var errors []string
	for _, v := range variants {
		for _, m := range keyed.FindAllStringSubmatch(v, -1) {
			switch strings.ToLower(m[1]) {
			case "suberror", "error_subcode":
				r.add(in(entra.TableSubcodes, m[2]))
			default:
				errors = append(errors, m[2])
			}
		}
	}
	for _, v := range variants {
		errors = append(errors, named.FindAllString(v, -1)...)
	}
	var from string
	switch {
	case machine:
		from = entra.TableMachine
	case bearerText.MatchString(text):
		from = entra.TableBearer
	}
	// The general error has many reasons, and what it advises fits the usual one: where
	// the reason is known it would contradict.
	explained := len(r.Entries) > 0
	for _, name := range errors {
		switch its := in(from, name); {
		case len(its) > 0:
			r.add(its)
		case !explained || !general(name):
			r.add(lookup(name))
		}
	}
	if len(r.Entries) == 0 {
		r.status(text, variants, machine)
	}
}

// status finds what was answered without a name.
func (r *Reading) status(text string, variants []string, machine bool) {
	m := statusText.FindString(text)
	switch {
	case machine && m != "":
		if m[0] == '5' {
			m = "500"
		}
		r.add(in(entra.TableMachine, m))
	case machine && lateText.MatchString(text):
		r.add(in(entra.TableMachine, "timeout"))
	case !answers(variants): // an API that is asked too often says it so
		r.add(lookup(manyText.FindString(text)))
	}
}

func (r *Reading) add(entries []Entry) {
	for _, e := range entries {
		if len(r.Entries) < MaxEntries && !slices.Contains(r.Entries, e) {
			r.Entries = append(r.Entries, e)
		}
	}
}

func (r *Reading) findIDs(variants []string) {
	for _, kind := range ids {
		for _, v := range variants {
			for _, m := range kind.re.FindAllStringSubmatch(v, -1) {
				if one := (ID{kind.label, m[1]}); len(r.IDs) < maxIDs && !slices.Contains(r.IDs, one) {
					r.IDs = append(r.IDs, one)
				}
			}
		}
	}
}

// form says what a text looks like.
func form(text string, machine bool) string {
	switch {
	case machine:
		return "an answer of a machine's own token endpoint (managed identity)"
	case bearerText.MatchString(text):
		return "the header by which an API refuses a token (WWW-Authenticate)"
	case strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "?error=") || strings.HasPrefix(text, "#error="):
		return "an address with the answer of the authorization endpoint"
	case strings.HasPrefix(text, "{") && strings.Contains(text, "error_codes"):
		return "the answer of the token endpoint"
	case strings.HasPrefix(text, "{"):
		return "an answer as JSON"
	}
	return ""
}
