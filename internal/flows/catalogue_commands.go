package flows

// What the commands of several flows share (entra.md §10.1).
const (
	msalPS       = "MSAL.PS"
	msalInstall  = "Install-Module -Name MSAL.PS -AllowClobber -Scope CurrentUser -Repository PSGallery # once\n"
	msalArchived = "MSAL.PS is archived and still works."

	azToken     = "$token = (Get-AzAccessToken -ResourceUrl '{uri}').Token | ConvertFrom-SecureString -AsPlainText"
	azTokenNote = "Since Az 14 the token is a SecureString; leave the last part out before that."

	publicClient = "The client id is the one that AzTS administrators hand out, usually that of the Web API itself: it has to allow public clients. This portal's own demands a secret (7000218)."
)

var codeCommands = []Command{
	{Tool: msalPS, Code: msalInstall + "$token = Get-MsalToken -TenantId '{tenant}' -ClientId '<client id>' -RedirectUri 'https://localhost' -Scopes '{scope}'", Note: "Opens a browser. " + msalArchived + " " + publicClient},
	{Tool: "Azure CLI", Code: "az login --tenant {tenant} --scope {uri}/.default\naz account get-access-token --tenant {tenant} --scope {uri}/.default --query accessToken -o tsv"},
	{Tool: "Az PowerShell", Code: "Connect-AzAccount -Tenant {tenant}\n" + azToken, Note: azTokenNote},
	{Tool: "curl", Code: "curl -sS -X POST {login}/{tenant}/oauth2/v2.0/token \\\n  -d grant_type=authorization_code -d client_id='<client id>' --data-urlencode code=\"$code\" \\\n  --data-urlencode redirect_uri=https://localhost -d code_verifier=\"$verifier\"", Note: "The second half only; the first is a browser's. " + publicClient},
}
