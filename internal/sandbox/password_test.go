package sandbox_test

import (
	"net/url"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

// passwordForm is a script that signs Dana in with her password.
func passwordForm(changes ...string) url.Values {
	form := url.Values{"grant_type": {"password"}, "client_id": {sandbox.AzureCLIAppID}, "username": {"dana@contoso.com"},
		"password": {sandbox.SamplePassword}, "scope": {cliScope}}
	for i := 0; i+1 < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

func TestPasswordGrant(t *testing.T) {
	w := newTenantWorld(t)
	answer := w.token(passwordForm())
	if answer.status != 200 || answer.str("refresh_token") == "" || answer.str("id_token") == "" {
		t.Fatalf("%s", answer.raw)
	}
	claims := w.claims(answer.str("access_token"))
	if amr, _ := claims["amr"].([]any); claims["oid"] != sandbox.DanaID || claims["appidacr"] != "0" || len(amr) != 1 || amr[0] != "pwd" {
		t.Errorf("access token %v", claims)
	}
	if bare := w.token(passwordForm("scope", sandbox.AzTSAppIDURI+"/user_impersonation")); bare.status != 200 || bare.str("refresh_token") != "" || bare.str("id_token") != "" {
		t.Errorf("%s", bare.raw)
	}
	form := passwordForm("username", "DANA@contoso.com")
	if anywhere := w.tokenAt("/organizations/oauth2/v2.0/token", form); anywhere.status != 200 {
		t.Errorf("at organizations: %s", anywhere.raw)
	}
	v1 := w.tokenAt("/"+sandbox.TenantID+"/oauth2/token", passwordForm("scope", "", "resource", sandbox.AzTSAppIDURI))
	if v1.str("expires_on") == "" || v1.str("refresh_token") == "" {
		t.Errorf("v1: %s", v1.raw)
	}
	// Gina's password lies with her home directory, and works there.
	if home := w.tokenAt("/"+sandbox.FabrikamTenantID+"/oauth2/v2.0/token", passwordForm("username", "gina@fabrikam.com",
		"scope", "openid https://graph.microsoft.com/User.Read")); home.status != 200 {
		t.Errorf("a guest at home: %s", home.raw)
	}
}

func TestPasswordGrantIsRefused(t *testing.T) {
	w := newTenantWorld(t)
	portal := []string{"client_id", sandbox.PortalClientID, "client_secret", sandbox.PortalClientSecret}
	for name, c := range map[string]struct {
		changes []string
		status  int
		err     string
		code    int
	}{
		"wrong password":                {[]string{"password", "wrong"}, 400, "invalid_grant", 50126},
		"a blank before the password":   {[]string{"password", " " + sandbox.SamplePassword}, 400, "invalid_grant", 50126},
		"a second factor is required":   {[]string{"username", "mira@contoso.com"}, 400, "invalid_grant", 50076},
		"a second factor is asked for":  {[]string{"claims", `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`}, 400, "invalid_grant", 50076},
		"a passkey instead":             {[]string{"username", "petra@contoso.com"}, 400, "invalid_grant", 50056},
		"unknown":                       {[]string{"username", "nobody@contoso.com"}, 400, "invalid_grant", 50034},
		"a personal account":            {[]string{"username", "dana@outlook.com"}, 400, "invalid_grant", 50020},
		"a guest":                       {[]string{"username", "gina@fabrikam.com"}, 400, "invalid_grant", 50020},
		"of another directory":          {[]string{"username", "felix@fabrikam.com"}, 400, "invalid_grant", 50020},
		"disabled":                      {[]string{"username", "diego@contoso.com"}, 400, "invalid_grant", 50057},
		"disabled, wrong password":      {[]string{"username", "diego@contoso.com", "password", "wrong"}, 400, "invalid_grant", 50126},
		"locked":                        {[]string{"username", "lars@contoso.com"}, 400, "invalid_grant", 50053},
		"password expired":              {[]string{"username", "edith@contoso.com"}, 400, "user_password_expired", 50055},
		"not assigned":                  {[]string{"client_id", sandbox.PayrollClientID}, 400, "interaction_required", 50105},
		"nobody consented":              {append([]string{"scope", "https://vault.azure.net/.default"}, portal...), 400, "invalid_grant", 65001},
		"the portal, unproved":          {portal[:2], 401, "invalid_client", 7000218},
		"no name":                       {[]string{"username", ""}, 400, "invalid_request", 900144},
		"no password":                   {[]string{"password", ""}, 400, "invalid_request", 900144},
		"no scope":                      {[]string{"scope", ""}, 400, "invalid_request", 900144},
		"two resources":                 {[]string{"scope", sandbox.AzTSAppIDURI + "/.default " + armScope}, 400, "invalid_scope", 700022},
		"by the login_hint of somebody": {[]string{"username", "O.YTgz"}, 400, "invalid_grant", 50034},
	} {
		t.Run(name, func(t *testing.T) { w.token(passwordForm(c.changes...)).refused(t, c.status, c.err, c.code) })
	}
	for _, segment := range []string{"common", "consumers"} {
		w.tokenAt("/"+segment+"/oauth2/v2.0/token", passwordForm()).refused(t, 400, "invalid_request", 9001023)
	}
	if answer := w.token(passwordForm("username", "mira@contoso.com")); answer.str("suberror") != "basic_action" {
		t.Errorf("%s", answer.raw)
	}
}
