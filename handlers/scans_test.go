package handlers

import (
	"testing"
	"time"

	"azts.internal/portal/internal/scan"
)

// TestAScanHasNotEndedInTheFuture: AzTS's clock may be ahead of ours.
func TestAScanHasNotEndedInTheFuture(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for ended, want := range map[time.Time]time.Time{now.Add(time.Second): now, now.Add(-time.Second): now.Add(-time.Second), {}: {}} {
		part := scan.Part{State: scan.PartCompleted, CompletedAt: ended}
		if got := target(scan.Scan{}, part, "", now).EndedAt; !got.Equal(want) {
			t.Errorf("ended at %v is shown as %v, want %v", ended, got, want)
		}
	}
}
