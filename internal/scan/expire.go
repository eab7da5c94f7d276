package scan

import (
	"context"
	"time"

	"github.com/riverqueue/river"
)

// expireEvery is how often results whose time is over are deleted.
const expireEvery = time.Hour

// ExpireArgs is the job that deletes results whose time is over.
type ExpireArgs struct{}

// Kind names the job; it stands in the database and must not change.
func (ExpireArgs) Kind() string { return "results_expire" }

// InsertOpts lets one replica do it each hour; what it does not reach is left to
// the next.
func (ExpireArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByPeriod: expireEvery}}
}

func expirePeriodic() *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(expireEvery), func() (river.JobArgs, *river.InsertOpts) { return ExpireArgs{}, nil },
		&river.PeriodicJobOpts{RunOnStart: true})
}

type expirer struct {
	river.WorkerDefaults[ExpireArgs]
	service *Service
}

// Work implements river.Worker.
func (e *expirer) Work(ctx context.Context, _ *river.Job[ExpireArgs]) error {
	n, err := e.service.Expire(ctx)
	if n > 0 {
		e.service.log.InfoContext(ctx, "results deleted, since their time is over", "scans", n)
	}
	return err
}

// Expire deletes the results whose time is over and returns of how many scans.
func (s *Service) Expire(ctx context.Context) (int, error) {
	return s.results.Expire(ctx, s.now().Add(-s.retention))
}
