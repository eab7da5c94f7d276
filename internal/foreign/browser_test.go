package foreign

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// cookies are a browser's: Secure ones live on http://localhost too, and a post
// from another site brings the SameSite=None ones alone.
type cookies struct {
	jar *cookiejar.Jar

	mu   sync.Mutex
	none map[string]bool // names set with SameSite=None
}

func newCookies(t *testing.T) *cookies {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &cookies{jar: jar, none: make(map[string]bool)}
}

func trusted(u *url.URL) *url.URL {
	out := *u
	out.Scheme = "https"
	return &out
}

func (c *cookies) keep(resp *http.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cookie := range resp.Cookies() {
		c.none[cookie.Name] = cookie.SameSite == http.SameSiteNoneMode
	}
	c.jar.SetCookies(trusted(resp.Request.URL), resp.Cookies())
}

func (c *cookies) addTo(req *http.Request, crossSite bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cookie := range c.jar.Cookies(trusted(req.URL)) {
		if !crossSite || req.Method == http.MethodGet || c.none[cookie.Name] {
			req.AddCookie(cookie)
		}
	}
}

// browser shows one page at a time, as a person's browser with scripts off.
type browser struct {
	t       *testing.T
	client  *http.Client
	cookies *cookies
	// page
	url    *url.URL
	status int
	header http.Header
	body   []byte
	doc    *goquery.Document
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	return &browser{t: t, cookies: newCookies(t), client: &http.Client{Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// elsewhere returns another browser that has this one's cookies for one origin
// only.
func (b *browser) elsewhere(origin string) *browser {
	b.t.Helper()
	other := newBrowser(b.t)
	u, err := url.Parse(origin)
	if err != nil {
		b.t.Fatal(err)
	}
	other.cookies.jar.SetCookies(trusted(u), b.cookies.jar.Cookies(trusted(u)))
	return other
}

// ask makes one request, without following where it leads. Several may run at
// once.
func (b *browser) ask(method, address string, form url.Values, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	crossSite := b.url != nil && b.url.Hostname() != req.URL.Hostname()
	req.Header.Set("Accept", accept)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	switch {
	case crossSite:
		req.Header.Set("Sec-Fetch-Site", "cross-site")
	case b.url == nil:
		req.Header.Set("Sec-Fetch-Site", "none")
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	b.cookies.addTo(req, crossSite)
	resp, err := b.client.Do(req)
	if err == nil {
		b.cookies.keep(resp)
	}
	return resp, err
}

// send is ask, for requests that must not fail.
func (b *browser) send(method, address string, form url.Values, accept string) *http.Response {
	b.t.Helper()
	resp, err := b.ask(method, address, form, accept)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp
}

// visit makes a request and follows it to the page where it comes to rest.
func (b *browser) visit(method, address string, form url.Values) {
	b.t.Helper()
	for range 20 {
		resp := b.send(method, address, form, "text/html")
		if location, err := resp.Location(); err == nil && resp.StatusCode >= 300 && resp.StatusCode < 400 {
			_ = resp.Body.Close()
			method, address, form = http.MethodGet, location.String(), nil
			continue
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
		_ = resp.Body.Close()
		if err != nil {
			b.t.Fatal(err)
		}
		doc, err := goquery.NewDocumentFromReader(bytes.NewReader(body))
		if err != nil {
			b.t.Fatal(err)
		}
		b.url, b.status, b.header, b.body, b.doc = resp.Request.URL, resp.StatusCode, resp.Header, body, doc
		return
	}
	b.t.Fatalf("%s: 20 redirects, and no end", address)
}

func (b *browser) open(address string) {
	b.t.Helper()
	b.url = nil // typed, or a bookmark: no page sent us
	b.visit(http.MethodGet, address, nil)
}

func (b *browser) has(selector string) bool { return b.doc.Find(selector).Length() > 0 }

// submit posts the form that the selector names, with its hidden fields and the
// values given.
func (b *browser) submit(selector string, values map[string]string) {
	b.t.Helper()
	form := b.doc.Find(selector).First()
	action, ok := form.Attr("action")
	if !ok {
		b.t.Fatalf("%s has no form %q (status %d):\n%.2000s", b.url, selector, b.status, b.body)
	}
	target, err := b.url.Parse(action)
	if err != nil {
		b.t.Fatal(err)
	}
	data := url.Values{}
	form.Find("input[type=hidden], input[type=checkbox][checked]").Each(func(_ int, input *goquery.Selection) {
		data.Set(input.AttrOr("name", ""), input.AttrOr("value", ""))
	})
	for name, value := range values {
		data.Set(name, value)
	}
	b.visit(http.MethodPost, target.String(), data)
}

const (
	loginForm   = "form:has(input[name=login])"
	consentForm = "form:has(input[name=prompt][value=consent])"
	answerForm  = `form[action$="/auth/callback"]`
	logoutForm  = `form[id="op.logoutForm"]`
	ourLogout   = `form[action="/auth/logout"]`
)

// passProvider does what the provider's pages ask for, until a page of another
// origin is there. person is typed where a name is wanted.
func (b *browser) passProvider(w *world, person string) {
	b.t.Helper()
	for range 8 {
		switch {
		case b.has(loginForm):
			b.submit(loginForm, map[string]string{"login": person, "password": "any"})
		case b.has(consentForm):
			b.submit(consentForm, nil)
		case b.has(answerForm):
			b.submit(answerForm, nil)
		default:
			if !strings.HasPrefix(b.url.String(), w.portal+"/") {
				b.t.Fatalf("stuck at %s (status %d):\n%.2000s", b.url, b.status, b.body)
			}
			return
		}
	}
	b.t.Fatalf("the provider's pages do not end; now at %s", b.url)
}

// signIn signs a person in and leaves the browser at the account page.
func (b *browser) signIn(w *world, person string) {
	b.t.Helper()
	b.open(w.portal + "/account")
	b.passProvider(w, person)
	if b.status != http.StatusOK || b.url.Path != "/account" {
		b.t.Fatalf("after signing in: %s, status %d:\n%s", b.url, b.status, b.text())
	}
}

// text returns what a person reads on the page.
func (b *browser) text() string { return strings.Join(strings.Fields(b.doc.Find("main").Text()), " ") }

// fact returns the value that the page shows beside a name.
func (b *browser) fact(name string) string {
	value := ""
	b.doc.Find("dt").Each(func(_ int, dt *goquery.Selection) {
		if strings.TrimSpace(dt.Text()) == name {
			value = strings.TrimSpace(dt.NextFiltered("dd").Text())
		}
	})
	return value
}

// signedIn asks the portal whether this browser has a session.
func (b *browser) signedIn(w *world) bool {
	b.t.Helper()
	resp := b.send(http.MethodGet, w.portal+"/account", nil, "text/html")
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// awaitEvent reads the live stream that is open until the event comes.
func awaitEvent(t *testing.T, stream io.ReadCloser, event string) {
	t.Helper()
	limit := time.AfterFunc(patience, func() { _ = stream.Close() })
	defer limit.Stop()
	var read strings.Builder
	for buf := make([]byte, 512); ; {
		n, err := stream.Read(buf)
		read.Write(buf[:n])
		if strings.Contains(read.String(), "event: "+event+"\n") {
			return
		}
		if err != nil {
			t.Fatalf("no %q on the live stream: %v; it said %q", event, err, read.String())
		}
	}
}
