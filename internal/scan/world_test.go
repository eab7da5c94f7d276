package scan_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azhttp"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/scan/scantest"
)

const (
	sub1 = "00000000-0000-0000-0000-000000000001"
	sub2 = "00000000-0000-0000-0000-000000000002"
	sub3 = "00000000-0000-0000-0000-000000000003"
)

var (
	ann   = access.PersonID{Authority: "t", Subject: "ann"}
	bob   = access.PersonID{Authority: "t", Subject: "bob"}
	start = time.Date(2026, 9, 14, 13, 40, 45, 0, time.UTC)
)

// world is a scan service, an AzTS over real HTTP, and a clock that the test moves.
type world struct {
	t       *testing.T
	service *scan.Service
	records *scantest.Memory
	client  *azts.Client

	mu         sync.Mutex
	now        time.Time
	requests   int               // scan requests that AzTS has seen
	looks      int               // summaries that AzTS has been asked for
	modified   map[string]string // lastModifiedDateTime by subscription
	failed     int               // failedControlCount of each
	results    map[string]string // data of the results by subscription
	refuse     func(w http.ResponseWriter, r *http.Request) bool
	answer     func() string // of a scan request; "" means all queued
	signedIn   bool
	tokenError error            // instead of a token
	source     azts.TokenSource // instead of one whose token is always good
	log        logBuffer
}

// logBuffer takes what is logged by any goroutine.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// logged returns the log so far.
func (w *world) logged() string {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	return w.log.text.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, records: &scantest.Memory{}, now: start, modified: map[string]string{}, results: map[string]string{}, signedIn: true}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	client, err := azts.New(azhttp.Config{BaseURL: server.URL, Scope: "s", Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	w.client = client
	w.service, err = scan.New(scan.Config{Records: w.records, AzTS: client, Tokens: w, Log: slog.New(reqlog.Handler{Handler: slog.NewTextHandler(&w.log, nil)}), Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) { w.set(func() { w.now = w.now.Add(d) }) }

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// finish makes AzTS have new results for subscriptions now.
func (w *world) finish(subs ...string) {
	w.set(func() {
		for _, s := range subs {
			w.modified[s] = w.now.Format("01/02/2006 15:04:05")
			w.results[s] = `{"ControlName":"c"}`
		}
	})
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var body struct{ SubscriptionIDList []string }
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(text, &body)
	}
	if err != nil {
		w.t.Error(err)
	}
	asked := strings.HasSuffix(r.URL.Path, "/RequestScan")
	if asked {
		w.requests++
	}
	if w.refuse != nil && w.refuse(rw, r) {
		return
	}
	var list []string
	switch {
	case asked:
		if w.answer != nil {
			fmt.Fprint(rw, w.answer())
			return
		}
		for _, id := range body.SubscriptionIDList {
			list = append(list, w.queued(id))
		}
		fmt.Fprintf(rw, "[%s]", strings.Join(list, ","))
	case strings.HasSuffix(r.URL.Path, "/search"):
		w.looks++
		for _, id := range body.SubscriptionIDList {
			list = append(list, fmt.Sprintf(`{"subscriptionID":%q,"lastModifiedDateTime":%q,"failedControlCount":%d}`, id, w.modified[id], w.failed))
		}
		fmt.Fprintf(rw, `{"searchResults":[%s]}`, strings.Join(list, ","))
	default:
		fmt.Fprintf(rw, `{"data":[%s]}`, w.results[strings.Split(r.URL.Path, "/")[3]])
	}
}

func (w *world) queued(id string) string {
	return fmt.Sprintf(`{"subscriptionID":%q,"queueStatus":"Processing","scanRequestId":%q,"timeSpan":%q}`,
		id, w.now.Format("20060102150405"), w.now.Format("1/2/2006 3:04:05 PM"))
}

// AzTSToken implements scan.Tokens.
func (w *world) AzTSToken(_ context.Context, owner access.PersonID) (azts.TokenSource, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.signedIn || owner != ann {
		return nil, scan.ErrSignedOut
	}
	if w.tokenError != nil {
		return nil, w.tokenError
	}
	if w.source != nil {
		return w.source, nil
	}
	return token{}, nil
}

type token struct{}

func (token) Token(context.Context, string) (string, error) { return "t", nil }
func (token) Invalidate(context.Context, string, string)    {}

func (w *world) request(key string, subs ...string) (scan.Scan, error) {
	return w.service.Request(w.t.Context(), ann, token{}, subs, key)
}

func (w *world) mustRequest(subs ...string) scan.Scan {
	w.t.Helper()
	s, err := w.request("", subs...)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// look takes one look at the scan and returns it as it is then.
func (w *world) look(id scan.ID) (scan.Scan, time.Duration) {
	w.t.Helper()
	pause, err := w.service.Follow(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.service.Get(w.t.Context(), ann, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s, pause
}

// rest follows the scan to where it ends and returns how long that took.
func (w *world) rest(id scan.ID) (scan.Scan, time.Duration) {
	w.t.Helper()
	begun := w.clock()
	for range 2000 {
		s, pause := w.look(id)
		if pause == 0 {
			return s, w.clock().Sub(begun)
		}
		w.pass(pause)
	}
	w.t.Fatal("the scan does not end")
	panic("unreachable")
}

func want(t *testing.T, s scan.Scan, state scan.State, parts ...scan.PartState) {
	t.Helper()
	ok := s.State == state && len(s.Parts) == len(parts) && s.EndedAt.IsZero() != state.Ended()
	for i := range parts {
		ok = ok && s.Parts[i].State == parts[i]
	}
	if !ok {
		t.Fatalf("scan %+v, want %s %v", s, state, parts)
	}
}
