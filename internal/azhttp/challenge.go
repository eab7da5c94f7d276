package azhttp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// Limits of WWW-Authenticate. A header beyond them is cut, not refused: a
// challenge that we miss leaves a plain 401.
const (
	maxChallengeBytes = 32 << 10
	maxChallenges     = 16
	maxChallengeParam = 32
	maxChallengeCode  = 64
	// maxClaims bounds the claims that are asked for, in bytes: they go into an
	// address and into a cookie. Entra's take some hundred.
	maxClaims = 2 << 10
)

// errClaimsLarge says that a challenge asks for more than can be passed on.
var errClaimsLarge = errors.New("claims challenge is too large")

// ChallengeError says that the resource wants a token with more claims
// (entra.md §6): it is found in the error of a call by errors.As.
type ChallengeError struct {
	// Claims is the request to send as the claims parameter of the authorization
	// endpoint: a JSON object, decoded from the header's base64. It comes from
	// the service and is not yet merged with our own client capabilities.
	Claims string
	// ErrorCode is the challenge's error parameter, mostly insufficient_claims.
	ErrorCode string
}

// Error returns the text for the log.
func (e *ChallengeError) Error() string { return "claims challenge " + e.ErrorCode }

// Challenge is one challenge of WWW-Authenticate (RFC 9110 §11.6.1).
type Challenge struct {
	Scheme string            // in lower case
	Params map[string]string // names in lower case; the first of a repeated name
}

// ParseChallenges reads every challenge of every header value: several may
// stand in one value, separated by commas, as the parameters are. What cannot
// be read is left out.
func ParseChallenges(values []string) []Challenge {
	var all []Challenge
	budget := maxChallengeBytes
	for _, value := range values {
		if len(value) > budget {
			value = value[:budget]
		}
		budget -= len(value)
		all = parseChallenges(all, value)
	}
	return all
}

func parseChallenges(all []Challenge, s string) []Challenge {
	p := challengeParser{rest: s}
	started := false // parameters belong to a challenge of the same value
	for {
		p.skip(" \t,")
		if p.rest == "" {
			return all
		}
		name := p.token()
		if name == "" {
			p.rest = p.rest[1:] // an octet that has no place here
			continue
		}
		spaced := p.skip(" \t")
		if strings.HasPrefix(p.rest, "=") && (started || !spaced) {
			p.rest = p.rest[1:]
			p.skip(" \t")
			value := p.value()
			if started {
				params := all[len(all)-1].Params
				key := strings.ToLower(name)
				if _, repeated := params[key]; !repeated && len(params) < maxChallengeParam {
					params[key] = value
				}
			}
			continue
		}
		if len(all) >= maxChallenges {
			return all
		}
		all = append(all, Challenge{Scheme: strings.ToLower(name), Params: map[string]string{}})
		started = true
	}
}

// challengeParser walks over one header value; each step removes what it read.
type challengeParser struct{ rest string }

func (p *challengeParser) skip(set string) bool {
	before := len(p.rest)
	p.rest = strings.TrimLeft(p.rest, set)
	return len(p.rest) < before
}

// token reads an RFC 9110 §5.6.2 token, and '/' so that a token68 stays in one piece.
func (p *challengeParser) token() string {
	end := 0
	for end < len(p.rest) && isTokenByte(p.rest[end]) {
		end++
	}
	t := p.rest[:end]
	p.rest = p.rest[end:]
	return t
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~/", c) >= 0
}

// value reads a quoted string, or all up to the next comma or blank.
func (p *challengeParser) value() string {
	if !strings.HasPrefix(p.rest, `"`) {
		end := strings.IndexAny(p.rest, ", \t")
		if end < 0 {
			end = len(p.rest)
		}
		v := p.rest[:end]
		p.rest = p.rest[end:]
		return v
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	p.rest = ""
	return b.String()
}

// bearerClaims returns the first Bearer challenge that carries readable
// claims, nil if none does; [errClaimsLarge] when they are beyond maxClaims. authorization_uri and resource_id are ignored: the
// portal knows its tenant and its APIs from its configuration (entra.md §6.1).
func bearerClaims(values []string) (*ChallengeError, error) {
	for _, ch := range ParseChallenges(values) {
		if ch.Scheme != "bearer" {
			continue
		}
		if claims, ok := decodeClaims(ch.Params["claims"]); ok {
			if len(claims) > maxClaims {
				return nil, errClaimsLarge
			}
			return &ChallengeError{Claims: claims, ErrorCode: ch.Params["error"]}, nil
		}
	}
	return nil, nil
}

// decodeClaims takes both base64 alphabets, padded or not, and answers with a
// compact JSON object.
func decodeClaims(s string) (string, bool) {
	s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(s), "=")
	data, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(data) == 0 {
		return "", false
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil || len(object) == 0 {
		return "", false
	}
	var compact bytes.Buffer
	if json.Compact(&compact, data) != nil {
		return "", false
	}
	return compact.String(), true
}
