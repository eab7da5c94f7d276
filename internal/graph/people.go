package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
)

// User is a person of the directory.
type User struct {
	ID          string // object id
	DisplayName string
	Account     string // user principal name
	Mail        string
}

func decodeUser(raw json.RawMessage) (User, bool) {
	var w struct{ ID, DisplayName, UserPrincipalName, Mail string }
	if !decode(raw, &w) {
		return User{}, false
	}
	u := User{ID: guid(w.ID), DisplayName: text(w.DisplayName), Account: text(w.UserPrincipalName), Mail: text(w.Mail)}
	return u, u.ID != ""
}

// Me returns the person whose token is used.
func (c *Client) Me(ctx context.Context, source TokenSource) (User, error) {
	return one(ctx, c.myself, source, get("/me", url.Values{"$select": {"id,displayName,userPrincipalName,mail"}}), decodeUser)
}

// MemberObjects returns the object ids of the security groups that the caller is
// in, nested ones too.
func (c *Client) MemberObjects(ctx context.Context, source TokenSource) ([]string, error) {
	res, err := c.myself.Do(ctx, source, azhttp.Request{Method: http.MethodPost, Path: "/me/getMemberObjects",
		Body: map[string]bool{"securityEnabledOnly": true}, Repeat: azhttp.Repeatable})
	if err != nil {
		return nil, err
	}
	var answer struct{ Value []json.RawMessage }
	if err := res.JSON(&answer); err != nil {
		return nil, err
	}
	if answer.Value == nil {
		return nil, res.Malformed(azhttp.ErrNoList)
	}
	var ids []string
	for _, raw := range answer.Value {
		var id string
		if json.Unmarshal(raw, &id) == nil && guid(id) != "" && len(ids) < MaxList {
			ids = append(ids, guid(id))
		}
	}
	return ids, nil
}

// Object is what stands behind an id of the directory.
type Object struct {
	ID      string
	Kind    string // user, group, servicePrincipal or another type of Graph
	Name    string
	Account string // user principal name of a user
	// Principal is set for a service principal, without its roles and scopes.
	Principal *ServicePrincipal
}

func decodeObject(raw json.RawMessage) (Object, bool) {
	var w struct {
		wirePrincipal
		Type              string `json:"@odata.type"`
		UserPrincipalName string
	}
	if !decode(raw, &w) {
		return Object{}, false
	}
	w.AppRoles, w.OAuth2PermissionScopes = nil, nil
	s := w.principal()
	o := Object{ID: s.ID, Kind: text(strings.TrimPrefix(w.Type, "#microsoft.graph.")), Name: s.DisplayName, Account: text(w.UserPrincipalName)}
	if o.Kind == "servicePrincipal" {
		o.Principal = &s
	}
	return o, o.ID != ""
}

// maxByIDs is how many objects one call of getByIds takes.
const maxByIDs = 1000

// Names returns what stands behind object ids, by id: people, groups and
// applications. What was deleted is not in it. With an error it holds what
// arrived before.
func (c *Client) Names(ctx context.Context, source TokenSource, ids []string) (map[string]Object, error) {
	names := make(map[string]Object, len(ids))
	asked := make(map[string]bool, len(ids))
	var wanted []string
	var unreadable error
	for _, id := range ids {
		if id = guid(id); id != "" && !asked[id] && len(wanted) < MaxList {
			asked[id] = true
			wanted = append(wanted, id)
		}
	}
	for len(wanted) > 0 {
		batch := wanted[:min(maxByIDs, len(wanted))]
		wanted = wanted[len(batch):]
		body := map[string][]string{"ids": batch, "types": {"user", "group", "servicePrincipal"}}
		r := azhttp.Request{Method: http.MethodPost, Path: "/directoryObjects/getByIds", Body: body, Repeat: azhttp.Repeatable}
		objects, err := gather(azhttp.Pages[json.RawMessage](ctx, c.reads, source, r, maxPages), decodeObject)
		for _, o := range objects {
			if asked[o.ID] {
				names[o.ID] = o
			}
		}
		if apperr.HasCode(err, errUnreadable.Code) {
			unreadable = err // the other names can be had
			continue
		}
		if err != nil {
			return names, err
		}
	}
	return names, unreadable
}
