package config

import (
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// providerOptions make sense only with a provider; one of them without it is a
// mistake, not a wish for the sandbox.
var providerOptions = []string{"PORTAL_CLOUD", "PORTAL_CLIENT_ID", "PORTAL_CLIENT_SECRET", "PORTAL_CLIENT_CERTIFICATE",
	"PORTAL_CLIENT_FEDERATED_TOKEN_FILE", "PORTAL_ALLOWED_TENANTS", "PORTAL_AZTS_URL", "PORTAL_AZTS_SCOPE",
	"PORTAL_GRAPH_URL", "PORTAL_ARM_URL", "PORTAL_RESOURCES", "PORTAL_TRUSTED_ISSUERS", "PORTAL_MANAGED_IDENTITY"}

func (l *loader) provider(c *Config) {
	c.TenantID = l.value("PORTAL_TENANT_ID", "")
	c.Issuer = l.value("PORTAL_ISSUER", "") // compared to the letter: a slash at its end stays
	c.ResponseType = strings.Join(strings.Fields(l.value("PORTAL_RESPONSE_TYPE", "code id_token")), " ")
	if c.ResponseType == "id_token code" {
		c.ResponseType = "code id_token"
	}
	if !slices.Contains([]string{"code id_token", "code", "id_token"}, c.ResponseType) {
		l.wrong("PORTAL_RESPONSE_TYPE", fmt.Sprintf("%q is none of code id_token, code, id_token", c.ResponseType))
	}
	c.Cloud = l.oneOf("PORTAL_CLOUD", "public", "public", "usgov", "china")
	c.Sandbox = c.TenantID == "" && c.Issuer == ""
	if c.Sandbox {
		for _, name := range providerOptions {
			if l.getenv(name) != "" || lookup(name).kind == secret && l.getenv(name+"_FILE") != "" {
				l.wrong("PORTAL_TENANT_ID", "is missing, but "+name+" is set; without a tenant or an issuer the sandbox runs, which takes no such option")
				return
			}
		}
		return
	}
	switch {
	case c.TenantID != "" && c.Issuer != "":
		l.wrong("PORTAL_ISSUER", "is set, and PORTAL_TENANT_ID as well; set one of them")
	case c.Issuer != "":
		l.address("PORTAL_ISSUER", "")
	case c.TenantID != "organizations" && c.TenantID != "common" && !guid.MatchString(c.TenantID):
		// Not a domain either: a domain can be moved to another tenant.
		l.wrong("PORTAL_TENANT_ID", fmt.Sprintf("%q is not a tenant id; the Entra admin center shows it on its first page", c.TenantID))
	}
	l.tenants(c)
	if c.ClientID = l.value("PORTAL_CLIENT_ID", ""); c.ClientID == "" {
		l.wrong("PORTAL_CLIENT_ID", "is missing")
	} else if c.TenantID != "" && !guid.MatchString(c.ClientID) {
		l.wrong("PORTAL_CLIENT_ID", "is not a client id of Entra, which is a GUID")
	}
	l.credential(c)
}

func (l *loader) tenants(c *Config) {
	c.AllowedTenants = list(strings.ToLower(l.value("PORTAL_ALLOWED_TENANTS", "")))
	for _, tenant := range c.AllowedTenants {
		if !guid.MatchString(tenant) {
			l.wrong("PORTAL_ALLOWED_TENANTS", fmt.Sprintf("%q is not a tenant id", tenant))
		}
	}
	many := c.TenantID == "organizations" || c.TenantID == "common"
	if many && len(c.AllowedTenants) == 0 {
		l.wrong("PORTAL_ALLOWED_TENANTS", "is needed with PORTAL_TENANT_ID="+c.TenantID+": or anyone with a Microsoft account gets in")
	}
	if !many && len(c.AllowedTenants) > 0 {
		l.wrong("PORTAL_ALLOWED_TENANTS", "goes with PORTAL_TENANT_ID=organizations or common only")
	}
}

func (l *loader) credential(c *Config) {
	c.ClientSecret = l.value("PORTAL_CLIENT_SECRET", "")
	c.Certificate = []byte(l.value("PORTAL_CLIENT_CERTIFICATE", ""))
	c.FederatedFile = l.value("PORTAL_CLIENT_FEDERATED_TOKEN_FILE", "")
	var set []string
	for name, there := range map[string]bool{"PORTAL_CLIENT_SECRET": c.ClientSecret != "",
		"PORTAL_CLIENT_CERTIFICATE": len(c.Certificate) > 0, "PORTAL_CLIENT_FEDERATED_TOKEN_FILE": c.FederatedFile != ""} {
		if there {
			set = append(set, name)
		}
	}
	slices.Sort(set)
	switch {
	case len(set) > 1:
		l.wrong(set[1], "is set, and "+set[0]+" as well; set one of them")
	case len(set) == 0 && c.ResponseType != "id_token":
		l.wrong("PORTAL_CLIENT_SECRET", "is missing; set it, PORTAL_CLIENT_CERTIFICATE or PORTAL_CLIENT_FEDERATED_TOKEN_FILE")
	}
	if c.TenantID != "" && guid.MatchString(c.ClientSecret) {
		l.wrong("PORTAL_CLIENT_SECRET", "looks like the id of the secret; its value is wanted")
	}
	if len(c.Certificate) > 0 {
		if block, _ := pem.Decode(c.Certificate); block == nil {
			l.wrong("PORTAL_CLIENT_CERTIFICATE", "is not PEM")
		}
	}
	if c.FederatedFile != "" {
		if info, err := os.Stat(c.FederatedFile); err != nil || info.IsDir() {
			l.wrong("PORTAL_CLIENT_FEDERATED_TOKEN_FILE", "is not a readable file")
		}
	}
}

func (l *loader) services(c *Config) {
	c.AzTSURL = l.address("PORTAL_AZTS_URL", "")
	c.GraphURL = l.address("PORTAL_GRAPH_URL", "")
	c.ARMURL = l.address("PORTAL_ARM_URL", "")
	c.AzTSScope = l.value("PORTAL_AZTS_SCOPE", "")
	if c.Sandbox {
		return
	}
	l.tokens(c)
	switch {
	case (c.AzTSURL == "") != (c.AzTSScope == ""):
		missing, there := "PORTAL_AZTS_URL", "PORTAL_AZTS_SCOPE"
		if c.AzTSURL != "" {
			missing, there = there, missing
		}
		l.wrong(missing, "is missing, but "+there+" is set; they belong together")
	case c.AzTSURL == "" && c.TenantID != "":
		l.wrong("PORTAL_AZTS_URL", "is missing; an AzTS admin has it, with PORTAL_AZTS_SCOPE")
	case strings.HasSuffix(c.AzTSScope, "/.default"):
		l.wrong("PORTAL_AZTS_SCOPE", "ends in /.default, which is for applications; people need a delegated scope")
	case c.AzTSScope != "" && (strings.ContainsAny(c.AzTSScope, " \t") || !strings.Contains(c.AzTSScope, "://")):
		l.wrong("PORTAL_AZTS_SCOPE", fmt.Sprintf("%q is not one scope of the form api://id/name", c.AzTSScope))
	}
}

// appIDURI is the App ID URI of a custom API: no path that could be taken for a
// permission, no wildcard.
var appIDURI = regexp.MustCompile(`^api://[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9._~-]+)*$`)

func (l *loader) tokens(c *Config) {
	c.Resources = list(l.value("PORTAL_RESOURCES", ""))
	for _, resource := range c.Resources {
		switch {
		case strings.HasSuffix(resource, "/.default"):
			l.wrong("PORTAL_RESOURCES", fmt.Sprintf("%q is a scope; the App ID URI before /.default is wanted", resource))
		case !appIDURI.MatchString(resource):
			l.wrong("PORTAL_RESOURCES", fmt.Sprintf("%q is not an App ID URI", resource))
		}
	}
	for _, issuer := range list(l.value("PORTAL_TRUSTED_ISSUERS", "")) {
		if u, err := url.Parse(issuer); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
			u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
			l.wrong("PORTAL_TRUSTED_ISSUERS", "holds something that is not an https address")
			continue
		}
		c.TrustedIssuers = append(c.TrustedIssuers, issuer)
	}
	c.ManagedIdentity = l.value("PORTAL_MANAGED_IDENTITY", "")
	if c.ManagedIdentity != "" && c.ManagedIdentity != "system" && !guid.MatchString(c.ManagedIdentity) {
		l.wrong("PORTAL_MANAGED_IDENTITY", fmt.Sprintf("%q is neither system nor a client id", c.ManagedIdentity))
	}
	if c.ManagedIdentity != "" && !guid.MatchString(c.TenantID) {
		// An admin of any of several tenants would hold the power of this one.
		l.wrong("PORTAL_MANAGED_IDENTITY", "goes only with the id of one tenant in PORTAL_TENANT_ID")
	}
}
