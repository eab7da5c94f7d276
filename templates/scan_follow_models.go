package templates

import (
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"
)

// ScanPage follows one scan.
type ScanPage struct {
	Page
	Tabs  []NavItem
	ID    string
	State ScanState
	// Line says in one sentence where the scan stands.
	Line        string
	RequestedAt time.Time
	EndedAt     time.Time // zero while it runs
	ChangedAt   time.Time // when something was last heard of it; zero: not shown
	AsOf        time.Time // of what is shown
	Total       int       // subscriptions of the scan
	Ended       int       // of them, that have come to an end
	// Live says that something may still change by itself: the scan or the reading
	// of its results.
	Live  bool
	Usual UsualTime
	// RequestID is AzTS's scanRequestId where all subscriptions have the same one.
	RequestID string
	Reading   ScanReading
	Problems  []Problem // for example "waiting for you", with its action
	Again     *Action   // scans again; nil while the scan runs
	Targets   []ScanTarget
	// Folded says that the targets have nothing to tell: all went well.
	Folded bool
	Pager  Pager // of the targets
	// RequestIDs says that each target shows AzTS's scanRequestId.
	RequestIDs bool
	Findings   *ScanFindings // nil: there is nothing to read
}

// UsualTime is how long the person's last completed scans took; Scans is 0 when
// that is not known.
type UsualTime struct {
	Scans    int
	From, To time.Duration
}

// ReadingState is how far the results of a scan are read in.
type ReadingState string

// The states of reading.
const (
	ReadingNone    ReadingState = "" // nothing to read, or not yet
	ReadingRuns    ReadingState = "reading"
	ReadingWaits   ReadingState = "waiting" // for the person
	ReadingWhole   ReadingState = "whole"
	ReadingPartial ReadingState = "partial" // ended without some of them
	ReadingGone    ReadingState = "gone"    // not kept any more
)

// ScanReading is how far the results of a scan are read in.
type ScanReading struct {
	State    ReadingState
	Rows     int
	Expected int // as AzTS said; -1: it did not
}

// ScanTarget is one subscription of a scan.
type ScanTarget struct {
	SubscriptionID   string
	SubscriptionName string
	State            ScanState
	Reason           string    // why it is so
	Next             string    // what to do about it
	NextAt           time.Time // ends Next: not before then; zero: no time
	RequestID        string    // AzTS's
	EndedAt          time.Time
	ResultsURL       string // empty: none to read
}

// ScanTargetsURL returns the address of one page of a scan's subscriptions.
func ScanTargetsURL(id string, page int) string {
	return ScanURL(id) + "?" + url.Values{"part": {strconv.Itoa(page)}}.Encode() + "#targets"
}

func (t *ScanTarget) label() string {
	if t.SubscriptionName != "" {
		return t.SubscriptionName
	}
	return t.SubscriptionID
}

// title is the page's title, which tabs and taskbars show: the state first.
func (v *ScanPage) title() string {
	name := "Scan of " + v.subject()
	switch {
	case v.State.Running():
		return "(" + number(v.Ended) + " of " + number(v.Total) + ") " + name
	case v.State == ScanCompleted:
		return "✓ " + scanWord(v.State) + " · " + name
	}
	return "⚠ " + scanWord(v.State) + " · " + name
}

// subject is what is scanned, in a few words.
func (v *ScanPage) subject() string {
	if v.Total == 1 && len(v.Targets) == 1 && v.Targets[0].SubscriptionName != "" {
		return v.Targets[0].SubscriptionName
	}
	return plural(v.Total, "subscription")
}

// scanWord is the word for a state; an unknown one as it came.
func scanWord(state ScanState) string {
	if s, ok := scanSigns[state]; ok {
		return s.word
	}
	return string(state)
}

// progress tells how many subscriptions have come to an end.
func (v *ScanPage) progress() string {
	return number(v.Ended) + " of " + plural(v.Total, "subscription") + " ended"
}

// announcement is what a screen reader hears when it differs from what the page
// said before: at the rests of a scan, not at each step.
func (v *ScanPage) announcement() string {
	if v.State.Running() {
		return ""
	}
	text := "Scan: " + scanWord(v.State) + ", " + v.progress() + "."
	switch v.Reading.State {
	case ReadingWaits:
		text += " Its results wait for you to sign in."
	case ReadingWhole, ReadingPartial:
		text += " " + v.Reading.text()
	}
	return text
}

// text says how far the results are read in.
func (r *ScanReading) text() string {
	rows := plural(r.Rows, "result")
	switch r.State {
	case ReadingRuns:
		if r.Expected < 0 {
			return "Reading results: " + number(r.Rows) + " rows so far."
		}
		return "Reading results: " + number(r.Rows) + " of " + plural(r.Expected, "row") + "."
	case ReadingWaits:
		return "Reading the results waits for you: " + number(r.Rows) + " rows are here."
	case ReadingWhole:
		if r.Rows == 1 {
			return rows + " is read in."
		}
		return rows + " are read in."
	case ReadingPartial:
		if r.Expected > r.Rows {
			return number(r.Rows) + " of " + plural(r.Expected, "result") + " are read in; the others could not be read."
		}
		return rows + " read in, but not all that there are."
	case ReadingGone:
		return "The results of this scan are not kept any more. Scan again to have new ones."
	}
	return ""
}

// againClass makes scanning again the primary action where the scan did not do
// what it was for.
func (v *ScanPage) againClass() string {
	if v.State == ScanCompleted || v.State == ScanPartial {
		return "btn"
	}
	for i := range v.Problems {
		if v.Problems[i].Primary != nil {
			return "btn"
		}
	}
	return "btn btn-primary"
}

// text says how long such scans usually take, by the person's own.
func (u UsualTime) text() string {
	if u.Scans == 1 {
		return "Your last completed scan took " + took(u.To) + "."
	}
	return "Your last " + number(u.Scans) + " completed scans took from " + took(u.From) + " to " + took(u.To) + "."
}

// share shows a part of a whole as a bar, and what it means in words beside it:
// the bar alone is hidden from screen readers.
func share(part, whole int, words string) templ.Component {
	percent := 0.0
	if whole > 0 {
		percent = clampPercent(100 * float64(part) / float64(whole))
	}
	b := append(make([]byte, 0, 256), `<span class="bar"><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="bar-rest" width="100" height="6"/><rect class="bar-way" width="`...)
	b = strconv.AppendFloat(b, percent, 'f', 1, 64)
	b = append(b, `" height="6"/></svg><span class="num">`...)
	return fragment(append(appendText(b, words), `</span></span>`...))
}

// clockTime shows the time of a day to the second, for a page that may be old by
// the time it is read; the script changes it to local time.
func clockTime(t time.Time) templ.Component {
	t = t.UTC()
	b := append(make([]byte, 0, 96), `<time data-clock datetime="`...)
	b = t.AppendFormat(b, time.RFC3339)
	b = append(b, `">`...)
	b = t.AppendFormat(b, "15:04:05 MST")
	return fragment(append(b, `</time>`...))
}

// LeavePage asks before a sign-out that something will have to wait for.
type LeavePage struct {
	Page
	Scans   int    // that will wait
	Repeats int    // repeated scans that go on
	StayURL string // back to where the person was
}
