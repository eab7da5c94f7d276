package main

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// Object ids of service principals in the sandbox (the table at the top of entra.md).
const (
	portalPrincipal = "5d1e7c30-0b94-4a6f-9c28-71f3e08a4d15"
	aztsPrincipal   = "e07a3b91-5c4d-4286-97fe-1be04d5c8642"
	graphPrincipal  = "4c8f02d7-9e51-4b36-a07d-6b1fe8c3952a"
)

// grantOf returns the id that the sandbox gives a grant of the portal: person ""
// for the one for everybody.
func grantOf(resource, person string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{sandbox.TenantID, portalPrincipal, resource, person}, "|")))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const rolesSuffix = "/providers/Microsoft.Authorization/roleAssignments"

// countRoleQuestions listens to what Azure is asked about roles: which
// subscriptions so far, and how many questions at once at most. Each answer takes
// a while, so that questions meet.
func (w *world) countRoleQuestions() (asked func() []string, most func() int) {
	const slow = 50 * time.Millisecond
	var mu sync.Mutex
	var under, top atomic.Int32
	seen := map[string]bool{}
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, rolesSuffix) {
			return false
		}
		mu.Lock()
		seen[strings.Split(r.URL.Path, "/")[3]] = true
		mu.Unlock()
		now := under.Add(1)
		defer under.Add(-1)
		for {
			before := top.Load()
			if now <= before || top.CompareAndSwap(before, now) {
				break
			}
		}
		time.Sleep(slow)
		w.tenant.Sandbox.ServeHTTP(rw, r)
		return true
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		var ids []string
		for id := range seen {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		return ids
	}, func() int { return int(top.Load()) }
}

// TestGraphInTrouble: what did not arrive is said, what did is shown, and a page
// is never taken for the whole.
func TestGraphInTrouble(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		faults map[string]string
		says   string
		code   string
	}{
		{"throttled for long", map[string]string{"graph.429": "120"}, "has too much to do", "throttled"},
		{"failing", map[string]string{"graph.500": ""}, "failed to answer", "service_failed"},
		{"failing in the middle of the list", map[string]string{"graph.empty_page": "", "graph.500_mid_page": ""}, "failed to answer", "service_failed"},
		{"throttled in the middle of the list", map[string]string{"graph.empty_page": "", "graph.429_mid_page": "120"}, "has too much to do", "throttled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := agreed(t, sandbox.Options{}, readAll)
			b := w.browser()
			b.signIn(ines)
			for fault, value := range test.faults {
				w.tenant.Faults().Set(fault, value, -1)
			}
			p := b.get("/access").want(http.StatusOK, "Access")
			p.has(".panel", "The list of consents is not whole")
			p.has(".panel", test.says)
			if code := p.evidence("Code"); !strings.Contains(code, test.code) {
				t.Errorf("code %q, want %q", code, test.code)
			}
			p.wantPermission("AzTS", "user_impersonation", "Your token carries it")
			p.has("#roles", "Azure lists no subscription") // Ines has none: the rest of the page is whole
			// A page that was not whole is not remembered.
			w.tenant.Faults().Clear()
			if p = b.get("/access"); p.sel(".panel.tone-warning").Length() != 0 {
				t.Errorf("afterwards: %s", p.text(".panel"))
			}
			p.wantPermission("AzTS", "user_impersonation", "You")
		})
	}
}

// TestGraphRefusesAtOnce: 403 is no error of the page.
func TestGraphRefusesAtOnce(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	b := w.browser()
	b.signIn(ines)
	w.tenant.Faults().Set("graph.403", "", -1)
	p := b.get("/access").want(http.StatusOK, "Access")
	p.has(".card-note", "people with a directory role")
	p.wantPermission("AzTS", "user_impersonation", "Use AzTS as you") // our own words, where the directory's may not be read
}

// TestAttackForeignNextLink: a list that leads to another host is refused, and
// that host never sees a request.
func TestAttackForeignNextLink(t *testing.T) {
	t.Parallel()
	var visits atomic.Int32
	attacker := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	defer attacker.Close()
	w := agreed(t, sandbox.Options{}, readAll)
	b := w.browser()
	b.signIn(ines)
	w.tenant.Faults().Set("graph.foreign_next_link", attacker.URL, -1)
	p := b.get("/access").want(http.StatusOK, "Access")
	p.has(".panel", "a list that cannot be followed to its end")
	if n := visits.Load(); n != 0 {
		t.Errorf("the other host got %d requests", n)
	}
	// What arrived before the link is shown.
	p.wantPermission("AzTS", "user_impersonation", "You", "Give back")
}

// TestAttackAnothersGrant: whose a grant is, only the directory says, whatever a
// form names. Nothing is changed, and nothing shown of it.
func TestAttackAnothersGrant(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll, sandbox.AzTSAppIDURI+"/user_impersonation")
	if err := w.tenant.Consent(sandbox.PortalClientID, dana, sandbox.AzTSAppIDURI+"/user_impersonation"); err != nil {
		t.Fatal(err)
	}
	// Grace may read all grants, Ada may change all of them: neither does by this page.
	for _, account := range []string{ines, "grace@contoso.com", "ada@contoso.com"} {
		b := w.browser()
		b.signInTo(account, "/access")
		for name, id := range map[string]string{"Dana's": grantOf(aztsPrincipal, sandbox.DanaID), "everybody's": grantOf(aztsPrincipal, "")} {
			for _, p := range []*page{
				b.get("/access/give-back?" + url.Values{"grant": {id}}.Encode()),
				b.post("/access/give-back", url.Values{"grant": {id}, "shown": {"user_impersonation"}, "scope": {"user_impersonation"}}),
			} {
				if p.status != http.StatusForbidden || p.evidence("Code") != "not_own_consent" {
					t.Errorf("%s: %s consent: %d %s", account, name, p.status, p.text("main"))
				}
			}
		}
	}
	p := w.browser().signInTo("grace@contoso.com", "/access")
	p.wantPermission("AzTS", "user_impersonation", "verybody in your organization")
	if lines := w.log.lines("consent given back"); lines != nil {
		t.Errorf("the portal changed something: %q", lines)
	}
}

// TestAttackForeignForm: a form on another site changes nothing.
func TestAttackForeignForm(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	b := w.browser()
	b.signInTo(ines, "/access")
	evil, _ := url.Parse("http://127.0.0.1:9/") // a constant
	id := grantOf(aztsPrincipal, sandbox.InesID)
	for to, form := range map[string]url.Values{
		"/access/give-back": {"grant": {id}, "shown": {"user_impersonation"}, "scope": {"user_impersonation"}},
		"/access/scopes":    {"other": {basicAll}},
		"/access/requests":  {"permission": {readAll}, "reason": {"because"}},
		"/access/list":      {"api": {"graph"}},
		"/access/refresh":   {},
	} {
		// Even with the cookie, as a browser without SameSite would send it.
		p := b.send(visit{to: to, form: form, from: evil, header: http.Header{"Cookie": {sessionCookie + "=" + b.cookie(sessionCookie)}}})
		if p.status != http.StatusForbidden {
			t.Errorf("%s answers another site's form with %d", to, p.status)
		}
	}
	p := b.get("/access")
	p.wantPermission("AzTS", "user_impersonation", "You", "Give back")
	if p.sel("#requests").Length() != 0 {
		t.Error("a request was made by another site")
	}
}

// TestGrantGoneMeanwhile: what was wanted has happened, and that is said.
func TestGrantGoneMeanwhile(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	b := w.browser()
	p := b.signInTo(ines, "/access")
	give := p.permissionRow("AzTS", "user_impersonation").Find("a").AttrOr("href", "")
	p = b.get(give).want(http.StatusOK, "Give back consent")
	w.tenant.Faults().Set("graph.grant_gone", "", 1)
	p = b.submit(p, `form[action="/access/give-back"] button`, url.Values{"scope": {"user_impersonation"}}).want(http.StatusOK, "Access")
	p.has(".flash", "not there any more")
	// The address of before says the same.
	b.get(give).want(http.StatusOK, "Access").has(".flash", "not there any more")
}

// TestGrantChangedMeanwhile: the new state is shown, and nothing is given back.
func TestGrantChangedMeanwhile(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	b := w.browser()
	b.signInTo(ines, "/access")
	p := b.get("/access/give-back?"+url.Values{"grant": {grantOf(graphPrincipal, sandbox.InesID)}, "scope": {"profile"}}.Encode()).want(http.StatusOK, "Give back consent")
	if err := w.tenant.Consent(sandbox.PortalClientID, ines, basicAll); err != nil {
		t.Fatal(err)
	}
	p = b.submit(p, `form[action="/access/give-back"] button`, url.Values{"scope": {"profile"}}).want(http.StatusConflict, "Give back consent")
	p.has(".panel", "changed meanwhile")
	if p.sel(`input[name=scope][value="User.ReadBasic.All"]`).Length() != 1 || p.one("input[name=scope][checked]").AttrOr("value", "") != "profile" {
		t.Errorf("the new state, with what was chosen, is not there: %s", p.text("form.card"))
	}
	p = b.submit(p, `form[action="/access/give-back"] button`, url.Values{"scope": {"profile"}}).want(http.StatusOK, "Access")
	p.wantPermission("Microsoft Graph", "User.ReadBasic.All", "You")
	if strings.Contains(p.permission("Microsoft Graph", "profile"), "Give back") {
		t.Error("it was not given back")
	}
}

func TestGivingBackNeedsAChoice(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	b := w.browser()
	b.signInTo(ines, "/access")
	p := b.get("/access/give-back?" + url.Values{"grant": {grantOf(graphPrincipal, sandbox.InesID)}}.Encode())
	b.submit(p, `form[action="/access/give-back"] button`, nil).want(http.StatusBadRequest, "Give back consent").has("#scope-error", "Nothing is chosen")
	for _, id := range []string{"", strings.Repeat("x", 200), "../me", "a/b?c"} {
		p = b.post("/access/give-back", url.Values{"grant": {id}, "scope": {"x"}})
		if p.status/100 == 5 || p.heading() == "Give back consent" {
			t.Errorf("grant %.20q: %d %s", id, p.status, p.text("main"))
		}
	}
}

// TestPermissionsThatCannotBeAskedFor: each has its sentence, and what was typed
// stays in the form.
func TestPermissionsThatCannotBeAskedFor(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	b := w.browser()
	b.signInTo(dana, "/access")
	for typed, says := range map[string]string{
		"":                                "No permission is chosen",
		"User.Read":                       "not the full name of a permission",
		"https://example.org/thing/Do.It": "does not ask for tokens of that API",
		sandbox.GraphAudience + "/No.Such.Permission":                  "",
		sandbox.GraphAudience + "/.default":                            "everything that was allowed before",
		sandbox.GraphAudience + "/User Read":                           "not the full name",
		sandbox.GraphAudience + "/offline_access":                      "offline_access",
		basicAll + " " + keyVault:                                      "not the full name",
		sandbox.GraphAudience + "/<script>alert(1)</script>":           "",
		sandbox.GraphAudience + "/" + strings.Repeat("x", 500):         "not the full name",
		sandbox.GraphAudience + "/x\u202ey":                            "",
		strings.Replace(basicAll, "https", "http", 1):                  "does not ask for tokens of that API",
		"https://graph.microsoft.com.example.org/User.Read":            "does not ask for tokens of that API",
		sandbox.GraphAudience + "@example.org/" + "User.ReadBasic.All": "does not ask for tokens of that API",
	} {
		p := b.post("/access/scopes", url.Values{"other": {typed}})
		if p.status/100 != 4 || p.heading() != "Access" {
			t.Errorf("%.60q: %d %q", typed, p.status, p.heading())
			continue
		}
		if got := p.text("#ask-error"); got == "" || !strings.Contains(got, says) {
			t.Errorf("%.60q: said is %q, want %q", typed, got, says)
		}
		if kept := p.one("#other").AttrOr("value", ""); kept != strings.TrimSpace(typed) {
			t.Errorf("kept is %.60q of %.60q", kept, typed)
		}
		if p.sel("script:not([src])").Length() != 0 {
			t.Errorf("%.60q became markup", typed)
		}
	}
	p := b.post("/access/requests", url.Values{"permission": {"https://example.org/thing/Do.It"}, "reason": {"I want it"}})
	if p.status != http.StatusBadRequest || p.sel("#requests").Length() != 0 {
		t.Errorf("an unknown API is asked for: %d", p.status)
	}
	b.get("/access?ask="+url.QueryEscape("https://example.org/thing/Do.It")).want(http.StatusOK, "Access").has("#ask-error", "does not ask for tokens of that API")
}

// TestRefreshTokenRevokedOnAccess: the page offers to sign in again, and comes
// back to the same place with what was typed.
func TestRefreshTokenRevokedOnAccess(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	b := w.browser()
	b.signIn(ines)
	w.tenant.Faults().Set("refresh.revoked", "", 1)
	p := b.get("/access?q=payments&show=missing&want="+url.QueryEscape(basicAll)).want(http.StatusOK, "Access")
	p.has(".card-note", "has to be renewed")
	if kept := p.one("#other").AttrOr("value", ""); kept != basicAll {
		t.Errorf("kept is %q", kept)
	}
	login := p.one(".card-note a").AttrOr("href", "")
	p = b.through(b.get(login), ines).want(http.StatusOK, "Access")
	if got := p.url.Query(); got.Get("q") != "payments" || got.Get("show") != "missing" || got.Get("want") != basicAll || p.one("#q").AttrOr("value", "") != "payments" {
		t.Errorf("back at %s", p.url)
	}
	p.wantPermission("AzTS", "user_impersonation", "You")

	// In the middle of giving back.
	p = b.get(p.permissionRow("AzTS", "user_impersonation").Find("a").AttrOr("href", "")).want(http.StatusOK, "Give back consent")
	w.tenant.Faults().Set("refresh.revoked", "", 1)
	p = b.submit(p, `form[action="/access/give-back"] button`, url.Values{"scope": {"user_impersonation"}}).want(http.StatusForbidden, "Give back consent")
	p.has(".panel", "Nothing was changed")
	p = b.through(b.get(p.one(".panel a.btn-primary").AttrOr("href", "")), ines).want(http.StatusOK, "Give back consent")
	if chosen := p.one("input[name=scope][checked]").AttrOr("value", ""); chosen != "user_impersonation" {
		t.Errorf("chosen is %q", chosen)
	}

	// And of asking: the visit is the sign-in.
	w.tenant.Faults().Set("refresh.revoked", "", 1)
	p = b.through(b.post("/access/scopes", url.Values{"other": {basicAll}}), ines).want(http.StatusOK, "Access")
	p.has(".flash", "has this permission now: User.ReadBasic.All")
}

// TestGraphAsksForMoreProof: the page says so and leads there; the same question
// twice ends with an explanation.
func TestGraphAsksForMoreProof(t *testing.T) {
	t.Parallel()
	const claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	w := agreed(t, sandbox.Options{}, readAll, writeAll)
	var asks atomic.Bool
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !asks.Load() || !strings.HasPrefix(r.URL.Path, "/graph/") {
			return false
		}
		rw.Header().Set("WWW-Authenticate", `Bearer realm="", error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(claims))+`"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	})
	b := w.browser()
	b.signIn(ines)
	asks.Store(true)
	p := b.get("/access").want(http.StatusOK, "Access")
	p.has(".card-note", "more proof that it is you")
	visited := b.send(visit{to: "/access/list", form: url.Values{"api": {"graph"}}, from: b.address("/")}).leadsTo(w.tenant.url)
	if got := visited.Query().Get("claims"); !strings.Contains(got, `"c1"`) || !strings.Contains(visited.Query().Get("scope"), "Directory.Read.All") {
		t.Errorf("the tenant is asked for %v", visited.Query())
	}
	p = b.through(b.get(visited.String()), ines).want(http.StatusOK, "Access")
	p.has(".card-note", "more proof")
	p = b.submit(p, ".card-note form button", nil)
	if p.status != http.StatusForbidden || p.evidence("Code") != "challenge_repeated" {
		t.Errorf("the same question again ends at %s with %d: %s", p.url, p.status, p.text("main"))
	}
	asks.Store(false)
	b.get("/access").wantPermission("AzTS", "user_impersonation", "You")
	// In the middle of giving back.
	p = b.get("/access/give-back?" + url.Values{"grant": {grantOf(aztsPrincipal, sandbox.InesID)}, "scope": {"user_impersonation"}}.Encode())
	p.want(http.StatusOK, "Give back consent")
	asks.Store(true)
	back := b.send(visit{to: "/access/give-back", from: b.address("/"),
		form: url.Values{"grant": {grantOf(aztsPrincipal, sandbox.InesID)}, "shown": {"user_impersonation"}, "scope": {"user_impersonation"}}})
	if back.status != http.StatusForbidden || back.evidence("Code") != "challenge_repeated" {
		t.Errorf("giving back ends with %d: %s", back.status, back.text("main"))
	}
}

// TestAzureAsksToWait: a short wait is waited for, within the time of a page.
func TestAzureAsksToWait(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	b := w.browser()
	b.signIn(dana)
	var once atomic.Bool
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, rolesSuffix) || once.Swap(true) {
			return false
		}
		rw.Header().Set("Retry-After", "1")
		rw.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	p := b.get("/access").want(http.StatusOK, "Access")
	if p.sel("#roles .panel").Length() != 0 || !once.Load() || strings.Count(p.text("table.roles"), "Shown by AzTS") != 9 {
		t.Errorf("the page is %s", p.text("#roles"))
	}
}

// TestAzureIsNotAllowedYet: without consent at Azure the page asks once, not for
// each subscription, and offers the way.
func TestAzureIsNotAllowedYet(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	asked, _ := w.countRoleQuestions()
	b := w.browser()
	b.signIn(dana)
	w.tenant.Faults().Set("token.error", "65001", -1)
	p := b.get("/access").want(http.StatusOK, "Access")
	w.tenant.Faults().Clear()
	p.has("#roles .panel", "Azure did not say which roles you have")
	if n := len(asked()); n != 0 {
		t.Errorf("Azure was asked about %d subscriptions all the same", n)
	}
	p = b.through(b.submit(p, "#roles .panel form button", nil), dana).want(http.StatusOK, "Access")
	p.has("table.roles", "Security Reader")
}

// TestAzureInTrouble: an answer in part is shown in part.
func TestAzureInTrouble(t *testing.T) {
	t.Parallel()
	const staging = "Payments – Staging"
	w := agreed(t, sandbox.Options{}, readAll)
	b := w.browser()
	p := b.signInTo(dana, "/access")
	var id string
	for _, row := range p.sel("table.roles tbody th").EachIter() {
		if strings.Contains(row.Text(), staging) {
			id = clean(row.Find("code").Text())
		}
	}
	t.Run("failing", func(t *testing.T) {
		b := b.in(t)
		w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, rolesSuffix) || !strings.Contains(r.URL.Path, id) {
				return false
			}
			rw.WriteHeader(http.StatusBadGateway)
			return true
		})
		p := b.post("/access/refresh", nil).want(http.StatusOK, "Access")
		p.has("#roles .panel", "Azure did not say your roles on all of these subscriptions")
		if n := strings.Count(p.text("table.roles"), "Shown by AzTS"); n != 9 {
			t.Errorf("AzTS shows %d of 9", n)
		}
		p.has("table.roles", "Security Reader the subscription")
		w.tenant.answerWith(nil)
		if p = b.get("/access"); p.sel("#roles .panel").Length() != 0 {
			t.Errorf("afterwards: %s", p.text("#roles .panel"))
		}
	})
	t.Run("no Privileged Identity Management", func(t *testing.T) {
		b := b.in(t)
		w.tenant.Faults().Set("arm.no_pim", "", -1)
		defer w.tenant.Faults().Clear()
		p := b.post("/access/refresh", nil)
		if p.sel("#roles .panel").Length() != 0 || p.sel("table.roles tbody tr").Length() != 11 {
			t.Errorf("the page is %s", p.text("#roles"))
		}
		p.has("table.roles", "Wrong role")
	})
	t.Run("AzTS does not answer", func(t *testing.T) {
		b := b.in(t)
		w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/ComplianceSummary/search") {
				rw.WriteHeader(http.StatusBadGateway)
				return true
			}
			return false
		})
		defer w.tenant.answerWith(nil)
		p := b.post("/access/refresh", nil)
		p.has("#roles .panel", "AzTS did not say what it shows you")
		p.has("table.roles", "Not known")
		if text := p.text("table.roles"); strings.Contains(text, "Wrong role") || strings.Contains(text, "Unknown to AzTS") {
			t.Error("the page judges though AzTS said nothing")
		}
	})
}
