package handlers

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// permissionKey names a delegated permission: App ID URI and value in lower case.
type permissionKey struct{ api, scope string }

func keyOf(appIDURI, scope string) permissionKey {
	return permissionKey{strings.ToLower(strings.TrimRight(appIDURI, "/")), strings.ToLower(scope)}
}

// permission is one that this portal has, with all that is known of it.
type permission struct {
	appIDURI string
	apiName  string
	resource *entra.Resource // nil: not in the catalogue
	row      templates.PermissionRow
}

// permissions joins what the directory says with what the tokens prove.
type permissions struct {
	*myAccess
	by map[permissionKey]*permission
}

// add returns the permission, made if it was not there.
func (p *permissions) add(appIDURI, apiName, scope string) *permission {
	key := keyOf(appIDURI, scope)
	if one := p.by[key]; one != nil {
		return one
	}
	one := &permission{appIDURI: appIDURI, apiName: apiName, row: templates.PermissionRow{Name: scope}}
	if resource, ok := p.catalogue.Find(appIDURI); ok {
		one.resource, one.apiName, one.appIDURI = resource, resource.Name, resource.AppIDURI
		if known, ok := p.catalogue.Describe(resource.Scope(scope)); ok {
			one.row.Title, one.row.Text = known.Title, known.Text
			one.row.Kind = kindText(known.AdminOnly)
		}
	}
	if text, ok := openIDTexts[scope]; ok && one.row.Title == "" {
		one.row.Title, one.row.Text, one.row.Kind = text[0], text[1], kindText(false)
	}
	one.row.Uses = p.usesOf(one.resource, scope)
	one.row.Unused = len(one.row.Uses) == 0
	p.by[key] = one
	return one
}

// openIDTexts say what the scopes of OpenID Connect allow; Entra counts them as
// permissions of Graph.
var openIDTexts = map[string][2]string{
	"openid":         {"Sign you in", "Lets the application know who you are when you sign in."},
	"profile":        {"Your basic profile", "Your name and account, as they stand in a sign-in."},
	"email":          {"Your mail address", "The mail address of your account."},
	"offline_access": {"Keep access", "Lets the application renew tokens without asking you each hour, until you sign out."},
}

func kindText(adminOnly bool) string {
	if adminOnly {
		return "Only an administrator"
	}
	return "You, unless your organization leaves it to administrators"
}

// apiOf names an API by its service principal: as in the catalogue if it is there.
func (a *myAccess) apiOf(l *consentList, objectID string) (appIDURI, name string) {
	sp := l.apis[objectID]
	if sp == nil {
		return objectID, cmp.Or(l.names[objectID].Name, objectID)
	}
	for _, uri := range sp.AppIDURIs {
		if r, ok := a.catalogue.Find(uri); ok {
			return r.AppIDURI, r.Name
		}
	}
	for _, uri := range sp.AppIDURIs {
		if strings.Contains(uri, "://") {
			return strings.TrimRight(uri, "/"), sp.DisplayName
		}
	}
	return sp.AppID, sp.DisplayName
}

// portalPermissions returns what this portal may do for the person.
func (a *myAccess) portalPermissions(ctx context.Context, live *session.Session, l *consentList) (*permissions, error) {
	p := &permissions{myAccess: a, by: map[permissionKey]*permission{}}
	for _, g := range append(slices.Clone(l.mine), l.wide...) {
		if g.ClientID != l.portal || l.portal == "" {
			continue
		}
		uri, name := a.apiOf(l, g.ResourceID)
		for _, scope := range g.Scopes {
			one := p.add(uri, name, scope)
			if g.TenantWide {
				one.row.Everyone = true
				continue
			}
			one.row.Mine, one.row.GiveBackURL = true, templates.GiveBackPageURL(g.ID, scope)
		}
	}
	held, err := a.broker.Held(ctx, live.ID)
	if err != nil {
		return nil, err
	}
	for i := range held {
		p.prove(&held[i])
	}
	for _, sp := range l.apis {
		uri, _ := a.apiOf(l, sp.ID)
		for i := range sp.Scopes {
			if one := p.by[keyOf(uri, sp.Scopes[i].Value)]; one != nil {
				one.describe(&sp.Scopes[i])
			}
		}
	}
	return p, nil
}

// prove adds what a token carries: the scopes that its answer named, and its scp.
func (p *permissions) prove(token *entra.HeldToken) {
	var uri string
	for _, scope := range append(token.Asked(), token.Scopes...) {
		if uri = entra.ResourceOf(scope); uri != "" {
			break
		}
	}
	scopes := slices.Clone(token.Scopes)
	if d, err := entra.Decode(token.Value); err == nil {
		for _, claim := range d.Claims {
			if claim.Name == "scp" {
				scopes = append(scopes, strings.Fields(claim.Value)...)
			}
		}
	}
	graphURI := entra.ResourceOf(p.graph.ReadScope())
	for _, scope := range scopes {
		at, name := cmp.Or(entra.ResourceOf(scope), uri), entra.ScopeName(scope)
		if _, openID := openIDTexts[name]; openID {
			at = graphURI
		}
		if at == "" || name == "" || name == entra.DefaultScope {
			continue
		}
		row := &p.add(at, at, name).row
		if token.ExpiresAt.After(row.InTokenUntil) {
			row.InTokenUntil = token.ExpiresAt
		}
		if row.Since.IsZero() || token.IssuedAt.Before(row.Since) {
			row.Since = token.IssuedAt
		}
	}
}

// describe fills in what the directory says of a permission. Its texts are those
// that people really consent to, so they go before ours.
func (p *permission) describe(d *graph.Permission) {
	p.row.Name, p.row.ID = d.Value, d.ID
	p.row.Title, p.row.Text = cmp.Or(d.UserName, p.row.Title), cmp.Or(d.UserDescription, p.row.Text)
	p.row.AdminTitle, p.row.AdminText = d.AdminName, d.AdminDescription
	switch d.Type {
	case "Admin", "User":
		p.row.Kind = kindText(d.Type == "Admin")
	}
	if !d.Enabled {
		p.row.Kind = "Nobody: the API has switched it off"
	}
}

// groups returns the permissions by API: AzTS first, then by name.
func (p *permissions) groups() []templates.PermissionGroup {
	byAPI := map[string]*templates.PermissionGroup{}
	for key, one := range p.by {
		g := byAPI[key.api]
		if g == nil {
			g = &templates.PermissionGroup{API: one.apiName, AppIDURI: one.appIDURI}
			byAPI[key.api] = g
		}
		g.Permissions = append(g.Permissions, one.row)
	}
	var groups []templates.PermissionGroup
	for _, g := range byAPI {
		slices.SortFunc(g.Permissions, func(a, b templates.PermissionRow) int {
			return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		})
		groups = append(groups, *g)
	}
	first := entra.ResourceOf(p.aztsScope)
	slices.SortFunc(groups, func(a, b templates.PermissionGroup) int {
		if aFirst, bFirst := a.AppIDURI == first, b.AppIDURI == first; aFirst != bFirst {
			if aFirst {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.API, b.API), strings.Compare(a.AppIDURI, b.AppIDURI))
	})
	return groups
}

// has reports whether a full scope is among them.
func (p *permissions) has(scope string) bool {
	one := p.by[keyOf(entra.ResourceOf(scope), entra.ScopeName(scope))]
	return one != nil && (one.row.Mine || one.row.Everyone || !one.row.InTokenUntil.IsZero())
}

// toAskFor returns the known permissions that this portal does not have yet.
func (p *permissions) toAskFor(chosen string) []templates.AskGroup {
	var groups []templates.AskGroup
	for i := range p.catalogue {
		r := &p.catalogue[i]
		if r.AppIDURI == "" {
			continue // AzTS, where it is not configured
		}
		g := templates.AskGroup{API: r.Name}
		for _, s := range r.Scopes {
			full := r.Scope(s.Name)
			if p.has(full) {
				continue
			}
			label := s.Name
			if s.Title != "" {
				label += ": " + s.Title
			}
			g.Options = append(g.Options, templates.AskOption{Value: full, Label: label, AdminOnly: s.AdminOnly, Selected: full == chosen})
		}
		if len(g.Options) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// otherApps returns what other applications may do for the person: at the listed
// APIs first.
func (a *myAccess) otherApps(l *consentList) []templates.AppGrant {
	first := entra.ResourceOf(a.aztsScope)
	type ranked struct {
		templates.AppGrant
		rank int
	}
	var apps []ranked
	for _, g := range append(slices.Clone(l.mine), l.wide...) {
		if g.ClientID == l.portal {
			continue
		}
		uri, name := a.apiOf(l, g.ResourceID)
		app := templates.AppGrant{ID: g.ClientID, API: name, Scopes: g.Scopes, Everyone: g.TenantWide}
		if object, ok := l.names[g.ClientID]; ok {
			app.Name = object.Name
			if sp := object.Principal; sp != nil {
				app.Publisher, app.Verified = cmp.Or(sp.VerifiedPublisher, sp.PublisherName), sp.VerifiedPublisher != ""
			}
		}
		if !g.TenantWide {
			app.GiveBackURL = templates.GiveBackPageURL(g.ID, "")
		}
		rank := 1
		if uri == first {
			rank = 0
		}
		apps = append(apps, ranked{app, rank})
	}
	slices.SortStableFunc(apps, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
	out := make([]templates.AppGrant, len(apps))
	for i := range apps {
		out[i] = apps[i].AppGrant
	}
	return out
}
