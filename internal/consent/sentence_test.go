package consent

import (
	"strings"
	"testing"
	"unicode"

	"azts.internal/portal/internal/apperr"
)

// TestSentencesAreClean: what is stored reads as it was written, and nothing in it
// is invisible.
func TestSentencesAreClean(t *testing.T) {
	for name, c := range map[string]struct{ typed, want string }{
		"as typed":                   {"I look after our team’s apps.", "I look after our team’s apps."},
		"blanks around and between":  {" \t I  look\u00a0\u2003after\tit \n", "I look after it"},
		"lines":                      {"One,\r\n two,\n\n\n\n three\u2028four", "One,\ntwo,\nthree\nfour"},
		"direction of writing":       {"\u202egnp.exe please \u2066approve\u2069", "gnp.exe please approve"},
		"controls":                   {"a\x00b\x1b[31mc\x7f", "ab[31mc"},
		"blanks that nobody sees":    {"a\u200bb\u00adc\ufeffd\u2060e", "abcde"},
		"letters that nobody sees":   {"x\u3164\u115f\uffa0y", "xy"},
		"tags":                       {"ok\U000e0041\U000e0042", "ok"},
		"not UTF-8":                  {"a\xffb", "a\uFFFDb"},
		"joiners where they spell":   {"می\u200cخواهم، क्\u200dष", "می\u200cخواهم، क्\u200dष"},
		"joiners where they hide":    {"\u200ca\u200d \u200cb\u200c\u200c.\u200d", "a b."},
		"another script":             {"日本語の理由です", "日本語の理由です"},
		"letters of two code points": {"Gru\u0308ße", "Gru\u0308ße"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Clean(c.typed); got != c.want || Clean(got) != got {
				t.Errorf("%q becomes %q, want %q", c.typed, got, c.want)
			}
		})
	}
}

// TestASentenceHasALetter, in any script.
func TestASentenceHasALetter(t *testing.T) {
	for _, typed := range []string{"", "ab", "...", "!?! 123", "\u200b\u200b\u200b", "\u3164\u3164\u3164", "\u202e\u202ea", "   \n  ", "----------"} {
		if got, err := sentence("The reason", typed); !apperr.HasCode(err, "sentence_missing") {
			t.Errorf("%q is taken as %q, %v", typed, got, err)
		}
	}
	for _, typed := range []string{"Why", "理由は", "Да.", "1st"} {
		if got, err := sentence("The reason", typed); err != nil || got != typed {
			t.Errorf("%q becomes %q, %v", typed, got, err)
		}
	}
	// A browser counts a line break as one character and sends two.
	if _, err := sentence("The reason", strings.Repeat("x\r\n", MaxReason/2)); err != nil {
		t.Error(err)
	}
	if _, err := sentence("The reason", strings.Repeat("ü", MaxReason+1)); !apperr.HasCode(err, "sentence_long") {
		t.Errorf("%v", err)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\u202ea\n\n b\xff")
	f.Fuzz(func(t *testing.T, typed string) {
		got := Clean(typed)
		if Clean(got) != got || strings.Contains(got, "\n\n") || strings.Contains(got, "  ") || got != strings.TrimSpace(got) ||
			strings.ContainsFunc(got, func(r rune) bool {
				return !strings.ContainsRune("\n\u200c\u200d", r) && unicode.In(r, unicode.Cc, unicode.Cf)
			}) {
			t.Errorf("%q becomes %q", typed, got)
		}
	})
}
