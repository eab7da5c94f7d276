package trace

import (
	"cmp"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options are what a Recorder has to know.
type Options struct {
	ID, Owner, Flow string
	Now             func() time.Time
	Random          io.Reader // crypto/rand.Reader but in tests
	// From is who sends what goes through Transport, Parties who answers at a
	// host (with its port, where there is one). Another host names itself.
	From    string
	Parties map[string]string
	// Public are values that stand in places of secrets and are known to
	// everybody; see [Redactor.Public].
	Public []string
}

// Recorder notes the messages of one flow while it runs. It has the secrets in
// memory as long as it lives, since what is learned late must be taken out of
// what was said before; nothing of them leaves it. It is safe for use by several
// goroutines.
type Recorder struct {
	options   Options
	redactor  *Redactor
	startedAt time.Time

	mu       sync.Mutex
	messages []*recorded
	kept     int // bytes
	dropped  int
	outcome  string
}

// recorded is a message with its secrets.
type recorded struct {
	step      Step
	front     bool
	startedAt time.Time
	wait      time.Duration
	took      time.Duration
	method    string
	url       noted
	header    []notedField
	body      *capture
	answered  bool
	status    int
	proto     string
	answer    []notedField
	content   *capture
	err       string
}

// New returns a Recorder for one run of a flow.
func New(o Options) *Recorder {
	if o.Now == nil {
		panic("trace: no clock")
	}
	o.From = cmp.Or(o.From, "Portal")
	r := &Recorder{options: o, redactor: NewRedactor(o.Random), startedAt: o.Now()}
	for _, value := range o.Public {
		r.redactor.Public(value)
	}
	return r
}

// Secret tells that value is a secret wherever it stands. Tell it before it is
// first sent: until then it is redacted only where it is known by its place.
func (r *Recorder) Secret(kind Kind, value string) { r.redactor.Secret(kind, value) }

// Finish says how the flow ended.
func (r *Recorder) Finish(outcome string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome = outcome
}

// Exchange is a message that did not go through Transport: one of the browser's.
type Exchange struct {
	Step
	At     time.Time // now, if it is zero
	Took   time.Duration
	Method string
	URL    string // with its fragment, where the browser got one
	Header http.Header
	Body   []byte
	// Status is 0 where there is no answer that we know of.
	Status       int
	AnswerHeader http.Header
	AnswerBody   []byte
	Err          error
}

// Add notes a message of the front channel.
func (r *Recorder) Add(x Exchange) {
	m := r.begin(x.Step, x.Method, x.URL, x.Header)
	if m == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m.front = true
	if !x.At.IsZero() {
		m.startedAt = x.At
	}
	m.wait, m.took = x.Took, x.Took
	m.body = newCapture(x.Header)
	m.body.write(x.Body)
	r.settle(m.body)
	if x.Err != nil {
		m.err = x.Err.Error()
	}
	if x.Status == 0 {
		return
	}
	m.answered, m.status = true, x.Status
	m.answer = r.headers(x.AnswerHeader)
	m.content = newCapture(x.AnswerHeader)
	m.content.write(x.AnswerBody)
	r.settle(m.content)
}

// begin notes a request, or returns nil where there is no room for it.
func (r *Recorder) begin(step Step, method, address string, header http.Header) *recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.messages) >= MaxMessages || r.kept >= MaxTotal {
		r.dropped++
		return nil
	}
	m := &recorded{step: r.named(step, address), startedAt: r.options.Now(), method: clip(method, 40)}
	m.url = r.redactor.noteOf(address, addressing)
	r.kept += len(m.url.text)
	m.header = r.headers(header)
	r.messages = append(r.messages, m)
	return m
}

// named completes a step with the parties that the address tells of.
func (r *Recorder) named(step Step, address string) Step {
	step.From = cmp.Or(step.From, r.options.From)
	if step.To == "" {
		if u, err := url.Parse(address); err == nil {
			step.To = cmp.Or(r.options.Parties[u.Host], u.Host)
		}
	}
	return step
}

// headers notes a header, which is counted.
func (r *Recorder) headers(header http.Header) []notedField {
	fields := r.redactor.noteHeader(header)
	for _, f := range fields {
		r.kept += len(f.name.text) + len(f.value.text)
	}
	return fields
}

// settle searches a body that is complete and keeps what may be kept of it.
// r.mu is held.
func (r *Recorder) settle(c *capture) {
	if c.settled {
		return
	}
	c.settled = true
	c.noted, c.note, c.size = r.redactor.noteBody(c)
	c.raw = nil
	if len(c.noted.text) > MaxBody {
		c.noted.keep(MaxBody)
	}
	if r.kept += len(c.noted.text); r.kept > MaxTotal {
		r.kept -= len(c.noted.text)
		c.noted, c.note = noted{}, "not kept: the trace is full"
	}
}

// Trace returns what was said up to now, without what is known to be secret by
// now. Bodies that are still being read end where they are.
func (r *Recorder) Trace() Trace {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.redactor
	t := Trace{ID: r.options.ID, Owner: r.options.Owner, Flow: r.options.Flow, StartedAt: r.startedAt,
		Dropped: r.dropped, Messages: make([]Message, 0, len(r.messages))}
	// All is learned before anything is written.
	open := make([][2]*capture, len(r.messages))
	for i, m := range r.messages {
		open[i] = [2]*capture{r.complete(m.body), r.complete(m.content)}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range r.messages {
		for _, text := range []string{m.err, m.step.Name, m.step.Note} {
			d.note([]byte(text), loose)
		}
	}
	t.Outcome = d.clean(d.note([]byte(r.outcome), loose))
	for i, m := range r.messages {
		out := Message{Step: m.step, Front: m.front, StartedAt: m.startedAt, Wait: m.wait, Took: m.took,
			Request: Request{Method: m.method, URL: clip(d.clean(m.url), 2*maxField), Header: d.fields(m.header), Body: d.body(open[i][0])}}
		out.Name, out.Note, out.Error = d.text(m.step.Name), d.text(m.step.Note), d.text(m.err)
		if m.answered {
			out.Answer = &Answer{Status: m.status, Proto: m.proto, Header: d.fields(m.answer), Body: d.body(open[i][1])}
		}
		t.Messages = append(t.Messages, out)
	}
	t.Tokens = d.tokens()
	t.Correlations = correlations(t.Messages)
	return t
}

// complete returns c as if its body had ended. r.mu is held.
func (r *Recorder) complete(c *capture) *capture {
	if c == nil || c.settled {
		return c
	}
	now := *c
	now.noted, now.note, now.size = r.redactor.noteBody(c)
	now.noted.keep(MaxBody)
	now.noted.cut = true // and be it in the middle of a secret
	now.note = cmp.Or(now.note, "still being read")
	return &now
}

// text cleans a short text of ours. r.mu is held.
func (r *Redactor) text(s string) string {
	return clip(r.clean(r.note([]byte(s), loose)), maxField)
}

func (r *Redactor) noteOf(text string, f form) noted {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.note([]byte(text), f)
	n.keep(4 * maxField)
	return n
}
