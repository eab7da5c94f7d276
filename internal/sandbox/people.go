package sandbox

import "strings"

// Object ids of the people, for tests and for whatever is seeded about them.
// Dana's is the one of entra.md.
const (
	DanaID  = "a83f5c06-12d7-4e9b-b0c4-67f1e2d95a38" // employee with AzTS roles on most subscriptions
	AdaID   = "1c5e7a20-83b4-4f6d-9e17-2ad09c4b6f81" // Portal.Admin and Global Administrator
	HugoID  = "2d6f8b31-94c5-4a7e-8f28-3be1ad5c7092" // Portal.HelpDesk
	GinaID  = "3e709c42-a5d6-4b8f-9039-4cf2be6d81a3" // guest whose home is Fabrikam
	DiegoID = "4f81ad53-b6e7-4c90-a14a-5d03cf7e92b4" // account disabled
	MiraID  = "5092be64-c7f8-4da1-b25b-6e14d08fa3c5" // must do MFA
	NoorID  = "61a3cf75-d809-4eb2-836c-7f25e190b4d6" // no Azure role at all
	RenaID  = "72b4d086-e91a-4fc3-947d-8036f2a1c5e7" // Reader only: not a role that AzTS accepts
	RaviID  = "83c5e197-fa2b-40d4-a58e-914703b2d6f8" // a role on one resource group only
	FayeID  = "94d6f2a8-0b3c-41e5-b69f-a25814c3e709" // role given less than 24 hours ago
	GraceID = "a5e703b9-1c4d-42f6-87a0-b36925d4f81a" // Global Reader
	AnselID = "b6f814ca-2d5e-4307-98b1-c47a36e5092b" // Application Administrator
	LarsID  = "c70925db-3e6f-4418-a9c2-d58b47f61a3c" // locked out
	EdithID = "d81a36ec-4f70-4529-bad3-e69c58072b4d" // password expired
	TomasID = "e92b47fd-5081-463a-8be4-f7ad69183c5e" // in more than 200 groups
	MajaID  = "0a4d691f-7b2e-4c38-9f61-d5a0b7c8e312" // role on a management group
	TheoID  = "1b5e7a20-8c3f-4d49-a072-e6b1c8d9f423" // role through a group
	PiaID   = "2c6f8b31-9d40-4e5a-b183-f7c2d9ea0534" // may activate roles (PIM), has not
	OskarID = "3d709c42-ae51-4f6b-8294-08d3eafb1645" // good role that AzTS does not know
	InesID  = "4e81ad53-bf62-4a7c-93a5-19e4fb0c2756" // Directory Readers: may read consent
	PetraID = "5f92be64-d073-4b8d-a4b6-2af50c1d3867" // has a passkey and no password
	FelixID = "fa3c580e-6192-474b-9cf5-08be7a294d6f" // lives at Fabrikam, unknown at Contoso
)

// ginaHomeID is Gina's object in her home directory: a guest has one object a
// directory, so the same person is (tid, oid) twice.
const ginaHomeID = "0b4d691f-72a3-485c-ad06-19cf8b3a5e70"

// Role template ids of entra.md §7.8, as they stand in wids.
const (
	roleGlobalAdministrator      = "62e90394-69f5-4237-9190-012177145e10"
	roleGlobalReader             = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
	roleApplicationAdministrator = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	rolePlainUser                = "b79fbf4d-3ef9-4689-8143-76b194e85509"
)

// FabrikamTenantID is a second directory at the same authority: the home of the
// guest, and of a person whom Contoso does not know.
const FabrikamTenantID = "93d0c7a5-1b6e-4f28-8c49-e05a7d2b61f4"

// directory is one tenant: its id, the domains that stand for it in a path, and
// its name.
type directory struct {
	id      string
	name    string
	domains []string // the first is the one people's names end in
}

var directories = []*directory{
	{id: TenantID, name: "Contoso", domains: []string{"contoso.com", "contoso.onmicrosoft.com"}},
	{id: FabrikamTenantID, name: "Fabrikam", domains: []string{"fabrikam.com", "fabrikam.onmicrosoft.com"}},
}

// directoryOf finds a directory by id or domain; the comparison ignores case.
func directoryOf(segment string) *directory {
	for _, d := range directories {
		if strings.EqualFold(segment, d.id) {
			return d
		}
		for _, domain := range d.domains {
			if strings.EqualFold(segment, domain) {
				return d
			}
		}
	}
	return nil
}

// accountState says what keeps an account from signing in.
type accountState uint8

const (
	accountFine accountState = iota
	accountDisabled
	accountLocked
	passwordExpired
)

// person is one account. People never change after New.
type person struct {
	id          string // object id at Contoso; at home for somebody unknown to Contoso
	name        string
	given       string
	family      string
	upn         string
	mail        string
	description string // one sentence for the page and the terminal

	home   string // tenant id of the home directory
	homeID string // object id there
	guest  bool   // at Contoso
	member bool   // known to Contoso, as a member or a guest

	state          accountState
	mfaRequired    bool
	passwordless   bool                // no password is stored for it
	directoryRoles []string            // role template ids (wids), without the plain user's
	appRoles       map[string][]string // app id → values of its app roles, given directly
	groups         int                 // how many groups it is in
}

// oidIn returns the person's object id in a directory, and whether the
// directory knows the person at all.
func (p *person) oidIn(tid string) (string, bool) {
	switch {
	case tid == p.home:
		return p.homeID, true
	case tid == TenantID && p.member:
		return p.id, true
	}
	return "", false
}

// has says whether the person holds one of the given directory roles at Contoso.
func (p *person) has(roles ...string) bool {
	for _, held := range p.directoryRoles {
		for _, role := range roles {
			if held == role {
				return true
			}
		}
	}
	return false
}

// mayConsentForAll says whether the person may grant delegated permissions for
// the whole tenant (entra.md §7.1).
func (p *person) mayConsentForAll() bool {
	return p.has(roleGlobalAdministrator, roleApplicationAdministrator)
}

// Person is a sample person as the terminal and the landing page list them.
type Person struct {
	ObjectID    string // at Contoso
	Name        string
	Account     string // user principal name
	Password    string // the same for everybody; no page asks for it
	Description string // one sentence: what this person shows
}

// SamplePassword is everybody's password. It guards nothing: people sign in by
// a click, and only the password grant takes it.
const SamplePassword = "sandbox"

// People returns the sample people in the order the account picker shows them.
func (s *Sandbox) People() []Person {
	list := make([]Person, 0, len(s.tenant.people))
	for _, p := range s.tenant.people {
		list = append(list, Person{ObjectID: p.id, Name: p.name, Account: p.upn, Password: SamplePassword, Description: p.description})
	}
	return list
}

// seedPeople returns the people. A new slice each time: a sandbox owns its own.
func seedPeople() []*person {
	portal := func(roles ...string) map[string][]string { return map[string][]string{PortalClientID: roles} }
	people := []*person{
		{id: DanaID, given: "Dana", family: "Reyes", upn: "dana@contoso.com",
			description: "Employee with a role that AzTS accepts on most subscriptions."},
		{id: AdaID, given: "Ada", family: "Lindqvist", upn: "ada@contoso.com",
			description: "Administrator: Portal.Admin, and Global Administrator of the tenant.",
			appRoles:    portal("Portal.Admin"), directoryRoles: []string{roleGlobalAdministrator}},
		{id: HugoID, given: "Hugo", family: "Marchetti", upn: "hugo@contoso.com",
			description: "Help desk: Portal.HelpDesk.", appRoles: portal("Portal.HelpDesk")},
		{id: GinaID, given: "Gina", family: "Okafor", upn: "gina_fabrikam.com#EXT#@contoso.onmicrosoft.com", mail: "gina@fabrikam.com",
			description: "Guest: her home directory is Fabrikam.", guest: true, home: FabrikamTenantID, homeID: ginaHomeID},
		{id: MiraID, given: "Mira", family: "Sato", upn: "mira@contoso.com",
			description: "Must prove a second factor each time she signs in.", mfaRequired: true},
		{id: NoorID, given: "Noor", family: "Haddad", upn: "noor@contoso.com",
			description: "Has no Azure role, so AzTS refuses every subscription."},
		{id: DiegoID, given: "Diego", family: "Brandt", upn: "diego@contoso.com",
			description: "His account is disabled: sign-in stops with error 50057.", state: accountDisabled},
		{id: RenaID, given: "Rena", family: "Kowalska", upn: "rena@contoso.com",
			description: "Reader only, which AzTS does not accept."},
		{id: RaviID, given: "Ravi", family: "Menon", upn: "ravi@contoso.com",
			description: "Has a role on a single resource group."},
		{id: FayeID, given: "Faye", family: "Nakamura", upn: "faye@contoso.com",
			description: "Got her role today; AzTS learns of it within 24 hours."},
		{id: MajaID, given: "Maja", family: "Berglund", upn: "maja@contoso.com",
			description: "Her role is inherited from a management group."},
		{id: TheoID, given: "Theo", family: "Castellan", upn: "theo@contoso.com",
			description: "Has his roles through a group."},
		{id: PiaID, given: "Pia", family: "Vestergaard", upn: "pia@contoso.com",
			description: "Has roles to activate (PIM), and Reader until she does."},
		{id: OskarID, given: "Oskar", family: "Njoroge", upn: "oskar@contoso.com",
			description: "Contributor for long on a subscription that AzTS does not know."},
		{id: InesID, given: "Ines", family: "Falk", upn: "ines@contoso.com",
			description: "Directory Readers: may read what she consented to, and give it back.", directoryRoles: []string{roleDirectoryReaders}},
		{id: GraceID, given: "Grace", family: "Ortmann", upn: "grace@contoso.com",
			description: "Global Reader: may read every consent grant.", directoryRoles: []string{roleGlobalReader}},
		{id: AnselID, given: "Ansel", family: "Dubois", upn: "ansel@contoso.com",
			description: "Application Administrator: may consent for everybody.", directoryRoles: []string{roleApplicationAdministrator}},
		{id: TomasID, given: "Tomas", family: "Vrba", upn: "tomas@contoso.com",
			description: "In 240 groups, more than fit into a token.", groups: 240},
		{id: LarsID, given: "Lars", family: "Eide", upn: "lars@contoso.com",
			description: "Locked out: sign-in stops with error 50053.", state: accountLocked},
		{id: EdithID, given: "Edith", family: "Moreau", upn: "edith@contoso.com",
			description: "Her password has expired: sign-in stops with error 50055.", state: passwordExpired},
		{id: PetraID, given: "Petra", family: "Blom", upn: "petra@contoso.com",
			description: "Signs in with a passkey: there is no password of hers.", passwordless: true},
		{id: FelixID, given: "Felix", family: "Arnaud", upn: "felix@fabrikam.com",
			description: "Belongs to Fabrikam and is unknown at Contoso: error 50020.", home: FabrikamTenantID, homeID: FelixID},
	}
	for _, p := range people {
		p.name = p.given + " " + p.family
		if p.home == "" {
			p.home, p.homeID = TenantID, p.id
		}
		p.member = p.home == TenantID || p.guest
		if p.mail == "" {
			p.mail = p.upn
		}
	}
	return people
}
