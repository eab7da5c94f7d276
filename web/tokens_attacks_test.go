package main

import (
	"maps"
	"net/http"
	"net/url"
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
