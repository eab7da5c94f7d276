package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

var _ = declare("Microsoft Graph",
	faultSpec{name: "graph.403", does: "Calls answer 403 Authorization_RequestDenied."},
	faultSpec{name: "graph.500", does: "Calls answer 500."},
)

// graphError answers as Graph refuses (entra.md §7.5).
func (a *azure) graphError(w http.ResponseWriter, r *http.Request, status int, code, text string) {
	now := a.s.now().UTC()
	reply(w, status, map[string]any{"error": map[string]any{
		"code": code, "message": text,
		"innerError": map[string]string{
			"date":              now.Format("2006-01-02T15:04:05"),
			"request-id":        requestID(now),
			"client-request-id": r.Header.Get("client-request-id"),
		},
	}})
}

// graphCaller authenticates a Graph call and wants one of scopes in the token;
// false means that it has been answered.
func (a *azure) graphCaller(w http.ResponseWriter, r *http.Request, scopes ...string) (caller, bool) {
	if _, on := a.s.faults.take("graph.500"); on {
		a.graphError(w, r, http.StatusInternalServerError, "InternalServerError", "Unable to process the request.")
		return caller{}, false
	}
	who, ok := a.s.authenticate(w, r, GraphAudience, GraphAudience+"/", GraphAppID)
	if !ok {
		return caller{}, false
	}
	held := func(scope string) bool {
		return slices.Contains(who.scopes, scope) || slices.Contains(who.roles, scope)
	}
	if _, on := a.s.faults.take("graph.403"); on || !slices.ContainsFunc(scopes, held) {
		a.graphError(w, r, http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
		return caller{}, false
	}
	return who, true
}

// graphMe answers GET /me with the members that $select names.
func (a *azure) graphMe(w http.ResponseWriter, r *http.Request) {
	who, ok := a.graphCaller(w, r, "User.Read", "User.ReadWrite", "User.Read.All", "Directory.Read.All")
	if !ok {
		return
	}
	if who.person == nil {
		a.graphError(w, r, http.StatusBadRequest, "BadRequest", "/me request is only valid with delegated authentication flow.")
		return
	}
	all := map[string]any{
		"id": who.person.id, "displayName": who.person.name, "userPrincipalName": who.person.upn, "mail": orNull(who.person.mail),
		"givenName": orNull(who.person.given), "surname": orNull(who.person.family), "jobTitle": nil, "officeLocation": nil, "mobilePhone": nil, "preferredLanguage": nil,
		"businessPhones": []string{},
	}
	answer := map[string]any{"@odata.context": a.s.options.Origin + "/graph/v1.0/$metadata#users/$entity"}
	chosen := strings.TrimSpace(r.URL.Query().Get("$select"))
	for name, value := range all {
		if chosen == "" || slices.Contains(strings.Split(strings.ReplaceAll(chosen, " ", ""), ","), name) {
			answer[name] = value
		}
	}
	w.Header().Set("request-id", requestID(a.s.now()))
	reply(w, http.StatusOK, answer)
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
