package sandbox_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

const subscriptionsPath = "/arm/subscriptions?api-version=2022-12-01"

func (a *apis) armToken(oid string) string {
	return a.TokenFor(oid, sandbox.ARMAudience, "user_impersonation")
}

func assignmentsPath(id, filter string) string {
	return "/arm/subscriptions/" + id + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=" + url.QueryEscape(filter)
}

type armList struct {
	Value []struct {
		ID, SubscriptionID, DisplayName, TenantID, State, Name string
		Properties                                             struct{ RoleDefinitionID, PrincipalID, PrincipalType, Scope, CreatedOn string }
	}
	Count    struct{ Value int }
	NextLink string
	Error    struct{ Code, Message string }
}

func TestSubscriptionsComeInPages(t *testing.T) {
	a := serveAPIs(t, func(o *sandbox.Options) { o.Subscriptions = 120 })
	seen := map[string]bool{}
	for _, id := range a.subscriptionIDs() {
		seen[id] = true
	}
	if len(seen) != 120 {
		t.Errorf("the admin sees %d of 120 subscriptions", len(seen))
	}
	var page armList
	response := a.want(http.StatusOK, "GET", subscriptionsPath, a.armToken(sandbox.AdaID), "", &page)
	if len(page.Value) != 50 || page.Count.Value != 120 || !strings.HasPrefix(page.NextLink, a.url+"/arm/subscriptions?") {
		t.Errorf("the first page has %d of %d, next %q", len(page.Value), page.Count.Value, page.NextLink)
	}
	if response.Header.Get("x-ms-ratelimit-remaining-tenant-reads") == "" || response.Header.Get("x-ms-request-id") == "" {
		t.Errorf("rate and request headers are missing: %v", response.Header)
	}
	if one := page.Value[0]; one.ID != "/subscriptions/"+prod || one.SubscriptionID != prod || one.DisplayName != "Contoso Prod" || one.State != "Enabled" || one.TenantID != sandbox.TenantID {
		t.Errorf("the first subscription is %+v", one)
	}
}

func TestSubscriptionsAreThoseWithARole(t *testing.T) {
	a := serveAPIs(t, nil)
	for _, test := range []struct {
		oid  string
		want int
	}{{sandbox.DanaID, 11}, {sandbox.NoorID, 0}, {sandbox.RaviID, 1}, {sandbox.FayeID, 1}, {sandbox.HugoID, 3}} {
		var page armList
		a.want(http.StatusOK, "GET", subscriptionsPath, a.armToken(test.oid), "", &page)
		if len(page.Value) != test.want {
			t.Errorf("%s sees %d subscriptions, wanted %d", test.oid, len(page.Value), test.want)
		}
	}
}

func TestRoleAssignmentsAreFiltered(t *testing.T) {
	a := serveAPIs(t, nil)
	all := a.subscriptionIDs()
	for _, test := range []struct {
		sub    int
		filter string
		want   int
	}{
		{0, "assignedTo('" + sandbox.DanaID + "')", 1},
		{2, "assignedTo('" + sandbox.DanaID + "')", 1},    // through a group
		{2, "principalId eq '" + sandbox.DanaID + "'", 0}, // not directly
		{4, "assignedTo('" + sandbox.DanaID + "')", 1},    // on a resource group
		{4, "atScope() and assignedTo('" + sandbox.DanaID + "')", 0},
	} {
		var page armList
		a.want(http.StatusOK, "GET", assignmentsPath(all[test.sub], test.filter), a.armToken(sandbox.DanaID), "", &page)
		if len(page.Value) != test.want {
			t.Errorf("subscription %d, %s: %d assignments, wanted %d", test.sub, test.filter, len(page.Value), test.want)
		}
	}
	var page armList
	response := a.want(http.StatusOK, "GET", assignmentsPath(prod, "principalId eq '"+sandbox.DanaID+"'"), a.armToken(sandbox.DanaID), "", &page)
	x := page.Value[0].Properties
	if !strings.HasSuffix(x.RoleDefinitionID, "/39bc4728-0917-49c7-9d2c-d95423bc2eb4") || x.PrincipalID != sandbox.DanaID || x.PrincipalType != "User" || x.Scope != "/subscriptions/"+prod {
		t.Errorf("Dana's assignment is %+v", x)
	}
	if response.Header.Get("x-ms-ratelimit-remaining-subscription-reads") == "" {
		t.Error("the rate header is missing")
	}
}

func TestARMRefusals(t *testing.T) {
	a := serveAPIs(t, nil)
	all := a.subscriptionIDs()
	dana := a.armToken(sandbox.DanaID)
	for _, test := range []struct {
		what, path, token string
		status            int
		code              string
	}{
		{"no api-version", "/arm/subscriptions", dana, 400, "MissingApiVersionParameter"},
		{"an unknown filter", assignmentsPath(prod, "roleName eq 'Owner'"), dana, 400, "UnsupportedQuery"},
		{"an unknown subscription", assignmentsPath("11111111-2222-4333-8444-555555555555", ""), dana, 404, "SubscriptionNotFound"},
		{"no role", assignmentsPath(all[10], ""), dana, 403, "AuthorizationFailed"},
		{"a bad skip token", subscriptionsPath + "&$skiptoken=LTE", dana, 400, "InvalidSkipToken"},
	} {
		var page armList
		a.want(test.status, "GET", test.path, test.token, "", &page)
		if page.Error.Code != test.code || page.Error.Message == "" {
			t.Errorf("%s: %+v", test.what, page.Error)
		}
	}
	a.want(http.StatusUnauthorized, "GET", subscriptionsPath, a.dana(), "", nil) // a token for AzTS
	a.want(http.StatusOK, "GET", subscriptionsPath, a.TokenFor(sandbox.DanaID, sandbox.ARMAudience+"/", "user_impersonation"), "", nil)
}

func TestFaultsOfARMAndGraph(t *testing.T) {
	a := serveAPIs(t, nil)
	dana := a.armToken(sandbox.DanaID)
	graph := a.TokenFor(sandbox.DanaID, sandbox.GraphAudience, "User.Read")
	for _, test := range []struct {
		name, path, token string
		status            int
	}{
		{"arm.500", subscriptionsPath, dana, 500}, {"arm.403", subscriptionsPath, dana, 403}, {"arm.429", subscriptionsPath, dana, 429},
		{"graph.403", "/graph/v1.0/me", graph, 403}, {"graph.500", "/graph/v1.0/me", graph, 500},
	} {
		a.Faults().Set(test.name, "", 1)
		var problem struct{ Error struct{ Code string } }
		response := a.want(test.status, "GET", test.path, test.token, "", &problem)
		if problem.Error.Code == "" || test.status == 429 && response.Header.Get("Retry-After") != "5" {
			t.Errorf("%s: %+v, Retry-After %q", test.name, problem, response.Header.Get("Retry-After"))
		}
		a.want(http.StatusOK, "GET", test.path, test.token, "", nil)
	}
	a.Faults().Set("arm.foreign_next_link", "", 1)
	var page armList
	a.want(http.StatusOK, "GET", subscriptionsPath, dana, "", &page)
	if !strings.HasPrefix(page.NextLink, "https://attacker.example/") {
		t.Errorf("nextLink is %q", page.NextLink)
	}
}

func TestMe(t *testing.T) {
	a := serveAPIs(t, nil)
	token := a.TokenFor(sandbox.DanaID, sandbox.GraphAudience, "openid", "User.Read")
	var me map[string]any
	a.want(http.StatusOK, "GET", "/graph/v1.0/me?$select=id,displayName,%20userPrincipalName", token, "", &me)
	if me["id"] != sandbox.DanaID || me["displayName"] != "Dana Reyes" || me["userPrincipalName"] != "dana@contoso.com" {
		t.Errorf("me is %v", me)
	}
	if _, there := me["mail"]; there || !strings.Contains(fmt.Sprint(me["@odata.context"]), "/graph/v1.0/$metadata") {
		t.Errorf("me has more than was selected, or no context: %v", me)
	}
	var problem struct{ Error struct{ Code string } }
	a.want(http.StatusForbidden, "GET", "/graph/v1.0/me", a.TokenFor(sandbox.DanaID, sandbox.GraphAudience, "openid"), "", &problem)
	if problem.Error.Code != "Authorization_RequestDenied" {
		t.Errorf("without User.Read: %+v", problem)
	}
	a.want(http.StatusUnauthorized, "GET", "/graph/v1.0/me", a.dana(), "", nil)
}
