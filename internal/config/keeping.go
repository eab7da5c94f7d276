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
}

func (l *loader) people(c *Config) {
	c.AdminRole = l.value("PORTAL_ADMIN_ROLE", "Portal.Admin")
	c.HelpDeskRole = l.value("PORTAL_HELPDESK_ROLE", "Portal.HelpDesk")
	text := l.value("PORTAL_REQUIRE_MFA", "false")
	var err error
	if c.RequireMFA, err = strconv.ParseBool(text); err != nil {
		l.wrong("PORTAL_REQUIRE_MFA", fmt.Sprintf("%q is neither true nor false", text))
	}
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
