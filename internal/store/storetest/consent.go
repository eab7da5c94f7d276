package storetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/consent"
)

// consentWorld is one case of the suite of consent.Records: a and b are two
// handles on one database.
type consentWorld struct {
	*testing.T
	a, b   consent.Records
	person access.PersonID
}

// TestConsentRecords runs the suite on two handles on one database. Where the
// database belongs to one process, both are the same.
func TestConsentRecords(t *testing.T, a, b consent.Records) {
	for name, test := range map[string]func(*consentWorld){
		"a request is loaded as it was stored":          requestWhole,
		"the same scope asked for again is one request": requestOnce,
		"of twenty at once there is one request":        requestAtOnce,
		"too many that wait are refused":                requestTooMany,
		"too many at once are refused as well":          requestTooManyAtOnce,
		"a request is decided once":                     decidedOnce,
		"waiting and decided are told apart":            requestLists,
		"an unknown request is not found":               requestUnknown,
		"audit entries are kept in order, whole":        auditWhole,
		"operations without an outcome are found":       auditOpen,
	} {
		t.Run(name, func(t *testing.T) {
			test(&consentWorld{T: t, a: a, b: b, person: access.PersonID{Authority: "tenant-" + rand.Text(), Subject: rand.Text()}})
		})
	}
}

func (w *consentWorld) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *consentWorld) request(scope string) consent.Request {
	return consent.Request{ID: rand.Text(), Person: w.person, Name: "Dana \"D\" Reyes; DROP TABLE", Account: "dana@contoso.com",
		ObjectID: "a83f5c06-12d7-4e9b-b0c4-67f1e2d95a38", Scope: scope, Reason: "Ich muß 多言語 lesen", AskedAt: start, State: consent.Pending}
}

func (w *consentWorld) ask(scope string) consent.Request {
	w.Helper()
	r, created, err := w.a.CreateRequest(w.Context(), w.request(scope), 20)
	if err != nil || !created {
		w.Fatalf("%s: created %v, %v", scope, created, err)
	}
	return r
}

func requestWhole(w *consentWorld) {
	want := w.ask("api://azts/user_impersonation")
	got, err := w.b.LoadRequest(w.Context(), want.ID)
	w.ok(err)
	if !reflect.DeepEqual(got, want) {
		w.Errorf("loaded %+v\nstored %+v", got, want)
	}
	want.State = consent.Declined
	want.Decision = consent.Decision{State: consent.Declined, By: access.PersonID{Authority: "t", Subject: "ada"}, ByName: "Ada", At: start.Add(time.Hour),
		Answer: "Not for this.", ForTenant: true, Reference: "ref-1"}
	w.ok(w.b.DecideRequest(w.Context(), want.ID, want.Decision))
	got, err = w.a.LoadRequest(w.Context(), want.ID)
	w.ok(err)
	if !reflect.DeepEqual(got, want) {
		w.Errorf("loaded  %+v\ndecided %+v", got, want)
	}
}

func requestOnce(w *consentWorld) {
	first := w.ask("api://azts/user_impersonation")
	again, created, err := w.b.CreateRequest(w.Context(), w.request(first.Scope), 20)
	if err != nil || created || again.ID != first.ID {
		w.Errorf("asked again: %s created %v, %v; want %s", again.ID, created, err, first.ID)
	}
	w.ok(w.a.DecideRequest(w.Context(), first.ID, consent.Decision{State: consent.Declined, At: start}))
	if after := w.ask(first.Scope); after.ID == first.ID {
		w.Error("a declined request is the answer to a new one")
	}
}

func requestAtOnce(w *consentWorld) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids, made := map[string]bool{}, 0
	for i := range 20 {
		records := []consent.Records{w.a, w.b}[i%2]
		wg.Go(func() {
			r, created, err := records.CreateRequest(w.Context(), w.request("api://azts/x"), 20)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				w.Error(err)
			}
			ids[r.ID] = true
			if created {
				made++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || made != 1 {
		w.Errorf("%d requests, %d made", len(ids), made)
	}
}

func requestTooMany(w *consentWorld) {
	for i := range 3 {
		w.ask(fmt.Sprint("api://azts/", i))
	}
	if _, _, err := w.b.CreateRequest(w.Context(), w.request("api://azts/one-more"), 3); !errors.Is(err, consent.ErrTooMany) {
		w.Errorf("the fourth of three: %v", err)
	}
	if _, created, err := w.b.CreateRequest(w.Context(), w.request("api://azts/1"), 3); err != nil || created {
		w.Errorf("one that waits, asked for again: created %v, %v", created, err)
	}
	other := w.request("api://azts/one-more")
	other.Person.Subject += "-other"
	if _, created, err := w.b.CreateRequest(w.Context(), other, 3); err != nil || !created {
		w.Errorf("another person's: created %v, %v", created, err)
	}
}

func requestTooManyAtOnce(w *consentWorld) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 12 {
		records := []consent.Records{w.a, w.b}[i%2]
		wg.Go(func() {
			_, created, err := records.CreateRequest(w.Context(), w.request(fmt.Sprint("api://azts/", i)), 4)
			if err != nil && !errors.Is(err, consent.ErrTooMany) {
				w.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if created {
				made++
			}
		})
	}
	wg.Wait()
	if made != 4 {
		w.Errorf("%d of at most 4 were made", made)
	}
}

func decidedOnce(w *consentWorld) {
	r := w.ask("api://azts/x")
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		records := []consent.Records{w.a, w.b}[i%2]
		wg.Go(func() {
			err := records.DecideRequest(w.Context(), r.ID, consent.Decision{State: consent.Approved, At: start})
			if err != nil && !errors.Is(err, consent.ErrDecided) {
				w.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		w.Errorf("%d decided it", won)
	}
}

func requestLists(w *consentWorld) {
	ctx := w.Context()
	var mine []consent.Request
	for i := range 3 {
		r := w.request(fmt.Sprint("api://azts/", i))
		r.AskedAt = start.Add(time.Duration(i) * time.Minute)
		_, _, err := w.a.CreateRequest(ctx, r, 20)
		w.ok(err)
		mine = append(mine, r)
	}
	w.ok(w.a.DecideRequest(ctx, mine[0].ID, consent.Decision{State: consent.Approved, At: start.Add(24 * time.Hour)}))
	own, err := w.b.RequestsOf(ctx, w.person, 2)
	w.ok(err)
	if len(own) != 2 || own[0].ID != mine[2].ID || own[1].ID != mine[1].ID {
		w.Errorf("the newest two are %v", idsOf(own))
	}
	// Of another authority, which never shows among these.
	foreign := w.request("api://azts/1")
	foreign.Person.Authority += "-other"
	_, _, err = w.a.CreateRequest(ctx, foreign, 20)
	w.ok(err)
	for name, c := range map[string]struct {
		q     consent.RequestQuery
		want  []consent.Request
		total int
	}{
		"waiting":           {consent.RequestQuery{Pending: true, Limit: 10}, mine[1:], 2},
		"decided":           {consent.RequestQuery{Limit: 10}, mine[:1], 1},
		"the first":         {consent.RequestQuery{Pending: true, Limit: 1}, mine[1:2], 2},
		"the second":        {consent.RequestQuery{Pending: true, Limit: 1, Offset: 1}, mine[2:], 2},
		"none left":         {consent.RequestQuery{Pending: true, Limit: 1, Offset: 2}, nil, 2},
		"by scope":          {consent.RequestQuery{Pending: true, Limit: 10, Text: "AZTS/2"}, mine[2:], 1},
		"by account":        {consent.RequestQuery{Pending: true, Limit: 10, Text: "dana@contoso"}, mine[1:], 2},
		"by reason":         {consent.RequestQuery{Pending: true, Limit: 10, Text: "多言語"}, mine[1:], 2},
		"a percent sign":    {consent.RequestQuery{Pending: true, Limit: 10, Text: "%"}, nil, 0},
		"an underscore":     {consent.RequestQuery{Pending: true, Limit: 10, Text: "a_ts"}, nil, 0},
		"the escape itself": {consent.RequestQuery{Pending: true, Limit: 10, Text: "!"}, nil, 0},
		"a quote":           {consent.RequestQuery{Pending: true, Limit: 10, Text: "' OR 1=1 --"}, nil, 0},
		"what no text is":   {consent.RequestQuery{Pending: true, Limit: 10, Text: "\x00"}, nil, 0},
	} {
		got, total, err := w.b.RequestsIn(ctx, w.person.Authority, c.q)
		w.ok(err)
		if strings.Join(idsOf(got), " ") != strings.Join(idsOf(c.want), " ") || total != c.total {
			w.Errorf("%s: %v of %d, want %v of %d", name, idsOf(got), total, idsOf(c.want), c.total)
		}
	}
	for limit, want := range map[int]int{10: 2, 1: 1} {
		if n, err := w.b.CountPending(ctx, w.person.Authority, limit); err != nil || n != want {
			w.Errorf("%d wait, at most %d are counted: %v", n, limit, err)
		}
	}
}

func idsOf(list []consent.Request) (ids []string) {
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids
}

func requestUnknown(w *consentWorld) {
	for _, id := range []string{"nothing", "", "a\x00b", "\xff"} {
		if _, err := w.a.LoadRequest(w.Context(), id); !errors.Is(err, consent.ErrNotFound) {
			w.Errorf("loading %q: %v", id, err)
		}
		if err := w.a.DecideRequest(w.Context(), id, consent.Decision{State: consent.Approved}); !errors.Is(err, consent.ErrNotFound) {
			w.Errorf("deciding %q: %v", id, err)
		}
	}
}

func auditWhole(w *consentWorld) {
	ctx := w.Context()
	at := start.Add(1000 * time.Hour)
	want := consent.Entry{Operation: rand.Text(), At: at, Actor: w.person, ActorName: "Ada", Action: consent.WithdrawGrant, Outcome: consent.Intended,
		ClientID: "c", ClientName: "Ledger 'Sync'", ResourceID: "r", ResourceName: "AzTS API", Scope: "a b", TargetID: "t", TargetName: "Dana", Reference: "ref", Code: "x"}
	w.ok(w.a.AppendAudit(ctx, want))
	end := want
	end.Outcome, end.At = consent.Done, at.Add(time.Microsecond)
	w.ok(w.b.AppendAudit(ctx, end))
	all, err := w.b.AuditEntries(ctx, 10_000)
	w.ok(err)
	var mine []consent.Entry
	for _, e := range all {
		if e.Operation == want.Operation {
			mine = append(mine, e)
		}
	}
	if len(mine) != 2 || mine[1].ID == 0 || mine[0].ID <= mine[1].ID {
		w.Fatalf("%+v", mine)
	}
	mine[0].ID, mine[1].ID = 0, 0
	if mine[0] != end || mine[1] != want {
		w.Errorf("newest first: %+v\nwant %+v, %+v", mine, end, want)
	}
}

func auditOpen(w *consentWorld) {
	ctx := w.Context()
	record := func(operation string, actor access.PersonID, action consent.Action, outcome consent.Outcome) {
		w.ok(w.a.AppendAudit(ctx, consent.Entry{Operation: operation, At: start, Actor: actor, Action: action, Outcome: outcome, Scope: "s"}))
	}
	names := []string{rand.Text(), rand.Text(), rand.Text(), rand.Text(), rand.Text()}
	record(names[0], w.person, consent.GrantTenant, consent.Intended)
	record(names[1], w.person, consent.GrantTenant, consent.Intended)
	record(names[1], w.person, consent.GrantTenant, consent.Unknown)
	record(names[2], w.person, consent.WithdrawGrant, consent.Intended)
	record(names[3], access.PersonID{Authority: "other-" + rand.Text(), Subject: "x"}, consent.GrantTenant, consent.Intended)
	record(names[4], w.person, consent.GrantTenant, consent.Intended)
	for limit, want := range map[int][]string{10: {names[0], names[4]}, 1: {names[0]}} {
		open, err := w.b.AuditOpen(ctx, w.person.Authority, consent.GrantTenant, limit)
		w.ok(err)
		var got []string
		for _, e := range open {
			got = append(got, e.Operation)
			if e.Outcome != consent.Intended || e.Scope != "s" {
				w.Errorf("%+v", e)
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			w.Errorf("open are %v, want %v", got, want)
		}
	}
	both, err := w.b.AuditOperation(ctx, names[1], 10)
	w.ok(err)
	if len(both) != 2 || both[0].Outcome != consent.Intended || both[1].Outcome != consent.Unknown {
		w.Errorf("the operation is %+v", both)
	}
	if none, err := w.b.AuditOperation(ctx, "\x00", 10); err != nil || len(none) != 0 {
		w.Errorf("an operation that cannot be: %v, %v", none, err)
	}
}
