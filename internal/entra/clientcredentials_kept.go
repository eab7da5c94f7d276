package entra

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
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
	ID       string // names it in forms; not the token
	ClientID string
	TenantID string
	Flow     string // FlowClientCredentials or FlowManagedIdentity
	AccessToken
}

// keptApp is an application token as it is sealed.
type keptApp struct {
	ClientID string      `json:"c"`
	TenantID string      `json:"t"`
	Flow     string      `json:"f"`
	Token    AccessToken `json:"k"`
}

// SaveApp seals an application's token for a session, in place of one of the
// same application, scope and tenant. It returns the token as it is kept.
func (b *Broker) SaveApp(ctx context.Context, session SessionID, app AppToken) (AppToken, error) {
	others, err := b.AppTokens(ctx, session)
	if err != nil {
		return AppToken{}, err
	}
	scope := strings.Join(app.Scopes, " ")
	app.ID = strings.Join([]string{app.ClientID, app.TenantID, scope}, " ")
	app.IssueID = rand.Text()
	others = slices.DeleteFunc(others, func(t AppToken) bool { return t.ID == app.ID })
	slices.SortFunc(others, func(a, b AppToken) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
	for len(others) >= maxAppTokens {
		if err := b.ForgetApp(ctx, session, others[0].ID); err != nil {
			return AppToken{}, err
		}
		others = others[1:]
	}
	plain, err := json.Marshal(keptApp{ClientID: app.ClientID, TenantID: app.TenantID, Flow: app.Flow, Token: app.AccessToken})
	if err != nil {
		return AppToken{}, err
	}
	key := appPrefix + app.ID
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	return app, b.records.SaveTokens(ctx, session, SealedToken{Resource: key, Sealed: b.keys.Seal(plain, tokenPlace(session, key)),
		ExpiresAt: app.ExpiresAt, IssueID: app.IssueID, Scopes: scope, Purpose: app.Purpose, Flow: app.Flow, IssuedAt: app.IssuedAt})
}

// AppTokens returns the application tokens of a session that have not ended, the
// newest first.
func (b *Broker) AppTokens(ctx context.Context, session SessionID) ([]AppToken, error) {
	stored, err := b.records.ListTokens(ctx, session)
	if err != nil {
		return nil, err
	}
	now := b.now()
	var tokens []AppToken
	for _, one := range stored {
		id, ok := strings.CutPrefix(one.Resource, appPrefix)
		if !ok || !now.Before(one.ExpiresAt) {
			continue
		}
		plain, err := b.keys.Open(one.Sealed, tokenPlace(session, one.Resource))
		if err != nil {
			continue // its key was removed from the ring
		}
		var kept keptApp
		if err := json.Unmarshal(plain, &kept); err != nil {
			return nil, fmt.Errorf("entra: stored application token: %w", err)
		}
		tokens = append(tokens, AppToken{ID: id, ClientID: kept.ClientID, TenantID: kept.TenantID, Flow: kept.Flow, AccessToken: kept.Token})
	}
	slices.SortStableFunc(tokens, func(a, b AppToken) int { return b.IssuedAt.Compare(a.IssuedAt) })
	return tokens, nil
}

// ForgetApp removes an application's token from a session.
func (b *Broker) ForgetApp(ctx context.Context, session SessionID, id string) error {
	return b.records.DeleteToken(ctx, session, appPrefix+id)
}
