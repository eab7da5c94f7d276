package handlers

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/trace"
	"azts.internal/portal/templates"
)

// runTelling puts the messages of one run into the words of its flow.
type runTelling struct {
	run   *flows.Run
	flow  flows.Flow
	marks []string // what was wrong on purpose
}

func newRunTelling(run *flows.Run, flow flows.Flow) runTelling {
	t := runTelling{run: run, flow: flow}
	if failure, ok := flows.FailureIn(run.Flow, run.Failure, run.Place); ok && run.Outcome.Expected {
		t.marks = failure.Marks
	}
	return t
}

// message tells message number of the run, counted from 1; alone is whether it
// has the page for itself.
func (t runTelling) message(number int, failed, alone bool) templates.RunMessage {
	m := &t.run.Trace.Messages[number-1]
	one := templates.RunMessage{Number: number, From: m.From, To: m.To, Name: cmp.Or(m.Name, "Message"), What: m.Note, At: m.StartedAt, Method: m.Request.Method,
		Header: t.fields(m.Request.Header, number), Failed: failed, Error: m.Error, Front: m.Front}
	if m.Took > 0 {
		one.Took = shortly(m.Took)
	}
	if after := m.StartedAt.Sub(t.run.Trace.Messages[0].StartedAt); after > 0 {
		one.After = "+" + shortly(after)
	}
	if known, ok := t.flow.Message(m.ID); ok {
		one.What, one.Explained = known.What, templates.FlowURL(t.flow.ID)+"#m-"+m.ID
	}
	if m.ID == "answer" && m.To == string(flows.Portal) && t.asksLater(number) {
		one.What += " The portal answers only when it has what it asks for below: keys, or tokens."
	}
	address, query := m.Request.Address()
	one.Address, one.Query = runParts(address), t.parameters(m.ID, query, number)
	one.Sent = t.body(m.ID, &m.Request.Body, number)
	text := m.Request.URL + m.Request.Body.Text
	for _, h := range m.Request.Header {
		text += h.Value
	}
	if m.Answer != nil {
		one.Status = strings.TrimSpace(strconv.Itoa(m.Answer.Status) + " " + http.StatusText(m.Answer.Status))
		one.AnswerHeader, one.Answered = t.fields(m.Answer.Header, 0), t.body("", &m.Answer.Body, 0)
		text += m.Answer.Body.Text
		for _, h := range m.Answer.Header {
			text += h.Value
		}
	}
	for i := range t.run.Trace.Tokens {
		if token := &t.run.Trace.Tokens[i]; strings.Contains(text, token.Fingerprint) {
			one.Tokens = append(one.Tokens, t.token(token, number, alone))
		}
	}
	one.HeadersOpen = slices.ContainsFunc(one.Header, isWrong)
	return one
}

// asksLater reports whether the portal asks the tenant for something after a message.
func (t runTelling) asksLater(number int) bool {
	return slices.ContainsFunc(t.run.Trace.Messages[number:], func(m trace.Message) bool {
		return m.From == string(flows.Portal) && m.To == string(flows.Tenant)
	})
}

func isWrong(f templates.RunField) bool { return f.Wrong }

// maxShown is how many lines of a body are shown before it is folded.
const maxShown = 24

func (t runTelling) body(id string, b *trace.Body, number int) templates.RunBody {
	out := templates.RunBody{Note: b.Note, Fields: t.parameters(id, b.Fields(), number)}
	if len(out.Fields) > 0 {
		return out
	}
	text := b.Indented()
	out.Text = runParts(text)
	switch {
	case b.Type == "text/html":
		out.Fold = "The page that was answered"
	case strings.Count(text, "\n") > maxShown:
		out.Fold = "What was answered, " + strconv.Itoa(strings.Count(text, "\n")+1) + " lines"
	}
	return out
}

// wrong reports whether something in a message is what was done wrong on purpose.
func (t runTelling) wrong(name string, number int) bool {
	return number > 0 && number == t.run.Outcome.Message && slices.Contains(t.marks, name)
}

// parameters tells the fields of an address or a form.
func (t runTelling) parameters(id string, fields []trace.Field, number int) []templates.RunField {
	out := t.fields(fields, number)
	for i := range out {
		// What the catalogue says of it may be no more than its value.
		if out[i].Meaning = t.flow.Meaning(id, fields[i].Name); out[i].Meaning == fields[i].Value {
			out[i].Meaning = ""
		}
	}
	return out
}

func (t runTelling) fields(fields []trace.Field, number int) []templates.RunField {
	out := make([]templates.RunField, len(fields))
	for i, f := range fields {
		out[i] = templates.RunField{Name: f.Name, Value: runParts(f.Value), Wrong: t.wrong(f.Name, number)}
	}
	return out
}

func (t runTelling) token(token *trace.Decoded, number int, alone bool) templates.RunToken {
	claims := func(list []trace.Claim, header bool) []templates.RunField {
		members := make([]entra.Member, len(list))
		for i, c := range list {
			members[i] = entra.Member{Name: c.Name, JSON: c.Value}
		}
		var out []templates.RunField
		for _, c := range entra.DescribeMembers(members, header) {
			out = append(out, templates.RunField{Name: c.Name, Value: runParts(c.Value), Meaning: c.Meaning, Time: c.Time, Wrong: !header && t.wrong(c.Name, number)})
		}
		return out
	}
	one := templates.RunToken{Name: token.Fingerprint, Header: claims(token.Header, true), Claims: claims(token.Claims, false), Encrypted: token.Encrypted}
	one.Open = alone || slices.ContainsFunc(one.Claims, isWrong)
	return one
}

// shortly is a short time in words.
func shortly(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(d.Seconds()*1000, 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}
