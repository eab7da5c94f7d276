package main

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/store/storetest"
)

// TestKillInARepeatedScan kills the portal when it runs a schedule, with its owner
// away, and has asked AzTS to scan. The next one runs that time of the schedule no
// second time, follows the scan and reads it in, with what is kept for schedules.
func TestKillInARepeatedScan(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, databaseURL string) {
		const perSubscription = 20
		k := newKillable(t, databaseURL, sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: perSubscription})
		k.start()
		b := k.portal.browser()
		b.signIn(dana)
		repeat(b, dana)
		b.signOut()
		k.kill()
		storetest.Exec(t, databaseURL, "UPDATE schedules SET next_at = 1000000", "DELETE FROM river_job WHERE kind = 'scan_schedules'")
		k.powerCut(2 * time.Minute)

		asked, killed := make(chan struct{}), make(chan struct{})
		tell := sync.OnceFunc(func() { close(asked) })
		k.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != requestPath {
				return false
			}
			k.answer(httptest.NewRecorder(), r) // AzTS took it; the portal never hears
			tell()
			<-killed
			return true
		})
		k.start()
		select {
		case <-asked:
		case <-time.After(killLimit):
			t.Fatal("the schedule does not run")
		}
		k.kill()
		close(killed)
		k.tenant.answerWith(nil)
		storetest.Exec(t, databaseURL, "DELETE FROM river_job WHERE kind = 'scan_schedules'") // the next minute
		k.powerCut(2 * time.Minute)
		k.start()
		k.awaitRead(2 * perSubscription)
		if n := k.tenant.count(requestPath); n != 1 {
			t.Errorf("AzTS was asked %d times to scan", n)
		}
		b = k.portal.browser()
		b.signIn(dana)
		if n := b.get("/scans").want(http.StatusOK, "Scans").sel("tbody tr").Length(); n != 1 {
			t.Errorf("%d scans are listed", n)
		}
	})
}
