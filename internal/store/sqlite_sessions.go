package store

import (
	"maps"
	"sync"
	"time"

	"azts.internal/portal/session"
)

// maxRemembered is how many session rows are remembered, of some 3 KB each.
const maxRemembered = 256

// sessionCache remembers session rows of a SQLite database, which belongs to
// this process alone (it holds a lock on the file): whatever ends a session passes through here
// first. PostgreSQL has no such cache, since other replicas end sessions too: a
// nil cache remembers nothing.
type sessionCache struct {
	mu   sync.Mutex
	rows map[session.ID]session.Record
	// ended counts the endings. A row that was read before one and arrives
	// after it is not remembered: it may be of the session that ended.
	ended uint64
}

func (c *sessionCache) get(id session.ID, now time.Time) (session.Record, bool) {
	if c == nil {
		return session.Record{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rec, ok := c.rows[id]
	return rec, ok && rec.EndsAt.After(now)
}

// before returns what put wants to know of the moment before the row was read.
func (c *sessionCache) before() uint64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

func (c *sessionCache) put(rec session.Record, before uint64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != before {
		return
	}
	if c.rows == nil {
		c.rows = make(map[session.ID]session.Record)
	}
	for old := range c.rows {
		if len(c.rows) < maxRemembered {
			break
		}
		delete(c.rows, old)
	}
	c.rows[rec.ID] = rec
}

// touch moves the limits of a remembered row, only ever forward.
func (c *sessionCache) touch(id session.ID, lastSeenAt, endsAt time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if rec, ok := c.rows[id]; ok && rec.LastSeenAt.Before(lastSeenAt) {
		rec.LastSeenAt, rec.EndsAt = lastSeenAt, endsAt
		c.rows[id] = rec
	}
}

// forget removes rows. It is called after the change is
// stored and before anyone is told of it.
func (c *sessionCache) forget(ids ...session.ID) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended++
	for _, id := range ids {
		delete(c.rows, id)
	}
}

// prune removes the rows that have ended by themselves.
func (c *sessionCache) prune(now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.rows, func(_ session.ID, rec session.Record) bool { return !rec.EndsAt.After(now) })
}
