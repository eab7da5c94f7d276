package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/apperr"
)

const (
	keysFresh  = time.Hour      // fetched again after this
	keysForget = 24 * time.Hour // a key not seen for this long is forgotten
	maxKeys    = 100            // in one document

	// An unknown kid makes us ask for the keys, or a rotation would sign
	// everyone out for an hour. Whoever sends tokens with made-up kids must
	// not make us flood the provider: so many at once, then one a minute.
	kidBudget = 5
	kidRefill = time.Minute
)

// errUnknownKey says that no key of the provider has the token's kid.
var errUnknownKey = errors.New("no such key at the provider")

// errKeyNotAsked is an errUnknownKey that the provider was not asked about: too
// many kids were unknown of late.
var errKeyNotAsked = fmt.Errorf("%w as far as it was asked", errUnknownKey)

type publicKey struct {
	jose.JSONWebKey
	issuer string // the entry's own issuer, "" if it names none (entra.md §1.4)
	seen   time.Time
}

// keySet keeps the provider's signing keys. It implements go-oidc's KeySet.
type keySet struct {
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	life   context.Context // of the fetches, which no caller's end ends

	mu       sync.Mutex // guards the rest
	keys     []publicKey
	fetched  time.Time
	failed   time.Time
	err      error
	tokens   float64 // of the budget for unknown kids
	refilled time.Time
	underway *flight // nil when nothing is being fetched
}

// verification carries what go-oidc's interface has no room for: where the keys
// are, and what became of the check.
type verification struct {
	jwksURI string
	algs    []jose.SignatureAlgorithm
	issuer  string // out: the key's own issuer
	err     error  // out: why, as an *apperr.Error when the provider failed us
}

type verificationKey struct{}

// VerifySignature implements oidc.KeySet.
func (s *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	v, ok := ctx.Value(verificationKey{}).(*verification)
	if !ok {
		return nil, errors.New("entra: no verification in the context")
	}
	payload, issuer, err := s.verify(ctx, v, jwt)
	v.issuer, v.err = issuer, err
	return payload, err
}

func (s *keySet) verify(ctx context.Context, v *verification, jwt string) ([]byte, string, error) {
	// The compact form alone: a token is three parts (entra.md §3.2), and what
	// reads its header again must see the same.
	jws, err := jose.ParseSignedCompact(jwt, v.algs)
	if err != nil {
		return nil, "", err
	}
	if len(jws.Signatures) != 1 {
		return nil, "", fmt.Errorf("%d signatures", len(jws.Signatures))
	}
	kid := jws.Signatures[0].Header.KeyID
	candidates, err := s.candidates(ctx, v.jwksURI, kid)
	if err != nil {
		return nil, "", err
	}
	for _, key := range candidates {
		if payload, err := jws.Verify(&key.JSONWebKey); err == nil {
			return payload, key.issuer, nil
		}
	}
	return nil, "", errors.New("the signature does not fit any key")
}

// candidates returns the keys with that kid, all keys for an empty one. Keys that
// are known serve at once, while they are fetched again if it is time; without a
// kid there is no telling whether the right one is known.
func (s *keySet) candidates(ctx context.Context, uri, kid string) ([]publicKey, error) {
	s.mu.Lock()
	found, fresh := s.find(kid)
	if len(found) > 0 && fresh {
		s.mu.Unlock()
		return found, nil
	}
	f, err := s.refresh(uri, len(found) > 0)
	s.mu.Unlock()
	if len(found) > 0 && kid != "" {
		return found, nil
	}
	if f != nil {
		err = f.wait(ctx)
	} else if errors.Is(err, errKeyNotAsked) {
		// Without the kid: it comes from whoever pasted or sent the token.
		s.log.WarnContext(ctx, "an unknown kid was not looked up: too many of them")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if again, _ := s.find(kid); len(again) > 0 {
		return again, nil // even if the fetch failed: an old key is still a key
	}
	if err != nil {
		return nil, err
	}
	return nil, errUnknownKey
}

// find returns the keys with that kid that are not forgotten. The caller holds mu.
func (s *keySet) find(kid string) (found []publicKey, fresh bool) {
	now := s.now()
	for _, key := range s.keys {
		if (kid == "" || key.KeyID == kid) && now.Sub(key.seen) < keysForget {
			found = append(found, key)
		}
	}
	return found, now.Sub(s.fetched) < keysFresh
}

// refresh returns the fetch under way, after starting one, unless the budget is
// spent or the provider just failed. The caller holds mu.
func (s *keySet) refresh(uri string, known bool) (*flight, error) {
	if s.underway != nil {
		return s.underway, nil
	}
	now := s.now()
	if s.err != nil && now.Sub(s.failed) < fetchPause {
		return nil, s.err
	}
	if !known && len(s.keys) > 0 && now.Sub(s.fetched) < keysFresh && !s.spend(now) {
		return nil, errKeyNotAsked
	}
	s.underway = &flight{done: make(chan struct{})}
	go s.fly(s.underway, uri)
	return s.underway, nil
}

// fly fetches the keys; fetchTimeout bounds it.
func (s *keySet) fly(f *flight, uri string) {
	keys, err := s.fetch(s.life, uri)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.underway, f.err = nil, err
	defer close(f.done)
	now := s.now()
	if err != nil {
		s.err, s.failed = err, now
		return
	}
	s.err, s.fetched = nil, now
	for _, old := range s.keys {
		if now.Sub(old.seen) < keysForget && !contains(keys, old.KeyID) {
			keys = append(keys, old)
		}
	}
	s.keys = keys
}

// idle waits until nothing is being fetched.
func (s *keySet) idle() {
	s.mu.Lock()
	f := s.underway
	s.mu.Unlock()
	if f != nil {
		<-f.done
	}
}

// spend takes one from the budget for unknown kids. The caller holds mu.
func (s *keySet) spend(now time.Time) bool {
	if s.refilled.IsZero() {
		s.tokens = kidBudget
	} else {
		s.tokens = min(kidBudget, s.tokens+now.Sub(s.refilled).Seconds()/kidRefill.Seconds())
	}
	s.refilled = now
	if s.tokens < 1 {
		return false
	}
	s.tokens--
	return true
}

func contains(keys []publicKey, kid string) bool {
	for _, k := range keys {
		if k.KeyID == kid {
			return true
		}
	}
	return false
}

func (s *keySet) fetch(ctx context.Context, uri string) ([]publicKey, error) {
	body, err := fetchDocument(ctx, s.client, uri)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(body)
	if err != nil {
		return nil, errProviderWrong.Becausef("keys: %w", err)
	}
	now := s.now()
	for i := range keys {
		keys[i].seen = now
	}
	return keys, nil
}

// parseKeys reads a JWK Set (RFC 7517 §5). An entry it cannot use is passed
// over: providers publish keys of kinds that are none of our business.
func parseKeys(body []byte) ([]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys, at most %d are read", len(set.Keys), maxKeys)
	}
	var keys []publicKey
	for _, raw := range set.Keys {
		var key publicKey
		var extra struct {
			Issuer string `json:"issuer"`
		}
		if json.Unmarshal(raw, &key.JSONWebKey) != nil || json.Unmarshal(raw, &extra) != nil {
			continue
		}
		// A symmetric key in a public document would let anyone sign.
		if !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
			continue
		}
		key.issuer = extra.Issuer
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("no usable key")
	}
	return keys, nil
}

// providerFault returns err when it is the provider's failure, not the token's.
func providerFault(err error) *apperr.Error {
	var e *apperr.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
