package templates

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

const sampleScanID = "01jd6w3qv8x5k2m9"

// sampleScan is a scan of five subscriptions in a state.
func sampleScan(state ScanState) ScanPage {
	v := ScanPage{Page: samplePage(ScanURL(sampleScanID)), Tabs: []NavItem{{"My scans", ScansURL, false}, {"New scan", NewScanURL, false}},
		ID: sampleScanID, RequestID: "20261121140325", State: state, Line: "AzTS is scanning. It says nothing until it is done.",
		RequestedAt: sampleNow.Add(-95 * time.Second), ChangedAt: sampleNow.Add(-20 * time.Second), AsOf: sampleNow, Total: 5, Ended: 3, Live: true,
		Usual: UsualTime{5, 40 * time.Second, 3 * time.Minute}}
	v.Page.Title = ""
	end := sampleNow.Add(-10 * time.Second)
	v.Targets = []ScanTarget{
		{SubscriptionID: sampleID(0), SubscriptionName: "Payments production", State: ScanCompleted, EndedAt: end, ResultsURL: SubscriptionResultsURL(sampleID(0), ResultsQuery{Scan: v.ID})},
		{SubscriptionID: sampleID(1), SubscriptionName: "Web shop", State: ScanRunning},
		{SubscriptionID: sampleID(2), SubscriptionName: "HR", State: ScanQueued},
		{SubscriptionID: sampleID(3), State: ScanRefused, EndedAt: end, Reason: "Its 10 scans of today are used up.", Next: "Scan it again after", NextAt: sampleNow.Add(10 * time.Hour)},
		{SubscriptionID: sampleID(4), SubscriptionName: "Archive 2019 to 2024", State: ScanFailed, EndedAt: end, Reason: "AzTS answered with an error.", Next: "Start the scan again. If it stays, tell the AzTS administrator."},
	}
	if state != ScanRunning {
		v.EndedAt, v.Ended, v.Live = end, 5, false
		v.Targets[1].State, v.Targets[1].EndedAt = ScanCompleted, end
		v.Targets[2].State, v.Targets[2].EndedAt = ScanStalled, end
		v.Line = "AzTS scanned 2 of 5. Below stands why the others were not scanned."
		v.Reading = ScanReading{State: ReadingPartial, Rows: 44_900, Expected: 45_000}
		v.Again = &Action{Label: "Scan the other 3 again", URL: ScanAgainURL(v.ID), Post: true, Fields: []Field{{"idempotency_key", "k1"}, {"of", "open"}}}
	}
	if state == ScanWaiting {
		v.EndedAt, v.Live, v.Again, v.Reading = time.Time{}, true, nil, ScanReading{}
		v.Problems = []Problem{{Tone: ToneWarning, Title: "This scan is waiting for you", What: "Your sign-in at the tenant ran out while the scan was followed.",
			Next: "Sign in once more at the company sign-in. The scan goes on by itself then.", Code: "signed_out", Reference: "r-7f3a9c1e52",
			Primary: &Action{Label: "Go on to the company sign-in", URL: ScanContinueURL(v.ID), Post: true}}}
	}
	return v
}

// followSamples are the pages of one scan in their states.
func followSamples() map[string]templ.Component {
	reading := sampleScan(ScanCompleted)
	reading.Live, reading.Reading = true, ScanReading{State: ReadingRuns, Rows: 12_300, Expected: 45_000}
	reading.Line, reading.Again.Label = "AzTS has scanned all of it.", "Scan again"
	waits := reading
	waits.Reading.State = ReadingWaits
	waits.Problems = []Problem{{Tone: ToneWarning, Title: "The results wait for you", What: "AzTS asks for a second factor.", Code: "claims_challenge",
		Primary: &Action{Label: "Go on to the company sign-in", URL: ScanContinueURL(waits.ID), Post: true}}}
	folded := sampleScan(ScanCompleted)
	folded.Folded, folded.Line, folded.Reading = true, "AzTS has scanned all of it.", ScanReading{State: ReadingWhole, Rows: 45_000, Expected: 45_000}
	gone := sampleScan(ScanCompleted)
	gone.Reading = ScanReading{State: ReadingGone, Expected: -1}
	stalled := sampleScan(ScanStalled)
	stalled.Problems = []Problem{{Tone: ToneWarning, Title: "AzTS has not finished in time", What: "AzTS has not finished this scan in time.", Code: "scan_stalled"}}
	many := sampleScan(ScanRunning)
	many.Total, many.Ended, many.RequestID, many.RequestIDs = 1000, 12, "", true
	many.Targets = nil
	for i := range 50 {
		many.Targets = append(many.Targets, ScanTarget{SubscriptionID: sampleID(i), SubscriptionName: sampleNames[i%len(sampleNames)], State: ScanRunning,
			Reason: "AzTS is scanning it.", RequestID: fmt.Sprint(20261121140325 + i)})
	}
	many.Pager = Pager{Noun: "subscriptions", From: 51, To: 100, Total: 1000, PrevURL: ScanTargetsURL(many.ID, 1), NextURL: ScanTargetsURL(many.ID, 3)}
	strange := ScanPage{Page: hostilePage(), Tabs: []NavItem{{hostile, "javascript:alert(1)", true}}, ID: hostile, RequestID: hostile, State: hostile, Line: hostile, RequestIDs: true,
		Reading: ScanReading{State: hostile}, Problems: []Problem{{Title: hostile, What: hostile, Next: hostile, Primary: &Action{Label: hostile, URL: "javascript:alert(1)"}}},
		Again:   &Action{Label: hostile, URL: hostile, Post: true, Fields: []Field{{hostile, hostile}}},
		Targets: []ScanTarget{{SubscriptionID: hostile, SubscriptionName: hostile, State: hostile, Reason: hostile, Next: hostile, RequestID: hostile, ResultsURL: "javascript:alert(1)"}}}
	return map[string]templ.Component{
		"scan": Scan(sampleScan(ScanRunning)), "scan-ended": Scan(sampleScan(ScanPartial)), "scan-waiting": Scan(sampleScan(ScanWaiting)),
		"scan-reading": Scan(reading), "scan-reading-waits": Scan(waits), "scan-gone": Scan(gone), "scan-folded": Scan(folded), "scan-stalled": Scan(stalled), "scan-many": Scan(many),
		"hostile-scan": Scan(strange), "leave": Leave(LeavePage{Page: samplePage(ScansURL), Scans: 2, StayURL: ScanURL(sampleScanID)}),
	}
}

func TestScanRegionIsFollowedWhileItRuns(t *testing.T) {
	running := doc(t, "scan").Find("#scan[data-live-scan='" + sampleScanID + "']")
	if _, ok := running.Attr("data-running"); !ok || running.AttrOr("data-announce", "") != "" {
		t.Error("a running scan is not followed, or announced as ended")
	}
	if running.Find("a[href='/scans/"+sampleScanID+"']").Length() != 1 || !strings.Contains(running.Text(), "Shown as of 14:05:00 UTC") {
		t.Error("no refresh link that says the time, for those without scripts")
	}
	ended := doc(t, "scan-ended").Find("#scan")
	if _, ok := ended.Attr("data-running"); ok {
		t.Error("an ended scan is still followed")
	}
	if got := ended.AttrOr("data-announce", ""); got != "Scan: Completed in part, 5 of 5 subscriptions ended. 44,900 of 45,000 results are read in; the others could not be read." {
		t.Errorf("announcement %q", got)
	}
	for _, name := range []string{"scan-waiting", "scan-reading", "scan-reading-waits"} {
		if doc(t, name).Find("#scan[data-running]").Length() != 1 {
			t.Errorf("%s is not followed, although it may change by itself", name)
		}
	}
}

// TestScanTitleTellsTheState: a tab in the background shows nothing else.
func TestScanTitleTellsTheState(t *testing.T) {
	for name, want := range map[string]string{"scan": "(3 of 5) Scan of 5 subscriptions · AzTS Portal", "scan-reading": "✓ Completed · Scan of 5 subscriptions · AzTS Portal",
		"scan-waiting": "⚠ Waiting for you · Scan of 5 subscriptions · AzTS Portal"} {
		if got := doc(t, name).Find("title").Text(); got != want {
			t.Errorf("%s: title %q, want %q", name, got, want)
		}
	}
}

func TestScanStates(t *testing.T) {
	for name, selectors := range map[string][]string{
		"scan":               {"button[data-tell][hidden]", "[data-since]", "td:contains('Scan it again after') time[data-local]"},
		"scan-waiting":       {"form[method=post][action='/scans/" + sampleScanID + "/continue'] button.btn-primary"},
		"scan-reading-waits": {"form[method=post][action='/scans/" + sampleScanID + "/continue'] button.btn-primary"},
		"scan-reading":       {".card-note:contains('Reading results: 12,300 of 45,000 rows.') svg"},
		"scan-folded":        {"details:not([open]) table", ".card-note:contains('45,000 results are read in.')"},
		"scan-gone":          {".card-note:contains('not kept any more')"},
		"scan-stalled":       {"form[action='/scans/" + sampleScanID + "/again'] input[name=idempotency_key]", "form input[name=of][value=open]", ".panel"},
		"scan-many":          {".pager a[rel=next]", "td:contains('AzTS request') code"},
	} {
		d := doc(t, name)
		for _, selector := range selectors {
			if d.Find("#scan "+selector).Length() == 0 {
				t.Errorf("%s has no %s", name, selector)
			}
		}
	}
}
