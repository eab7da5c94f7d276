package flows

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/trace"
)

// App is an application that asks for a token in its own name, with what a person
// brought to prove it.
type App struct {
	Flow    string // how it proves itself: one of the client credentials flows
	Request entra.AppTokenRequest
	// Secrets are what is never to be read in the run, beside what is known by its
	// place.
	Secrets map[trace.Kind]string
}

// RunApp runs client credentials at the tenant. The token is thrown away and no API
// is called: AzTS would start a scan. An error says that nothing was sent.
func (t *TenantRuns) RunApp(ctx context.Context, app App) (*Run, error) {
	f, ok := Find(app.Flow)
	if !ok || !f.Runs(InTenant) {
		return nil, errNotHere
	}
	ctx, cancel := context.WithTimeout(ctx, tenantLimit)
	defer cancel()
	run, recorder := t.begin(f, "", InTenant)
	for kind, value := range app.Secrets {
		recorder.Secret(kind, value)
	}
	client := *t.Client
	client.Transport = t.recording(f, Script, Tenant, recorder, transportOf(t.Client))
	provider, err := t.NewProvider(&client, t.Now, "")
	if err != nil {
		return nil, err
	}
	defer endProvider(provider)
	_, err = provider.AppToken(ctx, app.Request)
	if apperr.IsKind(err, apperr.Invalid) && !fromTenant(err) {
		return nil, err
	}
	run.finish(recorder, err)
	return run, nil
}

// RunMachine asks the machine that this portal runs on for a token of its own, of
// the API with that scope, and throws it away. It is the portal's power: who may do
// that is for the caller to decide. It can take [entra.IdentityLimit], as pauses
// are kept; ctx ends it before.
func (t *TenantRuns) RunMachine(ctx context.Context, scope string) (*Run, error) {
	f, ok := Find("managed-identity")
	if !ok || !t.Offers(f.ID, InAzure) {
		return nil, errNotHere
	}
	run, recorder := t.begin(f, "", InAzure)
	client := &http.Client{Transport: machineDoor{t.recording(f, Script, Machine, recorder, transportOf(t.MachineClient))},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	identity, err := entra.NewManagedIdentity(t.ManagedIdentity, client, t.Now)
	if err != nil {
		return nil, err
	}
	if _, err = identity.FreshToken(ctx, scope); apperr.HasCode(err, "identity_refused") {
		err = machineSaid(recorder.Trace(), err)
	}
	run.finish(recorder, err)
	return run, nil
}

// machineDoor tells the two endpoints of a machine apart, whose addresses end alike:
// only App Service wants a secret (entra.md §9.2).
type machineDoor struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (d machineDoor) RoundTrip(sent *http.Request) (*http.Response, error) {
	id := "imds"
	if sent.Header.Get("X-IDENTITY-HEADER") != "" {
		id = "appservice"
	}
	f, _ := Find("managed-identity")
	return d.next.RoundTrip(sent.WithContext(context.WithValue(sent.Context(), stepKey{}, stepIn(f, id, Script, Machine))))
}

// machineSaid is the refusal of a machine's endpoint in its own words, where there
// are some.
func machineSaid(said trace.Trace, err error) error {
	refusal := &Refusal{By: Machine, Code: apperr.From(err).Code, Text: apperr.From(err).Message}
	if n := len(said.Messages); n > 0 && said.Messages[n-1].Answer != nil {
		var answer struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if json.Unmarshal([]byte(said.Messages[n-1].Answer.Body.Text), &answer) == nil {
			refusal.Code, refusal.Text = cmp.Or(answer.Error, refusal.Code), cmp.Or(answer.Description, refusal.Text)
		}
	}
	return refusal
}

// begin makes a run and what records it.
func (t *TenantRuns) begin(f Flow, failure string, place Place) (*Run, *trace.Recorder) {
	run := newRun(f.ID, failure, place, t.Now())
	return run, trace.New(trace.Options{ID: run.ID, Flow: f.ID, Now: t.Now, Random: rand.Reader})
}

// recording returns a transport that records what one party says to another.
func (t *TenantRuns) recording(f Flow, from, to Party, recorder *trace.Recorder, next http.RoundTripper) http.RoundTripper {
	return named{flow: func() Flow { return f }, from: from, at: func(string) Party { return to }, next: recorder.Transport(next)}
}
