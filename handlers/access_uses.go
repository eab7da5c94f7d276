package handlers

import (
	"strings"

	"azts.internal/portal/internal/entra"
)

// api is one of the APIs whose permissions this portal uses, whatever its
// address is in this cloud and at this company.
type api string

// The APIs that the portal itself calls.
const (
	apiAzTS  api = "AzTS"
	apiAzure api = "Azure Resource Manager"
	apiGraph api = "Microsoft Graph"
)

// scopeUse says what a delegated permission is for in this portal.
type scopeUse struct {
	api   api
	scope string
	what  string   // as it is named to people
	paths []string // of the routes that need it; none for signing in
}

// scopeUses is the whole of it: a permission that is granted and not in here is
// used by nothing. Whoever adds a route that asks an API adds it here too.
var scopeUses = []scopeUse{
	{apiAzTS, "user_impersonation", "Overview", []string{"/"}},
	{apiAzTS, "user_impersonation", "Scans", []string{"/scans"}},
	{apiAzTS, "user_impersonation", "Tokens", []string{"/tokens"}},
	{apiAzure, "user_impersonation", "Overview", []string{"/"}},
	{apiAzure, "user_impersonation", "Access", []string{"/access"}},
	{apiGraph, "openid", "Signing in", nil},
	{apiGraph, "profile", "Signing in", nil},
	{apiGraph, "email", "Signing in", nil},
	{apiGraph, "offline_access", "Staying signed in", nil},
	{apiGraph, "User.Read", "Knowing administrators by their groups", []string{"/admin/consent"}},
	{apiGraph, "Directory.Read.All", "Access", []string{"/access"}},
	{apiGraph, "Directory.Read.All", "Admin", []string{"/admin/consent"}},
	{apiGraph, "DelegatedPermissionGrant.ReadWrite.All", "Giving back consent", []string{"/access/give-back"}},
	{apiGraph, "DelegatedPermissionGrant.ReadWrite.All", "Admin", []string{"/admin/consent"}},
	{apiGraph, "AppRoleAssignment.ReadWrite.All", "Admin", []string{"/admin/consent"}},
}

// usesOf returns what a permission is used for; of AzTS the scope is the
// configured one.
func (a *myAccess) usesOf(resource *entra.Resource, scope string) []string {
	if resource == nil {
		return nil
	}
	of := api(resource.Name)
	var uses []string
	for _, use := range scopeUses {
		wanted := use.scope
		if use.api == apiAzTS {
			wanted = entra.ScopeName(a.aztsScope)
		}
		if use.api == of && strings.EqualFold(wanted, scope) {
			uses = append(uses, use.what)
		}
	}
	return uses
}
