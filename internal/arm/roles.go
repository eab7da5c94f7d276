package arm

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
)

// Limits of what is read of one subscription.
const (
	MaxAssignments  = 5_000 // Azure allows 4,000 to a subscription, and those above it come on top
	maxScopeText    = 2 << 10
	authorization   = "/providers/Microsoft.Authorization/"
	managementGroup = "/providers/Microsoft.Management/managementGroups/"
)

// ScopeKind is where in the hierarchy of Azure a role was given.
type ScopeKind uint8

// The kinds of scopes, from the top down.
const (
	ScopeUnknown ScopeKind = iota
	ScopeTenant            // the root: everything
	ScopeManagementGroup
	ScopeSubscription
	ScopeResourceGroup
	ScopeResource
)

// Scope is where a role was given.
type Scope struct {
	Kind         ScopeKind
	Subscription string // GUID in lower case; empty above subscriptions
	Name         string // of the management group, resource group or resource
}

// Inherited reports whether a role at this scope reaches a subscription from above.
func (s Scope) Inherited() bool { return s.Kind == ScopeTenant || s.Kind == ScopeManagementGroup }

// Below reports whether a role at this scope reaches only a part of a subscription.
func (s Scope) Below() bool { return s.Kind == ScopeResourceGroup || s.Kind == ScopeResource }

// RoleAssignment is a role that somebody has, given to them or to a group of theirs.
type RoleAssignment struct {
	ID        string
	RoleID    string // GUID of the role definition in lower case
	Role      string // name of the built-in role; empty where it is not known
	Scope     Scope
	ByGroup   bool
	CreatedOn time.Time // zero: Azure did not say
}

// Eligibility is a role that somebody may activate for a while by Privileged
// Identity Management; until then it gives nothing.
type Eligibility struct {
	RoleID    string // GUID of the role definition in lower case
	Role      string
	Scope     Scope
	ScopeName string    // as Azure shows it; may be empty
	EndsAt    time.Time // zero: no end
}

// RoleAssignments returns the roles that the person or service principal with
// that object id has on a subscription: at it, inherited from above, and on its
// resource groups and resources, each once. Both filters of entra.md §8 are
// asked: that assignedTo alone lists what lies below is unverified there.
//
// Classic administrators and delegations of Azure Lighthouse are not among them.
func (c *Client) RoleAssignments(ctx context.Context, source TokenSource, subscription, objectID string) ([]RoleAssignment, error) {
	if !isGUID(subscription) || !isGUID(objectID) {
		return nil, errBadID
	}
	var all []RoleAssignment
	seen := map[string]bool{}
	mine := "assignedTo('" + strings.ToLower(objectID) + "')"
	for _, filter := range []string{"atScope() and " + mine, mine} {
		first := azhttp.Request{Method: http.MethodGet, Path: "/subscriptions/" + subscription + authorization + "roleAssignments",
			Query: url.Values{"api-version": {"2022-04-01"}, "$filter": {filter}}, Repeat: azhttp.Repeatable}
		for page, err := range azhttp.Pages[json.RawMessage](ctx, c.http, source, first, maxPages) {
			if err != nil {
				return nil, err
			}
			for _, raw := range page {
				one, ok := assignment(raw)
				if !ok || seen[one.ID] {
					continue
				}
				if len(all) >= MaxAssignments {
					return nil, errTooManyRoles
				}
				seen[one.ID] = true
				all = append(all, one)
			}
		}
	}
	return all, nil
}

var (
	errBadID = apperr.New(apperr.Invalid, "arm_bad_id", "This is not the id of a subscription.").
			WithNext(apperr.MenderPerson, "An id looks like 3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3.")
	errTooManyRoles = apperr.New(apperr.TooLarge, "arm_too_many_roles", "You have more roles on this subscription than this portal can list.").
			WithNext(apperr.MenderDeveloper, "Tell whoever runs this portal.")
)

func assignment(raw json.RawMessage) (RoleAssignment, bool) {
	var w struct {
		ID         string
		Properties struct{ RoleDefinitionID, PrincipalType, Scope, CreatedOn string }
	}
	if json.Unmarshal(raw, &w) != nil || w.ID == "" || len(w.ID) > maxScopeText {
		return RoleAssignment{}, false
	}
	p := &w.Properties
	role := roleID(p.RoleDefinitionID)
	if role == "" {
		return RoleAssignment{}, false
	}
	return RoleAssignment{ID: strings.ToLower(w.ID), RoleID: role, Role: BuiltInRoles[role], Scope: parseScope(p.Scope),
		ByGroup: strings.EqualFold(p.PrincipalType, "Group"), CreatedOn: instant(p.CreatedOn)}, true
}

// Eligibilities returns the roles that the person of source may activate on a
// subscription or above or below it; on all of Azure where subscription is
// empty. Where the tenant has no Privileged Identity Management it is refused with
// [CodeNoPIM] or as NotFound.
func (c *Client) Eligibilities(ctx context.Context, source TokenSource, subscription string) ([]Eligibility, error) {
	path := authorization + "roleEligibilityScheduleInstances"
	if subscription != "" {
		if !isGUID(subscription) {
			return nil, errBadID
		}
		path = "/subscriptions/" + subscription + path
	}
	first := azhttp.Request{Method: http.MethodGet, Path: path,
		Query: url.Values{"api-version": {"2020-10-01"}, "$filter": {"asTarget()"}}, Repeat: azhttp.Repeatable}
	var all []Eligibility
	for page, err := range azhttp.Pages[json.RawMessage](ctx, c.http, source, first, maxPages) {
		if err != nil {
			return nil, err
		}
		for _, raw := range page {
			one, ok := eligibility(raw)
			if !ok {
				continue
			}
			if len(all) >= MaxAssignments {
				return nil, errTooManyRoles
			}
			all = append(all, one)
		}
	}
	return all, nil
}

func eligibility(raw json.RawMessage) (Eligibility, bool) {
	var w struct {
		Properties struct {
			RoleDefinitionID, Scope, EndDateTime string
			ExpandedProperties                   struct {
				RoleDefinition, Scope struct{ DisplayName string }
			}
		}
	}
	if json.Unmarshal(raw, &w) != nil {
		return Eligibility{}, false
	}
	p := &w.Properties
	role := roleID(p.RoleDefinitionID)
	if role == "" {
		return Eligibility{}, false
	}
	title := name(p.ExpandedProperties.RoleDefinition.DisplayName)
	if known := BuiltInRoles[role]; known != "" {
		title = known
	}
	return Eligibility{RoleID: role, Role: title, Scope: parseScope(p.Scope), ScopeName: name(p.ExpandedProperties.Scope.DisplayName),
		EndsAt: instant(p.EndDateTime)}, true
}

// RoleName returns the name of a role definition as it is known at a
// subscription: the tenant's own roles are in no table.
func (c *Client) RoleName(ctx context.Context, source TokenSource, subscription, role string) (string, error) {
	if known := BuiltInRoles[strings.ToLower(role)]; known != "" {
		return known, nil
	}
	if !isGUID(subscription) || !isGUID(role) {
		return "", errBadID
	}
	res, err := c.http.Do(ctx, source, azhttp.Request{Method: http.MethodGet, Repeat: azhttp.Repeatable,
		Path: "/subscriptions/" + subscription + authorization + "roleDefinitions/" + role, Query: url.Values{"api-version": {"2022-04-01"}}})
	if err != nil {
		return "", err
	}
	var w struct{ Properties struct{ RoleName string } }
	if err := res.JSON(&w); err != nil {
		return "", err
	}
	return name(w.Properties.RoleName), nil
}

// BuiltInRoles are names of common built-in roles by the GUID of their
// definition (entra.md §8, and Microsoft's list of built-in roles). They are the
// same in every tenant.
var BuiltInRoles = map[string]string{
	"8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
	"b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
	"39bc4728-0917-49c7-9d2c-d95423bc2eb4": "Security Reader",
	"fb1c8493-542b-48eb-b624-b4c8fea62acd": "Security Admin",
	"acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
	"18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
	"f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
	"4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
	"00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
	"21090545-7ca7-4776-b22c-e363652d74d2": "Key Vault Reader",
	"ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
	"2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
	"9980e02c-c2be-4d73-94e8-173b1dc7cf3c": "Virtual Machine Contributor",
	"4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
	"de139f84-1756-47ae-9be6-808fbbe84772": "Website Contributor",
	"43d0d8ad-25c7-4714-9337-8ba259a9fe05": "Monitoring Reader",
	"73c42c96-874c-492b-b04d-ab87d138a893": "Log Analytics Reader",
	"72fafb9e-0641-4937-9268-a91bfd8191a3": "Cost Management Reader",
}

// roleID returns the last segment of a role definition's id, the only part that
// is the same at every scope (entra.md §8); empty for what is none.
func roleID(definition string) string {
	id := definition[strings.LastIndexByte(definition, '/')+1:]
	if !isGUID(id) {
		return ""
	}
	return lower(id)
}

// parseScope reads the id of a scope. Azure does not keep the case of its parts.
func parseScope(id string) Scope {
	switch {
	case id == "" || len(id) > maxScopeText:
		return Scope{}
	case id == "/":
		return Scope{Kind: ScopeTenant}
	case len(id) > len(managementGroup) && strings.EqualFold(id[:len(managementGroup)], managementGroup):
		return Scope{Kind: ScopeManagementGroup, Name: name(id[len(managementGroup):])}
	}
	parts := strings.Split(id, "/")
	if len(parts) < 3 || parts[0] != "" || !strings.EqualFold(parts[1], "subscriptions") || !isGUID(parts[2]) {
		return Scope{}
	}
	s := Scope{Kind: ScopeSubscription, Subscription: lower(parts[2])}
	switch {
	case len(parts) == 3:
	case len(parts) == 5 && strings.EqualFold(parts[3], "resourceGroups"):
		s.Kind, s.Name = ScopeResourceGroup, name(parts[4])
	default:
		s.Kind, s.Name = ScopeResource, name(parts[len(parts)-1])
	}
	return s
}

// lower returns a copy in lower case that keeps nothing of a longer text in memory.
func lower(s string) string { return strings.Clone(strings.ToLower(s)) }

func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// isGUID also keeps outside text from paths and filters.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		default:
			return false
		}
	}
	return true
}
