package sandbox

import (
	"testing"
	"time"
)

func TestAScanEndsAfterItsTime(t *testing.T) {
	a, clock := grown(t, nil)
	sub := a.subscriptions[0]
	before, last, _ := a.newest(sub)
	if !a.ask(sub) {
		t.Fatal("the first scan of the day is refused")
	}
	asked := clock.now()
	clock.forward(14 * time.Second)
	if during, at, _ := a.newest(sub); during.number != before.number || at != last {
		t.Errorf("while the scan runs, scan %d of %v is served, not the earlier %d of %v", during.number, at, before.number, last)
	}
	clock.forward(12 * time.Second)
	after, at, _ := a.newest(sub)
	if after.number != before.number+1 || !at.After(asked) || at.After(clock.now()) {
		t.Errorf("after 26 s scan %d of %v is served; wanted %d, after %v", after.number, at, before.number+1, asked)
	}
}

func TestTheEleventhScanOfADayIsRefused(t *testing.T) {
	a, clock := grown(t, nil)
	sub := a.subscriptions[1]
	for n := range scansPerDay {
		if !a.ask(sub) {
			t.Fatalf("scan %d is refused", n+1)
		}
	}
	if a.ask(sub) {
		t.Error("the 11th scan is accepted")
	}
	if !a.ask(a.subscriptions[0]) {
		t.Error("another subscription is refused with it")
	}
	clock.at = clock.at.Truncate(24 * time.Hour).Add(24*time.Hour - time.Nanosecond)
	if a.ask(sub) {
		t.Error("the 11th scan is accepted just before midnight UTC")
	}
	clock.forward(time.Nanosecond)
	if !a.ask(sub) {
		t.Error("the first scan of the next day is refused")
	}
	if r, _, _ := a.newest(sub); r.number != scansPerDay {
		t.Errorf("ten scans later scan %d is served", r.number)
	}
}

func TestTheStuckSubscriptionNeverGetsResults(t *testing.T) {
	a, clock := grown(t, nil)
	sub := a.subscriptions[stuckSubscription]
	_, last, _ := a.newest(sub)
	a.ask(sub)
	clock.forward(3 * time.Hour)
	if _, at, _ := a.newest(sub); at != last {
		t.Errorf("%s has results of %v", sub.name, at)
	}
}

func TestAnUnscannedSubscriptionGetsItsFirstResults(t *testing.T) {
	a, clock := grown(t, nil)
	sub := a.subscriptions[virginSubscription]
	if _, _, scanned := a.newest(sub); scanned {
		t.Fatal("it has results before anybody asked")
	}
	if empty := a.summarise(sub, accessSubscription, nil); empty.LastModifiedDateTime != "" || empty.TotalControlCount != 0 {
		t.Errorf("its summary says %+v", empty)
	}
	a.ask(sub)
	clock.forward(time.Minute)
	if _, _, scanned := a.newest(sub); !scanned {
		t.Error("a minute later it has none still")
	}
}

// The summary has whole seconds; one that was cut off would end a quick scan
// before it was asked for.
func TestASummaryIsNeverOlderThanItsScan(t *testing.T) {
	a, clock := grown(t, func(o *Options) { o.ScanDuration = 40 * time.Millisecond })
	clock.forward(700 * time.Millisecond)
	asked := clock.now()
	a.ask(a.subscriptions[0])
	clock.forward(100 * time.Millisecond)
	text := a.summarise(a.subscriptions[0], accessSubscription, nil).LastModifiedDateTime
	at, err := time.Parse(azTSTime, text)
	if err != nil || !at.After(asked) {
		t.Errorf("asked at %v, the summary says %q (%v)", asked, text, err)
	}
}

func TestWhoMayScanWhat(t *testing.T) {
	a, clock := grown(t, nil)
	for _, test := range []struct {
		who  string
		oid  string
		sub  int
		want access
	}{
		{"Dana, Security Reader", DanaID, 0, accessSubscription},
		{"Dana through a group", DanaID, 2, accessSubscription},
		{"Dana on a resource group", DanaID, 4, accessGroup},
		{"Dana since three hours", DanaID, 6, accessNone},
		{"Dana as Reader", DanaID, 8, accessNone},
		{"Dana without a role", DanaID, 10, accessNone},
		{"Ada everywhere", AdaID, 10, accessSubscription},
		{"Hugo on a few", HugoID, 4, accessSubscription},
		{"Hugo elsewhere", HugoID, 5, accessNone},
		{"Rena, Reader only", RenaID, 0, accessNone},
		{"Ravi on a resource group", RaviID, 1, accessGroup},
		{"Faye since three hours", FayeID, 2, accessNone},
		{"Noor", NoorID, 0, accessNone},
		{"Ansel, User Access Administrator", AnselID, 0, accessNone},
		{"scan-bot", scriptObjectID, 0, accessSubscription},
		{"scan-bot elsewhere", scriptObjectID, 2, accessNone},
		{"Maja from a management group", MajaID, 1, accessSubscription},
		{"Theo through a group", TheoID, 2, accessSubscription},
		{"Pia before she activates", PiaID, 3, accessNone},
		{"Oskar, whom AzTS does not know", OskarID, 10, accessNone},
		{"nobody", "", 0, accessNone},
	} {
		if got := a.access(test.oid, a.subscriptions[test.sub]); got != test.want {
			t.Errorf("%s: access %d to %s, wanted %d", test.who, got, a.subscriptions[test.sub].name, test.want)
		}
	}
	clock.forward(22 * time.Hour)
	if a.access(FayeID, a.subscriptions[2]) != accessSubscription {
		t.Error("Faye's role is not known after 25 hours")
	}
	eligible := 0
	for _, sub := range a.subscriptions {
		if a.access(DanaID, sub) != accessNone {
			eligible++
		}
	}
	if eligible < 8 || eligible == len(a.subscriptions) {
		t.Errorf("Dana reaches %d of 12 subscriptions: not most", eligible)
	}
}

func TestAResourceGroupRoleSeesItsGroupOnly(t *testing.T) {
	a, _ := grown(t, nil)
	r, _, _ := a.newest(a.subscriptions[4])
	seen := r.seen(accessGroup, nil, nil)
	if seen.len() == 0 || seen.len() >= r.total() {
		t.Fatalf("%d of %d results are seen", seen.len(), r.total())
	}
	for i := range seen.len() {
		if x := r.result(seen.at(i), a.start); x.ResourceGroupName != r.firstGroup() {
			t.Fatalf("a result of group %q is seen", x.ResourceGroupName)
		}
	}
}

func TestRoleFilters(t *testing.T) {
	for text, good := range map[string]bool{
		"":                             true,
		"atScope()":                    true,
		"assignedTo('" + DanaID + "')": true,
		"atScope() and assignedTo('" + DanaID + "')":                      true,
		"principalId eq '" + DanaID + "'":                                 true,
		"principalId eq " + DanaID:                                        false,
		"assignedTo('dana@contoso.com')":                                  false,
		"assignedTo('" + DanaID + "') or atScope()":                       false,
		"principalId eq '" + DanaID + "' and assignedTo('" + AdaID + "')": false,
		"principalId ne '" + DanaID + "'":                                 false,
	} {
		if _, ok := parseRoleFilter(text); ok != good {
			t.Errorf("filter %q: accepted is %v", text, ok)
		}
	}
}

func TestReadsOfARMAreCounted(t *testing.T) {
	a, clock := grown(t, nil)
	for range armReads {
		if a.takeRead(DanaID) < 0 {
			t.Fatal("refused within the bucket")
		}
	}
	if a.takeRead(DanaID) >= 0 {
		t.Error("the 251st read at once is admitted")
	}
	if a.takeRead(AdaID) < 0 {
		t.Error("another principal is refused with it")
	}
	clock.forward(time.Second)
	if left := a.takeRead(DanaID); left != armReadsPerSec-1 {
		t.Errorf("a second later %d reads are left", left)
	}
}
