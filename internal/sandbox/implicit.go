package sandbox

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// implicitTypes are the response types that bring an access token through the
// browser, by version (entra.md §2.1).
var implicitTypes = map[int][]string{1: {"token", "id_token token"}, 2: {"id_token token"}}

// checkImplicit checks a request for an access token from the authorization
// endpoint (RFC 6749 §4.2).
func (t *tenant) checkImplicit(request *authorizeRequest, responseType string) *protocolError {
	if !request.app.accessTokenAllowed {
		return t.fail(700051)
	}
	kinds := strings.Fields(responseType)
	slices.Sort(kinds)
	if !slices.Contains(implicitTypes[request.version], strings.Join(kinds, " ")) {
		return t.fail(70005, responseType)
	}
	return nil
}

// issueInBrowser mints the access token of the implicit flow. Nobody has proved
// anything there, and no refresh token comes with it.
func (t *tenant) issueInBrowser(request *authorizeRequest, auth authentication) (*tokenResponse, *protocolError) {
	if len(request.asked.targets) > 1 {
		return nil, t.fail(700022, scopeNames(request.asked))
	}
	asked := &tokenRequest{version: request.version, at: request.at, app: request.app, proof: "0", form: url.Values{}}
	return t.issue(asked, request.asked, auth, request.demand.capable)
}

// scopeNames writes down the resources of a request.
func scopeNames(asked scopeRequest) string {
	names := make([]string, 0, len(asked.targets))
	for _, one := range asked.targets {
		names = append(names, one.audience)
	}
	return strings.Join(names, " ")
}

// addImplicit adds the members of RFC 6749 §4.2.2.
func (t *tenant) addImplicit(answer url.Values, request *authorizeRequest, response *tokenResponse) {
	answer.Set("access_token", response.accessToken)
	answer.Set("token_type", "Bearer")
	answer.Set("expires_in", strconv.Itoa(int(response.lifetime/time.Second)))
	scope := response.scope
	if request.version == 1 {
		scope = response.scopeV1
	}
	answer.Set("scope", scope)
}
