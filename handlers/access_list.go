package handlers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
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

// needOf returns what only the person can give at the company sign-in, as the
// tenant or an API asked for it; nil when err is about something else. scope is
// what the API was asked with.
func needOf(err error, scope string) *entra.InteractionRequired {
	var need *entra.InteractionRequired
	if errors.As(err, &need) {
		return need
	}
	var challenge *azts.ChallengeError // the same for every API (entra.md §6.1)
	if errors.As(err, &challenge) {
		return &entra.InteractionRequired{Scopes: []string{scope}, Claims: challenge.Claims, Cause: err}
	}
	return nil
}

// azureScope is what Azure Resource Manager is asked with.
func (a *myAccess) azureScope() string {
	for i := range a.catalogue {
		if r := &a.catalogue[i]; r.Name == string(apiAzure) {
			return r.Scope("user_impersonation")
		}
	}
	return ""
}

// lasting reports whether a refusal will be the same in a minute.
func lasting(err error) bool {
	need := needOf(err, "")
	return apperr.HasCode(err, graph.CodeDenied) || need != nil && consentMissing(need)
}

// consentMissing reports whether the provider wants consent, and not only to see
// the person again (AADSTS65001, entra.md §2.6).
func consentMissing(need *entra.InteractionRequired) bool {
	var refusal *entra.ProviderError
	return need.Claims == "" && errors.As(need.Cause, &refusal) &&
		(refusal.Subcode == "consent_required" || refusal.OAuthError == "consent_required" || slices.Contains(refusal.Codes, 65001))
}

// listRefused reports whether the directory will not show a list to this person, as
// opposed to one that did not arrive.
func listRefused(err error) bool {
	return apperr.HasCode(err, graph.CodeDenied) || needOf(err, "") != nil
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

// microsofts reports whether an API of the catalogue is one of Microsoft's: there
// every application has consents, and the page would list half the directory.
func microsofts(r *entra.Resource) bool {
	switch r.Name {
	case string(apiGraph), string(apiAzure), "Azure Key Vault":
		return true
	}
	return false
}

// apiURIs returns App ID URIs of the catalogue, AzTS first: all of them, or those
// whose other clients are listed.
func (a *myAccess) apiURIs(all bool) []string {
	var uris []string
	for i := range a.catalogue {
		if r := &a.catalogue[i]; r.AppIDURI != "" && (all || !microsofts(r)) && len(uris) < maxAPIs/2 {
			uris = append(uris, r.AppIDURI)
		}
	}
	return uris
}

// readTexts reads the permissions of the APIs that people's tokens are for: who
// may not see grants mostly may see these.
func (a *myAccess) readTexts(ctx context.Context, source graph.TokenSource, l *consentList) {
	uris := a.apiURIs(true)
	found := make([]*graph.ServicePrincipal, len(uris))
	inParallel(len(uris), graphCalls, func(i int) {
		var err error
		if found[i], err = a.graph.ServicePrincipalByURI(ctx, source, uris[i]); err != nil {
			a.log.InfoContext(ctx, "the permissions of an API cannot be read", "api", uris[i], "err", err)
		}
	})
	for _, sp := range found {
		if sp != nil {
			l.apis[sp.ID] = sp
		}
	}
}

// readWide reads what was granted for everybody: to this portal, and to all at
// the listed APIs.
func (a *myAccess) readWide(ctx context.Context, source graph.TokenSource, l *consentList) {
	uris := a.apiURIs(false)
	self := len(uris)
	grants, errs := make([][]graph.Grant, self+1), make([]error, self+1)
	found := make([]*graph.ServicePrincipal, self+1)
	inParallel(self+1, graphCalls, func(i int) {
		if i == self {
			if found[i], errs[i] = a.graph.ServicePrincipalByAppID(ctx, source, a.clientID); errs[i] == nil {
				grants[i], errs[i] = a.graph.TenantGrantsOfClient(ctx, source, found[i].ID)
			}
			return
		}
		if found[i], errs[i] = a.graph.ServicePrincipalByURI(ctx, source, uris[i]); errs[i] == nil {
			grants[i], errs[i] = a.graph.TenantGrantsOnResource(ctx, source, found[i].ID)
		}
	})
	for i, sp := range found {
		if errs[i] != nil && !apperr.HasCode(errs[i], graph.CodeNotFound) {
			l.problem = errs[i]
		}
		if sp == nil {
			continue
		}
		l.apis[sp.ID] = sp
		if i == self {
			l.portal = sp.ID
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
