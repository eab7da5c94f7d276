package handlers

import (
	"cmp"
	"fmt"
	"strings"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/templates"
)

// scans is the area of starting and following scans.
type scans struct {
	*frame
	service       *scan.Service
	subscriptions *subscriptions
	broker        *entra.Broker
	auth          *auth
	findings      *findings
}

// stateOf puts the domain's states into the few that people are shown.
func stateOf(one scan.Scan) templates.ScanState {
	_, _, other := one.Counts()
	return shownState(one.State, other)
}

// shownState is [stateOf] a scan of which other subscriptions ended without results.
func shownState(state scan.State, other int) templates.ScanState {
	switch state {
	case scan.Requested:
		return templates.ScanQueued
	case scan.Running:
		return templates.ScanRunning
	case scan.Waiting:
		return templates.ScanWaiting
	case scan.Stalled:
		return templates.ScanStalled
	case scan.Refused:
		return templates.ScanRefused
	case scan.Failed:
		return templates.ScanFailed
	case scan.Completed:
		if other > 0 {
			return templates.ScanPartial
		}
		return templates.ScanCompleted
	}
	return templates.ScanState(state)
}

func scanRow(one scan.Scan, names map[string]string) templates.ScanRow {
	row := templates.ScanRow{ID: string(one.ID), RequestedAt: one.RequestedAt, EndedAt: one.EndedAt, State: stateOf(one)}
	for _, part := range one.Parts {
		row.Subscriptions = append(row.Subscriptions, cmp.Or(names[part.SubscriptionID], part.SubscriptionID))
	}
	open, completed, other := one.Counts()
	for _, count := range []struct {
		n    int
		word string
	}{{completed, "completed"}, {open, "under way"}, {other, "not scanned"}} {
		if count.n > 0 {
			row.Summary = strings.TrimPrefix(fmt.Sprintf("%s, %d %s", row.Summary, count.n, count.word), ", ")
		}
	}
	return row
}
