package scan

import (
	"context"
	"errors"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
)

// ask marks the next subscriptions as asked, as many as go into one call, and
// returns them. To be stored before AzTS hears of them: what is marked is never
// sent again.
func (s *Scan) ask(now time.Time) []string {
	var ids []string
	for i := range s.Parts {
		if p := &s.Parts[i]; p.due(now) && len(ids) < azts.MaxSubscriptions {
			p.State, p.RetryAt, p.Since = PartAsked, time.Time{}, now.Truncate(time.Second) // AzTS's times have whole seconds
			ids = append(ids, p.SubscriptionID)
		}
	}
	return ids
}

// due reports whether AzTS is to be asked for the part now.
func (p *Part) due(now time.Time) bool { return p.State == PartPending && !now.Before(p.RetryAt) }

// nextAsk returns when AzTS is to be asked for more, zero when it need not be.
func (s *Scan) nextAsk() (at time.Time) {
	for i := range s.Parts {
		if p := &s.Parts[i]; p.State == PartPending && (at.IsZero() || p.RetryAt.Before(at)) {
			if at = p.RetryAt; at.IsZero() {
				return s.RequestedAt
			}
		}
	}
	return at
}

// has reports whether a part is in the state.
func (s *Scan) has(state PartState) bool {
	for i := range s.Parts {
		if s.Parts[i].State == state {
			return true
		}
	}
	return false
}

// turn gives all parts in one state another.
func (s *Scan) turn(from, to PartState) {
	for i := range s.Parts {
		if s.Parts[i].State == from {
			s.Parts[i].State = to
		}
	}
}

// settle stores AzTS's answer to the request for some subscriptions. Should the
// job have touched the scan meanwhile, the answer is put on top of that.
func (s *Service) settle(ctx context.Context, scan Scan, asked []string, outcomes []azts.Outcome, callErr error) (Scan, error) {
	for range 3 {
		now := s.time()
		scan.apply(asked, outcomes, callErr, false, now)
		scan.ChangedAt = now
		scan.conclude(ctx, callErr, now)
		saved, err := s.save(ctx, scan)
		if !errors.Is(err, ErrConflict) {
			return saved, err
		}
		if scan, err = s.records.LoadScan(ctx, scan.ID); err != nil {
			return Scan{}, err
		}
		if scan.State.Ended() {
			return scan, nil
		}
	}
	return Scan{}, ErrConflict
}

// apply puts AzTS's answer about the subscriptions asked into the scan. After a
// refusal of the call nothing is queued: what may be asked again later is
// pending again. later says that nobody waits for the answer: then what passes by
// itself is waited for.
func (s *Scan) apply(asked []string, outcomes []azts.Outcome, callErr error, later bool, now time.Time) {
	parts := make(map[string]*Part, len(s.Parts))
	for i := range s.Parts {
		parts[s.Parts[i].SubscriptionID] = &s.Parts[i]
	}
	if callErr == nil {
		for _, o := range outcomes {
			if p := parts[o.SubscriptionID]; p != nil {
				p.take(o, now)
			}
		}
		return
	}
	to := PartNotRequested
	switch {
	case apperr.IsKind(callErr, apperr.TooMany), needsOwner(callErr), later && passes(callErr):
		to = PartPending
	case apperr.IsKind(callErr, apperr.Forbidden) && len(asked) < len(s.Parts):
		to = PartNoRole // on any of these; the others are asked for by themselves
	}
	for _, id := range asked {
		p := parts[id]
		if p == nil {
			continue
		}
		p.State, p.Since = to, time.Time{}
		if to == PartPending && !needsOwner(callErr) { // who comes back is not to wait
			p.RetryAt = now.Add(max(firstPause, azts.RetryAfter(callErr)))
		}
	}
	if to == PartNotRequested {
		s.turn(PartPending, PartNotRequested) // what refused these would refuse the rest
	}
}

func (p *Part) take(o azts.Outcome, now time.Time) {
	p.State, p.ScanRequestID, p.QueueStatus, p.Message = PartState(o.State), o.ScanRequestID, o.QueueStatus, o.Message
	if o.State == azts.Queued {
		p.Since = since(o.RequestTime(), p.Since)
	} else {
		p.Since = time.Time{}
	}
	if o.RetryAfter > 0 {
		p.RetryAt = now.Add(o.RetryAfter)
	}
}

// passes reports whether a failure is one that goes by itself.
func passes(err error) bool {
	return apperr.IsKind(err, apperr.Unavailable) && !apperr.HasCode(err, "azts_off") || apperr.IsKind(err, apperr.Timeout) || apperr.IsKind(err, apperr.TooMany)
}

// maxSkew is how far AzTS's clock may be from ours to be believed. A stamp that
// is hours off has another zone or a twelve-hour clock, and an earlier scan's
// results would count as this one's.
const maxSkew = 10 * time.Minute

func since(theirs, ours time.Time) time.Time {
	if theirs.IsZero() || theirs.Sub(ours).Abs() > maxSkew {
		return ours.Truncate(time.Second)
	}
	return theirs
}

// askMore asks AzTS for the next subscriptions of a scan that have not been
// asked for. The error is AzTS's; fail is ours.
func (s *Service) askMore(ctx context.Context, scan *Scan, source azts.TokenSource) (err, fail error) {
	now := s.time()
	asked := scan.ask(now)
	scan.State, scan.ChangedAt = Requested, now
	if *scan, fail = s.save(ctx, *scan); fail != nil {
		return nil, fail
	}
	outcomes, err := s.azts.RequestScan(ctx, source, asked)
	if err != nil && azts.MayHaveReached(err) {
		scan.turn(PartAsked, PartUnconfirmed)
		return err, nil
	}
	scan.apply(asked, outcomes, err, true, s.time())
	return err, nil
}
