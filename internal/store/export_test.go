package store

import (
	"context"
	"fmt"
	"testing"

	"azts.internal/portal/session"
)

// CreateSessions stores many sessions at once.
func CreateSessions(db *DB, records []session.Record) error {
	ctx := context.Background()
	return db.inTx(ctx, func(t tx) error {
		for _, rec := range records {
			_, err := t.exec(ctx, "INSERT INTO sessions ("+sessionColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
				rec.ID[:], rec.Person.Authority, rec.Person.Subject, rec.Issuer, rec.SID, rec.SessionState, rec.Sealed, rec.Device,
				micros(rec.CreatedAt), micros(rec.LastSeenAt), micros(rec.ExpiresAt), micros(rec.EndsAt))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// ForgetSessions makes a SQLite database remember no session rows from now on.
func ForgetSessions(db *DB) { db.remembered = nil }

// LimitPages limits a SQLite database to a number of pages, or to those it has if
// these are more.
func LimitPages(t testing.TB, db *DB, pages int) {
	t.Helper()
	if _, err := db.backend.(*sqliteDB).write.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
}
