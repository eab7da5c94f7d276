package templates

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

func sampleScanTabs(here string) []NavItem {
	tabs := []NavItem{{Label: "My scans", URL: ScansURL}, {Label: "New scan", URL: NewScanURL}, {Label: "Repeated scans", URL: SchedulesURL}, {Label: "Trend", URL: TrendURL}}
	for i := range tabs {
		tabs[i].Current = tabs[i].URL == here
	}
	return tabs
}

func sampleChanges(n int, was, is string) []ChangeRow {
	rows := make([]ChangeRow, n)
	for i := range rows {
		rows[i] = ChangeRow{ControlID: "Azure_Storage_DP_Encrypt_In_Transit", Control: "Enable secure transfer to storage accounts",
			Severity: []string{"Critical", "High", "Medium", "Low"}[i*4/n], Was: was, Is: is, NotBefore: was == "", NotNow: is == "",
			Resource: fmt.Sprintf("stpayments%04d", i), Group: "rg-payments", URL: ScanResultURL("01jd6w3qv8x5k2m9", i, "")}
		if i%3 == 1 {
			rows[i].Control, rows[i].ControlID, rows[i].Subscription = "", "Azure_KeyVault_AuthZ_Configure_Network_Isolation_With_A_Long_Name", "Identity and access shared services"
		}
	}
	return rows
}

// compareSamples are the pages of what changed, and of the trend.
func compareSamples() map[string]templ.Component {
	id, other := "01jd6w3qv8x5k2m9", "01jd6a7zt1c4h8p3"
	list := func(kind ChangeKind, count int, rows []ChangeRow) ChangeList {
		return ChangeList{Kind: kind, Count: count, Rows: rows, URL: CompareListURL(id, other, nil, kind, 1), CSVURL: CompareCSVURL(id, other, nil, kind)}
	}
	gone := list(ChangeGone, 1, nil)
	gone.CSVURL = ""
	gone.Gone = []GoneRow{{Name: "stoldexports", Group: "rg-payments", Failed: 3, Rows: 12, URL: ScanURL(other) + "?resource=stoldexports"}}
	page := ComparePage{Page: samplePage(ScanCompareURL(id, other)), Tabs: sampleScanTabs(""), ScanID: id, AllURL: ScanCompareURL(id, other),
		Older:   CompareSide{ScanID: other, At: sampleNow.Add(-7 * 24 * time.Hour), Rows: 1480, Passed: 1160, Failed: 212, Subscriptions: sampleNames[:3]},
		Newer:   CompareSide{ScanID: id, At: sampleNow.Add(-time.Hour), Rows: 1502, Passed: 1214, Failed: 190, Subscriptions: sampleNames[:4]},
		Notes:   []string{"You asked for these scans the other way round. They are compared in order of time, so that “new” is what is new now."},
		Choice:  CompareChoice{Action: CompareChoiceURL(id), Options: []CompareOption{{other, sampleNow.Add(-7 * 24 * time.Hour), 3, true}, {"01jd5y2mn6b9r4w7", sampleNow.Add(-8 * 24 * time.Hour), 1, false}}, More: true},
		Changes: []ChangeList{list(ChangeNew, 12, sampleChanges(10, "Passed", "Failed")), list(ChangeFixed, 3, sampleChanges(3, "Failed", "Passed")), list(ChangeOpen, 1178, sampleChanges(10, "Failed", "Failed")), gone, list(ChangeUndecided, 1, sampleChanges(1, "Failed", "Exempted")), list(ChangeUnreported, 1, sampleChanges(1, "Failed", "")), list(ChangeUnknown, 1, sampleChanges(1, "", "Failed"))},
		Left:    []CompareDoubt{{Text: "Only the newer scan has these subscriptions; they are left out:", Names: sampleNames[3:4]}},
		Doubts:  []CompareDoubt{{Text: "2 results of both scans name no control or no resource. Nobody can say which of them belong together."}}}
	one := page
	one.Only, one.Notes, one.Left, one.Doubts = ChangeOpen, nil, nil, nil
	one.Part, one.WholeURL = sampleNames[:2], ScanCompareURL(id, other)
	one.Changes = []ChangeList{list(ChangeNew, 12, nil), list(ChangeFixed, 3, nil), list(ChangeOpen, 1178, sampleChanges(100, "Failed", "Failed")), list(ChangeGone, 0, nil), list(ChangeUndecided, 0, nil), list(ChangeUnreported, 0, nil)}
	one.Changes[2].Pager = Pager{Noun: "changes", From: 101, To: 200, Total: 1178, PrevURL: CompareListURL(id, other, nil, ChangeOpen, 1), NextURL: CompareListURL(id, other, nil, ChangeOpen, 3)}
	same := page
	same.Notes, same.Left, same.Doubts = nil, nil, nil
	same.Changes = nil
	for _, kind := range ChangeKinds() {
		same.Changes = append(same.Changes, list(kind, 0, nil))
	}
	none := ComparePage{Page: samplePage(ScanCompareURL(id, LastWeek)), Tabs: sampleScanTabs(""), ScanID: id, Choice: CompareChoice{Action: CompareChoiceURL(id)},
		Problem: &Problem{Tone: ToneInfo, Title: "There is nothing to compare with yet", What: "No older scan.", Code: "no_older_scan", Primary: &Action{Label: "Repeat a scan", URL: SchedulesURL}}}
	rude := ChangeList{Kind: ChangeNew, Count: 1, URL: "javascript:alert(1)", CSVURL: "javascript:alert(1)",
		Rows: []ChangeRow{{ControlID: hostile, Control: hostile, Severity: hostile, Was: hostile, Is: hostile, Resource: hostile, Group: hostile, Subscription: hostile, URL: "javascript:alert(1)"}}}
	rudeGone := ChangeList{Kind: ChangeGone, Count: 1, URL: "javascript:alert(1)", Gone: []GoneRow{{Name: hostile, Group: hostile, ID: hostile, Subscription: hostile, URL: "javascript:alert(1)"}}}
	nasty := ComparePage{Page: hostilePage(), ScanID: hostile, Older: CompareSide{ScanID: hostile, Subscriptions: []string{hostile}}, Notes: []string{hostile},
		Choice: CompareChoice{Action: "javascript:alert(1)", Options: []CompareOption{{ScanID: hostile}}}, Changes: []ChangeList{rude, rudeGone},
		Part: []string{hostile}, WholeURL: "javascript:alert(1)", Left: []CompareDoubt{{Text: hostile, Names: []string{hostile}}}, Doubts: []CompareDoubt{{Text: hostile, Names: []string{hostile}}}}
	out := map[string]templ.Component{"compare": Compare(page), "compare-list": Compare(one), "compare-same": Compare(same), "compare-none": Compare(none), "hostile-compare": Compare(nasty)}
	for name, n := range map[string]int{"trend": 14, "trend-one": 1, "trend-500": 500, "trend-empty": 0} {
		out[name] = Trend(sampleTrend(n))
	}
	bad := sampleTrend(2)
	bad.Page, bad.Subscription, bad.Choices = hostilePage(), hostile, []TrendChoice{{hostile, hostile}}
	out["hostile-trend"] = Trend(bad)
	return out
}

func sampleTrend(n int) TrendPage {
	v := TrendPage{Page: samplePage(TrendURL), Tabs: sampleScanTabs(TrendURL), Points: sampleTrendPoints(n)}
	if n == 0 {
		return v
	}
	for i := range sampleNames {
		v.Choices = append(v.Choices, TrendChoice{sampleID(i), sampleNames[i]})
	}
	for i := len(v.Points) - 1; i >= max(0, n-100); i-- {
		row := TrendRow{TrendPoint: v.Points[i], ScanID: "01jd6w3qv8x5k2m9", Subscriptions: min(i+1, 12)}
		if i > 0 {
			row.Before, row.CompareURL = &v.Points[i-1], ScanCompareURL("01jd6w3qv8x5k2m9", "01jd6a7zt1c4h8p3")
		}
		v.Rows = append(v.Rows, row)
	}
	if n > 100 {
		v.Pager = Pager{Noun: "scans", From: 1, To: 100, Total: n, NextURL: TrendPageURL("", 2)}
	}
	return v
}

func sampleTrendPoints(n int) []TrendPoint {
	points := make([]TrendPoint, n)
	for i := range points {
		rows := 1400 + 20*(i/5)
		failed := int(float64(rows) * (.24 - .1*float64(i)/float64(n) + .03*math.Sin(float64(i)/2)))
		points[i] = TrendPoint{At: sampleNow.Add(time.Duration(i-n) * 51 * time.Hour), Rows: rows, Failed: failed, Passed: rows - failed - rows/20}
	}
	return points
}

func TestTrendScale(t *testing.T) {
	for _, tt := range []struct {
		passed          []int // of 1000
		low, high, step int
	}{
		{nil, 0, 100, 20}, {[]int{0}, 0, 20, 10}, {[]int{1000}, 80, 100, 10}, {[]int{803, 899}, 70, 90, 10}, {[]int{803, 901}, 80, 100, 10}, {[]int{699, 810}, 60, 90, 10},
		{[]int{0, 1000}, 0, 100, 20}, {[]int{50, 290}, 0, 30, 10}, {[]int{150, 999}, 0, 100, 20}, {[]int{350, 890}, 20, 100, 20}, {[]int{-1}, 0, 100, 20},
	} {
		var points []TrendPoint
		for _, p := range tt.passed {
			point := TrendPoint{At: sampleNow, Passed: p, Failed: 1000 - p, Rows: 1200}
			if p < 0 { // nothing passed or failed
				point.Passed, point.Failed = 0, 0
			}
			points = append(points, point)
		}
		if low, high, step := trendScale(points); low != tt.low || high != tt.high || step != tt.step {
			t.Errorf("%v: %d to %d by %d, want %d to %d by %d", tt.passed, low, high, step, tt.low, tt.high, tt.step)
		}
	}
}

// TestTrendChart holds the chart against its points: places, and what each says.
func TestTrendChart(t *testing.T) {
	d := doc(t, "trend")
	if dots, lines := d.Find(".trend-dots circle").Length(), d.Find(".trend-line line").Length(); dots != 14 || lines != 13 {
		t.Errorf("%d dots and %d lines", dots, lines)
	}
	if first := d.Find(".trend-dots circle").First(); first.AttrOr("cx", "") != "0.00%" || !strings.Contains(first.Text(), " %, ") || !strings.Contains(first.Text(), " failed") {
		t.Errorf("the first dot is at %s and says %q", first.AttrOr("cx", ""), first.Text())
	}
	if x := d.Find(".trend-dots circle").Last().AttrOr("cx", ""); x != "100.00%" {
		t.Errorf("the last dot is at %s", x)
	}
	if n := doc(t, "trend-one").Find(".trend-line line").Length(); n != 0 {
		t.Errorf("one point makes %d lines", n)
	}
	if n := doc(t, "trend-500").Find(".trend-dots circle").Length(); n != 500 {
		t.Errorf("500 points make %d dots", n)
	}
}

func TestChangeOfCompliance(t *testing.T) {
	for want, passed := range map[string][2]int{
		`<span class="s-passed">+2.5</span>`: {800, 825}, `<span class="s-failed">−2.5</span>`: {825, 800}, `<span class="muted">±0</span>`: {800, 800},
		string(blank): {800, -1},
	} {
		row := TrendRow{TrendPoint: TrendPoint{Passed: passed[1], Failed: 1000 - passed[1], Rows: 1200}, Before: &TrendPoint{Passed: passed[0], Failed: 1000 - passed[0], Rows: 1100}}
		if passed[1] < 0 {
			row.Passed, row.Failed = 0, 0
		}
		if got := row.change(); got != markup(want) {
			t.Errorf("%v is %v, want %s", passed, got, want)
		}
	}
}

// TestChangesAreNotTheirColourAlone: each number of changes has a sign and words.
func TestChangesAreNotTheirColourAlone(t *testing.T) {
	text := doc(t, "compare").Find(".sums").Text()
	for _, want := range []string{"+12 new failures", "✓3 fixed", "=1,178 still open", "−1 gone resource", "?1 without a verdict"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
}
