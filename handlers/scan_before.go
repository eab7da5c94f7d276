package handlers

import (
	"context"
	"iter"
	"slices"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/templates"
)

// choice lists the other scans of a person whose results are kept and that share
// a subscription with a scan.
func (c *comparisons) choice(ctx context.Context, person access.PersonID, id, selected string) (templates.CompareChoice, error) {
	out := templates.CompareChoice{Action: templates.CompareChoiceURL(id)}
	list, err := c.archive.List(ctx, person, results.MaxSets)
	if err != nil {
		return out, err
	}
	at := slices.IndexFunc(list, func(i results.Info) bool { return i.ScanID == id })
	if at < 0 {
		return out, nil
	}
	wanted := held(&list[at])
	for i := range list {
		n := shared(wanted, &list[i])
		if i == at || n == 0 {
			continue
		}
		if len(out.Options) == comparedChoices {
			out.More = true
			break
		}
		out.Options = append(out.Options, templates.CompareOption{ScanID: list[i].ScanID, At: list[i].CreatedAt, Subscriptions: n, Selected: list[i].ScanID == selected})
	}
	return out, nil
}

// held returns the subscriptions that a set has results of.
func held(set *results.Info) map[string]bool {
	out := make(map[string]bool, len(set.Subscriptions))
	for _, s := range set.Subscriptions {
		if s.Rows > 0 {
			out[s.ID] = true
		}
	}
	return out
}

// shared counts the subscriptions of those held that a set has results of.
func shared(held map[string]bool, set *results.Info) int {
	n := 0
	for _, s := range set.Subscriptions {
		if s.Rows > 0 && held[s.ID] {
			n++
		}
	}
	return n
}

// closest returns of some sets the one to compare another with: the first that has
// results of all its subscriptions, or else the first of those that have most; nil
// if none has any.
func closest(to *results.Info, sets iter.Seq[*results.Info]) (found *results.Info) {
	wanted, most := held(to), 0
	for one := range sets {
		if n := shared(wanted, one); one.State.Ended() && n > most {
			found, most = one, n
			if n == len(wanted) {
				break
			}
		}
	}
	return found
}

// older goes through what is older than a set in a list, newest first.
func older(list []results.Info, at int) iter.Seq[*results.Info] {
	return func(yield func(*results.Info) bool) {
		for i := at + 1; at >= 0 && i < len(list) && yield(&list[i]); i++ {
		}
	}
}

// weekBefore finds in a list, newest first, the scan to compare with another for
// what changed since last week: the closest of those that are a week older, or else
// of those that are a day older, the oldest first, with a note that says so. It is
// empty if there is none.
func weekBefore(list []results.Info, id string) (found, note string) {
	at := slices.IndexFunc(list, func(i results.Info) bool { return i.ScanID == id })
	if at < 0 {
		return "", ""
	}
	var week, days []*results.Info
	for one := range older(list, at) {
		switch age := list[at].CreatedAt.Sub(one.CreatedAt); {
		case age >= aWeek:
			week = append(week, one)
		case age >= 24*time.Hour:
			days = append(days, one)
		}
	}
	if one := closest(&list[at], slices.Values(week)); one != nil {
		return one.ScanID, ""
	}
	slices.Reverse(days)
	if one := closest(&list[at], slices.Values(days)); one != nil {
		return one.ScanID, "No scan with these subscriptions is a week older. The oldest one with most of them is of " + one.CreatedAt.UTC().Format("2 Jan 2006, 15:04 UTC") + "."
	}
	return "", ""
}

// previousOf returns the scan before another one, with which to compare it: the
// closest older one of a person whose results are kept; false if there is none, or
// it cannot be found out.
func (f *frame) previousOf(ctx context.Context, archive *results.Archive, person access.PersonID, id string) (string, bool) {
	list, err := archive.List(ctx, person, results.MaxSets)
	if err != nil {
		f.log.WarnContext(ctx, "the kept results cannot be listed", "err", err)
	}
	return previous(list, id, "")
}

// previous is previousOf in a list, newest first; for one subscription alone if it
// is given.
func previous(list []results.Info, id, subscription string) (string, bool) {
	at := slices.IndexFunc(list, func(i results.Info) bool { return i.ScanID == id })
	if at < 0 {
		return "", false
	}
	to := list[at]
	if subscription != "" {
		to.Subscriptions = []results.Subscription{{ID: subscription, Rows: 1}}
	}
	if one := closest(&to, older(list, at)); one != nil {
		return one.ScanID, true
	}
	return "", false
}
