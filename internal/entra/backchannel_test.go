package entra

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
)

// logoutClaims are those of a good logout token (Back-Channel Logout 1.0 §2.4).
func (a *authority) logoutClaims() map[string]any {
	now := a.Now().Unix()
	return map[string]any{"iss": a.metadata["issuer"], "aud": testClient, "sub": "pairwise", "sid": "s-1", "jti": "j-1", "iat": now, "exp": now + 120,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
}

func TestLogoutToken(t *testing.T) {
	a := newAuthority(t)
	delete(a.metadata, "cloud_instance_name")
	p := a.provider()
	at := func(d time.Duration) int64 { return a.Now().Add(d).Unix() }
	for _, test := range []struct {
		name  string
		claim string
		value any // nil takes it away
		good  bool
	}{
		{"as it should be", "", nil, true},
		{"sid alone", "sub", nil, true},
		{"sub alone", "sid", nil, true},
		{"wrong aud", "aud", testOther, false},
		{"wrong iss", "iss", "https://login.example.net", false},
		{"a nonce makes it an ID token", "nonce", testNonce, false},
		{"no event", "events", nil, false},
		{"another event", "events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}}, false},
		{"no jti", "jti", nil, false},
		{"no iat", "iat", nil, false},
		{"old", "iat", at(-maxLogoutTokenAge - time.Second), false},
		{"not old enough to be refused", "iat", at(-maxLogoutTokenAge + time.Second), true},
		{"from the future", "iat", at(skew + time.Second), false},
		{"expired", "exp", at(-skew), false},
		{"no exp", "exp", nil, false},
	} {
		claims := a.logoutClaims()
		if claims[test.claim] = test.value; test.value == nil {
			delete(claims, test.claim)
		}
		token, err := p.VerifyLogoutToken(t.Context(), a.signed(claims))
		if (err == nil) != test.good {
			t.Errorf("%s: %v", test.name, err)
		}
		// Every refusal must be one that the endpoint answers with 400.
		if err != nil && !apperr.IsKind(err, apperr.Forbidden) && !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("%s: %v", test.name, err)
		}
		if err == nil && (token.ID != "j-1" || !token.ExpiresAt.After(a.Now())) {
			t.Errorf("%s: got %+v", test.name, token)
		}
	}
	nobody := a.logoutClaims()
	delete(nobody, "sub")
	delete(nobody, "sid")
	if _, err := p.VerifyLogoutToken(t.Context(), a.signed(nobody)); err == nil {
		t.Error("a token that names nobody passes")
	}
	token, err := p.VerifyLogoutToken(t.Context(), a.signed(a.logoutClaims()))
	if err != nil || token.SID != "s-1" || token.Person != (access.PersonID{Authority: a.metadata["issuer"].(string), Subject: "pairwise"}) {
		t.Errorf("got %+v, %v", token, err)
	}
}

func TestAttackLogoutToken(t *testing.T) {
	a := newAuthority(t)
	delete(a.metadata, "cloud_instance_name")
	p := a.provider()
	good := a.signed(a.logoutClaims())
	payload := strings.Split(good, ".")[1]
	for name, raw := range map[string]string{
		"nothing":             "",
		"unsigned":            "eyJhbGciOiJub25lIn0." + payload + ".",
		"another's signature": a.signed(a.logoutClaims(), func(k *jose.SigningKey, _ *jose.SignerOptions) { k.Key = testKeys()[1] }),
		"an ID token":         a.signed(a.claims()),
		"too long":            good + strings.Repeat("x", maxIDToken),
	} {
		if _, err := p.VerifyLogoutToken(t.Context(), raw); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	// And the other way round: whoever has a logout token is nobody.
	claims := a.logoutClaims()
	if _, err := signInWith(t, p, a.signed(claims)); err == nil {
		t.Error("a logout token signs somebody in")
	}
}

// TestEntraSendsNoLogoutTokens: so none of its dialect is believed, however
// good it looks.
func TestEntraSendsNoLogoutTokens(t *testing.T) {
	a := newAuthority(t)
	claims := a.logoutClaims()
	claims["tid"] = testTenant
	if _, err := a.provider().VerifyLogoutToken(t.Context(), a.signed(claims)); codeOf(err) != "logout_token_unexpected" {
		t.Errorf("got %v", err)
	}
}
