package handlers

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// tokens is the area of AzTS tokens for scripts.
type tokens struct {
	*frame
	broker *entra.Broker
	auth   *auth
	scopes []string // of AzTS
	apiURL string
}

const apiName = "AzTS"

// show is GET /tokens: what there is. It asks nobody.
func (t *tokens) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	token, err := t.cached(r, live)
	if err != nil {
		return err
	}
	return t.answer(w, r, live, token, false)
}

// cached returns the session's token, nil when there is none.
func (t *tokens) cached(r *http.Request, live *session.Session) (*entra.AccessToken, error) {
	token, err := t.broker.Cached(r.Context(), live.ID, t.scopes)
	if errors.Is(err, entra.ErrNoToken) {
		return nil, nil
	}
	return &token, err
}

func (t *tokens) answer(w http.ResponseWriter, r *http.Request, live *session.Session, token *entra.AccessToken, reveal bool) error {
	page := templates.TokensPage{Page: t.page(r, "Tokens", templates.TokensURL), Resource: apiName, Scope: t.scopes[0], APIURL: t.apiURL}
	page.Path = templates.TokensURL
	page.Flash = t.flash(w, r)
	if token != nil {
		page.Token = card(token, live, reveal)
	}
	return t.render(w, r, http.StatusOK, templates.Tokens(page))
}

// tokenID is the id of the only token of this page.
const tokenID = "azts"

func card(token *entra.AccessToken, live *session.Session, reveal bool) *templates.TokenCard {
	c := &templates.TokenCard{ID: tokenID, Resource: apiName, Scopes: token.Scopes, Account: live.User.Account,
		Issued: token.IssuedAt, Expires: token.ExpiresAt}
	// An access token belongs to its API; a client decodes it for display only,
	// and copes when it cannot (entra.md §3.3).
	if d, err := entra.Decode(token.Value); err == nil {
		c.Claims, c.Header, c.Payload = claimRows(d.Claims), d.Header, d.Payload
		for _, claim := range d.Claims {
			if claim.Name == "aud" {
				c.Audience = claim.Value
			}
		}
	}
	if reveal {
		c.Revealed = token.Value
	}
	return c
}

// request is POST /tokens: silently if that is possible, else by way of the
// provider and back.
func (t *tokens) request(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	return t.get(w, r, live, time.Time{})
}

// renew is POST /tokens/renew: a new one, however good the old one is.
func (t *tokens) renew(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	return t.get(w, r, live, t.now())
}

func (t *tokens) get(w http.ResponseWriter, r *http.Request, live *session.Session, newerThan time.Time) error {
	ctx, cancel := timeout(r)
	defer cancel()
	_, err := t.broker.Token(ctx, live.ID, entra.Request{Scopes: t.scopes, NewerThan: newerThan})
	var need *entra.InteractionRequired
	if errors.As(err, &need) {
		t.log.InfoContext(ctx, "a token needs the person", "err", err)
		return t.auth.visitFor(w, r, live, tokenVisit{Scopes: need.Scopes, Claims: need.Claims, ReturnTo: templates.TokensURL})
	}
	if err != nil {
		return err
	}
	t.log.LogAttrs(ctx, slog.LevelInfo, "token issued", slog.String("person", live.User.ID.String()), slog.Any("scopes", t.scopes))
	redirect(w, templates.TokensURL)
	return nil
}

var errTokenGone = apperr.New(apperr.NotFound, "token_gone", "There is no token any more: it expired or was forgotten.").
	WithNext(apperr.MenderPerson, "Request a new one.")

// reveal is POST /tokens/reveal: the token itself, in a page or, for copying
// without showing, as JSON. Both are for this one answer and are kept nowhere.
func (t *tokens) reveal(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	token, err := t.cached(r, live)
	if err != nil {
		return err
	}
	if token == nil {
		return errTokenGone
	}
	t.log.LogAttrs(r.Context(), slog.LevelInfo, "token revealed", slog.String("person", live.User.ID.String()), slog.Bool("copied", wantsJSON(r)))
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, struct {
			AccessToken string    `json:"access_token"`
			ExpiresAt   time.Time `json:"expires_at"`
		}{token.Value, token.ExpiresAt})
		return nil
	}
	return t.answer(w, r, live, token, true)
}

// forget is POST /tokens/forget.
func (t *tokens) forget(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := t.broker.Forget(r.Context(), live.ID, t.scopes); err != nil {
		return err
	}
	t.sessions.AddFlash(w, session.Flash{Good: true,
		Text: "The token is forgotten here. A copy that you made is good until it expires."})
	redirect(w, templates.TokensURL)
	return nil
}
