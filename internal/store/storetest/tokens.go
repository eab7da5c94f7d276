package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/entra"
)

func newToken(resource string) entra.SealedToken {
	return entra.SealedToken{Resource: resource, Sealed: []byte("\x00\xff" + rand.Text()), ExpiresAt: start.Add(time.Hour)}
}

func (w *world) wantToken(session entra.SessionID, want entra.SealedToken) {
	w.Helper()
	got, err := w.b.LoadToken(w.Context(), session, want.Resource)
	if err != nil || !reflect.DeepEqual(got, want) {
		w.Errorf("token of %q: %+v, %v; want %+v", want.Resource, got, err, want)
	}
}

func (w *world) wantNoToken(session entra.SessionID, resource string) {
	w.Helper()
	if _, err := w.b.LoadToken(w.Context(), session, resource); !errors.Is(err, entra.ErrNoToken) {
		w.Errorf("token of %q: %v, want ErrNoToken", resource, err)
	}
}

func tokenWhole(w *world) {
	recs := w.create(w.newRecord(), w.newRecord())
	refresh, one, two := newToken(""), newToken("api://a/b"), newToken("api://a/b api://a/c")
	w.ok(w.a.SaveTokens(w.Context(), recs[0].ID, refresh, one, two))
	for _, want := range []entra.SealedToken{refresh, one, two} {
		w.wantToken(recs[0].ID, want)
		w.wantNoToken(recs[1].ID, want.Resource)
	}
	w.wantNoToken(recs[0].ID, "api://a")
}

func tokenReplaces(w *world) {
	id := w.create(w.newRecord())[0].ID
	other, next := newToken("other"), newToken("r")
	w.ok(w.a.SaveTokens(w.Context(), id, newToken("r"), other))
	next.ExpiresAt = start.Add(2 * time.Hour)
	w.ok(w.b.SaveTokens(w.Context(), id, next))
	w.wantToken(id, next)
	w.wantToken(id, other)
}

func tokensAllOrNone(w *world) {
	id := w.create(w.newRecord())[0].ID
	old := newToken("r")
	w.ok(w.a.SaveTokens(w.Context(), id, old))
	broken := newToken("broken")
	broken.Sealed = nil // no database takes a token without content
	if err := w.a.SaveTokens(w.Context(), id, newToken("r"), newToken("new"), broken); err == nil {
		w.Fatal("a token without content was saved")
	}
	w.wantToken(id, old)
	w.wantNoToken(id, "new")
}

func tokensOfGone(w *world) {
	rec := w.create(w.newRecord())[0]
	if _, err := w.b.DeleteSession(w.Context(), rec.ID); err != nil {
		w.Fatal(err)
	}
	// A refresh may come back from the provider after its person signed out.
	if err := w.a.SaveTokens(w.Context(), rec.ID, newToken("r")); err == nil {
		w.Error("tokens were saved for a session that is gone")
	}
	w.wantNoToken(rec.ID, "r")
}

func visitWhole(w *world) {
	recs := w.create(w.newRecord(), w.newRecord())
	rec := recs[0]
	old, next := newToken("r"), newIssue(start)
	w.ok(w.a.SaveTokens(w.Context(), rec.ID, old))
	_, err := w.a.LoadSession(w.Context(), rec.ID, start) // what is remembered must not stay
	w.ok(err)
	sid := "sid-" + rand.Text()
	w.ok(w.a.SaveVisit(w.Context(), rec.ID, start, sid, "", next))
	w.wantToken(rec.ID, old)
	if list, _ := w.issues(10, 0); len(list) != 1 || list[0].ID != next.IssueID {
		w.Errorf("the history is %+v", list)
	}
	want := rec
	want.SID = sid
	for _, db := range []Records{w.a, w.b} {
		if got, err := db.LoadSession(w.Context(), rec.ID, start); err != nil || !reflect.DeepEqual(got, want) {
			w.Errorf("the session is %+v, %v; want %+v", got, err, want)
		}
	}
	for _, named := range []string{rec.SID, sid} {
		ended, err := w.b.DeleteSessionsBySID(w.Context(), rec.Issuer, named)
		w.ok(err)
		if yes := len(ended) == 1; yes != (named == sid) {
			w.Errorf("%s ended %d sessions", named, len(ended))
		}
	}
	w.wantLive(recs, false, true)
	w.wantNoToken(rec.ID, next.Resource)
}

func visitOfEnded(w *world) {
	rec := w.newRecord()
	rec.EndsAt = start
	gone := w.create(w.newRecord(), rec)
	if _, err := w.b.DeleteSession(w.Context(), gone[0].ID); err != nil {
		w.Fatal(err)
	}
	for _, one := range gone {
		if err := w.a.SaveVisit(w.Context(), one.ID, start, "sid", "state", newIssue(start)); !errors.Is(err, entra.ErrNoSession) {
			w.Errorf("a session that ended: %v", err)
		}
		w.wantNoToken(one.ID, "api://a/b api://a/c")
	}
	if _, total := w.issues(10, 0); total != 0 {
		w.Errorf("the history has %d lines", total)
	}
}

func tokensDie(w *world) {
	recs := w.create(w.newRecord(), w.newRecord(), w.newRecord(), w.newRecord())
	recs[3].Person.Subject += "x"
	for _, rec := range recs {
		w.ok(w.a.SaveTokens(w.Context(), rec.ID, newToken("r"), newToken("")))
	}
	_, err := w.a.DeleteSession(w.Context(), recs[0].ID)
	w.ok(err)
	_, err = w.a.DeleteSessionsBySID(w.Context(), "", recs[1].SID)
	w.ok(err)
	for _, gone := range recs[:2] {
		w.wantNoToken(gone.ID, "r")
		w.wantNoToken(gone.ID, "")
	}
	if _, err := w.b.LoadToken(w.Context(), recs[2].ID, "r"); err != nil {
		w.Errorf("the token of another session: %v", err)
	}
	_, err = w.a.DeleteSessionsOfSubject(w.Context(), w.person)
	w.ok(err)
	w.wantNoToken(recs[2].ID, "r")
}

func deleteToken(w *world) {
	recs := w.create(w.newRecord(), w.newRecord())
	one, refresh, foreign := newToken("r"), newToken(""), newToken("r")
	w.ok(w.a.SaveTokens(w.Context(), recs[0].ID, one, refresh))
	w.ok(w.a.SaveTokens(w.Context(), recs[1].ID, foreign))
	for range 2 { // the second finds nothing, which is no failure
		w.ok(w.b.DeleteToken(w.Context(), recs[0].ID, "r"))
	}
	w.wantNoToken(recs[0].ID, "r")
	w.wantToken(recs[0].ID, refresh)
	w.wantToken(recs[1].ID, foreign)
}

func sessionWithToken(w *world) {
	want := func(want entra.SessionID, resource string, now time.Time) {
		w.Helper()
		got, issuer, err := w.b.SessionWithToken(w.Context(), w.person, resource, now)
		if want == (entra.SessionID{}) {
			if !errors.Is(err, entra.ErrNoToken) {
				w.Errorf("resource %q at %v: %v, want ErrNoToken", resource, now, err)
			}
		} else if err != nil || got != want || issuer != w.newRecord().Issuer {
			w.Errorf("resource %q at %v: another session, or of %q, or %v", resource, now, issuer, err)
		}
	}
	older, newer, without, foreign := w.newRecord(), w.newRecord(), w.newRecord(), w.newRecord()
	newer.LastSeenAt = start.Add(time.Minute)
	newer.EndsAt = start.Add(30 * time.Minute)
	without.LastSeenAt = start.Add(2 * time.Minute)
	foreign.LastSeenAt = start.Add(3 * time.Minute)
	foreign.Person.Subject += "x"
	w.create(older, newer, without, foreign)
	want(entra.SessionID{}, "r", start)
	short := newToken("short")
	short.ExpiresAt = start.Add(time.Minute)
	w.ok(w.a.SaveTokens(w.Context(), newer.ID, newToken("r"), short))
	w.ok(w.a.SaveTokens(w.Context(), older.ID, newToken("r"), newToken("only")))
	w.ok(w.a.SaveTokens(w.Context(), foreign.ID, newToken("r"), newToken("theirs")))
	want(newer.ID, "r", start)
	want(older.ID, "only", start)
	want(entra.SessionID{}, "theirs", start)
	want(newer.ID, "short", start)
	want(entra.SessionID{}, "short", short.ExpiresAt)
	want(older.ID, "r", newer.EndsAt) // the session last seen has ended
	want(entra.SessionID{}, "r", older.EndsAt)
}

func lockGivenBack(w *world) {
	name := rand.Text()
	for range 3 { // never given back, the second would wait for ever
		ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
		unlock, err := w.a.LockTokens(ctx, name)
		cancel()
		w.ok(err)
		unlock()
	}
}

// locksLeaveRoom breaks where a lock holds what its holder's next query needs:
// then as many holders as a pool has connections stop each other for ever.
func locksLeaveRoom(w *world) {
	id := w.create(w.newRecord())[0].ID
	token := newToken("r")
	w.ok(w.a.SaveTokens(w.Context(), id, token))
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range 64 {
		wg.Go(func() {
			<-begin
			unlock, err := w.a.LockTokens(ctx, rand.Text())
			if err != nil {
				w.Errorf("lock: %v", err)
				return
			}
			defer unlock()
			if _, err := w.a.LoadToken(ctx, id, "r"); err != nil {
				w.Errorf("query under a lock: %v", err)
			}
		})
	}
	close(begin)
	wg.Wait()
}

// TestReplicaLocks runs what LockTokens promises between two replicas.
func TestReplicaLocks(t *testing.T, a, b entra.TokenRecords) {
	lock := func(t *testing.T, r entra.TokenRecords, name string, patience time.Duration) (func(), error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return r.LockTokens(ctx, name)
	}
	t.Run("a lock of one replica keeps out the other", func(t *testing.T) {
		unlock, err := lock(t, a, "one", 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := lock(t, b, "one", 200*time.Millisecond); err == nil {
			second()
			t.Fatal("both hold it")
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting ended with %v", err)
		}
		if other, err := lock(t, b, "two", 10*time.Second); err != nil {
			t.Errorf("another name: %v", err)
		} else {
			other()
		}
		unlock()
		if second, err := lock(t, b, "one", 10*time.Second); err != nil {
			t.Errorf("after it was given back: %v", err)
		} else {
			second()
		}
	})
	t.Run("one at a time", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var inside, rounds atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 5 {
					unlock, err := [...]entra.TokenRecords{a, b}[i%2].LockTokens(ctx, "many")
					if err != nil {
						t.Error(err)
						return
					}
					if n := inside.Add(1); n != 1 {
						t.Errorf("%d inside", n)
					}
					// A query takes long enough for others to get in.
					if _, err := a.LoadToken(ctx, entra.SessionID{}, ""); !errors.Is(err, entra.ErrNoToken) {
						t.Error(err)
					}
					rounds.Add(1)
					inside.Add(-1)
					unlock()
				}
			})
		}
		wg.Wait()
		if rounds.Load() != 40 {
			t.Errorf("%d of 40 rounds", rounds.Load())
		}
	})
	t.Run("a lock is given back though its request was cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		unlock, err := a.LockTokens(ctx, "cancelled")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		unlock()
		second, err := lock(t, b, "cancelled", 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		second()
	})
}
