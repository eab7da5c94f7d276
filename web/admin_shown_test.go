package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

// rewrite lets the tenant answer and changes the bodies of the answers that match.
func (w *world) rewrite(match func(*http.Request) bool, change func(string) string) {
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !match(r) {
			return false
		}
		answer := httptest.NewRecorder()
		w.tenant.Sandbox.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			if name != "Content-Length" {
				rw.Header()[name] = values
			}
		}
		rw.WriteHeader(answer.Code)
		_, _ = io.WriteString(rw, change(answer.Body.String())) // the client sees what is missing
		return true
	})
}

func grantsAsked(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/graph/v1.0/oauth2PermissionGrants")
}

// TestAnErrorIsNoEmptyList: a 200 that holds an error says nothing of what is there.
func TestAnErrorIsNoEmptyList(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"an error": `{"error":{"code":"x"}}`, "no list": `{}`, "an error beside a list": `{"value":[],"error":{"code":"x"}}`} {
		w, b := adminWorld(t)
		w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
			if grantsAsked(r) {
				_, _ = io.WriteString(rw, body)
			}
			return grantsAsked(r)
		})
		if p := b.get("/admin/consent"); !strings.Contains(p.text("main"), "The list is not whole") {
			t.Errorf("%s: %.300s", name, p.text("main"))
		}
		if file := b.get("/admin/consent.csv").header.Get("Content-Disposition"); !strings.Contains(file, "-partial.csv") {
			t.Errorf("%s: the file is called %s", name, file)
		}
		w.stop()
	}
}

// TestAnEntryThatIsLost: a list without it does not pass for whole.
func TestAnEntryThatIsLost(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	w.rewrite(grantsAsked, func(s string) string { return strings.Replace(s, `"clientId":"`, `"clientId":"x`, 1) })
	b.get("/admin/consent").has("main", "The list is not whole")
}

// TestAttackAKindOfConsentThatIsNotKnown: it may be everybody's, so it is called
// neither a person's nor deleted, and is not withdrawn without its name.
func TestAttackAKindOfConsentThatIsNotKnown(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t, writeAll)
	w.rewrite(grantsAsked, func(s string) string {
		return strings.ReplaceAll(s, `"consentType":"AllPrincipals"`, `"consentType":7`)
	})
	row := consentRow(b.get("/admin/consent?q=ledger+exporter"), "Ledger Exporter", "Not known")
	if strings.Contains(clean(row.Text()), "deleted") || strings.Contains(clean(row.Text()), "The application itself") {
		t.Errorf("the row is %s", clean(row.Text()))
	}
	p := b.get(withdrawLink(row)).want(http.StatusOK, "Withdraw user_impersonation from Ledger Exporter")
	p.has("main", "it may be everybody")
	b.submit(p, "form .btn-danger", nil).want(http.StatusBadRequest, "Withdraw user_impersonation from Ledger Exporter")
	b.submit(p, "form .btn-danger", url.Values{"typed": {"Ledger Exporter"}}).want(http.StatusOK, "Consent").has(".flash, [role=status]", "Withdrawn")
}

// TestWhatCoversAGrantIsReadNow: with no list in memory, and not from one that is
// outdated.
func TestWhatCoversAGrantIsReadNow(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t, writeAll)
	own := withdrawLink(b.get("/admin/consent?q=ledger+exporter&for=person").sel("table.consent tbody tr:not(.detail)").First())
	const same = "A tenant-wide grant covers the same"
	b.signOut()
	b.signIn(ada) // no list in memory
	b.get(own).has("main", same)
	b.get("/admin/consent") // a list in memory
	w.rewrite(func(r *http.Request) bool { return grantsAsked(r) && strings.Contains(r.URL.RawQuery, "AllPrincipals") },
		func(string) string { return `{"value":[]}` }) // withdrawn elsewhere
	if p := b.get(own); strings.Contains(p.text("main"), same) {
		t.Error("what was withdrawn elsewhere is said to cover it")
	}
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		refused := grantsAsked(r) && strings.Contains(r.URL.RawQuery, "AllPrincipals")
		if refused {
			rw.WriteHeader(http.StatusForbidden)
		}
		return refused
	})
	b.get(own).want(http.StatusOK, "Withdraw user_impersonation from Ledger Exporter").has("main", "Whether a tenant-wide grant covers the same cannot be read")
}

// TestARoleOfAPersonStandsUnderItsApplication: the person is for whom it is.
func TestARoleOfAPersonStandsUnderItsApplication(t *testing.T) {
	t.Parallel()
	_, b := adminWorld(t)
	row := consentRow(b.get("/admin/consent?kind=role&q=ada"), "Portal.Admin")
	if name, whom := clean(row.Find("summary").Text()), clean(row.Find("td.whom").Text()); name != "AzTS Portal" || !strings.Contains(whom, "Ada Lindqvist") || !strings.Contains(whom, ada) {
		t.Errorf("application %q, for %q", name, whom)
	}
}

// TestASignInThatEndedAtTheTenant has its own words: no permission is missing.
func TestASignInThatEndedAtTheTenant(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	w.tenant.Faults().Set("refresh.revoked", "", -1)
	if p := b.get("/admin/consent"); !strings.Contains(p.text("main"), "sign in again") || strings.Contains(p.text("main"), "agree that this portal") {
		t.Errorf("the list says %.400s", p.text("main"))
	}
	w, b = adminWorld(t)
	link := withdrawLink(consentRow(b.get("/admin/consent?q=ledger+exporter&for=tenant"), "Ledger Exporter", "Everybody"))
	w.tenant.Faults().Set("refresh.revoked", "", -1)
	p := b.get(link)
	if !strings.Contains(p.text("main"), "Sign in") || strings.Contains(p.text("main"), "permission is missing") {
		t.Errorf("withdrawing says %.600s", p.text("main"))
	}
}

// TestManyRequests: each can be reached, by page and by search.
func TestManyRequests(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t, writeAll)
	requestBy(w, dana, groupScope, "The one that matters")
	var rows []string
	for i := range 501 {
		rows = append(rows, fmt.Sprintf("('r%d','%s','p%d','Somebody','s@x','','https://graph.microsoft.com/S%d','x x x',%d,'pending','','','',0,'',0,'')", i, sandbox.TenantID, i, i, i+1))
	}
	w.execute(t, "INSERT INTO consent_requests SELECT id, (SELECT authority FROM consent_requests), subject, name, account, object_id, scope, reason, asked_at, state, by_authority, by_subject, by_name, decided_at, answer, for_tenant, reference FROM (SELECT column1 AS id, column3 AS subject, column4 AS name, column5 AS account, column6 AS object_id, column7 AS scope, column8 AS reason, column9 AS asked_at, column10 AS state, column11 AS by_authority, column12 AS by_subject, column13 AS by_name, column14 AS decided_at, column15 AS answer, column16 AS for_tenant, column17 AS reference FROM (VALUES "+strings.Join(rows, ",")+"))")
	p := b.get("/admin/requests").want(http.StatusOK, "Requests")
	p.has(".pager", "1 to 100 of 502")
	pages := 1
	for ; p.sel(".pager a[rel=next]").Length() > 0 && pages < 10; pages++ {
		p = b.get(p.sel(".pager a[rel=next]").AttrOr("href", ""))
	}
	if pages != 6 || !strings.Contains(p.text("main"), "The one that matters") {
		t.Errorf("%d pages; the last: %s", pages, p.text("main"))
	}
	p = b.get("/admin/requests?q=ONE+that")
	if n := p.sel("table tbody tr").Length(); n != 1 || !strings.Contains(p.text("main"), "Dana Reyes") {
		t.Errorf("%d found: %s", n, p.text("main"))
	}
	b.get("/admin/requests?q=nothing-like-it").has("main", "No waiting request fits")
	b.get("/admin/requests?page=99").has("main", "The one that matters")
}

// TestTheLastCredentialEndsSoon: the first of the admin's pages says so, once it
// is time, and without another call while the list is remembered.
func TestTheLastCredentialEndsSoon(t *testing.T) {
	t.Parallel()
	for days, says := range map[string]string{"": "ends in 13 days", "2": "ends in 1 day", "1": "ends within a day", "-3": "has expired", "60": ""} {
		w, b := adminWorld(t)
		w.tenant.Faults().Set("graph.credentials_end", days, -1)
		p := b.get("/admin/consent").want(http.StatusOK, "Consent")
		links := p.sel(`main .panel a[href="/admin/credentials"]`).Length()
		if says == "" && links != 0 || says != "" && (links != 1 || !strings.Contains(p.text("main"), says)) {
			t.Errorf("%q days left: %d links, %.300s", days, links, p.text("main"))
		}
		asked := w.tenant.count("/graph/v1.0/applications(appId='" + sandbox.PortalClientID + "')")
		b.get("/admin/consent")
		if again := w.tenant.count("/graph/v1.0/applications(appId='" + sandbox.PortalClientID + "')"); again != asked || asked != 1 {
			t.Errorf("asked %d times, then %d", asked, again)
		}
		w.stop()
	}
}
