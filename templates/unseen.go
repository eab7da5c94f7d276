package templates

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// Unseen reports whether a character has no look of its own, or changes how its
// neighbours look: controls other than line ends and tabs, marks of direction,
// fillers, joiners and selectors.
func Unseen(c rune) bool {
	if c < 0x7f {
		return c < ' ' && c != '\n' && c != '\t'
	}
	const emptyBraille = '\u2800'
	return c == emptyBraille || unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Plain returns a stranger's text with each unseen character written out as
// JSON escapes it. Without that, a text could read other than it is, and turn
// round what stands beside it.
func Plain(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if !strings.ContainsFunc(text, Unseen) {
		return text
	}
	var out strings.Builder
	for _, c := range text {
		if !Unseen(c) {
			out.WriteRune(c)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, c) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String()
}
