package handlers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/session"
)

const (
	// viewAge is how long a list of consent is shown again: reading one of 20,000
	// grants takes Graph many seconds. The page says how old it is.
	viewAge = 5 * time.Minute
	// partialAge is the same for one that lacks something: Graph may have
	// recovered.
	partialAge = 20 * time.Second
	// viewLimit bounds the reading of a list, viewWait how long a page waits for it.
	viewLimit = 2 * time.Minute
	viewWait  = 20 * time.Second
	// maxViews and maxViewRows bound what is remembered, a row being some 700 bytes.
	maxViews    = 16
	maxViewRows = 100_000
	// maxReadings bounds the lists that are being read at the same moment.
	maxReadings = 4
)

// consentViews remembers the lists that admins look at, one a person: Graph shows
// each of them what their own rights allow. By person and not by session, since a
// visit to the tenant for one more permission gives the session a new id.
type consentViews struct {
	now     func() time.Time
	closing <-chan struct{}

	mu      sync.Mutex
	views   map[access.PersonID]*consent.View // whole or in parts, never one that lacks its reader
	rows    int                               // of views
	reading map[access.PersonID]*reading
}

// reading is a list on its way, for all who wait for it.
type reading struct {
	by    session.ID    // whose tokens it is read with
	done  chan struct{} // closed when view and err are there
	view  *consent.View
	err   error
	stale bool // forgotten meanwhile: good for those who waited before, no longer
}

// personal reports whether a reading ended as it did because of the session that
// read, such as one that was signed out in the middle: no other session of the
// person should see that.
func (r *reading) personal() bool {
	if r.err != nil {
		return apperr.IsKind(r.err, apperr.Unauthenticated)
	}
	return r.view != nil && slices.ContainsFunc(r.view.Gaps, func(g consent.Gap) bool { return apperr.IsKind(g.Err, apperr.Unauthenticated) })
}

var errReadings = apperr.New(apperr.TooMany, "consent_lists_many", "Other administrators are having their lists read at the moment.").
	WithNext(apperr.MenderPerson, "Wait a minute and try again.").WithRetry()

// of returns the list of a person, reading it with read if there is none that is
// young enough; one reading serves all requests at once that came before it was
// forgotten. by is the session that asks. nil without an error says that it is
// still being read.
func (c *consentViews) of(ctx context.Context, id access.PersonID, by session.ID, read func(context.Context) (*consent.View, error)) (*consent.View, error) {
	patience := time.NewTimer(viewWait)
	defer patience.Stop()
	for {
		c.mu.Lock()
		c.sweep()
		if v := c.views[id]; v != nil {
			c.mu.Unlock()
			return v, nil
		}
		one := c.reading[id]
		if one == nil {
			if len(c.reading) >= maxReadings {
				c.mu.Unlock()
				return nil, errReadings
			}
			one = &reading{by: by, done: make(chan struct{})}
			if c.reading == nil {
				c.reading = make(map[access.PersonID]*reading)
			}
			c.reading[id] = one
			go c.lead(context.WithoutCancel(ctx), id, one, read)
		}
		fresh := !one.stale
		c.mu.Unlock()
		select {
		case <-one.done:
			// Else read again: it began before the list was forgotten, or only
			// says that the other session ended.
			if fresh && (one.by == by || !one.personal()) {
				return one.view, one.err
			}
		case <-patience.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// sweep drops the lists that are too old to be shown; the caller holds mu.
func (c *consentViews) sweep() {
	for id, v := range c.views {
		if c.now().Sub(v.AsOf) >= ageOf(v) {
			c.drop(id)
		}
	}
}

func ageOf(v *consent.View) time.Duration {
	if v.Whole() {
		return viewAge
	}
	return partialAge
}

// lead reads for all who wait. It ends with viewLimit or with the process, and
// whoever waits goes on whatever happens.
func (c *consentViews) lead(ctx context.Context, id access.PersonID, one *reading, read func(context.Context) (*consent.View, error)) {
	ctx, cancel := context.WithTimeout(ctx, viewLimit)
	defer cancel()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.reading, id)
		if one.err == nil && !one.stale && !one.personal() {
			c.remember(id, one.view)
			// By then it is too old, and what an organization granted to whom
			// stays in no memory longer than it is shown.
			time.AfterFunc(ageOf(one.view)+time.Second, func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.sweep()
			})
		}
		close(one.done)
	}()
	go func() {
		select {
		case <-c.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			one.view, one.err = nil, fmt.Errorf("reading a list of consent: panic: %v", p)
		}
	}()
	one.view, one.err = read(ctx)
}

// remember keeps a list; the caller holds mu. What is too old goes first, then
// the oldest; a list that does not fit at all is not kept.
func (c *consentViews) remember(id access.PersonID, v *consent.View) {
	c.drop(id)
	c.sweep()
	for len(c.views) >= maxViews || len(c.views) > 0 && c.rows+len(v.Rows) > maxViewRows {
		var oldest access.PersonID
		for other, view := range c.views {
			if oldest.IsZero() || view.AsOf.Before(c.views[oldest].AsOf) {
				oldest = other
			}
		}
		c.drop(oldest)
	}
	if len(v.Rows) > maxViewRows {
		return
	}
	if c.views == nil {
		c.views = make(map[access.PersonID]*consent.View)
	}
	c.views[id] = v
	c.rows += len(v.Rows)
}

// drop removes a list, if it is there; the caller holds mu.
func (c *consentViews) drop(id access.PersonID) {
	if v := c.views[id]; v != nil {
		c.rows -= len(v.Rows)
		delete(c.views, id)
	}
}

// forget makes the next list a fresh one.
func (c *consentViews) forget(id access.PersonID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(id)
	if one := c.reading[id]; one != nil {
		one.stale = true
	}
}

// amend changes the list that is remembered after a change of one row: reading
// thousands again would take long, and Graph shows changes late.
func (c *consentViews) amend(id access.PersonID, change func(*consent.View) *consent.View) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.reading[id]; one != nil {
		one.stale = true
	}
	if v := c.views[id]; v != nil {
		c.remember(id, change(v))
	}
}

// known returns the list that is remembered, at most [viewAge] old; nil for none. It asks
// nobody.
func (c *consentViews) known(id access.PersonID) *consent.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep()
	return c.views[id]
}
