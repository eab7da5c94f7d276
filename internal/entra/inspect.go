package entra

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Bounds of what the inspector reads. The script in the browser keeps to the
// same ones: they are handed to it with the words.
const (
	MaxInspected  = 64 << 10 // bytes of a token
	maxNesting    = 64       // of JSON
	maxNotes      = 20
	nameLimit     = 200                                         // bytes of a claim's name that are shown
	millisFrom    = 1e11                                        // a NumericDate this large is in milliseconds: as seconds it is the year 5138
	millisTo      = 1e14                                        // and this large in something else
	blanks        = " \t\r\n\v\f\u00a0\u200b\u2028\u2029\ufeff" // what comes along with copied text
	quotes        = "\"'`"
	bearer        = "bearer"
	authorization = "authorization:"
)

// Note is a remark on a token: a code of [InspectWords] and what it is about.
type Note struct {
	Code  string
	About string // a claim's name, a number, an address; never the token
}

// Inspection is a token taken apart for whoever pasted it. Nothing in it was
// verified: it is never to decide anything.
type Inspection struct {
	// Problem says why it cannot be read, or not wholly: what is filled in
	// below was readable. The zero value: it is a signed token in full.
	Problem     Note
	Notes       []Note // remarks, in the order of the token
	Header      []Claim
	HeaderText  string // indented JSON
	Claims      []Claim
	PayloadText string // indented JSON; of a nested token the inner one
	Alg         string
	KeyID       string
	Issuer      string
	TenantID    string
	Expires     time.Time // zero: it does not say

	compact   string // header.payload.signature, to be verified
	signature bool   // there is a third part and it is base64
	graph     bool   // only Microsoft Graph can check it
	critical  bool   // the header demands something of its reader
}

// Inspect takes a token apart that somebody pasted: with or without "Bearer",
// quotes and line breaks. It never fails; what is wrong is in Problem.
func Inspect(pasted string) *Inspection {
	in := &Inspection{}
	if in.Problem = in.read(pasted); in.Problem.Code == "" {
		in.finish()
	}
	return in
}

// plainToken takes away what came along when a token was copied.
func plainToken(pasted string) string {
	text := strings.Trim(pasted, blanks)
	if len(text) >= len(authorization) && strings.EqualFold(text[:len(authorization)], authorization) {
		text = strings.Trim(text[len(authorization):], blanks)
	}
	const edge = quotes + ",;" + blanks
	text = strings.Trim(text, edge)
	if len(text) > len(bearer) && strings.EqualFold(text[:len(bearer)], bearer) {
		if next, _ := utf8.DecodeRuneInString(text[len(bearer):]); strings.ContainsRune(blanks, next) {
			text = strings.Trim(text[len(bearer):], edge)
		}
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(blanks, r) {
			return -1
		}
		return r
	}, text)
}

func (in *Inspection) read(pasted string) Note {
	if len(pasted) > 2*MaxInspected { // before anything is done with it
		return Note{"too_large", strconv.Itoa(len(pasted))}
	}
	token := plainToken(pasted)
	if token == "" {
		return Note{Code: "empty"}
	}
	if len(token) > MaxInspected {
		return Note{"too_large", strconv.Itoa(len(token))}
	}
	switch n := strings.Count(token, ".") + 1; n {
	case 3, 5:
	case 1:
		return Note{Code: "one_part"}
	case 2:
		return Note{Code: "two_parts"}
	default:
		return Note{"many_parts", strconv.Itoa(n)}
	}
	parts := strings.Split(token, ".")
	header, problem := part(parts[0], "header")
	if problem.Code != "" {
		return problem
	}
	in.HeaderText, in.Header = header.text, claimsOf(header.members, headerOf)
	in.note("header_duplicate", header.members)
	in.Alg, in.KeyID = header.value("alg"), header.value("kid")
	if len(parts) == 5 {
		return Note{"encrypted", in.Alg}
	}
	if strings.EqualFold(strings.TrimPrefix(strings.ToLower(header.value("cty")), "application/"), "jwt") {
		if inner, err := decodePart(parts[1]); err == nil && strings.Count(string(inner), ".") >= 2 && utf8.Valid(inner) && inner[0] != '{' {
			in.PayloadText = string(inner)
			return Note{Code: "nested"}
		}
	}
	payload, problem := part(parts[1], "payload")
	if problem.Code != "" {
		return problem
	}
	in.PayloadText, in.Claims = payload.text, claimsOf(payload.members, meaningOf)
	in.note("duplicate", payload.members)
	in.compact = token
	_, err := decodePart(parts[2])
	in.signature = err == nil && parts[2] != "" && !slices.ContainsFunc(in.Notes, func(n Note) bool { return n.Code == "header_duplicate" })
	in.critical = slices.ContainsFunc(header.members, func(m Member) bool { return m.Name == "crit" })
	in.Issuer, in.TenantID = payload.value("iss"), payload.value("tid")
	in.graph = header.value("nonce") != "" && slices.Contains(graphAudiences, strings.TrimRight(payload.value("aud"), "/"))
	return Note{}
}

// graphAudiences are what tokens for Microsoft Graph call it: only Graph can
// check them (entra.md §3.3).
var graphAudiences = []string{"00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com", "https://graph.microsoft.us",
	"https://dod-graph.microsoft.us", "https://microsoftgraph.chinacloudapi.cn"}

// finish adds the remarks about times.
func (in *Inspection) finish() {
	for i := range in.Claims {
		c := &in.Claims[i]
		if !slices.Contains(timeClaims, c.Name) || c.number < millisFrom || c.number >= millisTo {
			continue
		}
		c.Time = time.Unix(int64(c.number/1000), 0).UTC()
		if len(in.Notes) < maxNotes {
			in.Notes = append(in.Notes, Note{"milliseconds", c.Name})
		}
	}
	for _, c := range in.Claims {
		if c.Name == "exp" {
			in.Expires = c.Time // the last one, as most programs read it
		}
	}
}

// note remarks members that stand in the JSON more than once.
func (in *Inspection) note(code string, members []Member) {
	seen := map[string]int{}
	for _, m := range members {
		if seen[m.Name]++; seen[m.Name] == 2 && len(in.Notes) < maxNotes {
			in.Notes = append(in.Notes, Note{code, shorten(m.Name, nameLimit)})
		}
	}
}

type decodedPart struct {
	text    string // indented
	members []Member
}

// value returns the text of a member; "" where it is none. The last one counts,
// as most programs read it.
func (p decodedPart) value(name string) string {
	out := ""
	for _, m := range p.members {
		if m.Name == name {
			out = ""
			if strings.HasPrefix(m.JSON, `"`) {
				out = unquote(m.JSON)
			}
		}
	}
	return out
}

// decodePart decodes base64url without padding, and nothing else: Go's own
// decoder passes over line breaks.
func decodePart(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, base64.CorruptInputError(0)
	}
	return base64.RawURLEncoding.DecodeString(part)
}

// part decodes the header or the payload. Its problems' codes begin with name.
func part(text, name string) (decodedPart, Note) {
	b, err := decodePart(text)
	switch {
	case err != nil:
		return decodedPart{}, Note{Code: name + "_not_base64"}
	case !utf8.Valid(b):
		return decodedPart{}, Note{Code: name + "_not_utf8"}
	case !json.Valid(b):
		return decodedPart{}, Note{Code: name + "_not_json"}
	case nesting(b) > maxNesting:
		return decodedPart{}, Note{Code: name + "_too_deep"}
	}
	b = bytes.Trim(b, " \t\r\n")
	switch b[0] {
	case '{':
	case '[':
		return decodedPart{}, Note{Code: name + "_array"}
	default:
		return decodedPart{}, Note{Code: name + "_not_object"}
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, b, "", "  "); err != nil {
		return decodedPart{}, Note{Code: name + "_not_json"}
	}
	p := decodedPart{text: indented.String()}
	gjson.ParseBytes(b).ForEach(func(key, value gjson.Result) bool {
		p.members = append(p.members, Member{unquote(key.Raw), value.Raw})
		return true
	})
	return p, Note{}
}

// nesting returns how deep valid JSON is nested.
func nesting(b []byte) int {
	depth, deepest := 0, 0
	inString := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}', c == ']':
			depth--
		}
	}
	return deepest
}

// unquote returns the text of a JSON string.
func unquote(raw string) string {
	var text string
	_ = json.Unmarshal([]byte(raw), &text) // it was valid before
	return text
}

// shorten cuts a text after so many bytes and marks that.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// Unverifiable says why no key can check the signature, "" when one could.
func (in *Inspection) Unverifiable() string {
	switch {
	case in.Problem.Code != "":
		return "sig_unreadable"
	case strings.EqualFold(in.Alg, "none"):
		return "sig_none"
	case strings.HasPrefix(in.Alg, "HS"):
		return "sig_hmac"
	case !in.signature:
		return "sig_malformed"
	case in.graph:
		return "sig_graph"
	case in.critical:
		return "sig_crit"
	case !slices.Contains(verifiable, in.Alg):
		return "sig_alg"
	}
	return ""
}

// verifiable are the algorithms that both this program and the browser check.
var verifiable = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}

// The differences of [Compare].
const (
	Same       = "same"
	Changed    = "changed"
	OnlyFirst  = "only in the first"
	OnlySecond = "only in the second"
)

// Comparison is a claim of two tokens. What stands in a token twice is compared
// as a whole.
type Comparison struct {
	Name, First, Second string // values; "" where it is not there
	Difference          string
}

// Compare lists the claims of two tokens, each once, in the order of [Inspect].
// Values are the same when they stand in both tokens in the same way.
func Compare(first, second *Inspection) []Comparison {
	type values struct{ value, raw string }
	gather := func(in *Inspection) map[string]values {
		all := make(map[string]values, len(in.Claims))
		for _, c := range in.Claims {
			v := values{c.Value, c.raw}
			if before, twice := all[c.Name]; twice {
				v = values{before.value + ", " + v.value, before.raw + ", " + v.raw}
			}
			all[c.Name] = v
		}
		return all
	}
	a, b := gather(first), gather(second)
	var rows []Comparison
	for _, c := range slices.Concat(first.Claims, second.Claims) {
		if slices.ContainsFunc(rows, func(row Comparison) bool { return row.Name == c.Name }) {
			continue
		}
		x, inFirst := a[c.Name]
		y, inSecond := b[c.Name]
		row := Comparison{Name: c.Name, First: x.value, Second: y.value, Difference: Changed}
		switch {
		case !inFirst:
			row.Difference = OnlySecond
		case !inSecond:
			row.Difference = OnlyFirst
		case x.raw == y.raw:
			row.Difference = Same
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(x, y Comparison) int { return byPlace(x.Name, y.Name, meaningOf) })
	return rows
}
