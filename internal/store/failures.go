package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azts.internal/portal/internal/failures"
)

// KeepFailure implements failures.Records.
func (db *DB) KeepFailure(ctx context.Context, rec failures.Record, most int) error {
	if !storable(rec.Reference) || !storable(rec.Code) {
		return errors.New("store: a failed sign-in has a text that cannot be stored")
	}
	err := db.inTx(ctx, func(t tx) error {
		if _, err := t.exec(ctx, "INSERT INTO sign_in_failures (reference, at, code, begun, verified, sealed) VALUES ($1, $2, $3, $4, $5, $6)",
			rec.Reference, micros(rec.At), rec.Code, rec.Begun, rec.Verified, rec.Sealed); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM sign_in_failures WHERE begun = $1 AND verified = $2 AND reference IN
			(SELECT reference FROM sign_in_failures WHERE begun = $1 AND verified = $2 ORDER BY at DESC, reference DESC LIMIT $4 OFFSET $3)`,
			rec.Begun, rec.Verified, most, clearLimit)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: keeping a failed sign-in: %w", err)
	}
	return nil
}

// LoadFailure implements failures.Records.
func (db *DB) LoadFailure(ctx context.Context, reference string, after time.Time) (failures.Record, error) {
	rec := failures.Record{Reference: reference}
	if !storable(reference) {
		return rec, failures.ErrNotFound
	}
	var at int64
	err := db.queryRow(ctx, "SELECT at, code, begun, verified, sealed FROM sign_in_failures WHERE reference = $1 AND at > $2", reference, micros(after)).
		Scan(&at, &rec.Code, &rec.Begun, &rec.Verified, &rec.Sealed)
	if errors.Is(err, ErrNotFound) {
		return rec, failures.ErrNotFound
	}
	if err != nil {
		return rec, fmt.Errorf("store: failed sign-in: %w", err)
	}
	rec.At = fromMicros(at)
	return rec, nil
}

// Failures implements failures.Records.
func (db *DB) Failures(ctx context.Context, q failures.Query) ([]failures.Record, error) {
	if !storable(q.Code) || !storable(q.Reference) {
		return nil, nil
	}
	before := micros(q.Before)
	if q.Before.IsZero() {
		before = 1<<63 - 1
	}
	where, args := "", []any{micros(q.After), before, q.Reference}
	if q.Code != "" {
		where, args = " AND substr(code, 1, length($4)) = $4", append(args, q.Code)
	}
	rows, err := db.query(ctx, "SELECT reference, at, code, begun FROM sign_in_failures WHERE at > $1 AND (at < $2 OR at = $2 AND reference < $3)"+where+
		" ORDER BY at DESC, reference DESC "+limitTo(q.Limit), args...)
	list, err := collect(rows, err, func(r row) (failures.Record, error) {
		var rec failures.Record
		var at int64
		err := r.Scan(&rec.Reference, &at, &rec.Code, &rec.Begun)
		rec.At = fromMicros(at)
		return rec, err
	})
	if err != nil {
		return nil, fmt.Errorf("store: failed sign-ins: %w", err)
	}
	return list, nil
}
