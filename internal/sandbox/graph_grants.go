package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

var _ = declare("Microsoft Graph",
	faultSpec{name: "graph.grant_gone", does: "The grant that a call names was deleted a moment ago."},
	faultSpec{name: "graph.late_replication", does: "Grants are not found for a while after they were made.", value: "how long, as 30s; a minute if empty"},
)

// Delegated permissions and directory roles that calls about grants want
// (entra.md §7.4).
var (
	grantReadScopes  = []string{"Directory.Read.All", "DelegatedPermissionGrant.Read.All", "DelegatedPermissionGrant.ReadWrite.All"}
	grantWriteScopes = []string{"DelegatedPermissionGrant.ReadWrite.All"}
	grantReadRoles   = []string{roleGlobalAdministrator, roleGlobalReader, roleDirectoryReaders, roleDirectoryWriters, roleUserAdministrator,
		roleApplicationAdministrator, roleCloudApplicationAdministrator, rolePrivilegedRoleAdministrator, roleApplicationDeveloper}
	grantWriteRoles = []string{roleGlobalAdministrator, roleApplicationAdministrator, roleCloudApplicationAdministrator, rolePrivilegedRoleAdministrator}
)

// Role template ids that only Graph asks about (entra.md §7.8).
const (
	roleDirectoryReaders              = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
	roleDirectoryWriters              = "9360feb5-f418-4baa-8175-e2a00bac4301"
	roleUserAdministrator             = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	roleCloudApplicationAdministrator = "158c047a-c907-4556-b7ef-446551a6b5f7"
	rolePrivilegedRoleAdministrator   = "e8611ab8-c189-46e8-94e1-60213ab1f814"
	roleApplicationDeveloper          = "cf1c38e5-3621-4004-a7cb-879624dced7c"
)

// maxScopeText is the longest scope member of a grant, in characters.
const maxScopeText = 3850

const grantsKind = "oauth2PermissionGrants"

// mayReadGrants authenticates a call that reads grants: a person needs a
// directory role beside the permission, an application needs none.
func (a *azure) mayReadGrants(w http.ResponseWriter, r *http.Request) (caller, bool) {
	who, ok := a.graphCaller(w, r, grantReadScopes...)
	if !ok {
		return who, false
	}
	if who.person != nil && !who.person.has(grantReadRoles...) {
		a.graphDenied(w, r)
		return who, false
	}
	w.Header().Set("x-ms-resource-unit", "2")
	return who, true
}

// listGrants answers with the grants that fit the filter and the path.
func (a *azure) listGrants(w http.ResponseWriter, r *http.Request, fits func(*permissionGrant) bool) {
	filter, ok := a.graphFilterOf(w, r, []string{"clientId", "consentType", "principalId", "resourceId"}, nil)
	if !ok {
		return
	}
	page, ok := a.graphPageOf(w, r)
	if !ok {
		return
	}
	hidden := a.unreplicated()
	a.s.mu.Lock()
	for _, g := range a.s.tenant.grants {
		if g.tid != TenantID || hidden(g) || !fits(g) || !filter.admits("clientId", g.clientID) || !filter.admits("resourceId", g.resourceID) ||
			!filter.admits("principalId", g.principalID) || !filter.admits("consentType", g.consentType()) {
			continue
		}
		if !page.offer(g.seq, g.entity) {
			break
		}
	}
	a.s.mu.Unlock()
	a.graphList(w, r, grantsKind, page)
}

// unreplicated returns which grants this call cannot see yet.
func (a *azure) unreplicated() func(*permissionGrant) bool {
	value, on := a.s.faults.take("graph.late_replication")
	if !on {
		return func(*permissionGrant) bool { return false }
	}
	late, err := time.ParseDuration(value)
	if err != nil {
		late = time.Minute
	}
	now := a.s.now()
	return func(g *permissionGrant) bool { return now.Sub(g.created) < late }
}

func (g *permissionGrant) consentType() string {
	if g.principalID == "" {
		return "AllPrincipals"
	}
	return "Principal"
}

// entity is the grant as Graph writes it. Like there, the scopes of a grant for
// everybody begin with a blank.
func (g *permissionGrant) entity() map[string]any {
	scope := strings.Join(g.scopes, " ")
	if g.principalID == "" {
		scope = " " + scope
	}
	return map[string]any{"id": g.id, "clientId": g.clientID, "consentType": g.consentType(), "principalId": orNull(g.principalID),
		"resourceId": g.resourceID, "scope": scope}
}

func (a *azure) graphGrants(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.mayReadGrants(w, r); ok {
		a.listGrants(w, r, func(*permissionGrant) bool { return true })
	}
}

func (a *azure) graphOwnGrants(w http.ResponseWriter, r *http.Request) {
	who, ok := a.mayReadGrants(w, r)
	if !ok {
		return
	}
	if who.person == nil {
		a.graphNotDelegated(w, r)
		return
	}
	a.listGrants(w, r, func(g *permissionGrant) bool { return g.principalID == who.person.id })
}

func (a *azure) graphUserGrants(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.mayReadGrants(w, r); !ok {
		return
	}
	user, known := a.userAt(r.PathValue("id"))
	if !known {
		a.graphNotFound(w, r, r.PathValue("id"))
		return
	}
	a.listGrants(w, r, func(g *permissionGrant) bool { return g.principalID == user.id })
}

func (a *azure) graphClientGrants(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.mayReadGrants(w, r); !ok {
		return
	}
	client := a.servicePrincipalAt(r.PathValue("id"))
	if client == nil {
		a.graphNotFound(w, r, r.PathValue("id"))
		return
	}
	a.listGrants(w, r, func(g *permissionGrant) bool { return g.clientID == client.objectID })
}

// grantAt finds the grant that a path names. s.mu must be held.
func (a *azure) grantAt(id string) *permissionGrant {
	t := a.s.tenant
	i := slices.IndexFunc(t.grants, func(g *permissionGrant) bool { return g.id == id && g.tid == TenantID })
	if i < 0 {
		return nil
	}
	if _, on := a.s.faults.take("graph.grant_gone"); on {
		t.grants = slices.Delete(t.grants, i, i+1)
		return nil
	}
	return t.grants[i]
}

func (a *azure) graphGrant(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.mayReadGrants(w, r); !ok {
		return
	}
	hidden := a.unreplicated()
	var found map[string]any
	a.s.mu.Lock()
	if g := a.grantAt(r.PathValue("id")); g != nil && !hidden(g) {
		found = g.entity()
	}
	a.s.mu.Unlock()
	if found == nil {
		a.graphNotFound(w, r, r.PathValue("id"))
		return
	}
	a.graphEntity(w, r, grantsKind, found)
}

// administersGrants says whether the caller may write grants of other people.
func administersGrants(who caller) bool {
	return who.person == nil || who.person.has(grantWriteRoles...)
}

// graphCreateGrant makes a grant. Making one is consent for somebody, which is
// an administrator's business even if it is for oneself: a person consents on
// the tenant's own page.
func (a *azure) graphCreateGrant(w http.ResponseWriter, r *http.Request) {
	who, ok := a.graphCaller(w, r, grantWriteScopes...)
	if !ok {
		return
	}
	if !administersGrants(who) {
		a.graphDenied(w, r)
		return
	}
	var asked struct {
		ClientID    string  `json:"clientId"`
		ConsentType string  `json:"consentType"`
		PrincipalID *string `json:"principalId"`
		ResourceID  string  `json:"resourceId"`
		Scope       string  `json:"scope"`
	}
	if !a.graphBody(w, r, &asked) {
		return
	}
	client, resource := a.servicePrincipalAt(asked.ClientID), a.servicePrincipalAt(asked.ResourceID)
	if client == nil || resource == nil {
		a.graphBadRequest(w, r, "clientId and resourceId must be object ids of service principals.")
		return
	}
	principal := ""
	switch {
	case asked.ConsentType == "AllPrincipals" && asked.PrincipalID == nil:
	case asked.ConsentType == "Principal" && asked.PrincipalID != nil:
		user, known := a.userAt(*asked.PrincipalID)
		if !known {
			a.graphBadRequest(w, r, "principalId is nobody's object id.")
			return
		}
		principal = user.id
	default:
		a.graphBadRequest(w, r, "consentType must be AllPrincipals without a principalId, or Principal with one.")
		return
	}
	scopes, ok := a.grantScopes(w, r, resource, asked.Scope)
	if !ok {
		return
	}
	g := &permissionGrant{id: grantID(TenantID, client.objectID, resource.objectID, principal), tid: TenantID,
		clientID: client.objectID, resourceID: resource.objectID, principalID: principal, scopes: scopes, created: a.s.now()}
	t := a.s.tenant
	a.s.mu.Lock()
	twice := slices.ContainsFunc(t.grants, func(other *permissionGrant) bool { return other.id == g.id })
	if !twice {
		t.addGrant(g)
	}
	made := g.entity()
	a.s.mu.Unlock()
	if twice {
		a.graphError(w, r, http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "Permission entry already exists.")
		return
	}
	made["@odata.context"] = a.graphContext(grantsKind) + "/$entity"
	reply(w, http.StatusCreated, made)
}

// grantScopes reads the scope member of a grant, in the registration's
// spelling; false means that the call has been answered.
func (a *azure) grantScopes(w http.ResponseWriter, r *http.Request, resource *application, text string) ([]string, bool) {
	if len([]rune(text)) > maxScopeText {
		a.graphBadRequest(w, r, "scope is longer than 3850 characters.")
		return nil, false
	}
	var scopes []string
	for _, name := range strings.Fields(text) {
		permission := resource.scope(name)
		if permission == nil {
			a.graphBadRequest(w, r, "'"+name+"' is no delegated permission of the resource.")
			return nil, false
		}
		if !slices.Contains(scopes, permission.value) {
			scopes = append(scopes, permission.value)
		}
	}
	return scopes, true
}

// graphChangeGrant overwrites the scopes of a grant. A person without a
// directory role may only narrow a grant of her own: adding a scope is consent,
// and some scopes are not hers to consent to.
func (a *azure) graphChangeGrant(w http.ResponseWriter, r *http.Request) {
	who, ok := a.graphCaller(w, r, grantWriteScopes...)
	if !ok {
		return
	}
	var asked struct {
		Scope *string `json:"scope"`
	}
	if !a.graphBody(w, r, &asked) {
		return
	}
	if asked.Scope == nil {
		a.graphBadRequest(w, r, "Only scope can be changed.")
		return
	}
	a.changeGrant(w, r, func(g *permissionGrant) bool {
		resource := a.servicePrincipalOf(g.resourceID)
		scopes, ok := a.grantScopes(w, r, resource, *asked.Scope)
		if !ok {
			return false
		}
		wider := slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(g.scopes, s) })
		if !administersGrants(who) && (g.principalID != who.person.id || wider) {
			a.graphDenied(w, r)
			return false
		}
		g.scopes = scopes
		return true
	})
}

// graphDeleteGrant withdraws a grant. Access tokens that were issued live on;
// the next redemption of a refresh token for that API fails (entra.md §7.6).
func (a *azure) graphDeleteGrant(w http.ResponseWriter, r *http.Request) {
	who, ok := a.graphCaller(w, r, grantWriteScopes...)
	if !ok {
		return
	}
	a.changeGrant(w, r, func(g *permissionGrant) bool {
		if !administersGrants(who) && g.principalID != who.person.id {
			a.graphDenied(w, r)
			return false
		}
		t := a.s.tenant
		t.grants = slices.DeleteFunc(t.grants, func(other *permissionGrant) bool { return other == g })
		return true
	})
}

// changeGrant lets change act on the grant that the path names, under s.mu, and
// answers 204 unless change has answered.
func (a *azure) changeGrant(w http.ResponseWriter, r *http.Request, change func(*permissionGrant) bool) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	g := a.grantAt(r.PathValue("id"))
	if g == nil {
		a.graphNotFound(w, r, r.PathValue("id"))
		return
	}
	if change(g) {
		w.WriteHeader(http.StatusNoContent)
	}
}

// graphBody reads a JSON body; false means that the call has been answered.
func (a *azure) graphBody(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(into); err != nil {
		a.graphBadRequest(w, r, "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
		return false
	}
	return true
}

// graphNotDelegated answers a call for /me by an application on its own.
func (a *azure) graphNotDelegated(w http.ResponseWriter, r *http.Request) {
	a.graphError(w, r, http.StatusBadRequest, "BadRequest", "/me request is only valid with delegated authentication flow.")
}
