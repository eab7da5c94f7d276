package templates

import (
	"net/url"
	"strconv"
	"strings"
)

// Addresses without a parameter. Those that change something take POST only.
const (
	HomeURL        = "/"
	LoginPath      = "/auth/login"
	LogoutURL      = "/auth/logout" // POST
	SignedOutURL   = "/auth/signed-out"
	AccountURL     = "/account"
	SessionsURL    = "/account/sessions"
	ThemeURL       = "/account/theme"        // POST theme, return_to
	EndSessionURL  = "/account/sessions/end" // POST id
	TokensURL      = "/tokens"               // GET; POST requests a token
	TokenRevealURL = "/tokens/reveal"        // POST id, use; JSON when asked for
	TokenRenewURL  = "/tokens/renew"         // POST id
	TokenForgetURL = "/tokens/forget"        // POST id
	TokenCheckURL  = "/tokens/check"         // POST id; asks AzTS
	HistoryURL     = "/tokens/history"       // GET
	AppTokensURL   = "/tokens/app"           // GET; POST requests one
	AppIdentityURL = "/tokens/app/identity"  // POST resource; admins
	AppRevealURL   = "/tokens/app/reveal"    // POST id, use; JSON when asked for
	AppForgetURL   = "/tokens/app/forget"    // POST id
	InspectURL     = "/tokens/inspect"       // GET; POST without a script
	InspectKeysURL = "/tokens/inspect/keys"  // GET issuer, tenant, kid; JSON
	AccessURL      = "/access"               // GET
	AdminURL       = "/admin/consent"        // GET; where the admin's pages begin
	ScansURL       = "/scans"                // GET; POST starts a scan
	EventsURL      = "/events"               // GET, text/event-stream
	SessionURL     = "/session"              // GET, JSON
)

// LoginOptions are the parameters of /auth/login; empty ones are left out.
type LoginOptions struct {
	ReturnTo  string // path and query to open afterwards
	Prompt    string // login, select_account, consent or none
	LoginHint string // account to offer
}

// URL returns the address that starts a sign-in.
func (o LoginOptions) URL() string {
	var b strings.Builder
	b.WriteString(LoginPath)
	sep := byte('?')
	add := func(name, value string) {
		if value != "" {
			b.WriteByte(sep)
			b.WriteString(name + "=" + url.QueryEscape(value))
			sep = '&'
		}
	}
	if o.ReturnTo != HomeURL {
		add("return_to", o.ReturnTo)
	}
	add("prompt", o.Prompt)
	add("login_hint", o.LoginHint)
	return b.String()
}

// LoginURL returns the address that signs in and then opens returnTo, a path
// of ours with its query.
func LoginURL(returnTo string) string { return LoginOptions{ReturnTo: returnTo}.URL() }

// OtherAccountURL is [LoginURL] with the account picker first.
func OtherAccountURL(returnTo string) string {
	return LoginOptions{ReturnTo: returnTo, Prompt: "select_account"}.URL()
}

// TokenQuery is what somebody asks a token for; empty fields are left out.
type TokenQuery struct {
	Got      string   // id of the token that a visit was for
	Resource string   // App ID URI
	Scopes   []string // full names
	Purpose  string
}

// URL returns the address of the tokens page with the form filled in.
func (q TokenQuery) URL() string {
	v := url.Values{}
	for name, value := range map[string]string{"got": q.Got, "resource": q.Resource, "purpose": q.Purpose} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for _, scope := range q.Scopes {
		v.Add("scope", scope)
	}
	if len(v) == 0 {
		return TokensURL
	}
	return TokensURL + "?" + v.Encode()
}

// TokenURL returns the address of one of the tokens on the tokens page.
func TokenURL(id string) string { return TokensURL + "#" + id }

// CommandsURL returns the address of a file with commands.
func CommandsURL(file string) string { return TokensURL + "/commands/" + url.PathEscape(file) }

// HistoryPageURL returns the address of one page of the history of tokens.
func HistoryPageURL(page int) string { return listURL(HistoryURL, "", page) }

// ScanURL returns the address of one scan.
func ScanURL(id string) string { return ScansURL + "/" + url.PathEscape(id) }

// ResultsQuery chooses what a results page shows; zero values are left out.
type ResultsQuery struct {
	Scan string // id of a scan of ours
	Skip string // AzTS's skipToken, opaque (azts.md)
	Page int    // number of the page for display, from 1
}

func (q ResultsQuery) encode() string {
	v := url.Values{}
	if q.Scan != "" {
		v.Set("scan", q.Scan)
	}
	if q.Skip != "" {
		v.Set("skip", q.Skip)
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// SubscriptionResultsURL returns the address of a subscription's results.
func SubscriptionResultsURL(subscription string, q ResultsQuery) string {
	return "/subscriptions/" + url.PathEscape(subscription) + "/results" + q.encode()
}

// SubscriptionResultsCSVURL returns the address of the same results as CSV.
func SubscriptionResultsCSVURL(subscription string, q ResultsQuery) string {
	return "/subscriptions/" + url.PathEscape(subscription) + "/results.csv" + q.encode()
}

// OverviewPageURL returns the address of one page of the overview's table.
func OverviewPageURL(page int) string { return listURL(HomeURL, "", page) }

func listURL(path, query string, page int) string {
	v := url.Values{}
	if query != "" {
		v.Set("q", query)
	}
	if page > 1 {
		v.Set("page", strconv.Itoa(page))
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}
