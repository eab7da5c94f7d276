package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

func TestMetadata(t *testing.T) {
	w := newTenantWorld(t)
	byID, byDomain := map[string]any{}, map[string]any{}
	response := w.getJSON("/"+sandbox.TenantID+"/v2.0/.well-known/openid-configuration", &byID)
	w.getJSON("/Contoso.com/v2.0/.well-known/openid-configuration", &byDomain)
	if byID["issuer"] != w.Settings().Issuer || byDomain["issuer"] != byID["issuer"] || byDomain["token_endpoint"] != byID["token_endpoint"] {
		t.Errorf("a domain is not an alias of the id: %v and %v", byDomain["issuer"], byID["issuer"])
	}
	if response.Header.Get("Access-Control-Allow-Origin") != "*" || response.Header.Get("Cache-Control") != "max-age=86400, private" {
		t.Errorf("headers %v", response.Header)
	}
	for _, absent := range []string{"frontchannel_logout_session_supported", "backchannel_logout_supported", "code_challenge_methods_supported",
		"grant_types_supported", "revocation_endpoint", "introspection_endpoint"} {
		if _, there := byID[absent]; there {
			t.Errorf("%s is there, which Entra never says", absent)
		}
	}
	for _, several := range []string{"common", "organizations"} {
		document := map[string]any{}
		w.getJSON("/"+several+"/v2.0/.well-known/openid-configuration", &document)
		if document["issuer"] != w.url+"/{tenantid}/v2.0" || document["token_endpoint"] != w.url+"/"+several+"/oauth2/v2.0/token" {
			t.Errorf("%s: issuer %v, token endpoint %v", several, document["issuer"], document["token_endpoint"])
		}
	}
	v1 := map[string]any{}
	w.getJSON("/"+sandbox.TenantID+"/.well-known/openid-configuration", &v1)
	if v1["issuer"] != w.url+"/"+sandbox.TenantID+"/" || v1["authorization_endpoint"] != w.url+"/"+sandbox.TenantID+"/oauth2/authorize" {
		t.Errorf("v1: %v", v1)
	}
	for _, endpoint := range []string{"authorization_endpoint", "token_endpoint", "end_session_endpoint", "jwks_uri", "userinfo_endpoint"} {
		for version, document := range map[string]map[string]any{"v1": v1, "v2": byID} {
			answer, err := http.Get(document[endpoint].(string))
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusNotFound {
				t.Errorf("%s of %s leads nowhere", endpoint, version)
			}
		}
	}
	unknown := map[string]any{}
	if response := w.getJSON("/nowhere.example/v2.0/.well-known/openid-configuration", &unknown); response.StatusCode != 400 || unknown["error"] != "invalid_tenant" {
		t.Errorf("an unknown tenant: %d %v", response.StatusCode, unknown)
	}
}

func TestKeyDocument(t *testing.T) {
	w := newTenantWorld(t)
	var v2, v1 struct{ Keys []map[string]any }
	w.getJSON("/"+sandbox.TenantID+"/discovery/v2.0/keys", &v2)
	w.getJSON("/common/discovery/keys", &v1)
	if len(v2.Keys) < 2 || len(v1.Keys) != len(v2.Keys) {
		t.Fatalf("%d keys in v2, %d in v1", len(v2.Keys), len(v1.Keys))
	}
	for i, key := range v2.Keys {
		if key["issuer"] != w.url+"/{tenantid}/v2.0" || key["alg"] != nil || key["kty"] != "RSA" || key["use"] != "sig" || v1.Keys[i]["issuer"] != nil {
			t.Errorf("key %v", key)
		}
	}
	for i, key := range w.keySet().Keys {
		if !key.Valid() || !key.IsPublic() || key.Certificates[0].PublicKey == nil {
			t.Errorf("key %d is not valid, or not public", i)
		}
	}
}

func TestRotatedKeys(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	before := w.keySet()
	old := b.signIn(sandbox.DanaID).answer.Get("id_token")
	w.RotateKeys()
	fresh := b.authorize().answer.Get("id_token")
	kid := keyID(t, fresh)
	if len(before.Key(kid)) != 0 {
		t.Error("the new key had been published before")
	}
	if _, problem := w.verify(fresh); problem != "" {
		t.Errorf("new token: %s", problem)
	}
	if _, problem := w.verify(old); problem != "" {
		t.Errorf("old token: %s", problem)
	}
	w.RotateKeys()
	if _, problem := w.verify(old); problem != "unknown kid" {
		t.Errorf("the first key is still there after two rotations: %q", problem)
	}
}

func keyID(t *testing.T, token string) string {
	t.Helper()
	header, _, _ := strings.Cut(token, ".")
	var parsed struct {
		Kid string `json:"kid"`
		Alg string `json:"alg"`
		Typ string `json:"typ"`
	}
	decodeSegment(t, header, &parsed)
	if parsed.Alg != "RS256" || parsed.Typ != "JWT" {
		t.Errorf("header %+v", parsed)
	}
	return parsed.Kid
}

func TestGrowingASandboxDoesNotWaitForKeys(t *testing.T) {
	begun := time.Now()
	const rounds = 3
	boxes := make([]*sandbox.Sandbox, rounds)
	for i := range boxes {
		box, err := sandbox.New(sandbox.Options{Origin: "http://127.0.0.1:8081", PortalURL: portalURL})
		if err != nil {
			t.Fatal(err)
		}
		boxes[i] = box
	}
	grown := time.Since(begun)
	// Waiting for the last one's keys must take longer than growing them all:
	// a ratio, so that a slow machine does not fail the test.
	for _, box := range boxes {
		w := httptest.NewRecorder()
		box.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/common/discovery/keys", nil))
		if w.Code != http.StatusOK {
			t.Fatalf("keys: %d", w.Code)
		}
	}
	if ready := time.Since(begun); grown*2 > ready {
		t.Errorf("growing took %v of the %v until the keys were there", grown, ready)
	}
}

func TestAccessTokensAtAnAPI(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	graphScope := "openid profile offline_access https://graph.microsoft.com/User.Read"
	tokens := w.redeem(b.signIn(sandbox.DanaID, "scope", graphScope).answer.Get("code"))
	access := tokens.str("access_token")
	call := func(token string) (int, string, string) {
		request, err := http.NewRequest(http.MethodGet, w.url+"/graph/v1.0/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, response.Header.Get("WWW-Authenticate"), string(body)
	}
	if status, _, body := call(access); status != 200 || !strings.Contains(body, sandbox.DanaID) {
		t.Fatalf("a good token: %d %s", status, body)
	}
	azts := w.redeem(b.signIn(sandbox.DanaID).answer.Get("code"), "scope", sandbox.AzTSAppIDURI+"/.default").str("access_token")
	abroad := w.browser()
	page := abroad.press(abroad.get("/organizations/oauth2/v2.0/authorize?"+portalRequest("scope", graphScope).Encode()), "account", sandbox.GinaID)
	foreignTenant := w.tokenAt("/organizations/oauth2/v2.0/token", map[string][]string{"client_id": {sandbox.PortalClientID},
		"client_secret": {sandbox.PortalClientSecret}, "grant_type": {"authorization_code"}, "redirect_uri": {portalURL + "/auth/callback"},
		"code_verifier": {verifier}, "code": {abroad.press(page, "action", "accept").answer.Get("code")}}).str("access_token")
	otherBox := newTenantWorld(t)
	stranger := otherBox.redeem(otherBox.browser().signIn(sandbox.DanaID, "scope", graphScope).answer.Get("code")).str("access_token")
	header, rest, _ := strings.Cut(access, ".")
	payload, _, _ := strings.Cut(rest, ".")
	for name, bad := range map[string]string{
		"another audience":     azts,
		"an ID token":          tokens.str("id_token"),
		"another tenant":       foreignTenant,
		"another authority":    stranger,
		"no signature":         header + "." + payload + ".",
		"alg none":             "eyJhbGciOiJub25lIn0." + payload + ".",
		"garbage":              "garbage",
		"the refresh token":    tokens.str("refresh_token"),
		"a changed claim":      header + "." + payload[:len(payload)-4] + "AAAA." + access[strings.LastIndex(access, ".")+1:],
		"ten thousand periods": strings.Repeat(".", 10_000),
	} {
		status, challenge, body := call(bad)
		if status != 401 || !strings.HasPrefix(challenge, "Bearer ") || !strings.Contains(challenge, `error="invalid_token"`) || !strings.Contains(body, `"code"`) {
			t.Errorf("%s: %d, %s, %s", name, status, challenge, body)
		}
	}
	if status, challenge, _ := call(""); status != 401 || strings.Contains(challenge, "error=") || !strings.Contains(challenge, "authorization_uri=") {
		t.Errorf("no token: %d, %s", status, challenge)
	}
	w.RotateKeys()
	w.RotateKeys()
	if status, _, body := call(access); status != 200 {
		t.Errorf("a token from before the rotations: %d %s", status, body)
	}
	w.clock.pass(2 * time.Hour)
	if status, _, body := call(access); status != 401 || !strings.Contains(body, "expired") {
		t.Errorf("an expired token: %d %s", status, body)
	}
}

func TestUserInfo(t *testing.T) {
	w := newTenantWorld(t)
	done := w.browser().signIn(sandbox.DanaID, "scope", "openid profile email")
	tokens := w.redeem(done.answer.Get("code"))
	request, err := http.NewRequest(http.MethodGet, w.url+"/oidc/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+tokens.str("access_token"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var info map[string]string
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		t.Fatal(err)
	}
	if info["sub"] != w.claims(tokens.str("id_token"))["sub"] || info["name"] != "Dana Reyes" || info["email"] != "dana@contoso.com" {
		t.Errorf("userinfo %v", info)
	}
}
