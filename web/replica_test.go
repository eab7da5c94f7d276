package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/store/storetest"
)

// TestAnotherReplicaGoesOnWithAScan starts a scan at one replica, with a page of
// the same person open at the other, and kills the first. The page hears of the
// scan and sees its end; AzTS is asked once for the scan, and once for the
// results of each subscription.
func TestAnotherReplicaGoesOnWithAScan(t *testing.T) {
	t.Parallel()
	for _, kind := range storetest.Databases() {
		if !kind.Replicas {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			one := newKillable(t, kind.New(t), sandbox.Options{ScanDuration: 12 * time.Second, ResultsPerSubscription: 20})
			one.start()
			two := one.replica()
			two.start()
			b := one.portal.browser()
			b.signIn(dana)
			other := two.portal.browser()
			other.setCookie(sessionCookie, b.cookie(sessionCookie))
			events := other.events()
			other.await(events, "hello", startLimit)

			scan := startScan(b, "Contoso Prod", "Payments – Staging")
			other.await(events, "scan", 5*time.Second)
			one.kill()
			here := two.portal.url + scan.url.Path
			for {
				p := other.get(here).want(http.StatusOK, "Scan of 2 subscriptions")
				if p.sel("#scan[data-running]").Length() == 0 {
					if n := p.sel(`#scan td:contains("Completed")`).Length(); n != 2 {
						t.Errorf("%d of 2 subscriptions are completed: %s", n, p.text("#scan"))
					}
					break
				}
				other.await(events, "scan", killLimit)
			}
			if n := one.tenant.count(requestPath); n != 1 {
				t.Errorf("AzTS was asked %d times to scan", n)
			}
			// Once each to see that there are results, and once each to read them in,
			// which begins when the scan has ended: a second follower or reader would
			// ask again.
			const asked = 4
			for deadline := time.After(killLimit); one.tenant.resultCalls() < asked; {
				select {
				case <-events:
				case <-time.After(100 * time.Millisecond):
				case <-deadline:
					t.Fatalf("AzTS was asked %d times for results", one.tenant.resultCalls())
				}
			}
			if n := one.tenant.resultCalls(); n != asked {
				t.Errorf("AzTS was asked %d times for results of 2 subscriptions, want %d", n, asked)
			}
		})
	}
}

// TestTwoReplicasReadOneScan stops a replica in the middle of reading results, as a
// machine that is put to sleep, until another has taken its job over, and lets it go
// on then. What is stored comes from one of them at a time: nothing is lost, nothing
// doubled, and the one that was left behind finds out and leaves it alone.
func TestTwoReplicasReadOneScan(t *testing.T) {
	t.Parallel()
	for _, kind := range storetest.Databases() {
		if !kind.Replicas {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			const perSubscription, perPage, stoppedAt = 9000, 100, 60
			one := newKillable(t, kind.New(t), sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: perSubscription})
			one.start()
			b := one.portal.browser()
			b.signIn(dana)
			asked, stopped := make(chan struct{}), make(chan struct{})
			var further atomic.Int32 // pages after the first
			one.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Has("skipToken") && further.Add(1) == stoppedAt {
					close(asked)
					<-stopped
				}
				return false
			})
			startScan(b, "Contoso Prod", "Payments – Staging")
			select {
			case <-asked:
			case <-time.After(killLimit):
				t.Fatal("nobody reads results")
			}
			one.signal(syscall.SIGSTOP)
			close(stopped)
			_, _, stored := one.readIn()
			// As River does with a job whose process it takes for dead.
			storetest.Exec(t, one.db, "UPDATE river_job SET state = 'available', scheduled_at = now() - interval '1 minute' WHERE kind = 'scan_read'")
			two := one.replica()
			two.start()
			two.awaitRead(2 * perSubscription)
			second := int(further.Load()) - stoppedAt
			if stored == 0 || second > (2*perSubscription-stored)/perPage {
				t.Errorf("%d pages are read after %d rows: the second began again", second, stored)
			}

			// It goes on where it was, if its turn is not over by then, and stops at the
			// first that it would store. Asked to end, it lets its turn end before.
			one.signal(syscall.SIGCONT)
			one.signal(syscall.SIGTERM)
			_ = one.process.Wait() // how it ends does not matter here
			one.process = nil
			if n := int(further.Load()) - stoppedAt - second; n > 5000/perPage {
				t.Errorf("the one left behind reads %d pages", n)
			}
			two.awaitRead(2 * perSubscription)
			if lines := one.portal.log.lines("results cannot be kept"); len(lines) != 0 {
				t.Errorf("the one left behind takes it for a failure: %s", lines)
			}
		})
	}
}

func (k *killable) signal(s syscall.Signal) {
	k.t.Helper()
	if err := k.process.Process.Signal(s); err != nil {
		k.t.Fatal(err)
	}
}

// resultCalls returns how often results were asked for.
func (s *tenantServer) resultCalls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := 0
	for path, n := range s.hits {
		if strings.HasSuffix(path, "/ControlScanResult") {
			calls += n
		}
	}
	return calls
}
