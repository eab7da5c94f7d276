package handlers

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

var (
	errNoPermission = apperr.New(apperr.Invalid, "permission_missing", "No permission is chosen.").
			WithNext(apperr.MenderPerson, "Choose one of the list, or type its full name.")
	errOnePermission = apperr.New(apperr.Invalid, "permission_default", "This stands for everything that was allowed before, not for one permission.").
				WithNext(apperr.MenderPerson, "Name one permission.")
	errNotOffered = apperr.New(apperr.Invalid, "permission_unknown", "The API has no permission of this name.").
			WithNext(apperr.MenderPerson, "Check how it is written, or choose one of the list.")
	errNotAPermission = apperr.New(apperr.Invalid, "permission_incomplete", "This is not the full name of a permission: it begins with the address of its API.").
				WithNext(apperr.MenderPerson, "Write it like https://graph.microsoft.com/User.Read.")
)

// permissionOf returns the full name of one permission of an API in the
// catalogue, in the spelling that is known. Its errors are of kind Invalid.
func (a *myAccess) permissionOf(typed string) (string, error) {
	typed = strings.TrimSpace(typed)
	uri := entra.ResourceOf(typed)
	switch {
	case typed == "":
		return "", errNoPermission
	case uri == "" || len(typed) > maxPermission || strings.ContainsAny(typed, " ,;\t\r\n"):
		return "", errNotAPermission.Becausef("permission of %d bytes", len(typed))
	}
	_, scopes, err := a.catalogue.Ask(uri, []string{typed}, "")
	if err != nil {
		return "", err
	}
	if entra.ScopeName(scopes[0]) == entra.DefaultScope {
		return "", errOnePermission
	}
	return scopes[0], nil
}

// adminOnly reports whether only an administrator can agree to a permission, as
// far as that is known here.
func (a *myAccess) adminOnly(live *session.Session, scope string) bool {
	if l, ok := a.lists.get(live.ID); ok {
		if p := a.described(l, scope); p != nil {
			return p.Type == "Admin"
		}
	}
	known, ok := a.catalogue.Describe(scope)
	return ok && known.AdminOnly
}

// described returns what the directory says of a permission, nil if nothing.
func (a *myAccess) described(l *consentList, scope string) *graph.Permission {
	for id, sp := range l.apis {
		if uri, _ := a.apiOf(l, id); strings.EqualFold(uri, entra.ResourceOf(scope)) {
			return sp.Scope(entra.ScopeName(scope))
		}
	}
	return nil
}

// offered refuses a permission that its API is known not to have. What the
// directory does not tell passes: an administrator or the tenant will see.
func (a *myAccess) offered(ctx context.Context, live *session.Session, scope string) error {
	name := entra.ScopeName(scope)
	_, known := a.catalogue.Describe(scope)
	if _, openID := openIDTexts[name]; known || openID {
		return nil
	}
	l := a.list(ctx, live)
	uri := entra.ResourceOf(scope)
	var api *graph.ServicePrincipal
	for id, sp := range l.apis {
		if at, _ := a.apiOf(l, id); strings.EqualFold(at, uri) {
			api = sp
		}
	}
	if api == nil {
		var err error
		if api, err = a.graph.ServicePrincipalByURI(ctx, a.broker.SourceOfSession(live.ID), uri); err != nil {
			a.log.InfoContext(ctx, "the permissions of an API cannot be read", "api", uri, "err", err)
			return nil
		}
	}
	// None at all is one that is hidden from this person rather than an API without any.
	has := slices.ContainsFunc(api.Scopes, func(p graph.Permission) bool { return strings.EqualFold(p.Value, name) })
	if has || len(api.Scopes) == 0 {
		return nil
	}
	return errNotOffered.Becausef("scope %q of %d permissions", scope, len(api.Scopes))
}

// asAdmin reports whether to send somebody where only an administrator can agree.
// Where nobody can say, the tenant will.
func (a *myAccess) asAdmin(ctx context.Context, live *session.Session) bool {
	admin, err := a.isAdmin(ctx, live)
	if err != nil {
		a.log.InfoContext(ctx, "whether somebody is an admin cannot be read", "person", live.User.ID.String(), "err", err)
		return a.mayBeAdmin(live)
	}
	return admin
}

// ask is POST /access/scopes: one more permission, by incremental consent.
func (a *myAccess) ask(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	form := accessForm{chosen: r.PostForm.Get("permission"), other: strings.TrimSpace(r.PostForm.Get("other"))}
	again := func(err error) error {
		e := apperr.From(err)
		form.askError = strings.TrimSpace(e.Message + " " + e.Next)
		return a.answer(w, r, live, statuses[e.Kind], templates.AccessQuery{}, form)
	}
	ctx, cancel := timeout(r)
	defer cancel()
	scope, err := a.permissionOf(cmp.Or(form.other, form.chosen))
	if err == nil {
		err = a.offered(ctx, live, scope)
	}
	if err != nil {
		return again(err)
	}
	if a.adminOnly(live, scope) && !a.asAdmin(ctx, live) {
		redirect(w, templates.AccessQuery{Ask: scope}.URL()+"#ask-admin")
		return nil
	}
	_, err = a.broker.Token(ctx, live.ID, entra.Request{Scopes: []string{scope}})
	var need *entra.InteractionRequired
	switch {
	case errors.As(err, &need):
		a.log.InfoContext(ctx, "a permission is asked for", "person", live.User.ID.String(), "scope", scope, "err", err)
		a.forgetRoles(live.ID) // what comes back is more than is known now
		return a.auth.visitFor(w, r, live, tokenVisit{Scopes: []string{scope}, Claims: need.Claims, ReturnTo: templates.AccessQuery{Want: scope}.URL()})
	case err != nil:
		// The tenant knows no such scope, or does not answer: what was typed stays.
		a.log.InfoContext(ctx, "a permission was refused", "scope", scope, "err", err)
		return again(err)
	}
	a.forgetRoles(live.ID)
	redirect(w, templates.AccessQuery{Want: scope}.URL())
	return nil
}

// adminAsk fills the form that asks an administrator.
func (a *myAccess) adminAsk(l *consentList, scope string, form accessForm) *templates.AdminAskForm {
	f := &templates.AdminAskForm{Permission: scope, Name: entra.ScopeName(scope), API: entra.ResourceOf(scope), Reason: form.reason, Error: form.reasonError}
	if r, ok := a.catalogue.Find(f.API); ok {
		f.API = r.Name
	}
	if known, ok := a.catalogue.Describe(scope); ok {
		f.Title = known.Title
	}
	if p := a.described(l, scope); p != nil {
		f.Title = cmp.Or(p.UserName, p.AdminName, f.Title)
	}
	return f
}

// askAdmin is POST /access/requests: an administrator is asked for a permission.
func (a *myAccess) askAdmin(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	form := accessForm{reason: r.PostForm.Get("reason")}
	ctx, cancel := timeout(r)
	defer cancel()
	scope, err := a.permissionOf(r.PostForm.Get("permission"))
	if err == nil {
		err = a.offered(ctx, live, scope)
	}
	if err != nil {
		e := apperr.From(err)
		form.other, form.askError = r.PostForm.Get("permission"), strings.TrimSpace(e.Message+" "+e.Next)
		return a.answer(w, r, live, statuses[e.Kind], templates.AccessQuery{}, form)
	}
	asked, err := a.requests.Ask(r.Context(), live.User, scope, form.reason)
	if e := apperr.From(err); e != nil && e.Kind != apperr.Internal {
		form.reasonError = strings.TrimSpace(e.Message + " " + e.Next)
		return a.answer(w, r, live, statuses[e.Kind], templates.AccessQuery{Ask: scope}, form)
	}
	if err != nil {
		return err
	}
	text := "An administrator was asked. You see the answer on this page."
	if asked.Reason != consent.Clean(form.reason) {
		text = "You have asked for this before, and the request still waits. Its reason stays as it was."
	}
	a.sessions.AddFlash(w, session.Flash{Good: true, Text: text})
	redirect(w, templates.AccessURL+"#requests")
	return nil
}

// fillRequests lists what the person asked administrators for.
func (a *myAccess) fillRequests(ctx context.Context, live *session.Session, page *templates.AccessPage) {
	asked, err := a.requests.RequestsOf(ctx, live.User.ID)
	if err != nil {
		p := a.problem(ctx, err, "What you asked administrators for cannot be shown", live)
		page.RequestsProblem = &p
		return
	}
	states := map[consent.State]templates.RequestState{consent.Pending: templates.RequestPending,
		consent.Approved: templates.RequestApproved, consent.Declined: templates.RequestDeclined}
	for _, one := range asked[:min(len(asked), maxRequests)] {
		row := templates.AccessRequest{ID: one.ID, Name: entra.ScopeName(one.Scope), API: entra.ResourceOf(one.Scope), Reason: one.Reason,
			RequestedAt: one.AskedAt, State: cmp.Or(states[one.State], templates.RequestState(one.State)),
			DecidedAt: one.Decision.At, Answer: one.Decision.Answer}
		if r, ok := a.catalogue.Find(row.API); ok {
			row.API = r.Name
		}
		page.Requests = append(page.Requests, row)
	}
}

// maxRequests is how many requests the page shows, newest first.
const maxRequests = 50
