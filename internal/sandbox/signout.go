package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// signOutFrame is one hidden iframe of the sign-out page.
type signOutFrame struct{ App, URL string }

// serveLogout is the end_session endpoint of v1 and v2 (entra.md §5.1).
func (t *tenant) serveLogout(w http.ResponseWriter, r *http.Request) {
	if _, on := t.s.faults.take("logout.500"); on {
		http.Error(w, "The service is unavailable.", http.StatusInternalServerError)
		return
	}
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
	back := t.wayBack(query)
	t.s.mu.Lock()
	browser := t.browser(r)
	var accounts []*signIn
	if browser != nil {
		accounts = slices.Clone(browser.accounts)
	}
	chosen := hinted(accounts, t.hintedObject(query), query.Get("logout_hint"))
	if chosen == nil && len(accounts) == 1 {
		chosen = accounts[0]
	}
	t.s.mu.Unlock()
	switch {
	case chosen != nil:
		t.signOut(w, r, chosen.person, back, query.Get("state"))
	case len(accounts) > 1:
		t.signOutPicker(w, accounts, back, query.Get("state"))
	default: // nobody is signed in
		t.signOut(w, r, nil, back, query.Get("state"))
	}
}

// wayBack returns post_logout_redirect_uri if it is a registered redirect URI,
// of the application that asks where that is known.
func (t *tenant) wayBack(query url.Values) string {
	uri := query.Get("post_logout_redirect_uri")
	if uri == "" {
		return ""
	}
	for _, app := range t.apps {
		if id := query.Get("client_id"); id != "" && !strings.EqualFold(id, app.appID) {
			continue
		}
		if app.redirects(uri) {
			return uri
		}
	}
	return ""
}

// hintedObject returns the oid of id_token_hint, which may have expired but
// must be of this authority.
func (t *tenant) hintedObject(query url.Values) string {
	payload, ok := t.verifiedPayload(query.Get("id_token_hint"))
	if !ok {
		return ""
	}
	var claims struct {
		ObjectID string `json:"oid"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.ObjectID
}

// hinted finds the account that the request points at: by the login_hint claim,
// never by name (entra.md §5.1), or by the ID token.
func hinted(accounts []*signIn, oid, hint string) *signIn {
	for _, account := range accounts {
		p := account.person
		if hint != "" && (hint == loginHint(p.id, TenantID) || hint == loginHint(p.homeID, p.home)) {
			return account
		}
		if oid != "" && (oid == p.id || oid == p.homeID) {
			return account
		}
	}
	return nil
}

// signOutPicker asks which of several accounts is meant. A person may leave
// here, and then nothing has ended.
func (t *tenant) signOutPicker(w http.ResponseWriter, accounts []*signIn, back, state string) {
	people := make([]*person, 0, len(accounts))
	for _, account := range accounts {
		people = append(people, account.person)
	}
	t.render(w, http.StatusOK, page{name: "signoutpicker", title: "Sign out", formTarget: originOf(back), data: struct {
		Accounts      []accountData
		Return, State string
	}{accountsOf(people), back, state}})
}

// serveLogoutChoice takes the answer of the sign-out picker.
func (t *tenant) serveLogoutChoice(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.errorPage(w, r, t.fail(9002313))
		return
	}
	back := t.wayBack(url.Values{"post_logout_redirect_uri": {r.PostForm.Get("return")}})
	t.signOut(w, r, t.person(r.PostForm.Get("account")), back, r.PostForm.Get("state"))
}

// signOut ends an account's part in the browser session, if it has one, and
// shows the page that tells the applications.
func (t *tenant) signOut(w http.ResponseWriter, r *http.Request, p *person, back, state string) {
	t.s.mu.Lock()
	browser := t.browser(r)
	account := browser.account(p)
	var apps []participant
	if account != nil {
		apps = slices.Clone(account.apps)
		browser.accounts = slices.DeleteFunc(slices.Clone(browser.accounts), func(a *signIn) bool { return a == account })
		if len(browser.accounts) == 0 {
			t.sessions.delete(browser.id)
			t.setSessionCookie(w, "")
		}
	}
	t.s.mu.Unlock()
	if _, on := t.s.faults.take("logout.no_return"); on {
		back = ""
	}
	onward := back
	if onward != "" && state != "" {
		onward = withQuery(back, url.Values{"state": {state}})
	}
	if account == nil {
		if onward != "" {
			http.Redirect(w, r, onward, http.StatusFound)
			return
		}
		t.serveSignedOut(w, r)
		return
	}
	shown := struct {
		Account, Continue, Returns string
		Frames                     []signOutFrame
	}{Account: p.upn, Continue: onward, Returns: originOf(back), Frames: t.framesOf(account.sid, apps)}
	if onward == "" {
		shown.Continue = "/sandbox/signed-out"
	}
	var origins []string
	for _, frame := range shown.Frames {
		if origin := originOf(frame.URL); !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	t.render(w, http.StatusOK, page{name: "signout", title: "Signing out", refresh: shown.Continue, script: "signout.js",
		frames: origins, data: shown})
}

// framesOf returns what tells each application of a session that it has ended. As observed, Entra sends sid alone (entra.md §5.2).
func (t *tenant) framesOf(sid string, apps []participant) []signOutFrame {
	_, noSID := t.s.faults.take("logout.no_sid")
	_, withIssuer := t.s.faults.take("logout.iss_and_sid")
	var frames []signOutFrame
	for _, taken := range apps {
		if taken.app.logoutURL == "" {
			continue
		}
		more := url.Values{}
		if !noSID {
			more.Set("sid", sid)
		}
		if withIssuer {
			more.Set("iss", t.issuer(2, taken.tid))
		}
		target := taken.app.logoutURL
		if len(more) > 0 {
			target = withQuery(target, more)
		}
		frames = append(frames, signOutFrame{taken.app.name, target})
	}
	return frames
}

// serveSignedOut is the generic page at the end of a sign-out.
func (t *tenant) serveSignedOut(w http.ResponseWriter, _ *http.Request) {
	t.render(w, http.StatusOK, page{name: "signedout", title: "Signed out"})
}
