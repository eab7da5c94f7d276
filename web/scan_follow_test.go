package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/store/storetest"
)

// newestScan ends a question about it.
const newestScan = " FROM scans ORDER BY requested_at DESC LIMIT 1"

// TestScanThatNeedsProof: AzTS asks for more proof while a scan runs, and again
// while its results are read. Each time the scan waits, says so, leads its owner
// to the tenant with that very challenge, and goes on by itself. The same
// challenge a moment later is explained. Nobody else can do any of this.
func TestScanThatNeedsProof(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{env: map[string]string{"PORTAL_SESSION_IDLE": "3h"}, sandbox: sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: 20}})
	b := w.browser()
	b.signIn(dana)
	var requested, read atomic.Int32    // calls
	var proved, provedTwice atomic.Bool // by the person
	w.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
		faults := w.tenant.Faults()
		switch {
		case r.URL.Path == requestPath:
			requested.Add(1)
		case strings.HasSuffix(r.URL.Path, "/search") && (requested.Load() == 1 && !proved.Load() || requested.Load() == 2):
			faults.Set("azts.claims_challenge", "c1", 1)
		case strings.HasSuffix(r.URL.Path, "/ControlScanResult") && read.Add(1) > 2 && !provedTwice.Load(): // the first two are the look's
			faults.Set("azts.claims_challenge", "c2", 1)
		}
		return false
	})
	scan := startScan(b, "Contoso Prod", "Payments – Staging")
	w.awaitText("the scan", "waiting", "SELECT state"+newestScan)

	page := b.get(scan.url.Path).want(http.StatusOK, "Scan of 2 subscriptions")
	page.has(".panel h2", "This scan is waiting for you")
	page.has("title", "Waiting for you · Scan")
	w.othersCannotGoOn(page)
	signOutIsAskedFor(b, w)

	goOn(b, w, page, `"value":"c1"`, func() { proved.Store(true) }).has("h1", "Scan of 2 subscriptions")
	w.awaitText("reading", "completed waiting", "SELECT state || ' ' || read_state"+newestScan)
	page = b.get(scan.url.Path)
	page.has(".panel h2", "The results wait for you")
	goOn(b, w, page, `"value":"c2"`, func() { provedTwice.Store(true) })
	w.awaitText("reading", "completed ended", "SELECT state || ' ' || read_state"+newestScan)
	page = b.get(scan.url.Path)
	page.has(".card-note", "40 results are read in.")
	if page.sel("#scan[data-running]").Length() != 0 {
		t.Error("the scan is still followed")
	}
	// What does not wait any more needs no visit.
	b.send(visit{to: scan.url.Path + "/continue", form: url.Values{}, from: page.url}).leadsTo(scan.url.Path)

	again := startScan(b, "Contoso Prod", "Payments – Staging")
	w.awaitText("the scan", "waiting", "SELECT state"+newestScan)
	page = b.get(again.url.Path)
	stopped := b.open(formOf(page, `#scan form[action$="/continue"]`)).want(http.StatusForbidden, "Scan of 2 subscriptions")
	stopped.has(".panel", "the same is asked for again")
	if stopped.evidenceIn(".panel") != "challenge_repeated" || stopped.sel(".panel form").Length() != 0 {
		t.Errorf("the second time: %s", stopped.text(".panel"))
	}
}

// TestStartThatNeedsProof: AzTS asks for more proof when it is asked to scan. The
// scan says so, leads its owner to the tenant, and is asked for afterwards.
func TestStartThatNeedsProof(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: 20}})
	b := w.browser()
	b.signIn(dana)
	w.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == requestPath {
			w.tenant.Faults().Set("azts.claims_challenge", "c1", 1)
		}
		return false
	})
	scan := startScan(b, "Contoso Prod", "Payments – Staging")
	scan.has(".panel h2", "This scan is waiting for you")
	scan.has("main", "AzTS has not been asked to scan yet")
	scan.has("#targets tbody", "AzTS is asked once you have signed in.")
	goOn(b, w, scan, `"value":"c1"`, func() { w.tenant.answerWith(nil) })
	w.awaitText("the scan", "completed", "SELECT state"+newestScan)
}

// goOn presses the button of a waiting scan, which leads to the tenant with a
// challenge; there the person gives proof, and comes back.
func goOn(b *browser, w *world, page *page, challenge string, proof func()) *page {
	b.t.Helper()
	gone := b.send(formOf(page, `#scan form[action$="/continue"]`))
	q := gone.leadsTo(w.authorizeURL()).Query()
	if !strings.Contains(q.Get("claims"), challenge) || !strings.HasSuffix(q.Get("scope"), "/user_impersonation") {
		b.t.Errorf("the person is sent with %v", q)
	}
	proof()
	back := b.through(b.get(gone.header.Get("Location")), dana)
	if back.status != http.StatusOK || back.url.Path != page.url.Path {
		b.t.Fatalf("back at %s with %d, not at %s", back.url, back.status, page.url.Path)
	}
	return back
}

// othersCannotGoOn: a scan of somebody else does not exist, and another site
// cannot send anybody to the tenant.
func (w *world) othersCannotGoOn(page *page) {
	w.t.Helper()
	stranger := w.browser()
	stranger.signIn("hugo@contoso.com")
	to := page.url.Path + "/continue"
	if p := stranger.send(visit{to: to, form: url.Values{}, from: stranger.address("/")}); p.status != http.StatusNotFound {
		w.t.Errorf("somebody else's scan: %d to %q", p.status, p.header.Get("Location"))
	}
	stranger.get(page.url.Path).want(http.StatusNotFound, "There is nothing here")
	if p := stranger.submit(stranger.get("/account"), `.head-act form[action="/auth/logout"] button`, nil); strings.Contains(p.text("h1"), "will wait") {
		w.t.Error("the scans of others are told of")
	}
	nobody := w.browser()
	if to := nobody.send(visit{to: to, form: url.Values{}, from: nobody.address("/")}).leadsTo("/auth/login"); to.Query().Get("return_to") != page.url.Path {
		w.t.Errorf("nobody is led to %s", to)
	}
	evil, err := url.Parse("https://evil.example/")
	if err != nil {
		w.t.Fatal(err)
	}
	if p := stranger.send(visit{to: to, form: url.Values{}, from: evil}); p.status != http.StatusForbidden {
		w.t.Errorf("another site's form: %d", p.status)
	}
}

// signOutIsAskedFor: who signs out while a scan needs their token is told
// before, and nothing has ended then. With another session nothing will wait.
func signOutIsAskedFor(b *browser, w *world) {
	b.t.Helper()
	waiting := func() int {
		var answer struct{ Waiting int }
		p := b.send(visit{to: "/session?leaving=1", from: b.address("/"), script: true})
		if err := json.Unmarshal([]byte(p.body), &answer); err != nil {
			b.t.Fatal(err)
		}
		return answer.Waiting
	}
	p := b.submit(b.get("/account"), `.head-act form[action="/auth/logout"] button`, nil).want(http.StatusOK, "1 running scan will wait for you")
	b.get(p.one("main a.btn").AttrOr("href", "")).want(http.StatusOK, "Overview") // who stays is signed in
	if n := waiting(); n != 1 {
		b.t.Errorf("the menu says %d scans", n)
	}
	other := w.browser()
	other.signIn(dana)
	if n := waiting(); n != 0 {
		b.t.Errorf("with another session the menu says %d scans", n)
	}
	// One that ends before the scan may, or can bring no tokens, does not help.
	for _, spoil := range [][]string{
		{"UPDATE sessions SET ends_at = ends_at - 5400000000"},
		{"UPDATE sessions SET ends_at = ends_at + 5400000000", "DELETE FROM session_tokens WHERE resource = '' AND session_id = (SELECT id FROM sessions ORDER BY created_at DESC LIMIT 1)"}} {
		storetest.Exec(b.t, "sqlite:"+w.db, spoil...)
		if n := waiting(); n != 1 {
			b.t.Errorf("with another session that does not help the menu says %d scans", n)
		}
	}
	other.signOut().want(http.StatusOK, "You are signed out")
}
