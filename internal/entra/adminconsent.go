package entra

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"azts.internal/portal/internal/apperr"
)

// AdminConsent is a request to the v2 admin consent endpoint (entra.md §7.1): an
// administrator grants scopes to this application for the whole tenant.
type AdminConsent struct {
	// Tenant is the tenant that is to grant, a GUID; the endpoint does not know
	// "common". "" means the one of the provider's own address.
	Tenant      string
	Scopes      []string // of one API
	RedirectURL string   // registered; the answer comes there by GET
	State       string
}

// Both ends of the two addresses, which share everything before.
const (
	authorizeSuffix    = "/oauth2/v2.0/authorize"
	adminConsentSuffix = "/v2.0/adminconsent"
)

var errNoAdminConsent = apperr.New(apperr.Unavailable, "admin_consent_unavailable", "The company sign-in has no page on which an administrator consents for everybody.").
	WithNext(apperr.MenderDeveloper, "Grant the permission where the provider keeps its applications.")

// AdminConsentURL returns the address of the tenant's page for a.
func (p *Provider) AdminConsentURL(ctx context.Context, a AdminConsent) (string, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(m.AuthorizationEndpoint)
	if err != nil {
		return "", errNoAdminConsent.Because(err)
	}
	base, ok := strings.CutSuffix(u.Path, authorizeSuffix)
	if !ok {
		return "", errNoAdminConsent.Becausef("the authorization endpoint ends in %q", clip(u.Path))
	}
	if a.Tenant != "" {
		if !IsGUID(a.Tenant) {
			return "", errNoAdminConsent.Becausef("%q is no tenant id", clip(a.Tenant))
		}
		base = base[:strings.LastIndexByte(base, '/')+1] + a.Tenant
	}
	u.Path, u.RawPath = base+adminConsentSuffix, ""
	u.RawQuery = url.Values{"client_id": {p.options.ClientID}, "scope": {strings.Join(a.Scopes, " ")},
		"redirect_uri": {a.RedirectURL}, "state": {a.State}}.Encode()
	return u.String(), nil
}

// CodeConsentRefused is the code of the error that says that somebody declined.
const CodeConsentRefused = "admin_consent_refused"

var (
	errConsentMalformed = apperr.New(apperr.Invalid, "admin_consent_malformed", "This answer of the company sign-in is malformed.").
				WithNext(apperr.MenderPerson, "Start again from the page on which you granted the permission.")
	errConsentRefused = apperr.New(apperr.Forbidden, CodeConsentRefused, "The permission was not granted: somebody said no on the page of the company sign-in.").
				WithNext(apperr.MenderPerson, "Start again if that was a mistake. Granting for everybody needs the role Global Administrator, Privileged Role Administrator, Application Administrator or Cloud Application Administrator.")
)

// AdminConsentState returns the state of an answer of the admin consent endpoint.
// Nothing else of the answer may be believed before that state is known to be ours.
func AdminConsentState(query url.Values) string { return query.Get("state") }

// ParseAdminConsent reads the answer of the admin consent endpoint. nil says that
// the tenant claims success, which proves nothing: read the grant back. The tenant
// that it names is not read at all.
func ParseAdminConsent(query url.Values) error {
	for _, values := range query {
		if len(values) > 1 {
			return errConsentMalformed.Becausef("a parameter comes %d times", len(values))
		}
	}
	refusal := ProviderError{OAuthError: query.Get("error"), Description: query.Get("error_description"), Subcode: query.Get("error_subcode")}
	switch {
	case refusal.OAuthError == "":
		if !strings.EqualFold(query.Get("admin_consent"), "true") {
			return errConsentMalformed.Becausef("admin_consent is %q", clip(query.Get("admin_consent")))
		}
		return nil
	case slices.Contains([]string{"access_denied", "permission_denied", "consent_required"}, refusal.OAuthError) &&
		(refusal.Description == "" || slices.Contains(AADSTSNumbers(refusal.Description), 65004)):
		return errConsentRefused.Because(ParseError(refusal))
	}
	return ParseError(refusal)
}
