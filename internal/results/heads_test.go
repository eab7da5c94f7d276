package results_test

import (
	"slices"
	"testing"

	"azts.internal/portal/internal/results"
)

// TestWhatIsKnownOfSetsFollowsWhatIsStored: what is remembered of a head is never
// shown in place of what is there now.
func TestWhatIsKnownOfSetsFollowsWhatIsStored(t *testing.T) {
	w := newWorld(t)
	rows := generate(20, 1, subA)
	writer, id := w.begin(subA)
	w.ok(writer.Add(t.Context(), subA, page("1", 20, rows[:10]...)))
	of := func(id string) results.Info {
		t.Helper()
		list, err := w.List(t.Context(), ann, results.MaxSets)
		w.ok(err)
		if i := slices.IndexFunc(list, func(i results.Info) bool { return i.ScanID == id }); i >= 0 {
			return list[i]
		}
		return results.Info{}
	}
	first := of(id)
	first.Subscriptions[0].Rows = -1 // by a careless caller
	if again := of(id); again.State != results.Reading || again.Subscriptions[0].Rows < 0 {
		t.Errorf("while it is read: %+v", again)
	}
	w.ok(writer.Add(t.Context(), subA, page("", 20, rows[10:]...)))
	_, err := writer.Finish(t.Context())
	w.ok(err)
	if whole := of(id); whole.State != results.Whole || whole.Subscriptions[0].Rows != 20 {
		t.Errorf("when it was read: %+v", whole)
	}
	other := w.keep(rows[:5])
	of(other)
	w.changeHead(id, other)
	if spoilt := of(id); spoilt.State != results.Unreadable {
		t.Errorf("with the head of another set: %+v", spoilt)
	}
	w.ok(w.Delete(t.Context(), ann, other))
	if gone := of(other); gone.ScanID != "" {
		t.Errorf("deleted: %+v", gone)
	}
}
