package templates

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// ScanFindings is what a scan found, as far as it is read: the lower half of its
// page.
type ScanFindings struct {
	ScanID string
	// Early is set while the scan itself goes on: there is nothing to show yet, but
	// the place where it will be.
	Early bool
	// Live is set while more is to come: then the numbers and the table follow.
	Live bool
	// Note says how far the reading is, where it is not done.
	Note     string
	Warnings []Problem
	// Gone says why nothing is kept, with the way to new results.
	Gone *Problem

	CompareURL string // of what changed since the scan before; empty: there is none

	Total, Passed, Failed, Others         int
	AllURL, PassedURL, FailedURL, RestURL string // of the list with those rows only
	Charts                                []Chart

	List *ResultList // nil: nothing is kept
}

// Chart is one list of bars.
type Chart struct {
	Title string
	Field string // name of the filter that a bar sets: tells how labels are shown
	Bars  []Bar  // the first of them, at most ten
	More  []Bar  // behind a fold
	Rest  int    // how many there are beyond these
}

// Bar is one line of a chart. The rows that neither failed nor passed are the
// rest of Rows.
type Bar struct {
	Label, URL           string
	Rows, Failed, Passed int
	Of                   int // rows of the longest bar of the chart
}

// ResultList is the filtered, sorted page of results.
type ResultList struct {
	ScanID string
	// Action is the address of the list; Hidden is what the form of the filters
	// keeps of the query.
	Action  string
	Hidden  []Field
	Text    string
	Filters []Filter
	Chips   []Chip
	// MoreChips is how many filters are set beyond those of Chips.
	MoreChips int
	Columns   []SortColumn
	Rows      []Finding
	// Total of All rows are in the list.
	Total, All int
	Pager      Pager
	Sizes      []NavItem
	// Several is set where the scan is of more than one subscription.
	Several bool
	Empty   *EmptyList // in place of the table
	Export  ExportChoice
	Clear   string // address of the list without filters
}

// Filter is one filter of the list.
type Filter struct {
	Name, Label string
	Chosen      int
	Values      []FilterValue // the first of them, and those chosen
	More        []FilterValue // behind a fold
	Rest        int           // how many there are beyond these
	// TypedName is the name of a field for a value that is not listed; "" for none.
	TypedName string
}

// FilterValue is one value of a filter. The empty one stands for rows without.
type FilterValue struct {
	Value, Label string
	Rows         int // that the list would have of it
	Chosen       bool
}

// Chip is one thing that narrows the list, with the address without it.
type Chip struct{ Label, RemoveURL string }

// SortColumn is a column of the table.
type SortColumn struct {
	Label string
	URL   string // that sorts by it, or turns the order round; "" where it cannot
	Order string // value of aria-sort; "" where the table is not sorted by it
}

// Finding is a row of the list.
type Finding struct {
	Anchor       string // id of the row
	URL          string
	Control      string // its name for people, or its id
	Status       string
	Severity     string
	Resource     string
	Group        string
	Subscription string
	Reason       string // its beginning
}

// EmptyList says why a list has no rows and what to drop.
type EmptyList struct {
	Text  string
	Drops []Chip // each gives rows again, the most first
}

// ExportChoice offers the rows of the list as files.
type ExportChoice struct {
	Text                          string // "312 rows, filtered by status Failed"
	Warning                       string // that rows are missing
	ExcelURL, PlainURL, JSONLines string
}

// ScanResultPage is one result of a scan.
type ScanResultPage struct {
	Page
	ScanID    string
	Title     string // the control's name for people, or its id
	ControlID string
	Status    string
	Severity  string
	Category  string
	Baseline  bool
	DocsURL   string // "": there is no sure address

	Description string
	Reason      string
	Evidence    string // JSON that the reason ended with, set out in lines
	Fix         []FixPart

	Resource, ResourceID, Group      string
	SubscriptionID, SubscriptionName string
	PortalURL                        string // "": no link
	Exception                        *Exception
	History                          []PastResult
	HistoryNote                      string

	// Place is "5 of 312 results"; the addresses are empty where there is none.
	Place, BackURL, PreviousURL, NextURL string
}

// FixPart is a part of what AzTS says of mending: words, or one command to copy.
type FixPart struct {
	Text    string
	Command bool
}

// Exception is what exempts a result.
type Exception struct {
	State, Justification string
	Ends                 time.Time // zero: never, or not to be read
	EndsText             string    // as AzTS wrote it
	Warning              *Problem  // it ends soon, or has ended
}

// PastResult is the same result in one scan of the person.
type PastResult struct {
	ScanID string
	URL    string // of the result there; "" for the one that is shown
	Status string
	Reason string
	At     time.Time
}

// count says how much of the whole is in the list.
func (v *ResultList) count() string {
	if v.Total == v.All {
		return plural(v.All, "result")
	}
	return number(v.Total) + " of " + plural(v.All, "result")
}

// text is the numbers of a bar.
func (b *Bar) text() string {
	switch b.Failed {
	case 0:
		return number(b.Rows)
	case b.Rows:
		return number(b.Rows) + " failed"
	}
	return number(b.Failed) + " of " + number(b.Rows) + " failed"
}

// width returns how many hundredths of the longest bar n rows take; a few rows
// of many are to be seen all the same.
func (b *Bar) width(n int) string {
	if n <= 0 || b.Of <= 0 {
		return "0"
	}
	return strconv.FormatFloat(max(100*float64(n)/float64(b.Of), .5), 'f', 1, 64)
}

// at returns where the part of a bar begins that follows n rows.
func (b *Bar) at(n int) string {
	if b.Of <= 0 {
		return "0"
	}
	return strconv.FormatFloat(100*float64(n)/float64(b.Of), 'f', 1, 64)
}

// foldText names what is behind a fold.
func foldText(more, rest int) string {
	if rest > 0 {
		return "The next " + number(more) + " of " + number(more+rest) + " more"
	}
	return number(more) + " more"
}

// chosenText is how many values of a filter are chosen.
func (f *Filter) chosenText() string {
	if f.Chosen == 0 {
		return ""
	}
	return number(f.Chosen)
}

// typedLabel asks for a value that is not listed.
func (f *Filter) typedLabel() string {
	return "Another " + strings.ToLower(f.Label) + ", by its exact name"
}

func (v *ScanResultPage) hasCommands() bool {
	return slices.ContainsFunc(v.Fix, func(p FixPart) bool { return p.Command })
}

// valueLabel shows the value of a filter as it looks everywhere.
func valueLabel(field, label string) templ.Component {
	switch {
	case label == "":
		return markup(`<span class="muted">none</span>`)
	case field == "status":
		return controlStatus(label)
	case field == "severity":
		return severity(label)
	case field == "control":
		return breakable(Plain(label))
	}
	return fragment(appendText(nil, Plain(label)))
}

// PlaceIn returns "6,998 of 18,564 results".
func PlaceIn(position, total int, noun string) string {
	return number(position) + " of " + plural(total, noun)
}

// Count returns "1 row" or "1,200 rows".
func Count(n int, noun string) string { return plural(n, noun) }

// StatusWord returns the word for a status of controls; an unknown one as it came.
func StatusWord(status string) string {
	if s, known := signOf(status); known {
		return s.word
	}
	if status == "" {
		return "Unknown"
	}
	return "“" + Plain(status) + "”"
}
