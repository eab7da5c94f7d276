package session_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/session"
)

const (
	idle    = 30 * time.Minute
	longest = 4 * time.Hour

	sessionCookie = "__Host-session"
)

var errDown = errors.New("the database is down")

// database is a real one, with a switch and a count.
type database struct {
	session.Records
	down           atomic.Bool
	loads, touches atomic.Int32
	usedValues     atomic.Int32
	lastUntil      atomic.Int64 // of UseOnce, in microseconds since 1970
	refuseCreate   bool
	created        func()                // called once a session is stored; may be nil
	ending         func(context.Context) // told of the context of each ending; may be nil
}

func (d *database) CreateSession(ctx context.Context, rec session.Record, tokens []session.SealedToken, replaces ...session.ID) error {
	if d.refuseCreate {
		return errDown
	}
	err := d.Records.CreateSession(ctx, rec, tokens, replaces...)
	if d.created != nil {
		d.created()
	}
	return err
}

func (d *database) LoadSession(ctx context.Context, id session.ID, now time.Time) (session.Record, error) {
	d.loads.Add(1)
	if d.down.Load() {
		return session.Record{}, errDown
	}
	return d.Records.LoadSession(ctx, id, now)
}

func (d *database) TouchSession(ctx context.Context, id session.ID, seen, ends time.Time) error {
	d.touches.Add(1)
	return d.Records.TouchSession(ctx, id, seen, ends)
}

func (d *database) told(ctx context.Context) {
	if d.ending != nil {
		d.ending(ctx)
	}
}

func (d *database) DeleteSessionOf(ctx context.Context, person access.PersonID, id session.ID) (bool, error) {
	d.told(ctx)
	return d.Records.DeleteSessionOf(ctx, person, id)
}

func (d *database) DeleteSessionsBySID(ctx context.Context, issuer, sid string) ([]session.ID, error) {
	d.told(ctx)
	return d.Records.DeleteSessionsBySID(ctx, issuer, sid)
}

func (d *database) DeleteSessionsOfSubject(ctx context.Context, person access.PersonID) ([]session.ID, error) {
	d.told(ctx)
	return d.Records.DeleteSessionsOfSubject(ctx, person)
}

func (d *database) DeleteSession(ctx context.Context, id session.ID) (bool, error) {
	d.told(ctx)
	if d.down.Load() {
		return false, errDown
	}
	return d.Records.DeleteSession(ctx, id)
}

func (d *database) UseOnce(ctx context.Context, value string, until time.Time) (bool, error) {
	d.usedValues.Add(1)
	d.lastUntil.Store(until.UnixMicro())
	if d.down.Load() {
		return false, errDown
	}
	return d.Records.UseOnce(ctx, value, until)
}

// portal is a store of sessions on a database, with a clock of the test's.
type portal struct {
	testing.TB
	*session.Store
	db     *database
	now    *time.Time
	accept func(access.User) bool // changed before restarted
}

func everyone(access.User) bool { return true }

func newPortal(t testing.TB) *portal {
	t.Helper()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	p := &portal{TB: t, db: &database{Records: db}, now: &now, accept: everyone}
	p.Store = p.restarted(idle, 1)
	return p
}

// restarted returns another store on the same database, with the limit and the
// keys given: nothing is left of what the first has in memory.
func (p *portal) restarted(idle time.Duration, keys ...byte) *session.Store {
	p.Helper()
	var secrets [][]byte
	for _, k := range keys {
		secrets = append(secrets, bytes.Repeat([]byte{k}, seal.KeySize))
	}
	ring, err := seal.NewKeyRing(secrets...)
	if err != nil {
		p.Fatal(err)
	}
	s, err := session.New(p.db, ring, session.Options{Idle: idle, Max: longest, Accept: p.accept, Now: func() time.Time { return *p.now },
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.Fatal(err)
	}
	return s
}

func (p *portal) pass(d time.Duration) { *p.now = p.now.Add(d) }

// browser keeps cookies as browsers do.
type browser map[string]string

// visit makes one request with the browser's cookies and keeps those of the answer.
func (b browser) visit(t testing.TB, handle func(http.ResponseWriter, *http.Request)) []*http.Cookie {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for name, value := range b {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	handle(w, r)
	set := w.Result().Cookies()
	for _, c := range set {
		if c.MaxAge < 0 {
			delete(b, c.Name)
		} else {
			b[c.Name] = c.Value
		}
	}
	return set
}

var ann = access.User{ID: access.PersonID{Authority: "tenant", Subject: "ann"}, Issuer: "https://login.example", Subject: "sub-ann",
	Name: "Ann Beispiel", Roles: []string{"Portal.Admin"}}

func annSignsIn() session.SignIn {
	return session.SignIn{Content: session.Content{User: ann, IDToken: "header.claims.signature", LoginHint: "hint"},
		SID: "sid-1", SessionState: "state-1", Device: "Edge on Windows"}
}

// signIn signs in with the browser, which has the session's cookie then.
func (p *portal) signIn(b browser, in session.SignIn) *session.Session {
	p.Helper()
	var live *session.Session
	b.visit(p, func(w http.ResponseWriter, r *http.Request) {
		var err error
		if live, err = p.SignIn(w, r, in); err != nil {
			p.Fatal(err)
		}
	})
	return live
}

// current asks a store who the browser is.
func current(t testing.TB, s *session.Store, b browser) *session.Session {
	t.Helper()
	var live *session.Session
	b.visit(t, func(_ http.ResponseWriter, r *http.Request) {
		var err error
		if live, err = s.Current(r); err != nil {
			t.Fatal(err)
		}
	})
	return live
}

func (p *portal) current(b browser) *session.Session {
	p.Helper()
	return current(p, p.Store, b)
}

// isClosed reports whether a channel that is closed at once, or never, is.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
