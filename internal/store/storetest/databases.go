// Package storetest is for tests: empty databases of each kind, and what every
// implementation of session.Records and entra.TokenRecords must do.
//
// SQLite is always there. PostgreSQL joins where the environment asks for it:
// on the server that PORTAL_TEST_POSTGRES_URL names, or else, with
// PORTAL_TEST_POSTGRES=1 or CI=true, on one that is started for the test binary
// and goes with it. Asked for and not to be had is a failure, never a silence.
package storetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is a kind of database under test.
type Database struct {
	Name string
	// Replicas says that several processes may share one database; SQLite
	// belongs to one.
	Replicas bool
	// New makes an empty database that goes with the test, and returns its URL.
	New func(t testing.TB) string
}

// Databases returns the kinds of database that are under test here.
func Databases() []Database {
	kinds := []Database{{Name: "sqlite", New: newSQLite}}
	if wantPostgres() {
		kinds = append(kinds, Database{Name: "postgres", Replicas: true, New: newPostgres})
	}
	return kinds
}

// Each runs test on an empty database of each kind.
func Each(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Helper()
	for _, kind := range Databases() {
		t.Run(kind.Name, func(t *testing.T) { test(t, kind.New(t)) })
	}
}

func wantPostgres() bool {
	return os.Getenv("PORTAL_TEST_POSTGRES_URL") != "" || os.Getenv("PORTAL_TEST_POSTGRES") == "1" || os.Getenv("CI") == "true"
}

func newSQLite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "portal.db") }

// databases counts those made by this process.
var databases atomic.Int64

func newPostgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("PORTAL_TEST_POSTGRES_URL")
	if server == "" {
		var err error
		if server, err = ownServer(); err != nil {
			t.Fatalf("PostgreSQL is asked for: %v", err)
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("PORTAL_TEST_POSTGRES_URL is not a URL")
	}
	// Other test binaries may use the same server: the process id keeps them apart.
	name := fmt.Sprintf("portal_%d_%d", os.Getpid(), databases.Add(1))
	onServer(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { onServer(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

// onServer runs one command on the server's own database.
func onServer(t testing.TB, server, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, command); err != nil {
		t.Errorf("%s: %v", strings.Fields(command)[0], err)
	}
}
