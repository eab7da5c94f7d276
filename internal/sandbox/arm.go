package sandbox

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var _ = declare("Azure Resource Manager",
	faultSpec{name: "arm.500", does: "Calls answer 500."},
	faultSpec{name: "arm.403", does: "Calls answer 403 AuthorizationFailed."},
	faultSpec{name: "arm.429", does: "Calls answer 429 with Retry-After.", value: "Retry-After: seconds or an HTTP date; 5 if empty"},
	faultSpec{name: "arm.no_pim", does: "Roles that may be activated are refused: the tenant has no licence for it."},
	faultSpec{name: "arm.foreign_next_link", does: "nextLink leads to another host.", value: "its origin; https://attacker.example if empty"},
)

const (
	armPageSize    = 50
	armReads       = 250 // size of a principal's bucket of reads (entra.md §8)
	armReadsPerSec = 25
)

// bucket counts a principal's reads.
type bucket struct {
	left float64
	at   time.Time
}

// takeRead uses up one read of a principal and says how many are left; -1 means
// that there was none.
func (a *azure) takeRead(principal string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.s.now()
	b := a.buckets[principal] // one per seeded principal: the map stays small
	if b == nil {
		b = &bucket{left: armReads, at: now}
		a.buckets[principal] = b
	}
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.left = math.Min(armReads, b.left+passed*armReadsPerSec)
		b.at = now
	}
	if b.left < 1 {
		return -1
	}
	b.left--
	return int(b.left)
}

// armError answers as ARM refuses.
func armError(w http.ResponseWriter, status int, code, text string) {
	reply(w, status, map[string]any{"error": map[string]string{"code": code, "message": text}})
}

// armCaller authenticates a read; kind names its rate header. False means that
// the call has been answered.
func (a *azure) armCaller(w http.ResponseWriter, r *http.Request, kind string) (principal string, ok bool) {
	if _, on := a.s.faults.take("arm.500"); on {
		armError(w, http.StatusInternalServerError, "InternalServerError", "The server encountered an error. Try again.")
		return "", false
	}
	if value, on := a.s.faults.take("arm.429"); on {
		retryAfter(w, value, "5")
		armError(w, http.StatusTooManyRequests, "TooManyRequests", "The request was throttled.")
		return "", false
	}
	who, ok := a.s.authenticate(w, r, ARMAudience, ARMAudience+"/")
	if !ok {
		return "", false
	}
	principal = a.principal(who)
	id := requestID(a.s.now())
	w.Header().Set("x-ms-request-id", id)
	w.Header().Set("x-ms-correlation-request-id", id)
	left := a.takeRead(principal)
	w.Header().Set("x-ms-ratelimit-remaining-"+kind+"-reads", strconv.Itoa(max(left, 0)))
	if left < 0 {
		retryAfter(w, "", "1")
		armError(w, http.StatusTooManyRequests, "TooManyRequests", "Too many reads. Try again later.")
		return "", false
	}
	if _, on := a.s.faults.take("arm.403"); on {
		armError(w, http.StatusForbidden, "AuthorizationFailed", "The client '"+principal+"' does not have authorization to perform this action.")
		return "", false
	}
	if r.URL.Query().Get("api-version") == "" {
		armError(w, http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
		return "", false
	}
	return principal, true
}

type armSubscription struct {
	ID                  string            `json:"id"`
	AuthorizationSource string            `json:"authorizationSource"`
	ManagedByTenants    []string          `json:"managedByTenants"`
	SubscriptionID      string            `json:"subscriptionId"`
	TenantID            string            `json:"tenantId"`
	DisplayName         string            `json:"displayName"`
	State               string            `json:"state"`
	Policies            map[string]string `json:"subscriptionPolicies"`
}

// armSubscriptions lists the subscriptions on which the caller has any role,
// whether AzTS accepts it or not.
func (a *azure) armSubscriptions(w http.ResponseWriter, r *http.Request) {
	principal, ok := a.armCaller(w, r, "tenant")
	if !ok {
		return
	}
	skip := 0
	if token := r.URL.Query().Get("$skiptoken"); token != "" {
		text, _ := base64.RawURLEncoding.DecodeString(token) // what does not decode is no number either
		var err error
		if skip, err = strconv.Atoi(string(text)); err != nil || skip < 0 {
			armError(w, http.StatusBadRequest, "InvalidSkipToken", "The skip token is not valid.")
			return
		}
	}
	visible := 0
	list := []armSubscription{}
	for _, sub := range a.subscriptions {
		if !a.anyRole(principal, sub) {
			continue
		}
		if visible >= skip && len(list) < armPageSize {
			list = append(list, armSubscription{
				ID: "/subscriptions/" + sub.id, AuthorizationSource: "RoleBased", ManagedByTenants: []string{},
				SubscriptionID: sub.id, TenantID: TenantID, DisplayName: sub.name, State: "Enabled",
				Policies: map[string]string{"locationPlacementId": "Public_2014-09-01", "quotaId": "EnterpriseAgreement_2014-09-01", "spendingLimit": "Off"},
			})
		}
		visible++
	}
	answer := map[string]any{"value": list, "count": map[string]any{"type": "Total", "value": visible}}
	if next := skip + len(list); next < visible {
		query := url.Values{"api-version": {r.URL.Query().Get("api-version")}, "$skiptoken": {base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(next)))}}
		answer["nextLink"] = a.s.options.Origin + "/arm/subscriptions?" + query.Encode()
	}
	if value, on := a.s.faults.take("arm.foreign_next_link"); on {
		if value == "" {
			value = "https://attacker.example"
		}
		answer["nextLink"] = value + "/arm/subscriptions?api-version=2022-12-01&%24skiptoken=NTA"
	}
	reply(w, http.StatusOK, answer)
}

func (a *azure) anyRole(principal string, sub subscription) bool {
	for _, x := range a.assignments(sub) {
		if x.reaches(principal) {
			return true
		}
	}
	return false
}

type roleAssignment struct {
	Properties roleAssignmentProperties `json:"properties"`
	ID         string                   `json:"id"`
	Type       string                   `json:"type"`
	Name       string                   `json:"name"`
}

type roleAssignmentProperties struct {
	RoleDefinitionID string  `json:"roleDefinitionId"`
	PrincipalID      string  `json:"principalId"`
	PrincipalType    string  `json:"principalType"`
	Scope            string  `json:"scope"`
	Condition        *string `json:"condition"`
	ConditionVersion *string `json:"conditionVersion"`
	CreatedOn        string  `json:"createdOn"`
	UpdatedOn        string  `json:"updatedOn"`
	CreatedBy        string  `json:"createdBy"`
	UpdatedBy        string  `json:"updatedBy"`
	DelegatedID      *string `json:"delegatedManagedIdentityResourceId"`
	Description      *string `json:"description"`
}

// roleFilter is one of the filters of entra.md §8.
type roleFilter struct {
	atScope    bool   // nothing below the subscription
	assignedTo string // this principal, directly or through groups
	principal  string // this principal directly
}

var (
	assignedToPattern = regexp.MustCompile(`(?i)^assignedTo\('([0-9a-f-]{36})'\)$`)
	principalPattern  = regexp.MustCompile(`(?i)^principalId eq '([0-9a-f-]{36})'$`)
	andPattern        = regexp.MustCompile(`(?i) and `)
)

func parseRoleFilter(text string) (roleFilter, bool) {
	var f roleFilter
	if strings.TrimSpace(text) == "" {
		return f, true
	}
	for _, term := range andPattern.Split(text, 4) {
		term = strings.TrimSpace(term)
		if found := assignedToPattern.FindStringSubmatch(term); found != nil {
			f.assignedTo = strings.ToLower(found[1])
		} else if found := principalPattern.FindStringSubmatch(term); found != nil {
			f.principal = strings.ToLower(found[1])
		} else if strings.EqualFold(term, "atScope()") {
			f.atScope = true
		} else {
			return f, false
		}
	}
	return f, f.assignedTo == "" || f.principal == ""
}

func (f roleFilter) admits(x assignment) bool {
	switch {
	case f.atScope && x.at == onGroup:
		return false
	case f.principal != "":
		return x.principal == f.principal
	case f.assignedTo != "":
		// A group's id finds nothing: only users and service principals may be named.
		return x.kind == "Group" && x.principal != f.assignedTo && x.reaches(f.assignedTo) || x.kind != "Group" && x.principal == f.assignedTo
	}
	return true
}

func (a *azure) armRoleAssignments(w http.ResponseWriter, r *http.Request) {
	principal, ok := a.armCaller(w, r, "subscription")
	if !ok {
		return
	}
	filter, ok := parseRoleFilter(r.URL.Query().Get("$filter"))
	if !ok {
		armError(w, http.StatusBadRequest, "UnsupportedQuery", "The filter is not supported. Supported are atScope(), assignedTo('{id}') and principalId eq '{id}'.")
		return
	}
	sub, known := a.find(r.PathValue("id"))
	if !known {
		armError(w, http.StatusNotFound, "SubscriptionNotFound", "The subscription '"+r.PathValue("id")+"' could not be found.")
		return
	}
	scope := "/subscriptions/" + sub.id
	if !a.anyRole(principal, sub) {
		armError(w, http.StatusForbidden, "AuthorizationFailed", fmt.Sprintf(
			"The client '%s' with object id '%s' does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/read' over scope '%s' or the scope is invalid.",
			principal, principal, scope))
		return
	}
	list := []roleAssignment{}
	for i, x := range a.assignments(sub) {
		if !filter.admits(x) {
			continue
		}
		at, definitions := scope, scope
		name := guid(mix(sub.seed, 50, uint64(i)), mix(sub.seed, 51, mixString(x.principal)))
		switch x.at {
		case onGroup:
			at += "/resourceGroups/" + run{sub: sub}.firstGroup()
		case onManagement: // one assignment, however many subscriptions it reaches
			at, definitions = managementScope, ""
			name = guid(mixString(x.principal), mixString(x.role))
		}
		created := x.created.Format("2006-01-02T15:04:05.0000000Z")
		list = append(list, roleAssignment{
			Properties: roleAssignmentProperties{
				RoleDefinitionID: definitions + roleDefinitions + x.role,
				PrincipalID:      x.principal, PrincipalType: x.kind, Scope: at,
				CreatedOn: created, UpdatedOn: created, CreatedBy: AdaID, UpdatedBy: AdaID,
			},
			ID:   at + "/providers/Microsoft.Authorization/roleAssignments/" + name,
			Type: "Microsoft.Authorization/roleAssignments", Name: name,
		})
	}
	reply(w, http.StatusOK, map[string]any{"value": list})
}
