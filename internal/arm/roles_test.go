package arm

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
)

const (
	someSubscription = "3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3"
	somePerson       = "a83f5c06-12d7-4e9b-b0c4-67f1e2d95a38"
	customRole       = "0b0c8f4e-1111-4222-8333-944455556666"
)

func assignmentJSON(scope, role, kind, created string) string {
	return fmt.Sprintf(`{"id":"%s/providers/Microsoft.Authorization/roleAssignments/%.8s","properties":{"roleDefinitionId":"/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/%s",`+
		`"principalType":%q,"scope":%q,"createdOn":%q,"condition":null}}`, strings.TrimSuffix(scope, "/"), role, role, kind, scope, created)
}

// TestRolesOfBothFiltersAreJoined: what both questions bring appears once.
func TestRolesOfBothFiltersAreJoined(t *testing.T) {
	atScope := []string{
		assignmentJSON("/subscriptions/"+someSubscription, "39BC4728-0917-49c7-9d2c-d95423bc2eb4", "User", "2026-11-20T08:00:00.1234567Z"),
		assignmentJSON("/providers/Microsoft.Management/managementGroups/mg-Payments", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Group", ""),
		assignmentJSON("/", customRole, "User", "yesterday"),
	}
	below := []string{
		assignmentJSON("/subscriptions/"+strings.ToUpper(someSubscription)+"/resourcegroups/rg-One", "b24988ac-6180-42a0-ab88-20f7382dd24c", "User", "2026-11-20T08:00:00Z"),
		assignmentJSON("/subscriptions/"+someSubscription+"/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st1", "acdd72a7-3385-48ef-bd42-f606fba81ae7", "User", ""),
		`{"id":"x","properties":{"roleDefinitionId":"nonsense"}}`, `7`, `{"properties":null}`,
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		list := append(atScope[:1:1], below...)
		switch q.Get("$filter") {
		case "atScope() and assignedTo('" + somePerson + "')":
			list = atScope
		case "assignedTo('" + somePerson + "')":
		default:
			t.Errorf("filter %q", q.Get("$filter"))
		}
		if q.Get("api-version") != "2022-04-01" || r.URL.Path != "/subscriptions/"+someSubscription+"/providers/Microsoft.Authorization/roleAssignments" {
			t.Errorf("request %v", r.URL)
		}
		fmt.Fprintf(w, `{"value":[%s]}`, strings.Join(list, ","))
	})
	got, err := c.RoleAssignments(context.Background(), token("t"), someSubscription, strings.ToUpper(somePerson))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].ID = ""
	}
	expected := []RoleAssignment{
		{RoleID: "39bc4728-0917-49c7-9d2c-d95423bc2eb4", Role: "Security Reader", Scope: Scope{Kind: ScopeSubscription, Subscription: someSubscription},
			CreatedOn: time.Date(2026, 11, 20, 8, 0, 0, 123456700, time.UTC)},
		{RoleID: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", Role: "Owner", Scope: Scope{Kind: ScopeManagementGroup, Name: "mg-Payments"}, ByGroup: true},
		{RoleID: customRole, Scope: Scope{Kind: ScopeTenant}},
		{RoleID: "b24988ac-6180-42a0-ab88-20f7382dd24c", Role: "Contributor", Scope: Scope{Kind: ScopeResourceGroup, Subscription: someSubscription, Name: "rg-One"},
			CreatedOn: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)},
		{RoleID: "acdd72a7-3385-48ef-bd42-f606fba81ae7", Role: "Reader", Scope: Scope{Kind: ScopeResource, Subscription: someSubscription, Name: "st1"}},
	}
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("RoleAssignments =\n%+v, want\n%+v", got, expected)
	}
}

// TestAPersonsIDIsNoFilter: whatever is not a GUID never reaches a filter or a path.
func TestAPersonsIDIsNoFilter(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("Azure was asked for %v", r.URL) })
	bad := []string{"", "me", somePerson + "'", "') or assignedTo('" + somePerson, "../" + someSubscription, strings.Repeat("a", 36)}
	for _, id := range bad {
		if _, err := c.RoleAssignments(context.Background(), token("t"), someSubscription, id); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("person %q: %v", id, err)
		}
		if _, err := c.RoleAssignments(context.Background(), token("t"), id, somePerson); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("subscription %q: %v", id, err)
		}
		if _, err := c.RoleName(context.Background(), token("t"), someSubscription, id); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("role %q: %v", id, err)
		}
		if id == "" {
			continue // all of Azure
		}
		if _, err := c.Eligibilities(context.Background(), token("t"), id); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("eligibilities of %q: %v", id, err)
		}
	}
}

func TestEligibleRoles(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("$filter") != "asTarget()" || r.URL.Query().Get("api-version") != "2020-10-01" {
			t.Errorf("request %v", r.URL)
		}
		if strings.HasPrefix(r.URL.Path, "/subscriptions/") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.URL.Path != "/providers/Microsoft.Authorization/roleEligibilityScheduleInstances" {
			t.Errorf("path %v", r.URL.Path)
		}
		fmt.Fprintf(w, `{"value":[{"properties":{"roleDefinitionId":"/x/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c","scope":"/subscriptions/%s","endDateTime":"2027-01-01T00:00:00Z",
			"expandedProperties":{"scope":{"displayName":"Contoso Prod"},"roleDefinition":{"displayName":"Mitwirkender"}}}},
			{"properties":{"roleDefinitionId":"%s","scope":"/providers/Microsoft.Management/managementGroups/mg","endDateTime":null,
			"expandedProperties":{"roleDefinition":{"displayName":"Own role"}}}}, {}]}`, someSubscription, customRole)
	})
	got, err := c.Eligibilities(context.Background(), token("t"), "")
	expected := []Eligibility{
		{RoleID: "b24988ac-6180-42a0-ab88-20f7382dd24c", Role: "Contributor", Scope: Scope{Kind: ScopeSubscription, Subscription: someSubscription},
			ScopeName: "Contoso Prod", EndsAt: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		{RoleID: customRole, Role: "Own role", Scope: Scope{Kind: ScopeManagementGroup, Name: "mg"}},
	}
	if err != nil || !reflect.DeepEqual(got, expected) {
		t.Errorf("Eligibilities = %+v, %v", got, err)
	}
	if _, err := c.Eligibilities(context.Background(), token("t"), someSubscription); !apperr.IsKind(err, apperr.Forbidden) {
		t.Errorf("refused eligibilities: %v", err)
	}
}

func TestRoleNames(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/subscriptions/"+someSubscription+"/providers/Microsoft.Authorization/roleDefinitions/"+customRole {
			t.Errorf("path %v", r.URL.Path)
		}
		w.Write([]byte(`{"properties":{"roleName":"Contoso Auditor","type":"CustomRole"}}`))
	})
	if got, err := c.RoleName(context.Background(), token("t"), someSubscription, customRole); got != "Contoso Auditor" || err != nil {
		t.Errorf("RoleName = %q, %v", got, err)
	}
	if got, err := c.RoleName(context.Background(), token("t"), someSubscription, "8E3AF657-a8ff-443c-a75c-2fe8c4bcb635"); got != "Owner" || err != nil {
		t.Errorf("RoleName = %q, %v", got, err)
	}
}

func TestScopesAreRead(t *testing.T) {
	for id, expected := range map[string]Scope{
		"":               {},
		"/":              {Kind: ScopeTenant},
		"subscriptions":  {},
		"/subscriptions": {},
		"/providers/microsoft.management/managementgroups/MG": {Kind: ScopeManagementGroup, Name: "MG"},
		"/subscriptions/not-a-guid":                           {},
		"/subscriptions/" + someSubscription + "/else/x":      {Kind: ScopeResource, Subscription: someSubscription, Name: "x"},
		"/" + strings.Repeat("x", maxScopeText):               {},
	} {
		if got := parseScope(id); got != expected {
			t.Errorf("%.60q is %+v, want %+v", id, got, expected)
		}
	}
	if s := (Scope{Kind: ScopeManagementGroup}); !s.Inherited() || s.Below() {
		t.Error("a management group is above")
	}
	if s := (Scope{Kind: ScopeResourceGroup}); s.Inherited() || !s.Below() {
		t.Error("a resource group is below")
	}
}

func FuzzRoles(f *testing.F) {
	f.Add([]byte(assignmentJSON("/", customRole, "User", "2026-11-20T08:00:00Z")))
	f.Add([]byte(`{"properties":{"roleDefinitionId":["x"],"scope":7}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if a, ok := assignment(raw); ok && (!isGUID(a.RoleID) || a.RoleID != strings.ToLower(a.RoleID) || len(a.Scope.Name) > nameLimit) {
			t.Errorf("%+v", a)
		}
		if e, ok := eligibility(raw); ok && (!isGUID(e.RoleID) || len(e.ScopeName) > nameLimit) {
			t.Errorf("%+v", e)
		}
	})
}
