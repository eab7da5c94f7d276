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

// card fills the card of one token in.
func (t *tokens) card(h *entra.HeldToken, live *session.Session, v *view) templates.TokenCard {
	id := t.cardID(h.Key)
	c := templates.TokenCard{ID: id, Resource: t.resourceName(resourceOfKey(h.Key)), Scopes: h.Scopes, Account: live.User.Account,
		Purpose: said(h.Purpose), Issued: h.IssuedAt, Expires: h.ExpiresAt, Verdict: aztsVerdict(h.Value, t.expectation())}
	if len(c.Scopes) == 0 {
		c.Scopes = h.Asked()
	}
	// An access token belongs to its API; a client decodes it for display only,
	// and copes when it cannot (entra.md §3.3).
	if d, err := entra.Decode(h.Value); err == nil {
		c.Claims, c.Header, c.Payload = claimRows(d.Claims), d.Header, d.Payload
		for _, claim := range d.Claims {
			if claim.Name == "aud" {
				c.Audience = claim.Value
			}
		}
	}
	_, _, err := t.catalogue.Ask(resourceOfKey(h.Key), h.Asked(), "")
	c.Withdrawn = err != nil
	// Only a token that is AzTS's is ever sent there.
	if c.Verdict.CanAsk = t.ofAzTS(h.Key); c.Verdict.CanAsk && v.answerOn == id {
		c.Verdict.Answer = v.answer
	}
	if !c.Verdict.CanAsk {
		c.Verdict.Checks = nil // that it is for another API says it all
	}
	if v.reveal == id {
		c.Revealed = h.Value
	}
	return c
}

// said is a purpose as people read it.
func said(purpose string) string {
	if purpose == unsaid {
		return "not said"
	}
	return purpose
}

// ofAzTS reports whether the token under a key was asked for at AzTS.
func (t *tokens) ofAzTS(key string) bool { return resourceOfKey(key) == t.catalogue[0].AppIDURI }

// expectation is what AzTS wants of a token. Its tenant is the portal's,
// never the person's own: where several may sign in, the token of each would pass.
func (t *tokens) expectation() entra.Expectation {
	return entra.Expectation{Scope: t.scopes[0], TenantID: t.provider.TenantID(), ClientID: t.clientID, Resources: t.catalogue, Now: t.now()}
}

var checkOutcomes = map[entra.Outcome]templates.CheckOutcome{entra.Pass: templates.CheckPassed, entra.Fail: templates.CheckFailed, entra.Unsure: templates.CheckOpen}

// aztsVerdict says in words whether AzTS takes a token.
func aztsVerdict(token string, want entra.Expectation) templates.TokenVerdict {
	claims, err := entra.ReadClaims(token)
	if err != nil {
		return templates.TokenVerdict{Tone: templates.ToneInfo, Summary: "The token cannot be read here, so only AzTS can tell."}
	}
	checks := entra.AzTSVerdict(claims, want)
	sum, sentence := entra.VerdictOf(checks)
	v := templates.TokenVerdict{Summary: sentence, Tone: map[entra.Outcome]templates.Tone{
		entra.Pass: templates.ToneSuccess, entra.Fail: templates.ToneWarning, entra.Unsure: templates.ToneInfo}[sum]}
	for _, c := range checks {
		v.Checks = append(v.Checks, templates.VerdictCheck{Name: c.Name, Outcome: checkOutcomes[c.Outcome], Text: c.Text})
	}
	return v
}

var errTokenGone = apperr.New(apperr.NotFound, "token_gone", "There is no token any more: it expired or was forgotten.").
	WithNext(apperr.MenderPerson, "Request a new one.")

// named returns the token that a form is about; without an id it is AzTS's. A
// token that ended comes with its key and errTokenGone.
func (t *tokens) named(r *http.Request, live *session.Session) (entra.HeldToken, error) {
	if err := r.ParseForm(); err != nil {
		return entra.HeldToken{}, formError(err)
	}
	id := r.PostForm.Get("id")
	if id == "" || id == aztsCard {
		id = entra.TokenID(entra.TokenKey(t.scopes))
	}
	held, err := t.broker.HeldByID(r.Context(), live.ID, id)
	if errors.Is(err, entra.ErrNoToken) {
		if held.Key == "" && id == entra.TokenID(entra.TokenKey(t.scopes)) {
			held.Key = entra.TokenKey(t.scopes)
		}
		return held, errTokenGone
	}
	return held, err
}

// reveal is POST /tokens/reveal (id, use): the token itself, in a page or, for
// the script, as JSON, to be copied or, with use=reveal, to be shown. Both are
// for this one answer and are kept nowhere.
func (t *tokens) reveal(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	held, err := t.named(r, live)
	if err != nil {
		return err
	}
	use := entra.Revealed
	if wantsJSON(r) && r.PostForm.Get("use") != "reveal" {
		use = entra.Copied
	}
	// First noted, then sent.
	if err := t.broker.Mark(r.Context(), live.User.ID, held.AccessToken, use); err != nil {
		return err
	}
	t.log.LogAttrs(r.Context(), slog.LevelInfo, "token revealed", personMark(live.User.ID), slog.String("scopes", held.Key),
		slog.Bool("copied", use == entra.Copied))
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, struct {
			AccessToken string    `json:"access_token"`
			ExpiresAt   time.Time `json:"expires_at"`
		}{held.Value, held.ExpiresAt})
		return nil
	}
	return t.answer(w, r, live, view{wish: wish{resource: resourceOfKey(held.Key)}, reveal: t.cardID(held.Key)})
}

// renew is POST /tokens/renew (id): a new one, however good the old one is, and
// for one that has ended too.
func (t *tokens) renew(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	held, err := t.named(r, live)
	if err != nil && held.Key == "" {
		return err
	}
	ask := wish{resource: resourceOfKey(held.Key), chosen: held.Asked(), purpose: held.Purpose, goOn: r.PostForm.Get("go") != ""}
	if ask.purpose == unsaid {
		ask.purpose = ""
	}
	// What is held may be of an API that was withdrawn since.
	if _, _, err := t.catalogue.Ask(ask.resource, ask.chosen, ""); err != nil {
		return t.answer(w, r, live, view{err: err, title: "There is no new token"})
	}
	return t.get(w, r, live, errand{wish: ask, scopes: held.Asked(), fresh: true,
		again: templates.Action{URL: templates.TokenRenewURL, Fields: []templates.Field{{Name: "id", Value: t.cardID(held.Key)}}}})
}

// forget is POST /tokens/forget (id). One that is gone already is forgotten.
func (t *tokens) forget(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	held, err := t.named(r, live)
	if err != nil && held.Key == "" {
		return err
	}
	if err := t.broker.Forget(r.Context(), live.ID, held.Asked()); err != nil {
		return err
	}
	t.log.LogAttrs(r.Context(), slog.LevelInfo, "token forgotten", personMark(live.User.ID), slog.String("scopes", held.Key))
	t.sessions.AddFlash(w, session.Flash{Good: true,
		Text: "The " + t.resourceName(resourceOfKey(held.Key)) + " token is forgotten here. A copy that you made is good until it expires."})
	redirect(w, templates.TokensURL)
	return nil
}
