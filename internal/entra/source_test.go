package entra

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
)

// refusing starts an API that takes only the tokens that good says, and returns
// a client of it.
func refusing(t *testing.T, calls *atomic.Int32, good func(token string) bool) *azhttp.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if !good(r.Header.Get("Authorization")) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	client, err := azhttp.New(azhttp.Config{BaseURL: server.URL, Scope: testScope, Service: "AzTS"})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestAttackViewsOfARefusedPage: an API that refuses every token makes no loop of
// renewals of the views of a page, for which the provider would lock us out.
func TestAttackViewsOfARefusedPage(t *testing.T) {
	a := newAuthority(t)
	endpoint := &rotating{}
	a.answerWith(endpoint.answer)
	b := brokerOf(t, a)
	var calls atomic.Int32
	api := refusing(t, &calls, func(string) bool { return false })
	view := func(times, grants int) {
		t.Helper()
		calls.Store(0)
		for range times {
			_, err := api.Do(t.Context(), b.SourceOfSession(testSession), azhttp.Request{Method: "GET", Path: "/x"})
			if !apperr.HasCode(err, "token_refused") {
				t.Fatalf("got %v, want the API's refusal", err)
			}
		}
		if endpoint.count() != grants {
			t.Errorf("%d refreshes, want %d", endpoint.count(), grants)
		}
	}
	if view(10, 1); calls.Load() != 10 {
		t.Errorf("ten views make %d calls", calls.Load())
	}
	a.pass(freshFor - time.Second)
	view(10, 1)
	a.pass(time.Second)
	view(10, 2) // the first view asks for one more, and that one is fresh
	if _, err := api.Do(t.Context(), b.SourceOfPerson(access.PersonID{Authority: "t", Subject: "ann"}), azhttp.Request{Method: "GET", Path: "/x"}); !apperr.HasCode(err, "token_refused") || endpoint.count() != 2 {
		t.Errorf("a look without the person: %v, %d refreshes", err, endpoint.count())
	}
}

// TestRefusedTokenIsRenewedOnce: a token that has been good for a while may be
// refused for its age; requests that learn so at once share the new one.
func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	a := newAuthority(t)
	endpoint := &rotating{}
	a.answerWith(endpoint.answer)
	b := brokerOf(t, a)
	if _, err := b.Token(t.Context(), testSession, Request{Scopes: []string{testScope}}); err != nil {
		t.Fatal(err)
	}
	a.pass(10 * time.Minute)
	var calls atomic.Int32
	api := refusing(t, &calls, func(token string) bool { return token == "Bearer access-2" })
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() {
			if _, err := api.Do(t.Context(), b.SourceOfSession(testSession), azhttp.Request{Method: "GET", Path: "/x"}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if endpoint.count() != 2 {
		t.Errorf("%d refreshes", endpoint.count())
	}
}
