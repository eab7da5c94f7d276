package main

import (
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// repeatAScan is an employee who has two subscriptions scanned each week, pauses
// that, and takes the permission back.
func repeatAScan(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/scans/schedules", "Repeated scans")
	v.has(".empty", "Nothing is repeated")
	v.check("no repeated scans")

	v.Press("Repeat a scan")
	v.Heading("Repeat a scan")
	v.Wait("the browser's own zone", `document.querySelector('#zone').value === Intl.DateTimeFormat().resolvedOptions().timeZone`)
	v.Wait("no day for a daily scan", `document.querySelector('#weekday').disabled`)
	v.Wait("the next runs", `document.querySelectorAll('#runs li').length === 3`)
	chromium.Eval[bool](v.Tab, `(() => { const f = document.querySelector('#every'); f.value = 'weekly'; f.dispatchEvent(new Event('change', { bubbles: true })); return true })()`)
	v.Wait("three Mondays", `[...document.querySelectorAll('#runs li')].every((li) => li.textContent.startsWith('Mon, '))`)
	v.Click("tbody tr:nth-child(1) input[name=subscription]")
	v.Click("tbody tr:nth-child(2) input[name=subscription]")
	v.Wait("the count", `document.querySelector('[data-count]').textContent === '2 chosen'`)
	v.check("the form of a repeated scan")

	v.Expect("422")
	v.Follow(func() { v.Press("Repeat it") })
	v.has(".field-error", "needs your yes")
	v.has("[data-count]", "2 chosen")
	v.check("the form without the yes")
	v.Click("input[name=agreed]")
	v.Press("Repeat it")
	v.Heading("Repeated scans")
	v.has("tbody", "Mondays at 06:00")
	v.has("tbody", "Active")
	v.check("a repeated scan")

	v.Follow(func() { v.Click(`form[action="/scans/schedules/pause"] button`) })
	v.has("tbody", "Paused")
	v.Press("Take back the permission")
	v.Heading("Take back the permission?")
	v.check("taking the permission back")
	v.Press("Take it back")
	v.Heading("Repeated scans")
	v.has("#permission", "None.")
	v.has("tbody", "Ended")
	if w.rows("delegations") != 0 {
		t.Error("the permission is there still")
	}
}

// repeatAScanWithoutScripts is the same where the browser runs none: the zone is
// typed, and a button shows the next runs.
func repeatAScanWithoutScripts(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.WithoutScripts()
	v.visit("/auth/login?return_to=/scans/schedules/new")
	v.pick(sandbox.DanaID)
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Working...")
	v.Press("Continue")
	v.Heading("Repeat a scan")
	v.Click("tbody tr:nth-child(1) input[name=subscription]")
	chromium.Eval[bool](v.Tab, `(document.querySelector('#zone').value = '') === ''`)
	v.Click("#zone")
	v.Type("Asia/Tokyo")
	v.Follow(func() { v.Press("Show the next runs") })
	v.has("#runs", "06:00 JST")
	v.Click("input[name=agreed]")
	v.Press("Repeat it")
	v.Heading("Working...")
	v.Press("Continue")
	v.Heading("Repeated scans")
	v.has("tbody", "Daily at 06:00")
	v.has("tbody", "Asia/Tokyo")
}
