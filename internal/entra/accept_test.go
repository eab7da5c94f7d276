package entra

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
)

func TestAttackSessionOfAnotherConfiguration(t *testing.T) {
	const ours, other = "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10", "2f6d8a10-94c3-4b7e-8e15-0a3c7d91b6e2"
	const login = "https://login.microsoftonline.com/"
	for _, tt := range []struct {
		issuer       string
		allowed      []string
		iss, tid     string
		mayStillBeIn bool
	}{
		{login + ours + "/v2.0", nil, login + ours + "/v2.0", ours, true},
		{login + ours + "/v2.0", nil, login + other + "/v2.0", other, false},
		{login + ours + "/v2.0", nil, login + other + "/v2.0", ours, false},
		{login + ours + "/v2.0", nil, "", "", false},
		{login + tenantTemplate + "/v2.0", []string{ours}, login + ours + "/v2.0", ours, true},
		{login + tenantTemplate + "/v2.0", []string{ours}, login + strings.ToUpper(ours) + "/v2.0", strings.ToUpper(ours), true},
		{login + tenantTemplate + "/v2.0", []string{other}, login + ours + "/v2.0", ours, false}, // taken off the list
		{login + tenantTemplate + "/v2.0", nil, login + ours + "/v2.0", ours, false},
		{login + tenantTemplate + "/v2.0", []string{ours}, login + other + "/v2.0", ours, false},
		{login + tenantTemplate + "/v2.0", []string{ours}, "https://login.microsoftonline.us/" + ours + "/v2.0", ours, false},
		{login + tenantTemplate + "/v2.0", []string{""}, login + "/v2.0", "", false},
		{"https://id.example", nil, "https://id.example", "", true},
		{"https://id.example", nil, "https://id.example/", "", false},
	} {
		p, err := NewProvider(Options{Issuer: tt.issuer, ClientID: "client", RedirectURL: "https://portal.example/auth/callback", AllowedTenants: tt.allowed,
			Client: http.DefaultClient, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Accepts(access.User{Issuer: tt.iss, TenantID: tt.tid}); got != tt.mayStillBeIn {
			t.Errorf("issuer %s, list %v: somebody of %q, tenant %q: %v", tt.issuer, tt.allowed, tt.iss, tt.tid, got)
		}
		if got := p.AcceptsIssuer(tt.iss); got != tt.mayStillBeIn {
			t.Errorf("issuer %s, list %v: by %q alone: %v", tt.issuer, tt.allowed, tt.iss, got)
		}
	}
}
