package main

import (
	"net/http"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// TestSlowAzTSKeepsNoResultsBack: results that the portal has are shown at once,
// with the names of Azure, and the first page shows what it has after a while.
func TestSlowAzTSKeepsNoResultsBack(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: 120}})
	before, b := w.browser(), w.browser()
	before.signIn(dana)
	scan := before.ended(startScan(before, "Contoso Prod", "Payments – Staging"))
	w.tenant.Faults().Set("azts.slow", "20s", -1)

	within := func(limit time.Duration, of *browser, path string) *page {
		t.Helper()
		began := time.Now()
		p := of.get(path)
		if took := time.Since(began); took > limit || p.status != http.StatusOK {
			t.Errorf("%s is %d after %v", path, p.status, took)
		}
		return p
	}
	b.signIn(dana) // and waits on the first page, where nothing is known yet
	within(15*time.Second, b, "/").has("main", "did not arrive in time")
	found := within(5*time.Second, b, scan.url.Path)
	found.has("#scan", "Contoso Prod")
	within(5*time.Second, b, found.sel(".found tbody a").First().AttrOr("href", ""))
	for _, path := range []string{scan.url.Path + "/results.csv", scan.url.Path + "/results.jsonl", "/scans", "/scans/trend", "/scans/schedules"} {
		within(5*time.Second, b, path)
	}
	before.get(scan.url.Path) // its numbers of before the end are old
	old := within(15*time.Second, before, "/")
	old.has("main", "did not arrive in time")
	old.has("table.choose", "Contoso Prod")
}
