package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/handlers"
	"azts.internal/portal/internal/config"
	"azts.internal/portal/internal/doctor"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/sandbox"
)

// upstream is what the portal talks to, real or sandbox, as plain values.
type upstream struct {
	issuer, metadataURL string
	clientID            string
	credential          entra.Credential
	allowedTenants      []string
	aztsURL, aztsScope  string
	armURL, armScope    string // "" where there is no Azure
	graphURL            string // "" where the provider is not Entra
	graphScopeBase      string // what stands before a permission of Graph
	portalHost          string
	resources           []string // App ID URIs of further APIs to ask tokens of
}

// armPermission is the one delegated permission of Azure Resource Manager.
const armPermission = "/user_impersonation"

func realUpstream(c *config.Config, now func() time.Time) (*upstream, error) {
	cloud := entra.Clouds[c.Cloud]
	up := &upstream{issuer: c.Issuer, clientID: c.ClientID, allowedTenants: c.AllowedTenants, aztsURL: c.AzTSURL, aztsScope: c.AzTSScope,
		armURL: c.ARMURL, armScope: cloud.ARMURL + armPermission, portalHost: cloud.PortalHost,
		graphURL: c.GraphURL, graphScopeBase: strings.TrimSuffix(cloud.GraphURL, "/v1.0"), resources: c.Resources}
	if c.TenantID != "" {
		up.issuer, up.metadataURL = cloud.TenantIssuer(c.TenantID)
		if up.armURL == "" {
			up.armURL = cloud.ARMURL
		}
		up.graphURL = cmp.Or(c.GraphURL, cloud.GraphURL)
	}
	switch {
	case c.ClientSecret != "":
		up.credential = entra.SecretCredential(c.ClientSecret)
	case len(c.Certificate) > 0:
		credential, err := entra.CertificateCredential(c.Certificate, now)
		if err != nil {
			return nil, config.Mistakes{fmt.Sprintf("PORTAL_CLIENT_CERTIFICATE: %v", err)}
		}
		up.credential = credential
	case c.FederatedFile != "":
		up.credential = entra.FederatedCredential(c.FederatedFile)
	}
	return up, nil
}

func sandboxUpstream(s sandbox.Settings) *upstream {
	cloud := entra.Clouds["public"]
	return &upstream{issuer: s.Issuer, clientID: s.ClientID, credential: entra.SecretCredential(s.ClientSecret),
		aztsURL: s.AzTSURL, aztsScope: s.AzTSScope, armURL: s.ARMURL, armScope: cloud.ARMURL + armPermission, portalHost: cloud.PortalHost,
		graphURL: s.GraphURL, graphScopeBase: strings.TrimSuffix(cloud.GraphURL, "/v1.0"), resources: s.Resources}
}

func (u *upstream) provider(baseURL string, client *http.Client, now func() time.Time, log *slog.Logger) entra.Options {
	return entra.Options{Issuer: u.issuer, MetadataURL: u.metadataURL, ClientID: u.clientID, Credential: u.credential,
		RedirectURL: baseURL + "/auth/callback", AllowedTenants: u.allowedTenants, Client: client, Now: now, Log: log}
}

// signIn returns how people sign in here.
func (u *upstream) signIn(responseType string, requireMFA bool) handlers.SignIn {
	openID := []string{"openid", "profile", "email"}
	code := append(slices.Clone(openID), "offline_access")
	s := handlers.SignIn{ResponseType: responseType, RequireMFA: requireMFA, Scopes: openID}
	visit := code
	if u.aztsScope != "" {
		s.TokenScopes = []string{u.aztsScope}
		code = append(code, u.aztsScope)
		visit = code
		if u.armURL != "" {
			visit = append(slices.Clone(code), u.armScope)
		}
	}
	s.CodeScopes = code
	if entra.HasCode(responseType) {
		s.Scopes = visit
	}
	return s
}

// catalogue returns the APIs that people may ask tokens of: at a provider other
// than Entra none of Microsoft's.
func (u *upstream) catalogue(cloud string) entra.Catalogue {
	if u.graphURL == "" {
		return entra.NewCatalogue(u.aztsScope, nil, u.resources)
	}
	return entra.NewCatalogue(u.aztsScope, entra.Clouds[cloud].Resources(), u.resources)
}

// loginURL returns what stands before the tenant in the addresses of the sign-in;
// "" where the provider is not Entra.
func (u *upstream) loginURL() string {
	authority, entraID := strings.CutSuffix(u.issuer, "/v2.0")
	if tenant := strings.LastIndexByte(authority, '/'); entraID && u.graphURL != "" && tenant > 0 {
		return authority[:tenant]
	}
	return ""
}

// adminCenters are the Entra admin centers by cloud, of which the addresses of pages are known.
var adminCenters = map[string]string{"public": "https://entra.microsoft.com", "usgov": "https://entra.microsoft.us"}

// examined returns what the setup doctor looks at, but for the parts that need more
// than the configuration: Graph, AzTS and the database.
func (u *upstream) examined(c *config.Config, baseURL string, provider *entra.Provider, now func() time.Time) doctor.Config {
	d := doctor.Config{BaseURL: baseURL, ClientID: u.clientID, ResponseType: c.ResponseType, RequireMFA: c.RequireMFA,
		AdminRole: c.AdminRole, HelpDeskRole: c.HelpDeskRole, DirectoryRoles: len(c.AdminDirectoryRoles) > 0, Groups: len(c.AdminGroups) > 0,
		AzTSURL: u.aztsURL, AzTSScope: u.aztsScope, ARMURL: u.armURL, GraphURL: u.graphURL, Provider: provider, Client: newClient(), Now: now}
	if entra.IsGUID(c.TenantID) {
		d.TenantID, d.EntraURL = c.TenantID, adminCenters[c.Cloud]
	}
	switch {
	case c.ClientSecret != "", c.Sandbox:
		d.Credential = doctor.Secret
	case len(c.Certificate) > 0:
		d.Credential, d.CertificateEnd = doctor.Certificate, entra.CertificateEnd(c.Certificate)
	case c.FederatedFile != "":
		d.Credential = doctor.Federated
	}
	return d
}

// newClient returns the client for the provider's endpoints: no redirects, since
// nothing there redirects, and a time limit on everything.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 32
	transport.MaxResponseHeaderBytes = 64 << 10 // they are kept with runs of flows
	return &http.Client{Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
