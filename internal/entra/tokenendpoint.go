package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
)

const (
	tokenTimeout = 15 * time.Second
	maxTokenBody = 1 << 20           // bytes
	maxLifetime  = 30 * 24 * 60 * 60 // seconds that an access token is believed to live
)

// TokenSet is an answer of the token endpoint (RFC 6749 §5.1; entra.md §4.1).
type TokenSet struct {
	AccessToken  string
	Scopes       []string // as granted, which may be more or less than was asked for
	ReceivedAt   time.Time
	ExpiresAt    time.Time
	RefreshToken string // "" when none was sent
	IDToken      string // "" when none was sent
}

// looseInt is a number that v1 endpoints send as a string.
type looseInt int64

func (n *looseInt) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "" || text == "null" {
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 0 || f > 1<<40 {
		return fmt.Errorf("%s is not a number of seconds", clip(text))
	}
	*n = looseInt(f)
	return nil
}

type tokenAnswer struct {
	TokenType    string   `json:"token_type"`
	AccessToken  string   `json:"access_token"`
	ExpiresIn    looseInt `json:"expires_in"`
	Scope        string   `json:"scope"`
	RefreshToken string   `json:"refresh_token"`
	IDToken      string   `json:"id_token"`
}

type tokenErrorAnswer struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	URI           string `json:"error_uri"`
	Codes         []int  `json:"error_codes"`
	Suberror      string `json:"suberror"`
	Claims        string `json:"claims"`
	CorrelationID string `json:"correlation_id"`
	TraceID       string `json:"trace_id"`
}

func (p *Provider) redeemCode(ctx context.Context, code string, flow Pending) (*TokenSet, error) {
	return p.token(ctx, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {p.options.RedirectURL},
		"code_verifier": {flow.Verifier},
		"scope":         {strings.Join(flow.Scopes, " ")},
	})
}

// Refresh gets tokens for scopes of one resource with a refresh token
// (entra.md §4.3), and a new refresh token where the provider gives one. claims
// is a claims request as plain JSON, or "".
func (p *Provider) Refresh(ctx context.Context, refreshToken string, scopes []string, claims string) (*TokenSet, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	if m.isEntra() {
		// Elsewhere a scope that was not granted before is refused (RFC 6749
		// §6), and offline_access is not, unless consent was asked for anew
		// (OpenID Connect Core §11): yet the refresh token is there.
		scopes = append(slices.Clone(scopes), "offline_access")
	}
	form := url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {refreshToken},
		"scope":         {strings.Join(scopes, " ")},
	}
	if claims != "" {
		form.Set("claims", claims)
	}
	return p.token(ctx, form)
}

// token asks the token endpoint. Nothing is tried twice: a code is gone with
// the first attempt, and a refresh can be asked for again by the person.
func (p *Provider) token(ctx context.Context, form url.Values) (*TokenSet, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	req, err := p.tokenRequest(ctx, m, form)
	if err != nil {
		return nil, err
	}
	status, body, err := p.exchange(req)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, tokenError(status, body, form)
	}
	return parseTokenAnswer(body, p.options.Now())
}

// exchange sends a token request and reads the answer, within maxTokenBody.
func (p *Provider) exchange(req *http.Request) (status int, body []byte, err error) {
	resp, err := p.options.Client.Do(req)
	if err != nil {
		return 0, nil, transportError(redactURL(err))
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxTokenBody+1))
	if err != nil {
		return 0, nil, transportError(err)
	}
	if len(body) > maxTokenBody {
		return 0, nil, errProviderWrong.Becausef("token endpoint: more than %d bytes", maxTokenBody)
	}
	return resp.StatusCode, body, nil
}

func (p *Provider) tokenRequest(ctx context.Context, m *metadata, form url.Values) (*http.Request, error) {
	form.Set("client_id", p.options.ClientID)
	basic := func(*http.Request) {}
	if p.options.Credential != nil {
		extra, err := p.options.Credential.authenticate(p.options.ClientID, m.TokenEndpoint)
		if err != nil {
			return nil, (&apperr.Error{Kind: apperr.Internal, Code: "client_credential",
				Message: "This portal cannot prove to the company sign-in who it is.",
				Next:    "Tell the help desk; whoever runs this portal has to look at its credential.",
				Mender:  apperr.MenderDeveloper}).Because(err)
		}
		if secret := extra.Get("client_secret"); secret != "" && !m.takesSecretInBody() {
			id := p.options.ClientID
			// RFC 6749 §2.3.1: both parts are form-encoded first.
			basic = func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
			extra = nil
		}
		for name, values := range extra {
			form[name] = values
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errProviderWrong.Because(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	basic(req)
	return req, nil
}

// takesSecretInBody reports whether the secret goes into the body
// (client_secret_post): Entra documents that way. Elsewhere Basic comes first:
// every server that issues secrets takes it (RFC 6749 §2.3.1), and it is what a
// client is registered for that was not asked (OpenID Connect Registration §2).
func (m *metadata) takesSecretInBody() bool {
	post := slices.Contains(m.TokenAuthMethods, "client_secret_post")
	return post && (m.isEntra() || !slices.Contains(m.TokenAuthMethods, "client_secret_basic"))
}

// redactURL keeps the address out of a transport error: it says nothing that
// the configuration does not, and errors are logged.
func redactURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func parseTokenAnswer(body []byte, now time.Time) (*TokenSet, error) {
	var a tokenAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		// The error quotes no value; the body is never logged.
		return nil, errProviderWrong.Becausef("token endpoint: not the JSON we expect: %T", err)
	}
	if a.AccessToken == "" || !strings.EqualFold(a.TokenType, "Bearer") {
		return nil, errProviderWrong.Becausef("token endpoint: token_type %q, access token of %d bytes", clip(a.TokenType), len(a.AccessToken))
	}
	if a.ExpiresIn == 0 {
		a.ExpiresIn = 300 // RFC 6749 §5.1 leaves it out at will: short, then ask again
	}
	// Beyond any lifetime that providers give: more would not fit a Duration.
	a.ExpiresIn = min(a.ExpiresIn, maxLifetime)
	return &TokenSet{AccessToken: a.AccessToken, Scopes: strings.Fields(a.Scope), ReceivedAt: now,
		ExpiresAt: now.Add(time.Duration(a.ExpiresIn) * time.Second), RefreshToken: a.RefreshToken, IDToken: a.IDToken}, nil
}

// tokenError turns a refusal into words. Entra's throttling answers in plain
// text (entra.md §10).
func tokenError(status int, body []byte, sent url.Values) error {
	var a tokenErrorAnswer
	if err := json.Unmarshal(body, &a); err != nil || a.Error == "" {
		e := errProviderDown
		if status < 500 && status != http.StatusTooManyRequests {
			e = errProviderWrong
		}
		return e.Becausef("token endpoint: status %d, %d bytes that are no error answer", status, len(body))
	}
	return ParseError(ProviderError{OAuthError: a.Error, Description: a.Description, URI: a.URI, Subcode: a.Suberror, Codes: a.Codes,
		CorrelationID: a.CorrelationID, TraceID: a.TraceID, Claims: a.Claims, Status: status, sent: sent})
}
