package results

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/seal"
)

// Limits of a set. A set that reaches one is [Full].
const (
	MaxRows          = 1_000_000
	MaxNameBytes     = 64 << 20            // of names and ids, each counted once
	MaxTextBytes     = 512 << 20           // of longer texts, each counted once
	MaxSetBytes      = 128 << 20           // as it is stored
	MaxPages         = azts.MaxResultPages // of one subscription
	MaxSubscriptions = 1000
)

const (
	// MaxSets is the most sets of a person that are listed or looked through.
	MaxSets = 500
	// DefaultCache is how many bytes of sets are kept in memory.
	DefaultCache = 64 << 20
	// segmentRows and segmentBytes say when a segment is stored: seldom enough that
	// the disk does not hold up the reading, often enough that a crash costs seconds.
	segmentRows  = 4 << 10
	segmentBytes = 4 << 20
	// decodersAtOnce bounds the memory and the processors that decoding takes.
	decodersAtOnce = 2
	// segmentsAhead is how many segments of a set are fetched and opened while the
	// one before them is taken in: the database, and all processors, have to do.
	segmentsAhead = 4
)

// limits are those of a set; tests have smaller ones.
type limits struct {
	rows, nameBytes, textBytes, setBytes, pages, segmentRows int
}

// Config is what an archive needs; all but Rand and CacheBytes are required.
type Config struct {
	Records Records
	Keys    *seal.KeyRing
	Now     func() time.Time
	Rand    io.Reader // of generations; nil means crypto/rand
	// CacheBytes bounds the sets that are kept in memory between questions; 0 means
	// DefaultCache. The one used last is kept however large it is.
	CacheBytes int64
}

// Archive keeps and finds sets of results. It is safe for concurrent use.
type Archive struct {
	records  Records
	keys     *seal.KeyRing
	now      func() time.Time
	random   io.Reader
	cache    cache
	heads    heads
	decoders chan struct{} // a place for each set that may be decoded at once
	limits   limits
}

// New returns an archive, or an error if something is missing.
func New(cfg Config) (*Archive, error) {
	if cfg.Records == nil || cfg.Keys == nil || cfg.Now == nil || cfg.CacheBytes < 0 {
		return nil, errors.New("results: records, keys and clock are required")
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = DefaultCache
	}
	return &Archive{records: cfg.Records, keys: cfg.Keys, now: cfg.Now, random: cfg.Rand, cache: cache{budget: cfg.CacheBytes},
		decoders: make(chan struct{}, decodersAtOnce),
		limits:   limits{MaxRows, MaxNameBytes, MaxTextBytes, MaxSetBytes, MaxPages, segmentRows}}, nil
}

// Errors for people.
var (
	errNoSet = apperr.New(apperr.NotFound, "results_not_found", "There are no results of this scan.").
			WithNext(apperr.MenderPerson, "Look in the list of your scans. Results are deleted after some weeks.")
	errNotStored = apperr.New(apperr.Unavailable, "results_not_stored", "The results could not be stored.").
			WithNext(apperr.MenderHelpDesk, "What was stored before is still there. If it stays, give the help desk the reference below.").WithRetry()
	errLoop = apperr.New(apperr.BadGateway, "results_loop", "AzTS's pages of results lead in a circle, so some may be missing.").
		WithNext(apperr.MenderHelpDesk, "What came until then is kept. Scan again; if it stays, give the help desk the reference below.")
	errFull = apperr.New(apperr.TooLarge, "results_full", "This scan has more results than the portal keeps.").
		WithNext(apperr.MenderPerson, "What fitted is kept. Scan fewer subscriptions at once.")
	errDone = apperr.New(apperr.Conflict, "results_done", "These results were read to their end before.")
	// errUnreadable says that what is stored does not open with the portal's keys, or
	// is not what was stored. It stays so unless an operator brings a key back.
	errUnreadable = apperr.New(apperr.Internal, "results_unreadable", "The stored results of this scan cannot be opened any more.").
			WithNext(apperr.MenderPerson, "Scan again to have new ones. Nothing is concluded from the old ones.")
)

// Open returns the set of a scan, and keeps it in memory for the next question.
// Someone else's is not found.
func (a *Archive) Open(ctx context.Context, person access.PersonID, scanID string) (*Set, error) {
	return a.load(ctx, person, scanID, func(rec *SetRecord, h *head) (*Set, error) {
		return a.cache.get(ctx, cacheKey{rec.ScanID, h.Generation, rec.Version}, func(ctx context.Context) (*Set, error) { return a.decode(ctx, rec, h) })
	})
}

// OpenOnce is Open without keeping the set in memory, for work that goes through
// many of them: what people have open would be pushed out.
func (a *Archive) OpenOnce(ctx context.Context, person access.PersonID, scanID string) (*Set, error) {
	return a.load(ctx, person, scanID, func(rec *SetRecord, h *head) (*Set, error) { return a.once(ctx, rec, h) })
}

// once returns a set from memory or from the database, and does not keep it.
func (a *Archive) once(ctx context.Context, rec *SetRecord, h *head) (*Set, error) {
	if set := a.cache.peek(cacheKey{rec.ScanID, h.Generation, rec.Version}); set != nil {
		return set, nil
	}
	return a.decode(ctx, rec, h)
}

func (a *Archive) load(ctx context.Context, person access.PersonID, scanID string, open func(*SetRecord, *head) (*Set, error)) (*Set, error) {
	if person.IsZero() || scanID == "" {
		return nil, errNoSet
	}
	// Once more if the set was replaced between its head and its segments.
	for attempt := 0; ; attempt++ {
		rec, err := a.records.LoadResultSet(ctx, person, scanID)
		if errors.Is(err, ErrNotFound) {
			return nil, errNoSet
		}
		if err != nil {
			return nil, err
		}
		var set *Set
		h, err := a.openHead(&rec)
		if err == nil {
			set, err = open(&rec, h)
		}
		if attempt == 1 || !unreadable(err) {
			return set, err
		}
	}
}

// decodeLimit bounds the reading of a set: whoever asks may be gone, and others
// may wait for it.
const decodeLimit = time.Minute

// decode reads a set from the database.
func (a *Archive) decode(ctx context.Context, rec *SetRecord, h *head) (*Set, error) {
	ctx, cancel := context.WithTimeout(ctx, decodeLimit)
	defer cancel()
	select {
	case a.decoders <- struct{}{}:
		defer func() { <-a.decoders }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s := newSet(h.info(rec))
	number := 0
	for segment, err := range a.segments(ctx, rec, h) {
		if err == nil {
			err = s.join(segment)
		}
		switch {
		case errors.Is(err, ErrNotFound), errors.Is(err, seal.ErrOpen), errors.Is(err, errSegment):
			return nil, errUnreadable.Because(fmt.Errorf("results: segment %d of %s: %w", number, rec.ScanID, err))
		case err != nil:
			return nil, err
		}
		number++
	}
	if number != h.Segments || s.Len() != h.Rows {
		return nil, errUnreadable.Because(fmt.Errorf("%w: %d segments with %d rows, want %d with %d", errSegment, number, s.Len(), h.Segments, h.Rows))
	}
	return s, nil
}

// unreadable reports whether a set does not open: it was replaced while it was
// being read, or it never will.
func unreadable(err error) bool { return apperr.HasCode(err, errUnreadable.Code) }

// segments returns the segments of a set in their order, each valid until the
// next. While one is used the following are fetched and unpacked.
func (a *Archive) segments(ctx context.Context, rec *SetRecord, h *head) iter.Seq2[*segment, error] {
	type opened struct {
		segment *segment
		err     error
	}
	return func(yield func(*segment, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var working sync.WaitGroup
		defer working.Wait()
		defer cancel()
		ahead := make(chan chan opened, segmentsAhead)
		working.Go(func() {
			defer close(ahead)
			number := int64(0)
			for sealed, err := range a.records.ResultSegments(ctx, rec.ScanID, h.Segments) {
				place, answer := rec.place("segment", h.Generation, number), make(chan opened, 1)
				select {
				case ahead <- answer:
				case <-ctx.Done():
					return
				}
				if err != nil {
					answer <- opened{nil, err}
					return
				}
				working.Go(func() {
					s, err := a.openSegment(sealed, place)
					answer <- opened{s, err}
				})
				number++
			}
		})
		for answer := range ahead {
			o := <-answer
			if !yield(o.segment, o.err) || o.err != nil {
				return
			}
			o.segment.done()
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

func (a *Archive) openSegment(sealed []byte, place string) (*segment, error) {
	plain, err := a.keys.Open(sealed, place)
	if err != nil {
		return nil, err
	}
	return decodeSegment(plain)
}

// Info returns what is known of a person's set without reading its rows. Someone
// else's is not found.
func (a *Archive) Info(ctx context.Context, person access.PersonID, scanID string) (Info, error) {
	if person.IsZero() || scanID == "" {
		return Info{}, errNoSet
	}
	rec, err := a.records.LoadResultSet(ctx, person, scanID)
	if errors.Is(err, ErrNotFound) {
		return Info{}, errNoSet
	}
	if err != nil {
		return Info{}, err
	}
	return a.info(&rec), nil
}

// info is what is known of a set, which may be that it cannot be opened.
func (a *Archive) info(rec *SetRecord) Info {
	if info, known := a.heads.get(rec); known {
		return info
	}
	h, err := a.openHead(rec)
	if err != nil {
		return Info{ScanID: rec.ScanID, Person: rec.Person, State: Unreadable, CreatedAt: rec.CreatedAt, ChangedAt: rec.ChangedAt}
	}
	info := h.info(rec)
	a.heads.keep(rec, info)
	return info
}

// List returns what is known of a person's newest sets, at most limit and at most
// [MaxSets], without reading their rows.
func (a *Archive) List(ctx context.Context, person access.PersonID, limit int) ([]Info, error) {
	if person.IsZero() || limit <= 0 {
		return nil, nil
	}
	recs, err := a.records.ResultSets(ctx, person, min(limit, MaxSets))
	if err != nil {
		return nil, err
	}
	out := make([]Info, 0, len(recs))
	for i := range recs {
		out = append(out, a.info(&recs[i]))
	}
	return out, nil
}

// Delete deletes a person's set, if there is one.
func (a *Archive) Delete(ctx context.Context, person access.PersonID, scanID string) error {
	err := a.records.DeleteResultSet(ctx, person, scanID)
	if err == nil {
		a.cache.forget(scanID)
		a.heads.forget(scanID)
	}
	return err
}

// expireBatch is how many sets are deleted at once, so that others can write in
// between.
const expireBatch = 20

// Expire deletes all sets that were made before a time and returns how many. It
// may be called by several replicas at once.
func (a *Archive) Expire(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		n, err := a.records.DeleteResultSets(ctx, before, expireBatch)
		total += n
		if err != nil || n < expireBatch {
			return total, err
		}
	}
}

// time is now, as precise as it is kept.
func (a *Archive) time() time.Time { return a.now().UTC().Truncate(time.Microsecond) }
