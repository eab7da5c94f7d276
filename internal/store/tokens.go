package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/session"
)

// SaveTokens implements entra.TokenRecords.
func (db *DB) SaveTokens(ctx context.Context, session entra.SessionID, tokens ...entra.SealedToken) error {
	return db.inTx(ctx, func(t tx) error {
		for _, token := range tokens {
			if err := saveToken(ctx, t, session, token); err != nil {
				return err
			}
		}
		return nil
	})
}

// SaveVisit implements entra.TokenRecords.
func (db *DB) SaveVisit(ctx context.Context, id entra.SessionID, now time.Time, sid, sessionState string, tokens ...entra.SealedToken) error {
	err := db.inTx(ctx, func(t tx) error {
		// It holds the row until the end, so that a sign-out comes before or after.
		n, err := t.exec(ctx, `UPDATE sessions SET sid = CASE WHEN CAST($1 AS TEXT) = '' THEN sid ELSE $1 END,
			session_state = CASE WHEN CAST($2 AS TEXT) = '' THEN session_state ELSE $2 END WHERE id = $3 AND ends_at > $4`,
			sid, sessionState, id[:], micros(now))
		if err != nil {
			return fmt.Errorf("store: noting the provider's session: %w", err)
		}
		if n == 0 {
			return entra.ErrNoSession
		}
		for _, token := range tokens {
			if err := saveToken(ctx, t, id, token); err != nil {
				return err
			}
		}
		return nil
	})
	db.remembered.forget(session.ID(id)) // its sid is another one
	return err
}

// saveToken fails for a session that ended meanwhile: the foreign key refuses it.
func saveToken(ctx context.Context, t tx, session entra.SessionID, token entra.SealedToken) error {
	_, err := t.exec(ctx, `INSERT INTO session_tokens (session_id, resource, sealed, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (session_id, resource) DO UPDATE SET sealed = excluded.sealed, expires_at = excluded.expires_at`,
		session[:], token.Resource, token.Sealed, micros(token.ExpiresAt))
	if err != nil {
		return fmt.Errorf("store: saving a token: %w", err)
	}
	return recordIssue(ctx, t, session, token)
}

// maxTokens bounds the tokens of one session that are listed.
const maxTokens = 1000

// ListTokens implements entra.TokenRecords.
func (db *DB) ListTokens(ctx context.Context, session entra.SessionID) ([]entra.SealedToken, error) {
	r, err := db.query(ctx, "SELECT resource, sealed, expires_at FROM session_tokens WHERE session_id = $1 ORDER BY resource "+limitTo(maxTokens), session[:])
	list, err := collect(r, err, func(r row) (entra.SealedToken, error) {
		var token entra.SealedToken
		var expires int64
		err := r.Scan(&token.Resource, &token.Sealed, &expires)
		token.ExpiresAt = fromMicros(expires)
		return token, err
	})
	if err != nil {
		return nil, fmt.Errorf("store: tokens of a session: %w", err)
	}
	return list, nil
}

// LoadToken implements entra.TokenRecords.
func (db *DB) LoadToken(ctx context.Context, session entra.SessionID, resource string) (entra.SealedToken, error) {
	token := entra.SealedToken{Resource: resource}
	var expires int64
	err := db.queryRow(ctx, "SELECT sealed, expires_at FROM session_tokens WHERE session_id = $1 AND resource = $2", session[:], resource).
		Scan(&token.Sealed, &expires)
	if errors.Is(err, ErrNotFound) {
		return token, entra.ErrNoToken
	}
	if err != nil {
		return token, fmt.Errorf("store: token: %w", err)
	}
	token.ExpiresAt = fromMicros(expires)
	return token, nil
}

// DeleteToken implements entra.TokenRecords.
func (db *DB) DeleteToken(ctx context.Context, session entra.SessionID, resource string) error {
	if _, err := db.exec(ctx, "DELETE FROM session_tokens WHERE session_id = $1 AND resource = $2", session[:], resource); err != nil {
		return fmt.Errorf("store: deleting a token: %w", err)
	}
	db.scrubbed(ctx)
	return nil
}

// SessionWithToken implements entra.TokenRecords.
func (db *DB) SessionWithToken(ctx context.Context, person access.PersonID, resource string, now time.Time) (entra.SessionID, string, error) {
	var id []byte
	var issuer string
	err := db.queryRow(ctx, `SELECT s.id, s.issuer FROM sessions s JOIN session_tokens t ON t.session_id = s.id
		WHERE s.authority = $1 AND s.subject = $2 AND s.ends_at > $3 AND t.resource = $4 AND t.expires_at > $3
		ORDER BY s.last_seen_at DESC LIMIT 1`, person.Authority, person.Subject, micros(now), resource).Scan(&id, &issuer)
	if errors.Is(err, ErrNotFound) {
		return entra.SessionID{}, "", entra.ErrNoToken
	}
	if err != nil {
		return entra.SessionID{}, "", fmt.Errorf("store: session with a token: %w", err)
	}
	known, err := sessionID(id)
	return entra.SessionID(known), issuer, err
}

// LockTokens implements entra.TokenRecords.
func (db *DB) LockTokens(ctx context.Context, name string) (func(), error) {
	return db.lock(ctx, "tokens/"+name)
}
