package trace

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// chance is randomness that is the same in each run of a test.
func chance() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{7}) }

const (
	entraCode    = "0.AQIAQht8nFgtCk-aYVvixNB_EIoPbi_DlH5LjhUKPH2RtuIC.AgABBAIAAABVrSpeuWamRam2jAF1XRQEAwDs_wUA9P8.q7"
	clientSecret = `p~8Q/w+R&7"x<z'%41 é\nK=`
	verifierText = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	someID       = "9ab2c1d0-1111-4222-8333-444455556666"
)

// jwt returns a token with these claims.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"typ":"JWT","alg":"RS256","kid":"Qx3contoso1"}`)) + "." + encode([]byte(claims)) + "." +
		encode([]byte(strings.Repeat("signature", 20)))
}

var accessJWT = jwt(`{"aud":"api://b1d04c77","iss":"https://sts.windows.net/7c9e1b42/","name":"Dana Reyes","upn":"dana@contoso.com","uti":"x1"}`)

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func everyByte(s, format string) string {
	var out strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&out, format, s[i])
	}
	return out.String()
}

// TestSecretsByPlace: what stands where a secret belongs is taken out, and what
// stands beside it stays.
func TestSecretsByPlace(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		form   form
		secret string
		stays  string
	}{
		"form":                       {"grant_type=authorization_code&code=" + entraCode + "&redirect_uri=x", formBody, entraCode, "grant_type=authorization_code&code=‹code "},
		"form, badly escaped":        {"client_id=1&client_secret=a b'c<d;e\"f&scope=s", formBody, "a b'c<d;e\"f", "&scope=s"},
		"form, escaped":              {"client_secret=" + url.QueryEscape(clientSecret) + "&scope=s", formBody, clientSecret, "&scope=s"},
		"form, name escaped":         {"client%5Fsecret=swordfish77&scope=s", formBody, "swordfish77", "&scope=s"},
		"form, a parameter twice":    {"code=first-code-1&code=second-code-2", formBody, "second-code-2", "code=‹code "},
		"form, a short password":     {"username=dana&password=abc", formBody, "=abc", "username=dana&password=‹password "},
		"form, verifier":             {"code_verifier=" + verifierText, formBody, verifierText, "code_verifier=‹code verifier "},
		"form, plain challenge":      {"code_challenge=" + verifierText + "&code_challenge_method=plain", formBody, verifierText, "method=plain"},
		"form, array":                {"token[]=abcdef123&x=1", formBody, "abcdef123", "&x=1"},
		"query":                      {"https://portal/cb?code=abc'def&state=s8s8s8s8&session_state=" + someID, addressing, "abc'def", "https://portal/cb?code=‹code "},
		"query, state":               {"https://portal/cb?code=abcdefg&state=s8s8s8s8", addressing, "s8s8s8s8", "&state=‹state "},
		"query, session":             {"https://portal/cb?session_state=" + someID, addressing, someID, "session_state=‹session id "},
		"query, sid":                 {"https://portal/out?sid=" + someID, addressing, someID, "sid=‹session id "},
		"fragment":                   {"https://portal/#access_token=opaque-77&token_type=Bearer", addressing, "opaque-77", "&token_type=Bearer"},
		"address in a text":          {"Moved to https://portal/cb?code=abcdef7&state=x.", loose, "abcdef7", "Moved to https://portal/cb?code=‹"},
		"HTML, double quotes":        {`<input type="hidden" name="code" value="abcdef7">`, loose, "abcdef7", `value="‹code `},
		"HTML, single quotes":        {`<input value='ab"cdef7' name='code'>`, loose, `ab"cdef7`, `value='‹code `},
		"HTML, no quotes":            {`<INPUT NAME=code VALUE=abcdef7>`, loose, "abcdef7", `VALUE=‹code `},
		"HTML, escaped":              {`<input name="&#99;ode" value="` + html.EscapeString(clientSecret) + `"/>`, loose, clientSecret, `"/>`},
		"HTML, broken off":           {`<input name="code" value="abcdef7`, loose, "abcdef7", `value="‹code `},
		"HTML, textarea":             {`<textarea name="id_token">abcdef7</textarea>`, loose, "abcdef7", "</textarea>"},
		"XML":                        {`<o:Password Type="x">swordfish</o:Password>`, loose, "swordfish", "</o:Password>"},
		"JSON":                       {`{"token_type":"Bearer","access_token":"opaque77","expires_in":3599}`, loose, "opaque77", `"expires_in":3599}`},
		"JSON, quotes in it":         {`{"client_secret":` + quoted(clientSecret) + `,"a":1}`, loose, clientSecret, `,"a":1}`},
		"JSON, escapes":              {`{"\u0061ccess_token":"op\u0061que77","a":1}`, loose, "opaque77", `,"a":1}`},
		"JSON, pretty":               {"{\n  \"refresh_token\" : \n    \"opaque77\"\n}", loose, "opaque77", "‹refresh token "},
		"JSON, in camelCase":         {`{"accessToken":"opaque77"}`, loose, "opaque77", "‹access token "},
		"JSON, a number":             {`{"user_code":123456789,"interval":5}`, loose, "123456789", `"interval":5`},
		"JSON, a list":               {`{"refresh_token":["one-token","two-token"],"a":1}`, loose, "two-token", `"a":1`},
		"JSON in JSON":               {`{"body":` + quoted(`{"body":`+quoted(`{"refresh_token":"opaque77"}`)+`}`) + `,"a":1}`, loose, "opaque77", `,"a":1}`},
		"JSON, broken off":           {`{"access_token":"opaque77`, loose, "opaque77", `{"access_token":"‹access token `},
		"JSON, malformed":            {`{"access_token":"opaque77",,}}"id_token"`, loose, "opaque77", `,,}}"id_token"`},
		"JSON, Graph's secret":       {`{"passwordCredentials":[{"secretText":"a~b8Q","hint":"a~b"}]}`, loose, "a~b8Q", `"hint":"a~b"`},
		"JSON, authorization":        {`{"Authorization":"Bearer opaque77"}`, loose, "opaque77", `"Bearer ‹`},
		"JSON, a code of ours":       {`{"code":"` + entraCode + `"}`, loose, entraCode, `{"code":"‹code `},
		"JSON, an opaque key":        {`{"subscriptionKey":"a81Bq7x902kdUbbV23kkslq"}`, loose, "a81Bq7x902kdUbbV23kkslq", `{"subscriptionKey":"‹secret `},
		"YAML":                       {"client_secret: swordfish\nscope: x", loose, "swordfish", "\nscope: x"},
		"command":                    {"curl -d client_secret=swordfish1 -d scope=s", loose, "swordfish1", " -d scope=s"},
		"error_description":          {`{"error_description":"IDX10223: expired. token: '` + accessJWT + `'."}`, loose, accessJWT, "IDX10223: expired. token: '‹token "},
		"token in prose":             {"Header was Authorization: Bearer opaque-1234567 and failed", loose, "opaque-1234567", "Bearer ‹token "},
		"challenge with claims":      {`Bearer realm="", claims="` + base64.StdEncoding.EncodeToString([]byte(`{"t":"`+accessJWT+`"}`)) + `", error="x"`, loose, accessJWT, `error="x"`},
		"JWT alone":                  {"Bad: " + accessJWT + ".", loose, accessJWT, "Bad: ‹token "},
		"JWE":                        {"x " + jwt(`{}`) + ".q7q7.t8t8 y", loose, "q7q7", " y"},
		"JWT, escaped":               {"x " + everyByte(accessJWT, "%%%02X") + " y", loose, accessJWT, " y"},
		"JWT, in HTML":               {"x " + everyByte(accessJWT, "&#%d;") + " y", loose, accessJWT, " y"},
		"JWT, in base64":             {"x " + base64.StdEncoding.EncodeToString([]byte("Bearer "+accessJWT)) + " y", loose, accessJWT, "x ‹base64 with token "},
		"refresh token alone":        {"got " + entraCode + ", thanks", loose, entraCode, "got ‹token "},
		"private key":                {"-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\n-----END RSA PRIVATE KEY-----\nrest", loose, "MIIEow", "rest"},
		"private key, in JSON":       {quoted("-----BEGIN PRIVATE KEY-----\nMIIEow==\n-----END PRIVATE KEY-----\nrest"), loose, "MIIEow", "rest"},
		"private key, broken off":    {"a -----BEGIN PRIVATE KEY-----\nMIIEow", loose, "MIIEow", "a ‹private key "},
		"password in an address":     {"http://dana:swordfish@proxy/x", loose, "swordfish", "@proxy/x"},
		"form-data":                  {"--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nsword fish\r\n--b--", loose, "sword fish", "\r\n--b--"},
		"logout token":               {"logout_token=" + accessJWT, formBody, accessJWT, "‹logout token "},
		"device":                     {`{"user_code":"FKD7QW2MX","device_code":"FAQABAAEA","message":"enter FKD7QW2MX to"}`, loose, "FKD7QW2MX", `"message":"enter ‹user code `},
		"Entra's page":               {`$Config={"sFT":"flow-token-8","canary":"c0","urlPost":"/x"}`, loose, "flow-token-8", `"urlPost":"/x"`},
		"WS-Trust, storage address":  {"https://x.blob.core.windows.net/a?sv=2024&sig=abc%2Bdef1", addressing, "abc+def1", "?sv=2024&sig=‹secret "},
		"CLI":                        {`{"accessToken":"` + accessJWT + `","tokenType":"Bearer"}`, loose, accessJWT, `"tokenType":"Bearer"`},
		"address in an escaped JSON": {`{"u":"https:\/\/x\/cb?code=abcdef7\u0026state=zzzzzz1"}`, loose, "abcdef7", `cb?code=‹code `},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRedactor(chance())
			got := r.clean(r.note([]byte(c.text), c.form))
			if leaks := Leaks([]byte(got), []string{c.secret}); leaks != nil || strings.Contains(got, c.secret) {
				t.Errorf("%v in %q", leaks, got)
			}
			if !strings.Contains(got, c.stays) {
				t.Errorf("it should keep %q: %q", c.stays, got)
			}
			if again := r.Text(got); again != got {
				t.Errorf("redacted again it is\n%q, was\n%q", again, got)
			}
		})
	}
}

// TestWhatStays: nothing that only looks like a secret is taken away.
func TestWhatStays(t *testing.T) {
	r := NewRedactor(chance())
	for _, text := range []string{
		`{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges."}}`,
		`{"error":"invalid_grant","error_codes":[70008],"error_uri":"https://login.microsoftonline.com/error?code=70008"}`,
		`{"token_type":"Bearer","expires_in":3599,"scope":"openid profile"}`,
		`{"subscriptionId":"3b5e9f72","state":"Enabled","@odata.nextLink":"https://g/x?$skiptoken=RFNwdAIAAQAAAD8"}`,
		`{"token_endpoint":"https://l/token","token_endpoint_auth_methods_supported":["client_secret_post"]}`,
		`{"claims":"{\"access_token\":{\"polids\":{\"essential\":true,\"values\":[\"4d20b7e9\"]}}}"}`,
		`Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19"`,
		"AADSTS50126: Invalid username or password. Trace ID: " + someID,
		"AADSTS7000215: Invalid client secret provided. Ensure the secret being sent is the client secret value.",
		`{"keys":[{"kty":"RSA","use":"sig","kid":"Qx3contoso1","n":"u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0","e":"AQAB"}]}`,
		"response_type=code%20id_token&code_challenge=" + verifierText + "&code_challenge_method=S256&claims=%7B%7D",
		"https://login.microsoftonline.com/error?code=70008", "Dana Reyes, dana@contoso.com, 203.0.113.7", "", "plain text: nothing here",
		`{"refresh_token":"","id_token":null}`,
	} {
		for _, f := range []form{loose, addressing} {
			if got := r.clean(r.note([]byte(text), f)); got != text {
				t.Errorf("%q\nbecame %q", text, got)
			}
		}
	}
}

// TestKnownSecretInEveryEncoding: a secret that was told is taken out of texts
// whose structure says nothing of it.
func TestKnownSecretInEveryEncoding(t *testing.T) {
	encode := map[string]func(string) string{
		"raw": func(s string) string { return s }, "query": url.QueryEscape, "path": url.PathEscape, "HTML": html.EscapeString, "JSON": quoted,
		"all of it":  func(s string) string { return everyByte(s, "%%%02x") },
		"HTML hex":   func(s string) string { return everyByte(s, "&#x%X;") },
		"base64":     func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64url":  func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
		"further in": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("ab" + s + "cd")) },
	}
	for _, secret := range []string{clientSecret, entraCode, verifierText, "sixsix", "correct horse battery", "a_b-c/d+e", `C:\new\table`, "p%2541%41q", `"quoted"`} {
		for outer, second := range encode {
			for inner, first := range encode {
				r := NewRedactor(chance())
				r.Secret(Secret, secret)
				got := r.Text("before, " + second(first(secret)) + " ,after")
				if leaks := Leaks([]byte(got), []string{secret}); leaks != nil {
					t.Errorf("%q %s, then %s: %v in %q", secret, inner, outer, leaks, got)
				}
				if !strings.HasPrefix(got, "before, ") || !strings.HasSuffix(got, " ,after") || !strings.Contains(got, "‹") {
					t.Errorf("%q %s, then %s: %q", secret, inner, outer, got)
				}
			}
		}
	}
}

// TestAttackPieces: halves of a secret in two places, and its beginning where a
// service cut it off.
func TestAttackPieces(t *testing.T) {
	r := NewRedactor(chance())
	r.Secret(AccessToken, accessJWT)
	for _, text := range []string{accessJWT[:100], accessJWT[100:], accessJWT[33:60], accessJWT[:20] + "…", url.QueryEscape(accessJWT[50:80])} {
		got := r.Text("x: " + text + " y")
		if !regexp.MustCompile(`^x: ‹(part of access token|token) [^›]+›…? y$`).MatchString(got) {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// TestSecretsSideBySide: one that begins where another has not ended yet.
func TestSecretsSideBySide(t *testing.T) {
	r := NewRedactor(chance())
	r.Secret(Cookie, "first-secret-of-all-tail")
	r.Secret(Password, "tail8next")
	if got := r.Text("x first-secret-of-all-tail8next y"); !regexp.MustCompile(`^x ‹cookie [^›]+› y$`).MatchString(got) {
		t.Errorf("%q", got)
	}
	if got := r.Text("tail8nexttail8next"); strings.Count(got, "‹password ") != 2 || strings.Contains(got, "tail") {
		t.Errorf("%q", got)
	}
}

// TestAttackGuessing: fingerprints of the same value differ between traces, those
// within one do not; nothing of a guess can be compared with them.
func TestAttackGuessing(t *testing.T) {
	first, second := NewRedactor(rand.NewChaCha8([32]byte{1})), NewRedactor(rand.NewChaCha8([32]byte{2}))
	text := "user_code=FKD7QW2MX"
	a, b := first.Text(text), second.Text(text)
	if a == b {
		t.Errorf("%q in two traces", a)
	}
	if again := first.Text("user_code=FKD7%51W2MX"); again != a {
		t.Errorf("the same value is %q and %q", a, again)
	}
	if other := first.Text("user_code=FKD7QW2MY"); other == a {
		t.Errorf("two values are %q", a)
	}
}

// TestAttackTooMuch: a page that is made to exhaust the search is not shown.
func TestAttackTooMuch(t *testing.T) {
	var many strings.Builder
	for i := range maxSecrets + 10 {
		fmt.Fprintf(&many, "&token=secret-%06d", i)
	}
	deep := strings.Repeat("%25", 1) + strings.Repeat("25", maxPasses+2) + "41"
	for name, c := range map[string]struct{ text, want string }{
		"many": {many.String(), withheldMany},
		"deep": {deep + " password=secret7", withheldDeep},
	} {
		r := NewRedactor(chance())
		if got := r.Text(c.text); got != c.want {
			t.Errorf("%s: %.200q", name, got)
		}
	}
	r := NewRedactor(chance())
	if got := r.Text(many.String()); got != withheldMany || r.Text("token=abcdef") != withheldMany {
		t.Error("after too many secrets texts are shown")
	}
}

func TestHeaderFields(t *testing.T) {
	basic := func(user, pass string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))
	}
	for name, c := range map[string]struct{ name, value, secret, want string }{
		"bearer":             {"AUTHORIZATION", "Bearer opaque77", "opaque77", `^Bearer ‹access token [^›]+›$`},
		"bearer, small":      {"authorization", "bearer  opaque77", "opaque77", `^bearer  ‹access token [^›]+›$`},
		"basic":              {"Authorization", basic("client", url.QueryEscape(clientSecret)), clientSecret, `^Basic ‹base64 with client secret [^›]+›$`},
		"basic, broken":      {"Authorization", "Basic !!!!swordfish", "!!!!swordfish", `^Basic ‹client secret [^›]+›$`},
		"no scheme":          {"Authorization", "swordfish", "swordfish", `^‹token [^›]+›$`},
		"other scheme":       {"Proxy-Authorization", `Digest username="x", response="abcdef"`, `username="x", response="abcdef"`, `^Digest ‹secret [^›]+›$`},
		"cookie":             {"Cookie", `a=one-cookie; b="two-cookie";c=3;naked-one`, "two-cookie", `^a=‹cookie [^›]+›; b="‹cookie [^›]+›";c=‹cookie [^›]+›;‹cookie [^›]+›$`},
		"set-cookie":         {"SET-COOKIE", "ESTSAUTH=one-cookie; path=/; HttpOnly", "one-cookie", `^ESTSAUTH=‹cookie [^›]+›; path=/; HttpOnly$`},
		"gone cookie":        {"Set-Cookie", "a=; Max-Age=0", "no secret", `^a=; Max-Age=0$`},
		"location":           {"Location", "https://p/cb?code=ab'cdef&state=#id_token=zzz;yyy", "zzz;yyy", `^https://p/cb\?code=‹code [^›]+›&state=#id_token=‹ID token [^›]+›$`},
		"identity":           {"X-IDENTITY-HEADER", "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a", "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a", `^‹secret [^›]+›$`},
		"old identity":       {"Secret", "853b9a84", "853b9a84", `^‹secret [^›]+›$`},
		"EasyAuth":           {"X-MS-TOKEN-AAD-ACCESS-TOKEN", "opaque77", "opaque77", `^‹access token [^›]+›$`},
		"EasyAuth, any":      {"x-ms-token-google-refresh-token", "opaque77", "opaque77", `^‹token [^›]+›$`},
		"DPoP":               {"DPoP", accessJWT, accessJWT, `^‹token [^›]+›$`},
		"nothing to hide":    {"Content-Type", "application/json; charset=utf-8", "no secret", `^application/json; charset=utf-8$`},
		"requests are known": {"x-ms-request-id", someID, "no secret", "^" + someID + "$"},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRedactor(chance())
			fields := r.fields(r.noteHeader(http.Header{c.name: {c.value}}))
			if len(fields) != 1 || !regexp.MustCompile(c.want).MatchString(fields[0].Value) || strings.Contains(fields[0].Value, c.secret) {
				t.Errorf("%q", fields)
			}
			if c.secret == "no secret" {
				return
			}
			// It is known from now on.
			if got := r.Text("later: " + c.secret); strings.Contains(got, c.secret) {
				t.Errorf("later %q", got)
			}
		})
	}
}

func TestParts(t *testing.T) {
	got := fmt.Sprint(Parts("a=‹code 7f3a·k2›&b=‹part of state ab2c·d3›"), Parts(""), Parts("‹open"), Parts("‹a·bc›!‹code 7f3a·k2›"))
	if got != "[{a= false} {‹code 7f3a·k2› true} {&b= false} {‹part of state ab2c·d3› true}] [] [{‹open false}] [{‹a·bc›! false} {‹code 7f3a·k2› true}]" {
		t.Error(got)
	}
}
