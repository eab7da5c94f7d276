package main

import (
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// runFlows breaks a flow on purpose, reads who refused it, shows it to others and
// hands it to the help desk.
func runFlows(t *testing.T, b *chromium.Browser) { walkRuns(t, b, true) }

// runFlowsWithoutScripts does it with forms and links alone.
func runFlowsWithoutScripts(t *testing.T, b *chromium.Browser) { walkRuns(t, b, false) }

func walkRuns(t *testing.T, b *chromium.Browser, scripts bool) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	if !scripts {
		v.WithoutScripts()
	}
	look := func(what string) {
		if scripts {
			v.check(what)
		}
	}
	v.visit("/auth/login?return_to=/flows/code-pkce")
	v.pick(sandbox.HugoID)
	v.Heading("Permissions requested")
	v.Press("Accept")
	if !scripts {
		v.Heading("Working...")
		v.Press("Continue")
	}
	v.Heading("Authorization code with PKCE")
	v.Click("select[name=failure]")
	v.Type("Wrong v")
	v.Type(chromium.Enter)
	look("a flow")
	v.Follow(func() { v.Press("Run") })
	v.has(".panel", "Refused by the tenant, as it should be")
	v.has(".panel", "AADSTS501481")
	v.has(".fingerprint", "‹")
	look("a run")
	v.Follow(func() { v.Press("Step by step") })
	v.has(".card-head", "Message 1 of")
	v.Follow(func() { v.Click("a[rel=next]") })
	v.has(".card-head", "Message 2 of")
	look("a run, step by step")
	v.Follow(func() { v.Press("Present") })
	if v.visible("#account-menu") || v.visible(".nav") || !v.visible(".present") {
		t.Error("a shared screen shows whose it is")
	}
	look("a run on a shared screen")
	if scripts { // keys turn the pages, and end it
		ready := func() { v.Wait("the keys", `!document.querySelector('[data-keys]').hidden`) }
		ready()
		v.Follow(func() { v.Type(chromium.ArrowRight) })
		v.has(".card-head", "Message 3 of")
		ready()
		v.Follow(func() { v.Type(chromium.ArrowLeft) })
		v.has(".card-head", "Message 2 of")
	}
	v.Follow(func() { v.Press("End presenting") })
	v.Follow(func() { v.Press("All at once") })
	v.Follow(func() { v.Click(`form[action$="/share"] button`) })
	v.has(".flash", "The help desk can see this run")
	look("a shared run")
	v.visit("/flows/runs")
	v.Heading("My runs")
	v.has("tbody", "Wrong verifier")
	look("runs")
	v.visit("/flows/device-code")
	v.Heading("Device code")
	v.Click("select[name=where]")
	v.Type("At your")
	v.Type(chromium.Enter)
	v.Follow(func() { v.Press("Run") })
	v.has(".user-code", "")
	look("a device that waits")
	if scripts {
		v.Wait("the page asking by itself", `document.querySelector('.hint')?.innerText.includes('Asked 1 time')`)
	}
}
