package consent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
)

// book keeps requests and the audit log in memory; storetest has the rules that a
// database keeps.
type book struct {
	mu       sync.Mutex
	requests []Request
	log      []Entry
	broken   error // of AppendAudit from the second entry on
	shut     error // of AppendAudit at once
}

func (b *book) CreateRequest(_ context.Context, r Request, most int) (Request, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.requests) >= most {
		return Request{}, false, ErrTooMany
	}
	b.requests = append(b.requests, r)
	return r, true, nil
}

func (b *book) LoadRequest(_ context.Context, id string) (Request, error) {
	for _, r := range b.requests {
		if r.ID == id {
			return r, nil
		}
	}
	return Request{}, ErrNotFound
}

func (b *book) RequestsOf(context.Context, access.PersonID, int) ([]Request, error) {
	return b.requests, nil
}
func (b *book) RequestsIn(context.Context, string, RequestQuery) ([]Request, int, error) {
	return b.requests, len(b.requests), nil
}
func (b *book) CountPending(context.Context, string, int) (int, error) { return len(b.requests), nil }

func (b *book) DecideRequest(_ context.Context, id string, d Decision) error {
	for i := range b.requests {
		if r := &b.requests[i]; r.ID == id {
			if r.State != Pending {
				return ErrDecided
			}
			r.State, r.Decision = d.State, d
			return nil
		}
	}
	return ErrNotFound
}

func (b *book) AppendAudit(_ context.Context, e Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shut != nil {
		return b.shut
	}
	if b.broken != nil && len(b.log) > 0 {
		return b.broken
	}
	b.log = append(b.log, e)
	return nil
}

func (b *book) AuditOperation(_ context.Context, operation string, _ int) (list []Entry, _ error) {
	for _, e := range b.log {
		if e.Operation == operation {
			list = append(list, e)
		}
	}
	return list, nil
}

func (b *book) AuditOpen(context.Context, string, Action, int) ([]Entry, error) { return nil, nil }

func (b *book) AuditEntries(context.Context, int) ([]Entry, error) { return b.log, nil }

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func newService(t *testing.T) (*Service, *book) {
	t.Helper()
	b := &book{}
	s, err := NewService(b, func() time.Time { return noon }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

var dana = access.User{ID: access.PersonID{Authority: "t", Subject: "dana"}, Name: "Dana", Account: "dana@contoso.com", ObjectID: "oid"}

func TestAsking(t *testing.T) {
	for name, c := range map[string]struct{ scope, reason, code string }{
		"good":            {"api://azts/user_impersonation", "I scan my subscriptions", ""},
		"with a slash":    {"https://graph.microsoft.com/Directory.Read.All", "Because", ""},
		"no API":          {"user_impersonation", "Because", "request_scope"},
		"two scopes":      {"api://azts/a api://azts/b", "Because", "request_scope"},
		".default":        {"api://azts/.default", "Because", "request_scope"},
		"no value":        {"api://azts/", "Because", "request_scope"},
		"markup":          {"api://azts/<b>", "Because", "request_scope"},
		"a line end":      {"api://azts/a\nb", "Because", "request_scope"},
		"very long":       {"api://azts/" + strings.Repeat("x", 600), "Because", "request_scope"},
		"no reason":       {"api://azts/a", " \t\n ", "sentence_missing"},
		"a dot":           {"api://azts/a", ".", "sentence_missing"},
		"a novel":         {"api://azts/a", strings.Repeat("ü", 501), "sentence_long"},
		"just long":       {"api://azts/a", strings.Repeat("ü", 500), ""},
		"NUL in a reason": {"api://azts/a", "a\x00bcd", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, b := newService(t)
			r, err := s.Ask(t.Context(), dana, c.scope, c.reason)
			if c.code != "" {
				if !apperr.IsKind(err, apperr.Invalid) || !apperr.HasCode(err, c.code) || len(b.requests) != 0 {
					t.Errorf("%v, %d stored", err, len(b.requests))
				}
				return
			}
			if err != nil || r.ID == "" || r.State != Pending || r.Person != dana.ID || r.ObjectID != "oid" || !r.AskedAt.Equal(noon) || strings.Contains(r.Reason, "\x00") {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	s, _ := newService(t)
	for range MaxPending {
		if _, err := s.Ask(t.Context(), dana, "api://azts/a", "Because"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Ask(t.Context(), dana, "api://azts/a", "Because"); !apperr.IsKind(err, apperr.TooMany) {
		t.Errorf("one more than the limit: %v", err)
	}
}

func TestDeciding(t *testing.T) {
	s, b := newService(t)
	r, err := s.Ask(t.Context(), dana, "api://azts/a", "Because")
	if err != nil {
		t.Fatal(err)
	}
	ada := access.PersonID{Authority: "t", Subject: "ada"}
	if err := s.Decide(t.Context(), r.ID, Decision{State: Declined, By: ada}); !apperr.HasCode(err, "sentence_missing") {
		t.Errorf("declined without a word: %v", err)
	}
	if err := s.Decide(t.Context(), r.ID, Decision{State: Pending, By: ada}); err == nil || b.requests[0].State != Pending {
		t.Errorf("decided as pending: %v", err)
	}
	if err := s.Decide(t.Context(), r.ID, Decision{State: Declined, By: ada, Answer: " Ask your team lead. "}); err != nil {
		t.Fatal(err)
	}
	if d := b.requests[0].Decision; d.Answer != "Ask your team lead." || !d.At.Equal(noon) {
		t.Errorf("%+v", d)
	}
	if err := s.Decide(t.Context(), r.ID, Decision{State: Approved, By: ada}); !apperr.IsKind(err, apperr.Conflict) {
		t.Errorf("decided twice: %v", err)
	}
	// Administrators of another tenant neither see nor decide it.
	mallory := access.PersonID{Authority: "other", Subject: "mallory"}
	if _, err := s.Request(t.Context(), mallory, r.ID); !apperr.IsKind(err, apperr.NotFound) {
		t.Errorf("seen from another tenant: %v", err)
	}
	b.requests[0].State = Pending
	if err := s.Decide(t.Context(), r.ID, Decision{State: Approved, By: mallory}); !apperr.IsKind(err, apperr.NotFound) || b.requests[0].State != Pending {
		t.Errorf("decided from another tenant: %v", err)
	}
	for _, id := range []string{"nothing", strings.Repeat("x", 100)} {
		if _, err := s.Request(t.Context(), ada, id); !apperr.IsKind(err, apperr.NotFound) {
			t.Errorf("Request(%s): %v", id, err)
		}
	}
}

func entry() Entry {
	return Entry{Actor: access.PersonID{Authority: "t", Subject: "ada"}, ActorName: "Ada", Action: WithdrawGrant, ClientName: "Ledger", Reference: "r"}
}

func TestAChangeIsInTheLogBeforeAndAfter(t *testing.T) {
	perhaps := apperr.New(apperr.BadGateway, "service_failed", "x")
	for name, c := range map[string]struct {
		err     error
		outcome Outcome
		code    string
	}{
		"done":      {nil, Done, ""},
		"failed":    {apperr.New(apperr.Forbidden, "graph_denied", "x"), Failed, "graph_denied"},
		"unknown":   {perhaps, Unknown, "service_failed"},
		"cancelled": {context.Canceled, Unknown, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			s, b := newService(t)
			ctx, cancel := context.WithCancel(t.Context())
			_, err := s.Audited(ctx, entry(), func(err error) bool { return errors.Is(err, perhaps) }, func(context.Context) error {
				if len(b.log) != 1 || b.log[0].Outcome != Intended {
					t.Errorf("before the change the log is %+v", b.log)
				}
				cancel() // whoever asked closed the page
				return c.err
			})
			if !errors.Is(err, c.err) || len(b.log) != 2 {
				t.Fatalf("%v, %+v", err, b.log)
			}
			last := b.log[1]
			if last.Outcome != c.outcome || last.Code != c.code || last.Operation != b.log[0].Operation || last.Operation == "" || last.ClientName != "Ledger" {
				t.Errorf("%+v", last)
			}
		})
	}
}

// TestWithoutALogNothingIsChanged: a change that nobody could trace must not happen.
func TestWithoutALogNothingIsChanged(t *testing.T) {
	s, b := newService(t)
	b.shut = errors.New("disk full")
	_, err := s.Audited(t.Context(), entry(), func(error) bool { return false }, func(context.Context) error {
		t.Error("it was changed")
		return nil
	})
	if !errors.Is(err, b.shut) {
		t.Error(err)
	}
	nobody := entry()
	nobody.Actor = access.PersonID{}
	b.shut = nil
	if _, err := s.Begin(t.Context(), nobody); err == nil || len(b.log) != 0 {
		t.Errorf("an entry of nobody: %v", err)
	}
}

// TestAnIntentOutlivesACrash: whatever ends the process between the two entries,
// the first one stays.
func TestAnIntentOutlivesACrash(t *testing.T) {
	s, b := newService(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no crash")
			}
		}()
		_, _ = s.Audited(t.Context(), entry(), func(error) bool { return false }, func(context.Context) error { panic("power cut") })
	}()
	if len(b.log) != 1 || b.log[0].Outcome != Intended || b.log[0].ClientName != "Ledger" {
		t.Errorf("%+v", b.log)
	}
	b.broken = errors.New("disk full")
	if _, err := s.Audited(t.Context(), entry(), func(error) bool { return false }, func(context.Context) error { return nil }); !errors.Is(err, b.broken) || len(b.log) != 1 {
		t.Errorf("%v, %+v", err, b.log)
	}
}

func TestWriteLike(t *testing.T) {
	for value, want := range map[string]bool{"user_impersonation": false, "User.Read": false, "openid": false, "Scan.Request": false, "Default access": false,
		"Directory.ReadWrite.All": true, "Files.Write": true, "Sites.FullControl.All": true, "Directory.Read.All": true, "full_access_as_app": true,
		"Directory.AccessAsUser.All": true, "Mail.Send": true, "Portal.Admin": false, "Allowance.Read": false} {
		if got := WriteLike(value); got != want {
			t.Errorf("WriteLike(%s) = %v", value, got)
		}
	}
}

func TestScopesAreSplit(t *testing.T) {
	api, value, ok := SplitScope("https://graph.microsoft.com/Directory.Read.All")
	if !ok || api != "https://graph.microsoft.com" || value != "Directory.Read.All" {
		t.Error(api, value, ok)
	}
	bad := []string{"", "/x", "x/", "a//b", "api://x/.default", "api://ü/x", "a b/c"}
	if i := slices.IndexFunc(bad, func(s string) bool { _, _, ok := SplitScope(s); return ok }); i >= 0 {
		t.Errorf("%q is a scope", bad[i])
	}
}
