package sandbox_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/sandbox"
)

func TestErrorsThatNeverTravel(t *testing.T) {
	w := newTenantWorld(t)
	callback := portalURL + "/auth/callback"
	for name, c := range map[string]struct {
		changes []string
		code    string
	}{
		"no client":            {[]string{"client_id", ""}, "AADSTS900144"},
		"unknown client":       {[]string{"client_id", "00000000-1111-2222-3333-444444444444"}, "AADSTS700016"},
		"client with markup":   {[]string{"client_id", "<script>alert(1)</script>"}, "AADSTS700016"},
		"an API as the client": {[]string{"client_id", sandbox.AzTSAppID}, "AADSTS700016"},
		"foreign host":         {[]string{"redirect_uri", "https://evil.example/auth/callback"}, "AADSTS50011"},
		"trailing slash":       {[]string{"redirect_uri", callback + "/"}, "AADSTS50011"},
		"other case":           {[]string{"redirect_uri", strings.Replace(callback, "auth", "Auth", 1)}, "AADSTS50011"},
		"added query":          {[]string{"redirect_uri", callback + "?x=1"}, "AADSTS50011"},
		"added path":           {[]string{"redirect_uri", callback + "/../../evil"}, "AADSTS50011"},
		"user in front":        {[]string{"redirect_uri", "http://localhost@evil.example/auth/callback"}, "AADSTS50011"},
		"user at localhost":    {[]string{"redirect_uri", "http://evil@localhost:8080/auth/callback"}, "AADSTS50011"},
		"other scheme":         {[]string{"redirect_uri", strings.Replace(callback, "http", "https", 1)}, "AADSTS50011"},
		"script":               {[]string{"redirect_uri", "javascript:alert(1)"}, "AADSTS50011"},
		"query too long":       {[]string{"state", strings.Repeat("x", 40<<10)}, "AADSTS90015"},
	} {
		t.Run(name, func(t *testing.T) {
			page := w.browser().authorize(c.changes...)
			if page.answer != nil || page.status != http.StatusBadRequest {
				t.Fatalf("status %d, answer %v", page.status, page.answer)
			}
			page.on("Sorry, we could not sign you in")
			if !strings.Contains(page.text(), c.code+":") {
				t.Errorf("the page says %q, want %s", page.text(), c.code)
			}
			if page.doc.Find("main script").Length() != 0 {
				t.Error("text from the request became markup")
			}
		})
	}
	t.Run("unknown tenant", func(t *testing.T) {
		page := w.browser().get("/nowhere.example/oauth2/v2.0/authorize?" + portalRequest().Encode())
		if page.answer != nil || !strings.Contains(page.text(), "AADSTS90002") {
			t.Errorf("%q", page.text())
		}
	})
	t.Run("a parameter twice", func(t *testing.T) {
		page := w.browser().get("/" + sandbox.TenantID + "/oauth2/v2.0/authorize?" + portalRequest().Encode() + "&state=again")
		if page.answer != nil || !strings.Contains(page.text(), "AADSTS90023") {
			t.Errorf("%q", page.text())
		}
	})
}

func TestThePortOfLocalhostIsIgnored(t *testing.T) {
	w := newTenantWorld(t)
	w.browser().authorize("redirect_uri", "http://localhost:54321/auth/callback").on("Choose an account")
}

func TestErrorsThatTravelToTheApplication(t *testing.T) {
	w := newTenantWorld(t)
	for name, c := range map[string]struct {
		changes []string
		err     string
		code    string
	}{
		"no response_type":         {[]string{"response_type", ""}, "invalid_request", "900144"},
		"unknown response_type":    {[]string{"response_type", "code magic"}, "unsupported_response_type", "70005"},
		"token":                    {[]string{"response_type", "token"}, "unsupported_response_type", "700051"},
		"id_token in a query":      {[]string{"response_mode", "query"}, "invalid_request", "70007"},
		"unknown response_mode":    {[]string{"response_mode", "pigeon"}, "invalid_request", "70007"},
		"no scope":                 {[]string{"scope", ""}, "invalid_request", "900144"},
		"id_token without openid":  {[]string{"scope", "User.Read"}, "invalid_request", "90014"},
		"unknown resource":         {[]string{"scope", "openid api://nobody/x"}, "invalid_resource", "500011"},
		"the scope as a resource":  {[]string{"scope", "openid " + sandbox.AzTSAppIDURI + "/user_impersonation/.default"}, "invalid_resource", "500011"},
		"unknown scope":            {[]string{"scope", "openid " + sandbox.AzTSAppIDURI + "/Everything"}, "invalid_scope", "70011"},
		".default beside a scope":  {[]string{"scope", "openid User.Read https://graph.microsoft.com/.default"}, "invalid_scope", "70011"},
		"resource sent to v2":      {[]string{"resource", sandbox.AzTSAppIDURI}, "invalid_request", "901002"},
		"no nonce":                 {[]string{"nonce", ""}, "invalid_request", "90014"},
		"unknown prompt":           {[]string{"prompt", "please"}, "invalid_request", "90023"},
		"admin_consent in v2":      {[]string{"prompt", "admin_consent"}, "invalid_request", "90023"},
		"short challenge":          {[]string{"code_challenge", "abc"}, "invalid_request", "50147"},
		"unknown challenge method": {[]string{"code_challenge_method", "S512"}, "invalid_request", "90023"},
		"method without challenge": {[]string{"code_challenge", ""}, "invalid_request", "90014"},
		"claims that are no JSON":  {[]string{"claims", "{"}, "invalid_request", "90023"},
		"claims of another shape":  {[]string{"claims", `{"id_token":[1]}`}, "invalid_request", "90023"},
		"max_age that is no age":   {[]string{"max_age", "-1"}, "invalid_request", "90023"},
		"nobody and no page":       {[]string{"prompt", "none"}, "login_required", "50058"},
	} {
		t.Run(name, func(t *testing.T) {
			done := w.browser().authorize(c.changes...)
			if done.answer.Get("error") != c.err || !strings.HasPrefix(done.answer.Get("error_description"), "AADSTS"+c.code+":") {
				t.Errorf("answer %v, want %s with AADSTS%s", done.answer, c.err, c.code)
			}
			if done.answer.Get("state") != "s-1" {
				t.Errorf("state %q", done.answer.Get("state"))
			}
			if done.answer.Has("code") || done.answer.Has("id_token") {
				t.Error("an error came with a code or a token")
			}
		})
	}
	t.Run("id_token without the flag", func(t *testing.T) {
		done := w.browser().authorize("client_id", sandbox.PayrollClientID, "redirect_uri", w.url+"/expenses/payroll",
			"response_type", "id_token", "response_mode", "form_post")
		if !strings.HasPrefix(done.answer.Get("error_description"), "AADSTS700054:") {
			t.Errorf("answer %v", done.answer)
		}
	})
}

func TestResponseModes(t *testing.T) {
	w := newTenantWorld(t)
	for name, c := range map[string]struct {
		kind, mode, rests string
		has, hasNot       []string
	}{
		"code by default":           {"code", "", "query", []string{"code", "state", "session_state"}, []string{"id_token"}},
		"code by fragment":          {"code", "fragment", "fragment", []string{"code", "state"}, nil},
		"code by form_post":         {"code", "form_post", "form_post", []string{"code", "state", "session_state"}, []string{"id_token"}},
		"id_token by default":       {"id_token", "", "fragment", []string{"id_token", "state"}, []string{"code"}},
		"id_token by form_post":     {"id_token", "form_post", "form_post", []string{"id_token", "state", "session_state"}, []string{"code"}},
		"hybrid by default":         {"code id_token", "", "fragment", []string{"code", "id_token", "state"}, nil},
		"hybrid in the other order": {"id_token code", "form_post", "form_post", []string{"code", "id_token"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			done := w.browser().signIn(sandbox.DanaID, "response_type", c.kind, "response_mode", c.mode)
			if done.mode != c.rests {
				t.Errorf("the answer came by %s, want %s", done.mode, c.rests)
			}
			for _, member := range c.has {
				if done.answer.Get(member) == "" {
					t.Errorf("%s is missing", member)
				}
			}
			for _, member := range c.hasNot {
				if done.answer.Has(member) {
					t.Errorf("%s is there", member)
				}
			}
		})
	}
}

func TestFormPostPage(t *testing.T) {
	w := newTenantWorld(t)
	done := w.browser().signIn(sandbox.DanaID, "state", `"><script>x</script>`)
	if title := done.doc.Find("title").Text(); title != "Working..." {
		t.Errorf("title %q", title)
	}
	if done.answer.Get("state") != `"><script>x</script>` || done.doc.Find("form script").Length() != 0 {
		t.Errorf("state came through as %q", done.answer.Get("state"))
	}
	if !strings.Contains(done.header.Get("Content-Security-Policy"), "form-action 'self' http://localhost:8080") {
		t.Errorf("the policy forbids the post: %s", done.header.Get("Content-Security-Policy"))
	}
	if done.doc.Find("script[src]").Length() != 1 || !strings.Contains(done.doc.Find("noscript").Text(), "button") {
		t.Error("the page has no script of its own, or no way without")
	}
	if done.header.Get("Cache-Control") != "no-store, no-cache" {
		t.Errorf("Cache-Control %q", done.header.Get("Cache-Control"))
	}
}

func TestEveryPageSaysItIsASandboxAndRunsNoInlineScript(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	picker := b.authorize()
	approve := b.press(picker, "account", sandbox.MiraID)
	consent := b.press(approve, "action", "approve")
	noPlace := w.browser().authorize("client_id", "x")
	b.signIn(sandbox.DanaID, "prompt", "select_account")
	for _, page := range []*place{picker, approve, consent, noPlace, b.get("/sandbox"), b.get("/expenses"), b.get("/error?code=50011"),
		b.get("/sandbox/signed-out"), b.get("/" + sandbox.TenantID + "/oauth2/v2.0/logout")} {
		if !strings.Contains(page.doc.Find("header").Text(), "Sandbox") || page.doc.Find("h1").Length() != 1 || page.doc.Find("main").Length() != 1 {
			t.Errorf("%s %q: no mark, or not one heading and one main", page.at, page.heading())
		}
		policy := page.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || page.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", page.at, page.header)
		}
		page.doc.Find("script").Each(func(_ int, s *goquery.Selection) {
			if s.AttrOr("src", "") == "" {
				t.Errorf("%s: inline script", page.at)
			}
		})
		if page.doc.Find("[style], style, [onclick], [onload]").Length() > 0 {
			t.Errorf("%s: inline style or handler", page.at)
		}
		if page.doc.Find("title").Text() == "" || page.doc.Find("html[lang]").Length() != 1 {
			t.Errorf("%s: no title or no language", page.at)
		}
	}
}

func TestPrompts(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	first := b.signIn(sandbox.DanaID)
	sid := first.answer.Get("session_state")

	if done := b.authorize("prompt", "none"); done.answer.Get("code") == "" || done.answer.Get("session_state") != sid {
		t.Errorf("prompt=none with one session: %v", done.answer)
	}
	b.authorize("prompt", "select_account").on("Choose an account")
	b.authorize("prompt", "consent").on("Permissions requested")

	w.clock.pass(10 * time.Minute)
	done := b.signIn(sandbox.DanaID, "prompt", "login")
	claims := w.claims(done.answer.Get("id_token"))
	if claims["auth_time"] != float64(w.clock.Now().Unix()) || done.answer.Get("session_state") != sid {
		t.Errorf("prompt=login left auth_time %v, sid %s of %s", claims["auth_time"], done.answer.Get("session_state"), sid)
	}

	b.signIn(sandbox.AdaID, "prompt", "select_account")
	b.authorize().on("Choose an account") // two accounts now
	if done := b.authorize("prompt", "none"); done.answer.Get("error") != "login_required" {
		t.Errorf("prompt=none with two sessions: %v", done.answer)
	}
	if done := b.authorize("prompt", "none", "login_hint", "ada@contoso.com"); w.claims(done.answer.Get("id_token"))["oid"] != sandbox.AdaID {
		t.Error("the hint does not tell two sessions apart")
	}
	hint, _ := claims["login_hint"].(string)
	if done := b.authorize("login_hint", hint); w.claims(done.answer.Get("id_token"))["oid"] != sandbox.DanaID {
		t.Error("the login_hint claim is no login_hint")
	}
}

func TestHintsNarrowThePicker(t *testing.T) {
	w := newTenantWorld(t)
	accounts := func(page *place) int { return page.doc.Find(`button[name="account"]`).Length() }
	all := accounts(w.browser().authorize())
	if all != len(w.People()) {
		t.Errorf("the picker shows %d of %d people", all, len(w.People()))
	}
	b := w.browser()
	hinted := b.authorize("login_hint", "dana@contoso.com")
	if accounts(hinted) != 1 {
		t.Errorf("login_hint leaves %d accounts", accounts(hinted))
	}
	if other := b.press(hinted, "action", "other"); accounts(other) != all {
		t.Errorf("another account: %d to choose from", accounts(other))
	}
	if n := accounts(w.browser().authorize("domain_hint", "fabrikam.com")); n != 2 {
		t.Errorf("domain_hint leaves %d accounts, want Gina and Felix", n)
	}
	if n := accounts(w.browser().authorize("domain_hint", "consumers")); n != 0 {
		t.Errorf("there are %d personal accounts", n)
	}
}

func TestMaxAge(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	b.signIn(sandbox.DanaID)
	w.clock.pass(time.Hour)
	if done := b.authorize("max_age", "7200"); done.answer.Get("code") == "" {
		t.Errorf("a young enough session is asked again: %q", done.heading())
	}
	b.authorize("max_age", "60").on("Choose an account")
	if done := b.authorize("max_age", "60", "prompt", "none"); done.answer.Get("error") != "login_required" {
		t.Errorf("answer %v", done.answer)
	}
}

func TestTheBrowserSessionEndsAfterADay(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	b.signIn(sandbox.DanaID)
	w.clock.pass(25 * time.Hour)
	b.authorize().on("Choose an account")
}

func TestAccountsThatCannotSignIn(t *testing.T) {
	w := newTenantWorld(t)
	for oid, code := range map[string]string{sandbox.DiegoID: "50057", sandbox.LarsID: "50053", sandbox.EdithID: "50055", sandbox.FelixID: "50020"} {
		b := w.browser()
		page := b.press(b.authorize(), "account", oid).on("Sorry, we could not sign you in")
		if !strings.Contains(page.text(), "AADSTS"+code) {
			t.Errorf("%s: %s", oid, page.text())
		}
		if done := b.authorize("prompt", "none"); done.answer.Get("code") != "" {
			t.Errorf("%s is signed in", oid)
		}
	}
}

func TestAssignmentRequired(t *testing.T) {
	w := newTenantWorld(t)
	payroll := []string{"client_id", sandbox.PayrollClientID, "redirect_uri", w.url + "/expenses/payroll", "response_type", "code",
		"response_mode", "", "scope", "openid"}
	b := w.browser()
	page := b.press(b.authorize(payroll...), "account", sandbox.DanaID)
	if !strings.Contains(page.text(), "AADSTS50105") {
		t.Errorf("%s", page.text())
	}
	silent := b.get("/" + sandbox.TenantID + "/oauth2/v2.0/authorize?" + portalRequest(append(payroll, "prompt", "none")...).Encode())
	if silent.at.Query().Get("error") != "interaction_required" {
		t.Errorf("silent: %s", silent.at)
	}
}

func TestSecondFactor(t *testing.T) {
	w := newTenantWorld(t)
	t.Run("a person who must", func(t *testing.T) {
		b := w.browser()
		page := b.press(b.authorize(), "account", sandbox.MiraID).on("Approve the sign-in")
		page = b.press(page, "action", "approve").on("Permissions requested")
		done := b.press(page, "action", "accept")
		if amr := w.claims(done.answer.Get("id_token"))["amr"].([]any); !slices.Contains(amr, any("mfa")) {
			t.Errorf("amr %v", amr)
		}
	})
	t.Run("a person who need not", func(t *testing.T) {
		done := w.browser().signIn(sandbox.DanaID)
		if amr := w.claims(done.answer.Get("id_token"))["amr"].([]any); slices.Contains(amr, any("mfa")) {
			t.Errorf("amr %v", amr)
		}
	})
	for name, demand := range map[string]string{
		"amr":    `{"id_token":{"amr":{"essential":true,"values":["mfa"]}}}`,
		"acrs":   `{"id_token":{"acrs":{"essential":true,"value":"c1"}}}`,
		"polids": `{"access_token":{"polids":{"essential":true,"values":["4d20b7e9-6f31-4a8c-8b52-0c7e91d3fa64"]}}}`,
	} {
		t.Run("demanded by "+name, func(t *testing.T) {
			b := w.browser()
			b.signIn(sandbox.DanaID)
			if done := b.authorize("claims", demand, "prompt", "none"); done.answer.Get("error") != "interaction_required" {
				t.Errorf("silent: %v", done.answer)
			}
			page := b.authorize("claims", demand).on("Approve the sign-in")
			done := b.press(page, "action", "approve")
			claims := w.claims(done.answer.Get("id_token"))
			if !slices.Contains(claims["amr"].([]any), any("mfa")) {
				t.Errorf("amr %v", claims["amr"])
			}
			if name == "acrs" && !slices.Equal(claims["acrs"].([]any), []any{"c1"}) {
				t.Errorf("acrs %v", claims["acrs"])
			}
			if again := b.authorize("claims", demand); again.answer.Get("code") == "" {
				t.Errorf("asked a second time: %q", again.heading())
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		b := w.browser()
		page := b.press(b.authorize(), "account", sandbox.MiraID)
		if done := b.press(page, "action", "decline"); done.answer.Get("error_subcode") != "cancel" {
			t.Errorf("answer %v", done.answer)
		}
	})
}

func TestRolesAndGuests(t *testing.T) {
	w := newTenantWorld(t)
	if roles := w.claims(w.browser().signIn(sandbox.AdaID).answer.Get("id_token"))["roles"]; !slices.Equal(roles.([]any), []any{"Portal.Admin"}) {
		t.Errorf("Ada's roles %v", roles)
	}
	if roles := w.claims(w.browser().signIn(sandbox.HugoID).answer.Get("id_token"))["roles"]; !slices.Equal(roles.([]any), []any{"Portal.HelpDesk"}) {
		t.Errorf("Hugo's roles %v", roles)
	}
	dana := w.claims(w.browser().signIn(sandbox.DanaID).answer.Get("id_token"))
	if dana["roles"] != nil || !slices.Equal(dana["wids"].([]any), []any{"b79fbf4d-3ef9-4689-8143-76b194e85509"}) {
		t.Errorf("Dana's roles %v, wids %v", dana["roles"], dana["wids"])
	}
	guest := w.claims(w.browser().signIn(sandbox.GinaID).answer.Get("id_token"))
	if guest["tid"] != sandbox.TenantID || guest["oid"] != sandbox.GinaID || guest["idp"] == nil {
		t.Errorf("the guest here: %v", guest)
	}
	many := w.claims(w.browser().signIn(sandbox.TomasID).answer.Get("id_token"))
	if many["groups"] != nil || many["_claim_names"] == nil {
		t.Errorf("240 groups: %v", many)
	}
}

func TestSeveralTenantsAtOneAuthority(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	page := b.get("/organizations/oauth2/v2.0/authorize?" + portalRequest().Encode())
	page = b.press(page, "account", sandbox.GinaID).on("Permissions requested")
	claims := w.claims(b.press(page, "action", "accept").answer.Get("id_token"))
	if claims["tid"] != sandbox.FabrikamTenantID || claims["iss"] != w.url+"/"+sandbox.FabrikamTenantID+"/v2.0" || claims["oid"] == sandbox.GinaID {
		t.Errorf("at home the guest is %v", claims)
	}
	single := w.browser().get("/common/oauth2/v2.0/authorize?" + portalRequest("client_id", sandbox.ExpensesClientID,
		"redirect_uri", w.url+"/expenses/callback").Encode())
	if !strings.Contains(single.text(), "AADSTS50194") {
		t.Errorf("a single-tenant application at common: %s", single.text())
	}
}

func TestARequestByPostIsTheSameRequest(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	b.post("/"+sandbox.TenantID+"/oauth2/v2.0/authorize", portalRequest()).on("Choose an account")
}

func TestPagesTakeFormsFromThemselvesOnly(t *testing.T) {
	w := newTenantWorld(t)
	for _, path := range []string{"/sandbox/sign-in", "/sandbox/sign-out", "/sandbox/faults", "/sandbox/keys", "/expenses/sign-out", "/expenses/callback"} {
		request, err := http.NewRequest(http.MethodPost, w.url+path, strings.NewReader(url.Values{"clear": {"all"}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", "https://evil.example")
		request.Header.Set("Sec-Fetch-Site", "cross-site")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("%s takes a foreign form: %d", path, response.StatusCode)
		}
	}
}

func TestAnInteractionIsUsedOnce(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	page := b.press(b.authorize(), "account", sandbox.DanaID)
	b.press(page, "action", "accept")
	if again := b.press(page, "action", "accept"); again.answer != nil {
		t.Errorf("the consent page gave a second answer: %v", again.answer)
	}
	late := b.authorize("prompt", "select_account")
	w.clock.pass(16 * time.Minute)
	if again := b.press(late, "account", sandbox.DanaID); again.answer != nil {
		t.Errorf("an old page gave an answer: %v", again.answer)
	}
}

func TestAPlantedSessionIDIsNotTakenOver(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	home, _ := url.Parse(w.url)
	b.client.Jar.SetCookies(home, []*http.Cookie{{Name: "sandbox_session", Value: "planted", Path: "/"}})
	b.signIn(sandbox.DanaID)
	for _, cookie := range b.client.Jar.Cookies(home) {
		if cookie.Name == "sandbox_session" && cookie.Value == "planted" {
			t.Error("the planted id became the session's")
		}
	}
}
