package results_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
)

// TestEnding: exactly the rows whose exception ends within a time, its ends among
// them, the soonest first.
func TestEnding(t *testing.T) {
	w := newWorld(t)
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	rows := generate(2*results.MaxLimit, 7, "0f5c0e2a-1111-4222-8333-444455556666")
	for i := range rows {
		rows[i].ControlName = fmt.Sprint("c", i)
		rows[i].ExceptionExpiry = azts.Stamp{}
		if i%3 > 0 {
			rows[i].ExceptionExpiry = azts.Stamp{Time: start.Add(time.Duration(i*7919%1000) * time.Hour), Text: "x"}
		}
	}
	set := w.open(w.keep(rows))
	for _, span := range [][2]int{{0, 1000}, {100, 130}, {-50, -1}, {1, 1}} {
		from, until := start.Add(time.Duration(span[0])*time.Hour), start.Add(time.Duration(span[1])*time.Hour)
		var want, got []time.Time
		for row, err := range set.Rows(results.Query{Sort: results.SortExpiry}) {
			w.ok(err)
			if at := row.ExceptionExpiry.Time; !at.IsZero() && !at.Before(from) && !at.After(until) {
				want = append(want, at)
			}
		}
		for row, err := range set.Ending(from, until) {
			w.ok(err)
			got = append(got, row.ExceptionExpiry.Time)
		}
		if !slices.Equal(got, want) {
			t.Errorf("from %v until %v: %d rows, want %d", from, until, len(got), len(want))
		}
	}
}

// TestOpenOnceLeavesTheCacheAlone: what people have open stays, and is used.
func TestOpenOnceLeavesTheCacheAlone(t *testing.T) {
	w := newWorld(t)
	id, other := w.keep(generate(10, 1, "0f5c0e2a-1111-4222-8333-444455556666")), w.keep(generate(10, 2, "0f5c0e2a-1111-4222-8333-444455556666"))
	set := w.open(id)
	if again, err := w.OpenOnce(t.Context(), ann, id); err != nil || again != set {
		t.Errorf("what is in memory is read again; %v", err)
	}
	first, err := w.OpenOnce(t.Context(), ann, other)
	w.ok(err)
	if second, err := w.OpenOnce(t.Context(), ann, other); err != nil || second == first {
		t.Errorf("the set was kept; %v", err)
	}
}
