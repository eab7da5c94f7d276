package handlers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/scan"
)

const (
	// newsPairs is how many pairs of scans are compared for the first page, and
	// newsSets in how many sets exceptions are looked for; the newest come first.
	newsPairs = 12
	newsSets  = 24
	// newsLimit bounds the working out, newsWait how long a page waits for it.
	newsLimit = 20 * time.Second
	newsWait  = 800 * time.Millisecond
	// newsAge is how long news are good that nothing has changed: results are
	// deleted, and exceptions come to their end.
	newsAge = 10 * time.Minute
	// newsPeople is of how many people news are remembered, of a few kB each.
	newsPeople = 500
	// soon is when the end of an exception is near; as long it is told afterwards.
	soon = 14 * 24 * time.Hour
	// soonListed is how many exceptions are listed, soonRead how many rows of a set
	// are read to find them.
	soonListed = 10
	soonRead   = 5000
)

// news is what the kept results of a person say on the first page.
type news struct {
	changes   []newsChange // the newest first
	unchanged int          // subscriptions whose newest results are those of before
	first     int          // subscriptions that had no results before
	left      int          // subscriptions whose changes were not counted
	kept      int          // subscriptions with results

	exceptions  []newsException // the first of them, soonest first
	ends, ended int
	unread      int // subscriptions in which exceptions were not looked for
}

// newsChange is what changed from one scan to another, in the subscriptions that
// both are the newest of, now and before.
type newsChange struct {
	older, newer                       string // ids of scans
	at                                 time.Time
	subscriptions                      []string
	failed, fixed, open, gone, unclear int
}

// newsException is an exception that ends or has ended.
type newsException struct {
	at                                        time.Time
	scan                                      string
	number                                    int
	control, resource, subscription, severity string
}

// newsroom works out news and remembers them: each takes many sets of results.
type newsroom struct {
	archive *results.Archive
	log     *slog.Logger
	now     func() time.Time
	closing <-chan struct{}
	busy    chan struct{} // a place for each that is worked out

	mu    sync.Mutex
	known map[access.PersonID]*edition
}

// newsAtOnce bounds the sets that are open and the processors at work for news.
const newsAtOnce = 2

func newNewsroom(p Parts) *newsroom {
	return &newsroom{archive: p.Results, log: p.Log, now: p.Now, closing: p.Closing, busy: make(chan struct{}, newsAtOnce)}
}

// edition is the news of one person, once done is closed.
type edition struct {
	mark [sha256.Size]byte // of all that it is made of
	at   time.Time
	done chan struct{}
	news news
	err  error
}

// newsMark changes with the scans of a person and how far they are read, and with
// their visit. Only what is deleted does not show.
func newsMark(scans []scan.Scan, before time.Time) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintln(h, before.UnixMicro())
	for _, one := range scans {
		fmt.Fprintln(h, one.ID, one.State, one.Reading.State, one.Reading.EndedAt.UnixMicro())
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// order returns the news of a person since before, which are there once done is
// closed. Whoever asks meanwhile gets the same.
func (n *newsroom) order(ctx context.Context, person access.PersonID, scans []scan.Scan, before time.Time) *edition {
	mark := newsMark(scans, before)
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.known[person]; known != nil && known.mark == mark && n.now().Sub(known.at) < newsAge {
		return known
	}
	for other, known := range n.known {
		if len(n.known) < newsPeople {
			break
		}
		select {
		case <-known.done: // any that is not being worked out
			delete(n.known, other)
		default:
		}
	}
	e := &edition{mark: mark, at: n.now(), done: make(chan struct{})}
	if n.known == nil {
		n.known = make(map[access.PersonID]*edition)
	}
	n.known[person] = e
	// It goes on when the person leaves: they come back, and another tab waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), newsLimit)
	go func() {
		select {
		case <-n.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	go func() {
		defer cancel()
		n.write(ctx, person, e, before)
	}()
	return e
}

// write works an edition out. One that failed is forgotten.
func (n *newsroom) write(ctx context.Context, person access.PersonID, e *edition, before time.Time) {
	defer close(e.done)
	e.err = errNewsLate
	defer func() {
		if broken := recover(); broken != nil { // a goroutine of its own would end the process
			e.err = fmt.Errorf("handlers: news: %v", broken)
		}
		if e.err == nil {
			return
		}
		n.log.WarnContext(ctx, "what changed cannot be worked out", "err", e.err)
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.known[person] == e {
			delete(n.known, person)
		}
	}()
	select {
	case n.busy <- struct{}{}:
		defer func() { <-n.busy }()
	case <-ctx.Done():
		return
	}
	e.news, e.err = n.workOut(ctx, person, before)
}

var errNewsLate = apperr.New(apperr.Timeout, "news_late", "What changed could not be worked out in time.")

// holding is the set that has the newest results of some subscriptions.
type holding struct {
	set           *results.Info
	subscriptions []string
}

// newest finds for each subscription the first set of a list, newest first, that
// has ended with results of it, not after a time unless that is zero.
func newest(list []results.Info, until time.Time) map[string]*results.Info {
	out := make(map[string]*results.Info)
	for i := range list {
		if !list[i].State.Ended() || !until.IsZero() && list[i].ChangedAt.After(until) {
			continue
		}
		for _, s := range list[i].Subscriptions {
			if s.Rows > 0 && out[s.ID] == nil {
				out[s.ID] = &list[i]
			}
		}
	}
	return out
}

func (n *newsroom) workOut(ctx context.Context, person access.PersonID, before time.Time) (news, error) {
	list, err := n.archive.List(ctx, person, results.MaxSets)
	if err != nil {
		return news{}, err
	}
	now := newest(list, time.Time{})
	out := news{kept: len(now)}
	if err := n.exceptions(ctx, person, now, &out); err != nil {
		return out, err
	}
	if before.IsZero() {
		return out, nil
	}
	return out, n.changes(ctx, person, now, newest(list, before), &out)
}

// changes compares the newest results with those of before, pair by pair.
func (n *newsroom) changes(ctx context.Context, person access.PersonID, now, then map[string]*results.Info, out *news) error {
	type pair struct{ older, newer string }
	pairs := make(map[pair]*newsChange)
	for id, set := range now {
		was := then[id]
		switch {
		case was == nil:
			out.first++
			continue
		case was == set:
			out.unchanged++
			continue
		}
		p := pair{was.ScanID, set.ScanID}
		if pairs[p] == nil {
			pairs[p] = &newsChange{older: p.older, newer: p.newer, at: set.CreatedAt}
		}
		pairs[p].subscriptions = append(pairs[p].subscriptions, id)
	}
	all := make([]*newsChange, 0, len(pairs))
	for _, one := range pairs {
		slices.Sort(one.subscriptions)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *newsChange) int {
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.newer, b.newer), cmp.Compare(a.older, b.older))
	})
	for i, one := range all {
		if i >= newsPairs {
			out.left += len(one.subscriptions)
			continue
		}
		old, err := n.archive.Open(ctx, person, one.older)
		if err == nil {
			var set *results.Set
			if set, err = n.archive.Open(ctx, person, one.newer); err == nil {
				d := results.Compare(old, set, one.subscriptions...)
				one.failed, one.fixed, one.open, one.gone = d.Count(results.NewFailure), d.Count(results.Fixed), d.Count(results.StillOpen), d.GoneCount()
				one.unclear = d.Count(results.Undecided) + d.Count(results.Unreported)
				out.changes = append(out.changes, *one)
				continue
			}
		}
		if !apperr.IsKind(err, apperr.NotFound) { // deleted meanwhile
			return err
		}
		out.left += len(one.subscriptions)
	}
	return nil
}

// exceptions looks for those that end soon or have ended, in the newest results.
func (n *newsroom) exceptions(ctx context.Context, person access.PersonID, newest map[string]*results.Info, out *news) error {
	bySet := make(map[string]*holding)
	for id, set := range newest {
		if bySet[set.ScanID] == nil {
			bySet[set.ScanID] = &holding{set: set}
		}
		bySet[set.ScanID].subscriptions = append(bySet[set.ScanID].subscriptions, id)
	}
	all := make([]*holding, 0, len(bySet))
	for _, one := range bySet {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *holding) int {
		return cmp.Or(b.set.CreatedAt.Compare(a.set.CreatedAt), cmp.Compare(a.set.ScanID, b.set.ScanID))
	})
	for i, one := range all {
		if i >= newsSets {
			out.unread += len(one.subscriptions)
			continue
		}
		set, err := n.archive.Open(ctx, person, one.set.ScanID)
		if apperr.IsKind(err, apperr.NotFound) { // deleted meanwhile
			out.unread += len(one.subscriptions)
			continue
		}
		if err != nil {
			return err
		}
		whole, err := n.exceptionsOf(set, one, out)
		if err != nil {
			return err
		}
		if !whole {
			out.unread += len(one.subscriptions)
		}
	}
	return nil
}

// trim keeps the first exceptions: the next to end, which can be acted on, and
// after them those that ended last.
func (n *news) trim(now time.Time) {
	slices.SortStableFunc(n.exceptions, func(a, b newsException) int {
		past := func(e newsException) int {
			if e.at.Before(now) {
				return 1
			}
			return 0
		}
		if past(a) == 1 && past(b) == 1 {
			a, b = b, a
		}
		return cmp.Or(cmp.Compare(past(a), past(b)), a.at.Compare(b.at))
	})
	n.exceptions = slices.Clone(n.exceptions[:min(len(n.exceptions), soonListed)])
}

// exceptionsOf adds those of one set; false if it has more than are read.
func (n *newsroom) exceptionsOf(set *results.Set, of *holding, out *news) (whole bool, err error) {
	now, read := n.now(), 0
	defer out.trim(now)
	for row, err := range set.Rows(results.Query{Sort: results.SortExpiry}) {
		if err != nil {
			return false, err
		}
		ends := row.ExceptionExpiry.Time
		if ends.IsZero() || ends.After(now.Add(soon)) {
			return true, nil // the soonest come first, those without a time last
		}
		if read++; read > soonRead {
			return false, nil
		}
		if ends.Before(now.Add(-soon)) || !slices.Contains(of.subscriptions, strings.ToLower(row.SubscriptionID)) {
			continue
		}
		if ends.Before(now) {
			out.ended++
		} else {
			out.ends++
		}
		out.exceptions = append(out.exceptions, newsException{at: ends, scan: of.set.ScanID, number: row.Number,
			control: cmp.Or(row.ControlDisplayName, row.ControlName), resource: row.ResourceName, subscription: strings.ToLower(row.SubscriptionID), severity: row.Severity})
	}
	return true, nil
}
