package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// findings is the area of reading what a scan found.
type findings struct {
	*frame
	service       *scan.Service
	archive       *results.Archive
	subscriptions *subscriptions
	portalHost    string // of the Azure portal in this cloud
}

const (
	firstBars  = 10 // of a chart
	foldedBars = 40 // behind its fold
	// firstValues and foldedValues are of a filter: a list of a thousand would make
	// the page heavy, and finds nothing.
	firstValues  = 10
	foldedValues = 40
	// shownReason is how much of a reason stands in the table, in characters.
	shownReason = 240
	// shownChips is how many filters are shown to be taken away one by one.
	shownChips = 20
	// namedIncomplete is how many subscriptions are named that are not read whole.
	namedIncomplete = 3
)

// view returns what a scan found, as the address of the request asks for it; nil
// where there is nothing to read, or not yet. again scans once more.
func (s *findings) view(ctx context.Context, r *http.Request, live *session.Session, one scan.Scan, again *templates.Action) (*templates.ScanFindings, error) {
	state, err := s.service.ResultsState(ctx, live.User.ID, one.ID)
	if err != nil || one.State.Ended() && state.State == scan.NotRead {
		return nil, err
	}
	if !one.State.Ended() {
		return &templates.ScanFindings{ScanID: string(one.ID), Live: true, Early: true}, nil
	}
	v := &templates.ScanFindings{ScanID: string(one.ID), Live: state.State != scan.ReadEnded}
	set, err := s.open(ctx, live, string(one.ID))
	if apperr.HasCode(err, "results_unreadable") {
		p := s.problem(ctx, err, "The results of this scan cannot be shown", live)
		p.Primary = again
		v.Gone = &p
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	if set == nil {
		if v.Live {
			v.Note = "AzTS gives them out page by page. They appear here as soon as the first have come."
		} else {
			v.Gone = s.resultsGone(one, again)
		}
		return v, nil
	}
	if before, ok := s.previousOf(ctx, s.archive, live.User.ID, string(one.ID)); ok && !v.Live {
		v.CompareURL = templates.ScanCompareURL(string(one.ID), before)
	}
	names := s.subscriptions.names(ctx, live)
	list, err := readList(r.URL.Query())
	if err != nil {
		return nil, err
	}
	if v.Live {
		v.Note = "More results are coming in. The numbers and the table follow."
	}
	if p := incomplete(set.Info(), names); p != nil && !v.Live {
		v.Warnings = append(v.Warnings, *p)
	}
	s.summarize(v, set, list, names)
	v.List, err = s.list(set, list, string(one.ID), names)
	return v, err
}

// open returns a person's set of results, nil if none is kept.
func (s *findings) open(ctx context.Context, live *session.Session, scanID string) (*results.Set, error) {
	set, err := s.archive.Open(ctx, live.User.ID, scanID)
	if apperr.IsKind(err, apperr.NotFound) {
		return nil, nil
	}
	return set, err
}

// resultsGone says that the results of a scan are not kept any more, or never were.
func (s *findings) resultsGone(one scan.Scan, again *templates.Action) *templates.Problem {
	p := &templates.Problem{Tone: templates.ToneInfo, Title: "The results of this scan are not kept any more",
		What: "The portal keeps results for " + templates.Count(s.resultsDays, "day") + " and then deletes them.",
		Next: "Scan again to see how things are now.", Primary: again}
	if one.Reading.Problem.Code != "" {
		p.Title, p.What = "There are no results of this scan", "None could be read from AzTS."
	}
	return p
}

// incomplete says which subscriptions have not all of their results here.
func incomplete(info results.Info, names map[string]string) *templates.Problem {
	var list []string
	for _, sub := range info.Subscriptions {
		if sub.State == results.SubWhole {
			continue
		}
		name := cmp.Or(names[sub.ID], sub.ID)
		switch missing := sub.Missing(); {
		case missing > 0:
			list = append(list, fmt.Sprintf("%s (%d missing)", name, missing))
		case sub.Rows == 0:
			list = append(list, name+" (none came)")
		default:
			list = append(list, name+" (nobody knows how many are missing)")
		}
	}
	if len(list) == 0 {
		return nil
	}
	if n := len(list); n > namedIncomplete {
		list = append(list[:namedIncomplete], fmt.Sprintf("and %d more", n-namedIncomplete))
	}
	p := &templates.Problem{Tone: templates.ToneWarning, Title: "Some results are missing here",
		What: "Not complete: " + strings.Join(list, ", ") + ".",
		Next: "What is listed is right; a control that is not listed may still fail. The list of subscriptions above says why."}
	if info.State == results.Full {
		p.Next = "This scan has more results than the portal keeps. Scan fewer subscriptions at once."
	}
	return p
}

// Filters that the summary sets.
var byStatus, bySeverity, byCategory, byGroup, bySubscription = filterNamed("status"), filterNamed("severity"), filterNamed("category"), filterNamed("group"), filterNamed("subscription")

func filterNamed(name string) *resultFilter {
	for i := range resultFilters {
		if resultFilters[i].name == name {
			return &resultFilters[i]
		}
	}
	panic("handlers: no filter " + name)
}

func (s *findings) summarize(v *templates.ScanFindings, set *results.Set, list resultList, names map[string]string) {
	sum := set.Summary()
	v.Total, v.Passed, v.Failed, v.Others = sum.Rows, sum.Passed, sum.Failed, sum.Rows-sum.Passed-sum.Failed
	var rest []string
	for _, t := range sum.Status {
		if !results.Same(t.Value, "passed") && !results.Same(t.Value, "failed") {
			rest = append(rest, t.Value)
		}
	}
	address := func(f *resultFilter, values ...string) string { return list.only(f, values...).in(v.ScanID) }
	v.AllURL, v.PassedURL, v.FailedURL = list.clear().in(v.ScanID), address(byStatus, "Passed"), address(byStatus, "Failed")
	if others := list.only(byStatus, rest...); len(rest) > 0 && len(rest) <= results.MaxValues && len(others.encode()) <= longestList {
		v.RestURL = others.in(v.ScanID)
	}
	for _, c := range []struct {
		title  string
		filter *resultFilter
		lines  []results.Tally
		all    int
	}{
		{"By status", byStatus, sum.Status, len(sum.Status)},
		{"By severity", bySeverity, sum.Severity, len(sum.Severity)},
		{"By category", byCategory, sum.Category, sum.Categories},
		{"By resource group", byGroup, sum.Group, sum.Groups},
		{"By subscription", bySubscription, sum.Subscription, sum.Subscriptions},
	} {
		if c.filter == bySubscription && c.all < 2 {
			continue
		}
		chart := templates.Chart{Title: c.title, Field: c.filter.name, Rest: max(0, c.all-firstBars-foldedBars)}
		longest := 0
		shown := c.lines[:min(len(c.lines), firstBars+foldedBars)]
		for _, t := range shown {
			longest = max(longest, t.Rows)
		}
		for i, t := range shown {
			bar := templates.Bar{Label: t.Value, URL: address(c.filter, t.Value), Rows: t.Rows, Failed: t.Failed, Passed: t.Passed, Of: longest}
			if c.filter == bySubscription {
				bar.Label = cmp.Or(names[t.Value], t.Value)
			}
			if i < firstBars {
				chart.Bars = append(chart.Bars, bar)
			} else {
				chart.More = append(chart.More, bar)
			}
		}
		v.Charts = append(v.Charts, chart)
	}
}

// list answers the address of a list.
func (s *findings) list(set *results.Set, list resultList, scanID string, names map[string]string) (*templates.ResultList, error) {
	found, err := set.Query(list.Query)
	if err != nil {
		return nil, err
	}
	if pages := (found.Total + list.Limit - 1) / list.Limit; list.page > max(pages, 1) {
		// An old address may name a page that is not there any more.
		list = list.at(max(pages, 1))
		if found, err = set.Query(list.Query); err != nil {
			return nil, err
		}
	}
	v := &templates.ResultList{ScanID: scanID, Action: templates.ScanFindingsURL(scanID, ""), Hidden: list.order(), Text: list.Text,
		Total: found.Total, All: set.Len(), Several: len(set.Info().Subscriptions) > 1, Clear: list.clear().in(scanID)}
	for i := range resultFilters {
		f := &resultFilters[i]
		if f == bySubscription && !v.Several {
			continue
		}
		v.Filters = append(v.Filters, f.box(list, *f.facet(&found.Facets), names))
		for _, value := range *f.values(&list.Query) {
			if len(v.Chips) == shownChips {
				v.MoreChips++
				continue
			}
			v.Chips = append(v.Chips, templates.Chip{Label: f.label + ": " + f.text(value, names), RemoveURL: list.without(f, value).in(scanID)})
		}
	}
	if list.Text != "" {
		v.Chips = append(v.Chips, templates.Chip{Label: "Words: " + list.Text, RemoveURL: list.withoutText().in(scanID)})
	}
	query, plain := list.encode(), templates.Plain
	for i := range found.Rows {
		row := &found.Rows[i]
		v.Rows = append(v.Rows, templates.Finding{Anchor: rowAnchor(row.Number), URL: templates.ScanResultURL(scanID, row.Number, query),
			Control: plain(cmp.Or(row.ControlDisplayName, row.ControlName, "(no name)")), Status: row.Status, Severity: row.Severity, Resource: plain(row.ResourceName),
			Group: plain(row.ResourceGroupName), Subscription: cmp.Or(names[row.SubscriptionID], row.SubscriptionID), Reason: beginning(plain(row.StatusReason), shownReason)})
	}
	s.layOut(v, list, scanID)
	v.Export = s.exportChoice(set.Info(), list, found.Total, scanID, names)
	if found.Total == 0 {
		v.Empty, err = emptyList(set, list, scanID, names)
	}
	return v, err
}

// resultColumns of the table, with the order that each sorts by.
var resultColumns = []struct {
	label string
	sort  results.Sort
}{{"Control", results.SortControl}, {"Status", results.SortStatus}, {"Severity", results.SortSeverity}, {"Resource", results.SortResource},
	{"Group", results.SortGroup}, {"Reason", ""}}

// layOut fills in the columns, the pages and their sizes.
func (s *findings) layOut(v *templates.ResultList, list resultList, scanID string) {
	for _, c := range resultColumns {
		column := templates.SortColumn{Label: c.label}
		if c.sort != "" {
			column.URL = list.sorted(c.sort).in(scanID)
			if list.Sort == c.sort {
				column.Order = "ascending"
				if list.Descending {
					column.Order = "descending"
				}
			}
		}
		v.Columns = append(v.Columns, column)
	}
	v.Pager = templates.Pager{Noun: "results", From: list.Offset + 1, To: list.Offset + len(v.Rows), Total: v.Total}
	if list.page > 1 {
		v.Pager.PrevURL = list.at(list.page - 1).in(scanID)
	}
	if v.Pager.To < v.Total {
		v.Pager.NextURL = list.at(list.page + 1).in(scanID)
	}
	for _, size := range pageSizes {
		v.Sizes = append(v.Sizes, templates.NavItem{Label: strconv.Itoa(size), URL: list.sized(size).in(scanID), Current: size == list.Limit})
	}
}

// box returns a filter with its values: the first of them and those chosen are
// in sight, some more behind a fold.
func (f *resultFilter) box(list resultList, facet results.Facet, names map[string]string) templates.Filter {
	chosen := *f.values(&list.Query)
	box := templates.Filter{Name: f.name, Label: f.label, Chosen: len(chosen)}
	listed := map[string]bool{}
	for _, v := range facet.Values {
		one := templates.FilterValue{Value: v.Value, Label: f.text(cmp.Or(v.Label, v.Value), names), Rows: v.Rows,
			Chosen: hasValue(chosen, v.Value) || v.Label != v.Value && hasValue(chosen, v.Label)}
		if f == byStatus || f == bySeverity {
			one.Label = v.Value // they have a look of their own
		}
		switch {
		case one.Chosen || len(box.Values) < firstValues:
			box.Values = append(box.Values, one)
		case len(box.More) < foldedValues:
			box.More = append(box.More, one)
		default:
			continue
		}
		listed[strings.ToLower(v.Value)], listed[strings.ToLower(v.Label)] = true, true
	}
	known := len(box.Values) + len(box.More)
	box.Rest = max(0, facet.Distinct-known)
	if box.Rest > 0 {
		box.TypedName = f.name + typedSuffix
	}
	// What is chosen and has no rows, or few, stays to be seen and taken back.
	for _, value := range chosen {
		if !listed[strings.ToLower(value)] {
			box.Values = append(box.Values, templates.FilterValue{Value: value, Label: f.text(value, names), Chosen: true})
		}
	}
	return box
}

// emptyList says which filters to drop to have rows again.
func emptyList(set *results.Set, list resultList, scanID string, names map[string]string) (*templates.EmptyList, error) {
	v := &templates.EmptyList{Text: "No result has " + list.words(names) + "."}
	if set.Len() == 0 {
		v.Text = "AzTS has no results for what was scanned."
		return v, nil
	}
	type drop struct {
		chip templates.Chip
		rows int
	}
	var drops []drop
	try := func(label string, without resultList) error {
		without.Limit = 1
		found, err := set.Query(without.Query)
		without.Limit = list.Limit
		if found.Total > 0 {
			drops = append(drops, drop{templates.Chip{Label: fmt.Sprintf("Drop %s: %s", label, templates.Count(found.Total, "result")), RemoveURL: without.in(scanID)}, found.Total})
		}
		return err
	}
	for i := range resultFilters {
		f := &resultFilters[i]
		if len(*f.values(&list.Query)) > 0 {
			if err := try(strings.ToLower(f.label), list.without(f)); err != nil {
				return nil, err
			}
		}
	}
	if list.Text != "" {
		if err := try("the words", list.withoutText()); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(drops, func(a, b drop) int { return b.rows - a.rows })
	for _, d := range drops {
		v.Drops = append(v.Drops, d.chip)
	}
	switch {
	case list.filters().Encode() == "":
		v.Text = "Nothing has come yet."
	case len(drops) == 0:
		v.Text += " Dropping one filter is not enough: clear all of them."
		v.Drops = []templates.Chip{{Label: "Clear all", RemoveURL: list.clear().in(scanID)}}
	}
	return v, nil
}

// rowAnchor is the id of a result's row on the page.
func rowAnchor(number int) string { return "r" + strconv.Itoa(number) }

// beginning returns a text, cut between words where it is long.
func beginning(text string, most int) string {
	if len(text) <= most {
		return text
	}
	n := 0
	for i := range text {
		if n == most {
			cut := text[:i]
			if blank := strings.LastIndexByte(cut, ' '); blank > max(0, i-40) {
				cut = cut[:blank]
			}
			return strings.TrimSpace(cut) + "…"
		}
		n++
	}
	return text
}

// errNoResult says that a result is not there.
var errNoResult = apperr.New(apperr.NotFound, "result_not_found", "There is no such result.").
	WithNext(apperr.MenderPerson, "Results are kept for a limited time only. Look in the list of your scans.")

// setOf returns a scan of the person of the session with its results, for pages
// that need them.
func (s *findings) setOf(ctx context.Context, r *http.Request, live *session.Session) (scan.Scan, *results.Set, error) {
	one, err := s.service.Get(ctx, live.User.ID, scan.ID(r.PathValue("id")))
	if err != nil {
		return one, nil, err
	}
	set, err := s.open(ctx, live, string(one.ID))
	if err == nil && set == nil {
		err = errNoResult.Because(errors.New("no results are kept"))
	}
	return one, set, err
}
