package results

import "context"

// Limits for tests.
type Limits struct{ Rows, NameBytes, TextBytes, SetBytes, Pages, SegmentRows int }

// SetLimits replaces the limits that are not zero.
func (a *Archive) SetLimits(l Limits) {
	set := func(to *int, v int) {
		if v != 0 {
			*to = v
		}
	}
	set(&a.limits.rows, l.Rows)
	set(&a.limits.nameBytes, l.NameBytes)
	set(&a.limits.textBytes, l.TextBytes)
	set(&a.limits.setBytes, l.SetBytes)
	set(&a.limits.pages, l.Pages)
	set(&a.limits.segmentRows, l.SegmentRows)
}

// Cached returns how many sets are in memory, and their bytes.
func (a *Archive) Cached() (sets int, bytes int64) {
	a.cache.mu.Lock()
	defer a.cache.mu.Unlock()
	return a.cache.recent.Len(), a.cache.used
}

// Forget empties the memory.
func (a *Archive) Forget() {
	a.cache.mu.Lock()
	defer a.cache.mu.Unlock()
	for e := a.cache.recent.Front(); e != nil; e = a.cache.recent.Front() {
		a.cache.remove(e)
	}
}

// Bytes is what the cache takes a set for.
func (s *Set) Bytes() int64 { return s.bytes() }

// Decode adds a segment in clear to an empty set and reads all its rows.
func Decode(segment []byte) error {
	s := newSet(Info{})
	if err := s.add(segment); err != nil {
		return err
	}
	for _, err := range s.Rows(Query{Text: "a"}) {
		if err != nil {
			return err
		}
	}
	_, err := resume(s)
	return err
}

// OpenSegment returns a segment of a set in clear.
func (a *Archive) OpenSegment(ctx context.Context, rec SetRecord, number int, sealed []byte) ([]byte, error) {
	h, err := a.openHead(&rec)
	if err != nil {
		return nil, err
	}
	return a.keys.Open(sealed, rec.place("segment", h.Generation, int64(number)))
}
