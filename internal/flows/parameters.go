package flows

import "slices"

// Parameters that several messages share (entra.md §2.1, §4).
var (
	pClient       = Parameter{"client_id", Required, Required, "Who asks: the application's id in the tenant."}
	pRedirect     = Parameter{"redirect_uri", Recommended, Recommended, "Where the answer goes. It must be registered, letter by letter; left out, the tenant picks a registered one."}
	pState        = Parameter{"state", Recommended, Recommended, "A secret of this browser that comes back with the answer: an answer that nobody asked for has none."}
	pNonce        = Parameter{"nonce", Required, Required, "A secret that comes back inside the ID token: a token from another sign-in has another."}
	pChallenge    = Parameter{"code_challenge", Optional, Recommended, "The SHA-256 of the code verifier, as base64url without padding. Single-page applications must send it."}
	pMethod       = Parameter{"code_challenge_method", Optional, Recommended, "S256. Left out, the tenant takes the challenge for the verifier itself (plain)."}
	pLoginHint    = Parameter{"login_hint", Optional, Optional, "The account to offer, so that nobody has to pick."}
	pDomainHint   = Parameter{"domain_hint", Optional, Optional, "contoso.com, organizations or consumers: leads straight to that organization's sign-in."}
	pClaims       = Parameter{"claims", Optional, Optional, "What the token must prove, as JSON: the answer to a claims challenge."}
	pMaxAge       = Parameter{"max_age", Optional, Optional, "How many seconds ago the person may have signed in. Check auth_time as well."}
	pResource     = Parameter{"resource", Recommended, Absent, "The API that the token is for, by its App ID URI. v2 names it inside scope and refuses this one (901002)."}
	pClientSecret = Parameter{"client_secret", Optional, Optional, "The password of a confidential application, URL-encoded. A certificate's assertion may stand in its place."}
	pVerifier     = Parameter{"code_verifier", Optional, Recommended, "43 to 128 characters that only this client knows: whoever stole the code has not got them. Required when a challenge was sent."}
)

// authorize returns the parameters of an authorization request. responseType and
// mode are what this flow sends, scope what it means there.
func authorize(responseType, mode, scope string, without ...string) []Parameter {
	list := []Parameter{pClient,
		{"response_type", Required, Required, responseType},
		{"scope", Optional, Required, scope},
		pResource, pRedirect,
		{"response_mode", Optional, Optional, mode},
		pState, pNonce,
		{"prompt", Optional, Optional, "none (no page at all), login (sign in again), select_account, or consent. v1 also knows admin_consent."},
		pLoginHint, pDomainHint, pChallenge, pMethod, pClaims, pMaxAge}
	return slices.DeleteFunc(list, func(p Parameter) bool { return slices.Contains(without, p.Name) })
}

// grant returns the parameters of a token request.
func grant(kind string, more ...Parameter) []Parameter {
	return append([]Parameter{{"grant_type", Required, Required, kind}, pClient}, more...)
}

// scopeAtToken is scope where one resource is chosen.
var scopeAtToken = Parameter{"scope", Absent, Recommended, "What of one API: its App ID URI and a scope. Several APIs in one request: the first wins, or the request is refused (700022)."}

// assertion are the parameters of a client that proves itself by a signed token.
var assertion = []Parameter{
	{"client_assertion_type", Required, Required, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer."},
	{"client_assertion", Required, Required, "A short-lived token, signed by the application itself or by an issuer that it trusts."},
}

var apiCall = Parameter{"Authorization", Required, Required, "Bearer and the access token. Its audience must be this API: a token for another one is refused with 401."}
