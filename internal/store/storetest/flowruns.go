package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/flows"
)

// TestRunRecords is what every implementation of flows.Records must do. a and b
// are two connections to the same records.
func TestRunRecords(t *testing.T, a, b flows.Records) {
	ctx := t.Context()
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	dana, hugo := access.PersonID{Authority: "t", Subject: "dana"}, access.PersonID{Authority: "t", Subject: "hugo"}
	run := func(owner access.PersonID, id string, at time.Time) flows.StoredRun {
		return flows.StoredRun{ID: id, Owner: owner, StartedAt: at, EndsAt: at.Add(24 * time.Hour), Head: []byte("head " + id), Sealed: []byte("sealed " + id), Version: 1}
	}
	one := run(dana, "one", now)
	if err := a.AddRun(ctx, one, 3); err != nil {
		t.Fatal(err)
	}
	got, err := b.LoadRun(ctx, dana, "one", now)
	if err != nil || !bytes.Equal(got.Sealed, one.Sealed) || !bytes.Equal(got.Head, one.Head) || got.Version != 1 || !got.EndsAt.Equal(one.EndsAt) || got.Owner != dana {
		t.Fatalf("%+v, %v", got, err)
	}
	missing := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, flows.ErrNoRun) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = b.LoadRun(ctx, hugo, "one", now)
	missing("somebody else's", err)
	_, err = b.LoadRun(ctx, dana, "one", one.EndsAt)
	missing("after its end", err)
	_, err = b.LoadRun(ctx, dana, "one\x00", now)
	missing("an id that no database can have", err)

	one.Share, one.Version, one.Sealed, one.EndsAt = []byte("share"), 2, []byte("changed"), one.EndsAt.Add(time.Hour)
	if kept, err := a.SaveRun(ctx, one); !kept || err != nil {
		t.Fatal(kept, err)
	}
	if kept, err := b.SaveRun(ctx, one); kept || err != nil {
		t.Errorf("a change of what had changed: %t, %v", kept, err)
	}
	if got, err := b.SharedRun(ctx, []byte("share"), now); err != nil || got.ID != "one" || string(got.Sealed) != "changed" || !got.EndsAt.Equal(one.EndsAt) {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = b.SharedRun(ctx, []byte("other"), now)
	missing("another share", err)
	_, err = b.SharedRun(ctx, []byte("share"), one.EndsAt)
	missing("a share after the end", err)

	for i := range 4 {
		if err := a.AddRun(ctx, run(dana, fmt.Sprint("more", i), now.Add(time.Duration(i+1)*time.Minute)), 3); err != nil {
			t.Fatal(err)
		}
	}
	list, err := b.RunsOf(ctx, dana, now, 10)
	if err != nil || len(list) != 3 || list[0].ID != "more3" || list[2].ID != "more1" || len(list[0].Sealed) != 0 {
		t.Errorf("%d runs, %v", len(list), err)
	}
	if list, err = b.RunsOf(ctx, hugo, now, 10); err != nil || len(list) != 0 {
		t.Errorf("of somebody else %d runs, %v", len(list), err)
	}
	if err := a.DeleteRun(ctx, hugo, "more3"); err != nil {
		t.Error(err)
	}
	if _, err := a.LoadRun(ctx, dana, "more3", now); err != nil {
		t.Errorf("deleted by somebody else: %v", err)
	}
	if err := a.DeleteRun(ctx, dana, "more3"); err != nil {
		t.Error(err)
	}
	_, err = b.LoadRun(ctx, dana, "more3", now)
	missing("deleted", err)
}
