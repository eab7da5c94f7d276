package main

import (
	"time"

	chromium "azts.internal/portal/internal/browser"
)

// scanned shows what becomes of a scan: its results, what changed since the one
// before, and what repeats it. It begins on the page of a running scan.
func (p *photographer) scanned() {
	p.awaitResults()
	p.Follow(func() { p.Press("Scan again") })
	p.awaitResults()
	p.take("scan-results", true)
	p.Follow(func() { p.Click("#results tbody tr a") })
	p.Wait("one result", `document.querySelector('h1') && location.pathname.includes('/results/')`)
	p.take("scan-result", true)
	p.visit("/scans")
	p.Heading("Scans")
	p.take("scans", true)
	p.Follow(func() { p.Click("#recent-scans tbody a.name") })
	p.Follow(func() { p.Press("What changed since the scan before") })
	p.Heading("What changed")
	p.take("scan-compare", true)
	for _, page := range []struct{ name, path, heading string }{
		{"scan-trend", "/scans/trend", "Trend of compliance"},
		{"scan-repeat", "/scans/schedules/new", "Repeat a scan"},
	} {
		p.visit(page.path)
		p.Heading(page.heading)
		p.take(page.name, true)
	}
	// A flow that was broken on purpose, also for a shared screen.
	p.visit("/flows/hybrid")
	chromium.Eval[bool](p.Tab, `(document.querySelector('select[name=failure]').value = 'other-nonce') !== ''`)
	p.Follow(func() { p.Press("Run") })
	p.has(".panel", "as it should be")
	p.take("flow-run", true)
	p.Follow(func() { p.Press("Present") })
	p.has(".present", "Refused by the portal")
	p.take("flow-present", false)
	p.visit("/")
}

// awaitResults waits until a scan has ended and its results are there.
func (p *photographer) awaitResults() {
	p.WaitWithin(2*time.Minute, "the results of a scan", `document.querySelector('#results tbody tr') && !document.querySelector('#scan[data-running], #found [data-running]')`)
	chromium.Eval[bool](p.Tab, `(scrollTo(0, 0), true)`)
}

// flows shows how tokens are got.
func (p *photographer) flows() {
	for _, page := range []struct{ name, path, heading string }{
		{"flows", "/flows", "Flows"},
		{"flow", "/flows/hybrid", "Hybrid: code and ID token by form post"},
		{"flow-errors", "/flows/errors?q=AADSTS50105", "Explain an error"},
	} {
		p.visit(page.path)
		p.Heading(page.heading)
		p.take(page.name, true)
	}
	p.visit("/")
}
