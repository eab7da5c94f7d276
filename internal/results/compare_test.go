package results_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
)

// referenceCompare says of each result of both scans what became of it, as
// "change: old status > new status: key", and which resources are gone.
func referenceCompare(old, new []results.Row, both, wholeOld, wholeNew map[string]bool) (changes, gone []string) {
	find := func(rows []results.Row, key results.Key) string {
		for i := range rows {
			if results.KeyOf(&rows[i].Result) == key {
				return strings.ToLower(rows[i].Status) + "!"
			}
		}
		return ""
	}
	resourceThere := func(key results.Key) bool {
		key.Control = ""
		return slices.ContainsFunc(new, func(r results.Row) bool {
			k := results.KeyOf(&r.Result)
			hasControl := k.Control != ""
			k.Control = ""
			return hasControl && k == key
		})
	}
	counts := map[results.Key][2]int{}
	for i := range old {
		key := results.KeyOf(&old[i].Result)
		if !key.Whole() || !both[key.Subscription] {
			continue
		}
		was, is := find(old, key), find(new, key)
		if is == "" && wholeNew[key.Subscription] && !resourceThere(key) {
			resource := key
			resource.Control = ""
			n := counts[resource]
			n[0]++
			if was == "failed!" {
				n[1]++
			}
			counts[resource] = n
			continue
		}
		if was != "failed!" {
			continue
		}
		change := results.Undecided
		switch is {
		case "":
			change = results.Unreported
		case "failed!":
			change = results.StillOpen
		case "passed!", "notapplicable!":
			change = results.Fixed
		}
		changes = append(changes, fmt.Sprint(change, ": ", was, " > ", is, ": ", key))
	}
	for i := range new {
		key := results.KeyOf(&new[i].Result)
		if !key.Whole() || !both[key.Subscription] || strings.ToLower(new[i].Status) != "failed" {
			continue
		}
		switch was := find(old, key); {
		case was == "" && !wholeOld[key.Subscription]:
			changes = append(changes, fmt.Sprint(results.NotComparable, ":  > failed!: ", key))
		case was != "failed!":
			changes = append(changes, fmt.Sprint(results.NewFailure, ": ", was, " > failed!: ", key))
		}
	}
	for key, n := range counts {
		gone = append(gone, fmt.Sprint(key, n))
	}
	slices.Sort(changes)
	slices.Sort(gone)
	return changes, gone
}

// told reads a difference in the same form, in pages of seven.
func told(t *testing.T, d *results.Difference) (changes, gone []string) {
	t.Helper()
	for change := results.NewFailure; change <= results.NotComparable; change++ {
		n := 0
		for {
			list, err := d.List(change, n, 7)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			n += len(list)
			for _, c := range list {
				was, is, key := "", "", results.Key{}
				if c.Before != nil {
					was, key = strings.ToLower(c.Before.Status)+"!", results.KeyOf(&c.Before.Result)
				}
				if c.After != nil {
					is = strings.ToLower(c.After.Status) + "!"
					if after := results.KeyOf(&c.After.Result); was != "" && after != key {
						t.Errorf("%v became %v", key, after)
					} else {
						key = after
					}
				}
				changes = append(changes, fmt.Sprint(change, ": ", was, " > ", is, ": ", key))
			}
		}
		if n != d.Count(change) {
			t.Errorf("%d listed of %d", n, d.Count(change))
		}
	}
	for offset := 0; offset < d.GoneCount(); offset += 7 {
		for _, g := range d.Gone(offset, 7) {
			key := results.KeyOf(&azts.Result{SubscriptionID: g.Subscription, ResourceID: g.ID, ResourceName: g.Name, ResourceGroupName: g.Group})
			gone = append(gone, fmt.Sprint(key, [2]int{g.Rows, g.Failed}))
		}
	}
	slices.Sort(changes)
	slices.Sort(gone)
	return changes, gone
}

func TestComparingTellsLikeTheReference(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 11))
		w := newWorld(t)
		sets, rows := [2]*results.Set{}, [2][]results.Row{}
		short := random.IntN(4) // this set, if there is one of this number
		for i := range sets {
			list := randomRows(random, 2+random.IntN(200))
			for j := range list {
				if random.IntN(2) == 0 {
					list[j].Status = []string{"Failed", "Passed"}[random.IntN(2)]
				}
			}
			writer, id := w.begin(subA, subB)
			w.ok(feed(t.Context(), writer, list, 50))
			if i == short { // one more page of B is to come, and never does
				writer, id = w.begin(subA, subB)
				for _, sub := range []string{subA, subB} {
					own := slices.DeleteFunc(slices.Clone(list), func(r azts.Result) bool { return r.SubscriptionID != sub })
					p := page(map[string]string{subA: "", subB: "1"}[sub], -1, own...)
					w.ok(writer.Add(t.Context(), sub, p))
				}
			}
			_, err := writer.Finish(t.Context())
			w.ok(err)
			sets[i], rows[i] = w.open(id), unique(list)
		}
		d := results.Compare(sets[0], sets[1])
		changes, gone := told(t, d)
		whole := [2]map[string]bool{{}, {}}
		for i, set := range sets {
			for _, sub := range set.Info().Subscriptions {
				whole[i][sub.ID] = sub.State == results.SubWhole
			}
		}
		wantChanges, wantGone := referenceCompare(rows[0], rows[1], map[string]bool{subA: true, subB: true}, whole[0], whole[1])
		if !slices.Equal(changes, wantChanges) {
			t.Fatalf("seed %d:\n%s\nwant\n%s", seed, strings.Join(changes, "\n"), strings.Join(wantChanges, "\n"))
		}
		if !slices.Equal(gone, wantGone) {
			t.Fatalf("seed %d: gone\n%s\nwant\n%s", seed, strings.Join(gone, "\n"), strings.Join(wantGone, "\n"))
		}
	}
}

func TestOnlySubscriptionsOfBothAreCompared(t *testing.T) {
	w := newWorld(t)
	const subC = "2b7e2a4c-7777-4888-9999-aaaabbbbcccc"
	one := func(sub, status string) azts.Result {
		return azts.Result{SubscriptionID: sub, ControlName: "c", ResourceID: "r", Status: status}
	}
	old := w.open(w.keep([]azts.Result{one(subA, "Failed"), one(subB, "Failed")}))
	new := w.open(w.keep([]azts.Result{one(subB, "Passed"), one(subC, "Failed")}))
	d := results.Compare(old, new)
	if d.Count(results.Fixed) != 1 || d.Count(results.NewFailure) != 0 || d.Count(results.Unreported) != 0 || d.GoneCount() != 0 {
		t.Errorf("%d fixed, %d new, %d unreported, %d gone", d.Count(results.Fixed), d.Count(results.NewFailure), d.Count(results.Unreported), d.GoneCount())
	}
	if !reflect.DeepEqual(d.OnlyOld, []string{subA}) || !reflect.DeepEqual(d.OnlyNew, []string{subC}) || len(d.Incomplete) != 0 {
		t.Errorf("%v, %v, %v", d.OnlyOld, d.OnlyNew, d.Incomplete)
	}
	if list, err := d.List(results.Change(99), 0, 10); err != nil || len(list) > 0 || d.Count(-1) != 0 {
		t.Error("a change that is none has results")
	}
}

func TestOnlySomeSubscriptionsAreCompared(t *testing.T) {
	w := newWorld(t)
	one := func(sub, status string) azts.Result {
		return azts.Result{SubscriptionID: sub, ControlName: "c", ResourceID: "r", Status: status}
	}
	old := w.open(w.keep([]azts.Result{one(subA, "Failed"), one(subB, "Passed")}))
	new := w.open(w.keep([]azts.Result{one(subA, "Passed"), one(subB, "Failed")}))
	for wanted, want := range map[string][2]int{subA: {0, 1}, strings.ToUpper(subB): {1, 0}, "no such": {0, 0}} {
		d := results.Compare(old, new, wanted)
		if got := [2]int{d.Count(results.NewFailure), d.Count(results.Fixed)}; got != want || len(d.OnlyOld) != 0 || len(d.OnlyNew) != 0 {
			t.Errorf("%s: %v new and fixed, want %v; left out %v, %v", wanted, got, want, d.OnlyOld, d.OnlyNew)
		}
	}
}

func TestNothingIsConcludedFromWhatWasNotRead(t *testing.T) {
	w := newWorld(t)
	rows := generate(200, 1, subA)
	for i := range rows {
		rows[i].Status = "Failed"
	}
	old := w.open(w.keep(rows))
	writer, id := w.begin(subA)
	w.ok(writer.Add(t.Context(), subA, page("1", 200, rows[:100]...)))
	_, err := writer.Finish(t.Context())
	w.ok(err)
	d := results.Compare(old, w.open(id))
	if d.GoneCount() != 0 || d.Count(results.Fixed) != 0 || d.Count(results.Unreported) != 100 || d.Count(results.StillOpen) != 100 || !slices.Equal(d.Incomplete, []string{subA}) {
		t.Errorf("%d gone, %d fixed, %d unreported, incomplete %v", d.GoneCount(), d.Count(results.Fixed), d.Count(results.Unreported), d.Incomplete)
	}
}

func TestWhatAnIncompleteOldScanLacksIsNotNew(t *testing.T) {
	w := newWorld(t)
	rows := generate(200, 1, subA, subB)
	for i := range rows {
		rows[i].Status = "Failed"
	}
	own := func(sub string) []azts.Result {
		return slices.DeleteFunc(slices.Clone(rows), func(r azts.Result) bool { return r.SubscriptionID != sub })
	}
	a, b := own(subA), own(subB)
	passed := slices.Clone(a[:50])
	passed[0].Status = "Passed"
	writer, id := w.begin(subA, subB)
	w.ok(writer.Add(t.Context(), subA, page("1", 100, passed...))) // and no more of it
	w.ok(writer.Add(t.Context(), subB, page("", -1, b[1:]...)))
	_, err := writer.Finish(t.Context())
	w.ok(err)
	d := results.Compare(w.open(id), w.open(w.keep(rows)))
	got := [...]int{d.Count(results.NewFailure), d.Count(results.NotComparable), d.Count(results.StillOpen)}
	if want := [...]int{2, len(a) - 50, 49 + len(b) - 1}; got != want {
		t.Errorf("%v new, not comparable and still open, want %v", got, want)
	}
}

func TestDifferencesAreInOrder(t *testing.T) {
	w := newWorld(t)
	before, after := generate(2000, 1, subA, subB), generate(1900, 2, subA, subB)
	d := results.Compare(w.open(w.keep(before)), w.open(w.keep(after)))
	list, err := d.List(results.NewFailure, 0, 1<<30)
	w.ok(err)
	if len(list) != min(d.Count(results.NewFailure), results.MaxLimit) || !slices.IsSortedFunc(list, func(a, b results.Changed) int {
		return cmp.Or(byPlace(severityPlaces, 4)(a.After.Severity, b.After.Severity), cmp.Compare(a.After.Number, b.After.Number))
	}) {
		t.Error("new failures are not the most severe first")
	}
	gone := d.Gone(0, 1<<30)
	if len(gone) == 0 || !slices.IsSortedFunc(gone, func(a, b results.GoneResource) int { return cmp.Compare(b.Failed, a.Failed) }) {
		t.Errorf("%d gone, not those with most failures first", len(gone))
	}
}
