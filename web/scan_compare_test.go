package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/store/storetest"
)

// TestWhatChanged scans the same twice from the first page, compares, and finds
// the same numbers there after an absence; nobody else finds them.
func TestWhatChanged(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: 300 * time.Millisecond, ResultsPerSubscription: 120}})
	b := w.browser()
	b.signIn(dana)
	first := b.ended(startScan(b, "Contoso Prod", "Payments – Staging"))
	if n := first.sel(`a[href*="/compare/"]`).Length(); n != 0 && first.sel(`a[href$="/compare/last-week"]`).Length() == 0 {
		t.Errorf("the first scan is compared with %d others", n)
	}
	b.get(first.url.Path+"/compare/last-week").want(http.StatusOK, "What changed").has("main", "nothing to compare with yet")
	b.get("/").has("#news", "When you come back to this page")
	// As if they had left now and come back.
	storetest.Exec(t, "sqlite:"+w.db, fmt.Sprintf("UPDATE visits SET before_at = %d", time.Now().UnixMicro()))
	overview := b.get("/").want(http.StatusOK, "Overview")
	overview.has("#news", "Nothing has changed")

	chosen := url.Values{}
	overview.sel("table.choose tbody tr").Each(func(_ int, row *goquery.Selection) {
		if name := clean(row.Find(".name").Text()); name == "Contoso Prod" || name == "Payments – Staging" {
			chosen.Add("subscription", row.Find("input[type=checkbox]").AttrOr("value", ""))
		}
	})
	second := b.ended(b.submit(overview, "#scan-chosen button", chosen).want(http.StatusOK, "Scan of 2 subscriptions"))
	compare := b.get(second.one(`#findings-summary a[href*="/compare/`+strings.TrimPrefix(first.url.Path, "/scans/")+`"]`).AttrOr("href", "")).want(http.StatusOK, "What changed")
	if compare.text(".sums li:first-child") == "+0 new failures" || compare.text(".sums li:nth-child(2)") == "✓0 fixed" {
		t.Errorf("two scans of a sandbox that changes do not differ: %s", compare.text(".sums"))
	}
	told := b.get("/").text("#news .sums li")
	for i := 1; i <= 4; i++ {
		if part := compare.text(fmt.Sprintf(".sums li:nth-child(%d)", i)); !strings.Contains(told, part) {
			t.Errorf("the first page tells %q, the comparison %q", told, part)
		}
	}
	result := b.get(compare.sel("section[aria-labelledby=changes-new] tbody a").First().AttrOr("href", ""))
	if result.status != http.StatusOK || !strings.HasPrefix(result.url.Path, second.url.Path+"/results/") {
		t.Errorf("a new failure leads to %s, %d", result.url, result.status)
	}
	file := b.get(compare.sel("section[aria-labelledby=changes-fixed] a[href*='changes.csv']").AttrOr("href", ""))
	if file.status != http.StatusOK || !strings.HasPrefix(file.header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(file.body, "\ufeff") {
		t.Errorf("the file is %d, %s", file.status, file.header.Get("Content-Type"))
	}
	trend := b.get("/scans/trend").want(http.StatusOK, "Trend of compliance")
	if n := trend.sel(".trend-dots circle").Length(); n != 2 {
		t.Errorf("the trend has %d points", n)
	}
	// One scan, one number: the first page, by AzTS, and the trend, by the results.
	for _, id := range chosen["subscription"] {
		numbers := func(p *page, row string) string {
			cells := p.one(row)
			return fmt.Sprint(clean(cells.Find("[data-label=Compliance]").Text()), " ", clean(cells.Find("[data-label=Failed]").Text()), " ", clean(cells.Find("[data-label=Passed]").Text()))
		}
		first := numbers(b.get("/"), "table.choose tbody tr:has(input[value='"+id+"'])")
		if trend := numbers(b.get("/scans/trend?subscription="+id), "tbody tr:first-child"); trend != first || !strings.Contains(first, " % ") {
			t.Errorf("the first page says %q of a subscription, the trend %q", first, trend)
		}
	}
	// One row's button asks for that one, and twice is once.
	row := b.get("/").sel("td form").First()
	form := url.Values{"idempotency_key": {row.Find("input").AttrOr("value", "")}, "subscription": {row.Find("button").AttrOr("value", "")}}
	if one, again := b.post("/scans", form), b.post("/scans", form); one.wantScan().url.Path != again.url.Path {
		t.Errorf("a row's button leads to %s %q, then to %s", one.url, one.heading(), again.url)
	}

	other := w.browser()
	other.signIn(ada)
	for _, path := range []string{compare.url.Path, compare.url.Path + "/changes.csv?list=new", first.url.Path + "/compare"} {
		if p := other.get(path); p.status != http.StatusNotFound || strings.Contains(p.body, "Payments – Staging") {
			t.Errorf("somebody else gets %s with %d", path, p.status)
		}
	}
	if p := other.get("/"); strings.Contains(p.text("#news"), "new failure") {
		t.Error("somebody else is told what changed")
	}
	if p := other.get("/scans/trend"); p.sel(".trend-dots circle").Length() != 0 {
		t.Error("somebody else sees the trend")
	}
}
