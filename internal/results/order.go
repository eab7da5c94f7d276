package results

import (
	"cmp"
	"slices"
	"strings"
)

// Sort is what rows are put in order by. Rows that are equal in it stay in the
// order in which AzTS gave them, whichever way it goes.
type Sort string

// The orders. Names sort without regard to case, and empty ones come last.
const (
	SortUrgency      Sort = "" // status, then severity: what to look at first
	SortTaken        Sort = "taken"
	SortStatus       Sort = "status"   // failed first, passed last
	SortSeverity     Sort = "severity" // critical first
	SortControl      Sort = "control"  // by display name, or id
	SortCategory     Sort = "category"
	SortResource     Sort = "resource"
	SortGroup        Sort = "group"
	SortSubscription Sort = "subscription"
	SortException    Sort = "exception" // by its state
	SortExpiry       Sort = "expiry"    // soonest first, without a time last
)

// Sorts returns all orders.
func Sorts() []Sort {
	return []Sort{SortUrgency, SortTaken, SortStatus, SortSeverity, SortControl, SortCategory, SortResource, SortGroup, SortSubscription, SortException, SortExpiry}
}

// statusOrder and severityOrder are the values of azts.md in the order of their
// meaning, as fold has them.
var (
	statusOrder   = []string{"failed", "error", "verify", "notscanned", others, "exempted", "extscanned", "notapplicable", "passed"}
	severityOrder = []string{"critical", "high", "medium", "low", others}
)

// others stands for all values that azts.md does not know: a status nobody knows
// wants to be looked at before those that are in order.
const others = "*"

// meaning compares two folded values by their place in order; the empty one comes
// last.
func meaning(order []string) func(a, b string) int {
	place := func(s string) int {
		if s == "" {
			return len(order)
		}
		if i := slices.Index(order, s); i >= 0 {
			return i
		}
		return slices.Index(order, others)
	}
	return func(a, b string) int { return cmp.Or(cmp.Compare(place(a), place(b)), emptyLast(a, b)) }
}

func emptyLast(a, b string) int {
	if (a == "") != (b == "") {
		return strings.Compare(b, a) // the other way round
	}
	return strings.Compare(a, b)
}

var (
	byStatus   = meaning(statusOrder)
	bySeverity = meaning(severityOrder)
)

// sortField is a field of a table that rows can be sorted by. Where it is empty,
// the field instead counts.
type sortField struct{ table, field, instead int }

// passes are the fields of an order, the least significant first.
var passes = map[Sort][]sortField{
	SortUrgency:      {{controls, controlSeverity, controlSeverity}, {statuses, statusName, statusName}},
	SortTaken:        {},
	SortStatus:       {{statuses, statusName, statusName}},
	SortSeverity:     {{controls, controlSeverity, controlSeverity}},
	SortControl:      {{controls, controlTitle, controlName}},
	SortCategory:     {{controls, controlCategory, controlCategory}},
	SortResource:     {{resources, resourceName, resourceName}},
	SortGroup:        {{resources, resourceGroup, resourceGroup}},
	SortSubscription: {{resources, resourceSubscription, resourceSubscription}},
	SortException:    {{exceptions, exceptionState, exceptionState}},
	SortExpiry:       {{exceptions, exceptionTime, exceptionTime}},
}

func (f sortField) order() func(a, b string) int {
	switch {
	case f.table == statuses:
		return byStatus
	case f.table == controls && f.field == controlSeverity:
		return bySeverity
	}
	return emptyLast
}

// rank returns the place of each entry of a table in the order of a field, equal
// for equal ones. It is worked out once and kept.
func (s *Set) rank(f sortField) []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rank := s.ranks[f]; rank != nil {
		return rank
	}
	type folded struct {
		text string
		code uint32
	}
	codes := make([]uint32, len(s.tables[f.table][f.field]))
	seen := map[uint32]uint32{} // a folded name's code to its rank
	var distinct []folded
	for i, code := range s.tables[f.table][f.field] {
		if code == 0 {
			code = s.tables[f.table][f.instead][i]
		}
		codes[i] = s.folds[code]
		if _, known := seen[codes[i]]; !known {
			seen[codes[i]] = 0
			distinct = append(distinct, folded{fold(s.names[code]), codes[i]})
		}
	}
	order := f.order()
	slices.SortFunc(distinct, func(a, b folded) int { return order(a.text, b.text) })
	for i, d := range distinct {
		seen[d.code] = uint32(i)
	}
	for i, code := range codes {
		codes[i] = seen[code]
	}
	s.ranks[f] = codes
	return codes
}

// sortRows puts numbers of rows in order; they come in ascending. Sorting by
// counting takes one walk per field however many rows are equal, and leaves
// equal ones as they were.
func (s *Set) sortRows(numbers []uint32, by Sort, descending bool) []uint32 {
	fields, known := passes[by]
	if !known {
		fields = passes[SortUrgency]
	}
	if by == SortTaken && descending {
		slices.Reverse(numbers)
	}
	for _, f := range fields {
		rank, entries := s.rank(f), s.rows[f.table]
		highest := uint32(0)
		for _, r := range rank {
			highest = max(highest, r)
		}
		place := func(n uint32) uint32 {
			r := rank[entries[n]]
			if descending {
				r = highest - r
			}
			return r
		}
		starts := make([]uint32, highest+2)
		for _, n := range numbers {
			starts[place(n)+1]++
		}
		for i := 1; i < len(starts); i++ {
			starts[i] += starts[i-1]
		}
		sorted := make([]uint32, len(numbers))
		for _, n := range numbers {
			p := place(n)
			sorted[starts[p]] = n
			starts[p]++
		}
		numbers = sorted
	}
	return numbers
}
