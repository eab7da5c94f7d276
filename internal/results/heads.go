package results

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
)

// maxHeads bounds the subscriptions of all heads that are remembered, of some 100
// bytes each; a head counts as one more than it has.
const maxHeads = 50_000

// heads remembers what is known of sets: pages ask for that of all of a person's,
// and opening and unpacking them takes most of the time.
type heads struct {
	mu    sync.Mutex
	known map[string]knownHead // by scan
	held  int                  // of known, as maxHeads counts them
}

type knownHead struct {
	mark [sha256.Size]byte // of the record it was opened from
	info Info
}

// mark changes with anything in a record: what is stored in another form must be
// opened, which may fail.
func (rec *SetRecord) mark() [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %d %d %d %d %d %d ", rec.ScanID, rec.Person.Authority, rec.Person.Subject, rec.State, rec.CreatedAt.UnixMicro(), rec.ChangedAt.UnixMicro(),
		rec.Rows, rec.Segments, rec.Bytes, rec.Version)
	h.Write(rec.Head)
	return [sha256.Size]byte(h.Sum(nil))
}

// get returns what is known of a set as it is stored.
func (h *heads) get(rec *SetRecord) (Info, bool) {
	mark := rec.mark()
	h.mu.Lock()
	defer h.mu.Unlock()
	one, found := h.known[rec.ScanID]
	if !found || one.mark != mark {
		return Info{}, false
	}
	info := one.info
	info.Subscriptions = slices.Clone(info.Subscriptions) // the caller's
	return info, true
}

// keep remembers what is known of a set. When there is no room it begins anew.
func (h *heads) keep(rec *SetRecord, info Info) {
	info.Subscriptions = slices.Clone(info.Subscriptions)
	mark := rec.mark()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(rec.ScanID)
	if h.held += len(info.Subscriptions) + 1; h.held > maxHeads || h.known == nil {
		h.known, h.held = map[string]knownHead{}, len(info.Subscriptions)+1
	}
	h.known[rec.ScanID] = knownHead{mark, info}
}

func (h *heads) forget(scanID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(scanID)
}

// drop removes a head, if it is there; the caller holds mu.
func (h *heads) drop(scanID string) {
	if one, found := h.known[scanID]; found {
		h.held -= len(one.info.Subscriptions) + 1
		delete(h.known, scanID)
	}
}
