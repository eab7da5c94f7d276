package foreign

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store"
)

// TestFlows runs flows at a provider that is not Entra, with the person's own
// browser: what goes through, and who refuses what is broken on purpose.
func TestFlows(t *testing.T) {
	const through, portal, tenant = "It went through", "Refused by the portal, as it should be", "Refused by the tenant, as it should be"
	for _, s := range []struct {
		setup setup
		runs  map[string]string // flow and failure to what the page says
	}{
		{setup{"code id_token", "client_secret_basic", 600}, map[string]string{
			"hybrid ": through, "hybrid wrong-state": portal, "hybrid other-nonce": portal, "hybrid foreign-audience": portal, "hybrid tampered-signature": portal,
			"hybrid clock-off": portal, "hybrid wrong-verifier": tenant,
			"sign-in ": through, "sign-in wrong-state": portal, "sign-in other-nonce": portal, "sign-in foreign-audience": portal, "sign-in tampered-signature": portal}},
		{setup{"code", "client_secret_post", 600}, map[string]string{
			"code-pkce ": through, "code-pkce wrong-state": portal, "code-pkce wrong-verifier": tenant, "refresh ": through,
			// It knows no second factor, and says so by saying nothing.
			"step-up ": "mfa_missing", "step-up wrong-state": portal}},
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

// TestADeviceElsewhere is a device code of a provider that is not Entra: asked for,
// entered in a browser, and waited for.
func TestADeviceElsewhere(t *testing.T) {
	secret := rand.Text() + rand.Text()
	p := startProvider(t, setup{"code", "client_secret_post", 600}, "http://localhost:9", secret)
	now := time.Now()
	clock := func() time.Time { return now }
	runs := &flows.TenantRuns{Client: http.DefaultClient, MetadataURL: p.issuer + "/.well-known/openid-configuration", Scopes: []string{aztsScope},
		DeviceClientID: "command-line", Now: clock,
		NewProvider: func(client *http.Client, now func() time.Time, clientID string) (*entra.Provider, error) {
			return entra.NewProvider(entra.Options{Issuer: p.issuer, ClientID: clientID, RedirectURL: "http://localhost:9/auth/callback", Client: client, Now: now, Log: slog.New(slog.DiscardHandler)})
		}}
	keeper := keep(t, clock)
	ada := access.PersonID{Authority: p.issuer, Subject: "ada"}

	run, err := runs.BeginDevice(t.Context())
	if err != nil || run.Waits == nil {
		t.Fatalf("%v %+v", err, run.Outcome)
	}
	if err := keeper.Add(t.Context(), ada, run); err != nil {
		t.Fatal(err)
	}
	asks := func() *flows.Run {
		t.Helper()
		now = now.Add(6 * time.Second)
		run, err := runs.Poll(t.Context(), keeper, ada, run.ID)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	if run := asks(); run.Waits == nil || run.Waits.Polls != 1 {
		t.Errorf("before anybody entered the code: %+v", run.Outcome)
	}
	enterCode(t, p, run.Waits)
	if run := asks(); run.Waits != nil || !run.Outcome.Expected || len(run.Trace.Tokens) == 0 {
		t.Errorf("afterwards: %+v", run.Outcome)
	}
}

// keep returns a keeper of runs in a database of its own.
func keep(t *testing.T, now func() time.Time) *flows.Keeper {
	t.Helper()
	db, err := store.Open(context.Background(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	key := make([]byte, seal.KeySize)
	if _, err := io.ReadFull(rand.Reader, key); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := flows.NewKeeper(db, keys, now)
	if err != nil {
		t.Fatal(err)
	}
	return keeper
}

// enterCode is ada at another device.
func enterCode(t *testing.T, p *provider, waits *flows.Waiting) {
	t.Helper()
	b := newBrowser(t)
	b.open(waits.Address)
	const codeForm, sureForm = "form:has(input[name=user_code])", "form:has(input[name=confirm])"
	b.submit(codeForm, map[string]string{"user_code": waits.UserCode})
	for range 8 {
		switch {
		case b.has(sureForm):
			b.submit(sureForm, map[string]string{"user_code": waits.UserCode})
		case b.has(loginForm):
			b.submit(loginForm, map[string]string{"login": "ada", "password": "any"})
		case b.has(consentForm):
			b.submit(consentForm, nil)
		default:
			return
		}
	}
	t.Fatalf("the provider's pages do not end: %s\n%.2000s", b.url, b.body)
}
