package handlers

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/templates"
)

// TestVerdictOfTheTenant: it is AzTS's tenant that counts, never the person's own.
func TestVerdictOfTheTenant(t *testing.T) {
	const (
		home  = "aaaaaaaa-0000-0000-0000-000000000000"
		other = "bbbbbbbb-0000-0000-0000-000000000000"
		api   = "api://b1d04c77-6a2e-4d39-8f52-3e9ac0175d84"
	)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	raw := encode(`{"alg":"RS256"}`) + "." + encode(fmt.Sprintf(`{"aud":%q,"iss":"https://sts.windows.net/%s/","tid":%q,"scp":"user_impersonation","appid":"c","ver":"1.0","exp":%d}`,
		api, other, other, now.Add(time.Hour).Unix())) + ".c2ln"
	for tenant, want := range map[string]templates.CheckOutcome{home: templates.CheckFailed, other: templates.CheckPassed, "{tenantid}": templates.CheckOpen} {
		provider, err := entra.NewProvider(entra.Options{Issuer: "https://login.example/" + tenant + "/v2.0", AllowedTenants: []string{home, other},
			ClientID: "c", RedirectURL: "http://localhost/auth/callback", Client: &http.Client{Transport: nowhere{}}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		tokens := &tokens{frame: &frame{provider: provider, now: func() time.Time { return now }}, scopes: []string{api + "/user_impersonation"}, clientID: "c",
			catalogue: entra.NewCatalogue(api+"/user_impersonation", nil, nil)}
		verdict := aztsVerdict(raw, tokens.expectation())
		i := slices.IndexFunc(verdict.Checks, func(c templates.VerdictCheck) bool { return c.Name == "Tenant" })
		if i < 0 || verdict.Checks[i].Outcome != want {
			t.Errorf("AzTS in %q: %+v, want %s", tenant, verdict.Checks, want)
		}
	}
}
