package templates

import (
	"net/url"
	"strconv"
)

// Addresses of the admin's pages without a parameter; [AdminURL] is the first.
const (
	AdminCSVURL         = "/admin/consent.csv"
	AdminRefreshURL     = "/admin/consent/refresh" // POST return_to
	AdminGrantURL       = "/admin/consent/grant"   // GET; POST goes to the tenant
	AdminConsentBackURL = "/auth/admin-consent"    // GET, the tenant's answer
	AdminRequestsURL    = "/admin/requests"
	AdminPermissionsURL = "/admin/permissions"
	AdminCredentialsURL = "/admin/credentials"
	AdminAllowURL       = "/admin/allow" // POST permission, return_to
)

// ConsentQuery is what the list of consent shows; zero values are left out.
type ConsentQuery struct {
	Text     string
	Kind     string // delegated, role
	For      string // tenant, person, app
	Risk     string // tenant, write, unused, publisher
	Client   string // object id
	Resource string // object id
	Sort     string
	Desc     bool
	Page     int // from 1
}

func (q ConsentQuery) encode() string {
	v := url.Values{}
	for _, p := range []struct{ name, value string }{{"q", q.Text}, {"kind", q.Kind}, {"for", q.For}, {"risk", q.Risk},
		{"client", q.Client}, {"api", q.Resource}, {"sort", q.Sort}} {
		if p.value != "" {
			v.Set(p.name, p.value)
		}
	}
	if q.Desc {
		v.Set("order", "desc")
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// URL returns the address of the list.
func (q ConsentQuery) URL() string { return AdminURL + q.encode() }

// CSVURL returns the address of the same rows, all pages of them, as CSV.
func (q ConsentQuery) CSVURL() string {
	q.Page = 0
	return AdminCSVURL + q.encode()
}

// WithdrawGrantURL returns the page that asks before a delegated grant is
// withdrawn, or one scope of it.
func WithdrawGrantURL(id, scope string) string {
	u := AdminURL + "/grants/" + url.PathEscape(id) + "/withdraw"
	if scope != "" {
		u += "?scope=" + url.QueryEscape(scope)
	}
	return u
}

// WithdrawRoleURL returns the page that asks before an app role is withdrawn.
func WithdrawRoleURL(resource, id string) string {
	return AdminURL + "/roles/" + url.PathEscape(resource) + "/" + url.PathEscape(id) + "/withdraw"
}

// AdminGrantScopeURL returns the page that grants a scope for the tenant.
func AdminGrantScopeURL(scope string) string {
	if scope == "" {
		return AdminGrantURL
	}
	return AdminGrantURL + "?scope=" + url.QueryEscape(scope)
}

// AdminRequestURL returns the page on which a request is decided.
func AdminRequestURL(id string) string { return AdminRequestsURL + "/" + url.PathEscape(id) }

// Addresses of the forms of that page; all POST.
func (r *AdminRequest) approveURL() string { return AdminRequestURL(r.ID) + "/approve" }
func (r *AdminRequest) declineURL() string { return AdminRequestURL(r.ID) + "/decline" }
func (r *AdminRequest) checkURL() string   { return AdminRequestURL(r.ID) + "/check" }

// RequestsQuery is what the list of requests shows; zero values are left out.
type RequestsQuery struct {
	Text          string
	Page, Decided int // pages of what waits and of what is decided, from 1
}

// URL returns the address of the list.
func (q RequestsQuery) URL() string {
	v := url.Values{}
	if q.Text != "" {
		v.Set("q", q.Text)
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if q.Decided > 1 {
		v.Set("decided", strconv.Itoa(q.Decided))
	}
	if len(v) == 0 {
		return AdminRequestsURL
	}
	return AdminRequestsURL + "?" + v.Encode()
}
