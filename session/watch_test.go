package session_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azts.internal/portal/internal/seal"
	"azts.internal/portal/session"
)

// liveList answers LiveSessions from a list, at once, never, or with an error.
type liveList struct {
	session.Records
	mu    sync.Mutex
	live  []session.ID
	stuck bool
	err   error
	asked int
}

func (l *liveList) set(change func(*liveList)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func (l *liveList) LiveSessions(ctx context.Context, ids []session.ID, _ time.Time) ([]session.ID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.stuck {
		l.mu.Unlock()
		<-ctx.Done()
		l.mu.Lock()
		return nil, ctx.Err()
	}
	var out []session.ID
	for _, id := range ids {
		if slices.Contains(l.live, id) {
			out = append(out, id)
		}
	}
	return out, l.err
}

func newWatcher(t *testing.T, records session.Records) *session.Watcher {
	t.Helper()
	ring, err := seal.NewKeyRing(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.New(records, ring, session.Options{Idle: time.Hour, Max: time.Hour, Accept: everyone, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s.Watcher()
}

func TestEndedTellsEveryWatcherOfTheSession(t *testing.T) {
	w := newWatcher(t, &liveList{})
	mine, other := session.ID{1}, session.ID{2}
	one, stopOne := w.Watch(mine)
	two, stopTwo := w.Watch(mine)
	left, stopLeft := w.Watch(mine)
	stopLeft()
	foreign, stopForeign := w.Watch(other)
	w.Ended(mine, session.ID{3})
	w.Ended(mine) // a second word is no panic
	if !isClosed(one) || !isClosed(two) {
		t.Error("a watcher was not told")
	}
	if isClosed(foreign) || isClosed(left) {
		t.Error("a watcher of another session, or one that left, was told")
	}
	stopOne()
	stopTwo()
	stopForeign()
	stopForeign() // nor a second stop
	w.Ended()
}

func TestCheckTellsWatchersOfSessionsThatEndedElsewhere(t *testing.T) {
	records := &liveList{live: []session.ID{{1}}}
	w := newWatcher(t, records)
	if err := w.Check(t.Context()); err != nil || records.asked != 0 {
		t.Errorf("with nobody to tell the database was asked %d times, %v", records.asked, err)
	}
	alive, stop := w.Watch(session.ID{1})
	defer stop()
	ended, stop := w.Watch(session.ID{2})
	defer stop()
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if isClosed(alive) || !isClosed(ended) {
		t.Errorf("told: alive %v, ended %v", isClosed(alive), isClosed(ended))
	}
}

func TestADatabaseThatFailsSignsNobodyOut(t *testing.T) {
	records := &liveList{err: errors.New("down")}
	w := newWatcher(t, records)
	ended, stop := w.Watch(session.ID{1})
	defer stop()
	if err := w.Check(t.Context()); err == nil {
		t.Error("Check does not say so")
	}
	if isClosed(ended) {
		t.Error("the watcher was told that the session ended")
	}
}

func TestOpenPagesLearnWithinFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id := session.ID{1}
		records := &liveList{live: []session.ID{id}}
		w := newWatcher(t, records)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx)
		}()
		ended, stop := w.Watch(id)
		defer stop()

		time.Sleep(time.Minute)
		if isClosed(ended) {
			t.Fatal("told while the session lived")
		}
		records.set(func(l *liveList) { l.stuck = true })
		time.Sleep(time.Minute)
		if isClosed(ended) {
			t.Fatal("a slow database signed the person out")
		}
		records.set(func(l *liveList) { l.stuck, l.live = false, nil })
		since := time.Now()
		<-ended
		if took := time.Since(since); took > 5*time.Second {
			t.Errorf("told after %v", took)
		}

		cancel()
		<-done // Run ends with its context
	})
}
