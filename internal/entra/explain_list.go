package entra

import (
	"maps"
	"slices"
	"strings"
)

// Origin says where an error is first seen, in words.
type Origin string

// Where errors come from.
const (
	OriginPage      Origin = "the sign-in page itself: no application hears of it"
	OriginAuthorize Origin = "the authorization endpoint, by the browser"
	OriginToken     Origin = "the token endpoint"
	OriginBoth      Origin = "the authorization or the token endpoint"
	OriginDevice    Origin = "the device sign-in"
	OriginSignOut   Origin = "the sign-out"
	OriginAPI       Origin = "an API, in WWW-Authenticate or its error answer"
	OriginMachine   Origin = "a machine's own token endpoint (managed identity, IMDS)"
)

// ErrorTable is a group of errors that belong together.
type ErrorTable struct {
	Title string
	Rows  []Explanation
}

// The titles of the general errors, beside which anything else in an answer is more
// telling, and of those that have no name.
const (
	TableOAuth = "OAuth and OpenID Connect: the member error"
	TablePlain = "The token endpoint, in plain text"
)

// The titles of the tables whose codes are also codes of another.
const (
	TableSubcodes = "Subcodes: error_subcode and suberror"
	TableMachine  = "Managed identity (IMDS)"
	TableBearer   = "APIs: WWW-Authenticate (RFC 6750)"
)

// ErrorTables returns every error that this package explains, in groups.
func ErrorTables() []ErrorTable {
	tables := []ErrorTable{
		numberTable("Account, password, second step and session", accountCodes),
		numberTable("Rules of the organization: network, device, Conditional Access, approval", policyCodes),
		numberTable("Applications, services and their credentials", appCodes),
		numberTable("Requests, and faults of the platform", requestCodes),
		numberTable("The organization's own sign-in services, and SAML", onPremisesCodes),
		nameTable(TableOAuth, oauthErrors, nameOrigin),
		nameTable(TableSubcodes, suberrors, func(name string) Origin {
			if name == "cancel" {
				return OriginAuthorize
			}
			return OriginToken
		}),
		nameTable(TableMachine, machineErrors, func(string) Origin { return OriginMachine }),
		nameTable("Microsoft Graph and Azure", apiErrors, func(string) Origin { return OriginAPI }),
		nameTable(TableBearer, bearerErrors, func(string) Origin { return OriginAPI }),
		nameTable(TablePlain, plainErrors, func(string) Origin { return OriginToken }),
	}
	// Numbers of a range with one text for all.
	rest := &tables[4]
	for n := 80001; n <= 81012; n++ {
		if _, own := onPremisesCodes[n]; !own {
			if x, ok := ExplainAADSTS(n); ok {
				rest.Rows = append(rest.Rows, x)
			}
		}
	}
	return tables
}

func numberTable(title string, table map[int]entry) ErrorTable {
	t := ErrorTable{Title: title}
	for _, n := range slices.Sorted(maps.Keys(table)) {
		x, _ := ExplainAADSTS(n)
		t.Rows = append(t.Rows, x)
	}
	return t
}

func nameTable(title string, table map[string]entry, origin func(string) Origin) ErrorTable {
	t := ErrorTable{Title: title}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		x := table[name].explanation(name)
		x.Origin = origin(name)
		t.Rows = append(t.Rows, x)
	}
	return t
}

// numberOrigin tells where an AADSTS number is first seen: by the error that it
// comes with (entra.md §2.7), but for those of a flow of their own.
func numberOrigin(number int, oauth string) Origin {
	switch number {
	case 70016, 70018, 70019, 70020, 90119, 90120, 50134:
		return OriginDevice
	case 50061, 50068, 50070, 50071:
		return OriginSignOut
	}
	if oauth == ownPage {
		return OriginPage
	}
	return nameOrigin(oauth)
}

// nameOrigin tells which endpoint answers with an error.
func nameOrigin(name string) Origin {
	switch name {
	case oauthDenied, "unsupported_response_type", "account_selection_required", "permission_denied", "unmet_authentication_requirements":
		return OriginAuthorize
	case oauthGrant, oauthClient, "unsupported_grant_type", "user_password_expired", "invalid_target":
		return OriginToken
	case "authorization_pending", "slow_down", "authorization_declined", "bad_verification_code", "expired_token":
		return OriginDevice
	case "invalid_token", "insufficient_scope", "insufficient_claims", "insufficient_user_authentication":
		return OriginAPI
	}
	if strings.HasSuffix(name, "_not_supported") || strings.HasPrefix(name, "invalid_request_") {
		return OriginAuthorize
	}
	return OriginBoth
}
