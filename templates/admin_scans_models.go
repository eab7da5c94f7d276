package templates

import "time"

// AdminScansURL is the page with the numbers of scans.
const AdminScansURL = "/admin/scans"

// AdminScansPage tells how scans go, in numbers: not whose they are, not of what,
// and not what they found.
type AdminScansPage struct {
	AdminFrame
	Running   int // now
	Waiting   int // for their owners, now
	Stalled   int // of these days
	People    int // who had a scan in these days
	Schedules int // active
	Days      []AdminScanDay
}

// AdminScanDay is what became of the scans requested on one day, UTC.
type AdminScanDay struct {
	Day                                              time.Time
	Total, Completed, Refused, Failed, Stalled, Open int
}

// dayText names a day; the year is in the machine's version beside it.
func (d *AdminScanDay) dayText() string { return d.Day.UTC().Format("Mon 2 Jan") }
