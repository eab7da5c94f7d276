package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// asProgram makes the test binary be the portal, for tests that have to kill it.
const asProgram = "PORTAL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		// The program must not outlive a test that was killed itself.
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
		main()
		return
	}
	os.Exit(m.Run())
}

const (
	requestPath = "/azts/adhocscan/RequestScan"
	// killLimit is for a scan to go on after a restart. A job that was being done
	// is handed on after a while only.
	killLimit = 2 * time.Minute
)

// killable is a portal in a process of its own, always with the same file, key
// and port, at a tenant that the test holds.
type killable struct {
	t       *testing.T
	tenant  *tenantServer
	env     []string
	portal  *portalRun // for browsers: its address
	process *exec.Cmd
}

func newKillable(t *testing.T, o sandbox.Options) *killable {
	t.Helper()
	// The port has to stay the same over restarts, so it is chosen here.
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	address := strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	tenant := &tenantServer{url: "http://" + server.Listener.Addr().String(), hits: map[string]int{}}
	o.Origin, o.PortalURL = tenant.url, "http://"+address
	if tenant.Sandbox, err = sandbox.New(o); err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = tenant
	server.Start()
	t.Cleanup(server.Close)
	key := make([]byte, 32)
	rand.Read(key)
	k := &killable{t: t, tenant: tenant, portal: &portalRun{t: t, url: o.PortalURL, log: &logBuffer{}, db: filepath.Join(t.TempDir(), "portal.db")}}
	k.env = []string{asProgram + "=1", "PORTAL_ADDR=" + address, "PORTAL_ISSUER=" + tenant.url + "/" + sandbox.TenantID + "/v2.0",
		"PORTAL_CLIENT_ID=" + sandbox.PortalClientID, "PORTAL_CLIENT_SECRET=" + sandbox.PortalClientSecret,
		"PORTAL_AZTS_URL=" + tenant.url + "/azts", "PORTAL_AZTS_SCOPE=" + sandbox.AzTSAppIDURI + "/user_impersonation",
		"PORTAL_ARM_URL=" + tenant.url + "/arm", "PORTAL_DATABASE_URL=sqlite:" + k.portal.db,
		"PORTAL_SECRET_KEY=" + base64.StdEncoding.EncodeToString(key)}
	t.Cleanup(func() {
		if k.process != nil {
			k.kill()
		}
		if t.Failed() {
			text := k.portal.log.String()
			t.Logf("log of the portals:\n%s", text[max(0, len(text)-maxShown):])
		}
	})
	return k
}

// start starts the portal and waits until it is announced.
func (k *killable) start() {
	k.t.Helper()
	program, err := os.Executable()
	if err != nil {
		k.t.Fatal(err)
	}
	out := &firstLine{line: make(chan string, 1)}
	k.process = exec.Command(program)
	k.process.Env, k.process.Stdout, k.process.Stderr = k.env, out, k.portal.log
	if _, err := k.process.StdinPipe(); err != nil { // Wait closes it
		k.t.Fatal(err)
	}
	if err := k.process.Start(); err != nil {
		k.t.Fatal(err)
	}
	select {
	case <-out.line:
	case <-time.After(startLimit):
		k.t.Fatal("the portal does not announce itself")
	}
}

// kill ends the portal as a power cut would: nothing of it runs any more.
func (k *killable) kill() {
	k.t.Helper()
	if err := k.process.Process.Kill(); err != nil {
		k.t.Fatal(err)
	}
	_ = k.process.Wait() // killed is what it says
	k.process = nil
}

// await looks at a scan's page after each of its events until it says what is
// waited for.
func (k *killable) await(b *browser, scan, what string, said func(*page) bool) *page {
	k.t.Helper()
	for events := b.events(); ; b.await(events, "scan", killLimit) {
		p := b.get(scan).want(http.StatusOK, "Scan of 2 subscriptions")
		if said(p) {
			return p
		}
		k.t.Logf("not %s yet: %s", what, p.text("#scan table tbody"))
	}
}

// TestKillDuringScan kills the portal while a scan runs. The next one finds the
// session and follows the scan to its end, though nobody asks it to.
func TestKillDuringScan(t *testing.T) {
	t.Parallel()
	k := newKillable(t, sandbox.Options{ScanDuration: 3 * time.Second, ResultsPerSubscription: 20})
	k.start()
	b := k.portal.browser()
	b.signIn(dana)
	scan := startScan(b, "Contoso Prod", "Payments – Staging")
	if scan.sel("#scan[data-running]").Length() != 1 {
		t.Fatalf("the scan does not run: %s", scan.text("#scan"))
	}
	k.kill()
	k.start()

	b.get("/account").want(http.StatusOK, "Account") // the session lives on
	p := k.await(b, scan.url.String(), "its end", func(p *page) bool { return p.sel("#scan[data-running]").Length() == 0 })
	if n := p.sel(`#scan td:contains("Completed")`).Length(); n != 2 {
		t.Errorf("%d of 2 subscriptions are completed: %s", n, p.text("#scan"))
	}
	if n := k.tenant.count(requestPath); n != 1 {
		t.Errorf("AzTS was asked %d times to scan", n)
	}
}

// TestKillDuringRequest kills the portal when it has asked AzTS to scan and does
// not know the answer yet. Whether AzTS took the request is found out
// afterwards; it is never sent again, since that would use up the person's quota.
func TestKillDuringRequest(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]bool{"AzTS took it": true, "AzTS never got it": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKillable(t, sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: 20})
			k.start()
			b := k.portal.browser()
			b.signIn(dana)
			k.killInRequest(b, taken)
			k.powerCut(2 * time.Minute)
			k.start()

			link := b.get("/scans").want(http.StatusOK, "Scans").one(`#recent-scans tbody a`).AttrOr("href", "")
			if taken {
				p := k.await(b, link, "its end", func(p *page) bool { return p.sel("#scan[data-running]").Length() == 0 })
				p.has("#scan .strip", "Completed")
			} else {
				k.await(b, link, "a word on the lost answer", func(p *page) bool {
					return strings.Contains(p.text("#scan table"), "its answer was lost")
				})
			}
			if n := k.tenant.count(requestPath); n != 1 {
				t.Errorf("AzTS was asked %d times to scan", n)
			}
		})
	}
}

// killInRequest starts a scan and kills the portal while AzTS is at work on the
// request, or before that, if AzTS is not to take it.
func (k *killable) killInRequest(b *browser, taken bool) {
	k.t.Helper()
	asked, killed := make(chan struct{}), make(chan struct{})
	k.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != requestPath {
			return false
		}
		if taken {
			answer := httptest.NewRecorder() // which the portal never gets
			k.tenant.Sandbox.ServeHTTP(answer, r)
			if answer.Code != http.StatusOK {
				k.t.Errorf("AzTS answers %d: %s", answer.Code, answer.Body)
			}
		}
		close(asked)
		<-killed
		return true
	})
	choice := b.get("/scans").want(http.StatusOK, "Scans")
	form := url.Values{"idempotency_key": {choice.one(`form.scan-form button[name=idempotency_key]`).AttrOr("value", "")}}
	for _, id := range choice.sel("table.choose tbody tr:has(.name:contains('Contoso Prod')) input, table.choose tbody tr:has(.name:contains('Payments – Staging')) input").EachIter() {
		form.Add("subscription", id.AttrOr("value", ""))
	}
	if n := len(form["subscription"]); n != 2 {
		k.t.Fatalf("chose %d subscriptions", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, k.portal.url+"/scans", strings.NewReader(form.Encode()))
	if err != nil {
		k.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	request.AddCookie(&http.Cookie{Name: sessionCookie, Value: b.cookie(sessionCookie)})
	posted := make(chan error, 1)
	go func() {
		response, err := b.client.Do(request)
		if err == nil {
			err = response.Body.Close()
			k.t.Errorf("the portal answers %s before it is killed", response.Status)
		}
		posted <- err
	}()
	select {
	case <-asked:
	case <-time.After(startLimit):
		k.t.Fatal("the portal does not ask AzTS")
	}
	k.kill()
	close(killed)
	<-posted
	k.tenant.answerWith(nil)
}

// powerCut lets a scan's request be that much older, as if the machine had been
// off for so long: the portal waits a minute before it believes that whoever
// made a request is gone.
func (k *killable) powerCut(length time.Duration) {
	k.t.Helper()
	db, err := sql.Open("sqlite", "file:"+k.portal.db+"?_pragma=busy_timeout(5000)")
	if err != nil {
		k.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE scans SET requested_at = requested_at - ?", length.Microseconds()); err != nil {
		k.t.Fatal(err)
	}
}
