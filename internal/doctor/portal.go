package doctor

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
)

// portal looks at the portal itself: its address, the proxy before it, its
// database, and settings that do not fit each other.
func (x *examination) portal(ctx context.Context) []Check {
	checks := []Check{x.baseURL()}
	if x.visit.Request != nil {
		checks = append(checks, x.proxy())
	}
	if x.cfg.Database != nil {
		checks = append(checks, x.database(ctx))
	}
	return append(checks, x.settings())
}

func (x *examination) baseURL() Check {
	c := Check{ID: "base_url", Group: Portal, Title: "Address of the portal", Place: "PORTAL_BASE_URL"}
	base, err := url.Parse(x.cfg.BaseURL)
	if err != nil || base.Host == "" {
		return c.bad("The address is none.", apperr.MenderDeveloper, "Set it to https:// and the host by which people open the portal.")
	}
	if r := x.visit.Request; r != nil && !strings.EqualFold(r.Host, base.Host) {
		return c.warn("You opened the portal as "+cut(r.Host)+", and its address is "+base.Host+". A sign-in that begins at one of them ends at the other, and fails.", apperr.MenderDeveloper,
			"Let the proxy pass the header Host on, or lead everybody to one address.")
	}
	switch {
	case base.Scheme == "https":
		return c.good(x.cfg.BaseURL + ", by https.")
	case loopback(base.Hostname()):
		return c.good(x.cfg.BaseURL + ", for this machine alone. Others need https.")
	}
	return c.bad(x.cfg.BaseURL+" is not https: cookies and tokens could be read on their way.", apperr.MenderDeveloper, "Put a proxy with a certificate before the portal.")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (x *examination) proxy() Check {
	c := Check{ID: "proxy", Group: Portal, Title: "Proxy before the portal", Place: "PORTAL_TRUSTED_PROXIES"}
	r := x.visit.Request
	proto, _, _ := strings.Cut(r.Proto, ",") // of the first proxy
	switch proto = strings.ToLower(strings.TrimSpace(proto)); {
	case r.Forwarded && !r.Trusted:
		return c.warn("Your request came through a proxy that is not trusted: everybody has the proxy's address here, in the log and where requests are counted.", apperr.MenderDeveloper, "Add the network of the proxy to the setting.")
	case !strings.HasPrefix(x.cfg.BaseURL, "https://"):
		return c.good("None is needed: the portal is for this machine alone.")
	case r.TLS:
		return c.good("Your request came by TLS to the portal itself.")
	case proto == "https":
		return c.good("Your request came by https to the proxy (X-Forwarded-Proto).")
	case proto != "":
		return c.bad("The proxy lets people in by "+cut(proto)+" (X-Forwarded-Proto). A browser sends the session's cookie by https alone.", apperr.MenderDeveloper, "Let the proxy lead every request to https.")
	}
	c.Next, c.Mender = "Let the proxy send X-Forwarded-Proto.", apperr.MenderDeveloper
	return c.unknown("The proxy does not say whether your request came by https.")
}

func (x *examination) database(ctx context.Context) Check {
	c := Check{ID: "database", Group: Portal, Title: "Database", Place: "PORTAL_DATABASE_URL"}
	switch err := x.cfg.Database.Ping(ctx); {
	case err == nil:
		return c.good("It answers.")
	case apperr.HasCode(err, "storage_full"):
		return c.bad("It has no room left: nothing new is kept, no sign-in and no scan.", apperr.MenderDeveloper, "Make room on its disk. The portal goes on by itself.")
	}
	return c.bad("It does not answer.", apperr.MenderDeveloper, "Look at the portal's log and at the database server.")
}

// settings looks for settings that are allowed, but do not go well together.
func (x *examination) settings() Check {
	c := Check{ID: "settings", Group: Portal, Title: "Settings that belong together", Place: "PORTAL_*"}
	var wrong []string
	if x.cfg.AdminRole == x.cfg.HelpDeskRole && x.cfg.AdminRole != "" {
		wrong = append(wrong, "PORTAL_ADMIN_ROLE and PORTAL_HELPDESK_ROLE are the same: everybody at the help desk is an administrator.")
	}
	if x.cfg.AzTSURL != "" && !entra.HasCode(x.cfg.ResponseType) {
		wrong = append(wrong, "PORTAL_RESPONSE_TYPE is id_token: people get no token for AzTS at sign-in, and each needs one more visit.")
	}
	if api := entra.ResourceAppID(x.cfg.AzTSScope); api != "" && strings.EqualFold(api, x.cfg.ClientID) {
		wrong = append(wrong, "PORTAL_AZTS_SCOPE names this portal's own client id, not that of the AzTS Web API.")
	}
	if x.cfg.AzTSURL != "" && hostOf(x.cfg.AzTSURL) == hostOf(x.cfg.BaseURL) {
		wrong = append(wrong, "PORTAL_AZTS_URL is the portal's own address.")
	}
	if x.cfg.Graph == nil && (x.cfg.Groups || x.cfg.DirectoryRoles) {
		wrong = append(wrong, "Groups or directory roles make people admins, but the provider is not Entra, which alone tells of them.")
	}
	if tenant := x.visit.Tenant; x.cfg.TenantID != "" && tenant != "" && !strings.EqualFold(tenant, x.cfg.TenantID) {
		wrong = append(wrong, "You are signed in from another tenant than the one that is configured.")
	}
	if len(wrong) > 0 {
		return c.warn(strings.Join(wrong, " "), apperr.MenderDeveloper, "Correct the settings and start the portal again.")
	}
	return c.good("No setting contradicts another.")
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// has reports whether a list of addresses holds one, as Entra compares redirect
// URIs: to the letter, but with any port at http://localhost.
func has(list []string, address string) bool {
	return slices.ContainsFunc(list, func(registered string) bool {
		return registered == address || portless(registered) != "" && portless(registered) == portless(address)
	})
}

// portless returns an address at http://localhost without its port, "" for others.
func portless(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" {
		return ""
	}
	u.Host = u.Hostname()
	return u.String()
}
