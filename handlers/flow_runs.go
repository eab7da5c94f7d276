package handlers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// A person may run so many flows in that time. A lab's run costs a tenth of a
	// second of the processor.
	flowRunsMost = 30
	flowRunsIn   = 10 * time.Minute

	purposeFlow = "flow"
)

// flowRuns is the area of flows that are run.
type flowRuns struct {
	*frame
	auth   *auth
	lab    *flows.Lab
	tenant *flows.TenantRuns
	keeper *flows.Keeper
	tries  *limiter
	// machineScope is what the machine of this portal is asked for in a run.
	machineScope string
	closing      <-chan struct{}
}

func newFlowRuns(f *frame, p Parts, a *auth) *flowRuns {
	runs := &flowRuns{frame: f, auth: a, lab: p.Lab, tenant: p.Tenant, keeper: p.Runs, tries: newLimiter(flowRunsMost, flowRunsIn, p.Now), closing: p.Closing}
	if p.AzTS != nil {
		runs.machineScope = p.Catalogue[0].Scope(entra.DefaultScope)
	}
	return runs
}

var (
	errTooManyRuns = apperr.New(apperr.TooMany, "flow_runs_many", "You have run many flows in the last minutes.").
			WithNext(apperr.MenderPerson, "Wait ten minutes. What you ran is under My runs.").WithRetry()
	errRunWaits = apperr.New(apperr.Conflict, "run_waits", "A run that still waits cannot be shared: the code on its page is yours.").
			WithNext(apperr.MenderPerson, "Share it when it has ended.")
	errFlowNotHere = apperr.New(apperr.Invalid, "flow_not_here", "This flow cannot be run in this way.").
			WithNext(apperr.MenderPerson, "Choose from what its page offers.")
)

// start is POST /flows/{flow}/runs: where, failure, view. The view is steps for a
// run that is shown message by message.
func (a *flowRuns) start(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	flow, ok := flows.Find(r.PathValue("flow"))
	if !ok {
		return errNotFound
	}
	where, failure := flows.Place(r.PostForm.Get("where")), r.PostForm.Get("failure")
	if !flow.Breaks(failure, where) || !a.tenant.Offers(flow.ID, where) {
		broken, known := flows.FindFailure(failure)
		if !known || !flow.Breaks(failure, flows.InLab) || !a.tenant.Offers(flow.ID, where) {
			return errFlowNotHere
		}
		a.sessions.AddFlash(w, session.Flash{Text: "“" + broken.Title + "” can be tried in the sandbox only. Nothing was sent."})
		redirect(w, templates.FlowURL(flow.ID))
		return nil
	}
	for kind, id := range appFlows {
		if id == flow.ID && where == flows.InTenant {
			redirect(w, templates.AppFormURL(kind)) // which brings what proves the application
			return nil
		}
	}
	if !a.tries.allowPerson(live.User.ID) {
		return errTooManyRuns
	}
	view := wholeRun
	if r.PostForm.Get("view") == stepByStep {
		view = stepByStep
	}
	var run *flows.Run
	var err error
	switch {
	case where == flows.InLab:
		run, err = a.lab.Run(r.Context(), live.User.ID, flow, failure)
	case where == flows.InAzure:
		run, err = a.ofMachine(w, r, live)
	case flow.ID == "device-code":
		run, err = a.tenant.BeginDevice(r.Context())
	default:
		return a.leave(w, r, live, flow.ID, failure, view)
	}
	if err != nil {
		return err
	}
	return a.keep(w, r, live, run, view)
}

// ofApp runs client credentials with what somebody brought.
func (a *flowRuns) ofApp(ctx context.Context, live *session.Session, app flows.App) (*flows.Run, error) {
	if !a.tries.allowPerson(live.User.ID) {
		return nil, errTooManyRuns
	}
	return a.tenant.RunApp(ctx, app)
}

// ofMachine runs the portal's own identity in Azure, for admins.
func (a *flowRuns) ofMachine(w http.ResponseWriter, r *http.Request, live *session.Session) (*flows.Run, error) {
	if may, err := a.isAdmin(r.Context(), live); err != nil || !may {
		return nil, cmp.Or(err, a.notAdmin())
	}
	ctx, cancel, err := identityTime(w, r, a.closing)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return a.tenant.RunMachine(ctx, a.machineScope)
}

// How a run is shown first.
const (
	wholeRun   = "whole"
	stepByStep = "steps" // one message at a time
)

// keep keeps a run and shows it.
func (a *flowRuns) keep(w http.ResponseWriter, r *http.Request, live *session.Session, run *flows.Run, view string) error {
	if err := a.keeper.Add(r.Context(), live.User.ID, run); err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "a flow was run", "person", live.User.ID, "flow", run.Flow, "failure", run.Failure, "place", run.Place, "refused", run.Outcome.Refused)
	step := 0
	if view == stepByStep {
		step = 1
	}
	redirect(w, templates.MyRunURL(run.ID)+viewQuery(false, step))
	return nil
}

// leave sends the browser to the tenant. Which flow it is and how it is to be
// shown is sealed with the visit.
func (a *flowRuns) leave(w http.ResponseWriter, r *http.Request, live *session.Session, flow, failure, view string) error {
	visit, ok := a.tenant.VisitFor(flow, failure)
	if !ok {
		return errFlowNotHere
	}
	return a.auth.visit(w, r, session.Flow{Purpose: purposeFlow, ResponseType: visit.ResponseType, Scopes: visit.Scopes, Claims: visit.Claims,
		Reason: strings.Join([]string{flow, failure, view}, " "), ReturnTo: templates.FlowURL(flow)},
		entra.Authorization{Scopes: visit.Scopes, Claims: visit.Claims, LoginHint: hint(live.User.Account)})
}

// answered is the visit of a flow that came back: the state has been taken. What
// it brings is judged and thrown away; a run is kept for who began it.
func (a *flowRuns) answered(w http.ResponseWriter, r *http.Request, flow session.Flow, state string) error {
	live, err := a.sessions.Find(r.Context(), flow.Session)
	if err != nil {
		return err
	}
	if live == nil {
		return errSessionChanged
	}
	id, rest, _ := strings.Cut(flow.Reason, " ")
	failure, view, _ := strings.Cut(rest, " ")
	run, err := a.tenant.Finish(r.Context(), flows.Visited{Flow: id, Failure: failure, StartedAt: flow.StartedAt, Owner: live.User,
		Request: entra.Authorization{State: state, Nonce: flow.Nonce, Verifier: flow.Verifier, ResponseType: flow.ResponseType, Scopes: flow.Scopes,
			Claims: flow.Claims, LoginHint: hint(live.User.Account)},
		Header: r.Header, Form: r.PostForm, Take: func(answered string) error {
			if answered == state {
				return nil // sign-in took it a moment ago
			}
			_, err := a.sessions.TakeFlow(w, r, answered)
			return err
		}})
	if errors.Is(err, flows.ErrOtherAccount) {
		return errOtherAccount.Because(err)
	}
	if err != nil {
		return err
	}
	return a.keep(w, r, live, run, view)
}

// list is GET /flows/runs.
func (a *flowRuns) list(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	runs, err := a.keeper.List(r.Context(), live.User.ID)
	if err != nil {
		return err
	}
	page := templates.RunsPage{Page: a.page(r, "My runs", templates.FlowsURL), Tabs: a.flowTabs(live, templates.MyRunsURL)}
	page.Flash = a.flash(w, r)
	for i := range runs {
		run := &runs[i]
		line := templates.RunLine{ID: run.ID, Title: flowTitle(run.Flow), Where: run.Place.Label(), StartedAt: run.StartedAt, Outcome: runOutcome(run), Shared: run.SharedBy != ""}
		if failure, ok := flows.FindFailure(run.Failure); ok {
			line.Failure = failure.Title
		}
		page.Runs = append(page.Runs, line)
	}
	return a.render(w, r, http.StatusOK, templates.Runs(page))
}

// show is GET /flows/runs/{run}?step=&present=1.
func (a *flowRuns) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	run, err := a.own(r, live)
	if err != nil {
		return err
	}
	page := a.runPage(r, run, templates.MyRunURL(run.ID))
	page.Page.Flash = a.flash(w, r)
	page.ID, page.CanShare = run.ID, run.Waits == nil
	if run.Share != "" {
		page.Share = a.baseURL + templates.SharedRunURL(run.Share)
	}
	return a.render(w, r, http.StatusOK, templates.Run(page))
}

// shared is GET /flows/shared/{token}, for the help desk.
func (a *flowRuns) shared(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	run, err := a.ofShare(r, live)
	if err != nil {
		return err
	}
	page := a.runPage(r, run, templates.SharedRunURL(r.PathValue("token")))
	page.Waits, page.SharedBy = nil, run.SharedBy
	return a.render(w, r, http.StatusOK, templates.Run(page))
}

// next is POST /flows/runs/{run}/next?present=&step=: a waiting script asks once.
func (a *flowRuns) next(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	run, err := a.tenant.Poll(r.Context(), a.keeper, live.User.ID, r.PathValue("run"))
	if err != nil {
		return err
	}
	step, _ := strconv.Atoi(r.URL.Query().Get("step")) // anything else is no step
	redirect(w, templates.MyRunURL(run.ID)+viewQuery(r.URL.Query().Get("present") == "1", step))
	return nil
}

// share is POST /flows/runs/{run}/share. The code that a waiting run shows is for
// its owner to enter.
func (a *flowRuns) share(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	run, err := a.own(r, live)
	if err != nil {
		return err
	}
	if run.Waits != nil {
		return errRunWaits
	}
	if _, err := a.keeper.Share(r.Context(), live.User.ID, run.ID, live.User.DisplayName()+" ("+live.User.Account+")"); err != nil {
		return err
	}
	return a.changed(w, r, live, run.ID, "a run is shared with the help desk", "The help desk can see this run by its link, until it ends or you end it.")
}

// unshare is POST /flows/runs/{run}/unshare.
func (a *flowRuns) unshare(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	run, err := a.keeper.Unshare(r.Context(), live.User.ID, r.PathValue("run"))
	if err != nil {
		return err
	}
	return a.changed(w, r, live, run.ID, "a run is shared no longer", "Only you can see this run now.")
}

func (a *flowRuns) changed(w http.ResponseWriter, r *http.Request, live *session.Session, run, logged, told string) error {
	a.log.InfoContext(r.Context(), logged, "person", live.User.ID, "run", run)
	a.sessions.AddFlash(w, session.Flash{Good: true, Text: told})
	redirect(w, templates.MyRunURL(run))
	return nil
}

// remove is POST /flows/runs/{run}/delete.
func (a *flowRuns) remove(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if _, err := a.own(r, live); err != nil {
		return err
	}
	if err := a.keeper.Delete(r.Context(), live.User.ID, r.PathValue("run")); err != nil {
		return err
	}
	a.sessions.AddFlash(w, session.Flash{Good: true, Text: "The run is deleted, and so is its link."})
	redirect(w, templates.MyRunsURL)
	return nil
}

// export is GET /flows/runs/{run}/trace.har and …/trace.json, of which the shared
// run has its own.
func (a *flowRuns) export(har bool, find func(*http.Request, *session.Session) (*flows.Run, error)) personal {
	return func(w http.ResponseWriter, r *http.Request, live *session.Session) error {
		run, err := find(r, live)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		kind, name := "application/json", strings.Trim(run.Flow+"-"+run.Failure, "-")+".json"
		if har {
			name = strings.TrimSuffix(name, ".json") + ".har"
			err = run.Trace.WriteHAR(&b, templates.ProductName, a.version)
		} else {
			err = run.Trace.WriteJSON(&b)
		}
		if err != nil {
			return err
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
		_, _ = w.Write(b.Bytes()) // a browser that left is no failure of ours
		return nil
	}
}

func (a *flowRuns) own(r *http.Request, live *session.Session) (*flows.Run, error) {
	return a.keeper.Get(r.Context(), live.User.ID, r.PathValue("run"))
}

func (a *flowRuns) ofShare(r *http.Request, live *session.Session) (*flows.Run, error) {
	run, err := a.keeper.Shared(r.Context(), r.PathValue("token"))
	if err == nil {
		a.log.InfoContext(r.Context(), "the help desk looked at a shared run", "person", live.User.ID, "run", run.ID)
	}
	return run, err
}

// labVisits binds the answers in the lab to its browser by the very cookies of
// sign-in.
type labVisits struct{ sessions *session.Store }

// NewVisits returns what binds answers in a lab to the lab's browser.
func NewVisits(sessions *session.Store) flows.Visits { return labVisits{sessions} }

var labPortal = &url.URL{Scheme: "https", Host: "portal.invalid", Path: "/"}

// headers is a ResponseWriter of which only the header counts.
type headers struct{ header http.Header }

func (h headers) Header() http.Header       { return h.header }
func (headers) Write(b []byte) (int, error) { return len(b), nil }
func (headers) WriteHeader(int)             {}

// Begin implements flows.Visits.
func (v labVisits) Begin(jar http.CookieJar) (state, nonce, verifier string, err error) {
	w := headers{http.Header{}}
	r, err := v.request(context.Background(), jar)
	if err != nil {
		return "", "", "", err
	}
	state, flow, err := v.sessions.StartFlow(w, r, session.Flow{Purpose: purposeFlow})
	v.answer(jar, w)
	return state, flow.Nonce, flow.Verifier, err
}

// Take implements flows.Visits.
func (v labVisits) Take(ctx context.Context, jar http.CookieJar, state string) error {
	w := headers{http.Header{}}
	r, err := v.request(ctx, jar)
	if err != nil {
		return err
	}
	_, err = v.sessions.TakeFlow(w, r, state)
	v.answer(jar, w)
	return err
}

func (labVisits) request(ctx context.Context, jar http.CookieJar) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, labPortal.String(), nil)
	if err != nil {
		return nil, err
	}
	for _, cookie := range jar.Cookies(labPortal) {
		r.AddCookie(cookie)
	}
	return r, nil
}

func (labVisits) answer(jar http.CookieJar, w headers) {
	jar.SetCookies(labPortal, (&http.Response{Header: w.header}).Cookies())
}
