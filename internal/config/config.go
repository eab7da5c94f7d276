package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is a configuration that was found to be in order.
type Config struct {
	Addr    string
	BaseURL string // scheme://host[:port]

	// Sandbox is set when neither a tenant nor an issuer is configured; then
	// everything about the provider and its APIs comes from the sandbox.
	Sandbox              bool
	SandboxAddr          string
	SandboxSubscriptions int // 0: its default
	SandboxResults       int // 0: its default

	TenantID       string
	Cloud          string
	Issuer         string
	ClientID       string
	ClientSecret   string
	Certificate    []byte // PEM, certificate and key
	FederatedFile  string
	ResponseType   string
	AllowedTenants []string

	AzTSURL   string
	AzTSScope string
	Resources []string // App ID URIs
	// TrustedIssuers are issuers besides the provider's, for the token inspector.
	TrustedIssuers []string
	// ManagedIdentity is "" for none, "system", or a client id.
	ManagedIdentity string
	GraphURL        string // "": that of the cloud
	ARMURL          string // "": that of the cloud

	DatabaseURL  string   // "" in the sandbox: a file of its own
	SecretKeys   [][]byte // 32 bytes each, newest first; none in the sandbox: made at the start
	SessionIdle  time.Duration
	SessionMax   time.Duration
	ResultsDays  int // 1 to 365
	AdminRole    string
	HelpDeskRole string
	// AdminDirectoryRoles and AdminGroups are ids in lower case.
	AdminDirectoryRoles []string
	AdminGroups         []string
	RequireMFA          bool
	TrustedProxies      []netip.Prefix
	LogFormat           string
}

// Mistakes are all that is wrong with a configuration.
type Mistakes []string

// Error implements error: one line a mistake.
func (m Mistakes) Error() string { return strings.Join(m, "\n") }

type loader struct {
	getenv   func(string) string
	readFile func(string) ([]byte, error)
	mistakes Mistakes
}

// Load reads the configuration from the environment. Its error is [Mistakes],
// each with the variable, what is wrong and an example.
func Load(getenv func(string) string) (*Config, error) {
	l := &loader{getenv: getenv, readFile: os.ReadFile}
	c := &Config{}
	l.listen(c)
	l.provider(c)
	l.services(c)
	l.keeping(c)
	l.people(c)
	l.sandbox(c)
	if len(l.mistakes) > 0 {
		return nil, l.mistakes
	}
	return c, nil
}

func lookup(name string) option {
	i := slices.IndexFunc(options, func(o option) bool { return o.name == name })
	return options[i] // a name that is not in the table is a defect, found by any test
}

// wrong notes a mistake. what must not repeat the value of a secret.
func (l *loader) wrong(name, what string) {
	l.mistakes = append(l.mistakes, fmt.Sprintf("%s: %s (example: %s)", name, what, lookup(name).example))
}

// value returns an option's value without blanks around it, or its fallback. A secret may stand in
// the file that NAME_FILE points to.
func (l *loader) value(name, fallback string) string {
	v := strings.TrimSpace(l.getenv(name))
	if lookup(name).kind == secret {
		if path := l.getenv(name + "_FILE"); path != "" {
			if v != "" {
				l.wrong(name, "is set, and "+name+"_FILE as well; set one of them")
			}
			b, err := l.readFile(path)
			if err != nil {
				l.wrong(name, "the file that "+name+"_FILE names cannot be read: "+fileProblem(err))
			} else if v = strings.TrimSpace(string(b)); v == "" {
				l.wrong(name, "the file that "+name+"_FILE names is empty")
			}
		}
	}
	return cmp.Or(v, fallback)
}

// fileProblem leaves out the path: a secret put into NAME_FILE by mistake must
// not be printed.
func fileProblem(err error) string {
	switch {
	case os.IsNotExist(err):
		return "there is no such file"
	case os.IsPermission(err):
		return "permission denied"
	}
	return "it is not a readable file"
}

func (l *loader) oneOf(name, fallback string, values ...string) string {
	v := l.value(name, fallback)
	if !slices.Contains(values, v) {
		l.wrong(name, fmt.Sprintf("%q is none of %s", v, strings.Join(values, ", ")))
	}
	return v
}

func (l *loader) duration(name string, fallback time.Duration) time.Duration {
	v := l.value(name, fallback.String())
	d, err := time.ParseDuration(v)
	if err != nil || d < time.Minute || d > 30*24*time.Hour {
		l.wrong(name, fmt.Sprintf("%q is not a duration between 1m and 720h", v))
		return fallback
	}
	return d
}

func (l *loader) count(name string, most int) int {
	v := l.value(name, "0")
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > most {
		l.wrong(name, fmt.Sprintf("%q is not a number between 0 and %d", v, most))
		return 0
	}
	return n
}

// address checks a base URL: https, or http on this machine, without query,
// fragment or user. It returns it without a slash at its end.
func (l *loader) address(name, fallback string) string {
	v := l.value(name, fallback)
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	switch {
	case strings.Contains(v, "@"):
		l.wrong(name, "holds a user name; an address of the form https://host is wanted") // and perhaps a password
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		l.wrong(name, fmt.Sprintf("%q is not an address of the form https://host", v))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		l.wrong(name, fmt.Sprintf("%q is not https; plain http is for this machine only", v))
	case u.Scheme != "http" && u.Scheme != "https":
		l.wrong(name, fmt.Sprintf("%q is neither https nor http", v))
	}
	return strings.TrimRight(v, "/")
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (l *loader) listen(c *Config) {
	c.Addr = l.value("PORTAL_ADDR", "localhost:8080")
	before := len(l.mistakes)
	host, port, err := net.SplitHostPort(c.Addr)
	fallback := ""
	if n, e := strconv.Atoi(port); err != nil || e != nil || n < 0 || n > 65535 {
		l.wrong("PORTAL_ADDR", fmt.Sprintf("%q is not host:port", c.Addr))
	} else if loopback(host) {
		fallback = "http://" + c.Addr
	}
	c.BaseURL = l.address("PORTAL_BASE_URL", fallback)
	u, err := url.Parse(c.BaseURL)
	switch {
	case len(l.mistakes) > before:
		// What follows would only repeat it.
	case c.BaseURL == "":
		l.wrong("PORTAL_BASE_URL", "is needed when PORTAL_ADDR is not on this machine")
	case err == nil && u.Path != "":
		// A __Host- cookie belongs to the whole host.
		l.wrong("PORTAL_BASE_URL", fmt.Sprintf("has the path %q; the portal needs a host of its own", u.Path))
	}
	c.LogFormat = l.oneOf("PORTAL_LOG_FORMAT", "text", "text", "json")
	for _, part := range list(l.value("PORTAL_TRUSTED_PROXIES", "")) {
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			if ip, e := netip.ParseAddr(part); e == nil {
				prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
			}
		}
		if err != nil {
			l.wrong("PORTAL_TRUSTED_PROXIES", fmt.Sprintf("%q is not a network", part))
			continue
		}
		c.TrustedProxies = append(c.TrustedProxies, prefix.Masked())
	}
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}
