package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
)

const (
	// scanChannel is the channel of PostgreSQL on which replicas tell each other
	// of changed scans.
	scanChannel = "portal_scans"
	// firstRedial and lastRedial are the pauses between tries to listen again.
	firstRedial = 250 * time.Millisecond
	lastRedial  = 10 * time.Second
	// listenLimit bounds the setting up of a line, aliveEvery the silence after
	// which it is tried: a line may die without a word.
	listenLimit = 10 * time.Second
	aliveEvery  = 15 * time.Second
)

// told is what a replica tells of a changed scan.
type told struct {
	From      string     `json:"from"` // the process
	Authority string     `json:"authority"`
	Subject   string     `json:"subject"`
	Scan      scan.ID    `json:"scan"`
	State     scan.State `json:"state"`
	Version   int64      `json:"version"`
	At        int64      `json:"at"` // microseconds
}

// tellScan tells the other replicas of a change, when t is committed.
func (db *DB) tellScan(ctx context.Context, t tx, s scan.Scan) error {
	return db.tellEvent(ctx, t, s.Owner, scan.Event{Scan: s.ID, State: s.State, Version: s.Version, At: s.ChangedAt})
}

func (db *DB) tellEvent(ctx context.Context, t tx, owner access.PersonID, e scan.Event) error {
	text, err := json.Marshal(told{db.process, owner.Authority, owner.Subject, e.Scan, e.State, e.Version, micros(e.At)})
	if err != nil {
		return err
	}
	return t.tell(ctx, scanChannel, string(text))
}

// newProcess names a process among the replicas.
func newProcess() string { return rand.Text() }

// ScanFeed returns the feed of changes that other processes store; nil for
// SQLite, whose file belongs to one process.
func (db *DB) ScanFeed() scan.Feed {
	if pg, ok := db.backend.(*postgresDB); ok {
		return &scanFeed{db: db, pg: pg}
	}
	return nil
}

type scanFeed struct {
	db *DB
	pg *postgresDB
}

// Tell implements scan.Feed.
func (f *scanFeed) Tell(ctx context.Context, owner access.PersonID, e scan.Event) error {
	return f.db.inTx(ctx, func(t tx) error { return f.db.tellEvent(ctx, t, owner, e) })
}

// Follow implements scan.Feed. It keeps one connection of its own, outside the
// pools: it is held as long as the process lives.
func (f *scanFeed) Follow(ctx context.Context, changed func(access.PersonID, scan.Event), missed func()) {
	pause := firstRedial
	for ctx.Err() == nil {
		begun := f.db.now()
		err := f.listen(ctx, changed, missed)
		if ctx.Err() != nil {
			return
		}
		f.db.log.WarnContext(ctx, "changes of scans on other replicas are not heard", "err", err)
		if f.db.now().Sub(begun) > lastRedial {
			pause = firstRedial // it had worked
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, lastRedial)
	}
}

// listen hears until the line breaks.
func (f *scanFeed) listen(ctx context.Context, changed func(access.PersonID, scan.Event), missed func()) error {
	dial, cancel := context.WithTimeout(ctx, listenLimit)
	defer cancel()
	conn, err := pgx.ConnectConfig(dial, f.pg.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bye) // it may be broken already
	}()
	if _, err := conn.Exec(dial, "LISTEN "+scanChannel); err != nil {
		return err
	}
	missed() // whatever was told while nobody listened
	for {
		wait, cancel := context.WithTimeout(ctx, aliveEvery)
		note, err := conn.WaitForNotification(wait)
		silent := err != nil && wait.Err() != nil && ctx.Err() == nil
		cancel()
		if silent {
			alive, cancel := context.WithTimeout(ctx, listenLimit)
			err := conn.Ping(alive)
			cancel()
			if err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		var t told
		if json.Unmarshal([]byte(note.Payload), &t) != nil || t.From == f.db.process {
			continue // of a later version, or our own
		}
		changed(access.PersonID{Authority: t.Authority, Subject: t.Subject},
			scan.Event{Scan: t.Scan, State: t.State, Version: t.Version, At: fromMicros(t.At)})
	}
}
