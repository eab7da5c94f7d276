package entra

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
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

// Answered reports whether the session answered this challenge for the scopes in
// the last minutes. To go to the provider with it again would be a loop
// (entra.md §6.2).
func (b *Broker) Answered(ctx context.Context, session SessionID, scopes []string, challenge string) (bool, error) {
	remembered, err := b.records.LoadToken(ctx, session, answeredKey(scopes, challenge))
	if errors.Is(err, ErrNoToken) {
		return false, nil
	}
	return err == nil && b.now().Before(remembered.ExpiresAt), err
}
