package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/store/storetest"
)

// The figure: 1,000 scans followed at once by one process, at most 100 MB, and
// no look later than 2 s after its time. Most of the scans are young, so that
// they are looked at every 5 s, and AzTS takes its time for each answer.
const (
	followedScans  = 1_000
	followedOwners = 250
	followedFor    = 24 * time.Second
	oldestFollowed = time.Minute // looked at every 10 s
	aztsTakes      = 300 * time.Millisecond
)

// restlessAzTS never finishes a scan, and notes how late each look comes.
type restlessAzTS struct {
	begun map[string]time.Time // subscription → when its scan was asked for

	mu       sync.Mutex
	answered map[string]time.Time // subscription → when its last look was answered
	late     []time.Duration
	calls    int
}

func (a *restlessAzTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ SubscriptionIDList []string }
	_ = json.NewDecoder(r.Body).Decode(&body) // an empty answer fails the benchmark
	now := time.Now()
	a.mu.Lock()
	a.calls++
	for _, id := range body.SubscriptionIDList {
		if last, ok := a.answered[id]; ok {
			pause := min(max(last.Sub(a.begun[id])/6, 5*time.Second), time.Minute)
			a.late = append(a.late, now.Sub(last)-pause)
		}
	}
	a.mu.Unlock()
	time.Sleep(aztsTakes)
	rows := make([]string, len(body.SubscriptionIDList))
	for i, id := range body.SubscriptionIDList {
		rows[i] = fmt.Sprintf(`{"subscriptionID":%q,"lastModifiedDateTime":"01/01/2026 06:15:24"}`, id)
	}
	a.mu.Lock()
	for _, id := range body.SubscriptionIDList {
		a.answered[id] = time.Now()
	}
	a.mu.Unlock()
	fmt.Fprintf(w, `{"searchResults":[%s]}`, strings.Join(rows, ","))
}

func BenchmarkManyScansFollowed(b *testing.B) {
	for _, kind := range storetest.Databases() {
		b.Run(kind.Name, func(b *testing.B) {
			for b.Loop() {
				followMany(b, kind.New(b))
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func followMany(b *testing.B, databaseURL string) {
	service := &restlessAzTS{begun: map[string]time.Time{}, answered: map[string]time.Time{}}
	scans := make([]scan.Scan, followedScans)
	for n := range scans {
		id := fmt.Sprintf("00000000-0000-0000-0000-%012d", n)
		begun := time.Now().Add(-oldestFollowed * time.Duration(n) / followedScans)
		service.begun[id] = begun
		scans[n] = scan.Scan{ID: scan.ID(fmt.Sprintf("%026d", n)), Owner: access.PersonID{Authority: "t", Subject: fmt.Sprint(n % followedOwners)},
			Key: fmt.Sprint(n), State: scan.Running, RequestedAt: begun, ChangedAt: begun, Version: 1,
			Parts: []scan.Part{{SubscriptionID: id, State: scan.PartQueued, Since: begun}}}
	}
	server := httptest.NewServer(service)
	defer server.Close()
	p := startProcess(b, databaseURL, server.URL)
	defer p.stop(b)
	for _, s := range scans {
		if _, _, err := p.db.CreateScan(b.Context(), s, scan.FollowArgs{Scan: s.ID}); err != nil {
			b.Fatal(err)
		}
	}
	most := mostMemory(followedFor)
	service.mu.Lock()
	defer service.mu.Unlock()
	if len(service.answered) != followedScans || len(service.late) < followedScans {
		b.Fatal(errors.New("not every scan is looked at"))
	}
	slices.Sort(service.late)
	at := func(share float64) float64 { return service.late[int(share*float64(len(service.late)-1))].Seconds() }
	b.ReportMetric(at(0.5), "late-p50-s")
	b.ReportMetric(at(0.99), "late-p99-s")
	b.ReportMetric(at(1), "late-max-s")
	b.ReportMetric(float64(len(service.late))/followedFor.Seconds(), "looks/s")
	b.ReportMetric(float64(service.calls)/followedFor.Seconds(), "calls/s")
	b.ReportMetric(most, "MB")
}

// mostMemory waits and returns the most memory that the process has held
// meanwhile, in MB: all that is not given back to the system, SQLite's included.
func mostMemory(wait time.Duration) float64 {
	var most float64
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(wait); time.Now().Before(end); <-tick.C {
		if b, err := os.ReadFile("/proc/self/statm"); err == nil {
			var size, resident float64
			if n, _ := fmt.Sscan(string(b), &size, &resident); n == 2 {
				most = max(most, resident*float64(os.Getpagesize())/1e6)
				continue
			}
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, float64(m.Sys-m.HeapReleased)/1e6)
	}
	return most
}
