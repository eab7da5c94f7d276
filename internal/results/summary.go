package results

import (
	"cmp"
	"slices"
)

// MaxGroups is the most lines of one list of a summary.
const MaxGroups = 1000

// Tally is how many rows there are of something, and how many of them passed and
// failed; the others did neither.
type Tally struct {
	Value  string
	Rows   int
	Passed int
	Failed int
}

// Summary is a set in numbers. Statuses and severities are in the order of their
// meaning, the others with most failures first, at most [MaxGroups] of each.
type Summary struct {
	Rows, Passed, Failed                            int
	Status, Severity, Category, Group, Subscription []Tally
	Categories, Groups, Subscriptions, Resources    int // how many there are in all
}

// Summary returns the numbers of the whole set.
func (s *Set) Summary() Summary {
	passed, failed := s.verdicts()
	var all [tableCount][]Tally // by entry
	for t := range all {
		all[t] = make([]Tally, len(s.tables[t][0]))
	}
	var out Summary
	for i, status := range s.rows[statuses] {
		one := Tally{Rows: 1}
		if passed[status] {
			one.Passed = 1
		} else if failed[status] {
			one.Failed = 1
		}
		out.Rows, out.Passed, out.Failed = out.Rows+1, out.Passed+one.Passed, out.Failed+one.Failed
		all[statuses][status].add(one)
		all[controls][s.rows[controls][i]].add(one)
		all[resources][s.rows[resources][i]].add(one)
	}
	out.Status = s.tallies(all[statuses], statuses, statusName, byStatus)
	out.Severity = s.tallies(all[controls], controls, controlSeverity, bySeverity)
	out.Category = s.tallies(all[controls], controls, controlCategory, nil)
	out.Group = s.tallies(all[resources], resources, resourceGroup, nil)
	out.Subscription = s.tallies(all[resources], resources, resourceSubscription, nil)
	out.Categories, out.Groups, out.Subscriptions = len(out.Category), len(out.Group), len(out.Subscription)
	for _, list := range []*[]Tally{&out.Status, &out.Severity, &out.Category, &out.Group, &out.Subscription} {
		*list = (*list)[:min(len(*list), MaxGroups)]
	}
	for _, class := range s.tables[resources][resourceKey] {
		out.Resources = max(out.Resources, int(class))
	}
	return out
}

func (t *Tally) add(o Tally) {
	t.Rows += o.Rows
	t.Passed += o.Passed
	t.Failed += o.Failed
}

// verdicts returns for each entry of statuses whether it is passed or failed.
func (s *Set) verdicts() (passed, failed []bool) {
	for _, code := range s.tables[statuses][statusName] {
		status := fold(s.names[code])
		passed = append(passed, status == "passed")
		failed = append(failed, status == "failed")
	}
	return passed, failed
}

// tallies sums the entries of a table by a field; order nil means most failures
// first.
func (s *Set) tallies(entries []Tally, table, field int, order func(a, b string) int) []Tally {
	at := map[uint32]int{}
	var out []Tally
	for i, code := range s.tables[table][field] {
		if entries[i].Rows == 0 {
			continue
		}
		n, known := at[s.folds[code]]
		if !known {
			n = len(out)
			at[s.folds[code]] = n
			out = append(out, Tally{Value: s.names[code]})
		}
		out[n].add(entries[i])
	}
	slices.SortStableFunc(out, func(a, b Tally) int {
		if order != nil {
			return order(fold(a.Value), fold(b.Value))
		}
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(b.Rows, a.Rows))
	})
	return out
}
