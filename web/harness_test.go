package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

const (
	startLimit = 20 * time.Second // for a portal to announce itself
	stopTime   = 25 * time.Second // for a portal to stop
	maxShown   = 8_000            // bytes of a log that a failed test shows
)

// logBuffer collects what a portal writes.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// lines returns the lines that hold every one of the texts.
func (l *logBuffer) lines(texts ...string) []string {
	var found []string
next:
	for line := range strings.Lines(l.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// firstLine hands over the first line written to it, and takes the rest.
type firstLine struct {
	line chan string // capacity 1
	mu   sync.Mutex
	text []byte
	done bool
}

func (f *firstLine) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.text = append(f.text, b...); !f.done && bytes.IndexByte(f.text, '\n') >= 0 {
		f.done = true
		line, _, _ := strings.Cut(string(f.text), "\n")
		f.line <- line
	}
	return len(b), nil
}

// portalRun is the whole program, running.
type portalRun struct {
	t         testing.TB
	url       string // base URL
	announced string // the line it printed
	log       *logBuffer
	db        string // path of the SQLite file
	// stop stops the program and waits for it; a second call does nothing.
	stop func()
}

// startPortal runs the program with an environment and nothing else: on a free
// port, with a SQLite file of its own, and, where env names no issuer, with its
// own sandbox. It ends with the test.
func startPortal(t testing.TB, env map[string]string) *portalRun {
	t.Helper()
	p := &portalRun{t: t, log: &logBuffer{}, db: filepath.Join(t.TempDir(), "portal.db")}
	all := map[string]string{"PORTAL_ADDR": "localhost:0", "PORTAL_SANDBOX_ADDR": "127.0.0.1:0", "PORTAL_DATABASE_URL": "sqlite:" + p.db}
	maps.Copy(all, env)
	p.db = strings.TrimPrefix(all["PORTAL_DATABASE_URL"], "sqlite:")
	ctx, cancel := context.WithCancel(context.Background())
	out := &firstLine{line: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, nil, func(name string) string { return all[name] }, out, p.log) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the portal ended with %v", err)
			}
		case <-time.After(stopTime):
			t.Errorf("the portal does not stop")
		}
	})
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			text := p.log.String()
			t.Logf("log of %s:\n%s", p.url, text[max(0, len(text)-maxShown):])
		}
	})
	select {
	case p.announced = <-out.line:
	case err := <-ended:
		ended <- nil
		t.Fatalf("the portal did not start: %v", err)
	case <-time.After(startLimit):
		t.Fatal("the portal does not announce itself")
	}
	p.url, _, _ = strings.Cut(strings.TrimPrefix(p.announced, "Portal: "), " ")
	return p
}

// listens returns the address that the program really listens at, which is not
// its base URL where that is given.
func (p *portalRun) listens() string {
	p.t.Helper()
	for _, line := range p.log.lines("msg=listening") {
		_, address, _ := strings.Cut(line, "address=")
		return "http://localhost:" + clean(address[strings.LastIndexByte(address, ':')+1:])
	}
	p.t.Fatal("the log does not say where the portal listens")
	return ""
}

// rows counts the rows of a table in the portal's database.
func (p *portalRun) rows(table string) int {
	p.t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: p.db, RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}).String())
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

func (p *portalRun) sessions() int {
	p.t.Helper()
	return p.rows("sessions")
}

// databaseBytes returns everything that the database has on disk.
func (p *portalRun) databaseBytes() []byte {
	p.t.Helper()
	var all []byte
	for _, suffix := range []string{"", "-wal", "-shm"} {
		b, err := os.ReadFile(p.db + suffix)
		if err != nil && !os.IsNotExist(err) {
			p.t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// tenantServer is a sandbox on a listener of its own, with an ear at the door.
type tenantServer struct {
	*sandbox.Sandbox
	url string

	mu    sync.Mutex
	hits  map[string]int
	hook  func(http.ResponseWriter, *http.Request) bool
	heard bytes.Buffer // what went to and from the token endpoint
}

const (
	keysPath     = "/" + sandbox.TenantID + "/discovery/v2.0/keys"
	tokenPath    = "/" + sandbox.TenantID + "/oauth2/v2.0/token"
	metadataPath = "/" + sandbox.TenantID + "/v2.0/.well-known/openid-configuration"
)

func (s *tenantServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.hits[r.URL.Path]++
	hook := s.hook
	s.mu.Unlock()
	if hook != nil && hook(w, r) {
		return
	}
	if r.URL.Path == tokenPath {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return // the caller left
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.hear(body)
		w = listener{w, s}
	}
	s.Sandbox.ServeHTTP(w, r)
}

func (s *tenantServer) hear(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard.Write(b)
	s.heard.WriteByte('\n')
}

type listener struct {
	http.ResponseWriter
	s *tenantServer
}

func (l listener) Write(b []byte) (int, error) {
	l.s.hear(b)
	return l.ResponseWriter.Write(b)
}

// count returns how often a path was asked for.
func (s *tenantServer) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits[path]
}

// answerWith puts a handler before the sandbox; it returns whether it answered.
func (s *tenantServer) answerWith(hook func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

// tokenTraffic returns what was sent to the token endpoint and came from it.
func (s *tenantServer) tokenTraffic() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard.String()
}

// world is a portal and the tenant it signs people in at, as two programs.
type world struct {
	*portalRun
	tenant *tenantServer
	env    map[string]string // what the portal was started with
}

// setup says how a world differs from the usual one.
type setup struct {
	env     map[string]string // "" takes a variable away
	sandbox sandbox.Options   // Origin and PortalURL are filled in
	before  func(*tenantServer)
	start   func(testing.TB, map[string]string) *portalRun // nil: startPortal
}

// startWorld starts a portal that signs people in at a sandbox which the test
// holds: as with a real tenant, it knows it by its configuration alone.
func startWorld(t testing.TB, s setup) *world {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	tenant := &tenantServer{url: "http://" + server.Listener.Addr().String(), hits: map[string]int{}}
	t.Cleanup(server.Close) // after the portal has stopped
	key := make([]byte, 32)
	rand.Read(key)
	env := map[string]string{
		"PORTAL_ISSUER":    tenant.url + "/" + sandbox.TenantID + "/v2.0",
		"PORTAL_CLIENT_ID": sandbox.PortalClientID, "PORTAL_CLIENT_SECRET": sandbox.PortalClientSecret,
		"PORTAL_AZTS_URL": tenant.url + "/azts", "PORTAL_AZTS_SCOPE": sandbox.AzTSAppIDURI + "/user_impersonation",
		"PORTAL_GRAPH_URL": tenant.url + "/graph/v1.0", "PORTAL_ARM_URL": tenant.url + "/arm",
		"PORTAL_SECRET_KEY": base64.StdEncoding.EncodeToString(key),
	}
	for name, value := range s.env {
		if env[name] = value; value == "" {
			delete(env, name)
		}
	}
	// The tenant listens but does not answer yet: it must be told the address
	// that the portal is about to choose.
	if s.start == nil {
		s.start = startPortal
	}
	run := s.start(t, env)
	s.sandbox.Origin, s.sandbox.PortalURL = tenant.url, run.url
	var err error
	if tenant.Sandbox, err = sandbox.New(s.sandbox); err != nil {
		t.Fatal(err)
	}
	if s.before != nil {
		s.before(tenant)
	}
	server.Config.Handler = tenant
	server.Start()
	return &world{portalRun: run, tenant: tenant, env: env}
}

// in returns the world for a test within the test.
func (w *world) in(t testing.TB) *world {
	run := *w.portalRun
	run.t = t
	return &world{portalRun: &run, tenant: w.tenant, env: w.env}
}
