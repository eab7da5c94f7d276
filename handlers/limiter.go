package handlers

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"azts.internal/portal/internal/reqlog"
)

// limiter bounds how often one network may do something that anyone may do. It
// forgets everything each period, so that its memory is bounded by maxNetworks.
type limiter struct {
	most   int
	period time.Duration
	now    func() time.Time

	mu    sync.Mutex
	since time.Time
	seen  map[netip.Prefix]int
}

// maxNetworks bounds what a limiter remembers; beyond it everyone may, since
// refusing everyone would let a few lock out all.
const maxNetworks = 100_000

func newLimiter(most int, period time.Duration, now func() time.Time) *limiter {
	return &limiter{most: most, period: period, now: now, seen: make(map[netip.Prefix]int)}
}

// allow reports whether the client of the request may do it once more. An IPv6
// client is counted by its /64, of which it has all addresses.
func (l *limiter) allow(ctx context.Context) bool {
	client := reqlog.Client(ctx)
	if !client.IsValid() {
		return true
	}
	bits := 32
	if client.Is6() && !client.Is4In6() {
		bits = 64
	}
	network, err := client.Unmap().Prefix(bits)
	if err != nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.since) >= l.period {
		clear(l.seen)
		l.since = now
	}
	if l.seen[network] == 0 && len(l.seen) >= maxNetworks {
		return true
	}
	l.seen[network]++
	return l.seen[network] <= l.most
}
