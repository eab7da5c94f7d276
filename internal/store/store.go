package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/riverqueue/river"
)

// ErrNotFound says that there is no such row.
var ErrNotFound = errors.New("store: not found")

// row is the one row a query expects; Scan returns [ErrNotFound] when there is none.
type row interface {
	Scan(dest ...any) error
}

// rows is the answer of a query with any number of rows.
type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close()
}

// conn runs queries, in a transaction or on its own.
type conn interface {
	exec(ctx context.Context, query string, args ...any) (affected int64, err error)
	query(ctx context.Context, query string, args ...any) (rows, error)
	queryRow(ctx context.Context, query string, args ...any) row
}

// tx is a transaction that can also work with jobs and tell other processes.
type tx interface {
	conn
	// enqueue adds a job and returns its id.
	enqueue(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (int64, error)
	// hurry makes a job due now, unless it is running or gone.
	hurry(ctx context.Context, job int64) error
	// tell sends a text to whoever listens to the channel, once the transaction
	// is committed. There is nobody else with a SQLite file.
	tell(ctx context.Context, channel, text string) error
}

// backend is one of the two databases.
type backend interface {
	conn
	inTx(ctx context.Context, do func(tx) error) error
	lock(ctx context.Context, name string) (unlock func(), err error)
	migrate(ctx context.Context) error
	newJobs(config *river.Config) (jobClient, error)
	ping(ctx context.Context) error
	// scrub takes what was deleted out of the database's files, as far as that is
	// ours to do.
	scrub(ctx context.Context) error
	close() error
}

// jobClient is what River's client is to us, whatever its transaction type.
type jobClient interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	backend
	remembered *sessionCache // nil for PostgreSQL
	log        *slog.Logger
	now        func() time.Time
	process    string // what this process is called among the replicas
}

// Open opens the database that url names, "sqlite:PATH" or "postgres://…", and
// brings its schema up to date. A SQLite file is made if it is missing,
// readable by its owner only.
func Open(ctx context.Context, url string, now func() time.Time, log *slog.Logger) (*DB, error) {
	var b backend
	var err error
	var remembered *sessionCache
	switch {
	case strings.HasPrefix(url, "sqlite:"):
		b, err = openSQLite(strings.TrimPrefix(url, "sqlite:"), log)
		remembered = &sessionCache{}
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		b, err = openPostgres(ctx, url, log)
	default:
		return nil, errors.New("store: the database URL begins with neither sqlite: nor postgres://")
	}
	if err != nil {
		return nil, err
	}
	if err := b.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store: bringing the schema up to date: %w", err), b.close())
	}
	return &DB{backend: b, remembered: remembered, log: log, now: now, process: newProcess()}, nil
}

// Close closes the database. Stop the jobs first.
func (db *DB) Close() error { return db.close() }

// Ping reports whether the database answers and, after a write has found no
// room, whether there is room again: else the error's code is storage_full.
func (db *DB) Ping(ctx context.Context) error { return db.ping(ctx) }

// storable reports whether a text can stand in both databases: PostgreSQL
// refuses others, even in a condition, so no row can have one.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// limitTo returns a LIMIT clause. The number stands in the text, since SQLite
// prepares a statement with a parameter there anew at each use, to plan for its
// value. Callers have a few fixed limits.
func limitTo(n int) string { return "LIMIT " + strconv.Itoa(n) }

// collect reads all rows with scan and closes them.
func collect[T any](r rows, err error, scan func(row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []T
	for r.Next() {
		v, err := scan(r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, r.Err()
}
