package store

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"azts.internal/portal/internal/scan"
)

// errNoJobs says that a job was enqueued before [DB.NewJobs].
var errNoJobs = errors.New("store: no job queue yet")

const (
	// JobTimeout bounds one run of a job. Jobs are short steps that put
	// themselves off; none waits inside.
	JobTimeout = 30 * time.Second
	// rescueAfter is when a job whose process died is handed to another. It
	// must be longer than any run, or a job would run twice at once.
	rescueAfter = 40 * time.Second
	// clearEvery is how often expired rows are cleared.
	clearEvery = 10 * time.Minute
	// ownWorkers is how many jobs of no queue of their own run at once.
	ownWorkers = 8
	// lookEvery is how often jobs of scans that are due are fetched. River's own second
	// would use up half of what a look may be late.
	lookEvery = 500 * time.Millisecond
)

// Jobs is the running queue of this process.
type Jobs struct{ client jobClient }

// NewJobs prepares the job queue with its workers; call it once, before
// anything enqueues. looks is how many looks at scans may run at once, periodic
// what is to be done regularly. The store adds a worker of its own that clears
// expired rows. Nothing is worked until Start.
//
// River moves jobs that were put off to those that are due every 5 s, but looks
// as far ahead, and takes them by their own time: only right after the process
// died that did this may they be up to 20 s late, until another does.
func (db *DB) NewJobs(workers *river.Workers, looks int, periodic ...*river.PeriodicJob) (*Jobs, error) {
	river.AddWorker(workers, &clearWorker{db: db})
	client, err := db.newJobs(&river.Config{
		Logger: quiet(db.log),
		Queues: map[string]river.QueueConfig{
			river.QueueDefault: {MaxWorkers: ownWorkers},
			scan.Queue:         {MaxWorkers: looks, FetchPollInterval: lookEvery},
			scan.ReadQueue:     {MaxWorkers: scan.ReadsAtOnce, FetchPollInterval: lookEvery},
		},
		Workers:              workers,
		JobTimeout:           JobTimeout,
		RescueStuckJobsAfter: rescueAfter,
		PeriodicJobs: append(periodic,
			river.NewPeriodicJob(river.PeriodicInterval(clearEvery), func() (river.JobArgs, *river.InsertOpts) {
				return clearArgs{}, &river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByPeriod: clearEvery}}
			}, &river.PeriodicJobOpts{RunOnStart: true})),
	})
	if err != nil {
		return nil, err
	}
	return &Jobs{client: client}, nil
}

// Start begins to work jobs until Stop. It returns once the queue runs.
func (j *Jobs) Start(ctx context.Context) error { return j.client.Start(ctx) }

// Stop lets running jobs end; when ctx ends first, it cancels them and waits a
// moment more. A cancelled job is run again later.
func (j *Jobs) Stop(ctx context.Context) error {
	err := j.client.Stop(ctx)
	if err == nil {
		return nil
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return errors.Join(err, j.client.StopAndCancel(hard))
}

// inserted returns the id of a job that was inserted.
func inserted(result *rivertype.JobInsertResult, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.Job.ID, nil
}

// unlessGone drops the error for a job that has been cleared.
func unlessGone(err error) error {
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil
	}
	return err
}

// clearArgs is the job that clears expired rows.
type clearArgs struct{}

func (clearArgs) Kind() string { return "clear_expired" }

type clearWorker struct {
	river.WorkerDefaults[clearArgs]
	db *DB
}

func (w *clearWorker) Work(ctx context.Context, _ *river.Job[clearArgs]) error {
	_, err := w.db.ClearExpired(ctx)
	return err
}
