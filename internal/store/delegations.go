package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
)

// SaveDelegation implements entra.DelegationRecords.
func (db *DB) SaveDelegation(ctx context.Context, d entra.Delegation, issue entra.Issue) error {
	return db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, `INSERT INTO delegations (authority, subject, issuer, sealed, kept_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (authority, subject) DO UPDATE SET issuer = excluded.issuer, sealed = excluded.sealed, kept_at = excluded.kept_at`,
			d.Owner.Authority, d.Owner.Subject, d.Issuer, d.Sealed, micros(d.KeptAt))
		if err != nil {
			return fmt.Errorf("store: keeping a delegation: %w", err)
		}
		return recordDelegated(ctx, t, d.Owner, issue)
	})
}

// RotateDelegation implements entra.DelegationRecords.
func (db *DB) RotateDelegation(ctx context.Context, d entra.Delegation, issue entra.Issue) error {
	return db.inTx(ctx, func(t tx) error {
		n, err := t.exec(ctx, "UPDATE delegations SET sealed = $1 WHERE authority = $2 AND subject = $3 AND kept_at = $4",
			d.Sealed, d.Owner.Authority, d.Owner.Subject, micros(d.KeptAt))
		if err != nil {
			return fmt.Errorf("store: rotating a delegation: %w", err)
		}
		if n == 0 {
			return entra.ErrNoDelegation
		}
		return recordDelegated(ctx, t, d.Owner, issue)
	})
}

// recordDelegated writes the line of the history for a token without a session:
// in the place of its id stands one that no session has.
func recordDelegated(ctx context.Context, t tx, owner access.PersonID, issue entra.Issue) error {
	var none entra.SessionID
	_, err := t.exec(ctx, `INSERT INTO issued_tokens (id, authority, subject, session_id, device, resource, scopes, purpose, flow,
			issued_at, expires_at, revealed_at, reveals, copied_at, copies)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, 0, 0)`, issue.ID, owner.Authority, owner.Subject, none[:],
		issue.Device, issue.Resource, issue.Scopes, issue.Purpose, issue.Flow, micros(issue.IssuedAt), micros(issue.ExpiresAt))
	if err != nil {
		return fmt.Errorf("store: noting an issue: %w", err)
	}
	return nil
}

// LoadDelegation implements entra.DelegationRecords.
func (db *DB) LoadDelegation(ctx context.Context, owner access.PersonID) (entra.Delegation, error) {
	d := entra.Delegation{Owner: owner}
	var kept int64
	err := db.queryRow(ctx, "SELECT issuer, sealed, kept_at FROM delegations WHERE authority = $1 AND subject = $2",
		owner.Authority, owner.Subject).Scan(&d.Issuer, &d.Sealed, &kept)
	if errors.Is(err, ErrNotFound) {
		return entra.Delegation{}, entra.ErrNoDelegation
	}
	if err != nil {
		return entra.Delegation{}, fmt.Errorf("store: delegation: %w", err)
	}
	d.KeptAt = fromMicros(kept)
	return d, nil
}

// DeleteUnusedDelegations implements entra.DelegationRecords.
func (db *DB) DeleteUnusedDelegations(ctx context.Context, before time.Time) (int, error) {
	return db.deleteDelegations(ctx, `DELETE FROM delegations WHERE kept_at < $1 AND NOT EXISTS (SELECT 1 FROM schedules s
		WHERE s.authority = delegations.authority AND s.subject = delegations.subject AND s.state <> $2)`, micros(before), scan.ScheduleEnded)
}

// DeleteDelegations erases what is kept for anybody, and returns for how many.
func (db *DB) DeleteDelegations(ctx context.Context) (int, error) {
	return db.deleteDelegations(ctx, "DELETE FROM delegations")
}

// DeleteDelegation implements entra.DelegationRecords.
func (db *DB) DeleteDelegation(ctx context.Context, owner access.PersonID, keptAt time.Time) error {
	_, err := db.deleteDelegations(ctx, "DELETE FROM delegations WHERE authority = $1 AND subject = $2 AND (kept_at = $3 OR $3 = 0)", owner.Authority, owner.Subject, micros(keptAt))
	return err
}

func (db *DB) deleteDelegations(ctx context.Context, query string, args ...any) (int, error) {
	n, err := db.exec(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("store: erasing delegations: %w", err)
	}
	if n > 0 {
		db.scrubbed(ctx)
	}
	return int(n), nil
}
