package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// home is the first page over what is kept.
func (k *kept) home() *home {
	return &home{frame: k.frame, subscriptions: k.subscriptions, scans: k.service, visits: k.db,
		news: newNewsroom(Parts{Results: k.archive, Log: slog.New(slog.DiscardHandler), Now: k.clock, Closing: make(chan struct{})})}
}

// overviewOf opens the first page as a person, once its news are worked out.
func (k *kept) overviewOf(h *home, live *session.Session, pull bool) *goquery.Document {
	k.Helper()
	for {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if pull {
			r.Header.Set(pullHeader, "1")
		}
		w := httptest.NewRecorder()
		k.ok(h.overview(w, r, live))
		doc, err := goquery.NewDocumentFromReader(w.Body)
		k.ok(err)
		if !strings.Contains(doc.Find("#news").Text(), "still being worked out") {
			return doc
		}
		h.news.mu.Lock()
		e := h.news.known[live.User.ID]
		h.news.mu.Unlock()
		<-e.done
	}
}

func TestOverviewSinceTheLastVisit(t *testing.T) {
	k := newKept(t)
	h := k.home()
	if doc := k.overviewOf(h, ann, false); strings.Contains(text(doc, "#news"), "hanged") {
		t.Errorf("before the first scan: %s", text(doc, "#news"))
	}
	old := k.keep(ann, judged(subA, "a", "r", "Failed", "High"), judged(subA, "b", "r", "Passed", "High"), judged(subB, "a", "r", "Failed", "High"))
	holds(t, k.overviewOf(h, ann, false), "#news", "When you come back to this page")
	k.later(time.Hour)
	k.overviewOf(h, ann, false)
	k.later(5 * time.Hour)
	holds(t, k.overviewOf(h, ann, false), "#news", "Since you last looked at this page, 1 Nov 2026, 10:00 UTC", "Nothing has changed")
	// Each subscription has its newest results in another scan.
	both := k.keep(ann, judged(subA, "a", "r", "Failed", "High"), judged(subA, "b", "r", "Failed", "High"), judged(subB, "a", "r", "Passed", "High"))
	k.later(time.Minute)
	one := k.keep(ann, judged(subA, "a", "r", "Passed", "High"), judged(subA, "b", "r", "Failed", "High"))
	k.keep(ben, judged(subA, "c", "r", "Failed", "High"))
	doc := k.overviewOf(h, ann, false)
	holds(t, doc, "#news .sums", "+1 new failure", "✓2 fixed", "=0 still open")
	holds(t, doc, "#news tbody tr:first-child", "Payments", "+1 new failure", "✓1 fixed")
	if a, b := doc.Find("#news tbody a").First().AttrOr("href", ""), doc.Find("#news tbody a").Last().AttrOr("href", ""); a != templates.ScanCompareURL(one, old) || b != templates.ComparePartURL(both, old, []string{subB}) {
		t.Errorf("the changes lead to %s and %s", a, b)
	}
	k.ok(k.archive.Delete(t.Context(), ann.User.ID, one))
	k.later(newsAge)
	holds(t, k.overviewOf(h, ann, false), "#news .sums", "+1 new failure", "✓1 fixed")
}

// TestTilesCountWhatHasNumbers: where AzTS gives something else in place of a number,
// the tiles say that they leave it out.
func TestTilesCountWhatHasNumbers(t *testing.T) {
	k := newKept(t)
	known := templates.Compliance{Known: true, Percent: 50}
	k.subscriptions.lists[ann.ID] = estate{asOf: k.clock().AddDate(9, 0, 0), rows: []templates.Subscription{
		{ID: subA, AccessLevel: "Subscription", Compliance: known, Passed: 30, Failed: 10, Total: 60},
		{ID: subB, AccessLevel: "Subscription", Compliance: known, Passed: -1, Failed: 7, Total: 100},
		{ID: "c", AccessLevel: "Subscription", Compliance: known, Passed: 50, Failed: -1, Total: -1}}}
	holds(t, k.overviewOf(k.home(), ann, false), "main", "Compliance75.0 %", "Failed controls10", "leave out 2 subscriptions that AzTS gives no numbers of")
}

// TestAttackOpenPageCountsAsVisit: a page that is left open asks by itself, and
// must not make all changes old before its person has seen them.
func TestAttackOpenPageCountsAsVisit(t *testing.T) {
	k := newKept(t)
	h := k.home()
	k.overviewOf(h, ann, false)
	was, err := k.db.VisitOf(t.Context(), ann.User.ID)
	k.ok(err)
	for range 10 {
		k.later(time.Hour)
		k.overviewOf(h, ann, true)
	}
	if now, err := k.db.VisitOf(t.Context(), ann.User.ID); err != nil || now != was || was.SeenAt.IsZero() {
		t.Errorf("the visit is %+v after it was %+v; %v", now, was, err)
	}
}

func TestOverviewListsExceptionsThatEnd(t *testing.T) {
	k := newKept(t)
	h := k.home()
	at := k.clock()
	ends := func(name string, in time.Duration) azts.Result {
		r := judged(subA, name, "r-"+name, "Exempted", "High")
		r.ExceptionExpiry = azts.Stamp{Time: at.Add(in), Text: "x"}
		return r
	}
	day := 24 * time.Hour
	k.keep(ann, ends("older", day)) // of a scan that is not the newest: not told
	k.later(time.Minute)
	rows := []azts.Result{ends("later", 15*day), ends("soon", 13*day), ends("past", -day), ends("long-past", -40*day), judged(subA, "never", "r", "Exempted", "Low")}
	for i := range 12 {
		rows = append(rows, ends(fmt.Sprint("n", i), time.Duration(i+1)*time.Hour))
	}
	id := k.keep(ann, rows...)
	doc := k.overviewOf(h, ann, false)
	holds(t, doc, "section[aria-labelledby=exceptions-title]", "13 exceptions end within 14 days, 1 ended in the last 14. The first 10 are listed.")
	lines := doc.Find("section[aria-labelledby=exceptions-title] tbody tr")
	if lines.Length() != soonListed || !strings.Contains(lines.First().Text(), "Name of n0") || !strings.Contains(lines.Last().Text(), "Name of n9") {
		t.Errorf("%d lines: %s", lines.Length(), text(doc, "section[aria-labelledby=exceptions-title] tbody"))
	}
	if href := lines.First().Find("a").AttrOr("href", ""); href != templates.ScanResultURL(id, 5, "") {
		t.Errorf("the first leads to %s", href)
	}
	k.later(time.Minute)
	k.keep(ann, ends("past", -day))
	holds(t, k.overviewOf(h, ann, false), "section[aria-labelledby=exceptions-title]", "0 exceptions end within 14 days, 1 ended in the last 14.", "Ended 1 day ago")
}

// noVisits is a table that cannot be read.
type noVisits struct{}

func (noVisits) VisitOf(context.Context, access.PersonID) (access.Visit, error) {
	return access.Visit{}, errors.New("down")
}

func (noVisits) KeepVisit(context.Context, access.PersonID, access.Visit, access.Visit) error {
	return errors.New("down")
}

func TestOverviewWithoutVisitsIsWhole(t *testing.T) {
	k := newKept(t)
	h := k.home()
	h.visits = noVisits{}
	k.keep(ann, judged(subA, "a", "r", "Failed", "High"))
	holds(t, k.overviewOf(h, ann, false), "main", "When you come back to this page", "Payments")
}

// TestNewsAreWorkedOutOnce: many tabs at once read each set once, and a page does
// not wait for those that take long.
func TestNewsAreWorkedOutOnce(t *testing.T) {
	k := newKept(t)
	h := k.home()
	k.keep(ann, judged(subA, "a", "r", "Failed", "High"))
	scans, err := k.service.List(t.Context(), ann.User.ID, 10)
	k.ok(err)
	for range newsAtOnce { // nobody can begin
		h.news.busy <- struct{}{}
	}
	first := h.news.order(t.Context(), ann.User.ID, scans, time.Time{})
	if second := h.news.order(t.Context(), ann.User.ID, scans, time.Time{}); second != first {
		t.Error("the same news are worked out twice")
	}
	if other := h.news.order(t.Context(), ben.User.ID, nil, time.Time{}); other == first {
		t.Error("two people share their news")
	}
	if shown := h.newsShown(first, time.Time{}, nil); shown.State != templates.NewsLate {
		t.Errorf("a page that waits in vain shows %q", shown.State)
	}
	for range newsAtOnce {
		<-h.news.busy
	}
	<-first.done
	if shown := h.newsShown(first, time.Time{}, nil); shown.State != templates.NewsThere || shown.Kept != 1 {
		t.Errorf("then it shows %+v", shown)
	}
}

func TestFewNewsAreRemembered(t *testing.T) {
	k := newKept(t)
	h := k.home()
	for i := range newsPeople + 20 {
		<-h.news.order(t.Context(), access.PersonID{Authority: "tenant", Subject: fmt.Sprint(i)}, nil, time.Time{}).done
	}
	if n := len(h.news.known); n > newsPeople {
		t.Errorf("news of %d people are remembered", n)
	}
}

// TestManyScansAreNotAllRead: of a person with hundreds of scans of one
// subscription each, some are compared, and the page says of how many it was not.
func TestManyScansAreNotAllRead(t *testing.T) {
	k := newKept(t)
	h := k.home()
	const subs = 40
	sub := func(i int) string { return fmt.Sprintf("%08d-1111-4222-8333-444455556666", i) }
	for i := range subs {
		k.keep(ann, judged(sub(i), "a", "r", "Failed", "High"))
		k.later(time.Second)
	}
	k.overviewOf(h, ann, false)
	k.later(5 * time.Hour)
	for i := range subs {
		k.keep(ann, judged(sub(i), "a", "r", "Passed", "High"))
		k.later(time.Second)
	}
	doc := k.overviewOf(h, ann, false)
	holds(t, doc, "#news", fmt.Sprintf("✓%d fixed", newsPairs), fmt.Sprintf("%d more subscriptions were scanned since", subs-newsPairs), fmt.Sprintf("Not looked at: %d subscriptions", subs-newsSets))
}

// TestNewsOfManyResults measures the first page of somebody with 200 subscriptions
// of 500 results each.
func TestNewsOfManyResults(t *testing.T) {
	k := newKept(t)
	h := k.home()
	rows := make([]azts.Result, 0, 100_000)
	for s := range 200 {
		for i := range 500 {
			status := []string{"Passed", "Failed", "Exempted"}[i%3]
			rows = append(rows, judged(fmt.Sprintf("%08d-1111-4222-8333-444455556666", s), fmt.Sprint("c", i%50), fmt.Sprint("r", i), status, "High"))
		}
	}
	k.keep(ann, rows...)
	k.overviewOf(h, ann, false)
	k.later(5 * time.Hour)
	for i := range rows {
		rows[i].Status = []string{"Passed", "Failed", "Exempted"}[(i+i%7)%3]
	}
	k.keep(ann, rows...)
	k.archive, _ = results.New(results.Config{Records: k.db, Keys: k.keys, Now: k.clock})
	h.news.archive = k.archive
	began := time.Now()
	k.overviewOf(h, ann, false)
	cold := time.Since(began)
	began = time.Now()
	doc := k.overviewOf(h, ann, false)
	warm := time.Since(began)
	t.Logf("cold %v, warm %v", cold, warm)
	holds(t, doc, "#news", "new failures")
	if warm > 200*time.Millisecond { // 50 ms without the race detector and others on the machine
		t.Errorf("a page with news that are known takes %v", warm)
	}
}

// firstPage opens the first page once, whether its news are there or not.
func (k *kept) firstPage(h *home, live *session.Session, header string) *goquery.Document {
	k.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if header != "" {
		r.Header.Set(header, "prefetch;prerender")
	}
	w := httptest.NewRecorder()
	k.ok(h.overview(w, r, live))
	doc, err := goquery.NewDocumentFromReader(w.Body)
	k.ok(err)
	return doc
}

// TestNewsAreToldUntilTheyAreSeen: a page that came without them, or in advance, or
// could not have them, is none on which somebody saw what changed.
func TestNewsAreToldUntilTheyAreSeen(t *testing.T) {
	k := newKept(t)
	h := k.home()
	k.keep(ann, judged(subA, "a", "r", "Passed", "High"))
	k.overviewOf(h, ann, false)
	k.later(24 * time.Hour)
	k.keep(ann, judged(subA, "a", "r", "Failed", "High"))
	for range newsAtOnce {
		h.news.busy <- struct{}{}
	}
	holds(t, k.firstPage(h, ann, ""), "#news", "still being worked out")
	for range newsAtOnce {
		<-h.news.busy
	}
	k.later(5 * time.Hour)
	fetched := k.firstPage(h, ann, "Sec-Purpose")
	for strings.Contains(text(fetched, "#news"), "still being") {
		fetched = k.firstPage(h, ann, "Sec-Purpose")
	}
	holds(t, fetched, "#news", "+1 new failure")
	k.later(5 * time.Hour)
	archive := h.news.archive
	h.news.archive, _ = results.New(results.Config{Records: brokenRecords{k.db}, Keys: k.keys, Now: k.clock})
	holds(t, k.firstPage(h, ann, ""), "#news", "cannot be worked out now")
	h.news.archive = archive
	k.later(5 * time.Hour)
	holds(t, k.overviewOf(h, ann, false), "#news", "Since you last looked at this page, 1 Nov 2026, 09:00 UTC", "+1 new failure")
	k.later(5 * time.Hour)
	holds(t, k.overviewOf(h, ann, false), "#news", "Nothing has changed")
	// What was late is seen when the open page has fetched it.
	k.later(time.Minute)
	k.keep(ann, judged(subA, "a", "r", "Passed", "High"))
	for range newsAtOnce {
		h.news.busy <- struct{}{}
	}
	k.later(5 * time.Hour)
	k.firstPage(h, ann, "")
	for range newsAtOnce {
		<-h.news.busy
	}
	holds(t, k.overviewOf(h, ann, true), "#news", "fixed")
	if visit, err := k.db.VisitOf(t.Context(), ann.User.ID); err != nil || !visit.SeenAt.Equal(k.clock()) {
		t.Errorf("seen at %v, %v; it is %v", visit.SeenAt, err, k.clock())
	}
}

// brokenRecords do not list sets.
type brokenRecords struct{ results.Records }

func (brokenRecords) ResultSets(context.Context, access.PersonID, int) ([]results.SetRecord, error) {
	return nil, errors.New("down")
}

// TestExceptionsInForce: who asked for an exception, or was refused one, has named
// an end too; and thousands that ended long ago hide none.
func TestExceptionsInForce(t *testing.T) {
	k := newKept(t)
	h := k.home()
	var rows []azts.Result
	add := func(name, status, state string, in time.Duration) {
		r := judged(subA, name, "r-"+name, status, "High")
		r.ExceptionWorkflow, r.ExceptionExpiry = state, azts.Stamp{Time: k.clock().Add(in), Text: "x"}
		rows = append(rows, r)
	}
	day := 24 * time.Hour
	for i := range soonRead + 10 {
		add(fmt.Sprint("long-past", i), "Exempted", "Approved", -40*day)
	}
	add("rejected", "Failed", "Rejected", 3*day)
	add("submitted", "Failed", "Submitted", 3*day)
	add("closed", "Passed", "Closed", -day)
	add("exempted", "Exempted", "", 2*day)
	add("ended", "Failed", "approved", -day)
	k.keep(ann, rows...)
	doc := k.overviewOf(h, ann, false)
	const section = "section[aria-labelledby=exceptions-title]"
	holds(t, doc, section, "1 exception ends within 14 days, 1 ended in the last 14.", "Name of exempted", "Name of ended")
	if got := text(doc, section); strings.Contains(got, "Not looked at") || doc.Find(section+" tbody tr").Length() != 2 {
		t.Errorf("the page says %s", got)
	}
}

// TestNewsOfOnePersonStandInLineOnce: whoever has many tabs and running scans leaves
// the places to others, and the wait for a place is none of the time to work.
func TestNewsOfOnePersonStandInLineOnce(t *testing.T) {
	k := newKept(t)
	h := k.home()
	for range newsAtOnce {
		h.news.busy <- struct{}{}
	}
	order := func(live *session.Session, n int) *edition {
		return h.news.order(t.Context(), live.User.ID, nil, k.clock().Add(time.Duration(n)*time.Second))
	}
	first := order(ann, 0)
	for n := range 20 {
		if e := order(ann, n); e != first {
			t.Fatalf("edition %d waits beside the first", n)
		}
	}
	other := order(ben, 0)
	<-h.news.busy // one place
	<-other.done
	if <-first.done; first.err != nil || other.err != nil {
		t.Errorf("%v, %v", first.err, other.err)
	}
	<-h.news.busy
}

// TestNewsLeaveTheCacheAlone: what people have open is not pushed out by the news of
// somebody with many scans.
func TestNewsLeaveTheCacheAlone(t *testing.T) {
	k := newKept(t)
	id := k.keep(ben, judged(subA, "a", "r", "Failed", "High"))
	k.archive, _ = results.New(results.Config{Records: k.db, Keys: k.keys, Now: k.clock, CacheBytes: 1})
	open, err := k.archive.Open(t.Context(), ben.User.ID, id)
	k.ok(err)
	h := k.home()
	k.keep(ann, judged(subA, "a", "r", "Failed", "High"))
	k.overviewOf(h, ann, false)
	if again, err := k.archive.Open(t.Context(), ben.User.ID, id); err != nil || again != open {
		t.Errorf("the open set was pushed out; %v", err)
	}
}

// TestNewsOfAnOlderScanThatIsNotWhole: what it lacks is not told as new.
func TestNewsOfAnOlderScanThatIsNotWhole(t *testing.T) {
	k := newKept(t)
	h := k.home()
	k.short(ann, 10, 90)
	k.overviewOf(h, ann, false)
	k.later(5 * time.Hour)
	k.short(ann, 90, 90)
	holds(t, k.overviewOf(h, ann, false), "#news", "+0 new failures", "?80 not comparable", "Not all results of 1 subscription were read")
}
