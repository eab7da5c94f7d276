package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/trace"
)

// TestAServiceIsRunAtTheTenant: whoever brings what proves an application sees each
// message of its request, right or refused. The token is kept by nobody, no scan is
// started, and nothing that was brought is to be read anywhere.
func TestAServiceIsRunAtTheTenant(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	form := b.post("/flows/client-credentials-certificate/runs", runForm("tenant", "")).want(http.StatusOK, "App tokens")
	if form.one("#kind-certificate").AttrOr("checked", "none") == "none" {
		t.Error("the form does not offer the proof of the flow")
	}
	pem := w.tenant.plainText(t, "/sandbox/certificate.pem")
	assertion := w.tenant.plainText(t, "/federated/token")
	rows, calls := w.rows("session_tokens"), w.tenant.count("/azts/adhocscan/RequestScan")
	for name, c := range map[string]struct {
		fields map[string]string
		want   string
		marks  []string
	}{
		"a secret":            {scanBot("do", "run"), "It went through", []string{"client_secret", "grant_type", "scope"}},
		"a certificate":       {scanBot("do", "run", "kind", "certificate", "secret", "", "pem", pem), "It went through", []string{"client_assertion"}},
		"an assertion":        {scanBot("do", "run", "kind", "assertion", "secret", "", "assertion", assertion), "It went through", []string{"client_assertion"}},
		"a wrong secret":      {scanBot("do", "run", "secret", "wrong~but-long-enough-to-be-a-secret"), "Refused by the tenant", []string{"client_secret"}},
		"a wrong application": {scanBot("do", "run", "client_id", "11111111-1111-4111-8111-111111111111"), "Refused by the tenant", []string{"client_id"}},
	} {
		run := b.askApp(c.fields)
		if run.status != http.StatusOK || !strings.HasPrefix(run.url.Path, "/flows/runs/") || !strings.Contains(run.text(".panel"), c.want) {
			t.Errorf("%s ends at %s: %.200s", name, run.url, run.text("main"))
			continue
		}
		for _, mark := range c.marks {
			run.has(".params dt", mark)
		}
		run.has("main", "Token request")
		secrets := []string{c.fields["secret"], c.fields["assertion"]}
		if _, key, ok := strings.Cut(c.fields["pem"], "PRIVATE KEY-----"); ok {
			secrets = append(secrets, key[:200])
		}
		for place, text := range map[string]string{"the page": run.body, "the HAR file": b.get(run.url.Path + "/trace.har").body, "the JSON file": b.get(run.url.Path + "/trace.json").body,
			"the log": w.log.String(), "the database": string(w.databaseBytes())} {
			for _, leak := range trace.Leaks([]byte(text), append(secrets, w.tenant.gaveOut()...)) {
				t.Errorf("%s, in %s: %s", name, place, leak)
			}
		}
	}
	if n := w.rows("session_tokens"); n != rows {
		t.Errorf("%d tokens are kept, before %d", n, rows)
	}
	if n := w.tenant.count("/azts/adhocscan/RequestScan"); n != calls {
		t.Error("a run starts a scan")
	}
	// What can be seen to be wrong is said at the form, and nothing is sent.
	asked := w.tenant.count(tokenPath)
	b.askApp(scanBot("do", "run", "client_id", "nonsense")).want(http.StatusBadRequest, "App tokens").has(".panel", "not a GUID")
	if n := w.tenant.count(tokenPath); n != asked {
		t.Error("a form that is wrong is sent on")
	}
}

// TestTheMachineIsRun: the portal's own identity in Azure is run by admins alone,
// also where it refuses.
func TestTheMachineIsRun(t *testing.T) {
	w := startWorld(t, setup{start: startOnMachine})
	t.Setenv("IDENTITY_ENDPOINT", w.tenant.url+"/msi/token")
	t.Setenv("IDENTITY_HEADER", sandbox.IdentityHeader)
	b, admin := w.browser(), w.browser()
	b.signIn(dana)
	admin.signIn(appAdmin)
	b.post("/flows/managed-identity/runs", runForm("azure", "")).want(http.StatusForbidden, "This is not open to you").has("main", "Portal.Admin")
	if n := w.tenant.count("/msi/token"); n != 0 {
		t.Errorf("for an employee the machine asked %d times", n)
	}
	rows := w.rows("session_tokens")
	run := admin.post("/flows/managed-identity/runs", runForm("azure", ""))
	run.has(".panel", "It went through")
	run.has("main", "Token request of App Service")
	run.has(".lead", "In Azure")
	w.tenant.Faults().Set("imds.error", "access_denied", 1)
	admin.post("/flows/managed-identity/runs", runForm("azure", "")).has(".panel", "Refused by the machine's endpoint")
	for place, text := range map[string]string{"the page": run.body, "the log": w.log.String(), "the database": string(w.databaseBytes())} {
		for _, leak := range trace.Leaks([]byte(text), append(w.tenant.gaveOut(), sandbox.IdentityHeader)) {
			t.Errorf("in %s: %s", place, leak)
		}
	}
	if n := w.rows("session_tokens"); n != rows {
		t.Errorf("%d tokens are kept, before %d", n, rows)
	}
	if p := admin.post("/flows/managed-identity/runs", url.Values{"where": {"tenant"}}); p.status != http.StatusBadRequest {
		t.Errorf("a machine at the tenant: %d", p.status)
	}
}
