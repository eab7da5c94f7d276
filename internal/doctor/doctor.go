package doctor

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
)

// Limit is how long an examination takes at most.
const Limit = 10 * time.Second

// State is what a check found. The zero value says nothing either way.
type State uint8

// The states, from the one that promises least.
const (
	CannotTell State = iota // why stands in [Check.Finding]
	Bad                     // something does not work, or will not
	Warn                    // it works, but not for long or not for everybody
	Good
)

var stateNames = [...]string{"cannot tell", "wrong", "look at this", "in order"}

// String returns the state in words.
func (s State) String() string { return stateNames[s] }

// Group is what a check is about.
type Group string

// The groups, in the order of a report.
const (
	SignIn       Group = "Company sign-in"
	Registration Group = "Registration of this portal"
	AzTS         Group = "AzTS"
	Services     Group = "Other services"
	Portal       Group = "This portal"
)

// Check is one thing that was looked at.
type Check struct {
	ID      string // stable, such as redirect_uris
	Group   Group
	Title   string // what is looked at
	State   State
	Finding string // what was found, or why it cannot be told
	// Next is how to mend it, Mender who can, both empty where all is in order.
	Next   string
	Mender apperr.Mender
	// Place is the way through the menus of the Entra admin center, or the name of
	// a setting; URL leads there, "" where that is not sure.
	Place string
	URL   string
	// Allow says that it could be told if the person let the portal read the directory.
	Allow bool
}

// Credential is how the portal proves to the provider who it is.
type Credential string

// The kinds of credentials.
const (
	Secret      Credential = "secret"
	Certificate Credential = "certificate"
	Federated   Credential = "federated credential"
	None        Credential = ""
)

// Config says what is examined: the configuration as plain values, and the parts
// that ask. Provider, Client, Now, BaseURL and ClientID are required.
type Config struct {
	BaseURL      string
	ClientID     string
	TenantID     string // the one tenant whose people sign in; "" for several or none
	ResponseType string
	RequireMFA   bool
	Credential   Credential
	// CertificateEnd is when the certificate ends, if that is the credential.
	CertificateEnd time.Time

	AdminRole, HelpDeskRole string
	DirectoryRoles, Groups  bool // some make their holders admins

	AzTSURL, AzTSScope string // "" for none
	ARMURL, GraphURL   string // "" for none
	// EntraURL is the Entra admin center, for links; "" where it is not known.
	EntraURL string

	Provider *entra.Provider
	Graph    *graph.Client // nil where the provider is not Entra
	AzTS     *azts.Client  // nil where there is none
	Database interface{ Ping(context.Context) error }
	Client   *http.Client
	Now      func() time.Time
}

// Doctor examines one installation. It is safe for concurrent use.
type Doctor struct {
	cfg    Config
	client *http.Client
}

// New returns a doctor, or an error when a part is missing.
func New(cfg Config) (*Doctor, error) {
	if cfg.Provider == nil || cfg.Client == nil || cfg.Now == nil || cfg.BaseURL == "" || cfg.ClientID == "" || (cfg.AzTSURL == "") != (cfg.AzTSScope == "") {
		return nil, errors.New("doctor: a part is missing")
	}
	client := *cfg.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Doctor{cfg: cfg, client: &client}, nil
}

// Visit is who asks, and how the question came. The zero value is nobody: then
// only what needs no person is looked at.
type Visit struct {
	Source   graph.TokenSource // tokens of the person; nil: nobody
	ObjectID string            // of the person in the directory
	Tenant   string            // of the person
	Request  *Request
}

// Request is what a request tells of the way that it took.
type Request struct {
	Host      string // as the browser named it
	TLS       bool   // it came to this process by TLS
	Proto     string // X-Forwarded-Proto
	Forwarded bool   // it has X-Forwarded-For
	Trusted   bool   // it came from a proxy that the configuration trusts
}

// Report is what an examination found.
type Report struct {
	At     time.Time
	Checks []Check // in the order of the groups
	// Steps are AzTS's own four, none where no AzTS is configured.
	Steps []Step
	Facts Facts
}

// Of returns the check with that id; the zero value when it was not made.
func (r *Report) Of(id string) Check {
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	return Check{}
}

// Count returns how many checks found that.
func (r *Report) Count(s State) int {
	n := 0
	for _, c := range r.Checks {
		if c.State == s {
			n++
		}
	}
	return n
}

// examination is one run of all checks.
type examination struct {
	*Doctor
	visit  Visit
	apiApp string // client id of the AzTS API, once known; set by directory
	admits string // what step three found; set by directory
}

// Examine looks at everything at once and returns within [Limit], whatever hangs.
func (d *Doctor) Examine(ctx context.Context, visit Visit) Report {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	x := &examination{Doctor: d, visit: visit}
	parts := []func(context.Context) []Check{x.provider, x.directory, x.azts, x.services, x.portal}
	found := make([][]Check, len(parts))
	var wait sync.WaitGroup
	for i, part := range parts {
		wait.Go(func() { found[i] = part(ctx) })
	}
	wait.Wait()
	report := Report{At: d.cfg.Now()}
	for _, group := range []Group{SignIn, Registration, AzTS, Services, Portal} {
		for _, checks := range found {
			for _, c := range checks {
				if c.Group == group {
					report.Checks = append(report.Checks, c)
				}
			}
		}
	}
	if d.cfg.AzTSURL != "" {
		report.Facts = x.facts()
		report.Steps = x.steps(&report)
	}
	return report
}

// Menus of the registration in the Entra admin center, and the pages they lead to.
var blades = map[string]string{
	"Authentication": "Authentication", "Certificates & secrets": "Credentials", "API permissions": "CallAnAPI",
	"Token configuration": "TokenConfiguration", "Expose an API": "ProtectAnAPI",
}

// at names a page of a registration, with a link to it.
func (d *Doctor) at(c Check, appID, name, menu string) Check {
	c.Place = "Entra admin center › App registrations › " + name + " › " + menu
	if d.cfg.EntraURL != "" && entra.IsGUID(appID) {
		c.URL = d.cfg.EntraURL + "/#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/" + blades[menu] + "/appId/" + strings.ToLower(appID)
	}
	return c
}

// here is [Doctor.at] for this portal's own registration.
func (d *Doctor) here(c Check, menu string) Check {
	c.Group = Registration
	return d.at(c, d.cfg.ClientID, "this portal", menu)
}

// good, warn and bad note what was found.
func (c Check) good(finding string) Check {
	c.State, c.Finding = Good, finding
	return c
}

func (c Check) warn(finding string, m apperr.Mender, next string) Check {
	c.State, c.Finding, c.Mender, c.Next = Warn, finding, m, next
	return c
}

func (c Check) bad(finding string, m apperr.Mender, next string) Check {
	c = c.warn(finding, m, next)
	c.State = Bad
	return c
}

func (c Check) unknown(why string) Check {
	c.State, c.Finding = CannotTell, why
	return c
}

// maxForeign bounds texts of others in a report, in bytes.
const maxForeign = 200

func cut(s string) string {
	if len(s) > maxForeign {
		s = s[:maxForeign] + "…"
	}
	return strings.ToValidUTF8(s, "")
}
