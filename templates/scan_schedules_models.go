package templates

import (
	"net/url"
	"strconv"
	"time"
)

// Addresses of repeated scans. Those that change something take POST only.
const (
	NewScheduleURL      = SchedulesURL + "/new"      // GET from
	ScheduleRunsURL     = SchedulesURL + "/runs"     // GET every, weekday, hour, zone; JSON
	ScheduleEndURL      = SchedulesURL + "/end"      // GET id asks; POST id
	ScheduleWithdrawURL = SchedulesURL + "/withdraw" // GET asks; POST
	SchedulePauseURL    = SchedulesURL + "/pause"    // POST id
	ScheduleResumeURL   = SchedulesURL + "/resume"   // POST id
	ScheduleRemoveURL   = SchedulesURL + "/remove"   // POST id
	ScheduleDismissURL  = SchedulesURL + "/dismiss"  // POST id
	ScheduleConfirmURL  = SchedulesURL + "/confirm"  // POST id; goes to the company sign-in
	ScheduleRenewURL    = SchedulesURL + "/renew"    // POST; goes to the company sign-in
)

// ScheduleOfScanURL returns the address of the form with the subscriptions of a
// scan chosen.
func ScheduleOfScanURL(scan string) string { return NewScheduleURL + "?from=" + url.QueryEscape(scan) }

// ScheduleEndAskURL returns the address that asks before a schedule ends.
func ScheduleEndAskURL(id string) string { return ScheduleEndURL + "?id=" + url.QueryEscape(id) }

// ScheduleState is where a repeated scan stands. An unknown value is shown as it is.
type ScheduleState string

// The states of repeated scans.
const (
	ScheduleUnconfirmed ScheduleState = "unconfirmed"
	ScheduleActive      ScheduleState = "active"
	SchedulePaused      ScheduleState = "paused"
	ScheduleEnded       ScheduleState = "ended"
)

// RunTime is a moment at which a scan runs.
type RunTime struct {
	At   time.Time
	Text string // in the zone of the plan
}

// ScheduleRow is one repeated scan.
type ScheduleRow struct {
	ID            string
	When          string // "Daily at 07:00"
	Zone          string // IANA name
	State         ScheduleState
	Subscriptions []string // names, or ids where there is no name
	Next          RunTime  // zero unless it is active
	LastAt        time.Time
	LastScan      string // id; empty: it never ran
	LastState     ScanState
	AgreedAt      time.Time
	Notice        *ScheduleNotice
}

// ScheduleNotice is what a repeated scan has to tell.
type ScheduleNotice struct {
	Title, What, Next string
	At                time.Time
	Renew             bool // a visit to the company sign-in mends it
}

// SchedulesPage lists the repeated scans of the person.
type SchedulesPage struct {
	Page
	Tabs []NavItem
	Rows []ScheduleRow // those that have ended last
	// PermissionSince is since when the permission for them is kept; zero: it is not.
	PermissionSince time.Time
}

// ScheduleEndPage asks before something ends.
type ScheduleEndPage struct {
	Page
	Row  ScheduleRow // the one that is to end; of no ID: all, with the permission
	Rows []ScheduleRow
	// Last is true when the permission goes with it.
	Last bool
}

// ScheduleFormPage is the form of a new repeated scan, with what was typed.
type ScheduleFormPage struct {
	Page
	Tabs []NavItem
	Key  string // makes pressing twice one schedule

	Query     string         // what was searched for
	Choices   []Subscription // found, at most a page of them
	Found     int            // how many were found
	Elsewhere []Subscription // chosen, and not among Choices
	IDs       string         // typed ids, one a line
	IDsError  string

	Every     string // daily or weekly
	Weekday   int    // 0 is Sunday
	Hour      int
	Zone      string
	ZoneAsked bool // the person chose it; else the browser's is put in
	Zones     []string
	Runs      []RunTime // the next ones
	PlanError string

	Agreed, AgreeError bool
	PermissionSince    time.Time // zero: nothing is kept yet

	Problem  *Problem
	Warnings []Problem
}

var weekdays = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

// weekdaysFromMonday are the values in the order in which they are offered.
var weekdaysFromMonday = [...]int{1, 2, 3, 4, 5, 6, 0}

func clockHour(hour int) string {
	if hour < 10 {
		return "0" + strconv.Itoa(hour) + ":00"
	}
	return strconv.Itoa(hour) + ":00"
}

var scheduleSigns = map[ScheduleState]sign{
	ScheduleUnconfirmed: {"Not confirmed", "s-exempt", iconPerson},
	ScheduleActive:      {"Active", "s-passed", iconCheck},
	SchedulePaused:      {"Paused", "s-verify", iconPause},
	ScheduleEnded:       {"Ended", "s-neutral", iconCross},
}

// scheduleSign shows the state of a repeated scan; an unknown one as it came.
func (r *ScheduleRow) sign() sign {
	if s, ok := scheduleSigns[r.State]; ok {
		return s
	}
	return sign{string(r.State), "s-unknown", iconAsk}
}

// named is the row in the name of a button: "Daily at 07:00, Payments".
func (r *ScheduleRow) named() string { return r.When + ", " + listNames(r.Subscriptions) }

// chosen counts what is chosen by a tick.
func (v *ScheduleFormPage) chosen() string {
	n := len(v.Elsewhere)
	for i := range v.Choices {
		if v.Choices[i].Selected {
			n++
		}
	}
	return number(n) + " chosen"
}

// more says that not all that was found is shown.
func (v *ScheduleFormPage) more() string {
	if v.Found <= len(v.Choices) {
		return ""
	}
	return "The first " + number(len(v.Choices)) + " of " + number(v.Found) + " are shown. Search to find the others; what is chosen stays chosen."
}
