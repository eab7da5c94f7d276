package main

import (
	"net/http"
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// check looks at the page as people see it who have other eyes and other
// windows: axe-core finds nothing, in light and dark, wide and narrow, with all
// that opens opened; nothing sticks out of a narrow window. what names the page.
func (v *visitor) check(what string) {
	v.t.Helper()
	v.Wait("the page to load", `document.readyState === 'complete'`)
	chromium.Eval[bool](v.Tab, `document.querySelectorAll('details:not([name])').forEach((el) => { el.open = true }) ?? true`)
	for _, looks := range []chromium.Looks{{}, {Dark: true}, {Width: 390, Height: 844, Dark: true}, {Width: 390, Height: 844}, {Width: 320, Height: 640}} {
		v.Look(looks)
		if looks.Width != 320 {
			for _, found := range v.Axe() {
				v.t.Errorf("%s (%s), %+v: axe-core finds %s", what, v.URL(), looks, found)
			}
		}
		if wide, culprits := v.Overflow(); wide > 0 && looks.Width != 0 {
			v.t.Errorf("%s (%s) is %d pixels wider than the window of %d: %q", what, v.URL(), wide, looks.Width, culprits)
		}
		if spilling := v.Spilling(); len(spilling) > 0 {
			v.t.Errorf("%s (%s), %+v: does not fit into its box: %q", what, v.URL(), looks, spilling)
		}
	}
	v.Look(chromium.Looks{})
}

// see opens a path, waits for its heading and checks the page.
func (v *visitor) see(path, heading string) {
	v.t.Helper()
	v.visit(path)
	v.Heading(heading)
	v.check(heading)
}

// seeAllPages checks every page of the portal and of the sandbox, as the people
// who are shown different things.
func seeAllPages(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{ResultsPerSubscription: 12})
	t.Run("nobody signed in", func(t *testing.T) {
		v := w.visitor(t, b.Profile(t))
		v.see("/", "See, scan and understand the security of your Azure subscriptions")
		v.see("/auth/signed-out", "You are signed out")
		v.Expect("status of 404")
		v.see("/nothing-here", "There is nothing here")
		v.Expect("status of 405")
		v.visit("/auth/callback")
		v.has("main", "This address does not take that kind of request")
		v.check("wrong method")
	})
	t.Run("employee", func(t *testing.T) { seeAsEmployee(t, w, b) })
	for name, id := range map[string]string{"admin": sandbox.AdaID, "help desk": sandbox.HugoID, "guest": sandbox.GinaID, "no role": sandbox.NoorID} {
		t.Run(name, func(t *testing.T) {
			v := w.visitor(t, b.Profile(t))
			v.signIn(id, "/", "Overview")
			v.check(name + " overview")
			v.see("/scans", "Scans")
			v.see("/scans/new", "New scan")
			v.see("/account", "Account")
		})
	}
	t.Run("sandbox", func(t *testing.T) { seeSandbox(t, w, b) })
}

func seeAsEmployee(t *testing.T, w *world, b *chromium.Browser) {
	v := w.visitor(t, b.Profile(t))
	v.visit("/auth/login")
	v.Heading("Choose an account")
	v.check("account picker")
	v.pick(sandbox.DanaID)
	v.Heading("Permissions requested")
	v.check("consent")
	v.Press("Accept")
	v.Heading("Overview")
	v.check("overview")
	v.Click("button.who")
	v.Wait("the menu", `document.querySelector('#account-menu').matches(':popover-open')`)
	v.check("account menu")
	v.visit("/")
	v.Press("Keyboard keys")
	v.Wait("the list of keys", `document.querySelector('#keys').open`)
	v.check("list of keys")

	v.see("/tokens", "Tokens")
	v.Press("Reveal")
	v.Wait("the token", `document.querySelector('#text-azts').textContent.startsWith('eyJ')`)
	v.check("token revealed")
	v.see("/account", "Account")
	v.see("/account/sessions", "Your sessions")
	v.see("/scans", "Scans")
	v.see("/scans/new?q=nothing-has-this-name", "New scan")
	v.see("/scans/new", "New scan")
	v.Click(`input[aria-label="Choose Contoso Prod"]`)
	v.Press("Start scan")
	v.Heading("Scan of Contoso Prod")
	v.check("running scan")
	v.Wait("the end of the scan", `document.querySelector('#scan') && !document.querySelector('#scan[data-running]')`)
	v.check("ended scan")
	v.Follow(func() { v.Click(`.found a.name`) })
	v.check("result of a scan")
	v.see("/subscriptions/3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3/results", "Contoso Prod")
	v.check("results")
	v.Expect("status of 404")
	v.see("/scans/0000", "There is nothing here")
}

func seeSandbox(t *testing.T, w *world, b *chromium.Browser) {
	v := w.visitor(t, b.Profile(t))
	v.Open(w.tenant.url + "/expenses")
	v.check("expenses")
	v.Open(w.tenant.url + "/sandbox")
	v.check("switches")
	v.Open(w.tenant.url + "/sandbox/signed-out")
	v.check("the tenant's signed-out page")
	v.visit("/auth/login?login_hint=mira@contoso.com")
	v.pick(sandbox.MiraID)
	v.Wait("the second step", `document.querySelector('button[value=approve]')`)
	v.check("approval")
}

// seeProviderDown is the portal while the company sign-in cannot be reached.
func seeProviderDown(t *testing.T, b *chromium.Browser) {
	w := startWorld(t, setup{before: func(tenant *tenantServer) {
		tenant.answerWith(func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return true
		})
	}})
	v := w.visitor(t, b.Profile(t))
	v.Expect("status of 50")
	v.visit("/")
	v.has("main", "Signing in does not work right now")
	v.check("landing page, provider down")
	v.visit("/auth/login")
	v.check("sign-in, provider down")
	v.has("main", "For the help desk")

	w.tenant.answerWith(nil)
	for range maxRefreshes { // the portal lets the tenant rest between attempts
		v.Follow(func() { v.Press("Try again") })
		if v.Text("h1") == "Choose an account" {
			return
		}
	}
	t.Error("the portal does not notice that the tenant is back")
}
