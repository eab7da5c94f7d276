package main

import (
	"strings"
	"testing"
	"time"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// heardNotes stands in for the system's notifications, which a browser without a
// screen does not give: it hears who asks for permission and what is shown.
const heardNotes = `(() => {
	window.notes = [];
	window.asked = 0;
	window.Notification = class {
		static permission = 'default';
		static async requestPermission() { window.asked++; return this.permission = 'granted'; }
		constructor(title, options) { window.notes.push(title + ' ' + options.tag); }
		close() {}
	};
	document.dispatchEvent(new Event('page-changed'));
	return true;
})()`

// followScan stays on the page of a scan to its end: the page, its title and what
// is read aloud change by themselves, and the browser tells who asked for it.
func followScan(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{ResultsPerSubscription: 12, ScanDuration: 15 * time.Second})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/scans/new", "New scan")
	for _, name := range []string{"Contoso Prod", "Payments – Staging"} {
		v.Click(`input[aria-label="Choose ` + name + `"]`)
	}
	v.Press("Start scan")
	v.Heading("Scan of 2 subscriptions")
	scan := strings.TrimPrefix(v.URL(), w.url+"/scans/")

	v.visit("/account")
	v.Heading("Account")
	v.Follow(func() { v.Click(`main form[action="/auth/logout"] button`) })
	v.Heading("1 running scan will wait for you")
	v.check("sign-out while a scan runs")
	v.Follow(func() { v.Press("Stay signed in") })
	v.Heading("Account")
	v.Click("button.who")
	v.Wait("the warning in the menu", `document.querySelector('#leave-note').checkVisibility()`)
	v.has("#leave-note", "If you sign out, 1 running scan waits")

	v.visit("/scans/" + scan)
	v.Heading("Scan of 2 subscriptions")
	title := `document.title`
	if got := chromium.Eval[string](v.Tab, title); !strings.HasPrefix(got, "(0 of 2) Scan ") {
		t.Errorf("the title of a running scan is %q", got)
	}
	if v.visible(".shown-as-of") {
		t.Error("a page that follows the scan says that it may be old")
	}
	chromium.Eval[bool](v.Tab, heardNotes)
	if n := chromium.Eval[int](v.Tab, `window.asked`); n != 0 {
		t.Error("permission is asked for by itself")
	}
	v.Press("Tell me when it ends")
	v.Wait("the button to say that it is on", `document.querySelector('[data-tell][aria-pressed=true]')?.innerText === 'You will be told when it ends'`)
	elapsed := `document.querySelector('#scan [data-since]').textContent`
	v.Wait("the elapsed time to count", elapsed+` !== `+quoted(chromium.Eval[string](v.Tab, elapsed)))
	chromium.Eval[bool](v.Tab, `Object.defineProperty(document, 'hidden', { get: () => true }) === document && document.dispatchEvent(new Event('visibilitychange'))`)

	v.WaitWithin(time.Minute, "the title of an ended scan", title+`.startsWith('✓ Completed · Scan ')`)
	v.Wait("the end to be read aloud", `document.querySelector('#live').textContent.startsWith('Scan: Completed, 2 of 2 subscriptions ended.')`)
	v.Wait("the results to be there", `!document.querySelector('#scan[data-running]')`)
	if notes := chromium.Eval[[]string](v.Tab, `window.notes`); len(notes) != 1 || notes[0] != "The scan has ended. "+scan {
		t.Errorf("the browser said %q", notes) // and the page was never loaded anew, or they would be gone
	}
	if left := chromium.Eval[string](v.Tab, `localStorage.getItem('tell')`); left != "" {
		t.Errorf("%q is still remembered", left)
	}

	// An end that nobody heard of is told as soon as the line is there again.
	chromium.Eval[bool](v.Tab, `localStorage.setItem('tell', JSON.stringify([`+quoted(scan)+`])) === undefined && document.dispatchEvent(new CustomEvent('scan-heard', { detail: {} }))`)
	v.Wait("the end to be told afterwards", `window.notes.length === 2 && localStorage.getItem('tell') === ''`)
}
