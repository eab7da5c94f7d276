package handlers

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"azts.internal/portal/internal/reqlog"
)

func prefixes(t *testing.T, list ...string) (out []netip.Prefix) {
	t.Helper()
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestClientAddress(t *testing.T) {
	proxies := prefixes(t, "10.0.0.0/8", "fd00::/8")
	for name, tt := range map[string]struct {
		remote    string
		forwarded []string
		trusted   []netip.Prefix
		want      string
	}{
		"the connection's":             {"198.51.100.7:1234", nil, nil, "198.51.100.7"},
		"IPv6":                         {"[2001:db8::1]:1234", nil, nil, "2001:db8::1"},
		"IPv4 in IPv6":                 {"[::ffff:198.51.100.7]:1234", nil, nil, "198.51.100.7"},
		"without a port":               {"198.51.100.7", nil, nil, "198.51.100.7"},
		"a socket's":                   {"@", nil, nil, ""},
		"by a proxy":                   {"10.0.0.1:1", []string{"198.51.100.7"}, proxies, "198.51.100.7"},
		"by an IPv6 proxy":             {"[fd00::1]:1", []string{"2001:db8::1"}, proxies, "2001:db8::1"},
		"by a proxy seen through IPv6": {"[::ffff:10.0.0.1]:1", []string{"198.51.100.7"}, proxies, "198.51.100.7"},
		"by two proxies":               {"10.0.0.1:1", []string{"198.51.100.7, 10.0.0.2"}, proxies, "198.51.100.7"},
		"by two headers":               {"10.0.0.1:1", []string{"198.51.100.7", "10.0.0.2"}, proxies, "198.51.100.7"},
		"with a port (Azure Application Gateway)": {"10.0.0.1:1", []string{"198.51.100.7:50123"}, proxies, "198.51.100.7"},
		"IPv6 with a port":                        {"10.0.0.1:1", []string{"[2001:db8::1]:50123"}, proxies, "2001:db8::1"},
		"the proxy itself":                        {"10.0.0.1:1", nil, proxies, "10.0.0.1"},
		"a client in the proxies' network":        {"10.0.0.1:1", []string{"10.0.0.9"}, proxies, "10.0.0.9"},
		"attack: no proxy":                        {"198.51.100.7:1", []string{"10.0.0.1"}, proxies, "198.51.100.7"},
		"attack: nobody is trusted":               {"10.0.0.1:1", []string{"198.51.100.7"}, nil, "10.0.0.1"},
		"attack: an address in front":             {"10.0.0.1:1", []string{"203.0.113.1, 198.51.100.7"}, proxies, "198.51.100.7"},
		"attack: a header in front":               {"10.0.0.1:1", []string{"203.0.113.1", "198.51.100.7"}, proxies, "198.51.100.7"},
		"attack: a proxy's address in front":      {"10.0.0.1:1", []string{"10.0.0.5, 198.51.100.7"}, proxies, "198.51.100.7"},
		"attack: garbage in front":                {"10.0.0.1:1", []string{"<script>, 198.51.100.7"}, proxies, "198.51.100.7"},
		"garbage alone":                           {"10.0.0.1:1", []string{"unknown"}, proxies, "10.0.0.1"},
		"garbage before a proxy":                  {"10.0.0.1:1", []string{"_hidden, 10.0.0.2"}, proxies, "10.0.0.2"},
		"empty":                                   {"10.0.0.1:1", []string{""}, proxies, "10.0.0.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.remote
		for _, value := range tt.forwarded {
			r.Header.Add("X-Forwarded-For", value)
		}
		want := netip.Addr{}
		if tt.want != "" {
			want = netip.MustParseAddr(tt.want)
		}
		if got := clientAddr(r, tt.trusted); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// get asks a server that runs h and returns the answer with its body.
func get(t *testing.T, h http.Handler, path string) (*http.Response, string, error) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	resp, err := server.Client().Get(server.URL + path)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func TestPanicBecomesAPageWithAReference(t *testing.T) {
	f, log := newFrame(t)
	h := f.outer(nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret-of-the-panic") }))
	resp, body, err := get(t, h, "/scans")
	if err != nil || resp.StatusCode != http.StatusInternalServerError || !strings.Contains(resp.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("%v, %v", resp, err)
	}
	lines := log.lines(t, "panic")
	if len(lines) != 1 || lines[0]["value"] != "secret-of-the-panic" || lines[0]["ref"] == "" {
		t.Fatalf("log %v", lines)
	}
	if ref := lines[0]["ref"].(string); !strings.Contains(body, ref) {
		t.Errorf("the page does not show the reference %s", ref)
	}
	for _, hidden := range []string{"secret-of-the-panic", "goroutine", ".go:"} {
		if strings.Contains(body, hidden) {
			t.Errorf("the page shows %q", hidden)
		}
	}
	if requests := log.lines(t, "request"); len(requests) != 1 || requests[0]["status"] != float64(500) {
		t.Errorf("access log %v", requests)
	}
}

// A file that ends early must not look whole.
func TestAnAnswerThatCannotBeFinishedIsBrokenOff(t *testing.T) {
	for name, value := range map[string]any{"on purpose": http.ErrAbortHandler, "by a defect": "a defect"} {
		t.Run(name, func(t *testing.T) {
			f, log := newFrame(t)
			h := f.outer(nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "half\n")
				_ = http.NewResponseController(w).Flush()
				panic(value)
			}))
			if _, body, err := get(t, h, "/export.csv"); !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(body, "<html") {
				t.Errorf("read %q, %v; want an unexpected end", body, err)
			}
			if requests := log.lines(t, "request"); len(requests) != 1 {
				t.Errorf("access log %v", requests)
			}
		})
	}
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	f, _ := newFrame(t)
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, tls := range []bool{false, true} {
		f.overTLS = tls
		w := httptest.NewRecorder()
		f.outer(nil, ok).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		policy := w.Header().Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("policy %q lacks %s", policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("policy %q", policy)
		}
		if got := w.Header().Get("Strict-Transport-Security") != ""; got != tls {
			t.Errorf("TLS %v: Strict-Transport-Security %v", tls, got)
		}
	}
}

func TestAccessLog(t *testing.T) {
	for path, want := range map[string]bool{"/scans": true, "/scans/xyz": true, "/authz": true, "/healthz": false, "/readyz": false, "/static/css/portal.css": false} {
		f, log := newFrame(t)
		r := httptest.NewRequest(http.MethodGet, path+"?login_hint=ann@contoso.example", nil)
		r.RemoteAddr = "198.51.100.7:1"
		f.outer(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(reqlog.ID(r.Context())) != 12 {
				t.Errorf("reference %q", reqlog.ID(r.Context()))
			}
			_, _ = io.WriteString(w, "12345")
		})).ServeHTTP(httptest.NewRecorder(), r)
		lines := log.lines(t, "request")
		if (len(lines) == 1) != want {
			t.Errorf("%s: %d lines", path, len(lines))
		}
		for _, line := range lines {
			if line["status"] != float64(200) || line["bytes"] != float64(5) || line["client"] != "198.51.100.7" || line["path"] != path {
				t.Errorf("line %v", line)
			}
		}
		if strings.Contains(log.b.String(), "ann@") {
			t.Error("the query is logged")
		}
	}
}

func TestAttackCrossSiteForm(t *testing.T) {
	f, _ := newFrame(t)
	for _, tt := range []struct {
		method, path, site, origin string
		want                       int
	}{
		{http.MethodPost, "/scans", "cross-site", "https://evil.example", http.StatusForbidden},
		{http.MethodPost, "/scans", "same-site", "http://other.localhost", http.StatusForbidden},
		{http.MethodPost, "/scans", "", "https://evil.example", http.StatusForbidden},
		{http.MethodPost, "/auth/logout", "cross-site", "https://evil.example", http.StatusForbidden},
		{http.MethodPost, "/auth/callback/x", "cross-site", "https://evil.example", http.StatusForbidden},
		{http.MethodPost, "/auth/callback", "cross-site", "https://login.example", http.StatusOK},
		{http.MethodPost, "/scans", "same-origin", "http://localhost", http.StatusOK},
		{http.MethodPost, "/auth/backchannel-logout", "", "", http.StatusOK}, // no browser
		{http.MethodGet, "/scans", "cross-site", "", http.StatusOK},
	} {
		done := false
		h := f.sameOrigin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { done = true }))
		r := httptest.NewRequest(tt.method, "http://localhost"+tt.path, nil)
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want || done != (tt.want == http.StatusOK) {
			t.Errorf("%+v: status %d, handled %v", tt, w.Code, done)
		}
	}
}

func TestBodiesAreLimited(t *testing.T) {
	f, _ := newFrame(t)
	h := limitBody(100, f.serve(func(w http.ResponseWriter, r *http.Request) error {
		if err := r.ParseForm(); err != nil {
			return formError(err)
		}
		return nil
	}))
	for name, tt := range map[string]struct {
		body io.Reader
		want int
	}{
		"small":                       {strings.NewReader("a=" + strings.Repeat("x", 98)), http.StatusOK},
		"large":                       {strings.NewReader("a=" + strings.Repeat("x", 99)), http.StatusRequestEntityTooLarge},
		"large, of a length not told": {io.MultiReader(strings.NewReader("a="), strings.NewReader(strings.Repeat("x", 99))), http.StatusRequestEntityTooLarge},
		"unreadable":                  {strings.NewReader("a=%zz"), http.StatusBadRequest},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", tt.body)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: status %d, want %d", name, w.Code, tt.want)
		}
	}
}
