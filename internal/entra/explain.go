package entra

import (
	"slices"
	"strconv"
	"strings"

	"azts.internal/portal/internal/apperr"
)

// maxNumbers is how many AADSTS numbers of one answer are looked at. Real
// answers chain two or three.
const maxNumbers = 8

// maxNumber is the highest AADSTS number accepted as one. The longest in use
// have seven digits; the rest is room to grow that still fits an int32.
const maxNumber = 999_999_999

// aadstsPrefix stands before the number in an error description.
const aadstsPrefix = "AADSTS"

// providerError is the code of an answer that names nothing known.
const providerError = "provider_error"

// Explanation says what an error of the identity platform means to a person.
type Explanation struct {
	Code    string        // "AADSTS50105" or an OAuth error such as "access_denied"
	Error   string        // the OAuth error it usually comes with, "" if it is shown on Entra's own page only
	Meaning string        // one plain sentence: what happened; at most 160 characters
	Next    string        // one or two plain sentences: what to do, in the words of the person who reads it
	Mender  apperr.Mender // who can do it
	Retry   bool          // whether the same attempt can succeed when the person simply makes it again
	Origin  Origin        // where it is first seen
}

// entry is what the tables hold about one error.
type entry struct {
	oauth   string
	meaning string
	remedy
}

func (k entry) explanation(code string) Explanation {
	return Explanation{Code: code, Error: k.oauth, Meaning: k.meaning, Next: k.next, Mender: k.mender, Retry: k.retry}
}

// ExplainAADSTS explains an AADSTS number (entra.md §2.7). It reports false
// for a number that is not in the table.
//
// The numbers serve explanation and logs only. Entra changes them without
// notice, so no decision of the program may rest on one.
func ExplainAADSTS(number int) (Explanation, bool) {
	k, ok := lookupAADSTS(number)
	if !ok {
		return Explanation{}, false
	}
	x := k.explanation(aadstsCode(number))
	x.Origin = numberOrigin(number, k.oauth)
	return x, true
}

// ExplainOAuth explains the error of an authorization, token, device or API
// answer: RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 8628 §3.5, RFC 9470
// §3, OpenID Connect Core §3.1.2.6 and the names of Entra's own (entra.md
// §2.5, §2.6, §4.6, §6.1). It reports false for any other.
func ExplainOAuth(code string) (Explanation, bool) {
	k, ok := oauthErrors[code]
	if !ok {
		return Explanation{}, false
	}
	x := k.explanation(code)
	x.Origin = nameOrigin(code)
	return x, true
}

// ExplainSuberror explains an error_subcode of the authorization endpoint or
// a suberror of the token endpoint (entra.md §2.5, §2.6). It reports false
// for one that is not known.
func ExplainSuberror(s string) (Explanation, bool) {
	k, ok := suberrors[s]
	if !ok {
		return Explanation{}, false
	}
	return k.explanation(s), true
}

// AADSTSNumbers returns the AADSTS numbers in an error description, in their
// order, each once, at most 8. Of the description the first 16 KiB are read.
// A run of digits too long to be a number of Entra is no number.
func AADSTSNumbers(description string) []int {
	var numbers []int
	text := head(description, maxScan)
	for start := 0; len(numbers) < maxNumbers; {
		at := strings.Index(text[start:], aadstsPrefix)
		if at < 0 {
			break
		}
		at += start
		first := at + len(aadstsPrefix)
		end := first
		for end < len(text) && isDigit(text[end]) {
			end++
		}
		start = end
		if at > 0 && isWordByte(text[at-1]) || end < len(text) && isWordByte(text[end]) {
			continue
		}
		if n, ok := aadstsNumber(text[first:end]); ok && !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// ParseError turns the error answer of the authorization or token endpoint
// into words for a person. Its cause is a *ProviderError with the provider's
// own text, cleaned for the log; the words and the code come from the tables
// of this package alone, so nothing that the provider, or someone in its
// name, has written reaches a page.
//
// The most specific explanation that is known wins: an AADSTS number, then
// the subcode, then the OAuth error. The kind is never Unauthenticated, which
// would send the person round in a loop of sign-ins, and never Internal.
func ParseError(e ProviderError) *apperr.Error {
	e = e.normalized()
	k, code := e.diagnosis()
	err := apperr.New(k.kind, code, k.meaning).WithNext(k.mender, k.next)
	if k.retry {
		err = err.WithRetry()
	}
	return err.Because(&e)
}

// diagnosis picks the explanation and its code. It expects a normalized e.
func (e *ProviderError) diagnosis() (entry, string) {
	var wrapper int
	for _, n := range e.Codes {
		k, ok := lookupAADSTS(n)
		switch {
		case !ok:
		case wrapsOther(n):
			if wrapper == 0 {
				wrapper = n
			}
		default:
			return k, aadstsCode(n)
		}
	}
	if wrapper != 0 {
		k, _ := lookupAADSTS(wrapper)
		return k, aadstsCode(wrapper)
	}
	k, code := e.generalDiagnosis()
	if len(e.Codes) > 0 {
		// The help desk finds a number that we cannot explain on Entra's own
		// error page, but not the name of an OAuth error.
		code = aadstsCode(e.Codes[0])
	}
	return k, code
}

// generalDiagnosis explains an answer without a known AADSTS number.
func (e *ProviderError) generalDiagnosis() (entry, string) {
	if k, ok := suberrors[e.Subcode]; ok {
		return k, e.Subcode
	}
	k, named := oauthErrors[e.OAuthError]
	code := providerError
	if named {
		code = e.OAuthError
	}
	switch {
	case (e.Status >= 500 || e.Status == 429) && k.kind != apperr.Unavailable:
		return providerTrouble, code
	case named:
		return k, code
	case e.Claims != "":
		return oauthErrors[oauthInteraction], oauthInteraction
	default:
		return unknownError, code
	}
}

// wrapsOther reports whether a number only says that something failed. Version
// 1 answers put it before the one that says what (entra.md §2.6).
func wrapsOther(number int) bool { return number == 70002 || number == 70000 }

func aadstsCode(number int) string { return aadstsPrefix + strconv.Itoa(number) }

// aadstsNumber reads the digits of an AADSTS number.
func aadstsNumber(digits string) (int, bool) {
	if len(digits) < 4 || len(digits) > 9 {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n > 0
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func isWordByte(b byte) bool {
	return isDigit(b) || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b == '_'
}
