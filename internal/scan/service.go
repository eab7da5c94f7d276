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
	"azts.internal/portal/internal/results"
)

// Limits. callLimit and saveLimit together stay below requestWindow, so that the
// job never judges a scan while its requester may still be at work.
const (
	MaxList       = 200              // scans in one list
	MaxParts      = 1_000            // subscriptions of one scan
	maxKey        = 64               // bytes of an idempotency key
	callLimit     = 40 * time.Second // for asking AzTS
	saveLimit     = 10 * time.Second // for storing its answer
	requestWindow = time.Minute
)

// Config is what a service needs; Records, AzTS, Tokens, Log and Now are required.
type Config struct {
	Records Records
	AzTS    AzTS
	Tokens  Tokens
	Log     *slog.Logger
	Now     func() time.Time
	Rand    io.Reader // of scan ids; nil means crypto/rand
	Feed    Feed      // of other processes; nil where there are none
	// Schedules and Delegations are both there or both nil: then nothing is repeated.
	Schedules   ScheduleRecords
	Delegations Delegations
	// Results keeps what scans find, for Retention; nil: then nothing is read.
	Results   *results.Archive
	Retention time.Duration
}

// Service requests and follows scans.
type Service struct {
	records Records
	azts    AzTS
	tokens  Tokens
	log     *slog.Logger
	now     func() time.Time
	random  io.Reader
	feed    Feed

	schedules   ScheduleRecords
	delegations Delegations
	results     *results.Archive
	retention   time.Duration

	hub     hub
	reads   batcher
	repeats batcher // of scans of schedules
}

// New returns a service, or an error if something is missing.
func New(cfg Config) (*Service, error) {
	if cfg.Records == nil || cfg.AzTS == nil || cfg.Tokens == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("scan: records, AzTS, tokens, log and clock are required")
	}
	if (cfg.Schedules == nil) != (cfg.Delegations == nil) {
		return nil, errors.New("scan: schedules need delegations, and the other way round")
	}
	if (cfg.Results == nil) != (cfg.Retention <= 0) {
		return nil, errors.New("scan: results are kept for a time, and the other way round")
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	s := &Service{records: cfg.Records, azts: cfg.AzTS, tokens: cfg.Tokens, log: cfg.Log, now: cfg.Now, random: cfg.Rand, feed: cfg.Feed,
		schedules: cfg.Schedules, delegations: cfg.Delegations, results: cfg.Results, retention: cfg.Retention}
	s.reads.call = func(ctx context.Context, source azts.TokenSource, ids []string) ([]azts.Summary, error) {
		return s.azts.Summaries(ctx, source, ids, nil)
	}
	s.repeats.call = s.reads.call
	return s, nil
}

// time is now, as precise as it is kept.
func (s *Service) time() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// Request asks AzTS for a scan of 1 to [MaxParts] subscriptions with a token of
// source. The same owner and key give the same scan, however often and from
// wherever it is called, unless that was [Scan.NeverAsked]: then it is tried again.
// An empty key makes each call a scan of its own.
//
// A scan comes back whenever one is on record. If AzTS was not asked, or
// refused the call as a whole, it is Failed and the error says why. If only the
// owner can help, it is Waiting, with no error: AzTS is asked once they have signed
// in. If AzTS's answer was lost, or AzTS wants to be asked later, it is still Requested and
// there is no error: what became of it shows later. Once on record, it goes on
// although ctx ends.
//
// AzTS takes azts.MaxSubscriptions in one call. This one is for the first; the
// job asks for the rest.
func (s *Service) Request(ctx context.Context, owner access.PersonID, source azts.TokenSource, subscriptionIDs []string, key string) (Scan, error) {
	scan, err := s.draft(owner, subscriptionIDs, key)
	if err != nil {
		return Scan{}, err
	}
	asked := scan.ask(scan.RequestedAt)
	scan, created, err := s.records.CreateScan(ctx, scan, FollowArgs{Scan: scan.ID})
	if err != nil || !created {
		return scan, err
	}
	s.publish(scan)
	// The person may close the page now; the scan is on record and must be asked for.
	ctx = context.WithoutCancel(ctx)
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	outcomes, err := s.azts.RequestScan(call, source, asked)
	if err != nil && azts.MayHaveReached(err) {
		s.log.WarnContext(ctx, "scan request of unknown fate", "scan", scan.ID, "error", err)
		return scan, nil // the job judges it
	}
	save, cancelSave := context.WithTimeout(ctx, saveLimit)
	defer cancelSave()
	if err != nil {
		s.log.WarnContext(ctx, "scan not taken", "scan", scan.ID, "error", err)
	}
	saved, saveErr := s.settle(save, scan, asked, outcomes, err)
	if saveErr != nil {
		// AzTS has answered; the job will find out what by the summary.
		s.log.ErrorContext(ctx, "scan outcome not stored", "scan", scan.ID, "error", saveErr)
		return scan, err
	}
	if saved.State != Failed {
		return saved, nil
	}
	return saved, err
}

func (s *Service) draft(owner access.PersonID, subscriptionIDs []string, key string) (Scan, error) {
	if owner.IsZero() {
		return Scan{}, apperr.New(apperr.Unauthenticated, "scan_nobody", "Sign in to start a scan.")
	}
	list, err := azts.ParseSubscriptionIDs(subscriptionIDs, MaxParts)
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
		scan.Parts[i] = Part{SubscriptionID: sub, State: PartPending}
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

// save stores a changed scan and tells the subscribers. One that has ended with
// results is stored together with the job that reads them.
func (s *Service) save(ctx context.Context, scan Scan) (Scan, error) {
	var err error
	if s.results != nil && scan.readable() {
		now := s.time()
		scan.Reading = Reading{State: ReadRunning, Since: now, Until: now.Add(TimeLimit)}
		err = s.records.EndScan(ctx, scan, ReadArgs{Scan: scan.ID})
	} else {
		err = s.records.SaveScan(ctx, scan)
	}
	if err != nil {
		return Scan{}, err
	}
	scan.Version++
	s.publish(scan)
	return scan, nil
}

// LastStarted returns the newest scan that the owner started themselves and whose
// start cannot be under way any more, "" if there is none. A key that is made from
// it stays the same while a start is under way, and is another one for the next.
func (s *Service) LastStarted(ctx context.Context, owner access.PersonID) (ID, error) {
	if owner.IsZero() {
		return "", nil
	}
	return s.records.LastStarted(ctx, owner, s.time().Add(-requestWindow))
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
