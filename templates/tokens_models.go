package templates

import "time"

// TokensPage requests tokens and shows those that the session holds.
type TokensPage struct {
	Page
	Tabs  []NavItem
	Cards []TokenCard // AzTS first
	Form  TokenForm
	// Problem says why the last action failed or what the person has to do; its
	// primary action may lead to the tenant.
	Problem  *Problem
	Commands Commands
	Recent   []IssueRow
	MoreLink bool // the history has more than Recent
}

// TokenTabs are the pages about tokens; here is the address of the current one.
func TokenTabs(here string) []NavItem {
	tabs := []NavItem{{Label: "My tokens", URL: TokensURL}, {Label: "App tokens", URL: AppTokensURL},
		{Label: "Inspector", URL: InspectURL}, {Label: "History", URL: HistoryURL}}
	for i := range tabs {
		tabs[i].Current = tabs[i].URL == here
	}
	return tabs
}

// TokenForm asks for a token of one resource. It holds what was typed, right or
// wrong.
type TokenForm struct {
	Resources []NavItem // each opens the form for one of them
	Resource  string    // App ID URI of the current one
	Name      string    // of it
	What      string    // what it is, one sentence; may be empty
	Scopes    []ScopeChoice
	Other     string // further scopes, as typed
	OtherOpen bool   // their field is shown at once
	Purpose   string
	// Error says why the last attempt was refused, ErrorNext what to do.
	Error, ErrorNext string
}

// ScopeChoice is one scope to tick.
type ScopeChoice struct {
	Value     string // full name
	Name      string
	Title     string // empty: nothing is known of it
	Text      string
	AdminOnly bool // only an administrator can consent
	Chosen    bool
}

// TokenCard is one access token.
type TokenCard struct {
	ID       string // field id of its forms
	Resource string // name of the API
	Audience string
	Scopes   []string // as granted
	Account  string
	Purpose  string // empty: got for the portal's own pages
	Issued   time.Time
	Expires  time.Time
	// Withdrawn says that there will be no new one: the portal asks for tokens of
	// this API no more.
	Withdrawn bool
	// Revealed is the token itself: only in the answer to /tokens/reveal.
	Revealed string
	Claims   ClaimRows // empty: the token cannot be read
	Header   string    // indented JSON
	Payload  string    // indented JSON
	Verdict  TokenVerdict
}

// TokenVerdict says whether AzTS takes a token.
type TokenVerdict struct {
	Tone    Tone
	Summary string // one sentence that begins with Yes, No or Probably
	Checks  []VerdictCheck
	CanAsk  bool        // AzTS itself can be asked
	Answer  *AzTSAnswer // what it said; nil: it was not asked
}

// VerdictCheck is one thing that AzTS looks at.
type VerdictCheck struct {
	Name    string
	Outcome CheckOutcome
	Text    string
}

// CheckOutcome is what a check came to.
type CheckOutcome string

// The outcomes of checks, as they are shown.
const (
	CheckPassed CheckOutcome = "Pass"
	CheckFailed CheckOutcome = "Fail"
	CheckOpen   CheckOutcome = "AzTS decides"
)

// AzTSAnswer is what AzTS made of a token.
type AzTSAnswer struct {
	Tone  Tone
	Title string
	What  string
	Next  string
	Quote string // AzTS's own words; may be empty
	At    time.Time
}

// IssueRow is one line of the history of issued tokens.
type IssueRow struct {
	IssuedAt time.Time
	Resource string // name of the API
	Scopes   []string
	Purpose  string // empty: for the portal's own pages
	Flow     string // in words
	Expires  time.Time
	// The first times, zero for never, and how often.
	RevealedAt, CopiedAt time.Time
	Reveals, Copies      int
	Device               string
	Here                 bool // this session
}

// HistoryPage lists the tokens that were issued to the person.
type HistoryPage struct {
	Page
	Tabs  []NavItem
	Rows  []IssueRow // newest first
	Pager Pager
	Days  int // how long the history remembers
}
