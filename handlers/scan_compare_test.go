package handlers

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/riverqueue/river"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	subA = "0f5c0e2a-1111-4222-8333-444455556666"
	subB = "1a6d1f3b-7777-4888-9999-aaaabbbbcccc"
)

var (
	ann = &session.Session{Content: session.Content{User: access.User{ID: access.PersonID{Authority: "tenant", Subject: "ann"}}}}
	ben = &session.Session{Content: session.Content{User: access.User{ID: access.PersonID{Authority: "tenant", Subject: "ben"}}}}
)

type idleFollower struct {
	river.WorkerDefaults[scan.FollowArgs]
}

func (idleFollower) Work(context.Context, *river.Job[scan.FollowArgs]) error { return nil }

// kept is a portal's memory of scans and their results, in a database, with a
// clock of the test's.
type kept struct {
	testing.TB
	db      *store.DB
	archive *results.Archive
	keys    *seal.KeyRing
	*comparisons

	mu  sync.Mutex
	now time.Time
}

func newKept(t testing.TB) *kept {
	t.Helper()
	k := &kept{TB: t, now: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}
	var err error
	k.db, err = store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), k.clock, slog.New(slog.DiscardHandler))
	k.ok(err)
	t.Cleanup(func() { k.ok(k.db.Close()) })
	workers := river.NewWorkers()
	river.AddWorker(workers, &idleFollower{})
	_, err = k.db.NewJobs(workers, 1)
	k.ok(err)
	keys, err := seal.NewKeyRing(bytes.Repeat([]byte{1}, seal.KeySize))
	k.ok(err)
	k.keys = keys
	k.archive, err = results.New(results.Config{Records: k.db, Keys: keys, Now: k.clock})
	k.ok(err)
	service, err := scan.New(scan.Config{Records: k.db, AzTS: struct{ scan.AzTS }{}, Tokens: struct{ scan.Tokens }{}, Log: slog.New(slog.DiscardHandler), Now: k.clock})
	k.ok(err)
	f := &frame{now: k.clock, log: slog.New(slog.DiscardHandler), rules: access.Rules{}, resultsDays: 30}
	plain, _ := newFrame(t.(*testing.T))
	f.sessions = plain.sessions
	mine := &subscriptions{frame: f, lists: map[session.ID]estate{{}: {asOf: k.now.AddDate(9, 0, 0), rows: []templates.Subscription{{ID: subA, Name: "Payments"}}}}}
	k.comparisons = newComparisons(f, Parts{Scans: service, Results: k.archive}, mine)
	return k
}

func (k *kept) ok(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

func (k *kept) clock() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

// later moves the clock.
func (k *kept) later(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = k.now.Add(d)
}

// scan stores a scan of a person that has ended.
func (k *kept) scan(live *session.Session, completed bool) string {
	k.Helper()
	s := scan.Scan{ID: scan.ID(strings.ToLower(rand.Text())), Owner: live.User.ID, Key: rand.Text(), State: scan.Completed, RequestedAt: k.clock(), ChangedAt: k.clock(),
		EndedAt: k.clock(), Parts: []scan.Part{{SubscriptionID: subA, State: scan.PartCompleted}}, Version: 1}
	if !completed {
		s.State, s.Parts[0].State = scan.Refused, scan.PartNoRole
	}
	_, _, err := k.db.CreateScan(k.Context(), s, scan.FollowArgs{Scan: s.ID})
	k.ok(err)
	return string(s.ID)
}

// keep stores a scan of a person with these results.
func (k *kept) keep(live *session.Session, rows ...azts.Result) string {
	k.Helper()
	id := k.scan(live, true)
	var subs []string
	bySub := map[string][]azts.Result{}
	for _, r := range rows {
		if bySub[r.SubscriptionID] == nil {
			subs = append(subs, r.SubscriptionID)
		}
		bySub[r.SubscriptionID] = append(bySub[r.SubscriptionID], r)
	}
	w, err := k.archive.Begin(k.Context(), live.User.ID, id, subs)
	k.ok(err)
	for _, sub := range subs {
		k.ok(w.Add(k.Context(), sub, &azts.ResultPage{Results: bySub[sub], TotalRecords: azts.Count{Known: true, N: len(bySub[sub])}}))
	}
	_, err = w.Finish(k.Context())
	k.ok(err)
	return id
}

func judged(sub, control, resource, status, severity string) azts.Result {
	return azts.Result{SubscriptionID: sub, ControlName: control, ControlDisplayName: "Name of " + control, ResourceName: resource,
		ResourceID: "/subscriptions/" + sub + "/" + resource, ResourceGroupName: "rg", Status: status, Severity: severity}
}

// visit asks a handler for a page, as the router would.
func (k *kept) visit(h personal, live *session.Session, address string, names ...string) (*goquery.Document, *httptest.ResponseRecorder, error) {
	k.Helper()
	r := httptest.NewRequest(http.MethodGet, address, nil)
	parts := strings.Split(r.URL.Path, "/")
	for i, name := range names {
		r.SetPathValue(name, parts[2+2*i])
	}
	w := httptest.NewRecorder()
	if err := h(w, r, live); err != nil {
		return nil, w, err
	}
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(w.Body.Bytes()))
	k.ok(err)
	return doc, w, nil
}

func (k *kept) compares(live *session.Session, address string) *goquery.Document {
	k.Helper()
	doc, _, err := k.visit(k.show, live, address, "id", "other")
	k.ok(err)
	return doc
}

func text(doc *goquery.Document, css string) string {
	return strings.Join(strings.Fields(doc.Find(css).Text()), " ")
}

func holds(t testing.TB, doc *goquery.Document, css string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if got := text(doc, css); !strings.Contains(got, want) {
			t.Errorf("%s reads %q, want it to hold %q", css, got, want)
		}
	}
}

func TestCompareTellsEachKindOfChange(t *testing.T) {
	k := newKept(t)
	old := k.keep(ann, judged(subA, "c-new", "r1", "Passed", "Low"), judged(subA, "c-fixed", "r1", "Failed", "High"), judged(subA, "c-open", "r1", "Failed", "High"),
		judged(subA, "c-gone", "r-gone", "Failed", "High"), judged(subA, "c-undecided", "r1", "Failed", "High"), judged(subA, "c-unreported", "r1", "Failed", "High"), judged(subB, "c", "r", "Failed", "High"))
	k.later(time.Hour)
	new := k.keep(ann, judged(subA, "c-new", "r1", "Failed", "Low"), judged(subA, "c-fixed", "r1", "Passed", "High"), judged(subA, "c-open", "r1", "Failed", "High"),
		judged(subA, "c-undecided", "r1", "Exempted", "High"), judged(subA, "c-severe", "r2", "Failed", "Critical"))
	doc := k.compares(ann, templates.ScanCompareURL(new, old))
	holds(t, doc, ".sums", "+2 new failures", "✓1 fixed", "=1 still open", "−1 gone resource", "?1 without a verdict", "?1 not reported again")
	for kind, want := range map[string]string{"new": "Name of c-new", "fixed": "Name of c-fixed", "open": "Name of c-open", "gone": "r-gone", "undecided": "Name of c-undecided", "unreported": "Name of c-unreported"} {
		holds(t, doc, "section[aria-labelledby=changes-"+kind+"] tbody", want)
	}
	// The most severe first, and each leads to the scan that has it.
	first := doc.Find("section[aria-labelledby=changes-new] tbody tr").First()
	if !strings.Contains(first.Text(), "c-severe") || !strings.Contains(first.Text(), "not there") {
		t.Errorf("the first new failure is %q", first.Text())
	}
	for kind, id := range map[string]string{"new": new, "fixed": new, "unreported": old} {
		if href := doc.Find("section[aria-labelledby=changes-"+kind+"] tbody a").First().AttrOr("href", ""); !strings.HasPrefix(href, templates.ScanURL(id)+"/results/") {
			t.Errorf("%s leads to %s", kind, href)
		}
	}
	holds(t, doc, ".panel", "Only the older scan has these subscriptions", subB)
	holds(t, doc, ".strip", "Payments", "25.0 %", "3 failed, 1 passed, 1 other")
}

func TestCompareIsInOrderOfTimeHoweverAsked(t *testing.T) {
	k := newKept(t)
	old := k.keep(ann, judged(subA, "c", "r", "Passed", "Low"))
	k.later(time.Hour)
	new := k.keep(ann, judged(subA, "c", "r", "Failed", "Low"))
	for _, address := range []string{templates.ScanCompareURL(new, old), templates.ScanCompareURL(old, new)} {
		doc := k.compares(ann, address)
		holds(t, doc, ".sums", "+1 new failure", "✓0 fixed")
		if said := strings.Contains(text(doc, "main"), "the other way round"); said != strings.HasPrefix(address, templates.ScanURL(old)) {
			t.Errorf("%s: that the order was changed is said: %v", address, said)
		}
	}
	holds(t, k.compares(ann, templates.ScanCompareURL(new, new)), "main", "one and the same scan")
}

// TestAttackComparingWithSomebodyElses: a scan of another person is not found, on
// either side and in every form, and so is one that never was.
func TestAttackComparingWithSomebodyElses(t *testing.T) {
	k := newKept(t)
	mine := k.keep(ann, judged(subA, "c", "r", "Passed", "Low"))
	k.later(8 * 24 * time.Hour)
	theirs := k.keep(ben, judged(subA, "c", "r", "Failed", "Low"))
	var wants []string
	for _, ids := range [][2]string{{mine, theirs}, {theirs, mine}, {mine, "nosuchscan"}, {theirs, theirs}, {theirs, templates.LastWeek}, {theirs, "nosuchscan"}} {
		for name, h := range map[string]personal{"page": k.show, "file": k.export} {
			_, w, err := k.visit(h, ann, templates.ScanCompareURL(ids[0], ids[1])+"?list=new", "id", "other")
			if !apperr.IsKind(err, apperr.NotFound) || w.Body.Len() > 0 {
				t.Errorf("the %s of %v: %v, %d bytes", name, ids, err, w.Body.Len())
				continue
			}
			wants = append(wants, apperr.From(err).Message)
		}
	}
	for _, message := range wants {
		if message != wants[0] {
			t.Errorf("%q tells something else than %q", message, wants[0])
		}
	}
	if _, _, err := k.visit(k.choose, ann, templates.CompareChoiceURL(theirs), "id"); !apperr.IsKind(err, apperr.NotFound) {
		t.Errorf("the choice: %v", err)
	}
	doc, _, err := k.visit(k.choose, ann, templates.CompareChoiceURL(mine), "id")
	k.ok(err)
	if strings.Contains(text(doc, "main"), theirs) || doc.Find("option").Length() > 0 {
		t.Error("somebody else's scan is offered")
	}
	// The last week of mine is not theirs either.
	holds(t, k.compares(ann, templates.ScanCompareURL(mine, templates.LastWeek)), "main", "nothing to compare with yet")
}

func TestSinceLastWeek(t *testing.T) {
	k := newKept(t)
	rows := []azts.Result{judged(subA, "c", "r", "Passed", "Low")}
	day := 24 * time.Hour
	first := k.keep(ann, rows...)
	holds(t, k.compares(ann, templates.ScanCompareURL(first, templates.LastWeek)), "main", "nothing to compare with yet", "repeated every day or every week")
	k.later(2 * day)
	second := k.keep(ann, rows...)
	doc := k.compares(ann, templates.ScanCompareURL(second, templates.LastWeek))
	holds(t, doc, "main", "The oldest one with most of them is of 1 Nov 2026, 09:00 UTC", "0 new failures")
	k.later(time.Hour)
	k.keep(ann, judged(subB, "c", "r", "Passed", "Low")) // has nothing in common with the others
	k.later(5*day - 2*time.Hour)                         // not quite a week after the first: it took longer
	third := k.keep(ann, rows...)
	doc = k.compares(ann, templates.ScanCompareURL(third, templates.LastWeek))
	if strings.Contains(text(doc, "main"), "oldest one with most") || !strings.Contains(text(doc, ".strip"), "1 Nov 2026, 09:00") {
		t.Errorf("a week before: %s", text(doc, ".strip"))
	}
	if got, ok := k.previousOf(t.Context(), k.archive, ann.User.ID, third); !ok || got != second {
		t.Errorf("the scan before is %q, %v", got, ok)
	}
	if got, ok := k.previousOf(t.Context(), k.archive, ann.User.ID, first); ok {
		t.Errorf("before the first there is %q", got)
	}
	if _, ok := k.previousOf(t.Context(), k.archive, ben.User.ID, third); ok {
		t.Error("somebody else's scan has one before it")
	}
}

func TestComparingWhatIsNotKept(t *testing.T) {
	k := newKept(t)
	old := k.keep(ann, judged(subA, "c", "r", "Passed", "Low"))
	k.later(time.Hour)
	new := k.keep(ann, judged(subA, "c", "r", "Passed", "Low"))
	refused := k.scan(ann, false)
	k.ok(k.archive.Delete(t.Context(), ann.User.ID, old))
	for id, want := range map[string]string{old: "not kept any more", refused: "brought no results"} {
		doc := k.compares(ann, templates.ScanCompareURL(new, id))
		holds(t, doc, "main .panel", want)
		if doc.Find(".sums").Length() > 0 {
			t.Error("there are numbers of what is not there")
		}
	}
	if _, w, err := k.visit(k.export, ann, templates.ScanCompareURL(new, old)+"?list=new", "id", "other"); !apperr.IsKind(err, apperr.NotFound) || w.Body.Len() > 0 {
		t.Errorf("the file of what is not there: %v, %d bytes", err, w.Body.Len())
	}
}

// TestThousandsOfChanges: a list of 10,000 comes in pages, and as one file.
func TestThousandsOfChanges(t *testing.T) {
	k := newKept(t)
	const n = 10_000
	before, after := make([]azts.Result, n), make([]azts.Result, n)
	for i := range after {
		after[i] = judged(subA, "=cmd()", "r"+strconv.Itoa(i), "Failed", "High")
		before[i] = judged(subA, "=cmd()", "r"+strconv.Itoa(i), "Passed", "High")
	}
	old := k.keep(ann, before...)
	k.later(time.Hour)
	new := k.keep(ann, after...)
	all := k.compares(ann, templates.ScanCompareURL(new, old))
	if rows := all.Find("tbody tr").Length(); rows != firstChanges {
		t.Errorf("%d rows on the page of all kinds", rows)
	}
	holds(t, all, ".card-foot", "Show all new failures (10,000)")
	seen := map[string]bool{}
	address := templates.CompareListURL(new, old, nil, templates.ChangeNew, 1)
	pages := 0
	for ; address != "" && pages <= n/pageSize; pages++ {
		doc := k.compares(ann, address)
		doc.Find("tbody tr a.name").Each(func(_ int, a *goquery.Selection) { seen[a.AttrOr("href", "")] = true })
		address = doc.Find(".pager a[rel=next]").AttrOr("href", "")
	}
	if len(seen) != n || pages != n/pageSize {
		t.Errorf("%d different rows on %d pages", len(seen), pages)
	}
	_, w, err := k.visit(k.export, ann, templates.ScanCompareURL(new, old)+"?list=new", "id", "other")
	k.ok(err)
	file, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(w.Body.String(), "\ufeff"))).ReadAll()
	k.ok(err)
	if len(file) != n+1 {
		t.Errorf("the file has %d lines", len(file))
	}
	for i, cell := range file[1] {
		if strings.HasPrefix(cell, "=") {
			t.Errorf("column %s begins a formula: %q", file[0][i], cell)
		}
	}
	if name := w.Header().Get("Content-Disposition"); name != `attachment; filename="azts-changes-new-Payments-20261101-0900-to-20261101-1000.csv"` {
		t.Errorf("the file is %s", name)
	}
	if _, _, err := k.visit(k.export, ann, templates.ScanCompareURL(new, old)+"?list=gone", "id", "other"); !apperr.IsKind(err, apperr.NotFound) {
		t.Errorf("a file of resources: %v", err)
	}
}

func TestTrendPage(t *testing.T) {
	k := newKept(t)
	show := func(query string) *goquery.Document {
		t.Helper()
		doc, _, err := k.visit(k.trend, ann, "/scans/trend"+query)
		k.ok(err)
		return doc
	}
	holds(t, show(""), ".empty", "Nothing to show yet", "Two make a line", "Start a scan")
	short := k.short(ann, 1, 9)
	holds(t, show(""), ".empty", "Not all results of your scans were read")
	k.ok(k.archive.Delete(t.Context(), ann.User.ID, short))
	first := k.keep(ann, judged(subA, "c", "r", "Failed", "Low"), judged(subA, "d", "r", "Passed", "Low"))
	holds(t, show(""), ".trend", "50.0 % after the only scan", "A line needs a second scan.")
	k.later(time.Hour)
	other := k.keep(ann, judged(subB, "c", "r", "Failed", "Low"))
	k.later(time.Hour)
	second := k.keep(ann, judged(subA, "c", "r", "Passed", "Low"), judged(subA, "d", "r", "Passed", "Low"))
	k.keep(ben, judged(subA, "c", "r", "Failed", "Low"))
	doc := show("")
	if n := doc.Find(".trend-dots circle").Length(); n != 3 {
		t.Errorf("%d points", n)
	}
	holds(t, doc, "#trend-title", "The 2 subscriptions you scanned")
	rows := doc.Find("tbody tr")
	if got := strings.Join(strings.Fields(rows.First().Text()), " "); !strings.Contains(got, "66.7 %+33.4120") {
		t.Errorf("the newest line is %q", got)
	}
	for i, want := range []string{templates.ScanCompareURL(second, first), "", ""} { // the one between has nothing in common
		if href := rows.Eq(i).Find(`a[href*="/compare/"]`).AttrOr("href", ""); href != want {
			t.Errorf("line %d compares with %q, want %q", i, href, want)
		}
	}
	doc = show("?subscription=" + strings.ToUpper(subB))
	holds(t, doc, "#trend-title", subB)
	if got := doc.Find("tbody tr a").First().AttrOr("href", ""); got != templates.ScanURL(other) {
		t.Errorf("the only point leads to %s", got)
	}
	holds(t, show("?subscription=<b>nothing"), "main", "No scan of this subscription was read to its end")
}

func TestTrendOfHundreds(t *testing.T) {
	k := newKept(t)
	for range results.MaxSets + 1 {
		k.keep(ann, judged(subA, "c", "r", "Failed", "Low"))
		k.later(time.Hour)
	}
	began := time.Now()
	doc, w, err := k.visit(k.trend, ann, "/scans/trend?page=5")
	k.ok(err)
	t.Logf("500 points: %v, %d kB", time.Since(began), w.Body.Len()>>10)
	if dots, rows := doc.Find(".trend-dots circle").Length(), doc.Find("tbody tr").Length(); dots != results.MaxSets || rows != pageSize {
		t.Errorf("%d dots, %d rows", dots, rows)
	}
	holds(t, doc, ".pager", fmt.Sprintf("401 to 500 of %d scans", results.MaxSets))
}

// short keeps the first n results of a subscription of which AzTS has more: its
// pages broke off.
func (k *kept) short(live *session.Session, n, total int) string {
	k.Helper()
	id := k.scan(live, true)
	w, err := k.archive.Begin(k.Context(), live.User.ID, id, []string{subA})
	k.ok(err)
	var rows []azts.Result
	for i := range n {
		rows = append(rows, judged(subA, fmt.Sprint("c", i), "r", "Failed", "High"))
	}
	k.ok(w.Add(k.Context(), subA, &azts.ResultPage{Results: rows, TotalRecords: azts.Count{Known: true, N: total}}))
	_, err = w.Finish(k.Context())
	k.ok(err)
	return id
}

// TestOlderScanThatIsNotWhole: what it lacks is not called new.
func TestOlderScanThatIsNotWhole(t *testing.T) {
	k := newKept(t)
	old := k.short(ann, 10, 90)
	k.later(5 * time.Hour)
	now := k.short(ann, 90, 90)
	doc := k.compares(ann, templates.ScanCompareURL(now, old))
	holds(t, doc, ".sums", "+0 new failures", "=10 still open", "?80 not comparable")
	holds(t, doc, "section[aria-labelledby=changes-not-comparable]", "Nobody can tell whether it is new")
}

// TestCompareOfSomeSubscriptions: numbers, lists, files and the ways between them
// are of the subscriptions that the address names.
func TestCompareOfSomeSubscriptions(t *testing.T) {
	k := newKept(t)
	rows := func(status string) []azts.Result {
		return []azts.Result{judged(subA, "a", "r", status, "High"), judged(subB, "a", "r2", status, "High"), judged(subB, "b", "r2", "Passed", "Low")}
	}
	old := k.keep(ann, rows("Failed")...)
	k.later(time.Hour)
	now := k.keep(ann, rows("Passed")...)
	holds(t, k.compares(ann, templates.ScanCompareURL(now, old)), ".sums", "✓2 fixed")
	doc := k.compares(ann, templates.ComparePartURL(now, old, []string{strings.ToUpper(subA), "nobody's"}))
	holds(t, doc, ".sums", "✓1 fixed")
	holds(t, doc, ".strip", "1 failed, 0 passed", "0 failed, 1 passed")
	holds(t, doc, "main", "Only Payments compared here")
	list := doc.Find(".sums a").AttrOr("href", "")
	holds(t, k.compares(ann, list), "section[aria-labelledby=changes-fixed] h2", "1")
	_, w, err := k.visit(k.export, ann, doc.Find("a[href*='changes.csv']").AttrOr("href", ""), "id", "other")
	k.ok(err)
	if n := strings.Count(w.Body.String(), "Name of a"); n != 1 {
		t.Errorf("the file has %d results", n)
	}
	holds(t, k.compares(ann, templates.ComparePartURL(now, old, []string{"nobody's"})), "main .panel", "Neither scan has a subscription that the address names")
}

// TestScanBeforeHasAll: a small scan in between is not what a large one is compared
// with, and what an older one lacks is said above the numbers.
func TestScanBeforeHasAll(t *testing.T) {
	k := newKept(t)
	a, b := judged(subA, "a", "r", "Passed", "High"), judged(subB, "a", "r2", "Passed", "High")
	whole := k.keep(ann, a, b)
	k.later(time.Hour)
	part := k.keep(ann, a)
	k.later(8 * 24 * time.Hour)
	now := k.keep(ann, a, b)
	if got, _ := k.previousOf(t.Context(), k.archive, ann.User.ID, now); got != whole {
		t.Errorf("the scan before is %q, want %q", got, whole)
	}
	holds(t, k.compares(ann, templates.ScanCompareURL(now, templates.LastWeek)), ".strip", "1 Nov 2026, 09:00")
	k.later(time.Hour)
	more := k.keep(ann, a, b, judged("2b6d1f3b-7777-4888-9999-aaaabbbbcccc", "a", "r3", "Failed", "High"))
	if got, _ := k.previousOf(t.Context(), k.archive, ann.User.ID, more); got != now {
		t.Errorf("the scan before one with more is %q, want %q", got, now)
	}
	doc := k.compares(ann, templates.ScanCompareURL(more, now))
	if html, _ := doc.Find("main").Html(); strings.Index(html, "Only the newer scan has these") > strings.Index(html, `class="sums"`) || !strings.Contains(html, "Only the newer scan has these") {
		t.Error("what is left out is not said above the numbers")
	}
	doc, _, err := k.visit(k.trend, ann, "/scans/trend?subscription="+subA)
	k.ok(err)
	if href := doc.Find(`tbody a[href*="/compare/"]`).Eq(1).AttrOr("href", ""); href != templates.ComparePartURL(now, part, []string{subA}) {
		t.Errorf("the trend of one subscription compares with %s", href)
	}
}
