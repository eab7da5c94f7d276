// Package access owns who the signed-in person is and the pure rules of who
// may do what.
//
// It asks nothing and stores nothing. The invariant its users rely on: a person
// is known by a [PersonID] alone; names and addresses are for display, since
// they change hands (entra.md §3.1).
package access

import (
	"slices"
	"strings"
)

// PersonID names a person for ever: (tid, oid) in Entra, (iss, sub) at any
// other OpenID Provider. The zero value is nobody.
type PersonID struct {
	Authority string `json:"authority"` // tid, or the issuer
	Subject   string `json:"subject"`   // oid, or sub
}

// IsZero reports whether it names nobody.
func (p PersonID) IsZero() bool { return p.Authority == "" || p.Subject == "" }

// String returns the two parts for a log line.
func (p PersonID) String() string { return p.Authority + "/" + p.Subject }

// User is the person who signed in, as the ID token described them.
type User struct {
	ID       PersonID `json:"id"`
	Issuer   string   `json:"iss"`
	TenantID string   `json:"tid,omitempty"`
	ObjectID string   `json:"oid,omitempty"`
	Subject  string   `json:"sub"`
	Name     string   `json:"name,omitempty"`    // display only
	Account  string   `json:"account,omitempty"` // preferred_username, upn or email; display only
	Roles    []string `json:"roles,omitempty"`   // app roles of this portal
	AMR      []string `json:"amr,omitempty"`     // authentication methods
}

// DisplayName returns the name to greet the person with.
func (u User) DisplayName() string {
	for _, s := range []string{u.Name, u.Account, u.ID.Subject} {
		if strings.TrimSpace(s) != "" {
			return s
		}
	}
	return "Unknown"
}

// Rules are the app roles that this installation gives a meaning.
type Rules struct {
	AdminRole    string // full value of the app role, for example Portal.Admin
	HelpDeskRole string
}

// IsAdmin reports whether the user may see and change consent of others.
func (r Rules) IsAdmin(u User) bool {
	return r.AdminRole != "" && slices.Contains(u.Roles, r.AdminRole)
}

// IsHelpDesk reports whether the user may see flows and failed sign-ins of
// others. An admin may as well.
func (r Rules) IsHelpDesk(u User) bool {
	return r.IsAdmin(u) || r.HelpDeskRole != "" && slices.Contains(u.Roles, r.HelpDeskRole)
}
