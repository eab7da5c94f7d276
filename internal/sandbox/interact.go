package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Lifetimes of what a sign-in leaves behind.
const (
	interactionLifetime = 15 * time.Minute
	sessionLifetime     = 24 * time.Hour // of the browser session (entra.md §10)
)

// sessionCookie names the browser session. The portal may live on the same
// host at another port, and cookies know no ports.
const sessionCookie = "sandbox_session"

// browserSession is what the tenant knows of one browser: the accounts that are
// signed in there.
type browserSession struct {
	id       string
	created  time.Time
	accounts []*signIn
}

// maxAccounts bounds how many accounts one browser session holds.
const maxAccounts = 10

// signIn is one account in one browser session. Its sid is what single sign-out
// is about.
type signIn struct {
	person *person
	sid    string
	at     time.Time
	mfa    bool
	acrs   []string
	apps   []participant // the applications signed in to, in order
}

// participant is one application that took part in a session.
type participant struct {
	app *application
	tid string
}

// account finds an account in the session.
func (b *browserSession) account(p *person) *signIn {
	if b == nil {
		return nil
	}
	for _, a := range b.accounts {
		if a.person == p {
			return a
		}
	}
	return nil
}

// interaction is an authorization request on its way through the pages. Its
// fields are guarded by s.mu.
type interaction struct {
	id        string
	request   *authorizeRequest
	begun     time.Time
	chosen    *person
	fresh     bool // the person clicked, just now
	consented bool
	confirmed bool // a device's sign-in: the person wants to go on
}

// begin starts the way of a request through the pages.
func (t *tenant) begin(w http.ResponseWriter, r *http.Request, request *authorizeRequest) {
	if value, on := t.s.faults.take("authorize.page_error"); on {
		t.errorPage(w, r, t.failNamed(value, 53003))
		return
	}
	in := &interaction{id: randomText(43), request: request, begun: t.s.now()}
	t.s.mu.Lock()
	t.interactions.put(in.id, in)
	t.s.mu.Unlock()
	t.advance(w, r, in)
}

// browser returns the browser session of a request, or nil. s.mu must be held.
func (t *tenant) browser(r *http.Request) *browserSession {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	session, there := t.sessions.get(cookie.Value)
	if !there {
		return nil
	}
	if t.s.now().Sub(session.created) > sessionLifetime {
		t.sessions.delete(cookie.Value)
		return nil
	}
	return session
}

// setSessionCookie gives the browser its session. There is no SameSite=None
// over plain http, and the tenant needs its cookie in navigations only.
func (t *tenant) setSessionCookie(w http.ResponseWriter, id string) {
	cookie := &http.Cookie{Name: sessionCookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: t.s.origin.Scheme == "https"}
	if id == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// stepKind is what comes next for an interaction.
type stepKind uint8

const (
	stepPicker stepKind = iota
	stepApprove
	stepConfirm // a device asks
	stepConsent
	stepNeedAdmin
	stepRefuse // tell the application
	stepPage   // tell the person only
	stepDone
)

// step is the next thing to do, worked out under the lock and carried out after
// it.
type step struct {
	kind     stepKind
	failed   *protocolError
	subCode  string
	signedIn []*person // for the picker
	others   []*person
	wanted   []wanted
	person   *person
	auth     authentication
}

// advance carries a request on: to the next page, or to its end.
func (t *tenant) advance(w http.ResponseWriter, r *http.Request, in *interaction) {
	t.s.mu.Lock()
	next := t.next(in, t.browser(r))
	if next.kind >= stepRefuse {
		t.interactions.delete(in.id)
	}
	t.s.mu.Unlock()
	t.show(w, r, in, next)
}

// next works out what a request still needs. s.mu must be held.
func (t *tenant) next(in *interaction, browser *browserSession) step {
	request := in.request
	silent := request.prompt == "none"
	if in.chosen == nil {
		in.chosen = t.choose(request, browser)
	}
	account := browser.account(in.chosen)
	if in.chosen == nil || account == nil || t.stale(in, account) {
		if silent {
			return step{kind: stepRefuse, failed: t.fail(50058)}
		}
		in.chosen = nil
		return t.picker(request, browser)
	}
	p := in.chosen
	tid := request.at.tid
	if request.at.multi() {
		tid = p.home // guests are at home here (entra.md §1.2)
	}
	oid, known := p.oidIn(tid)
	if !known {
		return step{kind: stepPage, failed: t.fail(50020, p.upn)}
	}
	if request.app.assignmentRequired && !t.isAssigned(request.app, p) {
		kind := stepPage
		if silent {
			kind = stepRefuse
		}
		return step{kind: kind, failed: t.fail(50105, request.app.name)}
	}
	if t.needsSecondFactor(request, account) {
		if silent {
			return step{kind: stepRefuse, failed: t.fail(50076, request.app.name)}
		}
		return step{kind: stepApprove, person: p}
	}
	if next, needed := t.nextConsent(in, p, tid, oid); needed {
		return next
	}
	if request.device != nil && !in.confirmed {
		return step{kind: stepConfirm, person: p}
	}
	if !slices.Contains(account.apps, participant{request.app, tid}) {
		account.apps = append(account.apps, participant{request.app, tid})
	}
	return step{kind: stepDone, person: p, auth: authentication{person: p, tid: tid, oid: oid, sid: account.sid,
		at: account.at, mfa: account.mfa, acrs: slices.Clone(account.acrs)}}
}

// nextConsent works out whether a page about consent comes next. s.mu must be
// held.
func (t *tenant) nextConsent(in *interaction, p *person, tid, oid string) (step, bool) {
	request := in.request
	forTenant := request.consent != consentForSelf
	if in.consented {
		return step{}, false
	}
	missing := t.wantedBy(request.app, request.asked, tid, oid, forTenant || request.prompt == "consent")
	if forTenant {
		if !p.mayConsentForAll() {
			return step{kind: stepNeedAdmin, person: p, wanted: missing}, true
		}
		return step{kind: stepConsent, person: p, wanted: missing}, true
	}
	if len(missing) == 0 {
		if one, unlisted := t.unlisted(request, tid, oid); unlisted {
			return step{kind: stepRefuse, failed: t.fail(650057, one.resource.name)}, true
		}
		return step{}, false
	}
	if request.prompt == "none" {
		failed := t.fail(65001, request.app.name)
		failed.err = "consent_required"
		return step{kind: stepRefuse, failed: failed}, true
	}
	if slices.ContainsFunc(missing, wanted.adminOnly) && !p.mayConsentForAll() {
		return step{kind: stepNeedAdmin, person: p, wanted: missing}, true
	}
	return step{kind: stepConsent, person: p, wanted: missing}, true
}

// choose picks the account without asking, if the request and the session leave
// no doubt (entra.md §2.2). s.mu must be held.
func (t *tenant) choose(request *authorizeRequest, browser *browserSession) *person {
	if browser == nil || request.prompt == "login" || request.prompt == "select_account" {
		return nil
	}
	if request.loginHint != "" {
		hinted := t.personByName(request.loginHint)
		if browser.account(hinted) != nil {
			return hinted
		}
		return nil
	}
	var fitting []*person
	for _, account := range browser.accounts {
		if inDomain(account.person, request.domain) {
			fitting = append(fitting, account.person)
		}
	}
	if len(fitting) == 1 {
		return fitting[0]
	}
	return nil
}

// stale says whether the person must sign in anew although there is a session.
func (t *tenant) stale(in *interaction, account *signIn) bool {
	if in.fresh {
		return false
	}
	return in.request.prompt == "login" || in.request.aged && t.s.now().Sub(account.at) > in.request.maxAge
}

// inDomain says whether a domain hint fits a person.
func inDomain(p *person, domain string) bool {
	switch strings.ToLower(domain) {
	case "", "organizations":
		return true
	case "consumers":
		return false
	}
	home := directoryOf(p.home)
	return slices.ContainsFunc(home.domains, func(d string) bool { return strings.EqualFold(d, domain) })
}

// picker lists the accounts to choose from; the hinted one alone, if there is
// one.
func (t *tenant) picker(request *authorizeRequest, browser *browserSession) step {
	next := step{kind: stepPicker}
	hinted := t.personByName(request.loginHint)
	for _, p := range t.people {
		switch {
		case request.prompt != "select_account" && request.loginHint != "" && hinted != nil && p != hinted:
		case !inDomain(p, request.domain):
		case browser.account(p) != nil:
			next.signedIn = append(next.signedIn, p)
		default:
			next.others = append(next.others, p)
		}
	}
	return next
}

// needsSecondFactor says whether the approve page comes next.
func (t *tenant) needsSecondFactor(request *authorizeRequest, account *signIn) bool {
	if (account.person.mfaRequired || request.demand.mfa) && !account.mfa {
		return true
	}
	return slices.ContainsFunc(request.demand.acrs, func(c string) bool { return !slices.Contains(account.acrs, c) })
}

// serveInteraction takes what a person pressed on one of the pages.
func (t *tenant) serveInteraction(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.errorPage(w, r, t.fail(9002313))
		return
	}
	t.s.mu.Lock()
	in, there := t.interactions.get(r.PostForm.Get("interaction"))
	if there && t.s.now().Sub(in.begun) > interactionLifetime {
		t.interactions.delete(in.id)
		there = false
	}
	t.s.mu.Unlock()
	if !there {
		t.errorPage(w, r, t.fail(90023, "this sign-in has ended; start again from the application"))
		return
	}
	switch r.PostForm.Get("action") {
	case "account":
		t.pick(w, r, in, r.PostForm.Get("account"))
	case "other": // another account than the hinted one
		t.s.mu.Lock()
		request := *in.request
		request.loginHint, request.prompt = "", "select_account"
		in.chosen, in.request = nil, &request
		t.s.mu.Unlock()
		t.advance(w, r, in)
	case "approve":
		t.approve(r, in)
		t.advance(w, r, in)
	case "confirm":
		t.confirm(r, in)
		t.advance(w, r, in)
	case "accept":
		t.accept(r, in, r.PostForm.Get("for") == "tenant")
		t.advance(w, r, in)
	case "decline":
		t.s.mu.Lock()
		t.interactions.delete(in.id)
		t.s.mu.Unlock()
		t.declined(w, r, in.request)
	default:
		t.errorPage(w, r, t.fail(9002313))
	}
}

// pick signs a person in: the click stands for the password.
func (t *tenant) pick(w http.ResponseWriter, r *http.Request, in *interaction, id string) {
	p := t.person(id)
	if p == nil {
		t.errorPage(w, r, t.fail(16000))
		return
	}
	if code := p.blockedBy(); code != 0 {
		t.errorPage(w, r, t.fail(code))
		return
	}
	now := t.s.now()
	t.s.mu.Lock()
	session := t.browser(r)
	known := session.account(p)
	if known == nil || in.request.prompt == "login" || in.request.aged {
		// A new id at each sign-in: an id that somebody planted is worth nothing.
		renewed := &browserSession{id: randomText(43), created: now}
		if session != nil {
			renewed.accounts = session.accounts
			t.sessions.delete(session.id)
		}
		if known == nil {
			known = &signIn{person: p, sid: newGUID()}
			if len(renewed.accounts) >= maxAccounts {
				renewed.accounts = renewed.accounts[1:]
			}
			renewed.accounts = append(slices.Clone(renewed.accounts), known)
		}
		known.at, known.mfa, known.acrs = now, false, nil
		t.sessions.put(renewed.id, renewed)
		t.setSessionCookie(w, renewed.id)
		r = withSession(r, renewed.id)
	}
	in.chosen, in.fresh = p, true
	t.s.mu.Unlock()
	t.advance(w, r, in)
}

// withSession returns the request as if the browser had sent the session's
// cookie along, which it will only do from the next one on.
func withSession(r *http.Request, id string) *http.Request {
	clone := r.Clone(r.Context())
	clone.Header.Del("Cookie")
	clone.AddCookie(&http.Cookie{Name: sessionCookie, Value: id})
	return clone
}

// approve records a second factor.
func (t *tenant) approve(r *http.Request, in *interaction) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	account := t.browser(r).account(in.chosen)
	if account == nil {
		return // signed out meanwhile: the next step is the picker
	}
	account.mfa, account.at = true, t.s.now()
	for _, context := range in.request.demand.acrs {
		if !slices.Contains(account.acrs, context) {
			account.acrs = append(account.acrs, context)
		}
	}
}

// accept records a consent: for the person, or for everybody if an
// administrator says so.
func (t *tenant) accept(r *http.Request, in *interaction, forTenant bool) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	now := t.next(in, t.browser(r))
	if now.kind != stepConsent {
		return // nothing to consent to, or not by this person
	}
	tid := in.request.at.tid
	if in.request.at.multi() {
		tid = now.person.home
	}
	principal, _ := now.person.oidIn(tid)
	if in.request.consent != consentForSelf || forTenant && now.person.mayConsentForAll() {
		principal = ""
	}
	for _, entry := range now.wanted {
		t.grantWanted(tid, in.request.app, entry, principal)
	}
	in.consented = true
}

// declined tells the application that the person backed out.
func (t *tenant) declined(w http.ResponseWriter, r *http.Request, request *authorizeRequest) {
	if request.device != nil {
		t.finishDevice(w, request.device, nil)
		return
	}
	failed := t.fail(65004)
	if request.consent != consentOnly {
		t.respondError(w, r, request, failed, "cancel")
		return
	}
	failed.err = "consent_required" // entra.md §7.1
	answer := url.Values{"error": {failed.err}, "error_description": {t.trailOf(r).description(failed)}, "admin_consent": {"True"}}
	t.send(w, r, request, answer)
}
