package entra

import (
	"context"
	"time"

	"azts.internal/portal/internal/access"
)

// HistoryDays is how long an issue is remembered.
const HistoryDays = 90

// Issue is one line of the history of issued tokens: what was issued to whom,
// never the token.
type Issue struct {
	ID        string
	Session   SessionID // the session it belongs to, which may have ended
	Device    string    // of that session
	Resource  string    // App ID URI; "" where the scopes name none
	Scopes    string    // as granted, separated by blanks
	Purpose   string    // in the person's words; "" for the portal's own pages
	Flow      string    // one of the Flow constants
	IssuedAt  time.Time
	ExpiresAt time.Time
	// RevealedAt and CopiedAt are the first times; zero for never.
	RevealedAt, CopiedAt time.Time
	Reveals, Copies      int // how often
}

// Use is what a person did with a token.
type Use uint8

// The uses of a token that the history notes.
const (
	Revealed Use = iota
	Copied
)

// IssueRecords keeps the history of issued tokens. [TokenRecords.SaveTokens]
// and the creation of a session write it, in the same step as the tokens, for
// each whose IssuedAt is set; person and device are the session's. It is kept
// for [HistoryDays], also when the session has ended.
type IssueRecords interface {
	// Issues lists the issues to a person, the newest first, limit at most,
	// after leaving out offset of them; and how many there are.
	Issues(ctx context.Context, person access.PersonID, limit, offset int) (list []Issue, total int, err error)
	// MarkIssue notes a use of a person's token. An issue that is not there, or
	// is somebody else's, is no failure: the history forgets before tokens do.
	MarkIssue(ctx context.Context, person access.PersonID, id string, use Use, at time.Time) error
	// NotePurpose gives an issue of the portal's own a purpose: the person found
	// a use for it. One that has a purpose keeps it.
	NotePurpose(ctx context.Context, person access.PersonID, id, purpose string) error
}

// History lists the tokens that were issued to a person, as [IssueRecords.Issues].
func (b *Broker) History(ctx context.Context, person access.PersonID, limit, offset int) ([]Issue, int, error) {
	return b.records.Issues(ctx, person, limit, offset)
}

// Mark notes that a token is about to be shown or copied. Call it before the
// token is sent: what cannot be noted must not happen.
func (b *Broker) Mark(ctx context.Context, person access.PersonID, token AccessToken, use Use) error {
	if token.IssueID == "" {
		return nil // of before there was a history
	}
	return b.records.MarkIssue(ctx, person, token.IssueID, use, b.now())
}

// NotePurpose notes what a person wants a token for that the portal had got for
// its own pages.
func (b *Broker) NotePurpose(ctx context.Context, person access.PersonID, token AccessToken, purpose string) error {
	if token.IssueID == "" || token.Purpose != "" {
		return nil
	}
	return b.records.NotePurpose(ctx, person, token.IssueID, purpose)
}
