package handlers

import (
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/arm"
	"azts.internal/portal/templates"
)

const (
	ownerRole   = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	securityRdr = "39bc4728-0917-49c7-9d2c-d95423bc2eb4"
	readerRole  = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
)

// TestWhyASubscriptionIsMissing is the table of reasons.
func TestWhyASubscriptionIsMissing(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	old, fresh := now.Add(-25*time.Hour), now.Add(-3*time.Hour)
	sub, group, resource := arm.Scope{Kind: arm.ScopeSubscription}, arm.Scope{Kind: arm.ScopeResourceGroup, Name: "rg"}, arm.Scope{Kind: arm.ScopeResource, Name: "st"}
	mg := arm.Scope{Kind: arm.ScopeManagementGroup, Name: "mg"}
	role := func(id string, at arm.Scope, since time.Time) arm.RoleAssignment {
		return arm.RoleAssignment{RoleID: id, Role: arm.BuiltInRoles[id], Scope: at, CreatedOn: since}
	}
	can := func(id string, at arm.Scope) []arm.Eligibility {
		return []arm.Eligibility{{RoleID: id, Role: arm.BuiltInRoles[id], Scope: at}}
	}
	roles := func(list ...arm.RoleAssignment) []arm.RoleAssignment { return list }
	byGroup := role(ownerRole, sub, old.Add(-900*time.Hour))
	byGroup.ByGroup = true
	for name, c := range map[string]struct {
		facts roleFacts
		want  templates.Standing
		says  string // in what, next and mender
	}{
		"old, through a group":               {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(byGroup)}, templates.StandingUnlisted, "wait until tomorrow"},
		"old, through a group and directly":  {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(byGroup, role(securityRdr, sub, now.Add(-24*time.Hour)))}, templates.StandingUnlisted, "good and old enough"},
		"old group, fresh role":              {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(byGroup, role(securityRdr, sub, fresh))}, templates.StandingUnlisted, "wait until tomorrow"},
		"shown":                              {roleFacts{AzTSKnown: true, Shown: true, RolesKnown: true, Roles: roles(role(ownerRole, sub, old))}, templates.StandingShown, ""},
		"shown, whatever Azure says":         {roleFacts{AzTSKnown: true, Shown: true}, templates.StandingShown, ""},
		"AzTS did not answer":                {roleFacts{RolesKnown: true, Roles: roles(role(ownerRole, sub, old))}, templates.StandingUnknown, ""},
		"Azure did not answer":               {roleFacts{AzTSKnown: true}, templates.StandingUnknown, ""},
		"no role":                            {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true}, templates.StandingNone, "AzTS takes that too"},
		"wrong kind":                         {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(readerRole, sub, old))}, templates.StandingWrong, "role Reader is none"},
		"wrong kind without a name":          {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role("0b0c8f4e-1111-4222-8333-944455556666", sub, old))}, templates.StandingWrong, "Your role is none"},
		"right kind, single resource":        {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(readerRole, sub, old), role(ownerRole, resource, old))}, templates.StandingWrong, "Owner is on a single resource"},
		"fresh":                              {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(securityRdr, sub, fresh))}, templates.StandingFresh, "24 hours"},
		"fresh on a resource group":          {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(securityRdr, group, fresh))}, templates.StandingFresh, "Wait"},
		"fresh from a management group":      {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(securityRdr, mg, fresh))}, templates.StandingFresh, ""},
		"fresh beside an old one":            {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(ownerRole, sub, fresh), role(securityRdr, group, old))}, templates.StandingUnlisted, "AzTS administrator"},
		"fresh beats to be activated":        {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(ownerRole, sub, fresh)), Eligible: can(ownerRole, sub)}, templates.StandingFresh, ""},
		"given at a time that is not told":   {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(ownerRole, sub, time.Time{}))}, templates.StandingUnlisted, "too new"},
		"exactly 24 hours old":               {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(ownerRole, sub, now.Add(-24*time.Hour)))}, templates.StandingUnlisted, ""},
		"clock of Azure ahead":               {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(ownerRole, sub, now.Add(time.Minute)))}, templates.StandingFresh, ""},
		"old and unknown to AzTS":            {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(ownerRole, mg, old))}, templates.StandingUnlisted, "the subscription was moved"},
		"to be activated":                    {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Eligible: can(ownerRole, sub)}, templates.StandingEligible, "Privileged Identity Management"},
		"to be activated, Reader until then": {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(readerRole, sub, old)), Eligible: can(ownerRole, mg)}, templates.StandingEligible, "yourself"},
		"to be activated, roles not told":    {roleFacts{AzTSKnown: true, Eligible: can(ownerRole, group)}, templates.StandingEligible, ""},
		"to be activated, of no use":         {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Eligible: can(readerRole, sub)}, templates.StandingNone, ""},
		"to be activated, single resource":   {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Eligible: can(ownerRole, resource)}, templates.StandingNone, ""},
		"wrong kind, nothing said of PIM":    {roleFacts{AzTSKnown: true, RolesKnown: true, Roles: roles(role(readerRole, sub, old))}, templates.StandingUnknown, "did not say what you may activate"},
		"no role, nothing said of PIM":       {roleFacts{AzTSKnown: true, RolesKnown: true}, templates.StandingUnknown, "did not say what you may activate"},
		"good role, nothing said of PIM":     {roleFacts{AzTSKnown: true, RolesKnown: true, Roles: roles(role(ownerRole, sub, fresh))}, templates.StandingFresh, ""},
		"at a place that cannot be read":     {roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(ownerRole, arm.Scope{}, old))}, templates.StandingUnknown, "role Owner is one that AzTS accepts"},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(c.facts, now)
			if v.Standing != c.want {
				t.Fatalf("judged as %q, want %q", v.Standing, c.want)
			}
			var row templates.RoleRow
			v.explain(&row, &templates.Action{Label: "Activate"})
			said := row.What + " " + row.Next + " " + row.Mender
			if !strings.Contains(said, c.says) {
				t.Errorf("said is %q, want it to hold %q", said, c.says)
			}
			silent := c.want == templates.StandingShown || c.want == templates.StandingUnknown && !v.Unread
			if silent != (row.Next == "" || row.Mender == "") {
				t.Errorf("said is %q: each reason has what to do and who mends it", said)
			}
			if (c.want == templates.StandingFresh) != !row.KnownBy.IsZero() {
				t.Errorf("AzTS should know it by %v", row.KnownBy)
			}
			if (c.want == templates.StandingEligible) != (row.Link != nil) {
				t.Errorf("link %v", row.Link)
			}
		})
	}
	v := judge(roleFacts{AzTSKnown: true, RolesKnown: true, EligibleKnown: true, Roles: roles(role(ownerRole, sub, fresh))}, now)
	if !v.KnownBy.Equal(fresh.Add(24 * time.Hour)) {
		t.Errorf("AzTS should know it by %v", v.KnownBy)
	}
}
