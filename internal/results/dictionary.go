package results

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strconv"
	"time"

	"azts.internal/portal/internal/azts"
)

// dictionary gives codes to what a set has, and collects in next what is new
// since the last segment.
type dictionary struct {
	names   map[string]uint32
	folded  map[string]uint32 // a folded name to the code of the first that has it
	folds   []uint32          // that code for each name
	texts   map[textHash]uint32
	entries [tableCount]map[[maxWidth]uint32]uint32 // those of resources without their key
	classes map[Key]uint32                          // without a control, to a key of resources
	classOf []uint32                                // that key for each entry of resources
	rows    map[uint64]struct{}                     // keys of control and resource
	odd     map[[rowColumns]uint32]struct{}         // rows without a whole key

	nameBytes, textBytes int
	seeds                [2]maphash.Seed

	next   delta
	open   []byte // texts of the block that is being filled, each ended by NUL
	first  uint32 // code of its first text
	packed int    // bytes in next.blocks

	nextNames int // bytes in next.names
}

// textHash stands for a text: 128 bits under seeds of this process, so that
// nobody can make two texts meet. The texts themselves would be most of a set.
type textHash [2]uint64

func newDictionary() *dictionary {
	d := &dictionary{names: map[string]uint32{"": 0}, folded: map[string]uint32{"": 0}, folds: []uint32{0}, texts: map[textHash]uint32{},
		classes: map[Key]uint32{}, rows: map[uint64]struct{}{}, odd: map[[rowColumns]uint32]struct{}{},
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, first: 1}
	d.texts[d.hash(nil)] = 0
	for t := range d.entries {
		d.entries[t] = map[[maxWidth]uint32]uint32{}
	}
	return d
}

func (d *dictionary) hash(text []byte) textHash {
	return textHash{maphash.Bytes(d.seeds[0], text), maphash.Bytes(d.seeds[1], text)}
}

func (d *dictionary) name(s string) uint32 {
	if code, known := d.names[s]; known {
		return code
	}
	s = clean(s, azts.NameLimit)
	if code, known := d.names[s]; known {
		return code
	}
	code := uint32(len(d.names))
	d.names[s] = code
	d.nameBytes += len(s)
	low := fold(s)
	first, known := d.folded[low]
	if !known {
		d.folded[low], first = code, code
	}
	d.folds = append(d.folds, first)
	d.next.names = append(d.next.names, s)
	d.nextNames += len(s) + 1
	d.next.folds = append(d.next.folds, first)
	return code
}

func (d *dictionary) text(s string) (uint32, error) {
	if s == "" {
		return 0, nil
	}
	h := textHash{maphash.String(d.seeds[0], s), maphash.String(d.seeds[1], s)}
	if code, known := d.texts[h]; known {
		return code, nil
	}
	if short := clean(s, azts.TextLimit); short != s {
		return d.text(short)
	}
	code := uint32(len(d.texts))
	d.texts[h] = code
	d.textBytes += len(s)
	if len(s) >= largeText {
		if err := d.closeBlock(); err != nil {
			return 0, err
		}
	}
	d.open = append(append(d.open, s...), 0)
	if len(d.open) >= blockSize || len(s) >= largeText {
		return code, d.closeBlock()
	}
	return code, nil
}

// closeBlock packs the texts that are open.
func (d *dictionary) closeBlock() error {
	if len(d.open) == 0 {
		return nil
	}
	b := block{first: d.first, count: uint32(bytes.Count(d.open, nul)), size: len(d.open)}
	var packed bytes.Buffer
	if err := pack(&packed, d.open); err != nil {
		return err
	}
	b.packed = packed.Bytes()
	d.first += b.count
	d.packed += len(b.packed)
	d.open = d.open[:0]
	d.next.blocks = append(d.next.blocks, b)
	return nil
}

// entry returns the code of an entry of a table.
func (d *dictionary) entry(table int, fields [maxWidth]uint32) uint32 {
	if code, known := d.entries[table][fields]; known {
		return code
	}
	code := uint32(len(d.entries[table]))
	d.entries[table][fields] = code
	d.grow(table, fields)
	return code
}

func (d *dictionary) grow(table int, fields [maxWidth]uint32) {
	for f := range tableWidths[table] {
		d.next.tables[table][f] = append(d.next.tables[table][f], fields[f])
	}
}

// resource returns the entry of a resource, and its key, which is 0 if nothing
// names it.
func (d *dictionary) resource(r *azts.Result) (code, class uint32) {
	fields := [maxWidth]uint32{resourceSubscription: d.name(r.SubscriptionID), resourceID: d.name(r.ResourceID),
		resourceName: d.name(r.ResourceName), resourceGroup: d.name(r.ResourceGroupName), resourceTenant: d.name(r.OrganizationTenant)}
	if known, found := d.entries[resources][fields]; found {
		return known, d.classOf[known]
	}
	key := KeyOf(&azts.Result{SubscriptionID: d.clean(r.SubscriptionID), ResourceID: d.clean(r.ResourceID),
		ResourceName: d.clean(r.ResourceName), ResourceGroupName: d.clean(r.ResourceGroupName)})
	if key.Resource != "" {
		known, found := d.classes[key]
		if !found {
			known = uint32(len(d.classes)) + 1
			d.classes[key] = known
		}
		class = known
	}
	code = uint32(len(d.entries[resources]))
	d.entries[resources][fields] = code
	d.classOf = append(d.classOf, class)
	fields[resourceKey] = class
	d.grow(resources, fields)
	return code, class
}

func (d *dictionary) clean(s string) string { return clean(s, azts.NameLimit) }

// row takes in a result; false if it was there.
func (d *dictionary) row(r *azts.Result) (bool, error) {
	var row [rowColumns]uint32
	var err error
	text := func(s string) uint32 {
		code, textErr := d.text(s)
		if textErr != nil {
			err = textErr
		}
		return code
	}
	control := [maxWidth]uint32{controlName: d.name(r.ControlName), controlTitle: d.name(r.ControlDisplayName),
		controlCategory: d.name(r.Category), controlSeverity: d.name(r.Severity), controlBaseline: d.name(strconv.FormatBool(r.IsBaseline)),
		controlDescription: text(r.Description), controlRemediation: text(r.Remediation)}
	control[controlKey] = d.folds[control[controlName]]
	if control[controlKey] == 0 {
		control[controlKey] = d.folds[control[controlTitle]]
	}
	exception := [maxWidth]uint32{exceptionState: d.name(r.ExceptionWorkflow), exceptionExpiry: d.name(r.ExceptionExpiry.Text),
		exceptionTime: d.name(expiryText(r.ExceptionExpiry.Time)), exceptionJustification: text(r.Justification)}
	row[rowReason] = text(r.StatusReason)
	if err != nil {
		return false, err
	}
	row[statuses] = d.entry(statuses, [maxWidth]uint32{d.name(r.Status)})
	row[controls] = d.entry(controls, control)
	resource, class := d.resource(r)
	row[resources] = resource
	row[exceptions] = d.entry(exceptions, exception)
	if !d.fresh(control[controlKey], class, row) {
		return false, nil
	}
	for c, code := range row {
		d.next.rows[c] = append(d.next.rows[c], code)
	}
	return true, nil
}

// fresh notes a row and reports whether it is the first of its key.
func (d *dictionary) fresh(control, resource uint32, row [rowColumns]uint32) bool {
	if control == 0 || resource == 0 {
		_, known := d.odd[row]
		d.odd[row] = struct{}{}
		return !known
	}
	key := uint64(control)<<32 | uint64(resource)
	_, known := d.rows[key]
	d.rows[key] = struct{}{}
	return !known
}

func expiryText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(expiryLayout)
}

// size is about how many bytes the next segment would have.
func (d *dictionary) size() int {
	n := len(d.open) + d.packed + len(d.next.rows[0])*4*rowColumns
	return n + d.nextNames
}

// take returns what is new and begins the next segment.
func (d *dictionary) take() (*delta, error) {
	if err := d.closeBlock(); err != nil {
		return nil, err
	}
	next := d.next
	d.next, d.packed, d.nextNames = delta{}, 0, 0
	return &next, nil
}

// resume makes the dictionary that led to a set.
func resume(s *Set) (*dictionary, error) {
	d := newDictionary()
	d.folds = slices.Clone(s.folds)
	for i, name := range s.names {
		code := uint32(i)
		d.names[name] = code
		d.nameBytes += len(name)
		if s.folds[i] == code {
			d.folded[fold(name)] = code
		}
	}
	for t, width := range tableWidths {
		for i := range s.tables[t][0] {
			var fields [maxWidth]uint32
			for f := range width {
				fields[f] = s.tables[t][f][i]
			}
			if t == resources {
				class := fields[resourceKey]
				d.classOf = append(d.classOf, class)
				if class != 0 {
					d.classes[s.resourceKey(i)] = class
				}
				fields[resourceKey] = 0
			}
			d.entries[t][fields] = uint32(i)
		}
	}
	u := unpackers.Get().(*unpacker)
	defer u.done()
	for i := range s.blocks {
		data, err := u.unpack(s.blocks[i].packed, s.blocks[i].size)
		if err != nil {
			return nil, err
		}
		d.textBytes += len(data) - int(s.blocks[i].count)
		for code := s.blocks[i].first; len(data) > 0; code++ {
			end := bytes.IndexByte(data, 0)
			if end < 0 {
				return nil, errSegment
			}
			d.texts[d.hash(data[:end])] = code
			data = data[end+1:]
		}
	}
	d.first = s.texts
	for i := range s.Len() {
		var row [rowColumns]uint32
		for c := range row {
			row[c] = s.rows[c][i]
		}
		d.fresh(s.tables[controls][controlKey][row[controls]], s.tables[resources][resourceKey][row[resources]], row)
	}
	return d, nil
}
