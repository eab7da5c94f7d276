package scan_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/scan/scantest"
)

func TestMemoryRecords(t *testing.T) {
	m := &scantest.Memory{}
	scantest.Records(t, m, func() int { return len(m.Jobs()) })
}

func TestNewRefusesNothingMissing(t *testing.T) {
	if _, err := scan.New(scan.Config{}); err == nil {
		t.Error("New accepted nothing")
	}
}

func TestScanIsOnRecordBeforeAzTSHearsOfIt(t *testing.T) {
	w := newWorld(t)
	w.set(func() {
		w.refuse = func(http.ResponseWriter, *http.Request) bool {
			if jobs := w.records.Jobs(); len(jobs) != 1 {
				t.Errorf("jobs %v", jobs)
			}
			return false
		}
	})
	s := w.mustRequest(sub1, strings.ToUpper(sub2))
	want(t, s, scan.Running, scan.PartQueued, scan.PartQueued)
	if s.Parts[0].ScanRequestID != "20260914134045" || !s.Parts[0].Since.Equal(start) || s.Version != 2 || len(s.ID) != 26 {
		t.Errorf("scan %+v", s)
	}
	if stored, err := w.service.Get(t.Context(), ann, s.ID); err != nil || stored.State != scan.Running {
		t.Errorf("Get = %+v, %v", stored, err)
	}
}

func TestPressingTwiceAsksAzTSOnce(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	seen := make([]scan.ID, 10)
	for i := range seen {
		wg.Go(func() {
			s, err := w.request("key-1", sub1)
			if err != nil {
				t.Error(err)
			}
			seen[i] = s.ID
		})
	}
	wg.Wait()
	for _, id := range seen {
		if id == "" || id != seen[0] {
			t.Errorf("scans %v", seen)
		}
	}
	if w.requests != 1 || len(w.records.Jobs()) != 1 {
		t.Errorf("%d requests, %d jobs", w.requests, len(w.records.Jobs()))
	}
	if a, b := w.mustRequest(sub1), w.mustRequest(sub1); a.ID == b.ID || w.requests != 3 {
		t.Error("without a key each request is its own")
	}
}

func TestBadRequestsNeverReachAzTS(t *testing.T) {
	w := newWorld(t)
	for _, key := range []string{strings.Repeat("k", 65), "a b", "ü", "\x00"} {
		if _, err := w.request(key, sub1); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("key %q: %v", key, err)
		}
	}
	for _, subs := range [][]string{nil, {"x"}, {sub1, "../"}} {
		if _, err := w.request("", subs...); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("%v: %v", subs, err)
		}
	}
	if _, err := w.service.Request(t.Context(), access.PersonID{}, token{}, []string{sub1}, ""); !apperr.IsKind(err, apperr.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
	if w.requests != 0 || len(w.records.Jobs()) != 0 {
		t.Errorf("%d requests", w.requests)
	}
}

func TestEachSubscriptionKeepsItsOutcome(t *testing.T) {
	w := newWorld(t)
	w.answer = func() string {
		return "[" + w.queued(sub1) + `,{"subscriptionID":"` + sub2 + `","queueStatus":"QuotaExceeded","message":"10 <b>scans</b>"}]`
	}
	s := w.mustRequest(sub1, sub2, sub3)
	want(t, s, scan.Running, scan.PartQueued, scan.PartQuotaReached, scan.PartNoAnswer)
	if s.Parts[1].Message != "10 <b>scans</b>" {
		t.Errorf("part %+v", s.Parts[1])
	}
	w.pass(time.Minute)
	w.finish(sub1, sub2)
	s, _ = w.look(s.ID)
	want(t, s, scan.Completed, scan.PartCompleted, scan.PartQuotaReached, scan.PartNoAnswer)

	w.answer = func() string { return `[{"subscriptionID":"` + sub2 + `","queueStatus":"QuotaExceeded"}]` }
	s = w.mustRequest(sub2)
	want(t, s, scan.Refused, scan.PartQuotaReached)
	if _, pause := w.look(s.ID); pause != 0 {
		t.Error("a refused scan is followed")
	}
}

func TestQuotaRefusalOfTheCallSaysWhenItFreesUp(t *testing.T) {
	w := newWorld(t)
	w.refuse = func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.Header().Set("Retry-After", "7200")
		rw.WriteHeader(429)
		return true
	}
	s := w.mustRequest(sub1)
	if want(t, s, scan.Refused, scan.PartQuotaReached); !s.Parts[0].RetryAt.Equal(start.Add(2 * time.Hour)) {
		t.Errorf("part %+v", s.Parts[0])
	}
}

func TestRefusedCallIsAFailedScanWithItsReason(t *testing.T) {
	w := newWorld(t)
	for status, code := range map[int]string{403: "azts_no_role", 404: "azts_off", 400: "azts_bad_request", 401: "token_refused"} {
		w.refuse = func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(status); return true }
		s, err := w.request("", sub1)
		want(t, s, scan.Failed, scan.PartNotRequested)
		if !apperr.HasCode(err, code) || s.Problem.Code != code || s.Problem.Message == "" {
			t.Errorf("%d: %v, %+v", status, err, s.Problem)
		}
	}
}

func TestOutcomeIsNotLostWhenTheScanWasTouchedMeanwhile(t *testing.T) {
	w := newWorld(t)
	changes := 0
	w.records.Fail = func() error {
		if changes++; changes == 2 {
			return scan.ErrConflict
		}
		return nil
	}
	s := w.mustRequest(sub1)
	want(t, s, scan.Running, scan.PartQueued)
}

func TestRequestGoesOnWhenThePageIsClosed(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.refuse = func(http.ResponseWriter, *http.Request) bool { cancel(); return false }
	s, err := w.service.Request(ctx, ann, token{}, []string{sub1}, "")
	if err != nil {
		t.Fatal(err)
	}
	want(t, s, scan.Running, scan.PartQueued)
}

func challenge(rw http.ResponseWriter, _ *http.Request) bool {
	rw.Header().Set("WWW-Authenticate", `Bearer error="insufficient_claims", claims="`+
		base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`))+`"`)
	rw.WriteHeader(401)
	return true
}

// AzTS, or the tenant, wants to see the owner before anything is asked for: the scan
// waits for them, for hours if need be, and then has the time that others have.
func TestFirstCallWaitsForTheOwner(t *testing.T) {
	w := newWorld(t)
	w.set(func() { w.refuse = challenge })
	s := w.mustRequest(sub1)
	if want(t, s, scan.Waiting, scan.PartPending); !strings.Contains(s.Problem.Claims, `"c1"`) {
		t.Errorf("problem %+v", s.Problem)
	}
	w.pass(20 * time.Hour)
	s, _ = w.look(s.ID)
	want(t, s, scan.Waiting, scan.PartPending)
	w.set(func() { w.refuse = nil })
	s, _ = w.look(s.ID)
	if want(t, s, scan.Running, scan.PartQueued); s.Problem != (scan.Problem{}) {
		t.Errorf("problem %+v", s.Problem)
	}
	w.pass(scan.TimeLimit - time.Minute)
	w.finish(sub1)
	s, _ = w.look(s.ID)
	want(t, s, scan.Completed, scan.PartCompleted)

	w.set(func() { w.refuse = challenge })
	s, took := w.rest(w.mustRequest(sub1).ID)
	if want(t, s, scan.Failed, scan.PartNotRequested); took < scan.WaitLimit || took > scan.WaitLimit+2*time.Minute || s.Problem.Code != "owner_gone" {
		t.Errorf("given up after %v: %+v", took, s.Problem)
	}
}

func TestNobodySeesAnotherPersonsScan(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1)
	for _, c := range []struct {
		owner access.PersonID
		id    scan.ID
	}{{bob, s.ID}, {access.PersonID{Authority: "other", Subject: "ann"}, s.ID}, {access.PersonID{}, s.ID}, {ann, ""}, {ann, s.ID + "x"}, {ann, scan.ID(strings.Repeat("a", 26))}} {
		if _, err := w.service.Get(t.Context(), c.owner, c.id); !apperr.IsKind(err, apperr.NotFound) {
			t.Errorf("Get(%v, %q): %v", c.owner, c.id, err)
		}
	}
	if list, err := w.service.List(t.Context(), bob, 10); err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v", list, err)
	}
	if list, err := w.service.List(t.Context(), ann, 10); err != nil || len(list) != 1 {
		t.Errorf("List = %v, %v", list, err)
	}
}
