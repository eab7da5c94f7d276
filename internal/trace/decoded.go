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

// learnClaims learns what is secret in the claims of a token.
func (r *Redactor) learnClaims(token string) {
	if r.nesting >= maxNesting || !strings.HasPrefix(token, "eyJ") {
		return
	}
	if header, payload, ok := decodeJWT(token); ok {
		r.nesting++
		r.analyse(header, loose, maxDepth)
		r.analyse(payload, loose, maxDepth)
		r.nesting--
	}
}

// tokens returns what the tokens say that were learned.
func (r *Redactor) tokens() []Decoded {
	var out []Decoded
	for i := range r.marks { // decoding learns nothing new: learnClaims did
		m := r.marks[i]
		if len(out) == maxDecoded || r.full {
			break
		}
		if !strings.HasPrefix(m.value, "eyJ") {
			continue
		}
		header, payload, ok := decodeJWT(m.value)
		if !ok {
			continue
		}
		out = append(out, Decoded{Fingerprint: m.fingerprint(), Kind: m.kind, Header: r.claims(header), Claims: r.claims(payload), Encrypted: payload == nil})
	}
	return out
}

// claims returns the members of a JSON object in its order.
func (r *Redactor) claims(object []byte) []Claim {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	var out []Claim
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
		// Name and value as they stood together: by the name one knows the secret.
		quoted, err := json.Marshal(name)
		if err != nil {
			break
		}
		member := r.clean(r.note(append(append(quoted, ':'), raw...), loose))
		_, value, _ := strings.Cut(member, `":`)
		out = append(out, Claim{Name: r.clean(r.note([]byte(name), loose)), Value: clip(value, maxField)})
	}
	return out
}
