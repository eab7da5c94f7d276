package main

import (
	"strings"
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// getTokens is an employee who needs tokens of several APIs: one by way of the
// tenant, one silently, one after more proof; and looks what AzTS makes of them.
func getTokens(t *testing.T, b *chromium.Browser) {
	w := startWorld(t, setup{env: map[string]string{"PORTAL_RESOURCES": sandbox.InventoryAppIDURI}})
	profile := b.Profile(t)
	profile.MayReadClipboard(t, w.url)
	v := w.visitor(t, profile)
	v.signIn(sandbox.DanaID, "/tokens", "Tokens")
	v.check("tokens")

	// A scope that nobody has approved yet.
	v.Follow(func() { v.Press("Microsoft Graph") })
	v.has("#request", "Read your profile")
	v.check("the form for Graph")
	v.Click("#purpose")
	v.Type("Nightly report")
	v.Press("Request a token")
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Tokens")
	v.Wait("the card of the new token", `location.hash.startsWith('#t') && location.search === '' && document.querySelector(location.hash + '[data-token="Microsoft Graph"]')`)
	v.has(`[data-token="Microsoft Graph"]`, "Nightly report")
	v.has(`[data-token="Microsoft Graph"] .verdict`, "No: the token is for Microsoft Graph, not for AzTS.")

	v.copyAndReveal()
	v.askAzTS()
	v.rememberCommands()

	v.Press("History")
	v.Heading("Issued tokens")
	v.has("table.issues", "Nightly report")
	v.has("table.issues", "Copied")
	v.check("history")

	v.Press("My tokens")
	v.Heading("Tokens")
	v.Follow(func() { v.Click(`[data-token="Microsoft Graph"] form[action="/tokens/forget"] button`) })
	v.has(".flash", "The Microsoft Graph token is forgotten here.")
	if v.Count(`[data-token="Microsoft Graph"]`) != 0 || v.Count(`[data-token="AzTS"]`) != 1 {
		t.Error("forgetting one token left it, or took another")
	}
}

// copyAndReveal copies the token of Graph unseen, then shows it for a minute.
func (v *visitor) copyAndReveal() {
	v.t.Helper()
	const card, hidden = `[data-token="Microsoft Graph"]`, `!document.documentElement.outerHTML.includes('eyJ')`
	v.Click(card + " [data-copy-token] button")
	v.Wait("the word that it is copied", `document.querySelector('#live').textContent === 'Copied.'`)
	copied := chromium.Eval[string](v.Tab, `navigator.clipboard.readText()`)
	if strings.Count(copied, ".") != 2 || !chromium.Eval[bool](v.Tab, hidden) {
		v.t.Errorf("the clipboard holds %.20q…, or the page the token", copied)
	}
	// A minute passes in a moment, for what is set to happen from here on.
	chromium.Eval[bool](v.Tab, `(() => { const set = window.setTimeout; window.minute = []; window.setTimeout = (f, ms) => ms === 60000 ? window.minute.push(f) : set(f, ms); return true })()`)
	v.Click(card + " [data-reveal] button")
	v.Wait("the token", `document.querySelector('`+card+` .token-text').textContent === `+quoted(copied))
	if v.Text("#text-azts") != strings.Repeat("•", 32) {
		v.t.Error("another token is shown as well")
	}
	v.check("a token revealed")
	chromium.Eval[bool](v.Tab, `(window.minute.forEach((f) => f()), window.minute.length === 1)`)
	v.Wait("the token to hide by itself", hidden)
	v.Wait("the word that it is hidden", `document.querySelector('#live').textContent === 'The token is hidden.'`)
}

// askAzTS asks AzTS about its token: it works, then it wants more proof.
func (v *visitor) askAzTS() {
	v.t.Helper()
	ask := func() { v.Follow(func() { v.Click(`#azts form[action="/tokens/check"] button`) }) }
	ask()
	v.has("#azts .azts-answer", "It works")
	v.check("the answer of AzTS")
	v.world.tenant.Faults().Set("azts.claims_challenge", "", 2)
	ask()
	v.has(".panel", "AzTS asks for more proof")
	v.check("more proof")
	v.Press("Go on to the company sign-in")
	v.Wait("the second step", `document.querySelector('button[value=approve]')`)
	v.Press("Approve")
	v.Heading("Tokens")
	ask()
	v.has("#azts .azts-answer", "It works")
}

// rememberCommands opens the commands of a tool, which are open the next time.
func (v *visitor) rememberCommands() {
	v.t.Helper()
	if !v.visible(`details[data-remember="powershell"] pre`) {
		v.t.Error("PowerShell does not come first")
	}
	v.Press("bash and curl")
	v.Wait("the commands, and that they are remembered", `document.querySelector('details[data-remember="curl"]').open && localStorage.getItem('commands') === 'curl'`)
	file := string(v.Download(`details[data-remember="curl"] a[download]`))
	if !strings.HasPrefix(file, "#!/usr/bin/env bash") || !strings.Contains(file, v.world.tenant.url+"/azts") || strings.Contains(file, "eyJ") {
		v.t.Errorf("the file begins %.200q", file)
	}
	v.visit("/tokens")
	v.Heading("Tokens")
	v.Wait("the commands used last", `document.querySelector('details[data-remember="curl"]').open && !document.querySelector('details[data-remember="powershell"]').open`)
}

// getTokensWithoutScripts is the same where the browser runs none: the token is
// in one answer, which goes by itself.
func getTokensWithoutScripts(t *testing.T, b *chromium.Browser) {
	w := startWorld(t, setup{before: func(s *tenantServer) {
		if err := s.Consent(sandbox.PortalClientID, "", vaultAll); err != nil {
			t.Fatal(err)
		}
	}})
	v := w.visitor(t, b.Profile(t))
	v.WithoutScripts()
	v.visit("/auth/login?return_to=/tokens")
	v.pick(sandbox.DanaID)
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Working...")
	v.Press("Continue")
	v.Heading("Tokens")
	v.Follow(func() { v.Press("Azure Key Vault") })
	v.Follow(func() { v.Press("Request a token") })
	const card = `[data-token="Azure Key Vault"]`
	v.has(card, "Expires in")
	v.Follow(func() { v.Click(card + " [data-reveal] button") })
	if !strings.HasPrefix(v.Text(card+" .token-text"), "eyJ") || strings.Contains(v.URL(), "eyJ") {
		t.Errorf("revealed is %.20q at %s", v.Text(card+" .token-text"), v.URL())
	}
	v.has(card, "It hides again after 60 seconds.")
	v.Follow(func() { v.Press("Hide") })
	v.Follow(func() { v.Click(card + ` form[action="/tokens/renew"] button`) })
	v.Follow(func() { v.Press("Ask AzTS") })
	v.has("#azts .azts-answer", "It works")
	v.Click("#azts details.more summary")
	if !v.visible("#azts table.checks") {
		t.Error("the checks do not open without a script")
	}
}
