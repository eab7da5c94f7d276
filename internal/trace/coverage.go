package trace

// coverage knows whether a stretch of a text lies inside one that was found before.
// Texts of strangers can have a secret every few bytes, so that going through all of
// them each time would take minutes: here it is a few steps for each.
type coverage struct {
	size int
	// furthest is a Fenwick tree of the furthest end of what begins at or before a
	// place.
	furthest []int32
}

func newCoverage(size int, spans []span) *coverage {
	c := &coverage{size: size}
	for _, s := range spans {
		c.add(s)
	}
	return c
}

// add notes that s was found.
func (c *coverage) add(s span) {
	if c.furthest == nil {
		c.furthest = make([]int32, c.size+2)
	}
	for i := s.start + 1; i < len(c.furthest); i += i & -i {
		c.furthest[i] = max(c.furthest[i], int32(s.end))
	}
}

// has reports whether one of those found has all of s in it.
func (c *coverage) has(s span) bool {
	if c.furthest == nil {
		return false
	}
	for i := s.start + 1; i > 0; i -= i & -i {
		if c.furthest[i] >= int32(s.end) {
			return true
		}
	}
	return false
}
