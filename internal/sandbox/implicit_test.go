package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

// legacy are the changes that make the portal's request the legacy dashboard's.
func (w *tenantWorld) legacy(changes ...string) []string {
	return append([]string{"client_id", sandbox.LegacyClientID, "redirect_uri", w.Settings().LegacyRedirect, "response_type", "id_token token",
		"response_mode", "", "scope", "openid profile " + sandbox.AzTSAppIDURI + "/user_impersonation", "code_challenge", "", "code_challenge_method", ""}, changes...)
}

func TestImplicitFlow(t *testing.T) {
	w := newTenantWorld(t)
	for _, order := range []string{"id_token token", "token id_token"} {
		done := w.browser().signIn(sandbox.DanaID, w.legacy("response_type", order)...)
		if done.mode != "fragment" || !strings.HasPrefix(done.at.String(), w.Settings().LegacyRedirect+"#") || done.at.RawQuery != "" {
			t.Fatalf("the answer goes by %s to %s", done.mode, done.at)
		}
		a := done.answer
		if a.Get("token_type") != "Bearer" || a.Get("expires_in") == "" || a.Get("state") != "s-1" || a.Get("session_state") == "" ||
			a.Get("scope") != sandbox.AzTSAppIDURI+"/user_impersonation" || a.Has("code") || a.Has("refresh_token") {
			t.Errorf("answer %v", a)
		}
		access, id := w.claims(a.Get("access_token")), w.claims(a.Get("id_token"))
		if access["aud"] != sandbox.AzTSAppIDURI || access["appid"] != sandbox.LegacyClientID || access["appidacr"] != "0" {
			t.Errorf("access token %v", access)
		}
		sum := sha256.Sum256([]byte(a.Get("access_token")))
		if id["at_hash"] != base64.RawURLEncoding.EncodeToString(sum[:16]) || id["nonce"] != "n-1" || id["c_hash"] != nil {
			t.Errorf("ID token %v", id)
		}
	}
}

func TestImplicitFlowIsRefused(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	for name, c := range map[string]struct {
		changes   []string
		err, code string
	}{
		"access tokens are not ticked": {[]string{"response_type", "id_token token", "response_mode", "fragment"}, "unsupported_response_type", "700051"},
		"in the query":                 {w.legacy("response_mode", "query"), "invalid_request", "70007"},
		"by form_post":                 {w.legacy("response_mode", "form_post"), "invalid_request", "70007"},
		"token alone in v2":            {w.legacy("response_type", "token"), "unsupported_response_type", "70005"},
		"with a code":                  {w.legacy("response_type", "code token"), "unsupported_response_type", "70005"},
		"without nonce":                {w.legacy("nonce", ""), "invalid_request", "90014"},
		"nobody is signed in":          {w.legacy("prompt", "none"), "login_required", "50058"},
	} {
		t.Run(name, func(t *testing.T) {
			done := b.authorize(c.changes...)
			if done.mode != "fragment" || done.answer.Get("error") != c.err || !strings.HasPrefix(done.answer.Get("error_description"), "AADSTS"+c.code+":") ||
				done.answer.Has("access_token") || done.answer.Has("id_token") {
				t.Errorf("by %s: %v", done.mode, done.answer)
			}
		})
	}
	t.Run("two resources", func(t *testing.T) {
		done := w.browser().signIn(sandbox.DanaID, w.legacy("scope", "openid "+sandbox.AzTSAppIDURI+"/user_impersonation "+sandbox.ARMAudience+"/user_impersonation")...)
		if done.answer.Get("error") != "invalid_scope" || !strings.Contains(done.answer.Get("error_description"), "AADSTS700022") {
			t.Errorf("%v", done.answer)
		}
	})
}

func TestImplicitFlowOfVersionOneGivesATokenAlone(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	b.signIn(sandbox.DanaID, w.legacy()...)
	query := url.Values{"client_id": {sandbox.LegacyClientID}, "response_type": {"token"}, "redirect_uri": {w.Settings().LegacyRedirect},
		"resource": {sandbox.AzTSAppIDURI}, "state": {"s-2"}, "prompt": {"none"}}
	done := b.get("/" + sandbox.TenantID + "/oauth2/authorize?" + query.Encode()) // as a hidden iframe renews
	if done.mode != "fragment" || done.answer.Get("scope") != "user_impersonation" || done.answer.Has("id_token") || w.claims(done.answer.Get("access_token"))["oid"] != sandbox.DanaID {
		t.Errorf("by %s: %v", done.mode, done.answer)
	}
}
