package entra

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/seal"
)

// TestHeldTokensAreThePersonsOwn: what else a session keeps is never shown, the
// refresh token least of all.
func TestHeldTokensAreThePersonsOwn(t *testing.T) {
	a := newAuthority(t)
	b := brokerOf(t, a) // with a refresh token
	keys, err := seal.NewKeyRing(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	keep := func(session SessionID, scopes []string, ends time.Time) {
		t.Helper()
		sealed, err := b.Seal(session, scopes, &TokenSet{AccessToken: "access of " + TokenKey(scopes), RefreshToken: "refresh-1", Scopes: scopes,
			ReceivedAt: a.Now(), ExpiresAt: ends}, "a purpose", FlowSignIn)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.records.SaveTokens(t.Context(), session, sealed...); err != nil {
			t.Fatal(err)
		}
	}
	two := []string{"api://b/y", "api://b/x"}
	keep(testSession, two, a.Now().Add(time.Hour))
	keep(testSession, []string{testScope}, a.Now().Add(time.Hour))
	keep(testSession, []string{"api://ended/x"}, a.Now())
	keep(SessionID{2}, []string{"api://other/x"}, a.Now().Add(time.Hour))
	app := "app 1 2 api://c/.default"
	for _, other := range []SealedToken{b.sealAnswered(testSession, two, "c"),
		{Resource: app, Sealed: keys.Seal([]byte(`{"v":"secret"}`), tokenPlace(testSession, app)), ExpiresAt: a.Now().Add(time.Hour)}} {
		if err := b.records.SaveTokens(t.Context(), testSession, other); err != nil {
			t.Fatal(err)
		}
	}

	held, err := b.Held(t.Context(), testSession)
	if err != nil || len(held) != 2 || held[0].Value != "access of "+testScope || held[1].Value != "access of api://b/x api://b/y" || held[1].Purpose != "a purpose" {
		t.Errorf("held: %+v, %v", held, err)
	}
	for _, want := range held {
		got, err := b.HeldByID(t.Context(), testSession, want.ID())
		if err != nil || got.Value != want.Value || got.Key != want.Key {
			t.Errorf("by its id: %+v, %v", got, err)
		}
	}
	if got, err := b.HeldByID(t.Context(), testSession, TokenID("api://ended/x")); !errors.Is(err, ErrNoToken) || got.Key != "api://ended/x" || got.Value != "" {
		t.Errorf("one that ended: %+v, %v", got, err)
	}
	for _, key := range []string{refreshKey, app, answeredKey(two, "c"), "api://other/x", "api://nowhere/x"} {
		if got, err := b.HeldByID(t.Context(), testSession, TokenID(key)); !errors.Is(err, ErrNoToken) || got.Key != "" || got.Value != "" {
			t.Errorf("%q by its id: %+v, %v", key, got, err)
		}
	}
}

// TestWhyThePersonIsNeeded: consent is asked for by the provider's own page;
// everything else is told first.
func TestWhyThePersonIsNeeded(t *testing.T) {
	for name, c := range map[string]struct {
		claims        string
		refusal       *ProviderError
		silent, ended bool
	}{
		"no refresh token":     {silent: true},
		"consent, by suberror": {refusal: &ProviderError{OAuthError: "invalid_grant", Subcode: "consent_required"}, silent: true},
		"consent":              {refusal: &ProviderError{OAuthError: "consent_required"}, silent: true},
		"consent and claims":   {claims: "{}", refusal: &ProviderError{OAuthError: "consent_required"}},
		"more proof":           {claims: "{}", refusal: &ProviderError{OAuthError: "interaction_required"}},
		"proof without claims": {refusal: &ProviderError{OAuthError: "interaction_required"}},
		"grant and claims":     {claims: "{}", refusal: &ProviderError{OAuthError: "invalid_grant"}},
		"revoked":              {refusal: &ProviderError{OAuthError: "invalid_grant"}, ended: true},
	} {
		need := &InteractionRequired{Claims: c.claims, Cause: ErrNoToken}
		if c.refusal != nil {
			need.Cause = ParseError(*c.refusal)
		}
		if need.Silent() != c.silent || need.SignInEnded() != c.ended {
			t.Errorf("%s: silent %v, ended %v", name, need.Silent(), need.SignInEnded())
		}
	}
}

// TestASessionHoldsFiftyTokens: the one that ends first makes room, what ended goes,
// and the refresh token and an application's token stay.
func TestASessionHoldsFiftyTokens(t *testing.T) {
	b, records, now := carrier(t)
	session, app := SessionID{1}, "app 1 2 api://c/.default"
	if err := records.SaveTokens(t.Context(), session, SealedToken{Resource: app, ExpiresAt: now.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	b.hold(t, session, "api://ended/x", "ended", -2*time.Hour)
	for i := range 60 {
		scopes := []string{fmt.Sprintf("api://a/%02d", i)}
		err := b.KeepVisit(t.Context(), session, Visit{Scopes: scopes, Tokens: &TokenSet{AccessToken: "x", RefreshToken: "r", ReceivedAt: *now,
			ExpiresAt: now.Add(time.Hour + time.Duration(i)*time.Second)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	held, err := b.Held(t.Context(), session)
	if err != nil || len(held) != 50 || held[0].Key != "api://a/10" || held[49].Key != "api://a/59" {
		t.Errorf("%d tokens, %v", len(held), err)
	}
	if n := len(records.tokens); n != 52 {
		t.Errorf("%d rows, want the tokens, the refresh token and the application's", n)
	}
	scopes, err := b.Spelled(t.Context(), session, []string{"API://A/59", "api://other/x"})
	if err != nil || !slices.Equal(scopes, []string{"api://a/59", "api://other/x"}) {
		t.Errorf("spelled %q, %v", scopes, err)
	}
}
