package main

import (
	"database/sql"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

// audit reads the audit log, oldest first, as a person with the database does.
func (w *world) audit(t testing.TB) (entries []map[string]string) {
	t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: w.db, RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}).String())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	columns := []string{"operation", "action", "outcome", "actor_subject", "actor_name", "client_name", "resource_name", "scope", "target_id", "target_name", "reference", "code"}
	rows, err := db.Query("SELECT " + strings.Join(columns, ", ") + " FROM audit_log ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		values := make([]string, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		entry := map[string]string{}
		for i, name := range columns {
			entry[name] = values[i]
		}
		entries = append(entries, entry)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return entries
}

// askTenant presses the button that leads to the tenant and stops at its page.
func askTenant(b *browser, scope string) *page {
	b.t.Helper()
	p := b.submit(b.get("/admin/consent/grant"), "form.card .btn-primary", url.Values{"scope": {scope}})
	return p.want(http.StatusOK, "Permissions requested")
}

func TestAdminGrantsForEverybody(t *testing.T) {
	w, b := adminWorld(t)
	const scope = sandbox.GraphAudience + "/GroupMember.Read.All"
	b.get("/admin/consent/grant?scope="+url.QueryEscape(scope)).has("main", "does not list this grant")
	p := askTenant(b, scope)
	if lines := w.auditOf(t); !slices.Equal(lines, []string{"grant-tenant intended"}) {
		t.Errorf("on the way the audit log is %v", lines)
	}
	p = b.submit(p, "button[value=accept]", nil).want(http.StatusOK, "Grant for everybody")
	p.has("main", "This is granted for everybody")
	p.has(".flash, [role=status]", "Granted for everybody: "+scope)
	consentRow(b.get("/admin/consent?q=GroupMember"), "AzTS Portal", "Everybody", "Directory.Read.All, GroupMember.Read.All")
	entries := w.audit(t)
	if lines := w.auditOf(t); !slices.Equal(lines, []string{"grant-tenant intended", "grant-tenant done"}) || entries[0]["operation"] != entries[1]["operation"] || entries[1]["scope"] != scope {
		t.Errorf("the audit log is %v", entries)
	}
	for name, bad := range map[string]string{"two scopes": aztsScope + " " + scope, "no API": "user_impersonation", ".default": sandbox.AzTSAppIDURI + "/.default", "nothing": "", "markup": "api://<b>/x"} {
		if p := b.submit(b.get("/admin/consent/grant"), "form.card .btn-primary", url.Values{"scope": {bad}}); p.status != http.StatusBadRequest || p.sel(".field-error").Length() != 1 {
			t.Errorf("%s: status %d", name, p.status)
		}
	}
}

func TestAdminConsentIsDeclined(t *testing.T) {
	w, b := adminWorld(t)
	p := b.submit(askTenant(b, aztsScope), "button[value=decline]", nil).want(http.StatusOK, "Grant for everybody")
	p.has("body", "Nothing was granted: somebody said no")
	p.has("main", "does not list this grant")
	if lines := w.auditOf(t); !slices.Equal(lines, []string{"grant-tenant intended", "grant-tenant failed"}) {
		t.Errorf("the audit log is %v", lines)
	}
}

// consentAnswer walks to the tenant's answer and returns its address, unvisited.
func consentAnswer(b *browser, scope, button string) *url.URL {
	b.t.Helper()
	p := askTenant(b, scope)
	fields := url.Values{}
	form := p.one(button).Closest("form")
	for _, in := range form.Find("input[type=hidden]").Nodes {
		var name, value string
		for _, a := range in.Attr {
			if a.Key == "name" {
				name = a.Val
			} else if a.Key == "value" {
				value = a.Val
			}
		}
		fields.Set(name, value)
	}
	fields.Set("action", strings.TrimSuffix(strings.TrimPrefix(button, "button[value="), "]"))
	action, err := p.url.Parse(form.AttrOr("action", ""))
	if err != nil {
		b.t.Fatal(err)
	}
	answer := b.send(visit{to: action.String(), form: fields, from: p.url})
	to, err := url.Parse(answer.header.Get("Location"))
	if err != nil || to.Path != "/auth/admin-consent" {
		b.t.Fatalf("the tenant answers %d to %q", answer.status, answer.header.Get("Location"))
	}
	return to
}

// TestAttackAnswersToAdminConsent: only the answer to a grant that this browser and
// person began counts, once, and what it says of itself counts nothing.
func TestAttackAnswersToAdminConsent(t *testing.T) {
	const scope = sandbox.GraphAudience + "/GroupMember.Read.All"
	changed := func(u *url.URL, name, value string) string {
		q := u.Query()
		q.Set(name, value)
		return u.Path + "?" + q.Encode()
	}
	tenantPage, err := url.Parse("https://login.microsoftonline.com/")
	if err != nil {
		t.Fatal(err)
	}
	w, b := adminWorld(t)
	answer := consentAnswer(b, scope, "button[value=accept]")
	for name, to := range map[string]string{"a wrong state": changed(answer, "state", "made-up"), "no state": changed(answer, "state", ""), "nothing at all": "/auth/admin-consent"} {
		if p := b.open(visit{to: to, from: tenantPage}); p.status != http.StatusBadRequest || strings.Contains(p.text("main"), "Granted") {
			t.Errorf("%s: status %d: %s", name, p.status, p.text("main"))
		}
	}
	// Another admin's browser has another session and not the flow's cookie.
	other := w.browser()
	other.signIn(ada)
	if p := other.open(visit{to: answer.RequestURI(), from: tenantPage}); p.status != http.StatusBadRequest {
		t.Errorf("in another browser: status %d", p.status)
	}
	// Success that somebody made up: nothing was granted, and nothing is said to be.
	w.tenant.Faults().Clear()
	lie := consentAnswer(b, sandbox.GraphAudience+"/Application.Read.All", "button[value=decline]")
	q := url.Values{"admin_consent": {"True"}, "tenant": {sandbox.TenantID}, "scope": {"x"}, "state": {lie.Query().Get("state")}}
	p := b.open(visit{to: lie.Path + "?" + q.Encode(), from: tenantPage})
	if strings.Contains(p.text("main"), "This is granted") || !strings.Contains(p.text("body"), "does not list the grant yet") {
		t.Errorf("made-up success: %s", p.text("body"))
	}
	last := w.auditOf(t)
	if last[len(last)-1] != "grant-tenant unknown" {
		t.Errorf("the audit log is %v", last)
	}
	// An answer counts once.
	used := consentAnswer(b, scope, "button[value=accept]")
	b.open(visit{to: used.RequestURI(), from: tenantPage}).want(http.StatusOK, "Grant for everybody")
	n := len(w.auditOf(t))
	if p := b.open(visit{to: used.RequestURI(), from: tenantPage}); p.status != http.StatusBadRequest || len(w.auditOf(t)) != n {
		t.Errorf("a second time: status %d", p.status)
	}
	// The answer to a sign-in is none to a grant.
	w.tenant.Faults().Clear()
}

// TestANewGrantComesLate: it is said to be there when Graph lists it.
func TestANewGrantComesLate(t *testing.T) {
	w, b := adminWorld(t)
	w.tenant.Faults().Set("graph.late_replication", "1500ms", -1)
	p := b.submit(askTenant(b, sandbox.AzTSAppIDURI+"/user_impersonation"), "button[value=accept]", nil).want(http.StatusOK, "Grant for everybody")
	p.has("main", "This is granted for everybody")
	if lines := w.auditOf(t); !slices.Equal(lines, []string{"grant-tenant intended", "grant-tenant done"}) {
		t.Errorf("the audit log is %v", lines)
	}
}

// requestBy sends the request of an employee for a scope.
func requestBy(w *world, account, scope, reason string) *browser {
	b := w.browser()
	b.t.Helper()
	b.signIn(account)
	b.post("/access/requests", url.Values{"permission": {scope}, "reason": {reason}})
	return b
}

func TestRequestsAreDecided(t *testing.T) {
	w, b := adminWorld(t, writeAll)
	const wanted = sandbox.GraphAudience + "/GroupMember.Read.All"
	b.get("/admin/requests").want(http.StatusOK, "Requests").has("main", "Nothing is waiting")
	reason := `I compare <b>owners</b> with "teams"`
	employee := requestBy(w, dana, wanted, reason)
	again := employee.post("/access/requests", url.Values{"permission": {wanted}, "reason": {"Once more"}})
	if again.status >= 500 || w.rows("consent_requests") != 1 {
		t.Fatalf("asked twice: %d requests, status %d", w.rows("consent_requests"), again.status)
	}
	p := b.get("/admin/requests").want(http.StatusOK, "Requests")
	p.has("main", reason)
	p.has(".subnav", "1 waiting")
	link := p.one("table th a.name").AttrOr("href", "")
	p = b.get(link).want(http.StatusOK, "Request of Dana Reyes")
	p.has("main", "Lets the application read who is in which group as you.")

	// Declined only with a sentence.
	bad := b.submit(p, `form[action$="/decline"] button`, url.Values{"answer": {" "}}).want(http.StatusBadRequest, "Request of Dana Reyes")
	bad.has("#answer-error", "missing")
	b.submit(p, `form[action$="/decline"] button`, url.Values{"answer": {"The report has it <i>already</i>."}}).want(http.StatusOK, "Requests").has("main", "Declined")
	employee.get("/access").has("main", "The report has it <i>already</i>.")
	if p := b.submit(p, `form[action$="/decline"] button`, url.Values{"answer": {"Once more."}}); p.status != http.StatusConflict {
		t.Errorf("decided twice: %d", p.status)
	}

	// For this person only.
	employee.post("/access/requests", url.Values{"permission": {wanted}, "reason": {"Please"}})
	link = b.get("/admin/requests").sel("table th a.name").First().AttrOr("href", "")
	b.submit(b.get(link), `form:has(input[value=person]) button`, nil).want(http.StatusOK, "Requests").has("main", "Granted for this person")
	consentRow(b.get("/admin/consent?q=GroupMember"), "AzTS Portal", "Dana Reyes", "GroupMember.Read.All")

	// For everybody: approved when the grant was read back, not before.
	requestBy(w, "noor@contoso.com", wanted, "Me too")
	link = b.get("/admin/requests").sel("table th a.name").First().AttrOr("href", "")
	w.tenant.Faults().Set("graph.late_replication", "1h", -1)
	tenant := b.submit(b.get(link), `form:has(input[value=tenant]) button`, nil).want(http.StatusOK, "Permissions requested")
	p = b.submit(tenant, "button[value=accept]", nil).want(http.StatusOK, "Request of Noor Haddad")
	p.has("body", "does not list the grant yet")
	p.has("main", "Waiting")
	w.tenant.Faults().Clear()
	p = b.get(link)
	p.has("main", "This is granted for everybody already")
	b.submit(p, `form[action$="/check"] button`, nil).want(http.StatusOK, "Requests").has("main", "Granted for everybody")
	want := []string{"decline-request intended", "decline-request failed", "decline-request intended", "decline-request done",
		"grant-person intended", "grant-person done", "approve-request intended", "approve-request done",
		"grant-tenant intended", "grant-tenant unknown", "approve-request intended", "approve-request done"}
	if lines := w.auditOf(t); !slices.Equal(lines, want) {
		t.Errorf("the audit log is\n%v, want\n%v", lines, want)
	}
}
