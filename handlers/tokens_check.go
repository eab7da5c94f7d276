package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// noSubscription is asked about where none is known: AzTS then still says
// whether it takes the token.
const noSubscription = "00000000-0000-0000-0000-000000000000"

// oneToken is a source of exactly one token: what AzTS says is of this one.
type oneToken string

// Token implements azts.TokenSource.
func (t oneToken) Token(context.Context, string) (string, error) { return string(t), nil }

// Invalidate implements azts.TokenSource: there is no other.
func (oneToken) Invalidate(context.Context, string, string) {}

var errNotAzTS = apperr.New(apperr.Invalid, "token_not_azts", "This token is for another API. It is not sent to AzTS.").
	WithNext(apperr.MenderPerson, "Ask AzTS about one of its own tokens.")

// check is POST /tokens/check (id): one call to AzTS with exactly the token of
// the card.
func (t *tokens) check(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	held, err := t.named(r, live)
	if err != nil {
		return err
	}
	if !t.ofAzTS(held.Key) {
		return errNotAzTS
	}
	ctx, cancel := timeout(r)
	defer cancel()
	id := t.cardID(held.Key)
	v := view{wish: wish{resource: resourceOfKey(held.Key)}, answerOn: id}
	said, err := t.askAzTS(ctx, live, held.Value)
	var challenge *azts.ChallengeError
	switch {
	case errors.As(err, &challenge):
		again := templates.Action{URL: templates.TokenCheckURL, Fields: []templates.Field{{Name: "id", Value: id}}}
		return t.challenged(w, r, live, errand{wish: wish{resource: resourceOfKey(held.Key), chosen: held.Asked(), purpose: held.Purpose,
			goOn: r.PostForm.Get("go") != ""}, scopes: held.Asked(), again: again}, challenge.Claims, err)
	case err != nil:
		return err
	}
	v.answer = &said
	return t.answer(w, r, live, v)
}

// challenged answers a claims challenge of an API (entra.md §6): the person reads
// why, goes to the provider with the claims, and comes back with another token.
func (t *tokens) challenged(w http.ResponseWriter, r *http.Request, live *session.Session, e errand, claims string, cause error) error {
	if e.wish.purpose == unsaid {
		e.wish.purpose = ""
	}
	again, err := t.broker.Answered(r.Context(), live.ID, e.scopes, entra.ChallengeID(claims))
	if err != nil {
		return err
	}
	if e.wish.goOn || again {
		return t.visit(w, r, live, e, claims) // where a repeated one is explained
	}
	return t.answer(w, r, live, view{wish: wish{resource: e.wish.resource}, err: cause, title: "AzTS asks for more proof", again: &e.again,
		next: "Go on to the company sign-in and give the proof that AzTS asks for. You come back here with a new token."})
}

// askAzTS asks AzTS with one token and says what came of it. Its error is a
// claims challenge, or that of a person who left.
func (t *tokens) askAzTS(ctx context.Context, live *session.Session, token string) (templates.AzTSAnswer, error) {
	ids, known := t.mine.ids(ctx, live, azts.MaxSubscriptions)
	asked := len(ids)
	if asked == 0 {
		ids = []string{noSubscription}
	}
	found, err := t.azts.Summaries(ctx, oneToken(token), ids, nil)
	// Who was asked about a subscription that nobody has says nothing of roles.
	blind := asked == 0 && !known && (err == nil || apperr.HasCode(err, noRole))
	answer := templates.AzTSAnswer{Tone: templates.ToneSuccess, At: t.now()}
	var challenge *azts.ChallengeError
	switch {
	case errors.As(err, &challenge), err != nil && ctx.Err() != nil:
		return answer, err
	case blind:
		answer.Tone, answer.Title = templates.ToneInfo, "AzTS takes the token"
		answer.What = "Which subscriptions you have could not be read, so AzTS was asked about none of them."
		answer.Next = "Ask again later, when Azure answers."
	case err != nil:
		e := apperr.From(err)
		t.log.InfoContext(ctx, "AzTS did not take a token", "code", e.Code, "err", err)
		answer.Tone, answer.Title, answer.What, answer.Next, answer.Quote = templates.ToneWarning, refusalTitle(e), e.Message, e.Next, azts.Words(err)
	case len(found) == 0:
		answer.Tone, answer.Title = templates.ToneWarning, "AzTS takes the token, but sees no role of yours"
		answer.What = "It shows you none of your subscriptions."
		if asked > 0 {
			answer.What = fmt.Sprintf("It was asked about %s and shows you none.", plural(asked, "subscription"))
		}
		answer.Next = "You need Owner, Contributor, Security Reader or Security Admin on a subscription or on one of its resource groups. " +
			"AzTS reads roles once in 24 hours: a role given today may count from tomorrow."
	default:
		answer.Title = "It works"
		answer.What = fmt.Sprintf("AzTS takes the token and shows you %d of the %s that it was asked about.", len(found), plural(asked, "subscription"))
	}
	t.log.LogAttrs(ctx, slog.LevelInfo, "AzTS was asked about a token", personMark(live.User.ID), slog.Int("subscriptions", len(found)), slog.Bool("taken", err == nil))
	return answer, nil
}

// noRole is the code with which AzTS refuses somebody who has no role where it was
// asked about.
const noRole = "azts_no_role"

// refusalTitle names what AzTS refused.
func refusalTitle(e *apperr.Error) string {
	switch e.Code {
	case "azts_off":
		return "AzTS has its REST API switched off"
	case "token_refused":
		return "AzTS does not take the token"
	case noRole:
		return "AzTS takes the token, but sees no role of yours"
	}
	return "AzTS did not say"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// ids returns the ids of the person's subscriptions, limit at most, as Azure and
// the recent scans know them, and whether Azure said which they are. It does not
// ask AzTS.
func (s *subscriptions) ids(ctx context.Context, live *session.Session, limit int) (ids []string, known bool) {
	seen := map[string]bool{}
	add := func(id, _ string) {
		if !seen[id] && len(ids) < limit {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	err := s.azure(ctx, s.broker.SourceOfSession(live.ID), add)
	if err != nil {
		s.log.InfoContext(ctx, "Azure did not say which subscriptions to ask AzTS about", "err", err)
	}
	for _, id := range s.recent(ctx, live) {
		add(id, "")
	}
	return ids, err == nil
}
