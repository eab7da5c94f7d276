package entra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// skew is how far the provider's clock may differ from ours (entra.md §3.2).
const skew = 5 * time.Minute

// Options describe the registration at the provider.
type Options struct {
	// Issuer is the expected issuer. Entra's multi-tenant authorities have
	// "{tenantid}" in the place of the tenant (entra.md §1.4).
	Issuer string
	// MetadataURL is where the metadata is; empty means below Issuer.
	MetadataURL string
	ClientID    string
	Credential  Credential // nil for a public client
	RedirectURL string
	// AllowedTenants are the tenant ids that may sign in when the issuer is a
	// template; empty means none.
	AllowedTenants []string
	Client         *http.Client
	Now            func() time.Time
	Log            *slog.Logger
}

// Provider is the OpenID Provider that people sign in at. It is safe for
// concurrent use.
type Provider struct {
	options  Options
	metadata *metadataCache
	keys     *keySet
	life     context.Context    // of what is being fetched
	end      context.CancelFunc // of life

	mu     sync.Mutex
	others []idler // fetch as well, for an Inspector
}

// idler fetches something.
type idler interface {
	idle() // waits until nothing is being fetched
}

// alsoWait makes the end of p wait for the fetches of i too.
func (p *Provider) alsoWait(i idler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.others = append(p.others, i)
}

// NewProvider returns a provider. It asks nothing yet: the provider may be down
// when we start.
func NewProvider(o Options) (*Provider, error) {
	if o.Client == nil || o.Now == nil || o.Log == nil || o.Issuer == "" || o.ClientID == "" || o.RedirectURL == "" {
		return nil, errors.New("entra: a part is missing")
	}
	if o.MetadataURL == "" {
		o.MetadataURL = strings.TrimSuffix(o.Issuer, "/") + "/.well-known/openid-configuration"
	}
	p := &Provider{options: o}
	p.life, p.end = context.WithCancel(context.Background())
	p.metadata = &metadataCache{client: o.Client, url: o.MetadataURL, issuer: o.Issuer, now: o.Now, life: p.life}
	p.keys = &keySet{client: o.Client, now: o.Now, log: o.Log, life: p.life}
	return p, nil
}

// Run fetches the metadata, again and again until it is there, then hourly,
// until ctx ends. Then it ends what is being fetched: nothing is fetched any more.
func (p *Provider) Run(ctx context.Context) {
	defer p.stop()
	pause := time.Second
	for {
		wait := metadataFresh
		if err := p.Ready(ctx); err != nil {
			if ctx.Err() == nil {
				p.options.Log.WarnContext(ctx, "the provider's metadata is not there; trying again", "pause", pause, "err", err)
			}
			wait = pause
			pause = min(2*pause, 30*time.Second)
		} else {
			pause = time.Second
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// stop ends all fetches and waits for them.
func (p *Provider) stop() {
	p.end()
	p.metadata.idle()
	p.keys.idle()
	p.mu.Lock()
	others := p.others
	p.mu.Unlock()
	for _, other := range others {
		other.idle()
	}
}

// Ready makes sure that the provider's metadata is known; it waits no longer than
// ctx. Its error is of kind Unavailable, Timeout or BadGateway.
func (p *Provider) Ready(ctx context.Context) error {
	_, err := p.metadata.get(ctx)
	return err
}

// Problem returns why the last attempt to reach the provider failed, nil when
// it did not. It asks nothing.
func (p *Provider) Problem() error { return p.metadata.problem() }

// OriginList returns the origins that forms of ours lead a browser to, each with
// a blank before it, for the content security policy. It is empty until the
// metadata is known.
func (p *Provider) OriginList() string {
	if m := p.metadata.known(); m != nil {
		return m.origins
	}
	return ""
}

// originList lists the origins of addresses, each once, a blank before each.
func originList(addresses ...string) string {
	var out string
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			continue
		}
		if origin := " " + u.Scheme + "://" + u.Host; !strings.Contains(out+" ", origin+" ") {
			out += origin
		}
	}
	return out
}

// Authorization is a request to the authorization endpoint.
type Authorization struct {
	State        string
	Nonce        string
	Verifier     string // PKCE
	ResponseType string
	Scopes       []string
	Prompt       string
	LoginHint    string
	DomainHint   string
	Claims       string // JSON (entra.md §6.2)
}

// prompts are the values we pass on (entra.md §2.2).
var prompts = []string{"login", "select_account", "consent", "none"}

// AuthorizationURL returns where to send the browser (entra.md §2.3).
func (p *Provider) AuthorizationURL(ctx context.Context, a Authorization) (string, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return "", err
	}
	config := oauth2.Config{ClientID: p.options.ClientID, RedirectURL: p.options.RedirectURL, Scopes: a.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint}}
	options := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("response_type", a.ResponseType),
		oauth2.SetAuthURLParam("response_mode", "form_post"),
		oauth2.SetAuthURLParam("nonce", a.Nonce),
	}
	if HasCode(a.ResponseType) {
		options = append(options, oauth2.S256ChallengeOption(a.Verifier))
	}
	for _, extra := range []struct{ name, value string }{
		{"prompt", oneOf(a.Prompt, prompts)}, {"login_hint", a.LoginHint}, {"domain_hint", a.DomainHint}, {"claims", a.Claims},
	} {
		if extra.value != "" {
			options = append(options, oauth2.SetAuthURLParam(extra.name, extra.value))
		}
	}
	return config.AuthCodeURL(a.State, options...), nil
}

// HasCode reports whether a response type asks for a code.
func HasCode(responseType string) bool {
	return slices.Contains(strings.Fields(responseType), "code")
}

func hasIDToken(responseType string) bool {
	return slices.Contains(strings.Fields(responseType), "id_token")
}

func oneOf(value string, values []string) string {
	if slices.Contains(values, value) {
		return value
	}
	return ""
}

// SignOut is a request to the end-session endpoint.
type SignOut struct {
	PostLogoutRedirectURL string
	LogoutHint            string // the login_hint claim, if there is one
	IDTokenHint           string // else the ID token
	State                 string
}

// EndSessionURL returns where to send the browser so that the provider's own
// session ends as well (entra.md §5.1); "" when the provider has no such place.
func (p *Provider) EndSessionURL(ctx context.Context, s SignOut) (string, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return "", err
	}
	if m.EndSessionEndpoint == "" {
		return "", nil
	}
	u, err := url.Parse(m.EndSessionEndpoint)
	if err != nil {
		return "", fmt.Errorf("entra: end_session_endpoint: %w", err)
	}
	q := u.Query()
	q.Set("client_id", p.options.ClientID)
	q.Set("post_logout_redirect_uri", s.PostLogoutRedirectURL)
	q.Set("state", s.State)
	// The hint that names the account without repeating a token comes first:
	// addresses end up in histories and logs.
	if s.LogoutHint != "" {
		q.Set("logout_hint", s.LogoutHint)
	} else if s.IDTokenHint != "" {
		q.Set("id_token_hint", s.IDTokenHint)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Cloud is one of Microsoft's clouds (entra.md §1.5). Tokens, registrations and
// ids never cross from one to another.
type Cloud struct {
	Name       string
	LoginURL   string
	GraphURL   string // with the version
	ARMURL     string
	PortalHost string // the Azure portal
	VaultURL   string // App ID URI of Key Vault
}

// Clouds are the clouds that can be configured, by name.
var Clouds = map[string]Cloud{
	"public": {"public", "https://login.microsoftonline.com", "https://graph.microsoft.com/v1.0", "https://management.azure.com", "portal.azure.com", "https://vault.azure.net"},
	"usgov":  {"usgov", "https://login.microsoftonline.us", "https://graph.microsoft.us/v1.0", "https://management.usgovcloudapi.net", "portal.azure.us", "https://vault.usgovcloudapi.net"},
	"china":  {"china", "https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn/v1.0", "https://management.chinacloudapi.cn", "portal.azure.cn", "https://vault.azure.cn"},
}

// TenantIssuer returns the expected issuer and the metadata URL of a tenant
// value (entra.md §1.2): an id, organizations or common.
func (c Cloud) TenantIssuer(tenant string) (issuer, metadataURL string) {
	metadataURL = c.LoginURL + "/" + tenant + "/v2.0/.well-known/openid-configuration"
	if tenant == "organizations" || tenant == "common" {
		return c.LoginURL + "/" + tenantTemplate + "/v2.0", metadataURL
	}
	return c.LoginURL + "/" + strings.ToLower(tenant) + "/v2.0", metadataURL
}

// IsGUID reports whether s is a GUID in its usual form, in lower or upper case.
func IsGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}
