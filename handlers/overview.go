package handlers

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
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
	visits        Visits
	news          *newsroom
}

// Visits keeps when people were here.
type Visits interface {
	// VisitOf returns the zero value of somebody who has never been.
	VisitOf(ctx context.Context, person access.PersonID) (access.Visit, error)
	// KeepVisit keeps a visit in place of the one that was read; if another was kept
	// meanwhile, it does nothing.
	KeepVisit(ctx context.Context, person access.PersonID, was, next access.Visit) error
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
	var err error
	if page.ScanKey, err = formKey(ctx, h.scans, live); err != nil {
		return err
	}
	scans, err := h.scans.List(ctx, live.User.ID, scan.MaxList)
	if err != nil {
		return err
	}
	// The news are worked out while AzTS and Azure are asked.
	visit, owed := h.visit(r, live)
	news := h.news.order(ctx, live.User.ID, scans, visit.BeforeAt)
	// Not longer: the scans and what changed are of the portal's own.
	listed, stop := context.WithTimeout(ctx, listWait)
	mine := h.subscriptions.of(listed, live)
	stop()
	page.Warnings, page.NoRole, page.AsOf = mine.warnings, mine.noRole, mine.asOf
	if mine.problem != nil {
		p := h.problem(ctx, mine.problem, "AzTS did not say how your subscriptions are", live)
		if apperr.HasCode(mine.problem, errListLate.Code) && !mine.asOf.IsZero() {
			p.What += " The numbers are those of the time that stands with them."
			page.Warnings = append(slices.Clone(page.Warnings), p)
		} else {
			page.Problem = &p
		}
	}
	page.SubscriptionCount = len(mine.rows)
	for _, row := range mine.rows {
		if row.Passed < 0 || row.Failed < 0 { // AzTS gave something else in place of a number
			page.Uncounted++
			continue
		}
		page.PassedControls += row.Passed
		page.FailedControls += row.Failed
	}
	n, _ := strconv.Atoi(r.URL.Query().Get("page")) // anything else is the first page
	page.Subscriptions, page.Pager = cut(mine.rows, n, "subscriptions", templates.OverviewPageURL)
	names := mine.names()
	for _, one := range scans {
		if !one.State.Ended() {
			page.Running = append(page.Running, scanRow(one, names))
		}
	}
	page.RunningScans = len(page.Running)
	page.Quota = quotaOf(mine.rows)
	page.Ended = h.scheduleEnds(ctx, live)
	page.News = h.newsShown(news, visit.BeforeAt, names)
	h.told(ctx, live, news, page.News.State, owed)
	return h.render(w, r, http.StatusOK, templates.Overview(page))
}

// visit returns when the person is here and was here before, and what is to be kept
// of it once the news are shown, or nil. A page that a browser fetches in advance is
// no sign of them, nor is an open one that asks by itself, unless it was shown
// without its news.
func (h *home) visit(r *http.Request, live *session.Session) (access.Visit, *owedVisit) {
	was, err := h.visits.VisitOf(r.Context(), live.User.ID)
	if err != nil {
		h.log.WarnContext(r.Context(), "when somebody was here cannot be read", "err", err)
		return was, nil
	}
	if r.Header.Get(pullHeader) != "" {
		if owed := h.news.owed(live.User.ID); owed != nil && owed.was == was {
			return owed.next, owed
		}
		return was, nil
	}
	next, changed := was.Seen(h.now(), live.SignedInAt)
	if !changed || r.Method != http.MethodGet || r.Header.Get("Sec-Purpose") != "" {
		return next, nil
	}
	return next, &owedVisit{was, next}
}

// told keeps a visit once its news are shown: until then, the next page tells them.
func (h *home) told(ctx context.Context, live *session.Session, e *edition, state templates.NewsState, owed *owedVisit) {
	if owed == nil {
		return
	}
	if state != templates.NewsThere {
		h.news.owe(e, owed)
		return
	}
	h.news.owe(e, nil)
	if err := h.visits.KeepVisit(ctx, live.User.ID, owed.was, owed.next); err != nil {
		h.log.WarnContext(ctx, "when somebody was here cannot be kept", "err", err)
	}
}

// quotaNames is how many subscriptions are named whose requests are used up.
const quotaNames = 3

func quotaOf(rows []templates.Subscription) templates.Quota {
	var q templates.Quota
	for _, row := range rows {
		switch {
		case row.UsedUpUntil.IsZero():
		case len(q.UsedUp) < quotaNames:
			q.UsedUp = append(q.UsedUp, cmp.Or(row.Name, row.ID))
		default:
			q.More++
		}
	}
	return q
}

// endsListed is how many repeated scans with something to tell are shown.
const endsListed = 3

func (h *home) scheduleEnds(ctx context.Context, live *session.Session) (ends []templates.RepeatedNotice) {
	list, err := h.scans.Schedules(ctx, live.User.ID)
	if err != nil {
		h.log.WarnContext(ctx, "the repeated scans cannot be listed", "err", err)
	}
	for _, one := range list {
		if one.Notice.Code != "" && len(ends) < endsListed {
			ends = append(ends, templates.RepeatedNotice{Text: one.Notice.Message, At: one.Notice.At})
		}
	}
	return ends
}

// newsShown waits a moment for the news, and tells them.
func (h *home) newsShown(e *edition, since time.Time, names map[string]string) templates.News {
	wait := time.NewTimer(newsWait)
	defer wait.Stop()
	select {
	case <-e.done:
	case <-wait.C:
		return templates.News{State: templates.NewsLate, Since: since}
	}
	if e.err != nil {
		return templates.News{State: templates.NewsFailed, Since: since}
	}
	n := e.news
	out := templates.News{State: templates.NewsThere, Since: since, Kept: n.kept, Unchanged: n.unchanged, First: n.first, Left: n.left,
		Ends: n.ends, EndedLately: n.ended, ExceptionsNotKnown: n.unread}
	all := newsChange{counts: make(map[templates.ChangeKind]int)}
	for _, c := range n.changes {
		for kind, count := range c.counts {
			all.counts[kind] += count
		}
		out.Incomplete += c.incomplete
		row := templates.NewsChange{At: c.at, Sums: c.sums(), URL: templates.ScanCompareURL(c.newer, c.older)}
		// Others of the two scans may have newer results, or had them.
		if !c.whole {
			row.URL, row.More = c.partURL()
		}
		for _, id := range c.subscriptions {
			row.Subscriptions = append(row.Subscriptions, cmp.Or(names[id], id))
		}
		out.Changes = append(out.Changes, row)
	}
	out.Sums = all.sums()
	for _, x := range n.exceptions {
		out.Exceptions = append(out.Exceptions, templates.ExceptionEnd{Control: x.control, Severity: x.severity, Resource: x.resource,
			Subscription: cmp.Or(names[x.subscription], x.subscription), At: x.at, URL: templates.ScanResultURL(x.scan, x.number, "")})
	}
	return out
}

// partURL returns the comparison that has the numbers of a change; more says that it
// has those of further subscriptions, since an address holds only so many.
func (c newsChange) partURL() (url string, more bool) {
	if len(c.subscriptions) > partMax {
		return templates.ScanCompareURL(c.newer, c.older), true
	}
	return templates.ComparePartURL(c.newer, c.older, c.subscriptions), false
}

// sums are the numbers of a change; of what cannot be told only if there is any.
func (c newsChange) sums() []templates.NewsSum {
	var out []templates.NewsSum
	for i, kind := range templates.ChangeKinds() {
		if n := c.counts[kind]; n > 0 || i < certainKinds {
			out = append(out, templates.NewsSum{Kind: kind, Count: n})
		}
	}
	return out
}

// certainKinds is how many of the kinds of changes, the first, can be told.
const certainKinds = 4

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
