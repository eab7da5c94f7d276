package trace

import (
	"bytes"
	"encoding/json"
)

// multipartFields finds the fields of a multipart form (RFC 7578).
func multipartFields(text []byte, found emit) {
	const intro = "form-data;"
	for at := 0; ; {
		next := bytes.Index(text[at:], []byte(intro))
		if next < 0 {
			return
		}
		at += next + len(intro)
		line := text[at:]
		head := bytes.Index(line, []byte("\r\n\r\n"))
		gap := 4
		if lf := bytes.Index(line, []byte("\n\n")); head < 0 || lf >= 0 && lf < head {
			head, gap = lf, 2
		}
		if head < 0 {
			return
		}
		_, name, ok := bytes.Cut(line[:head], []byte("name="))
		if !ok {
			continue
		}
		if len(name) > 0 && name[0] == '"' {
			name = name[1:]
			if q := bytes.IndexByte(name, '"'); q >= 0 {
				name = name[:q]
			}
		} else if stop := bytes.IndexAny(name, "; \r\n"); stop >= 0 {
			name = name[:stop]
		}
		start := at + head + gap
		end := len(text)
		if b := bytes.Index(text[start:], []byte("\n--")); b >= 0 {
			end = start + b
		}
		if end > start && text[end-1] == '\r' {
			end--
		}
		if kind, n := sensitive(name, parameter); redactable(text[start:end], n) {
			found(start, end, kind)
		}
		at = start
	}
}

// pemKeys finds private keys in PEM, also where their end is missing.
func pemKeys(text []byte, found emit) {
	for at := 0; ; {
		next := bytes.Index(text[at:], []byte("PRIVATE KEY-----"))
		if next < 0 {
			return
		}
		const longest = 100 // of the words between, such as RSA or ENCRYPTED
		before := max(0, at+next-longest)
		start := bytes.LastIndex(text[before:at+next], []byte("-----BEGIN"))
		if start < 0 {
			at += next + 16
			continue
		}
		start += before
		at += next + 16
		end := len(text)
		if closing := bytes.Index(text[at:], []byte("-----END")); closing >= 0 {
			end = at + closing + len("-----END")
			if rest := bytes.Index(text[end:], []byte("-----")); rest >= 0 && rest < 40 {
				end += rest + 5
			}
		}
		found(start, end, PrivateKey)
		at = end
	}
}

// userinfo finds the password of an address (RFC 3986 §3.2.1).
func userinfo(text []byte, found emit) {
	for at := 0; ; {
		next := bytes.Index(text[at:], []byte("://"))
		if next < 0 {
			return
		}
		at += next + 3
		end := at
		for end < len(text) && end-at < 1000 && text[end] != '/' && text[end] != '@' && !blank(text[end]) && text[end] != '"' {
			end++
		}
		if end >= len(text) || text[end] != '@' {
			continue
		}
		if colon := bytes.IndexByte(text[at:end], ':'); colon >= 0 && at+colon+1 < end {
			found(at+colon+1, end, Password)
		}
		at = end
	}
}

func tokenChar(c byte) bool { return c == '-' || c == '_' || sextets[c] != 0 && c != '+' && c != '/' }

// jwts finds JSON Web Tokens, signed or encrypted, and the beginnings of such.
func jwts(text []byte, found emit) {
	for at := 0; ; {
		next := bytes.Index(text[at:], []byte("eyJ"))
		if next < 0 {
			return
		}
		start := at + next
		end, dots := start, 0
		for end < len(text) && (tokenChar(text[end]) || text[end] == '.') {
			if text[end] == '.' {
				dots++
			}
			end++
		}
		at = end
		if end-start < 16 {
			continue
		}
		// Claims that an API demands are JSON in base64 as well, and no secret.
		if dots > 0 || isHeader(text[start:end]) {
			found(start, end, Token)
		}
	}
}

// isHeader reports whether text is, or begins as, the header of a token.
func isHeader(text []byte) bool {
	head := decode64(nil, text, 0)
	return bytes.Contains(head, []byte(`"alg"`)) || bytes.Contains(head, []byte(`"kid"`)) || bytes.Contains(head, []byte(`"JWT"`))
}

// entraOpaque finds what Entra's codes and refresh tokens look like: 0.A…, 1.A…
// (entra.md §2.4, §4.2).
func entraOpaque(text []byte, found emit) {
	for at := 0; ; {
		next := bytes.Index(text[at:], []byte(".A"))
		if next < 0 {
			return
		}
		dot := at + next
		at = dot + 2
		start := dot - 1
		if start < 0 || text[start] != '0' && text[start] != '1' || start > 0 && (tokenChar(text[start-1]) || text[start-1] == '.') {
			continue
		}
		end := dot + 1
		for end < len(text) && (tokenChar(text[end]) || text[end] == '.') {
			end++
		}
		if end-start >= 32 {
			found(start, end, Token)
		}
		at = end
	}
}

// decodeJWT returns header and payload of a token; payload is nil where it is
// encrypted. ok is false for what is no token.
func decodeJWT(token string) (header, payload []byte, ok bool) {
	parts := bytes.Split([]byte(token), []byte("."))
	if len(parts) != 3 && len(parts) != 5 {
		return nil, nil, false
	}
	header = decode64(nil, parts[0], 0)
	if !json.Valid(header) {
		return nil, nil, false
	}
	if len(parts) == 5 {
		return header, nil, true
	}
	payload = decode64(nil, parts[1], 0)
	return header, payload, json.Valid(payload)
}
