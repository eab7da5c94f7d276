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

// TestScanGoesOnAtSignInWithoutScripts is the same for a browser that holds no
// event stream: the sign-in alone wakes the scan.
func TestScanGoesOnAtSignInWithoutScripts(t *testing.T) {
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
	startScan(b, "Contoso Prod", "Payments – Staging")
	b.signOut()
	w.tenant.answerWith(nil)
	w.awaitText("the job put off", "scheduled", "SELECT CASE WHEN s.state = 'waiting' THEN j.state ELSE s.state END FROM scans s JOIN river_job j ON j.id = s.job_id")
	b.signIn(dana)
	begun := time.Now()
	w.awaitText("the end of the scan", "completed", "SELECT state FROM scans")
	if took := time.Since(begun); took > 10*time.Second { // by itself it looks every 15 s at most
		t.Errorf("it went on after %v", took)
	}
}

// awaitText asks the database until it says what is wanted.
func (p *portalRun) awaitText(what, want, query string) {
	p.t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: p.db, RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}).String())
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var got string
		if err := db.QueryRow(query).Scan(&got); err != nil {
			p.t.Fatal(err)
		}
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: %q, want %q", what, got, want)
		}
	}
}
