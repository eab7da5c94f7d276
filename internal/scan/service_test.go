package scan_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/scan/scantest"
)

const (
	sub1 = "00000000-0000-0000-0000-000000000001"
	sub2 = "00000000-0000-0000-0000-000000000002"
	sub3 = "00000000-0000-0000-0000-000000000003"
)

var (
	ann   = access.PersonID{Authority: "t", Subject: "ann"}
	bob   = access.PersonID{Authority: "t", Subject: "bob"}
	start = time.Date(2026, 9, 14, 13, 40, 45, 0, time.UTC)
)

// world is a scan service, an AzTS over real HTTP, and a clock that the test moves.
type world struct {
	t       *testing.T
	service *scan.Service
	records *scantest.Memory

	mu       sync.Mutex
	now      time.Time
	requests int               // scan requests that AzTS has seen
	looks    int               // summaries that AzTS has been asked for
	modified map[string]string // lastModifiedDateTime by subscription
	results  map[string]string // data of the results by subscription
	refuse   func(w http.ResponseWriter, r *http.Request) bool
	answer   func() string // of a scan request; "" means all queued
	signedIn bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, records: &scantest.Memory{}, now: start, modified: map[string]string{}, results: map[string]string{}, signedIn: true}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	client, err := azts.New(azhttp.Config{BaseURL: server.URL, Scope: "s", Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	w.service, err = scan.New(scan.Config{Records: w.records, AzTS: client, Tokens: w, Log: slog.New(slog.DiscardHandler), Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) { w.set(func() { w.now = w.now.Add(d) }) }

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// finish makes AzTS have new results for subscriptions now.
func (w *world) finish(subs ...string) {
	w.set(func() {
		for _, s := range subs {
			w.modified[s] = w.now.Format("01/02/2006 15:04:05")
			w.results[s] = `{"ControlName":"c"}`
		}
	})
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var body struct{ SubscriptionIDList []string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.t.Error(err)
	}
	asked := strings.HasSuffix(r.URL.Path, "/RequestScan")
	if asked {
		w.requests++
	}
	if w.refuse != nil && w.refuse(rw, r) {
		return
	}
	var list []string
	switch {
	case asked:
		if w.answer != nil {
			fmt.Fprint(rw, w.answer())
			return
		}
		for _, id := range body.SubscriptionIDList {
			list = append(list, w.queued(id))
		}
		fmt.Fprintf(rw, "[%s]", strings.Join(list, ","))
	case strings.HasSuffix(r.URL.Path, "/search"):
		w.looks++
		for _, id := range body.SubscriptionIDList {
			list = append(list, fmt.Sprintf(`{"subscriptionID":%q,"lastModifiedDateTime":%q}`, id, w.modified[id]))
		}
		fmt.Fprintf(rw, `{"searchResults":[%s]}`, strings.Join(list, ","))
	default:
		fmt.Fprintf(rw, `{"data":[%s]}`, w.results[strings.Split(r.URL.Path, "/")[3]])
	}
}

func (w *world) queued(id string) string {
	return fmt.Sprintf(`{"subscriptionID":%q,"queueStatus":"Processing","scanRequestId":%q,"timeSpan":%q}`,
		id, w.now.Format("20060102150405"), w.now.Format("1/2/2006 3:04:05 PM"))
}

// AzTSToken implements scan.Tokens.
func (w *world) AzTSToken(_ context.Context, owner access.PersonID) (azts.TokenSource, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.signedIn || owner != ann {
		return nil, scan.ErrSignedOut
	}
	return token{}, nil
}

type token struct{}

func (token) Token(context.Context, string) (string, error) { return "t", nil }
func (token) Invalidate(context.Context, string, string)    {}

func (w *world) request(key string, subs ...string) (scan.Scan, error) {
	return w.service.Request(w.t.Context(), ann, token{}, subs, key)
}

func (w *world) mustRequest(subs ...string) scan.Scan {
	w.t.Helper()
	s, err := w.request("", subs...)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// look takes one look at the scan and returns it as it is then.
func (w *world) look(id scan.ID) (scan.Scan, time.Duration) {
	w.t.Helper()
	pause, err := w.service.Follow(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.service.Get(w.t.Context(), ann, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s, pause
}

// rest follows the scan to where it ends and returns how long that took.
func (w *world) rest(id scan.ID) (scan.Scan, time.Duration) {
	w.t.Helper()
	begun := w.clock()
	for range 2000 {
		s, pause := w.look(id)
		if pause == 0 {
			return s, w.clock().Sub(begun)
		}
		w.pass(pause)
	}
	w.t.Fatal("the scan does not end")
	panic("unreachable")
}

func want(t *testing.T, s scan.Scan, state scan.State, parts ...scan.PartState) {
	t.Helper()
	ok := s.State == state && len(s.Parts) == len(parts) && s.EndedAt.IsZero() != state.Ended()
	for i := range parts {
		ok = ok && s.Parts[i].State == parts[i]
	}
	if !ok {
		t.Fatalf("scan %+v, want %s %v", s, state, parts)
	}
}

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
	for status, code := range map[int]string{403: "azts_no_role", 404: "azts_off", 429: "throttled", 401: "token_refused"} {
		w.refuse = func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(status); return true }
		s, err := w.request("", sub1)
		want(t, s, scan.Failed, scan.PartNotRequested)
		if !apperr.HasCode(err, code) || s.Problem.Code != code || s.Problem.Message == "" {
			t.Errorf("%d: %v, %+v", status, err, s.Problem)
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

func challenge(rw http.ResponseWriter, _ *http.Request) bool {
	rw.Header().Set("WWW-Authenticate", `Bearer error="insufficient_claims", claims="`+
		base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`))+`"`)
	rw.WriteHeader(401)
	return true
}

func TestClaimsChallengeAtTheRequestReachesTheCaller(t *testing.T) {
	w := newWorld(t)
	w.refuse = challenge
	s, err := w.request("", sub1)
	var ch *azts.ChallengeError
	if !errors.As(err, &ch) || !strings.Contains(ch.Claims, `"c1"`) {
		t.Errorf("error %v", err)
	}
	want(t, s, scan.Failed, scan.PartNotRequested)
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
	want(t, s, scan.Stalled, scan.PartStalled)
	if took < scan.WaitLimit || took > scan.WaitLimit+2*time.Minute || s.Problem.Code != "signed_out" {
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
