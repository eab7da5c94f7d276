package templates

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

var (
	preview = flag.String("preview", "", "write every sample page into this directory, to be looked at in a browser")
	update  = flag.Bool("update", false, "rewrite the golden files")
)

// render returns the HTML of a sample.
func render(t testing.TB, name string) string {
	t.Helper()
	page := samples()[name]
	if page == nil {
		t.Fatalf("no sample %q", name)
	}
	var b bytes.Buffer
	if err := page.Render(context.Background(), &b); err != nil {
		t.Fatalf("render %s: %v", name, err)
	}
	return b.String()
}

// doc returns the parsed HTML of a sample.
func doc(t testing.TB, name string) *goquery.Document {
	t.Helper()
	d, err := goquery.NewDocumentFromReader(strings.NewReader(render(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func eachSample(t *testing.T, check func(t *testing.T, name string, d *goquery.Document)) {
	for name := range samples() {
		t.Run(name, func(t *testing.T) { check(t, name, doc(t, name)) })
	}
}

func TestEveryPageIsWhole(t *testing.T) {
	eachSample(t, func(t *testing.T, name string, d *goquery.Document) {
		if *preview != "" {
			if err := os.WriteFile(filepath.Join(*preview, name+".html"), []byte(render(t, name)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for selector, want := range map[string]int{
			"html[lang=en]": 1, "head > title": 1, "main#main": 1, "main h1": 1, "a.skip[href='#main']": 1,
			"link[rel=stylesheet]": 1, "script[type=module][src]": 1, "#live[role=status]": 1,
		} {
			if got := d.Find(selector).Length(); got != want {
				t.Errorf("%d of %s, want %d", got, selector, want)
			}
		}
		ids := map[string]bool{}
		d.Find("[id]").Each(func(_ int, s *goquery.Selection) {
			id := s.AttrOr("id", "")
			if ids[id] {
				t.Errorf("id %q stands twice", id)
			}
			ids[id] = true
		})
		d.Find("[aria-labelledby], [aria-describedby], label[for], [popovertarget]").Each(func(_ int, s *goquery.Selection) {
			for _, attr := range []string{"aria-labelledby", "aria-describedby", "for", "popovertarget"} {
				for id := range strings.FieldsSeq(s.AttrOr(attr, "")) {
					if !ids[id] {
						t.Errorf("%s points to %q, which is not there", attr, id)
					}
				}
			}
		})
	})
}

// TestPolicyFits is the rule that the content security policy enforces: no
// inline style, script or event handler, nothing from elsewhere.
func TestPolicyFits(t *testing.T) {
	eachSample(t, func(t *testing.T, _ string, d *goquery.Document) {
		if n := d.Find("style, script:not([src]), iframe, object, embed, base, img").Length(); n != 0 {
			t.Errorf("%d elements that the policy refuses", n)
		}
		d.Find("*").Each(func(_ int, s *goquery.Selection) {
			for _, a := range s.Nodes[0].Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("attribute %s on %s", a.Key, s.Nodes[0].Data)
				}
				if a.Key == "src" && !strings.HasPrefix(a.Val, "/static/") {
					t.Errorf("src %q", a.Val)
				}
			}
		})
	})
}

// TestHostileTextStaysText puts markup into every string of every page.
func TestHostileTextStaysText(t *testing.T) {
	for name := range samples() {
		if !strings.HasPrefix(name, "hostile") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			d := doc(t, name)
			if !strings.Contains(d.Find("body").Text(), "<script>alert(1)</script>") {
				t.Error("the text is not shown")
			}
			if n := d.Find("script").Length(); n != 1 {
				t.Errorf("%d script elements, want the module alone", n)
			}
			d.Find("[href], [action], [formaction]").Each(func(_ int, s *goquery.Selection) {
				for _, attr := range []string{"href", "action", "formaction"} {
					if v := strings.ToLower(strings.TrimSpace(s.AttrOr(attr, ""))); strings.HasPrefix(v, "javascript:") || strings.HasPrefix(v, "data:") {
						t.Errorf("%s runs a script: %q", attr, v)
					}
				}
			})
		})
	}
}

// TestFormsAreKnown holds the forms against the list in doc.go: a form that
// changes something must post, or a link could do it.
func TestFormsAreKnown(t *testing.T) {
	posts := []string{LogoutURL, ThemeURL, EndSessionURL, TokensURL, TokenRevealURL, TokenRenewURL, TokenForgetURL, TokenCheckURL, ScansURL,
		AccessAskURL, AccessRequestURL, AccessListURL, AccessRefreshURL, GiveBackURL, AdminRefreshURL, AdminGrantURL, AdminAllowURL, WithdrawGrantURL("g1", ""),
		AdminRequestURL("RQ1") + "/approve", AdminRequestURL("RQ1") + "/decline", AdminRequestURL("RQ1") + "/check"}
	for _, row := range sampleScans() {
		posts = append(posts, ScanAgainURL(row.ID))
	}
	posts = append(posts, ScanContinueURL(sampleScanID), ScanAgainURL(sampleScanID))
	posts = append(posts, MyRunActionURL("r1", "next"), MyRunActionURL("r1", "next")+"?present=1", MyRunActionURL("r1", "share"), MyRunActionURL("r1", "unshare"), MyRunActionURL("r1", "delete"))
	posts = append(posts, FlowRunsURL("code"), AppTokensURL, AppRevealURL, AppForgetURL, AppIdentityURL, InspectURL)
	posts = append(posts, SchedulesURL, SchedulePauseURL, ScheduleResumeURL, ScheduleEndURL, ScheduleRemoveURL, ScheduleDismissURL, ScheduleConfirmURL, ScheduleRenewURL,
		ScheduleWithdrawURL)
	posts = append(posts, FlowHealthURL, FlowHealthAllowURL)
	searches := []string{AccessURL + "#roles", AdminURL, AdminRequestsURL} // forms that only look something up
	searches = append(searches, TrendURL, CompareChoiceURL("01jd6w3qv8x5k2m9"))
	posts, searches = append(posts, FlowErrorsURL), append(searches, FlowErrorsURL, FlowFailuresURL)
	searches = append(searches, ScansURL, ScanFindingsURL(sampleScanID, ""))
	eachSample(t, func(t *testing.T, name string, d *goquery.Document) {
		d.Find("form").Each(func(_ int, s *goquery.Selection) {
			method, action := s.AttrOr("method", ""), s.AttrOr("action", "")
			if method != "dialog" && (method != "post" || !slices.Contains(posts, action)) && (method != "get" || !slices.Contains(searches, action)) && !strings.HasPrefix(name, "hostile") {
				t.Errorf("form %s %s", method, action)
			}
		})
	})
}

func TestTokenIsThereOnlyWhenRevealed(t *testing.T) {
	if got := doc(t, "tokens").Find("#text-azts").Text(); got != tokenMask {
		t.Errorf("masked token shows %q", got)
	}
	d := doc(t, "tokens-revealed")
	if !strings.HasPrefix(d.Find("#text-azts[data-revealed]").Text(), "eyJ0") {
		t.Error("revealed token is not shown")
	}
	if strings.Count(render(t, "tokens-revealed"), "not-a-signature") != 1 {
		t.Error("the token stands in the page more than once")
	}
}

func TestOverviewStates(t *testing.T) {
	for name, selectors := range map[string][]string{
		"overview":        {".tiles", "#subscriptions-title", "#running-scans[data-running] table"},
		"overview-many":   {".panel.tone-warning", ".pager a[rel=prev]", ".pager a[rel=next][href='/?page=3']"},
		"overview-empty":  {".empty a[href='/scans/new']"},
		"overview-down":   {".panel.tone-error code", ".panel a.btn-primary"},
		"overview-norole": {".panel.tone-info", ".flash.tone-success"},
	} {
		d := doc(t, name)
		for _, selector := range selectors {
			if d.Find(selector).Length() == 0 {
				t.Errorf("%s has no %s", name, selector)
			}
		}
	}
	if doc(t, "overview-down").Find(".tiles").Length() != 0 {
		t.Error("figures are shown although AzTS did not answer")
	}
	if !strings.Contains(doc(t, "overview-norole").Find(".panel").Text(), "24 hours") {
		t.Error("the 24-hour rule is not explained")
	}
	if got := doc(t, "overview-many").Find(".pager").First().Text(); !strings.Contains(got, "101 to 200 of 5,000 subscriptions") {
		t.Errorf("pager says %q", got)
	}
}

// TestOnePrimaryAction: a page with two leading buttons leads nowhere.
func TestOnePrimaryAction(t *testing.T) {
	eachSample(t, func(t *testing.T, name string, d *goquery.Document) {
		if n := d.Find("main .btn-primary").Length(); n > 1 && !strings.HasPrefix(name, "hostile") {
			t.Errorf("%d primary actions", n)
		}
	})
}

func TestSessionsSayWhetherThereAreMore(t *testing.T) {
	for page, want := range map[string]int{"sessions": 0, "sessions-more": 1} {
		if n := doc(t, page).Find("[data-more]").Length(); n != want {
			t.Errorf("%s says %d times that there are more", page, n)
		}
	}
}

func TestFrame(t *testing.T) {
	d := doc(t, "landing-dark")
	if d.Find("html[data-theme=dark] meta[name=color-scheme][content=dark]").Length() != 1 {
		t.Error("the chosen theme is not in the first bytes: the page would flash")
	}
	if d.Find("form[action='/auth/logout'], #session-ended, body[data-signed-in]").Length() != 0 {
		t.Error("an anonymous page offers what belongs to a session")
	}
	d = doc(t, "account")
	for _, selector := range []string{"body[data-signed-in][data-ends='2026-11-21T14:57:00Z'][data-mark=m1][data-path='/account']",
		"template#session-ended", "#account-menu form[action='/auth/logout'][method=post]", "#account-menu a[href='/account']",
		"#account-menu button[name=theme][value=auto][aria-pressed=true]"} {
		if d.Find(selector).Length() != 1 {
			t.Errorf("no %s", selector)
		}
	}
	if got := d.Find("title").Text(); got != "Account · AzTS Portal" {
		t.Errorf("title %q", got)
	}
	if got := doc(t, "overview").Find("nav a[aria-current=page]").Text(); got != "Overview" {
		t.Errorf("current item %q", got)
	}
}

func TestMessageForTheHelpDesk(t *testing.T) {
	d := doc(t, "message")
	want := "Message: You may not use this application\nWhat happened: Your organization allows this portal only to people who were assigned to it, and you are not.\nCode: AADSTS50105\nReference: r-7f3a9c1e52\nTime: 2026-11-21T14:05:00Z\n"
	if got := d.Find(".help > button[data-copy]").AttrOr("data-copy", ""); got != want {
		t.Errorf("copied text:\n%s", got)
	}
	if got := d.Find(".message .acts a").Length(); got != 2 {
		t.Errorf("%d actions, want 2", got)
	}
	if doc(t, "message-bare").Find(".help, .acts").Length() != 0 {
		t.Error("a bare message shows empty boxes")
	}
}

func TestEmptyResultsSayHowToGetSome(t *testing.T) {
	if doc(t, "results-none").Find(".empty a[href='/scans']").Length() != 1 {
		t.Error("no way out of the empty state")
	}
}

// TestWeightOfTheFirstPages keeps the promise: 15 KB of HTML, compressed.
func TestWeightOfTheFirstPages(t *testing.T) {
	for _, name := range []string{"landing", "overview"} {
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		if _, err := io.WriteString(zw, render(t, name)); err != nil {
			t.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes compressed", name, b.Len())
		if b.Len() > 15<<10 {
			t.Errorf("%s weighs %d bytes compressed", name, b.Len())
		}
	}
}

var staticHash = regexp.MustCompile(`/static/[0-9a-f]{16}/`)

func TestGolden(t *testing.T) {
	for _, name := range []string{"landing", "overview", "account", "message", "scan-ended"} {
		got := staticHash.ReplaceAllString(render(t, name), "/static/HASH/")
		got = strings.ReplaceAll(got, "><", ">\n<") // lines that a person can compare
		file := filepath.Join("testdata", name+".html")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from %s; look at it, then run the test with -update", name, file)
		}
	}
}

func BenchmarkAccount(b *testing.B)  { benchmark(b, "account") }
func BenchmarkOverview(b *testing.B) { benchmark(b, "overview") }

func benchmark(b *testing.B, name string) {
	page := samples()[name]
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := page.Render(context.Background(), &buf); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(buf.Len()))
}
