package results

import "slices"

// Place is where a row stands in the list of a query.
type Place struct {
	Position int // from 1; 0 if the query does not have the row
	Total    int
	// Previous and Next are the numbers of its neighbours, -1 where there is none.
	Previous, Next int
}

// Place returns where the row of a number stands in a query, without regard to
// its offset and limit.
func (s *Set) Place(q Query, number int) (Place, error) {
	selected, err := s.match(&q, false)
	if err != nil {
		return Place{}, err
	}
	place := Place{Total: len(selected.numbers), Previous: -1, Next: -1}
	if number < 0 || number >= s.Len() {
		return place, nil
	}
	sorted := s.sortRows(selected.numbers, q.Sort, q.Descending)
	i := slices.Index(sorted, uint32(number))
	if i < 0 {
		return place, nil
	}
	place.Position = i + 1
	if i > 0 {
		place.Previous = int(sorted[i-1])
	}
	if i+1 < len(sorted) {
		place.Next = int(sorted[i+1])
	}
	return place, nil
}
