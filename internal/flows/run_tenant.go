package flows

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/trace"
)

// tenantLimit is how long our side of a run against the tenant may take.
const tenantLimit = 25 * time.Second

// TenantRuns runs flows against the configured tenant. All addresses come from the configuration and
// from the tenant's own metadata: nothing that a person sends aims a request.
type TenantRuns struct {
	// NewProvider returns the provider of sign-in once more, with another client,
	// clock and, where it is not "", another client id.
	NewProvider func(client *http.Client, now func() time.Time, clientID string) (*entra.Provider, error)
	Client      *http.Client
	MetadataURL string
	CallbackURL string
	Scopes      []string // of one resource, beside those of OpenID Connect; none: only sign-in can be run
	// More is a scope that people may consent to and that sign-in does not ask for;
	// "" for none.
	More string
	// DeviceClientID is a public client that people may use; "" for none.
	DeviceClientID string
	// Apps says that applications can be asked tokens for, by those who bring what
	// proves them.
	Apps bool
	// ManagedIdentity is this portal's own in Azure, as [entra.NewManagedIdentity]
	// takes it; "" for none. MachineClient reaches the machine's endpoint, by no
	// proxy.
	ManagedIdentity string
	MachineClient   *http.Client
	Now             func() time.Time
}

// Visit is what to send the browser to the tenant for.
type Visit struct {
	ResponseType string
	Scopes       []string
	Claims       string
}

// VisitFor returns the visit of a flow that a browser carries out; false where
// there is none.
func (t *TenantRuns) VisitFor(flow, failure string) (Visit, bool) {
	f, ok := Find(flow)
	if !ok || !f.Breaks(failure, InTenant) {
		return Visit{}, false
	}
	scopes := append(openID[:3:3], "offline_access")
	v := Visit{ResponseType: "code", Scopes: append(scopes, t.Scopes...)}
	switch flow {
	case "sign-in":
		return Visit{ResponseType: "id_token", Scopes: openID}, true
	case "hybrid":
		v.ResponseType = "code id_token"
	case "code-pkce", "refresh":
	case "incremental-consent":
		v.Scopes = append(scopes, t.More)
	case "step-up":
		v.Claims = stepUpClaims
	default:
		return Visit{}, false
	}
	return v, len(t.Scopes) > 0 && (flow != "incremental-consent" || t.More != "")
}

// Offers reports whether a flow can be run at a place: what is set up here decides.
func (t *TenantRuns) Offers(flow string, at Place) bool {
	f, ok := Find(flow)
	if !ok || !f.Runs(at) {
		return false
	}
	switch at {
	case InLab:
		return true
	case InAzure:
		return t.ManagedIdentity != ""
	}
	if f.Group == Service {
		return t.Apps
	}
	if _, ok := t.VisitFor(flow, ""); ok {
		return true
	}
	return flow == "device-code" && t.DeviceClientID != "" && len(t.Scopes) > 0
}

// stepUpClaims asks for a second factor (OpenID Connect Core §5.5.1.1).
const stepUpClaims = `{"id_token":{"amr":{"essential":true,"values":["mfa"]}}}`

// Visited is a visit that came back.
type Visited struct {
	Flow, Failure string
	StartedAt     time.Time
	Owner         access.User // who began it
	// Request is what the visit was begun with: all secrets of the browser.
	Request entra.Authorization
	Header  http.Header // of the request that brought the answer
	Form    url.Values  // the answer
	// Take uses up the visit of a state, as sign-in does.
	Take func(state string) error
}

// Finish checks the answer as sign-in does and redeems it by a client that
// records. The run keeps no token. Where any token that came is somebody else's,
// also one that was refused, there is no run but [ErrOtherAccount].
func (t *TenantRuns) Finish(ctx context.Context, v Visited) (*Run, error) {
	f, ok := Find(v.Flow)
	if !ok || !f.Breaks(v.Failure, InTenant) {
		return nil, errNotHere
	}
	ctx, cancel := context.WithTimeout(ctx, tenantLimit)
	defer cancel()
	run, recorder := t.begin(f, v.Failure, InTenant)
	for kind, value := range map[trace.Kind]string{trace.State: v.Request.State, trace.Nonce: v.Request.Nonce, trace.Verifier: v.Request.Verifier} {
		recorder.Secret(kind, value)
	}
	now, clientID := t.Now, ""
	switch v.Failure {
	case "clock-off":
		now = func() time.Time { return t.Now().Add(-tenMinutes) }
		run.changed = slowClock(now())
	case "foreign-audience":
		clientID = "00000000-0000-4000-8000-000000000000"
	}
	client := *t.Client
	client.Transport = t.recording(f, Portal, Tenant, recorder, transportOf(t.Client))
	provider, err := t.NewProvider(&client, now, clientID)
	if err != nil {
		return nil, err
	}
	defer endProvider(provider)
	address, err := provider.AuthorizationURL(ctx, v.Request)
	if err != nil {
		return nil, err
	}
	if clientID != "" { // what the browser sent was the portal's own
		if address, err = t.ownAddress(ctx, v.Request); err != nil {
			return nil, err
		}
	}
	recorder.Add(trace.Exchange{Step: stepIn(f, "authorize", Browser, Tenant), At: v.StartedAt, Method: http.MethodGet, URL: address})
	identity, err := t.judge(ctx, f, provider, recorder, run, v)
	run.finish(recorder, err)
	if identity != nil && identity.User.ID != v.Owner.ID || ofOther(run.Trace.Tokens, v.Owner) {
		return nil, ErrOtherAccount
	}
	return run, nil
}

// ErrOtherAccount says that another account was chosen at the tenant.
var ErrOtherAccount = errors.New("flows: another account than the owner's")

// ofOther reports whether a token names somebody else. Nothing of it is verified:
// it decides only what is not shown.
func ofOther(tokens []trace.Decoded, owner access.User) bool {
	for _, token := range tokens {
		claims := map[string]string{}
		for _, c := range token.Claims {
			var value string
			if json.Unmarshal([]byte(c.Value), &value) == nil {
				claims[c.Name] = value
			}
		}
		oid, tid, sub := claims["oid"], claims["tid"], claims["sub"]
		switch {
		case owner.ObjectID != "" && oid != "":
			if !strings.EqualFold(oid, owner.ObjectID) || tid != "" && !strings.EqualFold(tid, owner.TenantID) {
				return true
			}
		case token.Kind == trace.IDToken && sub != "" && sub != owner.Subject:
			return true
		}
	}
	return false
}

// ownAddress is the address that the browser was sent to.
func (t *TenantRuns) ownAddress(ctx context.Context, request entra.Authorization) (string, error) {
	provider, err := t.NewProvider(t.Client, t.Now, "")
	if err != nil {
		return "", err
	}
	defer endProvider(provider)
	return provider.AuthorizationURL(ctx, request)
}

var errNoRefreshToken = apperr.New(apperr.BadGateway, "refresh_token_missing", "The company sign-in gave no refresh token.").
	WithNext(apperr.MenderAdmin, "It gives one for the scope offline_access, and some only if the person is asked for consent. Look at what is allowed to this portal's registration.")

var errNoSecondFactor = apperr.New(apperr.Forbidden, "mfa_missing", "The ID token does not say that there was a second factor: its claim amr has no mfa.").
	WithNext(apperr.MenderAdmin, "Entra puts amr into ID tokens only where the registration lists it as an optional claim; and a policy, or the demand, has to ask for a second factor.")

// judge is the portal's part of a visit.
func (t *TenantRuns) judge(ctx context.Context, f Flow, provider *entra.Provider, recorder *trace.Recorder, run *Run, v Visited) (*entra.Identity, error) {
	form := url.Values{}
	for name, values := range v.Form {
		form[name] = slices.Clone(values)
	}
	switch v.Failure {
	case "wrong-state":
		form.Set("state", otherState(form.Get("state")))
		recorder.Secret(trace.State, form.Get("state"))
	case "tampered-signature":
		form.Set("id_token", tampered(form.Get("id_token")))
		recorder.Secret(trace.IDToken, form.Get("id_token"))
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for _, name := range []string{"Origin", "User-Agent"} {
		if value := v.Header.Get(name); value != "" {
			header.Set(name, value)
		}
	}
	x := trace.Exchange{Step: stepIn(f, "answer", Browser, Portal), At: t.Now(), Method: http.MethodPost, URL: t.CallbackURL, Header: header, Body: []byte(form.Encode()),
		Status: http.StatusSeeOther}
	if f.ID == "refresh" {
		x.Step = trace.Step{From: string(Browser), To: string(Portal), Name: "Answer"}
	}
	answer, err := entra.ParseAnswer(form)
	if err == nil {
		err = v.Take(answer.State)
	}
	if err == nil && answer.Error.OAuthError != "" {
		err = entra.ParseError(answer.Error)
	}
	if err != nil && refusalOf(err).By == Portal {
		x.Status = http.StatusForbidden
	}
	recorder.Add(x)
	if err != nil {
		return nil, err
	}
	pending := entra.Pending{ResponseType: v.Request.ResponseType, Nonce: v.Request.Nonce, Verifier: v.Request.Verifier, Scopes: v.Request.Scopes}
	switch v.Failure {
	case "other-nonce":
		pending.Nonce = newID()
		recorder.Secret(trace.Nonce, pending.Nonce)
		run.changed = "The portal expected the nonce " + pending.Nonce + ": that is what was changed."
	case "wrong-verifier":
		pending.Verifier = strings.Repeat("x", 43)
		recorder.Secret(trace.Verifier, pending.Verifier)
	}
	redeem := context.WithValue(ctx, stepKey{}, stepIn(f, "token", Portal, Tenant))
	if f.ID == "refresh" {
		redeem = saying(ctx, "Token request with the code")
	}
	identity, err := provider.Redeem(redeem, answer, pending)
	if err != nil {
		return nil, err
	}
	if f.ID == "step-up" && !slices.Contains(identity.User.AMR, "mfa") {
		return identity, refusedBy(Portal, errNoSecondFactor)
	}
	if f.ID == "refresh" {
		if identity.Tokens == nil || identity.Tokens.RefreshToken == "" {
			return identity, refusedBy(Tenant, errNoRefreshToken)
		}
		ctx = context.WithValue(ctx, stepKey{}, stepIn(f, "token", Portal, Tenant))
		_, err = provider.Refresh(ctx, identity.Tokens.RefreshToken, t.Scopes, "")
	}
	return identity, err
}

// stepIn is a message of a flow, by its id.
func stepIn(f Flow, id string, from, to Party) trace.Step {
	step := trace.Step{From: string(from), To: string(to), Name: map[string]string{"authorize": "Authorization request", "answer": "Answer", "token": "Token request"}[id]}
	for _, m := range f.Messages {
		if m.ID == id {
			step.ID, step.Name = m.ID, m.Name
		}
	}
	return step
}

func transportOf(c *http.Client) http.RoundTripper {
	if c.Transport == nil {
		return http.DefaultTransport
	}
	return c.Transport
}

var errNoDevice = errors.New("flows: the tenant names no place to begin a device sign-in")

// deviceEndpoints reads where a device sign-in begins and goes on. Both must be at
// the host that the metadata is at: it is the configured one.
func deviceEndpoints(metadataURL, device, token string) error {
	home, err := url.Parse(metadataURL)
	if err != nil {
		return err
	}
	for _, endpoint := range []string{device, token} {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != home.Scheme || u.Host != home.Host || u.User != nil {
			return errNoDevice
		}
	}
	return nil
}
