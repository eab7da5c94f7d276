package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"azts.internal/portal/handlers"
	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/arm"
	"azts.internal/portal/internal/azhttp"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/config"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/doctor"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/failures"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// stopLimit is how long requests under way may take once we were asked to
	// stop; then the jobs get as long again.
	stopLimit = 10 * time.Second
	// scanWorkers is how many looks at scans are under way at the same moment.
	// 1,000 scans can need 200 looks in a second, each of which mostly waits for
	// AzTS, up to a second.
	scanWorkers = 256
)

func newLogger(c *config.Config, w io.Writer) *slog.Logger {
	var h slog.Handler = slog.NewTextHandler(w, nil)
	if c.LogFormat == "json" {
		h = slog.NewJSONHandler(w, nil)
	}
	return slog.New(reqlog.Handler{Handler: h})
}

// portal is the running program.
type portal struct {
	config *config.Config
	log    *slog.Logger
	now    func() time.Time

	listener net.Listener
	baseURL  string
	up       *upstream
	db       *store.DB
	scans    *scan.Service
	provider *entra.Provider
	sessions *session.Store
	jobs     *store.Jobs
	people   []templates.SamplePerson
	closing  chan struct{}

	stops []func() error // in the order they were made; run backwards
	fails chan error     // of what runs until the end
	wait  sync.WaitGroup
	going sync.WaitGroup // streams of open pages; they end with closing
}

// serve runs the portal until ctx ends.
func serve(ctx context.Context, c *config.Config, stdout io.Writer, log *slog.Logger) (err error) {
	p := &portal{config: c, log: log, now: time.Now, closing: make(chan struct{}), fails: make(chan error, 4)}
	defer func() { err = errors.Join(err, p.stop()) }()
	if p.listener, err = net.Listen("tcp", c.Addr); err != nil {
		return err
	}
	p.onStop(func() error { return ignoreClosed(p.listener.Close()) })
	p.baseURL = c.BaseURL
	if host, port, _ := net.SplitHostPort(c.Addr); port == "0" && c.BaseURL == "http://"+c.Addr {
		_, port, _ = net.SplitHostPort(p.listener.Addr().String())
		p.baseURL = "http://" + net.JoinHostPort(host, port)
	}
	if err := p.reach(); err != nil {
		return err
	}
	handler, err := p.build(ctx)
	if err != nil {
		return err
	}
	p.onStop(func() error { p.going.Wait(); return nil }) // after the listener, before what they use
	p.listen(p.listener, handler, func() {
		close(p.closing)
		if p.scans != nil {
			p.scans.CloseSubscribers()
		}
	})
	log.Info("listening", "url", p.baseURL, "address", p.listener.Addr().String())
	p.announce(stdout)
	select {
	case <-ctx.Done():
		log.Info("stopping")
		return nil
	case err := <-p.fails:
		return err
	}
}

// onStop adds what is to be undone at the end.
func (p *portal) onStop(f func() error) { p.stops = append(p.stops, f) }

func (p *portal) stop() error {
	var err error
	for i := len(p.stops) - 1; i >= 0; i-- {
		err = errors.Join(err, p.stops[i]())
	}
	p.wait.Wait()
	return err
}

// background runs f until the program stops.
func (p *portal) background(f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p.wait.Add(1)
	go func() {
		defer p.wait.Done()
		defer close(done)
		f(ctx)
	}()
	p.onStop(func() error {
		cancel()
		<-done
		return nil
	})
}

// listen serves handler until the program stops; draining is called first then.
func (p *portal) listen(l net.Listener, handler http.Handler, draining func()) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelWarn)}
	server.RegisterOnShutdown(draining)
	p.wait.Add(1)
	go func() {
		defer p.wait.Done()
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.fails <- err
		}
	}()
	p.onStop(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			return errors.Join(err, server.Close())
		}
		return nil
	})
}

// reach decides what the portal talks to, and starts the sandbox if that is it.
func (p *portal) reach() error {
	if !p.config.Sandbox {
		up, err := realUpstream(p.config, p.now)
		p.up = up
		return err
	}
	l, err := net.Listen("tcp", p.config.SandboxAddr)
	if err != nil {
		return fmt.Errorf("the sandbox: %w", err)
	}
	p.onStop(func() error { return ignoreClosed(l.Close()) })
	box, err := sandbox.New(sandbox.Options{Origin: "http://" + l.Addr().String(), PortalURL: p.baseURL,
		Subscriptions: p.config.SandboxSubscriptions, ResultsPerSubscription: p.config.SandboxResults, Logger: p.log})
	if err != nil {
		return err
	}
	// An administrator has granted reading, as README asks; what changes consent is
	// asked for when somebody first needs it.
	if err := box.Consent(sandbox.PortalClientID, "", sandbox.GraphAudience+"/Directory.Read.All"); err != nil {
		return err
	}
	p.listen(l, box, func() {})
	p.up = sandboxUpstream(box.Settings())
	for _, person := range box.People() {
		p.people = append(p.people, templates.SamplePerson{Name: person.Name, Account: person.Account, Shows: person.Description,
			SignInURL: templates.LoginOptions{LoginHint: person.Account}.URL()})
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// keys returns the sealing keys; the sandbox's are made at each start.
func (p *portal) keys() (*seal.KeyRing, error) {
	secrets := p.config.SecretKeys
	if len(secrets) == 0 {
		key := make([]byte, seal.KeySize)
		rand.Read(key) // never fails (crypto/rand)
		secrets = [][]byte{key}
	}
	return seal.NewKeyRing(secrets...)
}

// open opens the database; the sandbox's is a new file that goes at the end.
func (p *portal) open(ctx context.Context) error {
	url := p.config.DatabaseURL
	if url == "" {
		dir, err := os.MkdirTemp("", "azts-portal-")
		if err != nil {
			return err
		}
		p.onStop(func() error { return os.RemoveAll(dir) })
		url = "sqlite:" + filepath.Join(dir, "portal.db")
	}
	db, err := store.Open(ctx, url, p.now, p.log)
	if err != nil {
		return err
	}
	p.db = db
	p.onStop(db.Close)
	return nil
}

// build makes every part and returns the portal's handler.
func (p *portal) build(ctx context.Context) (http.Handler, error) {
	c := p.config
	keys, err := p.keys()
	if err != nil {
		return nil, err
	}
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	if p.provider, err = entra.NewProvider(p.up.provider(p.baseURL, newClient(), p.now, p.log)); err != nil {
		return nil, err
	}
	p.background(p.provider.Run)
	if p.sessions, err = session.New(p.db, keys, session.Options{Idle: c.SessionIdle, Max: c.SessionMax,
		Accept: p.provider.Accepts, Now: p.now, Log: p.log}); err != nil {
		return nil, err
	}
	p.background(p.sessions.Watcher().Run)
	broker, err := entra.NewBroker(p.provider, p.db, keys, p.now)
	if err != nil {
		return nil, err
	}
	p.onStop(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		return broker.Wait(ctx)
	})
	opener, err := newCredentialOpener(p.closing)
	if err != nil {
		return nil, err
	}
	parts := handlers.Parts{BaseURL: p.baseURL, Sessions: p.sessions, Provider: p.provider, Broker: broker, OpenCertificate: opener.open,
		SignIn: p.up.signIn(c.ResponseType, c.RequireMFA),
		Rules: access.Rules{AdminRole: c.AdminRole, HelpDeskRole: c.HelpDeskRole, AdminDirectoryRoles: c.AdminDirectoryRoles,
			AdminGroups: c.AdminGroups},
		ClientID: p.up.clientID, LoginURL: p.up.loginURL(), Resources: p.up.resources, TrustedIssuers: c.TrustedIssuers, ManagedIdentity: c.ManagedIdentity,
		Catalogue:  p.up.catalogue(c.Cloud),
		AzTSURL:    p.up.aztsURL,
		PortalHost: p.up.portalHost, Database: p.db, TrustedProxies: c.TrustedProxies, People: p.people, Version: version(),
		Closing: p.closing, Going: &p.going, Now: p.now, Log: p.log}
	if parts.Failures, err = failures.New(p.db, keys, p.now); err != nil {
		return nil, err
	}
	if c.Sandbox {
		parts.Environment = "Sandbox"
	}
	if err := p.services(&parts, broker, keys); err != nil {
		return nil, err
	}
	if err := p.flowRuns(&parts, keys); err != nil {
		return nil, err
	}
	examined := p.up.examined(c, p.baseURL, p.provider, p.now)
	examined.Graph, examined.AzTS, examined.Database = parts.Graph, parts.AzTS, p.db
	if parts.Doctor, err = doctor.New(examined); err != nil {
		return nil, err
	}
	return handlers.New(parts)
}

// services makes the clients of the APIs and what stands on them.
func (p *portal) services(parts *handlers.Parts, broker *entra.Broker, keys *seal.KeyRing) error {
	workers := river.NewWorkers()
	var periodic []*river.PeriodicJob
	if p.up.graphURL != "" {
		var err error
		if parts.Graph, err = graph.New(graph.Config{BaseURL: p.up.graphURL, ScopeBase: p.up.graphScopeBase, Now: p.now}); err != nil {
			return err
		}
		if parts.Consent, err = consent.NewService(p.db, p.now, p.log); err != nil {
			return err
		}
	}
	if p.up.aztsURL != "" {
		var err error
		if parts.AzTS, err = azts.New(azhttp.Config{BaseURL: p.up.aztsURL, Scope: p.up.aztsScope, Transport: aztsTransport(), Now: p.now}); err != nil {
			return err
		}
		if p.up.armURL != "" {
			if parts.ARM, err = arm.New(azhttp.Config{BaseURL: p.up.armURL, Scope: p.up.armScope, Now: p.now}); err != nil {
				return err
			}
		}
		parts.Visits = p.db
		parts.ResultsDays = p.config.ResultsDays
		if parts.Results, err = results.New(results.Config{Records: p.db, Keys: keys, Now: p.now}); err != nil {
			return err
		}
		if parts.Delegations, err = entra.NewDelegations(broker, p.db, []string{p.up.aztsScope}); err != nil {
			return err
		}
		p.scans, err = scan.New(scan.Config{Records: p.db, AzTS: parts.AzTS, Tokens: ownerTokens{broker}, Log: p.log, Now: p.now, Feed: p.db.ScanFeed(),
			Schedules: p.db, Delegations: keptTokens{parts.Delegations},
			Results: parts.Results, Retention: time.Duration(p.config.ResultsDays) * 24 * time.Hour})
		if err != nil {
			return err
		}
		p.background(p.scans.Run)
		parts.Scans = p.scans
		p.scans.Register(workers)
		periodic = p.scans.Periodic()
	}
	var err error
	if p.up.aztsURL == "" {
		// Nothing is repeated here, and nobody could take back what was kept for it.
		if n, err := p.db.DeleteDelegations(context.Background()); err != nil {
			return err
		} else if n > 0 {
			p.log.Warn("without AzTS nothing is repeated: the permissions that were kept for it are erased", "persons", n)
		}
	}
	if p.jobs, err = p.db.NewJobs(workers, scanWorkers, periodic...); err != nil {
		return err
	}
	if err := p.jobs.Start(context.Background()); err != nil {
		return err
	}
	p.onStop(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		return p.jobs.Stop(ctx)
	})
	return nil
}

// aztsTransport keeps as many connections as looks at scans can use: the default
// keeps two, and each look would begin with a handshake.
func aztsTransport() http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = scanWorkers, scanWorkers
	return transport
}

// ownerTokens gives the follower of a scan the tokens of the scan's owner.
type ownerTokens struct{ broker *entra.Broker }

func (t ownerTokens) AzTSToken(_ context.Context, owner access.PersonID) (azts.TokenSource, error) {
	return ownerSource{t.broker.SourceOfPerson(owner)}, nil
}

// ownerSource says in the follower's terms when only the owner can help.
type ownerSource struct{ *entra.Source }

func (s ownerSource) Token(ctx context.Context, scope string) (string, error) {
	token, err := s.Source.Token(ctx, scope)
	var required *entra.InteractionRequired
	if errors.As(err, &required) {
		return "", &scan.OwnerNeeded{Claims: required.Claims, Cause: err}
	}
	return token, err
}

// keptTokens gives the follower of repeated scans the tokens of who agreed to it.
type keptTokens struct{ *entra.Delegations }

// Kept implements scan.Delegations.
func (t keptTokens) Kept(ctx context.Context, owner access.PersonID) (time.Time, error) {
	at, err := t.Delegations.Kept(ctx, owner)
	if errors.Is(err, entra.ErrNoDelegation) {
		return time.Time{}, nil
	}
	return at, err
}

// AzTSToken implements scan.Delegations.
func (t keptTokens) AzTSToken(_ context.Context, owner access.PersonID) (azts.TokenSource, error) {
	return keptSource{ownerSource{t.SourceOf(owner)}}, nil
}

// keptSource says in the follower's terms that there will be no more tokens.
type keptSource struct{ ownerSource }

func (s keptSource) Token(ctx context.Context, scope string) (string, error) {
	token, err := s.ownerSource.Token(ctx, scope)
	if errors.Is(err, entra.ErrNoDelegation) || errors.Is(err, entra.ErrDelegationRefused) {
		return "", fmt.Errorf("%w: %w", scan.ErrDelegationRefused, err)
	}
	return token, err
}

// announced is how many sample people fit into the one line at the start: the
// employee, the admin and the help desk; the landing page lists them all.
const announced = 3

// announce prints the one line that a newcomer needs.
func (p *portal) announce(stdout io.Writer) {
	line := "Portal: " + p.baseURL
	if p.config.Sandbox {
		var people []string
		for _, person := range p.people[:min(announced, len(p.people))] {
			people = append(people, person.Account)
		}
		line += " (sandbox; sign in as " + strings.Join(people, ", ") + ")"
	}
	fmt.Fprintln(stdout, line)
}
