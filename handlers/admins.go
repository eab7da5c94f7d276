package handlers

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
)

const (
	// groupsAge is how long an answer about somebody's groups is believed.
	groupsAge = 10 * time.Minute
	// maxGroupAnswers bounds how many of them are kept.
	maxGroupAnswers = 1024
)

// groupAdmins finds out who is an admin by a group, for people in more groups than
// fit into a token. It asks Graph, with the person's own token: the address that
// such a token names is never called (entra.md §3.1).
type groupAdmins struct {
	*frame
	graph  *graph.Client
	broker *entra.Broker

	mu      sync.Mutex
	answers map[session.ID]groupAnswer
}

type groupAnswer struct {
	admin bool
	at    time.Time
}

// known returns what is known of a session; it asks nobody.
func (g *groupAdmins) known(id session.ID) (admin, known bool) {
	if g == nil {
		return false, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	answer, ok := g.answers[id]
	if !ok || g.now().Sub(answer.at) >= groupsAge {
		return false, false
	}
	return answer.admin, true
}

func (g *groupAdmins) ask(ctx context.Context, live *session.Session) (bool, error) {
	if admin, known := g.known(live.ID); known {
		return admin, nil
	}
	groups, err := g.graph.MemberObjects(ctx, g.broker.SourceOfSession(live.ID))
	if err != nil {
		return false, err
	}
	admin := g.rules.InAdminGroup(groups)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.answers == nil || len(g.answers) >= maxGroupAnswers {
		g.answers = make(map[session.ID]groupAnswer)
	}
	g.answers[live.ID] = groupAnswer{admin, g.now()}
	return admin, nil
}

// mayBeAdmin reports whether the navigation offers the admin's pages: to admins,
// and to those of whom only their groups can tell.
func (f *frame) mayBeAdmin(live *session.Session) bool {
	if f.rules.IsAdmin(live.User) {
		return true
	}
	if f.groups == nil || !f.rules.GroupsDecide(live.User) {
		return false
	}
	admin, known := f.groups.known(live.ID)
	return admin || !known
}

// isAdmin reports whether somebody is an admin, and asks Graph where only it knows.
func (f *frame) isAdmin(ctx context.Context, live *session.Session) (bool, error) {
	if f.rules.IsAdmin(live.User) {
		return true, nil
	}
	if f.groups == nil || !f.rules.GroupsDecide(live.User) {
		return false, nil
	}
	return f.groups.ask(ctx, live)
}

// notAdmin says which role is missing.
func (f *frame) notAdmin() error {
	ways := []string{"the app role " + f.rules.AdminRole + " of this portal"}
	if len(f.rules.AdminDirectoryRoles) > 0 {
		ways = append(ways, "a directory role that counts here ("+strings.Join(entra.DirectoryRoleNames(f.rules.AdminDirectoryRoles), ", ")+")")
	}
	if len(f.rules.AdminGroups) > 0 {
		ways = append(ways, "membership in a group of admins")
	}
	return apperr.New(apperr.Forbidden, "role_missing", "This page is for admins, and your sign-in does not say that you are one.").
		WithNext(apperr.MenderAdmin, "You need "+strings.Join(ways, ", or ")+". Whoever assigns roles in Entra can give it to you; then sign out and in again.")
}

// forAdmins guards a handler: the signed-in, who are not admins, are told which
// role is missing.
func (a *auth) forAdmins(h personal) personal {
	return func(w http.ResponseWriter, r *http.Request, live *session.Session) error {
		ctx, cancel := timeout(r)
		defer cancel()
		admin, err := a.isAdmin(ctx, live)
		if need := needed(err); need != nil {
			back := r.URL.RequestURI()
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				back = a.pageOfForm(r)
			}
			return a.visitFor(w, r, live, tokenVisit{Scopes: []string{a.groups.graph.MeScope()}, Claims: need.Claims, ReturnTo: localPath(back)})
		}
		if err != nil {
			return err
		}
		if !admin {
			a.log.WarnContext(r.Context(), "not an admin", "person", live.User.ID, "path", r.URL.Path)
			return a.notAdmin()
		}
		return h(w, r, live)
	}
}
