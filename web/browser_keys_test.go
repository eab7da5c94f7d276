package main

import (
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// maxTabs bounds how often somebody presses Tab to reach something.
const maxTabs = 120

// tabTo presses Tab until the focus is on the first element of a selector, and
// makes sure at each step that the focus is seen.
func (v *visitor) tabTo(selector string) {
	v.t.Helper()
	for range maxTabs {
		v.Type(chromium.TabKey)
		v.focusIsSeen()
		if chromium.Eval[bool](v.Tab, `document.activeElement === document.querySelector(`+quoted(selector)+`)`) {
			return
		}
	}
	v.t.Fatalf("Tab never reaches %s", selector)
}

// focusIsSeen fails the test unless what has the focus stands out, is within
// the window and is not covered (WCAG 2.4.7, 2.4.11).
func (v *visitor) focusIsSeen() {
	v.t.Helper()
	problem := chromium.Eval[string](v.Tab, `(() => {
		const el = document.activeElement;
		if (!el || el === document.body) return '';
		const style = getComputedStyle(el), name = el.outerHTML.slice(0, 120);
		if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) return 'no outline on ' + name;
		const box = el.getBoundingClientRect();
		if (box.bottom <= 0 || box.top >= innerHeight || box.width === 0) return 'outside of the window: ' + name;
		const spots = [[.5, .5], [.1, .5], [.9, .5], [.5, .1], [.5, .9]].map(([x, y]) =>
			document.elementFromPoint(box.left + box.width * x, box.top + box.height * y));
		return spots.some((hit) => hit && (el.contains(hit) || hit.contains(el))) ? '' : 'covered: ' + name;
	})()`)
	if problem != "" {
		v.t.Errorf("%s: the focus cannot be seen: %s", v.URL(), problem)
	}
}

// walkByKeyboard signs in, scans and signs out without a mouse.
func walkByKeyboard(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.visit("/")
	v.Type(chromium.TabKey)
	if at := v.Text(":focus"); at != "Skip to content" {
		t.Errorf("the first Tab leads to %q", at)
	}
	v.focusIsSeen()
	v.Type(chromium.Enter)
	v.Wait("the focus within the content", `document.activeElement.id === 'main'`)
	v.Type(chromium.TabKey)
	if at := v.Text(":focus"); at != "Sign in" {
		t.Errorf("after the skip link Tab leads to %q", at)
	}
	v.Follow(func() { v.Type(chromium.Enter) })
	v.Heading("Choose an account")
	v.tabTo(`button[name=account][value="` + sandbox.DanaID + `"]`)
	v.Follow(func() { v.Type(chromium.Enter) })
	v.Heading("Permissions requested")
	v.tabTo(`button[value=accept]`)
	v.Type(chromium.Enter)
	v.Heading("Overview")

	v.tabTo(`nav a[href="/scans"]`)
	v.Type(chromium.Enter)
	v.Heading("Scans")
	v.tabTo(`a.btn[href="/scans/new"]`)
	v.Type(chromium.Enter)
	v.Heading("New scan")
	v.useKeys()
	for _, name := range []string{"Contoso Prod", "Payments – Staging"} {
		v.tabTo(`input[aria-label="Choose ` + name + `"]`)
		v.Type(chromium.Space)
	}
	v.Wait("the count of chosen ones", `document.querySelector('[data-count]').innerText === '2 chosen'`)
	for range maxTabs { // back up to the button
		v.ShiftTab()
		v.focusIsSeen()
		if v.Text(":focus") == "Start scan" {
			break
		}
	}
	v.Type(chromium.Enter)
	v.Heading("Scan of 2 subscriptions")
	// The focus stays where it was though the page is replaced beneath it.
	v.tabTo(`.subnav a[href="/scans"]`)
	v.Wait("the end of the scan", `document.querySelector('#scan') && !document.querySelector('#scan[data-running]')`)
	if at := v.Text(":focus"); at != "My scans" {
		t.Errorf("after the end of the scan the focus is on %q", at)
	}
	v.useMenu()
}

// useKeys tries the keys that the portal adds.
func (v *visitor) useKeys() {
	v.t.Helper()
	v.Type("/")
	v.Wait("the focus in the search field", `document.activeElement.id === 'q'`)
	v.Type("a/?")
	if got := chromium.Eval[string](v.Tab, `document.activeElement.value`); got != "a/?" {
		v.t.Errorf("typing in the field gives %q", got)
	}
	v.tabTo(`form.scan-form button.btn-primary`)
	v.Type("?")
	v.Wait("the list of keys", `document.querySelector('#keys').open`)
	v.Type(chromium.Escape)
	v.Wait("the list to close", `!document.querySelector('#keys').open`)
	if at := v.Text(":focus"); at != "Start scan" {
		v.t.Errorf("after the list of keys the focus is on %q", at)
	}
}

// useMenu opens and closes the account menu, and signs out with it.
func (v *visitor) useMenu() {
	v.t.Helper()
	v.visit("/account")
	v.tabTo("button.who")
	v.Type(chromium.Enter)
	v.Wait("the menu", `document.querySelector('#account-menu').matches(':popover-open')`)
	v.Type(chromium.TabKey)
	if !chromium.Eval[bool](v.Tab, `document.activeElement.closest('#account-menu') !== null`) {
		v.t.Errorf("Tab does not lead into the menu but to %q", v.Text(":focus"))
	}
	v.Type(chromium.Escape)
	v.Wait("the menu to close and the focus to return", `!document.querySelector('#account-menu').matches(':popover-open') &&
		document.activeElement.matches('button.who')`)
	v.Type(chromium.Enter)
	v.tabTo("#account-menu form[action='/auth/logout'] button")
	v.Type(chromium.Enter)
	v.Heading("You are signed out")
}
