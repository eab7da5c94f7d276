package sandbox_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// decodeSegment reads one part of a JWT.
func decodeSegment(t *testing.T, segment string, into any) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// peek reads a token without any check.
func peek(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts", len(parts))
	}
	decodeSegment(t, parts[0], &header)
	decodeSegment(t, parts[1], &claims)
	return header, claims
}

func TestFaultSwitches(t *testing.T) {
	w := newTenantWorld(t)
	faults := w.Faults()
	find := func(name string) sandbox.Fault {
		for _, fault := range faults.List() {
			if fault.Name == name {
				return fault
			}
		}
		t.Fatalf("%s is not in the list", name)
		return sandbox.Fault{}
	}
	for _, fault := range faults.List() {
		if fault.On || fault.Area == "" || !strings.HasSuffix(fault.Does, ".") {
			t.Errorf("%+v: on at first, or without its words", fault)
		}
	}
	faults.Set("jwks.500", "", 2)
	for i, want := range []int{500, 500, 200} {
		response, err := http.Get(w.url + "/common/discovery/keys")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("call %d: %d, want %d", i+1, response.StatusCode, want)
		}
	}
	if got := find("jwks.500"); got.On || got.Happened != 2 {
		t.Errorf("after two of two: %+v", got)
	}
	faults.Set("jwks.500", "", -1)
	faults.Set("token.error", "50196", -1)
	faults.Clear("jwks.500")
	if find("jwks.500").On || !find("token.error").On || find("token.error").Value != "50196" {
		t.Error("clearing one cleared another, or not this one")
	}
	faults.Clear()
	if find("token.error").On {
		t.Error("clearing all left one on")
	}
	defer func() {
		if recover() == nil {
			t.Error("a fault that nobody declared is taken in silence")
		}
	}()
	faults.Set("jwks.5000", "", 1)
}

func TestIDTokenFaults(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	good, problem := w.verify(b.signIn(sandbox.DanaID).answer.Get("id_token"))
	if problem != "" {
		t.Fatal(problem)
	}
	spoilt := map[string]func(header, claims map[string]any, problem string) bool{
		"alg_none":         func(h, _ map[string]any, _ string) bool { return h["alg"] == "none" },
		"hs256_public_key": func(h, _ map[string]any, _ string) bool { return h["alg"] == "HS256" },
		"unknown_kid":      func(_, _ map[string]any, p string) bool { return p == "unknown kid" },
		"bad_signature":    func(_, _ map[string]any, p string) bool { return strings.HasPrefix(p, "signature") },
		"wrong_aud":        func(_, c map[string]any, _ string) bool { return c["aud"] != sandbox.PortalClientID },
		"wrong_azp":        func(_, c map[string]any, _ string) bool { return c["azp"] == sandbox.ExpensesClientID },
		"wrong_iss":        func(_, c map[string]any, _ string) bool { return c["iss"] != good["iss"] },
		"template_iss":     func(_, c map[string]any, _ string) bool { return c["iss"] == w.url+"/{tenantid}/v2.0" },
		"wrong_tid": func(_, c map[string]any, _ string) bool {
			return c["tid"] == sandbox.FabrikamTenantID && c["iss"] == good["iss"]
		},
		"wrong_nonce": func(_, c map[string]any, _ string) bool { return c["nonce"] != "n-1" },
		"expired":     func(_, c map[string]any, _ string) bool { return c["exp"].(float64) < float64(w.clock.Now().Unix()) },
		"not_yet_valid": func(_, c map[string]any, _ string) bool {
			return c["nbf"].(float64) > float64(w.clock.Now().Unix())+599
		},
		"no_oid": func(_, c map[string]any, _ string) bool { return c["oid"] == nil },
	}
	for name, isSpoilt := range spoilt {
		t.Run(name, func(t *testing.T) {
			w.Faults().Set("id_token."+name, "", 1)
			token := b.authorize().answer.Get("id_token")
			header, claims := peek(t, token)
			_, problem := w.verify(token)
			if !isSpoilt(header, claims, problem) {
				t.Errorf("header %v, claims %v, problem %q", header, claims, problem)
			}
			_, claims = peek(t, b.authorize().answer.Get("id_token"))
			if isSpoilt(map[string]any{"alg": "RS256"}, claims, "") {
				t.Error("the fault outlives its one occasion")
			}
		})
	}
	t.Run("wrong_c_hash", func(t *testing.T) {
		done := b.authorize()
		_, right := peek(t, done.answer.Get("id_token"))
		w.Faults().Set("id_token.wrong_c_hash", "", 1)
		again := b.authorize()
		_, wrong := peek(t, again.answer.Get("id_token"))
		w.Faults().Set("id_token.wrong_c_hash", "", 1)
		third := b.authorize()
		_, same := peek(t, third.answer.Get("id_token"))
		if right["c_hash"] == same["c_hash"] || wrong["c_hash"] != same["c_hash"] {
			t.Error("c_hash follows the code although it should be wrong")
		}
	})
	t.Run("wrong_at_hash", func(t *testing.T) {
		w.Faults().Set("id_token.wrong_at_hash", "", 1)
		done := b.authorize()
		_, front := peek(t, done.answer.Get("id_token"))
		_, back := peek(t, w.redeem(done.answer.Get("code")).str("id_token"))
		if front["at_hash"] != nil || back["at_hash"] == nil {
			t.Errorf("at_hash %v in front, %v behind", front["at_hash"], back["at_hash"])
		}
	})
	t.Run("second_differs", func(t *testing.T) {
		w.Faults().Set("id_token.second_differs", "", 1)
		done := b.authorize()
		_, front := peek(t, done.answer.Get("id_token"))
		back, problem := w.verify(w.redeem(done.answer.Get("code")).str("id_token"))
		if problem != "" || front["sub"] == back["sub"] || front["oid"] != sandbox.DanaID {
			t.Errorf("the first names %v, the second %v", front["sub"], back["sub"])
		}
	})
}

func TestCallbackFaults(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	b.signIn(sandbox.DanaID)
	w.Faults().Set("callback.error", "server_error|<b>AADSTS90033</b>: trouble|cancel", 1)
	done := b.authorize()
	if done.answer.Get("error") != "server_error" || done.answer.Get("error_description") != "<b>AADSTS90033</b>: trouble" ||
		done.answer.Get("error_subcode") != "cancel" || done.answer.Has("code") || done.answer.Has("id_token") {
		t.Errorf("answer %v", done.answer)
	}
	w.Faults().Set("callback.error", "", 1)
	if done := b.authorize(); done.answer.Get("error") != "server_error" {
		t.Errorf("without a value: %v", done.answer)
	}
	w.Faults().Set("callback.no_state", "", 1)
	if done := b.authorize(); done.answer.Has("state") || !done.answer.Has("code") {
		t.Errorf("no_state: %v", done.answer)
	}
	w.Faults().Set("callback.wrong_state", "", 1)
	if done := b.authorize(); done.answer.Get("state") == "s-1" || done.answer.Get("state") == "" {
		t.Errorf("wrong_state: %v", done.answer)
	}
	w.Faults().Set("authorize.page_error", "53003", 1)
	if page := b.authorize(); !strings.Contains(page.text(), "AADSTS53003") || page.answer != nil {
		t.Errorf("page_error: %v", page.answer)
	}
}

func TestTokenFaults(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	redeem := func() tokenAnswer { return w.redeem(b.signIn(sandbox.DanaID).answer.Get("code")) }
	refresh := redeem().str("refresh_token")
	set := w.Faults().Set

	set("token.error", "50196", 1)
	redeem().refused(t, 400, "invalid_grant", 50196)
	set("token.error", "7000222", 1)
	redeem().refused(t, 401, "invalid_client", 7000222)
	set("token.error", "90033", 1)
	redeem().refused(t, 503, "temporarily_unavailable", 90033)
	set("token.500_html", "", 1)
	if answer := redeem(); answer.status != 500 || !strings.Contains(answer.raw, "<h1>") {
		t.Errorf("500_html: %d %s", answer.status, answer.raw)
	}
	set("token.429_text", "7", 1)
	if answer := redeem(); answer.status != 429 || answer.header.Get("Retry-After") != "7" || answer.member != nil {
		t.Errorf("429_text: %d %s", answer.status, answer.raw)
	}
	set("token.truncated", "", 1)
	if answer := redeem(); answer.status != 200 || answer.member != nil || !strings.HasPrefix(answer.raw, "{") {
		t.Errorf("truncated: %d %s", answer.status, answer.raw)
	}
	set("token.string_numbers", "", 1)
	if answer := redeem(); answer.str("expires_in") == "" {
		t.Errorf("string_numbers: %s", answer.raw)
	}
	set("token.no_refresh_token", "", 1)
	if answer := redeem(); answer.str("access_token") == "" || answer.str("refresh_token") != "" {
		t.Errorf("no_refresh_token: %s", answer.raw)
	}
	set("token.fewer_scopes", "", 1)
	if answer := redeem(); strings.Contains(answer.str("scope"), "user_impersonation") || answer.str("access_token") == "" {
		t.Errorf("fewer_scopes: %s", answer.raw)
	}
	set("refresh.interaction_required", "", 1)
	answer := w.renew(refresh, "")
	answer.refused(t, 400, "interaction_required", 50076)
	if answer.str("suberror") != "basic_action" {
		t.Errorf("suberror %q", answer.str("suberror"))
	}
	// The claims lead to the second factor, and that ends the matter.
	b.press(b.authorize("claims", answer.str("claims")).on("Approve the sign-in"), "action", "approve")
	if again := w.renew(refresh, ""); again.status != 200 {
		t.Errorf("the refresh token did not survive: %s", again.raw)
	}
	set("refresh.revoked", "", 1)
	w.renew(refresh, "").refused(t, 400, "invalid_grant", 50173)
	w.renew(refresh, "").refused(t, 400, "invalid_grant", 50173)
}

func TestAHangingTokenEndpointEndsWithItsCaller(t *testing.T) {
	w := newTenantWorld(t)
	w.Faults().Set("token.timeout", "", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/"+sandbox.TenantID+"/oauth2/v2.0/token", strings.NewReader(scriptForm().Encode()))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the call ended with %v", err)
	}
	begun := time.Now()
	w.close() // waits for the handler, which would go on for a minute
	if waited := time.Since(begun); waited > 30*time.Second {
		t.Errorf("the handler outlived its caller by %v", waited)
	}
}

func TestMetadataFaults(t *testing.T) {
	w := newTenantWorld(t)
	path := "/" + sandbox.TenantID + "/v2.0/.well-known/openid-configuration"
	w.Faults().Set("metadata.wrong_issuer", "", 1)
	document := map[string]any{}
	w.getJSON(path, &document)
	if document["issuer"] == w.Settings().Issuer {
		t.Error("the issuer is right")
	}
	w.Faults().Set("metadata.500", "", 1)
	response, err := http.Get(w.url + path)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 500 {
		t.Errorf("status %d", response.StatusCode)
	}
	w.Faults().Set("jwks.slow", "1ms", 1)
	if len(w.keySet().Keys) < 2 {
		t.Error("late keys are no keys")
	}
}

func TestTheConsoleSwitchesFaults(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	b.signIn(sandbox.DanaID)
	page := b.get("/sandbox").on("Sandbox")
	if n := page.doc.Find(`form.switch`).Length(); n != len(w.Faults().List()) {
		t.Errorf("%d switches for %d faults", n, len(w.Faults().List()))
	}
	for _, want := range []string{"Dana Reyes", "AzTS Portal", portalURL + "/auth/callback", "Nobody is signed in"} {
		if there := strings.Contains(page.text(), want); there == (want == "Nobody is signed in") {
			t.Errorf("%q on the page: %v", want, there)
		}
	}
	row := page.doc.Find(`input[name="name"][value="token.error"]`).Closest("form")
	if row.Find(`input[name="value"]`).Length() != 1 || row.Find("button").Length() != 2 {
		t.Error("the fault has no field for its value, or no buttons")
	}
	page = b.post("/sandbox/faults", url.Values{"name": {"token.error"}, "value": {"<i>50196"}, "times": {"-1"}}).on("Sandbox")
	if !strings.Contains(page.text(), "1 switched on.") || !strings.Contains(page.text(), "on: <i>50196, until switched off") {
		t.Errorf("the page does not show what is on: %s", page.text())
	}
	page = b.post("/sandbox/faults", url.Values{"clear": {"all"}}).on("Sandbox")
	if !strings.Contains(page.text(), "All are off") {
		t.Error("they are not off")
	}
	if bad := b.post("/sandbox/faults", url.Values{"name": {"no.such"}, "times": {"1"}}); bad.status != 400 {
		t.Errorf("an unknown fault: %d", bad.status)
	}
	before := w.keySet()
	b.post("/sandbox/keys", nil).on("Sandbox")
	if after := w.keySet(); before.Keys[0].KeyID == after.Keys[0].KeyID && before.Keys[1].KeyID == after.Keys[1].KeyID {
		t.Error("the keys are the same")
	}
}
