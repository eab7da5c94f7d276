package handlers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// withdrawal is what an admin is about to withdraw, as Graph has it at this
// moment.
type withdrawal struct {
	kind       consent.Kind
	id         string
	seen       string // names the state
	permission string // for allow
	scope      string // of Graph, for the change
	tenantWide bool
	// go and stay are scopes, or the one role.
	go_, stay            []string
	client, api          string // names
	clientID, clientApp  string
	apiID                string
	whom, whomID         string
	action               consent.Action
	change               func(context.Context, graph.TokenSource) error
	hit, consequences    []string
	heading, button, url string
}

var (
	errGrantGone = apperr.New(apperr.NotFound, "grant_gone", "Somebody withdrew this meanwhile, or the person did.").
			WithNext(apperr.MenderNobody, "There is nothing left to do.")
	errScopeGone = apperr.New(apperr.NotFound, "scope_gone", "This scope is not part of the grant any more.").
			WithNext(apperr.MenderNobody, "There is nothing left to do.")
	errGrantChanged = apperr.New(apperr.Conflict, "grant_changed", "This grant changed while you were looking at it. Nothing was withdrawn.").
			WithNext(apperr.MenderPerson, "What you see now is how it stands. Decide again.")
)

// fingerprint names a set of scopes, so that a form knows what it was shown for.
func fingerprint(scopes []string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(scopes)), " ")))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// grantWithdrawal reads the grant that a path names, and what one scope of it or
// all of it means.
func (a *admin) grantWithdrawal(ctx context.Context, r *http.Request, live *session.Session) (*withdrawal, error) {
	source := a.source(live)
	g, err := a.graph.Grant(ctx, source, r.PathValue("id"))
	if apperr.HasCode(err, graph.CodeNotFound) {
		return nil, errGrantGone.Because(err)
	}
	if err != nil {
		return nil, err
	}
	one := r.URL.Query().Get("scope")
	if one != "" && !slices.Contains(g.Scopes, one) {
		return nil, errScopeGone
	}
	names, err := a.graph.Names(ctx, source, []string{g.ClientID, g.ResourceID, g.PrincipalID})
	if err != nil {
		return nil, err
	}
	called := func(id string) string { return cmp.Or(names[id].Name, id) }
	w := &withdrawal{kind: consent.Delegated, id: g.ID, seen: fingerprint(g.Scopes), permission: allowGrants, scope: a.graph.GrantScope(),
		tenantWide: g.TenantWide || g.ForUnknown, go_: g.Scopes, client: called(g.ClientID), clientID: g.ClientID, api: called(g.ResourceID), apiID: g.ResourceID,
		action: consent.WithdrawGrant, whom: "Everybody in your organization"}
	if p := names[g.ClientID].Principal; p != nil {
		w.clientApp = p.AppID
	}
	switch {
	case g.ForUnknown:
		w.whom = "Not known"
	case !g.TenantWide:
		w.whom, w.whomID = called(g.PrincipalID), g.PrincipalID
	}
	if one != "" && len(g.Scopes) > 1 {
		w.action, w.go_ = consent.WithdrawScope, []string{one}
		w.stay = slices.DeleteFunc(slices.Clone(g.Scopes), func(s string) bool { return s == one })
	} else {
		one = ""
	}
	w.change = func(ctx context.Context, source graph.TokenSource) error {
		if len(w.stay) > 0 {
			return a.graph.NarrowGrant(ctx, source, g.ID, w.stay)
		}
		return a.graph.DeleteGrant(ctx, source, g.ID)
	}
	w.url = templates.WithdrawGrantURL(g.ID, one)
	what := "everything"
	if len(w.go_) == 1 {
		what = w.go_[0]
	}
	w.heading, w.button = "Withdraw "+what+" from "+w.client, "Withdraw "+what+" from "+w.client
	a.grantConsequences(ctx, live, w, g)
	return w, nil
}

// grantConsequences says who is hit and what happens (entra.md §7.6).
func (a *admin) grantConsequences(ctx context.Context, live *session.Session, w *withdrawal, g graph.Grant) {
	switch {
	case g.ForUnknown:
		w.hit = append(w.hit, "Whoever uses "+w.client+" with "+w.api+": Microsoft Graph calls this a kind of consent that this portal does not know, so it may be everybody.")
	case g.TenantWide:
		w.hit = append(w.hit, "Everybody in your organization who uses "+w.client+" with "+w.api+".")
		if known := a.views.known(live.User.ID); known != nil {
			as := " (in the list of " + known.AsOf.UTC().Format("15:04 UTC") + ")."
			switch n := known.OwnGrants(g.ClientID, g.ResourceID); {
			case n == 1:
				w.consequences = append(w.consequences, "One person agreed for themselves as well and keeps that"+as)
			case n > 1:
				w.consequences = append(w.consequences, strconv.Itoa(n)+" people agreed for themselves as well and keep that"+as)
			}
		}
		w.consequences = append(w.consequences, "Microsoft Graph does not tell how many people use the application.")
	default:
		w.hit = append(w.hit, w.whom+", and nobody else.")
		w.consequences = append(w.consequences, a.covered(ctx, live, w, g)...)
	}
	w.consequences = append(w.consequences, "Access tokens that were issued stay valid until they expire: after an hour as a rule, two at most.",
		"After that "+w.client+" gets no new token for this, and people are asked for consent again where your organization lets them consent.")
	if w.clientApp == a.clientID {
		w.consequences = append(w.consequences, "The application is this portal: its pages that need the permission ask for consent again.")
	}
}

// covered says whether a tenant-wide grant leaves the person what they lose. Graph
// is asked now: a list from before would promise what was withdrawn meanwhile.
func (a *admin) covered(ctx context.Context, live *session.Session, w *withdrawal, g graph.Grant) []string {
	grants, err := a.graph.TenantGrantsOfClient(ctx, a.source(live), g.ClientID)
	left := slices.DeleteFunc(slices.Clone(w.go_), func(scope string) bool { return grantWith(grants, g.ResourceID, scope) != nil })
	switch {
	case len(left) == 0:
		return []string{"A tenant-wide grant covers the same: for " + w.whom + " nothing changes until that is withdrawn too."}
	case err != nil:
		a.log.WarnContext(ctx, "tenant-wide grants cannot be read", "client", g.ClientID, "err", err)
		return []string{"Whether a tenant-wide grant covers the same cannot be read at the moment."}
	case len(left) < len(w.go_):
		return []string{"A tenant-wide grant covers a part: " + w.whom + " loses " + strings.Join(left, ", ") + " alone."}
	}
	return nil
}

// roleWithdrawal reads the app role assignment that a path names.
func (a *admin) roleWithdrawal(ctx context.Context, r *http.Request, live *session.Session) (*withdrawal, error) {
	source := a.source(live)
	resource, err := a.graph.ServicePrincipal(ctx, source, r.PathValue("resource"))
	if apperr.HasCode(err, graph.CodeNotFound) {
		return nil, errGrantGone.Because(err)
	}
	if err != nil {
		return nil, err
	}
	found, err := a.assignment(ctx, source, resource, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	role := "Default access"
	if found.AppRoleID != graph.DefaultAccess {
		role = found.AppRoleID
	}
	for _, one := range resource.AppRoles {
		if one.ID == found.AppRoleID {
			role = cmp.Or(one.Value, one.DisplayName, role)
		}
	}
	holder := cmp.Or(found.PrincipalName, found.PrincipalID)
	w := &withdrawal{kind: consent.Role, id: found.ID, seen: fingerprint([]string{found.ID}), permission: allowRoles, scope: a.graph.RoleScope(),
		go_: []string{role}, api: resource.DisplayName, apiID: resource.ID, whom: holder, whomID: found.PrincipalID, action: consent.WithdrawRole,
		heading: "Withdraw the role " + role + " from " + holder, button: "Withdraw " + role + " from " + holder,
		url: templates.WithdrawRoleURL(resource.ID, found.ID),
		change: func(ctx context.Context, source graph.TokenSource) error {
			return a.graph.DeleteAppRoleAssignment(ctx, source, resource.ID, found.ID)
		}}
	switch found.PrincipalType {
	case "ServicePrincipal":
		w.client, w.clientID = holder, found.PrincipalID
		w.hit = []string{"The application " + holder + ", wherever it runs."}
		w.consequences = []string{"Tokens that carry the role stay valid until they expire, about an hour.",
			"After that its tokens come without the role, and " + resource.DisplayName + " refuses them. Scripts and jobs of this application stop working there."}
	case "Group":
		w.hit = []string{"Every member of the group " + holder + "."}
	default:
		w.hit = []string{holder + ", and nobody else."}
	}
	if found.PrincipalType != "ServicePrincipal" {
		w.consequences = []string{"The role is gone at the next sign-in; sessions and tokens that are open keep it until they end."}
		if strings.EqualFold(found.PrincipalID, live.User.ObjectID) {
			w.consequences = append(w.consequences, "This is your own role. Somebody else must give it back to you.")
		}
	}
	return w, nil
}

// assignment finds one among those that the portal holds and those of the API.
func (a *admin) assignment(ctx context.Context, source graph.TokenSource, resource *graph.ServicePrincipal, id string) (graph.AppRoleAssignment, error) {
	list, err := a.graph.AppRoleAssignedTo(ctx, source, resource.ID)
	for _, one := range list {
		if one.ID == id {
			return one, nil
		}
	}
	if err != nil {
		return graph.AppRoleAssignment{}, err
	}
	return graph.AppRoleAssignment{}, errGrantGone
}

// askWithdraw answers GET of the pages that ask before something is withdrawn.
func (a *admin) askWithdraw(read func(context.Context, *http.Request, *session.Session) (*withdrawal, error)) personal {
	return func(w http.ResponseWriter, r *http.Request, live *session.Session) error {
		ctx, cancel := timeout(r)
		defer cancel()
		page := templates.WithdrawPage{AdminFrame: a.frameOf(w, r, live, ""), BackURL: a.backFrom(r)}
		what, err := read(ctx, r, live)
		if err != nil {
			return a.notWithdrawn(w, r, live, &page, err)
		}
		return a.answerWithdraw(ctx, w, r, live, &page, what, http.StatusOK)
	}
}

// backFrom returns the list as it was filtered when the person left it.
func (a *admin) backFrom(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	if err == nil && from.Host == r.Host && from.Path == templates.AdminURL {
		return localPath(from.RequestURI())
	}
	return templates.AdminURL
}

// answerWithdraw shows what is about to be withdrawn, with the form, or with the
// way to the permission that the change needs.
func (a *admin) answerWithdraw(ctx context.Context, w http.ResponseWriter, r *http.Request, live *session.Session, page *templates.WithdrawPage, what *withdrawal, status int) error {
	page.Heading, page.Client, page.ClientID, page.API = what.heading, what.client, what.clientApp, what.api
	page.Scope, page.Keeps = strings.Join(what.go_, " "), strings.Join(what.stay, " ")
	page.Whom, page.WhomID, page.Hit, page.Consequences = what.whom, what.whomID, what.hit, what.consequences
	page.Seen, page.Action, page.Button = what.seen, what.url, what.button
	page.Expect = what.expected()
	if _, err := a.source(live).Token(ctx, what.scope); err != nil {
		if needed(err) == nil {
			return err
		}
		page.Allow = allowAction(what.permission, what.url)
		page.AllowTitle = "One permission is missing first"
		page.AllowText = "To withdraw consent, this portal needs your permission " + entra.ScopeName(what.scope) + " at Microsoft Graph. The company sign-in asks you for it; then you come back here."
		if needed(err).SignInEnded() {
			page.AllowTitle, page.AllowText = "Sign in again first", "The company sign-in does not go on with your earlier sign-in. Sign in there again; then you come back here."
		}
	}
	page.Title = page.Heading
	return a.render(w, r, status, templates.Withdraw(*page))
}

// expected is what must be typed before something that hits many is withdrawn, ""
// for nothing. It can be typed: see [typeable].
func (w *withdrawal) expected() string {
	switch {
	case w.tenantWide:
		return cmp.Or(typeable(w.client), w.clientApp, w.clientID)
	case w.kind == consent.Role:
		return cmp.Or(typeable(w.whom), w.whomID)
	}
	return ""
}

// confirmed reports whether what was typed names what is withdrawn: the name, or
// an id of it for names that cannot be typed.
func (w *withdrawal) confirmed(typed string) bool {
	expected := w.expected()
	if typed = typeable(typed); expected == "" || typed == expected {
		return true
	}
	ids := []string{w.clientApp, w.clientID}
	if w.kind == consent.Role {
		ids = []string{w.whomID}
	}
	return slices.ContainsFunc(ids, func(id string) bool { return id != "" && strings.EqualFold(typed, id) })
}

// idKind is what the id is called that may be typed in place of a name.
func idKind(w *withdrawal) string {
	if w.kind == consent.Role {
		return "object id"
	}
	return "client id"
}

// typeable returns a name as a keyboard can write it and a page shows it: without
// what cannot be seen, with one blank between words.
func typeable(name string) string {
	name = strings.Map(func(c rune) rune {
		if unicode.Is(unicode.Cf, c) {
			return -1
		}
		return c
	}, name)
	return strings.Join(strings.Fields(name), " ")
}

// notWithdrawn answers where there is nothing to withdraw, or Graph does not say.
func (a *admin) notWithdrawn(w http.ResponseWriter, r *http.Request, live *session.Session, page *templates.WithdrawPage, err error) error {
	e := apperr.From(err)
	if e.Kind != apperr.NotFound && needed(err) == nil {
		return err
	}
	page.Heading, page.Title, page.Gone = "Nothing to withdraw", "Nothing to withdraw", true
	p := a.trouble(r, err, "It is gone already", live)
	status := http.StatusNotFound
	if needed(err) != nil {
		page.Heading, page.Title, p.Title, status = "Withdraw", "Withdraw", "The company sign-in wants to see you first", http.StatusOK
	} else {
		p.Tone, p.Primary = templates.ToneInfo, nil
		a.views.forget(live.User.ID)
	}
	page.Problem = &p
	return a.render(w, r, status, templates.Withdraw(*page))
}

// withdraw answers POST: it reads again, compares with what was shown, and changes.
func (a *admin) withdraw(read func(context.Context, *http.Request, *session.Session) (*withdrawal, error)) personal {
	return func(w http.ResponseWriter, r *http.Request, live *session.Session) error {
		if err := r.ParseForm(); err != nil {
			return formError(err)
		}
		ctx, cancel := timeout(r)
		defer cancel()
		page := templates.WithdrawPage{AdminFrame: a.frameOf(w, r, live, ""), BackURL: localPath(r.PostForm.Get("return_to"))}
		what, err := read(ctx, r, live)
		if err != nil {
			return a.notWithdrawn(w, r, live, &page, err)
		}
		if r.PostForm.Get("seen") != what.seen {
			p := a.problem(ctx, errGrantChanged, "It changed meanwhile", live)
			page.Warnings = append(page.Warnings, p)
			return a.answerWithdraw(ctx, w, r, live, &page, what, http.StatusConflict)
		}
		if !what.confirmed(r.PostForm.Get("typed")) {
			page.Typed, page.TypedError = hint(r.PostForm.Get("typed")), "This is not the name. Type it as it stands above, or the "+idKind(what)+"."
			return a.answerWithdraw(ctx, w, r, live, &page, what, http.StatusBadRequest)
		}
		// Before the intent is in the log: a visit to the tenant is not a change.
		if _, err := a.source(live).Token(ctx, what.scope); err != nil {
			if needed(err) == nil {
				return err
			}
			return a.answerWithdraw(ctx, w, r, live, &page, what, http.StatusOK)
		}
		entry := a.entry(r, live, what.action)
		entry.ClientID, entry.ClientName, entry.ResourceID, entry.ResourceName = what.clientID, what.client, what.apiID, what.api
		entry.Scope, entry.TargetID, entry.TargetName = strings.Join(what.go_, " "), what.whomID, what.whom
		recorded, err := a.service.Audited(ctx, entry, graph.MayHaveReached, func(ctx context.Context) error { return what.change(ctx, a.source(live)) })
		if apperr.HasCode(err, graph.CodeNotFound) {
			return a.notWithdrawn(w, r, live, &page, errGrantGone.Because(err))
		}
		if need := needed(err); need != nil {
			return a.visitTenant(w, r, live, what.scope, need, what.url)
		}
		if err != nil {
			a.views.forget(live.User.ID)
			return err
		}
		a.views.amend(live.User.ID, func(v *consent.View) *consent.View {
			if len(what.stay) > 0 {
				return v.WithScopes(what.id, what.stay)
			}
			return v.Without(what.kind, what.id)
		})
		done := session.Flash{Good: true, Text: "Withdrawn: " + strings.Join(what.go_, " ") + " of " + cmp.Or(what.client, what.whom) + ". It is in the audit log under " + refOf(ctx) + "."}
		if !recorded {
			done = session.Flash{Text: "Withdrawn: " + strings.Join(what.go_, " ") + " of " + cmp.Or(what.client, what.whom) +
				". But the audit log could not be written: it has what you meant to do, not that it is done. Tell whoever runs this portal, with the reference " + refOf(ctx) + "."}
		}
		a.sessions.AddFlash(w, done)
		redirect(w, page.BackURL)
		return nil
	}
}

// entry begins an audit entry of what this admin does now.
func (a *admin) entry(r *http.Request, live *session.Session, action consent.Action) consent.Entry {
	return consent.Entry{Actor: live.User.ID, ActorName: live.User.DisplayName(), Action: action, Reference: refOf(r.Context())}
}
