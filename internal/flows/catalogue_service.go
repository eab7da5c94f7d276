package flows

// clientCredentials are the messages of a service that proves itself in some way.
func clientCredentials(proof string, credential []Parameter, v1, v2 string) []Message {
	return []Message{
		{ID: "token", From: Script, To: Tenant, Name: "Token request", What: proof,
			Parameters: grant("client_credentials", append(credential[:len(credential):len(credential)], Parameter{"resource", Required, Absent, "The API, by its App ID URI (an API's address that serves as its name)."},
				Parameter{"scope", Absent, Required, "The API's App ID URI and /.default: all that an administrator has granted. Nothing else is taken."})...),
			V1: v1, V2: v2},
		{ID: "answer", From: Tenant, To: Script, Name: "Token answer", What: "An access token without a person. It has roles only if an administrator granted some; an API must refuse one without. No refresh token: ask again when it ends.",
			V1: "200\n{\"token_type\":\"Bearer\",\"expires_in\":\"3599\",\"resource\":\"{uri}\",\"access_token\":\"…\"}",
			V2: "200\n{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"…\"}"},
		{ID: "call", From: Script, To: AzTS, Name: "Call of the API", What: "AzTS must know the application: its admin lists it under authorized client applications, and it needs a role on the subscriptions.", Parameters: []Parameter{apiCall},
			V2: "POST {api}/adhocscan/RequestScan?api-version=1.0\nAuthorization: Bearer …"},
	}
}

var serviceFlows = []Flow{
	{
		ID: "client-credentials-secret", Group: Service, Title: "Client credentials with a secret",
		Summary:   "A service proves itself with a password and gets a token in its own name.",
		UseWhen:   []string{"A scheduled job, somewhere where neither a managed identity nor a certificate is to be had."},
		AvoidWhen: []string{"It runs in Azure: a managed identity has no secret to lose.", "It runs in a pipeline or cluster that issues tokens: take a federated credential."},
		Parties:   []Party{Script, Tenant, AzTS},
		Messages: clientCredentials("The secret goes in the body, URL-encoded, or as HTTP Basic.", []Parameter{{"client_secret", Required, Required, "The secret's value. Its id, which the portal shows beside it, is the usual mistake (7000215)."}},
			"POST {login}/{tenant}/oauth2/token\n\ngrant_type=client_credentials&client_id=…&client_secret=…&resource={uri}",
			"POST {login}/{tenant}/oauth2/v2.0/token\n\ngrant_type=client_credentials&client_id=…&client_secret=…&scope={uri}/.default"),
		Commands: []Command{
			{Tool: msalPS, Code: msalInstall + "$secret = Read-Host -AsSecureString 'Secret'\n$token = Get-MsalToken -TenantId '{tenant}' -ClientId '<application>' -ClientSecret $secret -Scopes '{uri}/.default'", Note: msalArchived},
			{Tool: "PowerShell", Code: "$secret = Read-Host -AsSecureString 'Secret'\nInvoke-RestMethod -Method POST -Uri {login}/{tenant}/oauth2/v2.0/token -ContentType application/x-www-form-urlencoded `\n  -Body @{client_id='<application>'; client_secret=[System.Net.NetworkCredential]::new('', $secret).Password; grant_type='client_credentials'; scope='{uri}/.default'}", Note: "Needs no module. It URL-encodes the secret itself."},
			{Tool: "Azure CLI", Code: "read -rsp 'Secret: ' secret\naz login --service-principal -u <application> -p \"$secret\" --tenant {tenant} --allow-no-subscriptions\naz account get-access-token --scope {uri}/.default --tenant {tenant}", Note: "While it runs, the secret stands in the list of processes."},
			{Tool: "Az PowerShell", Code: "$secret = Read-Host -AsSecureString 'Secret'\n$login = [pscredential]::new('<application>', $secret)\nConnect-AzAccount -ServicePrincipal -Tenant {tenant} -Credential $login\n" + azToken, Note: azTokenNote},
			{Tool: "curl", Code: "curl -sS -X POST {login}/{tenant}/oauth2/v2.0/token \\\n  -d grant_type=client_credentials -d client_id=<application> \\\n  --data-urlencode client_secret@secret.txt --data-urlencode scope={uri}/.default", Note: "Write secret.txt without a line end at its end."}},
		Risks:      []string{"A secret is copied, checked in and forgotten; it ends on a day that nobody has in mind (7000222).", "The token knows no person: what is granted is granted for everything."},
		Places:     []Place{InLab, InTenant},
		PlacesNote: "Against your tenant you bring the application's secret. It is used for one request, the token is thrown away, and AzTS is not called.",
		Failures:   []string{"foreign-audience", "secret-instead-of-certificate", "two-resources"},
	},
	{
		ID: "client-credentials-certificate", Group: Service, Title: "Client credentials with a certificate",
		Summary:   "A service signs a short-lived assertion with its private key. The key never leaves the machine.",
		UseWhen:   []string{"A service outside Azure that has a key store."},
		AvoidWhen: []string{"It runs in Azure: a managed identity has no key to renew."},
		Parties:   []Party{Script, Tenant, AzTS},
		Messages: clientCredentials("The assertion names application, tenant and its own end, some minutes ahead. x5t#S256 in its header says which certificate.", signedAssertion,
			"POST {login}/{tenant}/oauth2/token\n\ngrant_type=client_credentials&client_id=…&resource={uri}\n&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=…",
			"POST {login}/{tenant}/oauth2/v2.0/token\n\ngrant_type=client_credentials&client_id=…&scope={uri}/.default\n&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=…"),
		Commands: []Command{
			{Tool: msalPS, Code: msalInstall + "$cert = Get-Item Cert:\\CurrentUser\\My\\<thumbprint>\n$token = Get-MsalToken -TenantId '{tenant}' -ClientId '<application>' -ClientCertificate $cert -Scopes '{uri}/.default'"},
			{Tool: "Azure CLI", Code: "az login --service-principal -u <application> --certificate key-and-certificate.pem --tenant {tenant} --allow-no-subscriptions\naz account get-access-token --scope {uri}/.default --tenant {tenant}", Note: "Older versions take the file by -p."},
			{Tool: "Az PowerShell", Code: "Connect-AzAccount -ServicePrincipal -Tenant {tenant} -ApplicationId <application> -CertificateThumbprint <thumbprint>\n" + azToken, Note: azTokenNote},
			{Tool: "curl", Code: "curl -sS -X POST {login}/{tenant}/oauth2/v2.0/token \\\n  -d grant_type=client_credentials -d client_id=<application> \\\n  -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \\\n  --data-urlencode client_assertion@jwt.txt --data-urlencode scope={uri}/.default", Note: "Something else has to sign jwt.txt."}},
		Risks:      []string{"The clock must be right: an assertion from the future or the past is refused (700024).", "A certificate ends, too. It can be renewed side by side with the old one."},
		Places:     []Place{InLab, InTenant},
		PlacesNote: "Against your tenant you bring the application's certificate. It is used for one request, the token is thrown away, and AzTS is not called.",
		Failures:   []string{"secret-instead-of-certificate", "expired-token", "tampered-signature", "foreign-audience", "clock-off"},
	},
	{
		ID: "client-credentials-federated", Group: Service, Title: "Client credentials with a federated credential",
		Summary:   "The service shows a token of another issuer, such as a pipeline's or a cluster's, that the application trusts. There is no secret at all.",
		UseWhen:   []string{"Pipelines, Kubernetes, other clouds: wherever the surroundings issue tokens."},
		AvoidWhen: []string{"Nothing there issues tokens."},
		Parties:   []Party{Script, Issuer, Tenant, AzTS},
		Messages: append([]Message{{ID: "foreign", From: Script, To: Issuer, Name: "Token of the surroundings", What: "Its issuer, subject and audience must be those in the registration, letter by letter.",
			Parameters: []Parameter{{"audience", Required, Required, "api://AzureADTokenExchange, or that of a sovereign cloud."}}, V2: "cat $AZURE_FEDERATED_TOKEN_FILE"}},
			clientCredentials("The other issuer's token stands where a certificate's assertion would.", assertion,
				"POST {login}/{tenant}/oauth2/token\n\ngrant_type=client_credentials&client_id=…&resource={uri}\n&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=…",
				"POST {login}/{tenant}/oauth2/v2.0/token\n\ngrant_type=client_credentials&client_id=…&scope={uri}/.default\n&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=…")...),
		Commands: []Command{
			{Tool: "Azure CLI", Code: "az login --service-principal -u <application> --tenant {tenant} --allow-no-subscriptions \\\n  --federated-token \"$(cat \"$AZURE_FEDERATED_TOKEN_FILE\")\"\naz account get-access-token --scope {uri}/.default --tenant {tenant}"},
			{Tool: "Az PowerShell", Code: "Connect-AzAccount -ServicePrincipal -Tenant {tenant} -ApplicationId <application> -FederatedToken (Get-Content -Raw $env:AZURE_FEDERATED_TOKEN_FILE)\n" + azToken, Note: azTokenNote},
			{Tool: "curl", Code: "curl -sS -X POST {login}/{tenant}/oauth2/v2.0/token \\\n  -d grant_type=client_credentials -d client_id=<application> \\\n  -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \\\n  --data-urlencode client_assertion@\"$AZURE_FEDERATED_TOKEN_FILE\" --data-urlencode scope={uri}/.default"}},
		Risks:      []string{"Whoever can make the other issuer say that subject is the application. Name branches and environments, not whole organizations.", "A new credential needs some minutes until it works (70021)."},
		Places:     []Place{InLab, InTenant},
		PlacesNote: "Against your tenant you bring the other issuer's token. It is used for one request, the token for it is thrown away, and AzTS is not called.",
		Failures:   []string{"foreign-audience", "expired-token", "tampered-signature"},
	},
	{
		ID: "managed-identity", Group: Service, Title: "Managed identity: virtual machine and App Service",
		Summary:   "The machine itself is somebody. A program on it asks an address that only this machine reaches.",
		UseWhen:   []string{"Whatever runs in Azure and needs no person."},
		AvoidWhen: []string{"The program runs elsewhere: there is no such address."},
		Parties:   []Party{Script, Machine, AzTS},
		Messages: []Message{
			{ID: "imds", From: Script, To: Machine, Name: "Token request of a virtual machine", What: "The instance metadata service (IMDS): a fixed address, never by a proxy, with a header that no browser or redirect can add.",
				Parameters: []Parameter{{"Metadata", Required, Required, "true, in lower case: without it bad_request_102."}, {"api-version", Required, Required, "2018-02-01."},
					{"resource", Required, Required, "The API, by its App ID URI."}, {"client_id, object_id, msi_res_id", Optional, Optional, "Which identity, where the machine has several."}},
				V2: "GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource={uri}\nMetadata: true"},
			{ID: "appservice", From: Script, To: Machine, Name: "Token request of App Service", What: "Address and a secret header come in the environment. The older form (api-version 2017-09-01) has MSI_ENDPOINT, a header secret with MSI_SECRET, and clientid.",
				Parameters: []Parameter{{"X-IDENTITY-HEADER", Required, Required, "The value of IDENTITY_HEADER: it keeps requests out that only reach the address."}, {"api-version", Required, Required, "2019-08-01."}, {"resource", Required, Required, "The API."},
					{"client_id, principal_id, mi_res_id", Optional, Optional, "Which identity."}},
				V2: "GET $IDENTITY_ENDPOINT?resource={uri}&api-version=2019-08-01\nX-IDENTITY-HEADER: $IDENTITY_HEADER"},
			{ID: "answer", From: Machine, To: Script, Name: "Token answer", What: "All values are strings; App Service leaves out expires_in. The machine keeps tokens itself: a role given now may show hours later.",
				V2: "200\n{\"access_token\":\"…\",\"client_id\":\"…\",\"expires_in\":\"3599\",\"expires_on\":\"1715000000\",\"resource\":\"{uri}\",\"token_type\":\"Bearer\"}"},
			{ID: "call", From: Script, To: AzTS, Name: "Call of the API", What: "As with every application: AzTS must know it.", Parameters: []Parameter{apiCall}, V2: "POST {api}/adhocscan/RequestScan?api-version=1.0\nAuthorization: Bearer …"},
		},
		Commands: []Command{
			{Tool: "Azure CLI", Code: "az login --identity --allow-no-subscriptions\naz account get-access-token --scope {uri}/.default"},
			{Tool: "Az PowerShell", Code: "Connect-AzAccount -Identity\n" + azToken, Note: azTokenNote},
			{Tool: "curl, App Service", Code: "curl -sS -H \"X-IDENTITY-HEADER: $IDENTITY_HEADER\" \\\n  \"$IDENTITY_ENDPOINT?resource={uri}&api-version=2019-08-01\""},
			{Tool: "curl, virtual machine", Code: "curl -sS --noproxy '*' -H Metadata:true \\\n  'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource={uri}'"}},
		Risks:      []string{"Everything that runs on the machine can ask, also what was smuggled in.", "A service that fetches addresses for strangers can be made to ask: hence the header."},
		Places:     []Place{InLab, InAzure},
		PlacesNote: "In Azure, administrators can run it with the identity of the machine that this portal runs on. The token is thrown away.",
		Failures:   []string{"two-resources"},
	},
}

// Retry is one line of the table that says when asking a machine for a token
// again helps (entra.md §9.1).
type Retry struct {
	Status  string
	Error   string // "" for any
	Meaning string
	Again   bool
}

// Retries is that table.
func Retries() []Retry {
	return []Retry{
		{"400", "invalid_resource", "The tenant does not know the API (AADSTS50001). Mend the App ID URI.", false},
		{"400", "bad_request_102", "The header Metadata: true is missing.", false},
		{"400", "invalid_request", "Malformed, or “Identity not found”: assign the identity, or name which one.", false},
		{"401", "unknown_source", "The address is wrong.", false},
		{"4xx", "unauthorized_client, access_denied, unsupported_response_type, invalid_scope", "The set-up is wrong. Asking again changes nothing.", false},
		{"404, 410, 429, timeout", "", "The endpoint is being renewed, up to 70 seconds, or too many ask. Wait and ask again.", true},
		{"5xx", "unknown", "A failure that passes. Wait a second or more, then longer each time. Check that the managed identity is switched on.", true},
	}
}

// RetryDelays are the pauses before each further try, in seconds: none comes at
// once, and the last comes after an update of the endpoint (entra.md §9.1). The
// portal asks for its own identity in the same way.
var RetryDelays = [...]int{2, 6, 14, 30, 60}
