package main

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"
)

const (
	manyGrants = 20_000
	maxPage    = 100 * time.Millisecond
	maxFile    = 64 << 20 // bytes of memory for the file
)

// grantsWorld is an admin's browser with a list of at least 20,000 rows, read.
func grantsWorld(b *testing.B) (*browser, time.Duration) {
	b.Helper()
	w, admin := adminWorld(b)
	w.tenant.SeedGrants(manyGrants * 8 / 6) // six of eight are on the AzTS API
	began := time.Now()
	p := admin.get("/admin/consent").want(http.StatusOK, "Consent")
	p.has(".pager", "of 20,")
	return admin, time.Since(began)
}

// BenchmarkConsentPage is the figure "consent page with 20,000 grants: first page
// under 100 ms of our own time": the list was read from Graph before, which costs
// what build-ms says, once in five minutes.
func BenchmarkConsentPage(b *testing.B) {
	admin, build := grantsWorld(b)
	for name, path := range map[string]string{"first": "/admin/consent", "filtered": "/admin/consent?q=ledger+aino&for=person", "sorted": "/admin/consent?sort=person&order=desc",
		"last": "/admin/consent?page=200"} {
		b.Run(name, func(b *testing.B) {
			admin := admin.in(b)
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if p := admin.send(visit{to: path}); p.status != http.StatusOK {
					b.Fatal(p.status)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			median := took[len(took)/2]
			b.ReportMetric(float64(median.Microseconds())/1000, "ms/page")
			b.ReportMetric(float64(build.Milliseconds()), "build-ms")
			if median > maxPage {
				b.Errorf("a page takes %v, more than %v", median, maxPage)
			}
		})
	}
}

// BenchmarkConsentCSV is the figure "CSV of 20,000 rows under 64 MB of memory".
// The growth of the heap is looked at while the file comes, with the garbage that
// a collection would take.
func BenchmarkConsentCSV(b *testing.B) {
	admin, _ := grantsWorld(b)
	var most uint64
	var stats runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&stats)
		before := stats.HeapAlloc
		response, _ := admin.do(b.Context(), visit{to: "/admin/consent.csv"})
		lines, part := 0, make([]byte, 64<<10)
		for {
			n, err := response.Body.Read(part)
			lines += bytes.Count(part[:n], []byte("\n"))
			runtime.ReadMemStats(&stats)
			if stats.HeapAlloc > before {
				most = max(most, stats.HeapAlloc-before)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		_ = response.Body.Close()
		if lines <= manyGrants {
			b.Fatalf("the file has %d lines", lines)
		}
	}
	b.ReportMetric(float64(most)/(1<<20), "peak-MB")
	if most > maxFile {
		b.Errorf("the file takes %d bytes of memory, more than %d", most, maxFile)
	}
}
