package results

import (
	"bytes"
	"cmp"
	"iter"
	"math/bits"
	"slices"
)

// Limits of a query. Whatever is beyond them is left out.
const (
	MaxLimit  = 500 // rows of a page
	MaxValues = 100 // values of one filter, and of one facet
)

// defaultLimit is how many rows a page has whose query does not say.
const defaultLimit = 50

// Query is what rows to show and how. The zero value is the first page of all.
//
// A filter without values lets all rows through; with several, any of them will
// do; the empty value stands for rows that have none. Letter case does not
// matter. Numbers that make no sense count as the nearest that do.
type Query struct {
	Status         []string
	Severity       []string
	Control        []string // ids or display names
	Category       []string
	Resource       []string // ids or names
	Group          []string
	Baseline       []string // "true" or "false"
	ExceptionState []string
	Subscription   []string
	// Text is words that must all be there, each in the control's id or display
	// name, the resource's name, id or group, the reason or the justification.
	Text string

	Sort       Sort
	Descending bool
	Offset     int
	Limit      int // 1 to MaxLimit; 0 means 50
}

// Page is the answer to a query.
type Page struct {
	Rows   []Row
	Total  int // of all pages
	Facets Facets
}

// Facets says for each filter how many rows each of its values would give, with
// all other filters as they are.
type Facets struct {
	Status, Severity, Control, Category, Resource, Group, Baseline, ExceptionState, Subscription Facet
}

// Facet is the values of one filter. Statuses and severities are in the order of
// their meaning, others by their number of rows.
type Facet struct {
	Values   []Value // at most MaxValues
	Distinct int     // how many there are
}

// Value is one value of a filter.
type Value struct {
	Value string // for the query
	Label string // for people: the display name of a control, the name of a resource
	Rows  int
}

// dimension is a filter: the field of a table it looks at, and another that may
// match instead.
type dimension struct {
	table, field, other int
	values              func(*Query) []string
	facet               func(*Facets) *Facet
	order               func(a, b string) int // nil: by number of rows
}

var dimensions = [...]dimension{
	{statuses, statusName, statusName, func(q *Query) []string { return q.Status }, func(f *Facets) *Facet { return &f.Status }, byStatus},
	{controls, controlSeverity, controlSeverity, func(q *Query) []string { return q.Severity }, func(f *Facets) *Facet { return &f.Severity }, bySeverity},
	{controls, controlName, controlTitle, func(q *Query) []string { return q.Control }, func(f *Facets) *Facet { return &f.Control }, nil},
	{controls, controlCategory, controlCategory, func(q *Query) []string { return q.Category }, func(f *Facets) *Facet { return &f.Category }, nil},
	{resources, resourceID, resourceName, func(q *Query) []string { return q.Resource }, func(f *Facets) *Facet { return &f.Resource }, nil},
	{resources, resourceGroup, resourceGroup, func(q *Query) []string { return q.Group }, func(f *Facets) *Facet { return &f.Group }, nil},
	{controls, controlBaseline, controlBaseline, func(q *Query) []string { return q.Baseline }, func(f *Facets) *Facet { return &f.Baseline }, nil},
	{exceptions, exceptionState, exceptionState, func(q *Query) []string { return q.ExceptionState }, func(f *Facets) *Facet { return &f.ExceptionState }, nil},
	{resources, resourceSubscription, resourceSubscription, func(q *Query) []string { return q.Subscription }, func(f *Facets) *Facet { return &f.Subscription }, nil},
}

// failsText is the bit of a row that the text leaves out; those below it are of
// the dimensions.
const failsText = 1 << len(dimensions)

// selection is which rows a query lets through, and what almost did.
type selection struct {
	numbers []uint32
	// counts are the rows of each table's entries: all that came through, and per
	// dimension those that it alone kept out. That tells what its values would give.
	counts [tableCount][]int32
	almost [len(dimensions)][]int32 // nil where the dimension keeps nothing out
}

// Query returns a page of rows with their total and facets.
func (s *Set) Query(q Query) (Page, error) {
	selected, err := s.match(&q, true)
	if err != nil {
		return Page{}, err
	}
	page := Page{Total: len(selected.numbers), Facets: s.facets(&selected)}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	from := min(max(q.Offset, 0), page.Total)
	to := min(from+min(limit, MaxLimit), page.Total)
	page.Rows, err = s.read(s.sortRows(selected.numbers, q.Sort, q.Descending)[from:to])
	return page, err
}

// Rows returns all rows of a query in its order, without regard to its offset and
// limit, for exports. It holds no more than maxBatchBytes of texts at a time.
func (s *Set) Rows(q Query) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		selected, err := s.match(&q, false)
		if err != nil {
			yield(Row{}, err)
			return
		}
		numbers := s.sortRows(selected.numbers, q.Sort, q.Descending)
		// In another order than AzTS's, neighbours are far apart, and a batch unpacks
		// most of the texts: few large batches, after a small one that comes at once.
		for size := firstBatch; len(numbers) > 0; size = maxBatch {
			batch := s.batch(numbers, size)
			texts, err := s.textsOf(batch)
			if err != nil {
				yield(Row{}, err)
				return
			}
			for _, n := range batch {
				if !yield(s.row(n, &texts), nil) {
					return
				}
			}
			numbers = numbers[len(batch):]
		}
	}
}

// Limits of what Rows holds at a time.
const (
	firstBatch    = 256 // rows
	maxBatch      = 64 << 10
	maxBatchBytes = 12 << 20 // of texts, about
)

// batch returns the first numbers, at most size and with at most about
// maxBatchBytes of texts, and at least one.
func (s *Set) batch(numbers []uint32, size int) []uint32 {
	c, e := &s.tables[controls], &s.tables[exceptions]
	held, last := 0, uint32(0)
	for i, n := range numbers[:min(size, len(numbers))] {
		control := s.rows[controls][n]
		held += s.textSize(s.rows[rowReason][n]) + s.textSize(e[exceptionJustification][s.rows[exceptions][n]])
		// Of each row, where it names the row's resource.
		if text := c[controlRemediation][control]; text != last {
			held, last = held+s.textSize(text), text
		}
		if held > maxBatchBytes && i > 0 {
			return numbers[:i]
		}
	}
	return numbers[:min(size, len(numbers))]
}

// match walks the rows once.
func (s *Set) match(q *Query, count bool) (selection, error) {
	var fails [tableCount][]uint16 // which dimensions keep an entry out
	for t := range fails {
		fails[t] = make([]uint16, len(s.tables[t][0]))
	}
	var out selection
	for i := range dimensions {
		if s.keepOut(fails[dimensions[i].table], &dimensions[i], 1<<i, q) && count {
			out.almost[i] = make([]int32, len(s.tables[dimensions[i].table][0]))
		}
	}
	if count {
		for t := range out.counts {
			out.counts[t] = make([]int32, len(s.tables[t][0]))
		}
	}
	text, err := s.textMatch(q.Text)
	if err != nil {
		return out, err
	}
	out.numbers = make([]uint32, 0, s.Len())
	st, co, re, ex := s.rows[statuses], s.rows[controls], s.rows[resources], s.rows[exceptions]
	for i := range st {
		mask := fails[statuses][st[i]] | fails[controls][co[i]] | fails[resources][re[i]] | fails[exceptions][ex[i]]
		if text != nil && !text.in(co[i], re[i], ex[i], s.rows[rowReason][i]) {
			mask |= failsText
		}
		if mask == 0 {
			out.numbers = append(out.numbers, uint32(i))
			if count {
				out.counts[statuses][st[i]]++
				out.counts[controls][co[i]]++
				out.counts[resources][re[i]]++
				out.counts[exceptions][ex[i]]++
			}
		} else if count && mask&(mask-1) == 0 && mask != failsText {
			d := bits.TrailingZeros16(mask)
			out.almost[d][s.rows[dimensions[d].table][i]]++
		}
	}
	return out, nil
}

// keepOut sets a bit for each entry that a dimension keeps out; false if it has
// no values.
func (s *Set) keepOut(fails []uint16, d *dimension, bit uint16, q *Query) bool {
	values := d.values(q)
	if len(values) == 0 {
		return false
	}
	wanted := make(map[string]struct{}, len(values))
	for _, v := range values[:min(len(values), MaxValues)] {
		wanted[fold(v)] = struct{}{}
	}
	known := map[uint32]bool{} // by folded name
	var buffer []byte
	has := func(code uint32) bool {
		code = s.folds[code]
		in, seen := known[code]
		if !seen {
			buffer = foldInPlace(append(buffer[:0], s.names[code]...))
			_, in = wanted[string(buffer)]
			known[code] = in
		}
		return in
	}
	fields := &s.tables[d.table]
	for i := range fails {
		first, other := fields[d.field][i], fields[d.other][i]
		in := first != 0 && has(first) || other != 0 && has(other) || first == 0 && other == 0 && has(0)
		if !in {
			fails[i] |= bit
		}
	}
	return true
}

// textFilter says which words are in which entries and texts.
type textFilter struct {
	asked                                  string // the words with NUL between them
	all                                    uint8
	controls, resources, exceptions, texts []uint8
}

func (t *textFilter) in(control, resource, exception, reason uint32) bool {
	return t.controls[control]|t.resources[resource]|t.exceptions[exception]|t.texts[reason] == t.all
}

// textMatch returns nil if there is nothing to look for.
func (s *Set) textMatch(text string) (*textFilter, error) {
	words := words(text)
	if len(words) == 0 {
		return nil, nil
	}
	// Whoever turns the pages of a search asks for the same words again.
	asked := string(bytes.Join(words, nul))
	s.mu.Lock()
	last := s.lastText
	s.mu.Unlock()
	if last != nil && last.asked == asked {
		return last, nil
	}
	texts, err := s.searchTexts(words)
	if err != nil {
		return nil, err
	}
	t := &textFilter{asked: asked, all: 1<<len(words) - 1, texts: texts,
		controls:   s.searchNames(controls, words, controlName, controlTitle),
		resources:  s.searchNames(resources, words, resourceName, resourceID, resourceGroup),
		exceptions: make([]uint8, len(s.tables[exceptions][0]))}
	for i, code := range s.tables[exceptions][exceptionJustification] {
		t.exceptions[i] = texts[code]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastText = t
	return t, nil
}

// tally sums rows by folded name. One serves all facets of a query.
type tally struct {
	rows  []int32
	entry []int32 // the first that has the name
	codes []uint32
}

func (s *Set) facets(selected *selection) Facets {
	var out Facets
	sums := &tally{rows: make([]int32, len(s.names)), entry: make([]int32, len(s.names))}
	for i := range dimensions {
		d := &dimensions[i]
		*d.facet(&out) = s.facet(d, selected.counts[d.table], selected.almost[i], sums)
	}
	return out
}

func (s *Set) facet(d *dimension, counts, almost []int32, sums *tally) Facet {
	fields := &s.tables[d.table]
	nameOf := func(entry int32) uint32 {
		if code := fields[d.field][entry]; code != 0 {
			return code
		}
		return fields[d.other][entry]
	}
	sums.codes = sums.codes[:0]
	for i, n := range counts {
		if almost != nil {
			n += almost[i]
		}
		if n == 0 {
			continue
		}
		code := s.folds[nameOf(int32(i))]
		if sums.rows[code] == 0 {
			sums.codes = append(sums.codes, code)
			sums.entry[code] = int32(i)
		}
		sums.rows[code] += n
	}
	// Equal ones in the order in which they came first.
	order := func(a, b uint32) int { return cmp.Or(cmp.Compare(sums.rows[b], sums.rows[a]), cmp.Compare(a, b)) }
	if d.order != nil {
		order = func(a, b uint32) int { return d.order(fold(s.names[a]), fold(s.names[b])) }
	}
	out := Facet{Distinct: len(sums.codes)}
	for _, code := range smallest(sums.codes, MaxValues, order) {
		entry := sums.entry[code]
		v := Value{Value: s.names[nameOf(entry)], Label: s.names[fields[d.other][entry]], Rows: int(sums.rows[code])}
		if v.Label == "" {
			v.Label = v.Value
		}
		out.Values = append(out.Values, v)
	}
	for _, code := range sums.codes {
		sums.rows[code] = 0
	}
	return out
}

// smallest returns the n smallest in order, and does not sort all of a long list
// for them. It leaves the list as it is.
func smallest[T any](list []T, n int, order func(a, b T) int) []T {
	kept := make([]T, 0, min(len(list), 2*n))
	sorted := false // the first n are the smallest so far, in order
	for _, v := range list {
		if sorted && order(v, kept[n-1]) >= 0 {
			continue
		}
		if len(kept) == cap(kept) {
			slices.SortFunc(kept, order)
			kept, sorted = kept[:n], true
		}
		kept = append(kept, v)
	}
	slices.SortFunc(kept, order)
	return kept[:min(n, len(kept))]
}
