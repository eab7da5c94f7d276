package store

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// migrationLock is the advisory lock under which one replica at a time changes
// the schema.
const migrationLock = "schema"

type postgresDB struct {
	room
	pool *pgxpool.Pool
	// locks has connections for nothing but advisory locks. Were they of the
	// other pool, as many holders as it has connections would wait for ever for
	// one more to run their queries on.
	locks *pgxpool.Pool
	jobs  *river.Client[pgx.Tx]
	log   *slog.Logger
}

func openPostgres(ctx context.Context, url string, log *slog.Logger) (*postgresDB, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The cause would repeat the URL, and with it the password.
		return nil, errors.New("store: postgres: the database URL cannot be read")
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("store: postgres: %w", err)
	}
	locksConfig := config.Copy()
	locksConfig.MinConns, locksConfig.MinIdleConns = 0, 0 // they are needed seldom
	locks, err := pgxpool.NewWithConfig(ctx, locksConfig)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("store: postgres: %w", err)
	}
	return &postgresDB{pool: pool, locks: locks, log: log}, nil
}

func (db *postgresDB) exec(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := tagRows(db.pool.Exec(ctx, query, args...))
	return n, db.wrote(err)
}

func (db *postgresDB) query(ctx context.Context, query string, args ...any) (rows, error) {
	return db.pool.Query(ctx, query, args...)
}

func (db *postgresDB) queryRow(ctx context.Context, query string, args ...any) row {
	return pgRow{db.pool.QueryRow(ctx, query, args...)}
}

func (db *postgresDB) inTx(ctx context.Context, do func(tx) error) error {
	return db.wrote(pgx.BeginFunc(ctx, db.pool, func(t pgx.Tx) error { return do(&postgresTx{Tx: t, db: db}) }))
}

// lock excludes all other holders of the name on every replica until unlock is
// called or the connection is lost. It holds one connection of the locks' pool.
func (db *postgresDB) lock(ctx context.Context, name string) (func(), error) {
	c, err := db.locks.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	h := fnv.New64a()
	h.Write([]byte("portal/" + name))
	key := int64(h.Sum64())
	if _, err := c.Exec(ctx, "SELECT pg_advisory_lock($1)", key); err != nil {
		c.Release()
		return nil, err
	}
	return func() {
		// A lock that outlived its holder would stop everyone else: when it
		// cannot be given back, the connection goes with it.
		if _, err := c.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", key); err != nil {
			_ = c.Conn().Close(context.WithoutCancel(ctx))
		}
		c.Release()
	}, nil
}

func (db *postgresDB) ping(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return err
	}
	return db.find(ctx, db, 1<<10) // what an index takes
}

// scrub does nothing: vacuuming is the server's to do, and its log its operator's.
func (db *postgresDB) scrub(context.Context) error { return nil }

func (db *postgresDB) close() error {
	db.locks.Close()
	db.pool.Close()
	return nil
}

func (db *postgresDB) migrate(ctx context.Context) error {
	unlock, err := db.lock(ctx, migrationLock)
	if err != nil {
		return err
	}
	defer unlock()
	files, err := fs.Sub(migrations, "migrations/postgres")
	if err != nil {
		return err
	}
	std := stdlib.OpenDBFromPool(db.pool)
	defer std.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, std, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	river, err := rivermigrate.New(riverpgxv5.New(db.pool), &rivermigrate.Config{Logger: quiet(db.log)})
	if err != nil {
		return err
	}
	_, err = river.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (db *postgresDB) newJobs(config *river.Config) (jobClient, error) {
	client, err := river.NewClient(riverpgxv5.New(db.pool), config)
	if err != nil {
		return nil, err
	}
	db.jobs = client
	return client, nil
}

type postgresTx struct {
	pgx.Tx
	db *postgresDB
}

func (t *postgresTx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return tagRows(t.Exec(ctx, query, args...))
}

func (t *postgresTx) query(ctx context.Context, query string, args ...any) (rows, error) {
	return t.Query(ctx, query, args...)
}

func (t *postgresTx) queryRow(ctx context.Context, query string, args ...any) row {
	return pgRow{t.QueryRow(ctx, query, args...)}
}

func (t *postgresTx) enqueue(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (int64, error) {
	if t.db.jobs == nil {
		return 0, errNoJobs
	}
	return inserted(t.db.jobs.InsertTx(ctx, t.Tx, args, opts))
}

func (t *postgresTx) hurry(ctx context.Context, job int64) error {
	if t.db.jobs == nil {
		return errNoJobs
	}
	_, err := t.db.jobs.JobRetryTx(ctx, t.Tx, job)
	return unlessGone(err)
}

func (t *postgresTx) tell(ctx context.Context, channel, text string) error {
	_, err := t.Exec(ctx, "SELECT pg_notify($1, $2)", channel, text)
	return err
}

func tagRows(tag pgconn.CommandTag, err error) (int64, error) { return tag.RowsAffected(), err }

type pgRow struct{ pgx.Row }

func (r pgRow) Scan(dest ...any) error {
	err := r.Row.Scan(dest...)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
