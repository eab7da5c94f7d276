package results

import (
	"bytes"
	"cmp"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"azts.internal/portal/internal/azts"
)

// Set is the results of one scan, ready to be asked. It does not change; while
// its scan is still being read it is a picture of what there was. It is safe for
// concurrent use.
type Set struct {
	info   Info
	names  []string // 0 is the empty one
	folds  []uint32
	tables [tableCount][maxWidth][]uint32
	rows   [rowColumns][]uint32
	blocks []block
	texts  uint32 // how many there are; 0 is the empty one, which is in no block

	checked [tableCount]int // entries that add has looked at

	mu       sync.Mutex
	ranks    map[sortField][]uint32
	lastText *textFilter
}

// Row is a result with its number in the set, which stays the same.
type Row struct {
	Number int // from 0
	azts.Result
}

func newSet(info Info) *Set {
	s := &Set{info: info, names: []string{""}, folds: []uint32{0}, texts: 1, ranks: map[sortField][]uint32{}}
	for c := range s.rows {
		s.rows[c] = make([]uint32, 0, info.Rows)
	}
	return s
}

// Info returns what is known of the set as a whole.
func (s *Set) Info() Info { return s.info }

// Len returns the number of rows.
func (s *Set) Len() int { return len(s.rows[0]) }

// Row returns the row of a number from 0 on; false if there is none.
func (s *Set) Row(number int) (Row, bool, error) {
	if number < 0 || number >= s.Len() {
		return Row{}, false, nil
	}
	rows, err := s.read([]uint32{uint32(number)})
	if err != nil {
		return Row{}, false, err
	}
	return rows[0], true, nil
}

// Find returns the row with a key; false if there is none.
func (s *Set) Find(key Key) (Row, bool, error) {
	n, found := s.find(key)
	if !found {
		return Row{}, false, nil
	}
	return s.Row(n)
}

func (s *Set) find(key Key) (int, bool) {
	if !key.Whole() {
		return 0, false
	}
	// Entries differ in more than their key, so several may have it.
	wanted := make([]bool, len(s.tables[controls][0]))
	known := false
	for i, code := range s.tables[controls][controlKey] {
		wanted[i] = code != 0 && fold(s.names[code]) == key.Control
		known = known || wanted[i]
	}
	resource := uint32(0)
	for i, class := range s.tables[resources][resourceKey] {
		if class != 0 && s.resourceKey(i) == (Key{Subscription: key.Subscription, Resource: key.Resource}) {
			resource = class
			break
		}
	}
	if !known || resource == 0 {
		return 0, false
	}
	for i, r := range s.rows[resources] {
		if s.tables[resources][resourceKey][r] == resource && wanted[s.rows[controls][i]] {
			return i, true
		}
	}
	return 0, false
}

// resourceKey returns the key of an entry, without a control.
func (s *Set) resourceKey(entry int) Key {
	t := &s.tables[resources]
	return KeyOf(&azts.Result{SubscriptionID: s.names[t[resourceSubscription][entry]], ResourceID: s.names[t[resourceID][entry]],
		ResourceName: s.names[t[resourceName][entry]], ResourceGroupName: s.names[t[resourceGroup][entry]]})
}

// statusOf returns the status of a row.
func (s *Set) statusOf(row uint32) string {
	return s.names[s.tables[statuses][statusName][s.rows[statuses][row]]]
}

// read returns rows by number, in that order.
func (s *Set) read(numbers []uint32) ([]Row, error) {
	texts, err := s.textsOf(numbers)
	if err != nil {
		return nil, err
	}
	out := make([]Row, len(numbers))
	for i, n := range numbers {
		out[i] = s.row(n, &texts)
	}
	return out, nil
}

// textsOf returns the texts of rows.
func (s *Set) textsOf(numbers []uint32) (textSet, error) {
	wanted := make([]uint32, 0, 4*len(numbers))
	c, e := &s.tables[controls], &s.tables[exceptions]
	for _, n := range numbers {
		control := s.rows[controls][n]
		wanted = append(wanted, s.rows[rowReason][n], c[controlDescription][control], c[controlRemediation][control],
			e[exceptionJustification][s.rows[exceptions][n]])
	}
	return s.fetch(wanted)
}

func (s *Set) row(n uint32, texts *textSet) Row {
	control, resource, exception := s.rows[controls][n], s.rows[resources][n], s.rows[exceptions][n]
	c, r, e := &s.tables[controls], &s.tables[resources], &s.tables[exceptions]
	row := Row{Number: int(n), Result: azts.Result{
		SubscriptionID:     s.names[r[resourceSubscription][resource]],
		ControlName:        s.names[c[controlName][control]],
		ControlDisplayName: s.names[c[controlTitle][control]],
		Status:             s.statusOf(n),
		Severity:           s.names[c[controlSeverity][control]],
		ResourceName:       s.names[r[resourceName][resource]],
		ResourceGroupName:  s.names[r[resourceGroup][resource]],
		ResourceID:         s.names[r[resourceID][resource]],
		IsBaseline:         s.names[c[controlBaseline][control]] == "true",
		StatusReason:       texts.get(s.rows[rowReason][n]),
		Description:        texts.get(c[controlDescription][control]),
		Category:           s.names[c[controlCategory][control]],
		Remediation:        texts.get(c[controlRemediation][control]),
		Justification:      texts.get(e[exceptionJustification][exception]),
		ExceptionExpiry:    azts.Stamp{Text: s.names[e[exceptionExpiry][exception]]},
		ExceptionWorkflow:  s.names[e[exceptionState][exception]],
		OrganizationTenant: s.names[r[resourceTenant][resource]],
	}}
	if at := s.names[e[exceptionTime][exception]]; at != "" {
		// What does not parse here was not written by us: then the text alone is shown.
		row.ExceptionExpiry.Time, _ = time.Parse(expiryLayout, at)
	}
	return row
}

// textSet is the texts that some rows need.
type textSet struct {
	codes []uint32 // ascending, each once
	texts []string
}

func (t *textSet) get(code uint32) string {
	if i, found := slices.BinarySearch(t.codes, code); found {
		return t.texts[i]
	}
	return ""
}

// fetch unpacks each block that holds a wanted text once. It sorts wanted.
func (s *Set) fetch(wanted []uint32) (textSet, error) {
	slices.Sort(wanted)
	t := textSet{codes: slices.Compact(wanted)}
	t.texts = make([]string, len(t.codes))
	parts := 1
	if len(t.codes) >= worthWorkers {
		parts = min(runtime.GOMAXPROCS(0), 4)
	}
	errs := make([]error, parts)
	var workers sync.WaitGroup
	for i := range parts {
		from, to := len(t.codes)*i/parts, len(t.codes)*(i+1)/parts
		if i == parts-1 {
			errs[i] = s.fetchPart(t.codes[from:to], t.texts[from:to])
		} else {
			workers.Go(func() { errs[i] = s.fetchPart(t.codes[from:to], t.texts[from:to]) })
		}
	}
	workers.Wait()
	return t, errors.Join(errs...)
}

// worthWorkers is from how many texts on they are unpacked by several at once.
const worthWorkers = 4096

func (s *Set) fetchPart(codes []uint32, texts []string) error {
	u := unpackers.Get().(*unpacker)
	defer u.done()
	b := -1
	var data []byte // of block b, behind its texts below at
	var at uint32
	var found []byte // wanted texts of block b, that share one piece of memory
	var ends []int
	first := 0
	share := func() {
		all, from := string(found), 0
		for i, end := range ends {
			texts[first+i], from = all[from:end], end
		}
		found, ends = found[:0], ends[:0]
	}
	for i, code := range codes {
		if code == 0 {
			continue
		}
		if b < 0 || code >= s.blocks[b].first+s.blocks[b].count {
			share()
			first = i
			// The next one in most cases, when many are wanted.
			if b++; code >= s.blocks[b].first+s.blocks[b].count {
				b = s.blockOf(code)
			}
			var err error
			if data, err = u.unpack(s.blocks[b].packed, s.blocks[b].size); err != nil {
				return err
			}
			at = s.blocks[b].first
		}
		for ; at < code; at++ {
			end := bytes.IndexByte(data, 0)
			if end < 0 {
				return errSegment
			}
			data = data[end+1:]
		}
		end := bytes.IndexByte(data, 0)
		if end < 0 {
			return errSegment
		}
		found = append(found, data[:end]...)
		ends = append(ends, len(found))
	}
	share()
	return nil
}

// blockOf returns which block holds a text other than the empty one.
func (s *Set) blockOf(code uint32) int {
	i, _ := slices.BinarySearchFunc(s.blocks, code, func(b block, code uint32) int { return cmp.Compare(b.first+b.count, code+1) })
	return i
}

// textSize returns about how long a text is; exactly if it is longer than
// largeText.
func (s *Set) textSize(code uint32) int {
	if code == 0 {
		return 0
	}
	b := &s.blocks[s.blockOf(code)]
	return b.size / int(b.count)
}

// bytes is about how much memory the set takes, with what it may work out later.
func (s *Set) bytes() int64 {
	n := int64(len(s.names))*(16+4) + int64(len(s.tables[resources][0]))*(4*3+1) + int64(s.texts)
	for _, name := range s.names {
		n += int64(len(name)) + 1
	}
	for t, width := range tableWidths {
		n += int64(cap(s.tables[t][0])) * 4 * int64(width)
	}
	for c := range s.rows {
		n += int64(cap(s.rows[c])) * 4
	}
	for i := range s.blocks {
		n += int64(len(s.blocks[i].packed)) + 64
	}
	return n
}
