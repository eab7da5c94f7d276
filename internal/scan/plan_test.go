package scan_test

import (
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/scan"
)

// The rule: an hour that the change to summer time leaves out is run at the
// moment of the change, one that comes twice is run the first time, and a date
// that a zone leaves out has no run.
func TestNextRunOfAPlan(t *testing.T) {
	daily := func(hour int, zone string) scan.Plan { return scan.Plan{Every: scan.Daily, Hour: hour, Zone: zone} }
	weekly := func(day time.Weekday, hour int, zone string) scan.Plan {
		return scan.Plan{Every: scan.Weekly, Weekday: day, Hour: hour, Zone: zone}
	}
	for _, c := range []struct {
		what        string
		plan        scan.Plan
		after, want string
	}{
		{"later today", daily(7, "UTC"), "2026-01-10T06:59:59Z", "2026-01-10T07:00:00Z"},
		{"not at once again", daily(7, "UTC"), "2026-01-10T07:00:00Z", "2026-01-11T07:00:00Z"},
		{"in winter", daily(7, "Europe/Berlin"), "2026-01-10T12:00:00Z", "2026-01-11T06:00:00Z"},
		{"in summer", daily(7, "Europe/Berlin"), "2026-07-10T12:00:00Z", "2026-07-11T05:00:00Z"},
		{"the zone is a day ahead", daily(1, "Pacific/Kiritimati"), "2026-01-10T10:59:00Z", "2026-01-10T11:00:00Z"},
		{"the zone is a day behind", daily(23, "Pacific/Pago_Pago"), "2026-01-10T09:00:00Z", "2026-01-10T10:00:00Z"},
		{"half an hour off", daily(8, "Asia/Kolkata"), "2026-01-10T00:00:00Z", "2026-01-10T02:30:00Z"},
		{"the day before the gap", daily(2, "Europe/Berlin"), "2026-03-27T12:00:00Z", "2026-03-28T01:00:00Z"},
		{"the hour that is left out", daily(2, "Europe/Berlin"), "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		{"the hour after it", daily(3, "Europe/Berlin"), "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		{"the day after the gap", daily(2, "Europe/Berlin"), "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"},
		{"the hour that comes twice", daily(2, "Europe/Berlin"), "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z"},
		{"not its second time", daily(2, "Europe/Berlin"), "2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"},
		{"between its two times", daily(2, "Europe/Berlin"), "2026-10-25T00:30:00Z", "2026-10-26T01:00:00Z"},
		{"the gap in New York", daily(2, "America/New_York"), "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z"},
		{"twice in New York", daily(1, "America/New_York"), "2026-10-31T12:00:00Z", "2026-11-01T05:00:00Z"},
		{"a gap at midnight", daily(0, "Asia/Beirut"), "2026-03-28T12:00:00Z", "2026-03-28T22:00:00Z"},
		{"a gap of half an hour, with its hour's end", daily(2, "Australia/Lord_Howe"), "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"},
		{"the southern summer ends", daily(2, "Australia/Sydney"), "2026-04-04T12:00:00Z", "2026-04-04T15:00:00Z"},
		{"a date that the zone leaves out", daily(10, "Pacific/Apia"), "2011-12-29T20:00:00Z", "2011-12-30T20:00:00Z"},
		{"weekly, this week", weekly(time.Wednesday, 7, "UTC"), "2026-01-12T00:00:00Z", "2026-01-14T07:00:00Z"},
		{"weekly, next week", weekly(time.Wednesday, 7, "UTC"), "2026-01-14T07:00:00Z", "2026-01-21T07:00:00Z"},
		{"weekly, by the zone's day", weekly(time.Monday, 0, "Asia/Tokyo"), "2026-01-11T14:00:00Z", "2026-01-11T15:00:00Z"},
		{"the gap before midnight", daily(23, "America/Nuuk"), "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		{"the day after that", daily(23, "America/Nuuk"), "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"},
		{"weekly, in the gap before midnight", weekly(time.Saturday, 23, "America/Scoresbysund"), "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		{"weekly, on a date that the zone leaves out", weekly(time.Friday, 10, "Pacific/Apia"), "2011-12-23T20:00:00Z", "2012-01-05T20:00:00Z"},
		{"weekly, in the gap", weekly(time.Sunday, 2, "Europe/Berlin"), "2026-03-23T00:00:00Z", "2026-03-29T01:00:00Z"},
	} {
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.plan.Next(after)
		if err != nil || got.Format(time.RFC3339) != c.want || got.Location() != time.UTC {
			t.Errorf("%s: %v after %s is %v, %v; want %s", c.what, c.plan, c.after, got, err, c.want)
		}
	}
	for _, p := range []scan.Plan{{}, daily(24, "UTC"), daily(-1, "UTC"), daily(1, ""), daily(1, "Local"), daily(1, "Mars/Olympus"), daily(1, "../../etc/passwd"),
		daily(1, "localtime"), daily(1, "posixrules"), daily(1, "Factory"), daily(1, "posix/Europe/Berlin"), daily(1, "right/Europe/Berlin"),
		daily(1, strings.Repeat("x", 65)), weekly(7, 1, "UTC"), weekly(-1, 1, "UTC"), {Every: "hourly", Hour: 1, Zone: "UTC"}} {
		if at, err := p.Next(start); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("%+v: %v, %v", p, at, err)
		}
	}
}

// Over years and zones: a daily plan runs once on each local date that there is,
// always later than before.
func TestDailyPlanRunsOnceADate(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca", "Asia/Beirut", "America/Havana"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for hour := range 24 {
			plan := scan.Plan{Every: scan.Daily, Hour: hour, Zone: zone}
			at := time.Date(2026, 1, 1, 0, 0, 0, 0, loc)
			for range 400 {
				before := at
				if at, err = plan.Next(at); err != nil {
					t.Fatal(err)
				}
				a, b := before.In(loc), at.In(loc)
				if a.YearDay() == 1 && b.YearDay() == 1 {
					continue // the first
				}
				if tomorrow := time.Date(a.Year(), a.Month(), a.Day()+1, 12, 0, 0, 0, time.UTC); b.YearDay() != tomorrow.YearDay() {
					t.Fatalf("%s at %d: after %v comes %v", zone, hour, a, b)
				}
			}
		}
	}
}
