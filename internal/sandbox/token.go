package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// tokenRequest is a token request whose client has proved itself.
type tokenRequest struct {
	version int
	at      authority
	form    url.Values
	app     *application
	proof   string // appidacr: "0" public, "1" secret, "2" assertion
}

// tokenResponse is a token response before the dialect of v1 or v2 is put on
// it (entra.md §4.1).
type tokenResponse struct {
	accessToken  string
	scope        string // as v2 names it
	scopeV1      string // bare permissions
	lifetime     time.Duration
	refreshToken string
	idToken      string
	resource     string // v1
	clientInfo   string
	family       bool // the refresh token is good for all clients of Microsoft's family
}

// serveToken is the token endpoint.
func (t *tenant) serveToken(version int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			t.writeError(w, r, t.fail(900561))
			return
		}
		if t.spoilToken(w, r) {
			return
		}
		request, failed := t.checkTokenRequest(w, r, version)
		if failed == nil {
			var response *tokenResponse
			handler, known := grantHandlers[request.form.Get("grant_type")]
			switch {
			case request.form.Get("grant_type") == "":
				failed = t.fail(900144, "grant_type")
			case !known:
				failed = t.fail(70003, request.form.Get("grant_type"))
			default:
				response, failed = handler(t, request)
			}
			if failed == nil {
				t.writeToken(w, version, response)
				return
			}
		}
		t.writeError(w, r, failed)
	}
}

// spoilToken does what those token faults demand that need no request to be
// read. It says whether it has answered.
func (t *tenant) spoilToken(w http.ResponseWriter, r *http.Request) bool {
	if _, on := t.s.faults.take("token.timeout"); on {
		// A server notices that its caller has gone only when the body is read.
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxFormBytes))
		t.dawdle(r, "", time.Minute)
		http.Error(w, "The service did not answer in time.", http.StatusGatewayTimeout)
		return true
	}
	if _, on := t.s.faults.take("token.500_html"); on {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("<!DOCTYPE html><title>Server error</title><h1>500 - Internal server error.</h1>"))
		return true
	}
	if value, on := t.s.faults.take("token.429_text"); on {
		if _, err := strconv.Atoi(value); err != nil {
			value = "60"
		}
		w.Header().Set("Retry-After", value)
		http.Error(w, "Too Many Requests", http.StatusTooManyRequests)
		return true
	}
	if value, on := t.s.faults.take("token.error"); on {
		t.writeError(w, r, t.failNamed(value, 70000))
		return true
	}
	return false
}

// checkTokenRequest reads a token request and has the client prove itself.
func (t *tenant) checkTokenRequest(w http.ResponseWriter, r *http.Request, version int) (*tokenRequest, *protocolError) {
	at, known := authorityOf(r.PathValue("tenant"))
	if !known {
		return nil, t.fail(90002, r.PathValue("tenant"))
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		return nil, t.fail(900144, "grant_type") // nothing that could be read
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		return nil, t.fail(9002313)
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, t.fail(90023, "the parameter '"+name+"' stands there twice")
		}
	}
	request := &tokenRequest{version: version, at: at, form: r.PostForm}
	return request, t.proveClient(request, r)
}

// proveClient authenticates the client: by the Authorization header, by
// client_secret or by client_assertion (entra.md §4).
func (t *tenant) proveClient(request *tokenRequest, r *http.Request) *protocolError {
	clientID, secret := request.form.Get("client_id"), request.form.Get("client_secret")
	if name, password, ok := r.BasicAuth(); ok {
		// Both halves are form-encoded before they are joined (RFC 6749 §2.3.1).
		id, errID := url.QueryUnescape(name)
		value, errValue := url.QueryUnescape(password)
		if errID != nil || errValue != nil || secret != "" || clientID != "" && clientID != id {
			return t.fail(9002313)
		}
		clientID, secret = id, value
	}
	if clientID == "" {
		return t.fail(900144, "client_id")
	}
	request.app = t.app(clientID)
	if request.app == nil {
		return t.fail(700016, clientID)
	}
	if request.app.disabled {
		return t.fail(7000112, clientID)
	}
	if request.at.multi() && !request.app.multiTenant {
		return t.fail(50194, clientID)
	}
	assertion := request.form.Get("client_assertion")
	switch {
	case request.app.public:
		request.proof = "0"
		if secret != "" || assertion != "" {
			return t.fail(700025)
		}
		return nil
	case assertion != "":
		request.proof = "2"
		return t.checkAssertion(request, assertion)
	case secret != "":
		request.proof = "1"
		return t.checkSecret(request.app, secret)
	}
	return t.fail(7000218)
}

func (t *tenant) checkSecret(app *application, sent string) *protocolError {
	for _, known := range app.secrets {
		if subtle.ConstantTimeCompare([]byte(known.value), []byte(sent)) != 1 {
			continue
		}
		if !known.expires.IsZero() && t.s.now().After(known.expires) {
			return t.fail(7000222)
		}
		return nil
	}
	return t.fail(7000215)
}

// writeToken sends a token response, in the dialect of v1 (numbers are strings)
// or v2.
func (t *tenant) writeToken(w http.ResponseWriter, version int, response *tokenResponse) {
	seconds := int(response.lifetime / time.Second)
	document := map[string]any{"token_type": "Bearer", "access_token": response.accessToken}
	_, asStrings := t.s.faults.take("token.string_numbers")
	if version == 1 || asStrings {
		document["expires_in"], document["ext_expires_in"] = strconv.Itoa(seconds), strconv.Itoa(seconds)
	} else {
		document["expires_in"], document["ext_expires_in"] = seconds, seconds
	}
	if version == 1 {
		now := t.s.now()
		document["expires_on"] = strconv.FormatInt(now.Add(response.lifetime).Unix(), 10)
		document["not_before"] = strconv.FormatInt(now.Unix(), 10)
		document["resource"] = response.resource
	}
	scope := response.scope
	if version == 1 {
		scope = response.scopeV1
	}
	for name, value := range map[string]string{"scope": scope, "id_token": response.idToken,
		"refresh_token": response.refreshToken, "client_info": response.clientInfo} {
		if value != "" {
			document[name] = value
		}
	}
	if response.family && response.refreshToken != "" && version == 2 {
		document["foci"] = "1"
	}
	if _, on := t.s.faults.take("token.no_refresh_token"); on {
		delete(document, "refresh_token")
	}
	w.Header().Set("x-ms-request-id", newGUID())
	if _, on := t.s.faults.take("token.truncated"); on {
		body, _ := json.Marshal(document) // strings and numbers only
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store, no-cache")
		_, _ = w.Write(body[:len(body)/2])
		return
	}
	writeJSON(w, http.StatusOK, document)
}

// bearer returns the access token of a request; empty if there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
