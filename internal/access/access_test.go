package access_test

import (
	"strings"
	"testing"

	"azts.internal/portal/internal/access"
)

func TestPersonIDNamesSomebodyOnlyWithBothParts(t *testing.T) {
	for id, zero := range map[access.PersonID]bool{
		{}:                                    true,
		{Authority: "tenant"}:                 true,
		{Subject: "ann"}:                      true,
		{Authority: "tenant", Subject: "ann"}: false,
	} {
		if id.IsZero() != zero {
			t.Errorf("%v: zero %v", id, id.IsZero())
		}
	}
	if text := (access.PersonID{Authority: "tenant", Subject: "ann"}).String(); text != "tenant/ann" {
		t.Errorf("%q", text)
	}
}

func TestDisplayName(t *testing.T) {
	id := access.PersonID{Authority: "tenant", Subject: "oid"}
	for want, u := range map[string]access.User{
		"Ann":             {ID: id, Name: "Ann", Account: "ann@contoso.com"},
		"ann@contoso.com": {ID: id, Name: " ", Account: "ann@contoso.com"},
		"oid":             {ID: id},
		"Unknown":         {},
	} {
		if got := u.DisplayName(); got != want {
			t.Errorf("%+v is %q, want %q", u, got, want)
		}
	}
}

func TestRules(t *testing.T) {
	rules := access.Rules{AdminRole: "Portal.Admin", HelpDeskRole: "Portal.HelpDesk"}
	for name, tt := range map[string]struct {
		rules           access.Rules
		roles           []string
		admin, helpDesk bool
	}{
		"nobody":                         {rules, nil, false, false},
		"another role":                   {rules, []string{"Portal.User"}, false, false},
		"help desk":                      {rules, []string{"Portal.HelpDesk"}, false, true},
		"an admin is help desk as well":  {rules, []string{"x", "Portal.Admin"}, true, true},
		"both":                           {rules, []string{"Portal.Admin", "Portal.HelpDesk"}, true, true},
		"attack: another case":           {rules, []string{"portal.admin"}, false, false},
		"attack: a longer name":          {rules, []string{"Portal.Admin.x", "Portal.HelpDesk "}, false, false},
		"attack: an empty role":          {rules, []string{""}, false, false},
		"attack: an empty role and rule": {access.Rules{}, []string{""}, false, false},
		"only admins are configured":     {access.Rules{AdminRole: "a"}, []string{"a"}, true, true},
		"only help desk is configured":   {access.Rules{HelpDeskRole: "h"}, []string{"h", ""}, false, true},
	} {
		u := access.User{Roles: tt.roles}
		if tt.rules.IsAdmin(u) != tt.admin || tt.rules.IsHelpDesk(u) != tt.helpDesk {
			t.Errorf("%s: admin %v, help desk %v", name, tt.rules.IsAdmin(u), tt.rules.IsHelpDesk(u))
		}
	}
}

func TestAdminsByDirectoryRoleAndGroup(t *testing.T) {
	const role, group = "62e90394-69f5-4237-9190-012177145e10", "0d1f5a86-93b7-4c22-8e41-b7a60f2d9c35"
	rules := access.Rules{AdminRole: "Portal.Admin", AdminDirectoryRoles: []string{role}, AdminGroups: []string{group}}
	for name, tt := range map[string]struct {
		rules         access.Rules
		user          access.User
		admin, decide bool
	}{
		"the directory role":              {rules, access.User{DirectoryRoles: []string{"x", strings.ToUpper(role)}}, true, false},
		"another directory role":          {rules, access.User{DirectoryRoles: []string{"88d8e3e3-8f55-4a1e-953a-9b9898b8876b"}}, false, false},
		"the group":                       {rules, access.User{Groups: []string{group}}, true, false},
		"more groups than fit":            {rules, access.User{MoreGroups: true}, false, true},
		"more groups, but an admin":       {rules, access.User{MoreGroups: true, Roles: []string{"Portal.Admin"}}, true, false},
		"more groups, but none counts":    {access.Rules{AdminRole: "Portal.Admin"}, access.User{MoreGroups: true}, false, false},
		"attack: the group as a role":     {rules, access.User{Roles: []string{group}, DirectoryRoles: []string{group}}, false, false},
		"attack: the role as a group":     {rules, access.User{Groups: []string{role, "Portal.Admin"}}, false, false},
		"attack: empty ids, empty rules":  {access.Rules{}, access.User{DirectoryRoles: []string{""}, Groups: []string{""}}, false, false},
		"the role where none is in force": {access.Rules{AdminRole: "Portal.Admin"}, access.User{DirectoryRoles: []string{role}}, false, false},
	} {
		kept := tt.rules.Keep(tt.user)
		for _, u := range []access.User{tt.user, kept} {
			if tt.rules.IsAdmin(u) != tt.admin || tt.rules.GroupsDecide(u) != tt.decide {
				t.Errorf("%s: admin %v, groups decide %v", name, tt.rules.IsAdmin(u), tt.rules.GroupsDecide(u))
			}
		}
		if len(kept.Groups)+len(kept.DirectoryRoles) > 1 {
			t.Errorf("%s: a session would keep %v and %v", name, kept.Groups, kept.DirectoryRoles)
		}
	}
}

// A name is no identity: it must not make an admin.
func TestAttackNamesOfOthers(t *testing.T) {
	rules := access.Rules{AdminRole: "Portal.Admin"}
	u := access.User{Name: "Portal.Admin", Account: "admin@contoso.com", AMR: []string{"Portal.Admin"}}
	if rules.IsAdmin(u) || rules.IsHelpDesk(u) {
		t.Error("a name made an admin")
	}
}
