package handlers

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// newLists returns an area whose lists come from the test.
func newLists() *subscriptions { return &subscriptions{frame: &frame{now: time.Now}} }

func listOf(n int) estate { return estate{rows: make([]templates.Subscription, n)} }

// TestAttackManyTabsAskOnce opens fifty pages of one session at once: the
// services are asked once, and those of another session do not wait.
func TestAttackManyTabsAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, answer := newLists(), make(chan struct{})
		var asked, got atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				e := s.shared(t.Context(), session.ID{1}, func() estate {
					asked.Add(1)
					<-answer
					return listOf(3)
				})
				got.Add(int32(len(e.rows)))
			})
		}
		synctest.Wait()
		if e := s.shared(t.Context(), session.ID{2}, func() estate { return listOf(1) }); len(e.rows) != 1 {
			t.Errorf("the other session got %d rows", len(e.rows))
		}
		close(answer)
		wg.Wait()
		if asked.Load() != 1 || got.Load() != 50*3 {
			t.Errorf("asked %d times for %d rows", asked.Load(), got.Load())
		}
		if len(s.asked) != 0 {
			t.Errorf("%d questions are left", len(s.asked))
		}
	})
}

func TestFailureIsSharedButNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, failure, asked := newLists(), errors.New("down"), 0
		for range 2 {
			e := s.shared(t.Context(), session.ID{1}, func() estate {
				asked++
				return estate{problem: failure}
			})
			if !errors.Is(e.problem, failure) {
				t.Errorf("problem %v", e.problem)
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// TestAttackFirstTabLeaves: the tab that asked goes away, or its request breaks;
// the others are not left with its failure.
func TestAttackFirstTabLeaves(t *testing.T) {
	for name, leave := range map[string]func(ctx context.Context) estate{
		"goes away": func(ctx context.Context) estate {
			<-ctx.Done()
			return estate{problem: ctx.Err()}
		},
		"breaks": func(ctx context.Context) estate {
			<-ctx.Done()
			panic("broken")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newLists()
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() {
					defer func() { _ = recover() }() // net/http does
					s.shared(ctx, session.ID{1}, func() estate { return leave(ctx) })
				})
				synctest.Wait()
				wg.Go(func() {
					if e := s.shared(t.Context(), session.ID{1}, func() estate { return listOf(2) }); len(e.rows) != 2 || e.problem != nil {
						t.Errorf("who waited got %d rows, %v", len(e.rows), e.problem)
					}
				})
				synctest.Wait()
				cancel()
				wg.Wait()
			})
		})
	}
}

func TestWaitingForAListEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, answer := newLists(), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			s.shared(t.Context(), session.ID{1}, func() estate {
				<-answer
				return listOf(1)
			})
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		began := time.Now()
		e := s.shared(ctx, session.ID{1}, func() estate { return listOf(1) })
		if !apperr.HasCode(e.problem, "list_late") || time.Since(began) != 25*time.Second {
			t.Errorf("after %v: %v", time.Since(began), e.problem)
		}
		close(answer)
		wg.Wait()
	})
}

func TestForgottenWhileItIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, answer := newLists(), make(chan struct{})
		var atOnce, most atomic.Int32
		ask := func(rows int, wait bool) func() estate {
			return func() estate {
				most.Store(max(most.Load(), atOnce.Add(1)))
				defer atOnce.Add(-1)
				if wait {
					<-answer
				}
				return listOf(rows)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() { s.shared(t.Context(), session.ID{1}, ask(1, true)) })
		synctest.Wait()
		s.forget(session.ID{1})
		wg.Go(func() {
			if e := s.shared(t.Context(), session.ID{1}, ask(2, false)); len(e.rows) != 2 {
				t.Errorf("after forget the list of before is shown, of %d rows", len(e.rows))
			}
		})
		synctest.Wait()
		close(answer)
		wg.Wait()
		if most.Load() != 1 {
			t.Errorf("%d requests of one session at once", most.Load())
		}
		if e := s.shared(t.Context(), session.ID{1}, ask(3, false)); len(e.rows) != 2 {
			t.Errorf("the list that is remembered has %d rows", len(e.rows))
		}
	})
}

// TestAttackListsFillTheMemory: many sessions of people with many subscriptions.
func TestAttackListsFillTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLists()
		id := func(i int) session.ID { return session.ID{byte(i), byte(i >> 8), byte(i >> 16)} }
		// held counts what is really there, not what is said to be.
		held := func() (rows int) {
			for _, e := range s.lists {
				rows += len(e.rows) + 1
			}
			return rows
		}
		for i := range 100 {
			if e := s.shared(t.Context(), id(i), func() estate { return listOf(4999) }); len(e.rows) != 4999 {
				t.Fatalf("list %d has %d rows", i, len(e.rows))
			}
		}
		if n := held(); n != maxRows || s.rows != n {
			t.Errorf("%d rows are held, %d counted, want %d", n, s.rows, maxRows)
		}
		time.Sleep(listAge) // of the bubble's clock: what is held is too old now
		s.shared(t.Context(), id(1000), func() estate { return listOf(4999) })
		if n := held(); n != 5000 || s.rows != n {
			t.Errorf("after a while %d rows are held, %d counted", n, s.rows)
		}
		s.forget(id(1000))
		s.forget(id(1000))
		if held() != 0 || s.rows != 0 {
			t.Errorf("forgotten, %d rows are held, %d counted", held(), s.rows)
		}
		for i := range maxRows + 10 { // people with nothing at all
			s.shared(t.Context(), id(i), func() estate { return estate{} })
		}
		if n := held(); n != maxRows || s.rows != n {
			t.Errorf("%d empty lists are held, %d counted", n, s.rows)
		}
	})
}
