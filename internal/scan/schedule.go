package scan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a container may have no time zones of its own

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
)

// Cadence is how often a schedule runs.
type Cadence string

// The cadences.
const (
	Daily  Cadence = "daily"
	Weekly Cadence = "weekly"
)

// ScheduleState is where a schedule stands.
type ScheduleState string

// The states of a schedule.
const (
	// ScheduleUnconfirmed waits for its owner to come back from the tenant with the
	// permission that it needs. It goes after [UnconfirmedFor].
	ScheduleUnconfirmed ScheduleState = "unconfirmed"
	ScheduleActive      ScheduleState = "active"
	SchedulePaused      ScheduleState = "paused"
	ScheduleEnded       ScheduleState = "ended"
)

// Limits of schedules.
const (
	MaxSchedules = 20 // of one person, ended ones not counted
	// MaxScheduledPerDay is how many runs of one person's schedules may fall on one
	// day of UTC for the same subscription: half of AzTS's quota stays for scans by
	// hand.
	MaxScheduledPerDay = azts.ScansPerDay / 2
	// UnconfirmedFor is how long a schedule waits to be confirmed.
	UnconfirmedFor = 24 * time.Hour
	// PausedFor is how long one may be paused before it ends: the permission is kept
	// for it meanwhile.
	PausedFor = 90 * 24 * time.Hour
	// EndedFor is how long one that has ended is listed.
	EndedFor = 90 * 24 * time.Hour
	// OwnerPatience is how long the runs of a schedule may need its owner, who does
	// not come, before it ends: with the second run of a weekly one, which can be
	// looked at some seconds earlier in its week.
	OwnerPatience = 6 * 24 * time.Hour
)

// Plan is when a schedule runs: at the full hour of a time zone's local time. An
// hour that the change to summer time leaves out is run at the moment of the
// change, though it may be the next day's midnight; one that comes twice is run
// the first time, and a day that a time zone leaves out has no run.
type Plan struct {
	Every   Cadence
	Weekday time.Weekday // of a weekly one
	Hour    int          // 0 to 23
	Zone    string       // IANA name, such as Europe/Berlin
}

// zoneAreas are the first parts of the names that are taken. The files of an
// operating system have names besides that mean something else on each machine
// (localtime, posixrules) or count leap seconds (right/…).
var zoneAreas = []string{"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Canada", "Etc", "Europe", "Indian", "Pacific", "US"}

func knownZone(name string) bool {
	area, _, divided := strings.Cut(name, "/")
	return len(name) <= 64 && (divided && slices.Contains(zoneAreas, area) || name == "UTC" || name == "GMT")
}

var errPlan = apperr.New(apperr.Invalid, "schedule_plan", "This is not a time at which a scan can be repeated.").
	WithNext(apperr.MenderPerson, "Choose daily or weekly, an hour from 0 to 23, and a time zone such as Europe/Berlin.")

func (p Plan) location() (*time.Location, error) {
	daily, weekly := p.Every == Daily, p.Every == Weekly && p.Weekday >= time.Sunday && p.Weekday <= time.Saturday
	if !daily && !weekly || p.Hour < 0 || p.Hour > 23 || !knownZone(p.Zone) {
		return nil, errPlan
	}
	loc, err := time.LoadLocation(p.Zone)
	if err != nil {
		return nil, errPlan.Because(err)
	}
	return loc, nil
}

// Next returns the first run after a moment. It is an Invalid error for a plan
// that has none.
func (p Plan) Next(after time.Time) (time.Time, error) {
	loc, err := p.location()
	if err != nil {
		return time.Time{}, err
	}
	today := after.In(loc)
	// From yesterday, since a change of the clock can move a run past midnight. Two
	// weeks and two days ahead there is always one: a zone may leave out a date.
	for days := -1; days <= 16; days++ {
		day := time.Date(today.Year(), today.Month(), today.Day()+days, 0, 0, 0, 0, time.UTC) // as a date only
		if p.Every == Weekly && day.Weekday() != p.Weekday {
			continue
		}
		if at, ok := hourOf(day, p.Hour, loc); ok && at.After(after) {
			return at, nil
		}
	}
	return time.Time{}, errPlan
}

// hourOf returns when an hour of a date begins in a location; false if the
// location has no such date. time.Date does not say which of two moments it
// takes when the clock is changed.
func hourOf(date time.Time, hour int, loc *time.Location) (time.Time, bool) {
	naive := time.Date(date.Year(), date.Month(), date.Day(), hour, 0, 0, 0, time.UTC)
	_, before := naive.Add(-24 * time.Hour).In(loc).Zone()
	_, after := naive.Add(24 * time.Hour).In(loc).Zone()
	first, second := naive.Add(-time.Duration(before)*time.Second).In(loc), naive.Add(-time.Duration(after)*time.Second).In(loc)
	if second.Before(first) {
		first, second = second, first
	}
	shows := func(t time.Time) bool {
		return t.Hour() == hour && t.Minute() == 0 && t.Day() == date.Day() && t.Month() == date.Month()
	}
	switch {
	case shows(first):
		return first.UTC(), true
	case shows(second):
		return second.UTC(), true
	}
	// The clock leaps over it: at the later of the two moments it has been changed.
	// The date is left out when it is neither the one before nor the one after.
	change, _ := second.ZoneBounds()
	return change.UTC(), change.In(loc).Day() == date.Day() || change.Add(-1).In(loc).Day() == date.Day()
}

// quotaDays is for how many days ahead the runs are counted.
const quotaDays = 14

// runsADay counts the runs on each of the next days as AzTS counts them: in UTC,
// whatever day it is where the plan's clock is.
func (p Plan) runsADay(now time.Time) (runs [quotaDays]int) {
	const day = 24 * time.Hour
	today := now.UTC().Truncate(day)
	for at, err := p.Next(today.Add(-1)); err == nil && at.Sub(today) < quotaDays*day; at, err = p.Next(at) {
		runs[at.Sub(today)/day]++
	}
	return runs
}

// Notice is what a schedule has to tell its owner; Code is empty when there is nothing.
type Notice struct {
	Code    string
	Message string
	Next    string
	At      time.Time
}

// Schedule repeats a scan on behalf of its owner, beyond their sessions.
type Schedule struct {
	ID            ID
	Owner         access.PersonID
	Plan          Plan
	Subscriptions []string
	State         ScheduleState
	// AgreedAt is when the owner said yes to a refresh token being kept for it.
	AgreedAt  time.Time
	CreatedAt time.Time
	ChangedAt time.Time
	NextAt    time.Time // zero unless it is active
	LastAt    time.Time // when it ran last; zero if never
	LastScan  ID        // what that started
	Notice    Notice
	Version   int64 // counts the changes, from 1
}

// ScheduleRecords keeps schedules.
type ScheduleRecords interface {
	// CreateSchedule stores a new schedule, if fits has no error for the others of
	// the owner, of which it gets those that have not ended, no more than one above
	// [MaxSchedules]; nothing comes between.
	// If there is one of that ID, nothing is stored or asked and created is false.
	CreateSchedule(ctx context.Context, s Schedule, fits func(others []Schedule) error) (created bool, err error)
	// SaveSchedule stores what may change (not ID, Owner, Plan, Subscriptions,
	// AgreedAt, CreatedAt) and counts the version up, if the stored version is
	// still s.Version; else [ErrConflict].
	SaveSchedule(ctx context.Context, s Schedule) error
	// RunSchedule is SaveSchedule, CreateScan of run and the enqueuing of its job,
	// all or nothing.
	RunSchedule(ctx context.Context, s Schedule, run Scan, job FollowArgs) error
	// LoadSchedule returns the schedule or [ErrNotFound].
	LoadSchedule(ctx context.Context, id ID) (Schedule, error)
	// DeleteSchedule deletes the schedule if the stored version is still s.Version;
	// else [ErrConflict].
	DeleteSchedule(ctx context.Context, s Schedule) error
	// DropSchedules deletes the schedules in a state that have not changed since
	// before, and returns how many.
	DropSchedules(ctx context.Context, state ScheduleState, before time.Time) (int, error)
	// StaleSchedules returns the schedules in a state that have not changed since
	// before, at most limit.
	StaleSchedules(ctx context.Context, state ScheduleState, before time.Time, limit int) ([]Schedule, error)
	// CountSchedules counts a person's schedules in a state.
	CountSchedules(ctx context.Context, owner access.PersonID, state ScheduleState) (int, error)
	// SchedulesOf returns a person's schedules, those that have ended last, else
	// newest first, at most limit.
	SchedulesOf(ctx context.Context, owner access.PersonID, limit int) ([]Schedule, error)
	// DueSchedules returns active schedules whose time has come, the longest due
	// first, at most limit.
	DueSchedules(ctx context.Context, now time.Time, limit int) ([]Schedule, error)
}

// ErrDelegationRefused says that the tenant does not take the kept refresh token
// any more, and never will.
var ErrDelegationRefused = errors.New("scan: the tenant refuses the kept refresh token")

// Delegations keep, for persons who agreed to it, a refresh token beyond their
// sessions: one for each person, brought by a visit to the tenant for nothing
// else. How it is kept is theirs, and so is the visit.
type Delegations interface {
	// Kept returns when the person brought what is kept for them, zero for nothing.
	Kept(ctx context.Context, owner access.PersonID) (time.Time, error)
	// AzTSToken returns a source of AzTS tokens by the kept refresh token. It, or
	// the source's Token, fails with [ErrDelegationRefused] as a cause when there
	// is no such token or the tenant refuses it; then Kept is zero.
	AzTSToken(ctx context.Context, owner access.PersonID) (azts.TokenSource, error)
	// Forget erases what the person brought at kept, or whatever is kept for them
	// if that is zero.
	Forget(ctx context.Context, owner access.PersonID, kept time.Time) error
	// ForgetUnused erases what persons brought before a time who have no schedule
	// but such that have ended, and returns how many.
	ForgetUnused(ctx context.Context, before time.Time) (int, error)
}
