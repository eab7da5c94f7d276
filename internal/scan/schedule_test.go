package scan_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/scan/scantest"
)

func TestMemorySchedules(t *testing.T) {
	m := &scantest.Memory{}
	scantest.Schedules(t, m, m)
}

// vault is delegations as a test sees them.
type vault struct {
	now     func() time.Time
	records *scantest.Memory

	mu      sync.Mutex
	kept    map[access.PersonID]time.Time
	refused bool  // the tenant takes what is kept no more
	wants   error // instead of a token, when not nil
	failing error // of Kept
}

// bring is a visit of a person to the tenant.
func (v *vault) bring(owner access.PersonID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kept[owner] = v.now()
}

func (v *vault) has(owner access.PersonID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, there := v.kept[owner]
	return there
}

func (v *vault) Kept(_ context.Context, owner access.PersonID) (time.Time, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.kept[owner], v.failing
}

func (v *vault) Forget(_ context.Context, owner access.PersonID, kept time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if kept.IsZero() || kept.Equal(v.kept[owner]) {
		delete(v.kept, owner)
	}
	return nil
}

func (v *vault) ForgetUnused(ctx context.Context, before time.Time) (n int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for owner, kept := range v.kept {
		list, err := v.records.SchedulesOf(ctx, owner, 1) // those that have ended come last
		if err != nil {
			return n, err
		}
		if kept.Before(before) && (len(list) == 0 || list[0].State == scan.ScheduleEnded) {
			delete(v.kept, owner)
			n++
		}
	}
	return n, nil
}

func (v *vault) AzTSToken(_ context.Context, owner access.PersonID) (azts.TokenSource, error) {
	return vaultSource{v, owner}, nil
}

type vaultSource struct {
	*vault
	owner access.PersonID
}

func (s vaultSource) Token(context.Context, string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused {
		delete(s.kept, s.owner)
	}
	if s.kept[s.owner].IsZero() {
		return "", fmt.Errorf("AADSTS50173: %w", scan.ErrDelegationRefused)
	}
	return "kept", s.wants
}
func (vaultSource) Invalidate(context.Context, string, string) {}

// scheduling is a world whose service can repeat scans.
func scheduling(t *testing.T) (*world, *vault) {
	t.Helper()
	w := newWorld(t)
	v := &vault{kept: map[access.PersonID]time.Time{}, now: w.clock, records: w.records}
	var err error
	w.service, err = scan.New(scan.Config{Records: w.records, AzTS: w.client, Tokens: w, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: w.clock,
		Schedules: w.records, Delegations: v})
	if err != nil {
		t.Fatal(err)
	}
	return w, v
}

var everyMorning = scan.Plan{Every: scan.Daily, Hour: 7, Zone: "UTC"}

func (w *world) schedule(owner access.PersonID, plan scan.Plan, subs ...string) (scan.Schedule, error) {
	return w.service.AddSchedule(w.t.Context(), owner, scan.Wish{Subscriptions: subs, Plan: plan, Agreed: true})
}

// mustSchedule makes a schedule of ann's, who comes back from the tenant.
func (w *world) mustSchedule(v *vault, subs ...string) scan.Schedule {
	w.t.Helper()
	s, err := w.schedule(ann, everyMorning, subs...)
	if err != nil {
		w.t.Fatal(err)
	}
	v.bring(ann)
	if err := w.service.ConfirmSchedule(w.t.Context(), ann, s.ID); err != nil {
		w.t.Fatal(err)
	}
	if s, err = w.service.Schedule(w.t.Context(), ann, s.ID); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// due runs what is due and returns the scans there are.
func (w *world) due() []scan.Scan {
	w.t.Helper()
	if err := w.service.RunDue(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	list, err := w.service.List(w.t.Context(), ann, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) only() scan.Schedule {
	w.t.Helper()
	list, err := w.service.Schedules(w.t.Context(), ann)
	if err != nil || len(list) != 1 {
		w.t.Fatalf("schedules %+v, %v", list, err)
	}
	return list[0]
}

func TestScheduleScansWithoutASession(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1, sub2)
	if want := time.Date(2026, 9, 15, 7, 0, 0, 0, time.UTC); !s.NextAt.Equal(want) || !s.AgreedAt.Equal(start) {
		t.Errorf("schedule %+v", s)
	}
	w.set(func() { w.signedIn = false })
	if got := w.due(); len(got) != 0 {
		t.Errorf("run before its time: %+v", got)
	}
	w.set(func() { w.now = s.NextAt })
	got := w.due()
	if len(got) != 1 || got[0].Schedule != s.ID {
		t.Fatalf("scans %+v", got)
	}
	one, _ := w.look(got[0].ID)
	want(t, one, scan.Running, scan.PartQueued, scan.PartQueued)
	if n := w.service.NeedsToken(t.Context(), ann); n != 0 {
		t.Errorf("%d runs need a session", n)
	}
	if err := v.Forget(t.Context(), ann, time.Time{}); err != nil || w.service.NeedsToken(t.Context(), ann) != 1 {
		t.Errorf("nothing is kept for the run, and it needs no token, %v", err)
	}
	v.bring(ann)
	w.pass(time.Minute)
	w.finish(sub1, sub2)
	one, _ = w.look(one.ID)
	want(t, one, scan.Completed, scan.PartCompleted, scan.PartCompleted)
	if after := w.only(); after.LastScan != one.ID || !after.NextAt.Equal(s.NextAt.AddDate(0, 0, 1)) {
		t.Errorf("schedule %+v", after)
	}
	if n := w.service.NeedsToken(t.Context(), ann); n != 0 {
		t.Errorf("%d scans need a session", n)
	}
}

func TestScheduleNeedsAnExplicitYes(t *testing.T) {
	w, v := scheduling(t)
	wish := scan.Wish{Subscriptions: []string{sub1}, Plan: everyMorning}
	if _, err := w.service.AddSchedule(t.Context(), ann, wish); !apperr.HasCode(err, "schedule_consent") {
		t.Errorf("without a yes: %v", err)
	}
	if _, err := w.schedule(access.PersonID{}, everyMorning, sub1); !apperr.IsKind(err, apperr.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
	if list, err := w.service.Schedules(t.Context(), ann); err != nil || len(list) != 0 || v.has(ann) {
		t.Errorf("schedules %+v, %v", list, err)
	}
	if _, err := newWorld(t).schedule(ann, everyMorning, sub1); !apperr.HasCode(err, "schedules_off") {
		t.Errorf("where there are none: %v", err)
	}
}

func TestSameFormMakesOneSchedule(t *testing.T) {
	w, _ := scheduling(t)
	wish := scan.Wish{Subscriptions: []string{sub1}, Plan: everyMorning, Agreed: true, Key: "form-1"}
	var ids sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := w.service.AddSchedule(t.Context(), ann, wish)
			if err != nil {
				t.Error(err)
			}
			ids.Store(s.ID, true)
		})
	}
	wg.Wait()
	if list := w.all(); len(list) != 1 {
		t.Errorf("%d schedules of one form", len(list))
	} else if _, same := ids.Load(list[0].ID); !same {
		t.Error("the form was told of another schedule")
	}
	if s, err := w.service.AddSchedule(t.Context(), bob, wish); err != nil || s.Owner != bob || s.ID == w.all()[0].ID {
		t.Errorf("another person with the same key: %+v, %v", s, err)
	}
	changed := wish // Back, another hour or another subscription, saved again
	changed.Plan.Hour = 9
	more := wish
	more.Subscriptions = []string{sub1, sub2}
	for _, wish := range []scan.Wish{changed, more} {
		if s, err := w.service.AddSchedule(t.Context(), ann, wish); err != nil || s.Plan != wish.Plan || len(s.Subscriptions) != len(wish.Subscriptions) {
			t.Errorf("the form, changed: %+v, %v", s, err)
		}
	}
	if list := w.all(); len(list) != 3 {
		t.Errorf("%d schedules of three wishes", len(list))
	}
	wish.Key = strings.Repeat("k", 65)
	if _, err := w.service.AddSchedule(t.Context(), ann, wish); !apperr.IsKind(err, apperr.Invalid) {
		t.Errorf("a damaged key: %v", err)
	}
}

func TestSchedulesStayWithinTheQuota(t *testing.T) {
	w, _ := scheduling(t)
	sunday := scan.Plan{Every: scan.Weekly, Weekday: time.Sunday, Hour: 1, Zone: "UTC"}
	for n := range scan.MaxScheduledPerDay {
		plan := everyMorning
		if plan.Hour = n; n == 0 {
			plan = sunday
		}
		if _, err := w.schedule(ann, plan, sub1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.schedule(ann, everyMorning, sub2, sub1); !apperr.HasCode(err, "schedule_quota") {
		t.Errorf("one more on Sundays: %v", err)
	}
	// Monday in Kiritimati, fourteen hours ahead, is Sunday for AzTS.
	ahead := scan.Plan{Every: scan.Weekly, Weekday: time.Monday, Hour: 5, Zone: "Pacific/Kiritimati"}
	if _, err := w.schedule(ann, ahead, sub1); !apperr.HasCode(err, "schedule_quota") {
		t.Errorf("one more on Sundays of UTC: %v", err)
	}
	monday := sunday
	monday.Weekday = time.Monday
	if _, err := w.schedule(ann, monday, sub1); err != nil {
		t.Errorf("one more on Mondays: %v", err)
	}
	for range scan.MaxSchedules - scan.MaxScheduledPerDay - 1 {
		if _, err := w.schedule(ann, sunday, fmt.Sprintf("10000000-0000-0000-0000-%012d", len(w.all()))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.schedule(ann, sunday, sub3); !apperr.HasCode(err, "schedule_many") {
		t.Errorf("too many: %v", err)
	}
}

func (w *world) all() []scan.Schedule {
	w.t.Helper()
	list, err := w.service.Schedules(w.t.Context(), ann)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func TestScheduleIsPausedResumedAndEnded(t *testing.T) {
	w, v := scheduling(t)
	s, other := w.mustSchedule(v, sub1), w.mustSchedule(v, sub2)
	ctx := t.Context()
	if err := w.service.PauseSchedule(ctx, ann, s.ID); err != nil {
		t.Fatal(err)
	}
	w.pass(72 * time.Hour)
	if got := w.due(); len(got) != 1 || got[0].Schedule != other.ID {
		t.Errorf("run while paused: %+v", got)
	}
	if err := w.service.ConfirmSchedule(ctx, ann, s.ID); err != nil {
		t.Fatal(err)
	}
	if got := w.due(); len(got) != 1 {
		t.Errorf("what was paused is not made up for: %+v", got)
	}
	w.pass(24 * time.Hour)
	if got := w.due(); len(got) != 3 {
		t.Errorf("%d scans", len(got))
	}
	for n, id := range []scan.ID{s.ID, other.ID} {
		if err := w.service.EndSchedule(ctx, ann, id); err != nil {
			t.Fatal(err)
		}
		if kept := v.has(ann); kept != (n == 0) {
			t.Errorf("after %d ended, kept is %v", n+1, kept)
		}
	}
	w.pass(72 * time.Hour)
	if got := w.due(); len(got) != 3 {
		t.Errorf("run after the end: %d scans", len(got))
	}
	v.bring(ann)
	if err := w.service.ConfirmSchedule(ctx, ann, s.ID); err != nil || w.all()[0].State != scan.ScheduleEnded || w.all()[1].State != scan.ScheduleEnded {
		t.Errorf("an ended one is resumed: %v, %+v", err, w.all())
	}
}

// A run that was missed by almost a day is not made up for minutes before the next.
func TestNextRunIsNearerThanTheMissed(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	next := s.NextAt.AddDate(0, 0, 1)
	w.set(func() { w.now = next.Add(-time.Hour + time.Second) })
	if got := w.due(); len(got) != 0 || !w.only().NextAt.Equal(next) {
		t.Errorf("%d scans, next %v", len(got), w.only().NextAt)
	}
	w.set(func() { w.now = next })
	if got := w.due(); len(got) != 1 {
		t.Errorf("%d scans at the next time", len(got))
	}
	w.set(func() { w.now = next.AddDate(0, 0, 1).Add(22 * time.Hour) })
	if got := w.due(); len(got) != 2 {
		t.Errorf("%d scans, with one to make up for", len(got))
	}
}

// The attack: one person's schedule that nobody can understand any more stands
// first each minute, and must stop nobody else's.
func TestBrokenScheduleStopsNobodyElse(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	broken := s
	broken.ID, broken.Owner, broken.Version = scan.ID(strings.Repeat("2", 26)), bob, 1
	broken.Plan.Zone, broken.NextAt = "Mars/Olympus", s.NextAt.Add(-time.Hour)
	if _, err := w.records.CreateSchedule(t.Context(), broken, func([]scan.Schedule) error { return nil }); err != nil {
		t.Fatal(err)
	}
	v.bring(bob)
	w.set(func() { w.now = s.NextAt })
	if got := w.due(); len(got) != 1 {
		t.Errorf("ann has the scans %+v", got)
	}
	list, err := w.service.Schedules(t.Context(), bob)
	if err != nil || len(list) != 1 || list[0].State != scan.ScheduleEnded || list[0].Notice.Code != scan.NoticeImpossible || v.has(bob) {
		t.Errorf("bob's are %+v, %v; kept %v", list, err, v.has(bob))
	}
}

// confirmAs confirms with a permission of whoever confirms.
func (w *world) confirmAs(v *vault) func(context.Context, access.PersonID, scan.ID) error {
	return func(ctx context.Context, who access.PersonID, id scan.ID) error {
		v.bring(who)
		err := w.service.ConfirmSchedule(ctx, who, id)
		if v.has(who) != who.IsZero() { // nobody's is not even asked for
			w.t.Errorf("what %v brought is kept: %v", who, v.has(who))
		}
		if who.IsZero() && apperr.HasCode(err, "schedule_not_permitted") {
			return &apperr.Error{Code: "schedule_not_found"}
		}
		return err
	}
}

func TestNobodyTouchesAnotherPersonsSchedule(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	for name, touch := range map[string]func(context.Context, access.PersonID, scan.ID) error{"pause": w.service.PauseSchedule,
		"end": w.service.EndSchedule, "dismiss": w.service.DismissNotice, "remove": w.service.RemoveSchedule, "confirm": w.confirmAs(v)} {
		for _, who := range []access.PersonID{bob, {}} {
			if err := touch(t.Context(), who, s.ID); !apperr.HasCode(err, "schedule_not_found") {
				t.Errorf("%s by %v: %v", name, who, err)
			}
		}
	}
	if list, err := w.service.Schedules(t.Context(), bob); err != nil || len(list) != 0 || !v.has(ann) || w.only().State != scan.ScheduleActive {
		t.Errorf("schedules %+v, %v", list, err)
	}
}

func TestScheduleEndsWhenTheTenantRefuses(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	w.set(func() { w.signedIn, w.now = false, s.NextAt })
	v.refused = true
	got := w.due()
	one, _ := w.look(got[0].ID)
	want(t, one, scan.Waiting, scan.PartPending)
	ended := w.only()
	if ended.State != scan.ScheduleEnded || !ended.NextAt.IsZero() || ended.Notice.Code != "schedule_refused" || ended.Notice.Message == "" || v.has(ann) {
		t.Errorf("schedule %+v, kept %v", ended, v.kept)
	}
	w.pass(time.Minute)
	one, _ = w.look(one.ID)
	want(t, one, scan.Waiting, scan.PartPending)
	w.set(func() { w.signedIn = true }) // then it is a scan like any other
	one, _ = w.look(one.ID)
	want(t, one, scan.Running, scan.PartQueued)
	if err := w.service.DismissNotice(t.Context(), ann, s.ID); err != nil || w.only().Notice != (scan.Notice{}) {
		t.Errorf("%v, %+v", err, w.only().Notice)
	}
	w.pass(48 * time.Hour)
	if got := w.due(); len(got) != 1 {
		t.Errorf("it runs on: %d scans", len(got))
	}
}
