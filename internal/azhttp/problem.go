package azhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"azts.internal/portal/internal/apperr"
)

// CallError is what is known of a call that failed: for the log and for the
// packages that give it a meaning. Code and Message come from the service and
// are not for persons.
type CallError struct {
	Service    string
	Method     string
	Path       string        // without the query, where skip tokens stand
	Status     int           // HTTP status; 0 when no answer came
	Code       string        // error code of the service, at most 128 bytes
	Message    string        // error text of the service, at most 1,024 bytes
	RequestID  string        // the service's own reference
	RetryAfter time.Duration // as told, at most a day; 0 when not told
	Reached    bool          // the service may have acted on it
	Tries      int
	Err        error // what happened on our side: no connection, time limit, unreadable answer

	challenge *ChallengeError
}

// Error returns the text for the log.
func (e *CallError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", e.Service, e.Method, e.Path)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	if e.Code != "" || e.Message != "" {
		fmt.Fprintf(&b, " (%q: %q)", e.Code, e.Message)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " request id %q", e.RequestID)
	}
	if e.Tries > 1 {
		fmt.Fprintf(&b, " after %d tries", e.Tries)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns what happened on our side, and the challenge.
func (e *CallError) Unwrap() []error {
	var errs []error
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	if e.challenge != nil {
		errs = append(errs, e.challenge)
	}
	return errs
}

// RetryAfter returns how long the service asked to wait, at most a day; zero
// when it did not say.
func RetryAfter(err error) time.Duration {
	var call *CallError
	if errors.As(err, &call) {
		return call.RetryAfter
	}
	return 0
}

// MayHaveReached reports whether the service may have acted on the call that
// ended with err, so that its effect must be looked up and the call not sent again.
func MayHaveReached(err error) bool {
	var call *CallError
	return errors.As(err, &call) && call.Reached
}

// refused fills in what an answer other than 2xx says.
func (e *CallError) refused(res *http.Response, token string, now time.Time) {
	// A 5xx can follow an effect; every other refusal comes before one.
	e.Reached = res.StatusCode >= 500
	e.RetryAfter = parseRetryAfter(res.Header.Get("Retry-After"), now)
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden {
		e.challenge, e.Err = bearerClaims(res.Header.Values("WWW-Authenticate"))
		if e.challenge != nil {
			e.challenge.ErrorCode = cut(redact(e.challenge.ErrorCode, token), maxChallengeCode)
		}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProblemBody))
	if err != nil && e.Err == nil {
		e.Err = fmt.Errorf("read refusal: %w", redactError(err, token))
	}
	code, message := readProblem(body)
	// Before they are cut: what is left of a token has to go as well.
	e.Code, e.Message = cut(redact(code, token), 128), cut(redact(message, token), 1024)
}

// readProblem finds code and text in the shapes that Azure services use:
// {"error":{"code","message"}} (ARM, Graph), {"message"} (AzTS),
// {"error","error_description"} (RFC 6749), RFC 9457 title and detail.
func readProblem(body []byte) (code, message string) {
	var p struct {
		Error            json.RawMessage `json:"error"`
		ErrorDescription string          `json:"error_description"`
		Code             string          `json:"code"`
		Message          string          `json:"message"`
		Title            string          `json:"title"`
		Detail           string          `json:"detail"`
	}
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	var asError *json.UnmarshalTypeError // a member of another type leaves the others readable
	if err := json.Unmarshal(body, &p); err != nil && !errors.As(err, &asError) {
		return "", strings.TrimSpace(string(body)) // plain text or HTML, for the log
	}
	var inner struct{ Code, Message string }
	var text string
	switch {
	case len(p.Error) > 0 && p.Error[0] == '{' && json.Unmarshal(p.Error, &inner) == nil:
		code, message = inner.Code, inner.Message
	case len(p.Error) > 0 && json.Unmarshal(p.Error, &text) == nil:
		code, message = text, p.ErrorDescription
	}
	return first(code, p.Code), first(message, p.Message, p.Detail, p.Title)
}

func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// cut shortens s to limit bytes without breaking a character.
func cut(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func requestID(h http.Header, token string) string {
	for _, name := range []string{"X-Ms-Request-Id", "Request-Id", "X-Ms-Correlation-Request-Id"} {
		if id := h.Get(name); id != "" {
			return cut(redact(id, token), 128)
		}
	}
	return ""
}

// explain turns a failed call into words.
func (c *Client) explain(call *CallError) error {
	e := c.general(call)
	if call.challenge == nil && !errors.Is(call.Err, errClaimsLarge) && c.cfg.Explain != nil {
		if own := c.cfg.Explain(call); own != nil {
			e = own
		}
	}
	return e.Because(call)
}

// general gives a failed call the meaning that its status has everywhere.
func (c *Client) general(call *CallError) *apperr.Error {
	name := c.cfg.Service
	later := "Wait a moment and try again."
	switch {
	case call.challenge != nil:
		return apperr.New(apperr.Unauthenticated, "claims_challenge", name+" asks for more proof that it is you.").
			WithNext(apperr.MenderPerson, "Sign in again to go on.").WithRetry()
	case errors.Is(call.Err, errClaimsLarge):
		return apperr.New(apperr.BadGateway, "claims_too_large", name+" asks for more proof that it is you, with a request too large to pass on.").
			WithNext(apperr.MenderDeveloper, "Tell whoever runs this portal.")
	case call.Status == 0 && isTimeout(call.Err):
		return apperr.New(apperr.Timeout, "timeout", name+" did not answer in time.").
			WithNext(apperr.MenderPerson, later).WithRetry()
	case call.Status == 0:
		return apperr.New(apperr.Unavailable, "unreachable", name+" cannot be reached.").
			WithNext(apperr.MenderPerson, later).WithRetry()
	case errors.Is(call.Err, errTooLarge):
		return apperr.New(apperr.BadGateway, "answer_too_large", name+" sent more than this portal takes at once.").
			WithNext(apperr.MenderDeveloper, "Tell whoever runs this portal.")
	case errors.Is(call.Err, ErrForeignLink), errors.Is(call.Err, ErrPageLoop), errors.Is(call.Err, ErrTooManyPages):
		return apperr.New(apperr.BadGateway, "pages_refused", name+" sent a list that cannot be followed to its end.").
			WithNext(apperr.MenderDeveloper, "Tell whoever runs this portal.")
	case call.Status/100 == 2 && isTimeout(call.Err):
		return apperr.New(apperr.Timeout, "timeout", name+" did not finish its answer in time.").
			WithNext(apperr.MenderPerson, later).WithRetry()
	case call.Status/100 == 2:
		return apperr.New(apperr.BadGateway, "answer_malformed", name+" sent an answer that cannot be read.").
			WithNext(apperr.MenderPerson, later).WithRetry()
	case call.Status/100 == 3:
		return apperr.New(apperr.BadGateway, "redirect_refused", name+" tried to send this portal to another address.").
			WithNext(apperr.MenderDeveloper, "Check the configured address of "+name+".")
	}
	switch call.Status {
	case http.StatusUnauthorized:
		// Not Unauthenticated: signing in again gives the same kind of token, and a loop.
		return apperr.New(apperr.Forbidden, "token_refused", name+" does not accept the token of this portal.").
			WithNext(apperr.MenderAdmin, "Ask an administrator to check the permissions of this portal.")
	case http.StatusForbidden:
		return apperr.New(apperr.Forbidden, "access_denied", name+" does not allow you to do this.").
			WithNext(apperr.MenderAdmin, "Ask an administrator for access.")
	case http.StatusNotFound:
		return apperr.New(apperr.NotFound, "not_found", name+" does not know this.")
	case http.StatusTooManyRequests:
		return apperr.New(apperr.TooMany, "throttled", name+" has too much to do at the moment.").
			WithNext(apperr.MenderPerson, later).WithRetry()
	case http.StatusServiceUnavailable:
		return apperr.New(apperr.Unavailable, "unavailable", name+" is not available at the moment.").
			WithNext(apperr.MenderPerson, later).WithRetry()
	case http.StatusGatewayTimeout:
		return apperr.New(apperr.Timeout, "timeout", name+" did not answer in time.").
			WithNext(apperr.MenderPerson, later).WithRetry()
	}
	if call.Status >= 500 {
		return apperr.New(apperr.BadGateway, "service_failed", name+" failed to answer.").
			WithNext(apperr.MenderPerson, later).WithRetry()
	}
	return apperr.New(apperr.BadGateway, "request_refused", name+" did not accept the request of this portal.").
		WithNext(apperr.MenderDeveloper, "Tell whoever runs this portal.")
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
