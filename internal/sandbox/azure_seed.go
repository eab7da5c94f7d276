package sandbox

import (
	"fmt"
	"strings"
	"time"
)

// subscription is one seeded Azure subscription.
type subscription struct {
	index  int
	id     string
	name   string
	seed   uint64
	theme  int  // which workloads it runs, see layouts
	stuck  bool // its scans are accepted and never bring new results
	virgin bool // never scanned before somebody asks
	base   int  // control results of an ordinary scan
}

const firstSubscriptionID = "3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3" // entra.md

// namedSubscriptions are the first ones; further ones get generated names.
var namedSubscriptions = []struct {
	name  string
	theme int
}{
	{"Contoso Prod", 0},
	{"Payments – Staging", 1},
	{"Payments – Production", 1},
	{"Data Platform EU (Analytics & Reporting)", 2},
	{"Shared Network Hub", 3},
	{"Contoso Zürich – Übergangsumgebung für Konzernbuchhaltung und Liegenschaftsverwaltung 2026", 0},
	{"AI Lab", 4},
	{"Legacy Lab (scans end without new results)", 5},
	{"HR & Payroll", 0},
	{"Virtual Desktop – Workplace", 6},
	{"東京 Commerce 日本", 1},
	{"Innovation Sandbox <new>", 4},
}

const (
	stuckSubscription  = 7
	virginSubscription = 11
)

func (a *azure) seedSubscriptions() {
	count := a.s.options.Subscriptions
	a.subscriptions = make([]subscription, count)
	a.byID = make(map[string]int, count)
	for i := range count {
		sub := subscription{index: i, seed: mix(uint64(i), 0x5ab5)}
		sub.id = guid(mix(sub.seed, 1), mix(sub.seed, 2))
		if i == 0 {
			sub.id = firstSubscriptionID
		}
		if i < len(namedSubscriptions) {
			sub.name, sub.theme = namedSubscriptions[i].name, namedSubscriptions[i].theme
			sub.stuck, sub.virgin = i == stuckSubscription, i == virginSubscription
		} else {
			sub.name, sub.theme = generatedName(i), int(mix(sub.seed, 3)%uint64(len(themeModules)))
		}
		sub.base = a.s.options.ResultsPerSubscription
		if sub.base <= 0 {
			sub.base = 80 + int(mix(sub.seed, 4)%371)
		}
		a.subscriptions[i] = sub
		a.byID[sub.id] = i
	}
}

func generatedName(i int) string {
	units := []string{"Contoso", "Retail", "Logistics", "Payments", "Finance", "Claims", "Research", "Manufacturing", "Marketing", "Support", "Mobility", "Energy"}
	systems := []string{"Portal", "Orders", "Ledger", "Warehouse", "CRM", "Identity", "Reporting", "Gateway", "Archive", "Telemetry", "Booking"}
	stages := []string{"Prod", "Test", "Dev", "Staging", "DR"}
	return fmt.Sprintf("%s %s %s %04d", units[i%len(units)], systems[i/3%len(systems)], stages[i%len(stages)], i+1)
}

// find returns the subscription with that id, in any case.
func (a *azure) find(id string) (subscription, bool) {
	i, known := a.byID[strings.ToLower(id)]
	if !known {
		return subscription{}, false
	}
	return a.subscriptions[i], true
}

// Role definitions of entra.md §8.
const (
	roleOwner          = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	roleContributor    = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	roleSecurityReader = "39bc4728-0917-49c7-9d2c-d95423bc2eb4"
	roleSecurityAdmin  = "fb1c8493-542b-48eb-b624-b4c8fea62acd"
	roleReader         = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	roleUserAccess     = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
	roleAuditor        = "5b1d7c90-6e24-4f83-a1b5-0c9d8e7f6a52" // Contoso's own
)

// acceptedByAzTS are the roles that let a principal scan and read (azts.md).
var acceptedByAzTS = map[string]bool{roleOwner: true, roleContributor: true, roleSecurityReader: true, roleSecurityAdmin: true}

// Groups that hold roles.
const (
	platformGroupID = "0c5d8e31-6b2f-47a9-8d10-e4f7a9c2b356" // its member is Ada
	paymentsGroupID = "1d6e9f42-7c30-48ba-9e21-f508bad3c467" // its member is Dana
)

// membersOf lists the people that a role given to a group reaches.
var membersOf = map[string][]string{platformGroupID: {AdaID}, paymentsGroupID: {DanaID, TheoID}}

// assignment is one role assignment, direct or to a group.
type assignment struct {
	principal string // object id
	kind      string // User, Group or ServicePrincipal
	role      string
	at        roleScope
	created   time.Time
	unseen    bool // AzTS does not know it, however old it is
}

// roleScope is where a role was given, as seen from a subscription.
type roleScope int

const (
	onSubscription roleScope = iota
	onGroup                  // its first resource group only
	onManagement             // the management group above it
)

// assignments returns the role assignments at and below a subscription. They
// repeat every twelve subscriptions, so that each sample person meets the same
// mixture at any size.
func (a *azure) assignments(sub subscription) []assignment {
	old := a.start.Add(-time.Duration(40+mix(sub.seed, 5)%400) * 24 * time.Hour)
	fresh := a.start.Add(-3 * time.Hour)
	role := func(id, kind, role string, at roleScope, since time.Time) assignment {
		return assignment{principal: id, kind: kind, role: role, at: at, created: since}
	}
	user := func(id, r string) assignment { return role(id, "User", r, onSubscription, old) }
	part := func(id, r string) assignment { return role(id, "User", r, onGroup, old) }
	list := []assignment{
		role(platformGroupID, "Group", roleOwner, onSubscription, old),
		user(AnselID, roleUserAccess),
		user(TomasID, roleContributor),
	}
	if sub.index%3 != 2 {
		list = append(list, role(scriptObjectID, "ServicePrincipal", roleSecurityReader, onSubscription, old))
	}
	if sub.index%4 == 0 {
		list = append(list, user(HugoID, roleSecurityReader))
	}
	if sub.index%2 == 0 {
		list = append(list, user(GraceID, roleSecurityReader), user(MiraID, roleContributor))
	}
	switch sub.index % 12 {
	case 0:
		list = append(list, user(DanaID, roleSecurityReader), user(RenaID, roleReader), part(GinaID, roleContributor))
	case 1:
		list = append(list, user(DanaID, roleContributor), part(RaviID, roleContributor), user(RenaID, roleReader), user(RenaID, roleAuditor),
			role(MajaID, "User", roleSecurityReader, onManagement, a.managedSince()))
	case 2:
		list = append(list, role(paymentsGroupID, "Group", roleOwner, onSubscription, old), role(FayeID, "User", roleSecurityReader, onSubscription, fresh),
			role(MajaID, "User", roleSecurityReader, onManagement, a.managedSince()))
	case 3, 7:
		list = append(list, user(DanaID, roleSecurityReader), user(PiaID, roleReader))
	case 4:
		list = append(list, part(DanaID, roleContributor))
	case 5:
		list = append(list, user(DanaID, roleSecurityAdmin))
	case 6:
		list = append(list, role(DanaID, "User", roleSecurityReader, onSubscription, fresh))
	case 8:
		list = append(list, user(DanaID, roleReader))
	case 9:
		list = append(list, user(DanaID, roleOwner), user(LarsID, roleContributor), user(EdithID, roleContributor))
	case 10:
		// Nothing for Dana: the subscription is there and is none of her business.
		unseen := user(OskarID, roleContributor)
		unseen.unseen = true
		list = append(list, unseen)
	case 11:
		list = append(list, role(paymentsGroupID, "Group", roleContributor, onSubscription, old))
	}
	return list
}

// reaches says whether the assignment gives principal its role, directly or
// through a group.
func (x assignment) reaches(principal string) bool {
	if x.principal == principal {
		return true
	}
	for _, member := range membersOf[x.principal] {
		if member == principal {
			return true
		}
	}
	return false
}

// principal returns the object id that roles are given to: the person's, or the
// service principal's of an application on its own.
func (a *azure) principal(who caller) string {
	if who.person != nil {
		return who.person.id
	}
	if app := a.s.tenant.app(who.appID); app != nil {
		return app.objectID
	}
	return ""
}

// access is what AzTS lets a principal see of a subscription.
type access int

const (
	accessNone access = iota
	accessGroup
	accessSubscription
)

// rbacAge is how long AzTS may take to learn of a role (azts.md).
const rbacAge = 24 * time.Hour

// access judges a principal as AzTS does, including its memory of RBAC that is
// up to a day old.
func (a *azure) access(principal string, sub subscription) access {
	now, best := a.s.now(), accessNone
	for _, x := range a.assignments(sub) {
		if x.unseen || !acceptedByAzTS[x.role] || !x.reaches(principal) || now.Sub(x.created) < rbacAge {
			continue
		}
		if x.at != onGroup {
			return accessSubscription
		}
		best = accessGroup
	}
	return best
}
