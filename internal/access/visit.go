package access

import "time"

const (
	// visitEnds is how long somebody must have been away for a new visit to begin.
	visitEnds = 4 * time.Hour
	// visitAnew is the same for somebody who signed in again. Shorter absences are
	// the ways to the company sign-in and back, for a token or for more proof: what
	// changed since yesterday must not vanish because of one.
	visitAnew = 30 * time.Minute
	// visitKept is how often SeenAt moves at most.
	visitKept = 5 * time.Minute
)

// Visit is when a person is here and was here before. The zero value is that of
// somebody who has never been.
type Visit struct {
	BeganAt  time.Time
	SeenAt   time.Time // to within five minutes
	BeforeAt time.Time // when they were seen last in the visit before; zero in the first one
}

// Seen returns the visit of a person who is here now, in a session that began at
// signedIn. changed reports whether there is something to keep.
func (v Visit) Seen(now, signedIn time.Time) (next Visit, changed bool) {
	away := now.Sub(v.SeenAt)
	switch {
	case v.SeenAt.IsZero(), away >= visitEnds, away >= visitAnew && signedIn.After(v.SeenAt):
		return Visit{BeganAt: now, SeenAt: now, BeforeAt: v.SeenAt}, true
	case away < visitKept: // also where another replica's clock is ahead of ours
		return v, false
	}
	v.SeenAt = now
	return v, true
}
