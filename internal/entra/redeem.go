package entra

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"azts.internal/portal/internal/apperr"
)

// Answer is what came back from the authorization endpoint by form_post
// (entra.md §2.4).
type Answer struct {
	State        string
	Code         string
	IDToken      string
	SessionState string
	Issuer       string // RFC 9207
	Error        ProviderError
}

// ParseAnswer reads the posted form. A parameter that comes twice is refused:
// two readers of such a form could each believe another one (RFC 6749 §3.1).
func ParseAnswer(form url.Values) (Answer, error) {
	for name, values := range form {
		if len(values) > 1 {
			return Answer{}, apperr.New(apperr.Invalid, "parameter_repeated", "This answer to a sign-in is malformed.").
				WithNext(apperr.MenderPerson, "Start again from here.").WithRetry().
				Becausef("parameter %q comes %d times", clip(name), len(values))
		}
	}
	if s := form.Get("session_state"); !plainID(s) {
		return Answer{}, apperr.New(apperr.Invalid, "session_state_malformed", "This answer to a sign-in is malformed.").
			WithNext(apperr.MenderPerson, "Start again from here.").WithRetry().Becausef("session_state of %d bytes", len(s))
	}
	return Answer{
		State:        form.Get("state"),
		Code:         form.Get("code"),
		IDToken:      form.Get("id_token"),
		SessionState: form.Get("session_state"),
		Issuer:       form.Get("iss"),
		Error: ProviderError{OAuthError: form.Get("error"), Description: form.Get("error_description"),
			URI: form.Get("error_uri"), Subcode: form.Get("error_subcode")},
	}, nil
}

// maxPlainID bounds ids that are kept to be looked up by, in bytes. OpenID Connect
// Core §2 bounds sub by 255.
const maxPlainID = 255

// plainID reports whether an id is short text without control characters: what
// every database can store and index. The empty id is.
func plainID(id string) bool {
	return len(id) <= maxPlainID && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

// Pending is what we remember of the request that an answer belongs to.
type Pending struct {
	ResponseType string
	Nonce        string
	Verifier     string
	Scopes       []string // what the code is redeemed for
}

// Identity is the result of a sign-in.
type Identity struct {
	IDToken
	SessionState string
	// Tokens is nil when the response type asked for no code.
	Tokens *TokenSet
}

func missing(what string) error {
	return refused("answer_incomplete", errors.New(what+" is missing"))
}

// Redeem turns an answer into an identity. The answer's state must have been
// taken before, and its Error be empty. The order of the checks is part of the
// promise: the front-channel ID token is verified before the code is sent
// anywhere, so that an injected code is never redeemed.
func (p *Provider) Redeem(ctx context.Context, a Answer, flow Pending) (*Identity, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.checkAnswerIssuer(m, a.Issuer, hasIDToken(flow.ResponseType)); err != nil {
		return nil, err
	}
	var front *IDToken
	if hasIDToken(flow.ResponseType) {
		if a.IDToken == "" {
			return nil, missing("id_token")
		}
		want := expectation{nonce: flow.Nonce}
		if HasCode(flow.ResponseType) {
			want.code = a.Code
		}
		if front, _, err = p.verifyIDToken(ctx, a.IDToken, want); err != nil {
			return nil, err
		}
		if a.Issuer != "" && a.Issuer != front.User.Issuer {
			return nil, refused("answer_iss", fmt.Errorf("iss %q, the ID token's %q", clip(a.Issuer), front.User.Issuer))
		}
	}
	if !HasCode(flow.ResponseType) {
		if front == nil {
			return nil, missing("a response type")
		}
		return &Identity{IDToken: *front, SessionState: a.SessionState}, nil
	}
	if a.Code == "" {
		return nil, missing("code")
	}
	tokens, err := p.redeemCode(ctx, a.Code, flow)
	if err != nil {
		return nil, err
	}
	if tokens.IDToken == "" {
		return nil, refused("second_id_token_missing", errors.New("the token endpoint sent no ID token"))
	}
	back, c, err := p.verifyIDToken(ctx, tokens.IDToken, expectation{nonce: flow.Nonce, accessToken: tokens.AccessToken})
	if err != nil {
		return nil, err
	}
	// Where both name the code, both must name this one.
	if c.CodeHash != "" && !hashFits(signatureAlgorithm(tokens.IDToken), a.Code, c.CodeHash) {
		return nil, refused("id_token_c_hash", errors.New("c_hash of the second ID token does not fit the code"))
	}
	if front != nil {
		if !same(front.User.Issuer, back.User.Issuer) || !same(front.User.Subject, back.User.Subject) || front.User.ID != back.User.ID {
			return nil, refused("second_id_token_differs", errors.New("the two ID tokens name different people"))
		}
		if back.SID == "" {
			back.SID = front.SID
		}
		if back.LoginHint == "" {
			back.LoginHint = front.LoginHint
		}
	}
	return &Identity{IDToken: *back, SessionState: a.SessionState, Tokens: tokens}, nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// checkAnswerIssuer is RFC 9207 §2.4: an answer of another provider is refused
// before anything in it is believed. withIDToken says that an ID token must come
// with the answer: it names the issuer too, so a provider may leave iss out
// (RFC 9207 §4).
func (p *Provider) checkAnswerIssuer(m *metadata, iss string, withIDToken bool) error {
	if iss == "" {
		if m.AnswerNamesIssuer && !withIDToken {
			return refused("answer_iss", errors.New("iss is missing though the provider promises it"))
		}
		return nil
	}
	if before, after, template := strings.Cut(m.Issuer, tenantTemplate); template {
		if len(iss) > len(before)+len(after) && strings.HasPrefix(iss, before) && strings.HasSuffix(iss, after) {
			return nil // which tenant is the ID token's to say
		}
	} else if iss == m.Issuer {
		return nil
	}
	return refused("answer_iss", fmt.Errorf("iss %q", clip(iss)))
}
