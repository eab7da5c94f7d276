package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/graph"
)

const (
	home   = "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10"
	portal = "5d1e7c30-0b94-4a6f-9c28-71f3e08a4d15"
	azts   = "e07a3b91-5c4d-4286-97fe-1be04d5c8642"
)

func id(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// world is what Graph has in these tests.
func world() raw {
	principal := func(n int, name, owner, publisher string, disabled bool) graph.Object {
		p := graph.ServicePrincipal{ID: id(n), AppID: id(n + 100), DisplayName: name, OwnerTenantID: owner, VerifiedPublisher: publisher, Disabled: disabled}
		return graph.Object{ID: id(n), Kind: "servicePrincipal", Name: name, Principal: &p}
	}
	names := map[string]graph.Object{}
	for _, o := range []graph.Object{
		principal(1, "Ledger Sync", home, "", false),
		principal(2, "Zeta", "93d0c7a5-1b6e-4f28-8c49-e05a7d2b61f4", "", false),
		principal(3, "Fabrikam Fleet", "93d0c7a5-1b6e-4f28-8c49-e05a7d2b61f4", "Fabrikam", false),
		principal(4, "Azure CLI", microsoftTenant, "", true),
		{ID: id(11), Kind: "user", Name: "Dana Reyes", Account: "dana@contoso.com"},
		{ID: id(12), Kind: "user", Name: "Ada Lindqvist", Account: "ada@contoso.com"},
	} {
		names[o.ID] = o
	}
	return raw{
		portal: &graph.ServicePrincipal{ID: portal, DisplayName: "AzTS Portal", OwnerTenantID: home, AppRoles: []graph.AppRole{{ID: id(21), Value: "Portal.Admin", Enabled: true}}},
		api: &graph.ServicePrincipal{ID: azts, DisplayName: "AzTS API", OwnerTenantID: home,
			Scopes:   []graph.Permission{{ID: id(31), Value: "user_impersonation", Enabled: true}, {ID: id(32), Value: "Off", Enabled: false}},
			AppRoles: []graph.AppRole{{ID: id(33), Value: "Scan.Request", Enabled: true}, {ID: id(34), Value: "Old.ReadWrite", Enabled: false}}},
		grants: []graph.Grant{
			{ID: "g1", ClientID: id(1), ResourceID: azts, TenantWide: true, Scopes: []string{"user_impersonation"}},
			{ID: "g2", ClientID: id(1), ResourceID: azts, PrincipalID: id(11), Scopes: []string{"user_impersonation"}},
			{ID: "g3", ClientID: id(2), ResourceID: azts, PrincipalID: id(11), Scopes: []string{"user_impersonation", "Gone.Write"}},
			{ID: "g4", ClientID: id(3), ResourceID: azts, PrincipalID: id(12), Scopes: []string{"Off"}},
			{ID: "g5", ClientID: id(4), ResourceID: azts, PrincipalID: id(12), Scopes: []string{"user_impersonation"}},
			{ID: "g6", ClientID: id(9), ResourceID: azts, PrincipalID: id(19), Scopes: []string{"user_impersonation"}},
			{ID: "g1", ClientID: id(1), ResourceID: azts, TenantWide: true, Scopes: []string{"user_impersonation"}}, // read twice
		},
		assignments: []graph.AppRoleAssignment{
			{ID: "a1", AppRoleID: id(33), PrincipalID: id(1), PrincipalType: "ServicePrincipal", PrincipalName: "Ledger Sync", ResourceID: azts, ResourceName: "AzTS API", CreatedAt: noon},
			{ID: "a2", AppRoleID: id(21), PrincipalID: id(12), PrincipalType: "User", PrincipalName: "Ada Lindqvist", ResourceID: portal, ResourceName: "AzTS Portal"},
			{ID: "a3", AppRoleID: id(34), PrincipalID: id(1), PrincipalType: "ServicePrincipal", ResourceID: azts},
			{ID: "a4", AppRoleID: graph.DefaultAccess, PrincipalID: id(11), PrincipalType: "User", ResourceID: portal},
		},
		names: names, namesWhole: true,
	}
}

func TestJoining(t *testing.T) {
	v := join(world(), home, noon)
	if len(v.Rows) != 10 || !v.Whole() {
		t.Fatalf("%d rows, gaps %v", len(v.Rows), v.Gaps)
	}
	for _, c := range []struct {
		kind                                  Kind
		id, client, resource, person, account string
		risk                                  Risk
		unused                                string
	}{
		{Delegated, "g1", "Ledger Sync", "AzTS API", "", "", RiskTenant, ""},
		{Delegated, "g2", "Ledger Sync", "AzTS API", "Dana Reyes", "dana@contoso.com", 0, ""},
		{Delegated, "g3", "Zeta", "AzTS API", "Dana Reyes", "dana@contoso.com", RiskWrite | RiskUnused | RiskPublisher, "scope Gone.Write"},
		{Delegated, "g4", "Fabrikam Fleet", "AzTS API", "Ada Lindqvist", "ada@contoso.com", RiskUnused, "scope Off"},
		{Delegated, "g5", "Azure CLI", "AzTS API", "Ada Lindqvist", "ada@contoso.com", RiskUnused, "disabled"},
		{Delegated, "g6", deletedName, "AzTS API", deletedName, "", RiskUnused, "deleted"},
		{Role, "a1", "Ledger Sync", "AzTS API", "", "", 0, ""},
		{Role, "a2", "", "AzTS Portal", "Ada Lindqvist", "ada@contoso.com", 0, ""},
		{Role, "a3", "Ledger Sync", "AzTS API", "", "", RiskWrite | RiskUnused, "role"},
		{Role, "a4", "", "AzTS Portal", "Dana Reyes", "dana@contoso.com", 0, ""},
	} {
		r := v.Row(c.kind, c.id)
		if r == nil {
			t.Errorf("%s is missing", c.id)
			continue
		}
		if r.ClientName != c.client || r.ResourceName != c.resource || r.PersonName != c.person || r.PersonAccount != c.account || r.Risk != c.risk || !strings.Contains(r.Unused, c.unused) || (c.unused == "") != (r.Unused == "") {
			t.Errorf("%s: %+v", c.id, *r)
		}
	}
	if v.OwnGrants(id(1), azts) != 1 || v.Row(Role, "g1") != nil {
		t.Error("own grants, or kinds mixed up")
	}
	if v.Row(Role, "a4").Scopes[0] != "Default access" || v.Row(Role, "a1").Scopes[0] != "Scan.Request" || !v.Row(Role, "a1").Since.Equal(noon) {
		t.Errorf("roles %+v", v.Row(Role, "a4"))
	}
}

// TestMissingNamesAreNoDeletions: where names could not be read nobody may be
// called deleted.
func TestMissingNamesAreNoDeletions(t *testing.T) {
	in := world()
	in.namesWhole, in.names = false, nil
	v := join(in, home, noon)
	for _, r := range v.Rows {
		if r.ClientName == deletedName || r.PersonName == deletedName || strings.Contains(r.Unused, "deleted") {
			t.Errorf("%+v", r)
		}
	}
	if r := v.Row(Delegated, "g2"); r.PersonName != id(11) || r.ClientName != id(1) || r.ResourceName != "AzTS API" {
		t.Errorf("%+v", r)
	}
}

func TestSelecting(t *testing.T) {
	v := join(world(), home, noon)
	for name, c := range map[string]struct {
		q    Query
		want string
	}{
		"all":                      {Query{}, "g6 a2 a4 g5 g4 g1 a1 a3 g2 g3"},
		"backwards":                {Query{Desc: true}, "g3 g2 a3 a1 g1 g4 g5 a4 a2 g6"},
		"by client and person":     {Query{Text: "LEDGER dana"}, "g2"},
		"by account":               {Query{Text: "ada@contoso.com"}, "a2 g5 g4"},
		"by scope":                 {Query{Text: "scan.request"}, "a1"},
		"by nothing there":         {Query{Text: "ledger nobody"}, ""},
		"roles":                    {Query{Kind: Role}, "a2 a4 a1 a3"},
		"for everybody":            {Query{For: ForTenant}, "g1"},
		"for applications":         {Query{For: ForApp}, "a1 a3"},
		"risks":                    {Query{Risk: RiskUnused, Kind: Delegated}, "g6 g5 g4 g3"},
		"two risks at once":        {Query{Risk: RiskUnused | RiskPublisher}, "g3"},
		"of a client":              {Query{Client: id(1), Kind: Delegated}, "g1 g2"},
		"of an API":                {Query{Resource: portal}, "a2 a4"},
		"by person":                {Query{Sort: "person", Kind: Delegated}, "g1 g6 g5 g4 g2 g3"},
		"by time, the last first":  {Query{Sort: "since", Desc: true, Kind: Role, Resource: azts}, "a1 a3"},
		"by an order nobody knows": {Query{Sort: "colour", Kind: Role}, "a2 a4 a1 a3"},
	} {
		var got []string
		for _, r := range v.Select(c.q) {
			got = append(got, r.ID)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
	// The view is shared: no order may stay behind.
	if v.Rows[0].ID != "g6" || len(v.Clients) != 5 || len(v.APIs) != 2 {
		t.Errorf("%s first, %d clients, %d APIs", v.Rows[0].ID, len(v.Clients), len(v.APIs))
	}
}

// directory is Graph with what a test wants to fail.
type directory struct {
	raw
	fails map[string]error
}

func (d *directory) ServicePrincipalByAppID(context.Context, graph.TokenSource, string) (*graph.ServicePrincipal, error) {
	return d.portal, d.fails["portal"]
}
func (d *directory) ServicePrincipalByURI(context.Context, graph.TokenSource, string) (*graph.ServicePrincipal, error) {
	return d.api, d.fails["api"]
}
func (d *directory) GrantsOfClient(context.Context, graph.TokenSource, string) ([]graph.Grant, error) {
	return nil, d.fails["client"]
}
func (d *directory) GrantsOnResource(_ context.Context, _ graph.TokenSource, resource string) ([]graph.Grant, error) {
	if resource == azts {
		return d.grants, d.fails["grants"]
	}
	return nil, nil
}
func (d *directory) AppRoleAssignedTo(_ context.Context, _ graph.TokenSource, resource string) ([]graph.AppRoleAssignment, error) {
	return slices.DeleteFunc(slices.Clone(d.assignments), func(a graph.AppRoleAssignment) bool { return a.ResourceID != resource }), d.fails["roles"]
}
func (d *directory) AppRoleAssignmentsOf(context.Context, graph.TokenSource, string) ([]graph.AppRoleAssignment, error) {
	return nil, nil
}
func (d *directory) Names(context.Context, graph.TokenSource, []string) (map[string]graph.Object, error) {
	return d.names, d.fails["names"]
}

func (d *directory) Application(context.Context, graph.TokenSource, string) (*graph.Application, error) {
	return &graph.Application{PreAuthorized: []graph.PreAuthorized{
		{AppID: "04b07795-8ddb-461a-bbee-02f9e1bf7b46", PermissionIDs: []string{id(31), id(99)}}, {AppID: id(200)}}}, d.fails["application"]
}

func TestTrustedClientsHaveNames(t *testing.T) {
	r := Reader{Directory: &directory{raw: world()}, ClientID: "c", API: "api://azts", Now: func() time.Time { return noon }}
	v, err := r.Read(t.Context(), nil, home)
	if err != nil || len(v.Trusted) != 2 || v.Trusted[0].Name != "Microsoft Azure CLI" || !slices.Equal(v.Trusted[0].Scopes, []string{"user_impersonation", id(99)}) || v.Trusted[1].Name != "AzTS Portal" {
		t.Errorf("%+v, %v", v.Trusted, err)
	}
	gone := apperr.New(apperr.NotFound, "graph_not_found", "x")
	r.Directory = &directory{raw: world(), fails: map[string]error{"application": gone}}
	if v, err = r.Read(t.Context(), nil, home); err != nil || v.NoTrusted != gone || !v.Whole() {
		t.Errorf("%+v, %v", v.NoTrusted, err)
	}
}

func TestReadingSaysWhatIsMissing(t *testing.T) {
	throttled := apperr.New(apperr.TooMany, "graph_throttled", "x")
	again := apperr.New(apperr.Unauthenticated, "consent_missing", "x")
	for name, c := range map[string]struct {
		fails map[string]error
		rows  int
		gaps  string
		err   error
	}{
		"nothing":            {nil, 10, "", nil},
		"half the grants":    {map[string]error{"grants": throttled}, 10, "The rest of: Grants on the AzTS API", nil},
		"an empty list":      {map[string]error{"client": throttled}, 10, "Grants to this portal", nil},
		"names":              {map[string]error{"names": throttled}, 10, "Names of people and applications", nil},
		"the person's yes":   {map[string]error{"portal": again}, 0, "", again},
		"the portal is gone": {map[string]error{"portal": throttled}, 10, "This portal's own application", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := Reader{Directory: &directory{raw: world(), fails: c.fails}, ClientID: "c", API: "api://azts", Now: func() time.Time { return noon }}
			v, err := r.Read(t.Context(), nil, home)
			if !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			var gaps []string
			for _, g := range v.Gaps {
				gaps = append(gaps, g.What)
			}
			if len(v.Rows) != c.rows || strings.Join(gaps, ", ") != c.gaps || v.Whole() != (c.gaps == "") {
				t.Errorf("%d rows, gaps %q", len(v.Rows), gaps)
			}
		})
	}
}

// TestMarksAfterAScopeWasWithdrawn: without the scope that the API does not offer
// any more the grant is not unused.
func TestMarksAfterAScopeWasWithdrawn(t *testing.T) {
	v := join(world(), home, noon)
	if r := v.WithScopes("g3", []string{"user_impersonation"}).Row(Delegated, "g3"); r.Unused != "" || r.Risk.Has(RiskUnused) {
		t.Errorf("the live scope is left, and the row is %+v", r)
	}
	if r := v.WithScopes("g3", []string{"Gone.Write"}).Row(Delegated, "g3"); !r.Risk.Has(RiskUnused) || !strings.Contains(r.Unused, "Gone.Write") {
		t.Errorf("the dead scope is left, and the row is %+v", r)
	}
	if r := v.WithScopes("g5", []string{"user_impersonation"}).Row(Delegated, "g5"); !r.Risk.Has(RiskUnused) {
		t.Error("a disabled application is not unused any more")
	}
}

// TestForWhomIsNotKnown: a grant of an unknown kind is nobody's, and an application
// without an owner is not said to be somebody else's.
func TestForWhomIsNotKnown(t *testing.T) {
	in := world()
	in.grants = []graph.Grant{{ID: "u", ClientID: id(1), ResourceID: azts, ForUnknown: true, Scopes: []string{"user_impersonation"}}}
	in.names[id(1)].Principal.OwnerTenantID = ""
	v := join(in, home, noon)
	r := v.Row(Delegated, "u")
	if !r.ForUnknown || r.PersonName != "" || r.PersonID != "" || r.Risk.Has(RiskTenant) || !r.OwnerUnknown {
		t.Errorf("%+v", r)
	}
	for _, whom := range []string{ForTenant, ForPerson, ForApp} {
		if slices.ContainsFunc(v.Select(Query{For: whom}), func(r *Row) bool { return r.ID == "u" }) {
			t.Errorf("it is among those for %s", whom)
		}
	}
}

func TestLastEnd(t *testing.T) {
	for name, c := range map[string]struct {
		list []graph.Credential
		want time.Time
	}{
		"none":           {nil, time.Time{}},
		"the last":       {[]graph.Credential{{End: noon}, {End: noon.Add(time.Hour)}, {End: noon.Add(-time.Hour)}}, noon.Add(time.Hour)},
		"one for ever":   {[]graph.Credential{{End: noon}, {}}, time.Time{}},
		"all have ended": {[]graph.Credential{{End: noon.Add(-time.Hour)}}, noon.Add(-time.Hour)},
	} {
		if got := lastEnd(c.list); !got.Equal(c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
