package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// refused fails the test unless the token endpoint refused with this error and
// number, in the whole form of entra.md §2.6.
func (a tokenAnswer) refused(t *testing.T, status int, err string, code int) {
	t.Helper()
	codes, _ := a.member["error_codes"].([]any)
	numbered := len(codes) == 1 && codes[0] == float64(code) && strings.Contains(a.str("error_description"), "AADSTS"+strconv.Itoa(code)+":")
	if code == 0 {
		numbered = !strings.Contains(a.raw, "error_codes") && !strings.Contains(a.raw, "AADSTS") && !strings.Contains(a.raw, "error_uri")
	}
	if a.status != status || a.str("error") != err || !numbered {
		t.Errorf("answer %d %s, want %d %s AADSTS%d", a.status, a.raw, status, err, code)
		return
	}
	for _, member := range []string{"error_description", "timestamp", "trace_id", "correlation_id", "error_uri"} {
		if a.str(member) == "" && (code != 0 || member != "error_uri") {
			t.Errorf("member %s is missing in %s", member, a.raw)
		}
	}
	if a.header.Get("Cache-Control") != "no-store, no-cache" || a.header.Get("x-ms-request-id") == "" {
		t.Errorf("headers %v", a.header)
	}
}

func TestACodeIsRedeemedUnderItsOwnConditionsOnly(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	other := []string{"client_id", sandbox.ExpensesClientID, "client_secret", ""}
	for name, c := range map[string]struct {
		authorize []string
		redeem    []string
		status    int
		err       string
		code      int
	}{
		"wrong secret":           {nil, []string{"client_secret", "wrong"}, 401, "invalid_client", 7000215},
		"no secret":              {nil, []string{"client_secret", ""}, 401, "invalid_client", 7000218},
		"unknown client":         {nil, []string{"client_id", "nobody"}, 400, "unauthorized_client", 700016},
		"no client":              {nil, []string{"client_id", ""}, 400, "invalid_request", 900144},
		"a client without proof": {nil, other, 401, "invalid_client", 7000218},
		"another client": {nil, []string{"client_id", sandbox.ScriptClientID, "client_secret", sandbox.ScriptClientSecret},
			400, "invalid_grant", 70000},
		"a public client's proof":        {nil, []string{"client_id", sandbox.AzureCLIAppID}, 401, "invalid_client", 700025},
		"expired secret":                 {nil, []string{"client_id", sandbox.ScriptClientID, "client_secret", "sandbox-expired-secret"}, 401, "invalid_client", 7000222},
		"another redirect URI":           {nil, []string{"redirect_uri", portalURL + "/auth/signed-out"}, 400, "invalid_grant", 50011},
		"no redirect URI":                {nil, []string{"redirect_uri", ""}, 400, "invalid_grant", 50011},
		"wrong verifier":                 {nil, []string{"code_verifier", challenge}, 400, "invalid_grant", 501481},
		"short verifier":                 {nil, []string{"code_verifier", "abc"}, 400, "invalid_grant", 50147},
		"no verifier":                    {nil, []string{"code_verifier", ""}, 400, "invalid_grant", 501481},
		"verifier without challenge":     {[]string{"code_challenge", "", "code_challenge_method", ""}, nil, 400, "invalid_grant", 501481},
		"the challenge as plain":         {[]string{"code_challenge_method", "plain"}, nil, 400, "invalid_grant", 501481},
		"no code":                        {nil, []string{"code", ""}, 400, "invalid_request", 900144},
		"an unknown code":                {nil, []string{"code", "0.made-up"}, 400, "invalid_grant", 70000},
		"two resources":                  {nil, []string{"scope", sandbox.AzTSAppIDURI + "/.default " + sandbox.ARMAudience + "/.default"}, 400, "invalid_scope", 700022},
		"a resource nobody consented to": {nil, []string{"scope", sandbox.ARMAudience + "/user_impersonation"}, 400, "invalid_grant", 65001},
		"v1's resource":                  {nil, []string{"resource", sandbox.AzTSAppIDURI}, 400, "invalid_request", 901002},
		"unknown grant":                  {nil, []string{"grant_type", "barter"}, 400, "unsupported_grant_type", 70003},
		"no grant":                       {nil, []string{"grant_type", ""}, 400, "invalid_request", 900144},
	} {
		t.Run(name, func(t *testing.T) {
			code := b.signIn(sandbox.DanaID, c.authorize...).answer.Get("code")
			w.redeem(code, c.redeem...).refused(t, c.status, c.err, c.code)
		})
	}
	t.Run("at another tenant", func(t *testing.T) {
		code := b.signIn(sandbox.DanaID).answer.Get("code")
		w.tokenAt("/"+sandbox.FabrikamTenantID+"/oauth2/v2.0/token", url.Values{"client_id": {sandbox.PortalClientID},
			"client_secret": {sandbox.PortalClientSecret}, "grant_type": {"authorization_code"}, "code": {code},
			"redirect_uri": {portalURL + "/auth/callback"}, "code_verifier": {verifier}}).refused(t, 400, "invalid_grant", 700005)
	})
	t.Run("too late", func(t *testing.T) {
		code := b.signIn(sandbox.DanaID).answer.Get("code")
		w.clock.pass(10*time.Minute + time.Second)
		w.redeem(code).refused(t, 400, "invalid_grant", 70008)
	})
	t.Run("by plain PKCE", func(t *testing.T) {
		code := b.signIn(sandbox.DanaID, "code_challenge", verifier, "code_challenge_method", "").answer.Get("code")
		if tokens := w.redeem(code); tokens.status != 200 {
			t.Errorf("%s", tokens.raw)
		}
	})
}

func TestOfFiftyRedemptionsOfACodeOneWins(t *testing.T) {
	w := newTenantWorld(t)
	code := w.browser().signIn(sandbox.DanaID).answer.Get("code")
	var group sync.WaitGroup
	answers := make([]tokenAnswer, 50)
	for i := range answers {
		group.Go(func() { answers[i] = w.redeem(code) })
	}
	group.Wait()
	won := 0
	for _, answer := range answers {
		if answer.status == 200 {
			won++
			continue
		}
		answer.refused(t, 400, "invalid_grant", 54005)
	}
	if won != 1 {
		t.Errorf("%d redemptions won", won)
	}
}

func TestTheTokenEndpointItself(t *testing.T) {
	w := newTenantWorld(t)
	path := "/" + sandbox.TenantID + "/oauth2/v2.0/token"
	get, err := http.Get(w.url + path)
	if err != nil {
		t.Fatal(err)
	}
	w.readToken(get).refused(t, 400, "invalid_request", 900561)
	asJSON, err := http.Post(w.url+path, "application/json", strings.NewReader(`{"grant_type":"client_credentials"}`))
	if err != nil {
		t.Fatal(err)
	}
	w.readToken(asJSON).refused(t, 400, "invalid_request", 900144)
	w.tokenAt("/nowhere.example/oauth2/v2.0/token", url.Values{}).refused(t, 400, "invalid_request", 90002)
	w.token(url.Values{"grant_type": {"a", "b"}}).refused(t, 400, "invalid_request", 90023)
	big := url.Values{"client_id": {strings.Repeat("x", 80<<10)}}
	w.token(big).refused(t, 400, "invalid_request", 9002313)
}

func TestClientSecretBasic(t *testing.T) {
	w := newTenantWorld(t)
	call := func(user, password string, form url.Values) tokenAnswer {
		request, err := http.NewRequest(http.MethodPost, w.url+"/contoso.com/oauth2/v2.0/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth(url.QueryEscape(user), url.QueryEscape(password))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		return w.readToken(response)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {sandbox.AzTSAppIDURI + "/.default"}}
	if answer := call(sandbox.ScriptClientID, sandbox.ScriptClientSecret, form); answer.status != 200 {
		t.Errorf("%s", answer.raw)
	}
	call(sandbox.ScriptClientID, "wrong", form).refused(t, 401, "invalid_client", 7000215)
	form.Set("client_secret", sandbox.ScriptClientSecret)
	call(sandbox.ScriptClientID, sandbox.ScriptClientSecret, form).refused(t, 400, "invalid_request", 9002313) // two ways at once (RFC 6749 §2.3)
}

func TestRefreshTokens(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	scope := signInScope + " " + sandbox.ARMAudience + "/user_impersonation https://graph.microsoft.com/User.Read"
	tokens := w.redeem(b.signIn(sandbox.DanaID, "scope", scope).answer.Get("code"))
	refresh := tokens.str("refresh_token")
	for name, c := range map[string]struct{ scope, audience, scp string }{
		"nothing named: the first of the sign-in":  {"", sandbox.AzTSAppIDURI, "user_impersonation"},
		"another resource":                         {sandbox.ARMAudience + "/.default", sandbox.ARMAudience, "user_impersonation"},
		"a double slash keeps the slash":           {sandbox.ARMAudience + "//.default", sandbox.ARMAudience + "/", "user_impersonation"},
		"several: the first wins":                  {sandbox.ARMAudience + "/.default " + sandbox.AzTSAppIDURI + "/.default", sandbox.ARMAudience, "user_impersonation"},
		"by the app's id":                          {sandbox.AzTSAppID + "/.default", sandbox.AzTSAppID, "user_impersonation"},
		"only OpenID scopes: Graph":                {"openid offline_access", sandbox.GraphAudience, "openid profile email offline_access User.Read"},
		"a bare name is Graph's, in any case":      {"user.read", sandbox.GraphAudience, "openid profile email offline_access User.Read"},
		"Graph's token may carry more than asked":  {"https://graph.microsoft.com/User.Read", sandbox.GraphAudience, "openid profile email offline_access User.Read"},
		"the sign-in's own scopes, in other order": {scope, sandbox.AzTSAppIDURI, "user_impersonation"},
	} {
		t.Run(name, func(t *testing.T) {
			renewed := w.renew(refresh, c.scope)
			if renewed.status != 200 {
				t.Fatalf("%s", renewed.raw)
			}
			claims := w.claims(renewed.str("access_token"))
			if claims["aud"] != c.audience || !sameWords(claims["scp"], c.scp) {
				t.Errorf("aud %v, scp %v", claims["aud"], claims["scp"])
			}
			if (renewed.str("id_token") != "") != (c.scope == "" || strings.Contains(c.scope, "openid")) {
				t.Errorf("an ID token comes with openid only: %q", renewed.str("id_token"))
			}
		})
	}
	w.renew(refresh, "https://vault.azure.net/.default").refused(t, 400, "invalid_grant", 65001)
	if answer := w.renew(refresh, "https://vault.azure.net/.default"); answer.str("suberror") != "consent_required" {
		t.Errorf("%s", answer.raw)
	}
	w.renew(refresh, "api://nobody/.default").refused(t, 400, "invalid_resource", 500011)
	w.renew("garbage", "").refused(t, 400, "invalid_grant", 9002313)
	w.renew("", "").refused(t, 400, "invalid_request", 900144)
	foreign := url.Values{"client_id": {sandbox.ScriptClientID}, "client_secret": {sandbox.ScriptClientSecret},
		"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	w.token(foreign).refused(t, 400, "invalid_grant", 70000)

	w.clock.pass(91 * 24 * time.Hour)
	w.renew(refresh, "").refused(t, 400, "invalid_grant", 700082)
}

// sameWords says whether two texts hold the same words in any order.
func sameWords(got any, want string) bool {
	text, _ := got.(string)
	seen := map[string]int{}
	for _, word := range strings.Fields(text) {
		seen[word]++
	}
	for _, word := range strings.Fields(want) {
		seen[word]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestNoRefreshTokenWithoutOfflineAccess(t *testing.T) {
	w := newTenantWorld(t)
	tokens := w.redeem(w.browser().signIn(sandbox.DanaID, "scope", "openid "+sandbox.AzTSAppIDURI+"/user_impersonation").answer.Get("code"))
	if tokens.status != 200 || tokens.str("refresh_token") != "" {
		t.Errorf("%s", tokens.raw)
	}
	if claims := w.claims(tokens.str("id_token")); claims["preferred_username"] != nil || claims["oid"] != nil {
		t.Errorf("without profile the ID token holds %v", claims)
	}
}

func TestClientInfoAndCapabilities(t *testing.T) {
	w := newTenantWorld(t)
	claims := `{"access_token":{"xms_cc":{"values":["cp1"]}}}`
	code := w.browser().signIn(sandbox.DanaID, "claims", claims).answer.Get("code")
	tokens := w.redeem(code, "client_info", "1")
	raw, err := base64.RawURLEncoding.DecodeString(tokens.str("client_info"))
	var info struct{ UID, UTID string }
	if err != nil || json.Unmarshal(raw, &info) != nil || info.UID != sandbox.DanaID || info.UTID != sandbox.TenantID {
		t.Errorf("client_info %q", raw)
	}
	if w.claims(tokens.str("access_token"))["xms_cc"] == nil {
		t.Error("the announced capability is not in the token")
	}
}

func TestVersionOne(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	query := portalRequest("scope", "openid", "resource", sandbox.AzTSAppIDURI)
	page := b.press(b.get("/contoso.com/oauth2/authorize?"+query.Encode()), "account", sandbox.DanaID)
	done := b.press(page.on("Permissions requested"), "action", "accept")
	claims := w.claims(done.answer.Get("id_token"))
	if claims["ver"] != "1.0" || claims["iss"] != w.url+"/"+sandbox.TenantID+"/" || claims["upn"] != "dana@contoso.com" || claims["oid"] != sandbox.DanaID {
		t.Errorf("v1 ID token %v", claims)
	}
	form := url.Values{"client_id": {sandbox.PortalClientID}, "client_secret": {sandbox.PortalClientSecret}, "grant_type": {"authorization_code"},
		"code": {done.answer.Get("code")}, "redirect_uri": {portalURL + "/auth/callback"}, "code_verifier": {verifier}, "resource": {sandbox.AzTSAppIDURI}}
	tokens := w.tokenAt("/"+sandbox.TenantID+"/oauth2/token", form)
	if tokens.str("expires_in") == "" || tokens.str("expires_on") == "" || tokens.str("resource") != sandbox.AzTSAppIDURI || tokens.str("scope") != "user_impersonation" {
		t.Errorf("v1 answer %s", tokens.raw)
	}
	form.Set("grant_type", "refresh_token")
	form.Set("refresh_token", tokens.str("refresh_token"))
	form.Set("resource", "https://nobody.example/")
	w.tokenAt("/"+sandbox.TenantID+"/oauth2/token", form).refused(t, 400, "invalid_resource", 50001)
}
