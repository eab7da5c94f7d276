package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

const giveBackForm = `form[action="/access/give-back"] button`

// failAfterChanges lets the directory change a grant and answer 500 all the same;
// reads says whether grants can be read afterwards.
func (w *world) failAfterChanges(takesEffect, reads bool) {
	failed := false
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/graph/v1.0/oauth2PermissionGrants/") {
			return false
		}
		switch r.Method {
		case http.MethodDelete, http.MethodPatch:
			failed = true
			if takesEffect {
				w.tenant.Sandbox.ServeHTTP(httptest.NewRecorder(), r)
			}
		default:
			if reads || !failed {
				return false
			}
		}
		rw.WriteHeader(http.StatusInternalServerError)
		return true
	})
}

// TestGivingBackWhoseAnswerIsLost: what became of it is looked up and said, and the
// page about access never shows it from memory.
func TestGivingBackWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		takesEffect, reads bool
		status             int
		says               string
	}{
		"it happened":                       {true, true, http.StatusOK, "not there any more"},
		"it did not":                        {false, true, http.StatusBadGateway, "Nothing seems to have been given back"},
		"it happened, and cannot be read":   {true, false, http.StatusBadGateway, "it may have been given back"},
		"it did not, and that is not known": {false, false, http.StatusBadGateway, "it may have been given back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := agreed(t, sandbox.Options{}, readAll, writeAll)
			b := w.browser()
			p := b.signInTo(ines, "/access")
			p = b.get(p.permissionRow("AzTS", "user_impersonation").Find("a").AttrOr("href", ""))
			w.failAfterChanges(test.takesEffect, test.reads)
			p = b.submit(p, giveBackForm, url.Values{"scope": {"user_impersonation"}})
			if p.status != test.status || !strings.Contains(p.text("main"), test.says) {
				t.Errorf("%d %s", p.status, p.text("main"))
			}
			w.tenant.answerWith(nil)
			if lines := w.auditOf(t); !slices.Equal(lines, []string{"give-back intended", "give-back unknown"}) {
				t.Errorf("the audit log is %v", lines)
			}
			if listed := strings.Contains(b.get("/access").permission("AzTS", "user_impersonation"), "Give back"); listed == test.takesEffect {
				t.Errorf("the page lists the consent: %v", listed)
			}
		})
	}
}

// TestGivingBackInPartWhoseAnswerIsLost: one scope of several.
func TestGivingBackInPartWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	b := w.browser()
	b.signInTo(ines, "/access")
	p := b.get("/access/give-back?" + url.Values{"grant": {grantOf(graphPrincipal, sandbox.InesID)}, "scope": {"profile"}}.Encode())
	w.failAfterChanges(true, true)
	p = b.submit(p, giveBackForm, url.Values{"scope": {"profile"}}).want(http.StatusOK, "Access")
	p.has(".flash", "You gave it back")
}

// TestGivingBackIsInTheAuditLog: who, what and under which reference; a refusal and
// a visit to the company sign-in are no change.
func TestGivingBackIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	b := w.browser()
	p := b.signInTo(ines, "/access")
	p = b.get(p.permissionRow("AzTS", "user_impersonation").Find("a").AttrOr("href", ""))
	b.post("/access/give-back", url.Values{"grant": {grantOf(aztsPrincipal, "")}, "shown": {"x"}, "scope": {"x"}})
	if lines := w.auditOf(t); lines != nil {
		t.Errorf("before a change the audit log is %v", lines)
	}
	b.submit(p, giveBackForm, url.Values{"scope": {"user_impersonation"}}).want(http.StatusOK, "Access")
	if lines := w.auditOf(t); !slices.Equal(lines, []string{"give-back intended", "give-back done"}) {
		t.Fatalf("the audit log is %v", lines)
	}
	for _, e := range w.audit(t) {
		if e["target_id"] != sandbox.InesID || e["scope"] != "user_impersonation" || e["resource_name"] != "AzTS" || e["actor_name"] == "" || e["actor_name"] != e["target_name"] || e["reference"] == "" {
			t.Errorf("the audit log says %v", e)
		}
	}
}

// TestCoverOfEverybodyElsewhere: at Microsoft's APIs the list does not hold what
// everybody's consent gives, so it is asked for, or said not to be known.
func TestCoverOfEverybodyElsewhere(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	for _, account := range []string{ines, ""} {
		if err := w.tenant.Consent(sandbox.ExpensesClientID, account, sandbox.GraphAudience+"/User.Read"); err != nil {
			t.Fatal(err)
		}
	}
	b := w.browser()
	give := b.signInTo(ines, "/access").one(`#apps tr:contains("Expenses"):contains("Microsoft Graph") a`).AttrOr("href", "")
	p := b.get(give).want(http.StatusOK, "Give back consent")
	p.has(".choice", "for everybody as well, so giving it back changes nothing for now")
	if strings.Contains(p.text("main"), "the directory did not say") {
		t.Error("what the directory said is called unknown")
	}
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.RawQuery, "AllPrincipals") {
			return false
		}
		rw.WriteHeader(http.StatusForbidden)
		return true
	})
	p = b.get(give).want(http.StatusOK, "Give back consent")
	p.has(".plain", "may have allowed the same for everybody; the directory did not say")
	if strings.Contains(p.text(".choice"), "for everybody as well") {
		t.Error("what the directory did not say is called certain")
	}
}
