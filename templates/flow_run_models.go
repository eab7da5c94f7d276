package templates

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MyRunURL returns the address of one run.
func MyRunURL(id string) string { return MyRunsURL + "/" + url.PathEscape(id) }

// MyRunActionURL returns the address that takes a POST about a run: next, share,
// unshare or delete.
func MyRunActionURL(id, action string) string { return MyRunURL(id) + "/" + action }

// SharedRunURL returns the address by which the help desk sees a run.
func SharedRunURL(token string) string { return FlowsURL + "/shared/" + url.PathEscape(token) }

// RunsPage lists a person's runs.
type RunsPage struct {
	Page
	Tabs []NavItem
	Runs []RunLine
}

// RunLine is one run in the list.
type RunLine struct {
	ID, Title, Failure, Where string
	StartedAt                 time.Time
	Outcome                   RunOutcome
	Shared                    bool
}

// RunOutcome is how a run ended.
type RunOutcome struct {
	Tone    Tone
	Title   string // such as "Refused by the tenant, as it should be"
	Text    []RunPart
	Refused string // who refused; "" for nobody
	Code    string
	Check   string // which check, in a sentence
	Why     string // why that is good
	Next    string // what to do, where it was not meant to be refused
	Mender  string // who does it
	Message string // address of the message that was refused; ""
}

// RunPage shows what was said in a run.
type RunPage struct {
	Page
	Tabs      []NavItem
	ID        string // "" where it is somebody else's that was shared
	Flow      string // id
	Title     string
	Where     string
	Failure   string // what was done wrong; "" for nothing
	StartedAt time.Time
	EndsAt    time.Time
	Outcome   RunOutcome
	Waits     *RunWait
	Diagram   FlowDiagram
	Messages  []RunMessage
	// Correlations are the ids by which the tenant's logs can be searched.
	Correlations []FlowFact
	IDs          string // their heading
	AtTenant     bool   // they are the tenant's
	Notes        []RunNote
	Dropped      int
	Present      bool
	// Addresses of this page in its other forms.
	WholeURL, StepsURL, PresentURL, PlainURL string
	Previous, Next                           string // steps; "" for none
	Step, Steps                              int    // Step 0: all at once
	HARURL, JSONURL                          string
	Share                                    string // full address for the help desk; "" where it is not shared
	CanShare                                 bool
	SharedBy                                 string // whose it is, to the help desk; ""
	// Told is whether the end is told yet: who goes step by step shall see it come.
	Told bool
}

// RunNote is what to know about a run beside how it ended.
type RunNote struct {
	Text, Label, URL string // what to do about it; "" for nothing
}

// RunWait is a script that waits for its person.
type RunWait struct {
	UserCode  string
	Address   string
	ExpiresAt time.Time
	NextIn    int // seconds until it may ask again
	Polls     int
	Action    string // address that takes the question; it comes back to the same view
	// Unanswered says that the tenant did not answer the last time.
	Unanswered bool
}

// RunMessage is a message as it went.
type RunMessage struct {
	Number               int
	From, To, Name       string
	What                 string // what it is for; "" for what explains itself
	Explained            string // address of what it means in full; ""
	At                   time.Time
	After                string // how long after the first message; "" for that one
	Took                 string
	Method               string
	Address              []RunPart
	Query                []RunField // that stand in the address
	Header, AnswerHeader []RunField
	HeadersOpen          bool // what was wrong stands there
	Sent, Answered       RunBody
	Status               string // with its words; "" where no answer is known
	Failed               bool
	Error                string
	Front                bool
	Tokens               []RunToken
}

// RunBody is the content of a message.
type RunBody struct {
	Fields []RunField // of a form
	Text   []RunPart  // of anything else
	Note   string
	Fold   string // title of the panel that it is folded into; "" for none
}

// RunPart is a stretch of text; a fingerprint stands for a secret.
type RunPart struct {
	Text        string
	Fingerprint bool
}

// RunField is a parameter, a header or a claim.
type RunField struct {
	Name    string
	Value   []RunPart
	Meaning string
	Time    time.Time // of a claim that is one
	Wrong   bool      // wrong on purpose, and why the message was refused
}

// RunToken is a token that a message brought, decoded.
type RunToken struct {
	Name           string // its fingerprint
	Header, Claims []RunField
	Encrypted      bool
	Open           bool
}

func (m *RunMessage) anchor() string { return "s-" + strconv.Itoa(m.Number) }

// RunMessageURL returns the place of a message on a run's page.
func RunMessageURL(number int) string { return "#s-" + strconv.Itoa(number) }

func (m *RunMessage) tone() Tone {
	switch {
	case m.Failed:
		return ToneError
	case strings.HasPrefix(m.Status, "2"):
		return ToneSuccess
	}
	return ToneInfo
}

// idsPlace says where the ids are looked up; "" for those of the sandbox.
func (v *RunPage) idsPlace() string {
	if v.AtTenant {
		return signInLogPlace
	}
	return ""
}

func runLead(v *RunPage) string {
	lead := v.Where
	if v.Failure != "" {
		lead += ", broken on purpose: " + v.Failure
	}
	return lead + "."
}
