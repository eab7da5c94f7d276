package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/session"
)

// signOut signs out and returns the session that ended.
func (p *portal) signOut(b browser) (ended *session.Session, set []*http.Cookie, err error) {
	p.Helper()
	set = b.visit(p, func(w http.ResponseWriter, r *http.Request) { ended, err = p.SignOut(w, r) })
	return ended, set, err
}

func TestSignOut(t *testing.T) {
	p, b := newPortal(t), browser{}
	live := p.signIn(b, annSignsIn())
	ended, stop := p.Watcher().Watch(live.ID)
	defer stop()
	old := browser{sessionCookie: b[sessionCookie]}
	got, set, err := p.signOut(b)
	if err != nil || got == nil || got.ID != live.ID || got.LoginHint != "hint" {
		t.Errorf("SignOut = %+v, %v", got, err)
	}
	if len(set) != 1 || set[0].MaxAge >= 0 || set[0].Value != "" || set[0].Name != sessionCookie {
		t.Errorf("cookies %v", set)
	}
	if !isClosed(ended) {
		t.Error("an open page was not told")
	}
	if p.current(old) != nil {
		t.Error("the old cookie still signs in")
	}
	if got, set, err := p.signOut(old); err != nil || got != nil || len(set) != 1 || set[0].MaxAge >= 0 {
		t.Errorf("signing out once more: %v, cookies %v, %v", got, set, err)
	}
}

func TestSignOutThatFailsSaysSo(t *testing.T) {
	p, b := newPortal(t), browser{}
	p.signIn(b, annSignsIn())
	p.db.down.Store(true)
	if got, set, err := p.signOut(b); !errors.Is(err, errDown) || got != nil || len(set) != 0 {
		t.Errorf("SignOut = %v, cookies %v, %v: who believes it leaves a live session behind", got, set, err)
	}
	p.db.down.Store(false)
	if p.current(b) == nil {
		t.Error("signed out after all")
	}
}

func TestSingleSignOutEndsEveryBrowser(t *testing.T) {
	p := newPortal(t)
	one, two, other := browser{}, browser{}, browser{}
	first := p.signIn(one, annSignsIn())
	in := annSignsIn()
	in.SID, in.SessionState = "", "sid-1"
	p.signIn(two, in)
	in.SID, in.SessionState = "sid-2", "state-2"
	p.signIn(other, in)
	ended, stop := p.Watcher().Watch(first.ID)
	defer stop()
	if n, err := p.EndBySID(t.Context(), "https://other.example", "sid-1"); err != nil || n != 0 || isClosed(ended) {
		t.Errorf("another issuer ended %d, %v", n, err)
	}
	if n, err := p.EndBySID(t.Context(), ann.Issuer, "sid-1"); err != nil || n != 2 || !isClosed(ended) {
		t.Errorf("ended %d, %v", n, err)
	}
	if p.current(one) != nil || p.current(two) != nil || p.current(other) == nil {
		t.Error("not exactly the two sessions ended")
	}
	if n, err := p.EndAllOf(t.Context(), ann.ID); err != nil || n != 1 || p.current(other) != nil {
		t.Errorf("of the person %d ended, %v", n, err)
	}
}

func TestEndOneSession(t *testing.T) {
	p, mine, elsewhere := newPortal(t), browser{}, browser{}
	p.signIn(mine, annSignsIn())
	p.pass(time.Minute)
	far := p.signIn(elsewhere, annSignsIn())
	list, more, err := p.SessionsOf(t.Context(), ann.ID)
	if err != nil || more || len(list) != 2 || list[0].ID != far.ID {
		t.Fatalf("%d sessions, %v; want the last seen first", len(list), err)
	}
	bob := access.PersonID{Authority: "tenant", Subject: "bob"}
	if gone, err := p.End(t.Context(), bob, far.ID); err != nil || gone || p.current(elsewhere) == nil {
		t.Errorf("somebody else ended it: %v, %v", gone, err)
	}
	ended, stop := p.Watcher().Watch(far.ID)
	defer stop()
	if gone, err := p.End(t.Context(), ann.ID, far.ID); err != nil || !gone || !isClosed(ended) || p.current(elsewhere) != nil {
		t.Errorf("ended: %v, %v", gone, err)
	}
	if gone, err := p.End(t.Context(), ann.ID, far.ID); err != nil || gone {
		t.Errorf("a second time: %v, %v", gone, err)
	}
	if p.current(mine) == nil {
		t.Error("the other session ended as well")
	}
}

func TestValuesOfOneKindAreUsedOnce(t *testing.T) {
	p := newPortal(t)
	until := p.now.Add(time.Hour)
	for _, tt := range []struct {
		kind, value string
		first       bool
	}{{"logout-token", "a", true}, {"logout-token", "a", false}, {"other", "a", true}, {"logout-token", "b", true}} {
		if first, err := p.UseOnce(t.Context(), tt.kind, tt.value, until); err != nil || first != tt.first {
			t.Errorf("%s %s: first %v, %v", tt.kind, tt.value, first, err)
		}
	}
	// No jti can use up a state.
	b := browser{}
	state, _ := p.startFlow(b)
	if _, err := p.UseOnce(t.Context(), "logout-token", "state/"+state, until); err != nil {
		t.Fatal(err)
	}
	if _, err := p.takeFlow(b, state); err != nil {
		t.Errorf("the flow: %v", err)
	}
}

// TestAttackSignOutCutOff: the browser, or the provider's frame, leaves while
// the database is busy. What was asked for is done all the same, within a limit.
func TestAttackSignOutCutOff(t *testing.T) {
	for name, end := range map[string]func(*portal, *http.Request, *session.Session) error{
		"SignOut": func(p *portal, r *http.Request, _ *session.Session) error {
			_, err := p.SignOut(httptest.NewRecorder(), r)
			return err
		},
		"EndBySID": func(p *portal, r *http.Request, _ *session.Session) error {
			_, err := p.EndBySID(r.Context(), ann.Issuer, "sid-1")
			return err
		},
		"EndAllOf": func(p *portal, r *http.Request, _ *session.Session) error {
			_, err := p.EndAllOf(r.Context(), ann.ID)
			return err
		},
		"End": func(p *portal, r *http.Request, live *session.Session) error {
			_, err := p.End(r.Context(), ann.ID, live.ID)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, b := newPortal(t), browser{}
			live := p.signIn(b, annSignsIn())
			ended, stop := p.Watcher().Watch(live.ID)
			defer stop()
			p.pass(5 * time.Minute) // its time of last use would be written
			ctx, leave := context.WithCancel(t.Context())
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/auth/logout", nil)
			r.AddCookie(&http.Cookie{Name: sessionCookie, Value: b[sessionCookie]})
			endings := 0
			p.db.ending = func(ctx context.Context) {
				endings++
				leave()
				if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > 10*time.Second {
					t.Errorf("the ending has the deadline %v, %v", deadline, ok)
				}
			}
			if err := end(p, r, live); err != nil || endings != 1 {
				t.Errorf("%d endings, %v", endings, err)
			}
			if p.current(b) != nil || !isClosed(ended) {
				t.Error("the session goes on, or its open pages were not told")
			}
		})
	}
	t.Run("SignOut of a browser that had left before", func(t *testing.T) {
		p, b := newPortal(t), browser{}
		p.signIn(b, annSignsIn())
		ctx, leave := context.WithCancel(t.Context())
		leave()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/auth/logout", nil)
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: b[sessionCookie]})
		if live, err := p.SignOut(httptest.NewRecorder(), r); err != nil || live == nil || p.current(b) != nil {
			t.Errorf("SignOut = %v, %v", live, err)
		}
	})
}

// TestAttackManySessions: whoever has a person's sign-in hides it behind fifty
// younger ones. The person can still end it, and sees that there are more.
func TestAttackManySessions(t *testing.T) {
	p, oldest := newPortal(t), browser{}
	hidden := p.signIn(oldest, annSignsIn())
	for range 49 {
		p.pass(time.Second)
		p.signIn(browser{}, annSignsIn())
	}
	if list, more, err := p.SessionsOf(t.Context(), ann.ID); err != nil || more || len(list) != 50 {
		t.Errorf("of 50: %d sessions, more %v, %v", len(list), more, err)
	}
	p.pass(time.Second)
	p.signIn(browser{}, annSignsIn())
	list, more, err := p.SessionsOf(t.Context(), ann.ID)
	if err != nil || !more || len(list) != 50 || slices.ContainsFunc(list, func(rec session.Record) bool { return rec.ID == hidden.ID }) {
		t.Errorf("of 51: %d sessions, more %v, %v", len(list), more, err)
	}
	if gone, err := p.End(t.Context(), ann.ID, hidden.ID); err != nil || !gone || p.current(oldest) != nil {
		t.Errorf("the one that is not listed: ended %v, %v", gone, err)
	}
}

// TestAttackSessionOfAnotherIssuer restarts the portal with another tenant, on
// the same database and with the same key.
func TestAttackSessionOfAnotherIssuer(t *testing.T) {
	p, b := newPortal(t), browser{}
	live := p.signIn(b, annSignsIn())
	p.accept = func(u access.User) bool { return u.Issuer != ann.Issuer }
	next := p.restarted(idle, 1)
	if got := current(t, next, b); got != nil {
		t.Errorf("still signed in as %s", got.User.Name)
	}
	if got, err := next.Find(t.Context(), live.ID); err != nil || got != nil {
		t.Errorf("Find = %v, %v", got, err)
	}
	b.visit(t, func(_ http.ResponseWriter, r *http.Request) {
		if got, err := next.Peek(r); err != nil || got != nil {
			t.Errorf("Peek = %v, %v", got, err)
		}
	})
	p.accept = everyone
	if current(t, p.restarted(idle, 1), b) == nil {
		t.Error("accepted again, and still not signed in")
	}
}
