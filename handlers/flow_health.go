package handlers

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/doctor"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// healthPause is how often one person may have everything looked at.
	healthPause = time.Minute
	// healthAge is how long a report is shown before the page looks again by itself.
	healthAge = 10 * time.Minute
	// maxReports bounds the reports that are kept; beyond it the oldest goes.
	maxReports = 256
)

// setupHealth is the area of the setup doctor. What it reads at Graph and AzTS goes with
// the tokens of the person in front of the screen.
type setupHealth struct {
	*frame
	doctor   *doctor.Doctor
	broker   *entra.Broker
	auth     *auth
	graph    *graph.Client // nil where the provider is not Entra
	clientID string        // of this portal
	trusted  []netip.Prefix
	allows   *limiter

	mu      sync.Mutex
	reports map[access.PersonID]*keptReport
}

// keptReport is the last report of a person. Its one slot is taken while the next
// one is made.
type keptReport struct {
	used time.Time     // guarded by the area's mu
	slot chan struct{} // capacity 1; guards the rest
	made *doctor.Report
	at   time.Time // when it was begun
	// stale says that more could be read by now than when it was made.
	stale bool
}

func newSetupHealth(f *frame, p Parts, a *auth) *setupHealth {
	return &setupHealth{frame: f, doctor: p.Doctor, broker: p.Broker, auth: a, graph: p.Graph, clientID: p.ClientID, trusted: p.TrustedProxies,
		allows: newLimiter(1, healthPause, p.Now), reports: make(map[access.PersonID]*keptReport)}
}

// kept returns what is kept of a person, with its slot taken. Give the slot back.
func (h *setupHealth) kept(ctx context.Context, person access.PersonID) (*keptReport, error) {
	h.mu.Lock()
	one := h.reports[person]
	if one == nil {
		if len(h.reports) >= maxReports {
			delete(h.reports, h.oldest())
		}
		one = &keptReport{slot: make(chan struct{}, 1)}
		h.reports[person] = one
	}
	one.used = h.now()
	h.mu.Unlock()
	select {
	case one.slot <- struct{}{}:
		return one, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// oldest returns whose report was looked at longest ago, of those that nobody is
// making: a second tab would make that again. The caller holds mu.
func (h *setupHealth) oldest() (person access.PersonID) {
	var first time.Time
	for id, one := range h.reports {
		if len(one.slot) > 0 {
			continue
		}
		if person.IsZero() || one.used.Before(first) {
			person, first = id, one.used
		}
	}
	return person
}

// report returns the report of a person: the kept one while it is young enough.
// fresh asks for one that is not older than a minute; made says that it is new.
func (h *setupHealth) report(r *http.Request, live *session.Session, fresh bool) (report *doctor.Report, made bool, err error) {
	one, err := h.kept(r.Context(), live.User.ID)
	if err != nil {
		return nil, false, err
	}
	defer func() { <-one.slot }()
	limit := healthAge
	if fresh {
		limit = healthPause
	}
	if one.made != nil && !one.stale && h.now().Sub(one.at) < limit {
		return one.made, false, nil
	}
	visit := doctor.Visit{Source: h.broker.SourceOfSession(live.ID), ObjectID: live.User.ObjectID, Tenant: live.User.TenantID, Request: h.way(r)}
	at := h.now()
	// It ends by itself within seconds. A browser that leaves must not leave half a
	// report behind, which would be shown to the next.
	found := h.doctor.Examine(context.WithoutCancel(r.Context()), visit)
	one.made, one.at, one.stale = &found, at, false
	return one.made, true, nil
}

// way tells the doctor how a request came here.
func (h *setupHealth) way(r *http.Request) *doctor.Request {
	way := &doctor.Request{Host: r.Host, TLS: r.TLS != nil, Proto: r.Header.Get("X-Forwarded-Proto"), Forwarded: r.Header.Get("X-Forwarded-For") != ""}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		way.Trusted = inAny(from.Addr().Unmap(), h.trusted)
	}
	return way
}

// show is GET /flows/health.
func (h *setupHealth) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	report, _, err := h.report(r, live, false)
	if err != nil {
		return err
	}
	page := templates.HealthPage{Page: h.page(r, "Health of the set-up", templates.FlowsURL), Tabs: h.flowTabs(live, templates.FlowHealthURL), At: report.At}
	page.Flash = h.flash(w, r)
	fillHealth(&page, report)
	return h.render(w, r, http.StatusOK, templates.Health(page))
}

// again is POST /flows/health: everything is looked at anew, once a minute.
func (h *setupHealth) again(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	_, made, err := h.report(r, live, true)
	if err != nil {
		return err
	}
	left := session.Flash{Good: true, Text: "Everything was looked at again."}
	if !made {
		left = session.Flash{Text: "This is less than a minute old. Everything is looked at once a minute at most."}
	}
	h.sessions.AddFlash(w, left)
	redirect(w, templates.FlowHealthURL)
	return nil
}

// allow is POST /flows/health/allow: to the tenant, so that the registration can be
// read in the person's name, and back.
func (h *setupHealth) allow(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if h.graph == nil {
		return errNotFound
	}
	if !h.allows.allowPerson(live.User.ID) {
		h.sessions.AddFlash(w, session.Flash{Text: "You were at the company sign-in for this a moment ago. Wait a minute before the next try."})
		redirect(w, templates.FlowHealthURL)
		return nil
	}
	ctx, cancel := timeout(r)
	defer cancel()
	one, err := h.kept(ctx, live.User.ID)
	if err != nil {
		return err
	}
	one.stale = true
	<-one.slot
	source, scope := h.broker.SourceOfSession(live.ID), h.graph.ReadScope()
	if _, err = source.Token(ctx, scope); err == nil {
		// The token is there; perhaps it is Graph that wants to see more proof.
		_, err = h.graph.ServicePrincipalByAppID(ctx, source, h.clientID)
	}
	if need := needed(err); need != nil {
		return h.auth.visitFor(w, r, live, tokenVisit{Scopes: []string{scope}, Claims: need.Claims, Reason: "Health of the set-up", ReturnTo: templates.FlowHealthURL})
	}
	redirect(w, templates.FlowHealthURL) // what else is wrong stands there
	return nil
}

var healthStates = map[doctor.State]templates.HealthState{doctor.Good: templates.HealthGood, doctor.Warn: templates.HealthWarn, doctor.Bad: templates.HealthBad,
	doctor.CannotTell: templates.HealthUnknown}

// fillHealth puts a report on the page.
func fillHealth(page *templates.HealthPage, report *doctor.Report) {
	for _, state := range []doctor.State{doctor.Bad, doctor.Warn, doctor.CannotTell, doctor.Good} {
		page.Counts = append(page.Counts, templates.HealthCount{State: healthStates[state], N: report.Count(state)})
		if state != doctor.Bad && state != doctor.Warn {
			continue
		}
		for _, c := range report.Checks {
			if c.State == state {
				page.Mend = append(page.Mend, templates.HealthLink{ID: c.ID, Title: c.Title, State: healthStates[state]})
			}
		}
	}
	for _, c := range report.Checks {
		if n := len(page.Groups); n == 0 || page.Groups[n-1].Title != string(c.Group) {
			page.Groups = append(page.Groups, templates.HealthGroup{Title: string(c.Group)})
		}
		group := &page.Groups[len(page.Groups)-1]
		one := templates.HealthCheck{ID: c.ID, Title: c.Title, State: healthStates[c.State], Finding: c.Finding, Next: c.Next, Place: c.Place, PlaceURL: c.URL,
			PlaceSettings: strings.HasPrefix(c.Place, "PORTAL_")}
		if c.Next != "" {
			one.Mender = menders[c.Mender]
		}
		group.Checks = append(group.Checks, one)
		if c.Allow && page.Allow == nil {
			page.Allow = &templates.Action{Label: "Allow reading the directory", URL: templates.FlowHealthAllowURL, Post: true}
		}
	}
	for _, s := range report.Steps {
		page.Steps = append(page.Steps, templates.HealthStep{Title: s.Title, What: s.What, Place: s.Place, Finding: s.Finding, State: healthStates[s.State]})
	}
	if f := report.Facts; f.URL != "" {
		page.Facts = &templates.HealthFacts{TenantID: f.TenantID, ClientID: f.ClientID, Scope: f.Scope, URL: f.URL, Text: f.Text()}
	}
}
