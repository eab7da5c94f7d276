package access_test

import (
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

// A name is no identity: it must not make an admin.
func TestAttackNamesOfOthers(t *testing.T) {
	rules := access.Rules{AdminRole: "Portal.Admin"}
	u := access.User{Name: "Portal.Admin", Account: "admin@contoso.com", AMR: []string{"Portal.Admin"}}
	if rules.IsAdmin(u) || rules.IsHelpDesk(u) {
		t.Error("a name made an admin")
	}
}
