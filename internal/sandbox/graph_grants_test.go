package sandbox_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

const (
	graph        = "/graph/v1.0"
	grantsPath   = graph + "/oauth2PermissionGrants"
	portalObject = "5d1e7c30-0b94-4a6f-9c28-71f3e08a4d15"
	aztsObject   = "e07a3b91-5c4d-4286-97fe-1be04d5c8642"
	scanBot      = "91b2f6d4-7e03-4c58-b1a9-2d60c7e84f3b"
)

func (a *apis) graphToken(oid string, scopes ...string) string {
	return a.TokenFor(oid, sandbox.GraphAudience, scopes...)
}

// adminToken is Ada's, with every permission that is worth having.
func (a *apis) adminToken() string {
	return a.graphToken(sandbox.AdaID, "Directory.Read.All", "DelegatedPermissionGrant.ReadWrite.All", "Application.Read.All", "AppRoleAssignment.ReadWrite.All")
}

func filtered(path, filter string) string { return path + "?$filter=" + url.QueryEscape(filter) }

type graphGrant struct {
	ID, ClientID, ConsentType, ResourceID, Scope string
	PrincipalID                                  *string
}

type graphPage struct {
	Context string `json:"@odata.context"`
	Next    string `json:"@odata.nextLink"`
	Count   *int   `json:"@odata.count"`
	Value   []graphGrant
	Error   graphProblem
}

type graphProblem struct {
	Code, Message string
	InnerError    map[string]string
}

// allGrants follows nextLinks to the end of a list.
func (a *apis) allGrants(path, token string) (grants []graphGrant, pages int) {
	a.t.Helper()
	for ; path != ""; pages++ {
		var page graphPage
		a.want(http.StatusOK, "GET", path, token, "", &page)
		grants = append(grants, page.Value...)
		if page.Next != "" && !strings.HasPrefix(page.Next, a.url+graph+"/") || pages > 2000 {
			a.t.Fatalf("page %d leads to %q", pages, page.Next)
		}
		path = strings.TrimPrefix(page.Next, a.url)
	}
	return grants, pages
}

// portalGrant gives Dana's consent to the portal at the AzTS API and returns the
// grant.
func (a *apis) portalGrant(account string) graphGrant {
	a.t.Helper()
	if err := a.Consent(sandbox.PortalClientID, account, sandbox.AzTSAppIDURI+"/user_impersonation"); err != nil {
		a.t.Fatal(err)
	}
	kind := "AllPrincipals"
	if account != "" {
		kind = "Principal"
	}
	grants, _ := a.allGrants(filtered(grantsPath, fmt.Sprintf("clientId eq '%s' and consentType eq '%s'", portalObject, kind)), a.adminToken())
	if len(grants) != 1 {
		a.t.Fatalf("the portal has %d grants", len(grants))
	}
	return grants[0]
}

func TestGrantsAreListedInSmallPages(t *testing.T) {
	a := serveAPIs(t, nil)
	var first graphPage
	response := a.want(http.StatusOK, "GET", grantsPath, a.adminToken(), "", &first)
	if len(first.Value) != 20 || first.Next == "" || first.Context != a.url+graph+"/$metadata#oauth2PermissionGrants" {
		t.Errorf("first page: %d grants, next %q, context %q", len(first.Value), first.Next, first.Context)
	}
	if response.Header.Get("x-ms-resource-unit") != "2" || response.Header.Get("request-id") == "" {
		t.Errorf("headers %v", response.Header)
	}
	all, pages := a.allGrants(grantsPath, a.adminToken())
	seen := map[string]bool{}
	for _, g := range all {
		seen[g.ID] = true
		if (g.PrincipalID == nil) != (g.ConsentType == "AllPrincipals") || strings.HasPrefix(g.Scope, " ") != (g.PrincipalID == nil) {
			t.Errorf("grant %+v", g)
		}
	}
	if len(seen) != len(all) || pages != (len(all)+19)/20 {
		t.Errorf("%d grants, %d of them different, on %d pages", len(all), len(seen), pages)
	}
	if wide, pages := a.allGrants(grantsPath+"?$top=999", a.adminToken()); len(wide) != len(all) || pages != 1 {
		t.Errorf("with $top there are %d grants on %d pages", len(wide), pages)
	}
}

func TestTheSameGrantsInEveryRun(t *testing.T) {
	first, second := serveAPIs(t, nil), serveAPIs(t, nil)
	one, _ := first.allGrants(grantsPath, first.adminToken())
	other, _ := second.allGrants(grantsPath, second.adminToken())
	same := func(a, b graphGrant) bool { return a.ID == b.ID && a.Scope == b.Scope }
	if len(one) == 0 || !slices.EqualFunc(one, other, same) {
		t.Errorf("%d and %d grants differ", len(one), len(other))
	}
}

func TestGrantsAreFiltered(t *testing.T) {
	a := serveAPIs(t, nil)
	admin := a.adminToken()
	mine := a.portalGrant("dana@contoso.com")
	everybodys := a.portalGrant("")
	all, _ := a.allGrants(grantsPath, admin)
	for filter, fits := range map[string]func(graphGrant) bool{
		"clientId eq '" + portalObject + "'":                                      func(g graphGrant) bool { return g.ClientID == portalObject },
		"clientId eq '" + strings.ToUpper(portalObject) + "'":                     func(g graphGrant) bool { return g.ClientID == portalObject },
		"consentType eq 'AllPrincipals'":                                          func(g graphGrant) bool { return g.PrincipalID == nil },
		"principalId eq '" + sandbox.DanaID + "'":                                 func(g graphGrant) bool { return g.ID == mine.ID },
		"resourceId eq '" + aztsObject + "' and consentType eq 'Principal'":       func(g graphGrant) bool { return g.ResourceID == aztsObject && g.PrincipalID != nil },
		"clientId eq '" + portalObject + "' and consentType eq 'AllPrincipals'":   func(g graphGrant) bool { return g.ID == everybodys.ID },
		"clientId eq '" + portalObject + "' and clientId eq '" + aztsObject + "'": func(graphGrant) bool { return false },
	} {
		want := 0
		for _, g := range all {
			if fits(g) {
				want++
			}
		}
		got, _ := a.allGrants(filtered(grantsPath, filter), admin)
		if len(got) != want || slices.ContainsFunc(got, func(g graphGrant) bool { return !fits(g) }) {
			t.Errorf("%s: %d grants, wanted %d", filter, len(got), want)
		}
	}
	for _, bad := range []string{"clientId eq " + portalObject, "clientId ne 'x'", "clientId eq 'x' or clientId eq 'y'", "scope eq 'x'", "clientId eq 'x' clientId eq 'y'",
		"clientId eq 'x", "clientId eq 'x' and "} {
		var page graphPage
		a.want(http.StatusBadRequest, "GET", filtered(grantsPath, bad), admin, "", &page)
		if page.Error.Code != "Request_UnsupportedQuery" {
			t.Errorf("%s: %+v", bad, page.Error)
		}
	}
}

func TestWhoseGrants(t *testing.T) {
	a := serveAPIs(t, nil)
	mine, everybodys := a.portalGrant("grace@contoso.com"), a.portalGrant("")
	grace := a.graphToken(sandbox.GraceID, "Directory.Read.All")
	for _, path := range []string{"/me/oauth2PermissionGrants", "/users/" + sandbox.GraceID + "/oauth2PermissionGrants", "/users('grace@contoso.com')/oauth2PermissionGrants"} {
		if got, _ := a.allGrants(graph+path, grace); len(got) != 1 || got[0].ID != mine.ID {
			t.Errorf("%s: %+v", path, got)
		}
	}
	for _, path := range []string{"/servicePrincipals/" + portalObject + "/oauth2PermissionGrants", "/servicePrincipals(appId='" + sandbox.PortalClientID + "')/oauth2PermissionGrants"} {
		if got, _ := a.allGrants(graph+path, grace); len(got) != 2 || got[0].ID != mine.ID || got[1].ID != everybodys.ID {
			t.Errorf("%s: %+v", path, got)
		}
	}
	var one graphGrant
	a.want(http.StatusOK, "GET", grantsPath+"/"+mine.ID, grace, "", &one)
	if one.Scope != "user_impersonation" || one.PrincipalID == nil || *one.PrincipalID != sandbox.GraceID {
		t.Errorf("%+v", one)
	}
	a.want(http.StatusNotFound, "GET", graph+"/users/"+sandbox.FelixID+"/oauth2PermissionGrants", grace, "", nil) // he is Fabrikam's
	a.want(http.StatusNotFound, "GET", graph+"/servicePrincipals/"+sandbox.DanaID+"/oauth2PermissionGrants", grace, "", nil)
}

func TestReadingGrantsTakesARoleAndAPermission(t *testing.T) {
	a := serveAPIs(t, nil)
	app := func(roles ...string) string {
		return a.AppTokenFor(sandbox.ScriptClientID, sandbox.GraphAudience, roles...)
	}
	for _, test := range []struct {
		who, token string
		status     int
	}{
		{"Global Reader", a.graphToken(sandbox.GraceID, "Directory.Read.All"), 200},
		{"Application Administrator", a.graphToken(sandbox.AnselID, "DelegatedPermissionGrant.Read.All"), 200},
		{"Global Administrator", a.graphToken(sandbox.AdaID, "DelegatedPermissionGrant.ReadWrite.All"), 200},
		{"the role without the permission", a.graphToken(sandbox.AdaID, "User.Read"), 403},
		{"the permission without the role", a.graphToken(sandbox.DanaID, "Directory.Read.All"), 403},
		{"an application", app("Directory.Read.All"), 200},
		{"an application without the permission", app(), 403},
		{"nobody", "", 401},
		{"a token for another API", a.dana(), 401},
	} {
		var page graphPage
		a.want(test.status, "GET", grantsPath, test.token, "", &struct{ Value any }{})
		if test.status == 403 {
			response := a.want(403, "GET", grantsPath+"/any", test.token, "", &page)
			if page.Error.Code != "Authorization_RequestDenied" || page.Error.InnerError["request-id"] != response.Header.Get("request-id") || page.Error.InnerError["date"] != "2026-11-21T09:30:00" {
				t.Errorf("%s: %+v", test.who, page.Error)
			}
		}
	}
	a.want(http.StatusBadRequest, "GET", graph+"/me/oauth2PermissionGrants", app("Directory.Read.All"), "", nil)
}

func TestAnAdministratorWritesGrants(t *testing.T) {
	a := serveAPIs(t, nil)
	admin := a.adminToken()
	body := func(kind, principal, scope string) string {
		return fmt.Sprintf(`{"clientId":%q,"consentType":%q,"principalId":%s,"resourceId":%q,"scope":%q}`, scanBot, kind, principal, aztsObject, scope)
	}
	var made graphGrant
	a.want(http.StatusCreated, "POST", grantsPath, admin, body("AllPrincipals", "null", "USER_IMPERSONATION"), &made)
	if made.Scope != " user_impersonation" || made.ConsentType != "AllPrincipals" {
		t.Errorf("made %+v", made)
	}
	a.want(http.StatusConflict, "POST", grantsPath, admin, body("AllPrincipals", "null", "user_impersonation"), nil)
	for name, bad := range map[string]string{
		"everybody and somebody": body("AllPrincipals", `"`+sandbox.DanaID+`"`, "user_impersonation"),
		"nobody":                 body("Principal", "null", "user_impersonation"),
		"an unknown person":      body("Principal", `"`+sandbox.FelixID+`"`, "user_impersonation"),
		"another kind":           body("Everybody", "null", "user_impersonation"),
		"an unknown scope":       body("Principal", `"`+sandbox.DanaID+`"`, "do_everything"),
		"a long scope":           body("Principal", `"`+sandbox.DanaID+`"`, strings.Repeat("user_impersonation ", 205)),
		"no client":              `{"clientId":"x","consentType":"AllPrincipals","resourceId":"` + aztsObject + `","scope":"user_impersonation"}`,
		"no JSON":                "scope=x",
	} {
		var page graphPage
		a.want(http.StatusBadRequest, "POST", grantsPath, admin, bad, &page)
		if page.Error.Code != "Request_BadRequest" {
			t.Errorf("%s: %+v", name, page.Error)
		}
	}
	a.want(http.StatusNoContent, "PATCH", grantsPath+"/"+made.ID, admin, `{"scope":""}`, nil)
	a.want(http.StatusBadRequest, "PATCH", grantsPath+"/"+made.ID, admin, `{"scope":"do_everything"}`, nil)
	a.want(http.StatusBadRequest, "PATCH", grantsPath+"/"+made.ID, admin, `{"consentType":"Principal"}`, nil)
	a.want(http.StatusOK, "GET", grantsPath+"/"+made.ID, admin, "", &made)
	if strings.TrimSpace(made.Scope) != "" {
		t.Errorf("after PATCH %+v", made)
	}
	a.want(http.StatusNoContent, "DELETE", grantsPath+"/"+made.ID, admin, "", nil)
	a.want(http.StatusNotFound, "DELETE", grantsPath+"/"+made.ID, admin, "", nil)
}

// A person may give back what she gave. She may not touch what others gave, and
// not give herself what an administrator must give.
func TestAPersonWithoutARoleOnlyNarrowsHerOwn(t *testing.T) {
	a := serveAPIs(t, nil)
	everybodys, gracesOwn, danas := a.portalGrant(""), a.portalGrant("grace@contoso.com"), graphGrant{}
	if err := a.Consent(sandbox.ExpensesClientID, "dana@contoso.com", "https://graph.microsoft.com/User.Read openid"); err != nil {
		t.Fatal(err)
	}
	if list, _ := a.allGrants(graph+"/users/"+sandbox.DanaID+"/oauth2PermissionGrants", a.adminToken()); len(list) == 1 {
		danas = list[0]
	}
	dana := a.graphToken(sandbox.DanaID, "DelegatedPermissionGrant.ReadWrite.All")
	reader := a.graphToken(sandbox.GraceID, "Directory.Read.All", "DelegatedPermissionGrant.ReadWrite.All")
	for name, attack := range map[string]struct{ method, id, token, body string }{
		"delete everybody's":         {"DELETE", everybodys.ID, dana, ""},
		"narrow everybody's":         {"PATCH", everybodys.ID, dana, `{"scope":""}`},
		"delete somebody else's":     {"DELETE", gracesOwn.ID, dana, ""},
		"widen her own":              {"PATCH", danas.ID, dana, `{"scope":"User.Read openid Directory.Read.All"}`},
		"delete by a Global Reader":  {"DELETE", danas.ID, reader, ""},
		"delete without the scope":   {"DELETE", danas.ID, a.graphToken(sandbox.DanaID, "Directory.Read.All"), ""},
		"an app without permissions": {"DELETE", danas.ID, a.AppTokenFor(sandbox.ScriptClientID, sandbox.GraphAudience, "Directory.Read.All"), ""},
	} {
		response, text, err := a.call(attack.method, grantsPath+"/"+attack.id, attack.token, attack.body)
		if err != nil || response.StatusCode != http.StatusForbidden || !bytes.Contains(text, []byte("Authorization_RequestDenied")) {
			t.Errorf("%s: %d %s (%v)", name, response.StatusCode, text, err)
		}
	}
	a.want(http.StatusForbidden, "POST", grantsPath, dana, fmt.Sprintf(`{"clientId":%q,"consentType":"Principal","principalId":%q,"resourceId":%q,"scope":"user_impersonation"}`,
		scanBot, sandbox.DanaID, aztsObject), nil)
	a.want(http.StatusNoContent, "PATCH", grantsPath+"/"+danas.ID, dana, `{"scope":"openid"}`, nil)
	a.want(http.StatusNoContent, "DELETE", grantsPath+"/"+danas.ID, dana, "", nil)
}

// Entra ends nothing that was issued: entra.md §7.6.
func TestAWithdrawnGrantEndsTheNextRefreshOnly(t *testing.T) {
	w := newTenantWorld(t)
	tokens := w.redeem(w.browser().signIn(sandbox.DanaID).answer.Get("code"))
	admin := w.TokenFor(sandbox.AdaID, sandbox.GraphAudience, "Directory.Read.All", "DelegatedPermissionGrant.ReadWrite.All")
	a := &apis{Sandbox: w.Sandbox, t: t, url: w.url}
	grants, _ := a.allGrants(filtered(grantsPath, "principalId eq '"+sandbox.DanaID+"' and resourceId eq '"+aztsObject+"'"), admin)
	if len(grants) != 1 {
		t.Fatalf("%d grants of Dana at AzTS", len(grants))
	}
	a.want(http.StatusNoContent, "DELETE", grantsPath+"/"+grants[0].ID, admin, "", nil)
	a.want(http.StatusOK, "POST", "/azts/adhocscan/RequestScan", tokens.str("access_token"), `{"SubscriptionIDList":["`+prod+`"]}`, nil)
	failed := w.renew(tokens.str("refresh_token"), sandbox.AzTSAppIDURI+"/user_impersonation")
	failed.refused(t, 400, "invalid_grant", 65001)
	if failed.str("suberror") != "consent_required" {
		t.Errorf("suberror %q", failed.str("suberror"))
	}
	if err := w.Consent(sandbox.PortalClientID, "", sandbox.AzTSAppIDURI+"/user_impersonation"); err != nil {
		t.Fatal(err)
	}
	if again := w.renew(tokens.str("refresh_token"), sandbox.AzTSAppIDURI+"/user_impersonation"); again.status != 200 {
		t.Errorf("a tenant-wide grant does not cover it: %s", again.raw)
	}
}

func TestTwentyThousandGrants(t *testing.T) {
	a := serveAPIs(t, nil)
	before, _ := a.allGrants(grantsPath+"?$top=999", a.adminToken())
	a.SeedGrants(20_000)
	begun := time.Now()
	all, pages := a.allGrants(grantsPath+"?$top=999", a.adminToken())
	t.Logf("%d grants on %d pages in %v", len(all), pages, time.Since(begun))
	seen := map[string]bool{}
	for _, g := range all {
		seen[g.ID] = true
	}
	if len(seen) != len(before)+20_000 {
		t.Errorf("%d different grants of %d", len(seen), len(all))
	}
	last := all[len(all)-1]
	var found struct {
		Value []struct {
			ID, DisplayName string
			Type            string `json:"@odata.type"`
		}
	}
	a.want(http.StatusOK, "POST", graph+"/directoryObjects/getByIds", a.adminToken(), fmt.Sprintf(`{"ids":[%q,%q,%q]}`, *last.PrincipalID, last.ClientID, last.ResourceID), &found)
	if len(found.Value) != 3 || found.Value[0].Type != "#microsoft.graph.user" || found.Value[1].Type != "#microsoft.graph.servicePrincipal" || found.Value[0].DisplayName == "" {
		t.Errorf("names %+v", found.Value)
	}
}

// A list that loses entries between two pages neither repeats nor drops others.
func TestDeletingBetweenTwoPages(t *testing.T) {
	a := serveAPIs(t, nil)
	admin := a.adminToken()
	all, _ := a.allGrants(grantsPath, admin)
	var first graphPage
	a.want(http.StatusOK, "GET", grantsPath, admin, "", &first)
	for _, i := range []int{3, 19} { // the last one of the page among them
		a.want(http.StatusNoContent, "DELETE", grantsPath+"/"+first.Value[i].ID, admin, "", nil)
	}
	rest, _ := a.allGrants(strings.TrimPrefix(first.Next, a.url), admin)
	if len(rest) != len(all)-20 || rest[0].ID != all[20].ID {
		t.Errorf("%d grants follow, wanted %d", len(rest), len(all)-20)
	}
}
