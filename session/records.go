package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"azts.internal/portal/internal/access"
)

// ErrNotFound is what [Records] answers for a session that is not there.
var ErrNotFound = errors.New("session: not found")

// ID names a session in the database: the SHA-256 of what the cookie holds.
// Knowing it does not help to make the cookie.
type ID [sha256.Size]byte

// Record is a session as it is stored.
type Record struct {
	ID           ID
	Person       access.PersonID
	Issuer       string
	SID          string // the ID token's sid claim
	SessionState string // session_state of the authentication response; equals the logout sid in Entra (entra.md §2.4)
	Sealed       []byte // the content, bound to ID
	Device       string // for people to recognise it by, such as "Edge on Windows"
	CreatedAt    time.Time
	LastSeenAt   time.Time
	ExpiresAt    time.Time // the absolute limit
	EndsAt       time.Time // the idle limit, never after ExpiresAt
}

// SealedToken is a token that begins with the session. What it is, and how it is
// sealed, is the business of whoever holds tokens (package entra).
type SealedToken struct {
	Resource  string
	Sealed    []byte
	ExpiresAt time.Time
	// What the history of issued tokens remembers; IssuedAt zero: nothing.
	IssueID  string
	Scopes   string // as granted, separated by blanks
	Purpose  string
	Flow     string
	IssuedAt time.Time
}

// Records keeps sessions. Implementations are safe for concurrent use, and what
// they acknowledged survives a crash.
type Records interface {
	// CreateSession stores a session with its tokens and, in the same step,
	// removes those it replaces, with theirs.
	CreateSession(ctx context.Context, record Record, tokens []SealedToken, replaces ...ID) error
	// LoadSession returns a session whose EndsAt is after now, else ErrNotFound.
	LoadSession(ctx context.Context, id ID, now time.Time) (Record, error)
	// TouchSession moves the idle limit of a session that is there.
	TouchSession(ctx context.Context, id ID, lastSeenAt, endsAt time.Time) error
	// DeleteSession removes a session with its tokens and reports whether it was there.
	DeleteSession(ctx context.Context, id ID) (bool, error)
	// DeleteSessionOf removes a session with its tokens if it is that person's,
	// in one step, and reports whether it was.
	DeleteSessionOf(ctx context.Context, person access.PersonID, id ID) (bool, error)
	// DeleteSessionsBySID removes every session whose SID or SessionState
	// equals sid; with an issuer, only that issuer's. It returns their ids.
	DeleteSessionsBySID(ctx context.Context, issuer, sid string) ([]ID, error)
	// DeleteSessionsOfSubject removes every session of an issuer's subject.
	DeleteSessionsOfSubject(ctx context.Context, person access.PersonID) ([]ID, error)
	// SessionsOf lists the live sessions of a person, the last seen first, at
	// most limit of them, without their content.
	SessionsOf(ctx context.Context, person access.PersonID, now time.Time, limit int) ([]Record, error)
	// LiveSessions returns those of the ids that are still live.
	LiveSessions(ctx context.Context, ids []ID, now time.Time) ([]ID, error)
	// UseOnce remembers a value until a time and reports whether it is the
	// first to do so: of any number of calls at once exactly one is.
	UseOnce(ctx context.Context, value string, until time.Time) (first bool, err error)
	// Used reports whether UseOnce was called for a value.
	Used(ctx context.Context, value string) (bool, error)
}
