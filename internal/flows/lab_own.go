package flows

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/trace"
)

// incrementalConsent asks for one scope more than was consented to at sign-in.
func (r *labRun) incrementalConsent(ctx context.Context) error {
	first, err := r.authenticateAs(ctx, r.box.Employee, "")
	if err != nil {
		return err
	}
	provider, err := r.portal(0)
	if err != nil {
		return err
	}
	more := r.box.InventoryScope
	_, err = provider.Refresh(r.as(ctx, "silent"), first.Tokens.RefreshToken, []string{more}, "")
	if err == nil {
		return errors.New("flows: nobody had to be asked")
	}
	if !apperr.HasCode(err, "AADSTS65001") {
		return err
	}
	request := entra.Authorization{ResponseType: "code", Scopes: []string{"openid", "profile", "offline_access", more}}
	r.declines = r.breaks("missing-consent")
	answer, pending, err := r.visit(ctx, request, nil, r.spoilState)
	if err != nil {
		return err
	}
	if r.breaks("two-resources") {
		pending.Scopes = append(pending.Scopes, r.box.AzTSScope)
	}
	_, err = provider.Redeem(r.as(ctx, "token"), answer, pending)
	return err
}

// adminConsent has an administrator agree for everybody; the grant is read back.
func (r *labRun) adminConsent(ctx context.Context) error {
	state, _, _, err := r.lab.visits.Begin(r.browserJar())
	if err != nil {
		return err
	}
	r.recorder.Secret(trace.State, state)
	r.person, r.declines = r.box.Admin, r.breaks("missing-consent")
	provider, err := r.portal(0)
	if err != nil {
		return err
	}
	redirect := r.box.Portal + "/auth/admin-consent"
	address, err := provider.AdminConsentURL(ctx, entra.AdminConsent{Tenant: r.box.TenantID, Scopes: []string{r.box.AzTSScope}, RedirectURL: redirect, State: state})
	if err != nil {
		return err
	}
	rest, err := r.browse(r.as(ctx, "consent"), address)
	if err != nil {
		return err
	}
	r.spoilState(rest.answer)
	rest.url = rest.at.String() + "?" + rest.answer.Encode()
	err = r.deliver(ctx, rest, func() error {
		if err := r.lab.visits.Take(ctx, r.browserJar(), rest.answer.Get("state")); err != nil {
			return err
		}
		if rest.answer.Get("error") != "" {
			return entra.ParseError(entra.ProviderError{OAuthError: rest.answer.Get("error"), Description: rest.answer.Get("error_description"), Subcode: rest.answer.Get("error_subcode")})
		}
		return entra.ParseAdminConsent(rest.answer)
	})
	if err != nil {
		return err
	}
	// Only an administrator may read what has been granted.
	read, err := r.graphToken(ctx)
	if err != nil {
		return err
	}
	filter := url.Values{"$filter": {"consentType eq 'AllPrincipals'"}}
	return r.call(r.as(ctx, "read"), Portal, http.MethodGet, r.box.GraphURL+"/oauth2PermissionGrants?"+strings.ReplaceAll(filter.Encode(), "+", "%20"), read, "")
}

// graphToken gets the administrator a token that reads grants.
func (r *labRun) graphToken(ctx context.Context) (string, error) {
	answer, pending, err := r.visit(ctx, entra.Authorization{ResponseType: "code", Scopes: []string{"openid", "profile", r.box.GraphBase + "/Directory.Read.All"}}, nil, nil)
	if err != nil {
		return "", err
	}
	provider, err := r.portal(0)
	if err != nil {
		return "", err
	}
	identity, err := provider.Redeem(ctx, answer, pending)
	if err != nil {
		return "", err
	}
	return identity.Tokens.AccessToken, nil
}

func (r *labRun) refresh(ctx context.Context) error {
	first, err := r.authenticateAs(ctx, r.box.Employee, "")
	if err != nil {
		return err
	}
	provider, err := r.portal(0)
	if err != nil {
		return err
	}
	scopes := []string{r.box.AzTSScope}
	switch {
	case r.breaks("missing-consent"):
		scopes = []string{r.box.InventoryScope}
	case r.breaks("no-mfa"):
		r.box.Break("refresh.interaction_required", "50076")
	}
	tokens, err := provider.Refresh(r.as(ctx, "token"), first.Tokens.RefreshToken, scopes, "")
	if err != nil {
		return err
	}
	return r.callAzTS(r.as(ctx, "call"), Portal, tokens.AccessToken)
}

// deviceCode plays both: the script that waits, and the person at another device.
func (r *labRun) deviceCode(ctx context.Context) error {
	client, scope := r.box.CLIClientID, "openid offline_access "+r.box.AzTSScope
	if r.breaks("missing-consent") {
		client, scope = r.box.StrangeClientID, "openid offline_access "+r.box.InventoryScope
	}
	begun, err := r.post(r.as(ctx, "device"), Script, "devicecode", formOf("client_id", client, "scope", scope))
	if err != nil {
		return err
	}
	poll := func() (answered, error) {
		// The answer said how long to wait; the lab's clock is put forward instead.
		if interval := begun.Interval; interval > 0 {
			r.clock.pass(seconds(interval))
		}
		return r.post(r.as(ctx, "poll"), Script, "token", formOf("grant_type", deviceGrant, "client_id", client, "device_code", begun.DeviceCode))
	}
	if _, err := poll(); !pendingDevice(err) {
		return errors.Join(errors.New("flows: the tenant does not wait for the person"), err)
	}
	r.declines = r.breaks("missing-consent")
	if err := r.enterCode(ctx, begun.UserCode); err != nil {
		return err
	}
	tokens, err := poll()
	if err != nil {
		return err
	}
	return r.callAzTS(r.as(ctx, "call"), Script, tokens.AccessToken)
}

// enterCode is the person at the other device.
func (r *labRun) enterCode(ctx context.Context, code string) error {
	request, err := formRequest(r.as(ctx, "enter"), r.box.Origin+"/devicelogin", formOf("otc", code))
	if err != nil {
		return err
	}
	if _, err = r.walk(ctx, Device, request); err != nil && !errors.Is(err, errEndOfPages) {
		return err
	}
	return nil
}

// onBehalfOf is the chain from the portal by AzTS to Azure.
func (r *labRun) onBehalfOf(ctx context.Context) error {
	switch {
	case r.breaks("foreign-audience"):
		r.box.Break("access_token.wrong_aud", "")
	case r.breaks("expired-token"):
		r.box.Break("access_token.expired", "")
	}
	first, err := r.authenticateAs(ctx, r.box.Employee, "")
	if err != nil {
		return err
	}
	token := first.Tokens.AccessToken
	if r.breaks("tampered-signature") {
		token = tampered(token)
		r.recorder.Secret(trace.AccessToken, token)
	}
	if err := r.callAzTS(r.as(ctx, "call"), Portal, token); err != nil {
		return err
	}
	scope := allOf(r.box.ARMScope)
	switch {
	case r.breaks("missing-consent"):
		scope = r.box.InventoryScope
	case r.breaks("no-mfa"):
		r.box.Break("obo.interaction_required", "50076")
	}
	next, err := r.post(r.as(ctx, "exchange"), AzTS, "token", formOf("grant_type", onBehalfOfGrant, "requested_token_use", "on_behalf_of",
		"assertion", token, "client_id", r.box.AzTSClientID, "client_secret", r.box.AzTSClientSecret, "scope", scope))
	if err != nil {
		return err
	}
	return r.call(r.as(ctx, "next"), AzTS, http.MethodGet, r.box.ARMURL+"/subscriptions?api-version=2022-12-01", next.AccessToken, "")
}

// toolRedirect is where a tool on the person's machine waits for its answer.
const toolRedirect = "http://localhost:8400"

// customAPI plays the Azure CLI, which is preauthorized at an API of the company.
func (r *labRun) customAPI(ctx context.Context) error {
	client := r.box.CLIClientID
	state, nonce, verifier, err := r.lab.visits.Begin(r.browserJar())
	if err != nil {
		return err
	}
	for kind, value := range map[trace.Kind]string{trace.State: state, trace.Nonce: nonce, trace.Verifier: verifier} {
		r.recorder.Secret(kind, value)
	}
	query := formOf("client_id", client, "response_type", "code", "redirect_uri", toolRedirect, "scope", "openid offline_access "+r.box.InventoryScope,
		"state", state, "code_challenge", challengeOf(verifier), "code_challenge_method", "S256")
	if r.breaks("missing-consent") {
		// A tool that is not preauthorized, and may show no page to ask by.
		if err := r.signInBefore(ctx); err != nil {
			return err
		}
		query.Set("client_id", r.box.StrangeClientID)
		query.Set("prompt", "none")
	}
	rest, err := r.browse(r.as(ctx, "authorize"), r.authorizeURL(query))
	if err != nil {
		return err
	}
	if rest.answer.Get("error") != "" {
		return entra.ParseError(entra.ProviderError{OAuthError: rest.answer.Get("error"), Description: rest.answer.Get("error_description")})
	}
	scope := r.box.InventoryScope
	switch {
	case r.breaks("two-resources"):
		scope += " " + r.box.ARMScope
	case r.breaks("wrong-verifier"):
		verifier = strings.Repeat("x", 43)
		r.recorder.Secret(trace.Verifier, verifier)
	}
	_, err = r.post(r.as(ctx, "token"), Script, "token", formOf("grant_type", "authorization_code", "client_id", client, "code", rest.answer.Get("code"),
		"redirect_uri", toolRedirect, "code_verifier", verifier, "scope", scope))
	return err
}

func (r *labRun) authorizeURL(query url.Values) string {
	return r.box.Origin + "/" + r.box.TenantID + "/oauth2/v2.0/authorize?" + query.Encode()
}

// password is the grant that should not be: it fails wherever a second factor is
// the rule.
func (r *labRun) password(ctx context.Context) error {
	person, scope := r.box.Employee, r.box.AzTSScope
	switch {
	case r.breaks("no-mfa"):
		person = r.box.Careful
	case r.breaks("missing-consent"):
		scope = strings.TrimSuffix(r.box.InventoryScope, "Items.Read") + "Items.ReadWrite"
	}
	tokens, err := r.post(r.as(ctx, "token"), Script, "token", formOf("grant_type", "password", "client_id", r.box.CLIClientID, "username", person.Account,
		"password", r.box.Password, "scope", scope))
	if err != nil {
		return err
	}
	return r.callAzTS(saying(ctx, "Call of the API"), Script, tokens.AccessToken)
}

// implicit gets tokens in the address.
func (r *labRun) implicit(ctx context.Context) error {
	state, nonce, _, err := r.lab.visits.Begin(r.browserJar())
	if err != nil {
		return err
	}
	r.recorder.Secret(trace.State, state)
	r.recorder.Secret(trace.Nonce, nonce)
	query := formOf("client_id", r.box.LegacyClientID, "response_type", "id_token token", "response_mode", "fragment", "redirect_uri", r.box.LegacyRedirect,
		"scope", "openid "+r.box.AzTSScope, "state", state, "nonce", nonce)
	if r.breaks("unregistered-redirect") {
		query.Set("redirect_uri", r.box.LegacyRedirect+"/elsewhere")
	}
	rest, err := r.browse(r.as(ctx, "authorize"), r.authorizeURL(query))
	if err != nil {
		return err
	}
	r.spoilState(rest.answer)
	step, _ := stepOf(r.as(ctx, "answer"))
	step.From, step.To = string(Tenant), string(Browser)
	r.recorder.Add(trace.Exchange{Step: step, At: r.lab.now(), Method: http.MethodGet, URL: rest.at.String() + "#" + rest.answer.Encode()})
	if err := r.lab.visits.Take(ctx, r.browserJar(), rest.answer.Get("state")); err != nil {
		refusal := refusalOf(err)
		return &Refusal{By: Browser, Code: refusal.Code, Text: refusal.Text} // the script in the page plays the application
	}
	if rest.answer.Get("error") != "" {
		return entra.ParseError(entra.ProviderError{OAuthError: rest.answer.Get("error"), Description: rest.answer.Get("error_description")})
	}
	token := rest.answer.Get("access_token")
	if r.breaks("tampered-signature") {
		token = tampered(token)
		r.recorder.Secret(trace.AccessToken, token)
	}
	return r.callAzTS(r.as(ctx, "call"), Browser, token)
}
