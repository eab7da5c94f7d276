package handlers

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
)

const (
	// beat keeps proxies from closing a stream on which nothing happens.
	beat = 15 * time.Second
	// streamAge is when a stream ends by itself; the browser opens another at
	// once, which also spreads the streams over replicas.
	streamAge = 30 * time.Minute
	// reconnect is how long a browser waits before that, in milliseconds.
	reconnect = 1000
	// maxStreams bounds the open pages of one process, maxOwnStreams those of one
	// session: a browser needs one.
	maxStreams    = 10_000
	maxOwnStreams = 16
)

// events is the area of live pages.
type events struct {
	*frame
	scans   *scan.Service // nil where AzTS is not configured
	slots   chan struct{}
	closing <-chan struct{}

	mu      sync.Mutex
	streams map[session.ID]int
}

// enter takes a place for one more stream of a session; leave gives it back.
func (e *events) enter(id session.ID) (leave func(), ok bool) {
	select {
	case e.slots <- struct{}{}:
	default:
		return nil, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.streams[id] >= maxOwnStreams {
		<-e.slots
		return nil, false
	}
	e.streams[id]++
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.streams[id]--; e.streams[id] == 0 {
			delete(e.streams, id)
		}
		<-e.slots
	}, true
}

// state is GET /session: is somebody signed in, and until when. It does not
// count as a request of the person. That nobody is signed in is an answer, not
// a failure: browsers show failures to whoever has their console open.
func (e *events) state(w http.ResponseWriter, r *http.Request) error {
	live, err := e.sessions.Peek(r)
	if err != nil {
		return err
	}
	var answer struct {
		SignedIn bool      `json:"signedIn"`
		EndsAt   time.Time `json:"endsAt,omitzero"`
		Mark     string    `json:"mark,omitempty"`
	}
	if live != nil {
		answer.SignedIn, answer.EndsAt, answer.Mark = true, live.EndsAt, mark(live)
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// stream is GET /events: one stream a browser, with all that concerns the
// person. The first event tells the state, so that whatever was missed while
// the line was down is asked for again by the page.
func (e *events) stream(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	leave, ok := e.enter(live.ID)
	if !ok {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil
	}
	defer leave()
	ended, stop := e.sessions.Watcher().Watch(live.ID)
	defer stop()
	var changes <-chan scan.Event
	if e.scans != nil {
		events, cancel := e.scans.Subscribe(live.User.ID)
		defer cancel()
		changes = events
	}
	// The session may have ended between its lookup and the watch.
	if still, err := e.sessions.Find(r.Context(), live.ID); err != nil {
		return err
	} else if still == nil {
		w.WriteHeader(http.StatusNoContent) // tells EventSource not to come back
		return nil
	}

	control := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	send := func(text string) error {
		if err := control.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return control.Flush()
	}
	if err := send("retry: " + strconv.Itoa(reconnect) + "\nevent: hello\ndata: {}\n\n"); err != nil {
		return nil // the browser left
	}
	pulse := time.NewTicker(beat)
	defer pulse.Stop()
	end := time.NewTimer(min(streamAge, live.ExpiresAt.Sub(e.now())))
	defer end.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return nil
		case <-e.closing:
			return nil
		case <-end.C:
			return nil
		case <-ended:
			_ = send("event: session-ended\ndata: {}\n\n") // the last word; nobody to tell of a failure
			return nil
		case <-pulse.C:
			err = send(": beat\n\n")
		case change, ok := <-changes:
			if !ok {
				return nil // too slow; the browser comes back and asks anew
			}
			err = send("event: scan\ndata: " + scanEvent(change) + "\n\n")
		}
		if err != nil {
			return nil // the browser left
		}
	}
}

func scanEvent(change scan.Event) string {
	b, err := json.Marshal(struct {
		ID string `json:"id"`
	}{string(change.Scan)})
	if err != nil {
		return "{}" // a string cannot fail
	}
	return string(b)
}
