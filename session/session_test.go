package session_test

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/session"
)

func TestSignInIsRemembered(t *testing.T) {
	p, b := newPortal(t), browser{}
	var begun *session.Session
	set := b.visit(t, func(w http.ResponseWriter, r *http.Request) {
		var err error
		if begun, err = p.SignIn(w, r, annSignsIn()); err != nil {
			t.Fatal(err)
		}
	})
	if len(set) != 1 {
		t.Fatalf("%d cookies", len(set))
	}
	c := set[0]
	if c.Name != sessionCookie || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" ||
		c.MaxAge != int(longest/time.Second) {
		t.Errorf("cookie %+v", c)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(c.Value); err != nil || len(raw) != 32 {
		t.Errorf("the cookie holds %d bytes, %v; want 256 random bits", len(raw), err)
	}
	got := p.current(b)
	if got == nil || !reflect.DeepEqual(got.User, ann) || got.IDToken != "header.claims.signature" || got.LoginHint != "hint" ||
		got.Device != "Edge on Windows" || got.ID != begun.ID || !got.SignedInAt.Equal(*p.now) ||
		!got.EndsAt.Equal(p.now.Add(idle)) || !got.ExpiresAt.Equal(p.now.Add(longest)) {
		t.Errorf("session %+v", got)
	}
}

func TestNothingInTheDatabaseMakesACookie(t *testing.T) {
	p, b := newPortal(t), browser{}
	live := p.signIn(b, annSignsIn())
	rec, err := p.db.LoadSession(t.Context(), live.ID, *p.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{b[sessionCookie], "Ann", "header.claims.signature"} {
		if strings.Contains(string(rec.Sealed), part) || strings.Contains(string(rec.ID[:]), part) {
			t.Errorf("the row holds %q", part)
		}
	}
	thief := browser{sessionCookie: base64.RawURLEncoding.EncodeToString(rec.ID[:])}
	if got := p.current(thief); got != nil {
		t.Error("the id in the database signs in")
	}
}

func TestGorillaStore(t *testing.T) {
	p, b := newPortal(t), browser{}
	var _ sessions.Store = p.Store
	p.signIn(b, annSignsIn())
	p.db.loads.Store(0)
	b.visit(t, func(_ http.ResponseWriter, r *http.Request) {
		first, err := p.Get(r, sessionCookie)
		if err != nil || first.IsNew || first.Name() != sessionCookie {
			t.Errorf("Get: new %v, name %q, %v", first.IsNew, first.Name(), err)
		}
		if second, err := p.Get(r, sessionCookie); err != nil || second != first {
			t.Errorf("the second Get in a request: another session, or %v", err)
		}
		if _, err := p.Current(r); err != nil {
			t.Error(err)
		}
		if n := p.db.loads.Load(); n != 1 {
			t.Errorf("%d look-ups in one request", n)
		}
		if other, err := p.Get(r, "another"); err != nil || !other.IsNew {
			t.Errorf("a cookie that is not there: new %v, %v", other.IsNew, err)
		}
		again, err := p.Store.New(r, sessionCookie)
		if err != nil || again == first || again.IsNew {
			t.Errorf("New: %v, %v", again, err)
		}
	})
	set := b.visit(t, func(w http.ResponseWriter, r *http.Request) {
		gs, err := p.Store.New(r, sessionCookie)
		if err != nil {
			t.Fatal(err)
		}
		gs.Options.MaxAge = -1
		if err := gs.Save(r, w); err != nil {
			t.Error(err)
		}
	})
	if len(set) != 1 || set[0].MaxAge >= 0 || set[0].Value != "" {
		t.Errorf("a negative age leaves the cookie %+v", set)
	}
}

func TestOnlyADatabaseThatDoesNotAnswerIsAnError(t *testing.T) {
	p, b := newPortal(t), browser{}
	p.signIn(b, annSignsIn())
	p.db.down.Store(true)
	b.visit(t, func(_ http.ResponseWriter, r *http.Request) {
		if live, err := p.Current(r); !errors.Is(err, errDown) || live != nil {
			t.Errorf("Current = %v, %v", live, err)
		}
		if live, err := p.Peek(r); !errors.Is(err, errDown) || live != nil {
			t.Errorf("Peek = %v, %v", live, err)
		}
	})
	// Who brings no cookie of ours needs no database.
	for _, other := range []browser{{}, {sessionCookie: "garbage"}} {
		if live := p.current(other); live != nil {
			t.Errorf("session %+v", live)
		}
	}
}

func FuzzSessionCookie(f *testing.F) {
	p, b := newPortal(f), browser{}
	p.signIn(b, annSignsIn())
	good := b[sessionCookie]
	for _, seed := range []string{good, good[1:], good + "A", strings.ToUpper(good), "", "=", "a.b.c", strings.Repeat("A", 43), strings.Repeat("_", 43),
		strings.Repeat("A", 44), good[:42] + "=", good[:42] + "\n", "\x00", "é", `"` + good + `"`, good + "; " + good, strings.Repeat("x", 9000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Cookie", sessionCookie+"="+value)
		live, err := p.Current(r)
		if err != nil {
			t.Errorf("an error: %v", err)
		}
		peeked, err := p.Peek(r)
		if err != nil {
			t.Errorf("Peek: %v", err)
		}
		if c, err := r.Cookie(sessionCookie); (live != nil || peeked != nil) && (err != nil || c.Value != good) {
			t.Errorf("%q signs in", value)
		}
	})
}

func TestIdleLimit(t *testing.T) {
	p, b := newPortal(t), browser{}
	p.signIn(b, annSignsIn())
	for range 5 { // each request puts the end off
		p.pass(idle - time.Second)
		if p.current(b) == nil {
			t.Fatal("signed out before the idle limit")
		}
	}
	p.pass(idle)
	if p.current(b) != nil {
		t.Error("signed in after the idle limit")
	}
}

func TestAbsoluteLimit(t *testing.T) {
	p, b := newPortal(t), browser{}
	p.signIn(b, annSignsIn())
	began := *p.now
	for p.now.Before(began.Add(longest - time.Minute)) {
		live := p.current(b)
		if live == nil {
			t.Fatalf("signed out after %v", p.now.Sub(began))
		}
		if live.EndsAt.After(live.ExpiresAt) {
			t.Errorf("ends at %v, after its absolute limit", live.EndsAt)
		}
		p.pass(10 * time.Minute)
	}
	*p.now = began.Add(longest)
	if p.current(b) != nil {
		t.Error("signed in after the absolute limit")
	}
}

func TestLastSeenIsWrittenOnceAMinuteAtMost(t *testing.T) {
	p, b := newPortal(t), browser{}
	p.signIn(b, annSignsIn())
	for range 300 {
		p.current(b)
		p.pass(time.Second)
	}
	if n := p.db.touches.Load(); n != 4 {
		t.Errorf("%d writes in five minutes", n)
	}
}

func TestShortIdleLimitKeepsWhoeverIsActive(t *testing.T) {
	for _, short := range []time.Duration{time.Minute, 90 * time.Second, 2 * time.Minute} {
		p, b := newPortal(t), browser{}
		p.Store = p.restarted(short, 1)
		p.signIn(b, annSignsIn())
		for i := range 20 {
			p.pass(short / 2)
			if p.current(b) == nil {
				t.Errorf("idle limit %v: signed out at request %d, each half a limit after the last", short, i+1)
				break
			}
		}
	}
}

func TestPeekingKeepsNobodySignedIn(t *testing.T) {
	p, b := newPortal(t), browser{}
	live := p.signIn(b, annSignsIn())
	for range 29 {
		p.pass(time.Minute)
		b.visit(t, func(_ http.ResponseWriter, r *http.Request) {
			if got, err := p.Peek(r); err != nil || got == nil || !got.EndsAt.Equal(live.EndsAt) {
				t.Fatalf("Peek = %+v, %v", got, err)
			}
		})
	}
	p.pass(time.Minute)
	b.visit(t, func(_ http.ResponseWriter, r *http.Request) {
		if got, err := p.Peek(r); err != nil || got != nil {
			t.Errorf("after the idle limit, Peek = %+v, %v", got, err)
		}
	})
	if n := p.db.touches.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

func TestKeyRotationKeepsSessions(t *testing.T) {
	p, b := newPortal(t), browser{}
	p.signIn(b, annSignsIn())
	if current(t, p.restarted(idle, 2, 1), b) == nil {
		t.Error("a new key signed out")
	}
	if current(t, p.restarted(idle, 2), b) != nil {
		t.Error("a session outlived its key")
	}
}

func TestAttackSealedContentInAnotherRow(t *testing.T) {
	p, victim, thief := newPortal(t), browser{}, browser{}
	rich := p.signIn(victim, annSignsIn())
	bob := annSignsIn()
	bob.User = access.User{ID: access.PersonID{Authority: "tenant", Subject: "bob"}}
	poor := p.signIn(thief, bob)
	from, err := p.db.LoadSession(t.Context(), rich.ID, *p.now)
	if err != nil {
		t.Fatal(err)
	}
	into, err := p.db.LoadSession(t.Context(), poor.ID, *p.now)
	if err != nil {
		t.Fatal(err)
	}
	into.Sealed = from.Sealed // with write access to the table, without the key
	if err := p.db.CreateSession(t.Context(), into, nil, into.ID); err != nil {
		t.Fatal(err)
	}
	if got := current(t, p.restarted(idle, 1), thief); got != nil {
		t.Errorf("signed in as %v", got.User.ID)
	}
}

func TestAttackSessionFixation(t *testing.T) {
	p, attacker := newPortal(t), browser{}
	planted := p.signIn(attacker, annSignsIn())
	left := p.signIn(browser{}, annSignsIn()) // the session it had when it went to the provider
	ended, stop := p.Watcher().Watch(planted.ID)
	defer stop()
	victim := browser{sessionCookie: attacker[sessionCookie]}
	in := annSignsIn()
	in.Replaces = left.ID
	begun := p.signIn(victim, in)
	if victim[sessionCookie] == attacker[sessionCookie] || begun.ID == planted.ID {
		t.Error("the planted id is kept")
	}
	if p.current(attacker) != nil || !isClosed(ended) {
		t.Error("the planted session lives on")
	}
	if still, err := p.Find(t.Context(), left.ID); err != nil || still != nil {
		t.Errorf("the session that the sign-in began in: %v, %v", still, err)
	}
	if got := p.current(victim); got == nil || got.ID != begun.ID {
		t.Error("the new session is not there")
	}
}

func TestAFailedSignInLeavesNothing(t *testing.T) {
	failure := errors.New("no token")
	for name, arrange := range map[string]func(*portal, *session.SignIn) error{
		"its tokens are not sealed": func(p *portal, in *session.SignIn) error {
			in.Tokens = func(session.ID) ([]session.SealedToken, error) { return nil, failure }
			return failure
		},
		"the record is not stored": func(p *portal, in *session.SignIn) error {
			p.db.refuseCreate = true
			return errDown
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, b := newPortal(t), browser{}
			in := annSignsIn()
			want := arrange(p, &in)
			set := b.visit(t, func(w http.ResponseWriter, r *http.Request) {
				if live, err := p.SignIn(w, r, in); !errors.Is(err, want) || live != nil {
					t.Errorf("SignIn = %v, %v", live, err)
				}
			})
			if len(set) != 0 {
				t.Errorf("cookies %v", set)
			}
			if list, _, err := p.SessionsOf(t.Context(), ann.ID); err != nil || len(list) != 0 {
				t.Errorf("%d sessions are left, %v", len(list), err)
			}
		})
	}
}

func TestASessionBeginsWithItsTokens(t *testing.T) {
	p, b := newPortal(t), browser{}
	in := annSignsIn()
	var sealedFor session.ID
	in.Tokens = func(id session.ID) ([]session.SealedToken, error) {
		sealedFor = id
		return []session.SealedToken{{Resource: "r", Sealed: []byte("token"), ExpiresAt: p.now.Add(time.Hour)}}, nil
	}
	live := p.signIn(b, in)
	tokens := p.db.Records.(entra.TokenRecords)
	if got, err := tokens.LoadToken(t.Context(), live.ID, "r"); err != nil || string(got.Sealed) != "token" || sealedFor != live.ID {
		t.Errorf("the token of the new session: %+v, %v", got, err)
	}
	b.visit(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := p.SignOut(w, r); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := tokens.LoadToken(t.Context(), live.ID, "r"); !errors.Is(err, entra.ErrNoToken) {
		t.Errorf("after sign-out: %v", err)
	}
}

func TestNewRefusesWhatDoesNotFit(t *testing.T) {
	ring, err := seal.NewKeyRing(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	db, log := &database{}, slog.New(slog.DiscardHandler)
	whole := session.Options{Idle: time.Hour, Max: time.Hour, Accept: everyone, Now: time.Now, Log: log}
	if _, err := session.New(db, ring, whole); err != nil {
		t.Errorf("the whole: %v", err)
	}
	for name, change := range map[string]func(*session.Options){
		"no acceptance":      func(o *session.Options) { o.Accept = nil },
		"no clock":           func(o *session.Options) { o.Now = nil },
		"no log":             func(o *session.Options) { o.Log = nil },
		"no idle limit":      func(o *session.Options) { o.Idle = 0 },
		"a negative limit":   func(o *session.Options) { o.Idle = -1 },
		"no absolute limit":  func(o *session.Options) { o.Max = 0 },
		"the shorter is max": func(o *session.Options) { o.Max = time.Minute },
	} {
		options := whole
		change(&options)
		if _, err := session.New(db, ring, options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := session.New(nil, ring, whole); err == nil {
		t.Error("no records: accepted")
	}
	if _, err := session.New(db, nil, whole); err == nil {
		t.Error("no keys: accepted")
	}
}
