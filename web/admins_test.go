package main

import (
	"net/http"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

// roleGlobalReader is a directory role's template id (entra.md §7.8).
const roleGlobalReader = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"

func TestWhoIsAnAdmin(t *testing.T) {
	for _, test := range []struct {
		name, account string
		env           map[string]string
		admin         bool
		asked         int // questions to Graph about groups
	}{
		{"by the app role", "ada@contoso.com", nil, true, 0},
		{"nobody else", "dana@contoso.com", nil, false, 0},
		{"the help desk is not", "hugo@contoso.com", nil, false, 0},
		{"a directory role that nobody named", "grace@contoso.com", nil, false, 0},
		{"by a directory role", "grace@contoso.com", map[string]string{"PORTAL_ADMIN_DIRECTORY_ROLES": roleGlobalReader}, true, 0},
		{"another directory role", "ines@contoso.com", map[string]string{"PORTAL_ADMIN_DIRECTORY_ROLES": roleGlobalReader}, false, 0},
		{"by one of too many groups", "tomas@contoso.com", map[string]string{"PORTAL_ADMIN_GROUPS": sandbox.GroupID(sandbox.TomasID, 239)}, true, 1},
		{"too many groups, but not that one", "tomas@contoso.com", map[string]string{"PORTAL_ADMIN_GROUPS": sandbox.GroupID(sandbox.AdaID, 0)}, false, 1},
		{"too many groups, and none counts", "tomas@contoso.com", nil, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := startWorld(t, setup{env: test.env})
			b := w.browser()
			b.signIn(test.account)
			for range 2 {
				// Where Graph has to be asked, the tenant asks for consent to that first.
				page := b.through(b.get("/admin/consent"), test.account)
				if test.admin {
					if page.status != http.StatusOK || page.sel(`nav a[href="/admin/consent"]`).Length() == 0 {
						t.Fatalf("status %d: %s", page.status, page.text("main"))
					}
					continue
				}
				page.want(http.StatusForbidden, "This is not open to you")
				page.has("main", "Portal.Admin")
				if page.sel(`nav a[href="/admin/consent"]`).Length() != 0 {
					t.Error("the navigation leads somebody there who is not let in")
				}
			}
			if asked := w.tenant.count("/graph/v1.0/me/getMemberObjects"); asked != test.asked {
				t.Errorf("Graph was asked for groups %d times, want %d", asked, test.asked)
			}
		})
	}
}

// An admin by group alone is none while Graph does not say so.
func TestAttackGraphIsDownWhenItDecidesOnAnAdmin(t *testing.T) {
	w := startWorld(t, setup{env: map[string]string{"PORTAL_ADMIN_GROUPS": sandbox.GroupID(sandbox.TomasID, 0)}})
	b := w.browser()
	const tomas = "tomas@contoso.com"
	b.signIn(tomas)
	w.tenant.answerWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/graph/v1.0/me/getMemberObjects" {
			return false
		}
		http.Error(w, `{"error":{"code":"InternalServerError"}}`, http.StatusInternalServerError)
		return true
	})
	if page := b.through(b.get("/admin/consent"), tomas); page.status < 500 {
		t.Errorf("status %d: %s", page.status, page.text("main"))
	}
	w.tenant.answerWith(nil)
	if page := b.get("/admin/consent"); page.status != http.StatusOK {
		t.Errorf("afterwards: status %d: %s", page.status, page.text("main"))
	}
}
