package main

import (
	"strings"
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// callTheHelpDesk fails to sign in, learns what it means, and the help desk finds
// it by the reference.
func callTheHelpDesk(t *testing.T, b *chromium.Browser) { walkTheDesk(t, b, true) }

// callTheHelpDeskWithoutScripts does it with forms and links alone.
func callTheHelpDeskWithoutScripts(t *testing.T, b *chromium.Browser) { walkTheDesk(t, b, false) }

func walkTheDesk(t *testing.T, b *chromium.Browser, scripts bool) {
	w := consented(t, sandbox.Options{})
	tab := func() *visitor {
		v := w.visitor(t, b.Profile(t))
		if !scripts {
			v.WithoutScripts()
		}
		return v
	}
	look := func(v *visitor, what string) {
		if scripts {
			v.check(what)
		}
	}
	goOn := func(v *visitor) {
		if !scripts {
			v.Heading("Working...")
			v.Press("Continue")
		}
	}
	v := tab()
	v.Expect("status of 40")
	v.visit("/auth/login?return_to=/scans")
	v.pick(sandbox.DanaID)
	v.Heading("Permissions requested")
	v.Press("Cancel")
	goOn(v)
	v.Heading("You are not signed in")
	reference := v.Text(".evidence > div:nth-child(2) code")
	if copied := v.Text(".help pre"); !strings.Contains(copied, "Reference: "+reference+" ") || !strings.Contains(copied, "Page: /auth/callback") || v.visible(".help pre") == scripts {
		t.Errorf("the text for the help desk is %q, for %q", copied, reference)
	}
	v.Press("What does this mean?")
	v.Heading("Explain an error")
	v.has("#explained .error-card", "AADSTS65004")
	look(v, "an error explained to somebody who is not signed in")
	v.Click("#error-text")
	v.Type("AADSTS50105: nobody assigned Dana")
	v.Follow(func() { v.Press("Explain") })
	v.has("#explained .error-card", "AADSTS50105")

	desk := tab()
	desk.visit("/auth/login?return_to=/flows/errors")
	desk.pick(sandbox.HugoID)
	desk.Heading("Permissions requested")
	desk.Press("Accept")
	goOn(desk)
	desk.Heading("Explain an error")
	desk.Click("#error-code")
	desk.Type(reference)
	desk.Follow(func() { desk.Press("Look up") })
	desk.Heading("Failed sign-in")
	desk.has("main", reference)
	desk.has(".error-card", "AADSTS65004")
	look(desk, "a failed sign-in")
	desk.Follow(func() { desk.Click(`.subnav a[href="/flows/failures"]`) })
	desk.Heading("Failed sign-ins")
	desk.has("tbody", reference)
	look(desk, "failed sign-ins")
}
