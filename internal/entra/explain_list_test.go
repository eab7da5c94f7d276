package entra

import (
	"slices"
	"strings"
	"testing"
)

// TestTheTablesHaveEveryDocumentedError compares what the desk lists with the
// lists of entra.md §2.5, §2.6, §2.7, §4.6, §5, §6.1, §7.5, §8, §9.1 and §10.
func TestTheTablesHaveEveryDocumentedError(t *testing.T) {
	listed := map[string][]Origin{}
	for _, table := range ErrorTables() {
		for i, x := range table.Rows {
			if x.Meaning == "" || x.Next == "" || x.Origin == "" {
				t.Errorf("%s: %+v says too little", table.Title, x)
			}
			if slices.ContainsFunc(table.Rows[:i], func(o Explanation) bool { return o.Code == x.Code }) {
				t.Errorf("%s stands twice in %q", x.Code, table.Title)
			}
			listed[x.Code] = append(listed[x.Code], x.Origin)
		}
	}
	for _, n := range tableCodes {
		if len(listed[aadstsCode(n)]) != 1 {
			t.Errorf("AADSTS%d stands %d times", n, len(listed[aadstsCode(n)]))
		}
	}
	if !slices.Contains(listed["Too Many Requests"], OriginToken) {
		t.Error("what the token endpoint says in plain text is missing")
	}
	for origin, names := range map[Origin]string{
		OriginBoth: `invalid_request unauthorized_client server_error temporarily_unavailable invalid_resource login_required
			interaction_required consent_required invalid_scope`,
		OriginAuthorize: "unsupported_response_type access_denied cancel",
		OriginToken: `invalid_grant invalid_client unsupported_grant_type user_password_expired basic_action additional_action message_only
			bad_token token_expired client_mismatch protection_policy_required device_authentication_failed`,
		OriginDevice:  "authorization_pending slow_down authorization_declined bad_verification_code expired_token AADSTS70016 AADSTS70018 AADSTS70020",
		OriginSignOut: "AADSTS50061 AADSTS50068 AADSTS50070 AADSTS50071",
		OriginAPI: `invalid_request invalid_token insufficient_scope insufficient_claims InvalidAuthenticationToken Authorization_RequestDenied
			Request_ResourceNotFound ExpiredAuthenticationToken InvalidAuthenticationTokenTenant AuthenticationFailed AuthorizationFailed SubscriptionNotFound`,
		OriginMachine: `invalid_resource bad_request_102 invalid_request unknown_source unauthorized_client access_denied
			unsupported_response_type invalid_scope 404 410 429 500 unknown timeout`,
		OriginPage: "AADSTS50011 AADSTS50105 AADSTS50020 AADSTS53000 AADSTS53003",
	} {
		for _, name := range strings.Fields(names) {
			if !slices.Contains(listed[name], origin) {
				t.Errorf("%s comes from %q, and not from %q", name, listed[name], origin)
			}
		}
	}
}

// TestMachinesAndAPIsAreExplainedInSentences holds the tables for machines to what
// the others are held to, but for the words of the trade.
func TestMachinesAndAPIsAreExplainedInSentences(t *testing.T) {
	for _, table := range []map[string]entry{machineErrors, apiErrors, bearerErrors, plainErrors} {
		for name, e := range table {
			for _, text := range []string{e.meaning, e.next} {
				if !sentence.MatchString(text) || blame.MatchString(text) {
					t.Errorf("%s: %q", name, text)
				}
			}
			if len(e.meaning) > 160 {
				t.Errorf("%s: meaning of %d characters", name, len(e.meaning))
			}
			if _, ok := oauthErrors[e.oauth]; !ok {
				t.Errorf("%s comes with %q, which is no error", name, e.oauth)
			}
		}
	}
}
