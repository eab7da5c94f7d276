package entra

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
)

var (
	ann = access.PersonID{Authority: "t", Subject: "ann"}
	bob = access.PersonID{Authority: "t", Subject: "bob"}
)

// delegationMemory keeps delegations.
type delegationMemory struct {
	mu     sync.Mutex
	kept   map[access.PersonID]Delegation
	issues []Issue
}

func (m *delegationMemory) SaveDelegation(_ context.Context, d Delegation, issue Issue) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[d.Owner] = d
	m.issues = append(m.issues, issue)
	return nil
}

func (m *delegationMemory) RotateDelegation(ctx context.Context, d Delegation, issue Issue) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if stored, there := m.kept[d.Owner]; !there || !stored.KeptAt.Equal(d.KeptAt) {
		return ErrNoDelegation
	}
	m.kept[d.Owner] = d
	m.issues = append(m.issues, issue)
	return ctx.Err()
}

func (m *delegationMemory) LoadDelegation(_ context.Context, owner access.PersonID) (Delegation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, there := m.kept[owner]
	if !there {
		return Delegation{}, ErrNoDelegation
	}
	return d, nil
}

func (m *delegationMemory) DeleteDelegation(_ context.Context, owner access.PersonID, keptAt time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if keptAt.IsZero() || m.kept[owner].KeptAt.Equal(keptAt) {
		delete(m.kept, owner)
	}
	return nil
}

func (m *delegationMemory) DeleteUnusedDelegations(context.Context, time.Time) (int, error) {
	panic("which are used is not known here")
}

func (m *delegationMemory) issued() []Issue {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Issue(nil), m.issues...)
}

// delegating returns delegations at an authority, with the first refresh token of
// ann's in them.
func delegating(t *testing.T, a *authority) (*Delegations, *delegationMemory) {
	t.Helper()
	records := &delegationMemory{kept: map[access.PersonID]Delegation{}}
	d, err := NewDelegations(brokerOf(t, a), records, []string{testScope})
	if err != nil {
		t.Fatal(err)
	}
	brought := &TokenSet{AccessToken: "access-0", RefreshToken: "refresh-0", ReceivedAt: a.Now(), ExpiresAt: a.Now().Add(time.Hour)}
	if err := d.Keep(t.Context(), access.User{ID: ann, Issuer: a.issuer()}, brought); err != nil {
		t.Fatal(err)
	}
	return d, records
}

func wantToken(t *testing.T, d *Delegations, want string) {
	t.Helper()
	if token, err := d.Token(t.Context(), ann, time.Time{}); err != nil || token.Value != want {
		t.Errorf("token %q, %v; want %q", token.Value, err, want)
	}
}

func TestDelegationRotates(t *testing.T) {
	a := newAuthority(t)
	endpoint := &rotating{}
	a.answerWith(endpoint.answer)
	d, records := delegating(t, a)
	wantToken(t, d, "access-0") // what the visit brought
	a.pass(54 * time.Minute)
	wantToken(t, d, "access-0")
	a.pass(time.Minute)
	wantToken(t, d, "access-1") // five minutes before its end
	wantToken(t, d, "access-1")
	a.pass(time.Hour)
	wantToken(t, d, "access-2") // with the refresh token that came with the one before
	issued := records.issued()
	if len(issued) != 3 || issued[0].Flow != FlowAuthorizationCode || issued[2].Flow != FlowSchedule || issued[2].Resource != "api://azts" || issued[1].ID == issued[2].ID {
		t.Errorf("issues %+v", issued)
	}
	if _, err := d.Token(t.Context(), bob, time.Time{}); !errors.Is(err, ErrNoDelegation) {
		t.Errorf("another person: %v", err)
	}
}

// Sixteen looks of two processes make one refresh: a second use of the same
// refresh token would be taken for theft.
func TestDelegationIsRefreshedOnceAtATime(t *testing.T) {
	a := newAuthority(t)
	endpoint := &rotating{}
	a.answerWith(endpoint.answer)
	one, records := delegating(t, a)
	other, err := NewDelegations(one.broker, records, one.scopes) // with a memory of its own
	if err != nil {
		t.Fatal(err)
	}
	a.pass(2 * time.Hour)
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			d := []*Delegations{one, other}[n%2]
			if _, err := d.Token(t.Context(), ann, time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := endpoint.count(); n != 2 || endpoint.revoked {
		t.Errorf("%d refreshes, revoked %v; want one for each process", n, endpoint.revoked)
	}
}

// refusingGrants is a token endpoint that refuses with a document.
func refusingGrants(status int, document map[string]any) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/token" {
			return false
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(document) // the test sees what comes
		return true
	}
}

func TestDelegationThatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		document map[string]any
		refused  bool
		claims   string
		person   bool
		kind     apperr.Kind
	}{
		"withdrawn":        {400, map[string]any{"error": "invalid_grant", "error_codes": []int{50173}}, true, "", false, 0},
		"disabled":         {400, map[string]any{"error": "invalid_grant", "error_codes": []int{50057}}, true, "", false, 0},
		"consent is gone":  {400, map[string]any{"error": "invalid_grant", "suberror": "consent_required", "error_codes": []int{65001}}, true, "", false, 0},
		"more proof":       {400, map[string]any{"error": "interaction_required", "error_codes": []int{50076}, "claims": `{"a":1}`}, false, `{"a":1}`, true, 0},
		"proof, as Entra":  {400, map[string]any{"error": "invalid_grant", "suberror": "basic_action", "error_codes": []int{50076}}, false, "", true, 0},
		"claims alone":     {400, map[string]any{"error": "invalid_grant", "claims": `{"a":1}`}, false, `{"a":1}`, true, 0},
		"our own secret":   {401, map[string]any{"error": "invalid_client", "error_codes": []int{7000222}}, false, "", false, apperr.Forbidden},
		"tenant is down":   {503, map[string]any{"error": "temporarily_unavailable"}, false, "", false, apperr.Unavailable},
		"tenant is broken": {500, map[string]any{}, false, "", false, apperr.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			d, records := delegating(t, a)
			a.answerWith(refusingGrants(c.status, c.document))
			a.pass(2 * time.Hour)
			_, err := d.Token(t.Context(), ann, time.Time{})
			var required *InteractionRequired
			if errors.Is(err, ErrDelegationRefused) != c.refused || errors.As(err, &required) != c.person || c.kind != 0 && !apperr.IsKind(err, c.kind) {
				t.Fatalf("%v (kind %v)", err, apperr.From(err).Kind)
			}
			if c.person && required.Claims != c.claims {
				t.Errorf("claims %q", required.Claims)
			}
			if _, there := records.kept[ann]; there == c.refused {
				t.Errorf("kept %v after %v", there, err)
			}
			if c.refused {
				return
			}
			a.answerWith((&rotating{}).answer)
			wantToken(t, d, "access-1") // it heals
		})
	}
}

// The attack: a row that is copied to another person gives them nothing, and
// costs nobody what is theirs.
func TestAttackDelegationOfAnotherPerson(t *testing.T) {
	a := newAuthority(t)
	endpoint := &rotating{}
	a.answerWith(endpoint.answer)
	d, records := delegating(t, a)
	stolen := records.kept[ann]
	stolen.Owner = bob
	records.kept[bob] = stolen
	var required *InteractionRequired
	if token, err := d.Token(t.Context(), bob, time.Time{}); !errors.As(err, &required) || token.Value != "" || endpoint.count() != 0 {
		t.Errorf("got %q, %v after %d refreshes", token.Value, err, endpoint.count())
	}
	wantToken(t, d, "access-0")
}

// The attack: the portal is configured for another tenant, whose token endpoint
// would be handed what persons brought from theirs. It is asked nothing, neither
// for repeated scans nor for those of a session that is not seen any more.
func TestAttackTokenOfAnotherIssuer(t *testing.T) {
	a := newAuthority(t)
	endpoint := &rotating{}
	a.answerWith(endpoint.answer)
	d, records := delegating(t, a)
	a.pass(2 * time.Hour)
	forged := records.kept[ann]
	a.metadata["issuer"] = a.url + "/another/v2.0"
	moved, err := NewBroker(a.provider(), d.broker.records, d.broker.keys, a.Now)
	if err != nil {
		t.Fatal(err)
	}
	after, err := NewDelegations(moved, records, d.scopes)
	if err != nil {
		t.Fatal(err)
	}
	var required *InteractionRequired
	if token, err := moved.TokenOfPerson(t.Context(), ann, Request{Scopes: []string{testScope}}); !errors.As(err, &required) || token.Value != "" {
		t.Errorf("of a session: %q, %v", token.Value, err)
	}
	if token, err := after.Token(t.Context(), ann, time.Time{}); !errors.Is(err, ErrNoDelegation) || token.Value != "" {
		t.Errorf("of what is kept: %q, %v", token.Value, err)
	}
	if len(records.kept) != 0 || endpoint.count() != 0 {
		t.Errorf("%d kept after %d requests", len(records.kept), endpoint.count())
	}

	// A row that somebody gave today's issuer opens as little.
	forged.Issuer = a.issuer()
	records.kept[ann] = forged
	if token, err := after.Token(t.Context(), ann, time.Time{}); !errors.As(err, &required) || token.Value != "" || endpoint.count() != 0 {
		t.Errorf("forged: %q, %v", token.Value, err)
	}
}

func TestForgottenDelegationGivesNothing(t *testing.T) {
	a := newAuthority(t)
	endpoint := &rotating{held: make(chan struct{}), asked: make(chan struct{}, 1)}
	held := endpoint.held
	a.answerWith(endpoint.answer)
	d, records := delegating(t, a)
	other, err := NewDelegations(d.broker, records, d.scopes)
	if err != nil {
		t.Fatal(err)
	}
	a.pass(2 * time.Hour)
	got := make(chan error, 1)
	go func() {
		token, err := d.Token(t.Context(), ann, time.Time{})
		if token.Value != "" {
			t.Errorf("a token after the end: %q", token.Value)
		}
		got <- err
	}()
	<-endpoint.asked
	if err := other.Forget(t.Context(), ann, time.Time{}); err != nil { // on another replica, while it is refreshed here
		t.Fatal(err)
	}
	close(held)
	if err := <-got; !errors.Is(err, ErrNoDelegation) {
		t.Errorf("the refresh that was under way: %v", err)
	}
	if len(records.kept) != 0 {
		t.Error("it came back")
	}

	if err := d.Keep(t.Context(), access.User{ID: ann, Issuer: a.issuer()}, &TokenSet{AccessToken: "access", RefreshToken: "refresh", ReceivedAt: a.Now(), ExpiresAt: a.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	wantToken(t, d, "access")
	if err := other.Forget(t.Context(), ann, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if token, err := d.Token(t.Context(), ann, time.Time{}); !errors.Is(err, ErrNoDelegation) {
		t.Errorf("what is in memory outlives it: %q, %v", token.Value, err)
	}
}

func TestNothingToKeep(t *testing.T) {
	a := newAuthority(t)
	d, records := delegating(t, a)
	for _, brought := range []*TokenSet{nil, {AccessToken: "access", ReceivedAt: a.Now(), ExpiresAt: a.Now().Add(time.Hour)}} {
		if err := d.Keep(t.Context(), access.User{ID: bob, Issuer: a.issuer()}, brought); !apperr.HasCode(err, "no_refresh_token") || apperr.From(err).Next == "" {
			t.Errorf("%v", err)
		}
	}
	if len(records.kept) != 1 {
		t.Errorf("kept %v", records.kept)
	}
}

func TestSourceOfADelegation(t *testing.T) {
	a := newAuthority(t)
	endpoint := &rotating{}
	a.answerWith(endpoint.answer)
	d, _ := delegating(t, a)
	source := d.SourceOf(ann)
	token, err := source.Token(t.Context(), testScope)
	if err != nil || token != "access-0" {
		t.Fatalf("%q, %v", token, err)
	}
	if other, err := source.Token(t.Context(), "https://graph.microsoft.com/Mail.Read"); err == nil {
		t.Errorf("a token of another API: %q", other)
	}
	source.Invalidate(t.Context(), testScope, token)
	if token, err = source.Token(t.Context(), testScope); err != nil || token != "access-0" {
		t.Errorf("a fresh one is refused: %q, %v", token, err)
	}
	a.pass(10 * time.Minute)
	source.Invalidate(t.Context(), testScope, token)
	if token, err = source.Token(t.Context(), testScope); err != nil || token != "access-1" {
		t.Errorf("one of some age is refused: %q, %v", token, err)
	}
}

// The person leaves, or the process is asked to stop, while the provider rotates.
func TestDelegationSurvivesACutRefresh(t *testing.T) {
	a := newAuthority(t)
	endpoint := &rotating{held: make(chan struct{}), asked: make(chan struct{}, 9)}
	held := endpoint.held
	a.answerWith(endpoint.answer)
	d, _ := delegating(t, a)
	a.pass(2 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	go func() {
		_, err := d.Token(ctx, ann, time.Time{})
		got <- err
	}()
	<-endpoint.asked
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(held)
	if err := d.broker.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantToken(t, d, "access-1")
	a.pass(time.Hour)
	wantToken(t, d, "access-2")
}
