package templates

import (
	"net/url"
	"strconv"
)

// Values of [NewScanQuery.Only].
const (
	OnlyFailing  = "failing"   // with failed controls
	OnlyNotToday = "not-today" // not scanned since midnight UTC
)

var onlyChoices = []Choice{{"", "All subscriptions"}, {OnlyFailing, "With failed controls"}, {OnlyNotToday, "Not scanned today"}}

// NewScanQuery is which subscriptions are offered; zero values are left out.
type NewScanQuery struct {
	Text   string
	Only   string
	Chosen []string // ids that are chosen from the start
	Page   int      // from 1
}

// URL returns the address of the choice.
func (q NewScanQuery) URL() string {
	v := url.Values{}
	if q.Text != "" {
		v.Set("q", q.Text)
	}
	if q.Only != "" {
		v.Set("only", q.Only)
	}
	for _, id := range q.Chosen {
		v.Add("subscription", id)
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	return withQuery(NewScanURL, v.Encode())
}

// NewScanPage is the choice of subscriptions to scan.
type NewScanPage struct {
	Page
	Tabs          []NavItem
	Query         NewScanQuery
	Subscriptions []Subscription
	// Pager's addresses are not used: its pages are asked for by the form, which
	// takes the choice along.
	Pager Pager
	// All is how many more can be chosen of those that match; 0 offers nothing.
	All int
	// Elsewhere were chosen before and are not among Subscriptions: they stay
	// chosen and are named.
	Elsewhere []Subscription
	// UsedUp were chosen before and are not any more: AzTS takes no request for them.
	UsedUp []Subscription
	// IdempotencyKey makes pressing twice one request.
	IdempotencyKey string
	Problem        *Problem // stands in place of the table; Warnings above it
	Warnings       []Problem
	NoRole         bool
	// FormError says why the last attempt to start was refused.
	FormError string
	Paste     PastedIDs
	Limit     int // subscriptions of one scan
}

// PastedIDs are ids that were pasted, as they were, and what was found in them.
type PastedIDs struct {
	Text    string
	Limit   int
	Open    bool   // the field is shown: the list may lack some
	Error   string // of the whole
	Checked string // stands for the text that was checked; empty: none was
	Good    int    // of them are chosen now
	Marks   []PasteMark
	More    int // marks that are not shown
}

// PasteMark is one pasted entry that was not chosen.
type PasteMark struct {
	Line, Entry int // from 1
	Written     string
	Why         string
	ID          string // offers to choose it all the same; empty: it cannot be
	Chosen      bool
}

// chosenText is the count that the script keeps up to date.
func (v *NewScanPage) chosenText() string {
	n := len(v.Elsewhere)
	for i := range v.Subscriptions {
		if v.Subscriptions[i].Selected {
			n++
		}
	}
	for _, m := range v.Paste.Marks {
		if m.Chosen {
			n++
		}
	}
	return number(n) + " chosen"
}

// checkedText sums up what became of a pasted list.
func (p *PastedIDs) checkedText() string {
	marked := len(p.Marks) + p.More
	if marked == 0 {
		return "All " + plural(p.Good, "subscription") + " of your list are chosen. Nothing has been started yet."
	}
	are := " are"
	if p.Good == 1 {
		are = " is"
	}
	return plural(p.Good, "subscription") + " of your list" + are + " chosen, " + entries(marked) + " not. Nothing has been started yet."
}

// unknown reports whether AzTS answered and did not show the subscription.
func (v *NewScanPage) unknown(s *Subscription) bool { return s.AccessLevel == "" && v.Problem == nil }

// allLabel says what choosing all does.
func (v *NewScanPage) allLabel() string {
	if v.Pager.Total > v.Limit {
		return "Choose the first " + number(v.All)
	}
	return "Choose all " + number(v.All)
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return number(n) + " entries"
}

// missText says which filter to drop.
func (q NewScanQuery) missText() string {
	var only string
	for _, c := range onlyChoices {
		if c.Value == q.Only && q.Only != "" {
			only = " among those “" + c.Label + "”"
		}
	}
	if q.Text == "" {
		return "There is none" + only + "."
	}
	return "Nothing has “" + q.Text + "” in its name or id" + only + "."
}
