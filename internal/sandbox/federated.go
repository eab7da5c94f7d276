package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What the seeded federated credential of scan-bot says, beside its issuer,
// which the sandbox plays itself below /federated (entra.md §4.4).
const (
	FederatedSubject  = "repo:contoso/scans:ref:refs/heads/main"
	FederatedAudience = "api://AzureADTokenExchange"
)

// ScriptExpiredSecret is a secret of scan-bot that was good once.
const ScriptExpiredSecret = "sandbox-expired-secret"

// federatedCredential lets an application prove itself with a token of another
// issuer. All three are matched exactly (entra.md §4.4).
type federatedCredential struct {
	issuer, subject, audience string
}

// outsider is the issuer that federated credentials name, and the certificate of
// scan-bot. Both are made when they are first asked for.
type outsider struct {
	key         func() *signingKey
	certificate func() ([]byte, error) // PEM with its key, registered for scan-bot
}

func newOutsider(s *Sandbox) *outsider {
	return &outsider{
		key:         sync.OnceValue(func() *signingKey { return generateKey(s.now()).wait() }),
		certificate: sync.OnceValues(s.makeCertificate),
	}
}

func (t *tenant) federatedIssuer() string { return t.s.options.Origin + "/federated" }

// outsiderRoutes mounts the issuer that federated credentials name and the
// certificate that can be tried.
func (t *tenant) outsiderRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /federated/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeMetadata(w, map[string]any{
			"issuer": t.federatedIssuer(), "jwks_uri": t.federatedIssuer() + "/keys",
			// It signs nobody in, but a document without these is none (OpenID
			// Connect Discovery 1.0 §3).
			"authorization_endpoint": t.federatedIssuer() + "/authorize", "token_endpoint": t.federatedIssuer() + "/token",
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /federated/keys", func(w http.ResponseWriter, _ *http.Request) {
		key := t.outsider.key()
		writeMetadata(w, map[string]any{"keys": []jwkEntry{{KeyType: "RSA", Use: "sig", KeyID: key.kid, Thumbprint: key.kid,
			N: base64.RawURLEncoding.EncodeToString(key.private.N.Bytes()),
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.private.E)).Bytes())}}})
	})
	mux.HandleFunc("GET /federated/token", t.serveFederatedToken)
	mux.HandleFunc("GET /sandbox/certificate.pem", t.serveCertificate)
}

// serveFederatedToken gives anyone a token of the other issuer, as a build
// pipeline gets one: ?subject=, ?audience=, ?issuer= and ?lifetime= (as 10m, or
// -1h for one that has expired) change what is in it.
func (t *tenant) serveFederatedToken(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	or := func(name, byDefault string) string {
		if value := q.Get(name); value != "" {
			return value
		}
		return byDefault
	}
	lifetime, err := time.ParseDuration(or("lifetime", "10m"))
	if err != nil {
		http.Error(w, "lifetime is not a duration such as 10m.", http.StatusBadRequest)
		return
	}
	now := t.s.now()
	key := t.outsider.key()
	token := signWith(map[string]any{
		"iss": or("issuer", t.federatedIssuer()), "sub": or("subject", FederatedSubject), "aud": or("audience", FederatedAudience),
		"iat": now.Unix(), "nbf": now.Add(min(0, lifetime)).Unix(), "exp": now.Add(lifetime).Unix(), "jti": newGUID(),
	}, 2, key.kid, jose.RS256, key.private)
	writeSecretText(w, token+"\n")
}

func writeSecretText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(text)) // the reader is gone if this fails
}

// serveCertificate gives anyone the certificate with key that is registered for
// the daemons: it guards nothing.
func (t *tenant) serveCertificate(w http.ResponseWriter, _ *http.Request) {
	text, err := t.outsider.certificate()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeSecretText(w, string(text))
}

func (s *Sandbox) makeCertificate() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("sandbox: make a key: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(s.now().UnixNano()), Subject: pkix.Name{CommonName: "scan-bot"},
		NotBefore: s.now().Add(-time.Hour), NotAfter: s.now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sandbox: make a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("sandbox: read the certificate: %w", err)
	}
	for _, client := range []string{ScriptClientID, CertificateClientID} {
		if err := s.RegisterCertificate(client, cert); err != nil {
			return nil, err
		}
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("sandbox: encode the key: %w", err)
	}
	return slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})), nil
}

// foreignAssertion says whether an assertion is the token of another issuer and
// not one that the client signed itself.
func foreignAssertion(parsed *jose.JSONWebSignature, app *application) bool {
	header := parsed.Signatures[0].Header
	if header.ExtraHeaders["x5t#S256"] != nil || header.ExtraHeaders["x5t"] != nil {
		return false
	}
	issuer := issuerOf(parsed)
	return issuer != "" && !strings.EqualFold(issuer, app.appID)
}

func issuerOf(parsed *jose.JSONWebSignature) string {
	var claims struct {
		Issuer string `json:"iss"`
	}
	_ = json.Unmarshal(parsed.UnsafePayloadWithoutVerification(), &claims) // no issuer is an answer too
	return claims.Issuer
}

// checkFederated verifies the token of another issuer against the application's
// federated credentials. Entra answers by what it finds first that does not
// fit: issuer, audience, subject (entra.md §2.7).
func (t *tenant) checkFederated(app *application, parsed *jose.JSONWebSignature) *protocolError {
	var claims struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
	}
	if err := json.Unmarshal(parsed.UnsafePayloadWithoutVerification(), &claims); err != nil {
		return t.fail(50027, "its claims do not parse")
	}
	if len(app.federated) == 0 {
		return t.fail(70021)
	}
	fits := func(f func(federatedCredential) bool) bool { return slices.ContainsFunc(app.federated, f) }
	switch {
	case !fits(func(c federatedCredential) bool { return c.issuer == claims.Issuer }):
		return t.fail(700211, claims.Issuer)
	case !fits(func(c federatedCredential) bool { return c.issuer == claims.Issuer && c.audience == claims.Audience }):
		return t.fail(700212, claims.Audience)
	case !fits(func(c federatedCredential) bool {
		return c == federatedCredential{claims.Issuer, claims.Subject, claims.Audience}
	}):
		return t.fail(700213, claims.Subject)
	}
	// The only issuer there is.
	if _, err := parsed.Verify(&t.outsider.key().private.PublicKey); err != nil {
		return t.fail(50013, "its signature is wrong")
	}
	if t.s.now().After(time.Unix(claims.Expires, 0).Add(clockSkew)) {
		return t.fail(700024)
	}
	return nil
}

// epoch writes a time as IMDS and App Service do: seconds, as text.
func epoch(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
