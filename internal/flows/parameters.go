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
	pPrompt       = Parameter{"prompt", Optional, Optional, "none (no page at all), login (sign in again), select_account, or consent. v1 also knows admin_consent."}
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
		{"response_type", Required, Required, responseType + ": what the browser shall bring."},
		{"scope", Optional, Required, scope},
		pResource, pRedirect,
		{"response_mode", Optional, Optional, mode},
		pState, pNonce,
		pPrompt, pLoginHint, pDomainHint, pChallenge, pMethod, pClaims, pMaxAge}
	return slices.DeleteFunc(list, func(p Parameter) bool { return slices.Contains(without, p.Name) })
}

// grant returns the parameters of a token request.
func grant(kind string, more ...Parameter) []Parameter {
	return append([]Parameter{{"grant_type", Required, Required, kind + ": " + grants[kind]}, pClient}, more...)
}

// grants are the grant types in words.
var grants = map[string]string{
	"authorization_code": "a code from the browser is redeemed.",
	"refresh_token":      "a refresh token is redeemed.",
	"client_credentials": "an application asks in its own name.",
	"password":           "a name and a password are sent.",
	deviceGrant:          "a device asks whether its person is done.",
	onBehalfOfGrant:      "a token that came in is exchanged for the next API's.",
}

// everywhere are parameters in words that fit in every message: those of the
// requests, of the answers that a browser carries (entra.md §2.4, §7.1), and of the
// pages of a tenant.
var everywhere = func() map[string]string {
	words := map[string]string{
		"response_type":         "What the browser shall bring: a code, an ID token, or both.",
		"response_mode":         "How it brings it: by form_post, in the query, or in the fragment.",
		"scope":                 "What is asked for: permissions of an API, and openid, profile, email, offline_access.",
		"code":                  "Stands for tokens: good once, for about ten minutes, and only with the application's own proof.",
		"id_token":              "Who signed in, signed by the tenant.",
		"access_token":          "What opens an API, and nothing else.",
		"refresh_token":         "Gets new access tokens without the person.",
		"session_state":         "The session at the tenant; single sign-out names it as sid.",
		"sid":                   "The session that ends.",
		"error":                 "The tenant refuses: the reason as one word.",
		"error_description":     "The reason in words, with its number and the ids for the logs.",
		"error_uri":             "A page about that number.",
		"error_subcode":         "More about the reason: cancel means that the person turned back.",
		"admin_consent":         "True also when it was refused: it proves nothing.",
		"tenant":                "The tenant that is said to have agreed: anybody could have written it.",
		"token_type":            "Bearer: whoever has the token can use it.",
		"expires_in":            "For how many seconds the token is good.",
		"grant_type":            "What is brought in exchange for a token.",
		"requested_token_use":   "on_behalf_of: the person stays the same.",
		"assertion":             "The token that came in.",
		"client_assertion":      "A short-lived token, signed by the application or by an issuer that it trusts.",
		"client_assertion_type": "What kind of proof it is.",
		"device_code":           "The long code, which only the script knows.",
		"username":              "The account.",
		"password":              "The person's password, in the hands of a program.",
		"api-version":           "The version of the machine's endpoint.",

		"post_logout_redirect_uri": "Where to come back to.",
		"logout_hint":              "Whose session ends, so that nobody has to pick.",
		"id_token_hint":            "The ID token of the session that ends.",
		"account":                  "The account that the person picked.",
		"action":                   "The button that the person pressed.",
		"otc":                      "The short code that the person entered.",
		"interaction":              "The tenant's own name for this visit.",
		"$filter":                  "Which of the entries are wanted.",
	}
	for _, p := range []Parameter{pClient, pRedirect, pState, pNonce, pChallenge, pMethod, pLoginHint, pDomainHint, pClaims, pMaxAge, pPrompt, pResource, pClientSecret, pVerifier} {
		words[p.Name] = p.Meaning
	}
	return words
}()

// scopeAtToken is scope where one resource is chosen.
var scopeAtToken = Parameter{"scope", Absent, Recommended, "What of one API: its App ID URI and a scope. Several APIs in one request: the first wins, or the request is refused (700022)."}

// assertion are the parameters of a client that proves itself by a signed token.
var assertion = []Parameter{
	{"client_assertion_type", Required, Required, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer."},
	{"client_assertion", Required, Required, "A short-lived token, signed by the application itself or by an issuer that it trusts."},
}

var apiCall = Parameter{"Authorization", Required, Required, "Bearer and the access token. Its audience must be this API: a token for another one is refused with 401."}
