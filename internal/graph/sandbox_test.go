package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/internal/sandbox"
)

const (
	portalObject = "5d1e7c30-0b94-4a6f-9c28-71f3e08a4d15"
	aztsObject   = "e07a3b91-5c4d-4286-97fe-1be04d5c8642"
	scanBot      = "91b2f6d4-7e03-4c58-b1a9-2d60c7e84f3b"
)

// everything is what the sandbox's portal is granted for everybody in these tests.
var everything = []string{"openid", "offline_access", "User.Read", "Directory.Read.All", "DelegatedPermissionGrant.ReadWrite.All", "AppRoleAssignment.ReadWrite.All"}

// tenant is a sandbox over HTTP with a client of its Graph.
type tenant struct {
	*sandbox.Sandbox
	t   testing.TB
	url string
	*graph.Client
	slept []time.Duration
}

func serve(t testing.TB) *tenant {
	t.Helper()
	w := &tenant{t: t}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.ServeHTTP(rw, r) }))
	w.url = "http://" + server.Listener.Addr().String()
	var err error
	if w.Sandbox, err = sandbox.New(sandbox.Options{Origin: w.url, PortalURL: "http://localhost:8080"}); err != nil {
		t.Fatal(err)
	}
	w.Client, err = graph.New(graph.Config{BaseURL: w.Settings().GraphURL, ScopeBase: sandbox.GraphAudience,
		Sleep: func(_ context.Context, d time.Duration) error { w.slept = append(w.slept, d); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Consent(sandbox.PortalClientID, "", strings.Join(everything, " ")); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return w
}

// person is somebody signed in: a token source that redeems a refresh token, as
// the portal does, and remembers what it was asked for.
type person struct {
	w       *tenant
	refresh string

	mu      sync.Mutex
	scopes  []string
	refused int
}

func (p *person) Token(_ context.Context, scope string) (string, error) {
	p.mu.Lock()
	p.scopes = append(p.scopes, scope)
	p.mu.Unlock()
	answer, err := p.w.redeem(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {p.refresh}, "scope": {scope}})
	return answer.AccessToken, err
}

func (p *person) Invalidate(context.Context, string, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused++
}

// asked returns the permissions that were asked for since the last call.
func (p *person) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, scope := range p.scopes {
		if name := strings.TrimPrefix(scope, sandbox.GraphAudience+"/"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	p.scopes = nil
	return names
}

type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error_description"`
}

func (w *tenant) redeem(form url.Values) (tokenAnswer, error) {
	var answer tokenAnswer
	form.Set("client_id", sandbox.PortalClientID)
	form.Set("client_secret", sandbox.PortalClientSecret)
	res, err := http.PostForm(w.url+"/"+sandbox.TenantID+"/oauth2/v2.0/token", form)
	if err != nil {
		return answer, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return answer, err
	}
	if answer.AccessToken == "" {
		return answer, fmt.Errorf("no token: %s", answer.Error)
	}
	return answer, nil
}

var interactionField = regexp.MustCompile(`name="interaction" value="([^"]+)"`)

// signIn walks through the tenant's pages as a person.
func (w *tenant) signIn(oid string) *person {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	const redirect = "http://localhost:8080/auth/callback"
	res, err := browser.Get(w.url + "/" + sandbox.TenantID + "/oauth2/v2.0/authorize?" + url.Values{"client_id": {sandbox.PortalClientID},
		"response_type": {"code"}, "redirect_uri": {redirect}, "scope": {"openid offline_access"}, "state": {"s"}}.Encode())
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	found := interactionField.FindSubmatch(body)
	if err != nil || found == nil {
		w.t.Fatalf("no page to choose an account: %v %s", err, body)
	}
	form := url.Values{"interaction": {string(found[1])}, "action": {"account"}, "account": {oid}}
	if res, err = browser.PostForm(w.url+"/sandbox/sign-in", form); err != nil {
		w.t.Fatal(err)
	}
	res.Body.Close()
	back, err := res.Location()
	if err != nil || back.Query().Get("code") == "" {
		w.t.Fatalf("choosing %s led to %v, status %d: %v", oid, back, res.StatusCode, err)
	}
	answer, err := w.redeem(url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}})
	if err != nil {
		w.t.Fatal(err)
	}
	return &person{w: w, refresh: answer.RefreshToken}
}

func wantCode(t testing.TB, err error, kind apperr.Kind, code string) {
	t.Helper()
	if !apperr.IsKind(err, kind) || !apperr.HasCode(err, code) {
		t.Errorf("the error is %v, want %v %s", err, kind, code)
	}
}

func TestEachCallAsksForTheLeastPermission(t *testing.T) {
	w := serve(t)
	ada, ctx := w.signIn(sandbox.AdaID), t.Context()
	grants, err := w.GrantsOnResource(ctx, ada, aztsObject)
	if err != nil || len(grants) == 0 {
		t.Fatal(len(grants), err)
	}
	holders, err := w.AppRoleAssignedTo(ctx, ada, aztsObject)
	if err != nil || len(holders) != 1 {
		t.Fatal(holders, err)
	}
	ada.asked()
	for _, c := range []struct {
		name, want string
		call       func() error
	}{
		{"Me", "User.Read", func() error { _, err := w.Me(ctx, ada); return err }},
		{"MemberObjects", "User.Read", func() error { _, err := w.MemberObjects(ctx, ada); return err }},
		{"MyGrants", "Directory.Read.All", func() error { _, err := w.MyGrants(ctx, ada); return err }},
		{"GrantsOfClient", "Directory.Read.All", func() error { _, err := w.GrantsOfClient(ctx, ada, portalObject); return err }},
		{"Grant", "Directory.Read.All", func() error { _, err := w.Grant(ctx, ada, grants[0].ID); return err }},
		{"ServicePrincipal", "Directory.Read.All", func() error { _, err := w.ServicePrincipal(ctx, ada, aztsObject); return err }},
		{"ServicePrincipalByURI", "Directory.Read.All", func() error { _, err := w.ServicePrincipalByURI(ctx, ada, sandbox.AzTSAppIDURI); return err }},
		{"ServicePrincipalByAppID", "Directory.Read.All", func() error { _, err := w.ServicePrincipalByAppID(ctx, ada, sandbox.AzTSAppID); return err }},
		{"AppRoleAssignmentsOf", "Directory.Read.All", func() error { _, err := w.AppRoleAssignmentsOf(ctx, ada, scanBot); return err }},
		{"Application", "Directory.Read.All", func() error { _, err := w.Application(ctx, ada, sandbox.AzTSAppID); return err }},
		{"Names", "Directory.Read.All", func() error { _, err := w.Names(ctx, ada, []string{aztsObject}); return err }},
		{"NarrowGrant", "DelegatedPermissionGrant.ReadWrite.All", func() error { return w.NarrowGrant(ctx, ada, grants[0].ID, grants[0].Scopes) }},
		{"WidenGrant", "DelegatedPermissionGrant.ReadWrite.All", func() error { return w.WidenGrant(ctx, ada, grants[0], grants[0].Scopes) }},
		{"DeleteGrant", "DelegatedPermissionGrant.ReadWrite.All", func() error { return w.DeleteGrant(ctx, ada, grants[0].ID) }},
		{"CreateGrant", "DelegatedPermissionGrant.ReadWrite.All", func() error { _, err := w.CreateGrant(ctx, ada, grants[0]); return err }},
		{"DeleteAppRoleAssignment", "AppRoleAssignment.ReadWrite.All", func() error { return w.DeleteAppRoleAssignment(ctx, ada, aztsObject, holders[0].ID) }},
	} {
		if err := c.call(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := ada.asked(); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s asked for %v, want %s alone", c.name, got, c.want)
		}
	}
	if w.ReadScope() != sandbox.GraphAudience+"/Directory.Read.All" || w.GrantScope() != sandbox.GraphAudience+"/DelegatedPermissionGrant.ReadWrite.All" ||
		w.RoleScope() != sandbox.GraphAudience+"/AppRoleAssignment.ReadWrite.All" || w.MeScope() != sandbox.GraphAudience+"/User.Read" {
		t.Error("the scopes that the client names are not those it asks for")
	}
}

func TestPeople(t *testing.T) {
	w := serve(t)
	tomas, ctx := w.signIn(sandbox.TomasID), t.Context()
	me, err := w.Me(ctx, tomas)
	if err != nil || me != (graph.User{ID: sandbox.TomasID, DisplayName: "Tomas Vrba", Account: "tomas@contoso.com", Mail: "tomas@contoso.com"}) {
		t.Errorf("Me = %+v, %v", me, err)
	}
	groups, err := w.MemberObjects(ctx, tomas)
	if err != nil || len(groups) != 240 {
		t.Errorf("%d groups, %v", len(groups), err)
	}
}

func TestGrantsAreRead(t *testing.T) {
	w := serve(t)
	w.SeedGrants(3000)
	if err := w.Consent(sandbox.PortalClientID, "dana@contoso.com", sandbox.AzTSAppIDURI+"/user_impersonation"); err != nil {
		t.Fatal(err)
	}
	ada, ctx := w.signIn(sandbox.AdaID), t.Context()
	all, err := w.GrantsOnResource(ctx, ada, strings.ToUpper(aztsObject))
	if err != nil || len(all) < 2000 {
		t.Fatalf("%d grants, %v", len(all), err)
	}
	wide := 0
	for _, g := range all {
		if g.TenantWide {
			wide++
		}
		if g.ResourceID != aztsObject || g.TenantWide != (g.PrincipalID == "") || len(g.Scopes) == 0 || strings.ContainsAny(g.Scopes[0], " ") {
			t.Fatalf("grant %+v", g)
		}
	}
	if wide == 0 {
		t.Error("no grant is tenant-wide")
	}
	portal, err := w.GrantsOfClient(ctx, ada, portalObject)
	if err != nil || !slices.ContainsFunc(portal, func(g graph.Grant) bool {
		return g.PrincipalID == sandbox.DanaID && slices.Equal(g.Scopes, []string{"user_impersonation"})
	}) {
		t.Errorf("grants of the portal: %+v, %v", portal, err)
	}
	one, err := w.Grant(ctx, ada, portal[0].ID)
	if err != nil || one.ID != portal[0].ID || !slices.Equal(one.Scopes, portal[0].Scopes) {
		t.Errorf("Grant = %+v, %v; want %+v", one, err, portal[0])
	}
	if wide, err := w.TenantGrantsOfClient(ctx, ada, portalObject); err != nil || len(wide) != 1 || !wide[0].TenantWide {
		t.Errorf("for everybody: %+v, %v", wide, err)
	}
	if hers, err := w.GrantsOfClientFor(ctx, ada, portalObject, sandbox.DanaID); err != nil || len(hers) != 1 || hers[0].PrincipalID != sandbox.DanaID {
		t.Errorf("for Dana: %+v, %v", hers, err)
	}
	mine, err := w.MyGrants(ctx, w.signIn(sandbox.GraceID))
	if err != nil || len(mine) != 0 {
		t.Errorf("grants of Grace: %+v, %v", mine, err)
	}
}

func TestGrantsAreChanged(t *testing.T) {
	w := serve(t)
	ada, ctx := w.signIn(sandbox.AdaID), t.Context()
	sp, err := w.ServicePrincipalByAppID(ctx, ada, sandbox.GraphAppID)
	if err != nil {
		t.Fatal(err)
	}
	wanted := graph.Grant{ClientID: scanBot, ResourceID: sp.ID, PrincipalID: sandbox.DanaID, Scopes: []string{"User.Read", "openid"}}
	made, err := w.CreateGrant(ctx, ada, wanted)
	if err != nil || made.ID == "" || made.TenantWide || made.PrincipalID != sandbox.DanaID || !slices.Equal(made.Scopes, wanted.Scopes) {
		t.Fatalf("CreateGrant = %+v, %v", made, err)
	}
	_, err = w.CreateGrant(ctx, ada, wanted)
	wantCode(t, err, apperr.Conflict, graph.CodeExists)
	for _, step := range []struct {
		change func() error
		want   []string
	}{
		{func() error { return w.WidenGrant(ctx, ada, made, []string{"profile", "User.Read"}) }, []string{"User.Read", "openid", "profile"}},
		{func() error { return w.NarrowGrant(ctx, ada, made.ID, []string{"openid"}) }, []string{"openid"}},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		if now, err := w.Grant(ctx, ada, made.ID); err != nil || !slices.Equal(now.Scopes, step.want) {
			t.Errorf("the scopes are %v, %v; want %v", now.Scopes, err, step.want)
		}
	}
	if err := w.DeleteGrant(ctx, ada, made.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, w.DeleteGrant(ctx, ada, made.ID), apperr.NotFound, graph.CodeNotFound)
	_, err = w.Grant(ctx, ada, made.ID)
	wantCode(t, err, apperr.NotFound, graph.CodeNotFound)
}

func TestWhatAnAPIAndARegistrationHold(t *testing.T) {
	w := serve(t)
	ada, ctx := w.signIn(sandbox.AdaID), t.Context()
	azts, err := w.ServicePrincipalByAppID(ctx, ada, sandbox.AzTSAppID)
	if err != nil || azts.ID != aztsObject || azts.DisplayName != "AzTS API" || azts.Disabled || azts.OwnerTenantID != sandbox.TenantID ||
		!slices.Contains(azts.AppIDURIs, sandbox.AzTSAppIDURI) {
		t.Fatalf("%+v, %v", azts, err)
	}
	if p := azts.Scope("user_impersonation"); p == nil || p.Type != "User" || !p.Enabled || p.AdminDescription == "" || p.UserName == "" {
		t.Errorf("scope %+v", p)
	}
	if r := azts.AppRoles; len(r) != 1 || r[0].Value != "Scan.Request" || !r[0].ForApps || r[0].ForUsers {
		t.Errorf("roles %+v", r)
	}
	if same, err := w.ServicePrincipalByURI(ctx, ada, sandbox.AzTSAppIDURI+"/"); err != nil || same.ID != azts.ID || len(same.Scopes) != 1 {
		t.Errorf("by its URI: %+v, %v", same, err)
	}
	_, err = w.ServicePrincipalByURI(ctx, ada, "api://nobody")
	wantCode(t, err, apperr.NotFound, graph.CodeNotFound)
	app, err := w.Application(ctx, ada, sandbox.AzTSAppID)
	if err != nil || len(app.PreAuthorized) != 2 || app.PreAuthorized[0].AppID != sandbox.AzureCLIAppID || len(app.PreAuthorized[0].PermissionIDs) != 1 {
		t.Errorf("%+v, %v", app, err)
	}
	portal, err := w.Application(ctx, ada, sandbox.PortalClientID)
	if err != nil || len(portal.Credentials) != 1 || portal.Credentials[0].Certificate || time.Until(portal.Credentials[0].End) < 24*time.Hour ||
		!slices.Contains(portal.RedirectURIs, "http://localhost:8080/auth/callback") || !slices.Contains(portal.IDTokenClaims, "wids") || portal.LogoutURL == "" {
		t.Errorf("%+v, %v", portal, err)
	}
	if !portal.IDTokens || portal.AccessTokens || portal.PublicClient || len(portal.OtherRedirectURIs) != 0 || portal.GroupClaims != "" || len(portal.Required) != 3 ||
		portal.Required[0].AppID != sandbox.AzTSAppID || !slices.Equal(portal.Required[0].Scopes, []string{app.Scopes[0].ID}) {
		t.Errorf("the portal's registration is %+v", portal)
	}
	w.Faults().Set("graph.registration", "single_page,no_id_tokens,access_tokens,no_permission,public", 1)
	wrong, err := w.Application(ctx, ada, sandbox.PortalClientID)
	if err != nil || wrong.IDTokens || !wrong.AccessTokens || !wrong.PublicClient || len(wrong.OtherRedirectURIs) != 3 || len(wrong.RedirectURIs) != 3 || len(wrong.Required) != 0 || wrong.LogoutURL == "" {
		t.Errorf("a wrong registration is %+v: %v", wrong, err)
	}
	_, err = w.Application(ctx, ada, sandbox.AzureCLIAppID)
	wantCode(t, err, apperr.NotFound, graph.CodeNotFound)
	holders, err := w.AppRoleAssignedTo(ctx, ada, aztsObject)
	if err != nil || len(holders) != 1 || holders[0].PrincipalType != "ServicePrincipal" || holders[0].CreatedAt.IsZero() {
		t.Errorf("%+v, %v", holders, err)
	}
}

func TestNamesComeInBatches(t *testing.T) {
	w := serve(t)
	w.SeedGrants(44_000) // 1,100 people
	ada, ctx := w.signIn(sandbox.AdaID), t.Context()
	grants, err := w.GrantsOnResource(ctx, ada, aztsObject)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	people := map[string]bool{}
	for _, g := range grants {
		ids = append(ids, g.ClientID, g.PrincipalID)
		if g.PrincipalID != "" {
			people[g.PrincipalID] = true
		}
	}
	names, err := w.Names(ctx, ada, append(ids, "not an id", "00000000-0000-4000-8000-000000000000"))
	if err != nil || len(people) < 1000 || len(names) < len(people) {
		t.Fatalf("%d names for %d people, %v", len(names), len(people), err)
	}
	for id := range people {
		if o := names[id]; o.Kind != "user" || o.Name == "" || !strings.Contains(o.Account, "@") || o.Principal != nil {
			t.Fatalf("%s is %+v", id, o)
		}
	}
	client := names[grants[0].ClientID]
	if client.Kind != "servicePrincipal" || client.Principal == nil || client.Principal.AppID == "" || client.Principal.Scopes != nil {
		t.Errorf("a client is %+v", client)
	}
}

func TestRefusalsInTheMiddleOfAList(t *testing.T) {
	for _, c := range []struct {
		fault, value string
		kind         apperr.Kind
		code         string
		times, slept int
	}{
		{"graph.403_mid_page", "", apperr.Forbidden, graph.CodeDenied, -1, 0},
		{"graph.429_mid_page", "none", apperr.TooMany, "graph_throttled", -1, 2},
		{"graph.429_mid_page", "3", apperr.TooMany, "graph_throttled", -1, 2},
		{"graph.429_mid_page", "7200", apperr.TooMany, "graph_throttled", -1, 0},
		{"graph.500_mid_page", "", apperr.BadGateway, "service_failed", -1, 0},
		{"graph.401_mid_page", "", apperr.Forbidden, "token_refused", -1, 0},
		{"graph.foreign_next_link", "", apperr.BadGateway, "pages_refused", -1, 0},
	} {
		t.Run(c.fault+c.value, func(t *testing.T) {
			w := serve(t)
			w.SeedGrants(3000)
			ada := w.signIn(sandbox.AdaID)
			w.Faults().Set(c.fault, c.value, c.times)
			grants, err := w.GrantsOnResource(t.Context(), ada, aztsObject)
			wantCode(t, err, c.kind, c.code)
			if len(grants) != 999 || len(w.slept) != c.slept {
				t.Errorf("%d grants arrived, %d waits", len(grants), len(w.slept))
			}
		})
	}
}

func TestAListSurvivesWhatPasses(t *testing.T) {
	for fault, value := range map[string]string{"graph.429_mid_page": "1", "graph.empty_page": "", "graph.401_mid_page": ""} {
		w := serve(t)
		w.SeedGrants(3000)
		ada := w.signIn(sandbox.AdaID)
		whole, err := w.GrantsOnResource(t.Context(), ada, aztsObject)
		if err != nil {
			t.Fatal(err)
		}
		w.Faults().Set(fault, value, 1)
		again, err := w.GrantsOnResource(t.Context(), ada, aztsObject)
		if err != nil || len(again) != len(whole) || len(whole) < 2000 {
			t.Errorf("%s: %d of %d grants, %v", fault, len(again), len(whole), err)
		}
	}
}

func TestEmployeesAreRefused(t *testing.T) {
	w := serve(t)
	dana, ctx := w.signIn(sandbox.DanaID), t.Context()
	for name, call := range map[string]func() error{
		"read all":  func() error { _, err := w.GrantsOnResource(ctx, dana, aztsObject); return err },
		"read mine": func() error { _, err := w.MyGrants(ctx, dana); return err },
		"create": func() error {
			_, err := w.CreateGrant(ctx, dana, graph.Grant{ClientID: scanBot, ResourceID: aztsObject, PrincipalID: sandbox.DanaID, Scopes: []string{"user_impersonation"}})
			return err
		},
		"withdraw": func() error { return w.DeleteAppRoleAssignment(ctx, dana, aztsObject, "AbC_-9") },
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, call(), apperr.Forbidden, graph.CodeDenied) })
	}
}
