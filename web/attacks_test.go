package main

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"azts.internal/portal/internal/store/storetest"
)

const dana = "dana@contoso.com"

// refused fails the test unless an answer is a page of ours that refuses, with a
// code and a reference that stands in the log, and leaves nobody signed in.
func (w *world) refused(b *browser, p *page, status int, code string) {
	w.t.Helper()
	if p.status != status || p.heading() == "" || !strings.HasPrefix(p.url.String(), w.url+"/") {
		w.t.Fatalf("%s answers %d with %q, want a page of ours with %d: %.300s", p.url, p.status, p.heading(), status, p.body)
	}
	if got := p.evidence("Code"); got != code {
		w.t.Errorf("the page has the code %q, want %q", got, code)
	}
	reference := p.evidence("Reference")
	if reference == "" || len(w.log.lines("request failed", "code="+code, "ref="+reference)) != 1 {
		w.t.Errorf("the reference %q is not in the log, with the code %q", reference, code)
	}
	w.nobody(b, p)
}

// nobody fails the test if an answer signs somebody in.
func (w *world) nobody(b *browser, p *page) {
	w.t.Helper()
	if set := strings.Join(p.header.Values("Set-Cookie"), "\n"); strings.Contains(set, sessionCookie) {
		w.t.Errorf("a refusal sets the session's cookie")
	}
	if b.cookie(sessionCookie) != "" {
		w.t.Error("the browser has a session")
	}
	if n := w.sessions(); n != 0 {
		w.t.Errorf("there are %d sessions", n)
	}
	b.send(visit{to: "/account"}).leadsTo("/auth/login")
}

// callback posts an answer as the tenant's page does.
func (w *world) callback(b *browser, answer url.Values) *page {
	w.t.Helper()
	return b.send(w.callbackVisit(answer))
}

func (w *world) callbackVisit(answer url.Values) visit {
	from, err := url.Parse(w.tenant.url + "/")
	if err != nil {
		w.t.Fatal(err)
	}
	return visit{to: "/auth/callback", form: answer, from: from}
}

// with returns a form with one value changed; "" takes it away.
func with(form url.Values, name, value string) url.Values {
	out := url.Values{}
	for n, v := range form {
		out[n] = v
	}
	if out.Set(name, value); value == "" {
		out.Del(name)
	}
	return out
}

func TestAttackOnState(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	for _, attack := range []struct {
		name   string
		answer func(own, other url.Values) url.Values
		code   string
	}{
		{"missing state", func(own, _ url.Values) url.Values { return with(own, "state", "") }, "state_missing"},
		{"empty state", func(own, _ url.Values) url.Values {
			out := with(own, "state", "")
			out.Add("state", "")
			return out
		}, "state_missing"},
		{"wrong state", func(own, _ url.Values) url.Values { return with(own, "state", strings.Repeat("A", 43)) }, "state_unknown"},
		{"state of 100,000 bytes", func(own, _ url.Values) url.Values { return with(own, "state", strings.Repeat("x", 100_000)) }, "state_unknown"},
		// Login CSRF: the attacker's own answer is posted from the victim's browser.
		{"another browser's state", func(_, other url.Values) url.Values { return other }, "state_unknown"},
		{"another browser's code under my state", func(own, other url.Values) url.Values {
			return with(with(own, "code", other.Get("code")), "id_token", other.Get("id_token"))
		}, "id_token_nonce"},
		{"another browser's code with my ID token", func(own, other url.Values) url.Values { return with(own, "code", other.Get("code")) }, "id_token_c_hash"},
		{"no code", func(own, _ url.Values) url.Values { return with(own, "code", "") }, "answer_incomplete"},
		{"no ID token", func(own, _ url.Values) url.Values { return with(own, "id_token", "") }, "answer_incomplete"},
		{"an answer of another issuer (RFC 9207)", func(own, _ url.Values) url.Values { return with(own, "iss", "https://login.example.net") }, "answer_iss"},
	} {
		t.Run(attack.name, func(t *testing.T) {
			w := w.in(t)
			b, mallory := w.browser(), w.browser()
			own, other := b.answer(dana), mallory.answer("ada@contoso.com")
			before := w.tenant.count(tokenPath)
			p := w.callback(b, attack.answer(own, other))
			status := http.StatusBadRequest
			if !strings.HasPrefix(attack.code, "state_") {
				status = http.StatusForbidden
			}
			w.refused(b, p, status, attack.code)
			if w.tenant.count(tokenPath) != before {
				t.Error("the code was sent to the token endpoint before the answer was believed")
			}
		})
	}
	t.Run("no cookie", func(t *testing.T) {
		w := w.in(t)
		b := w.browser()
		answer := b.answer(dana)
		b.jar.cookies = nil
		w.refused(b, w.callback(b, answer), http.StatusBadRequest, "state_unknown")
	})
	t.Run("a state's cookie under another state's name", func(t *testing.T) {
		w := w.in(t)
		b := w.browser()
		first := b.answer(dana)
		var value string
		for _, c := range b.jar.cookies {
			if strings.HasPrefix(c.Name, "__Host-flow-") {
				value = c.Value
			}
		}
		second := b.answer(dana)
		for i := range b.jar.cookies {
			if strings.HasPrefix(b.jar.cookies[i].Name, "__Host-flow-") {
				b.jar.cookies[i].Value = value
			}
		}
		w.refused(b, w.callback(b, second), http.StatusBadRequest, "state_unknown")
		if first.Get("state") == second.Get("state") {
			t.Error("two sign-ins have the same state")
		}
	})
	if n := len(w.log.lines("level=ERROR")); n != 0 {
		t.Errorf("attacks make %d lines of errors in the log", n)
	}
}

func TestAttackReplayedCallback(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	answer := b.answer(dana)
	saved := slices.Clone(b.jar.cookies)
	w.callback(b, answer).leadsTo("/")
	asked := w.tenant.count(tokenPath)
	b.signOut()

	thief := w.browser()
	thief.jar.cookies = saved
	p := w.callback(thief, answer)
	w.refused(thief, p, http.StatusBadRequest, "state_used")
	p.has(".acts a.btn-primary", "Start again")
	if w.tenant.count(tokenPath) != asked {
		t.Error("the replayed code was sent to the token endpoint")
	}
}

// TestAttackSameStateAtOnce posts one answer fifty times at the same instant,
// to as many replicas as may share the database: exactly one wins.
func TestAttackSameStateAtOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, setup{env: map[string]string{"PORTAL_DATABASE_URL": kind.New(t)}})
			replicas := []string{w.url}
			if kind.Replicas {
				env := maps.Clone(w.env)
				env["PORTAL_BASE_URL"] = w.url // both stand behind one address
				replicas = append(replicas, startPortal(t, env).listens())
			}
			sameStateAtOnce(w, replicas...)
		})
	}
}

func sameStateAtOnce(w *world, replicas ...string) {
	const posts = 50
	t := w.t
	b := w.browser()
	answer := b.answer(dana)
	asked := w.tenant.count(tokenPath)
	statuses := make(chan int, posts)
	start := make(chan struct{})
	var wait sync.WaitGroup
	for i := range posts {
		one := w.browser()
		one.jar.cookies = slices.Clone(b.jar.cookies)
		v := w.callbackVisit(answer)
		v.to = replicas[i%len(replicas)] + v.to
		wait.Go(func() {
			<-start
			statuses <- one.send(v).status
		})
	}
	close(start)
	wait.Wait()
	close(statuses)
	won := 0
	for status := range statuses {
		switch status {
		case http.StatusSeeOther:
			won++
		case http.StatusBadRequest:
		default:
			t.Errorf("one callback is answered with %d", status)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d callbacks with the same state succeeded, want exactly 1", won, posts)
	}
	if n := w.tenant.count(tokenPath) - asked; n != 1 {
		t.Errorf("the code was redeemed %d times", n)
	}
}

func TestAttackOnTheCallbacksForm(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	b := w.browser()
	answer := b.answer(dana)

	t.Run("GET", func(t *testing.T) {
		w, b := w.in(t), b.in(t)
		p := b.send(visit{to: "/auth/callback?" + answer.Encode()})
		w.refused(b, p, http.StatusMethodNotAllowed, "method_not_allowed")
		if allow := p.header.Get("Allow"); allow != "POST" {
			t.Errorf("Allow is %q", allow)
		}
	})
	t.Run("more than 256 KiB", func(t *testing.T) {
		w, b := w.in(t), b.in(t)
		w.refused(b, w.callback(b, with(answer, "junk", strings.Repeat("x", 257<<10))), http.StatusRequestEntityTooLarge, "body_too_large")
	})
	t.Run("of 255 KiB is read", func(t *testing.T) {
		w, b := w.in(t), b.in(t)
		w.refused(b, w.callback(b, url.Values{"state": {strings.Repeat("x", 255<<10)}}), http.StatusBadRequest, "state_unknown")
	})
	for name := range answer {
		t.Run("repeated "+name, func(t *testing.T) {
			w, b := w.in(t), b.in(t)
			twice := with(answer, "x", "y")
			twice[name] = append([]string{"first"}, twice[name]...)
			w.refused(b, w.callback(b, twice), http.StatusBadRequest, "parameter_repeated")
		})
	}
	for _, kind := range []string{"", "text/plain", "application/json", "multipart/form-data; boundary=x"} {
		t.Run("Content-Type "+kind, func(t *testing.T) {
			w, b := w.in(t), b.in(t)
			v := w.callbackVisit(nil)
			v.method, v.body, v.header = http.MethodPost, answer.Encode(), http.Header{"Content-Type": {kind}}
			w.refused(b, b.send(v), http.StatusBadRequest, "form_unreadable")
		})
	}
	t.Run("values in the query", func(t *testing.T) {
		w, b := w.in(t), b.in(t)
		v := w.callbackVisit(url.Values{"x": {"y"}})
		v.to += "?" + answer.Encode()
		w.refused(b, b.send(v), http.StatusBadRequest, "state_missing")
	})
	t.Run("broken encoding", func(t *testing.T) {
		w, b := w.in(t), b.in(t)
		v := w.callbackVisit(nil)
		v.method, v.body, v.header = http.MethodPost, "state=%zz", form
		w.refused(b, b.send(v), http.StatusBadRequest, "form_unreadable")
	})
	// After all that the sign-in itself is still good: nothing of it was used up.
	// Some privacy tools and sandboxed pages send Origin: null.
	t.Run("Origin null is no attack", func(t *testing.T) {
		w, b := w.in(t), b.in(t)
		v := w.callbackVisit(answer)
		v.header = http.Header{"Origin": {"null"}}
		b.send(v).leadsTo("/")
		if w.sessions() != 1 {
			t.Error("nobody is signed in")
		}
	})
}

// TestAttackOpenRedirect starts sign-ins that would end elsewhere. All hostile
// values are in the tests of handlers; here some go the whole way.
func TestAttackOpenRedirect(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	for _, hostile := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, "/%09/evil.example", "/auth/logout",
		"javascript:alert(1)", "/\t/evil.example", w.tenant.url + "/"} {
		b := w.browser()
		p := b.toAnswer(b.get("/auth/login?"+url.Values{"return_to": {hostile}}.Encode()), dana)
		to := w.callback(b, p.fields("form#hiddenform")).leadsTo("/")
		if end := b.address("/").ResolveReference(to); end.Scheme+"://"+end.Host != w.url {
			t.Errorf("return_to=%q ends at %s", hostile, end)
		}
	}
	b := w.browser()
	if p := b.signInTo(dana, "/account?a=1&b=x%2Fy"); p.url.RequestURI() != "/account?a=1&b=x%2Fy" {
		t.Errorf("return_to kept %q of path and query", p.url.RequestURI())
	}
}

func TestAttackFloodOfUnknownKeys(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	w.tenant.Faults().Set("id_token.unknown_kid", "", -1)
	before := w.tenant.count(keysPath)
	for range 12 {
		b := w.browser()
		w.refused(b, w.callback(b, b.answer(dana)), http.StatusForbidden, "id_token_key")
	}
	// The first fetch of all, then the budget.
	if n := w.tenant.count(keysPath) - before; n < 2 || n > 1+5 {
		t.Errorf("12 unknown kids cause %d fetches of the keys, want at most 6", n)
	}
	w.tenant.Faults().Clear()
	w.browser().signIn(dana)
}

// TestAttackCookieBomb: a page full of pictures that start sign-ins would fill
// the browser's cookies until no page of ours can be asked for.
func TestAttackCookieBomb(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	for _, dest := range []string{"image", "iframe", "script", "empty", "style"} {
		p := b.send(visit{to: "/auth/login", header: http.Header{"Sec-Fetch-Dest": {dest}, "Sec-Fetch-Site": {"cross-site"}}})
		if p.status != http.StatusForbidden || len(p.header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d with %q", dest, p.status, p.header.Values("Set-Cookie"))
		}
	}
	// An older browser does not say what it fetches for.
	b.send(visit{to: "/auth/login", header: http.Header{"Sec-Fetch-Dest": nil}}).leadsTo(w.tenant.url)
}

// TestBookmarkedCallback leads back to a sign-in.
func TestBookmarkedCallback(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	p := w.browser().get("/auth/callback").want(http.StatusMethodNotAllowed, "This request cannot be read")
	p.has(`a[href="/auth/login"]`, "Start again")
}

// TestAttackUnstorableSessionState: what the databases cannot index is refused
// as what it is, a malformed answer.
func TestAttackUnstorableSessionState(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	for name, value := range map[string]string{"NUL": "a\x00b", "broken UTF-8": "a\xffb", "long": strings.Repeat("x", 4096)} {
		b := w.browser()
		form := b.answer(dana)
		form.Set("session_state", value)
		if p := w.callback(b, form); p.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, p.status)
		}
	}
	if w.sessions() != 0 {
		t.Error("somebody is signed in")
	}
}
