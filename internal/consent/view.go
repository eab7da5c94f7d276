package consent

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/graph"
)

// Kind says what sort of permission a row is.
type Kind string

// The kinds of permissions.
const (
	Delegated Kind = "delegated" // on behalf of a signed-in person (scp)
	Role      Kind = "role"      // an app role (roles)
)

// Row is one grant or one app role assignment, with names.
type Row struct {
	Kind Kind
	ID   string // of the grant or the assignment; opaque
	// The application that may act. For a role that a person or a group holds
	// there is none.
	ClientID, ClientAppID, ClientName, Publisher string
	ResourceID, ResourceName                     string
	// TenantWide is a delegated grant for everybody.
	TenantWide bool
	// ForUnknown is a delegated grant of a kind that is not known here.
	ForUnknown bool
	// The person or group concerned; none for a tenant-wide grant and for a role
	// that an application holds.
	PersonID, PersonName, PersonAccount string
	Scopes                              []string // scopes, or the one role
	Since                               time.Time
	Risk                                Risk
	// Unused says why the row has [RiskUnused].
	Unused string

	deadScope bool // Unused speaks of a scope, not of the application
	// OwnerUnknown says that Graph does not tell where the application is registered.
	OwnerUnknown bool

	folded string // what a search looks in, in lower case
	key    string // what the default order sorts by
}

// Gap is something that a view lacks.
type Gap struct {
	What string // completes "… could not be read"
	Err  error  // in words for persons
}

// Application is what a row stands under: the application that may act, or the one
// in which a person or a group has a role.
func (r *Row) Application() string { return cmp.Or(r.ClientName, r.ResourceName) }

// View is what is known of all permissions at a moment. It does not change.
type View struct {
	Rows    []Row // in the default order: by client, resource, person
	AsOf    time.Time
	Gaps    []Gap
	Portal  *graph.ServicePrincipal // nil when it could not be read
	API     *graph.ServicePrincipal // of AzTS; nil when it could not be read
	Clients []Choice                // that occur, by name
	APIs    []Choice
	// Trusted are the clients that the API of AzTS trusts without consent; where
	// they cannot be read, NoTrusted says why.
	Trusted   []Trusted
	NoTrusted error
	// CredentialsEnd is when the last credential of this portal's registration
	// ends; zero where that is not known, or never.
	CredentialsEnd time.Time
}

// Trusted is a client that an API trusts without consent (entra.md §7.7).
type Trusted struct {
	AppID  string
	Name   string // "" when not known
	Scopes []string
}

// Whole reports whether nothing is missing.
func (v *View) Whole() bool { return len(v.Gaps) == 0 }

// Choice is a value to filter by.
type Choice struct{ ID, Name string }

// Query says which rows are wanted, and in which order. The zero value is all.
type Query struct {
	Text     string // in names, accounts, ids, scopes; every word must occur
	Kind     Kind
	For      string // "tenant", "person", "app" (a role of an application), or "" for all
	Risk     Risk   // rows with all of these marks
	Client   string // object id
	Resource string // object id
	Sort     string // client, person, resource, since, scope; "" is client
	Desc     bool
}

// The values of [Query.For].
const (
	ForTenant = "tenant"
	ForPerson = "person"
	ForApp    = "app"

	forUnknown = "unknown" // no filter leaves only these
)

// Sorts are the columns that rows can be ordered by.
var Sorts = []string{"client", "person", "resource", "scope", "since"}

// Select returns the rows that a query wants, in its order. They belong to the view.
func (v *View) Select(q Query) []*Row {
	words := strings.Fields(strings.ToLower(q.Text))
	out := make([]*Row, 0, len(v.Rows))
	for i := range v.Rows {
		if r := &v.Rows[i]; r.fits(q, words) {
			out = append(out, r)
		}
	}
	// Rows are in the default order already, and sorting is stable.
	var by func(a, b *Row) int
	switch q.Sort {
	case "person":
		by = func(a, b *Row) int {
			return cmp.Or(cmp.Compare(a.forRank(), b.forRank()), strings.Compare(a.PersonName, b.PersonName), strings.Compare(a.PersonAccount, b.PersonAccount))
		}
	case "resource":
		by = func(a, b *Row) int { return strings.Compare(a.ResourceName, b.ResourceName) }
	case "scope":
		by = func(a, b *Row) int { return slices.Compare(a.Scopes, b.Scopes) }
	case "since":
		by = func(a, b *Row) int { return a.Since.Compare(b.Since) }
	}
	switch {
	case by != nil && q.Desc:
		slices.SortStableFunc(out, func(a, b *Row) int { return by(b, a) })
	case by != nil:
		slices.SortStableFunc(out, by)
	case q.Desc:
		slices.Reverse(out)
	}
	return out
}

// forRank puts what concerns everybody first.
func (r *Row) forRank() int {
	switch r.forWhom() {
	case ForTenant, forUnknown:
		return 0
	case ForApp:
		return 1
	}
	return 2
}

func (r *Row) forWhom() string {
	switch {
	case r.TenantWide:
		return ForTenant
	case r.ForUnknown:
		return forUnknown
	case r.PersonID == "":
		return ForApp
	}
	return ForPerson
}

func (r *Row) fits(q Query, words []string) bool {
	if q.Kind != "" && r.Kind != q.Kind || q.For != "" && r.forWhom() != q.For || !r.Risk.Has(q.Risk) ||
		q.Client != "" && r.ClientID != q.Client || q.Resource != "" && r.ResourceID != q.Resource {
		return false
	}
	for _, word := range words {
		if !strings.Contains(r.folded, word) {
			return false
		}
	}
	return true
}

// Row returns the row of a grant or an assignment, nil when there is none.
func (v *View) Row(kind Kind, id string) *Row {
	for i := range v.Rows {
		if v.Rows[i].Kind == kind && v.Rows[i].ID == id {
			return &v.Rows[i]
		}
	}
	return nil
}

// OwnGrants counts the people who have a grant of their own for a client at an
// API: they keep it when the tenant-wide one is withdrawn.
func (v *View) OwnGrants(client, resource string) int {
	n := 0
	for i := range v.Rows {
		if r := &v.Rows[i]; r.Kind == Delegated && r.PersonID != "" && r.ClientID == client && r.ResourceID == resource {
			n++
		}
	}
	return n
}

// raw is what Graph said, before it is joined.
type raw struct {
	portal, api *graph.ServicePrincipal
	grants      []graph.Grant
	assignments []graph.AppRoleAssignment
	names       map[string]graph.Object
	// namesWhole says that every name was asked for: an id without one is gone.
	namesWhole bool
	gaps       []Gap
}

// deletedName stands for an application or a person that is gone.
const deletedName = "(deleted)"

// join makes the view of what Graph said. home is our tenant's id.
func join(in raw, home string, at time.Time) *View {
	v := &View{AsOf: at, Gaps: in.gaps, Portal: in.portal, API: in.api, Rows: make([]Row, 0, len(in.grants)+len(in.assignments))}
	j := joiner{raw: in, home: home, resources: map[string]*graph.ServicePrincipal{}, texts: map[string]string{}}
	for _, p := range []*graph.ServicePrincipal{in.portal, in.api} {
		if p != nil {
			j.resources[p.ID] = p
		}
	}
	seen := make(map[string]bool, cap(v.Rows))
	for _, g := range in.grants {
		if !seen["g"+g.ID] {
			seen["g"+g.ID] = true
			v.Rows = append(v.Rows, j.grant(g))
		}
	}
	for _, a := range in.assignments {
		if !seen["a"+a.ID] {
			seen["a"+a.ID] = true
			v.Rows = append(v.Rows, j.assignment(a))
		}
	}
	for i := range v.Rows {
		v.Rows[i].fold(j.texts)
	}
	slices.SortStableFunc(v.Rows, func(a, b Row) int { return strings.Compare(a.key, b.key) })
	v.Clients = choices(v.Rows, func(r *Row) (string, string) { return r.ClientID, r.ClientName })
	v.APIs = choices(v.Rows, func(r *Row) (string, string) { return r.ResourceID, r.ResourceName })
	return v
}

type joiner struct {
	raw
	home      string
	resources map[string]*graph.ServicePrincipal // with their scopes and roles
	texts     map[string]string                  // one copy of each text that many rows share
}

// name returns what an id is called.
func (j *joiner) name(id string) string {
	if o, ok := j.names[id]; ok && o.Name != "" {
		return o.Name
	}
	if p := j.resources[id]; p != nil && p.DisplayName != "" {
		return p.DisplayName
	}
	if _, ok := j.names[id]; !ok && j.namesWhole {
		return deletedName
	}
	return id
}

func (j *joiner) client(r *Row, id string) {
	r.ClientID, r.ClientName = id, j.name(id)
	p := j.names[id].Principal
	if p == nil {
		p = j.resources[id]
	}
	switch {
	case p == nil && j.namesWhole:
		r.Risk |= RiskUnused
		r.Unused = "The application was deleted."
	case p == nil:
	case p.Disabled:
		r.Risk |= RiskUnused
		r.Unused = "The application is disabled."
	}
	if p == nil {
		return
	}
	r.ClientAppID, r.Publisher = p.AppID, cmp.Or(p.VerifiedPublisher, p.PublisherName)
	if unknownPublisher(p, j.home) {
		r.Risk |= RiskPublisher
		r.OwnerUnknown = p.OwnerTenantID == ""
	}
}

func (j *joiner) person(r *Row, id, known string) {
	r.PersonID, r.PersonName, r.PersonAccount = id, j.name(id), j.names[id].Account
	if _, ok := j.names[id]; !ok && known != "" {
		r.PersonName = known
	}
}

func (j *joiner) grant(g graph.Grant) Row {
	r := Row{Kind: Delegated, ID: g.ID, ResourceID: g.ResourceID, ResourceName: j.name(g.ResourceID), TenantWide: g.TenantWide, Scopes: g.Scopes}
	j.client(&r, g.ClientID)
	switch {
	case g.TenantWide:
		r.Risk |= RiskTenant
	case g.PrincipalID == "":
		r.ForUnknown = true
	default:
		j.person(&r, g.PrincipalID, "")
	}
	if slices.ContainsFunc(g.Scopes, WriteLike) {
		r.Risk |= RiskWrite
	}
	if r.Unused == "" {
		r.markDead(j.resources[g.ResourceID])
	}
	return r
}

// markDead marks a grant of which the API does not offer a scope any more; resource
// is nil where its scopes are not known.
func (r *Row) markDead(resource *graph.ServicePrincipal) {
	r.deadScope, r.Unused, r.Risk = false, "", r.Risk&^RiskUnused
	if resource == nil {
		return
	}
	for _, scope := range r.Scopes {
		if p := resource.Scope(scope); p == nil || !p.Enabled {
			r.Risk |= RiskUnused
			r.deadScope, r.Unused = true, "The API does not offer the scope "+scope+" any more."
			return
		}
	}
}

func (j *joiner) assignment(a graph.AppRoleAssignment) Row {
	r := Row{Kind: Role, ID: a.ID, ResourceID: a.ResourceID, ResourceName: cmp.Or(a.ResourceName, j.name(a.ResourceID)), Since: a.CreatedAt}
	if a.PrincipalType == "ServicePrincipal" {
		j.client(&r, a.PrincipalID)
	} else {
		j.person(&r, a.PrincipalID, a.PrincipalName)
	}
	value := a.AppRoleID
	switch resource := j.resources[a.ResourceID]; {
	case a.AppRoleID == graph.DefaultAccess:
		value = "Default access"
	case resource != nil:
		i := slices.IndexFunc(resource.AppRoles, func(role graph.AppRole) bool { return role.ID == a.AppRoleID })
		if i >= 0 {
			value = cmp.Or(resource.AppRoles[i].Value, resource.AppRoles[i].DisplayName, value)
		}
		if (i < 0 || !resource.AppRoles[i].Enabled) && r.Unused == "" {
			r.Risk |= RiskUnused
			r.Unused = "The API does not offer this role any more."
		}
	}
	if WriteLike(value) {
		r.Risk |= RiskWrite
	}
	r.Scopes = []string{value}
	return r
}

// fold prepares a row for searching and sorting. shared holds one copy of what
// many rows have in common.
func (r *Row) fold(shared map[string]string) {
	r.folded = strings.ToLower(strings.Join([]string{r.ClientName, r.ClientAppID, r.ResourceName, r.PersonName, r.PersonAccount, r.PersonID,
		strings.Join(r.Scopes, " "), r.ID}, "\n"))
	r.key = strings.ToLower(r.Application()) + "\x00" + strings.ToLower(r.ResourceName) + "\x00" + string(rune('0'+r.forRank())) + strings.ToLower(r.PersonName) +
		"\x00" + r.PersonAccount + "\x00" + r.ID
	for _, text := range []*string{&r.Unused, &r.ClientID, &r.ResourceID} {
		if known, ok := shared[*text]; ok {
			*text = known
		} else {
			shared[*text] = *text
		}
	}
}

// choices returns the different values of the rows, by name.
func choices(rows []Row, of func(*Row) (id, name string)) []Choice {
	seen := map[string]bool{}
	var out []Choice
	for i := range rows {
		if id, name := of(&rows[i]); id != "" && !seen[id] {
			seen[id] = true
			out = append(out, Choice{id, name})
		}
	}
	slices.SortFunc(out, func(a, b Choice) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
	return out
}

// Without returns the view without a row: it was withdrawn a moment ago.
func (v *View) Without(kind Kind, id string) *View {
	c := *v
	c.Rows = slices.DeleteFunc(slices.Clone(v.Rows), func(r Row) bool { return r.Kind == kind && r.ID == id })
	return &c
}

// resource returns an API whose scopes are known, else nil.
func (v *View) resource(id string) *graph.ServicePrincipal {
	for _, p := range []*graph.ServicePrincipal{v.Portal, v.API} {
		if p != nil && p.ID == id {
			return p
		}
	}
	return nil
}

// WithScopes returns the view with other scopes of a grant: it was narrowed a
// moment ago. Its marks stay those of what is left.
func (v *View) WithScopes(id string, scopes []string) *View {
	c := *v
	c.Rows = slices.Clone(v.Rows)
	for i := range c.Rows {
		if r := &c.Rows[i]; r.Kind == Delegated && r.ID == id {
			r.Scopes = scopes
			if r.Risk &^= RiskWrite; slices.ContainsFunc(scopes, WriteLike) {
				r.Risk |= RiskWrite
			}
			if r.deadScope {
				r.markDead(v.resource(r.ResourceID))
			}
			r.fold(map[string]string{})
		}
	}
	return &c
}
