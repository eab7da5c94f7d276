package templates

import (
	"net/url"
	"strconv"
	"time"
)

// Addresses of the area, of which [AccessURL] (GET q, show, page, apps, ask, want,
// subscription) is the page. Those that change something take POST only.
const (
	AccessAskURL     = "/access/scopes"    // POST permission, other
	AccessRequestURL = "/access/requests"  // POST permission, reason
	AccessListURL    = "/access/list"      // POST: let the portal read the list
	AccessRefreshURL = "/access/refresh"   // POST: ask again
	GiveBackURL      = "/access/give-back" // GET grant, scope; POST grant, shown, scope
)

// AccessQuery chooses what the page about access shows; zero values are left out.
type AccessQuery struct {
	Text         string // in names and ids of subscriptions
	MissingOnly  bool   // subscriptions that AzTS does not show
	Page         int    // of the subscriptions, from 1
	AppsPage     int    // of the other applications, from 1
	Ask          string // a permission to ask an administrator for
	Want         string // a permission that was typed
	Subscription string // an id to explain
}

// URL returns the address of the page.
func (q AccessQuery) URL() string {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("q", q.Text)
	if q.MissingOnly {
		v.Set("show", "missing")
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if q.AppsPage > 1 {
		v.Set("apps", strconv.Itoa(q.AppsPage))
	}
	set("ask", q.Ask)
	set("want", q.Want)
	set("subscription", q.Subscription)
	if len(v) == 0 {
		return AccessURL
	}
	return AccessURL + "?" + v.Encode()
}

// GiveBackPageURL returns the address that confirms giving back scopes of a grant.
func GiveBackPageURL(grant, scope string) string {
	v := url.Values{"grant": {grant}}
	if scope != "" {
		v.Set("scope", scope)
	}
	return GiveBackURL + "?" + v.Encode()
}

// AccessPage shows what the person has allowed, and what their roles in Azure
// let them see.
type AccessPage struct {
	Page
	Query AccessQuery

	// Portal is what this portal may do for the person, by API, AzTS first.
	Portal []PermissionGroup
	// ListNote says calmly why the directory's list is not shown and what is
	// shown instead; nil when it is.
	ListNote *ListNote
	// ListProblem says that the list did not arrive, or not whole.
	ListProblem *Problem
	AsOf        time.Time // of the list

	Ask      AskForm
	AdminAsk *AdminAskForm // nil: nothing to ask an administrator for
	Requests []AccessRequest
	// RequestsProblem stands in place of Requests.
	RequestsProblem *Problem

	// Apps are other applications that act for the person. AppsKnown is false
	// where the list was refused.
	Apps      []AppGrant
	AppsPager Pager
	AppsKnown bool

	Roles RolesPanel
}

// ListNote is the sentence about a list that the directory does not show.
type ListNote struct {
	What string
	// Why is one click away.
	Why string
	// Action is there only where it can help.
	Action *Action
}

// PermissionGroup is one API with what is allowed there.
type PermissionGroup struct {
	API         string
	AppIDURI    string
	Permissions []PermissionRow
}

// PermissionRow is one delegated permission.
type PermissionRow struct {
	Name  string // as it stands in scp
	Title string // in a few words; empty: not known
	Text  string
	// AdminTitle and AdminText are what administrators read about it.
	AdminTitle, AdminText string
	ID                    string
	// Kind says who may consent, in words; empty: not known.
	Kind string
	// Mine and Everyone say for whom it was granted. Neither: a token proves it,
	// and nobody says for whom.
	Mine, Everyone bool
	Since          time.Time // first seen in a token that is kept; zero: not known
	// InTokenUntil is when the last current token with it ends; zero: in none.
	InTokenUntil time.Time
	Uses         []string // pages of this portal that need it
	Unused       bool     // known to be used by nothing here
	GiveBackURL  string   // empty: nothing to give back
}

// AskForm asks for one more permission.
type AskForm struct {
	Groups []AskGroup
	Chosen string // value of an option
	Other  string // what was typed
	Error  string
}

// AskGroup is the permissions of one API that can be asked for.
type AskGroup struct {
	API     string
	Options []AskOption
}

// AskOption is one permission in a choice.
type AskOption struct {
	Value     string // full name of the scope
	Label     string
	AdminOnly bool
	Selected  bool
}

// MaxReason is the longest reason for an administrator, in characters.
const MaxReason = 500

// AdminAskForm asks an administrator for a permission.
type AdminAskForm struct {
	Permission string // full name of the scope
	API        string
	Name       string
	Title      string
	Reason     string
	Error      string
}

// AccessRequest is something that the person asked an administrator for.
type AccessRequest struct {
	ID          string
	Name        string // of the permission
	API         string
	Reason      string
	RequestedAt time.Time
	State       RequestState
	DecidedAt   time.Time // zero while it waits
	Answer      string    // the administrator's sentence
}

// RequestState is where a request for consent stands. An unknown value is shown
// as it is.
type RequestState string

// The states of requests.
const (
	RequestPending  RequestState = "pending"
	RequestApproved RequestState = "approved"
	RequestDeclined RequestState = "declined"
)

// AppGrant is what another application may do for the person at an API.
type AppGrant struct {
	Name      string // empty: only the id is known
	ID        string // object id
	Publisher string // empty: not known
	Verified  bool   // by Microsoft
	API       string
	Scopes    []string
	Everyone  bool // granted for the whole tenant
	// GiveBackURL is empty for what is not the person's own.
	GiveBackURL string
}

// RolesPanel is the person's roles in Azure, subscription by subscription.
type RolesPanel struct {
	Rows     []RoleRow
	Pager    Pager
	All      int // subscriptions
	Missing  int // of those, not shown by AzTS
	Problem  *Problem
	Warnings []Problem
	// WaitUntil is when Azure may be asked again that was in haste; zero: now.
	WaitUntil time.Time
	// Incomplete says that there may be subscriptions of which Azure did not tell.
	Incomplete bool
	// Unavailable says that this installation has no Azure to ask.
	Unavailable bool
	// Lookup is the answer about an id that was asked for; nil: nothing was.
	Lookup      *RoleRow
	LookupError string
	AsOf        time.Time
}

// Standing is whether AzTS shows a subscription to the person, and if not, why.
// An unknown value is shown as it is.
type Standing string

// The standings.
const (
	StandingShown    Standing = "shown"
	StandingFresh    Standing = "fresh"    // given less than 24 hours ago
	StandingEligible Standing = "eligible" // to be activated (PIM)
	StandingWrong    Standing = "wrong"    // a role of another kind
	StandingNone     Standing = "none"
	StandingUnlisted Standing = "unlisted" // AzTS does not know the subscription
	StandingUnknown  Standing = "unknown"  // somebody did not answer
)

// RoleRow is one subscription with the person's roles on it.
type RoleRow struct {
	ID       string
	Name     string // empty: the id stands alone
	Standing Standing
	Roles    []HeldRole
	// What says why AzTS does not show it, KnownBy when it should; Next what to do.
	What    string
	KnownBy time.Time
	Next    string
	Mender  string
	Link    *Action
}

// HeldRole is one role on a subscription.
type HeldRole struct {
	Name     string // empty: only the id is known
	ID       string // of the role definition
	Where    string // in words
	ByGroup  bool
	Since    time.Time // zero: not known
	Accepted bool      // by AzTS, at this place
	Eligible bool      // may be activated, is not active
}

// GiveBackPage confirms that the person takes consent back.
type GiveBackPage struct {
	Page
	App     string // the application that loses it
	Here    bool   // that is this portal
	API     string
	GrantID string
	Shown   string // the scopes as they were read, to be posted along
	Scopes  []GiveBackScope
	// Changed says that the consent changed since it was shown.
	Changed bool
	// CoverUnknown says that the directory did not tell what everybody's consent gives.
	CoverUnknown bool
	Error        string
	Problem      *Problem // it cannot be given back here: why, and where else
}

// GiveBackScope is one scope of a grant.
type GiveBackScope struct {
	Name     string
	Title    string
	Chosen   bool
	Everyone bool // granted to everybody as well: giving back changes nothing
	// Consequence says what stops working here; may be empty.
	Consequence string
}
