package templates

import (
	"net/url"
	"time"
)

// The kinds of credential, as the form names them.
const (
	AppSecret      = "secret"
	AppCertificate = "certificate"
	AppAssertion   = "assertion"
	AppIdentity    = "identity" // of the machine: not in the form for others
)

// AppRun is what the form's second button does: a run of the flow that shows what
// is said and keeps no token.
const AppRun = "run"

// AppFormURL returns the address of the form for a run with one kind of credential.
func AppFormURL(kind string) string {
	return AppTokensURL + "?" + url.Values{"kind": {kind}, "do": {AppRun}}.Encode()
}

// AppForm is what was typed to get a token for an application, right or wrong,
// without anything that proves the application.
type AppForm struct {
	Tenant   string // id
	ClientID string
	Kind     string // AppSecret, AppCertificate, AppAssertion; "" for the first
	Resource string // scope that was chosen: <App ID URI>/.default
	Scope    string // typed, goes before Resource
	Purpose  string
	// LeftOut says in which fields something stood that could be a secret: it is
	// not put back.
	LeftOut struct{ ClientID, Scope, Purpose bool }
}

// AppResource is an API to choose.
type AppResource struct{ Name, Scope string }

// AppTokensPage gets tokens for applications and shows those of the session.
type AppTokensPage struct {
	Page
	Tabs      []NavItem
	Tenants   []string // ids that can be asked; the only one is not a choice
	Resources []AppResource
	Form      AppForm
	Problem   *Problem       // why there is no token
	Run       bool           // somebody came to see how it goes, not for a token
	Cards     []AppTokenCard // newest first
	// Identity offers the identity of the machine; IdentityID is its client id,
	// empty for the system's.
	Identity   bool
	IdentityID string
}

// AppTokenCard is one token of an application.
type AppTokenCard struct {
	ID       string // field id of its forms
	Resource string // name of the API, or its App ID URI
	API      string // App ID URI of AzTS; empty: the token is for another API
	ClientID string
	TenantID string
	Scope    string
	Purpose  string
	Machine  bool // of the machine's own identity
	Issued   time.Time
	Expires  time.Time
	// Revealed is the token itself: only in the answer to the form that asks for it.
	Revealed string
	NoRoles  bool          // it carries no app role
	Verdict  *TokenVerdict // nil: not for AzTS
	Claims   ClaimRows
	Header   string // indented JSON
	Payload  string
}

// name says whose token it is.
func (c *AppTokenCard) name() string {
	if c.Machine {
		return "This machine's " + c.Resource + " token"
	}
	return c.Resource + " token of an application"
}

func (v *AppTokensPage) chosen(kind string) bool {
	return v.Form.Kind == kind || kind == AppSecret && v.Form.Kind != AppCertificate && v.Form.Kind != AppAssertion
}

func (v *AppTokensPage) requestClass() string {
	if len(v.Cards) == 0 {
		return "btn btn-primary"
	}
	return "btn"
}
