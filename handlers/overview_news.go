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
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/templates"
)

const (
	// newsPairs is how many pairs of scans are compared for the first page, and
	// newsSets in how many sets exceptions are looked for; the newest come first.
	newsPairs = 12
	newsSets  = 24
	// newsLimit bounds the working out, newsQueue the wait for a place to begin it,
	// and newsWait how long a page waits for both.
	newsLimit = 20 * time.Second
	newsQueue = 5 * time.Minute
	newsWait  = 800 * time.Millisecond
	// newsAge is how long news are good that nothing has changed: results are
	// deleted, and exceptions come to their end.
	newsAge = 10 * time.Minute
	// newsPeople is of how many people news are remembered, of a few kB each.
	newsPeople = 500
	// soon is when the end of an exception is near; as long it is told afterwards.
	soon = 14 * 24 * time.Hour
	// soonListed is how many exceptions are listed, soonRead how many rows of a set
	// that end within the time are read to find them.
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
	older, newer  string // ids of scans
	at            time.Time
	subscriptions []string
	whole         bool // these are all that both scans have
	counts        map[templates.ChangeKind]int
	incomplete    int // of the subscriptions, those that one of the scans has not all of
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
	// busy has a place for each that is worked out. They are taken in the order in
	// which people came, and nobody stands in line twice.
	busy chan struct{}

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
	done chan struct{}
	news news
	err  error

	// The newsroom's lock is for these.
	mark   [sha256.Size]byte // of all that it is made of
	at     time.Time
	before time.Time
	begun  bool
	owed   *owedVisit
}

// owedVisit is the visit of a page that was shown without its news, which is kept
// as soon as the page has fetched them.
type owedVisit struct{ was, next access.Visit }

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
// closed. Whoever asks meanwhile gets the same. Of one person one edition is being
// worked out and one more waits, for the newest that was asked.
func (n *newsroom) order(ctx context.Context, person access.PersonID, scans []scan.Scan, before time.Time) *edition {
	mark := newsMark(scans, before)
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.known[person]; known != nil && known.mark == mark && n.now().Sub(known.at) < newsAge {
		return known
	} else if known != nil && !known.begun {
		known.mark, known.before, known.at = mark, before, n.now()
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
	e := &edition{mark: mark, before: before, at: n.now(), done: make(chan struct{})}
	last := n.known[person]
	if last != nil && last.before.Equal(before) {
		e.owed = last.owed
	}
	if n.known == nil {
		n.known = make(map[access.PersonID]*edition)
	}
	n.known[person] = e
	// It goes on when the person leaves: they come back, and another tab waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), newsQueue+newsLimit)
	go func() {
		select {
		case <-n.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	go func() {
		defer cancel()
		n.write(ctx, person, e, last)
	}()
	return e
}

// owe notes a visit to be kept once an edition is shown; nil: none is owed any more.
func (n *newsroom) owe(e *edition, visit *owedVisit) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e.owed = visit
}

// owed returns the visit of a person whose page still waits for its news, or nil.
func (n *newsroom) owed(person access.PersonID) *owedVisit {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.known[person]; e != nil {
		return e.owed
	}
	return nil
}

// write works an edition out, after the last one of the person. One that failed is
// forgotten.
func (n *newsroom) write(ctx context.Context, person access.PersonID, e, last *edition) {
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
	if last != nil {
		select {
		case <-last.done:
		case <-ctx.Done():
			return
		}
	}
	select {
	case n.busy <- struct{}{}:
		defer func() { <-n.busy }()
	case <-ctx.Done():
		return
	}
	n.mu.Lock()
	e.begun = true
	before := e.before
	n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, newsLimit)
	defer cancel()
	e.news, e.err = n.workOut(ctx, person, before)
}

var errNewsLate = apperr.New(apperr.Timeout, "news_late", "What changed could not be worked out in time.")

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
	var changes []*newsChange
	if !before.IsZero() {
		changes = out.pairs(now, newest(list, before))
	}
	in := make(map[string][]string) // subscriptions, by the scan that has their newest results
	for id, set := range now {
		in[set.ScanID] = append(in[set.ScanID], id)
	}
	sets := 0
	for i := range list { // the newest first, each opened once
		one := list[i].ScanID
		of := in[one]
		if len(of) == 0 {
			continue
		}
		mine := slices.DeleteFunc(slices.Clone(changes), func(c *newsChange) bool { return c.newer != one })
		if sets++; sets > newsSets && len(mine) == 0 {
			out.unread += len(of)
			continue
		}
		set, err := n.archive.OpenOnce(ctx, person, one)
		if gone(err) {
			out.unread += len(of)
			for _, c := range mine {
				out.left += len(c.subscriptions)
			}
			continue
		}
		if err != nil {
			return out, err
		}
		whole := false
		if sets <= newsSets {
			if whole, err = n.exceptionsOf(set, of, &out); err != nil {
				return out, err
			}
		}
		if !whole {
			out.unread += len(of)
		}
		for _, c := range mine {
			if err := n.change(ctx, person, set, c, &out); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// gone reports whether a set is not to be had: it was deleted meanwhile, or does not
// open. Neither keeps the rest from being told.
func gone(err error) bool {
	return apperr.IsKind(err, apperr.NotFound) || apperr.HasCode(err, "results_unreadable")
}

// pairs returns which scans to compare, the newest first: those that have the newest
// results now, with those that had them then.
func (n *news) pairs(now, then map[string]*results.Info) []*newsChange {
	type pair struct{ older, newer *results.Info }
	pairs := make(map[pair]*newsChange)
	for id, set := range now {
		was := then[id]
		switch {
		case was == nil:
			n.first++
			continue
		case was == set:
			n.unchanged++
			continue
		}
		p := pair{was, set}
		if pairs[p] == nil {
			pairs[p] = &newsChange{older: was.ScanID, newer: set.ScanID, at: set.CreatedAt, counts: make(map[templates.ChangeKind]int)}
		}
		pairs[p].subscriptions = append(pairs[p].subscriptions, id)
	}
	all := make([]*newsChange, 0, len(pairs))
	for p, one := range pairs {
		slices.Sort(one.subscriptions)
		wanted := make(map[string]bool)
		for _, s := range p.newer.Subscriptions {
			wanted[s.ID] = true
		}
		both := 0
		for _, s := range p.older.Subscriptions {
			if wanted[s.ID] {
				both++
			}
		}
		one.whole = both == len(one.subscriptions)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *newsChange) int {
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.newer, b.newer), cmp.Compare(a.older, b.older))
	})
	for _, one := range all[min(len(all), newsPairs):] {
		n.left += len(one.subscriptions)
	}
	return all[:min(len(all), newsPairs)]
}

// change compares a pair, whose newer set is open.
func (n *newsroom) change(ctx context.Context, person access.PersonID, set *results.Set, c *newsChange, out *news) error {
	old, err := n.archive.OpenOnce(ctx, person, c.older)
	if gone(err) {
		out.left += len(c.subscriptions)
		return nil
	}
	if err != nil {
		return err
	}
	two := compared{difference: results.Compare(old, set, c.subscriptions...)}
	for _, kind := range templates.ChangeKinds() {
		c.counts[kind] = two.count(kind)
	}
	c.incomplete = len(two.difference.Incomplete)
	out.changes = append(out.changes, *c)
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

// exempts reports whether an exception is in force, or was until it ended. Whoever
// asks for one names the day of its end too, and whoever is refused had named it.
func exempts(r *azts.Result) bool {
	return strings.EqualFold(strings.TrimSpace(r.Status), "Exempted") || strings.EqualFold(strings.TrimSpace(r.ExceptionWorkflow), "Approved")
}

// exceptionsOf adds those of some subscriptions of a set; false if it has more than
// are read.
func (n *newsroom) exceptionsOf(set *results.Set, subscriptions []string, out *news) (whole bool, err error) {
	now, read := n.now(), 0
	defer out.trim(now)
	for row, err := range set.Ending(now.Add(-soon), now.Add(soon)) {
		if err != nil {
			return false, err
		}
		if read++; read > soonRead {
			return false, nil
		}
		id := strings.ToLower(row.SubscriptionID)
		if !exempts(&row.Result) || !slices.Contains(subscriptions, id) {
			continue
		}
		ends := row.ExceptionExpiry.Time
		if ends.Before(now) {
			out.ended++
		} else {
			out.ends++
		}
		out.exceptions = append(out.exceptions, newsException{at: ends, scan: set.Info().ScanID, number: row.Number,
			control: cmp.Or(row.ControlDisplayName, row.ControlName), resource: row.ResourceName, subscription: id, severity: row.Severity})
	}
	return true, nil
}
