package handlers

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// purposeAdminConsent is a visit to the tenant's page on which an administrator
// grants for everybody. Its flow's nonce names the operation of the audit log,
// since nothing else uses it there.
const purposeAdminConsent = "admin-consent"

// patience is a pause between two reads of a grant that was just made.
type patience = time.Duration

// replication is how long a new grant may take to be listed (entra.md §7.5)
// before a page says that it is not there yet.
var replication = []patience{500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second}

// grantPage is GET /admin/consent/grant[?scope=]: what to grant for everybody, and
// whether it is granted.
func (a *admin) grantPage(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	page := templates.GrantPage{AdminFrame: a.frameOf(w, r, live, "Grant for everybody"), Offers: a.offers}
	if _, _, ok := consent.SplitScope(r.URL.Query().Get("scope")); ok {
		page.Scope = r.URL.Query().Get("scope")
		found, err := a.tenantGrant(ctx, a.source(live), page.Scope)
		if err != nil {
			page.Warnings = append(page.Warnings, a.warning(r, err, "Whether it is granted cannot be read", live))
		}
		page.Known, page.Granted = err == nil, found != nil
		a.settleFound(ctx, live, page.Scope, found)
	}
	return a.render(w, r, http.StatusOK, templates.Grant(page))
}

// grant is POST /admin/consent/grant: to the tenant's page.
func (a *admin) grant(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	scope := strings.TrimSpace(r.PostForm.Get("scope"))
	if _, _, ok := consent.SplitScope(scope); !ok {
		page := templates.GrantPage{AdminFrame: a.frameOf(w, r, live, "Grant for everybody"), Offers: a.offers, Scope: hint(scope),
			ScopeError: "Write one scope of one API, such as api://…/user_impersonation. Neither a list nor .default can be granted here."}
		return a.render(w, r, http.StatusBadRequest, templates.Grant(page))
	}
	return a.toTenant(w, r, live, scope, templates.AdminGrantScopeURL(scope))
}

// toTenant sends an admin to the page on which a scope is granted for everybody,
// with the intent in the audit log.
func (a *admin) toTenant(w http.ResponseWriter, r *http.Request, live *session.Session, scope, returnTo string) error {
	if err := a.provider.Ready(r.Context()); err != nil {
		return err
	}
	state, flow, err := a.sessions.StartFlow(w, r, session.Flow{Purpose: purposeAdminConsent, Scopes: []string{scope}, ReturnTo: returnTo, Session: live.ID})
	if err != nil {
		return err
	}
	location, err := a.provider.AdminConsentURL(r.Context(), entra.AdminConsent{Tenant: live.User.TenantID, Scopes: []string{scope},
		RedirectURL: a.baseURL + templates.AdminConsentBackURL, State: state})
	if err != nil {
		return err
	}
	entry := a.tenantEntry(r, live, flow)
	entry.Outcome = consent.Intended
	if err := a.service.Record(r.Context(), entry); err != nil {
		return err
	}
	redirect(w, location)
	return nil
}

// tenantEntry is the audit entry of a visit that grants for everybody.
func (a *admin) tenantEntry(r *http.Request, live *session.Session, flow session.Flow) consent.Entry {
	entry := a.entry(r, live, consent.GrantTenant)
	entry.Operation, entry.Scope, entry.TargetName = flow.Nonce, strings.Join(flow.Scopes, " "), "Everybody"
	entry.ClientName = "This portal (" + a.clientID + ")"
	return entry
}

// granted is GET /auth/admin-consent, the tenant's answer. The flow comes first,
// before anything of the answer is believed; then the person must be the one who
// went, in whichever session they are by now. Neither success nor refusal is
// taken from the answer, which travels through the browser: Graph says what is
// there.
func (a *admin) granted(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	query := r.URL.Query()
	flow, err := a.takeConsentFlow(w, r)
	if err != nil {
		return a.unmatched(r, live, err)
	}
	ctx, cancel := timeout(r)
	defer cancel()
	intent, _, err := a.service.Operation(ctx, live.User.ID, flow.Nonce)
	if err != nil {
		return err
	}
	if intent.Actor != live.User.ID {
		return apperr.New(apperr.Forbidden, "admin_consent_other", "This grant was begun by somebody else than you.").
			WithNext(apperr.MenderPerson, "Look at the list whether it is there; begin again if not.")
	}
	answer := entra.ParseAdminConsent(query)
	pauses := a.patience
	if answer != nil {
		pauses = pauses[:min(len(pauses), 2)] // whoever said no need not wait long
	}
	scope := flow.Scopes[0]
	found, unread := a.await(ctx, pauses, func() (*graph.Grant, error) { return a.tenantGrant(ctx, a.source(live), scope) })
	a.views.forget(live.User.ID)
	if apperr.IsKind(unread, apperr.NotFound) {
		unread = nil // Graph answered: there is no such API, so no grant of it
	}
	if unread != nil {
		a.log.WarnContext(ctx, "a grant cannot be read back", "scope", scope, "err", unread)
	}
	entry := a.tenantEntry(r, live, flow)
	switch {
	case found != nil:
		entry.Outcome, entry.ClientID, entry.ResourceID = consent.Done, found.ClientID, found.ResourceID
	case answer != nil && query.Get("error") != "" && unread == nil:
		entry.Outcome = consent.Failed
	default:
		entry.Outcome, entry.Code = consent.Unknown, "not_read_back"
	}
	if reason := cmp.Or(answer, unread); reason != nil {
		entry.Code = apperr.From(reason).Code
	}
	if err := a.conclude(ctx, live, entry); err != nil {
		return err
	}
	if found == nil && answer != nil && unread == nil && !apperr.HasCode(answer, entra.CodeConsentRefused) {
		return answer
	}
	a.sessions.AddFlash(w, a.grantFlash(ctx, r, live, flow, found != nil, answer, unread))
	redirect(w, localPath(flow.ReturnTo))
	return nil
}

// grantFlash says how a visit to the tenant's page ended, and approves the request
// that it was for.
func (a *admin) grantFlash(ctx context.Context, r *http.Request, live *session.Session, flow session.Flow, there bool, answer, unread error) session.Flash {
	scope := strings.Join(flow.Scopes, " ")
	switch {
	case unread != nil && answer != nil:
		return session.Flash{Text: "The company sign-in reports no success, and whether there is a grant cannot be read: " + apperr.From(unread).Message + " Look again before you rely on either. Reference " + refOf(ctx) + "."}
	case unread != nil:
		return session.Flash{Text: "The company sign-in reports success, but whether the grant is there cannot be read: " + apperr.From(unread).Message + " Reference " + refOf(ctx) + "."}
	case !there && answer != nil:
		return session.Flash{Text: "Nothing was granted: somebody said no on the page of the company sign-in."}
	case !there:
		return session.Flash{Text: "The company sign-in reports success, but Microsoft Graph does not list the grant yet. Check again in a minute."}
	case answer != nil:
		return session.Flash{Text: "The company sign-in reports no success, but Microsoft Graph lists the grant: " + scope + " is granted for everybody. Withdraw it if that is not what you want."}
	}
	done := session.Flash{Good: true, Text: "Granted for everybody: " + scope + ". Microsoft Graph lists it."}
	id := requestOf(flow.ReturnTo)
	if id == "" {
		return done
	}
	switch _, err := a.approve(ctx, r, live, id, true); {
	case apperr.IsKind(err, apperr.Conflict):
		return session.Flash{Text: "Granted for everybody: " + scope + ". Microsoft Graph lists it. But somebody else decided the request meanwhile."}
	case err != nil:
		a.log.ErrorContext(ctx, "a request cannot be approved although its scope is granted", "request", id, "err", err)
		return session.Flash{Text: "Granted for everybody: " + scope + ". Microsoft Graph lists it. But the request could not be marked as approved: " + apperr.From(err).Message + " Approve it here. Reference " + refOf(ctx) + "."}
	}
	return done
}

// takeConsentFlow returns the flow of the tenant's answer.
func (a *admin) takeConsentFlow(w http.ResponseWriter, r *http.Request) (session.Flow, error) {
	flow, err := a.sessions.TakeFlow(w, r, entra.AdminConsentState(r.URL.Query()))
	if err == nil && (flow.Purpose != purposeAdminConsent || len(flow.Scopes) != 1) {
		err = errBadForm.Becausef("a flow for %q came back to the admin consent address", flow.Purpose)
	}
	return flow, err
}

// requestOf returns the id of the request on whose page a visit began.
func requestOf(returnTo string) string {
	id, ok := strings.CutPrefix(returnTo, templates.AdminRequestsURL+"/")
	if !ok || strings.ContainsAny(id, "/?") {
		return ""
	}
	return id
}

// tenantGrant returns the grant of a scope to this portal for everybody, as Graph
// lists it; nil when it lists none.
func (a *admin) tenantGrant(ctx context.Context, source graph.TokenSource, scope string) (*graph.Grant, error) {
	api, value, ok := consent.SplitScope(scope)
	if !ok {
		return nil, errBadForm
	}
	portal, err := a.graph.ServicePrincipalByAppID(ctx, source, a.clientID)
	if err != nil {
		return nil, err
	}
	resource, err := a.graph.ServicePrincipalByURI(ctx, source, api)
	if err != nil {
		return nil, err
	}
	grants, err := a.graph.TenantGrantsOfClient(ctx, source, portal.ID)
	return found(grants, err, resource.ID, value)
}

// found is grantWith for a list of which a part may be missing: what is there is
// there, and only a whole list can say that something is not.
func found(grants []graph.Grant, err error, resource, value string) (*graph.Grant, error) {
	if g := grantWith(grants, resource, value); g != nil {
		return g, nil
	}
	return nil, err
}

// grantWith finds the grant at an API that has a scope; scopes are compared
// without regard to case, as Entra does.
func grantWith(grants []graph.Grant, resource, value string) *graph.Grant {
	i := slices.IndexFunc(grants, func(g graph.Grant) bool {
		return g.ResourceID == resource && slices.ContainsFunc(g.Scopes, func(s string) bool { return strings.EqualFold(s, value) })
	})
	if i < 0 {
		return nil
	}
	return &grants[i]
}

// await reads until there is something, with pauses between: new grants replicate
// late.
func (a *admin) await(ctx context.Context, pauses []patience, read func() (*graph.Grant, error)) (*graph.Grant, error) {
	for i := 0; ; i++ {
		found, err := read()
		if found != nil || i == len(pauses) || err != nil && !apperr.IsKind(err, apperr.NotFound) {
			return found, err
		}
		pause := time.NewTimer(pauses[i])
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, ctx.Err()
		}
	}
}
