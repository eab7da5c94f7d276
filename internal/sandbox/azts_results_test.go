package sandbox

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// handClock is a clock that a test moves.
type handClock struct{ at time.Time }

func (c *handClock) now() time.Time          { return c.at }
func (c *handClock) forward(d time.Duration) { c.at = c.at.Add(d) }

// grown is the Azure half of a sandbox for tests that need no HTTP, at a fixed
// time.
func grown(t testing.TB, change func(*Options)) (*azure, *handClock) {
	t.Helper()
	clock := &handClock{time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)}
	options := Options{Origin: "http://127.0.0.1:8081", PortalURL: "http://localhost:8080", Now: clock.now}
	if change != nil {
		change(&options)
	}
	s, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return s.azure, clock
}

func TestCountsAgreeWithTheResults(t *testing.T) {
	for _, base := range []int{1, 2, 7, 41, 80, 450, 5000} {
		for number := range 4 {
			r := newRun(subscription{seed: mix(uint64(base)), base: base}, number, base > 450)
			passed, failed := 0, 0
			for i := range r.total() {
				switch r.status(i) {
				case "Passed":
					passed++
				case "Failed":
					failed++
				}
			}
			wantPassed, wantFailed := r.counts()
			if passed != wantPassed || failed != wantFailed {
				t.Errorf("%d results, scan %d: counted %d passed and %d failed, announced %d and %d", base, number, passed, failed, wantPassed, wantFailed)
			}
		}
	}
}

func TestEachPositionHasItsOwnRank(t *testing.T) {
	for _, base := range []int{1, 2, 3, 16, 17, 1000} {
		r := newRun(subscription{seed: 42, base: base}, 0, true)
		seen := make([]bool, base)
		for i := range base {
			rank := r.rank(i)
			if rank < 0 || rank >= base || seen[rank] {
				t.Fatalf("%d results: position %d got rank %d, which is taken or outside", base, i, rank)
			}
			seen[rank] = true
		}
	}
}

func TestTheSameOptionsGiveTheSameResults(t *testing.T) {
	one, _ := grown(t, nil)
	other, _ := grown(t, nil)
	for n, sub := range one.subscriptions {
		if sub != other.subscriptions[n] {
			t.Fatalf("subscription %d differs: %+v and %+v", n, sub, other.subscriptions[n])
		}
		for i := range sub.base {
			x := newRun(sub, 3, false).result(i, one.start)
			if y := newRun(other.subscriptions[n], 3, false).result(i, other.start); x != y {
				t.Fatalf("result %d of %s differs: %+v and %+v", i, sub.name, x, y)
			}
		}
	}
}

func TestEachScanMendsSomeAndBreaksSome(t *testing.T) {
	a, _ := grown(t, nil)
	for _, sub := range a.subscriptions {
		mended, broken, changed := 0, 0, 0
		for number := range 5 {
			before, after := newRun(sub, number, false), newRun(sub, number+1, false)
			for i := range sub.base {
				was, is := before.status(i), after.status(i)
				if was != is {
					changed++
				}
				if was == "Failed" && is != "Failed" {
					mended++
				}
				if was != "Failed" && is == "Failed" {
					broken++
				}
			}
		}
		if mended == 0 || broken == 0 {
			t.Errorf("%s: five scans mended %d and broke %d", sub.name, mended, broken)
		}
		if changed > 5*sub.base/4 {
			t.Errorf("%s: five scans changed %d statuses of %d results: not a few", sub.name, changed, sub.base)
		}
	}
}

func TestAResourceComesAndGoes(t *testing.T) {
	a, _ := grown(t, nil)
	even, odd := newRun(a.subscriptions[0], 2, false), newRun(a.subscriptions[0], 3, false)
	if odd.total() <= even.total() {
		t.Errorf("scans 2 and 3 have %d and %d results; the second should have a resource more", even.total(), odd.total())
	}
	if forced := newRun(a.subscriptions[0], 3, true); forced.total() != a.subscriptions[0].base {
		t.Errorf("a forced number of results became %d", forced.total())
	}
}

func TestResultsAreWholeAndReadable(t *testing.T) {
	a, _ := grown(t, nil)
	storage := regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	statuses, severities := map[string]int{}, map[string]string{}
	all, awkward := 0, 0
	for _, sub := range a.subscriptions {
		r := newRun(sub, 1, false)
		seen := map[string]bool{}
		for i := range r.total() {
			x := r.result(i, a.start)
			all++
			statuses[x.Status]++
			if key := x.ControlName + x.ResourceID; seen[key] {
				t.Errorf("%s: %s on %s stands there twice", sub.name, x.ControlName, x.ResourceID)
			} else {
				seen[key] = true
			}
			for field, text := range map[string]string{"ControlDisplayName": x.ControlDisplayName, "StatusReason": x.StatusReason,
				"Description": x.Description, "Remediation": x.Remediation, "Category": x.Category, "ResourceName": x.ResourceName} {
				if text == "" || strings.ContainsAny(text, "{}") && field != "Remediation" || strings.Contains(text, "{id}") {
					t.Errorf("%s of %s reads %q", field, x.ControlName, text)
				}
			}
			if was, known := severities[x.ControlName]; known && was != x.Severity {
				t.Errorf("%s is %s here and %s there", x.ControlName, x.Severity, was)
			}
			severities[x.ControlName] = x.Severity
			if !slices.Contains([]string{"Critical", "High", "Medium", "Low"}, x.Severity) || x.IsBaseline != "true" && x.IsBaseline != "false" {
				t.Errorf("%s: severity %q, baseline %q", x.ControlName, x.Severity, x.IsBaseline)
			}
			if strings.Contains(x.ResourceID, "/storageAccounts/") && !storage.MatchString(x.ResourceName) {
				t.Errorf("%q cannot name a storage account", x.ResourceName)
			}
			if x.ResourceGroupName == "" != strings.HasPrefix(x.ControlName, "Azure_Subscription_") {
				t.Errorf("%s has resource group %q", x.ControlName, x.ResourceGroupName)
			}
			if x.Status == "Exempted" {
				if _, err := time.Parse(azTSTime, x.ExceptionExpiryDate); err != nil || x.Justification == "" || x.ExceptionWorkFlowStatus != "Approved" {
					t.Errorf("an exempted result says %+v", x)
				}
			}
			if len(x.ResourceGroupName) != utf8.RuneCountInString(x.ResourceGroupName) || len(x.ResourceName) > 60 {
				awkward++
			}
		}
	}
	for _, status := range []string{"Passed", "Failed", "Verify", "NotApplicable", "Error", "Exempted", "NotScanned"} {
		if statuses[status] == 0 {
			t.Errorf("no result is %s", status)
		}
	}
	if statuses["Passed"]*2 < all || statuses["Failed"]*20 < all {
		t.Errorf("of %d results %d passed and %d failed: not believable", all, statuses["Passed"], statuses["Failed"])
	}
	if awkward == 0 {
		t.Error("no resource or group has a long or non-ASCII name")
	}
}

func TestEveryControlHasATopicOfItsOwn(t *testing.T) {
	known, fallback := 0, 0
	for _, list := range controls().byFeature {
		for _, c := range list {
			known++
			if c.topic == &topics[len(topics)-1] {
				fallback++
			}
			if _, there := kinds[c.feature]; !there {
				t.Errorf("%s is of the unknown feature %q", c.id, c.feature)
			}
			if c.feature != "SubscriptionCore" && strings.Count(c.armType, "/") < 1 {
				t.Errorf("%s has resource type %q", c.id, c.armType)
			}
		}
	}
	for id, want := range map[string]string{
		"Azure_Subscription_Config_Enable_MicrosoftDefender_Storage": "Defender", // "…softDefender" holds "tde"
		"Azure_KeyVault_SI_Enable_SoftDelete":                        "recoverable",
		"Azure_SQLDatabase_DP_Enable_TDE":                            "encrypted at rest",
		"Azure_Storage_DP_Use_Secure_TLS_Version":                    "TLS 1.2",
	} {
		for _, list := range controls().byFeature {
			for _, c := range list {
				if c.id == id && !strings.Contains(c.title, want) {
					t.Errorf("%s is called %q", id, c.title)
				}
			}
		}
	}
	if known != 405 {
		t.Errorf("the list has %d controls, not 405", known)
	}
	if fallback > 8 {
		t.Errorf("%d controls have the words of last resort", fallback)
	}
}

func TestOneSubscriptionHasANameOfNinetyCharacters(t *testing.T) {
	a, _ := grown(t, nil)
	if !slices.ContainsFunc(a.subscriptions, func(s subscription) bool { return utf8.RuneCountInString(s.name) == 90 }) {
		t.Error("no name has 90 characters")
	}
	if a.subscriptions[0].id != firstSubscriptionID {
		t.Errorf("the first subscription is %s", a.subscriptions[0].id)
	}
}

// A page must not compute what stands before it.
func TestADeepPageCostsWhatTheFirstCosts(t *testing.T) {
	a, _ := grown(t, func(o *Options) { o.Subscriptions, o.ResultsPerSubscription = 5000, 100_000 })
	r, _, _ := a.newest(a.subscriptions[4999])
	page := func(first int) float64 {
		return testing.AllocsPerRun(3, func() {
			for i := first; i < first+aztsPageSize; i++ {
				_ = r.result(i, a.start)
			}
		})
	}
	if first, last := page(0), page(r.total()-aztsPageSize); last > 3*first {
		t.Errorf("the first page allocates %.0f times, the last %.0f times", first, last)
	}
}

func BenchmarkNew5000Subscriptions(b *testing.B) {
	for b.Loop() {
		grown(b, func(o *Options) { o.Subscriptions, o.ResultsPerSubscription = 5000, 100_000 })
	}
}

func BenchmarkDeepPage(b *testing.B) {
	a, _ := grown(b, func(o *Options) { o.ResultsPerSubscription = 100_000 })
	for b.Loop() {
		r, _, _ := a.newest(a.subscriptions[0])
		for i := 99_900; i < 100_000; i++ {
			_ = r.result(i, a.start)
		}
	}
}

func BenchmarkSummary5000(b *testing.B) {
	a, _ := grown(b, func(o *Options) { o.Subscriptions, o.ResultsPerSubscription = 5000, 100_000 })
	for b.Loop() {
		for _, sub := range a.subscriptions {
			if level := a.access(DanaID, sub); level != accessNone {
				_ = a.summarise(sub, level, nil)
			}
		}
	}
}

func BenchmarkFilteredPage(b *testing.B) {
	a, _ := grown(b, func(o *Options) { o.ResultsPerSubscription = 100_000 })
	for b.Loop() {
		r, _, _ := a.newest(a.subscriptions[0])
		_ = r.seen(accessSubscription, nil, []string{"kv-intranet-test-sdc-003"})
	}
}
