package entra

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
)

// FlowSchedule is the flow of a token for work that a person has agreed to be
// repeated: with the refresh token that is kept for it.
const FlowSchedule = "schedule"

// Errors of [Delegations].
var (
	// ErrNoDelegation says that nothing is kept for the person.
	ErrNoDelegation = errors.New("entra: no refresh token is kept for the person")
	// ErrDelegationRefused says that the provider takes what was kept no more
	// (entra.md §4.3). It has been erased.
	ErrDelegationRefused = errors.New("entra: the provider refuses the kept refresh token")
)

// errNothingToKeep is for a provider that gives out no refresh token: it does not
// know offline_access, or does not allow it to this portal.
var errNothingToKeep = apperr.New(apperr.Forbidden, "no_refresh_token",
	"The company sign-in gave the portal no lasting permission, so nothing is kept and nothing is repeated.").
	WithNext(apperr.MenderAdmin, "An administrator has to allow this portal offline access (the scope offline_access). Scans that you start yourself work as before.")

// Delegation is the refresh token of a person who agreed to its being kept
// beyond their sessions, as it is stored.
type Delegation struct {
	Owner access.PersonID
	// Issuer is that of the sign-in in which the person brought it. It is sent to
	// no other one's token endpoint.
	Issuer string
	Sealed []byte
	// KeptAt is when the person brought it, to the microsecond. What the provider
	// gives in its place by rotation keeps this time.
	KeptAt time.Time
}

// DelegationRecords keeps delegations, one for each person, and notes what is
// issued with them in the history. The line and the token are one step.
type DelegationRecords interface {
	// SaveDelegation stores one in place of an earlier one of the owner.
	SaveDelegation(ctx context.Context, d Delegation, issue Issue) error
	// RotateDelegation replaces what is sealed in the one of that owner and KeptAt.
	// It fails with [ErrNoDelegation] when that is there no more: what was erased
	// meanwhile does not come back.
	RotateDelegation(ctx context.Context, d Delegation, issue Issue) error
	// LoadDelegation returns the owner's or [ErrNoDelegation].
	LoadDelegation(ctx context.Context, owner access.PersonID) (Delegation, error)
	// DeleteDelegation erases the one of that owner and keptAt, or the owner's
	// whatever it is if keptAt is zero; if there is one. A SQLite file keeps no trace
	// of it.
	DeleteDelegation(ctx context.Context, owner access.PersonID, keptAt time.Time) error
	// DeleteUnusedDelegations erases those from before a time whose owners have
	// nothing that is repeated, and returns how many.
	DeleteUnusedDelegations(ctx context.Context, before time.Time) (int, error)
}

// Delegations hands out access tokens for persons who are not there. Each has a
// grant of its own, got by a visit to the provider for nothing else: it is never
// copied from a session nor into one, since providers that rotate refresh tokens
// take the second use of a copy for theft, and since signing out must not end it.
// As in [Broker], one refresh runs at a time for each person. Access tokens stay
// in memory and nowhere else.
type Delegations struct {
	broker  *Broker
	records DelegationRecords
	scopes  []string

	mu     sync.Mutex
	tokens map[access.PersonID]delegated
}

// delegated is an access token and the delegation that it came by.
type delegated struct {
	token  AccessToken
	keptAt time.Time
}

// NewDelegations returns delegations for scopes of one resource. It refuses
// missing parts.
func NewDelegations(broker *Broker, records DelegationRecords, scopes []string) (*Delegations, error) {
	if broker == nil || records == nil || len(scopes) == 0 {
		return nil, errors.New("entra: a part of the delegations is missing")
	}
	return &Delegations{broker: broker, records: records, scopes: slices.Clone(scopes), tokens: map[access.PersonID]delegated{}}, nil
}

// Scopes returns what a visit has to ask for besides the scopes of OpenID Connect.
func (d *Delegations) Scopes() []string { return slices.Clone(d.scopes) }

// delegationName names what is of a person: a hash, so that no names of a
// provider's can be put together to another's.
func delegationName(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "delegation/" + hex.EncodeToString(sum[:])
}

// personLock names the lock of a person.
func personLock(owner access.PersonID) string { return delegationName(owner.Authority, owner.Subject) }

// place is what the refresh token is sealed for.
func (d *Delegation) place() string {
	return delegationName(d.Owner.Authority, d.Owner.Subject, d.Issuer)
}

// Keep keeps what a person's visit brought, in place of what was kept before.
// Nothing is kept of a visit that brought no refresh token: an error of kind
// Forbidden. It goes on though the browser left, since the code is used up.
func (d *Delegations) Keep(ctx context.Context, who access.User, t *TokenSet) error {
	if t == nil || t.RefreshToken == "" {
		return errNothingToKeep
	}
	// As long as the refresh that it may have to wait for, and its own storing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tokenTimeout+2*saveLimit)
	defer cancel()
	release, err := d.broker.lock(ctx, personLock(who.ID))
	if err != nil {
		return err
	}
	defer release()
	kept := Delegation{Owner: who.ID, Issuer: who.Issuer, KeptAt: d.broker.now().UTC().Truncate(time.Microsecond)}
	kept.Sealed = d.broker.keys.Seal([]byte(t.RefreshToken), kept.place())
	token := d.accessToken(t)
	if err := d.records.SaveDelegation(ctx, kept, d.issue(token, FlowAuthorizationCode)); err != nil {
		return err
	}
	d.remember(kept, token)
	return nil
}

// Kept returns when the person brought what is kept for them, else [ErrNoDelegation].
func (d *Delegations) Kept(ctx context.Context, owner access.PersonID) (time.Time, error) {
	kept, err := d.load(ctx, owner)
	return kept.KeptAt, err
}

// load returns what is kept for a person, else [ErrNoDelegation]. What an issuer
// gave that is not accepted any more is erased: it is of use to nobody here.
func (d *Delegations) load(ctx context.Context, owner access.PersonID) (Delegation, error) {
	kept, err := d.records.LoadDelegation(ctx, owner)
	if err != nil || d.broker.provider.AcceptsIssuer(kept.Issuer) {
		return kept, err
	}
	if err := d.Forget(ctx, owner, kept.KeptAt); err != nil {
		return Delegation{}, err
	}
	return Delegation{}, fmt.Errorf("%w: what was kept is of another issuer, %s", ErrNoDelegation, clip(kept.Issuer))
}

// Forget erases what a person brought at keptAt, or whatever is kept for them if
// that is zero. It waits for nobody: a refresh that is under way finds nothing to
// put its answer in, and what processes have in memory is not given out any more.
func (d *Delegations) Forget(ctx context.Context, owner access.PersonID, keptAt time.Time) error {
	err := d.records.DeleteDelegation(ctx, owner, keptAt)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.tokens, owner)
	return err
}

// ForgetUnused erases what persons brought before a time who have nothing that is
// repeated, and returns for how many it did.
func (d *Delegations) ForgetUnused(ctx context.Context, before time.Time) (int, error) {
	return d.records.DeleteUnusedDelegations(ctx, before)
}

// Token returns an access token for the person that is good for at least five
// minutes more and was issued after newerThan, if that is not zero.
//
// [ErrNoDelegation] and [ErrDelegationRefused] mean that there will be none until
// the person agrees again; a cause [*InteractionRequired], that the provider wants
// to see them first.
func (d *Delegations) Token(ctx context.Context, owner access.PersonID, newerThan time.Time) (AccessToken, error) {
	if _, token, ok, err := d.held(ctx, owner, newerThan); ok || err != nil {
		return token, err
	}
	release, err := d.broker.lock(ctx, personLock(owner))
	if err != nil {
		return AccessToken{}, err
	}
	kept, token, ok, err := d.held(ctx, owner, newerThan)
	if ok || err != nil {
		release()
		return token, err
	}
	// For the reason in [Broker.Token] the refresh goes on to its own end.
	type outcome struct {
		token AccessToken
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		defer release()
		token, err := d.refresh(context.WithoutCancel(ctx), kept)
		done <- outcome{token, err}
	}()
	select {
	case o := <-done:
		return o.token, o.err
	case <-ctx.Done():
		return AccessToken{}, transportError(ctx.Err())
	}
}

// held returns what is kept, and the access token in memory if that came by it and
// is good. The record is read each time: it may have gone on another replica.
func (d *Delegations) held(ctx context.Context, owner access.PersonID, newerThan time.Time) (Delegation, AccessToken, bool, error) {
	kept, err := d.load(ctx, owner)
	if err != nil {
		return Delegation{}, AccessToken{}, false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	one, there := d.tokens[owner]
	good := there && one.keptAt.Equal(kept.KeptAt) && one.token.ExpiresAt.Sub(d.broker.now()) > renewBefore &&
		(newerThan.IsZero() || one.token.IssuedAt.After(newerThan))
	if !good {
		return kept, AccessToken{}, false, nil
	}
	return kept, one.token, true, nil
}

// refresh asks the provider and stores the answer before anyone gets it. ctx must
// not end with the caller.
func (d *Delegations) refresh(ctx context.Context, kept Delegation) (AccessToken, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	// What is sealed for another person or issuer, or with a key that was taken from
	// the ring, does not open. It stays: the key may come back.
	refreshToken, err := d.broker.keys.Open(kept.Sealed, kept.place())
	if err != nil {
		return AccessToken{}, signInAgain(d.scopes, "", err)
	}
	t, err := d.broker.provider.Refresh(ctx, string(refreshToken), d.scopes, "")
	save, cancelSave := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancelSave()
	var refusal *ProviderError
	if errors.As(err, &refusal) {
		switch {
		case refusal.wantsPerson():
			return AccessToken{}, signInAgain(d.scopes, refusal.Claims, err)
		case refusal.OAuthError == oauthGrant || refusal.OAuthError == oauthConsent || refusal.Subcode == oauthConsent:
			if err := d.Forget(save, kept.Owner, kept.KeptAt); err != nil {
				return AccessToken{}, err
			}
			return AccessToken{}, fmt.Errorf("%w: %w", ErrDelegationRefused, err)
		}
	}
	if err != nil {
		return AccessToken{}, err
	}
	if t.RefreshToken != "" {
		kept.Sealed = d.broker.keys.Seal([]byte(t.RefreshToken), kept.place())
	}
	token := d.accessToken(t)
	if err := d.records.RotateDelegation(save, kept, d.issue(token, FlowSchedule)); err != nil {
		return AccessToken{}, err
	}
	d.remember(kept, token)
	return token, nil
}

// wantsPerson reports whether the person has to visit the provider and may then
// have what was refused. Entra sends some of these as invalid_grant: their number
// tells.
func (e *ProviderError) wantsPerson() bool {
	if e.Claims != "" || e.OAuthError == oauthInteraction || e.OAuthError == oauthLogin {
		return true
	}
	return slices.ContainsFunc(e.Codes, func(number int) bool {
		known, ok := lookupAADSTS(number)
		return ok && known.oauth == oauthInteraction
	})
}

func (d *Delegations) accessToken(t *TokenSet) AccessToken {
	scopes := t.Scopes
	if len(scopes) == 0 {
		scopes = d.scopes // left out where they are those asked for (RFC 6749 §5.1)
	}
	return AccessToken{Value: t.AccessToken, Scopes: scopes, IssuedAt: t.ReceivedAt, ExpiresAt: t.ExpiresAt, IssueID: rand.Text()}
}

// issue is the line of the history for a token.
func (d *Delegations) issue(token AccessToken, flow string) Issue {
	return Issue{ID: token.IssueID, Device: "Repeated scans", Resource: ResourceOf(d.scopes[0]), Scopes: strings.Join(token.Scopes, " "),
		Purpose: "Repeated scans", Flow: flow, IssuedAt: token.IssuedAt, ExpiresAt: token.ExpiresAt}
}

// remember keeps an access token in memory, and drops those that ended.
func (d *Delegations) remember(kept Delegation, token AccessToken) {
	now := d.broker.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for owner, one := range d.tokens {
		if !now.Before(one.token.ExpiresAt) {
			delete(d.tokens, owner)
		}
	}
	d.tokens[kept.Owner] = delegated{token, kept.KeptAt}
}

// SourceOf returns a source of a person's tokens. Any scope but those of the
// delegations is refused.
func (d *Delegations) SourceOf(owner access.PersonID) *Source {
	return &Source{now: d.broker.now, ask: func(ctx context.Context, want Request) (AccessToken, error) {
		if TokenKey(want.Scopes) != TokenKey(d.scopes) {
			return AccessToken{}, fmt.Errorf("entra: no delegation for %s", clip(strings.Join(want.Scopes, " ")))
		}
		return d.Token(ctx, owner, want.NewerThan)
	}}
}
