package handlers

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/templates"
)

// resultList is what of a scan's results a page shows, as it stands in the
// page's address: so that a view can be sent to a colleague.
type resultList struct {
	results.Query
	page int // from 1
}

// resultFilter is one filter of the list: its name in addresses, and where it
// stands in questions and answers.
type resultFilter struct {
	name, label string
	values      func(*results.Query) *[]string
	facet       func(*results.Facets) *results.Facet
}

// resultFilters in the order in which they are shown.
var resultFilters = [...]resultFilter{
	{"status", "Status", func(q *results.Query) *[]string { return &q.Status }, func(f *results.Facets) *results.Facet { return &f.Status }},
	{"severity", "Severity", func(q *results.Query) *[]string { return &q.Severity }, func(f *results.Facets) *results.Facet { return &f.Severity }},
	{"control", "Control", func(q *results.Query) *[]string { return &q.Control }, func(f *results.Facets) *results.Facet { return &f.Control }},
	{"category", "Category", func(q *results.Query) *[]string { return &q.Category }, func(f *results.Facets) *results.Facet { return &f.Category }},
	{"resource", "Resource", func(q *results.Query) *[]string { return &q.Resource }, func(f *results.Facets) *results.Facet { return &f.Resource }},
	{"group", "Resource group", func(q *results.Query) *[]string { return &q.Group }, func(f *results.Facets) *results.Facet { return &f.Group }},
	{"baseline", "Baseline", func(q *results.Query) *[]string { return &q.Baseline }, func(f *results.Facets) *results.Facet { return &f.Baseline }},
	{"exception", "Exception", func(q *results.Query) *[]string { return &q.ExceptionState }, func(f *results.Facets) *results.Facet { return &f.ExceptionState }},
	{"subscription", "Subscription", func(q *results.Query) *[]string { return &q.Subscription }, func(f *results.Facets) *results.Facet { return &f.Subscription }},
}

// typedSuffix names the field of a form in which a value is typed that is not
// listed. A field of its own: the empty value of a filter means rows without.
const typedSuffix = ".is"

const (
	maxWords  = 200 // characters of the free text
	firstSize = 50
	// longestList is how long the address of a list may be, in bytes: it stands in
	// each row of the page.
	longestList = 4 << 10
)

var errLongList = apperr.New(apperr.Invalid, "too_many_filters", "There are too many filters, or too long ones, for one address.").
	WithNext(apperr.MenderPerson, "Take away some filters, or clear all of them.")

var pageSizes = []int{firstSize, 100, 250}

// readList reads a list from an address. What makes no sense is left out.
func readList(v url.Values) (resultList, error) {
	l := resultList{page: 1}
	for i := range resultFilters {
		f := &resultFilters[i]
		into := f.values(&l.Query)
		for _, value := range v[f.name] {
			*into = withValue(*into, value)
		}
		for _, value := range v[f.name+typedSuffix] {
			if value = strings.TrimSpace(value); value != "" {
				*into = withValue(*into, value)
			}
		}
	}
	words := strings.Join(strings.Fields(strings.ToValidUTF8(v.Get("q"), "")), " ")
	if utf8.RuneCountInString(words) > maxWords {
		words = string([]rune(words)[:maxWords])
	}
	l.Text = words
	sort, down := strings.CutPrefix(v.Get("sort"), "-")
	if slices.Contains(results.Sorts(), results.Sort(sort)) && sort != "" {
		l.Sort, l.Descending = results.Sort(sort), down
	}
	if n, err := strconv.Atoi(v.Get("page")); err == nil && n > 1 {
		l.page = min(n, results.MaxRows)
	}
	l.Limit = firstSize
	if n, err := strconv.Atoi(v.Get("size")); err == nil && slices.Contains(pageSizes, n) {
		l.Limit = n
	}
	l.Offset = (l.page - 1) * l.Limit
	if n := len(l.encode()); n > longestList {
		return l, errLongList.Becausef("%d bytes of filters", n)
	}
	return l, nil
}

func withValue(list []string, value string) []string {
	if len(list) >= results.MaxValues || len(value) > azts.NameLimit || !utf8.ValidString(value) || hasValue(list, value) {
		return list
	}
	return append(list, value)
}

func hasValue(list []string, value string) bool {
	return slices.ContainsFunc(list, func(v string) bool { return results.Same(v, value) })
}

// encode writes the list as the query of an address: the same list is always the
// same address.
func (l resultList) encode() string {
	v := l.filters()
	if l.page > 1 {
		v.Set("page", strconv.Itoa(l.page))
	}
	for _, f := range l.order() {
		v.Set(f.Name, f.Value)
	}
	return v.Encode()
}

// filters returns what narrows the list.
func (l resultList) filters() url.Values {
	v := url.Values{}
	for i := range resultFilters {
		if values := *resultFilters[i].values(&l.Query); len(values) > 0 {
			v[resultFilters[i].name] = values
		}
	}
	if l.Text != "" {
		v.Set("q", l.Text)
	}
	return v
}

// order returns how the list is laid out, which stays when its filters change.
func (l resultList) order() (fields []templates.Field) {
	if l.Sort != results.SortUrgency {
		value := string(l.Sort)
		if l.Descending {
			value = "-" + value
		}
		fields = append(fields, templates.Field{Name: "sort", Value: value})
	}
	if l.Limit != firstSize {
		fields = append(fields, templates.Field{Name: "size", Value: strconv.Itoa(l.Limit)})
	}
	return fields
}

// at returns a page of the list.
func (l resultList) at(page int) resultList {
	l.page = page
	l.Offset = (page - 1) * l.Limit
	return l
}

// clear returns the list without filters.
func (l resultList) clear() resultList {
	l.Query = results.Query{Sort: l.Sort, Descending: l.Descending, Limit: l.Limit}
	return l.at(1)
}

// only returns the list with values of one filter and no other.
func (l resultList) only(f *resultFilter, values ...string) resultList {
	l = l.clear()
	*f.values(&l.Query) = values
	return l
}

// without returns the list with a value of a filter taken away, or with all
// values if there is none given.
func (l resultList) without(f *resultFilter, values ...string) resultList {
	from := f.values(&l.Query)
	if len(values) == 0 {
		*from = nil
		return l.at(1)
	}
	*from = slices.DeleteFunc(slices.Clone(*from), func(v string) bool { return hasValue(values, v) })
	return l.at(1)
}

func (l resultList) withoutText() resultList {
	l.Text = ""
	return l.at(1)
}

// sorted returns the list in another order, the other way round if it is in that
// order already.
func (l resultList) sorted(by results.Sort) resultList {
	l.Sort, l.Descending = by, l.Sort == by && !l.Descending
	return l.at(1)
}

func (l resultList) sized(size int) resultList {
	l.Limit = size
	return l.at(1)
}

// in returns the address of the list in a scan.
func (l resultList) in(scanID string) string { return templates.ScanFindingsURL(scanID, l.encode()) }

// words says what narrows the list: "status Failed, severity High or Critical".
func (l resultList) words(names map[string]string) string {
	var parts []string
	for i := range resultFilters {
		f := &resultFilters[i]
		var values []string
		for _, v := range *f.values(&l.Query) {
			values = append(values, f.text(v, names))
		}
		const most = 3
		if n := len(values); n > most {
			values = append(values[:most-1], fmt.Sprintf("%d more", n-most+1))
		}
		if len(values) > 0 {
			parts = append(parts, strings.ToLower(f.label)+" "+strings.Join(values, " or "))
		}
	}
	if l.Text != "" {
		parts = append(parts, "the words “"+l.Text+"”")
	}
	return strings.Join(parts, ", ")
}

// text is a value of a filter in words; names are those of subscriptions.
func (f *resultFilter) text(value string, names map[string]string) string {
	switch {
	case f.name == "baseline" && strings.EqualFold(value, "true"):
		return "Yes"
	case f.name == "baseline" && (value == "" || strings.EqualFold(value, "false")):
		return "No"
	case f.name == "subscription" && names[strings.ToLower(value)] != "":
		return names[strings.ToLower(value)]
	case f.name == "status":
		return templates.StatusWord(value)
	case value == "":
		return "none"
	}
	return templates.Plain(value)
}
