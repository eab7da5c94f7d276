package templates

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ScansOpen is the value of [ScansQuery.State] for all that have not ended.
const ScansOpen = "open"

var scanStateChoices = []Choice{{"", "All states"}, {ScansOpen, "Under way"}, {string(ScanWaiting), "Waiting for me"}, {string(ScanCompleted), "Completed, also in part"},
	{string(ScanRefused), "Refused"}, {string(ScanFailed), "Failed"}, {string(ScanStalled), "Stalled"}}

// ScansQuery is what the history of scans shows; zero values are left out.
type ScansQuery struct {
	State        string // ScansOpen or a ScanState
	Subscription string // id, or what somebody typed to find one
	// Older and Newer are places in the history that the page lies beyond, as
	// [ScanPlace] writes them; at most one is set.
	Older, Newer string
}

// URL returns the address of the history.
func (q ScansQuery) URL() string {
	v := url.Values{}
	for _, p := range []struct{ name, value string }{{"state", q.State}, {"subscription", q.Subscription}, {"older", q.Older}, {"newer", q.Newer}} {
		if p.value != "" {
			v.Set(p.name, p.value)
		}
	}
	return withQuery(ScansURL, v.Encode())
}

// ScanPlace writes the place of a scan in the history, for addresses.
func ScanPlace(requested time.Time, id string) string {
	return strconv.FormatInt(requested.UnixMicro(), 36) + "." + id
}

// ParseScanPlace reads what [ScanPlace] wrote; false for anything else.
func ParseScanPlace(s string) (requested time.Time, id string, ok bool) {
	at, id, found := strings.Cut(s, ".")
	micros, err := strconv.ParseInt(at, 36, 64)
	if !found || err != nil || id == "" || len(id) > 64 {
		return time.Time{}, "", false
	}
	return time.UnixMicro(micros).UTC(), id, true
}

// ScansPage is the history of a person's scans.
type ScansPage struct {
	Page
	Tabs  []NavItem
	Query ScansQuery
	// Filtered names the subscription of the query; empty: it has no name.
	Filtered string
	// Which are subscriptions that what was typed may mean, and NoneSuch says that
	// it means none.
	Which    []Action
	NoneSuch bool
	Rows     []PastScan
	Count    int  // of all that match
	Counted  bool // false: there are more than Count
	NewerURL string
	OlderURL string
	// IdempotencyKey makes pressing a button of a row twice one request.
	IdempotencyKey string
}

// PastScan is one scan of the history.
type PastScan struct {
	ScanRow
	Total       int    // subscriptions; Subscriptions has the first few
	Schedule    string // id of what repeated it; empty: the person started it
	Outcomes    []ScanOutcome
	HasResults  bool
	CanRepeat   bool // it has ended
	CanDoRest   bool // and some did not complete, others did
	ReadRunning bool // it has ended, and its results are on their way
}

// ScanOutcome is what became of some subscriptions of a scan.
type ScanOutcome struct {
	Count int
	Word  string // such as "completed"
}

// what tells which subscriptions were scanned: "12 subscriptions: a, b and 10 more".
func (s *PastScan) what() string {
	switch n := len(s.Subscriptions); {
	case n == 0:
		return plural(s.Total, "subscription")
	case s.Total <= 1:
		return s.Subscriptions[0]
	case s.Total <= n:
		return plural(s.Total, "subscription") + ": " + strings.Join(s.Subscriptions[:n-1], ", ") + " and " + s.Subscriptions[n-1]
	default:
		shown := s.Subscriptions[:min(n, 2)]
		return plural(s.Total, "subscription") + ": " + strings.Join(shown, ", ") + " and " + number(s.Total-len(shown)) + " more"
	}
}

func (v *ScansPage) countText() string {
	if !v.Counted {
		return "More than " + number(v.Count-1) + " scans"
	}
	return plural(v.Count, "scan")
}

func (v *ScansPage) filtered() bool { return v.Query.State != "" || v.Query.Subscription != "" }

func (v *ScansPage) running() bool {
	for i := range v.Rows {
		if v.Rows[i].State.Running() || v.Rows[i].ReadRunning {
			return true
		}
	}
	return false
}

// filterText is what stands in the field of the filter.
func (v *ScansPage) filterText() string {
	if v.Filtered != "" {
		return v.Filtered
	}
	return v.Query.Subscription
}
