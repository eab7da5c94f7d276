package flows_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/session"
)

const labPortal = "https://portal.invalid"

// visits are those of sign-in.
type visits struct{ sessions *session.Store }

func (v visits) Begin(jar http.CookieJar) (state, nonce, verifier string, err error) {
	at, _ := url.Parse(labPortal)
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, labPortal+"/auth/login", nil)
	state, flow, err := v.sessions.StartFlow(w, r, session.Flow{Purpose: "flow"})
	jar.SetCookies(at, w.Result().Cookies())
	return state, flow.Nonce, flow.Verifier, err
}

func (v visits) Take(ctx context.Context, jar http.CookieJar, state string) error {
	at, _ := url.Parse(labPortal)
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, labPortal+"/auth/callback", nil)
	for _, cookie := range jar.Cookies(at) {
		r.AddCookie(cookie)
	}
	_, err := v.sessions.TakeFlow(w, r, state)
	return err
}

func newLab(t *testing.T) *flows.Lab {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	keys, err := seal.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(db, keys, session.Options{Idle: time.Hour, Max: time.Hour, Accept: func(access.User) bool { return true }, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	lab, err := flows.NewLab(newBox, visits{sessions}, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

func newBox(now func() time.Time) (*flows.Box, error) {
	box, err := sandbox.New(sandbox.Options{Origin: "https://lab.invalid", PortalURL: labPortal, Now: now})
	if err != nil {
		return nil, err
	}
	s := box.Settings()
	return &flows.Box{Transport: box.Transport(), Origin: "https://lab.invalid", Portal: labPortal, TenantID: s.TenantID, Issuer: s.Issuer,
		ClientID: s.ClientID, ClientSecret: s.ClientSecret, AzTSClientID: s.AzTSClientID, AzTSClientSecret: s.AzTSClientSecret,
		ScriptClientID: s.ScriptClientID, ScriptClientSecret: s.ScriptClientSecret, CertificateClientID: s.CertificateClientID,
		CertificateURL: "https://lab.invalid/sandbox/certificate.pem", FederatedURL: "https://lab.invalid/federated/token",
		LegacyClientID: s.LegacyClientID, LegacyRedirect: s.LegacyRedirect, CLIClientID: s.PublicClientID, StrangeClientID: sandbox.AzPowerShellAppID,
		IdentityHeader: sandbox.IdentityHeader, AzTSURL: s.AzTSURL, AzTSScope: s.AzTSScope, ARMURL: s.ARMURL, ARMScope: sandbox.ARMAudience + "/user_impersonation",
		GraphURL: s.GraphURL, GraphBase: sandbox.GraphAudience, InventoryScope: sandbox.InventoryAppIDURI + "/Items.Read",
		Employee: flows.LabPerson{ID: sandbox.DanaID, Account: "dana@contoso.com"}, Admin: flows.LabPerson{ID: sandbox.AdaID, Account: "ada@contoso.com"},
		Careful: flows.LabPerson{ID: sandbox.MiraID, Account: "mira@contoso.com"}, Password: s.PeoplePassword, Subscription: s.Subscription,
		Break: func(fault, value string) { box.Faults().Set(fault, value, 1) }}, nil
}

// TestEachFailureNamesTheCheckThatRefuses runs the whole catalogue.
func TestEachFailureNamesTheCheckThatRefuses(t *testing.T) {
	lab := newLab(t)
	for _, flow := range flows.Catalogue() {
		for _, failure := range append([]string{""}, flow.Failures...) {
			t.Run(flow.ID+"/"+failure, func(t *testing.T) {
				run, err := lab.Run(t.Context(), flow, failure)
				if err != nil {
					t.Fatal(err)
				}
				if !run.Outcome.Expected {
					t.Errorf("%q %q %s", run.Outcome.Refused, run.Outcome.Code, run.Outcome.Text)
					for i, m := range run.Trace.Messages {
						status := 0
						if m.Answer != nil {
							status = m.Answer.Status
						}
						t.Logf("%d %s→%s [%s] %s: %s %.150s %d", i+1, m.From, m.To, m.ID, m.Name, m.Request.Method, m.Request.URL, status)
					}
				}
			})
		}
	}
}
