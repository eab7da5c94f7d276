package templates

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

// startSamples are the pages that start scans and list them.
func startSamples() map[string]templ.Component {
	tabs := func(here string) []NavItem {
		return []NavItem{{"My scans", ScansURL, here == ScansURL}, {"New scan", NewScanURL, here == NewScanURL}}
	}
	choice := NewScanPage{Page: samplePage(NewScanURL), Tabs: tabs(NewScanURL), Query: NewScanQuery{Page: 1}, Subscriptions: sampleSubscriptions(12), IdempotencyKey: "k1", Limit: 1000, Paste: PastedIDs{Limit: 1000}}
	choice.Subscriptions[1].Selected = true
	choice.Subscriptions[10].UsedUpUntil = sampleNow.Add(9*time.Hour + 55*time.Minute)
	found := choice
	found.Query = NewScanQuery{Text: "pay", Only: OnlyFailing, Page: 2}
	found.Subscriptions, found.All = sampleSubscriptions(2), 212
	found.Pager = Pager{Noun: "subscriptions", From: 101, To: 200, Total: 214, PrevURL: "1", NextURL: "3"}
	found.Elsewhere = []Subscription{{ID: sampleID(9), Name: "HR"}, {ID: sampleID(10)}}
	found.Warnings = []Problem{sampleARMWarning}
	found.FormError = "Choose at least one subscription."
	checked := choice
	checked.Paste = PastedIDs{Text: "what\nwas pasted", Limit: 1000, Checked: "sum", Good: 7, More: 3, Marks: []PasteMark{
		{Line: 1, Entry: 2, Written: "not-an-id", Why: "This is not a subscription id."}, {Line: 3, Entry: 4, Written: sampleID(0), Why: "The same as entry 1."},
		{Line: 3, Entry: 5, Written: sampleID(40), Why: "It is not among your subscriptions: AzTS will probably refuse it.", ID: sampleID(40), Chosen: true}}}
	long := choice
	long.Paste = PastedIDs{Text: "x", Limit: 1000, Error: "The list has more than 1000 entries."}
	noRole := NewScanPage{Page: samplePage(NewScanURL), Tabs: tabs(NewScanURL), NoRole: true, Paste: PastedIDs{Limit: 1000, Open: true}}
	missed := NewScanPage{Page: samplePage(NewScanURL), Query: NewScanQuery{Text: "nothing", Only: OnlyNotToday}}
	none := NewScanPage{Page: samplePage(NewScanURL)}

	var rows []PastScan
	for i, row := range sampleScans() {
		past := PastScan{ScanRow: row, Total: len(row.Subscriptions), CanRepeat: !row.EndedAt.IsZero(), HasResults: row.State == ScanCompleted || row.State == ScanPartial}
		if i == 2 {
			past.Total, past.Schedule, past.CanDoRest = 12, "s1", true
			past.Outcomes = []ScanOutcome{{9, "completed"}, {2, "refused: requests used up"}, {1, "stalled: no new results"}}
		}
		rows = append(rows, past)
	}
	choice.UsedUp = sampleSubscriptions(2)
	for i := range choice.UsedUp {
		choice.UsedUp[i].UsedUpUntil = choice.Now.Add(9 * time.Hour)
	}
	history := ScansPage{Page: samplePage(ScansURL), Tabs: tabs(ScansURL), Rows: rows, Count: 5, Counted: true, IdempotencyKey: "k1"}
	filtered := history
	filtered.Query, filtered.Filtered = ScansQuery{State: string(ScanCompleted), Subscription: sampleID(0)}, "Payments production"
	filtered.Count, filtered.Counted, filtered.OlderURL, filtered.NewerURL = 10_001, false, ScansQuery{Older: "x.y"}.URL(), ScansQuery{Newer: "x.y"}.URL()
	filtered.Rows = rows[1:]
	which := ScansPage{Page: samplePage(ScansURL), Query: ScansQuery{Subscription: "pay"}, Which: []Action{{Label: "Payments production", URL: "/scans?subscription=1"}, {Label: "Payments test", URL: "/scans?subscription=2"}}}

	numbers := AdminScansPage{AdminFrame: sampleAdmin(AdminScansURL), Running: 12, Waiting: 3, Stalled: 1, People: 214, Schedules: 31}
	numbers.HasScans = true
	for i := range 14 {
		numbers.Days = append(numbers.Days, AdminScanDay{Day: sampleNow.AddDate(0, 0, -i), Total: 1200 - i*80, Completed: 1150 - i*80, Refused: 40, Failed: 9 - i/2, Stalled: 1, Open: i / 2})
	}

	return map[string]templ.Component{
		"admin-scans":        AdminScans(numbers),
		"new-scan":           NewScan(choice),
		"new-scan-found":     NewScan(found),
		"new-scan-checked":   NewScan(checked),
		"new-scan-long-list": NewScan(long),
		"new-scan-no-role":   NewScan(noRole),
		"new-scan-missed":    NewScan(missed),
		"new-scan-none":      NewScan(none),
		"scans":              Scans(history),
		"scans-filtered":     Scans(filtered),
		"scans-which":        Scans(which),
		"scans-none-such":    Scans(ScansPage{Page: samplePage(ScansURL), Query: ScansQuery{Subscription: "zzz"}, NoneSuch: true}),
		"scans-unmatched":    Scans(ScansPage{Page: samplePage(ScansURL), Query: ScansQuery{State: ScansOpen}, Counted: true}),
		"scans-none":         Scans(ScansPage{Page: samplePage(ScansURL), Counted: true}),
		"hostile-new-scan": NewScan(NewScanPage{Page: hostilePage(), Tabs: []NavItem{{hostile, "javascript:alert(1)", true}}, Query: NewScanQuery{Text: hostile, Only: hostile}, IdempotencyKey: hostile, FormError: hostile,
			Subscriptions: []Subscription{{ID: hostile, Name: hostile, AccessLevel: hostile}}, Elsewhere: []Subscription{{ID: hostile}}, Pager: Pager{Noun: hostile, To: 1, NextURL: hostile},
			Paste: PastedIDs{Text: "</textarea>" + hostile, Error: hostile, Checked: hostile, Marks: []PasteMark{{1, 1, hostile, hostile, hostile, true}}}}),
		"hostile-scans": Scans(ScansPage{Page: hostilePage(), Tabs: []NavItem{{hostile, "javascript:alert(1)", true}}, Query: ScansQuery{State: hostile, Subscription: hostile}, Filtered: hostile, IdempotencyKey: hostile, OlderURL: "javascript:alert(1)",
			Rows: []PastScan{{ScanRow: ScanRow{ID: hostile, Subscriptions: []string{hostile, hostile, hostile}, State: hostile, Summary: hostile}, Total: 9, Schedule: hostile,
				Outcomes: []ScanOutcome{{1, hostile}}, HasResults: true, CanRepeat: true, CanDoRest: true}}}),
		"hostile-scans-which": Scans(ScansPage{Page: hostilePage(), Query: ScansQuery{Subscription: hostile}, Which: []Action{{Label: hostile, URL: "javascript:alert(1)"}}}),
	}
}

// TestEnterSearchesAndNeverScans: the browser presses the first button of a
// form when Enter is pressed in a field.
func TestEnterSearchesAndNeverScans(t *testing.T) {
	for name := range startSamples() {
		if !strings.HasPrefix(name, "new-scan") {
			continue
		}
		d := doc(t, name)
		first := d.Find("form.scan-form button:not([type=button])").First()
		if first.Text() != "Search" || first.AttrOr("formaction", "") != NewScanURL {
			t.Errorf("%s: the first button of the form is %q and posts to %q", name, first.Text(), first.AttrOr("formaction", ""))
		}
		if n := d.Find("button[form], input[form]").Length(); n != 0 {
			t.Errorf("%s: a button outside of the form may come before its first one", name)
		}
		starts := d.Find("form.scan-form button:not([formaction]):not([type=button])")
		if starts.Length() != 1 || starts.AttrOr("name", "") != "idempotency_key" {
			t.Errorf("%s: %d buttons start a scan", name, starts.Length())
		}
	}
}

func TestScanFormKeepsTheChoice(t *testing.T) {
	d := doc(t, "new-scan-found")
	if got := d.Find("form.scan-form .chips input[name=subscription][checked]").Length(); got != 2 {
		t.Errorf("%d chosen elsewhere are kept, want 2", got)
	}
	if got := d.Find("[data-count]").Text(); got != "2 chosen" {
		t.Errorf("count says %q", got)
	}
	if got := d.Find(".pager button[name=page]"); got.Length() != 2 || got.First().AttrOr("value", "") != "1" || got.Last().AttrOr("value", "") != "3" {
		t.Errorf("%d buttons turn the page", got.Length())
	}
	if got := doc(t, "new-scan-long-list").Find("#list").AttrOr("aria-describedby", ""); !strings.Contains(got, "list-error") {
		t.Errorf("the field does not name its error: %q", got)
	}
	if got := doc(t, "new-scan-checked").Find("#list").Text(); got != "what\nwas pasted" {
		t.Errorf("what was pasted is now %q", got)
	}
}

func TestUsedUpSubscriptionSaysUntilWhen(t *testing.T) {
	row := doc(t, "new-scan").Find("tbody tr").Eq(10)
	if _, disabled := row.Find("input").Attr("disabled"); !disabled || row.Find("time[datetime='2026-11-22T00:00:00Z']").Length() != 1 {
		t.Errorf("the row is %s", row.Text())
	}
}

func TestWhatAScanWasOf(t *testing.T) {
	for want, s := range map[string]PastScan{
		"a":                                  {Total: 1, ScanRow: ScanRow{Subscriptions: []string{"a"}}},
		"2 subscriptions: a and b":           {Total: 2, ScanRow: ScanRow{Subscriptions: []string{"a", "b"}}},
		"3 subscriptions: a, b and c":        {Total: 3, ScanRow: ScanRow{Subscriptions: []string{"a", "b", "c"}}},
		"12 subscriptions: a, b and 10 more": {Total: 12, ScanRow: ScanRow{Subscriptions: []string{"a", "b", "c"}}},
		"4 subscriptions":                    {Total: 4},
	} {
		if got := s.what(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestScanPlaceIsReadAsWritten(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 5, 0, 123456000, time.UTC)
	if got, id, ok := ParseScanPlace(ScanPlace(at, "scan.1")); !ok || !got.Equal(at) || id != "scan.1" {
		t.Errorf("%v %q %v", got, id, ok)
	}
	for _, bad := range []string{"", ".", "x", "x.", "!.a", ".a", "x." + strings.Repeat("a", 65)} {
		if _, _, ok := ParseScanPlace(bad); ok {
			t.Errorf("%q is read as a place", bad)
		}
	}
}
