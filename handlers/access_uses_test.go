package handlers

import (
	"os"
	"slices"
	"strings"
	"testing"

	"azts.internal/portal/internal/entra"
)

// TestUsesNameAPIsAndRoutesThatExist: a permission that stands in the table under
// another name than the catalogue's would be called unused.
func TestUsesNameAPIsAndRoutesThatExist(t *testing.T) {
	const azts = "api://b1d04c77-6a2e-4d39-8f52-3e9ac0175d84/Scan.All"
	catalogue := entra.NewCatalogue(azts, entra.Clouds["usgov"].Resources(), nil)
	a := &myAccess{catalogue: catalogue, aztsScope: azts}
	for _, use := range scopeUses {
		i := slices.IndexFunc(catalogue, func(r entra.Resource) bool { return r.Name == string(use.api) })
		if i < 0 {
			t.Errorf("no API is called %s", use.api)
			continue
		}
		scope := use.scope
		if use.api == apiAzTS {
			scope = "Scan.All" // the configured one
		}
		if !slices.Contains(a.usesOf(&catalogue[i], scope), use.what) {
			t.Errorf("%s at %s is not used for %s", scope, use.api, use.what)
		}
	}
	if uses := a.usesOf(&catalogue[0], "user_impersonation"); uses != nil {
		t.Errorf("a scope of AzTS that is not configured is used for %q", uses)
	}
	if r, ok := catalogue.Find("https://vault.usgovcloudapi.net"); !ok || a.usesOf(r, "user_impersonation") != nil || a.usesOf(nil, "x") != nil {
		t.Error("something uses Key Vault")
	}
	routes, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, use := range scopeUses {
		for _, path := range use.paths {
			pattern := "GET " + path
			if path == "/" {
				pattern = "GET /{$}"
			}
			if !strings.Contains(string(routes), `("`+pattern+`",`) {
				t.Errorf("%s is used by %s, which is no route", use.scope, path)
			}
		}
	}
}
