package entra

import (
	"slices"
	"strings"
	"testing"

	"azts.internal/portal/internal/apperr"
)

const testAzTS = "api://b1d04c77-6a2e-4d39-8f52-3e9ac0175d84"

func testCatalogue() Catalogue {
	return NewCatalogue(testAzTS+"/user_impersonation", Clouds["public"].Resources(), []string{"api://inventory/", "API://Inventory", testAzTS})
}

func TestCatalogueHasAzTSFirstAndEachOnce(t *testing.T) {
	var names []string
	for _, r := range testCatalogue() {
		names = append(names, r.Name)
	}
	if want := []string{"AzTS", "Microsoft Graph", "Azure Resource Manager", "Azure Key Vault", "inventory"}; !slices.Equal(names, want) {
		t.Errorf("the catalogue is %q, want %q", names, want)
	}
}

// TestCloudsKeepToThemselves: an address of another cloud would send a token out
// of the one that it belongs to (entra.md §1.5).
func TestCloudsKeepToThemselves(t *testing.T) {
	want := map[string][]string{
		"public": {"https://graph.microsoft.com", "https://management.azure.com", "https://vault.azure.net"},
		"usgov":  {"https://graph.microsoft.us", "https://management.usgovcloudapi.net", "https://vault.usgovcloudapi.net"},
		"china":  {"https://microsoftgraph.chinacloudapi.cn", "https://management.chinacloudapi.cn", "https://vault.azure.cn"},
	}
	for name, cloud := range Clouds {
		var uris []string
		for _, r := range cloud.Resources() {
			uris = append(uris, r.AppIDURI)
			if strings.HasSuffix(r.AppIDURI, "/") || len(r.Scopes) == 0 || r.What == "" {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if !slices.Equal(uris, want[name]) {
			t.Errorf("%s has %q, want %q", name, uris, want[name])
		}
	}
}

func TestAskForScopes(t *testing.T) {
	const graph, arm = "https://graph.microsoft.com", "https://management.azure.com"
	long := strings.Repeat("x", maxScopeName)
	for _, c := range []struct {
		resource string
		chosen   []string
		typed    string
		want     string // scopes, or "!" and the code of the error
	}{
		{graph, []string{"User.Read"}, "", graph + "/User.Read"},
		{graph + "/", []string{"user.read"}, " USER.READ,Mail.Send\n", graph + "/User.Read " + graph + "/Mail.Send"},
		{graph, nil, graph + "/Mail.Read", graph + "/Mail.Read"},
		{graph, nil, "HTTPS://GRAPH.microsoft.com/Mail.Read", graph + "/Mail.Read"},
		{arm, nil, arm + "//user_impersonation", arm + "/user_impersonation"},
		{arm, []string{".default"}, "", arm + "/.default"},
		{arm, []string{".DEFAULT"}, arm + "/.default", arm + "/.default"},
		{graph, nil, long, graph + "/" + long},
		{"api://inventory", []string{"Items.Read"}, "", "api://inventory/Items.Read"},

		{"https://evil.example", []string{"x"}, "", "!resource_unknown"},
		{"", []string{"x"}, "", "!resource_unknown"},
		{graph, nil, "", "!scope_missing"},
		{graph, nil, " , ;", "!scope_missing"},
		{graph, []string{"User.Read"}, arm + "/user_impersonation", "!two_resources"},
		{graph, []string{testAzTS + "/user_impersonation"}, "", "!two_resources"},
		{graph, nil, graph + ".evil.example/User.Read", "!two_resources"},
		{arm, []string{"user_impersonation", ".default"}, "", "!default_mixed"},
		{graph, []string{"offline_access"}, "", "!offline_access"},
		{graph, nil, graph + "/Offline_Access", "!offline_access"},
		{graph, nil, long + "x", "!scope_malformed"},
		{graph, nil, "User.Read\"'", "!scope_malformed"},
		{graph, nil, "User/Read", "!scope_malformed"},
		{graph, nil, "://x", "!scope_malformed"},
		{graph, nil, graph + "/", "!scope_malformed"},
		{graph, nil, "..", "!scope_malformed"},
		{graph, nil, "Ünïcode", "!scope_malformed"},
		{graph, nil, "$(id)", "!scope_malformed"},
		{graph, nil, "User.Read\x00", "!scope_malformed"},
		{graph, strings.Fields(strings.Repeat("a ", maxAsked+1)), "", graph + "/a"},
		{graph, strings.Split("a b c d e f g h i j k l m n o p q r s t u", " "), "", "!scope_many"},
	} {
		resource, scopes, err := testCatalogue().Ask(c.resource, c.chosen, c.typed)
		if code, wrong := strings.CutPrefix(c.want, "!"); wrong {
			if !apperr.HasCode(err, code) || !apperr.IsKind(err, apperr.Invalid) || scopes != nil {
				t.Errorf("%q %q %q: %q, %v, want %s", c.resource, c.chosen, c.typed, scopes, err, code)
			}
			continue
		}
		if err != nil || strings.Join(scopes, " ") != c.want || resource == nil {
			t.Errorf("%q %q %q: %q, %v, want %q", c.resource, c.chosen, c.typed, scopes, err, c.want)
		}
		for _, scope := range scopes {
			if ResourceOf(scope) != resource.AppIDURI {
				t.Errorf("%q is a scope of %q", scope, ResourceOf(scope))
			}
		}
	}
}

func TestDescribeScope(t *testing.T) {
	c := testCatalogue()
	for scope, title := range map[string]string{testAzTS + "/user_impersonation": "Use AzTS as you", "https://graph.microsoft.com/user.read": "Read your profile",
		"https://management.azure.com/.default": "Everything already granted"} {
		if got, ok := c.Describe(scope); !ok || got.Title != title || got.Text == "" {
			t.Errorf("%s is %+v, %v", scope, got, ok)
		}
	}
	for _, scope := range []string{"https://graph.microsoft.com/Unknown.Scope", "api://elsewhere/x", "openid", ""} {
		if got, ok := c.Describe(scope); ok {
			t.Errorf("%q is described as %+v", scope, got)
		}
	}
}

// FuzzAsk: whatever is typed, what is asked for is of the one resource and needs
// no quoting anywhere.
func FuzzAsk(f *testing.F) {
	f.Add("https://graph.microsoft.com", "User.Read", "Mail.Read, .default")
	f.Add(testAzTS, "user_impersonation", "api://x/y z")
	c := testCatalogue()
	f.Fuzz(func(t *testing.T, resource, chosen, typed string) {
		r, scopes, err := c.Ask(resource, []string{chosen}, typed)
		if (err == nil) != (len(scopes) > 0) || err != nil && !apperr.IsKind(err, apperr.Invalid) {
			t.Fatalf("%q, %v", scopes, err)
		}
		for _, scope := range scopes {
			name, ok := strings.CutPrefix(scope, r.AppIDURI+"/")
			if !ok || !scopeName(name) || strings.ContainsAny(scope, " \"'`$\\\n") {
				t.Fatalf("asks %s for %q", r.AppIDURI, scope)
			}
		}
	})
}
