package failures_test

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/failures"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/trace"
)

// shelf is the simplest place that keeps what it is given, in memory.
type shelf struct {
	last failures.Record
	most int
}

func (s *shelf) KeepFailure(_ context.Context, rec failures.Record, most int) error {
	s.last, s.most = rec, most
	return nil
}

func (s *shelf) LoadFailure(_ context.Context, reference string, after time.Time) (failures.Record, error) {
	if s.last.Reference != reference || !s.last.At.After(after) {
		return failures.Record{}, failures.ErrNotFound
	}
	return s.last, nil
}

func (s *shelf) Failures(_ context.Context, q failures.Query) ([]failures.Record, error) {
	out := make([]failures.Record, q.Limit)
	return out, nil
}

func archive(t *testing.T, s *shelf, now func() time.Time) *failures.Archive {
	t.Helper()
	keys, err := seal.NewKeyRing(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	a, err := failures.New(s, keys, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWhatIsKeptIsSealedAndComesBack(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC)
	s := &shelf{}
	a := archive(t, s, func() time.Time { return now })
	in := failures.Failure{Reference: "7K3M9QX2RB41", Code: "state_unknown", Message: "Not begun here.", Path: "/tokens", Browser: "Edge on Windows",
		Network: "198.51.100.0/24", Account: "erika@contoso.example", Trace: &trace.Trace{Flow: "sign-in"}}
	if err := a.Keep(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for _, personal := range []string{"erika", "198.51", "Edge", "tokens"} {
		if bytes.Contains(s.last.Sealed, []byte(personal)) || strings.Contains(s.last.Code, personal) {
			t.Errorf("%s can be read in the database", personal)
		}
	}
	if s.most != failures.MostForeign {
		t.Errorf("%d are kept of answers that were not begun here", s.most)
	}
	got, err := a.Find(t.Context(), in.Reference)
	if err != nil || got.Account != in.Account || got.Code != in.Code || !got.At.Equal(now) || got.Trace == nil {
		t.Errorf("%+v, %v", got, err)
	}
	// Sealed for its own row: under another reference it does not open.
	s.last.Reference = "AAAAAAAAAAA1"
	if _, err := a.Find(t.Context(), "AAAAAAAAAAA1"); !apperr.HasCode(err, "failure_unreadable") {
		t.Errorf("moved to another row: %v", err)
	}
	s.last.Reference = in.Reference
	now = now.AddDate(0, 0, failures.Days)
	if _, err := a.Find(t.Context(), in.Reference); !apperr.IsKind(err, apperr.NotFound) {
		t.Errorf("after 7 days: %v", err)
	}
}

// TestAttackLargeAnswers: whatever is sent, a row stays small.
func TestAttackLargeAnswers(t *testing.T) {
	s := &shelf{}
	a := archive(t, s, time.Now)
	long := strings.Repeat("é", 1<<20)
	if err := a.Keep(t.Context(), failures.Failure{Reference: "R", Begun: true, Message: long, Next: long, Path: long, Browser: long, Account: long, Tenant: long, Purpose: long,
		Trace: &trace.Trace{Flow: long}}); err != nil {
		t.Fatal(err)
	}
	if len(s.last.Sealed) > 20<<10 || s.most != failures.MostBegun {
		t.Errorf("%d bytes, of %d", len(s.last.Sealed), s.most)
	}
	if got, err := a.Find(t.Context(), "R"); err != nil || got.Trace != nil || !strings.HasPrefix(got.Path, "éé") {
		t.Errorf("%v", err)
	}
	if _, err := a.Find(t.Context(), long); !apperr.IsKind(err, apperr.NotFound) {
		t.Errorf("a reference of a megabyte: %v", err)
	}
}

func TestListHasALimit(t *testing.T) {
	list, more, err := archive(t, &shelf{}, time.Now).List(t.Context(), failures.Query{Limit: 1 << 30})
	if err != nil || len(list) != failures.PageSize || !more {
		t.Errorf("%d, %v, %v", len(list), more, err)
	}
}

func TestNetworkNamesNoPerson(t *testing.T) {
	for address, want := range map[string]string{"198.51.100.77": "198.51.100.0/24", "::ffff:198.51.100.77": "198.51.100.0/24",
		"2001:db8:1:2::77": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48"} {
		if got := failures.Network(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if got := failures.Network(netip.Addr{}); got != "" {
		t.Errorf("%q", got)
	}
}
