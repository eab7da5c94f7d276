package sandbox

import (
	"fmt"
	"math/bits"
	"sort"
	"strings"
	"time"
)

// run is one finished scan of a subscription: its results can be asked for by
// position, at any depth, without having computed the others.
type run struct {
	sub    subscription
	number int // finished scans before this one
	extras []*control
	bands  []band // who fails, by rank
	cut    [4]uint64
}

// band is a stretch of ranks with one status.
type band struct {
	end    int
	status string
}

// newRun fixes what a scan found. Statuses are spread by rank: each position
// has a rank of its own (a seeded permutation), ranks are divided into bands,
// and each scan turns the ring of ranks a little, so that some results are
// mended, some break, and the rest stay. Counts need no enumeration.
func newRun(sub subscription, number int, forced bool) run {
	r := run{sub: sub, number: number}
	n := sub.base
	permille := func(salt, least, most uint64) int {
		return int(least + mix(sub.seed, salt)%(most-least+1))
	}
	share := func(p int) int { return n * p / 1000 }
	failed := share(permille(10, 25, 210)) + int(mix(sub.seed, 11, uint64(number))%uint64(3+n/200))
	others := []band{
		{share(permille(12, 15, 60)), "Verify"}, {share(permille(13, 20, 70)), "NotApplicable"},
		{share(permille(14, 3, 9)), "Error"}, {share(permille(15, 8, 22)), "Exempted"},
		{share(permille(16, 3, 8)), "NotScanned"}, {share(permille(17, 2, 6)), "ExtScanned"},
	}
	failed = min(failed, n)
	rest := n - failed
	for _, other := range others {
		rest -= other.end
	}
	if rest < 0 { // a handful of results: they pass or fail
		rest, others = n-failed, nil
	}
	gap := rest / (len(others) + 1)
	end := failed
	r.bands = append(r.bands, band{end, "Failed"})
	for _, other := range others {
		r.bands = append(r.bands, band{end + gap, "Passed"}, band{end + gap + other.end, other.status})
		end += gap + other.end
	}
	r.bands = append(r.bands, band{n, "Passed"})
	for i := range r.cut {
		r.cut[i] = mix(sub.seed, 20, uint64(i))
	}
	if !forced && number%2 == 1 {
		// A resource that comes and goes between scans.
		features := []string{"Storage", "KeyVault", "AppService", "RedisCache"}
		r.extras = controls().byFeature[features[mix(sub.seed, 21)%uint64(len(features))]]
	}
	return r
}

// total is how many results the scan has.
func (r run) total() int { return r.sub.base + len(r.extras) }

// turn is how far the ring of ranks moves with each scan.
func (r run) turn() int { return (2 + r.sub.base/150) * r.number }

// rank permutes [0, base): a Feistel network over the next power of four, walked
// until it lands inside. The walk takes four steps at most on average.
func (r run) rank(i int) int {
	half := uint((bits.Len(uint(max(r.sub.base-1, 1))) + 1) / 2)
	mask := uint64(1)<<half - 1
	x := uint64(i)
	for {
		left, right := x>>half, x&mask
		for _, key := range r.cut {
			left, right = right, left^(mix(right, key)&mask)
		}
		x = left<<half | right
		if x < uint64(r.sub.base) {
			return int(x)
		}
	}
}

// status is the verdict at position i.
func (r run) status(i int) string {
	if i >= r.sub.base {
		if mix(r.sub.seed, 22, uint64(i))%5 == 0 {
			return "Failed"
		}
		return "Passed"
	}
	at := (r.rank(i) + r.sub.base - r.turn()%r.sub.base) % r.sub.base
	for _, b := range r.bands {
		if at < b.end {
			return b.status
		}
	}
	return "Passed"
}

// where finds the control and the resource at position i.
func (r run) where(i int) (*control, place) {
	if i >= r.sub.base {
		return r.extras[i-r.sub.base], place{sub: r.sub, module: "web", cycle: 8, slot: 90}
	}
	core := controls().byFeature["SubscriptionCore"]
	if i < len(core) {
		return core[i], place{sub: r.sub}
	}
	l := r.layout()
	cycle, offset := (i-len(core))/l.size, (i-len(core))%l.size
	n := sort.Search(len(l.slots), func(n int) bool { return l.slots[n].start > offset }) - 1
	return l.slots[n].controls[offset-l.slots[n].start], place{sub: r.sub, module: l.slots[n].module, cycle: cycle, slot: n}
}

func (r run) layout() *layout { return &controls().layouts[r.sub.theme] }

// firstGroup is the resource group of the roles that are given on one group
// only: the theme's first module.
func (r run) firstGroup() string {
	return place{sub: r.sub, module: themeModules[r.sub.theme][0]}.resourceGroup()
}

// firstGroupSpan are the positions of firstGroup.
func (r run) firstGroupSpan() (from, to int) {
	l, core := r.layout(), len(controls().byFeature["SubscriptionCore"])
	n := sort.Search(len(l.slots), func(n int) bool { return !l.slots[n].first })
	to = core + l.size
	if n < len(l.slots) {
		to = core + l.slots[n].start
	}
	return min(core, r.sub.base), min(to, r.sub.base)
}

// counts returns how many results passed and failed.
func (r run) counts() (passed, failed int) {
	last := 0
	for _, b := range r.bands {
		switch b.status {
		case "Passed":
			passed += b.end - last
		case "Failed":
			failed += b.end - last
		}
		last = b.end
	}
	for i := range r.extras {
		if r.status(r.sub.base+i) == "Failed" {
			failed++
		} else {
			passed++
		}
	}
	return passed, failed
}

// result is one control result, named as azts.md writes it.
type result struct {
	ControlName             string
	ControlDisplayName      string
	Status                  string
	ResourceName            string
	ResourceGroupName       string
	ResourceID              string
	IsBaseline              string
	Severity                string
	StatusReason            string
	SubscriptionId          string
	OrgTenantId             string
	ExceptionExpiryDate     string
	Justification           string
	Description             string
	Category                string
	Remediation             string
	ExceptionWorkFlowStatus string
}

// azTSTime is the layout of AzTS's times, which are UTC.
const azTSTime = "01/02/2006 15:04:05"

// result writes out position i. start anchors the dates of exceptions.
func (r run) result(i int, start time.Time) result {
	c, p := r.where(i)
	k := kinds[c.feature]
	name, id := p.resource(k, c.armType)
	group := ""
	if p.module != "" {
		group = p.resourceGroup()
	}
	h := mix(r.sub.seed, 30, uint64(i))
	fill := strings.NewReplacer("{resource}", name, "{group}", group, "{id}", id, "{sub}", r.sub.id, "{n}", fmt.Sprint(2+h%9))
	x := result{
		ControlName: c.id, ControlDisplayName: c.title, Status: r.status(i),
		ResourceName: name, ResourceGroupName: group, ResourceID: id,
		IsBaseline: fmt.Sprint(c.baseline), Severity: c.severity, Category: c.category,
		SubscriptionId: r.sub.id, OrgTenantId: TenantID,
		Description: withKind(c.topic.title, k.noun) + ". " + c.topic.why,
		Remediation: c.topic.steps + "\n\n" + fill.Replace(c.topic.command),
	}
	switch x.Status {
	case "Passed":
		x.StatusReason = fill.Replace(c.topic.good)
	case "Failed":
		x.StatusReason = fill.Replace(c.topic.bad)
		if h%11 == 0 {
			x.ExceptionWorkFlowStatus = "Submitted"
			x.Justification = "The fix is planned with the next release; the service is reachable from the office network only until then."
		}
	case "Verify":
		x.StatusReason = fill.Replace("AzTS cannot decide this by itself. " + c.topic.bad + " Please look at it and attest.")
	case "NotApplicable":
		x.StatusReason = fill.Replace("The SKU or the configuration of {resource} does not have what this control is about.")
	case "Error":
		x.StatusReason = fill.Replace("{resource} could not be read: the request was refused {n} times (403 AuthorizationFailed). A lock or a deny assignment may stand in the way.")
	case "NotScanned":
		x.StatusReason = fill.Replace("{resource} was created after the inventory of this scan was taken.")
	case "ExtScanned":
		x.StatusReason = fill.Replace("The verdict comes from another scanner, which reported {n} days ago.")
	case "Exempted":
		x.StatusReason = fill.Replace(c.topic.bad + " An exception is in force.")
		x.ExceptionWorkFlowStatus = "Approved"
		x.ExceptionExpiryDate = start.AddDate(0, 0, int(h>>8%170)+2).Format(azTSTime)
		x.Justification = justifications[h>>16%uint64(len(justifications))]
	}
	return x
}

var justifications = []string{
	"The vendor's appliance supports nothing else; replacement is ordered and due in spring.",
	"Accepted by the risk board, see RISK-2231. The data is public anyway.",
	"Test system without production data, rebuilt every night.",
	"Migration to the new platform ends this quarter; both run side by side until then.",
}
