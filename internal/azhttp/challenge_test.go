package azhttp

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"azts.internal/portal/internal/apperr"
)

const claimsJSON = `{"access_token":{"acrs":{"essential":true,"value":"c1"},"x":"??>>~~"}}`

func TestChallengeOfAnyFormBecomesClaims(t *testing.T) {
	std := base64.StdEncoding.EncodeToString([]byte(claimsJSON))
	forms := map[string]string{
		"entra":     `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="x", error="insufficient_claims", claims="` + std + `"`,
		"url":       `Bearer error="insufficient_claims", claims="` + base64.URLEncoding.EncodeToString([]byte(claimsJSON)) + `"`,
		"raw":       `bearer claims="` + strings.TrimRight(std, "=") + `",error=insufficient_claims`,
		"second":    `Basic realm="a, b", Bearer error="insufficient_claims" , claims="` + std + `"`,
		"negotiate": `Negotiate abc==, Bearer error = "insufficient_claims", claims="` + std + `"`,
	}
	for name, header := range forms {
		f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.Header().Add("WWW-Authenticate", header)
			w.WriteHeader(401)
		})
		_, err := f.get(Repeatable)
		var ch *ChallengeError
		if !errors.As(err, &ch) || ch.Claims != claimsJSON || ch.ErrorCode != "insufficient_claims" {
			t.Errorf("%s: %+v, %v", name, ch, err)
		}
		want(t, err, apperr.Unauthenticated, "claims_challenge")
		if f.count() != 1 || len(f.tokens.invalidated) != 1 {
			t.Errorf("%s: %d calls, invalidated %v", name, f.count(), f.tokens.invalidated)
		}
	}
}

func TestChallengeOn403CountsToo(t *testing.T) {
	f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(claimsJSON))+`"`)
		w.WriteHeader(403)
	})
	_, err := f.get(Repeatable)
	want(t, err, apperr.Unauthenticated, "claims_challenge")
}

func TestUnreadableClaimsLeaveAPlain401(t *testing.T) {
	enc := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, claims := range []string{"", "%%%", "a", enc("[]"), enc("{}"), enc("null"), enc("not json"), enc(`{"a":1`), enc("\x00")} {
		f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_claims", claims="`+claims+`"`)
			w.WriteHeader(401)
		})
		_, err := f.get(Repeatable)
		want(t, err, apperr.Forbidden, "token_refused")
	}
	f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `DPoP claims="`+enc(claimsJSON)+`"`)
		w.WriteHeader(401)
	})
	_, err := f.get(Repeatable)
	want(t, err, apperr.Forbidden, "token_refused")
}

// TestAttackHugeChallenge: claims go into an address and a cookie, so a service
// must not fill them; its own meaning of a 401 is not told either.
func TestAttackHugeChallenge(t *testing.T) {
	claims := func(size int) string {
		return base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"x":{"value":"` + strings.Repeat("A", size-35) + `"}}}`))
	}
	for size, code := range map[int]string{maxClaims: "claims_challenge", maxClaims + 1: "claims_too_large", 20000: "claims_too_large"} {
		f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_claims", claims="`+claims(size)+`"`)
			w.WriteHeader(401)
		}, func(c *Config) {
			c.Explain = func(*CallError) *apperr.Error { return apperr.New(apperr.Forbidden, "own", "Own.") }
		})
		_, err := f.get(Repeatable)
		kind := apperr.BadGateway
		if code == "claims_challenge" {
			kind = apperr.Unauthenticated
		}
		if want(t, err, kind, code); f.count() != 1 {
			t.Errorf("%d bytes of claims: the service was asked %d times", size, f.count())
		}
	}
}

func TestParseChallenges(t *testing.T) {
	cases := map[string][]Challenge{
		`Basic realm="x\"y"`:                  {{"basic", map[string]string{"realm": `x"y`}}},
		`Bearer`:                              {{"bearer", map[string]string{}}},
		`Bearer a=1, A=2`:                     {{"bearer", map[string]string{"a": "1"}}},
		`A x=1, B y="2,3"`:                    {{"a", map[string]string{"x": "1"}}, {"b", map[string]string{"y": "2,3"}}},
		`Bearer a="open`:                      {{"bearer", map[string]string{"a": "open"}}},
		`,, Bearer ,,a=b,,`:                   {{"bearer", map[string]string{"a": "b"}}},
		`a=b`:                                 nil,
		`"`:                                   nil,
		strings.Repeat("x ", maxChallenges+9): nil,
	}
	for in, expected := range cases {
		got := ParseChallenges([]string{in})
		if expected == nil && len(got) <= maxChallenges {
			continue
		}
		if !reflect.DeepEqual(got, expected) {
			t.Errorf("%q = %v", in, got)
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	f.Add(`Bearer realm="", error="insufficient_claims", claims="eyJhIjoxfQ=="`, "Basic")
	f.Add(`Negotiate abc==,Bearer a = "b\"`, ",=\"\\")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, ch := range ParseChallenges([]string{a, b}) {
			if ch.Scheme == "" || len(ch.Params) > maxChallengeParam {
				t.Errorf("challenge %+v", ch)
			}
		}
		if ch, err := bearerClaims([]string{a, b}); ch != nil && (err != nil || len(ch.Claims) > maxClaims || !json.Valid([]byte(ch.Claims)) || ch.Claims[0] != '{') {
			t.Errorf("claims %q", ch.Claims)
		}
	})
}
