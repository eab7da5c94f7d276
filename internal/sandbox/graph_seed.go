package sandbox

import (
	"strconv"
	"strings"
	"time"
)

const (
	grantsAtStart   = 48 // of seeded clients: enough for several pages
	seededClients   = 40
	maxSeededGrants = 1_000_000
)

// seededDirectory is a crowd that holds grants and never signs in: clients, and
// people who are computed from their object ids. Its fields are guarded by s.mu.
type seededDirectory struct {
	clients []*application
	people  int
	grants  int
}

// SeedGrants adds n delegated grants of some forty other clients, most of them
// at the AzTS API: for people of their own, and now and then for everybody.
// The n-th grant is the same in every run. Together there can be a million; what
// goes beyond is left out.
func (s *Sandbox) SeedGrants(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tenant.seedGrants(n)
}

// seedGrants does the work of [Sandbox.SeedGrants]. s.mu must be held, or the
// tenant be unknown to anybody yet.
func (t *tenant) seedGrants(n int) {
	if t.seeded.clients == nil {
		t.seeded.clients = seedClients()
	}
	made := t.s.now().Add(-48 * time.Hour)
	for ; n > 0 && t.seeded.grants < maxSeededGrants; n-- {
		index := t.seeded.grants % seededClients
		person := t.seeded.grants / seededClients
		t.seeded.grants++
		t.seeded.people = max(t.seeded.people, person+1)
		client, resource, scopes := t.seeded.clients[index], t.app(AzTSAppID), []string{"user_impersonation"}
		switch index % 8 {
		case 5:
			resource, scopes = t.app(GraphAppID), []string{"openid", "profile", "User.Read"}
		case 6:
			resource = t.app(ARMAppID)
		}
		principal := seededPersonID(person)
		if person == 0 && index%5 == 0 {
			principal = "" // for everybody
		}
		t.addGrant(&permissionGrant{id: grantID(TenantID, client.objectID, resource.objectID, principal), tid: TenantID,
			clientID: client.objectID, resourceID: resource.objectID, principalID: principal, scopes: scopes, created: made})
	}
}

// seedClients returns the clients. A few come from elsewhere, with and without
// a publisher whom anybody has verified.
func seedClients() []*application {
	topics := []string{"Ledger", "Badge", "Fleet", "Invoice", "Roster", "Contract", "Inventory", "Audit"}
	kinds := []string{"Exporter", "Dashboard", "Sync", "Helper", "Archive"}
	publishers := []string{"Contoso", "Contoso", "Fabrikam", ""}
	clients := make([]*application, seededClients)
	for i := range clients {
		clients[i] = &application{appID: seededGUID("seeded client", "app", i), objectID: seededGUID("seeded client", "object", i),
			name: topics[i%len(topics)] + " " + kinds[i/len(topics)], publisher: publishers[i%len(publishers)]}
	}
	return clients
}

// seededPersonID holds the person's number in its last twelve digits.
func seededPersonID(i int) string { return guid(mix(0x9e09, uint64(i)), uint64(i)) }

// user finds a seeded person by object id.
func (d *seededDirectory) user(id string) (graphUserRecord, bool) {
	const digits = 12
	if len(id) <= digits {
		return graphUserRecord{}, false
	}
	number, err := strconv.ParseUint(id[len(id)-digits:], 16, 32)
	if err != nil || number >= uint64(d.people) || seededPersonID(int(number)) != strings.ToLower(id) {
		return graphUserRecord{}, false
	}
	given := []string{"Aino", "Bruno", "Chiara", "Darius", "Elif", "Farid", "Greta", "Henrik", "Ines", "Jonas", "Kofi", "Leila"}
	family := []string{"Almeida", "Bergmann", "Castro", "Dvorak", "Eriksen", "Fontaine", "Garcia", "Hoang", "Ivanova", "Jansen", "Keller"}
	u := graphUserRecord{id: strings.ToLower(id), given: given[number%uint64(len(given))], family: family[number%uint64(len(family))], enabled: true}
	u.name = u.given + " " + u.family
	u.upn = strings.ToLower(u.given+"."+u.family) + "." + strconv.FormatUint(number+1, 10) + "@contoso.com"
	u.mail = u.upn
	return u, true
}
