package main

import (
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	started := b.send(visit{to: "/auth/login"})
	attributes := func(p *page, prefix string) string {
		t.Helper()
		for _, line := range p.header.Values("Set-Cookie") {
			if strings.HasPrefix(line, prefix) && !strings.Contains(line, "Max-Age=0") {
				_, after, _ := strings.Cut(line, ";")
				return after
			}
		}
		t.Fatalf("no cookie %s among %q", prefix, p.header.Values("Set-Cookie"))
		return ""
	}
	if got, want := attributes(started, "__Host-flow-"), " Path=/; Max-Age=600; HttpOnly; Secure; SameSite=None"; got != want {
		t.Errorf("the cookie of a flow has %q, want %q", got, want)
	}
	done := w.callback(b, b.answer(dana))
	expires := regexp.MustCompile(` Expires=[^;]*;`)
	if got, want := expires.ReplaceAllString(attributes(done, sessionCookie+"="), ""), " Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax"; got != want {
		t.Errorf("the session's cookie has %q, want %q", got, want)
	}
	if n := len(b.cookie(sessionCookie)); n != 43 {
		t.Errorf("the session's cookie has %d characters, not the 43 of 256 bits", n)
	}
	b.signOut()
	for _, c := range b.jar.cookies {
		if c.host == "localhost" && (!c.Secure || !c.HttpOnly) {
			t.Errorf("cookie %s is not Secure and HttpOnly", c.Name)
		}
	}
}

// TestAttackSessionFixation plants a session in a browser and waits for its
// owner to sign in there.
func TestAttackSessionFixation(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	t.Run("made-up value", func(t *testing.T) {
		w := w.in(t)
		b := w.browser()
		planted := strings.Repeat("A", 43)
		b.setCookie(sessionCookie, planted)
		b.signIn(dana)
		if b.cookie(sessionCookie) == planted {
			t.Error("the planted value became the session's")
		}
		thief := w.browser()
		thief.setCookie(sessionCookie, planted)
		thief.send(visit{to: "/account"}).leadsTo("/auth/login")
		b.signOut()
	})
	t.Run("the attacker's own session", func(t *testing.T) {
		w := w.in(t)
		mallory := w.browser()
		mallory.signIn("ada@contoso.com")
		planted := mallory.cookie(sessionCookie)
		b := w.browser()
		b.setCookie(sessionCookie, planted)
		b.signIn(dana).has("main", dana)
		if b.cookie(sessionCookie) == planted {
			t.Error("the planted session was kept")
		}
		mallory.send(visit{to: "/account"}).leadsTo("/auth/login")
		if n := w.sessions(); n != 1 {
			t.Errorf("there are %d sessions, want the one", n)
		}
		b.signOut()
	})
	for _, value := range []string{"x", strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("=", 43), strings.Repeat("A", 6000), "' OR 1=1 --"} {
		b := w.browser()
		b.send(visit{to: "/account", header: http.Header{"Cookie": {sessionCookie + "=" + value}}}).leadsTo("/auth/login")
	}
}

// TestAttackSessionOfAnotherTenant starts a portal for another tenant with the
// database and the key of the first: who was in there is nobody here.
func TestAttackSessionOfAnotherTenant(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	cookie := b.cookie(sessionCookie)
	w.stop()
	env := maps.Clone(w.env)
	env["PORTAL_DATABASE_URL"] = "sqlite:" + w.db
	again := startPortal(t, env)
	same := again.browser()
	same.setCookie(sessionCookie, cookie)
	same.get("/account").want(http.StatusOK, "Account")
	again.stop()

	env["PORTAL_ISSUER"] = w.tenant.url + "/2f6d8a10-94c3-4b7e-8e15-0a3c7d91b6e2/v2.0"
	other := startPortal(t, env).browser()
	other.setCookie(sessionCookie, cookie)
	for _, path := range []string{"/account", "/tokens", "/scans", "/account/sessions"} {
		other.send(visit{to: path}).leadsTo("/auth/login")
	}
	if p := other.send(visit{to: "/session"}); p.body != nobodyHere {
		t.Errorf("/session is %d %s", p.status, p.body)
	}
}

// nobodyHere is /session's answer where nobody is signed in.
const nobodyHere = `{"signedIn":false}`

func TestOldCookieAfterSignOut(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	old := b.cookie(sessionCookie)
	// The button alone: what the tenant tells us afterwards would end it too.
	b.send(visit{to: "/auth/logout", form: url.Values{}, from: b.address("/")}).leadsTo(w.tenant.url)
	if b.cookie(sessionCookie) != "" {
		t.Error("sign-out leaves the cookie")
	}
	thief := w.browser()
	thief.setCookie(sessionCookie, old)
	for _, path := range []string{"/account", "/account/sessions", "/tokens", "/scans"} {
		thief.send(visit{to: path}).leadsTo("/auth/login")
	}
	// What scripts ask.
	if p := thief.send(visit{to: "/session"}); p.body != nobodyHere {
		t.Errorf("/session is %d %s", p.status, p.body)
	}
	if p := thief.send(visit{to: "/events"}); p.status != http.StatusNoContent {
		t.Errorf("/events is %d", p.status)
	}
	if n := w.rows("session_tokens"); n != 0 {
		t.Errorf("%d tokens outlive their session", n)
	}
}

// TestNewSessionAtSignIn: whoever signs in again has one session, a new one.
func TestNewSessionAtSignIn(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	first := b.cookie(sessionCookie)
	b.signIn(dana)
	if b.cookie(sessionCookie) == first {
		t.Error("signing in again keeps the session's id")
	}
	if n := w.sessions(); n != 1 {
		t.Errorf("there are %d sessions: the old one was not replaced, since the answer comes without its cookie", n)
	}
}

func TestAnonymousVisitsStoreNothing(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	for range 3 {
		for _, path := range []string{"/", "/auth/login", "/account", "/auth/signed-out", "/nowhere", "/auth/frontchannel-logout?sid=x", "/readyz"} {
			b.get(path)
		}
		w.callback(b, url.Values{"state": {strings.Repeat("C", 43)}, "code": {"x"}})
		b.send(visit{to: "/auth/backchannel-logout", form: url.Values{"logout_token": {"x"}}})
		b.send(visit{to: "/auth/logout", form: url.Values{}})
	}
	for _, table := range []string{"sessions", "session_tokens", "used_values", "scans"} {
		if n := w.rows(table); n != 0 {
			t.Errorf("visitors who are nobody leave %d rows in %s", n, table)
		}
	}
}

// TestFourSignInsAtOnce: a person may have a few tabs signing in; of more, the
// oldest goes, so that the cookies stay within the limits of proxies.
func TestFourSignInsAtOnce(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	var answers []url.Values
	for range 6 {
		answers = append(answers, b.answer(dana))
	}
	flows, bytes := 0, 0
	for _, c := range b.jar.cookies {
		if strings.HasPrefix(c.Name, "__Host-flow-") {
			flows++
			bytes += len(c.Name) + len(c.Value)
		}
	}
	if flows != 4 || bytes > 4<<10 {
		t.Errorf("six sign-ins leave %d cookies of %d bytes, want 4 below 4 KiB", flows, bytes)
	}
	for i, answer := range answers {
		p := w.callback(b, answer)
		if i < 2 {
			if p.status != http.StatusBadRequest || p.evidence("Code") != "state_unknown" {
				t.Errorf("sign-in %d of 6 is answered with %d: the oldest were to go", i+1, p.status)
			}
			continue
		}
		p.leadsTo("/")
	}
}

func TestAnonymousIsLedToSignIn(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	for path, want := range map[string]string{
		"/account":            "/auth/login?return_to=%2Faccount",
		"/account?a=1&b=%2F2": "/auth/login?return_to=%2Faccount%3Fa%3D1%26b%3D%252F2",
		"/tokens":             "/auth/login?return_to=%2Ftokens",
	} {
		if to := b.send(visit{to: path}).leadsTo("/auth/login"); to.String() != want {
			t.Errorf("%s leads to %s, want %s", path, to, want)
		}
	}
	to := b.send(visit{to: "/tokens/reveal", form: url.Values{}, from: b.address("/")}).leadsTo("/auth/login")
	if to.Query().Get("return_to") != "/tokens" {
		t.Errorf("a form of a session that ended leads to %s, where it cannot be sent again", to)
	}
}

// TestPersonalIsNotStored: what is personal stays in no cache, so that the back
// button shows nothing after sign-out.
func TestPersonalIsNotStored(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	answer := b.answer(dana)
	pages := []*page{b.send(visit{to: "/auth/login"}), w.callback(b, answer)}
	results := b.get("/").sel(`a[href*="/results"]`).First().AttrOr("href", "/subscriptions/3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3/results")
	for _, path := range []string{"/", "/account", "/account/sessions", "/tokens", "/scans", "/session", results, "/subscriptions/3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3/results.csv",
		"/auth/signed-out", "/nowhere", "/scans/aaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		pages = append(pages, b.send(visit{to: path}))
	}
	own := b.address("/")
	for _, path := range []string{"/tokens", "/tokens/reveal", "/tokens/forget", "/account/sessions/end", "/auth/logout"} {
		pages = append(pages, b.send(visit{to: path, form: url.Values{}, from: own}))
	}
	for _, p := range pages {
		if got := p.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s (%d) has Cache-Control %q", p.url.Path, p.status, got)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	for _, path := range []string{"/", "/account", "/tokens", "/auth/login", "/auth/callback", "/nowhere", "/healthz", "/auth/signed-out"} {
		p := b.send(visit{to: path})
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"} {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s has %s: %q, want %q", path, name, got, want)
			}
		}
		policy := p.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'",
			"form-action 'self' https: " + w.tenant.url} {
			if !slices.Contains(strings.Split(policy, "; "), part) {
				t.Errorf("%s: %q is not in the policy %q", path, part, policy)
			}
		}
		if p.doc != nil && p.sel("script:not([src]), style, [style], [onclick], [onload], [onerror]").Length() != 0 {
			t.Errorf("%s has script or style of its own", path)
		}
	}
}

// TestAttackCrossSitePost sends every form of ours from elsewhere, with the
// session's cookie, as a browser without SameSite would.
func TestAttackCrossSitePost(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../handlers/routes.go")
	if err != nil {
		t.Fatal(err)
	}
	routes := regexp.MustCompile(`"POST (/[^"]*)"`).FindAllSubmatch(source, -1)
	if len(routes) < 9 {
		t.Fatalf("found only %d POST routes", len(routes))
	}
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	cookie := sessionCookie + "=" + b.cookie(sessionCookie)
	none := []string(nil)
	for name, header := range map[string]http.Header{
		"cross-site":                  {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
		"same-site, another port":     {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://localhost:1"}},
		"old browser":                 {"Sec-Fetch-Site": none, "Origin": {"https://evil.example"}},
		"old browser, Origin null":    {"Sec-Fetch-Site": none, "Origin": {"null"}},
		"cross-site without Origin":   {"Sec-Fetch-Site": {"cross-site"}},
		"cross-site that forges ours": {"Sec-Fetch-Site": {"cross-site"}, "Origin": {w.url}},
	} {
		header.Set("Cookie", cookie)
		for _, route := range routes {
			p := w.browser().send(visit{to: string(route[1]), form: url.Values{}, header: header})
			if p.status != http.StatusForbidden || p.evidence("Code") != "cross_origin" {
				t.Errorf("%s: POST %s is answered with %d", name, route[1], p.status)
			}
		}
	}
	b.get("/account").want(http.StatusOK, "Account") // nothing of it ended the session
}
