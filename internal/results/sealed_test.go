package results_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/seal"
)

func TestTheDatabaseFileTellsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portal.db")
	d := openDatabase(t, "sqlite:"+path)
	rows := generate(6000, 1, subA)
	for i := range rows {
		rows[i].StatusReason += " Canary-in-a-reason."
	}
	id := d.keep(rows)
	if set, err := d.Open(t.Context(), ann, id); err != nil || set.Len() != 6000 {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(data, []byte(id)) // or the test reads the wrong file
		for _, secret := range []string{rows[0].ResourceName, rows[5999].ResourceGroupName, rows[0].ControlName, "Canary", "Failed", "Network security", "SubscriptionID", subA, `"failed":`} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s holds %q", filepath.Base(file), secret)
			}
		}
	}
	if !found {
		t.Error("the set is in none of the files")
	}
}

// attacked keeps a set of Ann's with several segments, lets attack change what
// is stored, and returns what Ann's next look says.
func attacked(t *testing.T, attack func(w *world, id string)) error {
	t.Helper()
	w := newWorld(t)
	w.SetLimits(results.Limits{SegmentRows: 100})
	id := w.keep(generate(300, 1, subA))
	attack(w, id)
	_, err := w.archive(nil, 0).Open(t.Context(), ann, id)
	return err
}

// The counts are told from the heads alone: those of others must not open either.
func TestAMovedHeadTellsNoCounts(t *testing.T) {
	for name, attack := range map[string]func(w *world, id string){
		"of another set":    func(w *world, id string) { w.changeHead(id, w.keepFor(ann)) },
		"of another person": func(w *world, id string) { w.change(w.keepFor(bert), w.records.scan(ann)) },
		"of the same scan, under another person": func(w *world, _ string) {
			id := w.keepFor(bert)
			rec := w.records.sets[id]
			rec.Person = ann
			w.records.sets[id] = rec
		},
	} {
		w := newWorld(t)
		id := w.keepFor(ann)
		attack(w, id)
		list, err := w.List(t.Context(), ann, 10)
		w.ok(err)
		whole := 0
		for _, info := range list {
			if info.State == results.Unreadable && (info.Rows != 0 || info.Failed != 0 || len(info.Subscriptions) != 0) {
				t.Errorf("%s: %+v", name, info)
			}
			if info.State == results.Whole {
				whole++
			}
		}
		points, err := w.Trend(t.Context(), ann, "", 10)
		w.ok(err)
		if len(points) != whole || whole == len(list) {
			t.Errorf("%s: %d points of %d sets, %d of them readable", name, len(points), len(list), whole)
		}
	}
}

// keepFor keeps a set of 300 rows for a person.
func (w *world) keepFor(person access.PersonID) string {
	w.Helper()
	id := w.records.scan(person)
	writer, err := w.Begin(w.Context(), person, id, []string{subA})
	w.ok(err)
	w.ok(feed(w.Context(), writer, generate(300, 1, subA), 100))
	_, err = writer.Finish(w.Context())
	w.ok(err)
	return id
}

func TestWhatWasMovedDoesNotOpen(t *testing.T) {
	if err := attacked(t, func(*world, string) {}); err != nil {
		t.Fatalf("without an attack: %v", err)
	}
	for name, attack := range map[string]func(w *world, id string){
		"a segment of another set":     func(w *world, id string) { w.records.segments[id][1] = w.records.segments[w.keepFor(ann)][1] },
		"a segment of another person":  func(w *world, id string) { w.records.segments[id][1] = w.records.segments[w.keepFor(bert)][1] },
		"another segment of the set":   func(w *world, id string) { w.records.segments[id][1] = w.records.segments[id][2] },
		"a segment that was changed":   func(w *world, id string) { w.records.segments[id][1][50] ^= 1 },
		"a segment in clear":           func(w *world, id string) { w.records.segments[id][1] = []byte{1, 0, 0, 0} },
		"a segment less":               func(w *world, id string) { delete(w.records.segments[id], 2) },
		"the head of another set":      func(w *world, id string) { w.changeHead(id, w.keepFor(ann)) },
		"the head of another person":   func(w *world, id string) { w.changeHead(id, w.keepFor(bert)) },
		"a set given to somebody else": func(w *world, id string) { w.change(w.keepFor(bert), id) },
		"other numbers in the clear":   func(w *world, id string) { rec := w.records.sets[id]; rec.Segments = 2; w.records.sets[id] = rec },
		"another state in the clear": func(w *world, id string) {
			rec := w.records.sets[id]
			rec.State = results.Short
			w.records.sets[id] = rec
		},
		"another version in the clear": func(w *world, id string) { rec := w.records.sets[id]; rec.Version++; w.records.sets[id] = rec },
		"an earlier set of the same scan": func(w *world, id string) {
			before := w.records.segments[id]
			w.ok(w.Delete(w.Context(), ann, id))
			writer, err := w.Begin(w.Context(), ann, id, []string{subA})
			w.ok(err)
			w.ok(feed(w.Context(), writer, generate(300, 1, subA), 100))
			_, err = writer.Finish(w.Context())
			w.ok(err)
			w.records.segments[id][0] = before[0]
		},
	} {
		if err := attacked(t, attack); err == nil {
			t.Errorf("%s: it opens", name)
		}
	}
}

func (w *world) changeHead(id, from string) {
	rec := w.records.sets[id]
	rec.Head, rec.Version = w.records.sets[from].Head, w.records.sets[from].Version
	w.records.sets[id] = rec
}

// change makes the set of one scan that of another, under Ann's name.
func (w *world) change(from, to string) {
	rec := w.records.sets[from]
	rec.Person, rec.ScanID = ann, to
	w.records.sets[to], w.records.segments[to] = rec, w.records.segments[from]
}

func TestAnotherKeyOpensNothing(t *testing.T) {
	w := newWorld(t)
	id := w.keep(generate(10, 1, subA))
	stranger := w.archive(bytes.Repeat([]byte{9}, seal.KeySize), 0)
	if _, err := stranger.Open(t.Context(), ann, id); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("open: %v", err)
	}
	if list, err := stranger.List(t.Context(), ann, 10); err != nil || len(list) != 1 || list[0].State != results.Unreadable || list[0].Rows != 0 {
		t.Errorf("list: %v", err)
	}
}

func TestASetIsItsPersonsAlone(t *testing.T) {
	w := newWorld(t)
	rows := generate(100, 1, subA)
	id := w.keep(rows)
	w.open(id) // it is in memory
	for _, other := range []access.PersonID{bert, {Authority: "elsewhere", Subject: "ann"}, {}} {
		if _, err := w.Open(t.Context(), other, id); !apperr.HasCode(err, "results_not_found") {
			t.Errorf("%v opens it: %v", other, err)
		}
		if list, err := w.List(t.Context(), other, 10); err != nil || len(list) > 0 {
			t.Errorf("%v lists %v, %v", other, list, err)
		}
		if past, err := w.History(t.Context(), other, results.KeyOf(&rows[0]), 10); err != nil || len(past) > 0 {
			t.Errorf("%v has a history: %v, %v", other, past, err)
		}
		if points, err := w.Trend(t.Context(), other, "", 10); err != nil || len(points) > 0 {
			t.Errorf("%v has a trend: %v, %v", other, points, err)
		}
		w.ok(w.Delete(t.Context(), other, id))
	}
	w.open(id)
	w.ok(w.Delete(t.Context(), ann, id))
	if _, err := w.Open(t.Context(), ann, id); !apperr.HasCode(err, "results_not_found") {
		t.Errorf("what was deleted opens: %v", err)
	}
	if n, _ := w.Cached(); n != 0 {
		t.Error("what was deleted stays in memory")
	}
}

// segments returns those of a small set in clear.
func segments(t testing.TB) [][]byte {
	t.Helper()
	w := newWorld(t)
	w.SetLimits(results.Limits{SegmentRows: 20})
	rows := generate(40, 1, subA)
	rows[3].StatusReason = strings.Repeat("long ", 3000)
	writer, id := w.begin(subA)
	w.ok(feed(t.Context(), writer, append(rows, azts.Result{SubscriptionID: subA}), 10))
	w.ok(writer.Flush(t.Context()))
	var out [][]byte
	for number := range len(w.records.segments[id]) {
		plain, err := w.OpenSegment(t.Context(), w.records.sets[id], number, w.records.segments[id][number])
		w.ok(err)
		out = append(out, plain)
	}
	return out
}

// A segment is sealed, so a broken one is a defect of ours: then an error, and
// no crash.
func FuzzSegment(f *testing.F) {
	list := segments(f)
	if err := results.Decode(list[0]); err != nil || len(list) < 2 {
		f.Fatal(len(list), err)
	}
	for _, segment := range list {
		f.Add(segment)
	}
	f.Add([]byte{})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, segment []byte) {
		if err := results.Decode(segment); err == nil && len(segment) < 4 {
			t.Errorf("%x is a segment", segment)
		}
	})
}

func TestNoBrokenColumnCrashes(t *testing.T) {
	columns, err := results.Columns(segments(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := 0; i < len(columns); i += 5 {
		for _, value := range []byte{0xff, columns[i] + 1, 0} {
			broken := bytes.Clone(columns)
			if broken[i] = value; results.DecodeColumns(broken) != nil {
				refused++
			}
		}
	}
	if refused < 100 {
		t.Errorf("only %d were refused", refused)
	}
}

func FuzzColumns(f *testing.F) {
	for i, segment := range segments(f) {
		columns, err := results.Columns(segment)
		if err == nil && i == 0 {
			err = results.DecodeColumns(columns)
		}
		if err != nil {
			f.Fatal(err)
		}
		f.Add(columns)
	}
	f.Fuzz(func(t *testing.T, columns []byte) {
		if err := results.DecodeColumns(columns); err == nil && len(columns) < 10 {
			t.Errorf("%x are columns", columns)
		}
	})
}
