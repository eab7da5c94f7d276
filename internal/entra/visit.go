package entra

import (
	"context"
	"encoding/hex"
	"errors"
)

// ErrNoSession is what [TokenRecords] answers for a session that has ended.
var ErrNoSession = errors.New("entra: the session has ended")

// Visit is what a person brought back from the provider for the session that
// they left with.
type Visit struct {
	Scopes    []string // of one resource, what the code was redeemed for
	Tokens    *TokenSet
	Purpose   string // what the person wants the token for
	Challenge string // ID of the claims challenge that the visit answered, or ""
	// SID and SessionState are those of the new ID token: the person may have
	// signed in anew there, and single sign-out names the session by them.
	SID, SessionState string
}

// KeepVisit stores what a visit brought in its session, beside the tokens that
// are there; [ErrNoSession] when it has ended meanwhile. It waits for a refresh
// of the session that is under way, so that neither loses the refresh token of
// the other. Like a refresh it goes on though the browser left: the code is used
// up.
func (b *Broker) KeepVisit(ctx context.Context, session SessionID, v Visit) error {
	// As long as the refresh that it may have to wait for, and its own storing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tokenTimeout+2*saveLimit)
	defer cancel()
	release, err := b.lock(ctx, hex.EncodeToString(session[:]))
	if err != nil {
		return err
	}
	defer release()
	sealed, err := b.Seal(session, v.Scopes, v.Tokens, v.Purpose, FlowAuthorizationCode)
	if err != nil {
		return err
	}
	if v.Challenge != "" {
		sealed = append(sealed, b.sealAnswered(session, v.Scopes, v.Challenge))
	}
	if err := b.records.SaveVisit(ctx, session, b.now(), v.SID, v.SessionState, sealed...); err != nil {
		return err
	}
	return b.makeRoom(ctx, session, TokenKey(v.Scopes))
}
