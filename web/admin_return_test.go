package main

import (
	"database/sql"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

const groupScope = sandbox.GraphAudience + "/GroupMember.Read.All"

// fromTenant is where the tenant's answers come from.
var fromTenant = &url.URL{Scheme: "https", Host: "login.microsoftonline.com", Path: "/"}

// execute changes the database as somebody who holds it can.
func (w *world) execute(t testing.TB, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: w.db, RawQuery: "_pragma=busy_timeout(5000)"}).String())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func (w *world) wantAudit(t testing.TB, want ...string) {
	t.Helper()
	if lines := w.auditOf(t); !slices.Equal(lines, want) {
		t.Errorf("the audit log is\n%v, want\n%v", lines, want)
	}
}

// requestLink returns the address of the request that waits.
func requestLink(b *browser) string {
	b.t.Helper()
	return b.get("/admin/requests").sel("table th a.name").First().AttrOr("href", "")
}

// TestAttackForgedRefusal: a refusal that somebody made up does not hide a grant
// that was made.
func TestAttackForgedRefusal(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{"declined": "access_denied", "another error": "server_error"} {
		w, b := adminWorld(t)
		answer := consentAnswer(b, groupScope, "button[value=accept]")
		p := b.open(visit{to: answer.Path + "?" + url.Values{"error": {code}, "state": {answer.Query().Get("state")}}.Encode(), from: fromTenant})
		p.want(http.StatusOK, "Grant for everybody").has("main", "This is granted for everybody")
		p.has(".flash, [role=status]", "lists the grant")
		w.wantAudit(t, "grant-tenant intended", "grant-tenant done")
		if last := w.audit(t)[1]; last["code"] == "" {
			t.Errorf("%s: the audit log does not say what the answer was", name)
		}
	}
	// A refusal counts as one only when Graph was read.
	w, b := adminWorld(t)
	answer := consentAnswer(b, groupScope, "button[value=accept]")
	w.tenant.Faults().Set("graph.403", "", -1)
	p := b.open(visit{to: answer.Path + "?" + url.Values{"error": {"access_denied"}, "state": {answer.Query().Get("state")}}.Encode(), from: fromTenant})
	p.has(".flash, [role=status]", "cannot be read")
	w.wantAudit(t, "grant-tenant intended", "grant-tenant unknown")
}

// TestAGrantThatGraphDoesNotShow: words differ for what is not listed and for what
// cannot be read.
func TestAGrantThatGraphDoesNotShow(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	tenant := askTenant(b, groupScope)
	w.tenant.Faults().Set("graph.403", "", -1)
	p := b.submit(tenant, "button[value=accept]", nil)
	p.has(".flash, [role=status]", "does not let your account do this")
	if text := p.text(".flash, [role=status]"); strings.Contains(text, "does not list") || !strings.Contains(text, "Reference ") {
		t.Errorf("the words are %q", text)
	}
	w.wantAudit(t, "grant-tenant intended", "grant-tenant unknown")
}

// TestAnotherTabDuringTheGrant: the person counts, not the session, which another
// tab may replace meanwhile.
func TestAnotherTabDuringTheGrant(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	requestBy(w, dana, groupScope, "I need it")
	tenant := b.submit(b.get(requestLink(b)), `form:has(input[value=tenant]) button`, nil)
	b.through(b.post("/admin/allow", url.Values{"permission": {"grants"}, "return_to": {"/admin/consent"}}), ada)
	p := b.submit(tenant, "button[value=accept]", nil).want(http.StatusOK, "Request of Dana Reyes")
	p.has("main", "Granted for everybody")
	w.wantAudit(t, "grant-tenant intended", "grant-tenant done", "approve-request intended", "approve-request done")
}

// TestAttackSomebodyElseAnswers: whoever signs in while an admin is at the tenant
// does not finish their grant, not even as an admin.
func TestAttackSomebodyElseAnswers(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{env: map[string]string{"PORTAL_ADMIN_GROUPS": sandbox.GroupID(sandbox.TomasID, 0)}})
	const tomas = "tomas@contoso.com"
	b := w.browser()
	b.signIn(ada)
	answer := consentAnswer(b, groupScope, "button[value=accept]")
	b.signOut()
	b.signIn(tomas)
	b.through(b.get("/admin/requests"), tomas).want(http.StatusOK, "Requests")
	if p := b.open(visit{to: answer.RequestURI(), from: fromTenant}); p.status != http.StatusForbidden || p.evidence("Code") != "admin_consent_other" {
		t.Errorf("status %d %s: %s", p.status, p.evidence("Code"), p.text("main"))
	}
	w.wantAudit(t, "grant-tenant intended")
}

// TestTheSessionEndsDuringTheGrant: after signing in again the person reads
// whether it is granted, and so does the audit log.
func TestTheSessionEndsDuringTheGrant(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	tenant := askTenant(b, groupScope)
	b.jar.keep(b.address("/"), []*http.Cookie{{Name: sessionCookie, Value: "", Path: "/", Secure: true, MaxAge: -1}}, false)
	p := b.through(b.submit(tenant, "button[value=accept]", nil), ada).want(http.StatusOK, "Grant for everybody")
	p.has("main", "This is granted for everybody")
	w.wantAudit(t, "grant-tenant intended", "grant-tenant done")
}

// TestTheFlowIsPushedOut: four other tabs make the browser forget the visit. Its
// outcome is told and kept all the same.
func TestTheFlowIsPushedOut(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	answer := consentAnswer(b, groupScope, "button[value=accept]")
	for range 4 {
		b.send(visit{to: "/auth/login"})
		now := time.Now().UnixMilli()
		for time.Now().UnixMilli() == now { // the oldest is found by the millisecond
		}
	}
	p := b.open(visit{to: answer.RequestURI(), from: fromTenant})
	if p.status != http.StatusBadRequest || p.evidence("Code") != "state_unknown" {
		t.Fatalf("status %d, %s", p.status, p.evidence("Code"))
	}
	p.has("main", "Microsoft Graph lists "+groupScope+" for everybody")
	w.wantAudit(t, "grant-tenant intended", "grant-tenant done")
}

// TestAnAnswerAfterSomebodyLooked: an operation has one outcome.
func TestAnAnswerAfterSomebodyLooked(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	answer := consentAnswer(b, groupScope, "button[value=accept]")
	b.get("/admin/consent/grant?scope="+url.QueryEscape(groupScope)).has("main", "This is granted for everybody")
	w.wantAudit(t, "grant-tenant intended", "grant-tenant done")
	b.open(visit{to: answer.RequestURI(), from: fromTenant}).want(http.StatusOK, "Grant for everybody")
	w.wantAudit(t, "grant-tenant intended", "grant-tenant done")
}

// TestAnswersThatNeverCame: the next reading of the list closes what nobody waits
// for any more, by what Graph lists.
func TestAnswersThatNeverCame(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	consentAnswer(b, groupScope, "button[value=accept]")
	b.get("/admin/consent")
	w.wantAudit(t, "grant-tenant intended") // its person may still be at the tenant
	const columns = "actor_authority, actor_subject, actor_name, action, outcome, client_id, client_name, resource_id, resource_name, target_id, target_name, reference, code"
	for operation, scope := range map[string]string{"old-there": groupScope, "old-not": sandbox.GraphAudience + "/Application.Read.All"} {
		w.execute(t, "INSERT INTO audit_log (operation, at, scope, "+columns+") SELECT '"+operation+"', at - 1200000000, '"+scope+"', "+columns+" FROM audit_log WHERE id = 1")
	}
	b.submit(b.get("/admin/consent"), `form[action="/admin/consent/refresh"] button`, nil)
	ended := map[string]string{}
	for _, e := range w.audit(t) {
		if e["outcome"] != "intended" {
			ended[e["operation"]] = e["outcome"]
		}
	}
	if len(ended) != 2 || ended["old-there"] != "done" || ended["old-not"] != "unknown" {
		t.Errorf("the outcomes are %v", ended)
	}
}

// TestAnAdminConsentAtTheSignIn: the answer to a grant is none to a sign-in.
func TestAnAdminConsentAtTheSignIn(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	answer := consentAnswer(b, groupScope, "button[value=accept]")
	p := b.open(visit{to: "/auth/callback", form: url.Values{"state": {answer.Query().Get("state")}, "error": {"access_denied"}}, from: fromTenant})
	if p.evidence("Code") != "flow_purpose" || strings.Contains(p.text("main"), "not signed in") {
		t.Errorf("%d %s: %s", p.status, p.heading(), p.text("main"))
	}
	p = b.get(p.sel("main a.btn-primary").AttrOr("href", "")).want(http.StatusOK, "Grant for everybody")
	p.has("main", "This is granted for everybody")
	w.wantAudit(t, "grant-tenant intended", "grant-tenant done")
}

// TestDeclinedWhileGranting: of two admins one grants and one declines.
func TestDeclinedWhileGranting(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	requestBy(w, dana, groupScope, "I need it")
	link := requestLink(b)
	tenant := b.submit(b.get(link), `form:has(input[value=tenant]) button`, nil)
	other := w.browser()
	other.signIn(ada)
	other.submit(other.get(link), `form[action$="/decline"] button`, url.Values{"answer": {"Never."}})
	p := b.submit(tenant, "button[value=accept]", nil).want(http.StatusOK, "Request of Dana Reyes")
	p.has(".flash, [role=status]", "somebody else decided the request meanwhile")
	p.has("main", "although the request was declined")
	p = b.get(p.sel(`main a[href*="/withdraw"]`).AttrOr("href", ""))
	if p.status != http.StatusOK || !strings.Contains(p.heading(), "Withdraw GroupMember.Read.All") {
		t.Errorf("%d %s", p.status, p.heading())
	}
}

// grantForPerson leads to the page of a request and breaks Graph's answers there.
func grantForPerson(t *testing.T, breaks func(made bool, r *http.Request) bool) (*world, *browser, *page) {
	w, b := adminWorld(t, writeAll)
	requestBy(w, dana, groupScope, "I need it")
	asked := b.get(requestLink(b))
	var made atomic.Bool
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/graph/v1.0/oauth2PermissionGrants") {
			return false
		}
		if !breaks(made.Load(), r) {
			made.Store(made.Load() || r.Method != http.MethodGet)
			return false
		}
		rw.WriteHeader(http.StatusInternalServerError)
		return true
	})
	return w, b, asked
}

func TestGrantedForAPersonAndNotReadBack(t *testing.T) {
	t.Parallel()
	w, b, asked := grantForPerson(t, func(made bool, r *http.Request) bool {
		return made && r.Method == http.MethodGet && strings.Contains(r.URL.RawQuery, "principalId")
	})
	p := b.submit(asked, `form:has(input[value=person]) button`, nil).want(http.StatusOK, "Request of Dana Reyes")
	p.has(".flash, [role=status]", "The grant is made, but Microsoft Graph could not be read afterwards")
	p.has("main", "Waiting")
	w.wantAudit(t, "grant-person intended", "grant-person done")
	w.tenant.answerWith(nil)
	b.submit(b.get(asked.url.RequestURI()), `form:has(input[value=person]) button`, nil).want(http.StatusOK, "Requests").has("main", "Granted for this person")
	w.wantAudit(t, "grant-person intended", "grant-person done", "approve-request intended", "approve-request done")
}

// TestAReadingIsNoChange: where Graph cannot be read nothing is sent, and the audit
// log has no change that may have been made.
func TestAReadingIsNoChange(t *testing.T) {
	t.Parallel()
	w, b, asked := grantForPerson(t, func(_ bool, r *http.Request) bool {
		return r.Method == http.MethodGet && strings.Contains(r.URL.RawQuery, "principalId")
	})
	if p := b.submit(asked, `form:has(input[value=person]) button`, nil); p.status != http.StatusBadGateway {
		t.Errorf("status %d", p.status)
	}
	w.wantAudit(t)
}

// TestAnOutcomeThatCannotBeWritten: nobody is told that the audit log has it.
func TestAnOutcomeThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t, writeAll)
	p := b.get(withdrawLink(consentRow(b.get("/admin/consent?q=ledger+exporter&for=tenant"), "Ledger Exporter", "Everybody")))
	w.execute(t, "CREATE TRIGGER nope BEFORE INSERT ON audit_log WHEN NEW.outcome <> 'intended' BEGIN SELECT RAISE(ABORT, 'disk full'); END")
	p = b.submit(p, "form .btn-danger", url.Values{"typed": {"Ledger Exporter"}}).want(http.StatusOK, "Consent")
	p.has(".flash, [role=status]", "the audit log could not be written")
	if text := p.text(".flash, [role=status]"); strings.Contains(text, "It is in the audit log") {
		t.Errorf("the words are %q", text)
	}
	w.wantAudit(t, "withdraw-grant intended")
}

// TestAttackTheListAfterSignOut: nothing of it is left for whoever signs in next.
func TestAttackTheListAfterSignOut(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	b.get("/admin/consent").want(http.StatusOK, "Consent")
	b.signOut()
	b.signIn(ada)
	w.tenant.Faults().Set("graph.403", "", -1)
	p := b.get("/admin/consent")
	p.has("main", "does not let your account do this")
	if rows := p.sel("table.consent tbody tr").Length(); rows != 0 {
		t.Errorf("%d rows are shown", rows)
	}
}
