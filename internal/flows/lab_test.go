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
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/internal/trace"
	"azts.internal/portal/session"
)

const labPortal = "https://portal.invalid"

var dana, mallory = access.PersonID{Authority: "t", Subject: "dana"}, access.PersonID{Authority: "t", Subject: "mallory"}

// visits are those of sign-in.
type visits struct{ sessions *session.Store }

func (v visits) Begin(jar http.CookieJar) (state, nonce, verifier string, err error) {
	at, _ := url.Parse(labPortal)
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, labPortal+"/auth/login", nil)
	state, flow, err := v.sessions.StartFlow(w, r, session.Flow{Purpose: "flow"})
	jar.SetCookies(at, w.Result().Cookies())
	return state, flow.Nonce, flow.Verifier, err
}

func (v visits) Take(ctx context.Context, jar http.CookieJar, state string) error {
	at, _ := url.Parse(labPortal)
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, labPortal+"/auth/callback", nil)
	for _, cookie := range jar.Cookies(at) {
		r.AddCookie(cookie)
	}
	_, err := v.sessions.TakeFlow(w, r, state)
	return err
}

func newLab(t testing.TB, box func(func() time.Time) (*flows.Box, error)) *flows.Lab {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), time.Now, log)
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
	sessions, err := session.New(db, keys, session.Options{Idle: time.Hour, Max: time.Hour, Accept: func(access.User) bool { return true }, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	lab, err := flows.NewLab(box, visits{sessions}, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

// secrets are what the tenant of one box gave out and was told.
type secrets struct {
	next  http.RoundTripper
	mu    *sync.Mutex
	found *[]string
}

var secretMembers = regexp.MustCompile(`(?:"(?:access_token|refresh_token|id_token|device_code|user_code)":"|name="(?:code|id_token|interaction)" value="|[?&#](?:code|access_token|id_token)=)([^"&]+)`)

func (s secrets) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
		form, _ := url.ParseQuery(string(sent))
		for _, name := range []string{"client_secret", "code_verifier", "client_assertion", "assertion"} {
			s.keep(form.Get(name))
		}
	}
	answer, err := s.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	for _, text := range []string{string(body), answer.Header.Get("Location")} {
		text = strings.ReplaceAll(text, "/error?code=", "") // error_uri names the number of an error
		for _, m := range secretMembers.FindAllStringSubmatch(text, -1) {
			s.keep(m[1])
		}
	}
	for _, cookie := range answer.Cookies() {
		s.keep(cookie.Value)
	}
	return answer, nil
}

func (s secrets) keep(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(value) >= 6 && !slices.Contains(*s.found, value) {
		*s.found = append(*s.found, value)
	}
}

// TestARunKeepsNoSecret searches what is kept of each flow, and what is exported.
func TestARunKeepsNoSecret(t *testing.T) {
	var mu sync.Mutex
	var found []string
	lab := newLab(t, func(now func() time.Time) (*flows.Box, error) {
		box, err := newBox(now)
		if err == nil {
			box.Transport = secrets{box.Transport, &mu, &found}
		}
		return box, err
	})
	type pair struct {
		flow    flows.Flow
		failure string
	}
	var pairs []pair
	for _, flow := range flows.Catalogue() {
		for _, failure := range append([]string{""}, flow.Failures...) {
			if flow.Breaks(failure, flows.InLab) {
				pairs = append(pairs, pair{flow, failure})
			}
		}
	}
	for _, p := range pairs {
		flow, failure := p.flow, p.failure
		found = nil
		run, err := lab.Run(t.Context(), dana, flow, failure)
		if err != nil {
			t.Fatal(err)
		}
		// What is refused at once has brought none.
		if len(found) == 0 && failure == "" {
			t.Errorf("%s: the search knows no secret", flow.ID)
		}
		kept, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		var har bytes.Buffer
		if err := run.Trace.WriteHAR(&har, "test", "1"); err != nil {
			t.Fatal(err)
		}
		for place, text := range map[string][]byte{"the run": kept, "the HAR file": har.Bytes()} {
			for _, leak := range trace.Leaks(text, found) {
				t.Errorf("%s, %q: in %s: %s", flow.ID, failure, place, leak)
			}
		}
	}
}

// TestTheLabIsBounded: who comes when all seats are taken is told so, and a run
// ends with its request.
func TestTheLabIsBounded(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	lab := newLab(t, func(func() time.Time) (*flows.Box, error) {
		entered <- struct{}{}
		<-leave
		return nil, errors.New("no box")
	})
	flow, _ := flows.Find("password")
	done := make(chan error)
	const seats = 4
	for i := range seats {
		go func() {
			_, err := lab.Run(context.Background(), []access.PersonID{dana, {Authority: "tenant", Subject: "noor"}}[i%2], flow, "")
			done <- err
		}()
		<-entered
	}
	if _, err := lab.Run(t.Context(), dana, flow, ""); !apperr.HasCode(err, "lab_busy_yours") {
		t.Errorf("a third run of one person: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lab.Run(ctx, mallory, flow, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a fifth whose browser left: %v", err)
	}
	close(leave)
	for range seats {
		if err := <-done; err == nil {
			t.Error("a run without a box")
		}
	}
}

func TestWhatIsNotOfferedIsNotRun(t *testing.T) {
	lab := newLab(t, newBox)
	flow, _ := flows.Find("password")
	for _, failure := range []string{"wrong-verifier", "nonsense", "no-mfa "} {
		if run, err := lab.Run(t.Context(), dana, flow, failure); err == nil {
			t.Errorf("%q: %+v", failure, run.Outcome)
		}
	}
}

func newBox(now func() time.Time) (*flows.Box, error) {
	box, err := sandbox.New(sandbox.Options{Origin: "https://lab.invalid", PortalURL: labPortal, Now: now})
	if err != nil {
		return nil, err
	}
	s := box.Settings()
	return &flows.Box{Transport: box.Transport(), Origin: "https://lab.invalid", Portal: labPortal, TenantID: s.TenantID, Issuer: s.Issuer,
		ClientID: s.ClientID, ClientSecret: s.ClientSecret, AzTSClientID: s.AzTSClientID, AzTSClientSecret: s.AzTSClientSecret,
		ScriptClientID: s.ScriptClientID, ScriptClientSecret: s.ScriptClientSecret, CertificateClientID: s.CertificateClientID,
		CertificateURL: "https://lab.invalid/sandbox/certificate.pem", FederatedURL: "https://lab.invalid/federated/token",
		LegacyClientID: s.LegacyClientID, LegacyRedirect: s.LegacyRedirect, CLIClientID: s.PublicClientID, StrangeClientID: sandbox.AzPowerShellAppID,
		IdentityHeader: sandbox.IdentityHeader, AzTSURL: s.AzTSURL, AzTSScope: s.AzTSScope, ARMURL: s.ARMURL, ARMScope: sandbox.ARMAudience + "/user_impersonation",
		GraphURL: s.GraphURL, GraphBase: sandbox.GraphAudience, InventoryScope: sandbox.InventoryAppIDURI + "/Items.Read",
		Employee: flows.LabPerson{ID: sandbox.DanaID, Account: "dana@contoso.com"}, Admin: flows.LabPerson{ID: sandbox.AdaID, Account: "ada@contoso.com"},
		Careful: flows.LabPerson{ID: sandbox.MiraID, Account: "mira@contoso.com"}, Password: s.PeoplePassword, Subscription: s.Subscription,
		Break: func(fault, value string) { box.Faults().Set(fault, value, 1) }}, nil
}

// TestEachFailureNamesTheCheckThatRefuses runs the whole catalogue.
func TestEachFailureNamesTheCheckThatRefuses(t *testing.T) {
	lab := newLab(t, newBox)
	for _, flow := range flows.Catalogue() {
		for _, failure := range append([]string{""}, flow.Failures...) {
			t.Run(flow.ID+"/"+failure, func(t *testing.T) {
				run, err := lab.Run(t.Context(), dana, flow, failure)
				if err != nil {
					t.Fatal(err)
				}
				if !run.Outcome.Expected {
					t.Errorf("%q %q %s", run.Outcome.Refused, run.Outcome.Code, run.Outcome.Text)
					for i, m := range run.Trace.Messages {
						status := 0
						if m.Answer != nil {
							status = m.Answer.Status
						}
						t.Logf("%d %s→%s [%s] %s: %s %.150s %d", i+1, m.From, m.To, m.ID, m.Name, m.Request.Method, m.Request.URL, status)
					}
				}
				if f, broken := flows.FailureIn(flow.ID, failure, flows.InLab); broken {
					there := namesIn(run, run.Outcome.Message)
					if !slices.ContainsFunc(f.Marks, func(name string) bool { return slices.Contains(there, name) }) {
						t.Errorf("nothing of %v is in message %d, which was refused: %v", f.Marks, run.Outcome.Message, there)
					}
				}
			})
		}
	}
}

// namesIn are the names of all that a message sends: parameters, headers, and
// claims of the tokens in it.
func namesIn(run *flows.Run, number int) []string {
	m := run.Trace.Messages[number-1]
	_, fields := m.Request.Address()
	fields = slices.Concat(fields, m.Request.Body.Fields(), m.Request.Header)
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
		for _, token := range run.Trace.Tokens {
			if strings.Contains(f.Value, token.Fingerprint) {
				for _, c := range token.Claims {
					names = append(names, c.Name)
				}
			}
		}
	}
	return names
}
