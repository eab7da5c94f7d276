package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/templates"
)

var statuses = map[apperr.Kind]int{
	apperr.Internal:        http.StatusInternalServerError,
	apperr.Invalid:         http.StatusBadRequest,
	apperr.Unauthenticated: http.StatusUnauthorized,
	apperr.Forbidden:       http.StatusForbidden,
	apperr.NotFound:        http.StatusNotFound,
	apperr.Conflict:        http.StatusConflict,
	apperr.Expired:         http.StatusBadRequest,
	apperr.TooLarge:        http.StatusRequestEntityTooLarge,
	apperr.TooMany:         http.StatusTooManyRequests,
	apperr.BadGateway:      http.StatusBadGateway,
	apperr.Unavailable:     http.StatusServiceUnavailable,
	apperr.Timeout:         http.StatusGatewayTimeout,
}

var headings = map[apperr.Kind]string{
	apperr.Internal:        "Something went wrong",
	apperr.Invalid:         "This request cannot be read",
	apperr.Unauthenticated: "Sign in first",
	apperr.Forbidden:       "This is not open to you",
	apperr.NotFound:        "There is nothing here",
	apperr.Conflict:        "This changed meanwhile",
	apperr.Expired:         "Please start again",
	apperr.TooLarge:        "This is too large",
	apperr.TooMany:         "Too many requests",
	apperr.BadGateway:      "A service gave a wrong answer",
	apperr.Unavailable:     "A service is not available",
	apperr.Timeout:         "A service did not answer in time",
}

var menders = map[apperr.Mender]string{
	apperr.MenderPerson:    "You can mend this yourself.",
	apperr.MenderHelpDesk:  "The help desk can mend this.",
	apperr.MenderAdmin:     "An administrator can mend this.",
	apperr.MenderDeveloper: "Whoever runs this portal can mend this.",
}

// handler answers a request or says why it cannot; it has written nothing when
// it returns an error.
type handler func(http.ResponseWriter, *http.Request) error

var (
	errNotFound = apperr.New(apperr.NotFound, "not_found", "There is no page at this address, or it is not yours.").
			WithNext(apperr.MenderPerson, "Check the address, or go to the first page.")
	errTooLarge = apperr.New(apperr.TooLarge, "body_too_large", "More was sent than this page takes.").
			WithNext(apperr.MenderPerson, "Send less at a time.")
	errBadForm = apperr.New(apperr.Invalid, "form_unreadable", "What was sent cannot be read.").
			WithNext(apperr.MenderPerson, "Go back and try again.")
	errCrossOrigin = apperr.New(apperr.Forbidden, "cross_origin", "This request came from another web site, so nothing was done.").
			WithNext(apperr.MenderPerson, "Open the portal itself and try again there.")
)

// formError says why a form could not be read.
func formError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errTooLarge.Because(err)
	}
	return errBadForm.Because(err)
}

// serve is the adapter: every error of a handler is logged here, once, and
// becomes one page.
func (f *frame) serve(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			f.fail(w, r, err)
		}
	})
}

func (f *frame) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, ok := statuses[apperr.From(err).Kind]
	if !ok {
		status = http.StatusInternalServerError
	}
	f.failWith(w, r, status, err)
}

func (f *frame) failWith(w http.ResponseWriter, r *http.Request, status int, err error) {
	ctx := r.Context()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		f.log.DebugContext(ctx, "the browser left", "path", r.URL.Path)
		return
	}
	e := apperr.From(err)
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("kind", e.Kind.String()), slog.String("code", e.Code), slog.String("mender", e.Mender.String()),
		slog.Int("status", status), slog.String("path", pathShown(r.URL.Path)), slog.Any("err", err)}
	var refusal *entra.ProviderError
	if errors.As(err, &refusal) {
		attrs = append(attrs, slog.String("correlation_id", refusal.CorrelationID), slog.String("trace_id", refusal.TraceID))
	}
	f.log.LogAttrs(ctx, level, "request failed", attrs...)
	if wantsJSON(r) {
		writeJSON(w, status, struct {
			Error   string `json:"error"`
			Message string `json:"message"`
			Ref     string `json:"reference"`
		}{e.Code, e.Message, reqlog.ID(ctx)})
		return
	}
	page := f.message(r, err, e, status)
	if renderErr := f.render(w, r, status, templates.Message(page)); renderErr != nil {
		f.log.ErrorContext(ctx, "the error page cannot be rendered", "err", renderErr)
		http.Error(w, strconv.Itoa(status)+" "+http.StatusText(status), status)
	}
}

// message fills the page for an error.
func (f *frame) message(r *http.Request, err error, e *apperr.Error, status int) templates.MessagePage {
	page := templates.MessagePage{
		Page: f.page(r, headings[e.Kind], ""), Status: status, Heading: headings[e.Kind],
		What: e.Message, Next: e.Next, Mender: menders[e.Mender], Code: e.Code, At: f.now(), Address: pathShown(r.URL.Path),
	}
	if e.Kind != apperr.NotFound && e.Code != "" {
		page.ExplainURL = templates.FlowErrorURL(e.Code)
	}
	var said *entra.ProviderError
	if errors.As(err, &said) {
		page.CorrelationID = said.CorrelationID
	}
	switch e.Kind {
	case apperr.NotFound, apperr.Invalid, apperr.TooLarge, apperr.Conflict, apperr.TooMany:
		page.Tone = templates.ToneInfo
	case apperr.Expired, apperr.Forbidden:
		page.Tone = templates.ToneWarning
	}
	var signIn *refusal
	if errors.As(err, &signIn) {
		page.Wanted = wanted(signIn.returnTo)
	}
	if f.keepsFailures && r.URL.Path == callbackPath {
		page.LookUpURL = f.baseURL + templates.FlowFailureURL(reqlog.ID(r.Context()))
	}
	switch {
	case errors.As(err, &signIn) && signIn.purpose == purposeAdminConsent:
		page.Heading = "This is no answer to a sign-in"
		page.Title = page.Heading
		page.Primary = &templates.Action{Label: "Look whether it is granted", URL: signIn.returnTo}
	case errors.As(err, &signIn) && signIn.purpose == purposeToken:
		page.Heading = "You got no token"
		page.Title = page.Heading
		page.Primary = &templates.Action{Label: "Back to your tokens", URL: signIn.returnTo}
	case errors.As(err, &signIn) && signIn.purpose == purposeSchedule:
		page.Heading = "Your scan is not repeated yet"
		page.Title = page.Heading
		page.Primary = &templates.Action{Label: "Back to your repeated scans", URL: signIn.returnTo}
	case errors.As(err, &signIn) && signIn.purpose == purposeFlow:
		page.Heading = "The flow was not run"
		page.Title = page.Heading
		page.Primary = &templates.Action{Label: "Back to the flow", URL: signIn.returnTo}
	case errors.As(err, &signIn):
		page.Heading = "You are not signed in"
		page.Title = page.Heading
		if e.Retry {
			page.Primary = &templates.Action{Label: "Start again", URL: templates.LoginURL(signIn.returnTo)}
			page.Secondary = &templates.Action{Label: "Use another account", URL: templates.OtherAccountURL(signIn.returnTo)}
		} else {
			page.Primary = &templates.Action{Label: "Use another account", URL: templates.OtherAccountURL(signIn.returnTo)}
			page.Secondary = &templates.Action{Label: "Go to the first page", URL: templates.HomeURL}
		}
	case r.URL.Path == callbackPath:
		// A bookmark, or a page from the history.
		page.Primary = &templates.Action{Label: "Start again", URL: templates.LoginURL(templates.HomeURL)}
	case e.Code == "scan_not_found":
		page.Primary = &templates.Action{Label: "New scan", URL: templates.NewScanURL}
		page.Secondary = &templates.Action{Label: "My scans", URL: templates.ScansURL}
	case e.Code == errLongList.Code:
		page.Primary = &templates.Action{Label: "Clear all filters", URL: templates.ScanFindingsURL(r.PathValue("id"), "")}
	case e.Retry && r.Method == http.MethodGet:
		page.Primary = &templates.Action{Label: "Try again", URL: again(r)}
	default:
		page.Primary = &templates.Action{Label: "Go to the first page", URL: templates.HomeURL}
	}
	return page
}

// again returns the address that repeats a request by GET. Signing in is none
// to return to, but one to repeat.
func again(r *http.Request) string {
	if r.URL.Path != templates.LoginPath {
		return localPath(r.URL.RequestURI())
	}
	q := r.URL.Query()
	return templates.LoginOptions{ReturnTo: localPath(q.Get("return_to")), Prompt: q.Get("prompt"), LoginHint: hint(q.Get("login_hint"))}.URL()
}
