package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/results"
)

const resultSetColumns = "scan_id, authority, subject, state, created_at, changed_at, row_count, segment_count, byte_count, version, head"

func scanResultSet(r row) (results.SetRecord, error) {
	var rec results.SetRecord
	var created, changed int64
	err := r.Scan(&rec.ScanID, &rec.Person.Authority, &rec.Person.Subject, &rec.State, &created, &changed, &rec.Rows, &rec.Segments, &rec.Bytes,
		&rec.Version, &rec.Head)
	if errors.Is(err, ErrNotFound) {
		return rec, results.ErrNotFound
	}
	if err != nil {
		return rec, fmt.Errorf("store: set of results: %w", err)
	}
	rec.CreatedAt, rec.ChangedAt = fromMicros(created), fromMicros(changed)
	return rec, nil
}

func loadResultSet(ctx context.Context, c conn, person access.PersonID, scanID string) (results.SetRecord, error) {
	return scanResultSet(c.queryRow(ctx, "SELECT "+resultSetColumns+" FROM result_sets WHERE scan_id = $1 AND authority = $2 AND subject = $3",
		scanID, person.Authority, person.Subject))
}

// CreateResultSet implements results.Records.
func (db *DB) CreateResultSet(ctx context.Context, rec results.SetRecord) (stored results.SetRecord, created bool, err error) {
	if !storable(rec.ScanID) {
		return results.SetRecord{}, false, results.ErrNotFound
	}
	err = db.inTx(ctx, func(t tx) error {
		var one int
		err := t.queryRow(ctx, "SELECT 1 FROM scans WHERE id = $1 AND authority = $2 AND subject = $3", rec.ScanID, rec.Person.Authority, rec.Person.Subject).Scan(&one)
		if errors.Is(err, ErrNotFound) {
			return results.ErrNotFound
		}
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, "INSERT INTO result_sets ("+resultSetColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (scan_id) DO NOTHING",
			rec.ScanID, rec.Person.Authority, rec.Person.Subject, rec.State, micros(rec.CreatedAt), micros(rec.ChangedAt), rec.Rows, rec.Segments, rec.Bytes,
			rec.Version, rec.Head)
		if err != nil {
			return err
		}
		if n > 0 {
			stored, created = rec, true
			return nil
		}
		stored, err = loadResultSet(ctx, t, rec.Person, rec.ScanID)
		return err
	})
	if err != nil {
		return results.SetRecord{}, false, fmt.Errorf("store: creating a set of results: %w", err)
	}
	return stored, created, nil
}

// SaveResults implements results.Records.
func (db *DB) SaveResults(ctx context.Context, rec results.SetRecord, segment []byte) error {
	err := db.inTx(ctx, func(t tx) error {
		n, err := t.exec(ctx, `UPDATE result_sets SET state = $1, changed_at = $2, row_count = $3, segment_count = $4, byte_count = $5, version = $6, head = $7
			WHERE scan_id = $8 AND authority = $9 AND subject = $10 AND version = $11`,
			rec.State, micros(rec.ChangedAt), rec.Rows, rec.Segments, rec.Bytes, rec.Version, rec.Head, rec.ScanID, rec.Person.Authority, rec.Person.Subject, rec.Version-1)
		if err != nil {
			return err
		}
		if n == 0 {
			return results.ErrConflict
		}
		if segment == nil {
			return nil
		}
		_, err = t.exec(ctx, "INSERT INTO result_segments (scan_id, number, sealed) VALUES ($1, $2, $3)", rec.ScanID, rec.Segments-1, segment)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: saving results: %w", err)
	}
	return nil
}

// LoadResultSet implements results.Records.
func (db *DB) LoadResultSet(ctx context.Context, person access.PersonID, scanID string) (results.SetRecord, error) {
	if !storable(scanID) {
		return results.SetRecord{}, results.ErrNotFound
	}
	return loadResultSet(ctx, db, person, scanID)
}

// segmentsAtOnce is how many segments are in memory at a time before they are
// handed out; no connection is held meanwhile.
const segmentsAtOnce = 8

// ResultSegments implements results.Records.
func (db *DB) ResultSegments(ctx context.Context, scanID string, number int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for next := 0; next < number; {
			r, err := db.query(ctx, "SELECT number, sealed FROM result_segments WHERE scan_id = $1 AND number >= $2 AND number < $3 ORDER BY number",
				scanID, next, min(next+segmentsAtOnce, number))
			batch, err := collect(r, err, func(r row) ([]byte, error) {
				var got int
				var sealed []byte
				err := r.Scan(&got, &sealed)
				if err == nil && got != next {
					err = results.ErrNotFound
				}
				next++
				return sealed, err
			})
			if err == nil && len(batch) == 0 {
				err = results.ErrNotFound // it was deleted meanwhile
			}
			if err != nil {
				yield(nil, fmt.Errorf("store: segments of results: %w", err))
				return
			}
			for _, sealed := range batch {
				if !yield(sealed, nil) {
					return
				}
			}
		}
	}
}

// ResultSets implements results.Records.
func (db *DB) ResultSets(ctx context.Context, person access.PersonID, limit int) ([]results.SetRecord, error) {
	r, err := db.query(ctx, "SELECT "+resultSetColumns+" FROM result_sets WHERE authority = $1 AND subject = $2 ORDER BY created_at DESC, scan_id LIMIT $3",
		person.Authority, person.Subject, limit)
	return collect(r, err, scanResultSet)
}

// DeleteResultSet implements results.Records.
func (db *DB) DeleteResultSet(ctx context.Context, person access.PersonID, scanID string) error {
	if !storable(scanID) {
		return nil
	}
	_, err := db.exec(ctx, "DELETE FROM result_sets WHERE scan_id = $1 AND authority = $2 AND subject = $3", scanID, person.Authority, person.Subject)
	if err != nil {
		return fmt.Errorf("store: deleting results: %w", err)
	}
	return nil
}

// DeleteResultSets implements results.Records.
func (db *DB) DeleteResultSets(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := db.exec(ctx, "DELETE FROM result_sets WHERE scan_id IN (SELECT scan_id FROM result_sets WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
		micros(before), limit)
	if err != nil {
		return int(n), fmt.Errorf("store: deleting old results: %w", err)
	}
	return int(n), nil
}
