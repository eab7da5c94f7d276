package doctor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/azhttp"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/doctor"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/internal/sandbox"
)

const (
	portalURL = "http://localhost:8080"
	ada       = "ada@contoso.com"
	hugo      = "hugo@contoso.com"
	readAll   = sandbox.GraphAudience + "/Directory.Read.All"
	aztsScope = sandbox.AzTSAppIDURI + "/user_impersonation"
)

// patient is an installation at a sandbox, with a doctor who sees it over HTTP.
type patient struct {
	*sandbox.Sandbox
	t    testing.TB
	url  string
	cfg  doctor.Config
	hook func(http.ResponseWriter, *http.Request) bool
}

type reachable struct{ err error }

func (r reachable) Ping(context.Context) error { return r.err }

// newPatient is a healthy one: reading the directory is granted for everybody, and
// Ada has agreed to AzTS.
func newPatient(t testing.TB) *patient {
	t.Helper()
	p := &patient{t: t}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.hook == nil || !p.hook(w, r) {
			p.ServeHTTP(w, r)
		}
	}))
	p.url = "http://" + server.Listener.Addr().String()
	var err error
	if p.Sandbox, err = sandbox.New(sandbox.Options{Origin: p.url, PortalURL: portalURL}); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	p.consent("", readAll)
	p.consent(ada, aztsScope)
	s := p.Settings()
	client := &http.Client{Timeout: 5 * time.Second}
	p.cfg = doctor.Config{BaseURL: portalURL, ClientID: s.ClientID, TenantID: s.TenantID, ResponseType: "code id_token", Credential: doctor.Secret,
		AdminRole: "Portal.Admin", HelpDeskRole: "Portal.HelpDesk", AzTSURL: s.AzTSURL, AzTSScope: s.AzTSScope, ARMURL: s.ARMURL, GraphURL: s.GraphURL,
		Database: reachable{}, Client: client, Now: time.Now}
	p.provide(s.Issuer)
	if p.cfg.Graph, err = graph.New(graph.Config{BaseURL: s.GraphURL, ScopeBase: sandbox.GraphAudience, Sleep: noSleep}); err != nil {
		t.Fatal(err)
	}
	if p.cfg.AzTS, err = azts.New(azhttp.Config{BaseURL: s.AzTSURL, Scope: s.AzTSScope, Sleep: noSleep}); err != nil {
		t.Fatal(err)
	}
	return p
}

func noSleep(context.Context, time.Duration) error { return nil }

// provide makes the provider that is configured with an issuer.
func (p *patient) provide(issuer string) {
	p.t.Helper()
	var err error
	p.cfg.Provider, err = entra.NewProvider(entra.Options{Issuer: issuer, MetadataURL: p.url + "/" + sandbox.TenantID + "/v2.0/.well-known/openid-configuration", ClientID: p.cfg.ClientID,
		RedirectURL: portalURL + "/auth/callback", Client: p.cfg.Client, Now: p.cfg.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *patient) consent(account, scope string) {
	p.t.Helper()
	if err := p.Consent(sandbox.PortalClientID, account, scope); err != nil {
		p.t.Fatal(err)
	}
}

// tokens are those of a person, by password: what the portal never does.
type tokens struct {
	p       *patient
	account string

	mu    sync.Mutex
	given []string
}

func (s *tokens) Token(ctx context.Context, scope string) (string, error) {
	form := url.Values{"grant_type": {"password"}, "client_id": {sandbox.PortalClientID}, "client_secret": {sandbox.PortalClientSecret},
		"username": {s.account}, "password": {sandbox.SamplePassword}, "scope": {scope}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.p.url+"/"+sandbox.TenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error_description"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", err
	}
	if answer.AccessToken == "" {
		return "", &entra.InteractionRequired{Scopes: []string{scope}, Cause: fmt.Errorf("%s", answer.Error)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = append(s.given, answer.AccessToken)
	return answer.AccessToken, nil
}

func (s *tokens) Invalidate(context.Context, string, string) {}

func (p *patient) visit(account string) doctor.Visit {
	id := sandbox.AdaID
	if account == hugo {
		id = sandbox.HugoID
	}
	return doctor.Visit{Source: &tokens{p: p, account: account}, ObjectID: id, Tenant: sandbox.TenantID, Request: &doctor.Request{Host: "localhost:8080"}}
}

func (p *patient) examine(v doctor.Visit) doctor.Report {
	p.t.Helper()
	d, err := doctor.New(p.cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	return d.Examine(p.t.Context(), v)
}

// want fails the test unless a check has a state and says a text.
func want(t testing.TB, r *doctor.Report, id string, state doctor.State, says string) {
	t.Helper()
	c := r.Of(id)
	if c.ID == "" || c.State != state || !strings.Contains(c.Finding+" "+c.Next, says) {
		t.Errorf("%s is %q, want %s with %q: %+v", id, c.State, state, says, c)
	}
	if (state == doctor.Warn || state == doctor.Bad) && c.Next == "" {
		t.Errorf("%s does not say how to mend it: %+v", id, c)
	}
}
