// Package scantest is for tests: what every scan.Records must do, and one in memory.
package scantest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
)

// Memory keeps scans and schedules in memory. The zero value is ready.
type Memory struct {
	mu        sync.Mutex
	scans     map[scan.ID]scan.Scan
	jobs      []scan.FollowArgs
	reads     []scan.ReadArgs
	hurried   []access.PersonID
	schedules map[scan.ID]scan.Schedule
	// Fail, if set, is asked before each change; its error is the answer.
	Fail func() error
}

var _ scan.Records = (*Memory)(nil)

func clone(s scan.Scan) scan.Scan {
	s.Parts = slices.Clone(s.Parts)
	return s
}

func (m *Memory) failed() error {
	if m.Fail == nil {
		return nil
	}
	return m.Fail()
}

// CreateScan implements scan.Records.
func (m *Memory) CreateScan(_ context.Context, s scan.Scan, job scan.FollowArgs) (scan.Scan, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failed(); err != nil {
		return scan.Scan{}, false, err
	}
	for _, other := range m.scans {
		if other.Owner != s.Owner || other.Key != s.Key {
			continue
		}
		if !other.NeverAsked() {
			return clone(other), false, nil
		}
		other.Key = string(other.ID)
		m.scans[other.ID] = other
	}
	if m.scans == nil {
		m.scans = map[scan.ID]scan.Scan{}
	}
	m.scans[s.ID] = clone(s)
	m.jobs = append(m.jobs, job)
	return s, true, nil
}

// SaveScan implements scan.Records.
func (m *Memory) SaveScan(ctx context.Context, s scan.Scan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err // as a database does
	}
	if err := m.failed(); err != nil {
		return err
	}
	if m.scans[s.ID].Version != s.Version {
		return scan.ErrConflict
	}
	s.Version++
	m.scans[s.ID] = clone(s)
	return nil
}

// EndScan implements scan.Records.
func (m *Memory) EndScan(ctx context.Context, s scan.Scan, job scan.ReadArgs) error {
	err := m.SaveScan(ctx, s)
	if err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.reads = append(m.reads, job)
	}
	return err
}

// Reads returns the jobs that read results, enqueued so far.
func (m *Memory) Reads() []scan.ReadArgs {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.reads)
}

// LoadScan implements scan.Records.
func (m *Memory) LoadScan(_ context.Context, id scan.ID) (scan.Scan, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.scans[id]
	if !ok {
		return scan.Scan{}, scan.ErrNotFound
	}
	return clone(s), nil
}

// LastStarted implements scan.Records.
func (m *Memory) LastStarted(ctx context.Context, owner access.PersonID, until time.Time) (scan.ID, error) {
	all, err := m.ScansOf(ctx, owner, math.MaxInt)
	for _, s := range all {
		if s.Schedule == "" && (s.State.Ended() || !s.RequestedAt.After(until)) {
			return s.ID, nil
		}
	}
	return "", err
}

// ScansOf implements scan.Records.
func (m *Memory) ScansOf(_ context.Context, owner access.PersonID, limit int) ([]scan.Scan, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []scan.Scan
	for _, s := range m.scans {
		if s.Owner == owner {
			all = append(all, clone(s))
		}
	}
	slices.SortFunc(all, func(a, b scan.Scan) int {
		return cmp.Or(b.RequestedAt.Compare(a.RequestedAt), cmp.Compare(a.ID, b.ID))
	})
	return all[:min(limit, len(all))], nil
}

// CountOpenScans implements scan.Records.
func (m *Memory) CountOpenScans(_ context.Context, owner access.PersonID, ofSchedules bool) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.scans {
		if s.Owner == owner && (ofSchedules || s.Schedule == "") && (!s.State.Ended() || s.Reading.State == scan.ReadRunning || s.Reading.State == scan.ReadWaiting) {
			n++
		}
	}
	return n, nil
}

// ChangedScans implements scan.Records.
func (m *Memory) ChangedScans(_ context.Context, owner access.PersonID, since time.Time, limit int) ([]scan.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []scan.Event
	for _, s := range m.scans {
		if s.Owner == owner && !s.ChangedAt.Before(since) {
			all = append(all, scan.Event{Scan: s.ID, State: s.State, Version: s.Version, At: s.ChangedAt})
		}
	}
	slices.SortFunc(all, func(a, b scan.Event) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Scan, b.Scan)) })
	return all[:min(limit, len(all))], nil
}

// HurryScans implements scan.Records.
func (m *Memory) HurryScans(_ context.Context, owner access.PersonID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hurried = append(m.hurried, owner)
	return m.failed()
}

// Hurried returns the persons whose scans were to be looked at at once.
func (m *Memory) Hurried() []access.PersonID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.hurried)
}

// Jobs returns the jobs enqueued so far.
func (m *Memory) Jobs() []scan.FollowArgs {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.jobs)
}

// Records checks that records do what scan.Records promises. They must be empty
// and able to enqueue; jobs, if not nil, counts the jobs that are enqueued.
func Records(t *testing.T, records scan.Records, jobs func() int) {
	ctx := t.Context()
	at := time.Date(2026, 9, 14, 13, 40, 45, 123456000, time.UTC)
	ann, bob := access.PersonID{Authority: "t", Subject: "ann"}, access.PersonID{Authority: "t", Subject: "bob"}
	sample := func(n int, owner access.PersonID, key string) scan.Scan {
		return scan.Scan{ID: scan.ID(fmt.Sprintf("%026d", n)), Owner: owner, Key: key, State: scan.Requested, Version: 1, Schedule: scan.ID(strings.Repeat("s", n%2)),
			RequestedAt: at.Add(time.Duration(n) * time.Second), ChangedAt: at.Add(time.Duration(n) * time.Second),
			Parts: []scan.Part{{SubscriptionID: "sub-b", State: scan.PartAsked}, {SubscriptionID: "sub-a", State: scan.PartAsked}}}
	}
	create := func(t *testing.T, s scan.Scan) (scan.Scan, bool) {
		t.Helper()
		stored, created, err := records.CreateScan(ctx, s, scan.FollowArgs{Scan: s.ID})
		if err != nil {
			t.Fatal(err)
		}
		return stored, created
	}
	load := func(t *testing.T, id scan.ID) scan.Scan {
		t.Helper()
		s, err := records.LoadScan(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	same := func(t *testing.T, got, want scan.Scan) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("scan = %+v\nwant   %+v", got, want)
		}
	}
	first := sample(1, ann, "k")

	t.Run("a scan comes back as it was", func(t *testing.T) {
		if stored, created := create(t, first); !created || !reflect.DeepEqual(stored, first) {
			t.Errorf("created %v %+v", created, stored)
		}
		same(t, load(t, first.ID), first)
	})
	t.Run("the same owner and key give the same scan and no second job", func(t *testing.T) {
		stored, created := create(t, sample(2, ann, "k"))
		if created {
			t.Error("created twice")
		}
		same(t, stored, first)
		if _, created := create(t, sample(3, bob, "k")); !created {
			t.Error("another person's key was taken for this one's")
		}
		if _, err := records.LoadScan(ctx, sample(2, ann, "k").ID); !errors.Is(err, scan.ErrNotFound) {
			t.Errorf("the second scan is there: %v", err)
		}
		if jobs != nil && jobs() != 2 {
			t.Errorf("%d jobs", jobs())
		}
	})
	t.Run("of many at once one wins", func(t *testing.T) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		won, seen := 0, map[scan.ID]bool{}
		for n := range 20 {
			wg.Go(func() {
				s := sample(100+n, bob, "race")
				stored, created, err := records.CreateScan(ctx, s, scan.FollowArgs{Scan: s.ID})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				seen[stored.ID] = true
				if created {
					won++
				}
			})
		}
		wg.Wait()
		if won != 1 || len(seen) != 1 {
			t.Errorf("%d won, %d scans seen", won, len(seen))
		}
	})
	t.Run("a scan that failed before AzTS was asked gives its key away, once", func(t *testing.T) {
		tried := access.PersonID{Authority: "t", Subject: "tries again"}
		failed := sample(10, tried, "again")
		create(t, failed)
		if _, created := create(t, sample(12, tried, "again")); created {
			t.Error("a scan that is under way gave its key away")
		}
		failed.State, failed.EndedAt, failed.Parts[0].State, failed.Parts[1].State = scan.Failed, at, scan.PartNotRequested, scan.PartCompleted
		if err := records.SaveScan(ctx, failed); err != nil {
			t.Fatal(err)
		}
		if _, created := create(t, sample(12, tried, "again")); created {
			t.Error("a scan that AzTS was asked for gave its key away")
		}
		failed.Version, failed.Parts[1].State = 2, scan.PartNotRequested
		if err := records.SaveScan(ctx, failed); err != nil {
			t.Fatal(err)
		}
		again := sample(12, tried, "again")
		for _, want := range []bool{true, false} {
			if stored, created := create(t, again); created != want || stored.ID != again.ID {
				t.Errorf("tried again: created %v, %s", created, stored.ID)
			}
		}
		if failed.Version, failed.Key = 3, string(failed.ID); load(t, failed.ID).Key != failed.Key {
			t.Errorf("the failed scan has the key %q", load(t, failed.ID).Key)
		}
		create(t, sample(15, tried, "of a schedule"))
		for until, want := range map[time.Duration]scan.ID{9 * time.Second: failed.ID, 11 * time.Second: failed.ID, 12 * time.Second: again.ID, time.Hour: again.ID} {
			if id, err := records.LastStarted(ctx, tried, at.Add(until)); err != nil || id != want {
				t.Errorf("last started until %v: %q, %v; want %q", until, id, err, want)
			}
		}
	})
	changed := first
	t.Run("a change is stored whole", func(t *testing.T) {
		changed.State, changed.ChangedAt, changed.EndedAt = scan.Completed, at.Add(time.Hour), at.Add(time.Hour)
		changed.Problem = scan.Problem{Code: "c", Message: "m", Next: "n", Reference: "r", Claims: `{"access_token":{}}`}
		changed.Parts = []scan.Part{
			{SubscriptionID: "sub-b", State: scan.PartCompleted, ScanRequestID: "20260914134045", QueueStatus: "Processing", Message: strings.Repeat("ü<b>'\"", 4000),
				Since: at, CompletedAt: at.Add(time.Minute), SummarySeen: `"01/02/2026 06:15:24" 3`},
			{SubscriptionID: "sub-a", State: scan.PartQuotaReached, RetryAt: at.Add(2 * time.Hour)},
		}
		if err := records.SaveScan(ctx, changed); err != nil {
			t.Fatal(err)
		}
		changed.Version = 2
		same(t, load(t, first.ID), changed)
	})
	t.Run("a change of an old version is refused and leaves no trace", func(t *testing.T) {
		old := first
		old.State = scan.Failed
		if err := records.SaveScan(ctx, old); !errors.Is(err, scan.ErrConflict) {
			t.Errorf("SaveScan = %v", err)
		}
		same(t, load(t, first.ID), changed)
	})
	t.Run("scans that have not ended are counted, and can be hurried", func(t *testing.T) {
		waits := sample(4, ann, "waits")
		create(t, waits)
		create(t, sample(7, ann, "of a schedule"))
		if n, err := records.CountOpenScans(ctx, ann, true); err != nil || n != 2 {
			t.Errorf("CountOpenScans = %d, %v with those of schedules", n, err)
		}
		if n, err := records.CountOpenScans(ctx, ann, false); err != nil || n != 1 {
			t.Errorf("CountOpenScans = %d, %v", n, err)
		}
		waits.State = scan.Waiting
		if err := errors.Join(records.SaveScan(ctx, waits), records.HurryScans(ctx, ann), records.HurryScans(ctx, bob)); err != nil {
			t.Error(err)
		}
		waits.State, waits.EndedAt, waits.Version = scan.Failed, at, 2
		if err := records.SaveScan(ctx, waits); err != nil {
			t.Fatal(err)
		}
		if n, err := records.CountOpenScans(ctx, ann, false); err != nil || n != 0 {
			t.Errorf("CountOpenScans = %d, %v", n, err)
		}
	})
	t.Run("a scan whose results are to be read is stored with the job, and can be hurried", func(t *testing.T) {
		stranger := access.PersonID{Authority: "t", Subject: "reader"}
		one := sample(8, stranger, "read")
		create(t, one)
		one.State, one.EndedAt = scan.Completed, at
		one.Reading = scan.Reading{State: scan.ReadRunning, Since: at, Until: at.Add(time.Hour)}
		if err := records.EndScan(ctx, one, scan.ReadArgs{Scan: one.ID}); err != nil {
			t.Fatal(err)
		}
		if err := records.EndScan(ctx, one, scan.ReadArgs{Scan: one.ID}); !errors.Is(err, scan.ErrConflict) {
			t.Errorf("ended twice: %v", err)
		}
		one.Version = 2
		same(t, load(t, one.ID), one)
		one.Reading.State, one.Reading.WaitsSince = scan.ReadWaiting, at.Add(time.Minute)
		one.Reading.Problem = scan.Problem{Code: "c", Message: "m", Next: "n", Reference: "r", Claims: "{}"}
		if err := errors.Join(records.SaveScan(ctx, one), records.HurryScans(ctx, stranger)); err != nil {
			t.Fatal(err)
		}
		one.Version = 3
		same(t, load(t, one.ID), one)
		if n, err := records.CountOpenScans(ctx, stranger, false); err != nil || n != 1 {
			t.Errorf("CountOpenScans = %d, %v while results are to be read", n, err)
		}
		one.Reading.State, one.Reading.EndedAt = scan.ReadEnded, at.Add(time.Hour)
		if err := records.SaveScan(ctx, one); err != nil {
			t.Fatal(err)
		}
		if n, err := records.CountOpenScans(ctx, stranger, false); err != nil || n != 0 {
			t.Errorf("CountOpenScans = %d, %v afterwards", n, err)
		}
	})
	t.Run("what changed since is known", func(t *testing.T) {
		list, err := records.ChangedScans(ctx, ann, changed.ChangedAt, 10)
		if want := (scan.Event{Scan: changed.ID, State: changed.State, Version: 2, At: changed.ChangedAt}); err != nil || len(list) != 1 || list[0] != want {
			t.Errorf("ChangedScans = %+v, %v; want %+v", list, err, want)
		}
		if list, err = records.ChangedScans(ctx, ann, time.Time{}, 1); err != nil || len(list) != 1 || list[0].Scan != changed.ID {
			t.Errorf("limit: %+v, %v", list, err)
		}
		if list, err = records.ChangedScans(ctx, access.PersonID{Authority: "other", Subject: "ann"}, time.Time{}, 10); err != nil || len(list) != 0 {
			t.Errorf("stranger: %+v, %v", list, err)
		}
	})
	t.Run("an unknown scan is not found", func(t *testing.T) {
		if _, err := records.LoadScan(ctx, "nothing"); !errors.Is(err, scan.ErrNotFound) {
			t.Errorf("LoadScan = %v", err)
		}
		if err := records.SaveScan(ctx, sample(9, ann, "x")); !errors.Is(err, scan.ErrConflict) {
			t.Errorf("SaveScan = %v", err)
		}
	})
	t.Run("the list has the owner's newest first", func(t *testing.T) {
		newer := sample(5, ann, "newer")
		create(t, newer)
		list, err := records.ScansOf(ctx, ann, 10)
		if err != nil || len(list) != 4 {
			t.Fatalf("ScansOf = %v, %v", list, err)
		}
		same(t, list[1], newer)
		same(t, list[3], changed)
		if list, err = records.ScansOf(ctx, ann, 1); err != nil || len(list) != 1 || list[0].ID != sample(7, ann, "").ID {
			t.Errorf("limit: %v, %v", list, err)
		}
		if list, err = records.ScansOf(ctx, access.PersonID{Authority: "other", Subject: "ann"}, 10); err != nil || len(list) != 0 {
			t.Errorf("stranger: %v, %v", list, err)
		}
	})
}
