package sandbox

import (
	"net/http"
	"time"
)

// TokenFor mints an access token of the portal for a person, by the tenant's
// own signer.
func (s *Sandbox) TokenFor(oid, audience string, scopes ...string) string {
	return s.tenant.mintAccessToken(accessToken{
		client: s.tenant.app(PortalClientID), target: target{resource: s.resourceOf(audience), audience: audience},
		auth:   authentication{person: s.tenant.person(oid), tid: TenantID, oid: oid, at: s.now()},
		scopes: scopes, proof: "1", lifetime: time.Hour,
	})
}

// AppTokenFor mints an access token of an application on its own.
func (s *Sandbox) AppTokenFor(appID, audience string, roles ...string) string {
	app := s.tenant.app(appID)
	return s.tenant.mintAccessToken(accessToken{
		client: app, target: target{resource: s.resourceOf(audience), audience: audience},
		auth:  authentication{tid: TenantID, oid: app.objectID},
		roles: roles, proof: "1", lifetime: time.Hour,
	})
}

func (s *Sandbox) resourceOf(audience string) *application {
	switch audience {
	case GraphAudience:
		return s.tenant.app(GraphAppID)
	case ARMAudience, ARMAudience + "/":
		return s.tenant.app(ARMAppID)
	}
	return s.tenant.app(AzTSAppID)
}

// Handle adds a handler of a test's own.
func (s *Sandbox) Handle(pattern string, handler http.HandlerFunc) {
	s.mux.HandleFunc(pattern, handler)
}
