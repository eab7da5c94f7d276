package main

import (
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/templates"
)

// examineTheSetUp is an admin who looks at a set-up in which something is wrong,
// allows what is needed to tell, and takes the four facts along.
func examineTheSetUp(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	w.tenant.Faults().Set("graph.registration", "no_logout,no_id_tokens", -1)
	w.tenant.Faults().Set("azts.feature_off", "", -1)
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.AdaID, templates.FlowHealthURL, setupHeading)
	v.has("#check-registration", "Cannot tell")
	v.has(".to-mend", "REST API switched on")
	v.check("a set-up of which not all can be told")
	v.Press("Allow reading the directory")
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading(setupHeading)
	v.has("#check-id_tokens", "AADSTS700054")
	v.has("#check-logout_url", "Look at this")
	v.check("a set-up in which something is wrong")
	v.has("#facts pre", "Client id: "+sandbox.AzTSAppID)
}
