package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
)

const (
	scanColumns = "id, authority, subject, idempotency_key, state, requested_at, changed_at, ended_at, problem_code, problem_message, problem_next, problem_reference, problem_claims, version, schedule_id"
	// readColumns have their defaults in a new scan.
	readColumns = "read_state, read_since, read_until, read_waits_since, read_ended_at, read_problem_code, read_problem_message, read_problem_next, read_problem_reference, read_problem_claims"
	partColumns = "scan_id, position, subscription_id, state, scan_request_id, queue_status, message, since, retry_at, completed_at, summary_seen"
)

func scanScan(r row) (scan.Scan, error) {
	var s scan.Scan
	var requested, changed, ended, readSince, readUntil, readWaits, readEnded int64
	p := &s.Reading.Problem
	err := r.Scan(&s.ID, &s.Owner.Authority, &s.Owner.Subject, &s.Key, &s.State, &requested, &changed, &ended,
		&s.Problem.Code, &s.Problem.Message, &s.Problem.Next, &s.Problem.Reference, &s.Problem.Claims, &s.Version, &s.Schedule,
		&s.Reading.State, &readSince, &readUntil, &readWaits, &readEnded, &p.Code, &p.Message, &p.Next, &p.Reference, &p.Claims)
	if errors.Is(err, ErrNotFound) {
		return s, scan.ErrNotFound
	}
	if err != nil {
		return s, fmt.Errorf("store: scan: %w", err)
	}
	s.RequestedAt, s.ChangedAt, s.EndedAt = fromMicros(requested), fromMicros(changed), fromMicros(ended)
	r0 := &s.Reading
	r0.Since, r0.Until, r0.WaitsSince, r0.EndedAt = fromMicros(readSince), fromMicros(readUntil), fromMicros(readWaits), fromMicros(readEnded)
	return s, nil
}

// part is a part with the scan it belongs to.
type part struct {
	of scan.ID
	scan.Part
}

func scanPart(r row) (part, error) {
	var p part
	var position, since, retry, completed int64
	err := r.Scan(&p.of, &position, &p.SubscriptionID, &p.State, &p.ScanRequestID, &p.QueueStatus, &p.Message, &since, &retry, &completed, &p.SummarySeen)
	if err != nil {
		return p, fmt.Errorf("store: part of a scan: %w", err)
	}
	p.Since, p.RetryAt, p.CompletedAt = fromMicros(since), fromMicros(retry), fromMicros(completed)
	return p, nil
}

// CreateScan implements scan.Records.
func (db *DB) CreateScan(ctx context.Context, s scan.Scan, job scan.FollowArgs) (stored scan.Scan, created bool, err error) {
	err = db.inTx(ctx, func(t tx) error {
		stored, created, err = db.createScan(ctx, t, s, job)
		if err != nil || created || !stored.NeverAsked() {
			return err
		}
		// Of two at once the second waits for the first, and then finds its scan.
		if _, err := t.exec(ctx, "UPDATE scans SET idempotency_key = id WHERE id = $1", stored.ID); err != nil {
			return err
		}
		stored, created, err = db.createScan(ctx, t, s, job)
		return err
	})
	if err != nil {
		return scan.Scan{}, false, fmt.Errorf("store: creating a scan: %w", err)
	}
	return stored, created, nil
}

func (db *DB) createScan(ctx context.Context, t tx, s scan.Scan, job scan.FollowArgs) (stored scan.Scan, created bool, err error) {
	n, err := t.exec(ctx, "INSERT INTO scans ("+scanColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (authority, subject, idempotency_key) DO NOTHING`,
		s.ID, s.Owner.Authority, s.Owner.Subject, s.Key, s.State, micros(s.RequestedAt), micros(s.ChangedAt), micros(s.EndedAt),
		s.Problem.Code, s.Problem.Message, s.Problem.Next, s.Problem.Reference, s.Problem.Claims, s.Version, s.Schedule)
	if err != nil {
		return scan.Scan{}, false, err
	}
	if n == 0 {
		stored, err = loadScan(ctx, t, "authority = $1 AND subject = $2 AND idempotency_key = $3", s.Owner.Authority, s.Owner.Subject, s.Key)
		return stored, false, err
	}
	if err := saveParts(ctx, t, s); err != nil {
		return scan.Scan{}, false, err
	}
	id, err := t.enqueue(ctx, job, nil)
	if err != nil {
		return scan.Scan{}, false, err
	}
	if _, err := t.exec(ctx, "UPDATE scans SET job_id = $1 WHERE id = $2", id, s.ID); err != nil {
		return scan.Scan{}, false, err
	}
	return s, true, db.tellScan(ctx, t, s)
}

// SaveScan implements scan.Records.
func (db *DB) SaveScan(ctx context.Context, s scan.Scan) error {
	err := db.inTx(ctx, func(t tx) error { return db.saveScan(ctx, t, s) })
	if err != nil {
		return fmt.Errorf("store: saving a scan: %w", err)
	}
	return nil
}

// EndScan implements scan.Records.
func (db *DB) EndScan(ctx context.Context, s scan.Scan, job scan.ReadArgs) error {
	err := db.inTx(ctx, func(t tx) error {
		if err := db.saveScan(ctx, t, s); err != nil {
			return err
		}
		id, err := t.enqueue(ctx, job, nil)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, "UPDATE scans SET read_job_id = $1 WHERE id = $2", id, s.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: ending a scan: %w", err)
	}
	return nil
}

func (db *DB) saveScan(ctx context.Context, t tx, s scan.Scan) error {
	r, p := &s.Reading, &s.Reading.Problem
	n, err := t.exec(ctx, `UPDATE scans SET state = $1, changed_at = $2, ended_at = $3, problem_code = $4, problem_message = $5,
			problem_next = $6, problem_reference = $7, problem_claims = $8, version = version + 1,
			read_state = $9, read_since = $10, read_until = $11, read_waits_since = $12, read_ended_at = $13, read_problem_code = $14,
			read_problem_message = $15, read_problem_next = $16, read_problem_reference = $17, read_problem_claims = $18
			WHERE id = $19 AND version = $20`,
		s.State, micros(s.ChangedAt), micros(s.EndedAt), s.Problem.Code, s.Problem.Message, s.Problem.Next, s.Problem.Reference,
		s.Problem.Claims, r.State, micros(r.Since), micros(r.Until), micros(r.WaitsSince), micros(r.EndedAt), p.Code, p.Message, p.Next, p.Reference, p.Claims,
		s.ID, s.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return scan.ErrConflict
	}
	if err := saveParts(ctx, t, s); err != nil {
		return err
	}
	s.Version++
	return db.tellScan(ctx, t, s)
}

func saveParts(ctx context.Context, t tx, s scan.Scan) error {
	for i, p := range s.Parts {
		_, err := t.exec(ctx, "INSERT INTO scan_parts ("+partColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			ON CONFLICT (scan_id, position) DO UPDATE SET state = excluded.state, scan_request_id = excluded.scan_request_id,
				queue_status = excluded.queue_status, message = excluded.message, since = excluded.since,
				retry_at = excluded.retry_at, completed_at = excluded.completed_at, summary_seen = excluded.summary_seen`,
			s.ID, i, p.SubscriptionID, p.State, p.ScanRequestID, p.QueueStatus, p.Message, micros(p.Since), micros(p.RetryAt), micros(p.CompletedAt), p.SummarySeen)
		if err != nil {
			return err
		}
	}
	return nil
}

// LoadScan implements scan.Records.
func (db *DB) LoadScan(ctx context.Context, id scan.ID) (scan.Scan, error) {
	return loadScan(ctx, db, "id = $1", id)
}

func loadScan(ctx context.Context, c conn, where string, args ...any) (scan.Scan, error) {
	s, err := scanScan(c.queryRow(ctx, "SELECT "+scanColumns+", "+readColumns+" FROM scans WHERE "+where, args...))
	if err != nil {
		return scan.Scan{}, err
	}
	r, err := c.query(ctx, "SELECT "+partColumns+" FROM scan_parts WHERE scan_id = $1 ORDER BY position", s.ID)
	parts, err := collect(r, err, scanPart)
	if err != nil {
		return scan.Scan{}, err
	}
	addParts([]*scan.Scan{&s}, parts)
	return s, nil
}

// LastStarted implements scan.Records.
func (db *DB) LastStarted(ctx context.Context, owner access.PersonID, until time.Time) (id scan.ID, err error) {
	err = db.queryRow(ctx, "SELECT id FROM scans WHERE authority = $1 AND subject = $2 AND (requested_at <= $3 OR ended_at > 0) AND schedule_id = '' ORDER BY requested_at DESC, id LIMIT 1",
		owner.Authority, owner.Subject, micros(until)).Scan(&id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("store: the last scan started: %w", err)
	}
	return id, nil
}

// ScansOf implements scan.Records.
func (db *DB) ScansOf(ctx context.Context, owner access.PersonID, limit int) ([]scan.Scan, error) {
	const newest = " FROM scans WHERE authority = $1 AND subject = $2 ORDER BY requested_at DESC, id LIMIT $3"
	// The parts first: a scan made between the two queries then has none, and is
	// left out rather than shown as empty.
	r, err := db.query(ctx, "SELECT "+partColumns+" FROM scan_parts WHERE scan_id IN (SELECT id"+newest+") ORDER BY scan_id, position",
		owner.Authority, owner.Subject, limit)
	parts, err := collect(r, err, scanPart)
	if err != nil {
		return nil, err
	}
	r, err = db.query(ctx, "SELECT "+scanColumns+", "+readColumns+newest, owner.Authority, owner.Subject, limit)
	all, err := collect(r, err, scanScan)
	if err != nil {
		return nil, err
	}
	scans := make([]*scan.Scan, len(all))
	for i := range all {
		scans[i] = &all[i]
	}
	addParts(scans, parts)
	whole := all[:0]
	for _, s := range all {
		if len(s.Parts) > 0 {
			whole = append(whole, s)
		}
	}
	return whole, nil
}

// addParts gives each scan its parts, which are in order.
func addParts(scans []*scan.Scan, parts []part) {
	byID := make(map[scan.ID]*scan.Scan, len(scans))
	for _, s := range scans {
		byID[s.ID] = s
	}
	for _, p := range parts {
		if s := byID[p.of]; s != nil {
			s.Parts = append(s.Parts, p.Part)
		}
	}
}

// CountOpenScans implements scan.Records.
func (db *DB) CountOpenScans(ctx context.Context, owner access.PersonID, ofSchedules bool) (n int, err error) {
	where := " AND schedule_id = ''"
	if ofSchedules {
		where = ""
	}
	err = db.queryRow(ctx, "SELECT count(*) FROM scans WHERE authority = $1 AND subject = $2 AND (ended_at = 0 OR read_state IN ($3, $4))"+where,
		owner.Authority, owner.Subject, scan.ReadRunning, scan.ReadWaiting).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("store: counting scans: %w", err)
	}
	return n, nil
}

// maxHurried bounds how many scans are hurried at once; the others are looked at
// by their own time.
const maxHurried = 500

// HurryScans implements scan.Records.
func (db *DB) HurryScans(ctx context.Context, owner access.PersonID) error {
	// Read outside the transaction: mostly nothing waits, and writers need not either.
	r, err := db.query(ctx, "SELECT CASE WHEN ended_at = 0 THEN job_id ELSE read_job_id END FROM scans WHERE authority = $1 AND subject = $2 "+
		"AND (ended_at = 0 AND state = $3 AND job_id > 0 OR read_state = $4 AND read_job_id > 0) "+
		limitTo(maxHurried), owner.Authority, owner.Subject, scan.Waiting, scan.ReadWaiting)
	jobs, err := collect(r, err, func(r row) (id int64, err error) { return id, r.Scan(&id) })
	if err == nil && len(jobs) > 0 {
		err = db.inTx(ctx, func(t tx) error {
			for _, id := range jobs {
				if err := t.hurry(ctx, id); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("store: hurrying scans: %w", err)
	}
	return nil
}

// ChangedScans implements scan.Records.
func (db *DB) ChangedScans(ctx context.Context, owner access.PersonID, since time.Time, limit int) ([]scan.Event, error) {
	r, err := db.query(ctx, "SELECT id, state, version, changed_at FROM scans WHERE authority = $1 AND subject = $2 AND changed_at >= $3 "+
		"ORDER BY changed_at DESC, id "+limitTo(limit), owner.Authority, owner.Subject, micros(since))
	return collect(r, err, func(r row) (scan.Event, error) {
		var e scan.Event
		var at int64
		if err := r.Scan(&e.Scan, &e.State, &e.Version, &at); err != nil {
			return e, fmt.Errorf("store: changed scans: %w", err)
		}
		e.At = fromMicros(at)
		return e, nil
	})
}
