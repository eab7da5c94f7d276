package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/store/storetest"
)

// asProgram makes the test binary be the portal, for tests that have to kill it.
const asProgram = "PORTAL_TEST_AS_PROGRAM"

// beforeProgram is what such a portal does first.
var beforeProgram = func() {}

func TestMain(m *testing.M) {
	if isOpener(os.Args[1:]) {
		main() // as the portal starts itself
		return
	}
	if os.Getenv(asProgram) != "" {
		// The program must not outlive a test that was killed itself.
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
		beforeProgram()
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

// killable is a portal in a process of its own, always with the same database,
// key and port, at a tenant that the test holds.
type killable struct {
	t       *testing.T
	tenant  *tenantServer
	env     []string
	db      string     // its URL
	portal  *portalRun // for browsers: its address
	process *exec.Cmd
	prepare func(*exec.Cmd) // before it is started; may be nil
	copied  func() string   // the URL of a copy of the database, where the test cannot open it itself; else nil
}

// freeAddress returns an address for a portal that has to keep it over restarts.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)
}

func newKillable(t *testing.T, databaseURL string, o sandbox.Options) *killable {
	t.Helper()
	address := freeAddress(t)
	server := httptest.NewUnstartedServer(nil)
	tenant := &tenantServer{url: "http://" + server.Listener.Addr().String(), hits: map[string]int{}}
	o.Origin, o.PortalURL = tenant.url, "http://"+address
	var err error
	if tenant.Sandbox, err = sandbox.New(o); err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = tenant
	server.Start()
	t.Cleanup(server.Close)
	key := make([]byte, 32)
	rand.Read(key)
	k := &killable{t: t, tenant: tenant, db: databaseURL, portal: &portalRun{t: t, url: o.PortalURL, log: &logBuffer{}}}
	k.env = []string{asProgram + "=1", "PORTAL_ADDR=" + address, "PORTAL_ISSUER=" + tenant.url + "/" + sandbox.TenantID + "/v2.0",
		"PORTAL_CLIENT_ID=" + sandbox.PortalClientID, "PORTAL_CLIENT_SECRET=" + sandbox.PortalClientSecret,
		"PORTAL_AZTS_URL=" + tenant.url + "/azts", "PORTAL_AZTS_SCOPE=" + sandbox.AzTSAppIDURI + "/user_impersonation",
		"PORTAL_ARM_URL=" + tenant.url + "/arm", "PORTAL_DATABASE_URL=" + databaseURL,
		"PORTAL_SECRET_KEY=" + base64.StdEncoding.EncodeToString(key)}
	t.Cleanup(k.clear)
	return k
}

func (k *killable) clear() {
	if k.process != nil {
		k.kill()
	}
	if k.t.Failed() {
		text := k.portal.log.String()
		k.t.Logf("log of the portals at %s:\n%s", k.portal.url, text[max(0, len(text)-maxShown):])
	}
}

// replica returns another portal on the same database, not started yet.
func (k *killable) replica() *killable {
	k.t.Helper()
	address := freeAddress(k.t)
	other := &killable{t: k.t, tenant: k.tenant, db: k.db, portal: &portalRun{t: k.t, url: "http://" + address, log: &logBuffer{}}}
	other.env = append(slices.Clone(k.env), "PORTAL_ADDR="+address) // of two the last counts
	k.t.Cleanup(other.clear)
	return other
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
	if k.prepare != nil {
		k.prepare(k.process)
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

// onEach runs a test on each kind of database, at the same time.
func onEach(t *testing.T, test func(t *testing.T, databaseURL string)) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			test(t, kind.New(t))
		})
	}
}

// wantCompleted waits for the end of a scan of two subscriptions and says what
// it must have been.
func (k *killable) wantCompleted(b *browser, scan string) {
	k.t.Helper()
	p := k.await(b, scan, "its end", func(p *page) bool { return p.sel("#scan[data-running]").Length() == 0 })
	if n := p.sel(`#scan td:contains("Completed")`).Length(); n != 2 {
		k.t.Errorf("%d of 2 subscriptions are completed: %s", n, p.text("#scan"))
	}
	if n := k.tenant.count(requestPath); n != 1 {
		k.t.Errorf("AzTS was asked %d times to scan", n)
	}
}

// TestKillDuringScan kills the portal while a scan runs. The next one finds the
// session and follows the scan to its end, though nobody asks it to.
func TestKillDuringScan(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, databaseURL string) {
		k := newKillable(t, databaseURL, sandbox.Options{ScanDuration: 3 * time.Second, ResultsPerSubscription: 20})
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
		k.wantCompleted(b, scan.url.String())
	})
}

// TestKillWhileEnding kills the portal when it has seen the results of a scan
// and has not stored that it ended.
func TestKillWhileEnding(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, databaseURL string) {
		k := newKillable(t, databaseURL, sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: 20})
		k.start()
		b := k.portal.browser()
		b.signIn(dana)
		scan := startScan(b, "Contoso Prod", "Payments – Staging")
		seen, killed := make(chan struct{}), make(chan struct{})
		var release func()
		var calls atomic.Int32
		k.tenant.answerWith(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/ControlScanResult") {
				return false
			}
			last := calls.Add(1) == 2 // of two subscriptions, in one look or in two
			if last {
				release = storetest.HoldWrites(t, databaseURL) // that it has ended cannot be stored
			}
			k.answer(w, r)
			if last {
				close(seen)
				<-killed
			}
			return true
		})
		select {
		case <-seen:
		case <-time.After(killLimit):
			t.Fatal("nobody asks for results")
		}
		k.kill()
		close(killed)
		k.tenant.answerWith(nil)
		release()
		k.powerCut(2 * time.Minute)
		k.start()
		k.wantCompleted(b, scan.url.String())
	})
}

// answer answers at once with what the sandbox says, all of it.
func (k *killable) answer(w http.ResponseWriter, r *http.Request) {
	said := httptest.NewRecorder()
	k.tenant.Sandbox.ServeHTTP(said, r)
	if said.Code != http.StatusOK {
		k.t.Errorf("AzTS answers %d: %s", said.Code, said.Body)
	}
	w.Header().Set("Content-Type", said.Header().Get("Content-Type"))
	w.Header().Set("Content-Length", strconv.Itoa(said.Body.Len()))
	if _, err := w.Write(said.Body.Bytes()); err == nil {
		_ = http.NewResponseController(w).Flush() // the portal may be gone
	}
}

// moment is where a request for a scan is when the portal is killed.
type moment string

const (
	notTaken  moment = "AzTS never got it"
	taken     moment = "AzTS took it"
	notStored moment = "AzTS answered and nothing is stored"
)

// TestKillDuringRequest kills the portal when it has asked AzTS to scan and has
// not stored the answer. Whether AzTS took the request is found out afterwards;
// it is never sent again, since that would use up the person's quota.
func TestKillDuringRequest(t *testing.T) {
	t.Parallel()
	for _, when := range []moment{notTaken, taken, notStored} {
		t.Run(string(when), func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, databaseURL string) {
				k := newKillable(t, databaseURL, sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: 20})
				k.start()
				b := k.portal.browser()
				b.signIn(dana)
				k.killInRequest(b, when)
				k.powerCut(2 * time.Minute)
				k.start()
				link := b.get("/scans").want(http.StatusOK, "Scans").one(`#recent-scans tbody a`).AttrOr("href", "")
				if when != notTaken {
					k.wantCompleted(b, link)
					return
				}
				k.await(b, link, "a word on the lost answer", func(p *page) bool {
					return strings.Contains(p.text("#scan table"), "its answer was lost")
				})
				if n := k.tenant.count(requestPath); n != 1 {
					t.Errorf("AzTS was asked %d times to scan", n)
				}
			})
		})
	}
}

// killInRequest starts a scan and kills the portal at that moment of the request.
func (k *killable) killInRequest(b *browser, when moment) {
	k.t.Helper()
	asked, killed := make(chan struct{}), make(chan struct{})
	release := func() {}
	k.tenant.answerWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != requestPath {
			return false
		}
		switch when {
		case taken:
			k.answer(httptest.NewRecorder(), r) // the portal never gets it
		case notStored:
			release = storetest.HoldWrites(k.t, k.db)
			k.answer(w, r)
		}
		close(asked)
		<-killed
		return true
	})
	choice := b.get("/scans/new").want(http.StatusOK, "New scan")
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
	release()
	k.tenant.answerWith(nil)
}

// powerCut lets what is stored be that much older, as if the machine had been
// off for so long: the portal waits a minute before it believes that whoever
// made a request is gone, and as long for a job that was being done.
func (k *killable) powerCut(length time.Duration) {
	k.t.Helper()
	seconds := int(length.Seconds())
	attempted := fmt.Sprintf("attempted_at - interval '%d seconds'", seconds)
	if strings.HasPrefix(k.db, "sqlite:") {
		attempted = fmt.Sprintf("strftime('%%Y-%%m-%%d %%H:%%M:%%f', attempted_at, '-%d seconds')", seconds)
	}
	storetest.Exec(k.t, k.db,
		fmt.Sprintf("UPDATE scans SET requested_at = requested_at - %[1]d, changed_at = changed_at - %[1]d", length.Microseconds()),
		"UPDATE scan_parts SET since = since - "+strconv.FormatInt(length.Microseconds(), 10)+" WHERE since > 0",
		"UPDATE river_job SET attempted_at = "+attempted+" WHERE attempted_at IS NOT NULL",
		"DELETE FROM river_leader")
}
