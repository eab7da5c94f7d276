package results_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/internal/store/storetest"
)

// The figures: 100,000 results.
const manyRows = 100_000

// written is generate with texts as AzTS writes them: names of other scripts, what
// CSV has to quote, and a remediation of each row with its resource in it.
func written(n int, seed uint64) []azts.Result {
	rows := generate(n, seed, subA, subB)
	for i := range rows {
		r := &rows[i]
		switch i / 10 % 7 {
		case 0:
			r.ResourceGroupName += "-größe-(übergang)"
		case 1:
			r.ResourceGroupName = "rg-データ基盤-" + r.ResourceGroupName
		case 2:
			r.ResourceName += "-übung"
		}
		r.ResourceID = "/subscriptions/" + r.SubscriptionID + "/resourceGroups/" + r.ResourceGroupName + "/providers/Microsoft.Storage/storageAccounts/" + r.ResourceName
		r.StatusReason += " " + []string{`The rule "AllowAll" admits 0.0.0.0 to 255.255.255.255.`, "It still answers on an unencrypted port; clients used it in the last week.",
			"Clients with old protocols were seen in the last 30 days – and more often on Mondays."}[i%3]
		if i%50 == 0 {
			r.StatusReason += strings.Repeat(" So it was in "+r.ResourceName+";", 20)
		}
		r.Remediation = "Require secure transfer, then watch for clients that fail and mend them.\n\naz resource update --ids \"" + r.ResourceID +
			"\" --set properties.supportsHttpsTrafficOnly=true"
	}
	return rows
}

// idle is a worker that nothing starts; scans need a queue.
type idle struct {
	river.WorkerDefaults[scan.FollowArgs]
}

func (idle) Work(context.Context, *river.Job[scan.FollowArgs]) error { return nil }

// database is an archive over a real database.
type database struct {
	testing.TB
	*results.Archive
	db *store.DB
}

func openDatabase(t testing.TB, databaseURL string) *database {
	t.Helper()
	db, err := store.Open(t.Context(), databaseURL, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	workers := river.NewWorkers()
	river.AddWorker(workers, &idle{})
	if _, err := db.NewJobs(workers, 1); err != nil {
		t.Fatal(err)
	}
	ring, err := seal.NewKeyRing(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	a, err := results.New(results.Config{Records: db, Keys: ring, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return &database{TB: t, Archive: a, db: db}
}

func (d *database) scan(person access.PersonID) string {
	d.Helper()
	s := scan.Scan{ID: scan.ID(rand.Text()), Owner: person, Key: rand.Text(), State: scan.Requested, Version: 1}
	if _, _, err := d.db.CreateScan(d.Context(), s, scan.FollowArgs{Scan: s.ID}); err != nil {
		d.Fatal(err)
	}
	return string(s.ID)
}

// keep stores rows as a whole set of a new scan.
func (d *database) keep(rows []azts.Result) string {
	d.Helper()
	id := d.scan(ann)
	w, err := d.Begin(context.Background(), ann, id, subscriptionsOf(rows))
	if err == nil {
		err = feed(context.Background(), w, rows, 100)
	}
	if err == nil {
		_, err = w.Finish(context.Background())
	}
	if err != nil {
		d.Fatal(err)
	}
	return id
}

// eachDatabase runs a benchmark on an empty database of each kind.
func eachDatabase(b *testing.B, run func(b *testing.B, d *database)) {
	for _, kind := range storetest.Databases() {
		b.Run(kind.Name, func(b *testing.B) { run(b, openDatabase(b, kind.New(b))) })
	}
}

func percentile95(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)*95/100].Microseconds()) / 1e3
}

func BenchmarkTakingIn(b *testing.B) {
	rows := written(manyRows, 1)
	eachDatabase(b, func(b *testing.B, d *database) {
		var size int64
		for b.Loop() {
			id := d.keep(rows)
			rec, err := d.db.LoadResultSet(b.Context(), ann, id)
			if err != nil || rec.Rows != manyRows {
				b.Fatal(rec.Rows, err)
			}
			size = rec.Bytes
		}
		b.ReportMetric(float64(b.N)*manyRows/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(float64(size)/manyRows, "stored-B/row")
	})
}

// questions are what people ask: each filter, each order, words, and all at once.
func questions() map[string]results.Query {
	out := map[string]results.Query{
		"all":           {},
		"failed":        {Status: []string{"Failed"}},
		"severe":        {Status: []string{"Failed", "Verify"}, Severity: []string{"Critical", "High"}, Sort: results.SortResource},
		"group":         {Group: []string{"rg-lake-0003"}, Sort: results.SortControl},
		"resource":      {Resource: []string{"kvneu00001"}},
		"control":       {Control: []string{controlNames()[3]}, Sort: results.SortStatus},
		"category":      {Category: []string{"Network security"}, Baseline: []string{"true"}, Sort: results.SortGroup},
		"exceptions":    {ExceptionState: []string{"Approved"}, Sort: results.SortExpiry},
		"subscription":  {Subscription: []string{subB}, Sort: results.SortSeverity, Descending: true},
		"word":          {Text: "networks"},
		"rare word":     {Text: "appneu00007"},
		"several words": {Text: "rules rg-lake storage", Status: []string{"Failed"}, Sort: results.SortControl},
	}
	for _, by := range results.Sorts() {
		out["by "+string(by)] = results.Query{Sort: by, Descending: true}
	}
	for name, q := range out {
		q.Limit = 50
		out[name] = q
	}
	return out
}

// BenchmarkFirstPage tells the slowest question's p95, with the set in memory and
// with nothing in memory.
func BenchmarkFirstPage(b *testing.B) {
	rows := written(manyRows, 1)
	eachDatabase(b, func(b *testing.B, d *database) {
		id := d.keep(rows)
		for name, before := range map[string]func(){"warm": func() {}, "cold": d.Forget} {
			b.Run(name, func(b *testing.B) {
				all := questions()
				worst, slowest := 0.0, ""
				var together []time.Duration
				for b.Loop() {
					for question, q := range all {
						times := make([]time.Duration, 0, 40)
						for range cap(times) {
							before()
							start := time.Now()
							set, err := d.Open(b.Context(), ann, id)
							if err != nil {
								b.Fatal(err)
							}
							set.ForgetText() // each time is the first
							if page, err := set.Query(q); err != nil || len(page.Rows) == 0 {
								b.Fatalf("%s: %d rows, %v", question, len(page.Rows), err)
							}
							times = append(times, time.Since(start))
						}
						together = append(together, times...)
						if p := percentile95(times); p > worst {
							worst, slowest = p, question
						}
					}
				}
				b.ReportMetric(percentile95(together), "p95-ms")
				b.ReportMetric(worst, "slowest-p95-ms")
				b.ReportMetric(0, "ns/op")
				b.Log("slowest: " + slowest)
			})
		}
	})
}

// BenchmarkDeepPage tells what the last page costs, in first pages.
func BenchmarkDeepPage(b *testing.B) {
	w := newWorld(b)
	set := w.open(w.keep(written(manyRows, 1)))
	for name, q := range map[string]results.Query{"by urgency": {Limit: 50}, "by resource": {Sort: results.SortResource, Limit: 50}} {
		b.Run(name, func(b *testing.B) {
			var first, last []time.Duration
			for b.Loop() {
				for range 20 {
					for _, at := range []struct {
						offset int
						times  *[]time.Duration
					}{{0, &first}, {manyRows - 50, &last}} {
						q.Offset = at.offset
						start := time.Now()
						page, err := set.Query(q)
						if err != nil || len(page.Rows) != 50 {
							b.Fatal(len(page.Rows), err)
						}
						*at.times = append(*at.times, time.Since(start))
					}
				}
			}
			slices.Sort(first)
			slices.Sort(last)
			b.ReportMetric(float64(last[len(last)/2])/float64(first[len(first)/2]), "ratio")
			b.ReportMetric(float64(first[len(first)/2].Microseconds())/1e3, "first-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	w := newWorld(b)
	before, after := w.open(w.keep(written(manyRows, 1))), w.open(w.keep(written(manyRows, 2)))
	for b.Loop() {
		d := results.Compare(before, after)
		if list, err := d.List(results.NewFailure, 0, 50); err != nil || len(list) != 50 {
			b.Fatal(len(list), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms")
}

func BenchmarkHistory(b *testing.B) {
	d := openDatabase(b, storetest.Databases()[0].New(b))
	rows := written(manyRows, 1)
	for range 10 {
		d.keep(rows)
	}
	key := results.KeyOf(&rows[manyRows/2])
	for b.Loop() {
		if past, err := d.History(b.Context(), ann, key, 10); err != nil || len(past) != 10 {
			b.Fatal(len(past), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/10, "ms/scan")
}

// heapWhile returns how far the heap grew above what it was, at most, while do ran.
func heapWhile(do func()) uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.HeapAlloc
	var peak atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return peak.Load() - min(before, peak.Load())
}

func BenchmarkExport(b *testing.B) {
	w := newWorld(b)
	set := w.open(w.keep(written(manyRows, 1)))
	b.Logf("the set takes %.1f MB", float64(set.Bytes())/1e6)
	for name, write := range map[string]func(io.Writer, iter.Seq2[results.Row, error]) error{
		"CSV":       func(w io.Writer, rows iter.Seq2[results.Row, error]) error { return results.WriteCSV(w, rows, true) },
		"JSONLines": results.WriteJSONLines,
	} {
		for _, by := range []results.Sort{results.SortTaken, results.SortUrgency} {
			b.Run(name+"/"+string(by), func(b *testing.B) {
				var size counter
				grown := heapWhile(func() {
					for b.Loop() {
						size = 0
						if err := write(&size, set.Rows(results.Query{Sort: by})); err != nil {
							b.Fatal(err)
						}
					}
				})
				b.ReportMetric(float64(b.N)*manyRows/b.Elapsed().Seconds(), "rows/s")
				b.ReportMetric(float64(grown)/1e6, "heap-MB")
				b.ReportMetric(float64(size)/manyRows, "B/row")
			})
		}
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// BenchmarkList tells what a page pays that asks for all sets of a person.
func BenchmarkList(b *testing.B) {
	w := newWorld(b)
	for range 300 {
		var rows []azts.Result
		for n := range 100 {
			rows = append(rows, azts.Result{SubscriptionID: fmt.Sprintf("0f5c0e2a-1111-4222-8333-4444555%05d", n), ControlName: "c", ResourceID: "r", Status: "Failed"})
		}
		w.keep(rows)
	}
	for b.Loop() {
		if list, err := w.List(b.Context(), ann, results.MaxSets); err != nil || len(list) != 300 || len(list[0].Subscriptions) != 100 {
			b.Fatal(len(list), err)
		}
	}
}
