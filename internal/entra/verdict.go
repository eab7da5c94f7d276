package entra

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Outcome is what one check of a token came to.
type Outcome uint8

// The outcomes of checks.
const (
	Unsure Outcome = iota // only the API itself can tell
	Pass
	Fail
)

// Check is one thing that AzTS looks at in a token.
type Check struct {
	Name    string // in two or three words
	Outcome Outcome
	Text    string // why, in one or two sentences
}

// TokenClaims are the claims of an access token by which an API judges it
// (entra.md §3.3), of version 1.0 or 2.0. Nothing in them was verified.
type TokenClaims struct {
	Audience  []string
	Issuer    string
	TenantID  string
	Scopes    []string // scp
	Roles     []string
	App       string // appid, or azp
	Version   string
	AppOnly   bool // it speaks for an application, not for a person
	Expiry    time.Time
	NotBefore time.Time
}

// ReadClaims reads the claims of a token in compact form. It fails for a token
// that is not a JWT, which an API may well accept: a token belongs to its API
// (RFC 6749 §1.4).
func ReadClaims(raw string) (TokenClaims, error) {
	d, err := Decode(raw)
	if err != nil {
		return TokenClaims{}, err
	}
	payload := gjson.Parse(d.Payload)
	text := func(name string) string { // of another type: as if it were not there
		if v := payload.Get(name); v.Type == gjson.String {
			return v.Str
		}
		return ""
	}
	c := TokenClaims{Audience: texts(payload.Get("aud")), Issuer: text("iss"), TenantID: text("tid"), Scopes: strings.Fields(text("scp")),
		Roles: texts(payload.Get("roles")), App: text("appid"), Version: text("ver"), Expiry: timeOf("exp", payload.Get("exp")), NotBefore: timeOf("nbf", payload.Get("nbf"))}
	if c.App == "" {
		c.App = text("azp")
	}
	// Without idtyp, which the API must have asked for, only the subject tells
	// an application from a person (entra.md §3.3).
	c.AppOnly = text("idtyp") == "app" || len(c.Scopes) == 0 && text("oid") != "" && text("oid") == text("sub")
	return c, nil
}

// texts returns the texts of a list, or of the one text that stands for a list.
func texts(v gjson.Result) []string {
	var out []string
	for _, item := range v.Array() {
		if item.Type == gjson.String {
			out = append(out, item.Str)
		}
	}
	return out
}

// Expectation is what AzTS wants of a token in this installation.
type Expectation struct {
	Scope    string // delegated scope of AzTS by its full name
	TenantID string // where AzTS lives; "" when it is not known
	ClientID string // of this portal
	// Resources name the APIs of tokens that are for somebody else.
	Resources Catalogue
	Now       time.Time
}

// Applications that people get tokens with, whatever their tenant (the table
// at the top of entra.md).
const (
	AzureCLI        = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
	AzurePowerShell = "1950a258-227b-4e31-a9cf-717495945fc2"
)

// AzTSVerdict says check by check whether AzTS would take a token: audience,
// tenant, permission, time, calling application, version. The signature is not
// among them: only the API checks it. A token for another API fails at the
// audience, whatever else it has.
func AzTSVerdict(c TokenClaims, want Expectation) []Check {
	return []Check{checkAudience(c, want), checkTenant(c, want), checkPermission(c, want), checkTime(c, want), checkCaller(c, want), checkVersion(c)}
}

// VerdictOf sums checks up: Fail if one failed, Pass if nothing that decides is
// left open, and the sentence for people. The calling application is left to
// AzTS, which has the list.
func VerdictOf(checks []Check) (Outcome, string) {
	for _, check := range checks {
		if check.Outcome == Fail {
			return Fail, "No: " + lowerFirst(check.Text)
		}
	}
	if slices.ContainsFunc(checks, func(c Check) bool { return c.Outcome == Unsure }) {
		return Unsure, "Probably: nothing speaks against it, but not everything can be told from here."
	}
	return Pass, "Yes: the token has what AzTS asks for. Whether you have a role on a subscription, only AzTS can say."
}

// lowerFirst makes the start of a sentence its middle; names stay as they are.
func lowerFirst(s string) string {
	for _, word := range []string{"The ", "It "} {
		if strings.HasPrefix(s, word) {
			return strings.ToLower(s[:1]) + s[1:]
		}
	}
	return s
}

func checkAudience(c TokenClaims, want Expectation) Check {
	uri := ResourceOf(want.Scope)
	id := strings.TrimPrefix(uri, "api://") // the client id, in the usual form of an App ID URI
	check := Check{Name: "Audience"}
	for _, aud := range c.Audience {
		if plain := strings.TrimRight(aud, "/"); strings.EqualFold(plain, uri) || IsGUID(id) && strings.EqualFold(plain, id) {
			check.Outcome, check.Text = Pass, "The token is for AzTS."
			return check
		}
	}
	switch {
	case len(c.Audience) == 0:
		check.Outcome, check.Text = Fail, "The token does not say which API it is for."
	case len(c.Audience) == 1 && IsGUID(c.Audience[0]) && !IsGUID(id) && want.Resources.byAudience(c.Audience[0]) == "":
		check.Text = "The token names its API by a client id. The portal knows AzTS by its App ID URI only, so it cannot compare."
	default:
		name := want.Resources.byAudience(c.Audience[0])
		if name == "" {
			name = "another API"
		}
		check.Outcome, check.Text = Fail, "The token is for "+name+", not for AzTS. An API takes only tokens that name it as their audience."
	}
	return check
}

// wellKnown are APIs that tokens of version 2.0 name by their client id.
var wellKnown = map[string]string{
	"00000003-0000-0000-c000-000000000000": "Microsoft Graph",
	"797f4846-ba00-4fd7-ba43-dac1f8f63013": "Azure Resource Manager",
	"cfa8b339-82a2-471a-a3c9-0fc0be7a4093": "Azure Key Vault",
}

// byAudience returns the name of the API that an audience names, "" for one
// that is not known.
func (c Catalogue) byAudience(aud string) string {
	if r, ok := c.Find(aud); ok {
		return r.Name
	}
	if r, ok := c.Find("api://" + aud); ok {
		return r.Name
	}
	return wellKnown[strings.ToLower(aud)]
}

func checkTenant(c TokenClaims, want Expectation) Check {
	check := Check{Name: "Tenant"}
	switch {
	case want.TenantID == "":
		check.Text = "The portal does not know in which tenant AzTS is."
	case c.TenantID == "":
		check.Outcome, check.Text = Fail, "The token names no tenant."
	case !strings.EqualFold(c.TenantID, want.TenantID):
		check.Outcome, check.Text = Fail, "The token comes from another tenant than AzTS. Get one at the tenant of AzTS, by its id."
	case !slices.Contains(strings.Split(strings.ToLower(c.Issuer), "/"), strings.ToLower(want.TenantID)):
		check.Outcome, check.Text = Fail, "The token's issuer is not the tenant that the token names."
	default:
		check.Outcome, check.Text = Pass, "The token comes from the tenant of AzTS."
	}
	return check
}

func checkPermission(c TokenClaims, want Expectation) Check {
	name := ScopeName(want.Scope)
	has := slices.ContainsFunc(c.Scopes, func(s string) bool { return strings.EqualFold(s, name) })
	switch {
	case c.AppOnly && len(c.Roles) > 0:
		return Check{"Permission (roles)", Pass, "The token speaks for an application and carries a role."}
	case c.AppOnly:
		return Check{"Permission (roles)", Fail, "The token speaks for an application, but carries no role: it says who asks and gives no right to."}
	case has:
		return Check{"Permission (scp)", Pass, "The token speaks for a person and carries the scope " + name + "."}
	case len(c.Scopes) == 0 && len(c.Roles) == 0:
		return Check{"Permission (scp)", Fail, "The token carries neither a scope nor a role, so it allows nothing."}
	case len(c.Scopes) == 0:
		return Check{"Permission (roles)", Pass, "The token carries a role."}
	}
	return Check{"Permission (scp)", Fail, "The token does not carry the scope " + name + "."}
}

func checkTime(c TokenClaims, want Expectation) Check {
	check := Check{Name: "Time"}
	left := c.Expiry.Sub(want.Now)
	switch {
	case c.Expiry.IsZero():
		check.Outcome, check.Text = Fail, "The token does not say when it expires."
	case left <= 0:
		check.Outcome, check.Text = Fail, "The token has expired. Renew it."
	case !c.NotBefore.IsZero() && c.NotBefore.After(want.Now.Add(skew)):
		check.Outcome, check.Text = Fail, "The token is not valid yet: its clock is ahead of ours."
	case left < time.Minute:
		check.Outcome, check.Text = Pass, "The token is valid for less than a minute more."
	default:
		check.Outcome, check.Text = Pass, fmt.Sprintf("The token is valid for %d more minutes.", int(left/time.Minute))
		if left < 2*time.Minute {
			check.Text = "The token is valid for one more minute."
		}
	}
	return check
}

func checkCaller(c TokenClaims, want Expectation) Check {
	check := Check{Name: "Calling application"}
	const listed = " AzTS takes it if its administrator has listed it under Authorized client applications."
	switch {
	case c.App == "":
		check.Outcome, check.Text = Fail, "The token does not name the application that asked for it."
	case want.ClientID != "" && strings.EqualFold(c.App, want.ClientID):
		check.Outcome, check.Text = Pass, "It was asked for by this portal, with the consent that was given to it."
	case strings.EqualFold(c.App, AzureCLI):
		check.Text = "It was asked for with Azure CLI." + listed
	case strings.EqualFold(c.App, AzurePowerShell):
		check.Text = "It was asked for with Azure PowerShell." + listed
	default:
		check.Text = "It was asked for by an application that this portal does not know." + listed
	}
	return check
}

func checkVersion(c TokenClaims) Check {
	check := Check{Name: "Version"}
	switch c.Version {
	case "1.0":
		check.Outcome, check.Text = Pass, "Version 1.0, though the sign-in has version 2.0. That is normal: the API's own setting decides."
	case "2.0":
		check.Outcome, check.Text = Pass, "Version 2.0."
	default:
		check.Text = "The token does not say a version that Entra uses."
	}
	return check
}
