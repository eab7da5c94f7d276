package store

import (
	"crypto/rand"
	"testing"

	"github.com/riverqueue/river"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/store/storetest"
)

func TestResultRecords(t *testing.T) {
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
			workers := river.NewWorkers()
			river.AddWorker(workers, &idle{})
			if _, err := a.NewJobs(workers, 1); err != nil {
				t.Fatal(err)
			}
			newScan := func(person access.PersonID) string {
				s := scan.Scan{ID: scan.ID(rand.Text()), Owner: person, Key: rand.Text(), State: scan.Requested, Version: 1}
				if _, _, err := a.CreateScan(t.Context(), s, scan.FollowArgs{Scan: s.ID}); err != nil {
					t.Fatal(err)
				}
				return string(s.ID)
			}
			deleteScan := func(id string) {
				if n, err := a.exec(t.Context(), "DELETE FROM scans WHERE id = $1", id); err != nil || n != 1 {
					t.Errorf("%d scans deleted, %v", n, err)
				}
			}
			storetest.TestResultRecords(t, a, b, newScan, deleteScan)
		})
	}
}
