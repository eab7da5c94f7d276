package session

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// watchEvery is how often the database is asked whether watched sessions still
// live: a session may end on another replica, or by time alone. Open pages say
// so within five seconds.
const watchEvery = 2 * time.Second

// Watcher tells whoever shows something personal that its session ended.
type Watcher struct {
	records Records
	now     func() time.Time
	log     *slog.Logger

	mu      sync.Mutex
	watched map[ID]map[*watch]struct{}
}

type watch struct{ ended chan struct{} }

func newWatcher(records Records, now func() time.Time, log *slog.Logger) *Watcher {
	return &Watcher{records: records, now: now, log: log, watched: make(map[ID]map[*watch]struct{})}
}

// Watch returns a channel that is closed when the session ends. Call stop when
// nobody looks at it any more.
func (w *Watcher) Watch(id ID) (ended <-chan struct{}, stop func()) {
	one := &watch{ended: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watched[id] == nil {
		w.watched[id] = make(map[*watch]struct{})
	}
	w.watched[id][one] = struct{}{}
	return one.ended, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watched[id], one)
		if len(w.watched[id]) == 0 {
			delete(w.watched, id)
		}
	}
}

// Ended tells the watchers of sessions that ended here.
func (w *Watcher) Ended(ids ...ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		for one := range w.watched[id] {
			close(one.ended)
		}
		delete(w.watched, id)
	}
}

// Run looks after the watched sessions until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := w.Check(ctx); err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "looking after open pages", "err", err)
			}
		}
	}
}

// Check asks once which of the watched sessions still live and tells the
// watchers of the others.
func (w *Watcher) Check(ctx context.Context) error {
	w.mu.Lock()
	ids := make([]ID, 0, len(w.watched))
	for id := range w.watched {
		ids = append(ids, id)
	}
	w.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	live, err := w.records.LiveSessions(ctx, ids, w.now())
	if err != nil {
		return err // nobody is signed out because a database is slow
	}
	alive := make(map[ID]struct{}, len(live))
	for _, id := range live {
		alive[id] = struct{}{}
	}
	for _, id := range ids {
		if _, ok := alive[id]; !ok {
			w.Ended(id)
		}
	}
	return nil
}
