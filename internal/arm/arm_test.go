package arm

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
)

type token string

func (t token) Token(context.Context, string) (string, error) { return string(t), nil }
func (t token) Invalidate(context.Context, string, string)    {}

func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := New(azhttp.Config{BaseURL: server.URL, Scope: "https://management.azure.com/.default",
		Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSubscriptionsReadsEveryPageAndDropsWhatItCannotRead(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		file := "testdata/subscriptions-1.json"
		if r.URL.Query().Get("$skiptoken") == "abc+/=" {
			file = "testdata/subscriptions-2.json"
		}
		if r.URL.Query().Get("api-version") != "2022-12-01" || r.Header.Get("Authorization") != "Bearer t" {
			t.Errorf("request %v %v", r.URL, r.Header)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		w.Write([]byte(strings.ReplaceAll(string(data), "ORIGIN", "http://"+r.Host)))
	})
	got, err := c.Subscriptions(context.Background(), token("t"))
	tenant := "7c9e1b42-0000-4000-8000-000000000001"
	expected := []Subscription{
		{ID: "3b5e9f72-0b94-4a6f-9c28-71f3e08a4d15", Name: "Contoso Prod", TenantID: tenant, State: "Enabled"},
		{ID: "aaaaaaaa-0b94-4a6f-9c28-71f3e08a4d15", Name: "Contoso <b>Test</b> ü", TenantID: tenant, State: "Warned"},
	}
	if err != nil || !reflect.DeepEqual(got, expected) {
		t.Errorf("Subscriptions = %+v, %v", got, err)
	}
}

func TestHalfAListIsNoList(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("p") {
			w.WriteHeader(500)
			return
		}
		w.Write([]byte(`{"value":[{"subscriptionId":"x"}],"nextLink":"http://` + r.Host + `/subscriptions?p=2"}`))
	})
	got, err := c.Subscriptions(context.Background(), token("t"))
	if got != nil || !apperr.IsKind(err, apperr.BadGateway) {
		t.Errorf("Subscriptions = %v, %v", got, err)
	}
}

func TestRefusalsHaveTheirMeaning(t *testing.T) {
	cases := []struct {
		status int
		body   string
		kind   apperr.Kind
		code   string
	}{
		{401, `{"error":{"code":"InvalidAuthenticationTokenTenant","message":"m"}}`, apperr.Forbidden, "arm_wrong_tenant"},
		{401, `{"error":{"code":"ExpiredAuthenticationToken","message":"m"}}`, apperr.Forbidden, "token_refused"},
		{403, `{"error":{"code":"AuthorizationFailed","message":"m"}}`, apperr.Forbidden, "arm_no_role"},
		{404, `{"error":{"code":"SubscriptionNotFound","message":"m"}}`, apperr.NotFound, "arm_no_subscription"},
		{429, `{"error":{"code":"TooManyRequests","message":"m"}}`, apperr.TooMany, "throttled"},
		{200, `<html>`, apperr.BadGateway, "answer_malformed"},
		{200, `{"value":7}`, apperr.BadGateway, "answer_malformed"},
	}
	for _, c := range cases {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			w.Write([]byte(c.body))
		})
		_, err := client.Subscriptions(context.Background(), token("t"))
		if !apperr.IsKind(err, c.kind) || !apperr.HasCode(err, c.code) {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
}

// TestNamesKeepNothingElseInMemory: a part of a text holds all of it.
func TestNamesKeepNothingElseInMemory(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	scope := "/subscriptions/" + someSubscription + "/resourceGroups/" + strings.Repeat("g", 90)
	definition := scope + "/roleDefinitions/" + customRole
	for name, pair := range map[string][2]string{
		"a cut name":             {long, name(long)},
		"a resource group":       {scope[len(scope)-90:], parseScope(scope).Name},
		"a subscription":         {scope[len("/subscriptions/"):], parseScope(scope).Subscription},
		"the id of a definition": {definition[len(definition)-len(customRole):], roleID(definition)},
	} {
		if unsafe.StringData(pair[0]) == unsafe.StringData(pair[1]) {
			t.Errorf("%s is a part of the text that it stands in", name)
		}
	}
}

// TestAPageDoesNotWaitForAThrottledAzure: who asked sees how long Azure wants to
// be left alone, at once.
func TestAPageDoesNotWaitForAThrottledAzure(t *testing.T) {
	calls := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	_, err := c.Subscriptions(context.Background(), token("t"))
	if calls != 1 || RetryAfter(err) != 9*time.Second || !apperr.IsKind(err, apperr.TooMany) {
		t.Errorf("%d calls: %v, to be asked again in %v", calls, err, RetryAfter(err))
	}
}

func TestNoLicenseIsToldFromNoRight(t *testing.T) {
	for code, expected := range map[string]string{"AadPremiumLicenseRequired": CodeNoPIM, "AuthorizationFailed": "arm_no_role"} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			w.Write([]byte(`{"error":{"code":"` + code + `","message":"No."}}`))
		})
		if _, err := c.Eligibilities(context.Background(), token("t"), ""); !apperr.HasCode(err, expected) {
			t.Errorf("%s: %v", code, err)
		}
	}
}
