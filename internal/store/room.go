package store

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"azts.internal/portal/internal/apperr"
)

// errFull says that the database has no room to store anything. Nothing of what
// was to be stored is there, and what was stored before is.
var errFull = apperr.New(apperr.Unavailable, "storage_full", "The portal has no room to store anything at the moment.").
	WithNext(apperr.MenderDeveloper, "What it confirmed before is kept. Try again later; if it stays, give the help desk the reference below.").WithRetry()

// room knows whether the last write found room. Reading goes on without, so
// nothing else would tell.
type room struct{ full atomic.Bool }

// wrote notes how a write ended and returns its error in words for people, if
// room was what it lacked.
func (r *room) wrote(err error) error {
	if !lacksRoom(err) {
		return err // nil as well: what is small may still have found room
	}
	r.full.Store(true)
	return errFull.Because(err)
}

// find asks for room of some bytes, after a write has found none. The row is
// never there for anybody else.
func (r *room) find(ctx context.Context, db interface {
	inTx(ctx context.Context, do func(tx) error) error
}, size int) error {
	if !r.full.Load() {
		return nil
	}
	err := db.inTx(ctx, func(t tx) error {
		probe := make([]byte, size) // no digest has that length
		if _, err := t.exec(ctx, "INSERT INTO used_values (digest, until) VALUES ($1, 0)", probe); err != nil {
			return err
		}
		_, err := t.exec(ctx, "DELETE FROM used_values WHERE digest = $1", probe)
		return err
	})
	if err == nil {
		r.full.Store(false)
	}
	return err
}

// SQLite's result codes for a disk, a quota or a limit that is reached
// (sqlite.org/rescode.html): SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE.
const (
	sqliteFull         = 13
	sqliteIOErrWrite   = 778
	sqliteIOErrSHMSize = 4874
)

// postgresDiskFull is disk_full among PostgreSQL's error codes.
const postgresDiskFull = "53100"

func lacksRoom(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		code := lite.Code()
		return code == sqliteFull || code == sqliteIOErrWrite || code == sqliteIOErrSHMSize
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == postgresDiskFull
}
