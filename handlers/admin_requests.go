package handlers

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// decidedSize is how many decided requests a page shows below those that wait.
const decidedSize = 50

// requests is GET /admin/requests[?q=&page=&decided=]. It asks nobody but our
// database.
func (a *admin) requests(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	shown := templates.RequestsQuery{Text: strings.TrimSpace(r.URL.Query().Get("q"))}
	if len(shown.Text) > maxSearch {
		shown.Text = strings.ToValidUTF8(shown.Text[:maxSearch], "")
	}
	page := templates.RequestsPage{AdminFrame: a.frameOf(w, r, live, "Requests")}
	var err error
	shown.Page, page.Waiting, page.WaitingPager, err = a.requestsPart(r, live, "page", consent.RequestQuery{Pending: true, Text: shown.Text, Limit: pageSize},
		func(n int) string { q := shown; q.Page = n; return q.URL() })
	if err != nil {
		return err
	}
	shown.Decided, page.Decided, page.DecidedPager, err = a.requestsPart(r, live, "decided", consent.RequestQuery{Text: shown.Text, Limit: decidedSize},
		func(n int) string { q := shown; q.Decided = n; return q.URL() })
	if err != nil {
		return err
	}
	page.Query = shown
	return a.render(w, r, http.StatusOK, templates.Requests(page))
}

// requestsPart reads the page of a list that a parameter of the address names; of
// one beyond the end, the last.
func (a *admin) requestsPart(r *http.Request, live *session.Session, parameter string, q consent.RequestQuery, address func(int) string) (int, []templates.AdminRequest, templates.Pager, error) {
	n, _ := strconv.Atoi(r.URL.Query().Get(parameter)) // what is no number is the first page
	n = min(max(n, 1), 1_000_000)
	q.Offset = (n - 1) * q.Limit
	list, total, err := a.service.Requests(r.Context(), live.User.ID, q)
	if last := max(1, (total+q.Limit-1)/q.Limit); err == nil && n > last {
		n, q.Offset = last, (last-1)*q.Limit
		list, total, err = a.service.Requests(r.Context(), live.User.ID, q)
	}
	if err != nil || total <= q.Limit {
		return n, shownRequests(list), templates.Pager{}, err
	}
	pager := templates.Pager{Noun: "requests", From: q.Offset + 1, To: q.Offset + len(list), Total: total}
	if n > 1 {
		pager.PrevURL = address(n - 1)
	}
	if pager.To < total {
		pager.NextURL = address(n + 1)
	}
	return n, shownRequests(list), pager, nil
}

func shownRequests(list []consent.Request) []templates.AdminRequest {
	out := make([]templates.AdminRequest, len(list))
	for i := range list {
		out[i] = shownRequest(&list[i])
	}
	return out
}

func shownRequest(q *consent.Request) templates.AdminRequest {
	d := &q.Decision
	shown := templates.AdminRequest{ID: q.ID, Name: q.Name, Account: q.Account, Scope: q.Scope, Reason: q.Reason, AskedAt: q.AskedAt, State: string(q.State),
		ForTenant: d.ForTenant, DecidedBy: d.ByName, DecidedAt: d.At, Answer: d.Answer, Reference: d.Reference}
	shown.API, _, _ = consent.SplitScope(q.Scope)
	if q.ObjectID == "" {
		shown.PersonalHint = "A grant for this person only is not possible: the company sign-in does not tell their object id."
	}
	return shown
}

// request is GET /admin/requests/{id}.
func (a *admin) request(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	q, err := a.service.Request(ctx, live.User.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answerRequest(ctx, w, r, live, &q, "", nil, http.StatusOK)
}

// answerRequest shows a request, with what its API says of the scope. answer and
// problem are of a form that was refused.
func (a *admin) answerRequest(ctx context.Context, w http.ResponseWriter, r *http.Request, live *session.Session, q *consent.Request, answer string, problem error, status int) error {
	page := templates.RequestPage{AdminFrame: a.frameOf(w, r, live, "Request of "+q.Name), Request: shownRequest(q), Answer: answer}
	if problem != nil {
		page.AnswerError = apperr.From(problem).Message
	}
	api, value, _ := consent.SplitScope(q.Scope)
	source := a.source(live)
	resource, err := a.graph.ServicePrincipalByURI(ctx, source, api)
	if err != nil {
		page.Warnings = append(page.Warnings, a.warning(r, err, "What the scope allows cannot be read", live))
	} else if p := resource.Scope(value); p != nil {
		facts := permissionFacts(p)
		page.Permission = &facts
	} else {
		page.Warnings = append(page.Warnings, templates.Problem{Tone: templates.ToneWarning, Title: "The API does not offer this scope",
			What: resource.DisplayName + " has no permission " + value + ", so it cannot be granted.", Next: "Decline the request, or correct the registration of the API."})
	}
	if q.State != consent.Approved && err == nil {
		if found, _ := a.tenantGrant(ctx, source, q.Scope); found != nil { // the page goes on without
			page.Granted = true
			if q.State == consent.Declined {
				page.WithdrawURL = templates.WithdrawGrantURL(found.ID, value)
			}
			a.settleFound(ctx, live, q.Scope, found)
		}
	}
	if q.State == consent.Pending && err == nil {
		if _, err := source.Token(ctx, a.graph.GrantScope()); needed(err) != nil {
			page.AllowText = "For this person only: this portal first needs your permission to change consent."
			if needed(err).SignInEnded() {
				page.AllowText = "For this person only: the company sign-in wants you to sign in again first."
			}
			page.Allow = allowAction(allowGrants, templates.AdminRequestURL(q.ID))
		}
	}
	return a.render(w, r, status, templates.Request(page))
}

// pending returns the request of a form, if it still waits.
func (a *admin) pending(r *http.Request, live *session.Session) (consent.Request, error) {
	if err := r.ParseForm(); err != nil {
		return consent.Request{}, formError(err)
	}
	q, err := a.service.Request(r.Context(), live.User.ID, r.PathValue("id"))
	if err == nil && q.State != consent.Pending {
		err = errRequestDecided
	}
	return q, err
}

var errRequestDecided = apperr.New(apperr.Conflict, "request_decided", "Somebody decided this request meanwhile.").
	WithNext(apperr.MenderPerson, "Load the list of requests again to see how.")

// approveRequest is POST /admin/requests/{id}/approve: for everybody by way of the
// tenant's page, or for this person alone through Graph.
func (a *admin) approveRequest(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	q, err := a.pending(r, live)
	if err != nil {
		return err
	}
	switch r.PostForm.Get("for") {
	case "tenant":
		return a.toTenant(w, r, live, q.Scope, templates.AdminRequestURL(q.ID))
	case "person":
		return a.approveForPerson(w, r, live, &q)
	}
	return errBadForm
}

// approveForPerson makes the grant for one person, reads it back, and only then
// approves.
func (a *admin) approveForPerson(w http.ResponseWriter, r *http.Request, live *session.Session, q *consent.Request) error {
	ctx, cancel := timeout(r)
	defer cancel()
	source := a.source(live)
	if _, err := source.Token(ctx, a.graph.GrantScope()); needed(err) != nil {
		return a.answerRequest(ctx, w, r, live, q, "", nil, http.StatusOK)
	} else if err != nil {
		return err
	}
	api, value, _ := consent.SplitScope(q.Scope)
	portal, err := a.graph.ServicePrincipalByAppID(ctx, source, a.clientID)
	if err != nil {
		return err
	}
	resource, err := a.graph.ServicePrincipalByURI(ctx, source, api)
	if err != nil {
		return err
	}
	entry := a.entry(r, live, consent.GrantPerson)
	entry.ClientID, entry.ClientName, entry.ResourceID, entry.ResourceName = portal.ID, portal.DisplayName, resource.ID, resource.DisplayName
	entry.Scope, entry.TargetID, entry.TargetName = value, q.ObjectID, q.Name
	own := func() ([]graph.Grant, error) { return a.graph.GrantsOfClientFor(ctx, source, portal.ID, q.ObjectID) }
	listed := func() (*graph.Grant, error) {
		grants, err := own()
		return found(grants, err, resource.ID, value)
	}
	// Read before the intent is in the log: nothing is sent while Graph cannot
	// even say what is there.
	grants, err := own()
	there := grantWith(grants, resource.ID, value)
	if err != nil && there == nil {
		return err
	}
	if there == nil {
		_, err = a.service.Audited(ctx, entry, graph.MayHaveReached, func(ctx context.Context) error {
			if i := slices.IndexFunc(grants, func(g graph.Grant) bool { return g.ResourceID == resource.ID }); i >= 0 {
				return a.graph.WidenGrant(ctx, source, grants[i], []string{value})
			}
			_, err := a.graph.CreateGrant(ctx, source, graph.Grant{ClientID: portal.ID, ResourceID: resource.ID, PrincipalID: q.ObjectID, Scopes: []string{value}})
			if apperr.HasCode(err, graph.CodeExists) {
				// Made a moment ago and not listed then; of these scopes if it is
				// listed now.
				if late, _ := a.await(ctx, a.patience, listed); late != nil {
					return nil
				}
			}
			return err
		})
		a.views.forget(live.User.ID)
		if need := needed(err); need != nil {
			return a.visitTenant(w, r, live, a.graph.GrantScope(), need, templates.AdminRequestURL(q.ID))
		}
		if err != nil {
			return err
		}
		if there, err = a.await(ctx, a.patience, listed); there == nil {
			late := "The grant is made, but Microsoft Graph does not list it yet. The request waits until it does: grant again in a minute, which changes nothing."
			if err != nil && !apperr.IsKind(err, apperr.NotFound) {
				a.log.WarnContext(ctx, "a grant cannot be read back", "scope", q.Scope, "err", err)
				late = "The grant is made, but Microsoft Graph could not be read afterwards: " + apperr.From(err).Message +
					" The request waits: grant again in a minute, which changes nothing. Reference " + refOf(ctx) + "."
			}
			a.sessions.AddFlash(w, session.Flash{Text: late})
			redirect(w, templates.AdminRequestURL(q.ID))
			return nil
		}
	}
	if _, err := a.approve(ctx, r, live, q.ID, false); err != nil {
		return err
	}
	a.sessions.AddFlash(w, session.Flash{Good: true, Text: "Granted for " + q.Name + ": " + q.Scope + ". Microsoft Graph lists it."})
	redirect(w, templates.AdminRequestsURL)
	return nil
}

// approve marks a request as approved; its grant was read back.
func (a *admin) approve(ctx context.Context, r *http.Request, live *session.Session, id string, forTenant bool) (recorded bool, err error) {
	q, err := a.service.Request(ctx, live.User.ID, id)
	if err != nil {
		return false, err
	}
	entry := a.entry(r, live, consent.Approve)
	entry.Scope, entry.TargetID, entry.TargetName, entry.Code = q.Scope, q.ObjectID, q.Name, q.ID
	return a.service.Audited(ctx, entry, never, func(ctx context.Context) error {
		return a.service.Decide(ctx, id, consent.Decision{State: consent.Approved, By: live.User.ID, ByName: live.User.DisplayName(), ForTenant: forTenant, Reference: refOf(ctx)})
	})
}

// never says that a failed change of our own database changed nothing.
func never(error) bool { return false }

// check is POST /admin/requests/{id}/check: a grant for everybody may be there
// already, or have come late.
func (a *admin) check(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	q, err := a.pending(r, live)
	if err != nil {
		return err
	}
	ctx, cancel := timeout(r)
	defer cancel()
	found, err := a.tenantGrant(ctx, a.source(live), q.Scope)
	if err != nil {
		return err
	}
	if found == nil {
		a.sessions.AddFlash(w, session.Flash{Text: "Microsoft Graph does not list this grant."})
		redirect(w, templates.AdminRequestURL(q.ID))
		return nil
	}
	if _, err := a.approve(ctx, r, live, q.ID, true); err != nil {
		return err
	}
	a.sessions.AddFlash(w, session.Flash{Good: true, Text: "Approved: " + q.Scope + " is granted for everybody."})
	redirect(w, templates.AdminRequestsURL)
	return nil
}

// decline is POST /admin/requests/{id}/decline.
func (a *admin) decline(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	q, err := a.pending(r, live)
	if err != nil {
		return err
	}
	ctx, cancel := timeout(r)
	defer cancel()
	answer := strings.TrimSpace(r.PostForm.Get("answer"))
	entry := a.entry(r, live, consent.Decline)
	entry.Scope, entry.TargetID, entry.TargetName, entry.Code = q.Scope, q.ObjectID, q.Name, q.ID
	_, err = a.service.Audited(ctx, entry, never, func(ctx context.Context) error {
		return a.service.Decide(ctx, q.ID, consent.Decision{State: consent.Declined, By: live.User.ID, ByName: live.User.DisplayName(), Answer: answer, Reference: refOf(ctx)})
	})
	if apperr.IsKind(err, apperr.Invalid) {
		return a.answerRequest(ctx, w, r, live, &q, answer, err, http.StatusBadRequest)
	}
	if err != nil {
		return err
	}
	a.sessions.AddFlash(w, session.Flash{Good: true, Text: "Declined. " + q.Name + " reads your sentence under Access."})
	redirect(w, templates.AdminRequestsURL)
	return nil
}
