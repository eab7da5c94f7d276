package entra

import (
	"slices"
	"strings"

	"azts.internal/portal/internal/access"
)

// Accepts reports whether somebody who signed in earlier could sign in under
// today's configuration, by issuer and tenant (entra.md §1.4). It asks nobody:
// the provider need not be reachable.
func (p *Provider) Accepts(u access.User) bool {
	expected := strings.Replace(p.options.Issuer, tenantTemplate, u.TenantID, 1)
	return p.AcceptsIssuer(u.Issuer) && u.Issuer == expected
}

// AcceptsIssuer is [Provider.Accepts] where no more is known than the issuer, which
// names the tenant. What somebody brought from an issuer that is not accepted must
// not be sent anywhere: the token endpoint is another one today.
func (p *Provider) AcceptsIssuer(issuer string) bool {
	before, after, several := strings.Cut(p.options.Issuer, tenantTemplate)
	if !several {
		return issuer == p.options.Issuer
	}
	rest, begins := strings.CutPrefix(issuer, before)
	tenant, ends := strings.CutSuffix(rest, after)
	return begins && ends && IsGUID(tenant) && slices.Contains(p.options.AllowedTenants, strings.ToLower(tenant))
}

// TenantID returns the one tenant whose people sign in here, in lower case; ""
// where there are several, or where the provider is not Entra.
func (p *Provider) TenantID() string {
	for _, part := range strings.Split(strings.ToLower(p.options.Issuer), "/") {
		if IsGUID(part) {
			return part
		}
	}
	if strings.Contains(p.options.Issuer, tenantTemplate) && len(p.options.AllowedTenants) == 1 {
		return strings.ToLower(p.options.AllowedTenants[0])
	}
	return ""
}
