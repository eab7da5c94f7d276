package main

import (
	"database/sql"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// readIn returns how far the results of the one scan in the database are read;
// rows and state are of its set, as far as there is one.
func (k *killable) readIn() (reading, state string, rows int) {
	k.t.Helper()
	driver, source := "pgx", k.db
	if k.copied != nil {
		source = k.copied()
	}
	if path, sqlite := strings.CutPrefix(source, "sqlite:"); sqlite {
		driver, source = "sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}).String()
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		k.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT read_state, COALESCE(r.state, ''), COALESCE(r.row_count, 0)
		FROM scans s LEFT JOIN result_sets r ON r.scan_id = s.id`).Scan(&reading, &state, &rows); err != nil {
		k.t.Fatal(err)
	}
	return reading, state, rows
}

// awaitRead waits until the results are read and says what must be there.
func (k *killable) awaitRead(want int) {
	k.t.Helper()
	for deadline := time.Now().Add(killLimit); ; time.Sleep(50 * time.Millisecond) {
		reading, state, rows := k.readIn()
		if reading == "ended" {
			if state != "whole" || rows != want {
				k.t.Errorf("a set of %d rows is %s, want %d", rows, state, want)
			}
			return
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("reading is %q, the set %q with %d rows", reading, state, rows)
		}
	}
}

// TestKillWhileReading kills the portal in the middle of reading results. The
// next one goes on from what is stored, and nothing is lost or doubled.
func TestKillWhileReading(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, databaseURL string) {
		const perSubscription, perPage, killedAt = 9000, 100, 60
		k := newKillable(t, databaseURL, sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: perSubscription})
		k.start()
		b := k.portal.browser()
		b.signIn(dana)
		asked, killed := make(chan struct{}), make(chan struct{})
		var further atomic.Int32 // pages after the first
		k.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
			if !r.URL.Query().Has("skipToken") || further.Add(1) != killedAt {
				return false
			}
			close(asked)
			<-killed
			return true
		})
		startScan(b, "Contoso Prod", "Payments – Staging")
		select {
		case <-asked:
		case <-time.After(killLimit):
			t.Fatal("nobody reads results")
		}
		k.kill()
		close(killed)
		further.Store(2 * killedAt) // not to be met again
		stored := 0
		if _, _, stored = k.readIn(); stored == 0 || stored >= killedAt*perPage {
			t.Errorf("%d rows are stored in the middle", stored)
		}
		k.powerCut(2 * time.Minute)
		k.start()
		k.awaitRead(2 * perSubscription)
		if again := int(further.Load()) - 2*killedAt; again > (2*perSubscription-stored)/perPage {
			t.Errorf("%d pages are read after %d rows: it began again", again, stored)
		}
	})
}
