package entra

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azts.internal/portal/internal/apperr"
)

// TestKidBudget is the rule against floods: five unknown kids are looked up at
// once, then one a minute.
func TestKidBudget(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	flood := func(n int) int {
		t.Helper()
		before := a.count("/keys")
		for i := range n {
			if _, err := signInWith(t, p, a.signed(a.claims(), withKid(fmt.Sprint("made-up-", i)))); codeOf(err) != "id_token_key" {
				t.Fatalf("an unknown kid is answered with %v", err)
			}
		}
		return a.count("/keys") - before
	}
	if n := flood(20); n != 1+kidBudget {
		t.Errorf("20 unknown kids cause %d fetches, want the first and %d more", n, kidBudget)
	}
	a.pass(kidRefill + time.Second)
	if n := flood(20); n != 1 {
		t.Errorf("20 more a minute later cause %d fetches, want 1", n)
	}
	a.pass(time.Hour - time.Second)
	if n := flood(20); n > 1+kidBudget {
		t.Errorf("20 more an hour later cause %d fetches", n)
	}
	// Whoever floods locks nobody out who signs with a key that is known.
	if _, err := signInWith(t, p, a.signed(a.claims())); err != nil {
		t.Errorf("after the flood: %v", err)
	}
}

// TestKidFloodAtOnce: the callers of one moment share a fetch.
func TestKidFloodAtOnce(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw := a.signed(a.claims(), withKid("made-up"))
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() { _, _ = signInWith(t, p, raw) }) // refused, as above
	}
	wait.Wait()
	if n := a.count("/keys"); n > 1+kidBudget {
		t.Errorf("50 at once cause %d fetches", n)
	}
}

func TestKeyRotationIsFollowed(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	if _, err := signInWith(t, p, a.signed(a.claims())); err != nil {
		t.Fatal(err)
	}
	second := func(k *jose.SigningKey, o *jose.SignerOptions) {
		k.Key = testKeys()[1]
		o.WithHeader("kid", "k2")
	}
	a.mu.Lock()
	a.keys = []jose.JSONWebKey{{Key: testKeys()[1].Public(), KeyID: "k2", Use: "sig"}}
	a.mu.Unlock()
	if _, err := signInWith(t, p, a.signed(a.claims(), second)); err != nil {
		t.Errorf("the new key is not fetched: %v", err)
	}
	// Tokens signed before the rotation are still under way.
	if _, err := signInWith(t, p, a.signed(a.claims())); err != nil {
		t.Errorf("the old key is forgotten at once: %v", err)
	}
	a.pass(keysForget + time.Minute)
	if _, err := signInWith(t, p, a.signed(a.claims())); codeOf(err) != "id_token_key" {
		t.Errorf("a key that was withdrawn a day ago is still believed: %v", err)
	}
	if _, err := signInWith(t, p, a.signed(a.claims(), second)); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

// TestKeysGoOnWithoutTheProvider: keys that are known serve while the provider
// does not.
func TestKeysGoOnWithoutTheProvider(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	if _, err := signInWith(t, p, a.signed(a.claims())); err != nil {
		t.Fatal(err)
	}
	a.breaks("/keys")
	a.pass(keysFresh + time.Minute)
	if _, err := signInWith(t, p, a.signed(a.claims())); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	if _, err := signInWith(t, p, a.signed(a.claims(), withKid("new"))); !apperr.IsKind(err, apperr.Unavailable) {
		t.Errorf("a kid that cannot be looked up is answered with %v", err)
	}
}

// TestMetadataLives: success counts for an hour, a failure for two seconds, and
// what was known serves for a day.
func TestMetadataLives(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	ready := func(want int, failing bool) {
		t.Helper()
		if err := p.Ready(t.Context()); (err != nil) != failing {
			t.Errorf("Ready: %v", err)
		}
		p.metadata.idle() // what serves is fetched again behind it
		if n := a.count("/metadata"); n != want {
			t.Errorf("%d fetches, want %d", n, want)
		}
	}
	a.breaks("/metadata")
	ready(1, true)
	ready(1, true) // not asked again at once
	a.pass(fetchPause)
	ready(2, true)
	a.answerWith(nil)
	a.pass(fetchPause)
	ready(3, false)
	a.pass(metadataFresh - time.Second)
	ready(3, false)
	a.breaks("/metadata")
	a.pass(time.Second)
	ready(4, false) // the old one serves
	if p.Problem() == nil {
		t.Error("nobody is told that the provider is away")
	}
	a.pass(metadataStale)
	ready(5, true)
}

func TestAttackMetadata(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"foreign issuer":                   func(m map[string]any) { m["issuer"] = "https://login.example.net" },
		"no issuer":                        func(m map[string]any) { delete(m, "issuer") },
		"issuer with a slash more":         func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "/" },
		"token endpoint without TLS":       func(m map[string]any) { m["token_endpoint"] = "http://login.example.net/token" },
		"keys from a file":                 func(m map[string]any) { m["jwks_uri"] = "file:///etc/passwd" },
		"authorization endpoint is script": func(m map[string]any) { m["authorization_endpoint"] = "javascript:alert(1)" },
		"sign-out without TLS":             func(m map[string]any) { m["end_session_endpoint"] = "http://login.example.net/logout" },
		"no token endpoint":                func(m map[string]any) { delete(m, "token_endpoint") },
		"more than a megabyte":             func(m map[string]any) { m["x"] = strings.Repeat("x", maxDocument) },
	} {
		a := newAuthority(t)
		p := a.provider()
		change(a.metadata)
		if err := p.Ready(t.Context()); !apperr.IsKind(err, apperr.BadGateway) {
			t.Errorf("%s: %v", name, err)
		}
		if p.OriginList() != "" {
			t.Errorf("%s: origins are believed", name)
		}
	}
}

// TestSlowProvider: who does not answer in time has failed us, and waits of
// others end too.
func TestSlowProvider(t *testing.T) {
	for _, path := range []string{"/metadata", "/keys", "/token"} {
		t.Run(path, func(t *testing.T) {
			a := newAuthority(t)
			a.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == path {
					_, _ = io.Copy(io.Discard, r.Body) // only then does a server notice who hangs up
					<-r.Context().Done()               // until our side does
				}
				return r.URL.Path == path
			})
			p := a.provider(func(o *Options) { o.Client = &http.Client{Timeout: 100 * time.Millisecond} })
			answer, pending := Answer{IDToken: a.signed(a.claims())}, Pending{ResponseType: "id_token", Nonce: testNonce}
			if path == "/token" {
				answer, pending = Answer{Code: "c"}, Pending{ResponseType: "code", Nonce: testNonce}
			}
			if _, err := p.Redeem(t.Context(), answer, pending); !apperr.IsKind(err, apperr.Timeout) {
				t.Errorf("got %v, want a time-out", err)
			}
		})
	}
}

// TestCallerLeaves: a person who closes the page while the metadata is fetched
// does not spoil it for the others.
func TestCallerLeaves(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	ctx, cancel := context.WithCancel(t.Context())
	a.answerWith(func(http.ResponseWriter, *http.Request) bool {
		cancel()
		return false
	})
	_ = p.Ready(ctx) // whether the end or the metadata came first does not matter
	if err := p.Ready(t.Context()); err != nil || a.count("/metadata") != 1 {
		t.Errorf("got %v after %d fetches", err, a.count("/metadata"))
	}
}

// hangs makes a path answer nothing until the provider is stopped.
func (a *authority) hangs(path string, p *Provider) {
	a.t.Cleanup(p.stop)
	a.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			<-r.Context().Done()
		}
		return r.URL.Path == path
	})
}

// TestAttackHangingMetadata: a provider that takes the connection and says
// nothing holds nobody beyond the caller's own deadline, and nobody at all while
// the metadata of an hour ago is good.
func TestAttackHangingMetadata(t *testing.T) {
	a := newAuthority(t)
	p := a.provider(func(o *Options) { o.Client = &http.Client{} })
	a.hangs("/metadata", p)
	begun := time.Now()
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := p.Ready(ctx); !apperr.IsKind(err, apperr.Timeout) {
				t.Errorf("without metadata: %v", err)
			}
		})
	}
	wait.Wait()
	if took := time.Since(begun); took > fetchTimeout/2 || a.count("/metadata") != 1 {
		t.Errorf("waited %v, %d fetches", took, a.count("/metadata"))
	}

	b := newAuthority(t)
	p = b.provider(func(o *Options) { o.Client = &http.Client{} })
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.hangs("/metadata", p)
	b.pass(metadataFresh)
	gone, cancel := context.WithCancel(t.Context())
	cancel() // who waited at all would see its end
	for range 5 {
		if _, err := p.EndSessionURL(gone, SignOut{}); err != nil {
			t.Errorf("with the metadata of an hour ago: %v", err)
		}
	}
	b.pass(metadataStale)
	if err := p.Ready(gone); err == nil {
		t.Error("metadata of more than a day ago is believed")
	}
}

// TestAttackHangingKeys is the same for the signing keys.
func TestAttackHangingKeys(t *testing.T) {
	a := newAuthority(t)
	p := a.provider(func(o *Options) { o.Client = &http.Client{} })
	if _, err := signInWith(t, p, a.signed(a.claims())); err != nil {
		t.Fatal(err)
	}
	a.hangs("/keys", p)
	a.pass(keysFresh) // the metadata, as old, is fetched again and is there
	redeem := func(ctx context.Context, raw string) error {
		_, err := p.Redeem(ctx, Answer{IDToken: raw}, Pending{ResponseType: "id_token", Nonce: testNonce})
		return err
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := redeem(gone, a.signed(a.claims())); err != nil {
		t.Errorf("a key that is known: %v", err)
	}
	brief, cancelBrief := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancelBrief()
	begun := time.Now()
	if err := redeem(brief, a.signed(a.claims(), withKid("new"))); !apperr.IsKind(err, apperr.Timeout) {
		t.Errorf("a key that is not known: %v", err)
	}
	if took := time.Since(begun); took > fetchTimeout/2 {
		t.Errorf("waited %v", took)
	}
}

// TestStopEndsFetches: nothing is left behind that has no owner.
func TestStopEndsFetches(t *testing.T) {
	a := newAuthority(t)
	p := a.provider(func(o *Options) { o.Client = &http.Client{} })
	a.hangs("/metadata", p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Run(ctx)
	if err := p.Ready(t.Context()); err == nil || p.metadata.underway != nil {
		t.Errorf("after the end: %v", err)
	}
}

// TestParseAnswer reads the form of RFC 6749 and OpenID Connect.
func TestParseAnswer(t *testing.T) {
	got, err := ParseAnswer(map[string][]string{"state": {"s"}, "code": {"c"}, "id_token": {"i"}, "session_state": {"ss"}, "iss": {"x"}})
	want := Answer{State: "s", Code: "c", IDToken: "i", SessionState: "ss", Issuer: "x"}
	if err != nil || got.State != want.State || got.Code != want.Code || got.IDToken != want.IDToken || got.SessionState != want.SessionState || got.Issuer != want.Issuer {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := ParseAnswer(map[string][]string{"unknown": {"a", "b"}}); codeOf(err) != "parameter_repeated" {
		t.Errorf("a parameter that nobody knows comes twice: %v", err)
	}
}
