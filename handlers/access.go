package handlers

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/arm"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// consentRequests keeps what people ask administrators for, and the audit log of
// what they give back.
type consentRequests interface {
	Ask(ctx context.Context, user access.User, scope, reason string) (consent.Request, error)
	RequestsOf(ctx context.Context, person access.PersonID) ([]consent.Request, error)
	Audited(ctx context.Context, e consent.Entry, uncertain func(error) bool, change func(context.Context) error) (recorded bool, err error)
}

// myAccess is the area of what somebody has allowed, and of what their roles in
// Azure let them see. Every call runs with the person's own tokens.
type myAccess struct {
	*frame
	auth          *auth
	broker        *entra.Broker
	graph         *graph.Client
	arm           *arm.Client    // nil where there is none
	subscriptions *subscriptions // nil where AzTS is not configured
	requests      consentRequests
	catalogue     entra.Catalogue
	aztsScope     string // empty where AzTS is not configured
	clientID      string
	portalHost    string // of the Azure portal in this cloud

	lists      *memory[session.ID, *consentList]
	roles      *memory[roleKey, roleFacts]
	toActivate *memory[session.ID, []arm.Eligibility]
	names      *memory[string, string] // of roles, by the id of their definition
	pauses     *pauses
}

func newMyAccess(p Parts, f *frame, auth *auth, mine *subscriptions) *myAccess {
	a := &myAccess{frame: f, auth: auth, broker: p.Broker, graph: p.Graph, arm: p.ARM, subscriptions: mine, requests: p.Consent,
		catalogue: p.Catalogue, clientID: p.ClientID, portalHost: p.PortalHost,
		lists:      newMemory[session.ID, *consentList](memoryAge, 100_000, p.Now),
		roles:      newMemory[roleKey, roleFacts](memoryAge, 100_000, p.Now),
		toActivate: newMemory[session.ID, []arm.Eligibility](memoryAge, 20_000, p.Now),
		names:      newMemory[string, string](20*memoryAge, 4096, p.Now),
		pauses:     newPauses(p.Now)}
	if mine != nil {
		mine.pauses = a.pauses
	}
	if len(p.SignIn.TokenScopes) > 0 {
		a.aztsScope = p.SignIn.TokenScopes[0]
	}
	return a
}

// maxPermission bounds the full name of a permission, in bytes.
const maxPermission = 400

// accessQuery reads what a page is to show.
func accessQuery(r *http.Request) templates.AccessQuery {
	v := r.URL.Query()
	number := func(name string) int {
		n, _ := strconv.Atoi(v.Get(name)) // anything else is the first page
		return min(max(n, 1), 1_000_000)
	}
	text := func(name string, most int) string {
		if s := strings.TrimSpace(v.Get(name)); len(s) <= most {
			return s
		}
		return ""
	}
	return templates.AccessQuery{Text: text("q", 200), MissingOnly: v.Get("show") == "missing", Page: number("page"), AppsPage: number("apps"),
		Ask: text("ask", maxPermission), Want: text("want", maxPermission), Subscription: text("subscription", 64)}
}

// show is GET /access.
func (a *myAccess) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	q := accessQuery(r)
	form := accessForm{other: q.Want}
	if q.Ask != "" {
		if _, err := a.permissionOf(q.Ask); err != nil {
			form.askError, form.other, q.Ask = apperr.From(err).Message, q.Ask, ""
		}
	}
	return a.answer(w, r, live, http.StatusOK, q, form)
}

// accessForm is what was typed into the forms of the page, and what is wrong with it.
type accessForm struct {
	chosen, other, askError string
	reason, reasonError     string
}

func (a *myAccess) answer(w http.ResponseWriter, r *http.Request, live *session.Session, status int, q templates.AccessQuery, form accessForm) error {
	ctx, cancel := timeout(r)
	defer cancel()
	page := templates.AccessPage{Page: a.page(r, "Access", templates.AccessURL), Query: q}
	page.Path = q.URL()
	page.Flash = a.flash(w, r)
	var l *consentList
	// The two have nothing to do with each other, and each may have to wait.
	inParallel(2, 2, func(i int) {
		if i == 0 {
			l = a.list(ctx, live)
			return
		}
		page.Roles = a.panel(ctx, live, q)
		if q.Subscription != "" && !page.Roles.Unavailable {
			a.lookup(ctx, live, q.Subscription, &page.Roles)
		}
	})
	granted, err := a.portalPermissions(ctx, live, l)
	if err != nil {
		return err
	}
	page.Portal, page.AsOf = granted.groups(), l.asOf
	if l.problem != nil {
		p := a.problem(ctx, l.problem, "The list of consents is not whole", live)
		page.ListProblem = &p
	}
	if l.refused != nil {
		page.ListNote = a.note(live, l.refused, q)
	}
	page.AppsKnown = l.refused == nil && (l.problem == nil || len(l.mine)+len(l.wide) > 0)
	page.Apps, page.AppsPager = cutBy(a.otherApps(l), rolesPerPage, q.AppsPage, "applications", func(n int) string {
		other := q
		other.AppsPage, other.Ask = n, ""
		return other.URL() + "#apps"
	})
	if form.other != "" && form.askError == "" && granted.has(form.other) {
		page.Flash = &templates.Flash{Tone: templates.ToneSuccess, Text: "The portal has this permission now: " + entra.ScopeName(form.other) + "."}
		form.other = ""
	}
	page.Ask = templates.AskForm{Groups: granted.toAskFor(form.chosen), Chosen: form.chosen, Other: form.other, Error: form.askError}
	if q.Ask != "" {
		page.AdminAsk = a.adminAsk(l, q.Ask, form)
	}
	a.fillRequests(ctx, live, &page)
	return a.render(w, r, status, templates.Access(page))
}

// note says calmly why the directory shows no list, and what can help.
func (a *myAccess) note(live *session.Session, err error, q templates.AccessQuery) *templates.ListNote {
	need := needOf(err, a.graph.ReadScope())
	switch {
	case need == nil:
		return &templates.ListNote{
			What: "The directory shows the list of consents only to people with a directory role, and most have none. So this is what your tokens prove.",
			Why:  "Microsoft Graph answers this question only for people who hold a role such as Directory Readers or Global Reader in Entra, even about their own consents. Your tokens and the answers that they came with say what this portal was allowed when they were issued. You do not need the role to use the portal."}
	case need.Claims != "":
		return &templates.ListNote{What: "The company sign-in asks for more proof that it is you before it lets the portal read the list of consents. Until then this is what your tokens prove.",
			Action: &templates.Action{Label: "Prove it and read the list", URL: templates.AccessListURL, Post: true, Fields: []templates.Field{{Name: "api", Value: "graph"}}}}
	case !consentMissing(need):
		return &templates.ListNote{What: "Your sign-in has to be renewed before the portal can read the list of consents. Until then this is what your tokens prove.",
			Action: &templates.Action{Label: "Sign in again", URL: templates.LoginOptions{ReturnTo: q.URL(), LoginHint: hint(live.User.Account)}.URL()}}
	}
	note := &templates.ListNote{What: "Nobody has allowed this portal to read the list of consents in your directory. So this is what your tokens prove.",
		Why: "Reading the list needs the permission Directory.Read.All at Microsoft Graph, to which only an administrator can agree, for everybody. Graph then shows it to people with a directory role. You do not need it to use the portal."}
	if a.mayBeAdmin(live) {
		note.Action = &templates.Action{Label: "Let the portal read the list", URL: templates.AccessListURL, Post: true, Fields: []templates.Field{{Name: "api", Value: "graph"}}}
	}
	return note
}

// visitProblem is a panel for a service that only the person can open up, by a
// visit to the company sign-in.
func (a *myAccess) visitProblem(ctx context.Context, live *session.Session, err error, title, api string, q templates.AccessQuery) templates.Problem {
	p := a.problem(ctx, err, title, live)
	switch need := needOf(err, ""); {
	case need == nil:
	case consentMissing(need) || need.Claims != "":
		p.Primary = &templates.Action{Label: "Go to the company sign-in", URL: templates.AccessListURL, Post: true, Fields: []templates.Field{{Name: "api", Value: api}}}
	default:
		p.Primary = &templates.Action{Label: "Sign in again", URL: templates.LoginOptions{ReturnTo: q.URL(), LoginHint: hint(live.User.Account)}.URL()}
	}
	return p
}

// visit is POST /access/list: it asks once more, and where only the person can
// help leads to the company sign-in for just that.
func (a *myAccess) visit(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	ctx, cancel := timeout(r)
	defer cancel()
	a.forgetRoles(live.ID)
	back, scope := templates.AccessURL, a.graph.ReadScope()
	var err error
	switch r.PostForm.Get("api") {
	case "grants":
		back = templates.GiveBackPageURL(r.PostForm.Get("grant"), r.PostForm.Get("scope"))
		_, err = a.broker.Token(ctx, live.ID, entra.Request{Scopes: []string{a.graph.GrantScope()}})
	case "graph":
		_, err = a.graph.MyGrants(ctx, a.broker.SourceOfSession(live.ID))
	case "azure":
		if a.arm == nil {
			return errBadForm
		}
		scope = a.azureScope()
		_, err = a.arm.Eligibilities(ctx, a.broker.SourceOfSession(live.ID), "")
	default:
		return errBadForm
	}
	if need := needOf(err, scope); need != nil {
		return a.auth.visitFor(w, r, live, tokenVisit{Scopes: need.Scopes, Claims: need.Claims, ReturnTo: back})
	}
	// Whatever else there is to say, the page says it.
	redirect(w, localPath(back))
	return nil
}

// refresh is POST /access/refresh: the next page asks everybody again.
func (a *myAccess) refresh(w http.ResponseWriter, _ *http.Request, live *session.Session) error {
	a.forgetRoles(live.ID)
	redirect(w, templates.AccessURL)
	return nil
}
