package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/reqlog"
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
	// resumeLimit is how long ago a browser may have left to be told what it
	// missed one by one, resumeTime bounds finding that out, and clockSlack is how
	// far the clocks of two replicas may be apart.
	resumeLimit = time.Hour
	resumeTime  = 3 * time.Second
	clockSlack  = 5 * time.Second
	// wakeAgain is when the scans that wait for the owner of a new stream are
	// woken once more: one that was just being looked at could not be.
	wakeAgain = time.Second
	// wakePause is how often new streams of one person do so.
	wakePause = 3 * time.Second
	// sendTime is how long a browser may take to take an event.
	sendTime = 10 * time.Second
)

// events is the area of live pages.
type events struct {
	*frame
	scans   *scan.Service // nil where AzTS is not configured
	broker  *entra.Broker
	slots   chan struct{}
	closing <-chan struct{}
	// going counts the streams: each outlives its request.
	going *sync.WaitGroup
	woken *limiter // people, by wakePause

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

// state is GET /session?leaving=: is somebody signed in, and until when; with
// leaving also how many scans will wait if they sign out, and how many repeated
// ones go on. It does not count as a request of the person. That nobody is signed in is an answer, not a failure:
// browsers show failures to whoever has their console open.
func (e *events) state(w http.ResponseWriter, r *http.Request) error {
	live, err := e.sessions.Peek(r)
	if err != nil {
		return err
	}
	var answer struct {
		SignedIn bool      `json:"signedIn"`
		EndsAt   time.Time `json:"endsAt,omitzero"`
		Mark     string    `json:"mark,omitempty"`
		Waiting  int       `json:"waiting,omitempty"`
		Repeats  int       `json:"repeats,omitempty"`
	}
	if live != nil && r.URL.Query().Has("leaving") {
		answer.Waiting, answer.Repeats = e.waiting(r.Context(), e.scans, e.broker, live), e.repeats(r.Context(), e.scans, live)
	}
	if live != nil {
		answer.SignedIn, answer.EndsAt, answer.Mark = true, live.EndsAt, mark(live)
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// stream is GET /events: one stream a browser, with all that concerns the
// person. Events of scans have an id; a browser that comes back with the last it
// saw first gets what changed since, whichever replica it reaches.
//
// Streams are many and do nothing most of the time, so the connection is taken
// over from the server: its buffers, the request and the deep stack that the
// guards needed go, and a tenth of the memory is left.
func (e *events) stream(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	leave, ok := e.enter(live.ID)
	if !ok {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil
	}
	s := &stream{events: e, person: live.User.ID, ref: refOf(r.Context()), end: min(streamAge, live.ExpiresAt.Sub(e.now()))}
	s.onEnd(leave)
	taken := false
	defer func() {
		if !taken {
			s.close()
		}
	}()
	ended, stop := e.sessions.Watcher().Watch(live.ID)
	s.ended = ended
	s.onEnd(stop)
	if e.scans != nil {
		changes, cancel := e.scans.Subscribe(live.User.ID)
		s.changes = changes
		s.onEnd(cancel)
	}
	// The session may have ended between its lookup and the watch.
	if still, err := e.sessions.Find(r.Context(), live.ID); err != nil {
		return err
	} else if still == nil {
		w.WriteHeader(http.StatusNoContent) // tells EventSource not to come back
		return nil
	}
	s.arrive(r.Context())

	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Connection", "close") // where the stream ends, the answer does
	h.Set("Date", e.now().UTC().Format(http.TimeFormat))
	var first bytes.Buffer
	first.WriteString("HTTP/1.1 200 OK\r\n")
	if err := h.Write(&first); err != nil {
		return err
	}
	first.WriteString("\r\nretry: " + strconv.Itoa(reconnect) + "\nevent: hello\ndata: {}\n\n")
	if last := r.Header.Get("Last-Event-ID"); last != "" && e.scans != nil {
		first.WriteString(e.since(r.Context(), live, last))
	}
	// Counted while the server still waits for this request: whoever stops it waits
	// for the streams afterwards.
	e.going.Add(1)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		e.going.Done()
		return fmt.Errorf("the connection of a stream cannot be taken over: %w", err)
	}
	taken = true
	s.conn, s.first = conn, first.Bytes()
	go s.live()
	return nil
}

// stream is one open stream. It holds as little as it can.
type stream struct {
	*events
	conn    net.Conn
	first   []byte // of the answer, until it is sent
	person  access.PersonID
	ref     string        // of the request that opened it, for the log
	wakes   bool          // the person's scans that wait, once more
	end     time.Duration // after which it ends by itself
	ended   <-chan struct{}
	changes <-chan scan.Event
	undo    [3]func() // to be done at the end, in the order they were added
	undos   int
}

func (s *stream) onEnd(f func()) {
	s.undo[s.undos] = f
	s.undos++
}

// close gives back what the stream holds, the last first.
func (s *stream) close() {
	for ; s.undos > 0; s.undos-- {
		s.undo[s.undos-1]()
	}
}

// arrive wakes the scans that wait for the person, unless another stream of theirs
// has just done so.
func (s *stream) arrive(ctx context.Context) {
	if s.wakes = s.woken.allowPerson(s.person); s.wakes {
		s.wake(ctx, s.scans, s.person)
	}
}

// live runs the stream, which is counted already, to its end.
func (s *stream) live() {
	defer s.going.Done()
	s.guarded(func() {
		begun := s.now()
		why := s.run()
		s.log.LogAttrs(s.context(), slog.LevelInfo, "stream ended", slog.String("why", why), slog.Duration("took", s.now().Sub(begun)))
	})
}

func (s *stream) context() context.Context {
	return reqlog.With(context.Background(), s.ref, netip.Addr{})
}

// guarded keeps a panic from ending the process: no server stands around a stream.
func (s *stream) guarded(f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.log.ErrorContext(s.context(), "panic in a stream", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	f()
}

const browserLeft = "the browser left"

// run writes until the browser leaves, the session ends, or it is time, and returns
// which it was.
func (s *stream) run() (why string) {
	defer s.close()
	gone := make(chan struct{})
	defer func() {
		_ = s.conn.Close() // nobody to tell
		<-gone
	}()
	s.going.Go(func() {
		defer close(gone)
		// A browser sends nothing more: whatever comes, the end most likely, is one.
		var one [1]byte
		_ = s.conn.SetReadDeadline(time.Time{}) // an error shows in Read
		_, _ = s.conn.Read(one[:])
	})
	if s.send(s.first) != nil {
		return browserLeft
	}
	s.first = nil
	again := time.NewTimer(wakeAgain)
	defer again.Stop()
	pulse := time.NewTicker(beat)
	defer pulse.Stop()
	end := time.NewTimer(s.end)
	defer end.Stop()
	for {
		var err error
		select {
		case <-gone:
			return browserLeft
		case <-s.closing:
			return "the portal stops"
		case <-end.C:
			return "it was time"
		case <-s.ended:
			_ = s.send([]byte("event: session-ended\ndata: {}\n\n")) // the last word; nobody to tell of a failure
			return "the session ended"
		case <-again.C:
			if s.wakes {
				// By another, so that this one's stack stays small.
				s.going.Go(func() { s.guarded(func() { s.wake(s.context(), s.scans, s.person) }) })
			}
		case <-pulse.C:
			err = s.send([]byte(": beat\n\n"))
		case change, ok := <-s.changes:
			if !ok {
				return "the browser was too slow" // it comes back and asks anew
			}
			err = s.send([]byte(scanEvent(change)))
		}
		if err != nil {
			return browserLeft
		}
	}
}

func (s *stream) send(text []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return err
	}
	_, err := s.conn.Write(text)
	return err
}

// wake lets the scans that wait for a person go on, who has just shown that they
// are back. scans may be nil.
func (f *frame) wake(ctx context.Context, scans *scan.Service, person access.PersonID) {
	if scans == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, resumeTime)
	defer cancel()
	if err := scans.Wake(ctx, person); err != nil {
		f.log.WarnContext(ctx, "waiting scans are not woken", "err", err) // they go on within a minute
	}
}

// since returns the events that a browser has missed since the last it saw. When
// that cannot be told, it is one that says that anything may have changed.
func (e *events) since(ctx context.Context, live *session.Session, last string) string {
	seen, ok := parseEventID(last)
	if !ok || e.now().Sub(seen.At) > resumeLimit {
		return scanEvent(scan.Event{})
	}
	ctx, cancel := context.WithTimeout(ctx, resumeTime)
	defer cancel()
	list, err := e.scans.Changed(ctx, live.User.ID, seen.At.Add(-clockSlack))
	if err != nil {
		e.log.WarnContext(ctx, "missed changes cannot be told", "err", err)
	}
	if err != nil || len(list) >= scan.MaxList {
		return scanEvent(scan.Event{})
	}
	var text strings.Builder
	for _, change := range list {
		if change.Scan != seen.Scan || change.Version > seen.Version {
			text.WriteString(scanEvent(change))
		}
	}
	return text.String()
}

// scanEvent returns an event as it goes over the line.
func scanEvent(change scan.Event) string {
	b, err := json.Marshal(struct {
		ID      string `json:"id,omitempty"` // none: any of them may have changed
		State   string `json:"state,omitempty"`
		Version int64  `json:"version,omitempty"`
	}{string(change.Scan), string(change.State), change.Version})
	if err != nil {
		return ": an event that cannot be told\n\n" // strings and numbers cannot fail
	}
	text := "event: scan\ndata: " + string(b) + "\n\n"
	if change.Scan == "" {
		return text
	}
	return "id: " + eventID(change) + "\n" + text
}

// eventID names the moment and the version of a change.
func eventID(change scan.Event) string {
	return fmt.Sprintf("%d.%d.%s", change.At.UnixMicro(), change.Version, change.Scan)
}

// parseEventID reads what eventID wrote; the browser may send anything.
func parseEventID(id string) (e scan.Event, ok bool) {
	at, rest, _ := strings.Cut(id, ".")
	version, name, ok := strings.Cut(rest, ".")
	micros, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil {
		return e, false
	}
	if e.Version, err = strconv.ParseInt(version, 10, 64); err != nil {
		return e, false
	}
	e.Scan, e.At = scan.ID(name), time.UnixMicro(micros)
	return e, true
}
