package templates

import (
	"strings"
	"testing"

	"github.com/a-h/templ"
)

func sampleErrorGroups() []ErrorGroup {
	return []ErrorGroup{{"Account", []ErrorLine{{"AADSTS50105", "You are not assigned to this app."}, {"AADSTS50126", "The name or the password was wrong."}}},
		{"This portal", []ErrorLine{{"state_unknown", "This sign-in was not started in this browser."}}}}
}

func sampleErrorCard() ErrorCard {
	return ErrorCard{Code: "AADSTS70008", Error: "invalid_grant", Meaning: "Your sign-in has run out.", Next: "Sign in again.", Mender: "The person who signs in.", Place: "Entra admin center › Users",
		Origin: "The token endpoint.", Try: "Can help: the same can succeed next time.", Retry: true}
}

// errorSamples are the pages of the desk: before, with an answer, with hostile text.
func errorSamples() map[string]templ.Component {
	tabs := []NavItem{{"All flows", FlowsURL, false}, {"Errors", FlowErrorsURL, true}, {"Failed sign-ins", FlowFailuresURL, false}}
	answer := FlowErrorsPage{Page: samplePage(FlowErrorsURL), Tabs: tabs, Asked: true, Query: "AADSTS70008", Form: "the answer of the token endpoint", Cards: []ErrorCard{sampleErrorCard()},
		Notes:   []Problem{{Tone: ToneWarning, Title: "There are secrets in what you pasted", What: "A token was in it.", Next: "Leave it out."}},
		Unknown: []UnknownError{{"AADSTS999999", "https://login.microsoftonline.com/error?code=999999"}}, IDs: []FlowFact{{"Correlation ID", sampleID(3)}}, Groups: sampleErrorGroups()}
	failure := FlowFailurePage{Page: samplePage(FlowFailuresURL), Tabs: tabs, Reference: "7K3M9QX2RB41", At: sampleNow, Until: sampleNow.AddDate(0, 0, 7), Card: sampleErrorCard(),
		Facts: []FlowFact{{"Browser", "Edge on Windows"}, {"Network", "198.51.100.0/24"}}, IDs: []FlowFact{{"Correlation ID", sampleID(3)}},
		Trace: "POST /auth/callback\n\nstate=‹state 7f3a·k2›\n", Claims: "ID token 7f3a·k2\n  aud: \"x\"\n"}
	list := FlowFailuresPage{Page: samplePage(FlowFailuresURL), Tabs: tabs, Days: 7, Rows: []FailureRow{{"7K3M9QX2RB41", "state_unknown", sampleNow, false}, {"8K3M9QX2RB42", "AADSTS50105", sampleNow, true}},
		OlderURL: FlowFailuresQueryURL("", sampleNow, "8K3M9QX2RB42"), Later: true}
	bad := ErrorCard{Code: hostile, Error: hostile + "x", Meaning: hostile, Next: hostile, Mender: hostile, Origin: hostile, Try: hostile}
	facts := []FlowFact{{hostile, hostile}}
	return map[string]templ.Component{
		"errors":           FlowErrors(FlowErrorsPage{Page: anonymousPage(FlowErrorsURL), Groups: sampleErrorGroups()}),
		"errors-answer":    FlowErrors(answer),
		"errors-none":      FlowErrors(FlowErrorsPage{Page: anonymousPage(FlowErrorsURL), Asked: true, ByWords: true, Query: "zebra", Groups: sampleErrorGroups()}),
		"failures":         FailedSignIns(list),
		"failures-empty":   FailedSignIns(FlowFailuresPage{Page: samplePage(FlowFailuresURL), Tabs: tabs, Days: 7}),
		"failure":          FailedSignIn(failure),
		"hostile-errors":   FlowErrors(FlowErrorsPage{Page: hostilePage(), Asked: true, Query: hostile, Form: hostile, Cards: []ErrorCard{bad}, Unknown: []UnknownError{{hostile, "javascript:alert(1)"}}, IDs: facts, Groups: []ErrorGroup{{hostile, []ErrorLine{{hostile, hostile}}}}}),
		"hostile-failures": FailedSignIns(FlowFailuresPage{Page: hostilePage(), Code: hostile, Days: 7, Rows: []FailureRow{{hostile, hostile, sampleNow, true}}}),
		"hostile-failure":  FailedSignIn(FlowFailurePage{Page: hostilePage(), Reference: hostile, At: sampleNow, Until: sampleNow, Card: bad, Facts: facts, IDs: facts, Trace: hostile, Claims: hostile}),
	}
}

// TestTheErrorPageCopiesWhatTheHelpDeskNeeds in one text.
func TestTheErrorPageCopiesWhatTheHelpDeskNeeds(t *testing.T) {
	v := MessagePage{Page: anonymousPage("/auth/callback"), Heading: "You are not signed in", Code: "AADSTS50105", At: sampleNow, Address: "/auth/callback",
		CorrelationID: sampleID(3), ExplainURL: FlowErrorURL("AADSTS50105")}
	s := part(t, Message(v))
	copied := s.Find(".help > button[data-copy]").AttrOr("data-copy", "")
	for _, want := range []string{"Code: AADSTS50105\n", "Reference: " + v.Reference + "\n", "Time: 2026-11-21T14:05:00Z\n", "Page: /auth/callback\n", "Correlation ID: " + sampleID(3) + "\n"} {
		if !strings.Contains(copied, want) {
			t.Errorf("%q is not in %q", want, copied)
		}
	}
	if got := s.Find(".help pre.nojs").Text(); got != copied {
		t.Errorf("without a script the text is %q", got)
	}
	if s.Find(".help a[href='/flows/errors?q=AADSTS50105']").Length() != 1 {
		t.Error("no way to what the code means")
	}
}
