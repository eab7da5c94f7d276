package scan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/riverqueue/river"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/reqlog"
)

// How scans are followed.
const (
	// TimeLimit is when a scan without results is given up (azts.md, Get scan results).
	TimeLimit = 2 * time.Hour
	// WaitLimit is when a scan whose owner does not come back is given up.
	WaitLimit = 24 * time.Hour
	// LookLimit bounds one look at AzTS. It must stay below the job queue's own
	// limit (store.JobTimeout): a look that ends with its job finds AzTS hanging
	// and cannot tell anyone.
	LookLimit = 20 * time.Second

	askedPause = time.Second // while the requester is at work
	firstPause = 5 * time.Second
	lastPause  = time.Minute
	waitPause  = 15 * time.Second // at least, while waiting for the owner
	// noteLimit is for storing what a look has found when the job's own time is up.
	noteLimit = 5 * time.Second
	// confirmations is how many subscriptions one look asks for results.
	confirmations = 20
	// retryPause is how soon a job is run again after a failure of ours, such as
	// the database; keepTrying is how often. Together they outlast WaitLimit.
	retryPause = 10 * time.Second
	keepTrying = 10_000
)

// FollowArgs is the job that follows one scan.
type FollowArgs struct {
	Scan ID `json:"scan"`
}

// Queue is where the jobs wait that follow scans: one of their own, since all
// of its workers may be waiting for AzTS. The name stands in the database.
const Queue = "scans"

// Kind names the job; it stands in the database and must not change.
func (FollowArgs) Kind() string { return "scan_follow" }

// InsertOpts keeps the job alive through failures of ours: the scan's own time
// limits end it, not a count of attempts.
func (FollowArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: keepTrying}
}

// Register adds the workers that follow scans and read their results. Call it before the job queue is
// made: no scan can be requested until then.
func (s *Service) Register(workers *river.Workers) {
	river.AddWorker(workers, &follower{service: s})
	if s.schedules != nil {
		river.AddWorker(workers, &dueWorker{service: s})
	}
	if s.results != nil {
		river.AddWorker(workers, &reader{service: s})
		river.AddWorker(workers, &expirer{service: s})
	}
}

type follower struct {
	river.WorkerDefaults[FollowArgs]
	service *Service
}

// Work implements river.Worker: one look, then the job puts itself off.
func (f *follower) Work(ctx context.Context, job *river.Job[FollowArgs]) error {
	pause, err := f.service.Look(ctx, job.Args.Scan)
	switch {
	case err != nil && stopped(ctx):
		return river.JobSnooze(firstPause)
	case err != nil:
		return err
	case pause > 0:
		return river.JobSnooze(pause)
	}
	return nil
}

// NextRetry implements river.Worker.
func (f *follower) NextRetry(*river.Job[FollowArgs]) time.Time {
	return f.service.now().Add(retryPause)
}

// stopped reports whether the process is stopping. A job whose time is up has
// not been stopped: what it found counts.
func stopped(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// Look takes one look at a scan, as its job does, and returns when to look again, 0 when it has
// ended. An error is a failure of ours, not of AzTS.
func (s *Service) Look(ctx context.Context, id ID) (time.Duration, error) {
	scan, err := s.records.LoadScan(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil || scan.State.Ended() {
		return 0, err
	}
	if scan.has(PartAsked) && s.now().Sub(scan.ChangedAt) < requestWindow {
		return askedPause, nil // who asks may still be at work
	}
	ctx = reqlog.With(ctx, reqlog.NewID(), netip.Addr{}) // of this look
	before := scan.fingerprint()
	pause, lookErr, fail := s.look(ctx, &scan)
	if stopped(ctx) {
		return 0, ctx.Err() // what went wrong was our own end
	}
	if errors.Is(fail, ErrConflict) {
		return time.Second, nil
	}
	if fail != nil {
		return 0, fail
	}
	if scan.fingerprint() == before {
		return pause, nil // nothing to store, and nothing new to log
	}
	if lookErr != nil || scan.Problem.Code != "" {
		s.log.WarnContext(ctx, "scan has a problem", "scan", scan.ID, "state", scan.State, "code", scan.Problem.Code, "error", lookErr)
	}
	scan.ChangedAt = s.time()
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), noteLimit)
		defer cancel()
	}
	_, err = s.save(ctx, scan)
	if errors.Is(err, ErrConflict) {
		return time.Second, nil
	}
	return pause, err
}

// fingerprint is what of a scan is worth storing and telling when it changes.
type fingerprint struct {
	state                    State
	problem                  Problem
	open, completed, ordered int
	seen                     int   // parts whose time cannot be read
	version                  int64 // what was stored meanwhile is not the end of it
}

func (s Scan) fingerprint() fingerprint {
	open, completed, _ := s.Counts()
	problem := s.Problem
	problem.Reference = "" // the same problem keeps the reference of its first log line
	ordered, seen := 0, 0  // parts that AzTS has been asked for, and whose time cannot be read
	for _, p := range s.Parts {
		if p.SummarySeen != "" {
			seen++
		}
		if p.State != PartPending && p.State != PartAsked {
			ordered++
		}
	}
	return fingerprint{s.State, problem, open, completed, ordered, seen, s.Version}
}

// look asks AzTS about the open parts, or for the next ones, and moves the scan
// on. It returns when to look again, 0 when the scan has ended, what stood in
// the way, and what failed on our side.
func (s *Service) look(ctx context.Context, scan *Scan) (pause time.Duration, err, fail error) {
	// The answer was lost with who asked. Asking again could scan twice; the
	// summary tells whether there is a scan.
	scan.turn(PartAsked, PartUnconfirmed)
	limited, cancel := context.WithTimeout(ctx, LookLimit)
	defer cancel()
	was := scan.State
	source, err := s.sourceOf(limited, scan)
	switch {
	case err != nil:
	case scan.mayAsk(s.now()):
		err, fail = s.askMore(limited, scan, source)
	default:
		err = s.poll(limited, scan, source)
	}
	if fail == nil && errors.Is(err, ErrDelegationRefused) {
		fail = s.refusedByTenant(limited, scan.Owner)
	}
	if fail != nil {
		return 0, nil, fail
	}
	pause = scan.conclude(ctx, err, s.time())
	if fail = s.tellSchedule(ctx, scan, was, err); fail != nil {
		return 0, nil, fail
	}
	return pause, err, nil
}

// mayAsk reports whether AzTS is to be asked for more subscriptions now.
func (s *Scan) mayAsk(now time.Time) bool {
	at := s.nextAsk()
	return !at.IsZero() && !at.After(now) && (s.age(now) < TimeLimit || s.State == Waiting && s.askedAt().IsZero())
}

// age is for how long results may have been on their way: from the request on, but
// where the owner had to come first, from when AzTS was asked.
func (s *Scan) age(now time.Time) time.Duration {
	if at := s.askedAt(); at.Sub(s.RequestedAt) > maxSkew { // else it is AzTS's clock
		return now.Sub(at)
	}
	return now.Sub(s.RequestedAt)
}

// askedAt returns when AzTS took the first subscription, zero while it has taken none.
func (s *Scan) askedAt() (at time.Time) {
	for i := range s.Parts {
		if since := s.Parts[i].Since; !since.IsZero() && (at.IsZero() || since.Before(at)) {
			at = since
		}
	}
	return at
}

// conclude says where the scan stands after a call, which err refused or not. It
// returns when to look again, 0 when the scan has ended.
func (s *Scan) conclude(ctx context.Context, err error, now time.Time) time.Duration {
	age := s.age(now)
	open, completed, _ := s.Counts()
	asks := s.nextAsk()
	if err != nil || !asks.After(now) {
		s.Problem = Problem{} // else it says what is waited for
	}
	if err != nil && (open > 0 || s.has(PartNotRequested)) {
		s.Problem = problemOf(ctx, err)
	}
	switch {
	case open == 0 && completed > 0:
		s.State, s.EndedAt = Completed, now
		return 0
	case open == 0 && s.has(PartNotRequested):
		s.State, s.EndedAt = Failed, now
		return 0
	case open == 0:
		s.State, s.EndedAt = Refused, now
		return 0
	case needsOwner(err) && age < WaitLimit:
		s.State = Waiting
		return max(waitPause, pauseAt(age))
	case needsOwner(err):
		s.giveUp(ctx, now)
		return 0
	case age >= TimeLimit:
		s.stall(ctx, now)
		return 0
	}
	s.State = Requested
	if s.has(PartQueued) || s.has(PartUnconfirmed) || completed > 0 {
		s.State = Running
	}
	pause := max(pauseAt(age), min(azts.RetryAfter(err), TimeLimit-age))
	if err == nil && !asks.IsZero() {
		pause = min(max(asks.Sub(now), askedPause), TimeLimit-age)
		if s.State == Running {
			pause = min(pause, pauseAt(age))
		}
	}
	return pause
}

// poll marks the parts whose new results are there, and says what kept it from
// looking at the others.
func (s *Service) poll(ctx context.Context, scan *Scan, source azts.TokenSource) error {
	open := map[string]*Part{}
	var asked []string
	for i := range scan.Parts {
		if p := &scan.Parts[i]; p.State.open() {
			open[p.SubscriptionID] = p
			asked = append(asked, p.SubscriptionID)
		}
	}
	summaries, err := s.summaries(ctx, scan, source, asked)
	if err != nil {
		return err
	}
	said := make(map[string]*azts.Summary, len(summaries))
	for i := range summaries {
		said[summaries[i].SubscriptionID] = &summaries[i]
	}
	for id, p := range open {
		if sum := said[id]; p.SummarySeen == "" && (sum == nil || sum.LastModified.Time.IsZero()) {
			p.SummarySeen = saidBy(sum)
		}
	}
	confirmed := 0
	// Begun at another place each time (multiplied, so that no rhythm of looks hits
	// the same one): those that never confirm must not keep the others waiting.
	start := int(uint64(s.now().Unix()) * 0x9e3779b97f4a7c15 >> 33)
	for i := range summaries {
		sum := summaries[(start+i)%len(summaries)]
		p := open[sum.SubscriptionID]
		if p == nil {
			continue
		}
		at := sum.LastModified
		unreadable := at.Time.IsZero() && at.Text != ""
		// In place of a time that cannot be read counts that anything else is said
		// than before.
		if !at.Time.After(p.Since) && !(unreadable && saidBy(&sum) != p.SummarySeen) {
			continue
		}
		if confirmed++; confirmed > confirmations {
			return nil // the rest at the next look
		}
		// A time alone is not believed: there must be results as well (azts.md).
		page, err := s.azts.Results(ctx, source, p.SubscriptionID, azts.ResultQuery{ScanRequestID: p.ScanRequestID}, "")
		switch {
		case apperr.IsKind(err, apperr.Forbidden) || apperr.IsKind(err, apperr.NotFound):
			continue // this one has gone out of reach; the others have not
		case err != nil:
			return err
		case len(page.Results) > 0:
			p.State, p.CompletedAt = PartCompleted, at.Time
		}
	}
	return nil
}

// saidBy is what of a summary changes with new results.
func saidBy(s *azts.Summary) string {
	if s == nil {
		return "nothing"
	}
	return fmt.Sprintf("%q %d %d %d %q", s.LastModified.Text, s.Total.N, s.Passed.N, s.Failed.N, s.Compliance.Text)
}

// summaries asks for the summaries of a scan's open parts, together with other
// looks of the same person. A scan in trouble asks alone: if one subscription
// makes AzTS fail, it must not take the person's other scans along for ever.
func (s *Service) summaries(ctx context.Context, scan *Scan, source azts.TokenSource, ids []string) ([]azts.Summary, error) {
	if scan.Problem.Code != "" && scan.State != Waiting {
		return s.azts.Summaries(ctx, source, ids, nil)
	}
	if scan.Schedule != "" { // its tokens are others than the session's
		return s.repeats.ask(ctx, scan.Owner, source, ids)
	}
	return s.reads.ask(ctx, scan.Owner, source, ids)
}

// stall ends the scan at its time limit; parts that completed stay so.
func (s *Scan) stall(ctx context.Context, now time.Time) {
	s.State, s.EndedAt = Stalled, now
	if s.Problem.Code == "" {
		s.Problem = Problem{Code: "scan_stalled", Message: "AzTS has not finished this scan in time.", Next: "Start it again, or look at the results later.",
			Reference: reqlog.ID(ctx)}
	}
	s.end()
}

// giveUp ends a scan whose owner did not come back within a day.
func (s *Scan) giveUp(ctx context.Context, now time.Time) {
	s.State, s.EndedAt = Failed, now
	s.Problem = Problem{Code: "owner_gone", Message: "This scan waited a day for you to sign in, and was given up.",
		Next: "Start it again. AzTS may have scanned meanwhile: then the results are there.", Reference: reqlog.ID(ctx)}
	s.end()
}

// end gives the parts that are still open their last state.
func (s *Scan) end() {
	for i := range s.Parts {
		switch p := &s.Parts[i]; {
		case p.State.open():
			p.State = PartStalled
		case p.State == PartPending:
			p.State = PartNotRequested
		}
	}
}

// pauseAt returns how long to wait before the next look: a sixth of the age, so
// that a look is never late by more than that share.
func pauseAt(age time.Duration) time.Duration { return min(max(age/6, firstPause), lastPause) }
