package sandbox_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/sandbox"
)

func scriptForm(changes ...string) url.Values {
	form := url.Values{"client_id": {sandbox.ScriptClientID}, "client_secret": {sandbox.ScriptClientSecret},
		"grant_type": {"client_credentials"}, "scope": {sandbox.AzTSAppIDURI + "/.default"}}
	for i := 0; i+1 < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

func TestClientCredentials(t *testing.T) {
	w := newTenantWorld(t)
	answer := w.token(scriptForm())
	if answer.status != 200 || answer.str("refresh_token") != "" || answer.str("id_token") != "" {
		t.Fatalf("%s", answer.raw)
	}
	claims := w.claims(answer.str("access_token"))
	if !slices.Equal(claims["roles"].([]any), []any{"Scan.Request"}) || claims["idtyp"] != "app" || claims["scp"] != nil || claims["oid"] != claims["sub"] {
		t.Errorf("claims %v", claims)
	}
	portal := w.claims(w.token(scriptForm("client_id", sandbox.PortalClientID, "client_secret", sandbox.PortalClientSecret)).str("access_token"))
	if portal["roles"] != nil {
		t.Errorf("an application without an assignment has roles %v", portal["roles"])
	}
	vault := w.claims(w.token(scriptForm("scope", "https://vault.azure.net/.default")).str("access_token"))
	if vault["ver"] != "2.0" || vault["aud"] != sandbox.KeyVaultAppID || vault["azp"] != sandbox.ScriptClientID || vault["iss"] != w.url+"/"+sandbox.TenantID+"/v2.0" {
		t.Errorf("a resource of version 2 gets %v", vault)
	}

	w.token(scriptForm("scope", "")).refused(t, 400, "invalid_request", 900144)
	w.token(scriptForm("scope", sandbox.AzTSAppIDURI+"/user_impersonation")).refused(t, 400, "invalid_scope", 70011)
	w.token(scriptForm("scope", sandbox.AzTSAppIDURI+"/user_impersonation/.default")).refused(t, 400, "invalid_resource", 500011)
	w.token(scriptForm("scope", sandbox.AzTSAppIDURI+"/.default "+sandbox.ARMAudience+"/.default")).refused(t, 400, "invalid_scope", 70011)
	w.token(scriptForm("client_secret", "wrong")).refused(t, 401, "invalid_client", 7000215)
	w.token(scriptForm("client_id", sandbox.AzureCLIAppID, "client_secret", "")).refused(t, 401, "invalid_client", 7000218)
	w.tokenAt("/organizations/oauth2/v2.0/token", scriptForm("client_id", sandbox.PortalClientID, "client_secret", sandbox.PortalClientSecret)).
		refused(t, 400, "invalid_request", 50059)

	v1 := w.tokenAt("/"+sandbox.TenantID+"/oauth2/token", scriptForm("scope", "", "resource", sandbox.AzTSAppIDURI))
	if v1.str("expires_in") != "3599" || v1.str("resource") != sandbox.AzTSAppIDURI {
		t.Errorf("v1 answer %s", v1.raw)
	}
	w.tokenAt("/"+sandbox.TenantID+"/oauth2/token", scriptForm()).refused(t, 400, "invalid_request", 900144)
}

// assertionMaker makes client assertions and can make them badly.
type assertionMaker struct {
	algorithm jose.SignatureAlgorithm
	key       any
	headers   map[jose.HeaderKey]any
	claims    map[string]any
}

func (m assertionMaker) make(t *testing.T) string {
	t.Helper()
	options := (&jose.SignerOptions{ExtraHeaders: m.headers}).WithType("JWT")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: m.algorithm, Key: m.key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(m.claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestClientAssertions(t *testing.T) {
	w := newTenantWorld(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "scan-bot"},
		NotBefore: w.clock.Now(), NotAfter: w.clock.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.RegisterCertificate(sandbox.ScriptClientID, cert); err != nil {
		t.Fatal(err)
	}
	strong, legacy := sha256.Sum256(der), sha1.Sum(der)
	wrong, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}

	good := func() assertionMaker {
		now := w.clock.Now()
		return assertionMaker{algorithm: jose.PS256, key: key,
			headers: map[jose.HeaderKey]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(strong[:])},
			claims: map[string]any{"aud": w.url + "/" + sandbox.TenantID + "/oauth2/v2.0/token", "iss": sandbox.ScriptClientID,
				"sub": sandbox.ScriptClientID, "jti": "1", "nbf": now.Unix(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}}
	}
	send := func(assertion string) tokenAnswer {
		return w.token(scriptForm("client_secret", "", "client_assertion", assertion,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
	}
	for name, change := range map[string]func(*assertionMaker){
		"PS256 with x5t#S256":         func(*assertionMaker) {},
		"RS256":                       func(m *assertionMaker) { m.algorithm = jose.RS256 },
		"x5t#S256 in standard base64": func(m *assertionMaker) { m.headers["x5t#S256"] = base64.StdEncoding.EncodeToString(strong[:]) },
		"x5t": func(m *assertionMaker) {
			m.headers = map[jose.HeaderKey]any{"x5t": base64.RawURLEncoding.EncodeToString(legacy[:])}
		},
		"x5t in standard base64": func(m *assertionMaker) {
			m.headers = map[jose.HeaderKey]any{"x5t": base64.StdEncoding.EncodeToString(legacy[:])}
		},
		"audience by domain, v1": func(m *assertionMaker) { m.claims["aud"] = w.url + "/contoso.com/oauth2/token" },
	} {
		t.Run(name, func(t *testing.T) {
			maker := good()
			change(&maker)
			answer := send(maker.make(t))
			if answer.status != 200 || w.claims(answer.str("access_token"))["appidacr"] != "2" {
				t.Errorf("%s", answer.raw)
			}
		})
	}
	for name, c := range map[string]struct {
		change func(*assertionMaker)
		code   int
	}{
		"another key":             {func(m *assertionMaker) { m.key = foreign }, 700027},
		"a certificate not there": {func(m *assertionMaker) { m.headers["x5t#S256"] = "AAAA" }, 700027},
		"no thumbprint":           {func(m *assertionMaker) { m.headers = nil }, 700027},
		"another algorithm":       {func(m *assertionMaker) { m.algorithm, m.key = jose.ES256, wrong }, 50027},
		"HMAC":                    {func(m *assertionMaker) { m.algorithm, m.key = jose.HS256, make([]byte, 32) }, 50027},
		"foreign audience":        {func(m *assertionMaker) { m.claims["aud"] = "https://login.example.net/token" }, 50012},
		"another issuer":          {func(m *assertionMaker) { m.claims["iss"] = sandbox.PortalClientID }, 700030},
		"another subject":         {func(m *assertionMaker) { m.claims["sub"] = sandbox.PortalClientID }, 700030},
		"expired":                 {func(m *assertionMaker) { m.claims["exp"] = w.clock.Now().Add(-6 * time.Minute).Unix() }, 700024},
		"not valid yet":           {func(m *assertionMaker) { m.claims["nbf"] = w.clock.Now().Add(6 * time.Minute).Unix() }, 700024},
	} {
		t.Run(name, func(t *testing.T) {
			maker := good()
			c.change(&maker)
			send(maker.make(t)).refused(t, 401, "invalid_client", c.code)
		})
	}
	w.token(scriptForm("client_secret", "", "client_assertion", good().make(t), "client_assertion_type", "magic")).
		refused(t, 400, "invalid_request", 900144)
	if w.RegisterCertificate("nobody", cert) == nil {
		t.Error("a certificate was registered for nobody")
	}
}
