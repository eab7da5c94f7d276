package trace

import (
	"bytes"
	"encoding/json"
	"strings"
)

const (
	maxDecoded = 50
	maxClaims  = 200
	maxNesting = 3
	maxApart   = 256 << 10 // of all tokens, in bytes
)

// Claim is a member of a token's header or payload.
type Claim struct {
	Name  string `json:"name"`
	Value string `json:"value"` // as JSON, secrets in it redacted
}

// Decoded is what a JSON Web Token says, without its signature: nothing that
// anybody would accept.
type Decoded struct {
	// Fingerprint is how the token is named in the messages, without brackets.
	Fingerprint string  `json:"fingerprint"`
	Kind        Kind    `json:"kind"`
	Header      []Claim `json:"header"`
	Claims      []Claim `json:"claims,omitempty"`
	// Encrypted tells that it is a JWE: its claims are for its receiver alone.
	Encrypted bool `json:"encrypted,omitempty"`
}

// notedToken is a token that was learned, taken apart.
type notedToken struct {
	mark            int
	header, payload []notedClaim
	encrypted       bool
}

// notedClaim is a claim's name, and name and value as they stand together: by
// the name one knows a secret.
type notedClaim struct{ name, member noted }

// learnToken takes a token apart and learns what is secret in its claims.
func (r *Redactor) learnToken(token string, mark int) {
	if r.nesting >= maxNesting || len(r.apart) >= maxDecoded || !strings.HasPrefix(token, "eyJ") {
		return
	}
	header, payload, ok := decodeJWT(token)
	if !ok {
		return
	}
	at := len(r.apart)
	r.apart = append(r.apart, notedToken{mark: mark, encrypted: payload == nil})
	r.nesting++
	first, second := r.noteClaims(header), r.noteClaims(payload)
	r.nesting--
	r.apart[at].header, r.apart[at].payload = first, second
}

// noteClaims learns the members of a JSON object, in its order.
func (r *Redactor) noteClaims(object []byte) []notedClaim {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	var out []notedClaim
	for decoder.More() && len(out) < maxClaims {
		key, err := decoder.Token()
		if err != nil {
			break
		}
		name, _ := key.(string)
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			break
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			break
		}
		c := notedClaim{r.note([]byte(name), loose), r.note(append(append(quoted, ':'), raw...), loose)}
		if r.apartSize += len(c.member.text); r.apartSize > maxApart {
			break
		}
		out = append(out, c)
	}
	return out
}

// tokens returns what the tokens say that were learned.
func (r *Redactor) tokens() []Decoded {
	var out []Decoded
	for _, token := range r.apart {
		m := r.marks[token.mark]
		out = append(out, Decoded{Fingerprint: m.fingerprint(), Kind: m.kind, Header: r.claims(token.header),
			Claims: r.claims(token.payload), Encrypted: token.encrypted})
	}
	return out
}

func (r *Redactor) claims(noted []notedClaim) []Claim {
	var out []Claim
	for _, c := range noted {
		_, value, _ := strings.Cut(r.clean(c.member), `":`)
		out = append(out, Claim{Name: clip(r.clean(c.name), maxName), Value: clip(value, maxField)})
	}
	return out
}
