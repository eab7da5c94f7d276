package entra

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
)

func FuzzParseAnswer(f *testing.F) {
	for _, seed := range []string{"state=s&code=c&id_token=i&session_state=x", "state=a&state=b", "error=access_denied&error_description=%3Cb%3E&state=s", "=&&=;",
		"error_uri=https%3A%2F%2Flogin.example%2Ferror%3Fcode%3D65004&error=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return // the handler refuses it before
		}
		answer, err := ParseAnswer(form)
		repeated := false
		for _, values := range form {
			repeated = repeated || len(values) > 1
		}
		if (err != nil) != repeated {
			t.Fatalf("ParseAnswer: %v, repeated: %v", err, repeated)
		}
		if err == nil && answer.State != form.Get("state") {
			t.Fatalf("state %q of %q", answer.State, body)
		}
		if err == nil && answer.Error.OAuthError != "" && apperr.From(ParseError(answer.Error)).Message == "" {
			t.Fatal("an error without words")
		}
	})
}

func FuzzMetadata(f *testing.F) {
	const good = `{"issuer":"https://a.example/v2.0","authorization_endpoint":"https://a.example/a","token_endpoint":"https://a.example/t","jwks_uri":"https://a.example/k"`
	for _, seed := range []string{good + "}", good + `,"end_session_endpoint":"http://127.0.0.1/l","id_token_signing_alg_values_supported":["none","HS256"]}`,
		`{}`, `[]`, `null`, `{"issuer":{}}`, good + `,"jwks_uri":"http://b.example"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parseMetadata(body, "https://a.example/v2.0")
		if err != nil {
			return
		}
		if m.Issuer != "https://a.example/v2.0" {
			t.Fatalf("issuer %q passes", m.Issuer)
		}
		for _, endpoint := range []string{m.AuthorizationEndpoint, m.TokenEndpoint, m.JWKSURI, m.EndSessionEndpoint} {
			u, err := url.Parse(endpoint)
			if endpoint == "" && endpoint == m.EndSessionEndpoint {
				continue
			}
			if err != nil || u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && !strings.HasPrefix(u.Hostname(), "127.") &&
				!strings.Contains(u.Hostname(), ":")) {
				t.Fatalf("endpoint %q passes", endpoint)
			}
		}
		if len(m.algorithms()) == 0 {
			t.Fatal("no algorithm")
		}
		for _, alg := range m.algorithms() {
			if alg == "none" || strings.HasPrefix(alg, "HS") {
				t.Fatalf("algorithm %s passes", alg)
			}
		}
	})
}

func FuzzKeys(f *testing.F) {
	for _, seed := range []string{`{"keys":[{"kty":"RSA","use":"sig","kid":"k","n":"sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSBigeC5yjU1hGzHHyXss8UDprecbAYxknTcQkhslANGRUZmdTOQ5qTRsLAt6BTYuyvVRdhS8exSZEy_c4gs_7svlJJQ4H9_NxsiIoLwAEk7-Q3UXERGYw_75IDrGA84-lA_-Ct4eTlXHBIY2EaV7t7LjJaynVJCpkv4LKjTTAumiGUIuQhrNhZLuF_RJLqHpM2kgWFLU7-VTdL1VbC2tejvcI2BlMkEpk1BzBZI0KQB0GaDWFLN-aEAw3vRw","e":"AQAB","issuer":"https://a/{tenantid}"}]}`,
		`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`, `{"keys":[null,1,"x",{}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`, `{"keys":{}}`, `{}`,
		// A private key, which everybody could sign with (RFC 7515 appendix A.3).
		`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":["!"]}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := parseKeys(body)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys and %v", len(keys), err)
		}
		for _, key := range keys {
			if _, symmetric := key.Key.([]byte); symmetric || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
				t.Fatalf("a key of kind %T, use %q passes", key.Key, key.Use)
			}
		}
	})
}

func FuzzTokenAnswer(f *testing.F) {
	for _, seed := range []string{`{"token_type":"Bearer","access_token":"a","expires_in":3600,"scope":"x y"}`, `{"token_type":"bearer","access_token":"a","expires_in":"3600"}`,
		`{"token_type":"Bearer","access_token":"a","expires_in":-1}`, `{"token_type":"Bearer","access_token":"a","expires_in":1e400}`, `{"expires_in":null}`,
		`{"token_type":"Bearer","access_token":"a","expires_in":1099511627776}`, `"`, `{"access_token":{}}`} {
		f.Add([]byte(seed))
	}
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		set, err := parseTokenAnswer(body, now)
		if err != nil {
			if kind := apperr.From(err).Kind; kind != apperr.BadGateway {
				t.Fatalf("an answer that makes no sense is of kind %v", kind)
			}
			return
		}
		if set.AccessToken == "" || !set.ExpiresAt.After(now) {
			t.Fatalf("a token %q that ends at %v passes", set.AccessToken, set.ExpiresAt)
		}
	})
}

func FuzzTokenError(f *testing.F) {
	f.Add(400, []byte(`{"error":"invalid_grant","error_description":"AADSTS70008: old","error_codes":[70008],"suberror":"bad_token","claims":"{}"}`))
	f.Add(500, []byte(`<html>`))
	f.Add(429, []byte(`Too Many Requests`))
	f.Add(401, []byte(`{"error":"<script>","error_codes":[-1,99999999999]}`))
	f.Add(200, []byte(`{"error":7}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		err := tokenError(status, body, nil)
		e := apperr.From(err)
		if err == nil || e.Message == "" || e.Code == "" {
			t.Fatalf("%v has the words %q and the code %q", err, e.Message, e.Code)
		}
		if strings.ContainsAny(e.Message+e.Next, "<>\r\n") {
			t.Fatalf("the words of a stranger: %q %q", e.Message, e.Next)
		}
		if strings.ContainsAny(err.Error(), "\r\n") {
			t.Fatalf("an error of more than one line: %q", err)
		}
	})
}
