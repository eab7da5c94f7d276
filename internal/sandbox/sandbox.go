package sandbox

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options say what the sandbox is grown from.
type Options struct {
	// Origin is the sandbox's own origin, for example "http://127.0.0.1:8081".
	// It must be another site than the portal's for cookies to behave as they
	// do against the real tenant.
	Origin string
	// PortalURL is the portal's base URL without a trailing slash; its redirect
	// URIs and its front-channel logout URL are registered from it.
	PortalURL string
	// Subscriptions is how many subscriptions there are; 0 means 12.
	Subscriptions int
	// ResultsPerSubscription is how many control results a scan of a
	// subscription yields; 0 means a believable number that differs between
	// subscriptions (roughly 80 to 450).
	ResultsPerSubscription int
	// ScanDuration is how long an ordinary scan takes; 0 means 20 s.
	ScanDuration time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger receives one debug line a request; nil discards.
	Logger *slog.Logger
}

// Sandbox is the tenant and its APIs. It is safe for concurrent use.
type Sandbox struct {
	options Options
	origin  *url.URL
	now     func() time.Time
	log     *slog.Logger
	mux     *http.ServeMux

	mu     sync.Mutex // guards everything that changes after New
	tenant *tenant    // people, applications, grants, sessions, codes, tokens
	azure  *azure     // subscriptions, role assignments, AzTS scans and results
	faults *Faults
}

// New grows a sandbox. It refuses options that cannot work.
func New(options Options) (*Sandbox, error) {
	origin, err := url.Parse(options.Origin)
	if err != nil || origin.Scheme == "" || origin.Host == "" || origin.Path != "" {
		return nil, fmt.Errorf("sandbox: origin %q is not scheme://host[:port]", options.Origin)
	}
	if options.PortalURL == "" {
		return nil, errors.New("sandbox: the portal's URL is missing")
	}
	if options.Subscriptions <= 0 {
		options.Subscriptions = 12
	}
	if options.ScanDuration <= 0 {
		options.ScanDuration = 20 * time.Second
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sandbox{options: options, origin: origin, now: options.Now, log: options.Logger, mux: http.NewServeMux()}
	s.faults = newFaults()
	s.tenant = newTenant(s)
	s.azure = newAzure(s)
	s.tenant.routes(s.mux)
	s.azure.routes(s.mux)
	return s, nil
}

// ServeHTTP answers for the tenant and all its APIs.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.log.DebugContext(r.Context(), "sandbox", "method", r.Method, "path", r.URL.Path)
	s.mux.ServeHTTP(w, r)
}

// Faults returns the switches that make the sandbox misbehave.
func (s *Sandbox) Faults() *Faults { return s.faults }

// Settings are what a relying party is given when it is registered, as plain
// values for its configuration.
type Settings struct {
	Issuer       string // v2.0 issuer of the tenant
	TenantID     string
	ClientID     string
	ClientSecret string
	AzTSURL      string // base URL of the AzTS Web API
	AzTSScope    string // api://…/user_impersonation
	GraphURL     string // base URL, with /v1.0
	ARMURL       string
	Resources    []string // App ID URIs of further APIs

	// For those who try flows: what others than the portal are registered with.
	AzTSClientID        string // the AzTS Web API as a client, for on-behalf-of
	AzTSClientSecret    string
	ScriptClientID      string // a daemon with a secret, a certificate and a federated credential
	ScriptClientSecret  string
	CertificateClientID string // a daemon that has no secret
	LegacyClientID      string // implicit flow
	LegacyRedirect      string
	PublicClientID      string // the Azure CLI, for device code and password
	PeoplePassword      string // of everybody in [Sandbox.People]
	Subscription        string // id of one on which the employee has a role
}

// Settings returns what the portal's registration consists of.
func (s *Sandbox) Settings() Settings {
	return Settings{
		Issuer:       s.options.Origin + "/" + TenantID + "/v2.0",
		TenantID:     TenantID,
		ClientID:     PortalClientID,
		ClientSecret: PortalClientSecret,
		AzTSURL:      s.options.Origin + "/azts",
		AzTSScope:    AzTSAppIDURI + "/user_impersonation",
		GraphURL:     s.options.Origin + "/graph/v1.0",
		ARMURL:       s.options.Origin + "/arm",
		Resources:    []string{InventoryAppIDURI},

		AzTSClientID: AzTSAppID, AzTSClientSecret: AzTSClientSecret,
		ScriptClientID: ScriptClientID, ScriptClientSecret: ScriptClientSecret,
		CertificateClientID: CertificateClientID,
		LegacyClientID:      LegacyClientID, LegacyRedirect: LegacyRedirect,
		PublicClientID: AzureCLIAppID, PeoplePassword: SamplePassword, Subscription: firstSubscriptionID,
	}
}

// Well-known identifiers of the sandbox tenant (the table at the top of entra.md).
const (
	TenantID           = "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10"
	PortalClientID     = "2f6d8a10-94c3-4b7e-8e15-0a3c7d91b6e2"
	PortalClientSecret = "sandbox-portal-secret" // guards nothing: the tenant is a toy on loopback
	AzTSAppID          = "b1d04c77-6a2e-4d39-8f52-3e9ac0175d84"
	AzTSAppIDURI       = "api://" + AzTSAppID
	GraphAudience      = "https://graph.microsoft.com"
	ARMAudience        = "https://management.azure.com"
)

// caller is who an access token speaks for, as an API of the sandbox sees it.
type caller struct {
	person *person  // nil for an application on its own
	appID  string   // the client that got the token
	scopes []string // scp
	roles  []string // roles
}
