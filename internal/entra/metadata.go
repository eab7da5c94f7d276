package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/apperr"
)

const (
	metadataFresh = time.Hour        // fetched again after this
	metadataStale = 24 * time.Hour   // of no use after this
	fetchTimeout  = 10 * time.Second // for metadata and keys
	fetchPause    = 2 * time.Second  // between attempts that failed
	maxDocument   = 1 << 20          // bytes of metadata or keys

	tenantTemplate = "{tenantid}"
)

// metadata is what we use of the provider's discovery document (OpenID Connect
// Discovery 1.0 §3; entra.md §1.3).
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	IDTokenAlgs           []string `json:"id_token_signing_alg_values_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	// AnswerNamesIssuer promises iss in every authorization response (RFC 9207 §3).
	AnswerNamesIssuer bool `json:"authorization_response_iss_parameter_supported"`
	// CloudInstance is a member that only Entra's metadata has; by it we know
	// that tid and oid name the person.
	CloudInstance string `json:"cloud_instance_name"`

	origins string // see Provider.OriginList
}

// isEntra reports whether the provider is Entra ID or speaks its dialect.
func (m *metadata) isEntra() bool { return m.CloudInstance != "" }

// asymmetric are the signature algorithms that anyone with the public key can
// check and only the provider can make. HMAC is never among them: its key would
// be our client secret, or, in the known attack, the public key itself.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func (m *metadata) algorithms() []string {
	var out []string
	for _, alg := range m.IDTokenAlgs {
		if slices.Contains(asymmetric, alg) {
			out = append(out, alg)
		}
	}
	if len(out) == 0 {
		out = []string{"RS256"}
	}
	return out
}

// IssuerMismatch is the cause of an error: the metadata names another issuer than
// the one that is configured.
type IssuerMismatch struct{ Told, Want string }

// Error implements error.
func (e *IssuerMismatch) Error() string { return fmt.Sprintf("issuer is %q, want %q", e.Told, e.Want) }

func parseMetadata(body []byte, wantIssuer string) (*metadata, error) {
	var m metadata
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if wantIssuer != "" && m.Issuer != wantIssuer {
		return nil, &IssuerMismatch{Told: clip(m.Issuer), Want: wantIssuer}
	}
	if m.Issuer == "" {
		return nil, errors.New("issuer is missing")
	}
	for name, endpoint := range map[string]string{"issuer": m.Issuer, "authorization_endpoint": m.AuthorizationEndpoint,
		"token_endpoint": m.TokenEndpoint, "jwks_uri": m.JWKSURI} {
		if !secureURL(endpoint) {
			return nil, fmt.Errorf("%s %q is not an https address", name, clip(endpoint))
		}
	}
	if m.EndSessionEndpoint != "" && !secureURL(m.EndSessionEndpoint) {
		return nil, fmt.Errorf("end_session_endpoint %q is not an https address", clip(m.EndSessionEndpoint))
	}
	m.origins = originList(m.Issuer, m.AuthorizationEndpoint, m.EndSessionEndpoint)
	return &m, nil
}

// secureURL reports whether an address is https, or plain http that stays on
// this machine.
func secureURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// flight is one fetch that all who need its result wait for, each for no longer
// than it wants to.
type flight struct {
	done chan struct{} // closed at the end
	err  error         // of the fetch, set before
}

// wait waits for the end of the fetch or of ctx.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return transportError(ctx.Err())
	}
}

// metadataCache fetches the metadata when it is needed, one fetch at a time. It
// remembers success for an hour and failure for two seconds. What is older than
// an hour is fetched again while it serves on: nobody waits for that.
type metadataCache struct {
	client *http.Client
	url    string
	issuer string
	now    func() time.Time
	life   context.Context // of the fetches, which no caller's end ends

	mu       sync.Mutex // guards the rest
	current  *metadata
	fetched  time.Time
	failed   time.Time
	err      error
	underway *flight // nil when nothing is being fetched
}

func (c *metadataCache) known() *metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

func (c *metadataCache) problem() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// get returns the metadata. It waits only when there is none that is good, and
// no longer than ctx.
func (c *metadataCache) get(ctx context.Context) (*metadata, error) {
	m, f, err := c.look()
	if m != nil || err != nil {
		return m, err
	}
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	return c.known(), nil
}

// look returns what is known, or the fetch to wait for, or why there was none.
func (c *metadataCache) look() (*metadata, *flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	age := now.Sub(c.fetched)
	good := c.current
	if age >= metadataStale {
		good = nil
	}
	if good != nil && age < metadataFresh {
		return good, nil, nil
	}
	if c.underway == nil {
		if c.err != nil && now.Sub(c.failed) < fetchPause {
			if good != nil {
				return good, nil, nil
			}
			return nil, nil, c.err
		}
		c.underway = &flight{done: make(chan struct{})}
		go c.fly(c.underway)
	}
	return good, c.underway, nil
}

// fly fetches the metadata; fetchTimeout bounds it.
func (c *metadataCache) fly(f *flight) {
	m, err := c.fetch(c.life)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.err, c.failed = err, c.now()
	} else {
		c.current, c.fetched, c.err = m, c.now(), nil
	}
	c.underway, f.err = nil, err
	close(f.done)
}

// idle waits until nothing is being fetched.
func (c *metadataCache) idle() {
	c.mu.Lock()
	f := c.underway
	c.mu.Unlock()
	if f != nil {
		<-f.done
	}
}

func (c *metadataCache) fetch(ctx context.Context) (*metadata, error) {
	body, err := fetchDocument(ctx, c.client, c.url)
	if err != nil {
		return nil, err
	}
	m, err := parseMetadata(body, c.issuer)
	if err != nil {
		return nil, errProviderWrong.Becausef("metadata: %w", err)
	}
	return m, nil
}

var (
	errProviderDown = apperr.New(apperr.Unavailable, "provider_down", "The company sign-in does not answer at the moment.").
			WithNext(apperr.MenderHelpDesk, "Try again in a minute. If it stays, tell the help desk.").WithRetry()
	errProviderSlow = apperr.New(apperr.Timeout, "provider_slow", "The company sign-in did not answer in time.").
			WithNext(apperr.MenderHelpDesk, "Try again in a minute. If it stays, tell the help desk.").WithRetry()
	errProviderWrong = apperr.New(apperr.BadGateway, "provider_wrong", "The company sign-in gave an answer that makes no sense.").
				WithNext(apperr.MenderDeveloper, "Tell the help desk; whoever runs this portal has to look at its settings.").WithRetry()
)

// transportError tells a provider that is away from one that is slow.
func transportError(err error) *apperr.Error {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return errProviderSlow.Because(err)
	}
	return errProviderDown.Because(err)
}

// fetchDocument gets a public JSON document, within a time and a size.
func fetchDocument(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errProviderWrong.Because(err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, transportError(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, transportError(err)
	}
	if resp.StatusCode != http.StatusOK {
		e := errProviderDown
		if resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
			e = errProviderWrong
		}
		return nil, e.Becausef("GET %s: %s: %s", address, resp.Status, clip(strings.ToValidUTF8(string(body), "")))
	}
	if len(body) > maxDocument {
		return nil, errProviderWrong.Becausef("GET %s: more than %d bytes", address, maxDocument)
	}
	return body, nil
}
