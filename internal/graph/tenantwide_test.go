package graph_test

import (
	"testing"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/sandbox"
)

// TestTenantGrantsOnResource: those for everybody among many for single people.
func TestTenantGrantsOnResource(t *testing.T) {
	w := serve(t)
	w.SeedGrants(500)
	ada := w.signIn(sandbox.AdaID)
	grants, err := w.TenantGrantsOnResource(t.Context(), ada, aztsObject)
	if err != nil || len(grants) < 2 || len(grants) > 100 {
		t.Errorf("%d grants, %v", len(grants), err)
	}
	for _, g := range grants {
		if !g.TenantWide || g.PrincipalID != "" || g.ResourceID != aztsObject {
			t.Errorf("%+v", g)
		}
	}
	for _, bad := range []string{"", "x' or 1 eq 1"} {
		if _, err := w.TenantGrantsOnResource(t.Context(), ada, bad); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
