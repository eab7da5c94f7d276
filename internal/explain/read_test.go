package explain

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/trace"
)

const (
	traceID       = "11d7a0c2-58b4-4f0e-9d36-2c7b9e51f800"
	correlationID = "9ab2c6e0-7d14-4b8a-a5f3-60e81c4d2b00"
)

func codes(r Reading) []string {
	var out []string
	for _, e := range r.Entries {
		out = append(out, e.Code)
	}
	return out
}

// sent is what the platform writes about a number, in the older form.
func sent(number string) string {
	return number + ": Something is not as it should be.\r\nTrace ID: " + traceID + "\r\nCorrelation ID: " + correlationID + "\r\nTimestamp: 2024-05-06 07:08:09Z"
}

// TestEveryRowIsFoundByItsCodeAndByWhatIsSent goes through all tables: the code
// alone, the text of the platform, its JSON, its address, and the header of an API.
func TestEveryRowIsFoundByItsCodeAndByWhatIsSent(t *testing.T) {
	rows := 0
	for _, table := range Tables() {
		if len(table.Entries) == 0 {
			t.Errorf("%s is empty", table.Title)
		}
		for _, e := range table.Entries {
			rows++
			if e.Meaning == "" || e.Code == "" || e.Origin == "" {
				t.Errorf("%+v says too little", e)
			}
			texts := []string{e.Code}
			if digits, ok := strings.CutPrefix(e.Code, "AADSTS"); ok {
				blob, err := json.Marshal(map[string]any{"error": e.Error, "error_description": sent(e.Code), "trace_id": traceID, "correlation_id": correlationID})
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, digits, strings.ToLower(e.Code), sent(e.Code), strings.ReplaceAll(sent(e.Code), "\r\n", " "), string(blob),
					"https://portal.example/auth/callback?error=x&error_description="+url.QueryEscape(sent(e.Code)),
					`{"error_codes":[`+digits+`],"error":"x"}`, "https://login.microsoftonline.com/error?code="+digits)
			} else {
				header := `WWW-Authenticate: Bearer error="` + e.Code + `"`
				switch table.Title {
				case entra.TableSubcodes:
					texts = append(texts, `{"error":"invalid_grant","suberror":"`+e.Code+`"}`, "?error=x&error_subcode="+e.Code)
				case entra.TableMachine:
					texts = []string{"IMDS answered " + e.Code, `HTTP ` + e.Code + ` from http://169.254.169.254/metadata/identity/oauth2/token: {"error":"` + e.Code + `"}`}
				case entra.TableBearer:
					texts = append(texts, header)
				case entra.TablePlain:
					texts = append(texts, "HTTP/1.1 429 "+e.Code+"\nRetry-After: 60", strings.ToLower(e.Code))
				default:
					texts = append(texts, `{"error":"`+e.Code+`"}`, "?error="+e.Code, `{"error":{"code":"`+e.Code+`","message":"x"}}`)
					if len(in(entra.TableBearer, e.Code)) == 0 { // else the header means something else
						texts = append(texts, header)
					}
				}
			}
			for _, text := range texts {
				if r := Read(text, rand.Reader); !slices.Contains(r.Entries, e) {
					t.Errorf("%s of %q is not found in %q: %v", e.Code, e.Table, text, codes(r))
				}
			}
		}
	}
	if rows < 400 {
		t.Errorf("only %d rows", rows)
	}
}

func TestChainedNumbersComeTheTellingOneFirst(t *testing.T) {
	r := Read(`{"error":"invalid_grant","error_description":"AADSTS70002: Error validating credentials. AADSTS70008: The code is too old.\r\nTrace ID: `+traceID+`","error_codes":[70002,70008],"suberror":"bad_token"}`, rand.Reader)
	if got := codes(r); !slices.Equal(got, []string{"AADSTS70008", "AADSTS70002", "bad_token"}) {
		t.Errorf("%v", got)
	}
	if r.Form != "the answer of the token endpoint" {
		t.Errorf("form %q", r.Form)
	}
}

// TestTheMostTellingWordsComeFirst: where a number or a subcode gives the reason, what
// the general error advises would contradict it.
func TestTheMostTellingWordsComeFirst(t *testing.T) {
	for text, want := range map[string][]string{
		`{"error":"invalid_grant","error_description":"AADSTS53003: blocked","error_codes":[53003],"suberror":"message_only"}`: {"AADSTS53003", "message_only"},
		`{"error":"invalid_grant","suberror":"message_only","error_description":"no"}`:                                         {"message_only"},
		`{"error":"invalid_grant","suberror":"consent_required","error_codes":[65001]}`:                                        {"AADSTS65001", "consent_required"},
		"?error=access_denied&error_subcode=cancel&state=x":                                                                    {"cancel"},
		`{"error":"authorization_pending","error_codes":[70016]}`:                                                              {"AADSTS70016"},
		// What nobody knows explains nothing.
		`{"error":"invalid_grant","error_codes":[99999]}`:  {"invalid_grant"},
		`{"error":"invalid_grant","suberror":"brand_new"}`: {"invalid_grant"},
		// An API's own refusal is of another answer than the number.
		"AADSTS50076: more proof\nWWW-Authenticate: Bearer error=\"insufficient_claims\"": {"AADSTS50076", "insufficient_claims"},
		// An API does not understand the call; the company sign-in was not asked.
		`WWW-Authenticate: Bearer realm="", error="invalid_request", error_description="two tokens"`: {"invalid_request"},
		"IMDS: the request timed out":        {"timeout"},
		"HTTP/1.1 429 Too Many Requests":     {"Too Many Requests"},
		"IMDS: HTTP/1.1 429 Too Many Tokens": {"429"},
	} {
		if got := codes(Read(text, rand.Reader)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if r := Read(`WWW-Authenticate: Bearer error="invalid_request"`, rand.Reader); len(r.Entries) != 1 || r.Entries[0].Table != entra.TableBearer {
		t.Errorf("%+v", r.Entries)
	}
	if r := Read("IMDS: deadline exceeded", rand.Reader); len(r.Entries) != 1 || r.Entries[0].Table != entra.TableMachine {
		t.Errorf("%+v", r.Entries)
	}
}

// TestAnAnswerOfItsOwnIsNotSearchedByWords: an unknown code stays unknown, also where
// words beside it fit something else.
func TestAnAnswerOfItsOwnIsNotSearchedByWords(t *testing.T) {
	for _, text := range []string{
		`{"error":{"code":"ResourceGroupNotFound","message":"The tenant has no such group."}}`,
		`HTTP 403 {"error":{"code":"LinkedAuthorizationFailed","message":"no role in the tenant"}}`,
		`{\"error\":{\"code\":\"PolicyViolation\",\"message\":\"no role in the tenant\"}}`,
		`{"error":{"code":"TooManyRequests","message":"Too many requests for the tenant."}}`,
		`WWW-Authenticate: Bearer realm="tenant role", error="strange"`,
	} {
		if r := Read(text, rand.Reader); r.ByWords || len(r.Entries) != 0 {
			t.Errorf("%s: %v", text, codes(r))
		}
	}
}

func TestIDsAreSetApart(t *testing.T) {
	want := []ID{{"Correlation ID", correlationID}, {"Trace ID", traceID}, {"Timestamp", "2024-05-06 07:08:09Z"}}
	blob, err := json.Marshal(map[string]string{"error_description": sent("AADSTS70008")})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{sent("AADSTS70008"), string(blob), "https://x/?error_description=" + url.QueryEscape(sent("AADSTS70008"))} {
		if r := Read(text, rand.Reader); !slices.Equal(r.IDs, want) {
			t.Errorf("%q: %v", text, r.IDs)
		}
	}
	// What stands where an id belongs and is none is not repeated.
	if r := Read("AADSTS50105 Correlation ID: <script>alert(1)</script>", rand.Reader); len(r.IDs) != 0 {
		t.Errorf("%v", r.IDs)
	}
}

// TestAttackSecretsArePastedAlong: tokens and the like are counted, and nothing of
// them is part of the answer.
func TestAttackSecretsArePastedAlong(t *testing.T) {
	token := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLW9mLWEtdG9rZW4tdGhhdC1pcy1sb25n"
	secret, cookie := "q8Q~Zx3vN9uLxUe0qDq2Yw8RAAbcdefghij", "MTcxNTAwMDEwMHxOd3dBTkVkTlYw"
	text := "Authorization: Bearer " + token + "\nCookie: __Host-session=" + cookie + "\nPOST /token\n\nclient_id=x&client_secret=" + url.QueryEscape(secret) +
		"&grant_type=authorization_code&code=0.AQIAcodeThatIsLong1234567890\n\n" + `{"error":"invalid_grant","error_description":"AADSTS70008: old Correlation ID: ` + correlationID + `"}`
	r := Read(text, rand.Reader)
	if r.Secrets < 4 {
		t.Errorf("%d secrets were seen", r.Secrets)
	}
	if got := codes(r); len(got) == 0 || got[0] != "AADSTS70008" {
		t.Errorf("%v", got)
	}
	answer := fmt.Sprintf("%+v", r)
	if found := trace.Leaks([]byte(answer), []string{token, secret, cookie, "0.AQIAcodeThatIsLong1234567890"}); len(found) > 0 {
		t.Errorf("the answer has %v", found)
	}
}

// TestAttackPastedTextIsNoPartOfTheAnswer: whatever is pasted, the words are ours.
func TestAttackPastedTextIsNoPartOfTheAnswer(t *testing.T) {
	const mark = "zqxjk"
	for _, text := range []string{
		`<script>` + mark + `</script> AADSTS50105`, "AADSTS50105" + mark, `{"error":"` + mark + `","error_description":"AADSTS999999 ` + mark + `"}`,
		"javascript:" + mark, "Correlation ID: " + mark, "error=" + mark + "_x", mark + " redirect", "AADSTS0", "AADSTS99999999999999999999", "\x00" + mark + "\xff",
	} {
		if r := Read(text, rand.Reader); strings.Contains(fmt.Sprintf("%+v", r), mark) {
			t.Errorf("%q: %+v", text, r)
		}
	}
	if r := Read("AADSTS999999", rand.Reader); !slices.Equal(r.Unknown, []string{"AADSTS999999"}) || len(r.Entries) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestALongTextIsCutWithAWord(t *testing.T) {
	whole := strings.Repeat("é", MaxText/2-len("AADSTS50105")/2-1) + " AADSTS50105"
	if r := Read(whole[:len(whole)/2*2], rand.Reader); r.Cut {
		t.Error("64 KB are cut")
	}
	r := Read(strings.Repeat("a ", MaxText/2)+"AADSTS50105", rand.Reader)
	if !r.Cut || len(r.Entries) != 0 {
		t.Errorf("cut %v, %v", r.Cut, codes(r))
	}
	if r := Read("AADSTS50105 "+strings.Repeat("é", MaxText), rand.Reader); !r.Cut || !slices.Equal(codes(r), []string{"AADSTS50105"}) {
		t.Errorf("cut %v, %v", r.Cut, codes(r))
	}
}

func TestReferences(t *testing.T) {
	for text, want := range map[string]string{
		"7K3M9QX2RB41": "7K3M9QX2RB41", " 7k3m9qx2rb41 ": "7K3M9QX2RB41", "Reference: 7K3M9QX2RB41": "7K3M9QX2RB41",
		"Hi, I get 7K3M9QX2RB41. Please help!":              "7K3M9QX2RB41",
		"my reference is 7K3M-9QX2-RB41":                    "7K3M9QX2RB41",
		"7K3M 9QX2 RB41":                                    "7K3M9QX2RB41",
		"http://localhost:8080/flows/failures/7K3M9QX2RB41": "7K3M9QX2RB41",
		"“7K3M9QX2RB41”":                                    "7K3M9QX2RB41",
		"call 1234 5678 9012 or WXYZ WXYZ WXYZ":             "",
		"A7K3M9QX2RB41B":                                    "",
		"Message: x\nCode: state_unknown\nReference: 7K3M9QX2RB41\nTime: 2026-11-21T14:05:00Z": "7K3M9QX2RB41",
		"7K3M9QX2RB4": "", "7K3M9QX2RB4I": "", "ABCDEFGHJKMN": "", "unauthorized": "", "AADSTS50105": "", "500113500113": "500113500113",
	} {
		if r := Read(text, rand.Reader); r.Reference != want {
			t.Errorf("%q: %q, want %q", text, r.Reference, want)
		}
	}
	// What the error page copies leads to the code as well.
	if r := Read("Message: x\nCode: state_unknown\nReference: 7K3M9QX2RB41", rand.Reader); !slices.Equal(codes(r), []string{"state_unknown"}) {
		t.Errorf("%v", codes(r))
	}
}

func TestMachinesAnswersAreExplainedAsSuch(t *testing.T) {
	for text, want := range map[string]string{
		`{"error":"invalid_request","error_description":"Identity not found"}`:                     "invalid_request",
		"curl http://169.254.169.254/metadata/identity/oauth2/token\nHTTP/1.1 410 Gone":            "410",
		"IMDS: 503 Service Unavailable":                                                            "500",
		`{"error":"bad_request_102","error_description":"Required metadata header not specified"}`: "bad_request_102",
	} {
		r := Read(text, rand.Reader)
		if len(r.Entries) == 0 || r.Entries[0].Code != want || r.Entries[0].Origin != entra.OriginMachine {
			t.Errorf("%q: %+v", text, r.Entries)
		}
	}
	// Elsewhere the same name means the authorization server's.
	if r := Read(`{"error":"invalid_request"}`, rand.Reader); len(r.Entries) != 1 || r.Entries[0].Origin == entra.OriginMachine {
		t.Errorf("%+v", r.Entries)
	}
}

func TestSearchByWords(t *testing.T) {
	for words, want := range map[string]string{
		"conditional access": "AADSTS53003", "redirect": "AADSTS50011", "mfa required": "AADSTS50076", "secret expired": "AADSTS7000222",
		"password wrong": "AADSTS50126", "nonce": "id_token_nonce", "certificate not registered": "AADSTS700027", "managed identity": "404",
	} {
		r := Read(words, rand.Reader)
		if !r.ByWords || !slices.Contains(codes(r), want) {
			t.Errorf("%q: %v, want %s", words, codes(r), want)
		}
		if len(r.Entries) > MaxEntries {
			t.Errorf("%q: %d entries", words, len(r.Entries))
		}
	}
	for _, words := range []string{"", "the of", "zebra", "!!", strings.Repeat("x", 500)} {
		if got := Search(words); len(got) != 0 {
			t.Errorf("%q: %d entries", words, len(got))
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("AADSTS50105: no\r\nTrace ID: " + traceID)
	f.Add(`{"error":"invalid_grant","error_codes":[70008]}`)
	f.Add(`%7B%22error%22%3A%22x%22\u0041&lt;`)
	f.Fuzz(func(t *testing.T, text string) {
		if r := Read(text, rand.Reader); len(r.Entries) > MaxEntries || len(r.IDs) > maxIDs || len(r.Unknown) > MaxEntries {
			t.Errorf("too much: %d, %d, %d", len(r.Entries), len(r.IDs), len(r.Unknown))
		}
	})
}
