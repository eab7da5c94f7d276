package scan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/scan/scantest"
)

func TestMemoryKeepsAHistory(t *testing.T) { scantest.HistoryRecords(t, &scantest.Memory{}) }

func TestUsedUpUntil(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC)
	tomorrow := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for name, one := range map[string]struct {
		usage scan.Usage
		want  time.Time
	}{
		"nothing known":                  {scan.Usage{}, time.Time{}},
		"nine requests":                  {scan.Usage{Requests: 9}, time.Time{}},
		"ten requests":                   {scan.Usage{Requests: 10}, tomorrow},
		"refused until an hour":          {scan.Usage{RefusedAt: now.Add(-time.Hour), RetryAt: now.Add(time.Hour)}, now.Add(time.Hour)},
		"the hour has passed":            {scan.Usage{RefusedAt: now.Add(-2 * time.Hour), RetryAt: now.Add(-time.Hour)}, time.Time{}},
		"refused today without one":      {scan.Usage{RefusedAt: now.Add(-time.Hour)}, tomorrow},
		"refused yesterday":              {scan.Usage{RefusedAt: now.Add(-15 * time.Hour)}, time.Time{}},
		"an hour beyond the ten as well": {scan.Usage{Requests: 10, RetryAt: now.Add(20 * time.Hour)}, now.Add(20 * time.Hour)},
	} {
		if got := one.usage.UsedUpUntil(now); !got.Equal(one.want) {
			t.Errorf("%s: used up until %v, want %v", name, got, one.want)
		}
	}
}

// TestHistoryIsWalkedBothWays: each page leads to the next and back, and the way
// back ends with a whole first page.
func TestHistoryIsWalkedBothWays(t *testing.T) {
	w := newWorld(t)
	owner := access.PersonID{Authority: "t", Subject: "walker"}
	for n := range 7 {
		at := start.Add(time.Duration(n/2) * time.Second) // two at a time
		s := scan.Scan{ID: scan.ID(fmt.Sprintf("%026d", n)), Owner: owner, Key: fmt.Sprint(n), State: scan.Running, RequestedAt: at, Version: 1}
		if _, _, err := w.records.CreateScan(t.Context(), s, scan.FollowArgs{}); err != nil {
			t.Fatal(err)
		}
	}
	page := func(q scan.HistoryQuery) (ids []scan.ID, h scan.History) {
		t.Helper()
		q.Limit = 3
		h, err := w.service.History(t.Context(), owner, q)
		if err != nil || h.Count != 7 {
			t.Fatalf("count %d, %v", h.Count, err)
		}
		for _, e := range h.Entries {
			ids = append(ids, e.ID)
		}
		return ids, h
	}
	first, h1 := page(scan.HistoryQuery{})
	second, h2 := page(scan.HistoryQuery{Before: h1.Entries[2].Place()})
	third, h3 := page(scan.HistoryQuery{Before: h2.Entries[2].Place()})
	if all := slices.Concat(first, second, third); len(all) != 7 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 7 {
		t.Errorf("pages %v %v %v", first, second, third)
	}
	back2, b2 := page(scan.HistoryQuery{After: h3.Entries[0].Place()})
	back1, b1 := page(scan.HistoryQuery{After: h2.Entries[0].Place()})
	over, b0 := page(scan.HistoryQuery{After: h1.Entries[1].Place()}) // one is newer
	if !slices.Equal(back2, second) || !slices.Equal(back1, first) || !slices.Equal(over, first) {
		t.Errorf("back: %v %v %v", back2, back1, over)
	}
	for i, one := range []struct {
		h            scan.History
		older, newer bool
	}{{h1, true, false}, {h2, true, true}, {h3, false, true}, {b2, true, true}, {b1, true, false}, {b0, true, false}} {
		if one.h.Older != one.older || one.h.Newer != one.newer {
			t.Errorf("page %d: older %v, newer %v", i, one.h.Older, one.h.Newer)
		}
	}
}
