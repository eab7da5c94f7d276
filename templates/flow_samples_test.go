package templates

import (
	"strings"
	"testing"

	"github.com/a-h/templ"
)

func sampleDiagram() FlowDiagram {
	return FlowDiagram{Title: "Authorization code", Parties: []string{"Browser", "Portal", "Tenant"}, Arrows: []FlowArrow{
		{From: 0, To: 2, Label: "Authorization request with a challenge", URL: "#m-authorize"}, {From: 0, To: 1, Label: "Answer", URL: "#m-answer"},
		{From: 2, To: 1, Label: "Refused", URL: "#m-refused", Failed: true}}}
}

// flowSamples are the pages that explain flows: whole, bare, and with hostile text.
func flowSamples() map[string]templ.Component {
	tabs := []NavItem{{"All flows", FlowsURL, true}, {"Errors", FlowErrorsURL, false}}
	list := FlowsPage{Page: samplePage(FlowsURL), Tabs: tabs, Groups: []FlowGroup{{Title: "A person signs in", Flows: []FlowLine{
		{ID: "sign-in", Title: "OpenID Connect sign-in", Summary: "The browser brings an ID token.", UseWhen: "An application only has to know who is there.", Runs: "Sandbox"}}}}}
	one := FlowPage{Page: samplePage(FlowsURL), Tabs: tabs, ID: "code", Title: "Authorization code", Summary: "The browser brings a code.", UseWhen: []string{"There is a server."}, AvoidWhen: []string{"There is none."},
		Diagram: sampleDiagram(), Risks: []string{"Little."}, Messages: []FlowMessage{
			{Number: 1, ID: "authorize", From: "Browser", To: "Tenant", Name: "Authorization request", What: "The first.", V1: "GET /v1", V2: "GET /v2",
				Parameters: []FlowParameter{{"client_id", "required", "required", "Who asks."}, {"resource", "recommended", "–", "The API."}}},
			{Number: 2, ID: "answer", From: "Browser", To: "Portal", Name: "Answer", What: "The second.", V2: "POST /auth/callback", Parameters: []FlowParameter{{"state", "required", "required", "Checked first."}}}},
		Commands: []FlowCommand{{"Azure CLI", "az login", "Opens a browser."}}, Retries: []FlowRetry{{"429", "", "Too many ask.", true}, {"400", "invalid_request", "Malformed.", false}}, RetryDelays: "After 0, 2 seconds.",
		Failures: []FlowFailure{{ID: "used-code", Title: "Used code", What: "Twice.", Refuses: "Tenant", Check: "Once.", Code: "AADSTS54005", Why: "Thieves.", LabOnly: true}},
		Places:   []FlowPlace{{"lab", "In the sandbox"}, {"tenant", "At your tenant"}}, PlacesNote: "Your browser makes the visit."}
	bad := FlowPage{Page: hostilePage(), ID: hostile, Title: hostile, Summary: hostile, UseWhen: []string{hostile}, AvoidWhen: []string{hostile}, Risks: []string{hostile},
		Diagram:  FlowDiagram{Title: hostile, Parties: []string{hostile, "B"}, Arrows: []FlowArrow{{From: 0, To: 1, Label: hostile, URL: "javascript:alert(1)"}}},
		Messages: []FlowMessage{{Number: 1, ID: hostile, From: hostile, To: hostile, Name: hostile, What: hostile, V1: hostile, V2: hostile, Parameters: []FlowParameter{{hostile, hostile, "", hostile}}}},
		Commands: []FlowCommand{{hostile, hostile, hostile}}, Failures: []FlowFailure{{hostile, hostile, hostile, hostile, hostile, hostile, hostile, true}},
		Places: []FlowPlace{{hostile, hostile}}, PlacesNote: hostile, Retries: []FlowRetry{{hostile, hostile, hostile, true}}, RetryDelays: hostile}
	return map[string]templ.Component{
		"flows": Flows(list), "flow": Flow(one), "hostile-flow": Flow(bad),
		"hostile-flows": Flows(FlowsPage{Page: hostilePage(), Groups: []FlowGroup{{hostile, []FlowLine{{hostile, hostile, hostile, hostile, hostile}}}}}),
	}
}

// TestADiagramFitsItsBox: nothing is drawn outside, and each arrow leads somewhere.
func TestADiagramFitsItsBox(t *testing.T) {
	d := sampleDiagram()
	if d.viewBox() != "0 0 608 232" {
		t.Errorf("viewBox %s", d.viewBox())
	}
	arrows := d.arrows()
	if a := arrows[0]; a.From != "76" || a.To != "532" || a.Y != "96" || len(a.Lines) != 2 || a.Lines[0].Text+" "+a.Lines[1].Text != d.Arrows[0].Label {
		t.Errorf("first arrow %+v", a)
	}
	// From right to left the head points left, and the number stands at the right.
	if a := arrows[2]; a.From != "532" || a.To != "304" || !strings.HasPrefix(a.Head, "304,208 313,") || a.Circle != "532" {
		t.Errorf("last arrow %+v", a)
	}
	if got := wrapLabel(strings.Repeat("x", 60)); len(got) != 1 {
		t.Errorf("a word without a blank is cut into %q", got)
	}
}
