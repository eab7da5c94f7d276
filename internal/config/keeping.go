package config

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const keySize = 32

func (l *loader) keeping(c *Config) {
	c.DatabaseURL = l.value("PORTAL_DATABASE_URL", "")
	switch {
	case c.DatabaseURL == "" && !c.Sandbox:
		c.DatabaseURL = "sqlite:portal.db"
	case c.DatabaseURL == "":
	case !strings.HasPrefix(c.DatabaseURL, "postgres://") && !strings.HasPrefix(c.DatabaseURL, "postgresql://") &&
		(!strings.HasPrefix(c.DatabaseURL, "sqlite:") || c.DatabaseURL == "sqlite:"):
		l.wrong("PORTAL_DATABASE_URL", "begins with neither sqlite:PATH nor postgres://") // it may hold a password
	}
	before := len(l.mistakes)
	for i, text := range list(l.value("PORTAL_SECRET_KEY", "")) {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != keySize {
			l.wrong("PORTAL_SECRET_KEY", fmt.Sprintf("key %d is not the base64 of %d bytes", i+1, keySize))
			continue
		}
		if slices.Max(key) == slices.Min(key) {
			l.wrong("PORTAL_SECRET_KEY", fmt.Sprintf("key %d is not random", i+1))
		}
		c.SecretKeys = append(c.SecretKeys, key)
	}
	// A lone comma is no key either: with none, one would be made at each start.
	if !c.Sandbox && len(c.SecretKeys) == 0 && len(l.mistakes) == before {
		l.wrong("PORTAL_SECRET_KEY", "is missing; a real tenant's sessions need a key that outlives a restart")
	}
	c.SessionIdle = l.duration("PORTAL_SESSION_IDLE", time.Hour)
	c.SessionMax = l.duration("PORTAL_SESSION_MAX", 12*time.Hour)
	if c.SessionMax < c.SessionIdle {
		l.wrong("PORTAL_SESSION_MAX", fmt.Sprintf("%v is shorter than PORTAL_SESSION_IDLE, %v", c.SessionMax, c.SessionIdle))
	}
	text := l.value("PORTAL_RESULTS_DAYS", "30")
	var err error
	if c.ResultsDays, err = strconv.Atoi(text); err != nil || c.ResultsDays < 1 || c.ResultsDays > 365 {
		l.wrong("PORTAL_RESULTS_DAYS", fmt.Sprintf("%q is not a number of days between 1 and 365", text))
	}
}

func (l *loader) people(c *Config) {
	c.AdminRole = l.value("PORTAL_ADMIN_ROLE", "Portal.Admin")
	c.HelpDeskRole = l.value("PORTAL_HELPDESK_ROLE", "Portal.HelpDesk")
	c.AdminDirectoryRoles = l.ids("PORTAL_ADMIN_DIRECTORY_ROLES", "the template id of a directory role")
	c.AdminGroups = l.ids("PORTAL_ADMIN_GROUPS", "the object id of a group")
	text := l.value("PORTAL_REQUIRE_MFA", "false")
	var err error
	if c.RequireMFA, err = strconv.ParseBool(text); err != nil {
		l.wrong("PORTAL_REQUIRE_MFA", fmt.Sprintf("%q is neither true nor false", text))
	}
}

// everyone is the template id that ordinary members carry in wids (entra.md §7.8):
// to name it would make admins of all.
const everyone = "b79fbf4d-3ef9-4689-8143-76b194e85509"

// ids returns a list of GUIDs in lower case.
func (l *loader) ids(name, what string) []string {
	ids := list(strings.ToLower(l.value(name, "")))
	for _, id := range ids {
		if !guid.MatchString(id) {
			l.wrong(name, fmt.Sprintf("%q is not %s", id, what))
		}
		if id == everyone {
			l.wrong(name, id+" is held by every member of the tenant, so everyone would be an admin")
		}
	}
	return ids
}

func (l *loader) sandbox(c *Config) {
	c.SandboxAddr = l.value("PORTAL_SANDBOX_ADDR", "127.0.0.1:8081")
	host, _, ok := strings.Cut(c.SandboxAddr, ":")
	if strings.HasPrefix(c.SandboxAddr, "[::1]:") {
		host, ok = "::1", true
	}
	if !ok || !loopback(host) {
		l.wrong("PORTAL_SANDBOX_ADDR", fmt.Sprintf("%q is not an address of this machine", c.SandboxAddr))
	}
	c.SandboxSubscriptions = l.count("PORTAL_SANDBOX_SUBSCRIPTIONS", 100_000)
	c.SandboxResults = l.count("PORTAL_SANDBOX_RESULTS", 1_000_000)
}
