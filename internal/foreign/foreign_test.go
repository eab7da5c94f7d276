package foreign

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSignInAndOut walks from the first page to the last by each response type
// and each way of sending the client secret.
func TestSignInAndOut(t *testing.T) {
	for _, s := range []setup{
		{"code id_token", "client_secret_basic", 600},
		{"code id_token", "client_secret_post", 600},
		{"code", "client_secret_basic", 600},
		{"id_token", "client_secret_basic", 600},
	} {
		t.Run(s.String(), func(t *testing.T) {
			w := start(t, s)
			b := newBrowser(t)
			b.signIn(w, "ada")
			if sub, issuer := b.fact("Subject (sub)"), b.fact("Issuer"); sub != "ada" || issuer != w.issuer {
				t.Errorf("the account page shows sub %q of issuer %q, want ada of %q", sub, issuer, w.issuer)
			}
			if got := b.header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control of the account page is %q", got)
			}

			b.submit(ourLogout, nil)
			if !strings.HasPrefix(b.url.String(), w.issuer+"/") {
				t.Fatalf("signing out led to %s, not to the provider", b.url)
			}
			b.submit(logoutForm, map[string]string{"logout": "yes"})
			if b.url.Path != "/auth/signed-out" || b.status != http.StatusOK || b.url.Query().Get("state") == "" {
				t.Errorf("back from signing out: %s, status %d", b.url, b.status)
			}
			if b.signedIn(w) {
				t.Error("the portal's session is still there")
			}
			b.open(w.portal + "/auth/login")
			if !b.has(loginForm) {
				t.Errorf("the provider's session is still there: it asks for no name at %s", b.url)
			}
		})
	}
}

// TestTokens asks for tokens again and again: the provider takes a second use
// of a refresh token for theft and revokes everything, so the newest must be
// the one that is kept.
func TestTokens(t *testing.T) {
	// Sixty seconds are less than the portal keeps a token for: each request
	// is a refresh.
	w := start(t, setup{"code id_token", "client_secret_basic", 60})
	b := newBrowser(t)
	b.signIn(w, "grace")

	for i := range 3 {
		b.open(w.portal + "/tokens")
		b.submit(`form[action="/tokens/forget"]`, nil) // one that is there is offered to renew only
		b.submit(`form[action="/tokens"]`, nil)
		if b.url.Path != "/tokens" || b.status != http.StatusOK {
			t.Fatalf("token %d: %s, status %d: %s", i+1, b.url, b.status, b.text())
		}
		w.await(t, "refresh_token.consumed", i+1)
	}
	checkToken(t, reveal(b, w), w.issuer, "grace")

	before := reveal(b, w)
	b.submit(`form[action="/tokens/renew"]`, nil)
	w.await(t, "refresh_token.consumed", 4)
	if after := reveal(b, w); after == before {
		t.Error("the renewed token is the old one")
	}

	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			resp, err := b.ask(http.MethodPost, w.portal+"/tokens/renew", nil, "text/html")
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			if location := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || location != "/tokens" {
				t.Errorf("renewing eight times at once: status %d, to %q", resp.StatusCode, location)
			}
		})
	}
	all.Wait()
	b.submit(`form[action="/tokens/renew"]`, nil)
	if b.status != http.StatusOK || w.count("grant.revoked") != 0 || w.count("grant.error") != 0 {
		t.Errorf("after eight at once: status %d, %d grants revoked, %d refusals", b.status, w.count("grant.revoked"), w.count("grant.error"))
	}
}

// TestTokenByVisit signs in without a code, so that the first token needs the
// provider's page.
func TestTokenByVisit(t *testing.T) {
	w := start(t, setup{"id_token", "client_secret_basic", 600})
	b := newBrowser(t)
	b.signIn(w, "edsger")
	b.open(w.portal + "/tokens")
	b.submit(`form[action="/tokens"]`, nil)
	b.passProvider(w, "somebody else")
	if b.url.Path != "/tokens" || b.status != http.StatusOK {
		t.Fatalf("back from the provider: %s, status %d: %s", b.url, b.status, b.text())
	}
	checkToken(t, reveal(b, w), w.issuer, "edsger")
}

// reveal returns the token as the page's script gets it to copy.
func reveal(b *browser, w *world) string {
	b.t.Helper()
	resp := b.send(http.MethodPost, w.portal+"/tokens/reveal", url.Values{"id": {"azts"}}, "application/json")
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		b.t.Fatalf("revealing the token: status %d, %v", resp.StatusCode, err)
	}
	return answer.AccessToken
}

func checkToken(t *testing.T, token, issuer, person string) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts, want those of a JWT", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Iss, Sub, Aud, Scope string }
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != issuer || claims.Sub != person || claims.Aud != "api://azts" || claims.Scope != aztsScope {
		t.Errorf("the token is for %+v", claims)
	}
}

// TestBackChannelLogout ends the provider's session from a browser that has no
// cookie of the portal.
func TestBackChannelLogout(t *testing.T) {
	w := start(t, setup{"code id_token", "client_secret_basic", 600})
	ada, adasPhone, grace := newBrowser(t), newBrowser(t), newBrowser(t)
	ada.signIn(w, "ada")
	adasPhone.signIn(w, "ada")
	grace.signIn(w, "grace")
	stream := ada.send(http.MethodGet, w.portal+"/events", nil, "text/event-stream")
	defer stream.Body.Close()
	awaitEvent(t, stream.Body, "hello")

	other := ada.elsewhere(w.issuer)
	other.open(w.issuer + "/session/end")
	other.submit(logoutForm, map[string]string{"logout": "yes"})
	asked := time.Now()

	w.await(t, "backchannel.success", 1)
	if ada.signedIn(w) {
		t.Error("the session of the browser whose session at the provider ended is still there")
	}
	awaitEvent(t, stream.Body, "session-ended")
	if took := time.Since(asked); took > 5*time.Second {
		t.Errorf("the open page learned of it after %v, want 5 s at most", took)
	}
	if !adasPhone.signedIn(w) {
		t.Error("another session of the same person ended too")
	}
	if !grace.signedIn(w) {
		t.Error("somebody else's session ended too")
	}
}

// TestRefusals shows that a provider's no becomes a page: no session, and no
// way back to the provider that nobody asked for.
func TestRefusals(t *testing.T) {
	w := start(t, setup{"code id_token", "client_secret_basic", 600})
	t.Run("the person cancels", func(t *testing.T) {
		b := newBrowser(t)
		b.open(w.portal + "/auth/login")
		abort, ok := b.doc.Find(`a[href$="/abort"]`).Attr("href")
		if !ok {
			t.Fatalf("no way to cancel at %s", b.url)
		}
		target, err := b.url.Parse(abort)
		if err != nil {
			t.Fatal(err)
		}
		b.visit(http.MethodGet, target.String(), nil)
		b.submit(answerForm, nil)
		checkRefusal(t, b, w)
	})
	t.Run("nobody is signed in there", func(t *testing.T) {
		b := newBrowser(t)
		b.open(w.portal + "/auth/login?prompt=none")
		b.submit(answerForm, nil)
		checkRefusal(t, b, w)
	})
	t.Run("an answer that was used", func(t *testing.T) {
		b := newBrowser(t)
		b.open(w.portal + "/auth/login")
		for !b.has(answerForm) {
			if b.has(loginForm) {
				b.submit(loginForm, map[string]string{"login": "ada", "password": "any"})
			} else {
				b.submit(consentForm, nil)
			}
		}
		form := url.Values{}
		for _, name := range []string{"state", "code", "id_token", "iss"} {
			form.Set(name, b.doc.Find(answerForm+` input[name="`+name+`"]`).AttrOr("value", ""))
		}
		b.submit(answerForm, nil)
		again := newBrowser(t)
		resp := again.send(http.MethodPost, w.portal+"/auth/callback", form, "text/html")
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode < 400 || resp.StatusCode > 499 || strings.Contains(string(body), form.Get("code")) {
			t.Errorf("the same answer in another browser: status %d, %v", resp.StatusCode, err)
		}
		if again.signedIn(w) {
			t.Error("the other browser is signed in")
		}
	})
}

func checkRefusal(t *testing.T, b *browser, w *world) {
	t.Helper()
	if !strings.HasPrefix(b.url.String(), w.portal+"/auth/callback") || b.status < 400 || b.status > 499 {
		t.Errorf("the refusal came to rest at %s, status %d; want a 4xx page of ours", b.url, b.status)
	}
	if !b.has(`a[href^="/auth/login"]`) && !b.has(`form[action^="/auth/login"]`) {
		t.Errorf("the page offers no new start: %s", b.text())
	}
	if b.signedIn(w) {
		t.Error("somebody is signed in after a refusal")
	}
}
