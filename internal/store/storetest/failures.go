package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"azts.internal/portal/internal/failures"
)

// TestFailureRecords tests records of failed sign-ins; a and b are two views of
// one database.
func TestFailureRecords(t *testing.T, a, b failures.Records) {
	keep := func(r failures.Records, n int, code string, begun, verified bool, most int) {
		t.Helper()
		rec := failures.Record{Reference: fmt.Sprintf("REF%09d", n), At: start.Add(time.Duration(n) * time.Second), Code: code, Begun: begun, Verified: verified, Sealed: []byte{byte(n), 0, 255}}
		if err := r.KeepFailure(t.Context(), rec, most); err != nil {
			t.Fatal(err)
		}
	}
	list := func(q failures.Query) []string {
		t.Helper()
		var out []string
		got, err := b.Failures(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range got {
			if rec.Sealed != nil {
				t.Errorf("a list has the content of %s", rec.Reference)
			}
			out = append(out, rec.Reference[9:])
		}
		return out
	}
	want := func(got []string, want string) {
		t.Helper()
		if fmt.Sprint(got) != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	want(list(failures.Query{Limit: 10}), "[]")
	keep(a, 1, "state_unknown", true, false, 3)
	keep(b, 2, "AADSTS50105", true, false, 3)
	got, err := a.LoadFailure(t.Context(), "REF000000002", start)
	if err != nil || got.Code != "AADSTS50105" || !got.Begun || got.Verified || !got.At.Equal(start.Add(2*time.Second)) || !bytes.Equal(got.Sealed, []byte{2, 0, 255}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, reference := range []string{"REF000000003", "", "x\x00", "\xff"} {
		if _, err := a.LoadFailure(t.Context(), reference, start); !errors.Is(err, failures.ErrNotFound) {
			t.Errorf("%q: %v", reference, err)
		}
	}
	if _, err := a.LoadFailure(t.Context(), "REF000000002", start.Add(2*time.Second)); !errors.Is(err, failures.ErrNotFound) {
		t.Errorf("one that is too old: %v", err)
	}
	// Many of the one sort push out none of the others.
	for n := 10; n < 20; n++ {
		keep(a, n, "state_unknown", false, false, 4)
	}
	want(list(failures.Query{Limit: 100}), "[019 018 017 016 002 001]")
	keep(b, 20, "AADSTS50105", true, false, 2)
	want(list(failures.Query{Limit: 100}), "[020 019 018 017 016 002]")
	want(list(failures.Query{Limit: 2}), "[020 019]")
	want(list(failures.Query{Limit: 2, Before: start.Add(19 * time.Second), Reference: "REF000000019"}), "[018 017]")
	want(list(failures.Query{Limit: 9, Code: "AADSTS50105"}), "[020 002]")
	want(list(failures.Query{Limit: 9, Code: "' OR 1=1"}), "[]")
	want(list(failures.Query{Limit: 9, Code: "\x00"}), "[]")
	want(list(failures.Query{Limit: 9, After: start.Add(18 * time.Second)}), "[020 019]")
	keep(a, 21, "nonce_mismatch", true, true, 1)
	keep(a, 22, "state_unknown", true, false, 1)
	want(list(failures.Query{Limit: 3}), "[022 021 019]")
	if got, err := b.LoadFailure(t.Context(), "REF000000021", start); err != nil || !got.Verified {
		t.Errorf("a verified one: %+v, %v", got, err)
	}
}
