package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/results"
)

// resultWorld is one case: a and b are two handles on one database, scan makes a
// scan of the case's person.
type resultWorld struct {
	*testing.T
	a, b   results.Records
	person access.PersonID
	scan   func() string
}

// TestResultRecords runs what results.Records promises. newScan makes a scan of
// a person and returns its id; deleteScan deletes it.
func TestResultRecords(t *testing.T, a, b results.Records, newScan func(access.PersonID) string, deleteScan func(id string)) {
	for name, test := range map[string]func(*resultWorld){
		"a set is loaded as it was stored":                resultSetWhole,
		"a scan has one set":                              resultSetOnce,
		"of twenty at once one makes the set":             resultSetAtOnce,
		"a set is of a scan of its person":                resultSetNeedsScan,
		"a set is its person's alone":                     resultSetOfOthers,
		"segments come in order, whole":                   segmentsWhole,
		"a missing segment is an error":                   segmentMissing,
		"a segment is stored with its head or not at all": segmentWithHead,
		"of two who store the later is refused":           laterRefused,
		"of twenty who store at once one does":            laterRefusedAtOnce,
		"a person's sets are listed, the newest first":    resultSetsListed,
		"a set goes with its segments":                    resultSetDeleted,
		"sets made before a time go, the oldest first":    resultSetsExpire,
		"an id that no database can hold is no set":       resultSetHostile,
		"a set goes with its scan":                        func(w *resultWorld) { resultSetGoesWithScan(w, deleteScan) },
	} {
		t.Run(name, func(t *testing.T) {
			w := &resultWorld{T: t, a: a, b: b, person: access.PersonID{Authority: "tenant-" + rand.Text(), Subject: rand.Text()}}
			w.scan = func() string { return newScan(w.person) }
			test(w)
		})
	}
}

func (w *resultWorld) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// create stores a new set of a new scan.
func (w *resultWorld) create(at time.Time) results.SetRecord {
	w.Helper()
	rec := results.SetRecord{ScanID: w.scan(), Person: w.person, State: results.Reading, CreatedAt: at, ChangedAt: at, Version: 1, Head: []byte("\x00head\xff")}
	stored, created, err := w.a.CreateResultSet(w.Context(), rec)
	w.ok(err)
	if !created {
		w.Fatalf("%+v was there", stored)
	}
	return rec
}

// save stores a segment and returns the record as it is then.
func (w *resultWorld) save(rec results.SetRecord, segment []byte) results.SetRecord {
	w.Helper()
	rec.Version++
	if segment != nil {
		rec.Segments++
		rec.Bytes += int64(len(segment))
		rec.Rows += 10
	}
	w.ok(w.a.SaveResults(w.Context(), rec, segment))
	return rec
}

func (w *resultWorld) want(want results.SetRecord) {
	w.Helper()
	got, err := w.b.LoadResultSet(w.Context(), w.person, want.ScanID)
	if err != nil || !reflect.DeepEqual(got, want) {
		w.Errorf("loaded %+v, %v; want %+v", got, err, want)
	}
}

func (w *resultWorld) wantNone(scanID string) {
	w.Helper()
	if got, err := w.b.LoadResultSet(w.Context(), w.person, scanID); !errors.Is(err, results.ErrNotFound) {
		w.Errorf("loaded %+v, %v", got, err)
	}
	for segment, err := range w.b.ResultSegments(w.Context(), scanID, 1) {
		if !errors.Is(err, results.ErrNotFound) {
			w.Errorf("a segment is left: %q, %v", segment, err)
		}
	}
}

func (w *resultWorld) segments(scanID string, number int) (all [][]byte, failed error) {
	for segment, err := range w.b.ResultSegments(w.Context(), scanID, number) {
		if err != nil {
			return all, err
		}
		all = append(all, segment)
	}
	return all, nil
}

func resultSetWhole(w *resultWorld) {
	rec := w.create(start)
	w.want(rec)
	rec.State, rec.ChangedAt, rec.Rows, rec.Segments, rec.Bytes, rec.Head = results.Short, start.Add(time.Second), 123_456, 1, 5<<30, bytes.Repeat([]byte{0, 255}, 40_000)
	rec.Version++
	w.ok(w.a.SaveResults(w.Context(), rec, []byte("x")))
	w.want(rec)
}

func resultSetOnce(w *resultWorld) {
	first := w.create(start)
	second := first
	second.Head, second.CreatedAt = []byte("other"), start.Add(time.Hour)
	got, created, err := w.b.CreateResultSet(w.Context(), second)
	w.ok(err)
	if created || !reflect.DeepEqual(got, first) {
		w.Errorf("created: %v, got %+v", created, got)
	}
	w.want(first)
}

func resultSetAtOnce(w *resultWorld) {
	rec := results.SetRecord{ScanID: w.scan(), Person: w.person, State: results.Reading, CreatedAt: start, ChangedAt: start, Version: 1, Head: []byte("h")}
	var made atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, created, err := [...]results.Records{w.a, w.b}[i%2].CreateResultSet(w.Context(), rec)
			if err != nil {
				w.Error(err)
			}
			if created {
				made.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		w.Errorf("%d made it", made.Load())
	}
}

func resultSetNeedsScan(w *resultWorld) {
	rec := results.SetRecord{ScanID: "there-is-none", Person: w.person, State: results.Reading, CreatedAt: start, ChangedAt: start, Version: 1, Head: []byte("h")}
	if _, _, err := w.a.CreateResultSet(w.Context(), rec); !errors.Is(err, results.ErrNotFound) {
		w.Errorf("without a scan: %v", err)
	}
	rec.ScanID, rec.Person.Subject = w.scan(), "mallory"
	if _, _, err := w.a.CreateResultSet(w.Context(), rec); !errors.Is(err, results.ErrNotFound) {
		w.Errorf("for another's scan: %v", err)
	}
	w.wantNone(rec.ScanID)
}

func resultSetOfOthers(w *resultWorld) {
	rec := w.save(w.create(start), []byte("segment"))
	for _, other := range []access.PersonID{{Authority: w.person.Authority, Subject: "mallory"}, {Authority: "elsewhere", Subject: w.person.Subject}} {
		if got, err := w.a.LoadResultSet(w.Context(), other, rec.ScanID); !errors.Is(err, results.ErrNotFound) {
			w.Errorf("%v loads %+v, %v", other, got, err)
		}
		if list, err := w.a.ResultSets(w.Context(), other, 10); err != nil || len(list) > 0 {
			w.Errorf("%v lists %v, %v", other, list, err)
		}
		theirs := rec
		theirs.Person, theirs.Version = other, rec.Version+1
		if err := w.a.SaveResults(w.Context(), theirs, nil); !errors.Is(err, results.ErrConflict) {
			w.Errorf("%v saves: %v", other, err)
		}
		w.ok(w.a.DeleteResultSet(w.Context(), other, rec.ScanID))
	}
	w.want(rec)
}

func segmentsWhole(w *resultWorld) {
	rec := w.create(start)
	var want [][]byte
	for i := range 21 { // more than come at once
		segment := bytes.Repeat([]byte{byte(i), 0, 255}, 1+i*5000)
		want = append(want, segment)
		rec = w.save(rec, segment)
	}
	for _, number := range []int{0, 1, 8, 21} {
		got, err := w.segments(rec.ScanID, number)
		w.ok(err)
		if len(got) != number || number > 0 && !reflect.DeepEqual(got, want[:number]) {
			w.Errorf("%d segments of %d, or others", len(got), number)
		}
	}
	for range w.b.ResultSegments(w.Context(), rec.ScanID, 21) {
		break // must not hold anything
	}
}

func segmentMissing(w *resultWorld) {
	rec := w.save(w.create(start), []byte("one"))
	if got, err := w.segments(rec.ScanID, 2); !errors.Is(err, results.ErrNotFound) {
		w.Errorf("%d segments, %v", len(got), err)
	}
	rec.Version, rec.Segments = rec.Version+1, 3 // the second is left out
	w.ok(w.a.SaveResults(w.Context(), rec, []byte("three")))
	if got, err := w.segments(rec.ScanID, 3); !errors.Is(err, results.ErrNotFound) {
		w.Errorf("%d segments, %v", len(got), err)
	}
}

func segmentWithHead(w *resultWorld) {
	rec := w.save(w.create(start), []byte("one"))
	again := rec
	again.Version, again.Head = rec.Version+1, []byte("changed") // its number is taken
	if err := w.a.SaveResults(w.Context(), again, []byte("other")); err == nil {
		w.Error("a segment was stored twice")
	}
	w.want(rec)
	if got, err := w.segments(rec.ScanID, 1); err != nil || string(got[0]) != "one" {
		w.Errorf("%q, %v", got, err)
	}
}

func laterRefused(w *resultWorld) {
	rec := w.create(start)
	now := w.save(rec, []byte("one"))
	rec.Version, rec.Segments = rec.Version+1, 1
	if err := w.b.SaveResults(w.Context(), rec, []byte("other")); !errors.Is(err, results.ErrConflict) {
		w.Errorf("the later: %v", err)
	}
	w.want(now)
}

func laterRefusedAtOnce(w *resultWorld) {
	rec := w.create(start)
	rec.Version, rec.Segments = 2, 1
	var stored atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			err := [...]results.Records{w.a, w.b}[i%2].SaveResults(w.Context(), rec, []byte("x"))
			if err == nil {
				stored.Add(1)
			} else if !errors.Is(err, results.ErrConflict) {
				w.Error(err)
			}
		})
	}
	wg.Wait()
	if stored.Load() != 1 {
		w.Errorf("%d stored", stored.Load())
	}
}

func resultSetsListed(w *resultWorld) {
	old, newest, middle := w.create(start), w.create(start.Add(2*time.Hour)), w.create(start.Add(time.Hour))
	for limit, want := range map[int][]results.SetRecord{2: {newest, middle}, 9: {newest, middle, old}} {
		if got, err := w.b.ResultSets(w.Context(), w.person, limit); err != nil || !reflect.DeepEqual(got, want) {
			w.Errorf("at most %d: %+v, %v", limit, got, err)
		}
	}
}

func resultSetDeleted(w *resultWorld) {
	rec, other := w.save(w.create(start), []byte("one")), w.save(w.create(start), []byte("two"))
	for range 2 { // the second finds nothing, which is no failure
		w.ok(w.a.DeleteResultSet(w.Context(), w.person, rec.ScanID))
	}
	w.wantNone(rec.ScanID)
	w.want(other)
	rec.Version++
	if err := w.a.SaveResults(w.Context(), rec, nil); !errors.Is(err, results.ErrConflict) {
		w.Errorf("saving what is gone: %v", err)
	}
	if got, err := w.segments(other.ScanID, 1); err != nil || string(got[0]) != "two" {
		w.Errorf("%q, %v", got, err)
	}
}

func resultSetsExpire(w *resultWorld) {
	// Older than those of all other cases, which may share the database.
	long := start.AddDate(-10, 0, 0)
	oldest, old, edge := w.save(w.create(long), []byte("x")), w.create(long.Add(time.Minute)), w.create(long.Add(time.Hour))
	for i, want := range []int{1, 1, 0} {
		n, err := w.a.DeleteResultSets(w.Context(), edge.CreatedAt, 1)
		w.ok(err)
		if n != want {
			w.Errorf("round %d deleted %d", i, n)
		}
		if i == 0 {
			w.want(old)
		}
	}
	w.wantNone(oldest.ScanID)
	w.wantNone(old.ScanID)
	w.want(edge)
}

func resultSetHostile(w *resultWorld) {
	for _, id := range []string{"\x00", "\xff", "' OR 1=1 --"} {
		if got, err := w.a.LoadResultSet(w.Context(), w.person, id); !errors.Is(err, results.ErrNotFound) {
			w.Errorf("%q: %+v, %v", id, got, err)
		}
		w.ok(w.a.DeleteResultSet(w.Context(), w.person, id))
		rec := results.SetRecord{ScanID: id, Person: w.person, CreatedAt: start, ChangedAt: start, Version: 1, Head: []byte("h")}
		if _, _, err := w.a.CreateResultSet(context.WithoutCancel(w.Context()), rec); !errors.Is(err, results.ErrNotFound) {
			w.Errorf("%q: created, %v", id, err)
		}
	}
}

func resultSetGoesWithScan(w *resultWorld, deleteScan func(id string)) {
	rec := w.save(w.create(start), []byte("one"))
	deleteScan(rec.ScanID)
	w.wantNone(rec.ScanID)
}
