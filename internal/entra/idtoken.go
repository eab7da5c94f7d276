package entra

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
)

// maxIDToken bounds what we parse: Entra's largest are a tenth of it.
const maxIDToken = 64 << 10

// idClaims are the claims of an ID token that decide something (entra.md §3.1).
type idClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	AZP       string   `json:"azp"`
	IssuedAt  unixTime `json:"iat"`
	NotBefore unixTime `json:"nbf"`
	Expiry    unixTime `json:"exp"`
	Nonce     string   `json:"nonce"`
	CodeHash  string   `json:"c_hash"`
	TokenHash string   `json:"at_hash"`

	TenantID          string     `json:"tid"`
	ObjectID          string     `json:"oid"`
	SID               string     `json:"sid"`
	Name              string     `json:"name"`
	PreferredUsername string     `json:"preferred_username"`
	UPN               string     `json:"upn"`
	Email             string     `json:"email"`
	LoginHint         string     `json:"login_hint"`
	Roles             stringList `json:"roles"`
	AMR               stringList `json:"amr"`
	DirectoryRoles    anyList    `json:"wids"`
	Groups            anyList    `json:"groups"`
	// The two signs of more groups than fit in (entra.md §3.1). The address that
	// _claim_sources gives is never called: a token must not aim our requests.
	HasGroups  any `json:"hasgroups"`
	ClaimNames any `json:"_claim_names"`
}

// moreGroups reports whether the groups did not fit into the token.
func (c *idClaims) moreGroups() bool {
	names, _ := c.ClaimNames.(map[string]any)
	_, elsewhere := names["groups"]
	return elsewhere || c.HasGroups == true || c.HasGroups == "true"
}

// unixTime is a NumericDate (RFC 7519 §2), whole or with a fraction.
type unixTime struct{ time.Time }

func (t *unixTime) UnmarshalJSON(b []byte) error {
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1<<40 {
		return fmt.Errorf("%s is not a time", clip(string(b)))
	}
	t.Time = time.Unix(int64(f), 0)
	return nil
}

// stringList is a list that some providers send as one string.
type stringList []string

func (l *stringList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = stringList{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// anyList is a list of texts of which other kinds are left out: providers other
// than Entra put objects into groups, and nobody may be refused for that.
type anyList []string

func (l *anyList) UnmarshalJSON(b []byte) error {
	var values []any
	if json.Unmarshal(b, &values) != nil {
		return nil
	}
	for _, value := range values {
		if text, ok := value.(string); ok {
			*l = append(*l, text)
		}
	}
	return nil
}

// IDToken is an ID token whose every check passed.
type IDToken struct {
	Raw       string
	SID       string
	LoginHint string
	User      access.User
}

// refused says that a check of an ID token failed. The person is told the same
// for all: the difference helps only who made the token. The code names the
// check, for the log and the help desk.
func refused(check string, cause error) *apperr.Error {
	return (&apperr.Error{Kind: apperr.Forbidden, Code: check,
		Message: "The answer of the company sign-in did not pass our checks, so nobody was signed in.",
		Next:    "Start again from here. If it stays, give the help desk the reference below.",
		Mender:  apperr.MenderHelpDesk, Retry: true}).Because(cause)
}

// expectation is what one ID token must fit.
type expectation struct {
	nonce       string
	noNonce     bool   // the request could carry none
	code        string // c_hash must fit it; "" for none
	accessToken string // at_hash must fit it if the token has one; "" for none
}

// verifyIDToken runs the checks of OpenID Connect Core §3.1.3.7 and §3.3.2.11 and
// of entra.md §1.4 and §3.2. Its errors have the check's name as code.
func (p *Provider) verifyIDToken(ctx context.Context, raw string, want expectation) (*IDToken, *idClaims, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(raw) > maxIDToken {
		return nil, nil, refused("id_token_malformed", fmt.Errorf("%d bytes", len(raw)))
	}
	v := &verification{jwksURI: m.JWKSURI}
	for _, alg := range m.algorithms() {
		v.algs = append(v.algs, jose.SignatureAlgorithm(alg))
	}
	token, err := p.verifier(m).Verify(context.WithValue(ctx, verificationKey{}, v), raw)
	if err != nil {
		return nil, nil, signatureError("id_token", v, err)
	}
	var c idClaims
	if err := token.Claims(&c); err != nil {
		return nil, nil, refused("id_token_malformed", err)
	}
	if err := p.checkClaims(m, v.issuer, token.Audience, &c); err != nil {
		return nil, nil, err
	}
	if want.noNonce {
		// what a nonce is for is done by the code of the device
	} else if c.Nonce == "" || subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(want.nonce)) != 1 {
		return nil, nil, refused("id_token_nonce", errors.New("the nonce is not the one of this sign-in"))
	}
	alg := signatureAlgorithm(raw)
	if want.code != "" && !hashFits(alg, want.code, c.CodeHash) {
		return nil, nil, refused("id_token_c_hash", errors.New("c_hash does not fit the code"))
	}
	if want.accessToken != "" && c.TokenHash != "" && !hashFits(alg, want.accessToken, c.TokenHash) {
		return nil, nil, refused("id_token_at_hash", errors.New("at_hash does not fit the access token"))
	}
	user, err := c.user(m)
	if err != nil {
		return nil, nil, refused("id_token_person", err)
	}
	return &IDToken{Raw: raw, SID: c.SID, LoginHint: c.LoginHint, User: user}, &c, nil
}

// VerifyDevice runs the checks of sign-in on the ID token of a device sign-in
// (RFC 8628), of which the request names no nonce: it came from the token endpoint
// to who holds the device code.
func (p *Provider) VerifyDevice(ctx context.Context, raw, accessToken string) (*IDToken, error) {
	if raw == "" {
		return nil, missing("id_token")
	}
	token, _, err := p.verifyIDToken(ctx, raw, expectation{noNonce: true, accessToken: accessToken})
	return token, err
}

// verifier returns go-oidc's, for the signature and the audience. Times and
// issuer are checked by us: it knows no clock skew and no issuer templates.
func (p *Provider) verifier(m *metadata) *oidc.IDTokenVerifier {
	return oidc.NewVerifier(m.Issuer, p.keys, &oidc.Config{ClientID: p.options.ClientID,
		SupportedSigningAlgs: m.algorithms(), SkipIssuerCheck: true, SkipExpiryCheck: true, Now: p.options.Now})
}

// signatureError tells a provider that failed us from a token that is wrong.
func signatureError(token string, v *verification, err error) error {
	if fault := providerFault(v.err); fault != nil {
		return fault
	}
	switch {
	case errors.Is(v.err, errUnknownKey):
		return refused(token+"_key", v.err)
	case v.err != nil || strings.Contains(err.Error(), "malformed jwt"):
		// go-oidc says "malformed" for an algorithm that is not allowed too.
		return refused(token+"_signature", err)
	case strings.Contains(err.Error(), "expected audience"):
		return refused(token+"_aud", err)
	}
	return refused(token+"_malformed", err)
}

// checkClaims checks issuer, tenant, authorized party and times.
func (p *Provider) checkClaims(m *metadata, keyIssuer string, audience []string, c *idClaims) error {
	if err := p.checkIssuer(m, keyIssuer, c.Issuer, c.TenantID); err != nil {
		return err
	}
	// OpenID Connect Core §3.1.3.7, 4 and 5: who shares an audience with
	// others must be named as the party the token is for.
	if c.AZP != "" && c.AZP != p.options.ClientID || c.AZP == "" && len(audience) > 1 {
		return refused("id_token_azp", fmt.Errorf("azp %q of %d audiences", clip(c.AZP), len(audience)))
	}
	if c.Subject == "" || !plainID(c.Subject) {
		return refused("id_token_person", fmt.Errorf("sub of %d bytes", len(c.Subject)))
	}
	if !plainID(c.SID) {
		return refused("id_token_sid", fmt.Errorf("sid of %d bytes", len(c.SID)))
	}
	now := p.options.Now()
	switch {
	case c.Expiry.IsZero() || !now.Before(c.Expiry.Add(skew)):
		return refused("id_token_exp", fmt.Errorf("expired at %v", c.Expiry))
	case !c.NotBefore.IsZero() && now.Add(skew).Before(c.NotBefore.Time):
		return refused("id_token_nbf", fmt.Errorf("not valid before %v", c.NotBefore))
	case c.IssuedAt.IsZero() || now.Add(skew).Before(c.IssuedAt.Time):
		return refused("id_token_iat", fmt.Errorf("issued at %v", c.IssuedAt))
	}
	return nil
}

// checkIssuer is entra.md §1.4: the issuer is the metadata's, with the token's
// tenant put into a template; the key's own issuer must say the same; and the
// tenant must be the only one, or on the list.
func (p *Provider) checkIssuer(m *metadata, keyIssuer, iss, tid string) error {
	for _, expected := range []string{m.Issuer, keyIssuer} {
		if expected == "" {
			continue
		}
		if strings.Contains(expected, tenantTemplate) {
			if !IsGUID(tid) {
				return refused("id_token_tid", fmt.Errorf("tid %q is not a tenant id", clip(tid)))
			}
			expected = strings.Replace(expected, tenantTemplate, tid, 1)
		}
		if iss != expected {
			return refused("id_token_iss", fmt.Errorf("issuer %q, want %q", clip(iss), expected))
		}
	}
	// Before anything that depends on what else the metadata says: a template
	// takes every tenant there is.
	if strings.Contains(m.Issuer, tenantTemplate) && !slices.Contains(p.options.AllowedTenants, strings.ToLower(tid)) {
		return &apperr.Error{Kind: apperr.Forbidden, Code: "tenant_not_allowed",
			Message: "Your organization is not one of those that use this portal.",
			Next:    "Sign in with an account of an organization that does, or ask the help desk to have yours added.",
			Mender:  apperr.MenderAdmin, Cause: fmt.Errorf("tenant %s is not on the list", tid)}
	}
	if m.isEntra() && (!IsGUID(tid) || !slices.Contains(strings.Split(iss, "/"), tid)) {
		return refused("id_token_tid", fmt.Errorf("tid %q is not the tenant of issuer %q", clip(tid), clip(iss)))
	}
	return nil
}

func (c *idClaims) user(m *metadata) (access.User, error) {
	u := access.User{Issuer: c.Issuer, TenantID: c.TenantID, ObjectID: c.ObjectID, Subject: c.Subject, Name: c.Name,
		Roles: c.Roles, AMR: c.AMR, DirectoryRoles: c.DirectoryRoles, Groups: c.Groups, MoreGroups: c.moreGroups(), ID: access.PersonID{Authority: c.Issuer, Subject: c.Subject}}
	for _, account := range []string{c.PreferredUsername, c.UPN, c.Email} {
		if u.Account == "" {
			u.Account = account
		}
	}
	if m.isEntra() {
		if !IsGUID(c.ObjectID) {
			return u, errors.New("oid is missing or not an object id")
		}
		u.ID = access.PersonID{Authority: strings.ToLower(c.TenantID), Subject: strings.ToLower(c.ObjectID)}
	}
	return u, nil
}

// signatureAlgorithm returns the alg of a token whose signature was verified.
func signatureAlgorithm(raw string) string {
	head, _, _ := strings.Cut(raw, ".")
	var h struct {
		Alg string `json:"alg"`
	}
	if b, err := base64.RawURLEncoding.DecodeString(head); err == nil {
		_ = json.Unmarshal(b, &h) // it was parsed before
	}
	return h.Alg
}

// hashFits checks c_hash or at_hash: the left half of the hash of the value
// (OpenID Connect Core §3.3.2.11).
func hashFits(alg, value, claim string) bool {
	var h hash.Hash
	switch {
	case strings.HasSuffix(alg, "256"):
		h = sha256.New()
	case strings.HasSuffix(alg, "384"):
		h = sha512.New384()
	case strings.HasSuffix(alg, "512"), alg == "EdDSA":
		h = sha512.New()
	default:
		return false
	}
	h.Write([]byte(value))
	sum := h.Sum(nil)
	want := base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	return subtle.ConstantTimeCompare([]byte(want), []byte(claim)) == 1
}
