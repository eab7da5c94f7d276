package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/sandbox"
)

// authorizeURL begins the tenant's authorization endpoint.
func (w *world) authorizeURL() string {
	return w.tenant.url + "/" + sandbox.TenantID + "/oauth2/v2.0/authorize?"
}

// TestAuthorizationRequest looks at what the tenant is asked.
func TestAuthorizationRequest(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	q := b.send(visit{to: "/auth/login?prompt=select_account&login_hint=dana%40contoso.com&domain_hint=contoso.com"}).leadsTo(w.authorizeURL()).Query()
	for name, want := range map[string]string{"client_id": sandbox.PortalClientID, "response_type": "code id_token", "response_mode": "form_post",
		"redirect_uri": w.url + "/auth/callback", "code_challenge_method": "S256", "prompt": "select_account", "login_hint": dana, "domain_hint": "contoso.com"} {
		if got := q.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	again := b.send(visit{to: "/auth/login?prompt=admin_consent"}).leadsTo(w.authorizeURL()).Query()
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) != 43 || q.Get(name) == again.Get(name) {
			t.Errorf("%s is %q, then %q: want 256 random bits each", name, q.Get(name), again.Get(name))
		}
	}
	if again.Has("prompt") {
		t.Errorf("prompt=%q was passed on", again.Get("prompt"))
	}
	for _, scope := range []string{"openid", "profile", "offline_access", sandbox.AzTSAppIDURI + "/user_impersonation"} {
		if !strings.Contains(" "+q.Get("scope")+" ", " "+scope+" ") {
			t.Errorf("%q lacks the scope %s", q.Get("scope"), scope)
		}
	}
}

func TestWhoAmI(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	p := b.signIn("ada@contoso.com").want(http.StatusOK, "Account")
	for _, text := range []string{"Ada Lindqvist", "ada@contoso.com", sandbox.TenantID, sandbox.AdaID, "Portal.Admin", "password"} {
		p.has("main", text)
	}
	// The same person is one person, whatever they are called: (tid, oid).
	if p := w.browser().signIn("gina_fabrikam.com#EXT#@contoso.onmicrosoft.com"); !strings.Contains(p.text("main"), sandbox.GinaID) {
		t.Error("the guest is not the object of this tenant")
	}
}

// TestResponseTypes signs in and gets a token, with each response type.
func TestResponseTypes(t *testing.T) {
	t.Parallel()
	for _, responseType := range []string{"code id_token", "code", "id_token"} {
		t.Run(responseType, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"PORTAL_RESPONSE_TYPE": responseType}
			w := startWorld(t, setup{env: env})
			b := w.browser()
			b.signIn(dana)
			if asked := w.tenant.count(tokenPath); (asked == 0) != (responseType == "id_token") {
				t.Errorf("sign-in asked the token endpoint %d times", asked)
			}
			start := b.send(visit{to: "/tokens", form: url.Values{}, from: b.address("/")})
			if responseType != "id_token" {
				start.leadsTo("/tokens")
			} else if q := start.leadsTo(w.authorizeURL()).Query(); q.Get("response_type") != "code" || q.Get("login_hint") != dana {
				t.Errorf("the person is sent for a token with %v", q)
			}
			p := b.through(b.get(start.header.Get("Location")), dana).want(http.StatusOK, "Tokens")
			p.has("#azts .facts", sandbox.AzTSAppIDURI)
			if p.url.Path != "/tokens" || w.sessions() != 1 {
				t.Errorf("the way back ends at %s with %d sessions", p.url, w.sessions())
			}
		})
	}
}

// TestAttackOtherAccountForToken: another person completes the visit that a
// token needs; their token must not end up in this session.
func TestAttackOtherAccountForToken(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{env: map[string]string{"PORTAL_RESPONSE_TYPE": "id_token"}})
	b := w.browser()
	b.signIn(dana)
	start := b.send(visit{to: "/tokens", form: url.Values{}, from: b.address("/")}).leadsTo(w.authorizeURL())
	q := start.Query()
	q.Del("login_hint")
	q.Set("prompt", "select_account")
	start.RawQuery = q.Encode()
	p := b.through(b.get(start.String()), "ada@contoso.com")
	if p.status != http.StatusForbidden || p.evidence("Code") != "other_account" {
		t.Errorf("answered with %d %s", p.status, p.evidence("Code"))
	}
	b.get("/account").has("main", dana)
	if n := w.rows("session_tokens"); n != 0 {
		t.Errorf("%d tokens were kept", n)
	}
}

// TestRefreshRefused: the tenant wants to see the person again.
func TestRefreshRefused(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	renew := visit{to: "/tokens/renew", form: url.Values{"go": {"1"}}, from: b.address("/")}

	w.tenant.Faults().Set("refresh.interaction_required", "", 1)
	q := b.send(renew).leadsTo(w.authorizeURL()).Query()
	if claims := q.Get("claims"); !json.Valid([]byte(claims)) || !strings.Contains(claims, "polids") {
		t.Errorf("the tenant's claims came back as %q", claims)
	}
	if q.Get("login_hint") != dana || q.Has("prompt") {
		t.Errorf("the person is sent with %v", q)
	}
	p := b.through(b.get(w.authorizeURL()+q.Encode()), dana).want(http.StatusOK, "Tokens")
	p.has("#azts", sandbox.AzTSAppIDURI)

	w.tenant.Faults().Set("refresh.revoked", "", 1)
	q = b.send(renew).leadsTo(w.authorizeURL()).Query()
	if q.Has("claims") {
		t.Errorf("claims %q for a refresh token that was revoked", q.Get("claims"))
	}
	b.get("/account").want(http.StatusOK, "Account") // the session itself lives on
	b.through(b.get(w.authorizeURL()+q.Encode()), dana).want(http.StatusOK, "Tokens")
	b.send(renew).leadsTo("/tokens")
}

func TestRequireMFA(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{env: map[string]string{"PORTAL_REQUIRE_MFA": "true"}})
	t.Run("whoever had a second factor is let in", func(t *testing.T) {
		w := w.in(t)
		b := w.browser()
		w.callback(b, b.answer("mira@contoso.com")).leadsTo("/")
		b.signOut()
	})
	t.Run("others are sent for it", func(t *testing.T) {
		w := w.in(t)
		b := w.browser()
		p := w.callback(b, b.answer(dana))
		q := p.leadsTo(w.authorizeURL()).Query()
		if !strings.Contains(q.Get("claims"), `"mfa"`) || w.sessions() != 0 {
			t.Errorf("sent with claims %q and %d sessions", q.Get("claims"), w.sessions())
		}
		asked := b.get(p.header.Get("Location")).want(http.StatusOK, "Approve the sign-in")
		b.through(asked, dana).want(http.StatusOK, "Overview")
		b.signOut()
	})
	t.Run("once only", func(t *testing.T) {
		w := w.in(t)
		b := w.browser()
		to := w.callback(b, b.answer(dana)).leadsTo(w.authorizeURL())
		q := to.Query()
		q.Del("claims") // a tenant that takes no notice of it
		to.RawQuery = q.Encode()
		p := w.callback(b, b.toAnswer(b.get(to.String()), dana).fields("form#hiddenform"))
		w.refused(b, p, http.StatusForbidden, "mfa_missing")
	})
}

// certificate makes a certificate and returns it with its key, and both as PEM.
func certificate(t *testing.T) (*x509.Certificate, *rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "portal"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return parsed, key, text
}

func TestCertificateCredential(t *testing.T) {
	t.Parallel()
	parsed, _, text := certificate(t)
	w := startWorld(t, setup{env: map[string]string{"PORTAL_CLIENT_SECRET": "", "PORTAL_CLIENT_CERTIFICATE": text}})
	b := w.browser()
	p := w.callback(b, b.answer(dana))
	w.refused(b, p, p.status, p.evidence("Code")) // nobody registered it
	if p.status == http.StatusInternalServerError {
		t.Error("a credential that the tenant refuses counts as a defect of ours")
	}
	if err := w.tenant.RegisterCertificate(sandbox.PortalClientID, parsed); err != nil {
		t.Fatal(err)
	}
	b.signIn(dana)
	if strings.Contains(w.tenant.tokenTraffic(), "client_secret") {
		t.Error("a secret was sent beside the assertion")
	}
}

// TestFederatedCredential reads the assertion from its file at each use: who
// writes it replaces it.
func TestFederatedCredential(t *testing.T) {
	t.Parallel()
	parsed, key, _ := certificate(t)
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("not yet a token")
	w := startWorld(t, setup{env: map[string]string{"PORTAL_CLIENT_SECRET": "", "PORTAL_CLIENT_FEDERATED_TOKEN_FILE": file}})
	if err := w.tenant.RegisterCertificate(sandbox.PortalClientID, parsed); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	p := w.callback(b, b.answer(dana))
	w.refused(b, p, p.status, p.evidence("Code"))

	thumbprint := sha256.Sum256(parsed.Raw)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key},
		(&jose.SignerOptions{}).WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(thumbprint[:])))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := json.Marshal(map[string]any{"iss": sandbox.PortalClientID, "sub": sandbox.PortalClientID, "jti": "1",
		"aud": w.tenant.url + tokenPath, "exp": time.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	assertion, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	write(assertion + "\n")
	b.signIn(dana)
	nowhere(t, "the log", []byte(w.log.String()), map[string][]string{"the assertion": {assertion}})
}
