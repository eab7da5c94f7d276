package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/seal"
)

var (
	testSession = SessionID{1}
	testScope   = "api://azts/user_impersonation"
)

// tokenMemory keeps the tokens of sessions that never end.
type tokenMemory struct {
	IssueRecords // not needed here
	mu           sync.Mutex
	tokens       map[string]SealedToken // session and resource → token
	issuer       string                 // that the sessions are by
}

func (m *tokenMemory) SaveTokens(ctx context.Context, session SessionID, tokens ...SealedToken) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, token := range tokens {
		m.tokens[string(session[:])+token.Resource] = token
	}
	return ctx.Err() // as a database does
}

func (m *tokenMemory) SaveVisit(ctx context.Context, session SessionID, _ time.Time, _, _ string, tokens ...SealedToken) error {
	return m.SaveTokens(ctx, session, tokens...)
}

func (m *tokenMemory) LoadToken(_ context.Context, session SessionID, resource string) (SealedToken, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	token, ok := m.tokens[string(session[:])+resource]
	if !ok {
		return SealedToken{}, ErrNoToken
	}
	return token, nil
}

func (m *tokenMemory) DeleteToken(_ context.Context, session SessionID, resource string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tokens, string(session[:])+resource)
	return nil
}

func (m *tokenMemory) ListTokens(_ context.Context, session SessionID) ([]SealedToken, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []SealedToken
	for _, key := range slices.Sorted(maps.Keys(m.tokens)) {
		if strings.HasPrefix(key, string(session[:])) {
			list = append(list, m.tokens[key])
		}
	}
	return list, nil
}

func (m *tokenMemory) SessionWithToken(context.Context, access.PersonID, string, time.Time) (SessionID, string, error) {
	return testSession, m.issuer, nil
}

func (m *tokenMemory) LockTokens(context.Context, string) (func(), error) { return func() {}, nil }

// rotating is a token endpoint that takes each refresh token once, and a second
// use of an old one for theft: then none is good any more.
type rotating struct {
	mu      sync.Mutex
	grants  int
	revoked bool
	held    chan struct{} // the next answer waits for it, when not nil
	asked   chan struct{} // told of each grant, when not nil
}

func (r *rotating) answer(w http.ResponseWriter, req *http.Request) bool {
	if req.URL.Path != "/token" {
		return false
	}
	r.mu.Lock()
	r.revoked = r.revoked || req.FormValue("refresh_token") != fmt.Sprint("refresh-", r.grants)
	revoked, held := r.revoked, r.held
	if !revoked {
		r.grants++
	}
	n := r.grants
	r.held = nil
	r.mu.Unlock()
	if r.asked != nil {
		r.asked <- struct{}{}
	}
	if held != nil {
		<-held
	}
	if revoked {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return true
	}
	body, err := json.Marshal(map[string]any{"token_type": "Bearer", "access_token": fmt.Sprint("access-", n), "refresh_token": fmt.Sprint("refresh-", n),
		"expires_in": 3600})
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(body)
	return true
}

func (r *rotating) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.grants
}

// brokerOf returns a broker with a session that has the authority's first
// refresh token.
func brokerOf(t *testing.T, a *authority) *Broker {
	t.Helper()
	keys, err := seal.NewKeyRing(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	records := &tokenMemory{tokens: map[string]SealedToken{}, issuer: a.issuer()}
	b, err := NewBroker(a.provider(), records, keys, a.Now)
	if err != nil {
		t.Fatal(err)
	}
	err = records.SaveTokens(t.Context(), testSession, SealedToken{Sealed: keys.Seal([]byte("refresh-0"), tokenPlace(testSession, refreshKey))})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAttackTabClosedDuringRefresh: the provider has rotated, the person has left.
// Were the answer lost, the next renewal would look like theft.
func TestAttackTabClosedDuringRefresh(t *testing.T) {
	a := newAuthority(t)
	endpoint := &rotating{held: make(chan struct{}), asked: make(chan struct{}, 9)}
	held := endpoint.held
	a.answerWith(endpoint.answer)
	b := brokerOf(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := b.Token(ctx, testSession, Request{Scopes: []string{testScope}})
		left <- err
	}()
	<-endpoint.asked
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	stopping, cancelStop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancelStop()
	if err := b.Wait(stopping); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody is told of a refresh under way: %v", err)
	}
	close(held)
	if err := b.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if token, err := b.Token(t.Context(), testSession, Request{Scopes: []string{testScope}}); err != nil || token.Value != "access-1" {
		t.Errorf("the token that came is %q, %v", token.Value, err)
	}
	if token, err := b.Token(t.Context(), testSession, Request{Scopes: []string{"api://other/x"}}); err != nil || token.Value != "access-2" {
		t.Errorf("the next renewal: %q, %v", token.Value, err)
	}
}

// TestAttackHangingTokenEndpoint: a refresh that hangs holds a page no longer
// than the page has time, nor the pages that wait for the same refresh.
func TestAttackHangingTokenEndpoint(t *testing.T) {
	a := newAuthority(t)
	endpoint, held := &rotating{}, make(chan struct{})
	t.Cleanup(func() { close(held) })
	a.answerWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			<-held
		}
		return endpoint.answer(w, r)
	})
	b := brokerOf(t, a)
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := b.Token(ctx, testSession, Request{Scopes: []string{testScope}}); !apperr.IsKind(err, apperr.Timeout) {
				t.Errorf("got %v", err)
			}
		})
	}
	wait.Wait()
}

// TestForgottenWhileRefreshed: what the person forgot does not come back with the
// refresh that was under way.
func TestForgottenWhileRefreshed(t *testing.T) {
	a := newAuthority(t)
	r := &rotating{held: make(chan struct{}), asked: make(chan struct{}, 1)}
	a.answerWith(r.answer)
	b := brokerOf(t, a)
	held := r.held
	refreshed, forgotten := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := b.Token(t.Context(), testSession, Request{Scopes: []string{testScope}})
		refreshed <- err
	}()
	<-r.asked
	go func() { forgotten <- b.Forget(t.Context(), testSession, []string{testScope}) }()
	select {
	case <-forgotten:
		t.Error("forgetting did not wait for the refresh")
		forgotten <- nil
	case <-time.After(50 * time.Millisecond): // as long as it has to be seen not waiting
	}
	close(held)
	if err := errors.Join(<-refreshed, <-forgotten); err != nil {
		t.Error(err)
	}
	if token, err := b.Cached(t.Context(), testSession, []string{testScope}); !errors.Is(err, ErrNoToken) {
		t.Errorf("after it was forgotten there is %+v, %v", token, err)
	}
}
