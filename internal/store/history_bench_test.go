package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/store/storetest"
)

const (
	manyScans = 10_000
	manyParts = 1_000 // of each tenth of them; the others have ten
)

// BenchmarkHistory is the history of somebody with ten thousand scans: its first
// page, a deep one, one of a subscription, and the requests of the day.
func BenchmarkHistory(b *testing.B) {
	for _, kind := range storetest.Databases() {
		b.Run(kind.Name, func(b *testing.B) { benchmarkHistory(b, kind.New(b)) })
	}
}

func benchmarkHistory(b *testing.B, databaseURL string) {
	db := openTest(b, databaseURL)
	defer db.Close()
	owner := access.PersonID{Authority: "t", Subject: "s"}
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	seedHistory(b, db, owner, now)
	deep := scan.Place{At: now.Add(-9_000 * 15 * time.Minute), ID: "x"}
	for name, ask := range map[string]func() error{
		"first page": func() error { return pageOf(b, db, owner, scan.HistoryQuery{Limit: 26}, 26) },
		"deep page":  func() error { return pageOf(b, db, owner, scan.HistoryQuery{Limit: 26, Before: deep}, 26) },
		"by subscription": func() error {
			return pageOf(b, db, owner, scan.HistoryQuery{Limit: 26, Subscription: "sub-999"}, 26)
		},
		"by a subscription that is not there": func() error {
			return pageOf(b, db, owner, scan.HistoryQuery{Limit: 26, Subscription: "none"}, 0)
		},
		"requests of the day": func() error {
			usage, err := db.UsageOf(b.Context(), owner, now.Truncate(24*time.Hour), now.Add(-40*time.Hour))
			if err == nil && usage["sub-1"].Requests == 0 {
				b.Error("nothing is counted")
			}
			return err
		},
		"numbers": func() error {
			_, err := db.ScanNumbers(b.Context(), owner.Authority, now.AddDate(0, 0, -13))
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				begun := time.Now()
				if err := ask(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}

func pageOf(b *testing.B, db *DB, owner access.PersonID, q scan.HistoryQuery, want int) error {
	list, err := db.ScanHistory(b.Context(), owner, q)
	if err != nil {
		return err
	}
	if len(list) != want {
		b.Errorf("%d scans, want %d", len(list), want)
	}
	_, err = db.CountScans(b.Context(), owner, q, scan.MaxCounted+1)
	return err
}

// seedHistory stores a scan for each quarter of an hour before now.
func seedHistory(b *testing.B, db *DB, owner access.PersonID, now time.Time) {
	b.Helper()
	series := func(n int) string {
		return fmt.Sprintf("WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < %d) ", n-1)
	}
	must := func(query string, args ...any) {
		b.Helper()
		if _, err := db.exec(b.Context(), query, args...); err != nil {
			b.Fatal(err)
		}
	}
	must("INSERT INTO scans ("+scanColumns+") "+series(manyScans)+`SELECT 'scan-' || n, $1, $2, 'key-' || n, 'completed', CAST($3 AS BIGINT) - n * CAST(900000000 AS BIGINT), 0, 1, '', '', '', '', '', 1, '' FROM numbers`,
		owner.Authority, owner.Subject, micros(now))
	for first, limit := range map[int]int{0: 10, 10: manyParts} {
		parts := " CROSS JOIN (SELECT n AS p FROM numbers WHERE n >= " + fmt.Sprint(first) + " AND n < " + fmt.Sprint(limit) + ") AS parts"
		where := ""
		if first > 0 {
			where = " WHERE n % 10 = 0"
		}
		must("INSERT INTO scan_parts ("+partColumns+") "+series(manyScans)+`SELECT 'scan-' || n, p, 'sub-' || p, 'completed', 'r', '', '', CAST($1 AS BIGINT) - n * CAST(900000000 AS BIGINT), 0, 0, '' FROM numbers`+parts+where, micros(now))
	}
	must("ANALYZE")
}
