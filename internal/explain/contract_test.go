package explain

import (
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
)

// documented are the errors of entra.md, by section. An en dash is a range.
var documented = map[string]string{
	"§2.1": "901002",
	"§2.7": `16000 16001 16002 28002 28003 70011 700022 700023 50001 500011 50002 500021 500022 500212 500213 50005 50127 53002
		50011 500113 900971 50012 700027 700024 700030 50013 500133 50027 50048 240002 50014 50020 50034 51004 90072 50053 50055 50144 50135
		50056 50126 50057 50058 50061 50068 50070 50071 50072 50079 53004 50074 50076 50078 50158 50085 50089 50132 50133 50143
		50087 50088 90006 90024 90033 90055 90090 50097 50129 50155 700003 50105 501051 50131 53011 50140 50199 9002341
		50173 70000 70008 700082 700084 70043 70044 50059 50128 90019 50194 9001023 90124 90130 9002332 50196 53000 53001 530003 530004
		53003 530032 530035 54005 65001 65002 65004 65005 650052 650056 650057 70001 7000112 700011 700016 7000229 70002 7000215 7000222
		7000216 7000218 700025 70003 70004 70005 70007 50147 501481 501491 700005 700020 70016 70018 70019 70020 90119 90120 50134
		70021 700211 700212 700213 700229 700051 700054 75011 50003 50146 20012 40008 80001–80014 81004–81012 90002 90038 900439
		90008 90009 90014 900144 90015 90023 9002313 90056 900561 90093 90094 90095 9002325 9002326 9002327`,
	"§2.5, §2.6, §1.3, §7.1": `invalid_request unsupported_response_type unauthorized_client access_denied server_error temporarily_unavailable invalid_resource
		login_required interaction_required consent_required invalid_grant invalid_client unsupported_grant_type invalid_scope
		user_password_expired invalid_tenant permission_denied`,
	"§4.6":       "authorization_pending slow_down authorization_declined bad_verification_code expired_token",
	"§6.1":       "invalid_request invalid_token insufficient_scope insufficient_claims",
	"§7.5, §8":   "InvalidAuthenticationToken Authorization_RequestDenied Request_ResourceNotFound ExpiredAuthenticationToken InvalidAuthenticationTokenTenant AuthenticationFailed AuthorizationFailed SubscriptionNotFound",
	"subcodes":   "cancel basic_action additional_action message_only consent_required user_password_expired bad_token token_expired client_mismatch protection_policy_required device_authentication_failed",
	"§9.1":       "invalid_resource bad_request_102 invalid_request unknown_source unauthorized_client access_denied unsupported_response_type invalid_scope unknown",
	"§9.1 bare":  "404 410 429 500 timeout",
	"§10, plain": "Too_Many_Requests",
}

// asSent puts an error as it comes, by section.
func asSent(section, code string) (text, table string) {
	switch section {
	case "§6.1":
		if code != "invalid_request" {
			return `WWW-Authenticate: Bearer realm="", error="` + code + `"`, entra.TableOAuth
		}
		return `WWW-Authenticate: Bearer realm="", error="` + code + `"`, entra.TableBearer
	case "§7.5, §8":
		return `{"error":{"code":"` + code + `","message":"No."}}`, ""
	case "subcodes":
		return `{"error":"interaction_required","suberror":"` + code + `"}`, entra.TableSubcodes
	case "§9.1":
		return `IMDS: 400 {"error":"` + code + `"}`, entra.TableMachine
	case "§9.1 bare":
		return "IMDS " + strings.Replace(code, "timeout", "timed out", 1), entra.TableMachine
	case "§10, plain":
		return "Too Many Requests", entra.TablePlain
	case "§2.1", "§2.7":
		return `{"error":"invalid_request","error_codes":[` + code + `]}`, ""
	}
	return `{"error":"` + code + `"}`, entra.TableOAuth
}

// TestWhatIsDocumentedIsExplained: every error of the contract is found first, as it
// is sent, with its own words and no other's.
func TestWhatIsDocumentedIsExplained(t *testing.T) {
	for section, list := range documented {
		for _, one := range strings.Fields(list) {
			from, to, ranged := strings.Cut(one, "–")
			all := []string{from}
			if ranged {
				n, _ := strconv.Atoi(from)
				end, _ := strconv.Atoi(to)
				for n++; n <= end; n++ {
					all = append(all, strconv.Itoa(n))
				}
			}
			for _, code := range all {
				text, table := asSent(section, code)
				want := strings.ReplaceAll(code, "_Many_", " Many ")
				if section == "§2.1" || section == "§2.7" {
					want = "AADSTS" + code
				}
				r := Read(text, rand.Reader)
				if len(r.Entries) == 0 || r.Entries[0].Code != want || table != "" && r.Entries[0].Table != table || r.ByWords {
					t.Errorf("%s, %s: %q is %v", section, code, text, codes(r))
				}
				if table != entra.TableOAuth && slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.Table == entra.TableOAuth }) {
					t.Errorf("%s, %s: the general error is explained beside it", section, code)
				}
				if section != "§9.1 bare" && section != "§10, plain" && len(ByCode(want)) == 0 {
					t.Errorf("%s, %s is not found by its code", section, code)
				}
			}
		}
	}
}

// TestWhoMendsWhatIsDocumented: the last column of the contract's tables, where one
// would think of somebody else.
func TestWhoMendsWhatIsDocumented(t *testing.T) {
	for _, c := range []struct {
		section, code string
		mender        apperr.Mender
		next          string
	}{
		{"§7.5, §8", "ExpiredAuthenticationToken", apperr.MenderPerson, "Sign in again"},
		{"§7.5, §8", "InvalidAuthenticationTokenTenant", apperr.MenderDeveloper, "subscription's own tenant"},
		{"§7.5, §8", "AuthenticationFailed", apperr.MenderPerson, "Sign in again"},
		{"§7.5, §8", "AuthorizationFailed", apperr.MenderAdmin, "for a role"},
		{"§7.5, §8", "SubscriptionNotFound", apperr.MenderPerson, "Check the id"},
		{"§6.1", "invalid_request", apperr.MenderDeveloper, "the call itself is wrong"},
		{"§4.6", "bad_verification_code", apperr.MenderDeveloper, "another code than it was given"},
		{"§9.1 bare", "timeout", apperr.MenderNobody, "2, 6, 14, 30 and 60 seconds"},
		{"§9.1 bare", "500", apperr.MenderNobody, "switched on"},
		{"§9.1", "unknown", apperr.MenderNobody, "switched on"},
		{"§10, plain", "Too Many Requests", apperr.MenderNobody, "Wait 60 seconds"},
		{"§2.7", "65005", apperr.MenderAdmin, "add the service to its API permissions"},
		{"§2.7", "650057", apperr.MenderAdmin, "add the service to its API permissions"},
		{"§2.7", "7000215", apperr.MenderAdmin, "not its id, URL-encoded"},
		{"§2.7", "7000222", apperr.MenderAdmin, "valid credential"},
		{"§2.7", "700027", apperr.MenderAdmin, "valid credential"},
		{"§2.7", "900971", apperr.MenderDeveloper, "has to name its redirect address"},
		{"§2.7", "70001", apperr.MenderAdmin, "install or enable"},
		{"§2.7", "90038", apperr.MenderDeveloper, "right cloud"},
		{"§2.7", "900439", apperr.MenderDeveloper, "right cloud"},
		{"§2.7", "500133", apperr.MenderDeveloper, "fresh access token"},
		{"§2.7", "50013", apperr.MenderDeveloper, "fresh access token"},
		{"§2.7", "50014", apperr.MenderAdmin, "invite"},
	} {
		text, _ := asSent(c.section, c.code)
		if r := Read(text, rand.Reader); len(r.Entries) == 0 || r.Entries[0].Mender != c.mender || !strings.Contains(r.Entries[0].Next, c.next) {
			t.Errorf("%s: %+v", c.code, r.Entries)
		}
	}
}
