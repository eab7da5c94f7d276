package trace

import (
	"bytes"
	"strings"
)

// fingerprintAt returns the length of the fingerprint at the beginning of text,
// or 0. Texts that are redacted already go through the Redactor again.
func fingerprintAt(text []byte) int {
	const longest = 60
	open, end := len("‹"), bytes.Index(text[:min(len(text), longest)], []byte("›"))
	if !bytes.HasPrefix(text, []byte("‹")) || end < 0 {
		return 0
	}
	words := text[open:end]
	dot := bytes.LastIndex(words, []byte("·"))
	if dot < 6 || len(words)-dot != len("·")+2 || words[dot-5] != ' ' {
		return 0
	}
	for _, c := range words[:dot] {
		if c != ' ' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return 0
		}
	}
	return end + len("›")
}

// isFingerprint reports whether text is a fingerprint and nothing else.
func isFingerprint(text []byte) bool { return len(text) > 0 && fingerprintAt(text) == len(text) }

// Part is a stretch of a redacted text: plain, or a fingerprint to be set apart.
type Part struct {
	Text        string
	Fingerprint bool
}

// Parts splits a redacted text at its fingerprints, so that pages can set them
// apart and join those that are the same.
func Parts(text string) []Part {
	var parts []Part
	plain := 0
	for at := 0; at < len(text); {
		next := strings.Index(text[at:], "‹")
		if next < 0 {
			break
		}
		at += next
		length := fingerprintAt([]byte(text[at:min(len(text), at+64)]))
		if length == 0 {
			at += len("‹")
			continue
		}
		if at > plain {
			parts = append(parts, Part{Text: text[plain:at]})
		}
		parts = append(parts, Part{Text: text[at : at+length], Fingerprint: true})
		at += length
		plain = at
	}
	if plain < len(text) {
		parts = append(parts, Part{Text: text[plain:]})
	}
	return parts
}
