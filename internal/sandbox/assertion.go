package sandbox

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // x5t is a SHA-1 thumbprint by definition (RFC 7515 §4.1.7)
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// assertionType is the only client_assertion_type there is (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// clockSkew is how far the clocks of a client and the tenant may differ.
const clockSkew = 5 * time.Minute

// RegisterCertificate adds a certificate to a registration, as an administrator
// uploads one. Client assertions signed with its key are accepted from then on.
func (s *Sandbox) RegisterCertificate(clientID string, cert *x509.Certificate) error {
	app := s.tenant.app(clientID)
	if app == nil {
		return fmt.Errorf("sandbox: no application %s", clientID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	app.certificates = append(app.certificates, certificate{
		sha1:   sha1.Sum(cert.Raw), //nolint:gosec // see the import
		sha256: sha256.Sum256(cert.Raw), key: cert.PublicKey,
		from: cert.NotBefore, until: cert.NotAfter})
	return nil
}

// checkAssertion verifies a client assertion that a registered certificate
// signed, or the token of an issuer that a federated credential names
// (entra.md §4.4).
func (t *tenant) checkAssertion(request *tokenRequest, assertion string) *protocolError {
	if request.form.Get("client_assertion_type") != assertionType {
		return t.fail(900144, "client_assertion_type")
	}
	parsed, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.PS256, jose.RS256})
	if err != nil {
		return t.fail(50027, "it does not parse, or its algorithm is neither PS256 nor RS256")
	}
	if foreignAssertion(parsed, request.app) {
		return t.checkFederated(request.app, parsed)
	}
	known := t.certificateOf(request.app, parsed.Signatures[0].Header)
	if known == nil {
		return t.fail(700027, "the certificate is not registered for the application")
	}
	payload, err := parsed.Verify(known.key)
	if err != nil {
		return t.fail(700027, "the signature is wrong")
	}
	var claims struct {
		Issuer    string `json:"iss"`
		Subject   string `json:"sub"`
		Audience  string `json:"aud"`
		Expires   int64  `json:"exp"`
		NotBefore int64  `json:"nbf"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return t.fail(50027, "its claims do not parse")
	}
	if !strings.EqualFold(claims.Issuer, request.app.appID) || claims.Subject != claims.Issuer {
		return t.fail(700030)
	}
	if !t.isTokenEndpoint(claims.Audience) {
		return t.fail(50012, "its audience is not the token endpoint")
	}
	now := t.s.now()
	if now.After(time.Unix(claims.Expires, 0).Add(clockSkew)) || now.Before(time.Unix(claims.NotBefore, 0).Add(-clockSkew)) {
		return t.fail(700024)
	}
	return nil
}

// isTokenEndpoint says whether an assertion's audience is a token endpoint of
// this authority, in either version and by whatever name the tenant is called.
func (t *tenant) isTokenEndpoint(audience string) bool {
	path, ours := strings.CutPrefix(audience, t.s.options.Origin+"/")
	if !ours {
		return false
	}
	segment, rest, _ := strings.Cut(path, "/")
	_, known := authorityOf(segment)
	return known && (rest == "oauth2/v2.0/token" || rest == "oauth2/token" || rest == "v2.0")
}

// certificateOf finds the registered certificate that the header of an
// assertion names.
func (t *tenant) certificateOf(app *application, header jose.Header) *certificate {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for i := range app.certificates {
		known := &app.certificates[i]
		if sameThumbprint(header.ExtraHeaders["x5t#S256"], known.sha256[:]) || sameThumbprint(header.ExtraHeaders["x5t"], known.sha1[:]) {
			return known
		}
	}
	return nil
}

// sameThumbprint compares a thumbprint from a header. MSAL Go writes it in
// padded standard base64, others in base64url.
func sameThumbprint(sent any, known []byte) bool {
	text, ok := sent.(string)
	if !ok {
		return false
	}
	text = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(text), "=")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && bytes.Equal(raw, known)
}
