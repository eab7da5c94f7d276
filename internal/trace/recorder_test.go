package trace

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock moves by a second each time it is looked at.
func clock() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

func newRecorder() *Recorder {
	return New(Options{ID: "t1", Owner: "tenant|dana", Flow: "auth-code", Now: clock(), Random: chance()})
}

// told fails if what is stored of a trace has one of the secrets in it.
func told(t *testing.T, tr Trace, secrets ...string) {
	t.Helper()
	var stored bytes.Buffer
	if err := tr.WriteJSON(&stored); err != nil {
		t.Fatal(err)
	}
	if err := tr.WriteHAR(&stored, "portal", "1"); err != nil {
		t.Fatal(err)
	}
	if leaks := Leaks(stored.Bytes(), secrets); leaks != nil {
		t.Errorf("%v in %s", leaks, stored.Bytes())
	}
}

// exchange sends one request through a Recorder to serve and returns what the
// caller read and what was recorded.
func exchange(t *testing.T, r *Recorder, serve http.HandlerFunc, req func(address string) *http.Request) (body []byte, m Message) {
	t.Helper()
	server := httptest.NewServer(serve)
	defer server.Close()
	client := &http.Client{Transport: r.Transport(server.Client().Transport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	messages := r.Trace().Messages
	return body, messages[len(messages)-1]
}

func post(t *testing.T, contentType string, body io.Reader) func(string) *http.Request {
	return func(address string) *http.Request {
		step := Step{ID: "redeem", From: "Portal", To: "Tenant", Name: "Code for tokens"}
		req, err := http.NewRequestWithContext(WithStep(t.Context(), step), http.MethodPost, address+"/token", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		return req
	}
}

const formType = "application/x-www-form-urlencoded"

func TestTokenRequestIsRecorded(t *testing.T) {
	r := newRecorder()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {entraCode}, "client_secret": {clientSecret}, "code_verifier": {verifierText}}.Encode()
	answer := `{"token_type":"Bearer","access_token":"` + accessJWT + `","trace_id":"` + someID + `"}`
	body, m := exchange(t, r, func(w http.ResponseWriter, req *http.Request) {
		sent, err := io.ReadAll(req.Body)
		if err != nil || string(sent) != form || req.ContentLength != int64(len(form)) {
			t.Errorf("the server got %q (%d), %v", sent, req.ContentLength, err)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Set-Cookie", "fpc=cookie-77; path=/")
		_, _ = io.WriteString(w, answer)
	}, post(t, formType, strings.NewReader(form)))

	if string(body) != answer {
		t.Errorf("the caller got %q", body)
	}
	if m.ID != "redeem" || m.From != "Portal" || m.To != "Tenant" || m.Name != "Code for tokens" || m.Answer == nil || m.Answer.Status != 200 || m.Answer.Proto != "HTTP/1.1" {
		t.Errorf("%+v", m)
	}
	if !strings.Contains(m.Request.Body.Text, "grant_type=authorization_code") || m.Request.Body.Type != formType || m.Request.Body.Size != int64(len(form)) {
		t.Errorf("request %+v", m.Request.Body)
	}
	if !strings.Contains(m.Answer.Body.Text, `"access_token":"‹access token `) || m.Answer.Body.Type != "application/json" || m.Answer.Body.Note != "" {
		t.Errorf("answer %+v", m.Answer.Body)
	}
	if m.Wait <= 0 || m.Took < m.Wait || m.StartedAt.IsZero() {
		t.Errorf("times %v, %v, %v", m.StartedAt, m.Wait, m.Took)
	}
	if first := m.Request.Header[0]; first.Name != "Content-Type" {
		t.Errorf("the first header is %v", first)
	}
	tr := r.Trace()
	told(t, tr, entraCode, clientSecret, verifierText, accessJWT, "cookie-77")
	if len(tr.Correlations) != 1 || tr.Correlations[0] != (Correlation{"Trace ID", someID, 0}) {
		t.Errorf("correlations %v", tr.Correlations)
	}
	if len(tr.Tokens) != 1 || !strings.Contains(m.Answer.Body.Text, "‹"+tr.Tokens[0].Fingerprint+"›") {
		t.Errorf("tokens %+v", tr.Tokens)
	}
}

func compressed(text string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return out.Bytes()
}

// TestBodies: of all sorts, the caller gets what was sent, and the trace what can
// be read of it.
func TestBodies(t *testing.T) {
	secret := "opaque-" + strings.Repeat("s3cr3t", 4)
	member := `{"refresh_token":"` + secret + `"}`
	long := strings.Repeat("long text. ", 100<<10)
	for name, c := range map[string]struct {
		serve      func(w http.ResponseWriter)
		body       string // what the caller gets
		text, note string // what the trace has
	}{
		"plain": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, member) }, member, `{"refresh_token":"‹refresh token `, ""},
		"compressed": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(compressed(member))
		}, string(compressed(member)), `{"refresh_token":"‹refresh token `, ""},
		"said to be compressed": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, member)
		}, member, "", "not shown: 51 bytes, not compressed as they say"},
		"compressed otherwise": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = io.WriteString(w, member)
		}, member, "", "not shown: 51 bytes, compressed in a way that is not read here"},
		"in chunks": {func(w http.ResponseWriter) {
			for i := range len(member) {
				_, _ = io.WriteString(w, member[i:i+1])
				w.(http.Flusher).Flush()
			}
		}, member, `{"refresh_token":"‹refresh token `, ""},
		"a picture": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, "\x89PNG\x00\xff"+secret)
		}, "\x89PNG\x00\xff" + secret, "", "not shown: 37 bytes that are no text"},
		"long": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, long) }, long, "long text. long text.", "cut: 64 KB of 1100 KB"},
		"long, a secret at the cut": {func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, long[:MaxBody-5]+secret+`"refresh_token":"`+secret+`"`)
		}, long[:MaxBody-5] + secret + `"refresh_token":"` + secret + `"`, "long text. long text.", "cut: 64 KB of 64 KB"},
		"empty":                {func(w http.ResponseWriter) {}, "", "", ""},
		"nothing, as its kind": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			body, m := exchange(t, r, func(w http.ResponseWriter, _ *http.Request) { c.serve(w) }, func(address string) *http.Request {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Accept-Encoding", "gzip") // so that the transport leaves it to us
				return req
			})
			if string(body) != c.body {
				t.Errorf("the caller got %.200q", body)
			}
			if got := m.Answer.Body; !strings.HasPrefix(got.Text, c.text) || (c.text == "") != (got.Text == "") || got.Note != c.note || got.Size != int64(len(c.body)) {
				t.Errorf("%.300q, %q, %d bytes", got.Text, got.Note, got.Size)
			}
			if len(m.Answer.Body.Text) > MaxBody+100 {
				t.Errorf("%d bytes are kept", len(m.Answer.Body.Text))
			}
			told(t, r.Trace(), secret)
		})
	}
}

// TestCertificateUpload: a file is no part of the conversation, a password beside
// it is redacted.
func TestCertificateUpload(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("certificate", "portal.pfx")
	if err != nil {
		t.Fatal(err)
	}
	key := "\x30\x82\x00\xff" + strings.Repeat("key material ", 3)
	if _, err := io.WriteString(file, key); err != nil {
		t.Fatal(err)
	}
	file, err = form.CreateFormFile("chain", "chain.pem")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, "MIIC-a-certificate"); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"password": "sword\nfish", "client_id": "2f6d8a10"} {
		if err := form.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	sent := body.String()
	r := newRecorder()
	_, m := exchange(t, r, func(_ http.ResponseWriter, req *http.Request) {
		if got, err := io.ReadAll(req.Body); err != nil || string(got) != sent {
			t.Errorf("the server got %q, %v", got, err)
		}
	}, post(t, form.FormDataContentType(), &body))
	for _, want := range []string{`filename="portal.pfx"`, fmt.Sprintf("‹file of %d bytes›", len(key)), "2f6d8a10", "‹password "} {
		if !strings.Contains(m.Request.Body.Text, want) {
			t.Errorf("%q is not in %q", want, m.Request.Body.Text)
		}
	}
	told(t, r.Trace(), "sword\nfish", key, "MIIC-a-certificate")
}

// TestLateSecret: what is known to be secret later is taken out of what was
// said before, and has one fingerprint everywhere.
func TestLateSecret(t *testing.T) {
	r := newRecorder()
	r.Add(Exchange{Step: Step{From: "Browser", To: "Portal"}, Method: "GET", URL: "https://portal/x?hint=hidden-value-1", Header: http.Header{"X-Note": {"hidden-value-1"}}})
	if got := r.Trace().Messages[0].Request.URL; got != "https://portal/x?hint=hidden-value-1" {
		t.Fatalf("before: %q", got)
	}
	r.Add(Exchange{Method: "POST", URL: "https://login/token", Header: http.Header{"Content-Type": {formType}}, Body: []byte("device_code=hidden-value-1")})
	tr := r.Trace()
	told(t, tr, "hidden-value-1")
	var fingerprints []string
	for _, text := range []string{tr.Messages[0].Request.URL, tr.Messages[0].Request.Header[0].Value, tr.Messages[1].Request.Body.Text} {
		for _, p := range Parts(text) {
			if p.Fingerprint {
				fingerprints = append(fingerprints, p.Text)
			}
		}
	}
	if len(fingerprints) != 3 || fingerprints[0] != fingerprints[1] || fingerprints[1] != fingerprints[2] || !strings.HasPrefix(fingerprints[0], "‹device code ") {
		t.Errorf("%q", fingerprints)
	}
}

func TestFrontChannel(t *testing.T) {
	r := New(Options{Now: clock(), Random: chance(), Parties: map[string]string{"login.example": "Tenant"}})
	idToken := jwt(`{"aud":"app","nonce":"n0nce-value-22","sid":"` + someID + `","name":"Dana Reyes","amr":["pwd","mfa"],"exp":1715003900}`)
	r.Add(Exchange{Step: Step{From: "Browser"}, Method: "GET", URL: "https://login.example/authorize?client_id=1&state=st4te-value&nonce=n0nce-value-22&response_type=code",
		Status: 200, AnswerHeader: http.Header{"Content-Type": {"text/html"}},
		AnswerBody: []byte(`<form><input type=hidden name="id_token" value="` + idToken + `"><input type='hidden' value='st4te-value' name='state'></form>`)})
	r.Add(Exchange{Step: Step{From: "Browser", To: "Portal"}, Method: "POST", URL: "https://portal/cb", Header: http.Header{"Content-Type": {formType}, "Cookie": {"__Host-flow=flow-cookie-1"}},
		Body: []byte("id_token=" + idToken + "&state=st4te-value&session_state=" + someID)})
	r.Add(Exchange{Method: "GET", URL: "https://portal/spa#access_token=" + accessJWT + "&token_type=Bearer"})
	r.Finish("The state was wrong: st4te-value")
	tr := r.Trace()
	told(t, tr, idToken, "st4te-value", "n0nce-value-22", someID, "flow-cookie-1", accessJWT)
	if m := tr.Messages[0]; m.To != "Tenant" || !m.Front || m.From != "Browser" || tr.Messages[2].To != "portal" {
		t.Errorf("%+v", m)
	}
	if len(tr.Tokens) != 2 {
		t.Fatalf("%d tokens", len(tr.Tokens))
	}
	claims := fmt.Sprint(tr.Tokens[0].Claims)
	for _, want := range []string{`{aud "app"}`, `{nonce "‹nonce `, `{sid "‹session id `, `{name "Dana Reyes"}`, `{amr ["pwd","mfa"]}`, `{exp 1715003900}`} {
		if !strings.Contains(claims, want) {
			t.Errorf("%s is not in %s", want, claims)
		}
	}
	if strings.Index(claims, "{aud") > strings.Index(claims, "{exp") || fmt.Sprint(tr.Tokens[0].Header) != `[{typ "JWT"} {alg "RS256"} {kid "Qx3contoso1"}]` || tr.Tokens[0].Kind != IDToken {
		t.Errorf("%+v", tr.Tokens[0])
	}
	// One can follow the nonce from the request into the token.
	nonce := tr.Messages[0].Request.URL
	nonce = nonce[strings.Index(nonce, "nonce=")+6 : strings.Index(nonce, "&response_type")]
	if !strings.Contains(claims, nonce) || !strings.HasPrefix(tr.Outcome, "The state was wrong: ‹state ") {
		t.Errorf("%q, %q", nonce, tr.Outcome)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestNoAnswer(t *testing.T) {
	r := newRecorder()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://login.example/x?code=abcdef7", nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New(`dial "https://login.example/x?code=abcdef7": refused`)
	resp, err := r.Transport(failing{refused}).RoundTrip(req)
	if resp != nil || !errors.Is(err, refused) {
		t.Fatal(resp, err)
	}
	m := r.Trace().Messages[0]
	if m.Answer != nil || !strings.HasPrefix(m.Error, `dial "https://login.example/x?code=‹code `) || !strings.HasSuffix(m.Error, `": refused`) || m.To != "login.example" {
		t.Errorf("%+v", m)
	}
	told(t, r.Trace(), "abcdef7")
}

// TestAttackReadHalf: a trace that is looked at while an answer is still being
// read does not end in the middle of a secret.
func TestAttackReadHalf(t *testing.T) {
	r := newRecorder()
	answer := strings.Repeat("x ", 200) + "got " + accessJWT[:11]
	next := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader(answer), strings.NewReader(accessJWT[11:])))}, nil
	})
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://api.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.Transport(next).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, len(answer))); err != nil {
		t.Fatal(err)
	}
	b := r.Trace().Messages[0].Answer.Body
	if strings.Contains(b.Text, "eyJ") || !strings.HasPrefix(b.Text, "x x x") || b.Note != "still being read" {
		t.Errorf("%+v", b)
	}
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if b = r.Trace().Messages[0].Answer.Body; !strings.Contains(b.Text, "got ‹token ") || b.Note != "" {
		t.Errorf("%+v", b)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLimits(t *testing.T) {
	r := newRecorder()
	for range MaxMessages + 5 {
		r.Add(Exchange{Method: "GET", URL: "https://portal/"})
	}
	if tr := r.Trace(); len(tr.Messages) != MaxMessages || tr.Dropped != 5 {
		t.Errorf("%d messages, %d dropped", len(tr.Messages), tr.Dropped)
	}
	r = newRecorder()
	for range 30 {
		r.Add(Exchange{Method: "GET", URL: "https://portal/" + strings.Repeat("a/", 50<<10), Header: http.Header{"X-Long": {strings.Repeat("h ", 50<<10)}},
			Body: bytes.Repeat([]byte("b "), MaxBody), Status: 200, AnswerBody: bytes.Repeat([]byte("c "), MaxBody)})
	}
	var stored bytes.Buffer
	tr := r.Trace()
	if err := tr.WriteJSON(&stored); err != nil {
		t.Fatal(err)
	}
	if tr.Dropped == 0 || stored.Len() > MaxTotal+MaxTotal/4 || stored.Len() < MaxTotal/2 {
		t.Errorf("%d bytes, %d dropped", stored.Len(), tr.Dropped)
	}
	again, err := ReadJSON(&stored)
	if err != nil || len(again.Messages) != len(tr.Messages) || again.Messages[3].Request.URL != tr.Messages[3].Request.URL {
		t.Error(len(again.Messages), err)
	}
	for name, text := range map[string]string{"long": `{"id":"` + strings.Repeat("x", maxStored), "many": `{"messages":[` + strings.Repeat("{},", MaxMessages) + `{}]}`, "broken": "{"} {
		if _, err := ReadJSON(strings.NewReader(text)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// TestManyAtOnce is for the race detector.
func TestManyAtOnce(t *testing.T) {
	r := newRecorder()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(w, req.Body) }))
	defer server.Close()
	client := &http.Client{Transport: r.Transport(http.DefaultTransport)}
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			resp, err := client.Post(server.URL, formType, strings.NewReader(fmt.Sprintf("code=code-number-%d", i)))
			if err != nil {
				t.Error(err)
				return
			}
			r.Trace()
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
	}
	all.Wait()
	tr := r.Trace()
	if len(tr.Messages) != 10 {
		t.Errorf("%d messages", len(tr.Messages))
	}
	told(t, tr, "code-number-1", "code-number-7")
}
