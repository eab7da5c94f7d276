package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/sandbox"
)

const (
	jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	armScope  = sandbox.ARMAudience + "/.default"
)

// onBehalf is the AzTS Web API asking for a token for whoever called it.
func onBehalf(assertion string, changes ...string) url.Values {
	form := url.Values{"grant_type": {jwtBearer}, "requested_token_use": {"on_behalf_of"}, "client_id": {sandbox.AzTSAppID},
		"client_secret": {sandbox.AzTSClientSecret}, "assertion": {assertion}, "scope": {armScope}}
	for i := 0; i+1 < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

// aztsTokens are Dana's tokens at the portal, the access token for AzTS.
func (w *tenantWorld) aztsTokens(oid string, changes ...string) tokenAnswer {
	w.t.Helper()
	return w.redeem(w.browser().signIn(oid, changes...).answer.Get("code"))
}

func TestAzTSReadsAzureOnBehalfOfWhoeverCallsIt(t *testing.T) {
	w := newTenantWorld(t)
	incoming := w.aztsTokens(sandbox.DanaID).str("access_token")
	answer := w.token(onBehalf(incoming, "scope", armScope+" offline_access openid profile"))
	if answer.status != 200 || answer.str("refresh_token") == "" {
		t.Fatalf("%s", answer.raw)
	}
	before, after := w.claims(incoming), w.claims(answer.str("access_token"))
	for name, want := range map[string]any{"aud": sandbox.ARMAudience, "appid": sandbox.AzTSAppID, "appidacr": "1", "oid": sandbox.DanaID,
		"scp": "user_impersonation", "sid": before["sid"], "upn": "dana@contoso.com"} {
		if after[name] != want {
			t.Errorf("%s = %v, want %v", name, after[name], want)
		}
	}
	if id := w.claims(answer.str("id_token")); id["aud"] != sandbox.AzTSAppID {
		t.Errorf("ID token %v", id)
	}
	call, err := http.NewRequest(http.MethodGet, w.url+"/arm/subscriptions?api-version=2022-12-01", nil)
	if err != nil {
		t.Fatal(err)
	}
	call.Header.Set("Authorization", "Bearer "+answer.str("access_token"))
	response, err := http.DefaultClient.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	if seen := w.readToken(response); seen.status != 200 || !strings.Contains(seen.raw, "subscriptionId") {
		t.Errorf("ARM answers %d %s", seen.status, seen.raw)
	}
	if bare := w.token(onBehalf(incoming)); bare.status != 200 || bare.str("refresh_token") != "" || bare.str("id_token") != "" {
		t.Errorf("without offline_access and openid: %s", bare.raw)
	}
	v1 := w.tokenAt("/"+sandbox.TenantID+"/oauth2/token", onBehalf(incoming, "scope", "", "resource", sandbox.ARMAudience))
	if v1.str("resource") != sandbox.ARMAudience || v1.str("expires_on") == "" {
		t.Errorf("v1: %s", v1.raw)
	}
}

func TestOnBehalfOfIsRefused(t *testing.T) {
	w := newTenantWorld(t)
	tokens := w.aztsTokens(sandbox.DanaID)
	incoming := tokens.str("access_token")
	appOnly := w.token(scriptForm()).str("access_token")
	dot := strings.LastIndexByte(incoming, '.')
	tampered := incoming[:dot+1] + strings.Repeat("A", len(incoming)-dot-1)
	script := []string{"client_id", sandbox.ScriptClientID, "client_secret", sandbox.ScriptClientSecret}
	for name, c := range map[string]struct {
		form   url.Values
		status int
		err    string
		code   int
	}{
		"no use":              {onBehalf(incoming, "requested_token_use", ""), 400, "invalid_request", 900144},
		"another use":         {onBehalf(incoming, "requested_token_use", "barter"), 400, "invalid_request", 90023},
		"no assertion":        {onBehalf(""), 400, "invalid_request", 900144},
		"no scope":            {onBehalf(incoming, "scope", ""), 400, "invalid_request", 900144},
		"two resources":       {onBehalf(incoming, "scope", armScope+" https://vault.azure.net/.default"), 400, "invalid_scope", 700022},
		"no proof":            {onBehalf(incoming, "client_secret", ""), 401, "invalid_client", 7000218},
		"a public client":     {onBehalf(incoming, "client_id", sandbox.AzureCLIAppID, "client_secret", ""), 401, "invalid_client", 7000218},
		"no JWT":              {onBehalf("a.b.c"), 400, "invalid_request", 50027},
		"nobody consented":    {onBehalf(incoming, "scope", "https://vault.azure.net/.default"), 400, "invalid_grant", 65001},
		"tampered":            {onBehalf(tampered), 400, "invalid_grant", 50013},
		"an ID token":         {onBehalf(tokens.str("id_token"), "client_id", sandbox.PortalClientID, "client_secret", sandbox.PortalClientSecret), 400, "invalid_request", 240002},
		"for another API":     {onBehalf(incoming, script...), 400, "invalid_grant", 50013},
		"an app's own":        {onBehalf(appOnly), 400, "invalid_grant", 50013},
		"the common endpoint": {onBehalf(incoming), 400, "invalid_request", 50194},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/" + sandbox.TenantID + "/oauth2/v2.0/token"
			if name == "the common endpoint" {
				path = "/common/oauth2/v2.0/token"
			}
			w.tokenAt(path, c.form).refused(t, c.status, c.err, c.code)
		})
	}
	if answer := w.token(onBehalf(incoming, "scope", "https://vault.azure.net/.default")); answer.str("suberror") != "consent_required" {
		t.Errorf("%s", answer.raw)
	}
	w.clock.pass(91 * time.Minute)
	w.token(onBehalf(incoming)).refused(t, 400, "invalid_grant", 500133)
}

func TestAttackOnBehalfOfWithAForgedToken(t *testing.T) {
	w := newTenantWorld(t)
	claims := w.claims(w.aztsTokens(sandbox.DanaID).str("access_token"))
	claims["oid"] = sandbox.AdaID
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: make([]byte, 32)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	w.token(onBehalf(forged)).refused(t, 400, "invalid_request", 50027)
}

func TestASecondFactorIsDemandedOnBehalfOfSomebody(t *testing.T) {
	w := newTenantWorld(t)
	w.Faults().Set("obo.interaction_required", "", -1)
	answer := w.token(onBehalf(w.aztsTokens(sandbox.DanaID).str("access_token")))
	answer.refused(t, 400, "interaction_required", 50079)
	var claims struct {
		AccessToken map[string]any `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(answer.str("claims")), &claims); err != nil || claims.AccessToken["polids"] == nil {
		t.Fatalf("claims %q: %v", answer.str("claims"), err)
	}
	// Handed to the client unchanged, they get the person through.
	stronger := w.aztsTokens(sandbox.DanaID, "claims", answer.str("claims"))
	if after := w.token(onBehalf(stronger.str("access_token"))); after.status != 200 {
		t.Errorf("with a second factor: %s", after.raw)
	}
	w.Faults().Set("obo.interaction_required", "50076", 1)
	w.token(onBehalf(w.aztsTokens(sandbox.DanaID).str("access_token"))).refused(t, 400, "interaction_required", 50076)
}

func TestConsentOfAnAPIThatWasWithdrawn(t *testing.T) {
	w := newTenantWorld(t)
	incoming := w.aztsTokens(sandbox.DanaID).str("access_token")
	admin := w.TokenFor(sandbox.AdaID, sandbox.GraphAudience, "DelegatedPermissionGrant.ReadWrite.All")
	found := w.graphCall(http.MethodGet, filtered(grantsPath, "clientId eq '"+aztsObject+"'"), admin)
	value, _ := found.member["value"].([]any)
	if len(value) != 1 {
		t.Fatalf("grants of the AzTS API: %s", found.raw)
	}
	id, _ := value[0].(map[string]any)["id"].(string)
	if gone := w.graphCall(http.MethodDelete, grantsPath+"/"+id, admin); gone.status != http.StatusNoContent {
		t.Fatalf("%d %s", gone.status, gone.raw)
	}
	w.token(onBehalf(incoming)).refused(t, 400, "invalid_grant", 65001)
}

// graphCall calls Graph, or another API of the sandbox.
func (w *tenantWorld) graphCall(method, target, token string) tokenAnswer {
	w.t.Helper()
	path, query, _ := strings.Cut(target, "?")
	request, err := http.NewRequest(method, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	request.URL.RawQuery = query
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.readToken(response)
}
