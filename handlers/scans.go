package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"azts.internal/portal/internal/apperr"
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
	auth          *auth
	findings      *findings
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
