package templates

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

// scheduleSamples are the pages about repeated scans: in each state, empty, with
// everything wrong that can be, and with hostile text everywhere.
func scheduleSamples() map[string]templ.Component {
	next := RunTime{At: sampleNow.Add(16 * time.Hour), Text: "Sun, 22 Nov 2026, 07:00 CET"}
	rows := []ScheduleRow{
		{ID: "aaaaaaaaaaaaaaaaaaaaaaaaaa", When: "Daily at 07:00", Zone: "Europe/Berlin", State: ScheduleActive, Subscriptions: sampleNames[:5], Next: next,
			LastAt: sampleNow.Add(-8 * time.Hour), LastScan: "01jd6a7zt1c4h8p3", LastState: ScanCompleted},
		{ID: "bbbbbbbbbbbbbbbbbbbbbbbbbb", When: "Mondays at 22:00", Zone: "America/Argentina/Buenos_Aires", State: ScheduleActive, Subscriptions: sampleNames[:1], Next: next,
			LastAt: sampleNow.Add(-3 * time.Hour), LastScan: "01jd6a7zt1c4h8p4", LastState: ScanWaiting, Notice: &ScheduleNotice{Title: "A repeated scan waits for you", At: sampleNow.Add(-3 * time.Hour),
				What: "The company sign-in wants to see you before this scan can run again.", Next: "Renew the permission.", Renew: true}},
		{ID: "cccccccccccccccccccccccccc", When: "Daily at 00:00", Zone: "UTC", State: SchedulePaused, Subscriptions: []string{strings.Repeat("A very long name ", 12)}},
		{ID: "dddddddddddddddddddddddddd", When: "Daily at 05:00", Zone: "UTC", State: ScheduleUnconfirmed, Subscriptions: sampleNames[:2],
			Notice: &ScheduleNotice{Title: "This scan is not repeated yet", What: "The portal does not have your permission for it.", Next: "Go on.", At: sampleNow}},
		{ID: "eeeeeeeeeeeeeeeeeeeeeeeeee", When: "Sundays at 03:00", Zone: "UTC", State: ScheduleEnded, Subscriptions: sampleNames[:2], LastAt: sampleNow.Add(-90 * time.Hour), LastScan: "01jd4k9fd3e7s1u5",
			Notice: &ScheduleNotice{Title: "A repeated scan has ended", What: "The company sign-in does not let the portal act for you any more.", Next: "Set it up again.", At: sampleNow.Add(-90 * time.Hour)}},
		{ID: "ffffffffffffffffffffffffff", When: "Daily at 05:00", Zone: "UTC", State: "suspended", Subscriptions: sampleNames[:2]},
	}
	tabs := []NavItem{{"My scans", ScansURL, false}, {"Repeated scans", SchedulesURL, true}}
	list := SchedulesPage{Page: samplePage(SchedulesURL), Tabs: tabs, Rows: rows, PermissionSince: sampleNow.Add(-40 * 24 * time.Hour)}
	form := ScheduleFormPage{Page: samplePage(NewScheduleURL), Tabs: tabs, Key: "k1", Choices: sampleSubscriptions(4), Found: 4, Every: "daily", Weekday: 1, Hour: 6, Zone: "UTC",
		Zones: []string{"UTC", "Europe/Berlin"}, Runs: []RunTime{next, next, next}}
	wrong := form
	wrong.Query, wrong.Found, wrong.Elsewhere, wrong.IDs = "pay", 312, []Subscription{{ID: sampleID(9), Name: "HR"}, {ID: sampleID(10)}}, "not an id"
	wrong.Choices = sampleSubscriptions(4)
	wrong.Choices[0].Selected = true
	wrong.IDsError, wrong.Every, wrong.Zone, wrong.ZoneAsked, wrong.Runs = "These are no ids of subscriptions: not, an, id.", "weekly", "Mars/Olympus", true, nil
	wrong.PlanError, wrong.AgreeError, wrong.PermissionSince = "This is not a time at which a scan can be repeated.", true, sampleNow.Add(-time.Hour)
	wrong.Problem, wrong.Warnings = &Problem{Title: "Nothing is repeated yet", What: "You have 20 repeated scans, which is the most.", Next: "End one.", Code: "schedule_many"}, []Problem{sampleARMWarning}

	bad := hostileSchedule()
	return map[string]templ.Component{
		"schedules": Schedules(list), "schedules-none": Schedules(SchedulesPage{Page: samplePage(SchedulesURL), Tabs: tabs}),
		"schedule-form": ScheduleForm(form), "schedule-form-wrong": ScheduleForm(wrong),
		"schedule-form-bare": ScheduleForm(ScheduleFormPage{Page: samplePage(NewScheduleURL), Every: "daily", Zone: "UTC"}),
		"schedule-end":       ScheduleEnd(ScheduleEndPage{Page: samplePage(ScheduleEndURL), Row: rows[0], Last: true}),
		"schedule-withdraw":  ScheduleEnd(ScheduleEndPage{Page: samplePage(ScheduleWithdrawURL), Rows: rows[:3]}),
		"hostile-schedules": Schedules(SchedulesPage{Page: hostilePage(), Tabs: []NavItem{{hostile, "javascript:alert(1)", true}}, Rows: []ScheduleRow{bad},
			PermissionSince: sampleNow}),
		"hostile-schedule-end": ScheduleEnd(ScheduleEndPage{Page: hostilePage(), Row: bad, Rows: []ScheduleRow{bad}}),
		"hostile-schedule-form": ScheduleForm(ScheduleFormPage{Page: hostilePage(), Key: hostile, Query: hostile, Choices: []Subscription{{ID: hostile, Name: hostile}}, Found: 9,
			Elsewhere: []Subscription{{ID: hostile}}, IDs: hostile, IDsError: hostile, Every: hostile, Zone: hostile, Zones: []string{hostile}, Runs: []RunTime{{Text: hostile}},
			PlanError: hostile, Problem: &Problem{Title: hostile, What: hostile, Next: hostile, Code: hostile}}),
	}
}

func hostileSchedule() ScheduleRow {
	return ScheduleRow{ID: hostile, When: hostile, Zone: hostile, State: hostile, Subscriptions: []string{hostile, hostile, hostile}, Next: RunTime{At: sampleNow, Text: hostile},
		LastAt: sampleNow, LastScan: hostile, LastState: hostile, Notice: &ScheduleNotice{Title: hostile, What: hostile, Next: hostile, Renew: true}}
}

// TestTheYesIsThePersons: what outlives the session is agreed to by a tick that
// nobody else has made, next to the words about it; and Enter in a field agrees
// to nothing.
func TestTheYesIsThePersons(t *testing.T) {
	for _, name := range []string{"schedule-form", "schedule-form-wrong", "schedule-form-bare"} {
		d := doc(t, name)
		yes := d.Find("input[type=checkbox][name=agreed]")
		if _, ticked := yes.Attr("checked"); yes.Length() != 1 || ticked {
			t.Errorf("%s: %d boxes, ticked %v", name, yes.Length(), ticked)
		}
		for _, word := range []string{"also when I am signed out", "sealed", "Signing out of the portal does not end it", "end your last repeated scan", "your company takes it back"} {
			if !strings.Contains(yes.Closest("section").Text(), word) {
				t.Errorf("%s does not say %q", name, word)
			}
		}
		if first := d.Find("form[data-schedule] button").First(); first.AttrOr("value", "") != "look" {
			t.Errorf("%s: Enter presses %q", name, first.Text())
		}
	}
}

func TestEndingNamesWhatGoes(t *testing.T) {
	end, all := doc(t, "schedule-end").Find("main").Text(), doc(t, "schedule-withdraw").Find("main").Text()
	for _, word := range []string{"Daily at 07:00", sampleNames[0], "the permission that is kept for it is erased"} {
		if !strings.Contains(end, word) {
			t.Errorf("the end of one does not name %q", word)
		}
	}
	for _, word := range []string{"Daily at 07:00", "Mondays at 22:00", "Daily at 00:00", "erased at once"} {
		if !strings.Contains(all, word) {
			t.Errorf("the end of all does not name %q", word)
		}
	}
}

func TestScheduleOffersWhatItsStateAllows(t *testing.T) {
	d := doc(t, "schedules")
	for i, want := range []string{SchedulePauseURL, SchedulePauseURL, ScheduleResumeURL, ScheduleConfirmURL, ScheduleRemoveURL, ScheduleRemoveURL} {
		row := d.Find("tbody tr").Eq(i)
		if got := row.Find("form").First().AttrOr("action", ""); got != want {
			t.Errorf("row %d offers %q, want %q", i, got, want)
		}
		if ends := row.Find("a.btn-danger").Length() == 1; ends != (i < 3) {
			t.Errorf("row %d can be ended: %v", i, ends)
		}
	}
	if n := d.Find(`form[action="` + ScheduleRenewURL + `"]`).Length(); n != 1 {
		t.Errorf("%d ways to renew", n)
	}
}
