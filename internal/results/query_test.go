package results_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
)

// wantLike compares the answers to a query with the reference's.
func wantLike(t testing.TB, set *results.Set, all []results.Row, q results.Query) {
	t.Helper()
	got, err := set.Query(q)
	if err != nil {
		t.Fatal(err)
	}
	// No row can have it: what is kept has no NUL.
	reference := q
	reference.Text = strings.ReplaceAll(q.Text, "\x00", "")
	rows, total, facets := referenceQuery(all, reference)
	if got.Total != total || len(got.Rows) != len(rows) {
		t.Fatalf("%+v: %d of %d rows, want %d of %d", q, len(got.Rows), got.Total, len(rows), total)
	}
	for i := range rows {
		if got.Rows[i] != rows[i] {
			t.Fatalf("%+v: row %d is\n%+v, want\n%+v", q, i, got.Rows[i], rows[i])
		}
	}
	for _, f := range filters(&q) {
		facet, want := f.facet(&got.Facets), facets[f.name]
		if facet.Distinct != len(want) || len(facet.Values) != min(len(want), results.MaxValues) {
			t.Fatalf("%+v: facet %s has %d of %d values, want %d", q, f.name, len(facet.Values), facet.Distinct, len(want))
		}
		for _, v := range facet.Values {
			if value := strings.ToLower(v.Value); v.Rows == 0 || v.Rows != want[value] {
				t.Fatalf("%+v: facet %s gives %q %d rows, want %d", q, f.name, value, v.Rows, want[value])
			}
		}
	}
}

func randomRows(random *rand.Rand, n int) []azts.Result {
	var rows []azts.Result
	for _, sub := range []string{subA, subB} {
		for range n / 2 {
			rows = append(rows, randomRow(random, sub))
		}
	}
	return rows
}

func TestQueriesAnswerLikeTheReference(t *testing.T) {
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 7))
		w := newWorld(t)
		w.SetLimits(results.Limits{SegmentRows: 1 + random.IntN(60)})
		rows := randomRows(random, 2+random.IntN(300))
		if seed%2 == 1 { // blocks of nothing but ASCII are searched in another way
			ascii := func(s string) string { return strings.Map(func(r rune) rune { return min(r, 'z') }, s) }
			for i := range rows {
				rows[i].StatusReason, rows[i].Description, rows[i].Justification = ascii(rows[i].StatusReason), ascii(rows[i].Description), ascii(rows[i].Justification)
			}
		}
		id, all := w.keep(rows), unique(rows)
		set := w.open(id)
		for range 60 {
			wantLike(t, set, all, randomQuery(random))
		}
	}
}

func FuzzQuery(f *testing.F) {
	f.Add(uint64(1), "Failed", "st1", "port", "severity", true, 3, 10)
	f.Add(uint64(2), "", "", "\xff\x00 é", "none", false, -1, 1<<40)
	random := rand.New(rand.NewPCG(3, 3))
	w := newWorld(f)
	w.SetLimits(results.Limits{SegmentRows: 50})
	rows := randomRows(random, 400)
	set, all := w.open(w.keep(rows)), unique(rows)
	f.Fuzz(func(t *testing.T, seed uint64, status, resource, text, sort string, descending bool, offset, limit int) {
		q := randomQuery(rand.New(rand.NewPCG(seed, 1)))
		if status != "" {
			q.Status = append(q.Status, status)
		}
		if resource != "" {
			q.Resource = append(q.Resource, resource)
		}
		q.Sort, q.Descending, q.Offset, q.Limit = results.Sort(sort), descending, offset, limit
		page, err := set.Query(q)
		if err != nil || page.Total > set.Len() || len(page.Rows) > results.MaxLimit {
			t.Errorf("%+v: %d of %d rows, %v", q, len(page.Rows), page.Total, err)
		}
		if slices.Contains(results.Sorts(), q.Sort) {
			wantLike(t, set, all, q)
		}
		q.Text = text
		if page, err := set.Query(q); err != nil || page.Total > set.Len() {
			t.Errorf("%q: %d rows, %v", text, page.Total, err)
		}
	})
}

func TestRowsAreThoseOfAllPages(t *testing.T) {
	w := newWorld(t)
	set := w.open(w.keep(generate(3000, 5, subA, subB)))
	for _, q := range []results.Query{{}, {Sort: results.SortResource, Descending: true}, {Status: []string{"failed"}, Sort: results.SortSeverity}} {
		var streamed []results.Row
		for row, err := range set.Rows(q) {
			w.ok(err)
			streamed = append(streamed, row)
		}
		var paged []results.Row
		for q.Limit = 500; ; q.Offset += q.Limit {
			page, err := set.Query(q)
			w.ok(err)
			if len(page.Rows) == 0 {
				if len(streamed) != page.Total {
					t.Errorf("%+v: %d rows of %d", q, len(streamed), page.Total)
				}
				break
			}
			paged = append(paged, page.Rows...)
		}
		if !slices.Equal(streamed, paged) {
			t.Errorf("%+v: other rows, or in another order", q)
		}
	}
	for range set.Rows(results.Query{}) {
		break // whoever stops early must not be called again
	}
}

// TestTextsAreFoldedLikeWords: a word is found in whatever letters there are.
func TestTextsAreFoldedLikeWords(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for c := rune(0); c <= unicode.MaxRune; c++ {
		if !utf8.ValidRune(c) {
			continue
		}
		before, after := strings.Repeat("@AZ[az ", random.IntN(4)), strings.Repeat("`Straße\x00", random.IntN(4))
		// İ and the Kelvin sign become shorter, and Ⱥ longer.
		for _, text := range []string{before + string(c) + after, "İK" + before + string(c) + after, before + string(c) + "ȺȺ" + after} {
			if got, want := results.FoldInPlace(text), strings.ToLower(text); got != want {
				t.Fatalf("%q became %q, want %q", text, got, want)
			}
		}
	}
}

func TestLongTextsComeInSmallBatches(t *testing.T) {
	w := newWorld(t)
	rows := generate(1200, 5, subA)
	for i := range rows {
		rows[i].StatusReason = rows[i].ControlName + strings.Repeat("x", 31<<10) + rows[i].ResourceID // 36 MB
	}
	set := w.open(w.keep(rows))
	if n := set.Batch(); n < 200 || n > 450 {
		t.Errorf("%d rows of 31 KB are held at once", n)
	}
	n := 0
	for row, err := range set.Rows(results.Query{Sort: results.SortSeverity}) {
		w.ok(err)
		n++
		if want := rows[row.Number].StatusReason; row.StatusReason != want {
			t.Fatalf("row %d has another reason", row.Number)
		}
	}
	if n != len(rows) {
		t.Errorf("%d rows", n)
	}
}

func TestAFilterOfManyValuesIsBounded(t *testing.T) {
	w := newWorld(t)
	set := w.open(w.keep(generate(600, 1, subA)))
	many := make([]string, results.MaxValues, results.MaxValues+1)
	for i := range many {
		many[i] = "none"
	}
	page, err := set.Query(results.Query{Status: append(many, "Passed")})
	w.ok(err)
	if page.Total != 0 {
		t.Errorf("%d rows for a value beyond the limit", page.Total)
	}
	if n := len(page.Facets.Resource.Values); n != 0 {
		t.Errorf("%d resources of no rows", n)
	}
	page, err = set.Query(results.Query{Limit: 1 << 30})
	w.ok(err)
	if len(page.Rows) != results.MaxLimit || page.Total != 600 {
		t.Errorf("%d rows of %d", len(page.Rows), page.Total)
	}
}

func TestFacetsHaveTheLargest(t *testing.T) {
	w := newWorld(t)
	rows := generate(4000, 1, subA) // 400 resources with ten results each
	rows = append(rows, azts.Result{SubscriptionID: subA, ControlName: "One_More", ResourceID: strings.ToUpper(rows[3990].ResourceID), Status: "Odd"})
	set := w.open(w.keep(rows))
	page, err := set.Query(results.Query{})
	w.ok(err)
	facet := page.Facets.Resource
	if facet.Distinct != 400 || len(facet.Values) != results.MaxValues {
		t.Fatalf("%d of %d", len(facet.Values), facet.Distinct)
	}
	// The last resource has one more, under its name in another case.
	if first := facet.Values[0]; first.Value != rows[3990].ResourceID || first.Label != rows[3990].ResourceName || first.Rows != 11 {
		t.Errorf("the largest is %+v", first)
	}
	if second := facet.Values[1]; second.Value != rows[0].ResourceID {
		t.Errorf("of equal ones, %+v is first", second)
	}
	want := []string{"Failed", "Verify", "Odd", "Exempted", "NotApplicable", "Passed"}
	for i, v := range page.Facets.Status.Values {
		if v.Value != want[i] {
			t.Errorf("status %d is %q, want %q", i, v.Value, want[i])
		}
	}
}

func TestTheSmallestAreThoseOfASort(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	for range 300 {
		list := make([]int, random.IntN(200))
		for i := range list {
			list[i] = random.IntN(500)
		}
		before := slices.Clone(list)
		n := 1 + random.IntN(40)
		got := results.Smallest(list, n, cmp.Compare[int])
		want := slices.Sorted(slices.Values(list))
		if want = want[:min(n, len(want))]; !slices.Equal(got, want) || !slices.Equal(list, before) {
			t.Fatalf("the %d smallest of %v are %v", n, list, got)
		}
	}
}
