package scan

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
)

// Limits. callLimit and saveLimit together stay below requestWindow, so that the
// job never judges a scan while its requester may still be at work.
const (
	MaxList       = 200              // scans in one list
	maxKey        = 64               // bytes of an idempotency key
	callLimit     = 40 * time.Second // for asking AzTS
	saveLimit     = 10 * time.Second // for storing its answer
	requestWindow = time.Minute
)

// Config is what a service needs; all but Rand are required.
type Config struct {
	Records Records
	AzTS    AzTS
	Tokens  Tokens
	Log     *slog.Logger
	Now     func() time.Time
	Rand    io.Reader // of scan ids; nil means crypto/rand
}

// Service requests and follows scans.
type Service struct {
	records Records
	azts    AzTS
	tokens  Tokens
	log     *slog.Logger
	now     func() time.Time
	random  io.Reader
	hub     hub
	reads   batcher
}

// New returns a service, or an error if something is missing.
func New(cfg Config) (*Service, error) {
	if cfg.Records == nil || cfg.AzTS == nil || cfg.Tokens == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("scan: records, AzTS, tokens, log and clock are required")
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	s := &Service{records: cfg.Records, azts: cfg.AzTS, tokens: cfg.Tokens, log: cfg.Log, now: cfg.Now, random: cfg.Rand}
	s.reads.call = func(ctx context.Context, source azts.TokenSource, ids []string) ([]azts.Summary, error) {
		return s.azts.Summaries(ctx, source, ids, nil)
	}
	return s, nil
}

// time is now, as precise as it is kept.
func (s *Service) time() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// Request asks AzTS for a scan of 1 to azts.MaxSubscriptions subscriptions with
// a token of source. The same owner and key give the same scan, however often
// and from wherever it is called; an empty key makes each call a scan of its own.
//
// A scan comes back whenever one is on record. If AzTS was not asked, or
// refused the call as a whole, it is Failed and the error says why. If AzTS's
// answer was lost, it is still Requested and there is no error: what became of
// it shows later. Once on record, it goes on although ctx ends.
func (s *Service) Request(ctx context.Context, owner access.PersonID, source azts.TokenSource, subscriptionIDs []string, key string) (Scan, error) {
	scan, err := s.draft(owner, subscriptionIDs, key)
	if err != nil {
		return Scan{}, err
	}
	scan, created, err := s.records.CreateScan(ctx, scan, FollowArgs{Scan: scan.ID})
	if err != nil || !created {
		return scan, err
	}
	s.publish(scan)
	// The person may close the page now; the scan is on record and must be asked for.
	ctx = context.WithoutCancel(ctx)
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	outcomes, err := s.azts.RequestScan(call, source, ids(scan.Parts))
	if err != nil && azts.MayHaveReached(err) {
		s.log.WarnContext(ctx, "scan request of unknown fate", "scan", scan.ID, "error", err)
		return scan, nil // the job judges it
	}
	save, cancelSave := context.WithTimeout(ctx, saveLimit)
	defer cancelSave()
	if err != nil {
		s.log.WarnContext(ctx, "scan not taken", "scan", scan.ID, "error", err)
	}
	saved, saveErr := s.settle(save, scan, outcomes, err)
	if saveErr != nil {
		// AzTS has answered; the job will find out what by the summary.
		s.log.ErrorContext(ctx, "scan outcome not stored", "scan", scan.ID, "error", saveErr)
		return scan, err
	}
	return saved, err
}

func (s *Service) draft(owner access.PersonID, subscriptionIDs []string, key string) (Scan, error) {
	if owner.IsZero() {
		return Scan{}, apperr.New(apperr.Unauthenticated, "scan_nobody", "Sign in to start a scan.")
	}
	list, err := azts.ParseSubscriptionIDs(subscriptionIDs, azts.MaxSubscriptions)
	if err != nil {
		return Scan{}, err
	}
	id, err := newID(s.random)
	if err != nil {
		return Scan{}, err
	}
	if key == "" {
		key = string(id)
	}
	if !validKey(key) {
		return Scan{}, apperr.New(apperr.Invalid, "scan_key", "The form that started this scan is damaged.").
			WithNext(apperr.MenderPerson, "Open the page again and start the scan from there.")
	}
	now := s.time()
	scan := Scan{ID: id, Owner: owner, Key: key, State: Requested, RequestedAt: now, ChangedAt: now, Version: 1, Parts: make([]Part, len(list))}
	for i, sub := range list {
		scan.Parts[i] = Part{SubscriptionID: sub, State: PartAsked}
	}
	return scan, nil
}

func validKey(key string) bool {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(key) <= maxKey
}

func ids(parts []Part) []string {
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = p.SubscriptionID
	}
	return out
}

// settle stores AzTS's answer to the request. Should the job have touched the
// scan meanwhile, the answer is put on top of that.
func (s *Service) settle(ctx context.Context, scan Scan, outcomes []azts.Outcome, callErr error) (Scan, error) {
	for range 3 {
		apply(ctx, &scan, outcomes, callErr, s.time())
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

// apply puts AzTS's answer into the scan. outcomes are in the order of the parts.
func apply(ctx context.Context, scan *Scan, outcomes []azts.Outcome, callErr error, now time.Time) {
	scan.ChangedAt = now
	if callErr != nil {
		scan.State, scan.EndedAt, scan.Problem = Failed, now, problemOf(ctx, callErr)
		for i := range scan.Parts {
			scan.Parts[i].State = PartNotRequested
		}
		return
	}
	for i, o := range outcomes {
		p := &scan.Parts[i]
		p.State, p.ScanRequestID, p.QueueStatus, p.Message = PartState(o.State), o.ScanRequestID, o.QueueStatus, o.Message
		if o.State == azts.Queued {
			p.Since = since(o.RequestTime(), scan.RequestedAt)
		}
		if o.RetryAfter > 0 {
			p.RetryAt = now.Add(o.RetryAfter)
		}
	}
	scan.State, scan.Problem = Running, Problem{}
	if open, _, _ := scan.Counts(); open == 0 {
		scan.State, scan.EndedAt = Refused, now
	}
}

// maxSkew is how far AzTS's clock may be from ours to be believed. A stamp that
// is hours off has another zone or a twelve-hour clock, and an earlier scan's
// results would count as this one's.
const maxSkew = 10 * time.Minute

func since(theirs, ours time.Time) time.Time {
	if theirs.IsZero() || theirs.Sub(ours).Abs() > maxSkew {
		return ours.Truncate(time.Second) // AzTS's times have whole seconds
	}
	return theirs
}

// save stores a changed scan and tells the subscribers.
func (s *Service) save(ctx context.Context, scan Scan) (Scan, error) {
	if err := s.records.SaveScan(ctx, scan); err != nil {
		return Scan{}, err
	}
	scan.Version++
	s.publish(scan)
	return scan, nil
}

// Get returns a scan of the owner. Someone else's is not found.
func (s *Service) Get(ctx context.Context, owner access.PersonID, id ID) (Scan, error) {
	if owner.IsZero() || !id.valid() {
		return Scan{}, errNoScan
	}
	scan, err := s.records.LoadScan(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && scan.Owner != owner {
		return Scan{}, errNoScan
	}
	return scan, err
}

// List returns the owner's newest scans first, at most limit and at most [MaxList].
func (s *Service) List(ctx context.Context, owner access.PersonID, limit int) ([]Scan, error) {
	if owner.IsZero() || limit <= 0 {
		return nil, nil
	}
	return s.records.ScansOf(ctx, owner, min(limit, MaxList))
}
