package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
)

// historyWhere is the condition of a query with its arguments, places aside.
func historyWhere(owner access.PersonID, q scan.HistoryQuery) (string, []any) {
	where, args := " FROM scans WHERE authority = $1 AND subject = $2", []any{owner.Authority, owner.Subject}
	if len(q.States) > 0 {
		marks := make([]string, len(q.States))
		for i, state := range q.States {
			args = append(args, state)
			marks[i] = mark(args)
		}
		where += " AND state IN (" + strings.Join(marks, ", ") + ")"
	}
	if q.Subscription != "" {
		args = append(args, q.Subscription)
		where += " AND EXISTS (SELECT 1 FROM scan_parts WHERE scan_id = scans.id AND subscription_id = " + mark(args) + ")"
	}
	return where, args
}

// mark is the placeholder of the last argument.
func mark(args []any) string { return "$" + strconv.Itoa(len(args)) }

// ScanHistory implements scan.HistoryRecords.
func (db *DB) ScanHistory(ctx context.Context, owner access.PersonID, q scan.HistoryQuery) ([]scan.Entry, error) {
	where, args := historyWhere(owner, q)
	order := " ORDER BY requested_at DESC, id "
	beyond := func(p scan.Place, at, id string) {
		args = append(args, micros(p.At))
		at += mark(args)
		equal := "requested_at = " + mark(args)
		args = append(args, p.ID)
		// The first condition alone bounds the search in the index.
		where += " AND " + at + " AND NOT (" + equal + " AND " + id + mark(args) + ")"
	}
	switch {
	case q.Before != (scan.Place{}):
		beyond(q.Before, "requested_at <= ", "id <= ")
	case q.After != (scan.Place{}):
		beyond(q.After, "requested_at >= ", "id >= ")
		order = " ORDER BY requested_at, id DESC "
	}
	r, err := db.query(ctx, "SELECT "+scanColumns+", "+readColumns+where+order+limitTo(q.Limit), args...)
	list, err := collect(r, err, scanScan)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if q.After != (scan.Place{}) {
		slices.Reverse(list)
	}
	entries := make([]scan.Entry, len(list))
	for i, s := range list {
		entries[i] = scan.Entry{Scan: s}
	}
	return entries, db.describe(ctx, entries)
}

// describe fills in what a list shows of the parts of its scans.
func (db *DB) describe(ctx context.Context, entries []scan.Entry) error {
	byID := make(map[scan.ID]*scan.Entry, len(entries))
	var args []any
	var marks []string
	for i := range entries {
		byID[entries[i].ID] = &entries[i]
		args = append(args, entries[i].ID)
		marks = append(marks, mark(args))
	}
	in := "scan_id IN (" + strings.Join(marks, ", ") + ")"
	type count struct {
		of    scan.ID
		state scan.PartState
		n     int
	}
	r, err := db.query(ctx, "SELECT scan_id, state, count(*) FROM scan_parts WHERE "+in+" GROUP BY scan_id, state", args...)
	counts, err := collect(r, err, func(r row) (c count, err error) { return c, r.Scan(&c.of, &c.state, &c.n) })
	if err != nil {
		return fmt.Errorf("store: counting the parts of scans: %w", err)
	}
	for _, c := range counts {
		if e := byID[c.of]; e != nil {
			if e.In == nil {
				e.In = make(map[scan.PartState]int)
			}
			e.In[c.state] = c.n
		}
	}
	r, err = db.query(ctx, "SELECT scan_id, subscription_id FROM scan_parts WHERE "+in+" AND position < "+strconv.Itoa(scan.EntryNames)+" ORDER BY scan_id, position", args...)
	firsts, err := collect(r, err, func(r row) (p part, err error) { return p, r.Scan(&p.of, &p.SubscriptionID) })
	if err != nil {
		return fmt.Errorf("store: naming the parts of scans: %w", err)
	}
	for _, p := range firsts {
		if e := byID[p.of]; e != nil {
			e.First = append(e.First, p.SubscriptionID)
		}
	}
	return nil
}

// CountScans implements scan.HistoryRecords.
func (db *DB) CountScans(ctx context.Context, owner access.PersonID, q scan.HistoryQuery, limit int) (n int, err error) {
	where, args := historyWhere(owner, q)
	err = db.queryRow(ctx, "SELECT count(*) FROM (SELECT 1"+where+" "+limitTo(limit)+") AS chosen", args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("store: counting scans: %w", err)
	}
	return n, nil
}

// RecentSubscriptions implements scan.HistoryRecords.
func (db *DB) RecentSubscriptions(ctx context.Context, owner access.PersonID, scans, limit int) ([]string, error) {
	r, err := db.query(ctx, "SELECT DISTINCT subscription_id FROM scan_parts WHERE scan_id IN "+
		"(SELECT id FROM scans WHERE authority = $1 AND subject = $2 ORDER BY requested_at DESC, id "+limitTo(scans)+") "+limitTo(limit), owner.Authority, owner.Subject)
	list, err := collect(r, err, func(r row) (id string, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("store: subscriptions of scans: %w", err)
	}
	return list, nil
}

// UsageOf implements scan.HistoryRecords.
func (db *DB) UsageOf(ctx context.Context, owner access.PersonID, since, from time.Time) (map[string]scan.Usage, error) {
	// AzTS gives an id to what it takes, or at least a word. Whether it took what it
	// lost the answer of is not known: the count is what it took at least.
	r, err := db.query(ctx, `SELECT subscription_id,
			SUM(CASE WHEN scan_parts.state IN ($1, $2, $3) AND (scan_request_id <> '' OR queue_status <> '') AND since >= $4 THEN 1 ELSE 0 END),
			MAX(CASE WHEN scan_parts.state = $5 THEN requested_at ELSE 0 END), MAX(CASE WHEN scan_parts.state = $5 THEN retry_at ELSE 0 END)
		FROM scans JOIN scan_parts ON scan_id = scans.id
		WHERE authority = $6 AND subject = $7 AND requested_at >= $8 GROUP BY subscription_id`,
		scan.PartQueued, scan.PartCompleted, scan.PartStalled, micros(since), scan.PartQuotaReached, owner.Authority, owner.Subject, micros(from))
	type usage struct {
		of string
		scan.Usage
	}
	list, err := collect(r, err, func(r row) (u usage, err error) {
		var refused, retry int64
		err = r.Scan(&u.of, &u.Requests, &refused, &retry)
		u.RefusedAt, u.RetryAt = fromMicros(refused), fromMicros(retry)
		return u, err
	})
	if err != nil {
		return nil, fmt.Errorf("store: requests of a day: %w", err)
	}
	out := make(map[string]scan.Usage, len(list))
	for _, u := range list {
		out[u.of] = u.Usage
	}
	return out, nil
}

// ScanNumbers implements scan.HistoryRecords.
func (db *DB) ScanNumbers(ctx context.Context, authority string, from time.Time) (scan.Numbers, error) {
	numbers := scan.Numbers{Open: map[scan.State]int{}}
	type count struct {
		day   int64
		state scan.State
		n     int
	}
	day := strconv.FormatInt((24 * time.Hour).Microseconds(), 10)
	r, err := db.query(ctx, "SELECT requested_at / "+day+", state, count(*) FROM scans WHERE authority = $1 AND requested_at >= $2 GROUP BY 1, 2", authority, micros(from))
	counts, err := collect(r, err, func(r row) (c count, err error) { return c, r.Scan(&c.day, &c.state, &c.n) })
	if err != nil {
		return numbers, fmt.Errorf("store: scans by day: %w", err)
	}
	days := map[int64]map[scan.State]int{}
	for _, c := range counts {
		if days[c.day] == nil {
			days[c.day] = map[scan.State]int{}
		}
		days[c.day][c.state] = c.n
	}
	for number, scans := range days {
		numbers.Days = append(numbers.Days, scan.Day{Start: time.Unix(number*24*60*60, 0).UTC(), Scans: scans})
	}
	r, err = db.query(ctx, "SELECT 0, state, count(*) FROM scans WHERE authority = $1 AND ended_at = 0 GROUP BY state", authority)
	counts, err = collect(r, err, func(r row) (c count, err error) { return c, r.Scan(&c.day, &c.state, &c.n) })
	if err != nil {
		return numbers, fmt.Errorf("store: open scans: %w", err)
	}
	for _, c := range counts {
		numbers.Open[c.state] = c.n
	}
	err = db.queryRow(ctx, "SELECT (SELECT count(DISTINCT subject) FROM scans WHERE authority = $1 AND requested_at >= $2), "+
		"(SELECT count(*) FROM schedules WHERE authority = $1 AND state = $3)", authority, micros(from), scan.ScheduleActive).Scan(&numbers.People, &numbers.Schedules)
	if err != nil {
		return numbers, fmt.Errorf("store: people who scan: %w", err)
	}
	return numbers, nil
}
