package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// admin is the area of those who look after consent. Each call of Graph goes with
// the token of the admin in front of the screen, never with one of the portal's.
type admin struct {
	*frame
	graph    *graph.Client
	broker   *entra.Broker
	auth     *auth
	provider *entra.Provider
	service  *consent.Service
	views    *consentViews
	reader   consent.Reader
	clientID string // of this portal
	baseURL  string
	api      string // App ID URI of AzTS; "" where there is none
	offers   []templates.Choice
	// patience is how long to wait between the reads of a grant that was just made.
	patience []patience
}

func newAdmin(f *frame, p Parts, a *auth) *admin {
	area := &admin{frame: f, graph: p.Graph, broker: p.Broker, auth: a, provider: p.Provider, service: p.Consent,
		views: &consentViews{now: p.Now, closing: p.Closing}, clientID: p.ClientID, baseURL: p.BaseURL, patience: replication}
	if len(p.SignIn.TokenScopes) > 0 {
		if api, _, ok := consent.SplitScope(p.SignIn.TokenScopes[0]); ok {
			area.api = api
		}
	}
	offered := map[string]bool{}
	offer := func(scope, of string) {
		if !offered[scope] {
			offered[scope] = true
			area.offers = append(area.offers, templates.Choice{Value: scope, Label: of})
		}
	}
	for _, resource := range p.Catalogue {
		for _, scope := range resource.Scopes {
			offer(resource.Scope(scope.Name), resource.Name)
		}
	}
	for _, scope := range []string{p.Graph.MeScope(), p.Graph.ReadScope(), p.Graph.GrantScope(), p.Graph.RoleScope()} {
		offer(scope, "Microsoft Graph")
	}
	area.reader = consent.Reader{Directory: p.Graph, ClientID: p.ClientID, API: area.api, Now: p.Now}
	return area
}

// source gives the tokens of the admin, of nobody else.
func (a *admin) source(live *session.Session) graph.TokenSource {
	return a.broker.SourceOfSession(live.ID)
}

// frameOf fills what the admin's pages share.
func (a *admin) frameOf(w http.ResponseWriter, r *http.Request, live *session.Session, title string) templates.AdminFrame {
	v := templates.AdminFrame{Page: a.page(r, title, templates.AdminURL), HasScans: a.features.AzTS}
	v.Flash = a.flash(w, r)
	waiting, err := a.service.CountPending(r.Context(), live.User.ID)
	if err != nil {
		a.log.WarnContext(r.Context(), "the waiting requests cannot be counted", "err", err)
	}
	v.Waiting = waiting
	return v
}

// needed returns what the tenant wants to see the person for, nil for nothing:
// the tenant's own words, or those of Graph that wants a token with more claims.
func needed(err error) *entra.InteractionRequired {
	var need *entra.InteractionRequired
	if errors.As(err, &need) {
		return need
	}
	var challenge *graph.ChallengeError
	if errors.As(err, &challenge) {
		return &entra.InteractionRequired{Claims: challenge.Claims, Cause: err}
	}
	return nil
}

// Permissions that the form of /admin/allow may name.
const (
	allowRead   = "read"
	allowGrants = "grants"
	allowRoles  = "roles"
)

func (a *admin) permission(name string) (scope string, ok bool) {
	switch name {
	case allowRead:
		return a.graph.ReadScope(), true
	case allowGrants:
		return a.graph.GrantScope(), true
	case allowRoles:
		return a.graph.RoleScope(), true
	}
	return "", false
}

// allowAction is the form that leads to the tenant for one permission and back.
func allowAction(permission, returnTo string) *templates.Action {
	return &templates.Action{Label: "Go to the company sign-in", URL: templates.AdminAllowURL, Post: true,
		Fields: []templates.Field{{Name: "permission", Value: permission}, {Name: "return_to", Value: returnTo}}}
}

// allow is POST /admin/allow: to the tenant for one permission of the admin's own,
// and back to the page that needs it. What the tenant demands is asked for anew,
// so that nothing of it travels through the browser.
func (a *admin) allow(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	scope, ok := a.permission(r.PostForm.Get("permission"))
	if !ok {
		return errBadForm
	}
	back := localPath(r.PostForm.Get("return_to"))
	ctx, cancel := timeout(r)
	defer cancel()
	_, err := a.source(live).Token(ctx, scope)
	if err == nil && scope == a.graph.ReadScope() {
		// The token is there; perhaps it is Graph that wants to see more proof.
		_, err = a.graph.ServicePrincipalByAppID(ctx, a.source(live), a.clientID)
	}
	if need := needed(err); need != nil {
		return a.visitTenant(w, r, live, scope, need, back)
	}
	if err != nil {
		return err
	}
	redirect(w, back)
	return nil
}

// visitTenant sends an admin to the tenant for one permission, with the claims
// that are demanded.
func (a *admin) visitTenant(w http.ResponseWriter, r *http.Request, live *session.Session, scope string, need *entra.InteractionRequired, back string) error {
	return a.auth.visitFor(w, r, live, tokenVisit{Scopes: []string{scope}, Claims: need.Claims, Reason: "Administration of consent", ReturnTo: back})
}

// trouble makes a panel of an error of Graph, with the way to the tenant where
// that helps.
func (a *admin) trouble(r *http.Request, err error, title string, live *session.Session) templates.Problem {
	p := a.problem(r.Context(), err, title, live)
	if need := needed(err); need != nil {
		p.Tone = templates.ToneInfo
		p.Next = "Go to the company sign-in and agree that this portal reads the directory in your name. You come back to this page."
		switch {
		case need.Claims != "":
			p.Next = "Go to the company sign-in and prove that it is you. You come back to this page."
		case need.SignInEnded():
			p.Next = "Go to the company sign-in and sign in again. You come back to this page."
		}
		p.Primary = allowAction(allowRead, localPath(r.URL.RequestURI()))
	} else if apperr.From(err).Retry {
		p.Primary = &templates.Action{Label: "Try again", URL: localPath(r.URL.RequestURI())}
	}
	return p
}

// warning is trouble beside content, which has an action of its own that comes first.
func (a *admin) warning(r *http.Request, err error, title string, live *session.Session) templates.Problem {
	p := a.trouble(r, err, title, live)
	p.Primary, p.Secondary = nil, p.Primary
	return p
}

// view returns the list for an admin; nil without an error while it is being read.
func (a *admin) view(ctx context.Context, live *session.Session) (*consent.View, error) {
	source, home := a.source(live), live.User.TenantID
	return a.views.of(ctx, live.User.ID, live.ID, func(ctx context.Context) (*consent.View, error) {
		view, err := a.reader.Read(ctx, source, home)
		if err == nil {
			a.settle(ctx, live, source, a.abandoned)
		}
		return view, err
	})
}

var risks = []struct {
	name, label string
	risk        consent.Risk
}{{"tenant", "Tenant-wide", consent.RiskTenant}, {"write", "Far-reaching", consent.RiskWrite}, {"unused", "Unused", consent.RiskUnused},
	{"publisher", "Unknown publisher", consent.RiskPublisher}}

// maxSearch bounds the text of a search, in bytes.
const maxSearch = 200

// consentQuery reads the filter; what is unknown is no filter.
func consentQuery(q url.Values) (templates.ConsentQuery, consent.Query) {
	shown := templates.ConsentQuery{Text: strings.TrimSpace(q.Get("q")), Desc: q.Get("order") == "desc"}
	if len(shown.Text) > maxSearch {
		shown.Text = strings.ToValidUTF8(shown.Text[:maxSearch], "")
	}
	pick := func(name string, values ...string) string {
		if v := q.Get(name); slices.Contains(values, v) {
			return v
		}
		return ""
	}
	shown.Kind = pick("kind", string(consent.Delegated), string(consent.Role))
	shown.For = pick("for", consent.ForTenant, consent.ForPerson, consent.ForApp)
	shown.Sort = pick("sort", consent.Sorts...)
	if shown.Sort == "client" {
		shown.Sort = ""
	}
	for _, id := range []struct {
		name string
		to   *string
	}{{"client", &shown.Client}, {"api", &shown.Resource}} {
		if v := strings.ToLower(q.Get(id.name)); entra.IsGUID(v) {
			*id.to = v
		}
	}
	wanted := consent.Query{Text: shown.Text, Kind: consent.Kind(shown.Kind), For: shown.For, Client: shown.Client, Resource: shown.Resource,
		Sort: shown.Sort, Desc: shown.Desc}
	for _, one := range risks {
		if one.name == q.Get("risk") {
			shown.Risk, wanted.Risk = one.name, one.risk
		}
	}
	shown.Page, _ = strconv.Atoi(q.Get("page"))
	shown.Page = max(shown.Page, 1)
	return shown, wanted
}

// list is GET /admin/consent.
func (a *admin) list(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	shown, wanted := consentQuery(r.URL.Query())
	page := templates.ConsentPage{AdminFrame: a.frameOf(w, r, live, "Consent"), Query: shown}
	view, err := a.view(ctx, live)
	switch {
	case err != nil:
		p := a.trouble(r, err, "The list cannot be read", live)
		page.Problem = &p
		return a.render(w, r, http.StatusOK, templates.Consent(page))
	case view == nil:
		page.Reading = true
		return a.render(w, r, http.StatusOK, templates.Consent(page))
	}
	a.fill(&page, view, wanted)
	page.Warnings = a.gaps(r, view, live)
	if p := credentialsWarning(view.CredentialsEnd, a.now()); p != nil {
		page.Warnings = append(page.Warnings, *p)
	}
	page.Trusted, page.TrustedNote = a.trusted(r, live, view)
	return a.render(w, r, http.StatusOK, templates.Consent(page))
}

// fill puts one page of the rows that are wanted on the page.
func (a *admin) fill(page *templates.ConsentPage, view *consent.View, wanted consent.Query) {
	rows := view.Select(wanted)
	page.AsOf, page.All, page.Partial = view.AsOf, len(view.Rows), !view.Whole()
	page.Clients = choices("Every application", view.Clients, page.Query.Client)
	page.APIs = choices("Every API", view.APIs, page.Query.Resource)
	address := func(n int) string {
		q := page.Query
		q.Page = n
		return q.URL()
	}
	noun := "rows"
	if page.Partial {
		noun = "rows that arrived"
	}
	var part []*consent.Row
	part, page.Pager = cut(rows, page.Query.Page, noun, address)
	page.Rows = make([]templates.ConsentRow, len(part))
	for i, row := range part {
		page.Rows[i] = consentRow(row)
	}
}

// maxChoices bounds the values of one filter: a menu of more is no help.
const maxChoices = 500

// choices makes the values of a filter. Where there are too many, its first says
// so, and the chosen one is among them all the same.
func choices(all string, list []consent.Choice, chosen string) []templates.Choice {
	if len(list) > maxChoices {
		all = fmt.Sprintf("%s (%d of %d here, search for the others)", all, maxChoices, len(list))
	}
	out := []templates.Choice{{Value: "", Label: all}}
	for i, c := range list {
		if i < maxChoices || c.ID == chosen {
			out = append(out, templates.Choice{Value: c.ID, Label: c.Name})
		}
	}
	return out
}

func consentRow(r *consent.Row) templates.ConsentRow {
	row := templates.ConsentRow{Role: r.Kind == consent.Role, Client: r.ClientName, ClientID: r.ClientAppID, Publisher: r.Publisher, API: r.ResourceName,
		Tenant: r.TenantWide, Unknown: r.ForUnknown, Person: r.PersonName, Account: r.PersonAccount, PersonID: r.PersonID, Since: r.Since, ID: r.ID}
	for _, one := range risks {
		if r.Risk.Has(one.risk) {
			row.Risks = append(row.Risks, templates.Risk{Label: one.label, Why: why(one.risk, r)})
		}
	}
	for _, value := range r.Scopes {
		scope := templates.ConsentScope{Value: value}
		if r.Kind == consent.Delegated {
			scope.WithdrawURL = templates.WithdrawGrantURL(r.ID, value)
		}
		row.Scopes = append(row.Scopes, scope)
	}
	row.WithdrawURL = templates.WithdrawGrantURL(r.ID, "")
	if row.Role {
		row.WithdrawURL = templates.WithdrawRoleURL(r.ResourceID, r.ID)
	}
	return row
}

// why says in a sentence why a row has a mark.
func why(risk consent.Risk, r *consent.Row) string {
	switch risk {
	case consent.RiskTenant:
		return "It holds for everybody in the organization, also for those who come later."
	case consent.RiskWrite:
		return "By its name the permission writes, or reaches everything: " + strings.Join(slices.DeleteFunc(slices.Clone(r.Scopes), func(s string) bool { return !consent.WriteLike(s) }), ", ") + "."
	case consent.RiskUnused:
		return r.Unused
	}
	if r.OwnerUnknown {
		return "Microsoft Graph does not say in which organization the application is registered, and Microsoft has verified nobody behind it."
	}
	return "The application is registered in another organization, and Microsoft has verified nobody behind it."
}

// maxGaps bounds the panels about what is missing.
const maxGaps = 3

// gaps makes panels of what a list lacks: one for each reason.
func (a *admin) gaps(r *http.Request, view *consent.View, live *session.Session) []templates.Problem {
	var out []templates.Problem
	byCode := map[string]int{}
	for _, gap := range view.Gaps {
		code := apperr.From(gap.Err).Code
		if i, known := byCode[code]; known {
			out[i].What += " · " + gap.What
			continue
		}
		if len(out) == maxGaps {
			break
		}
		p := a.warning(r, gap.Err, "The list is not whole", live)
		p.What += " Missing: " + gap.What
		byCode[code] = len(out)
		out = append(out, p)
	}
	return out
}

// trusted shows the pre-authorized clients of the AzTS API, or says why not.
func (a *admin) trusted(r *http.Request, live *session.Session, view *consent.View) ([]templates.TrustedClient, *templates.Problem) {
	switch {
	case view.API == nil:
		return nil, &templates.Problem{What: "The AzTS API could not be read."}
	case apperr.IsKind(view.NoTrusted, apperr.NotFound):
		return nil, &templates.Problem{What: "The AzTS API is registered in another organization; only there can they be seen."}
	case view.NoTrusted != nil:
		p := a.problem(r.Context(), view.NoTrusted, "Clients that need no consent", live)
		return nil, &p
	}
	var out []templates.TrustedClient
	for _, one := range view.Trusted {
		out = append(out, templates.TrustedClient{Name: one.Name, AppID: one.AppID, Scopes: one.Scopes})
	}
	return out, nil
}

// refresh is POST /admin/consent/refresh.
func (a *admin) refresh(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	a.views.forget(live.User.ID)
	redirect(w, localPath(r.PostForm.Get("return_to")))
	return nil
}

var consentHeader = []string{"Kind", "Application", "Client id", "Publisher", "For", "Account", "Object id", "API", "Scopes or role", "Risk", "Unused because", "Since", "Grant id"}

// flushRows is after how many rows of a file what is written goes to the browser.
const flushRows = 500

// export is GET /admin/consent.csv: all rows that the filter leaves, in the order
// of the page. A list that lacks something gives a file whose name says so.
func (a *admin) export(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	_, wanted := consentQuery(r.URL.Query())
	view, err := a.view(ctx, live)
	if err != nil {
		return err
	}
	if view == nil {
		return apperr.New(apperr.Unavailable, "consent_list_late", "The list is still being read from Microsoft Graph.").
			WithNext(apperr.MenderPerson, "Try again in a minute.").WithRetry()
	}
	partial := ""
	if !view.Whole() {
		partial = "-partial"
	}
	out := newCSV(w, fmt.Sprintf("consent-%s%s.csv", view.AsOf.Format("20060102-1504"), partial))
	out.row(consentHeader)
	for i, row := range view.Select(wanted) {
		out.row(consentCells(row))
		if i%flushRows == flushRows-1 {
			out.flush()
		}
		if out.err() != nil {
			return nil // the browser left
		}
	}
	out.flush()
	return nil
}

func consentCells(r *consent.Row) []string {
	kind, whom, since := "Delegated", r.PersonName, ""
	if r.Kind == consent.Role {
		kind = "App role"
	}
	switch {
	case r.TenantWide:
		whom = "Everybody"
	case r.ForUnknown:
		whom = "Not known"
	case r.PersonID == "":
		whom = "The application itself"
	}
	var marks []string
	for _, one := range risks {
		if r.Risk.Has(one.risk) {
			marks = append(marks, one.label)
		}
	}
	if !r.Since.IsZero() {
		since = r.Since.UTC().Format("2006-01-02T15:04:05Z")
	}
	return []string{kind, r.Application(), r.ClientAppID, r.Publisher, whom, r.PersonAccount, r.PersonID, r.ResourceName, strings.Join(r.Scopes, " "),
		strings.Join(marks, ", "), r.Unused, since, r.ID}
}
