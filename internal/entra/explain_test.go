package entra

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"azts.internal/portal/internal/apperr"
)

const (
	someTrace       = "11d7a0c4-5e26-4b19-8f03-9c6d2e71b500"
	someCorrelation = "9ab2f6e0-73d1-4c58-a4be-0d15c8f27e61"
)

func TestAADSTSNumbers(t *testing.T) {
	long := strings.Repeat("x", maxScan)
	for name, c := range map[string]struct {
		description string
		want        []int
	}{
		"none":                 {"The user backed out.", nil},
		"empty":                {"", nil},
		"one":                  {"AADSTS70008: The code is too old.\r\nTrace ID: " + someTrace, []int{70008}},
		"chained":              {"AADSTS70002: Error. AADSTS70008: Too old.", []int{70002, 70008}},
		"repeated":             {"AADSTS50076 (AADSTS50076), AADSTS50079", []int{50076, 50079}},
		"at both ends":         {"AADSTS16000 AADSTS9002313", []int{16000, 9002313}},
		"adjacent":             {"AADSTS50076AADSTS50079", nil},
		"after a line break":   {"\nAADSTS50011\n", []int{50011}},
		"too many digits":      {"AADSTS999999999999999999", nil},
		"digits of one number": {"AADSTS9999999999 AADSTS999999999", []int{999999999}},
		"no digits":            {"AADSTS: AADSTSx AADSTS", nil},
		"too few digits":       {"AADSTS1 AADSTS123", nil},
		"zero":                 {"AADSTS00000", nil},
		"negative":             {"AADSTS-50011", nil},
		"a part of a word":     {"xAADSTS50011 AADSTS50011x AADSTS50011_", nil},
		"other digits":         {"AADSTS٥٠٠١١", nil},
		"lower case":           {"aadsts50011", nil},
		"NUL":                  {"AADSTS50011\x00AADSTS50020", []int{50011, 50020}},
		"more than eight": {"AADSTS10001 AADSTS10002 AADSTS10003 AADSTS10004 AADSTS10005 AADSTS10006 AADSTS10007 AADSTS10008 AADSTS10009",
			[]int{10001, 10002, 10003, 10004, 10005, 10006, 10007, 10008}},
		"behind the limit": {long + " AADSTS50011", nil},
	} {
		if got := AADSTSNumbers(c.description); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestParseErrorPicksTheMostSpecificExplanation(t *testing.T) {
	for name, c := range map[string]struct {
		answer  ProviderError
		code    string
		kind    apperr.Kind
		message string // of this entry
	}{
		"number in the description": {ProviderError{OAuthError: "invalid_grant", Description: "AADSTS54005: redeemed", Subcode: "bad_token"},
			"AADSTS54005", apperr.Expired, accountCodes[54005].meaning},
		"v1 chain": {ProviderError{OAuthError: "invalid_grant", Description: "AADSTS70002: Error. AADSTS70008: Old.", Codes: []int{70002, 70008}},
			"AADSTS70008", apperr.Expired, accountCodes[70008].meaning},
		"v1 wrapper alone": {ProviderError{OAuthError: "invalid_client", Description: "AADSTS70002: Error validating credentials."},
			"AADSTS70002", apperr.Forbidden, appCodes[70002].meaning},
		"v1 wrapper and a number we do not know": {ProviderError{OAuthError: "invalid_client", Description: "AADSTS70002: Error. AADSTS99999: Odd."},
			"AADSTS70002", apperr.Forbidden, appCodes[70002].meaning},
		"first known of several": {ProviderError{OAuthError: "access_denied", Description: "AADSTS99999 AADSTS50105 AADSTS53003"},
			"AADSTS50105", apperr.Forbidden, policyCodes[50105].meaning},
		"number in error_codes only": {ProviderError{OAuthError: "interaction_required", Description: "no number", Codes: []int{50076}},
			"AADSTS50076", apperr.Forbidden, accountCodes[50076].meaning},
		"number in error_uri only": {ProviderError{OAuthError: "access_denied", URI: "https://login.microsoftonline.com/error?code=65004"},
			"AADSTS65004", apperr.Forbidden, policyCodes[65004].meaning},
		"subcode before error": {ProviderError{OAuthError: "access_denied", Subcode: "cancel"},
			"cancel", apperr.Forbidden, suberrors["cancel"].meaning},
		"subcode with a number we do not know": {ProviderError{OAuthError: "access_denied", Subcode: "cancel", Description: "AADSTS99999"},
			"AADSTS99999", apperr.Forbidden, suberrors["cancel"].meaning},
		"error alone": {ProviderError{OAuthError: "consent_required"},
			"consent_required", apperr.Forbidden, oauthErrors["consent_required"].meaning},
		"number we do not know": {ProviderError{OAuthError: "login_required", Description: "AADSTS99999: new"},
			"AADSTS99999", apperr.Expired, oauthErrors["login_required"].meaning},
		"error we do not know": {ProviderError{OAuthError: "strange_error", Description: "?"},
			"provider_error", apperr.Forbidden, unknownError.meaning},
		"nothing at all": {ProviderError{}, "provider_error", apperr.Forbidden, unknownError.meaning},
		"claims alone": {ProviderError{OAuthError: "strange_error", Claims: `{"access_token":{}}`},
			"interaction_required", apperr.Forbidden, oauthErrors["interaction_required"].meaning},
		"server error": {ProviderError{OAuthError: "server_error"},
			"server_error", apperr.Unavailable, oauthErrors["server_error"].meaning},
		"status 503 with an error that does not fit": {ProviderError{OAuthError: "invalid_request", Status: 503},
			"invalid_request", apperr.Unavailable, providerTrouble.meaning},
		"status 500 with a number we do not know": {ProviderError{Status: 500, Description: "AADSTS50000: trouble"},
			"AADSTS50000", apperr.Unavailable, providerTrouble.meaning},
		"status 429": {ProviderError{Status: 429}, "provider_error", apperr.Unavailable, providerTrouble.meaning},
		"a name that only looks known": {ProviderError{OAuthError: "access_\u200bdenied", Subcode: "can\x00cel"},
			"provider_error", apperr.Forbidden, unknownError.meaning},
	} {
		got := ParseError(c.answer)
		if got.Code != c.code || got.Kind != c.kind || got.Message != c.message {
			t.Errorf("%s: %s, %v, %q; want %s, %v, %q", name, got.Code, got.Kind, got.Message, c.code, c.kind, c.message)
		}
		if got.Next == "" || got.Kind == apperr.Unavailable && !got.Retry {
			t.Errorf("%s: next %q, retry %v", name, got.Next, got.Retry)
		}
	}
}

func TestCancelled(t *testing.T) {
	for _, e := range []ProviderError{
		{OAuthError: "access_denied", Subcode: "cancel"},
		{OAuthError: "access_denied", Description: "AADSTS65004: declined"},
		{OAuthError: "authorization_declined"},
	} {
		if cause := causeOf(t, ParseError(e)); !cause.Cancelled() {
			t.Errorf("not cancelled: %v", cause)
		}
	}
	for _, e := range []ProviderError{{}, {OAuthError: "access_denied"}, {OAuthError: "access_denied", Description: "AADSTS50105"}} {
		if cause := causeOf(t, ParseError(e)); cause.Cancelled() {
			t.Errorf("cancelled: %v", cause)
		}
	}
}

func causeOf(t *testing.T, err error) *ProviderError {
	t.Helper()
	var cause *ProviderError
	if !errors.As(err, &cause) {
		t.Fatalf("no provider error in %v", err)
	}
	return cause
}

func TestParseErrorKeepsTheAnswerForTheLog(t *testing.T) {
	for name, separator := range map[string]string{"line breaks": "\r\n", "blanks": " "} {
		description := "AADSTS70008: The code is too old." + separator + "Trace ID: " + someTrace + separator +
			"Correlation ID: " + someCorrelation + separator + "Timestamp: 2024-05-06 07:08:09Z"
		claims := `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
		err := ParseError(ProviderError{OAuthError: "invalid_grant", Description: description, Subcode: "bad_token",
			Codes: []int{70008}, Claims: claims, Status: 400})
		cause := causeOf(t, err)
		if cause.TraceID != someTrace || cause.CorrelationID != someCorrelation {
			t.Errorf("%s: trace %q, correlation %q", name, cause.TraceID, cause.CorrelationID)
		}
		if want := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC); !cause.Timestamp.Equal(want) {
			t.Errorf("%s: timestamp %v", name, cause.Timestamp)
		}
		if cause.OAuthError != "invalid_grant" || cause.Subcode != "bad_token" || cause.Claims != claims || cause.Status != 400 {
			t.Errorf("%s: %+v", name, cause)
		}
		for _, want := range []string{"invalid_grant/bad_token", "(HTTP 400)", "The code is too old.", someTrace, someCorrelation} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in %q", name, want, err.Error())
			}
		}
	}
}

func TestParseErrorPrefersTheIDsOfTheAnswer(t *testing.T) {
	other := strings.ToUpper(someTrace)
	cause := causeOf(t, ParseError(ProviderError{OAuthError: "invalid_grant", TraceID: someTrace, CorrelationID: someCorrelation,
		Description: "Trace ID: " + other + " Correlation ID: " + other}))
	if cause.TraceID != someTrace || cause.CorrelationID != someCorrelation {
		t.Errorf("trace %q, correlation %q", cause.TraceID, cause.CorrelationID)
	}
	cause = causeOf(t, ParseError(ProviderError{TraceID: someTrace, CorrelationID: someCorrelation}))
	if text := cause.Error(); !strings.Contains(text, someTrace) || !strings.Contains(text, someCorrelation) {
		t.Errorf("the ids are not in the log: %q", text)
	}
}

// A page shows the correlation id, so it must never be anything but a GUID.
func TestHostileIDsAreDropped(t *testing.T) {
	for _, bad := range []string{"<script>", someTrace + "\n", "'" + someTrace, strings.Repeat("a", 36), "9ab2"} {
		cause := causeOf(t, ParseError(ProviderError{TraceID: bad, CorrelationID: bad,
			Description: "Trace ID: <b> Correlation ID: 9ab2 Timestamp: 2024-99-99 07:08:09Z"}))
		if cause.TraceID != "" || cause.CorrelationID != "" || !cause.Timestamp.IsZero() {
			t.Errorf("%q: trace %q, correlation %q, timestamp %v", bad, cause.TraceID, cause.CorrelationID, cause.Timestamp)
		}
	}
	quoted := "AADSTS70011: The scope 'Trace ID: " + strings.ToUpper(someTrace) + "' is not valid. Trace ID: " + someCorrelation
	if cause := causeOf(t, ParseError(ProviderError{Description: quoted})); cause.TraceID != someCorrelation {
		t.Errorf("a trace id quoted from the request was believed: %q", cause.TraceID)
	}
}

func TestHostileAnswersAreHarmless(t *testing.T) {
	const marker = "ZZMARKERZZ"
	for name, text := range map[string]string{
		"HTML":            "<script>alert('" + marker + "')</script>",
		"one megabyte":    marker + strings.Repeat("A", 1<<20),
		"many prefixes":   marker + strings.Repeat("AADSTS", 1<<18),
		"many controls":   marker + strings.Repeat("\x00", 1<<20),
		"NUL":             "\x00" + marker + "\x00",
		"forged log line": marker + "\r\ntime=2026 level=ERROR msg=forged\u2028next\u0085next",
		"reversed text":   marker + "\u202egnp.exe\u2066",
		"fake numbers":    marker + " AADSTS999999999999999999 AADSTS-1 AADSTS",
		"broken UTF-8":    marker + "\xff\xfe\xc3",
		"terminal escape": "\x1b[31m" + marker + "\x9b31m",
	} {
		answer := ProviderError{OAuthError: text, Description: text, URI: text, Subcode: text, CorrelationID: text, TraceID: text, Status: 400}
		err := ParseError(answer)
		checkHarmless(t, name, err)
		if strings.Contains(err.Message+err.Next+err.Code, marker) {
			t.Errorf("%s: the provider's text reaches the page: %q %q %q", name, err.Code, err.Message, err.Next)
		}
		if err.Code != "provider_error" {
			t.Errorf("%s: code %q", name, err.Code)
		}
		if !strings.Contains(causeOf(t, err).Description, marker) {
			t.Errorf("%s: the log does not have the description", name)
		}
		checkLogLine(t, name, answer.Error())
	}
}

// checkHarmless checks what holds for every answer whatsoever.
func checkHarmless(t *testing.T, name string, err *apperr.Error) {
	t.Helper()
	if err.Message == "" || err.Next == "" || err.Code == "" {
		t.Errorf("%s: words are missing: %+v", name, err)
	}
	if len(err.Code) > 64 || strings.ContainsFunc(err.Code, func(r rune) bool {
		return r != '_' && !unicode.IsDigit(r) && !unicode.IsLetter(r) || r > unicode.MaxASCII
	}) {
		t.Errorf("%s: code %q", name, err.Code)
	}
	switch err.Kind {
	case apperr.Forbidden, apperr.Expired, apperr.TooMany, apperr.Unavailable:
	default:
		t.Errorf("%s: kind %v", name, err.Kind)
	}
	cause := causeOf(t, err)
	if len(cause.Description) > maxDescription || len(cause.URI) > maxURI || len(cause.Codes) > maxNumbers {
		t.Errorf("%s: limits passed: %d, %d, %d", name, len(cause.Description), len(cause.URI), len(cause.Codes))
	}
	checkLogLine(t, name, err.Error())
	checkLogLine(t, name, cause.Description)
	checkLogLine(t, name, cause.OAuthError)
	checkLogLine(t, name, cause.Subcode)
}

func checkLogLine(t *testing.T, name, line string) {
	t.Helper()
	if len(line) > 4000 || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%s: not a line for the log: %d bytes, %.200q", name, len(line), line)
	}
}

func TestDescriptionIsCutAtACharacter(t *testing.T) {
	for pad := range 4 {
		cause := causeOf(t, ParseError(ProviderError{Description: strings.Repeat("x", pad) + strings.Repeat("\U0001F512", 10000)}))
		if n := len(cause.Description); n > maxDescription || n < maxDescription-4 || !utf8.ValidString(cause.Description) {
			t.Errorf("pad %d: %d bytes", pad, n)
		}
	}
}

func FuzzParseError(f *testing.F) {
	f.Add("invalid_grant", "AADSTS70002: x AADSTS70008: y\r\nTrace ID: "+someTrace+"\r\nCorrelation ID: "+someCorrelation+"\r\nTimestamp: 2024-05-06 07:08:09Z",
		"https://login.microsoftonline.com/error?code=70008", "bad_token", "", 70008, 400)
	f.Add("access_denied", "<script>AADSTS999999999999999999\x00\u202e", "%zz", "cancel", "{}", -1, 0)
	f.Add("\xff", "AADSTSAADSTS50011", "?code=00050011", "\r\n", "", 1<<40, 503)
	f.Fuzz(func(t *testing.T, name, description, uri, subcode, claims string, number, status int) {
		numbers := AADSTSNumbers(description)
		if len(numbers) > maxNumbers {
			t.Errorf("%d numbers", len(numbers))
		}
		for i, n := range numbers {
			if n <= 0 || n > maxNumber || slices.Contains(numbers[:i], n) {
				t.Errorf("numbers %v", numbers)
			}
		}
		err := ParseError(ProviderError{OAuthError: name, Description: description, URI: uri, Subcode: subcode, Claims: claims,
			Codes: []int{number, number}, Status: status})
		checkHarmless(t, "fuzz", err)
		// What is kept has to stay as it is when it is read again.
		kept := causeOf(t, err)
		if again := causeOf(t, ParseError(*kept)); again.Description != kept.Description {
			t.Errorf("%q became %q", kept.Description, again.Description)
		}
	})
}
