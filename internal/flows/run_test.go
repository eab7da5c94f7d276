package flows_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/internal/trace"
)

// tenant is a configured tenant whose clock and ours a test moves.
type tenant struct {
	*flows.TenantRuns
	t      *testing.T
	now    time.Time
	client *http.Client
	polls  int // of its token endpoint
	keeper *flows.Keeper
	db     *store.DB
	fault  func() (*http.Response, error) // what that answers instead
	during func()                         // runs after the answer, before it is heard
}

var danaID = access.PersonID{Authority: sandbox.TenantID, Subject: sandbox.DanaID}

func (w *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		w.polls++
		if w.fault != nil {
			return w.fault()
		}
		if w.during != nil {
			response, err := w.client.Transport.RoundTrip(r)
			w.during()
			return response, err
		}
	}
	return w.client.Transport.RoundTrip(r)
}

const tenantOrigin = "https://login.invalid"

func newTenant(t *testing.T) *tenant {
	w := &tenant{t: t, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	now := func() time.Time { return w.now }
	box, err := sandbox.New(sandbox.Options{Origin: tenantOrigin, PortalURL: labPortal, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s := box.Settings()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.client = &http.Client{Transport: box.Transport(), Jar: jar}
	w.TenantRuns = &flows.TenantRuns{Client: &http.Client{Transport: w}, MetadataURL: s.Issuer + "/.well-known/openid-configuration", CallbackURL: labPortal + "/auth/callback",
		Scopes: []string{s.AzTSScope}, DeviceClientID: s.PublicClientID, Now: now,
		NewProvider: func(client *http.Client, now func() time.Time, clientID string) (*entra.Provider, error) {
			return entra.NewProvider(entra.Options{Issuer: s.Issuer, ClientID: cmp.Or(clientID, s.ClientID), Credential: entra.SecretCredential(s.ClientSecret),
				RedirectURL: labPortal + "/auth/callback", Client: client, Now: now, Log: slog.New(slog.DiscardHandler)})
		}}
	w.db, w.keeper = newKeeper(t, now)
	return w
}

func newKeeper(t *testing.T, now func() time.Time) (*store.DB, *flows.Keeper) {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	keys, err := seal.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := flows.NewKeeper(db, keys, now)
	if err != nil {
		t.Fatal(err)
	}
	return db, keeper
}

var (
	pageAction  = regexp.MustCompile(`action="([^"]+)"`)
	interaction = regexp.MustCompile(`name="interaction" value="([^"]+)"`)
)

// send posts a form of the person's other device and returns the next page.
func (w *tenant) send(page string, form url.Values) string {
	w.t.Helper()
	action := "/devicelogin"
	if page != "" {
		action = pageAction.FindStringSubmatch(page)[1]
		form.Set("interaction", interaction.FindStringSubmatch(page)[1])
	}
	response, err := w.client.PostForm(tenantOrigin+action, form)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// enter approves a device sign-in.
func (w *tenant) enter(code, person string) {
	w.t.Helper()
	page := w.send("", url.Values{"otc": {code}})
	page = w.send(page, url.Values{"action": {"account"}, "account": {person}})
	for range 3 {
		switch {
		case strings.Contains(page, `value="confirm"`):
			page = w.send(page, url.Values{"action": {"confirm"}})
		case strings.Contains(page, `value="accept"`):
			page = w.send(page, url.Values{"action": {"accept"}})
		}
	}
	if !strings.Contains(page, "You have signed in") {
		w.t.Fatalf("the other device ends at %s", page)
	}
}

// begin begins a device sign-in of Dana's, and keeps it.
func (w *tenant) begin() *flows.Run {
	w.t.Helper()
	run, err := w.BeginDevice(w.t.Context())
	if err == nil {
		err = w.keeper.Add(w.t.Context(), danaID, run)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// poll asks as pages do.
func (w *tenant) poll(run *flows.Run) *flows.Run {
	w.t.Helper()
	again, err := w.Poll(w.t.Context(), w.keeper, danaID, run.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return again
}

func TestADeviceWaitsForItsPerson(t *testing.T) {
	w := newTenant(t)
	run := w.begin()
	if run.Waits == nil || run.Waits.Address != tenantOrigin+"/devicelogin" || len(run.Trace.Messages) != 2 {
		t.Fatalf("%+v", run)
	}
	if w.poll(run); w.polls != 0 {
		t.Errorf("asked %d times before it was time to", w.polls)
	}
	w.now = w.now.Add(6 * time.Second)
	run = w.poll(run)
	if run.Waits == nil || run.Waits.Polls != 1 || w.polls != 1 || !run.Waits.NextAt.Equal(w.now.Add(5*time.Second)) {
		t.Fatalf("after the first question: %+v", run.Waits)
	}
	for range 40 { // what only says “not yet” does not fill the trace
		w.now = w.now.Add(6 * time.Second)
		run = w.poll(run)
	}
	if n := len(run.Trace.Messages); n > 24 {
		t.Errorf("%d messages are kept", n)
	}
	code, secret := run.Waits.UserCode, run.Waits.Secret
	w.enter(code, sandbox.DanaID)
	w.now = w.now.Add(6 * time.Second)
	run = w.poll(run)
	if run.Waits != nil || !run.Outcome.Expected || run.Outcome.Refused != "" {
		t.Fatalf("in the end: %+v", run.Outcome)
	}
	kept, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	state, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	var waited struct{ Code string }
	if err := json.Unmarshal(state, &waited); err != nil || len(waited.Code) < 20 {
		t.Fatalf("the device code is %q: %v", waited.Code, err)
	}
	for _, leak := range trace.Leaks(kept, []string{waited.Code, code}) {
		t.Errorf("in the run: %s", leak)
	}
	asked := w.polls
	if w.poll(run); w.polls != asked {
		t.Error("it goes on asking after the end")
	}
}

// TestAttackSomebodyElseEntersTheCode: a run shows its owner nobody else's token.
func TestAttackSomebodyElseEntersTheCode(t *testing.T) {
	w := newTenant(t)
	run := w.begin()
	w.enter(run.Waits.UserCode, sandbox.NoorID)
	w.now = w.now.Add(6 * time.Second)
	run = w.poll(run)
	kept, err := json.Marshal(run)
	if err != nil || run.Waits != nil || run.Outcome.Code != "device_other_account" || len(run.Trace.Tokens) != 0 || bytes.Contains(bytes.ToLower(kept), []byte("noor")) {
		t.Errorf("%+v, %d tokens, %v", run.Outcome, len(run.Trace.Tokens), err)
	}
}

// TestAnAbandonedDeviceCodeEnds: without a question, whoever looks.
func TestAnAbandonedDeviceCodeEnds(t *testing.T) {
	for name, look := range map[string]func(*tenant, string) flows.Run{
		"the run": func(w *tenant, id string) flows.Run {
			run, err := w.keeper.Get(t.Context(), danaID, id)
			if err != nil {
				t.Fatal(err)
			}
			return *run
		},
		"the list": func(w *tenant, _ string) flows.Run {
			list, err := w.keeper.List(t.Context(), danaID)
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			return list[0]
		},
	} {
		w := newTenant(t)
		run := w.begin()
		w.now = w.now.Add(15 * time.Minute)
		if got := look(w, run.ID); got.Waits != nil || got.Outcome.Code != "expired_token" || w.polls != 0 {
			t.Errorf("%s: %+v after %d questions", name, got.Outcome, w.polls)
		}
		w.now = w.now.Add(2 * time.Hour)
		_, err := w.keeper.Get(t.Context(), danaID, run.ID)
		if seen := name == "the run"; seen != (err == nil) {
			t.Errorf("%s: two hours later %v", name, err)
		}
		if n, err := w.db.ClearExpired(t.Context()); err != nil || (n == 1) == (name == "the run") {
			t.Errorf("%s: %d rows are cleared, %v", name, n, err)
		}
	}
}

// TestADeviceOutlastsAnOutage: the tenant that cannot answer is asked again, each
// time after twice as long.
func TestADeviceOutlastsAnOutage(t *testing.T) {
	w := newTenant(t)
	run := w.begin()
	for i, fault := range []func() (*http.Response, error){
		func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		func() (*http.Response, error) {
			return &http.Response{StatusCode: 503, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>busy"))}, nil
		},
	} {
		w.fault = fault
		w.now = w.now.Add(time.Minute)
		run = w.poll(run)
		asked := w.polls
		if w.poll(run); w.polls != asked {
			t.Error("asked again at once")
		}
		if pause := 10 * time.Second << i; run.Waits == nil || !run.Waits.Unanswered || !run.Waits.NextAt.Equal(w.now.Add(pause)) {
			t.Fatalf("%+v", run.Waits)
		}
	}
	w.fault = nil
	w.enter(run.Waits.UserCode, sandbox.DanaID)
	w.now = w.now.Add(time.Minute)
	if run = w.poll(run); !run.Outcome.Expected {
		t.Errorf("%+v", run.Outcome)
	}
}

// TestTwoPagesOfADevice: while one asks, the other does not, so that nobody is told
// that the code was used.
func TestTwoPagesOfADevice(t *testing.T) {
	w := newTenant(t)
	run := w.begin()
	w.enter(run.Waits.UserCode, sandbox.DanaID)
	w.now = w.now.Add(6 * time.Second)
	w.during = func() {
		w.during = nil
		if other := w.poll(run); other.Waits == nil {
			t.Errorf("the other page ends the run: %+v", other.Outcome)
		}
	}
	if run = w.poll(run); w.polls != 1 || !run.Outcome.Expected {
		t.Errorf("%d questions: %+v", w.polls, run.Outcome)
	}
}

// TestAttackMetadataOfADeviceAimsElsewhere: only the configured host is asked.
func TestAttackMetadataOfADeviceAimsElsewhere(t *testing.T) {
	for name, document := range map[string]string{
		"another host":   `{"device_authorization_endpoint":"https://attacker.example/d","token_endpoint":"https://login.invalid/t"}`,
		"another scheme": `{"device_authorization_endpoint":"http://login.invalid/d","token_endpoint":"https://login.invalid/t"}`,
		"a user":         `{"device_authorization_endpoint":"https://login.invalid@attacker.example/d","token_endpoint":"https://login.invalid/t"}`,
		"the second":     `{"device_authorization_endpoint":"https://login.invalid/d","token_endpoint":"https://attacker.example/t"}`,
		"none":           `{"token_endpoint":"https://login.invalid/t"}`,
	} {
		w := newTenant(t)
		w.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() != w.MetadataURL {
				t.Errorf("%s: %s is asked", name, r.URL)
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(document)), Request: r}, nil
		})}
		if _, err := w.BeginDevice(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestAttackCodesThatNobodyCouldEnter: what a tenant answers is neither kept nor shown
// without a bound.
func TestAttackCodesThatNobodyCouldEnter(t *testing.T) {
	const metadata = `{"device_authorization_endpoint":"https://login.invalid/d","token_endpoint":"https://login.invalid/t"}`
	for name, answer := range map[string]string{
		"a long code":    `{"user_code":"` + strings.Repeat("A", 5000) + `","device_code":"d","verification_uri":"https://login.invalid/"}`,
		"no code":        `{"device_code":"d","verification_uri":"https://login.invalid/"}`,
		"no device code": `{"user_code":"ABC","verification_uri":"https://login.invalid/"}`,
		"a long address": `{"user_code":"ABC","device_code":"d","verification_uri":"https://login.invalid/` + strings.Repeat("a", 5000) + `"}`,
		"a script":       `{"user_code":"ABC","device_code":"d","verification_uri":"javascript:alert(1)"}`,
	} {
		w := newTenant(t)
		w.MetadataURL = "https://login.invalid/.well-known/openid-configuration"
		w.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			text := answer
			if r.Method == http.MethodGet {
				text = metadata
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
		})}
		run, err := w.BeginDevice(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch {
		case strings.Contains(name, "code") && (run.Waits != nil || run.Outcome.Code != "device_code_malformed"):
			t.Errorf("%s: %+v", name, run.Outcome)
		case !strings.Contains(name, "code") && (run.Waits == nil || run.Waits.Address != ""):
			t.Errorf("%s: %+v", name, run.Waits)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRunsAreSealedForTheirOwner: what is stored opens to its owner alone, also
// where the database is made to say otherwise.
func TestRunsAreSealedForTheirOwner(t *testing.T) {
	db, keeper := newKeeper(t, time.Now)
	run := &flows.Run{ID: "run-1", Flow: "code", StartedAt: time.Now(), EndsAt: time.Now().Add(flows.RunLife), Trace: trace.Trace{Owner: "unmistakable"}}
	ctx := context.Background()
	if err := keeper.Add(ctx, dana, run); err != nil {
		t.Fatal(err)
	}
	stored, err := db.LoadRun(ctx, dana, "run-1", time.Now())
	if err != nil || bytes.Contains(stored.Sealed, []byte("unmistakable")) || bytes.Contains(stored.Head, []byte("code")) {
		t.Fatalf("stored in the clear, or %v", err)
	}
	stolen := stored
	stolen.ID, stolen.Owner = "run-2", mallory
	if err := db.AddRun(ctx, stolen, 5); err != nil {
		t.Fatal(err)
	}
	if _, err := keeper.Get(ctx, mallory, "run-2"); !apperr.IsKind(err, apperr.NotFound) {
		t.Errorf("a row under another name: %v", err)
	}
	if list, err := keeper.List(ctx, mallory); err != nil || len(list) != 0 {
		t.Errorf("%d runs, %v", len(list), err)
	}
	shared, err := keeper.Share(ctx, dana, "run-1", "Dana")
	if err != nil || len(shared.Share) != 40 {
		t.Fatalf("%q, %v", shared.Share, err)
	}
	if again, err := keeper.Shared(ctx, shared.Share); err != nil || again.ID != "run-1" || again.SharedBy != "Dana" {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := keeper.Share(ctx, mallory, "run-1", "Mallory"); !apperr.IsKind(err, apperr.NotFound) {
		t.Errorf("shared by somebody else: %v", err)
	}
	if _, err := keeper.Unshare(ctx, dana, "run-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := keeper.Shared(ctx, shared.Share); !apperr.IsKind(err, apperr.NotFound) {
		t.Errorf("a share that was taken back: %v", err)
	}
	if !errors.Is(func() error { _, err := db.LoadRun(ctx, mallory, "run-1", time.Now()); return err }(), flows.ErrNoRun) {
		t.Error("somebody else's row is found")
	}
}
