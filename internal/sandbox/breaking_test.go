package sandbox_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/sandbox"
)

// The deliberate failures that somebody learns from: what refuses, and by which
// number.

func TestBreakingAtTheSignInPage(t *testing.T) {
	w := newTenantWorld(t)
	signedIn := w.browser()
	signedIn.signIn(sandbox.DanaID)
	mira := w.browser()
	mira.press(mira.authorize("scope", "openid", "prompt", "select_account"), "account", sandbox.MiraID) // stops before her second factor
	inventory := []string{"client_id", sandbox.AzPowerShellAppID, "redirect_uri", "http://localhost", "response_type", "code", "response_mode", "",
		"scope", sandbox.InventoryAppIDURI + "/.default"}
	for name, c := range map[string]struct {
		browser *browser
		changes []string
		err     string // empty: the person's page, the application learns nothing
		number  string
	}{
		"unregistered redirect URI":    {signedIn, []string{"redirect_uri", portalURL + "/elsewhere"}, "", "50011"},
		"another letter case":          {signedIn, []string{"redirect_uri", portalURL + "/Auth/Callback"}, "", "50011"},
		"missing consent, silently":    {signedIn, []string{"prompt", "none", "scope", "openid " + sandbox.InventoryAppIDURI + "/Items.Read"}, "consent_required", "65001"},
		"no second factor, silently":   {mira, []string{"prompt", "none", "scope", "openid"}, "interaction_required", "50076"},
		"nobody signed in, silently":   {w.browser(), []string{"prompt", "none"}, "login_required", "50058"},
		"an API that is not listed":    {signedIn, inventory, "invalid_resource", "650057"},
		"tokens that are not ticked":   {signedIn, []string{"response_type", "id_token token", "response_mode", "fragment"}, "unsupported_response_type", "700051"},
		"ID tokens in the query":       {signedIn, []string{"response_mode", "query"}, "invalid_request", "70007"},
		"ID tokens that nobody ticked": {signedIn, append(inventory[:2:2], "redirect_uri", "http://localhost", "response_type", "id_token"), "unsupported_response_type", "700054"},
		"v1 and v2 mixed":              {signedIn, []string{"resource", sandbox.AzTSAppIDURI}, "invalid_request", "901002"},
	} {
		t.Run(name, func(t *testing.T) {
			done := c.browser.authorize(c.changes...)
			if c.err == "" {
				if done.answer != nil || !strings.Contains(done.text(), "AADSTS"+c.number) {
					t.Errorf("at %s: %v", done.at, done.answer)
				}
				return
			}
			if done.answer.Get("error") != c.err || !strings.HasPrefix(done.answer.Get("error_description"), "AADSTS"+c.number+":") {
				t.Errorf("at %s: %v", done.at, done.answer)
			}
		})
	}
}

func TestBreakingAtTheTokenEndpoint(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	code := func() string { return b.signIn(sandbox.DanaID).answer.Get("code") }
	w.redeem(code(), "code_verifier", strings.Repeat("x", 43)).refused(t, 400, "invalid_grant", 501481)
	w.redeem(code(), "code_verifier", "short").refused(t, 400, "invalid_grant", 50147)
	w.redeem(code(), "redirect_uri", portalURL+"/elsewhere").refused(t, 400, "invalid_grant", 50011)
	w.redeem(code(), "scope", sandbox.AzTSAppIDURI+"/.default "+armScope).refused(t, 400, "invalid_scope", 700022)
	used := code()
	if tokens := w.redeem(used); tokens.status != 200 {
		t.Fatalf("%s", tokens.raw)
	}
	w.redeem(used).refused(t, 400, "invalid_grant", 54005)
	late := code()
	w.clock.pass(11 * time.Minute)
	w.redeem(late).refused(t, 400, "invalid_grant", 70008)
}

func TestBreakingAtAnAPI(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	scope := "openid offline_access " + sandbox.ARMAudience + "/user_impersonation"
	tokens := w.redeem(b.signIn(sandbox.DanaID, "scope", scope).answer.Get("code"), "scope", armScope)
	good := tokens.str("access_token")
	spoilt := func(fault string) string {
		w.Faults().Set(fault, "", 1)
		return w.renew(tokens.str("refresh_token"), armScope).str("access_token")
	}
	cut := strings.LastIndexByte(good, '.') + 1
	other := byte('A')
	if good[cut] == other {
		other = 'B'
	}
	for name, c := range map[string]struct{ token, says string }{
		"expired":            {spoilt("access_token.expired"), "has expired"},
		"foreign audience":   {spoilt("access_token.wrong_aud"), "another audience"},
		"tampered signature": {good[:cut] + string(other) + good[cut+1:], "could not be verified"},
		"an ID token":        {tokens.str("id_token"), "another audience"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := w.graphCall(http.MethodGet, "/arm/subscriptions?api-version=2022-12-01", c.token)
			if challenge := answer.header.Get("WWW-Authenticate"); answer.status != 401 || !strings.Contains(challenge, `error="invalid_token"`) ||
				!strings.Contains(challenge, c.says) {
				t.Errorf("%d %s %s", answer.status, challenge, answer.raw)
			}
		})
	}
	if answer := w.graphCall(http.MethodGet, "/arm/subscriptions?api-version=2022-12-01", good); answer.status != 200 {
		t.Errorf("the good one: %d %s", answer.status, answer.raw)
	}
}

func TestASecretWhereACertificateIsWanted(t *testing.T) {
	w := newTenantWorld(t)
	w.token(scriptForm("client_id", sandbox.CertificateClientID)).refused(t, 401, "invalid_client", 7000215)
	w.token(scriptForm("client_id", sandbox.CertificateClientID, "client_secret", "")).refused(t, 401, "invalid_client", 7000218)

	response, err := http.Get(w.url + "/sandbox/certificate.pem")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	certificate, rest := pem.Decode(text)
	keyBlock, _ := pem.Decode(rest)
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(certificate.Bytes)
	assert := func(shift time.Duration) tokenAnswer {
		now := w.clock.Now().Add(shift)
		maker := assertionMaker{algorithm: jose.PS256, key: key.(*rsa.PrivateKey),
			headers: map[jose.HeaderKey]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])},
			claims: map[string]any{"aud": w.url + "/" + sandbox.TenantID + "/oauth2/v2.0/token", "iss": sandbox.CertificateClientID,
				"sub": sandbox.CertificateClientID, "jti": "1", "nbf": now.Unix(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}}
		return w.token(scriptForm("client_id", sandbox.CertificateClientID, "client_secret", "", "client_assertion", maker.make(t),
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
	}
	if answer := assert(0); answer.status != 200 || w.claims(answer.str("access_token"))["appidacr"] != "2" {
		t.Errorf("the certificate: %s", answer.raw)
	}
	// A clock ten minutes off, either way.
	assert(10*time.Minute).refused(t, 401, "invalid_client", 700024)
	assert(-11*time.Minute).refused(t, 401, "invalid_client", 700024)
}

func TestPreauthorizedClientsAtACustomAPI(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	ask := func(client string) *place {
		return b.authorize("client_id", client, "redirect_uri", "http://localhost:40123", "response_type", "code", "response_mode", "",
			"scope", "offline_access "+sandbox.InventoryAppIDURI+"/Items.Read")
	}
	done := b.press(ask(sandbox.AzureCLIAppID), "account", sandbox.DanaID) // nothing to consent to
	redeem := url.Values{"grant_type": {"authorization_code"}, "client_id": {sandbox.AzureCLIAppID}, "code": {done.answer.Get("code")},
		"redirect_uri": {"http://localhost:40123"}, "code_verifier": {verifier}}
	tokens := w.token(redeem)
	if claims := w.claims(tokens.str("access_token")); claims["azp"] != sandbox.AzureCLIAppID || claims["azpacr"] != "0" || claims["scp"] != "Items.Read" {
		t.Errorf("access token %v", claims)
	}
	ask(sandbox.AzPowerShellAppID).on("Permissions requested")
	w.token(passwordForm("client_id", sandbox.AzPowerShellAppID, "scope", sandbox.InventoryAppIDURI+"/Items.Read")).refused(t, 400, "invalid_grant", 65001)
	// What is preauthorized is one permission, not the API.
	w.token(passwordForm("scope", sandbox.InventoryAppIDURI+"/Items.ReadWrite")).refused(t, 400, "invalid_grant", 65001)
}
