package handlers

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/reqlog"
)

// limiter bounds how often one network may do something that anyone may do, or one
// person something that could be guessed at. It forgets everything each period, so
// that its memory is bounded by maxNetworks.
type limiter struct {
	most   int
	period time.Duration
	bits6  int // how long the prefix is by which an IPv6 client is counted
	now    func() time.Time

	mu    sync.Mutex
	since time.Time
	seen  map[any]int // by netip.Prefix or access.PersonID
}

// maxNetworks bounds what a limiter remembers; beyond it everyone may, since
// refusing everyone would let a few lock out all.
const maxNetworks = 100_000

func newLimiter(most int, period time.Duration, now func() time.Time) *limiter {
	return &limiter{most: most, period: period, bits6: 64, now: now, seen: make(map[any]int)}
}

// allow reports whether the client of the request may do it once more. An IPv6
// client is counted by its /64, of which it has all addresses.
func (l *limiter) allow(ctx context.Context) bool {
	network, ok := l.networkOf(ctx)
	return !ok || l.count(network)
}

// networkOf is by what the client of a request is counted; false where it is not
// known.
func (l *limiter) networkOf(ctx context.Context) (netip.Prefix, bool) {
	client := reqlog.Client(ctx)
	if !client.IsValid() {
		return netip.Prefix{}, false
	}
	bits := 32
	if client.Is6() && !client.Is4In6() {
		bits = l.bits6
	}
	network, err := client.Unmap().Prefix(bits)
	return network, err == nil
}

// used returns how often somebody did it in this period.
func (l *limiter) used(who any) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now().Sub(l.since) >= l.period {
		return 0
	}
	return l.seen[who]
}

// allowPerson reports whether a person may do it once more. People are counted
// apart from networks: a limiter is for one or the other.
func (l *limiter) allowPerson(id access.PersonID) bool { return l.count(id) }

func (l *limiter) count(who any) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.since) >= l.period {
		clear(l.seen)
		l.since = now
	}
	if l.seen[who] == 0 && len(l.seen) >= maxNetworks {
		return true
	}
	l.seen[who]++
	return l.seen[who] <= l.most
}

// crowd bounds in each minute what is done by one network and by all together,
// where nobody is known: an IPv6 client is counted by its /48, since a stranger
// can have very many of /64.
type crowd struct{ network, all *limiter }

func newCrowd(ofNetwork, inAll int, now func() time.Time) *crowd {
	c := &crowd{network: newLimiter(ofNetwork, time.Minute, now), all: newLimiter(inAll, time.Minute, now)}
	c.network.bits6 = 48
	return c
}

// fewAtTheEnd is how often a network may do it in a minute once half of the room for
// all is taken.
const fewAtTheEnd = 10

// allow reports whether the client of the request may do it once more. The second
// half of the room is for networks that have had little of it: else two of them took
// it all, and nobody else had any.
func (c *crowd) allow(ctx context.Context) bool {
	if !c.network.allow(ctx) {
		return false
	}
	if network, ok := c.network.networkOf(ctx); ok && 2*c.all.used(everybody) >= c.all.most && c.network.used(network) > fewAtTheEnd {
		return false
	}
	return c.all.count(everybody)
}

const everybody = "everybody"
