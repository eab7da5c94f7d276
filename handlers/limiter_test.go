package handlers

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"azts.internal/portal/internal/reqlog"
)

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	l := newLimiter(3, time.Minute, func() time.Time { return now })
	allowed := func(addr string, times int) (n int) {
		for range times {
			if l.allow(from(t.Context(), addr)) {
				n++
			}
		}
		return n
	}
	if n := allowed("198.51.100.7", 10); n != 3 {
		t.Errorf("%d of 10 were allowed, want 3", n)
	}
	if n := allowed("198.51.100.8", 1); n != 1 {
		t.Error("another address pays for the first")
	}
	// The same IPv4 address, as a socket for both versions reports it.
	if n := allowed("::ffff:198.51.100.7", 1); n != 0 {
		t.Error("an IPv4 address counts twice")
	}
	// All of a /64 is one client's.
	n := 0
	for i := range 10 {
		n += allowed(fmt.Sprintf("2001:db8:0:1::%x", i+1), 1)
	}
	if n != 3 {
		t.Errorf("%d of 10 addresses of one /64 were allowed, want 3", n)
	}
	if n := allowed("2001:db8:0:2::1", 1); n != 1 {
		t.Error("another /64 pays for the first")
	}
	// Nobody is refused because their address is not known.
	if n := allowed("", 10); n != 10 || !l.allow(context.Background()) {
		t.Errorf("%d of 10 without an address were allowed", n)
	}
	now = now.Add(time.Minute - time.Nanosecond)
	if n := allowed("198.51.100.7", 1); n != 0 {
		t.Error("forgotten before the period ended")
	}
	now = now.Add(time.Nanosecond)
	if n := allowed("198.51.100.7", 10); n != 3 {
		t.Errorf("in the next period %d were allowed, want 3", n)
	}
}

func TestAttackLimiterMemory(t *testing.T) {
	l := newLimiter(1, time.Hour, time.Now)
	addr := netip.MustParseAddr("10.0.0.0")
	for range maxNetworks + 1000 {
		if !l.allow(reqlog.With(t.Context(), "", addr)) {
			t.Fatalf("%v is refused at its first attempt", addr)
		}
		addr = addr.Next()
	}
	if len(l.seen) > maxNetworks {
		t.Errorf("%d networks are remembered", len(l.seen))
	}
	if l.allow(from(t.Context(), "10.0.0.0")) {
		t.Error("a network that is known is no longer counted")
	}
}

// TestAttackTwoNetworksTakeAllTheRoom: a few networks that use up the room of all
// leave some to those that have had little of it.
func TestAttackTwoNetworksTakeAllTheRoom(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	c := newCrowd(120, 200, func() time.Time { return now })
	allowed := func(addr string, times int) (n int) {
		for range times {
			if c.allow(from(t.Context(), addr)) {
				n++
			}
		}
		return n
	}
	first, second := allowed("203.0.113.1", 300), allowed("203.0.113.2", 300)
	if first < 50 || first+second > 120 {
		t.Errorf("two networks have %d and %d of 200", first, second)
	}
	if n := allowed("198.51.100.20", 3); n != 3 {
		t.Errorf("another network has %d of 3", n)
	}
	if n := allowed("", 3); n != 3 {
		t.Errorf("who has no address has %d of 3", n)
	}
	now = now.Add(time.Minute)
	if n := allowed("203.0.113.1", 60); n != 60 {
		t.Errorf("in the next minute %d of 60", n)
	}
}
