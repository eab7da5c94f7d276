package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// authorizeRequest is a checked authorization request (entra.md §2.1).
type authorizeRequest struct {
	version   int
	at        authority
	app       *application
	redirect  string // where the answer goes
	given     bool   // redirect_uri was in the request
	code      bool   // response_type holds code
	idToken   bool   // response_type holds id_token
	token     bool   // response_type holds token
	mode      string // query, fragment or form_post
	state     string
	nonce     string
	prompt    string
	loginHint string
	domain    string // domain_hint
	challenge string // as in the request; empty: no PKCE
	method    string // plain or S256
	maxAge    time.Duration
	aged      bool // max_age was in the request
	asked     scopeRequest
	demand    claimsDemand
	consent   consentKind
	adminText string      // scope of an admin consent request, to be echoed
	device    *deviceCode // set if a device asks, which polls for the answer
}

// consentKind says whose consent a request is after.
type consentKind uint8

const (
	consentForSelf   consentKind = iota
	consentForTenant             // v1 prompt=admin_consent: an ordinary answer follows
	consentOnly                  // the adminconsent endpoint: nothing but consent
)

// claimsDemand is what the claims parameter asks for (entra.md §6.2).
type claimsDemand struct {
	mfa     bool     // a second factor, by amr or by a policy
	acrs    []string // authentication contexts
	capable bool     // xms_cc cp1: the client understands claims challenges
}

// serveAuthorize is the authorization endpoint. A request that cannot be
// answered to the application ends on a page here (entra.md §2.5).
func (t *tenant) serveAuthorize(version int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			t.repeatAsGet(w, r)
			return
		}
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", "GET, POST")
			http.Error(w, "GET or POST only.", http.StatusMethodNotAllowed)
			return
		}
		query, failed := t.singleValues(r.URL.RawQuery)
		if failed != nil {
			t.errorPage(w, r, failed)
			return
		}
		request, failed := t.checkClient(version, r.PathValue("tenant"), query)
		if failed != nil {
			t.errorPage(w, r, failed)
			return
		}
		if failed := t.checkRequest(request, query); failed != nil {
			t.respondError(w, r, request, failed, "")
			return
		}
		t.begin(w, r, request)
	}
}

// repeatAsGet turns a posted request into the same one by GET: a cross-site
// post brings no Lax cookie, a navigation does, and without the cookie nobody
// is signed in.
func (t *tenant) repeatAsGet(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		t.errorPage(w, r, t.fail(9002313))
		return
	}
	http.Redirect(w, r, r.URL.Path+"?"+r.Form.Encode(), http.StatusSeeOther)
}

// maxQueryBytes bounds the query of a request.
const maxQueryBytes = 32 << 10

// singleValues parses a query in which no parameter stands twice (RFC 6749
// §3.1).
func (t *tenant) singleValues(raw string) (url.Values, *protocolError) {
	if len(raw) > maxQueryBytes {
		return nil, t.fail(90015)
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, t.fail(90023, "the query does not parse")
	}
	for name, values := range query {
		if len(values) > 1 {
			return nil, t.fail(90023, "the parameter '"+name+"' stands there twice")
		}
	}
	return query, nil
}

// checkClient finds out who asks and where the answer may go. Its errors never
// travel: until the redirect URI is proved there is nobody to tell.
func (t *tenant) checkClient(version int, segment string, query url.Values) (*authorizeRequest, *protocolError) {
	at, known := authorityOf(segment)
	if !known {
		return nil, t.fail(90002, segment)
	}
	clientID := query.Get("client_id")
	if clientID == "" {
		return nil, t.fail(900144, "client_id")
	}
	app := t.app(clientID)
	if app == nil || len(app.redirectURIs) == 0 {
		return nil, t.fail(700016, clientID)
	}
	if app.disabled {
		return nil, t.fail(7000112, clientID)
	}
	if !app.multiTenant {
		if at.multi() {
			return nil, t.fail(50194, clientID)
		}
		if at.tid != TenantID {
			return nil, t.fail(700016, clientID)
		}
	}
	request := &authorizeRequest{version: version, at: at, app: app, redirect: query.Get("redirect_uri"), state: query.Get("state")}
	request.given = request.redirect != ""
	if !request.given {
		request.redirect = app.redirectURIs[0]
	} else if !app.redirects(request.redirect) {
		return nil, t.fail(50011, request.redirect)
	}
	request.mode = "query" // until it is known better, so that errors have a way
	if strings.Contains(query.Get("response_type"), "token") {
		request.mode = "fragment"
	}
	return request, nil
}

// redirects says whether a redirect URI is registered: letter for letter,
// except that the port of localhost is ignored (entra.md §2.1).
func (a *application) redirects(uri string) bool {
	if slices.Contains(a.redirectURIs, uri) {
		return true
	}
	sent, err := url.Parse(uri)
	if err != nil || sent.Hostname() != "localhost" || sent.User != nil {
		return false
	}
	sent.Host = "localhost"
	for _, registered := range a.redirectURIs {
		known, err := url.Parse(registered)
		if err != nil || known.Hostname() != "localhost" {
			continue
		}
		known.Host = "localhost"
		if known.String() == sent.String() {
			return true
		}
	}
	return false
}

// checkRequest reads the rest of the request. Its errors go to the application.
func (t *tenant) checkRequest(request *authorizeRequest, query url.Values) *protocolError {
	if failed := t.checkResponse(request, query); failed != nil {
		return failed
	}
	if failed := t.checkPrompt(request, query); failed != nil {
		return failed
	}
	if failed := t.checkChallenge(request, query); failed != nil {
		return failed
	}
	if failed := t.checkScopes(request, query); failed != nil {
		return failed
	}
	request.nonce = query.Get("nonce")
	if request.idToken && request.nonce == "" {
		return t.fail(90014, "nonce")
	}
	demand, ok := parseClaims(query.Get("claims"))
	if !ok {
		return t.fail(90023, "the claims parameter is not JSON of the right shape")
	}
	request.demand = demand
	if text := query.Get("max_age"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 0 || seconds > 1<<30 {
			return t.fail(90023, "max_age is not a number of seconds")
		}
		request.maxAge, request.aged = time.Duration(seconds)*time.Second, true
	}
	return nil
}

func (t *tenant) checkResponse(request *authorizeRequest, query url.Values) *protocolError {
	responseType := query.Get("response_type")
	if responseType == "" {
		return t.fail(900144, "response_type")
	}
	for _, kind := range strings.Fields(responseType) {
		switch kind {
		case "code":
			request.code = true
		case "id_token":
			request.idToken = true
		case "token":
			request.token = true
		default:
			return t.fail(70005, responseType)
		}
	}
	if request.token {
		if failed := t.checkImplicit(request, responseType); failed != nil {
			return failed
		}
	}
	mode := query.Get("response_mode")
	switch mode {
	case "":
	case "query":
		if request.idToken || request.token {
			return t.fail(70007, mode) // a token has no place in a query
		}
		request.mode = mode
	case "form_post":
		if request.token {
			return t.fail(70007, mode)
		}
		request.mode = mode
	case "fragment":
		request.mode = mode
	default:
		return t.fail(70007, mode)
	}
	if request.idToken && !request.app.idTokenAllowed {
		return t.fail(700054)
	}
	return nil
}

func (t *tenant) checkPrompt(request *authorizeRequest, query url.Values) *protocolError {
	request.loginHint, request.domain = query.Get("login_hint"), query.Get("domain_hint")
	switch request.prompt = query.Get("prompt"); request.prompt {
	case "", "login", "none", "consent", "select_account":
	case "admin_consent":
		if request.version != 1 {
			return t.fail(90023, "the prompt 'admin_consent' belongs to v1")
		}
		request.consent = consentForTenant
	default:
		return t.fail(90023, "the value of 'prompt' is unknown")
	}
	return nil
}

func (t *tenant) checkChallenge(request *authorizeRequest, query url.Values) *protocolError {
	request.challenge, request.method = query.Get("code_challenge"), query.Get("code_challenge_method")
	if request.challenge == "" {
		if request.method != "" {
			return t.fail(90014, "code_challenge")
		}
		return nil
	}
	switch request.method {
	case "":
		request.method = "plain"
	case "plain", "S256":
	default:
		return t.fail(90023, "the code challenge method is unknown")
	}
	if !validVerifier(request.challenge) {
		return t.fail(50147)
	}
	return nil
}

// validVerifier checks the alphabet and the length of a code verifier, which
// are also those of a challenge (RFC 7636 §4.1).
func validVerifier(text string) bool {
	if len(text) < 43 || len(text) > 128 {
		return false
	}
	return strings.IndexFunc(text, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._~", c))
	}) < 0
}

func (t *tenant) checkScopes(request *authorizeRequest, query url.Values) *protocolError {
	scope := query.Get("scope")
	if request.version == 2 {
		if query.Has("resource") {
			return t.fail(901002)
		}
		if scope == "" {
			return t.fail(900144, "scope")
		}
	}
	var failed *protocolError
	if request.version == 1 {
		// v1 reads openid only; the rest is the static list of the resource.
		request.asked.openID = []string{"openid", "profile", "offline_access"}
		if request.token {
			request.asked.openID = []string{"openid", "profile"} // no refresh token can follow
		}
		if resource := query.Get("resource"); resource != "" {
			var one target
			if one, failed = t.resourceTarget(resource); failed != nil {
				return failed
			}
			request.asked.targets = []target{one}
		}
		return nil
	}
	if request.asked, failed = t.parseScopes(scope); failed != nil {
		return failed
	}
	if request.idToken && !request.asked.wants("openid") {
		return t.fail(90014, "scope openid")
	}
	return nil
}

// parseClaims reads the claims parameter; an empty one asks for nothing. An
// amr of mfa, an authentication context and a policy id are all met by a second
// factor.
func parseClaims(text string) (claimsDemand, bool) {
	var demand claimsDemand
	if text == "" {
		return demand, true
	}
	type member struct {
		Value  string   `json:"value"`
		Values []string `json:"values"`
	}
	var document map[string]map[string]*member
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return demand, false
	}
	for _, part := range []string{"id_token", "access_token"} {
		for name, wish := range document[part] {
			var values []string
			if wish != nil {
				values = append(values, wish.Values...)
				if wish.Value != "" {
					values = append(values, wish.Value)
				}
			}
			switch name {
			case "amr":
				demand.mfa = demand.mfa || slices.Contains(values, "mfa")
			case "acrs":
				demand.acrs = append(demand.acrs, values...)
			case "polids", "capolids":
				demand.mfa = true
			case "xms_cc":
				demand.capable = demand.capable || slices.Contains(values, "cp1")
			}
		}
	}
	if len(demand.acrs) > 25 { // there are 25 contexts (entra.md §6.2)
		return demand, false
	}
	return demand, true
}
