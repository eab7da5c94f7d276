package consent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
)

// Limits of requests.
const (
	MaxPending = 20   // requests of one person that wait
	MaxListed  = 500  // requests in one list
	MaxReason  = 500  // characters of a reason, and of the sentence of a refusal
	minReason  = 3    // characters, one of them a letter; a dot is no reason
	maxScope   = 512  // bytes of a scope with its API
	maxStored  = 1024 // bytes of a name or an account that is stored
)

// State is where a request stands.
type State string

// The states of a request.
const (
	Pending  State = "pending"
	Approved State = "approved" // the grant was read back from Graph
	Declined State = "declined"
)

// Request asks an administrator for a scope that the person cannot consent to.
type Request struct {
	ID      string
	Person  access.PersonID
	Name    string // as the person was called when asking; display only
	Account string // display only
	// ObjectID is the person's id in the directory; "" where the provider gives none.
	ObjectID string
	Scope    string // with its API: api://…/value
	Reason   string
	AskedAt  time.Time
	State    State
	Decision Decision // zero while pending
}

// Decision is how a request was answered.
type Decision struct {
	State  State
	By     access.PersonID
	ByName string // display only
	At     time.Time
	// Answer is the sentence for the person; required when declined.
	Answer string
	// ForTenant says that the grant is for everybody, not for this person only.
	ForTenant bool
	Reference string // of the administrator's request, as it stands in log and audit log
}

// Errors that [Records] answers with.
var (
	ErrNotFound = errors.New("consent: no such request")
	ErrDecided  = errors.New("consent: the request is decided already")
	ErrTooMany  = errors.New("consent: too many requests wait")
)

// RequestQuery says which requests are wanted.
type RequestQuery struct {
	Pending bool // those that wait, else those that are decided
	// Text occurs in name, account, scope or reason; "" for all. Letters of
	// another case count as the same as far as the database knows them.
	Text          string
	Offset, Limit int
}

// Records keeps requests and the audit log.
type Records interface {
	// CreateRequest stores a pending request. If the person has one for the same
	// scope that waits, that one is returned and nothing is stored; with
	// maxPending others of the person that wait it answers ErrTooMany.
	CreateRequest(ctx context.Context, r Request, maxPending int) (stored Request, created bool, err error)
	// LoadRequest returns one, else ErrNotFound.
	LoadRequest(ctx context.Context, id string) (Request, error)
	// RequestsOf returns those of a person, newest first.
	RequestsOf(ctx context.Context, person access.PersonID, limit int) ([]Request, error)
	// RequestsIn returns those of the people of an authority that a query wants, and
	// how many these are without its limits: what waits oldest first, what is
	// decided the last decided first.
	RequestsIn(ctx context.Context, authority string, q RequestQuery) (list []Request, total int, err error)
	// CountPending returns how many of an authority wait, at most limit.
	CountPending(ctx context.Context, authority string, limit int) (int, error)
	// DecideRequest stores the decision of one that waits: ErrDecided when it does
	// not any more, ErrNotFound when there is none.
	DecideRequest(ctx context.Context, id string, d Decision) error
	// AppendAudit stores an entry of the audit log for good. Nothing else is ever
	// done to it.
	AppendAudit(ctx context.Context, e Entry) error
	// AuditOperation returns the entries of an operation, oldest first.
	AuditOperation(ctx context.Context, operation string, limit int) ([]Entry, error)
	// AuditOpen returns the intents of an action, of actors of an authority, whose
	// operation has no outcome, oldest first.
	AuditOpen(ctx context.Context, authority string, action Action, limit int) ([]Entry, error)
	// AuditEntries returns entries, newest first.
	AuditEntries(ctx context.Context, limit int) ([]Entry, error)
}

// Service keeps requests and the audit log in order. It is safe for concurrent use.
type Service struct {
	records Records
	now     func() time.Time
	log     *slog.Logger
}

// NewService returns a service. It refuses missing parts.
func NewService(records Records, now func() time.Time, log *slog.Logger) (*Service, error) {
	if records == nil || now == nil || log == nil {
		return nil, errors.New("consent: a part is missing")
	}
	return &Service{records: records, now: now, log: log}, nil
}

// Errors for persons.
var (
	errNoRequest = apperr.New(apperr.NotFound, "request_unknown", "There is no such request.").
			WithNext(apperr.MenderPerson, "Load the list of requests again.")
	errDecided = apperr.New(apperr.Conflict, "request_decided", "Somebody decided this request meanwhile.").
			WithNext(apperr.MenderPerson, "Load the list of requests again to see how.")
	errMany = apperr.New(apperr.TooMany, "request_many", fmt.Sprintf("You have %d requests that wait for an administrator.", MaxPending)).
		WithNext(apperr.MenderAdmin, "Wait until some of them are decided.")
	errScope = apperr.New(apperr.Invalid, "request_scope", "A request is for one scope of one API, such as api://…/user_impersonation.").
			WithNext(apperr.MenderPerson, "Choose one scope from the list.")
)

// Clean returns what a person wrote as others will see it: blanks are folded, lines
// too, and what nobody sees is gone. A mark that turns the direction of writing
// could make a sentence read as another one, and empty lines could part it so that
// its end seems to be somebody else's.
func Clean(text string) string {
	var b strings.Builder
	blank, line := false, false
	var last, joiner rune // what was written last; what may stand between it and the next
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		switch {
		case (r == '\u200c' || r == '\u200d') && unicode.In(last, unicode.L, unicode.M) && !blank && !line:
			joiner = r // Persian and the scripts of India spell with them
		case r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			line = true
		case unicode.IsSpace(r):
			blank = true
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point):
		default:
			switch {
			case b.Len() == 0:
			case line:
				b.WriteByte('\n')
			case blank:
				b.WriteByte(' ')
			case joiner != 0 && unicode.In(r, unicode.L, unicode.M):
				b.WriteRune(joiner)
			}
			blank, line, last, joiner = false, false, r, 0
			b.WriteRune(r)
		}
	}
	return b.String()
}

// sentence checks what a person wrote, and cleans it.
func sentence(what, text string) (string, error) {
	text = Clean(text)
	n := utf8.RuneCountInString(text)
	switch {
	case n < minReason || !strings.ContainsFunc(text, unicode.IsLetter):
		return "", apperr.New(apperr.Invalid, "sentence_missing", what+" is missing.").
			WithNext(apperr.MenderPerson, "Write a sentence.")
	case n > MaxReason:
		return "", apperr.New(apperr.Invalid, "sentence_long", fmt.Sprintf("%s has %d characters; at most %d are kept.", what, n, MaxReason)).
			WithNext(apperr.MenderPerson, "Shorten it.")
	}
	return text, nil
}

// SplitScope returns the API and the value of a scope, and false for what is not
// one scope of one API.
func SplitScope(scope string) (api, value string, ok bool) {
	i := strings.LastIndexByte(scope, '/')
	if i <= 0 || i == len(scope)-1 || len(scope) > maxScope || scope[i-1] == '/' || scope[i+1:] == ".default" {
		return "", "", false
	}
	for _, c := range []byte(scope) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"'\<>`, c) >= 0 {
			return "", "", false
		}
	}
	return scope[:i], scope[i+1:], true
}

func clip(s string) string {
	if len(s) > maxStored {
		s = s[:maxStored]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}

// Ask stores the request of a person for a scope. If they have one for the same
// scope that waits, that one is the answer. Errors: Invalid for a scope or a
// reason that is none, TooMany when [MaxPending] wait.
func (s *Service) Ask(ctx context.Context, user access.User, scope, reason string) (Request, error) {
	if _, _, ok := SplitScope(scope); !ok {
		return Request{}, errScope
	}
	reason, err := sentence("The reason", reason)
	if err != nil {
		return Request{}, err
	}
	asked := Request{ID: rand.Text(), Person: user.ID, Name: clip(user.DisplayName()), Account: clip(user.Account), ObjectID: clip(user.ObjectID),
		Scope: scope, Reason: reason, AskedAt: s.now().UTC(), State: Pending}
	stored, created, err := s.records.CreateRequest(ctx, asked, MaxPending)
	if errors.Is(err, ErrTooMany) {
		return Request{}, errMany
	}
	if err != nil {
		return Request{}, err
	}
	if created {
		s.log.InfoContext(ctx, "a scope was asked for", "person", user.ID.String(), "scope", scope, "request", stored.ID)
	}
	return stored, nil
}

// RequestsOf returns the requests of a person, newest first, at most [MaxListed].
func (s *Service) RequestsOf(ctx context.Context, person access.PersonID) ([]Request, error) {
	return s.records.RequestsOf(ctx, person, MaxListed)
}

// Requests returns those of the people of this administrator's authority (tenant)
// that a query wants, at most [MaxListed], and how many there are.
func (s *Service) Requests(ctx context.Context, admin access.PersonID, q RequestQuery) ([]Request, int, error) {
	q.Limit, q.Offset = min(max(q.Limit, 0), MaxListed), max(q.Offset, 0)
	q.Text = clip(strings.TrimSpace(q.Text))
	return s.records.RequestsIn(ctx, admin.Authority, q)
}

// CountPending returns how many requests wait for this administrator, at most
// [MaxListed].
func (s *Service) CountPending(ctx context.Context, admin access.PersonID) (int, error) {
	return s.records.CountPending(ctx, admin.Authority, MaxListed)
}

// Request returns one request; NotFound when there is none for this administrator.
func (s *Service) Request(ctx context.Context, admin access.PersonID, id string) (Request, error) {
	if len(id) > 64 {
		return Request{}, errNoRequest
	}
	r, err := s.records.LoadRequest(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Request{}, errNoRequest.Because(err)
	}
	if err != nil {
		return Request{}, err
	}
	if r.Person.Authority != admin.Authority {
		return Request{}, errNoRequest.Becausef("it is of authority %q", r.Person.Authority)
	}
	return r, nil
}

// Decide answers a request that waits. To decline needs a sentence that the
// person will read; approve only what was read back from Graph. Errors: Invalid
// for a missing sentence, Conflict when somebody was faster, NotFound.
func (s *Service) Decide(ctx context.Context, id string, d Decision) error {
	if _, err := s.Request(ctx, d.By, id); err != nil {
		return err
	}
	switch d.State {
	case Declined:
		answer, err := sentence("The answer to the person", d.Answer)
		if err != nil {
			return err
		}
		d.Answer, d.ForTenant = answer, false
	case Approved:
		d.Answer = ""
	default:
		return fmt.Errorf("consent: a request cannot be decided as %q", d.State)
	}
	d.ByName, d.At = clip(d.ByName), s.now().UTC()
	err := s.records.DecideRequest(ctx, id, d)
	switch {
	case errors.Is(err, ErrDecided):
		return errDecided.Because(err)
	case errors.Is(err, ErrNotFound):
		return errNoRequest.Because(err)
	case err != nil:
		return err
	}
	s.log.InfoContext(ctx, "a request for a scope was decided", "request", id, "state", d.State, "by", d.By.String())
	return nil
}
