package main

import (
	"strings"
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// walkWithoutScripts is the newcomer's walk where the browser runs no script at
// all: every step has a form or a link.
func walkWithoutScripts(t *testing.T, b *chromium.Browser) {
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: 1, ResultsPerSubscription: 130}})
	v := w.visitor(t, b.Profile(t))
	v.WithoutScripts()

	v.visit("/")
	v.Press("Sign in")
	v.pick(sandbox.DanaID)
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Working...")
	v.Press("Continue") // the answer does not post itself
	v.Heading("Overview")

	v.Press("Tokens")
	v.Heading("Tokens")
	if n := v.Count("[data-copy-token]"); n == 0 || v.visible("[data-copy-token]") {
		t.Error("a button is offered that needs a script")
	}
	v.Follow(func() { v.Press("Reveal") })
	token := v.Text("#text-azts")
	if !strings.HasPrefix(token, "eyJ") || strings.Contains(v.URL(), "eyJ") {
		t.Errorf("revealed is %.40q at %s", token, v.URL())
	}
	v.Follow(func() { v.Press("Hide") })
	if shown := v.Text("#text-azts"); strings.Contains(shown, "eyJ") {
		t.Error("the token is still shown")
	}

	v.Press("Scans")
	v.Heading("Scans")
	v.Press("New scan")
	v.Heading("New scan")
	for _, name := range []string{"Contoso Prod", "Payments – Staging"} {
		v.Click(`input[aria-label="Choose ` + name + `"]`)
	}
	v.Press("Start scan")
	v.Heading("Scan of 2 subscriptions")
	v.refreshUntilEnded()

	v.Follow(func() { v.Click(`#scan table a[href$="#results"]`) })
	v.has("#list-title", "130 of 260 results")
	v.readWithoutScripts()
	v.Click(".drop-end > summary")
	if rows := strings.Count(string(v.Download(`a[href*=".csv"]`)), "\r\n"); rows < 131 {
		t.Errorf("the file has %d lines", rows)
	}
	v.Click("button.who")
	v.Follow(func() { v.Press("Sign out") })
	v.Wait("the portal's last page", `document.querySelector('h1').innerText === 'You are signed out' || document.querySelector('#continue')`)
	if v.Count("#continue") == 1 {
		v.Click("#continue")
	}
	v.Heading("You are signed out")
	if n := w.sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// maxRefreshes bounds how often a person presses Refresh.
const maxRefreshes = 500

// refreshUntilEnded presses Refresh until the scan has ended.
func (v *visitor) refreshUntilEnded() {
	v.t.Helper()
	for range maxRefreshes {
		if v.Count("#scan[data-running]") == 0 {
			if !strings.Contains(v.Text("#scan .strip"), "Completed") {
				v.t.Errorf("the scan ended so: %s", v.Text("#scan"))
			}
			return
		}
		if !v.visible(".shown-as-of time") || !strings.HasSuffix(v.Text(".shown-as-of time"), " UTC") {
			v.t.Errorf("the page does not say of what time it is: %s", v.Text("#scan"))
		}
		v.Follow(func() { v.Press("Refresh") })
	}
	v.t.Fatalf("the scan still runs: %s", v.Text("#scan"))
}

// visible tells whether a person sees the first element of a selector.
func (v *visitor) visible(selector string) bool {
	v.t.Helper()
	return chromium.Eval[bool](v.Tab, `document.querySelector(`+quoted(selector)+`)?.checkVisibility() ?? false`)
}

// goBackAfterSignOut presses the browser's back button: neither its memory of
// the page nor its disk may bring anything personal back.
func goBackAfterSignOut(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/", "Overview")
	for _, page := range []string{"Tokens", "Scans"} {
		v.Follow(func() { v.Press(page) })
		v.Heading(page)
	}
	v.Press("Overview")
	v.Heading("Overview")
	v.Click("button.who")
	v.Press("Sign out")
	v.Heading("You are signed out")
	for steps := 0; ; steps++ {
		at := v.URL()
		if strings.HasPrefix(at, w.url) {
			v.nothingPersonal()
		}
		if steps == 4 {
			break
		}
		v.Follow(v.Back)
	}
}
