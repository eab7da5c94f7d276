package entra

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/access"
)

// maxLogoutTokenAge is how old a logout token may be, whatever its exp says: so
// long its ID is remembered (Back-Channel Logout 1.0 §2.4 advises two minutes).
const maxLogoutTokenAge = 10 * time.Minute

// LogoutToken is a logout token whose every check passed, but for the replay
// of its ID, which needs a memory.
type LogoutToken struct {
	ID        string // jti
	Issuer    string
	SID       string          // the session that ended; "" for all of the person
	Person    access.PersonID // zero when the token names no sub
	ExpiresAt time.Time       // until when the ID must be remembered
}

// VerifyLogoutToken checks a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6).
func (p *Provider) VerifyLogoutToken(ctx context.Context, raw string) (*LogoutToken, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	if raw == "" || len(raw) > maxIDToken {
		return nil, refused("logout_token_malformed", fmt.Errorf("%d bytes", len(raw)))
	}
	v := &verification{jwksURI: m.JWKSURI}
	for _, alg := range m.algorithms() {
		v.algs = append(v.algs, jose.SignatureAlgorithm(alg))
	}
	// Signature, audience, the event, no nonce, jti, and sub or sid.
	token, err := p.verifier(m).VerifyLogout(context.WithValue(ctx, verificationKey{}, v), raw)
	if err != nil {
		return nil, signatureError("logout_token", v, err)
	}
	var c idClaims
	if err := token.Claims(&c); err != nil {
		return nil, refused("logout_token_malformed", err)
	}
	if m.isEntra() {
		// Entra has no back-channel logout; nothing of its kind is trusted to
		// name a session of ours.
		return nil, refused("logout_token_unexpected", errors.New("the provider does not send logout tokens"))
	}
	if err := p.checkIssuer(m, v.issuer, c.Issuer, c.TenantID); err != nil {
		return nil, err
	}
	now := p.options.Now()
	switch {
	case c.IssuedAt.IsZero() || now.Add(skew).Before(c.IssuedAt.Time) || now.Sub(c.IssuedAt.Time) > maxLogoutTokenAge:
		return nil, refused("logout_token_iat", fmt.Errorf("issued at %v", c.IssuedAt))
	case !now.Before(c.Expiry.Add(skew)):
		return nil, refused("logout_token_exp", fmt.Errorf("expired at %v", c.Expiry))
	}
	out := &LogoutToken{ID: token.TokenID, Issuer: token.Issuer, SID: token.SessionID,
		ExpiresAt: c.IssuedAt.Add(maxLogoutTokenAge + skew)}
	if token.Subject != "" {
		out.Person = access.PersonID{Authority: token.Issuer, Subject: token.Subject}
	}
	return out, nil
}
