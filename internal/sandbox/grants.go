package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// grantHandlers are the grants of the token endpoint by grant_type.
var grantHandlers = map[string]func(*tenant, *tokenRequest) (*tokenResponse, *protocolError){
	"authorization_code": (*tenant).redeemCode,
	"refresh_token":      (*tenant).redeemRefreshToken,
	"client_credentials": (*tenant).clientCredentials,
	deviceGrant:          (*tenant).redeemDeviceCode,
	deviceGrantV1:        (*tenant).redeemDeviceCode,
	onBehalfOfGrant:      (*tenant).onBehalfOf,
	"password":           (*tenant).redeemPassword,
}

// refreshTokenLifetime is how long a refresh token may lie unused
// (entra.md §4.3).
const refreshTokenLifetime = 90 * 24 * time.Hour

// refreshToken is what a refresh token stands for: a person at a client, not a
// resource.
type refreshToken struct {
	client  *application
	asked   scopeRequest // of the authorization request
	auth    authentication
	issued  time.Time
	revoked bool
}

// redeemCode exchanges an authorization code (RFC 6749 §4.1.3).
func (t *tenant) redeemCode(request *tokenRequest) (*tokenResponse, *protocolError) {
	sent := request.form.Get("code")
	if sent == "" {
		return nil, t.fail(900144, "code")
	}
	code, failed := t.takeCode(request, sent)
	if failed != nil {
		return nil, failed
	}
	asked, failed := t.askedAtToken(request, code.asked)
	if failed != nil {
		return nil, failed
	}
	if len(asked.targets) > 1 {
		if request.form.Has("scope") {
			return nil, t.fail(700022, request.form.Get("scope")) // several belong to authorize only
		}
		asked.targets = asked.targets[:1]
	}
	response, failed := t.issue(request, asked, code.auth, code.capable)
	if failed != nil {
		return nil, failed
	}
	if code.asked.wants("openid") {
		response.idToken = t.mintIDToken(idToken{app: request.app, auth: code.auth, scopes: code.asked.openID,
			nonce: code.nonce, version: code.version})
	}
	if code.asked.wants("offline_access") {
		response.refreshToken = t.putRefreshToken(request.app, code.asked, code.auth)
	}
	return response, nil
}

// takeCode checks a code against the request that brings it and uses it up. A
// code that is refused stays good: it was not the one who may redeem it that
// came.
func (t *tenant) takeCode(request *tokenRequest, sent string) (authorizationCode, *protocolError) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	code, there := t.codes.get(sent)
	switch {
	case !there:
		return authorizationCode{}, t.fail(70000, "the code is unknown")
	case code.client != request.app:
		return authorizationCode{}, t.fail(70000, "the code was issued to another client")
	case !request.at.multi() && request.at.tid != code.auth.tid:
		return authorizationCode{}, t.fail(700005)
	case code.used:
		return authorizationCode{}, t.fail(54005)
	case t.s.now().Sub(code.issued) > codeLifetime:
		return authorizationCode{}, t.fail(70008)
	case code.revoked:
		return authorizationCode{}, t.fail(50173)
	}
	redirect := request.form.Get("redirect_uri")
	if redirect != code.redirect && (code.given || redirect != "") {
		failed := t.fail(50011, redirect)
		failed.err = "invalid_grant" // RFC 6749 §5.2
		failed.status = 400
		return authorizationCode{}, failed
	}
	if failed := t.checkVerifier(code, request.form.Get("code_verifier")); failed != nil {
		return authorizationCode{}, failed
	}
	code.used = true
	return *code, nil
}

// checkVerifier is the second half of PKCE (RFC 7636 §4.6). A verifier without
// a challenge is refused too: somebody has stripped the challenge.
func (t *tenant) checkVerifier(code *authorizationCode, verifier string) *protocolError {
	if code.challenge == "" && verifier == "" {
		return nil
	}
	if verifier != "" && !validVerifier(verifier) {
		failed := t.fail(50147)
		failed.err = "invalid_grant"
		return failed
	}
	made := verifier
	if code.method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		made = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if code.challenge == "" || subtle.ConstantTimeCompare([]byte(made), []byte(code.challenge)) != 1 {
		return t.fail(501481)
	}
	return nil
}

// askedAtToken reads what a token request asks for; where it says nothing, what
// the authorization asked for holds.
func (t *tenant) askedAtToken(request *tokenRequest, before scopeRequest) (scopeRequest, *protocolError) {
	if request.version == 1 {
		resource := request.form.Get("resource")
		if resource == "" {
			return before, nil
		}
		one, failed := t.resourceTarget(resource)
		return scopeRequest{targets: []target{one}, openID: before.openID}, failed
	}
	if request.form.Has("resource") {
		return scopeRequest{}, t.fail(901002)
	}
	if scope := request.form.Get("scope"); scope != "" {
		return t.parseScopes(scope)
	}
	return before, nil
}

// issue mints the access token of a delegated grant for the first resource that
// is asked for, Graph if none is. The token carries all that the client was
// granted there, which may be more than was asked.
func (t *tenant) issue(request *tokenRequest, asked scopeRequest, auth authentication, capable bool) (*tokenResponse, *protocolError) {
	graph := t.app(GraphAppID)
	one := target{resource: graph, audience: graph.identifierURIs[0], scopes: asked.openID}
	if len(asked.targets) > 0 {
		one = asked.targets[0]
	}
	t.s.mu.Lock()
	granted := t.granted(auth.tid, request.app, one.resource, auth.oid)
	t.s.mu.Unlock()
	missing := len(granted) == 0
	for _, scope := range one.scopes {
		missing = missing || scope != defaultScope && !slices.Contains(granted, scope)
	}
	if missing {
		return nil, t.fail(65001, one.resource.name)
	}
	if _, on := t.s.faults.take("token.fewer_scopes"); on {
		granted = granted[:len(granted)-1]
	}
	bare := withoutOpenID(granted)
	response := &tokenResponse{lifetime: t.lifetime(), resource: one.audience, family: request.app.family,
		scope: scopeText(one.resource, one.audience, granted), scopeV1: strings.Join(bare, " ")}
	response.accessToken = t.mintAccessToken(accessToken{client: request.app, target: one, auth: auth,
		scopes: granted, proof: request.proof, capable: capable || asksCapability(request), lifetime: response.lifetime})
	if request.form.Get("client_info") == "1" {
		info, _ := json.Marshal(map[string]string{"uid": auth.person.homeID, "utid": auth.person.home}) // strings only
		response.clientInfo = base64.RawURLEncoding.EncodeToString(info)
	}
	return response, nil
}

func withoutOpenID(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(openIDScopes, s) })
}

// asksCapability says whether the claims of a token request announce cp1.
func asksCapability(request *tokenRequest) bool {
	demand, _ := parseClaims(request.form.Get("claims"))
	return demand.capable
}

// putRefreshToken makes a refresh token.
func (t *tenant) putRefreshToken(client *application, asked scopeRequest, auth authentication) string {
	token := "0." + randomText(240)
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.refresh.put(token, &refreshToken{client: client, asked: asked, auth: auth, issued: t.s.now()})
	return token
}

// challengeClaims is what a client is to authorize with when a refresh demands
// a second factor: a policy id that nobody but the tenant understands.
const challengeClaims = `{"access_token":{"polids":{"essential":true,"values":["4d20b7e9-6f31-4a8c-8b52-0c7e91d3fa64"]}}}`

// redeemRefreshToken exchanges a refresh token. It gives a new one; the old one
// stays good (entra.md §4.3).
func (t *tenant) redeemRefreshToken(request *tokenRequest) (*tokenResponse, *protocolError) {
	sent := request.form.Get("refresh_token")
	if sent == "" {
		return nil, t.fail(900144, "refresh_token")
	}
	if _, on := t.s.faults.take("refresh.revoked"); on {
		t.revoke(sent)
	}
	t.s.mu.Lock()
	token, there := t.refresh.get(sent)
	revoked := there && token.revoked
	t.s.mu.Unlock()
	switch {
	case !there:
		failed := t.fail(9002313)
		failed.err = "invalid_grant" // garbage in the place of a refresh token
		return nil, failed
	case token.client != request.app && !(token.client.family && request.app.family):
		failed := t.fail(70000, "the refresh token was issued to another client")
		failed.subError = "client_mismatch"
		return nil, failed
	case revoked:
		return nil, t.fail(50173)
	case t.s.now().Sub(token.issued) > refreshTokenLifetime:
		return nil, t.fail(700082)
	case token.auth.person.state == accountDisabled:
		return nil, t.fail(50057)
	}
	if _, on := t.s.faults.take("refresh.interaction_required"); on {
		failed := t.fail(50076, request.app.name)
		failed.claims = challengeClaims
		return nil, failed
	}
	asked, failed := t.askedAtToken(request, token.asked)
	if failed != nil {
		return nil, failed
	}
	response, failed := t.issue(request, asked, token.auth, false)
	if failed != nil {
		return nil, failed
	}
	if asked.wants("openid") {
		response.idToken = t.mintIDToken(idToken{app: request.app, auth: token.auth, scopes: asked.openID, version: request.version})
	}
	response.refreshToken = t.putRefreshToken(request.app, token.asked, token.auth)
	return response, nil
}

// revoke makes a refresh token worthless.
func (t *tenant) revoke(sent string) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if token, there := t.refresh.get(sent); there {
		token.revoked = true
	}
}

// clientCredentials gives an application a token of its own (entra.md §4.4).
// Without an assignment it has no roles; the resource must refuse it.
func (t *tenant) clientCredentials(request *tokenRequest) (*tokenResponse, *protocolError) {
	if request.at.multi() {
		return nil, t.fail(50059)
	}
	if request.app.public {
		return nil, t.fail(7000218)
	}
	var asked scopeRequest
	var failed *protocolError
	switch {
	case request.version == 1 && request.form.Get("resource") == "":
		return nil, t.fail(900144, "resource")
	case request.version == 2 && request.form.Get("scope") == "":
		return nil, t.fail(900144, "scope")
	}
	if asked, failed = t.askedAtToken(request, scopeRequest{}); failed != nil {
		return nil, failed
	}
	if len(asked.openID) > 0 || len(asked.targets) != 1 || !asked.targets[0].isDefault() {
		return nil, t.fail(70011, request.form.Get("scope")) // only <resource>/.default
	}
	one := asked.targets[0]
	var roles []string
	t.s.mu.Lock()
	for _, role := range one.resource.roles {
		if role.forApps && slices.Contains(role.assignedApps, request.app.appID) {
			roles = append(roles, role.value)
		}
	}
	t.s.mu.Unlock()
	response := &tokenResponse{lifetime: time.Hour - time.Second, resource: one.audience}
	response.accessToken = t.mintAccessToken(accessToken{client: request.app, target: one,
		auth: authentication{tid: request.at.tid, oid: request.app.objectID}, roles: roles, proof: request.proof,
		capable: asksCapability(request), lifetime: response.lifetime})
	return response, nil
}
