package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azhttp"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/scan/scantest"
	"azts.internal/portal/internal/store/storetest"
)

// idle is a worker that nothing starts.
type idle struct {
	river.WorkerDefaults[scan.FollowArgs]
}

func (idle) Work(context.Context, *river.Job[scan.FollowArgs]) error { return nil }

// idleReader is a worker that nothing starts.
type idleReader struct {
	river.WorkerDefaults[scan.ReadArgs]
}

func (idleReader) Work(context.Context, *river.Job[scan.ReadArgs]) error { return nil }

func TestScanRecords(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		db := openTest(t, databaseURL)
		defer db.Close()
		workers := river.NewWorkers()
		river.AddWorker(workers, &idle{})
		river.AddWorker(workers, &idleReader{})
		if _, err := db.NewJobs(workers, 1); err != nil {
			t.Fatal(err)
		}
		scantest.Records(t, db, func() (n int) {
			if err := db.queryRow(t.Context(), "SELECT count(*) FROM river_job WHERE kind = 'scan_follow'").Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		})
		scantest.HistoryRecords(t, db)
	})
}

func TestScanWithoutItsJobIsNotStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		db := openTest(t, databaseURL) // without a job queue
		defer db.Close()
		s := scan.Scan{ID: "x", Owner: access.PersonID{Authority: "t", Subject: "s"}, Key: "k", State: scan.Requested, Version: 1}
		if _, _, err := db.CreateScan(t.Context(), s, scan.FollowArgs{Scan: s.ID}); err == nil {
			t.Error("stored without a job")
		}
		if _, err := db.LoadScan(t.Context(), s.ID); !errors.Is(err, scan.ErrNotFound) {
			t.Errorf("LoadScan = %v", err)
		}
	})
}

// slowAzTS takes scans and has results once done is set.
type slowAzTS struct {
	requests, looks atomic.Int32
	done            atomic.Bool
}

func (a *slowAzTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ SubscriptionIDList []string }
	_ = json.NewDecoder(r.Body).Decode(&body) // an empty answer fails the test
	modified := time.Now().UTC().Add(-time.Hour)
	if a.done.Load() {
		modified = time.Now().UTC().Add(2 * time.Second)
	}
	var list []string
	for _, id := range body.SubscriptionIDList {
		list = append(list, fmt.Sprintf(`{"subscriptionID":%q,"queueStatus":"Processing","lastModifiedDateTime":%q}`, id, modified.Format("01/02/2006 15:04:05")))
	}
	switch all := strings.Join(list, ","); {
	case strings.HasSuffix(r.URL.Path, "/RequestScan"):
		a.requests.Add(1)
		fmt.Fprintf(w, "[%s]", all)
	case strings.HasSuffix(r.URL.Path, "/search"):
		a.looks.Add(1)
		fmt.Fprintf(w, `{"searchResults":[%s]}`, all)
	default:
		fmt.Fprint(w, `{"data":[{"ControlName":"c"}]}`)
	}
}

type alwaysSignedIn struct{}

func (alwaysSignedIn) AzTSToken(context.Context, access.PersonID) (azts.TokenSource, error) {
	return alwaysSignedIn{}, nil
}
func (alwaysSignedIn) Token(context.Context, string) (string, error) { return "t", nil }
func (alwaysSignedIn) Invalidate(context.Context, string, string)    {}

// process is one process of the portal as far as scans need it.
type process struct {
	*scan.Service
	db   *DB
	jobs *Jobs
}

func startProcess(t testing.TB, databaseURL, aztsURL string) *process {
	t.Helper()
	return startProcessWith(t, databaseURL, aztsURL, alwaysSignedIn{})
}

func startProcessWith(t testing.TB, databaseURL, aztsURL string, tokens scan.Tokens) *process {
	t.Helper()
	return startLimitedProcess(t, databaseURL, aztsURL, tokens, 256)
}

// startLimitedProcess starts a process that takes at most so many looks at once.
func startLimitedProcess(t testing.TB, databaseURL, aztsURL string, tokens scan.Tokens, looksAtOnce int) *process {
	t.Helper()
	p := &process{db: openTest(t, databaseURL)}
	client, err := azts.New(azhttp.Config{BaseURL: aztsURL, Scope: "s"})
	if err != nil {
		t.Fatal(err)
	}
	p.Service, err = scan.New(scan.Config{Records: p.db, AzTS: client, Tokens: tokens, Log: slog.New(slog.DiscardHandler), Now: time.Now, Feed: p.db.ScanFeed()})
	if err != nil {
		t.Fatal(err)
	}
	workers := river.NewWorkers()
	p.Register(workers)
	if p.jobs, err = p.db.NewJobs(workers, looksAtOnce); err != nil {
		t.Fatal(err)
	}
	if err := p.jobs.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	if err := errors.Join(p.jobs.Stop(ctx), p.db.Close()); err != nil {
		t.Error(err)
	}
}

// await reads events until the scan is in the state.
func await(t *testing.T, events <-chan scan.Event, state scan.State) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for {
		select {
		case e, open := <-events:
			if !open {
				t.Fatal("events ended")
			}
			if e.State == state {
				return
			}
		case <-limit.C:
			t.Fatalf("the scan did not become %s", state)
		}
	}
}

func TestScanIsFollowedByJobsAcrossARestart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		service := &slowAzTS{}
		server := httptest.NewServer(service)
		defer server.Close()
		owner := access.PersonID{Authority: "t", Subject: "ann"}
		subs := []string{"00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"}

		first := startProcess(t, databaseURL, server.URL)
		events, cancel := first.Subscribe(owner)
		s, err := first.Request(t.Context(), owner, alwaysSignedIn{}, subs, "k")
		if err != nil {
			t.Fatal(err)
		}
		await(t, events, scan.Running)
		cancel()
		first.stop(t)

		service.done.Store(true)
		second := startProcess(t, databaseURL, server.URL)
		defer second.stop(t)
		events, cancel = second.Subscribe(owner)
		defer cancel()
		// Between start and subscription the scan may have ended already.
		if s, err = second.Get(t.Context(), owner, s.ID); err != nil {
			t.Fatal(err)
		}
		if !s.State.Ended() {
			await(t, events, scan.Completed)
		}
		s, err = second.Get(t.Context(), owner, s.ID)
		if err != nil || s.State != scan.Completed || len(s.Parts) != 2 || service.requests.Load() != 1 {
			t.Errorf("scan %+v, %v, %d requests", s, err, service.requests.Load())
		}
	})
}

// A look must end before its job does: else a hanging AzTS takes the time that
// is needed to store that it hangs.
func TestLookEndsBeforeItsJob(t *testing.T) {
	if left := JobTimeout - scan.LookLimit; left < 5*time.Second {
		t.Errorf("%v are left of a job after its look", left)
	}
}

// awayOwner is signed in once back is set.
type awayOwner struct {
	alwaysSignedIn
	back atomic.Bool
}

func (o *awayOwner) AzTSToken(context.Context, access.PersonID) (azts.TokenSource, error) {
	if !o.back.Load() {
		return nil, scan.ErrSignedOut
	}
	return alwaysSignedIn{}, nil
}

// A scan that waits for its owner is taken up at once when they are back, not at
// its next time.
func TestWaitingScanGoesOnAtSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		service := &slowAzTS{}
		server := httptest.NewServer(service)
		defer server.Close()
		tokens := &awayOwner{}
		p := startProcessWith(t, databaseURL, server.URL, tokens)
		defer p.stop(t)
		owner := access.PersonID{Authority: "t", Subject: "ann"}
		events, cancel := p.Subscribe(owner)
		defer cancel()
		if _, err := p.Request(t.Context(), owner, alwaysSignedIn{}, []string{"00000000-0000-0000-0000-000000000001"}, "k"); err != nil {
			t.Fatal(err)
		}
		await(t, events, scan.Waiting)
		tokens.back.Store(true)
		begun := time.Now()
		// The job may still be on its way from the look that it has just taken.
		for woken := false; !woken; {
			if err := p.Wake(t.Context(), owner); err != nil {
				t.Fatal(err)
			}
			select {
			case e := <-events:
				woken = e.State == scan.Running
			case <-time.After(500 * time.Millisecond):
			}
			if time.Since(begun) > 30*time.Second {
				t.Fatal("the scan waits on")
			}
		}
		if took := time.Since(begun); took > 10*time.Second { // its next time is after 15 s
			t.Errorf("it went on after %v", took)
		}
	})
}
