package results_test

import (
	"testing"

	"azts.internal/portal/internal/results"
)

func TestARowKnowsItsPlaceInAList(t *testing.T) {
	w := newWorld(t)
	set := w.open(w.keep(generate(700, 5, subA, subB)))
	for _, q := range []results.Query{{}, {Status: []string{"Failed"}, Sort: results.SortResource, Descending: true, Offset: 40, Limit: 3}, {Text: "no such word"}} {
		var list []results.Row
		for row, err := range set.Rows(q) {
			w.ok(err)
			list = append(list, row)
		}
		listed := map[int]bool{}
		for i, row := range list {
			want := results.Place{Position: i + 1, Total: len(list), Previous: -1, Next: -1}
			if i > 0 {
				want.Previous = list[i-1].Number
			}
			if i+1 < len(list) {
				want.Next = list[i+1].Number
			}
			got, err := set.Place(q, row.Number)
			w.ok(err)
			if got != want {
				t.Fatalf("%+v: row %d stands at %+v, want %+v", q, row.Number, got, want)
			}
			listed[row.Number] = true
		}
		for number := -1; number <= set.Len(); number++ {
			got, err := set.Place(q, number)
			w.ok(err)
			if !listed[number] && got != (results.Place{Total: len(list), Previous: -1, Next: -1}) {
				t.Fatalf("%+v: row %d is not in the list, and stands at %+v", q, number, got)
			}
		}
	}
}
