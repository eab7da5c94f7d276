package results_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/store/storetest"
)

// all returns the rows of a set in AzTS's order.
func all(t testing.TB, set *results.Set) []results.Row {
	t.Helper()
	var out []results.Row
	for row, err := range set.Rows(results.Query{Sort: results.SortTaken}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, row)
	}
	return out
}

func wantRows(t testing.TB, set *results.Set, want []results.Row) {
	t.Helper()
	got := all(t, set)
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("row %d is\n%+v, want\n%+v", i, got[i], want[i])
		}
	}
}

func page(next string, total int, rows ...azts.Result) *azts.ResultPage {
	return &azts.ResultPage{Results: rows, Next: next, TotalRecords: azts.Count{N: total, Known: total >= 0}}
}

func TestResultsAreKeptAsTheyCame(t *testing.T) {
	w := newWorld(t)
	rows := generate(950, 3, subA, subB)
	rows[7].Status, rows[8].Severity, rows[9].Category = "Quarantined", "Catastrophic", ""
	rows[10].ExceptionExpiry = azts.Stamp{Text: "31.02.2026"}
	set := w.open(w.keep(rows))
	wantRows(t, set, unique(rows))
	if info := set.Info(); info.State != results.Whole || info.Rows != 950 || len(info.Subscriptions) != 2 || info.Subscriptions[0].State != results.SubWhole || info.Subscriptions[0].Pages != 5 {
		t.Errorf("%+v", info)
	}
	row, found, err := set.Row(949)
	if err != nil || !found || row.Result != rows[949] {
		t.Errorf("the last row: %+v, %v, %v", row, found, err)
	}
	if _, found, _ := set.Row(950); found {
		t.Error("there is a row behind the last")
	}
}

func TestRowsThatComeTwiceAreKeptOnce(t *testing.T) {
	w := newWorld(t)
	first := azts.Result{SubscriptionID: subA, ControlName: "Azure_Storage_DP", ResourceID: "/subscriptions/x/st1", ResourceName: "st1", Status: "Failed"}
	shouted, elsewhere, unnamed := first, first, first
	shouted.ControlName, shouted.ResourceID, shouted.Status = strings.ToUpper(first.ControlName), strings.ToUpper(first.ResourceID), "Passed"
	elsewhere.SubscriptionID = subB
	unnamed.ControlName, unnamed.StatusReason = "", "one"
	other := unnamed
	other.StatusReason = "two" // nothing says that it is the same
	writer, id := w.begin(subA, strings.ToUpper(subB))
	w.ok(writer.Add(t.Context(), subA, page("", 5, first, unnamed, shouted, unnamed, other)))
	w.ok(writer.Add(t.Context(), subB, page("", 1, elsewhere)))
	info, err := writer.Finish(t.Context())
	w.ok(err)
	wantRows(t, w.open(id), []results.Row{{Number: 0, Result: first}, {Number: 1, Result: unnamed}, {Number: 2, Result: other}, {Number: 3, Result: elsewhere}})
	a := info.Subscriptions[0]
	if a.Rows != 3 || a.Duplicates != 2 || a.Failed != 3 || a.Passed != 0 || a.Missing() != 2 || a.State != results.SubShort || info.State != results.Short {
		t.Errorf("%+v, %s", a, info.State)
	}
	if b := info.Subscriptions[1]; b.State != results.SubWhole || b.ID != subB {
		t.Errorf("%+v", b)
	}
}

func TestResourcesWithoutAnIDAreToldByTheirName(t *testing.T) {
	w := newWorld(t)
	one := azts.Result{SubscriptionID: subA, ControlName: "c", ResourceName: "st1", ResourceGroupName: "rg1"}
	two, again := one, one
	two.ResourceGroupName = "rg2"
	again.ResourceName = "ST1"
	set := w.open(w.keep([]azts.Result{one, two, again}))
	wantRows(t, set, []results.Row{{Number: 0, Result: one}, {Number: 1, Result: two}})
	if row, found, err := set.Find(results.KeyOf(&two)); err != nil || !found || row.Number != 1 {
		t.Errorf("%+v, %v, %v", row, found, err)
	}
}

func TestAShortTotalIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		page *azts.ResultPage
		want results.SubscriptionState
	}{
		"as many as said":    {page("", 3, generate(3, 1, subA)...), results.SubWhole},
		"more than said":     {page("", 2, generate(3, 1, subA)...), results.SubWhole},
		"nothing said":       {page("", -1, generate(3, 1, subA)...), results.SubWhole},
		"fewer than said":    {page("", 4, generate(3, 1, subA)...), results.SubShort},
		"one was unreadable": {&azts.ResultPage{Results: generate(3, 1, subA), Skipped: 1}, results.SubShort},
		"one is elsewhere's": {page("", 3, generate(3, 1, subA, subB)...), results.SubWhole},
		"one of another":     {page("", -1, append(generate(3, 1, subA), generate(1, 1, subB)...)...), results.SubShort},
	} {
		w := newWorld(t)
		writer, id := w.begin(subA)
		w.ok(writer.Add(t.Context(), subA, c.page))
		info, err := writer.Finish(t.Context())
		w.ok(err)
		if got := info.Subscriptions[0]; got.State != c.want || (info.State == results.Whole) != (c.want == results.SubWhole) {
			t.Errorf("%s: %+v, %s", name, got, info.State)
		}
		if stored := w.open(id).Info(); stored.State != info.State || stored.Rows != 3 {
			t.Errorf("%s: stored is %+v", name, stored)
		}
	}
}

func TestSubscriptionsThatEndEarlyAreShort(t *testing.T) {
	w := newWorld(t)
	writer, id := w.begin(subA, subB)
	w.ok(writer.Add(t.Context(), subA, page("1", 200, generate(100, 1, subA)...)))
	writer.End(subA, results.SubGone)
	writer.End(subA, results.SubLoop) // it has ended
	if _, more := writer.Next(subA); more {
		t.Error("what is gone is read on")
	}
	if err := writer.Add(t.Context(), subA, page("", 0)); !apperr.HasCode(err, "results_done") {
		t.Errorf("a page of it: %v", err)
	}
	info, err := writer.Finish(t.Context())
	w.ok(err)
	if info.State != results.Short || info.Subscriptions[0].State != results.SubGone || info.Subscriptions[1].State != results.SubShort {
		t.Errorf("%+v", info)
	}
	if n := w.open(id).Len(); n != 100 {
		t.Errorf("%d rows", n)
	}
	if _, err := writer.Finish(t.Context()); !apperr.HasCode(err, "results_done") {
		t.Errorf("twice finished: %v", err)
	}
	if _, err := w.Begin(t.Context(), ann, id, []string{subA}); !apperr.IsKind(err, apperr.Conflict) {
		t.Errorf("begun again: %v", err)
	}
}

func TestACircleOfPagesEnds(t *testing.T) {
	rows := generate(300, 1, subA)
	for name, tokens := range map[string][]string{"the same page": {"1", "1"}, "an earlier page": {"1", "2", "1"}} {
		w := newWorld(t)
		writer, id := w.begin(subA)
		var err error
		for i, next := range tokens {
			if err = writer.Add(t.Context(), subA, page(next, 300, rows[i*100:i*100+100]...)); err != nil && i < len(tokens)-1 {
				t.Fatal(name, i, err)
			}
		}
		if !apperr.HasCode(err, "results_loop") {
			t.Errorf("%s: %v", name, err)
		}
		info, err := writer.Finish(t.Context())
		w.ok(err)
		if info.State != results.Short || info.Subscriptions[0].State != results.SubLoop || w.open(id).Len() != 100*len(tokens) {
			t.Errorf("%s: %+v", name, info)
		}
	}
	w := newWorld(t)
	w.SetLimits(results.Limits{Pages: 3})
	writer, _ := w.begin(subA)
	w.ok(writer.Add(t.Context(), subA, page("1", -1)))
	w.ok(writer.Add(t.Context(), subA, page("2", -1)))
	if err := writer.Add(t.Context(), subA, page("3", -1)); !apperr.HasCode(err, "results_loop") {
		t.Errorf("pages without an end: %v", err)
	}
}

// A circle that began before a restart is walked once more, and doubles nothing.
func TestACircleAfterARestartEnds(t *testing.T) {
	w := newWorld(t)
	w.SetLimits(results.Limits{SegmentRows: 1})
	rows := generate(200, 1, subA)
	writer, id := w.begin(subA)
	w.ok(writer.Add(t.Context(), subA, page("1", 300, rows[:100]...)))
	for i := range 9 {
		writer, err := w.Begin(t.Context(), ann, id, []string{subA})
		w.ok(err)
		err = writer.Add(t.Context(), subA, page("2", 300, rows[100:]...))
		if i == 0 && err == nil {
			err = writer.Add(t.Context(), subA, page("1", 300, rows[100:]...))
		}
		if apperr.HasCode(err, "results_loop") {
			w.ok(writer.Flush(t.Context()))
			if n := w.open(id).Len(); n != 200 {
				t.Errorf("%d rows", n)
			}
			return
		}
		w.ok(err)
	}
	t.Error("it goes on and on")
}

func TestALimitEndsASetClearly(t *testing.T) {
	for name, limit := range map[string]results.Limits{
		"rows": {Rows: 250}, "names": {NameBytes: 16<<10 + 3000}, "texts": {TextBytes: 128<<10 + 20_000}, "bytes": {SetBytes: 20_000},
	} {
		w := newWorld(t)
		limit.SegmentRows = 50
		w.SetLimits(limit)
		writer, id := w.begin(subA, subB)
		rows := generate(2000, 1, subA, subB)
		if err := feed(t.Context(), writer, rows, 100); !apperr.HasCode(err, "results_full") {
			t.Errorf("%s: %v", name, err)
		}
		if _, more := writer.Next(subB); more {
			t.Errorf("%s: more is asked for", name)
		}
		info, err := writer.Finish(t.Context())
		w.ok(err)
		set := w.open(id)
		if info.State != results.Full || info.Subscriptions[0].State != results.SubCut || info.Subscriptions[1].State != results.SubCut {
			t.Errorf("%s: %+v", name, info)
		}
		if set.Len() == 0 || set.Len() >= 2000 || name == "rows" && set.Len() != 250 || set.Len() != info.Rows {
			t.Errorf("%s: %d rows", name, set.Len())
		}
		wantRows(t, set, unique(rows)[:set.Len()])
	}
}

func TestHostileTextsAreJustBytes(t *testing.T) {
	w := newWorld(t)
	hostile := []string{"\x00", "a\x00b", "\xff\xfe", "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "'; DROP TABLE scans; --", strings.Repeat("é", 10<<20), "\u202eevil", "%s%n{{.}}"}
	var rows []azts.Result
	for i, s := range hostile {
		rows = append(rows, azts.Result{SubscriptionID: subA, ControlName: "c" + s, ControlDisplayName: s, Status: s, Severity: s, ResourceName: s, ResourceGroupName: s,
			ResourceID: string(rune('a'+i)) + s, StatusReason: s, Description: s, Category: s, Remediation: s, Justification: s, ExceptionWorkflow: s,
			ExceptionExpiry: azts.Stamp{Text: s}, OrganizationTenant: s})
	}
	got := all(t, w.open(w.keep(rows)))
	if len(got) != len(hostile) {
		t.Fatalf("%d rows", len(got))
	}
	for i, s := range hostile {
		want := strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
		for name, text := range map[string]string{"reason": got[i].StatusReason, "description": got[i].Description, "remediation": got[i].Remediation, "justification": got[i].Justification} {
			if long := len(want) > azts.TextLimit; long && (len(text) > azts.TextLimit || len(text) < azts.TextLimit-3 || !strings.HasPrefix(want, text)) || !long && text != want || !utf8.ValidString(text) {
				t.Errorf("%s %d is %.40q of %d bytes", name, i, text, len(text))
			}
		}
		for name, text := range map[string]string{"status": got[i].Status, "group": got[i].ResourceGroupName, "name": got[i].ResourceName, "category": got[i].Category, "expiry": got[i].ExceptionExpiry.Text} {
			if long := len(want) > azts.NameLimit; long && (len(text) > azts.NameLimit || !strings.HasPrefix(want, text)) || !long && text != want {
				t.Errorf("%s %d is %.40q of %d bytes", name, i, text, len(text))
			}
		}
	}
}

// Whatever write is the last before the process dies, and whether or not its
// answer still came: the next writer goes on, and the set is the same.
func TestACrashAtEachWriteLosesAndDoublesNothing(t *testing.T) {
	died := errors.New("power cut")
	random := rand.New(rand.NewPCG(4, 4))
	rows := randomRows(random, 600)
	rows = append(rows, generate(300, 4, subA, subB)...)
	slices.SortStableFunc(rows, func(a, b azts.Result) int { return strings.Compare(a.SubscriptionID, b.SubscriptionID) })
	want := unique(rows)
	for _, stored := range []bool{false, true} {
		for at := 1; ; at++ {
			w := newWorld(t)
			w.SetLimits(results.Limits{SegmentRows: 70})
			writer, id := w.begin(subA, subB)
			crash := func(saves int) error {
				if saves == at {
					return died
				}
				return nil
			}
			if w.records.failBefore = crash; stored {
				w.records.failBefore, w.records.failAfter = nil, crash
			}
			err := feed(t.Context(), writer, rows, 30)
			if err == nil {
				_, err = writer.Finish(t.Context())
			}
			crashed := err != nil
			if crashed {
				if again := writer.Flush(t.Context()); !errors.Is(err, died) || !errors.Is(again, died) {
					t.Fatalf("write %d: %v, and then %v", at, err, again)
				}
				w.resume(id, rows, at)
			}
			set := w.open(id)
			wantRows(t, set, want)
			for range 3 {
				wantLike(t, set, want, randomQuery(random))
			}
			duplicates := 0
			for _, s := range set.Info().Subscriptions {
				duplicates += s.Duplicates
			}
			if duplicates != len(rows)-len(want) {
				t.Fatalf("write %d: %d duplicates are told, want %d", at, duplicates, len(rows)-len(want))
			}
			if !crashed {
				if at < 10 {
					t.Errorf("only %d writes", at)
				}
				break
			}
		}
	}
}

// resume reads the rest of rows by another archive, as another process would.
func (w *world) resume(id string, rows []azts.Result, at int) {
	w.Helper()
	other := w.archive(nil, 0)
	other.SetLimits(results.Limits{SegmentRows: 70})
	writer, err := other.Begin(w.Context(), ann, id, []string{subB, subA})
	if apperr.HasCode(err, "results_done") {
		return // the last write was stored, only its answer was lost
	}
	w.ok(err)
	if token, more := writer.Next(subA); at > 2 && more && token == "" {
		w.Fatalf("write %d: it begins anew", at)
	}
	w.ok(feed(w.Context(), writer, rows, 30))
	_, err = writer.Finish(w.Context())
	w.ok(err)
}

func TestASetInADatabaseOutlivesItsProcess(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			url := kind.New(t)
			rows := generate(9000, 2, subA)
			first := openDatabase(t, url)
			id := first.scan(ann)
			w, err := first.Begin(t.Context(), ann, id, []string{subA})
			if err != nil {
				t.Fatal(err)
			}
			for range 60 { // 6,000 rows: one segment, and a half that is lost
				token, _ := w.Next(subA)
				p := pageOf(rows, token, 100)
				if err := w.Add(t.Context(), subA, &p); err != nil {
					t.Fatal(err)
				}
			}
			if err := first.db.Close(); err != nil {
				t.Fatal(err)
			}
			second := openDatabase(t, url)
			w, err = second.Begin(t.Context(), ann, id, []string{subA})
			if err != nil {
				t.Fatal(err)
			}
			if token, more := w.Next(subA); !more || token != "41" {
				t.Errorf("it goes on at %q, %v", token, more)
			}
			if err := feed(t.Context(), w, rows, 100); err != nil {
				t.Fatal(err)
			}
			if info, err := w.Finish(t.Context()); err != nil || info.State != results.Whole || info.Subscriptions[0].Duplicates != 0 {
				t.Errorf("%+v, %v", info, err)
			}
			set, err := second.Open(t.Context(), ann, id)
			if err != nil {
				t.Fatal(err)
			}
			wantRows(t, set, unique(rows))
			if n, err := second.Expire(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 1 {
				t.Errorf("%d sets expired, %v", n, err)
			}
			if _, err := second.Open(t.Context(), ann, id); !apperr.IsKind(err, apperr.NotFound) {
				t.Errorf("after its time: %v", err)
			}
		})
	}
}

func TestOfTwoWritersOneStores(t *testing.T) {
	w := newWorld(t)
	rows := generate(200, 1, subA)
	one, id := w.begin(subA)
	two, err := w.Begin(t.Context(), ann, id, []string{subA})
	w.ok(err)
	w.ok(feed(t.Context(), one, rows, 100))
	w.ok(feed(t.Context(), two, rows, 100))
	_, err = one.Finish(t.Context())
	w.ok(err)
	if _, err := two.Finish(t.Context()); !errors.Is(err, results.ErrConflict) {
		t.Errorf("the later: %v", err)
	}
	wantRows(t, w.open(id), unique(rows))
}

func TestSubscriptionsAreReadSideBySide(t *testing.T) {
	w := newWorld(t)
	w.SetLimits(results.Limits{SegmentRows: 130})
	rows := generate(4000, 1, subA, subB)
	writer, id := w.begin(subA, subB)
	split := slices.IndexFunc(rows, func(r azts.Result) bool { return r.SubscriptionID == subB })
	var group sync.WaitGroup
	for _, part := range [][]azts.Result{rows[:split], rows[split:]} {
		group.Go(func() {
			if err := feed(t.Context(), writer, part, 100); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	info, err := writer.Finish(t.Context())
	w.ok(err)
	got := all(t, w.open(id))
	slices.SortStableFunc(got, func(a, b results.Row) int { return strings.Compare(a.SubscriptionID, b.SubscriptionID) })
	if info.State != results.Whole || len(got) != len(rows) {
		t.Fatalf("%+v", info)
	}
	for i := range got {
		if got[i].Result != rows[i] {
			t.Fatalf("row %d is another", i)
		}
	}
}

func TestASetCanBeLookedAtWhileItIsRead(t *testing.T) {
	w := newWorld(t)
	rows := generate(300, 1, subA)
	writer, id := w.begin(subA)
	for i := range 3 {
		p := pageOf(rows, []string{"", "1", "2"}[i], 100)
		w.ok(writer.Add(t.Context(), subA, &p))
		w.ok(writer.Flush(t.Context()))
		w.ok(writer.Flush(t.Context())) // nothing is new
		set := w.open(id)
		wantRows(t, set, unique(rows[:100*i+100]))
		if info := set.Info(); info.State != results.Reading {
			t.Errorf("%+v", info)
		}
	}
	if w.records.saves != 3 {
		t.Errorf("%d writes", w.records.saves)
	}
}

func TestASetNeedsAPersonAScanAndSubscriptions(t *testing.T) {
	w := newWorld(t)
	id := w.records.scan(ann)
	for name, try := range map[string]func() error{
		"nobody":          func() error { _, err := w.Begin(t.Context(), access.PersonID{}, id, []string{subA}); return err },
		"another":         func() error { _, err := w.Begin(t.Context(), bert, id, []string{subA}); return err },
		"no scan":         func() error { _, err := w.Begin(t.Context(), ann, "", []string{subA}); return err },
		"no subscription": func() error { _, err := w.Begin(t.Context(), ann, id, nil); return err },
		"not one":         func() error { _, err := w.Begin(t.Context(), ann, id, []string{"x"}); return err },
	} {
		if err := try(); err == nil {
			t.Errorf("%s: begun", name)
		}
	}
	writer, err := w.Begin(t.Context(), ann, id, []string{subA})
	w.ok(err)
	if err := writer.Add(t.Context(), subB, page("", 0)); err == nil {
		t.Error("a subscription that was not asked for is taken")
	}
}
