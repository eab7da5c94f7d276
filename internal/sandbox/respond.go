package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// codeLifetime is how long an authorization code may wait to be redeemed
// (entra.md §2.4).
const codeLifetime = 10 * time.Minute

// authorizationCode is what a code stands for.
type authorizationCode struct {
	client    *application
	redirect  string
	given     bool // redirect_uri was in the request, so it must come again
	challenge string
	method    string
	nonce     string
	asked     scopeRequest
	capable   bool
	version   int
	auth      authentication
	issued    time.Time
	used      bool
	revoked   bool // the person's sessions ended before it was redeemed
}

// respond answers a finished authorization request with what it asked for.
func (t *tenant) respond(w http.ResponseWriter, r *http.Request, request *authorizeRequest, auth authentication) {
	answer := url.Values{}
	code := ""
	if request.code {
		code = "0." + randomText(180)
		t.s.mu.Lock()
		t.codes.put(code, &authorizationCode{client: request.app, redirect: request.redirect, given: request.given,
			challenge: request.challenge, method: request.method, nonce: request.nonce, asked: request.asked,
			capable: request.demand.capable, version: request.version, auth: auth, issued: t.s.now()})
		t.s.mu.Unlock()
		answer.Set("code", code)
	}
	token := ""
	if request.token {
		response, failed := t.issueInBrowser(request, auth)
		if failed != nil {
			t.respondError(w, r, request, failed, "")
			return
		}
		token = response.accessToken
		t.addImplicit(answer, request, response)
	}
	if request.idToken {
		answer.Set("id_token", t.mintIDToken(idToken{app: request.app, auth: auth, scopes: request.asked.openID,
			nonce: request.nonce, code: code, token: token, version: request.version}))
	}
	answer.Set("session_state", auth.sid)
	if request.consent == consentForTenant {
		answer.Set("admin_consent", "True")
	}
	t.send(w, r, request, answer)
}

// respondError answers an authorization request with an error (RFC 6749
// §4.1.2.1). subCode is error_subcode: "cancel" when the person backed out.
func (t *tenant) respondError(w http.ResponseWriter, r *http.Request, request *authorizeRequest, failed *protocolError, subCode string) {
	if request.device != nil { // which only polls
		t.errorPage(w, r, failed)
		return
	}
	answer := url.Values{}
	answer.Set("error", failed.err)
	answer.Set("error_description", t.trailOf(r).description(failed))
	answer.Set("error_uri", t.errorURI(failed.code))
	if subCode != "" {
		answer.Set("error_subcode", subCode)
	}
	t.send(w, r, request, answer)
}

// send takes an answer to the application in the response mode that it chose.
func (t *tenant) send(w http.ResponseWriter, r *http.Request, request *authorizeRequest, answer url.Values) {
	if request.state != "" {
		answer.Set("state", request.state)
	}
	t.spoilAnswer(answer)
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.Header().Set("Pragma", "no-cache")
	switch request.mode {
	case "form_post":
		t.formPost(w, request.redirect, answer)
	case "fragment":
		http.Redirect(w, r, withoutFragment(request.redirect)+"#"+answer.Encode(), http.StatusFound)
	default:
		http.Redirect(w, r, withQuery(request.redirect, answer), http.StatusFound)
	}
}

// spoilAnswer does what the callback faults demand.
func (t *tenant) spoilAnswer(answer url.Values) {
	if value, on := t.s.faults.take("callback.error"); on {
		parts := strings.SplitN(value+"||", "|", 4)
		for _, name := range []string{"code", "id_token", "error_uri"} {
			answer.Del(name)
		}
		for i, name := range []string{"error", "error_description", "error_subcode"} {
			answer.Del(name)
			if parts[i] != "" {
				answer.Set(name, parts[i])
			}
		}
		if answer.Get("error") == "" {
			answer.Set("error", "server_error")
		}
	}
	if _, on := t.s.faults.take("callback.wrong_state"); on {
		answer.Set("state", randomText(43))
	}
	if _, on := t.s.faults.take("callback.no_state"); on {
		answer.Del("state")
	}
}

func withoutFragment(uri string) string {
	before, _, _ := strings.Cut(uri, "#")
	return before
}

// withQuery adds parameters to a URI that may have some already.
func withQuery(uri string, more url.Values) string {
	uri = withoutFragment(uri)
	if strings.Contains(uri, "?") {
		return uri + "&" + more.Encode()
	}
	return uri + "?" + more.Encode()
}

// originOf returns scheme and host of a URI as a source for a content security
// policy; empty if it has none.
func originOf(uri string) string {
	parsed, err := url.Parse(uri)
	if err != nil || parsed.Scheme == "" || parsed.Host == "" || strings.ContainsAny(parsed.Host, " ;,'\"") {
		return ""
	}
	return parsed.Scheme + "://" + parsed.Host
}

// formField is one hidden input of the form_post page.
type formField struct{ Name, Value string }

// formPost answers with the page of OAuth 2.0 Form Post Response Mode: a form
// that a script submits, or a person where scripts are off.
func (t *tenant) formPost(w http.ResponseWriter, action string, answer url.Values) {
	var fields []formField
	for _, name := range []string{"code", "id_token", "state", "session_state", "admin_consent", "error", "error_description", "error_uri", "error_subcode"} {
		if answer.Has(name) {
			fields = append(fields, formField{name, answer.Get(name)})
		}
	}
	t.render(w, http.StatusOK, page{name: "formpost", title: "Working...", formTarget: originOf(action), script: "formpost.js",
		data: struct {
			Action string
			Fields []formField
		}{action, fields}})
}
