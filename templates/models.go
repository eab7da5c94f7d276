package templates

import "time"

// Action is a link, or a form with one button.
type Action struct {
	Label  string
	URL    string
	Post   bool
	Fields []Field // hidden fields of the form
}

// Field is a hidden field of a form.
type Field struct{ Name, Value string }

// Problem says what went wrong and what to do, in place of or above content.
type Problem struct {
	Tone      Tone // zero value: error
	Title     string
	What      string // what happened, one sentence
	Next      string // what to do
	Mender    string // who can mend it, for example "An administrator of AzTS"
	Code      string // AADSTS number or code of ours, set apart
	Reference string // what the help desk searches for
	At        time.Time
	Primary   *Action
	Secondary *Action
}

// Claim is one claim of a token.
type Claim struct {
	Name    string
	Value   string
	Meaning string    // one sentence
	Time    time.Time // when the value is a time: shown beside it
}

// Compliance is a percentage that may be unknown: of all controls that passed or
// failed, those that passed. AzTS counts so, and whatever else a control may be
// counts neither way.
type Compliance struct {
	Known   bool
	Percent float64 // 0 to 100
}

// ComplianceOf returns the compliance of so many results. Where nothing passed or
// failed, it is neither 0 % nor 100 %.
func ComplianceOf(passed, failed int) Compliance {
	if passed+failed <= 0 {
		return Compliance{}
	}
	return Compliance{Known: true, Percent: 100 * float64(passed) / float64(passed+failed)}
}

// Pager leads through a long list. The zero value shows nothing.
type Pager struct {
	Noun            string // what is counted, for example "subscriptions"
	From, To, Total int    // rows shown, from 1; Total 0: not known
	PrevURL         string // empty on the first page
	NextURL         string // empty on the last page
}

// Subscription is one row of the overview or of the choice for a scan.
type Subscription struct {
	ID          string
	Name        string // empty: unknown, the id stands alone
	AccessLevel string // AzTS's callerAccessLevel; empty: AzTS does not know it
	Compliance  Compliance
	Passed      int // these three are below zero where AzTS gave no number
	Failed      int
	Total       int
	LastScan    time.Time // zero: never, or not known
	// LastScanText is what AzTS wrote where that is no time.
	LastScanText string
	// ScansToday of ScansLimit are shown when ScansLimit is above zero.
	ScansToday, ScansLimit int
	// UsedUpUntil is when AzTS takes the next request; zero: it may take one now.
	UsedUpUntil time.Time
	Selected    bool
}

// ScanState is the state of a scan or of one subscription in it. An unknown
// value is shown as it is.
type ScanState string

// The states of scans.
const (
	ScanQueued    ScanState = "queued"
	ScanRunning   ScanState = "running"
	ScanCompleted ScanState = "completed"
	ScanPartial   ScanState = "partial" // ended, not for all subscriptions
	ScanRefused   ScanState = "refused"
	ScanFailed    ScanState = "failed"
	ScanStalled   ScanState = "stalled"
	ScanWaiting   ScanState = "waiting" // for the person to sign in
)

// Running reports whether the state can still change by itself.
func (s ScanState) Running() bool { return s == ScanQueued || s == ScanRunning }

// ScanRow is one scan in a list.
type ScanRow struct {
	ID            string
	RequestedAt   time.Time
	EndedAt       time.Time // zero while it runs
	Subscriptions []string  // names, or ids where there is no name
	State         ScanState
	Summary       string // for example "1 completed, 1 refused"
}

// LandingPage is what a visitor sees who is not signed in.
type LandingPage struct {
	Page
	SignInURL string
	// ProviderDown, when not empty, says that signing in does not work now.
	ProviderDown string
	People       []SamplePerson // of the sandbox
}

// SamplePerson is somebody whom the sandbox lets sign in.
type SamplePerson struct {
	Name      string
	Account   string
	Shows     string // what this person shows, for example "Admin, sees all"
	SignInURL string // empty: no link
}

// AccountPage says who is signed in.
type AccountPage struct {
	Page
	Name, Account    string
	Tenant, TenantID string // Tenant is its name; either may be empty
	ObjectID         string // empty at providers other than Entra
	Issuer, Subject  string
	Roles            []string // app roles of this portal
	Methods          []string // how the person proved who they are, in words
	SignedInAt       time.Time
	IdleEnds         time.Time // when nothing happens until then
	SessionEnds      time.Time // in any case
	Device           string
	// PermissionSince is since when a permission is kept beyond the sessions, for
	// repeated scans; zero: none is.
	PermissionSince time.Time
	Claims          ClaimRows // of the ID token
}

// SessionsPage lists the sessions of the person.
type SessionsPage struct {
	Page
	Sessions []SessionRow // the last seen first
	More     bool         // there are older ones, which are not listed
}

// SessionRow is one session of the person.
type SessionRow struct {
	ID         string // field id of the form that ends it; not the secret
	Device     string
	SignedInAt time.Time
	LastSeen   time.Time
	Current    bool
}

// ResultsPage is one page of the results of a subscription.
type ResultsPage struct {
	Page
	SubscriptionID   string
	SubscriptionName string
	Compliance       Compliance
	Passed           int
	Failed           int
	Total            int
	LastScan         time.Time
	Rows             []Result
	Pager            Pager
	CSVURL           string // empty: no export
	ScanURL          string // back to the scan it was opened from; empty: none
	Problem          *Problem
	Warnings         []Problem
}

// Result is one control on one resource (azts.md, get scan results).
type Result struct {
	ControlID       string // ControlName on the wire
	Control         string // ControlDisplayName; empty: the id stands alone
	Status          string
	Severity        string
	Resource        string
	Group           string
	ResourceID      string
	Reason          string
	Description     string
	Remediation     string
	Category        string
	Baseline        bool
	ExceptionState  string
	ExceptionExpiry string // as AzTS wrote it
	Justification   string
	PortalURL       string // of the resource in the Azure portal; empty: no link
}

// MessagePage is an error or the outcome of an action. It shows the frame's
// Reference large, to be copied for the help desk.
type MessagePage struct {
	Page
	Status  int  // HTTP status; 0: not shown
	Tone    Tone // zero value: error
	Heading string
	What    string // what happened
	Next    string // what to do
	Mender  string // who can mend it, in words
	Code    string // AADSTS number or code of ours
	At      time.Time
	// Address is the page at which it happened, without its query; CorrelationID is
	// the identity platform's. Both may be empty.
	Address, CorrelationID string
	// Wanted is the page that a sign-in was for, LookUpURL where the help desk finds
	// it if it failed; both may be empty.
	Wanted, LookUpURL string
	ExplainURL        string  // what the code means; "" where the page says all
	Primary           *Action // for example "Try again", only where that can help
	Secondary         *Action // for example "Use another account"
}

// SignedOutPage says what ended and what did not.
type SignedOutPage struct {
	Page
	Outcomes  []SignOutOutcome
	SignInURL string
}

// SignOutOutcome is one thing that ended or did not.
type SignOutOutcome struct {
	Ended bool
	Text  string
}
