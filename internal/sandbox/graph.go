package sandbox

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// graphBase is where Graph begins; the origin stands before it.
const graphBase = "/graph/v1.0"

var _ = declare("Microsoft Graph",
	faultSpec{name: "graph.403", does: "Calls answer 403 Authorization_RequestDenied."},
	faultSpec{name: "graph.429", does: "Calls answer 429.", value: "Retry-After: seconds or an HTTP date; 5 if empty, none for no header"},
	faultSpec{name: "graph.500", does: "Calls answer 500."},
	faultSpec{name: "graph.near_limit", does: "Answers say that nine tenths of the allowance are used up."},
)

// graphRoutes mounts Graph. It has a mux of its own, behind a rewriting of
// OData keys into path segments.
func (a *azure) graphRoutes(mux *http.ServeMux) {
	own := http.NewServeMux()
	handle := func(pattern string, handler http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		own.HandleFunc(method+" "+graphBase+path, handler)
	}
	handle("GET /me", a.graphMe)
	handle("GET /me/oauth2PermissionGrants", a.graphOwnGrants)
	handle("POST /me/getMemberObjects", a.graphMemberObjects)
	handle("POST /me/revokeSignInSessions", a.graphRevokeSessions)
	handle("POST /users/{id}/revokeSignInSessions", a.graphRevokeSessions)
	handle("GET /users/{id}", a.graphUser)
	handle("GET /users/{id}/oauth2PermissionGrants", a.graphUserGrants)
	handle("GET /users/{id}/appRoleAssignments", a.graphUserAppRoles)
	handle("POST /users/{id}/getMemberObjects", a.graphMemberObjects)
	handle("POST /directoryObjects/getByIds", a.graphByIDs)
	handle("GET /oauth2PermissionGrants", a.graphGrants)
	handle("POST /oauth2PermissionGrants", a.graphCreateGrant)
	handle("GET /oauth2PermissionGrants/{id}", a.graphGrant)
	handle("PATCH /oauth2PermissionGrants/{id}", a.graphChangeGrant)
	handle("DELETE /oauth2PermissionGrants/{id}", a.graphDeleteGrant)
	handle("GET /servicePrincipals", a.graphServicePrincipals)
	handle("GET /servicePrincipals/{id}", a.graphServicePrincipal)
	handle("GET /servicePrincipals/{id}/oauth2PermissionGrants", a.graphClientGrants)
	handle("GET /servicePrincipals/{id}/appRoleAssignments", a.graphAppRoles)
	handle("GET /servicePrincipals/{id}/appRoleAssignedTo", a.graphAppRoleHolders)
	handle("DELETE /servicePrincipals/{id}/appRoleAssignedTo/{assignment}", a.graphDeleteAppRole)
	handle("GET /applications/{id}", a.graphApplication)
	own.HandleFunc(graphBase+"/", func(w http.ResponseWriter, r *http.Request) {
		a.graphError(w, r, http.StatusBadRequest, "BadRequest", "Resource not found for the segment, or the method is not allowed there.")
	})
	mux.HandleFunc(graphBase+"/", func(w http.ResponseWriter, r *http.Request) { own.ServeHTTP(w, keysAsSegments(r)) })
}

// alternateKey prefixes a path segment that holds an application id where an
// object id stands otherwise.
const alternateKey = "appId="

var keyPattern = regexp.MustCompile(`^(` + graphBase + `/[A-Za-z0-9]+)\((appId=)?'([^'/]*)'\)`)

// keysAsSegments writes servicePrincipals(appId='x') as
// servicePrincipals/appId=x and users('x') as users/x, so that a mux can route
// them.
func keysAsSegments(r *http.Request) *http.Request {
	path := keyPattern.ReplaceAllString(r.URL.Path, "$1/$2$3")
	if path == r.URL.Path {
		return r
	}
	clone := r.Clone(r.Context())
	clone.URL.Path, clone.URL.RawPath = path, ""
	return clone
}

// graphError answers as Graph refuses (entra.md §7.5).
func (a *azure) graphError(w http.ResponseWriter, r *http.Request, status int, code, text string) {
	now := a.s.now().UTC()
	id := w.Header().Get("request-id")
	if id == "" {
		id = requestID(now)
		w.Header().Set("request-id", id)
	}
	reply(w, status, map[string]any{"error": map[string]any{
		"code": code, "message": text,
		"innerError": map[string]string{
			"date":              now.Format("2006-01-02T15:04:05"),
			"request-id":        id,
			"client-request-id": r.Header.Get("client-request-id"),
		},
	}})
}

func (a *azure) graphDenied(w http.ResponseWriter, r *http.Request) {
	a.graphError(w, r, http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}

func (a *azure) graphNotFound(w http.ResponseWriter, r *http.Request, id string) {
	a.graphError(w, r, http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '"+id+"' does not exist or one of its queried reference-property objects are not present.")
}

func (a *azure) graphBadRequest(w http.ResponseWriter, r *http.Request, text string) {
	a.graphError(w, r, http.StatusBadRequest, "Request_BadRequest", text)
}

// graphCaller authenticates a Graph call and wants one of scopes in the token,
// as a scope or as an application's role; false means that it has been
// answered.
func (a *azure) graphCaller(w http.ResponseWriter, r *http.Request, scopes ...string) (caller, bool) {
	h := w.Header()
	h.Set("request-id", requestID(a.s.now()))
	h.Set("client-request-id", r.Header.Get("client-request-id"))
	if _, on := a.s.faults.take("graph.500"); on {
		a.graphError(w, r, http.StatusInternalServerError, "InternalServerError", "Unable to process the request.")
		return caller{}, false
	}
	if value, on := a.s.faults.take("graph.429"); on {
		a.graphThrottled(w, r, value)
		return caller{}, false
	}
	who, ok := a.s.authenticate(w, r, GraphAudience, GraphAudience+"/", GraphAppID)
	if !ok {
		return caller{}, false
	}
	if _, on := a.s.faults.take("graph.403"); on || !slices.ContainsFunc(scopes, who.holds) {
		a.graphDenied(w, r)
		return caller{}, false
	}
	h.Set("x-ms-resource-unit", "1")
	if _, on := a.s.faults.take("graph.near_limit"); on {
		h.Set("x-ms-throttle-limit-percentage", "0.9")
	}
	return who, true
}

// holds says whether the token carries a permission, delegated or of an
// application on its own.
func (c caller) holds(permission string) bool {
	if c.person == nil {
		return slices.Contains(c.roles, permission)
	}
	return slices.Contains(c.scopes, permission)
}

// graphThrottled answers 429; wait is the Retry-After header, "none" for an
// answer without.
func (a *azure) graphThrottled(w http.ResponseWriter, r *http.Request, wait string) {
	if wait != "none" {
		retryAfter(w, wait, "5")
	}
	w.Header().Set("x-ms-throttle-limit-percentage", "1.2")
	w.Header().Set("x-ms-throttle-scope", "Tenant_Application/ReadWrite")
	w.Header().Set("x-ms-throttle-information", "ResourceUnitLimitExceeded")
	a.graphError(w, r, http.StatusTooManyRequests, "TooManyRequests", "Too many requests.")
}

// graphEntity answers with one entity, of which $select may name the members
// wanted. kind is its set in $metadata.
func (a *azure) graphEntity(w http.ResponseWriter, r *http.Request, kind string, entity map[string]any) {
	answer := selected(r, entity)
	answer["@odata.context"] = a.graphContext(kind) + "/$entity"
	reply(w, http.StatusOK, answer)
}

func (a *azure) graphContext(kind string) string {
	return a.s.options.Origin + graphBase + "/$metadata#" + kind
}

// selected returns the members of an entity that $select names; all of them
// without one.
func selected(r *http.Request, entity map[string]any) map[string]any {
	chosen := strings.ReplaceAll(r.URL.Query().Get("$select"), " ", "")
	if chosen == "" {
		return entity
	}
	names := strings.Split(chosen, ",")
	part := make(map[string]any, len(names))
	for name, value := range entity {
		if slices.Contains(names, name) || strings.HasPrefix(name, "@") {
			part[name] = value
		}
	}
	return part
}

// requestID is a reference for logs; it need not be secret.
func requestID(at time.Time) string {
	h := mix(uint64(at.UnixNano()))
	return guid(h, mix(h))
}

// orNull is how Graph writes a text that is not there.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
