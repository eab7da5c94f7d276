package trace

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// slow are texts that a search can be lost in: names in values of names, lists in
// lists, ends that never come.
var slow = map[string]string{
	"lists in lists":            `"token":[`,
	"names in values":           `code=`,
	"keys without an end":       `PRIVATE KEY-----`,
	"values without an end":     `pin="`,
	"many secrets":              `pin=abcdefgh `,
	"one secret, over and over": `"token":"abcdefgh",`,
	"base64":                    `QUFBQUFBQUFBQUFB `,
	"fields":                    "form-data;name=pin\n\nabc",
}

// TestAttackTextThatTakesHours: each byte is looked at a bounded number of times,
// and a text that is not searched to its end is not shown.
func TestAttackTextThatTakesHours(t *testing.T) {
	const size = 60 << 10
	for name, shape := range slow {
		text := []byte(strings.Repeat(shape, size/len(shape)))
		told := 0
		whole := scan(text, loose, func(int, int, Kind) { told++ })
		if most := 2 * maxLooks * len(text); told > most {
			t.Errorf("%s: %d finds in %d bytes", name, told, len(text))
		}
		if shown := NewRedactor(chance()).Text(string(text)); !whole && shown != withheldDeep {
			t.Errorf("%s: not searched to its end, and shown: %.60q", name, shown)
		}
	}
	// What services really send is searched to its end.
	for _, text := range []string{`{"token":["one-secret-of-many","another-secret"],"code":"0.AQIAabcdefghijkl"}`, strings.Repeat(`{"access_token":"`+strings.Repeat("abc1", 400)+`"}`, 40)} {
		if !scan([]byte(text), loose, func(int, int, Kind) {}) {
			t.Errorf("%.60q is given up", text)
		}
	}
	if got := NewRedactor(chance()).Text(`{"token":[["nested-secret-1"],["nested-secret-2"]]}`); strings.Contains(got, "nested-secret") {
		t.Errorf("lists in a list: %s", got)
	}
}

// BenchmarkHostile is what 60 KB of such a text cost.
func BenchmarkHostile(b *testing.B) {
	for name, shape := range slow {
		text := strings.Repeat(shape, (60<<10)/len(shape))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				NewRedactor(chance()).Text(text)
			}
		})
	}
}

// TestAttackASecretBehindAPlus: in forms and addresses a plus is a blank, of JSON
// and of sentences too.
func TestAttackASecretBehindAPlus(t *testing.T) {
	const secret = "q8Q~Zx3vTn0aLm4bKp9r"
	for name, text := range map[string]string{
		"JSON":             `error_description={"client_secret":+"` + secret + `"}`,
		"JSON, escaped":    `error_description=%7B%22client_secret%22%3A+%22` + secret + `%22%7D`,
		"two blanks":       `error_description={"client_secret"+:+"` + secret + `"}`,
		"a sentence":       `error_description=client_secret+=+` + secret,
		"another":          `error_description=the+password+is+wrong,+password:+` + secret,
		"HTML":             `error_description=<input+name="client_secret"+value="` + secret + `">`,
		"HTML, escaped":    `error_description=%3Cinput+name%3D%22client_secret%22+value%3D%22` + secret + `%22%3E`,
		"brackets":         `user[client_secret]=` + secret,
		"brackets, JSON":   `a={"user[client_secret]":"` + secret + `"}`,
		"a fingerprint":    `client_secret=‹code abcd·ef›` + secret,
		"two fingerprints": `x=client_secret:‹code abcd·ef›‹code abcd·ef›` + secret,
	} {
		r := New(Options{Now: clock(), Random: chance()})
		r.Add(Exchange{Method: http.MethodPost, URL: "https://portal.example/cb?" + text, Header: http.Header{"Content-Type": {formType}}, Body: []byte(text)})
		m := r.Trace().Messages[0]
		for place, got := range map[string]string{"body": m.Request.Body.Text, "address": m.Request.URL} {
			if strings.Contains(got, secret[:12]) {
				t.Errorf("%s, %s: %s", name, place, got)
			}
		}
	}
}

// TestCoverage compares the tree with looking at each.
func TestCoverage(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		const size = 60
		var spans []span
		c := newCoverage(size, nil)
		for range 40 {
			start := random.IntN(size)
			s := span{start: start, end: start + 1 + random.IntN(size-start)}
			want := slices.ContainsFunc(spans, func(o span) bool { return o.start <= s.start && s.end <= o.end })
			if got := c.has(s); got != want {
				t.Fatalf("%v in %v: %v", s, spans, got)
			}
			if random.IntN(2) == 0 {
				spans = append(spans, s)
				c.add(s)
			}
		}
		if !newCoverage(size, []span{{start: 0, end: size}}).has(span{start: size - 1, end: size}) {
			t.Fatal("the whole text does not cover its end")
		}
	}
}

// TestALoginHintIsNoHalfToken: what Entra makes of an account is hidden whole, though
// its letters are in the token too; an account that a person typed is not.
func TestALoginHintIsNoHalfToken(t *testing.T) {
	const hint = "O.CiQ0YTgzZjVjMDYtMTJkNy00ZTliLWIwYzQtNjdmMWUyZDk1YTM4EiQ3YzllMWI0Mi0zZDU4"
	r := New(Options{Now: clock(), Random: chance()})
	r.Add(Exchange{Method: http.MethodGet, URL: "https://login.example/authorize?login_hint=dana%40contoso.com&logout_hint=" + hint})
	r.Add(Exchange{Method: http.MethodPost, URL: "https://portal.example/cb", Header: http.Header{"Content-Type": {formType}},
		Body: []byte("id_token=" + jwt(`{"sub":"dana","login_hint":"`+hint+`"}`))})
	got := r.Trace()
	if address := got.Messages[0].Request.URL; !strings.Contains(address, "login_hint=dana%40contoso.com") || strings.Contains(address, hint[:12]) {
		t.Errorf("the address: %s", address)
	}
	for _, c := range got.Tokens[0].Claims {
		if c.Name == "login_hint" && !isFingerprint([]byte(strings.Trim(c.Value, `"`))) {
			t.Errorf("the claim: %s", c.Value)
		}
	}
}
