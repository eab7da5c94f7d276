package templates

import (
	"net/url"
	"time"
)

// FlowFailuresURL lists the sign-ins that failed; for the help desk.
const FlowFailuresURL = "/flows/failures" // GET code, before, after

// FlowFailureURL returns the address of one of them.
func FlowFailureURL(reference string) string {
	return FlowFailuresURL + "/" + url.PathEscape(reference)
}

// FlowFailuresQueryURL returns the address of a part of the list: of one code, ""
// for all, from after the row with a time and a reference on.
func FlowFailuresQueryURL(code string, before time.Time, reference string) string {
	q := url.Values{}
	if code != "" {
		q.Set("code", code)
	}
	if !before.IsZero() {
		q.Set("before", before.UTC().Format(time.RFC3339Nano))
		q.Set("after", reference)
	}
	if len(q) == 0 {
		return FlowFailuresURL
	}
	return FlowFailuresURL + "?" + q.Encode()
}

// FlowErrorsPage says what an error means.
type FlowErrorsPage struct {
	Page
	Tabs []NavItem
	// Query is what was looked up, where it may stand in the page again; what was
	// pasted never does.
	Query   string
	Asked   bool
	Notes   []Problem // about what was pasted: secrets in it, cut, a reference
	Form    string    // what it was, "" for unknown
	ByWords bool      // no code was in it: the words were looked for
	Cards   []ErrorCard
	Unknown []UnknownError
	IDs     []FlowFact // by which the sign-in log can be searched
	Groups  []ErrorGroup
}

// ErrorCard explains one error.
type ErrorCard struct {
	Code, Error         string
	Meaning, Next       string
	Mender, Origin, Try string
	Place               string // where that is mended; ""
	Retry               bool
}

// UnknownError is an AADSTS number without words of ours.
type UnknownError struct {
	Code string
	URL  string // Entra's own page about it; "" where the provider is not Entra
}

// ErrorGroup is a table of errors.
type ErrorGroup struct {
	Title string
	Lines []ErrorLine
}

// ErrorLine is one error in the table.
type ErrorLine struct{ Code, Meaning string }

// FlowFact is a name and a value.
type FlowFact struct{ Label, Value string }

// Where ids of the company sign-in are looked up.
const (
	signInLogTitle = "Search the sign-in log by this"
	signInLogPlace = "Entra admin center → Monitoring & health → Sign-in logs → filter by correlation id or request id."
)

// FlowFailuresPage lists the sign-ins that failed.
type FlowFailuresPage struct {
	Page
	Tabs     []NavItem
	Code     string // filter
	Missing  string // a reference that was looked for in vain
	Rows     []FailureRow
	OlderURL string
	Later    bool // not the first page
	Days     int
}

// FailureRow is a sign-in that failed.
type FailureRow struct {
	Reference, Code string
	At              time.Time
	Begun           bool // it was begun here, in the same browser
}

// FlowFailurePage shows one.
type FlowFailurePage struct {
	Page
	Tabs      []NavItem
	Reference string
	At        time.Time
	Until     time.Time // when it is deleted
	Card      ErrorCard
	Facts     []FlowFact
	IDs       []FlowFact
	Trace     string // the messages as text, without secrets; "" for none
	Claims    string // of tokens in them, as they were sent
}

var zeroTime time.Time

func (v *FlowErrorsPage) found() string {
	switch {
	case v.ByWords && len(v.Cards) == 0:
		return "Nothing has these words"
	case v.ByWords:
		return "By its words"
	case len(v.Cards) == 0 && len(v.Unknown) == 0:
		return "No error that is known was found"
	}
	return "What it means"
}

func (v *FlowErrorsPage) countText() string {
	n := 0
	for _, g := range v.Groups {
		n += len(g.Lines)
	}
	return number(n) + " in " + number(len(v.Groups)) + " tables"
}
