package main

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/store/storetest"
)

// faultyResults makes AzTS fail while it gives out the results of single
// subscriptions; whether they are there at all, it tells well.
type faultyResults struct {
	tenant *tenantServer
	faults map[string]string // by subscription
	until  int               // the fault passes with this page that is asked for

	mu    sync.Mutex // the sandbox has its faults for all that is asked
	asked map[string]int
}

func (f *faultyResults) answer(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, "/azts/") {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if path := strings.Split(r.URL.Path, "/"); path[len(path)-1] == "ControlScanResult" {
		id := path[len(path)-2]
		f.asked[id]++
		if fault := f.faults[id]; fault != "" && f.asked[id] > 1 && (fault != "azts.500" || f.asked[id] < f.until) {
			value := ""
			if fault == "azts.gone" {
				value = id
			}
			f.tenant.Faults().Set(fault, value, -1)
			defer f.tenant.Faults().Clear(fault)
		}
	}
	f.tenant.Sandbox.ServeHTTP(w, r)
	return true
}

// TestFaultsOfAzTSReachThePagesAsWords reads four scans at once: of strange values
// and huge texts, of pages that lead in a circle, of a subscription that goes away,
// and of an AzTS that is down for a while. Each page says what is there and what
// is not, and shows strangers' text as text.
func TestFaultsOfAzTSReachThePagesAsWords(t *testing.T) {
	t.Parallel()
	const rows = 240
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: rows}})
	b := w.browser()
	b.signIn(dana)
	ids := b.get("/scans/new").sel("table.choose tbody input[name=subscription]").Map(func(_ int, in *goquery.Selection) string { return in.AttrOr("value", "") })
	if len(ids) < 4 {
		t.Fatalf("%d subscriptions", len(ids))
	}
	weird, loop, gone, down := ids[0], ids[1], ids[2], ids[3]
	faulty := &faultyResults{tenant: w.tenant, asked: map[string]int{}, until: 5,
		faults: map[string]string{weird: "azts.weird_values", loop: "azts.page_loop", gone: "azts.gone", down: "azts.500"}}
	w.tenant.answerWith(faulty.answer)
	pages := map[string]string{} // of scans, by subscription
	for id := range faulty.faults {
		p := b.post("/scans", url.Values{"idempotency_key": {"key-" + id}, "subscription": {id}})
		if p.status != http.StatusOK {
			t.Fatalf("a scan is answered with %d: %s", p.status, p.text("main"))
		}
		pages[id] = p.url.Path
	}
	// What is down is asked again after some pauses: longer than w waits for others.
	for deadline := time.Now().Add(killLimit); ; time.Sleep(100 * time.Millisecond) {
		ended := w.rows("scans WHERE read_state = 'ended'")
		if ended == len(pages) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d are read", ended, len(pages))
		}
	}

	t.Run("strange values", func(t *testing.T) { w.in(t).showsStrangeValues(b.in(t), pages[weird], rows) })
	t.Run("a circle", func(t *testing.T) {
		b := b.in(t)
		b.get(pages[loop]).wantScan().has("#found .tone-warning", "Some results are missing here")
		if n := len(csvOf(b, pages[loop])); n == 0 || n >= rows {
			t.Errorf("%d of %d results are kept", n, rows)
		}
	})
	t.Run("a subscription that is gone", func(t *testing.T) {
		b.in(t).get(pages[gone]).wantScan().has("#found .tone-warning", "none came")
	})
	t.Run("down for a while", func(t *testing.T) {
		b := b.in(t)
		if p := b.get(pages[down]).wantScan(); p.sel("#found .tone-warning").Length() != 0 {
			t.Errorf("what came late is not believed: %s", p.text("#found"))
		}
		if n := len(csvOf(b, pages[down])); n != rows {
			t.Errorf("%d of %d results are kept", n, rows)
		}
	})
	t.Run("strange summaries", func(t *testing.T) {
		w.tenant.answerWith(nil)
		w.tenant.Faults().Set("azts.weird_values", "", -1)
		defer w.tenant.Faults().Clear("azts.weird_values")
		b := w.in(t).browser() // who has asked for none yet
		b.signIn(dana)
		for _, path := range []string{"/scans/new", "/"} {
			p := b.get(path)
			harmless(t, path, p)
			for _, said := range []string{"93.3 %", "31/31/2026 6:15 PM"} {
				if !strings.Contains(p.text("main"), said) {
					t.Errorf("%s does not say %q: %s", path, said, p.text("main"))
				}
			}
			// Minus one failure is not none.
			if row := p.sel(`tbody tr:contains("Management Group")`); row.Length() == 0 || row.Find(`[data-label="Failed"]:contains("0")`).Length() != 0 {
				t.Errorf("%s believes what is no number: %s", path, row.Text())
			}
		}
	})
	t.Run("results that do not open any more", func(t *testing.T) {
		id := strings.TrimPrefix(pages[down], "/scans/")
		storetest.Exec(t, "sqlite:"+w.db, "UPDATE result_sets SET head = zeroblob(64), version = version + 1 WHERE scan_id = '"+id+"'")
		b := b.in(t)
		b.get(pages[down]).wantScan().has("#found", "cannot be opened any more")
		for _, path := range []string{"/", "/scans", "/scans/trend", pages[loop]} {
			if p := b.get(path); p.status != http.StatusOK {
				t.Errorf("%s is answered with %d: %s", path, p.status, p.text("main"))
			}
		}
		if p := b.get(pages[down] + "/results.csv"); p.status == http.StatusOK || !strings.Contains(p.text("main"), "Scan again") {
			t.Errorf("the file: %d %s", p.status, p.text("main"))
		}
	})
}

// csvOf returns the results of a scan as its file has them. Each is there once.
func csvOf(b *browser, scan string) [][]string {
	b.t.Helper()
	p := b.get(scan + "/results.csv?bom=0")
	records, err := csv.NewReader(strings.NewReader(p.body)).ReadAll()
	if err != nil || len(records) == 0 || p.status != http.StatusOK {
		b.t.Fatalf("the file is answered with %d: %v", p.status, err)
	}
	seen := map[string]bool{}
	for _, record := range records[1:] {
		if key := strings.Join(record, "\x00"); seen[key] {
			b.t.Errorf("twice in the file: %.200q", record)
		} else {
			seen[key] = true
		}
	}
	return records[1:]
}

// shownPage is the most bytes of a page of results: of a million letters it shows
// a beginning.
const shownPage = 300 << 10

// harmless says that a page is whole, and that AzTS's text is text in it.
func harmless(t testing.TB, what string, p *page) {
	t.Helper()
	if p.status != http.StatusOK || len(p.body) > shownPage || !strings.Contains(p.body, "</html>") {
		t.Errorf("%s: %d with %d bytes", what, p.status, len(p.body))
	}
	if n := p.sel(`main script, main img[onerror], main svg[onload], main a[href^="javascript"], main a[href^="="]`).Length(); n != 0 {
		t.Errorf("%s: %d elements are AzTS's own", what, n)
	}
}

func (w *world) showsStrangeValues(b *browser, scan string, rows int) {
	w.t.Helper()
	p := b.get(scan).wantScan()
	harmless(w.t, "the table", p)
	p.has("#found .tone-warning", "Some results are missing here") // equal ids: the later one is dropped, and said
	for _, value := range []string{"Quarantined", "-2+3"} {
		q := b.get(scan + "?" + url.Values{"q": {""}, "status": {value}}.Encode())
		if value != "Quarantined" {
			q = b.get(scan + "?" + url.Values{"severity": {value}}.Encode())
		}
		harmless(w.t, value, q)
		if q.sel("#results tbody tr").Length() == 0 {
			w.t.Errorf("nothing is found by %s", value)
		}
	}
	for _, words := range []string{"long reason", "onerror", "HYPERLINK", "calc"} {
		list := b.get(scan + "?" + url.Values{"q": {words}}.Encode())
		harmless(w.t, words, list)
		link := list.sel(`#results tbody a[href*="/results/"]`).First().AttrOr("href", "")
		if link == "" {
			w.t.Errorf("nothing is found by %q", words)
			continue
		}
		harmless(w.t, "the result of "+words, b.get(link))
	}
	records := csvOf(b, scan)
	if len(records) == 0 || len(records) > rows {
		w.t.Errorf("%d of %d results are in the file", len(records), rows)
	}
	dates := 0
	for i, record := range records {
		for _, cell := range record {
			if strings.IndexAny(cell, "=+-@\t\r") == 0 {
				w.t.Errorf("row %d begins a formula: %.60q", i, cell)
			}
			if len(cell) > 33<<10 {
				w.t.Errorf("row %d has a cell of %d bytes", i, len(cell))
			}
			dates += strings.Count(cell, "31/02/2026 25:61:00")
		}
	}
	if dates == 0 {
		w.t.Error("what AzTS wrote in place of a date is lost among " + strconv.Itoa(len(records)))
	}
}
