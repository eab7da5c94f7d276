package flows

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/trace"
)

const (
	// labLimit is how long a run in the lab may take: a fifth of a second is usual.
	labLimit = 15 * time.Second
	// labSeats is how many runs can be under way in this process at once. Each
	// has a tenant of its own, of some hundred kilobytes.
	labSeats = 4
	// labSeatsEach is how many of them one person can have.
	labSeatsEach = 2
	// labWait is how long somebody waits for a seat.
	labWait = 5 * time.Second
	// maxLabBody bounds what the lab reads of an answer.
	maxLabBody = 1 << 20
)

// Box is a tenant in a box with its APIs, made for one run. Nobody else reaches
// it, and it reaches nobody. What it is registered with is worth nothing anywhere
// else.
type Box struct {
	Transport http.RoundTripper
	Origin    string // of the tenant and of all its APIs
	Portal    string // base URL of the portal that is registered
	TenantID  string
	Issuer    string

	ClientID, ClientSecret             string // the portal's
	AzTSClientID, AzTSClientSecret     string
	ScriptClientID, ScriptClientSecret string
	CertificateClientID                string
	// CertificateURL answers with that client's certificate and key, FederatedURL
	// with a token of another issuer for the script.
	CertificateURL, FederatedURL string
	LegacyClientID               string
	LegacyRedirect               string
	CLIClientID                  string // a tool that is preauthorized at InventoryURI
	StrangeClientID              string // one that is not
	IdentityHeader               string // of App Service's endpoint

	Subscription        string // the employee has a role on it
	AzTSURL, AzTSScope  string
	ARMURL, ARMScope    string
	GraphURL, GraphBase string // the latter stands before its permissions
	InventoryScope      string // nobody has consented to it

	// People by what they show: object ids and accounts.
	Employee, Admin, Careful LabPerson // Careful needs a second factor
	Password                 string    // of everybody

	// Break makes the tenant do something wrong once.
	Break func(fault, value string)
}

// LabPerson is somebody in the box.
type LabPerson struct{ ID, Account string }

// Visits binds an answer to the browser that asked, as sign-in does: by cookies.
// Its errors are those of sign-in.
type Visits interface {
	// Begin remembers a visit and returns its secrets.
	Begin(jar http.CookieJar) (state, nonce, verifier string, err error)
	// Take uses the visit of a state up.
	Take(ctx context.Context, jar http.CookieJar, state string) error
}

// Lab runs flows against a tenant in a box. The portal's part is played by the
// checks of sign-in themselves, the browser's by the lab.
type Lab struct {
	newBox func(now func() time.Time) (*Box, error)
	visits Visits
	now    func() time.Time
	log    *slog.Logger
	seats  chan struct{}

	mu    sync.Mutex
	taken map[access.PersonID]int // seats, those that are waited for included
}

// NewLab returns a lab. newBox makes a box for one run, whose clock is now.
func NewLab(newBox func(now func() time.Time) (*Box, error), visits Visits, now func() time.Time, log *slog.Logger) (*Lab, error) {
	if newBox == nil || visits == nil || now == nil || log == nil {
		return nil, errors.New("flows: a part is missing")
	}
	return &Lab{newBox: newBox, visits: visits, now: now, log: log, seats: make(chan struct{}, labSeats), taken: make(map[access.PersonID]int)}, nil
}

var (
	errUnknownFlow = apperr.New(apperr.NotFound, "flow_unknown", "There is no such flow.")
	errNotHere     = apperr.New(apperr.Invalid, "flow_not_here", "This flow cannot be run in this way.").
			WithNext(apperr.MenderPerson, "Choose from what its page offers.")
	errLabTwice = apperr.New(apperr.TooMany, "lab_busy_yours", "Two of your runs are under way in the sandbox.").
			WithNext(apperr.MenderPerson, "Wait until they have ended, some seconds at most.").WithRetry()
	errLabBusy = apperr.New(apperr.TooMany, "lab_busy", "The sandbox is busy with other people's runs.").
			WithNext(apperr.MenderPerson, "Wait some seconds and try again.").WithRetry()
)

// Run carries a flow out, breaking it as failure says ("" for not at all). An
// error says that there was no run; that a flow was refused is no error but an
// outcome. ctx ends it, and so does [labLimit]. A person has [labSeatsEach] at once.
func (l *Lab) Run(ctx context.Context, person access.PersonID, flow Flow, failure string) (*Run, error) {
	if !flow.Breaks(failure, InLab) {
		return nil, errNotHere.Becausef("%s with %q", flow.ID, failure)
	}
	script, ok := labScripts[flow.ID]
	if !ok {
		return nil, errUnknownFlow
	}
	if !l.take(person) {
		return nil, errLabTwice
	}
	defer l.giveBack(person)
	waiting := time.NewTimer(labWait)
	defer waiting.Stop()
	select {
	case l.seats <- struct{}{}:
	case <-waiting.C:
		return nil, errLabBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-l.seats }()
	ctx, cancel := context.WithTimeout(ctx, labLimit)
	defer cancel()

	run := newRun(flow.ID, failure, InLab, l.now())
	clock := &labClock{now: l.now}
	box, err := l.newBox(clock.Now)
	if err != nil {
		return nil, err
	}
	r := &labRun{lab: l, flow: flow, failure: failure, box: box, clock: clock, recorder: trace.New(trace.Options{ID: run.ID, Flow: flow.ID, Now: l.now,
		Random: rand.Reader, Public: []string{box.Password}})}
	for kind, values := range map[trace.Kind][]string{trace.ClientSecret: {box.ClientSecret, box.AzTSClientSecret, box.ScriptClientSecret}, trace.Secret: {box.IdentityHeader}} {
		for _, value := range values {
			r.recorder.Secret(kind, value)
		}
	}
	err = script(r, ctx)
	r.closeProvider()
	run.changed = r.changed
	run.finish(r.recorder, err)
	return run, nil
}

// take gives a person one more seat to wait for, if they may.
func (l *Lab) take(person access.PersonID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken[person] >= labSeatsEach {
		return false
	}
	l.taken[person]++
	return true
}

func (l *Lab) giveBack(person access.PersonID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken[person]--; l.taken[person] == 0 {
		delete(l.taken, person)
	}
}

// labClock is the clock of a box; it can be put forward.
type labClock struct {
	now func() time.Time

	mu    sync.Mutex
	ahead time.Duration
}

// Now returns what the clock shows.
func (c *labClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Add(c.ahead)
}

func (c *labClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// labRun is one run under way. It has one goroutine.
type labRun struct {
	lab      *Lab
	flow     Flow
	failure  string
	box      *Box
	clock    *labClock
	recorder *trace.Recorder

	person LabPerson      // who sits before the browser; the employee if empty
	jar    http.CookieJar // of that browser
	// declines says that the person says no where the tenant asks for consent.
	declines bool
	// changed is [Run.changed].
	changed string
	// before says that what happens now is not what the run is about.
	before bool

	provider *entra.Provider // the portal's; made when it is needed
}

func (r *labRun) breaks(failure string) bool { return r.failure == failure }

// browserJar returns the cookies of the person's browser.
func (r *labRun) browserJar() http.CookieJar {
	if r.jar == nil {
		r.jar, _ = cookiejar.New(nil) // never fails without options
	}
	return r.jar
}

// client returns what a party sends its messages with.
func (r *labRun) client(from Party) *http.Client {
	return &http.Client{Timeout: labLimit, Transport: named{flow: r.current, from: from, at: r.boxParty, next: r.recorder.Transport(r.box.Transport)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// boxParty tells who answers at an address in the box.
func (r *labRun) boxParty(path string) Party {
	for _, one := range []struct {
		prefix string
		party  Party
	}{{"/azts/", AzTS}, {"/arm/", Azure}, {"/graph/", Graph}, {"/metadata/", Machine}, {"/msi/", Machine}, {"/federated/", Issuer}} {
		if strings.HasPrefix(path, one.prefix) {
			return one.party
		}
	}
	return Tenant
}

// portal returns the portal's own provider: the one of sign-in, at the box. slow
// is how far its clock is behind.
func (r *labRun) portal(slow time.Duration) (*entra.Provider, error) {
	if r.provider != nil {
		return r.provider, nil
	}
	provider, err := entra.NewProvider(entra.Options{Issuer: r.box.Issuer, ClientID: r.box.ClientID, Credential: entra.SecretCredential(r.box.ClientSecret),
		RedirectURL: r.callback(), Client: r.client(Portal), Now: func() time.Time { return r.clock.Now().Add(-slow) }, Log: slog.New(slog.DiscardHandler)})
	r.provider = provider
	return provider, err
}

func (r *labRun) callback() string { return r.box.Portal + "/auth/callback" }

// closeProvider waits for what the portal's provider still fetches.
func (r *labRun) closeProvider() {
	if r.provider != nil {
		endProvider(r.provider)
	}
}

// endProvider ends a provider that was made for one run.
func endProvider(p *entra.Provider) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	p.Run(ended)
}

// named says what the messages are that pass through it.
type named struct {
	flow func() Flow
	from Party
	at   func(path string) Party
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (n named) RoundTrip(sent *http.Request) (*http.Response, error) {
	to := n.at(sent.URL.Path)
	step, ok := stepOf(sent.Context())
	if !ok {
		step = n.step(sent, to)
	}
	step.From, step.To = string(n.from), string(to)
	return n.next.RoundTrip(sent.WithContext(trace.WithStep(sent.Context(), step)))
}

// step finds the message of the flow that a request is, by who says it to whom
// and by the last word of its address.
func (n named) step(sent *http.Request, to Party) trace.Step {
	path := strings.TrimSuffix(sent.URL.Path, "/")
	last := path[strings.LastIndexByte(path, '/')+1:]
	for _, m := range n.flow().Messages {
		if m.From == n.from && m.To == to && endsLike(m.V2, last) {
			return trace.Step{ID: m.ID, Name: m.Name}
		}
	}
	if step, ok := asides[last]; ok {
		return step
	}
	return trace.Step{Name: "Call"}
}

// asides are messages that go with many flows and are part of none, by the last
// word of their address.
var asides = map[string]trace.Step{
	"openid-configuration": {Name: "Metadata of the tenant", Note: "Where the tenant's endpoints are. An application asks seldom: it keeps the answer for a day at most."},
	"keys":                 {Name: "Signing keys", Note: "The tenant's public keys: with them anybody can check who signed a token. They are no secret."},
	"token":                {Name: "Token request"},
	"authorize":            {Name: "Authorization request"},
	"sign-in":              {Name: "The person answers the tenant's page"},
	"devicelogin":          {Name: "The person enters the code"},
}

// endsLike reports whether the address in the first line of an example ends with
// a word.
func endsLike(example, word string) bool {
	first, _, _ := strings.Cut(example, "\n")
	_, address, _ := strings.Cut(first, " ")
	address, _, _ = strings.Cut(address, "?")
	return strings.HasSuffix(address, "/"+word)
}

type stepKey struct{}

// current returns the flow that messages are part of now: none before it begins.
func (r *labRun) current() Flow {
	if r.before {
		return Flow{}
	}
	return r.flow
}

// as says which message of the flow the requests of a context are.
func (r *labRun) as(ctx context.Context, id string) context.Context {
	for _, m := range r.current().Messages {
		if m.ID == id {
			return context.WithValue(ctx, stepKey{}, trace.Step{ID: id, Name: m.Name})
		}
	}
	return ctx
}

// saying is as for a message that the catalogue does not have.
func saying(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, stepKey{}, trace.Step{Name: name})
}

func stepOf(ctx context.Context) (trace.Step, bool) {
	step, ok := ctx.Value(stepKey{}).(trace.Step)
	return step, ok
}

// readBody reads an answer and closes it.
func readBody(response *http.Response) ([]byte, error) {
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(io.LimitReader(response.Body, maxLabBody))
}
