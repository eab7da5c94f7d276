package handlers

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	maxLogoutForm = 128 << 10 // bytes of a back-channel form: one token
	maxSID        = 256       // bytes

	logoutTokenKind = "logout-token"
)

// signOut is the area of sign-out, ours and the provider's.
type signOut struct {
	*frame
	provider *entra.Provider
	baseURL  string
	scans    *scan.Service // nil where AzTS is not configured
	broker   *entra.Broker
	// misses counts the unknown sids of a network, and warnings bounds what is
	// said of them. None is refused: whoever could use up a limit could stop the
	// sign-outs of everyone behind the same address.
	misses, warnings *limiter
	// forget drops what is remembered for a person beside their sessions; nil for
	// nothing. Where only the sid of a session is known, age does it.
	forget func(access.PersonID)
}

// left forgets what was remembered for whoever signed out.
func (s *signOut) left(person access.PersonID) {
	if s.forget != nil {
		s.forget(person)
	}
}

// logout is POST /auth/logout: the local session and its tokens go first,
// whatever becomes of the provider's (entra.md §5.1). Where scans would have to
// wait, the person hears of it before; with anyway they have.
func (s *signOut) logout(w http.ResponseWriter, r *http.Request) error {
	if r.PostFormValue("anyway") == "" { // what cannot be read says nothing either
		if live, err := s.sessions.Peek(r); err == nil && live != nil {
			if n := s.waiting(r.Context(), s.scans, s.broker, live); n > 0 {
				return s.warn(w, r, n)
			}
		}
	}
	live, err := s.sessions.SignOut(w, r)
	if err != nil {
		return err
	}
	request := entra.SignOut{PostLogoutRedirectURL: s.baseURL + templates.SignedOutURL, State: cameBack}
	if live != nil {
		request.LogoutHint, request.IDTokenHint = live.LoginHint, live.IDToken
		s.left(live.User.ID)
		s.log.LogAttrs(r.Context(), slog.LevelInfo, "signed out", slog.String("person", live.User.ID.String()))
	}
	// Also where the session here had ended by itself: the provider's may live,
	// and the next to use this browser would be signed in by it.
	// The person waits: a provider that is down must not hold them for long.
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	location, err := s.provider.EndSessionURL(ctx, request)
	switch {
	case err != nil:
		s.log.WarnContext(ctx, "the provider's session cannot be ended", "err", err)
		location = templates.SignedOutURL + "?provider=" + providerUnreached
	case location == "":
		location = templates.SignedOutURL + "?provider=" + providerHasNone
	}
	redirect(w, location)
	return nil
}

// warn asks whether to sign out although scans will wait.
func (s *signOut) warn(w http.ResponseWriter, r *http.Request, scans int) error {
	page := templates.LeavePage{Page: s.page(r, "Sign out?", ""), Scans: scans, StayURL: s.pageOfForm(r)}
	if live, err := s.sessions.Peek(r); err == nil && live != nil {
		page.Repeats = s.repeats(r.Context(), s.scans, live)
	}
	page.Path = page.StayURL // a form cannot be come back to
	return s.render(w, r, http.StatusOK, templates.Leave(page))
}

// waiting counts the scans that will wait for a person when this session ends: none
// while they have another one that brings tokens for as long as a scan may take. It
// asks the database several times, so it is called when somebody is about to leave,
// and not for each page.
func (f *frame) waiting(ctx context.Context, scans *scan.Service, broker *entra.Broker, live *session.Session) int {
	if scans == nil {
		return 0
	}
	n := scans.NeedsToken(ctx, live.User.ID)
	if n == 0 {
		return 0
	}
	list, _, err := f.sessions.SessionsOf(ctx, live.User.ID)
	until := f.now().Add(scan.TimeLimit)
	for i := range list {
		if list[i].ID == live.ID || list[i].EndsAt.Before(until) {
			continue
		}
		var serves bool
		if serves, err = broker.Renews(ctx, list[i].ID, until); serves {
			return 0
		}
	}
	if err != nil {
		f.log.WarnContext(ctx, "other sessions cannot be told from this one", "err", err)
	}
	return n
}

// repeats counts the repeated scans of a person, which go on when they sign out.
func (f *frame) repeats(ctx context.Context, scans *scan.Service, live *session.Session) int {
	if scans == nil {
		return 0
	}
	return scans.ActiveSchedules(ctx, live.User.ID)
}

const (
	// cameBack comes back as state from the provider. It proves nothing
	// (entra.md §5.1): it only chooses the words.
	cameBack          = "signed-out"
	providerUnreached = "unreached"
	providerHasNone   = "none"
)

// signedOut is GET /auth/signed-out.
func (s *signOut) signedOut(w http.ResponseWriter, r *http.Request) error {
	page := templates.SignedOutPage{Page: s.page(r, "Signed out", ""), SignInURL: templates.OtherAccountURL(templates.HomeURL)}
	if page.User != nil {
		// Signed in again meanwhile, or an address from the history.
		redirect(w, templates.HomeURL)
		return nil
	}
	page.Outcomes = []templates.SignOutOutcome{{Ended: true, Text: "You are signed out of this portal. No token of your session is kept here."}}
	switch q := r.URL.Query(); {
	case q.Get("state") == cameBack:
		page.Outcomes = append(page.Outcomes, templates.SignOutOutcome{Ended: true,
			Text: "You came back from the sign-out of the company sign-in, which ends its session in this browser and tells the other applications."})
	case q.Get("provider") == providerUnreached:
		page.Outcomes = append(page.Outcomes, templates.SignOutOutcome{
			Text: "The company sign-in could not be reached, so you are still signed in there. Close the browser, or sign out at any other application."})
	case q.Get("provider") == providerHasNone:
		page.Outcomes = append(page.Outcomes, templates.SignOutOutcome{
			Text: "The company sign-in cannot be signed out of from here, so you are still signed in there. Close the browser."})
	}
	return s.render(w, r, http.StatusOK, templates.SignedOut(page))
}

// frontChannelBody is all that the provider's hidden frame gets to see; it is
// the same whether a session ended or not.
const frontChannelBody = "<!DOCTYPE html><html lang=en><title>Signed out</title>"

// frontChannel is GET /auth/frontchannel-logout, the LogoutUrl (entra.md §5.2;
// OpenID Connect Front-Channel Logout 1.0). It answers anyone the same, always
// 200: who asks proves nothing, but only the provider and the person know sid.
func (s *signOut) frontChannel(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Del("X-Frame-Options")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors"+cmp.Or(s.provider.OriginList(), " 'none'"))
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Type", "text/html; charset=utf-8")
	if err := s.endFrontChannel(w, r); err != nil {
		// The provider can do nothing with an error; the operator can.
		s.log.ErrorContext(r.Context(), "front-channel sign-out", "err", err)
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(frontChannelBody)) // nobody reads it
	return nil
}

func (s *signOut) endFrontChannel(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	sid, issuer := q.Get("sid"), q.Get("iss")
	if sid == "" {
		// Only the cookie can say whose session it is; without one nothing ends.
		if q.Has("sid") {
			return nil
		}
		// A link on another site would sign people out: the provider uses a frame.
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Dest") == "document" {
			return nil
		}
		live, err := s.sessions.Peek(r)
		if err != nil || live == nil || issuer != "" && issuer != live.User.Issuer {
			return err
		}
		if _, err := s.sessions.SignOut(w, r); err != nil {
			return err
		}
		s.left(live.User.ID)
		s.log.InfoContext(r.Context(), "front-channel sign-out by cookie", "person", live.User.ID)
		return nil
	}
	if len(sid) > maxSID {
		return nil
	}
	n, err := s.sessions.EndBySID(r.Context(), issuer, sid)
	switch {
	case n > 0:
		s.log.InfoContext(r.Context(), "front-channel sign-out", "sessions", n)
	case err == nil && !s.misses.allow(r.Context()) && s.warnings.allow(r.Context()):
		s.log.WarnContext(r.Context(), "many front-channel sign-outs of unknown sessions")
	}
	return err
}

// backChannel is POST /auth/backchannel-logout (OpenID Connect Back-Channel
// Logout 1.0 §2.5-§2.8): 200 when done, 400 when the token does not pass.
func (s *signOut) backChannel(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	tokens := r.PostForm["logout_token"]
	if len(tokens) != 1 {
		return errBadForm.Becausef("%d logout tokens", len(tokens))
	}
	token, err := s.provider.VerifyLogoutToken(r.Context(), tokens[0])
	if err != nil {
		return badLogoutToken(err)
	}
	// Remembered only once the sessions have ended: if that fails, the provider
	// tries again with the same token. Two at once end the same sessions.
	used, err := s.sessions.Used(r.Context(), logoutTokenKind, token.Issuer+"/"+token.ID)
	if err != nil {
		return err
	}
	if used {
		return badLogoutToken(apperr.New(apperr.Invalid, "logout_token_used", "This logout token was used before."))
	}
	n, err := s.endBackChannel(r.Context(), token)
	if err != nil {
		return err
	}
	if _, err := s.sessions.UseOnce(r.Context(), logoutTokenKind, token.Issuer+"/"+token.ID, token.ExpiresAt); err != nil {
		return err
	}
	s.log.InfoContext(r.Context(), "back-channel sign-out", "sessions", n)
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *signOut) endBackChannel(ctx context.Context, token *entra.LogoutToken) (int, error) {
	if token.SID != "" {
		return s.sessions.EndBySID(ctx, token.Issuer, token.SID)
	}
	s.left(token.Person)
	return s.sessions.EndAllOf(ctx, token.Person)
}

// badLogoutToken makes every refusal a 400, as the specification wants; a
// provider that failed us stays what it is, so that it tries again.
func badLogoutToken(err error) error {
	e := apperr.From(err)
	if e.Kind == apperr.Forbidden || e.Kind == apperr.Invalid {
		bad := *e
		bad.Kind = apperr.Invalid
		return &bad
	}
	return err
}

// endOther is POST /account/sessions/end: one of my sessions, elsewhere or here.
func (s *signOut) endOther(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	id, err := parseSessionID(r)
	if err != nil {
		return err
	}
	ended, err := s.sessions.End(r.Context(), live.User.ID, id)
	if err != nil {
		return err
	}
	s.left(live.User.ID)
	text := "That session is signed out."
	if !ended {
		text = "That session had ended before."
	}
	s.sessions.AddFlash(w, session.Flash{Good: true, Text: text})
	redirect(w, templates.SessionsURL)
	return nil
}
