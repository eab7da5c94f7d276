package entra

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// inspectCase is a case that the server's decoder and the script's are both held to.
type inspectCase struct {
	Name      string
	Text      string    // as it is pasted
	Parts     []*string // or its parts, to be encoded; the third of three is the signature
	Raw2      string    // encoded second part, where Parts has null
	TextParts []string  // or a first part to be encoded and others as they are
	Repeat    struct {
		Text  string
		Times int
	}
	Before, After  string
	Wrap           int // line length
	Problem, About string
	Notes          []string
	Header, Claims map[string]string
	ClaimsList     [][2]string `json:"claims_list"`
	Times          map[string]int64
	Count          int
}

func (c *inspectCase) token() string {
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	text := c.Text + strings.Repeat(c.Repeat.Text, c.Repeat.Times)
	var parts []string
	for _, part := range c.Parts {
		if part == nil {
			parts = append(parts, c.Raw2)
		} else {
			parts = append(parts, encode(*part))
		}
	}
	for i, part := range c.TextParts {
		if i == 0 {
			part = encode(part)
		}
		parts = append(parts, part)
	}
	text += strings.Join(parts, ".")
	if c.Wrap > 0 {
		var lines []string
		for len(text) > c.Wrap {
			lines, text = append(lines, text[:c.Wrap]), text[c.Wrap:]
		}
		text = strings.Join(append(lines, text), "\r\n")
	}
	return c.Before + text + c.After
}

func TestInspect(t *testing.T) {
	b, err := os.ReadFile("testdata/inspect.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []inspectCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			in := Inspect(c.token())
			if in.Problem.Code != c.Problem || c.About != "" && in.Problem.About != c.About {
				t.Fatalf("problem %q, want %q (%s)", in.Problem, c.Problem, c.About)
			}
			if word, ok := InspectWords[in.Problem.Code]; in.Problem.Code != "" && (!ok || word.Title == "" || word.Text == "") {
				t.Errorf("no words for %q", in.Problem.Code)
			}
			var notes []string
			for _, n := range in.Notes {
				notes = append(notes, n.Code+":"+n.About)
			}
			if !slices.Equal(notes, c.Notes) {
				t.Errorf("notes %q, want %q", notes, c.Notes)
			}
			holds(t, "header", in.Header, c.Header)
			holds(t, "claims", in.Claims, c.Claims)
			if c.Claims != nil && len(in.Claims) != len(c.Claims) || c.Count > 0 && len(in.Claims) != c.Count {
				t.Errorf("%d claims", len(in.Claims))
			}
			for i, want := range c.ClaimsList {
				if i >= len(in.Claims) || in.Claims[i].Name != want[0] || in.Claims[i].Value != want[1] {
					t.Errorf("claim %d of %v is not %q", i, in.Claims, want)
				}
			}
			if c.Times != nil {
				for _, claim := range in.Claims {
					if want := c.Times[claim.Name]; want == 0 != claim.Time.IsZero() || want != 0 && claim.Time.Unix() != want {
						t.Errorf("%s is at %v, want %d", claim.Name, claim.Time, want)
					}
				}
			}
		})
	}
}

func holds(t *testing.T, what string, claims []Claim, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if !slices.ContainsFunc(claims, func(c Claim) bool { return c.Name == name && c.Value == value }) {
			t.Errorf("%s %v lack %.80q = %.80q", what, claims, name, value)
		}
	}
}

// FuzzInspect: whatever is pasted, the decoder ends, has words for it, and shows
// what it shows as text that fits on a page.
func FuzzInspect(f *testing.F) {
	for _, seed := range []string{"", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjF9.c2ln", "....", `"eyJ9`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pasted string) {
		in := Inspect(pasted)
		if _, ok := InspectWords[in.Problem.Code]; in.Problem.Code != "" && !ok {
			t.Errorf("no words for %q", in.Problem.Code)
		}
		if code := in.Unverifiable(); in.Problem.Code != "" && code != "sig_unreadable" {
			t.Errorf("%q is verified: %q", in.Problem.Code, code)
		}
		if len(in.Claims) > 2*claimLimit+1 || len(in.Notes) > maxNotes {
			t.Errorf("%d claims, %d notes", len(in.Claims), len(in.Notes))
		}
		for _, c := range append(in.Header, in.Claims...) {
			if len(c.Name) > nameLimit+3 || len(c.Value) > valueLimit+3 {
				t.Errorf("%d bytes of %d", len(c.Value), len(c.Name))
			}
		}
		if in.PayloadText != "" && in.Problem.Code == "" && !json.Valid([]byte(in.PayloadText)) {
			t.Errorf("the content shown is no JSON: %q", in.PayloadText)
		}
	})
}

// handMade signs claims with no library, so that anything can stand in a header.
func handMade(t *testing.T, header, payload string, key any) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(payload))
	sum := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if strings.Contains(header, "PS256") {
			signature, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		}
	case *ecdsa.PrivateKey:
		r, s, signErr := ecdsa.Sign(rand.Reader, key, sum[:])
		if err = signErr; err == nil {
			signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		signature = mac.Sum(nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(signature)
}

func TestInspectSignature(t *testing.T) {
	a := newAuthority(t)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, foreign := testKeys()[0], testKeys()[1]
	a.mu.Lock()
	a.keys = append(a.keys, jose.JSONWebKey{Key: curve.Public(), KeyID: "curve", Use: "sig"})
	a.mu.Unlock()
	// Somebody whose listener must stay untouched.
	var touched atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { touched.Add(1) }))
	t.Cleanup(trap.Close)

	other := newAuthority(t)
	inspector, err := NewInspector(a.provider(), []string{other.issuer()})
	if err != nil {
		t.Fatal(err)
	}
	claims := func(iss string) string { return fmt.Sprintf(`{"iss":%q,"tid":%q}`, iss, testTenant) }
	ours := claims(a.issuer())
	header := func(alg, kid string, more ...string) string {
		return fmt.Sprintf(`{"alg":%q,"kid":%q%s}`, alg, kid, strings.Join(more, ""))
	}
	good := handMade(t, header("RS256", "k1"), ours, key)
	changed := good[:strings.IndexByte(good, '.')+1] + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(ours, "{", `{"roles":["Owner"],`, 1))) + good[strings.LastIndexByte(good, '.'):]
	for name, c := range map[string]struct{ token, code string }{
		"RS256":                     {good, "sig_good"},
		"PS256":                     {handMade(t, header("PS256", "k1"), ours, key), "sig_good"},
		"ES256":                     {handMade(t, header("ES256", "curve"), ours, curve), "sig_good"},
		"without kid":               {handMade(t, `{"alg":"RS256"}`, ours, key), "sig_good"},
		"issuer on the list":        {handMade(t, header("RS256", "k1"), claims(other.issuer()), key), "sig_good"},
		"changed":                   {changed, "sig_wrong"},
		"another key":               {handMade(t, header("RS256", "k1"), ours, foreign), "sig_wrong"},
		"algorithm of another kind": {handMade(t, header("ES256", "k1"), ours, curve), "sig_wrong"},
		"PS256 said to be RS256":    {strings.Replace(handMade(t, header("PS256", "k1"), ours, key), base64.RawURLEncoding.EncodeToString([]byte(header("PS256", "k1"))), base64.RawURLEncoding.EncodeToString([]byte(header("RS256", "k1"))), 1), "sig_wrong"},
		"unknown key":               {handMade(t, header("RS256", "k9"), ours, key), "sig_key_unknown"},
		"issuer not ours":           {handMade(t, header("RS256", "k1"), claims("https://login.example.net/x"), key), "sig_issuer_foreign"},
		"no issuer":                 {handMade(t, header("RS256", "k1"), `{"sub":"x"}`, key), "sig_issuer_missing"},
		"alg none":                  {handMade(t, header("none", "k1"), ours, nil), "sig_none"},
		"alg None":                  {handMade(t, header("nOnE", "k1"), ours, nil), "sig_none"},
		// The attack: the public key as the secret of an HMAC.
		"HS256":          {handMade(t, header("HS256", "k1"), ours, []byte("public key")), "sig_hmac"},
		"EdDSA":          {handMade(t, header("EdDSA", "k1"), ours, key), "sig_alg"},
		"no signature":   {good[:strings.LastIndexByte(good, '.')+1], "sig_malformed"},
		"two algorithms": {handMade(t, `{"alg":"none","alg":"RS256","kid":"k1"}`, ours, key), "sig_malformed"},
		"crit":           {handMade(t, header("RS256", "k1", `,"crit":["b64"]`), ours, key), "sig_crit"},
		"for Graph":      {handMade(t, header("RS256", "k1", `,"nonce":"n"`), `{"aud":"https://graph.microsoft.com/","iss":"x"}`, foreign), "sig_graph"},
		"encrypted":      {"eyJhbGciOiJkaXIifQ....", "sig_unreadable"},
		// The attacks: keys of the token's own.
		"jku": {handMade(t, header("RS256", "k9", `,"jku":"`+trap.URL+`/keys"`), ours, foreign), "sig_key_unknown"},
		"x5u": {handMade(t, header("RS256", "k1", `,"x5u":"`+trap.URL+`/cert"`), ours, foreign), "sig_wrong"},
		"jwk": {handMade(t, header("RS256", "k1", `,"jwk":`+jwkOf(t, foreign)), ours, foreign), "sig_wrong"},
		"iss": {handMade(t, header("RS256", "k1"), claims(trap.URL), foreign), "sig_issuer_foreign"},
	} {
		t.Run(name, func(t *testing.T) {
			note := inspector.Check(t.Context(), Inspect(c.token))
			if note.Code != c.code {
				t.Errorf("%q, want %q", note, c.code)
			}
			if word := InspectWords[note.Code]; word.Text == "" || word.Title == "" {
				t.Errorf("no words for %q", note.Code)
			}
		})
	}
	if n := touched.Load(); n != 0 {
		t.Errorf("an address that a token names was opened %d times", n)
	}
	a.mu.Lock()
	a.hook = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	a.mu.Unlock()
	fresh, err := NewInspector(a.provider(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if note := fresh.Check(t.Context(), Inspect(good)); note.Code != "sig_keys_away" {
		t.Errorf("without the provider: %q", note)
	}
}

// issuer returns the issuer of the one tenant.
func (a *authority) issuer() string { return a.metadata["issuer"].(string) }

func jwkOf(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	b, err := jose.JSONWebKey{Key: key.Public(), KeyID: "k1"}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestInspectKidFlood: whoever pastes made-up kids makes the provider be asked
// for its keys no oftener than a sign-in may, and takes nothing from it.
func TestInspectKidFlood(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	inspector, err := NewInspector(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		code := "sig_key_unknown"
		if i > kidBudget { // the first one fetches the keys for everyone
			code = "sig_key_later" // nobody has looked
		}
		if _, note := inspector.Keys(t.Context(), a.issuer(), testTenant, fmt.Sprint("made-up-", i)); note.Code != code {
			t.Fatalf("kid %d: %v, want %s", i+1, note, code)
		}
	}
	if n := a.count("/keys"); n > 1+kidBudget {
		t.Errorf("50 made-up kids cause %d fetches", n)
	}
	if p.keys.tokens != 0 || !p.keys.refilled.Equal(time.Time{}) {
		t.Error("the budget of sign-ins was used")
	}
}

func TestNewInspectorRefuses(t *testing.T) {
	p := newAuthority(t).provider()
	for name, trusted := range map[string][]string{"plain http": {"http://login.example/"}, "no address": {"login.example"}, "too many": make([]string, maxTrusted+1)} {
		if _, err := NewInspector(p, trusted); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
