package scantest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
)

func chosen(s scan.Scan, owner access.PersonID, q scan.HistoryQuery) bool {
	return s.Owner == owner && (len(q.States) == 0 || slices.Contains(q.States, s.State)) &&
		(q.Subscription == "" || slices.ContainsFunc(s.Parts, func(p scan.Part) bool { return p.SubscriptionID == q.Subscription }))
}

// newerFirst orders scans as a history does.
func newerFirst(a, b scan.Place) int {
	return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID))
}

// ScanHistory implements scan.HistoryRecords.
func (m *Memory) ScanHistory(_ context.Context, owner access.PersonID, q scan.HistoryQuery) ([]scan.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []scan.Entry
	for _, s := range m.scans {
		e := scan.Entry{Scan: s}
		if !chosen(s, owner, q) || q.Before != (scan.Place{}) && newerFirst(e.Place(), q.Before) <= 0 || q.After != (scan.Place{}) && newerFirst(e.Place(), q.After) >= 0 {
			continue
		}
		e.Parts, e.In = nil, map[scan.PartState]int{}
		for i, p := range s.Parts {
			e.In[p.State]++
			if i < scan.EntryNames {
				e.First = append(e.First, p.SubscriptionID)
			}
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b scan.Entry) int { return newerFirst(a.Place(), b.Place()) })
	n := min(q.Limit, len(all))
	if q.After != (scan.Place{}) {
		return all[len(all)-n:], nil
	}
	return all[:n], nil
}

// CountScans implements scan.HistoryRecords.
func (m *Memory) CountScans(_ context.Context, owner access.PersonID, q scan.HistoryQuery, limit int) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.scans {
		if chosen(s, owner, q) {
			n++
		}
	}
	return min(n, limit), nil
}

// RecentSubscriptions implements scan.HistoryRecords.
func (m *Memory) RecentSubscriptions(ctx context.Context, owner access.PersonID, scans, limit int) ([]string, error) {
	newest, err := m.ScansOf(ctx, owner, scans)
	ids := map[string]bool{}
	for _, s := range newest {
		for _, p := range s.Parts {
			ids[p.SubscriptionID] = true
		}
	}
	all := slices.Sorted(maps.Keys(ids))
	return all[:min(limit, len(all))], err
}

// UsageOf implements scan.HistoryRecords.
func (m *Memory) UsageOf(_ context.Context, owner access.PersonID, since, from time.Time) (map[string]scan.Usage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]scan.Usage{}
	for _, s := range m.scans {
		if s.Owner != owner || s.RequestedAt.Before(from) {
			continue
		}
		for _, p := range s.Parts {
			u := out[p.SubscriptionID]
			switch p.State {
			case scan.PartQueued, scan.PartCompleted, scan.PartStalled:
				if (p.ScanRequestID != "" || p.QueueStatus != "") && !p.Since.Before(since) {
					u.Requests++
				}
			case scan.PartQuotaReached:
				u.RefusedAt = slices.MaxFunc([]time.Time{u.RefusedAt, s.RequestedAt}, time.Time.Compare)
				u.RetryAt = slices.MaxFunc([]time.Time{u.RetryAt, p.RetryAt}, time.Time.Compare)
			}
			out[p.SubscriptionID] = u
		}
	}
	return out, nil
}

// ScanNumbers implements scan.HistoryRecords.
func (m *Memory) ScanNumbers(_ context.Context, authority string, from time.Time) (scan.Numbers, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := scan.Numbers{Open: map[scan.State]int{}}
	days, people := map[time.Time]map[scan.State]int{}, map[access.PersonID]bool{}
	for _, s := range m.scans {
		if s.Owner.Authority != authority {
			continue
		}
		if s.EndedAt.IsZero() {
			n.Open[s.State]++
		}
		if s.RequestedAt.Before(from) {
			continue
		}
		day := s.RequestedAt.UTC().Truncate(24 * time.Hour)
		if days[day] == nil {
			days[day] = map[scan.State]int{}
		}
		days[day][s.State]++
		people[s.Owner] = true
	}
	for day, scans := range days {
		n.Days = append(n.Days, scan.Day{Start: day, Scans: scans})
	}
	n.People = len(people)
	for _, s := range m.schedules {
		if s.Owner.Authority == authority && s.State == scan.ScheduleActive {
			n.Schedules++
		}
	}
	return n, nil
}

// HistoryRecords checks that records do what scan.HistoryRecords promises. What
// they hold of others may be there already.
func HistoryRecords(t *testing.T, records scan.Records) {
	ctx := t.Context()
	day := time.Date(2026, 9, 14, 0, 0, 0, 0, time.UTC)
	ann, bob := access.PersonID{Authority: "tenant-h", Subject: "ann"}, access.PersonID{Authority: "tenant-h", Subject: "bob"}
	add := func(n int, owner access.PersonID, at time.Time, state scan.State, parts ...scan.Part) scan.Scan {
		t.Helper()
		s := scan.Scan{ID: scan.ID(fmt.Sprintf("h%025d", n)), Owner: owner, Key: fmt.Sprint("h", n), State: state, Version: 1, RequestedAt: at, ChangedAt: at, Parts: parts}
		if state.Ended() {
			s.EndedAt = at.Add(time.Minute)
		}
		if _, _, err := records.CreateScan(ctx, s, scan.FollowArgs{Scan: s.ID}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	taken := func(sub string, state scan.PartState, at time.Time) scan.Part {
		return scan.Part{SubscriptionID: sub, State: state, ScanRequestID: "r", Since: at}
	}
	retry := day.Add(30 * time.Hour)
	// Two at the same moment: their ids tell them apart.
	scans := []scan.Scan{
		add(5, ann, day.Add(4*time.Hour), scan.Running, taken("a", scan.PartQueued, day.Add(4*time.Hour)), taken("b", scan.PartCompleted, day.Add(4*time.Hour)),
			scan.Part{SubscriptionID: "c", State: scan.PartCompleted, QueueStatus: "Processing", Since: day.Add(4 * time.Hour)}, scan.Part{SubscriptionID: "d", State: scan.PartPending}),
		add(3, ann, day.Add(3*time.Hour), scan.Refused, scan.Part{SubscriptionID: "a", State: scan.PartQuotaReached, ScanRequestID: "r", RetryAt: retry}),
		add(4, ann, day.Add(3*time.Hour), scan.Completed, taken("b", scan.PartCompleted, day.Add(3*time.Hour))),
		add(2, ann, day.Add(-time.Minute), scan.Stalled, taken("a", scan.PartStalled, day.Add(-time.Minute)), taken("b", scan.PartCompleted, day.Add(time.Minute))),
		add(1, ann, day.Add(-48*time.Hour), scan.Completed, taken("a", scan.PartCompleted, day.Add(-48*time.Hour))),
	}
	add(9, bob, day.Add(5*time.Hour), scan.Completed, taken("a", scan.PartCompleted, day.Add(5*time.Hour)))
	place := func(i int) scan.Place { return scan.Place{At: scans[i].RequestedAt, ID: scans[i].ID} }

	for name, one := range map[string]struct {
		q     scan.HistoryQuery
		want  []int // of scans
		count int
	}{
		"the newest first":             {scan.HistoryQuery{Limit: 10}, []int{0, 1, 2, 3, 4}, 5},
		"no more than the limit":       {scan.HistoryQuery{Limit: 2}, []int{0, 1}, 5},
		"those before a place":         {scan.HistoryQuery{Limit: 2, Before: place(1)}, []int{2, 3}, 5},
		"nothing before the last":      {scan.HistoryQuery{Limit: 2, Before: place(4)}, nil, 5},
		"those after a place":          {scan.HistoryQuery{Limit: 2, After: place(4)}, []int{2, 3}, 5},
		"those after one of two equal": {scan.HistoryQuery{Limit: 9, After: place(2)}, []int{0, 1}, 5},
		"by state":                     {scan.HistoryQuery{Limit: 9, States: []scan.State{scan.Completed, scan.Stalled}}, []int{2, 3, 4}, 3},
		"by subscription":              {scan.HistoryQuery{Limit: 9, Subscription: "a"}, []int{0, 1, 3, 4}, 4},
		"by both, before a place":      {scan.HistoryQuery{Limit: 9, Subscription: "a", States: []scan.State{scan.Completed, scan.Refused}, Before: place(1)}, []int{4}, 2},
		"by a subscription of another": {scan.HistoryQuery{Limit: 9, Subscription: "z' OR 1=1 --"}, nil, 0},
	} {
		t.Run("a history has "+name, func(t *testing.T) {
			list, err := records.ScanHistory(ctx, ann, one.q)
			if err != nil {
				t.Fatal(err)
			}
			var got, want []scan.ID
			for _, e := range list {
				got = append(got, e.ID)
			}
			for _, i := range one.want {
				want = append(want, scans[i].ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("has %v\nwant %v", got, want)
			}
			if n, err := records.CountScans(ctx, ann, one.q, 100); err != nil || n != one.count {
				t.Errorf("counts %d, %v; want %d", n, err, one.count)
			}
			if n, err := records.CountScans(ctx, ann, one.q, 1); err != nil || n != min(1, one.count) {
				t.Errorf("counts %d, %v up to 1", n, err)
			}
		})
	}
	t.Run("an entry tells what a list shows", func(t *testing.T) {
		list, err := records.ScanHistory(ctx, ann, scan.HistoryQuery{Limit: 1})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		want := scan.Entry{Scan: scans[0], First: []string{"a", "b", "c"}, In: map[scan.PartState]int{scan.PartQueued: 1, scan.PartCompleted: 2, scan.PartPending: 1}}
		want.Parts = nil
		if !reflect.DeepEqual(list[0], want) {
			t.Errorf("entry %+v\nwant  %+v", list[0], want)
		}
	})
	t.Run("subscriptions of the newest scans", func(t *testing.T) {
		list, err := records.RecentSubscriptions(ctx, ann, 3, 9)
		slices.Sort(list)
		if err != nil || !slices.Equal(list, []string{"a", "b", "c", "d"}) {
			t.Errorf("subscriptions %v, %v", list, err)
		}
		if list, err := records.RecentSubscriptions(ctx, ann, 1, 2); err != nil || len(list) != 2 {
			t.Errorf("two of the newest: %v, %v", list, err)
		}
	})
	t.Run("requests of a day are summed up by subscription", func(t *testing.T) {
		got, err := records.UsageOf(ctx, ann, day, day.Add(-26*time.Hour))
		want := map[string]scan.Usage{"a": {Requests: 1, RefusedAt: day.Add(3 * time.Hour), RetryAt: retry}, "b": {Requests: 3}, "c": {Requests: 1}, "d": {}}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("usage %+v, %v\nwant %+v", got, err, want)
		}
	})
	t.Run("numbers name no one", func(t *testing.T) {
		got, err := records.ScanNumbers(ctx, "tenant-h", day.AddDate(0, 0, -1))
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got.Days, func(a, b scan.Day) int { return b.Start.Compare(a.Start) })
		want := scan.Numbers{Days: []scan.Day{{Start: day, Scans: map[scan.State]int{scan.Running: 1, scan.Refused: 1, scan.Completed: 2}},
			{Start: day.AddDate(0, 0, -1), Scans: map[scan.State]int{scan.Stalled: 1}}}, Open: map[scan.State]int{scan.Running: 1}, People: 2}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("numbers %+v\nwant    %+v", got, want)
		}
		if other, err := records.ScanNumbers(ctx, "another tenant", day.AddDate(0, 0, -1)); err != nil || len(other.Days)+len(other.Open)+other.People != 0 {
			t.Errorf("another tenant's: %+v, %v", other, err)
		}
	})
}
