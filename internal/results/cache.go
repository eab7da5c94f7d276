package results

import (
	"container/list"
	"context"
	"sync"
)

// cacheKey names one state of one set.
type cacheKey struct {
	scanID, generation string
	version            int64
}

// cache keeps decoded sets, the ones used last, up to a number of bytes. The one
// used last stays even if it is larger: to decode it anew for each page would
// need the same memory, over and over. Whoever asks for a set that is just being
// decoded waits for it.
type cache struct {
	budget int64

	mu     sync.Mutex
	used   int64
	recent list.List // of *cached, the one used last in front
	sets   map[string]*list.Element
	coming map[cacheKey]*flight
}

type cached struct {
	key   cacheKey
	set   *Set
	bytes int64
}

// flight is a set that is being decoded. set and err may be read once done is closed.
type flight struct {
	done chan struct{}
	set  *Set
	err  error
}

// get returns a set from memory or from decode, whose context outlives the
// caller's: others may wait for it.
func (c *cache) get(ctx context.Context, key cacheKey, decode func(context.Context) (*Set, error)) (*Set, error) {
	set, f, ours := c.look(key)
	if set != nil {
		return set, nil
	}
	if ours {
		f.err = errSegment // stays if decode panics
		defer c.land(key, f)
		f.set, f.err = decode(context.WithoutCancel(ctx))
		return f.set, f.err
	}
	select {
	case <-f.done:
		return f.set, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// look returns the set, or the flight that brings it; ours says that the caller
// has to fly it.
func (c *cache) look(key cacheKey) (set *Set, f *flight, ours bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if set := c.kept(key); set != nil {
		return set, nil, false
	}
	if f := c.coming[key]; f != nil {
		return nil, f, false
	}
	if c.coming == nil {
		c.coming, c.sets = map[cacheKey]*flight{}, map[string]*list.Element{}
	}
	f = &flight{done: make(chan struct{})}
	c.coming[key] = f
	return nil, f, true
}

// kept returns a set that is in memory, or nil. The caller holds the lock.
func (c *cache) kept(key cacheKey) *Set {
	e := c.sets[key.scanID]
	if e == nil || e.Value.(*cached).key != key {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cached).set
}

// peek is kept for those who can do without.
func (c *cache) peek(key cacheKey) *Set {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept(key)
}

func (c *cache) land(key cacheKey, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.coming, key)
	close(f.done)
	if f.err != nil {
		return
	}
	if e := c.sets[key.scanID]; e != nil {
		if old := e.Value.(*cached); old.key.generation == key.generation && old.key.version > key.version {
			return // a later state came meanwhile
		}
		c.remove(e)
	}
	entry := &cached{key: key, set: f.set, bytes: f.set.bytes()}
	c.sets[key.scanID] = c.recent.PushFront(entry)
	c.used += entry.bytes
	for c.used > c.budget && c.recent.Len() > 1 {
		c.remove(c.recent.Back())
	}
}

func (c *cache) remove(e *list.Element) {
	entry := c.recent.Remove(e).(*cached)
	delete(c.sets, entry.key.scanID)
	c.used -= entry.bytes
}

// forget drops the set of a scan.
func (c *cache) forget(scanID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.sets[scanID]; e != nil {
		c.remove(e)
	}
}
