package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/explain"
	"azts.internal/portal/internal/failures"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// lookUps is how many errors one network, or one person, may look up in a minute.
	lookUps = 120
	// lookUpsAll is how many all may look up together who are not signed in, and
	// lookUpsAtOnce how many are read at a time: a long text takes milliseconds.
	lookUpsAll, lookUpsAtOnce = 1200, 2
	// deskWait is how long somebody waits for their turn.
	deskWait = 5 * time.Second
	// maxEcho is how long a text can be to stand in an address, in bytes.
	maxEcho = 60
)

var errManyLookUps = apperr.New(apperr.TooMany, "look_ups_many", "Very many errors were looked up from your network in the last minute.").
	WithNext(apperr.MenderPerson, "Wait a minute and try again.").WithRetry()

var errDeskBusy = apperr.New(apperr.Unavailable, "look_ups_busy", "Very many errors are being looked up just now.").
	WithNext(apperr.MenderPerson, "Try again in some seconds. A code alone is quicker than a long text.").WithRetry()

// errorDesk is the area that explains errors. It is open to everybody: who cannot
// sign in needs it most. What is pasted there is neither logged nor kept, nor is it
// put back into a page.
type errorDesk struct {
	*frame
	archive *failures.Archive // nil: none are kept
	// helpURL is the page of the company sign-in about a number, "" where there is none.
	helpURL   string
	byNetwork *crowd
	byUser    *limiter
	slots     chan struct{}
}

func newErrorDesk(f *frame, p Parts) *errorDesk {
	d := &errorDesk{frame: f, archive: p.Failures, byNetwork: newCrowd(lookUps, lookUpsAll, p.Now), byUser: newLimiter(lookUps, time.Minute, p.Now),
		slots: make(chan struct{}, lookUpsAtOnce)}
	if p.LoginURL != "" {
		d.helpURL = strings.TrimSuffix(p.LoginURL, "/") + "/error?code="
	}
	return d
}

// show is GET /flows/errors?q=, q a code, a reference or some words.
func (d *errorDesk) show(w http.ResponseWriter, r *http.Request) error {
	return d.answer(w, r, r.URL.Query().Get("q"), false)
}

// explain is POST /flows/errors (text). A code that is known goes on to an address
// that can be sent to somebody. Of what is longer than a form may be, the first
// part is read: who pastes a whole log finds an error in it still.
func (d *errorDesk) explain(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return formError(err)
	}
	form := string(body)
	if err != nil {
		// An escape that was cut in two would spoil the whole field.
		if i := strings.LastIndexByte(form, '%'); i > len(form)-3 {
			form = form[:i]
		}
	}
	fields, err := url.ParseQuery(form)
	if err != nil {
		return formError(err)
	}
	return d.answer(w, r, fields.Get("text"), true)
}

// read reads a text when its turn has come.
func (d *errorDesk) read(ctx context.Context, text string) (explain.Reading, error) {
	waiting := time.NewTimer(deskWait)
	defer waiting.Stop()
	select {
	case <-waiting.C:
		return explain.Reading{}, errDeskBusy
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
		return explain.Read(text, rand.Reader), nil
	case <-ctx.Done():
		return explain.Reading{}, ctx.Err()
	}
}

// sendable is what may stand in an address and in the page again: words, a
// number, the name of an error. A secret of letters and digits alone is none of
// these, and neither is one with a dash or a dot.
var sendable = regexp.MustCompile(`^(?:[A-Za-z]{1,20}(?: [A-Za-z]{1,20}){0,5}|(?:AADSTS)?[0-9]{3,9}|[a-z0-9]{1,20}(?:_[a-z0-9]{1,20}){1,6}|[0-9A-HJKMNP-TV-Z]{12})$`)

// bareNumber is a number that nothing tells to be an error's.
var bareNumber = regexp.MustCompile(`^[0-9]+$`)

func (d *errorDesk) answer(w http.ResponseWriter, r *http.Request, text string, posted bool) error {
	short := strings.TrimSpace(text)
	plain := len(short) <= maxEcho && sendable.MatchString(short)
	if !plain {
		r.URL.RawQuery = "" // no page names its own address with it, of errors neither
	}
	live, err := d.current(r)
	if err != nil {
		return err
	}
	page := templates.FlowErrorsPage{Page: d.page(r, "Explain an error", templates.FlowsURL), Groups: allErrors()}
	if live != nil {
		page.Tabs = d.flowTabs(live, templates.FlowErrorsURL)
	}
	if short == "" {
		return d.render(w, r, http.StatusOK, templates.FlowErrors(page))
	}
	if live != nil && !d.byUser.allowPerson(live.User.ID) || live == nil && !d.byNetwork.allow(r.Context()) {
		return errManyLookUps
	}
	reading, err := d.read(r.Context(), text)
	if err != nil {
		return err
	}
	known := len(reading.Entries) > 0
	if posted && bareNumber.MatchString(short) {
		reading.Unknown = nil // it may be a code of another kind, such as a one-time password
	}
	// Words may be a passphrase: they stay out of addresses.
	if plain && posted && known && !reading.ByWords {
		redirect(w, templates.FlowErrorURL(short))
		return nil
	}
	if plain && (known && !reading.ByWords || !posted) { // else it may be a password, pasted by mistake
		page.Query = short
	}
	page.Asked, page.Form, page.ByWords = true, reading.Form, reading.ByWords
	found, note, err := d.reference(r, live, reading)
	if err != nil {
		return err
	}
	if found && len(reading.Entries) == 0 {
		redirect(w, templates.FlowFailureURL(reading.Reference))
		return nil
	}
	page.Notes = append(notes(&reading), note...)
	for _, e := range reading.Entries {
		page.Cards = append(page.Cards, errorCard(e))
	}
	for _, code := range reading.Unknown {
		one := templates.UnknownError{Code: code}
		if d.helpURL != "" {
			one.URL = d.helpURL + strings.TrimPrefix(code, "AADSTS")
		}
		page.Unknown = append(page.Unknown, one)
	}
	for _, id := range reading.IDs {
		page.IDs = append(page.IDs, templates.FlowFact{Label: id.Label, Value: id.Value})
	}
	return d.render(w, r, http.StatusOK, templates.FlowErrors(page))
}

// notes says what was special about a text.
func notes(reading *explain.Reading) []templates.Problem {
	var out []templates.Problem
	if reading.Secrets > 0 {
		out = append(out, templates.Problem{Tone: templates.ToneWarning, Title: "There are secrets in what you pasted",
			What: "A token, a code, a cookie or the like was in it. The portal has neither kept nor logged it, and does not show it.",
			Next: "If others saw it too, sign out everywhere, or have the secret replaced. Next time leave it out: the error alone is enough."})
	}
	if reading.Cut {
		out = append(out, templates.Problem{Tone: templates.ToneInfo, Title: "The text was cut",
			What: "Only its first 64 KB were read.", Next: "If the error stands further down, paste that part alone."})
	}
	if !reading.ByWords && len(reading.Entries) == 0 && len(reading.Unknown) == 0 && reading.Reference == "" {
		out = append(out, templates.Problem{Tone: templates.ToneInfo, Title: "No code that is known here is in the text",
			What: "An AADSTS number that is known here, the name of an OAuth error, or a reference of twelve characters would be one.",
			Next: "Look it up by a word or two instead, such as redirect."})
	}
	return out
}

// reference looks for the failed sign-in of a reference number: the help desk is
// led there, others are told who can look. They do not learn whether it is there.
func (d *errorDesk) reference(r *http.Request, live *session.Session, reading explain.Reading) (found bool, note []templates.Problem, err error) {
	if reading.Reference == "" {
		return false, nil, nil
	}
	if live == nil || !d.helpsOthers(live) {
		return false, []templates.Problem{{Tone: templates.ToneInfo, Title: "This is a reference number of this portal",
			What: "The help desk and administrators can look up a failed sign-in by it for 7 days, and anything else in the portal's log.",
			Next: "Send them the number and say what you were doing."}}, nil
	}
	if d.archive != nil {
		_, err = d.archive.Find(r.Context(), reading.Reference)
	}
	switch {
	case err == nil && d.archive != nil:
		return true, []templates.Problem{{Tone: templates.ToneInfo, Title: "The failed sign-in is kept", What: "It has the reference " + reading.Reference + ".",
			Primary: &templates.Action{Label: "Show it", URL: templates.FlowFailureURL(reading.Reference)}}}, nil
	case err == nil, apperr.IsKind(err, apperr.NotFound):
		return false, []templates.Problem{{Tone: templates.ToneInfo, Title: "No failed sign-in has this reference",
			What: "They are kept for 7 days. Other errors leave a line in the portal's log only.",
			Next: "Whoever runs this portal finds the line by ref=" + reading.Reference + "."}}, nil
	}
	return false, nil, err
}

// who is who mends an error, as the desk says it.
var who = map[apperr.Mender]string{
	apperr.MenderNobody:    "Nobody has to: it passes by itself.",
	apperr.MenderPerson:    "The person who signs in.",
	apperr.MenderHelpDesk:  "The help desk.",
	apperr.MenderAdmin:     "An administrator.",
	apperr.MenderDeveloper: "The developer, or whoever runs the application.",
}

func errorCard(e explain.Entry) templates.ErrorCard {
	return cardOf(e.Code, e.Error, e.Meaning, e.Next, e.Origin, e.Mender, e.Retry)
}

func cardOf(code, oauth, meaning, next string, origin entra.Origin, mender apperr.Mender, retry bool) templates.ErrorCard {
	card := templates.ErrorCard{Code: code, Error: oauth, Meaning: meaning, Next: next, Mender: who[mender], Place: entra.CodePlace(code), Retry: retry}
	switch {
	case retry:
		card.Try = "Can help: the same can succeed next time."
	case mender != apperr.MenderNobody:
		card.Try = "Does not help before it is mended."
	default:
		card.Mender = "" // nothing is said about it
	}
	if origin != "" {
		card.Origin = strings.ToUpper(string(origin[:1])) + string(origin[1:]) + "."
	}
	return card
}

// allErrors is the list below the form: each code once in a table.
var allErrors = sync.OnceValue(func() []templates.ErrorGroup {
	var out []templates.ErrorGroup
	for _, t := range explain.Tables() {
		group := templates.ErrorGroup{Title: t.Title}
		for _, e := range t.Entries {
			if !slices.ContainsFunc(group.Lines, func(l templates.ErrorLine) bool { return l.Code == e.Code }) {
				group.Lines = append(group.Lines, templates.ErrorLine{Code: e.Code, Meaning: e.Meaning})
			}
		}
		out = append(out, group)
	}
	return out
})
