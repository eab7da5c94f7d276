package store

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/scan/scantest"
	"azts.internal/portal/internal/store/storetest"
)

func TestScheduleRecords(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		db := openTest(t, databaseURL)
		defer db.Close()
		workers := river.NewWorkers()
		river.AddWorker(workers, &idle{})
		if _, err := db.NewJobs(workers, 1); err != nil {
			t.Fatal(err)
		}
		scantest.Schedules(t, db, db)
	})
}

func TestDelegationRecords(t *testing.T) {
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
			storetest.TestDelegationRecords(t, a, b)
		})
	}
}

// kept is a delegation that always works.
type kept struct{ alwaysSignedIn }

func (kept) Kept(context.Context, access.PersonID) (time.Time, error) {
	return time.Unix(1, 0), nil
}
func (kept) Forget(context.Context, access.PersonID, time.Time) error { return nil }
func (kept) ForgetUnused(context.Context, time.Time) (int, error)     { return 0, nil }

// neverAzTS is for services that only start scans.
type neverAzTS struct{ scan.AzTS }

func (neverAzTS) RequestScan(context.Context, azts.TokenSource, []string) ([]azts.Outcome, error) {
	panic("AzTS is asked")
}

// A schedule that is due, and missed several runs while everything was down, is
// run once by two replicas that look at the same moment, again and again.
func TestDueScheduleRunsOnceOnAllReplicas(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) { dueRunsOnce(t, kind.New(t), kind.Replicas) })
	}
}

func dueRunsOnce(t *testing.T, databaseURL string, replicas bool) {
	var mu sync.Mutex
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	owner := access.PersonID{Authority: "t", Subject: "ann"}
	var services []*scan.Service
	var dbs []*DB
	for n := range 2 {
		if n == 0 || replicas {
			db := openTest(t, databaseURL)
			defer db.Close()
			workers := river.NewWorkers()
			river.AddWorker(workers, &idle{})
			if _, err := db.NewJobs(workers, 1); err != nil {
				t.Fatal(err)
			}
			dbs = append(dbs, db)
		}
		db := dbs[len(dbs)-1]
		service, err := scan.New(scan.Config{Records: db, AzTS: neverAzTS{}, Tokens: alwaysSignedIn{}, Log: slog.New(slog.DiscardHandler), Now: clock,
			Schedules: db, Delegations: kept{}})
		if err != nil {
			t.Fatal(err)
		}
		services = append(services, service)
	}
	one, err := services[0].AddSchedule(t.Context(), owner, scan.Wish{Subscriptions: []string{"00000000-0000-0000-0000-000000000001"},
		Plan: scan.Plan{Every: scan.Daily, Hour: 10, Zone: "Europe/Berlin"}, Agreed: true})
	if err == nil {
		err = services[0].ConfirmSchedule(t.Context(), owner, one.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	round := func(passed time.Duration, want int) {
		t.Helper()
		mu.Lock()
		now = now.Add(passed)
		mu.Unlock()
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				if err := services[n%2].RunDue(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		list, err := services[0].List(t.Context(), owner, 100)
		if err != nil || len(list) != want {
			t.Errorf("%d scans, want %d; %v", len(list), want, err)
		}
	}
	round(-time.Second, 0) // of 9:00 UTC, when it was made: 10:00 in Berlin is not after that
	round(24*time.Hour, 0)
	round(time.Second, 1)
	round(time.Hour, 1)
	round(5*24*time.Hour, 2) // five were missed
	round(24*time.Hour, 3)
}
