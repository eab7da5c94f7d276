package entra

import (
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/apperr"
)

func TestAdminConsentURL(t *testing.T) {
	const tenant = "93d0c7a5-1b6e-4f28-8c49-e05a7d2b61f4"
	for name, c := range map[string]struct{ endpoint, tenant, path, code string }{
		"of one tenant":         {"/" + testTenant + "/oauth2/v2.0/authorize", "", "/" + testTenant + "/v2.0/adminconsent", ""},
		"of many":               {"/organizations/oauth2/v2.0/authorize", tenant, "/" + tenant + "/v2.0/adminconsent", ""},
		"another provider":      {"/authorize", "", "", "admin_consent_unavailable"},
		"a tenant that is none": {"/common/oauth2/v2.0/authorize", "../evil", "", "admin_consent_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			a.metadata["authorization_endpoint"] = a.url + c.endpoint
			got, err := a.provider().AdminConsentURL(t.Context(), AdminConsent{Tenant: c.tenant, Scopes: []string{"api://azts/user_impersonation"},
				RedirectURL: "http://localhost/auth/admin-consent", State: "s&1"})
			if c.code != "" {
				if !apperr.HasCode(err, c.code) || got != "" {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			u, parseErr := url.Parse(got)
			if err != nil || parseErr != nil {
				t.Fatal(err, parseErr)
			}
			q := u.Query()
			if !strings.HasPrefix(got, a.url+c.path+"?") || q.Get("client_id") != testClient || q.Get("scope") != "api://azts/user_impersonation" ||
				q.Get("redirect_uri") != "http://localhost/auth/admin-consent" || q.Get("state") != "s&1" || len(q) != 4 {
				t.Errorf("%s", got)
			}
		})
	}
}

func TestParseAdminConsent(t *testing.T) {
	for name, c := range map[string]struct {
		query, code string
		kind        apperr.Kind
	}{
		"granted":                 {"admin_consent=True&tenant=" + testTenant + "&scope=x&state=s", "", 0},
		"declined":                {"error=consent_required&error_description=AADSTS65004%3A+User+declined&admin_consent=True&state=s", "admin_consent_refused", apperr.Forbidden},
		"declined without a word": {"error=access_denied&state=s", "admin_consent_refused", apperr.Forbidden},
		"declined, v1":            {"error=permission_denied&state=s", "admin_consent_refused", apperr.Forbidden},
		"not an admin":            {"error=access_denied&error_description=AADSTS90094%3A+needs+admin&state=s", "AADSTS90094", apperr.Forbidden},
		"success and error":       {"admin_consent=True&error=server_error&state=s", "server_error", apperr.Unavailable},
		"nothing":                 {"state=s", "admin_consent_malformed", apperr.Invalid},
		"false":                   {"admin_consent=False&state=s", "admin_consent_malformed", apperr.Invalid},
		"twice":                   {"admin_consent=True&admin_consent=True&state=s", "admin_consent_malformed", apperr.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			err = ParseAdminConsent(q)
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !apperr.HasCode(err, c.code) || !apperr.IsKind(err, c.kind) {
				t.Errorf("%v", err)
			}
			if AdminConsentState(q) != "s" {
				t.Error("the state is lost")
			}
		})
	}
}
