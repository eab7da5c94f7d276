package results

import (
	"iter"
	"slices"
	"time"
)

// Ending returns the rows whose exception ends from one time on and not after
// another, the soonest first. However many ended before, they cost nothing. It
// holds no more than [MaxLimit] rows at a time.
func (s *Set) Ending(from, until time.Time) iter.Seq2[Row, error] {
	ends := make([]time.Time, len(s.tables[exceptions][exceptionTime])) // zero: none, or another time
	for i, code := range s.tables[exceptions][exceptionTime] {
		if at, err := time.Parse(expiryLayout, s.names[code]); err == nil && !at.Before(from) && !at.After(until) {
			ends[i] = at
		}
	}
	of := s.rows[exceptions]
	var numbers []uint32
	for n, entry := range of {
		if !ends[entry].IsZero() {
			numbers = append(numbers, uint32(n))
		}
	}
	slices.SortStableFunc(numbers, func(a, b uint32) int { return ends[of[a]].Compare(ends[of[b]]) })
	return func(yield func(Row, error) bool) {
		for batch := range slices.Chunk(numbers, MaxLimit) {
			rows, err := s.read(batch)
			if err != nil {
				yield(Row{}, err)
				return
			}
			for i := range rows {
				if !yield(rows[i], nil) {
					return
				}
			}
		}
	}
}
