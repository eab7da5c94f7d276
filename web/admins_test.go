package main

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"
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

// Graph may ask for more proof before it tells the groups: that leads to the
// tenant and back, and not in a circle.
func TestAnAdminByGroupIsAskedForMoreProof(t *testing.T) {
	const tomas = "tomas@contoso.com"
	w := startWorld(t, setup{env: map[string]string{"PORTAL_ADMIN_GROUPS": sandbox.GroupID(sandbox.TomasID, 0)}})
	b := w.browser()
	b.signIn(tomas)
	claims := base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`))
	var refusals, visits atomic.Int32
	w.tenant.answerWith(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/authorize") && strings.Contains(r.URL.Query().Get("claims"), `"c1"`) {
			visits.Add(1)
		}
		if r.URL.Path != "/graph/v1.0/me/getMemberObjects" || refusals.Add(1) > 1 {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="", error="insufficient_claims", claims="`+claims+`"`)
		http.Error(w, `{"error":{"code":"InvalidAuthenticationToken"}}`, http.StatusUnauthorized)
		return true
	})
	p := b.through(b.get("/admin/consent"), tomas)
	if p.status != http.StatusOK || p.url.Path != "/admin/consent" {
		t.Errorf("it ends at %s with %d: %s", p.url, p.status, p.text("main"))
	}
	if visits.Load() != 1 {
		t.Errorf("the tenant was asked for the proof %d times", visits.Load())
	}
}
