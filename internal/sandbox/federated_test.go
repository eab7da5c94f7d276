package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

// plain fetches a text of the sandbox.
func (w *tenantWorld) plain(path string) string {
	w.t.Helper()
	response, err := http.Get(w.url + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s, %v", path, response.Status, err)
	}
	return string(body[:len(body)-1])
}

func TestFederatedCredential(t *testing.T) {
	w := newTenantWorld(t)
	send := func(clientID, assertion string) tokenAnswer {
		return w.token(scriptForm("client_secret", "", "client_id", clientID, "client_assertion", assertion,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
	}
	answer := send(sandbox.ScriptClientID, w.plain("/federated/token"))
	if answer.status != 200 || w.claims(answer.str("access_token"))["appidacr"] != "2" {
		t.Fatalf("%s", answer.raw)
	}
	for query, code := range map[string]int{
		"issuer=" + url.QueryEscape("https://token.example.net"): 700211,
		"audience=api://other":       700212,
		"subject=repo:contoso/SCANS": 700213,
		"lifetime=-10m":              700024,
	} {
		send(sandbox.ScriptClientID, w.plain("/federated/token?"+query)).refused(t, 401, "invalid_client", code)
	}
	good := w.plain("/federated/token")
	send(sandbox.ScriptClientID, good[:len(good)-8]+"AAAAAAAA").refused(t, 400, "invalid_grant", 50013)
	send(sandbox.PortalClientID, good).refused(t, 400, "invalid_request", 70021)
	w.clock.now = w.clock.now.Add(16 * time.Minute)
	send(sandbox.ScriptClientID, good).refused(t, 401, "invalid_client", 700024)
}

func TestIdentityEndpoints(t *testing.T) {
	w := newTenantWorld(t)
	ask := func(path, header, value string) (int, map[string]any) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, w.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header, value)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, answer
	}
	const imds, service = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=", "/msi/token?api-version=2019-08-01&resource="
	resource := url.QueryEscape(sandbox.AzTSAppIDURI)
	for path, header := range map[string][2]string{imds: {"Metadata", "true"}, service: {"X-IDENTITY-HEADER", sandbox.IdentityHeader}} {
		status, answer := ask(path+resource, header[0], header[1])
		if status != 200 || answer["client_id"] != sandbox.ManagedIdentityClientID || answer["expires_in"] != "86400" {
			t.Fatalf("%s: %d %v", path, status, answer)
		}
		claims := w.claims(answer["access_token"].(string))
		if claims["idtyp"] != "app" || claims["appid"] != sandbox.ManagedIdentityClientID || claims["roles"] != nil {
			t.Errorf("%s gives %v", path, claims)
		}
		for name, c := range map[string]struct {
			query  string
			status int
			err    string
		}{
			"another identity": {resource + "&client_id=" + sandbox.ScriptClientID, 400, "invalid_request"},
			"no resource":      {"", 400, "invalid_request"},
			"unknown resource": {"api%3A%2F%2Fnobody", 400, "invalid_resource"},
		} {
			if status, answer := ask(path+c.query, header[0], header[1]); status != c.status || answer["error"] != c.err {
				t.Errorf("%s, %s: %d %v", path, name, status, answer)
			}
		}
		for fault, want := range map[string]int{"imds.404": 404, "imds.410": 410, "imds.429": 429, "imds.500": 500, "imds.error": 400} {
			w.Faults().Set(fault, "", 1)
			if status, _ := ask(path+resource, header[0], header[1]); status != want {
				t.Errorf("%s, %s: %d", path, fault, status)
			}
		}
		w.Faults().Set("imds.expired", "", 1)
		if _, answer := ask(path+resource, header[0], header[1]); answer["expires_in"] != "-86400" {
			t.Errorf("%s: an expired token is good for %v", path, answer["expires_in"])
		}
	}
	if status, answer := ask(imds+resource, "Metadata", "TRUE"); status != 400 || answer["error"] != "bad_request_102" {
		t.Errorf("IMDS without its header: %d %v", status, answer)
	}
	if status, answer := ask(service+resource, "X-IDENTITY-HEADER", "x"); status != 401 || answer["error"] != "unknown_source" {
		t.Errorf("App Service without its header: %d %v", status, answer)
	}
}
