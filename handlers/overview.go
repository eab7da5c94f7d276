package handlers

import (
	"net/http"
	"strconv"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// home is the area of the first page: what this is, or how my subscriptions are.
type home struct {
	*frame
	provider      *entra.Provider
	people        []templates.SamplePerson
	subscriptions *subscriptions // nil where AzTS is not configured
	scans         *scan.Service
}

// show is GET /.
func (h *home) show(w http.ResponseWriter, r *http.Request) error {
	live, err := h.current(r)
	if err != nil {
		return err
	}
	switch {
	case live == nil:
		return h.landing(w, r)
	case h.subscriptions == nil:
		redirect(w, templates.AccountURL)
		return nil
	}
	return h.overview(w, r, live)
}

func (h *home) landing(w http.ResponseWriter, r *http.Request) error {
	page := templates.LandingPage{Page: h.page(r, "", ""), SignInURL: templates.LoginURL(templates.HomeURL), People: h.people}
	if err := h.provider.Problem(); err != nil {
		page.ProviderDown = "The company sign-in does not answer at the moment. You can try; it may be back."
	}
	return h.render(w, r, http.StatusOK, templates.Landing(page))
}

func (h *home) overview(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	page := templates.OverviewPage{Page: h.page(r, "Overview", templates.HomeURL)}
	page.Flash = h.flash(w, r)
	mine := h.subscriptions.of(ctx, live)
	page.Warnings, page.NoRole, page.AsOf = mine.warnings, mine.noRole, mine.asOf
	if mine.problem != nil {
		p := h.problem(ctx, mine.problem, "AzTS did not say how your subscriptions are", live)
		page.Problem = &p
	}
	page.SubscriptionCount = len(mine.rows)
	var passed, total int
	for _, row := range mine.rows {
		passed += row.Passed
		total += row.Total
		page.FailedControls += row.Failed
	}
	if total > 0 {
		page.Compliance = templates.Compliance{Known: true, Percent: 100 * float64(passed) / float64(total)}
	}
	n, _ := strconv.Atoi(r.URL.Query().Get("page")) // anything else is the first page
	page.Subscriptions, page.Pager = cut(mine.rows, n, "subscriptions", templates.OverviewPageURL)
	scans, err := h.scans.List(ctx, live.User.ID, scan.MaxList)
	if err != nil {
		return err
	}
	for _, one := range scans {
		if !one.State.Ended() {
			page.Running = append(page.Running, scanRow(one, mine.names()))
		}
	}
	page.RunningScans = len(page.Running)
	return h.render(w, r, http.StatusOK, templates.Overview(page))
}

// names maps the ids of subscriptions to their names.
func (e estate) names() map[string]string {
	out := make(map[string]string, len(e.rows))
	for _, row := range e.rows {
		if row.Name != "" {
			out[row.ID] = row.Name
		}
	}
	return out
}
