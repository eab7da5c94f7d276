package sandbox_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/scan/scantest"
)

// followed is the portal's follower of scans at the sandbox, on one clock that
// the test moves.
type followed struct {
	*apis
	service *scan.Service
	owner   access.PersonID
}

// danas gives dana's tokens, new ones as the clock moves.
type danas struct{ a *apis }

func (d danas) AzTSToken(context.Context, access.PersonID) (azts.TokenSource, error) { return d, nil }
func (d danas) Token(context.Context, string) (string, error)                        { return d.a.dana(), nil }
func (danas) Invalidate(context.Context, string, string)                             {}

func serveFollowed(t *testing.T) *followed {
	t.Helper()
	f := &followed{apis: serveAPIs(t, nil), owner: access.PersonID{Authority: "t", Subject: "dana"}}
	now := func() time.Time { return time.Unix(0, f.clock.Load()) }
	config := f.config(f.Settings().AzTSURL, f.Settings().AzTSScope)
	config.Now = now
	client, err := azts.New(config)
	if err != nil {
		t.Fatal(err)
	}
	f.service, err = scan.New(scan.Config{Records: &scantest.Memory{}, AzTS: client, Tokens: danas{f.apis}, Log: slog.New(slog.DiscardHandler), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *followed) begin(subscriptions ...string) scan.Scan {
	f.t.Helper()
	s, err := f.service.Request(f.t.Context(), f.owner, danas{f.apis}, subscriptions, "")
	if s.ID == "" {
		f.t.Fatal(err)
	}
	return s
}

// look takes one look, moves the clock on to the next, and returns the scan.
func (f *followed) look(id scan.ID) scan.Scan {
	f.t.Helper()
	pause, err := f.service.Look(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	f.forward(pause)
	s, err := f.service.Get(f.t.Context(), f.owner, id)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// rest looks until the scan ends or the time is up.
func (f *followed) rest(id scan.ID, limit time.Duration) (s scan.Scan, looks int) {
	f.t.Helper()
	begun := f.clock.Load()
	for looks = 0; looks < 2000; looks++ {
		if s = f.look(id); s.State.Ended() || time.Duration(f.clock.Load()-begun) > limit {
			return s, looks
		}
	}
	f.t.Fatal("the scan does not end")
	return s, looks
}

func TestScanOutlivesTroubleOfAzTS(t *testing.T) {
	for _, c := range []struct {
		fault, value string
		lasts        time.Duration
		state        scan.State // meanwhile
		code         string
		most         int // looks in that time
	}{
		{"azts.500", "", time.Hour, scan.Running, "", 80},
		{"azts.feature_off", "", time.Hour, scan.Running, "azts_off", 80},
		{"azts.truncated", "", time.Hour, scan.Running, "", 80},
		{"azts.429", "600", time.Hour, scan.Running, "throttled", 7},
		{"azts.429", "Sat, 21 Nov 2026 10:00:00 GMT", 25 * time.Minute, scan.Running, "throttled", 2},
		{"azts.401", "", time.Hour, scan.Running, "token_refused", 80},
		{"azts.claims_challenge", "c3", 5 * time.Hour, scan.Waiting, "claims_challenge", 310},
		{"azts.weird_values", "", time.Hour, scan.Running, "", 80},
	} {
		t.Run(c.fault+" "+c.value, func(t *testing.T) {
			f := serveFollowed(t)
			s := f.begin(prod)
			f.Faults().Set(c.fault, c.value, -1)
			s, looks := f.rest(s.ID, c.lasts)
			if s.State != c.state || c.code != "" && s.Problem.Code != c.code || looks > c.most {
				t.Errorf("after %d looks: %s, %+v", looks, s.State, s.Problem)
			}
			if claims := s.Problem.Claims; (c.fault == "azts.claims_challenge") != strings.Contains(claims, `"c3"`) {
				t.Errorf("claims %q", claims)
			}
			f.Faults().Clear()
			if s, _ = f.rest(s.ID, 10*time.Minute); s.State != scan.Completed || s.Problem != (scan.Problem{}) {
				t.Errorf("afterwards: %s, %+v, %+v", s.State, s.Parts, s.Problem)
			}
		})
	}
}

func TestScanRequestMeetsTrouble(t *testing.T) {
	for _, c := range []struct {
		fault, value string
		state        scan.State
		part         scan.PartState
		end          scan.State // when the trouble is over
	}{
		{"azts.429", "300", scan.Requested, scan.PartPending, scan.Completed},
		{"azts.quota_429", "", scan.Refused, scan.PartQuotaReached, scan.Refused},
		{"azts.500", "", scan.Requested, scan.PartAsked, scan.Stalled}, // it is not known whether AzTS took it
		{"azts.truncated", "", scan.Requested, scan.PartAsked, scan.Completed},
		{"azts.feature_off", "", scan.Failed, scan.PartNotRequested, scan.Failed},
		{"azts.claims_challenge", "", scan.Waiting, scan.PartPending, scan.Completed},
	} {
		t.Run(c.fault, func(t *testing.T) {
			f := serveFollowed(t)
			f.Faults().Set(c.fault, c.value, -1)
			s := f.begin(prod)
			if s.State != c.state || s.Parts[0].State != c.part {
				t.Errorf("scan %+v", s)
			}
			if c.fault == "azts.quota_429" && s.Parts[0].RetryAt.UTC().Format("15:04") != "00:00" {
				t.Errorf("the quota frees up at %v", s.Parts[0].RetryAt)
			}
			f.Faults().Clear()
			if s, _ = f.rest(s.ID, 3*time.Hour); s.State != c.end {
				t.Errorf("at the end: %+v", s)
			}
		})
	}
}

func TestOutcomeOfEachSubscriptionAtTheSandbox(t *testing.T) {
	f := serveFollowed(t)
	all := f.subscriptionIDs()
	for range 10 {
		f.begin(all[1])
	}
	s := f.begin(prod, all[1], all[8], "00000000-0000-0000-0000-000000000000")
	var got []string
	for _, p := range s.Parts {
		got = append(got, string(p.State))
	}
	if want := "queued quota_reached no_role no_role"; strings.Join(got, " ") != want {
		t.Errorf("parts are %q, want %q", got, want)
	}
	if !strings.Contains(s.Parts[1].Message, "00:00 UTC") {
		t.Errorf("on the quota: %q", s.Parts[1].Message)
	}
	if s, _ = f.rest(s.ID, time.Hour); s.State != scan.Completed {
		t.Errorf("at the end: %+v", s)
	}
}

func TestSubscriptionDisappearsWhileItIsScanned(t *testing.T) {
	f := serveFollowed(t)
	other := f.subscriptionIDs()[1]
	s := f.begin(prod, other)
	f.Faults().Set("azts.gone", prod, -1)
	s, _ = f.rest(s.ID, 10*time.Minute)
	if s.State != scan.Running || s.Parts[0].State != scan.PartQueued || s.Parts[1].State != scan.PartCompleted {
		t.Errorf("meanwhile: %+v", s)
	}
	s, _ = f.rest(s.ID, 3*time.Hour)
	if s.State != scan.Stalled || s.Parts[0].State != scan.PartStalled || s.Parts[1].State != scan.PartCompleted || s.EndedAt.Sub(s.RequestedAt) > scan.TimeLimit+time.Minute {
		t.Errorf("at the end: %+v", s)
	}
}
