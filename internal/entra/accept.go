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
	expected := p.options.Issuer
	if strings.Contains(expected, tenantTemplate) {
		if !IsGUID(u.TenantID) || !slices.Contains(p.options.AllowedTenants, strings.ToLower(u.TenantID)) {
			return false
		}
		expected = strings.Replace(expected, tenantTemplate, u.TenantID, 1)
	}
	return u.Issuer == expected
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
