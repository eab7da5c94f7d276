package handlers

import (
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/templates"
)

// flowRoutes mounts the pages about flows; person guards what is for everybody
// who is signed in.
func (f *frame) flowRoutes(p Parts, runs *flowRuns, person func(string, personal)) {
	helpDesk := func(pattern string, h personal) { person(pattern, f.forHelpDesk(h)) }
	facts := flows.Facts{Login: p.LoginURL, Client: p.ClientID, Portal: p.BaseURL, API: p.AzTSURL}
	if p.AzTS != nil {
		facts.Scope, facts.URI, facts.Handed = p.SignIn.TokenScopes[0], p.Catalogue[0].AppIDURI, entra.ResourceAppID(p.SignIn.TokenScopes[0])
	}
	for i := range p.Catalogue {
		if p.Catalogue[i].Name == "Azure Resource Manager" {
			facts.ARM = p.Catalogue[i].AppIDURI
		}
	}
	known := &flowCatalogue{frame: f, facts: facts, tenant: p.Tenant}
	person("GET "+templates.FlowsURL, known.list)
	person("GET /flows/{flow}", known.show)
	person("POST /flows/{flow}/runs", runs.start)
	person("GET "+templates.MyRunsURL, runs.list)
	person("GET /flows/runs/{run}", runs.show)
	person("POST /flows/runs/{run}/next", runs.next)
	person("POST /flows/runs/{run}/share", runs.share)
	person("POST /flows/runs/{run}/unshare", runs.unshare)
	person("POST /flows/runs/{run}/delete", runs.remove)
	person("GET /flows/runs/{run}/trace.har", noHead(runs.export(true, runs.own)))
	person("GET /flows/runs/{run}/trace.json", noHead(runs.export(false, runs.own)))
	helpDesk("GET /flows/shared/{token}", runs.shared)
	helpDesk("GET /flows/shared/{token}/trace.har", noHead(runs.export(true, runs.ofShare)))
	helpDesk("GET /flows/shared/{token}/trace.json", noHead(runs.export(false, runs.ofShare)))
}
