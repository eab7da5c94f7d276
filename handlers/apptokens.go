package handlers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/internal/trace"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// maxAppForm bounds the form with an application's credential, in bytes: a
	// certificate with key is a tenth of it.
	maxAppForm    = 256 << 10
	maxAppText    = 4 << 10 // of a field that is no file
	maxAppPart    = 20      // fields of the form
	maxAppPurpose = 200     // characters

	// appTries is how often a person may try a credential within appTriesIn:
	// enough for mistakes, too few for guessing secrets.
	appTries   = 20
	appTriesIn = 10 * time.Minute

	// identityAnswer is how long the page may take to be sent, once the machine's
	// identity has answered.
	identityAnswer = 30 * time.Second
)

// appTokens is the area of tokens for applications: a person brings the
// credential of one, for the one request.
type appTokens struct {
	*frame
	provider  *entra.Provider
	broker    *entra.Broker
	catalogue entra.Catalogue
	azts      string                 // delegated scope of AzTS by its full name
	identity  *entra.ManagedIdentity // nil: none
	closing   <-chan struct{}        // closed when the process wants to end
	open      entra.Opener
	tries     *limiter
	runs      *flowRuns
}

var (
	errAppTries = apperr.New(apperr.TooMany, "app_token_tries", "You have tried this very often, so it rests for a while.").
			WithNext(apperr.MenderPerson, "Wait ten minutes. Check the client id and the secret meanwhile.").WithRetry()
	errAppKind = apperr.New(apperr.Invalid, "credential_kind", "It is not said how the application proves itself.").
			WithNext(apperr.MenderPerson, "Choose secret, certificate or assertion.")
	errAppsElsewhere = apperr.New(apperr.NotFound, "no_tenant", "The company sign-in of this portal has no tenants, so there are no tokens for applications here.").
				WithNext(apperr.MenderDeveloper, "Ask whoever runs this portal how scripts get tokens at your company.")
)

// appForm is what was sent. What proves the application is cleared after use; Go
// keeps copies of which nobody knows, but none that outlives the request by name.
type appForm struct {
	templates.AppForm
	secret, pem, file, password, assertion []byte

	do string // [templates.AppRun] for a run that only shows how it goes
}

func (f *appForm) clear() {
	for _, b := range [][]byte{f.secret, f.pem, f.file, f.password, f.assertion} {
		clear(b)
	}
}

// credential makes the credential of the kind that was chosen.
func (f *appForm) credential(ctx context.Context, open entra.Opener, now func() time.Time) (entra.Credential, error) {
	switch f.Kind {
	case templates.AppSecret:
		return entra.AppSecretCredential(f.secret)
	case templates.AppCertificate:
		text := f.file
		if len(text) == 0 {
			text = f.pem
		}
		return entra.AppCertificateCredential(ctx, open, text, f.password, now)
	case templates.AppAssertion:
		return entra.AppAssertionCredential(f.assertion, now)
	}
	return nil, errAppKind
}

// minSecret is how long a text has to be to be taken for a secret, in bytes.
const minSecret = 16

// shown is the form as it goes back to whoever sent it. A secret in the wrong
// field is not in it: what could be one is left out.
func (f *appForm) shown() templates.AppForm {
	out := f.AppForm
	out.Purpose = plainText(out.Purpose)
	keep := func(value *string, leftOut *bool, harmless bool) {
		if *value != "" && (!harmless || f.proves(*value)) {
			*value, *leftOut = "", true
		}
	}
	keep(&out.ClientID, &out.LeftOut.ClientID, entra.IsGUID(out.ClientID))
	keep(&out.Scope, &out.LeftOut.Scope, strings.Contains(out.Scope, "://"))
	keep(&out.Purpose, &out.LeftOut.Purpose, len(out.Purpose) < minSecret || strings.Contains(out.Purpose, " "))
	return out
}

// proves reports whether a text holds the secret or the password of the form.
func (f *appForm) proves(text string) bool {
	for _, secret := range [][]byte{f.secret, f.password} {
		if secret = bytes.TrimSpace(secret); len(secret) >= minSecret/2 && strings.Contains(text, string(secret)) {
			return true
		}
	}
	return false
}

// readAppForm reads the form part by part: parsed by the library, a secret would
// end up in the request, which errors and logs have at hand.
func readAppForm(r *http.Request) (*appForm, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, formError(err)
	}
	f := &appForm{}
	for range maxAppPart {
		part, err := parts.NextPart()
		if err == io.EOF {
			return f, nil
		}
		if err != nil {
			return nil, formError(err)
		}
		if err := f.take(part); err != nil {
			return nil, err
		}
	}
	return nil, errBadForm.Becausef("more than %d fields", maxAppPart)
}

func (f *appForm) take(part *multipart.Part) error {
	secrets := map[string]*[]byte{"secret": &f.secret, "pem": &f.pem, "file": &f.file, "password": &f.password, "assertion": &f.assertion}
	texts := map[string]*string{"tenant": &f.Tenant, "client_id": &f.ClientID, "kind": &f.Kind, "resource": &f.Resource, "scope": &f.Scope, "purpose": &f.Purpose, "do": &f.do}
	value, err := io.ReadAll(part) // maxAppForm bounds it
	if err != nil {
		return formError(err)
	}
	if to := secrets[part.FormName()]; to != nil {
		*to = value
		return nil
	}
	if to := texts[part.FormName()]; to != nil {
		if len(value) > maxAppText {
			return errTooLarge.Becausef("field %s of %d bytes", part.FormName(), len(value))
		}
		*to = strings.TrimSpace(strings.ToValidUTF8(string(value), ""))
	}
	return nil
}

// show is GET /tokens/app?kind=&do=. It asks nobody.
func (t *appTokens) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if len(t.provider.Tenants()) == 0 {
		return errAppsElsewhere
	}
	view := appView{}
	q := r.URL.Query()
	if kind := q.Get("kind"); appFlows[kind] != "" {
		view.form.Kind = kind
	}
	view.run = q.Get("do") == templates.AppRun
	return t.answer(w, r, live, http.StatusOK, view)
}

// appView is what one answer shows beside the tokens.
type appView struct {
	form    templates.AppForm
	problem error
	reveal  string // id of the token to show
	run     bool   // the form is for a run
}

func (t *appTokens) answer(w http.ResponseWriter, r *http.Request, live *session.Session, status int, v appView) error {
	kept, err := t.broker.AppTokens(r.Context(), live.ID)
	if err != nil {
		return err
	}
	page := templates.AppTokensPage{Page: t.page(r, "App tokens", templates.TokensURL), Tabs: templates.TokenTabs(templates.AppTokensURL),
		Tenants: t.provider.Tenants(), Form: v.form, Run: v.run}
	page.Path = templates.AppTokensURL
	page.Flash = t.flash(w, r)
	for _, resource := range t.catalogue {
		page.Resources = append(page.Resources, templates.AppResource{Name: resource.Name, Scope: resource.Scope(entra.DefaultScope)})
	}
	if t.identity != nil {
		if page.Identity, err = t.isAdmin(r.Context(), live); err != nil {
			return err
		}
		page.IdentityID = t.identity.ClientID()
	}
	if v.problem != nil {
		page.Problem = t.problem(r, v.problem)
	}
	for i := range kept {
		page.Cards = append(page.Cards, t.card(&kept[i], v.reveal))
	}
	return t.render(w, r, status, templates.AppTokens(page))
}

func (t *appTokens) problem(r *http.Request, err error) *templates.Problem {
	e := apperr.From(err)
	tone := templates.ToneError
	if e.Kind == apperr.Invalid || e.Kind == apperr.Expired {
		tone = templates.ToneWarning
	}
	return &templates.Problem{Tone: tone, Title: "You got no token", What: e.Message, Next: e.Next, Mender: menders[e.Mender], Code: e.Code,
		Reference: reqlog.ID(r.Context()), At: t.now()}
}

func (t *appTokens) card(token *entra.AppToken, reveal string) templates.AppTokenCard {
	c := templates.AppTokenCard{ID: token.ID, ClientID: token.ClientID, TenantID: token.TenantID, Scope: strings.Join(token.Scopes, " "),
		Purpose: said(token.Purpose), Issued: token.IssuedAt, Expires: token.ExpiresAt, Machine: token.Flow == entra.FlowManagedIdentity}
	c.Resource = entra.ResourceOf(c.Scope)
	if resource, ok := t.catalogue.Find(c.Resource); ok {
		c.Resource = resource.Name
	}
	if d, err := entra.Decode(token.Value); err == nil {
		c.Claims, c.Header, c.Payload = claimRows(d.Claims), d.Header, d.Payload
	}
	if claims, err := entra.ReadClaims(token.Value); err == nil {
		c.NoRoles = len(claims.Roles) == 0
		if c.ClientID == "" {
			c.ClientID = claims.App
		}
	}
	if strings.EqualFold(entra.ResourceOf(c.Scope), entra.ResourceOf(t.azts)) {
		verdict := aztsVerdict(token.Value, entra.Expectation{Scope: t.azts, TenantID: t.provider.TenantID(), Resources: t.catalogue, Now: t.now()})
		c.Verdict = &verdict
		c.API = entra.ResourceOf(t.azts)
	}
	if reveal == token.ID {
		c.Revealed = token.Value
	}
	return c
}

// request is POST /tokens/app. What proves the application lives for this one
// request: it is in no answer, no log and no error.
func (t *appTokens) request(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	form, err := readAppForm(r)
	if err != nil {
		return err
	}
	defer form.clear()
	ctx, cancel := timeout(r)
	defer cancel()
	ask, mended, err := t.ask(ctx, live, form)
	if err != nil {
		return t.refuse(w, r, live, form, err)
	}
	if form.do == templates.AppRun {
		run, err := t.runs.ofApp(ctx, live, flows.App{Flow: appFlows[form.Kind], Request: ask, Secrets: form.traced()})
		if err != nil {
			return t.refuse(w, r, live, form, err)
		}
		return t.runs.keep(w, r, live, run, wholeRun)
	}
	set, err := t.provider.AppToken(ctx, ask)
	if err != nil {
		return t.refuse(w, r, live, form, err)
	}
	if mended {
		t.sessions.AddFlash(w, session.Flash{Good: true, Text: "You have your token. Applications ask for all they may do at an API at once, so the scope was mended: it ends in /.default, right behind the API's address."})
	}
	return t.keep(w, r, live, entra.AppToken{ClientID: strings.ToLower(form.ClientID), TenantID: strings.ToLower(form.Tenant), Flow: entra.FlowClientCredentials,
		AccessToken: entra.AccessToken{Value: set.AccessToken, Scopes: set.Scopes, IssuedAt: set.ReceivedAt, ExpiresAt: set.ExpiresAt, Purpose: form.noted()}})
}

// ask is what a form asks for. mended says that its scope was another.
func (t *appTokens) ask(ctx context.Context, live *session.Session, form *appForm) (ask entra.AppTokenRequest, mended bool, err error) {
	if tenants := t.provider.Tenants(); form.Tenant == "" && len(tenants) == 1 {
		form.Tenant = tenants[0]
	}
	typed := form.Scope
	if typed == "" {
		typed = form.Resource
	}
	_, scope, mended, err := t.catalogue.AppScope(typed)
	if err != nil {
		return ask, false, err
	}
	// Counted first: opening a certificate is work already.
	if !t.tries.allowPerson(live.User.ID) {
		return ask, false, errAppTries
	}
	credential, err := form.credential(ctx, t.open, t.now)
	if err != nil {
		return ask, false, err
	}
	return entra.AppTokenRequest{TenantID: form.Tenant, ClientID: form.ClientID, Credential: credential, Scope: scope}, mended, nil
}

// noted is the purpose as the history keeps it.
func (f *appForm) noted() string {
	purpose := plainText(f.Purpose)
	if f.proves(purpose) {
		purpose = ""
	}
	if runes := []rune(purpose); len(runes) > maxAppPurpose {
		purpose = string(runes[:maxAppPurpose])
	}
	if purpose == "" {
		return unsaid
	}
	return purpose
}

// traced are the secrets that a run has to keep out of what it shows, as they are
// sent.
func (f *appForm) traced() map[trace.Kind]string {
	return map[trace.Kind]string{trace.ClientSecret: string(bytes.TrimSpace(f.secret)), trace.Assertion: string(bytes.Join(bytes.Fields(f.assertion), nil))}
}

// appFlows are the flows by which applications prove themselves, by the kind of
// proof in the form.
var appFlows = map[string]string{templates.AppSecret: "client-credentials-secret", templates.AppCertificate: "client-credentials-certificate",
	templates.AppAssertion: "client-credentials-federated"}

// refuse answers with the form as it was sent, but for what proves the
// application or could.
func (t *appTokens) refuse(w http.ResponseWriter, r *http.Request, live *session.Session, form *appForm, err error) error {
	e := apperr.From(err)
	if e.Kind == apperr.Internal {
		return err
	}
	attrs := []slog.Attr{slog.String("code", e.Code), slog.String("kind", e.Kind.String()), personMark(live.User.ID)}
	var refusal *entra.ProviderError
	if errors.As(err, &refusal) {
		attrs = append(attrs, slog.String("correlation_id", refusal.CorrelationID), slog.String("trace_id", refusal.TraceID))
	}
	if entra.IsGUID(form.ClientID) { // only what cannot be a secret in the wrong field
		attrs = append(attrs, slog.String("client_id", form.ClientID))
	}
	t.log.LogAttrs(r.Context(), slog.LevelInfo, "no token for an application", attrs...)
	return t.answer(w, r, live, statuses[e.Kind], appView{form: form.shown(), problem: err, run: form.do == templates.AppRun})
}

// keep stores a token and leads to the page that shows it.
func (t *appTokens) keep(w http.ResponseWriter, r *http.Request, live *session.Session, token entra.AppToken) error {
	kept, err := t.broker.SaveApp(r.Context(), live.ID, token)
	if err != nil {
		return err
	}
	t.log.LogAttrs(r.Context(), slog.LevelInfo, "token issued to an application", personMark(live.User.ID), slog.String("client_id", kept.ClientID),
		slog.String("flow", kept.Flow), slog.Any("scopes", kept.Scopes))
	redirect(w, templates.AppTokensURL+"#"+kept.ID)
	return nil
}

// ownIdentity is POST /tokens/app/identity: a token of the machine that the
// portal runs on. It is the portal's power, so only admins may ask for it.
func (t *appTokens) ownIdentity(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	form := &appForm{AppForm: templates.AppForm{Resource: r.PostForm.Get("resource"), Kind: templates.AppIdentity}}
	_, scope, _, err := t.catalogue.AppScope(form.Resource)
	if err != nil {
		return t.refuse(w, r, live, form, err)
	}
	ctx, cancel, err := identityTime(w, r, t.closing)
	if err != nil {
		return err
	}
	defer cancel()
	set, err := t.identity.Token(ctx, scope)
	if err != nil {
		return t.refuse(w, r, live, form, err)
	}
	token := entra.AppToken{ClientID: t.identity.ClientID(), Flow: entra.FlowManagedIdentity,
		AccessToken: entra.AccessToken{Value: set.AccessToken, Scopes: set.Scopes, IssuedAt: set.ReceivedAt, ExpiresAt: set.ExpiresAt, Purpose: unsaid}}
	if claims, err := entra.ReadClaims(set.AccessToken); err == nil {
		token.TenantID = claims.TenantID
	}
	return t.keep(w, r, live, token)
}

// identityTime gives this one request the minutes that the machine's identity may
// need while its endpoint is updated. Nobody waits for it when the process ends.
func identityTime(w http.ResponseWriter, r *http.Request, closing <-chan struct{}) (context.Context, context.CancelFunc, error) {
	limit := entra.IdentityLimit + identityAnswer
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), entra.IdentityLimit)
	go func() {
		select {
		case <-closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel, nil
}

// named returns the token that a form is about.
func (t *appTokens) named(r *http.Request, live *session.Session) (entra.AppToken, error) {
	if err := r.ParseForm(); err != nil {
		return entra.AppToken{}, formError(err)
	}
	token, err := t.broker.AppTokenByID(r.Context(), live.ID, r.PostForm.Get("id"))
	if errors.Is(err, entra.ErrNoToken) {
		return token, errTokenGone
	}
	return token, err
}

// reveal is POST /tokens/app/reveal (id, use), as it is for a person's own tokens.
func (t *appTokens) reveal(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	token, err := t.named(r, live)
	if err != nil {
		return err
	}
	use := entra.Revealed
	if wantsJSON(r) && r.PostForm.Get("use") != "reveal" {
		use = entra.Copied
	}
	// First noted, then sent.
	if err := t.broker.Mark(r.Context(), live.User.ID, token.AccessToken, use); err != nil {
		return err
	}
	t.log.LogAttrs(r.Context(), slog.LevelInfo, "token revealed", personMark(live.User.ID), slog.String("client_id", token.ClientID),
		slog.Any("scopes", token.Scopes), slog.Bool("copied", use == entra.Copied))
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, struct {
			AccessToken string    `json:"access_token"`
			ExpiresAt   time.Time `json:"expires_at"`
		}{token.Value, token.ExpiresAt})
		return nil
	}
	return t.answer(w, r, live, http.StatusOK, appView{reveal: token.ID})
}

// forget is POST /tokens/app/forget (id). One that is gone already is forgotten.
func (t *appTokens) forget(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	token, err := t.named(r, live)
	if err != nil && !errors.Is(err, errTokenGone) {
		return err
	}
	if err == nil {
		if err := t.broker.ForgetApp(r.Context(), live.ID, token); err != nil {
			return err
		}
	}
	t.sessions.AddFlash(w, session.Flash{Good: true, Text: "The token is forgotten here. A copy that you made is good until it expires."})
	redirect(w, templates.AppTokensURL)
	return nil
}
