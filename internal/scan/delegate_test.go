package scan_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/seal"
)

// A schedule runs only when what its owner agreed to is kept, and is no reason to
// keep anything before.
func TestScheduleWaitsForItsPermission(t *testing.T) {
	w, v := scheduling(t)
	ctx := t.Context()
	s, err := w.schedule(ann, everyMorning, sub1)
	if err != nil || s.State != scan.ScheduleUnconfirmed || !s.NextAt.IsZero() {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := w.service.ConfirmSchedule(ctx, ann, s.ID); !apperr.HasCode(err, "schedule_not_permitted") {
		t.Errorf("confirmed with nothing kept: %v", err)
	}
	w.pass(23 * time.Hour)
	if got := w.due(); len(got) != 0 || w.only().State != scan.ScheduleUnconfirmed || w.service.ActiveSchedules(ctx, ann) != 0 {
		t.Errorf("unconfirmed, yet %+v", got)
	}
	v.bring(ann)
	if err := w.service.ConfirmSchedule(ctx, ann, s.ID); err != nil {
		t.Fatal(err)
	}
	confirmed := w.only()
	if want := time.Date(2026, 9, 16, 7, 0, 0, 0, time.UTC); confirmed.State != scan.ScheduleActive || !confirmed.NextAt.Equal(want) || w.service.ActiveSchedules(ctx, ann) != 1 {
		t.Errorf("confirmed %+v", confirmed)
	}
	if err := w.service.ConfirmSchedule(ctx, ann, s.ID); err != nil || w.only().Version != confirmed.Version {
		t.Errorf("confirmed twice: %+v, %v", w.only(), err)
	}

	late, err := w.schedule(ann, everyMorning, sub2)
	if err != nil {
		t.Fatal(err)
	}
	w.pass(scan.UnconfirmedFor + time.Minute)
	w.due()
	if err := w.service.ConfirmSchedule(ctx, ann, late.ID); !apperr.HasCode(err, "schedule_not_found") || !v.has(ann) {
		t.Errorf("after a day: %v", err)
	}
}

// A visit whose schedule has gone meanwhile leaves nothing behind.
func TestNothingIsKeptForNothing(t *testing.T) {
	w, v := scheduling(t)
	s, err := w.schedule(ann, everyMorning, sub1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.service.RemoveSchedule(t.Context(), ann, s.ID); err != nil || len(w.all()) != 0 {
		t.Fatalf("%+v, %v", w.all(), err)
	}
	v.bring(ann)
	if err := w.service.ConfirmSchedule(t.Context(), ann, s.ID); !apperr.HasCode(err, "schedule_not_found") || v.has(ann) {
		t.Errorf("%v, kept %v", err, v.has(ann))
	}
	v.bring(ann)
	if err := w.service.ConfirmSchedule(t.Context(), ann, ""); err != nil || v.has(ann) {
		t.Errorf("a renewal for nothing: %v, kept %v", err, v.has(ann))
	}
}

// What the tenant refuses is gone; if the owner brings another permission before
// the run is looked at again, nothing ends.
func TestNewPermissionOutrunsTheRefusal(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	w.set(func() { w.signedIn, w.now = false, s.NextAt })
	got := w.due()
	v.mu.Lock()
	v.wants = fmt.Errorf("an old one: %w", scan.ErrDelegationRefused) // of a refresh that began before
	v.mu.Unlock()
	one, _ := w.look(got[0].ID)
	want(t, one, scan.Waiting, scan.PartPending)
	if w.only().State != scan.ScheduleActive || !v.has(ann) {
		t.Errorf("schedule %+v", w.only())
	}
	v.mu.Lock()
	v.wants = nil
	v.mu.Unlock()
	w.pass(time.Minute)
	one, _ = w.look(one.ID)
	want(t, one, scan.Running, scan.PartQueued)
}

// challenged makes the tenant want to see the owner.
func (v *vault) challenged(on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.wants = nil; on {
		v.wants = &scan.OwnerNeeded{Claims: `{"access_token":{}}`, Cause: errors.New("AADSTS50076")}
	}
}

func TestRunThatNeedsItsOwner(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	w.set(func() { w.signedIn, w.now = false, s.NextAt })
	v.challenged(true)
	one, _ := w.look(w.due()[0].ID)
	want(t, one, scan.Waiting, scan.PartPending)
	noted := w.only()
	if noted.State != scan.ScheduleActive || noted.Notice.Code != scan.NoticeOwner || one.Problem.Claims == "" || !v.has(ann) {
		t.Errorf("schedule %+v, problem %+v", noted, one.Problem)
	}
	w.pass(time.Minute)
	one, _ = w.look(one.ID)
	want(t, one, scan.Waiting, scan.PartPending)

	w.set(func() { w.signedIn = true }) // a session helps this run, and no other
	w.pass(time.Minute)
	one, _ = w.look(one.ID)
	want(t, one, scan.Running, scan.PartQueued)
	if w.only().Notice.Code != scan.NoticeOwner {
		t.Errorf("schedule %+v", w.only())
	}

	w.pass(time.Minute)
	v.bring(ann)
	v.challenged(false)
	if err := w.service.ConfirmSchedule(t.Context(), ann, ""); err != nil || w.only().Notice.Code != "" {
		t.Errorf("after the renewal: %+v, %v", w.only(), err)
	}
}

// newSets takes in what is read and keeps nothing.
type newSets struct{ results.Records }

func (newSets) CreateResultSet(_ context.Context, rec results.SetRecord) (results.SetRecord, bool, error) {
	return rec, true, nil
}
func (newSets) SaveResults(context.Context, results.SetRecord, []byte) error { return nil }

// The tenant wants to see the owner only when AzTS has scanned and the results are
// to be read: that is told as well.
func TestReadingThatNeedsItsOwner(t *testing.T) {
	w, v := scheduling(t)
	keys, err := seal.NewKeyRing(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := results.New(results.Config{Records: newSets{}, Keys: keys, Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	w.service, err = scan.New(scan.Config{Records: w.records, AzTS: w.client, Tokens: w, Log: slog.New(slog.DiscardHandler), Now: w.clock,
		Schedules: w.records, Delegations: v, Results: archive, Retention: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s := w.mustSchedule(v, sub1)
	w.set(func() { w.signedIn, w.now = false, s.NextAt })
	one, _ := w.look(w.due()[0].ID)
	w.pass(time.Minute)
	w.finish(sub1)
	one, _ = w.look(one.ID)
	want(t, one, scan.Completed, scan.PartCompleted)
	v.challenged(true)
	if _, err := w.service.Read(t.Context(), one.ID); err != nil {
		t.Fatal(err)
	}
	if one, err = w.service.Get(t.Context(), ann, one.ID); err != nil || one.Reading.State != scan.ReadWaiting || w.only().Notice.Code != scan.NoticeOwner {
		t.Errorf("reading %+v, %v; schedule %+v", one.Reading, err, w.only())
	}
}

// A scan that waits goes on with a permission that was brought since, though the
// tenant takes nothing of the owner's session.
func TestRenewedPermissionHelpsTheWaitingRun(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	w.set(func() {
		w.now = s.NextAt
		w.tokenError = &scan.OwnerNeeded{Cause: errors.New("more proof")}
	})
	v.challenged(true)
	one, _ := w.look(w.due()[0].ID)
	want(t, one, scan.Waiting, scan.PartPending)
	w.pass(time.Minute)
	v.bring(ann)
	v.challenged(false)
	one, _ = w.look(one.ID)
	want(t, one, scan.Running, scan.PartQueued)
}

func TestScheduleEndsWhenItsOwnerNeverComes(t *testing.T) {
	for name, plan := range map[string]scan.Plan{"daily": everyMorning, "weekly": {Every: scan.Weekly, Weekday: time.Tuesday, Hour: 7, Zone: "UTC"}} {
		t.Run(name, func(t *testing.T) {
			w, v := scheduling(t)
			s, err := w.schedule(ann, plan, sub1)
			if err != nil {
				t.Fatal(err)
			}
			v.bring(ann)
			if err := w.service.ConfirmSchedule(t.Context(), ann, s.ID); err != nil {
				t.Fatal(err)
			}
			v.challenged(true)
			w.set(func() { w.signedIn = false })
			for day := 0; ; day++ {
				one := w.only()
				if one.State == scan.ScheduleEnded {
					if one.Notice.Code != scan.NoticeUnanswered || v.has(ann) || day > 8 {
						t.Errorf("on day %d %+v, kept %v", day, one, v.has(ann))
					}
					return
				}
				if day > 8 {
					t.Fatalf("it never ends: %+v", one)
				}
				w.set(func() { w.now = one.NextAt.Add(time.Second) })
				w.due()
				w.look(w.only().LastScan)
			}
		})
	}
}

// The attack: a person who withdraws is acted for no more, though a run is under way.
func TestWithdrawnPermissionEndsEverything(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	paused := w.mustSchedule(v, sub2)
	if err := w.service.PauseSchedule(t.Context(), ann, paused.ID); err != nil {
		t.Fatal(err)
	}
	w.set(func() { w.signedIn, w.now = false, s.NextAt })
	running := w.due()[0]
	if err := w.service.WithdrawPermission(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	for _, one := range w.all() {
		if one.State != scan.ScheduleEnded || one.Notice.Code != "" || !one.NextAt.IsZero() {
			t.Errorf("schedule %+v", one)
		}
	}
	one, _ := w.look(running.ID)
	want(t, one, scan.Waiting, scan.PartPending)
	if v.has(ann) || w.requests != 0 {
		t.Errorf("kept %v, %d requests", v.has(ann), w.requests)
	}
	if err := w.service.RemoveSchedule(t.Context(), ann, s.ID); err != nil || len(w.all()) != 1 {
		t.Errorf("%+v, %v", w.all(), err)
	}
}

// A process that dies between two steps leaves something behind that nothing needs:
// a while later it is gone.
func TestWhatIsKeptForNothingGoes(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	v.bring(bob) // and no schedule of his was ever confirmed
	w.pass(9 * time.Minute)
	w.due()
	if !v.has(bob) || !v.has(ann) {
		t.Errorf("kept %v", v.kept)
	}
	w.pass(2 * time.Minute)
	if w.due(); v.has(bob) || !v.has(ann) {
		t.Errorf("kept %v", v.kept)
	}
	// The end of the last schedule does not take what a visit brought for another.
	other, err := w.schedule(ann, everyMorning, sub2)
	if err != nil {
		t.Fatal(err)
	}
	v.bring(ann)
	if err := errors.Join(w.service.EndSchedule(t.Context(), ann, s.ID), w.service.ConfirmSchedule(t.Context(), ann, other.ID)); err != nil || !v.has(ann) {
		t.Errorf("%v, kept %v", err, v.kept)
	}
}

// One that is paused does not keep a permission for ever, and does not run again
// without one.
func TestPausedScheduleEnds(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	if err := w.service.PauseSchedule(t.Context(), ann, s.ID); err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	kept := v.kept[ann]
	delete(v.kept, ann)
	v.mu.Unlock()
	if err := w.service.ConfirmSchedule(t.Context(), ann, s.ID); !apperr.HasCode(err, "schedule_not_permitted") || w.only().State != scan.SchedulePaused {
		t.Errorf("resumed with nothing kept: %v, %+v", err, w.only())
	}
	v.kept[ann] = kept
	w.pass(scan.PausedFor)
	if w.due(); w.only().State != scan.SchedulePaused || !v.has(ann) {
		t.Errorf("%+v, kept %v", w.only(), v.kept)
	}
	w.pass(time.Second)
	if w.due(); w.only().State != scan.ScheduleEnded || w.only().Notice.Code != scan.NoticePaused || v.has(ann) {
		t.Errorf("%+v, kept %v", w.only(), v.kept)
	}
}

func TestActiveScheduleIsNotRemoved(t *testing.T) {
	w, v := scheduling(t)
	s := w.mustSchedule(v, sub1)
	if err := w.service.RemoveSchedule(t.Context(), ann, s.ID); !apperr.HasCode(err, "schedule_changed") || w.only().State != scan.ScheduleActive {
		t.Errorf("%+v, %v", w.only(), err)
	}
}
