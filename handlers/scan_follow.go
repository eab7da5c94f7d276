package handlers

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	shownTargets = 50 // subscriptions on one page of a scan
	openTargets  = 5  // so many are shown although all went well
	usualScans   = 5  // scans from which it is told how long one takes
	lookedAt     = 10 // scans among which they are looked for
)

// follow is GET /scans/{id}?part=.
func (s *scans) follow(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	one, err := s.service.Get(r.Context(), live.User.ID, scan.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	return s.showScan(w, r, live, one, nil)
}

// goOn is POST /scans/{id}/continue: the owner of a scan that waits for them is
// led to the company sign-in with the challenge that AzTS, or the tenant, has
// put, and comes back to the scan. It goes on by itself then, see auth.keep.
func (s *scans) goOn(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	one, err := s.service.Get(r.Context(), live.User.ID, scan.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	here := templates.ScanURL(string(one.ID))
	var claims string
	switch {
	case one.State == scan.Waiting:
		claims = one.Problem.Claims
	case one.Reading.State == scan.ReadWaiting:
		claims = one.Reading.Problem.Claims
	default:
		redirect(w, here) // it has gone on meanwhile
		return nil
	}
	err = s.auth.visitFor(w, r, live, tokenVisit{Scopes: s.auth.signIn.TokenScopes, Claims: claims, Reason: "A scan that waited for you", ReturnTo: here})
	if err == nil {
		return nil
	}
	return s.showScan(w, r, live, one, err)
}

// showScan renders a scan; refused is why its owner could not be led to the
// company sign-in, or nil.
func (s *scans) showScan(w http.ResponseWriter, r *http.Request, live *session.Session, one scan.Scan, refused error) error {
	ctx, cancel := timeout(r)
	defer cancel()
	read, err := s.service.ResultsState(ctx, live.User.ID, one.ID)
	if err != nil {
		return err
	}
	s.subscriptions.since(live.ID, one.EndedAt)
	names := s.subscriptions.names(ctx, live)
	page := scanPage(one, read, names, s.now())
	page.Page, page.Tabs = s.page(r, "", templates.ScansURL), scanTabs("")
	page.Flash = s.flash(w, r)
	page.Folded = page.State == templates.ScanCompleted && !page.Live && page.Total > openTargets && !r.URL.Query().Has("part")
	part, _ := strconv.Atoi(r.URL.Query().Get("part")) // anything else is the first page
	page.Targets, page.Pager = cutBy(page.Targets, shownTargets, part, "subscriptions",
		func(n int) string { return templates.ScanTargetsURL(string(one.ID), n) })
	if page.Live {
		page.Usual = s.usual(ctx, live)
	}
	if page.Again != nil {
		key, err := formKey(ctx, s.service, live)
		if err != nil {
			return err
		}
		page.Again.Fields = append(page.Again.Fields, templates.Field{Name: "idempotency_key", Value: key})
	}
	if page.Findings, err = s.findings.view(ctx, r, live, one, page.Again); err != nil {
		return err
	}
	status := http.StatusOK
	if refused != nil {
		page.Path = templates.ScanURL(string(one.ID)) // a form cannot be come back to
		p := s.problem(ctx, refused, "The scan still waits", live)
		p.Primary = nil
		page.Problems = []templates.Problem{p}
		if known, ok := statuses[apperr.From(refused).Kind]; ok {
			status = known
		}
	}
	return s.render(w, r, status, templates.Scan(page))
}

// usual tells how long the person's last scans took. It is a help to the reader:
// without it the page is as good.
func (s *scans) usual(ctx context.Context, live *session.Session) (u templates.UsualTime) {
	list, err := s.service.List(ctx, live.User.ID, lookedAt)
	if err != nil {
		s.log.WarnContext(ctx, "earlier scans cannot be listed", "err", err)
	}
	for i := range list {
		if list[i].State != scan.Completed || u.Scans == usualScans {
			continue
		}
		took := list[i].EndedAt.Sub(list[i].RequestedAt)
		if u.Scans++; u.Scans == 1 {
			u.From = took
		}
		u.From, u.To = min(u.From, took), max(u.To, took)
	}
	return u
}

// scanPage puts a scan, and how far its results are read, into words.
func scanPage(one scan.Scan, read scan.ResultsState, names map[string]string, now time.Time) templates.ScanPage {
	open, completed, other := one.Counts()
	page := templates.ScanPage{ID: string(one.ID), State: stateOf(one), RequestedAt: one.RequestedAt, EndedAt: one.EndedAt,
		ChangedAt: one.ChangedAt, AsOf: now, Total: len(one.Parts), Ended: completed + other,
		Live:    !one.State.Ended() || read.State == scan.ReadRunning || read.State == scan.ReadWaiting,
		Reading: readingOf(read, completed), Line: lineOf(one, open, completed)}
	for _, p := range []*templates.Problem{scanProblem(one), readingProblem(one)} {
		if p != nil {
			page.Problems = append(page.Problems, *p)
		}
	}
	if one.State.Ended() {
		page.Again = againOf(one, completed)
	}
	asked := map[string]bool{}
	kept := map[string]*results.Subscription{}
	for i := range read.Info.Subscriptions {
		kept[read.Info.Subscriptions[i].ID] = &read.Info.Subscriptions[i]
	}
	for _, part := range one.Parts {
		if part.ScanRequestID != "" {
			asked[part.ScanRequestID] = true
			page.RequestID = part.ScanRequestID
		}
		t := target(one, part, names[part.SubscriptionID], now)
		if sub := kept[strings.ToLower(part.SubscriptionID)]; sub != nil && part.State == scan.PartCompleted {
			t.Reason, t.Next = resultsIn(sub)
		}
		page.Targets = append(page.Targets, t)
	}
	if len(asked) > 1 {
		page.RequestID, page.RequestIDs = "", true
	}
	slices.SortStableFunc(page.Targets, func(a, b templates.ScanTarget) int { return rankOf(a.State) - rankOf(b.State) })
	return page
}

// rankOf puts first what somebody has to do something about, and last what is done.
func rankOf(state templates.ScanState) int {
	switch state {
	case templates.ScanCompleted:
		return 3
	case templates.ScanQueued:
		return 2
	case templates.ScanRunning:
		return 1
	}
	return 0
}

// lineOf says in a sentence where a scan stands.
func lineOf(one scan.Scan, open, completed int) string {
	total := len(one.Parts)
	switch one.State {
	case scan.Requested:
		return "AzTS is being asked to scan."
	case scan.Running:
		if open < total {
			return "AzTS is scanning the rest. What it has finished stays finished."
		}
		return "AzTS is scanning. It says nothing until it is done."
	case scan.Waiting:
		if !slices.ContainsFunc(one.Parts, func(p scan.Part) bool { return p.State != scan.PartPending }) {
			return "AzTS has not been asked to scan yet: that needs you first."
		}
		return "AzTS goes on by itself, but the portal needs you to hear how it ends."
	case scan.Completed:
		if completed < total {
			return "AzTS scanned " + strconv.Itoa(completed) + " of " + strconv.Itoa(total) + ". Below stands why the others were not scanned."
		}
		return "AzTS has scanned all of it."
	case scan.Stalled:
		if completed > 0 {
			return "AzTS finished " + strconv.Itoa(completed) + " of " + strconv.Itoa(total) + " within two hours. The portal has stopped looking for the others."
		}
		return "AzTS did not finish within two hours. The portal has stopped looking."
	case scan.Refused:
		return "AzTS scanned nothing. Below stands why."
	case scan.Failed:
		for i := range one.Parts {
			if one.Parts[i].State != scan.PartNotRequested {
				return "The scan was given up."
			}
		}
		return "AzTS was not asked to scan."
	}
	return ""
}

// problemTitles name the problems of a scan by where it stands.
var problemTitles = map[scan.State]string{
	scan.Waiting: "This scan is waiting for you",
	scan.Stalled: "AzTS has not finished in time",
	scan.Failed:  "This scan failed",
}

func scanProblem(one scan.Scan) *templates.Problem {
	if one.Problem.Code == "" {
		return nil
	}
	p := problemOf(one.Problem, cmp.Or(problemTitles[one.State], "This scan met a problem"))
	switch {
	case one.State == scan.Waiting:
		askOwner(p, one, one.Problem, "The scan")
	case !one.State.Ended():
		p.Tone, p.Title = templates.ToneInfo, "The portal cannot hear of the scan right now"
		p.Next = cmp.Or(p.Next, "Nothing to do: it is tried again by itself.")
	}
	return p
}

func readingProblem(one scan.Scan) *templates.Problem {
	from := one.Reading.Problem
	if from.Code == "" {
		return nil
	}
	p := problemOf(from, "Not all results could be read")
	switch one.Reading.State {
	case scan.ReadWaiting:
		p.Title = "The results wait for you"
		askOwner(p, one, from, "Reading them")
	case scan.ReadRunning:
		p.Tone, p.Title = templates.ToneInfo, "AzTS does not give out the results right now"
		p.Next = "Nothing to do: it is asked again by itself, for up to two hours."
	}
	return p
}

func problemOf(from scan.Problem, title string) *templates.Problem {
	return &templates.Problem{Tone: templates.ToneWarning, Title: title, What: from.Message, Next: from.Next, Code: from.Code, Reference: from.Reference}
}

// askOwner says what only the owner can do, and leads there.
func askOwner(p *templates.Problem, one scan.Scan, from scan.Problem, what string) {
	p.Next = "Sign in once more at the company sign-in. "
	if from.Claims != "" {
		p.Next = "Give the company sign-in the proof that it asks for. "
	}
	p.Next += what + " goes on by itself then. Without you it waits for a day at most."
	p.Primary = &templates.Action{Label: "Go on to the company sign-in", URL: templates.ScanContinueURL(string(one.ID)), Post: true}
}

// againOf is the form that scans once more: what was not completed, or all of it
// when that is everything or nothing.
func againOf(one scan.Scan, completed int) *templates.Action {
	left := len(one.Parts) - completed
	again := &templates.Action{Label: "Scan again", URL: templates.ScanAgainURL(string(one.ID)), Post: true}
	if left > 0 && completed > 0 {
		again.Label = "Scan the other " + strconv.Itoa(left) + " again"
	}
	if left > 0 {
		again.Fields = append(again.Fields, templates.Field{Name: "of", Value: "open"})
	}
	return again
}

// readingOf says how far the results are read of which some subscriptions
// completed.
func readingOf(read scan.ResultsState, completed int) templates.ScanReading {
	r := templates.ScanReading{Rows: read.Info.Rows}
	whole := true
	for i := range read.Info.Subscriptions {
		sub := &read.Info.Subscriptions[i]
		whole = whole && sub.State == results.SubWhole
		switch {
		case r.Expected < 0:
		case sub.Expected < 0:
			r.Expected = -1 // one is not known, so neither is their sum
		default:
			r.Expected += sub.Expected
		}
	}
	if !read.Kept {
		r.Expected = -1
	}
	switch {
	case completed == 0:
	case read.State == scan.ReadRunning:
		r.State = templates.ReadingRuns
	case read.State == scan.ReadWaiting:
		r.State = templates.ReadingWaits
	case read.State == scan.ReadEnded && !read.Kept:
		r.State = templates.ReadingGone
	case read.State == scan.ReadEnded && whole:
		r.State = templates.ReadingWhole
	case read.State == scan.ReadEnded:
		r.State = templates.ReadingPartial
	}
	return r
}

// resultsIn says how far a subscription's results are read.
func resultsIn(sub *results.Subscription) (reason, next string) {
	rows := strconv.Itoa(sub.Rows)
	of := rows + " results"
	if sub.Expected > sub.Rows {
		of = rows + " of " + strconv.Itoa(sub.Expected) + " results"
	}
	switch sub.State {
	case results.SubReading:
		return "AzTS has scanned it. " + of + " are read in so far.", ""
	case results.SubShort:
		return "AzTS gave out " + of + ".", "Scan it again to have all of them."
	case results.SubLoop:
		return "AzTS's pages of results went round in a circle. " + of + " are read in.", "Scan it again. If it stays, tell whoever runs AzTS."
	case results.SubGone:
		return "AzTS does not give out its results to you any more. " + of + " are read in.", "Your role on it may have ended. A role given today can take 24 hours to count."
	case results.SubCut:
		return "It has more results than the portal keeps. " + of + " are read in.", "Read the others in AzTS."
	}
	return of + " are read in.", ""
}

// outcome is what is said of a subscription in a state.
type outcome struct {
	state        templates.ScanState
	reason, next string
}

var outcomes = map[scan.PartState]outcome{
	scan.PartPending:     {templates.ScanQueued, "AzTS has not been asked yet.", ""},
	scan.PartAsked:       {templates.ScanQueued, "AzTS is being asked.", ""},
	scan.PartQueued:      {templates.ScanRunning, "AzTS is scanning it.", ""},
	scan.PartUnconfirmed: {templates.ScanRunning, "AzTS may be scanning it: its answer was lost on the way.", "Nothing to do. New results will tell."},
	scan.PartCompleted:   {templates.ScanCompleted, "New results are there.", ""},
	scan.PartStalled:     {templates.ScanStalled, "No new results came within two hours.", "Scan it again. If that does not help, tell whoever runs AzTS."},
	scan.PartNotRequested: {templates.ScanFailed, "AzTS was not asked to scan it.",
		"See above for what went wrong, then scan it again."},
	scan.PartQuotaReached: {templates.ScanRefused, "Its " + strconv.Itoa(azts.ScansPerDay) + " scans of today are used up.",
		"Scan it again tomorrow; the count starts anew at midnight UTC."},
	scan.PartNoRole: {templates.ScanRefused, "AzTS sees no role of yours on it.",
		"You need Owner, Contributor, Security Reader or Security Admin. A role given today can take 24 hours to count."},
	scan.PartNotKnown: {templates.ScanRefused, "AzTS does not know this subscription.", "Check the id. A new subscription can take 24 hours to be known."},
	scan.PartRefused:  {templates.ScanRefused, "AzTS refused to scan it.", "Ask whoever runs AzTS."},
	scan.PartNoAnswer: {templates.ScanRefused, "AzTS said nothing about it.", "Scan it again."},
}

// target says how one subscription of a scan stands.
func target(one scan.Scan, part scan.Part, name string, now time.Time) templates.ScanTarget {
	say, ok := outcomes[part.State]
	if !ok {
		say = outcome{state: templates.ScanState(part.State)}
	}
	t := templates.ScanTarget{SubscriptionID: part.SubscriptionID, SubscriptionName: name, State: say.state, Reason: say.reason, Next: say.next,
		RequestID: part.ScanRequestID, EndedAt: part.CompletedAt}
	if t.EndedAt.After(now) {
		t.EndedAt = now // by AzTS's clock, which may be ahead of ours
	}
	if one.State == scan.Waiting && say.state == templates.ScanRunning {
		t.State, t.Reason, t.Next = templates.ScanWaiting, "It goes on once you have signed in.", ""
	}
	switch {
	case part.State == scan.PartPending && one.State == scan.Waiting:
		t.State, t.Reason = templates.ScanWaiting, "AzTS is asked once you have signed in."
	case part.State == scan.PartPending && part.RetryAt.After(now):
		t.Reason = "AzTS wants to be asked later."
		t.Next, t.NextAt = "It is asked again at", part.RetryAt
	case part.State == scan.PartRefused && part.Message != "":
		t.Reason = "AzTS refused to scan it: " + part.Message
	case part.State == scan.PartQuotaReached && !part.RetryAt.IsZero():
		t.Next, t.NextAt = "Scan it again after", part.RetryAt
	case part.State == scan.PartCompleted:
		if part.CompletedAt.IsZero() {
			t.Reason = "AzTS gave a time that cannot be read. Its numbers have changed since it was asked, and there are results."
		}
		t.ResultsURL = templates.ScanFindingsURL(string(one.ID), "")
		if len(one.Parts) > 1 {
			t.ResultsURL = templates.SubscriptionFindingsURL(string(one.ID), part.SubscriptionID)
		}
	}
	return t
}
