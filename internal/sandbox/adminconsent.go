package sandbox

import (
	"net/http"
	"net/url"
	"slices"
)

// serveAdminConsent is the admin consent endpoint of v1 and v2
// (entra.md §7.1).
func (t *tenant) serveAdminConsent(w http.ResponseWriter, r *http.Request) {
	query, failed := t.singleValues(r.URL.RawQuery)
	if failed != nil {
		t.errorPage(w, r, failed)
		return
	}
	if query.Get("redirect_uri") == "" {
		t.errorPage(w, r, t.fail(900144, "redirect_uri"))
		return
	}
	request, failed := t.checkClient(2, r.PathValue("tenant"), query)
	if failed != nil {
		t.errorPage(w, r, failed)
		return
	}
	request.consent, request.mode, request.adminText = consentOnly, "query", query.Get("scope")
	if request.adminText == "" {
		// Without a scope the static list is meant.
		for _, access := range request.app.required {
			resource := t.app(access.resource)
			request.asked.add(resource, resource.identifierURIs[0], defaultScope)
		}
	} else if request.asked, failed = t.parseScopes(request.adminText); failed != nil {
		t.respondError(w, r, request, failed, "")
		return
	}
	t.begin(w, r, request)
}

// respondAdminConsent tells the application that an administrator consented.
// Its tenant member proves nothing to it.
func (t *tenant) respondAdminConsent(w http.ResponseWriter, r *http.Request, request *authorizeRequest, auth authentication) {
	t.s.mu.Lock()
	for _, one := range request.asked.targets {
		if one.isDefault() {
			t.assignRoles(request.app, one.resource)
		}
	}
	t.s.mu.Unlock()
	answer := url.Values{"admin_consent": {"True"}, "tenant": {auth.tid}}
	if request.adminText != "" {
		answer.Set("scope", request.adminText)
	}
	t.send(w, r, request, answer)
}

// assignRoles gives a client the application permissions that its registration
// asks of an API. s.mu must be held.
func (t *tenant) assignRoles(client, resource *application) {
	for _, access := range client.required {
		if access.resource != resource.appID {
			continue
		}
		for i := range resource.roles {
			role := &resource.roles[i]
			if slices.Contains(access.roles, role.value) && !slices.Contains(role.assignedApps, client.appID) {
				role.assignedApps = append(role.assignedApps, client.appID)
			}
		}
	}
}
