package main

import (
	"net/http"
	"strings"
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
