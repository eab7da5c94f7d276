package main

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/templates"
)

// ended waits until a scan and the reading of its results have ended.
func (b *browser) ended(scan *page) *page {
	b.t.Helper()
	events := b.events()
	for scan = b.get(scan.url.Path); scan.sel("#scan[data-running]").Length() > 0; scan = b.get(scan.url.Path) {
		b.await(events, "scan", 30*time.Second)
	}
	return scan
}

// resources are those of the rows of a list, as a person reads them.
func (p *page) resources() []string {
	p.t.Helper()
	return p.sel(".found tbody tr td:nth-child(4)").Map(func(_ int, s *goquery.Selection) string { return strings.TrimSpace(s.Text()) })
}

// TestFindings reads what a scan found, from the first number to the last file,
// with every text in it hostile.
func TestFindings(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: 620}})
	w.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/ControlScanResult") {
			w.tenant.Faults().Set("azts.weird_values", "", 1)
		}
		return false
	})
	b := w.browser()
	b.signIn(dana)
	scan := b.ended(startScan(b, "Contoso Prod", "Payments – Staging"))
	// Some of what was damaged names one resource twice: the rest is said to be missing.
	scan.has("#findings-summary .panel", "Some results are missing here")
	all := scan.text("#list-title")
	scan.has(".figures", strings.TrimSuffix(all, " results"))
	if n := scan.sel(".chart").Length(); n != 5 {
		t.Errorf("%d charts", n)
	}
	if n := scan.sel("#found script, #found img, #found [style], #found [onerror], #found a[href^='javascript']").Length(); n != 0 {
		t.Errorf("%d elements came from strangers' texts", n)
	}

	// By subscription, as the table above leads; then narrower, as the form asks.
	mine := b.get(scan.sel(`#scan tbody a[href$="#results"]`).First().AttrOr("href", ""))
	mine.has("#list-title", " of "+all)
	strange := b.get(mine.url.Path + "?status=quarantined&sort=-resource&size=100")
	total := clean(strange.sel("#list-title").Text())
	rows := strange.resources()
	if !strings.HasSuffix(total, " of "+all) || len(rows) != 100 || !slices.IsSortedFunc(rows, func(x, y string) int { return strings.Compare(strings.ToLower(y), strings.ToLower(x)) }) {
		t.Errorf("%s, %d on the page, sorted: %q…", total, len(rows), rows[:min(3, len(rows))])
	}
	strange.has(".found .status.s-unknown", "Quarantined")
	next := b.get(strange.one("a[rel=next]").AttrOr("href", ""))
	rows = append(rows, next.resources()...)

	// The file has these very rows, and a spreadsheet runs none of them.
	file := b.get(strange.sel(`.export a[href*=".csv"]`).First().AttrOr("href", ""))
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(file.body, "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var filed []string
	for _, record := range records[1:] {
		filed = append(filed, clean(strings.TrimPrefix(record[4], "'")))
	}
	for i := range rows {
		rows[i] = clean(rows[i])
	}
	if !slices.Equal(filed, rows) {
		t.Errorf("the file has %d rows, the list %d, or another order", len(filed), len(rows))
	}
	if name := file.header.Get("Content-Disposition"); !strings.HasPrefix(name, `attachment; filename="azts-2-subscriptions-`) {
		t.Errorf("the file is %s", name)
	}
	whole := b.get(scan.url.Path + "/results.csv?bom=0").body
	if n := strings.Count(whole, "'=HYPERLINK("); n < 80 || strings.Contains(whole, ",=HYPERLINK") || strings.Contains(whole, `,"=HYPERLINK`) {
		t.Errorf("%d formulas are made harmless, or one is not", n)
	}
	lines := b.get(scan.url.Path + "/results.jsonl")
	if n := strings.Count(lines.body, "\n"); templates.Count(n, "result") != all || lines.header.Get("Content-Type") != "application/jsonl; charset=utf-8" {
		t.Errorf("JSON Lines has %d lines, %s", n, lines.header.Get("Content-Type"))
	}
	if p := b.send(visit{to: scan.url.Path + "/results.csv", method: http.MethodHead}); p.status != http.StatusMethodNotAllowed {
		t.Errorf("HEAD of a file is answered with %d", p.status)
	}

	// One result, from the list and back to the very list.
	one := b.get(strange.sel(".found a.name").Eq(1).AttrOr("href", ""))
	if one.status != http.StatusOK {
		t.Fatalf("a result is %d", one.status)
	}
	one.has(".head", "2 of ")
	one.has(".strip", "Quarantined")
	back := b.get(one.sel(".crumbs a").Last().AttrOr("href", ""))
	if !slices.Equal(back.resources(), strange.resources()) {
		t.Errorf("%s is another list than %s", back.url, strange.url)
	}
	script := b.get(scan.url.Path + "?q=" + "document.title")
	b.get(script.sel(".found a.name").First().AttrOr("href", "")).has("main .said", `<script>document.title="owned"</script>`)

	// A colleague sees neither the scan nor that there is one.
	other := w.browser()
	other.signIn(ada)
	for _, address := range []string{strange.url.RequestURI(), one.url.RequestURI(), scan.url.Path + "/results.csv", scan.url.Path + "/results.jsonl", "/scans/" + strings.Repeat("a", 26)} {
		p := other.get(address).want(http.StatusNotFound, "There is nothing here")
		p.has("main", "belong to the person who asked")
		if p.sel(`main a[href="/scans/new"]`).Length() != 1 {
			t.Errorf("%s does not lead to a scan of one's own", address)
		}
	}
	// Nor does whoever is not signed in.
	w.browser().send(visit{to: one.url.RequestURI()}).leadsTo("/auth/login?return_to=")
}
