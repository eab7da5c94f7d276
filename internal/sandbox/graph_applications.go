package sandbox

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

var _ = declare("Microsoft Graph",
	faultSpec{name: "graph.credentials_end", does: "The secrets of a registration end soon.", value: "days left, negative if ended; 14 if empty"},
	faultSpec{name: "graph.registration", does: "A registration is not as its application needs it.",
		value: "what is wrong: no_redirects, single_page, no_logout, no_id_tokens, access_tokens, no_claims, no_permission, public; several with commas, all if empty"},
)

// secretDays is how long a secret without an end of its own is said to last,
// counted from the hour in which the sandbox began.
const secretDays = 180

// graphApplication answers with a registration. Only those at home in Contoso
// have one; others are service principals alone.
func (a *azure) graphApplication(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.graphCaller(w, r, appReadScopes...); !ok {
		return
	}
	app := a.registrationAt(r.PathValue("id"))
	if app == nil {
		a.graphNotFound(w, r, r.PathValue("id"))
		return
	}
	days := secretDays
	if value, on := a.s.faults.take("graph.credentials_end"); on {
		var err error
		if days, err = strconv.Atoi(value); err != nil {
			days = 14
		}
	}
	a.s.mu.Lock()
	entity := a.applicationEntity(app, a.start.AddDate(0, 0, days))
	a.s.mu.Unlock()
	if value, on := a.s.faults.take("graph.registration"); on {
		misconfigure(entity, value)
	}
	a.graphEntity(w, r, "applications", entity)
}

// misconfigure spoils a registration as graph.registration says.
func misconfigure(entity map[string]any, what string) {
	wrong := func(name string) bool { return what == "" || slices.Contains(strings.Split(what, ","), name) }
	web := entity["web"].(map[string]any) // as applicationEntity makes it
	implicit := web["implicitGrantSettings"].(map[string]bool)
	if wrong("single_page") {
		entity["spa"] = map[string]any{"redirectUris": web["redirectUris"]}
	}
	if wrong("single_page") || wrong("no_redirects") {
		web["redirectUris"] = []string{}
	}
	if wrong("no_logout") {
		web["logoutUrl"] = nil
	}
	if wrong("no_id_tokens") {
		implicit["enableIdTokenIssuance"] = false
	}
	if wrong("access_tokens") {
		implicit["enableAccessTokenIssuance"] = true
	}
	if wrong("no_claims") {
		entity["optionalClaims"] = nil
	}
	if wrong("no_permission") {
		entity["requiredResourceAccess"] = []any{}
	}
	if wrong("public") {
		entity["isFallbackPublicClient"] = true
	}
}

func applicationID(app *application) string { return seededGUID("application", app.appID, 0) }

func (a *azure) registrationAt(id string) *application {
	appID, alternate := strings.CutPrefix(id, alternateKey)
	for _, app := range a.s.tenant.apps {
		if app.publisher == "Contoso" && (alternate && strings.EqualFold(app.appID, appID) || !alternate && strings.EqualFold(applicationID(app), id)) {
			return app
		}
	}
	return nil
}

// applicationEntity is a registration as Graph writes it. s.mu must be held.
func (a *azure) applicationEntity(app *application, secretsEnd time.Time) map[string]any {
	version := app.tokenVersion
	web, public := app.redirectURIs, []string(nil)
	if app.public {
		web, public = nil, app.redirectURIs
	}
	return map[string]any{
		"id": applicationID(app), "appId": app.appID, "displayName": app.name, "publisherDomain": directoryOf(TenantID).domains[0],
		"signInAudience": audienceOf(app), "identifierUris": emptyIfNil(app.identifierURIs),
		"createdDateTime": "2024-02-03T04:05:06Z",
		"web": map[string]any{"homePageUrl": orNull(app.homePage), "logoutUrl": orNull(app.logoutURL), "redirectUris": emptyIfNil(web),
			"implicitGrantSettings": map[string]bool{"enableIdTokenIssuance": app.idTokenAllowed, "enableAccessTokenIssuance": app.accessTokenAllowed}},
		"publicClient": map[string]any{"redirectUris": emptyIfNil(public)}, "spa": map[string]any{"redirectUris": []string{}},
		"isFallbackPublicClient": app.public, "groupMembershipClaims": nil,
		"passwordCredentials": a.passwordEntities(app, secretsEnd), "keyCredentials": keyEntities(app),
		"optionalClaims":         optionalClaimsEntity(app),
		"requiredResourceAccess": a.requiredEntities(app),
		"api": map[string]any{"requestedAccessTokenVersion": max(version, 1), "acceptMappedClaims": nil, "knownClientApplications": []string{},
			"oauth2PermissionScopes": scopeEntities(app), "preAuthorizedApplications": preauthorizedEntities(app)},
		"appRoles": roleEntities(app),
	}
}

// passwordEntities are the secrets without their values; of those Graph keeps
// the first characters as a hint. unlimited is said to be the end of a secret
// that has none.
func (a *azure) passwordEntities(app *application, unlimited time.Time) []map[string]any {
	list := []map[string]any{}
	for i, one := range app.secrets {
		end := unlimited
		if !one.expires.IsZero() {
			end = one.expires
		}
		list = append(list, map[string]any{"keyId": seededGUID("secret", app.appID, i), "displayName": "Secret " + strconv.Itoa(i+1),
			"startDateTime": end.AddDate(-2, 0, 0).UTC().Format(time.RFC3339), "endDateTime": end.UTC().Format(time.RFC3339),
			"hint": one.value[:3], "secretText": nil, "customKeyIdentifier": nil})
	}
	return list
}

func keyEntities(app *application) []map[string]any {
	list := []map[string]any{}
	for i, one := range app.certificates {
		list = append(list, map[string]any{"keyId": seededGUID("certificate", app.appID, i), "displayName": "Certificate " + strconv.Itoa(i+1),
			"customKeyIdentifier": strings.ToUpper(hex.EncodeToString(one.sha1[:])), "type": "AsymmetricX509Cert", "usage": "Verify", "key": nil,
			"startDateTime": one.from.UTC().Format(time.RFC3339), "endDateTime": one.until.UTC().Format(time.RFC3339)})
	}
	return list
}

func optionalClaimsEntity(app *application) any {
	if len(app.optionalClaims) == 0 {
		return nil
	}
	claims := []map[string]any{}
	for _, name := range app.optionalClaims {
		claims = append(claims, map[string]any{"name": name, "source": nil, "essential": false, "additionalProperties": []string{}})
	}
	return map[string]any{"idToken": claims, "accessToken": []any{}, "saml2Token": []any{}}
}

// requiredEntities is the static list of what a client asks of APIs.
func (a *azure) requiredEntities(app *application) []map[string]any {
	list := []map[string]any{}
	for _, access := range app.required {
		resource := a.s.tenant.app(access.resource)
		entries := []map[string]string{}
		for _, value := range access.scopes {
			if scope := resource.scope(value); scope != nil {
				entries = append(entries, map[string]string{"id": scope.id, "type": "Scope"})
			}
		}
		for _, role := range resource.roles {
			if slices.Contains(access.roles, role.value) {
				entries = append(entries, map[string]string{"id": role.id, "type": "Role"})
			}
		}
		list = append(list, map[string]any{"resourceAppId": resource.appID, "resourceAccess": entries})
	}
	return list
}

// preauthorizedEntities are the clients that need no consent at an API
// (entra.md §7.7), in the order of their ids.
func preauthorizedEntities(app *application) []map[string]any {
	clients := make([]string, 0, len(app.preauthorized))
	for client := range app.preauthorized {
		clients = append(clients, client)
	}
	slices.Sort(clients)
	list := []map[string]any{}
	for _, client := range clients {
		ids := []string{}
		for _, value := range app.preauthorized[client] {
			if scope := app.scope(value); scope != nil {
				ids = append(ids, scope.id)
			}
		}
		list = append(list, map[string]any{"appId": client, "delegatedPermissionIds": ids})
	}
	return list
}
