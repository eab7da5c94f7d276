package entra

import (
	"context"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
)

// Source gives access tokens to a client of an API: from one session, from
// whichever session of a person is live, or by a delegation. It is safe for concurrent use and meant
// for one piece of work.
type Source struct {
	ask func(ctx context.Context, want Request) (AccessToken, error)
	now func() time.Time

	mu      sync.Mutex
	given   map[string]AccessToken // scope → the token given last
	refused map[string]time.Time   // scope → when the token was issued that an API refused
}

// freshFor is how long after its issue a token is not renewed because an API
// refused it: the next one would be refused as well. A source lives for one page,
// but the time of issue is kept with the session's token, so that views of a page
// do not add up to a loop of renewals (AADSTS50196, entra.md §2.7).
const freshFor = 5 * time.Minute

// SourceOfSession returns a source of one session's tokens.
func (b *Broker) SourceOfSession(session SessionID) *Source {
	return &Source{now: b.now, ask: func(ctx context.Context, want Request) (AccessToken, error) { return b.Token(ctx, session, want) }}
}

// SourceOfPerson returns a source of the tokens of any live session of a person,
// for work that outlives a page.
func (b *Broker) SourceOfPerson(person access.PersonID) *Source {
	return &Source{now: b.now, ask: func(ctx context.Context, want Request) (AccessToken, error) {
		return b.TokenOfPerson(ctx, person, want)
	}}
}

// Token returns an access token for a scope, as [Broker.Token] and [Delegations.Token] do. After
// Invalidate it is another one, unless the refused one was fresh.
func (s *Source) Token(ctx context.Context, scope string) (string, error) {
	s.mu.Lock()
	want := Request{Scopes: []string{scope}, NewerThan: s.refused[scope]}
	s.mu.Unlock()
	token, err := s.ask(ctx, want)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given == nil {
		s.given = make(map[string]AccessToken)
	}
	s.given[scope] = token
	return token.Value, nil
}

// Invalidate says that the API refused a token that Token returned for the
// scope. If it was issued in the last five minutes, it stays the one there is.
func (s *Source) Invalidate(_ context.Context, scope, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	given := s.given[scope]
	if given.Value != token || s.now().Sub(given.IssuedAt) < freshFor {
		return
	}
	if s.refused == nil {
		s.refused = make(map[string]time.Time)
	}
	s.refused[scope] = given.IssuedAt
}
