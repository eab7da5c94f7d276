package templates

import (
	"time"

	"github.com/a-h/templ"
)

// runSamples are the pages of runs: one that was refused, step by step, on a shared
// screen, one that waits, none, and hostile text.
func runSamples() map[string]templ.Component {
	tabs := []NavItem{{"All flows", FlowsURL, false}, {"My runs", MyRunsURL, true}}
	text := func(s string) []RunPart { return []RunPart{{s, false}} }
	outcome := RunOutcome{Tone: ToneSuccess, Title: "Refused by the tenant, as it should be", Text: text("The code was used before."), Refused: "Tenant", Code: "AADSTS54005",
		Check: "A code is good once.", Why: "The second user may be a thief.", Message: RunMessageURL(2)}
	one := RunPage{Page: samplePage(FlowsURL), Tabs: tabs, ID: "r1", Flow: "code", Title: "Authorization code", Where: "In the sandbox", Failure: "used code",
		StartedAt: sampleNow, EndsAt: sampleNow.Add(23 * time.Hour), Outcome: outcome, Steps: 2, CanShare: true, Share: "https://portal.example/flows/shared/abc",
		WholeURL: "/flows/runs/r1", StepsURL: "/flows/runs/r1?step=1", PresentURL: "/flows/runs/r1?present=1", PlainURL: "/flows/runs/r1", HARURL: "/flows/runs/r1/trace.har", JSONURL: "/flows/runs/r1/trace.json",
		Correlations: []FlowFact{{"Correlation ID", sampleID(5)}}, IDs: "Ids for the tenant's logs", AtTenant: true, Notes: []RunNote{{"What you may do has changed.", "Your access", "/access"}}, Dropped: 1,
		Diagram: FlowDiagram{Title: "Authorization code, as it went", Parties: []string{"Browser", "Portal", "Tenant"}, Arrows: []FlowArrow{
			{From: 0, To: 2, Label: "Authorization request", URL: "#s-1"}, {From: 1, To: 2, Label: "Token request", URL: "#s-2", Failed: true}}},
		Told: true, Messages: []RunMessage{
			{Number: 1, From: "Browser", To: "Tenant", Name: "Authorization request", What: "The portal asks for a code.", Explained: FlowURL("code") + "#m-authorize", At: sampleNow, Method: "GET", Front: true,
				Address: text("https://login.example/authorize"), Query: []RunField{{Name: "state", Value: []RunPart{{"‹state ab12·k2›", true}}, Meaning: "Comes back."}, {Name: "x", Value: text("y")}},
				Status: "200 OK", Answered: RunBody{Text: text("<p>page</p>"), Fold: "The page that was answered", Note: "cut"}},
			{Number: 2, From: "Portal", To: "Tenant", Name: "Token request", At: sampleNow, After: "+1.5 s", Took: "12 ms", Method: "POST", Address: text("https://login.example/token"),
				Header: []RunField{{Name: "Content-Type", Value: text("application/x-www-form-urlencoded")}}, Sent: RunBody{Fields: []RunField{{Name: "code", Value: []RunPart{{"‹code 7f3a·k2›", true}}, Meaning: "Good once.", Wrong: true}}},
				Status: "400 Bad Request", Failed: true, AnswerHeader: []RunField{{Name: "Date", Value: text("today")}}, Answered: RunBody{Text: text(`{"error":"invalid_grant"}`)}, What: "A note.", Error: "cut off",
				Tokens: []RunToken{{Name: "ID token ab12·k3", Open: true, Header: []RunField{{Name: "alg", Value: text("RS256")}}, Claims: []RunField{{Name: "exp", Value: text("1"), Meaning: "Its end.", Time: sampleNow, Wrong: true}}}, {Name: "access token x", Encrypted: true}}}}}
	step := one
	step.Told = false
	step.Step, step.Next, step.Previous, step.Messages = 1, "/flows/runs/r1?step=2", "/flows/runs/r1?step=1", one.Messages[:1]
	shown := one
	shown.Present, shown.SharedScreen, shown.Page.Nav = true, true, nil
	waits := one
	waits.Waits = &RunWait{UserCode: "ABCDEFGHJ", Address: "https://login.example/devicelogin", ExpiresAt: sampleNow.Add(14 * time.Minute), NextIn: 5, Polls: 1, Action: "/flows/runs/r1/next"}
	presented := waits
	presented.Present, presented.SharedScreen, presented.Page.Nav = true, true, nil
	presented.Waits = &RunWait{UserCode: "ABCDEFGHJ", ExpiresAt: sampleNow.Add(14 * time.Minute), NextIn: 10, Polls: 2, Unanswered: true, Action: "/flows/runs/r1/next?present=1"}
	shared := one
	shared.ID, shared.Share, shared.CanShare, shared.SharedBy = "", "", false, "Dana Reyes (dana@contoso.com)"
	h := text(hostile)
	field := []RunField{{Name: hostile, Value: h, Meaning: hostile, Wrong: true}}
	bad := RunPage{Page: hostilePage(), ID: hostile, Flow: hostile, Title: hostile, Where: hostile, Failure: hostile, Outcome: RunOutcome{Tone: ToneError, Title: hostile, Text: h, Refused: hostile, Code: hostile, Check: hostile, Why: hostile, Message: "javascript:alert(1)"},
		Diagram:      FlowDiagram{Title: hostile, Parties: []string{hostile, "B"}, Arrows: []FlowArrow{{From: 0, To: 1, Label: hostile, URL: "javascript:alert(1)"}}},
		Correlations: []FlowFact{{hostile, hostile}}, IDs: hostile, Notes: []RunNote{{hostile, hostile, "javascript:alert(1)"}}, Share: hostile, SharedBy: hostile, Told: true, HARURL: "javascript:alert(1)", JSONURL: hostile,
		Messages: []RunMessage{{Number: 1, From: hostile, To: hostile, Name: hostile, What: hostile, Explained: "javascript:alert(1)", Method: hostile, Address: h, Query: field, Header: field,
			Sent: RunBody{Fields: field, Text: h, Note: hostile, Fold: hostile}, Status: hostile, After: hostile, Took: hostile, AnswerHeader: field, Answered: RunBody{Text: []RunPart{{hostile, true}}, Note: hostile}, Error: hostile,
			Tokens: []RunToken{{Name: hostile, Header: field, Claims: field}}}}}
	worse := bad
	worse.Waits = &RunWait{UserCode: hostile, Address: "javascript:alert(1)", ExpiresAt: sampleNow, Action: hostile}
	list := RunsPage{Page: samplePage(FlowsURL), Tabs: tabs, Runs: []RunLine{{ID: "r1", Title: "Authorization code", Failure: "Used code", Where: "In the sandbox", StartedAt: sampleNow.Add(-time.Minute), Outcome: outcome}}}
	return map[string]templ.Component{"run": Run(one), "run-step": Run(step), "run-present": Run(shown), "run-waits": Run(waits), "run-waits-present": Run(presented), "run-shared": Run(shared),
		"hostile-run": Run(bad), "hostile-run-waits": Run(worse), "runs": Runs(list), "runs-none": Runs(RunsPage{Page: samplePage(FlowsURL), Tabs: tabs}),
		"hostile-runs": Runs(RunsPage{Page: hostilePage(), Runs: []RunLine{{ID: hostile, Title: hostile, Failure: hostile, Where: hostile, Outcome: bad.Outcome}}})}
}
