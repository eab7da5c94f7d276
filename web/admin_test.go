package main

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/sandbox"
)

const (
	ada = "ada@contoso.com"

	withdrawRoles = sandbox.GraphAudience + "/AppRoleAssignment.ReadWrite.All"
	aztsScope     = sandbox.AzTSAppIDURI + "/user_impersonation"
)

// adminWorld is a world where reading the directory is granted for everybody, as
// README asks, and whatever else is given; Ada is signed in.
func adminWorld(t testing.TB, granted ...string) (*world, *browser) {
	t.Helper()
	w := agreed(t, sandbox.Options{}, append(granted, readAll)...)
	b := w.browser()
	b.signIn(ada)
	return w, b
}

// consentRow finds the row of the list that holds all the texts.
func consentRow(p *page, texts ...string) *goquery.Selection {
	p.t.Helper()
	found := p.sel("table.consent tbody tr:not(.detail)").FilterFunction(func(_ int, row *goquery.Selection) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(clean(row.Text()), text) })
	})
	if found.Length() != 1 {
		p.t.Fatalf("%s: %d rows with %q", p.url, found.Length(), texts)
	}
	return found
}

func withdrawLink(row *goquery.Selection) string { return row.Find("td a.btn").AttrOr("href", "") }

// auditOf returns what the audit log holds, oldest first: action and outcome.
func (w *world) auditOf(t testing.TB) (lines []string) {
	t.Helper()
	for _, row := range w.audit(t) {
		lines = append(lines, row["action"]+" "+row["outcome"])
	}
	return lines
}

func TestAdminSeesEveryGrant(t *testing.T) {
	w, b := adminWorld(t)
	w.tenant.SeedGrants(400)
	p := b.get("/admin/consent").want(http.StatusOK, "Consent")
	if n := p.sel("table.consent tbody tr:not(.detail)").Length(); n != 100 {
		t.Errorf("the first page has %d rows", n)
	}
	consentRow(p, "AzTS Portal", "Everybody", "Directory.Read.All", "Microsoft Graph", "Tenant-wide", "Far-reaching")
	consentRow(p, "Ada Lindqvist", "Portal.Admin", "App role")
	p.has(".pager", "1 to 100 of")
	p.has("main", "Microsoft Azure CLI")
	p.has("main", "Microsoft Azure PowerShell")
	next := p.sel(".pager a[rel=next]").AttrOr("href", "")
	if second := b.get(next); second.sel("table.consent tbody tr").Length() == 0 || second.text("table.consent tbody tr:first-child") == p.text("table.consent tbody tr:first-child") {
		t.Error("the second page is the first")
	}
	for query, check := range map[string]func(row string) bool{
		"q=LEDGER+sync":              func(row string) bool { return strings.Contains(row, "Ledger Sync") },
		"kind=role":                  func(row string) bool { return strings.Contains(row, "App role") },
		"for=tenant":                 func(row string) bool { return strings.Contains(row, "Everybody") },
		"risk=publisher":             func(row string) bool { return strings.Contains(row, "Unknown publisher") },
		"api=" + graphPrincipal:      func(row string) bool { return strings.Contains(row, "Microsoft Graph") },
		"client=" + portalPrincipal:  func(row string) bool { return strings.Contains(row, "AzTS Portal") },
		"for=tenant&risk=publisher":  func(row string) bool { return strings.Contains(row, "Everybody") && strings.Contains(row, "Unknown") },
		"q=bruno.bergmann.2%40conto": func(row string) bool { return strings.Contains(row, "Bruno Bergmann") },
	} {
		p := b.get("/admin/consent?"+query).want(http.StatusOK, "Consent")
		rows := p.sel("table.consent tbody tr:not(.detail)")
		if rows.Length() == 0 {
			t.Errorf("%s: no row", query)
		}
		rows.Each(func(_ int, row *goquery.Selection) {
			if !check(clean(row.Text())) {
				t.Errorf("%s: %s", query, clean(row.Text()))
			}
		})
	}
	b.get("/admin/consent?q=nothing-like-that").has("main", "none fits the filter")

	// The file holds exactly the rows that the filter leaves, in their order.
	const query = "?for=tenant&sort=person&order=desc&q=e"
	p = b.get("/admin/consent" + query)
	file := b.get("/admin/consent.csv" + query)
	if name := file.header.Get("Content-Disposition"); !strings.Contains(name, `filename="consent-2`) || strings.Contains(name, "partial") || file.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", file.header)
	}
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(file.body, "\ufeff"))).ReadAll()
	if err != nil || len(records) < 3 {
		t.Fatalf("%d records: %v", len(records), err)
	}
	rows := p.sel("table.consent tbody tr:not(.detail)")
	if rows.Length() != len(records)-1 {
		t.Fatalf("%d rows on the page, %d in the file", rows.Length(), len(records)-1)
	}
	rows.Each(func(i int, row *goquery.Selection) {
		if name := clean(row.Find("summary").Text()); name != records[i+1][1] {
			t.Errorf("row %d is %q on the page, %q in the file", i, name, records[i+1][1])
		}
	})
	if asked := w.tenant.count("/graph/v1.0/directoryObjects/getByIds"); asked != 1 {
		t.Errorf("names were asked for %d times for one list", asked)
	}
	refreshed := b.submit(p, `form[action="/admin/consent/refresh"] button`, nil)
	if refreshed.url.Query().Encode() != p.url.Query().Encode() || w.tenant.count("/graph/v1.0/directoryObjects/getByIds") != 2 {
		t.Errorf("refreshing leads to %s", refreshed.url)
	}
}

// TestGraphIsAskedWithTheAdminsOwnToken: never with one of the portal's.
func TestGraphIsAskedWithTheAdminsOwnToken(t *testing.T) {
	w, b := adminWorld(t, writeAll)
	var mu sync.Mutex
	callers := map[string]int{}
	w.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/graph/") {
			return false
		}
		parts := strings.Split(r.Header.Get("Authorization"), ".")
		var claims struct{ OID, Scp, IDTyp string }
		if len(parts) == 3 {
			if raw, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
				_ = json.Unmarshal(raw, &claims) // what cannot be read has no oid
			}
		}
		mu.Lock()
		defer mu.Unlock()
		callers[claims.OID]++
		if claims.Scp == "" {
			callers["an application"]++
		}
		return false
	})
	for _, path := range []string{"/admin/consent", "/admin/permissions", "/admin/credentials", "/admin/consent/grant?scope=" + url.QueryEscape(aztsScope)} {
		if p := b.get(path); p.status != http.StatusOK {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	p := b.get(withdrawLink(consentRow(b.get("/admin/consent?q=roster+sync"), "Roster Sync", "Everybody")))
	b.submit(p, "form .btn-danger", url.Values{"typed": {"Roster Sync"}}).want(http.StatusOK, "Consent")
	mu.Lock()
	defer mu.Unlock()
	if len(callers) != 1 || callers[sandbox.AdaID] < 8 {
		t.Errorf("Graph was asked by %v", callers)
	}
}

func TestAdminWithdrawsForEverybody(t *testing.T) {
	w, b := adminWorld(t)
	row := consentRow(b.get("/admin/consent?q=ledger+exporter&for=tenant"), "Ledger Exporter", "Everybody")
	link := withdrawLink(row)

	// The permission to write is asked for only now, with its reason.
	p := b.get(link).want(http.StatusOK, "Withdraw user_impersonation from Ledger Exporter")
	p.has("main", "Everybody in your organization who uses Ledger Exporter with AzTS API.")
	p.has("main", "stay valid until they expire")
	p.has("main", "One person agreed for themselves as well")
	p.has("main", "DelegatedPermissionGrant.ReadWrite.All")
	if p.sel("form .btn-danger").Length() != 0 {
		t.Fatal("it can be withdrawn without the permission")
	}
	p = b.through(b.submit(p, `form[action="/admin/allow"] button`, nil), ada)
	if p.url.RequestURI() != link {
		t.Fatalf("from the tenant back to %s, not to %s", p.url.RequestURI(), link)
	}
	if lines := w.auditOf(t); len(lines) != 0 {
		t.Errorf("a visit is in the audit log: %v", lines)
	}

	// The name must be typed.
	for _, typed := range []string{"", "ledger exporter", "Ledger"} {
		wrong := b.submit(p, "form .btn-danger", url.Values{"typed": {typed}}).want(http.StatusBadRequest, "Withdraw user_impersonation from Ledger Exporter")
		wrong.has("#typed-error", "not the name")
	}
	done := b.submit(p, "form .btn-danger", url.Values{"typed": {"Ledger Exporter"}}).want(http.StatusOK, "Consent")
	done.has(".flash, [role=status]", "Withdrawn: user_impersonation of Ledger Exporter")
	b.get("/admin/consent?q=ledger+exporter&for=tenant").has("main", "none fits the filter")
	if lines := w.auditOf(t); !slices.Equal(lines, []string{"withdraw-grant intended", "withdraw-grant done"}) {
		t.Fatalf("the audit log is %v", lines)
	}
	first := w.audit(t)[0]
	if first["actor_subject"] != sandbox.AdaID || first["actor_name"] != "Ada Lindqvist" || first["client_name"] != "Ledger Exporter" || first["resource_name"] != "AzTS API" ||
		first["scope"] != "user_impersonation" || first["target_id"] != "" || first["reference"] == "" || len(w.log.lines(first["reference"])) == 0 {
		t.Errorf("the entry is %v", first)
	}

	// The same form again: there is nothing left, and no second entry.
	again := b.submit(p, "form .btn-danger", url.Values{"typed": {"Ledger Exporter"}}).want(http.StatusNotFound, "Nothing to withdraw")
	again.has("main", "There is nothing left to do")
	if len(w.auditOf(t)) != 2 {
		t.Errorf("the audit log is %v", w.auditOf(t))
	}
}

func TestAdminWithdrawsOneScopeAndARole(t *testing.T) {
	w, b := adminWorld(t, writeAll, withdrawRoles)
	if err := w.tenant.Consent(sandbox.PortalClientID, dana, "openid profile User.Read"); err != nil {
		t.Fatal(err)
	}
	grant := grantOf(graphPrincipal, sandbox.DanaID)
	p := b.get("/admin/consent/grants/"+grant+"/withdraw?scope=profile").want(http.StatusOK, "Withdraw profile from AzTS Portal")
	p.has("main", "openid User.Read") // stays
	p.has("main", "Dana Reyes, and nobody else.")
	if p.sel("#typed").Length() != 0 {
		t.Error("one person's grant asks for a typed name")
	}
	b.submit(p, "form .btn-danger", nil).want(http.StatusOK, "Consent")
	row := consentRow(b.get("/admin/consent?q=dana"), "Dana Reyes", "Microsoft Graph")
	if text := clean(row.Text()); !strings.Contains(text, "openid, User.Read") {
		t.Errorf("the row is %s", text)
	}
	b.get("/admin/consent/grants/"+grant+"/withdraw?scope=profile").want(http.StatusNotFound, "Nothing to withdraw").has("main", "not part of the grant")

	role := withdrawLink(consentRow(b.get("/admin/consent?kind=role&q=scan-bot"), "scan-bot", "Scan.Request"))
	p = b.get(role).want(http.StatusOK, "Withdraw the role Scan.Request from scan-bot")
	p.has("main", "Scripts and jobs of this application stop working there")
	b.submit(p, "form .btn-danger", url.Values{"typed": {"scan-boot"}}).want(http.StatusBadRequest, "Withdraw the role Scan.Request from scan-bot")
	b.submit(p, "form .btn-danger", url.Values{"typed": {"scan-bot"}}).want(http.StatusOK, "Consent")
	b.get(role).want(http.StatusNotFound, "Nothing to withdraw")
	want := []string{"withdraw-scope intended", "withdraw-scope done", "withdraw-role intended", "withdraw-role done"}
	if lines := w.auditOf(t); !slices.Equal(lines, want) {
		t.Errorf("the audit log is %v", lines)
	}
}

// TestAGrantChangesMeanwhile: what is withdrawn is what was shown, or nothing.
func TestAGrantChangesMeanwhile(t *testing.T) {
	w, b := adminWorld(t, writeAll)
	grant := grantOf(graphPrincipal, sandbox.DanaID)
	consent := func(scope string) {
		t.Helper()
		if err := w.tenant.Consent(sandbox.PortalClientID, dana, scope); err != nil {
			t.Fatal(err)
		}
	}
	consent("openid")
	address := "/admin/consent/grants/" + grant + "/withdraw"
	p := b.get(address).want(http.StatusOK, "Withdraw openid from AzTS Portal")
	consent("profile") // somebody consents to more while the page is open
	p = b.submit(p, "form .btn-danger", nil).want(http.StatusConflict, "Withdraw everything from AzTS Portal")
	p.has("main", "Nothing was withdrawn")
	if lines := w.auditOf(t); len(lines) != 0 {
		t.Errorf("the audit log is %v", lines)
	}
	// Gone between our reading and the change: the intent stays, with its failure.
	w.tenant.Faults().Set("graph.grant_gone", "", -1)
	w.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete {
			w.tenant.Faults().Clear("graph.grant_gone")
		} else {
			w.tenant.Faults().Set("graph.grant_gone", "", 1)
		}
		return false
	})
	b.submit(p, "form .btn-danger", nil).want(http.StatusNotFound, "Nothing to withdraw")
	w.tenant.answerWith(nil)
	if lines := w.auditOf(t); !slices.Equal(lines, []string{"withdraw-grant intended", "withdraw-grant failed"}) {
		t.Errorf("the audit log is %v", lines)
	}
}

// TestAWithdrawalThatMayHaveHappened: Graph breaks in the middle of the change.
func TestAWithdrawalThatMayHaveHappened(t *testing.T) {
	w, b := adminWorld(t, writeAll)
	p := b.get(withdrawLink(consentRow(b.get("/admin/consent?q=fleet+sync"), "Fleet Sync", "Aino")))
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete {
			return false
		}
		http.Error(rw, `{"error":{"code":"InternalServerError"}}`, http.StatusInternalServerError)
		return true
	})
	if broken := b.submit(p, "form .btn-danger", nil); broken.status != http.StatusBadGateway {
		t.Errorf("status %d", broken.status)
	}
	if lines := w.auditOf(t); !slices.Equal(lines, []string{"withdraw-grant intended", "withdraw-grant unknown"}) {
		t.Errorf("the audit log is %v", lines)
	}
}

// TestGraphInTroubleForTheAdmin: what arrived is shown as a part, with words, and
// never as the whole.
func TestGraphInTroubleForTheAdmin(t *testing.T) {
	for _, c := range []struct {
		name, fault, value string
		seeded             int
		says, code         string
		rows               bool
	}{
		{"refused", "graph.403", "", 0, "does not let your account do this", "graph_denied", false},
		{"throttled for long", "graph.429", "120", 0, "120 seconds", "graph_throttled", false},
		{"throttled without a word", "graph.429_mid_page", "none", 1500, "has too much to do", "graph_throttled", true},
		{"broken in the middle", "graph.500_mid_page", "", 1500, "failed to answer", "service_failed", true},
		{"refused in the middle", "graph.403_mid_page", "", 1500, "does not let your account do this", "graph_denied", true},
		{"a link to another host", "graph.foreign_next_link", "", 1500, "cannot be followed", "pages_refused", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, b := adminWorld(t)
			w.tenant.SeedGrants(c.seeded)
			w.tenant.Faults().Set(c.fault, c.value, -1)
			p := b.get("/admin/consent").want(http.StatusOK, "Consent")
			p.has("main", c.says)
			p.has("main", c.code)
			if rows := p.sel("table.consent tbody tr").Length(); (rows > 0) != c.rows {
				t.Errorf("%d rows", rows)
			}
			if !c.rows {
				return
			}
			p.has("main", "The list is not whole")
			p.has("main", "The rest of: Grants on the AzTS API")
			p.has(".pager", "rows that arrived")
			if name := b.get("/admin/consent.csv").header.Get("Content-Disposition"); !strings.Contains(name, "-partial.csv") {
				t.Errorf("the file is called %s", name)
			}
			w.tenant.Faults().Clear()
			whole := b.submit(p, `form[action="/admin/consent/refresh"] button`, nil)
			if strings.Contains(whole.text("main"), "not whole") || strings.Contains(whole.text(".pager"), "arrived") {
				t.Error("after Graph recovered the list is still a part")
			}
		})
	}
}

func TestPermissionsAndCredentials(t *testing.T) {
	w, b := adminWorld(t)
	p := b.get("/admin/permissions").want(http.StatusOK, "Permissions")
	for _, text := range []string{"user_impersonation", "0f4b2c6d", "Everybody for themselves", "Lets the application request and read AzTS scans as the signed-in person.",
		"Scan.Request", "Applications", sandbox.AzTSAppIDURI} {
		p.has("main", text)
	}
	for days, says := range map[string]string{"": "13 days left", "30": "29 days left", "1": "Less than a day left", "-3": "Every credential has expired"} {
		w.tenant.Faults().Set("graph.credentials_end", days, -1)
		p := b.get("/admin/credentials").want(http.StatusOK, "Credentials")
		p.has("main", says)
		if days == "30" && p.sel(".s-verify").Length() == 0 || days == "-3" && p.sel(".s-failed").Length() == 0 {
			t.Errorf("%s days have no colour", days)
		}
	}
	w.tenant.Faults().Clear()
	if p := b.get("/admin/credentials"); p.sel("td .s-passed").Length() != 1 {
		t.Errorf("half a year is not well: %s", p.text("main"))
	}
	w.tenant.Faults().Set("graph.403", "", -1)
	b.get("/admin/credentials").want(http.StatusOK, "Credentials").has("main", "does not let your account read the registration")
	b.get("/admin/permissions").want(http.StatusOK, "Permissions").has("main", "The permissions cannot be read")
}

// TestGraphWantsMoreProof: a claims challenge of Graph leads to the tenant with
// those claims and back; the same challenge again stops with an explanation.
func TestGraphWantsMoreProof(t *testing.T) {
	w, b := adminWorld(t)
	var mu sync.Mutex
	times := 2 // the list, and the look before the visit
	const claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if !strings.HasPrefix(r.URL.Path, "/graph/") || times == 0 {
			return false
		}
		times--
		rw.Header().Set("WWW-Authenticate", `Bearer realm="", error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(claims))+`"`)
		http.Error(rw, `{"error":{"code":"InvalidAuthenticationToken"}}`, http.StatusUnauthorized)
		return true
	})
	p := b.get("/admin/consent").want(http.StatusOK, "Consent")
	p.has("main", "prove that it is you")
	p = b.submit(p, `form[action="/admin/allow"] button`, nil)
	if p = b.toAnswer(p, ada); p.heading() != "Working..." {
		t.Fatalf("at the tenant: %q", p.heading())
	}
	p = b.submit(p, "form#hiddenform", nil).want(http.StatusOK, "Consent")
	if p.sel("table.consent tbody tr").Length() == 0 {
		t.Errorf("back with the proof: %s", p.text("main"))
	}
	mu.Lock()
	times = -1
	mu.Unlock()
	b.post("/admin/consent/refresh", url.Values{"return_to": {"/admin/consent"}})
	p = b.get("/admin/consent")
	p = b.submit(p, `form[action="/admin/allow"] button`, nil)
	if p.evidence("Code") != "challenge_repeated" {
		t.Errorf("the same challenge again: %d %s: %s", p.status, p.evidence("Code"), p.text("main"))
	}
}

// adminRoutes are all of them, with the method.
var adminRoutes = []struct{ method, path string }{
	{"GET", "/admin"}, {"GET", "/admin/consent"}, {"GET", "/admin/consent.csv"}, {"POST", "/admin/consent/refresh"}, {"GET", "/admin/consent/grant"},
	{"POST", "/admin/consent/grant"}, {"GET", "/auth/admin-consent"}, {"GET", "/admin/consent/grants/x/withdraw"}, {"POST", "/admin/consent/grants/x/withdraw"},
	{"GET", "/admin/consent/roles/x/y/withdraw"}, {"POST", "/admin/consent/roles/x/y/withdraw"}, {"GET", "/admin/requests"}, {"GET", "/admin/requests/x"},
	{"POST", "/admin/requests/x/approve"}, {"POST", "/admin/requests/x/decline"}, {"POST", "/admin/requests/x/check"}, {"GET", "/admin/permissions"},
	{"GET", "/admin/credentials"}, {"POST", "/admin/allow"},
}

func TestAttackEmployeeAtTheAdminsPages(t *testing.T) {
	w, admin := adminWorld(t, writeAll)
	employee := w.browser()
	employee.signIn(dana)
	grant := grantOf(graphPrincipal, "") // Directory.Read.All for everybody
	seen := admin.get("/admin/consent/grants/" + grant + "/withdraw").fields("form.card")
	routes := append(slices.Clone(adminRoutes), struct{ method, path string }{"POST", "/admin/consent/grants/" + grant + "/withdraw"})
	before := w.tenant.count("/graph/v1.0/oauth2PermissionGrants/" + grant)
	for _, route := range routes {
		v := visit{method: route.method, to: route.path, from: employee.address("/admin/consent")}
		if route.method == "POST" {
			v.form = url.Values{"seen": seen["seen"], "typed": {"AzTS Portal"}, "scope": {aztsScope}, "permission": {"read"}, "for": {"person"}, "answer": {"No."}}
		}
		p := employee.send(v).want(http.StatusForbidden, "This is not open to you")
		p.has("main", "Portal.Admin")
		if strings.Contains(p.body, "Ledger") {
			t.Errorf("%s shows what it hides", route.path)
		}
	}
	if w.tenant.count("/graph/v1.0/oauth2PermissionGrants/"+grant) != before || len(w.auditOf(t)) != 0 {
		t.Error("Graph was asked, or the audit log has entries")
	}
	if stranger := w.browser().send(visit{to: "/admin/consent"}); stranger.status != http.StatusSeeOther {
		t.Errorf("somebody not signed in gets %d", stranger.status)
	}
}

// TestAttackFormOfAnotherSite: no page of strangers withdraws, grants or decides.
func TestAttackFormOfAnotherSite(t *testing.T) {
	w, b := adminWorld(t, writeAll)
	evil, err := url.Parse("https://evil.example/")
	if err != nil {
		t.Fatal(err)
	}
	fields := b.get("/admin/consent/grants/" + grantOf(graphPrincipal, "") + "/withdraw").fields("form.card")
	fields.Set("typed", "AzTS Portal")
	fields.Set("scope", aztsScope)
	for _, route := range append(slices.Clone(adminRoutes), struct{ method, path string }{"POST", "/admin/consent/grants/" + grantOf(graphPrincipal, "") + "/withdraw"}) {
		if route.method != "POST" {
			continue
		}
		p := b.send(visit{method: "POST", to: route.path, form: fields, from: evil})
		if p.status != http.StatusForbidden || p.evidence("Code") != "cross_origin" {
			t.Errorf("%s from another site: %d %s", route.path, p.status, p.evidence("Code"))
		}
	}
	if len(w.auditOf(t)) != 0 {
		t.Errorf("the audit log is %v", w.auditOf(t))
	}
	consentRow(b.get("/admin/consent?q=Directory.Read.All"), "Everybody")
}

// TestAttackPathsInIDs: what stands in an address never leads elsewhere at Graph.
func TestAttackPathsInIDs(t *testing.T) {
	w, b := adminWorld(t)
	for _, path := range []string{"/admin/consent/grants/..%2F..%2Fusers/withdraw", "/admin/consent/grants/a%20b/withdraw", "/admin/consent/grants/" + strings.Repeat("a", 600) + "/withdraw",
		"/admin/consent/roles/..%2Fme/x/withdraw", "/admin/consent/roles/" + aztsPrincipal + "/a%2Fb/withdraw", "/admin/requests/..%2Fx", "/admin/requests/" + strings.Repeat("x", 300)} {
		p := b.get(path)
		if p.status != http.StatusBadRequest && p.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, p.status)
		}
	}
	for _, asked := range []string{"/graph/v1.0/users", "/graph/v1.0/me"} {
		if w.tenant.count(asked) != 0 {
			t.Errorf("%s was asked for", asked)
		}
	}
}
