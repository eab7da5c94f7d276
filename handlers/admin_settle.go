package handlers

import (
	"context"
	"net/http"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// A grant for everybody is made on the tenant's page. When its answer does not
// find the way back (the session ended, other tabs pushed the flow out, the
// browser was closed), the audit log has the intent alone. What is here finds out
// from Graph how such an operation ended.

// readLater is the code of an outcome that was read from Graph later.
const readLater = "read_back_later"

// conclude records the outcome of an operation, once: an answer may come after
// somebody looked.
func (a *admin) conclude(ctx context.Context, live *session.Session, entry consent.Entry) error {
	_, ended, err := a.service.Operation(ctx, live.User.ID, entry.Operation)
	if err != nil || ended {
		return err
	}
	return a.service.End(ctx, entry)
}

// withoutSession answers the tenant's answer to a browser whose session ended
// while its person was there: after signing in they are on the page that reads
// from Graph whether the grant is there.
func (a *admin) withoutSession(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		live, err := a.current(r)
		if err != nil {
			return err
		}
		if live != nil || r.Method == http.MethodHead {
			return h(w, r)
		}
		flow, err := a.takeConsentFlow(w, r)
		if err != nil {
			return notASignIn(err)
		}
		redirect(w, templates.LoginURL(localPath(flow.ReturnTo)))
		return nil
	}
}

// unmatched answers an answer that belongs to no flow of this browser. Where the
// person has operations without an outcome, what Graph lists of them is told.
func (a *admin) unmatched(r *http.Request, live *session.Session, err error) error {
	e := apperr.From(err)
	if e.Kind != apperr.Expired {
		return err
	}
	ctx, cancel := timeout(r)
	defer cancel()
	mine := func(e *consent.Entry) bool { return e.Actor == live.User.ID }
	if done := a.settle(ctx, live, a.source(live), mine); len(done) > 0 {
		return apperr.New(apperr.Expired, e.Code, "This answer of the company sign-in came too late or twice. What you granted is there all the same: Microsoft Graph lists "+strings.Join(done, ", ")+" for everybody.").
			WithNext(apperr.MenderNobody, "There is nothing left to do.").Because(err)
	}
	return notASignIn(err)
}

// notASignIn gives the errors of a flow, which speak of signing in, the words of
// this visit.
func notASignIn(err error) error {
	e := apperr.From(err)
	if e.Kind != apperr.Expired {
		return err
	}
	return apperr.New(apperr.Expired, e.Code, "This answer of the company sign-in belongs to no grant that was begun in this browser in the last ten minutes, or it was used already.").
		WithNext(apperr.MenderPerson, "Look at the list whether the grant is there; begin again if not.").Because(err)
}

// settle finds out how the operations that are wanted ended, and records it. One
// whose grant Graph lists is done. One whose grant it does not list stays open
// while its person may still be at the tenant, and has an unknown outcome after
// that. It returns the scopes that are granted. What cannot be read now, or
// written, is tried again when somebody next looks.
func (a *admin) settle(ctx context.Context, live *session.Session, source graph.TokenSource, wanted func(*consent.Entry) bool) (done []string) {
	open, err := a.service.Open(ctx, live.User.ID, consent.GrantTenant)
	if err != nil {
		a.log.WarnContext(ctx, "operations without an outcome cannot be listed", "err", err)
		return nil
	}
	for i := range open {
		intent := &open[i]
		if !wanted(intent) {
			continue
		}
		found, err := a.tenantGrant(ctx, source, intent.Scope)
		switch {
		case found != nil:
			if a.closeAs(ctx, live, *intent, found) {
				done = append(done, intent.Scope)
			}
		case err != nil && !apperr.IsKind(err, apperr.NotFound):
			a.log.WarnContext(ctx, "how a grant ended cannot be read", "operation", intent.Operation, "err", err)
			return done
		case a.abandoned(intent):
			a.closeAs(ctx, live, *intent, nil)
		}
	}
	return done
}

// abandoned reports whether the tenant's answer cannot come any more.
func (a *admin) abandoned(intent *consent.Entry) bool {
	return a.now().Sub(intent.At) > session.FlowAge
}

// closeAs records the outcome of an intent: done with the grant that was found,
// unknown without one.
func (a *admin) closeAs(ctx context.Context, live *session.Session, intent consent.Entry, found *graph.Grant) bool {
	entry := intent
	entry.Outcome, entry.Code, entry.Reference = consent.Unknown, "not_read_back", refOf(ctx)
	entry.At = a.now().UTC()
	if found != nil {
		entry.Outcome, entry.Code, entry.ClientID, entry.ResourceID = consent.Done, readLater, found.ClientID, found.ResourceID
	}
	if err := a.conclude(ctx, live, entry); err != nil {
		a.log.ErrorContext(ctx, "the outcome of a change is not in the audit log", "operation", entry.Operation, "outcome", entry.Outcome, "err", err)
		return false
	}
	return true
}

// settleFound records as done what an admin has just read from Graph, of their own
// operations and of those that nobody waits for any more.
func (a *admin) settleFound(ctx context.Context, live *session.Session, scope string, found *graph.Grant) {
	if found == nil {
		return
	}
	open, err := a.service.Open(ctx, live.User.ID, consent.GrantTenant)
	if err != nil {
		a.log.WarnContext(ctx, "operations without an outcome cannot be listed", "err", err)
		return
	}
	for i := range open {
		if intent := &open[i]; intent.Scope == scope && (intent.Actor == live.User.ID || a.abandoned(intent)) {
			a.closeAs(ctx, live, *intent, found)
		}
	}
}
