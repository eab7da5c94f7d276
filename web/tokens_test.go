package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/sandbox"
)

const (
	vault     = "https://vault.azure.net"
	vaultAll  = vault + "/user_impersonation"
	graphRead = sandbox.GraphAudience + "/User.Read"
)

// tokensWorld is a world whose portal knows an API of the company's own, with
// what people have consented to for everybody.
func tokensWorld(t testing.TB, consent ...string) *world {
	return startWorld(t, setup{env: map[string]string{"PORTAL_RESOURCES": sandbox.InventoryAppIDURI}, before: func(s *tenantServer) {
		for _, scope := range consent {
			if err := s.Consent(sandbox.PortalClientID, "", scope); err != nil {
				t.Fatal(err)
			}
		}
	}})
}

func asking(resource, purpose string, scopes ...string) url.Values {
	return url.Values{"resource": {resource}, "scope": scopes, "purpose": {purpose}}
}

// cardOf returns the card of the only token of an API.
func cardOf(p *page, name string) *goquery.Selection {
	p.t.Helper()
	card := p.sel(`[data-token="` + name + `"]`)
	if card.Length() != 1 {
		p.t.Fatalf("%d cards of %s on %s: %s", card.Length(), name, p.url, p.text("main"))
	}
	return card
}

func idOf(p *page, name string) url.Values {
	return url.Values{"id": {cardOf(p, name).AttrOr("id", "")}}
}

// TestIncrementalConsent asks for a token of an API that nobody consented to: the
// tenant is asked for just that scope, and what the session held it still holds.
func TestIncrementalConsent(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t)
	b := w.browser()
	b.signIn(dana)
	before := b.send(visit{to: "/tokens/reveal", form: url.Values{}, from: b.address("/"), script: true, header: http.Header{"Accept": {"application/json"}}}).body
	ask := visit{to: "/tokens", form: asking(sandbox.GraphAudience, "Reading my profile", graphRead), from: b.address("/")}
	q := b.send(ask).leadsTo(w.authorizeURL()).Query()
	if q.Get("scope") != "openid profile email offline_access "+graphRead || q.Has("prompt") || q.Has("claims") {
		t.Errorf("the tenant is asked for %v", q)
	}
	got := b.through(b.get(w.authorizeURL()+q.Encode()), dana).want(http.StatusOK, "Tokens")
	id := cardOf(got, "Microsoft Graph").AttrOr("id", "")
	if got.url.Fragment != "" && got.url.Fragment != id || got.url.RawQuery != "" {
		t.Errorf("the way back ends at %s", got.url)
	}
	got.has("#"+id, "Reading my profile")
	got.has("#"+id+" .verdict", "No: the token is for Microsoft Graph, not for AzTS.")
	if n := got.sel("#" + id + ` form[action="/tokens/check"]`).Length(); n != 0 {
		t.Error("AzTS is offered a token of Graph")
	}
	if after := b.send(visit{to: "/tokens/reveal", form: url.Values{}, from: b.address("/"), script: true, header: http.Header{"Accept": {"application/json"}}}).body; after != before {
		t.Error("the AzTS token is another one after the visit")
	}
	// A second time it is there.
	asked := w.tenant.count(tokenPath)
	b.send(ask).leadsTo("/tokens#" + id)
	if n := w.tenant.count(tokenPath) - asked; n != 0 {
		t.Errorf("a token that is held took %d calls to the tenant", n)
	}
	// Another API, with the refresh token that came along.
	if err := w.tenant.Consent(sandbox.PortalClientID, "", vaultAll); err != nil {
		t.Fatal(err)
	}
	p := b.post("/tokens", asking(vault, "", "user_impersonation")).want(http.StatusOK, "Tokens")
	if first := p.sel("[data-token]").First().AttrOr("data-token", ""); p.sel("[data-token]").Length() != 3 || first != "AzTS" {
		t.Errorf("there are %d cards, the first of %s", p.sel("[data-token]").Length(), first)
	}
	history := b.get("/tokens/history").want(http.StatusOK, "Issued tokens")
	var how []string
	history.sel("table.issues tbody tr").Each(func(_ int, row *goquery.Selection) {
		how = append(how, clean(row.Find("th strong").Text())+"/"+clean(row.Find(`[data-label="How"]`).Text())+"/"+clean(row.Find(`[data-label="For"]`).Text()))
	})
	if got, want := strings.Join(how, "\n"), "Azure Key Vault/silently, with the refresh token/not said\n"+
		"Microsoft Graph/at the company sign-in/Reading my profile\nAzTS/with your sign-in/the portal's own pages"; got != want {
		t.Errorf("the history is\n%s\nwant\n%s", got, want)
	}
	if n := strings.Count(history.text("table.issues"), "this session"); n != 3 {
		t.Errorf("%d lines are of this session", n)
	}
}

// TestScopesOfAnAPIOfTheCompany: nothing is known of it but its id, until the
// person may read the directory.
func TestScopesOfAnAPIOfTheCompany(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t, sandbox.GraphAudience+"/Directory.Read.All", sandbox.InventoryAppIDURI+"/Items.Read")
	b := w.browser()
	b.signIn("ada@contoso.com")
	form := "/tokens?" + url.Values{"resource": {sandbox.InventoryAppIDURI}}.Encode()
	plain := b.get(form).want(http.StatusOK, "Tokens")
	if plain.sel(`#request input[name=scope]`).Length() != 1 || plain.sel("#request details[open] #other").Length() != 1 {
		t.Errorf("of an unknown API is offered %s", plain.text("#request"))
	}
	filled := asking(sandbox.InventoryAppIDURI, "")
	filled.Set("other", " Items.Read ")
	p := b.post("/tokens", filled).want(http.StatusOK, "Tokens")
	p.has(`[data-token]:not(#azts) .facts`, sandbox.InventoryAppIDURI+"/Items.Read")

	b.post("/tokens", asking(sandbox.GraphAudience, "", "Directory.Read.All")).want(http.StatusOK, "Tokens")
	told := b.get(form)
	for _, text := range []string{"Contoso Inventory", "Read the inventory as you", "only an administrator can approve it"} {
		told.has("#request", text)
	}
}

// TestRevealedTokenHides: the token is in one answer, which no cache keeps and
// which goes by itself; every look and every copy is in the history and the log.
func TestRevealedTokenHides(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t)
	b := w.browser()
	b.signIn(dana)
	for range 2 {
		p := b.submit(b.get("/tokens"), "#azts form[data-reveal] button", nil).want(http.StatusOK, "Tokens")
		if h := p.header; h.Get("Refresh") != "60; url=/tokens" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("the answer has %v", h)
		}
		if !strings.HasPrefix(p.text("#text-azts"), "eyJ") {
			t.Errorf("revealed is %q", p.text("#text-azts"))
		}
	}
	script := visit{to: "/tokens/reveal", form: url.Values{"id": {"azts"}, "use": {"copy"}}, from: b.address("/"), script: true,
		header: http.Header{"Accept": {"application/json"}}}
	if p := b.send(script); p.header.Get("Cache-Control") != "no-store" || p.header.Get("Refresh") != "" || !json.Valid([]byte(p.body)) {
		t.Errorf("to be copied: %v", p.header)
	}
	script.form.Set("use", "reveal")
	b.send(script)
	b.get("/tokens").has(".issues [data-label=Seen]", "Revealed 3 times, first")
	b.get("/tokens/history").has("[data-label=Seen]", "Copied "+time.Now().UTC().Format("2 Jan 2006"))
	for copied, want := range map[string]int{"true": 1, "false": 3} {
		if n := len(w.log.lines(`msg="token revealed"`, "copied="+copied)); n != want {
			t.Errorf("%d lines in the log with copied=%s", n, copied)
		}
	}
	if b.get("/tokens").header.Get("Refresh") != "" {
		t.Error("a page without a token goes away by itself")
	}
	// It survives the session, for its person alone.
	b.signOut()
	again := w.browser()
	again.signIn(dana)
	p := again.get("/tokens/history")
	p.has("[data-label=Seen]", "Revealed 3 times, first")
	if n := p.sel("table.issues tbody tr").Length(); n != 2 || strings.Count(p.text("table.issues"), "this session") != 1 {
		t.Errorf("after another sign-in: %s", p.text("table.issues"))
	}
	other := w.browser()
	other.signIn("ada@contoso.com")
	if n := other.get("/tokens/history").sel("table.issues tbody tr").Length(); n != 1 {
		t.Errorf("somebody else sees %d lines", n)
	}
}

// TestAttackCardOfAnotherSession: a card's name opens nothing in a session that
// does not hold the token.
func TestAttackCardOfAnotherSession(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t, vaultAll)
	b, other := w.browser(), w.browser()
	b.signIn(dana)
	other.signIn("ada@contoso.com")
	id := idOf(b.post("/tokens", asking(vault, "", vaultAll)), "Azure Key Vault")
	for _, path := range []string{"/tokens/reveal", "/tokens/renew", "/tokens/forget", "/tokens/check"} {
		if p := other.post(path, id); p.status != http.StatusNotFound || strings.Contains(p.body, "eyJ") {
			t.Errorf("%s of somebody else's: %d", path, p.status)
		}
		for _, wrong := range []string{"t0000000000000000", "../azts", `"answered"`, strings.Repeat("x", 5000)} {
			if p := b.post(path, url.Values{"id": {wrong}}); p.status != http.StatusNotFound {
				t.Errorf("%s of %.20q: %d", path, wrong, p.status)
			}
		}
		foreign := visit{to: path, form: id, from: b.address(w.tenant.url)}
		if p := b.send(foreign); p.status != http.StatusForbidden {
			t.Errorf("%s from another site: %d", path, p.status)
		}
	}
	cardOf(b.get("/tokens"), "Azure Key Vault")
}

// TestRenewAndForgetOneOfSeveral changes the one token and no other.
func TestRenewAndForgetOneOfSeveral(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t, vaultAll)
	b := w.browser()
	b.signIn(dana)
	id := idOf(b.post("/tokens", asking(vault, "Backup", vaultAll)), "Azure Key Vault")
	token := func(of string) string {
		p := b.send(visit{to: "/tokens/reveal", form: url.Values{"id": {of}}, from: b.address("/"), script: true, header: http.Header{"Accept": {"application/json"}}})
		return p.body
	}
	vaults, azts := token(id.Get("id")), token("azts")
	b.send(visit{to: "/tokens/renew", form: id, from: b.address("/")}).leadsTo("/tokens#" + id.Get("id"))
	if renewed := token(id.Get("id")); renewed == vaults || !strings.Contains(renewed, "eyJ") || token("azts") != azts {
		t.Error("renewing one did not give another, or gave more")
	}
	cardText := clean(cardOf(b.get("/tokens"), "Azure Key Vault").Text())
	if !strings.Contains(cardText, "Backup") {
		t.Errorf("the renewed token is for something else: %s", cardText)
	}
	p := b.post("/tokens/forget", id).want(http.StatusOK, "Tokens")
	p.has(".flash", "The Azure Key Vault token is forgotten here.")
	if p.sel("[data-token]").Length() != 1 || token("azts") != azts {
		t.Error("forgetting one left it, or took more")
	}
}

// TestParallelRequestsMakeOneCall is the figure "200 parallel requests for the
// same token: one call to the tenant", for two sessions one each.
func TestParallelRequestsMakeOneCall(t *testing.T) {
	t.Parallel()
	const requests = 200
	w := tokensWorld(t, vaultAll)
	people := []*browser{w.browser(), w.browser()}
	for i, account := range []string{dana, "ada@contoso.com"} {
		people[i].signIn(account)
	}
	before := w.tenant.count(tokenPath)
	var wait sync.WaitGroup
	begin := make(chan struct{})
	failures := make(chan string, 2*requests)
	for _, b := range people {
		request := func() *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/tokens", strings.NewReader(asking(vault, "", vaultAll).Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Cookie", sessionCookie+"="+b.cookie(sessionCookie))
			return r
		}
		for range requests {
			r := request()
			wait.Go(func() {
				<-begin
				response, err := b.client.Do(r)
				if err != nil {
					failures <- err.Error()
					return
				}
				_ = response.Body.Close()
				if response.StatusCode != http.StatusSeeOther || !strings.HasPrefix(response.Header.Get("Location"), "/tokens#t") {
					failures <- response.Status + " " + response.Header.Get("Location")
				}
			})
		}
	}
	close(begin)
	wait.Wait()
	close(failures)
	for failure := range failures {
		t.Fatal(failure)
	}
	if calls := w.tenant.count(tokenPath) - before; calls != len(people) {
		t.Errorf("%d requests of %d sessions made %d calls to the tenant", requests*len(people), len(people), calls)
	}
	if n := w.rows("issued_tokens"); n != 2*len(people) {
		t.Errorf("the history has %d lines", n)
	}
}

// TestCommandFiles are filled in with what this portal is configured with, and
// hold no token.
func TestCommandFiles(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t)
	b := w.browser()
	b.signIn(dana)
	links := b.get("/tokens").sel("a[download]")
	if links.Length() != 9 {
		t.Fatalf("%d files", links.Length())
	}
	var all string
	links.Each(func(_ int, link *goquery.Selection) {
		p := b.get(link.AttrOr("href", ""))
		if p.status != http.StatusOK || !strings.HasPrefix(p.header.Get("Content-Disposition"), `attachment; filename="azts`) ||
			p.header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s is %d %v", p.url, p.status, p.header)
		}
		if !strings.Contains(p.body, w.tenant.url+"/azts") || strings.Contains(p.body, "eyJ") {
			t.Errorf("%s: the address is not filled in, or a token is", p.url)
		}
		all += p.body
	})
	for _, want := range []string{sandbox.TenantID, "client='" + sandbox.AzTSAppID + "'", "$client = '" + sandbox.AzTSAppID + "'", sandbox.AzTSAppIDURI + "/user_impersonation", sandbox.AzTSAppIDURI + "/.default",
		"login='" + w.tenant.url + "'", "DeviceCode", "UseDeviceAuthentication", "use-device-code", "device_code"} {
		if !strings.Contains(all, want) {
			t.Errorf("no file holds %s", want)
		}
	}
	if strings.Contains(all, sandbox.PortalClientID) {
		t.Error("a command asks as the portal, which demands a secret")
	}
	b.get("/tokens/commands/azts.exe").want(http.StatusNotFound, "There is nothing here")
}
