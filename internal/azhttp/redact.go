package azhttp

import (
	"errors"
	"regexp"
	"strings"
)

// piece is how many bytes of a token in a row give it away: services cut the
// texts in which they repeat it.
const piece = 16

// shortest is what a token has at least, in bytes: a shorter one is no secret, and
// its letters stand in every text.
const shortest = 8

const hidden = "[token]"

// someJWT is anything that begins as a JSON header in base64url does: a token of
// whomever, or a part of one.
var someJWT = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)*`)

// redact replaces the token that was sent, any piece of it, and whatever looks
// like another in a text of a service's: some repeat the Authorization header in
// their errors, and those go to the log and to pages.
func redact(text, token string) string {
	switch {
	case len(token) >= piece:
		text = withoutPieces(text, token)
	case len(token) >= shortest:
		text = strings.ReplaceAll(text, token, hidden)
	}
	return someJWT.ReplaceAllString(text, hidden)
}

func withoutPieces(text, token string) string {
	pieces := make(map[string]bool, len(token))
	for i := 0; i+piece <= len(token); i++ {
		pieces[token[i:i+piece]] = true
	}
	var out strings.Builder
	kept := 0 // up to here text is in out
	for i := 0; i+piece <= len(text); {
		if !pieces[text[i:i+piece]] {
			i++
			continue
		}
		end := i + piece
		for end < len(text) && pieces[text[end-piece+1:end+1]] {
			end++
		}
		out.WriteString(text[kept:i] + hidden)
		i, kept = end, end
	}
	return out.String() + text[kept:]
}

// redactError returns err, or only its text where that has a token in it.
func redactError(err error, token string) error {
	if text := err.Error(); redact(text, token) != text {
		return errors.New(redact(text, token))
	}
	return err
}
