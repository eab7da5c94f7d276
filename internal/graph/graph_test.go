package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"azts.internal/portal/internal/apperr"
)

type token string

func (t token) Token(context.Context, string) (string, error) { return string(t), nil }
func (t token) Invalidate(context.Context, string, string)    {}

func serve(t testing.TB, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := New(Config{BaseURL: server.URL + "/v1.0", ScopeBase: "https://graph.microsoft.com",
		Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	client = "5d1e7c30-0b94-4a6f-9c28-71f3e08a4d15"
	azts   = "e07a3b91-5c4d-4286-97fe-1be04d5c8642"
	dana   = "a83f5c06-12d7-4e9b-b0c4-67f1e2d95a38"
)

func TestConfigurationMistakesAreRefused(t *testing.T) {
	for _, cfg := range []Config{
		{BaseURL: "https://graph.microsoft.com/v1.0"},
		{BaseURL: "https://graph.microsoft.com/v1.0", ScopeBase: "https://graph.microsoft.com/"},
		{BaseURL: "http://graph.microsoft.com/v1.0", ScopeBase: "https://graph.microsoft.com"},
		{ScopeBase: "https://graph.microsoft.com"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New(%+v) is content", cfg)
		}
	}
}

func TestGrantsAreDecodedLeniently(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("$filter") != "clientId eq '"+client+"'" || r.URL.Query().Get("$top") != "999" {
			t.Errorf("query %v", r.URL.Query())
		}
		w.Write([]byte(`{"value":[
			{"id":"a_-9","clientId":"` + strings.ToUpper(client) + `","consentType":"AllPrincipals","principalId":null,"resourceId":"` + azts + `","scope":" User.Read  openid User.Read","startTime":"x","new":{}},
			{"id":"b","clientId":"` + client + `","consentType":"Principal","principalId":"` + dana + `","resourceId":"` + azts + `","scope":null},
			{"id":"c","clientId":"` + client + `","consentType":"SomethingNew","principalId":null,"resourceId":"` + azts + `","scope":7},
			{"id":"../../users","clientId":"` + client + `","consentType":"AllPrincipals","resourceId":"` + azts + `","scope":"x"},
			{"id":"d","clientId":"nobody","resourceId":"` + azts + `"}, null, 7, "x", [], {}
		]}`))
	})
	got, err := c.GrantsOfClient(t.Context(), token("t"), client)
	want := []Grant{
		{ID: "a_-9", ClientID: client, ResourceID: azts, TenantWide: true, Scopes: []string{"User.Read", "openid"}},
		{ID: "b", ClientID: client, ResourceID: azts, PrincipalID: dana},
		{ID: "c", ClientID: client, ResourceID: azts, ForUnknown: true},
	}
	if !apperr.HasCode(err, "graph_entries_unreadable") || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNamesOfStrangersAreCleaned(t *testing.T) {
	for given, want := range map[string]string{
		" Azure\u202e CLI\x00\x07 ": "Azure CLI",
		"one\ntwo":                  "one two",
		"Zoë 多言語":                   "Zoë 多言語",
		"bad\xff\xfebytes":          "badbytes",
	} {
		if got := text(given); got != want {
			t.Errorf("text(%q) = %q, want %q", given, got, want)
		}
	}
	if long := text(strings.Repeat("ü", 1000)); len(long) > MaxText || !utf8.ValidString(long) || len(long) < MaxText-2 {
		t.Errorf("%d bytes", len(long))
	}
}

func TestIDsThatAreNoneReachNobody(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.URL) })
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"grant":       func() error { _, err := c.Grant(ctx, token("t"), "../users"); return err },
		"empty grant": func() error { _, err := c.Grant(ctx, token("t"), ""); return err },
		"filter":      func() error { _, err := c.GrantsOfClient(ctx, token("t"), "x' or '1'='1"); return err },
		"app id":      func() error { _, err := c.ServicePrincipalByAppID(ctx, token("t"), "')/owners"); return err },
		"uri":         func() error { _, err := c.ServicePrincipalByURI(ctx, token("t"), "api://x' or 1 eq 1"); return err },
		"application": func() error { _, err := c.Application(ctx, token("t"), "x"); return err },
		"assignment":  func() error { return c.DeleteAppRoleAssignment(ctx, token("t"), azts, "a/b") },
		"delete":      func() error { return c.DeleteGrant(ctx, token("t"), strings.Repeat("a", 600)) },
		"wide with a person": func() error {
			_, err := c.CreateGrant(ctx, token("t"), Grant{ClientID: client, ResourceID: azts, TenantWide: true, PrincipalID: dana, Scopes: []string{"x"}})
			return err
		},
		"nobody's": func() error {
			_, err := c.CreateGrant(ctx, token("t"), Grant{ClientID: client, ResourceID: azts, Scopes: []string{"x"}})
			return err
		},
		"no scope":   func() error { return c.NarrowGrant(ctx, token("t"), "a", nil) },
		"two in one": func() error { return c.NarrowGrant(ctx, token("t"), "a", []string{"x y"}) },
	} {
		if err := call(); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.NarrowGrant(ctx, token("t"), "a", []string{strings.Repeat("x", 4000)}); !apperr.IsKind(err, apperr.TooLarge) {
		t.Errorf("4,000 characters: %v", err)
	}
	if names, err := c.Names(ctx, token("t"), []string{"x", ""}); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestAWithdrawalWhoseAnswerWasLostIsOne(t *testing.T) {
	calls := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls == 1 {
			w.WriteHeader(http.StatusBadGateway) // it was deleted all the same
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
	if err := c.DeleteGrant(t.Context(), token("t"), "a"); err != nil || calls != 2 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestRefusalsHaveTheirMeaning(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, wait string
		kind       apperr.Kind
		code, next string
	}{
		{403, `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges"}}`, "", apperr.Forbidden, CodeDenied, "directory role"},
		{404, `{"error":{"code":"Request_ResourceNotFound"}}`, "", apperr.NotFound, CodeNotFound, "Load"},
		{400, `{"error":{"code":"Request_MultipleObjectsWithSameKeyValue"}}`, "", apperr.Conflict, CodeExists, ""},
		{400, `{"error":{"code":"Directory_ExpiredPageToken"}}`, "", apperr.Expired, "graph_page_expired", ""},
		{400, `{"error":{"code":"Directory_ResultSizeLimitExceeded"}}`, "", apperr.TooLarge, "graph_too_many", ""},
		{429, `{"error":{"code":"TooManyRequests"}}`, "120", apperr.TooMany, "graph_throttled", "120 seconds"},
		{429, `{"error":{"code":"TooManyRequests"}}`, "", apperr.TooMany, "graph_throttled", "a minute"},
		{500, `<html>`, "", apperr.BadGateway, "service_failed", ""},
		{200, `<html>`, "", apperr.BadGateway, "answer_malformed", ""},
		{200, `{"value":[]}`, "", apperr.BadGateway, "answer_malformed", ""},
	} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.wait != "" {
				w.Header().Set("Retry-After", c.wait)
			}
			w.WriteHeader(c.status)
			w.Write([]byte(c.body))
		})
		_, err := client.Grant(t.Context(), token("t"), "a")
		if !apperr.IsKind(err, c.kind) || !apperr.HasCode(err, c.code) || !strings.Contains(apperr.From(err).Next, c.next) {
			t.Errorf("%d %s: %v, next %q", c.status, c.body, err, apperr.From(err).Next)
		}
	}
}

func TestAListThatNeverEndsIsCut(t *testing.T) {
	entry := `{"id":"a","clientId":"` + client + `","consentType":"AllPrincipals","resourceId":"` + azts + `","scope":"x"}`
	page := strings.Repeat(entry+",", 4999) + entry
	calls := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.Write([]byte(`{"@odata.nextLink":"http://` + r.Host + `/v1.0/oauth2PermissionGrants?n=` + strings.Repeat("x", calls) + `","value":[` + page + `]}`))
	})
	got, err := c.GrantsOfClient(t.Context(), token("t"), client)
	if len(got) != MaxList || !apperr.HasCode(err, "graph_too_many") {
		t.Errorf("%d grants, %v", len(got), err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"a","clientId":"` + client + `","consentType":"Principal","principalId":"` + dana + `","resourceId":"` + azts + `","scope":" a b"}`))
	f.Add([]byte(`{"id":"` + azts + `","appId":"` + azts + `","displayName":"x","oauth2PermissionScopes":[{"id":"` + dana + `","value":"v"},null,7],"appRoles":{},"verifiedPublisher":null}`))
	f.Add([]byte(`{"@odata.type":"#microsoft.graph.user","id":"` + dana + `","displayName":"\u202e\u0000"}`))
	f.Add([]byte(`{"id":"` + azts + `","appId":"` + azts + `","api":{"preAuthorizedApplications":[{"appId":"` + azts + `"}]},"passwordCredentials":[{"keyId":"` + dana + `","endDateTime":"2026-01-01T00:00:00Z"}],"optionalClaims":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		bounded := func(what string, texts ...string) {
			for _, s := range texts {
				if len(s) > MaxText || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\u202e\n") {
					t.Errorf("%s: %q", what, s)
				}
			}
		}
		if g, ok := decodeGrant(raw); ok {
			bounded("grant", append(g.Scopes, g.ID)...)
			if opaque(g.ID) == "" || guid(g.ClientID) == "" || guid(g.ResourceID) == "" || g.TenantWide && g.PrincipalID != "" {
				t.Errorf("grant %+v", g)
			}
		}
		if s, ok := decodeServicePrincipal(raw); ok {
			bounded("service principal", s.ID, s.DisplayName, s.PublisherName, s.VerifiedPublisher)
			if guid(s.ID) == "" || len(s.Scopes) > maxMembers {
				t.Errorf("service principal %+v", s)
			}
		}
		if o, ok := decodeObject(raw); ok {
			bounded("object", o.ID, o.Kind, o.Name, o.Account)
		}
		if a, ok := decodeApplication(raw); ok {
			bounded("application", append(a.RedirectURIs, a.DisplayName, a.LogoutURL)...)
		}
		if a, ok := decodeAssignment(raw); ok {
			bounded("assignment", a.PrincipalName, a.ResourceName, a.PrincipalType)
		}
	})
}
