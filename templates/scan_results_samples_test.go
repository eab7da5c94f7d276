package templates

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

// sampleFindings are n results of a scan.
func sampleFindings(n int) *ScanFindings {
	here := ScanFindingsURL(sampleScanID, "")
	bars := func(n int, names ...string) (out []Bar) {
		for i := range n {
			out = append(out, Bar{Label: names[i%len(names)], URL: here, Rows: 1200 / (i + 1), Failed: 400 / (i + 2), Passed: 500 / (i + 1), Of: 1200})
		}
		return out
	}
	v := &ScanFindings{ScanID: sampleScanID, Total: 45_000, Failed: 4_100, Passed: 39_000, Others: 1_900, AllURL: here, FailedURL: here, PassedURL: here, RestURL: here,
		Charts: []Chart{{Title: "By severity", Field: "severity", Bars: bars(5, "Critical", "High", "Medium", "Low", "Unheard of")},
			{Title: "By resource group", Field: "group", Bars: bars(10, "rg-payments-prod", "rg-web"), More: bars(40, "rg-more"), Rest: 120}}}
	l := &ResultList{ScanID: sampleScanID, Action: here, Hidden: []Field{{"sort", "-resource"}}, Text: "tls", Total: n, All: 45_000, Several: true, Clear: here,
		Chips:   []Chip{{"Status: Failed", here}, {"Words: tls", here}},
		Filters: []Filter{{Name: "status", Label: "Status", Chosen: 1, Values: []FilterValue{{"Failed", "Failed", 312, true}, {"Deferred", "Deferred", 3, false}}}},
		Columns: []SortColumn{{"Control", here, ""}, {"Status", here, "descending"}, {"Severity", here, ""}, {"Resource", here, ""}, {"Group", here, ""}, {"Reason", "", ""}},
		Pager:   Pager{Noun: "results", From: 1, To: n, Total: 312, NextURL: here}, Sizes: []NavItem{{"50", here, true}, {"100", here, false}},
		Export: ExportChoice{"312 rows, filtered by status Failed", "Some results of this scan are missing, and so they are in the file.", ScanExportURL(sampleScanID, "csv", ""), ScanExportURL(sampleScanID, "csv", "bom=0"), ScanExportURL(sampleScanID, "jsonl", "")}}
	group := Filter{Name: "group", Label: "Resource group", Rest: 950, TypedName: "group.is"}
	for i := range 50 {
		value := FilterValue{fmt.Sprintf("rg-%03d", i), fmt.Sprintf("rg-%03d", i), 1000 - i, false}
		if i < 10 {
			group.Values = append(group.Values, value)
		} else {
			group.More = append(group.More, value)
		}
	}
	l.Filters = append(l.Filters, group)
	for i, r := range sampleResults(n) {
		l.Rows = append(l.Rows, Finding{Anchor: fmt.Sprintf("r%d", i), URL: ScanResultURL(sampleScanID, i, "status=Failed"), Control: r.label(), Status: r.Status,
			Severity: r.Severity, Resource: r.Resource, Group: r.Group, Subscription: "Payments production", Reason: r.Reason})
	}
	v.List = l
	return v
}

func sampleResult() ScanResultPage {
	return ScanResultPage{Page: samplePage(ScanResultURL(sampleScanID, 5, "")), ScanID: sampleScanID, Title: "Storage accounts accept encrypted connections only",
		ControlID: "Azure_Storage_DP_Encrypt_In_Transit", Status: "Exempted", Severity: "High", Category: "Data protection", Baseline: true,
		DocsURL: "https://github.com/azsk/AzTS-docs/", Description: "Data on its way can be read by others.", Reason: "supportsHttpsTrafficOnly is false.",
		Evidence: "{\n  \"supportsHttpsTrafficOnly\": false\n}", Fix: []FixPart{{"Require secure transfer.", false}, {"az storage account update --https-only true", true}},
		Resource: "stpayprod", ResourceID: "/subscriptions/" + sampleID(0) + "/x", Group: "rg-payments-prod", SubscriptionID: sampleID(0), SubscriptionName: "Payments production",
		PortalURL: "https://portal.azure.com/#resource", Place: "5 of 312 results", BackURL: ScanFindingsURL(sampleScanID, ""),
		PreviousURL: ScanResultURL(sampleScanID, 4, ""), NextURL: ScanResultURL(sampleScanID, 6, ""), HistoryNote: "This control on this resource",
		Exception: &Exception{State: "Approved", Justification: "Planned.", Ends: sampleNow.Add(9 * 24 * time.Hour), EndsText: "11/30/2026 00:00:00",
			Warning: &Problem{Tone: ToneWarning, Title: "The exception ends in 9 days", What: "It ends on 30 November 2026.", Next: "Mend it."}},
		History: []PastResult{{sampleScanID, "", "Exempted", "false", sampleNow}, {"01jd5y2mn6b9r4w7", ScanResultURL("01jd5y2mn6b9r4w7", 7, ""), "Failed", "false", sampleNow.Add(-50 * time.Hour)}}}
}

// findingsSamples are what a scan found, in its states.
func findingsSamples() map[string]templ.Component {
	with := func(f *ScanFindings) templ.Component {
		v := sampleScan(ScanPartial)
		v.Findings = f
		return Scan(v)
	}
	short := sampleFindings(3)
	short.Warnings = []Problem{{Tone: ToneWarning, Title: "Some results are missing here", What: "Not complete: Payments production (10 missing)."}}
	reading := sampleFindings(11)
	reading.Live, reading.Note = true, "More results are coming in."
	empty := sampleFindings(0)
	empty.List.Empty = &EmptyList{"No result has status Passed.", []Chip{{"Drop status: 12 results", ScanFindingsURL(sampleScanID, "")}}}
	bare := sampleResult()
	bare.Description, bare.Reason, bare.Evidence, bare.Fix, bare.DocsURL, bare.PortalURL = "", "", "", nil, "", ""
	bare.Exception = &Exception{State: "Submitted", EndsText: "31/02/2026 25:61:00"}
	bare.History, bare.Place, bare.PreviousURL, bare.NextURL = nil, "", "", ""
	bad := "javascript:alert(1)"
	hostileList := &ResultList{ScanID: hostile, Action: bad, Hidden: []Field{{hostile, hostile}}, Text: hostile, Clear: bad, Several: true, Total: 1, All: 1,
		Chips: []Chip{{hostile, bad}}, Columns: []SortColumn{{hostile, bad, hostile}}, Sizes: []NavItem{{hostile, bad, true}}, Export: ExportChoice{hostile, hostile, bad, bad, bad},
		Filters: []Filter{{Name: "status", Label: hostile, Values: []FilterValue{{hostile, hostile, 1, true}}, TypedName: hostile, Rest: 1},
			{Name: "control", Label: hostile, More: []FilterValue{{hostile, hostile, 1, true}}}, {Name: "severity", Label: hostile, Values: []FilterValue{{hostile, hostile, 1, false}}}},
		Rows:  []Finding{{Anchor: hostile, URL: bad, Control: hostile, Status: hostile, Severity: hostile, Resource: hostile, Group: hostile, Subscription: hostile, Reason: hostile}},
		Pager: Pager{Noun: hostile, To: 1, PrevURL: bad}}
	return map[string]templ.Component{
		"found":         with(sampleFindings(50)),
		"found-short":   with(short),
		"found-reading": with(reading),
		"found-none":    with(empty),
		"found-early":   with(&ScanFindings{ScanID: sampleScanID, Live: true, Early: true}),
		"found-waits":   with(&ScanFindings{ScanID: sampleScanID, Live: true, Note: "They appear here."}),
		"found-gone":    with(&ScanFindings{ScanID: sampleScanID, Gone: &Problem{Tone: ToneInfo, Title: "The results of this scan are not kept any more"}}),
		"result":        ScanResult(sampleResult()),
		"result-bare":   ScanResult(bare),
		"hostile-found": with(&ScanFindings{ScanID: hostile, Live: true, Note: hostile, Warnings: []Problem{{Title: hostile, What: hostile}}, Total: 1, AllURL: bad, RestURL: bad, Others: 1,
			Charts: []Chart{{Title: hostile, Field: "status", Bars: []Bar{{Label: hostile, URL: bad, Rows: 1, Of: 1}}, More: []Bar{{Label: hostile, URL: bad}}, Rest: 1}}, List: hostileList}),
		"hostile-result": ScanResult(ScanResultPage{Page: hostilePage(), ScanID: hostile, Title: hostile, ControlID: hostile, Status: hostile, Severity: hostile, Category: hostile,
			DocsURL: bad, Description: hostile, Reason: hostile, Evidence: hostile, Fix: []FixPart{{hostile, true}, {hostile, false}}, Resource: hostile, ResourceID: hostile, Group: hostile,
			SubscriptionID: hostile, SubscriptionName: hostile, PortalURL: bad, Place: hostile, BackURL: bad, PreviousURL: bad, NextURL: bad, HistoryNote: hostile,
			Exception: &Exception{State: hostile, Justification: hostile, EndsText: hostile, Warning: &Problem{Title: hostile, What: hostile}},
			History:   []PastResult{{hostile, bad, hostile, hostile, sampleNow}}}),
	}
}

// TestBarsCarryTheirNumbersAsText: the bars themselves are not for everyone.
func TestBarsCarryTheirNumbersAsText(t *testing.T) {
	d := doc(t, "found")
	lines := d.Find(".bars li")
	if lines.Length() != 55 {
		t.Fatalf("%d bars", lines.Length())
	}
	first := lines.First()
	if got := strings.Join(strings.Fields(first.Text()), " "); got != "Critical 200 of 1,200 failed" {
		t.Errorf("the first bar reads %q", got)
	}
	if first.ChildrenFiltered("svg").AttrOr("aria-hidden", "") != "true" {
		t.Error("screen readers meet the bar itself")
	}
	for selector, want := range map[string]string{".bar-bad": "16.7", ".bar-ok": "41.7", ".bar-rest": "41.7"} {
		if got := first.Find(selector).AttrOr("width", ""); got != want {
			t.Errorf("%s is %s wide, want %s", selector, got, want)
		}
	}
}

// TestWhatSomebodyChoosesIsNotReplaced: the script replaces live regions.
func TestWhatSomebodyChoosesIsNotReplaced(t *testing.T) {
	d := doc(t, "found-reading")
	if n := d.Find("[data-live-scan] form.sieve").Length(); n != 0 {
		t.Error("the filters are in a part that is replaced")
	}
	if n := d.Find("#findings[data-live-scan] table").Length() + d.Find("#findings-summary[data-live-scan] .bars").Length(); n < 2 {
		t.Error("numbers and table do not follow")
	}
	if n := doc(t, "found").Find("#found [data-live-scan]").Length(); n != 0 {
		t.Error("what is done still follows")
	}
}
