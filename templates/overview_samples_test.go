package templates

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

func sampleSums(failed, fixed, open, gone int) []NewsSum {
	return []NewsSum{{ChangeNew, failed}, {ChangeFixed, fixed}, {ChangeOpen, open}, {ChangeGone, gone}}
}

// overviewSamples are the states of what changed, of exceptions and of the quota.
func overviewSamples() map[string]templ.Component {
	base := OverviewPage{Page: samplePage(HomeURL), SubscriptionCount: 12, PassedControls: 407, FailedControls: 94, ScanKey: "k1",
		Subscriptions: sampleSubscriptions(12), AsOf: sampleNow.Add(-40 * time.Second)}
	told := base
	told.Running, told.RunningScans = sampleScans()[:1], 1
	told.Subscriptions[3].UsedUpUntil, told.Subscriptions[3].ScansToday = sampleNow.Add(10*time.Hour), 10
	told.Quota = Quota{UsedUp: []string{"Data lake west Europe"}}
	told.Ended = []RepeatedNotice{{"The tenant ended the permission to scan for you.", sampleNow.Add(-3 * time.Hour)}}
	told.News = News{State: NewsThere, Kept: 12, Since: sampleNow.Add(-70 * time.Hour), Unchanged: 4, First: 1, Left: 2, Incomplete: 1, Sums: append(sampleSums(14, 31, 1178, 2), NewsSum{ChangeUndecided, 3}, NewsSum{ChangeUnknown, 40}),
		Changes: []NewsChange{{sampleNow.Add(-5 * time.Hour), sampleNames[:4], sampleSums(12, 30, 1100, 2), ScanCompareURL("01jd6w3qv8x5k2m9", "01jd6a7zt1c4h8p3"), true},
			{sampleNow.Add(-30 * time.Hour), sampleNames[4:5], sampleSums(2, 1, 78, 0), ScanCompareURL("01jd5y2mn6b9r4w7", "01jd6a7zt1c4h8p3"), false}},
		Ends: 11, EndedLately: 1, Exceptions: []ExceptionEnd{
			{"Enable secure transfer to storage accounts", "High", "stpayments0001", "Payments production", sampleNow.Add(30 * time.Hour), ScanResultURL("01jd6w3qv8x5k2m9", 4, "")},
			{"", "Critical", "", "Web shop", sampleNow.Add(-30 * time.Hour), ScanResultURL("01jd6w3qv8x5k2m9", 5, "")}}}
	out := map[string]templ.Component{"overview-news": Overview(told)}
	for name, news := range map[string]News{
		"late": {State: NewsLate, Since: sampleNow.Add(-70 * time.Hour)}, "failed": {State: NewsFailed}, "first": {State: NewsThere, Kept: 3},
		"still": {State: NewsThere, Kept: 3, Unchanged: 3, Since: sampleNow.Add(-70 * time.Hour)}, "unread": {State: NewsThere, Kept: 900, First: 1, Since: sampleNow.Add(-70 * time.Hour), ExceptionsNotKnown: 800},
	} {
		page := base
		page.News = news
		out["overview-news-"+name] = Overview(page)
	}
	rude := base
	rude.Page, rude.ScanKey, rude.Quota = hostilePage(), hostile, Quota{UsedUp: []string{hostile}}
	rude.Ended = []RepeatedNotice{{Text: hostile}}
	rude.News = News{State: NewsThere, Kept: 1, Since: sampleNow, Changes: []NewsChange{{Subscriptions: []string{hostile}, URL: "javascript:alert(1)"}},
		Exceptions: []ExceptionEnd{{hostile, hostile, hostile, hostile, sampleNow, "javascript:alert(1)"}}}
	out["hostile-news"] = Overview(rude)
	return out
}

func TestOverviewSaysWhatChanged(t *testing.T) {
	for name, wants := range map[string][]string{
		"overview-news": {"+14 new failures", "✓31 fixed", "=1,178 still open", "−2 gone resources", "4 subscriptions were not scanned since.", "2 more subscriptions were scanned since.",
			"11 exceptions end within 14 days, 1 ended in the last 14. The first 2 are listed.", "Ended", "Unnamed control"},
		"overview-news-late": {"still being worked out"}, "overview-news-failed": {"cannot be worked out now"}, "overview-news-first": {"When you come back to this page"},
		"overview-news-still": {"Nothing has changed"}, "overview-news-unread": {"1 subscription has its first results", "Not looked at: 800 subscriptions"},
	} {
		text := strings.Join(strings.Fields(doc(t, name).Find("#news").Text()), " ")
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q lacks %q", name, text, want)
			}
		}
		if name != "overview-news-still" && strings.Contains(text, "Nothing has changed") {
			t.Errorf("%s says that nothing has changed", name)
		}
	}
	if strings.Contains(doc(t, "overview-empty").Find("#news").Text(), "changed") {
		t.Error("without results it speaks of changes")
	}
	d := doc(t, "overview-news")
	// What is used up cannot be asked for; with what is chosen, one key does for all.
	keys := d.Find(`td form input[name=idempotency_key][value="k1"]`).Length()
	if buttons := d.Find("td form button[name=subscription]").Length(); buttons != 11 || keys != 11 || d.Find("td.box input:disabled").Length() != 1 {
		t.Errorf("%d buttons with %d keys", buttons, keys)
	}
}
