package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
)

// Paths of the portal that its registration names.
const (
	callbackPath     = "/auth/callback"
	signedOutPath    = "/auth/signed-out"
	adminConsentPath = "/auth/admin-consent"
	frontChannelPath = "/auth/frontchannel-logout"
)

// Address is something to register, with what it is called there.
type Address struct{ Name, URL string }

// Addresses returns what the registration at the provider has to name.
func (d *Doctor) Addresses() []Address {
	return []Address{{"redirect URI", d.cfg.BaseURL + callbackPath}, {"redirect URI", d.cfg.BaseURL + signedOutPath},
		{"redirect URI", d.cfg.BaseURL + adminConsentPath}, {"front-channel logout URL", d.cfg.BaseURL + frontChannelPath}}
}

// directory reads the registration of the portal and of the AzTS API with the
// person's own rights.
func (x *examination) directory(ctx context.Context) []Check {
	if x.visit.Source == nil {
		return nil
	}
	read := Check{ID: "registration", Group: Registration, Title: "Reading the registration"}
	if x.cfg.Graph == nil {
		c := read.unknown("The provider is not Entra: a registration elsewhere cannot be read by programs. Compare it with what is expected below.")
		return append([]Check{c}, x.expected()...)
	}
	var wait sync.WaitGroup
	var app *graph.Application
	var appErr error
	var api access
	wait.Go(func() { app, appErr = x.cfg.Graph.Application(ctx, x.visit.Source, x.cfg.ClientID) })
	wait.Go(func() { api = x.api(ctx) })
	wait.Wait()
	var checks []Check
	if appErr != nil {
		read = x.here(read, "Overview")
		read.URL = ""
		checks = append([]Check{directoryProblem(read, appErr)}, x.expected()...)
	} else {
		read.Place = ""
		checks = append([]Check{read.good("Registered as " + cut(app.DisplayName) + ".")}, x.registered(app)...)
	}
	if x.cfg.AzTSScope == "" {
		return checks
	}
	return append(checks, x.permission(app, appErr, &api), x.consent(&api))
}

// expected are the checks of a registration that cannot be read: what it should hold.
func (x *examination) expected() []Check {
	byHand := func(id, title, menu, what string) Check {
		return x.here(Check{ID: id, Title: title}, menu).unknown("Not read. Look whether " + what)
	}
	base := x.cfg.BaseURL
	checks := []Check{
		byHand("redirect_uris", "Redirect URIs", "Authentication", "it has "+base+callbackPath+", "+base+signedOutPath+" and "+base+adminConsentPath+"."),
		byHand("platform", "Platform", "Authentication", "the redirect URIs are of the platform Web."),
		byHand("logout_url", "Front-channel logout URL", "Authentication", "it is "+base+frontChannelPath+"."),
		byHand("id_tokens", "Tokens from the authorization endpoint", "Authentication", x.wantedTokens()+"."),
		byHand("public_client", "Public client flows", "Authentication", "they are off."),
		byHand("claims", "Optional claims of ID tokens", "Token configuration", "they hold "+strings.Join(x.wantedClaims(), ", ")+"."),
	}
	return append(checks, x.credentials(nil))
}

func (x *examination) wantedTokens() string {
	if x.hybrid() {
		return "ID tokens are ticked, access tokens not"
	}
	return "neither ID tokens nor access tokens are ticked"
}

// hybrid reports whether the authorization endpoint has to give ID tokens.
func (x *examination) hybrid() bool {
	return slices.Contains(strings.Fields(x.cfg.ResponseType), "id_token")
}

func (x *examination) wantedClaims() []string {
	claims := []string{"sid", "login_hint"}
	if x.cfg.RequireMFA {
		claims = append(claims, "amr")
	}
	if x.cfg.Groups {
		claims = append(claims, "groups")
	}
	if x.cfg.DirectoryRoles {
		claims = append(claims, "wids")
	}
	return claims
}

// registered compares the registration with what the portal needs.
func (x *examination) registered(app *graph.Application) []Check {
	return []Check{x.redirectURIs(app), x.platform(app), x.logoutURL(app), x.idTokens(app), x.publicClient(app), x.claims(app), x.credentials(app)}
}

func (x *examination) redirectURIs(app *graph.Application) Check {
	c := x.here(Check{ID: "redirect_uris", Title: "Redirect URIs"}, "Authentication")
	var missing []string
	for _, path := range []string{callbackPath, signedOutPath, adminConsentPath} {
		if !has(app.RedirectURIs, x.cfg.BaseURL+path) {
			missing = append(missing, x.cfg.BaseURL+path)
		}
	}
	if len(missing) == 0 {
		return c.good("All three are registered.")
	}
	next := "Add to the platform Web, to the letter: " + strings.Join(missing, " and ") + "."
	if missing[0] == x.cfg.BaseURL+callbackPath {
		return c.bad("The one that people come back to is not registered: signing in ends with AADSTS50011.", apperr.MenderAdmin, next)
	}
	return c.warn("Not registered: "+strings.Join(missing, " and ")+". Signing out, or granting for everybody, ends on a page of Entra.", apperr.MenderAdmin, next)
}

func (x *examination) platform(app *graph.Application) Check {
	c := x.here(Check{ID: "platform", Title: "Platform"}, "Authentication")
	callback := x.cfg.BaseURL + callbackPath
	switch {
	case has(app.OtherRedirectURIs, callback):
		return c.bad("The redirect URI stands under Single-page application or Mobile and desktop. Codes for it cannot be redeemed with a secret (AADSTS9002325, 700025).", apperr.MenderAdmin,
			"Take it out there and add it under Web.")
	case !has(app.RedirectURIs, callback):
		return c.unknown("The redirect URI is not registered at all.")
	}
	return c.good("The registration is of the type Web, as it must be.")
}

func (x *examination) logoutURL(app *graph.Application) Check {
	c := x.here(Check{ID: "logout_url", Title: "Front-channel logout URL"}, "Authentication")
	want := x.cfg.BaseURL + frontChannelPath
	switch app.LogoutURL {
	case want:
		return c.good("Registered.")
	case "":
		return c.warn("None is registered: who signs out elsewhere stays signed in here.", apperr.MenderAdmin, "Enter "+want+".")
	}
	return c.warn("Another one is registered, "+cut(app.LogoutURL)+": who signs out elsewhere stays signed in here.", apperr.MenderAdmin, "Enter "+want+".")
}

func (x *examination) idTokens(app *graph.Application) Check {
	c := x.here(Check{ID: "id_tokens", Title: "Tokens from the authorization endpoint"}, "Authentication")
	switch {
	case x.hybrid() && !app.IDTokens:
		return c.bad("ID tokens are off, and this portal signs people in with "+x.cfg.ResponseType+": signing in ends with AADSTS700054.", apperr.MenderAdmin, "Tick ID tokens under Implicit grant and hybrid flows.")
	case app.AccessTokens:
		return c.warn("Access tokens are on (implicit grant), which this portal does not use. They would reach the browser's address line.", apperr.MenderAdmin, "Take the tick from Access tokens.")
	case x.hybrid():
		return c.good("ID tokens are on, as " + x.cfg.ResponseType + " needs; access tokens are off.")
	}
	return c.good("Access tokens are off, and ID tokens are not needed for " + x.cfg.ResponseType + ".")
}

func (x *examination) publicClient(app *graph.Application) Check {
	c := x.here(Check{ID: "public_client", Title: "Public client flows"}, "Authentication")
	if app.PublicClient {
		return c.warn("They are allowed: somebody who knows the client id alone can ask people for tokens by a device code, in the name of this portal.", apperr.MenderAdmin, "Set Allow public client flows to No.")
	}
	return c.good("Not allowed, as it should be.")
}

func (x *examination) claims(app *graph.Application) Check {
	c := x.here(Check{ID: "claims", Title: "Optional claims of ID tokens"}, "Token configuration")
	means := map[string]string{"sid": "a sign-out elsewhere does not find the session here", "login_hint": "signing out asks which account", "amr": "nobody gets in, since PORTAL_REQUIRE_MFA wants to see the methods",
		"groups": "nobody is an admin by a group", "wids": "nobody is an admin by a directory role"}
	emitted := strings.FieldsFunc(app.GroupClaims, func(r rune) bool { return r == ',' || r == ' ' })
	var missing, why []string
	for _, name := range x.wantedClaims() {
		there := slices.Contains(app.IDTokenClaims, name)
		switch name {
		case "groups":
			there = there || slices.Contains(emitted, "All") || slices.Contains(emitted, "SecurityGroup") || slices.Contains(emitted, "ApplicationGroup")
		case "wids":
			there = there || slices.Contains(emitted, "All") || slices.Contains(emitted, "DirectoryRole")
		}
		if !there {
			missing, why = append(missing, name), append(why, "without "+name+" "+means[name])
		}
	}
	if len(missing) == 0 {
		return c.good("Switched on: " + strings.Join(x.wantedClaims(), ", ") + ".")
	}
	finding, next := "Missing: "+strings.Join(why, "; ")+".", "Add optional claim › ID: "+strings.Join(missing, ", ")+"."
	if slices.Contains(missing, "amr") {
		return c.bad(finding, apperr.MenderAdmin, next)
	}
	return c.warn(finding, apperr.MenderAdmin, next)
}

// credentialWarn is how long before its end a credential is a warning.
const credentialWarn = 30 * 24 * time.Hour

// credentials looks at the ends of what the portal proves itself with; app is nil
// where the registration could not be read.
func (x *examination) credentials(app *graph.Application) Check {
	c := x.here(Check{ID: "credentials", Title: "End of the secret or certificate"}, "Certificates & secrets")
	const mend = "Add a new one, give it to the portal, start it again, and then delete the old one."
	var ends []time.Time
	switch x.cfg.Credential {
	case None:
		return c.good("The portal uses none.")
	case Federated:
		return c.good("The portal uses a federated credential, which does not end.")
	case Certificate:
		if !x.cfg.CertificateEnd.IsZero() {
			ends = append(ends, x.cfg.CertificateEnd)
		}
	case Secret:
		if app == nil {
			return c.unknown("Not read. Look when the secret ends.")
		}
		for _, one := range app.Credentials {
			if !one.Certificate {
				ends = append(ends, one.End)
			}
		}
	}
	if len(ends) == 0 {
		return c.bad("The registration has no "+string(x.cfg.Credential)+", and the portal uses one.", apperr.MenderAdmin, mend)
	}
	slices.SortFunc(ends, time.Time.Compare)
	return x.ending(c, ends, mend)
}

// ending judges ends in their order. Of several secrets nobody can tell which one
// the portal holds.
func (x *examination) ending(c Check, ends []time.Time, mend string) Check {
	now := x.cfg.Now()
	what := "The " + string(x.cfg.Credential)
	last := ends[len(ends)-1]
	if !last.After(now) {
		return c.bad(what+" ended on "+day(last)+": nobody can sign in.", apperr.MenderAdmin, mend)
	}
	next := ends[slices.IndexFunc(ends, now.Before)]
	soon := next.Sub(now) <= credentialWarn
	if len(ends) == 1 {
		if soon {
			return c.warn(what+" ends on "+day(next)+", in "+days(next.Sub(now))+".", apperr.MenderAdmin, mend)
		}
		return c.good(what + " ends on " + day(next) + ", in " + days(next.Sub(now)) + ".")
	}
	finding := fmt.Sprintf("There are %d secrets, and which one the portal holds cannot be told. The next one to end does so on %s, the last one on %s.", len(ends), day(next), day(last))
	if soon {
		return c.warn(finding, apperr.MenderAdmin, mend)
	}
	return c.good(finding)
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

func days(d time.Duration) string {
	switch n := int(d / (24 * time.Hour)); n {
	case 0:
		return "less than a day"
	case 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", n)
	}
}

// access is how the portal gets at the AzTS API.
type access struct {
	api     *graph.ServicePrincipal
	scope   *graph.Permission // nil: the API has none of that name
	trusted []string          // client ids that need no consent for the scope
	// trustedErr says why they are not known.
	trustedErr     error
	tenant, person bool // who has granted it
	err            error
}

// api reads the AzTS API and what the portal was granted there.
func (x *examination) api(ctx context.Context) (a access) {
	if x.cfg.AzTSScope == "" {
		return access{err: errors.New("no AzTS is configured")}
	}
	source, g := x.visit.Source, x.cfg.Graph
	var own *graph.ServicePrincipal
	var ownErr error
	var wait sync.WaitGroup
	wait.Go(func() { a.api, a.err = g.ServicePrincipalByURI(ctx, source, entra.ResourceOf(x.cfg.AzTSScope)) })
	wait.Go(func() { own, ownErr = g.ServicePrincipalByAppID(ctx, source, x.cfg.ClientID) })
	wait.Wait()
	if a.err != nil {
		return a
	}
	x.apiApp = a.api.AppID
	name := entra.ScopeName(x.cfg.AzTSScope)
	if a.scope = a.api.Scope(name); a.scope == nil {
		return a
	}
	if a.err = ownErr; a.err != nil {
		return a
	}
	var tenantErr, personErr error
	holds := func(list []graph.Grant) bool {
		return slices.ContainsFunc(list, func(grant graph.Grant) bool {
			return grant.ResourceID == a.api.ID && slices.Contains(grant.Scopes, name)
		})
	}
	wait.Go(func() {
		var list []graph.Grant
		list, tenantErr = g.TenantGrantsOfClient(ctx, source, own.ID)
		a.tenant = holds(list)
	})
	wait.Go(func() {
		if x.visit.ObjectID == "" {
			return
		}
		var list []graph.Grant
		list, personErr = g.GrantsOfClientFor(ctx, source, own.ID, x.visit.ObjectID)
		a.person = holds(list)
	})
	wait.Go(func() {
		var app *graph.Application
		if app, a.trustedErr = g.Application(ctx, source, a.api.AppID); a.trustedErr != nil {
			return
		}
		for _, one := range app.PreAuthorized {
			if slices.Contains(one.PermissionIDs, a.scope.ID) {
				a.trusted = append(a.trusted, one.AppID)
			}
		}
	})
	wait.Wait()
	if !a.tenant {
		a.err = tenantErr
	}
	if !a.tenant && !a.person && a.err == nil {
		a.err = personErr
	}
	x.admitted(&a)
	return a
}

// permission looks whether the registration lists what it asks of AzTS.
func (x *examination) permission(app *graph.Application, appErr error, a *access) Check {
	c := x.here(Check{ID: "permission", Title: "Permission for the AzTS API"}, "API permissions")
	c.Group = AzTS
	switch {
	case apperr.IsKind(a.err, apperr.NotFound) && a.api == nil:
		return x.noAPI(c)
	case a.api == nil:
		return directoryProblem(c, a.err)
	case a.scope == nil:
		c = x.at(c, a.api.AppID, cut(a.api.DisplayName), "Expose an API")
		return c.bad("The AzTS API exposes no permission "+cut(entra.ScopeName(x.cfg.AzTSScope))+".", apperr.MenderAdmin, "Add it there, or correct PORTAL_AZTS_SCOPE.")
	case !a.scope.Enabled:
		c = x.at(c, a.api.AppID, cut(a.api.DisplayName), "Expose an API")
		return c.bad("The AzTS API has switched the permission "+a.scope.Value+" off.", apperr.MenderAdmin, "Switch it on there.")
	case appErr != nil:
		return directoryProblem(c, appErr)
	}
	for _, one := range app.Required {
		if one.AppID == a.api.AppID && slices.Contains(one.Scopes, a.scope.ID) {
			return c.good(a.scope.Value + " of " + cut(a.api.DisplayName) + " is listed.")
		}
	}
	return c.warn("The registration does not list "+a.scope.Value+" of "+cut(a.api.DisplayName)+". Signing in works, but Grant admin consent leaves it out.", apperr.MenderAdmin,
		"Add a permission › APIs my organization uses › "+cut(a.api.DisplayName)+" › Delegated permissions › "+a.scope.Value+".")
}

func (x *examination) noAPI(c Check) Check {
	c.Place, c.URL = "PORTAL_AZTS_SCOPE", ""
	return c.bad("No application of your organization is called "+cut(entra.ResourceOf(x.cfg.AzTSScope))+": signing in ends with AADSTS500011.", apperr.MenderDeveloper, "Compare the scope with the one that the AzTS administrator hands out.")
}

// consent looks whether people may use that permission.
func (x *examination) consent(a *access) Check {
	c := x.here(Check{ID: "consent", Title: "Consent for the AzTS API"}, "API permissions")
	c.Group = AzTS
	const grant = "Grant admin consent there, or on this portal's page Admin › Grant for everybody."
	switch {
	case a.api == nil && apperr.IsKind(a.err, apperr.NotFound), a.api != nil && a.scope == nil:
		return c.unknown("There is no such permission to consent to.")
	case slices.Contains(a.trusted, strings.ToLower(x.cfg.ClientID)):
		return c.good("The AzTS API trusts this portal: nobody is asked.")
	case a.tenant:
		return c.good("Granted for everybody.")
	case a.err != nil:
		return directoryProblem(c, a.err)
	case a.scope.Type == "Admin":
		return c.bad("Only an administrator can grant this permission, and nobody has: people get AADSTS65001 or AADSTS90094.", apperr.MenderAdmin, grant)
	case a.person:
		return c.good("Not granted for everybody: each person is asked once. You have agreed.")
	}
	return c.warn("Nobody has granted it for everybody, and you have not agreed either. Where people may not consent by themselves, they get stuck.", apperr.MenderAdmin, grant)
}
