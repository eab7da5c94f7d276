package sandbox

import (
	"crypto/subtle"
	"slices"
	"strings"
)

// consumerDomains are where personal accounts live, which this grant never
// serves.
var consumerDomains = []string{"outlook.com", "hotmail.com", "live.com", "msn.com"}

// redeemPassword is the resource owner password grant (RFC 6749 §4.3;
// entra.md §4.7): there to be seen failing. Everybody's password is
// [SamplePassword]; values are compared as they were sent, blanks and all.
func (t *tenant) redeemPassword(request *tokenRequest) (*tokenResponse, *protocolError) {
	if request.at.segment == "common" || request.at.segment == "consumers" {
		return nil, t.fail(9001023)
	}
	for _, name := range []string{"username", "password"} {
		if request.form.Get(name) == "" {
			return nil, t.fail(900144, name)
		}
	}
	switch {
	case request.version == 1 && request.form.Get("resource") == "":
		return nil, t.fail(900144, "resource")
	case request.version == 2 && request.form.Get("scope") == "":
		return nil, t.fail(900144, "scope")
	}
	auth, failed := t.checkPassword(request)
	if failed != nil {
		return nil, failed
	}
	t.s.mu.Lock()
	assigned := !request.app.assignmentRequired || t.isAssigned(request.app, auth.person)
	t.s.mu.Unlock()
	if !assigned {
		return nil, t.fail(50105, request.app.name)
	}
	demand, ok := parseClaims(request.form.Get("claims"))
	if !ok {
		return nil, t.fail(90023, "the claims parameter is not JSON of the right shape")
	}
	if auth.person.mfaRequired || demand.mfa || len(demand.acrs) > 0 {
		failed := t.fail(50076, request.app.name)
		failed.err = "invalid_grant" // here and nowhere else: nobody is there to be asked (entra.md §2.7)
		return nil, failed
	}
	var before scopeRequest
	if request.version == 1 {
		before.openID = []string{"openid", "profile", "offline_access"}
	}
	return t.issueAll(request, before, auth, demand.capable)
}

// checkPassword finds the person. What keeps an account from signing in is told
// only to whoever knows its password.
func (t *tenant) checkPassword(request *tokenRequest) (authentication, *protocolError) {
	name := request.form.Get("username")
	p := t.personByAccount(name)
	_, domain, _ := strings.Cut(strings.ToLower(name), "@")
	if p == nil {
		if slices.Contains(consumerDomains, domain) {
			return authentication{}, t.fail(50020, name)
		}
		return authentication{}, t.fail(50034, name)
	}
	tid := request.at.tid
	if request.at.multi() {
		tid = p.home
	}
	if tid != p.home {
		// The password of a guest, or of a stranger, lies with another directory.
		return authentication{}, t.fail(50020, name)
	}
	if p.passwordless {
		return authentication{}, t.fail(50056)
	}
	if subtle.ConstantTimeCompare([]byte(request.form.Get("password")), []byte(SamplePassword)) != 1 {
		return authentication{}, t.fail(50126)
	}
	if code := p.blockedBy(); code != 0 {
		return authentication{}, t.fail(code)
	}
	return authentication{person: p, tid: tid, oid: p.homeID, sid: newGUID(), at: t.s.now()}, nil
}

// personByAccount finds somebody by user principal name or e-mail address.
func (t *tenant) personByAccount(name string) *person {
	for _, p := range t.people {
		if strings.EqualFold(p.upn, name) || strings.EqualFold(p.mail, name) {
			return p
		}
	}
	return nil
}

// blockedBy returns the AADSTS number of what keeps an account from signing in;
// 0: nothing does.
func (p *person) blockedBy() int {
	return map[accountState]int{accountDisabled: 50057, accountLocked: 50053, passwordExpired: 50055}[p.state]
}
