package scan_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/scan"
)

func subs(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("00000000-0000-0000-0000-%012d", i+1)
	}
	return out
}

// states counts the parts by state.
func states(s scan.Scan) map[scan.PartState]int {
	n := map[scan.PartState]int{}
	for _, p := range s.Parts {
		n[p.State]++
	}
	return n
}

func wantStates(t *testing.T, s scan.Scan, state scan.State, parts map[scan.PartState]int) {
	t.Helper()
	if got := states(s); s.State != state || fmt.Sprint(got) != fmt.Sprint(parts) {
		t.Fatalf("scan is %s with %v, want %s with %v; problem %+v", s.State, got, state, parts, s.Problem)
	}
}

// refuseRequests makes AzTS answer scan requests so from the given one on.
func (w *world) refuseRequests(from int, answer func(http.ResponseWriter)) {
	w.set(func() {
		w.refuse = func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/RequestScan") || w.requests < from {
				return false
			}
			answer(rw)
			return true
		}
	})
}

func TestManySubscriptionsAreAskedForInSeveralCalls(t *testing.T) {
	w := newWorld(t)
	all := subs(250)
	s := w.mustRequest(all...)
	wantStates(t, s, scan.Running, map[scan.PartState]int{scan.PartQueued: 100, scan.PartPending: 150})
	s, pause := w.look(s.ID)
	wantStates(t, s, scan.Running, map[scan.PartState]int{scan.PartQueued: 200, scan.PartPending: 50})
	if pause != time.Second {
		t.Errorf("pause %v", pause)
	}
	w.pass(pause)
	s, _ = w.look(s.ID)
	wantStates(t, s, scan.Running, map[scan.PartState]int{scan.PartQueued: 250})
	w.pass(time.Minute)
	w.finish(all...)
	s, _ = w.rest(s.ID)
	wantStates(t, s, scan.Completed, map[scan.PartState]int{scan.PartCompleted: 250})
	if w.requests != 3 {
		t.Errorf("AzTS was asked %d times", w.requests)
	}
	if _, err := w.request("", subs(scan.MaxParts+1)...); !apperr.IsKind(err, apperr.Invalid) {
		t.Errorf("too many: %v", err)
	}
}

// What was marked as asked is never sent again, whichever call it was.
func TestLostAnswerToALaterCallIsNotSentAgain(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(subs(150)...)
	w.refuseRequests(2, func(rw http.ResponseWriter) { rw.WriteHeader(500) })
	s, _ = w.look(s.ID)
	wantStates(t, s, scan.Running, map[scan.PartState]int{scan.PartQueued: 100, scan.PartUnconfirmed: 50})
	w.pass(time.Minute)
	w.finish(subs(150)...)
	s, _ = w.rest(s.ID)
	if wantStates(t, s, scan.Completed, map[scan.PartState]int{scan.PartCompleted: 150}); w.requests != 2 {
		t.Errorf("AzTS was asked %d times", w.requests)
	}
}

// The process dies between the mark and the answer of a later call.
func TestCrashDuringALaterCallIsNotSentAgain(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(subs(150)...)
	saves := 0
	w.records.Fail = func() error {
		if saves++; saves > 1 {
			return errors.New("killed")
		}
		return nil
	}
	if _, err := w.service.Follow(t.Context(), s.ID); err == nil {
		t.Error("no error")
	}
	w.records.Fail = nil
	if s, pause := w.look(s.ID); pause != time.Second || states(s)[scan.PartAsked] != 50 {
		t.Errorf("judged while who asked may be at work: %v, %v", states(s), pause)
	}
	w.pass(61 * time.Second)
	s, _ = w.look(s.ID)
	wantStates(t, s, scan.Running, map[scan.PartState]int{scan.PartQueued: 100, scan.PartUnconfirmed: 50})
	if w.requests != 2 {
		t.Errorf("AzTS was asked %d times", w.requests)
	}
}

func TestNoRoleOnOneCallLeavesTheOthers(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(subs(250)...)
	w.refuseRequests(2, func(rw http.ResponseWriter) {
		if w.requests == 2 {
			rw.WriteHeader(403)
			return
		}
		fmt.Fprint(rw, "["+w.queued(subs(250)[249])+"]")
	})
	s, _ = w.look(s.ID)
	w.pass(time.Second)
	s, _ = w.look(s.ID)
	wantStates(t, s, scan.Running, map[scan.PartState]int{scan.PartQueued: 101, scan.PartNoRole: 100, scan.PartNoAnswer: 49})
}

func TestThrottledRequestIsMadeAgainWhenTold(t *testing.T) {
	w := newWorld(t)
	throttle := func(rw http.ResponseWriter) { rw.Header().Set("Retry-After", "90"); rw.WriteHeader(429) }
	w.refuseRequests(1, throttle)
	s := w.mustRequest(sub1)
	if want(t, s, scan.Requested, scan.PartPending); s.Problem.Code != "throttled" || !s.Parts[0].RetryAt.Equal(start.Add(90*time.Second)) {
		t.Errorf("scan %+v", s)
	}
	asked := w.requests
	w.pass(10 * time.Second)
	s, pause := w.look(s.ID)
	if want(t, s, scan.Requested, scan.PartPending); pause != 80*time.Second || s.Problem.Code != "throttled" || w.requests != asked {
		t.Errorf("pause %v, %+v, %d requests", pause, s.Problem, w.requests)
	}
	w.set(func() { w.refuse = nil })
	w.pass(pause)
	s, _ = w.look(s.ID)
	if want(t, s, scan.Running, scan.PartQueued); s.Problem.Code != "" || !s.Parts[0].RetryAt.IsZero() {
		t.Errorf("scan %+v", s)
	}
	w.set(func() { w.refuse = func(rw http.ResponseWriter, _ *http.Request) bool { throttle(rw); return true } })
	s, took := w.rest(w.mustRequest(sub1).ID)
	if s.State != scan.Stalled || s.Parts[0].State != scan.PartNotRequested || took > scan.TimeLimit+time.Minute {
		t.Errorf("throttled for ever: %+v after %v", s, took)
	}
}

func TestLaterCallWaitsForTheOwner(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(subs(150)...)
	w.set(func() { w.refuse = challenge })
	s, _ = w.look(s.ID)
	wantStates(t, s, scan.Waiting, map[scan.PartState]int{scan.PartQueued: 100, scan.PartPending: 50})
	w.set(func() { w.refuse = nil })
	w.pass(time.Minute)
	s, _ = w.look(s.ID)
	wantStates(t, s, scan.Running, map[scan.PartState]int{scan.PartQueued: 150})
}

func TestClaimsOfAChallengeAreKeptWhileTheScanWaits(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1)
	w.set(func() { w.refuse = challenge })
	s, _ = w.look(s.ID)
	if want(t, s, scan.Waiting, scan.PartQueued); !strings.Contains(s.Problem.Claims, `"c1"`) {
		t.Errorf("problem %+v", s.Problem)
	}
	w.set(func() { w.refuse = nil })
	s, _ = w.look(s.ID)
	if want(t, s, scan.Running, scan.PartQueued); s.Problem != (scan.Problem{}) {
		t.Errorf("problem %+v", s.Problem)
	}
	words := apperr.New(apperr.Unavailable, "sign_in_again", "The company sign-in wants to see you.")
	w.tokenError = words.Because(&scan.OwnerNeeded{Claims: `{"a":1}`, Cause: errors.New("AADSTS50076")})
	s, _ = w.look(s.ID)
	if want(t, s, scan.Waiting, scan.PartQueued); s.Problem.Claims != `{"a":1}` || s.Problem.Code != "sign_in_again" {
		t.Errorf("problem %+v", s.Problem)
	}
	w.tokenError = &scan.OwnerNeeded{Claims: strings.Repeat("x", 5000), Cause: words}
	if s, _ = w.look(s.ID); s.Problem.Claims != "" || s.State != scan.Waiting {
		t.Errorf("problem %+v", s.Problem)
	}
}

// onceRefused is a source whose first token AzTS refuses.
type onceRefused struct {
	value   string
	renewed int
}

func (o *onceRefused) Token(context.Context, string) (string, error) { return o.value, nil }
func (o *onceRefused) Invalidate(context.Context, string, string) {
	o.value, o.renewed = "new", o.renewed+1
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1)
	w.pass(time.Minute)
	w.finish(sub1)
	source := &onceRefused{value: "old"}
	w.source = source
	w.set(func() {
		w.refuse = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") != "Bearer new" {
				rw.WriteHeader(401)
				return true
			}
			return false
		}
	})
	s, _ = w.look(s.ID)
	if want(t, s, scan.Completed, scan.PartCompleted); source.renewed != 1 {
		t.Errorf("renewed %d times", source.renewed)
	}
}

func TestScansThatNeedATokenAreCounted(t *testing.T) {
	w := newWorld(t)
	w.mustRequest(sub1)
	s := w.mustRequest(sub2)
	if n := w.service.NeedsToken(t.Context(), ann); n != 2 {
		t.Errorf("%d scans", n)
	}
	w.pass(time.Minute)
	w.finish(sub2)
	w.look(s.ID)
	if n := w.service.NeedsToken(t.Context(), ann); n != 1 {
		t.Errorf("%d scans", n)
	}
	for _, who := range []access.PersonID{bob, {}} {
		if n := w.service.NeedsToken(t.Context(), who); n != 0 {
			t.Errorf("%v: %d scans", who, n)
		}
	}
	if err := errors.Join(w.service.Wake(t.Context(), ann), w.service.Wake(t.Context(), access.PersonID{})); err != nil {
		t.Error(err)
	}
	if got := w.records.Hurried(); len(got) != 1 || got[0] != ann {
		t.Errorf("woken: %v", got)
	}
}
