package main

import (
	"testing"
	"time"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// seeWhatChanged scans twice from the first page, which tells of it by itself,
// and looks at the difference and the trend.
func seeWhatChanged(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: 120})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/", "Overview")
	for range 2 {
		v.visit("/")
		v.Heading("Overview")
		v.Click(`input[aria-label="Choose Contoso Prod"]`)
		v.has("[data-count]", "1 chosen")
		v.Press("Scan the chosen")
		v.Heading("Scan of Contoso Prod")
		v.visit("/")
		v.WaitWithin(time.Minute, "the end of the scan", `!document.querySelector('#running-scans tbody tr')`)
		v.WaitWithin(time.Minute, "its results", `document.querySelector('#news-title')`)
	}
	v.check("overview with scans")
	v.visit("/scans/trend")
	v.Heading("Trend of compliance")
	v.WaitWithin(time.Minute, "two points", `document.querySelectorAll('.trend-dots circle').length === 2 || (location.reload(), false)`)
	v.check("trend")
	v.Follow(func() { v.Click(`td a[href*="/compare/"]`) })
	v.Heading("What changed")
	v.has(".sums", "new failure")
	v.check("what changed")
	v.Follow(func() { v.Click(`.sums a`) })
	v.check("one kind of change")
	v.Follow(func() { v.Press("Compare") })
	v.Heading("What changed")
}
