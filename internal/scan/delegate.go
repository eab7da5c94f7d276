package scan

import (
	"context"
	"errors"
	"slices"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
)

// The codes of notices.
const (
	NoticeRefused    = "schedule_refused"    // ended: the tenant takes the permission no more
	NoticeOwner      = "schedule_owner"      // the tenant wants to see the owner first
	NoticeUnanswered = "schedule_unanswered" // ended: the owner did not come
	NoticePaused     = "schedule_paused"     // ended: nobody resumed it
	NoticeImpossible = "schedule_impossible" // ended: this portal does not know its time zone, or the like
)

const again = "Set it up again if you still need it."

var (
	noticePaused     = Notice{Code: NoticePaused, Message: "This repeated scan has ended: it was paused for 90 days.", Next: again}
	noticeImpossible = Notice{Code: NoticeImpossible, Message: "This repeated scan has ended: its time or what it scans cannot be understood any more.", Next: again}
)

var errNothingKept = apperr.New(apperr.Conflict, "schedule_not_permitted", "The portal has no permission of yours for repeated scans yet.").
	WithNext(apperr.MenderPerson, "Go on to the company sign-in from the list of your repeated scans.")

// PermissionKept returns since when the refresh token of a person is kept for
// their schedules, zero if none is.
func (s *Service) PermissionKept(ctx context.Context, person access.PersonID) (time.Time, error) {
	if s.delegations == nil || person.IsZero() {
		return time.Time{}, nil
	}
	return s.delegations.Kept(ctx, person)
}

// ConfirmSchedule makes an unconfirmed or paused schedule of the owner run from its
// next time on, now that what they agreed to is kept; any other stays as it is. With an empty id
// it confirms none. What is kept for nothing is forgotten, and runs that need the
// owner are told that they were here.
func (s *Service) ConfirmSchedule(ctx context.Context, owner access.PersonID, id ID) error {
	kept, err := s.PermissionKept(ctx, owner)
	if err != nil {
		return err
	}
	if kept.IsZero() {
		return errNothingKept
	}
	if id != "" {
		err = s.changeSchedule(ctx, owner, id, func(one *Schedule, now time.Time) (err error) {
			if one.State != ScheduleUnconfirmed && one.State != SchedulePaused {
				return errUnchanged
			}
			one.State = ScheduleActive
			one.NextAt, err = one.Plan.Next(now)
			return err
		})
	}
	// Also when it failed: somebody may have removed the schedule meanwhile.
	return errors.Join(err, s.clearOwnerNotices(ctx, owner), s.forgetUnused(ctx, owner))
}

// clearOwnerNotices takes away what asked the owner to come.
func (s *Service) clearOwnerNotices(ctx context.Context, owner access.PersonID) error {
	list, err := s.schedules.SchedulesOf(ctx, owner, listedSchedules)
	for _, one := range list {
		if one.Notice.Code == NoticeOwner {
			err = errors.Join(err, s.ownerCame(ctx, owner, one.ID))
		}
	}
	return err
}

// WithdrawPermission erases what is kept for the owner and ends all their
// schedules. The erasing comes first: whatever fails then, nobody acts for them.
func (s *Service) WithdrawPermission(ctx context.Context, owner access.PersonID) error {
	if s.schedules == nil || owner.IsZero() {
		return errNoSchedules
	}
	if err := s.delegations.Forget(ctx, owner, time.Time{}); err != nil {
		return err
	}
	return s.endAll(ctx, owner, Notice{})
}

// endAll ends all schedules of a person with a notice. Those that were never
// confirmed stay: nothing runs for them.
func (s *Service) endAll(ctx context.Context, owner access.PersonID, notice Notice) error {
	list, err := s.schedules.SchedulesOf(ctx, owner, listedSchedules)
	if err != nil {
		return err
	}
	for _, one := range list {
		if !one.State.needsPermission() {
			continue
		}
		err = errors.Join(err, s.changeSchedule(ctx, owner, one.ID, func(one *Schedule, _ time.Time) error {
			if !one.State.needsPermission() {
				return errUnchanged
			}
			one.State, one.NextAt, one.Notice = ScheduleEnded, time.Time{}, notice
			return nil
		}))
	}
	return err
}

// needsPermission reports whether a refresh token has to be kept for a schedule
// in this state.
func (s ScheduleState) needsPermission() bool { return s == ScheduleActive || s == SchedulePaused }

// forgetUnused erases the kept refresh token of a person who has no schedule that
// needs it. What they bring meanwhile stays, also while the schedule that it is for
// is not confirmed yet.
func (s *Service) forgetUnused(ctx context.Context, owner access.PersonID) error {
	kept, err := s.delegations.Kept(ctx, owner)
	if err != nil || kept.IsZero() {
		return err
	}
	list, err := s.schedules.SchedulesOf(ctx, owner, listedSchedules)
	if err != nil {
		return err
	}
	fresh := s.now().Sub(kept) < keptUnused
	if slices.ContainsFunc(list, func(o Schedule) bool { return o.State.needsPermission() || fresh && o.State == ScheduleUnconfirmed }) {
		return nil
	}
	return s.delegations.Forget(ctx, owner, kept)
}

// sourceOf returns a source of tokens for a scan. That of a schedule runs with the
// refresh token that is kept for it. While it waits for its owner, a session of
// theirs may help it, unless they have brought a new permission meanwhile; when
// the tenant has refused, nothing else can.
func (s *Service) sourceOf(ctx context.Context, scan *Scan) (azts.TokenSource, error) {
	if scan.Schedule == "" || s.delegations == nil {
		return s.tokens.AzTSToken(ctx, scan.Owner)
	}
	kept, err := s.delegations.Kept(ctx, scan.Owner)
	if err != nil {
		return nil, err
	}
	if kept.IsZero() {
		if err := s.refusedByTenant(ctx, scan.Owner); err != nil {
			return nil, err
		}
		return s.tokens.AzTSToken(ctx, scan.Owner)
	}
	source, err := s.delegations.AzTSToken(ctx, scan.Owner)
	if since := scan.waitsSince(); err != nil || since.IsZero() || kept.After(since) {
		return source, err
	}
	session, err := s.tokens.AzTSToken(ctx, scan.Owner)
	if err != nil {
		return source, nil // signed out: what is kept may work again
	}
	return ownersFirst{session: session, kept: source}, nil
}

// waitsSince returns since when a scan, or the reading of its results, waits for
// its owner; zero if it does not.
func (s *Scan) waitsSince() time.Time {
	if s.State == Waiting {
		return s.ChangedAt
	}
	return s.Reading.WaitsSince
}

// ownersFirst gives the token of a live session, else that of what is kept.
type ownersFirst struct{ session, kept azts.TokenSource }

// Token implements azts.TokenSource.
func (o ownersFirst) Token(ctx context.Context, scope string) (string, error) {
	token, err := o.session.Token(ctx, scope)
	if needsOwner(err) {
		return o.kept.Token(ctx, scope)
	}
	return token, err
}

// Invalidate implements azts.TokenSource: each knows its own.
func (o ownersFirst) Invalidate(ctx context.Context, scope, token string) {
	o.session.Invalidate(ctx, scope, token)
	o.kept.Invalidate(ctx, scope, token)
}

// refusedByTenant ends the schedules of a person whose kept refresh token the
// tenant refuses, and leaves them a notice. If they have brought another one
// meanwhile, nothing ends.
func (s *Service) refusedByTenant(ctx context.Context, owner access.PersonID) error {
	kept, err := s.delegations.Kept(ctx, owner)
	if err != nil || !kept.IsZero() {
		return err
	}
	return s.endAll(ctx, owner, Notice{Code: NoticeRefused, At: s.time(),
		Message: "This repeated scan has ended: the company sign-in does not let the portal act for you any more.",
		Next:    "That happens after a new password or a change of your account's rules. Set it up again if you still need it."})
}

// tellSchedule tells the schedule of a scan that a run needs its owner, or does so
// no more. was is the scan's state before the look, err what stood in the way.
func (s *Service) tellSchedule(ctx context.Context, scan *Scan, was State, err error) error {
	switch {
	case scan.Schedule == "" || s.schedules == nil || errors.Is(err, ErrDelegationRefused):
		return nil
	case was != Waiting && scan.State == Waiting:
		err = s.ownerMissed(ctx, scan.Owner, scan.Schedule)
	case err == nil && was == Requested && scan.State != was: // by what is kept, since it never waited
		err = s.ownerCame(ctx, scan.Owner, scan.Schedule)
	default:
		return nil
	}
	return unlessGone(err)
}

// tellOfReading is tellSchedule for a turn at a run's results.
func (s *Service) tellOfReading(ctx context.Context, scan *Scan, was ReadState, err error) error {
	if scan.Schedule == "" || s.schedules == nil || errors.Is(err, ErrDelegationRefused) || was == ReadWaiting || scan.Reading.State != ReadWaiting {
		return nil
	}
	return unlessGone(s.ownerMissed(ctx, scan.Owner, scan.Schedule))
}

// unlessGone is err, but for that of a schedule that went meanwhile.
func unlessGone(err error) error {
	if apperr.HasCode(err, errNoSchedule.Code) {
		return nil
	}
	return err
}

// ownerMissed notes that a run of a schedule waits for its owner. One whose runs
// have done so for [OwnerPatience] ends.
func (s *Service) ownerMissed(ctx context.Context, owner access.PersonID, id ID) error {
	err := s.changeSchedule(ctx, owner, id, func(one *Schedule, now time.Time) error {
		switch {
		case !one.State.needsPermission():
			return errUnchanged
		case one.Notice.Code != NoticeOwner:
			one.Notice = Notice{Code: NoticeOwner, At: now, Message: "The company sign-in wants to see you before this scan can run again.",
				Next: "Renew the permission. If you do not, this repeated scan ends after about a week."}
		case now.Sub(one.Notice.At) >= OwnerPatience:
			one.State, one.NextAt = ScheduleEnded, time.Time{}
			one.Notice = Notice{Code: NoticeUnanswered, At: now, Message: "This repeated scan has ended: for days the company sign-in wanted to see you first.",
				Next: again}
		default:
			return errUnchanged
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.forgetUnused(ctx, owner)
}

// ownerCame takes back what ownerMissed noted.
func (s *Service) ownerCame(ctx context.Context, owner access.PersonID, id ID) error {
	return s.changeSchedule(ctx, owner, id, func(one *Schedule, _ time.Time) error {
		if one.Notice.Code != NoticeOwner {
			return errUnchanged
		}
		one.Notice = Notice{}
		return nil
	})
}
