package sandbox

import (
	"cmp"
	"slices"
	"time"
)

// scansPerDay is how many on-demand scans a subscription has per UTC day.
const scansPerDay = 10

// scanRecord is what has happened to one subscription. It is brought up to date
// when it is looked at; nothing runs in between.
type scanRecord struct {
	finished int       // scans with results, the nightly one before the start included
	last     time.Time // when the newest results came; zero: never
	running  []time.Time
	day      time.Time // the UTC day that today counts
	today    int
}

// record returns the settled state of a subscription. a.mu must be held.
func (a *azure) record(sub subscription) *scanRecord {
	now := a.s.now().UTC()
	rec := a.scans[sub.index]
	if rec == nil {
		rec = &scanRecord{}
		if !sub.virgin {
			rec.finished = 1
			rec.last = a.start.Add(-time.Hour - time.Duration(mix(sub.seed, 40)%uint64(29*time.Hour)))
		}
		a.scans[sub.index] = rec
	}
	if day := now.Truncate(24 * time.Hour); !rec.day.Equal(day) {
		rec.day, rec.today = day, 0
	}
	rec.running = slices.DeleteFunc(rec.running, func(ends time.Time) bool {
		if ends.After(now) {
			return false
		}
		if !sub.stuck {
			rec.finished++
			rec.last = ends
		}
		return true
	})
	return rec
}

// ask starts a scan now, unless the day's quota is used up.
func (a *azure) ask(sub subscription) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	rec := a.record(sub)
	if rec.today >= scansPerDay {
		return false
	}
	rec.today++
	number := rec.finished + len(rec.running)
	// Three quarters to five quarters of the usual time.
	quarter := a.s.options.ScanDuration / 4
	takes := 3*quarter + time.Duration(mix(sub.seed, 41, uint64(number))%uint64(2*quarter+1))
	rec.running = append(rec.running, a.s.now().UTC().Add(takes))
	slices.SortFunc(rec.running, func(x, y time.Time) int { return cmp.Compare(x.UnixNano(), y.UnixNano()) })
	return true
}

// newest returns the latest finished scan and when its results came; false if
// the subscription has never been scanned.
func (a *azure) newest(sub subscription) (run, time.Time, bool) {
	a.mu.Lock()
	rec := *a.record(sub)
	a.mu.Unlock()
	if rec.finished == 0 {
		return run{}, time.Time{}, false
	}
	return newRun(sub, rec.finished-1, a.s.options.ResultsPerSubscription > 0), rec.last, true
}
