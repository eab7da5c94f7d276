package config

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func describe(c *Config) string { return fmt.Sprintf("%+v", *c) }

func TestMistakes(t *testing.T) {
	const guidA = "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10"
	sandbox := map[string]string{}
	for _, tt := range []struct {
		name string // of the variable that is told
		want string
		env  map[string]string
	}{
		{"PORTAL_ADDR", "not host:port", with(sandbox, "PORTAL_ADDR", "localhost", "PORTAL_BASE_URL", "http://localhost:8080")},
		{"PORTAL_ADDR", "not host:port", with(sandbox, "PORTAL_ADDR", "localhost:http")},
		{"PORTAL_ADDR", "not host:port", with(sandbox, "PORTAL_ADDR", "localhost:70000")},
		{"PORTAL_BASE_URL", "is needed", with(sandbox, "PORTAL_ADDR", ":8080")},
		{"PORTAL_BASE_URL", "is needed", with(sandbox, "PORTAL_ADDR", "0.0.0.0:8080")},
		{"PORTAL_BASE_URL", "not https", with(sandbox, "PORTAL_BASE_URL", "http://portal.contoso.com")},
		{"PORTAL_BASE_URL", "neither https nor http", with(sandbox, "PORTAL_BASE_URL", "ftp://portal.contoso.com")},
		{"PORTAL_BASE_URL", "of the form", with(sandbox, "PORTAL_BASE_URL", "portal.contoso.com")},
		{"PORTAL_BASE_URL", "of the form", with(sandbox, "PORTAL_BASE_URL", "https://portal.contoso.com?x=1")},
		{"PORTAL_BASE_URL", "a host of its own", with(sandbox, "PORTAL_BASE_URL", "https://portal.contoso.com/portal")},
		{"PORTAL_LOG_FORMAT", "none of text, json", with(sandbox, "PORTAL_LOG_FORMAT", "xml")},
		{"PORTAL_TRUSTED_PROXIES", `"proxy" is not a network`, with(sandbox, "PORTAL_TRUSTED_PROXIES", "10.0.0.0/8,proxy")},
		{"PORTAL_RESPONSE_TYPE", "none of", with(tenantEnv(), "PORTAL_RESPONSE_TYPE", "token")},
		{"PORTAL_CLOUD", "none of public, usgov, china", with(tenantEnv(), "PORTAL_CLOUD", "germany")},
		{"PORTAL_TENANT_ID", "PORTAL_CLIENT_ID is set", with(sandbox, "PORTAL_CLIENT_ID", guidA)},
		{"PORTAL_TENANT_ID", "PORTAL_CLIENT_SECRET is set", with(sandbox, "PORTAL_CLIENT_SECRET_FILE", "/run/secret")},
		{"PORTAL_TENANT_ID", "not a tenant id", with(tenantEnv(), "PORTAL_TENANT_ID", "contoso.onmicrosoft.com")},
		{"PORTAL_TENANT_ID", "not a tenant id", with(tenantEnv(), "PORTAL_TENANT_ID", "consumers")},
		{"PORTAL_ISSUER", "as well", with(tenantEnv(), "PORTAL_ISSUER", "https://login.example.com")},
		{"PORTAL_ISSUER", "not https", with(tenantEnv(), "PORTAL_TENANT_ID", "", "PORTAL_ISSUER", "http://login.example.com")},
		{"PORTAL_ALLOWED_TENANTS", "is needed", with(tenantEnv(), "PORTAL_TENANT_ID", "common")},
		{"PORTAL_ALLOWED_TENANTS", "not a tenant id", with(tenantEnv(), "PORTAL_TENANT_ID", "common", "PORTAL_ALLOWED_TENANTS", "contoso.com")},
		{"PORTAL_ALLOWED_TENANTS", "only", with(tenantEnv(), "PORTAL_ALLOWED_TENANTS", guidA)},
		{"PORTAL_CLIENT_ID", "is missing", with(tenantEnv(), "PORTAL_CLIENT_ID", "")},
		{"PORTAL_CLIENT_ID", "GUID", with(tenantEnv(), "PORTAL_CLIENT_ID", "portal")},
		{"PORTAL_CLIENT_SECRET", "is missing", with(tenantEnv(), "PORTAL_CLIENT_SECRET", "")},
		{"PORTAL_CLIENT_SECRET", "the id of the secret", with(tenantEnv(), "PORTAL_CLIENT_SECRET", guidA)},
		{"PORTAL_CLIENT_SECRET", "PORTAL_CLIENT_CERTIFICATE as well", with(tenantEnv(), "PORTAL_CLIENT_CERTIFICATE", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----")},
		{"PORTAL_CLIENT_CERTIFICATE", "not PEM", with(tenantEnv(), "PORTAL_CLIENT_SECRET", "", "PORTAL_CLIENT_CERTIFICATE", "MIIC")},
		{"PORTAL_CLIENT_FEDERATED_TOKEN_FILE", "not a readable file", with(tenantEnv(), "PORTAL_CLIENT_SECRET", "", "PORTAL_CLIENT_FEDERATED_TOKEN_FILE", "/no/such/file")},
		{"PORTAL_AZTS_URL", "is missing; an AzTS admin", with(tenantEnv(), "PORTAL_AZTS_URL", "", "PORTAL_AZTS_SCOPE", "")},
		{"PORTAL_AZTS_URL", "is missing, but PORTAL_AZTS_SCOPE", with(tenantEnv(), "PORTAL_AZTS_URL", "")},
		{"PORTAL_AZTS_SCOPE", "is missing, but PORTAL_AZTS_URL", with(tenantEnv(), "PORTAL_AZTS_SCOPE", "")},
		{"PORTAL_AZTS_SCOPE", "/.default", with(tenantEnv(), "PORTAL_AZTS_SCOPE", "api://x/.default")},
		{"PORTAL_AZTS_SCOPE", "not one scope", with(tenantEnv(), "PORTAL_AZTS_SCOPE", "api://x/a api://x/b")},
		{"PORTAL_AZTS_SCOPE", "not one scope", with(tenantEnv(), "PORTAL_AZTS_SCOPE", "user_impersonation")},
		{"PORTAL_AZTS_URL", "not https", with(tenantEnv(), "PORTAL_AZTS_URL", "http://azts.contoso.com")},
		{"PORTAL_GRAPH_URL", "of the form", with(tenantEnv(), "PORTAL_GRAPH_URL", "graph")},
		{"PORTAL_RESOURCES", "not an App ID URI", with(tenantEnv(), "PORTAL_RESOURCES", "https://vault.azure.net")},
		{"PORTAL_RESOURCES", "not an App ID URI", with(tenantEnv(), "PORTAL_RESOURCES", "api://good,api://x?y")},
		{"PORTAL_RESOURCES", "before /.default", with(tenantEnv(), "PORTAL_RESOURCES", "api://payroll/.default")},
		{"PORTAL_TRUSTED_ISSUERS", "not an https address", with(tenantEnv(), "PORTAL_TRUSTED_ISSUERS", "http://login.partner.example")},
		{"PORTAL_MANAGED_IDENTITY", "neither system nor", with(tenantEnv(), "PORTAL_MANAGED_IDENTITY", "yes")},
		{"PORTAL_MANAGED_IDENTITY", "the id of one tenant", with(tenantEnv(), "PORTAL_TENANT_ID", "organizations", "PORTAL_ALLOWED_TENANTS", guidA, "PORTAL_MANAGED_IDENTITY", "system")},
		{"PORTAL_MANAGED_IDENTITY", "the id of one tenant", with(tenantEnv(), "PORTAL_TENANT_ID", "", "PORTAL_ISSUER", "https://login.example.com", "PORTAL_MANAGED_IDENTITY", "system")},
		{"PORTAL_ADMIN_DIRECTORY_ROLES", "not the template id", with(tenantEnv(), "PORTAL_ADMIN_DIRECTORY_ROLES", "GlobalAdministrator")},
		{"PORTAL_ADMIN_DIRECTORY_ROLES", "everyone would be", with(tenantEnv(), "PORTAL_ADMIN_DIRECTORY_ROLES", "B79FBF4D-3EF9-4689-8143-76B194E85509")},
		{"PORTAL_ADMIN_GROUPS", "not the object id", with(tenantEnv(), "PORTAL_ADMIN_GROUPS", "admins")},
		{"PORTAL_ARM_URL", "of the form", with(tenantEnv(), "PORTAL_ARM_URL", "https://")},
		{"PORTAL_DATABASE_URL", "neither sqlite:PATH nor postgres://", with(tenantEnv(), "PORTAL_DATABASE_URL", "mysql://db")},
		{"PORTAL_DATABASE_URL", "neither sqlite:PATH nor postgres://", with(sandbox, "PORTAL_DATABASE_URL", "sqlite:")},
		{"PORTAL_SECRET_KEY", "is missing", with(tenantEnv(), "PORTAL_SECRET_KEY", "")},
		{"PORTAL_SECRET_KEY", "is missing", with(tenantEnv(), "PORTAL_SECRET_KEY", " ")},
		{"PORTAL_SECRET_KEY", "is missing", with(tenantEnv(), "PORTAL_SECRET_KEY", ", ,")},
		{"PORTAL_SECRET_KEY", "key 1 is not the base64", with(tenantEnv(), "PORTAL_SECRET_KEY", "c2hvcnQ=")},
		{"PORTAL_SECRET_KEY", "key 2 is not the base64", with(tenantEnv(), "PORTAL_SECRET_KEY", newKey()+",*")},
		{"PORTAL_SECRET_KEY", "not random", with(tenantEnv(), "PORTAL_SECRET_KEY", base64.StdEncoding.EncodeToString(make([]byte, keySize)))},
		{"PORTAL_SESSION_IDLE", "not a duration", with(sandbox, "PORTAL_SESSION_IDLE", "60")},
		{"PORTAL_SESSION_IDLE", "not a duration", with(sandbox, "PORTAL_SESSION_IDLE", "-1h")},
		{"PORTAL_SESSION_MAX", "not a duration", with(sandbox, "PORTAL_SESSION_MAX", "8760h")},
		{"PORTAL_RESULTS_DAYS", "not a number of days", with(sandbox, "PORTAL_RESULTS_DAYS", "0")},
		{"PORTAL_RESULTS_DAYS", "not a number of days", with(sandbox, "PORTAL_RESULTS_DAYS", "366")},
		{"PORTAL_RESULTS_DAYS", "not a number of days", with(sandbox, "PORTAL_RESULTS_DAYS", "30d")},
		{"PORTAL_SESSION_MAX", "shorter than PORTAL_SESSION_IDLE", with(sandbox, "PORTAL_SESSION_MAX", "30m")},
		{"PORTAL_REQUIRE_MFA", "neither true nor false", with(sandbox, "PORTAL_REQUIRE_MFA", "always")},
		{"PORTAL_SANDBOX_ADDR", "not an address of this machine", with(sandbox, "PORTAL_SANDBOX_ADDR", "0.0.0.0:8081")},
		{"PORTAL_SANDBOX_ADDR", "not an address of this machine", with(sandbox, "PORTAL_SANDBOX_ADDR", ":8081")},
		{"PORTAL_SANDBOX_ADDR", "not an address of this machine", with(sandbox, "PORTAL_SANDBOX_ADDR", "127.0.0.1")},
		{"PORTAL_SANDBOX_SUBSCRIPTIONS", "not a number between", with(sandbox, "PORTAL_SANDBOX_SUBSCRIPTIONS", "many")},
		{"PORTAL_SANDBOX_SUBSCRIPTIONS", "not a number between", with(sandbox, "PORTAL_SANDBOX_SUBSCRIPTIONS", "-1")},
		{"PORTAL_SANDBOX_RESULTS", "not a number between", with(sandbox, "PORTAL_SANDBOX_RESULTS", "9999999")},
	} {
		m := mistakesOf(t, tt.env)
		if len(m) != 1 {
			t.Errorf("%s (%s): %d mistakes: %q", tt.name, tt.want, len(m), m)
			continue
		}
		if !strings.HasPrefix(m[0], tt.name+": ") || !strings.Contains(m[0], tt.want) || !strings.HasSuffix(m[0], "(example: "+lookup(tt.name).example+")") {
			t.Errorf("%s: %q, want %q and the example", tt.name, m[0], tt.want)
		}
	}
}

func TestAllMistakesAreToldTogether(t *testing.T) {
	m := mistakesOf(t, map[string]string{
		"PORTAL_ADDR": "nowhere", "PORTAL_BASE_URL": "anywhere", "PORTAL_TENANT_ID": "contoso.com", "PORTAL_CLOUD": "moon", "PORTAL_RESPONSE_TYPE": "token", "PORTAL_CLIENT_ID": "x",
		"PORTAL_SESSION_IDLE": "soon", "PORTAL_REQUIRE_MFA": "maybe", "PORTAL_LOG_FORMAT": "xml", "PORTAL_TRUSTED_PROXIES": "all", "PORTAL_DATABASE_URL": "db",
		"PORTAL_AZTS_URL": "azts", "PORTAL_AZTS_SCOPE": "x", "PORTAL_GRAPH_URL": "graph", "PORTAL_ARM_URL": "arm", "PORTAL_SANDBOX_ADDR": "here",
		"PORTAL_SECRET_KEY": "short", "PORTAL_ALLOWED_TENANTS": "x", "PORTAL_SANDBOX_RESULTS": "x",
	})
	for _, name := range []string{"PORTAL_ADDR", "PORTAL_BASE_URL", "PORTAL_TENANT_ID", "PORTAL_CLOUD", "PORTAL_RESPONSE_TYPE", "PORTAL_CLIENT_ID",
		"PORTAL_CLIENT_SECRET", "PORTAL_SESSION_IDLE", "PORTAL_REQUIRE_MFA", "PORTAL_LOG_FORMAT", "PORTAL_TRUSTED_PROXIES", "PORTAL_DATABASE_URL",
		"PORTAL_AZTS_URL", "PORTAL_AZTS_SCOPE", "PORTAL_GRAPH_URL", "PORTAL_ARM_URL", "PORTAL_SANDBOX_ADDR", "PORTAL_SECRET_KEY",
		"PORTAL_ALLOWED_TENANTS", "PORTAL_SANDBOX_RESULTS"} {
		if !slices.ContainsFunc(m, func(line string) bool { return strings.HasPrefix(line, name+": ") }) {
			t.Errorf("nothing is said of %s", name)
		}
	}
	if lines := strings.Split(m.Error(), "\n"); len(lines) != len(m) {
		t.Errorf("%d lines for %d mistakes", len(lines), len(m))
	}
}

// Whatever is wrong, and wherever a secret was put by mistake: the option itself,
// its file, the password of an address.
func TestAttackSecretsInMessages(t *testing.T) {
	const guidA = "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10"
	for range 50 {
		password := rand.Text()
		shapes := []string{password, " " + password + " ", "postgres://u:" + password + "@h", "mysql://u:" + password + "@h", password + "," + password,
			base64.StdEncoding.EncodeToString([]byte(password)), "-----BEGIN X-----\n" + password, "sqlite" + password}
		for _, shape := range shapes {
			told := func(env map[string]string, where string) {
				t.Helper()
				for _, line := range mistakesOf(t, env) {
					if strings.Contains(line, password) || strings.Contains(line, strings.TrimSpace(shape)) {
						t.Fatalf("%s: %s", where, line)
					}
				}
			}
			for _, o := range options {
				if o.kind != secret {
					continue
				}
				told(with(map[string]string{}, o.name, shape), o.name+" in the sandbox")
				told(with(tenantEnv(), o.name, shape), o.name)
				told(with(tenantEnv(), o.name, shape, "PORTAL_CLIENT_ID", "", "PORTAL_AZTS_URL", ""), o.name+" among other mistakes")
				told(with(tenantEnv(), o.name, "", o.name+"_FILE", shape), o.name+"_FILE")
				told(with(tenantEnv(), o.name, shape, o.name+"_FILE", shape), o.name+" twice")
				told(with(map[string]string{"PORTAL_TENANT_ID": guidA}, o.name, shape), o.name+" alone")
			}
			told(with(tenantEnv(), "PORTAL_CLIENT_SECRET", "", "PORTAL_CLIENT_FEDERATED_TOKEN_FILE", shape), "PORTAL_CLIENT_FEDERATED_TOKEN_FILE")
		}
		for _, name := range []string{"PORTAL_BASE_URL", "PORTAL_AZTS_URL", "PORTAL_GRAPH_URL", "PORTAL_ARM_URL"} {
			for _, address := range []string{"https://u:" + password + "@host", "https://u:" + password + "%zz@host", "http://u:" + password + "@host", "ftp://" + password + "@host/",
				"https://u:" + password + "@host?x", "https://u:" + password + "@", "https://u:" + password + " @host"} {
				m := mistakesOf(t, with(tenantEnv(), name, address))
				if len(m) == 0 {
					t.Errorf("%s takes a password", name)
				}
				for _, line := range m {
					if strings.Contains(line, password) {
						t.Fatalf("%s: %s", name, line)
					}
				}
			}
		}
	}
}
