package graph

import (
	"context"
	"encoding/json"
	"time"
)

// Credential is a secret or certificate of a registration. Graph never gives its
// value.
type Credential struct {
	ID          string
	Name        string
	Certificate bool // else a secret
	Start, End  time.Time
}

// PreAuthorized is a client that an API trusts without consent (entra.md §7.7).
type PreAuthorized struct {
	AppID         string
	PermissionIDs []string
}

// RequiredAccess is what a registration says that it needs of one API (the list
// "API permissions" of the admin center): ids of [Permission] and [AppRole].
type RequiredAccess struct {
	AppID  string // of the API
	Scopes []string
	Roles  []string
}

// Application is a registration, which only its home tenant has.
type Application struct {
	ID           string // object id
	AppID        string
	DisplayName  string
	AppIDURIs    []string
	RedirectURIs []string // of all platforms: web, single page, installed
	// OtherRedirectURIs are those of RedirectURIs that are not of the web platform,
	// by which an application with a secret cannot redeem codes.
	OtherRedirectURIs []string
	IDTokens          bool // the authorization endpoint may answer with ID tokens (hybrid)
	AccessTokens      bool // and with access tokens (implicit)
	PublicClient      bool // flows without a secret are allowed
	// GroupClaims is groupMembershipClaims: "", None, SecurityGroup, DirectoryRole,
	// ApplicationGroup, All, or several of them with commas.
	GroupClaims   string
	Required      []RequiredAccess
	LogoutURL     string
	TokenVersion  int      // of access tokens for it; 0 or 1: version 1.0
	IDTokenClaims []string // optional claims of ID tokens
	AccessClaims  []string // optional claims of access tokens
	Credentials   []Credential
	PreAuthorized []PreAuthorized
	Scopes        []Permission
	AppRoles      []AppRole
}

func decodeCredential(raw json.RawMessage) (Credential, bool) {
	var w struct{ KeyID, DisplayName, StartDateTime, EndDateTime string }
	if !decode(raw, &w) {
		return Credential{}, false
	}
	k := Credential{ID: guid(w.KeyID), Name: text(w.DisplayName), Start: moment(w.StartDateTime), End: moment(w.EndDateTime)}
	return k, k.ID != ""
}

func decodePreAuthorized(raw json.RawMessage) (PreAuthorized, bool) {
	var w struct {
		AppID                  string
		DelegatedPermissionIDs []string
		PermissionIDs          []string // the name in older answers
	}
	if !decode(raw, &w) {
		return PreAuthorized{}, false
	}
	p := PreAuthorized{AppID: guid(w.AppID)}
	for _, id := range append(w.DelegatedPermissionIDs, w.PermissionIDs...) {
		if id = guid(id); id != "" && len(p.PermissionIDs) < maxMembers {
			p.PermissionIDs = append(p.PermissionIDs, id)
		}
	}
	return p, p.AppID != ""
}

func decodeClaimName(raw json.RawMessage) (string, bool) {
	var w struct{ Name string }
	ok := decode(raw, &w)
	return text(w.Name), ok && w.Name != ""
}

func decodeRequired(raw json.RawMessage) (RequiredAccess, bool) {
	var w struct {
		ResourceAppID  string
		ResourceAccess []struct{ ID, Type string }
	}
	if !decode(raw, &w) {
		return RequiredAccess{}, false
	}
	r := RequiredAccess{AppID: guid(w.ResourceAppID)}
	for _, one := range w.ResourceAccess[:min(len(w.ResourceAccess), maxMembers)] {
		switch id := guid(one.ID); {
		case id == "":
		case one.Type == "Role":
			r.Roles = append(r.Roles, id)
		default:
			r.Scopes = append(r.Scopes, id)
		}
	}
	return r, r.AppID != ""
}

func decodeApplication(raw json.RawMessage) (Application, bool) {
	type platform struct {
		RedirectURIs []string
		LogoutURL    string

		ImplicitGrantSettings struct{ EnableIDTokenIssuance, EnableAccessTokenIssuance bool }
	}
	var w struct {
		ID, AppID, DisplayName              string
		GroupMembershipClaims               string
		IsFallbackPublicClient              bool
		RequiredResourceAccess              []json.RawMessage
		IdentifierURIs                      []string
		Web, SPA, PublicClient              platform
		PasswordCredentials, KeyCredentials []json.RawMessage
		AppRoles                            []json.RawMessage
		OptionalClaims                      struct{ IDToken, AccessToken []json.RawMessage }
		API                                 struct {
			RequestedAccessTokenVersion                       int
			OAuth2PermissionScopes, PreAuthorizedApplications []json.RawMessage
		}
	}
	if !decode(raw, &w) {
		return Application{}, false
	}
	a := Application{ID: guid(w.ID), AppID: guid(w.AppID), DisplayName: text(w.DisplayName), LogoutURL: text(w.Web.LogoutURL),
		IDTokens: w.Web.ImplicitGrantSettings.EnableIDTokenIssuance, AccessTokens: w.Web.ImplicitGrantSettings.EnableAccessTokenIssuance,
		PublicClient: w.IsFallbackPublicClient, GroupClaims: text(w.GroupMembershipClaims), Required: members(w.RequiredResourceAccess, decodeRequired),
		TokenVersion:  w.API.RequestedAccessTokenVersion,
		IDTokenClaims: members(w.OptionalClaims.IDToken, decodeClaimName), AccessClaims: members(w.OptionalClaims.AccessToken, decodeClaimName),
		PreAuthorized: members(w.API.PreAuthorizedApplications, decodePreAuthorized), Scopes: members(w.API.OAuth2PermissionScopes, decodePermission),
		AppRoles: members(w.AppRoles, decodeAppRole), Credentials: members(w.PasswordCredentials, decodeCredential)}
	for _, certificate := range members(w.KeyCredentials, decodeCredential) {
		certificate.Certificate = true
		a.Credentials = append(a.Credentials, certificate)
	}
	a.AppIDURIs = texts(w.IdentifierURIs)
	a.OtherRedirectURIs = append(texts(w.SPA.RedirectURIs), texts(w.PublicClient.RedirectURIs)...)
	a.RedirectURIs = append(texts(w.Web.RedirectURIs), a.OtherRedirectURIs...)
	return a, a.ID != "" && a.AppID != ""
}

// texts cleans a list of addresses.
func texts(list []string) []string {
	var out []string
	for _, s := range list[:min(len(list), maxMembers)] {
		if s = text(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Application returns the registration of a client id; [CodeNotFound] when it is
// at home in another tenant, [CodeDenied] when the caller may not read it.
func (c *Client) Application(ctx context.Context, source TokenSource, appID string) (*Application, error) {
	if appID = guid(appID); appID == "" {
		return nil, errBadID
	}
	a, err := one(ctx, c.reads, source, get("/applications(appId='"+appID+"')", nil), decodeApplication)
	if err != nil {
		return nil, err
	}
	return &a, nil
}
