package main

import (
	"database/sql"
	"net/http"
	"net/url"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// scanState returns the state of the one scan in the database.
func (p *portalRun) scanState() (state string) {
	p.t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: p.db, RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}).String())
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT state FROM scans").Scan(&state); err != nil {
		p.t.Fatal(err)
	}
	return state
}

// TestScanWaitsForItsOwnerAndGoesOnAtSignIn signs out while a scan runs. The
// scan waits, and goes on as soon as a page of its owner is open again.
func TestScanWaitsForItsOwnerAndGoesOnAtSignIn(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: 20}})
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/azts/ComplianceSummary/search" { // no end is seen before the sign-out
			rw.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	b := w.browser()
	b.signIn(dana)
	scan := startScan(b, "Contoso Prod", "Payments – Staging")
	b.signOut()
	w.tenant.answerWith(nil)
	for deadline := time.Now().Add(30 * time.Second); w.scanState() != "waiting"; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the scan is %s after the sign-out", w.scanState())
		}
	}
	b.signIn(dana)
	b.get(scan.url.String()).want(http.StatusOK, "Scan of 2 subscriptions")
	events := b.events()
	begun := time.Now()
	for w.scanState() != "completed" {
		b.await(events, "scan", 15*time.Second)
	}
	if took := time.Since(begun); took > 10*time.Second { // by itself it looks every 15 s at most
		t.Errorf("it went on after %v", took)
	}
	if n := w.tenant.count(requestPath); n != 1 {
		t.Errorf("AzTS was asked %d times to scan", n)
	}
}
