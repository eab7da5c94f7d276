package entra

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/seal"
)

// renewBefore is how long before its end an access token is renewed (entra.md §4.1).
const renewBefore = 5 * time.Minute

// saveLimit bounds the storing of what a refresh brought.
const saveLimit = 5 * time.Second

// refreshKey is the name under which a session's refresh token is kept; no
// resource is called so.
const refreshKey = ""

// ErrNoToken is what [TokenRecords] answers for a token that is not there.
var ErrNoToken = errors.New("entra: no such token")

// SessionID names the session that tokens belong to.
type SessionID = [32]byte

// SealedToken is a token as it is stored. What follows IssuedAt goes into the
// history of issued tokens as well, never the token itself; where IssuedAt is
// zero there is nothing for it.
type SealedToken struct {
	Resource  string
	Sealed    []byte
	ExpiresAt time.Time
	IssueID   string
	Scopes    string // as granted, separated by blanks
	Purpose   string // what the person wants it for; "" for the portal's own pages
	Flow      string // one of the Flow constants
	IssuedAt  time.Time
}

// The flows by which tokens are issued, as the history names them.
const (
	FlowSignIn            = "sign_in"            // with the code of a sign-in
	FlowAuthorizationCode = "authorization_code" // with the code of a visit for this token
	FlowRefreshToken      = "refresh_token"
	FlowHeld              = "held" // none: the session held it already
	FlowClientCredentials = "client_credentials"
	FlowManagedIdentity   = "managed_identity"
)

// TokenRecords keeps the sealed tokens of sessions. They go with their session.
type TokenRecords interface {
	IssueRecords
	// SaveTokens stores tokens of a session, in place of those of the same
	// resource, all or none. It fails when the session is gone.
	SaveTokens(ctx context.Context, session SessionID, tokens ...SealedToken) error
	// SaveVisit is SaveTokens for what a visit to the provider brought, and in the
	// same step notes by which sid and session_state the provider knows the session
	// from now on; an empty one leaves what is there. It fails with [ErrNoSession]
	// when the session has ended by now.
	SaveVisit(ctx context.Context, session SessionID, now time.Time, sid, sessionState string, tokens ...SealedToken) error
	// LoadToken returns one, else ErrNoToken.
	LoadToken(ctx context.Context, session SessionID, resource string) (SealedToken, error)
	// ListTokens returns all of a session, also those that ended; by resource.
	ListTokens(ctx context.Context, session SessionID) ([]SealedToken, error)
	DeleteToken(ctx context.Context, session SessionID, resource string) error
	// SessionWithToken returns the live session of a person, last seen first,
	// that has a token of that resource, and the issuer it is by; else ErrNoToken.
	SessionWithToken(ctx context.Context, person access.PersonID, resource string, now time.Time) (session SessionID, issuer string, err error)
	// LockTokens makes all other holders of the same name wait, on every
	// replica, until unlock is called.
	LockTokens(ctx context.Context, name string) (unlock func(), err error)
}

// AccessToken is a token for one resource.
type AccessToken struct {
	Value     string    `json:"v"`
	Scopes    []string  `json:"s"` // as granted
	IssuedAt  time.Time `json:"i"` // when it reached us
	ExpiresAt time.Time `json:"e"`
	// IssueID is its line in the history; Purpose what the person wanted it for.
	IssueID string `json:"h,omitempty"`
	Purpose string `json:"p,omitempty"`
}

// Request says what a token is wanted for.
type Request struct {
	Scopes  []string // of one resource
	Purpose string   // in the person's words; "" for the portal's own pages
	// NewerThan, if not zero, refuses the kept token unless it was issued after
	// that time: an API may have refused it, or the person wants a new one.
	NewerThan time.Time
	// Permit is asked before the provider is; its error ends the request. nil
	// permits.
	Permit func() error
}

// InteractionRequired is the cause of an error that only the person can mend,
// at the provider: by signing in again, by consenting, by more proof.
type InteractionRequired struct {
	Scopes []string
	Claims string // to be passed on (entra.md §6.2), or ""
	Cause  error
}

// Error implements error.
func (e *InteractionRequired) Error() string {
	return fmt.Sprintf("the provider wants to see the person (for %s): %v", strings.Join(e.Scopes, " "), e.Cause)
}

// Unwrap returns the provider's refusal.
func (e *InteractionRequired) Unwrap() error { return e.Cause }

// Silent reports whether the person need not be told first why they are sent to
// the provider: only consent is missing, which its page asks for, or there was
// no refresh token to try with.
func (e *InteractionRequired) Silent() bool {
	var refusal *ProviderError
	if !errors.As(e.Cause, &refusal) {
		return e.Claims == ""
	}
	return e.Claims == "" && (refusal.OAuthError == "consent_required" || refusal.Subcode == "consent_required")
}

// SignInEnded reports whether the provider takes the refresh token no more: the
// person has to sign in anew (entra.md §4.3).
func (e *InteractionRequired) SignInEnded() bool {
	var refusal *ProviderError
	return errors.As(e.Cause, &refusal) && refusal.OAuthError == "invalid_grant" && e.Claims == "" && !e.Silent()
}

// Broker hands out access tokens of a session, from its memory or with its
// refresh token. One refresh runs at a time per session: providers that rotate
// refresh tokens take a second use of the old one for theft.
type Broker struct {
	provider *Provider
	records  TokenRecords
	keys     *seal.KeyRing
	now      func() time.Time

	mu   sync.Mutex
	busy map[string]chan struct{} // closed when that refresh ended
}

// NewBroker returns a broker. It refuses missing parts.
func NewBroker(provider *Provider, records TokenRecords, keys *seal.KeyRing, now func() time.Time) (*Broker, error) {
	if provider == nil || records == nil || keys == nil || now == nil {
		return nil, errors.New("entra: a part of the broker is missing")
	}
	return &Broker{provider: provider, records: records, keys: keys, now: now, busy: make(map[string]chan struct{})}, nil
}

// TokenKey names the token for a set of scopes: order and repetition do not matter.
func TokenKey(scopes []string) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(scopes)))
	return strings.Join(sorted, " ")
}

func tokenPlace(session SessionID, resource string) string {
	return "token/" + string(session[:]) + "/" + resource
}

// Seal seals what a sign-in or an authorization brought for the session that is
// to keep it: the refresh token, and the access token under the scopes it was
// asked for. nil seals to nothing.
func (b *Broker) Seal(session SessionID, scopes []string, t *TokenSet, purpose, flow string) ([]SealedToken, error) {
	if t == nil {
		return nil, nil
	}
	_, sealed, err := b.seal(session, TokenKey(scopes), t, purpose, flow)
	return sealed, err
}

func (b *Broker) seal(session SessionID, key string, t *TokenSet, purpose, flow string) (AccessToken, []SealedToken, error) {
	if len(t.Scopes) == 0 {
		t.Scopes = strings.Fields(key) // left out where they are those asked for (RFC 6749 §5.1)
	}
	// A random id, not a hash of the token: history must say nothing about it.
	token := AccessToken{Value: t.AccessToken, Scopes: t.Scopes, IssuedAt: t.ReceivedAt, ExpiresAt: t.ExpiresAt, IssueID: rand.Text(), Purpose: purpose}
	plain, err := json.Marshal(token)
	if err != nil {
		return AccessToken{}, nil, err
	}
	sealed := []SealedToken{{Resource: key, Sealed: b.keys.Seal(plain, tokenPlace(session, key)), ExpiresAt: token.ExpiresAt,
		IssueID: token.IssueID, Scopes: strings.Join(t.Scopes, " "), Purpose: purpose, Flow: flow, IssuedAt: t.ReceivedAt}}
	if t.RefreshToken != "" {
		sealed = append(sealed, SealedToken{Resource: refreshKey,
			Sealed: b.keys.Seal([]byte(t.RefreshToken), tokenPlace(session, refreshKey)), ExpiresAt: b.now().Add(90 * 24 * time.Hour)})
	}
	return token, sealed, nil
}

// Cached returns the session's token for the scopes if there is one that has
// not ended; ErrNoToken otherwise. It asks nobody.
func (b *Broker) Cached(ctx context.Context, session SessionID, scopes []string) (AccessToken, error) {
	key := TokenKey(scopes)
	stored, err := b.records.LoadToken(ctx, session, key)
	if err != nil {
		return AccessToken{}, err
	}
	plain, err := b.keys.Open(stored.Sealed, tokenPlace(session, key))
	if err != nil {
		return AccessToken{}, ErrNoToken // its key was removed from the ring
	}
	var token AccessToken
	if err := json.Unmarshal(plain, &token); err != nil {
		return AccessToken{}, fmt.Errorf("entra: stored token: %w", err)
	}
	if !b.now().Before(token.ExpiresAt) {
		return AccessToken{}, ErrNoToken
	}
	return token, nil
}

// Token returns an access token for scopes of one resource that is good for at
// least five minutes more.
//
// When only the person can help, the error's cause is [*InteractionRequired].
func (b *Broker) Token(ctx context.Context, session SessionID, want Request) (AccessToken, error) {
	good := func() (AccessToken, bool, error) {
		token, err := b.Cached(ctx, session, want.Scopes)
		if err != nil && !errors.Is(err, ErrNoToken) {
			return AccessToken{}, false, err
		}
		return token, err == nil && token.ExpiresAt.Sub(b.now()) > renewBefore &&
			(want.NewerThan.IsZero() || token.IssuedAt.After(want.NewerThan)), nil
	}
	if token, ok, err := good(); ok || err != nil {
		return token, err
	}
	release, err := b.lock(ctx, hex.EncodeToString(session[:]))
	if err != nil {
		return AccessToken{}, err
	}
	if token, ok, err := good(); ok || err != nil {
		release()
		return token, err
	}
	if want.Permit != nil {
		if err := want.Permit(); err != nil {
			release()
			return AccessToken{}, err
		}
	}
	// A provider that rotates has taken back the old refresh token by the time
	// its answer is on the way, and takes a second use of it for theft. So the
	// refresh goes on to its own end (tokenTimeout, then saveLimit), whoever
	// closes the page meanwhile; Wait is for who owns the process.
	type outcome struct {
		token AccessToken
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		defer release()
		token, err := b.refresh(context.WithoutCancel(ctx), session, want)
		done <- outcome{token, err}
	}()
	select {
	case o := <-done:
		return o.token, o.err
	case <-ctx.Done():
		return AccessToken{}, transportError(ctx.Err())
	}
}

// Wait waits until no refresh is under way, or for the end of ctx. Call it before
// the records are closed: a refresh token that was not stored is lost.
func (b *Broker) Wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		var one chan struct{}
		for _, one = range b.busy {
			break
		}
		b.mu.Unlock()
		if one == nil {
			return nil
		}
		select {
		case <-one:
		case <-ctx.Done():
			return fmt.Errorf("entra: a refresh is still under way: %w", ctx.Err())
		}
	}
}

// lock waits for its turn in this process, then among the replicas.
func (b *Broker) lock(ctx context.Context, name string) (func(), error) {
	for {
		b.mu.Lock()
		other, taken := b.busy[name]
		if !taken {
			mine := make(chan struct{})
			b.busy[name] = mine
			b.mu.Unlock()
			leave := func() {
				b.mu.Lock()
				delete(b.busy, name)
				b.mu.Unlock()
				close(mine)
			}
			unlock, err := b.records.LockTokens(ctx, name)
			if err != nil {
				leave()
				return nil, err
			}
			return func() { unlock(); leave() }, nil
		}
		b.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, transportError(ctx.Err())
		}
	}
}

// refresh asks the provider and stores the answer. ctx must not end with the
// caller.
func (b *Broker) refresh(ctx context.Context, session SessionID, want Request) (AccessToken, error) {
	scopes := want.Scopes
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	stored, err := b.records.LoadToken(ctx, session, refreshKey)
	if errors.Is(err, ErrNoToken) {
		return AccessToken{}, signInAgain(scopes, "", err)
	}
	if err != nil {
		return AccessToken{}, err
	}
	refreshToken, err := b.keys.Open(stored.Sealed, tokenPlace(session, refreshKey))
	if err != nil {
		return AccessToken{}, signInAgain(scopes, "", err)
	}
	t, err := b.provider.Refresh(ctx, string(refreshToken), scopes, "")
	var refusal *ProviderError
	if errors.As(err, &refusal) {
		switch {
		case refusal.OAuthError == "invalid_grant" && refusal.Subcode != "consent_required" && refusal.Claims == "":
			// It will never work again (entra.md §4.3): erase it.
			if err := b.records.DeleteToken(ctx, session, refreshKey); err != nil {
				return AccessToken{}, err
			}
			return AccessToken{}, signInAgain(scopes, "", err)
		case refusal.OAuthError == "interaction_required", refusal.OAuthError == "consent_required", refusal.OAuthError == "login_required",
			refusal.Subcode == "consent_required", refusal.Claims != "":
			return AccessToken{}, signInAgain(scopes, refusal.Claims, err)
		}
	}
	if err != nil {
		return AccessToken{}, err
	}
	token, sealed, err := b.seal(session, TokenKey(scopes), t, want.Purpose, FlowRefreshToken)
	if err != nil {
		return AccessToken{}, err
	}
	save, cancelSave := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancelSave()
	// Stored first: whatever else fails, a rotated refresh token must not be lost.
	if err := b.records.SaveTokens(save, session, sealed...); err != nil {
		return AccessToken{}, err
	}
	return token, b.makeRoom(save, session, TokenKey(scopes))
}

// signInAgain says that the person has to visit the provider, in the words of
// the provider's refusal when there was one.
func signInAgain(scopes []string, claims string, cause error) error {
	words := &apperr.Error{Kind: apperr.Unauthenticated, Code: "sign_in_again",
		Message: "The company sign-in wants to see you again before it gives out this token.",
		Next:    "Go on to the company sign-in; you come back to this page.",
		Mender:  apperr.MenderPerson, Retry: true}
	var e *apperr.Error
	if errors.As(cause, &e) {
		words.Code, words.Message = e.Code, e.Message
	}
	return words.Because(&InteractionRequired{Scopes: scopes, Claims: claims, Cause: cause})
}

// Forget removes the session's token for the scopes. The refresh token stays. It
// waits for a refresh of the session that is under way, which might bring the
// token back.
func (b *Broker) Forget(ctx context.Context, session SessionID, scopes []string) error {
	release, err := b.lock(ctx, hex.EncodeToString(session[:]))
	if err != nil {
		return err
	}
	defer release()
	return b.records.DeleteToken(ctx, session, TokenKey(scopes))
}

// Renews reports whether a session can bring new tokens until a moment, as far as
// is known of its refresh token.
func (b *Broker) Renews(ctx context.Context, session SessionID, until time.Time) (bool, error) {
	stored, err := b.records.LoadToken(ctx, session, refreshKey)
	if errors.Is(err, ErrNoToken) {
		return false, nil
	}
	return err == nil && stored.ExpiresAt.After(until), err
}

// TokenOfPerson is Token for whichever live session of the person can get one:
// work that goes on after the page was closed. When the person is signed in
// nowhere, or by an issuer that is not accepted any more, the error's cause is
// [*InteractionRequired].
func (b *Broker) TokenOfPerson(ctx context.Context, person access.PersonID, want Request) (AccessToken, error) {
	session, issuer, err := b.records.SessionWithToken(ctx, person, refreshKey, b.now())
	if err == nil && !b.provider.AcceptsIssuer(issuer) {
		err = fmt.Errorf("%w: the session is by another issuer, %s", ErrNoToken, clip(issuer))
	}
	if errors.Is(err, ErrNoToken) {
		return AccessToken{}, signInAgain(want.Scopes, "", err)
	}
	if err != nil {
		return AccessToken{}, err
	}
	return b.Token(ctx, session, want)
}
