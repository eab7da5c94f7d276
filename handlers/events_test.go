package handlers

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
)

// changes are the records of scans that changed.
type changes struct {
	scan.Records
	list  []scan.Event // newest first
	err   error
	since time.Time
}

func (c *changes) ChangedScans(_ context.Context, _ access.PersonID, since time.Time, limit int) ([]scan.Event, error) {
	c.since = since
	return slices.Clone(c.list[:min(limit, len(c.list))]), c.err
}

type noAzTS struct {
	scan.AzTS
	scan.Tokens
}

func TestWhatABrowserMissedIsToldFirst(t *testing.T) {
	now := time.Date(2026, 9, 14, 13, 40, 45, 123456000, time.UTC)
	records := &changes{}
	service, err := scan.New(scan.Config{Records: records, AzTS: noAzTS{}, Tokens: noAzTS{}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	e := &events{frame: &frame{now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)}, scans: service}
	live := &session.Session{Content: session.Content{User: access.User{ID: access.PersonID{Authority: "t", Subject: "ann"}}}}
	change := func(id string, version int64, ago time.Duration) scan.Event {
		return scan.Event{Scan: scan.ID(id), State: scan.Running, Version: version, At: now.Add(-ago)}
	}
	records.list = []scan.Event{change("b", 3, time.Second), change("a", 2, time.Minute), change("c", 7, time.Minute)}

	said := e.since(t.Context(), live, eventID(change("a", 2, time.Minute)))
	if strings.Contains(said, `"a"`) || strings.Index(said, `"c"`) > strings.Index(said, `"b"`) || strings.Count(said, "event: scan") != 2 {
		t.Errorf("said %q", said)
	}
	if want := now.Add(-time.Minute - clockSlack); !records.since.Equal(want) {
		t.Errorf("asked since %v, want %v", records.since, want)
	}
	if said = e.since(t.Context(), live, eventID(change("a", 1, time.Minute))); !strings.Contains(said, `"a"`) {
		t.Errorf("a later version of the last one is missing: %q", said)
	}
	const anything = "event: scan\ndata: {}\n\n"
	for _, last := range []string{"x", "1", "1.2", "..", "a.b.c", strings.Repeat("9", 40) + ".1.a", eventID(change("a", 2, 2*time.Hour))} {
		if said = e.since(t.Context(), live, last); said != anything {
			t.Errorf("after %q: %q", last, said)
		}
	}
	records.err = errors.New("no database")
	if said = e.since(t.Context(), live, eventID(change("a", 2, time.Minute))); said != anything {
		t.Errorf("without a database: %q", said)
	}
}

// broken are records that fail as code does.
type broken struct {
	scan.Records
	woken chan struct{}
}

func (b *broken) HurryScans(context.Context, access.PersonID) error {
	b.woken <- struct{}{}
	if len(b.woken) > 1 {
		panic("broken")
	}
	return nil
}

// TestStreamOutlivesAPanic: what wakes the scans of a person breaks nothing else, is
// done once for all that they have open, and the end of a stream is logged.
func TestStreamOutlivesAPanic(t *testing.T) {
	records := &broken{woken: make(chan struct{}, 9)}
	service, err := scan.New(scan.Config{Records: records, AzTS: noAzTS{}, Tokens: noAzTS{}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	f, out := newFrame(t)
	e := &events{frame: f, scans: service, going: &sync.WaitGroup{}, woken: newLimiter(1, time.Minute, time.Now)}
	one, two := net.Pipe()
	s := &stream{events: e, conn: one, first: []byte("hello"), end: time.Minute, person: ann.User.ID}
	for _, s := range []*stream{s, {events: e, person: ann.User.ID}} {
		s.arrive(t.Context())
	}
	if len(records.woken) != 1 {
		t.Errorf("%d times for two streams", len(records.woken))
	}
	e.going.Add(1)
	go s.live()
	hello := make([]byte, 5)
	if _, err := io.ReadFull(two, hello); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(10 * time.Second); len(records.woken) < 2; {
		select {
		case <-deadline:
			t.Fatal("the scans are not woken again")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := two.Close(); err != nil {
		t.Error(err)
	}
	e.going.Wait()
	if n := len(out.lines(t, "panic in a stream")); n != 1 {
		t.Errorf("%d panics are logged", n)
	}
	if ends := out.lines(t, "stream ended"); len(ends) != 1 || ends[0]["why"] != browserLeft {
		t.Errorf("ends are logged as %v", ends)
	}
}
