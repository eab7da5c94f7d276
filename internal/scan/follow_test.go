package scan_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/internal/scan"
)

func TestScanEndsWhenNewResultsAreThere(t *testing.T) {
	w := newWorld(t)
	w.finish(sub1, sub2) // of an earlier scan, in the second of the request
	s := w.mustRequest(sub1, sub2)
	s, pause := w.look(s.ID)
	if want(t, s, scan.Running, scan.PartQueued, scan.PartQueued); pause != 5*time.Second {
		t.Errorf("pause %v", pause)
	}
	w.pass(20 * time.Second)
	w.finish(sub1)
	w.set(func() { w.modified[sub2], w.results[sub2] = w.now.Format("01/02/2006 15:04:05"), "" }) // a time, but no results yet
	s, _ = w.look(s.ID)
	want(t, s, scan.Running, scan.PartCompleted, scan.PartQueued)
	w.finish(sub2)
	s, pause = w.look(s.ID)
	want(t, s, scan.Completed, scan.PartCompleted, scan.PartCompleted)
	if pause != 0 || !s.Parts[0].CompletedAt.Equal(start.Add(20*time.Second)) {
		t.Errorf("pause %v, scan %+v", pause, s)
	}
	if looks := w.looks; looks != 3 {
		t.Errorf("%d looks", looks)
	}
	if s, pause := w.look(s.ID); pause != 0 || s.State != scan.Completed || w.looks != 3 {
		t.Error("an ended scan is looked at again")
	}
}

// TestTimesThatCannotBeReadEndScansToo: that AzTS says something else than at
// first, and has results, stands for the time.
func TestTimesThatCannotBeReadEndScansToo(t *testing.T) {
	for name, change := range map[string]func(*world){
		"another text":  func(w *world) { w.modified[sub1] = "31/31/2026 6:16 PM" },
		"other numbers": func(w *world) { w.failed = 7 },
		"a first text":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.finish(sub1) // of an earlier scan
			w.set(func() { w.modified[sub1] = "31/31/2026 6:15 PM" })
			if change == nil {
				delete(w.modified, sub1)
				change = func(w *world) { w.modified[sub1] = "31/31/2026 6:15 PM" }
			}
			s := w.mustRequest(sub1, sub2)
			for range 2 {
				s, _ = w.look(s.ID)
				want(t, s, scan.Running, scan.PartQueued, scan.PartQueued)
				w.pass(time.Minute)
			}
			w.set(func() { change(w); w.results[sub1] = "" })
			s, _ = w.look(s.ID)
			want(t, s, scan.Running, scan.PartQueued, scan.PartQueued) // one signal alone
			w.set(func() { w.results[sub1] = `{"ControlName":"c"}` })
			s, _ = w.look(s.ID)
			want(t, s, scan.Running, scan.PartCompleted, scan.PartQueued)
			if at := s.Parts[0].CompletedAt; !at.IsZero() {
				t.Errorf("completed at %v", at)
			}
		})
	}
}

func TestScanWithoutResultsStallsAfterTwoHours(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1, sub2)
	w.pass(time.Second)
	w.finish(sub2)
	s, took := w.rest(s.ID)
	want(t, s, scan.Stalled, scan.PartStalled, scan.PartCompleted)
	if took < scan.TimeLimit-time.Minute || took > scan.TimeLimit+time.Minute || w.looks > 140 || s.Problem.Code != "scan_stalled" {
		t.Errorf("took %v, %d looks, %+v", took, w.looks, s.Problem)
	}
}

func TestPausesGrowFromFiveSecondsToAMinute(t *testing.T) {
	for age, expected := range map[time.Duration]time.Duration{0: 5 * time.Second, 30 * time.Second: 5 * time.Second, time.Minute: 10 * time.Second,
		6 * time.Minute: time.Minute, time.Hour: time.Minute} {
		if got := scan.PauseAt(age); got != expected {
			t.Errorf("PauseAt(%v) = %v", age, got)
		}
	}
}

func TestLostAnswerIsJudgedBySummaryAndNeverSentAgain(t *testing.T) {
	for name, lose := range map[string]func(http.ResponseWriter){
		"500":     func(rw http.ResponseWriter) { rw.WriteHeader(500) },
		"cut off": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"html":    func(rw http.ResponseWriter) { fmt.Fprint(rw, "<html>") },
	} {
		w := newWorld(t)
		w.refuse = func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/RequestScan") {
				lose(rw)
				return true
			}
			return false
		}
		s := w.mustRequest(sub1)
		want(t, s, scan.Requested, scan.PartAsked)
		if s, pause := w.look(s.ID); s.State != scan.Requested || pause > 5*time.Second || w.looks != 0 {
			t.Errorf("%s: judged while its requester may be at work", name)
		}
		w.pass(61 * time.Second)
		s, _ = w.look(s.ID)
		want(t, s, scan.Running, scan.PartUnconfirmed)
		w.finish(sub1)
		s, _ = w.look(s.ID)
		if want(t, s, scan.Completed, scan.PartCompleted); w.requests != 1 {
			t.Errorf("%s: %d requests", name, w.requests)
		}
	}
}

// The process dies between AzTS's answer and the store: to the next process the
// scan looks as it did before the call.
func TestCrashBeforeTheOutcomeIsStored(t *testing.T) {
	w := newWorld(t)
	stored := 0
	w.records.Fail = func() error {
		if stored++; stored > 1 {
			return errors.New("killed")
		}
		return nil
	}
	s, err := w.request("key", sub1)
	if err != nil {
		t.Fatal(err)
	}
	w.records.Fail = nil
	w.pass(30 * time.Second)
	w.finish(sub1)
	w.pass(40 * time.Second)
	s, _ = w.look(s.ID)
	want(t, s, scan.Completed, scan.PartCompleted)
	if again, err := w.request("key", sub1); err != nil || again.ID != s.ID || w.requests != 1 {
		t.Errorf("again %+v, %v, %d requests", again, err, w.requests)
	}
}

func TestFailureOfTheDatabaseIsRetried(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1)
	w.pass(time.Minute)
	w.finish(sub1)
	w.records.Fail = func() error { return errors.New("disk full") }
	if _, err := w.service.Follow(t.Context(), s.ID); err == nil {
		t.Error("no error")
	}
	w.records.Fail = nil
	s, _ = w.look(s.ID)
	want(t, s, scan.Completed, scan.PartCompleted)
}

func TestTwoFollowersAgreeOnOneEnd(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1)
	w.pass(time.Minute)
	w.finish(sub1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := w.service.Follow(t.Context(), s.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s, _ := w.look(s.ID); s.State != scan.Completed || s.Version != 3 {
		t.Errorf("scan %+v", s)
	}
}

func TestScanWaitsForItsOwnerAndGoesOn(t *testing.T) {
	signOut := func(w *world) { w.set(func() { w.signedIn = false }) }
	signIn := func(w *world) { w.set(func() { w.signedIn, w.refuse = true, nil }) }
	for name, lock := range map[string]func(*world){
		"signed out": signOut,
		"challenge":  func(w *world) { w.set(func() { w.refuse = challenge }) },
	} {
		w := newWorld(t)
		s := w.mustRequest(sub1)
		lock(w)
		s, pause := w.look(s.ID)
		want(t, s, scan.Waiting, scan.PartQueued)
		if pause < 15*time.Second || pause > time.Minute || s.Problem.Message == "" {
			t.Errorf("%s: pause %v, %+v", name, pause, s.Problem)
		}
		w.pass(time.Minute)
		w.finish(sub1)
		w.pass(3 * time.Hour) // waiting does not use up the scan's own limit
		if s, _ = w.look(s.ID); s.State != scan.Waiting {
			t.Errorf("%s: %s", name, s.State)
		}
		signIn(w)
		s, _ = w.look(s.ID)
		if want(t, s, scan.Completed, scan.PartCompleted); s.Problem != (scan.Problem{}) {
			t.Errorf("%s: problem %+v", name, s.Problem)
		}
	}
	w := newWorld(t)
	s := w.mustRequest(sub1)
	signOut(w)
	s, took := w.rest(s.ID)
	want(t, s, scan.Failed, scan.PartStalled)
	if took < scan.WaitLimit || took > scan.WaitLimit+2*time.Minute || s.Problem.Code != "owner_gone" {
		t.Errorf("took %v, %+v", took, s.Problem)
	}
}

func TestTroubleOfAzTSIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1)
	w.set(func() {
		w.refuse = func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.Header().Set("Retry-After", "100")
			rw.WriteHeader(429)
			return true
		}
	})
	s, pause := w.look(s.ID)
	if want(t, s, scan.Running, scan.PartQueued); pause != 100*time.Second || s.Problem.Code != "throttled" {
		t.Errorf("pause %v, %+v", pause, s.Problem)
	}
	for _, status := range []int{500, 503, 404, 403} {
		w.set(func() {
			w.refuse = func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(status); return true }
		})
		if s, pause = w.look(s.ID); s.State != scan.Running || pause == 0 || s.Problem.Code == "" {
			t.Errorf("%d: %+v", status, s)
		}
	}
	w.pass(time.Hour)
	w.finish(sub1)
	w.set(func() { w.refuse = nil })
	s, _ = w.look(s.ID)
	want(t, s, scan.Completed, scan.PartCompleted)
}

func TestSubscriptionThatDisappearsDoesNotHoldUpTheOthers(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1, sub2)
	w.pass(time.Minute)
	w.finish(sub1, sub2)
	w.set(func() {
		w.refuse = func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, sub1) {
				rw.WriteHeader(403)
				return true
			}
			return false
		}
	})
	s, _ = w.look(s.ID)
	want(t, s, scan.Running, scan.PartQueued, scan.PartCompleted)
	s, _ = w.rest(s.ID)
	want(t, s, scan.Stalled, scan.PartStalled, scan.PartCompleted)
}

// azts.md shows a request id with a twelve-hour clock: believed, the results of
// last night's scan would end today's at once.
func TestRequestTimesThatAreHoursOffAreNotBelieved(t *testing.T) {
	w := newWorld(t)
	w.answer = func() string {
		return `[{"subscriptionID":"` + sub1 + `","queueStatus":"Processing","scanRequestId":"20260914014045","timeSpan":"9/14/2026 1:40:45 AM"}]`
	}
	s := w.mustRequest(sub1)
	w.set(func() { w.modified[sub1], w.results[sub1] = "09/14/2026 06:00:00", `{"ControlName":"old"}` })
	s, _ = w.look(s.ID)
	want(t, s, scan.Running, scan.PartQueued)
	w.set(func() { w.modified[sub1] = "31/31/2026 6:15 PM" })
	s, _ = w.look(s.ID)
	want(t, s, scan.Running, scan.PartQueued)
}

// While AzTS hangs, the look and its job run out of time together: a scan that
// was taken for stopped then was followed for ever.
func TestAttackAzTSHangsUntilTheJobIsOver(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1)
	hang := func() (time.Duration, error) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(100*time.Millisecond))
		defer cancel()
		w.set(func() {
			w.refuse = func(_ http.ResponseWriter, r *http.Request) bool {
				<-r.Context().Done() // until our side hangs up
				return true
			}
		})
		return w.service.Follow(ctx, s.ID)
	}
	got := func() scan.Scan {
		t.Helper()
		s, err := w.service.Get(t.Context(), ann, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	pause, err := hang()
	if want(t, got(), scan.Running, scan.PartQueued); err != nil || pause == 0 || got().Problem.Code != "timeout" {
		t.Errorf("pause %v, %v, %+v", pause, err, got().Problem)
	}
	w.pass(scan.TimeLimit)
	pause, err = hang()
	if want(t, got(), scan.Stalled, scan.PartStalled); err != nil || pause != 0 {
		t.Errorf("past the time limit: pause %v, %v", pause, err)
	}
}

// A stop of the process is no trouble of AzTS, and says nothing of the scan.
func TestStopLeavesTheScanAsItWas(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1)
	ctx, cancel := context.WithCancel(t.Context())
	w.set(func() {
		w.refuse = func(_ http.ResponseWriter, r *http.Request) bool {
			cancel()
			<-r.Context().Done()
			return true
		}
	})
	if _, err := w.service.Follow(ctx, s.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v", err)
	}
	if after, err := w.service.Get(t.Context(), ann, s.ID); err != nil || after.Version != s.Version {
		t.Errorf("%+v, %v", after, err)
	}
}

// The reference on the page finds the line in the log, with the cause.
func TestReferenceOfAProblemIsInTheLog(t *testing.T) {
	w := newWorld(t)
	logged := func(s scan.Scan, words string) {
		t.Helper()
		ref := s.Problem.Reference
		for line := range strings.Lines(w.logged()) {
			if ref != "" && strings.Contains(line, "ref="+ref) && strings.Contains(line, words) && strings.Contains(line, string(s.ID)) {
				return
			}
		}
		t.Errorf("reference %q of %q leads to no line with %q:\n%s", ref, s.Problem.Code, words, w.logged())
	}
	s := w.mustRequest(sub1)
	w.set(func() {
		w.refuse = func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(418); return true }
	})
	s, _ = w.look(s.ID)
	logged(s, "status 418")
	first := s.Problem
	if s, _ = w.look(s.ID); s.Problem != first {
		t.Errorf("the same problem has another reference: %+v, then %+v", first, s.Problem)
	}
	w.set(func() { w.refuse = nil })
	w.pass(scan.TimeLimit)
	s, _ = w.look(s.ID)
	logged(s, "scan_stalled")
	w.set(func() { w.signedIn = false })
	s, _ = w.look(w.mustRequest(sub1).ID)
	logged(s, "no live session")
	w.set(func() {
		w.refuse = func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(403); return true }
	})
	s, err := w.service.Request(reqlog.With(t.Context(), "7K3M9QX2RB41", netip.Addr{}), ann, token{}, []string{sub2}, "")
	if err == nil || s.State != scan.Failed || s.Problem.Reference != "7K3M9QX2RB41" {
		t.Errorf("%v, %+v", err, s)
	}
	logged(s, "status 403")
}
