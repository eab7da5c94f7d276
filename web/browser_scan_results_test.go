package main

import (
	"strings"
	"testing"
	"time"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// readFindings narrows down what a scan of ten thousand results found, on the
// screens that people have, and reads one.
func readFindings(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: 10_400})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/scans/new", "New scan")
	v.Click(`input[aria-label="Choose Contoso Prod"]`)
	v.Press("Start scan")
	v.Heading("Scan of Contoso Prod")
	// The page shows them without being loaded anew.
	v.WaitWithin(time.Minute, "all results", `document.querySelector('#list-title')?.innerText === '10,400 results' && !document.querySelector('#scan[data-running], #found [data-running]')`)
	v.Click(`.drop > summary:has(+ fieldset input[name=status])`)
	v.Wait("the statuses", `document.querySelector('input[name=status][value=Failed]').checkVisibility()`)
	v.check("what a scan found, with a filter open")
	v.Click(`input[name=status][value=Failed]`)
	v.Click(`.drop > summary:has(+ fieldset input[name=severity])`)
	v.Wait("one filter at a time", `!document.querySelector('input[name=status]').checkVisibility()`)
	v.Click(`input[name=severity][value=High]`)
	v.Follow(func() { v.Click(`.drop[open] .drop-foot button`) })
	if at := v.URL(); !strings.Contains(at, "severity=High") || !strings.Contains(at, "status=Failed") || !strings.HasSuffix(at, "#results") {
		t.Errorf("the view is at %s", at)
	}
	v.has(".chips", "Status: Failed")
	v.Follow(func() { v.Click(`th a.sort`) })
	v.has("th[aria-sort=ascending]", "Control")

	v.Follow(func() { v.Click(`.found a.name`) })
	v.Heading(v.Text("h1"))
	v.check("one result")
	v.Follow(func() { v.Press("Next") })
	v.has(".head", "2 of ")
	v.Follow(func() { v.Press("Back to the list") })
	v.Wait("the row in sight", `(() => { const box = document.querySelector(':target').getBoundingClientRect(); return box.top > 0 && box.bottom < innerHeight; })()`)

	v.visit(strings.TrimPrefix(v.URL(), w.url))
	v.Follow(func() { v.Click(`.chip-off`) })
	v.Follow(func() { v.Click(`.chip-off`) })
	v.has("#list-title", "10,400 results")
}

// readWithoutScripts filters, opens one result and comes back, with links and
// forms alone.
func (v *visitor) readWithoutScripts() {
	v.t.Helper()
	list := v.URL()
	v.Click(`.drop > summary:has(+ fieldset input[name=status])`)
	v.Click(`input[name=status][value=Passed]`)
	v.Follow(func() { v.Click(`.drop[open] .drop-foot button`) })
	v.has(".chips", "Status: Passed")
	v.Follow(func() { v.Click(`.found a.name`) })
	v.has(".strip", "Passed")
	v.Follow(func() { v.Press("Back to the list") })
	v.Open(list)
}
