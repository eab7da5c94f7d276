package handlers

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/arm"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// rolesPerPage is how many subscriptions a page shows: only those are asked
	// about, two or three calls each.
	rolesPerPage = 25
	// armCalls is how many subscriptions are asked about at once, a small part of
	// what Azure allows a person (250 reads and 25 more a second, entra.md §8).
	armCalls = 8
	// maxThrottled is how many refusals for haste a page collects before it leaves
	// Azure alone.
	maxThrottled = 3
	// maxRoleNames bounds the names of a tenant's own roles that a page looks up.
	maxRoleNames = 10
)

// roleKey is one subscription of one session.
type roleKey struct {
	session      session.ID
	subscription string
}

// panel fills the part of the page about roles in Azure.
func (a *myAccess) panel(ctx context.Context, live *session.Session, q templates.AccessQuery) templates.RolesPanel {
	if a.arm == nil || a.subscriptions == nil || live.User.ObjectID == "" {
		return templates.RolesPanel{Unavailable: true}
	}
	mine := a.subscriptions.of(ctx, live)
	p := templates.RolesPanel{AsOf: mine.asOf, Incomplete: mine.paste}
	eligible, err := a.eligible(ctx, live)
	switch {
	case needOf(err, "") != nil:
		problem := a.visitProblem(ctx, live, err, "Azure did not say which roles you have", "azure", q)
		p.Problem = &problem
	case err != nil:
		p.Incomplete = true
		p.Warnings = append(p.Warnings, a.problem(ctx, err, "Azure did not say on which other subscriptions you may activate a role", live))
	}
	a.waits(&p, roleKey{live.ID, ""}, roleKey{live.ID, listKey})
	if mine.problem != nil {
		p.Warnings = append(p.Warnings, a.problem(ctx, mine.problem, "AzTS did not say what it shows you", live))
	}
	for _, warning := range mine.warnings {
		// Azure that refuses both lists is told once.
		if p.Problem == nil {
			p.Warnings = append(p.Warnings, warning)
		}
	}
	all := withEligible(mine.rows, eligible)
	slices.SortStableFunc(all, func(x, y templates.Subscription) int {
		missing := func(s templates.Subscription) int {
			if s.AccessLevel == "" {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(missing(x), missing(y)), strings.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)), strings.Compare(x.ID, y.ID))
	})
	p.All = len(all)
	lacking := keep(all, func(s templates.Subscription) bool { return s.AccessLevel == "" })
	if mine.problem == nil {
		p.Missing = len(lacking)
	}
	if q.MissingOnly {
		all = lacking
	}
	var page []templates.Subscription
	page, p.Pager = cutBy(filter(all, q.Text), rolesPerPage, q.Page, "subscriptions", func(n int) string {
		other := q
		other.Page, other.Ask = n, ""
		return other.URL() + "#roles"
	})
	if p.Problem != nil {
		return p
	}
	p.Rows, _ = a.roleRows(ctx, live, &p, page, eligible, mine.problem == nil)
	return p
}

// withEligible adds the subscriptions on which the person has nothing but a role
// to activate: Azure does not list those.
func withEligible(rows []templates.Subscription, eligible []arm.Eligibility) []templates.Subscription {
	known := make(map[string]bool, len(rows))
	for i := range rows {
		known[rows[i].ID] = true
	}
	all := slices.Clone(rows)
	for _, e := range eligible {
		if id := e.Scope.Subscription; id != "" && !known[id] {
			known[id] = true
			one := templates.Subscription{ID: id}
			if e.Scope.Kind == arm.ScopeSubscription {
				one.Name = e.ScopeName
			}
			all = append(all, one)
		}
	}
	return all
}

// waits tells the page until when Azure wants to be left alone about any of these.
func (a *myAccess) waits(p *templates.RolesPanel, keys ...roleKey) {
	for _, key := range keys {
		if wait, on := a.pauses.of(key); on && wait.until.After(p.WaitUntil) {
			p.WaitUntil = wait.until
		}
	}
}

// eligible returns the roles that the person may activate, anywhere: none in a
// tenant without Privileged Identity Management. What Azure did not say is its error.
func (a *myAccess) eligible(ctx context.Context, live *session.Session) ([]arm.Eligibility, error) {
	if known, ok := a.toActivate.get(live.ID); ok {
		return known, nil
	}
	key := roleKey{live.ID, ""}
	if wait, on := a.pauses.of(key); on {
		return nil, wait.err
	}
	list, err := a.arm.Eligibilities(ctx, a.broker.SourceOfSession(live.ID), "")
	if err != nil && !withoutPIM(err) {
		a.pauses.note(key, err)
		return nil, err
	}
	a.toActivate.put(live.ID, list, 1+len(list))
	return list, nil
}

// withoutPIM reports whether Azure answered that nothing can be activated there.
func withoutPIM(err error) bool {
	return apperr.HasCode(err, arm.CodeNoPIM) || apperr.IsKind(err, apperr.NotFound)
}

// roleRows asks about the subscriptions of one page, and returns of how many Azure
// did not say all.
func (a *myAccess) roleRows(ctx context.Context, live *session.Session, p *templates.RolesPanel, page []templates.Subscription, eligible []arm.Eligibility, aztsKnown bool) ([]templates.RoleRow, int) {
	facts, errs := a.allFacts(ctx, live, page, aztsKnown)
	late, unread := 0, 0
	var first error
	for i := range page {
		facts[i].AzTSKnown, facts[i].Shown = aztsKnown, page[i].AccessLevel != ""
		for _, e := range eligible {
			if e.Scope.Subscription == page[i].ID && !slices.Contains(facts[i].Eligible, e) {
				facts[i].Eligible = append(slices.Clip(facts[i].Eligible), e) // the rest is the memory's
			}
		}
		if errs[i] != nil {
			late++
			first = cmp.Or(first, errs[i])
			if !facts[i].rolesAsked {
				unread++
			}
		}
	}
	if late > 0 {
		title := "Azure did not say your roles on all of these subscriptions"
		switch unread {
		case 0:
			title = "Azure did not say what you may activate"
		case len(page):
			title = "Azure did not say your roles"
		}
		p.Warnings = append(p.Warnings, a.problem(ctx, first, title, live))
	}
	names := a.roleNames(ctx, live, page, facts)
	rows := make([]templates.RoleRow, len(page))
	for i := range page {
		a.waits(p, roleKey{live.ID, page[i].ID})
		rows[i] = templates.RoleRow{ID: page[i].ID, Name: page[i].Name, Roles: heldRoles(&facts[i], names)}
		judge(facts[i], a.now()).explain(&rows[i], a.pim(live))
		switch {
		case rows[i].Standing != templates.StandingUnknown || rows[i].What != "":
		case !aztsKnown:
			rows[i].What = "AzTS did not say whether it shows you this one."
		case errs[i] != nil:
			rows[i].What = "Azure did not answer about this one."
		default:
			rows[i].What = "Azure does not tell you your roles here."
		}
	}
	return rows, late
}

// allFacts asks about several subscriptions, a few at once. Azure that refuses for
// haste again and again is left alone about the rest.
func (a *myAccess) allFacts(ctx context.Context, live *session.Session, page []templates.Subscription, aztsKnown bool) ([]roleFacts, []error) {
	facts, errs := make([]roleFacts, len(page)), make([]error, len(page))
	var mu sync.Mutex
	var refusals int
	var refusal error
	inParallel(len(page), armCalls, func(i int) {
		key := roleKey{live.ID, page[i].ID}
		mu.Lock()
		if refusals >= maxThrottled {
			a.pauses.note(key, refusal)
		}
		mu.Unlock()
		_, paused := a.pauses.of(key)
		facts[i], errs[i] = a.facts(ctx, live, page[i].ID, aztsKnown && page[i].AccessLevel == "")
		if !paused && apperr.IsKind(errs[i], apperr.TooMany) {
			mu.Lock()
			refusals, refusal = refusals+1, errs[i]
			mu.Unlock()
		}
	})
	return facts, errs
}

// pim leads to where roles are activated.
func (a *myAccess) pim(live *session.Session) *templates.Action {
	if a.portalHost == "" {
		return nil
	}
	return &templates.Action{Label: "Open Privileged Identity Management",
		URL: "https://" + a.portalHost + "/#@" + live.User.TenantID + "/view/Microsoft_Azure_PIMCommon/ActivationMenuBlade/~/azurerbac"}
}

// facts asks Azure about one subscription, also what may be activated there when
// wanted, and only what is not known from before. That Azure refuses to tell is no
// error. With an error, what is known all the same comes along.
func (a *myAccess) facts(ctx context.Context, live *session.Session, subscription string, eligibleToo bool) (roleFacts, error) {
	key := roleKey{live.ID, subscription}
	f, _ := a.roles.get(key)
	if f.rolesAsked && (!eligibleToo || f.eligibleAsked || f.good()) {
		return f, nil
	}
	if wait, on := a.pauses.of(key); on {
		return f, wait.err
	}
	source := a.broker.SourceOfSession(live.ID)
	if !f.rolesAsked {
		roles, err := a.arm.RoleAssignments(ctx, source, subscription, live.User.ObjectID)
		if err != nil && !refused(err) {
			a.pauses.note(key, err)
			return f, err
		}
		f.Roles, f.RolesKnown, f.rolesAsked = roles, err == nil, true
	}
	var err error
	if eligibleToo && !f.good() {
		f.Eligible, err = a.arm.Eligibilities(ctx, source, subscription)
		f.EligibleKnown = err == nil || withoutPIM(err)
		f.eligibleAsked = f.EligibleKnown || refused(err)
		if f.eligibleAsked {
			err = nil
		}
		a.pauses.note(key, err)
	}
	a.roles.put(key, f, 1+len(f.Roles)+len(f.Eligible))
	return f, err
}

// refused reports whether Azure answered that it will not tell.
func refused(err error) bool {
	return apperr.HasCode(err, "arm_no_role") || apperr.IsKind(err, apperr.NotFound)
}

// roleNames looks up the names of the tenant's own roles, a few a page. One that
// is not found shows its id.
func (a *myAccess) roleNames(ctx context.Context, live *session.Session, page []templates.Subscription, facts []roleFacts) map[string]string {
	names := map[string]string{}
	type wanted struct{ role, subscription string }
	var ask []wanted
	for i := range facts {
		for _, r := range facts[i].Roles {
			if r.Role != "" || slices.ContainsFunc(ask, func(w wanted) bool { return w.role == r.RoleID }) {
				continue
			}
			if known, ok := a.names.get(r.RoleID); ok {
				names[r.RoleID] = known
			} else if len(ask) < maxRoleNames {
				ask = append(ask, wanted{r.RoleID, page[i].ID})
			}
		}
	}
	var mu sync.Mutex
	inParallel(len(ask), armCalls, func(i int) {
		key := roleKey{live.ID, ask[i].subscription}
		if _, on := a.pauses.of(key); on {
			return
		}
		name, err := a.arm.RoleName(ctx, a.broker.SourceOfSession(live.ID), ask[i].subscription, ask[i].role)
		if err != nil {
			a.pauses.note(key, err)
			a.log.InfoContext(ctx, "the name of a role cannot be read", "role", ask[i].role, "err", err)
			return
		}
		a.names.put(ask[i].role, name, 1)
		mu.Lock()
		defer mu.Unlock()
		names[ask[i].role] = name
	})
	return names
}

// lookup explains one subscription by its id, also one that no list has.
func (a *myAccess) lookup(ctx context.Context, live *session.Session, id string, p *templates.RolesPanel) {
	id = strings.ToLower(strings.TrimSpace(id))
	if ids, err := azts.ParseSubscriptionIDs([]string{id}, 1); err != nil || len(ids) != 1 {
		p.LookupError = "This is not the id of a subscription. An id looks like 3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3."
		return
	}
	one := templates.Subscription{ID: id}
	for _, row := range a.subscriptions.of(ctx, live).rows {
		if row.ID == id {
			one = row
		}
	}
	aztsKnown, denied := true, false
	if one.AccessLevel == "" {
		summaries, err := a.subscriptions.azts.Summaries(ctx, a.broker.SourceOfSession(live.ID), []string{id}, nil)
		switch denied = apperr.HasCode(err, "azts_no_role"); {
		case err != nil && !denied:
			aztsKnown = false
			p.Warnings = append(p.Warnings, a.problem(ctx, err, "AzTS did not say whether it shows you this subscription", live))
		case len(summaries) > 0:
			one.Name, one.AccessLevel = cmp.Or(one.Name, summaries[0].SubscriptionName), accessLevel(&summaries[0])
		}
	}
	rows, late := a.roleRows(ctx, live, p, []templates.Subscription{one}, nil, aztsKnown)
	p.Lookup = &rows[0]
	if p.Lookup.Standing == templates.StandingUnknown && aztsKnown && len(p.Lookup.Roles) == 0 && late == 0 {
		// Azure answers the same for what is not there and for what is none of
		// the person's business.
		p.Lookup.Standing = templates.StandingNone
		p.Lookup.What = "Azure does not show you this subscription: you have no role on it, or there is none with this id." + classicAdmins
		p.Lookup.Next, p.Lookup.Mender = "Check the id; if it is right, ask its owner for the role Security Reader.", "An owner of the subscription can mend this."
	}
	if denied {
		p.Lookup.What = strings.TrimSpace("AzTS sees no role of yours on it. " + p.Lookup.What)
	}
}

// forgetRoles makes the next page ask again, except for what Azure would not answer
// yet: what is known of that stays.
func (a *myAccess) forgetRoles(id session.ID) {
	a.roles.forget(func(k roleKey) bool {
		_, on := a.pauses.of(k)
		return k.session == id && !on
	})
	a.toActivate.forget(func(k session.ID) bool { return k == id })
	a.lists.forget(func(k session.ID) bool { return k == id })
	if a.subscriptions != nil {
		a.subscriptions.forget(id)
	}
}

// memoryAge is how long answers about access are shown again.
const memoryAge = 3 * time.Minute
