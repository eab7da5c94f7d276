package main

import (
	"net/http"
	"time"

	"azts.internal/portal/handlers"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/seal"
)

// The lab's hosts exist nowhere (RFC 6761 §6.4): what leaves the process by
// mistake arrives nowhere.
const (
	labOrigin = "https://lab.invalid"
	labPortal = "https://portal.invalid"
)

// newBox makes the sandbox of one run in the lab. It has no listener, its tokens
// are of an issuer that sign-in does not know, and it goes with the run.
func newBox(now func() time.Time) (*flows.Box, error) {
	box, err := sandbox.New(sandbox.Options{Origin: labOrigin, PortalURL: labPortal, Now: now})
	if err != nil {
		return nil, err
	}
	s := box.Settings()
	accounts := map[string]flows.LabPerson{}
	for _, person := range box.People() {
		accounts[person.ObjectID] = flows.LabPerson{ID: person.ObjectID, Account: person.Account}
	}
	return &flows.Box{Transport: box.Transport(), Origin: labOrigin, Portal: labPortal, TenantID: s.TenantID, Issuer: s.Issuer,
		ClientID: s.ClientID, ClientSecret: s.ClientSecret, AzTSClientID: s.AzTSClientID, AzTSClientSecret: s.AzTSClientSecret,
		ScriptClientID: s.ScriptClientID, ScriptClientSecret: s.ScriptClientSecret, CertificateClientID: s.CertificateClientID,
		CertificateURL: labOrigin + "/sandbox/certificate.pem", FederatedURL: labOrigin + "/federated/token",
		LegacyClientID: s.LegacyClientID, LegacyRedirect: s.LegacyRedirect, CLIClientID: s.PublicClientID, StrangeClientID: sandbox.AzPowerShellAppID,
		IdentityHeader: sandbox.IdentityHeader, Subscription: s.Subscription, AzTSURL: s.AzTSURL, AzTSScope: s.AzTSScope, ARMURL: s.ARMURL,
		ARMScope: sandbox.ARMAudience + armPermission, GraphURL: s.GraphURL, GraphBase: sandbox.GraphAudience, InventoryScope: sandbox.InventoryAppIDURI + "/Items.Read",
		Employee: accounts[sandbox.DanaID], Admin: accounts[sandbox.AdaID], Careful: accounts[sandbox.MiraID], Password: s.PeoplePassword,
		Break: func(fault, value string) { box.Faults().Set(fault, value, 1) }}, nil
}

// newMachineTransport reaches the endpoint that this machine has for its identity: no
// proxy leads there (entra.md §9.1).
func newMachineTransport() http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	return transport
}

// flowRuns makes what runs flows and keeps what was said.
func (p *portal) flowRuns(parts *handlers.Parts, keys *seal.KeyRing) error {
	var err error
	if parts.Lab, err = flows.NewLab(newBox, handlers.NewVisits(p.sessions), p.now, p.log); err != nil {
		return err
	}
	if parts.Runs, err = flows.NewKeeper(p.db, keys, p.now); err != nil {
		return err
	}
	client := newClient()
	at := p.up.provider(p.baseURL, client, p.now, p.log)
	parts.Tenant = &flows.TenantRuns{Client: client, Now: p.now, CallbackURL: at.RedirectURL, MetadataURL: at.MetadataURL, Scopes: parts.SignIn.TokenScopes,
		NewProvider: func(client *http.Client, now func() time.Time, clientID string) (*entra.Provider, error) {
			o := p.up.provider(p.baseURL, client, now, p.log)
			if clientID != "" {
				o.ClientID = clientID
			}
			return entra.NewProvider(o)
		}}
	parts.Tenant.Apps = parts.AzTS != nil && len(parts.Provider.Tenants()) > 0
	parts.Tenant.ManagedIdentity, parts.Tenant.MachineClient = parts.ManagedIdentity, &http.Client{Transport: newMachineTransport()}
	if parts.Tenant.MetadataURL == "" {
		parts.Tenant.MetadataURL = at.Issuer + "/.well-known/openid-configuration"
	}
	if p.up.graphURL != "" {
		parts.Tenant.More, parts.Tenant.DeviceClientID = p.up.graphScopeBase+"/User.Read", entra.AzureCLI
	}
	return nil
}
