package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// sqliteDB is SQLite: one connection that writes, since SQLite has one writer
// at a time and waiting in Go is cheaper and fairer than SQLITE_BUSY, and a few
// that only read.
type sqliteDB struct {
	room
	write, read *sql.DB
	writeStmts  statements
	readStmts   statements
	jobs        *river.Client[*sql.Tx]
	owner       *flock.Flock
	log         *slog.Logger
}

// busyTimeout is how long a connection waits for another, in milliseconds.
const busyTimeout = 5000

// errOwned says that another process has the database open.
var errOwned = errors.New("another portal uses this SQLite file; several replicas need PostgreSQL")

// errLinked says that the file has hard links.
var errLinked = errors.New("the SQLite file has more than one name (hard links); a second portal could open it under another")

// openSQLite opens the file that path leads to, through symbolic links too, for
// this process alone: its lock stands beside the file itself.
func openSQLite(path string, log *slog.Logger) (*sqliteDB, error) {
	if path == "" {
		return nil, errors.New("store: sqlite: the path is missing")
	}
	if path == ":memory:" || strings.Contains(path, "?") {
		return nil, errors.New("store: sqlite: a plain file path is wanted")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: sqlite: %w", err)
	}
	// SQLite would make the file with the permissions of the umask.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: sqlite: %w", err)
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("store: sqlite: %w", err)
	}
	// Under two names a file would have two locks, and two write-ahead logs.
	if names(info) > 1 {
		return nil, fmt.Errorf("store: sqlite: %w", errLinked)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, fmt.Errorf("store: sqlite: %w", err)
	}
	// The system gives the lock back when the process dies, however it dies.
	owner := flock.New(path+".lock", flock.SetPermissions(0o600))
	if got, err := owner.TryLock(); err != nil || !got {
		return nil, fmt.Errorf("store: sqlite: %w", cmp.Or(err, errOwned))
	}
	dsn := func(extra string) string {
		u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(" + strconv.Itoa(busyTimeout) + ")&_pragma=journal_mode(WAL)" +
			"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=secure_delete(1)" + extra}
		return u.String()
	}
	write, err := sql.Open("sqlite", dsn("&_txlock=immediate"))
	if err != nil {
		return nil, errors.Join(err, owner.Close())
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", dsn("&_pragma=query_only(1)"))
	if err != nil {
		return nil, errors.Join(err, write.Close(), owner.Close())
	}
	readers := max(2, runtime.GOMAXPROCS(0))
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	db := &sqliteDB{write: write, read: read, owner: owner, log: log}
	db.writeStmts.db, db.readStmts.db = write, read
	return db, nil
}

func (db *sqliteDB) exec(ctx context.Context, query string, args ...any) (int64, error) {
	stmt, err := db.writeStmts.get(ctx, query)
	if err != nil {
		return 0, err
	}
	n, err := affected(stmt.ExecContext(ctx, args...))
	return n, db.wrote(err)
}

func (db *sqliteDB) query(ctx context.Context, query string, args ...any) (rows, error) {
	stmt, err := db.readStmts.get(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := stmt.QueryContext(uncancelled(ctx), args...)
	if err != nil {
		return nil, err
	}
	return sqlRows{r}, nil
}

func (db *sqliteDB) queryRow(ctx context.Context, query string, args ...any) row {
	stmt, err := db.readStmts.get(ctx, query)
	if err != nil {
		return failedRow{err}
	}
	return sqlRow{stmt.QueryRowContext(uncancelled(ctx), args...)}
}

// uncancelled is for reads: the driver starts a goroutine for each query that
// could be cancelled, which takes longer than a look-up does. They end soon by
// themselves, since each has a limit and none waits for the writer.
func uncancelled(ctx context.Context) context.Context {
	if ctx.Err() != nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

func (db *sqliteDB) inTx(ctx context.Context, do func(tx) error) error {
	t, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	our := &sqliteTx{Tx: t, db: db}
	if err := do(our); err != nil {
		// Where room was what it lacked, SQLite has rolled back by itself.
		return db.wrote(errors.Join(err, t.Rollback()))
	}
	if err := db.wrote(t.Commit()); err != nil {
		return err
	}
	// Not before: the one connection that writes was taken.
	for _, query := range our.unprepared {
		if _, err := db.writeStmts.get(ctx, query); err != nil {
			db.log.WarnContext(ctx, "a statement cannot be prepared", "err", err)
		}
	}
	return nil
}

// lock does nothing: a SQLite file belongs to one process, whose callers
// exclude each other in memory.
func (db *sqliteDB) lock(context.Context, string) (func(), error) { return func() {}, nil }

// scrubWait is how long erasing waits for readers: the writer waits with it.
const scrubWait = 50 * time.Millisecond

// scrub takes what was deleted out of the files: secure_delete has overwritten it
// in the new pages, which go into the file now, and the log with the old ones
// becomes empty. Where a reader is in the way, the next scrub does it; the
// clearing of expired rows calls it in any case.
func (db *sqliteDB) scrub(ctx context.Context) error {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// The shorter wait must not stay with the connection.
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout("+strconv.Itoa(busyTimeout)+")")
	}()
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout("+strconv.Itoa(int(scrubWait.Milliseconds()))+")"); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

func (db *sqliteDB) ping(ctx context.Context) error {
	var one int
	if err := db.queryRow(ctx, "SELECT 1 FROM (SELECT count(*) FROM used_values WHERE digest = x'')").Scan(&one); err != nil {
		return err
	}
	return db.find(ctx, db, 64<<10) // beyond what the write-ahead log has left by chance
}

func (db *sqliteDB) close() error {
	return errors.Join(db.readStmts.close(), db.writeStmts.close(), db.read.Close(), db.write.Close(), db.owner.Close())
}

func (db *sqliteDB) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db.write, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	river, err := rivermigrate.New(riversqlite.New(db.write), &rivermigrate.Config{Logger: quiet(db.log)})
	if err != nil {
		return err
	}
	_, err = river.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (db *sqliteDB) newJobs(config *river.Config) (jobClient, error) {
	client, err := river.NewClient(riversqlite.New(db.write), config)
	if err != nil {
		return nil, err
	}
	db.jobs = client
	return client, nil
}

type sqliteTx struct {
	*sql.Tx
	db         *sqliteDB
	unprepared []string // statements to prepare for the next time
}

func (t *sqliteTx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if stmt, ok := t.db.writeStmts.m.Load(query); ok {
		return affected(t.StmtContext(ctx, stmt.(*sql.Stmt)).ExecContext(ctx, args...))
	}
	t.unprepared = append(t.unprepared, query)
	return affected(t.ExecContext(ctx, dollars(query), args...))
}

func (t *sqliteTx) query(ctx context.Context, query string, args ...any) (rows, error) {
	r, err := t.QueryContext(ctx, dollars(query), args...)
	if err != nil {
		return nil, err
	}
	return sqlRows{r}, nil
}

func (t *sqliteTx) queryRow(ctx context.Context, query string, args ...any) row {
	return sqlRow{t.QueryRowContext(ctx, dollars(query), args...)}
}

func (t *sqliteTx) enqueue(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (int64, error) {
	if t.db.jobs == nil {
		return 0, errNoJobs
	}
	return inserted(t.db.jobs.InsertTx(ctx, t.Tx, args, opts))
}

func (t *sqliteTx) hurry(ctx context.Context, job int64) error {
	if t.db.jobs == nil {
		return errNoJobs
	}
	_, err := t.db.jobs.JobRetryTx(ctx, t.Tx, job)
	return unlessGone(err)
}

func (t *sqliteTx) tell(context.Context, string, string) error { return nil }

// statements keeps one prepared statement per query text: preparing costs more
// than running. The texts are constants of this package, so it stays small.
type statements struct {
	db *sql.DB
	m  sync.Map // query → *sql.Stmt
}

func (s *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := s.m.Load(query); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := s.db.PrepareContext(ctx, dollars(query))
	if err != nil {
		return nil, err
	}
	if earlier, loaded := s.m.LoadOrStore(query, stmt); loaded {
		return earlier.(*sql.Stmt), stmt.Close()
	}
	return stmt, nil
}

func (s *statements) close() error {
	var err error
	s.m.Range(func(_, stmt any) bool {
		err = errors.Join(err, stmt.(*sql.Stmt).Close())
		return true
	})
	return err
}

// dollars turns $1 into SQLite's ?1; no query here has a dollar elsewhere.
func dollars(query string) string { return strings.ReplaceAll(query, "$", "?") }

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

type sqlRows struct{ *sql.Rows }

func (r sqlRows) Close() { _ = r.Rows.Close() } // Err has told what was wrong

type sqlRow struct{ *sql.Row }

func (r sqlRow) Scan(dest ...any) error {
	err := r.Row.Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }
