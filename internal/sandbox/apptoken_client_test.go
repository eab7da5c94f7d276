package sandbox_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/sandbox"
)

// provider returns the portal's client of the tenant.
func (w *tenantWorld) provider(issuer string, tenants ...string) *entra.Provider {
	w.t.Helper()
	p, err := entra.NewProvider(entra.Options{Issuer: issuer, ClientID: sandbox.PortalClientID, RedirectURL: portalURL + "/auth/callback",
		MetadataURL: w.url + "/" + sandbox.TenantID + "/v2.0/.well-known/openid-configuration", AllowedTenants: tenants,
		Client: &http.Client{Timeout: 5 * time.Second}, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func codeOf(err error) string {
	var e *apperr.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// TestAppTokenErrors: each refusal of the tenant has its own sentence and says
// who mends it.
func TestAppTokenErrors(t *testing.T) {
	w := newTenantWorld(t)
	p := w.provider(w.url + "/" + sandbox.TenantID + "/v2.0")
	secret := func(value string) entra.Credential {
		c, err := entra.AppSecretCredential([]byte(value))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	assertion := func(query string) entra.Credential {
		c, err := entra.AppAssertionCredential([]byte(w.plain("/federated/token"+query)), w.clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	good := entra.AppTokenRequest{TenantID: sandbox.TenantID, ClientID: sandbox.ScriptClientID, Credential: secret(sandbox.ScriptClientSecret),
		Scope: sandbox.AzTSAppIDURI + "/.default"}
	set, err := p.AppToken(t.Context(), good)
	if err != nil || set.AccessToken == "" || !slices.Equal(set.Scopes, []string{good.Scope}) || set.RefreshToken != "" {
		t.Fatalf("%+v, %v", set, err)
	}
	if claims := w.claims(set.AccessToken); !slices.Equal(claims["roles"].([]any), []any{"Scan.Request"}) {
		t.Errorf("claims %v", claims)
	}
	type change func(*entra.AppTokenRequest)
	messages := map[string]string{}
	for name, c := range map[string]struct {
		change change
		code   string
		mender apperr.Mender
	}{
		"wrong secret":     {func(r *entra.AppTokenRequest) { r.Credential = secret("wrong") }, "AADSTS7000215", apperr.MenderPerson},
		"expired secret":   {func(r *entra.AppTokenRequest) { r.Credential = secret(sandbox.ScriptExpiredSecret) }, "AADSTS7000222", apperr.MenderAdmin},
		"unknown app":      {func(r *entra.AppTokenRequest) { r.ClientID = sandbox.DanaID }, "AADSTS700016", apperr.MenderPerson},
		"malformed GUID":   {func(r *entra.AppTokenRequest) { r.ClientID = "scan-bot" }, "client_id_malformed", apperr.MenderPerson},
		"foreign tenant":   {func(r *entra.AppTokenRequest) { r.TenantID = sandbox.FabrikamTenantID }, "tenant_unknown", apperr.MenderAdmin},
		"public client":    {func(r *entra.AppTokenRequest) { r.ClientID = sandbox.AzureCLIAppID }, "AADSTS700025", apperr.MenderAdmin},
		"unknown API":      {func(r *entra.AppTokenRequest) { r.Scope = "api://nobody/.default" }, "AADSTS500011", apperr.MenderAdmin},
		"another issuer":   {func(r *entra.AppTokenRequest) { r.Credential = assertion("?issuer=https://token.example.net") }, "AADSTS700211", apperr.MenderAdmin},
		"another audience": {func(r *entra.AppTokenRequest) { r.Credential = assertion("?audience=x") }, "AADSTS700212", apperr.MenderAdmin},
		"another subject":  {func(r *entra.AppTokenRequest) { r.Credential = assertion("?subject=x") }, "AADSTS700213", apperr.MenderAdmin},
		"changed assertion": {func(r *entra.AppTokenRequest) {
			whole := w.plain("/federated/token")
			changed, err := entra.AppAssertionCredential([]byte(whole[:len(whole)-8]+"AAAAAAAA"), w.clock.Now)
			if err != nil {
				t.Fatal(err)
			}
			r.Credential = changed
		}, "AADSTS50013", apperr.MenderPerson},
		"no federation": {func(r *entra.AppTokenRequest) {
			r.ClientID, r.Credential = sandbox.PortalClientID, assertion("")
		}, "AADSTS70021", apperr.MenderAdmin},
	} {
		t.Run(name, func(t *testing.T) {
			request := good
			c.change(&request)
			_, err := p.AppToken(t.Context(), request)
			var e *apperr.Error
			if !errors.As(err, &e) || e.Code != c.code || e.Mender != c.mender || e.Message == "" || e.Next == "" {
				t.Fatalf("%#v", err)
			}
			if other := messages[e.Message]; other != "" {
				t.Errorf("says the same as %s: %q", other, e.Message)
			}
			messages[e.Message] = name
		})
	}
	// Nobody told the portal that the tenant is gone.
	w.Faults().Set("token.error", "90002", 1)
	if _, err := p.AppToken(t.Context(), good); codeOf(err) != "AADSTS90002" {
		t.Errorf("a tenant that is gone: %v", err)
	}
	for fault, kind := range map[string]apperr.Kind{"token.429_text": apperr.TooMany, "token.500_html": apperr.Unavailable, "token.truncated": apperr.BadGateway} {
		w.Faults().Set(fault, "", 1)
		if _, err := p.AppToken(t.Context(), good); !apperr.IsKind(err, kind) {
			t.Errorf("%s: %v", fault, err)
		}
	}
}

// TestAppTokenTenants: where several tenants sign in, the one that is named is
// asked, and no other.
func TestAppTokenTenants(t *testing.T) {
	w := newTenantWorld(t)
	shared := w.url + "/organizations/v2.0/.well-known/openid-configuration"
	p, err := entra.NewProvider(entra.Options{Issuer: w.url + "/{tenantid}/v2.0", ClientID: sandbox.PortalClientID, RedirectURL: portalURL + "/auth/callback",
		MetadataURL: shared, AllowedTenants: []string{sandbox.TenantID, sandbox.FabrikamTenantID},
		Client: &http.Client{Timeout: 5 * time.Second}, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	credential, err := entra.AppSecretCredential([]byte(sandbox.ScriptClientSecret))
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range p.Tenants() {
		set, err := p.AppToken(t.Context(), entra.AppTokenRequest{TenantID: tenant, ClientID: sandbox.ScriptClientID, Credential: credential,
			Scope: sandbox.AzTSAppIDURI + "/.default"})
		if err != nil {
			t.Fatal(err)
		}
		if claims := w.claims(set.AccessToken); claims["tid"] != tenant {
			t.Errorf("tenant %s gives a token of %v", tenant, claims["tid"])
		}
	}
	if _, err := p.AppToken(t.Context(), entra.AppTokenRequest{TenantID: sandbox.DanaID, ClientID: sandbox.ScriptClientID, Credential: credential,
		Scope: sandbox.AzTSAppIDURI + "/.default"}); codeOf(err) != "tenant_unknown" {
		t.Errorf("a tenant that is not on the list: %v", err)
	}
}

// openHere opens certificates that are known to be harmless.
func openHere(_ context.Context, request []byte) ([]byte, error) { return entra.Open(request), nil }

// TestAppCertificate: the certificate of the sandbox's console works, one that
// nobody registered does not.
func TestAppCertificate(t *testing.T) {
	w := newTenantWorld(t)
	p := w.provider(w.url + "/" + sandbox.TenantID + "/v2.0")
	pemText := w.plain("/sandbox/certificate.pem")
	request := entra.AppTokenRequest{TenantID: sandbox.TenantID, ClientID: sandbox.ScriptClientID, Scope: sandbox.AzTSAppIDURI + "/.default"}
	var err error
	if request.Credential, err = entra.AppCertificateCredential(t.Context(), openHere, []byte(pemText), nil, w.clock.Now); err != nil {
		t.Fatal(err)
	}
	set, err := p.AppToken(t.Context(), request)
	if err != nil || w.claims(set.AccessToken)["appidacr"] != "2" {
		t.Fatalf("%v, %v", set, err)
	}
	request.ClientID = sandbox.PortalClientID
	if _, err := p.AppToken(t.Context(), request); codeOf(err) != "AADSTS700027" {
		t.Errorf("a certificate of another application: %v", err)
	}
}

// direct hands requests to the sandbox without a network, so that a bubble of
// synctest can wait for it.
type direct struct {
	box   http.Handler
	times []time.Time
}

func (d *direct) Do(r *http.Request) (*http.Response, error) {
	d.times = append(d.times, time.Now())
	w := httptest.NewRecorder()
	d.box.ServeHTTP(w, r)
	return w.Result(), nil
}

// TestManagedIdentityRetries holds the retry table of entra.md §9.1.
func TestManagedIdentityRetries(t *testing.T) {
	pauses := []int{2, 6, 14, 30, 60}
	if !slices.Equal(flows.RetryDelays[:], pauses) {
		t.Errorf("people are told to wait %v", flows.RetryDelays)
	}
	for name, c := range map[string]struct {
		fault, value string
		times        int // that it happens
		limit        time.Duration
		tries        int
		code         string // "" for a token
	}{
		"at once":                               {"", "", 0, time.Hour, 1, ""},
		"404 twice":                             {"imds.404", "", 2, time.Hour, 3, ""},
		"410 for 70 seconds":                    {"imds.410", "", 5, entra.IdentityLimit, 6, ""},
		"410 for ever":                          {"imds.410", "", -1, time.Hour, 6, "identity_updating"},
		"429 once":                              {"imds.429", "", 1, time.Hour, 2, ""},
		"500 once":                              {"imds.500", "", 1, time.Hour, 2, ""},
		"a page waits 12 s":                     {"imds.410", "", -1, 12 * time.Second, 3, "identity_updating"},
		"access_denied":                         {"imds.error", "access_denied", -1, time.Hour, 1, "identity_refused"},
		"invalid_scope":                         {"imds.error", "invalid_scope", -1, time.Hour, 1, "identity_refused"},
		"unauthorized_client":                   {"imds.error", "unauthorized_client", -1, time.Hour, 1, "identity_refused"},
		"a token from a cache that has expired": {"imds.expired", "", 1, time.Hour, 1, "identity_expired"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				later()
				box, err := sandbox.New(sandbox.Options{Origin: "http://sandbox.invalid", PortalURL: portalURL, Now: time.Now})
				if err != nil {
					t.Fatal(err)
				}
				if c.fault != "" {
					box.Faults().Set(c.fault, c.value, c.times)
				}
				door := &direct{box: box}
				machine, err := entra.NewManagedIdentity(sandbox.ManagedIdentityClientID, door, time.Now)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				set, err := machine.Token(ctx, sandbox.AzTSAppIDURI+"/.default")
				if codeOf(err) != c.code || c.code == "" && (err != nil || set.AccessToken == "") {
					t.Fatalf("token %t, %v", set != nil, err)
				}
				if len(door.times) != c.tries {
					t.Errorf("%d tries, want %d", len(door.times), c.tries)
				}
				for i, pause := range pauses {
					if i+1 >= len(door.times) {
						break
					}
					want := time.Duration(pause) * time.Second
					if got := door.times[i+1].Sub(door.times[i]); got < want*8/10 || got > min(want*13/10, time.Minute) {
						t.Errorf("try %d comes after %v, want about %v", i+2, got, want)
					}
				}
			})
		})
	}
}

// bubbles counts the bubbles of this process.
var bubbles atomic.Int64

// later makes each bubble begin two days after the one before: Azure's library
// keeps tokens for the whole process, and all bubbles begin in the year 2000.
func later() { time.Sleep(time.Duration(bubbles.Add(1)) * 48 * time.Hour) }

// TestManagedIdentityOfSystem: without a client id the system's identity is meant.
func TestManagedIdentityOfSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later()
		box, err := sandbox.New(sandbox.Options{Origin: "http://sandbox.invalid", PortalURL: portalURL, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		machine, err := entra.NewManagedIdentity(entra.SystemIdentity, &direct{box: box}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		set, err := machine.Token(t.Context(), sandbox.AzTSAppIDURI+"/.default")
		if err != nil {
			t.Fatal(err)
		}
		claims, err := entra.ReadClaims(set.AccessToken)
		if err != nil || claims.App != sandbox.ManagedIdentityClientID || !claims.AppOnly {
			t.Errorf("claims %+v, %v", claims, err)
		}
		if _, err := machine.Token(t.Context(), "api://nobody/.default"); codeOf(err) != "identity_refused" {
			t.Errorf("an unknown API: %v", err)
		}
	})
	for _, name := range []string{"", "everything", sandbox.TenantID + "x"} {
		if _, err := entra.NewManagedIdentity(name, nil, time.Now); err == nil {
			t.Errorf("%q is taken for an identity", name)
		}
	}
}
