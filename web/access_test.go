package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/sandbox"
)

const (
	ines     = "ines@contoso.com" // Directory Readers: Graph shows her the list
	readAll  = sandbox.GraphAudience + "/Directory.Read.All"
	writeAll = sandbox.GraphAudience + "/DelegatedPermissionGrant.ReadWrite.All"
	basicAll = sandbox.GraphAudience + "/User.ReadBasic.All"
	keyVault = "https://vault.azure.net/user_impersonation"
)

// agreed is a world where an administrator agreed to permissions of the portal.
func agreed(t testing.TB, o sandbox.Options, scopes ...string) *world {
	t.Helper()
	return startWorld(t, setup{sandbox: o, before: func(tenant *tenantServer) {
		for _, scope := range scopes {
			if err := tenant.Consent(sandbox.PortalClientID, "", scope); err != nil {
				t.Fatal(err)
			}
		}
	}})
}

// words returns the text of a selection with a blank between its parts.
func words(s *goquery.Selection) string {
	var parts []string
	var walk func(*goquery.Selection)
	walk = func(s *goquery.Selection) {
		s.Contents().Each(func(_ int, node *goquery.Selection) {
			if goquery.NodeName(node) == "#text" {
				parts = append(parts, node.Text())
				return
			}
			walk(node)
		})
	}
	walk(s)
	return clean(strings.Join(parts, " "))
}

// permissionRow returns the row of a permission of the portal at an API.
func (p *page) permissionRow(api, name string) *goquery.Selection {
	p.t.Helper()
	found := p.sel(".permissions tbody").FilterFunction(func(_ int, body *goquery.Selection) bool {
		return clean(body.Find("tr.group strong").Text()) == api
	}).Find("tr").FilterFunction(func(_ int, row *goquery.Selection) bool {
		return clean(row.Find("summary").Text()) == name
	})
	return found
}

// permissionOf returns the text of that row and its details, "" when there is none.
func (p *page) permission(api, name string) string {
	p.t.Helper()
	row := p.permissionRow(api, name)
	return clean(words(row) + " " + words(row.Next().Filter(".detail")))
}

func (p *page) wantPermission(api, name string, texts ...string) {
	p.t.Helper()
	got := p.permission(api, name)
	if got == "" {
		p.t.Errorf("no permission %s at %s: %s", name, api, p.text(".permissions"))
	}
	for _, text := range texts {
		if !strings.Contains(got, text) {
			p.t.Errorf("%s at %s is %q, want it to hold %q", name, api, got, text)
		}
	}
}

// TestEmployeeSeesWhatTokensProve: Graph refuses most employees the list, and the
// page says so without alarm.
func TestEmployeeSeesWhatTokensProve(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	b := w.browser()
	p := b.signInTo(dana, "/access").want(http.StatusOK, "Access")
	p.has(".card-note", "people with a directory role")
	if n := p.sel(".card-note form, .card-note a, .panel.tone-error").Length(); n != 0 {
		t.Errorf("%d ways out or alarms are shown, where none helps", n)
	}
	// What the tokens carry, with the texts that the directory shows to everybody.
	p.wantPermission("AzTS", "user_impersonation", "Access AzTS as you", "Your token carries it", "Yes, until", "Overview, Scans, Tokens",
		"Lets the application request and read AzTS scans as the signed-in person.", "in a token of yours since")
	p.one(`.detail [data-copy="0f4b2c6d-9a37-4e18-b5c0-6d8e1f20a394"]`) // the permission's id
	p.wantPermission("Azure Resource Manager", "user_impersonation", "Access Azure Resource Manager as you")
	p.wantPermission("Microsoft Graph", "Directory.Read.All", "Only an administrator")
	p.has("#apps", "does not show you this list")
	if p.sel(`a[href^="/access/give-back"]`).Length() != 0 {
		t.Error("something is to be given back of which the directory says nothing")
	}
	if nav := p.text(`nav a[aria-current="page"]`); nav != "Access" {
		t.Errorf("the navigation is at %q", nav)
	}
}

// TestNobodyAllowedTheList: without consent only an administrator is offered the
// way there, and comes back with the list.
func TestNobodyAllowedTheList(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{})
	p := w.browser().signInTo(dana, "/access")
	p.has(".card-note", "Nobody has allowed")
	if p.sel(".card-note form").Length() != 0 {
		t.Error("an employee is sent where only an administrator can agree")
	}
	asked := w.tenant.count(tokenPath)
	b := w.browser()
	p = b.signInTo("ada@contoso.com", "/access")
	p.has(".card-note", "Nobody has allowed")
	p = b.through(b.submit(p, `.card-note form button`, nil), "ada@contoso.com")
	p.want(http.StatusOK, "Access")
	if p.sel(".card-note").Length() != 0 {
		t.Errorf("the list is still not shown: %s", p.text(".card-note"))
	}
	p.wantPermission("AzTS", "user_impersonation", "You")
	if w.tenant.count(tokenPath) == asked {
		t.Error("nothing was asked of the tenant")
	}
}

// TestARefusedListIsNotAskedForAtEachView: each question is one to the tenant, in vain.
func TestARefusedListIsNotAskedForAtEachView(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{})
	b := w.browser()
	b.signInTo(dana, "/access")
	before := w.tenant.count(tokenPath)
	b.get("/access").has(".card-note", "Nobody has allowed")
	if after := w.tenant.count(tokenPath); after != before {
		t.Errorf("the second view asked the tenant %d times", after-before)
	}
	b.post("/access/refresh", nil)
	if after := w.tenant.count(tokenPath); after == before {
		t.Error("Refresh asks nobody")
	}
}

// TestAskForOneMoreAndGiveItBack is the way of a permission: asked for, granted by
// incremental consent, seen to be unused, given back.
func TestAskForOneMoreAndGiveItBack(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	b := w.browser()
	p := b.signInTo(ines, "/access")
	if p.sel(".card-note").Length() != 0 {
		t.Fatalf("Graph refuses the list: %s", p.text(".card-note"))
	}
	p.wantPermission("AzTS", "user_impersonation", "You", "Give back")
	p.wantPermission("Microsoft Graph", "Directory.Read.All", "Everybody in your organization", "Access, Admin")
	if text := p.permission("Microsoft Graph", "Directory.Read.All"); strings.Contains(text, "Give back") {
		t.Error("what an administrator allowed for everybody is offered to be given back")
	}
	if p.sel(`#permission option[value="`+readAll+`"]`).Length() != 0 {
		t.Error("a permission that is there can be asked for")
	}

	// Only for this one permission, and back at the same place.
	p = b.submit(p, `form[action="/access/scopes"] button`, url.Values{"permission": {basicAll}})
	p = b.toAnswer(p, ines)
	if p.heading() != "Working..." {
		t.Fatalf("the tenant shows %q", p.heading())
	}
	p = b.through(p, ines).want(http.StatusOK, "Access")
	p.has(".flash", "has this permission now: User.ReadBasic.All")
	p.wantPermission("Microsoft Graph", "User.ReadBasic.All", "You", "Nothing here uses it", "Yes, until", "better given back")
	p.wantPermission("AzTS", "user_impersonation", "Yes, until") // other tokens are still there

	// What follows is said before anything happens.
	p = b.get(p.permissionRow("Microsoft Graph", "User.ReadBasic.All").Find("a").AttrOr("href", "")).want(http.StatusOK, "Give back consent")
	p.has("main", "This portal")
	p.has(".plain", "stay valid until they expire")
	p.has(".plain", "asks you again")
	if chosen := p.one("input[name=scope][checked]").AttrOr("value", ""); chosen != "User.ReadBasic.All" {
		t.Errorf("chosen is %q", chosen)
	}
	p = b.submit(p, `form[action="/access/give-back"] button`, url.Values{"scope": {"User.ReadBasic.All"}}).want(http.StatusOK, "Access")
	p.has(".flash", "You gave it back")
	if text := p.permission("Microsoft Graph", "User.ReadBasic.All"); !strings.Contains(text, "Your token carries it") {
		t.Errorf("after giving back it is %q: the token lives on, and the page says so", text)
	}
	p.wantPermission("Microsoft Graph", "openid", "You", "Give back") // the rest of the consent stays

	// A consent of one permission is deleted whole.
	p = b.through(b.submit(p, `form[action="/access/scopes"] button`, url.Values{"other": {keyVault}}), ines)
	p.wantPermission("Azure Key Vault", "user_impersonation", "You")
	p = b.get(p.permissionRow("Azure Key Vault", "user_impersonation").Find("a").AttrOr("href", ""))
	p = b.submit(p, `form[action="/access/give-back"] button`, url.Values{"scope": {"user_impersonation"}}).want(http.StatusOK, "Access")
	p.wantPermission("Azure Key Vault", "user_impersonation", "Your token carries it")
}

// TestAGrantForEverybodyMakesGivingBackVoid, and the page says so before.
func TestAGrantForEverybodyMakesGivingBackVoid(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll, sandbox.AzTSAppIDURI+"/user_impersonation")
	if err := w.tenant.Consent(sandbox.PortalClientID, ines, sandbox.AzTSAppIDURI+"/user_impersonation"); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	p := b.signInTo(ines, "/access")
	p.wantPermission("AzTS", "user_impersonation", "You, and everybody in your organization")
	p = b.get(p.permissionRow("AzTS", "user_impersonation").Find("a").AttrOr("href", ""))
	p.has(".choice", "for everybody as well, so giving it back changes nothing for now")
	p.has(".choice", "Used here for: Overview, Scans, Tokens.")
}

// TestOtherApplicationsAreListed: the person's own consents to them, and what
// everybody's lets use AzTS. Grants of other people are not.
func TestOtherApplicationsAreListed(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	for client, account := range map[string]string{sandbox.ScriptClientID: ines, sandbox.ExpensesClientID: "", sandbox.PayrollClientID: dana} {
		if err := w.tenant.Consent(client, account, sandbox.AzTSAppIDURI+"/user_impersonation"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.tenant.Consent(sandbox.ExpensesClientID, ines, sandbox.GraphAudience+"/User.Read"); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	p := b.signInTo(ines, "/access")
	var rows []string
	p.sel("#apps tbody tr").Each(func(_ int, row *goquery.Selection) { rows = append(rows, words(row)) })
	begins := func(text string) int {
		return slices.IndexFunc(rows, func(row string) bool { return strings.HasPrefix(row, text) })
	}
	everybodys, own, elsewhere := begins("Expenses By Contoso AzTS user_impersonation Everybody"), begins("scan-bot By Contoso AzTS user_impersonation You Give back"),
		begins("Expenses By Contoso Microsoft Graph User.Read You Give back")
	if everybodys < 0 || own < everybodys || elsewhere != len(rows)-1 || begins("Payroll") >= 0 {
		t.Errorf("the other applications are %q", rows)
	}
	p.has("#apps", "trusts by itself (pre-authorized), such as Azure CLI")
	p = b.get(p.sel("#apps tbody tr").Eq(own).Find("a").AttrOr("href", "")).want(http.StatusOK, "Give back consent")
	p.has("main", "scan-bot may no longer, at AzTS")
	p = b.submit(p, `form[action="/access/give-back"] button`, url.Values{"scope": {"user_impersonation"}})
	if strings.Contains(p.text("#apps"), "scan-bot") {
		t.Error("the consent is still there")
	}
}

// TestGivingBackWhereThePortalMayNot: the page says where else it can be done.
func TestGivingBackWhereThePortalMayNot(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	b := w.browser()
	p := b.signInTo(ines, "/access")
	p = b.get(p.permissionRow("AzTS", "user_impersonation").Find("a").AttrOr("href", ""))
	p = b.submit(p, `form[action="/access/give-back"] button`, url.Values{"scope": {"user_impersonation"}}).want(http.StatusForbidden, "Give back consent")
	p.has(".panel", "myapps.microsoft.com")
	if p.sel(".panel form").Length() != 0 {
		t.Error("an employee is sent where only an administrator can agree")
	}
	// An administrator can agree, and comes back to where they were.
	b = w.browser()
	const ada = "ada@contoso.com"
	p = b.signInTo(ada, "/access")
	p = b.get(p.permissionRow("AzTS", "user_impersonation").Find("a").AttrOr("href", ""))
	p = b.submit(p, `form[action="/access/give-back"] button`, url.Values{"scope": {"user_impersonation"}}).want(http.StatusForbidden, "Give back consent")
	p = b.through(b.submit(p, ".panel form button", nil), ada).want(http.StatusOK, "Give back consent")
	p = b.submit(p, `form[action="/access/give-back"] button`, url.Values{"scope": {"user_impersonation"}}).want(http.StatusOK, "Access")
	p.has(".flash", "You gave it back")
}

// TestAskAnAdministrator: with a reason, once, and its state afterwards.
func TestAskAnAdministrator(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	b := w.browser()
	p := b.signInTo(dana, "/access")
	const permission = sandbox.GraphAudience + "/AppRoleAssignment.ReadWrite.All"
	p = b.submit(p, `form[action="/access/scopes"] button`, url.Values{"other": {permission}})
	p.has("#ask-admin", "Only an administrator can allow this")
	p.has("#ask-admin", "AppRoleAssignment.ReadWrite.All at Microsoft Graph")
	if p.one("#reason").AttrOr("maxlength", "") != "500" {
		t.Error("the reason has no limit")
	}
	// Nothing of what was typed is lost on an error.
	p = b.submit(p, `#ask-admin button`, url.Values{"reason": {" "}})
	p.want(http.StatusBadRequest, "Access").has("#reason-error", "The reason is missing")
	for _, empty := range []string{"...", "\u200b\u200b\u200b"} {
		p = b.submit(p, `#ask-admin button`, url.Values{"reason": {empty}})
		p.want(http.StatusBadRequest, "Access").has("#reason-error", "The reason is missing")
	}
	long := strings.Repeat("ä", 501)
	p = b.submit(p, `#ask-admin button`, url.Values{"reason": {long}}).want(http.StatusBadRequest, "Access")
	if got := p.one("#reason").Text(); got != long {
		t.Errorf("kept is a reason of %d bytes", len(got))
	}
	reason := "I clean up \u202eour team's applications.\r\n\r\n" + strings.Repeat("ü", 460)
	p = b.submit(p, `#ask-admin button`, url.Values{"reason": {reason}}).want(http.StatusOK, "Access")
	p.has(".flash", "An administrator was asked")
	if row := words(p.one("#requests tbody tr")); !strings.HasPrefix(row, "AppRoleAssignment.ReadWrite.All Microsoft Graph Waiting just now") || !strings.HasSuffix(row, "None yet") {
		t.Errorf("the request is %q", row)
	}
	if strings.Contains(p.body, "\u202e") || !strings.Contains(p.body, "I clean up our team&#39;s applications.\nü") {
		t.Error("the reason is kept as it was typed")
	}
	// Twice is once.
	p = b.post("/access/requests", url.Values{"permission": {permission}, "reason": {"Please!"}})
	p.has(".flash", "asked for this before")
	if n := p.sel("#requests tbody tr").Length(); n != 1 {
		t.Errorf("there are %d requests", n)
	}
	if other := w.browser().signInTo(ines, "/access"); other.sel("#requests").Length() != 0 {
		t.Error("somebody else sees the request")
	}
}

// TestTheAnswerOfAnAdministratorIsSeen, in the administrator's own words.
func TestTheAnswerOfAnAdministratorIsSeen(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	person, admin := w.browser(), w.browser()
	person.signInTo(dana, "/access")
	person.post("/access/requests", url.Values{"permission": {writeAll}, "reason": {"I tidy up."}})
	p := admin.signInTo("ada@contoso.com", "/admin/requests")
	link := p.sel(`main a[href^="/admin/requests/"]`).First().AttrOr("href", "")
	admin.post(strings.TrimSuffix(link, "/")+"/decline", url.Values{"answer": {"Ask your <b>team lead</b> instead."}})
	row := words(person.get("/access").one("#requests tbody tr"))
	if !strings.Contains(row, "Declined") || !strings.Contains(row, "Ask your <b>team lead</b> instead.") {
		t.Errorf("the person reads %q", row)
	}
	// What was declined may be asked for again, with a better reason.
	p = person.post("/access/requests", url.Values{"permission": {writeAll}, "reason": {"My team lead sent me."}})
	if n := p.sel("#requests tbody tr").Length(); n != 2 {
		t.Errorf("%d requests are listed", n)
	}
}

// TestRolesShowEveryReason: each person's standing, as AzTS and Azure tell it.
func TestRolesShowEveryReason(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	for _, test := range []struct {
		account string
		rows    []string // what the rows hold, in order
	}{
		{"ravi@contoso.com", []string{"Payments – Staging | Shown by AzTS | Contributor resource group"}},
		{"maja@contoso.com", []string{"Payments – Production | Shown by AzTS | Security Reader management group mg-payments, given 90 days ago",
			"Payments – Staging | Shown by AzTS | Security Reader management group mg-payments, given 90 days ago"}},
		{"theo@contoso.com", []string{"Innovation Sandbox <new> | Shown by AzTS | Contributor the subscription, through a group",
			"Payments – Production | Shown by AzTS | Owner the subscription, through a group"}},
		{"rena@contoso.com", []string{"Contoso Prod | Wrong role | Reader the subscription | Your role Reader is none that AzTS accepts",
			"Payments – Staging | Wrong role | Contoso Cost Auditor the subscription | Ask the owner of the subscription"}},
		{"faye@contoso.com", []string{"Payments – Production | Too new | Security Reader the subscription, given 3 hours ago | AzTS should know it by"}},
		{"pia@contoso.com", []string{"Data Platform EU | Not activated | Contributor the subscription, to be activated | Reader the subscription | Open Privileged Identity Management",
			"Legacy Lab | Wrong role | Reader", "Payments – Production | Not activated | Contributor the subscription, to be activated | Activate it in Privileged Identity Management"}},
		{"oskar@contoso.com", []string{"東京 Commerce 日本 | Unknown to AzTS | Contributor the subscription | AzTS administrator can mend"}},
		{"noor@contoso.com", nil},
	} {
		t.Run(test.account, func(t *testing.T) {
			w := w.in(t)
			p := w.browser().signInTo(test.account, "/access")
			rows := p.sel("table.roles tbody tr")
			if rows.Length() != len(test.rows) {
				t.Fatalf("%d rows, want %d: %s", rows.Length(), len(test.rows), p.text("#roles"))
			}
			for i, want := range test.rows {
				got := words(rows.Eq(i))
				for part := range strings.SplitSeq(want, " | ") {
					if !strings.Contains(got, part) {
						t.Errorf("row %d is %q, want it to hold %q", i, got, part)
					}
				}
			}
			if test.rows == nil {
				p.has("#roles", "You have no role in Azure yet")
			}
			if alarm := p.text("#roles .panel"); alarm != "" {
				t.Errorf("the page worries: %s", alarm)
			}
		})
	}
}

// TestWhyOneSubscriptionIsMissing: by its id, also where no list has it.
func TestWhyOneSubscriptionIsMissing(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	b := w.browser()
	b.signInTo("noor@contoso.com", "/access")
	const prod = "3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3"
	p := b.get("/access?subscription=" + strings.ToUpper(prod))
	p.has("#lookup", "No role")
	p.has("#lookup", "you have no role on it, or there is none with this id")
	p = b.get("/access?subscription=" + url.QueryEscape("') or 1 eq 1"))
	p.has("#subscription-error", "not the id of a subscription")
	if kept := p.one("#subscription").AttrOr("value", ""); kept != "') or 1 eq 1" {
		t.Errorf("kept is %q", kept)
	}
	b = w.browser()
	b.signInTo(dana, "/access")
	b.get("/access?subscription="+prod).has("#lookup", "Shown by AzTS")
}

// TestRolesAreSearchedAndPaged: at a company with thousands only the page's
// subscriptions are asked about, a few at a time.
func TestRolesAreSearchedAndPaged(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{Subscriptions: 5000}, readAll)
	asked, most := w.countRoleQuestions()
	b := w.browser()
	p := b.signInTo(dana, "/access")
	if n := p.sel("table.roles tbody tr").Length(); n != 25 {
		t.Errorf("the page has %d rows", n)
	}
	p.has("#roles .pager", "1 to 25 of 4,584 subscriptions")
	p.has("#roles .card-head", "4,584 subscriptions, 833 not shown by AzTS")
	if n := len(asked()); n > 25 {
		t.Errorf("Azure was asked about %d subscriptions", n)
	}
	if n := most(); n < 2 || n > 8 {
		t.Errorf("%d questions were under way at once", n)
	}
	next := p.one(`#roles a[rel="next"]`).AttrOr("href", "")
	if !strings.HasSuffix(next, "#roles") {
		t.Errorf("the next page begins at its top: %s", next)
	}
	first := p.text("table.roles tbody th")
	if p = b.get(next); p.text("table.roles tbody th") == first {
		t.Error("the second page is the first")
	}
	p = b.get("/access?q=contoso+prod&show=missing")
	p.sel("table.roles tbody tr").Each(func(_ int, row *goquery.Selection) {
		if text := clean(row.Text()); strings.Contains(text, "Shown by AzTS") {
			t.Errorf("found is %q", text)
		}
	})
	if !slices.Contains(strings.Split(p.one(`#roles input[name=show]`).AttrOr("value", ""), " "), "missing") || p.sel(`#roles input[name=show][checked]`).Length() != 1 {
		t.Error("the filter does not stay chosen")
	}
	// Known answers are not asked for again for a while.
	before := len(asked())
	b.get("/access")
	if after := len(asked()); after != before {
		t.Errorf("coming back asked about %d more", after-before)
	}
}
