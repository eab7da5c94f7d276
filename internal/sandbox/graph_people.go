package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// graphUserRecord is what Graph tells about a user.
type graphUserRecord struct {
	id, name, given, family, upn, mail string
	guest, enabled                     bool
	person                             *person // nil for a seeded one
}

func recordOf(p *person) graphUserRecord {
	return graphUserRecord{id: p.id, name: p.name, given: p.given, family: p.family, upn: p.upn, mail: p.mail, guest: p.guest,
		enabled: p.state != accountDisabled, person: p}
}

// userAt finds somebody whom Contoso knows, by object id or user principal
// name.
func (a *azure) userAt(id string) (graphUserRecord, bool) {
	for _, p := range a.s.tenant.people {
		if p.member && (strings.EqualFold(p.id, id) || strings.EqualFold(p.upn, id)) {
			return recordOf(p), true
		}
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return a.s.tenant.seeded.user(id)
}

func (u graphUserRecord) entity() map[string]any {
	kind := "Member"
	if u.guest {
		kind = "Guest"
	}
	return map[string]any{
		"id": u.id, "displayName": u.name, "userPrincipalName": u.upn, "mail": orNull(u.mail), "givenName": orNull(u.given), "surname": orNull(u.family),
		"jobTitle": nil, "officeLocation": nil, "mobilePhone": nil, "preferredLanguage": nil, "businessPhones": []string{},
		"userType": kind, "accountEnabled": u.enabled,
	}
}

// unasked are members of a user that come only when $select names them.
var unasked = []string{"userType", "accountEnabled", "signInSessionsValidFromDateTime"}

func (a *azure) answerUser(w http.ResponseWriter, r *http.Request, user graphUserRecord) {
	entity := user.entity()
	entity["signInSessionsValidFromDateTime"] = a.s.tenant.sessionsValidFrom(user.person).UTC().Format(time.RFC3339)
	if strings.TrimSpace(r.URL.Query().Get("$select")) == "" {
		for _, name := range unasked {
			delete(entity, name)
		}
	}
	a.graphEntity(w, r, "users", entity)
}

// graphMe answers GET /me with the members that $select names.
func (a *azure) graphMe(w http.ResponseWriter, r *http.Request) {
	who, ok := a.graphCaller(w, r, "User.Read", "User.ReadWrite", "User.Read.All", "Directory.Read.All")
	if !ok {
		return
	}
	if who.person == nil {
		a.graphNotDelegated(w, r)
		return
	}
	a.answerUser(w, r, recordOf(who.person))
}

// userForCall authenticates a call about the user that the path names, or about
// the caller when it names none. own are the permissions that are enough to
// ask about oneself.
func (a *azure) userForCall(w http.ResponseWriter, r *http.Request, own []string, scopes ...string) (graphUserRecord, bool) {
	who, ok := a.graphCaller(w, r, append(slices.Clone(scopes), own...)...)
	if !ok {
		return graphUserRecord{}, false
	}
	id := r.PathValue("id")
	if id == "" {
		if who.person == nil {
			a.graphNotDelegated(w, r)
			return graphUserRecord{}, false
		}
		return recordOf(who.person), true
	}
	user, known := a.userAt(id)
	// Whether somebody exists is told only to those who may read about others.
	if !slices.ContainsFunc(scopes, who.holds) && (!known || who.person == nil || user.id != who.person.id) {
		a.graphDenied(w, r)
		return graphUserRecord{}, false
	}
	if !known {
		a.graphNotFound(w, r, id)
		return graphUserRecord{}, false
	}
	return user, true
}

func (a *azure) graphUser(w http.ResponseWriter, r *http.Request) {
	if user, ok := a.userForCall(w, r, []string{"User.Read"}, "User.ReadBasic.All", "User.Read.All", "Directory.Read.All"); ok {
		a.answerUser(w, r, user)
	}
}

func (a *azure) graphUserAppRoles(w http.ResponseWriter, r *http.Request) {
	user, ok := a.userForCall(w, r, nil, "AppRoleAssignment.ReadWrite.All", "Directory.Read.All")
	if !ok {
		return
	}
	a.listAppRoles(w, r, "users('"+user.id+"')/appRoleAssignments", func(h appRoleHolding) bool { return h.principalID == user.id })
}

// graphMemberObjects answers with the ids of the groups that a user is in, and
// of the directory roles too unless only groups are wanted.
func (a *azure) graphMemberObjects(w http.ResponseWriter, r *http.Request) {
	user, ok := a.userForCall(w, r, []string{"User.Read"}, "User.Read.All", "GroupMember.Read.All", "Directory.Read.All")
	if !ok {
		return
	}
	var asked struct {
		SecurityEnabledOnly *bool `json:"securityEnabledOnly"`
	}
	if !a.graphBody(w, r, &asked) {
		return
	}
	if asked.SecurityEnabledOnly == nil {
		a.graphBadRequest(w, r, "The parameter securityEnabledOnly is missing.")
		return
	}
	ids := []string{}
	if user.person != nil {
		ids = append(ids, user.person.groupIDs()...)
		for _, group := range namedGroups {
			if slices.Contains(membersOf[group.id], user.id) {
				ids = append(ids, group.id)
			}
		}
		if !*asked.SecurityEnabledOnly {
			for _, role := range user.person.directoryRoles {
				ids = append(ids, seededGUID("directoryRole", role, 0)) // not the template's id, which stands in wids
			}
		}
	}
	reply(w, http.StatusOK, map[string]any{"@odata.context": a.graphContext("Collection(Edm.String)"), "value": ids})
}

// namedGroups are the groups that hold Azure roles.
var namedGroups = []struct{ id, name string }{{platformGroupID, "Platform team"}, {paymentsGroupID, "Payments team"}}

// maxByIDs is how many objects one call may ask for.
const maxByIDs = 1000

// graphByIDs answers POST /directoryObjects/getByIds: what is there of a list
// of ids, in the order asked. Ids of nothing are left out.
func (a *azure) graphByIDs(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.graphCaller(w, r, "Directory.Read.All", "Application.Read.All", "User.ReadBasic.All", "User.Read.All", "GroupMember.Read.All"); !ok {
		return
	}
	var asked struct {
		IDs   []string `json:"ids"`
		Types []string `json:"types"`
	}
	if !a.graphBody(w, r, &asked) {
		return
	}
	if len(asked.IDs) == 0 || len(asked.IDs) > maxByIDs {
		a.graphBadRequest(w, r, "ids must hold 1 to 1000 ids, not "+strconv.Itoa(len(asked.IDs))+".")
		return
	}
	groups := a.groupNames()
	value := []map[string]any{}
	for _, id := range asked.IDs {
		kind, object := a.directoryObject(id, groups)
		if object == nil || len(asked.Types) > 0 && !slices.Contains(asked.Types, kind) {
			continue
		}
		object["@odata.type"] = "#microsoft.graph." + kind
		value = append(value, selected(r, object))
	}
	reply(w, http.StatusOK, map[string]any{"@odata.context": a.graphContext("directoryObjects"), "value": value})
}

func (a *azure) directoryObject(id string, groups map[string]string) (kind string, object map[string]any) {
	if user, known := a.userAt(id); known && strings.EqualFold(user.id, id) {
		return "user", user.entity()
	}
	if app := a.servicePrincipalAt(id); app != nil && strings.EqualFold(app.objectID, id) {
		return "servicePrincipal", servicePrincipalEntity(app)
	}
	if name, known := groups[strings.ToLower(id)]; known {
		return "group", map[string]any{"id": strings.ToLower(id), "displayName": name, "securityEnabled": true, "mailEnabled": false}
	}
	return "", nil
}

// groupNames returns the groups of the tenant by id.
func (a *azure) groupNames() map[string]string {
	names := map[string]string{}
	for _, group := range namedGroups {
		names[group.id] = group.name
	}
	for _, p := range a.s.tenant.people {
		for i, id := range p.groupIDs() {
			names[id] = p.family + " group " + strconv.Itoa(i+1)
		}
	}
	return names
}
