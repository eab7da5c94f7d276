package sandbox

import (
	"net/http"
	"time"
)

// What the sandbox's managed identity is called (entra.md §9). It stands for the
// one of the machine that the portal runs on.
const (
	ManagedIdentityClientID = "5c83a7f2-41be-4d96-8a07-e92b6d10f4c5"
	// IdentityHeader is the value of IDENTITY_HEADER at the sandbox's App
	// Service endpoint.
	IdentityHeader = "sandbox-identity-header" // guards nothing

	managedIdentityObjectID = "6d94b803-52cf-4ea7-9b18-fa3c7e2105d6"
)

// managedIdentity is a service principal without a registration.
var managedIdentity = &application{appID: ManagedIdentityClientID, objectID: managedIdentityObjectID, name: "portal-host", publisher: "Contoso"}

var _ = declare("Managed identity",
	faultSpec{name: "imds.404", does: "The identity endpoint answers 404: it is being updated."},
	faultSpec{name: "imds.410", does: "The identity endpoint answers 410: it is being updated, for up to 70 seconds."},
	faultSpec{name: "imds.429", does: "The identity endpoint answers 429."},
	faultSpec{name: "imds.500", does: "The identity endpoint answers 500."},
	faultSpec{name: "imds.error", does: "The identity endpoint refuses for good.", value: "an error of entra.md §9.1, as access_denied"},
	faultSpec{name: "imds.expired", does: "The identity endpoint gives a token from its cache that has expired."},
)

// identityRoutes mounts the endpoints from which a machine gets its own tokens:
// IMDS (entra.md §9.1) and App Service (§9.2).
func (t *tenant) identityRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /metadata/identity/oauth2/token", t.serveIMDS)
	mux.HandleFunc("GET /msi/token", t.serveAppService)
}

// identityFault does what the faults demand. It says whether it has answered.
func (t *tenant) identityFault(w http.ResponseWriter) bool {
	for _, fault := range []struct {
		name   string
		status int
	}{{"imds.404", http.StatusNotFound}, {"imds.410", http.StatusGone}, {"imds.429", http.StatusTooManyRequests}, {"imds.500", http.StatusInternalServerError}} {
		if _, on := t.s.faults.take(fault.name); on {
			identityError(w, fault.status, "unknown", "The endpoint cannot answer now.")
			return true
		}
	}
	if value, on := t.s.faults.take("imds.error"); on {
		if value == "" {
			value = "access_denied"
		}
		identityError(w, http.StatusBadRequest, value, "Refused by a fault.")
		return true
	}
	return false
}

func identityError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}

func (t *tenant) serveIMDS(w http.ResponseWriter, r *http.Request) {
	if t.identityFault(w) {
		return
	}
	q := r.URL.Query()
	switch {
	case r.Header.Get("Metadata") != "true":
		identityError(w, http.StatusBadRequest, "bad_request_102", "Required metadata header not specified")
		return
	case q.Get("api-version") != "2018-02-01" || q.Get("resource") == "":
		identityError(w, http.StatusBadRequest, "invalid_request", "api-version or resource is missing")
		return
	case q.Get("client_id") != "" && q.Get("client_id") != ManagedIdentityClientID,
		q.Get("object_id") != "" && q.Get("object_id") != managedIdentityObjectID, q.Has("msi_res_id"):
		identityError(w, http.StatusBadRequest, "invalid_request", "Identity not found")
		return
	}
	t.giveIdentity(w, q.Get("resource"), "invalid_resource")
}

func (t *tenant) serveAppService(w http.ResponseWriter, r *http.Request) {
	if t.identityFault(w) {
		return
	}
	q := r.URL.Query()
	switch {
	case r.Header.Get("X-IDENTITY-HEADER") != IdentityHeader:
		identityError(w, http.StatusUnauthorized, "unknown_source", "The identity header is wrong.")
		return
	case q.Get("api-version") != "2019-08-01" || q.Get("resource") == "":
		identityError(w, http.StatusBadRequest, "invalid_request", "api-version or resource is missing")
		return
	case q.Get("client_id") != "" && q.Get("client_id") != ManagedIdentityClientID:
		identityError(w, http.StatusBadRequest, "invalid_request", "No managed identity was found for the client id.")
		return
	}
	t.giveIdentity(w, q.Get("resource"), "invalid_resource")
}

// giveIdentity answers with a token of the machine's own, all members text as
// IMDS sends them.
func (t *tenant) giveIdentity(w http.ResponseWriter, resource, unknown string) {
	one, failed := t.resourceTarget(resource)
	if failed != nil {
		identityError(w, http.StatusBadRequest, unknown, "AADSTS50001: "+failed.text)
		return
	}
	lifetime, from := 24*time.Hour, t.s.now()
	if _, on := t.s.faults.take("imds.expired"); on {
		from = from.Add(-2 * lifetime)
	}
	token := t.mintAccessToken(accessToken{client: managedIdentity, target: one, auth: authentication{tid: TenantID, oid: managedIdentityObjectID},
		proof: "2", lifetime: lifetime})
	writeJSON(w, http.StatusOK, map[string]string{
		"access_token": token, "client_id": ManagedIdentityClientID, "refresh_token": "", "resource": resource, "token_type": "Bearer",
		"expires_in": epoch(time.Unix(int64(from.Add(lifetime).Sub(t.s.now())/time.Second), 0)),
		"expires_on": epoch(from.Add(lifetime)), "not_before": epoch(from),
	})
}
