package flows

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/trace"
)

// maxPages is how many pages and redirects one visit to the tenant may have.
const maxPages = 12

// landing is where the browser came to rest: at the door of an application.
type landing struct {
	at     *url.URL   // without the answer
	mode   string     // form_post, query or fragment
	answer url.Values // what the application gets
	url    string     // as the browser shows it, with query and fragment
	frames []string   // what the last page opened in frames
}

// labPage is a page of the tenant.
type labPage struct {
	form    string // where its first form goes
	id      string // of that form
	fields  url.Values
	buttons map[string][]string // name to values
	link    string              // of "continue"
	frames  []string
	text    string
}

var aadstsInPage = regexp.MustCompile(`AADSTS\d+`)

// browse opens an address in the person's browser and does what the tenant's
// pages ask for, until an application gets an answer or a page is the end of it.
func (r *labRun) browse(ctx context.Context, address string) (*landing, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return r.walk(ctx, Browser, request)
}

// walk is browse from a request on.
func (r *labRun) walk(ctx context.Context, from Party, request *http.Request) (*landing, error) {
	client := r.client(from)
	client.Jar = r.browserJar()
	for range maxPages {
		response, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		body, err := readBody(response)
		if err != nil {
			return nil, err
		}
		if location, err := response.Location(); err == nil {
			if location.Scheme+"://"+location.Host != r.box.Origin {
				return landed(location)
			}
			if request, err = http.NewRequestWithContext(saying(ctx, "The tenant leads on"), http.MethodGet, location.String(), nil); err != nil {
				return nil, err
			}
			continue
		}
		page, err := readPage(body)
		if err != nil {
			return nil, err
		}
		if page.id == "hiddenform" {
			at, err := url.Parse(page.form)
			return &landing{at: at, mode: "form_post", answer: page.fields, url: page.form}, err
		}
		name, value := r.choose(page)
		switch {
		case name != "":
		case page.link != "": // signing out leads on by a link
			target, err := response.Request.URL.Parse(page.link)
			if err != nil {
				return nil, err
			}
			rest, err := landed(target)
			if err == nil {
				rest.frames = page.frames
			}
			return rest, err
		default:
			return nil, endOfVisit(page, response.StatusCode)
		}
		page.fields.Set(name, value)
		target, err := response.Request.URL.Parse(page.form)
		if err != nil {
			return nil, err
		}
		words := cmp.Or(personDoes[value], "The person answers: "+value)
		if name == "account" {
			words = "The person picks an account"
		}
		if request, err = formRequest(saying(ctx, words), target.String(), page.fields); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("flows: the visit does not end after %d pages", maxPages)
}

// personDoes says what it is to press a button of the tenant's pages.
var personDoes = map[string]string{"accept": "The person agrees", "decline": "The person declines", "approve": "The person approves, as a second factor",
	"confirm": "The person confirms"}

// formRequest is a form that is sent.
func formRequest(ctx context.Context, address string, fields url.Values) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(fields.Encode()))
	if err == nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return request, err
}

// choose returns the button that the person presses; "" for none.
func (r *labRun) choose(page *labPage) (name, value string) {
	person := cmp.Or(r.person, r.box.Employee)
	if slices.Contains(page.buttons["account"], person.ID) {
		return "account", person.ID
	}
	actions := page.buttons["action"]
	wanted := []string{"approve", "confirm", "accept"}
	if r.declines && slices.Contains(actions, "accept") {
		wanted = []string{"decline"}
	}
	// What a page offers besides yes is the way back.
	for _, action := range append(wanted, "decline") {
		if slices.Contains(actions, action) && (action != "decline" || r.declines || !slices.Contains(actions, "other") || len(page.buttons["account"]) == 0) {
			return "action", action
		}
	}
	return "", ""
}

// endOfVisit says why a visit ended on a page of the tenant's own.
func endOfVisit(page *labPage, status int) error {
	if code := aadstsInPage.FindString(page.text); code != "" {
		text := page.text[strings.Index(page.text, code):]
		text, _, _ = strings.Cut(text, "Correlation id")
		return &Refusal{By: Tenant, Code: code, Text: strings.TrimSpace(text)}
	}
	if status >= 400 {
		return &Refusal{By: Tenant, Code: fmt.Sprint(status), Text: page.text}
	}
	return errEndOfPages
}

// errEndOfPages says that the tenant has nothing more to ask: a device's person
// is done.
var errEndOfPages = errors.New("flows: the visit ends on a page of the tenant")

func landed(location *url.URL) (*landing, error) {
	l := &landing{mode: "query", answer: location.Query(), url: location.String()}
	if location.Fragment != "" {
		values, err := url.ParseQuery(location.EscapedFragment())
		if err != nil {
			return nil, err
		}
		l.mode, l.answer = "fragment", values
	}
	l.at = &url.URL{Scheme: location.Scheme, Host: location.Host, Path: location.Path}
	return l, nil
}

// readPage reads what a person could do on a page. Pages are ours, but nothing is
// believed of them but their forms.
func readPage(body []byte) (*labPage, error) {
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	page := &labPage{fields: url.Values{}, buttons: map[string][]string{}}
	var text strings.Builder
	forms := 0
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "script" {
			text.WriteString(n.Data + " ")
		}
		if n.Type == html.ElementNode {
			switch n.Data {
			case "form":
				if forms++; forms == 1 {
					page.form, page.id = attr(n, "action"), attr(n, "id")
				}
			case "input":
				if forms == 1 && attr(n, "type") == "hidden" {
					page.fields.Set(attr(n, "name"), attr(n, "value"))
				}
			case "button":
				if name := attr(n, "name"); name != "" {
					page.buttons[name] = append(page.buttons[name], attr(n, "value"))
				}
			case "iframe":
				page.frames = append(page.frames, attr(n, "src"))
			case "a":
				if attr(n, "id") == "continue" {
					page.link = attr(n, "href")
				}
			}
		}
		for child := n.FirstChild; child != nil; child = child.NextSibling {
			walk(child)
		}
	}
	walk(root)
	page.text = strings.Join(strings.Fields(text.String()), " ")
	return page, nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// deliver is the browser bringing the answer to the portal, whose door says what
// it thinks of it. What the portal answers is a redirect, or a page that explains.
func (r *labRun) deliver(ctx context.Context, l *landing, door func() error) error {
	step, _ := stepOf(r.as(ctx, "answer"))
	step.From, step.To, step.Name = string(Browser), string(Portal), cmp.Or(step.Name, "Answer")
	x := trace.Exchange{Step: step, At: r.lab.now(), Method: http.MethodGet, URL: l.url, Status: http.StatusSeeOther,
		Header: http.Header{}, AnswerHeader: http.Header{"Location": {r.box.Portal + "/"}}}
	if l.mode == "form_post" {
		x.Method, x.Body = http.MethodPost, []byte(l.answer.Encode())
		x.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		x.Header.Set("Origin", r.box.Origin)
	}
	err := door()
	if err != nil {
		refusal := refusalOf(err)
		if refusal.By == Portal {
			x.Status, x.AnswerHeader, x.AnswerBody = http.StatusForbidden, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, []byte(refusal.Code+": "+refusal.Text)
		}
	}
	r.recorder.Add(x)
	return err
}

// visit sends the browser to the tenant and returns the answer, which has come
// through the portal's door: its state has been taken. change may alter the
// answer on its way.
func (r *labRun) visit(ctx context.Context, request entra.Authorization, params map[string]string, change func(url.Values)) (entra.Answer, entra.Pending, error) {
	var answer entra.Answer
	state, nonce, verifier, err := r.lab.visits.Begin(r.browserJar())
	if err != nil {
		return answer, entra.Pending{}, err
	}
	for kind, value := range map[trace.Kind]string{trace.State: state, trace.Nonce: nonce, trace.Verifier: verifier} {
		r.recorder.Secret(kind, value)
	}
	request.State, request.Nonce, request.Verifier = state, nonce, verifier
	pending := entra.Pending{ResponseType: request.ResponseType, Nonce: nonce, Verifier: verifier, Scopes: request.Scopes}
	provider, err := r.portal(0)
	if err != nil {
		return answer, pending, err
	}
	address, err := provider.AuthorizationURL(ctx, request)
	if err != nil {
		return answer, pending, err
	}
	if address, err = withParams(address, params); err != nil {
		return answer, pending, err
	}
	rest, err := r.browse(r.as(ctx, "authorize"), address)
	if err != nil {
		return answer, pending, err
	}
	if change != nil {
		change(rest.answer)
	}
	err = r.deliver(ctx, rest, func() error {
		if answer, err = entra.ParseAnswer(rest.answer); err != nil {
			return err
		}
		if err := r.lab.visits.Take(ctx, r.browserJar(), answer.State); err != nil {
			return err
		}
		if answer.Error.OAuthError != "" {
			return entra.ParseError(answer.Error)
		}
		return nil
	})
	return answer, pending, err
}

// withParams sets parameters of an address; an empty value takes one away.
func withParams(address string, params map[string]string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	q := u.Query()
	for name, value := range params {
		if q.Del(name); value != "" {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// fromTenant reports whether an error is what the tenant said.
func fromTenant(err error) bool {
	var e *entra.ProviderError
	return errors.As(err, &e)
}
