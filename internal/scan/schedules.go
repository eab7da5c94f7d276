package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
)

const (
	// dueEvery is how often schedules are looked through, dueLimit how many are
	// run in one go, and dueTime how long that may take.
	dueEvery = time.Minute
	dueLimit = 200
	dueTime  = 20 * time.Second
	// listedSchedules is how many of a person's schedules are read, ended ones included.
	listedSchedules = 100
)

// DueArgs is the job that runs the schedules whose time has come.
type DueArgs struct{}

// Kind names the job; it stands in the database and must not change.
func (DueArgs) Kind() string { return "scan_schedules" }

// Periodic returns the jobs that run schedules and delete old results, where there
// are any.
func (s *Service) Periodic() (jobs []*river.PeriodicJob) {
	if s.results != nil {
		jobs = append(jobs, expirePeriodic())
	}
	if s.schedules == nil {
		return jobs
	}
	return append(jobs, river.NewPeriodicJob(river.PeriodicInterval(dueEvery), func() (river.JobArgs, *river.InsertOpts) {
		return DueArgs{}, &river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByPeriod: dueEvery}}
	}, &river.PeriodicJobOpts{RunOnStart: true}))
}

type dueWorker struct {
	river.WorkerDefaults[DueArgs]
	service *Service
}

// Work implements river.Worker.
func (w *dueWorker) Work(ctx context.Context, _ *river.Job[DueArgs]) error {
	return w.service.RunDue(ctx)
}

// RunDue runs the schedules whose time has come. One that is due is run once,
// however many processes do this; of runs that were missed, one is made up for.
func (s *Service) RunDue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dueTime)
	defer cancel()
	due, err := s.schedules.DueSchedules(ctx, s.time(), dueLimit)
	if err != nil {
		return err
	}
	for _, one := range due {
		if err := s.runSchedule(ctx, one); err != nil && !errors.Is(err, ErrConflict) { // another process was faster
			return fmt.Errorf("schedule %s: %w", one.ID, err)
		}
	}
	return nil
}

func (s *Service) runSchedule(ctx context.Context, one Schedule) error {
	now := s.time()
	// The key names the run, so that even a schedule that was put back by hand
	// cannot scan twice for one due time.
	run, err := s.draft(one.Owner, one.Subscriptions, fmt.Sprintf("schedule-%s-%d", one.ID, one.NextAt.Unix()))
	if err != nil {
		return err
	}
	run.Schedule = one.ID
	if one.NextAt, err = one.Plan.Next(now); err != nil {
		return err
	}
	one.LastAt, one.LastScan, one.ChangedAt = now, run.ID, now
	if err := s.schedules.RunSchedule(ctx, one, run, FollowArgs{Scan: run.ID}); err != nil {
		return err
	}
	s.publish(run)
	s.log.InfoContext(ctx, "schedule run", "schedule", one.ID, "scan", run.ID, "next", one.NextAt)
	return nil
}

// Wish is a schedule that a person wants.
type Wish struct {
	Subscriptions []string
	Plan          Plan
	// Agreed is the person's explicit yes to a refresh token being kept for it.
	Agreed bool
}

var (
	errNoSchedules = apperr.New(apperr.Unavailable, "schedules_off", "Scans cannot be repeated by this portal.")
	errNotAgreed   = apperr.New(apperr.Invalid, "schedule_consent", "A repeated scan needs your yes: the portal has to keep a permission of yours.").
			WithNext(apperr.MenderPerson, "Read what is kept, tick the box, and save again.")
	errManySchedules = apperr.New(apperr.Conflict, "schedule_many", fmt.Sprintf("You have %d repeated scans, which is the most.", MaxSchedules)).
				WithNext(apperr.MenderPerson, "End one that you do not need any more.")
	errFullDay = apperr.New(apperr.Conflict, "schedule_quota", fmt.Sprintf("One of these subscriptions would be scanned more than %d times on one day.", MaxScheduledPerDay)).
			WithNext(apperr.MenderPerson, fmt.Sprintf("AzTS allows %d a day. Choose another day, or end another repeated scan of it.", azts.ScansPerDay))
	errNoSchedule = apperr.New(apperr.NotFound, "schedule_not_found", "There is no such repeated scan.").
			WithNext(apperr.MenderPerson, "Look in the list of your repeated scans.")
	errScheduleChanged = apperr.New(apperr.Conflict, "schedule_changed", "This repeated scan has changed meanwhile.").
				WithNext(apperr.MenderPerson, "Look at it again, then decide.")
)

// AddSchedule makes a schedule for the person of a live session. A refresh token
// is kept before the schedule is stored: one without the other does nothing.
func (s *Service) AddSchedule(ctx context.Context, session [32]byte, owner access.PersonID, wish Wish) (Schedule, error) {
	if s.schedules == nil || s.delegations == nil {
		return Schedule{}, errNoSchedules
	}
	if owner.IsZero() {
		return Schedule{}, apperr.New(apperr.Unauthenticated, "scan_nobody", "Sign in to start a scan.")
	}
	list, err := azts.ParseSubscriptionIDs(wish.Subscriptions, MaxParts)
	if err != nil {
		return Schedule{}, err
	}
	now := s.time()
	next, err := wish.Plan.Next(now)
	if err != nil {
		return Schedule{}, err
	}
	if !wish.Agreed {
		return Schedule{}, errNotAgreed
	}
	others, err := s.schedules.SchedulesOf(ctx, owner, listedSchedules)
	if err != nil {
		return Schedule{}, err
	}
	if err := fits(others, wish.Plan, list); err != nil {
		return Schedule{}, err
	}
	id, err := newID(s.random)
	if err != nil {
		return Schedule{}, err
	}
	if err := s.delegations.Keep(ctx, session, owner); err != nil {
		return Schedule{}, err
	}
	one := Schedule{ID: id, Owner: owner, Plan: wish.Plan, Subscriptions: list, State: ScheduleActive, AgreedAt: now, CreatedAt: now,
		ChangedAt: now, NextAt: next, Version: 1}
	if err := s.schedules.CreateSchedule(ctx, one); err != nil {
		return Schedule{}, errors.Join(err, s.forgetUnused(context.WithoutCancel(ctx), owner))
	}
	return one, nil
}

// fits reports whether one more schedule stays within the limits.
func fits(others []Schedule, plan Plan, subscriptions []string) error {
	others = slices.DeleteFunc(slices.Clone(others), func(o Schedule) bool { return o.State == ScheduleEnded })
	if len(others) >= MaxSchedules {
		return errManySchedules
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		if !plan.runsOn(day) {
			continue
		}
		runs := map[string]int{}
		for _, o := range others {
			if o.Plan.runsOn(day) {
				for _, id := range o.Subscriptions {
					runs[id]++
				}
			}
		}
		for _, id := range subscriptions {
			if runs[id] >= MaxScheduledPerDay {
				return errFullDay
			}
		}
	}
	return nil
}

// Schedules returns the owner's schedules, newest first.
func (s *Service) Schedules(ctx context.Context, owner access.PersonID) ([]Schedule, error) {
	if s.schedules == nil || owner.IsZero() {
		return nil, nil
	}
	return s.schedules.SchedulesOf(ctx, owner, listedSchedules)
}

// PauseSchedule stops the runs of a schedule until it is resumed.
func (s *Service) PauseSchedule(ctx context.Context, owner access.PersonID, id ID) error {
	return s.changeSchedule(ctx, owner, id, func(one *Schedule, _ time.Time) error {
		if one.State == ScheduleActive {
			one.State, one.NextAt = SchedulePaused, time.Time{}
		}
		return nil
	})
}

// ResumeSchedule lets a paused schedule run again, from its next time on.
func (s *Service) ResumeSchedule(ctx context.Context, owner access.PersonID, id ID) error {
	return s.changeSchedule(ctx, owner, id, func(one *Schedule, now time.Time) (err error) {
		if one.State != SchedulePaused {
			return nil
		}
		one.State = ScheduleActive
		one.NextAt, err = one.Plan.Next(now)
		return err
	})
}

// EndSchedule ends a schedule for good. With the last of a person the refresh
// token that is kept for them goes.
func (s *Service) EndSchedule(ctx context.Context, owner access.PersonID, id ID) error {
	err := s.changeSchedule(ctx, owner, id, func(one *Schedule, _ time.Time) error {
		one.State, one.NextAt = ScheduleEnded, time.Time{}
		return nil
	})
	if err != nil {
		return err
	}
	return s.forgetUnused(ctx, owner)
}

// DismissNotice takes away what a schedule had to tell.
func (s *Service) DismissNotice(ctx context.Context, owner access.PersonID, id ID) error {
	return s.changeSchedule(ctx, owner, id, func(one *Schedule, _ time.Time) error {
		one.Notice = Notice{}
		return nil
	})
}

// changeSchedule changes a schedule of the owner. Someone else's is not found.
func (s *Service) changeSchedule(ctx context.Context, owner access.PersonID, id ID, change func(one *Schedule, now time.Time) error) error {
	if s.schedules == nil || owner.IsZero() || !id.valid() {
		return errNoSchedule
	}
	for range 3 {
		one, err := s.schedules.LoadSchedule(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && one.Owner != owner {
			return errNoSchedule
		}
		if err != nil {
			return err
		}
		now := s.time()
		if err := change(&one, now); err != nil {
			return err
		}
		one.ChangedAt = now
		if err = s.schedules.SaveSchedule(ctx, one); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return errScheduleChanged
}

// forgetUnused erases the kept refresh token of a person without schedules.
func (s *Service) forgetUnused(ctx context.Context, owner access.PersonID) error {
	list, err := s.schedules.SchedulesOf(ctx, owner, listedSchedules)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(o Schedule) bool { return o.State != ScheduleEnded }) {
		return nil
	}
	return s.delegations.Forget(ctx, owner)
}

// sourceOf returns a source of tokens for a scan: that of a schedule runs with
// the refresh token that is kept for it, and, when the tenant takes that no more,
// like any other with a session of its owner.
func (s *Service) sourceOf(ctx context.Context, scan *Scan) (azts.TokenSource, error) {
	if scan.Schedule == "" || s.delegations == nil {
		return s.tokens.AzTSToken(ctx, scan.Owner)
	}
	source, err := s.delegations.AzTSToken(ctx, scan.Owner)
	if !errors.Is(err, ErrDelegationRefused) {
		return source, err
	}
	if err := s.refusedByTenant(ctx, scan.Owner); err != nil {
		return nil, err
	}
	return s.tokens.AzTSToken(ctx, scan.Owner)
}

// refusedByTenant ends the schedules of a person whose kept refresh token the
// tenant refuses, and leaves them a notice.
func (s *Service) refusedByTenant(ctx context.Context, owner access.PersonID) error {
	list, err := s.schedules.SchedulesOf(ctx, owner, listedSchedules)
	if err != nil {
		return err
	}
	for _, one := range list {
		if one.State == ScheduleEnded {
			continue
		}
		err = errors.Join(err, s.changeSchedule(ctx, owner, one.ID, func(one *Schedule, now time.Time) error {
			one.State, one.NextAt = ScheduleEnded, time.Time{}
			one.Notice = Notice{Code: "schedule_refused", At: now,
				Message: "This repeated scan has ended: the company sign-in does not let the portal act for you any more.",
				Next:    "That happens after a new password or a change of your account's rules. Set it up again if you still need it."}
			return nil
		}))
	}
	if err != nil {
		return err // the token is forgotten when all of them have ended
	}
	s.log.InfoContext(ctx, "schedules ended, since the tenant refuses", "person", owner.String())
	return s.delegations.Forget(ctx, owner)
}
