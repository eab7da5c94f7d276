package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
)

// recordIssue writes the line of the history for a token that was just issued.
// Person and device are those of the session's row, so that a token of a session
// that is gone leaves no line: the foreign key has refused the token before.
func recordIssue(ctx context.Context, t tx, session entra.SessionID, token entra.SealedToken) error {
	if token.IssuedAt.IsZero() {
		return nil
	}
	// Of Graph the scopes of OpenID Connect come first, which name no resource.
	resource := ""
	for _, scope := range strings.Fields(token.Scopes + " " + token.Resource) {
		if resource = entra.ResourceOf(scope); resource != "" {
			break
		}
	}
	_, err := t.exec(ctx, `INSERT INTO issued_tokens (id, authority, subject, session_id, device, resource, scopes, purpose, flow,
			issued_at, expires_at, revealed_at, reveals, copied_at, copies)
		SELECT $1, authority, subject, id, device, $2, $3, $4, $5, CAST($6 AS BIGINT), CAST($7 AS BIGINT), 0, 0, 0, 0 FROM sessions WHERE id = $8`,
		token.IssueID, resource, token.Scopes, token.Purpose, token.Flow, micros(token.IssuedAt), micros(token.ExpiresAt), session[:])
	if err != nil {
		return fmt.Errorf("store: noting an issue: %w", err)
	}
	return nil
}

// Issues implements entra.IssueRecords.
func (db *DB) Issues(ctx context.Context, person access.PersonID, limit, offset int) ([]entra.Issue, int, error) {
	var total int
	err := db.queryRow(ctx, "SELECT count(*) FROM issued_tokens WHERE authority = $1 AND subject = $2", person.Authority, person.Subject).Scan(&total)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, 0, fmt.Errorf("store: counting issues: %w", err)
	}
	r, err := db.query(ctx, fmt.Sprintf(`SELECT id, session_id, device, resource, scopes, purpose, flow, issued_at, expires_at, revealed_at, reveals, copied_at, copies
		FROM issued_tokens WHERE authority = $1 AND subject = $2 ORDER BY issued_at DESC, id LIMIT %d OFFSET %d`, limit, offset),
		person.Authority, person.Subject)
	list, err := collect(r, err, scanIssue)
	if err != nil {
		return nil, 0, fmt.Errorf("store: issues: %w", err)
	}
	return list, total, nil
}

func scanIssue(r row) (entra.Issue, error) {
	var i entra.Issue
	var session []byte
	var issued, expires, revealed, copied int64
	err := r.Scan(&i.ID, &session, &i.Device, &i.Resource, &i.Scopes, &i.Purpose, &i.Flow, &issued, &expires, &revealed, &i.Reveals, &copied, &i.Copies)
	if err != nil {
		return i, err
	}
	id, err := sessionID(session)
	i.Session = entra.SessionID(id)
	i.IssuedAt, i.ExpiresAt, i.RevealedAt, i.CopiedAt = fromMicros(issued), fromMicros(expires), fromMicros(revealed), fromMicros(copied)
	return i, err
}

// markIssue are the updates for each use: the first time stays.
var markIssue = map[entra.Use]string{
	entra.Revealed: "revealed_at = CASE revealed_at WHEN 0 THEN $1 ELSE revealed_at END, reveals = reveals + 1",
	entra.Copied:   "copied_at = CASE copied_at WHEN 0 THEN $1 ELSE copied_at END, copies = copies + 1",
}

// MarkIssue implements entra.IssueRecords.
func (db *DB) MarkIssue(ctx context.Context, person access.PersonID, id string, use entra.Use, at time.Time) error {
	set, known := markIssue[use]
	if !known {
		return fmt.Errorf("store: marking an issue: unknown use %d", use)
	}
	_, err := db.exec(ctx, "UPDATE issued_tokens SET "+set+" WHERE id = $2 AND authority = $3 AND subject = $4",
		micros(at), id, person.Authority, person.Subject)
	if err != nil {
		return fmt.Errorf("store: marking an issue: %w", err)
	}
	return nil
}
