package flows

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/trace"
)

const (
	deviceGrant     = "urn:ietf:params:oauth:grant-type:device_code"
	onBehalfOfGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	assertionType   = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// challengeOf is PKCE's S256 (RFC 7636 §4.2).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// pendingDevice reports whether the tenant still waits for the person.
func pendingDevice(err error) bool {
	var e *entra.ProviderError
	return errors.As(err, &e) && (e.OAuthError == "authorization_pending" || e.OAuthError == "slow_down")
}

// appScope is what a service asks for at AzTS.
func (r *labRun) appScope() string {
	return allOf(r.box.AzTSScope)
}

// allOf returns .default of the API that a scope is of.
func allOf(scope string) string { return scope[:strings.LastIndexByte(scope, '/')] + "/.default" }

// appForm is a service's token request.
func (r *labRun) appForm(proof ...string) url.Values {
	form := formOf(append([]string{"grant_type", "client_credentials", "scope", r.appScope()}, proof...)...)
	if r.breaks("two-resources") {
		form.Set("scope", r.appScope()+" "+allOf(r.box.ARMScope))
	}
	return form
}

// askAsApp asks for a token and calls AzTS with it.
func (r *labRun) askAsApp(ctx context.Context, form url.Values) error {
	tokens, err := r.post(r.as(ctx, "token"), Script, "token", form)
	if err != nil {
		return err
	}
	return r.callScan(r.as(ctx, "call"), tokens.AccessToken)
}

func (r *labRun) clientSecret(ctx context.Context) error {
	form := r.appForm("client_id", r.box.ScriptClientID, "client_secret", r.box.ScriptClientSecret)
	switch {
	case r.breaks("secret-instead-of-certificate"):
		form.Set("client_id", r.box.CertificateClientID)
	case r.breaks("foreign-audience"):
		form.Set("scope", r.box.GraphBase+"/.default")
	}
	return r.askAsApp(ctx, form)
}

// clientCertificate signs an assertion (entra.md §4.4; RFC 7523 §3).
func (r *labRun) clientCertificate(ctx context.Context) error {
	if r.breaks("secret-instead-of-certificate") {
		return r.askAsApp(ctx, r.appForm("client_id", r.box.CertificateClientID, "client_secret", r.box.ScriptClientSecret))
	}
	certificate, key, err := r.certificate(ctx)
	if err != nil {
		return err
	}
	now, audience := r.clock.Now(), r.box.Origin+"/"+r.box.TenantID+"/oauth2/v2.0/token"
	life := 5 * time.Minute
	switch {
	case r.breaks("clock-off"):
		now = now.Add(tenMinutes)
	case r.breaks("expired-token"):
		now = now.Add(-time.Hour)
	case r.breaks("foreign-audience"):
		audience = "https://login.example/oauth2/token"
	}
	assertion, err := sign(certificate, key, map[string]any{"aud": audience, "iss": r.box.ScriptClientID, "sub": r.box.ScriptClientID,
		"jti": newID(), "nbf": now.Unix(), "iat": now.Unix(), "exp": now.Add(life).Unix()})
	if err != nil {
		return err
	}
	if r.breaks("tampered-signature") {
		assertion = tampered(assertion)
	}
	r.recorder.Secret(trace.Assertion, assertion)
	return r.askAsApp(ctx, r.appForm("client_id", r.box.ScriptClientID, "client_assertion_type", assertionType, "client_assertion", assertion))
}

// certificate reads the daemon's certificate with its key. It is no message of the
// flow, so nothing of it is recorded: in a company the key lies in a store.
func (r *labRun) certificate(ctx context.Context) (*x509.Certificate, *rsa.PrivateKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.box.CertificateURL, nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := r.box.Transport.RoundTrip(request)
	if err != nil {
		return nil, nil, err
	}
	text, err := readBody(response)
	if err != nil {
		return nil, nil, err
	}
	first, rest := pem.Decode(text)
	second, _ := pem.Decode(rest)
	if first == nil || second == nil {
		return nil, nil, errors.New("flows: the box has no certificate")
	}
	certificate, err := x509.ParseCertificate(first.Bytes)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(second.Bytes)
	if err != nil {
		return nil, nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, nil, errors.New("flows: the box has a key of another kind")
	}
	return certificate, private, nil
}

func sign(certificate *x509.Certificate, key *rsa.PrivateKey, claims map[string]any) (string, error) {
	sum := sha256.Sum256(certificate.Raw)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: key},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(sum[:])))
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// clientFederated proves itself by a token of another issuer.
func (r *labRun) clientFederated(ctx context.Context) error {
	address := r.box.FederatedURL
	switch {
	case r.breaks("foreign-audience"):
		address += "?audience=api%3A%2F%2Felsewhere"
	case r.breaks("expired-token"):
		address += "?lifetime=-1h"
	}
	_, body, err := r.fetch(r.as(ctx, "foreign"), Script, address, nil)
	if err != nil {
		return err
	}
	assertion := strings.TrimSpace(string(body))
	if r.breaks("tampered-signature") {
		assertion = tampered(assertion)
	}
	r.recorder.Secret(trace.Assertion, assertion)
	return r.askAsApp(ctx, r.appForm("client_id", r.box.ScriptClientID, "client_assertion_type", assertionType, "client_assertion", assertion))
}

// managedIdentity asks both endpoints, of a virtual machine and of App Service.
func (r *labRun) managedIdentity(ctx context.Context) error {
	resource := strings.TrimSuffix(r.box.AzTSScope, "/user_impersonation")
	if r.breaks("two-resources") {
		resource += " " + strings.TrimSuffix(r.box.ARMScope, "/user_impersonation")
	}
	// The pauses of the table are not waited for: the answer says what would be.
	query := formOf("api-version", "2018-02-01", "resource", resource)
	for _, one := range []struct {
		id, path, version string
		header            http.Header
	}{
		{"imds", "/metadata/identity/oauth2/token", "2018-02-01", http.Header{"Metadata": {"true"}}},
		{"appservice", "/msi/token", "2019-08-01", http.Header{"X-Identity-Header": {r.box.IdentityHeader}}},
	} {
		query.Set("api-version", one.version)
		status, body, err := r.fetch(r.as(ctx, one.id), Script, r.box.Origin+one.path+"?"+query.Encode(), one.header)
		if err != nil {
			return err
		}
		var answer struct { // numbers are texts here
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		if status != http.StatusOK {
			return &Refusal{By: Machine, Code: answer.Error, Text: answer.Description}
		}
	}
	// The box gives the machine no role at AzTS: it is not called.
	return nil
}

// signOut ends a session: here, at the tenant, and everywhere in this browser.
func (r *labRun) signOut(ctx context.Context) error {
	identity, err := r.authenticateAs(ctx, r.box.Employee, "")
	if err != nil {
		return err
	}
	step, _ := stepOf(r.as(ctx, "local"))
	step.From, step.To = string(Browser), string(Portal)
	provider, err := r.portal(0)
	if err != nil {
		return err
	}
	state := newID()
	r.recorder.Secret(trace.State, state)
	address, err := provider.EndSessionURL(ctx, entra.SignOut{PostLogoutRedirectURL: r.box.Portal + "/auth/signed-out", LogoutHint: identity.LoginHint, IDTokenHint: identity.Raw, State: state})
	if err != nil {
		return err
	}
	r.recorder.Add(trace.Exchange{Step: step, At: r.lab.now(), Method: http.MethodPost, URL: r.box.Portal + "/auth/logout", Header: http.Header{"Origin": {r.box.Portal}},
		Status: http.StatusSeeOther, AnswerHeader: http.Header{"Location": {address}}})
	rest, err := r.browse(r.as(ctx, "end"), address)
	if err != nil {
		return err
	}
	for _, frame := range rest.frames {
		if !strings.HasPrefix(frame, r.box.Portal+"/") {
			continue
		}
		step, _ := stepOf(r.as(ctx, "frontchannel"))
		step.From, step.To = string(Browser), string(Portal)
		r.recorder.Add(trace.Exchange{Step: step, At: r.lab.now(), Method: http.MethodGet, URL: frame, Status: http.StatusOK, AnswerHeader: http.Header{"Cache-Control": {"no-store"}}})
	}
	step, _ = stepOf(r.as(ctx, "back"))
	step.From, step.To = string(Browser), string(Portal)
	r.recorder.Add(trace.Exchange{Step: step, At: r.lab.now(), Method: http.MethodGet, URL: rest.url, Status: http.StatusOK})
	return nil
}
