package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// TestNoSecretIsWrittenDown walks through everything that handles a secret, and
// then looks for each of them in the log, in every byte of the database and in
// the source of every page but those that were asked to show a token.
func TestNoSecretIsWrittenDown(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: 100 * time.Millisecond}, env: map[string]string{"PORTAL_RESOURCES": sandbox.InventoryAppIDURI},
		before: func(s *tenantServer) {
			if err := s.Consent(sandbox.PortalClientID, "", vaultAll); err != nil {
				t.Fatal(err)
			}
		}})
	b := w.browser()
	var pages bytes.Buffer
	shown := 0
	b.seen = func(p *page) {
		switch {
		case p.url.Host != b.address("/").Host: // the tenant's
		case p.url.Path == "/tokens/reveal" && p.status == http.StatusOK:
			shown++
		default:
			pages.WriteString(p.body)
			for _, values := range p.header {
				pages.WriteString(strings.Join(values, "\n"))
			}
		}
	}
	cookies := map[string]bool{}
	answers := map[string][]string{}
	noteAnswer := func(form url.Values) {
		for name, kind := range map[string]string{"code": "the code", "id_token": "the first ID token", "state": "the state"} {
			answers[kind] = append(answers[kind], form.Get(name))
		}
	}
	answer := b.answer(dana)
	noteAnswer(answer)
	w.callback(b, answer).leadsTo("/")
	cookies[b.cookie(sessionCookie)] = true
	b.get("/").want(http.StatusOK, "Overview")
	b.post("/tokens", nil).want(http.StatusOK, "Tokens")
	b.post("/tokens/renew", nil).want(http.StatusOK, "Tokens")
	revealed := []string{b.post("/tokens/reveal", nil).text("#text-azts")}

	// A token by way of the tenant, one silently, one after more proof.
	gone := b.toAnswer(b.post("/tokens", asking(sandbox.GraphAudience, "Reading my profile", graphRead)), dana)
	noteAnswer(gone.fields("form#hiddenform"))
	graph := idOf(b.submit(gone, "form#hiddenform", nil).want(http.StatusOK, "Tokens"), "Microsoft Graph")
	cookies[b.cookie(sessionCookie)] = true
	vaults := idOf(b.post("/tokens", asking(vault, "Backup", vaultAll)).want(http.StatusOK, "Tokens"), "Azure Key Vault")
	w.tenant.Faults().Set("refresh.interaction_required", "", 2)
	told := b.post("/tokens/renew", vaults).want(http.StatusOK, "Tokens")
	gone = b.toAnswer(b.open(formOf(told, ".panel form")), dana)
	noteAnswer(gone.fields("form#hiddenform"))
	b.submit(gone, "form#hiddenform", nil).want(http.StatusOK, "Tokens")
	cookies[b.cookie(sessionCookie)] = true
	for _, id := range []url.Values{graph, vaults} {
		revealed = append(revealed, b.post("/tokens/reveal", id).text("#text-"+id.Get("id")))
		b.send(visit{to: "/tokens/reveal", form: id, from: b.address("/"), script: true, header: http.Header{"Accept": {"application/json"}}})
		b.post("/tokens/renew", id).want(http.StatusOK, "Tokens")
	}
	b.post("/tokens/check", nil).has(".azts-answer", "It works")
	b.post("/tokens/forget", vaults).want(http.StatusOK, "Tokens")
	b.get("/tokens/history").want(http.StatusOK, "Issued tokens")
	b.get("/tokens/commands/azts.ps1")
	b.post("/tokens", asking(vault, "no scope")).want(http.StatusBadRequest, "Tokens")
	startScan(b, "Contoso Prod", "Payments – Staging")
	// What is kept beyond the session.
	gone = b.toAnswer(b.post("/scans/schedules", repeating(b)), dana)
	noteAnswer(gone.fields("form#hiddenform"))
	kept := len(w.tenant.tokenTraffic())
	b.submit(gone, "form#hiddenform", nil).want(http.StatusOK, "Repeated scans")
	if w.rows("delegations") != 1 || !strings.Contains(w.tenant.tokenTraffic()[kept:], `"refresh_token":"`) {
		t.Fatal("no permission is kept")
	}
	for _, path := range []string{"/scans/schedules/withdraw", "/tokens/history"} {
		b.get(path)
	}
	b.get("/account").want(http.StatusOK, "Account")
	if shown != 5 {
		t.Errorf("%d answers were to show a token", shown)
	}

	secrets := map[string][]string{
		"the client secret":    {sandbox.PortalClientSecret},
		"the sealing key":      {w.env["PORTAL_SECRET_KEY"]},
		"a revealed token":     revealed,
		"the session's cookie": slices.Collect(maps.Keys(cookies)),
	}
	maps.Copy(secrets, answers)
	member := regexp.MustCompile(`"(access_token|refresh_token|id_token)":"([^"]+)"`)
	for _, found := range member.FindAllStringSubmatch(w.tenant.tokenTraffic(), -1) {
		secrets["a token endpoint's "+found[1]] = append(secrets["a token endpoint's "+found[1]], found[2])
	}
	for _, sent := range regexp.MustCompile(`code_verifier=([^&\n]+)`).FindAllStringSubmatch(w.tenant.tokenTraffic(), -1) {
		secrets["the verifier"] = append(secrets["the verifier"], sent[1])
	}
	for kind, least := range map[string]int{"the code": 3, "the verifier": 3, "the session's cookie": 1, "a revealed token": 3,
		"a token endpoint's access_token": 8, "a token endpoint's refresh_token": 8, "a token endpoint's id_token": 3} {
		if len(secrets[kind]) < least {
			t.Fatalf("the walk met %s %d times, at least %d were expected", kind, len(secrets[kind]), least)
		}
	}

	// Running: with the write-ahead log as it is.
	nowhere(t, "the database while it is open", w.databaseBytes(), secrets)
	b.seen = nil // the way out names the session and its state in addresses
	b.signOut()
	nowhere(t, "the database after sign-out", w.databaseBytes(), secrets)
	w.stop()
	nowhere(t, "the database after the end", w.databaseBytes(), secrets)
	nowhere(t, "the log", []byte(w.log.String()), secrets)
	// A redirect to the tenant names its state, and a session begins with its cookie.
	delete(secrets, "the state")
	delete(secrets, "the session's cookie")
	nowhere(t, "a page", pages.Bytes(), secrets)
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
