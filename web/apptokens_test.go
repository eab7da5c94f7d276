package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"azts.internal/portal/internal/config"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/sandbox"
)

const (
	appOther = "grace@contoso.com"
	appAdmin = "ada@contoso.com"
)

const aztsDefault = sandbox.AzTSAppIDURI + "/.default"

// multipartForm is the form as a browser sends it with its files.
func multipartForm(t testing.TB, fields map[string]string) visit {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range fields {
		var part io.Writer
		var err error
		if name == "file" {
			part, err = w.CreateFormFile(name, "certificate.pfx")
		} else {
			part, err = w.CreateFormField(name)
		}
		if err == nil {
			_, err = io.WriteString(part, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return visit{method: http.MethodPost, to: "/tokens/app", body: body.String(), header: http.Header{"Content-Type": {w.FormDataContentType()}}}
}

// askApp sends the form for an application's token and goes where it leads.
func (b *browser) askApp(fields map[string]string) *page {
	b.t.Helper()
	v := multipartForm(b.t, fields)
	v.from = b.address("/tokens/app")
	return b.open(v)
}

func scanBot(change ...string) map[string]string {
	fields := map[string]string{"client_id": sandbox.ScriptClientID, "kind": "secret", "secret": sandbox.ScriptClientSecret, "resource": aztsDefault}
	for i := 0; i+1 < len(change); i += 2 {
		fields[change[i]] = change[i+1]
	}
	return fields
}

// plainText fetches a text of the tenant's.
func (s *tenantServer) plainText(t testing.TB, path string) string {
	t.Helper()
	response, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, response.Status, err)
	}
	return strings.TrimSpace(string(body))
}

// copyApp returns the token of the first card, as copying does.
func (b *browser) copyApp(p *page) string {
	b.t.Helper()
	id := p.sel("form[data-copy-token] input[name=id]").First().AttrOr("value", "")
	got := b.send(visit{to: "/tokens/app/reveal", form: url.Values{"id": {id}}, from: p.url, script: true, header: http.Header{"Accept": {"application/json"}}})
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || strings.Count(answer.AccessToken, ".") != 2 {
		b.t.Fatalf("copying gives %d %.100s", got.status, got.body)
	}
	return answer.AccessToken
}

// TestAppToken is the way of a secret and of its token: asked for, shown masked,
// revealed, forgotten; and where neither of them is afterwards.
func TestAppToken(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	empty := b.get("/tokens/app").want(http.StatusOK, "App tokens")
	if got := empty.sel("select[name=resource] option").First().AttrOr("value", ""); got != aztsDefault {
		t.Errorf("the first API is %q", got)
	}
	// The mistake of a permission before /.default, mended with a word about it.
	p := b.askApp(scanBot("scope", sandbox.AzTSAppIDURI+"/user_impersonation/.default", "purpose", "nightly scans")).want(http.StatusOK, "App tokens")
	p.has(".flash", "the scope was mended")
	p.has("[data-token] .facts", aztsDefault)
	p.has("[data-token] .facts", sandbox.ScriptClientID)
	p.has("[data-token] .facts", "nightly scans")
	p.has("[data-token] .verdict", "Probably")
	if n := p.sel(".token-text[data-revealed]").Length(); n != 0 {
		t.Error("the token is shown without being asked for")
	}
	token := b.copyApp(p)
	shown := b.submit(p, "form[data-reveal] button", nil).want(http.StatusOK, "App tokens")
	if got := clean(shown.one(".token-text").Text()); got != token {
		t.Errorf("revealed is %.40q", got)
	}
	again := b.get("/tokens/app").want(http.StatusOK, "App tokens")
	history := b.get("/tokens/history").want(http.StatusOK, "Issued tokens")
	history.has("main table", "nightly scans")
	secrets := map[string][]string{"the client secret": {sandbox.ScriptClientSecret}, "the token": {token}}
	for name, page := range map[string]*page{"the empty page": empty, "the page after": p, "the page again": again, "the history": history} {
		nowhere(t, name, []byte(page.body), secrets)
	}
	nowhere(t, "the database", w.databaseBytes(), secrets)
	b.submit(again, `form[action="/tokens/app/forget"] button`, nil).has(".flash", "forgotten")
	if n := b.get("/tokens/app").sel("[data-token]").Length(); n != 0 {
		t.Errorf("%d tokens after it was forgotten", n)
	}
	b.post("/tokens/app/reveal", url.Values{"id": {"t0"}}).want(http.StatusNotFound, "There is nothing here")
	w.stop()
	nowhere(t, "the log", []byte(w.log.String()), secrets)
	if len(w.log.lines("token issued to an application", sandbox.ScriptClientID)) != 1 || len(w.log.lines("token revealed")) != 2 {
		t.Error("the log does not say what was done")
	}
}

// TestAppTokenWithoutRoles: an application that was given nothing gets a token
// all the same; the page says what it is worth and what has to be done.
func TestAppTokenWithoutRoles(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	p := b.askApp(scanBot("client_id", sandbox.PortalClientID, "secret", sandbox.PortalClientSecret)).want(http.StatusOK, "App tokens")
	p.has("[data-token] .answer", "This token carries no role")
	p.has("[data-token] .verdict", "No: the token speaks for an application")
	p.has("[data-token] details", "Authorized client applications")
	p.has("[data-token] details", sandbox.PortalClientID)
}

// TestAppTokenProofs: certificates and assertions work as secrets do.
func TestAppTokenProofs(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	text := w.tenant.plainText(t, "/sandbox/certificate.pem")
	key, certificate := certificateIn(t, text)
	pfx, err := pkcs12.Modern.Encode(key, certificate, nil, "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	for name, fields := range map[string]map[string]string{
		"PEM":       scanBot("kind", "certificate", "pem", text),
		"PEM file":  scanBot("kind", "certificate", "file", text),
		"PFX":       scanBot("kind", "certificate", "file", string(pfx), "password", "open sesame"),
		"assertion": scanBot("kind", "assertion", "assertion", w.tenant.plainText(t, "/federated/token")),
	} {
		p := b.in(t).askApp(fields).want(http.StatusOK, "App tokens")
		if p.sel(".panel.tone-error, .panel.tone-warning").Length() != 0 || !strings.Contains(p.text("[data-token] details"), "appidacr2") {
			t.Errorf("%s: %s", name, p.text("main"))
		}
	}
}

func certificateIn(t testing.TB, text string) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	first, rest := pem.Decode([]byte(text))
	second, _ := pem.Decode(rest)
	certificate, err := x509.ParseCertificate(first.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(second.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PrivateKey), certificate
}

// TestAppTokenRefused: every mistake has its sentence; what was typed stays, what
// proves the application does not.
func TestAppTokenRefused(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	text := w.tenant.plainText(t, "/sandbox/certificate.pem")
	key, certificate := certificateIn(t, text)
	pfx, err := pkcs12.Modern.Encode(key, certificate, nil, "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)}
	pemOf := func(template *x509.Certificate, signer *rsa.PrivateKey) string {
		der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		keyDER, err := x509.MarshalPKCS8PrivateKey(other)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	}
	fresh := *template
	fresh.NotAfter = time.Now().Add(time.Hour)
	bare := text[:strings.Index(text, "-----BEGIN PRIVATE")]
	person := appOther
	federated := func(query string) map[string]string {
		return scanBot("kind", "assertion", "assertion", w.tenant.plainText(t, "/federated/token"+query))
	}
	for name, c := range map[string]struct {
		fields map[string]string
		status int
		code   string
		fault  string
	}{
		"wrong secret":            {scanBot("secret", "a-wrong-secret-of-mine"), 403, "AADSTS7000215", ""},
		"expired secret":          {scanBot("secret", sandbox.ScriptExpiredSecret), 400, "AADSTS7000222", ""},
		"no secret":               {scanBot("secret", ""), 400, "secret_missing", ""},
		"unknown app":             {scanBot("client_id", sandbox.DanaID), 404, "AADSTS700016", ""},
		"malformed GUID":          {scanBot("client_id", "scan-bot"), 400, "client_id_malformed", ""},
		"foreign tenant":          {scanBot("tenant", sandbox.FabrikamTenantID), 400, "tenant_unknown", ""},
		"tenant that is gone":     {scanBot(), 404, "AADSTS90002", "token.error=90002"},
		"unknown API":             {scanBot("scope", "api://nobody/.default"), 400, "resource_unknown", ""},
		"two APIs":                {scanBot("scope", aztsDefault+" "+sandbox.ARMAudience+"/.default"), 400, "two_resources", ""},
		"unknown kind":            {scanBot("kind", "password"), 400, "credential_kind", ""},
		"not registered":          {scanBot("kind", "certificate", "pem", pemOf(&fresh, other)), 403, "AADSTS700027", ""},
		"certificate expired":     {scanBot("kind", "certificate", "pem", pemOf(template, other)), 400, "certificate_expired", ""},
		"key of another":          {scanBot("kind", "certificate", "pem", pemOf(&fresh, key)), 400, "certificate_key_mismatch", ""},
		"PEM without key":         {scanBot("kind", "certificate", "pem", bare), 400, "certificate_key_missing", ""},
		"PFX with wrong password": {scanBot("kind", "certificate", "file", string(pfx), "password", "sesame open"), 400, "pfx_password", ""},
		"no certificate":          {scanBot("kind", "certificate"), 400, "certificate_missing", ""},
		"no assertion":            {scanBot("kind", "assertion", "assertion", "hello"), 400, "assertion_malformed", ""},
		"assertion expired":       {federated("?lifetime=-1h"), 400, "assertion_expired", ""},
		"another issuer":          {federated("?issuer=https://token.example.net"), 403, "AADSTS700211", ""},
		"another audience":        {federated("?audience=api://other"), 403, "AADSTS700212", ""},
		"another subject":         {federated("?subject=repo:other"), 403, "AADSTS700213", ""},
		"throttled":               {scanBot(), 429, "provider_throttled", "token.429_text="},
		"sign-in fails":           {scanBot(), 503, "provider_down", "token.500_html="},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.in(t).browser()
			b.signIn(person) // a person has 20 tries
			if person == dana {
				person = appOther
			} else {
				person = dana
			}
			if fault, value, on := strings.Cut(c.fault, "="); on {
				w.tenant.Faults().Set(fault, value, 1)
			}
			c.fields["purpose"] = "what I typed"
			p := b.askApp(c.fields).want(c.status, "App tokens")
			if got := p.evidence("Code"); got != c.code {
				t.Errorf("code %q, want %q: %s", got, c.code, p.text(".panel"))
			}
			p.has(".panel", "What to do:")
			p.has(".panel", "Who can mend it:")
			for field, css := range map[string]string{"client_id": "input[name=client_id]", "scope": "input[name=scope]", "purpose": "input[name=purpose]"} {
				want := c.fields[field]
				if c.code == "client_id_malformed" && field == "client_id" {
					want = "" // it could be a secret
				}
				if got := p.one(css).AttrOr("value", ""); got != want {
					t.Errorf("%s is %q after the mistake", field, got)
				}
			}
			for _, kind := range []string{"secret", "certificate", "assertion"} {
				if _, checked := p.one("#kind-" + kind).Attr("checked"); checked != (kind == c.fields["kind"] || kind == "secret" && c.fields["kind"] == "password") {
					t.Errorf("kind %s is chosen: %t", kind, checked)
				}
			}
			for _, field := range []string{"secret", "pem", "file", "password", "assertion"} {
				if value := c.fields[field]; len(value) > 5 && strings.Contains(p.body, value) {
					t.Errorf("the page holds the %s", field)
				}
			}
		})
	}
	w.stop()
	secrets := map[string][]string{"a secret": {"a-wrong-secret-of-mine", sandbox.ScriptClientSecret, sandbox.ScriptExpiredSecret},
		"a key": {strings.ReplaceAll(text[strings.Index(text, "PRIVATE KEY-----")+17:], "\n", "")[:200]}}
	nowhere(t, "the log", []byte(w.log.String()), secrets)
	nowhere(t, "the database", w.databaseBytes(), secrets)
}

// TestAppFormLimits: bodies that are too large or no form are refused before
// anything is done with them.
func TestAppFormLimits(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	b.askApp(scanBot("pem", strings.Repeat("x", 300<<10))).want(http.StatusRequestEntityTooLarge, "This is too large")
	b.askApp(scanBot("purpose", strings.Repeat("x", 5<<10))).want(http.StatusRequestEntityTooLarge, "This is too large")
	b.post("/tokens/app", url.Values{"secret": {"x"}}).want(http.StatusBadRequest, "This request cannot be read")
	many := scanBot()
	for i := range 30 {
		many["x"+strings.Repeat("x", i)] = "1"
	}
	b.askApp(many).want(http.StatusBadRequest, "This request cannot be read")
	if n := w.tenant.count(tokenPath); n != 1 { // the sign-in's
		t.Errorf("the tenant was asked %d times", n)
	}
	// Another site's form.
	foreign := multipartForm(t, scanBot())
	foreign.from = b.address(w.tenant.url)
	b.open(foreign).want(http.StatusForbidden, "This is not open to you")
	stranger := w.browser()
	v := multipartForm(t, scanBot())
	v.from = stranger.address("/tokens/app")
	if p := stranger.send(v); p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "/auth/login") {
		t.Errorf("somebody who is not signed in gets %d", p.status)
	}
}

// TestAppTokenOfAnotherSession: a card's id opens nothing in another session.
func TestAppTokenOfAnotherSession(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	p := b.askApp(scanBot()).want(http.StatusOK, "App tokens")
	id := p.sel("form[data-reveal] input[name=id]").AttrOr("value", "")
	other := w.browser()
	other.signIn(appOther)
	other.post("/tokens/app/reveal", url.Values{"id": {id}}).want(http.StatusNotFound, "There is nothing here")
	other.post("/tokens/app/forget", url.Values{"id": {id}}).want(http.StatusOK, "App tokens")
	b.copyApp(b.get("/tokens/app")) // still there
}

// TestManagedIdentity: the machine's own identity is for admins alone.
func TestManagedIdentity(t *testing.T) {
	w := startWorld(t, setup{start: startOnMachine})
	t.Setenv("IDENTITY_ENDPOINT", w.tenant.url+"/msi/token")
	t.Setenv("IDENTITY_HEADER", sandbox.IdentityHeader)
	ask := url.Values{"resource": {aztsDefault}}

	b := w.browser()
	b.signIn(dana)
	if n := b.get("/tokens/app").want(http.StatusOK, "App tokens").sel("#machine-title").Length(); n != 0 {
		t.Error("an employee is offered the machine's identity")
	}
	b.post("/tokens/app/identity", ask).want(http.StatusForbidden, "This is not open to you").has("main", "Portal.Admin")
	if n := w.tenant.count("/msi/token"); n != 0 {
		t.Errorf("for an employee the machine asked %d times", n)
	}

	admin := w.browser()
	admin.signIn(appAdmin)
	admin.get("/tokens/app").want(http.StatusOK, "App tokens").one("#machine-title")
	w.tenant.Faults().Set("imds.error", "access_denied", 1)
	p := admin.post("/tokens/app/identity", ask).want(http.StatusBadGateway, "App tokens")
	if p.evidence("Code") != "identity_refused" {
		t.Errorf("refused: %s", p.text(".panel"))
	}
	p = admin.post("/tokens/app/identity", ask).want(http.StatusOK, "App tokens")
	p.has("[data-token] h2", "This machine's AzTS token")
	p.has("[data-token] .facts", sandbox.ManagedIdentityClientID)
	p.has("[data-token] .answer", "This token carries no role")
	admin.copyApp(p)
	admin.post("/tokens/app/identity", url.Values{"resource": {"api://nobody/.default"}}).want(http.StatusBadRequest, "App tokens")
}

// startOnMachine starts a portal as in Azure: with a managed identity, which the
// configuration takes only together with a real tenant.
func startOnMachine(t testing.TB, env map[string]string) *portalRun {
	t.Helper()
	p := &portalRun{t: t, log: &logBuffer{}, db: filepath.Join(t.TempDir(), "portal.db")}
	all := map[string]string{"PORTAL_ADDR": "localhost:0", "PORTAL_DATABASE_URL": "sqlite:" + p.db}
	maps.Copy(all, env)
	c, err := config.Load(func(name string) string { return all[name] })
	if err != nil {
		t.Fatal(err)
	}
	c.ManagedIdentity = entra.SystemIdentity
	ctx, cancel := context.WithCancel(context.Background())
	out := &firstLine{line: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, c, out, newLogger(c, p.log)) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil { // stopLimit bounds it
			t.Errorf("the portal ended with %v", err)
		}
	})
	t.Cleanup(p.stop)
	select {
	case p.announced = <-out.line:
	case err := <-ended:
		ended <- nil
		t.Fatalf("the portal did not start: %v", err)
	case <-time.After(startLimit):
		t.Fatal("the portal does not announce itself")
	}
	p.url, _, _ = strings.Cut(strings.TrimPrefix(p.announced, "Portal: "), " ")
	return p
}

// TestNoManagedIdentity: where none is configured, there is no such address.
func TestNoManagedIdentity(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(appAdmin)
	b.post("/tokens/app/identity", url.Values{"resource": {aztsDefault}}).want(http.StatusNotFound, "There is nothing here")
}
