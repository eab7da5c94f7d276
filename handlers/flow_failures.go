package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/explain"
	"azts.internal/portal/internal/failures"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/internal/trace"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// verifiedPerMinute, begunPerMinute and foreignPerMinute are how many failed
	// sign-ins are kept of one network in a minute: a company comes from one address
	// when its sign-in breaks. The others are of all networks together: whoever has
	// many takes at least 20 minutes to push out what others have begun.
	verifiedPerMinute, begunPerMinute, foreignPerMinute = 120, 100, 20
	verifiedInAll, begunInAll, foreignInAll             = 600, 200, 100
	// maxTraced bounds the form that is traced, in bytes.
	maxTraced = 32 << 10
)

// failedSignIns keeps the sign-ins that failed and shows them to the help desk.
type failedSignIns struct {
	*frame
	archive                  *failures.Archive
	verified, begun, foreign *crowd
}

func newFailedSignIns(f *frame, p Parts) *failedSignIns {
	return &failedSignIns{frame: f, archive: p.Failures, verified: newCrowd(verifiedPerMinute, verifiedInAll, p.Now),
		begun: newCrowd(begunPerMinute, begunInAll, p.Now), foreign: newCrowd(foreignPerMinute, foreignInAll, p.Now)}
}

// attempt is what an answer to a sign-in turned out to be, as far as it was
// checked.
type attempt struct {
	flow session.Flow
	user access.User // zero before every check of the ID token passed
}

type attemptKey struct{}

// attemptOf returns the attempt that the request is, to be filled in. Outside of
// kept nobody looks at it.
func attemptOf(ctx context.Context) *attempt {
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		return a
	}
	return new(attempt)
}

// kept keeps what the help desk needs of a sign-in that fails. The person sees the
// same page whether that works or not.
func (s *failedSignIns) kept(h handler) handler {
	if s.archive == nil {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		a := new(attempt)
		r = r.WithContext(context.WithValue(r.Context(), attemptKey{}, a))
		err := h(w, r)
		if err == nil || r.Context().Err() != nil {
			return err
		}
		if a.flow.Purpose == purposeFlow {
			return err // who ran a flow is signed in, and stays so
		}
		if leaving(r) && statuses[apperr.From(err).Kind] < http.StatusInternalServerError {
			return err // what was asked for was no sign-in
		}
		f := s.failure(r, a, err)
		pool := s.foreign
		switch {
		case f.Verified:
			pool = s.verified
		case f.Begun:
			pool = s.begun
		}
		if pool.allow(r.Context()) {
			f.Trace = s.traceOf(r, a, apperr.From(err)) // work that strangers can ask for: after the limit
			if keepErr := s.archive.Keep(r.Context(), f); keepErr != nil {
				s.log.ErrorContext(r.Context(), "a failed sign-in is not kept", "err", keepErr)
			}
		}
		return err
	}
}

// leaving reports whether a request is the one that leads to the company sign-in.
func leaving(r *http.Request) bool { return r.URL.Path == templates.LoginPath }

func (s *failedSignIns) failure(r *http.Request, a *attempt, err error) failures.Failure {
	e := apperr.From(err)
	f := failures.Failure{Reference: reqlog.ID(r.Context()), Code: e.Code, Begun: a.flow.Purpose != "", Message: e.Message, Next: e.Next, Mender: e.Mender, Retry: e.Retry,
		Purpose: a.flow.Purpose, Path: wanted(a.flow.ReturnTo), Browser: session.DeviceName(r.UserAgent()), Network: failures.Network(reqlog.Client(r.Context())),
		Tenant: a.user.TenantID, Account: a.user.Account, BegunAt: a.flow.StartedAt, Open: session.FlowCookies(r)}
	switch {
	case leaving(r):
		q := r.URL.Query()
		f.Purpose = purposeSignIn
		f.Path = wanted(q.Get("return_to"))
		// Nobody has vouched for the name before the domain.
		if _, domain, ok := strings.Cut(hint(q.Get("login_hint")), "@"); ok {
			f.Account = "somebody of " + domain
		}
	case !f.Begun:
		f.Path = ""
	}
	var said *entra.ProviderError
	f.Verified = f.Begun && (a.flow.Session != (session.ID{}) || a.user.Account != "")
	if errors.As(err, &said) {
		// A code is redeemed only after the ID token beside it has passed. Without one,
		// a made-up code gets an answer too.
		f.Verified = f.Verified || f.Begun && said.Status != 0 && strings.Contains(a.flow.ResponseType, "id_token")
		f.Provider = &failures.Provider{Direct: said.Status != 0, Numbers: said.Codes, CorrelationID: said.CorrelationID, TraceID: said.TraceID, Timestamp: said.Timestamp}
		// A name that is in no table is a stranger's text; the trace has it.
		if _, ok := entra.ExplainOAuth(said.OAuthError); ok {
			f.Provider.Error = said.OAuthError
		}
		if _, ok := entra.ExplainSuberror(said.Subcode); ok {
			f.Provider.Subcode = said.Subcode
		}
	}
	return f
}

// wanted is where somebody wanted to, as the help desk may read it.
func wanted(returnTo string) string {
	path, _, _ := strings.Cut(localPath(returnTo), "?")
	return pathShown(path)
}

// traceOf returns the message that failed, without its secrets. Cookies are left
// out: Open says what the help desk wants to know of them.
func (s *failedSignIns) traceOf(r *http.Request, a *attempt, e *apperr.Error) *trace.Trace {
	recorder := trace.New(trace.Options{ID: reqlog.ID(r.Context()), Flow: "sign-in", Now: s.now, Random: rand.Reader, From: "Browser"})
	recorder.Secret(trace.Nonce, a.flow.Nonce)
	recorder.Secret(trace.Verifier, a.flow.Verifier)
	header := http.Header{}
	for _, name := range []string{"Content-Type", "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"} {
		if value := r.Header.Get(name); value != "" {
			header.Set(name, clipped(value))
		}
	}
	name := "Answer of the company sign-in"
	if leaving(r) {
		name = "Way to the company sign-in"
	}
	// As it was parsed: the order of the fields is lost.
	var body []byte
	if text := r.PostForm.Encode(); len(text) <= maxTraced {
		body = []byte(text)
	}
	recorder.Add(trace.Exchange{Step: trace.Step{From: "Browser", To: "Portal", Name: name}, Method: r.Method, URL: r.URL.Path,
		Header: header, Body: body, Status: statuses[e.Kind]})
	recorder.Finish(e.Code)
	t := recorder.Trace()
	return &t
}

// list is GET /flows/failures?code=&before=&after=. A reference in place of the code
// leads to what it names.
func (s *failedSignIns) list(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	q := r.URL.Query()
	query := failures.Query{Code: clipped(strings.TrimSpace(q.Get("code")))}
	missing := ""
	if reference := explain.Reference(strings.ToUpper(query.Code)); reference != "" {
		_, err := s.archive.Find(r.Context(), reference)
		if err == nil {
			redirect(w, templates.FlowFailureURL(reference))
			return nil
		}
		if !apperr.IsKind(err, apperr.NotFound) {
			return err
		}
		missing, query.Code = reference, ""
	}
	query.Code = codeTyped(query.Code)
	if at, err := time.Parse(time.RFC3339Nano, q.Get("before")); err == nil {
		query.Before, query.Reference = at, clipped(q.Get("after"))
	}
	rows, more, err := s.archive.List(r.Context(), query)
	if err != nil {
		return err
	}
	page := templates.FlowFailuresPage{Page: s.page(r, "Failed sign-ins", templates.FlowsURL), Tabs: s.flowTabs(live, templates.FlowFailuresURL), Code: query.Code, Missing: missing,
		Later: !query.Before.IsZero(), Days: failures.Days}
	for _, rec := range rows {
		page.Rows = append(page.Rows, templates.FailureRow{Reference: rec.Reference, Code: rec.Code, At: rec.At, Begun: rec.Begun})
	}
	if more {
		last := rows[len(rows)-1]
		page.OlderURL = templates.FlowFailuresQueryURL(query.Code, last.At, last.Reference)
	}
	return s.render(w, r, http.StatusOK, templates.FailedSignIns(page))
}

// codeTyped is the beginning of a code as people type and say it: the number of an
// AADSTS error is often all that they have.
func codeTyped(text string) string {
	number := strings.TrimPrefix(strings.ToUpper(text), "AADSTS")
	if bareNumber.MatchString(number) {
		return "AADSTS" + number
	}
	return strings.ToLower(text)
}

// show is GET /flows/failures/{reference}.
func (s *failedSignIns) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	f, err := s.archive.Find(r.Context(), strings.ToUpper(r.PathValue("reference")))
	if err != nil {
		return err
	}
	page := templates.FlowFailurePage{Page: s.page(r, "Failed sign-in", templates.FlowsURL), Tabs: s.flowTabs(live, templates.FlowFailuresURL), Reference: f.Reference, At: f.At,
		Until: f.At.AddDate(0, 0, failures.Days), Card: cardOf(f.Code, "", f.Message, f.Next, explain.OriginPortal, f.Mender, f.Retry)}
	if known := explain.ByCode(f.Code); len(known) > 0 {
		page.Card = errorCard(known[0])
	}
	fact := func(label, value string) {
		if value != "" {
			page.Facts = append(page.Facts, templates.FlowFact{Label: label, Value: value})
		}
	}
	fact("Which check", whichCheck(f))
	fact("Purpose", f.Purpose)
	fact("Wanted to", f.Path)
	fact("Browser", f.Browser)
	fact("Network", f.Network)
	fact("Tenant", f.Tenant)
	fact("Account", f.Account)
	if !f.BegunAt.IsZero() {
		fact("Took there", strconv.Itoa(int(f.At.Sub(f.BegunAt)/time.Second))+" s at the company sign-in")
	}
	fact("Open sign-ins", strconv.Itoa(f.Open)+" in this browser, by its cookies")
	if p := f.Provider; p != nil {
		from := "The company sign-in said"
		if !p.Direct {
			from = "The browser brought, unverified"
		}
		fact(from, strings.TrimSpace(p.Error+" "+p.Subcode))
		var numbers []string
		for _, n := range p.Numbers {
			numbers = append(numbers, "AADSTS"+strconv.Itoa(n))
		}
		fact("Numbers", strings.Join(numbers, ", "))
		for _, id := range []templates.FlowFact{{Label: "Correlation ID", Value: p.CorrelationID}, {Label: "Trace ID", Value: p.TraceID}} {
			if id.Value != "" {
				page.IDs = append(page.IDs, id)
			}
		}
		if !p.Timestamp.IsZero() {
			page.IDs = append(page.IDs, templates.FlowFact{Label: "Timestamp", Value: p.Timestamp.UTC().Format(time.RFC3339)})
		}
	}
	if f.Trace != nil {
		page.Trace, page.Claims = traceText(f.Trace)
	}
	return s.render(w, r, http.StatusOK, templates.FailedSignIn(page))
}

// whichCheck says in order which check an answer did not pass.
func whichCheck(f *failures.Failure) string {
	switch {
	case f.Purpose != "" && !f.Begun:
		return "None yet: the way to the company sign-in was closed."
	case f.Provider != nil && !f.Provider.Direct:
		return "None of ours: the browser brought this answer, unverified. It says that the company sign-in refused."
	case f.Provider != nil:
		return "None of ours: the company sign-in itself refused."
	case !f.Begun:
		return "The first: the answer has to belong to a sign-in that was begun in this browser."
	case f.Account == "" && f.Tenant == "":
		return "One of the answer itself: code, ID token, or what the portal got for them."
	}
	return "One after the ID token had passed: who it is, or how strongly they signed in."
}

// traceText writes a trace as people read HTTP, and the claims of its tokens.
func traceText(t *trace.Trace) (messages, claims string) {
	var b, c strings.Builder
	for i, m := range t.Messages {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(m.Request.Method + " " + m.Request.URL + "\n")
		for _, h := range m.Request.Header {
			b.WriteString(h.Name + ": " + h.Value + "\n")
		}
		for i, field := range m.Request.Body.Fields() {
			if i == 0 {
				b.WriteString("\n")
			}
			b.WriteString(field.Name + "=" + field.Value + "\n")
		}
		if m.Request.Body.Note != "" {
			b.WriteString("(" + m.Request.Body.Note + ")\n")
		}
		if m.Answer != nil {
			b.WriteString("\n→ " + strconv.Itoa(m.Answer.Status) + " " + http.StatusText(m.Answer.Status) + "\n")
		}
	}
	for _, token := range t.Tokens {
		c.WriteString(token.Fingerprint + "\n")
		for _, claim := range append(token.Header, token.Claims...) {
			c.WriteString("  " + claim.Name + ": " + claim.Value + "\n")
		}
	}
	return b.String(), c.String()
}
