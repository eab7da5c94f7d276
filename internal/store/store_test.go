package store

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/store/storetest"
	"azts.internal/portal/session"
)

func openTest(t testing.TB, databaseURL string) *DB {
	t.Helper()
	db, err := Open(t.Context(), databaseURL, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func closed(t *testing.T, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestRecords(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			databaseURL := kind.New(t)
			a := openTest(t, databaseURL)
			defer closed(t, a)
			b := a
			if kind.Replicas {
				b = openTest(t, databaseURL)
				defer closed(t, b)
				storetest.TestReplicaLocks(t, a, b)
			}
			storetest.TestRecords(t, a, b)
		})
	}
}

// aSession is a session with one token.
func aSession(endsAt time.Time) (session.Record, entra.SealedToken) {
	rec := session.Record{ID: session.ID{1, 2, 3}, Person: access.PersonID{Authority: "t", Subject: "ann"}, Issuer: "i", SID: "s",
		Sealed: []byte("sealed"), CreatedAt: endsAt.Add(-time.Hour), LastSeenAt: endsAt.Add(-time.Hour), ExpiresAt: endsAt, EndsAt: endsAt}
	return rec, entra.SealedToken{Resource: "r", Sealed: []byte("token"), ExpiresAt: endsAt}
}

func TestWhatWasAcknowledgedIsThereAfterReopening(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		rec, token := aSession(time.Now().Add(time.Hour))
		db := openTest(t, databaseURL)
		if err := db.CreateSession(t.Context(), rec, nil); err != nil {
			t.Fatal(err)
		}
		if err := db.SaveTokens(t.Context(), rec.ID, token); err != nil {
			t.Fatal(err)
		}
		if _, err := db.UseOnce(t.Context(), "v", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		closed(t, db)

		db = openTest(t, databaseURL) // the schema's steps are taken a second time
		defer closed(t, db)
		if got, err := db.LoadSession(t.Context(), rec.ID, time.Now()); err != nil || string(got.Sealed) != "sealed" {
			t.Errorf("session %+v, %v", got, err)
		}
		if got, err := db.LoadToken(t.Context(), rec.ID, "r"); err != nil || string(got.Sealed) != "token" {
			t.Errorf("token %+v, %v", got, err)
		}
		if first, err := db.UseOnce(t.Context(), "v", time.Now().Add(time.Hour)); err != nil || first {
			t.Errorf("a used value is first again: %v, %v", first, err)
		}
	})
}

func TestReplicasThatStartTogetherAgreeOnTheSchema(t *testing.T) {
	for _, kind := range storetest.Databases() {
		if !kind.Replicas {
			continue // one process at a time
		}
		t.Run(kind.Name, func(t *testing.T) {
			databaseURL := kind.New(t)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					db, err := Open(t.Context(), databaseURL, time.Now, slog.New(slog.DiscardHandler))
					if err != nil {
						t.Error(err)
						return
					}
					defer closed(t, db)
					if err := db.Ping(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestSQLiteFileBelongsToOnePortal(t *testing.T) {
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "portal.db")
	db := openTest(t, databaseURL)
	if second, err := Open(t.Context(), databaseURL, time.Now, slog.New(slog.DiscardHandler)); !errors.Is(err, errOwned) {
		t.Errorf("a second portal: %v", err)
		if err == nil {
			closed(t, second)
		}
	}
	closed(t, db)
	closed(t, openTest(t, databaseURL)) // given back
}

// TestAttackSQLiteFileUnderAnotherName: two portals on one file would each
// remember sessions that the other ended.
func TestAttackSQLiteFileUnderAnotherName(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "real", "portal.db")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	link, folder := filepath.Join(dir, "link.db"), filepath.Join(dir, "folder")
	if err := errors.Join(os.Symlink(file, link), os.Symlink(filepath.Dir(file), folder)); err != nil {
		t.Fatal(err)
	}
	wantOwned := func(paths ...string) {
		t.Helper()
		for _, path := range paths {
			if second, err := Open(t.Context(), "sqlite:"+path, time.Now, slog.New(slog.DiscardHandler)); !errors.Is(err, errOwned) {
				t.Errorf("a second portal at %s: %v", filepath.Base(path), err)
				if err == nil {
					closed(t, second)
				}
			}
		}
	}
	db := openTest(t, "sqlite:"+link) // makes the file at the link's other end
	wantOwned(file, link, filepath.Join(folder, "portal.db"))
	closed(t, db)
	db = openTest(t, "sqlite:"+file)
	wantOwned(link, filepath.Join(folder, "portal.db"))
	closed(t, db)

	if err := os.Link(file, filepath.Join(dir, "hard.db")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(dir, "hard.db")} {
		if db, err := Open(t.Context(), "sqlite:"+path, time.Now, slog.New(slog.DiscardHandler)); !errors.Is(err, errLinked) {
			t.Errorf("with a hard link, at %s: %v", filepath.Base(path), err)
			if err == nil {
				closed(t, db)
			}
		}
	}
}

func TestPing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		db := openTest(t, databaseURL)
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("open: %v", err)
		}
		closed(t, db)
		if err := db.Ping(t.Context()); err == nil {
			t.Error("a closed database answers")
		}
	})
}

func TestSQLiteFilesAreTheirOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, "sqlite:"+filepath.Join(dir, "portal.db"))
	defer closed(t, db)
	rec, _ := aSession(time.Now().Add(time.Hour))
	if err := db.CreateSession(t.Context(), rec, nil); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		files++
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", filepath.Base(path), mode)
		}
		return nil
	})
	if err != nil || files < 2 { // the file and its write-ahead log
		t.Errorf("%d files, %v", files, err)
	}
}

func TestUnusableDatabaseURLsAreExplainedWithoutThePassword(t *testing.T) {
	const password = "hunter2-9Xq"
	file := filepath.Join(t.TempDir(), "not-a-database")
	if err := os.WriteFile(file, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ url, want string }{
		{"", "neither sqlite: nor postgres://"},
		{"portal.db", "neither sqlite: nor postgres://"},
		{"mysql://portal:" + password + "@db/portal", "neither sqlite: nor postgres://"},
		{"sqlite:", "path is missing"},
		{"sqlite::memory:", "plain file path"},
		{"sqlite:portal.db?mode=memory", "plain file path"},
		{"sqlite:" + filepath.Join(t.TempDir(), "no", "such", "portal.db"), "no such file or directory"},
		{"sqlite:" + t.TempDir(), "is a directory"},
		{"sqlite:" + file, "schema"},
		{"postgres://portal:" + password + "@[db/portal", "cannot be read"},
		{"postgres://portal:" + password + "@db:port/portal", "cannot be read"},
		{"postgres://portal:" + password + "%zz@db/portal", "cannot be read"},
		{"postgres://portal:" + password + "@db/portal?sslmode=" + password, "cannot be read"},
		{"postgres://portal:" + password + "@127.0.0.1:1/portal?connect_timeout=5", "refused"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		db, err := Open(ctx, tt.url, time.Now, slog.New(slog.DiscardHandler))
		cancel()
		if err == nil {
			t.Errorf("%q was opened", tt.url)
			closed(t, db)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "store: ") {
			t.Errorf("%q: %v; want %q", tt.url, err, tt.want)
		}
		if strings.Contains(err.Error(), password) {
			t.Errorf("the password is told: %v", err)
		}
	}
}

// counting notes how many rows each statement changed.
type counting struct {
	backend
	changed []int64
}

func (c *counting) exec(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := c.backend.exec(ctx, query, args...)
	c.changed = append(c.changed, n)
	return n, err
}

func TestExpiredRowsAreClearedInSmallSteps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		db := openTest(t, databaseURL)
		defer closed(t, db)
		now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		const many = 2*clearLimit + 5
		err := db.inTx(t.Context(), func(t tx) error {
			for i := range many {
				digest := []byte{byte(i >> 8), byte(i)}
				if _, err := t.exec(context.Background(), "INSERT INTO used_values (digest, until) VALUES ($1, $2)", digest, micros(now)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.UseOnce(t.Context(), "kept", now.Add(time.Microsecond)); err != nil {
			t.Fatal(err)
		}
		ended, token := aSession(now)
		live := ended
		live.ID, live.EndsAt = session.ID{9}, now.Add(time.Microsecond)
		for _, rec := range []session.Record{ended, live} {
			if err := errors.Join(db.CreateSession(t.Context(), rec, nil), db.SaveTokens(t.Context(), rec.ID, token)); err != nil {
				t.Fatal(err)
			}
		}
		for _, age := range []int{entra.HistoryDays, entra.HistoryDays - 1} {
			token.IssueID, token.IssuedAt = strconv.Itoa(age), now.AddDate(0, 0, -age)
			if err := db.SaveTokens(t.Context(), live.ID, token); err != nil {
				t.Fatal(err)
			}
		}
		steps := &counting{backend: db.backend}
		db.backend, db.now = steps, func() time.Time { return now }
		if n, err := db.ClearExpired(t.Context()); err != nil || n != many+2 {
			t.Errorf("cleared %d rows, %v; want %d", n, err, many+2)
		}
		for _, n := range steps.changed {
			if n > clearLimit {
				t.Errorf("one step cleared %d rows", n)
			}
		}
		if _, err := db.LoadSession(t.Context(), live.ID, now); err != nil {
			t.Errorf("the live session: %v", err)
		}
		if _, err := db.LoadToken(t.Context(), ended.ID, "r"); !errors.Is(err, entra.ErrNoToken) {
			t.Errorf("the token of the session that was cleared: %v", err)
		}
		if first, err := db.UseOnce(t.Context(), "kept", now); err != nil || first {
			t.Errorf("a value was forgotten before its time: %v, %v", first, err)
		}
		if list, total, err := db.Issues(t.Context(), live.Person, 10, 0); err != nil || total != 1 || list[0].ID != strconv.Itoa(entra.HistoryDays-1) {
			t.Errorf("of the history is left %+v, %v", list, err)
		}
		if n, err := db.ClearExpired(t.Context()); err != nil || n != 0 {
			t.Errorf("the second time %d rows went, %v", n, err)
		}
	})
}

// noteArgs is a job of these tests.
type noteArgs struct{ Text string }

func (noteArgs) Kind() string { return "test_note" }

type noteWorker struct {
	river.WorkerDefaults[noteArgs]
	done chan string
}

func (w *noteWorker) Work(_ context.Context, job *river.Job[noteArgs]) error {
	w.done <- job.Args.Text
	return nil
}

func TestJobExistsExactlyIfItsTransactionWasCommitted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		db := openTest(t, databaseURL)
		defer closed(t, db)
		workers := river.NewWorkers()
		notes := &noteWorker{done: make(chan string, 10)}
		river.AddWorker(workers, notes)
		jobs, err := db.NewJobs(workers, 2)
		if err != nil {
			t.Fatal(err)
		}
		failure := errors.New("rolled back")
		enqueue := func(text string, err error) error {
			return db.inTx(t.Context(), func(t tx) error {
				_, failed := t.enqueue(context.Background(), noteArgs{text}, nil)
				return errors.Join(failed, err)
			})
		}
		if err := enqueue("never", failure); !errors.Is(err, failure) {
			t.Fatalf("the transaction's error: %v", err)
		}
		if err := enqueue("once", nil); err != nil {
			t.Fatal(err)
		}
		var stored int
		if err := db.queryRow(t.Context(), "SELECT count(*) FROM river_job WHERE kind = $1", noteArgs{}.Kind()).Scan(&stored); err != nil || stored != 1 {
			t.Errorf("%d jobs are stored, %v", stored, err)
		}
		if err := jobs.Start(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		select {
		case text := <-notes.done:
			if text != "once" {
				t.Errorf("job %q ran", text)
			}
		case <-time.After(20 * time.Second):
			t.Error("the job did not run")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := jobs.Stop(ctx); err != nil {
			t.Error(err)
		}
		if len(notes.done) != 0 {
			t.Errorf("job %q ran as well", <-notes.done)
		}
	})
}

func TestExpiredRowsAreClearedWithoutBeingAsked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		asked := make(chan struct{}, 10)
		now := time.Now()
		db, err := Open(t.Context(), databaseURL, func() time.Time {
			asked <- struct{}{} // the clearing has begun
			return now
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer closed(t, db)
		rec, _ := aSession(now.Add(-time.Second))
		if err := db.CreateSession(t.Context(), rec, nil); err != nil {
			t.Fatal(err)
		}
		jobs, err := db.NewJobs(river.NewWorkers(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := jobs.Start(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		select {
		case <-asked:
		case <-time.After(20 * time.Second):
			t.Error("nothing was cleared")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := jobs.Stop(ctx); err != nil { // waits for the clearing to end
			t.Error(err)
		}
		// Asked for a time at which it lived, so that only its row decides.
		if list, err := db.SessionsOf(t.Context(), rec.Person, now.Add(-time.Hour), 10); err != nil || len(list) != 0 {
			t.Errorf("%d sessions that ended are left, %v", len(list), err)
		}
	})
}
