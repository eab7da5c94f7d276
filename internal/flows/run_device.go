package flows

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/trace"
)

const (
	// deviceLife bounds how long a script waits for its person, whatever the tenant
	// says.
	deviceLife = 15 * time.Minute
	// minInterval is the least time between two questions (RFC 8628 §3.2).
	minInterval = 5 * time.Second
	maxInterval = time.Minute
	// maxUserCode and maxAddress are how much of an answer a person is shown to type
	// and to open, in bytes.
	maxUserCode, maxAddress = 64, 2048
	// maxSaid is how many messages of a waiting script are kept: of those that only
	// say “not yet”, the first and the last.
	maxSaid = 24
)

var (
	errDeviceCode = apperr.New(apperr.BadGateway, "device_code_malformed", "The company sign-in's answer has no code that a person could enter.").
			WithNext(apperr.MenderDeveloper, "Tell whoever runs this portal: what answers there is not what the metadata of the tenant promises.")
	errDeviceAccount = apperr.New(apperr.Forbidden, "device_other_account", "Somebody entered the code with another account than the one that began the run. Nothing of what the company sign-in answered is kept.").
				WithNext(apperr.MenderPerson, "Run it again, and enter the code with your own account.")
)

// deviceState is what a waiting script has in mind. It is stored sealed, and goes
// with the wait.
type deviceState struct {
	ClientID string        `json:"clientID"`
	TokenURL string        `json:"tokenURL"`
	Code     string        `json:"code"`
	Interval time.Duration `json:"interval"`
	Said     []said        `json:"said"`
}

// said is a message with its secrets: the trace of a run is made of all of them at
// once, so that the same value has the same fingerprint.
type said struct {
	Step         trace.Step    `json:"step"`
	At           time.Time     `json:"at"`
	Took         time.Duration `json:"took"`
	Method       string        `json:"method"`
	URL          string        `json:"url"`
	Header       http.Header   `json:"header"`
	Body         []byte        `json:"body"`
	Status       int           `json:"status"`
	AnswerHeader http.Header   `json:"answerHeader"`
	AnswerBody   []byte        `json:"answerBody"`
}

// tape keeps what passes through it.
type tape struct {
	next http.RoundTripper
	now  func() time.Time
	said []said
}

// RoundTrip implements http.RoundTripper.
func (t *tape) RoundTrip(sent *http.Request) (*http.Response, error) {
	one := said{At: t.now(), Method: sent.Method, URL: sent.URL.String(), Header: sent.Header.Clone()}
	one.Step, _ = stepOf(sent.Context())
	if sent.Body != nil {
		body, err := io.ReadAll(io.LimitReader(sent.Body, maxLabBody))
		_ = sent.Body.Close()
		if err != nil {
			return nil, err
		}
		one.Body = body
		sent = sent.Clone(sent.Context())
		sent.Body = io.NopCloser(bytes.NewReader(body))
	}
	response, err := t.next.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	body, err := readBody(response)
	if err != nil {
		return nil, err
	}
	one.Took, one.Status, one.AnswerHeader, one.AnswerBody = t.now().Sub(one.At), response.StatusCode, response.Header.Clone(), body
	if len(one.AnswerBody) > trace.MaxBody {
		one.AnswerBody = one.AnswerBody[:trace.MaxBody]
	}
	t.said = append(t.said, one)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// do sends a request of a script and reads the answer.
func (t *TenantRuns) do(ctx context.Context, tape *tape, id, method, address string, form url.Values) (int, []byte, error) {
	f, _ := Find("device-code")
	step := stepIn(f, id, Script, Tenant)
	if aside := asides["openid-configuration"]; id == "" {
		step.Name, step.Note = aside.Name, aside.Note
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(context.WithValue(ctx, stepKey{}, step), method, address, body)
	if err != nil {
		return 0, nil, err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := *t.Client
	client.Transport = tape
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	content, err := readBody(response)
	return response.StatusCode, content, err
}

// BeginDevice asks the tenant for the codes of a device sign-in. The run waits for
// its person then, or says why there is none.
func (t *TenantRuns) BeginDevice(ctx context.Context) (*Run, error) {
	if !t.Offers("device-code", InTenant) {
		return nil, errNotHere
	}
	ctx, cancel := context.WithTimeout(ctx, tenantLimit)
	defer cancel()
	run := newRun("device-code", "", InTenant, t.Now())
	tape := &tape{next: transportOf(t.Client), now: t.Now}
	_, body, err := t.do(ctx, tape, "", http.MethodGet, t.MetadataURL, nil)
	if err != nil {
		return nil, err
	}
	var metadata struct {
		Device string `json:"device_authorization_endpoint"`
		Token  string `json:"token_endpoint"`
	}
	if err := json.Unmarshal(body, &metadata); err != nil {
		return nil, err
	}
	if err := deviceEndpoints(t.MetadataURL, metadata.Device, metadata.Token); err != nil {
		return nil, err
	}
	status, body, err := t.do(ctx, tape, "device", http.MethodPost, metadata.Device,
		formOf("client_id", t.DeviceClientID, "scope", strings.Join(append(openID[:3:3], t.Scopes...), " ")))
	if err != nil {
		return nil, err
	}
	begun, err := parseAnswer(status, body)
	if err != nil {
		t.end(run, tape.said, err)
		return run, nil
	}
	if len(begun.UserCode) == 0 || len(begun.UserCode) > maxUserCode || len(begun.DeviceCode) == 0 {
		t.end(run, tape.said, refusedBy(Tenant, errDeviceCode))
		return run, nil
	}
	interval := min(max(time.Duration(begun.Interval)*time.Second, minInterval), maxInterval)
	life := min(time.Duration(begun.ExpiresIn)*time.Second, deviceLife)
	if life <= 0 {
		life = deviceLife
	}
	address := begun.Address
	if u, err := url.Parse(address); err != nil || len(address) > maxAddress || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		address = ""
	}
	run.Waits = &Waiting{UserCode: begun.UserCode, Address: address, ExpiresAt: run.StartedAt.Add(life), NextAt: t.Now().Add(interval),
		Secret: deviceState{ClientID: t.DeviceClientID, TokenURL: metadata.Token, Code: begun.DeviceCode, Interval: interval, Said: tape.said}}
	run.Outcome.Text = "The script waits for its person."
	run.Trace = t.traceOf(run, tape.said)
	return run, nil
}

// heard is what the tenant answered to one question.
type heard struct {
	said []said
	err  error // why there are no tokens
	// busy says that the tenant could not answer: it is asked again later.
	busy bool
}

// Poll asks once whether the person is done, if it is time to. Whoever asks takes
// the question first, by moving the time of the next: of two pages of one run one
// asks. The answer is kept even if the page that asked is gone, as tokens are given
// out once.
func (t *TenantRuns) Poll(ctx context.Context, keeper *Keeper, owner access.PersonID, id string) (*Run, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tenantLimit)
	defer cancel()
	taken := false
	run, err := keeper.Change(ctx, owner, id, func(run *Run) (bool, error) {
		w, now := run.Waits, t.Now()
		if taken = w != nil && !now.Before(w.NextAt); taken {
			w.Polls, w.NextAt = w.Polls+1, now.Add(w.Secret.Interval)
		}
		return taken, nil
	})
	if err != nil || !taken {
		return run, err
	}
	answer := t.ask(ctx, run.Waits.Secret, owner)
	return keeper.Change(ctx, owner, id, func(run *Run) (bool, error) {
		if run.Waits == nil {
			return false, nil
		}
		t.hear(run, answer)
		return true, nil
	})
}

// ask asks whether the person is done. Of tokens that are not the owner's nothing
// is kept, and of such as cannot be verified neither.
func (t *TenantRuns) ask(ctx context.Context, state deviceState, owner access.PersonID) heard {
	tape := &tape{next: transportOf(t.Client), now: t.Now}
	status, body, err := t.do(ctx, tape, "poll", http.MethodPost, state.TokenURL, formOf("grant_type", deviceGrant, "client_id", state.ClientID, "device_code", state.Code))
	if err != nil || status >= 500 || status == http.StatusTooManyRequests {
		return heard{said: tape.said, err: err, busy: true}
	}
	tokens, err := parseAnswer(status, body)
	if err != nil {
		return heard{said: tape.said, err: err}
	}
	provider, err := t.NewProvider(t.Client, t.Now, state.ClientID)
	if err != nil {
		return heard{err: err}
	}
	defer endProvider(provider)
	token, err := provider.VerifyDevice(ctx, tokens.IDToken, tokens.AccessToken)
	if err != nil {
		return heard{err: err}
	}
	if token.User.ID != owner {
		return heard{err: refusedBy(Portal, errDeviceAccount)}
	}
	return heard{said: tape.said}
}

// hear adds an answer to a run that waits.
func (t *TenantRuns) hear(run *Run, answer heard) {
	w := run.Waits
	said := w.Secret.Said
	if len(said) >= maxSaid {
		said = said[:maxSaid-1]
	}
	said = append(said, answer.said...)
	w.Unanswered = answer.busy
	if !answer.busy && !pendingDevice(answer.err) {
		t.end(run, said, answer.err)
		return
	}
	var e *entra.ProviderError
	switch {
	case answer.busy:
		w.Secret.Interval = min(2*w.Secret.Interval, maxInterval) // RFC 8628 §3.5
	case errors.As(answer.err, &e) && e.OAuthError == "slow_down":
		w.Secret.Interval = min(w.Secret.Interval+minInterval, maxInterval)
	}
	w.Secret.Said, w.NextAt = said, t.Now().Add(w.Secret.Interval)
	run.Trace = t.traceOf(run, said)
}

// end ends the wait of a run.
func (t *TenantRuns) end(run *Run, said []said, err error) {
	recorder := t.replay(run, said)
	run.Waits = nil
	run.finish(recorder, err)
	carried(&run.Trace)
}

func (t *TenantRuns) traceOf(run *Run, said []said) trace.Trace {
	kept := t.replay(run, said).Trace()
	carried(&kept)
	return kept
}

// carried takes back that the browser carried the messages: the portal sent them.
func carried(t *trace.Trace) {
	for i := range t.Messages {
		t.Messages[i].Front = false
	}
}

// replay records what was said.
func (t *TenantRuns) replay(run *Run, said []said) *trace.Recorder {
	recorder := trace.New(trace.Options{ID: run.ID, Flow: run.Flow, Now: t.Now, Random: rand.Reader, From: string(Script)})
	for _, one := range said {
		recorder.Add(trace.Exchange{Step: one.Step, At: one.At, Took: one.Took, Method: one.Method, URL: one.URL, Header: one.Header, Body: one.Body,
			Status: one.Status, AnswerHeader: one.AnswerHeader, AnswerBody: one.AnswerBody})
	}
	return recorder
}
