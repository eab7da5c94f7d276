package scan

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/reqlog"
)

// ID names a scan: 128 random bits in 26 lower-case letters and digits.
type ID string

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func newID(random io.Reader) (ID, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("scan: new id: %w", err)
	}
	return ID(idEncoding.EncodeToString(b[:])), nil
}

func (id ID) valid() bool {
	return len(id) == 26 && strings.Trim(string(id), "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// State is where a scan stands as a whole.
type State string

// The states of a scan.
const (
	Requested State = "requested" // AzTS is being asked, or its answer was lost
	Running   State = "running"   // at least one subscription is being scanned
	Waiting   State = "waiting"   // for the owner to sign in
	Completed State = "completed" // every subscription that AzTS took has new results
	Stalled   State = "stalled"   // the time limit passed first
	Refused   State = "refused"   // AzTS took none of the subscriptions
	Failed    State = "failed"    // AzTS was not asked, or refused the call as a whole
)

// Ended reports whether nothing will change any more.
func (s State) Ended() bool {
	switch s {
	case Completed, Stalled, Refused, Failed:
		return true
	}
	return false
}

// PartState is where one subscription of a scan stands.
type PartState string

// The states of a subscription in a scan. The refusals are those of [azts.OutcomeState].
const (
	PartPending      PartState = "pending"     // AzTS has not been asked yet
	PartAsked        PartState = "asked"       // no answer yet
	PartQueued       PartState = "queued"      // AzTS scans it
	PartUnconfirmed  PartState = "unconfirmed" // AzTS may scan it: its answer was lost
	PartCompleted    PartState = "completed"   // new results are there
	PartStalled      PartState = "stalled"     // none came within the time limit
	PartNotRequested PartState = "not_requested"
	PartQuotaReached           = PartState(azts.QuotaReached)
	PartNoRole                 = PartState(azts.NoRole)
	PartNotKnown               = PartState(azts.NotKnown)
	PartRefused                = PartState(azts.Refused)
	PartNoAnswer               = PartState(azts.NoAnswer)
)

// open reports whether results may still come.
func (s PartState) open() bool { return s == PartQueued || s == PartUnconfirmed }

// Part is one subscription of a scan.
type Part struct {
	SubscriptionID string
	State          PartState
	ScanRequestID  string // AzTS's id of the request, empty if it gave none
	QueueStatus    string // AzTS's own words; show them as text
	Message        string
	// Since is the moment that results must be newer than to be of this scan,
	// on AzTS's clock where it is known.
	Since time.Time
	// RetryAt is when AzTS said the quota frees up; zero when it did not say.
	RetryAt time.Time
	// CompletedAt is when AzTS stored the results, zero also where the time that it
	// gave cannot be read.
	CompletedAt time.Time
	// SummarySeen is what AzTS's summary said when it was first looked at and had
	// no time that can be read, empty if it has always had one.
	SummarySeen string
}

// Problem is what last stood in the way, in words for the owner.
type Problem struct {
	Code    string // of the apperr.Error, empty when there is no problem
	Message string
	Next    string
	// Reference is that of the log lines about it, as in reqlog.ID: of the request
	// or of the look that met it first.
	Reference string
	// Claims is the challenge that the owner has to answer at the provider
	// (entra.md §6.2), a JSON object, or "". It is a demand, not a credential: it
	// is kept as it is, and goes when the scan goes on.
	Claims string
}

// Scan is one request for up to MaxParts subscriptions.
type Scan struct {
	ID          ID
	Owner       access.PersonID
	Key         string // idempotency key, unique for the owner
	Schedule    ID     // that started it, "" if its owner did
	State       State
	Parts       []Part // in the order asked
	RequestedAt time.Time
	ChangedAt   time.Time
	EndedAt     time.Time // zero until it has ended
	Problem     Problem
	Reading     Reading // of its results, once it has ended
	Version     int64   // counts the changes, from 1
}

// Counts returns how many parts are still open, how many completed, and how
// many ended otherwise.
func (s Scan) Counts() (open, completed, other int) {
	for _, p := range s.Parts {
		switch {
		case p.State.open() || p.State == PartAsked || p.State == PartPending:
			open++
		case p.State == PartCompleted:
			completed++
		default:
			other++
		}
	}
	return open, completed, other
}

// NeverAsked reports whether the owner started the scan and it failed before AzTS
// was asked for anything: it can be tried again without a danger.
func (s *Scan) NeverAsked() bool {
	return s.Schedule == "" && s.State == Failed && !slices.ContainsFunc(s.Parts, func(p Part) bool { return p.State != PartNotRequested })
}

// Errors of [Records].
var (
	ErrNotFound = errors.New("scan: no such record")
	ErrConflict = errors.New("scan: the record has changed meanwhile")
)

// Records keeps scans. Times are kept to the microsecond.
type Records interface {
	// CreateScan stores a new scan with Version 1 and enqueues its job, both or
	// neither. If the owner has a scan with the same key, that one comes back and
	// nothing is stored; but one that was [Scan.NeverAsked] gives its key to the
	// new one and takes its own id for a key.
	CreateScan(ctx context.Context, s Scan, job FollowArgs) (stored Scan, created bool, err error)
	// SaveScan stores what may change of a scan (not ID, Owner, Key, RequestedAt)
	// and counts its version up, if the stored version is still s.Version; else
	// [ErrConflict].
	SaveScan(ctx context.Context, s Scan) error
	// EndScan is SaveScan of a scan that has ended with results, and enqueues the
	// job that reads them, both or neither.
	EndScan(ctx context.Context, s Scan, job ReadArgs) error
	// LoadScan returns the scan or [ErrNotFound].
	LoadScan(ctx context.Context, id ID) (Scan, error)
	// LastStarted returns the newest scan that a person started themselves and that
	// was requested until a moment or has ended, "" if there is none.
	LastStarted(ctx context.Context, owner access.PersonID, until time.Time) (ID, error)
	// ScansOf returns the newest scans of a person, at most limit.
	ScansOf(ctx context.Context, owner access.PersonID, limit int) ([]Scan, error)
	// CountOpenScans counts the scans of a person that have not ended, or whose
	// results are still to be read, those of schedules only if wanted.
	CountOpenScans(ctx context.Context, owner access.PersonID, ofSchedules bool) (int, error)
	// ChangedScans returns the last change of each scan of a person that changed
	// at or after since, newest first, at most limit.
	ChangedScans(ctx context.Context, owner access.PersonID, since time.Time, limit int) ([]Event, error)
	// HurryScans makes the jobs of a person's scans due now that wait for them,
	// running or being read.
	HurryScans(ctx context.Context, owner access.PersonID) error
	HistoryRecords
}

// ErrSignedOut says that there is no live session to take a token from.
var ErrSignedOut = errors.New("scan: the owner has no live session")

// Tokens finds a token for the owner of a scan, whose request is long over.
type Tokens interface {
	// AzTSToken returns a source of AzTS tokens from any live session of the
	// owner, or [ErrSignedOut]. The source's own errors of kind Unauthenticated or
	// Expired also mean that only the owner can help.
	AzTSToken(ctx context.Context, owner access.PersonID) (azts.TokenSource, error)
}

// AzTS is what is needed of the AzTS client.
type AzTS interface {
	RequestScan(ctx context.Context, source azts.TokenSource, subscriptionIDs []string) ([]azts.Outcome, error)
	Summaries(ctx context.Context, source azts.TokenSource, subscriptionIDs, controlIDs []string) ([]azts.Summary, error)
	Results(ctx context.Context, source azts.TokenSource, subscriptionID string, q azts.ResultQuery, skipToken string) (azts.ResultPage, error)
}

// errNoScan is the same for a scan that never was and for somebody else's: nobody
// learns which it is.
var errNoScan = apperr.New(apperr.NotFound, "scan_not_found", "There is no scan of yours at this address.").
	WithNext(apperr.MenderPerson, "A scan and its results belong to the person who asked for it. If somebody sent you this address, scan the same subscriptions yourself; you see what your own roles let you see.")

// needsOwner reports whether only the owner can help, by signing in.
func needsOwner(err error) bool {
	var needed *OwnerNeeded
	return errors.Is(err, ErrSignedOut) || errors.Is(err, ErrDelegationRefused) || errors.As(err, &needed) || apperr.IsKind(err, apperr.Unauthenticated) || apperr.IsKind(err, apperr.Expired)
}

// OwnerNeeded is the cause of an error that only the owner can mend at the
// provider, there with Claims if there are any.
type OwnerNeeded struct {
	Claims string
	Cause  error
}

// Error implements error.
func (e *OwnerNeeded) Error() string { return "the owner is needed: " + e.Cause.Error() }

// Unwrap returns the cause, which has the words.
func (e *OwnerNeeded) Unwrap() error { return e.Cause }

// maxClaims bounds the claims that are kept, in bytes. Those that are longer
// are left out: then the owner signs in without them.
const maxClaims = 4 << 10

// claimsOf returns the claims that err asks for.
func claimsOf(err error) string {
	var claims string
	var challenge *azts.ChallengeError
	var needed *OwnerNeeded
	switch {
	case errors.As(err, &challenge):
		claims = challenge.Claims
	case errors.As(err, &needed):
		claims = needed.Claims
	}
	if len(claims) > maxClaims {
		return ""
	}
	return claims
}

// problemOf returns the words of an error, which is logged with ctx.
func problemOf(ctx context.Context, err error) Problem {
	if errors.Is(err, ErrSignedOut) || errors.Is(err, ErrDelegationRefused) {
		return Problem{Code: "signed_out", Message: "This scan needs you: you are signed out.", Next: "Sign in to go on.", Reference: reqlog.ID(ctx)}
	}
	e := apperr.From(err)
	return Problem{Code: e.Code, Message: e.Message, Next: e.Next, Reference: reqlog.ID(ctx), Claims: claimsOf(err)}
}
