package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

var (
	errNotOwnGrant = apperr.New(apperr.Forbidden, "not_own_consent", "This consent is not yours, so nothing was changed.").
			WithNext(apperr.MenderAdmin, "What was allowed for everybody, or by somebody else, an administrator can withdraw.")
	errPerhapsGivenBack = apperr.New(apperr.BadGateway, "give_back_unknown", "Microsoft Graph failed in the middle, and what became of the consent cannot be read: it may have been given back.").
				WithNext(apperr.MenderPerson, "Open the page about your access in a minute, and see whether it is still there.").WithRetry()
	errNoGrant = apperr.New(apperr.Invalid, "consent_unnamed", "The address does not say which consent is meant.").
			WithNext(apperr.MenderPerson, "Choose one on the page about your access.")
)

// maxGrantID bounds the id of a grant, in bytes: Graph's have some 43.
const maxGrantID = 128

// ownGrant reads a grant anew and refuses one that is not the person's own.
// The id comes from a form, so whose it is only the directory can say.
func (a *myAccess) ownGrant(ctx context.Context, live *session.Session, id string) (graph.Grant, error) {
	if id == "" || len(id) > maxGrantID {
		return graph.Grant{}, errNoGrant
	}
	g, err := a.graph.Grant(ctx, a.broker.SourceOfSession(live.ID), id)
	if err != nil {
		return graph.Grant{}, err
	}
	if g.TenantWide || g.PrincipalID == "" || !strings.EqualFold(g.PrincipalID, live.User.ObjectID) {
		return graph.Grant{}, errNotOwnGrant.Becausef("grant %q, tenant-wide %v", g.ID, g.TenantWide)
	}
	return g, nil
}

// scopesText is how the scopes of a grant are posted along, to see whether they
// changed since the person saw them.
func scopesText(scopes []string) string {
	return strings.Join(slices.Sorted(slices.Values(scopes)), " ")
}

// giveBackPage is GET /access/give-back: what it means, before anything happens.
func (a *myAccess) giveBackPage(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	ctx, cancel := timeout(r)
	defer cancel()
	g, err := a.ownGrant(ctx, live, r.Form.Get("grant"))
	if gone := a.gone(w, live, err); gone {
		return nil
	}
	if err != nil {
		return a.cannotGiveBack(w, r, live, err, a.graph.ReadScope())
	}
	var chosen []string
	if scope := r.Form.Get("scope"); scope != "" {
		chosen = []string{scope}
	} else if len(g.Scopes) == 1 {
		chosen = g.Scopes
	}
	return a.confirm(ctx, w, r, live, http.StatusOK, g, templates.GiveBackPage{}, chosen)
}

// gone says that a grant is not there any more, which is what was wanted.
func (a *myAccess) gone(w http.ResponseWriter, live *session.Session, err error) bool {
	if !apperr.HasCode(err, graph.CodeNotFound) {
		return false
	}
	a.forgetRoles(live.ID)
	a.sessions.AddFlash(w, session.Flash{Good: true, Text: "This consent is not there any more: it was given back or withdrawn meanwhile."})
	redirect(w, templates.AccessURL)
	return true
}

func (a *myAccess) confirm(ctx context.Context, w http.ResponseWriter, r *http.Request, live *session.Session, status int, g graph.Grant, page templates.GiveBackPage, chosen []string) error {
	l := a.list(ctx, live)
	page.Page = a.page(r, "Give back consent", templates.AccessURL)
	page.Path = templates.GiveBackPageURL(g.ID, strings.Join(chosen, " "))
	page.GrantID, page.Shown = g.ID, scopesText(g.Scopes)
	uri, name := a.apiOf(l, g.ResourceID)
	page.API = name
	page.Here = g.ClientID == l.portal && l.portal != ""
	page.App = "The application " + g.ClientID
	if object, ok := l.names[g.ClientID]; ok && object.Name != "" {
		page.App = object.Name
	}
	if page.Here {
		page.App = "This portal"
	}
	resource, _ := a.catalogue.Find(uri)
	// The list knows what everybody's consent gives at some APIs only.
	wide, err := a.graph.TenantGrantsOfClient(ctx, a.broker.SourceOfSession(live.ID), g.ClientID)
	if err != nil {
		a.log.InfoContext(ctx, "what an application was granted for everybody cannot be read", "client", g.ClientID, "err", err)
		page.CoverUnknown, wide = true, append(slices.Clone(l.wide), wide...)
	}
	for _, scope := range g.Scopes {
		one := templates.GiveBackScope{Name: scope, Chosen: slices.Contains(chosen, scope)}
		if sp := l.apis[g.ResourceID]; sp != nil {
			if p := sp.Scope(scope); p != nil {
				one.Title = p.UserName
			}
		}
		if uses := a.usesOf(resource, scope); page.Here && len(uses) > 0 {
			one.Consequence = "Used here for: " + strings.Join(uses, ", ") + "."
		}
		one.Everyone = slices.ContainsFunc(wide, func(wide graph.Grant) bool {
			return wide.TenantWide && wide.ClientID == g.ClientID && wide.ResourceID == g.ResourceID && slices.Contains(wide.Scopes, scope)
		})
		page.Scopes = append(page.Scopes, one)
	}
	return a.render(w, r, status, templates.GiveBack(page))
}

// giveBack is POST /access/give-back. The grant is read again: it must be the
// person's own, and as the person saw it. Graph has no conditional change, so
// what somebody adds in the moment between reading and writing is lost by
// narrowing; the person can agree to it again.
func (a *myAccess) giveBack(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	ctx, cancel := timeout(r)
	defer cancel()
	id, back := r.PostForm.Get("grant"), r.PostForm["scope"]
	g, err := a.ownGrant(ctx, live, id)
	if gone := a.gone(w, live, err); gone {
		return nil
	}
	if err != nil {
		return a.cannotGiveBack(w, r, live, err, a.graph.ReadScope())
	}
	if r.PostForm.Get("shown") != scopesText(g.Scopes) {
		a.lists.forget(func(k session.ID) bool { return k == live.ID })
		return a.confirm(ctx, w, r, live, http.StatusConflict, g, templates.GiveBackPage{Changed: true}, back)
	}
	stays := keep(g.Scopes, func(s string) bool { return !slices.Contains(back, s) })
	if len(back) == 0 || len(stays) == len(g.Scopes) {
		return a.confirm(ctx, w, r, live, http.StatusBadRequest, g, templates.GiveBackPage{Error: "Nothing is chosen. Choose what to give back."}, nil)
	}
	source := a.broker.SourceOfSession(live.ID)
	// Before the intent is in the audit log: a visit to the tenant is not a change.
	if _, err := source.Token(ctx, a.graph.GrantScope()); err != nil {
		return a.cannotGiveBack(w, r, live, err, a.graph.GrantScope())
	}
	goes := keep(g.Scopes, func(s string) bool { return slices.Contains(back, s) })
	_, err = a.requests.Audited(ctx, a.givenBack(ctx, live, g, goes), graph.MayHaveReached, func(ctx context.Context) error {
		if len(stays) == 0 {
			return a.graph.DeleteGrant(ctx, source, g.ID)
		}
		return a.graph.NarrowGrant(ctx, source, g.ID, stays)
	})
	// Also after an error: it may have taken effect.
	a.forgetRoles(live.ID)
	if gone := a.gone(w, live, err); gone {
		return nil
	}
	if graph.MayHaveReached(err) {
		return a.perhapsGivenBack(w, r, live, g, goes, err)
	}
	if err != nil {
		return a.cannotGiveBack(w, r, live, err, a.graph.GrantScope())
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "consent given back", slog.String("person", live.User.ID.String()), slog.String("grant", g.ID),
		slog.Any("scopes", goes), slog.Int("stay", len(stays)))
	a.tellGivenBack(w)
	return nil
}

// givenBack is the entry of the audit log. Names are in it as far as they are
// known without asking.
func (a *myAccess) givenBack(ctx context.Context, live *session.Session, g graph.Grant, goes []string) consent.Entry {
	e := consent.Entry{Actor: live.User.ID, ActorName: live.User.DisplayName(), Action: consent.GiveBack, ClientID: g.ClientID, ResourceID: g.ResourceID,
		Scope: strings.Join(goes, " "), TargetID: live.User.ObjectID, TargetName: live.User.DisplayName(), Reference: refOf(ctx)}
	if l, ok := a.lists.get(live.ID); ok {
		e.ClientName = l.names[g.ClientID].Name
		_, e.ResourceName = a.apiOf(l, g.ResourceID)
	}
	return e
}

func (a *myAccess) tellGivenBack(w http.ResponseWriter) {
	a.sessions.AddFlash(w, session.Flash{Good: true, Text: "You gave it back. Tokens that were issued before stay valid until they expire."})
	redirect(w, templates.AccessURL)
}

// perhapsGivenBack says what became of a consent when Graph failed in the middle of
// giving it back. It takes its own time: that of the page may be over.
func (a *myAccess) perhapsGivenBack(w http.ResponseWriter, r *http.Request, live *session.Session, g graph.Grant, goes []string, failure error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	now, err := a.ownGrant(ctx, live, g.ID)
	if gone := a.gone(w, live, err); gone {
		return nil
	}
	if err != nil {
		return errPerhapsGivenBack.Because(errors.Join(failure, err))
	}
	if !slices.ContainsFunc(goes, func(s string) bool { return slices.Contains(now.Scopes, s) }) {
		a.tellGivenBack(w)
		return nil
	}
	problem := a.problem(ctx, failure, "Nothing seems to have been given back", live)
	problem.Next, problem.Mender = "Below is how Microsoft Graph lists it now; it can be late by a minute. Try again, or look again later.", menders[apperr.MenderPerson]
	return a.confirm(ctx, w, r, live, http.StatusBadGateway, now, templates.GiveBackPage{Problem: &problem}, goes)
}

// cannotGiveBack says why consent cannot be given back here, and where else;
// asked is the permission that Graph was asked with.
func (a *myAccess) cannotGiveBack(w http.ResponseWriter, r *http.Request, live *session.Session, err error, asked string) error {
	need := needOf(err, asked)
	needs := need != nil
	if !needs && !apperr.HasCode(err, graph.CodeDenied) {
		return err
	}
	grant, scope := r.Form.Get("grant"), r.Form.Get("scope")
	back := templates.GiveBackPageURL(grant, scope)
	elsewhere := "Open myapps.microsoft.com, choose the application, then Manage your application, and revoke its permissions there. An administrator can do it for you too."
	p := templates.Problem{Tone: templates.ToneWarning, Title: "This portal cannot give it back for you",
		What: "The directory lets only people with a directory role change consents through this portal, also their own.",
		Next: elsewhere, Mender: "You can mend this elsewhere, or an administrator can.", Code: apperr.From(err).Code, Reference: refOf(r.Context()), At: a.now()}
	switch {
	case needs && need.Claims == "" && !consentMissing(need):
		p.Title, p.What = "Sign in again first", "Your sign-in has to be renewed before the portal can change anything in your name. Nothing was changed."
		p.Next, p.Mender = "Sign in; you come back to this page.", menders[apperr.MenderPerson]
		p.Primary = &templates.Action{Label: "Sign in again", URL: templates.LoginOptions{ReturnTo: back, LoginHint: hint(live.User.Account)}.URL()}
	case needs && need.Claims != "":
		return a.auth.visitFor(w, r, live, tokenVisit{Scopes: need.Scopes, Claims: need.Claims, ReturnTo: back})
	case needs && a.mayBeAdmin(live):
		p.What = "Nobody has allowed this portal to change consents (" + strings.Join(need.Scopes, " ") + "). As an administrator you can."
		p.Next, p.Mender = "Go to the company sign-in and agree; you come back to this page. Or: "+elsewhere, menders[apperr.MenderPerson]
		p.Primary = &templates.Action{Label: "Go to the company sign-in", URL: templates.AccessListURL, Post: true,
			Fields: []templates.Field{{Name: "api", Value: "grants"}, {Name: "grant", Value: grant}, {Name: "scope", Value: scope}}}
	case needs:
		p.What = "Nobody has allowed this portal to change consents in your name."
	}
	a.log.InfoContext(r.Context(), "consent cannot be given back here", "err", err)
	page := templates.GiveBackPage{Page: a.page(r, "Give back consent", templates.AccessURL), Problem: &p}
	return a.render(w, r, http.StatusForbidden, templates.GiveBack(page))
}
