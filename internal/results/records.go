package results

import (
	"context"
	"errors"
	"iter"
	"time"

	"azts.internal/portal/internal/access"
)

// State is where a set stands.
type State string

// The states of a set.
const (
	Reading State = "reading" // more is to come
	Whole   State = "whole"   // all that AzTS said it has
	Short   State = "short"   // less than that: see its subscriptions
	Full    State = "full"    // a limit was reached; the rest was not kept
	// Unreadable is no state that is stored: what is stored cannot be opened, and
	// nothing is known of it but its times.
	Unreadable State = "unreadable"
)

// Ended reports whether the set stays as it is.
func (s State) Ended() bool { return s != Reading }

// SetRecord is a set as it is stored, without its segments.
type SetRecord struct {
	ScanID    string
	Person    access.PersonID
	State     State
	CreatedAt time.Time
	ChangedAt time.Time
	Rows      int
	Segments  int
	Bytes     int64 // of the sealed segments
	Version   int64 // counts the changes, from 1
	Head      []byte
}

// Errors of [Records].
var (
	ErrNotFound = errors.New("results: no such set")
	ErrConflict = errors.New("results: the set has changed meanwhile")
)

// Records keeps sets. Times are kept to the microsecond.
type Records interface {
	// CreateResultSet stores a new set of a scan of that person, with Version 1.
	// If the scan has one, that one comes back and nothing is stored. Without such
	// a scan of that person: [ErrNotFound].
	CreateResultSet(ctx context.Context, rec SetRecord) (stored SetRecord, created bool, err error)
	// SaveResults stores State, ChangedAt, Rows, Segments, Bytes, Version and Head,
	// and the segment with the number rec.Segments-1 unless it is nil, all or
	// nothing. The stored version must be rec.Version-1, else [ErrConflict].
	SaveResults(ctx context.Context, rec SetRecord, segment []byte) error
	// LoadResultSet returns the set of a scan if it is that person's, else [ErrNotFound].
	LoadResultSet(ctx context.Context, person access.PersonID, scanID string) (SetRecord, error)
	// ResultSegments returns the segments below number, from 0 on. It ends with an
	// error if one is missing. What it yields is the caller's.
	ResultSegments(ctx context.Context, scanID string, number int) iter.Seq2[[]byte, error]
	// ResultSets returns the newest sets of a person, at most limit.
	ResultSets(ctx context.Context, person access.PersonID, limit int) ([]SetRecord, error)
	// DeleteResultSet deletes a person's set with its segments, if there is one.
	DeleteResultSet(ctx context.Context, person access.PersonID, scanID string) error
	// DeleteResultSets deletes sets made before a time with their segments, at most
	// limit, and returns how many.
	DeleteResultSets(ctx context.Context, before time.Time, limit int) (int, error)
}
