package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
)

// Step is one of the four that the administrator of AzTS takes to open its REST
// API to people (entra.md §4.8).
type Step struct {
	Title   string
	What    string // what AzTS's instructions say
	Place   string
	State   State
	Finding string
}

// Facts are the four that the administrator of AzTS hands to users. None is secret.
type Facts struct {
	TenantID string
	ClientID string // of the AzTS Web API
	Scope    string
	URL      string
	Portal   string // address of this portal, where a token can be had
}

func (x *examination) facts() Facts {
	return Facts{TenantID: cmp.Or(x.cfg.TenantID, x.visit.Tenant), ClientID: cmp.Or(entra.ResourceAppID(x.cfg.AzTSScope), x.apiApp), Scope: x.cfg.AzTSScope,
		URL: x.cfg.AzTSURL, Portal: x.cfg.BaseURL}
}

const unknownFact = "(not known: ask the AzTS administrator)"

// Text returns the facts as a message to a user, lines ended by \n.
func (f Facts) Text() string {
	known := func(s string) string { return cmp.Or(s, unknownFact) }
	return "To use the REST API of AzTS, you need these four facts:\n\n" +
		"Tenant id: " + known(f.TenantID) + "\nClient id: " + known(f.ClientID) + "\nScope: " + known(f.Scope) + "\nWeb API URL: " + known(f.URL) + "\n\n" +
		"On a subscription, or on one of its resource groups, you need one of these roles: Owner, Contributor, Service Administrator, Co-Administrator, Account Administrator, Security Reader or Security Admin. " +
		"A role given today may count from tomorrow.\n\n" +
		"The portal gets a token for you and has the commands: " + f.Portal + "/tokens\n"
}

// toolNames are the tools that people know, by their client ids (entra.md, well-known
// ids).
var toolNames = map[string]string{entra.AzureCLI: "Azure CLI", entra.AzurePowerShell: "Azure PowerShell"}

// admitted notes which clients the AzTS API trusts.
func (x *examination) admitted(a *access) {
	switch {
	case apperr.IsKind(a.trustedErr, apperr.NotFound):
		x.admits = "The AzTS API is registered in another organization, which alone sees the list."
	case a.trustedErr != nil:
		x.admits = "The list cannot be read: " + words(a.trustedErr)
	case len(a.trusted) == 0:
		x.admits = "No client is on the list: programs and scripts get in with a consent alone."
	default:
		const most = 5
		named := slices.Clone(a.trusted[:min(len(a.trusted), most)])
		for i, id := range named {
			if name := toolNames[id]; name != "" {
				named[i] = name + " (" + id + ")"
			}
		}
		x.admits = "On the list: " + strings.Join(named, ", ")
		if more := len(a.trusted) - most; more > 0 {
			x.admits += fmt.Sprintf(" and %d more", more)
		}
		x.admits += "."
	}
}

// steps compares what was found with AzTS's own four.
func (x *examination) steps(r *Report) []Step {
	feature, consent := r.Of("azts_feature"), r.Of("consent")
	if feature.Finding == "" {
		feature = Check{Finding: "Only a signed-in person can tell."}
	}
	steps := []Step{
		{Title: "Switch the REST API on", What: "Set " + onDemandFlag + " to true.", Place: webAPIPlace, State: feature.State, Finding: feature.Finding},
		{Title: "Tell the Web API its client id", What: "Set " + clientSetting + " to the client id of the Web API's registration.", Place: webAPIPlace,
			State: feature.State, Finding: "AzTS takes a token for " + x.cfg.AzTSScope + "."},
		{Title: "Let programs in", What: "List the client ids of programs under Authorized client applications; let people consent, or grant for everybody.",
			Place: "Entra admin center › App registrations › the Web API › Expose an API › Authorized client applications",
			State: consent.State, Finding: strings.TrimSpace(cmp.Or(consent.Finding, "Only a signed-in person can tell.") + " " + x.admits)},
		{Title: "Hand out the four facts", What: "Give users tenant id, client id, scope and Web API URL.", Place: "The four facts, at the end of this page", State: Good, Finding: "All four are known here; they stand below, ready to send."},
	}
	if feature.State != Good {
		steps[1].Finding = "Not seen: " + feature.Finding
		if feature.State == Bad && !strings.Contains(feature.Finding, "does not accept a token") {
			steps[1].State = CannotTell // it failed before the token mattered
		}
	}
	if f := r.Facts; f.TenantID == "" || f.ClientID == "" {
		steps[3].State, steps[3].Finding = Warn, "Not all four are known here."
	}
	return steps
}
