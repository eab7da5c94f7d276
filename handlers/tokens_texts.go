package handlers

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
)

const (
	textsAge     = 10 * time.Minute
	textsTimeout = 3 * time.Second
	// maxTexts bounds the scopes that are remembered together, of some 500 bytes
	// each.
	maxTexts = 20_000
	// maxShownScopes bounds the scopes of one API that are offered: Graph has
	// hundreds, and whoever wants a rare one knows its name.
	maxShownScopes = 30
)

// consentTexts are the scopes of resources with the texts that the directory
// has for them. Only some may read it (entra.md §7.4); everyone else gets the
// texts of the catalogue.
type consentTexts struct {
	*frame
	graph  *graph.Client // nil where there is none
	broker *entra.Broker
	known  *memory[textKey, entra.Resource]
}

// textKey names what one session may read of one resource.
type textKey struct {
	session  session.ID
	resource string
}

func newConsentTexts(f *frame, client *graph.Client, broker *entra.Broker) *consentTexts {
	return &consentTexts{frame: f, graph: client, broker: broker, known: newMemory[textKey, entra.Resource](textsAge, maxTexts, f.now)}
}

// of returns a resource with what the directory says of it. It asks only where
// the session holds a token for reading the directory: nobody is sent for
// consent, and no refresh is tried that would be refused, just to see a page.
func (c *consentTexts) of(ctx context.Context, live *session.Session, resource entra.Resource) entra.Resource {
	if c.graph == nil {
		return resource
	}
	key := textKey{live.ID, resource.AppIDURI}
	if known, ok := c.known.get(key); ok {
		return known
	}
	if _, err := c.broker.Cached(ctx, live.ID, []string{c.graph.ReadScope()}); err != nil {
		return resource
	}
	asking, cancel := context.WithTimeout(ctx, textsTimeout)
	defer cancel()
	principal, err := c.graph.ServicePrincipalByURI(asking, c.broker.SourceOfSession(live.ID), resource.AppIDURI)
	if err != nil {
		c.log.InfoContext(ctx, "the directory did not give the texts of an API", "resource", resource.AppIDURI, "err", err)
		principal = &graph.ServicePrincipal{}
	}
	known := withTexts(resource, principal)
	if ctx.Err() == nil {
		c.known.put(key, known, 1+len(known.Scopes))
	}
	return known
}

// withTexts adds the directory's scopes to those of the catalogue, whose order
// and words stay: the usual one is the first.
func withTexts(resource entra.Resource, principal *graph.ServicePrincipal) entra.Resource {
	resource.Scopes = slices.Clone(resource.Scopes)
	if strings.HasSuffix(resource.AppIDURI, "://"+resource.Name) && principal.DisplayName != "" {
		resource.Name = principal.DisplayName // until now only an id
	}
	more := slices.Clone(principal.Scopes)
	slices.SortFunc(more, func(a, b graph.Permission) int { return strings.Compare(a.Value, b.Value) })
	for _, p := range more {
		known := slices.ContainsFunc(resource.Scopes, func(s entra.ResourceScope) bool { return strings.EqualFold(s.Name, p.Value) })
		if !p.Enabled || p.Value == "" || known || strings.EqualFold(p.Value, "offline_access") || len(resource.Scopes) >= maxShownScopes {
			continue
		}
		resource.Scopes = append(resource.Scopes, entra.ResourceScope{Name: p.Value, Title: cmp.Or(p.UserName, p.AdminName),
			Text: cmp.Or(p.UserDescription, p.AdminDescription), AdminOnly: p.Type == "Admin"})
	}
	return resource
}
