package entra

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// maxTrusted bounds how many issuers beside our own can be configured.
const maxTrusted = 20

// Inspector checks the signatures of tokens that people paste, with the keys of
// issuers that we chose: our own in both versions of its tokens (entra.md §1.4)
// and those that are configured. Nothing that a token names is ever fetched: no
// jku, no x5u, no address in iss. It is safe for concurrent use.
//
// It has key sets of its own: whoever pastes made-up kids must not use up what
// a sign-in needs to follow a change of keys.
type Inspector struct {
	issuers []*knownIssuer
}

// knownIssuer is an issuer with its keys.
type knownIssuer struct {
	metadata *metadataCache
	keys     *keySet
	issuer   string   // may be a template; "" when only the metadata tells
	tenants  []string // that may stand in a template
}

// NewInspector returns an inspector for the provider's own issuer and for others
// by their exact names. It asks nobody yet; what it fetches ends with p.
func NewInspector(p *Provider, trusted []string) (*Inspector, error) {
	if len(trusted) > maxTrusted {
		return nil, fmt.Errorf("entra: %d trusted issuers, at most %d", len(trusted), maxTrusted)
	}
	in := &Inspector{}
	add := func(k *knownIssuer) {
		k.keys = &keySet{client: p.options.Client, now: p.options.Now, log: p.options.Log, life: p.life}
		in.issuers = append(in.issuers, k)
		p.alsoWait(k.keys)
		if k.metadata != p.metadata {
			p.alsoWait(k.metadata)
		}
	}
	fetched := func(url, issuer string) *metadataCache {
		return &metadataCache{client: p.options.Client, url: url, issuer: issuer, now: p.options.Now, life: p.life}
	}
	add(&knownIssuer{metadata: p.metadata, issuer: p.options.Issuer, tenants: p.options.AllowedTenants})
	for _, issuer := range trusted {
		if !secureURL(issuer) {
			return nil, fmt.Errorf("entra: trusted issuer %q is not an https address", clip(issuer))
		}
		add(&knownIssuer{issuer: issuer, metadata: fetched(strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", issuer)})
	}
	// The last: whether a token is of version 1.0 and ours is known only from the
	// metadata of that version.
	if v1 := strings.Replace(p.options.MetadataURL, "/v2.0/.well-known/", "/.well-known/", 1); v1 != p.options.MetadataURL {
		add(&knownIssuer{metadata: fetched(v1, ""), tenants: p.Tenants()})
	}
	return in, nil
}

// Check says in a code of [InspectWords] what became of a token's signature. A
// good signature says who made the token, and nothing of its time or audience.
func (i *Inspector) Check(ctx context.Context, in *Inspection) Note {
	if code := in.Unverifiable(); code != "" {
		return Note{code, shorten(in.Alg, nameLimit)}
	}
	keys, note := i.Keys(ctx, in.Issuer, in.TenantID, in.KeyID)
	if note.Code != "" {
		return note
	}
	for _, key := range keys {
		if verifyCompact(in.compact, in.Alg, key) {
			return Note{"sig_good", shorten(in.Issuer, nameLimit)}
		}
	}
	return Note{"sig_wrong", shorten(in.Issuer, nameLimit)}
}

// Keys returns the keys of an issuer that could have signed a token: those with
// the kid, all for an empty one. tenant is the token's tid, where it has one.
// Else it says why there are none: sig_issuer_missing, sig_issuer_foreign,
// sig_key_unknown, sig_key_later, sig_keys_away.
func (i *Inspector) Keys(ctx context.Context, issuer, tenant, kid string) ([]jose.JSONWebKey, Note) {
	about := shorten(issuer, nameLimit)
	if issuer == "" {
		return nil, Note{Code: "sig_issuer_missing"}
	}
	for _, known := range i.issuers {
		m, ours, err := known.matches(ctx, issuer, tenant)
		switch {
		case err != nil:
			return nil, Note{"sig_keys_away", about}
		case !ours:
			continue
		}
		found, err := known.keys.candidates(ctx, m.JWKSURI, kid)
		if errors.Is(err, errKeyNotAsked) {
			return nil, Note{"sig_key_later", about}
		}
		if errors.Is(err, errUnknownKey) {
			return nil, Note{"sig_key_unknown", about}
		}
		if err != nil {
			return nil, Note{"sig_keys_away", about}
		}
		var keys []jose.JSONWebKey
		for _, key := range found {
			if key.issuer == "" || strings.Replace(key.issuer, tenantTemplate, tenant, 1) == issuer {
				keys = append(keys, key.JSONWebKey)
			}
		}
		if len(keys) == 0 {
			return nil, Note{"sig_key_unknown", about}
		}
		return keys, Note{}
	}
	return nil, Note{"sig_issuer_foreign", about}
}

// matches reports whether a token's issuer is this one. It asks the provider
// only for an issuer that could be ours.
func (k *knownIssuer) matches(ctx context.Context, issuer, tenant string) (*metadata, bool, error) {
	expected := k.issuer
	if expected == "" {
		m, err := k.metadata.get(ctx)
		if err != nil {
			return nil, false, err
		}
		expected = m.Issuer
	}
	if strings.Contains(expected, tenantTemplate) {
		if !IsGUID(tenant) || !slices.Contains(k.tenants, strings.ToLower(tenant)) {
			return nil, false, nil
		}
		expected = strings.Replace(expected, tenantTemplate, tenant, 1)
	}
	if issuer != expected {
		return nil, false, nil
	}
	m, err := k.metadata.get(ctx)
	return m, err == nil, err
}

// verifyCompact checks the signature of a token in three parts with one key (RFC
// 7518 §3). It looks at no header but alg: the key was chosen before.
func verifyCompact(compact, alg string, key jose.JSONWebKey) bool {
	at := strings.LastIndexByte(compact, '.')
	signature, err := decodePart(compact[at+1:])
	if err != nil || key.Algorithm != "" && key.Algorithm != alg {
		return false
	}
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	h := hash.New()
	h.Write([]byte(compact[:at]))
	sum := h.Sum(nil)
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		switch alg[:2] {
		case "RS":
			return rsa.VerifyPKCS1v15(public, hash, sum, signature) == nil
		case "PS":
			return rsa.VerifyPSS(public, hash, sum, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
	case *ecdsa.PublicKey:
		size := map[string]int{"ES256": 32, "ES384": 48, "ES512": 66}[alg]
		if size == 0 || (public.Curve.Params().BitSize+7)/8 != size || len(signature) != 2*size {
			return false
		}
		return ecdsa.Verify(public, sum, new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:]))
	}
	return false
}
