package trace_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/trace"
)

// watched sees what is really said, to tell what must not be in the trace.
type watched struct {
	t       *testing.T
	client  *http.Client
	secrets []string
}

var (
	hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	secretNames = regexp.MustCompile(`^(code|id_token|access_token|refresh_token|client_secret|session_state|state|interaction|device_code|user_code)$`)
)

func (w *watched) send(method, address string, form url.Values) (string, *http.Response) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", req.URL.Scheme+"://"+req.URL.Host)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	w.note(form)
	resp, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range resp.Cookies() {
		w.secrets = append(w.secrets, c.Value)
	}
	w.note(fields(string(body)))
	var members map[string]any
	if json.Unmarshal(body, &members) == nil {
		for name, value := range members {
			if text, ok := value.(string); ok {
				w.note(url.Values{name: {text}})
			}
		}
	}
	return string(body), resp
}

func fields(page string) url.Values {
	form := url.Values{}
	for _, m := range hiddenInput.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], m[2])
	}
	return form
}

func (w *watched) note(form url.Values) {
	for name, values := range form {
		if secretNames.MatchString(name) {
			w.secrets = append(w.secrets, values...)
		}
	}
}

// TestSignInLeavesNoSecret records a sign-in, a renewal, a sign-in of a device and
// one with a password at the tenant in the box: all that was said, and no secret of it.
func TestSignInLeavesNoSecret(t *testing.T) {
	var box http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { box.ServeHTTP(w, r) }))
	defer server.Close()
	tenant, err := sandbox.New(sandbox.Options{Origin: server.URL, PortalURL: "https://portal.example"})
	if err != nil {
		t.Fatal(err)
	}
	box = tenant
	s := tenant.Settings()
	recorder := trace.New(trace.Options{ID: "t1", Flow: "sign-in", Now: time.Now, Random: rand.NewChaCha8([32]byte{}),
		Public:  []string{s.PeoplePassword}, // a word that its pages have as well
		Parties: map[string]string{strings.TrimPrefix(server.URL, "http://"): "Tenant"}})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, client: &http.Client{Jar: jar, Transport: recorder.Transport(server.Client().Transport)}}

	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	w.secrets = append(w.secrets, "state-value-of-this-flow", "nonce-value-of-this-flow", verifier)
	endpoint := server.URL + "/" + s.TenantID + "/oauth2/v2.0"
	page, _ := w.send("GET", endpoint+"/authorize?"+url.Values{"client_id": {s.ClientID}, "response_type": {"code id_token"}, "response_mode": {"form_post"},
		"redirect_uri": {"https://portal.example/auth/callback"}, "scope": {"openid profile offline_access " + s.AzTSScope},
		"state": {"state-value-of-this-flow"}, "nonce": {"nonce-value-of-this-flow"}, "code_challenge_method": {"S256"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}}.Encode(), nil)
	for _, choice := range []url.Values{{"account": {sandbox.DanaID}}, {"action": {"accept"}}} {
		form := fields(page)
		for name, values := range choice {
			form[name] = values
		}
		page, _ = w.send("POST", server.URL+"/sandbox/sign-in", form)
	}
	answer := fields(page)
	if answer.Get("code") == "" || answer.Get("id_token") == "" {
		t.Fatalf("no answer: %s", page)
	}
	redeemed, resp := w.send("POST", endpoint+"/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {s.ClientID}, "client_secret": {s.ClientSecret},
		"code": answer["code"], "redirect_uri": {"https://portal.example/auth/callback"}, "code_verifier": {verifier}})
	if resp.StatusCode != 200 {
		t.Fatal(redeemed)
	}
	for _, form := range []url.Values{
		{"grant_type": {"password"}, "client_id": {s.PublicClientID}, "username": {"dana@contoso.com"}, "password": {s.PeoplePassword}, "scope": {s.AzTSScope}},
		{"grant_type": {"authorization_code"}, "client_id": {s.ClientID}, "client_secret": {s.ClientSecret}, "code": answer["code"], "code_verifier": {verifier}},
	} {
		w.send("POST", endpoint+"/token", form)
	}
	w.send("POST", endpoint+"/devicecode", url.Values{"client_id": {s.PublicClientID}, "scope": {s.AzTSScope}})

	tr := recorder.Trace()
	var stored bytes.Buffer
	if err := tr.WriteJSON(&stored); err != nil {
		t.Fatal(err)
	}
	if err := tr.WriteHAR(&stored, "portal", "1"); err != nil {
		t.Fatal(err)
	}
	if len(w.secrets) < 15 {
		t.Errorf("only %d secrets were seen", len(w.secrets))
	}
	if leaks := trace.Leaks(stored.Bytes(), w.secrets); leaks != nil {
		t.Errorf("%v", leaks)
		for _, l := range w.secrets {
			t.Logf("%q", l)
		}
		t.Log(stored.String())
	}
	if len(tr.Messages) < 7 || tr.Messages[0].To != "Tenant" || len(tr.Tokens) < 2 || len(tr.Correlations) == 0 {
		t.Errorf("%d messages to %q, %d tokens, %d correlations", len(tr.Messages), tr.Messages[0].To, len(tr.Tokens), len(tr.Correlations))
	}
	// What explains the flow is still there.
	for _, want := range []string{"grant_type=authorization_code", "response_type=code+id_token", "code_challenge=E9Melhoa", "Choose an account", "AADSTS54005", "/sandbox/sign-in", "&password=‹password ",
		`"name": "preferred_username"`, "dana@contoso.com", "verification_uri"} {
		if !strings.Contains(stored.String(), want) {
			t.Errorf("%q is gone", want)
		}
	}
}
