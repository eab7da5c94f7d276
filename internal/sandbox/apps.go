package sandbox

import (
	"crypto"
	"strings"
	"time"
)

// Application ids beside the portal's and the AzTS API's.
const (
	ScriptClientID     = "c4a70e59-1f86-43bd-a2d7-98e15b60f3ac" // a daemon with the app role Scan.Request
	ScriptClientSecret = "sandbox-script-secret"                // guards nothing
	ExpensesClientID   = "7a25c8e3-40bd-4f19-96d7-1e8b3c5fa042" // the second sample application
	PayrollClientID    = "8b36d9f4-51ce-402a-87e8-2f9c4d60b153" // demands an assignment that few people have
	GraphAppID         = "00000003-0000-0000-c000-000000000000"
	ARMAppID           = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
	KeyVaultAppID      = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"
	AzureCLIAppID      = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
	AzPowerShellAppID  = "1950a258-227b-4e31-a9cf-717495945fc2"
)

// Object ids of service principals at Contoso (the table at the top of
// entra.md).
const (
	portalObjectID = "5d1e7c30-0b94-4a6f-9c28-71f3e08a4d15"
	scriptObjectID = "91b2f6d4-7e03-4c58-b1a9-2d60c7e84f3b"
	aztsObjectID   = "e07a3b91-5c4d-4286-97fe-1be04d5c8642"
	graphObjectID  = "4c8f02d7-9e51-4b36-a07d-6b1fe8c3952a"
	armObjectID    = "6ea124f9-b073-4d58-829f-8d310ae5b74c"
)

// permissionScope is one delegated permission that an API exposes
// (entra.md §7.2).
type permissionScope struct {
	id               string
	value            string // as it stands in scp
	adminOnly        bool   // type Admin: a plain user cannot consent
	adminName        string
	adminDescription string
	userName         string
	userDescription  string
}

// appRole is one role that an application defines (entra.md §7.2).
type appRole struct {
	id           string
	value        string // as it stands in roles
	name         string
	description  string
	forUsers     bool // allowedMemberTypes contains User
	forApps      bool // allowedMemberTypes contains Application
	assignedApps []string
}

// secret is a client secret of a registration.
type secret struct {
	value   string
	expires time.Time // zero: never
}

// certificate is a registered certificate, by which a client assertion is
// verified.
type certificate struct {
	sha1   [20]byte // thumbprints of the DER form
	sha256 [32]byte
	key    crypto.PublicKey
	from   time.Time // when it is valid
	until  time.Time
}

// requiredAccess is one line of requiredResourceAccess: the static list of
// what a client asks of an API.
type requiredAccess struct {
	resource string   // app id
	scopes   []string // delegated
	roles    []string // application permissions
}

// application is a registration together with its service principal. As a
// client it signs people in; as a resource it is what tokens are for.
type application struct {
	appID     string
	objectID  string // of the service principal at Contoso
	name      string
	publisher string
	homePage  string

	// The client.
	redirectURIs       []string // also what post_logout_redirect_uri may name
	logoutURL          string   // front-channel logout; empty: none
	secrets            []secret
	certificates       []certificate
	federated          []federatedCredential
	public             bool // has no secret and may use public-client flows
	multiTenant        bool
	disabled           bool
	idTokenAllowed     bool // "ID tokens" ticked: response_type may hold id_token
	accessTokenAllowed bool // "Access tokens" ticked: response_type may hold token
	family             bool // Microsoft's own: refresh tokens are shared (foci)
	optionalClaims     []string
	required           []requiredAccess
	assignmentRequired bool
	assigned           []string // object ids of the people assigned

	// The resource.
	identifierURIs []string // what aud and scope may call it; the first is the principal one
	tokenVersion   int      // 1 or 2: the form of access tokens for it (entra.md §3.3)
	scopes         []permissionScope
	roles          []appRole
	preauthorized  map[string][]string // client app id → scope values that need no consent
}

// scope finds a delegated permission by its value. Like Entra's, the comparison
// ignores case.
func (a *application) scope(value string) *permissionScope {
	for i := range a.scopes {
		if strings.EqualFold(a.scopes[i].value, value) {
			return &a.scopes[i]
		}
	}
	return nil
}

// openIDScopes are the scopes that belong to no API of the tenant's; Entra
// counts them as Graph permissions and so do grants here.
var openIDScopes = []string{"openid", "profile", "email", "offline_access"}

// seedApplications returns the registrations, the portal's and the second
// sample application's among them.
func seedApplications(options Options) []*application {
	expenses := options.Origin + "/expenses"
	return append([]*application{
		{appID: PortalClientID, objectID: portalObjectID, name: "AzTS Portal", publisher: "Contoso", homePage: options.PortalURL + "/",
			redirectURIs:   []string{options.PortalURL + "/auth/callback", options.PortalURL + "/auth/signed-out", options.PortalURL + "/auth/admin-consent"},
			logoutURL:      options.PortalURL + "/auth/frontchannel-logout",
			secrets:        []secret{{value: PortalClientSecret}},
			multiTenant:    true,
			idTokenAllowed: true,
			optionalClaims: []string{"sid", "login_hint", "upn", "email", "auth_time", "amr", "acrs", "wids", "groups"},
			required: []requiredAccess{
				{resource: AzTSAppID, scopes: []string{"user_impersonation"}},
				{resource: ARMAppID, scopes: []string{"user_impersonation"}},
				{resource: GraphAppID, scopes: []string{"openid", "profile", "email", "offline_access", "User.Read"}},
			},
			roles: []appRole{
				{id: "a1f0c2d3-7b64-4e85-90a6-c3d1e5f70812", value: "Portal.Admin", name: "Portal administrator",
					description: "Administers the portal.", forUsers: true},
				{id: "b2e1d3c4-8c75-4f96-81b7-d4e2f6081923", value: "Portal.HelpDesk", name: "Portal help desk",
					description: "Explains failed sign-ins.", forUsers: true},
			}},
		{appID: ScriptClientID, objectID: scriptObjectID, name: "scan-bot", publisher: "Contoso",
			redirectURIs: []string{"https://localhost"},
			secrets: []secret{{value: ScriptClientSecret},
				{value: ScriptExpiredSecret, expires: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}},
			federated: []federatedCredential{
				{issuer: options.Origin + "/federated", subject: FederatedSubject, audience: FederatedAudience}},
			required: []requiredAccess{{resource: AzTSAppID, roles: []string{"Scan.Request"}}}},
		{appID: ExpensesClientID, objectID: "d3a9f1c6-2e70-4b85-b4d8-9f602c17ae35", name: "Expenses", publisher: "Contoso", homePage: expenses,
			redirectURIs:   []string{expenses + "/callback", expenses},
			logoutURL:      expenses + "/frontchannel-logout",
			idTokenAllowed: true,
			optionalClaims: []string{"sid", "login_hint"},
			required:       []requiredAccess{{resource: GraphAppID, scopes: []string{"openid", "profile"}}}},
		{appID: PayrollClientID, objectID: "e4bae2d7-3f81-4c96-85e9-a0713d28bf46", name: "Payroll", publisher: "Contoso",
			redirectURIs: []string{options.Origin + "/expenses/payroll"}, public: true,
			assignmentRequired: true, assigned: []string{AdaID}},
		{appID: AzureCLIAppID, objectID: "f5cbf3e8-4092-4da7-96fa-b1824e39c057", name: "Microsoft Azure CLI", publisher: "Microsoft Services",
			redirectURIs: []string{"http://localhost"}, public: true, multiTenant: true, family: true},
		{appID: AzPowerShellAppID, objectID: "06dc04f9-51a3-4eb8-a70b-c2935f4ad168", name: "Microsoft Azure PowerShell", publisher: "Microsoft Services",
			redirectURIs: []string{"http://localhost"}, public: true, multiTenant: true, family: true},

		{appID: AzTSAppID, objectID: aztsObjectID, name: "AzTS API", publisher: "Contoso",
			identifierURIs: []string{AzTSAppIDURI}, tokenVersion: 1,
			secrets:  []secret{{value: AzTSClientSecret}},
			required: []requiredAccess{{resource: ARMAppID, scopes: []string{"user_impersonation"}}},
			scopes: []permissionScope{{id: "0f4b2c6d-9a37-4e18-b5c0-6d8e1f20a394", value: "user_impersonation",
				adminName: "Access AzTS", adminDescription: "Lets the application request and read AzTS scans as the signed-in person.",
				userName: "Access AzTS as you", userDescription: "Lets the application request and read AzTS scans with your rights."}},
			roles: []appRole{{id: "6c1f0d2e-3b48-4a59-8e6a-7f9b0c1d2e3f", value: "Scan.Request", name: "Request scans",
				description: "Request and read scans without a signed-in person.", forApps: true, assignedApps: []string{ScriptClientID}}},
			preauthorized: map[string][]string{AzureCLIAppID: {"user_impersonation"}, AzPowerShellAppID: {"user_impersonation"}}},
		{appID: GraphAppID, objectID: graphObjectID, name: "Microsoft Graph", publisher: "Microsoft Services",
			identifierURIs: []string{GraphAudience}, tokenVersion: 1, scopes: graphScopes(),
			roles: graphRoles(),
			preauthorized: map[string][]string{AzureCLIAppID: append([]string{"User.Read"}, openIDScopes...),
				AzPowerShellAppID: append([]string{"User.Read"}, openIDScopes...)}},
		{appID: ARMAppID, objectID: armObjectID, name: "Windows Azure Service Management API", publisher: "Microsoft Services",
			identifierURIs: []string{ARMAudience, "https://management.core.windows.net"}, tokenVersion: 1,
			scopes: []permissionScope{{id: "41094075-9dad-400e-a0bd-54e686782033", value: "user_impersonation",
				adminName: "Access Azure Resource Manager", adminDescription: "Lets the application manage Azure resources as the signed-in person.",
				userName: "Access Azure Resource Manager as you", userDescription: "Lets the application see and manage your Azure resources with your rights."}},
			preauthorized: map[string][]string{AzureCLIAppID: {"user_impersonation"}, AzPowerShellAppID: {"user_impersonation"}}},
		{appID: KeyVaultAppID, objectID: "17ed15fa-62b4-4fc9-b81c-d3a4605be279", name: "Azure Key Vault", publisher: "Microsoft Services",
			identifierURIs: []string{"https://vault.azure.net"}, tokenVersion: 2,
			scopes: []permissionScope{{id: "f53da476-18e3-4152-8e01-aec403e6edc0", value: "user_impersonation",
				adminName: "Access Azure Key Vault", adminDescription: "Lets the application use Key Vault as the signed-in person.",
				userName: "Access Azure Key Vault as you", userDescription: "Lets the application use Key Vault with your rights."}}},
		inventory(),
	}, sampleClients()...)
}

// graphRoles returns the application permissions of Graph for what an
// application may do there on its own (entra.md §7.4).
func graphRoles() []appRole {
	role := func(id, value, name, description string) appRole {
		return appRole{id: id, value: value, name: name, description: description + " without a signed-in person.", forApps: true}
	}
	return []appRole{
		role("7ab1d382-f21e-4acd-a863-ba3e13f7da61", "Directory.Read.All", "Read directory data", "Read data in the directory"),
		role("77f3a031-c388-4f99-b373-dc68676a979e", "User.RevokeSessions.All", "End sign-in sessions", "End everybody's sign-in sessions"),
		role("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30", "Application.Read.All", "Read applications", "Read registrations"),
		role("8e8e4742-1d95-4f68-9d56-6ee75648c72a", "DelegatedPermissionGrant.ReadWrite.All", "Manage consent grants", "Read, give and withdraw consent"),
		role("06b708a9-e830-4db3-a914-8e69da51d44f", "AppRoleAssignment.ReadWrite.All", "Manage app role assignments", "Read, give and withdraw app roles"),
	}
}

// graphScopes returns the delegated permissions of Graph that the portal may
// ever ask for, the OpenID scopes among them.
func graphScopes() []permissionScope {
	plain := func(id, value, name, description string) permissionScope {
		return permissionScope{id: id, value: value, adminName: name, adminDescription: description, userName: name, userDescription: description}
	}
	admin := func(id, value, name, description string) permissionScope {
		s := plain(id, value, name, description)
		s.adminOnly = true
		return s
	}
	return []permissionScope{
		plain("37f7f235-527c-4136-accd-4a02d197296e", "openid", "Sign you in", "Lets you sign in with your work account."),
		plain("14dad69e-099b-42c9-810b-d002981feec1", "profile", "View your basic profile", "Shows the application your name and account."),
		plain("64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0", "email", "View your e-mail address", "Shows the application your e-mail address."),
		plain("7427e0e9-2fba-42fe-b0c0-848c9e6a8182", "offline_access", "Keep access that you have given",
			"Lets the application keep its access while you are away."),
		plain("e1fe6dd8-ba31-4d61-89e7-88639da4683d", "User.Read", "Read your profile", "Lets the application read your profile at Microsoft Graph."),
		admin("06da0dbc-49e2-44d2-8312-53f166ab848a", "Directory.Read.All", "Read directory data", "Lets the application read the directory as you."),
		admin("c79f8feb-a9db-4090-85f9-90d820caa0eb", "Application.Read.All", "Read applications", "Lets the application read registrations as you."),
		plain("b340eb25-3456-403f-be2f-af7a0d370277", "User.ReadBasic.All", "Read everybody's basic profile",
			"Lets the application read names and addresses of everybody in your organization."),
		admin("a154be20-db9c-4678-8ab7-66f6cc099a59", "User.Read.All", "Read everybody's profile", "Lets the application read all profiles as you."),
		admin("bc024368-1153-4739-b217-4326f2e966d0", "GroupMember.Read.All", "Read group memberships", "Lets the application read who is in which group as you."),
		admin("a197cdc4-a8e7-4d49-9d35-4ca7c83887b4", "DelegatedPermissionGrant.Read.All", "Read consent grants", "Lets the application read consent grants as you."),
		admin("41ce6ca6-6826-4807-84f1-1c82854f7ee5", "DelegatedPermissionGrant.ReadWrite.All", "Manage consent grants",
			"Lets the application read, give and withdraw consent as you."),
		admin("95cddf4b-0967-4b9b-a78c-e30af4e64b75", "User.RevokeSessions.All", "End sign-in sessions",
			"Lets the application end sign-in sessions as you, your own among them."),
		admin("84bccea3-f856-4a8a-967b-dbe0a3d53a64", "AppRoleAssignment.ReadWrite.All", "Manage app role assignments",
			"Lets the application read, give and withdraw app roles as you."),
	}
}
