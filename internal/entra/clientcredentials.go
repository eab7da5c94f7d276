package entra

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"azts.internal/portal/internal/apperr"
)

// AppTokenRequest asks for a token of an application's own (entra.md §4.4).
type AppTokenRequest struct {
	TenantID   string // one of [Provider.Tenants]
	ClientID   string
	Credential Credential // of that application
	Scope      string     // <App ID URI>/.default, from [Catalogue.AppScope]
}

// Errors of a request for an application's token.
var (
	errClientID = apperr.New(apperr.Invalid, "client_id_malformed", "The client id is not a GUID.").
			WithNext(apperr.MenderPerson, "Copy the Application (client) ID from the registration. It looks like 00000000-0000-0000-0000-000000000000.")
	errTenant = apperr.New(apperr.Invalid, "tenant_unknown", "This portal does not ask that tenant for tokens.").
			WithNext(apperr.MenderAdmin, "Choose one of the list. Whoever runs this portal can allow more tenants.")
	errTooManyAsked = apperr.New(apperr.TooMany, "provider_throttled", "The company sign-in takes no more requests for this application just now.").
			WithNext(apperr.MenderPerson, "Wait a minute, then try again. If a script asks with the same application in a loop, stop it.").WithRetry()
	errAppScopeMissing = apperr.New(apperr.Invalid, "scope_missing", "No API is chosen.").
				WithNext(apperr.MenderPerson, "Choose one of the list, or type the scope that you were given.")
)

// Tenants returns the ids of the tenants that applications can be asked tokens
// for: the one of this portal, or those that may sign in. It is empty where the
// provider's issuer names no tenant, as at providers other than Entra.
func (p *Provider) Tenants() []string {
	if strings.Contains(p.options.Issuer, tenantTemplate) {
		return p.options.AllowedTenants
	}
	for segment := range strings.SplitSeq(p.options.Issuer, "/") {
		if IsGUID(segment) {
			return []string{strings.ToLower(segment)}
		}
	}
	return nil
}

// AppToken asks the token endpoint for a token that speaks for an application
// (RFC 6749 §4.4). Nothing is tried twice, and nothing is kept. Its errors are in
// words for the owner of that application.
func (p *Provider) AppToken(ctx context.Context, r AppTokenRequest) (*TokenSet, error) {
	if !IsGUID(r.ClientID) {
		return nil, errClientID
	}
	if !slices.Contains(p.Tenants(), strings.ToLower(r.TenantID)) {
		return nil, errTenant.Becausef("tenant %q", clip(r.TenantID))
	}
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	endpoint, err := tenantEndpoint(m.TokenEndpoint, p.options.Issuer, strings.ToLower(r.TenantID))
	if err != nil {
		return nil, err
	}
	form, err := r.Credential.authenticate(strings.ToLower(r.ClientID), endpoint)
	if err != nil {
		return nil, errCertificateUnreadable.Becausef("%T", err)
	}
	form.Set("grant_type", "client_credentials")
	form.Set("client_id", strings.ToLower(r.ClientID))
	form.Set("scope", r.Scope)
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errProviderWrong.Because(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	status, body, err := p.exchange(req)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusTooManyRequests:
		return nil, errTooManyAsked.Because(tokenError(status, body, form))
	case status != http.StatusOK:
		return nil, appWords(tokenError(status, body, form))
	}
	set, err := parseTokenAnswer(body, p.options.Now())
	if err != nil {
		return nil, err
	}
	// Entra names no scope in this answer.
	set.Scopes, set.RefreshToken, set.IDToken = []string{r.Scope}, "", ""
	return set, nil
}

// tenantEndpoint puts a tenant into the token endpoint of an authority that
// several tenants share (entra.md §1.2): its first segment stands for them all.
func tenantEndpoint(endpoint, issuer, tenant string) (string, error) {
	if !strings.Contains(issuer, tenantTemplate) {
		return endpoint, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", errProviderWrong.Because(err)
	}
	segment, rest, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if segment != "organizations" && segment != "common" {
		return "", errProviderWrong.Becausef("token endpoint of %q", clip(segment))
	}
	u.Path = "/" + tenant + "/" + rest
	return u.String(), nil
}

// appCode says what one AADSTS number means to the owner of an application,
// who has its credential at hand and typed the request.
type appCode struct {
	kind    apperr.Kind
	mender  apperr.Mender
	message string
	next    string
}

var appTokenCodes = map[int]appCode{
	7000215: {apperr.Forbidden, apperr.MenderPerson, "The secret is wrong.",
		"Often the secret's id was copied in place of its value. The value is shown only once: if you do not have it, the owner of the application makes a new secret."},
	7000222: {apperr.Expired, apperr.MenderAdmin, "The secret has expired.",
		"The owner of the application makes a new secret at its registration, under Certificates & secrets."},
	700027: {apperr.Forbidden, apperr.MenderAdmin, "The certificate is not registered for this application.",
		"The owner of the application uploads it at the registration, under Certificates & secrets. The key stays with you. Check the client id too."},
	50012: {apperr.Forbidden, apperr.MenderAdmin, "The certificate is not trusted for this application.",
		"The owner of the application uploads it at the registration, under Certificates & secrets."},
	700024: {apperr.Expired, apperr.MenderPerson, "The proof is too old, or not valid yet.",
		"Get a new assertion and use it within minutes. If that does not help, a clock is wrong."},
	700030: {apperr.Forbidden, apperr.MenderAdmin, "The subject of the certificate or assertion is not allowed for this application.",
		"The owner of the application compares it with the registration."},
	50027: {apperr.Invalid, apperr.MenderPerson, "The company sign-in cannot read the assertion.",
		"Get a new one from its issuer and paste it whole."},
	50013: {apperr.Invalid, apperr.MenderPerson, "The company sign-in cannot verify the assertion: it was changed, or its issuer did not sign it.",
		"Get a new one from its issuer and paste it whole."},
	700016: {apperr.NotFound, apperr.MenderPerson, "There is no application with this client id in the tenant.",
		"Compare it with the Application (client) ID of the registration, and the tenant with the one the application lives in. An application of another tenant has to be added here by an administrator first."},
	700011: {apperr.NotFound, apperr.MenderPerson, "There is no application with this client id in the tenant.",
		"Compare it with the Application (client) ID of the registration."},
	7000229: {apperr.Forbidden, apperr.MenderAdmin, "The application is registered but not installed in this tenant.",
		"An administrator creates its enterprise application (service principal) in this tenant."},
	7000112: {apperr.Forbidden, apperr.MenderAdmin, "The application is disabled.", "An administrator enables it again, or says why it is."},
	700025: {apperr.Invalid, apperr.MenderAdmin, "The application is registered as a public client, which proves itself with nothing and gets no token of its own.",
		"The owner registers a confidential client for scripts that run on their own."},
	7000218: {apperr.Invalid, apperr.MenderAdmin, "The application is registered as a public client, which gets no token of its own.",
		"The owner registers a confidential client for scripts that run on their own."},
	90002: {apperr.NotFound, apperr.MenderPerson, "The tenant does not exist, or it lives in another cloud.",
		"Check the tenant. Ids of one cloud do not exist in another."},
	500011: {apperr.NotFound, apperr.MenderAdmin, "The API is not installed in this tenant.",
		"Check the scope. If it is right, an administrator has to add the API to the tenant."},
	50001: {apperr.NotFound, apperr.MenderAdmin, "The API is disabled or does not exist in this tenant.",
		"Check the scope. If it is right, an administrator has to enable the API."},
	501051: {apperr.Forbidden, apperr.MenderAdmin, "The API takes only applications that were assigned to it, and this one is not.",
		"The administrator of the API assigns an app role to the application."},
	70021: {apperr.Forbidden, apperr.MenderAdmin, "The application has no federated credential that fits the assertion.",
		"The owner of the application adds one at its registration, with the issuer, subject and audience that stand in the assertion. It works some minutes later."},
	700211: {apperr.Forbidden, apperr.MenderAdmin, "No federated credential of the application names the issuer of the assertion.",
		"Compare iss in the assertion with the registration, letter by letter: upper and lower case and a slash at the end count."},
	700212: {apperr.Forbidden, apperr.MenderAdmin, "No federated credential of the application names the audience of the assertion.",
		"Ask the issuer for the audience api://AzureADTokenExchange, or compare aud in the assertion with the registration."},
	700213: {apperr.Forbidden, apperr.MenderAdmin, "No federated credential of the application names the subject of the assertion.",
		"Compare sub in the assertion with the registration, letter by letter: a pipeline on another branch has another subject."},
}

// appWords puts a refusal of the token endpoint into words for the owner of the
// application.
func appWords(err error) error {
	var refusal *ProviderError
	if !errors.As(err, &refusal) {
		return err
	}
	for _, number := range refusal.Codes {
		if code, ok := appTokenCodes[number]; ok {
			return apperr.New(code.kind, aadstsCode(number), code.message).WithNext(code.mender, code.next).Because(err)
		}
	}
	return err
}

// AppScope returns the scope that an application has to ask for, from what a
// person typed or copied: a resource of the catalogue by its App ID URI, by any
// of its scopes, or by the mistake of a permission before /.default. mended says
// that it was something else. Its errors are of kind Invalid.
func (c Catalogue) AppScope(typed string) (resource *Resource, scope string, mended bool, err error) {
	fields := strings.FieldsFunc(typed, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\t' || r == '\r' || r == '\n' })
	if len(fields) == 0 {
		return nil, "", false, errAppScopeMissing
	}
	if len(fields) > maxAsked {
		return nil, "", false, errScopeMany
	}
	for _, field := range fields {
		one, permission, err := c.resourceIn(field)
		switch {
		case err != nil:
			return nil, "", false, err
		case resource != nil && resource != one:
			return nil, "", false, errTwoResources
		}
		resource = one
		mended = mended || len(fields) > 1 || permission != DefaultScope
	}
	return resource, resource.Scope(DefaultScope), mended, nil
}

// resourceIn finds the resource that a scope names, and what stands behind it:
// ".default", "user_impersonation", "user_impersonation/.default", or "".
func (c Catalogue) resourceIn(scope string) (*Resource, string, error) {
	if len(scope) > 512 || !strings.Contains(scope, "://") {
		return nil, "", errScopeMalformed.Becausef("scope of %d bytes", len(scope))
	}
	// The longest fits best: one App ID URI may begin with another.
	var found *Resource
	var rest string
	for i := range c {
		uri := c[i].AppIDURI
		if len(scope) < len(uri) || !strings.EqualFold(scope[:len(uri)], uri) || len(scope) > len(uri) && scope[len(uri)] != '/' {
			continue
		}
		if found == nil || len(uri) > len(found.AppIDURI) {
			found, rest = &c[i], strings.Trim(scope[len(uri):], "/")
		}
	}
	if found == nil {
		return nil, "", errUnknownResource.Becausef("scope of %d bytes", len(scope))
	}
	name := strings.TrimSuffix(rest, "/"+DefaultScope)
	if name != "" && !scopeName(name) {
		return nil, "", errScopeMalformed.Becausef("permission of %d bytes", len(name))
	}
	return found, rest, nil
}
