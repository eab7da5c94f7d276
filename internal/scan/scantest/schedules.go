package scantest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
)

var _ scan.ScheduleRecords = (*Memory)(nil)

func cloneSchedule(s scan.Schedule) scan.Schedule {
	s.Subscriptions = slices.Clone(s.Subscriptions)
	return s
}

// CreateSchedule implements scan.ScheduleRecords.
func (m *Memory) CreateSchedule(_ context.Context, s scan.Schedule, fits func([]scan.Schedule) error) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failed(); err != nil {
		return false, err
	}
	if m.schedules == nil {
		m.schedules = map[scan.ID]scan.Schedule{}
	}
	if _, there := m.schedules[s.ID]; there {
		return false, nil
	}
	var others []scan.Schedule
	for _, o := range m.schedules {
		if o.Owner == s.Owner && o.State != scan.ScheduleEnded {
			others = append(others, cloneSchedule(o))
		}
	}
	if err := fits(others); err != nil {
		return false, err
	}
	m.schedules[s.ID] = cloneSchedule(s)
	return true, nil
}

// DeleteSchedule implements scan.ScheduleRecords.
func (m *Memory) DeleteSchedule(_ context.Context, s scan.Schedule) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failed(); err != nil {
		return err
	}
	if stored, there := m.schedules[s.ID]; !there || stored.Version != s.Version {
		return scan.ErrConflict
	}
	delete(m.schedules, s.ID)
	return nil
}

// DropSchedules implements scan.ScheduleRecords.
func (m *Memory) DropSchedules(_ context.Context, state scan.ScheduleState, before time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failed(); err != nil {
		return 0, err
	}
	n := len(m.schedules)
	maps.DeleteFunc(m.schedules, func(_ scan.ID, s scan.Schedule) bool { return s.State == state && s.ChangedAt.Before(before) })
	return n - len(m.schedules), nil
}

// StaleSchedules implements scan.ScheduleRecords.
func (m *Memory) StaleSchedules(_ context.Context, state scan.ScheduleState, before time.Time, limit int) ([]scan.Schedule, error) {
	return m.pick(limit, func(s scan.Schedule) bool { return s.State == state && s.ChangedAt.Before(before) },
		func(a, b scan.Schedule) int { return a.ChangedAt.Compare(b.ChangedAt) }), nil
}

// CountSchedules implements scan.ScheduleRecords.
func (m *Memory) CountSchedules(_ context.Context, owner access.PersonID, state scan.ScheduleState) (int, error) {
	return len(m.pick(math.MaxInt, func(s scan.Schedule) bool { return s.Owner == owner && s.State == state },
		func(a, b scan.Schedule) int { return 0 })), nil
}

// SaveSchedule implements scan.ScheduleRecords.
func (m *Memory) SaveSchedule(_ context.Context, s scan.Schedule) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saveSchedule(s)
}

func (m *Memory) saveSchedule(s scan.Schedule) error {
	if err := m.failed(); err != nil {
		return err
	}
	if m.schedules[s.ID].Version != s.Version {
		return scan.ErrConflict
	}
	s.Version++
	m.schedules[s.ID] = cloneSchedule(s)
	return nil
}

// RunSchedule implements scan.ScheduleRecords.
func (m *Memory) RunSchedule(ctx context.Context, s scan.Schedule, run scan.Scan, job scan.FollowArgs) error {
	m.mu.Lock()
	err := m.saveSchedule(s)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	stored, _, err := m.CreateScan(ctx, run, job)
	m.mu.Lock()
	defer m.mu.Unlock()
	s = m.schedules[s.ID]
	s.LastScan = stored.ID
	m.schedules[s.ID] = s
	return err
}

// LoadSchedule implements scan.ScheduleRecords.
func (m *Memory) LoadSchedule(_ context.Context, id scan.ID) (scan.Schedule, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.schedules[id]
	if !ok {
		return scan.Schedule{}, scan.ErrNotFound
	}
	return cloneSchedule(s), nil
}

// SchedulesOf implements scan.ScheduleRecords.
func (m *Memory) SchedulesOf(_ context.Context, owner access.PersonID, limit int) ([]scan.Schedule, error) {
	return m.pick(limit, func(s scan.Schedule) bool { return s.Owner == owner },
		func(a, b scan.Schedule) int {
			return cmp.Or(endedLast(a)-endedLast(b), b.CreatedAt.Compare(a.CreatedAt))
		}), nil
}

func endedLast(s scan.Schedule) int {
	if s.State == scan.ScheduleEnded {
		return 1
	}
	return 0
}

// DueSchedules implements scan.ScheduleRecords.
func (m *Memory) DueSchedules(_ context.Context, now time.Time, limit int) ([]scan.Schedule, error) {
	return m.pick(limit, func(s scan.Schedule) bool { return s.State == scan.ScheduleActive && !s.NextAt.After(now) },
		func(a, b scan.Schedule) int { return a.NextAt.Compare(b.NextAt) }), nil
}

func (m *Memory) pick(limit int, wanted func(scan.Schedule) bool, order func(a, b scan.Schedule) int) []scan.Schedule {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []scan.Schedule
	for _, s := range m.schedules {
		if wanted(s) {
			all = append(all, cloneSchedule(s))
		}
	}
	slices.SortFunc(all, func(a, b scan.Schedule) int { return cmp.Or(order(a, b), cmp.Compare(a.ID, b.ID)) })
	return all[:min(limit, len(all))]
}

// Schedules checks that records do what scan.ScheduleRecords promises. They must
// be empty; scans are the same records.
func Schedules(t *testing.T, records scan.ScheduleRecords, scans scan.Records) {
	ctx := t.Context()
	at := time.Date(2026, 9, 14, 13, 40, 45, 123456000, time.UTC)
	ann, bob := access.PersonID{Authority: "t", Subject: "ann"}, access.PersonID{Authority: "t", Subject: "bob"}
	sample := func(n int, owner access.PersonID) scan.Schedule {
		return scan.Schedule{ID: scan.ID(fmt.Sprintf("%026d", n)), Owner: owner, Plan: scan.Plan{Every: scan.Weekly, Weekday: time.Tuesday, Hour: 7, Zone: "Europe/Berlin"},
			Subscriptions: []string{"sub-b", "sub-a"}, State: scan.ScheduleActive, AgreedAt: at, CreatedAt: at.Add(time.Duration(n) * time.Second),
			ChangedAt: at, NextAt: at.Add(time.Duration(n) * time.Hour), Version: 1}
	}
	run := func(n int) scan.Scan {
		return scan.Scan{ID: scan.ID(fmt.Sprintf("%026d", n)), Owner: ann, Key: "run", State: scan.Requested, Version: 1, RequestedAt: at, ChangedAt: at,
			Schedule: sample(1, ann).ID, Parts: []scan.Part{{SubscriptionID: "sub-b", State: scan.PartPending}}}
	}
	load := func(t *testing.T, id scan.ID) scan.Schedule {
		t.Helper()
		s, err := records.LoadSchedule(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	anyway := func([]scan.Schedule) error { return nil }
	one := sample(1, ann)
	for _, s := range []scan.Schedule{one, sample(2, ann), sample(3, bob)} {
		if created, err := records.CreateSchedule(ctx, s, anyway); err != nil || !created {
			t.Fatalf("created %v, %v", created, err)
		}
	}
	taken := sample(4, bob)
	taken.ID = one.ID
	full := errors.New("too many")
	if created, err := records.CreateSchedule(ctx, taken, func([]scan.Schedule) error { return full }); err != nil || created {
		t.Errorf("under an ID that is taken: %v, %v", created, err)
	}
	if got := load(t, one.ID); !reflect.DeepEqual(got, one) {
		t.Errorf("schedule = %+v\nwant       %+v", got, one)
	}
	list, err := records.SchedulesOf(ctx, ann, 10)
	if err != nil || len(list) != 2 || list[0].ID != sample(2, ann).ID {
		t.Errorf("SchedulesOf = %+v, %v", list, err)
	}
	if _, err := records.LoadSchedule(ctx, "nothing"); !errors.Is(err, scan.ErrNotFound) {
		t.Errorf("LoadSchedule = %v", err)
	}
	due := func(hours int) (ids []scan.ID) {
		t.Helper()
		list, err := records.DueSchedules(ctx, at.Add(time.Duration(hours)*time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			ids = append(ids, s.ID)
		}
		return ids
	}
	if got := due(2); !slices.Equal(got, []scan.ID{one.ID, sample(2, ann).ID}) {
		t.Errorf("due are %v", got)
	}

	t.Run("what fits is asked of the others, one at a time", func(t *testing.T) {
		const room = 3
		cid := access.PersonID{Authority: "t", Subject: "cid"}
		fits := func(others []scan.Schedule) error {
			if len(others) >= room || slices.ContainsFunc(others, func(o scan.Schedule) bool { return o.Owner != cid || o.State == scan.ScheduleEnded }) {
				return full
			}
			return nil
		}
		ended := sample(20, cid)
		ended.State = scan.ScheduleEnded
		if _, err := records.CreateSchedule(ctx, ended, fits); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for n := range 12 {
			wg.Go(func() {
				if created, err := records.CreateSchedule(ctx, sample(21+n, cid), fits); created == (err != nil) || err != nil && !errors.Is(err, full) {
					t.Errorf("created %v, %v", created, err)
				}
			})
		}
		wg.Wait()
		list, err := records.SchedulesOf(ctx, cid, 100)
		if err != nil || len(list) != room+1 {
			t.Errorf("%d were created, %v; want %d", len(list)-1, err, room)
		}
		for _, s := range list {
			if err := records.DeleteSchedule(ctx, s); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("of many runs at once one wins", func(t *testing.T) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for n := range 10 {
			wg.Go(func() {
				next := one
				next.NextAt, next.LastAt, next.LastScan = at.Add(100*time.Hour), at, run(n).ID
				err := records.RunSchedule(ctx, next, run(n), scan.FollowArgs{Scan: run(n).ID})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case !errors.Is(err, scan.ErrConflict):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got := load(t, one.ID)
		if won != 1 || got.Version != 2 || !got.NextAt.Equal(at.Add(100*time.Hour)) {
			t.Errorf("%d won, %+v", won, got)
		}
		started, err := scans.ScansOf(ctx, ann, 100)
		if err != nil || len(started) != 1 || started[0].ID != got.LastScan || started[0].Schedule != one.ID {
			t.Errorf("started %+v, %v", started, err)
		}
	})
	t.Run("the same run is not scanned twice", func(t *testing.T) {
		before := load(t, one.ID)
		next := before
		next.LastScan = run(50).ID
		if err := records.RunSchedule(ctx, next, run(50), scan.FollowArgs{Scan: run(50).ID}); err != nil {
			t.Fatal(err)
		}
		if got := load(t, one.ID); got.LastScan != before.LastScan {
			t.Errorf("the last scan is %s, want %s", got.LastScan, before.LastScan)
		}
	})
	t.Run("a change is stored whole", func(t *testing.T) {
		changed := load(t, sample(2, ann).ID)
		changed.State, changed.NextAt, changed.ChangedAt = scan.ScheduleEnded, time.Time{}, at.Add(time.Hour)
		changed.LastAt, changed.LastScan = at, "x"
		changed.Notice = scan.Notice{Code: "c", Message: "m", Next: "n", At: at}
		if err := records.SaveSchedule(ctx, changed); err != nil {
			t.Fatal(err)
		}
		if err := records.SaveSchedule(ctx, changed); !errors.Is(err, scan.ErrConflict) {
			t.Errorf("of an old version: %v", err)
		}
		changed.Version++
		if got := load(t, changed.ID); !reflect.DeepEqual(got, changed) {
			t.Errorf("schedule = %+v\nwant       %+v", got, changed)
		}
		if got := due(1000); slices.Contains(got, changed.ID) {
			t.Errorf("an ended one is due: %v", got)
		}
	})
	t.Run("ended ones come last, and go", func(t *testing.T) {
		list, err := records.SchedulesOf(ctx, ann, 1)
		if err != nil || len(list) != 1 || list[0].ID != one.ID { // the newer one has ended
			t.Errorf("SchedulesOf = %+v, %v", list, err)
		}
		waits := sample(5, ann)
		waits.State, waits.NextAt = scan.ScheduleUnconfirmed, time.Time{}
		if _, err := records.CreateSchedule(ctx, waits, anyway); err != nil {
			t.Fatal(err)
		}
		count := func(state scan.ScheduleState, want int) {
			t.Helper()
			if n, err := records.CountSchedules(ctx, ann, state); err != nil || n != want {
				t.Errorf("%d %s, %v; want %d", n, state, err, want)
			}
		}
		count(scan.ScheduleActive, 1)
		count(scan.ScheduleEnded, 1)
		count(scan.ScheduleUnconfirmed, 1)
		for before, want := range map[time.Time]int{at: 0, at.Add(time.Microsecond): 1} {
			if stale, err := records.StaleSchedules(ctx, scan.ScheduleUnconfirmed, before, 10); err != nil || len(stale) != want || want > 0 && stale[0].ID != waits.ID {
				t.Errorf("unconfirmed before %v: %+v, %v", before, stale, err)
			}
		}
		for _, drop := range []struct {
			state  scan.ScheduleState
			before time.Time
			want   int
		}{{scan.ScheduleUnconfirmed, at, 0}, {scan.ScheduleUnconfirmed, at.Add(time.Microsecond), 1}, {scan.ScheduleEnded, at.Add(time.Hour), 0},
			{scan.ScheduleEnded, at.Add(2 * time.Hour), 1}} {
			if n, err := records.DropSchedules(ctx, drop.state, drop.before); err != nil || n != drop.want {
				t.Errorf("%+v: %d went, %v", drop, n, err)
			}
		}
		last := load(t, one.ID)
		old := last
		old.Version--
		if err := records.DeleteSchedule(ctx, old); !errors.Is(err, scan.ErrConflict) {
			t.Errorf("of an old version: %v", err)
		}
		if err := records.DeleteSchedule(ctx, last); err != nil {
			t.Error(err)
		}
		count(scan.ScheduleActive, 0)
		if _, err := records.LoadSchedule(ctx, last.ID); !errors.Is(err, scan.ErrNotFound) {
			t.Errorf("after its end: %v", err)
		}
	})
}
