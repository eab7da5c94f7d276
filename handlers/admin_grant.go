package handlers

import (
	"context"
	"errors"
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
// went; and what the tenant says of success is read back from Graph.
func (a *admin) granted(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	query := r.URL.Query()
	flow, err := a.sessions.TakeFlow(w, r, entra.AdminConsentState(query))
	if err != nil {
		return notASignIn(err)
	}
	if flow.Purpose != purposeAdminConsent || len(flow.Scopes) != 1 {
		return errBadForm.Becausef("a flow for %q came back to the admin consent address", flow.Purpose)
	}
	if flow.Session != live.ID {
		return apperr.New(apperr.Forbidden, "admin_consent_other", "This grant was begun in another session than the one you are in now.").
			WithNext(apperr.MenderPerson, "Look at the list whether it is there; begin again if not.")
	}
	entry := a.tenantEntry(r, live, flow)
	if err := entra.ParseAdminConsent(query); err != nil {
		entry.Outcome, entry.Code = consent.Failed, apperr.From(err).Code
		if ended := a.service.End(r.Context(), entry); ended != nil {
			return errors.Join(err, ended)
		}
		if !apperr.HasCode(err, entra.CodeConsentRefused) {
			return err
		}
		a.sessions.AddFlash(w, session.Flash{Text: "Nothing was granted: somebody said no on the page of the company sign-in."})
		redirect(w, localPath(flow.ReturnTo))
		return nil
	}
	ctx, cancel := timeout(r)
	defer cancel()
	found, err := a.awaitTenantGrant(ctx, live, flow.Scopes[0])
	a.views.forget(live.User.ID)
	if found == nil {
		entry.Outcome, entry.Code = consent.Unknown, "not_read_back"
		if err != nil {
			a.log.WarnContext(ctx, "a grant cannot be read back", "scope", flow.Scopes[0], "err", err)
			entry.Code = apperr.From(err).Code
		}
		if err := a.service.End(ctx, entry); err != nil {
			return err
		}
		a.sessions.AddFlash(w, session.Flash{Text: "The company sign-in reports success, but Microsoft Graph does not list the grant yet. Check again in a minute."})
		redirect(w, localPath(flow.ReturnTo))
		return nil
	}
	entry.Outcome, entry.ClientID, entry.ResourceID = consent.Done, found.ClientID, found.ResourceID
	if err := a.service.End(ctx, entry); err != nil {
		return err
	}
	if id := requestOf(flow.ReturnTo); id != "" {
		if err := a.approve(ctx, r, live, id, true); err != nil {
			return err
		}
	}
	a.sessions.AddFlash(w, session.Flash{Good: true, Text: "Granted for everybody: " + flow.Scopes[0] + ". Microsoft Graph lists it."})
	redirect(w, localPath(flow.ReturnTo))
	return nil
}

// notASignIn gives the errors of a flow, which speak of signing in, the words of
// this visit.
func notASignIn(err error) error {
	e := apperr.From(err)
	if e.Kind != apperr.Expired {
		return err
	}
	return apperr.New(apperr.Expired, e.Code, "This answer of the company sign-in belongs to no grant that was begun in this browser in the last ten minutes, or it was used already.").
		WithNext(apperr.MenderPerson, "Look at the list whether the grant is there; begin again if not.").Because(err)
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
	if err != nil {
		return nil, err
	}
	return grantWith(grants, resource.ID, value), nil
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

// awaitTenantGrant reads until the grant is listed, for some seconds: new grants
// replicate late.
func (a *admin) awaitTenantGrant(ctx context.Context, live *session.Session, scope string) (*graph.Grant, error) {
	return a.await(ctx, func() (*graph.Grant, error) { return a.tenantGrant(ctx, a.source(live), scope) })
}

// await reads until there is something, with the pauses of a.patience.
func (a *admin) await(ctx context.Context, read func() (*graph.Grant, error)) (*graph.Grant, error) {
	for i := 0; ; i++ {
		found, err := read()
		if found != nil || i == len(a.patience) || err != nil && !apperr.IsKind(err, apperr.NotFound) {
			return found, err
		}
		pause := time.NewTimer(a.patience[i])
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, ctx.Err()
		}
	}
}
