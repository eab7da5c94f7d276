package sandbox

import (
	"net/http"
	"slices"
	"time"
)

// accountsFrom is since when the sample people's sign-ins count, unless their
// sessions were ended later.
var accountsFrom = time.Date(2024, 1, 8, 9, 0, 0, 0, time.UTC)

// revokeSessions ends whatever a person's sign-ins up to now have left behind:
// browser sessions, refresh tokens, codes and device sign-ins that wait to be
// redeemed. Access tokens live on until they expire (entra.md §7.6). s.mu must
// be held.
func (t *tenant) revokeSessions(p *person) {
	t.validFrom[p] = t.s.now()
	for _, token := range t.refresh.items {
		token.revoked = token.revoked || token.auth.person == p
	}
	for _, code := range t.codes.items {
		code.revoked = code.revoked || code.auth.person == p
	}
	for _, device := range t.devices.items {
		device.revoked = device.revoked || device.auth.person == p
	}
	for _, id := range t.sessions.keys() {
		session, _ := t.sessions.get(id)
		session.accounts = slices.DeleteFunc(slices.Clone(session.accounts), func(a *signIn) bool { return a.person == p })
	}
}

// sessionsValidFrom is signInSessionsValidFromDateTime.
func (t *tenant) sessionsValidFrom(p *person) time.Time {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if ended, any := t.validFrom[p]; any {
		return ended
	}
	return accountsFrom
}

// revokeScopes let a call end somebody's sessions. A person needs a directory
// role beside it for anybody else's.
var revokeScopes = []string{"User.RevokeSessions.All"}

// graphRevokeSessions answers POST …/revokeSignInSessions (entra.md §7.4).
func (a *azure) graphRevokeSessions(w http.ResponseWriter, r *http.Request) {
	who, ok := a.graphCaller(w, r, revokeScopes...)
	if !ok {
		return
	}
	subject := who.person
	switch id := r.PathValue("id"); {
	case id != "":
		user, known := a.userAt(id)
		// Whether somebody exists is told only to those who may ask.
		if who.person != nil && (!known || user.person != who.person) && !who.person.has(roleGlobalAdministrator, roleUserAdministrator) {
			a.graphDenied(w, r)
			return
		}
		if !known {
			a.graphNotFound(w, r, id)
			return
		}
		subject = user.person // nil for one of the crowd, who never signs in
	case subject == nil:
		a.graphNotDelegated(w, r)
		return
	}
	if subject != nil {
		a.s.mu.Lock()
		a.s.tenant.revokeSessions(subject)
		a.s.mu.Unlock()
	}
	reply(w, http.StatusOK, map[string]any{"@odata.context": a.graphContext("Edm.Boolean"), "value": true})
}
