package flows

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/trace"
)

// RunLife is how long a run is kept for its owner.
const RunLife = 24 * time.Hour

// Run is a flow that was carried out, or that waits for its person.
type Run struct {
	ID        string    `json:"id"`
	Flow      string    `json:"flow"`
	Failure   string    `json:"failure,omitempty"`
	Place     Place     `json:"place"`
	StartedAt time.Time `json:"startedAt"`
	EndsAt    time.Time `json:"endsAt"` // when it is forgotten
	// Waits is what a device waits for; nil for nothing.
	Waits   *Waiting    `json:"waits,omitempty"`
	Outcome Outcome     `json:"outcome"`
	Trace   trace.Trace `json:"trace"`
	// Share opens the run for the help desk; "" where it is not shared. SharedBy is
	// who shared it, as people call them.
	Share    string `json:"share,omitempty"`
	SharedBy string `json:"sharedBy,omitempty"`

	// changed says what was changed on the side of the check, where what was sent is
	// as it should be.
	changed string
}

// Outcome is how a run ended.
type Outcome struct {
	// Refused says who refused; "" for nobody.
	Refused Party `json:"refused,omitempty"`
	// Code is the error's; with nobody who refused, that of what broke it off.
	Code string `json:"code,omitempty"`
	Text string `json:"text"`
	// Expected says that this is what the failure is to show, or, without one,
	// that the flow went through.
	Expected bool `json:"expected"`
	// Message is the message that was refused, by its number from 1; 0 for none.
	Message int `json:"message,omitempty"`
}

// Waiting is what a script that waits for a person at another device has.
type Waiting struct {
	UserCode  string    `json:"userCode"`
	Address   string    `json:"address"` // where it is entered
	ExpiresAt time.Time `json:"expiresAt"`
	NextAt    time.Time `json:"nextAt"` // when it may ask again
	Polls     int       `json:"polls"`
	// Unanswered says that the tenant could not be reached, or was busy, the last
	// time.
	Unanswered bool `json:"unanswered,omitempty"`
	// Secret is for this package alone: the device code and what was said.
	Secret deviceState `json:"secret"`
}

// Refusal is why a flow did not go through.
type Refusal struct {
	By   Party
	Code string
	Text string
}

// refusedBy is a refusal in words that the table of errors has too.
func refusedBy(by Party, e *apperr.Error) *Refusal {
	return &Refusal{By: by, Code: e.Code, Text: e.Message}
}

func (e *Refusal) Error() string { return string(e.By) + " refuses: " + e.Code + ": " + e.Text }

func newID() string {
	b := make([]byte, 15)
	rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

func newRun(flow, failure string, place Place, now time.Time) *Run {
	return &Run{ID: newID(), Flow: flow, Failure: failure, Place: place, StartedAt: now, EndsAt: now.Add(RunLife)}
}

// lapse ends a wait that is over by the clock, and reports whether it did.
func (r *Run) lapse(now time.Time) bool {
	if r.Waits == nil || now.Before(r.Waits.ExpiresAt) {
		return false
	}
	r.Waits = nil
	r.Outcome = Outcome{Refused: Tenant, Code: "expired_token", Text: "The code ended before anybody entered it. Nothing was signed in."}
	r.Trace.Outcome = r.Outcome.Text
	return true
}

// finish notes how a run ended and what was said.
func (r *Run) finish(recorder *trace.Recorder, err error) {
	r.Outcome = outcomeOf(r.Flow, r.Failure, r.Place, err)
	text := r.Outcome.Text
	if r.changed != "" {
		text += " " + r.changed
	}
	// Whoever finds the file of a run among those of incidents shall see what it is.
	intro := r.Place.Label()
	if failure, broken := FindFailure(r.Failure); broken {
		intro += ", broken on purpose (" + failure.Title + ")"
	}
	intro += ": "
	recorder.Finish(intro + text)
	r.Trace = recorder.Trace()
	r.Outcome.Text = strings.TrimPrefix(r.Trace.Outcome, intro)
	r.point()
}

// point finds the message that was refused. What the portal thinks of an answer it
// knows only after it has asked for keys or tokens, and then it tells the browser:
// not with the redirect that was noted when the answer came.
func (r *Run) point() {
	o, messages := &r.Outcome, r.Trace.Messages
	if o.Refused == "" {
		return
	}
	for i := len(messages) - 1; i >= 0 && o.Message == 0; i-- {
		m := &messages[i]
		switch {
		case m.To == string(o.Refused), o.Refused == Portal && m.From == string(Portal) && m.ID == "token":
			o.Message = i + 1
		}
	}
	if o.Message == 0 {
		o.Message = len(messages) // a script's own check of what came last
	}
	if o.Refused != Portal && o.Refused != Tenant {
		return
	}
	for i := range messages {
		m := &messages[i]
		if m.To == string(Portal) && m.ID == "answer" && m.Answer != nil && m.Answer.Status == http.StatusSeeOther {
			m.Answer = &trace.Answer{Status: http.StatusForbidden, Body: trace.Body{Type: "text/plain", Text: o.Code + ": " + o.Text, Size: int64(len(o.Code) + 2 + len(o.Text))}}
		}
	}
}

// outcomeOf puts the end of a run in words.
func outcomeOf(flow, failure string, place Place, err error) Outcome {
	want, broken := FailureIn(flow, failure, place)
	if err == nil {
		if broken {
			return Outcome{Text: "Nobody refused it, though somebody should have."}
		}
		return Outcome{Text: "Nobody refused anything, and whoever asked has got what it asked for.", Expected: true}
	}
	refusal := refusalOf(err)
	out := Outcome{Refused: refusal.By, Code: refusal.Code, Text: refusal.Text}
	out.Expected = broken && refusal.By == want.Refuses && saysTheSame(want.Code, refusal.Code, place)
	return out
}

// saysTheSame reports whether a code is the one that is wanted, or says the same
// where the tenant is not Entra: ID tokens need no nbf there, and errors have the
// OAuth name alone in place of an AADSTS number.
func saysTheSame(want, got string, place Place) bool {
	const number = "AADSTS"
	switch {
	case got == want:
		return true
	case place != InTenant:
		return false
	case want == "id_token_nbf":
		return got == "id_token_iat"
	}
	return strings.HasPrefix(want, number) && !strings.HasPrefix(got, number)
}

// refusalOf tells who refused. What the portal's own checks say counts as the
// portal's, what they report of the tenant as the tenant's.
func refusalOf(err error) *Refusal {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	e := apperr.From(err)
	refusal = &Refusal{By: Portal, Code: e.Code, Text: e.Message}
	if fromTenant(err) {
		refusal.By = Tenant
	}
	switch e.Kind {
	case apperr.Internal:
		refusal.By, refusal.Code, refusal.Text = "", "internal", "The run broke off: "+messageOf(e)
	case apperr.BadGateway, apperr.Unavailable, apperr.Timeout:
		if refusal.By == Portal {
			refusal.By = "" // nobody judged anything
		}
	}
	return refusal
}

func messageOf(e *apperr.Error) string {
	if e.Cause != nil {
		return e.Cause.Error()
	}
	return e.Message
}
