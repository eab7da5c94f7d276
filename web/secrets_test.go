package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// TestNoSecretIsWrittenDown walks through everything that handles a secret, and
// then looks for each of them in the log and in every byte of the database.
func TestNoSecretIsWrittenDown(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: 100 * time.Millisecond}})
	b := w.browser()
	answer := b.answer(dana)
	w.callback(b, answer).leadsTo("/")
	b.get("/").want(http.StatusOK, "Overview")
	b.post("/tokens", nil).want(http.StatusOK, "Tokens")
	b.post("/tokens/renew", nil).want(http.StatusOK, "Tokens")
	revealed := b.post("/tokens/reveal", nil).text("#text-azts")
	startScan(b, "Contoso Prod", "Payments – Staging")
	b.get("/account").want(http.StatusOK, "Account")

	secrets := map[string][]string{
		"the code":             {answer.Get("code")},
		"the first ID token":   {answer.Get("id_token")},
		"the state":            {answer.Get("state")},
		"the session's cookie": {b.cookie(sessionCookie)},
		"the client secret":    {sandbox.PortalClientSecret},
		"the sealing key":      {w.env["PORTAL_SECRET_KEY"]},
		"the revealed token":   {revealed},
	}
	member := regexp.MustCompile(`"(access_token|refresh_token|id_token)":"([^"]+)"`)
	for _, found := range member.FindAllStringSubmatch(w.tenant.tokenTraffic(), -1) {
		secrets["a token endpoint's "+found[1]] = append(secrets["a token endpoint's "+found[1]], found[2])
	}
	sent := regexp.MustCompile(`code_verifier=([^&\n]+)`).FindStringSubmatch(w.tenant.tokenTraffic())
	if sent == nil || len(secrets) != 10 || len(secrets["a token endpoint's refresh_token"]) < 2 {
		t.Fatalf("the walk met %d kinds of secrets, verifier %q", len(secrets), sent)
	}
	secrets["the verifier"] = sent[1:]

	// Running: with the write-ahead log as it is.
	nowhere(t, "the database while it is open", w.databaseBytes(), secrets)
	b.signOut()
	nowhere(t, "the database after sign-out", w.databaseBytes(), secrets)
	w.stop()
	nowhere(t, "the database after the end", w.databaseBytes(), secrets)
	nowhere(t, "the log", []byte(w.log.String()), secrets)
	if !strings.Contains(w.log.String(), "token revealed") {
		t.Error("the log does not say that a token was revealed")
	}
}

// nowhere fails the test if a secret, or half of it, stands in a text.
func nowhere(t *testing.T, place string, text []byte, secrets map[string][]string) {
	t.Helper()
	if len(text) == 0 {
		t.Fatalf("%s is empty", place)
	}
	for name, values := range secrets {
		for _, value := range values {
			if len(value) < 16 {
				t.Fatalf("%s is %q, too short to be looked for", name, value)
			}
			for _, form := range []string{value, value[:len(value)/2], value[len(value)/2:], url.QueryEscape(value)} {
				if bytes.Contains(text, []byte(form)) {
					t.Errorf("%s holds %s", place, name)
				}
			}
		}
	}
}

// TestTokenIsRevealedOnDemandOnly: the token stands in no page but the answer
// to the button, and in no address.
func TestTokenIsRevealedOnDemandOnly(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	b.post("/tokens", nil).want(http.StatusOK, "Tokens")
	copied := b.send(visit{to: "/tokens/reveal", form: url.Values{}, from: b.address("/"), script: true, header: http.Header{"Accept": {"application/json"}}})
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(copied.body), &answer); err != nil || strings.Count(answer.AccessToken, ".") != 2 {
		t.Fatalf("copying gives %d %.100s", copied.status, copied.body)
	}
	for _, path := range []string{"/", "/tokens", "/account", "/scans"} {
		if strings.Contains(b.get(path).body, answer.AccessToken[:40]) {
			t.Errorf("%s holds the token", path)
		}
	}
	b.post("/tokens/forget", nil).has(".flash", "forgotten")
	b.post("/tokens/reveal", nil).want(http.StatusNotFound, "There is nothing here")
}
