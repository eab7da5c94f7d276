package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/session"
)

// Records are the contracts that belong together: tokens live in sessions.
type Records interface {
	session.Records
	entra.TokenRecords
}

// start is the time at which the suite's sessions begin; the contracts are told
// the time with each call.
var start = time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)

// world is one case of the suite: a and b are two handles on one database.
type world struct {
	*testing.T
	a, b   Records
	person access.PersonID
}

// newRecord returns a session of the case's person that ends at start plus an
// hour. Whatever tells cases apart is new, so that they can share a database.
func (w *world) newRecord() session.Record {
	var id session.ID
	rand.Read(id[:])
	return session.Record{ID: id, Person: w.person, Issuer: "https://login.example/" + w.person.Subject, SID: "sid-" + rand.Text(),
		SessionState: "state-" + rand.Text(), Sealed: append([]byte("\x00\xff'"), id[:]...), Device: "Edge on Windows",
		CreatedAt: start, LastSeenAt: start, ExpiresAt: start.Add(12 * time.Hour), EndsAt: start.Add(time.Hour)}
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// create stores records and returns them.
func (w *world) create(records ...session.Record) []session.Record {
	w.Helper()
	for _, rec := range records {
		w.ok(w.a.CreateSession(w.Context(), rec, nil))
	}
	return records
}

// live says which of the records can still be loaded.
func (w *world) live(records ...session.Record) (live []bool) {
	w.Helper()
	for _, rec := range records {
		_, err := w.b.LoadSession(w.Context(), rec.ID, start)
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			w.Fatal(err)
		}
		live = append(live, err == nil)
	}
	return live
}

func (w *world) wantLive(records []session.Record, want ...bool) {
	w.Helper()
	if got := w.live(records...); !slices.Equal(got, want) {
		w.Errorf("live: %v, want %v", got, want)
	}
}

// TestRecords runs the suite on two handles on one database. Where the database
// belongs to one process, both are the same.
func TestRecords(t *testing.T, a, b Records) {
	for name, test := range map[string]func(*world){
		"a session is loaded as it was stored":                loadedWhole,
		"a session ends when it ends":                         endsAtEndsAt,
		"an id is given once":                                 idOnce,
		"a session ends though it was looked up before":       endsAfterLookups,
		"touching moves forward only":                         touchForward,
		"touching a session that is gone brings none back":    touchGone,
		"a new session replaces others with their tokens":     replaces,
		"a session begins with its tokens or not at all":      beginsWithTokens,
		"a refused session replaces none":                     refusedReplacesNone,
		"deleting says whether it was there":                  deleteSession,
		"a person ends a session of their own alone":          deleteSessionOf,
		"a sid ends its sessions by sid and session_state":    bySID,
		"a sid ends the sessions of the issuer named":         bySIDOfIssuer,
		"an empty sid ends nothing":                           bySIDEmpty,
		"a hostile sid ends nothing":                          bySIDHostile,
		"a person's sessions end together":                    ofSubject,
		"a person's sessions are listed, last seen first":     sessionsOf,
		"live sessions are told from the others":              liveSessions,
		"a value is used once":                                useOnce,
		"of fifty at once exactly one is first":               useOnceAtOnce,
		"a token is loaded as it was saved":                   tokenWhole,
		"a token replaces the one of its resource":            tokenReplaces,
		"tokens are saved all or none":                        tokensAllOrNone,
		"tokens of a session that is gone are refused":        tokensOfGone,
		"a visit's tokens come with the provider's session":   visitWhole,
		"a visit of a session that ended leaves nothing":      visitOfEnded,
		"tokens die with their session":                       tokensDie,
		"a token is forgotten alone":                          deleteToken,
		"a person's token is sought in the session last seen": sessionWithToken,
		"an issued token has a line in the history":           issueWhole,
		"the history is listed in pages, the newest first":    issuesPaged,
		"a token that was not kept was not issued":            issueOfRefusedToken,
		"the history outlives the session":                    issueOutlivesSession,
		"uses of a token are noted, the first time stays":     issueMarked,
		"the history is its person's alone":                   issueOfOthers,
		"a lock waits for its turn to end":                    lockGivenBack,
		"held locks leave room for queries":                   locksLeaveRoom,
	} {
		t.Run(name, func(t *testing.T) {
			test(&world{T: t, a: a, b: b, person: access.PersonID{Authority: "tenant-" + rand.Text(), Subject: rand.Text()}})
		})
	}
}

func loadedWhole(w *world) {
	want := w.create(w.newRecord())[0]
	got, err := w.b.LoadSession(w.Context(), want.ID, start)
	w.ok(err)
	if !reflect.DeepEqual(got, want) {
		w.Errorf("loaded %+v\nstored %+v", got, want)
	}
	if _, err := w.a.LoadSession(w.Context(), w.newRecord().ID, start); !errors.Is(err, session.ErrNotFound) {
		w.Errorf("unknown id: %v", err)
	}
}

func endsAtEndsAt(w *world) {
	rec := w.create(w.newRecord())[0]
	if _, err := w.a.LoadSession(w.Context(), rec.ID, rec.EndsAt.Add(-time.Microsecond)); err != nil {
		w.Errorf("a moment before its end: %v", err)
	}
	if _, err := w.a.LoadSession(w.Context(), rec.ID, rec.EndsAt); !errors.Is(err, session.ErrNotFound) {
		w.Errorf("at its end: %v", err)
	}
}

func idOnce(w *world) {
	rec := w.create(w.newRecord())[0]
	other := w.newRecord()
	other.ID, other.Device = rec.ID, "another"
	if err := w.b.CreateSession(w.Context(), other, nil); err == nil {
		w.Error("a second session with the same id was taken")
	}
	if got, err := w.a.LoadSession(w.Context(), rec.ID, start); err != nil || got.Device != rec.Device {
		w.Errorf("the first is now %+v, %v", got, err)
	}
}

func touchForward(w *world) {
	rec := w.create(w.newRecord())[0]
	later, ends := start.Add(5*time.Minute), start.Add(65*time.Minute)
	w.ok(w.a.TouchSession(w.Context(), rec.ID, later, ends))
	// A request that came earlier is written later.
	w.ok(w.b.TouchSession(w.Context(), rec.ID, start.Add(time.Minute), start.Add(61*time.Minute)))
	got, err := w.a.LoadSession(w.Context(), rec.ID, start)
	w.ok(err)
	if !got.LastSeenAt.Equal(later) || !got.EndsAt.Equal(ends) || !got.ExpiresAt.Equal(rec.ExpiresAt) {
		w.Errorf("seen %v, ends %v, expires %v", got.LastSeenAt, got.EndsAt, got.ExpiresAt)
	}
}

// A list or a look-up before must not hide what happened since.
func endsAfterLookups(w *world) {
	rec := w.create(w.newRecord())[0]
	for range 3 {
		w.wantLive([]session.Record{rec}, true)
		if _, err := w.a.LoadSession(w.Context(), rec.ID, start); err != nil {
			w.Fatal(err)
		}
	}
	later := start.Add(30 * time.Minute)
	w.ok(w.a.TouchSession(w.Context(), rec.ID, later, later.Add(time.Hour)))
	if got, err := w.a.LoadSession(w.Context(), rec.ID, rec.EndsAt); err != nil || !got.LastSeenAt.Equal(later) {
		w.Errorf("after its idle limit moved: %+v, %v", got, err)
	}
	if _, err := w.a.LoadSession(w.Context(), rec.ID, later.Add(time.Hour)); !errors.Is(err, session.ErrNotFound) {
		w.Errorf("at its new end: %v", err)
	}
	if _, err := w.b.DeleteSession(w.Context(), rec.ID); err != nil {
		w.Fatal(err)
	}
	for _, handle := range []Records{w.a, w.b} {
		if _, err := handle.LoadSession(w.Context(), rec.ID, start); !errors.Is(err, session.ErrNotFound) {
			w.Errorf("looked up before it was deleted: %v", err)
		}
	}
}

func touchGone(w *world) {
	rec := w.newRecord()
	w.ok(w.a.TouchSession(w.Context(), rec.ID, start.Add(time.Minute), start.Add(time.Hour)))
	w.wantLive([]session.Record{rec}, false)
}

func replaces(w *world) {
	old := w.create(w.newRecord(), w.newRecord(), w.newRecord())
	w.ok(w.a.SaveTokens(w.Context(), old[0].ID, entra.SealedToken{Resource: "r", Sealed: []byte("t"), ExpiresAt: start.Add(time.Hour)}))
	next := w.newRecord()
	w.ok(w.b.CreateSession(w.Context(), next, nil, old[0].ID, old[1].ID, w.newRecord().ID))
	w.wantLive(append(old, next), false, false, true, true)
	if _, err := w.a.LoadToken(w.Context(), old[0].ID, "r"); !errors.Is(err, entra.ErrNoToken) {
		w.Errorf("the token of a replaced session: %v", err)
	}
}

func beginsWithTokens(w *world) {
	rec, old := w.newRecord(), w.create(w.newRecord())[0]
	refresh, one := newToken(""), newToken("r")
	w.ok(w.a.CreateSession(w.Context(), rec, []session.SealedToken{session.SealedToken(refresh), session.SealedToken(one)}))
	w.wantToken(rec.ID, refresh)
	w.wantToken(rec.ID, one)
	next, broken := w.newRecord(), newToken("broken")
	broken.Sealed = nil // no database takes a token without content
	if err := w.b.CreateSession(w.Context(), next, []session.SealedToken{session.SealedToken(newToken("")), session.SealedToken(broken)}, old.ID); err == nil {
		w.Fatal("a session began with a token that is none")
	}
	w.wantLive([]session.Record{rec, old, next}, true, true, false)
	if _, err := w.a.LoadSession(w.Context(), next.ID, start); !errors.Is(err, session.ErrNotFound) {
		w.Errorf("the session that did not begin: %v", err)
	}
}

func refusedReplacesNone(w *world) {
	old := w.create(w.newRecord(), w.newRecord())
	again := w.newRecord()
	again.ID = old[0].ID
	if err := w.a.CreateSession(w.Context(), again, nil, old[1].ID); err == nil {
		w.Fatal("an id was taken twice")
	}
	w.wantLive(old, true, true)
}

func deleteSession(w *world) {
	recs := w.create(w.newRecord(), w.newRecord())
	for _, want := range []bool{true, false} {
		there, err := w.b.DeleteSession(w.Context(), recs[0].ID)
		w.ok(err)
		if there != want {
			w.Errorf("there: %v, want %v", there, want)
		}
	}
	w.wantLive(recs, false, true)
}

func deleteSessionOf(w *world) {
	recs := w.create(w.newRecord(), w.newRecord())
	w.ok(w.a.SaveTokens(w.Context(), recs[0].ID, newToken("r")))
	w.wantLive(recs, true, true) // looked up before
	otherTenant, otherSubject := w.person, w.person
	otherTenant.Authority += "x"
	otherSubject.Subject += "x"
	for _, tt := range []struct {
		person access.PersonID
		id     session.ID
		want   bool
	}{{otherTenant, recs[0].ID, false}, {otherSubject, recs[0].ID, false}, {access.PersonID{}, recs[0].ID, false},
		{w.person, w.newRecord().ID, false}, {w.person, recs[0].ID, true}, {w.person, recs[0].ID, false}} {
		gone, err := w.b.DeleteSessionOf(w.Context(), tt.person, tt.id)
		w.ok(err)
		if gone != tt.want {
			w.Errorf("%v of %v: %v, want %v", tt.id[:2], tt.person, gone, tt.want)
		}
	}
	w.wantLive(recs, false, true)
	if _, err := w.a.LoadToken(w.Context(), recs[0].ID, "r"); !errors.Is(err, entra.ErrNoToken) {
		w.Errorf("its token: %v", err)
	}
}

// ids are those of the records, in an order of their own.
func ids(records ...session.Record) []session.ID {
	out := make([]session.ID, len(records))
	for i, rec := range records {
		out[i] = rec.ID
	}
	return sorted(out)
}

func sorted(list []session.ID) []session.ID {
	return slices.SortedFunc(slices.Values(list), func(a, b session.ID) int { return slices.Compare(a[:], b[:]) })
}

func (w *world) wantIDs(got []session.ID, err error, want ...session.Record) {
	w.Helper()
	w.ok(err)
	if !slices.Equal(sorted(got), ids(want...)) {
		w.Errorf("%d ids, not the %d expected", len(got), len(want))
	}
}

func bySID(w *world) {
	one, two, other, without := w.newRecord(), w.newRecord(), w.newRecord(), w.newRecord()
	two.SID, two.SessionState = "", one.SID // Entra's sid of a sign-out equals session_state (entra.md §2.4)
	without.SID, without.SessionState = "", ""
	recs := w.create(one, two, other, without)
	got, err := w.b.DeleteSessionsBySID(w.Context(), "", one.SID)
	w.wantIDs(got, err, one, two)
	w.wantLive(recs, false, false, true, true)
	got, err = w.a.DeleteSessionsBySID(w.Context(), "", one.SID)
	w.wantIDs(got, err)
}

func bySIDOfIssuer(w *world) {
	one, foreign := w.newRecord(), w.newRecord()
	foreign.SID, foreign.Issuer = one.SID, "https://other.example"
	recs := w.create(one, foreign)
	got, err := w.a.DeleteSessionsBySID(w.Context(), "https://nobody.example", one.SID)
	w.wantIDs(got, err)
	w.wantLive(recs, true, true)
	got, err = w.a.DeleteSessionsBySID(w.Context(), one.Issuer, one.SID)
	w.wantIDs(got, err, one)
	w.wantLive(recs, false, true)
}

func bySIDEmpty(w *world) {
	without := w.newRecord()
	without.SID, without.SessionState = "", ""
	recs := w.create(without, w.newRecord())
	for _, issuer := range []string{"", without.Issuer} {
		got, err := w.a.DeleteSessionsBySID(w.Context(), issuer, "")
		w.wantIDs(got, err)
	}
	w.wantLive(recs, true, true)
}

func bySIDHostile(w *world) {
	recs := w.create(w.newRecord())
	sid := recs[0].SID
	for _, hostile := range []string{"%", "_", sid[:len(sid)-1] + "_", sid + "%", "' OR '1'='1", "' OR 1=1 --", "$1", strings.ToUpper(sid), " " + sid,
		sid + "\x00", "\x00", "\xff\xfe", strings.Repeat("s", 100_000)} {
		got, err := w.a.DeleteSessionsBySID(w.Context(), "", hostile)
		if err != nil || len(got) != 0 {
			w.Errorf("sid %.20q: %d ended, %v", hostile, len(got), err)
		}
		got, err = w.a.DeleteSessionsBySID(w.Context(), hostile, sid)
		if err != nil || len(got) != 0 {
			w.Errorf("issuer %.20q: %d ended, %v", hostile, len(got), err)
		}
	}
	w.wantLive(recs, true)
}

func ofSubject(w *world) {
	mine, second, otherTenant, otherSubject := w.newRecord(), w.newRecord(), w.newRecord(), w.newRecord()
	otherTenant.Person.Authority += "x"
	otherSubject.Person.Subject += "x"
	recs := w.create(mine, second, otherTenant, otherSubject)
	got, err := w.b.DeleteSessionsOfSubject(w.Context(), w.person)
	w.wantIDs(got, err, mine, second)
	w.wantLive(recs, false, false, true, true)
}

func sessionsOf(w *world) {
	var want []session.Record
	for i := range 4 {
		rec := w.newRecord()
		rec.LastSeenAt = start.Add(time.Duration(i) * time.Minute)
		want = append([]session.Record{rec}, want...)
	}
	ended, foreign := w.newRecord(), w.newRecord()
	ended.EndsAt = start
	foreign.Person.Subject += "x"
	w.create(append([]session.Record{want[2], want[0], want[3], want[1]}, ended, foreign)...)
	for i := range want {
		want[i].Sealed = nil // no list needs the content
	}
	for _, limit := range []int{10, 4, 2} {
		got, err := w.b.SessionsOf(w.Context(), w.person, start, limit)
		w.ok(err)
		if !reflect.DeepEqual(got, want[:min(limit, len(want))]) {
			w.Errorf("limit %d: %d sessions, or not in their order, or not as they are without their content", limit, len(got))
		}
	}
}

func liveSessions(w *world) {
	got, err := w.a.LiveSessions(w.Context(), nil, start)
	w.wantIDs(got, err)
	// More than one query asks for, with gaps all over.
	var asked []session.ID
	var live []session.Record
	for i := range 230 {
		rec := w.newRecord()
		asked = append(asked, rec.ID)
		switch i % 10 {
		case 0:
			w.create(rec)
			live = append(live, rec)
		case 1:
			rec.EndsAt = start
			w.create(rec)
		}
	}
	got, err = w.b.LiveSessions(w.Context(), asked, start)
	w.wantIDs(got, err, live...)
	got, err = w.b.LiveSessions(w.Context(), asked[:1], start)
	w.wantIDs(got, err, live[0])
}

func useOnce(w *world) {
	value := rand.Text()
	for i, want := range []bool{true, false, false} {
		first, err := [...]Records{w.a, w.b, w.a}[i].UseOnce(w.Context(), value, start)
		w.ok(err)
		if first != want {
			w.Errorf("use %d: first %v", i+1, first)
		}
	}
	for _, other := range []string{value + " ", strings.ToLower(value), "", "\x00\xff" + value} {
		if first, err := w.a.UseOnce(w.Context(), other, start); err != nil || !first {
			w.Errorf("another value, %q: %v, %v", other, first, err)
		}
	}
}

func useOnceAtOnce(w *world) {
	const uses = 50
	value := rand.Text()
	var firsts atomic.Int32
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range uses {
		wg.Go(func() {
			<-begin
			first, err := [...]Records{w.a, w.b}[i%2].UseOnce(context.WithoutCancel(w.Context()), value, start)
			if err != nil {
				w.Error(err)
			}
			if first {
				firsts.Add(1)
			}
		})
	}
	close(begin)
	wg.Wait()
	if n := firsts.Load(); n != 1 {
		w.Errorf("%d of %d were first", n, uses)
	}
}
