package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Cookies of the second sample application.
const (
	expensesCookie     = "sandbox_expenses"
	expensesFlowCookie = "sandbox_expenses_flow"
)

// expensesSession is a session of the second sample application.
type expensesSession struct {
	name      string
	account   string
	sid       string
	loginHint string
}

// expensesRoutes mounts the second sample application: a relying party that
// signs in at the tenant in the same browser session as the portal, so that one
// can watch a sign-out there reach the portal.
func (t *tenant) expensesRoutes(mux *http.ServeMux, form func(http.HandlerFunc) http.Handler) {
	mux.HandleFunc("GET /expenses", t.serveExpenses)
	mux.HandleFunc("GET /expenses/sign-in", t.serveExpensesSignIn)
	mux.Handle("POST /expenses/callback", form(t.serveExpensesCallback))
	mux.Handle("POST /expenses/sign-out", form(t.serveExpensesSignOut))
	mux.HandleFunc("GET /expenses/frontchannel-logout", t.serveExpensesLogout)
	mux.HandleFunc("GET /sandbox/signed-out", t.serveSignedOut)
}

func (t *tenant) serveExpenses(w http.ResponseWriter, r *http.Request) {
	t.showExpenses(w, r, http.StatusOK, "")
}

func (t *tenant) showExpenses(w http.ResponseWriter, r *http.Request, status int, problem string) {
	session := t.expensesSessionOf(r)
	t.render(w, status, page{name: "expenses", title: "Expenses", formTarget: originOf(t.s.options.PortalURL), data: struct {
		Name, Account, Problem, Portal string
	}{session.name, session.account, problem, t.s.options.PortalURL + "/"}})
}

// expensesSessionOf returns the session of a request, empty if there is none.
func (t *tenant) expensesSessionOf(r *http.Request) expensesSession {
	cookie, err := r.Cookie(expensesCookie)
	if err != nil {
		return expensesSession{}
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	session, _ := t.expenses.get(cookie.Value)
	return session
}

// serveExpensesSignIn begins a sign-in with id_token by form_post. The answer
// comes from the same site, so a Lax cookie is enough to bind it to the
// browser.
func (t *tenant) serveExpensesSignIn(w http.ResponseWriter, r *http.Request) {
	state, nonce := randomText(43), randomText(43)
	http.SetCookie(w, &http.Cookie{Name: expensesFlowCookie, Value: state + "." + nonce, Path: "/expenses", MaxAge: 600,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: t.s.origin.Scheme == "https"})
	http.Redirect(w, r, "/"+TenantID+"/oauth2/v2.0/authorize?"+url.Values{
		"client_id": {ExpensesClientID}, "response_type": {"id_token"}, "response_mode": {"form_post"}, "scope": {"openid profile"},
		"redirect_uri": {t.s.options.Origin + "/expenses/callback"}, "state": {state}, "nonce": {nonce},
	}.Encode(), http.StatusSeeOther)
}

// serveExpensesCallback ends a sign-in.
func (t *tenant) serveExpensesCallback(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.showExpenses(w, r, http.StatusBadRequest, "The answer of the tenant could not be read.")
		return
	}
	cookie, err := r.Cookie(expensesFlowCookie)
	if err != nil {
		t.showExpenses(w, r, http.StatusBadRequest, "The sign-in was not begun here.")
		return
	}
	state, nonce, _ := strings.Cut(cookie.Value, ".")
	if state == "" || subtle.ConstantTimeCompare([]byte(state), []byte(r.PostForm.Get("state"))) != 1 {
		t.showExpenses(w, r, http.StatusBadRequest, "The answer belongs to another sign-in.")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: expensesFlowCookie, Path: "/expenses", MaxAge: -1})
	if r.PostForm.Get("error") != "" {
		t.showExpenses(w, r, http.StatusOK, "The sign-in was not finished.")
		return
	}
	var claims struct {
		Audience  string `json:"aud"`
		Nonce     string `json:"nonce"`
		Expires   int64  `json:"exp"`
		Name      string `json:"name"`
		Account   string `json:"preferred_username"`
		SID       string `json:"sid"`
		LoginHint string `json:"login_hint"`
	}
	payload, ok := t.verifiedPayload(r.PostForm.Get("id_token"))
	if !ok || json.Unmarshal(payload, &claims) != nil || claims.Audience != ExpensesClientID || claims.Nonce != nonce ||
		claims.Expires <= t.s.now().Unix() {
		t.showExpenses(w, r, http.StatusBadRequest, "The ID token is not good.")
		return
	}
	id := randomText(43)
	t.s.mu.Lock()
	t.expenses.put(id, expensesSession{claims.Name, claims.Account, claims.SID, claims.LoginHint})
	t.s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: expensesCookie, Value: id, Path: "/expenses", HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: t.s.origin.Scheme == "https"})
	http.Redirect(w, r, "/expenses", http.StatusSeeOther)
}

// serveExpensesSignOut ends the session here, then the tenant's.
func (t *tenant) serveExpensesSignOut(w http.ResponseWriter, r *http.Request) {
	session := t.expensesSessionOf(r)
	t.endExpenses(session.sid)
	http.SetCookie(w, &http.Cookie{Name: expensesCookie, Path: "/expenses", MaxAge: -1})
	http.Redirect(w, r, "/"+TenantID+"/oauth2/v2.0/logout?"+url.Values{
		"client_id": {ExpensesClientID}, "post_logout_redirect_uri": {t.s.options.Origin + "/expenses"}, "logout_hint": {session.loginHint},
	}.Encode(), http.StatusSeeOther)
}

// serveExpensesLogout is the application's front-channel logout URL.
func (t *tenant) serveExpensesLogout(w http.ResponseWriter, r *http.Request) {
	t.endExpenses(r.URL.Query().Get("sid"))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'self'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte("ok"))
}

// endExpenses ends every session with a sid.
func (t *tenant) endExpenses(sid string) {
	if sid == "" {
		return
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for _, id := range t.expenses.keys() {
		if session, _ := t.expenses.get(id); session.sid == sid {
			t.expenses.delete(id)
		}
	}
}
