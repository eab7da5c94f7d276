package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
)

const scheduleColumns = "id, authority, subject, cadence, weekday, hour, zone, subscriptions, state, agreed_at, created_at, changed_at, " +
	"next_at, last_at, last_scan, notice_code, notice_message, notice_next, notice_at, version"

func scanSchedule(r row) (scan.Schedule, error) {
	var s scan.Schedule
	var subscriptions string
	var agreed, created, changed, next, last, notice int64
	err := r.Scan(&s.ID, &s.Owner.Authority, &s.Owner.Subject, &s.Plan.Every, &s.Plan.Weekday, &s.Plan.Hour, &s.Plan.Zone, &subscriptions, &s.State,
		&agreed, &created, &changed, &next, &last, &s.LastScan, &s.Notice.Code, &s.Notice.Message, &s.Notice.Next, &notice, &s.Version)
	if errors.Is(err, ErrNotFound) {
		return s, scan.ErrNotFound
	}
	if err != nil {
		return s, fmt.Errorf("store: schedule: %w", err)
	}
	s.Subscriptions = strings.Split(subscriptions, "\n")
	s.AgreedAt, s.CreatedAt, s.ChangedAt = fromMicros(agreed), fromMicros(created), fromMicros(changed)
	s.NextAt, s.LastAt, s.Notice.At = fromMicros(next), fromMicros(last), fromMicros(notice)
	return s, nil
}

// CreateSchedule implements scan.ScheduleRecords.
func (db *DB) CreateSchedule(ctx context.Context, s scan.Schedule) error {
	_, err := db.exec(ctx, "INSERT INTO schedules ("+scheduleColumns+`) VALUES
		($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
		s.ID, s.Owner.Authority, s.Owner.Subject, s.Plan.Every, int(s.Plan.Weekday), s.Plan.Hour, s.Plan.Zone, strings.Join(s.Subscriptions, "\n"), s.State,
		micros(s.AgreedAt), micros(s.CreatedAt), micros(s.ChangedAt), micros(s.NextAt), micros(s.LastAt), s.LastScan,
		s.Notice.Code, s.Notice.Message, s.Notice.Next, micros(s.Notice.At), s.Version)
	if err != nil {
		return fmt.Errorf("store: creating a schedule: %w", err)
	}
	return nil
}

// SaveSchedule implements scan.ScheduleRecords.
func (db *DB) SaveSchedule(ctx context.Context, s scan.Schedule) error {
	if err := saveSchedule(ctx, db, s); err != nil {
		return fmt.Errorf("store: saving a schedule: %w", err)
	}
	return nil
}

func saveSchedule(ctx context.Context, c conn, s scan.Schedule) error {
	n, err := c.exec(ctx, `UPDATE schedules SET state = $1, changed_at = $2, next_at = $3, last_at = $4, last_scan = $5, notice_code = $6,
		notice_message = $7, notice_next = $8, notice_at = $9, version = version + 1 WHERE id = $10 AND version = $11`,
		s.State, micros(s.ChangedAt), micros(s.NextAt), micros(s.LastAt), s.LastScan, s.Notice.Code,
		s.Notice.Message, s.Notice.Next, micros(s.Notice.At), s.ID, s.Version)
	if err == nil && n == 0 {
		return scan.ErrConflict
	}
	return err
}

// RunSchedule implements scan.ScheduleRecords.
func (db *DB) RunSchedule(ctx context.Context, s scan.Schedule, run scan.Scan, job scan.FollowArgs) error {
	err := db.inTx(ctx, func(t tx) error {
		// The schedule first: of two processes one waits here, and then finds that
		// it has changed.
		if err := saveSchedule(ctx, t, s); err != nil {
			return err
		}
		stored, created, err := db.createScan(ctx, t, run, job)
		if err != nil || created {
			return err
		}
		_, err = t.exec(ctx, "UPDATE schedules SET last_scan = $1 WHERE id = $2", stored.ID, s.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: running a schedule: %w", err)
	}
	return nil
}

// LoadSchedule implements scan.ScheduleRecords.
func (db *DB) LoadSchedule(ctx context.Context, id scan.ID) (scan.Schedule, error) {
	return scanSchedule(db.queryRow(ctx, "SELECT "+scheduleColumns+" FROM schedules WHERE id = $1", id))
}

// SchedulesOf implements scan.ScheduleRecords.
func (db *DB) SchedulesOf(ctx context.Context, owner access.PersonID, limit int) ([]scan.Schedule, error) {
	r, err := db.query(ctx, "SELECT "+scheduleColumns+" FROM schedules WHERE authority = $1 AND subject = $2 ORDER BY created_at DESC, id "+limitTo(limit),
		owner.Authority, owner.Subject)
	return collect(r, err, scanSchedule)
}

// DueSchedules implements scan.ScheduleRecords.
func (db *DB) DueSchedules(ctx context.Context, now time.Time, limit int) ([]scan.Schedule, error) {
	r, err := db.query(ctx, "SELECT "+scheduleColumns+" FROM schedules WHERE state = $1 AND next_at <= $2 ORDER BY next_at, id "+limitTo(limit),
		scan.ScheduleActive, micros(now))
	return collect(r, err, scanSchedule)
}

// SaveDelegation implements scan.DelegationRecords.
func (db *DB) SaveDelegation(ctx context.Context, d scan.Delegation) error {
	_, err := db.exec(ctx, `INSERT INTO delegations (authority, subject, sealed, kept_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (authority, subject) DO UPDATE SET sealed = excluded.sealed, kept_at = excluded.kept_at`,
		d.Owner.Authority, d.Owner.Subject, d.Sealed, micros(d.KeptAt))
	if err != nil {
		return fmt.Errorf("store: keeping a delegation: %w", err)
	}
	return nil
}

// LoadDelegation implements scan.DelegationRecords.
func (db *DB) LoadDelegation(ctx context.Context, owner access.PersonID) (scan.Delegation, error) {
	d := scan.Delegation{Owner: owner}
	var kept int64
	err := db.queryRow(ctx, "SELECT sealed, kept_at FROM delegations WHERE authority = $1 AND subject = $2", owner.Authority, owner.Subject).Scan(&d.Sealed, &kept)
	if errors.Is(err, ErrNotFound) {
		return scan.Delegation{}, scan.ErrNotFound
	}
	if err != nil {
		return scan.Delegation{}, fmt.Errorf("store: delegation: %w", err)
	}
	d.KeptAt = fromMicros(kept)
	return d, nil
}

// DeleteDelegation implements scan.DelegationRecords.
func (db *DB) DeleteDelegation(ctx context.Context, owner access.PersonID) error {
	if _, err := db.exec(ctx, "DELETE FROM delegations WHERE authority = $1 AND subject = $2", owner.Authority, owner.Subject); err != nil {
		return fmt.Errorf("store: erasing a delegation: %w", err)
	}
	return nil
}
