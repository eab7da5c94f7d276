package handlers

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/scan"
)

// TestTypedSchedule: what was typed is taken as it is meant, and what means
// nothing is told apart from what was not typed.
func TestTypedSchedule(t *testing.T) {
	const one, two = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-00000000000a"
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	form := url.Values{"subscription": {one, "<script>"}, "ids": {" " + strings.ToUpper(two) + ",nonsense;\r\n\"/subscriptions/" + one + "/resourceGroups/rg\" " + strings.Repeat("x", 4000)},
		"every": {"weekly"}, "weekday": {"0"}, "hour": {"23"}, "zone": {" Europe/Berlin "}}
	f := scheduleForm{form: form}
	f.read(now)
	if !slices.Equal(f.chosen, []string{one, two, one}) || f.planErr != nil || f.plan != (scan.Plan{Every: scan.Weekly, Weekday: time.Sunday, Hour: 23, Zone: "Europe/Berlin"}) {
		t.Errorf("chosen %q, plan %+v, %v", f.chosen, f.plan, f.planErr)
	}
	if len(f.invalid) != 2 || f.invalid[0] != "nonsense (line 1)" || len(f.invalid[1]) > 300 || !f.wrong() {
		t.Errorf("invalid %d: %.40q", len(f.invalid), f.invalid)
	}
	for name, value := range map[string]string{"hour": "noon", "weekday": "x", "every": "hourly", "zone": "Mars/Olympus"} {
		typed := url.Values{"subscription": {one}, "every": {"weekly"}, "weekday": {"1"}, "hour": {"6"}, "zone": {"UTC"}}
		typed.Set(name, value)
		f := scheduleForm{form: typed}
		if f.read(now); f.planErr == nil {
			t.Errorf("%s %q makes the plan %+v", name, value, f.plan)
		}
	}
}

func TestNextRunsAreToldInTheirZone(t *testing.T) {
	now := time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)
	runs, err := nextRuns(scan.Plan{Every: scan.Daily, Hour: 6, Zone: "Europe/Berlin"}, now)
	if err != nil || len(runs) != 3 {
		t.Fatalf("%+v, %v", runs, err)
	}
	for i, want := range []string{"Sat, 28 Mar 2026, 06:00 CET", "Sun, 29 Mar 2026, 06:00 CEST", "Mon, 30 Mar 2026, 06:00 CEST"} {
		if runs[i].Text != want {
			t.Errorf("run %d is told as %q, want %q", i, runs[i].Text, want)
		}
	}
	for _, zone := range zones {
		if _, err := (scan.Plan{Every: scan.Daily, Hour: 6, Zone: zone}).Next(now); err != nil {
			t.Errorf("%s is offered: %v", zone, err)
		}
	}
}
