package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// accessClaims are the claims of an access token that the APIs read, in both
// versions.
type accessClaims struct {
	Issuer    string   `json:"iss"`
	Audience  string   `json:"aud"`
	Expires   int64    `json:"exp"`
	NotBefore int64    `json:"nbf"`
	ObjectID  string   `json:"oid"`
	Subject   string   `json:"sub"`
	AppID     string   `json:"appid"` // v1
	Azp       string   `json:"azp"`   // v2
	Scope     string   `json:"scp"`
	Roles     []string `json:"roles"`
}

// authenticate checks the bearer token of a call to one of the sandbox's APIs:
// signature, issuer, audience (one of audiences, with or without a trailing
// slash) and times. When it returns false it has answered 401 with a challenge
// (RFC 6750 §3). What the token may do is for the API to judge.
func (s *Sandbox) authenticate(w http.ResponseWriter, r *http.Request, audiences ...string) (caller, bool) {
	from, problem := s.tenant.callerOf(r, audiences)
	if problem == nil {
		return from, true
	}
	prefix, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	challenge := fmt.Sprintf(`Bearer realm="", authorization_uri="%s/%s/oauth2/authorize", resource_id="%s/%s/"`,
		s.options.Origin, TenantID, s.options.Origin, prefix)
	if bearer(r) != "" {
		// A request without a token gets no error code (RFC 6750 §3.1).
		challenge += fmt.Sprintf(`, error="invalid_token", error_description="%s"`, problem.text)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	// Graph and ARM read error, AzTS reads message.
	writeJSON(w, http.StatusUnauthorized, map[string]any{
		"error": map[string]string{"code": problem.code, "message": problem.text}, "message": problem.text})
	return caller{}, false
}

// tokenProblem is why an API refuses a token, in the words of Graph and ARM.
type tokenProblem struct{ code, text string }

func (t *tenant) callerOf(r *http.Request, audiences []string) (caller, *tokenProblem) {
	const invalid = "InvalidAuthenticationToken"
	token := bearer(r)
	if token == "" {
		return caller{}, &tokenProblem{"AuthenticationFailed", "The access token is missing."}
	}
	claims, ok := t.verified(token)
	if !ok {
		return caller{}, &tokenProblem{invalid, "The access token could not be verified."}
	}
	now := t.s.now()
	switch {
	case claims.Issuer != t.issuer(1, TenantID) && claims.Issuer != t.issuer(2, TenantID):
		return caller{}, &tokenProblem{"InvalidAuthenticationTokenTenant", "The access token is from the wrong issuer."}
	case !slices.ContainsFunc(audiences, func(a string) bool {
		return strings.TrimSuffix(a, "/") == strings.TrimSuffix(claims.Audience, "/")
	}):
		return caller{}, &tokenProblem{invalid, "The access token is for another audience."}
	case !now.Before(time.Unix(claims.Expires, 0)):
		return caller{}, &tokenProblem{"ExpiredAuthenticationToken", "The access token has expired."}
	case now.Before(time.Unix(claims.NotBefore, 0).Add(-clockSkew)):
		return caller{}, &tokenProblem{invalid, "The access token is not valid yet."}
	}
	from := caller{appID: claims.AppID + claims.Azp, scopes: strings.Fields(claims.Scope), roles: claims.Roles}
	if claims.Subject != claims.ObjectID { // they are the same for an application on its own (entra.md §3.3)
		if from.person = t.person(claims.ObjectID); from.person == nil {
			return caller{}, &tokenProblem{invalid, "The person is gone."}
		}
	}
	return from, nil
}

// verified returns the claims of a token that this authority signed.
func (t *tenant) verified(token string) (accessClaims, bool) {
	var claims accessClaims
	payload, ok := t.verifiedPayload(token)
	return claims, ok && json.Unmarshal(payload, &claims) == nil
}

// verifiedPayload returns what a token says, if this authority signed it.
func (t *tenant) verifiedPayload(token string) ([]byte, bool) {
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, false
	}
	key := t.keys.byID(parsed.Signatures[0].Header.KeyID)
	if key == nil {
		return nil, false
	}
	payload, err := parsed.Verify(key)
	return payload, err == nil
}

// serveUserInfo answers with the claims of OpenID Connect Core §5.3, for a
// Graph token.
func (t *tenant) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	from, ok := t.s.authenticate(w, r, GraphAudience, GraphAppID)
	if !ok {
		return
	}
	if from.person == nil {
		writeJSON(w, http.StatusForbidden, map[string]any{"error": map[string]string{
			"code": "Authorization_RequestDenied", "message": "The token is not a person's."}})
		return
	}
	p := from.person
	writeJSON(w, http.StatusOK, map[string]string{"sub": pairwise(p.id, from.appID), "name": p.name,
		"given_name": p.given, "family_name": p.family, "email": p.mail})
}
