package scan

import (
	"context"
	"slices"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
)

// Limits of live updates.
const (
	eventBuffer    = 32 // events that a subscriber may be behind
	maxSubscribers = 64 // of one person; the oldest gives way
)

// Event says that a scan has changed; whoever needs more asks for the scan. With
// an empty Scan it says that any may have: changes may have been missed.
type Event struct {
	Scan    ID
	State   State
	Version int64 // of the scan: events of one scan can be put in order
	At      time.Time
}

// Feed tells of changes that other processes have stored, and tells them of what
// is not stored with a scan.
type Feed interface {
	// Tell tells the other processes that more is known of a scan.
	Tell(ctx context.Context, owner access.PersonID, e Event) error
	// Follow calls changed for each, and missed when some may have been lost,
	// until ctx ends. It heals itself.
	Follow(ctx context.Context, changed func(access.PersonID, Event), missed func())
}

// Run passes on what other processes tell, until ctx ends. Where the database
// has one process only, it returns at once.
func (s *Service) Run(ctx context.Context) {
	if s.feed != nil {
		s.feed.Follow(ctx, s.hub.publish, s.hub.missed)
	}
}

// Changed returns the last change of each of the owner's scans that changed at
// or after since, oldest first, at most [MaxList].
func (s *Service) Changed(ctx context.Context, owner access.PersonID, since time.Time) ([]Event, error) {
	if owner.IsZero() {
		return nil, nil
	}
	list, err := s.records.ChangedScans(ctx, owner, since, MaxList)
	slices.Reverse(list)
	return list, err
}

// hub tells the subscribers of this process. Publishers never wait: a
// subscriber that falls behind is dropped by closing its channel, and comes back
// by itself.
type hub struct {
	mu     sync.Mutex
	closed bool
	byUser map[access.PersonID][]chan Event
}

// Subscribe returns the changes of the owner's scans from now on. The channel is
// closed when the subscriber falls behind, has too many siblings, or the service
// closes. cancel must be called once the channel is not read any more.
func (s *Service) Subscribe(owner access.PersonID) (events <-chan Event, cancel func()) {
	return s.hub.subscribe(owner)
}

// CloseSubscribers ends all live updates, now and in future: a server that shuts
// down waits for its open pages otherwise.
func (s *Service) CloseSubscribers() { s.hub.close() }

func (s *Service) publish(scan Scan) {
	s.hub.publish(scan.Owner, Event{Scan: scan.ID, State: scan.State, Version: scan.Version, At: scan.ChangedAt})
}

// progress tells of rows that were read since the last turn. The scan is as it was,
// so nothing is stored: who misses it hears of the next, or of the end.
func (s *Service) progress(ctx context.Context, scan *Scan) {
	e := Event{Scan: scan.ID, State: scan.State, Version: scan.Version, At: s.time()}
	s.hub.publish(scan.Owner, e)
	if s.feed == nil {
		return
	}
	if err := s.feed.Tell(ctx, scan.Owner, e); err != nil {
		s.log.WarnContext(ctx, "other processes do not hear of results that were read", "scan", scan.ID, "error", err)
	}
}

func (h *hub) subscribe(owner access.PersonID) (<-chan Event, func()) {
	ch := make(chan Event, eventBuffer)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(ch)
		return ch, func() {}
	}
	if h.byUser == nil {
		h.byUser = map[access.PersonID][]chan Event{}
	}
	if list := h.byUser[owner]; len(list) >= maxSubscribers {
		h.drop(owner, list[0])
	}
	h.byUser[owner] = append(h.byUser[owner], ch)
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drop(owner, ch)
	}
}

// drop closes ch unless that has happened before. h.mu must be held.
func (h *hub) drop(owner access.PersonID, ch chan Event) {
	list := h.byUser[owner]
	i := slices.Index(list, ch)
	if i < 0 {
		return
	}
	close(ch)
	if len(list) == 1 {
		delete(h.byUser, owner)
		return
	}
	h.byUser[owner] = slices.Delete(list, i, i+1)
}

func (h *hub) publish(owner access.PersonID, e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.send(owner, e)
}

// missed tells everybody that there may be changes they have not heard of.
func (h *hub) missed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for owner := range h.byUser {
		h.send(owner, Event{})
	}
}

// send tells one person. h.mu must be held.
func (h *hub) send(owner access.PersonID, e Event) {
	for _, ch := range slices.Clone(h.byUser[owner]) {
		select {
		case ch <- e:
		default:
			h.drop(owner, ch)
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, list := range h.byUser {
		for _, ch := range list {
			close(ch)
		}
	}
	h.byUser = nil
}
