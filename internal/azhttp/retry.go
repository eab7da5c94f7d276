package azhttp

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var errTooLarge = errors.New("answer larger than the limit")

// wait returns how long to pause before the next try, and false when there
// must be none.
func (c *Client) wait(ctx context.Context, r Request, call *CallError, try int) (time.Duration, bool) {
	if try >= MaxTries || !repeats(r.Repeat, call) {
		return 0, false
	}
	wait := min(firstBackoff<<(try-1), c.cfg.MaxWait)
	wait = wait/2 + time.Duration(c.cfg.Jitter()*float64(wait/2))
	if call.RetryAfter > 0 {
		wait = call.RetryAfter + time.Duration(c.cfg.Jitter()*float64(retryAfterOvertime))
	}
	if wait > c.cfg.MaxWait+retryAfterOvertime {
		return 0, false // the caller knows RetryAfter and can come back
	}
	if deadline, ok := ctx.Deadline(); ok && c.cfg.Now().Add(wait).After(deadline) {
		return 0, false
	}
	return wait, true
}

// repeats reports whether a failed try may be followed by the same call.
func repeats(repeat Repeat, call *CallError) bool {
	switch call.Status {
	case http.StatusTooManyRequests:
		return true // refused before anything was done
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return repeat == Repeatable // a gateway may have given up on a request that went through
	}
	if call.Status/100 != 2 && call.Status != 0 || errors.Is(call.Err, errTooLarge) {
		return false
	}
	return repeat == Repeatable || !call.Reached
}

// parseRetryAfter reads seconds or a date (RFC 9110 §10.2.3); zero when there
// is none or it cannot be read.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	var d time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		d = date.Sub(now)
	}
	return min(max(d, 0), maxToldRetryAfter)
}
