package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/trace"
)

const hugo = "hugo@contoso.com"

func runForm(where, failure string) url.Values {
	return url.Values{"where": {where}, "failure": {failure}}
}

// TestFlowsAreRun is the whole program: in the lab, at the tenant, shown, shared
// and exported; nobody else sees a run, and nothing of it is a secret.
func TestFlowsAreRun(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b, other, desk := w.browser(), w.browser(), w.browser()
	b.signIn(dana)
	other.signIn("noor@contoso.com")
	desk.signIn(hugo)

	b.get("/flows").want(http.StatusOK, "Flows").has(".flow-list", "On behalf of")
	before := w.tenant.count(tokenPath)
	lab := b.post("/flows/code-pkce/runs", runForm("lab", "used-code"))
	lab.has(".panel", "Refused by the tenant, as it should be")
	lab.has(".panel", "AADSTS54005")
	if lab.sel(".flow-message.failed .step").Last().Text() == "" || lab.sel(`.diagram a.failed`).Length() == 0 || lab.sel(".fingerprint").Length() == 0 {
		t.Error("the page shows no message that was refused")
	}
	if n := w.tenant.count(tokenPath) - before; n != 0 {
		t.Errorf("a run in the lab asked the configured tenant %d times", n)
	}

	// With the person's own browser, and what it brought is kept by nobody.
	tokens := w.rows("session_tokens")
	real := b.through(b.post("/flows/hybrid/runs", runForm("tenant", "")), dana)
	real.has(".panel", "It went through")
	real.has("main", "At your tenant")
	if n := w.rows("session_tokens"); n != tokens {
		t.Errorf("%d tokens are kept, before %d", n, tokens)
	}
	wrong := b.through(b.post("/flows/hybrid/runs", runForm("tenant", "wrong-state")), dana)
	wrong.has(".panel", "state_unknown")
	b.get("/account").want(http.StatusOK, "Account") // still who they were

	// What was changed is on the portal's side, so the run says what was expected.
	changed := b.through(b.post("/flows/sign-in/runs", runForm("tenant", "other-nonce")), dana)
	expected := changed.text(".panel .fingerprint")
	if got := changed.text(".params .wrong .fingerprint"); expected == "" || got == "" || got == expected {
		t.Errorf("expected %q, the token has %q", expected, got)
	}
	b.post("/flows/hybrid/runs", runForm("lab", "clock-off")).has(".panel", "ten minutes slow")
	b.post("/flows/sign-in/runs", runForm("tenant", "expired-token")).want(http.StatusOK, "OpenID Connect sign-in, ID token by form post").has(".flash", "in the sandbox only")
	file := b.get(changed.url.Path + "/trace.har")
	if !strings.Contains(file.body, "broken on purpose (Other nonce)") || !strings.Contains(file.header.Get("Content-Disposition"), "sign-in-other-nonce.har") {
		t.Errorf("the file of a run does not say what it is: %s", file.header.Get("Content-Disposition"))
	}

	// Step by step, and on a shared screen.
	path := real.url.Path
	step := b.get(path + "?step=2")
	if n := step.sel(".flow-message").Length(); n != 1 || step.sel(`a[rel=next]`).Length() == 0 {
		t.Errorf("a step shows %d messages", n)
	}
	shown := b.get(path + "?present=1")
	if shown.sel("body[data-signed-in]").Length() != 1 {
		t.Error("a shared screen does not follow the session: it would stay when that ends")
	}
	if shown.sel("#account-menu").Length() != 0 || shown.sel(".present").Length() != 1 {
		t.Error("a shared screen shows the menu of its person")
	}
	b.get("/flows/runs").has("main", "Hybrid")

	// Who goes step by step sees the end come: nothing tells of it before the
	// message that was refused, in which the wrong thing is marked.
	lines := b.post("/flows/hybrid/runs", url.Values{"where": {"lab"}, "failure": {"other-nonce"}, "view": {"steps"}})
	if lines.url.Query().Get("step") != "1" || lines.sel(".panel").Length() != 0 || strings.Contains(lines.text("main"), "id_token_nonce") {
		t.Errorf("the first step is at %s and tells the end", lines.url)
	}
	for lines.sel(".panel").Length() == 0 && lines.sel("a[rel=next]").Length() != 0 {
		lines = b.get(lines.sel("a[rel=next]").First().AttrOr("href", ""))
	}
	lines.has(".panel", "id_token_nonce")
	if wrong := lines.sel(".flow-message.failed details[open] .wrong dt"); wrong.Length() != 1 || wrong.Text() != "nonce" {
		t.Errorf("marked as wrong: %q", wrong.Text())
	}
	if whole := b.get(lines.url.Path); whole.sel(".params .wrong").Length() != 1 {
		t.Errorf("marked in the whole run: %q", whole.text(".params .wrong"))
	}
	lines.has(".params", "Binds the token to one sign-in")

	// Nobody else.
	for _, at := range []string{path, path + "/trace.har", path + "/trace.json", "/flows/runs/AAAAAAAAAAAAAAAAAAAA", "/flows/runs/%00"} {
		if p := other.get(at); p.status != http.StatusNotFound {
			t.Errorf("%s answers somebody else with %d", at, p.status)
		}
	}
	for _, action := range []string{"share", "delete", "next", "unshare"} {
		if p := other.post(path+"/"+action, nil); p.status == http.StatusOK && strings.HasPrefix(p.url.Path, path) {
			t.Errorf("somebody else can %s", action)
		}
	}
	b.get(path).has(".panel", "It went through")

	// The help desk, by the link, until it is taken back.
	link := b.post(path+"/share", nil).sel("[aria-labelledby=shared-title] .code code").Text()
	share, err := url.Parse(link)
	if err != nil || !strings.HasPrefix(share.Path, "/flows/shared/") {
		t.Fatalf("the link is %q", link)
	}
	desk.get(share.Path).has("main", "It went through")
	desk.get(share.Path).has(".run-note", "Dana Reyes (dana@contoso.com)")
	if desk.get(share.Path).sel("main form").Length() != 0 {
		t.Error("the help desk is offered to change the run")
	}
	har := desk.get(share.Path + "/trace.har")
	if har.status != http.StatusOK || !json.Valid([]byte(har.body)) || !strings.Contains(har.header.Get("Content-Disposition"), "hybrid.har") {
		t.Errorf("HAR: %d %.80s", har.status, har.body)
	}
	other.get(share.Path).want(http.StatusForbidden, "This is not open to you")
	if p := desk.get("/flows/shared/" + strings.Repeat("A", 40)); p.status != http.StatusNotFound {
		t.Errorf("a forged share answers %d", p.status)
	}
	b.post(path+"/unshare", nil).has(".flash", "Only you")
	if p := desk.get(share.Path); p.status != http.StatusNotFound {
		t.Errorf("a share that was taken back answers %d", p.status)
	}

	// What the tenant gave out and was told stands nowhere.
	secrets := w.tenant.gaveOut()
	if len(secrets) < 12 {
		t.Fatalf("the tenant gave out %d secrets", len(secrets))
	}
	secrets = append(secrets, sandbox.PortalClientSecret)
	for place, text := range map[string]string{"the page": b.get(path).body, "the HAR file": har.body, "the JSON file": b.get(path + "/trace.json").body,
		"the log": w.log.String(), "the database": string(w.databaseBytes())} {
		for _, leak := range trace.Leaks([]byte(text), secrets) {
			t.Errorf("%s: %s", place, leak)
		}
	}
	b.post(path+"/delete", nil).has(".flash", "deleted")
	if p := b.get(path); p.status != http.StatusNotFound {
		t.Errorf("a deleted run answers %d", p.status)
	}
}

var tokenSecrets = regexp.MustCompile(`"(?:access_token|refresh_token|id_token)":"([^"]+)"|(?:code_verifier|[^_]code|client_assertion)=([^&\n]+)`)

// gaveOut is what the tenant's token endpoint gave out and was told that nobody else
// is to read.
func (s *tenantServer) gaveOut() []string {
	var secrets []string
	// error_uri names the number of an error, and that is no code.
	said := strings.ReplaceAll(s.tokenTraffic(), "/error?code=", "")
	for _, m := range tokenSecrets.FindAllStringSubmatch(said, -1) {
		secrets = append(secrets, m[1]+m[2])
	}
	return secrets
}

// TestAttackFlowsAreAimed: nothing that is sent chooses a host, a place that is not
// offered, or more runs than are allowed.
func TestAttackFlowsAreAimed(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	for name, form := range map[string]url.Values{
		"another place":           runForm("https://attacker.example", ""),
		"no place":                {},
		"a failure of no flow":    runForm("tenant", "used-code"),
		"a failure of another":    runForm("lab", "no-mfa"),
		"hostile text":            runForm("lab", `"><script>alert(1)</script>`),
		"a failure of two words":  runForm("tenant", "wrong-state x"),
		"a place of another flow": runForm("Tenant", ""),
	} {
		if p := b.post("/flows/sign-in/runs", form); p.status != http.StatusBadRequest || strings.Contains(p.body, "<script>alert") {
			t.Errorf("%s: %d", name, p.status)
		}
	}
	if p := b.post("/flows/on-behalf-of/runs", runForm("tenant", "")); p.status != http.StatusBadRequest {
		t.Errorf("a flow of the lab's at the tenant: %d", p.status)
	}
	aimed := runForm("lab", "")
	for _, name := range []string{"issuer", "url", "origin", "redirect_uri", "token_endpoint", "host"} {
		aimed.Set(name, "https://attacker.example/")
	}
	// Nor does it fill the cookie that goes with a visit.
	aimed.Set("where", "tenant")
	aimed.Set("view", strings.Repeat("steps ", 9000))
	if p := b.through(b.post("/flows/sign-in/runs", aimed), dana); p.status != http.StatusOK || p.url.RawQuery != "" {
		t.Errorf("a view that is none ends at %s: %d", p.url, p.status)
	}
	aimed.Set("where", "lab")
	run := b.post("/flows/password/runs", aimed)
	run.has(".panel", "It went through")
	if strings.Contains(run.body, "attacker.example") {
		t.Error("what was sent is in the run")
	}
	// A device sign-in asks when it is time to, however often the page does.
	waits := b.post("/flows/device-code/runs", runForm("tenant", ""))
	asked := w.tenant.count(tokenPath)
	for range 3 {
		b.post(waits.url.Path+"/next", nil).has(".user-code", waits.text(".user-code code"))
	}
	if n := w.tenant.count(tokenPath) - asked; n != 0 {
		t.Errorf("asked %d times at once", n)
	}
	for n := range flowRunsAllowed {
		p := b.post("/flows/password/runs", runForm("lab", ""))
		if p.status == http.StatusTooManyRequests {
			if n < flowRunsAllowed-4 {
				t.Errorf("refused at %d", n)
			}
			return
		}
	}
	t.Error("a flood is not refused")
}

// flowRunsAllowed is how many runs a person has in ten minutes.
const flowRunsAllowed = 30

// TestAttackAnotherAccountInARun: who chooses another account at the tenant leaves
// nothing in a run, also where the flow is broken on purpose and refused.
func TestAttackAnotherAccountInARun(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	for _, failure := range []string{"", "wrong-state", "other-nonce", "clock-off", "foreign-audience", "wrong-verifier", "tampered-signature"} {
		to := b.send(visit{to: "/flows/hybrid/runs", form: runForm("tenant", failure), from: b.address("/")}).header.Get("Location")
		to = strings.ReplaceAll(to, "login_hint="+url.QueryEscape(dana), "prompt=select_account")
		p := b.through(b.get(to), "noor@contoso.com")
		if p.status != http.StatusForbidden || p.evidence("Code") != "other_account" || strings.Contains(p.body, "noor@") {
			t.Errorf("%q: %d %s", failure, p.status, p.heading())
		}
	}
	if n := w.rows("flow_runs"); n != 0 {
		t.Errorf("%d runs are kept", n)
	}
}

// TestADeviceOnASharedScreen: its code is behind a click, no link leads to the
// person's own pages, and asking comes back to the same view.
func TestADeviceOnASharedScreen(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	run := b.post("/flows/device-code/runs", runForm("tenant", ""))
	run.has("main", "Azure CLI")
	code := run.text(".user-code code")
	shown := b.get(run.url.Path + "?present=1&step=2")
	if shown.sel(".user-code").Length() != 1 || shown.sel("details:not([open]) .user-code").Length() != 1 || code == "" {
		t.Error("the code is shown to everybody")
	}
	shown.sel("main a").Each(func(_ int, a *goquery.Selection) {
		if to := a.AttrOr("href", ""); a.Text() != "End presenting" && !strings.HasPrefix(to, "#") && !strings.Contains(to, "present=1") && !strings.HasSuffix(to, "/devicelogin") {
			t.Errorf("%q leads to %s", a.Text(), to)
		}
	})
	after := b.submit(shown, "form[data-poll] button", nil)
	if q := after.url.Query(); q.Get("present") != "1" || q.Get("step") != "2" || after.sel("#account-menu").Length() != 0 {
		t.Errorf("asking leads to %s", after.url)
	}

	// The tenant is away when the portal redeems: nobody refused anything.
	page := b.toAnswer(b.post("/flows/hybrid/runs", runForm("tenant", "")), dana)
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/token") {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	b.submit(page, "form#hiddenform", nil).has(".panel h2", "It broke off")
}

// TestAttackTokenOfTheLab: what the lab's tenant signs means nothing to sign-in,
// though it is made by the same program and for the same client.
func TestAttackTokenOfTheLab(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(sandbox.Options{Origin: labOrigin, PortalURL: labPortal})
	if err != nil {
		t.Fatal(err)
	}
	if err := box.Consent(sandbox.PortalClientID, "", "openid profile"); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: box.Transport()}
	response, err := client.PostForm(labOrigin+"/"+sandbox.TenantID+"/oauth2/v2.0/token", url.Values{"grant_type": {"password"},
		"client_id": {sandbox.PortalClientID}, "client_secret": {sandbox.PortalClientSecret}, "username": {dana}, "password": {sandbox.SamplePassword}, "scope": {"openid profile"}})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var tokens struct {
		IDToken string `json:"id_token"`
	}
	if err := json.Unmarshal(body, &tokens); err != nil || tokens.IDToken == "" {
		t.Fatalf("%v %s", err, body)
	}
	w := startWorld(t, setup{env: map[string]string{"PORTAL_RESPONSE_TYPE": "id_token"}})
	b := w.browser()
	answer := b.answer(dana)
	answer.Set("id_token", tokens.IDToken)
	p := w.callback(b, answer)
	if p.status != http.StatusForbidden || w.sessions() != 0 {
		t.Errorf("the lab's token is answered with %d", p.status)
	}
	if code := p.text(".evidence code"); !strings.HasPrefix(code, "id_token_") {
		t.Errorf("refused by %q", code)
	}
	// The lab's own portal would take its issuer: it is the issuer that decides.
	lab, err := entra.NewProvider(entra.Options{Issuer: box.Settings().Issuer, ClientID: sandbox.PortalClientID, RedirectURL: labPortal, Client: client,
		Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Redeem(context.Background(), entra.Answer{IDToken: tokens.IDToken}, entra.Pending{ResponseType: "id_token"}); err == nil || !strings.Contains(err.Error(), "nonce") {
		t.Errorf("at its own portal: %v", err)
	}
}
