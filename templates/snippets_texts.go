package templates

// The commands. They read a token into a variable or get it themselves: one in
// the command line would stay in the shell's history and, for curl, in the list
// of processes. {api} and its like are filled in with their quotes. The client id
// stays a gap: the portal's own is that of a confidential client, and a person's
// tool has no secret to prove itself by (AADSTS7000218).

const (
	titleToken   = "Put the token into a variable"
	titleScan    = "Request a scan"
	titleResults = "Read scan results, 100 at a time"
	titleSummary = "Read the compliance summary"
)

// powershellCalls are the three calls where $token is a SecureString.
var powershellCalls = []CommandBlock{
	{titleScan, `Invoke-RestMethod -Method Post -Authentication Bearer -Token $token ` + "`" + `
  -Uri "$api/adhocscan/RequestScan?api-version=1.0" -ContentType 'application/json' ` + "`" + `
  -Body (@{ SubscriptionIDList = @($subscription) } | ConvertTo-Json)`},
	{titleResults, `$skip = ''
do {
  $page = Invoke-RestMethod -Method Post -Authentication Bearer -Token $token ` + "`" + `
    -Uri "$api/adhocscan/subscription/$subscription/ControlScanResult?api-version=1.0$skip" ` + "`" + `
    -ContentType 'application/json' -Body '{}'
  $page.data
  $skip = '&skipToken=' + [uri]::EscapeDataString([string]$page.skipToken)
} while ($page.skipToken)`},
	{titleSummary, `Invoke-RestMethod -Method Post -Authentication Bearer -Token $token ` + "`" + `
  -Uri "$api/ComplianceSummary/search" -ContentType 'application/json' ` + "`" + `
  -Body (@{ SubscriptionIDList = @($subscription) } | ConvertTo-Json) |
  Select-Object -ExpandProperty searchResults`},
}

var powershellBlocks = append([]CommandBlock{{titleToken, `$api = {api}
$subscription = '<subscription id>'
$token = Read-Host -AsSecureString 'Paste the token'`}}, powershellCalls...)

// Windows PowerShell 5.1 has no -Authentication.
var windowsPowershellBlocks = []CommandBlock{
	{titleToken, `$api = {api}
$subscription = '<subscription id>'
$secure = Read-Host -AsSecureString 'Paste the token'
$token = [System.Net.NetworkCredential]::new('', $secure).Password
$headers = @{ Authorization = "Bearer $token" }`},
	{titleScan, `Invoke-RestMethod -Method Post -Headers $headers ` + "`" + `
  -Uri "$api/adhocscan/RequestScan?api-version=1.0" -ContentType 'application/json' ` + "`" + `
  -Body (@{ SubscriptionIDList = @($subscription) } | ConvertTo-Json)`},
	{titleResults, `$skip = ''
do {
  $page = Invoke-RestMethod -Method Post -Headers $headers ` + "`" + `
    -Uri "$api/adhocscan/subscription/$subscription/ControlScanResult?api-version=1.0$skip" ` + "`" + `
    -ContentType 'application/json' -Body '{}'
  $page.data
  $skip = '&skipToken=' + [uri]::EscapeDataString([string]$page.skipToken)
} while ($page.skipToken)`},
	{titleSummary, `Invoke-RestMethod -Method Post -Headers $headers ` + "`" + `
  -Uri "$api/ComplianceSummary/search" -ContentType 'application/json' ` + "`" + `
  -Body (@{ SubscriptionIDList = @($subscription) } | ConvertTo-Json) |
  Select-Object -ExpandProperty searchResults`},
}

var azureCLIBlocks = []CommandBlock{
	{titleToken, `api={api}
subscription='<subscription id>'
read -rsp 'Paste the token: ' AZTS_TOKEN && echo
# az rest reads its headers from a file, so that the token is in no command line.
headers=$(mktemp) && chmod 600 "$headers" && trap 'rm -f "$headers"' EXIT
printf '{"Authorization": "Bearer %s", "Content-Type": "application/json"}' "$AZTS_TOKEN" > "$headers"`},
	{titleScan, `az rest --method post --skip-authorization-header --headers "@$headers" \
  --uri "$api/adhocscan/RequestScan?api-version=1.0" \
  --body "{\"SubscriptionIDList\": [\"$subscription\"]}"`},
	{titleResults, `az rest --method post --skip-authorization-header --headers "@$headers" \
  --uri "$api/adhocscan/subscription/$subscription/ControlScanResult?api-version=1.0" --body '{}'
# For the next page add &skipToken= and the answer's skipToken to the address.`},
	{titleSummary, `az rest --method post --skip-authorization-header --headers "@$headers" \
  --uri "$api/ComplianceSummary/search" \
  --body "{\"SubscriptionIDList\": [\"$subscription\"]}"`},
}

// curlCalls are the three calls with the token in AZTS_TOKEN. The header comes
// from standard input.
var curlCalls = []CommandBlock{
	{titleScan, `printf 'Authorization: Bearer %s' "$AZTS_TOKEN" |
  curl -sS -X POST "$api/adhocscan/RequestScan?api-version=1.0" \
    -H @- -H 'Content-Type: application/json' -d "{\"SubscriptionIDList\": [\"$subscription\"]}"`},
	{titleResults, `printf 'Authorization: Bearer %s' "$AZTS_TOKEN" |
  curl -sS -X POST "$api/adhocscan/subscription/$subscription/ControlScanResult?api-version=1.0" \
    -H @- -H 'Content-Type: application/json' -d '{}'
# For the next page add &skipToken= and the answer's skipToken, URL-encoded, to the address.`},
	{titleSummary, `printf 'Authorization: Bearer %s' "$AZTS_TOKEN" |
  curl -sS -X POST "$api/ComplianceSummary/search" \
    -H @- -H 'Content-Type: application/json' -d "{\"SubscriptionIDList\": [\"$subscription\"]}"`},
}

var curlBlocks = append([]CommandBlock{{titleToken, `api={api}
subscription='<subscription id>'
read -rsp 'Paste the token: ' AZTS_TOKEN && echo`}}, curlCalls...)

var goBlocks = []CommandBlock{{"A program that does all three and asks for the token: go run azts.go <subscription id>", `package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

const api = {api}

var token string

// call posts a body to AzTS with the token.
func call(path string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, api+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, resp.Status, text)
	}
	return json.Unmarshal(text, answer)
}

func run(subscription string) error {
	subscriptions := map[string]any{"SubscriptionIDList": []string{subscription}}

	// Request a scan.
	var outcomes []map[string]any
	if err := call("/adhocscan/RequestScan?api-version=1.0", subscriptions, &outcomes); err != nil {
		return err
	}
	fmt.Println(outcomes)

	// Read scan results, 100 at a time.
	for skip := ""; ; {
		var page struct {
			Data      []map[string]any
			SkipToken string
		}
		if err := call("/adhocscan/subscription/"+subscription+"/ControlScanResult?api-version=1.0"+skip, struct{}{}, &page); err != nil {
			return err
		}
		for _, result := range page.Data {
			fmt.Println(result["Status"], result["ControlName"], result["ResourceName"])
		}
		if page.SkipToken == "" {
			break
		}
		skip = "&skipToken=" + url.QueryEscape(page.SkipToken)
	}

	// Read the compliance summary.
	var summary struct{ SearchResults []map[string]any }
	if err := call("/ComplianceSummary/search", subscriptions, &summary); err != nil {
		return err
	}
	fmt.Println(summary.SearchResults)
	return nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run azts.go <subscription id>")
		os.Exit(2)
	}
	// Asked for, so that it is in no command line and in no history.
	fmt.Fprint(os.Stderr, "Paste the token: ")
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if token = strings.TrimSpace(line); token == "" {
		fmt.Fprintln(os.Stderr, "no token:", err)
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}`}}

const (
	titleGet    = "Get the token in a browser"
	titleDevice = "Or by device code, where there is no browser"
)

var msalBlocks = append([]CommandBlock{
	{titleGet, `Install-Module -Name MSAL.PS -AllowClobber -Scope CurrentUser -Repository PSGallery # once
$api = {api}
$subscription = '<subscription id>'
# The client id that AzTS administrators hand out: a public client. The portal's own demands a secret (AADSTS7000218).
$client = {client}
$answer = Get-MsalToken -TenantId {tenant} -ClientId $client -RedirectUri 'https://localhost' -Scopes {scope}
$token = ConvertTo-SecureString $answer.AccessToken -AsPlainText -Force`},
	{titleDevice, `# Instead of the last two lines above:
# $answer = Get-MsalToken -DeviceCode -TenantId {tenant} -ClientId $client -Scopes {scope}
# $token = ConvertTo-SecureString $answer.AccessToken -AsPlainText -Force`},
}, powershellCalls...)

var getAzureCLIBlocks = append([]CommandBlock{
	{titleGet, `api={api}
subscription='<subscription id>'
az login --tenant {tenant} --scope {default}
AZTS_TOKEN=$(az account get-access-token --tenant {tenant} --scope {default} --query accessToken --output tsv)`},
	{titleDevice, `# Instead of the first az command above:
# az login --use-device-code --tenant {tenant} --scope {default}`},
}, curlCalls...)

var azPowershellBlocks = append([]CommandBlock{
	{titleGet, `$api = {api}
$subscription = '<subscription id>'
Connect-AzAccount -Tenant {tenant}
# A SecureString since Az 14; an older one gives text, which this turns into one.
$token = (Get-AzAccessToken -ResourceUrl {resource}).Token
if ($token -is [string]) { $token = ConvertTo-SecureString $token -AsPlainText -Force }`},
	{titleDevice, `# Instead of Connect-AzAccount above:
# Connect-AzAccount -UseDeviceAuthentication -Tenant {tenant}
# To see the text of the token: $token | ConvertFrom-SecureString -AsPlainText`},
}, powershellCalls...)

var deviceCodeBlocks = append([]CommandBlock{
	{"Ask for a code", `api={api}
subscription='<subscription id>'
login={login} tenant={tenant} scope={scope}
# The client id that AzTS administrators hand out: a public client. The portal's own demands a secret (AADSTS7000218).
client={client}
answer=$(curl -sS -X POST "$login/$tenant/oauth2/v2.0/devicecode" \
  -d client_id="$client" --data-urlencode "scope=$scope offline_access")
jq -r .message <<< "$answer"`},
	{"Sign in with it on any device, then fetch the token", `interval=$(jq -r .interval <<< "$answer")
while sleep "$interval"; do
  token=$(curl -sS -X POST "$login/$tenant/oauth2/v2.0/token" -d client_id="$client" \
    -d grant_type=urn:ietf:params:oauth:grant-type:device_code --data-urlencode "device_code=$(jq -r .device_code <<< "$answer")")
  case $(jq -r '.error // empty' <<< "$token") in
    authorization_pending) ;;
    slow_down) interval=$((interval + 5)) ;;
    '') break ;;
    *) jq -r .error_description <<< "$token" >&2; exit 1 ;;
  esac
done
AZTS_TOKEN=$(jq -r .access_token <<< "$token")`},
}, curlCalls...)
