package results

import (
	"cmp"
	"slices"
)

// Change is what became of a result between two scans.
type Change int

// The changes. What failed in neither scan is none of them.
const (
	NewFailure    Change = iota // failed now, and did not before or was not there
	Fixed                       // failed before; passed or does not apply now
	StillOpen                   // failed both times
	Undecided                   // failed before; now neither failed nor passed: exempted, an error, to be verified
	Unreported                  // failed before; not in the new scan, though its resource is, or the new scan has not all
	NotComparable               // failed now; not in the old scan, which has not all of its subscription: new or not, nobody knows
	changes
)

// Changed is a result in both scans; one of them may be nil.
type Changed struct {
	Before, After *Row
}

// GoneResource is a resource that the new scan has no result of.
type GoneResource struct {
	Subscription, ID, Name, Group string
	Failed                        int // how many of its results had failed
	Rows                          int
}

// Difference is what changed between two sets. Only subscriptions that both have
// count. Nothing is gone from a subscription that the new scan has not read
// whole, and nothing that is not in the old scan is new in one that the old scan
// has not read whole: it is [NotComparable].
type Difference struct {
	old, new *Set
	lists    [changes][]pair
	gone     []GoneResource

	OnlyOld, OnlyNew []string // subscriptions that were left out
	Incomplete       []string // subscriptions that one of the two has not read whole
	Unnamed          int      // rows of both that lack a control or a resource and cannot be compared
}

// pair is the numbers of a result in both sets, -1 where it is not there.
type pair struct{ old, new int32 }

// Count returns how many results changed in a way.
func (d *Difference) Count(c Change) int {
	if c < 0 || c >= changes {
		return 0
	}
	return len(d.lists[c])
}

// List returns results that changed in a way, the most severe first, at most
// limit and at most [MaxLimit].
func (d *Difference) List(c Change, offset, limit int) ([]Changed, error) {
	if c < 0 || c >= changes {
		return nil, nil
	}
	part := window(d.lists[c], offset, limit)
	read := func(s *Set, number func(pair) int32) ([]*Row, error) {
		var numbers []uint32
		for _, p := range part {
			if number(p) >= 0 {
				numbers = append(numbers, uint32(number(p)))
			}
		}
		rows, err := s.read(numbers)
		out := make([]*Row, len(part))
		for i := range part {
			if number(part[i]) >= 0 && err == nil {
				out[i], rows = &rows[0], rows[1:]
			}
		}
		return out, err
	}
	before, err := read(d.old, func(p pair) int32 { return p.old })
	if err != nil {
		return nil, err
	}
	after, err := read(d.new, func(p pair) int32 { return p.new })
	if err != nil {
		return nil, err
	}
	out := make([]Changed, len(part))
	for i := range out {
		out[i] = Changed{before[i], after[i]}
	}
	return out, nil
}

// GoneCount returns how many resources are gone.
func (d *Difference) GoneCount() int { return len(d.gone) }

// Gone returns resources that are gone, those with most failures first, at most
// limit and at most [MaxLimit].
func (d *Difference) Gone(offset, limit int) []GoneResource {
	return slices.Clone(window(d.gone, offset, limit))
}

func window[T any](list []T, offset, limit int) []T {
	from := min(max(offset, 0), len(list))
	return list[from:min(from+min(max(limit, 0), MaxLimit), len(list))]
}

// side is one of the two sets, in terms of the other.
type side struct {
	*Set
	control  []uint32 // of each entry: a number that both sets have for it; 0 without a name
	resource []uint32
	compared []bool // of each entry of resources: its subscription is in both
	failed   []bool // of each entry of statuses
	fixed    []bool
}

// Compare returns what changed from an old set to a new one: in these
// subscriptions, or in all if none are given.
func Compare(old, new *Set, subscriptions ...string) *Difference {
	d := &Difference{old: old, new: new}
	both, wholeOld, wholeNew := d.subscriptions(subscriptions)
	numbers := map[Key]uint32{}
	a, b := old.side(numbers, both), new.side(numbers, both)
	short := make([]bool, len(new.tables[resources][0])) // of each entry of resources: the old set may lack it
	for i := range short {
		short[i] = !wholeOld[new.resourceKey(i).Subscription]
	}

	before := make(map[uint64]int32, old.Len())
	present := make([]bool, len(numbers)+1) // resources that the new set has
	a.each(func(row int32, key uint64) {
		if key == 0 {
			d.Unnamed++
			return
		}
		before[key] = row
	})
	b.each(func(row int32, key uint64) {
		if key == 0 {
			d.Unnamed++
			return
		}
		present[uint32(key)] = true
		was, known := before[key]
		wasFailed := known && a.failed[a.rows[statuses][was]]
		if known {
			delete(before, key) // what is left at the end is in the old set alone
		} else {
			was = -1
		}
		status := b.rows[statuses][row]
		switch {
		case b.failed[status] && wasFailed:
			d.lists[StillOpen] = append(d.lists[StillOpen], pair{was, row})
		case b.failed[status] && !known && short[b.rows[resources][row]]:
			d.lists[NotComparable] = append(d.lists[NotComparable], pair{was, row})
		case b.failed[status]:
			d.lists[NewFailure] = append(d.lists[NewFailure], pair{was, row})
		case wasFailed && b.fixed[status]:
			d.lists[Fixed] = append(d.lists[Fixed], pair{was, row})
		case wasFailed:
			d.lists[Undecided] = append(d.lists[Undecided], pair{was, row})
		}
	})
	d.left(&a, before, present, wholeNew)
	d.sort()
	return d
}

// left judges what the old set alone has.
func (d *Difference) left(a *side, before map[uint64]int32, present []bool, whole map[string]bool) {
	at := map[uint32]int{}
	for key, row := range before {
		resource, entry := uint32(key), a.rows[resources][row]
		failed := a.failed[a.rows[statuses][row]]
		if present[resource] || !whole[fold(a.names[a.tables[resources][resourceSubscription][entry]])] {
			if failed {
				d.lists[Unreported] = append(d.lists[Unreported], pair{row, -1})
			}
			continue
		}
		n, known := at[resource]
		if !known {
			n = len(d.gone)
			at[resource] = n
			name := func(field int) string { return a.names[a.tables[resources][field][entry]] }
			d.gone = append(d.gone, GoneResource{Subscription: name(resourceSubscription), ID: name(resourceID), Name: name(resourceName), Group: name(resourceGroup)})
		}
		d.gone[n].Rows++
		if failed {
			d.gone[n].Failed++
		}
	}
}

// sort puts the lists in order: a map gave some of them.
func (d *Difference) sort() {
	for i := range d.lists {
		set, number := d.new, func(p pair) int32 { return p.new }
		if Change(i) == Unreported {
			set, number = d.old, func(p pair) int32 { return p.old }
		}
		severity := set.rank(sortField{controls, controlSeverity, controlSeverity})
		slices.SortFunc(d.lists[i], func(x, y pair) int {
			return cmp.Or(cmp.Compare(severity[set.rows[controls][number(x)]], severity[set.rows[controls][number(y)]]), cmp.Compare(number(x), number(y)))
		})
	}
	slices.SortFunc(d.gone, func(x, y GoneResource) int {
		return cmp.Or(cmp.Compare(y.Failed, x.Failed), cmp.Compare(fold(x.Subscription), fold(y.Subscription)), cmp.Compare(fold(x.Group), fold(y.Group)),
			cmp.Compare(fold(x.Name), fold(y.Name)), cmp.Compare(fold(x.ID), fold(y.ID)))
	})
}

// subscriptions says which ones both sets have, and of which the old and the new
// one have all; only those that are wanted, or all if none are.
func (d *Difference) subscriptions(wanted []string) (both, wholeOld, wholeNew map[string]bool) {
	both, wholeOld, wholeNew = map[string]bool{}, map[string]bool{}, map[string]bool{}
	want := map[string]bool{}
	for _, id := range wanted {
		want[fold(id)] = true
	}
	counts := func(s Subscription) bool { return len(want) == 0 || want[s.ID] }
	older := map[string]SubscriptionState{}
	for _, s := range d.old.info.Subscriptions {
		if counts(s) {
			older[s.ID] = s.State
		}
	}
	for _, s := range d.new.info.Subscriptions {
		if !counts(s) {
			continue
		}
		state, in := older[s.ID]
		if !in {
			d.OnlyNew = append(d.OnlyNew, s.ID)
			continue
		}
		delete(older, s.ID)
		both[s.ID], wholeOld[s.ID], wholeNew[s.ID] = true, state == SubWhole, s.State == SubWhole
		if s.State != SubWhole || state != SubWhole {
			d.Incomplete = append(d.Incomplete, s.ID)
		}
	}
	for _, s := range d.old.info.Subscriptions {
		if _, alone := older[s.ID]; alone {
			d.OnlyOld = append(d.OnlyOld, s.ID)
		}
	}
	return both, wholeOld, wholeNew
}

// side numbers the controls and resources of a set by their keys.
func (s *Set) side(numbers map[Key]uint32, both map[string]bool) side {
	out := side{Set: s}
	number := func(k Key) uint32 {
		n, known := numbers[k]
		if !known {
			n = uint32(len(numbers)) + 1
			numbers[k] = n
		}
		return n
	}
	for _, code := range s.tables[controls][controlKey] {
		n := uint32(0)
		if code != 0 {
			n = number(Key{Control: fold(s.names[code])})
		}
		out.control = append(out.control, n)
	}
	for i, class := range s.tables[resources][resourceKey] {
		n := uint32(0)
		key := s.resourceKey(i)
		if class != 0 {
			n = number(key)
		}
		out.resource = append(out.resource, n)
		out.compared = append(out.compared, both[key.Subscription])
	}
	for _, code := range s.tables[statuses][statusName] {
		status := fold(s.names[code])
		out.failed = append(out.failed, status == "failed")
		out.fixed = append(out.fixed, status == "passed" || status == "notapplicable")
	}
	return out
}

// each calls do with all rows that count and their keys, 0 for those without.
func (s *side) each(do func(row int32, key uint64)) {
	for i, control := range s.rows[controls] {
		resource := s.rows[resources][i]
		if !s.compared[resource] {
			continue
		}
		key := uint64(s.control[control])<<32 | uint64(s.resource[resource])
		if s.control[control] == 0 || s.resource[resource] == 0 {
			key = 0
		}
		do(int32(i), key)
	}
}
