package templates

import (
	"strings"
	"time"
)

// OverviewPage is the first page of a signed-in person.
type OverviewPage struct {
	Page
	// The tiles, over all subscriptions and not only this page of the table.
	SubscriptionCount int
	PassedControls    int
	FailedControls    int
	Uncounted         int // subscriptions that are not in these two: AzTS gives no numbers of them
	RunningScans      int

	Subscriptions []Subscription // worst first
	// ScanKey makes pressing a button of the table twice one request.
	ScanKey string
	Pager   Pager
	Running []ScanRow
	AsOf    time.Time // when AzTS answered; zero: not shown
	// Problem stands in place of tiles and table: AzTS did not answer.
	Problem *Problem
	// Warnings stand above them: part of the answer is missing.
	Warnings []Problem
	// NoRole explains the roles that AzTS asks for: it shows this person nothing.
	NoRole bool

	// Ended are repeated scans with something to tell.
	Ended []RepeatedNotice
	News  News
	Quota Quota
}

// RepeatedNotice is what a repeated scan has to tell.
type RepeatedNotice struct {
	Text string
	At   time.Time
}

// NewsState is how far the news are.
type NewsState string

// The states of news. The zero value shows none.
const (
	NewsThere  NewsState = "there"
	NewsLate   NewsState = "late"   // still being worked out
	NewsFailed NewsState = "failed" // cannot be worked out now
)

// News is what the kept results of a person's scans say.
type News struct {
	State NewsState
	Kept  int       // subscriptions with results
	Since time.Time // the last visit; zero: there was none, or it is not known
	// Changes are what changed since then; counts over all are in Sums.
	Changes                []NewsChange
	Sums                   []NewsSum
	Unchanged, First, Left int // subscriptions
	Incomplete             int // subscriptions of which a scan has not all results

	Exceptions         []ExceptionEnd // the first of them
	Ends, EndedLately  int
	ExceptionsNotKnown int // subscriptions
}

// NewsSum is how many results changed in a way.
type NewsSum struct {
	Kind  ChangeKind
	Count int
}

// NewsChange is what changed between two scans.
type NewsChange struct {
	At            time.Time // of the newer one
	Subscriptions []string  // names, or ids where there is no name
	Sums          []NewsSum
	URL           string // of the comparison
	More          bool   // which is of further subscriptions too
}

// ExceptionEnd is an exception that ends soon, or has ended.
type ExceptionEnd struct {
	Control, Severity, Resource, Subscription string
	At                                        time.Time
	URL                                       string // of the result
}

// Quota is how many requests for scans are left today.
type Quota struct {
	UsedUp []string // names of the first subscriptions without any
	More   int      // how many there are beyond these
}

// text names the subscriptions whose requests of today are used up.
func (q *Quota) text() string {
	s := strings.Join(q.UsedUp, ", ")
	if q.More > 0 {
		s += " and " + number(q.More) + " more"
	}
	return s
}

// still says of what nothing has changed or can be said.
func (n *News) still() []string {
	var out []string
	add := func(count int, one, many string) {
		if count == 1 {
			out = append(out, "1 "+one)
		} else if count > 1 {
			out = append(out, number(count)+" "+many)
		}
	}
	if len(n.Changes) > 0 {
		add(n.Unchanged, "subscription was not scanned since.", "subscriptions were not scanned since.")
	}
	if n.Incomplete > 0 {
		out = append(out, "Not all results of "+plural(n.Incomplete, "subscription")+" were read. What is missing is not taken for new, fixed or gone.")
	}
	add(n.First, "subscription has its first results since then: there is nothing to compare them with.",
		"subscriptions have their first results since then: there is nothing to compare them with.")
	add(n.Left, "more subscription was scanned since. Its changes are not counted here; its scans can be compared.",
		"more subscriptions were scanned since. Their changes are not counted here; their scans can be compared.")
	return out
}

// label names what the exception is from.
func (e *ExceptionEnd) label() string {
	if e.Control == "" {
		return "Unnamed control"
	}
	return e.Control
}

// exceptionsText counts the exceptions, and says where nobody looked.
func (n *News) exceptionsText() string {
	s := plural(n.Ends, "exception")
	if n.Ends == 1 {
		s += " ends"
	} else {
		s += " end"
	}
	s += " within 14 days"
	if n.EndedLately > 0 {
		s += ", " + number(n.EndedLately) + " ended in the last 14"
	}
	s += "."
	if n.Ends+n.EndedLately > len(n.Exceptions) {
		s += " The first " + number(len(n.Exceptions)) + " are listed."
	}
	if n.ExceptionsNotKnown > 0 {
		s += " Not looked at: " + plural(n.ExceptionsNotKnown, "subscription") + " with older or too many results."
	}
	return s
}

// when tells how near the end is.
func (e *ExceptionEnd) when(now time.Time) string {
	age := string(appendAge(nil, now.Sub(e.At)))
	if e.At.Before(now) {
		return "Ended " + age
	}
	return "Ends " + age
}
