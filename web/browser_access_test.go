package main

import (
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// seeMyAccess is the page about access as people see it who are told different
// things, and the way of a permission: asked for, given back.
func seeMyAccess(t *testing.T, b *chromium.Browser) {
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	t.Run("employee", func(t *testing.T) {
		v := w.in(t).visitor(t, b.Profile(t))
		v.signIn(sandbox.DanaID, "/access", "Access")
		v.has(".card-note", "directory role")
		v.has("table.roles", "Too new")
		v.check("access, employee")
		v.visit("/access?ask=https%3A%2F%2Fgraph.microsoft.com%2FDirectory.Read.All")
		v.has("#reason-count", "0 of 500 characters")
		v.Click("#reason")
		v.Type("I look after consents.")
		v.Wait("the count", `document.querySelector('#reason-count').textContent === '22 of 500 characters'`)
		v.check("asking an administrator")
		v.Follow(func() { v.Press("Ask an administrator") })
		v.has("#requests", "Waiting")
		v.check("access, with a request")
		v.Follow(func() { v.visit("/access?subscription=3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3") })
		v.has("#lookup", "Shown by AzTS")
		v.check("access, one subscription")
	})
	for name, id := range map[string]string{"to activate": sandbox.PiaID, "no role": sandbox.NoorID, "through a group": sandbox.TheoID} {
		t.Run(name, func(t *testing.T) {
			v := w.in(t).visitor(t, b.Profile(t))
			v.signIn(id, "/access", "Access")
			v.check("access, " + name)
		})
	}
	t.Run("give back", func(t *testing.T) {
		v := w.in(t).visitor(t, b.Profile(t))
		v.signIn(sandbox.InesID, "/access", "Access")
		v.check("access, with the directory's list")
		chromium.Eval[bool](v.Tab, `(document.querySelector('#permission').value = `+quoted(basicAll)+`) !== ''`)
		v.Press("Ask for it")
		v.Heading("Permissions requested")
		v.Press("Accept")
		v.Heading("Access")
		v.has(".flash", "User.ReadBasic.All")
		v.Click(`a[href*="User.ReadBasic.All"]`)
		v.Heading("Give back consent")
		v.check("give back")
		v.Press("Give back")
		v.Heading("Access")
		v.has(".flash", "You gave it back")
	})
}

// giveBackByKeyboardAlone walks the same way without a mouse, and without scripts.
func giveBackByKeyboardAlone(t *testing.T, b *chromium.Browser) {
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	t.Run("keyboard", func(t *testing.T) {
		v := w.in(t).visitor(t, b.Profile(t))
		v.signIn(sandbox.InesID, "/access", "Access")
		v.tabTo(`a[href="#ask"]`)
		v.Type(chromium.Enter)
		v.tabTo(`#permission`)
		v.tabTo(`#other`)
		v.Type(basicAll)
		v.Type(chromium.Enter)
		v.Heading("Permissions requested")
		v.Press("Accept")
		v.Heading("Access")
		v.tabTo(`tr:has(a[href*="User.ReadBasic.All"]) summary`)
		v.Type(chromium.Enter)
		v.Wait("the details", `[...document.querySelectorAll('tr.detail')].some((el) => el.checkVisibility() && el.textContent.includes('better given back'))`)
		v.tabTo(`a[href*="User.ReadBasic.All"]`)
		v.Type(chromium.Enter)
		v.Heading("Give back consent")
		v.tabTo(`form[action="/access/give-back"] button`)
		v.Type(chromium.Enter)
		v.Heading("Access")
		v.has(".flash", "You gave it back")
	})
	t.Run("without scripts", func(t *testing.T) {
		v := w.in(t).visitor(t, b.Profile(t))
		v.WithoutScripts()
		v.visit("/auth/login?return_to=/access")
		v.pick(sandbox.InesID)
		v.Wait("the way on", `document.querySelector('button[value=accept]') || document.querySelector('h1').innerText === 'Working...'`)
		if v.Text("h1") != "Working..." {
			v.Press("Accept")
		}
		v.Heading("Working...")
		v.Press("Continue")
		v.Heading("Access")
		v.Click(".permissions summary")
		if !v.visible(".permissions tr.detail") {
			t.Error("a permission does not open without a script")
		}
		v.Click(`a[href*="scope=profile"]`)
		v.Heading("Give back consent")
		v.Press("Give back")
		v.Heading("Access")
		v.has(".flash", "You gave it back")
		if v.Count(`a[href*="scope=profile"]`) != 0 {
			t.Error("it is still there")
		}
	})
}
