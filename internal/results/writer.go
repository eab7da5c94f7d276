package results

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"sync"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
)

// Writer takes in the results of one scan, page by page. It keeps what it was
// given in memory until a few thousand rows are together; then these, the counts
// and the places to read on from are stored at once, at the end of a page. After an error other than
// those that Add names it is of no use: begin again, and it goes on from there.
// It is safe for concurrent use, so that subscriptions can be read side by side.
type Writer struct {
	archive *Archive

	mu     sync.Mutex
	rec    SetRecord
	head   head
	stored head // as it is in the database
	dict   *dictionary
	seen   map[pageHash]struct{}
	seed   maphash.Seed
	err    error
}

// pageHash stands for a skip token of a subscription.
type pageHash struct {
	subscription int
	token        uint64
}

// Begin makes the set of a scan for the subscriptions that were scanned, or goes
// on with it where it stopped. A set that has ended is Conflict; an unknown or
// foreign scan is not found.
//
// Two writers at one set do no harm: the later to store gets an error that is
// [ErrConflict].
func (a *Archive) Begin(ctx context.Context, person access.PersonID, scanID string, subscriptions []string) (*Writer, error) {
	if person.IsZero() || scanID == "" {
		return nil, errNoSet
	}
	ids, err := azts.ParseSubscriptionIDs(subscriptions, MaxSubscriptions)
	if err != nil {
		return nil, err
	}
	generation := make([]byte, 16)
	if _, err := io.ReadFull(a.random, generation); err != nil {
		return nil, fmt.Errorf("results: generation: %w", err)
	}
	now := a.time()
	rec := SetRecord{ScanID: scanID, Person: person, CreatedAt: now, ChangedAt: now, Version: 1}
	h := &head{Generation: base32.StdEncoding.EncodeToString(generation), State: Reading}
	for _, id := range ids {
		h.Subscriptions = append(h.Subscriptions, Subscription{ID: id, State: SubReading, Expected: -1})
	}
	if err := a.sealHead(&rec, h); err != nil {
		return nil, err
	}
	stored, created, err := a.records.CreateResultSet(ctx, rec)
	if errors.Is(err, ErrNotFound) {
		return nil, errNoSet
	}
	if err != nil {
		return nil, errNotStored.Because(err)
	}
	dict := newDictionary()
	if !created {
		if h, err = a.openHead(&stored); err != nil {
			return nil, err
		}
		if h.State.Ended() {
			return nil, errDone
		}
		set, err := a.decode(ctx, &stored, h)
		if err != nil {
			return nil, err
		}
		if dict, err = resume(set); err != nil {
			return nil, err
		}
	}
	return &Writer{archive: a, rec: stored, head: *h, stored: h.clone(), dict: dict, seen: map[pageHash]struct{}{}, seed: maphash.MakeSeed()}, nil
}

func (h *head) clone() head {
	c := *h
	c.Subscriptions = slices.Clone(h.Subscriptions)
	return c
}

// Info returns what the set has, with what is not stored yet.
func (w *Writer) Info() Info {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.head.clone()
	return h.info(&w.rec)
}

// Next returns the skip token of the page of a subscription to read next, empty
// for the first; false if there is none.
func (w *Writer) Next(subscription string) (skipToken string, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.subscription(subscription)
	if s == nil || w.err != nil || s.State != SubReading {
		return "", false
	}
	return s.SkipToken, true
}

func (w *Writer) subscription(id string) *Subscription {
	id = fold(id)
	for i := range w.head.Subscriptions {
		if w.head.Subscriptions[i].ID == id {
			return &w.head.Subscriptions[i]
		}
	}
	return nil
}

// Add takes in the page that Next asked for. Errors with the codes results_loop
// and results_full end the subscription, or the whole set, with what there is;
// Finish stores it. Rows of other subscriptions are skipped.
func (w *Writer) Add(ctx context.Context, subscription string, page *azts.ResultPage) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	s := w.subscription(subscription)
	if s == nil {
		return fmt.Errorf("results: %q is not in the set", subscription)
	}
	if s.State != SubReading {
		return errDone
	}
	if page.TotalRecords.Known {
		s.Expected = page.TotalRecords.N
	}
	for i := range page.Results {
		if w.full() {
			w.cut()
			return errFull
		}
		if err := w.take(s, &page.Results[i]); err != nil {
			return w.broken(err)
		}
	}
	s.Skipped += page.Skipped
	s.Pages++
	if err := w.turn(s, page.Next); err != nil {
		return err
	}
	// Not before the end of a page: what is stored of it would come again after a
	// restart, and count as duplicates that AzTS never sent.
	if len(w.dict.next.rows[0]) >= w.archive.limits.segmentRows || w.dict.size() >= segmentBytes {
		return w.store(ctx)
	}
	return nil
}

// take takes in one row.
func (w *Writer) take(s *Subscription, r *azts.Result) error {
	row := *r
	row.SubscriptionID = fold(row.SubscriptionID)
	if row.SubscriptionID == "" {
		row.SubscriptionID = s.ID
	}
	if row.SubscriptionID != s.ID {
		s.Skipped++
		return nil
	}
	fresh, err := w.dict.row(&row)
	if err != nil {
		return err
	}
	if !fresh {
		s.Duplicates++
		return nil
	}
	s.Rows++
	w.head.Rows++
	switch fold(row.Status) {
	case "passed":
		s.Passed++
	case "failed":
		s.Failed++
	}
	return nil
}

// turn sets the next page of a subscription, or its end.
func (w *Writer) turn(s *Subscription, next string) error {
	if next == "" {
		s.SkipToken, s.State = "", SubWhole
		if s.Missing() > 0 || s.Skipped > 0 {
			s.State = SubShort
		}
		return nil
	}
	// After a restart the tokens of before are unknown: a circle is then walked
	// once more, and its rows dropped.
	page := pageHash{slices.IndexFunc(w.head.Subscriptions, func(o Subscription) bool { return o.ID == s.ID }), maphash.String(w.seed, next)}
	_, seen := w.seen[page]
	if seen || next == s.SkipToken || s.Pages >= w.archive.limits.pages {
		s.SkipToken, s.State = "", SubLoop
		return errLoop.Becausef("page %d of %s, repeated: %v", s.Pages, s.ID, seen || next == s.SkipToken)
	}
	w.seen[page] = struct{}{}
	s.SkipToken = next
	return nil
}

// full reports whether one more row could break a limit.
func (w *Writer) full() bool {
	l := &w.archive.limits
	return w.head.Rows >= l.rows || w.dict.nameBytes > l.nameBytes-16*azts.NameLimit || w.dict.textBytes > l.textBytes-4*azts.TextLimit ||
		int(w.rec.Bytes)+w.dict.size() > l.setBytes
}

func (w *Writer) cut() {
	for i := range w.head.Subscriptions {
		if s := &w.head.Subscriptions[i]; s.State == SubReading {
			s.State, s.SkipToken = SubCut, ""
		}
	}
}

// End ends a subscription whose reading cannot go on, with what there is of it:
// SubGone if AzTS does not give it out any more, SubLoop if its client found its
// pages to be endless, else SubShort. One that has ended stays as it is.
func (w *Writer) End(subscription string, state SubscriptionState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if state != SubGone && state != SubLoop {
		state = SubShort
	}
	if s := w.subscription(subscription); s != nil && s.State == SubReading {
		s.State, s.SkipToken = state, ""
	}
}

// Flush stores what there is, so that a pause loses nothing.
func (w *Writer) Flush(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	return w.store(ctx)
}

// Finish stores what there is and ends the set. Subscriptions that are not at
// their end are short.
func (w *Writer) Finish(ctx context.Context) (Info, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return Info{}, w.err
	}
	w.head.State = Whole
	for i := range w.head.Subscriptions {
		s := &w.head.Subscriptions[i]
		if s.State == SubReading {
			s.State, s.SkipToken = SubShort, ""
		}
		switch {
		case s.State == SubCut:
			w.head.State = Full
		case s.State != SubWhole && w.head.State == Whole:
			w.head.State = Short
		}
	}
	if err := w.store(ctx); err != nil {
		return Info{}, err
	}
	w.err = errDone
	h := w.head.clone()
	return h.info(&w.rec), nil
}

// store writes a segment, if there is anything in it, with the head.
func (w *Writer) store(ctx context.Context) error {
	next, err := w.dict.take()
	if err != nil {
		return w.broken(err)
	}
	var segment []byte
	if len(next.rows[0]) > 0 || len(next.names) > 0 || len(next.blocks) > 0 {
		plain, err := next.encode()
		if err != nil {
			return w.broken(err)
		}
		segment = w.archive.keys.Seal(plain, w.rec.place("segment", w.head.Generation, int64(w.head.Segments)))
		w.head.Segments++
		w.rec.Bytes += int64(len(segment))
	} else if w.head.equal(&w.stored) {
		return nil
	}
	w.rec.Version++
	w.rec.ChangedAt = w.archive.time()
	if err := w.archive.sealHead(&w.rec, &w.head); err != nil {
		return w.broken(err)
	}
	if err := w.archive.records.SaveResults(ctx, w.rec, segment); err != nil {
		return w.broken(errNotStored.Because(err))
	}
	w.stored = w.head.clone()
	return nil
}

func (h *head) equal(o *head) bool {
	return h.State == o.State && h.Rows == o.Rows && h.Segments == o.Segments && slices.Equal(h.Subscriptions, o.Subscriptions)
}

// broken makes an error the answer to all that follows: what is in memory may not
// be what is on disk.
func (w *Writer) broken(err error) error {
	w.err = apperr.From(err)
	return w.err
}
