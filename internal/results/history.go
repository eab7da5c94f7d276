package results

import (
	"context"
	"time"

	"azts.internal/portal/internal/access"
)

// MaxHistory is the most sets that History reads.
const MaxHistory = 60

// Past is a result as it was in one scan.
type Past struct {
	ScanID string
	At     time.Time // when its results were read
	Row    Row
}

// History returns a result in a person's newest scans that have it, the newest
// first. It reads at most limit sets, and at most [MaxHistory], that have results
// of the key's subscription, and keeps none of them in memory.
func (a *Archive) History(ctx context.Context, person access.PersonID, key Key, limit int) ([]Past, error) {
	if person.IsZero() || !key.Whole() {
		return nil, nil
	}
	recs, err := a.records.ResultSets(ctx, person, MaxSets)
	if err != nil {
		return nil, err
	}
	var out []Past
	left := min(limit, MaxHistory)
	for i := range recs {
		if left <= 0 {
			break
		}
		h, err := a.openHead(&recs[i])
		if err != nil || !h.has(key.Subscription) {
			continue
		}
		left--
		set, err := a.once(ctx, &recs[i], h)
		if unreadable(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		row, found, err := set.Find(key)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, Past{ScanID: recs[i].ScanID, At: recs[i].ChangedAt, Row: row})
		}
	}
	return out, nil
}

// has reports whether there are rows of a subscription.
func (h *head) has(subscription string) bool {
	for _, s := range h.Subscriptions {
		if s.ID == subscription {
			return s.Rows > 0
		}
	}
	return false
}

// Point is where compliance stood after a scan.
type Point struct {
	ScanID               string
	At                   time.Time
	Rows, Passed, Failed int
	Subscriptions        int // whose numbers are in it
}

// Trend returns how the numbers of a subscription went over a person's newest
// sets, the oldest first; with "", those of all subscriptions together. It reads
// no rows. Subscriptions that were not read whole do not count.
//
// Scans are of different subscriptions. So a point over all has, of each
// subscription, the numbers it last had: a scan of a single one moves that one,
// and not the whole.
func (a *Archive) Trend(ctx context.Context, person access.PersonID, subscription string, limit int) ([]Point, error) {
	if person.IsZero() {
		return nil, nil
	}
	// All that are kept, or the numbers of a subscription that was scanned long ago
	// would be missing in the first points.
	list, err := a.List(ctx, person, MaxSets)
	if err != nil {
		return nil, err
	}
	var out []Point
	var sum Point
	last := map[string]Subscription{}
	for i := len(list) - 1; i >= 0; i-- {
		changed := false
		for _, s := range list[i].Subscriptions {
			if s.State != SubWhole || subscription != "" && s.ID != fold(subscription) {
				continue
			}
			was := last[s.ID]
			sum.Rows += s.Rows - was.Rows
			sum.Passed += s.Passed - was.Passed
			sum.Failed += s.Failed - was.Failed
			last[s.ID] = s
			changed = true
		}
		if changed {
			sum.ScanID, sum.At, sum.Subscriptions = list[i].ScanID, list[i].ChangedAt, len(last)
			out = append(out, sum)
		}
	}
	return out[max(0, len(out)-max(limit, 0)):], nil
}
