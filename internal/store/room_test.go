package store_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/internal/store/storetest"
)

// TestAFullDatabaseSaysSo makes the databases answer as they do without room:
// PostgreSQL with its error code; SQLite, which has no other way to be told, by a
// limit of its own (web has a disk that is full). What cannot be stored is said
// in words, and is not there; Ping knows until there is room again.
func TestAFullDatabaseSaysSo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		db, err := store.Open(t.Context(), databaseURL, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		fill, free := func() { store.LimitPages(t, db, 1) }, func() { store.LimitPages(t, db, 1<<30) }
		if !strings.HasPrefix(databaseURL, "sqlite:") {
			fill = func() {
				storetest.Exec(t, databaseURL,
					"CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$",
					"CREATE TRIGGER no_room BEFORE INSERT ON used_values EXECUTE FUNCTION no_room()",
					"CREATE TRIGGER no_room BEFORE INSERT ON visits EXECUTE FUNCTION no_room()")
			}
			free = func() { storetest.Exec(t, databaseURL, "DROP FUNCTION no_room() CASCADE") }
		}
		person := access.PersonID{Authority: "tenant", Subject: strings.Repeat("long ", 40_000)}
		visit := access.Visit{BeganAt: time.UnixMicro(1).UTC()}
		fill()
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("before a write fails: %v", err)
		}
		if err := db.KeepVisit(t.Context(), person, access.Visit{}, visit); !apperr.HasCode(err, "storage_full") {
			t.Errorf("without room: %v", err)
		}
		if got, err := db.VisitOf(t.Context(), person); err != nil || got != (access.Visit{}) {
			t.Errorf("what was refused: %+v, %v", got, err)
		}
		if err := db.Ping(t.Context()); !apperr.HasCode(err, "storage_full") {
			t.Errorf("still without room: %v", err)
		}
		free()
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("with room again: %v", err)
		}
		if err := db.KeepVisit(t.Context(), person, access.Visit{}, visit); err != nil {
			t.Errorf("with room again: %v", err)
		}
	})
}
