package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// tenantPlaceholder stands in the issuer of the metadata of common and
// organizations, literally (entra.md §1.4).
const tenantPlaceholder = "{tenantid}"

// consumersTenantID is where personal accounts live. The sandbox has none.
const consumersTenantID = "9188040d-6c67-4c5b-b112-36a304b66dad"

// authority is what the first segment of a path stands for.
type authority struct {
	segment string // as it is written in the endpoints of the metadata
	tid     string // the one directory; empty for common and organizations
}

// multi says whether people of several directories may sign in here.
func (a authority) multi() bool { return a.tid == "" }

// authorityOf resolves the {t} of entra.md §1.2.
func authorityOf(segment string) (authority, bool) {
	switch lower := strings.ToLower(segment); lower {
	case "common", "organizations":
		return authority{segment: lower}, true
	case "consumers":
		return authority{segment: lower, tid: consumersTenantID}, true
	}
	if d := directoryOf(segment); d != nil {
		return authority{segment: d.id, tid: d.id}, true
	}
	return authority{}, false
}

// issuer returns iss of the tokens of a tenant. v1 tokens are named by another
// host at Entra, and end in a slash; here the path alone tells them apart.
func (t *tenant) issuer(version int, tid string) string {
	if version == 1 {
		return t.s.options.Origin + "/" + tid + "/"
	}
	return t.s.options.Origin + "/" + tid + "/v2.0"
}

// serveMetadata answers with the discovery document of v1 or v2
// (entra.md §1.3).
func (t *tenant) serveMetadata(version int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, on := t.s.faults.take("metadata.500"); on {
			http.Error(w, "The service is unavailable.", http.StatusInternalServerError)
			return
		}
		if value, on := t.s.faults.take("metadata.clock"); on {
			ahead, err := time.ParseDuration(value)
			if err != nil {
				ahead = 10 * time.Minute
			}
			w.Header().Set("Date", t.s.now().Add(ahead).UTC().Format(http.TimeFormat))
		}
		at, known := authorityOf(r.PathValue("tenant"))
		if !known {
			failed := t.fail(90002, r.PathValue("tenant"))
			failed.err = "invalid_tenant" // the only place that answers with this name
			t.writeError(w, r, failed)
			return
		}
		document := t.metadata(version, at)
		if _, on := t.s.faults.take("metadata.wrong_issuer"); on {
			document["issuer"] = "https://login.example.net/" + TenantID + "/v2.0"
		}
		writeMetadata(w, document)
	}
}

func (t *tenant) metadata(version int, at authority) map[string]any {
	base := t.s.options.Origin + "/" + at.segment
	tid := at.tid
	if at.multi() {
		tid = tenantPlaceholder
	}
	endpoints := base + "/oauth2"
	if version == 2 {
		endpoints += "/v2.0"
	}
	document := map[string]any{
		"issuer":                                t.issuer(version, tid),
		"authorization_endpoint":                endpoints + "/authorize",
		"token_endpoint":                        endpoints + "/token",
		"end_session_endpoint":                  endpoints + "/logout",
		"userinfo_endpoint":                     t.s.options.Origin + "/oidc/userinfo",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"http_logout_supported":                 true,
		"frontchannel_logout_supported":         true,
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"scopes_supported":                      openIDScopes,
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"request_uri_parameter_supported":       false,
		"claims_supported": []string{"sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host", "aud",
			"exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"},
		"tenant_region_scope": "EU",
		"cloud_instance_name": "sandbox.invalid",
		"msgraph_host":        t.s.origin.Host,
	}
	if version == 2 {
		document["device_authorization_endpoint"] = endpoints + "/devicecode"
	}
	if version == 1 {
		document["jwks_uri"] = t.s.options.Origin + "/common/discovery/keys"
		document["userinfo_endpoint"] = base + "/openid/userinfo"
		document["scopes_supported"] = []string{"openid"}
		document["response_types_supported"] = append(document["response_types_supported"].([]string), "token id_token", "token")
		document["microsoft_multi_refresh_token"] = true
		document["claims_supported"] = append(document["claims_supported"].([]string), "amr", "given_name", "family_name", "nickname")
	}
	return document
}

// writeMetadata sends a public document, which any origin may read.
func writeMetadata(w http.ResponseWriter, document any) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "max-age=86400, private")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(document) // the reader is gone if this fails
}
