package handlers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/session"
)

func adminNamed(name string) access.PersonID { return access.PersonID{Authority: "t", Subject: name} }

// viewOf is a list of so many rows that is as old as the moment.
func viewOf(rows int, gaps ...consent.Gap) func(context.Context) (*consent.View, error) {
	return func(context.Context) (*consent.View, error) {
		v := &consent.View{AsOf: time.Now(), Gaps: gaps}
		for i := range rows {
			v.Rows = append(v.Rows, consent.Row{Kind: consent.Delegated, ID: fmt.Sprint(i), Scopes: []string{"a", "b.Write"}, Risk: consent.RiskWrite})
		}
		return v, nil
	}
}

func newViews() *consentViews {
	return &consentViews{now: time.Now, closing: make(chan struct{})}
}

func TestOneReadingServesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		views := newViews()
		var reads atomic.Int32
		read := func(ctx context.Context) (*consent.View, error) {
			reads.Add(1)
			time.Sleep(3 * time.Second)
			return viewOf(10)(ctx)
		}
		var wait sync.WaitGroup
		for range 50 {
			wait.Go(func() {
				if v, err := views.of(t.Context(), adminNamed("ada"), session.ID{}, read); err != nil || v == nil || len(v.Rows) != 10 {
					t.Errorf("%+v, %v", v, err)
				}
			})
		}
		wait.Wait()
		if reads.Load() != 1 {
			t.Errorf("read %d times", reads.Load())
		}
		// Young enough, it is not read again; then it is.
		for _, step := range []struct {
			pass time.Duration
			want int32
		}{{viewAge - 10*time.Second, 1}, {20 * time.Second, 2}} {
			time.Sleep(step.pass)
			if _, err := views.of(t.Context(), adminNamed("ada"), session.ID{}, read); err != nil || reads.Load() != step.want {
				t.Errorf("after %v more it was read %d times, want %d: %v", step.pass, reads.Load(), step.want, err)
			}
		}
		if _, err := views.of(t.Context(), adminNamed("bea"), session.ID{}, read); err != nil || reads.Load() != 3 {
			t.Error("another admin sees somebody else's list")
		}
	})
}

func TestAReadingOutlivesItsPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		views := newViews()
		slow := func(ctx context.Context) (*consent.View, error) {
			time.Sleep(viewWait + 10*time.Second)
			return viewOf(3)(ctx)
		}
		if v, err := views.of(t.Context(), adminNamed("ada"), session.ID{}, slow); v != nil || err != nil {
			t.Errorf("while it is read: %v, %v", v, err)
		}
		left, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := views.of(left, adminNamed("ada"), session.ID{}, slow); !errors.Is(err, context.Canceled) {
			t.Errorf("whoever left: %v", err)
		}
		time.Sleep(15 * time.Second)
		if v, err := views.of(t.Context(), adminNamed("ada"), session.ID{}, nil); err != nil || v == nil || len(v.Rows) != 3 {
			t.Errorf("afterwards: %v, %v", v, err)
		}
	})
}

func TestAReadingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(ctx context.Context) (*consent.View, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		views := newViews()
		began := time.Now()
		for range 10 {
			if _, err := views.of(t.Context(), adminNamed("ada"), session.ID{}, stuck); err != nil {
				break
			}
			time.Sleep(time.Second) // not to ask at the very moment at which it ends
		}
		if took := time.Since(began); took > viewLimit+time.Second {
			t.Errorf("it took %v", took)
		}
		closing := make(chan struct{})
		views = &consentViews{now: time.Now, closing: closing}
		time.AfterFunc(time.Second, func() { close(closing) })
		began = time.Now()
		if _, err := views.of(t.Context(), adminNamed("ada"), session.ID{}, stuck); err == nil || time.Since(began) > 2*time.Second {
			t.Errorf("the process ends, the reading does not: %v", err)
		}
		if _, err := views.of(t.Context(), adminNamed("bea"), session.ID{}, func(context.Context) (*consent.View, error) { panic("x") }); err == nil {
			t.Error("a panic has no error")
		}
		synctest.Wait()
	})
}

func TestListsHaveBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		views := newViews()
		read := func(name string, rows int) {
			t.Helper()
			if _, err := views.of(t.Context(), adminNamed(name), session.ID{}, viewOf(rows)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		for i := range maxViews + 5 {
			read(fmt.Sprint(i), 10)
		}
		if len(views.views) != maxViews || views.known(adminNamed("0")) != nil || views.known(adminNamed(fmt.Sprint(maxViews+4))) == nil {
			t.Errorf("%d lists are kept", len(views.views))
		}
		read("large", maxViewRows-5)
		if views.rows > maxViewRows || views.known(adminNamed("large")) == nil {
			t.Errorf("%d rows are kept", views.rows)
		}
		read("too large", maxViewRows+1)
		if views.known(adminNamed("too large")) != nil {
			t.Error("a list beyond the bound is kept")
		}
		hold := make(chan struct{})
		var wait sync.WaitGroup
		for i := range maxReadings {
			wait.Go(func() {
				_, _ = views.of(t.Context(), adminNamed(fmt.Sprint("slow", i)), session.ID{}, func(ctx context.Context) (*consent.View, error) { <-hold; return viewOf(1)(ctx) })
			})
		}
		synctest.Wait()
		if _, err := views.of(t.Context(), adminNamed("one more"), session.ID{}, viewOf(1)); !apperr.IsKind(err, apperr.TooMany) {
			t.Errorf("one more at once: %v", err)
		}
		close(hold)
		wait.Wait()
	})
}

func TestAPartIsReadAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		views := newViews()
		gap := consent.Gap{What: "x", Err: errReadings}
		if v, err := views.of(t.Context(), adminNamed("ada"), session.ID{}, viewOf(1, gap)); err != nil || v.Whole() {
			t.Fatal(v, err)
		}
		time.Sleep(partialAge + time.Second)
		if v, err := views.of(t.Context(), adminNamed("ada"), session.ID{}, viewOf(2)); err != nil || !v.Whole() {
			t.Errorf("%v, %v", v, err)
		}
	})
}

func TestAChangeShowsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		views, ada := newViews(), adminNamed("ada")
		before, err := views.of(t.Context(), ada, session.ID{}, viewOf(3))
		if err != nil {
			t.Fatal(err)
		}
		views.amend(ada, func(v *consent.View) *consent.View { return v.Without(consent.Delegated, "1") })
		views.amend(ada, func(v *consent.View) *consent.View { return v.WithScopes("2", []string{"a"}) })
		after := views.known(ada)
		if len(after.Rows) != 2 || after.Row(consent.Delegated, "1") != nil || len(before.Rows) != 3 || views.rows != 2 {
			t.Errorf("%d rows, before %d, counted %d", len(after.Rows), len(before.Rows), views.rows)
		}
		if r := after.Row(consent.Delegated, "2"); len(r.Scopes) != 1 || r.Risk.Has(consent.RiskWrite) {
			t.Errorf("%+v", r)
		}
		views.forget(ada)
		if views.known(ada) != nil || views.rows != 0 {
			t.Error("forgotten, but there")
		}
		views.amend(ada, func(*consent.View) *consent.View { t.Error("nothing to amend"); return nil })
	})
}

// TestAForgottenReadingIsNotShown: whoever asks after a withdrawal or a refresh
// waits for a list that was read afterwards.
func TestAForgottenReadingIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		views, ada := newViews(), adminNamed("ada")
		release := make(chan struct{})
		var reads atomic.Int32
		read := func(ctx context.Context) (*consent.View, error) {
			n := int(reads.Add(1))
			if n == 1 {
				<-release
			}
			return viewOf(n)(ctx)
		}
		ask := func(rows int) <-chan struct{} {
			done := make(chan struct{})
			go func() {
				defer close(done)
				if v, err := views.of(t.Context(), ada, session.ID{}, read); err != nil || v == nil || len(v.Rows) != rows {
					t.Errorf("%+v, %v; want the list of reading %d", v, err, rows)
				}
			}()
			return done
		}
		before := ask(1)
		synctest.Wait()
		views.forget(ada)
		after := ask(2)
		synctest.Wait()
		close(release)
		<-before
		<-after
		if reads.Load() != 2 {
			t.Errorf("read %d times", reads.Load())
		}
	})
}

// TestAttackASessionThatEndsSpoilsNoOther: what one session cannot read because it
// was signed out is neither kept nor shown to the others of its person.
func TestAttackASessionThatEndsSpoilsNoOther(t *testing.T) {
	ended := apperr.New(apperr.Unauthenticated, "token_missing", "x")
	for name, spoilt := range map[string]func(context.Context) (*consent.View, error){
		"with a gap":  viewOf(1, consent.Gap{What: "x", Err: ended}),
		"as an error": func(context.Context) (*consent.View, error) { return nil, ended },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				views, ada := newViews(), adminNamed("ada")
				one, other := session.ID{1}, session.ID{2}
				release := make(chan struct{})
				var wait sync.WaitGroup
				wait.Go(func() {
					v, err := views.of(t.Context(), ada, one, func(ctx context.Context) (*consent.View, error) { <-release; return spoilt(ctx) })
					if err == nil && v.Whole() {
						t.Error("the session that ended has a whole list")
					}
				})
				synctest.Wait()
				wait.Go(func() {
					if v, err := views.of(t.Context(), ada, other, viewOf(7)); err != nil || len(v.Rows) != 7 || !v.Whole() {
						t.Errorf("the other session has %+v, %v", v, err)
					}
				})
				synctest.Wait()
				close(release)
				wait.Wait()
				if v := views.known(ada); v == nil || len(v.Rows) != 7 {
					t.Errorf("remembered is %+v", v)
				}
			})
		})
	}
}

// TestListsLeaveTheMemory: by age, also when nobody asks any more.
func TestListsLeaveTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		views := newViews()
		if _, err := views.of(t.Context(), adminNamed("ada"), session.ID{}, viewOf(3)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(viewAge + 2*time.Second)
		synctest.Wait()
		views.mu.Lock()
		defer views.mu.Unlock()
		if len(views.views) != 0 || views.rows != 0 {
			t.Errorf("%d lists, %d rows", len(views.views), views.rows)
		}
	})
}
