package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/store/storetest"
)

// held returns the APIs whose tokens a browser's session holds.
func held(b *browser) []string {
	b.t.Helper()
	var names []string
	for _, card := range b.get("/tokens").sel("[data-token]").EachIter() {
		names = append(names, card.AttrOr("data-token", ""))
	}
	return names
}

// atTokenEndpoint lets the next request to the token endpoint wait there:
// reached is told of it, and it goes on when let is closed.
func (s *tenantServer) atTokenEndpoint() (reached <-chan struct{}, let chan<- struct{}) {
	here, on := make(chan struct{}, 1), make(chan struct{})
	first := make(chan struct{}, 1)
	first <- struct{}{}
	s.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != tokenPath {
			return false
		}
		select {
		case <-first:
			here <- struct{}{}
			<-on
		default:
		}
		return false
	})
	return here, on
}

// TestTwoVisitsInTwoTabs: each brings its token, and the session stays the same,
// with the pages that are open.
func TestTwoVisitsInTwoTabs(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t)
	b := w.browser()
	b.signIn(dana)
	cookie := b.cookie(sessionCookie)
	events := b.events()
	b.await(events, "hello", 5*time.Second)
	first := b.toAnswer(b.post("/tokens", asking(sandbox.GraphAudience, "tab one", graphRead)), dana)
	second := b.toAnswer(b.post("/tokens", asking(vault, "tab two", vaultAll)), dana)
	for _, answer := range []*page{first, second} {
		p := b.submit(answer, "form#hiddenform", nil).want(http.StatusOK, "Tokens")
		for _, line := range p.header.Values("Set-Cookie") {
			if strings.HasPrefix(line, sessionCookie) {
				t.Errorf("a visit sets %s", line)
			}
		}
	}
	if got := held(b); !slices.Equal(got, []string{"AzTS", "Microsoft Graph", "Azure Key Vault"}) {
		t.Errorf("the session holds tokens of %q", got)
	}
	if b.cookie(sessionCookie) != cookie || w.sessions() != 1 {
		t.Errorf("%d sessions, the same cookie: %v", w.sessions(), b.cookie(sessionCookie) == cookie)
	}
	b.send(visit{to: "/auth/logout", form: url.Values{}, from: b.address("/")})
	for name := range events {
		if name == "session-ended" {
			return // and not before
		}
	}
	t.Error("the open page did not hear of the sign-out")
}

// TestVisitEndsWhileAnotherTabRefreshes: neither token is lost, nor the refresh
// token that was rotated last.
func TestVisitEndsWhileAnotherTabRefreshes(t *testing.T) {
	t.Parallel()
	w := tokensWorld(t, vaultAll)
	b := w.browser()
	b.signIn(dana)
	answer := b.toAnswer(b.post("/tokens", asking(sandbox.GraphAudience, "a visit", graphRead)), dana).fields("form#hiddenform")
	// The visit brings no refresh token, so that the rotated one is all there is.
	w.tenant.Faults().Set("token.no_refresh_token", "", -1)
	reached, let := make(chan struct{}, 1), make(chan struct{})
	redeemed := make(chan struct{}, 1)
	var sent []string // refresh tokens
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != tokenPath || r.ParseForm() != nil {
			return false
		}
		if r.PostForm.Get("grant_type") != "refresh_token" {
			redeemed <- struct{}{}
			return false
		}
		sent = append(sent, r.PostForm.Get("refresh_token"))
		if len(sent) == 1 {
			reached <- struct{}{}
			<-let
		}
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write([]byte(`{"token_type":"Bearer","access_token":"` + strings.Repeat("a", 40) + `","expires_in":3600,"refresh_token":"rotated-refresh-token","scope":"` + vaultAll + `"}`))
		return true
	})
	refreshed, visited := make(chan *page), make(chan *page)
	tab := w.browser()
	tab.setCookie(sessionCookie, b.cookie(sessionCookie))
	go func() {
		refreshed <- tab.send(visit{to: "/tokens", form: asking(vault, "silently", vaultAll), from: b.address("/")})
	}()
	<-reached
	go func() { visited <- b.send(w.callbackVisit(answer)) }()
	<-redeemed
	close(let)
	(<-refreshed).leadsTo("/tokens#")
	(<-visited).leadsTo("/tokens")
	if got := held(b); !slices.Equal(got, []string{"AzTS", "Microsoft Graph", "Azure Key Vault"}) {
		t.Errorf("the session holds tokens of %q", got)
	}
	b.send(visit{to: "/tokens/renew", form: idOf(b.get("/tokens"), "Azure Key Vault"), from: b.address("/")}).leadsTo("/tokens#")
	if len(sent) != 2 || sent[1] != "rotated-refresh-token" {
		t.Errorf("%d refreshes, the second with the rotated token: %v", len(sent), len(sent) > 1 && sent[1] == "rotated-refresh-token")
	}
}

// TestSignOutWhileAVisitEnds, at whatever moment: no session is left, and no token.
func TestSignOutWhileAVisitEnds(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"before the code is redeemed", "while it is redeemed", "after it was kept"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			w := tokensWorld(t)
			b := w.browser()
			b.signIn(dana)
			cookie := b.cookie(sessionCookie)
			answer := b.toAnswer(b.post("/tokens", asking(sandbox.GraphAudience, "", graphRead)), dana).fields("form#hiddenform")
			tab := w.browser()
			tab.setCookie(sessionCookie, cookie)
			signOut := func() {
				tab.send(visit{to: "/auth/logout", form: url.Values{}, from: b.address("/")}).leadsTo(w.tenant.url)
			}
			var p *page
			switch moment {
			case "before the code is redeemed":
				signOut()
				p = w.callback(b, answer)
			case "while it is redeemed":
				reached, let := w.tenant.atTokenEndpoint()
				done := make(chan *page)
				go func() { done <- w.callback(b, answer) }()
				<-reached
				signOut()
				close(let)
				p = <-done
				w.tenant.answerWith(nil)
			default:
				w.callback(b, answer).leadsTo("/tokens")
				signOut()
			}
			if p != nil && (p.status != http.StatusBadRequest || p.evidence("Code") != "session_changed") {
				t.Errorf("the visit ends with %d: %s", p.status, p.text("main"))
			}
			if w.sessions() != 0 || w.rows("session_tokens") != 0 {
				t.Errorf("%d sessions and %d tokens are left", w.sessions(), w.rows("session_tokens"))
			}
			b.send(visit{to: "/account"}).leadsTo("/auth/login")
		})
	}
}

// TestSingleSignOutAfterAVisit: the person signed in anew at the tenant on the
// way, under another sid; that one ends the session, on each database.
func TestSingleSignOutAfterAVisit(t *testing.T) {
	t.Parallel()
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, setup{env: map[string]string{"PORTAL_DATABASE_URL": kind.New(t)}})
			b := w.browser()
			b.signIn(dana)
			old := sidOf(b)
			tenant, err := url.Parse(w.tenant.url)
			if err != nil {
				t.Fatal(err)
			}
			// The tenant's cookies are gone, as after closing the browser.
			b.jar.cookies = slices.DeleteFunc(b.jar.cookies, func(c stored) bool { return c.host == tenant.Hostname() })
			answer := b.toAnswer(b.post("/tokens", asking(sandbox.GraphAudience, "", graphRead)), dana).fields("form#hiddenform")
			w.callback(b, answer).leadsTo("/tokens")
			ends := func(sid string) {
				b.get(frontChannel + "?" + url.Values{"sid": {sid}}.Encode())
			}
			ends(old)
			b.get("/tokens").want(http.StatusOK, "Tokens")
			next := answer.Get("session_state")
			if next == "" || next == old {
				t.Fatalf("the tenant's session is %q still", next)
			}
			ends(next)
			b.send(visit{to: "/tokens"}).leadsTo("/auth/login")
		})
	}
}
