package entra

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
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

// PurposeUnsaid is the purpose of a token that a person asked for without saying
// what for; "" is the portal's own pages.
const PurposeUnsaid = "-"

// AskedFor notes that a person asked for a token that the session holds already:
// what for, if that is new. The token has the new purpose from now on, and a line
// of its own in the history, since the line of the purpose before stays true.
func (b *Broker) AskedFor(ctx context.Context, session SessionID, scopes []string, purpose string) error {
	release, err := b.lock(ctx, hex.EncodeToString(session[:]))
	if err != nil {
		return err
	}
	defer release()
	token, err := b.Cached(ctx, session, scopes)
	if errors.Is(err, ErrNoToken) {
		return nil // forgotten meanwhile
	}
	if err != nil || purpose == token.Purpose || purpose == PurposeUnsaid && token.Purpose != "" {
		return err
	}
	token.Purpose, token.IssueID = purpose, rand.Text()
	plain, err := json.Marshal(token)
	if err != nil {
		return errors.New("entra: a held token cannot be written") // its bytes stay out of the error
	}
	key := TokenKey(scopes)
	return b.records.SaveTokens(ctx, session, SealedToken{Resource: key, Sealed: b.keys.Seal(plain, tokenPlace(session, key)), ExpiresAt: token.ExpiresAt,
		IssueID: token.IssueID, Scopes: strings.Join(token.Scopes, " "), Purpose: purpose, Flow: FlowHeld, IssuedAt: b.now()})
}
