package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	testClient = "2f6d8a10-94c3-4b7e-8e15-0a3c7d91b6e2"
	testTenant = "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10"
	testOther  = "93d0c7a5-1b6e-4f28-8c49-e05a7d2b61f4"
	testPerson = "a83f5c06-12d7-4e9b-b0c4-67f1e2d95a38"
	testNonce  = "n-0S6_WzA2Mj"
)

// testKeys are made once: RSA keys take their time.
var testKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// authority is a provider of which a test decides every byte.
type authority struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	now      time.Time
	metadata map[string]any
	keys     []jose.JSONWebKey
	extra    map[string]any // members of each key's entry, such as issuer
	hits     map[string]int
	hook     func(http.ResponseWriter, *http.Request) bool
}

// newAuthority starts a provider: Entra's dialect of one tenant, until the test
// changes it.
func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), hits: map[string]int{}, extra: map[string]any{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.url = server.URL
	a.keys = []jose.JSONWebKey{{Key: testKeys()[0].Public(), KeyID: "k1", Use: "sig"}}
	a.metadata = map[string]any{"issuer": a.url + "/" + testTenant + "/v2.0", "authorization_endpoint": a.url + "/authorize", "token_endpoint": a.url + "/token",
		"jwks_uri": a.url + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}, "cloud_instance_name": "sandbox.invalid"}
	return a
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.hits[r.URL.Path]++
	hook := a.hook
	var answer any = a.metadata
	if r.URL.Path == "/keys" {
		var entries []map[string]any
		for _, key := range a.keys {
			entry := map[string]any{}
			b, err := json.Marshal(key)
			if err != nil || json.Unmarshal(b, &entry) != nil {
				panic("a key of the test does not encode")
			}
			maps.Copy(entry, a.extra)
			entries = append(entries, entry)
		}
		answer = map[string]any{"keys": entries}
	}
	body, err := json.Marshal(answer)
	a.mu.Unlock()
	if err != nil {
		panic(err)
	}
	if hook != nil && hook(w, r) {
		return
	}
	_, _ = w.Write(body)
}

func (a *authority) Now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *authority) pass(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = a.now.Add(d)
}

func (a *authority) count(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hits[path]
}

func (a *authority) answerWith(hook func(http.ResponseWriter, *http.Request) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hook = hook
}

// breaks makes a path answer 500 until it is called with "".
func (a *authority) breaks(path string) {
	a.answerWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return r.URL.Path == path
	})
}

// provider returns our side, configured for the authority.
func (a *authority) provider(change ...func(*Options)) *Provider {
	a.t.Helper()
	o := Options{Issuer: a.metadata["issuer"].(string), MetadataURL: a.url + "/metadata", ClientID: testClient, RedirectURL: "http://localhost/auth/callback",
		Client: &http.Client{Timeout: 5 * time.Second}, Now: a.Now, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	p, err := NewProvider(o)
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

// claims are those of a good ID token.
func (a *authority) claims() map[string]any {
	now := a.Now().Unix()
	return map[string]any{"iss": strings.Replace(a.metadata["issuer"].(string), tenantTemplate, testTenant, 1), "aud": testClient, "sub": "pairwise", "tid": testTenant,
		"oid": testPerson, "nonce": testNonce, "iat": now, "nbf": now, "exp": now + 3600}
}

// signed returns claims as a token, signed by the first key unless changed.
func (a *authority) signed(claims map[string]any, change ...func(*jose.SigningKey, *jose.SignerOptions)) string {
	a.t.Helper()
	key := jose.SigningKey{Algorithm: jose.RS256, Key: testKeys()[0]}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "k1")
	for _, f := range change {
		f(&key, options)
	}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		a.t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		a.t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func withKid(kid string) func(*jose.SigningKey, *jose.SignerOptions) {
	return func(_ *jose.SigningKey, o *jose.SignerOptions) { o.WithHeader("kid", kid) }
}
