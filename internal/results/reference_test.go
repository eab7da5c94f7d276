package results_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
)

// The simplest thing that answers a query: the reference for the columns.

var statusPlaces = map[string]int{"failed": 0, "error": 1, "verify": 2, "notscanned": 3, "exempted": 5, "extscanned": 6, "notapplicable": 7, "passed": 8, "": 9}
var severityPlaces = map[string]int{"critical": 0, "high": 1, "medium": 2, "low": 3, "": 5}

func byPlace(places map[string]int, unknown int) func(a, b string) int {
	place := func(s string) int {
		if p, known := places[s]; known {
			return p
		}
		return unknown
	}
	return func(a, b string) int {
		a, b = strings.ToLower(a), strings.ToLower(b)
		return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a, b))
	}
}

func byName(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if (a == "") != (b == "") {
		return strings.Compare(b, a)
	}
	return strings.Compare(a, b)
}

func controlLabel(r *results.Row) string { return cmp.Or(r.ControlDisplayName, r.ControlName) }

func expiry(r *results.Row) string {
	if r.ExceptionExpiry.Time.IsZero() {
		return ""
	}
	return r.ExceptionExpiry.Time.Format("2006-01-02T15:04:05.000000")
}

var orders = map[results.Sort]func(a, b *results.Row) int{
	results.SortUrgency: func(a, b *results.Row) int {
		return cmp.Or(byPlace(statusPlaces, 4)(a.Status, b.Status), byPlace(severityPlaces, 4)(a.Severity, b.Severity))
	},
	results.SortTaken:        func(a, b *results.Row) int { return cmp.Compare(a.Number, b.Number) },
	results.SortStatus:       func(a, b *results.Row) int { return byPlace(statusPlaces, 4)(a.Status, b.Status) },
	results.SortSeverity:     func(a, b *results.Row) int { return byPlace(severityPlaces, 4)(a.Severity, b.Severity) },
	results.SortControl:      func(a, b *results.Row) int { return byName(controlLabel(a), controlLabel(b)) },
	results.SortCategory:     func(a, b *results.Row) int { return byName(a.Category, b.Category) },
	results.SortResource:     func(a, b *results.Row) int { return byName(a.ResourceName, b.ResourceName) },
	results.SortGroup:        func(a, b *results.Row) int { return byName(a.ResourceGroupName, b.ResourceGroupName) },
	results.SortSubscription: func(a, b *results.Row) int { return byName(a.SubscriptionID, b.SubscriptionID) },
	results.SortException:    func(a, b *results.Row) int { return byName(a.ExceptionWorkflow, b.ExceptionWorkflow) },
	results.SortExpiry:       func(a, b *results.Row) int { return byName(expiry(a), expiry(b)) },
}

// referenceFilter is one filter: what it wants, and what a row has.
type referenceFilter struct {
	name   string
	wanted []string
	has    func(r *results.Row) []string
	facet  func(f *results.Facets) *results.Facet
}

func filters(q *results.Query) []referenceFilter {
	return []referenceFilter{
		{"status", q.Status, func(r *results.Row) []string { return []string{r.Status} }, func(f *results.Facets) *results.Facet { return &f.Status }},
		{"severity", q.Severity, func(r *results.Row) []string { return []string{r.Severity} }, func(f *results.Facets) *results.Facet { return &f.Severity }},
		{"control", q.Control, func(r *results.Row) []string { return []string{r.ControlName, r.ControlDisplayName} }, func(f *results.Facets) *results.Facet { return &f.Control }},
		{"category", q.Category, func(r *results.Row) []string { return []string{r.Category} }, func(f *results.Facets) *results.Facet { return &f.Category }},
		{"resource", q.Resource, func(r *results.Row) []string { return []string{r.ResourceID, r.ResourceName} }, func(f *results.Facets) *results.Facet { return &f.Resource }},
		{"group", q.Group, func(r *results.Row) []string { return []string{r.ResourceGroupName} }, func(f *results.Facets) *results.Facet { return &f.Group }},
		{"baseline", q.Baseline, func(r *results.Row) []string { return []string{strconv.FormatBool(r.IsBaseline)} }, func(f *results.Facets) *results.Facet { return &f.Baseline }},
		{"exception", q.ExceptionState, func(r *results.Row) []string { return []string{r.ExceptionWorkflow} }, func(f *results.Facets) *results.Facet { return &f.ExceptionState }},
		{"subscription", q.Subscription, func(r *results.Row) []string { return []string{r.SubscriptionID} }, func(f *results.Facets) *results.Facet { return &f.Subscription }},
	}
}

func (f *referenceFilter) lets(r *results.Row) bool {
	if len(f.wanted) == 0 {
		return true
	}
	has := slices.DeleteFunc(f.has(r), func(s string) bool { return s == "" })
	if len(has) == 0 {
		has = []string{""}
	}
	var wanted []string
	for _, w := range f.wanted {
		wanted = append(wanted, strings.ToLower(w))
	}
	return slices.ContainsFunc(has, func(h string) bool { return slices.Contains(wanted, strings.ToLower(h)) })
}

func hasText(r *results.Row, text string) bool {
	for _, word := range strings.Fields(strings.ToLower(text)) {
		if !slices.ContainsFunc([]string{r.ControlName, r.ControlDisplayName, r.ResourceName, r.ResourceID, r.ResourceGroupName, r.StatusReason, r.Justification},
			func(s string) bool { return strings.Contains(strings.ToLower(s), word) }) {
			return false
		}
	}
	return true
}

// referenceQuery answers a query over all rows, and counts its facets.
func referenceQuery(all []results.Row, q results.Query) (rows []results.Row, total int, facets map[string]map[string]int) {
	facets = map[string]map[string]int{}
	list := filters(&q)
	for i := range all {
		r := &all[i]
		if !hasText(r, q.Text) {
			continue
		}
		out := slices.DeleteFunc(slices.Clone(list), func(f referenceFilter) bool { return f.lets(r) })
		for _, f := range list {
			if len(out) == 0 || len(out) == 1 && out[0].name == f.name {
				if facets[f.name] == nil {
					facets[f.name] = map[string]int{}
				}
				has := slices.DeleteFunc(f.has(r), func(s string) bool { return s == "" })
				facets[f.name][strings.ToLower(append(has, "")[0])]++
			}
		}
		if len(out) == 0 {
			rows = append(rows, *r)
		}
	}
	slices.SortStableFunc(rows, func(a, b results.Row) int {
		if q.Descending {
			return -orders[q.Sort](&a, &b)
		}
		return orders[q.Sort](&a, &b)
	})
	total = len(rows)
	limit := min(cmp.Or(max(q.Limit, 0), 50), results.MaxLimit)
	from := min(max(q.Offset, 0), total)
	return rows[from:min(from+limit, total)], total, facets
}

// Values of which random rows are made: few, so that they meet; in several cases;
// missing; in other scripts; and some that nobody knows.
var (
	someStatuses   = []string{"Passed", "Failed", "failed", "Verify", "Exempted", "", "Quarantined", "Error", "*"}
	someSeverities = []string{"High", "HIGH", "Low", "Critical", "", "Extreme", "Medium"}
	someControls   = []string{"Azure_Storage_DP_Encrypt", "azure_storage_dp_encrypt", "Azure_KeyVault_Ää", "", "Azure_SQL_Audit"}
	someNames      = []string{"st1", "ST1", "kv-é", "KV-É", "", "=cmd|' /C calc'!A0", "vm\u212Aelvin"}
	someGroups     = []string{"rg-one", "RG-One", "rg-zwei", ""}
	someTexts      = []string{"", "All is well.", "Port 22 is open.", "PORT 443", "<script>", "Ünïcode straße", "port\n22"}
	someWords      = []string{"port", "22", "ST1", "é", "azure", "STRASSE", "straße", "k", "\x00", "nothing", "rg", "kelvin"}
)

func randomRow(random *rand.Rand, sub string) azts.Result {
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	r := azts.Result{SubscriptionID: sub, ControlName: pick(someControls), Status: pick(someStatuses), Severity: pick(someSeverities), ResourceName: pick(someNames),
		ResourceGroupName: pick(someGroups), IsBaseline: random.IntN(2) == 0, StatusReason: pick(someTexts), Category: pick(someGroups), Description: pick(someTexts)}
	if random.IntN(3) > 0 {
		r.ControlDisplayName = "Title of " + pick(someControls)
	}
	if random.IntN(4) > 0 {
		r.ResourceID = fmt.Sprintf("/subscriptions/%s/%s/%d", sub, r.ResourceName, random.IntN(6))
	}
	if random.IntN(4) == 0 {
		r.ExceptionWorkflow, r.Justification = pick([]string{"Approved", "approved", "Rejected"}), pick(someTexts)
		r.ExceptionExpiry = azts.Stamp{Time: noon.AddDate(0, 0, random.IntN(5)), Text: pick(someTexts)}
		if random.IntN(3) == 0 {
			r.ExceptionExpiry = azts.Stamp{Text: "31.02.2026"}
		}
	}
	return r
}

// unique keeps the first row of each key, as the archive does.
func unique(rows []azts.Result) []results.Row {
	seen := map[results.Key]bool{}
	var out []results.Row
	for i := range rows {
		key := results.KeyOf(&rows[i])
		if !key.Whole() {
			if slices.ContainsFunc(out, func(r results.Row) bool { return r.Result == rows[i] }) {
				continue
			}
		} else if seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, results.Row{Number: len(out), Result: rows[i]})
	}
	return out
}

func randomQuery(random *rand.Rand) results.Query {
	some := func(list []string) []string {
		var out []string
		for random.IntN(3) == 0 {
			out = append(out, list[random.IntN(len(list))])
		}
		return out
	}
	q := results.Query{Status: some(someStatuses), Severity: some(someSeverities), Control: some(someControls), Category: some(someGroups), Resource: some(someNames),
		Group: some(someGroups), Baseline: some([]string{"true", "false", "perhaps"}), ExceptionState: some([]string{"Approved", "", "rejected"}), Subscription: some([]string{subA, subB, "x"}),
		Sort: results.Sorts()[random.IntN(len(results.Sorts()))], Descending: random.IntN(2) == 0, Offset: random.IntN(40) - 5, Limit: random.IntN(60) - 5}
	for random.IntN(2) == 0 {
		q.Text += " " + someWords[random.IntN(len(someWords))]
	}
	return q
}
