package templates

import (
	"strings"
	"time"

	"github.com/a-h/templ"
)

// accessSamples are the pages about access: as the directory tells it, as tokens
// alone prove it, with every reason, empty, and with hostile text everywhere.
func accessSamples() map[string]templ.Component {
	whole := accessSample()

	refused := accessSample()
	refused.ListNote = &ListNote{What: "The directory shows the list of consents only to people with a directory role. So this is what your tokens prove.",
		Why: "Graph answers this only for people with a directory role.", Action: &Action{Label: "Let the portal read the list", URL: AccessListURL, Post: true, Fields: []Field{{"api", "graph"}}}}
	refused.AppsKnown, refused.Apps = false, nil
	for g := range refused.Portal {
		for i := range refused.Portal[g].Permissions {
			p := &refused.Portal[g].Permissions[i]
			p.Mine, p.Everyone, p.GiveBackURL = false, false, ""
		}
	}
	refused.Ask = AskForm{Groups: refused.Ask.Groups, Other: "https://graph.microsoft.com/Nothing.Like.That", Error: "Microsoft Graph has no such permission."}
	refused.Roles.Lookup = &refused.Roles.Rows[4]
	refused.Query.Subscription = sampleID(4)

	admin := accessSample()
	admin.AdminAsk = &AdminAskForm{Permission: "https://graph.microsoft.com/Directory.Read.All", API: "Microsoft Graph", Name: "Directory.Read.All", Title: "Read the directory",
		Reason: "I", Error: "The reason is missing. Write a sentence."}
	admin.RequestsProblem = &Problem{Title: "What you asked administrators for cannot be shown", What: "The database does not answer."}
	admin.Requests = nil
	admin.Roles.LookupError = "This is not the id of a subscription."
	admin.Roles.Problem = &Problem{Title: "Azure did not say which roles you have", What: "Azure cannot be reached.", At: sampleNow}
	admin.Roles.Rows = nil

	empty := AccessPage{Page: samplePage(AccessURL), AppsKnown: true}
	unavailable := AccessPage{Page: samplePage(AccessURL), Roles: RolesPanel{Unavailable: true}}
	untold := AccessPage{Page: samplePage(AccessURL), AppsKnown: true, Roles: RolesPanel{Incomplete: true, WaitUntil: sampleNow}}
	searched := AccessPage{Page: samplePage(AccessURL), AppsKnown: true, Query: AccessQuery{Text: "nothing like it", MissingOnly: true}, Roles: RolesPanel{All: 3}}

	giveBack := GiveBackPage{Page: samplePage(GiveBackURL), App: "This portal", Here: true, API: "Microsoft Graph", GrantID: "MHweXZQLb0qcKHHz4IpNFZE7", Shown: "User.Read openid profile",
		Scopes: []GiveBackScope{{Name: "openid", Title: "Sign you in", Consequence: "Used here for: Signing in."}, {Name: "User.Read", Title: "Read your profile", Chosen: true, Everyone: true}}}
	changed := giveBack
	changed.CoverUnknown = true
	changed.Changed, changed.Error = true, "Nothing is chosen. Choose what to give back."
	cannot := GiveBackPage{Page: samplePage(GiveBackURL), Problem: &Problem{Tone: ToneWarning, Title: "This portal cannot give it back for you", What: "The directory lets only people with a directory role change consents.",
		Next: "Open myapps.microsoft.com.", Primary: &Action{Label: "Go to the company sign-in", URL: AccessListURL, Post: true, Fields: []Field{{"api", "grants"}}}}}

	return map[string]templ.Component{
		"access": Access(whole), "access-refused": Access(refused), "access-ask-admin": Access(admin), "access-empty": Access(empty),
		"access-no-azure": Access(unavailable), "access-nothing-found": Access(searched), "access-untold": Access(untold),
		"give-back": GiveBack(giveBack), "give-back-changed": GiveBack(changed), "give-back-elsewhere": GiveBack(cannot),
		"hostile-access": Access(hostileAccess()),
		"hostile-give-back": GiveBack(GiveBackPage{Page: hostilePage(), App: hostile, API: hostile, GrantID: hostile, Shown: hostile, Error: hostile,
			Scopes: []GiveBackScope{{Name: hostile, Title: hostile, Consequence: hostile, Everyone: true}}}),
	}
}

func accessSample() AccessPage {
	azts := "api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c"
	return AccessPage{
		Page: samplePage(AccessURL), AsOf: sampleNow, AppsKnown: true,
		Portal: []PermissionGroup{
			{API: "AzTS", AppIDURI: azts, Permissions: []PermissionRow{{Name: "user_impersonation", Title: "Access AzTS as you", Text: "Request and read scans with your rights.",
				AdminTitle: "Access AzTS", AdminText: "Lets the application request and read scans as the signed-in person.", ID: sampleID(60), Kind: "You, unless your organization leaves it to administrators",
				Mine: true, Everyone: true, Since: sampleNow.Add(-time.Hour), InTokenUntil: sampleNow.Add(40 * time.Minute), Uses: []string{"Overview", "Scans", "Tokens"}, GiveBackURL: GiveBackPageURL("g1", "user_impersonation")}}},
			{API: "Microsoft Graph", AppIDURI: "https://graph.microsoft.com", Permissions: []PermissionRow{
				{Name: "DelegatedPermissionGrant.ReadWrite.All", Title: "Manage consent grants", Kind: "Only an administrator", Everyone: true, Unused: true},
				{Name: "User.ReadBasic.All", Title: "Read everybody's basic profile", Mine: true, Unused: true, GiveBackURL: GiveBackPageURL("g2", "User.ReadBasic.All")},
				{Name: "openid"},
			}},
		},
		Ask: AskForm{Groups: []AskGroup{{API: "Azure Key Vault", Options: []AskOption{{Value: "https://vault.azure.net/user_impersonation", Label: "user_impersonation: Use Key Vault as you", Selected: true}}},
			{API: "Microsoft Graph", Options: []AskOption{{Value: "https://graph.microsoft.com/Directory.Read.All", Label: "Directory.Read.All: Read the directory", AdminOnly: true}}}}},
		Requests: []AccessRequest{
			{ID: "1", Name: "Directory.Read.All", API: "Microsoft Graph", Reason: "I look after the consents of our team,\nand have to see them.", RequestedAt: sampleNow.Add(-3 * time.Hour), State: RequestPending},
			{ID: "2", Name: "User.Read.All", API: "Microsoft Graph", Reason: strings.Repeat("A long reason. ", 30), RequestedAt: sampleNow.Add(-90 * time.Hour), State: RequestDeclined, DecidedAt: sampleNow.Add(-time.Hour), Answer: "Use the phone book instead."},
			{ID: "3", Name: "user_impersonation", API: "Azure Key Vault", Reason: "Rotation", RequestedAt: sampleNow.Add(-900 * time.Hour), State: RequestApproved, DecidedAt: sampleNow.Add(-800 * time.Hour)},
			{ID: "4", Name: "x", API: "y", Reason: "z", RequestedAt: sampleNow, State: "Odd"},
		},
		Apps: []AppGrant{
			{Name: "Ledger Exporter of the Department for Group Accounting and Real Estate Administration", ID: sampleID(70), Publisher: "Contoso", API: "AzTS", Scopes: []string{"user_impersonation"}, GiveBackURL: GiveBackPageURL("g3", "")},
			{ID: sampleID(71), API: "AzTS", Scopes: []string{"user_impersonation"}, Everyone: true},
			{Name: "Invoice Helper", ID: sampleID(72), Publisher: "Fabrikam", Verified: true, API: "Microsoft Graph", Scopes: []string{"User.Read", "openid", "profile"}},
		},
		AppsPager: Pager{Noun: "applications", From: 1, To: 3, Total: 30, NextURL: AccessQuery{AppsPage: 2}.URL()},
		Roles: RolesPanel{All: 5000, Missing: 6, AsOf: sampleNow, WaitUntil: sampleNow.Add(9 * time.Minute), Pager: Pager{Noun: "subscriptions", From: 1, To: 25, Total: 5000, NextURL: AccessQuery{Page: 2}.URL()},
			Warnings: []Problem{{Tone: ToneWarning, Title: "Azure did not say your roles on all of these subscriptions", What: "Azure has too much to do at the moment."}},
			Rows: []RoleRow{
				{ID: sampleID(0), Name: "Payments production", Standing: StandingShown, Roles: []HeldRole{{Name: "Owner", Where: "management group mg-payments", ByGroup: true, Since: sampleNow.Add(-900 * time.Hour), Accepted: true},
					{ID: sampleID(61), Where: "resource group rg-payments-prod-westeurope-with-a-long-name", Since: sampleNow.Add(-90 * time.Hour)}}},
				{ID: sampleID(1), Name: "Contoso Zürich – Übergangsumgebung für Konzernbuchhaltung und Liegenschaftsverwaltung 2026", Standing: StandingFresh, What: "Your role Security Reader was given less than 24 hours ago, and AzTS reads roles once in 24 hours.",
					KnownBy: sampleNow.Add(21 * time.Hour), Next: "Wait.", Mender: "Nobody has to do anything.", Roles: []HeldRole{{Name: "Security Reader", Where: "the subscription", Since: sampleNow.Add(-3 * time.Hour), Accepted: true}}},
				{ID: sampleID(2), Name: "Web shop", Standing: StandingEligible, What: "You may activate the role Contributor, and have not.", Next: "Activate it.", Mender: "You can mend this yourself.",
					Link: &Action{Label: "Open Privileged Identity Management", URL: "https://portal.azure.com/"}, Roles: []HeldRole{{Name: "Contributor", Where: "the subscription", Eligible: true}}},
				{ID: sampleID(3), Standing: StandingWrong, What: "Your role Reader is none that AzTS accepts.", Next: "Ask the owner.", Mender: "An owner of the subscription can mend this.", Roles: []HeldRole{{Name: "Reader", Where: "the subscription"}}},
				{ID: sampleID(4), Name: "HR", Standing: StandingNone, What: "You have no role on it that Azure lists.", Next: "Ask the owner.", Mender: "An owner of the subscription can mend this."},
				{ID: sampleID(5), Name: "Archive", Standing: StandingUnlisted, What: "AzTS does not know it.", Next: "Start a scan of it.", Mender: "The AzTS administrator can mend this."},
				{ID: sampleID(6), Name: "Late", Standing: StandingUnknown, What: "Azure did not answer about this one."},
			}},
	}
}

func hostileAccess() AccessPage {
	problem := &Problem{Title: hostile, What: hostile, Next: hostile, Mender: hostile, Code: hostile, Reference: hostile, Primary: &Action{Label: hostile, URL: "javascript:alert(1)"}}
	row := RoleRow{ID: hostile, Name: hostile, Standing: hostile, What: hostile, Next: hostile, Mender: hostile, KnownBy: sampleNow, Link: &Action{Label: hostile, URL: "javascript:alert(1)"},
		Roles: []HeldRole{{Name: hostile, ID: hostile, Where: hostile, ByGroup: true}}}
	return AccessPage{Page: hostilePage(), Query: AccessQuery{Text: hostile, Subscription: hostile}, AsOf: sampleNow, AppsKnown: true, ListProblem: problem, RequestsProblem: problem,
		ListNote: &ListNote{What: hostile, Why: hostile, Action: &Action{Label: hostile, URL: "javascript:alert(1)"}},
		Portal: []PermissionGroup{{API: hostile, AppIDURI: hostile, Permissions: []PermissionRow{{Name: hostile, Title: hostile, Text: hostile, AdminTitle: hostile, AdminText: hostile, ID: hostile, Kind: hostile,
			Uses: []string{hostile}, GiveBackURL: "javascript:alert(1)"}}}},
		Ask:      AskForm{Groups: []AskGroup{{API: hostile, Options: []AskOption{{Value: hostile, Label: hostile}}}}, Other: hostile, Error: hostile},
		AdminAsk: &AdminAskForm{Permission: hostile, API: hostile, Name: hostile, Title: hostile, Reason: hostile, Error: hostile},
		Requests: []AccessRequest{{ID: hostile, Name: hostile, API: hostile, Reason: hostile, State: hostile, DecidedAt: sampleNow, Answer: hostile}},
		Apps:     []AppGrant{{Name: hostile, ID: hostile, Publisher: hostile, API: hostile, Scopes: []string{hostile}, GiveBackURL: "javascript:alert(1)"}},
		Roles:    RolesPanel{All: 1, Missing: 1, Rows: []RoleRow{row}, Lookup: &row, LookupError: hostile, Warnings: []Problem{*problem}}}
}
