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

const scheduleByID = "SELECT " + scheduleColumns + " FROM schedules WHERE id = $1"

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
func (db *DB) CreateSchedule(ctx context.Context, s scan.Schedule, fits func([]scan.Schedule) error) (created bool, err error) {
	// Replicas would count past each other. A SQLite file has one writer.
	unlock, err := db.lock(ctx, "schedules/"+s.Owner.Authority+"/"+s.Owner.Subject)
	if err != nil {
		return false, fmt.Errorf("store: creating a schedule: %w", err)
	}
	defer unlock()
	err = db.inTx(ctx, func(t tx) error {
		_, err := scanSchedule(t.queryRow(ctx, scheduleByID, s.ID))
		if err == nil || !errors.Is(err, scan.ErrNotFound) {
			return err
		}
		r, err := t.query(ctx, "SELECT "+scheduleColumns+" FROM schedules WHERE authority = $1 AND subject = $2 AND state <> $3 "+limitTo(scan.MaxSchedules+1),
			s.Owner.Authority, s.Owner.Subject, scan.ScheduleEnded)
		others, err := collect(r, err, scanSchedule)
		if err == nil {
			err = fits(others)
		}
		if err == nil {
			created, err = createSchedule(ctx, t, s)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("store: creating a schedule: %w", err)
	}
	return created, nil
}

func createSchedule(ctx context.Context, c conn, s scan.Schedule) (bool, error) {
	n, err := c.exec(ctx, "INSERT INTO schedules ("+scheduleColumns+`) VALUES
		($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT (id) DO NOTHING`,
		s.ID, s.Owner.Authority, s.Owner.Subject, s.Plan.Every, int(s.Plan.Weekday), s.Plan.Hour, s.Plan.Zone, strings.Join(s.Subscriptions, "\n"), s.State,
		micros(s.AgreedAt), micros(s.CreatedAt), micros(s.ChangedAt), micros(s.NextAt), micros(s.LastAt), s.LastScan,
		s.Notice.Code, s.Notice.Message, s.Notice.Next, micros(s.Notice.At), s.Version)
	return n > 0, err
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
	return scanSchedule(db.queryRow(ctx, scheduleByID, id))
}

// DeleteSchedule implements scan.ScheduleRecords.
func (db *DB) DeleteSchedule(ctx context.Context, s scan.Schedule) error {
	n, err := db.exec(ctx, "DELETE FROM schedules WHERE id = $1 AND version = $2", s.ID, s.Version)
	if err != nil {
		return fmt.Errorf("store: deleting a schedule: %w", err)
	}
	if n == 0 {
		return scan.ErrConflict
	}
	return nil
}

// DropSchedules implements scan.ScheduleRecords.
func (db *DB) DropSchedules(ctx context.Context, state scan.ScheduleState, before time.Time) (int, error) {
	n, err := db.exec(ctx, "DELETE FROM schedules WHERE state = $1 AND changed_at < $2", state, micros(before))
	if err != nil {
		return 0, fmt.Errorf("store: dropping schedules: %w", err)
	}
	return int(n), nil
}

// StaleSchedules implements scan.ScheduleRecords.
func (db *DB) StaleSchedules(ctx context.Context, state scan.ScheduleState, before time.Time, limit int) ([]scan.Schedule, error) {
	r, err := db.query(ctx, "SELECT "+scheduleColumns+" FROM schedules WHERE state = $1 AND changed_at < $2 ORDER BY changed_at, id "+limitTo(limit),
		state, micros(before))
	return collect(r, err, scanSchedule)
}

// CountSchedules implements scan.ScheduleRecords.
func (db *DB) CountSchedules(ctx context.Context, owner access.PersonID, state scan.ScheduleState) (int, error) {
	var n int
	err := db.queryRow(ctx, "SELECT count(*) FROM schedules WHERE authority = $1 AND subject = $2 AND state = $3", owner.Authority, owner.Subject, state).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("store: counting schedules: %w", err)
	}
	return n, nil
}

// SchedulesOf implements scan.ScheduleRecords.
func (db *DB) SchedulesOf(ctx context.Context, owner access.PersonID, limit int) ([]scan.Schedule, error) {
	r, err := db.query(ctx, "SELECT "+scheduleColumns+` FROM schedules WHERE authority = $1 AND subject = $2
		ORDER BY CASE state WHEN $3 THEN 1 ELSE 0 END, created_at DESC, id `+limitTo(limit), owner.Authority, owner.Subject, scan.ScheduleEnded)
	return collect(r, err, scanSchedule)
}

// DueSchedules implements scan.ScheduleRecords.
func (db *DB) DueSchedules(ctx context.Context, now time.Time, limit int) ([]scan.Schedule, error) {
	r, err := db.query(ctx, "SELECT "+scheduleColumns+" FROM schedules WHERE state = $1 AND next_at <= $2 ORDER BY next_at, id "+limitTo(limit),
		scan.ScheduleActive, micros(now))
	return collect(r, err, scanSchedule)
}
