package templates

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// ChangeKind is what became of a result between two scans; it stands in addresses.
type ChangeKind string

// The kinds of changes, in the order in which they are shown. The last three
// cannot be told for certain.
const (
	ChangeNew        ChangeKind = "new"
	ChangeFixed      ChangeKind = "fixed"
	ChangeOpen       ChangeKind = "open"
	ChangeGone       ChangeKind = "gone" // resources; all others are results
	ChangeUndecided  ChangeKind = "undecided"
	ChangeUnreported ChangeKind = "unreported"
	ChangeUnknown    ChangeKind = "not-comparable"
)

// ChangeKinds returns all kinds of changes.
func ChangeKinds() []ChangeKind {
	return []ChangeKind{ChangeNew, ChangeFixed, ChangeOpen, ChangeGone, ChangeUndecided, ChangeUnreported, ChangeUnknown}
}

// changeSign is how a kind of change looks everywhere: a sign and words, so that
// nobody has to see a colour.
type changeSign struct {
	sign, class, title string
	one, many          string // after a number
	meaning            string
}

var changeSigns = map[ChangeKind]changeSign{
	ChangeNew: {"+", "s-failed", "New failures", "new failure", "new failures",
		"Failed in the newer scan, and not in the older one."},
	ChangeFixed: {"✓", "s-passed", "Fixed", "fixed", "fixed",
		"Failed in the older scan; passed, or no longer applicable, in the newer one."},
	ChangeOpen: {"=", "s-verify", "Still open", "still open", "still open",
		"Failed in both scans."},
	ChangeGone: {"−", "s-neutral", "Gone resources", "gone resource", "gone resources",
		"The older scan knew them, the newer one has nothing of them: they were deleted or moved."},
	ChangeUndecided: {"?", "s-exempt", "Without a verdict", "without a verdict", "without a verdict",
		"Failed in the older scan; in the newer one neither failed nor passed: exempted, an error, or to be verified."},
	ChangeUnreported: {"?", "s-unknown", "Not reported again", "not reported again", "not reported again",
		"Failed in the older scan; the newer one has no result of it, though it has the resource or was not read whole."},
	ChangeUnknown: {"?", "s-unknown", "Not comparable", "not comparable", "not comparable",
		"Failed in the newer scan; the older one was not read whole and has no result of it. Nobody can tell whether it is new."},
}

// words is "12 new failures".
func (k ChangeKind) words(n int) string {
	if n == 1 {
		return "1 " + changeSigns[k].one
	}
	return number(n) + " " + changeSigns[k].many
}

// changeCount is a number of changes with its sign and its words.
func changeCount(kind ChangeKind, n int) templ.Component {
	class := changeSigns[kind].class
	if n == 0 {
		class = "s-neutral"
	}
	return markup(`<span class="change ` + class + `"><b aria-hidden="true">` + changeSigns[kind].sign + `</b>` + kind.words(n) + `</span>`)
}

// ComparePage is what changed between two scans, or the choice of one to compare
// with.
type ComparePage struct {
	Page
	Tabs         []NavItem
	ScanID       string // whose page leads here
	Older, Newer CompareSide
	Notes        []string // on what is compared, above the numbers
	// Left says which subscriptions are left out of the numbers.
	Left []CompareDoubt
	// Part are the subscriptions that alone are compared, because the address says
	// so; empty: all that both scans have. WholeURL compares those.
	Part     []string
	WholeURL string
	// Problem stands in place of numbers and lists.
	Problem *Problem
	Choice  CompareChoice
	// Changes are all kinds with their numbers; those that are shown have rows.
	Changes []ChangeList
	// Only is the one kind whose list is shown whole; "" shows the first rows of each.
	Only   ChangeKind
	AllURL string // of the page with all kinds
	// Doubts say what cannot be told, beside the last three kinds.
	Doubts []CompareDoubt
}

// CompareSide is one of the two scans.
type CompareSide struct {
	ScanID        string
	At            time.Time // when it was asked for
	Rows          int
	Passed        int
	Failed        int
	Subscriptions []string // names, or ids where there is no name
}

// counts is what compliance is made of, and what it leaves out.
func (s *CompareSide) counts() string {
	text := number(s.Failed) + " failed, " + number(s.Passed) + " passed"
	if others := s.Rows - s.Failed - s.Passed; others > 0 {
		text += ", " + plural(others, "other")
	}
	return text
}

// CompareChoice is the form that leads to another comparison.
type CompareChoice struct {
	Action  string
	Options []CompareOption // scans that have a subscription in common, newest first
	More    bool            // there are older ones, which are not listed
}

// CompareOption is a scan to compare with.
type CompareOption struct {
	ScanID        string
	At            time.Time
	Subscriptions int // that both have
	Selected      bool
}

// label names a scan in a list of choices.
func (o *CompareOption) label() string {
	return o.At.UTC().Format(exactLayout) + ", " + plural(o.Subscriptions, "subscription") + " in common"
}

// ChangeList is one kind of change.
type ChangeList struct {
	Kind   ChangeKind
	Count  int
	URL    string // of the whole list
	CSVURL string // empty: no file
	Rows   []ChangeRow
	Gone   []GoneRow
	Pager  Pager
}

// rest is how many are not shown on a page with all kinds.
func (l *ChangeList) rest() int { return l.Count - len(l.Rows) - len(l.Gone) }

// ChangeRow is one result that changed.
type ChangeRow struct {
	ControlID, Control string
	Severity           string
	Was, Is            string // statuses
	NotBefore, NotNow  bool   // it is not in the older, or in the newer scan
	Resource, Group    string
	Subscription       string // name or id; empty where there is one only
	URL                string // of the result in the newer scan, or in the older one
}

// label names a control by its name, or by its id where there is none.
func (r *ChangeRow) label() string {
	switch {
	case r.Control != "":
		return r.Control
	case r.ControlID != "":
		return r.ControlID
	}
	return "Unnamed control"
}

// GoneRow is a resource that is gone.
type GoneRow struct {
	Name, Group, ID string
	Subscription    string
	Failed, Rows    int
	URL             string // of its results in the older scan
}

// CompareDoubt is a reason why something cannot be told.
type CompareDoubt struct {
	Text  string
	Names []string // of subscriptions; the first of them
	More  int      // how many there are beyond
}

// CompareChoiceURL returns the address of the choice of a scan to compare with;
// with leads on to the comparison with that one.
func CompareChoiceURL(id string) string { return ScanURL(id) + "/compare" }

// ComparePartURL returns the address of what changed in some subscriptions; without
// any, in all.
func ComparePartURL(id, other string, subscriptions []string) string {
	return withQuery(ScanCompareURL(id, other), url.Values{"subscription": subscriptions}.Encode())
}

// CompareListURL returns the address of the list of one kind of change, in some
// subscriptions or in all.
func CompareListURL(id, other string, subscriptions []string, kind ChangeKind, page int) string {
	v := url.Values{"list": {string(kind)}, "subscription": subscriptions}
	if page > 1 {
		v.Set("page", strconv.Itoa(page))
	}
	return withQuery(ScanCompareURL(id, other), v.Encode())
}

// CompareCSVURL returns the address of the list of one kind of change as a file.
func CompareCSVURL(id, other string, subscriptions []string, kind ChangeKind) string {
	v := url.Values{"list": {string(kind)}, "subscription": subscriptions}
	return withQuery(ScanCompareURL(id, other)+"/changes.csv", v.Encode())
}

// label names a resource by its name, or by its id where there is none.
func (r *GoneRow) label() string {
	switch {
	case r.Name != "":
		return r.Name
	case r.ID != "":
		return r.ID
	}
	return "Unnamed resource"
}

// list names subscriptions and counts the rest.
func (d *CompareDoubt) list() string {
	s := strings.Join(d.Names, ", ")
	if d.More > 0 {
		s += " and " + number(d.More) + " more"
	}
	return s + "."
}
