package handlers

import (
	"slices"
	"strings"
	"testing"

	"azts.internal/portal/templates"
)

func TestCut(t *testing.T) {
	rows := make([]int, 2*pageSize+1)
	for i := range rows {
		rows[i] = i
	}
	address := func(page int) string { return strings.Repeat("p", page) }
	for _, tt := range []struct {
		rows, page  int
		first, last int // of the slice, as numbers of the pager
		prev, next  string
	}{
		{0, 1, 1, 0, "", ""},
		{0, 7, 1, 0, "", ""},
		{1, 1, 1, 1, "", ""},
		{pageSize, 1, 1, pageSize, "", ""},
		{pageSize, 2, 1, pageSize, "", ""},
		{pageSize + 1, 1, 1, pageSize, "", "pp"},
		{pageSize + 1, 2, pageSize + 1, pageSize + 1, "p", ""},
		{2*pageSize + 1, 2, pageSize + 1, 2 * pageSize, "p", "ppp"},
		{2*pageSize + 1, 3, 2*pageSize + 1, 2*pageSize + 1, "pp", ""},
		{2*pageSize + 1, 1 << 62, 2*pageSize + 1, 2*pageSize + 1, "pp", ""},
		{2*pageSize + 1, 0, 1, pageSize, "", "pp"},
		{2*pageSize + 1, -1 << 62, 1, pageSize, "", "pp"},
	} {
		got, pager := cut(rows[:tt.rows], tt.page, "rows", address)
		want := templates.Pager{Noun: "rows", From: tt.first, To: tt.last, Total: tt.rows, PrevURL: tt.prev, NextURL: tt.next}
		if pager != want || !slices.Equal(got, rows[tt.first-1:tt.last]) {
			t.Errorf("page %d of %d rows: %d rows, %+v, want %+v", tt.page, tt.rows, len(got), pager, want)
		}
	}
}
