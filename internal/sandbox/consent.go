package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

// permissionGrant is one oauth2PermissionGrant (entra.md §7.3): delegated
// permissions of a client at an API, for everybody or for one person.
type permissionGrant struct {
	id          string // opaque
	tid         string // directory that the grant belongs to
	clientID    string // object id of the client's service principal
	resourceID  string // object id of the API's
	principalID string // object id of the person; empty: AllPrincipals
	scopes      []string
	created     time.Time
	seq         uint64 // rises with every grant that is made: where a page of a list goes on
}

// grantID packs the three ids of a grant, so that the same grant has the same
// id in every run.
func grantID(tid, client, resource, principal string) string {
	sum := sha256.Sum256([]byte(tid + "|" + client + "|" + resource + "|" + principal))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// grant adds scopes to what is granted, making the grant if there is none. An
// empty principal grants for everybody. s.mu must be held.
func (t *tenant) grant(tid string, client, resource *application, principal string, scopes []string) {
	id := grantID(tid, client.objectID, resource.objectID, principal)
	i := slices.IndexFunc(t.grants, func(g *permissionGrant) bool { return g.id == id })
	if i < 0 {
		t.addGrant(&permissionGrant{id: id, tid: tid, clientID: client.objectID, resourceID: resource.objectID,
			principalID: principal, created: t.s.now()})
		i = len(t.grants) - 1
	}
	for _, scope := range scopes {
		if !slices.Contains(t.grants[i].scopes, scope) {
			t.grants[i].scopes = append(t.grants[i].scopes, scope)
		}
	}
}

// addGrant appends a grant that is not there yet. s.mu must be held.
func (t *tenant) addGrant(g *permissionGrant) {
	t.lastGrant++
	g.seq = t.lastGrant
	t.grants = append(t.grants, g)
}

// granted returns what a client may do at an API for a person: the union of
// what is granted to everybody, to the person, and by preauthorization. s.mu
// must be held.
func (t *tenant) granted(tid string, client, resource *application, oid string) []string {
	scopes := slices.Clone(resource.preauthorized[client.appID])
	for _, g := range t.grants {
		if g.tid != tid || g.clientID != client.objectID || g.resourceID != resource.objectID || (g.principalID != "" && g.principalID != oid) {
			continue
		}
		for _, scope := range g.scopes {
			if !slices.Contains(scopes, scope) {
				scopes = append(scopes, scope)
			}
		}
	}
	return scopes
}

// wanted is what one authorization request asks a person to consent to, at one
// API.
type wanted struct {
	resource *application
	scopes   []permissionScope
}

// adminOnly says whether something in it is beyond a plain user.
func (w wanted) adminOnly() bool {
	return slices.ContainsFunc(w.scopes, func(s permissionScope) bool { return s.adminOnly })
}

// wantedBy lists what a request asks for, API by API: all of it when all is
// set, else only what has not been granted yet. s.mu must be held.
func (t *tenant) wantedBy(client *application, asked scopeRequest, tid, oid string, all bool) []wanted {
	var list []wanted
	add := func(resource *application, values []string, granted []string) {
		entry := wanted{resource: resource}
		for _, value := range values {
			if permission := resource.scope(value); permission != nil && (all || !slices.Contains(granted, permission.value)) {
				entry.scopes = append(entry.scopes, *permission)
			}
		}
		if len(entry.scopes) > 0 {
			list = append(list, entry)
		}
	}
	graph := t.app(GraphAppID)
	graphScopes := slices.Clone(asked.openID)
	for _, one := range asked.targets {
		granted := t.granted(tid, client, one.resource, oid)
		values := one.scopes
		if one.isDefault() {
			// A grant of any kind is enough for .default (entra.md §4.7).
			if len(granted) > 0 && !all {
				continue
			}
			values = client.staticScopes(one.resource.appID)
		}
		if one.resource == graph {
			graphScopes = append(graphScopes, values...)
			continue
		}
		add(one.resource, values, granted)
	}
	add(graph, graphScopes, t.granted(tid, client, graph, oid))
	return list
}

// unlisted finds an API of which a request asks the static list although there
// is none, nor any grant. s.mu must be held.
func (t *tenant) unlisted(request *authorizeRequest, tid, oid string) (target, bool) {
	i := slices.IndexFunc(request.asked.targets, func(one target) bool {
		listed := slices.ContainsFunc(request.app.required, func(a requiredAccess) bool { return a.resource == one.resource.appID })
		return one.isDefault() && one.resource != request.app && !listed && len(t.granted(tid, request.app, one.resource, oid)) == 0
	})
	if i < 0 {
		return target{}, false
	}
	return request.asked.targets[i], true
}

// staticScopes returns the delegated permissions that the client's registration
// lists for an API.
func (a *application) staticScopes(resource string) []string {
	for _, access := range a.required {
		if access.resource == resource {
			return access.scopes
		}
	}
	return nil
}

// Consent grants scopes to a client, as the consent page does: for one person,
// or for the whole tenant when account is empty. Scopes are written as in the
// scope parameter; account is a user principal name.
func (s *Sandbox) Consent(clientID, account string, scope string) error {
	client := s.tenant.app(clientID)
	if client == nil {
		return fmt.Errorf("sandbox: no application %s", clientID)
	}
	principal := ""
	if account != "" {
		p := s.tenant.personByName(account)
		if p == nil {
			return fmt.Errorf("sandbox: nobody is called %s", account)
		}
		principal = p.id
	}
	asked, failed := s.tenant.parseScopes(scope)
	if failed != nil {
		return fmt.Errorf("sandbox: scope: %s", failed.text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range s.tenant.wantedBy(client, asked, TenantID, principal, true) {
		s.tenant.grantWanted(TenantID, client, entry, principal)
	}
	return nil
}

// grantWanted records a consent. s.mu must be held.
func (t *tenant) grantWanted(tid string, client *application, entry wanted, principal string) {
	values := make([]string, 0, len(entry.scopes))
	for _, scope := range entry.scopes {
		values = append(values, scope.value)
	}
	t.grant(tid, client, entry.resource, principal, values)
}
