package trace

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// leakPiece is how much of a secret in a row counts as telling it.
const leakPiece = 16

// Leaks looks for secrets in bytes that were stored, sent or logged, and says
// which it finds by their number, and how: as they are, escaped once or several
// times, in base64 (at any place of a longer text) or hexadecimal, and long
// pieces of them. It is for tests: it shares nothing with the Redactor, so that it
// shares no mistake, and takes its time.
func Leaks(stored []byte, secrets []string) []string {
	forms := []string{string(stored)}
	for range 6 {
		last := forms[len(forms)-1]
		next := leakUnescaped(last)
		if next == last {
			break
		}
		forms = append(forms, next)
	}
	for _, form := range forms[:len(forms):len(forms)] {
		forms = append(forms, leakDecoded(form)...)
	}
	var leaks []string
	for i, secret := range secrets {
		if secret == "" {
			continue
		}
		for how, needle := range leakNeedles(secret) {
			for _, form := range forms {
				if strings.Contains(form, needle) {
					leaks = append(leaks, fmt.Sprintf("secret %d is told %s", i, how))
					break
				}
			}
		}
	}
	return leaks
}

var (
	leakEscape  = regexp.MustCompile(`%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\["\\/nrt]`)
	leakBase64  = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`)
	leakToASCII = strings.NewReplacer("-", "+", "_", "/")
)

func leakUnescaped(text string) string {
	return html.UnescapeString(leakEscape.ReplaceAllStringFunc(text, func(escape string) string {
		if escape[0] == '%' {
			if plain, err := url.PathUnescape(escape); err == nil {
				return plain
			}
			return escape
		}
		if plain, err := strconv.Unquote(`"` + strings.ReplaceAll(escape, `\/`, `/`) + `"`); err == nil {
			return plain
		}
		return escape
	}))
}

// leakDecoded returns what base64 in text says.
func leakDecoded(text string) []string {
	var out bytes.Buffer
	for _, run := range leakBase64.FindAllString(text, -1) {
		run = leakToASCII.Replace(run)
		if decoded, err := base64.RawStdEncoding.DecodeString(run[:len(run)-len(run)%4]); err == nil {
			out.Write(decoded)
			out.WriteByte('\n')
		}
	}
	once := out.String()
	return []string{once, leakUnescaped(once)}
}

func leakNeedles(secret string) map[string]string {
	needles := map[string]string{
		"as it is":          secret,
		"in an address":     url.QueryEscape(secret),
		"in HTML":           html.EscapeString(secret),
		"in Go's JSON":      strings.Trim(strconv.Quote(secret), `"`),
		"in hexadecimal":    hex.EncodeToString([]byte(secret)),
		"in base64":         base64.StdEncoding.EncodeToString([]byte(secret)),
		"in base64url":      base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"in Basic's base64": base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(secret))),
	}
	for shift := 1; shift < 3; shift++ {
		encoded := base64.RawURLEncoding.EncodeToString(append(make([]byte, shift), secret...))
		if len(encoded) > 12 {
			encoded = encoded[shift+1 : len(encoded)-1]
			needles[fmt.Sprintf("in base64url, %d bytes on", shift)] = encoded
			needles[fmt.Sprintf("in base64, %d bytes on", shift)] = strings.NewReplacer("-", "+", "_", "/").Replace(encoded)
		}
	}
	for at := 0; at+leakPiece <= len(secret); at += leakPiece / 4 {
		needles[fmt.Sprintf("in part, from %d on", at)] = secret[at : at+leakPiece]
	}
	return needles
}
