package store

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/session"
)

// fileBytes is all that a SQLite database has on disk.
func fileBytes(t *testing.T, path string) []byte {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v: %v", files, err)
	}
	var all []byte
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, content...)
	}
	return all
}

// TestDeletedLeavesTheFile: whoever copies the file later must not find what was
// signed out or forgotten, though it is sealed.
func TestDeletedLeavesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portal.db")
	db := openTest(t, "sqlite:"+path)
	defer closed(t, db)
	now := time.Now().UTC().Truncate(time.Second)
	blob := func() []byte { // long enough for overflow pages
		b := make([]byte, 6000)
		rand.Read(b)
		return b
	}
	for name, remove := range map[string]func(rec session.Record) error{
		"sign-out": func(rec session.Record) error { _, err := db.DeleteSession(t.Context(), rec.ID); return err },
		"one of my sessions": func(rec session.Record) error {
			_, err := db.DeleteSessionOf(t.Context(), rec.Person, rec.ID)
			return err
		},
		"single sign-out": func(rec session.Record) error { _, err := db.DeleteSessionsBySID(t.Context(), "", rec.SID); return err },
		"forget":          func(rec session.Record) error { return db.DeleteToken(t.Context(), rec.ID, "r") },
		"clearing": func(rec session.Record) error {
			db.now = func() time.Time { return rec.EndsAt }
			_, err := db.ClearExpired(t.Context())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec, _ := aSession(now.Add(time.Hour))
			rand.Read(rec.ID[:])
			rec.Sealed, rec.SID = blob(), name
			renewed, token := blob(), blob()
			if err := db.CreateSession(t.Context(), rec, nil); err != nil {
				t.Fatal(err)
			}
			for _, sealed := range [][]byte{renewed, token} {
				if err := db.SaveTokens(t.Context(), rec.ID, entra.SealedToken{Resource: "r", Sealed: sealed, ExpiresAt: rec.EndsAt}); err != nil {
					t.Fatal(err)
				}
			}
			if all := fileBytes(t, path); !bytes.Contains(all, token[:64]) || !bytes.Contains(all, token[len(token)-64:]) {
				t.Fatal("the test looks for what was never there")
			}
			if err := remove(rec); err != nil {
				t.Fatal(err)
			}
			gone := [][]byte{token, renewed}
			if name != "forget" {
				gone = append(gone, rec.Sealed)
			}
			all := fileBytes(t, path)
			for i, b := range gone {
				for part := range slices.Chunk(b, 64) {
					if len(part) == 64 && bytes.Contains(all, part) {
						t.Fatalf("a part of %d is left in the file", i)
					}
				}
			}
		})
	}
}
