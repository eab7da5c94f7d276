package sandbox

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// idTokenLifetime is how long an ID token is good for. It says nothing of how
// long the session lasts.
const idTokenLifetime = time.Hour

// authentication is who signed in, where and how. Codes and refresh tokens
// carry it on.
type authentication struct {
	person *person
	tid    string // directory that the tokens are of
	oid    string // the person's object there
	sid    string
	at     time.Time // last interactive sign-in
	mfa    bool
	acrs   []string // authentication contexts that were met
}

func (a authentication) methods() []string {
	if a.mfa {
		return []string{"pwd", "mfa"}
	}
	return []string{"pwd"}
}

// pairwise returns the sub of a person at an application: stable, and
// different at every other one.
func pairwise(oid, appID string) string {
	sum := sha256.Sum256([]byte("sub|" + oid + "|" + appID))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// loginHint returns the opaque login_hint claim, which is what logout_hint
// takes (entra.md §5.1).
func loginHint(oid, tid string) string {
	return "O." + base64.RawURLEncoding.EncodeToString([]byte(oid+"\x00"+tid))
}

// leftHalf is how c_hash and at_hash are made: the left half of the SHA-256,
// base64url (OpenID Connect Core §3.3.2.11).
func leftHalf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// idToken is what one ID token is made from.
type idToken struct {
	app     *application
	auth    authentication
	scopes  []string // the OpenID scopes asked for
	nonce   string
	code    string // the code it travels with; empty at the token endpoint
	token   string // the access token that travels with it through the browser
	version int
}

// mintIDToken returns a signed ID token, or a spoilt one if a fault is on.
func (t *tenant) mintIDToken(from idToken) string {
	now := t.s.now()
	p := from.auth.person
	claims := map[string]any{
		"aud": from.app.appID,
		"iss": t.issuer(from.version, from.auth.tid),
		"tid": from.auth.tid,
		"sub": pairwise(from.auth.oid, from.app.appID),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(idTokenLifetime).Unix(),
		"aio": randomText(24), "rh": "0." + randomText(16), "uti": randomText(16),
	}
	if from.nonce != "" {
		claims["nonce"] = from.nonce
	}
	if from.code != "" {
		claims["c_hash"] = leftHalf(from.code)
	}
	if from.token != "" {
		claims["at_hash"] = leftHalf(from.token)
	}
	if roles := t.appRolesOf(p, from.app); len(roles) > 0 && from.auth.tid == TenantID {
		claims["roles"] = roles
	}
	if from.version == 1 {
		claims["ver"] = "1.0"
		claims["oid"] = from.auth.oid
		claims["upn"], claims["unique_name"] = p.upn, p.upn
		claims["name"], claims["given_name"], claims["family_name"] = p.name, p.given, p.family
		claims["amr"] = from.auth.methods()
	} else {
		claims["ver"] = "2.0"
		if slices.Contains(from.scopes, "profile") {
			claims["oid"] = from.auth.oid
			claims["name"], claims["preferred_username"] = p.name, p.upn
		}
		if slices.Contains(from.scopes, "email") {
			claims["email"] = p.mail
		}
	}
	if p.guest && from.auth.tid == TenantID {
		claims["idp"] = t.issuer(1, p.home)
	}
	t.addOptionalClaims(claims, from)
	return t.spoilIDToken(claims, from)
}

// addOptionalClaims adds what the registration lists as optional claims of the
// ID token.
func (t *tenant) addOptionalClaims(claims map[string]any, from idToken) {
	p := from.auth.person
	for _, name := range from.app.optionalClaims {
		switch name {
		case "sid":
			claims["sid"] = from.auth.sid
		case "login_hint":
			claims["login_hint"] = loginHint(from.auth.oid, from.auth.tid)
		case "upn":
			claims["upn"] = p.upn
		case "email":
			claims["email"] = p.mail
		case "auth_time":
			claims["auth_time"] = from.auth.at.Unix()
		case "amr":
			claims["amr"] = from.auth.methods()
		case "acrs":
			if len(from.auth.acrs) > 0 {
				claims["acrs"] = from.auth.acrs
			}
		case "wids":
			if from.auth.tid == TenantID {
				claims["wids"] = append(slices.Clone(p.directoryRoles), rolePlainUser)
			}
		case "groups":
			t.addGroups(claims, p, from.auth.oid)
		}
	}
}

// maxGroupsInToken is where the overage of entra.md §3.1 begins.
const maxGroupsInToken = 200

func (t *tenant) addGroups(claims map[string]any, p *person, oid string) {
	switch {
	case p.groups > maxGroupsInToken:
		claims["_claim_names"] = map[string]string{"groups": "src1"}
		// At Entra this names a host that must not be called; neither must this.
		claims["_claim_sources"] = map[string]any{"src1": map[string]string{
			"endpoint": "https://graph.windows.net/" + TenantID + "/users/" + oid + "/getMemberObjects"}}
	case p.groups > 0:
		claims["groups"] = p.groupIDs()
	}
}

// GroupID returns the object id of the nth group, from 0, of a person.
func GroupID(personID string, n int) string { return seededGUID("group", personID, n) }

// groupIDs returns the object ids of the person's groups, always the same.
func (p *person) groupIDs() []string {
	ids := make([]string, p.groups)
	for i := range ids {
		ids[i] = GroupID(p.id, i)
	}
	return ids
}

// spoilIDToken signs the claims, after doing what the faults that are on demand.
func (t *tenant) spoilIDToken(claims map[string]any, from idToken) string {
	now := t.s.now()
	on := func(name string) bool { _, on := t.s.faults.take("id_token." + name); return on }
	if on("wrong_aud") {
		claims["aud"] = ExpensesClientID
	}
	if on("wrong_azp") {
		claims["azp"] = ExpensesClientID
	}
	if on("wrong_iss") {
		claims["iss"] = "https://login.example.net/" + from.auth.tid + "/v2.0"
	}
	if on("wrong_tid") {
		claims["tid"] = FabrikamTenantID
	}
	if on("template_iss") {
		claims["iss"] = t.issuer(from.version, tenantPlaceholder)
	}
	if from.nonce != "" && on("wrong_nonce") {
		claims["nonce"] = randomText(32)
	}
	if from.code != "" && on("wrong_c_hash") {
		claims["c_hash"] = leftHalf("another code")
	}
	if from.code == "" && on("wrong_at_hash") {
		claims["at_hash"] = leftHalf("another access token")
	}
	if from.code == "" && on("second_differs") {
		claims["sub"] = pairwise(AdaID, from.app.appID)
		claims["oid"] = AdaID
	}
	if on("expired") {
		claims["iat"], claims["nbf"], claims["exp"] = now.Add(-2*time.Hour).Unix(), now.Add(-2*time.Hour).Unix(), now.Add(-time.Hour).Unix()
	}
	if on("not_yet_valid") {
		claims["iat"], claims["nbf"] = now.Add(10*time.Minute).Unix(), now.Add(10*time.Minute).Unix()
	}
	if on("no_oid") {
		delete(claims, "oid")
	}
	key := t.keys.signing()
	switch {
	case on("alg_none"):
		return unsigned(claims)
	case on("hs256_public_key"):
		return signWith(claims, from.version, key.kid, jose.HS256, publicPEM(&key.private.PublicKey))
	case on("unknown_kid"):
		return signWith(claims, from.version, "a-key-that-nobody-published", jose.RS256, key.private)
	}
	signed := t.sign(claims, from.version)
	if on("bad_signature") {
		cut := strings.LastIndexByte(signed, '.')
		signed = signed[:cut+1] + base64.RawURLEncoding.EncodeToString(make([]byte, 256))
	}
	return signed
}

// unsigned returns the claims as an unsecured JWT (RFC 7519 §6), which every
// relying party must refuse.
func unsigned(claims map[string]any) string {
	payload, _ := json.Marshal(claims) // strings, numbers and lists only
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"typ":"JWT","alg":"none"}`)) + "." + encode(payload) + "."
}

// publicPEM is what a relying party that confuses key kinds would verify an
// HMAC with.
func publicPEM(key *rsa.PublicKey) []byte {
	der, _ := x509.MarshalPKIXPublicKey(key) // an RSA key always encodes
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// accessToken is what one access token is made from.
type accessToken struct {
	client   *application
	target   target
	auth     authentication // person nil: an application on its own
	scopes   []string       // delegated
	roles    []string       // application permissions
	proof    string         // how the client proved itself: appidacr (entra.md §3.3)
	capable  bool           // the client announced cp1
	lifetime time.Duration
}

// mintAccessToken returns a signed access token in the version that the
// resource's registration demands.
func (t *tenant) mintAccessToken(from accessToken) string {
	now := t.s.now()
	version := from.target.resource.tokenVersion
	claims := map[string]any{
		"iss": t.issuer(version, from.auth.tid),
		"tid": from.auth.tid,
		"oid": from.auth.oid,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(from.lifetime).Unix(),
		"aio": randomText(24), "rh": "0." + randomText(16), "uti": randomText(16),
	}
	appClaim, proofClaim := "appid", "appidacr"
	if version == 2 {
		claims["aud"], claims["ver"] = from.target.resource.appID, "2.0"
		appClaim, proofClaim = "azp", "azpacr"
	} else {
		claims["aud"], claims["ver"] = from.target.audience, "1.0"
	}
	claims[appClaim], claims[proofClaim] = from.client.appID, from.proof
	if from.capable {
		claims["xms_cc"] = []string{"cp1"}
	}
	if from.auth.person == nil {
		claims["sub"], claims["idtyp"] = from.auth.oid, "app"
		if len(from.roles) > 0 {
			claims["roles"] = from.roles
		}
		return t.sign(t.spoilAccessToken(claims), version)
	}
	p := from.auth.person
	claims["sub"] = pairwise(from.auth.oid, from.target.resource.appID)
	claims["scp"] = strings.Join(from.scopes, " ")
	claims["name"], claims["sid"] = p.name, from.auth.sid
	if len(from.auth.acrs) > 0 {
		claims["acrs"] = from.auth.acrs
	}
	if version == 2 {
		claims["preferred_username"] = p.upn
	} else {
		claims["upn"], claims["unique_name"] = p.upn, p.upn
		claims["given_name"], claims["family_name"] = p.given, p.family
		claims["amr"], claims["acr"] = from.auth.methods(), "1"
	}
	return t.sign(t.spoilAccessToken(claims), version)
}

// spoilAccessToken does what the faults that are on demand.
func (t *tenant) spoilAccessToken(claims map[string]any) map[string]any {
	now := t.s.now()
	if _, on := t.s.faults.take("access_token.expired"); on {
		claims["iat"], claims["nbf"], claims["exp"] = now.Add(-2*time.Hour).Unix(), now.Add(-2*time.Hour).Unix(), now.Add(-time.Hour).Unix()
	}
	if _, on := t.s.faults.take("access_token.wrong_aud"); on {
		claims["aud"] = "api://" + ExpensesClientID
	}
	return claims
}
