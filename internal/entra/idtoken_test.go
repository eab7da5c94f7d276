package entra

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
)

// signInWith redeems an answer that holds only an ID token.
func signInWith(t *testing.T, p *Provider, raw string) (*Identity, error) {
	t.Helper()
	return p.Redeem(t.Context(), Answer{IDToken: raw}, Pending{ResponseType: "id_token", Nonce: testNonce})
}

// codeOf returns the code of an error, "" for none.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return apperr.From(err).Code
}

// TestIDTokenClaims changes one claim at a time, to both sides of each border.
func TestIDTokenClaims(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	at := func(d time.Duration) int64 { return a.Now().Add(d).Unix() }
	for _, test := range []struct {
		name  string
		claim string
		value any // nil takes it away
		code  string
	}{
		{"as it should be", "", nil, ""},
		{"expired within the skew", "exp", at(-4 * time.Minute), ""},
		{"expired", "exp", at(-5 * time.Minute), "id_token_exp"},
		{"no exp", "exp", nil, "id_token_exp"},
		{"nbf within the skew", "nbf", at(5 * time.Minute), ""},
		{"nbf in the future", "nbf", at(5*time.Minute + time.Second), "id_token_nbf"},
		{"no nbf", "nbf", nil, ""},
		{"iat within the skew", "iat", at(5 * time.Minute), ""},
		{"iat in the future", "iat", at(5*time.Minute + time.Second), "id_token_iat"},
		{"no iat", "iat", nil, "id_token_iat"},
		{"times with a fraction", "iat", float64(at(0)) + 0.5, ""},
		{"time as text", "exp", "tomorrow", "id_token_malformed"},
		{"time beyond all times", "exp", 1e300, "id_token_malformed"},
		{"wrong aud", "aud", testOther, "id_token_aud"},
		{"no aud", "aud", nil, "id_token_aud"},
		{"aud in another case", "aud", strings.ToUpper(testClient), "id_token_aud"},
		{"aud as a list of one", "aud", []string{testClient}, ""},
		{"two audiences without azp", "aud", []string{testClient, testOther}, "id_token_azp"},
		{"azp is ours", "azp", testClient, ""},
		{"azp is another's", "azp", testOther, "id_token_azp"},
		{"wrong iss", "iss", "https://login.example.net", "id_token_iss"},
		{"iss with a slash more", "iss", a.url + "/" + testTenant + "/v2.0/", "id_token_iss"},
		{"iss of v1", "iss", a.url + "/" + testTenant + "/", "id_token_iss"},
		{"iss of another tenant", "iss", a.url + "/" + testOther + "/v2.0", "id_token_iss"},
		{"no iss", "iss", nil, "id_token_iss"},
		{"wrong tid", "tid", testOther, "id_token_tid"},
		{"no tid", "tid", nil, "id_token_tid"},
		{"tid is part of the issuer but no GUID", "tid", "v2.0", "id_token_tid"},
		{"wrong nonce", "nonce", "another", "id_token_nonce"},
		{"empty nonce", "nonce", "", "id_token_nonce"},
		{"no nonce", "nonce", nil, "id_token_nonce"},
		{"no oid", "oid", nil, "id_token_person"},
		{"oid is no object id", "oid", "dana@contoso.com", "id_token_person"},
		{"no sub", "sub", nil, "id_token_person"},
		{"roles as one text", "roles", "Portal.Admin", ""},
		{"roles of another kind", "roles", 7, "id_token_malformed"},
		{"groups overage", "_claim_names", map[string]string{"groups": "src1"}, ""},
		{"groups overage of the implicit flow", "hasgroups", true, ""},
		{"groups of another provider's kind", "groups", []any{map[string]string{"name": "admins"}, 7}, ""},
		{"wids of another kind", "wids", "everything", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			claims := a.claims()
			if claims[test.claim] = test.value; test.value == nil {
				delete(claims, test.claim)
			}
			if test.claim == "_claim_names" {
				claims["_claim_sources"] = map[string]any{"src1": map[string]string{"endpoint": a.url + "/never"}}
			}
			identity, err := signInWith(t, p, a.signed(claims))
			if codeOf(err) != test.code || (identity != nil) != (test.code == "") {
				t.Fatalf("got %v, want the code %q", err, test.code)
			}
			if more := test.claim == "_claim_names" || test.claim == "hasgroups"; identity != nil && identity.User.MoreGroups != more {
				t.Errorf("more groups than fit in: %v", !more)
			}
			if identity != nil && identity.User.ID != (access.PersonID{Authority: testTenant, Subject: testPerson}) {
				t.Errorf("the person is %v", identity.User.ID)
			}
		})
	}
	if n := a.count("/never"); n != 0 {
		t.Errorf("an address in a token was called %d times", n)
	}
}

// TestAttackEmptyNonce: two empty nonces must not count as equal.
func TestAttackEmptyNonce(t *testing.T) {
	a := newAuthority(t)
	claims := a.claims()
	claims["nonce"] = ""
	_, err := a.provider().Redeem(t.Context(), Answer{IDToken: a.signed(claims)}, Pending{ResponseType: "id_token"})
	if codeOf(err) != "id_token_nonce" {
		t.Errorf("got %v", err)
	}
}

func TestAttackSignature(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	der, err := x509.MarshalPKIXPublicKey(testKeys()[0].Public())
	if err != nil {
		t.Fatal(err)
	}
	good := a.signed(a.claims())
	parts := strings.Split(good, ".")
	other := a.claims()
	other["oid"] = testOther
	for name, raw := range map[string]string{
		"none":                     "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"none with a signature":    "eyJhbGciOiJub25lIn0." + parts[1] + "." + parts[2],
		"nOnE":                     "eyJhbGciOiJuT25FIn0." + parts[1] + ".",
		"no signature":             parts[0] + "." + parts[1] + ".",
		"another token's payload":  parts[0] + "." + strings.Split(a.signed(other), ".")[1] + "." + parts[2],
		"four parts":               good + ".x",
		"two parts":                parts[0] + "." + parts[1],
		"nothing":                  ".",
		"blanks":                   " " + good,
		"more than 64 KiB":         good + strings.Repeat("x", 64<<10),
		"JSON serialization":       `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"key of another provider":  a.signed(a.claims(), func(k *jose.SigningKey, _ *jose.SignerOptions) { k.Key = testKeys()[1] }),
		"an algorithm not offered": a.signed(a.claims(), func(k *jose.SigningKey, _ *jose.SignerOptions) { k.Algorithm = jose.PS256 }),
		"HMAC with the public key": a.signed(a.claims(), func(k *jose.SigningKey, _ *jose.SignerOptions) {
			*k = jose.SigningKey{Algorithm: jose.HS256, Key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}
		}),
		"a key inside the token": a.signed(a.claims(), func(k *jose.SigningKey, o *jose.SignerOptions) {
			k.Key, o.EmbedJWK = testKeys()[1], true
			delete(o.ExtraHeaders, "kid")
		}),
		"a header that must be understood": a.signed(a.claims(), func(_ *jose.SigningKey, o *jose.SignerOptions) {
			o.WithCritical("x-unknown").WithHeader("x-unknown", 1)
		}),
	} {
		identity, err := signInWith(t, p, raw)
		if code := codeOf(err); identity != nil || code != "id_token_signature" && code != "id_token_malformed" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := signInWith(t, p, good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// TestAttackMetadataOffersHMAC: what a provider offers is cut down to what only
// the provider can sign.
func TestAttackMetadataOffersHMAC(t *testing.T) {
	a := newAuthority(t)
	a.metadata["id_token_signing_alg_values_supported"] = []string{"none", "HS256"}
	p := a.provider()
	if _, err := signInWith(t, p, a.signed(a.claims(), func(k *jose.SigningKey, _ *jose.SignerOptions) {
		*k = jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("s", 32))}
	})); codeOf(err) != "id_token_signature" {
		t.Errorf("HMAC: %v", err)
	}
	if _, err := signInWith(t, p, a.signed(a.claims())); err != nil {
		t.Errorf("RS256: %v", err)
	}
}

// TestManyTenants is the authority of many tenants: the issuer is a template,
// and who may come in is on a list.
func TestManyTenants(t *testing.T) {
	a := newAuthority(t)
	a.metadata["issuer"] = a.url + "/" + tenantTemplate + "/v2.0"
	a.extra["issuer"] = a.metadata["issuer"]
	p := a.provider(func(o *Options) { o.AllowedTenants = []string{testTenant} })
	issuerOf := func(tid string) string { return a.url + "/" + tid + "/v2.0" }
	for _, test := range []struct {
		name, tid, iss, code string
	}{
		{"on the list", testTenant, issuerOf(testTenant), ""},
		{"not on the list", testOther, issuerOf(testOther), "tenant_not_allowed"},
		{"tid on the list, issuer not", testTenant, issuerOf(testOther), "id_token_iss"},
		{"issuer on the list, tid not", testOther, issuerOf(testTenant), "id_token_iss"},
		{"template left as it is", tenantTemplate, issuerOf(tenantTemplate), "id_token_tid"},
		{"tid that reaches further", testTenant + "/v2.0/x", issuerOf(testTenant + "/v2.0/x"), "id_token_tid"},
		{"no tid", "", issuerOf(""), "id_token_tid"},
	} {
		claims := a.claims()
		claims["tid"], claims["iss"] = test.tid, test.iss
		if _, err := signInWith(t, p, a.signed(claims)); codeOf(err) != test.code {
			t.Errorf("%s: got %v, want %q", test.name, err, test.code)
		}
	}
}

// TestAttackListedTenantsWithoutCloudName: metadata that lacks a member which
// only decorates it must not open the portal to every tenant.
func TestAttackListedTenantsWithoutCloudName(t *testing.T) {
	a := newAuthority(t)
	a.metadata["issuer"] = a.url + "/" + tenantTemplate + "/v2.0"
	delete(a.metadata, "cloud_instance_name")
	p := a.provider(func(o *Options) { o.AllowedTenants = []string{testTenant} })
	for tid, code := range map[string]string{testTenant: "", testOther: "tenant_not_allowed"} {
		claims := a.claims()
		claims["tid"], claims["iss"] = tid, a.url+"/"+tid+"/v2.0"
		if _, err := signInWith(t, p, a.signed(claims)); codeOf(err) != code {
			t.Errorf("tenant %s: got %v, want %q", tid, err, code)
		}
	}
}

// TestAttackForeignKeyIssuer: a key that the document gives to one issuer signs
// for no other (entra.md §1.4).
func TestAttackForeignKeyIssuer(t *testing.T) {
	a := newAuthority(t)
	a.extra["issuer"] = a.url + "/" + testOther + "/v2.0"
	if _, err := signInWith(t, a.provider(), a.signed(a.claims())); codeOf(err) != "id_token_iss" {
		t.Errorf("got %v", err)
	}
}

// TestOtherProvider: elsewhere than in Entra a person is (iss, sub).
func TestOtherProvider(t *testing.T) {
	a := newAuthority(t)
	delete(a.metadata, "cloud_instance_name")
	claims := a.claims()
	delete(claims, "oid")
	delete(claims, "tid")
	identity, err := signInWith(t, a.provider(), a.signed(claims))
	if err != nil || identity.User.ID != (access.PersonID{Authority: a.metadata["issuer"].(string), Subject: "pairwise"}) {
		t.Errorf("got %+v, %v", identity, err)
	}
}

// TestHybrid redeems a code whose token endpoint's ID token the test chooses.
func TestHybrid(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	const code, accessToken = "the-code", "the-access-token"
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return base64.RawURLEncoding.EncodeToString(sum[:16])
	}
	for _, test := range []struct {
		name   string
		change func(front, back map[string]any)
		code   string
		asks   bool // the token endpoint is asked
	}{
		{"as it should be", func(_, _ map[string]any) {}, "", true},
		{"no c_hash in front", func(front, _ map[string]any) { delete(front, "c_hash") }, "id_token_c_hash", false},
		{"c_hash of another code in front", func(front, _ map[string]any) { front["c_hash"] = hash("other") }, "id_token_c_hash", false},
		{"c_hash of another code behind", func(_, back map[string]any) { back["c_hash"] = hash("other") }, "id_token_c_hash", true},
		{"at_hash fits", func(_, back map[string]any) { back["at_hash"] = hash(accessToken) }, "", true},
		{"at_hash of another token", func(_, back map[string]any) { back["at_hash"] = hash("other") }, "id_token_at_hash", true},
		{"another sub behind", func(_, back map[string]any) { back["sub"] = "other" }, "second_id_token_differs", true},
		{"another oid behind", func(_, back map[string]any) { back["oid"] = testOther }, "second_id_token_differs", true},
		{"another nonce behind", func(_, back map[string]any) { back["nonce"] = "other" }, "id_token_nonce", true},
		{"another aud behind", func(_, back map[string]any) { back["aud"] = testOther }, "id_token_aud", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			front, back := a.claims(), a.claims()
			front["c_hash"] = hash(code)
			test.change(front, back)
			answer := `{"token_type":"Bearer","access_token":"` + accessToken + `","expires_in":"3600","id_token":"` + a.signed(back) + `"}`
			a.answerWith(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/token" {
					_, _ = w.Write([]byte(answer))
				}
				return r.URL.Path == "/token"
			})
			before := a.count("/token")
			identity, err := p.Redeem(t.Context(), Answer{IDToken: a.signed(front), Code: code},
				Pending{ResponseType: "code id_token", Nonce: testNonce, Verifier: "v"})
			if codeOf(err) != test.code || (identity != nil) != (test.code == "") {
				t.Errorf("got %v, want %q", err, test.code)
			}
			if asked := a.count("/token") > before; asked != test.asks {
				t.Errorf("the token endpoint was asked: %v, want %v", asked, test.asks)
			}
		})
	}
}
