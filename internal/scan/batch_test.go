package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azts"
)

// slowReads answers after a while with a summary for each id, and keeps the calls.
type slowReads struct {
	takes time.Duration
	mu    sync.Mutex
	calls [][]string
	ended []error // of calls that were called off
}

func (r *slowReads) call(ctx context.Context, _ azts.TokenSource, ids []string) ([]azts.Summary, error) {
	r.mu.Lock()
	r.calls = append(r.calls, slices.Clone(ids))
	r.mu.Unlock()
	select {
	case <-time.After(r.takes):
	case <-ctx.Done():
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended = append(r.ended, ctx.Err())
		return nil, ctx.Err()
	}
	out := make([]azts.Summary, len(ids))
	for i, id := range ids {
		out[i].SubscriptionID = id
	}
	return out, nil
}

func (r *slowReads) sizes() []int {
	var n []int
	for _, ids := range r.calls {
		n = append(n, len(ids))
	}
	return n
}

func TestLooksOfOnePersonShareCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := &slowReads{takes: 300 * time.Millisecond}
		b := &batcher{call: reads.call}
		ann, bob := access.PersonID{Subject: "ann"}, access.PersonID{Subject: "bob"}
		var wg sync.WaitGroup
		begun := time.Now()
		for n := range 40 {
			owner := ann
			if n == 39 {
				owner = bob
			}
			wg.Go(func() {
				id := fmt.Sprint(n)
				answer, err := b.ask(t.Context(), owner, nil, []string{id})
				if err != nil || !slices.ContainsFunc(answer, func(s azts.Summary) bool { return s.SubscriptionID == id }) {
					t.Errorf("%s: %v, %v", id, answer, err)
				}
			})
		}
		wg.Wait()
		if got := reads.sizes(); len(got) != 3 || slices.Max(got) != 38 || time.Since(begun) != 600*time.Millisecond {
			t.Errorf("calls with %v subscriptions in %v", got, time.Since(begun))
		}
		if len(b.owners) != 0 {
			t.Errorf("%d persons are remembered", len(b.owners))
		}
	})
}

func TestNoLookWaitsLongForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := &slowReads{takes: 15 * time.Second}
		b := &batcher{call: reads.call}
		ann := access.PersonID{Subject: "ann"}
		var wg sync.WaitGroup
		begun := time.Now()
		for range 2 {
			wg.Go(func() {
				if _, err := b.ask(t.Context(), ann, nil, []string{"x"}); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if took := time.Since(begun); took != 15*time.Second+gatherLimit {
			t.Errorf("the second look took %v", took)
		}
	})
}

func TestSharedCallHasAtMostAsManySubscriptionsAsAzTSTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := &slowReads{takes: time.Second}
		b := &batcher{call: reads.call}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := b.ask(t.Context(), access.PersonID{Subject: "ann"}, nil, make([]string, 60)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := reads.sizes(); len(got) != 5 || slices.Max(got) > azts.MaxSubscriptions {
			t.Errorf("calls with %v subscriptions", got)
		}
	})
}

// Who leaves ends nobody else's call; the last to leave ends it.
func TestCallEndsWithTheLastWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := &slowReads{takes: 10 * time.Second}
		b := &batcher{call: reads.call}
		ann := access.PersonID{Subject: "ann"}
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.ask(ctx, ann, nil, []string{"1"}); !errors.Is(err, context.Canceled) {
				t.Errorf("the one who left: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { _, _ = b.ask(ctx, ann, nil, []string{"2"}) })
		synctest.Wait()
		wg.Go(func() {
			if _, err := b.ask(t.Context(), ann, nil, []string{"3"}); err != nil {
				t.Errorf("the one who stayed: %v", err)
			}
		})
		synctest.Wait()
		leave()
		wg.Wait()
		synctest.Wait()
		if len(reads.ended) != 1 || !slices.Equal(reads.calls[1], []string{"2", "3"}) {
			t.Errorf("called off: %v, calls %v", reads.ended, reads.calls)
		}
	})
}

// countingAzTS counts the calls for summaries that no other look shares.
type countingAzTS struct {
	AzTS
	alone int
}

func (a *countingAzTS) Summaries(context.Context, azts.TokenSource, []string, []string) ([]azts.Summary, error) {
	a.alone++
	return nil, nil
}

// One subscription that makes AzTS fail takes the person's other scans along
// once, when they share a call, and not again.
func TestScanInTroubleAsksAlone(t *testing.T) {
	for _, c := range []struct {
		what    string
		state   State
		problem string
		alone   bool
	}{
		{"without a problem", Running, "", false},
		{"with a problem", Running, "service_failed", true},
		{"waiting for the owner, which no call can mend", Waiting, "claims_challenge", false},
	} {
		service, shared := &countingAzTS{}, 0
		s := &Service{azts: service}
		s.reads.call = func(context.Context, azts.TokenSource, []string) ([]azts.Summary, error) {
			shared++
			return nil, nil
		}
		if _, err := s.summaries(t.Context(), &Scan{State: c.state, Problem: Problem{Code: c.problem}}, nil, []string{"x"}); err != nil {
			t.Error(err)
		}
		if (service.alone == 1) != c.alone || service.alone+shared != 1 {
			t.Errorf("%s: %d calls alone, %d shared", c.what, service.alone, shared)
		}
	}
}
