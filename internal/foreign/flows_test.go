package foreign

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestFlows runs flows at a provider that is not Entra, with the person's own
// browser: what goes through, and who refuses what is broken on purpose.
func TestFlows(t *testing.T) {
	for _, s := range []struct {
		setup setup
		runs  map[string]string // flow and failure to what the page says
	}{
		{setup{"code id_token", "client_secret_basic", 600}, map[string]string{"hybrid ": "It went through", "hybrid tampered-signature": "id_token_signature",
			"hybrid wrong-verifier": "Refused by the tenant, as it should be"}},
		{setup{"code", "client_secret_post", 600}, map[string]string{"code-pkce ": "It went through", "code-pkce wrong-state": "state_unknown", "refresh ": "It went through"}},
	} {
		t.Run(s.setup.String(), func(t *testing.T) {
			w := start(t, s.setup)
			b := newBrowser(t)
			b.signIn(w, "ada")
			for run, want := range s.runs {
				flow, failure, _ := strings.Cut(run, " ")
				b.open(w.portal + "/flows/" + flow)
				b.visit(http.MethodPost, w.portal+"/flows/"+flow+"/runs", url.Values{"where": {"tenant"}, "failure": {failure}})
				b.passProvider(w, "ada")
				if !strings.HasPrefix(b.url.Path, "/flows/runs/") || !strings.Contains(b.text(), want) {
					t.Errorf("%s ends at %s: %.300s", run, b.url, b.text())
				}
			}
		})
	}
}
