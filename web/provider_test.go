package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// idTokenFaults are what can be wrong with an ID token, and the check that must
// find it.
var idTokenFaults = map[string]string{
	"alg_none":         "id_token_signature",
	"hs256_public_key": "id_token_signature",
	"unknown_kid":      "id_token_key",
	"bad_signature":    "id_token_signature",
	"wrong_aud":        "id_token_aud",
	"wrong_azp":        "id_token_azp",
	"wrong_iss":        "id_token_iss",
	"template_iss":     "id_token_iss",
	"wrong_tid":        "id_token_iss", // by the issuer of its key, with that tenant put in
	"wrong_nonce":      "id_token_nonce",
	"wrong_c_hash":     "id_token_c_hash",
	"wrong_at_hash":    "id_token_at_hash",
	"expired":          "id_token_exp",
	"not_yet_valid":    "id_token_nbf",
	"no_oid":           "id_token_person",
	"second_differs":   "second_id_token_differs",
}

// TestAttackForgedIDToken breaks the ID token in every way, once in the front
// channel and once at the token endpoint.
func TestAttackForgedIDToken(t *testing.T) {
	t.Parallel()
	for _, responseType := range []string{"code id_token", "code"} {
		t.Run(responseType, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, setup{env: map[string]string{"PORTAL_RESPONSE_TYPE": responseType}})
			for _, fault := range w.tenant.Faults().List() {
				name, ok := strings.CutPrefix(fault.Name, "id_token.")
				if !ok || responseType == "code" && (name == "wrong_c_hash" || name == "second_differs") {
					continue // there is no first ID token to be wrong or to differ from
				}
				t.Run(name, func(t *testing.T) {
					w := w.in(t)
					code, known := idTokenFaults[name]
					if !known {
						t.Fatal("nobody said which check must find it")
					}
					w.tenant.Faults().Set(fault.Name, "", 1)
					b := w.browser()
					answer := b.answer(dana)
					before := w.tenant.count(tokenPath)
					w.refused(b, w.callback(b, answer), http.StatusForbidden, code)
					second := responseType == "code" || name == "wrong_at_hash" || name == "second_differs"
					if asked := w.tenant.count(tokenPath) - before; asked != 0 && !second {
						t.Error("the code was redeemed although the first ID token was bad")
					}
				})
			}
			w.tenant.Faults().Clear()
			w.browser().signIn(dana)
		})
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	half := w.browser()
	answer := half.answer(dana)
	w.tenant.RotateKeys() // between the answer and the redemption of its code
	w.callback(half, answer).leadsTo("/")
	w.browser().signIn("ada@contoso.com")
	b.get("/account").want(http.StatusOK, "Account")
}

// TestProviderFails is a provider that does not do its part: never a session,
// and a status that says whose failure it is.
func TestProviderFails(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	fault := func(name, value string) func(*world) {
		return func(w *world) { w.tenant.Faults().Set(name, value, 1) }
	}
	at := func(path string, h http.HandlerFunc) func(*world) {
		return func(w *world) {
			w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == path {
					h(rw, r)
				}
				return r.URL.Path == path
			})
		}
	}
	send := func(status int, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
		}
	}
	hangUp := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for _, failure := range []struct {
		name   string
		begin  func(*world)
		status int
		code   string
	}{
		{"token endpoint answers 500 with HTML", fault("token.500_html", ""), 503, "provider_down"},
		{"token endpoint answers 429 with text", fault("token.429_text", "60"), 503, "provider_down"},
		{"token endpoint breaks off", fault("token.truncated", ""), 502, "provider_wrong"},
		{"token endpoint hangs up", at(tokenPath, hangUp), 503, "provider_down"},
		{"token endpoint redirects", at(tokenPath, func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "/elsewhere", http.StatusTemporaryRedirect)
		}), 502, "provider_wrong"},
		{"token endpoint sends two megabytes", at(tokenPath, send(200, `{"access_token":"`+strings.Repeat("x", 2<<20)+`"}`)), 502, "provider_wrong"},
		{"token endpoint sends no access token", at(tokenPath, send(200, `{"token_type":"Bearer"}`)), 502, "provider_wrong"},
		{"token endpoint sends a token of another type", at(tokenPath, send(200, `{"token_type":"mac","access_token":"x"}`)), 502, "provider_wrong"},
		{"token endpoint sends no ID token", at(tokenPath, send(200, `{"token_type":"Bearer","access_token":"x"}`)), 403, "second_id_token_missing"},
		{"token endpoint sends HTML with 200", at(tokenPath, send(200, `<h1>hello</h1>`)), 502, "provider_wrong"},
	} {
		t.Run(failure.name, func(t *testing.T) {
			w := w.in(t)
			b := w.browser()
			answer := b.answer(dana)
			failure.begin(w)
			p := w.callback(b, answer)
			w.tenant.answerWith(nil)
			w.refused(b, p, failure.status, failure.code)
			if !strings.Contains(p.text(".acts"), "Start again") {
				t.Errorf("the page offers %q", p.text(".acts"))
			}
		})
	}
	w.tenant.Faults().Set("token.string_numbers", "", 1)
	w.browser().signIn(dana)
}

func TestKeysUnavailable(t *testing.T) {
	t.Parallel()
	for _, failure := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"500", "", 503, "provider_down"},
		{"no JSON", "<html>", 502, "provider_wrong"},
		// With such a key anyone who reads the document could sign.
		{"a symmetric key", `{"keys":[{"kty":"oct","kid":"k","k":"c2VjcmV0"}]}`, 502, "provider_wrong"},
		{"no key", `{"keys":[]}`, 502, "provider_wrong"},
	} {
		t.Run(failure.name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, setup{})
			b := w.browser()
			answer := b.answer(dana)
			w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != keysPath {
					return false
				}
				if failure.body == "" {
					rw.WriteHeader(http.StatusInternalServerError)
				}
				_, _ = rw.Write([]byte(failure.body))
				return true
			})
			w.refused(b, w.callback(b, answer), failure.status, failure.code)
		})
	}
}

// TestProviderDownAtStart: the provider being down is no reason not to start.
func TestProviderDownAtStart(t *testing.T) {
	t.Parallel()
	for _, failure := range []struct {
		fault, code string
		status      int
	}{{"metadata.500", "provider_down", 503}, {"metadata.wrong_issuer", "provider_wrong", 502}} {
		t.Run(failure.fault, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, setup{before: func(s *tenantServer) { s.Faults().Set(failure.fault, "", -1) }})
			b := w.browser()
			if p := b.get("/healthz"); p.status != http.StatusOK {
				t.Errorf("/healthz is %d", p.status)
			}
			if p := b.get("/readyz"); p.status != http.StatusServiceUnavailable || !strings.Contains(p.body, "metadata not available") {
				t.Errorf("/readyz is %d %s", p.status, p.body)
			}
			b.get("/").has(".panel", "Signing in does not work right now")
			p := b.get("/auth/login")
			w.refused(b, p, failure.status, failure.code)
			p.has(".acts", "Try again")
			if len(b.jar.cookies) != 0 {
				t.Errorf("a sign-in that cannot start leaves cookies: %v", b.jar.cookies)
			}

			w.tenant.Faults().Clear()
			deadline := time.Now().Add(15 * time.Second)
			for b.get("/readyz").status != http.StatusOK {
				if time.Now().After(deadline) {
					t.Fatal("the portal does not recover")
				}
				time.Sleep(50 * time.Millisecond) // only asking tells
			}
			b.signIn(dana)
		})
	}
}

// TestProviderErrors are the errors that a provider posts instead of a code.
// Their text is a stranger's: it is shown to nobody, and markup in it is dead.
func TestProviderErrors(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	const markup = `<script>alert(1)</script><img src=x onerror=alert(2)>`
	for _, answer := range []struct {
		value  string // of the fault
		status int
	}{
		{"access_denied|AADSTS65004: declined " + markup + "|cancel", 403},
		{"access_denied|" + markup, 403},
		{"server_error|" + markup, 503},
		{"temporarily_unavailable|AADSTS90033: " + markup, 503},
		{"invalid_request|AADSTS900144: " + markup, 0},
		{"unauthorized_client|AADSTS700016: " + markup, 0},
		{"unsupported_response_type|AADSTS700054: " + markup, 0},
		{"invalid_resource|AADSTS500011: " + markup, 0},
		{"login_required|AADSTS50058: " + markup, 0},
		{"interaction_required|AADSTS50076: " + markup, 0},
		{"consent_required|AADSTS65001: " + markup, 0},
		{markup + "|" + markup + "|" + markup, 0},
	} {
		name, _, _ := strings.Cut(answer.value, "|")
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			w.tenant.Faults().Set("callback.error", answer.value, 1)
			b := w.browser()
			form := b.answer(dana)
			p := w.callback(b, form)
			if p.status < 400 || p.status > 504 || p.status == 500 || answer.status != 0 && p.status != answer.status {
				t.Errorf("the status is %d, want %d", p.status, answer.status)
			}
			w.refused(b, p, p.status, p.evidence("Code"))
			for _, alien := range []string{"alert(", "onerror", "AADSTS65004: d"} {
				if strings.Contains(p.body, alien) {
					t.Errorf("the page holds %q", alien)
				}
			}
			if p.text(".message p.lead") == "" || p.header.Get("Location") != "" {
				t.Error("the page does not say what happened, or leads away")
			}
		})
	}
	t.Run("backing out is no incident", func(t *testing.T) {
		w := w.in(t)
		b := w.browser()
		p := b.submit(b.get("/auth/login").want(http.StatusOK, "Choose an account"), "button[value=decline]", nil)
		p = b.submit(p, "form#hiddenform", nil)
		w.refused(b, p, http.StatusForbidden, p.evidence("Code"))
		p.has(".acts", "Start again")
	})
	t.Run("an error under a foreign state is not believed", func(t *testing.T) {
		w := w.in(t)
		b := w.browser()
		form := url.Values{"error": {"access_denied"}, "error_description": {markup}, "state": {strings.Repeat("B", 43)}}
		w.refused(b, w.callback(b, form), http.StatusBadRequest, "state_unknown")
	})
	if n := len(w.log.lines("level=ERROR", "kind=internal")); n != 0 {
		t.Errorf("%d errors of a provider count as ours", n)
	}
}
