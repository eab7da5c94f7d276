package main

import (
	"slices"
	"strings"
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// signInDisabled: the tenant keeps such people at its own page.
func signInDisabled(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.Expect("status of 400")
	v.visit("/auth/login")
	v.pick(sandbox.DiegoID)
	v.Wait("the tenant's error page", `document.body.innerText.includes('AADSTS50057')`)
	v.check("the tenant's error page")
	if !strings.HasPrefix(v.URL(), w.tenant.url) || w.sessions() != 0 {
		t.Errorf("a disabled account gets as far as %s, with %d sessions", v.URL(), w.sessions())
	}
}

// declineConsent says no, reads why that ends here, and says yes after all.
func declineConsent(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.Expect("status of 40")
	v.visit("/auth/login?return_to=/scans")
	v.pick(sandbox.DanaID)
	v.Heading("Permissions requested")
	v.Press("Cancel")
	v.Heading("You are not signed in")
	v.has("main", "What to do:")
	v.check("declined consent")
	if n := w.sessions(); n != 0 {
		t.Errorf("there are %d sessions", n)
	}
	v.Press("Start again")
	v.Wait("the question again", `document.querySelector('button[value=accept], button[name=account]')`)
	if v.Text("h1") == "Choose an account" {
		v.pick(sandbox.DanaID)
	}
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Scans") // where the first attempt was to lead
}

// signInWithSecondFactor signs a person in who must approve each sign-in.
func signInWithSecondFactor(t *testing.T, b *chromium.Browser) {
	w := startWorld(t, setup{env: map[string]string{"PORTAL_REQUIRE_MFA": "true"}})
	v := w.visitor(t, b.Profile(t))
	v.visit("/auth/login?return_to=/account")
	v.pick(sandbox.MiraID)
	v.Wait("the second step", `document.querySelector('button[value=approve]')`)
	v.Press("Approve")
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Account")
	v.has("main .facts", "a second factor")
}

// lookWithoutRole is what somebody sees whom AzTS shows nothing: no empty list,
// but the rule and the way out.
func lookWithoutRole(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.NoorID, "/", "Overview")
	v.has("main", "24 hours")
	v.has("main", "Security Reader")
	v.Press("Scans")
	v.Heading("Scans")
	v.Press("New scan")
	v.Heading("New scan")
	v.has("main", "24 hours")
	if v.Count("table.choose") != 0 || v.Count("main table tbody tr") != 0 {
		t.Error("there is a table, though there is nothing to show")
	}
}

// manySubscriptions is a company with more than fit on a page.
const manySubscriptions = 5000

// pageThroughThousands opens lists of thousands: they come in pages, with a
// word on how many there are.
func pageThroughThousands(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{Subscriptions: manySubscriptions})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/", "Overview")
	for page, next := range map[string]string{"/": ".pager a[rel=next]", "/scans/new": `.pager button[value="2"]`} {
		v.visit(page)
		rows := v.Count("table tbody tr")
		if rows == 0 || rows > 100 {
			t.Errorf("%s: a page has %d rows", page, rows)
		}
		first := v.Text("table tbody th")
		v.has(".pager", " of ")
		v.Follow(func() { v.Click(next) })
		if v.Text("table tbody th") == first {
			t.Errorf("%s: the second page begins as the first", page)
		}
		v.check(page + ", page 2")
	}
	v.visit("/scans/new")
	v.Type("/")
	v.Wait("the focus in the search field", `document.activeElement.id === 'q'`)
	v.Type("payments")
	v.Follow(func() { v.Type(chromium.Enter) })
	if rows := v.Count("table.choose tbody tr"); rows == 0 || rows > 100 || !strings.Contains(strings.ToLower(v.Text("table.choose tbody th")), "payments") {
		t.Errorf("the search finds %d rows, the first %q", rows, v.Text("table.choose tbody th"))
	}
}

// maxFirstPage is what each kind of file of a first page may weigh, in bytes,
// as it comes over the wire.
const maxFirstPage = 15 << 10

// weighFirstPage opens the landing page and, signed in, the overview, each with
// an empty cache, and weighs what comes.
func weighFirstPage(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	signedIn := b.Profile(t)
	w.visitor(t, signedIn).signIn(sandbox.DanaID, "/account", "Account")
	for heading, profile := range map[string]*chromium.Profile{
		"See, scan and understand the security of your Azure subscriptions": b.Profile(t),
		"Overview": signedIn,
	} {
		v := w.visitor(t, profile)
		v.WithoutCache()
		v.visit("/")
		v.Heading(heading)
		v.Wait("the network to be quiet", `performance.getEntriesByType('resource').filter((e) => e.name.includes('/js/')).length >= 4`)
		weight := map[string]int{}
		for _, a := range v.Answers() {
			if !slices.Contains([]string{"Document", "Stylesheet", "Script"}, a.Kind) {
				continue
			}
			weight[a.Kind] += a.Bytes
			if a.Encoding != "gzip" && a.Bytes > 200 || a.Status != 200 || a.Cached {
				t.Errorf("%s: %+v is not fresh and compressed", heading, a)
			}
		}
		t.Logf("%s: %v bytes", heading, weight)
		for _, kind := range []string{"Document", "Stylesheet", "Script"} {
			if weight[kind] == 0 || weight[kind] > maxFirstPage {
				t.Errorf("%s: %s weighs %d bytes, at most %d are allowed", heading, kind, weight[kind], maxFirstPage)
			}
		}
	}
}
