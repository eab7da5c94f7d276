package entra

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"
)

var verdictNow = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// forgeToken returns a token of these claims that nobody signed.
func forgeToken(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(payload) + ".c2lnbmF0dXJl"
}

// v1Claims are those of entra.md §3.3, "user v1".
func v1Claims() map[string]any {
	return map[string]any{"aud": testAzTS, "iss": "https://sts.windows.net/" + testTenant + "/", "tid": testTenant, "appid": testClient,
		"scp": "user_impersonation", "oid": testPerson, "sub": "Yk3", "ver": "1.0", "exp": verdictNow.Add(time.Hour).Unix(), "nbf": verdictNow.Unix()}
}

func v2AppClaims() map[string]any {
	return map[string]any{"aud": strings.TrimPrefix(testAzTS, "api://"), "iss": "https://login.microsoftonline.com/" + testTenant + "/v2.0", "tid": testTenant,
		"azp": testOther, "idtyp": "app", "oid": "91b2", "sub": "91b2", "roles": []string{"Scan.Request"}, "ver": "2.0",
		"exp": verdictNow.Add(time.Hour).Unix()}
}

func TestAzTSVerdict(t *testing.T) {
	want := Expectation{Scope: testAzTS + "/user_impersonation", TenantID: strings.ToUpper(testTenant), ClientID: testClient, Resources: testCatalogue(), Now: verdictNow}
	names := []string{"Audience", "Tenant", "Permission", "Time", "Calling application", "Version"}
	for name, c := range map[string]struct {
		claims map[string]any
		change map[string]any // nil takes a claim away
		wants  string         // one letter a check: Pass, Fail, Unsure
		sum    Outcome
		says   string
	}{
		"v1 of a person":           {v1Claims(), nil, "PPPPPP", Pass, "normal"},
		"slash at the end":         {v1Claims(), map[string]any{"aud": testAzTS + "/"}, "PPPPPP", Pass, ""},
		"v2 of an application":     {v2AppClaims(), nil, "PPPPUP", Unsure, "Authorized client applications"},
		"application without role": {v2AppClaims(), map[string]any{"roles": nil}, "PPFPUP", Fail, "no role"},
		"no idtyp, no role":        {v2AppClaims(), map[string]any{"roles": nil, "idtyp": nil}, "PPFPUP", Fail, "no role"},
		"Graph":                    {v1Claims(), map[string]any{"aud": "https://graph.microsoft.com"}, "FPPPPP", Fail, "Microsoft Graph"},
		"Graph by its id":          {v1Claims(), map[string]any{"aud": "00000003-0000-0000-c000-000000000000"}, "FPPPPP", Fail, "Microsoft Graph"},
		"another API":              {v1Claims(), map[string]any{"aud": "api://elsewhere"}, "FPPPPP", Fail, "another API"},
		"no audience":              {v1Claims(), map[string]any{"aud": nil}, "FPPPPP", Fail, "which API"},
		"another tenant":           {v1Claims(), map[string]any{"tid": testOther}, "PFPPPP", Fail, "another tenant"},
		"issuer of another tenant": {v1Claims(), map[string]any{"iss": "https://sts.windows.net/" + testOther + "/"}, "PFPPPP", Fail, "issuer"},
		"another scope":            {v1Claims(), map[string]any{"scp": "Other.Read"}, "PPFPPP", Fail, "user_impersonation"},
		"several scopes":           {v1Claims(), map[string]any{"scp": "Other.Read User_Impersonation"}, "PPPPPP", Pass, ""},
		"expired":                  {v1Claims(), map[string]any{"exp": verdictNow.Unix()}, "PPPFPP", Fail, "expired"},
		"no expiry":                {v1Claims(), map[string]any{"exp": nil}, "PPPFPP", Fail, "when it expires"},
		"not yet valid":            {v1Claims(), map[string]any{"nbf": verdictNow.Add(10 * time.Minute).Unix()}, "PPPFPP", Fail, "not valid yet"},
		"clock a little ahead":     {v1Claims(), map[string]any{"nbf": verdictNow.Add(4 * time.Minute).Unix()}, "PPPPPP", Pass, "60 more minutes"},
		"Azure CLI":                {v1Claims(), map[string]any{"appid": AzureCLI}, "PPPPUP", Unsure, "Azure CLI"},
		"Azure PowerShell":         {v1Claims(), map[string]any{"appid": AzurePowerShell}, "PPPPUP", Unsure, "Azure PowerShell"},
		"no application":           {v1Claims(), map[string]any{"appid": nil}, "PPPPFP", Fail, "does not name the application"},
		"no version":               {v1Claims(), map[string]any{"ver": nil}, "PPPPPU", Unsure, "version"},
		"claims of odd types":      {v1Claims(), map[string]any{"ver": 2, "scp": []string{"user_impersonation"}, "roles": 7}, "PPFPPU", Fail, "neither a scope nor a role"},
	} {
		claims := maps.Clone(c.claims)
		for claim, value := range c.change {
			if claims[claim] = value; value == nil {
				delete(claims, claim)
			}
		}
		read, err := ReadClaims(forgeToken(claims))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checks := AzTSVerdict(read, want)
		var got, texts string
		for i, check := range checks {
			got += string("UPF"[check.Outcome])
			texts += check.Text + " "
			if !strings.HasPrefix(check.Name, names[i]) || check.Text == "" {
				t.Errorf("%s: check %d is %+v", name, i, check)
			}
		}
		sum, sentence := VerdictOf(checks)
		if got != c.wants || sum != c.sum || !strings.Contains(texts, c.says) {
			t.Errorf("%s: %s, %d %q, want %s, %d with %q\n%s", name, got, sum, sentence, c.wants, c.sum, c.says, texts)
		}
	}
}

// TestVerdictWithoutKnowledge: what the portal does not know it leaves open.
func TestVerdictWithoutKnowledge(t *testing.T) {
	claims := v1Claims()
	claims["aud"] = testOther
	read, err := ReadClaims(forgeToken(claims))
	if err != nil {
		t.Fatal(err)
	}
	checks := AzTSVerdict(read, Expectation{Scope: "https://azts.contoso.com/user_impersonation", Now: verdictNow})
	for i, name := range []string{"audience by id", "tenant"} {
		if checks[i].Outcome != Unsure {
			t.Errorf("%s: %+v", name, checks[i])
		}
	}
	for _, raw := range []string{"", "opaque", "a.b.c", "a.b.c.d.e"} {
		if c, err := ReadClaims(raw); err == nil {
			t.Errorf("%q is read as %+v", raw, c)
		}
	}
}
