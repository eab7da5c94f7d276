package scan

import (
	"context"
	"errors"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
)

// gatherLimit is how long a look may wait for an earlier call of the same person
// to end, so that more looks share the next one.
const gatherLimit = 500 * time.Millisecond

var errLate = apperr.New(apperr.Timeout, "timeout", "AzTS did not answer in time.").
	WithNext(apperr.MenderPerson, "Nothing to do. It is asked again in a moment.").WithRetry()

// batcher lets the looks at one person's scans share calls for summaries: those
// that come while a call is under way go together in the next. The zero value
// needs its call set.
type batcher struct {
	call func(ctx context.Context, source azts.TokenSource, ids []string) ([]azts.Summary, error)

	mu     sync.Mutex
	owners map[access.PersonID]*calls
}

// calls are the calls of one person.
type calls struct {
	running int
	next    *batch // gathers while others run; nil when nobody waits
}

// batch is one call and those who wait for it.
type batch struct {
	ctx    context.Context
	cancel context.CancelFunc
	source azts.TokenSource
	ids    []string
	timer  *time.Timer // of the departure, nil if it left at once

	waiting int
	done    chan struct{} // closed when the answer is there
	answer  []azts.Summary
	err     error
}

// ask returns the summaries of a person's subscriptions, at most
// azts.MaxSubscriptions, and perhaps others of theirs. ctx ends the wait, the
// call only when nobody waits for it any more.
func (b *batcher) ask(ctx context.Context, owner access.PersonID, source azts.TokenSource, ids []string) ([]azts.Summary, error) {
	b.mu.Lock()
	mine := b.board(ctx, owner, source, ids)
	mine.waiting++
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if mine.waiting--; mine.waiting == 0 {
			mine.cancel()
		}
	}()
	select {
	case <-mine.done:
		return mine.answer, mine.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, errLate.Because(ctx.Err())
		}
		return nil, ctx.Err()
	}
}

// board finds the batch that ids go with. b.mu must be held.
func (b *batcher) board(ctx context.Context, owner access.PersonID, source azts.TokenSource, ids []string) *batch {
	of := b.owners[owner]
	if of == nil {
		if b.owners == nil {
			b.owners = map[access.PersonID]*calls{}
		}
		of = &calls{}
		b.owners[owner] = of
	}
	if of.next != nil && of.next.waiting > 0 && len(of.next.ids)+len(ids) <= azts.MaxSubscriptions {
		of.next.ids = append(of.next.ids, ids...)
		return of.next
	}
	one := &batch{source: source, ids: append([]string(nil), ids...), done: make(chan struct{})}
	one.ctx, one.cancel = context.WithTimeout(context.WithoutCancel(ctx), LookLimit)
	if of.running == 0 || of.next != nil {
		b.depart(owner, of, one)
		return one
	}
	of.next = one
	one.timer = time.AfterFunc(gatherLimit, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if of.next == one {
			b.depart(owner, of, one)
		}
	})
	return one
}

// depart makes the call. b.mu must be held.
func (b *batcher) depart(owner access.PersonID, of *calls, one *batch) {
	if one.timer != nil {
		one.timer.Stop()
	}
	if of.next == one {
		of.next = nil
	}
	of.running++
	go func() {
		one.answer, one.err = b.call(one.ctx, one.source, one.ids)
		close(one.done)
		one.cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		of.running--
		switch {
		case of.next != nil && of.running == 0:
			b.depart(owner, of, of.next)
		case of.next == nil && of.running == 0:
			delete(b.owners, owner)
		}
	}()
}
