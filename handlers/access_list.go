package handlers

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
)

// Limits of what is asked for one page.
const (
	// maxAPIs bounds of how many APIs the permissions are read in full.
	maxAPIs = 12
	// graphCalls is how many calls of Graph run at once for one page.
	graphCalls = 4
)

// consentList is what the directory says of the person's consents.
type consentList struct {
	portal string        // object id of this portal's service principal
	mine   []graph.Grant // of the person alone, to any application
	wide   []graph.Grant // for everybody: to this portal, and to others at the listed APIs
	// apis are the APIs with their permissions, by object id.
	apis  map[string]*graph.ServicePrincipal
	names map[string]graph.Object
	// refused is why the directory shows no list; problem, what of it is missing.
	refused error
	problem error
	asOf    time.Time
}

// weight is what a list counts in memory: its grants and permissions.
func (l *consentList) weight() int {
	n := 1 + len(l.mine) + len(l.wide) + len(l.names)
	for _, sp := range l.apis {
		n += len(sp.Scopes)
	}
	return n
}

// wellKnownApps are the client ids of the APIs of every tenant, by name in the
// catalogue.
var wellKnownApps = map[api]string{
	apiGraph: "00000003-0000-0000-c000-000000000000",
	apiAzure: "797f4846-ba00-4fd7-ba43-dac1f8f63013",
}

// list returns what the directory says, from memory if that is fresh. It has no
// error: what is missing is part of the answer.
func (a *myAccess) list(ctx context.Context, live *session.Session) *consentList {
	if known, ok := a.lists.get(live.ID); ok {
		return known
	}
	l := a.read(ctx, live)
	l.asOf = a.now()
	// A refusal is kept too: each view would ask the tenant for a token in vain.
	if l.problem == nil && ctx.Err() == nil && (l.refused == nil || lasting(l.refused)) {
		a.lists.put(live.ID, l, l.weight())
	}
	return l
}

// lasting reports whether a refusal will be the same in a minute.
func lasting(err error) bool {
	var need *entra.InteractionRequired
	return apperr.HasCode(err, graph.CodeDenied) || errors.As(err, &need) && consentMissing(need)
}

// consentMissing reports whether the provider wants consent, and not only to see
// the person again (AADSTS65001, entra.md §2.6).
func consentMissing(need *entra.InteractionRequired) bool {
	var refusal *entra.ProviderError
	return need.Claims == "" && errors.As(need.Cause, &refusal) &&
		(refusal.Subcode == "consent_required" || refusal.OAuthError == "consent_required" || slices.Contains(refusal.Codes, 65001))
}

// refusal reports whether the directory will not show a list to this person, as
// opposed to one that did not arrive.
func listRefused(err error) bool {
	var need *entra.InteractionRequired
	return apperr.HasCode(err, graph.CodeDenied) || errors.As(err, &need)
}

func (a *myAccess) read(ctx context.Context, live *session.Session) *consentList {
	l := &consentList{apis: map[string]*graph.ServicePrincipal{}}
	source := a.broker.SourceOfSession(live.ID)
	mine, err := a.graph.MyGrants(ctx, source)
	l.mine = keep(mine, func(g graph.Grant) bool {
		// Graph is asked for those of the caller alone. Whatever else came is not theirs to see.
		return !g.TenantWide && strings.EqualFold(g.PrincipalID, live.User.ObjectID)
	})
	if listRefused(err) {
		l.refused = err
		if apperr.HasCode(err, graph.CodeDenied) {
			a.readTexts(ctx, source, l)
		}
		return l
	}
	if err != nil {
		l.problem = err
		if len(mine) == 0 {
			return l
		}
	}
	a.readWide(ctx, source, l)
	a.readNames(ctx, source, l)
	return l
}

var guidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// listedApps returns the client ids of the APIs whose other clients are listed:
// AzTS and those that the installation names, as far as their App ID URIs tell.
func (a *myAccess) listedApps() []string {
	var apps []string
	for _, r := range a.catalogue {
		if id := strings.TrimPrefix(r.AppIDURI, "api://"); id != r.AppIDURI && guidPattern.MatchString(id) && len(apps) < maxAPIs/2 {
			apps = append(apps, id)
		}
	}
	return apps
}

// readTexts reads the permissions of the APIs that everybody's tokens are for:
// who may not see grants mostly may see these.
func (a *myAccess) readTexts(ctx context.Context, source graph.TokenSource, l *consentList) {
	apps := append(a.listedApps(), wellKnownApps[apiGraph], wellKnownApps[apiAzure])
	found := make([]*graph.ServicePrincipal, len(apps))
	inParallel(len(apps), graphCalls, func(i int) {
		var err error
		if found[i], err = a.graph.ServicePrincipalByAppID(ctx, source, apps[i]); err != nil {
			a.log.InfoContext(ctx, "the permissions of an API cannot be read", "app", apps[i], "err", err)
		}
	})
	for _, sp := range found {
		if sp != nil {
			l.apis[sp.ID] = sp
		}
	}
}

// readWide reads what was granted for everybody.
func (a *myAccess) readWide(ctx context.Context, source graph.TokenSource, l *consentList) {
	apps := append(a.listedApps(), a.clientID)
	self := len(apps) - 1
	grants, errs := make([][]graph.Grant, len(apps)), make([]error, len(apps))
	found := make([]*graph.ServicePrincipal, len(apps))
	inParallel(len(apps), graphCalls, func(i int) {
		found[i], errs[i] = a.graph.ServicePrincipalByAppID(ctx, source, apps[i])
		switch {
		case errs[i] != nil:
			found[i] = nil
		case i == self:
			grants[i], errs[i] = a.graph.TenantWideGrants(ctx, source, found[i].ID, "")
		default:
			grants[i], errs[i] = a.graph.TenantWideGrants(ctx, source, "", found[i].ID)
		}
	})
	for i := range apps {
		if errs[i] != nil && !apperr.HasCode(errs[i], graph.CodeNotFound) {
			l.problem = errs[i]
		}
		if found[i] == nil {
			continue
		}
		l.apis[found[i].ID] = found[i]
		if i == self {
			l.portal = found[i].ID
		}
		for _, g := range grants[i] {
			known := slices.ContainsFunc(l.wide, func(other graph.Grant) bool { return other.ID == g.ID })
			if g.TenantWide && !known {
				l.wide = append(l.wide, g)
			}
		}
	}
}

// readNames reads who the applications are, and the permissions of the APIs.
func (a *myAccess) readNames(ctx context.Context, source graph.TokenSource, l *consentList) {
	var apis, ids []string
	for _, g := range append(slices.Clone(l.mine), l.wide...) {
		ids = append(ids, g.ClientID, g.ResourceID)
		if l.apis[g.ResourceID] == nil && !slices.Contains(apis, g.ResourceID) && len(apis)+len(l.apis) < maxAPIs {
			apis = append(apis, g.ResourceID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	found := make([]*graph.ServicePrincipal, len(apis))
	inParallel(len(apis)+1, graphCalls, func(i int) {
		var err error
		if i == len(apis) {
			l.names, err = a.graph.Names(ctx, source, ids)
		} else {
			found[i], err = a.graph.ServicePrincipal(ctx, source, apis[i])
		}
		if err != nil {
			a.log.InfoContext(ctx, "names of applications cannot be read", "err", err)
		}
	})
	for _, sp := range found {
		if sp != nil {
			l.apis[sp.ID] = sp
		}
	}
}
