package results_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/sandbox"
)

// The archive fed by the real client from the sandbox, with its faults.

type fixedToken string

func (f fixedToken) Token(context.Context, string) (string, error) { return string(f), nil }
func (f fixedToken) Invalidate(context.Context, string, string)    {}

// service is AzTS in the sandbox, as Dana's token sees it.
type service struct {
	*sandbox.Sandbox
	client *azts.Client
	token  fixedToken
}

const (
	sandboxRows = 900
	prod        = "3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3"
)

func serve(t *testing.T) *service {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	box, err := sandbox.New(sandbox.Options{Origin: server.URL, PortalURL: "http://localhost:8080", Now: func() time.Time { return noon }, ResultsPerSubscription: sandboxRows})
	if err != nil {
		t.Fatal(err)
	}
	handler = box
	if err := box.Consent(sandbox.PortalClientID, "", "openid "+box.Settings().AzTSScope); err != nil {
		t.Fatal(err)
	}
	client, err := azts.New(azhttp.Config{BaseURL: box.Settings().AzTSURL, Scope: box.Settings().AzTSScope, Service: "the sandbox",
		Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return &service{box, client, fixedToken(signIn(t, box.Settings().AzTSScope, server.URL+"/"+sandbox.TenantID+"/oauth2/v2.0", server.URL+"/sandbox/sign-in"))}
}

var interactionField = regexp.MustCompile(`name="interaction" value="([^"]+)"`)

// signIn walks through the tenant's pages as Dana and returns her token for a scope.
func signIn(t *testing.T, scope, endpoints, choice string) string {
	t.Helper()
	const redirect = "http://localhost:8080/auth/callback"
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(res *http.Response, err error) (*http.Response, []byte) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, body
	}
	_, body := get(browser.Get(endpoints + "/authorize?" + url.Values{"client_id": {sandbox.PortalClientID}, "response_type": {"code"}, "redirect_uri": {redirect},
		"scope": {"openid " + scope}, "state": {"s"}}.Encode()))
	found := interactionField.FindSubmatch(body)
	if found == nil {
		t.Fatalf("no page to choose an account: %s", body)
	}
	res, _ := get(browser.PostForm(choice, url.Values{"interaction": {string(found[1])}, "action": {"account"}, "account": {sandbox.DanaID}}))
	back, err := res.Location()
	if err != nil {
		t.Fatalf("status %d: %v", res.StatusCode, err)
	}
	_, body = get(browser.PostForm(endpoints+"/token", url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect},
		"client_id": {sandbox.PortalClientID}, "client_secret": {sandbox.PortalClientSecret}, "scope": {scope}}))
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("no token: %s, %v", body, err)
	}
	return answer.AccessToken
}

// read gives the writer all pages from where it stands, as a job would.
func (s *service) read(ctx context.Context, w *results.Writer, subscription string) error {
	for {
		token, more := w.Next(subscription)
		if !more {
			return nil
		}
		page, err := s.client.Results(ctx, s.token, subscription, azts.ResultQuery{}, token)
		if errors.Is(err, azts.ErrResultLoop) {
			w.End(subscription, results.SubLoop)
			continue
		}
		if err != nil {
			return err
		}
		if err := w.Add(ctx, subscription, &page); err != nil {
			return err
		}
	}
}

func TestABrokenPageIsReadAgainAndNothingElse(t *testing.T) {
	s, w := serve(t), newWorld(t)
	w.SetLimits(results.Limits{SegmentRows: 150})
	writer, id := w.begin(prod)
	for range 3 { // pages, then the fault
		token, _ := writer.Next(prod)
		page, err := s.client.Results(t.Context(), s.token, prod, azts.ResultQuery{}, token)
		w.ok(err)
		w.ok(writer.Add(t.Context(), prod, &page))
	}
	s.Faults().Set("azts.break_page", "", -1)
	if err := s.read(t.Context(), writer, prod); err == nil {
		t.Fatal("the fault is not there")
	}
	w.ok(writer.Flush(t.Context()))
	s.Faults().Clear()
	again, err := w.Begin(t.Context(), ann, id, []string{prod})
	w.ok(err)
	if info := again.Info(); info.Rows != 300 || info.Subscriptions[0].Pages != 3 {
		t.Errorf("it goes on from %+v", info)
	}
	w.ok(s.read(t.Context(), again, prod))
	info, err := again.Finish(t.Context())
	w.ok(err)
	if info.State != results.Whole || info.Rows != sandboxRows || info.Subscriptions[0].Pages != 9 || info.Subscriptions[0].Duplicates != 0 {
		t.Errorf("%+v", info)
	}
}

func TestFaultsOfAzTSLeaveAClearState(t *testing.T) {
	for fault, want := range map[string]results.SubscriptionState{"azts.page_loop": results.SubLoop, "azts.weird_values": results.SubShort} {
		s, w := serve(t), newWorld(t)
		s.Faults().Set(fault, "", -1)
		writer, id := w.begin(prod)
		if err := s.read(t.Context(), writer, prod); err != nil && !apperr.HasCode(err, "results_loop") {
			t.Errorf("%s: %v", fault, err)
		}
		info, err := writer.Finish(t.Context())
		w.ok(err)
		set := w.open(id)
		if info.State != results.Short || info.Subscriptions[0].State != want || set.Len() == 0 || set.Len() > sandboxRows {
			t.Errorf("%s: %+v", fault, info)
		}
		page, err := set.Query(results.Query{Limit: 500})
		w.ok(err)
		for i := range page.Rows {
			if row := &page.Rows[i]; len(row.StatusReason) > azts.TextLimit || strings.Contains(row.StatusReason, "\x00") {
				t.Errorf("%s: a reason of %d bytes", fault, len(row.StatusReason))
			}
		}
	}
}
