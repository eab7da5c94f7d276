package templates

import "strings"

// tokenMask stands for a hidden token. Its length says nothing about the token.
const tokenMask = "••••••••••••••••••••••••••••••••"

// requestClass makes requesting the primary action while there is no token,
// unless a problem has to be solved first.
func (v *TokensPage) requestClass() string {
	if v.Token == nil && (v.Problem == nil || v.Problem.Primary == nil) {
		return "btn btn-primary"
	}
	return "btn"
}

// snippet is a set of commands that use a token.
type snippet struct{ key, label, code string }

// tokenSnippets returns the commands for an API at apiURL. They read the token
// from a prompt into a variable: a token in the command line would stay in the
// shell's history and, for curl, in the list of processes.
func tokenSnippets(apiURL string) []snippet {
	fill := strings.NewReplacer("{api}", strings.TrimRight(apiURL, "/"))
	return []snippet{
		{"powershell", "PowerShell 7", fill.Replace(powershellSnippet)},
		{"windows-powershell", "Windows PowerShell 5.1", fill.Replace(windowsPowershellSnippet)},
		{"curl", "bash and curl", fill.Replace(curlSnippet)},
		{"http", "HTTP", fill.Replace(httpSnippet)},
	}
}

const powershellSnippet = `$token = Read-Host -AsSecureString "Paste the token"
$subscription = "<subscription id>"

# Request a scan
Invoke-RestMethod -Method Post -Authentication Bearer -Token $token ` + "`" + `
  -Uri "{api}/adhocscan/RequestScan?api-version=1.0" ` + "`" + `
  -ContentType "application/json" ` + "`" + `
  -Body (@{ SubscriptionIDList = @($subscription) } | ConvertTo-Json)

# Read the results, 100 at a time
Invoke-RestMethod -Method Post -Authentication Bearer -Token $token ` + "`" + `
  -Uri "{api}/adhocscan/subscription/$subscription/ControlScanResult?api-version=1.0" ` + "`" + `
  -ContentType "application/json" -Body "{}"`

const windowsPowershellSnippet = `$secure = Read-Host -AsSecureString "Paste the token"
$token = [System.Net.NetworkCredential]::new("", $secure).Password
$subscription = "<subscription id>"

# Request a scan
Invoke-RestMethod -Method Post -Headers @{ Authorization = "Bearer $token" } ` + "`" + `
  -Uri "{api}/adhocscan/RequestScan?api-version=1.0" ` + "`" + `
  -ContentType "application/json" ` + "`" + `
  -Body (@{ SubscriptionIDList = @($subscription) } | ConvertTo-Json)`

const curlSnippet = `read -rsp "Paste the token: " AZTS_TOKEN
subscription="<subscription id>"

# Request a scan. The header comes from standard input, not from the command line.
printf 'Authorization: Bearer %s' "$AZTS_TOKEN" |
  curl -sS -X POST "{api}/adhocscan/RequestScan?api-version=1.0" \
    -H @- -H "Content-Type: application/json" \
    -d "{\"SubscriptionIDList\":[\"$subscription\"]}"

# Read the results, 100 at a time
printf 'Authorization: Bearer %s' "$AZTS_TOKEN" |
  curl -sS -X POST "{api}/adhocscan/subscription/$subscription/ControlScanResult?api-version=1.0" \
    -H @- -H "Content-Type: application/json" -d "{}"`

const httpSnippet = `POST {api}/adhocscan/RequestScan?api-version=1.0
Authorization: Bearer <token>
Content-Type: application/json

{"SubscriptionIDList": ["<subscription id>"]}`
