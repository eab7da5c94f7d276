package handlers

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/arm"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/templates"
)

// roleFacts is what is known of a person on one subscription.
type roleFacts struct {
	// AzTSKnown says that AzTS answered, Shown that it shows the subscription.
	AzTSKnown, Shown bool
	// RolesKnown says that Azure told the roles.
	RolesKnown bool
	Roles      []arm.RoleAssignment
	// EligibleKnown says that Azure told what may be activated there; Eligible may
	// hold something all the same, from the list for all of Azure.
	EligibleKnown bool
	Eligible      []arm.Eligibility
	// These need not be asked again: an answer came, were it a refusal.
	rolesAsked, eligibleAsked bool
}

// good reports whether one of the roles counts at AzTS.
func (f *roleFacts) good() bool {
	return slices.ContainsFunc(f.Roles, func(r arm.RoleAssignment) bool { return counts(r.RoleID, r.Scope) })
}

// verdict is why AzTS shows a subscription or not.
type verdict struct {
	Standing templates.Standing
	RoleID   string    // the role that the verdict is about; may be empty
	Role     string    // its name; may be empty
	Place    arm.Scope // where that role is
	KnownBy  time.Time // when AzTS should know a fresh role
	// Untold says that Azure did not tell what the person may activate.
	Untold bool
	// Unread says that the role would count, and where it is cannot be read.
	Unread bool
	// Unsure says that it may count for less long than it was given.
	Unsure bool
}

// unsure reports whether Azure cannot say since when somebody has a role: they may
// have joined its group, or the subscription its management group, only today.
func unsure(r arm.RoleAssignment) bool {
	return r.ByGroup || r.Scope.Inherited() || r.CreatedOn.IsZero()
}

// counts reports whether AzTS accepts a role given at that scope: above or on a
// subscription, or on one of its resource groups, not on a single resource
// (azts.md, Authorization).
func counts(role string, at arm.Scope) bool {
	return azts.AcceptsRole(role) && at.Kind != arm.ScopeResource && at.Kind != arm.ScopeUnknown
}

// judge says why AzTS shows a subscription to somebody, or does not. What the
// person can mend without anybody's help comes before what they cannot.
func judge(f roleFacts, now time.Time) verdict {
	switch {
	case !f.AzTSKnown:
		return verdict{Standing: templates.StandingUnknown}
	case f.Shown:
		return verdict{Standing: templates.StandingShown}
	}
	good := keep(f.Roles, func(r arm.RoleAssignment) bool { return counts(r.RoleID, r.Scope) })
	if len(good) > 0 {
		// The oldest decides: AzTS had the most time to learn of it. One of which
		// Azure does not say when it was given counts as old; one of which it is
		// sure goes first.
		isOld := func(r arm.RoleAssignment) bool { return !now.Before(r.CreatedOn.Add(azts.RoleDelay)) }
		oldest := slices.MinFunc(good, func(a, b arm.RoleAssignment) int {
			sure := func(r arm.RoleAssignment) int {
				if isOld(r) && !unsure(r) {
					return 0
				}
				return 1
			}
			return cmp.Or(cmp.Compare(sure(a), sure(b)), a.CreatedOn.Compare(b.CreatedOn))
		})
		v := verdict{Standing: templates.StandingUnlisted, RoleID: oldest.RoleID, Role: oldest.Role, Place: oldest.Scope, Unsure: unsure(oldest)}
		if known := oldest.CreatedOn.Add(azts.RoleDelay); !isOld(oldest) {
			v.Standing, v.KnownBy = templates.StandingFresh, known
		}
		return v
	}
	for _, e := range f.Eligible {
		if counts(e.RoleID, e.Scope) {
			return verdict{Standing: templates.StandingEligible, RoleID: e.RoleID, Role: e.Role, Place: e.Scope}
		}
	}
	for _, r := range f.Roles {
		if azts.AcceptsRole(r.RoleID) && r.Scope.Kind == arm.ScopeUnknown {
			return verdict{Standing: templates.StandingUnknown, RoleID: r.RoleID, Role: r.Role, Unread: true}
		}
	}
	switch {
	case !f.RolesKnown:
		return verdict{Standing: templates.StandingUnknown}
	case !f.EligibleKnown:
		return verdict{Standing: templates.StandingUnknown, Untold: true}
	case len(f.Roles) == 0:
		return verdict{Standing: templates.StandingNone}
	}
	// A good role at the wrong place is closer to the mark than any other.
	near := slices.MinFunc(f.Roles, func(a, b arm.RoleAssignment) int {
		return cmp.Compare(wrongness(a), wrongness(b))
	})
	return verdict{Standing: templates.StandingWrong, RoleID: near.RoleID, Role: near.Role, Place: near.Scope}
}

func wrongness(r arm.RoleAssignment) int {
	switch {
	case azts.AcceptsRole(r.RoleID):
		return 0
	case !r.Scope.Below():
		return 1
	}
	return 2
}

func keep[T any](list []T, fits func(T) bool) (out []T) {
	for _, one := range list {
		if fits(one) {
			out = append(out, one)
		}
	}
	return out
}

// explain writes a verdict into a row: what, what to do, who mends it.
func (v verdict) explain(row *templates.RoleRow, pim *templates.Action) {
	row.Standing, row.KnownBy = v.Standing, v.KnownBy
	role := "role " + v.Role
	if v.Role == "" {
		role = "role"
	}
	switch v.Standing {
	case templates.StandingUnknown:
		switch {
		case v.Untold:
			row.What = "Azure did not say what you may activate here, so the portal cannot tell whether you lack a role."
		case v.Unread:
			row.What = "Your " + role + " is one that AzTS accepts, but Azure names its place in a way that this portal cannot read. So it cannot tell whether it counts."
			row.Next, row.Mender = "Look the role up in the Azure portal, under Access control (IAM) of the subscription.", "You can do this yourself."
		}
	case templates.StandingFresh:
		row.What = "Your " + role + " was given less than 24 hours ago, and AzTS reads roles once in 24 hours."
		row.Next, row.Mender = "Wait.", "Nobody has to do anything."
	case templates.StandingEligible:
		row.What = "You may activate the " + role + ", and have not. Until then it gives nothing."
		row.Next = "Activate it in Privileged Identity Management. AzTS reads roles once in 24 hours, so it has to be active when AzTS looks: take a long activation, or ask the owner for a lasting role."
		row.Mender, row.Link = "You can mend this yourself.", pim
	case templates.StandingWrong:
		row.What = "Your " + role + " is none that AzTS accepts."
		if azts.AcceptsRole(v.RoleID) && v.Place.Kind == arm.ScopeResource {
			row.What = "Your " + role + " is on a single resource only. AzTS accepts it on the subscription or a resource group."
		}
		row.Next, row.Mender = "Ask the owner of the subscription for the role Security Reader.", "An owner of the subscription can mend this."
	case templates.StandingNone:
		row.What = "You have no role on it that Azure lists." + classicAdmins
		row.Next = "Ask the owner of the subscription for the role Security Reader. It counts at AzTS within 24 hours."
		row.Mender = "An owner of the subscription can mend this."
	case templates.StandingUnlisted:
		row.What = "Your " + role + " is good and old enough, but AzTS does not know the subscription for you: it was never scanned, or AzTS does not cover it."
		row.Next = "Start a scan of it. If AzTS refuses, ask the AzTS administrator to take the subscription in."
		if v.Unsure {
			row.What = "Your " + role + " is one that AzTS accepts, but AzTS does not know the subscription for you: your role is too new for it, or it was never scanned, or AzTS does not cover it."
			row.Next = "If you joined the group, or the subscription was moved, less than 24 hours ago: wait until tomorrow. Else: start a scan of it; if AzTS refuses, ask the AzTS administrator to take the subscription in."
		}
		row.Mender = "The AzTS administrator can mend this."
	}
}

// classicAdmins goes where no role is found: AzTS takes these too, and Azure has
// retired the list of them (entra.md §8).
const classicAdmins = " If you are a classic administrator of it (Service Administrator, Co-Administrator, Account Administrator): AzTS takes that too, but Azure no longer lists it here."

// whereText tells a scope in words.
func whereText(s arm.Scope) string {
	switch s.Kind {
	case arm.ScopeTenant:
		return "everything in Azure"
	case arm.ScopeManagementGroup:
		return "management group " + s.Name
	case arm.ScopeSubscription:
		return "the subscription"
	case arm.ScopeResourceGroup:
		return "resource group " + s.Name
	case arm.ScopeResource:
		return "resource " + s.Name
	}
	return "a place that Azure does not name"
}

// heldRoles lists roles for a row: what counts at AzTS first.
func heldRoles(f *roleFacts, names map[string]string) []templates.HeldRole {
	var held []templates.HeldRole
	for _, r := range f.Roles {
		held = append(held, templates.HeldRole{Name: cmp.Or(r.Role, names[r.RoleID]), ID: r.RoleID, Where: whereText(r.Scope), ByGroup: r.ByGroup,
			Since: r.CreatedOn, Accepted: counts(r.RoleID, r.Scope)})
	}
	for _, e := range f.Eligible {
		held = append(held, templates.HeldRole{Name: cmp.Or(e.Role, names[e.RoleID]), ID: e.RoleID, Where: whereText(e.Scope), Eligible: true})
	}
	rank := func(r templates.HeldRole) int {
		switch {
		case r.Accepted:
			return 0
		case r.Eligible:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(held, func(a, b templates.HeldRole) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Name, b.Name), strings.Compare(a.Where, b.Where))
	})
	return held
}
