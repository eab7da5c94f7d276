package templates

import (
	"strings"
	"time"

	"github.com/a-h/templ"
)

func sampleAdmin(path string) AdminFrame {
	v := AdminFrame{Page: samplePage(path), Waiting: 2}
	v.Nav = append(v.Nav, NavItem{"Access", AccessURL, false}, NavItem{"Admin", AdminURL, true})
	v.User.Name, v.User.Account = "Ada Admin", "ada@contoso.example"
	return v
}

func sampleConsentRows() []ConsentRow {
	wide := ConsentRow{Client: "Ledger Exporter", ClientID: sampleID(40), Publisher: "Contoso", API: "AzTS API", Tenant: true, ID: "MHweXZQLb0qcKHHz4IpNFZE7euBNXIZCl_4b4E1chkI",
		Scopes: []ConsentScope{{Value: "user_impersonation", WithdrawURL: WithdrawGrantURL("g1", "user_impersonation")}},
		Risks:  []Risk{{"Tenant-wide", "It holds for everybody in the organization."}}, WithdrawURL: WithdrawGrantURL("g1", "")}
	one := ConsentRow{Client: "Fabrikam Fleet", ClientID: sampleID(41), API: "AzTS API", Person: "Erika Employee", Account: "erika@contoso.example", PersonID: sampleID(77), ID: "g2",
		Scopes: []ConsentScope{{Value: "user_impersonation", WithdrawURL: WithdrawGrantURL("g2", "user_impersonation")}, {Value: "Directory.ReadWrite.All", WithdrawURL: WithdrawGrantURL("g2", "Directory.ReadWrite.All")}},
		Risks:  []Risk{{"Far-reaching", "It writes."}, {"Unused", "The application is disabled."}, {"Unknown publisher", "Nobody is verified."}}, WithdrawURL: WithdrawGrantURL("g2", "")}
	app := ConsentRow{Role: true, Client: "scan-bot", ClientID: sampleID(42), Publisher: "Contoso", API: "AzTS API", ID: "a1", Since: sampleNow.Add(-400 * 24 * time.Hour),
		Scopes: []ConsentScope{{Value: "Scan.Request"}}, WithdrawURL: WithdrawRoleURL(sampleID(43), "a1")}
	admin := ConsentRow{Role: true, API: "AzTS Portal", Person: "Ada Admin", Account: "ada@contoso.example", PersonID: sampleID(44), ID: "a2", Since: sampleNow.Add(-26 * time.Hour),
		Scopes: []ConsentScope{{Value: "Portal.Admin"}}, WithdrawURL: WithdrawRoleURL(sampleID(45), "a2")}
	return []ConsentRow{wide, one, app, admin}
}

func sampleRequest(state string) AdminRequest {
	r := AdminRequest{ID: "RQ1", Name: "Erika Employee", Account: "erika@contoso.example", API: "https://graph.microsoft.com", Scope: "https://graph.microsoft.com/Directory.Read.All",
		Reason: "I compare the owners of our subscriptions with the people of my team, every month.", AskedAt: sampleNow.Add(-50 * time.Hour), State: state}
	if state != "pending" {
		r.DecidedBy, r.DecidedAt, r.Reference, r.ForTenant = "Ada Admin", sampleNow.Add(-time.Hour), "r-1", state == "approved"
	}
	if state == "declined" {
		r.Answer = "Ask the platform team for the report instead."
	}
	return r
}

func adminSamples() map[string]templ.Component {
	consent := ConsentPage{AdminFrame: sampleAdmin(AdminURL), Rows: sampleConsentRows(), All: 4, AsOf: sampleNow.Add(-40 * time.Second),
		Clients: []Choice{{"", "Every application"}, {sampleID(1), "Ledger Exporter"}}, APIs: []Choice{{"", "Every API"}, {sampleID(2), "AzTS API"}},
		Pager: Pager{Noun: "rows", From: 1, To: 4, Total: 4}, Trusted: []TrustedClient{{"Microsoft Azure CLI", sampleID(46), []string{"user_impersonation"}}, {"", sampleID(47), nil}}}
	filtered := consent
	filtered.Query = ConsentQuery{Text: "fleet", Risk: "unused", Sort: "person", Desc: true, Page: 2}
	filtered.Rows = consent.Rows[1:2]
	filtered.Pager = Pager{Noun: "rows that arrived", From: 101, To: 200, Total: 20000, PrevURL: filtered.Query.URL(), NextURL: filtered.Query.URL()}
	filtered.All, filtered.Partial = 20000, true
	filtered.Warnings = []Problem{{Tone: ToneWarning, Title: "The list is not whole", What: "Microsoft Graph has too much to do at the moment. Missing: The rest of: Grants on the AzTS API",
		Next: "It asks to wait 30 seconds. Try again then.", Code: "graph_throttled", Reference: "r-2", At: sampleNow, Secondary: &Action{Label: "Try again", URL: AdminURL}}}
	nothing, unmatched, reading, refused := consent, consent, consent, consent
	nothing.Rows, nothing.Trusted, nothing.Waiting = nil, nil, 0
	unmatched.Rows, unmatched.Query = nil, ConsentQuery{Text: "nothing"}
	reading.Reading = true
	refused.TrustedNote = &Problem{What: "The AzTS API is registered in another organization.", Next: "Only there can they be seen."}
	refused.Problem = &Problem{Tone: ToneInfo, Title: "The list cannot be read", What: "The company sign-in wants to see you again before it gives out this token.",
		Next: "Go to the company sign-in.", Primary: &Action{Label: "Go to the company sign-in", URL: AdminAllowURL, Post: true, Fields: []Field{{"permission", "read"}, {"return_to", AdminURL}}}}

	withdraw := WithdrawPage{AdminFrame: sampleAdmin(AdminURL), Heading: "Withdraw user_impersonation from Ledger Exporter", Client: "Ledger Exporter", ClientID: sampleID(40), API: "AzTS API",
		Scope: "user_impersonation", Whom: "Everybody in your organization", Hit: []string{"Everybody in your organization who uses Ledger Exporter with AzTS API."},
		Consequences: []string{"12 people agreed for themselves as well and keep that.", "Access tokens that were issued stay valid until they expire."},
		Expect:       "Ledger Exporter", Seen: "s1", Action: WithdrawGrantURL("g1", ""), Button: "Withdraw user_impersonation from Ledger Exporter", BackURL: AdminURL}
	mistyped, allow, gone := withdraw, withdraw, withdraw
	mistyped.Typed, mistyped.TypedError, mistyped.Keeps = "ledger", "This is not the name.", "openid profile"
	allow.AllowTitle = "One permission is missing first"
	allow.Allow, allow.AllowText = &Action{Label: "Go to the company sign-in", URL: AdminAllowURL, Post: true, Fields: []Field{{"permission", "grants"}}}, "To withdraw consent, this portal needs your permission."
	gone.Gone, gone.Heading, gone.Problem = true, "Nothing to withdraw", &Problem{Tone: ToneInfo, Title: "It is gone already", What: "Somebody withdrew this meanwhile."}

	grant := GrantPage{AdminFrame: sampleAdmin(AdminURL), Offers: []Choice{{"api://x/user_impersonation", "AzTS"}}}
	granted, absent, wrong := grant, grant, grant
	granted.Scope, granted.Known, granted.Granted = "api://x/user_impersonation", true, true
	absent.Scope, absent.Known = "api://x/user_impersonation", true
	wrong.Scope, wrong.ScopeError = "a b", "Write one scope of one API."

	requests := RequestsPage{AdminFrame: sampleAdmin(AdminRequestsURL), Waiting: []AdminRequest{sampleRequest("pending"), sampleRequest("pending")},
		Decided: []AdminRequest{sampleRequest("approved"), sampleRequest("declined")},
		Query:   RequestsQuery{Text: "dana", Page: 2}, WaitingPager: Pager{Noun: "requests", From: 101, To: 102, Total: 102, PrevURL: AdminRequestsURL}}
	request := RequestPage{AdminFrame: sampleAdmin(AdminRequestsURL), Request: sampleRequest("pending"), Permission: &PermissionFacts{AdminName: "Read directory data", AdminText: "Lets the application read the directory as you."}}
	known, hinted, decided := request, request, request
	known.Granted = true
	hinted.Request.PersonalHint, hinted.Answer, hinted.AnswerError = "Not possible for this person only.", "x", "The answer is missing."
	decided.Request = sampleRequest("declined")
	asksFirst := request
	asksFirst.AllowText = "For this person only: this portal first needs your permission to change consent."
	asksFirst.Allow = &Action{Label: "Go to the company sign-in", URL: AdminAllowURL, Post: true}

	permissions := PermissionsPage{AdminFrame: sampleAdmin(AdminPermissionsURL), API: "AzTS API", AppID: sampleID(2), AppIDURI: "api://" + sampleID(2), AsOf: sampleNow,
		Scopes: []PermissionFacts{{ID: sampleID(50), Value: "user_impersonation", Type: "User", Enabled: true, AdminName: "Access AzTS", AdminText: "Lets the application request and read scans.", UserName: "Access AzTS as you", UserText: "Lets the application use your rights."},
			{ID: sampleID(51), Value: "Scan.ReadWrite.All", Type: "Admin", AdminName: "Everything"}, {ID: sampleID(52), Value: "New", Type: "Somebody", Enabled: true}},
		Roles: []PermissionFacts{{ID: sampleID(53), Value: "Scan.Request", Enabled: true, AdminName: "Request scans", AdminText: "Request and read scans without a signed-in person.", Members: "Applications"}}}
	bare := PermissionsPage{AdminFrame: sampleAdmin(AdminPermissionsURL), API: "AzTS API", AppID: sampleID(2), AsOf: sampleNow}
	credentials := CredentialsPage{AdminFrame: sampleAdmin(AdminCredentialsURL), AsOf: sampleNow, Credentials: []CredentialRow{
		{Name: "", ID: sampleID(60), End: sampleNow.Add(-30 * time.Hour), Days: -2}, {Name: "Today", ID: sampleID(61), End: sampleNow.Add(time.Hour)},
		{Name: "Secret 2024", ID: sampleID(62), End: sampleNow.Add(12 * 24 * time.Hour), Days: 12}, {Name: "CN=portal", ID: sampleID(63), Certificate: true, End: sampleNow.Add(400 * 24 * time.Hour), Days: 400},
		{Name: "For ever", ID: sampleID(64)}}}

	bad := AdminFrame{Page: hostilePage(), Warnings: []Problem{{Title: hostile, What: hostile, Next: hostile, Code: hostile}}}
	hostileRow := ConsentRow{Client: hostile, ClientID: hostile, Publisher: hostile, API: hostile, Person: hostile, Account: hostile, PersonID: hostile, ID: hostile,
		Scopes: []ConsentScope{{hostile, "javascript:alert(1)"}, {hostile, "javascript:alert(1)"}}, Risks: []Risk{{hostile, hostile}}, WithdrawURL: "javascript:alert(1)"}
	hostileRequest := AdminRequest{ID: hostile, Name: hostile, Account: hostile, Scope: hostile, Reason: strings.Repeat("x", 600) + hostile, State: hostile, DecidedBy: hostile, Answer: hostile, Reference: hostile}
	pendingHostile := hostileRequest
	pendingHostile.State = "pending"
	return map[string]templ.Component{
		"admin-consent":           Consent(consent),
		"admin-consent-filtered":  Consent(filtered),
		"admin-consent-none":      Consent(nothing),
		"admin-consent-unmatched": Consent(unmatched),
		"admin-consent-reading":   Consent(reading),
		"admin-consent-refused":   Consent(refused),
		"admin-withdraw":          Withdraw(withdraw),
		"admin-withdraw-mistyped": Withdraw(mistyped),
		"admin-withdraw-allow":    Withdraw(allow),
		"admin-withdraw-gone":     Withdraw(gone),
		"admin-grant":             Grant(grant),
		"admin-grant-known":       Grant(granted),
		"admin-grant-absent":      Grant(absent),
		"admin-grant-wrong":       Grant(wrong),
		"admin-requests":          Requests(requests),
		"admin-requests-none":     Requests(RequestsPage{AdminFrame: sampleAdmin(AdminRequestsURL)}),
		"admin-request":           Request(request),
		"admin-request-known":     Request(known),
		"admin-request-hinted":    Request(hinted),
		"admin-request-decided":   Request(decided),
		"admin-request-allow":     Request(asksFirst),
		"admin-permissions":       Permissions(permissions),
		"admin-permissions-none":  Permissions(bare),
		"admin-credentials":       Credentials(credentials),
		"admin-credentials-none":  Credentials(CredentialsPage{AdminFrame: sampleAdmin(AdminCredentialsURL)}),
		"hostile-admin-consent": Consent(ConsentPage{AdminFrame: bad, Query: ConsentQuery{Text: hostile, Client: hostile}, Rows: []ConsentRow{hostileRow}, Clients: []Choice{{hostile, hostile}},
			Trusted: []TrustedClient{{hostile, hostile, []string{hostile}}}, Pager: Pager{Noun: hostile, To: 1, NextURL: "javascript:alert(1)"}}),
		"hostile-admin-withdraw": Withdraw(WithdrawPage{AdminFrame: bad, Heading: hostile, Client: hostile, ClientID: hostile, API: hostile, Scope: hostile, Keeps: hostile, Whom: hostile, WhomID: hostile,
			Hit: []string{hostile}, Consequences: []string{hostile}, Expect: hostile, Typed: hostile, TypedError: hostile, Seen: hostile, Action: "javascript:alert(1)", Button: hostile, BackURL: "javascript:alert(1)"}),
		"hostile-admin-grant":       Grant(GrantPage{AdminFrame: bad, Scope: hostile, ScopeError: hostile, Offers: []Choice{{hostile, hostile}}, Known: true}),
		"hostile-admin-requests":    Requests(RequestsPage{AdminFrame: bad, Waiting: []AdminRequest{hostileRequest}, Decided: []AdminRequest{hostileRequest}}),
		"hostile-admin-request":     Request(RequestPage{AdminFrame: bad, Request: pendingHostile, Answer: hostile, AnswerError: hostile, Permission: &PermissionFacts{AdminName: hostile, AdminText: hostile}, Granted: true}),
		"hostile-admin-permissions": Permissions(PermissionsPage{AdminFrame: bad, API: hostile, AppID: hostile, AppIDURI: hostile, Scopes: []PermissionFacts{{hostile, hostile, hostile, true, hostile, hostile, hostile, hostile, hostile}}, Roles: []PermissionFacts{{Members: hostile}}}),
		"hostile-admin-credentials": Credentials(CredentialsPage{AdminFrame: bad, Credentials: []CredentialRow{{Name: hostile, ID: hostile}}}),
	}
}
