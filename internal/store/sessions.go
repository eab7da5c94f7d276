package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/failures"
	"azts.internal/portal/session"
)

const sessionColumns = "id, authority, subject, issuer, sid, session_state, sealed, device, created_at, last_seen_at, expires_at, ends_at"

// listColumns are sessionColumns without the content, which no list shows.
var listColumns = strings.Replace(sessionColumns, "sealed", "NULL", 1)

func scanSession(r row) (session.Record, error) {
	var rec session.Record
	var id []byte
	var created, seen, expires, ends int64
	err := r.Scan(&id, &rec.Person.Authority, &rec.Person.Subject, &rec.Issuer, &rec.SID, &rec.SessionState,
		&rec.Sealed, &rec.Device, &created, &seen, &expires, &ends)
	if errors.Is(err, ErrNotFound) {
		return rec, session.ErrNotFound
	}
	if err != nil {
		return rec, fmt.Errorf("store: session: %w", err)
	}
	if rec.ID, err = sessionID(id); err != nil {
		return rec, err
	}
	rec.CreatedAt, rec.LastSeenAt = fromMicros(created), fromMicros(seen)
	rec.ExpiresAt, rec.EndsAt = fromMicros(expires), fromMicros(ends)
	return rec, nil
}

func sessionID(b []byte) (session.ID, error) {
	if len(b) != len(session.ID{}) {
		return session.ID{}, fmt.Errorf("store: session id of %d bytes", len(b))
	}
	return session.ID(b), nil
}

// CreateSession implements session.Records.
func (db *DB) CreateSession(ctx context.Context, rec session.Record, tokens []session.SealedToken, replaces ...session.ID) error {
	before := db.remembered.before()
	defer db.remembered.forget(replaces...)
	err := db.inTx(ctx, func(t tx) error {
		for _, old := range replaces {
			if _, err := t.exec(ctx, "DELETE FROM sessions WHERE id = $1", old[:]); err != nil {
				return fmt.Errorf("store: replacing a session: %w", err)
			}
		}
		_, err := t.exec(ctx, "INSERT INTO sessions ("+sessionColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
			rec.ID[:], rec.Person.Authority, rec.Person.Subject, rec.Issuer, rec.SID, rec.SessionState, rec.Sealed, rec.Device,
			micros(rec.CreatedAt), micros(rec.LastSeenAt), micros(rec.ExpiresAt), micros(rec.EndsAt))
		if err != nil {
			return fmt.Errorf("store: creating a session: %w", err)
		}
		for _, token := range tokens {
			if err := saveToken(ctx, t, rec.ID, entra.SealedToken(token)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		db.remembered.put(rec, before)
	}
	return err
}

// LoadSession implements session.Records.
func (db *DB) LoadSession(ctx context.Context, id session.ID, now time.Time) (session.Record, error) {
	if rec, ok := db.remembered.get(id, now); ok {
		return rec, nil
	}
	before := db.remembered.before()
	rec, err := scanSession(db.queryRow(ctx, "SELECT "+sessionColumns+" FROM sessions WHERE id = $1 AND ends_at > $2", id[:], micros(now)))
	if err == nil {
		db.remembered.put(rec, before)
	}
	return rec, err
}

// TouchSession implements session.Records.
func (db *DB) TouchSession(ctx context.Context, id session.ID, lastSeenAt, endsAt time.Time) error {
	// Only ever forward: two requests may arrive in the other order.
	_, err := db.exec(ctx, "UPDATE sessions SET last_seen_at = $1, ends_at = $2 WHERE id = $3 AND last_seen_at < $1",
		micros(lastSeenAt), micros(endsAt), id[:])
	if err != nil {
		return fmt.Errorf("store: touching a session: %w", err)
	}
	db.remembered.touch(id, lastSeenAt, endsAt)
	return nil
}

// DeleteSession implements session.Records.
func (db *DB) DeleteSession(ctx context.Context, id session.ID) (bool, error) {
	n, err := db.exec(ctx, "DELETE FROM sessions WHERE id = $1", id[:])
	if err != nil {
		return false, fmt.Errorf("store: deleting a session: %w", err)
	}
	db.remembered.forget(id)
	db.scrubbed(ctx)
	return n > 0, nil
}

// scrubbed takes what was just deleted out of the files. That it cannot be done
// now undoes nothing of the deletion; the clearing of expired rows tries again.
func (db *DB) scrubbed(ctx context.Context) {
	if err := db.scrub(ctx); err != nil {
		db.log.WarnContext(ctx, "what was deleted is in the database's files still", "err", err)
	}
}

// DeleteSessionOf implements session.Records.
func (db *DB) DeleteSessionOf(ctx context.Context, person access.PersonID, id session.ID) (bool, error) {
	n, err := db.exec(ctx, "DELETE FROM sessions WHERE id = $1 AND authority = $2 AND subject = $3", id[:], person.Authority, person.Subject)
	if err != nil {
		return false, fmt.Errorf("store: deleting a person's session: %w", err)
	}
	if n > 0 {
		db.remembered.forget(id)
		db.scrubbed(ctx)
	}
	return n > 0, nil
}

// DeleteSessionsBySID implements session.Records.
func (db *DB) DeleteSessionsBySID(ctx context.Context, issuer, sid string) ([]session.ID, error) {
	if sid == "" {
		return nil, nil // or every session without one would end
	}
	if !storable(sid) || !storable(issuer) {
		return nil, nil // anyone may send it; it is no failure of the database
	}
	const where = "(sid = $1 OR session_state = $1) AND ($2 = '' OR issuer = $2)"
	// A look before the writer's turn is taken: anyone may ask, with sids made up.
	var one int
	err := db.queryRow(ctx, "SELECT 1 FROM sessions WHERE "+where+" LIMIT 1", sid, issuer).Scan(&one)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: looking for sessions to end: %w", err)
	}
	return db.deleteSessions(ctx, where, sid, issuer)
}

// DeleteSessionsOfSubject implements session.Records.
func (db *DB) DeleteSessionsOfSubject(ctx context.Context, person access.PersonID) ([]session.ID, error) {
	return db.deleteSessions(ctx, "authority = $1 AND subject = $2", person.Authority, person.Subject)
}

func (db *DB) deleteSessions(ctx context.Context, where string, args ...any) ([]session.ID, error) {
	var ids []session.ID
	err := db.inTx(ctx, func(t tx) error {
		r, err := t.query(ctx, "DELETE FROM sessions WHERE "+where+" RETURNING id", args...)
		ids, err = collect(r, err, scanID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: ending sessions: %w", err)
	}
	db.remembered.forget(ids...)
	if len(ids) > 0 {
		db.scrubbed(ctx)
	}
	return ids, nil
}

func scanID(r row) (session.ID, error) {
	var b []byte
	if err := r.Scan(&b); err != nil {
		return session.ID{}, err
	}
	return sessionID(b)
}

// SessionsOf implements session.Records.
func (db *DB) SessionsOf(ctx context.Context, person access.PersonID, now time.Time, limit int) ([]session.Record, error) {
	r, err := db.query(ctx, "SELECT "+listColumns+" FROM sessions WHERE authority = $1 AND subject = $2 AND ends_at > $3 ORDER BY last_seen_at DESC "+limitTo(limit),
		person.Authority, person.Subject, micros(now))
	return collect(r, err, scanSession)
}

// liveChunk is how many ids one query asks for; a short list is padded by
// repeating its last, so that there is one statement to prepare.
const liveChunk = 100

var liveQuery = func() string {
	marks := make([]string, liveChunk)
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+2)
	}
	return "SELECT id FROM sessions WHERE ends_at > $1 AND id IN (" + strings.Join(marks, ", ") + ")"
}()

// LiveSessions implements session.Records.
func (db *DB) LiveSessions(ctx context.Context, ids []session.ID, now time.Time) ([]session.ID, error) {
	var live []session.ID
	for start := 0; start < len(ids); start += liveChunk {
		args := make([]any, 0, liveChunk+1)
		args = append(args, micros(now))
		for i := range liveChunk {
			args = append(args, ids[min(start+i, len(ids)-1)][:])
		}
		r, err := db.query(ctx, liveQuery, args...)
		some, err := collect(r, err, scanID)
		if err != nil {
			return nil, fmt.Errorf("store: live sessions: %w", err)
		}
		live = append(live, some...)
	}
	return live, nil
}

// UseOnce implements session.Records.
func (db *DB) UseOnce(ctx context.Context, value string, until time.Time) (bool, error) {
	digest := sha256.Sum256([]byte(value))
	n, err := db.exec(ctx, "INSERT INTO used_values (digest, until) VALUES ($1, $2) ON CONFLICT DO NOTHING", digest[:], micros(until))
	if err != nil {
		return false, fmt.Errorf("store: using a value once: %w", err)
	}
	return n == 1, nil
}

// Used implements session.Records.
func (db *DB) Used(ctx context.Context, value string) (bool, error) {
	digest := sha256.Sum256([]byte(value))
	var until int64
	err := db.queryRow(ctx, "SELECT until FROM used_values WHERE digest = $1", digest[:]).Scan(&until)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("store: used value: %w", err)
	}
	return true, nil
}

// clearLimit bounds one clearing step, so that no transaction holds up sign-ins.
const clearLimit = 1000

// ClearExpired removes sessions that ended, used values nobody needs to remember,
// the history of issued tokens and failed sign-ins after their days, in small
// steps, and returns how many rows went.
func (db *DB) ClearExpired(ctx context.Context) (int64, error) {
	var total int64
	db.remembered.prune(db.now())
	now := db.now()
	for _, step := range []struct {
		query string
		until time.Time
	}{
		{"DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ends_at <= $1 LIMIT $2)", now},
		{"DELETE FROM used_values WHERE digest IN (SELECT digest FROM used_values WHERE until <= $1 LIMIT $2)", now},
		{"DELETE FROM issued_tokens WHERE id IN (SELECT id FROM issued_tokens WHERE issued_at <= $1 LIMIT $2)", now.AddDate(0, 0, -entra.HistoryDays)},
		{"DELETE FROM flow_runs WHERE id IN (SELECT id FROM flow_runs WHERE ends_at <= $1 LIMIT $2)", now},
		{"DELETE FROM sign_in_failures WHERE reference IN (SELECT reference FROM sign_in_failures WHERE at <= $1 LIMIT $2)", now.AddDate(0, 0, -failures.Days)},
	} {
		for {
			n, err := db.exec(ctx, step.query, micros(step.until), clearLimit)
			total += n
			if err != nil {
				return total, fmt.Errorf("store: clearing expired rows: %w", err)
			}
			if n < clearLimit {
				break
			}
		}
	}
	db.scrubbed(ctx)
	return total, nil
}
