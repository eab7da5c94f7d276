package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// shownScans is how many recent scans the page lists.
const shownScans = 20

// scans is the area of starting and following scans.
type scans struct {
	*frame
	service       *scan.Service
	subscriptions *subscriptions
	broker        *entra.Broker
}

// list is GET /scans.
func (s *scans) list(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	return s.show(w, r, live, http.StatusOK, nil)
}

// show renders the choice of subscriptions, after a refused start with what was
// chosen and why it was refused.
func (s *scans) show(w http.ResponseWriter, r *http.Request, live *session.Session, status int, refused error) error {
	ctx, cancel := timeout(r)
	defer cancel()
	query := r.URL.Query().Get("q")
	page := templates.ScansPage{Page: s.page(r, "Scans", templates.ScansURL), Query: query,
		IdempotencyKey: reqlog.NewID() + reqlog.NewID(), PasteIdempotencyKey: reqlog.NewID() + reqlog.NewID()}
	page.Flash = s.flash(w, r)
	mine := s.subscriptions.of(ctx, live)
	page.Warnings, page.NoRole = mine.warnings, mine.noRole
	page.Paste = mine.paste || mine.noRole
	if mine.problem != nil {
		p := s.problem(ctx, mine.problem, "AzTS did not say how your subscriptions are", live)
		page.Warnings = append(page.Warnings, p)
	}
	chosen := r.Form["subscription"]
	if refused != nil {
		e := apperr.From(refused)
		page.FormError = strings.TrimSpace(e.Message + " " + e.Next)
	}
	shown := filter(mine.rows, query)
	n, _ := strconv.Atoi(r.URL.Query().Get("page")) // anything else is the first page
	page.Subscriptions, page.Pager = cut(shown, n, "subscriptions", func(n int) string { return templates.ScansPageURL(query, n) })
	page.Subscriptions = slices.Clone(page.Subscriptions) // the list is shared; Selected is this page's
	for i := range page.Subscriptions {
		page.Subscriptions[i].Selected = slices.Contains(chosen, page.Subscriptions[i].ID)
	}
	for _, row := range mine.rows {
		there := func(shown templates.Subscription) bool { return shown.ID == row.ID }
		if slices.Contains(chosen, row.ID) && !slices.ContainsFunc(page.Subscriptions, there) {
			row.Selected = true
			page.Elsewhere = append(page.Elsewhere, row)
		}
	}
	recent, err := s.service.List(ctx, live.User.ID, shownScans)
	if err != nil {
		return err
	}
	names := mine.names()
	for _, one := range recent {
		page.Recent = append(page.Recent, scanRow(one, names))
	}
	return s.render(w, r, status, templates.Scans(page))
}

// start is POST /scans: idempotency_key and one subscription per choice. The
// same key leads to the same scan, however often it is posted.
func (s *scans) start(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	key := r.PostForm.Get("idempotency_key")
	if key == "" {
		return errBadForm.Becausef("no idempotency key")
	}
	chosen := slices.DeleteFunc(slices.Clone(r.PostForm["subscription"]), func(id string) bool { return strings.TrimSpace(id) == "" })
	if len(chosen) == 0 {
		return s.show(w, r, live, http.StatusUnprocessableEntity,
			apperr.New(apperr.Invalid, "nothing_chosen", "No subscription is chosen.").WithNext(apperr.MenderPerson, "Choose at least one, then start."))
	}
	begun, err := s.service.Request(r.Context(), live.User.ID, s.broker.SourceOfSession(live.ID), chosen, key)
	s.subscriptions.forget(live.ID)
	if begun.ID != "" {
		redirect(w, templates.ScanURL(string(begun.ID))) // the page says how it stands
		return nil
	}
	if apperr.IsKind(err, apperr.Invalid) {
		return s.show(w, r, live, http.StatusUnprocessableEntity, err)
	}
	return err
}

// follow is GET /scans/{id}.
func (s *scans) follow(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	one, err := s.service.Get(ctx, live.User.ID, scan.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	s.subscriptions.since(live.ID, one.EndedAt)
	names := s.subscriptions.of(ctx, live).names()
	page := templates.ScanPage{Page: s.page(r, "Scan", templates.ScansURL), ID: string(one.ID), State: stateOf(one),
		RequestedAt: one.RequestedAt, EndedAt: one.EndedAt, AsOf: s.now()}
	page.Flash = s.flash(w, r)
	for _, part := range one.Parts {
		page.RequestID = cmp.Or(page.RequestID, part.ScanRequestID)
		page.Targets = append(page.Targets, target(one, part, names[part.SubscriptionID], s.now()))
	}
	if one.Problem.Code != "" {
		page.Problem = &templates.Problem{Tone: templates.ToneWarning, Title: "This scan met a problem", What: one.Problem.Message,
			Next: one.Problem.Next, Code: one.Problem.Code, Reference: one.Problem.Reference}
		if one.State == scan.Waiting {
			page.Problem.Title = "This scan is waiting for you"
			login := templates.LoginOptions{ReturnTo: templates.ScanURL(string(one.ID)), LoginHint: live.User.Account}
			page.Problem.Primary = &templates.Action{Label: "Go to the company sign-in", URL: login.URL()}
		}
	}
	return s.render(w, r, http.StatusOK, templates.Scan(page))
}

// stateOf puts the domain's states into the few that people are shown.
func stateOf(one scan.Scan) templates.ScanState {
	switch one.State {
	case scan.Requested:
		return templates.ScanQueued
	case scan.Running:
		return templates.ScanRunning
	case scan.Waiting:
		return templates.ScanWaiting
	case scan.Stalled:
		return templates.ScanStalled
	case scan.Refused:
		return templates.ScanRefused
	case scan.Failed:
		return templates.ScanFailed
	case scan.Completed:
		if _, _, other := one.Counts(); other > 0 {
			return templates.ScanPartial
		}
		return templates.ScanCompleted
	}
	return templates.ScanState(one.State)
}

func scanRow(one scan.Scan, names map[string]string) templates.ScanRow {
	row := templates.ScanRow{ID: string(one.ID), RequestedAt: one.RequestedAt, EndedAt: one.EndedAt, State: stateOf(one)}
	for _, part := range one.Parts {
		row.Subscriptions = append(row.Subscriptions, cmp.Or(names[part.SubscriptionID], part.SubscriptionID))
	}
	open, completed, other := one.Counts()
	for _, count := range []struct {
		n    int
		word string
	}{{completed, "completed"}, {open, "under way"}, {other, "not scanned"}} {
		if count.n > 0 {
			row.Summary = strings.TrimPrefix(fmt.Sprintf("%s, %d %s", row.Summary, count.n, count.word), ", ")
		}
	}
	return row
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
	scan.PartCompleted:   {templates.ScanCompleted, "", ""},
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

func target(one scan.Scan, part scan.Part, name string, now time.Time) templates.ScanTarget {
	say, ok := outcomes[part.State]
	if !ok {
		say = outcome{state: templates.ScanState(part.State)}
	}
	t := templates.ScanTarget{SubscriptionID: part.SubscriptionID, SubscriptionName: name, State: say.state, Reason: say.reason, Next: say.next,
		EndedAt: part.CompletedAt}
	if t.EndedAt.After(now) {
		t.EndedAt = now // by AzTS's clock, which may be ahead of ours
	}
	if one.State == scan.Waiting && say.state == templates.ScanRunning {
		t.State, t.Reason = templates.ScanWaiting, "It goes on once you have signed in."
	}
	if part.State == scan.PartRefused && part.Message != "" {
		t.Reason = "AzTS refused to scan it: " + part.Message
	}
	if part.State == scan.PartQuotaReached && !part.RetryAt.IsZero() {
		t.Next = "Scan it again after " + part.RetryAt.UTC().Format("2 Jan, 15:04 UTC") + "."
	}
	if part.State == scan.PartCompleted {
		t.Reason = "New results are there."
		t.ResultsURL = templates.SubscriptionResultsURL(part.SubscriptionID, templates.ResultsQuery{Scan: string(one.ID)})
	}
	return t
}
