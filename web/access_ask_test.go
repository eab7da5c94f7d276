package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

const tomas = "tomas@contoso.com" // in more groups than fit into a token

// TestAttackPermissionsThatDoNotExist: an administrator is not asked for what the
// API is known not to have; of an API whose permissions cannot be read, anything is.
func TestAttackPermissionsThatDoNotExist(t *testing.T) {
	t.Parallel()
	const wrong = sandbox.GraphAudience + "/No.Such.Permission"
	w := agreed(t, sandbox.Options{}, readAll)
	b := w.browser()
	b.signInTo(dana, "/access")
	p := b.post("/access/requests", url.Values{"permission": {wrong}, "reason": {"I need it."}}).want(http.StatusBadRequest, "Access")
	p.has("#ask-error", "The API has no permission of this name")
	if kept := p.one("#other").AttrOr("value", ""); kept != wrong {
		t.Errorf("kept is %q", kept)
	}
	b.post("/access/scopes", url.Values{"other": {wrong}}).want(http.StatusBadRequest, "Access").has("#ask-error", "The API has no permission of this name")
	if b.get("/access").sel("#requests").Length() != 0 {
		t.Error("a request was made")
	}
	b.post("/access/requests", url.Values{"permission": {sandbox.GraphAudience + "/appRoleAssignment.readwrite.all"}, "reason": {"I need it."}}).has(".flash", "An administrator was asked")

	// Nobody may read what an API offers.
	w = agreed(t, sandbox.Options{})
	b = w.browser()
	b.signInTo(dana, "/access")
	b.post("/access/requests", url.Values{"permission": {wrong}, "reason": {"I need it."}}).has(".flash", "An administrator was asked")

	// The API is there, and none of its permissions are shown.
	w = agreed(t, sandbox.Options{}, readAll)
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/graph/v1.0/servicePrincipals") {
			return false
		}
		answer := httptest.NewRecorder()
		w.tenant.Sandbox.ServeHTTP(answer, r)
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(answer.Code)
		rw.Write([]byte(strings.ReplaceAll(answer.Body.String(), "oauth2PermissionScopes", "hidden")))
		return true
	})
	b = w.browser()
	b.signInTo(dana, "/access")
	b.post("/access/requests", url.Values{"permission": {wrong}, "reason": {"I need it."}}).has(".flash", "An administrator was asked")
}

// TestAdminByGroupIsOneOnThePageAboutAccess: also where the token has no room for
// their groups, and only for those whose groups say so.
func TestAdminByGroupIsOneOnThePageAboutAccess(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		group string
		admin bool
	}{"in the group": {sandbox.GroupID(sandbox.TomasID, 0), true}, "not in the group": {"11111111-2222-4333-8444-555555555555", false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, setup{env: map[string]string{"PORTAL_ADMIN_GROUPS": test.group}})
			b := w.browser()
			b.signInTo(tomas, "/access").has(".card-note", "Nobody has allowed")
			b.through(b.get("/admin/requests"), tomas) // the portal learns of their groups
			visited := b.send(visit{to: "/access/scopes", form: url.Values{"other": {readAll}}, from: b.address("/")})
			if to := visited.header.Get("Location"); strings.HasPrefix(to, w.tenant.url) != test.admin {
				t.Errorf("asking for an admin's permission leads to %.80s", to)
			}
			if offered := b.get("/access").sel(".card-note form").Length() == 1; offered != test.admin {
				t.Errorf("to let the portal read the list is offered: %v", offered)
			}
		})
	}
}
