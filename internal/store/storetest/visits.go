package storetest

import (
	"context"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
)

// VisitRecords keep when people were here.
type VisitRecords interface {
	VisitOf(ctx context.Context, person access.PersonID) (access.Visit, error)
	KeepVisit(ctx context.Context, person access.PersonID, was, next access.Visit) error
}

// TestVisitRecords tests records of visits; a and b are two views of one database.
func TestVisitRecords(t *testing.T, a, b VisitRecords) {
	ann, ben := access.PersonID{Authority: "tenant", Subject: "ann"}, access.PersonID{Authority: "tenant", Subject: "ben"}
	save := func(r VisitRecords, person access.PersonID, was, next access.Visit) {
		t.Helper()
		if err := r.KeepVisit(t.Context(), person, was, next); err != nil {
			t.Fatal(err)
		}
	}
	want := func(person access.PersonID, want access.Visit) {
		t.Helper()
		for _, r := range []VisitRecords{a, b} {
			if got, err := r.VisitOf(t.Context(), person); err != nil || got != want {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		}
	}
	want(ann, access.Visit{})
	first := access.Visit{BeganAt: start, SeenAt: start}
	save(a, ann, access.Visit{}, first)
	want(ann, first)
	want(ben, access.Visit{})
	second := access.Visit{BeganAt: start.Add(5 * time.Hour), SeenAt: start.Add(5 * time.Hour), BeforeAt: start}
	save(b, ann, first, second)
	want(ann, second)
	// A page that read before another kept something does not write over it.
	save(a, ann, first, access.Visit{BeganAt: start.Add(6 * time.Hour), SeenAt: start.Add(6 * time.Hour), BeforeAt: start})
	save(a, ann, access.Visit{}, access.Visit{BeganAt: start.Add(7 * time.Hour), SeenAt: start.Add(7 * time.Hour)})
	want(ann, second)
	save(a, ben, access.Visit{}, first)
	want(ben, first)
	want(ann, second)
}
