package scantest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
func (m *Memory) CreateSchedule(_ context.Context, s scan.Schedule) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failed(); err != nil {
		return err
	}
	if m.schedules == nil {
		m.schedules = map[scan.ID]scan.Schedule{}
	}
	m.schedules[s.ID] = cloneSchedule(s)
	return nil
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
		func(a, b scan.Schedule) int { return b.CreatedAt.Compare(a.CreatedAt) }), nil
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
	one := sample(1, ann)
	for _, s := range []scan.Schedule{one, sample(2, ann), sample(3, bob)} {
		if err := records.CreateSchedule(ctx, s); err != nil {
			t.Fatal(err)
		}
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
}

// Delegations checks that records do what scan.DelegationRecords promises.
func Delegations(t *testing.T, records scan.DelegationRecords) {
	ctx := t.Context()
	at := time.Date(2026, 9, 14, 13, 40, 45, 123456000, time.UTC)
	ann, bob := access.PersonID{Authority: "t", Subject: "ann"}, access.PersonID{Authority: "t", Subject: "bob"}
	for _, sealed := range []string{"first", "second"} {
		kept := scan.Delegation{Owner: ann, Sealed: []byte(sealed), KeptAt: at}
		if err := records.SaveDelegation(ctx, kept); err != nil {
			t.Fatal(err)
		}
		if got, err := records.LoadDelegation(ctx, ann); err != nil || !reflect.DeepEqual(got, kept) {
			t.Errorf("LoadDelegation = %+v, %v; want %+v", got, err, kept)
		}
	}
	if _, err := records.LoadDelegation(ctx, bob); !errors.Is(err, scan.ErrNotFound) {
		t.Errorf("another person's: %v", err)
	}
	if err := errors.Join(records.DeleteDelegation(ctx, ann), records.DeleteDelegation(ctx, ann)); err != nil {
		t.Error(err)
	}
	if _, err := records.LoadDelegation(ctx, ann); !errors.Is(err, scan.ErrNotFound) {
		t.Errorf("after its end: %v", err)
	}
}
