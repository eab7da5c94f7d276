package sandbox

import (
	"net/http"
	"strings"
	"time"
)

const (
	roleDefinitions = "/providers/Microsoft.Authorization/roleDefinitions/"
	// managementScope is the management group above the Payments subscriptions.
	managementScope = "/providers/Microsoft.Management/managementGroups/mg-payments"
)

// managedSince is when the roles of the management group were given: one time,
// at whichever subscription they are seen.
func (a *azure) managedSince() time.Time { return a.start.Add(-90 * 24 * time.Hour) }

// roleNames are the names of the role definitions that are in use.
var roleNames = map[string]string{
	roleOwner: "Owner", roleContributor: "Contributor", roleSecurityReader: "Security Reader", roleSecurityAdmin: "Security Admin",
	roleReader: "Reader", roleUserAccess: "User Access Administrator", roleAuditor: "Contoso Cost Auditor",
}

// armRoleDefinition answers with one role definition.
func (a *azure) armRoleDefinition(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.armCaller(w, r, "subscription"); !ok {
		return
	}
	role := strings.ToLower(r.PathValue("role"))
	sub, known := a.find(r.PathValue("id"))
	title := roleNames[role]
	if !known || title == "" {
		armError(w, http.StatusNotFound, "RoleDefinitionDoesNotExist", "The specified role definition with ID '"+role+"' does not exist.")
		return
	}
	kind := "BuiltInRole"
	if role == roleAuditor {
		kind = "CustomRole"
	}
	reply(w, http.StatusOK, map[string]any{
		"id": "/subscriptions/" + sub.id + roleDefinitions + role, "name": role, "type": "Microsoft.Authorization/roleDefinitions",
		"properties": map[string]any{"roleName": title, "type": kind, "assignableScopes": []string{"/subscriptions/" + sub.id}},
	})
}

// eligible are the roles on a subscription that somebody may activate (PIM).
func (a *azure) eligible(principal string, sub subscription) []string {
	if principal != PiaID {
		return nil
	}
	switch sub.index % 12 {
	case 2, 3:
		return []string{roleContributor}
	}
	return nil
}

// armEligibilities lists the roles that the caller may activate, at one
// subscription or everywhere. Unlike role assignments it needs no role.
func (a *azure) armEligibilities(w http.ResponseWriter, r *http.Request) {
	principal, ok := a.armCaller(w, r, "subscription")
	if !ok {
		return
	}
	if _, on := a.s.faults.take("arm.no_pim"); on {
		armError(w, http.StatusForbidden, "AadPremiumLicenseRequired", "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license.")
		return
	}
	if r.URL.Query().Get("$filter") != "asTarget()" {
		armError(w, http.StatusForbidden, "AuthorizationFailed", "Only asTarget() may be asked for without a role that reads the roles of others.")
		return
	}
	subscriptions := a.subscriptions
	if id := r.PathValue("id"); id != "" {
		sub, known := a.find(id)
		if !known {
			armError(w, http.StatusNotFound, "SubscriptionNotFound", "The subscription '"+id+"' could not be found.")
			return
		}
		subscriptions = []subscription{sub}
	}
	list := []map[string]any{}
	for _, sub := range subscriptions {
		for _, role := range a.eligible(principal, sub) {
			list = append(list, eligibilityEntity(principal, sub, role, a.start))
		}
	}
	reply(w, http.StatusOK, map[string]any{"value": list})
}

func eligibilityEntity(principal string, sub subscription, role string, start time.Time) map[string]any {
	scope := "/subscriptions/" + sub.id
	name := guid(mix(sub.seed, 60, mixString(principal)), mix(sub.seed, 61, mixString(role)))
	return map[string]any{
		"id": scope + "/providers/Microsoft.Authorization/roleEligibilityScheduleInstances/" + name, "name": name,
		"type": "Microsoft.Authorization/roleEligibilityScheduleInstances",
		"properties": map[string]any{
			"scope": scope, "roleDefinitionId": scope + roleDefinitions + role, "principalId": principal, "principalType": "User",
			"status": "Provisioned", "memberType": "Direct", "condition": nil,
			"startDateTime": start.Add(-60 * 24 * time.Hour).Format(time.RFC3339), "endDateTime": start.Add(300 * 24 * time.Hour).Format(time.RFC3339),
			"expandedProperties": map[string]any{
				"scope":          map[string]string{"id": scope, "displayName": sub.name, "type": "subscription"},
				"roleDefinition": map[string]string{"id": scope + roleDefinitions + role, "displayName": roleNames[role], "type": "BuiltInRole"},
			},
		},
	}
}
