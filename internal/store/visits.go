package store

import (
	"context"
	"errors"
	"fmt"

	"azts.internal/portal/internal/access"
)

// VisitOf returns when a person is here and was here before; the zero value if
// nothing is known.
func (db *DB) VisitOf(ctx context.Context, person access.PersonID) (access.Visit, error) {
	var began, seen, before int64
	err := db.queryRow(ctx, "SELECT began_at, seen_at, before_at FROM visits WHERE authority = $1 AND subject = $2", person.Authority, person.Subject).
		Scan(&began, &seen, &before)
	if errors.Is(err, ErrNotFound) {
		return access.Visit{}, nil
	}
	if err != nil {
		return access.Visit{}, fmt.Errorf("store: visit: %w", err)
	}
	return access.Visit{BeganAt: fromMicros(began), SeenAt: fromMicros(seen), BeforeAt: fromMicros(before)}, nil
}

// KeepVisit keeps a visit in place of one that was read before. If another has
// been kept meanwhile, that one stays: of two pages that a person opens at once,
// the later must not count the earlier as their last visit.
func (db *DB) KeepVisit(ctx context.Context, person access.PersonID, was, next access.Visit) error {
	_, err := db.exec(ctx, `INSERT INTO visits (authority, subject, began_at, seen_at, before_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (authority, subject) DO UPDATE SET began_at = excluded.began_at, seen_at = excluded.seen_at, before_at = excluded.before_at
		WHERE visits.began_at = $6 AND visits.seen_at = $7`,
		person.Authority, person.Subject, micros(next.BeganAt), micros(next.SeenAt), micros(next.BeforeAt), micros(was.BeganAt), micros(was.SeenAt))
	if err != nil {
		return fmt.Errorf("store: keeping a visit: %w", err)
	}
	return nil
}
