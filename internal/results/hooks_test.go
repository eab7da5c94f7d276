package results

import (
	"bytes"
	"compress/flate"
	"context"
)

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

// FoldInPlace folds a text as the search does.
func FoldInPlace(s string) string { return string(foldInPlace([]byte(s))) }

// Decode adds a segment in clear to an empty set and asks it all there is to ask.
func Decode(segment []byte) error {
	s := newSet(Info{})
	next, err := decodeSegment(segment)
	if err == nil {
		err = s.join(next)
		next.done()
	}
	if err != nil {
		return err
	}
	return s.askAll()
}

// DecodeColumns is Decode for the columns of a segment with a hundred texts.
func DecodeColumns(columns []byte) error {
	s := newSet(Info{})
	var packed bytes.Buffer
	if err := pack(&packed, bytes.Repeat([]byte{'a', 0}, 100)); err != nil {
		return err
	}
	s.blocks, s.texts = []block{{first: 1, count: 100, size: 200, packed: packed.Bytes()}}, 101
	if err := s.addColumns(&input{data: columns}); err != nil {
		return err
	}
	return s.askAll()
}

func (s *Set) askAll() error {
	for _, by := range Sorts() {
		if _, err := s.Query(Query{Text: "a", Sort: by, Group: []string{"x"}}); err != nil {
			return err
		}
	}
	for row, err := range s.Rows(Query{}) {
		if err != nil {
			return err
		}
		if _, _, err := s.Find(KeyOf(&row.Result)); err != nil {
			return err
		}
	}
	s.Summary()
	Compare(s, s)
	_, err := resume(s)
	return err
}

// Columns returns the columns of a segment in clear.
func Columns(segment []byte) ([]byte, error) {
	in := &input{data: segment[1:]}
	size := in.number(maxColumnsBytes)
	u := &unpacker{reader: flate.NewReader(nil)}
	return u.unpack(in.bytes(in.number(maxColumnsBytes)), size)
}

// OpenSegment returns a segment of a set in clear.
func (a *Archive) OpenSegment(ctx context.Context, rec SetRecord, number int, sealed []byte) ([]byte, error) {
	h, err := a.openHead(&rec)
	if err != nil {
		return nil, err
	}
	return a.keys.Open(sealed, rec.place("segment", h.Generation, int64(number)))
}

// ForgetText drops the last search.
func (s *Set) ForgetText() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastText = nil
}

// Smallest is smallest.
func Smallest[T any](list []T, n int, order func(a, b T) int) []T { return smallest(list, n, order) }

// Batch returns how many of all rows an export would hold at once.
func (s *Set) Batch() int {
	numbers := make([]uint32, s.Len())
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	return len(s.batch(numbers, maxBatch))
}
