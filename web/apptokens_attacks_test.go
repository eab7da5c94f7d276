package main

import (
	"net/http"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/store/storetest"
)

// TestAttackSecretInWrongField: people paste secrets where they do not belong. None
// comes back in a page, or stays in the log or the history.
func TestAttackSecretInWrongField(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	const secret = "Zq8~Qx7vTtBv1f9nXW3PpL0sDe5rYuIoAaBbCcDd"
	for _, field := range []string{"client_id", "scope", "purpose"} {
		p := b.askApp(scanBot("secret", "x", field, secret))
		if p.status == http.StatusOK {
			t.Fatalf("%s: a token", field)
		}
		if strings.Contains(p.body, secret) {
			t.Errorf("the %s is put back", field)
		}
		if n := p.one("input[name=" + field + "]").Parent().Find("[data-left-out]").Length(); n != 1 || p.sel("[data-left-out]").Length() != 1 {
			t.Errorf("%s: it is not said that something was left out", field)
		}
	}
	// What is no secret stays.
	p := b.askApp(scanBot("secret", "x", "scope", aztsDefault, "purpose", "ticket-4711"))
	if p.one("input[name=purpose]").AttrOr("value", "") != "ticket-4711" || p.sel("[data-left-out]").Length() != 0 {
		t.Errorf("harmless words are left out: %s", p.text("form.appform"))
	}
	// The right secret in two fields: the token comes, the history has no secret.
	b.askApp(scanBot("purpose", "nightly "+sandbox.ScriptClientSecret)).one("[data-token]")
	// Control characters cost nobody the token.
	b.askApp(scanBot("resource", "https://vault.azure.net/.default", "purpose", "a\x00b\x1b[31mc"))
	history := b.get("/tokens/history").want(http.StatusOK, "Issued tokens")
	history.has("main table", "a b [31mc")
	secrets := map[string][]string{"a secret": {secret, sandbox.ScriptClientSecret}}
	nowhere(t, "the history", []byte(history.body), secrets)
	nowhere(t, "the database", w.databaseBytes(), secrets)
	w.stop()
	nowhere(t, "the log", []byte(w.log.String()), secrets)
}

// TestAppPurposeOnEveryDatabase: a purpose with a NUL in it is kept without; on
// PostgreSQL it cost the token.
func TestAppPurposeOnEveryDatabase(t *testing.T) {
	t.Parallel()
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, setup{env: map[string]string{"PORTAL_DATABASE_URL": kind.New(t)}})
			b := w.browser()
			b.signIn(dana)
			b.askApp(scanBot("purpose", "a\x00b")).want(http.StatusOK, "App tokens").has("[data-token] .facts", "a b")
		})
	}
}

// TestAttackGuessSecrets: the page is no machine for guessing.
func TestAttackGuessSecrets(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	for i := range 20 {
		if got := b.askApp(scanBot("secret", "guess"+strings.Repeat("x", i))).evidence("Code"); got != "AADSTS7000215" {
			t.Fatalf("guess %d: %s", i+1, got)
		}
	}
	// A session of another browser does not help: people are counted.
	other := w.browser()
	other.signIn(dana)
	before := w.tenant.count(tokenPath)
	for _, browser := range []*browser{b, other} {
		if p := browser.askApp(scanBot()).want(http.StatusTooManyRequests, "App tokens"); p.evidence("Code") != "app_token_tries" {
			t.Errorf("guess 21: %s", p.text(".panel"))
		}
	}
	if n := w.tenant.count(tokenPath) - before; n != 0 {
		t.Errorf("the tenant was asked %d times more", n)
	}
}
