package templates

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/a-h/templ"
)

var sampleNow = time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC)

// hostile is text that must never become markup or leave its attribute.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>' onfocus='alert(3)`

func samplePage(path string) Page {
	return Page{
		Now: sampleNow, Path: path, Environment: "Sandbox", Version: "1.0.0", Reference: "r-7f3a9c1e52",
		User: &UserMenu{Name: "Erika Employee", Account: "erika@contoso.example", Tenant: "Contoso",
			SessionEnds: sampleNow.Add(52 * time.Minute), SessionMark: "m1"},
		Nav: []NavItem{
			{"Overview", HomeURL, path == HomeURL},
			{"Scans", ScansURL, strings.HasPrefix(path, ScansURL)},
			{"Tokens", TokensURL, path == TokensURL},
		},
	}
}

func anonymousPage(path string) Page {
	p := samplePage(path)
	p.User, p.Nav = nil, nil
	return p
}

func sampleID(n int) string {
	return fmt.Sprintf("%08x-3b1d-4c7a-9e52-%012x", 0x0f5c0e2a+n*0x01a3c5e7, n*7919+11)
}

var sampleNames = []string{"Payments production", "Payments test", "Customer portal", "Data lake west Europe",
	"Identity and access shared services", "HR", "Factory floor telemetry", "Web shop", "Sandbox of the platform team",
	"Archive 2019 to 2024", "Machine learning research", "Backup and recovery, second region"}

func sampleSubscriptions(n int) []Subscription {
	subs := make([]Subscription, n)
	for i := range subs {
		total := 40 + i*3%17
		failed := max(0, 17-i*2)
		subs[i] = Subscription{ID: sampleID(i), Name: sampleNames[i%len(sampleNames)], AccessLevel: "Subscription",
			Compliance: Compliance{true, 100 * float64(total-failed) / float64(total)},
			Passed:     total - failed, Failed: failed, Total: total,
			LastScan:   sampleNow.Add(-time.Duration(i*i*37+3) * time.Minute),
			ScansToday: i % 11, ScansLimit: 10}
	}
	if n > 3 {
		subs[2].AccessLevel = "Resource Group(s)"
		subs[n-1] = Subscription{ID: sampleID(n), Name: "New, never scanned"}
	}
	return subs
}

func sampleScans() []ScanRow {
	return []ScanRow{
		{ID: "01jd6w3qv8x5k2m9", RequestedAt: sampleNow.Add(-95 * time.Second), Subscriptions: []string{"Payments production", "Web shop"}, State: ScanRunning},
		{ID: "01jd6a7zt1c4h8p3", RequestedAt: sampleNow.Add(-5 * time.Hour), EndedAt: sampleNow.Add(-5*time.Hour + 21*time.Second),
			Subscriptions: []string{"Customer portal"}, State: ScanCompleted},
		{ID: "01jd5y2mn6b9r4w7", RequestedAt: sampleNow.Add(-27 * time.Hour), EndedAt: sampleNow.Add(-26 * time.Hour),
			Subscriptions: sampleNames[:5], State: ScanPartial, Summary: "4 completed, 1 refused"},
		{ID: "01jd4k9fd3e7s1u5", RequestedAt: sampleNow.Add(-50 * time.Hour), EndedAt: sampleNow.Add(-48 * time.Hour),
			Subscriptions: []string{"HR"}, State: ScanStalled},
		{ID: "01jd3k9fd3e7s1u5", RequestedAt: sampleNow.Add(-74 * time.Hour), EndedAt: sampleNow.Add(-73 * time.Hour),
			Subscriptions: []string{"HR"}, State: "Paused by AzTS"},
	}
}

func sampleClaims() []Claim {
	return []Claim{
		{Name: "aud", Value: "api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c", Meaning: "Who the token is for."},
		{Name: "iss", Value: "http://127.0.0.1:8081/7c9e1b42-0d5f-4a86-9e13-5b7c2d8f4a60/v2.0", Meaning: "Who issued it: the sign-in service of your organization."},
		{Name: "iat", Value: "1795269600", Meaning: "When it was issued.", Time: sampleNow.Add(-8 * time.Minute)},
		{Name: "nbf", Value: "1795269600", Meaning: "Not valid before this time.", Time: sampleNow.Add(-8 * time.Minute)},
		{Name: "exp", Value: "1795273500", Meaning: "Not valid from this time on.", Time: sampleNow.Add(57 * time.Minute)},
		{Name: "name", Value: "Erika Employee", Meaning: "Your name, for display only."},
		{Name: "oid", Value: sampleID(77), Meaning: "Your object id in the directory: it never changes."},
		{Name: "preferred_username", Value: "erika@contoso.example", Meaning: "Your account name, for display only: it can change."},
		{Name: "roles", Value: `["Portal.HelpDesk"]`, Meaning: "Your roles in this application."},
		{Name: "scp", Value: "user_impersonation", Meaning: "What the token allows."},
		{Name: "sid", Value: sampleID(78), Meaning: "Your session at the sign-in service; signing out names it."},
		{Name: "sub", Value: "vJ8Rk2xQmT0aLr5cN1wZsYh4uE7oPbG9dXfKiVt3CyA", Meaning: "You, as this application alone knows you."},
		{Name: "tid", Value: sampleID(79), Meaning: "Your tenant."},
		{Name: "uti", Value: "Zk3vN9uLxUe0qDq2Yw8RAA", Meaning: "The token's own id, for logs."},
		{Name: "ver", Value: "2.0", Meaning: "Version of the token's form."},
	}
}

func sampleToken() TokenCard {
	return TokenCard{ID: "azts", Resource: "AzTS", Audience: "api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c",
		Scopes: []string{"api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c/user_impersonation"}, Account: "erika@contoso.example", Purpose: "Nightly report for the platform team",
		Issued: sampleNow.Add(-8 * time.Minute), Expires: sampleNow.Add(57 * time.Minute), Claims: RenderClaims(sampleClaims()),
		Header:  "{\n  \"alg\": \"RS256\",\n  \"kid\": \"k1\",\n  \"typ\": \"JWT\"\n}",
		Payload: "{\n  \"aud\": \"api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c\",\n  \"scp\": \"user_impersonation\",\n  \"ver\": \"2.0\"\n}",
		Verdict: TokenVerdict{Tone: ToneSuccess, Summary: "Yes: the token has what AzTS asks for.", CanAsk: true, Checks: []VerdictCheck{
			{"Audience", CheckPassed, "The token is for AzTS."}, {"Time", CheckFailed, "The token has expired. Renew it."},
			{"Calling application", CheckOpen, "It was asked for with Azure CLI."}}}}
}

func sampleGraphToken() TokenCard {
	c := sampleToken()
	c.ID, c.Resource, c.Audience, c.Purpose = "t0123456789abcdef", "Microsoft Graph", "https://graph.microsoft.com", ""
	c.Scopes = []string{"https://graph.microsoft.com/User.Read", "https://graph.microsoft.com/Directory.Read.All"}
	c.Expires = sampleNow.Add(4 * time.Minute)
	c.Claims, c.Payload = "", ""
	c.Verdict = TokenVerdict{Tone: ToneWarning, Summary: "No: the token is for Microsoft Graph, not for AzTS."}
	return c
}

func sampleTokenForm() TokenForm {
	return TokenForm{Resource: "https://graph.microsoft.com", Name: "Microsoft Graph", What: "Your profile, people, groups and the directory.",
		Resources: []NavItem{{"AzTS", TokensURL, false}, {"Microsoft Graph", TokenQuery{Resource: "https://graph.microsoft.com"}.URL(), true}},
		Scopes: []ScopeChoice{{Value: "https://graph.microsoft.com/User.Read", Name: "User.Read", Title: "Read your profile", Text: "Your name and mail address.", Chosen: true},
			{Value: "https://graph.microsoft.com/Directory.Read.All", Name: "Directory.Read.All", AdminOnly: true}}}
}

func sampleIssues() []IssueRow {
	return []IssueRow{
		{IssuedAt: sampleNow.Add(-8 * time.Minute), Resource: "AzTS", Scopes: []string{"api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c/user_impersonation"}, Purpose: "Nightly report",
			Flow: "with your sign-in", Expires: sampleNow.Add(52 * time.Minute), RevealedAt: sampleNow.Add(-time.Minute), Reveals: 3, CopiedAt: sampleNow, Copies: 1, Device: "Edge on Windows", Here: true},
		{IssuedAt: sampleNow.Add(-26 * time.Hour), Resource: "Azure Resource Manager", Scopes: []string{"https://management.azure.com/user_impersonation"},
			Flow: "silently, with the refresh token", Expires: sampleNow.Add(-25 * time.Hour), Device: "Safari on iPhone"},
	}
}

func sampleResults(n int) []Result {
	statuses := []string{"Failed", "Failed", "Verify", "Passed", "Error", "Exempted", "NotApplicable", "ExtScanned", "NotScanned", "Passed", "Deferred"}
	severities := []string{"Critical", "High", "High", "Medium", "Low", "High", "Medium", "Low", "Medium", "Unheard of", ""}
	rows := make([]Result, n)
	for i := range rows {
		group := "rg-payments-prod"
		rows[i] = Result{ControlID: "Azure_Storage_DP_Encrypt_In_Transit", Control: "Storage accounts accept encrypted connections only",
			Status: statuses[i%len(statuses)], Severity: severities[i%len(severities)], Resource: fmt.Sprintf("stpayprod%03d", i), Group: group,
			ResourceID:  "/subscriptions/" + sampleID(0) + "/resourceGroups/" + group + "/providers/Microsoft.Storage/storageAccounts/" + fmt.Sprintf("stpayprod%03d", i),
			Reason:      "The property supportsHttpsTrafficOnly is false on this account, so clients can connect without encryption.",
			Description: "Data on its way to a storage account can be read by others on the network unless the account insists on HTTPS.",
			Remediation: "az storage account update --name stpayprod000 --resource-group rg-payments-prod --https-only true",
			Category:    "Data protection", Baseline: i%2 == 0, PortalURL: "https://portal.azure.com/#resource/subscriptions/" + sampleID(0)}
		if i%3 == 2 {
			rows[i].Control = ""
			rows[i].ControlID = "Azure_Subscription_AuthZ_Limit_Admin_Owner_Count"
			rows[i].Reason = strings.Repeat("A reason that goes on for quite a while. ", 8)
		}
	}
	return rows
}

var sampleProblem = Problem{Title: "AzTS does not answer", What: "The AzTS Web API did not answer within 10 seconds.",
	Next: "Wait a minute and open this page again.", Mender: "The administrator of AzTS, if it stays.",
	Code: "azts_unreachable", Reference: "r-7f3a9c1e52", At: sampleNow, Primary: &Action{Label: "Try again", URL: HomeURL}}

var sampleARMWarning = Problem{Tone: ToneWarning, Title: "Some subscriptions may be missing", What: "Azure Resource Manager refused to list your subscriptions, so only those that AzTS knows are shown."}

// samples are the pages in their states, by name. Every exported page stands
// here at least once.
func samples() map[string]templ.Component {
	overview := OverviewPage{Page: samplePage(HomeURL), SubscriptionCount: 12, PassedControls: 407, FailedControls: 94,
		RunningScans: 1, Subscriptions: sampleSubscriptions(12), Running: sampleScans()[:1], AsOf: sampleNow.Add(-40 * time.Second)}
	many := overview
	many.SubscriptionCount, many.FailedControls = 5000, 21730
	many.Subscriptions = sampleSubscriptions(100)
	many.Pager = Pager{Noun: "subscriptions", From: 101, To: 200, Total: 5000, PrevURL: OverviewPageURL(1), NextURL: OverviewPageURL(3)}
	many.Warnings = []Problem{sampleARMWarning}
	empty := OverviewPage{Page: samplePage(HomeURL)}
	down := empty
	down.Problem = &sampleProblem
	noRole := empty
	noRole.NoRole = true
	noRole.Flash = &Flash{ToneSuccess, "Your other session ended."}

	account := AccountPage{Page: samplePage(AccountURL), Name: "Erika Employee", Account: "erika@contoso.example", Tenant: "Contoso",
		TenantID: sampleID(79), ObjectID: sampleID(77), Issuer: "http://127.0.0.1:8081/" + sampleID(79) + "/v2.0", Subject: "vJ8Rk2xQmT0aLr5cN1wZsYh4uE7oPbG9dXfKiVt3CyA",
		Roles: []string{"Portal.HelpDesk"}, Methods: []string{"Password", "Second factor"}, SignedInAt: sampleNow.Add(-70 * time.Minute),
		IdleEnds: sampleNow.Add(time.Hour), SessionEnds: sampleNow.Add(11 * time.Hour), Device: "Edge on Windows",
		Claims: RenderClaims(sampleClaims())}
	sessions := SessionsPage{Page: samplePage(SessionsURL), Sessions: []SessionRow{
		{ID: "s1", Device: "Edge on Windows", SignedInAt: sampleNow.Add(-70 * time.Minute), LastSeen: sampleNow, Current: true},
		{ID: "s2", Device: "Safari on iPhone", SignedInAt: sampleNow.Add(-3 * time.Hour), LastSeen: sampleNow.Add(-44 * time.Minute)},
	}}
	moreSessions := sessions
	moreSessions.More = true

	tokens := TokensPage{Page: samplePage(TokensURL), Tabs: TokenTabs(TokensURL), Form: sampleTokenForm(), Commands: Commands{APIURL: "http://127.0.0.1:8081/azts",
		Scope: "api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c/user_impersonation", AppIDURI: "api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c", TenantID: sampleID(79)}}
	held, revealed, consent := tokens, tokens, tokens
	held.Cards, held.Recent, held.MoreLink = []TokenCard{sampleToken(), sampleGraphToken()}, sampleIssues(), true
	revealed.Cards = []TokenCard{sampleToken()}
	revealed.Cards[0].Verdict.Answer = &AzTSAnswer{Tone: ToneWarning, Title: "AzTS does not take the token", What: "AzTS does not accept the token of this portal.",
		Next: "Ask an administrator.", Quote: "The access token is not accepted any more.", At: sampleNow}
	revealed.Cards[0].Revealed = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9." + strings.Repeat("c2FtcGxlLXRva2Vu", 60) + ".not-a-signature"
	revealed.Cards[0].Expires = sampleNow.Add(4 * time.Minute)
	consent.Problem = &Problem{Tone: ToneWarning, Title: "Your tenant wants you to sign in again", What: "The tenant asks for more proof before it issues this token.",
		Next: "Continue to your organization's sign-in page; you come back here.", Mender: "You.", Code: "AADSTS50076", Primary: &Action{Label: "Go on to the company sign-in", URL: TokensURL, Post: true, Fields: []Field{{"go", "1"}}}}
	refused := tokens
	refused.Form.Error, refused.Form.ErrorNext, refused.Form.Other, refused.Form.Purpose = "These scopes belong to two APIs.", "Ask for one token of each.", "https://management.azure.com/x", "A try"
	history := HistoryPage{Page: samplePage(TokensURL), Tabs: TokenTabs(HistoryURL), Rows: sampleIssues(), Days: 90,
		Pager: Pager{Noun: "tokens", From: 51, To: 52, Total: 120, PrevURL: HistoryPageURL(1), NextURL: HistoryPageURL(3)}}

	results := ResultsPage{Page: samplePage("/subscriptions/x/results"), SubscriptionID: sampleID(0), SubscriptionName: "Payments production",
		Compliance: Compliance{true, 61.4}, Passed: 27, Failed: 17, Total: 44, LastScan: sampleNow.Add(-3 * time.Minute), Rows: sampleResults(11),
		Pager:  Pager{Noun: "results", From: 1, To: 100, Total: 450, NextURL: SubscriptionResultsURL(sampleID(0), ResultsQuery{Skip: "eyJQYWdl", Page: 2})},
		CSVURL: SubscriptionResultsCSVURL(sampleID(0), ResultsQuery{}), ScanURL: ScanURL("01jd6w3qv8x5k2m9")}
	noResults := ResultsPage{Page: samplePage("/subscriptions/x/results"), SubscriptionID: sampleID(0)}

	message := MessagePage{Page: anonymousPage("/auth/callback"), Status: 403, Heading: "You may not use this application",
		What: "Your organization allows this portal only to people who were assigned to it, and you are not.",
		Next: "Ask for the portal in your organization's access requests, or sign in with another account.", Mender: "An administrator of your tenant.",
		Code: "AADSTS50105", At: sampleNow, Primary: &Action{Label: "Try again", URL: LoginURL("")},
		Secondary: &Action{Label: "Use another account", URL: OtherAccountURL("")}}
	notFound := MessagePage{Page: samplePage("/x"), Status: 404, Tone: ToneInfo, Heading: "There is no such page", What: "The address is wrong, or the thing it named is not yours.",
		Primary: &Action{Label: "Go to the overview", URL: HomeURL}}

	people := []SamplePerson{
		{"Erika Employee", "erika@contoso.example", "The usual case: four subscriptions, reads and scans.", LoginOptions{LoginHint: "erika@contoso.example"}.URL()},
		{"Ada Admin", "ada@contoso.example", "Administrator: sees all twelve subscriptions.", LoginOptions{LoginHint: "ada@contoso.example"}.URL()},
		{"Hanna Help", "hanna@contoso.example", "Help desk.", ""},
		{"Gus Guest", "gus_fabrikam.example#EXT#@contoso.example", "Guest from another tenant.", ""},
		{"Dan Disabled", "dan@contoso.example", "Disabled account: is refused.", ""},
		{"Mia Multi", "mia@contoso.example", "Must confirm with a second factor.", ""},
		{"Norman Norole", "norman@contoso.example", "No role that AzTS accepts.", ""},
	}
	dark := landingSample(people)
	dark.Theme = ThemeDark

	all := map[string]templ.Component{
		"landing":         Landing(landingSample(people)),
		"landing-dark":    Landing(dark),
		"landing-down":    Landing(LandingPage{Page: Page{Now: sampleNow}, SignInURL: LoginURL(""), ProviderDown: "Your organization's sign-in service does not answer. The portal tries again every few seconds."}),
		"overview":        Overview(overview),
		"overview-many":   Overview(many),
		"overview-empty":  Overview(empty),
		"overview-down":   Overview(down),
		"overview-norole": Overview(noRole),
		"sessions":        Sessions(sessions),
		"sessions-more":   Sessions(moreSessions),
		"account":         Account(account),
		"tokens":          Tokens(held),
		"tokens-none":     Tokens(tokens),
		"tokens-revealed": Tokens(revealed),
		"tokens-signin":   Tokens(consent),
		"tokens-refused":  Tokens(refused),
		"history":         TokenHistory(history),
		"history-none":    TokenHistory(HistoryPage{Page: samplePage(TokensURL), Tabs: TokenTabs(HistoryURL), Days: 90}),
		"results":         Results(results),
		"results-none":    Results(noResults),
		"message":         Message(message),
		"message-404":     Message(notFound),
		"message-bare":    Message(MessagePage{Page: Page{Now: sampleNow}, Heading: "Something went wrong"}),
		"signed-out": SignedOut(SignedOutPage{Page: anonymousPage(SignedOutURL), SignInURL: LoginURL(""), Outcomes: []SignOutOutcome{
			{true, "Your session in this portal ended, and its tokens are gone."}, {false, "Your company sign-in may still be open: its service did not answer."}}}),
		"hostile": Message(MessagePage{Page: hostilePage(), Status: 400, Heading: hostile, What: hostile, Next: hostile, Mender: hostile, Code: hostile, At: sampleNow,
			Primary: &Action{Label: hostile, URL: "javascript:alert(1)"}, Secondary: &Action{Label: hostile, URL: hostile, Post: true, Fields: []Field{{hostile, hostile}}}}),
		"hostile-results": Results(ResultsPage{Page: hostilePage(), SubscriptionID: hostile, SubscriptionName: hostile, CSVURL: "javascript:alert(1)",
			Rows: []Result{{ControlID: hostile, Control: hostile, Status: hostile, Severity: hostile, Resource: hostile, Group: hostile, ResourceID: hostile, Reason: strings.Repeat("x", 4000),
				Description: hostile, Remediation: hostile, Category: hostile, ExceptionState: hostile, ExceptionExpiry: hostile, Justification: hostile, PortalURL: "javascript:alert(1)"}}}),
		"hostile-tokens": Tokens(TokensPage{Page: hostilePage(), Tabs: []NavItem{{hostile, "javascript:alert(1)", true}}, Commands: Commands{hostile, hostile, hostile, hostile, hostile, hostile},
			Form: TokenForm{Resource: hostile, Name: hostile, What: hostile, Other: hostile, Purpose: hostile, Error: hostile, ErrorNext: hostile,
				Resources: []NavItem{{hostile, "javascript:alert(1)", true}}, Scopes: []ScopeChoice{{Value: hostile, Name: hostile, Title: hostile, Text: hostile}}},
			Cards: []TokenCard{{ID: "t1", Resource: hostile, Audience: hostile, Scopes: []string{hostile}, Account: hostile, Purpose: hostile, Revealed: hostile,
				Claims: RenderClaims([]Claim{{Name: hostile, Value: hostile, Meaning: hostile}}), Header: hostile, Payload: hostile,
				Verdict: TokenVerdict{Tone: hostile, Summary: hostile, CanAsk: true, Checks: []VerdictCheck{{hostile, hostile, hostile}},
					Answer: &AzTSAnswer{Tone: hostile, Title: hostile, What: hostile, Next: hostile, Quote: hostile}}}},
			Recent: []IssueRow{{Resource: hostile, Scopes: []string{hostile}, Purpose: hostile, Flow: hostile, Device: hostile}}}),
		"hostile-history": TokenHistory(HistoryPage{Page: hostilePage(), Rows: []IssueRow{{Resource: hostile, Scopes: []string{hostile}, Purpose: hostile, Flow: hostile, Device: hostile}}}),
		"hostile-account": Account(AccountPage{Page: hostilePage(), Name: hostile, Account: hostile, Tenant: hostile, TenantID: hostile, ObjectID: hostile, Issuer: hostile, Subject: hostile,
			Roles: []string{hostile}, Methods: []string{hostile}, Device: hostile, Claims: RenderClaims([]Claim{{Name: hostile, Value: hostile, Meaning: hostile}})}),
		"hostile-sessions": Sessions(SessionsPage{Page: hostilePage(), Sessions: []SessionRow{{ID: hostile, Device: hostile}}}),
		"hostile-landing":  Landing(LandingPage{Page: hostilePage(), SignInURL: "javascript:alert(1)", ProviderDown: hostile, People: []SamplePerson{{hostile, hostile, hostile, "javascript:alert(1)"}}}),
		"hostile-overview": Overview(OverviewPage{Page: hostilePage(), Subscriptions: []Subscription{{ID: hostile, Name: hostile, AccessLevel: hostile}},
			Warnings: []Problem{{Title: hostile, What: hostile, Next: hostile, Mender: hostile, Code: hostile, Reference: hostile}}, Pager: Pager{Noun: hostile, To: 1, PrevURL: "javascript:alert(1)"}}),
		"hostile-signed-out": SignedOut(SignedOutPage{Page: hostilePage(), SignInURL: "javascript:alert(1)", Outcomes: []SignOutOutcome{{false, hostile}}}),
	}
	maps.Copy(all, accessSamples())
	maps.Copy(all, appTokenSamples())
	maps.Copy(all, adminSamples())
	maps.Copy(all, scheduleSamples())
	maps.Copy(all, startSamples())
	maps.Copy(all, followSamples())
	maps.Copy(all, findingsSamples())
	maps.Copy(all, compareSamples())
	maps.Copy(all, overviewSamples())
	maps.Copy(all, flowSamples())
	maps.Copy(all, runSamples())
	maps.Copy(all, errorSamples())
	maps.Copy(all, healthSamples())
	return all
}

func landingSample(people []SamplePerson) LandingPage {
	return LandingPage{Page: anonymousPage(HomeURL), SignInURL: LoginURL(""), People: people}
}

func hostilePage() Page {
	return Page{Title: hostile, Now: sampleNow, Path: hostile, Environment: hostile, Notice: hostile, Theme: hostile, Version: hostile, Reference: hostile,
		User:  &UserMenu{Name: hostile, Account: hostile, Tenant: hostile, SessionEnds: sampleNow, SessionMark: hostile},
		Nav:   []NavItem{{hostile, "javascript:alert(1)", true}},
		Flash: &Flash{Tone: hostile, Text: hostile}}
}
