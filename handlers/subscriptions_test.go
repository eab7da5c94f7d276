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
				e := s.shared(t.Context(), session.ID{1}, func(context.Context, func(estate)) estate {
					asked.Add(1)
					<-answer
					return listOf(3)
				})
				got.Add(int32(len(e.rows)))
			})
		}
		synctest.Wait()
		if e := s.shared(t.Context(), session.ID{2}, func(context.Context, func(estate)) estate { return listOf(1) }); len(e.rows) != 1 {
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
			e := s.shared(t.Context(), session.ID{1}, func(context.Context, func(estate)) estate {
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

// TestAttackFirstTabLeaves: the tab that asked goes away; the others are not left
// with its end.
func TestAttackFirstTabLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLists()
		slow := func(ctx context.Context, _ func(estate)) estate {
			select {
			case <-ctx.Done():
				return estate{problem: ctx.Err()}
			case <-time.After(2 * listWait):
				return listOf(2)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { s.shared(ctx, session.ID{1}, slow) })
		synctest.Wait()
		if e := s.shared(t.Context(), session.ID{1}, slow); len(e.rows) != 2 || e.problem != nil {
			t.Errorf("who waited got %d rows, %v", len(e.rows), e.problem)
		}
		wg.Wait()
	})
}

// TestQuestionsEnd: one that breaks, one that hangs, and one that the process
// leaves behind; nobody waits for ever.
func TestQuestionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, closing := newLists(), make(chan struct{})
		s.closing = closing
		hang := func(ctx context.Context, _ func(estate)) estate {
			<-ctx.Done()
			return estate{problem: ctx.Err()}
		}
		if e := s.shared(t.Context(), session.ID{1}, func(context.Context, func(estate)) estate { panic("broken") }); e.problem == nil {
			t.Error("a broken question has no problem")
		}
		began := time.Now()
		if e := s.shared(t.Context(), session.ID{1}, hang); e.problem == nil || time.Since(began) != listLimit {
			t.Errorf("a question that hangs ended after %v: %v", time.Since(began), e.problem)
		}
		time.AfterFunc(time.Second, func() { close(closing) })
		began = time.Now()
		if e := s.shared(t.Context(), session.ID{1}, hang); e.problem == nil || time.Since(began) != time.Second {
			t.Errorf("after the end of the process a question went on for %v: %v", time.Since(began), e.problem)
		}
	})
}

// TestNamesDoNotWaitForNumbers: AzTS takes long; the names are those of the last
// list, or Azure's, or there are none after a moment.
func TestNamesDoNotWaitForNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLists()
		list := estate{rows: []templates.Subscription{{ID: "a", Name: "Payments", Failed: 3}}}
		slow := func(azure time.Duration) question {
			return func(_ context.Context, named func(estate)) estate {
				time.Sleep(azure)
				named(list)
				time.Sleep(listLimit)
				return estate{problem: errors.New("AzTS did not answer"), rows: list.rows}
			}
		}
		step := func(what string, ask question, want string, within time.Duration) {
			t.Helper()
			began := time.Now()
			if got := s.namesSoon(t.Context(), session.ID{1}, ask)["a"]; got != want || time.Since(began) != within {
				t.Errorf("%s: %q after %v, want %q after %v", what, got, time.Since(began), want, within)
			}
		}
		step("both slow", slow(3*time.Second), "", namesWait)
		time.Sleep(4 * time.Second)
		step("Azure has answered", nil, "Payments", 0)
		ctx, cancel := context.WithTimeout(t.Context(), listWait)
		defer cancel()
		if e := s.shared(ctx, session.ID{1}, nil); len(e.rows) != 1 || !apperr.HasCode(e.problem, "list_late") || !e.asOf.IsZero() {
			t.Errorf("what Azure said is shown as %+v", e)
		}
		time.Sleep(2 * listLimit)
		step("Azure answers soon", slow(300*time.Millisecond), "Payments", 300*time.Millisecond)
		time.Sleep(2 * listLimit)
		s.shared(t.Context(), session.ID{1}, func(context.Context, func(estate)) estate { return list })
		at := time.Now()
		s.forget(session.ID{1})
		time.Sleep(time.Hour)
		step("an old list", slow(time.Hour), "Payments", 0)
		ctx, cancel = context.WithTimeout(t.Context(), listWait)
		defer cancel()
		if e := s.shared(ctx, session.ID{1}, slow(0)); len(e.rows) != 1 || e.rows[0].Failed != 3 || !apperr.HasCode(e.problem, "list_late") || !e.asOf.Equal(at) {
			t.Errorf("without an answer the list of before is shown as %+v", e)
		}
		time.Sleep(2 * listLimit)
	})
}

func TestWaitingForAListEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, answer := newLists(), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			s.shared(t.Context(), session.ID{1}, func(context.Context, func(estate)) estate {
				<-answer
				return listOf(1)
			})
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		began := time.Now()
		e := s.shared(ctx, session.ID{1}, func(context.Context, func(estate)) estate { return listOf(1) })
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
		ask := func(rows int, wait bool) func(context.Context, func(estate)) estate {
			return func(context.Context, func(estate)) estate {
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
			if e := s.shared(t.Context(), id(i), func(context.Context, func(estate)) estate { return listOf(4999) }); len(e.rows) != 4999 {
				t.Fatalf("list %d has %d rows", i, len(e.rows))
			}
		}
		if n := held(); n != maxRows || s.rows != n {
			t.Errorf("%d rows are held, %d counted, want %d", n, s.rows, maxRows)
		}
		time.Sleep(listAge) // of the bubble's clock: what is held is too old now
		s.shared(t.Context(), id(1000), func(context.Context, func(estate)) estate { return listOf(4999) })
		if n := held(); n != 5000 || s.rows != n {
			t.Errorf("after a while %d rows are held, %d counted", n, s.rows)
		}
		s.forget(id(1000)) // what is forgotten goes first
		for i := range 40 {
			s.shared(t.Context(), id(i), func(context.Context, func(estate)) estate { return listOf(4999) })
		}
		if _, ok := s.lists[id(1000)]; ok || held() != maxRows || s.rows != maxRows {
			t.Errorf("a forgotten list is held %v, %d rows are held, %d counted", ok, held(), s.rows)
		}
		time.Sleep(listAge)
		for i := range maxRows + 10 { // people with nothing at all
			s.shared(t.Context(), id(i), func(context.Context, func(estate)) estate { return estate{} })
		}
		if n := held(); n != maxRows || s.rows != n {
			t.Errorf("%d empty lists are held, %d counted", n, s.rows)
		}
	})
}
