package sandbox_test

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

type graphObject struct {
	ID, AppID, DisplayName, UserPrincipalName, PublisherName string
	OData                                                    string `json:"@odata.type"`
	VerifiedPublisher                                        struct{ DisplayName *string }
	Oauth2PermissionScopes, AppRoles                         []struct {
		ID, Value, Type, AdminConsentDescription, UserConsentDescription string
		IsEnabled                                                        bool
		AllowedMemberTypes                                               []string
	}
}

type roleAssignments struct {
	Value []struct{ ID, AppRoleID, PrincipalID, PrincipalType, PrincipalDisplayName, ResourceID, ResourceDisplayName, CreatedDateTime string }
	Error graphProblem
}

func TestServicePrincipals(t *testing.T) {
	a := serveAPIs(t, nil)
	token := a.graphToken(sandbox.DanaID, "Application.Read.All")
	var azts graphObject
	for _, path := range []string{"/servicePrincipals/" + aztsObject, "/servicePrincipals(appId='" + strings.ToUpper(sandbox.AzTSAppID) + "')", "/servicePrincipals(appId=%27" + sandbox.AzTSAppID + "%27)"} {
		azts = graphObject{}
		a.want(http.StatusOK, "GET", graph+path, token, "", &azts)
		if azts.ID != aztsObject || azts.AppID != sandbox.AzTSAppID || azts.DisplayName != "AzTS API" {
			t.Fatalf("%s: %+v", path, azts)
		}
	}
	scope, role := azts.Oauth2PermissionScopes[0], azts.AppRoles[0]
	if scope.Value != "user_impersonation" || scope.Type != "User" || !scope.IsEnabled || scope.AdminConsentDescription == "" || scope.UserConsentDescription == "" {
		t.Errorf("scope %+v", scope)
	}
	if role.Value != "Scan.Request" || !slices.Equal(role.AllowedMemberTypes, []string{"Application"}) {
		t.Errorf("role %+v", role)
	}
	var chosen map[string]any
	a.want(http.StatusOK, "GET", graph+"/servicePrincipals(appId='"+sandbox.AzTSAppID+"')?$select=id,appRoles", token, "", &chosen)
	if len(chosen) != 3 || chosen["id"] != aztsObject || chosen["appRoles"] == nil {
		t.Errorf("$select gives %v", chosen)
	}
	var list struct {
		Value []graphObject
		Next  string `json:"@odata.nextLink"`
	}
	a.want(http.StatusOK, "GET", filtered(graph+"/servicePrincipals", "appId eq '"+sandbox.AzureCLIAppID+"'"), token, "", &list)
	if len(list.Value) != 1 || list.Value[0].DisplayName != "Microsoft Azure CLI" || list.Value[0].PublisherName != "Microsoft Services" {
		t.Errorf("filtered %+v", list.Value)
	}
	list.Value = nil
	a.want(http.StatusOK, "GET", graph+"/servicePrincipals?$top=999&$select=id,publisherName", token, "", &list)
	if unknown := slices.ContainsFunc(list.Value, func(o graphObject) bool { return o.PublisherName == "" }); len(list.Value) < 50 || !unknown || list.Value[0].DisplayName != "" {
		t.Errorf("%d service principals, one without publisher: %v, first %+v", len(list.Value), unknown, list.Value[0])
	}
	var problem struct{ Error graphProblem }
	a.want(http.StatusNotFound, "GET", graph+"/servicePrincipals(appId='"+prod+"')", token, "", &problem)
	if problem.Error.Code != "Request_ResourceNotFound" {
		t.Errorf("%+v", problem)
	}
	a.want(http.StatusForbidden, "GET", graph+"/servicePrincipals", a.graphToken(sandbox.AdaID, "User.Read"), "", nil)
	a.want(http.StatusBadRequest, "GET", graph+"/policies", token, "", &problem)
}

func TestAnAppRoleIsWithdrawn(t *testing.T) {
	w := newTenantWorld(t)
	a := &apis{Sandbox: w.Sandbox, t: t, url: w.url}
	admin := a.adminToken()
	var holders, held roleAssignments
	a.want(http.StatusOK, "GET", graph+"/servicePrincipals/"+aztsObject+"/appRoleAssignedTo", admin, "", &holders)
	a.want(http.StatusOK, "GET", graph+"/servicePrincipals/"+scanBot+"/appRoleAssignments", admin, "", &held)
	if len(holders.Value) != 1 || len(held.Value) != 1 || holders.Value[0] != held.Value[0] {
		t.Fatalf("holders %+v, held %+v", holders.Value, held.Value)
	}
	one := held.Value[0]
	if _, err := time.Parse(time.RFC3339, one.CreatedDateTime); err != nil || one.PrincipalID != scanBot || one.PrincipalType != "ServicePrincipal" || one.ResourceDisplayName != "AzTS API" {
		t.Errorf("assignment %+v, %v", one, err)
	}
	path := graph + "/servicePrincipals/" + aztsObject + "/appRoleAssignedTo/" + one.ID
	a.want(http.StatusForbidden, "DELETE", path, a.graphToken(sandbox.DanaID, "AppRoleAssignment.ReadWrite.All"), "", nil)
	a.want(http.StatusForbidden, "DELETE", path, a.graphToken(sandbox.AdaID, "Directory.Read.All"), "", nil)
	a.want(http.StatusNotFound, "DELETE", graph+"/servicePrincipals/"+portalObject+"/appRoleAssignedTo/"+one.ID, admin, "", nil)
	before := w.token(scriptForm()).str("access_token")
	a.want(http.StatusNoContent, "DELETE", path, admin, "", nil)
	a.want(http.StatusNotFound, "DELETE", path, admin, "", nil)
	if roles := w.claims(w.token(scriptForm()).str("access_token"))["roles"]; roles != nil {
		t.Errorf("the next token has roles %v", roles)
	}
	a.want(http.StatusOK, "POST", "/azts/adhocscan/RequestScan", before, `{"SubscriptionIDList":["`+prod+`"]}`, nil) // the old one lives on
}

func TestAPersonsAppRole(t *testing.T) {
	w := newTenantWorld(t)
	a := &apis{Sandbox: w.Sandbox, t: t, url: w.url}
	admin := a.adminToken()
	var list roleAssignments
	path := graph + "/users/" + sandbox.HugoID + "/appRoleAssignments"
	a.want(http.StatusOK, "GET", filtered(path, "resourceId eq "+portalObject), admin, "", &list)
	if len(list.Value) != 1 || list.Value[0].PrincipalType != "User" || list.Value[0].PrincipalDisplayName != "Hugo Marchetti" {
		t.Fatalf("%+v", list.Value)
	}
	a.want(http.StatusBadRequest, "GET", filtered(path, "resourceId eq '"+portalObject+"'"), admin, "", nil) // a GUID takes no quotes
	role := list.Value[0].ID
	a.want(http.StatusOK, "GET", filtered(path, "resourceId eq "+aztsObject), admin, "", &list)
	if len(list.Value) != 0 {
		t.Errorf("at AzTS he has %+v", list.Value)
	}
	if roles := w.claims(w.browser().signIn(sandbox.HugoID).answer.Get("id_token"))["roles"]; fmt.Sprint(roles) != "[Portal.HelpDesk]" {
		t.Errorf("before, his roles are %v", roles)
	}
	a.want(http.StatusNoContent, "DELETE", graph+"/servicePrincipals(appId='"+sandbox.PortalClientID+"')/appRoleAssignedTo/"+role, admin, "", nil)
	if roles := w.claims(w.browser().signIn(sandbox.HugoID).answer.Get("id_token"))["roles"]; roles != nil {
		t.Errorf("afterwards, his roles are %v", roles)
	}
}

func TestUsers(t *testing.T) {
	a := serveAPIs(t, nil)
	reader := a.graphToken(sandbox.DanaID, "User.ReadBasic.All")
	for _, path := range []string{"/users/" + sandbox.HugoID, "/users/hugo@contoso.com", "/users('" + sandbox.HugoID + "')"} {
		var hugo graphObject
		a.want(http.StatusOK, "GET", graph+path, reader, "", &hugo)
		if hugo.ID != sandbox.HugoID || hugo.DisplayName != "Hugo Marchetti" {
			t.Errorf("%s: %+v", path, hugo)
		}
	}
	a.want(http.StatusNotFound, "GET", graph+"/users/"+sandbox.FelixID, reader, "", nil)
	own := a.graphToken(sandbox.DanaID, "User.Read")
	a.want(http.StatusOK, "GET", graph+"/users/"+sandbox.DanaID, own, "", nil)
	a.want(http.StatusForbidden, "GET", graph+"/users/"+sandbox.HugoID, own, "", nil)
	a.want(http.StatusForbidden, "GET", graph+"/users/"+sandbox.FelixID, own, "", nil) // and not 404, which would tell who exists
}

func TestMemberObjects(t *testing.T) {
	a := serveAPIs(t, nil)
	var all struct{ Value []string }
	body := `{"securityEnabledOnly":true}`
	tomas := a.graphToken(sandbox.TomasID, "User.Read")
	a.want(http.StatusOK, "POST", graph+"/me/getMemberObjects", tomas, body, &all)
	if len(all.Value) != 240 {
		t.Errorf("Tomas is in %d groups", len(all.Value))
	}
	a.want(http.StatusOK, "POST", graph+"/users/"+sandbox.TomasID+"/getMemberObjects", a.graphToken(sandbox.GraceID, "Directory.Read.All"), body, &all)
	if len(all.Value) != 240 {
		t.Errorf("Grace sees him in %d groups", len(all.Value))
	}
	a.want(http.StatusForbidden, "POST", graph+"/users/"+sandbox.GraceID+"/getMemberObjects", tomas, body, nil)
	a.want(http.StatusBadRequest, "POST", graph+"/me/getMemberObjects", tomas, `{}`, nil)
	ada := a.graphToken(sandbox.AdaID, "User.Read")
	a.want(http.StatusOK, "POST", graph+"/me/getMemberObjects", ada, body, &all)
	groups := len(all.Value)
	a.want(http.StatusOK, "POST", graph+"/me/getMemberObjects", ada, `{"securityEnabledOnly":false}`, &all)
	if groups != 1 || len(all.Value) != 2 {
		t.Errorf("Ada has %d groups, and %d with directory roles", groups, len(all.Value))
	}
}

func TestNamesInBatches(t *testing.T) {
	a := serveAPIs(t, nil)
	token := a.graphToken(sandbox.GraceID, "Directory.Read.All")
	var groups struct{ Value []string }
	a.want(http.StatusOK, "POST", graph+"/me/getMemberObjects", a.graphToken(sandbox.TomasID, "User.Read"), `{"securityEnabledOnly":true}`, &groups)
	ids := []string{sandbox.DanaID, aztsObject, groups.Value[239], prod, sandbox.FelixID, sandbox.GinaID}
	var found struct{ Value []graphObject }
	body := func(ids []string, types string) string {
		return `{"ids":["` + strings.Join(ids, `","`) + `"],"types":[` + types + `]}`
	}
	a.want(http.StatusOK, "POST", graph+"/directoryObjects/getByIds?$select=id,displayName", token, body(ids, ""), &found)
	got := []string{}
	for _, o := range found.Value {
		got = append(got, o.OData+" "+o.DisplayName)
	}
	if want := []string{"#microsoft.graph.user Dana Reyes", "#microsoft.graph.servicePrincipal AzTS API", "#microsoft.graph.group Vrba group 240", "#microsoft.graph.user Gina Okafor"}; !slices.Equal(got, want) {
		t.Errorf("found %q", got)
	}
	a.want(http.StatusOK, "POST", graph+"/directoryObjects/getByIds", token, body(ids, `"servicePrincipal"`), &found)
	if len(found.Value) != 1 || found.Value[0].ID != aztsObject {
		t.Errorf("of one type %+v", found.Value)
	}
	a.want(http.StatusOK, "POST", graph+"/directoryObjects/getByIds", token, body(slices.Repeat(ids[:1], 1000), ""), nil)
	a.want(http.StatusBadRequest, "POST", graph+"/directoryObjects/getByIds", token, body(slices.Repeat(ids[:1], 1001), ""), nil)
	a.want(http.StatusBadRequest, "POST", graph+"/directoryObjects/getByIds", token, `{"ids":[]}`, nil)
}

func TestTheRegistration(t *testing.T) {
	a := serveAPIs(t, nil)
	token := a.graphToken(sandbox.AdaID, "Application.Read.All")
	type registration struct {
		AppID               string
		IdentifierUris      []string
		PasswordCredentials []struct {
			EndDateTime time.Time
			SecretText  *string
		}
		KeyCredentials []struct {
			EndDateTime         time.Time
			CustomKeyIdentifier string
		}
		Web struct {
			RedirectUris          []string
			LogoutURL             string
			ImplicitGrantSettings struct{ EnableIDTokenIssuance bool }
		}
		OptionalClaims         struct{ IDToken []struct{ Name string } }
		RequiredResourceAccess []struct {
			ResourceAppID  string
			ResourceAccess []struct{ ID, Type string }
		}
		API struct {
			PreAuthorizedApplications []struct {
				AppID                  string
				DelegatedPermissionIds []string
			}
		}
	}
	path := graph + "/applications(appId='" + sandbox.PortalClientID + "')"
	var portal, azts registration
	a.want(http.StatusOK, "GET", path, token, "", &portal)
	if days := portal.PasswordCredentials[0].EndDateTime.Sub(time.Unix(0, a.clock.Load())).Hours() / 24; days < 150 || portal.PasswordCredentials[0].SecretText != nil {
		t.Errorf("the secret lasts %v days and is %v", days, portal.PasswordCredentials[0].SecretText)
	}
	if !slices.Equal(portal.Web.RedirectUris, []string{portalURL + "/auth/callback", portalURL + "/auth/signed-out", portalURL + "/auth/admin-consent"}) || portal.Web.LogoutURL != portalURL+"/auth/frontchannel-logout" || !portal.Web.ImplicitGrantSettings.EnableIDTokenIssuance {
		t.Errorf("web %+v", portal.Web)
	}
	if portal.OptionalClaims.IDToken[0].Name != "sid" || portal.RequiredResourceAccess[0].ResourceAppID != sandbox.AzTSAppID || portal.RequiredResourceAccess[0].ResourceAccess[0].Type != "Scope" {
		t.Errorf("claims %+v, required %+v", portal.OptionalClaims, portal.RequiredResourceAccess)
	}
	a.Faults().Set("graph.credentials_end", "-1", 1)
	a.want(http.StatusOK, "GET", path, token, "", &portal)
	if portal.PasswordCredentials[0].EndDateTime.After(time.Unix(0, a.clock.Load())) {
		t.Errorf("the secret ends at %v", portal.PasswordCredentials[0].EndDateTime)
	}
	certificate := &x509.Certificate{Raw: []byte("a certificate"), NotBefore: portal.PasswordCredentials[0].EndDateTime, NotAfter: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)}
	if err := a.RegisterCertificate(sandbox.PortalClientID, certificate); err != nil {
		t.Fatal(err)
	}
	a.want(http.StatusOK, "GET", path, token, "", &portal)
	if len(portal.KeyCredentials) != 1 || !portal.KeyCredentials[0].EndDateTime.Equal(certificate.NotAfter) || len(portal.KeyCredentials[0].CustomKeyIdentifier) != 40 {
		t.Errorf("certificates %+v", portal.KeyCredentials)
	}
	a.want(http.StatusOK, "GET", graph+"/applications(appId='"+sandbox.AzTSAppID+"')", token, "", &azts)
	if len(azts.API.PreAuthorizedApplications) != 2 || azts.API.PreAuthorizedApplications[0].AppID != sandbox.AzureCLIAppID || len(azts.API.PreAuthorizedApplications[0].DelegatedPermissionIds) != 1 {
		t.Errorf("preauthorized %+v", azts.API.PreAuthorizedApplications)
	}
	a.want(http.StatusNotFound, "GET", graph+"/applications(appId='"+sandbox.AzureCLIAppID+"')", token, "", nil) // Microsoft's
	a.want(http.StatusForbidden, "GET", path, a.graphToken(sandbox.AdaID, "User.Read"), "", nil)
}

func TestThePortalCanGetEveryGraphPermissionItNeeds(t *testing.T) {
	w := newTenantWorld(t)
	var asked []string
	for _, scope := range []string{"Directory.Read.All", "Application.Read.All", "DelegatedPermissionGrant.Read.All", "DelegatedPermissionGrant.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "User.ReadBasic.All"} {
		asked = append(asked, sandbox.GraphAudience+"/"+scope)
	}
	tokens := w.redeem(w.browser().signIn(sandbox.AdaID, "scope", "openid "+strings.Join(asked, " ")).answer.Get("code"))
	a := &apis{Sandbox: w.Sandbox, t: t, url: w.url}
	grants, _ := a.allGrants(grantsPath, tokens.str("access_token"))
	if len(grants) == 0 {
		t.Error("no grants")
	}
	var page graphPage
	a.want(http.StatusOK, "GET", grantsPath+"?"+url.Values{"$filter": {"clientId eq '" + portalObject + "'"}}.Encode(), tokens.str("access_token"), "", &page)
	if len(page.Value) != 1 || !strings.Contains(page.Value[0].Scope, "DelegatedPermissionGrant.Read.All") {
		t.Errorf("the portal's own grant %+v", page.Value)
	}
}
