package consent

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/graph"
)

// Directory is what a [Reader] asks of Graph.
type Directory interface {
	ServicePrincipalByAppID(ctx context.Context, source graph.TokenSource, appID string) (*graph.ServicePrincipal, error)
	ServicePrincipalByURI(ctx context.Context, source graph.TokenSource, uri string) (*graph.ServicePrincipal, error)
	GrantsOfClient(ctx context.Context, source graph.TokenSource, client string) ([]graph.Grant, error)
	GrantsOnResource(ctx context.Context, source graph.TokenSource, resource string) ([]graph.Grant, error)
	AppRoleAssignedTo(ctx context.Context, source graph.TokenSource, resource string) ([]graph.AppRoleAssignment, error)
	AppRoleAssignmentsOf(ctx context.Context, source graph.TokenSource, principal string) ([]graph.AppRoleAssignment, error)
	Names(ctx context.Context, source graph.TokenSource, ids []string) (map[string]graph.Object, error)
	Application(ctx context.Context, source graph.TokenSource, appID string) (*graph.Application, error)
}

// Reader reads all permissions on the AzTS API and on this portal.
type Reader struct {
	Directory Directory
	ClientID  string // of this portal
	API       string // App ID URI of the AzTS API; "" where there is none
	Now       func() time.Time
}

// Read asks Graph with the tokens of source. home is the tenant of the person.
// What arrived before something failed is in the view, and the failure is one of
// its Gaps. The error is that nothing can be read at all: only the person can help
// (consent, more proof), or ctx ended.
func (r *Reader) Read(ctx context.Context, source graph.TokenSource, home string) (*View, error) {
	var in raw
	var err error
	if in.portal, err = r.Directory.ServicePrincipalByAppID(ctx, source, r.ClientID); err != nil {
		if isPersonal(err) || ctx.Err() != nil {
			return nil, err
		}
		in.gaps = append(in.gaps, Gap{"This portal's own application", err})
	}
	if r.API != "" {
		if in.api, err = r.Directory.ServicePrincipalByURI(ctx, source, r.API); err != nil {
			in.gaps = append(in.gaps, Gap{"The AzTS API", err})
		}
	}
	r.lists(ctx, source, &in)
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return nil, err
	}
	in.names, err = r.Directory.Names(ctx, source, idsIn(&in))
	if in.namesWhole = err == nil; err != nil {
		in.gaps = append(in.gaps, Gap{"Names of people and applications", err})
	}
	view := join(in, strings.ToLower(home), r.Now().UTC())
	if in.api != nil {
		view.Trusted, view.NoTrusted = r.trusted(ctx, source, in.api)
	}
	// One call, and no gap without it: the registration may be another tenant's,
	// and the page of credentials says why it cannot be read.
	if app, err := r.Directory.Application(ctx, source, r.ClientID); err == nil {
		view.CredentialsEnd = lastEnd(app.Credentials)
	}
	return view, nil
}

// lastEnd returns when the last of the credentials ends; zero where there is none,
// or one without an end.
func lastEnd(list []graph.Credential) (last time.Time) {
	for _, c := range list {
		if c.End.IsZero() {
			return time.Time{}
		}
		if c.End.After(last) {
			last = c.End
		}
	}
	return last
}

// maxTrusted bounds the clients whose name is looked up one by one.
const maxTrusted = 20

// trusted lists the clients that an API trusts without consent.
func (r *Reader) trusted(ctx context.Context, source graph.TokenSource, api *graph.ServicePrincipal) ([]Trusted, error) {
	app, err := r.Directory.Application(ctx, source, api.AppID)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(api.Scopes))
	for _, scope := range api.Scopes {
		values[scope.ID] = scope.Value
	}
	var out []Trusted
	for i, one := range app.PreAuthorized {
		client := Trusted{AppID: one.AppID, Name: KnownClients[one.AppID]}
		if client.Name == "" && i < maxTrusted {
			if sp, err := r.Directory.ServicePrincipalByAppID(ctx, source, one.AppID); err == nil {
				client.Name = sp.DisplayName
			}
		}
		for _, id := range one.PermissionIDs {
			client.Scopes = append(client.Scopes, cmp.Or(values[id], id))
		}
		out = append(out, client)
	}
	return out, nil
}

// isPersonal reports whether only the person can help.
func isPersonal(err error) bool { return apperr.IsKind(err, apperr.Unauthenticated) }

// lists reads the five lists at once; their order does not matter.
func (r *Reader) lists(ctx context.Context, source graph.TokenSource, in *raw) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	grants := func(what string, read func(context.Context, graph.TokenSource, string) ([]graph.Grant, error), id string) {
		wait.Go(func() {
			list, err := read(ctx, source, id)
			mu.Lock()
			defer mu.Unlock()
			in.grants = append(in.grants, list...)
			in.gap(what, err, len(list))
		})
	}
	roles := func(what string, read func(context.Context, graph.TokenSource, string) ([]graph.AppRoleAssignment, error), id string) {
		wait.Go(func() {
			list, err := read(ctx, source, id)
			mu.Lock()
			defer mu.Unlock()
			in.assignments = append(in.assignments, list...)
			in.gap(what, err, len(list))
		})
	}
	if in.api != nil {
		grants("Grants on the AzTS API", r.Directory.GrantsOnResource, in.api.ID)
		roles("App roles of the AzTS API", r.Directory.AppRoleAssignedTo, in.api.ID)
	}
	if in.portal != nil {
		grants("Grants to this portal", r.Directory.GrantsOfClient, in.portal.ID)
		grants("Grants on this portal", r.Directory.GrantsOnResource, in.portal.ID)
		roles("App roles of this portal", r.Directory.AppRoleAssignedTo, in.portal.ID)
		roles("App roles that this portal holds", r.Directory.AppRoleAssignmentsOf, in.portal.ID)
	}
	wait.Wait()
	slices.SortFunc(in.gaps, func(a, b Gap) int { return strings.Compare(a.What, b.What) })
}

func (in *raw) gap(what string, err error, arrived int) {
	if err == nil {
		return
	}
	if arrived > 0 {
		what = "The rest of: " + what
	}
	in.gaps = append(in.gaps, Gap{what, err})
}

// idsIn returns what needs a name.
func idsIn(in *raw) []string {
	ids := make([]string, 0, 3*len(in.grants))
	for _, g := range in.grants {
		ids = append(ids, g.ClientID, g.ResourceID)
		if g.PrincipalID != "" {
			ids = append(ids, g.PrincipalID)
		}
	}
	for _, a := range in.assignments {
		ids = append(ids, a.PrincipalID)
	}
	return ids
}
