package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
)

const (
	sessionCookie = "__Host-session"
	maxHops       = 12
	visitLimit    = 40 * time.Second
)

// jar keeps cookies as a browser does where it matters here: by host and not by
// port, with SameSite, and with the rules of the prefix __Host-. Plain http to
// this machine counts as secure.
type jar struct{ cookies []stored }

type stored struct {
	host string
	http.Cookie
}

// keep takes the cookies of an answer. A frame of another site cannot set what
// it would not be sent.
func (j *jar) keep(at *url.URL, set []*http.Cookie, foreignFrame bool) {
	for _, c := range set {
		one := stored{at.Hostname(), *c}
		if one.Path == "" {
			one.Path = "/"
		}
		if strings.HasPrefix(c.Name, "__Host-") && (!c.Secure || one.Path != "/" || c.Domain != "") ||
			c.SameSite == http.SameSiteNoneMode && !c.Secure || foreignFrame && c.SameSite != http.SameSiteNoneMode {
			continue
		}
		j.cookies = slices.DeleteFunc(j.cookies, func(old stored) bool {
			return old.host == one.host && old.Name == one.Name && old.Path == one.Path
		})
		if c.MaxAge >= 0 && (c.Expires.IsZero() || c.Expires.After(time.Now())) {
			j.cookies = append(j.cookies, one)
		}
	}
}

// fitting returns the cookies of a request. A cookie without SameSite counts as
// Lax: from another site it comes along only when the person goes there by GET.
func (j *jar) fitting(to *url.URL, crossSite bool, navigation bool) []*http.Cookie {
	var out []*http.Cookie
	for i := range j.cookies {
		c := &j.cookies[i]
		path := strings.TrimSuffix(c.Path, "/")
		if c.host != to.Hostname() || to.Path != c.Path && !strings.HasPrefix(to.Path, path+"/") {
			continue
		}
		if crossSite && c.SameSite != http.SameSiteNoneMode && (!navigation || c.SameSite == http.SameSiteStrictMode) {
			continue
		}
		out = append(out, &http.Cookie{Name: c.Name, Value: c.Value})
	}
	return out
}

// browser is a person's browser: it keeps cookies, follows
// redirects, and sends what a browser says about where a request comes from.
type browser struct {
	t      testing.TB
	portal *portalRun
	client *http.Client
	jar    *jar
	seen   func(*page) // told of every answer; nil: nobody is
}

func (p *portalRun) browser() *browser {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	p.t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: p.t, portal: p, jar: &jar{}, client: &http.Client{Transport: transport, Timeout: visitLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// visit is a request as something in a browser causes it.
type visit struct {
	method string      // GET where it is empty, POST where a form is
	to     string      // a path of the portal, or an address
	form   url.Values  // to be posted
	body   string      // instead of form, with its own Content-Type
	header http.Header // goes over what the browser says by itself
	from   *url.URL    // the page that causes it; nil: the person typed the address
	frame  bool        // it fills an iframe
	script bool        // a script fetches it
}

func sameSite(a, b *url.URL) bool { return a.Hostname() == b.Hostname() }

// send makes one request and follows nothing.
func (b *browser) send(v visit) *page {
	b.t.Helper()
	return b.rest(b.do(context.Background(), v))
}

func (b *browser) do(ctx context.Context, v visit) (*http.Response, visit) {
	b.t.Helper()
	to := b.address(v.to)
	method, body := v.method, v.body
	if method == "" {
		method = http.MethodGet
		if v.form != nil {
			method = http.MethodPost
		}
	}
	if v.form != nil {
		body = v.form.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, to.String(), strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if v.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	cross := v.from != nil && !sameSite(v.from, to)
	site, mode, dest := "none", "navigate", "document"
	switch {
	case cross:
		site = "cross-site"
	case v.from != nil && v.from.Host == to.Host:
		site = "same-origin"
	case v.from != nil:
		site = "same-site"
	}
	if v.frame {
		dest = "iframe"
	}
	if v.script {
		mode, dest = "cors", "empty"
	}
	req.Header.Set("Sec-Fetch-Site", site)
	req.Header.Set("Sec-Fetch-Mode", mode)
	req.Header.Set("Sec-Fetch-Dest", dest)
	req.Header.Set("Accept", "text/html")
	if method != http.MethodGet && v.from != nil {
		req.Header.Set("Origin", v.from.Scheme+"://"+v.from.Host)
	}
	for name, values := range v.header {
		if req.Header[name] = values; len(values) == 0 {
			delete(req.Header, name)
		}
	}
	for _, c := range b.jar.fitting(to, cross, method == http.MethodGet && !v.frame && !v.script) {
		req.AddCookie(c)
	}
	response, err := b.client.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, to, err)
	}
	b.jar.keep(to, response.Cookies(), cross && (v.frame || v.script))
	return response, v
}

func (b *browser) address(to string) *url.URL {
	b.t.Helper()
	if strings.HasPrefix(to, "/") {
		to = b.portal.url + to
	}
	u, err := url.Parse(to)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// rest reads the page that a request led to.
func (b *browser) rest(response *http.Response, v visit) *page {
	b.t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	p := &page{t: b.t, url: response.Request.URL, status: response.StatusCode, header: response.Header, body: string(body)}
	if strings.HasPrefix(p.header.Get("Content-Type"), "text/html") {
		if p.doc, err = goquery.NewDocumentFromReader(strings.NewReader(p.body)); err != nil {
			b.t.Fatal(err)
		}
	}
	if b.seen != nil {
		b.seen(p)
	}
	return p
}

// open makes a request and follows its redirects to a page.
func (b *browser) open(v visit) *page {
	b.t.Helper()
	for range maxHops {
		p := b.send(v)
		location, err := url.Parse(p.header.Get("Location"))
		if err != nil || p.status/100 != 3 || p.header.Get("Location") == "" {
			return p
		}
		// The one who caused the first request is held to have caused the rest.
		v = visit{to: p.url.ResolveReference(location).String(), from: v.from, frame: v.frame}
	}
	b.t.Fatalf("more than %d redirects, the last to %s", maxHops, v.to)
	return nil
}

// get opens an address as a person does who types it or follows a bookmark.
func (b *browser) get(to string) *page {
	b.t.Helper()
	return b.open(visit{to: to})
}

// post sends a form from a page of the portal.
func (b *browser) post(to string, form url.Values) *page {
	b.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return b.open(visit{to: to, form: form, from: b.address("/")})
}

// submit presses a button on a page, or sends a form as its script does, with
// the hidden fields and whatever was filled in.
func (b *browser) submit(p *page, button string, filled url.Values) *page {
	b.t.Helper()
	pressed := p.one(button)
	form := pressed.Closest("form")
	fields := url.Values{}
	form.Find("input[type=hidden], input[type=checkbox][checked]").Each(func(_ int, in *goquery.Selection) {
		fields.Add(in.AttrOr("name", ""), in.AttrOr("value", ""))
	})
	if name, ok := pressed.Attr("name"); ok && pressed.Is("button") {
		fields.Set(name, pressed.AttrOr("value", ""))
	}
	for name, values := range filled {
		fields[name] = values
	}
	action, err := p.url.Parse(form.AttrOr("action", p.url.String()))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.open(visit{to: action.String(), form: fields, from: p.url})
}

// frames loads the hidden frames of a page and returns how many there were.
func (b *browser) frames(p *page) int {
	b.t.Helper()
	frames := p.sel("iframe")
	frames.Each(func(_ int, f *goquery.Selection) {
		b.open(visit{to: f.AttrOr("src", ""), from: p.url, frame: true})
	})
	return frames.Length()
}

// cookie returns the value of a cookie of the portal's, "" for none.
func (b *browser) cookie(name string) string {
	for _, c := range b.jar.cookies {
		if c.host == b.address("/").Hostname() && c.Name == name {
			return c.Value
		}
	}
	return ""
}

// setCookie plants a cookie, as somebody could who had the browser once.
func (b *browser) setCookie(name, value string) {
	b.jar.keep(b.address("/"), []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true, SameSite: http.SameSiteLaxMode}}, false)
}

// toAnswer walks through the tenant's pages with an account, to the page that
// is about to post the answer, or to where the tenant will not go on.
func (b *browser) toAnswer(p *page, account string) *page {
	b.t.Helper()
	for range maxHops {
		switch p.heading() {
		case "Choose an account":
			var id string
			p.sel("button[name=account]").Each(func(_ int, button *goquery.Selection) {
				if clean(button.Find("span").Text()) == account {
					id = button.AttrOr("value", "")
				}
			})
			p = b.submit(p, `button[name=account][value="`+id+`"]`, nil)
		case "Permissions requested":
			p = b.submit(p, "button[value=accept]", nil)
		case "Approve the sign-in":
			p = b.submit(p, "button[value=approve]", nil)
		default:
			return p
		}
	}
	b.t.Fatalf("the sign-in never ends; now at %q", p.heading())
	return nil
}

// through walks the whole way through the tenant and back.
func (b *browser) through(p *page, account string) *page {
	b.t.Helper()
	for range maxHops {
		if p = b.toAnswer(p, account); p.heading() != "Working..." {
			return p
		}
		p = b.submit(p, "form#hiddenform", nil)
	}
	b.t.Fatal("the sign-in goes round in circles")
	return nil
}

// signIn signs a person in and returns the page they land on.
func (b *browser) signIn(account string) *page {
	b.t.Helper()
	return b.signInTo(account, "/account")
}

func (b *browser) signInTo(account, returnTo string) *page {
	b.t.Helper()
	p := b.through(b.get("/auth/login?"+url.Values{"return_to": {returnTo}}.Encode()), account)
	if p.status != http.StatusOK || p.sel("body[data-signed-in]").Length() != 1 {
		b.t.Fatalf("sign-in of %s ends at %s with status %d: %s", account, p.url, p.status, p.text("main"))
	}
	return p
}

// answer walks to the answer of a sign-in and keeps it, unsent.
func (b *browser) answer(account string) url.Values {
	b.t.Helper()
	p := b.toAnswer(b.get("/auth/login"), account)
	if p.heading() != "Working..." {
		b.t.Fatalf("no answer, but %q: %s", p.heading(), p.text("main"))
	}
	return p.fields("form#hiddenform")
}

// signOut presses the button and stays until the tenant has led back.
func (b *browser) signOut() *page {
	b.t.Helper()
	p := b.submit(b.get("/account"), `.head-act form[action="/auth/logout"] button`, nil)
	if sure := `main form[action="/auth/logout"]`; p.doc != nil && p.sel(sure+" input[name=anyway]").Length() == 1 {
		p = b.submit(p, sure+" button", nil) // scans will wait
	}
	return b.leave(p)
}

// leave loads the frames of the tenant's sign-out page and goes on from there.
func (b *browser) leave(p *page) *page {
	b.t.Helper()
	if p.heading() != "Signing you out" {
		return p
	}
	b.frames(p)
	next, err := p.url.Parse(p.one("a#continue").AttrOr("href", ""))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.open(visit{to: next.String(), from: p.url})
}

// events opens the portal's stream of events. It ends with the test.
func (b *browser) events() <-chan string {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	streaming := *b.client
	streaming.Timeout = 0 // a stream has no end
	quick := b.client
	b.client = &streaming
	response, _ := b.do(ctx, visit{to: "/events", from: b.address("/"), script: true, header: http.Header{"Accept": {"text/event-stream"}}})
	b.client = quick
	if response.StatusCode != http.StatusOK {
		b.t.Errorf("the stream answers %s", response.Status)
	}
	names := make(chan string, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(names)
		defer response.Body.Close()
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				select {
				case names <- name:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	b.t.Cleanup(func() {
		cancel()
		<-done
	})
	return names
}

// await waits for an event by name, within a time.
func (b *browser) await(events <-chan string, name string, limit time.Duration) {
	b.t.Helper()
	late := time.After(limit)
	for {
		select {
		case got, ok := <-events:
			if !ok {
				b.t.Fatalf("the stream ended without %q", name)
			}
			if got == name {
				return
			}
		case <-late:
			b.t.Fatalf("no event %q within %v", name, limit)
		}
	}
}

// in returns the browser for a test within the test; it is the same browser.
func (b *browser) in(t testing.TB) *browser {
	same := *b
	same.t = t
	return &same
}
