package config

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// newKey returns a sealing key as an operator makes it.
func newKey() string {
	var b [keySize]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// tenantEnv is a whole configuration for an Entra tenant.
func tenantEnv() map[string]string {
	return map[string]string{
		"PORTAL_BASE_URL":      "https://portal.contoso.com",
		"PORTAL_TENANT_ID":     "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10",
		"PORTAL_CLIENT_ID":     "2f6d8a10-94c3-4b7e-8e15-0a3c7d91b6e2",
		"PORTAL_CLIENT_SECRET": "the~secret",
		"PORTAL_AZTS_URL":      "https://azts.contoso.com/",
		"PORTAL_AZTS_SCOPE":    "api://b1d04c77-6a2e-4d39-8f52-3e9ac0175d84/user_impersonation",
		"PORTAL_SECRET_KEY":    newKey(),
	}
}

// with returns env with changes; an empty value removes.
func with(env map[string]string, changes ...string) map[string]string {
	env = maps.Clone(env)
	for i := 0; i < len(changes); i += 2 {
		env[changes[i]] = changes[i+1]
	}
	return env
}

func load(env map[string]string) (*Config, error) {
	return Load(func(name string) string { return env[name] })
}

// mistakesOf returns the lines of what is wrong with env.
func mistakesOf(t *testing.T, env map[string]string) Mistakes {
	t.Helper()
	c, err := load(env)
	if err == nil {
		return nil
	}
	var m Mistakes
	if c != nil || !errors.As(err, &m) {
		t.Fatalf("Load = %v, %v", c, err)
	}
	return m
}

func TestNothingConfiguredIsTheSandbox(t *testing.T) {
	c, err := load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Sandbox || c.Addr != "localhost:8080" || c.BaseURL != "http://localhost:8080" || c.SandboxAddr != "127.0.0.1:8081" || c.DatabaseURL != "" ||
		len(c.SecretKeys) != 0 || c.SessionIdle != time.Hour || c.SessionMax != 12*time.Hour || c.ResultsDays != 30 || c.AdminRole != "Portal.Admin" ||
		c.HelpDeskRole != "Portal.HelpDesk" || c.RequireMFA || c.ResponseType != "code id_token" || c.LogFormat != "text" || c.TrustedProxies != nil {
		t.Errorf("%+v", c)
	}
}

func TestTenant(t *testing.T) {
	env := with(tenantEnv(), "PORTAL_CLOUD", "usgov", "PORTAL_RESPONSE_TYPE", " id_token  code ", "PORTAL_SESSION_IDLE", "30m", "PORTAL_SESSION_MAX", "8h", "PORTAL_RESULTS_DAYS", "365",
		"PORTAL_REQUIRE_MFA", "true", "PORTAL_TRUSTED_PROXIES", "127.0.0.1, fd00::1/8\n10.1.2.3/8", "PORTAL_LOG_FORMAT", "json",
		"PORTAL_DATABASE_URL", "postgres://portal:p@db/portal", "PORTAL_ADDR", ":8080")
	c, err := load(env)
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("10.0.0.0/8")}
	if c.Sandbox || c.Cloud != "usgov" || c.ResponseType != "code id_token" || c.SessionIdle != 30*time.Minute || c.SessionMax != 8*time.Hour || c.ResultsDays != 365 || !c.RequireMFA ||
		!slices.Equal(c.TrustedProxies, want) || c.LogFormat != "json" || c.DatabaseURL != env["PORTAL_DATABASE_URL"] ||
		c.AzTSURL != "https://azts.contoso.com" || c.ClientSecret != "the~secret" || len(c.SecretKeys) != 1 || c.Addr != ":8080" {
		t.Errorf("%+v", c)
	}
	if c, err := load(tenantEnv()); err != nil || c.DatabaseURL != "sqlite:portal.db" {
		t.Errorf("the default database: %+v, %v", c, err)
	}
}

func TestOtherProvider(t *testing.T) {
	env := map[string]string{"PORTAL_ISSUER": "https://login.example.com/", "PORTAL_CLIENT_ID": "portal", "PORTAL_RESPONSE_TYPE": "id_token", "PORTAL_SECRET_KEY": newKey()}
	c, err := load(env)
	if err != nil {
		t.Fatal(err)
	}
	// Compared to the letter with the iss claim: the slash stays.
	if c.Sandbox || c.Issuer != "https://login.example.com/" || c.AzTSURL != "" {
		t.Errorf("%+v", c)
	}
}

func TestManyTenants(t *testing.T) {
	env := with(tenantEnv(), "PORTAL_TENANT_ID", "organizations", "PORTAL_ALLOWED_TENANTS",
		"7C9E1B42-3D58-4F0A-9A61-5BE2C4D07F10,2f6d8a10-94c3-4b7e-8e15-0a3c7d91b6e2")
	c, err := load(env)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10", "2f6d8a10-94c3-4b7e-8e15-0a3c7d91b6e2"}; !slices.Equal(c.AllowedTenants, want) {
		t.Errorf("tenants %v", c.AllowedTenants)
	}
}

func TestKeyRotation(t *testing.T) {
	newest, old := newKey(), newKey()
	c, err := load(with(tenantEnv(), "PORTAL_SECRET_KEY", newest+",\n"+old))
	if err != nil || len(c.SecretKeys) != 2 {
		t.Fatalf("%d keys, %v", len(c.SecretKeys), err)
	}
	for i, text := range []string{newest, old} {
		if want, err := base64.StdEncoding.DecodeString(text); err != nil || !bytes.Equal(c.SecretKeys[i], want) {
			t.Errorf("key %d is another, %v", i+1, err)
		}
	}
}

func TestSecretsComeFromFilesToo(t *testing.T) {
	dir := t.TempDir()
	file := func(content string) string {
		path := filepath.Join(dir, rand.Text())
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := newKey()
	c, err := load(with(tenantEnv(), "PORTAL_CLIENT_SECRET", "", "PORTAL_CLIENT_SECRET_FILE", file("from a file\n"),
		"PORTAL_SECRET_KEY", "", "PORTAL_SECRET_KEY_FILE", file(key+"\n"), "PORTAL_DATABASE_URL_FILE", file("postgres://db/portal\n")))
	if err != nil || c.ClientSecret != "from a file" || len(c.SecretKeys) != 1 || c.DatabaseURL != "postgres://db/portal" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, o := range options {
		if o.kind != secret {
			continue
		}
		for what, tt := range map[string]struct{ path, want string }{
			"not there": {filepath.Join(dir, "none"), "no such file"},
			"a folder":  {dir, "not a readable file"},
			"empty":     {file(" \n"), "is empty"},
		} {
			m := mistakesOf(t, with(tenantEnv(), o.name, "", o.name+"_FILE", tt.path))
			if !slices.ContainsFunc(m, func(line string) bool { return strings.HasPrefix(line, o.name+": ") && strings.Contains(line, tt.want) }) {
				t.Errorf("%s_FILE, %s: %v", o.name, what, m)
			}
		}
		m := mistakesOf(t, with(tenantEnv(), o.name, "here", o.name+"_FILE", file("and there")))
		if !slices.ContainsFunc(m, func(line string) bool { return strings.Contains(line, o.name+"_FILE as well") }) {
			t.Errorf("%s twice: %v", o.name, m)
		}
	}
}

func TestExamplesAreGood(t *testing.T) {
	for _, o := range options {
		if o.kind == secret || o.name == "PORTAL_CLIENT_FEDERATED_TOKEN_FILE" {
			continue // prose, and a file of another machine
		}
		env := with(tenantEnv(), o.name, o.example)
		switch o.name {
		case "PORTAL_ISSUER":
			env["PORTAL_TENANT_ID"] = ""
		case "PORTAL_ALLOWED_TENANTS":
			env["PORTAL_TENANT_ID"] = "common"
		}
		if m := mistakesOf(t, env); m != nil {
			t.Errorf("%s=%s: %v", o.name, o.example, m)
		}
	}
}

// A default that the table names is what nothing set stands for.
func TestDefaultsOfTheTable(t *testing.T) {
	for _, o := range options {
		if o.fallback == "" || strings.Contains(o.fallback, " ") && o.name != "PORTAL_RESPONSE_TYPE" {
			continue // described in words
		}
		env := tenantEnv()
		delete(env, o.name)
		unset, err := load(env)
		if err != nil {
			t.Fatal(err)
		}
		set, err := load(with(env, o.name, o.fallback))
		if err != nil {
			t.Fatal(err)
		}
		// The sandbox's number of subscriptions is its own default: 0 stands for it.
		if o.name == "PORTAL_SANDBOX_SUBSCRIPTIONS" {
			unset.SandboxSubscriptions = 12
		}
		if a, b := describe(unset), describe(set); a != b {
			t.Errorf("%s: nothing set is not %s:\n%s\n%s", o.name, o.fallback, a, b)
		}
	}
}
