package flows

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/trace"
)

// labScripts carry the flows of the catalogue out. A script returns why the flow
// did not go through; what was said is in the recorder.
var labScripts = map[string]func(*labRun, context.Context) error{
	"sign-in": (*labRun).signIn, "hybrid": (*labRun).hybrid, "step-up": (*labRun).stepUp,
	"code": (*labRun).code, "code-pkce": (*labRun).codePKCE, "incremental-consent": (*labRun).incrementalConsent,
	"admin-consent": (*labRun).adminConsent, "refresh": (*labRun).refresh, "device-code": (*labRun).deviceCode,
	"on-behalf-of": (*labRun).onBehalfOf, "custom-api": (*labRun).customAPI,
	"client-credentials-secret": (*labRun).clientSecret, "client-credentials-certificate": (*labRun).clientCertificate,
	"client-credentials-federated": (*labRun).clientFederated, "managed-identity": (*labRun).managedIdentity,
	"sign-out": (*labRun).signOut, "implicit": (*labRun).implicit, "password": (*labRun).password,
}

var openID = []string{"openid", "profile", "email"}

// signInScopes are what a portal's sign-in asks for.
func (r *labRun) signInScopes() []string {
	return append(openID[:3:3], "offline_access", r.box.AzTSScope)
}

func (r *labRun) signIn(ctx context.Context) error {
	_, err := r.authenticate(ctx, "id_token", openID)
	return err
}

func (r *labRun) hybrid(ctx context.Context) error {
	identity, err := r.authenticate(ctx, "code id_token", r.signInScopes())
	if err != nil {
		return err
	}
	return r.callAzTS(r.as(ctx, "call"), Portal, identity.Tokens.AccessToken)
}

// codePKCE is a sign-in without an ID token in front.
func (r *labRun) codePKCE(ctx context.Context) error {
	identity, err := r.authenticate(ctx, "code", r.signInScopes())
	if err != nil {
		return err
	}
	return r.callAzTS(r.as(ctx, "call"), Portal, identity.Tokens.AccessToken)
}

// authenticate is a visit whose answer the portal's sign-in checks, broken as the
// run says.
func (r *labRun) authenticate(ctx context.Context, responseType string, scopes []string) (*entra.Identity, error) {
	if fault := map[string]string{"other-nonce": "id_token.wrong_nonce", "foreign-audience": "id_token.wrong_aud", "expired-token": "id_token.expired"}[r.failure]; fault != "" {
		r.box.Break(fault, "")
	}
	if r.breaks("clock-off") {
		if _, err := r.portal(tenMinutes); err != nil {
			return nil, err
		}
		r.changed = slowClock(r.clock.Now().Add(-tenMinutes))
	}
	params := map[string]string{}
	if r.breaks("unregistered-redirect") {
		params["redirect_uri"] = r.box.Portal + "/elsewhere"
	}
	asked := scopes
	if r.breaks("missing-consent") {
		if err := r.signInBefore(ctx); err != nil {
			return nil, err
		}
		asked, params["prompt"] = []string{"openid", r.box.InventoryScope}, "none"
	}
	answer, pending, err := r.visit(ctx, entra.Authorization{ResponseType: responseType, Scopes: asked}, params, func(answer url.Values) {
		switch {
		case r.breaks("wrong-state"):
			answer.Set("state", otherState(answer.Get("state")))
		case r.breaks("tampered-signature"):
			answer.Set("id_token", tampered(answer.Get("id_token")))
		}
	})
	if err != nil {
		return nil, err
	}
	pending.Scopes = scopes
	switch {
	case r.breaks("wrong-verifier"):
		pending.Verifier = strings.Repeat("x", 43)
		r.recorder.Secret(trace.Verifier, pending.Verifier)
	case r.breaks("two-resources"):
		pending.Scopes = append(scopes[:len(scopes):len(scopes)], r.box.ARMScope)
	}
	provider, err := r.portal(0)
	if err != nil {
		return nil, err
	}
	identity, err := provider.Redeem(r.as(ctx, "token"), answer, pending)
	if err == nil && r.breaks("used-code") {
		_, err = provider.Redeem(r.as(ctx, "token"), answer, pending)
	}
	return identity, err
}

// signInBefore has the person sign in at the tenant, so that it can answer later
// without a page of its own.
func (r *labRun) signInBefore(ctx context.Context) error {
	_, err := r.authenticateAs(ctx, r.box.Employee, "")
	return err
}

// code is the authorization code without PKCE, by query. The portal never does it.
func (r *labRun) code(ctx context.Context) error {
	params := map[string]string{"code_challenge": "", "code_challenge_method": "", "response_mode": "query"}
	scopes := r.signInScopes()
	switch {
	case r.breaks("unregistered-redirect"):
		params["redirect_uri"] = r.box.Portal + "/elsewhere"
	case r.breaks("missing-consent"):
		if err := r.signInBefore(ctx); err != nil {
			return err
		}
		scopes, params["prompt"] = []string{"openid", r.box.InventoryScope}, "none"
	}
	answer, _, err := r.visit(ctx, entra.Authorization{ResponseType: "code", Scopes: scopes}, params, r.spoilState)
	if err != nil {
		return err
	}
	scope := r.box.AzTSScope + " offline_access"
	if r.breaks("two-resources") {
		scope += " " + r.box.ARMScope
	}
	form := formOf("grant_type", "authorization_code", "client_id", r.box.ClientID, "client_secret", r.box.ClientSecret, "code", answer.Code,
		"redirect_uri", r.callback(), "scope", scope)
	tokens, err := r.post(ctx, Portal, "token", form)
	if err == nil && r.breaks("used-code") {
		_, err = r.post(ctx, Portal, "token", form)
	}
	if err != nil {
		return err
	}
	return r.callAzTS(r.as(ctx, "call"), Portal, tokens.AccessToken)
}

// spoilState changes the state of an answer if that is what the run is to show.
func (r *labRun) spoilState(answer url.Values) {
	if r.breaks("wrong-state") {
		answer.Set("state", otherState(answer.Get("state")))
	}
}

// otherState returns a state of the same form that nobody sent.
func otherState(state string) string {
	if strings.HasPrefix(state, "x") {
		return "y" + state[1:]
	}
	return "x" + state[min(1, len(state)):]
}

// stepUp is a call that is answered by a demand for more proof, and the visit that
// brings it.
func (r *labRun) stepUp(ctx context.Context) error {
	first, err := r.authenticateAs(ctx, r.box.Employee, "")
	if err != nil {
		return err
	}
	r.box.Break("azts.claims_challenge", "")
	err = r.callAzTS(r.as(ctx, "call"), Portal, first.Tokens.AccessToken)
	var demand *challenged
	if !errors.As(err, &demand) {
		return errors.Join(errors.New("flows: AzTS demands nothing"), err)
	}
	request := entra.Authorization{ResponseType: "code", Scopes: r.signInScopes(), Claims: demand.claims}
	if r.breaks("no-mfa") {
		request.Prompt = "none" // so that the tenant cannot ask
	}
	answer, pending, err := r.visit(ctx, request, nil, r.spoilState)
	if err != nil {
		return err
	}
	provider, err := r.portal(0)
	if err != nil {
		return err
	}
	identity, err := provider.Redeem(r.as(ctx, "token"), answer, pending)
	if err != nil {
		return err
	}
	return r.callAzTS(r.as(ctx, "again"), Portal, identity.Tokens.AccessToken)
}

// authenticateAs is a sign-in that goes well, before what a run is about.
func (r *labRun) authenticateAs(ctx context.Context, person LabPerson, prompt string) (*entra.Identity, error) {
	failure := r.failure
	r.failure, r.person, r.before = "", person, true
	defer func() { r.failure, r.before = failure, false }()
	answer, pending, err := r.visit(ctx, entra.Authorization{ResponseType: "code", Scopes: r.signInScopes(), Prompt: prompt}, nil, nil)
	if err != nil {
		return nil, err
	}
	provider, err := r.portal(0)
	if err != nil {
		return nil, err
	}
	return provider.Redeem(ctx, answer, pending)
}
