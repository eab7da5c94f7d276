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
	// DirectoryRoles are template ids (claim wids, entra.md §7.8), Groups object
	// ids. Of both, sessions keep what [Rules.Keep] leaves.
	DirectoryRoles []string `json:"wids,omitempty"`
	Groups         []string `json:"groups,omitempty"`
	// MoreGroups says that the person is in more groups than fit into the token,
	// which then names none (entra.md §3.1, overage).
	MoreGroups bool `json:"more_groups,omitempty"`
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

// Rules are the roles and groups that this installation gives a meaning.
type Rules struct {
	AdminRole    string // full value of the app role, for example Portal.Admin
	HelpDeskRole string
	// AdminDirectoryRoles are template ids of directory roles, AdminGroups
	// object ids of groups, whose holders are admins too; in lower case.
	AdminDirectoryRoles []string
	AdminGroups         []string
}

// Keep returns the user with those directory roles and groups alone that the
// rules name: a session has no use for two hundred others.
func (r Rules) Keep(u User) User {
	u.DirectoryRoles = both(u.DirectoryRoles, r.AdminDirectoryRoles)
	u.Groups = both(u.Groups, r.AdminGroups)
	return u
}

// both returns those of ids that the rule names, in lower case.
func both(ids, named []string) []string {
	var out []string
	for _, id := range ids {
		if id = strings.ToLower(id); slices.Contains(named, id) {
			out = append(out, id)
		}
	}
	return out
}

// IsAdmin reports whether the user may see and change consent of others.
func (r Rules) IsAdmin(u User) bool {
	return r.AdminRole != "" && slices.Contains(u.Roles, r.AdminRole) ||
		len(both(u.DirectoryRoles, r.AdminDirectoryRoles)) > 0 || r.InAdminGroup(u.Groups)
}

// InAdminGroup reports whether one of the groups makes its members admins.
func (r Rules) InAdminGroup(groups []string) bool { return len(both(groups, r.AdminGroups)) > 0 }

// GroupsDecide reports whether only the groups that did not fit into the token
// can tell if the user is an admin.
func (r Rules) GroupsDecide(u User) bool {
	return u.MoreGroups && len(r.AdminGroups) > 0 && !r.IsAdmin(u)
}

// IsHelpDesk reports whether the user may see flows and failed sign-ins of
// others. An admin may as well.
func (r Rules) IsHelpDesk(u User) bool {
	return r.IsAdmin(u) || r.HelpDeskRole != "" && slices.Contains(u.Roles, r.HelpDeskRole)
}
