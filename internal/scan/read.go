package scan

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/riverqueue/river"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/internal/results"
)

// How the results of a scan are read in.
const (
	// ReadQueue is where the jobs wait that read results, apart from the looks:
	// they take seconds each. The name stands in the database.
	ReadQueue = "results"
	// ReadsAtOnce is how many scans one process reads at the same moment. Each has
	// the tables of its set in memory meanwhile.
	ReadsAtOnce = 8

	// readTurn is after how long a turn begins no further page, so that the page
	// under way ends well within LookLimit.
	readTurn = 8 * time.Second
	// readPause is until the next turn, when there is more: scans that wait for a
	// worker come first.
	readPause = 50 * time.Millisecond
	// troublesOfTurn is how many subscriptions AzTS may fail at before a turn is
	// ended: one that makes it fail must not keep the others from being read.
	troublesOfTurn = 3
)

// ReadState is where the reading of a scan's results stands.
type ReadState string

// The states of reading.
const (
	NotRead     ReadState = ""        // the scan runs, or has nothing to read
	ReadRunning ReadState = "reading" // more is to come
	ReadWaiting ReadState = "waiting" // for the owner to sign in
	ReadEnded   ReadState = "ended"   // what there is, is kept
)

// Reading is how far the results of a scan have been taken in.
type Reading struct {
	State ReadState
	// Since is when the scan ended, Until when reading is given up. The time in
	// which it waits for its owner does not count.
	Since, Until time.Time
	WaitsSince   time.Time // zero unless it waits
	EndedAt      time.Time // zero until it has ended
	Problem      Problem
}

// open reports whether a job still works on it.
func (r *Reading) open() bool { return r.State == ReadRunning || r.State == ReadWaiting }

// ReadArgs is the job that reads the results of one scan.
type ReadArgs struct {
	Scan ID `json:"scan"`
}

// Kind names the job; it stands in the database and must not change.
func (ReadArgs) Kind() string { return "scan_read" }

// InsertOpts keeps the job alive through failures of ours, like that which
// follows a scan.
func (ReadArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: ReadQueue, MaxAttempts: keepTrying}
}

type reader struct {
	river.WorkerDefaults[ReadArgs]
	service *Service
}

// Work implements river.Worker: one turn, then the job puts itself off.
func (r *reader) Work(ctx context.Context, job *river.Job[ReadArgs]) error {
	pause, err := r.service.Read(ctx, job.Args.Scan)
	switch {
	case err != nil && stopped(ctx):
		return river.JobSnooze(readPause)
	case err != nil:
		return err
	case pause > 0:
		return river.JobSnooze(pause)
	}
	return nil
}

// NextRetry implements river.Worker.
func (r *reader) NextRetry(*river.Job[ReadArgs]) time.Time { return r.service.now().Add(retryPause) }

// completed returns the subscriptions that have results of this scan.
func (s *Scan) completed() (ids []string) {
	for i := range s.Parts {
		if s.Parts[i].State == PartCompleted {
			ids = append(ids, s.Parts[i].SubscriptionID)
		}
	}
	return ids
}

// readable reports whether the scan has just come to have results to read.
func (s *Scan) readable() bool {
	return s.State.Ended() && s.Reading.State == NotRead && len(s.completed()) > 0
}

// Read reads on in the results of a scan for one turn, as its job does, and
// returns when to go on, 0 when there is nothing left to do. An error is a
// failure of ours, not of AzTS.
func (s *Service) Read(ctx context.Context, id ID) (time.Duration, error) {
	scan, err := s.records.LoadScan(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil || !scan.Reading.open() {
		return 0, err
	}
	ctx = reqlog.With(ctx, reqlog.NewID(), netip.Addr{}) // of this turn
	before := scan.Reading
	pause, readErr, fail := s.read(ctx, &scan)
	if fail == nil {
		fail = s.tellOfReading(ctx, &scan, before.State, readErr)
	}
	switch {
	case stopped(ctx):
		return 0, ctx.Err() // what went wrong was our own end
	case errors.Is(fail, results.ErrConflict), errors.Is(fail, ErrConflict):
		return time.Second, nil // another process is at it
	case fail != nil:
		s.log.ErrorContext(ctx, "results cannot be kept", "scan", scan.ID, "error", fail)
		return 0, fail
	}
	if same := before.Problem; same.Code == scan.Reading.Problem.Code && same.Claims == scan.Reading.Problem.Claims {
		scan.Reading.Problem = same // it keeps the reference of its first log line
	}
	if scan.Reading == before {
		if pause == readPause { // a turn that read to its end: once in readTurn, whatever AzTS's pages hold
			s.progress(ctx, &scan)
		}
		return pause, nil
	}
	if scan.Reading.Problem.Code != "" {
		s.log.WarnContext(ctx, "reading results has a problem", "scan", scan.ID, "state", scan.Reading.State, "code", scan.Reading.Problem.Code, "error", readErr)
	}
	scan.ChangedAt = s.time()
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteLimit)
	defer cancel()
	_, err = s.save(note, scan)
	if errors.Is(err, ErrConflict) {
		return time.Second, nil
	}
	return pause, err
}

// read takes a turn at the results and says where the reading stands then. The
// first error is AzTS's, fail is ours.
func (s *Service) read(ctx context.Context, scan *Scan) (pause time.Duration, err, fail error) {
	w, fail := s.results.Begin(ctx, scan.Owner, string(scan.ID), scan.completed())
	switch {
	case apperr.HasCode(fail, "results_done"): // somebody died right after it
		scan.Reading.end(s.time(), Problem{})
		return 0, nil, nil
	case apperr.IsKind(fail, apperr.NotFound):
		return 0, nil, nil // the scan went meanwhile
	case apperr.HasCode(fail, unreadable):
		return s.readAnew(ctx, scan, fail)
	case fail != nil:
		return 0, nil, fail
	}
	limited, cancel := context.WithTimeout(ctx, LookLimit)
	defer cancel()
	source, err := s.sourceOf(limited, scan)
	if err == nil {
		err, fail = s.readPages(ctx, limited, scan, source, w)
	}
	if fail == nil && errors.Is(err, ErrDelegationRefused) {
		fail = s.refusedByTenant(limited, scan.Owner)
	}
	if fail != nil || stopped(ctx) {
		return 0, err, fail
	}
	pause = scan.Reading.conclude(ctx, err, more(w), s.time())
	// The job's own time may be up, and what was read is worth keeping.
	note, cancelNote := context.WithTimeout(context.WithoutCancel(ctx), noteLimit)
	defer cancelNote()
	if scan.Reading.State == ReadEnded {
		_, fail = w.Finish(note)
	} else {
		fail = w.Flush(note)
	}
	return pause, err, fail
}

// unreadable is the code of the results that cannot be opened.
const unreadable = "results_unreadable"

// readAnew makes room for reading results from the start, after what was read of
// them cannot be opened: AzTS still has them. If that has not helped, it is the
// end, or the job would meet the same bytes for a day.
func (s *Service) readAnew(ctx context.Context, scan *Scan, cause error) (pause time.Duration, err, fail error) {
	again := scan.Reading.Problem.Code == unreadable
	s.log.ErrorContext(ctx, "what is kept of results cannot be opened", "scan", scan.ID, "again", again, "error", cause)
	if again {
		scan.Reading.end(s.time(), problemOf(ctx, cause))
		return 0, cause, nil
	}
	if fail := s.results.Delete(ctx, scan.Owner, string(scan.ID)); fail != nil {
		return 0, nil, fail
	}
	if pause = scan.Reading.conclude(ctx, cause, true, s.time()); pause > 0 {
		scan.Reading.Problem.Message = "What was kept of these results could not be opened."
		scan.Reading.Problem.Next = "They are read again from the start. There is nothing to do."
	}
	return pause, cause, nil
}

// more reports whether a subscription is not at its end.
func more(w *results.Writer) bool {
	for _, sub := range w.Info().Subscriptions {
		if sub.State == results.SubReading {
			return true
		}
	}
	return false
}

// conclude says where the reading stands after a turn that err ended, or nothing
// did. It returns when to go on, 0 when it has ended.
func (r *Reading) conclude(ctx context.Context, err error, more bool, now time.Time) time.Duration {
	age := now.Sub(r.Since)
	waits := more && needsOwner(err) && age < WaitLimit
	if !waits && !r.WaitsSince.IsZero() {
		r.Until, r.WaitsSince = r.Until.Add(now.Sub(r.WaitsSince)), time.Time{}
	}
	switch {
	case !more:
		r.end(now, Problem{})
		return 0
	case waits:
		if r.State, r.Problem = ReadWaiting, problemOf(ctx, err); r.WaitsSince.IsZero() {
			r.WaitsSince = now
		}
		return max(waitPause, pauseAt(age))
	case needsOwner(err):
		r.end(now, Problem{Code: "owner_gone", Message: "The results waited a day for you to sign in; not all of them could be read.",
			Next: "Scan again to have all of them.", Reference: reqlog.ID(ctx)})
		return 0
	case !now.Before(r.Until):
		r.end(now, Problem{Code: "results_late", Message: "AzTS did not give out all results in time.",
			Next: "What came is kept. Scan again to have all of them.", Reference: reqlog.ID(ctx)})
		return 0
	}
	r.State = ReadRunning
	if err == nil {
		if r.Problem.Code != unreadable { // which readAnew has to know of
			r.Problem = Problem{}
		}
		return readPause
	}
	r.Problem = problemOf(ctx, err)
	return max(pauseAt(age), min(azts.RetryAfter(err), r.Until.Sub(now)))
}

func (r *Reading) end(now time.Time, problem Problem) {
	r.State, r.EndedAt, r.WaitsSince, r.Problem = ReadEnded, now, time.Time{}, problem
}

// readPages reads pages into w until all are there, the turn is over or AzTS
// wants a pause. The first error is AzTS's, fail is ours; only calls of AzTS end
// with limited.
func (s *Service) readPages(ctx, limited context.Context, scan *Scan, source azts.TokenSource, w *results.Writer) (err, fail error) {
	asked := map[string]azts.ResultQuery{}
	for i := range scan.Parts {
		asked[scan.Parts[i].SubscriptionID] = azts.ResultQuery{ScanRequestID: scan.Parts[i].ScanRequestID}
	}
	subs, begun := w.Info().Subscriptions, s.now()
	start := 0
	if scan.Reading.Problem.Code != "" { // else those at which AzTS fails would come first each time
		start = int(uint64(begun.Unix()) * 0x9e3779b97f4a7c15 >> 33)
	}
	troubles, first := 0, true
	for i := range subs {
		id := subs[(start+i)%len(subs)].ID
		for {
			skipToken, more := w.Next(id)
			if !more {
				break
			}
			if !first && s.now().Sub(begun) >= readTurn {
				return err, nil
			}
			first = false
			page, pageErr := s.azts.Results(limited, source, id, asked[id], skipToken)
			if pageErr == nil {
				if addErr := w.Add(ctx, id, &page); addErr != nil && !endsThere(addErr) {
					return err, addErr
				}
				continue
			}
			if state, final := endOf(pageErr); final {
				w.End(id, state)
				break
			}
			if troubles++; err == nil || needsOwner(pageErr) {
				err = pageErr
			}
			if needsOwner(pageErr) || apperr.IsKind(pageErr, apperr.TooMany) || limited.Err() != nil || troubles >= troublesOfTurn {
				return err, nil
			}
			break
		}
	}
	return err, nil
}

// endsThere reports whether an error of a writer's Add only says that it takes no
// more, which is stored with what there is.
func endsThere(err error) bool {
	return apperr.HasCode(err, "results_loop") || apperr.HasCode(err, "results_full")
}

// endOf reports whether AzTS's refusal of a page will not pass, and how the
// subscription ends then.
func endOf(err error) (results.SubscriptionState, bool) {
	switch {
	case needsOwner(err):
		return "", false
	case errors.Is(err, azts.ErrResultLoop):
		return results.SubLoop, true
	case apperr.HasCode(err, "azts_no_role"): // Forbidden alone may be a token that it refuses
		return results.SubGone, true
	case apperr.HasCode(err, "azts_bad_request"): // its own skip token
		return results.SubShort, true
	}
	return "", false
}

// ResultsState is what a page says of the results of a scan.
type ResultsState struct {
	Reading
	// Kept is false where nothing is: before the first page, and after the time
	// for which results are kept.
	Kept bool
	// Info is what is kept so far, and how each subscription's reading ended.
	Info results.Info
}

// ResultsState returns how far the results of a person's scan are read. Someone
// else's scan is not found.
func (s *Service) ResultsState(ctx context.Context, person access.PersonID, id ID) (ResultsState, error) {
	scan, err := s.Get(ctx, person, id)
	if err != nil {
		return ResultsState{}, err
	}
	state := ResultsState{Reading: scan.Reading}
	if s.results == nil {
		return state, nil
	}
	state.Info, err = s.results.Info(ctx, person, string(id))
	if apperr.IsKind(err, apperr.NotFound) {
		return state, nil
	}
	state.Kept = err == nil
	return state, err
}
