package store

import (
	"errors"
	"testing"
	"time"

	"azts.internal/portal/internal/failures"
	"azts.internal/portal/internal/store/storetest"
)

func TestFailureRecords(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			databaseURL := kind.New(t)
			a := openTest(t, databaseURL)
			defer closed(t, a)
			b := a
			if kind.Replicas {
				b = openTest(t, databaseURL)
				defer closed(t, b)
			}
			storetest.TestFailureRecords(t, a, b)
		})
	}
}

// TestFailuresGoAfterTheirDays: what is too old is not only hidden.
func TestFailuresGoAfterTheirDays(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			db := openTest(t, kind.New(t))
			defer closed(t, db)
			now := db.now()
			for reference, age := range map[string]time.Duration{"OLD": failures.Days*24*time.Hour + time.Second, "YOUNG": failures.Days*24*time.Hour - time.Hour} {
				if err := db.KeepFailure(t.Context(), failures.Record{Reference: reference, At: now.Add(-age), Code: "c", Sealed: []byte{1}}, 10); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := db.ClearExpired(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := db.LoadFailure(t.Context(), "OLD", time.Time{}); !errors.Is(err, failures.ErrNotFound) {
				t.Errorf("the old one: %v", err)
			}
			if _, err := db.LoadFailure(t.Context(), "YOUNG", time.Time{}); err != nil {
				t.Errorf("the young one: %v", err)
			}
		})
	}
}
