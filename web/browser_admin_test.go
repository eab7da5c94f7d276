package main

import (
	"strings"
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// typedWithdrawal fills in the name that is asked for; the browser's own check
// lets nothing pass that is empty.
func (v *visitor) typedWithdrawal(name string) {
	v.t.Helper()
	v.Click("#typed")
	v.Type(name)
	v.Follow(func() { v.Click(".btn-danger") })
}

// administerConsent is an admin's day: the list and its filters, a grant
// withdrawn, one made, a request decided; each page looked at in every window.
func administerConsent(t *testing.T, b *chromium.Browser) {
	w := agreed(t, sandbox.Options{}, readAll)
	w.tenant.SeedGrants(300)
	requestBy(w, dana, sandbox.GraphAudience+"/GroupMember.Read.All", "I compare the owners of our subscriptions with the people of my team, every month.")
	v := w.in(t).visitor(t, b.Profile(t))
	v.signIn(sandbox.AdaID, "/admin", "Consent")
	v.check("consent")
	v.visit("/admin/consent?risk=publisher&for=tenant&sort=person&order=desc")
	v.check("consent, filtered")
	v.visit("/admin/consent?q=nobody-is-called-that")
	v.has("main", "none fits the filter")
	v.check("consent, nothing found")

	// A filter keeps its place in the address, and a withdrawal leads back to it.
	v.visit("/admin/consent")
	v.Click("#q")
	v.Type("roster sync")
	v.Follow(func() { v.Type(chromium.Enter) })
	if !strings.Contains(v.URL(), "q=roster+sync") || v.Count("table.consent tbody tr:not(.detail)") == 0 {
		t.Errorf("the search leads to %s", v.URL())
	}
	v.Click("table.consent summary")
	if !v.visible("tr.detail") {
		t.Error("a row does not open")
	}
	v.visit("/admin/consent?q=roster+sync&for=tenant")
	v.Follow(func() { v.Click("table.consent td a.btn") })
	v.Heading("Withdraw user_impersonation from Roster Sync")
	v.check("withdraw, without the permission")
	v.Press("Go to the company sign-in")
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Withdraw user_impersonation from Roster Sync")
	v.check("withdraw")
	v.Expect("status of 400")
	v.typedWithdrawal("Roster")
	v.has("#typed-error", "not the name")
	v.check("withdraw, mistyped")
	v.Click("#typed")
	v.Type(" Sync")
	v.Follow(func() { v.Click(".btn-danger") })
	v.Heading("Consent")
	v.has("body", "Withdrawn: user_impersonation of Roster Sync")

	v.Follow(func() { v.Press("Grant for everybody") })
	v.Heading("Grant for everybody")
	v.check("grant")
	v.Click("#scope")
	v.Type(sandbox.GraphAudience + "/User.ReadBasic.All")
	v.Press("Go to the company sign-in")
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Grant for everybody")
	v.has("main", "This is granted for everybody")
	v.check("granted")

	v.see("/admin/permissions", "Permissions")
	v.see("/admin/credentials", "Credentials")
	v.see("/admin/requests", "Requests")
	v.Follow(func() { v.Press("Dana Reyes") })
	v.Heading("Request of Dana Reyes")
	v.check("request")
	v.Click("#answer")
	v.Type("Please use the report of the platform team.")
	v.Press("Decline the request")
	v.Heading("Requests")
	v.has("main", "Please use the report of the platform team.")
	v.check("requests, decided")

	w.tenant.Faults().Set("graph.500_mid_page", "", -1)
	w.tenant.SeedGrants(1500)
	v.visit("/admin/consent")
	v.Follow(func() { v.Press("Refresh") })
	v.has("main", "The list is not whole")
	v.check("consent, in part")
	v.Expect("status of 404")
	v.visit("/admin/consent/grants/gone/withdraw")
	v.Heading("Nothing to withdraw")
	v.check("nothing to withdraw")
}

// administerWithoutScripts is the same without any script: filter, sort, page,
// the file, and a withdrawal with a typed name.
func administerWithoutScripts(t *testing.T, b *chromium.Browser) {
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	w.tenant.SeedGrants(300)
	v := w.in(t).visitor(t, b.Profile(t))
	v.WithoutScripts()
	v.visit("/auth/login?return_to=/admin/consent")
	v.pick(sandbox.AdaID)
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Working...")
	v.Press("Continue")
	v.Heading("Consent")
	v.Follow(func() { v.Click(".pager a[rel=next]") })
	v.has(".pager", "101 to 200")
	v.Follow(func() { v.Click("th a.sort[href*='sort=person']") })
	if v.Count("th[aria-sort=ascending] a[href*='sort=person']") != 1 {
		t.Error("the table does not say how it is sorted")
	}
	v.Click("#q")
	v.Type("fleet")
	v.Click("select[name=for]")
	v.Type("For e")
	v.Type(chromium.Enter)
	v.Follow(func() { v.Press("Apply") })
	rows := v.Count("table.consent tbody tr:not(.detail)")
	if lines := strings.Count(string(v.Download("a[download]")), "\r\n"); rows == 0 || lines != rows+1 {
		t.Errorf("%d rows, the file has %d lines (%s)", rows, lines, v.URL())
	}
	v.visit("/admin/consent?q=fleet+dashboard&for=tenant")
	v.Follow(func() { v.Click("table.consent td a.btn") })
	v.Heading("Withdraw user_impersonation from Fleet Dashboard")
	v.typedWithdrawal("Fleet Dashboard")
	v.Heading("Consent")
	v.has("main", "none fits the filter") // where the admin came from
}
