package store

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/store/storetest"
)

// eachReplicated runs test on an empty database of each kind that several
// processes may share.
func eachReplicated(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Helper()
	for _, kind := range storetest.Databases() {
		if kind.Replicas {
			t.Run(kind.Name, func(t *testing.T) { test(t, kind.New(t)) })
		}
	}
}

// run hears other processes until the test ends.
func (p *process) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

// next returns the next event that is wanted.
func next(t *testing.T, events <-chan scan.Event, what string, wanted func(scan.Event) bool) scan.Event {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for {
		select {
		case e, open := <-events:
			if !open {
				t.Fatalf("events ended before %s", what)
			}
			if wanted(e) {
				return e
			}
		case <-limit.C:
			t.Fatalf("no %s", what)
		}
	}
}

func TestChangesReachTheSubscribersOfEveryReplica(t *testing.T) {
	eachReplicated(t, func(t *testing.T, databaseURL string) {
		service := &slowAzTS{}
		server := httptest.NewServer(service)
		defer server.Close()
		one, two := startProcess(t, databaseURL, server.URL), startProcess(t, databaseURL, server.URL)
		defer one.stop(t)
		defer two.stop(t)
		owner, stranger := access.PersonID{Authority: "t", Subject: "ann"}, access.PersonID{Authority: "t", Subject: "bob"}
		here, cancelHere := one.Subscribe(owner)
		defer cancelHere()
		there, cancelThere := two.Subscribe(owner)
		defer cancelThere()
		foreign, cancelForeign := two.Subscribe(stranger)
		defer cancelForeign()
		one.run(t)
		two.run(t)
		anything := func(e scan.Event) bool { return e.Scan == "" }
		next(t, here, "beginning of the line", anything)
		next(t, there, "beginning of the line", anything)
		next(t, foreign, "beginning of the line", anything)

		s, err := one.Request(t.Context(), owner, alwaysSignedIn{}, []string{"00000000-0000-0000-0000-000000000001"}, "k")
		if err != nil {
			t.Fatal(err)
		}
		for _, events := range []<-chan scan.Event{here, there} {
			for version := range 2 {
				e := next(t, events, "change", func(scan.Event) bool { return true })
				if e.Scan != s.ID || e.Version != int64(version+1) || e.At.IsZero() {
					t.Errorf("event %+v", e)
				}
			}
		}
		// What is not stored is told as well, and only to the others.
		if err := one.db.ScanFeed().Tell(t.Context(), owner, scan.Event{Scan: s.ID, State: scan.Running, Version: 7, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		next(t, there, "word of rows that were read", func(e scan.Event) bool { return e.Scan == s.ID && e.Version == 7 })
		if len(here) > 0 {
			t.Errorf("its own process heard %+v", <-here)
		}
		// The line breaks: what was told meanwhile is lost, and that is told.
		storetest.Exec(t, databaseURL, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN "+scanChannel+"'")
		next(t, there, "word on the gap", anything)
		service.done.Store(true)
		for _, events := range []<-chan scan.Event{here, there} {
			next(t, events, "end of the scan", func(e scan.Event) bool { return e.Scan == s.ID && e.State == scan.Completed })
		}
		select {
		case e := <-foreign:
			if e.Scan != "" {
				t.Errorf("another person heard %+v", e)
			}
		default:
		}
	})
}

// Of two replicas one follows a scan at a time: each look is one call.
func TestTwoReplicasFollowEachScanOnce(t *testing.T) {
	eachReplicated(t, func(t *testing.T, databaseURL string) {
		const scans, looksAtOnce = 20, 8
		service := &slowAzTS{}
		// Which replica is the quicker is chance, and may stay so for hours. So
		// the first looks of each wait for the other's: neither can make all.
		meeting := newMeeting(2)
		var replicas [2]*process
		for n := range replicas {
			arrive := sync.OnceFunc(meeting.arrive)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/search") {
					arrive()
					meeting.wait(r.Context())
				}
				service.ServeHTTP(w, r)
			}))
			defer server.Close()
			replicas[n] = startLimitedProcess(t, databaseURL, server.URL, alwaysSignedIn{}, looksAtOnce)
			defer replicas[n].stop(t)
		}
		one := replicas[0]
		begun := time.Now()
		ended := make(map[scan.ID]<-chan scan.Event)
		for n := range scans {
			owner := access.PersonID{Authority: "t", Subject: fmt.Sprint(n)} // of their own, so that no call is shared
			events, cancel := one.Subscribe(owner)
			defer cancel()
			s, err := one.Request(t.Context(), owner, alwaysSignedIn{}, []string{fmt.Sprintf("00000000-0000-0000-0000-%012d", n)}, "k")
			if err != nil {
				t.Fatal(err)
			}
			ended[s.ID] = events
		}
		one.run(t)
		// Three rounds of looks, at 0, 5 and 10 s; then all end at the next.
		limit := time.After(60 * time.Second)
		for service.looks.Load() < 3*scans {
			select {
			case <-limit:
				t.Fatalf("%d looks, %d replicas took part", service.looks.Load(), meeting.arrived())
			case <-time.After(50 * time.Millisecond):
			}
		}
		service.done.Store(true)
		for id, events := range ended {
			next(t, events, "end", func(e scan.Event) bool { return e.Scan == id && e.State == scan.Completed })
		}
		most := int32(scans * (int(time.Since(begun)/(5*time.Second)) + 2))
		if looks := service.looks.Load(); looks > most {
			t.Errorf("%d looks at %d scans in %v", looks, scans, time.Since(begun))
		}
		if n := service.requests.Load(); n != scans {
			t.Errorf("%d requests", n)
		}
	})
}

// meeting keeps those that wait until so many have arrived.
type meeting struct {
	mu       sync.Mutex
	expected int
	here     int
	complete chan struct{}
}

func newMeeting(expected int) *meeting {
	return &meeting{expected: expected, complete: make(chan struct{})}
}

func (m *meeting) arrive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.here++; m.here == m.expected {
		close(m.complete)
	}
}

func (m *meeting) arrived() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.here
}

func (m *meeting) wait(ctx context.Context) {
	select {
	case <-m.complete:
	case <-ctx.Done():
	}
}
