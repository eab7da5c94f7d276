package handlers

import (
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/arm"
)

const (
	// usualPause is how long Azure is left alone where it names no time itself.
	usualPause = 30 * time.Second
	// longestPause bounds what Azure can name: a wrong one must not blind the page
	// for a day.
	longestPause = 15 * time.Minute
	// listKey stands for a subscription where the list of all of them is meant.
	listKey = "list"
)

// pause is how long Azure asked to be left alone about something.
type pause struct {
	until time.Time
	err   error // the refusal
}

// pauses remember when Azure may be asked again, so that reloading a page does not
// ask once more what was refused a moment ago. nil remembers nothing.
type pauses struct{ kept *memory[roleKey, pause] }

func newPauses(now func() time.Time) *pauses {
	return &pauses{newMemory[roleKey, pause](longestPause, 100_000, now)}
}

// of returns the pause that is on, if there is one.
func (p *pauses) of(key roleKey) (pause, bool) {
	if p == nil {
		return pause{}, false
	}
	one, ok := p.kept.get(key)
	return one, ok && p.kept.now().Before(one.until)
}

// note remembers an error if it asks to wait, and reports whether it does.
func (p *pauses) note(key roleKey, err error) bool {
	if p == nil || !apperr.IsKind(err, apperr.TooMany) {
		return false
	}
	wait := arm.RetryAfter(err)
	if wait <= 0 {
		wait = usualPause
	}
	p.kept.put(key, pause{p.kept.now().Add(min(wait, longestPause)), err}, 1)
	return true
}
