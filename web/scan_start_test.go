package main

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/sandbox"
)

const startButton = `form.scan-form button[name=idempotency_key]`

// offeredIDs returns the ids of subscriptions by name, as a page offers them.
func offeredIDs(choice *page) map[string]string {
	ids := map[string]string{}
	choice.sel("table.choose tbody tr").Each(func(_ int, row *goquery.Selection) {
		ids[clean(row.Find(".name").Text())] = row.Find("input[name=subscription]").AttrOr("value", "")
	})
	return ids
}

// settled waits until a scan has ended and returns its line of the history.
func (b *browser) settled(scan *page) string {
	b.t.Helper()
	events := b.events()
	for {
		history := b.get("/scans").want(http.StatusOK, "Scans")
		row := history.sel(`#recent-scans tbody tr:has(a[href="` + scan.url.Path + `"])`)
		if row.Length() != 1 {
			b.t.Fatalf("the history has %d lines of %s", row.Length(), scan.url)
		}
		if text := clean(row.Text()); !strings.Contains(text, "under way") {
			return text
		}
		b.await(events, "scan", 30*time.Second)
	}
}

// TestScansAreStartedOnceAndListed is the whole program: what is chosen is asked
// for once however often the form is sent, each subscription's outcome is kept,
// and nobody has a hand in another person's scans.
func TestScansAreStartedOnceAndListed(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: 200 * time.Millisecond, ResultsPerSubscription: 5}})
	admin, b := w.browser(), w.browser()
	admin.signIn(ada)
	b.signIn(dana)
	choice := b.get("/scans/new").want(http.StatusOK, "New scan")
	ids := offeredIDs(choice)
	prod, staging, hub := ids["Contoso Prod"], ids["Payments – Staging"], ids["Shared Network Hub"]

	// Somebody else uses up the quota of one of them, each time with others: the same
	// choice is one request as long as it is under way.
	others := []string{prod, staging, ids["AI Lab"], ids["HR & Payroll"]}
	for n := range 10 {
		chosen := url.Values{"subscription": {hub}}
		for i, id := range others {
			if n>>i&1 == 1 {
				chosen.Add("subscription", id)
			}
		}
		form := admin.get("/scans/new").want(http.StatusOK, "New scan")
		admin.submit(form, startButton, chosen).wantScan()
	}
	if used := admin.get("/scans/new").sel(`table.choose tr:has(input[value="` + hub + `"])`); used.Find("input[disabled]").Length() != 1 || !strings.Contains(clean(used.Text()), "10 of 10, used up until") {
		t.Errorf("after ten requests: %s", clean(used.Text()))
	}
	theirs := admin.get("/scans").sel("#recent-scans tbody a.name").First().AttrOr("href", "")
	before := w.tenant.count(requestPath)

	// Twice from one tab, and from another that was open before.
	other := b.get("/scans/new")
	three := url.Values{"subscription": {prod, staging, hub}}
	scan := b.submit(choice, startButton, three).want(http.StatusOK, "Scan of 3 subscriptions")
	for _, tab := range []*page{choice, other} {
		if again := b.submit(tab, startButton, three); again.url.Path != scan.url.Path {
			t.Errorf("the same form led to %s, then to %s", scan.url, again.url)
		}
	}
	if n := w.tenant.count(requestPath) - before; n != 1 {
		t.Errorf("AzTS was asked %d times", n)
	}
	line := b.settled(scan)
	for _, want := range []string{"3 subscriptions: Contoso Prod, Payments – Staging and Shared Network Hub", "Completed in part", "2 completed", "1 refused: requests used up", "Me", "Scan the rest"} {
		if !strings.Contains(line, want) {
			t.Errorf("the history has no %q: %s", want, line)
		}
	}
	// AzTS's refusal and its hour are known from now on.
	if used := b.get("/scans/new").sel(`table.choose tr:has(input[value="` + hub + `"])`); used.Find("input[disabled]").Length() != 1 || used.Find(`time[datetime$="T00:00:00Z"]`).Length() != 1 {
		t.Errorf("after the refusal: %s", clean(used.Text()))
	}
	// The same page with another choice is another scan.
	if next := b.submit(choice, startButton, url.Values{"subscription": {prod}}).wantScan(); next.url.Path == scan.url.Path {
		t.Error("another choice led to the scan of the first")
	}

	// Again, once; what is left alone; and not what is somebody else's.
	before = w.tenant.count(requestPath)
	key := url.Values{"idempotency_key": {b.get("/scans").sel("#recent-scans input[name=idempotency_key]").First().AttrOr("value", "")}}
	rest := b.post(scan.url.Path+"/again", url.Values{"idempotency_key": key["idempotency_key"], "of": {"open"}}).wantScan()
	rest.has("#scan table", "Shared Network Hub")
	again := b.post(scan.url.Path+"/again", key).want(http.StatusOK, "Scan of 3 subscriptions")
	if twice := b.post(scan.url.Path+"/again", key); twice.url.Path != again.url.Path || again.url.Path == scan.url.Path {
		t.Errorf("pressed twice led to %s and %s", again.url, twice.url)
	}
	if n := w.tenant.count(requestPath) - before; n != 2 {
		t.Errorf("AzTS was asked %d times", n)
	}
	scans := w.rows("scans")
	b.post(theirs+"/again", key).want(http.StatusNotFound, "There is nothing here")
	if n := w.rows("scans"); n != scans {
		t.Error("a foreign scan was repeated")
	}
	b.settled(again)
	b.get("/scans?state=refused").has("#recent-scans", "1 scan, newest first")
	b.get("/scans?subscription="+hub).has("#recent-scans", "3 scans, newest first")
	b.get("/scans?state=failed").has("#recent-scans", "No scan matches")
	b.get("/scans?subscription=Payments").has("#recent-scans", "Which one?")

	t.Run("admin", func(t *testing.T) { seeNumbersOfScans(t, w, admin.in(t), b.in(t)) })
	t.Run("pasted", func(t *testing.T) { pasteIDs(t, b.in(t), prod, hub) })
}

// TestAStartIsOneRequest: wherever a scan is started, two tabs, a page that is
// brought up to date or opened anew while AzTS is still being asked, and the same
// form sent again later make one request. The next one is another.
func TestAStartIsOneRequest(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: 200 * time.Millisecond, ResultsPerSubscription: 5}})
	b, other := w.browser(), w.browser()
	b.signIn(dana)
	other.signIn(dana)
	scan := startScan(b, "Contoso Prod", "Payments – Staging")
	b.settled(scan)
	again := `form[action="` + scan.url.Path + `/again"] button:not([name])`
	prod := url.Values{"subscription": {offeredIDs(b.get("/scans/new"))["Contoso Prod"]}}
	for _, c := range []struct {
		page, button string
		filled       url.Values
	}{
		{scan.url.Path, "#scan " + again, nil}, {"/scans", "#recent-scans " + again, nil}, {"/", "#scan-chosen button", prod},
	} {
		t.Run("from "+c.page, func(t *testing.T) {
			b, other := b.in(t), other.in(t)
			tab, second := b.get(c.page), other.get(c.page)
			before := w.tenant.count(requestPath)
			held, release, begun := make(chan struct{}), make(chan struct{}), make(chan *page, 1)
			asked := sync.OnceFunc(func() { close(held) })
			w.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == requestPath {
					asked()
					<-release
				}
				return false
			})
			go func() { begun <- b.submit(tab, c.button, c.filled) }()
			<-held
			ways := []*page{other.submit(second, c.button, c.filled), other.submit(other.get(c.page), c.button, c.filled)}
			w.tenant.answerWith(nil)
			close(release)
			first := (<-begun).wantScan()
			b.settled(first)
			for i, p := range append(ways, other.submit(second, c.button, c.filled)) {
				if p.url.Path != first.url.Path {
					t.Errorf("way %d led to %s, not to %s", i, p.url, first.url)
				}
			}
			if n := w.tenant.count(requestPath) - before; n != 1 {
				t.Errorf("AzTS was asked %d times", n)
			}
			if next := other.submit(other.get(c.page), c.button, c.filled).wantScan(); next.url.Path == first.url.Path {
				t.Error("the same cannot be scanned once more")
			} else {
				b.settled(next)
			}
		})
	}
}

// seeNumbersOfScans: the admin sees how many, not whose and of what.
func seeNumbersOfScans(t *testing.T, w *world, admin, b *browser) {
	numbers := admin.get("/admin/scans").want(http.StatusOK, "Scans in numbers")
	// Ten of hers, and of his the first, the other choice, the rest and once more.
	numbers.has("tbody tr:first-child", "14")
	numbers.has(".strip", "People who scanned, 14 days2")
	for _, secret := range []string{"Dana", "dana@", "Shared Network Hub", "Contoso Prod"} {
		if strings.Contains(numbers.text("main"), secret) {
			t.Errorf("the numbers name %q", secret)
		}
	}
	if p := b.get("/admin/scans"); p.status != http.StatusForbidden {
		t.Errorf("somebody who is no admin gets %d", p.status)
	}
}

// pasteIDs pastes a list: it is checked before anything starts.
func pasteIDs(t *testing.T, b *browser, good, usedUp string) {
	const unlisted = "11111111-2222-4333-8444-555555555555"
	list := "/subscriptions/" + good + "/resourceGroups/x\nwrong-one, \"" + good + "\"\n" + unlisted + "\n" + usedUp
	begun := b.get("/scans").sel("#recent-scans tbody tr").Length()
	choice := b.get("/scans/new")
	checked := b.submit(choice, startButton, url.Values{"list": {list}}).want(http.StatusOK, "New scan")
	if got := checked.one("#list").Text(); got != list {
		t.Errorf("what was pasted is now %q", got)
	}
	if n := b.get("/scans").sel("#recent-scans tbody tr").Length(); n != begun {
		t.Error("a scan was started before the list was checked")
	}
	checked.has(".checked", "1 subscription of your list is chosen, 4 entries not")
	marks := checked.text(".more-body table")
	for _, want := range []string{"Line 2, entry 2wrong-one", "The same as entry 1", "Line 3, entry 4" + unlisted + "It is not among your subscriptions", "used up until"} {
		if !strings.Contains(marks, want) {
			t.Errorf("the marks have no %q: %s", want, marks)
		}
	}
	b.submit(checked, startButton, url.Values{"list": {list}}).wantScan()

	// Without a choice; with more than a scan takes; with more than a form takes.
	b.submit(choice, startButton, nil).want(http.StatusUnprocessableEntity, "New scan").has("main", "No subscription is chosen.")
	long := strings.Repeat(unlisted+"\n", 20_000)
	if p := b.post("/scans/new", url.Values{"list": {long}}).want(http.StatusOK, "New scan"); !strings.Contains(p.text("#list-error"), "more than 1000 entries") || len(p.one("#list").Text()) < len(long)-2 {
		t.Errorf("20,000 ids: %q, %d characters are left", p.text("#list-error"), len(p.one("#list").Text()))
	}
	for name, size := range map[string]int{"100,000 ids": 100_000, "10 MB": 10 << 20 / 37} {
		if p := b.post("/scans", url.Values{"list": {strings.Repeat(unlisted+" ", size)}, "idempotency_key": {"k"}}); p.status != http.StatusRequestEntityTooLarge || !strings.Contains(p.body, "One scan takes up to 1000 subscriptions") {
			t.Errorf("%s: %d", name, p.status)
		}
	}
}
