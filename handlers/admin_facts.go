package handlers

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

func permissionFacts(p *graph.Permission) templates.PermissionFacts {
	return templates.PermissionFacts{ID: p.ID, Value: p.Value, Type: p.Type, Enabled: p.Enabled, AdminName: p.AdminName, AdminText: p.AdminDescription,
		UserName: p.UserName, UserText: p.UserDescription}
}

// permissions is GET /admin/permissions: the catalogue of the AzTS API, live.
func (a *admin) permissions(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	page := templates.PermissionsPage{AdminFrame: a.frameOf(w, r, live, "Permissions"), AppIDURI: a.api, AsOf: a.now()}
	if a.api == "" {
		page.Problem = &templates.Problem{Tone: templates.ToneInfo, Title: "No AzTS API is configured", What: "This portal runs without AzTS, so there is no API to list.",
			Next: "Set PORTAL_AZTS_URL and PORTAL_AZTS_SCOPE.", Mender: menders[apperr.MenderDeveloper]}
		return a.render(w, r, http.StatusOK, templates.Permissions(page))
	}
	api, err := a.graph.ServicePrincipalByURI(ctx, a.source(live), a.api)
	if err != nil {
		p := a.trouble(r, err, "The permissions cannot be read", live)
		page.Problem = &p
		return a.render(w, r, http.StatusOK, templates.Permissions(page))
	}
	page.API, page.AppID = api.DisplayName, api.AppID
	for i := range api.Scopes {
		page.Scopes = append(page.Scopes, permissionFacts(&api.Scopes[i]))
	}
	for _, role := range api.AppRoles {
		facts := templates.PermissionFacts{ID: role.ID, Value: cmp.Or(role.Value, role.DisplayName), Enabled: role.Enabled, AdminName: role.DisplayName,
			AdminText: role.Description, Members: membersOf(role)}
		page.Roles = append(page.Roles, facts)
	}
	return a.render(w, r, http.StatusOK, templates.Permissions(page))
}

func membersOf(role graph.AppRole) string {
	var who []string
	if role.ForUsers {
		who = append(who, "People and groups")
	}
	if role.ForApps {
		who = append(who, "Applications")
	}
	if len(who) == 0 {
		return "Nobody"
	}
	return strings.Join(who, ", ")
}

// credentials is GET /admin/credentials: how long this portal's own last.
func (a *admin) credentials(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	page := templates.CredentialsPage{AdminFrame: a.frameOf(w, r, live, "Credentials"), AppID: a.clientID, AsOf: a.now()}
	app, err := a.graph.Application(ctx, a.source(live), a.clientID)
	if err != nil {
		p := a.trouble(r, err, "The registration cannot be read", live)
		switch {
		case apperr.IsKind(err, apperr.NotFound):
			p.What = "This portal is registered in another organization, which alone can see its credentials."
			p.Next, p.Primary = "Ask the owner of the registration when its credentials end.", nil
		case apperr.HasCode(err, graph.CodeDenied):
			p.What = "Microsoft Graph does not let your account read the registration of this portal."
			p.Next = "In Entra, App registrations, somebody with a directory role such as Directory Readers can see when the credentials end."
		}
		page.Problem = &p
		return a.render(w, r, http.StatusOK, templates.Credentials(page))
	}
	for _, c := range app.Credentials {
		page.Credentials = append(page.Credentials, templates.CredentialRow{Name: c.Name, ID: c.ID, Certificate: c.Certificate, Start: c.Start, End: c.End,
			Days: daysLeft(a.now(), c.End)})
	}
	slices.SortStableFunc(page.Credentials, func(x, y templates.CredentialRow) int { return x.End.Compare(y.End) })
	if last := lastEnd(page.Credentials); !last.IsZero() && !last.After(a.now()) {
		page.Warnings = append(page.Warnings, templates.Problem{Tone: templates.ToneError, Title: "Every credential has expired",
			What: "New sign-ins fail until a new one is there.", Next: "Add a secret, a certificate or a federated credential to the registration and give it to the portal.", Mender: menders[apperr.MenderDeveloper]})
	}
	return a.render(w, r, http.StatusOK, templates.Credentials(page))
}

// warnDays is from how many days before its end the last credential is a warning
// on the first of the admin's pages.
const warnDays = 30

// credentialsWarning says that the last credential ends soon, nil for nothing to say.
func credentialsWarning(end, now time.Time) *templates.Problem {
	days := daysLeft(now, end)
	if end.IsZero() || days > warnDays {
		return nil
	}
	p := &templates.Problem{Tone: templates.ToneWarning, Title: "The last credential of this portal ends in " + plural(days, "day"),
		What: "After that nobody can sign in.", Secondary: &templates.Action{Label: "Look at the credentials", URL: templates.AdminCredentialsURL}}
	switch {
	case days < 0:
		p.Tone, p.Title, p.What = templates.ToneError, "Every credential of this portal has expired", "New sign-ins fail until a new one is there."
	case days == 0:
		p.Title = "The last credential of this portal ends within a day"
	}
	return p
}

// daysLeft counts whole days; what ended is below zero.
func daysLeft(now, end time.Time) int {
	return int(math.Floor(end.Sub(now).Hours() / 24))
}

// lastEnd returns when the last of the credentials ends, zero for none.
func lastEnd(list []templates.CredentialRow) time.Time {
	if len(list) == 0 {
		return time.Time{}
	}
	return list[len(list)-1].End
}
