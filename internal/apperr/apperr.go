// Package apperr owns the one error type that reaches a person.
//
// An [Error] carries what happened, what to do next and who can mend it, in
// words for the person, and the cause for the log. It knows nothing of HTTP
// and nothing of markup: the handlers decide on both. The invariant its users
// rely on: Message, Next and Code never hold a secret, a token or text that a
// stranger sent; Cause may, and is only ever logged.
package apperr

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure it is; the handlers choose the HTTP status by it.
type Kind uint8

// The kinds of failure.
const (
	Internal        Kind = iota // a defect of ours
	Invalid                     // the request is malformed
	Unauthenticated             // nobody is signed in
	Forbidden                   // signed in, but not allowed
	NotFound                    // no such thing, or not yours
	Conflict                    // the thing changed meanwhile
	Expired                     // too old, or used before: start again
	TooLarge                    // more bytes than the limit
	TooMany                     // more requests than the limit
	BadGateway                  // a service we depend on answered wrongly
	Unavailable                 // a service we depend on is not there
	Timeout                     // a service we depend on did not answer in time
)

var kindNames = [...]string{"internal", "invalid", "unauthenticated", "forbidden", "not_found", "conflict",
	"expired", "too_large", "too_many", "bad_gateway", "unavailable", "timeout"}

// String returns the kind's name as it stands in logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Mender is who can put a failure right.
type Mender uint8

// Who mends a failure.
const (
	MenderNobody    Mender = iota // nothing to mend, or not known
	MenderPerson                  // the person in front of the screen
	MenderHelpDesk                // the help desk
	MenderAdmin                   // an administrator of the tenant or of AzTS
	MenderDeveloper               // whoever runs or registered this portal
)

var menderNames = [...]string{"nobody", "person", "help_desk", "admin", "developer"}

// String returns the mender's name as it stands in logs.
func (m Mender) String() string {
	if int(m) < len(menderNames) {
		return menderNames[m]
	}
	return "unknown"
}

// Error is a failure with words for a person and a cause for the log.
type Error struct {
	Kind Kind
	// Code is a stable identifier that the help desk can search for: an
	// AADSTS number or a name of ours such as "state_mismatch".
	Code string
	// Message says in one sentence what happened.
	Message string
	// Next says what to do about it.
	Next string
	// Mender is who can do it.
	Mender Mender
	// Retry says whether the same attempt can succeed when it is made again.
	Retry bool
	// Cause is for the log only.
	Cause error
}

// New returns an error of a kind with a code and the sentence for the person.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Error returns the text for the log.
func (e *Error) Error() string {
	text := e.Code
	if text == "" {
		text = e.Kind.String()
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Because returns a copy with the cause set.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// Becausef returns a copy with a formatted cause.
func (e *Error) Becausef(format string, args ...any) *Error {
	return e.Because(fmt.Errorf(format, args...))
}

// WithNext returns a copy that says what to do and who can do it.
func (e *Error) WithNext(m Mender, next string) *Error {
	c := *e
	c.Mender, c.Next = m, next
	return &c
}

// WithRetry returns a copy that says that trying again can help.
func (e *Error) WithRetry() *Error {
	c := *e
	c.Retry = true
	return &c
}

// From returns err as an *Error: itself if it is one, else an Internal one
// with err as its cause. From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Internal, Code: "internal",
		Message: "Something went wrong on our side.",
		Next:    "Try again. If it stays, give the help desk the reference below.",
		Mender:  MenderHelpDesk, Retry: true, Cause: err}
}

// IsKind reports whether err is an *Error of that kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// HasCode reports whether err is an *Error with that code.
func HasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
