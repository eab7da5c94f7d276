package results_test

import (
	"slices"
	"testing"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
)

func TestTheHistoryOfAResult(t *testing.T) {
	w := newWorld(t)
	row := azts.Result{SubscriptionID: subA, ControlName: "Azure_KeyVault_Ää", ResourceID: "/subscriptions/x/kv", StatusReason: "because"}
	filler := generate(50, 1, subA)
	var ids []string
	for _, status := range []string{"Failed", "Failed", "", "Passed"} {
		rows := slices.Clone(filler)
		if status != "" { // once it was not reported
			row.Status = status
			rows = append(rows, row)
		}
		ids = append(ids, w.keep(rows))
	}
	elsewhere := w.keep(generate(20, 1, subB))
	sets, _ := w.Cached()
	before := w.records.loads
	past, err := w.History(t.Context(), ann, results.KeyOf(&row), 10)
	w.ok(err)
	want := []string{"Passed", "Failed", "Failed"}
	if len(past) != 3 {
		t.Fatalf("%+v", past)
	}
	for i, p := range past {
		if p.Row.Status != want[i] || p.ScanID != ids[[]int{3, 1, 0}[i]] || p.Row.StatusReason != "because" || p.At.Before(noon) {
			t.Errorf("%d: %+v", i, p)
		}
	}
	if after, _ := w.Cached(); after != sets || w.records.loads-before != 4 {
		t.Errorf("%d sets were decoded, %d more are in memory", w.records.loads-before, after-sets)
	}
	if past, err := w.History(t.Context(), ann, results.KeyOf(&row), 2); err != nil || len(past) != 1 {
		t.Errorf("in the two newest: %+v, %v", past, err)
	}
	for name, key := range map[string]results.Key{"no control": {Subscription: subA, Resource: "/subscriptions/x/kv"}, "another subscription": {Subscription: subB, Control: "azure_keyvault_ää", Resource: "/subscriptions/x/kv"}} {
		if past, err := w.History(t.Context(), ann, key, 10); err != nil || len(past) > 0 {
			t.Errorf("%s: %+v, %v", name, past, err)
		}
	}
	if _, err := w.Open(t.Context(), ann, elsewhere); err != nil {
		t.Error(err)
	}
}

func TestFindingAResultByItsKey(t *testing.T) {
	w := newWorld(t)
	rows := generate(700, 1, subA, subB)
	set := w.open(w.keep(rows))
	for _, i := range []int{0, 350, 699} {
		if row, found, err := set.Find(results.KeyOf(&rows[i])); err != nil || !found || row.Number != i || row.Result != rows[i] {
			t.Errorf("%d: %+v, %v, %v", i, row, found, err)
		}
	}
	key := results.KeyOf(&rows[0])
	for name, change := range map[string]func(*results.Key){
		"control": func(k *results.Key) { k.Control = "none" }, "resource": func(k *results.Key) { k.Resource = "none" },
		"subscription": func(k *results.Key) { k.Subscription = subB }, "nothing": func(k *results.Key) { *k = results.Key{} },
		"a control of another resource": func(k *results.Key) { k.Control = results.KeyOf(&rows[11]).Control },
	} {
		k := key
		change(&k)
		if row, found, err := set.Find(k); err != nil || found {
			t.Errorf("%s: %+v, %v", name, row, err)
		}
	}
}

func TestTheTrendIsToldByTheCountsAlone(t *testing.T) {
	w := newWorld(t)
	count := func(sub string, passed, failed int) []azts.Result {
		rows := generate(passed+failed, 1, sub)
		for i := range rows {
			rows[i].Status = map[bool]string{true: "passed", false: "Failed"}[i < passed]
		}
		return rows
	}
	first := w.keep(append(count(subA, 10, 10), count(subB, 30, 0)...))
	second := w.keep(count(subA, 15, 5))
	writer, _ := w.begin(subB) // read in part: does not count
	w.ok(writer.Add(t.Context(), subB, page("1", 30, count(subB, 0, 3)...)))
	_, err := writer.Finish(t.Context())
	w.ok(err)
	fourth := w.keep(count(subB, 20, 10))
	w.records.segments = nil // no rows are read
	type numbers struct {
		scan                                string
		rows, passed, failed, subscriptions int
	}
	for name, c := range map[string]struct {
		subscription string
		limit        int
		want         []numbers
	}{
		"of all":     {"", 10, []numbers{{first, 50, 40, 10, 2}, {second, 50, 45, 5, 2}, {fourth, 50, 35, 15, 2}}},
		"of one":     {subA, 10, []numbers{{first, 20, 10, 10, 1}, {second, 20, 15, 5, 1}}},
		"the newest": {"", 1, []numbers{{fourth, 50, 35, 15, 2}}},
		"of none":    {"x", 10, nil},
	} {
		points, err := w.Trend(t.Context(), ann, c.subscription, c.limit)
		w.ok(err)
		var got []numbers
		for _, p := range points {
			got = append(got, numbers{p.ScanID, p.Rows, p.Passed, p.Failed, p.Subscriptions})
		}
		if !slices.Equal(got, c.want) || !slices.IsSortedFunc(points, func(a, b results.Point) int { return a.At.Compare(b.At) }) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	list, err := w.List(t.Context(), ann, 2)
	w.ok(err)
	if len(list) != 2 || list[0].ScanID != fourth || list[0].Failed != 10 || list[0].Passed != 20 || list[1].State != results.Short {
		t.Errorf("%+v", list)
	}
}

func TestOldSetsExpire(t *testing.T) {
	w := newWorld(t)
	rows := generate(10, 1, subA)
	var ids []string
	for range 45 {
		ids = append(ids, w.keep(rows))
	}
	list, err := w.List(t.Context(), ann, 5)
	w.ok(err)
	n, err := w.Expire(t.Context(), list[4].CreatedAt)
	w.ok(err)
	if n != 40 || len(w.records.sets) != 5 || len(w.records.segments) != 5 {
		t.Errorf("%d expired, %d are left", n, len(w.records.sets))
	}
	if _, err := w.Open(t.Context(), ann, ids[39]); err == nil {
		t.Error("an old one is there")
	}
	w.open(ids[40])
}

func TestTheSummaryAddsUp(t *testing.T) {
	w := newWorld(t)
	rows := generate(3000, 1, subA, subB)
	rows[0].Status, rows[1].Severity, rows[2].ResourceGroupName = "Quarantined", "", "RG-Checkout-0000"
	set := w.open(w.keep(rows))
	s := set.Summary()
	for name, c := range map[string]struct {
		list []results.Tally
		of   func(*azts.Result) string
	}{
		"status": {s.Status, func(r *azts.Result) string { return r.Status }}, "severity": {s.Severity, func(r *azts.Result) string { return r.Severity }},
		"category": {s.Category, func(r *azts.Result) string { return r.Category }}, "subscription": {s.Subscription, func(r *azts.Result) string { return r.SubscriptionID }},
	} {
		want := map[string]results.Tally{}
		for i := range rows {
			tally := want[c.of(&rows[i])]
			tally.Value = c.of(&rows[i])
			tally.Rows++
			switch rows[i].Status {
			case "Passed":
				tally.Passed++
			case "Failed":
				tally.Failed++
			}
			want[tally.Value] = tally
		}
		if len(c.list) != len(want) {
			t.Errorf("%s: %d values, want %d", name, len(c.list), len(want))
		}
		for _, tally := range c.list {
			if want[tally.Value] != tally {
				t.Errorf("%s: %+v, want %+v", name, tally, want[tally.Value])
			}
		}
	}
	info := set.Info()
	if s.Rows != 3000 || s.Passed != info.Passed || s.Failed != info.Failed || s.Passed == 0 || s.Failed == 0 {
		t.Errorf("%d rows, %d passed, %d failed; the head says %+v", s.Rows, s.Passed, s.Failed, info)
	}
	if s.Groups != 15 || len(s.Group) != 15 || s.Resources != 300 || s.Categories != 4 || s.Subscriptions != 2 {
		t.Errorf("%d groups, %d resources", s.Groups, s.Resources) // one group is written in two ways
	}
	if s.Status[0].Value != "Failed" || s.Status[2].Value != "Quarantined" || s.Severity[0].Value != "Critical" || s.Severity[4].Value != "" {
		t.Errorf("%+v, %+v", s.Status, s.Severity)
	}
	if !slices.IsSortedFunc(s.Group, func(a, b results.Tally) int { return b.Failed - a.Failed }) {
		t.Error("groups are not in the order of their failures")
	}
}
