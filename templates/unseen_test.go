package templates

import (
	"encoding/json"
	"testing"
)

// TestAttackTextsThatReadOtherThanTheyAre: what has no look is written out, and
// what JSON meant it means still.
func TestAttackTextsThatReadOtherThanTheyAre(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"Größe データ\n\tx y\r\n":   "Größe データ\n\tx y\n",
		"a\u202egnp.exe":         `a\u202egnp.exe`,
		"Failed\u200b":           `Failed\u200b`,
		"\x1b[8m\r\u2028\u2066":  `\u001b[8m\u000d\u2028\u2066`,
		"\u3164\u2800\U000e0100": `\u3164\u2800\udb40\udd00`,
	} {
		if got := Plain(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	var was, is string
	evidence := "\"\u202e \U000e0100\""
	if json.Unmarshal([]byte(evidence), &was) != nil || json.Unmarshal([]byte(Plain(evidence)), &is) != nil || was != is {
		t.Errorf("%q has become %q", was, is)
	}
}
