package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

// TestTokenAskedWrongly: each mistake has its sentence, asks the tenant nothing,
// and leaves in the form what was typed.
func TestTokenAskedWrongly(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t)
	b := w.browser()
	b.signIn(dana)
	asked := w.tenant.count(tokenPath)
	for name, c := range map[string]struct {
		resource, scope, other, purpose string
		says                            string
		keeps                           string // what the field of further scopes holds
	}{
		"unknown resource":    {resource: "https://evil.example", scope: "x", says: "does not ask for tokens of that API"},
		"two resources":       {resource: vault, scope: vaultAll, other: graphRead, says: "belong to two APIs", keeps: graphRead},
		"malformed":           {resource: vault, other: "user impersonation'", says: "not a name that an API could have", keeps: "user impersonation'"},
		"nothing":             {resource: vault, says: "No scope is chosen"},
		"default and another": {resource: vault, scope: ".default", other: "user_impersonation", says: ".default", keeps: "user_impersonation"},
		"refresh token":       {resource: vault, other: "offline_access", says: "keeps to itself", keeps: "offline_access"},
		"long purpose":        {resource: vault, scope: vaultAll, purpose: strings.Repeat("ü", 201), says: "longer than 200 characters"},
		"markup":              {resource: vault, other: "<script>", purpose: `"><script>alert(1)</script>`, says: "not a name", keeps: "<script>"},
	} {
		form := asking(c.resource, c.purpose)
		form.Set("other", c.other)
		if c.scope != "" {
			form.Set("scope", c.scope)
		}
		p := b.post("/tokens", form).want(http.StatusBadRequest, "Tokens")
		p.has("#ask-error", c.says)
		if got := p.one("#other").AttrOr("value", ""); got != c.keeps {
			t.Errorf("%s: the field of scopes holds %q", name, got)
		}
		if got := p.one("#purpose").AttrOr("value", ""); got != c.purpose {
			t.Errorf("%s: the purpose is %q", name, got)
		}
		if c.resource == vault {
			if got := p.one(`#request form input[name=resource]`).AttrOr("value", ""); got != vault {
				t.Errorf("%s: the form is about %q", name, got)
			}
			if ticked := p.sel(`#request input[name=scope][checked]`).Length(); (ticked == 1) != (c.scope != "") {
				t.Errorf("%s: %d scopes are ticked", name, ticked)
			}
		}
	}
	if p := b.get("/tokens?resource=https://evil.example&scope=x&got=azts2"); p.status != http.StatusBadRequest {
		t.Errorf("an address with an unknown resource: %d", p.status)
	}
	if n := w.tenant.count(tokenPath) - asked; n != 0 {
		t.Errorf("the tenant was asked %d times", n)
	}
}

// TestTenantAsksForMoreProof: why comes first, then the tenant with its claims;
// the same claims a second time end with an explanation, not in a loop.
func TestTenantAsksForMoreProof(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t, vaultAll)
	b := w.browser()
	b.signIn(dana)
	w.tenant.Faults().Set("refresh.interaction_required", "", -1)
	told := b.post("/tokens", asking(vault, "Backup", vaultAll)).want(http.StatusOK, "Tokens")
	told.has(".panel h2", "The company sign-in asks for more proof")
	if n := told.sel("main .btn-primary").Length(); n != 1 {
		t.Errorf("%d primary buttons", n)
	}
	if told.one("#purpose").AttrOr("value", "") != "Backup" {
		t.Error("the purpose is gone")
	}
	gone := b.send(formOf(told, ".panel form"))
	q := gone.leadsTo(w.authorizeURL()).Query()
	if claims := q.Get("claims"); !json.Valid([]byte(claims)) || !strings.Contains(claims, "polids") || !strings.HasSuffix(q.Get("scope"), " "+vaultAll) {
		t.Errorf("the person is sent with %v", q)
	}
	back := b.through(b.get(gone.header.Get("Location")), dana).want(http.StatusOK, "Tokens")
	id := idOf(back, "Azure Key Vault")
	back.has("#"+id.Get("id"), "Backup")

	told = b.post("/tokens/renew", id).want(http.StatusOK, "Tokens")
	stopped := b.open(formOf(told, ".panel form")).want(http.StatusForbidden, "Tokens")
	stopped.has(".panel", "the same is asked for again")
	if stopped.evidenceIn(".panel") != "challenge_repeated" || stopped.sel(".panel form").Length() != 0 {
		t.Errorf("the second time: %s", stopped.text(".panel"))
	}
	cardOf(stopped, "Azure Key Vault") // the old one is still good
}

// formOf is what pressing the button of a form sends.
func formOf(p *page, css string) visit {
	p.t.Helper()
	return visit{to: p.one(css).AttrOr("action", ""), form: p.fields(css), from: p.url}
}

// evidenceIn returns the code that a panel gives the help desk.
func (p *page) evidenceIn(css string) string {
	return clean(p.sel(css + " .evidence dd code").First().Text())
}

// TestAzTSAsksForMoreProof: AzTS's own 401 leads to the tenant with its claims.
func TestAzTSAsksForMoreProof(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t)
	b := w.browser()
	b.signIn(dana)
	check := visit{to: "/tokens/check", form: url.Values{"id": {"azts"}}, from: b.address("/")}
	w.tenant.Faults().Set("azts.claims_challenge", "", 2) // why, and on the way
	told := b.send(check).want(http.StatusOK, "Tokens")
	told.has(".panel h2", "AzTS asks for more proof")
	gone := b.send(formOf(told, ".panel form"))
	q := gone.leadsTo(w.authorizeURL()).Query()
	if !strings.Contains(q.Get("claims"), `"acrs":{"essential":true,"value":"c1"}`) || !strings.HasSuffix(q.Get("scope"), "/user_impersonation") {
		t.Errorf("the person is sent with %v", q)
	}
	b.through(b.get(gone.header.Get("Location")), dana).want(http.StatusOK, "Tokens")
	b.send(check).want(http.StatusOK, "Tokens").has(".azts-answer", "It works")

	w.tenant.Faults().Set("azts.claims_challenge", "", -1)
	stopped := b.send(check).want(http.StatusForbidden, "Tokens")
	stopped.has(".panel", "the same is asked for again")
	if stopped.sel(".panel form").Length() != 0 {
		t.Error("the same challenge can be gone to again")
	}
}

// TestRefreshTokenRevoked: the session lives and offers to sign in again; what
// was typed survives the way there and back.
func TestRefreshTokenRevoked(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t, vaultAll)
	b := w.browser()
	b.signIn(dana)
	w.tenant.Faults().Set("refresh.revoked", "", 1)
	told := b.post("/tokens", asking(vault, "Backup & restore", vaultAll)).want(http.StatusOK, "Tokens")
	told.has(".panel h2", "Your sign-in has run out")
	told.has(".panel", "AADSTS50173")
	if told.one("#purpose").AttrOr("value", "") != "Backup & restore" {
		t.Error("the purpose is gone")
	}
	cardOf(told, "AzTS") // the token that is held is good
	gone := b.send(formOf(told, ".panel form"))
	if q := gone.leadsTo(w.authorizeURL()).Query(); q.Has("claims") {
		t.Errorf("claims %q for a refresh token that was revoked", q.Get("claims"))
	}
	back := b.through(b.get(gone.header.Get("Location")), dana).want(http.StatusOK, "Tokens")
	if card := clean(cardOf(back, "Azure Key Vault").Text()); !strings.Contains(card, "Backup & restore") {
		t.Errorf("the token came for %s", card)
	}
	b.send(visit{to: "/tokens/renew", form: url.Values{}, from: b.address("/")}).leadsTo("/tokens") // a new refresh token came along
}

// TestConsentDeclined: nothing is lost, and the form is as it was.
func TestConsentDeclined(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t)
	b := w.browser()
	b.signIn(dana)
	gone := b.send(visit{to: "/tokens", form: asking(sandbox.GraphAudience, "My profile", graphRead), from: b.address("/")})
	consent := b.get(gone.leadsTo(w.authorizeURL()).String()).want(http.StatusOK, "Permissions requested")
	p := b.submit(b.submit(consent, "button[value=decline]", nil), "form#hiddenform", nil)
	if p.heading() != "You got no token" || p.evidence("Code") != "AADSTS65004" {
		t.Fatalf("declined: %d %q %s", p.status, p.heading(), p.text("main"))
	}
	back := b.get(p.one("main a.btn-primary").AttrOr("href", "")).want(http.StatusOK, "Tokens")
	if back.one("#purpose").AttrOr("value", "") != "My profile" || back.one("#request input[checked]").AttrOr("value", "") != graphRead {
		t.Errorf("the form is %s", back.text("#request"))
	}
	cardOf(back, "AzTS")
}

// TestTenantFails: a tenant that cannot answer is told from one that refuses.
func TestTenantFails(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t, vaultAll)
	b := w.browser()
	b.signIn(dana)
	for fault, status := range map[string]int{"token.429_text": http.StatusServiceUnavailable, "token.500_html": http.StatusServiceUnavailable, "token.truncated": http.StatusBadGateway} {
		w.tenant.Faults().Set(fault, "", 1)
		p := b.post("/tokens", asking(vault, "Backup", vaultAll)).want(status, "Tokens")
		p.has(".panel h2", "You got no token")
		if p.one("#purpose").AttrOr("value", "") != "Backup" || p.one("#request input[checked]").AttrOr("value", "") != vaultAll {
			t.Errorf("%s: the form is %s", fault, p.text("#request"))
		}
	}
	b.post("/tokens", asking(vault, "Backup", vaultAll)).want(http.StatusOK, "Tokens")
}

// TestAskAzTS: one call with exactly this token, and each answer in words.
func TestAskAzTS(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t, graphRead)
	b := w.browser()
	b.signIn(dana)
	check := func(b *browser) *page {
		return b.submit(b.get("/tokens"), `#azts form[action="/tokens/check"] button`, nil).want(http.StatusOK, "Tokens")
	}
	const summaries = "/azts/ComplianceSummary/search"
	before := w.tenant.count(summaries)
	check(b).has(".azts-answer", "shows you 9 of the 11 subscriptions")
	if n := w.tenant.count(summaries) - before; n != 1 {
		t.Errorf("AzTS was asked %d times", n)
	}
	for fault, says := range map[string]string{"azts.feature_off": "REST API switched off", "azts.401": "AzTS wrote: The access token is not accepted any more."} {
		w.tenant.Faults().Set(fault, "", 1)
		check(b).has(".azts-answer", says)
	}
	w.tenant.Faults().Set("azts.500", "", -1)
	check(b).has(".azts-answer", "AzTS did not say")
	w.tenant.Faults().Clear()

	noor := w.browser()
	noor.signIn("noor@contoso.com")
	p := check(noor)
	p.has(".azts-answer", "sees no role of yours")
	p.has(".azts-answer", "once in 24 hours")

	// A token for one API never reaches another.
	id := idOf(b.post("/tokens", asking(sandbox.GraphAudience, "", graphRead)), "Microsoft Graph")
	before = w.tenant.count(summaries)
	if p := b.post("/tokens/check", id); p.status != http.StatusBadRequest || w.tenant.count(summaries) != before {
		t.Errorf("a token of Graph was taken to AzTS: %d", p.status)
	}
}
