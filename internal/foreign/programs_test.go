package foreign

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	clientID  = "azts-portal"
	aztsScope = "api://azts/user_impersonation"
	patience  = 30 * time.Second // for a process to do what it was asked for
)

var portalBinary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv("PORTAL_TEST_FOREIGN") == "" {
			fmt.Println("the foreign provider is tested with PORTAL_TEST_FOREIGN=1")
			return 0
		}
		dir, err := os.MkdirTemp("", "foreign-")
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer os.RemoveAll(dir)
		portalBinary = filepath.Join(dir, "portal")
		build := exec.Command("go", "build", "-race", "-o", portalBinary, "../../web")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Printf("go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// setup is one pairing of provider and portal.
type setup struct {
	responseType  string // PORTAL_RESPONSE_TYPE
	authMethod    string // of the client at the token endpoint
	accessSeconds int    // how long access tokens last
}

func (s setup) String() string {
	return strings.ReplaceAll(s.responseType, " ", "+") + "/" + s.authMethod
}

// world is a provider and a portal that are running until the test ends.
type world struct {
	portal string // base URL
	*provider
}

func start(t *testing.T, s setup) *world {
	t.Helper()
	// The provider must know the portal's address and the portal the
	// provider's, so one is chosen before.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w := &world{portal: "http://localhost:" + port}
	secret := rand.Text() + rand.Text()
	w.provider = startProvider(t, s, w.portal, secret)
	startPortal(t, s, w.portal, w.issuer, secret)
	return w
}

// provider is the running provider and what it told.
type provider struct {
	issuer string

	mu      sync.Mutex
	counts  map[string]int
	trouble []string
	changed chan struct{} // closed at the next event
}

func startProvider(t *testing.T, s setup, portal, secret string) *provider {
	t.Helper()
	p := &provider{counts: make(map[string]int), changed: make(chan struct{})}
	cmd := exec.Command("node", "provider.mjs")
	cmd.Env = append(os.Environ(), "CLIENT_ID="+clientID, "CLIENT_SECRET="+secret, "PORTAL_URL="+portal,
		"RESPONSE_TYPES=code id_token,code,id_token", "AUTH_METHOD="+s.authMethod, fmt.Sprintf("ACCESS_SECONDS=%d", s.accessSeconds))
	stdin, err := cmd.StdinPipe() // its end ends the provider, even when this process is killed
	if err != nil {
		t.Fatal(err)
	}
	run(t, cmd, func() error { return stdin.Close() }, func(line []byte) {
		var told struct{ Event, Issuer, Error string }
		if err := json.Unmarshal(line, &told); err != nil {
			return // a warning of the library
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if told.Event == "listening" {
			p.issuer = told.Issuer
		}
		if told.Error != "" {
			p.trouble = append(p.trouble, told.Event+": "+told.Error)
		}
		p.counts[told.Event]++
		close(p.changed)
		p.changed = make(chan struct{})
	})
	p.await(t, "listening", 1)
	awaitOK(t, p.issuer+"/.well-known/openid-configuration")
	return p
}

// count returns how often an event happened so far.
func (p *provider) count(event string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[event]
}

// await waits until an event happened n times.
func (p *provider) await(t *testing.T, event string, n int) {
	t.Helper()
	limit := time.After(patience)
	for {
		p.mu.Lock()
		happened, changed, trouble := p.counts[event], p.changed, strings.Join(p.trouble, "\n")
		p.mu.Unlock()
		if happened >= n {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("the provider told %q %d times, want %d; its errors: %s", event, happened, n, trouble)
		}
	}
}

func startPortal(t *testing.T, s setup, portal, issuer, secret string) {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	cmd := exec.Command(portalBinary)
	// Nothing but what an operator sets: what the portal needs beyond it would
	// be missing in a container as well.
	cmd.Env = []string{"PORTAL_ADDR=" + strings.TrimPrefix(portal, "http://"), "PORTAL_ISSUER=" + issuer,
		"PORTAL_CLIENT_ID=" + clientID, "PORTAL_CLIENT_SECRET=" + secret, "PORTAL_RESPONSE_TYPE=" + s.responseType,
		"PORTAL_AZTS_URL=http://127.0.0.1:9", "PORTAL_AZTS_SCOPE=" + aztsScope,
		"PORTAL_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "portal.db"),
		"PORTAL_SECRET_KEY=" + base64.StdEncoding.EncodeToString(key)}
	run(t, cmd, func() error { return cmd.Process.Signal(os.Interrupt) }, func([]byte) {})
	awaitOK(t, portal+"/readyz")
}

// run starts a program and hands out the lines of its standard output. At the
// test's end stop asks it to end; it must do so, without an error.
func run(t *testing.T, cmd *exec.Cmd, stop func() error, line func([]byte)) {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			line(lines.Bytes())
		}
		_, _ = io.Copy(io.Discard, stdout) // after a line that was too long
		ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("%s: %v", filepath.Base(cmd.Path), err)
		}
		select {
		case err = <-ended:
		case <-time.After(patience):
			err = fmt.Errorf("did not end: %v", cmd.Process.Kill())
			<-ended
		}
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(cmd.Path), err)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), stderr.Bytes())
		}
	})
}

// awaitOK asks an address until it answers 200.
func awaitOK(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for last := error(nil); ; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("%s", resp.Status)
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", address, last)
		}
	}
}
