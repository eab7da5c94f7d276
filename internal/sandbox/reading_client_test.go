package sandbox_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/internal/store/storetest"
)

// reading is the portal's reader of results at the sandbox, over a real database,
// on one clock that the test moves.
type reading struct {
	*apis
	service *scan.Service
	archive *results.Archive
	owner   access.PersonID
	calls   *pages
	away    atomic.Bool // the owner
	db      string      // its URL
}

// pages is AzTS with what a test does around each page of results.
type pages struct {
	*azts.Client
	asked  atomic.Int32
	before func(n int) error // may refuse the n-th page, from 1
}

func (p *pages) Results(ctx context.Context, source azts.TokenSource, id string, q azts.ResultQuery, skipToken string) (azts.ResultPage, error) {
	n := int(p.asked.Add(1))
	if p.before != nil {
		if err := p.before(n); err != nil {
			return azts.ResultPage{}, err
		}
	}
	return p.Client.Results(ctx, source, id, q, skipToken)
}

// AzTSToken implements scan.Tokens.
func (f *reading) AzTSToken(context.Context, access.PersonID) (azts.TokenSource, error) {
	if f.away.Load() {
		return nil, scan.ErrSignedOut
	}
	return danas{f.apis}, nil
}

const readRows = 900

func serveReading(t *testing.T) *reading {
	t.Helper()
	f := &reading{apis: serveAPIs(t, func(o *sandbox.Options) { o.ResultsPerSubscription = readRows }), owner: access.PersonID{Authority: "t", Subject: "dana"}}
	now := func() time.Time { return time.Unix(0, f.clock.Load()) }
	config := f.config(f.Settings().AzTSURL, f.Settings().AzTSScope)
	config.Now = now
	client, err := azts.New(config)
	if err != nil {
		t.Fatal(err)
	}
	f.calls = &pages{Client: client}
	f.db = "sqlite:" + filepath.Join(t.TempDir(), "portal.db")
	db, err := store.Open(t.Context(), f.db, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := seal.NewKeyRing([]byte(strings.Repeat("k3y!", 8)))
	if err != nil {
		t.Fatal(err)
	}
	if f.archive, err = results.New(results.Config{Records: db, Keys: keys, Now: now}); err != nil {
		t.Fatal(err)
	}
	f.service, err = scan.New(scan.Config{Records: db, AzTS: f.calls, Tokens: f, Log: slog.New(slog.DiscardHandler), Now: now,
		Results: f.archive, Retention: 30 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	workers := river.NewWorkers()
	f.service.Register(workers)
	if _, err := db.NewJobs(workers, 1); err != nil { // the test takes the turns itself
		t.Fatal(err)
	}
	return f
}

// two returns two of Dana's subscriptions, the first is prod.
func (f *reading) two() []string {
	f.t.Helper()
	for _, id := range f.subscriptionIDs() {
		if id != prod {
			return []string{prod, id}
		}
	}
	f.t.Fatal("there is only one subscription")
	return nil
}

// scanned returns a scan whose results are to be read.
func (f *reading) scanned(subscriptions ...string) scan.ID {
	f.t.Helper()
	s, err := f.service.Request(f.t.Context(), f.owner, danas{f.apis}, subscriptions, "")
	if err != nil {
		f.t.Fatal(err)
	}
	for range 100 {
		pause, err := f.service.Look(f.t.Context(), s.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		if pause == 0 {
			f.calls.asked.Store(0)
			if state := f.state(s.ID); state.State != scan.ReadRunning || state.Kept {
				f.t.Fatalf("after the scan: %+v", state)
			}
			return s.ID
		}
		f.forward(pause)
	}
	f.t.Fatal("the scan does not end")
	return ""
}

func (f *reading) state(id scan.ID) scan.ResultsState {
	f.t.Helper()
	state, err := f.service.ResultsState(f.t.Context(), f.owner, id)
	if err != nil {
		f.t.Fatal(err)
	}
	return state
}

// turn takes one turn and moves the clock to the next.
func (f *reading) turn(id scan.ID) (scan.ResultsState, time.Duration) {
	f.t.Helper()
	pause, err := f.service.Read(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	f.forward(pause)
	return f.state(id), pause
}

// rest takes turns until the reading has ended or the time is up.
func (f *reading) rest(id scan.ID, limit time.Duration) (state scan.ResultsState, turns int) {
	f.t.Helper()
	begun := f.clock.Load()
	for turns = 1; turns < 4000; turns++ {
		var pause time.Duration
		if state, pause = f.turn(id); pause == 0 || time.Duration(f.clock.Load()-begun) > limit {
			return state, turns
		}
	}
	f.t.Fatal("the reading does not end")
	return state, turns
}

// wantAll says that all that AzTS has is there, once.
func (f *reading) wantAll(state scan.ResultsState, subscriptions int) {
	f.t.Helper()
	info := state.Info
	if state.State != scan.ReadEnded || state.Problem != (scan.Problem{}) || info.State != results.Whole || info.Rows != subscriptions*readRows {
		f.t.Errorf("read %+v", state)
	}
	for _, sub := range info.Subscriptions {
		if sub.Duplicates != 0 {
			f.t.Errorf("%d rows of %s came twice", sub.Duplicates, sub.ID)
		}
	}
	set, err := f.archive.Open(f.t.Context(), f.owner, info.ScanID)
	if err != nil || set.Len() != info.Rows {
		f.t.Errorf("the set cannot be read: %v", err)
	}
}

func TestResultsAreReadWhenTheScanEnds(t *testing.T) {
	f := serveReading(t)
	id := f.scanned(f.two()...)
	state, turns := f.rest(id, time.Hour)
	if f.wantAll(state, 2); turns != 1 {
		t.Errorf("%d turns", turns)
	}
	asked := f.calls.asked.Load()
	if _, pause := f.turn(id); pause != 0 || f.calls.asked.Load() != asked {
		t.Error("what is read is read again")
	}
	if _, err := f.service.ResultsState(t.Context(), access.PersonID{Authority: "t", Subject: "eve"}, id); err == nil {
		t.Error("somebody else's results are told of")
	}
	f.forward(30*24*time.Hour - 3*time.Hour)
	if n, err := f.service.Expire(t.Context()); n != 0 || err != nil {
		t.Errorf("%d deleted before their time, %v", n, err)
	}
	f.forward(4 * time.Hour)
	if n, err := f.service.Expire(t.Context()); n != 1 || err != nil {
		t.Errorf("%d deleted after their time, %v", n, err)
	}
	if state := f.state(id); state.Kept || state.State != scan.ReadEnded {
		t.Errorf("after their time: %+v", state)
	}
}

// Each page takes longer than a turn begins pages for. Open pages hear of each
// turn, and so of no page of AzTS's more often than that.
func TestReadingGoesOnWhereItStopped(t *testing.T) {
	f := serveReading(t)
	id := f.scanned(f.two()...)
	heard, cancel := f.service.Subscribe(f.owner)
	defer cancel()
	f.calls.before = func(int) error {
		f.forward(9 * time.Second)
		return nil
	}
	state, turns := f.rest(id, time.Hour)
	if f.wantAll(state, 2); turns != int(f.calls.asked.Load()) || turns < 4 {
		t.Errorf("%d turns for %d pages", turns, f.calls.asked.Load())
	}
	if len(heard) != turns {
		t.Errorf("%d events of %d turns", len(heard), turns)
	}
	for range len(heard) {
		if e := <-heard; e.Scan != id || e.State != scan.Completed {
			t.Errorf("event %+v", e)
		}
	}
}

func TestReadingOutlivesTroubleOfAzTS(t *testing.T) {
	for _, c := range []struct {
		fault, value string
		lasts        time.Duration
		state        scan.ReadState // meanwhile
		code         string
		most         int // turns in that time
	}{
		{"azts.500", "", time.Hour, scan.ReadRunning, "", 80},
		{"azts.break_page", "", time.Hour, scan.ReadRunning, "", 80},
		{"azts.truncated", "", time.Hour, scan.ReadRunning, "", 80},
		{"azts.feature_off", "", time.Hour, scan.ReadRunning, "azts_off", 80},
		{"azts.429", "600", time.Hour, scan.ReadRunning, "throttled", 7},
		{"azts.401", "", time.Hour, scan.ReadRunning, "token_refused", 80},
		{"azts.claims_challenge", "c3", 3 * time.Hour, scan.ReadWaiting, "claims_challenge", 190},
	} {
		t.Run(c.fault, func(t *testing.T) {
			f := serveReading(t)
			id := f.scanned(f.two()...)
			f.Faults().Set(c.fault, c.value, -1)
			state, turns := f.rest(id, c.lasts)
			if state.State != c.state || state.Problem.Code == "" || c.code != "" && state.Problem.Code != c.code || turns > c.most {
				t.Errorf("after %d turns: %+v", turns, state)
			}
			if claims := state.Problem.Claims; (c.fault == "azts.claims_challenge") != strings.Contains(claims, `"c3"`) {
				t.Errorf("claims %q", claims)
			}
			f.Faults().Clear()
			state, _ = f.rest(id, 10*time.Minute)
			f.wantAll(state, 2)
		})
	}
}

func TestReadingEndsClearlyWhereAzTSHasNoMore(t *testing.T) {
	for _, c := range []struct {
		fault, value string
		state        results.State
		subs         map[results.SubscriptionState]int
	}{
		{"azts.page_loop", "", results.Short, map[results.SubscriptionState]int{results.SubLoop: 2}},
		{"azts.gone", prod, results.Short, map[results.SubscriptionState]int{results.SubGone: 1, results.SubWhole: 1}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			f := serveReading(t)
			id := f.scanned(f.two()...)
			f.Faults().Set(c.fault, c.value, -1)
			state, turns := f.rest(id, time.Hour)
			subs := map[results.SubscriptionState]int{}
			for _, sub := range state.Info.Subscriptions {
				subs[sub.State]++
			}
			if state.State != scan.ReadEnded || turns != 1 || state.Info.State != c.state || !maps.Equal(subs, c.subs) {
				t.Errorf("after %d turns: %+v, %v", turns, state, subs)
			}
		})
	}
}

func TestWeirdResultsAreKept(t *testing.T) {
	f := serveReading(t)
	id := f.scanned(prod)
	f.Faults().Set("azts.weird_values", "", -1)
	state, _ := f.rest(id, time.Hour)
	if state.State != scan.ReadEnded || !state.Info.State.Ended() || state.Info.Rows == 0 || state.Problem != (scan.Problem{}) {
		t.Errorf("%+v", state)
	}
}

// One subscription at which AzTS fails for good keeps no other from being read,
// and is short in the end, with words.
func TestReadingIsGivenUpAfterTwoHours(t *testing.T) {
	f := serveReading(t)
	id := f.scanned(f.two()...)
	f.Faults().Set("azts.break_page", "", -1)
	state, _ := f.rest(id, 5*time.Hour)
	if after := state.EndedAt.Sub(state.Since); state.State != scan.ReadEnded || state.Problem.Code != "results_late" ||
		after < scan.TimeLimit || after > scan.TimeLimit+2*time.Minute {
		t.Errorf("after %v: %+v", after, state)
	}
	if info := state.Info; info.State != results.Short || info.Rows == 0 || info.Rows >= 2*readRows {
		t.Errorf("what came is not kept: %+v", info)
	}
}

func TestReadingWaitsForItsOwner(t *testing.T) {
	f := serveReading(t)
	id := f.scanned(f.two()...)
	f.calls.before = func(n int) error {
		if n == 3 {
			f.away.Store(true)
			return scan.ErrSignedOut
		}
		return nil
	}
	state, pause := f.turn(id)
	if state.State != scan.ReadWaiting || state.Problem.Code != "signed_out" || pause < 15*time.Second || state.Info.Rows == 0 {
		t.Errorf("signed out: %+v", state)
	}
	if n := f.service.NeedsToken(t.Context(), f.owner); n != 1 {
		t.Errorf("%d scans need the owner", n)
	}
	f.forward(17 * time.Hour)
	if state, _ = f.rest(id, 20*time.Minute); state.State != scan.ReadWaiting {
		t.Fatalf("after most of a day: %+v", state)
	}
	f.away.Store(false)
	f.Faults().Set("azts.500", "", -1)
	if state, _ = f.rest(id, time.Hour); state.State != scan.ReadRunning { // the time it waited does not count
		t.Fatalf("after an hour of trouble: %+v", state)
	}
	f.Faults().Clear()
	state, _ = f.rest(id, time.Hour)
	f.wantAll(state, 2)
}

func TestReadingWithoutItsOwnerIsGivenUpAfterADay(t *testing.T) {
	f := serveReading(t)
	id := f.scanned(prod)
	f.away.Store(true)
	f.turn(id)
	f.forward(scan.WaitLimit - 10*time.Minute)
	state, _ := f.rest(id, time.Hour)
	if after := state.EndedAt.Sub(state.Since); state.State != scan.ReadEnded || state.Problem.Code != "owner_gone" ||
		after < scan.WaitLimit || after > scan.WaitLimit+2*time.Minute {
		t.Errorf("after %v: %+v", after, state)
	}
	if !state.Kept || state.Info.State != results.Short {
		t.Errorf("its set: %+v", state.Info)
	}
}

// What is read is damaged on disk, or the key that opens it is gone. It is read
// from the start once; where that does not help, there is an end, and the person
// can scan again.
func TestResultsThatDoNotOpenAreReadAnewOnce(t *testing.T) {
	for _, again := range []bool{false, true} {
		f := serveReading(t)
		id := f.scanned(f.two()...)
		f.calls.before = func(int) error { // no turn gets to the end
			f.forward(9 * time.Second)
			return nil
		}
		damaged := func() scan.ResultsState {
			t.Helper()
			if state, _ := f.turn(id); state.State != scan.ReadRunning || state.Info.Rows == 0 || state.Info.Rows >= 2*readRows {
				t.Fatalf("not in the middle: %+v", state)
			}
			storetest.Exec(t, f.db, "UPDATE result_segments SET sealed = zeroblob(100)")
			state, _ := f.turn(id)
			return state
		}
		if state := damaged(); state.State != scan.ReadRunning || state.Problem.Code != "results_unreadable" || state.Kept {
			t.Errorf("it does not open: %+v", state)
		}
		if again {
			if state := damaged(); state.State != scan.ReadEnded || state.Problem.Code != "results_unreadable" || state.Problem.Next == "" {
				t.Errorf("it does not open again: %+v", state)
			}
			continue
		}
		state, _ := f.rest(id, time.Hour)
		f.wantAll(state, 2)
	}
}

// The process dies when all results are stored, and before that is stored of their scan.
func TestReadingEndsWhenItsEndWasLost(t *testing.T) {
	f := serveReading(t)
	id := f.scanned(f.two()...)
	f.rest(id, time.Hour)
	asked := f.calls.asked.Load()
	storetest.Exec(t, f.db, "UPDATE scans SET read_state = 'reading', read_ended_at = 0")
	state, pause := f.turn(id)
	if f.wantAll(state, 2); pause != 0 || f.calls.asked.Load() != asked || state.EndedAt.IsZero() {
		t.Errorf("pause %v, %d more pages, %+v", pause, f.calls.asked.Load()-asked, state.Reading)
	}
}

// Two processes at one set: only the first to store goes on.
func TestTwoReadersDoNotDoubleResults(t *testing.T) {
	f := serveReading(t)
	id := f.scanned(f.two()...)
	f.calls.before = func(n int) error {
		if n != 3 {
			return nil
		}
		_, err := f.service.Read(t.Context(), id) // another process, from the beginning to the end
		return err
	}
	if pause, err := f.service.Read(t.Context(), id); pause == 0 || err != nil {
		t.Errorf("the later of two: pause %v, %v", pause, err)
	}
	state, _ := f.rest(id, time.Hour)
	f.wantAll(state, 2)
}

// The process stops in the middle of a turn, or its database fails.
func TestStoppedReadingLosesNothing(t *testing.T) {
	f := serveReading(t)
	id := f.scanned(f.two()...)
	ctx, cancel := context.WithCancel(t.Context())
	f.calls.before = func(n int) error {
		if n == 4 {
			cancel()
		}
		return nil
	}
	if _, err := f.service.Read(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("a stopped turn: %v", err)
	}
	if state := f.state(id); state.State != scan.ReadRunning || state.Problem != (scan.Problem{}) {
		t.Errorf("its own end is taken for AzTS's: %+v", state)
	}
	f.calls.before = nil
	state, _ := f.rest(id, time.Hour)
	f.wantAll(state, 2)
}
