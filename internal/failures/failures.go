// Package failures owns the sign-ins that failed: what the help desk needs to know
// of one, for how long it is kept, and how many.
//
// Anybody on the network can make a sign-in fail, so what is kept is bounded: by
// size each, by number, and in three pools: those behind which somebody stands whom
// the portal knows, those of a visit that was begun here, which takes no more than
// opening the portal, and all others. The invariant its users rely on: strangers
// push out nothing of the first pool, and of the second only with visits. Of the message only a
// trace is kept, which holds no secret, and everything but time and code is sealed.
package failures

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unicode/utf8"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/trace"
)

const (
	// Days is how long a failed sign-in is kept.
	Days = 7
	// MostVerified, MostBegun and MostForeign are how many are kept of those that are
	// verified, of others that were begun here, and of the rest.
	MostVerified, MostBegun, MostForeign = 4000, 4000, 1000
	// maxSealed bounds what is kept of one, in bytes; beyond it the trace is left out.
	maxSealed = 16 << 10
	// maxText bounds each text, in bytes.
	maxText = 512
	// PageSize is how many List returns at most.
	PageSize = 50
)

// ErrNotFound says that there is no such record.
var ErrNotFound = errors.New("failures: not found")

var errNone = apperr.New(apperr.NotFound, "failure_not_found", "No failed sign-in with this reference is kept.").
	WithNext(apperr.MenderPerson, "Check the twelve characters. A failed sign-in is kept for 7 days; references of other errors are in the portal's log only.")

// Failure is a sign-in that failed.
type Failure struct {
	Reference string    `json:"-"`
	At        time.Time `json:"-"`
	Code      string    `json:"-"` // which check refused, or the AADSTS number
	// Begun tells that the answer belongs to a visit that this portal began in the
	// same browser.
	Begun bool `json:"-"`
	// Verified tells that it was begun, and that an ID token passed every check or
	// a live session began it: no stranger can cause it.
	Verified bool `json:"-"`

	Message  string        `json:"message"`
	Next     string        `json:"next,omitempty"`
	Mender   apperr.Mender `json:"mender,omitempty"`
	Retry    bool          `json:"retry,omitempty"`
	Purpose  string        `json:"purpose,omitempty"`
	Path     string        `json:"path,omitempty"` // to which the person wanted, without its query
	Browser  string        `json:"browser,omitempty"`
	Network  string        `json:"network,omitempty"` // see Network
	Tenant   string        `json:"tenant,omitempty"`  // as far as it was verified
	Account  string        `json:"account,omitempty"` // likewise
	BegunAt  time.Time     `json:"begunAt,omitzero"`
	Open     int           `json:"open,omitempty"` // sign-ins whose cookies came along
	Provider *Provider     `json:"provider,omitempty"`
	Trace    *trace.Trace  `json:"trace,omitempty"`
}

// Provider is what the identity provider said, or is said to have said.
type Provider struct {
	// Direct tells that the portal heard it from the token endpoint itself. Else a
	// browser brought it, which can make up all of it.
	Direct        bool      `json:"direct,omitempty"`
	Error         string    `json:"error,omitempty"`
	Subcode       string    `json:"subcode,omitempty"`
	Numbers       []int     `json:"numbers,omitempty"`
	CorrelationID string    `json:"correlationId,omitempty"`
	TraceID       string    `json:"traceId,omitempty"`
	Timestamp     time.Time `json:"timestamp,omitzero"`
}

// Network returns the part of an address that is kept: an office or a provider can
// be told by it, a person cannot.
func Network(client netip.Addr) string {
	client = client.Unmap()
	if !client.IsValid() {
		return ""
	}
	bits := 24
	if client.Is6() {
		bits = 48
	}
	prefix, err := client.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// Record is a failure as it is stored.
type Record struct {
	Reference string
	At        time.Time
	Code      string
	Begun     bool
	Verified  bool
	Sealed    []byte // nil in a list
}

// Query chooses records of a list.
type Query struct {
	Code  string    // how the code begins; "" for all
	After time.Time // younger than this
	// Before and Reference name the last record of the page before; zero for the first.
	Before    time.Time
	Reference string
	Limit     int
}

// Records keeps failures.
type Records interface {
	// KeepFailure stores a failure and deletes the oldest with the same Begun
	// and Verified beyond most.
	KeepFailure(ctx context.Context, rec Record, most int) error
	// LoadFailure returns a failure younger than after, else [ErrNotFound].
	LoadFailure(ctx context.Context, reference string, after time.Time) (Record, error)
	// Failures returns records without Sealed, the newest first.
	Failures(ctx context.Context, q Query) ([]Record, error)
}

// Archive keeps failed sign-ins. It is safe for concurrent use.
type Archive struct {
	records Records
	keys    *seal.KeyRing
	now     func() time.Time
}

// New returns an archive, or an error if something is missing.
func New(records Records, keys *seal.KeyRing, now func() time.Time) (*Archive, error) {
	if records == nil || keys == nil || now == nil {
		return nil, errors.New("failures: records, keys and clock are required")
	}
	return &Archive{records: records, keys: keys, now: now}, nil
}

// place names where a failure is sealed for: its own row.
func place(reference string) string { return "sign-in failure " + reference }

// Keep stores a failure under its reference; At is now.
func (a *Archive) Keep(ctx context.Context, f Failure) error {
	for _, text := range []*string{&f.Message, &f.Next, &f.Purpose, &f.Path, &f.Browser, &f.Network, &f.Tenant, &f.Account, &f.Code} {
		*text = clipped(*text)
	}
	plain, err := json.Marshal(f)
	if err == nil && len(plain) > maxSealed {
		f.Trace = nil
		plain, err = json.Marshal(f)
	}
	if err != nil {
		return fmt.Errorf("failures: %w", err)
	}
	most := MostForeign
	switch {
	case f.Verified:
		most = MostVerified
	case f.Begun:
		most = MostBegun
	}
	return a.records.KeepFailure(ctx, Record{Reference: f.Reference, At: a.now(), Code: f.Code, Begun: f.Begun, Verified: f.Verified, Sealed: a.keys.Seal(plain, place(f.Reference))}, most)
}

func clipped(s string) string {
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// Find returns a failure, or an error of kind NotFound.
func (a *Archive) Find(ctx context.Context, reference string) (*Failure, error) {
	if len(reference) == 0 || len(reference) > 32 {
		return nil, errNone
	}
	rec, err := a.records.LoadFailure(ctx, reference, a.oldest())
	if errors.Is(err, ErrNotFound) {
		return nil, errNone
	}
	if err != nil {
		return nil, err
	}
	f := Failure{}
	plain, err := a.keys.Open(rec.Sealed, place(rec.Reference))
	if err == nil {
		err = json.Unmarshal(plain, &f)
	}
	if err != nil {
		return nil, apperr.New(apperr.Internal, "failure_unreadable", "What is stored of this failed sign-in cannot be opened any more.").
			WithNext(apperr.MenderDeveloper, "It was sealed with another key than those that the portal has now. The portal's log has its line still.").Because(err)
	}
	f.Reference, f.At, f.Code, f.Begun, f.Verified = rec.Reference, rec.At, rec.Code, rec.Begun, rec.Verified
	return &f, nil
}

// List returns records without their content, the newest first, at most PageSize,
// and whether there are more.
func (a *Archive) List(ctx context.Context, q Query) (list []Record, more bool, err error) {
	if q.After.Before(a.oldest()) {
		q.After = a.oldest()
	}
	q.Limit = PageSize + 1
	list, err = a.records.Failures(ctx, q)
	if len(list) > PageSize {
		return list[:PageSize], true, err
	}
	return list, false, err
}

// oldest is the time before which nothing is shown, whether it is deleted or not.
func (a *Archive) oldest() time.Time { return a.now().AddDate(0, 0, -Days) }
