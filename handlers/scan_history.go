package handlers

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	shownScans   = 25 // scans on one page of the history
	shownMatches = 10 // subscriptions that a part of a name may mean
)

// list is GET /scans: the history.
func (s *scans) list(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	f := r.URL.Query()
	query := templates.ScansQuery{State: f.Get("state"), Subscription: strings.TrimSpace(f.Get("subscription")), Older: f.Get("older"), Newer: f.Get("newer")}
	page := templates.ScansPage{Page: s.page(r, "Scans", templates.ScansURL), Tabs: scanTabs(templates.ScansURL), Query: query}
	page.Flash = s.flash(w, r)
	q := scan.HistoryQuery{States: statesOf(query.State), Limit: shownScans}
	if page.Query.State != "" && q.States == nil {
		page.Query.State = ""
	}
	names := s.subscriptions.names(r.Context(), live)
	if query.Subscription != "" && !findSubscription(&page, &q, names) {
		return s.render(w, r, http.StatusOK, templates.Scans(page))
	}
	if at, id, ok := templates.ParseScanPlace(query.Older); ok {
		q.Before = scan.Place{At: at, ID: scan.ID(id)}
	} else if at, id, ok := templates.ParseScanPlace(query.Newer); ok {
		q.After = scan.Place{At: at, ID: scan.ID(id)}
	}
	found, err := s.service.History(r.Context(), live.User.ID, q)
	if err != nil {
		return err
	}
	if page.IdempotencyKey, err = formKey(r.Context(), s.service, live); err != nil {
		return err
	}
	page.Count, page.Counted = found.Count, found.Count <= scan.MaxCounted
	for _, entry := range found.Entries {
		page.Rows = append(page.Rows, pastScan(entry, names))
	}
	page.Query.Older, page.Query.Newer = "", ""
	address := func(set func(*templates.ScansQuery, string), e scan.Entry) string {
		there := page.Query
		set(&there, templates.ScanPlace(e.RequestedAt, string(e.ID)))
		return there.URL()
	}
	if n := len(found.Entries); n > 0 && found.Older {
		page.OlderURL = address(func(q *templates.ScansQuery, at string) { q.Older = at }, found.Entries[n-1])
	}
	if len(found.Entries) > 0 && found.Newer {
		page.NewerURL = address(func(q *templates.ScansQuery, at string) { q.Newer = at }, found.Entries[0])
	}
	return s.render(w, r, http.StatusOK, templates.Scans(page))
}

// statesOf returns the states that a filter stands for, nil for none.
func statesOf(filter string) []scan.State {
	switch templates.ScanState(filter) {
	case templates.ScansOpen:
		return []scan.State{scan.Requested, scan.Running, scan.Waiting}
	case templates.ScanWaiting:
		return []scan.State{scan.Waiting}
	case templates.ScanCompleted:
		return []scan.State{scan.Completed}
	case templates.ScanRefused:
		return []scan.State{scan.Refused}
	case templates.ScanFailed:
		return []scan.State{scan.Failed}
	case templates.ScanStalled:
		return []scan.State{scan.Stalled}
	}
	return nil
}

// findSubscription puts the subscription that was asked for into q: by its id, or
// by its name or a part of it. false: the page says why it is not one.
func findSubscription(page *templates.ScansPage, q *scan.HistoryQuery, names map[string]string) bool {
	typed := page.Query.Subscription
	if id, err := azts.ParseSubscriptionID(typed); err == nil {
		q.Subscription, page.Filtered = id, names[id]
		return true
	}
	var exact, within []string
	for id, name := range names {
		if strings.EqualFold(name, typed) {
			exact = append(exact, id)
		} else if strings.Contains(strings.ToLower(name), strings.ToLower(typed)) {
			within = append(within, id)
		}
	}
	matches := exact
	if len(matches) != 1 {
		matches = append(matches, within...)
	}
	switch len(matches) {
	case 0:
		page.NoneSuch = true
		return false
	case 1:
		q.Subscription, page.Filtered = matches[0], names[matches[0]]
		page.Query.Subscription = matches[0]
		return true
	}
	slices.SortFunc(matches, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.ToLower(names[a]), strings.ToLower(names[b])), cmp.Compare(a, b))
	})
	for _, id := range matches[:min(len(matches), shownMatches)] {
		page.Which = append(page.Which, templates.Action{Label: names[id] + ", " + id, URL: templates.ScansQuery{State: page.Query.State, Subscription: id}.URL()})
	}
	return false
}

// partWords are what is said of subscriptions in a state, in the order of a list.
var partWords = []struct {
	word   string
	states []scan.PartState
}{
	{"completed", []scan.PartState{scan.PartCompleted}},
	{"under way", []scan.PartState{scan.PartPending, scan.PartAsked, scan.PartQueued, scan.PartUnconfirmed}},
	{"stalled: no new results", []scan.PartState{scan.PartStalled}},
	{"refused: requests used up", []scan.PartState{scan.PartQuotaReached}},
	{"refused: no role", []scan.PartState{scan.PartNoRole}},
	{"refused: not known to AzTS", []scan.PartState{scan.PartNotKnown}},
	{"refused", []scan.PartState{scan.PartRefused, scan.PartNoAnswer}},
	{"not asked for", []scan.PartState{scan.PartNotRequested}},
}

// pastScan is the line of a scan in the history.
func pastScan(e scan.Entry, names map[string]string) templates.PastScan {
	_, completed, other := e.Counts()
	row := templates.PastScan{ScanRow: templates.ScanRow{ID: string(e.ID), RequestedAt: e.RequestedAt, EndedAt: e.EndedAt, State: shownState(e.State, other)},
		Total: e.Total(), Schedule: string(e.Schedule), HasResults: completed > 0 && e.State.Ended(), CanRepeat: e.State.Ended(),
		CanDoRest: e.State.Ended() && completed > 0 && other > 0, ReadRunning: e.Reading.State == scan.ReadRunning}
	for _, id := range e.First {
		row.Subscriptions = append(row.Subscriptions, cmp.Or(names[id], id))
	}
	for _, w := range partWords {
		n := 0
		for _, state := range w.states {
			n += e.In[state]
		}
		if n > 0 {
			row.Outcomes = append(row.Outcomes, templates.ScanOutcome{Count: n, Word: w.word})
		}
	}
	return row
}
