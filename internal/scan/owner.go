package scan

import (
	"context"

	"azts.internal/portal/internal/access"
)

// NeedsToken counts the scans of a person that need a token of theirs to go on,
// or to have their results read:
// when they sign out everywhere, these wait for them, up to [WaitLimit] after
// they were asked for, and then fail. Those of schedules need it where nothing is
// kept for them any more. 0 when it cannot be found out.
func (s *Service) NeedsToken(ctx context.Context, person access.PersonID) int {
	if person.IsZero() {
		return 0
	}
	kept, err := s.PermissionKept(ctx, person)
	var n int
	if err == nil {
		n, err = s.records.CountOpenScans(ctx, person, kept.IsZero())
	}
	if err != nil {
		s.log.WarnContext(ctx, "open scans cannot be counted", "error", err)
	}
	return n
}

// Wake makes the scans that wait for a person be looked at at once. To be called
// when they have signed in or answered a challenge: without it, a scan goes on
// within a minute.
func (s *Service) Wake(ctx context.Context, person access.PersonID) error {
	if person.IsZero() {
		return nil
	}
	return s.records.HurryScans(ctx, person)
}
