package templates

import (
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// FlowHealthAllowURL takes a POST that leads to the tenant, so that the registration
// can be read in the person's name.
const FlowHealthAllowURL = FlowHealthURL + "/allow"

// HealthState is what a check of the set-up found.
type HealthState string

// The states of checks. An unknown value is shown as one that tells nothing.
const (
	HealthGood    HealthState = "good"
	HealthWarn    HealthState = "warn"
	HealthBad     HealthState = "bad"
	HealthUnknown HealthState = ""
)

var healthSigns = map[HealthState]sign{
	HealthGood: {"In order", "s-passed", iconCheck}, HealthWarn: {"Look at this", "s-verify", iconWarning},
	HealthBad: {"Wrong", "s-failed", iconCross}, HealthUnknown: {"Cannot tell", "s-neutral", iconAsk},
}

func healthSign(s HealthState) templ.Component {
	known, ok := healthSigns[s]
	if !ok {
		known = healthSigns[HealthUnknown]
	}
	return known.component(known.word)
}

// HealthPage shows what the setup doctor found.
type HealthPage struct {
	Page
	Tabs   []NavItem
	At     time.Time
	Counts []HealthCount // worst first
	Mend   []HealthLink  // what is not in order, worst first
	Allow  *Action       // nil: nothing more could be read
	Groups []HealthGroup
	Steps  []HealthStep // AzTS's own; none: no AzTS
	Facts  *HealthFacts // nil: no AzTS
}

// HealthCount is how many checks found that.
type HealthCount struct {
	State HealthState
	N     int
}

// HealthLink leads to a check on the page.
type HealthLink struct {
	ID, Title string
	State     HealthState
}

// HealthGroup are the checks about one thing.
type HealthGroup struct {
	Title  string
	Checks []HealthCheck
}

// HealthCheck is one thing that was looked at.
type HealthCheck struct {
	ID, Title     string
	State         HealthState
	Finding       string
	Next, Mender  string // both empty where there is nothing to do
	Place         string // where in the admin center, or which setting
	PlaceURL      string // empty: no link
	PlaceSettings bool   // the place is a setting of the portal
}

func (c *HealthCheck) anchor() string { return "check-" + c.ID }

func (l *HealthLink) url() string { return "#check-" + url.PathEscape(l.ID) }

// HealthStep is one step of those who set AzTS up.
type HealthStep struct {
	Title, What, Place, Finding string
	State                       HealthState
}

// HealthFacts are what the AzTS administrator hands to users.
type HealthFacts struct {
	TenantID, ClientID, Scope, URL string
	Text                           string // all of it as a message
}

// mail is the address that opens a new mail with the message, to nobody yet.
func (f *HealthFacts) mail() templ.SafeURL {
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	// A mail ends its lines with CR and LF (RFC 6068 §5).
	return templ.SafeURL("mailto:?subject=" + escape("How to use the REST API of AzTS") + "&body=" + escape(strings.ReplaceAll(f.Text, "\n", "\r\n")))
}
