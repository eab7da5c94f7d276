package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How much anonymous visitors and clients can make the tenant remember.
const (
	maxInteractions  = 1_000
	maxSessions      = 10_000
	maxCodes         = 10_000
	maxRefreshTokens = 100_000
	maxExpenses      = 1_000
)

// tenant is the identity tenant: people, registrations, grants, sessions, codes
// and tokens.
type tenant struct {
	s      *Sandbox
	people []*person      // never changes
	apps   []*application // the list never changes; certificates and assignedApps do, under s.mu
	keys   *keyring

	outsider *outsider

	// All below is guarded by s.mu.
	grants       []*permissionGrant // by rising seq
	lastGrant    uint64             // seq of the newest grant
	seeded       seededDirectory
	withdrawn    map[string]bool // ids of the people's app role assignments that were deleted
	interactions *shelf[*interaction]
	sessions     *shelf[*browserSession]
	codes        *shelf[*authorizationCode]
	refresh      *shelf[*refreshToken]
	expenses     *shelf[expensesSession]
	devices      *shelf[*deviceCode]   // by device code
	userCodes    *shelf[*deviceCode]   // the same, by user code
	guessers     *shelf[guesses]       // by address
	validFrom    map[*person]time.Time // when somebody's sessions and refresh tokens were last ended
	lifetimes    *mathrand.Rand
}

func newTenant(s *Sandbox) *tenant {
	t := &tenant{s: s, people: seedPeople(), apps: seedApplications(s.options), keys: newKeyring(s.now), outsider: newOutsider(s),
		interactions: newShelf[*interaction](maxInteractions),
		sessions:     newShelf[*browserSession](maxSessions),
		codes:        newShelf[*authorizationCode](maxCodes),
		refresh:      newShelf[*refreshToken](maxRefreshTokens),
		expenses:     newShelf[expensesSession](maxExpenses),
		devices:      newShelf[*deviceCode](maxDeviceCodes),
		userCodes:    newShelf[*deviceCode](maxDeviceCodes),
		guessers:     newShelf[guesses](maxGuessers),
		validFrom:    map[*person]time.Time{},
		// The order of lifetimes is the same in every run.
		lifetimes: mathrand.New(mathrand.NewPCG(1, 2)),
		withdrawn: map[string]bool{},
	}
	expenses := t.app(ExpensesClientID)
	t.grant(TenantID, expenses, t.app(GraphAppID), "", expenses.staticScopes(GraphAppID))
	// AzTS reads Azure as the person who asks it (entra.md §4.5).
	t.grant(TenantID, t.app(AzTSAppID), t.app(ARMAppID), "", t.app(AzTSAppID).staticScopes(ARMAppID))
	t.seedGrants(grantsAtStart)
	return t
}

// routes mounts the tenant. Everything that no API of the sandbox claims is its.
//
// The tenant has a mux of its own: its paths begin with a wildcard, which may
// not stand beside the fixed prefixes of the APIs in one mux.
func (t *tenant) routes(mux *http.ServeMux) {
	own := http.NewServeMux()
	for _, version := range []int{1, 2} {
		infix := map[int]string{1: "", 2: "/v2.0"}[version]
		own.HandleFunc("GET /{tenant}"+infix+"/.well-known/openid-configuration", t.serveMetadata(version))
		own.HandleFunc("/{tenant}/oauth2"+infix+"/authorize", t.serveAuthorize(version))
		own.HandleFunc("/{tenant}/oauth2"+infix+"/token", t.serveToken(version))
		own.HandleFunc("/{tenant}/oauth2"+infix+"/logout", t.serveLogout)
		own.HandleFunc("GET /{tenant}/discovery"+infix+"/keys", t.serveKeys(version))
		own.HandleFunc("GET /{tenant}"+infix+"/adminconsent", t.serveAdminConsent)
	}
	own.HandleFunc("GET /{tenant}/openid/userinfo", t.serveUserInfo)
	own.HandleFunc("POST /{tenant}/openid/userinfo", t.serveUserInfo)
	own.HandleFunc("GET /oidc/userinfo", t.serveUserInfo)
	own.HandleFunc("POST /oidc/userinfo", t.serveUserInfo)
	own.HandleFunc("GET /error", t.serveErrorPage)
	mux.Handle("/", own)

	// What a person's browser posts must come from a page of ours.
	guard := http.NewCrossOriginProtection()
	form := func(handler http.HandlerFunc) http.Handler {
		return guard.Handler(http.MaxBytesHandler(handler, maxFormBytes))
	}
	mux.Handle("POST /sandbox/sign-in", form(t.serveInteraction))
	mux.Handle("POST /sandbox/sign-out", form(t.serveLogoutChoice))
	mux.HandleFunc("GET /sandbox/assets/{file}", t.serveAsset)
	mux.HandleFunc("GET /sandbox", t.serveConsole)
	mux.Handle("POST /sandbox/faults", form(t.serveFaultSwitch))
	mux.Handle("POST /sandbox/keys", form(t.serveRotate))
	mux.Handle("GET /{$}", http.RedirectHandler("/sandbox", http.StatusSeeOther))
	t.outsiderRoutes(mux)
	t.identityRoutes(mux)
	t.expensesRoutes(mux, form)
	t.deviceRoutes(own, mux, form)
}

// maxFormBytes bounds every body that the tenant reads.
const maxFormBytes = 64 << 10

// app finds a registration by client id, in any case.
func (t *tenant) app(appID string) *application {
	for _, app := range t.apps {
		if strings.EqualFold(app.appID, appID) {
			return app
		}
	}
	return nil
}

// person finds somebody by the object id at Contoso or at home.
func (t *tenant) person(oid string) *person {
	for _, p := range t.people {
		if p.id == oid || p.homeID == oid {
			return p
		}
	}
	return nil
}

// personByName finds somebody by user principal name, e-mail address or
// login_hint claim, in any case for the first two.
func (t *tenant) personByName(name string) *person {
	for _, p := range t.people {
		if strings.EqualFold(p.upn, name) || strings.EqualFold(p.mail, name) || name == loginHint(p.id, TenantID) || name == loginHint(p.homeID, p.home) {
			return p
		}
	}
	return nil
}

// lifetime returns how long the next access token lives: 60 to 90 minutes, as
// at Entra (entra.md §10).
func (t *tenant) lifetime() time.Duration {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return time.Hour + time.Duration(t.lifetimes.IntN(30*60))*time.Second
}

// randomText returns n characters of base64url from crypto/rand.
func randomText(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(raw)[:n]
}

// seededGUID returns the same GUID for the same parts, for things that are
// seeded by the hundred.
func seededGUID(kind, owner string, i int) string {
	sum := sha256.Sum256([]byte(kind + "|" + owner + "|" + strconv.Itoa(i)))
	sum[6] = sum[6]&0x0f | 0x40
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
