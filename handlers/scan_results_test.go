package handlers

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// reader is a portal with results to be read.
type reader struct {
	*kept
	found *findings
	pages *scans
}

func newReader(t testing.TB) *reader {
	k := newKept(t)
	// What is known of the subscriptions does not age.
	k.subscriptions.lists[session.ID{}] = estate{rows: []templates.Subscription{{ID: subA, Name: "Payments"}}, asOf: k.clock().Add(1000 * time.Hour)}
	f := &findings{frame: k.frame, service: k.service, archive: k.archive, subscriptions: k.subscriptions, portalHost: "portal.azure.com"}
	return &reader{kept: k, found: f, pages: &scans{frame: k.frame, service: k.service, subscriptions: k.subscriptions, findings: f}}
}

// read marks the reading of a scan.
func (r *reader) read(id string, state scan.ReadState) string {
	r.Helper()
	one, err := r.db.LoadScan(r.Context(), scan.ID(id))
	r.ok(err)
	one.Reading.State, one.Reading.Since, one.Reading.EndedAt = state, r.clock(), r.clock()
	r.ok(r.db.SaveScan(r.Context(), one))
	return id
}

func (r *reader) scan(id, query string) *goquery.Document {
	r.Helper()
	doc, _, err := r.visit(r.pages.follow, ann, templates.ScanURL(id)+"?"+query, "id")
	r.ok(err)
	return doc
}

func (r *reader) one(id string, number int, query string) *goquery.Document {
	r.Helper()
	live := *ann
	live.User.TenantID = "t"
	doc, _, err := r.visit(r.found.show, &live, templates.ScanResultURL(id, number, query), "id", "number")
	r.ok(err)
	return doc
}

// rows are n results: of every ten one failed, and every third is of group b.
func rows(n int) (out []azts.Result) {
	for i := range n {
		v := judged(subA, fmt.Sprintf("Azure_Storage_DP_%02d", i%20), fmt.Sprintf("st%04d", i), "Passed", "Medium")
		if i%10 == 0 {
			v.Status, v.Severity = "Failed", "High"
		}
		if i%3 == 0 {
			v.ResourceGroupName = "group b"
		}
		v.StatusReason = "The reason of " + v.ResourceName
		out = append(out, v)
	}
	return out
}

// shown are the resources of the table's rows.
func shown(doc *goquery.Document) []string {
	return doc.Find(".found tbody tr td:nth-child(4)").Map(func(_ int, s *goquery.Selection) string { return strings.TrimSpace(s.Text()) })
}

func TestResultsAreFilteredSortedAndPaged(t *testing.T) {
	r := newReader(t)
	id := r.read(r.keep(ann, rows(300)...), scan.ReadEnded)
	doc := r.scan(id, "")
	holds(t, doc, "#list-title", "300 results")
	holds(t, doc, ".figures", "Results300", "Failed30", "Passed270", "Others0")
	if n := len(shown(doc)); n != 50 {
		t.Errorf("the first page has %d rows", n)
	}
	next := doc.Find(".pager a[rel=next]").AttrOr("href", "")
	if want := templates.ScanFindingsURL(id, "page=2"); next != want {
		t.Errorf("the next page is %q, want %q", next, want)
	}

	doc = r.scan(id, "status=failed&status=Error&group=GROUP+B&sort=-resource&size=100&q=reason+st0")
	want := []string{"st0270", "st0240", "st0210", "st0180", "st0150", "st0120", "st0090", "st0060", "st0030", "st0000"}
	if got := shown(doc); !slices.Equal(got, want) {
		t.Errorf("the rows are %q, want %q", got, want)
	}
	holds(t, doc, "#list-title", "10 of 300 results")
	holds(t, doc, ".export", "10 rows, filtered by status Failed or Error, resource group GROUP B, the words “reason st0”")
	if got := doc.Find("th[aria-sort]").AttrOr("aria-sort", "") + text(doc, "th[aria-sort]"); got != "descendingResource" {
		t.Errorf("sorted: %s", got)
	}
	// Each chip takes away what it names, and nothing else.
	for label, missing := range map[string]string{"Status: Failed": "status=failed", "Resource group: GROUP B": "group=", "Words: reason st0": "q="} {
		link := doc.Find(".chips li:contains('"+label+"') a").AttrOr("href", "")
		if link == "" || strings.Contains(link, missing) || strings.Count(link, "&") < 4 {
			t.Errorf("%s is removed by %q", label, link)
		}
	}
	if got, want := doc.Find(".btn-clear").AttrOr("href", ""), templates.ScanFindingsURL(id, "size=100&sort=-resource"); got != want {
		t.Errorf("everything is cleared by %q, want %q", got, want)
	}
	// The form of the filters keeps the order and the size, and not the page.
	if got := doc.Find(".sieve input[type=hidden]").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("name", "") + s.AttrOr("value", "") }); !slices.Equal(got, []string{"sort-resource", "size100"}) {
		t.Errorf("the form keeps %q", got)
	}
	if n := doc.Find(".sieve input[name=status][value=Failed][checked]").Length(); n != 1 {
		t.Error("the filter does not show what is chosen")
	}
}

// TestAttackStatusThatLooksLikeAnother: what is counted among the others is not
// shown as passed or failed.
func TestAttackStatusThatLooksLikeAnother(t *testing.T) {
	r := newReader(t)
	id := r.read(r.keep(ann, judged(subA, "a", "r", "Paſſed", "High"), judged(subA, "b", "r", "Failed\u200b", "High"), judged(subA, "c", "r", "FAILED", "High")), scan.ReadEnded)
	doc := r.scan(id, "status=Pa%C5%BF%C5%BFed&status=Failed%E2%80%8B&status=failed")
	holds(t, doc, ".figures", "Failed1", "Passed0", "Others2")
	got := doc.Find(".found tbody .status").Map(func(_ int, s *goquery.Selection) string { return s.Text() })
	if slices.Sort(got); !slices.Equal(got, []string{"Failed", `“Failed\u200b”`, "“Paſſed”"}) {
		t.Errorf("the statuses are %q", got)
	}
	if n := doc.Find(".found tbody .s-failed").Length() + doc.Find(".found tbody .s-passed").Length(); n != 1 {
		t.Errorf("%d look like failed or passed", n)
	}
}

// TestAttackLongAddress: the filters of an address stand in each row of the page,
// and would make one of many megabytes.
func TestAttackLongAddress(t *testing.T) {
	r := newReader(t)
	id := r.read(r.keep(ann, rows(300)...), scan.ReadEnded)
	long, many := url.Values{}, url.Values{"size": {"250"}, "group": {"rg", "group b"}}
	for i := range 95 {
		long.Add("group", fmt.Sprintf("%0600d", i))
		many.Add("group", strconv.Itoa(i))
	}
	for name, err := range map[string]error{
		"list":   third(r.visit(r.pages.follow, ann, templates.ScanURL(id)+"?"+long.Encode(), "id")),
		"result": third(r.visit(r.found.show, ann, templates.ScanResultURL(id, 1, long.Encode()), "id", "number")),
		"file":   third(r.visit(r.found.exportCSV, ann, templates.ScanExportURL(id, "csv", long.Encode()), "id")),
	} {
		if !apperr.HasCode(err, "too_many_filters") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.SetPathValue("id", id)
		w := httptest.NewRecorder()
		r.fail(w, req, err)
		doc, err := goquery.NewDocumentFromReader(w.Body)
		r.ok(err)
		if got := doc.Find("main a:contains('Clear all filters')").AttrOr("href", ""); w.Code != http.StatusBadRequest || got != templates.ScanFindingsURL(id, "") {
			t.Errorf("%s: %d, filters are cleared by %q", name, w.Code, got)
		}
	}
	doc, w, err := r.visit(r.pages.follow, ann, templates.ScanURL(id)+"?"+many.Encode(), "id")
	r.ok(err)
	if n := w.Body.Len(); n > 1<<20 {
		t.Errorf("the page has %d bytes", n)
	}
	holds(t, doc, ".chips-set", "Clear all", "and 77 more")
}

// third returns the error of a visit.
func third(_ *goquery.Document, _ *httptest.ResponseRecorder, err error) error { return err }

func TestAPageThatIsNotThereIsTheLast(t *testing.T) {
	r := newReader(t)
	id := r.read(r.keep(ann, rows(120)...), scan.ReadEnded)
	for _, page := range []string{"3", "4", "99999999999999999999", "1000000", "-1", "x"} {
		doc := r.scan(id, "page="+page)
		if n := len(shown(doc)); n == 0 {
			t.Errorf("page %s is empty: %s", page, text(doc, ".pager"))
		}
	}
	holds(t, r.scan(id, "page=4"), ".pager", "101 to 120 of 120 results")
}

// TestEachBarLeadsToWhatItCounts follows the bars of the summary.
func TestEachBarLeadsToWhatItCounts(t *testing.T) {
	r := newReader(t)
	list := rows(60)
	list[7].Status, list[8].Status, list[9].ResourceGroupName, list[11].Severity = "Quarantined", "", "", "-2+3"
	id := r.read(r.keep(ann, list...), scan.ReadEnded)
	doc := r.scan(id, "status=Passed&sort=resource")
	links := 0
	doc.Find(".bars li").Each(func(_ int, li *goquery.Selection) {
		links++
		to, err := url.Parse(li.Find("a").AttrOr("href", ""))
		r.ok(err)
		numbers := strings.TrimSuffix(strings.TrimSpace(li.Find(".num").Text()), " failed")
		if _, of, found := strings.Cut(numbers, " of "); found {
			numbers = of
		}
		if got := text(r.scan(id, to.RawQuery), "#list-title"); got != numbers+" of 60 results" && got != numbers+" results" {
			t.Errorf("%s leads to %s, which has %s", text(doc, ".x")+strings.TrimSpace(li.Text()), to, got)
		}
	})
	if links < 10 {
		t.Errorf("%d bars", links)
	}
}

func TestAnEmptyListSaysWhatToDrop(t *testing.T) {
	r := newReader(t)
	id := r.read(r.keep(ann, rows(100)...), scan.ReadEnded)
	doc := r.scan(id, "status=Failed&severity=Medium&q=reason")
	holds(t, doc, ".empty", "No result has status Failed, severity Medium, the words “reason”.")
	got := doc.Find(".drops a").Map(func(_ int, s *goquery.Selection) string { return s.Text() })
	if !slices.Equal(got, []string{"Drop status: 90 results", "Drop severity: 10 results"}) {
		t.Errorf("offered is %q", got)
	}
	to, err := url.Parse(doc.Find(".drops a").First().AttrOr("href", ""))
	r.ok(err)
	holds(t, r.scan(id, to.RawQuery), "#list-title", "90 of 100 results")
	holds(t, r.scan(id, "group=nowhere&status=Verify"), ".empty", "clear all of them", "Clear all")
	if doc.Find(".export").Length() != 0 {
		t.Error("nothing is offered as a file")
	}
}

// TestAThousandValuesMakeNoHeavyPage: the page has some of them, and a field for
// the others.
func TestAThousandValuesMakeNoHeavyPage(t *testing.T) {
	r := newReader(t)
	var list []azts.Result
	for i := range 3000 {
		v := judged(subA, fmt.Sprintf("Azure_Storage_%04d", i%1000), fmt.Sprintf("st%04d", i), "Failed", "High")
		v.ResourceGroupName, v.Category = fmt.Sprintf("rg-%04d", i%1000), fmt.Sprintf("category %d", i%1000)
		list = append(list, v)
	}
	id := r.read(r.keep(ann, list...), scan.ReadEnded)
	_, w, err := r.visit(r.pages.follow, ann, templates.ScanURL(id), "id")
	r.ok(err)
	if n := w.Body.Len(); n > 250<<10 {
		t.Errorf("the page weighs %d bytes", n)
	}
	// A typed value joins those that are chosen, and stays in sight.
	doc := r.scan(id, "group=rg-0000&group.is=+rg-0999+&category.is=")
	holds(t, doc, "#list-title", "6 of 3,000 results")
	if n := doc.Find(".sieve input[name=group][value=rg-0999][checked]").Length(); n != 1 {
		t.Error("the typed value is not in the list")
	}
	if n := doc.Find(".sieve input[name='group.is']").Length(); n != 1 {
		t.Error("nothing can be typed")
	}
}

func TestOneResultTellsEverything(t *testing.T) {
	r := newReader(t)
	list := rows(30)
	list[10].ControlName = "Azure_Storage_DP_Encrypt_In_Transit" // one that is documented
	list[10].Description, list[10].Remediation, list[10].Justification = "What it checks.", "Do this:\naz storage account update --name x\nThen look.", "Planned"
	list[10].StatusReason = `Not as it should be: {"tls":"1.0","open":[22,3389]}`
	list[10].ExceptionWorkflow, list[10].ExceptionExpiry = "Approved", azts.Stamp{Time: r.clock().Add(3*24*time.Hour + time.Hour), Text: "11/04/2026 10:00:00"}
	list[20].ExceptionExpiry.Text = "31/02/2026 25:61:00"
	old := r.read(r.keep(ann, list...), scan.ReadEnded)
	r.later(time.Hour)
	list[10].Status = "Passed"
	id := r.read(r.keep(ann, list...), scan.ReadEnded)

	doc := r.one(id, 10, "")
	holds(t, doc, "h1", "Name of Azure_Storage_DP_10")
	holds(t, doc, "main", "What it checks.", "Not as it should be:", "Do this:", "Then look.", "Planned", "Approved", "Payments", "st0010")
	if got := doc.Find(".code code").Map(func(_ int, s *goquery.Selection) string { return s.Text() }); !slices.Equal(got,
		[]string{"{\n  \"tls\": \"1.0\",\n  \"open\": [\n    22,\n    3389\n  ]\n}", "az storage account update --name x"}) {
		t.Errorf("set apart is %q", got)
	}
	holds(t, doc, ".panel", "The exception ends in 3 days", "4 November 2026")
	for text, want := range map[string]string{"Open in the Azure portal": "https://portal.azure.com/#@t/resource/subscriptions/" + subA + "/st0010",
		"Documentation of this control": "https://github.com/azsk/AzTS-docs/blob/HEAD/Control%20coverage/Feature/Storage.md#azure_storage_dp_encrypt_in_transit"} {
		if got := doc.Find("a:contains('"+text+"')").AttrOr("href", ""); got != want {
			t.Errorf("%s leads to %q, want %q", text, got, want)
		}
	}
	past := doc.Find("section[aria-labelledby=history-title] tbody tr")
	if past.Length() != 2 || !strings.Contains(past.First().Text(), "Passed") || !strings.Contains(past.Last().Text(), "Failed") {
		t.Errorf("the history is %q", past.Text())
	}
	if got, want := past.Last().Find("a").AttrOr("href", ""), templates.ScanResultURL(old, 10, ""); got != want {
		t.Errorf("the older result is at %q, want %q", got, want)
	}
	holds(t, r.one(id, 20, ""), "main", "31/02/2026 25:61:00", "this date cannot be read")
}

func TestOneResultKnowsItsNeighbours(t *testing.T) {
	r := newReader(t)
	id := r.read(r.keep(ann, rows(1100)...), scan.ReadEnded)
	const query = "status=Failed&sort=-resource"
	doc := r.one(id, 500, query) // the 60th of 110
	holds(t, doc, ".head", "60 of 110 results")
	for rel, want := range map[string]int{"prev": 510, "next": 490} {
		if got := doc.Find("a[rel="+rel+"]").AttrOr("href", ""); got != templates.ScanResultURL(id, want, "sort=-resource&status=Failed") {
			t.Errorf("%s is %q", rel, got)
		}
	}
	back, err := url.Parse(doc.Find(".crumbs a").Last().AttrOr("href", ""))
	r.ok(err)
	list := r.scan(id, back.RawQuery)
	if got := strings.TrimSpace(list.Find("#" + back.Fragment + " td:nth-child(4)").Text()); got != "st0500" {
		t.Errorf("%s has %q there", back, got)
	}
	// Whoever comes by another way sees the result all the same.
	holds(t, r.one(id, 501, query), "h1", "Name of")
}

// TestAttackOtherPeoplesResults: an address that a colleague sent opens nothing,
// and does not say whether there is something.
func TestAttackOtherPeoplesResults(t *testing.T) {
	r := newReader(t)
	id := r.read(r.keep(ann, rows(10)...), scan.ReadEnded)
	never := strings.Repeat("a", len(id))
	var said []string
	for _, of := range []string{id, never} {
		for name, ask := range map[string]func() error{
			"page": func() error { _, _, err := r.visit(r.pages.follow, ben, templates.ScanURL(of), "id"); return err },
			"result": func() error {
				_, _, err := r.visit(r.found.show, ben, templates.ScanResultURL(of, 1, ""), "id", "number")
				return err
			},
			"csv": func() error {
				_, _, err := r.visit(r.found.exportCSV, ben, templates.ScanExportURL(of, "csv", ""), "id")
				return err
			},
			"jsonl": func() error {
				_, _, err := r.visit(r.found.exportJSON, ben, templates.ScanExportURL(of, "jsonl", ""), "id")
				return err
			},
		} {
			err := ask()
			if !apperr.IsKind(err, apperr.NotFound) {
				t.Fatalf("%s of %s: %v", name, of, err)
			}
			e := apperr.From(err)
			said = append(said, e.Message+e.Next)
		}
	}
	if slices.Sort(said); len(slices.Compact(said)) != 1 || !strings.Contains(said[0], "belong to the person who asked") {
		t.Errorf("said is %q", said)
	}
	for _, number := range []string{"10", "-1", "1e3", "01", "99999999999999999999", "x"} {
		address := templates.ScanURL(id) + "/results/" + number
		if _, _, err := r.visit(r.found.show, ann, address, "id", "number"); !apperr.IsKind(err, apperr.NotFound) {
			t.Errorf("result %s: %v", number, err)
		}
	}
}

func TestAFileHasTheRowsOfTheList(t *testing.T) {
	r := newReader(t)
	list := rows(700)
	list[30].ResourceName, list[30].Justification = "=1+1", "\t@SUM(1)"
	id := r.read(r.keep(ann, list...), scan.ReadEnded)
	const query = "status=Failed&sort=-resource&size=250"
	_, w, err := r.visit(r.found.exportCSV, ann, templates.ScanExportURL(id, "csv", query), "id")
	r.ok(err)
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="azts-Payments-20261101-0900.csv"` {
		t.Errorf("the file is %s", got)
	}
	body, mark := strings.CutPrefix(w.Body.String(), "\ufeff")
	records, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	r.ok(err)
	want := shown(r.scan(id, query))
	var got []string
	for _, record := range records[1:] {
		got = append(got, strings.TrimPrefix(record[4], "'"))
	}
	if !mark || len(want) != 70 || !slices.Equal(got, want) {
		t.Errorf("the file has %d rows in another order or number than the list, %d; marked: %v", len(got), len(want), mark)
	}
	if !strings.Contains(body, "'=1+1") || strings.Contains(body, ",=1+1") {
		t.Error("a formula is in the file")
	}
	_, w, err = r.visit(r.found.exportCSV, ann, templates.ScanExportURL(id, "csv", "bom=0&q=nothing-has-this"), "id")
	r.ok(err)
	if body := w.Body.String(); !strings.HasPrefix(body, "Control,") || strings.Count(body, "\n") != 1 {
		t.Errorf("a file without rows is %q", body)
	}
	_, w, err = r.visit(r.found.exportJSON, ann, templates.ScanExportURL(id, "jsonl", query), "id")
	r.ok(err)
	if n := strings.Count(w.Body.String(), "\n"); n != 70 || !strings.Contains(w.Body.String(), `"ResourceName":"=1+1"`) {
		t.Errorf("JSON Lines has %d", n)
	}
	if _, w, err = r.visit(r.found.exportJSON, ann, templates.ScanExportURL(id, "jsonl", "q=nothing-has-this"), "id"); err != nil || w.Header().Get("Content-Type") != kindJSONLines {
		t.Errorf("a file without rows is %q, %v", w.Header().Get("Content-Type"), err)
	}
}

// slowReader takes a file piece by piece, and may ask for more time with each.
type slowReader struct {
	*httptest.ResponseRecorder
	t        *testing.T
	deadline time.Time
	pieces   int
}

func (s *slowReader) SetWriteDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *slowReader) Write(b []byte) (int, error) {
	if left := time.Until(s.deadline); left < downloadPatience-time.Minute || left > downloadPatience || len(b) > downloadPiece {
		s.t.Errorf("%d bytes have %v", len(b), left)
	}
	s.deadline = time.Time{} // each piece wants a new one
	s.pieces++
	return s.ResponseRecorder.Write(b)
}

func TestADownloadGoesOnWhileBytesFlow(t *testing.T) {
	w := &slowReader{ResponseRecorder: httptest.NewRecorder(), t: t}
	to := newDownload(w, kindCSV, "x.csv")
	body := strings.Repeat("0123456789", downloadPiece)
	if n, err := to.Write([]byte(body)); n != len(body) || err != nil || w.Body.String() != body || w.pieces != 10 {
		t.Errorf("%d of %d bytes in %d pieces, %v", n, len(body), w.pieces, err)
	}
	// Not for ever, however slowly.
	to.ends = time.Now().Add(time.Second)
	if to.goOn(); time.Until(w.deadline) > time.Second {
		t.Errorf("the last piece may take %v", time.Until(w.deadline))
	}
}

// TestAttackManyDownloads: one person does not take the places of all, and
// nothing is opened for a file that has no place.
func TestAttackManyDownloads(t *testing.T) {
	r := newReader(t)
	id := r.read(r.keep(ann, rows(10)...), scan.ReadEnded)
	r.later(time.Hour)
	newer := r.read(r.keep(ann, rows(11)...), scan.ReadEnded)
	refused := func(who *session.Session, want string) {
		t.Helper()
		for name, err := range map[string]error{
			"file":    third(r.visit(r.found.exportCSV, who, templates.ScanExportURL(id, "csv", ""), "id")),
			"changes": third(r.visit(r.export, who, templates.ScanCompareURL(newer, id)+"/changes.csv?list=new", "id", "other")),
		} {
			if want == "" && err != nil || want != "" && !apperr.HasCode(err, want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
	var done []func()
	begin := func(who access.PersonID) {
		t.Helper()
		end, err := r.downloads.begin(who)
		r.ok(err)
		done = append(done, end)
	}
	for range downloadsOfPerson {
		refused(ann, "")
		begin(ann.User.ID)
	}
	refused(ann, "downloads_own")
	done[0]()
	refused(ann, "")
	for i := range downloadsAtOnce - downloadsOfPerson + 1 {
		begin(access.PersonID{Authority: "x", Subject: strconv.Itoa(i)})
	}
	refused(ann, "downloads_busy")
	for _, end := range done[1:] {
		end()
	}
	refused(ann, "")
	if r.downloads.all != 0 || len(r.downloads.of) != 0 {
		t.Errorf("%d places of %v are not given back", r.downloads.all, r.downloads.of)
	}
}

// TestABrokenFileBreaksTheConnection: what ends early must not look whole.
func TestABrokenFileBreaksTheConnection(t *testing.T) {
	k := newKept(t)
	end := func(written string) (broke any, err error) {
		to := newDownload(httptest.NewRecorder(), kindCSV, "x.csv")
		if written != "" {
			_, err = to.Write([]byte(written))
			k.ok(err)
		}
		defer func() { broke = recover() }()
		return nil, to.end(k.frame, httptest.NewRequest("GET", "/", nil), fmt.Errorf("it broke"))
	}
	if broke, err := end(""); err == nil || broke != nil {
		t.Errorf("before the first byte: %v, %v; want a page with the error", err, broke)
	}
	if broke, _ := end("half"); broke != http.ErrAbortHandler {
		t.Error("half a file looks whole")
	}
}

func TestResultsSayWhenTheyAreNotThereOrNotWhole(t *testing.T) {
	r := newReader(t)
	holds(t, r.scan(r.read(r.kept.scan(ann, true), scan.ReadEnded), ""), "#found", "not kept any more", "keeps results for 30 days", "Scan again")
	holds(t, r.scan(r.read(r.kept.scan(ann, true), scan.ReadRunning), ""), "#found[data-live-scan]", "on their way")
	if n := r.scan(r.kept.scan(ann, false), "").Find("#found").Length(); n != 0 {
		t.Error("a refused scan has a place for results")
	}
	id := r.kept.scan(ann, true)
	w, err := r.archive.Begin(r.Context(), ann.User.ID, id, []string{subA, subB})
	r.ok(err)
	r.ok(w.Add(r.Context(), subA, &azts.ResultPage{Results: rows(40), TotalRecords: azts.Count{Known: true, N: 50}}))
	r.ok(w.Flush(r.Context()))
	doc := r.scan(r.read(id, scan.ReadRunning), "")
	holds(t, doc, "#findings-summary[data-live-scan]", "More results are coming in")
	holds(t, doc, "#findings[data-live-scan]", "40 results")
	file := func() string {
		_, w, err := r.visit(r.found.exportCSV, ann, templates.ScanExportURL(id, "csv", ""), "id")
		r.ok(err)
		return w.Header().Get("Content-Disposition")
	}
	holds(t, doc, ".export", "still coming in", "incomplete")
	if got := file(); !strings.HasSuffix(got, `-incomplete.csv"`) {
		t.Errorf("the file of what is there so far is %s", got)
	}
	w.End(subB, results.SubGone)
	_, err = w.Finish(r.Context())
	r.ok(err)
	doc = r.scan(r.read(id, scan.ReadEnded), "")
	holds(t, doc, ".export", "Some results of this scan are missing", "incomplete")
	if got := file(); !strings.HasSuffix(got, `-incomplete.csv"`) {
		t.Errorf("the file of what is there is %s", got)
	}
	holds(t, doc, "#findings-summary .panel", "Some results are missing here", "Payments (10 missing)", subB+" (none came)")
	if doc.Find("#found [data-live-scan]").Length() != 0 {
		t.Error("what has ended is still followed")
	}
}
