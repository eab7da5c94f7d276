package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/consent"
)

const (
	requestColumns = "id, authority, subject, name, account, object_id, scope, reason, asked_at, state, by_authority, by_subject, by_name, decided_at, answer, for_tenant, reference"
	auditColumns   = "operation, at, actor_authority, actor_subject, actor_name, action, outcome, client_id, client_name, resource_id, resource_name, scope, target_id, target_name, reference, code"
)

func scanRequest(r row) (consent.Request, error) {
	var q consent.Request
	var asked, decided int64
	d := &q.Decision
	err := r.Scan(&q.ID, &q.Person.Authority, &q.Person.Subject, &q.Name, &q.Account, &q.ObjectID, &q.Scope, &q.Reason, &asked, &q.State,
		&d.By.Authority, &d.By.Subject, &d.ByName, &decided, &d.Answer, &d.ForTenant, &d.Reference)
	if errors.Is(err, ErrNotFound) {
		return q, consent.ErrNotFound
	}
	if err != nil {
		return q, fmt.Errorf("store: request for a scope: %w", err)
	}
	q.AskedAt, d.At = fromMicros(asked), fromMicros(decided)
	if q.State != consent.Pending {
		d.State = q.State
	}
	return q, nil
}

// CreateRequest implements consent.Records.
func (db *DB) CreateRequest(ctx context.Context, q consent.Request, maxPending int) (stored consent.Request, created bool, err error) {
	// Two forms of one person at once must not both be the last that fits.
	unlock, err := db.lock(ctx, "consent-requests/"+q.Person.String())
	if err != nil {
		return consent.Request{}, false, fmt.Errorf("store: request for a scope: %w", err)
	}
	defer unlock()
	err = db.inTx(ctx, func(t tx) error {
		stored, err = scanRequest(t.queryRow(ctx, "SELECT "+requestColumns+" FROM consent_requests WHERE authority = $1 AND subject = $2 AND scope = $3 AND state = $4",
			q.Person.Authority, q.Person.Subject, q.Scope, consent.Pending))
		if err == nil || !errors.Is(err, consent.ErrNotFound) {
			return err
		}
		var pending int
		err := t.queryRow(ctx, "SELECT count(*) FROM consent_requests WHERE authority = $1 AND subject = $2 AND state = $3",
			q.Person.Authority, q.Person.Subject, consent.Pending).Scan(&pending)
		if err != nil {
			return err
		}
		if pending >= maxPending {
			return consent.ErrTooMany
		}
		_, err = t.exec(ctx, "INSERT INTO consent_requests ("+requestColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', '', '', 0, '', $11, '')",
			q.ID, q.Person.Authority, q.Person.Subject, q.Name, q.Account, q.ObjectID, q.Scope, q.Reason, micros(q.AskedAt), consent.Pending, false)
		stored, created = q, err == nil
		return err
	})
	if err != nil {
		return consent.Request{}, false, fmt.Errorf("store: request for a scope: %w", err)
	}
	return stored, created, nil
}

// LoadRequest implements consent.Records.
func (db *DB) LoadRequest(ctx context.Context, id string) (consent.Request, error) {
	if !storable(id) {
		return consent.Request{}, consent.ErrNotFound
	}
	return scanRequest(db.queryRow(ctx, "SELECT "+requestColumns+" FROM consent_requests WHERE id = $1", id))
}

// RequestsOf implements consent.Records.
func (db *DB) RequestsOf(ctx context.Context, person access.PersonID, limit int) ([]consent.Request, error) {
	r, err := db.query(ctx, "SELECT "+requestColumns+" FROM consent_requests WHERE authority = $1 AND subject = $2 ORDER BY asked_at DESC, id "+limitTo(limit),
		person.Authority, person.Subject)
	return collect(r, err, scanRequest)
}

// RequestsIn implements consent.Records.
func (db *DB) RequestsIn(ctx context.Context, authority string, q consent.RequestQuery) ([]consent.Request, int, error) {
	if !storable(q.Text) {
		return nil, 0, nil
	}
	where, order := "state <> $2", " ORDER BY decided_at DESC, id "
	if q.Pending {
		where, order = "state = $2", " ORDER BY asked_at, id "
	}
	where = " FROM consent_requests WHERE authority = $1 AND " + where
	args := []any{authority, consent.Pending}
	if q.Text != "" {
		where += ` AND lower(name || ' ' || account || ' ' || scope || ' ' || reason) LIKE lower($3) ESCAPE '!'`
		args = append(args, "%"+strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(q.Text)+"%")
	}
	var total int
	if err := db.queryRow(ctx, "SELECT count(*)"+where, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("store: requests: %w", err)
	}
	r, err := db.query(ctx, "SELECT "+requestColumns+where+order+limitTo(q.Limit)+" OFFSET "+strconv.Itoa(q.Offset), args...)
	list, err := collect(r, err, scanRequest)
	return list, total, err
}

// CountPending implements consent.Records.
func (db *DB) CountPending(ctx context.Context, authority string, limit int) (int, error) {
	var n int
	err := db.queryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM consent_requests WHERE authority = $1 AND state = $2 "+limitTo(limit)+") AS waiting",
		authority, consent.Pending).Scan(&n)
	return n, err
}

// DecideRequest implements consent.Records.
func (db *DB) DecideRequest(ctx context.Context, id string, d consent.Decision) error {
	if !storable(id) {
		return consent.ErrNotFound
	}
	n, err := db.exec(ctx, `UPDATE consent_requests SET state = $1, by_authority = $2, by_subject = $3, by_name = $4, decided_at = $5,
		answer = $6, for_tenant = $7, reference = $8 WHERE id = $9 AND state = $10`,
		d.State, d.By.Authority, d.By.Subject, d.ByName, micros(d.At), d.Answer, d.ForTenant, d.Reference, id, consent.Pending)
	if err != nil {
		return fmt.Errorf("store: deciding a request: %w", err)
	}
	if n > 0 {
		return nil
	}
	if _, err := db.LoadRequest(ctx, id); err != nil {
		return err
	}
	return consent.ErrDecided
}

// AppendAudit implements consent.Records.
func (db *DB) AppendAudit(ctx context.Context, e consent.Entry) error {
	_, err := db.exec(ctx, "INSERT INTO audit_log ("+auditColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
		e.Operation, micros(e.At), e.Actor.Authority, e.Actor.Subject, e.ActorName, e.Action, e.Outcome, e.ClientID, e.ClientName,
		e.ResourceID, e.ResourceName, e.Scope, e.TargetID, e.TargetName, e.Reference, e.Code)
	if err != nil {
		return fmt.Errorf("store: audit log: %w", err)
	}
	return nil
}

// AuditEntries implements consent.Records.
func (db *DB) AuditEntries(ctx context.Context, limit int) ([]consent.Entry, error) {
	r, err := db.query(ctx, "SELECT id, "+auditColumns+" FROM audit_log ORDER BY at DESC, id DESC "+limitTo(limit))
	return collect(r, err, scanEntry)
}

// AuditOperation implements consent.Records.
func (db *DB) AuditOperation(ctx context.Context, operation string, limit int) ([]consent.Entry, error) {
	if !storable(operation) {
		return nil, nil
	}
	r, err := db.query(ctx, "SELECT id, "+auditColumns+" FROM audit_log WHERE operation = $1 ORDER BY id "+limitTo(limit), operation)
	return collect(r, err, scanEntry)
}

// AuditOpen implements consent.Records.
func (db *DB) AuditOpen(ctx context.Context, authority string, action consent.Action, limit int) ([]consent.Entry, error) {
	r, err := db.query(ctx, "SELECT id, "+auditColumns+` FROM audit_log AS intent
		WHERE actor_authority = $1 AND action = $2 AND outcome = $3
		AND NOT EXISTS (SELECT 1 FROM audit_log AS ended WHERE ended.operation = intent.operation AND ended.outcome <> $3)
		ORDER BY id `+limitTo(limit), authority, action, consent.Intended)
	return collect(r, err, scanEntry)
}

func scanEntry(r row) (consent.Entry, error) {
	var e consent.Entry
	var at int64
	err := r.Scan(&e.ID, &e.Operation, &at, &e.Actor.Authority, &e.Actor.Subject, &e.ActorName, &e.Action, &e.Outcome, &e.ClientID, &e.ClientName,
		&e.ResourceID, &e.ResourceName, &e.Scope, &e.TargetID, &e.TargetName, &e.Reference, &e.Code)
	e.At = fromMicros(at)
	return e, err
}
