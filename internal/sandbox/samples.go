package sandbox

// Applications that are there to show one flow each, or to fail at it.
const (
	// LegacyClientID may get tokens through the browser (implicit flow). At
	// LegacyRedirect nobody can answer (RFC 2606 §3): whoever tries the flow reads
	// the answer out of the redirect.
	LegacyClientID = "39af37bc-7cd6-4be1-8a3e-f5c6827d04ab"
	LegacyRedirect = "https://dashboard.contoso.example/signed-in"
	// CertificateClientID is a daemon with a certificate and no secret; its
	// certificate is the one of /sandbox/certificate.pem.
	CertificateClientID = "4ab048cd-8de7-4cf2-9b4f-06d7938e15bc"
	// AzTSClientSecret is by what the AzTS Web API proves itself when it asks for
	// tokens on behalf of whoever called it. It guards nothing.
	AzTSClientSecret = "sandbox-azts-secret"
)

// sampleClients returns the registrations of those applications.
func sampleClients() []*application {
	return []*application{
		{appID: LegacyClientID, objectID: "5bc159de-9ef8-4d03-8c50-17e8a49f26cd", name: "Legacy dashboard", publisher: "Contoso",
			redirectURIs:   []string{LegacyRedirect},
			idTokenAllowed: true, accessTokenAllowed: true,
			required: []requiredAccess{{resource: AzTSAppID, scopes: []string{"user_impersonation"}},
				{resource: GraphAppID, scopes: []string{"openid", "profile"}}}},
		{appID: CertificateClientID, objectID: "6cd26aef-af09-4e14-9d61-28f9b5a037de", name: "night-audit", publisher: "Contoso",
			required: []requiredAccess{{resource: AzTSAppID, roles: []string{"Scan.Request"}}}},
	}
}
