package browser

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// trouble is something that a page without faults does not report.
type trouble struct{ text string }

// Answer is what came over the wire for one request.
type Answer struct {
	URL      string
	Kind     string // as the protocol names it: Document, Stylesheet, Script, Fetch …
	Status   int
	MIME     string
	Encoding string // Content-Encoding
	Bytes    int    // as they came over the wire, headers included
	Cached   bool
}

// hear takes the tab's events, in their order.
func (tab *Tab) hear(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventBindingCalled, *page.EventLoadEventFired, *page.EventDomContentEventFired,
		*page.EventFrameStoppedLoading, *page.EventNavigatedWithinDocument, *runtime.EventExecutionContextsCleared:
		tab.sayChanged()
	case *page.EventFrameNavigated:
		if e.Frame.ParentID == "" {
			tab.pages++
		}
		tab.sayChanged()
	case *runtime.EventExecutionContextCreated:
		if e.Context.Name == observer && tab.isMain(e.Context.AuxData) {
			tab.world = e.Context.ID
		}
		tab.sayChanged()
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		tab.trouble("uncaught: %s (%s:%d)", text, e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var words []string
			for _, arg := range e.Args {
				words = append(words, string(arg.Value)+arg.Description)
			}
			tab.trouble("console.%s: %s", e.Type, strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			tab.trouble("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		tab.issue(e.Issue)
	case *network.EventResponseReceived:
		tab.keepAnswer(e)
	case *network.EventLoadingFinished:
		if a := tab.answers[e.RequestID]; a != nil {
			a.Bytes = int(e.EncodedDataLength)
		}
		tab.sayChanged()
	case *network.EventLoadingFailed:
		tab.sayChanged()
	}
}

// isMain tells whether a world belongs to the page itself, not to a frame in it.
func (tab *Tab) isMain(aux []byte) bool {
	var about struct{ FrameID string }
	if err := json.Unmarshal(aux, &about); err != nil {
		return false
	}
	return tab.mainFrame == "" || about.FrameID == tab.mainFrame
}

func (tab *Tab) sayChanged() {
	close(tab.changed)
	tab.changed = make(chan struct{})
}

func (tab *Tab) trouble(format string, args ...any) {
	tab.troubles = append(tab.troubles, trouble{fmt.Sprintf(format, args...)})
}

// issue keeps what the browser holds against a page: content that its policy
// refused, mixed content, quirks mode, deprecated interfaces.
func (tab *Tab) issue(i *audits.InspectorIssue) {
	d := i.Details
	switch {
	case d.ContentSecurityPolicyIssueDetails != nil:
		csp := d.ContentSecurityPolicyIssueDetails
		tab.trouble("content security policy: %s refused %s (%s)", csp.ViolatedDirective, csp.BlockedURL, csp.ContentSecurityPolicyViolationType)
	case d.MixedContentIssueDetails != nil, d.QuirksModeIssueDetails != nil, d.DeprecationIssueDetails != nil,
		d.StylesheetLoadingIssueDetails != nil, d.CorsIssueDetails != nil:
		tab.trouble("issue: %s", i.Code)
	}
}

// maxAnswers bounds what a tab remembers of the network.
const maxAnswers = 2000

func (tab *Tab) keepAnswer(e *network.EventResponseReceived) {
	if len(tab.order) >= maxAnswers {
		return
	}
	a := &Answer{URL: e.Response.URL, Kind: string(e.Type), Status: int(e.Response.Status), MIME: e.Response.MimeType, Cached: e.Response.FromDiskCache}
	for name, value := range e.Response.Headers {
		if strings.EqualFold(name, "Content-Encoding") {
			a.Encoding = fmt.Sprint(value)
		}
	}
	tab.answers[e.RequestID] = a
	tab.order = append(tab.order, e.RequestID)
}

// Answers returns what came over the wire so far, in the order of the answers.
func (tab *Tab) Answers() []Answer {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	var out []Answer
	for _, id := range tab.order {
		out = append(out, *tab.answers[id])
	}
	return out
}

// Expect says that the tab will report something with this text in it, such as
// the failed request by which a page learns that its session ended.
func (tab *Tab) Expect(text string) { tab.expected = append(tab.expected, text) }

// unexpected returns what the tab reported and nobody expected.
func (tab *Tab) unexpected() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	var out []string
	for _, found := range tab.troubles {
		if !slices.ContainsFunc(tab.expected, func(text string) bool { return strings.Contains(found.text, text) }) && !slices.Contains(out, found.text) {
			out = append(out, found.text)
		}
	}
	return out
}
