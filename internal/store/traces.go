package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/flows"
)

// AddRun implements flows.Records.
func (db *DB) AddRun(ctx context.Context, run flows.StoredRun, most int) error {
	err := db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, `INSERT INTO flow_runs (id, authority, subject, started_at, ends_at, share, head, sealed, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, run.ID, run.Owner.Authority, run.Owner.Subject, micros(run.StartedAt), micros(run.EndsAt),
			run.Share, run.Head, run.Sealed, run.Version)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `DELETE FROM flow_runs WHERE authority = $1 AND subject = $2 AND id NOT IN
			(SELECT id FROM flow_runs WHERE authority = $1 AND subject = $2 ORDER BY started_at DESC, id LIMIT $3)`,
			run.Owner.Authority, run.Owner.Subject, most)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: keeping a run: %w", err)
	}
	return nil
}

// SaveRun implements flows.Records.
func (db *DB) SaveRun(ctx context.Context, run flows.StoredRun) (bool, error) {
	n, err := db.exec(ctx, `UPDATE flow_runs SET share = $1, head = $2, sealed = $3, version = $4, ends_at = $5
		WHERE id = $6 AND authority = $7 AND subject = $8 AND version = $9`,
		run.Share, run.Head, run.Sealed, run.Version, micros(run.EndsAt), run.ID, run.Owner.Authority, run.Owner.Subject, run.Version-1)
	if err != nil {
		return false, fmt.Errorf("store: saving a run: %w", err)
	}
	return n > 0, nil
}

const runColumns = "id, authority, subject, started_at, ends_at, head, version, sealed"

func scanRun(r row) (flows.StoredRun, error) {
	var run flows.StoredRun
	var started, ends int64
	err := r.Scan(&run.ID, &run.Owner.Authority, &run.Owner.Subject, &started, &ends, &run.Head, &run.Version, &run.Sealed)
	if errors.Is(err, ErrNotFound) {
		return run, flows.ErrNoRun
	}
	if err != nil {
		return run, fmt.Errorf("store: run: %w", err)
	}
	run.StartedAt, run.EndsAt = fromMicros(started), fromMicros(ends)
	return run, nil
}

// LoadRun implements flows.Records.
func (db *DB) LoadRun(ctx context.Context, owner access.PersonID, id string, now time.Time) (flows.StoredRun, error) {
	if !storable(id) {
		return flows.StoredRun{}, flows.ErrNoRun
	}
	return scanRun(db.queryRow(ctx, "SELECT "+runColumns+" FROM flow_runs WHERE id = $1 AND authority = $2 AND subject = $3 AND ends_at > $4",
		id, owner.Authority, owner.Subject, micros(now)))
}

// SharedRun implements flows.Records.
func (db *DB) SharedRun(ctx context.Context, share []byte, now time.Time) (flows.StoredRun, error) {
	return scanRun(db.queryRow(ctx, "SELECT "+runColumns+" FROM flow_runs WHERE share = $1 AND ends_at > $2", share, micros(now)))
}

// RunsOf implements flows.Records.
func (db *DB) RunsOf(ctx context.Context, owner access.PersonID, now time.Time, most int) ([]flows.StoredRun, error) {
	rows, err := db.query(ctx, `SELECT id, authority, subject, started_at, ends_at, head, version FROM flow_runs
		WHERE authority = $1 AND subject = $2 AND ends_at > $3 ORDER BY started_at DESC, id LIMIT $4`, owner.Authority, owner.Subject, micros(now), most)
	if err != nil {
		return nil, fmt.Errorf("store: runs: %w", err)
	}
	defer rows.Close()
	var list []flows.StoredRun
	for rows.Next() {
		var run flows.StoredRun
		var started, ends int64
		if err := rows.Scan(&run.ID, &run.Owner.Authority, &run.Owner.Subject, &started, &ends, &run.Head, &run.Version); err != nil {
			return nil, fmt.Errorf("store: runs: %w", err)
		}
		run.StartedAt, run.EndsAt = fromMicros(started), fromMicros(ends)
		list = append(list, run)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: runs: %w", err)
	}
	return list, nil
}

// DeleteRun implements flows.Records.
func (db *DB) DeleteRun(ctx context.Context, owner access.PersonID, id string) error {
	if !storable(id) {
		return nil
	}
	n, err := db.exec(ctx, "DELETE FROM flow_runs WHERE id = $1 AND authority = $2 AND subject = $3", id, owner.Authority, owner.Subject)
	if err != nil {
		return fmt.Errorf("store: deleting a run: %w", err)
	}
	if n > 0 {
		db.scrubbed(ctx)
	}
	return nil
}
