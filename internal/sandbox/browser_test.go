package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/sandbox"
)

const portalURL = "http://localhost:8080"

// aPKCE pair of RFC 7636 appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// signInScope is all that a first sign-in of the portal asks for.
const signInScope = "openid profile email offline_access " + sandbox.AzTSAppIDURI + "/user_impersonation"

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// tenantWorld is a sandbox on a listener, with a clock.
type tenantWorld struct {
	*sandbox.Sandbox
	t     *testing.T
	url   string
	clock *clock
	close func() // waits for the requests under way; the end of the test calls it too
}

func newTenantWorld(t *testing.T) *tenantWorld {
	t.Helper()
	c := &clock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	server := httptest.NewUnstartedServer(nil)
	box, err := sandbox.New(sandbox.Options{Origin: "http://" + server.Listener.Addr().String(), PortalURL: portalURL, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = box
	server.Start()
	t.Cleanup(server.Close)
	return &tenantWorld{Sandbox: box, t: t, url: server.URL, clock: c, close: server.Close}
}

// browser walks through the tenant's pages: it keeps cookies, follows redirects
// within the sandbox, and comes to rest on a page or at the door of an
// application.
type browser struct {
	*tenantWorld
	client *http.Client
}

func (w *tenantWorld) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), w.url+"/") || len(via) > 10 {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

// place is where a browser came to rest.
type place struct {
	t      *testing.T
	at     *url.URL
	status int
	header http.Header
	doc    *goquery.Document
	// answer is what the application gets, by whichever response mode; nil on a
	// page of the tenant.
	answer url.Values
	mode   string
}

func (b *browser) get(target string) *place {
	b.t.Helper()
	return b.rest(b.client.Get(b.absolute(target)))
}

func (b *browser) post(target string, form url.Values) *place {
	b.t.Helper()
	return b.rest(b.client.PostForm(b.absolute(target), form))
}

func (b *browser) absolute(target string) string {
	if strings.HasPrefix(target, "/") {
		return b.url + target
	}
	return target
}

func (b *browser) rest(response *http.Response, err error) *place {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	p := &place{t: b.t, at: response.Request.URL, status: response.StatusCode, header: response.Header}
	if location, err := response.Location(); err == nil {
		p.at = location
		p.mode, p.answer = "query", location.Query()
		if location.Fragment != "" {
			p.mode = "fragment"
			if p.answer, err = url.ParseQuery(location.EscapedFragment()); err != nil {
				b.t.Fatal(err)
			}
		}
		return p
	}
	if p.doc, err = goquery.NewDocumentFromReader(io.LimitReader(response.Body, 1<<20)); err != nil {
		b.t.Fatal(err)
	}
	if form := p.doc.Find("form#hiddenform"); form.Length() == 1 {
		p.mode, p.answer = "form_post", url.Values{}
		if p.at, err = url.Parse(form.AttrOr("action", "")); err != nil {
			b.t.Fatal(err)
		}
		form.Find("input").Each(func(_ int, input *goquery.Selection) {
			p.answer.Set(input.AttrOr("name", ""), input.AttrOr("value", ""))
		})
	}
	return p
}

// heading returns the page's h1.
func (p *place) heading() string {
	if p.doc == nil {
		return ""
	}
	return strings.TrimSpace(p.doc.Find("h1").Text())
}

func (p *place) text() string { return strings.Join(strings.Fields(p.doc.Text()), " ") }

// on fails the test unless the browser rests on the page with this heading.
func (p *place) on(heading string) *place {
	p.t.Helper()
	if p.heading() != heading {
		p.t.Fatalf("resting at %s (%d) with heading %q and answer %v, want the page %q", p.at, p.status, p.heading(), p.answer, heading)
	}
	return p
}

// press submits the page's form with a button; extra are boxes that are ticked.
func (b *browser) press(p *place, name, value string, extra ...string) *place {
	b.t.Helper()
	button := p.doc.Find(`button[name="` + name + `"][value="` + value + `"]`)
	if button.Length() != 1 {
		b.t.Fatalf("page %q has %d buttons %s=%s", p.heading(), button.Length(), name, value)
	}
	form := button.Closest("form")
	fields := url.Values{name: {value}}
	form.Find(`input[type="hidden"]`).Each(func(_ int, input *goquery.Selection) {
		fields.Set(input.AttrOr("name", ""), input.AttrOr("value", ""))
	})
	for i := 0; i+1 < len(extra); i += 2 {
		fields.Set(extra[i], extra[i+1])
	}
	return b.post(form.AttrOr("action", ""), fields)
}

// portalRequest is a request as the portal sends it; changes are name, value
// pairs, an empty value takes the parameter away.
func portalRequest(changes ...string) url.Values {
	query := url.Values{"client_id": {sandbox.PortalClientID}, "response_type": {"code id_token"}, "response_mode": {"form_post"},
		"redirect_uri": {portalURL + "/auth/callback"}, "scope": {signInScope}, "state": {"s-1"}, "nonce": {"n-1"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			query.Del(changes[i])
			continue
		}
		query.Set(changes[i], changes[i+1])
	}
	return query
}

// authorize sends an authorization request to the tenant.
func (b *browser) authorize(changes ...string) *place {
	b.t.Helper()
	return b.get("/" + sandbox.TenantID + "/oauth2/v2.0/authorize?" + portalRequest(changes...).Encode())
}

// signIn walks a person through every page to the answer.
func (b *browser) signIn(oid string, changes ...string) *place {
	b.t.Helper()
	p := b.authorize(changes...)
	for range 5 {
		switch {
		case p.answer != nil:
			return p
		case p.heading() == "Choose an account":
			p = b.press(p, "account", oid)
		case p.heading() == "Permissions requested":
			p = b.press(p, "action", "accept")
		case p.heading() == "Approve the sign-in":
			p = b.press(p, "action", "approve")
		default:
			b.t.Fatalf("sign-in rests at %q: %s", p.heading(), p.text())
		}
	}
	b.t.Fatal("the sign-in never ends")
	return nil
}

// tokenAnswer is a response of the token endpoint.
type tokenAnswer struct {
	status int
	header http.Header
	raw    string
	member map[string]any
}

func (a tokenAnswer) str(name string) string {
	text, _ := a.member[name].(string)
	return text
}

// token calls the token endpoint of v2.
func (w *tenantWorld) token(form url.Values) tokenAnswer {
	w.t.Helper()
	return w.tokenAt("/"+sandbox.TenantID+"/oauth2/v2.0/token", form)
}

func (w *tenantWorld) tokenAt(path string, form url.Values) tokenAnswer {
	w.t.Helper()
	response, err := http.PostForm(w.url+path, form)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.readToken(response)
}

func (w *tenantWorld) readToken(response *http.Response) tokenAnswer {
	w.t.Helper()
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		w.t.Fatal(err)
	}
	answer := tokenAnswer{status: response.StatusCode, header: response.Header, raw: string(body)}
	_ = json.Unmarshal(body, &answer.member) // some answers are no JSON: the tests look at raw then
	return answer
}

// redeem exchanges a code as the portal does.
func (w *tenantWorld) redeem(code string, changes ...string) tokenAnswer {
	w.t.Helper()
	form := url.Values{"client_id": {sandbox.PortalClientID}, "client_secret": {sandbox.PortalClientSecret},
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {portalURL + "/auth/callback"}, "code_verifier": {verifier}}
	for i := 0; i+1 < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return w.token(form)
}

// renew exchanges a refresh token as the portal does.
func (w *tenantWorld) renew(refreshToken, scope string) tokenAnswer {
	w.t.Helper()
	form := url.Values{"client_id": {sandbox.PortalClientID}, "client_secret": {sandbox.PortalClientSecret},
		"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}
	if scope != "" {
		form.Set("scope", scope)
	}
	return w.token(form)
}

// keySet fetches the published keys of v2.
func (w *tenantWorld) keySet() jose.JSONWebKeySet {
	w.t.Helper()
	var set jose.JSONWebKeySet
	w.getJSON("/"+sandbox.TenantID+"/discovery/v2.0/keys", &set)
	return set
}

func (w *tenantWorld) getJSON(path string, into any) *http.Response {
	w.t.Helper()
	response, err := http.Get(w.url + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(into); err != nil {
		w.t.Fatalf("%s: %v", path, err)
	}
	return response
}

// verify checks a token against the served JWKS and returns its claims, or why
// it is not good.
func (w *tenantWorld) verify(token string) (claims map[string]any, problem string) {
	w.t.Helper()
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, "parse: " + err.Error()
	}
	set := w.keySet()
	keys := set.Key(parsed.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		return nil, "unknown kid"
	}
	payload, err := parsed.Verify(keys[0])
	if err != nil {
		return nil, "signature: " + err.Error()
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		w.t.Fatal(err)
	}
	return claims, ""
}

// claims returns the claims of a token that must verify.
func (w *tenantWorld) claims(token string) map[string]any {
	w.t.Helper()
	claims, problem := w.verify(token)
	if problem != "" {
		w.t.Fatalf("token %.40s…: %s", token, problem)
	}
	return claims
}
