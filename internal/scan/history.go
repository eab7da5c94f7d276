package scan

import (
	"context"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azts"
)

// Limits of the history.
const (
	// MaxHistory is how many scans one page of a history has at most.
	MaxHistory = 100
	// MaxCounted is how far the scans of a history are counted.
	MaxCounted = 10_000
	// EntryNames is how many of its subscriptions an [Entry] names.
	EntryNames = 3
	// NumberDays is over how many days [Numbers] tell.
	NumberDays = 14
	// askedLater is how long after its scan was requested a subscription may still
	// be asked for.
	askedLater = TimeLimit + WaitLimit
)

// Place is where a scan stands in a history; the zero one stands nowhere.
type Place struct {
	At time.Time // when it was requested
	ID ID
}

// HistoryQuery chooses the scans of one page of a history, newest first.
type HistoryQuery struct {
	States       []State // any of them; none means all
	Subscription string  // in lower case; "" means all
	// Before and After are places that the page lies beyond, towards older and
	// towards newer ones; at most one of them is set.
	Before, After Place
	Limit         int
}

// Entry is a scan as a list shows it: Parts is empty. A list does not load the
// thousand parts that each of its scans may have.
type Entry struct {
	Scan
	First []string // the first subscriptions, at most EntryNames
	In    map[PartState]int
}

// Total returns how many subscriptions the scan has.
func (e *Entry) Total() (n int) {
	for _, in := range e.In {
		n += in
	}
	return n
}

// Counts is that of the scan, without its parts.
func (e *Entry) Counts() (open, completed, other int) {
	for state, n := range e.In {
		switch {
		case state.open() || state == PartAsked || state == PartPending:
			open += n
		case state == PartCompleted:
			completed += n
		default:
			other += n
		}
	}
	return open, completed, other
}

// Place returns where the entry stands.
func (e *Entry) Place() Place { return Place{e.RequestedAt, e.ID} }

// History is one page of the scans of a person.
type History struct {
	Entries      []Entry
	Older, Newer bool // there are more
	Count        int  // of all scans that match, at most MaxCounted+1
}

// Usage is what is known of the requests for one subscription: those of one
// person. Others may have made more.
type Usage struct {
	Requests  int       // that AzTS took since midnight UTC, when its count begins anew
	RefusedAt time.Time // when a scan was requested that AzTS refused for its quota; zero if none was
	RetryAt   time.Time // when AzTS said that it frees up; zero if it did not say
}

// UsedUpUntil returns when AzTS takes a request again, zero when it may do so now.
func (u Usage) UsedUpUntil(now time.Time) time.Time {
	midnight := midnight(now)
	switch {
	case u.RetryAt.After(now):
		return u.RetryAt
	case u.Requests >= azts.ScansPerDay, u.RetryAt.IsZero() && !u.RefusedAt.Before(midnight):
		return midnight.Add(24 * time.Hour)
	}
	return time.Time{}
}

func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// Numbers tell how scans go in a tenant, and nothing of whom and of what.
type Numbers struct {
	Days      []Day // NumberDays, the last first
	Open      map[State]int
	People    int // who had a scan in these days
	Schedules int // active ones
}

// Day is what became of the scans that were requested on one day, UTC.
type Day struct {
	Start time.Time
	Scans map[State]int
}

// HistoryRecords are the lists and sums over the scans that are kept.
type HistoryRecords interface {
	// ScanHistory returns the scans of a person that a query chooses, without
	// Count: the newest first, and when After is set those next to it.
	ScanHistory(ctx context.Context, owner access.PersonID, q HistoryQuery) ([]Entry, error)
	// CountScans counts what a query chooses, its places aside, at most limit.
	CountScans(ctx context.Context, owner access.PersonID, q HistoryQuery, limit int) (int, error)
	// RecentSubscriptions returns the subscriptions of a person's newest scans, in
	// any order, at most limit.
	RecentSubscriptions(ctx context.Context, owner access.PersonID, scans, limit int) ([]string, error)
	// UsageOf sums up, by subscription, what AzTS took since a moment or refused
	// for its quota, of a person's scans that were requested at or after from.
	UsageOf(ctx context.Context, owner access.PersonID, since, from time.Time) (map[string]Usage, error)
	// ScanNumbers sums up the scans of a tenant that were requested at or after
	// from, which is midnight UTC; Days has those with scans alone, in any order.
	ScanNumbers(ctx context.Context, authority string, from time.Time) (Numbers, error)
}

// History returns a page of the owner's scans.
func (s *Service) History(ctx context.Context, owner access.PersonID, q HistoryQuery) (History, error) {
	if owner.IsZero() || q.Limit <= 0 {
		return History{}, nil
	}
	limit := min(q.Limit, MaxHistory)
	q.Limit = limit + 1 // one more says that there are more
	entries, err := s.records.ScanHistory(ctx, owner, q)
	if err != nil {
		return History{}, err
	}
	if q.After != (Place{}) && len(entries) <= limit {
		// Nothing newer is left, so this is the first page, and a whole one.
		q.After = Place{}
		if entries, err = s.records.ScanHistory(ctx, owner, q); err != nil {
			return History{}, err
		}
	}
	h := History{Older: q.After != (Place{}), Newer: q.Before != (Place{}), Entries: entries}
	if len(entries) > limit {
		if q.After != (Place{}) {
			h.Newer, h.Entries = true, entries[1:]
		} else {
			h.Older, h.Entries = true, entries[:limit]
		}
	}
	h.Count, err = s.records.CountScans(ctx, owner, q, MaxCounted+1)
	return h, err
}

// Subscriptions returns those of the owner's last scans, in any order.
func (s *Service) Subscriptions(ctx context.Context, owner access.PersonID) ([]string, error) {
	if owner.IsZero() {
		return nil, nil
	}
	return s.records.RecentSubscriptions(ctx, owner, MaxList, azts.MaxSummaries)
}

// Usage returns what is known of today's requests, by subscription.
func (s *Service) Usage(ctx context.Context, owner access.PersonID) (map[string]Usage, error) {
	if owner.IsZero() {
		return nil, nil
	}
	today := midnight(s.now())
	return s.records.UsageOf(ctx, owner, today, today.Add(-askedLater))
}

// Numbers returns the sums over a tenant's scans.
func (s *Service) Numbers(ctx context.Context, authority string) (Numbers, error) {
	today := midnight(s.now())
	from := today.AddDate(0, 0, 1-NumberDays)
	n, err := s.records.ScanNumbers(ctx, authority, from)
	if err != nil {
		return Numbers{}, err
	}
	by := make(map[time.Time]map[State]int, len(n.Days))
	for _, day := range n.Days {
		by[day.Start] = day.Scans
	}
	n.Days = make([]Day, NumberDays)
	for i := range n.Days {
		start := today.AddDate(0, 0, -i)
		n.Days[i] = Day{start, by[start]}
	}
	return n, nil
}
