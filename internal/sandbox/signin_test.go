package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

func TestFirstSignInGoesThroughPickerAndConsentToAFormPost(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	page := b.authorize().on("Choose an account")
	page = b.press(page, "account", sandbox.DanaID).on("Permissions requested")
	done := b.press(page, "action", "accept")

	if done.mode != "form_post" || done.at.String() != portalURL+"/auth/callback" {
		t.Fatalf("the answer goes by %s to %s", done.mode, done.at)
	}
	if done.answer.Get("state") != "s-1" {
		t.Errorf("state %q", done.answer.Get("state"))
	}
	claims := w.claims(done.answer.Get("id_token"))
	sum := sha256.Sum256([]byte(done.answer.Get("code")))
	for name, want := range map[string]any{
		"iss": w.url + "/" + sandbox.TenantID + "/v2.0", "aud": sandbox.PortalClientID, "tid": sandbox.TenantID, "oid": sandbox.DanaID,
		"nonce": "n-1", "ver": "2.0", "preferred_username": "dana@contoso.com", "sid": done.answer.Get("session_state"),
		"c_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
	} {
		if claims[name] != want {
			t.Errorf("%s = %v, want %v", name, claims[name], want)
		}
	}

	tokens := w.redeem(done.answer.Get("code"))
	if tokens.status != 200 {
		t.Fatalf("redeem: %d %s", tokens.status, tokens.raw)
	}
	second := w.claims(tokens.str("id_token"))
	if second["sub"] != claims["sub"] || second["iss"] != claims["iss"] || second["nonce"] != "n-1" {
		t.Errorf("the second ID token differs: %v and %v", second, claims)
	}
	access := w.claims(tokens.str("access_token"))
	for name, want := range map[string]any{
		"iss": w.url + "/" + sandbox.TenantID + "/", "aud": sandbox.AzTSAppIDURI, "ver": "1.0", "appid": sandbox.PortalClientID,
		"appidacr": "1", "scp": "user_impersonation", "oid": sandbox.DanaID,
	} {
		if access[name] != want {
			t.Errorf("access token %s = %v, want %v", name, access[name], want)
		}
	}
	if life := access["exp"].(float64) - access["iat"].(float64); life < 3600 || life > 5400 {
		t.Errorf("the access token lives %v s", life)
	}
	renewed := w.renew(tokens.str("refresh_token"), "")
	if renewed.status != 200 || renewed.str("refresh_token") == tokens.str("refresh_token") {
		t.Errorf("refresh: %d %s", renewed.status, renewed.raw)
	}
	if again := w.renew(tokens.str("refresh_token"), ""); again.status != 200 {
		t.Errorf("the old refresh token is refused: %s", again.raw)
	}

	// The second time nothing is asked.
	if again := b.authorize(); again.answer.Get("code") == "" {
		t.Errorf("the second sign-in is not silent: %q", again.heading())
	}
}
