package entra

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/reqlog"
)

// TestAnswerIssuer is RFC 9207 §2.4 and §4.
func TestAnswerIssuer(t *testing.T) {
	const issuer = "https://login.example.com"
	for _, test := range []struct {
		name        string
		promised    bool
		iss         string
		withIDToken bool
		refused     bool
	}{
		{"named", true, issuer, false, false},
		{"named without a promise", false, issuer, false, false},
		{"another issuer", true, "https://login.example.net", false, true},
		{"another issuer without a promise", false, "https://login.example.net", false, true},
		{"another issuer beside an ID token", true, "https://login.example.net", true, true},
		{"missing though promised", true, "", false, true},
		{"missing without a promise", false, "", false, false},
		{"missing beside an ID token, which names it", true, "", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &Provider{}
			err := p.checkAnswerIssuer(&metadata{Issuer: issuer, AnswerNamesIssuer: test.promised}, test.iss, test.withIDToken)
			if (err != nil) != test.refused {
				t.Errorf("got %v, refused should be %t", err, test.refused)
			}
		})
	}
}

// TestSecretPlacement sends a client secret the way that the provider takes.
func TestSecretPlacement(t *testing.T) {
	const secret = "a+b c:d"
	for _, test := range []struct {
		name   string
		m      metadata
		inBody bool
	}{
		{"Entra", metadata{CloudInstance: "microsoftonline.com", TokenAuthMethods: []string{"client_secret_post", "client_secret_basic"}}, true},
		{"both", metadata{TokenAuthMethods: []string{"client_secret_post", "client_secret_basic"}}, false},
		{"body only", metadata{TokenAuthMethods: []string{"client_secret_post"}}, true},
		{"Basic only", metadata{TokenAuthMethods: []string{"client_secret_basic"}}, false},
		{"not said", metadata{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.m.TokenEndpoint = "https://login.example.com/token"
			p := &Provider{options: Options{ClientID: "portal", Credential: SecretCredential(secret)}}
			r, err := p.tokenRequest(t.Context(), &test.m, url.Values{})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.ParseForm(); err != nil {
				t.Fatal(err)
			}
			id, password, basic := r.BasicAuth()
			if basic == test.inBody || (r.PostForm.Get("client_secret") == secret) != test.inBody {
				t.Errorf("Basic: %t, body: %t; want in the body: %t", basic, r.PostForm.Has("client_secret"), test.inBody)
			}
			// RFC 6749 §2.3.1: both parts are form-encoded first.
			if basic && (id != "portal" || password != url.QueryEscape(secret)) {
				t.Errorf("Basic with %q and %q", id, password)
			}
		})
	}
}

// TestReferenceStaysHere: what the help desk asks for is no GUID, and a header
// of our own making helps nobody at the provider.
func TestReferenceStaysHere(t *testing.T) {
	p := &Provider{options: Options{ClientID: "portal"}}
	ctx := reqlog.With(t.Context(), "7K3M9QX2RB41", netip.Addr{})
	r, err := p.tokenRequest(ctx, &metadata{TokenEndpoint: "https://login.example.com/token"}, url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range r.Header {
		if strings.Contains(strings.Join(values, " "), "7K3M9QX2RB41") {
			t.Errorf("the reference is sent as %s", name)
		}
	}
}
