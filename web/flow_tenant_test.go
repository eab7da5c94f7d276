package main

import (
	"strings"
	"testing"

	"azts.internal/portal/internal/flows"
)

// TestEveryFailureAtTheTenantIsRefusedAsExpected, of each flow that can be broken
// there.
func TestEveryFailureAtTheTenantIsRefusedAsExpected(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	pairs := 0
	for _, flow := range flows.Catalogue() {
		for _, failure := range flow.Failures {
			if !flow.Breaks(failure, flows.InTenant) {
				continue
			}
			pairs++
			p := b.through(b.post("/flows/"+flow.ID+"/runs", runForm("tenant", failure)), dana)
			if title := p.text(".panel h2"); !strings.HasSuffix(title, "as it should be") {
				t.Errorf("%s, %s: %d %s, %q", flow.ID, failure, p.status, p.heading(), title)
			}
		}
	}
	if pairs < 15 {
		t.Errorf("%d pairs were tried", pairs)
	}
}
