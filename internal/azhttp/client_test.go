package azhttp

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/reqlog"
)

// tokens is a token source that counts: each invalidation makes the next token.
type tokens struct {
	mu          sync.Mutex
	n           int
	scope       string
	err         error
	only        bool // there is but one token
	invalidated []string
}

func (s *tokens) Token(_ context.Context, scope string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scope = scope
	return fmt.Sprintf("token-%d", s.n), s.err
}

func (s *tokens) Invalidate(_ context.Context, _, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.only {
		s.n++
	}
	s.invalidated = append(s.invalidated, token)
}

// fixture is a client against a server, with a clock that jumps.
type fixture struct {
	*Client
	tokens *tokens
	waits  []time.Duration
	calls  atomic.Int32
}

// count returns how many requests the server has seen.
func (f *fixture) count() int { return int(f.calls.Load()) }

var testNow = time.Date(2026, 9, 14, 13, 40, 45, 0, time.UTC)

// serve answers the n-th call (from 1) with handler.
func serve(t *testing.T, handler func(n int, w http.ResponseWriter, r *http.Request), change ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{tokens: &tokens{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(int(f.calls.Add(1)), w, r)
	}))
	t.Cleanup(server.Close)
	cfg := Config{BaseURL: server.URL + "/api/", Scope: "api://azts/user_impersonation", Service: "AzTS",
		Now: func() time.Time { return testNow }, Jitter: func() float64 { return 1 },
		Sleep: func(_ context.Context, d time.Duration) error { f.waits = append(f.waits, d); return nil },
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if f.Client, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) get(repeat Repeat) (*Response, error) {
	return f.Do(context.Background(), f.tokens, Request{Method: "POST", Path: "/x", Body: map[string]int{"a": 1}, Repeat: repeat})
}

// want fails unless err is of that kind and code.
func want(t *testing.T, err error, kind apperr.Kind, code string) {
	t.Helper()
	if !apperr.IsKind(err, kind) || !apperr.HasCode(err, code) {
		t.Fatalf("error = %v, want %v %q", err, kind, code)
	}
}

func TestCallCarriesTokenOfItsScopeAndReference(t *testing.T) {
	f := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/api/x" || r.Header.Get("Authorization") != "Bearer token-0" || string(body) != `{"a":1}` ||
			r.Header.Get("Client-Request-Id") != "REF1" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("unexpected request: %v %v %s", r.URL, r.Header, body)
		}
		fmt.Fprint(w, "\xef\xbb\xbf"+`{"ok":true}`)
	})
	ctx := reqlog.With(context.Background(), "REF1", netip.Addr{})
	res, err := f.Do(ctx, f.tokens, Request{Method: "POST", Path: "/x", Body: map[string]int{"a": 1}})
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ OK bool }
	if err := res.JSON(&out); err != nil || !out.OK {
		t.Fatalf("JSON = %v, %v", out, err)
	}
	if f.tokens.scope != "api://azts/user_impersonation" {
		t.Errorf("asked for scope %q", f.tokens.scope)
	}
}

func TestNewRefusesAddressesThatEndangerTheToken(t *testing.T) {
	for _, base := range []string{"http://azts.example.net", "ftp://azts.example.net", "https://", "/relative", "https://u:p@azts.example.net",
		"https://azts.example.net?x=1", "https://azts.example.net#f", "://", "http://127.0.0.1.example.net", "http://localhost.example.net"} {
		if _, err := New(Config{BaseURL: base, Scope: "s", Service: "AzTS"}); err == nil {
			t.Errorf("New accepted %q", base)
		}
	}
	for _, base := range []string{"https://azts.example.net/", "http://127.0.0.1:8081", "http://[::1]:80", "http://localhost:1"} {
		if _, err := New(Config{BaseURL: base, Scope: "s", Service: "AzTS"}); err != nil {
			t.Errorf("New refused %q: %v", base, err)
		}
	}
	if _, err := New(Config{BaseURL: "https://azts.example.net", Service: "AzTS"}); err == nil {
		t.Error("New accepted no scope")
	}
}

func TestRedirectNeverCarriesTheTokenAway(t *testing.T) {
	foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("foreign host was called with %q", r.Header.Get("Authorization"))
	}))
	defer foreign.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		f := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, foreign.URL, status) })
		_, err := f.get(Repeatable)
		want(t, err, apperr.BadGateway, "redirect_refused")
		if f.count() != 1 {
			t.Errorf("%d: %d calls", status, f.count())
		}
	}
}

func TestRepeatableCallIsTriedThreeTimesWithGrowingPauses(t *testing.T) {
	for _, status := range []int{429, 502, 503, 504} {
		f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if _, err := f.get(Repeatable); err == nil || f.count() != MaxTries {
			t.Errorf("%d: %d calls, err %v", status, f.count(), err)
		}
		if len(f.waits) != 2 || f.waits[0] != firstBackoff || f.waits[1] != 2*firstBackoff {
			t.Errorf("%d: waits %v", status, f.waits)
		}
	}
	for _, status := range []int{400, 403, 404, 500, 501} {
		f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if _, err := f.get(Repeatable); err == nil || f.count() != 1 {
			t.Errorf("%d: %d calls, err %v", status, f.count(), err)
		}
	}
	f := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n < 3 {
			w.WriteHeader(503)
		}
	})
	if _, err := f.get(Repeatable); err != nil {
		t.Errorf("third try: %v", err)
	}
}

func TestCallWithEffectIsNotSentAgainWhenItMayHaveArrived(t *testing.T) {
	cases := map[string]struct {
		answer  func(w http.ResponseWriter)
		calls   int
		reached bool
	}{
		"throttled":   {func(w http.ResponseWriter) { w.WriteHeader(429) }, 3, false},
		"refused":     {func(w http.ResponseWriter) { w.WriteHeader(403) }, 1, false},
		"gateway":     {func(w http.ResponseWriter) { w.WriteHeader(502) }, 1, true},
		"unavailable": {func(w http.ResponseWriter) { w.WriteHeader(503) }, 1, true},
		"failed":      {func(w http.ResponseWriter) { w.WriteHeader(500) }, 1, true},
		"cut off":     {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 1, true},
		"truncated": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "[")
		}, 1, true},
	}
	for name, c := range cases {
		f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { c.answer(w) })
		_, err := f.get(Once)
		if err == nil || f.count() != c.calls || MayHaveReached(err) != c.reached {
			t.Errorf("%s: %d calls, reached %v, err %v", name, f.count(), MayHaveReached(err), err)
		}
	}
	f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	res, err := f.get(Once)
	if err != nil {
		t.Fatal(err)
	}
	err = res.JSON(new(any))
	if want(t, err, apperr.BadGateway, "answer_malformed"); !MayHaveReached(err) {
		t.Error("an unreadable answer counts as reached")
	}
}

func TestUnreachableServiceIsTriedAgainEvenForCallsWithEffect(t *testing.T) {
	dials := 0
	f := serve(t, nil, func(c *Config) {
		c.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			dials++
			return nil, errors.New("no route")
		}}
	})
	_, err := f.get(Once)
	if want(t, err, apperr.Unavailable, "unreachable"); dials != MaxTries || MayHaveReached(err) {
		t.Errorf("%d dials, reached %v", dials, MayHaveReached(err))
	}
}

func TestRetryAfter(t *testing.T) {
	cases := []struct {
		header string
		waits  int
		told   time.Duration
	}{
		{"2", 2, 2 * time.Second},
		{testNow.Add(3 * time.Second).Format(http.TimeFormat), 2, 3 * time.Second},
		{"600", 0, 10 * time.Minute},
		{"99999999", 0, 24 * time.Hour},
		{"-5", 2, 0},
		{"soon", 2, 0},
		{testNow.Add(-time.Hour).Format(http.TimeFormat), 2, 0},
	}
	for _, c := range cases {
		f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", c.header)
			w.WriteHeader(429)
		})
		_, err := f.get(Once)
		want(t, err, apperr.TooMany, "throttled")
		if RetryAfter(err) != c.told || len(f.waits) != c.waits {
			t.Errorf("%q: told %v, waits %v", c.header, RetryAfter(err), f.waits)
		}
		for _, w := range f.waits {
			if w < c.told {
				t.Errorf("%q: came back after %v", c.header, w)
			}
		}
	}
}

func TestCallDoesNotWaitPastItsDeadline(t *testing.T) {
	f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(503)
	}, func(c *Config) { c.Now = time.Now })
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := f.Do(ctx, f.tokens, Request{Method: "GET", Path: "/x", Repeat: Repeatable})
	if want(t, err, apperr.Unavailable, "unavailable"); len(f.waits) != 0 || f.count() != 1 {
		t.Errorf("waits %v, calls %d", f.waits, f.count())
	}
}

func TestSilentServiceEndsInTimeout(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	f := serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-release
	}, func(c *Config) { c.Timeout = 30 * time.Millisecond })
	_, err := f.get(Repeatable)
	if want(t, err, apperr.Timeout, "timeout"); f.count() != MaxTries || !MayHaveReached(err) {
		t.Errorf("calls %d, reached %v", f.count(), MayHaveReached(err))
	}
}

func TestCancelledContextComesBackAsItself(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { cancel(); w.WriteHeader(503) })
	_, err := f.Do(ctx, f.tokens, Request{Method: "GET", Path: "/x", Repeat: Repeatable})
	if !errors.Is(err, context.Canceled) || f.count() != 1 {
		t.Errorf("err %v, calls %d", err, f.count())
	}
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	f := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-0" {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(401)
		}
	})
	if _, err := f.get(Once); err != nil || f.count() != 2 || len(f.tokens.invalidated) != 1 {
		t.Errorf("calls %d, invalidated %v, err %v", f.count(), f.tokens.invalidated, err)
	}
	f = serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
	_, err := f.get(Repeatable)
	if want(t, err, apperr.Forbidden, "token_refused"); f.count() != 2 {
		t.Errorf("%d calls", f.count())
	}
}

func TestRefusalStandsWhenThereIsNoOtherToken(t *testing.T) {
	f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
	f.tokens.only = true
	_, err := f.get(Repeatable)
	if want(t, err, apperr.Forbidden, "token_refused"); f.count() != 1 {
		t.Errorf("a refused token was sent %d times", f.count())
	}
}

func TestErrorOfTheTokenSourcePassesUnchanged(t *testing.T) {
	f := serve(t, nil)
	f.tokens.err = errors.New("sign in again")
	if _, err := f.get(Repeatable); err != f.tokens.err || f.count() != 0 {
		t.Errorf("err %v, calls %d", err, f.count())
	}
}

func TestAnswerLargerThanTheLimitIsRefused(t *testing.T) {
	limit := func(c *Config) { c.MaxBody = 1000 }
	f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", 1001)) }, limit)
	_, err := f.get(Repeatable)
	if want(t, err, apperr.BadGateway, "answer_too_large"); f.count() != 1 {
		t.Errorf("%d calls", f.count())
	}
	// A few bytes that unpack to many.
	f = serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, strings.Repeat("0", 1<<20))
		z.Close()
	}, limit)
	_, err = f.get(Repeatable)
	want(t, err, apperr.BadGateway, "answer_too_large")
	f = serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", 1000)) }, limit)
	if _, err := f.get(Repeatable); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

func TestRefusalIsReadInEveryShape(t *testing.T) {
	cases := []struct{ body, code, message string }{
		{`{"error":{"code":"AuthorizationFailed","message":"no"}}`, "AuthorizationFailed", "no"},
		{`{"message":"bad id"}`, "", "bad id"},
		{`{"Message":"bad id"}`, "", "bad id"},
		{`{"error":"invalid_request","error_description":"what"}`, "invalid_request", "what"},
		{`{"title":"Bad","detail":"because"}`, "", "because"},
		{`{"message":7,"code":"X"}`, "X", ""},
		{`null`, "", ""},
		{`<b>down</b>`, "", "<b>down</b>"},
		{strings.Repeat("é", 2000), "", strings.Repeat("é", 512)},
	}
	for _, c := range cases {
		f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Ms-Request-Id", "r-1")
			w.WriteHeader(400)
			fmt.Fprint(w, c.body)
		})
		_, err := f.get(Repeatable)
		want(t, err, apperr.BadGateway, "request_refused")
		var call *CallError
		if !errors.As(err, &call) || call.Code != c.code || call.Message != c.message || call.RequestID != "r-1" {
			t.Errorf("%.40s: %+v", c.body, call)
		}
	}
}

func TestWordsForPersonsHoldNothingOfTheService(t *testing.T) {
	f := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(map[int]int{1: 400, 2: 401, 3: 401, 4: 403, 5: 404, 6: 500, 7: 418}[n])
		fmt.Fprint(w, `{"error":{"code":"hunter2","message":"hunter2"}}`)
	})
	for range 6 {
		_, err := f.get(Once)
		e := apperr.From(err)
		if strings.Contains(e.Message+e.Next+e.Code, "hunter2") || e.Message == "" {
			t.Errorf("words: %+v", e)
		}
		if !strings.Contains(e.Error(), "hunter2") || strings.Contains(e.Error(), "token-") {
			t.Errorf("log: %v", e)
		}
	}
}

func TestExplainGivesTheMeaningOfTheAPI(t *testing.T) {
	f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, func(c *Config) {
		c.Explain = func(call *CallError) *apperr.Error {
			if call.Status == 404 {
				return apperr.New(apperr.Unavailable, "feature_off", "Off.")
			}
			return nil
		}
	})
	_, err := f.get(Repeatable)
	want(t, err, apperr.Unavailable, "feature_off")
	var call *CallError
	if !errors.As(err, &call) || call.Status != 404 {
		t.Errorf("cause %v", err)
	}
}
