package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/doctor"
	"azts.internal/portal/templates"
)

// TestKeptReportsAreBounded: who looked longest ago makes room.
func TestKeptReportsAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	h := newSetupHealth(&frame{now: func() time.Time { return now }}, Parts{Now: time.Now}, nil)
	person := func(n int) access.PersonID { return access.PersonID{Authority: "t", Subject: strconv.Itoa(n)} }
	look := func(n int) *keptReport {
		now = now.Add(time.Second)
		one, err := h.kept(t.Context(), person(n))
		if err != nil {
			t.Fatal(err)
		}
		<-one.slot
		return one
	}
	first := look(0)
	for n := 1; n < maxReports; n++ {
		look(n)
	}
	if look(0) != first {
		t.Error("a report went while there was room")
	}
	look(maxReports)
	if len(h.reports) != maxReports || h.reports[person(0)] != first || h.reports[person(1)] != nil {
		t.Errorf("%d reports; of the first %v, of the second %v", len(h.reports), h.reports[person(0)] != nil, h.reports[person(1)] != nil)
	}
}

// TestAReportThatIsBeingMadeStays, however long that takes.
func TestAReportThatIsBeingMadeStays(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	h := newSetupHealth(&frame{now: func() time.Time { return now }}, Parts{Now: time.Now}, nil)
	person := func(n int) access.PersonID { return access.PersonID{Authority: "t", Subject: strconv.Itoa(n)} }
	for n := range maxReports + 1 {
		one, err := h.kept(t.Context(), person(n))
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			<-one.slot
		}
		now = now.Add(time.Second)
	}
	if h.reports[person(0)] == nil || h.reports[person(1)] != nil || len(h.reports) != maxReports {
		t.Errorf("the first is there: %v, the second: %v, of %d", h.reports[person(0)] != nil, h.reports[person(1)] != nil, len(h.reports))
	}
}

// TestOneLookAtATime: a second tab of a person waits for the first, no longer than its
// request, and holds up nobody else.
func TestOneLookAtATime(t *testing.T) {
	h := newSetupHealth(&frame{now: time.Now}, Parts{Now: time.Now}, nil)
	ann, bob := access.PersonID{Authority: "t", Subject: "ann"}, access.PersonID{Authority: "t", Subject: "bob"}
	if _, err := h.kept(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, err := h.kept(left, ann); !errors.Is(err, context.Canceled) {
		t.Errorf("a tab that was closed: %v", err)
	}
	if _, err := h.kept(t.Context(), bob); err != nil {
		t.Errorf("another person: %v", err)
	}
}

func TestTheWayOfARequest(t *testing.T) {
	h := newSetupHealth(&frame{now: time.Now}, Parts{Now: time.Now, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, nil)
	for from, trusted := range map[string]bool{"10.1.2.3:443": true, "[::ffff:10.1.2.3]:443": true, "192.0.2.1:443": false, "odd": false} {
		r := httptest.NewRequest(http.MethodGet, "http://portal.example/flows/health", nil)
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-For", "192.0.2.7")
		if way := h.way(r); *way != (doctor.Request{Host: "portal.example", Proto: "https", Forwarded: true, Trusted: trusted}) {
			t.Errorf("%s: %+v", from, way)
		}
	}
}

// TestAReportOnThePage: the worst comes first, and what is in order is not to be mended.
func TestAReportOnThePage(t *testing.T) {
	var page templates.HealthPage
	fillHealth(&page, &doctor.Report{Checks: []doctor.Check{
		{ID: "a", Group: doctor.SignIn, State: doctor.Good, Place: "PORTAL_ISSUER"}, {ID: "b", Group: doctor.SignIn, State: doctor.Warn, Next: "x"},
		{ID: "c", Group: doctor.Registration, State: doctor.CannotTell, Allow: true}, {ID: "d", Group: doctor.Registration, State: doctor.Bad, Next: "y", Place: "Entra admin center"}}})
	if len(page.Mend) != 2 || page.Mend[0].ID != "d" || page.Mend[1].ID != "b" || page.Mend[0].State != templates.HealthBad {
		t.Errorf("to mend: %+v", page.Mend)
	}
	if len(page.Groups) != 2 || len(page.Groups[0].Checks) != 2 || !page.Groups[0].Checks[0].PlaceSettings || page.Groups[1].Checks[1].PlaceSettings {
		t.Errorf("groups: %+v", page.Groups)
	}
	if page.Allow == nil || page.Facts != nil || len(page.Counts) != 4 || page.Counts[0].State != templates.HealthBad {
		t.Errorf("%+v", page)
	}
}
