package storetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
)

// TestDelegationRecords checks that two handles on one database do what
// entra.DelegationRecords promises.
func TestDelegationRecords(t *testing.T, a, b interface {
	entra.DelegationRecords
	entra.IssueRecords
	scan.ScheduleRecords
	DeleteDelegations(ctx context.Context) (int, error)
}) {
	ctx := t.Context()
	ann, bob := access.PersonID{Authority: "t", Subject: "delegating ann"}, access.PersonID{Authority: "t", Subject: "delegating bob"}
	issues := 0
	issue := func(id string) entra.Issue {
		return entra.Issue{ID: "delegated " + id, Device: "Repeated scans", Resource: "api://a", Scopes: "api://a/b", Purpose: "p", Flow: entra.FlowSchedule,
			IssuedAt: start, ExpiresAt: start.Add(time.Hour)}
	}
	want := func(what string, want entra.Delegation) {
		t.Helper()
		if got, err := b.LoadDelegation(ctx, want.Owner); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", what, got, err, want)
		}
		list, total, err := b.Issues(ctx, ann, 10, 0)
		if err != nil || total != issues || total > 0 && (list[0].Session != entra.SessionID{} || list[0].Flow != entra.FlowSchedule) {
			t.Errorf("%s: %d issues, want %d: %+v, %v", what, total, issues, list, err)
		}
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first := entra.Delegation{Owner: ann, Issuer: "https://one.example", Sealed: []byte("first\x00\xff"), KeptAt: start}
	ok(a.SaveDelegation(ctx, first, issue("1")))
	issues = 1
	want("kept", first)

	rotated := first
	rotated.Sealed = []byte("rotated")
	ok(a.RotateDelegation(ctx, rotated, issue("2")))
	issues = 2
	want("rotated", rotated)

	again := entra.Delegation{Owner: ann, Issuer: "https://two.example", Sealed: []byte("again"), KeptAt: start.Add(time.Minute)}
	ok(a.SaveDelegation(ctx, again, issue("3")))
	issues = 3
	want("kept again", again)

	late := first
	late.Sealed = []byte("late")
	if err := a.RotateDelegation(ctx, late, issue("4")); !errors.Is(err, entra.ErrNoDelegation) {
		t.Errorf("the rotation of one that was replaced: %v", err)
	}
	if err := a.SaveDelegation(ctx, late, issue("3")); err == nil {
		t.Error("one was kept without its line in the history")
	}
	want("after what was refused", again)

	if _, err := a.LoadDelegation(ctx, bob); !errors.Is(err, entra.ErrNoDelegation) {
		t.Errorf("another person's: %v", err)
	}
	schedule := scan.Schedule{ID: "delegating", Owner: ann, State: scan.ScheduleActive, Version: 1}
	if _, err := a.CreateSchedule(ctx, schedule, func([]scan.Schedule) error { return nil }); err != nil {
		t.Fatal(err)
	}
	unused := func(what string, before time.Time, want int) {
		t.Helper()
		if n, err := a.DeleteUnusedDelegations(ctx, before); err != nil || n != want {
			t.Errorf("%s: %d went, %v; want %d", what, n, err, want)
		}
	}
	unused("in use", again.KeptAt.Add(time.Hour), 0)
	schedule.State = scan.ScheduleEnded
	ok(a.SaveSchedule(ctx, schedule))
	unused("just brought", again.KeptAt, 0)
	want("which is not unused yet", again)
	unused("of no use", again.KeptAt.Add(time.Microsecond), 1)
	ok(a.SaveDelegation(ctx, again, issue("6")))
	issues = 4
	if n, err := b.DeleteDelegations(ctx); err != nil || n != 1 {
		t.Errorf("all: %d went, %v", n, err)
	}
	ok(a.SaveDelegation(ctx, again, issue("7")))
	issues = 5

	ok(a.DeleteDelegation(ctx, ann, first.KeptAt)) // what was brought since stays
	want("after the end of what was replaced", again)
	ok(errors.Join(a.DeleteDelegation(ctx, bob, time.Time{}), a.DeleteDelegation(ctx, ann, again.KeptAt), a.DeleteDelegation(ctx, ann, time.Time{})))
	if _, err := b.LoadDelegation(ctx, ann); !errors.Is(err, entra.ErrNoDelegation) {
		t.Errorf("after its end: %v", err)
	}
	if err := b.RotateDelegation(ctx, again, issue("5")); !errors.Is(err, entra.ErrNoDelegation) {
		t.Errorf("one that was erased is rotated: %v", err)
	}
}
