package storetest

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// pastLimit bounds what tests do to a database past the store.
const pastLimit = 30 * time.Second

// Exec runs statements on a database past the store.
func Exec(t testing.TB, databaseURL string, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), pastLimit)
	defer cancel()
	run, done := past(ctx, t, databaseURL)
	defer done()
	for _, s := range statements {
		if err := run(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// HoldWrites makes whoever writes scans wait until release is called.
func HoldWrites(t testing.TB, databaseURL string) (release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), pastLimit)
	run, done := past(ctx, t, databaseURL)
	statements := []string{"BEGIN IMMEDIATE"}
	if !isSQLite(databaseURL) {
		statements = []string{"BEGIN", "LOCK TABLE scans IN EXCLUSIVE MODE"}
	}
	for _, s := range statements {
		if err := run(ctx, s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	return func() {
		defer cancel()
		defer done()
		if err := run(ctx, "ROLLBACK"); err != nil {
			t.Errorf("letting writes go on: %v", err)
		}
	}
}

func isSQLite(databaseURL string) bool { return strings.HasPrefix(databaseURL, "sqlite:") }

// past opens one connection. The driver for SQLite is that of the store.
func past(ctx context.Context, t testing.TB, databaseURL string) (run func(context.Context, string) error, done func()) {
	t.Helper()
	if !isSQLite(databaseURL) {
		conn, err := pgx.Connect(ctx, databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context, s string) error { _, err := conn.Exec(ctx, s); return err }, func() { _ = conn.Close(ctx) }
	}
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(databaseURL, "sqlite:")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, s string) error { _, err := conn.ExecContext(ctx, s); return err }, func() { _ = conn.Close(); _ = db.Close() }
}
