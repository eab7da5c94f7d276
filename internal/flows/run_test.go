package flows_test

import (
	"bytes"
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
}

func (w *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		w.polls++
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
		NewProvider: func(client *http.Client, now func() time.Time, _ string) (*entra.Provider, error) {
			return entra.NewProvider(entra.Options{Issuer: s.Issuer, ClientID: s.ClientID, Credential: entra.SecretCredential(s.ClientSecret),
				RedirectURL: labPortal + "/auth/callback", Client: client, Now: now, Log: slog.New(slog.DiscardHandler)})
		}}
	return w
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
func (w *tenant) enter(code string) {
	w.t.Helper()
	page := w.send("", url.Values{"otc": {code}})
	page = w.send(page, url.Values{"action": {"account"}, "account": {sandbox.DanaID}})
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

// poll asks, by way of what is stored, as pages do.
func (w *tenant) poll(run *flows.Run) (*flows.Run, bool) {
	w.t.Helper()
	kept, err := json.Marshal(run)
	if err != nil {
		w.t.Fatal(err)
	}
	var again flows.Run
	if err := json.Unmarshal(kept, &again); err != nil {
		w.t.Fatal(err)
	}
	changed, err := w.Poll(w.t.Context(), &again)
	if err != nil {
		w.t.Fatal(err)
	}
	return &again, changed
}

func TestADeviceWaitsForItsPerson(t *testing.T) {
	w := newTenant(t)
	run, err := w.BeginDevice(t.Context())
	if err != nil || run.Waits == nil || run.Waits.Address != tenantOrigin+"/devicelogin" || len(run.Trace.Messages) != 2 {
		t.Fatalf("%+v %v", run, err)
	}
	if _, changed := w.poll(run); changed || w.polls != 0 {
		t.Errorf("asked %d times before it was time to", w.polls)
	}
	w.now = w.now.Add(6 * time.Second)
	run, changed := w.poll(run)
	if !changed || run.Waits == nil || run.Waits.Polls != 1 || w.polls != 1 || !run.Waits.NextAt.Equal(w.now.Add(5*time.Second)) {
		t.Fatalf("after the first question: %+v", run.Waits)
	}
	for range 40 { // what only says “not yet” does not fill the trace
		w.now = w.now.Add(6 * time.Second)
		run, _ = w.poll(run)
	}
	if n := len(run.Trace.Messages); n > 24 {
		t.Errorf("%d messages are kept", n)
	}
	code, secret := run.Waits.UserCode, run.Waits.Secret
	w.enter(code)
	w.now = w.now.Add(6 * time.Second)
	run, _ = w.poll(run)
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
	if _, changed := w.poll(run); changed || w.polls != asked {
		t.Error("it goes on asking after the end")
	}
}

func TestAnAbandonedDeviceCodeEnds(t *testing.T) {
	w := newTenant(t)
	run, err := w.BeginDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(15 * time.Minute)
	run, _ = w.poll(run)
	if run.Waits != nil || run.Outcome.Code != "expired_token" || w.polls != 0 {
		t.Errorf("%+v after %d questions", run.Outcome, w.polls)
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

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRunsAreSealedForTheirOwner: what is stored opens to its owner alone, also
// where the database is made to say otherwise.
func TestRunsAreSealedForTheirOwner(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	keys, err := seal.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := flows.NewKeeper(db, keys, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	dana, mallory := access.PersonID{Authority: "t", Subject: "dana"}, access.PersonID{Authority: "t", Subject: "mallory"}
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
	shared, err := keeper.Share(ctx, dana, "run-1", true)
	if err != nil || len(shared.Share) != 40 {
		t.Fatalf("%q, %v", shared.Share, err)
	}
	if again, err := keeper.Shared(ctx, shared.Share); err != nil || again.ID != "run-1" {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := keeper.Share(ctx, mallory, "run-1", true); !apperr.IsKind(err, apperr.NotFound) {
		t.Errorf("shared by somebody else: %v", err)
	}
	if _, err := keeper.Share(ctx, dana, "run-1", false); err != nil {
		t.Fatal(err)
	}
	if _, err := keeper.Shared(ctx, shared.Share); !apperr.IsKind(err, apperr.NotFound) {
		t.Errorf("a share that was taken back: %v", err)
	}
	if !errors.Is(func() error { _, err := db.LoadRun(ctx, mallory, "run-1", time.Now()); return err }(), flows.ErrNoRun) {
		t.Error("somebody else's row is found")
	}
}
