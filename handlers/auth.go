package handlers

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// maxCallback bounds the form that the provider's page posts to us: two
	// tokens with every optional claim are a tenth of it.
	maxCallback = 256 << 10
	maxHint     = 256 // login_hint, domain_hint

	purposeSignIn = "sign-in"
	purposeToken  = "token"
	// purposeSchedule brings a permission that outlives the session, for scans that
	// are repeated; the flow's reason names the schedule.
	purposeSchedule = "schedule"

	// mfaClaims asks for a second factor (OpenID Connect Core §5.5.1.1).
	mfaClaims = `{"id_token":{"amr":{"essential":true,"values":["mfa"]}}}`
)

// SignIn is how people sign in here.
type SignIn struct {
	ResponseType string
	// Scopes are asked for at the authorization endpoint: all that people
	// should consent to at once, or the OpenID scopes alone where the response
	// type has no code.
	Scopes []string
	// CodeScopes are what the code is redeemed for: those of one resource.
	CodeScopes []string
	// TokenScopes are the scopes of that resource alone, the name under which
	// its token is kept.
	TokenScopes []string
	RequireMFA  bool
}

// auth is the area of sign-in.
type auth struct {
	*frame
	provider *entra.Provider
	broker   *entra.Broker
	signIn   SignIn
	scans    *scan.Service // nil where AzTS is not configured
	// delegations keep the permissions for schedules; nil where scans is.
	delegations *entra.Delegations
	runs        *flowRuns // nil: no flow is run
}

// login is GET /auth/login?return_to=&prompt=&login_hint=&domain_hint=.
func (a *auth) login(w http.ResponseWriter, r *http.Request) error {
	// Pictures and frames of other pages start no sign-in: each would leave a
	// cookie, and a page full of them would fill the browser's headers.
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return errNotNavigated.Becausef("Sec-Fetch-Dest %q", dest)
	}
	q := r.URL.Query()
	return a.visit(w, r, session.Flow{
		Purpose:      purposeSignIn,
		ResponseType: a.signIn.ResponseType,
		Scopes:       a.signIn.CodeScopes,
		ReturnTo:     localPath(q.Get("return_to")),
	}, entra.Authorization{
		Scopes:     a.signIn.Scopes,
		Prompt:     q.Get("prompt"),
		LoginHint:  hint(q.Get("login_hint")),
		DomainHint: hint(q.Get("domain_hint")),
	})
}

var errNotNavigated = apperr.New(apperr.Forbidden, "not_navigated", "A sign-in is started by opening a page, not from inside another one.").
	WithNext(apperr.MenderPerson, "Open the portal itself.")

func hint(s string) string {
	if len(s) > maxHint {
		return ""
	}
	return s
}

// visit sends the browser to the authorization endpoint with a new flow.
func (a *auth) visit(w http.ResponseWriter, r *http.Request, flow session.Flow, request entra.Authorization) error {
	// Before the cookie: a provider that is down leaves nothing behind.
	if err := a.provider.Ready(r.Context()); err != nil {
		return err
	}
	live, err := a.sessions.Current(r)
	if err != nil {
		return err
	}
	if live != nil {
		flow.Session = live.ID
	}
	state, flow, err := a.sessions.StartFlow(w, r, flow)
	if err != nil {
		return err
	}
	request.State, request.Nonce, request.Verifier, request.ResponseType = state, flow.Nonce, flow.Verifier, flow.ResponseType
	location, err := a.provider.AuthorizationURL(r.Context(), request)
	if err != nil {
		return err
	}
	redirect(w, location)
	return nil
}

// callback is POST /auth/callback, the answer by form_post. The order of the
// checks is the one of doc.go in entra: the flow first, before code, id_token
// and error are believed.
func (a *auth) callback(w http.ResponseWriter, r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return errBadForm.Becausef("content type %q", r.Header.Get("Content-Type"))
	}
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	answer, err := entra.ParseAnswer(r.PostForm)
	if err != nil {
		return a.refuse(session.Flow{}, err)
	}
	flow, err := a.sessions.TakeFlow(w, r, answer.State)
	if err != nil {
		return a.refuse(session.Flow{}, err)
	}
	attempt := attemptOf(r.Context())
	attempt.flow = flow
	if flow.Purpose == purposeFlow && a.runs != nil {
		return a.refuse(flow, a.runs.answered(w, r, flow, answer.State))
	}
	ofPerson := flow.Purpose == purposeToken || flow.Purpose == purposeSchedule && a.delegations != nil
	if flow.Purpose != purposeSignIn && !ofPerson {
		return a.refuse(flow, errOtherPurpose.Becausef("a flow for %q came back to the sign-in address", flow.Purpose))
	}
	if answer.Error.OAuthError != "" {
		return a.refuse(flow, entra.ParseError(answer.Error))
	}
	identity, err := a.provider.Redeem(r.Context(), answer, entra.Pending{ResponseType: flow.ResponseType, Nonce: flow.Nonce,
		Verifier: flow.Verifier, Scopes: flow.Scopes})
	if err != nil {
		return a.refuse(flow, err)
	}
	attempt.user = identity.User
	if ofPerson {
		if err := a.samePerson(r.Context(), flow, identity); err != nil {
			return a.refuse(flow, err)
		}
	}
	if a.signIn.RequireMFA && !slices.Contains(identity.User.AMR, "mfa") {
		return a.stepUp(w, r, flow, identity)
	}
	switch flow.Purpose {
	case purposeToken:
		return a.keep(w, r, flow, identity)
	case purposeSchedule:
		return a.keepPermission(w, r, flow, identity)
	}
	return a.begin(w, r, flow, identity)
}

var errOtherPurpose = apperr.New(apperr.Invalid, "flow_purpose", "This answer belongs to a grant for everybody, not to a sign-in, and came to the wrong address. What it says counts nothing.").
	WithNext(apperr.MenderPerson, "Look whether Microsoft Graph lists the grant; begin again if not.")

var errSessionChanged = apperr.New(apperr.Expired, "session_changed", "Your session ended while you were at the company sign-in.").
	WithNext(apperr.MenderPerson, "Sign in again, then do the same once more.").WithRetry()

// samePerson refuses an authorization that somebody else completed: their token
// would end up in this person's session.
//
// The session is the one that started the flow: the post that carries the
// answer comes from another site, without the session's Lax cookie.
func (a *auth) samePerson(ctx context.Context, flow session.Flow, identity *entra.Identity) error {
	live, err := a.sessions.Find(ctx, flow.Session)
	if err != nil {
		return err
	}
	if live == nil {
		return errSessionChanged
	}
	if live.User.ID != identity.User.ID {
		return errOtherAccount
	}
	return nil
}

var errOtherAccount = apperr.New(apperr.Forbidden, "other_account", "Another account than yours was chosen at the company sign-in, so nothing of it was kept.").
	WithNext(apperr.MenderPerson, "Ask again and choose the account you are signed in with, or sign out first.")

// stepUp sends somebody without a second factor back for it, once.
func (a *auth) stepUp(w http.ResponseWriter, r *http.Request, flow session.Flow, identity *entra.Identity) error {
	if flow.SteppedUp {
		return a.refuse(flow, apperr.New(apperr.Forbidden, "mfa_missing", "This portal asks for a second factor, and the company sign-in did not ask you for one.").
			WithNext(apperr.MenderHelpDesk, "Tell the help desk: either your account has no second factor yet, or the portal's registration does not report it (optional claim amr)."))
	}
	request := entra.Authorization{Scopes: a.signIn.Scopes, Claims: mfaClaims, LoginHint: hint(identity.User.Account)}
	if flow.Purpose != purposeSignIn {
		request.Scopes = flow.Scopes
	}
	if flow.Challenge != "" {
		// What was asked for before is asked for still; a visit without it answers
		// no challenge.
		both, err := entra.MergeClaims(mfaClaims, flow.Claims)
		if err == nil {
			request.Claims = both
		} else {
			a.log.WarnContext(r.Context(), "a claims challenge is not carried on", "err", err)
			flow.Challenge = ""
		}
	}
	flow.SteppedUp = true
	a.log.InfoContext(r.Context(), "sign-in without a second factor is sent back for it", "person", identity.User.ID)
	return a.visit(w, r, flow, request)
}

// keep stores what a visit for a token brought in the session that started it,
// and sends the browser back. The session stays the one it is: its id was made at
// sign-in, no browser chose it, and the visit gives nobody rights that they did
// not have, so there is no fixation to fear. Tabs that are open stay signed in.
func (a *auth) keep(w http.ResponseWriter, r *http.Request, flow session.Flow, identity *entra.Identity) error {
	err := a.broker.KeepVisit(r.Context(), flow.Session, entra.Visit{Scopes: resourceScopes(flow.Scopes), Tokens: identity.Tokens,
		Purpose: flow.Reason, Challenge: flow.Challenge, SID: identity.SID, SessionState: identity.SessionState})
	if errors.Is(err, entra.ErrNoSession) {
		err = errSessionChanged.Because(err)
	}
	if err != nil {
		return a.refuse(flow, err)
	}
	a.log.LogAttrs(r.Context(), slog.LevelInfo, "a visit brought a token", slog.String("person", identity.User.ID.String()),
		slog.Any("scopes", resourceScopes(flow.Scopes)))
	a.wake(r.Context(), a.scans, identity.User.ID) // pages without scripts have no stream that would
	redirect(w, localPath(flow.ReturnTo))
	return nil
}

// begin stores the session with its tokens, then tells the browser.
func (a *auth) begin(w http.ResponseWriter, r *http.Request, flow session.Flow, identity *entra.Identity) error {
	identity.User = a.rules.Keep(identity.User)
	live, err := a.sessions.SignIn(w, r, session.SignIn{
		Content:      session.Content{User: identity.User, IDToken: identity.Raw, LoginHint: identity.LoginHint},
		SID:          identity.SID,
		SessionState: identity.SessionState,
		Device:       session.DeviceName(r.UserAgent()),
		Replaces:     flow.Session,
		Tokens: func(id session.ID) ([]session.SealedToken, error) {
			return a.seal(id, identity.Tokens)
		},
	})
	if err != nil {
		return err
	}
	a.log.LogAttrs(r.Context(), slog.LevelInfo, "signed in", slog.String("person", live.User.ID.String()),
		slog.String("purpose", flow.Purpose), slog.String("device", live.Device))
	a.wake(r.Context(), a.scans, live.User.ID)
	redirect(w, localPath(flow.ReturnTo))
	return nil
}

// seal seals the tokens of a sign-in for the session that begins with it.
func (a *auth) seal(id session.ID, tokens *entra.TokenSet) ([]session.SealedToken, error) {
	if len(a.signIn.TokenScopes) == 0 {
		return nil, nil
	}
	sealed, err := a.broker.Seal(id, a.signIn.TokenScopes, tokens, "", entra.FlowSignIn)
	if err != nil {
		return nil, err
	}
	out := make([]session.SealedToken, len(sealed))
	for i, token := range sealed {
		out[i] = session.SealedToken(token)
	}
	return out, nil
}

// openIDScopes are asked for at every visit: who is it, and a refresh token.
var openIDScopes = []string{"openid", "profile", "email", "offline_access"}

// resourceScopes returns the scopes without those of OpenID Connect.
func resourceScopes(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(openIDScopes, s) })
}

// tokenVisit is a visit to the provider for a token that it gives out only after
// seeing the person.
type tokenVisit struct {
	Scopes   []string // of one resource
	Claims   string   // a claims challenge to answer, or ""
	Prompt   string
	Reason   string // what the person wants the token for
	ReturnTo string // local path
}

var errChallengeRepeated = apperr.New(apperr.Forbidden, "challenge_repeated",
	"You have just given the company sign-in the proof that was asked for, and the same is asked for again.").
	WithNext(apperr.MenderHelpDesk, "Going there once more would not help. Give the help desk the reference below: a Conditional Access policy asks for something that your sign-in does not deliver.")

// visitFor sends a signed-in person to the provider for just the scopes of the
// visit (incremental consent). Afterwards the session holds their token, all its
// other tokens too, and the browser is at ReturnTo. A challenge that the session
// has answered a moment ago is not taken there again.
func (a *auth) visitFor(w http.ResponseWriter, r *http.Request, live *session.Session, v tokenVisit) error {
	challenge := entra.ChallengeID(v.Claims)
	if challenge != "" {
		again, err := a.broker.Answered(r.Context(), live.ID, v.Scopes, challenge)
		if err != nil {
			return err
		}
		if again {
			return errChallengeRepeated
		}
	}
	responseType := a.signIn.ResponseType
	if !entra.HasCode(responseType) {
		responseType = "code"
	}
	scopes := append(slices.Clone(openIDScopes), v.Scopes...)
	again := "" // only a step-up sends it once more
	if a.signIn.RequireMFA {
		again = v.Claims
	}
	return a.visit(w, r, session.Flow{Purpose: purposeToken, ResponseType: responseType, Scopes: scopes, Reason: v.Reason,
		Challenge: challenge, Claims: again, ReturnTo: v.ReturnTo},
		entra.Authorization{Scopes: scopes, Claims: v.Claims, Prompt: v.Prompt, LoginHint: hint(live.User.Account)})
}

// refuse answers a sign-in that did not succeed with a page: what happened, who
// mends it, and a button only where trying again can help. Never a session,
// never a redirect back to the provider.
func (a *auth) refuse(flow session.Flow, err error) error {
	var e *apperr.Error
	if !errors.As(err, &e) || e.Kind == apperr.Internal {
		return err
	}
	back := localPath(flow.ReturnTo)
	if path, query, _ := strings.Cut(back, "?"); path == templates.TokensURL && flow.Purpose == purposeToken {
		// The flow has what was typed; the way back had no room for it.
		q := templates.TokenQuery{Scopes: resourceScopes(flow.Scopes), Purpose: flow.Reason}
		if typed, err := url.ParseQuery(query); err == nil {
			q.Resource = typed.Get("resource")
		}
		if q.Purpose == unsaid {
			q.Purpose = ""
		}
		back = q.URL()
	}
	return &refusal{err: e, purpose: flow.Purpose, returnTo: back}
}

// refusal is an error of a sign-in, which the person may start again.
type refusal struct {
	err      *apperr.Error
	purpose  string // of the flow; "" when that is not known
	returnTo string
}

func (e *refusal) Error() string { return e.err.Error() }

func (e *refusal) Unwrap() error { return e.err }
