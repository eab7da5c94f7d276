package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// Limits of a trace. Text beyond them is cut with a word, messages are counted.
const (
	MaxMessages = 100
	MaxBody     = 64 << 10 // of one body
	MaxTotal    = 1 << 20  // of all bodies, headers and addresses

	maxField  = 8 << 10 // of one header or claim
	maxFields = 80      // of one message, each way
	// maxStored is the size of the largest trace in JSON: escaping makes it longer.
	maxStored = 12 << 20
)

// Trace is what was said in a flow, without its secrets. It may be stored and
// shared; it holds personal data of its owner.
type Trace struct {
	ID        string    `json:"id"`
	Owner     string    `json:"owner"`
	Flow      string    `json:"flow"`
	StartedAt time.Time `json:"startedAt"`
	Outcome   string    `json:"outcome,omitempty"`
	Messages  []Message `json:"messages"`
	// Dropped counts the messages beyond MaxMessages or MaxTotal.
	Dropped int `json:"dropped,omitempty"`
	// Tokens are the tokens of the messages, decoded, in the order they came.
	Tokens []Decoded `json:"tokens,omitempty"`
	// Correlations are the ids by which the services' logs can be searched.
	Correlations []Correlation `json:"correlations,omitempty"`
}

// Message is a request and the answer to it.
type Message struct {
	Step
	// Front tells that the browser carried it (front channel), so that times and
	// headers are what we know of it and no more.
	Front     bool      `json:"front,omitempty"`
	StartedAt time.Time `json:"startedAt"`
	// Wait is the time until the answer began, Took until it ended, as far as it
	// was read.
	Wait    time.Duration `json:"wait"`
	Took    time.Duration `json:"took"`
	Request Request       `json:"request"`
	Answer  *Answer       `json:"answer,omitempty"` // nil where none came
	Error   string        `json:"error,omitempty"`  // why none came
}

// Step says what a message is in its flow.
type Step struct {
	ID   string `json:"step,omitempty"` // of the message in the catalogue
	From string `json:"from"`           // Browser, Portal, Tenant, API, …
	To   string `json:"to"`
	Name string `json:"name,omitempty"`
	Note string `json:"note,omitempty"`
}

// Request is what was asked.
type Request struct {
	Method string  `json:"method"`
	URL    string  `json:"url"`
	Header []Field `json:"header,omitempty"`
	Body   Body    `json:"body"`
}

// Answer is what was answered.
type Answer struct {
	Status int     `json:"status"`
	Proto  string  `json:"proto,omitempty"` // HTTP/1.1, where it is known
	Header []Field `json:"header,omitempty"`
	Body   Body    `json:"body"`
}

// Field is a header field; those that tell most come first.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Body is the content of a message. It was not understood, only searched.
type Body struct {
	Type string `json:"type,omitempty"` // its media type, without parameters
	Text string `json:"text,omitempty"`
	// Size is how many bytes came, before anything was cut or redacted.
	Size int64 `json:"size"`
	// Note says in words what is missing of Text, and why.
	Note string `json:"note,omitempty"`
}

// Correlation is an id by which a service knows a request.
type Correlation struct {
	Name  string `json:"name"` // "Correlation ID", "Trace ID", or the header's
	Value string `json:"value"`
	// Message is the index of the message that has it first.
	Message int `json:"message"`
}

// WriteJSON writes t as JSON, to be read by [ReadJSON] or by people.
func (t Trace) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(t)
}

// ReadJSON reads what [Trace.WriteJSON] or json.Marshal wrote. It refuses more
// than a trace can be.
func ReadJSON(r io.Reader) (Trace, error) {
	limited := &io.LimitedReader{R: r, N: maxStored + 1}
	var t Trace
	err := json.NewDecoder(limited).Decode(&t)
	switch {
	case limited.N <= 0:
		return Trace{}, fmt.Errorf("trace: more than %d bytes", maxStored)
	case err != nil:
		return Trace{}, fmt.Errorf("trace: %w", err)
	case len(t.Messages) > MaxMessages:
		return Trace{}, fmt.Errorf("trace: %d messages, at most %d", len(t.Messages), MaxMessages)
	case len(t.Tokens) > maxDecoded || len(t.Correlations) > maxCorrelations:
		return Trace{}, fmt.Errorf("trace: %d tokens and %d correlation ids are too many", len(t.Tokens), len(t.Correlations))
	}
	return t, nil
}

// clip returns text, at most max bytes of it.
func clip(text string, max int) string {
	if len(text) <= max {
		return text
	}
	for max > 0 && !utf8.RuneStart(text[max]) {
		max--
	}
	return text[:max] + "… " + withheldLong
}
