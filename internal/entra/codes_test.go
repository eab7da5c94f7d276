package entra

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"azts.internal/portal/internal/apperr"
)

// tableCodes are the numbers of entra.md §2.7 and §2.1, row by row.
var tableCodes = []int{
	16000, 16001, 16002,
	28002, 28003, 70011, 700022, 700023,
	50001, 500011,
	50002, 500021, 500022,
	500212, 500213,
	50005, 50127, 53002,
	50011, 500113, 900971,
	50012, 700027, 700024, 700030,
	50013, 500133, 50027, 50048, 240002,
	50014, 50020, 50034, 51004, 90072,
	50053,
	50055, 50144, 50135,
	50056, 50126,
	50057,
	50058,
	50061, 50068, 50070, 50071,
	50072, 50079, 53004,
	50074, 50076, 50078, 50158,
	50085, 50089, 50132, 50133, 50143,
	50087, 50088, 90006, 90024, 90033, 90055, 90090,
	50097, 50129, 50155, 700003,
	50105, 501051,
	50131, 53011,
	50140, 50199, 9002341,
	50173, 70000, 70008, 700082, 700084, 70043, 70044,
	50059, 50128, 90019, 50194, 9001023, 90124, 90130, 9002332,
	50196,
	53000, 53001, 530003, 530004,
	53003, 530032, 530035,
	54005,
	65001, 65002, 65004,
	65005, 650052, 650056, 650057,
	70001, 7000112, 700011, 700016,
	7000229,
	70002, 7000215, 7000222,
	7000216, 7000218, 700025,
	70003, 70004, 70005, 70007, 50147, 501481, 501491, 700005, 700020,
	70016, 70018, 70019, 70020, 90119, 90120, 50134,
	70021, 700211, 700212, 700213, 700229,
	700051, 700054,
	75011, 50003, 50146,
	20012, 40008,
	80001, 80002, 80003, 80004, 80005, 80006, 80007, 80008, 80009, 80010, 80011, 80012, 80013, 80014,
	81004, 81005, 81006, 81007, 81008, 81009, 81010, 81011, 81012,
	90002, 90038, 900439,
	90008, 90009,
	90014, 900144, 90015, 90023, 9002313, 90056, 900561,
	90093, 90094, 90095,
	9002325, 9002326, 9002327,
	901002,
}

func allNumbers(t *testing.T) []int {
	t.Helper()
	var numbers []int
	for _, table := range []map[int]entry{accountCodes, policyCodes, appCodes, requestCodes, onPremisesCodes} {
		for n := range table {
			if slices.Contains(numbers, n) {
				t.Errorf("%d stands in two tables", n)
			}
			numbers = append(numbers, n)
		}
	}
	return append(numbers, 80006)
}

func TestEveryNumberOfTheContractIsExplained(t *testing.T) {
	for _, n := range tableCodes {
		x, ok := ExplainAADSTS(n)
		if !ok {
			t.Errorf("AADSTS%d has no explanation", n)
		}
		if want := aadstsCode(n); x.Code != want {
			t.Errorf("code %q, want %q", x.Code, want)
		}
	}
	for _, n := range allNumbers(t) {
		if !slices.Contains(tableCodes, n) {
			t.Errorf("AADSTS%d is explained but not in the contract: a slip of the pen?", n)
		}
	}
	for _, n := range []int{-1, 0, 1, 80000, 80015, 81003, 81013, 99999, 999999999} {
		if x, ok := ExplainAADSTS(n); ok || x != (Explanation{}) {
			t.Errorf("AADSTS%d is explained as %q", n, x.Meaning)
		}
	}
}

func TestEveryErrorNameOfTheContractIsExplained(t *testing.T) {
	for _, name := range strings.Fields(`invalid_request unauthorized_client access_denied unsupported_response_type
		invalid_scope server_error temporarily_unavailable invalid_resource login_required interaction_required
		consent_required account_selection_required invalid_grant invalid_client unsupported_grant_type
		authorization_pending slow_down authorization_declined bad_verification_code expired_token
		invalid_token insufficient_scope insufficient_claims user_password_expired permission_denied invalid_tenant`) {
		if x, ok := ExplainOAuth(name); !ok || x.Code != name || x.Error != name {
			t.Errorf("%s: %+v, %v", name, x, ok)
		}
	}
	for _, name := range strings.Fields(`cancel basic_action additional_action message_only consent_required
		user_password_expired bad_token token_expired client_mismatch protection_policy_required device_authentication_failed`) {
		if x, ok := ExplainSuberror(name); !ok || x.Code != name || x.Error == "" {
			t.Errorf("%s: %+v, %v", name, x, ok)
		}
	}
	if _, ok := ExplainOAuth(""); ok {
		t.Error("the empty error is explained")
	}
	if _, ok := ExplainSuberror(""); ok {
		t.Error("the empty suberror is explained")
	}
}

var (
	jargon   = regexp.MustCompile(`(?i)oauth|grant|assertion|scope|endpoint|claim|client|redirect`)
	blame    = regexp.MustCompile(`(?i)please|sorry|oops|invalid|your fault`)
	sentence = regexp.MustCompile(`^[A-Z].*[^.]\.$`)
)

func TestExplanationsAreForPersons(t *testing.T) {
	all := map[string]entry{"provider trouble": providerTrouble, "unknown": unknownError}
	for _, n := range allNumbers(t) {
		all[aadstsCode(n)], _ = lookupAADSTS(n)
	}
	for name, e := range oauthErrors {
		all[name] = e
	}
	for name, e := range suberrors {
		all["suberror "+name] = e
	}
	allowedKinds := []apperr.Kind{apperr.Forbidden, apperr.Expired, apperr.TooMany, apperr.Unavailable}
	for name, e := range all {
		for _, text := range []string{e.meaning, e.next} {
			if !sentence.MatchString(text) {
				t.Errorf("%s: not whole sentences: %q", name, text)
			}
			if found := blame.FindString(text); found != "" {
				t.Errorf("%s: %q in %q", name, found, text)
			}
			if found := jargon.FindString(text); found != "" && e.mender == apperr.MenderPerson {
				t.Errorf("%s: %q in %q", name, found, text)
			}
		}
		if len(e.meaning) > 160 {
			t.Errorf("%s: meaning of %d characters", name, len(e.meaning))
		}
		if strings.Count(e.meaning, ". ") > 0 {
			t.Errorf("%s: more than one sentence: %q", name, e.meaning)
		}
		if strings.Count(e.next, ". ") > 1 {
			t.Errorf("%s: more than two sentences: %q", name, e.next)
		}
		if !slices.Contains(allowedKinds, e.kind) {
			t.Errorf("%s: kind %v", name, e.kind)
		}
		if e.oauth != "" {
			if _, ok := oauthErrors[e.oauth]; !ok {
				t.Errorf("%s: comes with %q, which is no error", name, e.oauth)
			}
		}
		if (e.kind == apperr.Unavailable) != (e.oauth == "server_error" || e.oauth == "temporarily_unavailable") {
			t.Errorf("%s: kind %v with %s", name, e.kind, e.oauth)
		}
		if e.mender == apperr.MenderNobody && !e.retry {
			t.Errorf("%s: nobody mends it and trying again does not help", name)
		}
	}
}

// A grouped row of the contract says one thing for each of its codes.
func TestNumbersHaveMeaningsOfTheirOwn(t *testing.T) {
	seen := map[string]int{}
	for _, n := range allNumbers(t) {
		x, _ := ExplainAADSTS(n)
		if other, ok := seen[x.Meaning]; ok {
			t.Errorf("AADSTS%d and AADSTS%d are both %q", n, other, x.Meaning)
		}
		seen[x.Meaning] = n
	}
}

func TestMeaningsBelongToTheirNumbers(t *testing.T) {
	for n, want := range map[int]string{
		50034: "does not know that account", 50020: "another organization", 50126: "password was wrong",
		50057: "disabled", 50105: "not assigned to this app", 501051: "app that calls is not assigned",
		500113: "no registered address", 900971: "did not say", 7000222: "The app's secret has expired", 7000215: "wrong secret",
		700211: "issuer", 700212: "audience", 700213: "subject", 700084: "one day", 70044: "session",
		53000: "rules", 53001: "domain", 65001: "approved", 65004: "declined", 54005: "used before",
		9002325: "PKCE", 50194: "one organization only", 80012: "time of day", 81007: "not switched on",
	} {
		if x, _ := ExplainAADSTS(n); !strings.Contains(x.Meaning, want) {
			t.Errorf("AADSTS%d: %q does not contain %q", n, x.Meaning, want)
		}
	}
}

func TestWhoMendsWhat(t *testing.T) {
	for n, want := range map[int]struct {
		kind   apperr.Kind
		mender apperr.Mender
		retry  bool
	}{
		50105:   {apperr.Forbidden, apperr.MenderAdmin, false},
		53003:   {apperr.Forbidden, apperr.MenderHelpDesk, false},
		65004:   {apperr.Forbidden, apperr.MenderPerson, true},
		50011:   {apperr.Forbidden, apperr.MenderDeveloper, false},
		7000222: {apperr.Forbidden, apperr.MenderAdmin, false},
		54005:   {apperr.Expired, apperr.MenderPerson, true},
		70008:   {apperr.Expired, apperr.MenderPerson, true},
		90033:   {apperr.Unavailable, apperr.MenderNobody, true},
		50196:   {apperr.TooMany, apperr.MenderDeveloper, false},
		50070:   {apperr.Expired, apperr.MenderPerson, false},
		50013:   {apperr.Forbidden, apperr.MenderDeveloper, false},
		500133:  {apperr.Forbidden, apperr.MenderDeveloper, false},
		50014:   {apperr.Forbidden, apperr.MenderAdmin, false},
		65005:   {apperr.Forbidden, apperr.MenderAdmin, false},
		70001:   {apperr.Forbidden, apperr.MenderAdmin, false},
		7000215: {apperr.Forbidden, apperr.MenderAdmin, false},
		900971:  {apperr.Forbidden, apperr.MenderDeveloper, false},
		90038:   {apperr.Forbidden, apperr.MenderDeveloper, false},
		900439:  {apperr.Forbidden, apperr.MenderDeveloper, false},
	} {
		e, _ := lookupAADSTS(n)
		x, _ := ExplainAADSTS(n)
		if e.kind != want.kind || x.Mender != want.mender || x.Retry != want.retry {
			t.Errorf("AADSTS%d: %v, %v, retry %v; want %+v", n, e.kind, x.Mender, x.Retry, want)
		}
	}
}
