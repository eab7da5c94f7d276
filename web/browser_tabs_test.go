package main

import (
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// signInAgainElsewhere replaces the session in another tab, as a visit to the
// company sign-in for a token does: the first tab goes on as the same person.
// When somebody else signs in there, it says that the session ended.
func signInAgainElsewhere(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	profile := b.Profile(t)
	first := w.visitor(t, profile)
	first.signIn(sandbox.DanaID, "/account", "Account")
	const mark = `document.body.dataset.mark`
	before := chromium.Eval[string](first.Tab, mark)
	chromium.Eval[bool](first.Tab, `sessionStorage.setItem('ended', ''), new MutationObserver(() => {
		if (document.querySelector('h1')?.innerText === 'Your session ended') sessionStorage.setItem('ended', 'yes');
	}).observe(document.body, { childList: true, subtree: true }), true`)

	second := w.visitor(t, profile)
	second.visit("/auth/login?return_to=/tokens")
	second.Heading("Tokens")
	if chromium.Eval[string](second.Tab, mark) == before {
		t.Fatal("the session was not replaced")
	}
	first.WaitWithin(sessionEndShown, "the first tab to go on in the new session",
		mark+` === `+quoted(chromium.Eval[string](second.Tab, mark))+` && document.readyState === 'complete'`)
	first.Heading("Account")
	if chromium.Eval[string](first.Tab, `sessionStorage.getItem('ended')`) != "" {
		t.Error("the first tab said that the session ended")
	}

	second.visit("/auth/login?prompt=select_account&return_to=/tokens")
	second.pick(sandbox.AdaID)
	second.Wait("consent or the page", `['Tokens', 'Permissions requested'].includes(document.querySelector('h1')?.innerText)`)
	if second.Text("h1") != "Tokens" {
		second.Press("Accept")
	}
	second.Heading("Tokens")
	first.WaitWithin(sessionEndShown, "the first tab to say that its session ended", `document.querySelector('h1').innerText === 'Your session ended'`)
	first.nothingPersonal()
}
