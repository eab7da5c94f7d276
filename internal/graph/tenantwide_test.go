package graph_test

import (
	"testing"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/sandbox"
)

// TestTenantWideGrantsAreThoseForEverybody: one for everybody among many for
// single people, by client, by API, or both.
func TestTenantWideGrantsAreThoseForEverybody(t *testing.T) {
	w := serve(t)
	w.SeedGrants(500)
	if err := w.Consent(sandbox.PortalClientID, "", sandbox.AzTSAppIDURI+"/user_impersonation"); err != nil {
		t.Fatal(err)
	}
	ada := w.signIn(sandbox.AdaID)
	for _, test := range []struct {
		client, resource string
		atLeast, atMost  int
	}{{portalObject, "", 2, 2}, {portalObject, aztsObject, 1, 1}, {"", aztsObject, 2, 100}} {
		grants, err := w.TenantWideGrants(t.Context(), ada, test.client, test.resource)
		if err != nil || len(grants) < test.atLeast || len(grants) > test.atMost {
			t.Errorf("%q at %q: %d grants, %v", test.client, test.resource, len(grants), err)
		}
		for _, g := range grants {
			if !g.TenantWide || g.PrincipalID != "" || test.client != "" && g.ClientID != test.client || test.resource != "" && g.ResourceID != test.resource {
				t.Errorf("%q at %q: %+v", test.client, test.resource, g)
			}
		}
	}
	for _, bad := range [][2]string{{"", ""}, {"x' or 1 eq 1", ""}, {portalObject, "') or ('"}} {
		if _, err := w.TenantWideGrants(t.Context(), ada, bad[0], bad[1]); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
