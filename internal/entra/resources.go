package entra

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"azts.internal/portal/internal/apperr"
)

// Bounds of what a person may ask for in one token.
const (
	maxScopeName = 120 // characters, as the directory allows (entra.md §7.2)
	maxAsked     = 20  // scopes of one request
	// DefaultScope asks for everything that was granted at the resource before
	// (entra.md §4.7).
	DefaultScope = ".default"
)

// Resource is an API that tokens are for. A token is for one of them, never for
// two (entra.md §4.3).
type Resource struct {
	Name     string          // for people, such as "Microsoft Graph"
	AppIDURI string          // what its scopes begin with, without a slash at its end
	What     string          // what it is, in one sentence; "" when we do not know it
	Scopes   []ResourceScope // known ones, the usual one first; there may be others
}

// ResourceScope is a delegated permission of a resource, with the text that
// people consent to.
type ResourceScope struct {
	Name      string // without the App ID URI, as it stands in scp
	Title     string // what it allows, in a few words; "" when we do not know it
	Text      string // one sentence
	AdminOnly bool   // only an administrator can consent
}

// Scope returns the full name of a scope of the resource, as it is asked for.
func (r *Resource) Scope(name string) string { return r.AppIDURI + "/" + name }

// ResourceAppID returns the client id of the API in a scope of the form
// api://<client id>/…, "" for another form.
func ResourceAppID(scope string) string {
	if id, found := strings.CutPrefix(ResourceOf(scope), "api://"); found && IsGUID(id) {
		return strings.ToLower(id)
	}
	return ""
}

// ResourceOf returns the App ID URI that a scope begins with; "" for a scope
// without one, such as openid.
func ResourceOf(scope string) string {
	i := strings.LastIndexByte(scope, '/')
	if i < 0 || !strings.Contains(scope, "://") {
		return ""
	}
	return strings.TrimRight(scope[:i], "/")
}

// ScopeName returns what a scope is called at its resource: user_impersonation
// of api://…/user_impersonation.
func ScopeName(scope string) string { return scope[strings.LastIndexByte(scope, '/')+1:] }

// Catalogue is the resources that people may ask tokens for, AzTS first.
type Catalogue []Resource

// NewCatalogue returns AzTS, by its delegated scope ("" where there is none), then
// the resources of the cloud (nil for none), then others by their App ID URIs,
// each once.
func NewCatalogue(aztsScope string, cloud []Resource, others []string) Catalogue {
	var c Catalogue
	if aztsScope != "" {
		c = append(c, Resource{Name: "AzTS", AppIDURI: ResourceOf(aztsScope), What: "Azure Tenant Security: scans of your subscriptions and their results.",
			Scopes: []ResourceScope{{Name: ScopeName(aztsScope), Title: "Use AzTS as you",
				Text: "Request scans and read results of the subscriptions that you may see, no others."}}})
	}
	c = append(c, cloud...)
	for _, uri := range others {
		uri = strings.TrimRight(uri, "/")
		if _, known := c.Find(uri); known {
			continue
		}
		c = append(c, Resource{Name: strings.TrimPrefix(uri, "api://"), AppIDURI: uri, What: "An API that whoever runs this portal has allowed."})
	}
	return c
}

// Resources returns the APIs of a cloud that the portal knows, with consent
// texts in our own words: the directory's may be read only by some (entra.md §7.4).
func (c Cloud) Resources() []Resource {
	return []Resource{
		{Name: "Microsoft Graph", AppIDURI: origin(c.GraphURL), What: "Your profile, people, groups and the directory.", Scopes: []ResourceScope{
			{Name: "User.Read", Title: "Read your profile", Text: "Your name, account, mail address and manager."},
			{Name: "profile", Title: "Your basic profile", Text: "Your name and account, as they stand in a sign-in."},
			{Name: "email", Title: "Your mail address", Text: "The mail address of your account."},
			{Name: "User.ReadBasic.All", Title: "Read everybody's basic profile", Text: "Names and mail addresses of the people in your organization."},
			{Name: "Directory.Read.All", Title: "Read the directory", Text: "People, groups, applications and consent, as far as you may see them.", AdminOnly: true},
		}},
		{Name: "Azure Resource Manager", AppIDURI: origin(c.ARMURL), What: "Your Azure subscriptions and everything in them.", Scopes: []ResourceScope{
			{Name: "user_impersonation", Title: "Manage Azure as you", Text: "See and change Azure resources with all the rights that you have there."},
		}},
		{Name: "Azure Key Vault", AppIDURI: c.VaultURL, What: "Secrets, keys and certificates in vaults.", Scopes: []ResourceScope{
			{Name: "user_impersonation", Title: "Use Key Vault as you", Text: "Read and change what is in the vaults that you have access to."},
		}},
	}
}

// origin returns scheme and host of an address.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Find returns the resource of an App ID URI; a slash at its end and the case
// of letters do not matter.
func (c Catalogue) Find(appIDURI string) (*Resource, bool) {
	appIDURI = strings.TrimRight(appIDURI, "/")
	i := slices.IndexFunc(c, func(r Resource) bool { return strings.EqualFold(r.AppIDURI, appIDURI) })
	if i < 0 {
		return nil, false
	}
	return &c[i], true
}

// Describe returns what is known of a scope by its full name.
func (c Catalogue) Describe(scope string) (ResourceScope, bool) {
	r, ok := c.Find(ResourceOf(scope))
	if !ok {
		return ResourceScope{}, false
	}
	name := ScopeName(scope)
	if name == DefaultScope {
		return ResourceScope{Name: DefaultScope, Title: "Everything already granted",
			Text: "All that was consented to at " + r.Name + " before, by you or for everybody; nothing new."}, true
	}
	i := slices.IndexFunc(r.Scopes, func(s ResourceScope) bool { return strings.EqualFold(s.Name, name) })
	if i < 0 {
		return ResourceScope{}, false
	}
	return r.Scopes[i], true
}

// Errors of what a person asked for. Their words quote nothing that was typed.
var (
	errUnknownResource = apperr.New(apperr.Invalid, "resource_unknown", "This portal does not ask for tokens of that API.").
				WithNext(apperr.MenderAdmin, "Choose one of the list. Whoever runs this portal can add an API to PORTAL_RESOURCES.")
	errTwoResources = apperr.New(apperr.Invalid, "two_resources", "These scopes belong to two APIs. A token is for one API only.").
			WithNext(apperr.MenderPerson, "Ask for one token of each.")
	errScopeMissing = apperr.New(apperr.Invalid, "scope_missing", "No scope is chosen, so the token would allow nothing.").
			WithNext(apperr.MenderPerson, "Choose at least one.")
	errScopeMalformed = apperr.New(apperr.Invalid, "scope_malformed", "One of the scopes is not a name that an API could have.").
				WithNext(apperr.MenderPerson, "A scope has letters, digits, dots, dashes and underscores, such as User.Read. Put blanks between several.")
	errScopeMany = apperr.New(apperr.Invalid, "scope_many", fmt.Sprintf("More than %d scopes are asked for at once.", maxAsked)).
			WithNext(apperr.MenderPerson, "Choose fewer, or everything already granted.")
	errDefaultMixed = apperr.New(apperr.Invalid, "default_mixed", "Everything already granted (.default) cannot be asked for together with single scopes.").
			WithNext(apperr.MenderPerson, "Choose the one or the others.")
	errOfflineAccess = apperr.New(apperr.Invalid, "offline_access", "offline_access is for refresh tokens, which this portal keeps to itself.").
				WithNext(apperr.MenderPerson, "Leave it out. The portal renews the token for you.")
)

// Ask returns the full names of the scopes that a person asks for at one
// resource: chosen, and typed as a list with blanks or commas between. Each may
// be named in full. Its errors are of kind Invalid: resource_unknown,
// two_resources, scope_missing, scope_malformed, scope_many, default_mixed,
// offline_access.
func (c Catalogue) Ask(appIDURI string, chosen []string, typed string) (*Resource, []string, error) {
	resource, ok := c.Find(appIDURI)
	if !ok {
		return nil, nil, errUnknownResource.Becausef("resource %q", clip(appIDURI))
	}
	names := append(slices.Clone(chosen), strings.FieldsFunc(typed, func(r rune) bool {
		return r == ' ' || r == ',' || r == ';' || r == '\t' || r == '\r' || r == '\n'
	})...)
	var scopes []string
	for _, name := range names {
		scope, err := resource.parse(name)
		if err != nil {
			return resource, nil, err
		}
		if !slices.ContainsFunc(scopes, func(s string) bool { return strings.EqualFold(s, scope) }) {
			scopes = append(scopes, scope)
		}
	}
	switch {
	case len(scopes) == 0:
		return resource, nil, errScopeMissing
	case len(scopes) > maxAsked:
		return resource, nil, errScopeMany
	case len(scopes) > 1 && slices.Contains(scopes, resource.Scope(DefaultScope)):
		return resource, nil, errDefaultMixed
	}
	return resource, scopes, nil
}

// parse returns the full name of one scope, in the spelling that is known.
func (r *Resource) parse(name string) (string, error) {
	if strings.Contains(name, "://") {
		of := ResourceOf(name)
		if name = ScopeName(name); !strings.Contains(of, "://") || !scopeName(name) {
			return "", errScopeMalformed.Becausef("scope of %d bytes", len(name))
		}
		if !strings.EqualFold(of, r.AppIDURI) {
			return "", errTwoResources.Becausef("a scope of %q for %q", clip(of), r.AppIDURI)
		}
	}
	switch {
	case strings.EqualFold(name, "offline_access"):
		return "", errOfflineAccess
	case strings.EqualFold(name, DefaultScope):
		name = DefaultScope
	case !scopeName(name):
		return "", errScopeMalformed.Becausef("scope of %d bytes", len(name))
	}
	for _, known := range r.Scopes {
		if strings.EqualFold(known.Name, name) {
			name = known.Name
		}
	}
	return r.Scope(name), nil
}

// scopeName reports whether a text can be the name of a permission: narrower
// than RFC 6749 §3.3, without what would need quoting in a command.
func scopeName(s string) bool {
	if s == DefaultScope {
		return true
	}
	if s == "" || len(s) > maxScopeName || s[0] == '.' {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' || c == ':')
	}) < 0
}
