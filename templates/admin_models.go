package templates

import (
	"strings"
	"time"
)

// AdminFrame is what the admin's pages share.
type AdminFrame struct {
	Page
	Waiting int // requests that wait, in the navigation between these pages
	// Problem stands in place of the content, Warnings above it.
	Problem  *Problem
	Warnings []Problem
	HasScans bool // there is an AzTS to scan with
}

// adminTabs are the admin's pages.
var adminTabs = []struct{ label, url string }{{"Consent", AdminURL}, {"Requests", AdminRequestsURL}, {"Permissions", AdminPermissionsURL}, {"Credentials", AdminCredentialsURL}, {"Scans", AdminScansURL}}

// Choice is one value of a filter.
type Choice struct{ Value, Label string }

// ConsentPage lists who may do what at the AzTS API and at this portal.
type ConsentPage struct {
	AdminFrame
	Query         ConsentQuery
	Clients, APIs []Choice
	Rows          []ConsentRow
	Pager         Pager
	All           int // rows without the filter
	AsOf          time.Time
	Partial       bool // some are missing: no number is final
	Reading       bool // the list is still being read
	Trusted       []TrustedClient
	TrustedNote   *Problem // why the trusted clients are not known
}

// ConsentRow is one grant or app role assignment.
type ConsentRow struct {
	Role      bool   // an app role, not a delegated permission
	Client    string // "" where a person holds a role
	ClientID  string // application (client) id
	Publisher string
	API       string
	Tenant    bool // for everybody
	Unknown   bool // for whom is not known
	Person    string
	Account   string
	PersonID  string
	Scopes    []ConsentScope
	Since     time.Time
	Risks     []Risk
	ID        string
	// WithdrawURL leads to the page that asks first.
	WithdrawURL string
}

// ConsentScope is one scope or role of a row.
type ConsentScope struct {
	Value       string
	WithdrawURL string // of this one alone; "" where it is the only one
}

// Risk is a mark with its reason.
type Risk struct{ Label, Why string }

// TrustedClient is a client that the AzTS API trusts without consent.
type TrustedClient struct {
	Name   string // "" when not known
	AppID  string
	Scopes []string
}

// whom says for whom a row is.
func (r *ConsentRow) whom() string {
	switch {
	case r.Tenant:
		return "Everybody"
	case r.Unknown:
		return "Not known"
	case r.Person != "":
		return r.Person
	}
	return "The application itself"
}

func (r *ConsentRow) kind() string {
	if r.Role {
		return "App role"
	}
	return "Delegated"
}

// application is what the row stands under: the application that may act, or the
// one in which a person has a role.
func (r *ConsentRow) application() string {
	if r.Client != "" {
		return r.Client
	}
	return r.API
}

// holder is from whom something is withdrawn.
func (r *ConsentRow) holder() string {
	if r.Client != "" {
		return r.Client
	}
	return r.Person
}

func (r *ConsentRow) values() string {
	values := make([]string, len(r.Scopes))
	for i, s := range r.Scopes {
		values[i] = s.Value
	}
	return strings.Join(values, ", ")
}

// filtered reports whether the list is narrowed.
func (q ConsentQuery) filtered() bool {
	q.Sort, q.Desc, q.Page = "", false, 0
	return q != ConsentQuery{}
}

// sorted returns the address that sorts by a column, the other way round where it
// is sorted by that already.
func (q ConsentQuery) sorted(column string) string {
	q.Desc = q.order() == column && !q.Desc
	q.Sort, q.Page = column, 0
	if column == "client" {
		q.Sort = ""
	}
	return q.URL()
}

func (q ConsentQuery) order() string {
	if q.Sort == "" {
		return "client"
	}
	return q.Sort
}

// ariaSort is the value of aria-sort for a column, "" for none.
func (q ConsentQuery) ariaSort(column string) string {
	switch {
	case q.order() != column:
		return ""
	case q.Desc:
		return "descending"
	}
	return "ascending"
}

var (
	consentKinds = []Choice{{"", "Every kind"}, {"delegated", "Delegated permissions"}, {"role", "App roles"}}
	consentFor   = []Choice{{"", "For anybody"}, {"tenant", "For everybody (tenant-wide)"}, {"person", "For one person"}, {"app", "For an application itself"}}
	consentRisks = []Choice{{"", "Any risk or none"}, {"tenant", "Tenant-wide"}, {"write", "Far-reaching"}, {"unused", "Unused"}, {"publisher", "Unknown publisher"}}
)

// WithdrawPage asks before something is withdrawn.
type WithdrawPage struct {
	AdminFrame
	Heading      string
	Client       string
	ClientID     string // application (client) id
	API          string
	Scope        string // what goes
	Keeps        string // what stays; "" for nothing
	Whom         string
	WhomID       string
	Hit          []string // who is hit, a sentence each
	Consequences []string
	// Expect must be typed; "" for no such field. Typed is what was.
	Expect, Typed string
	TypedError    string
	Seen          string // names the state that is shown
	BackURL       string // the list as it was filtered
	Action        string // address of the form
	Button        string
	// Allow leads to the tenant first, for the permission that the change needs.
	Allow *Action
	// AllowTitle and AllowText say which, or that the person must sign in again.
	AllowTitle, AllowText string
	Gone                  bool // there is nothing left to withdraw
}

// GrantPage grants a scope to this portal for everybody.
type GrantPage struct {
	AdminFrame
	Scope      string
	ScopeError string
	Offers     []Choice // scopes to choose from: full name and what it is for
	// Known says that it was looked up whether the scope is granted.
	Known, Granted bool
	Request        *AdminRequest // that asks for it; nil for none
}

// AdminRequest is a request of a person for a scope.
type AdminRequest struct {
	ID           string
	Name         string
	Account      string
	API          string
	Scope        string // with its API
	Reason       string
	AskedAt      time.Time
	State        string // pending, approved, declined
	ForTenant    bool
	DecidedBy    string
	DecidedAt    time.Time
	Answer       string
	Reference    string
	PersonalHint string // why a grant for this person only is not possible; "" where it is
}

// RequestsPage lists the requests of people.
type RequestsPage struct {
	AdminFrame
	Query   RequestsQuery
	Waiting []AdminRequest
	Decided []AdminRequest
	// WaitingPager and DecidedPager lead to the others; zero where all are shown.
	WaitingPager, DecidedPager Pager
}

// search reports whether there is anything to search in.
func (v *RequestsPage) search() bool {
	return v.Query.Text != "" || v.WaitingPager.Total > 0 || v.DecidedPager.Total > 0
}

// waiting is how many wait, on all pages.
func (v *RequestsPage) waiting() int { return max(len(v.Waiting), v.WaitingPager.Total) }

// RequestPage decides one request.
type RequestPage struct {
	AdminFrame
	Request     AdminRequest
	Permission  *PermissionFacts // nil when it could not be read
	Answer      string           // what was typed
	AnswerError string
	AllowText   string // why Allow comes first
	Granted     bool   // the scope is granted for everybody already
	// WithdrawURL leads to that grant where the request was declined.
	WithdrawURL string
	Allow       *Action
}

// PermissionFacts is a permission as its API describes it.
type PermissionFacts struct {
	ID, Value            string
	Type                 string // User, Admin
	Enabled              bool
	AdminName, AdminText string
	UserName, UserText   string
	Members              string // who can hold a role
}

// PermissionsPage is the catalogue of the AzTS API.
type PermissionsPage struct {
	AdminFrame
	API, AppID, AppIDURI string
	Scopes               []PermissionFacts
	Roles                []PermissionFacts
	AsOf                 time.Time
}

// CredentialsPage shows how long the portal's credentials last.
type CredentialsPage struct {
	AdminFrame
	AppID       string
	Credentials []CredentialRow
	AsOf        time.Time
}

// CredentialRow is one secret or certificate of the portal's registration.
type CredentialRow struct {
	Name        string
	ID          string
	Certificate bool
	Start, End  time.Time
	Days        int // until its end; negative when it has ended
}

// warnDays is from how many days before its end a credential is a warning.
const warnDays = 30

func (c *CredentialRow) state() (class, text string) {
	switch {
	case c.End.IsZero():
		return "s-neutral", "No end"
	case c.Days < 0:
		return "s-failed", "Expired"
	case c.Days == 0:
		return "s-failed", "Less than a day left"
	case c.Days <= warnDays:
		return "s-verify", plural(c.Days, "day") + " left"
	}
	return "s-passed", plural(c.Days, "day") + " left"
}

func (c *CredentialRow) kind() string {
	if c.Certificate {
		return "Certificate"
	}
	return "Secret"
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

// stateWord is a decided request in a word, with its colour.
func (r *AdminRequest) stateWord() (class, text string) {
	switch r.State {
	case "approved":
		if r.ForTenant {
			return "s-passed", "Granted for everybody"
		}
		return "s-passed", "Granted for this person"
	case "declined":
		return "s-failed", "Declined"
	}
	return "s-verify", "Waiting"
}

// grantClass makes granting the primary action where no other comes first.
func (v *ConsentPage) grantClass() string {
	if v.Problem == nil && !v.Reading {
		return "btn btn-primary"
	}
	return "btn"
}

// noMatch says that the filter leaves nothing.
func (v *ConsentPage) noMatch() string {
	if v.Partial {
		return "Of the " + plural(v.All, "row") + " that arrived, none fits the filter."
	}
	return "Of " + plural(v.All, "row") + ", none fits the filter."
}

// csvLabel says what the file will hold.
func (v *ConsentPage) csvLabel() string {
	label := "Download " + plural(v.Pager.Total, "row") + " as CSV"
	if v.Query.filtered() {
		return label + " (filtered)"
	}
	return label
}

func (c *TrustedClient) label() string {
	if c.Name == "" {
		return "Name not known"
	}
	return c.Name
}

func (c *TrustedClient) scopes() string {
	if len(c.Scopes) == 0 {
		return "none"
	}
	return strings.Join(c.Scopes, ", ")
}

func (p *PermissionFacts) whoLabel(role bool) string {
	if role {
		return "Who can hold it"
	}
	return "Who may agree"
}

func (p *PermissionFacts) who(role bool) string {
	switch {
	case role:
		return p.Members
	case p.Type == "User":
		return "Everybody for themselves"
	case p.Type == "Admin":
		return "An administrator"
	}
	return p.Type
}

func (c *CredentialRow) label() string {
	if c.Name == "" {
		return "Without a name"
	}
	return c.Name
}
