package handlers

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/explain"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/trace"
	"azts.internal/portal/templates"
)

func flowTitle(id string) string {
	flow, _ := flows.Find(id)
	return cmp.Or(flow.Title, id)
}

// parties say who refused in a sentence.
var parties = map[flows.Party]string{flows.Portal: "the portal", flows.Tenant: "the tenant", flows.AzTS: "AzTS", flows.Azure: "Azure", flows.Graph: "Microsoft Graph",
	flows.Machine: "the machine's endpoint", flows.Browser: "the page in the browser", flows.Issuer: "the other issuer", flows.YourAPI: "your API"}

// runOutcome says how a run ended. Where it was broken on purpose, being refused is
// what was wanted.
func runOutcome(run *flows.Run) templates.RunOutcome {
	o := templates.RunOutcome{Text: runParts(run.Outcome.Text), Code: run.Outcome.Code}
	if run.Outcome.Refused != "" {
		o.Refused = string(run.Outcome.Refused)
	}
	by := cmp.Or(parties[run.Outcome.Refused], string(run.Outcome.Refused))
	failure, broken := flows.FailureIn(run.Flow, run.Failure, run.Place)
	switch {
	case run.Waits != nil || run.Outcome.Refused == "" && run.Outcome.Code == "" && !run.Outcome.Expected && !broken:
		o.Tone, o.Title = templates.ToneInfo, "Waits for its person"
	case run.Outcome.Refused == "" && run.Outcome.Expected:
		o.Tone, o.Title = templates.ToneSuccess, "It went through"
	case run.Outcome.Refused == "" && run.Outcome.Code != "":
		o.Tone, o.Title = templates.ToneWarning, "It broke off"
	case run.Outcome.Refused == "":
		o.Tone, o.Title = templates.ToneError, "Nobody refused it"
	case run.Outcome.Expected:
		o.Tone, o.Title = templates.ToneSuccess, "Refused by "+by+", as it should be"
		o.Check, o.Why = failure.Check, failure.Why
	case broken:
		o.Tone, o.Title = templates.ToneWarning, "Refused by "+by+", for another reason than expected"
	default:
		o.Tone, o.Title = templates.ToneWarning, "Refused by "+by
	}
	if known := explain.ByCode(o.Code); !run.Outcome.Expected && len(known) > 0 {
		o.Next, o.Mender = known[0].Next, who[known[0].Mender]
	}
	return o
}

// runPage fills the page of a run, all of it or one step.
func (a *flowRuns) runPage(r *http.Request, run *flows.Run, here string) templates.RunPage {
	t := &run.Trace
	flow, _ := flows.Find(run.Flow)
	page := templates.RunPage{Page: a.page(r, "Run", templates.FlowsURL), Flow: run.Flow, Title: flowTitle(run.Flow), Where: run.Place.Label(), StartedAt: run.StartedAt,
		EndsAt: run.EndsAt, Outcome: runOutcome(run), Dropped: t.Dropped, Steps: len(t.Messages), HARURL: here + "/trace.har", JSONURL: here + "/trace.json",
		WholeURL: here, StepsURL: here + "?step=1", PresentURL: here + "?present=1", PlainURL: here}
	if failure, ok := flows.FindFailure(run.Failure); ok {
		page.Failure = strings.ToLower(failure.Title[:1]) + failure.Title[1:]
	}
	q := r.URL.Query()
	present := ""
	if page.Present = q.Get("present") == "1"; page.Present {
		present = "&present=1"
		// A shared screen shows no menu of its person's.
		page.Nav, page.SharedScreen = nil, true
		page.WholeURL, page.StepsURL = here+"?present=1", here+"?step=1"+present
	}
	step, err := strconv.Atoi(q.Get("step"))
	if err == nil && step >= 1 && step <= len(t.Messages) {
		page.Step = step
		page.PlainURL, page.PresentURL = here+"?step="+strconv.Itoa(step), here+"?present=1&step="+strconv.Itoa(step)
		if step > 1 {
			page.Previous = fmt.Sprintf("%s?step=%d%s", here, step-1, present)
		}
		if step < len(t.Messages) {
			page.Next = fmt.Sprintf("%s?step=%d%s", here, step+1, present)
		}
	}
	if run.Waits != nil {
		w := run.Waits
		page.Waits = &templates.RunWait{UserCode: w.UserCode, Address: w.Address, ExpiresAt: w.ExpiresAt, Polls: w.Polls, Unanswered: w.Unanswered,
			Action: templates.MyRunActionURL(run.ID, "next") + viewQuery(page.Present, page.Step),
			NextIn: max(1, int(w.NextAt.Sub(a.now())/time.Second)+1)}
	}
	for _, c := range t.Correlations {
		page.Correlations = append(page.Correlations, templates.FlowFact{Label: c.Name, Value: c.Value})
	}
	page.IDs = "Correlation and trace ids"
	if run.Place != flows.InLab {
		page.IDs, page.AtTenant = "Ids for the tenant's logs", run.Place == flows.InTenant
		page.Notes = tenantNotes(run)
	}
	page.Told = page.Step == 0 || page.Step == len(t.Messages) || page.Step == run.Outcome.Message
	a.runMessages(&page, run, flow, here+strings.Replace(present, "&", "?", 1))
	return page
}

// tenantNotes say what a run at the tenant did beside what it shows.
func tenantNotes(run *flows.Run) []templates.RunNote {
	switch {
	case run.Flow == "device-code":
		return []templates.RunNote{{Text: "The script asks as the client Azure CLI: that is the name which the other device shows and the tenant's logs have. AzTS must list it under its authorized client applications."}}
	case run.Place == flows.InAzure:
		return []templates.RunNote{{Text: "Tries that failed are repeated after the pauses of the table, so one run can take two minutes. The token was thrown away.", Label: "Get one to keep", URL: templates.AppTokensURL}}
	case slices.Contains(slices.Collect(maps.Values(appFlows)), run.Flow):
		if run.Outcome.Refused != "" {
			return nil
		}
		return []templates.RunNote{{Text: "The token was thrown away, and AzTS was not called: that would start a scan.", Label: "Get a token to keep", URL: templates.AppTokensURL}}
	case run.Flow == "incremental-consent" && run.Outcome.Refused == "" && run.Outcome.Expected:
		return []templates.RunNote{{Text: "The consent stays at the tenant. If you were asked nothing, you had already agreed.", Label: "See what you agreed to", URL: templates.AccessURL}}
	}
	return nil
}

// viewQuery is the query of a view of a run's page.
func viewQuery(present bool, step int) string {
	q := url.Values{}
	if present {
		q.Set("present", "1")
	}
	if step > 0 {
		q.Set("step", strconv.Itoa(step))
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// runMessages fills in the messages and their diagram, whose arrows lead to them.
func (a *flowRuns) runMessages(page *templates.RunPage, run *flows.Run, flow flows.Flow, whole string) {
	t, telling := &run.Trace, newRunTelling(run, flow)
	page.Diagram = templates.FlowDiagram{Title: page.Title + ", as it went"}
	column := func(party string) int {
		i := slices.Index(page.Diagram.Parties, party)
		if i < 0 {
			i = len(page.Diagram.Parties)
			page.Diagram.Parties = append(page.Diagram.Parties, party)
		}
		return i
	}
	for _, party := range flow.Parties { // in the order of the catalogue, where they take part
		if slices.ContainsFunc(t.Messages, func(m trace.Message) bool { return m.From == string(party) || m.To == string(party) }) {
			column(string(party))
		}
	}
	for i := range t.Messages {
		m := &t.Messages[i]
		number := i + 1
		failed := m.Error != "" || m.Answer != nil && m.Answer.Status >= 400 || number == run.Outcome.Message
		if page.Step > 0 && number > page.Step {
			break
		}
		address := templates.RunMessageURL(number)
		if page.Step > 0 && number != page.Step {
			joint := "?"
			if strings.Contains(whole, "?") {
				joint = "&"
			}
			address = whole + joint + "step=" + strconv.Itoa(number)
		}
		page.Diagram.Arrows = append(page.Diagram.Arrows, templates.FlowArrow{From: column(m.From), To: column(m.To), Label: cmp.Or(m.Name, m.Request.Method), URL: address, Failed: failed})
		if page.Step == 0 || page.Step == number {
			one := telling.message(number, failed, page.Step > 0)
			if page.Present {
				one.Explained = "" // leads to where the person's menu is
			}
			page.Messages = append(page.Messages, one)
		}
	}
	if n := run.Outcome.Message; n > 0 && n <= len(t.Messages) {
		page.Outcome.Message = templates.RunMessageURL(n)
		if page.Step > 0 && page.Step != n {
			page.Outcome.Message = page.WholeURL + templates.RunMessageURL(n)
		}
	}
}

func runParts(text string) []templates.RunPart {
	var out []templates.RunPart
	for _, p := range trace.Parts(text) {
		if p.Text != "" {
			out = append(out, templates.RunPart(p))
		}
	}
	return out
}
