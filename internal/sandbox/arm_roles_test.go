package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

func eligibilityPath(id string) string {
	path := "/providers/Microsoft.Authorization/roleEligibilityScheduleInstances?api-version=2020-10-01&$filter=asTarget()"
	if id != "" {
		path = "/subscriptions/" + id + path
	}
	return "/arm" + path
}

// TestPeopleShowEveryReason: each way to have a role, or none, has somebody.
func TestPeopleShowEveryReason(t *testing.T) {
	a := serveAPIs(t, nil)
	all := a.subscriptionIDs()
	both := func(oid string) string { return "assignedTo('" + oid + "')" }
	for _, test := range []struct {
		who, oid   string
		sub        int
		filter     string
		role       string // GUID begins with; "" for no assignment
		scopeHolds string
	}{
		{"Ravi on a resource group", sandbox.RaviID, 1, both(sandbox.RaviID), "b24988ac", "/resourceGroups/"},
		{"Maja from a management group", sandbox.MajaID, 1, both(sandbox.MajaID), "39bc4728", "/managementGroups/mg-payments"},
		{"Maja at the scope", sandbox.MajaID, 2, "atScope() and " + both(sandbox.MajaID), "39bc4728", "/managementGroups/mg-payments"},
		{"Theo through a group", sandbox.TheoID, 2, both(sandbox.TheoID), "8e3af657", "/subscriptions/"},
		{"Rena", sandbox.RenaID, 0, both(sandbox.RenaID), "acdd72a7", "/subscriptions/"},
		{"Faye", sandbox.FayeID, 2, both(sandbox.FayeID), "39bc4728", "/subscriptions/"},
		{"Oskar", sandbox.OskarID, 10, both(sandbox.OskarID), "b24988ac", "/subscriptions/"},
		{"Pia", sandbox.PiaID, 3, both(sandbox.PiaID), "acdd72a7", "/subscriptions/"},
	} {
		var page armList
		a.want(http.StatusOK, "GET", assignmentsPath(all[test.sub], test.filter), a.armToken(test.oid), "", &page)
		if len(page.Value) != 1 {
			t.Errorf("%s: %d assignments", test.who, len(page.Value))
			continue
		}
		x := page.Value[0].Properties
		if role := x.RoleDefinitionID[strings.LastIndexByte(x.RoleDefinitionID, '/')+1:]; !strings.HasPrefix(role, test.role) || !strings.Contains(x.Scope, test.scopeHolds) {
			t.Errorf("%s: %+v", test.who, x)
		}
	}
	var one, other armList
	a.want(http.StatusOK, "GET", assignmentsPath(all[1], both(sandbox.MajaID)), a.armToken(sandbox.MajaID), "", &one)
	a.want(http.StatusOK, "GET", assignmentsPath(all[2], both(sandbox.MajaID)), a.armToken(sandbox.MajaID), "", &other)
	if one.Value[0].ID != other.Value[0].ID || one.Value[0].Properties.CreatedOn != other.Value[0].Properties.CreatedOn {
		t.Errorf("the assignment of the management group is two: %+v, %+v", one.Value[0], other.Value[0])
	}
}

func TestRolesToActivate(t *testing.T) {
	a := serveAPIs(t, nil)
	all := a.subscriptionIDs()
	for _, test := range []struct {
		oid, sub string
		want     int
	}{{sandbox.PiaID, "", 2}, {sandbox.PiaID, all[2], 1}, {sandbox.PiaID, all[0], 0}, {sandbox.DanaID, "", 0}, {sandbox.NoorID, all[2], 0}} {
		var page armList
		a.want(http.StatusOK, "GET", eligibilityPath(test.sub), a.armToken(test.oid), "", &page)
		if len(page.Value) != test.want {
			t.Errorf("%s at %q may activate %d roles, want %d", test.oid, test.sub, len(page.Value), test.want)
		}
	}
	pia := a.armToken(sandbox.PiaID)
	a.want(http.StatusNotFound, "GET", eligibilityPath("11111111-2222-4333-8444-555555555555"), pia, "", nil)
	a.want(http.StatusForbidden, "GET", "/arm/subscriptions/"+all[2]+"/providers/Microsoft.Authorization/roleEligibilityScheduleInstances?api-version=2020-10-01", pia, "", nil)
	a.Faults().Set("arm.no_pim", "", 1)
	a.want(http.StatusForbidden, "GET", eligibilityPath(""), pia, "", nil)
}

func TestRoleDefinitions(t *testing.T) {
	a := serveAPIs(t, nil)
	path := "/arm/subscriptions/" + prod + "/providers/Microsoft.Authorization/roleDefinitions/"
	rena := a.armToken(sandbox.RenaID)
	var own struct {
		Properties struct{ RoleName, Type string }
	}
	a.want(http.StatusOK, "GET", path+"5b1d7c90-6e24-4f83-a1b5-0c9d8e7f6a52?api-version=2022-04-01", rena, "", &own)
	if own.Properties.RoleName != "Contoso Cost Auditor" || own.Properties.Type != "CustomRole" {
		t.Errorf("the tenant's own role is %+v", own)
	}
	a.want(http.StatusNotFound, "GET", path+"00000000-6e24-4f83-a1b5-0c9d8e7f6a52?api-version=2022-04-01", rena, "", nil)
}
