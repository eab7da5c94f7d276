package graph

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
)

// Permission is a delegated permission that an API exposes (entra.md §7.2).
type Permission struct {
	ID               string
	Value            string // as it stands in scp
	Type             string // User: anybody may consent; Admin: only an administrator
	Enabled          bool
	AdminName        string
	AdminDescription string
	UserName         string
	UserDescription  string
}

func decodePermission(raw json.RawMessage) (Permission, bool) {
	var w struct {
		ID, Value, Type                                                                                  string
		AdminConsentDisplayName, AdminConsentDescription, UserConsentDisplayName, UserConsentDescription string
		IsEnabled                                                                                        *bool
	}
	if !decode(raw, &w) {
		return Permission{}, false
	}
	p := Permission{ID: guid(w.ID), Value: text(w.Value), Type: text(w.Type), Enabled: w.IsEnabled == nil || *w.IsEnabled,
		AdminName: text(w.AdminConsentDisplayName), AdminDescription: text(w.AdminConsentDescription),
		UserName: text(w.UserConsentDisplayName), UserDescription: text(w.UserConsentDescription)}
	return p, p.ID != "" && p.Value != ""
}

// AppRole is a role that an application defines (entra.md §7.2). Value may be empty.
type AppRole struct {
	ID          string
	Value       string // as it stands in roles
	DisplayName string
	Description string
	Enabled     bool
	ForUsers    bool // people and groups can hold it
	ForApps     bool // applications can hold it
}

func decodeAppRole(raw json.RawMessage) (AppRole, bool) {
	var w struct {
		ID, Value, DisplayName, Description string
		IsEnabled                           *bool
		AllowedMemberTypes                  []string
	}
	if !decode(raw, &w) {
		return AppRole{}, false
	}
	r := AppRole{ID: guid(w.ID), Value: text(w.Value), DisplayName: text(w.DisplayName), Description: text(w.Description),
		Enabled: w.IsEnabled == nil || *w.IsEnabled, ForUsers: slices.Contains(w.AllowedMemberTypes, "User"),
		ForApps: slices.Contains(w.AllowedMemberTypes, "Application")}
	return r, r.ID != ""
}

// ServicePrincipal is an application in this tenant.
type ServicePrincipal struct {
	ID                string // object id
	AppID             string
	DisplayName       string
	PublisherName     string
	VerifiedPublisher string // "" when Microsoft has verified none
	OwnerTenantID     string // of the registration
	Disabled          bool
	CreatedAt         time.Time // zero when not told
	AppIDURIs         []string  // what aud and scope may call it, the app id among them
	AppRoles          []AppRole
	Scopes            []Permission
}

// Scope returns the delegated permission of a value, nil when there is none.
func (s *ServicePrincipal) Scope(value string) *Permission {
	for i := range s.Scopes {
		if s.Scopes[i].Value == value {
			return &s.Scopes[i]
		}
	}
	return nil
}

// wirePrincipal is a service principal as Graph writes it.
type wirePrincipal struct {
	ID, AppID, DisplayName, PublisherName, AppOwnerOrganizationID, CreatedDateTime string
	VerifiedPublisher                                                              struct{ DisplayName string }
	AccountEnabled                                                                 *bool
	ServicePrincipalNames                                                          []string
	AppRoles, OAuth2PermissionScopes                                               []json.RawMessage
}

func (w *wirePrincipal) principal() ServicePrincipal {
	s := ServicePrincipal{ID: guid(w.ID), AppID: guid(w.AppID), DisplayName: text(w.DisplayName), PublisherName: text(w.PublisherName),
		VerifiedPublisher: text(w.VerifiedPublisher.DisplayName), OwnerTenantID: guid(w.AppOwnerOrganizationID),
		Disabled: w.AccountEnabled != nil && !*w.AccountEnabled, CreatedAt: moment(w.CreatedDateTime),
		AppRoles: members(w.AppRoles, decodeAppRole), Scopes: members(w.OAuth2PermissionScopes, decodePermission)}
	for _, name := range w.ServicePrincipalNames[:min(len(w.ServicePrincipalNames), maxMembers)] {
		s.AppIDURIs = append(s.AppIDURIs, text(name))
	}
	return s
}

func decodeServicePrincipal(raw json.RawMessage) (ServicePrincipal, bool) {
	var w wirePrincipal
	if !decode(raw, &w) {
		return ServicePrincipal{}, false
	}
	s := w.principal()
	return s, s.ID != ""
}

// ServicePrincipalByAppID returns the application of that client id with its
// permissions and roles; [CodeNotFound] when this tenant has none.
func (c *Client) ServicePrincipalByAppID(ctx context.Context, source TokenSource, appID string) (*ServicePrincipal, error) {
	if appID = guid(appID); appID == "" {
		return nil, errBadID
	}
	s, err := one(ctx, c.reads, source, get("/servicePrincipals(appId='"+appID+"')", nil), decodeServicePrincipal)
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// ServicePrincipalByURI returns the application that an App ID URI names, such as
// api://… or https://vault.azure.net, with or without a slash at its end;
// [CodeNotFound] when this tenant has none.
func (c *Client) ServicePrincipalByURI(ctx context.Context, source TokenSource, uri string) (*ServicePrincipal, error) {
	uri = strings.TrimSuffix(uri, "/")
	if uri == "" || len(uri) > MaxText || text(uri) != uri || strings.ContainsAny(uri, " '") {
		return nil, errBadID
	}
	for _, name := range []string{uri, uri + "/"} {
		found, err := list(ctx, c.reads, source, get("/servicePrincipals", url.Values{"$filter": {"servicePrincipalNames/any(n:n eq '" + name + "')"}}),
			decodeServicePrincipal)
		if len(found) > 0 {
			return &found[0], nil // there is only one, whatever the list's end
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errNoPrincipal
}

var errNoPrincipal = apperr.New(apperr.NotFound, CodeNotFound, "No application of your organization has this App ID URI.").
	WithNext(apperr.MenderAdmin, "Check the address of the API, and whether the application is registered.")

// ServicePrincipal returns the application with that object id.
func (c *Client) ServicePrincipal(ctx context.Context, source TokenSource, id string) (*ServicePrincipal, error) {
	if id = guid(id); id == "" {
		return nil, errBadID
	}
	s, err := one(ctx, c.reads, source, get("/servicePrincipals/"+id, nil), decodeServicePrincipal)
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// DefaultAccess is the role id of an assignment that gives no role (entra.md §7.3).
const DefaultAccess = "00000000-0000-0000-0000-000000000000"

// AppRoleAssignment says that somebody holds a role of an application.
type AppRoleAssignment struct {
	ID            string // opaque
	AppRoleID     string // [DefaultAccess] for none
	PrincipalID   string // object id of the person, group or service principal
	PrincipalType string // User, Group, ServicePrincipal
	PrincipalName string
	ResourceID    string // object id of the service principal whose role it is
	ResourceName  string
	CreatedAt     time.Time // zero when not told
}

func decodeAssignment(raw json.RawMessage) (AppRoleAssignment, bool) {
	var w struct {
		ID, AppRoleID, PrincipalID, PrincipalType, PrincipalDisplayName, ResourceID, ResourceDisplayName, CreatedDateTime string
	}
	if !decode(raw, &w) {
		return AppRoleAssignment{}, false
	}
	a := AppRoleAssignment{ID: opaque(w.ID), AppRoleID: guid(w.AppRoleID), PrincipalID: guid(w.PrincipalID), PrincipalType: text(w.PrincipalType),
		PrincipalName: text(w.PrincipalDisplayName), ResourceID: guid(w.ResourceID), ResourceName: text(w.ResourceDisplayName),
		CreatedAt: moment(w.CreatedDateTime)}
	return a, a.ID != "" && a.PrincipalID != "" && a.ResourceID != ""
}

// AppRoleAssignedTo returns who holds roles of an API. resource is the object id
// of its service principal.
func (c *Client) AppRoleAssignedTo(ctx context.Context, source TokenSource, resource string) ([]AppRoleAssignment, error) {
	return c.assignments(ctx, source, resource, "appRoleAssignedTo")
}

// AppRoleAssignmentsOf returns the roles that an application holds, at any API.
// principal is the object id of its service principal.
func (c *Client) AppRoleAssignmentsOf(ctx context.Context, source TokenSource, principal string) ([]AppRoleAssignment, error) {
	return c.assignments(ctx, source, principal, "appRoleAssignments")
}

func (c *Client) assignments(ctx context.Context, source TokenSource, id, kind string) ([]AppRoleAssignment, error) {
	if id = guid(id); id == "" {
		return nil, errBadID
	}
	return list(ctx, c.reads, source, get("/servicePrincipals/"+id+"/"+kind, nil), decodeAssignment)
}

// DeleteAppRoleAssignment withdraws a role of an API. Tokens that carry it live on.
func (c *Client) DeleteAppRoleAssignment(ctx context.Context, source TokenSource, resource, id string) error {
	resource, id = guid(resource), opaque(id)
	if resource == "" || id == "" {
		return errBadID
	}
	return deletes(ctx, c.roles, source, "/servicePrincipals/"+resource+"/appRoleAssignedTo/"+id)
}
