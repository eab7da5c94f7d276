package doctor_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/doctor"
	"azts.internal/portal/internal/sandbox"
)

// all are the checks of a whole examination.
var all = []string{"metadata", "keys", "clock", "registration", "redirect_uris", "platform", "logout_url", "id_tokens", "public_client", "claims", "credentials",
	"permission", "consent", "azts_address", "azts_feature", "arm", "graph", "base_url", "proxy", "database", "settings"}

func TestTheSandboxIsInOrder(t *testing.T) {
	p := newPatient(t)
	report := p.examine(p.visit(ada))
	for _, c := range report.Checks {
		if c.State != doctor.Good || c.Finding == "" || c.Next != "" || !slices.Contains(all, c.ID) {
			t.Errorf("%+v", c)
		}
	}
	if len(report.Checks) != len(all) || report.Count(doctor.Good) != len(all) || report.At.IsZero() {
		t.Errorf("%d checks, want %d", len(report.Checks), len(all))
	}
	if len(report.Steps) != 4 {
		t.Fatalf("%d steps", len(report.Steps))
	}
	for _, s := range report.Steps {
		if s.State != doctor.Good {
			t.Errorf("step %+v", s)
		}
	}
	for i, names := range []string{"FeatureManagement__OnDemandScanAPI", "AADClientAppDetails__ClientId", "Authorized client applications", "tenant id, client id, scope and Web API URL"} {
		if !strings.Contains(report.Steps[i].What, names) {
			t.Errorf("step %d does not name %s: %+v", i+1, names, report.Steps[i])
		}
	}
	if !strings.Contains(report.Steps[2].Finding, sandbox.AzureCLIAppID) {
		t.Errorf("the clients that are admitted: %q", report.Steps[2].Finding)
	}
	text := report.Facts.Text()
	for _, fact := range []string{"Tenant id: " + sandbox.TenantID, "Client id: " + sandbox.AzTSAppID, "Scope: " + aztsScope, "Web API URL: " + p.cfg.AzTSURL} {
		if !strings.Contains(text, fact+"\n") {
			t.Errorf("the message lacks %q:\n%s", fact, text)
		}
	}
}

// TestFaultsOfTheTenant turns what is in order into what is not, one thing at a time.
func TestFaultsOfTheTenant(t *testing.T) {
	for name, tt := range map[string]struct {
		fault, value string
		id           string
		state        doctor.State
		says         string
		also         []string // that cannot be in order either
	}{
		"no metadata":             {"metadata.500", "", "metadata", doctor.Bad, "Nobody can sign in", []string{"keys"}},
		"foreign issuer":          {"metadata.wrong_issuer", "", "metadata", doctor.Bad, "https://login.example.net/" + sandbox.TenantID, []string{"keys"}},
		"no keys":                 {"jwks.500", "", "keys", doctor.Bad, "no ID token can be verified", nil},
		"clock 40 s ahead":        {"metadata.clock", "-41s", "clock", doctor.Warn, "seconds ahead of", nil},
		"clock 40 s behind":       {"metadata.clock", "41s", "clock", doctor.Warn, "seconds behind", nil},
		"clock 20 s ahead":        {"metadata.clock", "-20s", "clock", doctor.Good, "seconds ahead of", nil},
		"clock 10 min behind":     {"metadata.clock", "", "clock", doctor.Bad, "nobody can sign in", nil},
		"unregistered URI":        {"graph.registration", "no_redirects", "redirect_uris", doctor.Bad, "AADSTS50011", []string{"platform"}},
		"single page":             {"graph.registration", "single_page", "platform", doctor.Bad, "Single-page application", nil},
		"no logout URL":           {"graph.registration", "no_logout", "logout_url", doctor.Warn, portalURL + "/auth/frontchannel-logout", nil},
		"no ID tokens":            {"graph.registration", "no_id_tokens", "id_tokens", doctor.Bad, "AADSTS700054", nil},
		"access tokens":           {"graph.registration", "access_tokens", "id_tokens", doctor.Warn, "implicit grant", nil},
		"no claims":               {"graph.registration", "no_claims", "claims", doctor.Warn, "sid, login_hint", nil},
		"no permission":           {"graph.registration", "no_permission", "permission", doctor.Warn, "user_impersonation of AzTS API", nil},
		"public client":           {"graph.registration", "public", "public_client", doctor.Warn, "device code", nil},
		"secret ends":             {"graph.credentials_end", "13", "credentials", doctor.Warn, "in 1", nil},
		"secret ended":            {"graph.credentials_end", "-2", "credentials", doctor.Bad, "nobody can sign in", nil},
		"secret lasts":            {"graph.credentials_end", "60", "credentials", doctor.Good, "days", nil},
		"feature off":             {"azts.feature_off", "", "azts_feature", doctor.Bad, "FeatureManagement__OnDemandScanAPI", nil},
		"AzTS refuses the token":  {"azts.401", "", "azts_feature", doctor.Bad, "AADClientAppDetails__ClientId", nil},
		"AzTS is broken":          {"azts.500", "", "azts_address", doctor.Warn, "500", []string{"azts_feature"}},
		"AzTS has too much to do": {"azts.429", "", "azts_feature", doctor.CannotTell, "minute", []string{"azts_address"}},
		"AzTS wants more proof":   {"azts.claims_challenge", "", "azts_feature", doctor.CannotTell, "Tokens", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			p.Faults().Set(tt.fault, tt.value, -1)
			report := p.examine(p.visit(ada))
			want(t, &report, tt.id, tt.state, tt.says)
			for _, c := range report.Checks {
				if c.ID != tt.id && c.State != doctor.Good && !slices.Contains(tt.also, c.ID) {
					t.Errorf("this, too, is not in order: %+v", c)
				}
			}
			if len(report.Checks) != len(all) {
				t.Errorf("%d checks", len(report.Checks))
			}
		})
	}
}

// TestSettingsOfThePortal changes the installation instead of the tenant.
func TestSettingsOfThePortal(t *testing.T) {
	p := newPatient(t)
	healthy := p.cfg
	certificate := func(d time.Duration) func(*doctor.Config) {
		return func(c *doctor.Config) {
			c.Credential, c.CertificateEnd = doctor.Certificate, time.Now().Add(d)
		}
	}
	for name, tt := range map[string]struct {
		change func(*doctor.Config)
		id     string
		state  doctor.State
		says   string
	}{
		"code alone needs no ID tokens":  {func(c *doctor.Config) { c.ResponseType = "code" }, "id_tokens", doctor.Good, "not needed"},
		"MFA wants amr":                  {func(c *doctor.Config) { c.RequireMFA, c.Groups, c.DirectoryRoles = true, true, true }, "claims", doctor.Good, "sid, login_hint, amr, groups, wids"},
		"federated":                      {func(c *doctor.Config) { c.Credential = doctor.Federated }, "credentials", doctor.Good, "does not end"},
		"no credential":                  {func(c *doctor.Config) { c.Credential = doctor.None }, "credentials", doctor.Good, "none"},
		"two secrets, one of them ended": {func(c *doctor.Config) { c.ClientID = sandbox.ScriptClientID }, "credentials", doctor.Good, "There are 2 secrets"},
		"no secret there":                {func(c *doctor.Config) { c.ClientID = sandbox.ExpensesClientID }, "credentials", doctor.Bad, "has no secret"},
		"certificate":                    {certificate(90 * 24 * time.Hour), "credentials", doctor.Good, "in 89 days"},
		"certificate ends":               {certificate(36 * time.Hour), "credentials", doctor.Warn, "in 1 day"},
		"certificate ended":              {certificate(-time.Hour), "credentials", doctor.Bad, "ended on"},
		"another port at localhost":      {func(c *doctor.Config) { c.BaseURL = "http://localhost:9090" }, "redirect_uris", doctor.Good, ""},
		"the logout URL has that port":   {func(c *doctor.Config) { c.BaseURL = "http://localhost:9090" }, "logout_url", doctor.Warn, "http://localhost:9090/auth/frontchannel-logout"},
		"another host":                   {func(c *doctor.Config) { c.BaseURL = "https://scans.contoso.example" }, "redirect_uris", doctor.Bad, "https://scans.contoso.example/auth/callback"},
		"another host by https":          {func(c *doctor.Config) { c.BaseURL = "https://scans.contoso.example" }, "base_url", doctor.Warn, "localhost:8080"},
		"another API":                    {func(c *doctor.Config) { c.AzTSScope = "api://" + sandbox.ExpensesClientID + "/user_impersonation" }, "permission", doctor.Bad, "AADSTS500011"},
		"no such scope":                  {func(c *doctor.Config) { c.AzTSScope = sandbox.AzTSAppIDURI + "/Scan.All" }, "permission", doctor.Bad, "exposes no permission Scan.All"},
		"consent to no such scope":       {func(c *doctor.Config) { c.AzTSScope = sandbox.AzTSAppIDURI + "/Scan.All" }, "consent", doctor.CannotTell, "no such permission"},
		"the portal's own id":            {func(c *doctor.Config) { c.AzTSScope = "api://" + sandbox.PortalClientID + "/user_impersonation" }, "settings", doctor.Warn, "PORTAL_AZTS_SCOPE"},
		"one role for both":              {func(c *doctor.Config) { c.HelpDeskRole = c.AdminRole }, "settings", doctor.Warn, "PORTAL_HELPDESK_ROLE"},
		"id_token without a code":        {func(c *doctor.Config) { c.ResponseType = "id_token" }, "settings", doctor.Warn, "PORTAL_RESPONSE_TYPE"},
		"AzTS at the portal":             {func(c *doctor.Config) { c.AzTSURL = portalURL + "/azts" }, "settings", doctor.Warn, "PORTAL_AZTS_URL"},
		"another tenant":                 {func(c *doctor.Config) { c.TenantID = sandbox.FabrikamTenantID }, "settings", doctor.Warn, "another tenant"},
		"groups elsewhere than Entra":    {func(c *doctor.Config) { c.Graph, c.Groups = nil, true }, "settings", doctor.Warn, "not Entra"},
		"not Entra":                      {func(c *doctor.Config) { c.Graph = nil }, "registration", doctor.CannotTell, "not Entra"},
		"what to compare elsewhere":      {func(c *doctor.Config) { c.Graph = nil }, "redirect_uris", doctor.CannotTell, portalURL + "/auth/callback"},
		"database away":                  {func(c *doctor.Config) { c.Database = reachable{context.DeadlineExceeded} }, "database", doctor.Bad, "does not answer"},
		"disk full": {func(c *doctor.Config) { c.Database = reachable{apperr.New(apperr.Unavailable, "storage_full", "full")} }, "database", doctor.Bad,
			"no room"},
		"registered elsewhere": {func(c *doctor.Config) { c.ClientID = sandbox.AzureCLIAppID }, "registration", doctor.CannotTell, "another organization"},
	} {
		p.cfg = healthy
		tt.change(&p.cfg)
		report := p.examine(p.visit(ada))
		t.Run(name, func(t *testing.T) { want(t, &report, tt.id, tt.state, tt.says) })
	}
}

// TestTheWayOfARequest looks at what a proxy tells.
func TestTheWayOfARequest(t *testing.T) {
	p := newPatient(t)
	p.cfg.BaseURL = "https://scans.contoso.example"
	for name, tt := range map[string]struct {
		request doctor.Request
		state   doctor.State
		says    string
	}{
		"https at the proxy":   {doctor.Request{Proto: "https", Forwarded: true, Trusted: true}, doctor.Good, "https"},
		"two proxies":          {doctor.Request{Proto: "HTTPS, http", Trusted: true}, doctor.Good, "https"},
		"http at the proxy":    {doctor.Request{Proto: "http", Forwarded: true, Trusted: true}, doctor.Bad, "lead every request to https"},
		"a proxy that is mute": {doctor.Request{Forwarded: true, Trusted: true}, doctor.CannotTell, "X-Forwarded-Proto"},
		"an untrusted proxy":   {doctor.Request{Proto: "https", Forwarded: true}, doctor.Warn, "not trusted"},
		"TLS to the portal":    {doctor.Request{TLS: true}, doctor.Good, "TLS"},
	} {
		tt.request.Host = "scans.contoso.example"
		report := p.examine(doctor.Visit{Request: &tt.request})
		t.Run(name, func(t *testing.T) { want(t, &report, "proxy", tt.state, tt.says) })
		want(t, &report, "base_url", doctor.Good, "https")
	}
}

// TestWithoutAPerson: what needs rights is left out, not guessed.
func TestWithoutAPerson(t *testing.T) {
	p := newPatient(t)
	p.cfg.Database = nil
	report := p.examine(doctor.Visit{})
	var ids []string
	for _, c := range report.Checks {
		if ids = append(ids, c.ID); c.State != doctor.Good {
			t.Errorf("%+v", c)
		}
	}
	if !slices.Equal(ids, []string{"metadata", "keys", "clock", "azts_address", "arm", "graph", "base_url", "settings"}) {
		t.Errorf("%q", ids)
	}
}

// TestWhoMayNotRead: what somebody may not read cannot be told, and says whether they
// can change that.
func TestWhoMayNotRead(t *testing.T) {
	p := newPatient(t)
	p.consent(hugo, aztsScope)
	report := p.examine(p.visit(hugo))
	want(t, &report, "registration", doctor.Good, "AzTS Portal") // which everybody in a directory may read
	want(t, &report, "consent", doctor.CannotTell, "directory role")
	p.Faults().Set("graph.403", "", -1)
	report = p.examine(p.visit(hugo))
	for _, id := range []string{"registration", "redirect_uris", "permission", "consent"} {
		want(t, &report, id, doctor.CannotTell, "")
		if report.Of(id).Allow {
			t.Errorf("%s: allowing would not help", id)
		}
	}
	want(t, &report, "registration", doctor.CannotTell, "directory role")
	want(t, &report, "azts_feature", doctor.Good, "the feature is on")
	visit := p.visit("dana@contoso.com")
	report = p.examine(visit) // she has no token for AzTS
	want(t, &report, "azts_feature", doctor.CannotTell, "Tokens")
	if report.Steps[0].State != doctor.CannotTell || report.Steps[1].State != doctor.CannotTell || report.Steps[3].State != doctor.Good {
		t.Errorf("%+v", report.Steps)
	}
	p.cfg.TenantID = ""
	visit.Tenant = ""
	if report = p.examine(visit); report.Steps[3].State != doctor.Warn || !strings.Contains(report.Facts.Text(), "Tenant id: (not known") {
		t.Errorf("%+v", report.Steps[3])
	}
}

func TestReadingCanBeAllowed(t *testing.T) {
	p := newPatient(t)
	fresh, err := sandbox.New(sandbox.Options{Origin: p.url, PortalURL: portalURL}) // nobody has granted anything
	if err != nil {
		t.Fatal(err)
	}
	p.Sandbox = fresh
	p.consent(ada, aztsScope)
	report := p.examine(p.visit(ada))
	want(t, &report, "registration", doctor.CannotTell, "Allow")
	if !report.Of("registration").Allow {
		t.Error("allowing it would help")
	}
}

// TestConsent goes through who has granted what.
func TestConsent(t *testing.T) {
	p := newPatient(t)
	p.consent(hugo, aztsScope)
	report := p.examine(p.visit(ada))
	want(t, &report, "consent", doctor.Good, "You have agreed")
	visit := p.visit(ada)
	visit.ObjectID = sandbox.DanaID // who has not
	report = p.examine(visit)
	want(t, &report, "consent", doctor.Warn, "they get stuck")
	p.hook = func(w http.ResponseWriter, r *http.Request) bool {
		return p.rewrite(w, r, "/graph/v1.0/servicePrincipals", `"type":"User"`, `"type":"Admin"`)
	}
	report = p.examine(visit)
	want(t, &report, "consent", doctor.Bad, "Only an administrator")
	p.hook = func(w http.ResponseWriter, r *http.Request) bool {
		return p.rewrite(w, r, "/graph/v1.0/applications(appId='"+sandbox.AzTSAppID, sandbox.AzureCLIAppID, sandbox.PortalClientID)
	}
	report = p.examine(visit)
	want(t, &report, "consent", doctor.Good, "trusts this portal")
	p.hook = nil
	p.consent("", aztsScope)
	report = p.examine(visit)
	want(t, &report, "consent", doctor.Good, "for everybody")
}

// rewrite lets the sandbox answer what is below a path and changes a text in that.
func (p *patient) rewrite(w http.ResponseWriter, r *http.Request, path, from, to string) bool {
	if !strings.HasPrefix(r.URL.Path, path) {
		return false
	}
	answer := httptest.NewRecorder()
	p.ServeHTTP(answer, r)
	w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
	w.WriteHeader(answer.Code)
	_, _ = w.Write([]byte(strings.ReplaceAll(answer.Body.String(), from, to))) // the client sees what is missing
	return true
}

// TestAddressesThatAnswerOtherwise: each service, as something else would answer there.
func TestAddressesThatAnswerOtherwise(t *testing.T) {
	p := newPatient(t)
	for status, tt := range map[int]struct {
		azts, arm doctor.State
		says      string
	}{
		http.StatusOK:                 {doctor.Warn, doctor.Warn, "200"},
		http.StatusUnauthorized:       {doctor.Good, doctor.Good, "asks for a token"},
		http.StatusForbidden:          {doctor.Good, doctor.Good, "asks for a token"},
		http.StatusNotFound:           {doctor.Warn, doctor.Warn, "404"},
		http.StatusServiceUnavailable: {doctor.Warn, doctor.Warn, "503"},
	} {
		p.hook = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") != "" || !strings.HasPrefix(r.URL.Path, "/azts") && !strings.HasPrefix(r.URL.Path, "/arm") {
				return false
			}
			w.WriteHeader(status)
			return true
		}
		report := p.examine(doctor.Visit{})
		want(t, &report, "azts_address", tt.azts, tt.says)
		want(t, &report, "arm", tt.arm, tt.says)
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	p.cfg.ARMURL, p.cfg.AzTSURL, p.cfg.GraphURL = closed.URL, closed.URL, "https://portal.invalid"
	report := p.examine(doctor.Visit{})
	want(t, &report, "arm", doctor.Bad, "cannot be reached")
	want(t, &report, "azts_address", doctor.Bad, "cannot be reached")
	want(t, &report, "graph", doctor.Bad, "cannot be reached")
}

// TestAttackARedirectLeadsNowhere: an address that is not configured is not opened,
// whoever names it.
func TestAttackARedirectLeadsNowhere(t *testing.T) {
	p := newPatient(t)
	var hits atomic.Int32
	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer foreign.Close()
	p.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/token") {
			return false
		}
		http.Redirect(w, r, foreign.URL, http.StatusFound)
		return true
	}
	report := p.examine(p.visit(ada))
	if n := hits.Load(); n != 0 {
		t.Errorf("the foreign host was asked %d times", n)
	}
	want(t, &report, "azts_address", doctor.Warn, "another address")
	if report.Count(doctor.Good) > 5 { // the clock and the portal itself
		t.Errorf("%d checks are in order", report.Count(doctor.Good))
	}
}

// TestAttackNothingSecretIsReported: no token that was used, no secret, and no text of
// others beyond its bound is in a report, whatever is answered.
func TestAttackNothingSecretIsReported(t *testing.T) {
	p := newPatient(t)
	visit := p.visit(ada)
	for _, echoing := range []bool{false, true} {
		if echoing {
			p.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/token") {
					return false
				}
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write([]byte(`{"message":"` + r.Header.Get("Authorization") + strings.Repeat("x", 5000) + `"}`)) // the reader is the test's
				return true
			}
		}
		visit.Request.Host = strings.Repeat("h", 5000)
		b, err := json.Marshal(p.examine(visit))
		if err != nil {
			t.Fatal(err)
		}
		source := visit.Source.(*tokens)
		if len(source.given) == 0 {
			t.Fatal("no token was used")
		}
		for _, secret := range append(source.given, sandbox.PortalClientSecret, "eyJ", "Bearer ", strings.Repeat("h", 300), strings.Repeat("x", 300)) {
			if strings.Contains(string(b), secret) {
				t.Errorf("the report holds %.40q", secret)
			}
		}
	}
}

// TestAttackWhatHangsIsLeft: an examination ends when its time is up.
func TestAttackWhatHangsIsLeft(t *testing.T) {
	p := newPatient(t)
	source := p.visit(ada)
	token, err := source.Source.Token(t.Context(), readAll)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	defer close(ended) // a server does not see that a client left before it has read the body
	p.hook = func(http.ResponseWriter, *http.Request) bool {
		<-ended
		return true
	}
	d, err := doctor.New(p.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	source.Source = fixed(token)
	started := time.Now()
	report := d.Examine(ctx, source)
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	want(t, &report, "metadata", doctor.Bad, "in time")
	want(t, &report, "arm", doctor.Bad, "in time")
	want(t, &report, "registration", doctor.CannotTell, "in time")
}

// fixed is one token for everything.
type fixed string

func (f fixed) Token(context.Context, string) (string, error) { return string(f), nil }

func (fixed) Invalidate(context.Context, string, string) {}

func TestLinksToTheAdminCenter(t *testing.T) {
	p := newPatient(t)
	p.cfg.EntraURL = "https://entra.microsoft.com"
	p.cfg.AzTSScope = sandbox.AzTSAppIDURI + "/Scan.All"
	report := p.examine(p.visit(ada))
	for id, link := range map[string]string{"redirect_uris": "Authentication/appId/" + sandbox.PortalClientID, "credentials": "Credentials/appId/" + sandbox.PortalClientID,
		"claims": "TokenConfiguration/appId/" + sandbox.PortalClientID, "permission": "ProtectAnAPI/appId/" + sandbox.AzTSAppID, "metadata": ""} {
		if got := report.Of(id).URL; link == "" && got != "" || link != "" && got != "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/"+link {
			t.Errorf("%s leads to %q", id, got)
		}
	}
}

func TestNewRefusesMissingParts(t *testing.T) {
	p := newPatient(t)
	for name, change := range map[string]func(*doctor.Config){"provider": func(c *doctor.Config) { c.Provider = nil }, "client": func(c *doctor.Config) { c.Client = nil },
		"clock": func(c *doctor.Config) { c.Now = nil }, "half of AzTS": func(c *doctor.Config) { c.AzTSScope = "" }} {
		cfg := p.cfg
		change(&cfg)
		if _, err := doctor.New(cfg); err == nil {
			t.Errorf("without %s", name)
		}
	}
}
