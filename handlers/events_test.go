package handlers

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
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
