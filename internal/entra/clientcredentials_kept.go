package entra

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// appPrefix begins the keys of application tokens among a session's tokens; no
// scope has a blank in it.
const appPrefix = "app "

// maxAppTokens bounds how many application tokens a session keeps; the one that
// ends first makes room.
const maxAppTokens = 10

// AppToken is a token of an application that a session keeps.
type AppToken struct {
	ID       string // [TokenID] of its key: names it in forms
	ClientID string // "" for the identity of the machine itself
	TenantID string
	Flow     string // FlowClientCredentials or FlowManagedIdentity
	AccessToken
}

func (t *AppToken) key() string {
	return strings.Join([]string{appPrefix + t.ClientID, t.TenantID, strings.Join(t.Scopes, " ")}, " ")
}

// keptApp is an application's token as it is sealed.
type keptApp struct {
	ClientID string      `json:"c"`
	TenantID string      `json:"t"`
	Flow     string      `json:"f"`
	Token    AccessToken `json:"k"`
}

// SaveApp seals an application's token for a session, in place of one of the
// same application, tenant and scope, and notes it in the history. It returns the
// token as it is kept.
func (b *Broker) SaveApp(ctx context.Context, session SessionID, app AppToken) (AppToken, error) {
	others, err := b.AppTokens(ctx, session)
	if err != nil {
		return AppToken{}, err
	}
	key := app.key()
	app.ID, app.IssueID = TokenID(key), rand.Text()
	others = slices.DeleteFunc(others, func(t AppToken) bool { return t.ID == app.ID })
	slices.SortFunc(others, func(a, b AppToken) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
	for ; len(others) >= maxAppTokens; others = others[1:] {
		if err := b.records.DeleteToken(ctx, session, others[0].key()); err != nil {
			return AppToken{}, err
		}
	}
	plain, err := json.Marshal(keptApp{ClientID: app.ClientID, TenantID: app.TenantID, Flow: app.Flow, Token: app.AccessToken})
	if err != nil {
		return AppToken{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	return app, b.records.SaveTokens(ctx, session, SealedToken{Resource: key, Sealed: b.keys.Seal(plain, tokenPlace(session, key)),
		ExpiresAt: app.ExpiresAt, IssueID: app.IssueID, Scopes: strings.Join(app.Scopes, " "), Purpose: app.Purpose, Flow: app.Flow, IssuedAt: app.IssuedAt})
}

// AppTokens returns the tokens of applications that a session keeps and that
// have not ended, the newest first.
func (b *Broker) AppTokens(ctx context.Context, session SessionID) ([]AppToken, error) {
	stored, err := b.records.ListTokens(ctx, session)
	if err != nil {
		return nil, err
	}
	now := b.now()
	var tokens []AppToken
	for _, one := range stored {
		if !strings.HasPrefix(one.Resource, appPrefix) || !now.Before(one.ExpiresAt) {
			continue
		}
		plain, err := b.keys.Open(one.Sealed, tokenPlace(session, one.Resource))
		if err != nil {
			continue // its key was removed from the ring
		}
		var kept keptApp
		if err := json.Unmarshal(plain, &kept); err != nil {
			return nil, errors.New("entra: stored token of an application is malformed") // its bytes stay out of the error
		}
		tokens = append(tokens, AppToken{ID: TokenID(one.Resource), ClientID: kept.ClientID, TenantID: kept.TenantID, Flow: kept.Flow, AccessToken: kept.Token})
	}
	slices.SortStableFunc(tokens, func(a, b AppToken) int { return b.IssuedAt.Compare(a.IssuedAt) })
	return tokens, nil
}

// AppTokenByID returns one of them, else [ErrNoToken].
func (b *Broker) AppTokenByID(ctx context.Context, session SessionID, id string) (AppToken, error) {
	tokens, err := b.AppTokens(ctx, session)
	if err != nil {
		return AppToken{}, err
	}
	i := slices.IndexFunc(tokens, func(t AppToken) bool { return t.ID == id })
	if i < 0 {
		return AppToken{}, ErrNoToken
	}
	return tokens[i], nil
}

// ForgetApp removes an application's token from a session.
func (b *Broker) ForgetApp(ctx context.Context, session SessionID, token AppToken) error {
	return b.records.DeleteToken(ctx, session, token.key())
}
