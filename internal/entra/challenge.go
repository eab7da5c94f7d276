package entra

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// challengeAge is how long an answered challenge is remembered: one that comes
// back later is a new one.
const challengeAge = 10 * time.Minute

// ChallengeID names a claims challenge without repeating it.
func ChallengeID(claims string) string {
	if claims == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(claims))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// answeredKey is where it is remembered that a session answered a challenge. The
// quotation mark cannot stand in a scope (RFC 6749 §3.3), so no token has that key.
func answeredKey(scopes []string, challenge string) string {
	return `"answered" ` + challenge + " " + TokenKey(scopes)
}

// sealAnswered remembers, among the tokens of a session, that the person has
// just answered a challenge for the scopes at the provider.
func (b *Broker) sealAnswered(session SessionID, scopes []string, challenge string) SealedToken {
	key := answeredKey(scopes, challenge)
	return SealedToken{Resource: key, Sealed: b.keys.Seal(nil, tokenPlace(session, key)), ExpiresAt: b.now().Add(challengeAge)}
}

// maxAnswered is how many challenges are answered for the same scopes within
// challengeAge: an API may word each one anew.
const maxAnswered = 3

// Answered reports whether the session answered this challenge for the scopes in
// the last minutes, or [maxAnswered] others. To go to the provider once more would
// be a loop (entra.md §6.2).
func (b *Broker) Answered(ctx context.Context, session SessionID, scopes []string, challenge string) (bool, error) {
	kept, err := b.records.ListTokens(ctx, session)
	if err != nil {
		return false, err
	}
	answered := 0
	for _, one := range kept {
		// The answers are what has the quotation mark; their scopes stand at the end.
		if !strings.HasPrefix(one.Resource, `"`) || !b.now().Before(one.ExpiresAt) {
			continue
		}
		if one.Resource == answeredKey(scopes, challenge) {
			return true, nil
		}
		if _, after, ok := strings.Cut(one.Resource, `" `); ok {
			if _, of, _ := strings.Cut(after, " "); of == TokenKey(scopes) {
				answered++
			}
		}
	}
	return answered >= maxAnswered, nil
}

// MergeClaims returns a claims request (OpenID Connect Core §5.5) that asks for
// what both ask for; where both name a claim, first counts. It fails where one is
// not an object.
func MergeClaims(first, second string) (string, error) {
	var merged, more map[string]map[string]json.RawMessage
	if err := json.Unmarshal([]byte(first), &merged); err != nil {
		return "", fmt.Errorf("entra: claims: %w", err)
	}
	if err := json.Unmarshal([]byte(second), &more); err != nil {
		return "", fmt.Errorf("entra: claims: %w", err)
	}
	if merged == nil {
		return second, nil
	}
	for member, claims := range more {
		if merged[member] == nil {
			merged[member] = claims
			continue
		}
		for name, claim := range claims {
			if _, named := merged[member][name]; !named {
				merged[member][name] = claim
			}
		}
	}
	text, err := json.Marshal(merged)
	return string(text), err
}
