package consent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
)

// Action is what an administrator did, or a person with their own consent.
type Action string

// The actions of the audit log.
const (
	GrantTenant   Action = "grant-tenant"   // a scope for everybody
	GrantPerson   Action = "grant-person"   // a scope for one person
	WithdrawGrant Action = "withdraw-grant" // a whole delegated grant
	WithdrawScope Action = "withdraw-scope" // one scope of a delegated grant
	WithdrawRole  Action = "withdraw-role"  // an app role assignment
	GiveBack      Action = "give-back"      // scopes of a delegated grant, by the person who gave them
	Decline       Action = "decline-request"
	Approve       Action = "approve-request"
)

// Outcome is how an action stands.
type Outcome string

// The outcomes of the audit log. Each action has [Intended] first and, unless the
// process died in between, one of the others afterwards, under the same Operation.
const (
	Intended Outcome = "intended"
	Done     Outcome = "done"
	Failed   Outcome = "failed"  // nothing was changed
	Unknown  Outcome = "unknown" // it may have been changed
)

// Entry is one line of the audit log: who did what, on whom, when. Ids are those
// of Graph; names are as they were then, for display.
type Entry struct {
	ID           int64 // rises; 0 before it is stored
	Operation    string
	At           time.Time
	Actor        access.PersonID
	ActorName    string
	Action       Action
	Outcome      Outcome
	ClientID     string // object id of the client's service principal
	ClientName   string
	ResourceID   string // object id of the API's service principal
	ResourceName string
	Scope        string // scopes or app role, with blanks between several
	TargetID     string // object id of the person; "" for the whole tenant
	TargetName   string
	Reference    string // of the request, as it stands in the log
	Code         string // why it failed, or what was acted on: an error code or an id of ours
}

// auditLimit bounds the writing of an outcome, which must not depend on a browser
// that stays.
const auditLimit = 5 * time.Second

// Record appends an entry to the audit log; At is filled in when it is zero.
func (s *Service) Record(ctx context.Context, e Entry) error {
	if e.At.IsZero() {
		e.At = s.now().UTC()
	}
	for _, text := range []*string{&e.Operation, &e.ActorName, &e.ClientID, &e.ClientName, &e.ResourceID, &e.ResourceName,
		&e.TargetID, &e.TargetName, &e.Reference, &e.Code} {
		*text = clip(*text)
	}
	if e.Operation == "" || e.Actor.IsZero() || e.Action == "" || e.Outcome == "" {
		return fmt.Errorf("consent: an audit entry without operation, actor, action or outcome: %+v", e)
	}
	if err := s.records.AppendAudit(ctx, e); err != nil {
		return fmt.Errorf("consent: the audit log: %w", err)
	}
	return nil
}

// Begin records the intent of a change that is made elsewhere, such as on the
// tenant's own page, and returns the operation under which [Service.End] records
// its outcome.
func (s *Service) Begin(ctx context.Context, e Entry) (operation string, err error) {
	e.Operation, e.Outcome = rand.Text(), Intended
	return e.Operation, s.Record(ctx, e)
}

// End records the outcome of an operation. It goes on when ctx ends: whoever
// closed the page has changed something all the same.
func (s *Service) End(ctx context.Context, e Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditLimit)
	defer cancel()
	return s.Record(ctx, e)
}

// Audited records that a change is intended, makes it, and records how it ended.
// Without the first entry nothing is changed. When the outcome cannot be written
// recorded is false and the log of the program says so; the intent stands.
//
// uncertain tells of an error of change whether it may have been made all the same;
// what is only read belongs before Audited, or a failed reading counts as a change.
func (s *Service) Audited(ctx context.Context, e Entry, uncertain func(error) bool, change func(context.Context) error) (recorded bool, err error) {
	operation, err := s.Begin(ctx, e)
	if err != nil {
		return false, err
	}
	e.Operation = operation
	failure := change(ctx)
	switch {
	case failure == nil:
		e.Outcome = Done
	case uncertain(failure) || errors.Is(failure, context.Canceled):
		e.Outcome = Unknown
	default:
		e.Outcome = Failed
	}
	if failure != nil {
		e.Code = apperr.From(failure).Code
	}
	e.At = time.Time{}
	if err := s.End(ctx, e); err != nil {
		s.log.ErrorContext(ctx, "the outcome of a change is not in the audit log", "operation", operation, "action", e.Action, "outcome", e.Outcome, "err", err)
		return false, failure
	}
	return true, failure
}

// MaxOpen is how many operations without an outcome are returned at once.
const MaxOpen = 20

// Open returns the intents of an action, of the administrators of admin's own
// authority (tenant), that have no outcome: the oldest first, at most [MaxOpen].
func (s *Service) Open(ctx context.Context, admin access.PersonID, action Action) ([]Entry, error) {
	return s.records.AuditOpen(ctx, admin.Authority, action, MaxOpen)
}

// Operation returns the intent of an operation, and whether its outcome is known.
// The entry is zero where there is no such operation in admin's authority.
func (s *Service) Operation(ctx context.Context, admin access.PersonID, operation string) (intent Entry, ended bool, err error) {
	entries, err := s.records.AuditOperation(ctx, operation, MaxOpen)
	if err != nil {
		return Entry{}, false, err
	}
	for _, e := range entries {
		switch {
		case e.Actor.Authority != admin.Authority:
		case e.Outcome == Intended:
			intent = e
		default:
			ended = true
		}
	}
	return intent, ended, nil
}

// Audit returns the newest entries of the audit log, at most limit.
func (s *Service) Audit(ctx context.Context, limit int) ([]Entry, error) {
	return s.records.AuditEntries(ctx, limit)
}
