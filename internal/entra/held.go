package entra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// HeldToken is an access token of a session and its person.
type HeldToken struct {
	Key string // [TokenKey] of the scopes it was asked for
	AccessToken
}

// Asked returns the scopes that the token was asked for.
func (t *HeldToken) Asked() []string { return strings.Fields(t.Key) }

// ID names the token in forms: a short hash of the key, of no use outside its
// session.
func (t *HeldToken) ID() string { return TokenID(t.Key) }

// TokenID returns the ID of the token that is kept under a key.
func TokenID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "t" + hex.EncodeToString(sum[:8])
}

// keyOfScopes reports whether a session keeps a person's access token under a
// key, and not its refresh token, an application's token ("app …") or the memory
// of a challenge (answeredKey).
func keyOfScopes(key string) bool {
	return key != refreshKey && !strings.HasPrefix(key, "app ") && !strings.HasPrefix(key, `"`)
}

// Held returns the access tokens of a session's person that have not ended, by
// key. It asks nobody.
func (b *Broker) Held(ctx context.Context, session SessionID) ([]HeldToken, error) {
	stored, err := b.records.ListTokens(ctx, session)
	if err != nil {
		return nil, err
	}
	var held []HeldToken
	for _, one := range stored {
		if !keyOfScopes(one.Resource) {
			continue
		}
		token, err := b.open(session, one)
		if errors.Is(err, ErrNoToken) {
			continue
		}
		if err != nil {
			return nil, err
		}
		held = append(held, HeldToken{Key: one.Resource, AccessToken: token})
	}
	slices.SortFunc(held, func(a, b HeldToken) int { return strings.Compare(a.Key, b.Key) })
	return held, nil
}

// HeldByID returns one token by its ID. For one that has ended it returns the
// key alone, with ErrNoToken.
func (b *Broker) HeldByID(ctx context.Context, session SessionID, id string) (HeldToken, error) {
	stored, err := b.records.ListTokens(ctx, session)
	if err != nil {
		return HeldToken{}, err
	}
	for _, one := range stored {
		if keyOfScopes(one.Resource) && TokenID(one.Resource) == id {
			token, err := b.open(session, one)
			return HeldToken{Key: one.Resource, AccessToken: token}, err
		}
	}
	return HeldToken{}, ErrNoToken
}

const (
	// maxHeld is how many access tokens of its person a session holds.
	maxHeld = 50
	// keptAfterEnd is how long a token that ended can still be renewed by its card.
	keptAfterEnd = time.Hour
)

// makeRoom removes what ended a while ago, and of the tokens of the session's
// person those that end first where another one would be too many. Call it under
// the session's lock.
func (b *Broker) makeRoom(ctx context.Context, session SessionID, key string) error {
	stored, err := b.records.ListTokens(ctx, session)
	if err != nil {
		return err
	}
	now := b.now()
	var others []SealedToken
	for _, one := range stored {
		switch {
		case one.Resource == refreshKey || one.Resource == key:
		case one.ExpiresAt.Add(keptAfterEnd).Before(now):
			if err := b.records.DeleteToken(ctx, session, one.Resource); err != nil {
				return err
			}
		case keyOfScopes(one.Resource):
			others = append(others, one)
		}
	}
	slices.SortFunc(others, func(a, b SealedToken) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
	for ; len(others) >= maxHeld; others = others[1:] {
		if err := b.records.DeleteToken(ctx, session, others[0].Resource); err != nil {
			return err
		}
	}
	return nil
}

// Spelled returns scopes as the session's tokens spell them: the directory does
// not tell User.Read from user.read, so neither may the name of a token.
func (b *Broker) Spelled(ctx context.Context, session SessionID, scopes []string) ([]string, error) {
	stored, err := b.records.ListTokens(ctx, session)
	if err != nil {
		return nil, err
	}
	spelled := slices.Clone(scopes)
	for _, one := range stored {
		if !keyOfScopes(one.Resource) {
			continue
		}
		for _, known := range strings.Fields(one.Resource) {
			for i := range spelled {
				if strings.EqualFold(spelled[i], known) {
					spelled[i] = known
				}
			}
		}
	}
	return spelled, nil
}

// open unseals a token, ErrNoToken for one that ended or whose key was removed
// from the ring.
func (b *Broker) open(session SessionID, stored SealedToken) (AccessToken, error) {
	if !b.now().Before(stored.ExpiresAt) {
		return AccessToken{}, ErrNoToken
	}
	plain, err := b.keys.Open(stored.Sealed, tokenPlace(session, stored.Resource))
	if err != nil {
		return AccessToken{}, ErrNoToken
	}
	var token AccessToken
	if err := json.Unmarshal(plain, &token); err != nil {
		return AccessToken{}, errors.New("entra: stored token is malformed") // its bytes stay out of the error
	}
	return token, nil
}
