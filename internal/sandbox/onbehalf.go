package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The on-behalf-of grant (entra.md §4.5): an API that was called with a token
// for itself gets one for the next API, for the same person.
const (
	onBehalfOfGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	onBehalfOfUse   = "on_behalf_of"
)

var _ = declare("Token endpoint",
	faultSpec{name: "obo.interaction_required", does: "On-behalf-of demands a second factor, with claims, of whoever signed in without one.",
		value: "an AADSTS number, as 50079"},
)

// assertedClaims is what an incoming access token says of its person.
type assertedClaims struct {
	accessClaims
	TenantID  string   `json:"tid"`
	IssuedAt  int64    `json:"iat"`
	Kind      string   `json:"idtyp"`
	SessionID string   `json:"sid"`
	Methods   []string `json:"amr"`  // v1 tokens only
	Contexts  []string `json:"acrs"` // as the person met them
}

// onBehalfOf exchanges the access token that an API was called with.
func (t *tenant) onBehalfOf(request *tokenRequest) (*tokenResponse, *protocolError) {
	if request.app.public {
		return nil, t.fail(7000218)
	}
	for _, name := range []string{"requested_token_use", "assertion"} {
		if request.form.Get(name) == "" {
			return nil, t.fail(900144, name)
		}
	}
	if request.form.Get("requested_token_use") != onBehalfOfUse {
		return nil, t.fail(90023, "the value of 'requested_token_use' is unknown")
	}
	claims, failed := t.checkAsserted(request)
	if failed != nil {
		return nil, failed
	}
	auth, failed := t.assertedPerson(claims)
	if failed != nil {
		return nil, failed
	}
	if request.version == 2 && request.form.Get("scope") == "" {
		return nil, t.fail(900144, "scope")
	}
	if !auth.mfa {
		if value, on := t.s.faults.take("obo.interaction_required"); on {
			failed := t.failNamed(value, 50079)
			failed.claims = challengeClaims // the API hands them to its client unchanged
			return nil, failed
		}
	}
	var before scopeRequest
	if request.version == 1 {
		before.openID = []string{"openid", "profile", "offline_access"}
	}
	return t.issueAll(request, before, auth, false)
}

// checkAsserted verifies the incoming token: ours, an access token, for the
// application that presents it, of a person, and in time.
func (t *tenant) checkAsserted(request *tokenRequest) (assertedClaims, *protocolError) {
	var claims assertedClaims
	sent := request.form.Get("assertion")
	if _, err := jose.ParseSignedCompact(sent, []jose.SignatureAlgorithm{jose.RS256}); err != nil {
		failed := t.fail(50027, "it does not parse, or its algorithm is not RS256")
		failed.err, failed.status = "invalid_request", 400 // the client's own proof is not what is wrong
		return claims, failed
	}
	payload, ok := t.verifiedPayload(sent)
	if !ok || json.Unmarshal(payload, &claims) != nil {
		return claims, t.fail(50013, "its signature is wrong")
	}
	now := t.s.now()
	switch {
	case claims.AppID+claims.Azp == "":
		return claims, t.fail(240002)
	case !request.app.isAudience(claims.Audience):
		return claims, t.fail(50013, "its audience '"+claims.Audience+"' is not the application that presents it")
	case claims.Kind == "app" || claims.Subject == claims.ObjectID || claims.Scope == "":
		return claims, t.fail(50013, "it speaks for an application, not for a person")
	case !request.at.multi() && request.at.tid != claims.TenantID:
		return claims, t.fail(50013, "it is from another tenant")
	case now.Before(time.Unix(claims.NotBefore, 0).Add(-clockSkew)):
		return claims, t.fail(50013, "it is not valid yet")
	case !now.Before(time.Unix(claims.Expires, 0)):
		return claims, t.fail(500133)
	}
	return claims, nil
}

// assertedPerson returns who the incoming token speaks for, if that person may
// still sign in. Access tokens outlive the end of all sessions; what would
// outlive them in turn is not given for one.
func (t *tenant) assertedPerson(claims assertedClaims) (authentication, *protocolError) {
	p := t.person(claims.ObjectID)
	if p == nil {
		return authentication{}, t.fail(50034, claims.ObjectID)
	}
	if p.state == accountDisabled {
		return authentication{}, t.fail(50057)
	}
	t.s.mu.Lock()
	ended, any := t.validFrom[p]
	t.s.mu.Unlock()
	if any && claims.IssuedAt < ended.Unix() {
		return authentication{}, t.fail(50173)
	}
	return authentication{person: p, tid: claims.TenantID, oid: claims.ObjectID, sid: claims.SessionID, at: time.Unix(claims.IssuedAt, 0),
		mfa: slices.Contains(claims.Methods, "mfa"), acrs: claims.Contexts}, nil
}

// isAudience says whether aud names the application: by an identifier URI, with
// or without a trailing slash, or by its id.
func (a *application) isAudience(aud string) bool {
	aud = strings.TrimSuffix(aud, "/")
	return aud == a.appID || slices.ContainsFunc(a.identifierURIs, func(uri string) bool { return strings.TrimSuffix(uri, "/") == aud })
}
