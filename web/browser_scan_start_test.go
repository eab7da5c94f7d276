package main

import (
	"strings"
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// chooseAndStart chooses over two pages, pastes a list, and starts.
func chooseAndStart(t *testing.T, b *chromium.Browser) { chooseOverPages(t, b, true) }

// chooseAndStartWithoutScripts is the same where no script runs.
func chooseAndStartWithoutScripts(t *testing.T, b *chromium.Browser) { chooseOverPages(t, b, false) }

func chooseOverPages(t *testing.T, b *chromium.Browser, scripts bool) {
	w := startWorld(t, setup{sandbox: sandbox.Options{Subscriptions: 250, ScanDuration: 1, ResultsPerSubscription: 5}})
	v := w.visitor(t, b.Profile(t))
	v.visit("/auth/login?return_to=/scans")
	v.pick(sandbox.DanaID)
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading("Scans")
	v.check("no scans yet")
	if !scripts {
		v.WithoutScripts()
		v.visit("/scans")
	}
	v.Press("Choose subscriptions and start")
	v.Heading("New scan")
	first := v.Text("table.choose tbody th .name")
	v.Click("table.choose tbody tr:nth-child(1) input")
	v.Follow(func() { v.Press("Next page") })
	v.has(".pager", "101 to 200 of")
	v.has(".chips", first)
	v.Click("table.choose tbody tr:nth-child(2) input")
	v.Click(".more.first summary")
	v.Click("#list")
	v.Type("wrong 11111111-2222-4333-8444-555555555555")
	v.Follow(func() { v.Press("Check the list") })
	v.has(".more-body", "Line 1, entry 1")
	v.has(".more-body", "not among your subscriptions")
	v.has(".chips", first)
	if scripts {
		v.has("[data-count]", "2 chosen")
		v.check("choice, a list was checked")
	}
	if strings.Contains(v.URL(), "?") {
		t.Errorf("the choice is in the address: %s", v.URL())
	}
	v.Press("Start scan")
	v.Heading("Scan of 2 subscriptions")
	v.visit("/scans")
	v.Heading("Scans")
	v.has("#recent-scans", "2 subscriptions:")
	v.has("#recent-scans", first)
	if scripts {
		v.Wait("the end of the scan", `!document.querySelector('#recent-scans').innerText.includes('under way')`)
		v.check("history")
	}
}
