package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

// TestWithdrawnAPI: a token of an API that the configuration does not have any
// more can be used until it expires, and is never renewed.
func TestWithdrawnAPI(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t, sandbox.InventoryAppIDURI+"/Items.Read")
	b := w.browser()
	b.signIn(dana)
	form := asking(sandbox.InventoryAppIDURI, "")
	form.Set("other", "Items.Read")
	id := url.Values{"id": {b.post("/tokens", form).one("[data-token]:not(#azts)").AttrOr("id", "")}}
	w.stop()
	env := maps.Clone(w.env)
	delete(env, "PORTAL_RESOURCES")
	env["PORTAL_DATABASE_URL"] = "sqlite:" + w.db
	env["PORTAL_ADDR"] = strings.TrimPrefix(w.url, "http://") // the tenant knows it by this address
	again := startPortal(t, env).browser()
	again.setCookie(sessionCookie, b.cookie(sessionCookie))
	p := again.get("/tokens")
	card := "#" + id.Get("id")
	p.has(card, "asks for tokens of this API no more")
	if p.sel(card+` form[action="/tokens/renew"]`).Length() != 0 || p.sel(`#azts form[action="/tokens/renew"]`).Length() != 1 {
		t.Errorf("the buttons are %s", p.text(card))
	}
	before := w.tenant.count(tokenPath)
	refused := again.post("/tokens/renew", id).want(http.StatusBadRequest, "Tokens")
	if refused.evidenceIn(".panel") != "resource_unknown" || w.tenant.count(tokenPath) != before {
		t.Errorf("%d calls to the tenant, and %s", w.tenant.count(tokenPath)-before, refused.text(".panel"))
	}
	again.post("/tokens/reveal", id).want(http.StatusOK, "Tokens")
}

// TestAskAzTSBlind: what could not be read is no reason to advise a role.
func TestAskAzTSBlind(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t)
	b := w.browser()
	b.signIn(dana)
	w.tenant.Faults().Set("arm.500", "", -1)
	answer := b.submit(b.get("/tokens"), `#azts form[action="/tokens/check"] button`, nil).want(http.StatusOK, "Tokens").text(".azts-answer")
	if !strings.Contains(answer, "AzTS takes the token") || !strings.Contains(answer, "could not be read") || strings.Contains(answer, "Owner") {
		t.Errorf("with Azure down: %s", answer)
	}
}

// purposes returns what the history says the tokens of an API were for, the newest
// first.
func purposes(b *browser, api string) []string {
	b.t.Helper()
	var texts []string
	for _, row := range b.get("/tokens/history").sel("table.issues tbody tr").EachIter() {
		if clean(row.Find("th strong").Text()) == api {
			texts = append(texts, clean(row.Find(`[data-label="For"]`).Text()))
		}
	}
	return texts
}

// TestPurposeIsKept in whatever script, over a visit, over a declined consent, and
// the second one for a token that is held.
func TestPurposeIsKept(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t)
	b := w.browser()
	b.signIn(dana)
	long := strings.Repeat("監", 200)
	gone := b.send(visit{to: "/tokens", form: asking(sandbox.GraphAudience, long, graphRead), from: b.address("/")})
	consent := b.get(gone.leadsTo(w.authorizeURL()).String())
	declined := b.submit(b.submit(consent, "button[value=decline]", nil), "form#hiddenform", nil)
	form := b.get(declined.one("main a.btn-primary").AttrOr("href", ""))
	if got := form.one("#purpose").AttrOr("value", ""); got != long || form.one("#request input[checked]").AttrOr("value", "") != graphRead {
		t.Errorf("after declining the form holds %q", got)
	}
	p := b.through(b.submit(form, "#request form button", url.Values{"purpose": {form.one("#purpose").AttrOr("value", "")}}), dana)
	p.has(`[data-token="Microsoft Graph"]`, long)

	scope := sandbox.AzTSAppIDURI + "/user_impersonation"
	for _, purpose := range []string{"first", "first", "second", ""} {
		b.post("/tokens", asking(sandbox.AzTSAppIDURI, purpose, scope)).want(http.StatusOK, "Tokens")
	}
	b.get("/tokens").has("#azts .facts", "second")
	for api, want := range map[string]string{"Microsoft Graph": long, "AzTS": "second|first|the portal's own pages"} {
		if got := strings.Join(purposes(b, api), "|"); got != want {
			t.Errorf("the history of %s: %s, want %s", api, got, want)
		}
	}
}

// TestAttackChallengesWithoutEnd: an API that words its challenge anew each time
// sends nobody round for ever.
func TestAttackChallengesWithoutEnd(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t)
	b := w.browser()
	b.signIn(dana)
	asked := 0
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/azts/") {
			return false
		}
		asked++
		claims := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, 1_700_000_000+asked)
		rw.Header().Set("WWW-Authenticate", `Bearer error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(claims))+`"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	})
	for range 3 {
		told := b.send(visit{to: "/tokens/check", form: url.Values{"id": {"azts"}}, from: b.address("/")}).want(http.StatusOK, "Tokens")
		gone := b.send(formOf(told, ".panel form"))
		b.through(b.get(gone.leadsTo(w.authorizeURL()).String()), dana).want(http.StatusOK, "Tokens")
	}
	stopped := b.send(visit{to: "/tokens/check", form: url.Values{"id": {"azts"}}, from: b.address("/")}).want(http.StatusForbidden, "Tokens")
	if stopped.evidenceIn(".panel") != "challenge_repeated" || stopped.sel(".panel form").Length() != 0 {
		t.Errorf("the fourth time: %s", stopped.text(".panel"))
	}
}

// TestAttackManyTokens: neither spellings nor renewals make tokens without end.
func TestAttackManyTokens(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t, sandbox.InventoryAppIDURI+"/Items.Read")
	b := w.browser()
	b.signIn(dana)
	for _, name := range []string{"Items.Read", "items.read", "ITEMS.READ items.Read"} {
		form := asking(sandbox.InventoryAppIDURI, "")
		form.Set("other", name)
		b.post("/tokens", form).want(http.StatusOK, "Tokens")
	}
	if n := len(held(b)); n != 2 {
		t.Errorf("%d cards for two tokens", n)
	}
	before := w.tenant.count(tokenPath)
	for range 40 {
		b.send(visit{to: "/tokens/renew", form: url.Values{"id": {"azts"}}, from: b.address("/")})
	}
	if n := w.tenant.count(tokenPath) - before; n != 29 { // one was for the inventory
		t.Errorf("40 renewals made %d calls to the tenant", n)
	}
	p := b.post("/tokens/renew", url.Values{"id": {"azts"}}).want(http.StatusTooManyRequests, "Tokens")
	p.has(".panel", "rests for a while")
	// What is held can still be used, by everybody.
	b.post("/tokens/reveal", nil).want(http.StatusOK, "Tokens")
}

// TestStepUpCarriesTheChallenge: who is sent back for a second factor is still
// asked for what the API wanted.
func TestStepUpCarriesTheChallenge(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{env: map[string]string{"PORTAL_REQUIRE_MFA": "true"}})
	b := w.browser()
	b.signIn(dana)
	const asked = `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}` // which needs no second factor
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/azts/") {
			return false
		}
		rw.Header().Set("WWW-Authenticate", `Bearer error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(asked))+`"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	})
	told := b.send(visit{to: "/tokens/check", form: url.Values{"id": {"azts"}}, from: b.address("/")}).want(http.StatusOK, "Tokens")
	to := b.send(formOf(told, ".panel form")).leadsTo(w.authorizeURL())
	// The tenant has forgotten the second factor.
	b.jar.cookies = slices.DeleteFunc(b.jar.cookies, func(c stored) bool { return c.host == to.Hostname() })
	answer := b.toAnswer(b.get(to.String()), dana).fields("form#hiddenform")
	claims := w.callback(b, answer).leadsTo(w.authorizeURL()).Query().Get("claims")
	if !json.Valid([]byte(claims)) || !strings.Contains(claims, `"nbf":{"essential":true,"value":"1700000000"}`) || !strings.Contains(claims, `"mfa"`) {
		t.Errorf("the step-up asks for %s", claims)
	}
}
