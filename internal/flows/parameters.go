package flows

import (
	"slices"
	"strings"
)

// Parameters that several messages share (entra.md §2.1, §4).
var (
	pClient     = Parameter{"client_id", Required, Required, "Who asks: the application's id in the tenant."}
	pRedirect   = Parameter{"redirect_uri", Recommended, Recommended, "Where the answer goes. It must be registered, letter by letter; left out, the tenant picks a registered one."}
	pState      = Parameter{"state", Recommended, Recommended, "A secret of this browser that comes back with the answer: an answer that nobody asked for has none."}
	pNonce      = Parameter{"nonce", Required, Required, "A secret that comes back inside the ID token: a token from another sign-in has another."}
	pLaterNonce = Parameter{"nonce", Optional, Optional, "A secret that comes back inside the ID token, if openid is asked for."}
	pChallenge  = Parameter{"code_challenge", Optional, Recommended, "The SHA-256 of the code verifier, as base64url without padding: the lock of PKCE (proof key for code exchange). Single-page applications must send it."}
	pMethod     = Parameter{"code_challenge_method", Optional, Recommended, "S256. Left out, the tenant takes the challenge for the verifier itself (plain)."}
	pPrompt     = Parameter{"prompt", Optional, Optional, "none (no page at all), login (sign in again), select_account, or consent. v1 also knows admin_consent."}
	pLoginHint  = Parameter{"login_hint", Optional, Optional, "The account to offer, so that nobody has to pick."}
	pDomainHint = Parameter{"domain_hint", Optional, Optional, "contoso.com, organizations or consumers: leads straight to that organization's sign-in."}
	pClaims     = Parameter{"claims", Optional, Optional, "What the token must prove, as JSON: the answer to a claims challenge; or what the client can do: xms_cc with cp1."}
	pMaxAge     = Parameter{"max_age", Optional, Optional, "How many seconds ago the person may have signed in. Check auth_time as well."}
	pClientInfo = Parameter{"client_info", Optional, Optional, "1 brings client_info in the answer: whose token it is, for a cache. It proves nothing."}

	pResource        = Parameter{"resource", Recommended, Absent, resourceMeans + " Needed here or in the token request; if in both, the same." + notInV2}
	pResourceAtToken = Parameter{"resource", Recommended, Absent, resourceMeans + " Needed here or in the authorization request; if in both, the same." + notInV2}
	pResourceAlone   = Parameter{"resource", Recommended, Absent, resourceMeans + notInV2}

	pVerifier = Parameter{"code_verifier", Optional, Recommended, "43 to 128 characters that only this client knows: whoever stole the code has not got them. Required when a challenge was sent."}

	pClientSecret = Parameter{"client_secret", Required, Required, "The password of a confidential application, URL-encoded, here or by HTTP Basic. client_assertion may stand in its place; a public application sends neither."}
)

const (
	resourceMeans = "The API that the token is for, by its App ID URI (an API's address that serves as its name)."
	notInV2       = " v2 names it inside scope and refuses this one (901002)."
)

// proof is how a confidential application proves itself.
var proof = []Parameter{pClientSecret,
	{"client_assertion_type", Optional, Optional, "In place of client_secret: urn:ietf:params:oauth:client-assertion-type:jwt-bearer."},
	{"client_assertion", Optional, Optional, "In place of client_secret: a short-lived token, signed by the application or by an issuer that it trusts."}}

// authorize returns the parameters of an authorization request. responseType and
// mode are what this flow sends, scope what it means there.
func authorize(responseType, mode, scope string, without ...string) []Parameter {
	nonce, scopeV1 := pNonce, Required
	if !strings.Contains(responseType, "id_token") {
		nonce, scopeV1 = pLaterNonce, Absent
		scope += " v1 ignores it and takes resource."
	}
	resource := pResource
	if strings.HasSuffix(responseType, " token") { // there is no token request
		resource = pResourceAlone
	}
	list := []Parameter{pClient,
		{"response_type", Required, Required, responseType + ": what the browser shall bring."},
		{"scope", scopeV1, Required, scope},
		resource, pRedirect,
		{"response_mode", Optional, Optional, mode},
		pState, nonce,
		pPrompt, pLoginHint, pDomainHint, pChallenge, pMethod, pClaims, pMaxAge, pClientInfo}
	return leaveOut(list, without)
}

// grant returns the parameters of a token request.
func grant(kind string, more ...Parameter) []Parameter {
	list := append([]Parameter{{"grant_type", Required, Required, kind + ": " + grants[kind]}, pClient}, more...)
	switch kind {
	case "client_credentials":
		return list // for no person, so there is nobody to tell of
	case "authorization_code", "refresh_token":
		list = append(list, pClaims)
	}
	return append(list, pClientInfo)
}

// redeem returns the parameters of a token request with a code.
func redeem(without ...string) []Parameter {
	list := slices.Concat([]Parameter{{"code", Required, Required, "The one from the answer. A second use is refused (54005)."},
		{"redirect_uri", Required, Required, "The same as before, letter by letter."}, pVerifier}, proof, []Parameter{pResourceAtToken, scopeAtToken})
	return grant("authorization_code", leaveOut(list, without)...)
}

// renew returns the parameters of a token request with a refresh token.
func renew(without ...string) []Parameter {
	list := slices.Concat([]Parameter{{"refresh_token", Required, Required, "Bound to person and application, not to one API."}}, proof, []Parameter{pResourceAlone, scopeAtToken})
	return grant("refresh_token", leaveOut(list, without)...)
}

func leaveOut(list []Parameter, names []string) []Parameter {
	return slices.DeleteFunc(list, func(p Parameter) bool { return slices.Contains(names, p.Name) })
}

// broughtBack returns the parameters of the answer that a browser brings: what is
// specific to the flow, and what comes in its place.
func broughtBack(what string, more ...Parameter) []Parameter {
	return append(more,
		Parameter{"state", Required, Required, "The one that was sent: checked before anything else is believed."},
		Parameter{"session_state", Optional, Optional, "The session at the tenant; the same value as sid at single sign-out."},
		Parameter{"error, error_description, error_uri", Optional, Optional, "In place of " + what + " when the tenant refuses: the reason as one word, in words with its number, and a page about it."},
		Parameter{"error_subcode", Optional, Optional, "More about the reason: cancel means that the person turned back."})
}

// tokenParameters are the members of a token answer in a person's name (entra.md §4.1).
var tokenParameters = []Parameter{
	{"access_token", Required, Required, "What opens the API. Who asked for it does not read it: its form is the API's affair."},
	{"token_type", Required, Required, "Bearer: whoever has the token can use it."},
	{"expires_in", Required, Required, "For how many seconds it is good: text in v1, a number in v2."},
	{"expires_on, not_before, resource", Required, Absent, "From when until when, in seconds since 1970, as text; and the API."},
	{"scope", Required, Required, "What was granted. It decides, and may be more than was asked for."},
	{"refresh_token", Required, Optional, "In v2 only if offline_access was asked for."},
	{"id_token", Required, Optional, "In v2 only if openid was asked for."},
}

// tokenAnswer is the answer to a token request in a person's name.
func tokenAnswer(to Party) Message {
	return Message{ID: "tokens", From: Tenant, To: to, Name: "Token answer", What: "The access token and what goes with it. v1 writes numbers as text.", Parameters: tokenParameters,
		V1: "200\n{\"token_type\":\"Bearer\",\"expires_in\":\"3600\",\"expires_on\":\"1715003600\",\"resource\":\"{uri}\",\n \"scope\":\"user_impersonation\",\"access_token\":\"…\",\"refresh_token\":\"…\",\"id_token\":\"…\"}",
		V2: "200\n{\"token_type\":\"Bearer\",\"expires_in\":4211,\"ext_expires_in\":4211,\n \"scope\":\"{scope}\",\"access_token\":\"…\",\"refresh_token\":\"…\",\"id_token\":\"…\"}"}
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
	for _, p := range []Parameter{pClient, pRedirect, pState, pNonce, pChallenge, pMethod, pLoginHint, pDomainHint, pClaims, pMaxAge, pPrompt, pClientInfo, pResourceAlone, pClientSecret, pVerifier} {
		words[p.Name] = p.Meaning
	}
	return words
}()

// scopeAtToken is scope where one resource is chosen.
var scopeAtToken = Parameter{"scope", Absent, Recommended, "What of one API: its App ID URI and a scope. Several APIs in one request: the first wins, or the request is refused (700022)."}

// assertion are the parameters of a client that proves itself by a signed token.
var assertion = []Parameter{
	{"client_assertion_type", Required, Required, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer."},
	{"client_assertion", Required, Required, "The token of the other issuer, as it is."},
}

// signedAssertion are those parameters where the application signs (entra.md §4.4).
var signedAssertion = []Parameter{assertion[0],
	{"client_assertion", Required, Required, "A token that the application signs. In its header alg (PS256), typ (JWT) and x5t#S256 (the certificate's SHA-256, as base64url); in it aud (this endpoint), iss and sub (both the client id), jti (new each time), nbf, iat, and exp five to ten minutes ahead."}}

var apiCall = Parameter{"Authorization", Required, Required, "Bearer and the access token. Its audience must be this API: a token for another one is refused with 401."}
