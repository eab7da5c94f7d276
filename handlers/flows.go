package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"azts.internal/portal/internal/flows"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// flowCatalogue is the area that explains the ways to a token.
type flowCatalogue struct {
	*frame
	facts  flows.Facts // what examples are filled in with, but for the tenant
	tenant *flows.TenantRuns
}

// list is GET /flows.
func (c *flowCatalogue) list(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	page := templates.FlowsPage{Page: c.page(r, "Flows", templates.FlowsURL), Tabs: c.flowTabs(live, templates.FlowsURL)}
	for _, flow := range flows.Catalogue() {
		if n := len(page.Groups); n == 0 || page.Groups[n-1].Title != string(flow.Group) {
			page.Groups = append(page.Groups, templates.FlowGroup{Title: string(flow.Group)})
		}
		group := &page.Groups[len(page.Groups)-1]
		group.Flows = append(group.Flows, templates.FlowLine{ID: flow.ID, Title: flow.Title, Summary: flow.Summary, UseWhen: flow.UseWhen[0], Runs: c.whereRuns(flow)})
	}
	return c.render(w, r, http.StatusOK, templates.Flows(page))
}

func (c *flowCatalogue) whereRuns(flow flows.Flow) string {
	switch {
	case c.tenant.Offers(flow.ID, flows.InTenant):
		return "Sandbox and your tenant"
	case c.tenant.Offers(flow.ID, flows.InAzure):
		return "Sandbox and Azure"
	}
	return "Sandbox"
}

// show is GET /flows/{flow}.
func (c *flowCatalogue) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	flow, ok := flows.Find(r.PathValue("flow"))
	if !ok {
		return errNotFound
	}
	facts := c.facts
	facts.Tenant = live.User.TenantID
	page := templates.FlowPage{Page: c.page(r, flow.Title, templates.FlowsURL), ID: flow.ID, Title: flow.Title, Summary: flow.Summary,
		UseWhen: flow.UseWhen, AvoidWhen: flow.AvoidWhen, Risks: flow.Risks, PlacesNote: flow.PlacesNote, Diagram: diagramOf(flow)}
	for _, at := range flow.Places {
		if c.tenant.Offers(flow.ID, at) {
			page.Places = append(page.Places, templates.FlowPlace{Value: string(at), Label: at.Label()})
		}
	}
	for i, m := range flow.Messages {
		one := templates.FlowMessage{Number: i + 1, ID: m.ID, From: string(m.From), To: string(m.To), Name: m.Name, What: m.What, V1: facts.Fill(m.V1), V2: facts.Fill(m.V2)}
		for _, p := range m.Parameters {
			one.Parameters = append(one.Parameters, templates.FlowParameter{Name: p.Name, V1: string(p.V1), V2: string(p.V2), Meaning: p.Meaning})
		}
		page.Messages = append(page.Messages, one)
	}
	for _, command := range flow.Commands {
		page.Commands = append(page.Commands, templates.FlowCommand{Tool: command.Tool, Code: facts.Fill(command.Code), Note: command.Note})
	}
	for _, id := range flow.Failures {
		if f, ok := flows.FailureIn(flow.ID, id, flows.InLab); ok {
			page.Failures = append(page.Failures, templates.FlowFailure{ID: f.ID, Title: f.Title, What: f.What, Refuses: string(f.Refuses), Check: f.Check, Code: f.Code, Why: f.Why, LabOnly: !flow.Breaks(id, flows.InTenant)})
		}
	}
	if slices.Contains(flow.Parties, flows.Machine) {
		for _, retry := range flows.Retries() {
			page.Retries = append(page.Retries, templates.FlowRetry(retry))
		}
		var delays []string
		for _, seconds := range flows.RetryDelays {
			delays = append(delays, fmt.Sprint(seconds))
		}
		page.RetryDelays = "At most " + fmt.Sprint(len(delays)) + " more tries, after " + strings.Join(delays, ", ") + " seconds."
	}
	page.Flash = c.flash(w, r)
	return c.render(w, r, http.StatusOK, templates.Flow(page))
}

// diagramOf draws a flow as it should be; its arrows lead to the messages below.
func diagramOf(flow flows.Flow) templates.FlowDiagram {
	d := templates.FlowDiagram{Title: flow.Title}
	for _, party := range flow.Parties {
		d.Parties = append(d.Parties, string(party))
	}
	for _, m := range flow.Messages {
		d.Arrows = append(d.Arrows, templates.FlowArrow{From: slices.Index(flow.Parties, m.From), To: slices.Index(flow.Parties, m.To), Label: m.Name, URL: "#m-" + m.ID})
	}
	return d
}
