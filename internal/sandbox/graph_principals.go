package sandbox

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// appReadScopes let a call read applications, their service principals and who
// holds which app role.
var appReadScopes = []string{"Application.Read.All", "Directory.Read.All"}

// microsoftTenantID owns the service principals of Microsoft's own services.
const microsoftTenantID = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"

const servicePrincipalsKind = "servicePrincipals"

// servicePrincipals returns all of them, always in the same order. s.mu must be
// held.
func (t *tenant) servicePrincipals() []*application {
	return append(slices.Clone(t.apps), t.seeded.clients...)
}

// servicePrincipalOf finds one by object id. s.mu must be held.
func (a *azure) servicePrincipalOf(objectID string) *application {
	for _, app := range a.s.tenant.servicePrincipals() {
		if strings.EqualFold(app.objectID, objectID) {
			return app
		}
	}
	return nil
}

// servicePrincipalAt finds the one that a path or a body names, by object id or
// as appId=….
func (a *azure) servicePrincipalAt(id string) *application {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	appID, alternate := strings.CutPrefix(id, alternateKey)
	if !alternate {
		return a.servicePrincipalOf(id)
	}
	for _, app := range a.s.tenant.servicePrincipals() {
		if strings.EqualFold(app.appID, appID) {
			return app
		}
	}
	return nil
}

var namesFilter = regexp.MustCompile(`^servicePrincipalNames/any\([a-z]+:[a-z]+ eq '([^']*)'\)$`)

func (a *azure) graphServicePrincipals(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.graphCaller(w, r, appReadScopes...); !ok {
		return
	}
	var filter graphFilter
	// The one comparison inside a list that is supported: by identifier URI.
	byName := namesFilter.FindStringSubmatch(r.URL.Query().Get("$filter"))
	ok := true
	if byName == nil {
		if filter, ok = a.graphFilterOf(w, r, []string{"appId", "displayName", "servicePrincipalType"}, nil); !ok {
			return
		}
	}
	page, ok := a.graphPageOf(w, r)
	if !ok {
		return
	}
	a.s.mu.Lock()
	for i, app := range a.s.tenant.servicePrincipals() {
		if byName != nil && byName[1] != app.appID && !slices.Contains(app.identifierURIs, byName[1]) {
			continue
		}
		if !filter.admits("appId", app.appID) || !filter.admits("displayName", app.name) || !filter.admits("servicePrincipalType", "Application") {
			continue
		}
		if !page.offer(uint64(i)+1, func() map[string]any { return servicePrincipalEntity(app) }) {
			break
		}
	}
	a.s.mu.Unlock()
	a.graphList(w, r, servicePrincipalsKind, page)
}

func (a *azure) graphServicePrincipal(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.graphCaller(w, r, appReadScopes...); !ok {
		return
	}
	app := a.servicePrincipalAt(r.PathValue("id"))
	if app == nil {
		a.graphNotFound(w, r, r.PathValue("id"))
		return
	}
	a.graphEntity(w, r, servicePrincipalsKind, servicePrincipalEntity(app))
}

// servicePrincipalEntity is a service principal as Graph writes it
// (entra.md §7.3).
func servicePrincipalEntity(app *application) map[string]any {
	owner := TenantID
	verified := map[string]any{"displayName": nil, "verifiedPublisherId": nil, "addedDateTime": nil}
	switch app.publisher {
	case "Contoso":
	case "Microsoft Services":
		owner = microsoftTenantID
	default:
		owner = seededGUID("owner", app.appID, 0)
		if app.publisher != "" {
			verified["displayName"], verified["verifiedPublisherId"] = app.publisher, "3004117"
			verified["addedDateTime"] = "2024-02-03T04:05:06Z"
		}
	}
	return map[string]any{
		"id": app.objectID, "appId": app.appID, "displayName": app.name, "appDisplayName": app.name, "publisherName": orNull(app.publisher),
		"appOwnerOrganizationId": owner, "accountEnabled": !app.disabled, "appRoleAssignmentRequired": app.assignmentRequired,
		"createdDateTime": "2024-02-03T04:05:06Z", "servicePrincipalType": "Application", "servicePrincipalNames": append([]string{app.appID}, app.identifierURIs...),
		"homepage": orNull(app.homePage), "logoutUrl": orNull(app.logoutURL), "replyUrls": emptyIfNil(app.redirectURIs),
		"signInAudience": audienceOf(app), "verifiedPublisher": verified, "tags": []string{"WindowsAzureActiveDirectoryIntegratedApp"},
		"oauth2PermissionScopes": scopeEntities(app), "appRoles": roleEntities(app),
	}
}

func audienceOf(app *application) string {
	if app.multiTenant || app.publisher != "Contoso" {
		return "AzureADMultipleOrgs"
	}
	return "AzureADMyOrg"
}

func emptyIfNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// scopeEntities are the delegated permissions of an API (entra.md §7.2).
func scopeEntities(app *application) []map[string]any {
	list := make([]map[string]any, 0, len(app.scopes))
	for _, s := range app.scopes {
		kind := "User"
		if s.adminOnly {
			kind = "Admin"
		}
		list = append(list, map[string]any{"id": s.id, "value": s.value, "isEnabled": true, "type": kind,
			"adminConsentDisplayName": s.adminName, "adminConsentDescription": s.adminDescription,
			"userConsentDisplayName": s.userName, "userConsentDescription": s.userDescription})
	}
	return list
}

// roleEntities are the app roles of an application (entra.md §7.2).
func roleEntities(app *application) []map[string]any {
	list := make([]map[string]any, 0, len(app.roles))
	for _, role := range app.roles {
		members := []string{}
		if role.forUsers {
			members = append(members, "User")
		}
		if role.forApps {
			members = append(members, "Application")
		}
		list = append(list, map[string]any{"id": role.id, "value": role.value, "isEnabled": true, "displayName": role.name,
			"description": role.description, "allowedMemberTypes": members})
	}
	return list
}

// defaultAccess is the role id of an assignment that gives no role
// (entra.md §7.3).
const defaultAccess = "00000000-0000-0000-0000-000000000000"

// appRoleHolding is one appRoleAssignment: who holds which role of an
// application.
type appRoleHolding struct {
	number        uint64 // its place in the list, which no deletion changes
	roleID        string
	role          *appRole // nil for the default access
	resource      *application
	principalID   string
	principalName string
	principalApp  string // app id, if an application holds the role
}

func (h appRoleHolding) id() string {
	return grantID(TenantID, h.principalID, h.resource.objectID, h.roleID)
}

// appRoleHoldings returns every assignment that stands. s.mu must be held.
func (t *tenant) appRoleHoldings() []appRoleHolding {
	var list []appRoleHolding
	number := uint64(0)
	add := func(h appRoleHolding, stands bool) {
		number++
		if h.number = number; stands && !t.withdrawn[h.id()] {
			list = append(list, h)
		}
	}
	for _, resource := range t.apps {
		for i := range resource.roles {
			role := &resource.roles[i]
			for _, p := range t.people {
				add(appRoleHolding{roleID: role.id, role: role, resource: resource, principalID: p.id, principalName: p.name},
					p.member && slices.Contains(p.appRoles[resource.appID], role.value))
			}
			for _, app := range t.apps {
				add(appRoleHolding{roleID: role.id, role: role, resource: resource, principalID: app.objectID, principalName: app.name, principalApp: app.appID},
					slices.Contains(role.assignedApps, app.appID))
			}
		}
		for _, p := range t.people {
			add(appRoleHolding{roleID: defaultAccess, resource: resource, principalID: p.id, principalName: p.name},
				p.member && slices.Contains(resource.assigned, p.id))
		}
	}
	return list
}

// appRolesOf returns the app roles that a person still holds.
func (t *tenant) appRolesOf(p *person, app *application) []string {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	var values []string
	for _, h := range t.appRoleHoldings() {
		if h.resource == app && h.principalID == p.id && h.role != nil {
			values = append(values, h.role.value)
		}
	}
	return values
}

// isAssigned says whether a person is assigned to an application that demands
// it. s.mu must be held.
func (t *tenant) isAssigned(app *application, p *person) bool {
	return slices.ContainsFunc(t.appRoleHoldings(), func(h appRoleHolding) bool { return h.resource == app && h.principalID == p.id })
}

func (t *tenant) roleHoldingEntity(h appRoleHolding) map[string]any {
	kind := "User"
	if h.principalApp != "" {
		kind = "ServicePrincipal"
	}
	return map[string]any{"id": h.id(), "appRoleId": h.roleID, "principalId": h.principalID, "principalType": kind, "principalDisplayName": h.principalName,
		"resourceId": h.resource.objectID, "resourceDisplayName": h.resource.name,
		"createdDateTime": time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC).Add(time.Duration(h.number) * time.Hour).Format(time.RFC3339)}
}

// listAppRoles answers with the assignments that fit the filter and the path.
func (a *azure) listAppRoles(w http.ResponseWriter, r *http.Request, kind string, fits func(appRoleHolding) bool) {
	filter, ok := a.graphFilterOf(w, r, nil, []string{"resourceId", "principalId", "appRoleId"})
	if !ok {
		return
	}
	page, ok := a.graphPageOf(w, r)
	if !ok {
		return
	}
	a.s.mu.Lock()
	for _, h := range a.s.tenant.appRoleHoldings() {
		if !fits(h) || !filter.admits("resourceId", h.resource.objectID) || !filter.admits("principalId", h.principalID) || !filter.admits("appRoleId", h.roleID) {
			continue
		}
		if !page.offer(h.number, func() map[string]any { return a.s.tenant.roleHoldingEntity(h) }) {
			break
		}
	}
	a.s.mu.Unlock()
	a.graphList(w, r, kind, page)
}

// graphAppRoles lists the application permissions that a service principal
// holds.
func (a *azure) graphAppRoles(w http.ResponseWriter, r *http.Request) {
	a.listAppRolesAt(w, r, "appRoleAssignments", func(app *application, h appRoleHolding) bool { return h.principalID == app.objectID })
}

// graphAppRoleHolders lists who holds roles of an application.
func (a *azure) graphAppRoleHolders(w http.ResponseWriter, r *http.Request) {
	a.listAppRolesAt(w, r, "appRoleAssignedTo", func(app *application, h appRoleHolding) bool { return h.resource.objectID == app.objectID })
}

func (a *azure) listAppRolesAt(w http.ResponseWriter, r *http.Request, kind string, fits func(*application, appRoleHolding) bool) {
	if _, ok := a.graphCaller(w, r, appReadScopes...); !ok {
		return
	}
	app := a.servicePrincipalAt(r.PathValue("id"))
	if app == nil {
		a.graphNotFound(w, r, r.PathValue("id"))
		return
	}
	a.listAppRoles(w, r, servicePrincipalsKind+"('"+app.objectID+"')/"+kind, func(h appRoleHolding) bool { return fits(app, h) })
}

// graphDeleteAppRole withdraws an app role, from an application or a person.
// Tokens that carry it live on.
func (a *azure) graphDeleteAppRole(w http.ResponseWriter, r *http.Request) {
	who, ok := a.graphCaller(w, r, "AppRoleAssignment.ReadWrite.All")
	if !ok {
		return
	}
	if !administersGrants(who) {
		a.graphDenied(w, r)
		return
	}
	resource := a.servicePrincipalAt(r.PathValue("id"))
	if resource == nil {
		a.graphNotFound(w, r, r.PathValue("id"))
		return
	}
	if !a.s.tenant.withdrawAppRole(resource, r.PathValue("assignment")) {
		a.graphNotFound(w, r, r.PathValue("assignment"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (t *tenant) withdrawAppRole(resource *application, id string) bool {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for _, h := range t.appRoleHoldings() {
		if h.resource != resource || h.id() != id {
			continue
		}
		if h.principalApp == "" {
			t.withdrawn[id] = true // people never change: what they lost stands apart
			return true
		}
		// An administrator may consent again, so the role itself forgets.
		h.role.assignedApps = slices.DeleteFunc(h.role.assignedApps, func(app string) bool { return app == h.principalApp })
		return true
	}
	return false
}
