package sandbox_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

const labOrigin = "https://lab.invalid"

// newLab is a sandbox without a listener, and somebody's browser in it.
func newLab(t *testing.T) *browser {
	t.Helper()
	c := &clock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	box, err := sandbox.New(sandbox.Options{Origin: labOrigin, PortalURL: portalURL, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	b := (&tenantWorld{Sandbox: box, t: t, url: labOrigin, clock: c}).browser()
	b.client.Transport = box.Transport()
	return b
}

func (b *browser) labToken(form url.Values) tokenAnswer {
	b.t.Helper()
	response, err := b.client.PostForm(labOrigin+"/"+sandbox.TenantID+"/oauth2/v2.0/token", form)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.readToken(response)
}

func TestASignInNeedsNoListener(t *testing.T) {
	b := newLab(t)
	done := b.signIn(sandbox.DanaID)
	if done.mode != "form_post" || done.answer.Get("code") == "" {
		t.Fatalf("by %s: %v", done.mode, done.answer)
	}
	origin, err := url.Parse(labOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.client.Jar.Cookies(origin)) != 1 {
		t.Errorf("cookies %v", b.client.Jar.Cookies(origin))
	}
	tokens := b.labToken(url.Values{"client_id": {sandbox.PortalClientID}, "client_secret": {sandbox.PortalClientSecret}, "grant_type": {"authorization_code"},
		"code": {done.answer.Get("code")}, "redirect_uri": {portalURL + "/auth/callback"}, "code_verifier": {verifier}})
	if tokens.status != 200 || tokens.header.Get("Date") != "Sat, 21 Nov 2026 09:00:00 GMT" {
		t.Fatalf("%d %v %s", tokens.status, tokens.header, tokens.raw)
	}
	if answer := b.labToken(onBehalf(tokens.str("access_token"))); answer.status != 200 {
		t.Errorf("%s", answer.raw)
	}
	if again := b.authorize(); again.answer.Get("code") == "" { // the Secure cookie came back
		t.Errorf("the second sign-in is not silent: %q", again.heading())
	}
	if settings := b.Settings(); !strings.HasPrefix(settings.Issuer, labOrigin+"/") {
		t.Errorf("issuer %s", settings.Issuer)
	}
}

func TestNothingElseIsReachedThroughTheSandbox(t *testing.T) {
	b := newLab(t)
	for _, target := range []string{"http://lab.invalid/sandbox", "https://lab.invalid:8443/sandbox", "https://login.example.net/", portalURL + "/"} {
		if response, err := b.client.Get(target); err == nil {
			_ = response.Body.Close()
			t.Errorf("%s answers %d", target, response.StatusCode)
		}
	}
}

func TestABrokenHandlerBreaksItsAnswerOnly(t *testing.T) {
	b := newLab(t)
	b.Handle("GET /broken", func(http.ResponseWriter, *http.Request) { panic("broken") })
	if response, err := b.client.Get(labOrigin + "/broken"); err == nil {
		_ = response.Body.Close()
		t.Errorf("it answers %d", response.StatusCode)
	}
	b.get("/sandbox").on("Sandbox")
}

func TestARequestThatIsGivenUpEnds(t *testing.T) {
	b := newLab(t)
	b.Faults().Set("token.timeout", "", 1)
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	body := &signal{Reader: strings.NewReader("grant_type=x"), read: begun}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, labOrigin+"/"+sandbox.TenantID+"/oauth2/v2.0/token", body)
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the request
		<-begun
		cancel()
	}()
	if _, err := b.client.Do(request); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if !body.closed {
		t.Error("the body was not closed")
	}
}

// signal tells when it is read for the first time.
type signal struct {
	io.Reader
	read   chan struct{}
	once   bool
	closed bool
}

func (s *signal) Read(p []byte) (int, error) {
	if !s.once {
		s.once = true
		close(s.read)
	}
	return s.Reader.Read(p)
}

func (s *signal) Close() error { s.closed = true; return nil }

func TestASandboxIsSmall(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	newLab(t).signIn(sandbox.DanaID) // what all sandboxes share is made now
	before := heap()
	var labs [4]*browser
	for i := range labs {
		labs[i] = newLab(t)
		labs[i].signIn(sandbox.DanaID)
	}
	each := (int64(heap()) - int64(before)) / int64(len(labs)) >> 10
	runtime.KeepAlive(&labs)
	t.Logf("a sandbox takes %d KB", each)
	if each > 1<<10 {
		t.Errorf("a sandbox takes %d KB", each)
	}
}
