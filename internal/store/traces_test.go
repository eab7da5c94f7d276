package store

import (
	"testing"

	"azts.internal/portal/internal/store/storetest"
)

func TestRunRecords(t *testing.T) {
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
			storetest.TestRunRecords(t, a, b)
		})
	}
}
