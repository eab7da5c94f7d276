package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/arm"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/doctor"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/failures"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/static"
	"azts.internal/portal/templates"
)

const callbackPath = "/auth/callback"

// Features say what this installation has.
type Features struct {
	AzTS  bool // an AzTS Web API is configured
	Graph bool // the tenant has Microsoft Graph: it is Entra
}

// Parts are what the portal is made of. AzTS, ARM, Scans, Results and Visits are nil together
// where no AzTS is configured; ARM may be nil alone. Graph and Consent are nil
// together where the provider is not Entra.
type Parts struct {
	BaseURL  string
	Sessions *session.Store
	Provider *entra.Provider
	Broker   *entra.Broker
	SignIn   SignIn
	Rules    access.Rules
	AzTS     *azts.Client
	AzTSURL  string
	ARM      *arm.Client
	Graph    *graph.Client
	Consent  *consent.Service
	Scans    *scan.Service
	Results  *results.Archive // of scans
	Visits   Visits
	// Delegations keep the permissions for scans that are repeated; there with Scans.
	Delegations *entra.Delegations
	// Lab, Tenant and Runs are for flows that are run: in a sandbox inside this
	// process, and against the provider.
	Lab    *flows.Lab
	Tenant *flows.TenantRuns
	Runs   *flows.Keeper
	// Doctor examines the set-up.
	Doctor   *doctor.Doctor
	ClientID string
	// Catalogue is the APIs that people may ask tokens and permissions of, AzTS first.
	Catalogue entra.Catalogue
	// Resources are App ID URIs of APIs in the catalogue that the configuration added.
	Resources []string
	// LoginURL is the address of the cloud's sign-in, for commands; "" where the
	// provider is not Entra.
	LoginURL string
	// TrustedIssuers are those whose signatures the inspector checks besides the provider's.
	TrustedIssuers []string
	// OpenCertificate opens the certificates of applications that people give.
	OpenCertificate entra.Opener
	// ManagedIdentity is "" for none, "system", or the client id of the portal's own.
	ManagedIdentity string
	PortalHost      string
	// ResultsDays is how many days the results of a scan are kept.
	ResultsDays int
	// Failures keeps the sign-ins that failed, for the help desk; nil: none are kept.
	Failures       *failures.Archive
	Database       interface{ Ping(context.Context) error }
	TrustedProxies []netip.Prefix
	Environment    string
	Notice         string
	People         []templates.SamplePerson
	Version        string
	// Closing is closed when the process wants to end: open streams end then.
	Closing <-chan struct{}
	// Going counts what goes on after its request: those streams.
	Going *sync.WaitGroup
	Now   func() time.Time
	Log   *slog.Logger
}

// complete says which part is missing of those that everybody needs, and of those
// that are there together.
func (p *Parts) complete() error {
	for name, there := range map[string]bool{"Sessions": p.Sessions != nil, "Provider": p.Provider != nil, "Broker": p.Broker != nil, "Database": p.Database != nil,
		"Now": p.Now != nil, "Log": p.Log != nil, "BaseURL": p.BaseURL != "", "Closing": p.Closing != nil, "Going": p.Going != nil,
		"OpenCertificate": p.OpenCertificate != nil, "Lab": p.Lab != nil, "Tenant": p.Tenant != nil, "Runs": p.Runs != nil, "Doctor": p.Doctor != nil} {
		if !there {
			return errors.New("handlers: the part " + name + " is missing")
		}
	}
	azts := p.AzTS != nil
	for name, there := range map[string]bool{"Scans": p.Scans != nil, "Results": p.Results != nil, "Visits": p.Visits != nil, "Delegations": p.Delegations != nil} {
		if there != azts {
			return errors.New("handlers: AzTS and " + name + " are there together or not at all")
		}
	}
	if (p.Graph != nil) != (p.Consent != nil) {
		return errors.New("handlers: Graph and Consent are there together or not at all")
	}
	return nil
}

// New returns the portal's routes. It refuses missing parts.
func New(p Parts) (http.Handler, error) {
	if err := p.complete(); err != nil {
		return nil, err
	}
	f := &frame{sessions: p.Sessions, provider: p.Provider, rules: p.Rules, environment: p.Environment, notice: p.Notice,
		version: p.Version, resultsDays: p.ResultsDays, features: Features{AzTS: p.AzTS != nil, Graph: p.Graph != nil},
		overTLS: strings.HasPrefix(p.BaseURL, "https://"), baseURL: p.BaseURL, keepsFailures: p.Failures != nil, now: p.Now, log: p.Log}
	auth := &auth{frame: f, provider: p.Provider, broker: p.Broker, signIn: p.SignIn, scans: p.Scans, delegations: p.Delegations}
	auth.runs = newFlowRuns(f, p, auth)
	if p.Graph != nil {
		f.groups = &groupAdmins{frame: f, graph: p.Graph, broker: p.Broker}
	}
	out := &signOut{frame: f, provider: p.Provider, baseURL: p.BaseURL, scans: p.Scans, broker: p.Broker,
		misses: newLimiter(600, time.Minute, p.Now), warnings: newLimiter(1, time.Minute, p.Now)}
	me := &account{frame: f, scans: p.Scans}
	first := &home{frame: f, provider: p.Provider, people: p.People, scans: p.Scans}
	live := &events{frame: f, scans: p.Scans, broker: p.Broker, slots: make(chan struct{}, maxStreams), streams: make(map[session.ID]int), closing: p.Closing, going: p.Going, woken: newLimiter(1, wakePause, p.Now)}
	machine := &health{database: p.Database, provider: p.Provider}

	mux := http.NewServeMux()
	anyone := func(pattern string, h handler) { mux.Handle(pattern, limitBody(maxForm, f.serve(h))) }
	person := func(pattern string, h personal) { anyone(pattern, f.signedIn(h)) }
	admin := func(pattern string, h personal) { person(pattern, auth.forAdmins(h)) }
	// A page that is open asks by itself: that is no sign of its person.
	openPage := func(pattern string, h personal) { anyone(pattern, f.stillSignedIn(h)) }

	// Everyone
	anyone("GET /{$}", first.show)
	failed := newFailedSignIns(f, p)
	anyone("GET /auth/login", failed.kept(auth.login))
	mux.Handle("POST "+callbackPath, limitBody(maxCallback, f.serve(failed.kept(auth.callback))))
	anyone("POST /auth/logout", out.logout)
	anyone("GET /auth/signed-out", out.signedOut)
	anyone("GET /auth/frontchannel-logout", out.frontChannel)
	mux.Handle("POST /auth/backchannel-logout", limitBody(maxLogoutForm, f.serve(out.backChannel)))
	anyone("POST /account/theme", me.setTheme)
	anyone("GET /session", live.state)
	errorHelp := newErrorDesk(f, p)
	anyone("GET /flows/errors", errorHelp.show)
	anyone("POST /flows/errors", errorHelp.explain)
	anyone("GET /healthz", machine.alive)
	anyone("GET /readyz", machine.ready)
	mux.Handle("GET /static/", static.Handler())

	// Whoever is signed in
	person("GET /account", me.show)
	person("GET /account/sessions", me.sessionsList)
	person("POST /account/sessions/end", out.endOther)
	openPage("GET /events", noHead(live.stream))
	if p.Failures != nil {
		person("GET /flows/failures", f.forHelpDesk(failed.list))
		person("GET /flows/failures/{reference}", f.forHelpDesk(failed.show))
	}
	if p.Graph != nil {
		admin("GET /admin", func(w http.ResponseWriter, _ *http.Request, _ *session.Session) error {
			redirect(w, templates.AdminURL)
			return nil
		})
		area := newAdmin(f, p, auth)
		out.forget = area.views.forget
		admin("GET /admin/consent", area.list)
		admin("GET /admin/consent.csv", noHead(area.export))
		admin("POST /admin/consent/refresh", area.refresh)
		admin("GET /admin/consent/grant", area.grantPage)
		admin("POST /admin/consent/grant", area.grant)
		anyone("GET "+templates.AdminConsentBackURL, area.withoutSession(f.signedIn(auth.forAdmins(noHead(area.granted)))))
		admin("GET /admin/consent/grants/{id}/withdraw", area.askWithdraw(area.grantWithdrawal))
		admin("POST /admin/consent/grants/{id}/withdraw", area.withdraw(area.grantWithdrawal))
		admin("GET /admin/consent/roles/{resource}/{id}/withdraw", area.askWithdraw(area.roleWithdrawal))
		admin("POST /admin/consent/roles/{resource}/{id}/withdraw", area.withdraw(area.roleWithdrawal))
		admin("GET /admin/requests", area.requests)
		admin("GET /admin/requests/{id}", area.request)
		admin("POST /admin/requests/{id}/approve", area.approveRequest)
		admin("POST /admin/requests/{id}/decline", area.decline)
		admin("POST /admin/requests/{id}/check", area.check)
		admin("GET /admin/permissions", area.permissions)
		admin("GET /admin/credentials", area.credentials)
		admin("POST /admin/allow", area.allow)
		if p.Scans != nil {
			admin("GET /admin/scans", (&scanNumbers{area, p.Scans}).show)
		}
	}
	var mine *subscriptions // nil where AzTS is not configured
	if p.AzTS != nil {
		mine = &subscriptions{frame: f, azts: p.AzTS, arm: p.ARM, broker: p.Broker, scans: p.Scans, closing: p.Closing}
		first.subscriptions = mine
		first.visits, first.news = p.Visits, newNewsroom(p)
		token := &tokens{frame: f, broker: p.Broker, auth: auth, azts: p.AzTS, mine: mine, catalogue: p.Catalogue, texts: newConsentTexts(f, p.Graph, p.Broker), scopes: p.SignIn.TokenScopes,
			clientID: p.ClientID, calls: newLimiter(tokenCalls, tokenCallsIn, p.Now), commands: templates.Commands{APIURL: p.AzTSURL, Scope: p.SignIn.TokenScopes[0],
				AppIDURI: p.Catalogue[0].AppIDURI, ClientID: entra.ResourceAppID(p.SignIn.TokenScopes[0]), LoginURL: p.LoginURL}}
		found := &findings{frame: f, service: p.Scans, archive: p.Results, subscriptions: mine, portalHost: p.PortalHost}
		scan := &scans{frame: f, service: p.Scans, subscriptions: mine, broker: p.Broker, auth: auth, findings: found}
		changes := newComparisons(f, p, mine)
		result := &latestResults{frame: f, azts: p.AzTS, subscriptions: mine, broker: p.Broker, portalHost: p.PortalHost}
		person("GET /tokens", token.show)
		person("POST /tokens", token.request)
		person("POST /tokens/reveal", token.reveal)
		person("POST /tokens/renew", token.renew)
		person("POST /tokens/forget", token.forget)
		person("POST /tokens/check", token.check)
		person("GET /tokens/history", token.history)
		person("GET /tokens/commands/{name}", token.download)
		person("GET /scans", scan.list)
		person("POST /scans", scan.start)
		person("GET /scans/new", scan.offer)
		person("POST /scans/new", scan.offer)
		person("POST /scans/{id}/again", scan.again)
		person("GET /scans/{id}", scan.follow)
		person("GET /scans/{id}/results/{number}", found.show)
		person("GET /scans/{id}/results.csv", noHead(found.exportCSV))
		person("GET /scans/{id}/results.jsonl", noHead(found.exportJSON))
		person("GET /scans/trend", changes.trend)
		person("GET /scans/{id}/compare", changes.choose)
		person("GET /scans/{id}/compare/{other}", changes.show)
		person("GET /scans/{id}/compare/{other}/changes.csv", noHead(changes.export))
		person("POST /scans/{id}/continue", scan.goOn)
		repeated := &schedules{frame: f, service: p.Scans, subscriptions: mine, auth: auth, delegations: p.Delegations}
		person("GET /scans/schedules", repeated.list)
		person("POST /scans/schedules", repeated.add)
		person("GET /scans/schedules/new", repeated.create)
		person("GET /scans/schedules/runs", repeated.runs)
		person("GET /scans/schedules/end", repeated.askEnd)
		person("POST /scans/schedules/end", repeated.end())
		person("GET /scans/schedules/withdraw", repeated.askWithdraw)
		person("POST /scans/schedules/withdraw", repeated.withdraw)
		person("POST /scans/schedules/pause", repeated.pause())
		person("POST /scans/schedules/resume", repeated.resume)
		person("POST /scans/schedules/remove", repeated.remove())
		person("POST /scans/schedules/dismiss", repeated.dismiss())
		person("POST /scans/schedules/confirm", repeated.confirm)
		person("POST /scans/schedules/renew", repeated.renew)
		person("GET /subscriptions/{id}/results", result.show)
		person("GET /subscriptions/{id}/results.csv", noHead(result.export))
	}

	inspector, err := entra.NewInspector(p.Provider, p.TrustedIssuers)
	if err != nil {
		return nil, err
	}
	look := &inspect{frame: f, inspector: inspector}
	person("GET /tokens/inspect", look.show)
	person("POST /tokens/inspect", look.decode)
	person("GET /tokens/inspect/keys", look.keys)
	if p.AzTS != nil {
		apps := &appTokens{frame: f, provider: p.Provider, broker: p.Broker, catalogue: p.Catalogue, azts: p.SignIn.TokenScopes[0],
			closing: p.Closing, open: p.OpenCertificate, tries: newLimiter(appTries, appTriesIn, p.Now), runs: auth.runs}
		person("GET /tokens/app", apps.show)
		mux.Handle("POST /tokens/app", limitBody(maxAppForm, f.serve(f.signedIn(apps.request))))
		person("POST /tokens/app/reveal", apps.reveal)
		person("POST /tokens/app/forget", apps.forget)
		if p.ManagedIdentity != "" {
			if apps.identity, err = entra.NewManagedIdentity(p.ManagedIdentity, nil, p.Now); err != nil {
				return nil, err
			}
			admin("POST /tokens/app/identity", apps.ownIdentity)
		}
	}

	f.flowRoutes(p, auth.runs, person)

	if p.Graph != nil {
		allowed := newMyAccess(p, f, auth, mine)
		person("GET /access", allowed.show)
		person("POST /access/scopes", allowed.ask)
		person("POST /access/requests", allowed.askAdmin)
		person("POST /access/list", allowed.visit)
		person("POST /access/refresh", allowed.refresh)
		person("GET /access/give-back", allowed.giveBackPage)
		person("POST /access/give-back", allowed.giveBack)
	}

	setup := newSetupHealth(f, p, auth)
	person("GET "+templates.FlowHealthURL, f.forHelpDesk(noHead(setup.show)))
	person("POST "+templates.FlowHealthURL, f.forHelpDesk(setup.again))
	person("POST "+templates.FlowHealthAllowURL, f.forHelpDesk(setup.allow))

	mux.Handle("/", f.nothing(mux))
	f.opens = func(path string) bool {
		_, pattern := mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}})
		return strings.HasPrefix(pattern, http.MethodGet+" ")
	}

	return f.outer(p.TrustedProxies, f.sameOrigin(mux)), nil
}

// noHead refuses HEAD where a body that nobody reads would be long in the making.
func noHead(h personal) personal {
	return func(w http.ResponseWriter, r *http.Request, live *session.Session) error {
		if r.Method == http.MethodHead {
			w.Header().Set("Allow", http.MethodGet)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return nil
		}
		return h(w, r, live)
	}
}

// nothing answers what no route is for: 405 where another method would do, else 404.
func (f *frame) nothing(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 {
			f.fail(w, r, errNotFound)
			return
		}
		if allowed[0] == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		f.failWith(w, r, http.StatusMethodNotAllowed, errMethod)
	})
}

var errMethod = apperr.New(apperr.Invalid, "method_not_allowed", "This address does not take that kind of request.").
	WithNext(apperr.MenderPerson, "Start again from the first page.")

func refOf(ctx context.Context) string { return reqlog.ID(ctx) }
