package explain

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// synonyms are the words of tools and manuals for what our tables say in plain
// ones.
var synonyms = map[string][]string{
	"mfa": {"second step"}, "2fa": {"second step"}, "authenticator": {"second step"}, "multifactor": {"second step"},
	"redirect": {"come back", "redirect"}, "reply": {"come back", "redirect"}, "callback": {"come back", "redirect"},
	"tenant": {"organization", "directory"}, "directory": {"directory", "organization"},
	"consent": {"approve", "consent"}, "permission": {"permission", "approve"}, "consented": {"approve"},
	"logout": {"sign out", "signed out", "end a"}, "signout": {"sign out", "signed out"},
	"expired": {"expired", "run out", "too late"}, "expire": {"expired", "run out"},
	"locked": {"blocked"}, "lockout": {"blocked"}, "pkce": {"pkce", "proof key"}, "verifier": {"proof key"},
	"sp": {"service principal"}, "spn": {"service principal"}, "idp": {"sign-in service"}, "adfs": {"sign-in service"},
	"guest": {"guest", "another organization"}, "throttled": {"too many", "too often", "too busy"}, "throttling": {"too many", "too often"},
	"imds": {"managed identit"}, "msi": {"managed identit"}, "compliant": {"rules of your organization"},
	"obo": {"passed on"}, "assertion": {"proof"}, "kerberos": {"kerberos", "automatic sign-in"}, "sso": {"automatic sign-in", "single"},
	"login": {"sign in", "sign-in"}, "assigned": {"assigned"}, "assignment": {"assigned"}, "role": {"role"},
}

// searchable is an entry in lower case.
type searchable struct {
	entry               Entry
	code, meaning, next string
}

var searchables = sync.OnceValue(func() []searchable {
	var all []searchable
	for _, t := range Tables() {
		for _, e := range t.Entries {
			all = append(all, searchable{e, strings.ToLower(e.Code), strings.ToLower(e.Meaning), strings.ToLower(e.Next + " " + t.Title)})
		}
	}
	return all
})

// Search finds entries by words: those that have all of them, the best first, at
// most MaxEntries. Where none has all, those with the most.
func Search(text string) []Entry {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	words = slices.DeleteFunc(words, func(w string) bool { return len(w) < 2 || stop[w] })
	words = words[:min(len(words), 12)]
	if len(words) == 0 {
		return nil
	}
	type hit struct {
		entry         Entry
		matched, rank int
	}
	var hits []hit
	best := 0
	for _, s := range searchables() {
		h := hit{entry: s.entry}
		for _, w := range words {
			if points := s.points(w); points > 0 {
				h.matched++
				h.rank += points
			}
		}
		if h.matched > 0 {
			hits = append(hits, h)
			best = max(best, h.matched)
		}
	}
	// One word of many is chance.
	if best*2 < len(words) {
		return nil
	}
	hits = slices.DeleteFunc(hits, func(h hit) bool { return h.matched < best })
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.rank, a.rank) })
	var out []Entry
	for _, h := range hits[:min(len(hits), MaxEntries)] {
		out = append(out, h.entry)
	}
	return out
}

var stop = map[string]bool{"the": true, "an": true, "to": true, "is": true, "of": true, "in": true, "for": true, "and": true, "or": true,
	"it": true, "error": true, "my": true, "not": true, "was": true, "on": true, "with": true, "what": true, "how": true, "why": true}

// points says how well a word fits: in the code best, then in what happened.
func (s *searchable) points(word string) int {
	best := 0
	for _, w := range append([]string{word}, synonyms[word]...) {
		switch {
		case begins(s.code, w):
			best = max(best, 8)
		case begins(s.meaning, w):
			best = max(best, 5)
		case begins(s.next, w):
			best = max(best, 2)
		}
	}
	return best
}

// begins reports whether a word of text begins with w.
func begins(text, w string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], w)
		if at < 0 {
			return false
		}
		at += from
		if at == 0 || !isLetter(text[at-1]) {
			return true
		}
		from = at + 1
	}
}

func isLetter(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }
