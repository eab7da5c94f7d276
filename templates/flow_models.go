package templates

import (
	"net/url"
	"strconv"
	"strings"
)

// Addresses of the area that shows how tokens are got.
const (
	FlowsURL      = "/flows"        // GET
	FlowErrorsURL = "/flows/errors" // GET q; POST text
	FlowHealthURL = "/flows/health" // GET
	MyRunsURL     = "/flows/runs"   // GET
)

// FlowURL returns the address of one flow.
func FlowURL(id string) string { return FlowsURL + "/" + url.PathEscape(id) }

// FlowRunsURL returns the address that takes a POST to run a flow.
func FlowRunsURL(id string) string { return FlowURL(id) + "/runs" }

// FlowErrorURL returns the address of what is known of an error.
func FlowErrorURL(text string) string {
	return FlowErrorsURL + "?" + url.Values{"q": {text}}.Encode()
}

// FlowsPage lists the flows.
type FlowsPage struct {
	Page
	Tabs   []NavItem
	Groups []FlowGroup
}

// FlowGroup are the flows for one want.
type FlowGroup struct {
	Title string
	Flows []FlowLine
}

// FlowLine is one flow in the list.
type FlowLine struct {
	ID, Title, Summary string
	UseWhen            string
	Runs               string // where it can be run
}

// FlowPage explains one flow.
type FlowPage struct {
	Page
	Tabs               []NavItem
	ID, Title, Summary string
	UseWhen, AvoidWhen []string
	Diagram            FlowDiagram
	Messages           []FlowMessage
	Retries            []FlowRetry // of the machine's own endpoint; none: no such table
	RetryDelays        string
	Commands           []FlowCommand
	Risks              []string
	Failures           []FlowFailure
	Places             []FlowPlace // where it can be run; none: run is not offered
	PlacesNote         string
}

// FlowMessage is one message as it should be.
type FlowMessage struct {
	Number     int
	ID         string
	From, To   string
	Name, What string
	Parameters []FlowParameter
	V1, V2     string // examples; V1 empty: there is none
}

// FlowParameter is one parameter of a message.
type FlowParameter struct{ Name, V1, V2, Meaning string }

// FlowRetry is one line of the table of retries.
type FlowRetry struct {
	Status, Error, Meaning string
	Again                  bool
}

// FlowCommand does the same with a tool.
type FlowCommand struct{ Tool, Code, Note string }

// FlowFailure is something done wrong on purpose.
type FlowFailure struct {
	ID, Title, What, Refuses, Check, Code, Why string
	LabOnly                                    bool
}

// FlowPlace is where a flow can be run.
type FlowPlace struct{ Value, Label string }

// FlowDiagram is who says what to whom, in order.
type FlowDiagram struct {
	Title   string
	Parties []string // from left to right
	Arrows  []FlowArrow
}

// FlowArrow is one message in a diagram; From and To count Parties from 0.
type FlowArrow struct {
	From, To int
	Label    string
	URL      string
	Failed   bool // refused, or not answered
}

// The measures of a diagram, in its own units, which are CSS pixels at full size.
const (
	diagramColumn = 228 // from one lifeline to the next
	diagramHead   = 40  // height of a party's box
	diagramRow    = 56  // height of an arrow with its label
	diagramBox    = 132 // width of a party's box
	diagramMargin = 76  // from the edge to the first lifeline: half a box and air
	labelLength   = 30  // characters of a line of a label
)

type diagramParty struct {
	Name                string
	Middle, Left, Lower string
}

type diagramArrow struct {
	FlowArrow
	Number             string
	From, To, Y, LineY string
	Head               string // points of the arrow's head
	Circle             string // x of the number
	TextX              string
	Lines              []diagramLine
}

type diagramLine struct{ Y, Text string }

func (d FlowDiagram) width() int {
	return 2*diagramMargin + max(0, len(d.Parties)-1)*diagramColumn
}

func (d FlowDiagram) height() int { return diagramHead + len(d.Arrows)*diagramRow + 24 }

func (d FlowDiagram) viewBox() string {
	return "0 0 " + strconv.Itoa(d.width()) + " " + strconv.Itoa(d.height())
}

func lifeline(n int) int { return diagramMargin + n*diagramColumn }

func (d FlowDiagram) parties() []diagramParty {
	list := make([]diagramParty, len(d.Parties))
	for i, name := range d.Parties {
		x := lifeline(i)
		list[i] = diagramParty{Name: name, Middle: strconv.Itoa(x), Left: strconv.Itoa(x - diagramBox/2), Lower: strconv.Itoa(d.height() - 8)}
	}
	return list
}

// arrows lays the messages out: one a row, the label above its line, beside the
// number, which stands where the message begins.
func (d FlowDiagram) arrows() []diagramArrow {
	list := make([]diagramArrow, len(d.Arrows))
	for i, a := range d.Arrows {
		y := diagramHead + (i+1)*diagramRow
		from, to := lifeline(a.From), lifeline(a.To)
		head := to - 9
		if to < from {
			head = to + 9
		}
		left := min(from, to)
		one := diagramArrow{FlowArrow: a, Number: strconv.Itoa(i + 1), From: strconv.Itoa(from), To: strconv.Itoa(to), Y: strconv.Itoa(y), Circle: strconv.Itoa(from),
			Head:  strings.Join([]string{point(to, y), point(head, y-5), point(head, y+5)}, " "),
			TextX: strconv.Itoa(left + 16)}
		lines := wrapLabel(a.Label)
		for n, text := range lines {
			one.Lines = append(one.Lines, diagramLine{Y: strconv.Itoa(y - 8 - 15*(len(lines)-1-n)), Text: text})
		}
		list[i] = one
	}
	return list
}

func point(x, y int) string { return strconv.Itoa(x) + "," + strconv.Itoa(y) }

// wrapLabel breaks a label into two lines at most.
func wrapLabel(text string) []string {
	if len(text) <= labelLength {
		return []string{text}
	}
	cut := strings.LastIndexByte(text[:labelLength+1], ' ')
	if cut <= 0 {
		return []string{text}
	}
	return []string{text[:cut], text[cut+1:]}
}

func (m FlowMessage) anchor() string { return "m-" + m.ID }

// few reports whether a message has so few parameters that they are shown at once.
func (m FlowMessage) few() bool { return len(m.Parameters) <= 4 }

// needs counts the parameters by how much v2 needs them.
func (m FlowMessage) needs() string {
	counts := map[string]int{}
	for _, p := range m.Parameters {
		counts[p.V2]++
	}
	var parts []string
	for _, need := range []string{"required", "recommended", "optional"} {
		if n := counts[need]; n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+need)
		}
	}
	text := plural(len(m.Parameters), "parameter")
	if n := counts["–"]; n > 0 {
		parts = append(parts, strconv.Itoa(n)+" in v1 only")
	}
	switch {
	case len(m.Parameters) == 1:
		return text + ": " + m.Parameters[0].V2
	case len(parts) > 0:
		return text + ": " + strings.Join(parts, ", ")
	}
	return text
}

func (m FlowMessage) anyV1() bool {
	for _, p := range m.Parameters {
		if p.V1 != p.V2 {
			return true
		}
	}
	return false
}
