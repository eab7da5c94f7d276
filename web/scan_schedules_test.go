package main

import (
	"bytes"
	"database/sql"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// repeating is the form of a repeated scan, filled in: daily in UTC, two
// subscriptions that the page offers.
func repeating(b *browser) url.Values {
	b.t.Helper()
	p := b.get("/scans/schedules/new").want(http.StatusOK, "Repeat a scan")
	boxes := p.sel("table.choose input[name=subscription]")
	// Half a day away: a run that was missed is not made up for right before the next.
	form := url.Values{"key": {p.one("input[name=key]").AttrOr("value", "")}, "every": {"daily"}, "hour": {strconv.Itoa((time.Now().UTC().Hour() + 12) % 24)}, "zone": {"UTC"}, "do": {"save"}, "agreed": {"yes"}}
	for i := range 2 {
		form.Add("subscription", boxes.Eq(i).AttrOr("value", ""))
	}
	return form
}

// repeat repeats a scan with a visit to the tenant.
func repeat(b *browser, account string) *page {
	b.t.Helper()
	return b.through(b.post("/scans/schedules", repeating(b)), account).want(http.StatusOK, "Repeated scans")
}

// write changes the SQLite file, as time would.
func (p *portalRun) write(query string) {
	p.t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: p.db, RawQuery: "_pragma=busy_timeout(5000)"}).String())
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		p.t.Fatal(err)
	}
}

// sealed returns what is sealed in the one delegation there is.
func (p *portalRun) sealed() []byte {
	p.t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: p.db, RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}).String())
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	var sealed []byte
	if err := db.QueryRow("SELECT sealed FROM delegations").Scan(&sealed); err != nil {
		p.t.Fatal(err)
	}
	return sealed
}

// overnight stops the portal, lets the time of all schedules come, and starts it
// again: nothing that was in memory helps.
func (w *world) overnight() {
	w.t.Helper()
	w.stop()
	// Another due time each night: a second run of the same is none.
	w.write("UPDATE schedules SET next_at = 1000000 * (1 + (SELECT count(*) FROM scans)) WHERE state = 'active'")
	w.write("DELETE FROM river_job WHERE kind = 'scan_schedules'") // of the same minute there is one only
	env := maps.Clone(w.env)
	env["PORTAL_DATABASE_URL"] = "sqlite:" + w.db
	env["PORTAL_ADDR"] = strings.TrimPrefix(w.url, "http://") // the tenant knows it by this address
	w.portalRun = startPortal(w.t, env)
}

// scheduleID returns the id in the first form of a list.
func scheduleID(p *page) url.Values {
	p.t.Helper()
	return url.Values{"id": {p.sel("tbody input[name=id]").First().AttrOr("value", "")}}
}

// TestRepeatedScan is a repeated scan from the yes to the day on which the tenant
// takes the permission back, with its owner signed out whenever it runs.
func TestRepeatedScan(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: 100 * time.Millisecond, ResultsPerSubscription: 20}})
	b := w.browser()
	b.signIn(dana)

	form := repeating(b)
	form.Del("agreed")
	form.Set("hour", "23")
	form.Set("zone", "Europe/Berlin")
	form.Set("ids", "0f5c0e2a-3b1d-4c7a-9e52-00000000000b")
	refused := b.post("/scans/schedules", form).want(http.StatusUnprocessableEntity, "Repeat a scan")
	if refused.sel("input[name=subscription][checked]").Length() != 2 || refused.one("#ids").Text() != form.Get("ids") || refused.one("#hour option[selected]").Text() != "23:00" ||
		refused.one("#zone").AttrOr("value", "") != "Europe/Berlin" || refused.one("input[name=key]").AttrOr("value", "") != form.Get("key") {
		t.Errorf("what was typed is lost: %s", refused.text("main"))
	}
	if w.rows("schedules") != 0 || w.rows("delegations") != 0 {
		t.Error("something is kept without a yes")
	}

	tokens := w.rows("session_tokens")
	listed := repeat(b, dana)
	listed.has(".flash", "repeated from now on")
	listed.has("tbody", "Active")
	if w.rows("delegations") != 1 || w.rows("session_tokens") != tokens {
		t.Errorf("%d permissions, and %d tokens in the session that had %d", w.rows("delegations"), w.rows("session_tokens"), tokens)
	}
	b.get("/account").has("main", "the portal keeps a permission to act for you")

	b.signOut()
	if w.sessions() != 0 || w.rows("delegations") != 1 {
		t.Errorf("after the sign-out: %d sessions, %d permissions", w.sessions(), w.rows("delegations"))
	}
	asked := w.tenant.count(requestPath)
	w.overnight()
	w.awaitText("the reading of the run", "completed ended", "SELECT coalesce(max(state || ' ' || read_state), 'none') FROM scans")
	if n := w.tenant.count(requestPath) - asked; n != 1 || w.rows("scans") != 1 || w.sessions() != 0 {
		t.Errorf("AzTS was asked %d times, %d scans, %d sessions", n, w.rows("scans"), w.sessions())
	}

	b = w.browser()
	b.signIn(dana)
	listed = b.get("/scans/schedules").want(http.StatusOK, "Repeated scans")
	listed.has("tbody", "Completed")
	run := b.get(listed.one(`tbody a[href^="/scans/"]:not(.btn)`).AttrOr("href", "")).want(http.StatusOK, "Scan of 2 subscriptions")
	run.has("main", "Completed")
	b.get("/tokens/history").has("table", "while you were away, for repeated scans")

	// The next night the tenant wants to see the owner first.
	b.signOut()
	w.tenant.Faults().Set("refresh.interaction_required", "", -1)
	w.overnight()
	w.awaitText("the notice, and the job put off", "active schedule_owner waiting scheduled", `SELECT sc.state || ' ' || notice_code || ' ' || s.state || ' ' || j.state
		FROM schedules sc JOIN scans s ON s.id = sc.last_scan JOIN river_job j ON j.id = s.job_id`)
	w.tenant.Faults().Clear("refresh.interaction_required")
	b = w.browser()
	b.signIn(dana)
	listed = b.get("/scans/schedules")
	listed.has(".panel", "wants to see you")
	sent := b.send(visit{to: "/scans/schedules/renew", form: url.Values{}, from: listed.url}).leadsTo(w.authorizeURL())
	if !strings.Contains(sent.Query().Get("claims"), "polids") {
		t.Errorf("the visit carries the claims %q", sent.Query().Get("claims"))
	}
	listed = b.through(b.get(sent.String()), dana).want(http.StatusOK, "Repeated scans")
	listed.has(".flash", "renewed")
	if listed.sel(".panel:not(.flash)").Length() != 0 {
		t.Errorf("the notice stays: %s", listed.text(".panel"))
	}
	w.awaitText("the end of the run that waited", "completed", "SELECT s.state FROM schedules sc JOIN scans s ON s.id = sc.last_scan")

	b.signOut()
	w.tenant.Faults().Set("refresh.revoked", "", 1)
	w.overnight()
	w.awaitText("the end of the schedule", "ended schedule_refused", "SELECT state || ' ' || notice_code FROM schedules")
	w.awaitText("the erasing", "0", "SELECT CAST(count(*) AS TEXT) FROM delegations")
	b = w.browser()
	b.signIn(dana)
	listed = b.get("/scans/schedules")
	listed.has(".panel", "does not let the portal act for you any more")
	listed.has("#permission", "None.")
	if gone := b.submit(listed, `.panel form[action="/scans/schedules/dismiss"] button`, nil).want(http.StatusOK, "Repeated scans"); gone.sel(".panel").Length() != 0 {
		t.Errorf("the notice stays: %s", gone.text(".panel"))
	}
	if left := b.post("/scans/schedules/remove", scheduleID(listed)); left.sel("tbody tr").Length() != 0 {
		t.Errorf("it is listed still: %s", left.text("tbody"))
	}
}

// TestRepeatedScanIsTheOwners: what others try with it, and what its owner takes back.
func TestRepeatedScanIsTheOwners(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)

	t.Run("another account answers", func(t *testing.T) {
		gone := b.in(t).send(visit{to: "/scans/schedules", form: repeating(b), from: b.address("/")}).leadsTo(w.authorizeURL())
		q := gone.Query()
		if scope := q.Get("scope"); !strings.Contains(scope, "offline_access") || !strings.Contains(scope, sandbox.AzTSAppIDURI) || q.Get("login_hint") != dana {
			t.Errorf("the visit asks for %v", q)
		}
		q.Set("prompt", "select_account")
		q.Del("login_hint")
		p := b.in(t).through(b.get(w.authorizeURL()+q.Encode()), "ada@contoso.com")
		if p.status != http.StatusForbidden || p.evidence("Code") != "other_account" || p.heading() != "Your scan is not repeated yet" || w.rows("delegations") != 0 {
			t.Errorf("%d %q, %d permissions", p.status, p.heading(), w.rows("delegations"))
		}
	})
	t.Run("declined, then gone on with", func(t *testing.T) {
		b := b.in(t)
		waits := b.get("/scans/schedules")
		waits.has("tbody", "Not confirmed")
		waits.has(".panel", "This scan is not repeated yet")
		w.tenant.Faults().Set("token.no_refresh_token", "", 1)
		p := b.through(b.post("/scans/schedules/confirm", scheduleID(waits)), dana)
		if p.status != http.StatusForbidden || p.evidence("Code") != "no_refresh_token" || w.rows("delegations") != 0 {
			t.Errorf("without a refresh token: %d %s", p.status, p.text("main"))
		}
		w.tenant.Faults().Set("token.500_html", "", 1)
		if p = b.through(b.post("/scans/schedules/confirm", scheduleID(waits)), dana); p.status/100 != 5 || w.rows("delegations") != 0 {
			t.Errorf("with the tenant broken: %d %s", p.status, p.text("main"))
		}
		answer := b.toAnswer(b.post("/scans/schedules/confirm", scheduleID(waits)), dana)
		b.submit(answer, "form#hiddenform", nil).want(http.StatusOK, "Repeated scans").has("tbody", "Active")
		if again := b.submit(answer, "form#hiddenform", nil); again.status != http.StatusBadRequest || again.evidence("Code") == "" {
			t.Errorf("the answer once more: %d %s", again.status, again.text("main"))
		}
	})
	t.Run("another at once", func(t *testing.T) {
		form := repeating(b.in(t))
		before := w.tenant.count("/" + sandbox.TenantID + "/oauth2/v2.0/authorize")
		b.in(t).post("/scans/schedules", form).want(http.StatusOK, "Repeated scans")
		b.in(t).post("/scans/schedules", form).want(http.StatusOK, "Repeated scans") // twice pressed
		if n := w.tenant.count("/"+sandbox.TenantID+"/oauth2/v2.0/authorize") - before; n != 0 || w.rows("schedules") != 2 {
			t.Errorf("%d visits, %d schedules", n, w.rows("schedules"))
		}
	})
	t.Run("another person", func(t *testing.T) {
		id := scheduleID(b.in(t).get("/scans/schedules"))
		other := w.in(t).browser()
		other.signIn("ada@contoso.com")
		for _, path := range []string{"pause", "resume", "end", "remove", "dismiss", "confirm"} {
			other.post("/scans/schedules/"+path, id).want(http.StatusNotFound, "There is nothing here")
		}
		other.get("/scans/schedules/end?"+id.Encode()).want(http.StatusNotFound, "There is nothing here")
		if p := other.get("/scans/schedules"); p.sel("tbody tr").Length() != 0 {
			t.Errorf("ada sees %s", p.text("tbody"))
		}
		if other.post("/scans/schedules/withdraw", nil); w.rows("delegations") != 1 {
			t.Error("another person took it back")
		}
	})
	t.Run("paused, ended, taken back", func(t *testing.T) {
		b := b.in(t)
		b.submit(b.get("/scans/schedules"), `tbody tr:first-child form[action="/scans/schedules/pause"] button`, nil).has("tbody", "Paused")
		b.submit(b.get("/scans/schedules"), `form[action="/scans/schedules/resume"] button`, nil).has(".flash", "repeated from now on")
		ask := b.get(b.get("/scans/schedules").sel("tbody a.btn-danger").First().AttrOr("href", "")).want(http.StatusOK, "End this repeated scan?")
		b.submit(ask, "main form button", nil).has("tbody", "Ended")
		sealed := w.sealed()
		if !bytes.Contains(w.databaseBytes(), sealed) {
			t.Fatal("the permission is not where it is looked for")
		}
		all := b.get("/scans/schedules/withdraw").want(http.StatusOK, "Take back the permission?")
		b.submit(all, "main form button", nil).has("#permission", "None.")
		if w.rows("delegations") != 0 || bytes.Contains(w.databaseBytes(), sealed) {
			t.Errorf("%d permissions, in the files %v", w.rows("delegations"), bytes.Contains(w.databaseBytes(), sealed))
		}
		if p := b.get("/scans/schedules"); strings.Contains(p.text("tbody"), "Active") {
			t.Errorf("it goes on: %s", p.text("tbody"))
		}
	})
	t.Run("AzTS is taken out of the configuration", func(t *testing.T) {
		if repeat(b.in(t), dana); w.rows("delegations") != 1 {
			t.Fatalf("%d permissions", w.rows("delegations"))
		}
		w.stop()
		env := maps.Clone(w.env)
		delete(env, "PORTAL_AZTS_URL")
		delete(env, "PORTAL_AZTS_SCOPE")
		env["PORTAL_DATABASE_URL"] = "sqlite:" + w.db
		if w.portalRun = startPortal(w.t, env); w.rows("delegations") != 0 {
			t.Errorf("%d permissions are kept for nothing", w.rows("delegations"))
		}
	})
}
