package config

// kind says how an option's value is treated.
type kind uint8

const (
	plain kind = iota
	secret
)

// option is one row of the table; the README's table is compared with it.
type option struct {
	name     string
	kind     kind
	fallback string // shown in the README; "" for none
	example  string
	meaning  string
}

// Options of the environment, in the order of the README.
var options = []option{
	{"PORTAL_ADDR", plain, "localhost:8080", "localhost:8080", "Address to listen on, host:port."},
	{"PORTAL_BASE_URL", plain, "http:// and PORTAL_ADDR", "https://portal.contoso.com", "Address that browsers use; its redirect URIs are registered at the provider. https, or http on this machine."},
	{"PORTAL_TENANT_ID", plain, "", "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10", "Entra tenant: its id, or organizations or common together with PORTAL_ALLOWED_TENANTS."},
	{"PORTAL_CLOUD", plain, "public", "usgov", "Microsoft cloud of the tenant: public, usgov or china."},
	{"PORTAL_ISSUER", plain, "", "https://login.example.com", "Issuer of any other OpenID Provider, instead of PORTAL_TENANT_ID."},
	{"PORTAL_CLIENT_ID", plain, "", "2f6d8a10-94c3-4b7e-8e15-0a3c7d91b6e2", "Client id of this portal's registration."},
	{"PORTAL_CLIENT_SECRET", secret, "", "the secret's value, not its id", "Client secret."},
	{"PORTAL_CLIENT_CERTIFICATE", secret, "", "a PEM file by PORTAL_CLIENT_CERTIFICATE_FILE", "Certificate and private key in PEM; signs a client assertion. Instead of the secret."},
	{"PORTAL_CLIENT_FEDERATED_TOKEN_FILE", plain, "", "/var/run/secrets/azure/tokens/azure-identity-token", "File with a token of another issuer, read for every request. Instead of the secret."},
	{"PORTAL_RESPONSE_TYPE", plain, "code id_token", "code", "code id_token, code or id_token; the response mode is always form_post."},
	{"PORTAL_ALLOWED_TENANTS", plain, "", "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10", "Tenant ids that may sign in with organizations or common, separated by commas."},
	{"PORTAL_AZTS_URL", plain, "", "https://AzSK-AzTS-WebApi-xxxxx.azurewebsites.net", "Base URL of the AzTS Web API."},
	{"PORTAL_AZTS_SCOPE", plain, "", "api://b1d04c77-6a2e-4d39-8f52-3e9ac0175d84/user_impersonation", "Delegated scope of the AzTS Web API."},
	{"PORTAL_RESOURCES", plain, "", "api://3c9d5e10-7b2a-4f68-a1c4-95e0d7f3b826", "App ID URIs (api://…) of further APIs that people may request tokens for, separated by commas."},
	{"PORTAL_TRUSTED_ISSUERS", plain, "", "https://login.partner.example", "Issuers whose signatures the token inspector checks besides the tenant's, separated by commas; each must publish its metadata."},
	{"PORTAL_MANAGED_IDENTITY", plain, "", "system", "In Azure: system, or the client id of a user-assigned identity. Admins may then request tokens as this identity of the portal."},
	{"PORTAL_GRAPH_URL", plain, "that of the cloud", "https://graph.microsoft.com/v1.0", "Base URL of Microsoft Graph, with the version."},
	{"PORTAL_ARM_URL", plain, "that of the cloud", "https://management.azure.com", "Base URL of Azure Resource Manager."},
	{"PORTAL_DATABASE_URL", secret, "sqlite:portal.db", "postgres://portal@db.contoso.com/portal", "Database: sqlite:PATH, or postgres://… for several replicas. The sandbox's default is a new file that goes when it ends."},
	{"PORTAL_SECRET_KEY", secret, "", "the output of: openssl rand -base64 32", "Base64 of 32 random bytes that seal sessions and tokens; several, newest first, separated by commas: the old ones still open."},
	{"PORTAL_SESSION_IDLE", plain, "1h", "30m", "A session ends when nothing is asked for this long."},
	{"PORTAL_SESSION_MAX", plain, "12h", "8h", "A session ends after this in any case."},
	{"PORTAL_ADMIN_ROLE", plain, "Portal.Admin", "Portal.Admin", "App role of admins."},
	{"PORTAL_ADMIN_DIRECTORY_ROLES", plain, "", "62e90394-69f5-4237-9190-012177145e10", "Directory roles of Entra whose holders are admins too: template ids, separated by commas. The registration has to report them (optional claim wids)."},
	{"PORTAL_ADMIN_GROUPS", plain, "", "0d1f5a86-93b7-4c22-8e41-b7a60f2d9c35", "Groups whose members are admins too: object ids, separated by commas. Needs the claim groups; where a person is in more than fit into it, Graph is asked."},
	{"PORTAL_HELPDESK_ROLE", plain, "Portal.HelpDesk", "Portal.HelpDesk", "App role of the help desk."},
	{"PORTAL_REQUIRE_MFA", plain, "false", "true", "A sign-in whose amr lacks mfa is sent back for it once, then refused."},
	{"PORTAL_TRUSTED_PROXIES", plain, "", "127.0.0.1/32,fd00::/8", "Networks whose X-Forwarded-For is believed, separated by commas."},
	{"PORTAL_RESULTS_DAYS", plain, "30", "90", "How many days the results of a scan are kept, 1 to 365."},
	{"PORTAL_LOG_FORMAT", plain, "text", "json", "text or json."},
	{"PORTAL_SANDBOX_ADDR", plain, "127.0.0.1:8081", "127.0.0.1:8081", "Where the sandbox listens; on loopback only."},
	{"PORTAL_SANDBOX_SUBSCRIPTIONS", plain, "12", "5000", "How many subscriptions the sandbox has."},
	{"PORTAL_SANDBOX_RESULTS", plain, "about 80 to 450", "100000", "How many results a scan of a subscription has in the sandbox."},
}
