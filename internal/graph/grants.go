package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
)

// maxScopeText is the longest scope member of a grant, in characters (entra.md §7.3).
const maxScopeText = 3850

const (
	allPrincipals = "AllPrincipals"
	principal     = "Principal"
)

// Grant is one oauth2PermissionGrant (entra.md §7.3): delegated permissions of a
// client at an API, for one person or for everybody.
type Grant struct {
	ID         string // opaque
	ClientID   string // object id of the client's service principal
	ResourceID string // object id of the API's service principal
	TenantWide bool   // for everybody (AllPrincipals)
	// ForUnknown says that Graph names no kind of consent that is known here, or a
	// person without an id: it may be for everybody.
	ForUnknown bool
	// PrincipalID is the object id of the person; "" for a grant that is not for one.
	PrincipalID string
	Scopes      []string // values as they stand in scp; none twice
}

func decodeGrant(raw json.RawMessage) (Grant, bool) {
	var w struct{ ID, ClientID, ConsentType, PrincipalID, ResourceID, Scope string }
	if !decode(raw, &w) {
		return Grant{}, false
	}
	g := Grant{ID: opaque(w.ID), ClientID: guid(w.ClientID), ResourceID: guid(w.ResourceID), TenantWide: w.ConsentType == allPrincipals}
	if w.ConsentType == principal {
		g.PrincipalID = guid(w.PrincipalID)
	}
	// What is not known must pass neither for everybody's nor for one person's.
	g.ForUnknown = !g.TenantWide && g.PrincipalID == ""
	for _, scope := range strings.Fields(w.Scope) {
		if scope = text(scope); scope != "" && !slices.Contains(g.Scopes, scope) && len(g.Scopes) < maxMembers {
			g.Scopes = append(g.Scopes, scope)
		}
	}
	return g, g.ID != "" && g.ClientID != "" && g.ResourceID != ""
}

const grantsPath = "/oauth2PermissionGrants"

// MyGrants returns the grants of the caller alone. Tenant-wide ones are not among
// them (entra.md §7.4). Most employees get [CodeDenied].
func (c *Client) MyGrants(ctx context.Context, source TokenSource) ([]Grant, error) {
	return list(ctx, c.reads, source, get("/me"+grantsPath, nil), decodeGrant)
}

// GrantsOfClient returns what an application was granted, at any API. client is
// the object id of its service principal. A new grant may take seconds to appear.
func (c *Client) GrantsOfClient(ctx context.Context, source TokenSource, client string) ([]Grant, error) {
	return c.grantsBy(ctx, source, "clientId", client)
}

// GrantsOnResource returns what all applications were granted at one API.
// resource is the object id of its service principal.
func (c *Client) GrantsOnResource(ctx context.Context, source TokenSource, resource string) ([]Grant, error) {
	return c.grantsBy(ctx, source, "resourceId", resource)
}

func (c *Client) grantsBy(ctx context.Context, source TokenSource, member, id string, more ...string) ([]Grant, error) {
	if id = guid(id); id == "" {
		return nil, errBadID
	}
	filter := strings.Join(append([]string{member + " eq '" + id + "'"}, more...), " and ")
	return list(ctx, c.reads, source, get(grantsPath, url.Values{"$filter": {filter}}), decodeGrant)
}

// TenantGrantsOfClient returns what an application was granted for everybody.
func (c *Client) TenantGrantsOfClient(ctx context.Context, source TokenSource, client string) ([]Grant, error) {
	return c.grantsBy(ctx, source, "clientId", client, "consentType eq '"+allPrincipals+"'")
}

// GrantsOfClientFor returns what an application was granted for one person alone.
func (c *Client) GrantsOfClientFor(ctx context.Context, source TokenSource, client, person string) ([]Grant, error) {
	if person = guid(person); person == "" {
		return nil, errBadID
	}
	return c.grantsBy(ctx, source, "clientId", client, "principalId eq '"+person+"'")
}

// Grant returns one grant; [CodeNotFound] when it is gone.
func (c *Client) Grant(ctx context.Context, source TokenSource, id string) (Grant, error) {
	if id = opaque(id); id == "" {
		return Grant{}, errBadID
	}
	return one(ctx, c.reads, source, get(grantsPath+"/"+id, nil), decodeGrant)
}

// NarrowGrant leaves a grant the scopes of keep and no other: the call
// overwrites, so keep must hold everything that stays. To take all, use
// [Client.DeleteGrant].
func (c *Client) NarrowGrant(ctx context.Context, source TokenSource, id string, keep []string) error {
	return c.setScopes(ctx, source, id, keep)
}

// WidenGrant adds scopes to a grant as it was read just before.
func (c *Client) WidenGrant(ctx context.Context, source TokenSource, g Grant, more []string) error {
	scopes := slices.Clone(g.Scopes)
	for _, scope := range more {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return c.setScopes(ctx, source, g.ID, scopes)
}

func (c *Client) setScopes(ctx context.Context, source TokenSource, id string, scopes []string) error {
	if id = opaque(id); id == "" {
		return errBadID
	}
	scope, err := scopeText(scopes)
	if err != nil {
		return err
	}
	_, err = c.grants.Do(ctx, source, azhttp.Request{Method: http.MethodPatch, Path: grantsPath + "/" + id,
		Body: map[string]string{"scope": scope}, Repeat: azhttp.Repeatable})
	return err
}

// DeleteGrant withdraws a grant. Tokens that were issued live on (entra.md §7.6).
func (c *Client) DeleteGrant(ctx context.Context, source TokenSource, id string) error {
	if id = opaque(id); id == "" {
		return errBadID
	}
	return deletes(ctx, c.grants, source, grantsPath+"/"+id)
}

// CreateGrant makes a grant and returns it with its id; g.ID is not read. After
// an error of which [MayHaveReached] holds it may be there all the same.
func (c *Client) CreateGrant(ctx context.Context, source TokenSource, g Grant) (Grant, error) {
	scope, err := scopeText(g.Scopes)
	if err != nil {
		return Grant{}, err
	}
	body := struct {
		ClientID    string  `json:"clientId"`
		ConsentType string  `json:"consentType"`
		PrincipalID *string `json:"principalId"`
		ResourceID  string  `json:"resourceId"`
		Scope       string  `json:"scope"`
	}{ClientID: guid(g.ClientID), ConsentType: allPrincipals, ResourceID: guid(g.ResourceID), Scope: scope}
	person := guid(g.PrincipalID)
	if body.ClientID == "" || body.ResourceID == "" || g.TenantWide != (g.PrincipalID == "") || g.PrincipalID != "" && person == "" {
		return Grant{}, errBadID
	}
	if !g.TenantWide {
		body.ConsentType, body.PrincipalID = principal, &person
	}
	return one(ctx, c.grants, source, azhttp.Request{Method: http.MethodPost, Path: grantsPath, Body: body}, decodeGrant)
}

// scopeText returns the scope member for scopes.
func scopeText(scopes []string) (string, error) {
	joined := strings.Join(scopes, " ")
	switch {
	case len(strings.Fields(joined)) == 0:
		return "", apperr.New(apperr.Invalid, "graph_no_scope", "A consent without any scope is none.").
			WithNext(apperr.MenderPerson, "Withdraw the whole consent instead.")
	case len(strings.Fields(joined)) != len(scopes):
		return "", apperr.New(apperr.Invalid, "graph_scope", "A scope is one word.").
			WithNext(apperr.MenderPerson, "Load the list again and choose from there.")
	case len([]rune(joined)) > maxScopeText:
		return "", apperr.New(apperr.TooLarge, "graph_scopes_long", "One consent cannot hold that many scopes.").
			WithNext(apperr.MenderPerson, "Ask for fewer scopes.")
	}
	return joined, nil
}
