package scan

import (
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

// Event says that a scan has changed; whoever needs more asks for the scan.
type Event struct {
	Scan    ID
	State   State
	Version int64 // of the scan: events of one scan can be put in order
	At      time.Time
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
