package scan

import (
	"context"
	"errors"
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

// Register adds the worker that follows scans. Call it before the job queue is
// made: no scan can be requested until then.
func (s *Service) Register(workers *river.Workers) { river.AddWorker(workers, &follower{service: s}) }

type follower struct {
	river.WorkerDefaults[FollowArgs]
	service *Service
}

// Work implements river.Worker: one look, then the job puts itself off.
func (f *follower) Work(ctx context.Context, job *river.Job[FollowArgs]) error {
	pause, err := f.service.follow(ctx, job.Args.Scan)
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

// follow takes one look at a scan and returns when to look again, 0 when it has
// ended. An error is a failure of ours, not of AzTS.
func (s *Service) follow(ctx context.Context, id ID) (time.Duration, error) {
	scan, err := s.records.LoadScan(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil || scan.State.Ended() {
		return 0, err
	}
	if scan.State == Requested && s.now().Sub(scan.RequestedAt) < requestWindow {
		return askedPause, nil
	}
	ctx = reqlog.With(ctx, reqlog.NewID(), netip.Addr{}) // of this look
	before := scan.fingerprint()
	pause, lookErr := s.look(ctx, &scan)
	if stopped(ctx) {
		return 0, ctx.Err() // what went wrong was our own end
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
	state           State
	problem         Problem
	open, completed int
}

func (s Scan) fingerprint() fingerprint {
	open, completed, _ := s.Counts()
	problem := s.Problem
	problem.Reference = "" // the same problem keeps the reference of its first log line
	return fingerprint{s.State, problem, open, completed}
}

// look asks AzTS about the open parts and moves the scan on. It returns when to
// look again, 0 when the scan has ended, and what stood in the way.
func (s *Service) look(ctx context.Context, scan *Scan) (time.Duration, error) {
	if scan.State == Requested {
		// The answer to the request was lost with its requester. Asking again could
		// scan twice; the summary tells whether there is a scan.
		scan.State = Running
		for i := range scan.Parts {
			scan.Parts[i].State = PartUnconfirmed
			scan.Parts[i].Since = scan.RequestedAt.Truncate(time.Second)
		}
	}
	poll, cancel := context.WithTimeout(ctx, LookLimit)
	defer cancel()
	source, err := s.tokens.AzTSToken(poll, scan.Owner)
	if err == nil {
		err = s.poll(poll, scan, source)
	}
	now := s.time()
	age := now.Sub(scan.RequestedAt)
	open, _, _ := scan.Counts()
	scan.Problem = Problem{}
	if open > 0 && err != nil {
		scan.Problem = problemOf(ctx, err)
	}
	switch {
	case open == 0:
		scan.State, scan.EndedAt = Completed, now
		return 0, err
	case needsOwner(err) && age < WaitLimit:
		scan.State = Waiting
		return max(waitPause, pauseAt(age)), err
	case age >= TimeLimit:
		scan.stall(ctx, now)
		return 0, err
	}
	scan.State = Running
	return max(pauseAt(age), min(azts.RetryAfter(err), TimeLimit-age)), err
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
	confirmed := 0
	// Begun at another place each time (multiplied, so that no rhythm of looks hits
	// the same one): those that never confirm must not keep the others waiting.
	start := int(uint64(s.now().Unix()) * 0x9e3779b97f4a7c15 >> 33)
	for i := range summaries {
		sum := summaries[(start+i)%len(summaries)]
		p := open[sum.SubscriptionID]
		if p == nil || !sum.LastModified.Time.After(p.Since) {
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
			p.State, p.CompletedAt = PartCompleted, sum.LastModified.Time
		}
	}
	return nil
}

// summaries asks for the summaries of a scan's open parts, together with other
// looks of the same person. A scan in trouble asks alone: if one subscription
// makes AzTS fail, it must not take the person's other scans along for ever.
func (s *Service) summaries(ctx context.Context, scan *Scan, source azts.TokenSource, ids []string) ([]azts.Summary, error) {
	if scan.Problem.Code != "" {
		return s.azts.Summaries(ctx, source, ids, nil)
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
	for i := range s.Parts {
		if s.Parts[i].State.open() {
			s.Parts[i].State = PartStalled
		}
	}
}

// pauseAt returns how long to wait before the next look: a sixth of the age, so
// that a look is never late by more than that share.
func pauseAt(age time.Duration) time.Duration { return min(max(age/6, firstPause), lastPause) }
