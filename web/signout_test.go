package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

const frontChannel = "/auth/frontchannel-logout"

// expensesSignIn signs the browser's person in at the tenant's second
// application, which needs no further click.
func (w *world) expensesSignIn(b *browser) *page {
	w.t.Helper()
	return b.through(b.get(w.tenant.url+"/expenses/sign-in"), dana).want(http.StatusOK, "Expenses")
}

// TestSignOutElsewhere signs out in the tenant's second application: the
// portal's session ends without its cookie, and an open page is told.
func TestSignOutElsewhere(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"sid alone", "iss and sid"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, setup{})
			if dialect == "iss and sid" {
				w.tenant.Faults().Set("logout.iss_and_sid", "", -1)
			}
			b := w.browser()
			b.signIn(dana)
			other := w.browser() // of the same person, at the tenant another session
			other.signIn(dana)
			events := b.events()
			b.await(events, "hello", 5*time.Second)
			leaving := b.submit(w.expensesSignIn(b), `form[action="/expenses/sign-out"] button`, nil).want(http.StatusOK, "Signing you out")
			if n := b.frames(leaving); n != 2 {
				t.Errorf("the tenant tells %d applications", n)
			}
			b.await(events, "session-ended", 5*time.Second)
			b.send(visit{to: "/account"}).leadsTo("/auth/login")
			other.get("/account").want(http.StatusOK, "Account")
			if n := w.rows("session_tokens"); n == 0 || w.sessions() != 1 {
				t.Errorf("%d sessions with %d tokens are left, want the other browser's", w.sessions(), n)
			}
		})
	}
}

// sidOf returns the sid of a browser's session at the tenant.
func sidOf(b *browser) string {
	b.t.Helper()
	var sid string
	rows := b.get("/account").sel("table tr")
	for i := range rows.Length() {
		row := rows.Eq(i)
		if clean(row.Find("th code").First().Text()) == "sid" {
			sid = clean(row.Find("td").First().Text())
		}
	}
	if len(strings.Fields(sid)) > 0 {
		sid = strings.Fields(sid)[0]
	}
	if len(sid) != 36 {
		b.t.Fatalf("no sid on the account page, but %q", sid)
	}
	return sid
}

func TestFrontChannelLogout(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	issuer := w.tenant.url + "/" + sandbox.TenantID + "/v2.0"
	var first *page
	for _, call := range []struct {
		name   string
		query  func(sid string) string
		cookie bool // the browser sends the session's cookie
		ends   bool
	}{
		{"sid without cookie", func(sid string) string { return "?sid=" + sid }, false, true},
		{"iss and sid", func(sid string) string { return "?sid=" + sid + "&iss=" + url.QueryEscape(issuer) }, false, true},
		{"unknown sid", func(string) string { return "?sid=0071d2ab-8c3e-4f15-9b60-000000000000" }, false, false},
		{"unknown sid with cookie", func(string) string { return "?sid=0071d2ab-8c3e-4f15-9b60-000000000000" }, true, false},
		{"foreign iss", func(sid string) string { return "?sid=" + sid + "&iss=https%3A%2F%2Flogin.example.net" }, false, false},
		{"foreign iss with cookie", func(sid string) string { return "?sid=" + sid + "&iss=https%3A%2F%2Flogin.example.net" }, true, false},
		{"foreign iss alone with cookie", func(string) string { return "?iss=https%3A%2F%2Flogin.example.net" }, true, false},
		{"empty sid with cookie", func(string) string { return "?sid=" }, true, false},
		{"nothing, without cookie", func(string) string { return "" }, false, false},
		{"nothing, with cookie", func(string) string { return "" }, true, true},
		{"part of a sid", func(sid string) string { return "?sid=" + sid[:35] }, false, false},
		{"pattern", func(string) string { return "?sid=%25" }, false, false},
		{"megabyte of sid", func(sid string) string { return "?sid=" + strings.Repeat("a", 30_000) }, false, false},
	} {
		t.Run(call.name, func(t *testing.T) {
			w := w.in(t)
			b := w.browser()
			b.signIn(dana)
			caller := w.browser()
			v := visit{to: frontChannel + call.query(sidOf(b)), from: b.address(w.tenant.url + "/"), frame: true}
			if call.cookie {
				v.header = http.Header{"Cookie": {sessionCookie + "=" + b.cookie(sessionCookie)}}
			}
			for range 2 { // a second call changes nothing
				sameFrontChannelAnswer(w, caller.send(v), &first)
			}
			ended := b.send(visit{to: "/account"}).status == http.StatusSeeOther
			if ended != call.ends {
				t.Errorf("the session ended: %v, want %v", ended, call.ends)
			}
			if !ended {
				b.signOut()
			}
		})
	}
	if p := w.browser().send(visit{to: frontChannel, form: url.Values{"sid": {"x"}}}); p.status != http.StatusMethodNotAllowed {
		t.Errorf("POST is answered with %d", p.status)
	}
}

// sameFrontChannelAnswer checks that an answer tells nothing: always the same,
// and fit for a hidden frame of the tenant's.
func sameFrontChannelAnswer(w *world, p *page, first **page) {
	w.t.Helper()
	if *first == nil {
		*first = p
	}
	if p.status != http.StatusOK || p.body != (*first).body || len(p.body) > 200 {
		w.t.Errorf("the answer is %d %q", p.status, p.body)
	}
	for name, want := range map[string]string{"Location": "", "X-Frame-Options": "", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors " + w.tenant.url} {
		if got := p.header.Get(name); got != want {
			w.t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestSignOutHalfWay signs out at a provider that has no such place, or leads
// nowhere: what is ours has ended all the same, and the page says what has not.
func TestSignOutHalfWay(t *testing.T) {
	t.Parallel()
	t.Run("no end_session_endpoint", func(t *testing.T) {
		t.Parallel()
		w := startWorld(t, setup{before: func(s *tenantServer) {
			s.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != metadataPath {
					return false
				}
				record := httptest.NewRecorder()
				s.Sandbox.ServeHTTP(record, r)
				var document map[string]any
				if err := json.Unmarshal(record.Body.Bytes(), &document); err != nil {
					panic(err)
				}
				delete(document, "end_session_endpoint")
				_ = json.NewEncoder(rw).Encode(document)
				return true
			})
		}})
		b := w.browser()
		b.signIn(dana)
		p := b.signOut().want(http.StatusOK, "You are signed out")
		p.has(".outcomes", "you are still signed in there")
		if w.sessions() != 0 {
			t.Error("the session is left")
		}
	})
	for _, fault := range []string{"logout.500", "logout.no_return"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, setup{})
			w.tenant.Faults().Set(fault, "", 1)
			b := w.browser()
			b.signIn(dana)
			b.signOut()
			if w.sessions() != 0 || w.rows("session_tokens") != 0 {
				t.Error("the session or its tokens are left")
			}
			b.send(visit{to: "/account"}).leadsTo("/auth/login")
		})
	}
}

// TestSignOutRequest looks at where the browser is sent.
func TestSignOutRequest(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	p := b.send(visit{to: "/auth/logout", form: url.Values{}, from: b.address("/")})
	q := p.leadsTo(w.tenant.url + "/" + sandbox.TenantID + "/oauth2/v2.0/logout?").Query()
	if q.Get("post_logout_redirect_uri") != w.url+"/auth/signed-out" || q.Get("client_id") != sandbox.PortalClientID || q.Get("state") == "" ||
		!strings.HasPrefix(q.Get("logout_hint"), "O.") || q.Has("id_token_hint") {
		t.Errorf("the tenant is asked with %v", q)
	}
	if w.sessions() != 0 {
		t.Error("the local session does not go first")
	}
	// The session here may have ended by itself, the tenant's not: whoever uses
	// the browser next would be signed in by it.
	q = b.send(visit{to: "/auth/logout", form: url.Values{}, from: b.address("/")}).leadsTo(w.tenant.url + "/" + sandbox.TenantID + "/oauth2/v2.0/logout?").Query()
	if q.Get("post_logout_redirect_uri") != w.url+"/auth/signed-out" || q.Has("logout_hint") || q.Has("id_token_hint") {
		t.Errorf("without a session the tenant is asked with %v", q)
	}
	if p := b.get("/auth/logout"); p.status != http.StatusMethodNotAllowed {
		t.Errorf("GET /auth/logout is answered with %d", p.status)
	}
}

// TestAttackManyUnknownSIDs: whoever asks for made-up sids all day must not stop
// the sign-outs of those behind the same address.
func TestAttackManyUnknownSIDs(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b, stranger := w.browser(), w.browser()
	b.signIn(dana)
	sid := sidOf(b)
	for i := range 700 {
		stranger.send(visit{to: fmt.Sprintf("%s?sid=0071d2ab-8c3e-4f15-9b60-%012d", frontChannel, i)})
	}
	stranger.send(visit{to: frontChannel + "?sid=" + sid})
	b.send(visit{to: "/account"}).leadsTo("/auth/login")
	if lines := w.log.lines("many front-channel sign-outs"); len(lines) != 1 {
		t.Errorf("the operator is told %d times", len(lines))
	}
}

// TestEndAnotherSession ends one of a person's sessions from another, and
// nobody else's.
func TestEndAnotherSession(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	here, there, ada := w.browser(), w.browser(), w.browser()
	here.signIn(dana)
	there.signIn(dana)
	ada.signIn("ada@contoso.com")
	events := there.events()
	there.await(events, "hello", 5*time.Second)
	form := here.get("/account/sessions").fields(`form[action="/account/sessions/end"]`)

	ada.post("/account/sessions/end", form).has(".flash", "had ended before") // in the same words as for one that never was
	there.get("/account").want(http.StatusOK, "Account")
	here.post("/account/sessions/end", form).has(".flash", "is signed out")
	there.await(events, "session-ended", 5*time.Second)
	there.send(visit{to: "/account"}).leadsTo("/auth/login")
	here.get("/account").want(http.StatusOK, "Account")
}

// TestAttackBackChannelLogout: Entra sends no logout tokens, so whatever comes
// ends nothing.
func TestAttackBackChannelLogout(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	answer := b.answer(dana)
	w.callback(b, answer).leadsTo("/")
	server := w.browser() // a program: it says nothing of where it comes from
	quiet := http.Header{"Sec-Fetch-Site": nil, "Sec-Fetch-Mode": nil, "Sec-Fetch-Dest": nil}
	idToken := answer.Get("id_token")
	for name, form := range map[string]url.Values{
		"nothing":           {},
		"empty":             {"logout_token": {""}},
		"garbage":           {"logout_token": {"x.y.z"}},
		"an ID token":       {"logout_token": {idToken}},
		"two":               {"logout_token": {idToken, idToken}},
		"unsigned":          {"logout_token": {"eyJhbGciOiJub25lIn0." + strings.Split(idToken, ".")[1] + "."}},
		"much":              {"logout_token": {strings.Repeat("x", 100<<10)}},
		"in another member": {"token": {idToken}},
	} {
		p := server.send(visit{to: "/auth/backchannel-logout", form: form, header: quiet})
		if p.status != http.StatusBadRequest || p.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s is answered with %d, %s", name, p.status, p.header.Get("Cache-Control"))
		}
	}
	if p := server.send(visit{to: "/auth/backchannel-logout", form: url.Values{"logout_token": {strings.Repeat("x", 200<<10)}}, header: quiet}); p.status != http.StatusRequestEntityTooLarge {
		t.Errorf("200 KiB are answered with %d", p.status)
	}
	if p := server.send(visit{to: "/auth/backchannel-logout"}); p.status != http.StatusMethodNotAllowed {
		t.Errorf("GET is answered with %d", p.status)
	}
	b.get("/account").want(http.StatusOK, "Account")
}
