package main

import (
	"net/url"
	"strings"
	"testing"
	"time"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// walkAsNewcomer is what somebody does who sees the portal for the first time:
// sign in, look, get a token, scan, read, sign out.
func walkAsNewcomer(t *testing.T, b *chromium.Browser) {
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: 3 * time.Second, ResultsPerSubscription: 130}})
	profile := b.Profile(t)
	profile.MayReadClipboard(t, w.url)
	v := w.visitor(t, profile)
	v.Look(chromium.Looks{Motion: true}) // as most people have it

	v.visit("/")
	v.Heading("See, scan and understand the security of your Azure subscriptions")
	v.Press("Sign in")
	v.pick(sandbox.DanaID)
	if at, err := url.Parse(v.URL()); err != nil || at.Hostname() != "127.0.0.1" {
		t.Errorf("the tenant is at %s: it has to be another site than the portal", at)
	}
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Overview")
	if n := v.Count("table .bar"); n < 5 {
		t.Errorf("the overview shows the compliance of %d subscriptions", n)
	}
	v.walkToken()
	v.walkScan()
	v.walkResults()

	v.Click("button.who")
	v.Press("Sign out")
	v.Heading("You are signed out")
	v.has(".outcomes", "company sign-in")
	v.Press("Sign in again")
	v.Heading("Choose an account")
	if strings.Contains(v.Text("main"), "Signed in here") {
		t.Error("the tenant's session outlived the sign-out")
	}
	if n := w.sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// walkToken gets a token, copies it unseen, and looks at it.
func (v *visitor) walkToken() {
	v.t.Helper()
	v.Press("Tokens")
	v.Heading("Tokens")
	// The sign-in brought one already; ask for one as somebody does who has none.
	v.Follow(func() { v.Press("Forget token") })
	v.Follow(func() { v.Press("Request a token") })
	const inPage = `document.documentElement.outerHTML.includes('eyJ')`
	if chromium.Eval[bool](v.Tab, inPage) {
		v.t.Error("the token stands in the page before anyone asked to see it")
	}
	v.Click("[data-copy-token] button")
	v.Wait("the word that it is copied", `document.querySelector('#live').textContent === 'Copied.'`)
	copied := chromium.Eval[string](v.Tab, `navigator.clipboard.readText()`)
	if strings.Count(copied, ".") != 2 || !strings.HasPrefix(copied, "eyJ") || strings.ContainsAny(copied, " \n") {
		v.t.Errorf("the clipboard holds %.60q…", copied)
	}
	if chromium.Eval[bool](v.Tab, inPage) {
		v.t.Error("copying shows the token")
	}
	v.Press("Reveal")
	v.Wait("the token", `document.querySelector('#text-azts').textContent.startsWith('eyJ')`)
	if shown := v.Text("#text-azts"); shown != copied {
		v.t.Errorf("shown is %.40q, copied %.40q", shown, copied)
	}
	v.Press("Hide")
	v.Wait("the token to be hidden", `!`+inPage)

	v.has("[data-countdown]", "Expires in ")
	// Let the end come near: the page counts seconds, warns, and says when it is over.
	for _, near := range [][2]string{{"4", "The token expires in 5 minutes."}, {"-1", "The token expired."}} {
		chromium.Eval[string](v.Tab, `document.querySelector('[data-countdown]').dataset.countdown = new Date(Date.now() + `+near[0]+` * 60000).toISOString()`)
		v.Wait("the warning", `document.querySelector('#live').textContent === `+quoted(near[1]))
	}
}

// walkScan scans two subscriptions and stays on the page until they are done.
func (v *visitor) walkScan() {
	v.t.Helper()
	v.Press("Scans")
	v.Heading("Scans")
	v.Press("New scan")
	v.Heading("New scan")
	for _, name := range []string{"Contoso Prod", "Payments – Staging"} {
		v.Click(`input[aria-label="Choose ` + name + `"]`)
	}
	v.Wait("the count of chosen ones", `document.querySelector('[data-count]').innerText === '2 chosen'`)
	v.Press("Start scan")
	v.Heading("Scan of 2 subscriptions")
	if v.Count("#scan[data-running]") != 1 {
		v.t.Error("the scan does not run")
	}
	chromium.Eval[bool](v.Tab, `window.sameDocument = true`)
	v.Wait("the end of the scan", `document.querySelector('#scan') && !document.querySelector('#scan[data-running]')`)
	v.Wait("the end to be said aloud", `document.querySelector('#live').textContent.includes('Completed')`)
	if !chromium.Eval[bool](v.Tab, `window.sameDocument === true`) {
		v.t.Error("the page was loaded anew")
	}
	if n := strings.Count(v.Text("#scan table"), "Completed"); n != 2 {
		v.t.Errorf("%d of 2 subscriptions are completed: %s", n, v.Text("#scan table"))
	}
}

// walkResults reads what the scan found, and takes it home.
func (v *visitor) walkResults() {
	v.t.Helper()
	v.Follow(func() { v.Click(`#scan table a[href$="#results"]`) })
	v.has("#list-title", "130 of 260 results")
	if n := v.Count("table.found tbody tr"); n != 50 {
		v.t.Errorf("the first page has %d results", n)
	}
	v.Click(".drop-end > summary")
	file := v.Download(`a[href*=".csv"]`)
	if rows := strings.Count(string(file), "\r\n"); rows < 131 || !strings.HasPrefix(string(file), "\ufeffControl,") {
		v.t.Errorf("the file has %d lines and begins %.40q", rows, file)
	}
	v.Follow(func() { v.Press("Next page") })
	v.has("#findings .pager", "51 to 100 of 130 results")
}

// signOutElsewhere signs out in the tenant's second application, with a page of
// the portal still open in another tab.
func signOutElsewhere(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	profile := b.Profile(t)
	portal := w.visitor(t, profile)
	portal.signIn(sandbox.DanaID, "/tokens", "Tokens")
	portal.Press("Reveal")
	portal.Wait("the token", `document.querySelector('#text-azts').textContent.startsWith('eyJ')`)

	expenses := w.visitor(t, profile)
	expenses.Open(w.tenant.url + "/expenses")
	expenses.Press("Sign in")
	expenses.Wait("the sign-in without a question", `document.body.innerText.includes('Signed in as Dana')`)
	expenses.Press("Sign out")
	expenses.Wait("the end of the sign-out", `document.body.innerText.includes('You are not signed in') || document.body.innerText.includes('You signed out')`)

	portal.WaitWithin(sessionEndShown, "the page to say that its session ended", `document.querySelector('h1').innerText === 'Your session ended'`)
	portal.nothingPersonal()
	if n := w.sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	portal.Press("Sign in again")
	portal.Heading("Choose an account")
}

// nothingPersonal fails the test if the page still holds anything of Dana's.
func (v *visitor) nothingPersonal() {
	v.t.Helper()
	html := chromium.Eval[string](v.Tab, `document.documentElement.outerHTML`)
	for _, text := range []string{"Dana", dana, "Contoso Prod", "eyJ", sandbox.DanaID} {
		if i := strings.Index(html, text); i >= 0 {
			v.t.Errorf("the page still holds %q: …%s…", text, html[max(0, i-80):min(len(html), i+80)])
		}
	}
}
