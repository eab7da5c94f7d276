package scan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	// soon is how near the next run must be for a missed one not to be made up for.
	soon = time.Hour
	// keptUnused is how long something may be kept for a person before the schedule
	// runs that it was brought for.
	keptUnused = 10 * time.Minute
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
// however many processes do this; of runs that were missed, one is made up for,
// unless the next is near.
// One that cannot run keeps no other from it: if it never will, it ends.
func (s *Service) RunDue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dueTime)
	defer cancel()
	now := s.time()
	due, err := s.schedules.DueSchedules(ctx, now, dueLimit)
	if err != nil {
		return err
	}
	var failed []error
	for _, one := range due {
		err := s.runSchedule(ctx, one)
		if apperr.IsKind(err, apperr.Invalid) {
			s.log.ErrorContext(ctx, "a schedule that cannot run ends", "schedule", one.ID, "error", err)
			err = s.endSchedule(ctx, one, noticeImpossible)
		}
		if err != nil && !errors.Is(err, ErrConflict) { // another process was faster
			failed = append(failed, fmt.Errorf("schedule %s: %w", one.ID, err))
		}
	}
	return errors.Join(append(failed, s.tidy(ctx, now))...)
}

// tidy ends and drops the schedules whose time is over, and erases what is kept
// for nothing.
func (s *Service) tidy(ctx context.Context, now time.Time) error {
	paused, err := s.schedules.StaleSchedules(ctx, SchedulePaused, now.Add(-PausedFor), dueLimit)
	for _, one := range paused {
		if e := s.endSchedule(ctx, one, noticePaused); !errors.Is(e, ErrConflict) {
			err = errors.Join(err, e)
		}
	}
	_, unconfirmed := s.schedules.DropSchedules(ctx, ScheduleUnconfirmed, now.Add(-UnconfirmedFor))
	_, ended := s.schedules.DropSchedules(ctx, ScheduleEnded, now.Add(-EndedFor))
	// Who died between two steps may have left something behind.
	n, unused := s.delegations.ForgetUnused(ctx, now.Add(-keptUnused))
	if n > 0 {
		s.log.WarnContext(ctx, "permissions that were kept for nothing are erased", "persons", n)
	}
	return errors.Join(err, unconfirmed, ended, unused)
}

// endSchedule ends a schedule with a notice, if it is as it was read.
func (s *Service) endSchedule(ctx context.Context, one Schedule, notice Notice) error {
	now := s.time()
	notice.At = now
	one.State, one.NextAt, one.ChangedAt, one.Notice = ScheduleEnded, time.Time{}, now, notice
	if err := s.schedules.SaveSchedule(ctx, one); err != nil {
		return err
	}
	return s.forgetUnused(ctx, one.Owner)
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
	if one.NextAt.Sub(now) < soon {
		// It is too late to make up for: AzTS would be asked twice for the same.
		return s.schedules.SaveSchedule(ctx, one)
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
	// Key makes one schedule of a form that is sent twice as it is; empty: each is
	// new.
	Key string
}

var (
	errNoSchedules = apperr.New(apperr.Unavailable, "schedules_off", "Scans cannot be repeated by this portal.")
	errNotAgreed   = apperr.New(apperr.Invalid, "schedule_consent", "A repeated scan needs your yes: the portal has to keep a permission of yours.").
			WithNext(apperr.MenderPerson, "Read what is kept, tick the box, and save again.")
	errManySchedules = apperr.New(apperr.Conflict, "schedule_many", fmt.Sprintf("You have %d repeated scans, which is the most.", MaxSchedules)).
				WithNext(apperr.MenderPerson, "End one that you do not need any more.")
	errFullDay = apperr.New(apperr.Conflict, "schedule_quota", fmt.Sprintf("One of these subscriptions would be scanned more than %d times on one day.", MaxScheduledPerDay)).
			WithNext(apperr.MenderPerson, fmt.Sprintf("AzTS allows %d a day, which for it begins at midnight UTC. Choose another day, or end another repeated scan of it.", azts.ScansPerDay))
	errNoSchedule = apperr.New(apperr.NotFound, "schedule_not_found", "There is no such repeated scan.").
			WithNext(apperr.MenderPerson, "Look in the list of your repeated scans.")
	errScheduleChanged = apperr.New(apperr.Conflict, "schedule_changed", "This repeated scan has changed meanwhile.").
				WithNext(apperr.MenderPerson, "Look at it again, then decide.")
)

// AddSchedule stores a schedule that the person wants and has agreed to. It is
// unconfirmed and does not run: [Service.ConfirmSchedule] comes when what they
// agreed to is kept. The same owner, key, plan and subscriptions give the same
// schedule: of a form that was changed and sent again, the change must count.
func (s *Service) AddSchedule(ctx context.Context, owner access.PersonID, wish Wish) (Schedule, error) {
	if s.schedules == nil {
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
	if _, err := wish.Plan.Next(now); err != nil {
		return Schedule{}, err
	}
	if !wish.Agreed {
		return Schedule{}, errNotAgreed
	}
	id, err := s.scheduleID(owner, wish.Key, wish.Plan, list)
	if err != nil {
		return Schedule{}, err
	}
	one := Schedule{ID: id, Owner: owner, Plan: wish.Plan, Subscriptions: list, State: ScheduleUnconfirmed, AgreedAt: now, CreatedAt: now,
		ChangedAt: now, Version: 1}
	created, err := s.schedules.CreateSchedule(ctx, one, one.fits)
	if err != nil {
		return Schedule{}, err
	}
	if created {
		return one, nil
	}
	return s.Schedule(ctx, owner, id) // the same form, a moment ago
}

// scheduleID returns a new ID, or the one that belongs to an owner, a key and what
// is wished. It tells nothing of the key, and another owner's key gives another.
func (s *Service) scheduleID(owner access.PersonID, key string, plan Plan, subscriptions []string) (ID, error) {
	if key == "" {
		return newID(s.random)
	}
	if !validKey(key) {
		return "", errScheduleKey
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s\x00%d\x00%d\x00%s\x00%s", owner.Authority, owner.Subject, key,
		plan.Every, plan.Weekday, plan.Hour, plan.Zone, strings.Join(slices.Sorted(slices.Values(subscriptions)), "\x00")))
	return newID(bytes.NewReader(sum[:]))
}

var errScheduleKey = apperr.New(apperr.Invalid, "schedule_key", "The form of this repeated scan is damaged.").
	WithNext(apperr.MenderPerson, "Open the page again and fill it in once more.")

// fits reports whether the new schedule stays within the limits, with the others
// of its owner that have not ended.
func (s *Schedule) fits(others []Schedule) error {
	if len(others) >= MaxSchedules {
		return errManySchedules
	}
	own, runs := s.Plan.runsADay(s.CreatedAt), make(map[string]*[quotaDays]int, len(s.Subscriptions))
	for _, id := range s.Subscriptions {
		all := own
		runs[id] = &all
	}
	for _, o := range others {
		theirs := o.Plan.runsADay(s.CreatedAt)
		for _, id := range o.Subscriptions {
			all := runs[id]
			if all == nil {
				continue
			}
			for day, n := range theirs {
				if all[day] += n; own[day] > 0 && all[day] > MaxScheduledPerDay {
					return errFullDay
				}
			}
		}
	}
	return nil
}

// Schedules returns the owner's schedules, those that have ended last, else newest first.
func (s *Service) Schedules(ctx context.Context, owner access.PersonID) ([]Schedule, error) {
	if s.schedules == nil || owner.IsZero() {
		return nil, nil
	}
	return s.schedules.SchedulesOf(ctx, owner, listedSchedules)
}

// Schedule returns a schedule of the owner. Someone else's is not found.
func (s *Service) Schedule(ctx context.Context, owner access.PersonID, id ID) (Schedule, error) {
	if s.schedules == nil || owner.IsZero() || !id.valid() {
		return Schedule{}, errNoSchedule
	}
	one, err := s.schedules.LoadSchedule(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && one.Owner != owner {
		return Schedule{}, errNoSchedule
	}
	return one, err
}

// ActiveSchedules counts the schedules of a person that run on, whether they are
// signed in or not. 0 when it cannot be found out.
func (s *Service) ActiveSchedules(ctx context.Context, person access.PersonID) int {
	if s.schedules == nil || person.IsZero() {
		return 0
	}
	n, err := s.schedules.CountSchedules(ctx, person, ScheduleActive)
	if err != nil {
		s.log.WarnContext(ctx, "repeated scans cannot be counted", "error", err)
	}
	return n
}

// PauseSchedule stops the runs of a schedule until it is confirmed anew, or ends
// after [PausedFor].
func (s *Service) PauseSchedule(ctx context.Context, owner access.PersonID, id ID) error {
	return s.changeSchedule(ctx, owner, id, func(one *Schedule, _ time.Time) error {
		if one.State != ScheduleActive {
			return errUnchanged
		}
		one.State, one.NextAt = SchedulePaused, time.Time{}
		return nil
	})
}

// EndSchedule ends a schedule for good. With the last of a person the refresh
// token that is kept for them goes.
func (s *Service) EndSchedule(ctx context.Context, owner access.PersonID, id ID) error {
	err := s.changeSchedule(ctx, owner, id, func(one *Schedule, _ time.Time) error {
		if one.State == ScheduleEnded {
			return errUnchanged
		}
		one.State, one.NextAt = ScheduleEnded, time.Time{}
		return nil
	})
	if err != nil {
		return err
	}
	return s.forgetUnused(ctx, owner)
}

// RemoveSchedule takes one that was never confirmed, or has ended, off the list.
func (s *Service) RemoveSchedule(ctx context.Context, owner access.PersonID, id ID) error {
	one, err := s.Schedule(ctx, owner, id)
	if err != nil {
		return err
	}
	if one.State != ScheduleUnconfirmed && one.State != ScheduleEnded {
		return errScheduleChanged
	}
	if err = s.schedules.DeleteSchedule(ctx, one); errors.Is(err, ErrConflict) {
		return errScheduleChanged.Because(err)
	}
	return err
}

// DismissNotice takes away what a schedule had to tell.
func (s *Service) DismissNotice(ctx context.Context, owner access.PersonID, id ID) error {
	return s.changeSchedule(ctx, owner, id, func(one *Schedule, _ time.Time) error {
		one.Notice = Notice{}
		return nil
	})
}

// errUnchanged says that there is nothing to store.
var errUnchanged = errors.New("scan: the schedule is as it should be")

// changeSchedule changes a schedule of the owner. Someone else's is not found.
func (s *Service) changeSchedule(ctx context.Context, owner access.PersonID, id ID, change func(one *Schedule, now time.Time) error) error {
	for range 3 {
		one, err := s.Schedule(ctx, owner, id)
		if err != nil {
			return err
		}
		now := s.time()
		if err := change(&one, now); errors.Is(err, errUnchanged) {
			return nil
		} else if err != nil {
			return err
		}
		one.ChangedAt = now
		if err = s.schedules.SaveSchedule(ctx, one); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return errScheduleChanged
}
