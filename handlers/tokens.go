package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// maxPurpose is how many characters a person may write about a token.
	maxPurpose = 200
	// maxOther bounds what is typed as further scopes, in bytes.
	maxOther = 2000
	// unsaid stands in the history where the person asked for a token and did not
	// say what for; without anything it would count as the portal's own.
	unsaid = entra.PurposeUnsaid
)

// tokens is the area of a person's own tokens.
type tokens struct {
	*frame
	broker    *entra.Broker
	auth      *auth
	azts      *azts.Client
	mine      *subscriptions
	catalogue entra.Catalogue
	texts     *consentTexts
	scopes    []string // of AzTS
	clientID  string
	calls     *limiter // calls to the tenant
	commands  templates.Commands
}

// wish is what a person asks a token for, as typed.
type wish struct {
	resource string // App ID URI
	chosen   []string
	other    string
	purpose  string
	goOn     bool // they have read why they are sent to the provider
}

const (
	// tokenCalls is how many tokens a person may have made within tokenCallsIn: no
	// work needs more, and the tenant counts them as the portal's.
	tokenCalls   = 30
	tokenCallsIn = 10 * time.Minute
)

var errTokenCalls = apperr.New(apperr.TooMany, "token_calls", "You have asked for very many tokens in a few minutes, so it rests for a while.").
	WithNext(apperr.MenderPerson, "Use the ones you have; each is good for about an hour. In ten minutes you can ask again.")

var errPurposeLong = apperr.New(apperr.Invalid, "purpose_long", "What the token is for is longer than 200 characters.").
	WithNext(apperr.MenderPerson, "Make it shorter.")

// readWish reads the form. Without a resource it asks for AzTS's own scope.
func (t *tokens) readWish(r *http.Request) (wish, error) {
	if err := r.ParseForm(); err != nil {
		return wish{}, formError(err)
	}
	f := r.PostForm
	w := wish{resource: f.Get("resource"), chosen: f["scope"], other: f.Get("other"), purpose: plainText(f.Get("purpose")), goOn: f.Get("go") != ""}
	if len(w.other) > maxOther || len(w.chosen) > 100 {
		return wish{}, errTooLarge
	}
	if w.resource == "" && len(w.chosen) == 0 && w.other == "" {
		w.resource, w.chosen = t.catalogue[0].AppIDURI, t.scopes
	}
	if utf8.RuneCountInString(w.purpose) > maxPurpose {
		return w, errPurposeLong
	}
	return w, nil
}

// plainText makes one line without control characters of what was typed.
func plainText(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(c rune) bool { return unicode.IsControl(c) || unicode.IsSpace(c) }), " ")
}

// noted is the purpose as the history keeps it.
func (w *wish) noted() string {
	if w.purpose == "" {
		return unsaid
	}
	return w.purpose
}

// aztsCard is the id of the card that holds AzTS's own token.
const aztsCard = "azts"

// cardID names the card of a token: a readable one for AzTS.
func (t *tokens) cardID(key string) string {
	if key == entra.TokenKey(t.scopes) {
		return aztsCard
	}
	return entra.TokenID(key)
}

// cardURL returns where a card stands.
func (t *tokens) cardURL(id string) string {
	if id == aztsCard {
		return templates.TokensURL // it is the first
	}
	return templates.TokenURL(id)
}

// show is GET /tokens?resource=&scope=&purpose=&got=: what there is. It asks
// nobody. got is the card that a visit to the provider was for.
func (t *tokens) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	q := r.URL.Query()
	v := view{wish: wish{resource: q.Get("resource"), chosen: q["scope"], purpose: plainText(q.Get("purpose"))}}
	if v.wish.resource == "" {
		v.wish = wish{resource: t.catalogue[0].AppIDURI}
	} else if _, ok := t.catalogue.Find(v.wish.resource); !ok {
		_, _, v.formError = t.catalogue.Ask(v.wish.resource, nil, "")
	}
	if got := q.Get("got"); got != "" {
		held, err := t.held(r.Context(), live)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(held, func(h entra.HeldToken) bool { return t.cardID(h.Key) == got }) {
			redirect(w, t.cardURL(got))
			return nil
		}
	}
	return t.answer(w, r, live, v)
}

// request is POST /tokens: silently if that is possible, else by way of the
// provider and back.
func (t *tokens) request(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ask, err := t.readWish(r)
	var scopes []string
	if err == nil {
		_, scopes, err = t.catalogue.Ask(ask.resource, ask.chosen, ask.other)
	}
	if err != nil {
		if !apperr.IsKind(err, apperr.Invalid) {
			return err
		}
		return t.answer(w, r, live, view{wish: ask, formError: err})
	}
	if scopes, err = t.broker.Spelled(r.Context(), live.ID, scopes); err != nil {
		return err
	}
	return t.get(w, r, live, errand{wish: ask, scopes: scopes, again: templates.Action{URL: templates.TokensURL, Fields: ask.fields(scopes)}})
}

// fields are what sends the wish once more.
func (w *wish) fields(scopes []string) []templates.Field {
	fields := []templates.Field{{Name: "resource", Value: w.resource}, {Name: "purpose", Value: w.purpose}}
	for _, scope := range scopes {
		fields = append(fields, templates.Field{Name: "scope", Value: scope})
	}
	return fields
}

// errand is one token to be got.
type errand struct {
	wish   wish
	scopes []string
	fresh  bool             // however good the one is that is held
	again  templates.Action // sends the same once more
}

// get gets a token and leads to its card.
func (t *tokens) get(w http.ResponseWriter, r *http.Request, live *session.Session, e errand) error {
	ctx, cancel := timeout(r)
	defer cancel()
	began := t.now()
	want := entra.Request{Scopes: e.scopes, Purpose: e.wish.noted()}
	want.Permit = func() error {
		if !t.calls.allowPerson(live.User.ID) {
			return errTokenCalls
		}
		return nil
	}
	if e.fresh {
		want.NewerThan = began
	}
	token, err := t.broker.Token(ctx, live.ID, want)
	if err != nil {
		return t.notGiven(w, r, live, e, err)
	}
	if token.IssuedAt.Before(began) {
		if err := t.broker.AskedFor(ctx, live.ID, e.scopes, e.wish.noted()); err != nil {
			return err
		}
	}
	t.log.LogAttrs(ctx, slog.LevelInfo, "token issued", slog.String("person", live.User.ID.String()), slog.Any("scopes", e.scopes),
		slog.Bool("from_session", token.IssuedAt.Before(began)))
	redirect(w, t.cardURL(t.cardID(entra.TokenKey(e.scopes))))
	return nil
}

// notGiven answers an errand that the provider refused. Where only consent is
// missing, or there is no refresh token to ask with, the person goes there at
// once; where the provider wants more of them, they first read why.
func (t *tokens) notGiven(w http.ResponseWriter, r *http.Request, live *session.Session, e errand, err error) error {
	var need *entra.InteractionRequired
	if !errors.As(err, &need) {
		return t.answer(w, r, live, view{wish: e.wish, err: err, title: "You got no token"})
	}
	if need.Silent() || e.wish.goOn {
		t.log.InfoContext(r.Context(), "a token needs the person", "err", err)
		return t.visit(w, r, live, e, need.Claims)
	}
	v := view{wish: e.wish, err: err, title: "The company sign-in asks for more proof", again: &e.again,
		next: "Go on to the company sign-in and give the proof that it asks for. You come back to this page, and what you typed is kept."}
	if need.SignInEnded() {
		v.title = "Your sign-in has run out"
		v.next = "Sign in again. You come back to this page, and what you typed is kept."
	}
	return t.answer(w, r, live, v)
}

// visit sends the person to the provider for the errand's token. A challenge
// that they have just answered is explained instead.
func (t *tokens) visit(w http.ResponseWriter, r *http.Request, live *session.Session, e errand, claims string) error {
	// What was typed travels with the flow.
	back := templates.TokenQuery{Got: t.cardID(entra.TokenKey(e.scopes)), Resource: e.wish.resource}.URL()
	err := t.auth.visitFor(w, r, live, tokenVisit{Scopes: e.scopes, Claims: claims, Reason: e.wish.noted(), ReturnTo: back})
	if err != nil {
		return t.answer(w, r, live, view{wish: e.wish, err: err, title: "You got no token"})
	}
	return nil
}

// view is a tokens page in the making, besides what the session holds.
type view struct {
	wish      wish
	formError error // of what was typed
	err       error // of what was asked for
	title     string
	next      string
	again     *templates.Action // the way on, by the provider
	reveal    string            // card that shows its token
	answerOn  string            // card that AzTS answered about
	answer    *templates.AzTSAnswer
}

// status is the answer's: an error's own, but a page that leads on is none.
func (v *view) status() int {
	for _, err := range []error{v.formError, v.err} {
		if err != nil && v.again == nil {
			if status, ok := statuses[apperr.From(err).Kind]; ok && apperr.From(err).Kind != apperr.Unauthenticated {
				return status
			}
		}
	}
	return http.StatusOK
}

// answer renders the tokens page.
func (t *tokens) answer(w http.ResponseWriter, r *http.Request, live *session.Session, v view) error {
	ctx := r.Context()
	held, err := t.held(ctx, live)
	if err != nil {
		return err
	}
	page := templates.TokensPage{Page: t.page(r, "Tokens", templates.TokensURL), Tabs: templates.TokenTabs(templates.TokensURL),
		Form: t.form(ctx, live, &v), Commands: t.commands}
	page.Commands.TenantID = live.User.TenantID
	if r.Method == http.MethodPost {
		page.Path = templates.TokensURL // a form cannot be come back to
	} else {
		page.Flash = t.flash(w, r)
	}
	for i := range held {
		page.Cards = append(page.Cards, t.card(&held[i], live, &v))
	}
	rows, total, err := t.broker.History(ctx, live.User.ID, recentIssues, 0)
	if err != nil {
		return err
	}
	page.Recent, page.MoreLink = t.issueRows(rows, live), total > len(rows)
	if v.err != nil {
		p := t.problem(ctx, v.err, v.title, live)
		p.Primary = nil
		if v.next != "" {
			p.Next = v.next
		}
		if v.again != nil {
			p.Primary = goOn(v.again)
		}
		page.Problem = &p
	}
	if v.reveal != "" {
		// Without a script the page itself has to go.
		w.Header().Set("Refresh", "60; url="+templates.TokensURL)
	}
	return t.render(w, r, v.status(), templates.Tokens(page))
}

// goOn is the button that leads to the provider.
func goOn(again *templates.Action) *templates.Action {
	return &templates.Action{Label: "Go on to the company sign-in", URL: again.URL, Post: true,
		Fields: append(slices.Clone(again.Fields), templates.Field{Name: "go", Value: "1"})}
}

// held lists the session's tokens, AzTS's first.
func (t *tokens) held(ctx context.Context, live *session.Session) ([]entra.HeldToken, error) {
	held, err := t.broker.Held(ctx, live.ID)
	slices.SortStableFunc(held, func(a, b entra.HeldToken) int { return t.rank(a.Key) - t.rank(b.Key) })
	return held, err
}

// rank is a token's place: its resource's in the catalogue, others at the end.
func (t *tokens) rank(key string) int {
	of := resourceOfKey(key)
	i := slices.IndexFunc(t.catalogue, func(r entra.Resource) bool { return strings.EqualFold(r.AppIDURI, of) })
	switch {
	case key == entra.TokenKey(t.scopes):
		return -1
	case i < 0:
		return len(t.catalogue)
	}
	return i
}

// resourceOfKey returns the App ID URI of the token that is kept under a key.
func resourceOfKey(key string) string {
	first, _, _ := strings.Cut(key, " ")
	return entra.ResourceOf(first)
}

// resourceName returns what people call a resource.
func (t *tokens) resourceName(appIDURI string) string {
	if r, ok := t.catalogue.Find(appIDURI); ok {
		return r.Name
	}
	if appIDURI == "" {
		return "Another API"
	}
	return appIDURI
}

// form fills the form in for the resource of the wish.
func (t *tokens) form(ctx context.Context, live *session.Session, v *view) templates.TokenForm {
	resource, ok := t.catalogue.Find(v.wish.resource)
	if !ok {
		resource = &t.catalogue[0]
	}
	described := t.texts.of(ctx, live, *resource)
	known := described.Scopes
	f := templates.TokenForm{Resource: resource.AppIDURI, Name: described.Name, What: resource.What, Other: v.wish.other, Purpose: v.wish.purpose}
	for i := range t.catalogue {
		one := &t.catalogue[i]
		label := one.Name
		if one == resource {
			label = described.Name
		}
		f.Resources = append(f.Resources, templates.NavItem{Label: label, URL: templates.TokenQuery{Resource: one.AppIDURI}.URL() + "#request",
			Current: one == resource})
	}
	chosen := map[string]bool{}
	for _, name := range v.wish.chosen {
		chosen[strings.ToLower(entra.ScopeName(name))] = true
	}
	if len(chosen) == 0 && v.wish.other == "" && v.formError == nil && len(known) > 0 {
		chosen[strings.ToLower(known[0].Name)] = true // the usual one
	}
	every, _ := t.catalogue.Describe(resource.Scope(entra.DefaultScope))
	for _, s := range append(slices.Clone(known), every) {
		f.Scopes = append(f.Scopes, templates.ScopeChoice{Value: resource.Scope(s.Name), Name: s.Name, Title: s.Title, Text: s.Text,
			AdminOnly: s.AdminOnly, Chosen: chosen[strings.ToLower(s.Name)]})
		delete(chosen, strings.ToLower(s.Name))
	}
	if v.formError == nil || ok {
		for _, name := range v.wish.chosen {
			if chosen[strings.ToLower(entra.ScopeName(name))] {
				f.Other = strings.TrimSpace(f.Other + " " + name)
			}
		}
	}
	f.OtherOpen = f.Other != "" || len(known) == 0
	if v.formError != nil {
		e := apperr.From(v.formError)
		f.Error, f.ErrorNext = e.Message, e.Next
	}
	return f
}

// personMark is the person of a log line.
func personMark(id access.PersonID) slog.Attr { return slog.String("person", id.String()) }
