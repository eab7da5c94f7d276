package entra

import (
	"context"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
)

// Source gives access tokens to a client of an API, from one session or from
// whichever session of a person is live. It is safe for concurrent use and meant
// for one piece of work.
type Source struct {
	broker  *Broker
	session SessionID       // zero: of the person
	person  access.PersonID // when session is zero

	mu      sync.Mutex
	refused map[string]time.Time // scope → when an API refused its token
}

// SourceOfSession returns a source of one session's tokens.
func (b *Broker) SourceOfSession(session SessionID) *Source {
	return &Source{broker: b, session: session}
}

// SourceOfPerson returns a source of the tokens of any live session of a person,
// for work that outlives a page.
func (b *Broker) SourceOfPerson(person access.PersonID) *Source {
	return &Source{broker: b, person: person}
}

// Token returns an access token for a scope, as [Broker.Token] does.
func (s *Source) Token(ctx context.Context, scope string) (string, error) {
	s.mu.Lock()
	newerThan := s.refused[scope]
	s.mu.Unlock()
	var token AccessToken
	var err error
	if s.session == (SessionID{}) {
		token, err = s.broker.TokenOfPerson(ctx, s.person, []string{scope}, newerThan)
	} else {
		token, err = s.broker.Token(ctx, s.session, []string{scope}, newerThan)
	}
	return token.Value, err
}

// Invalidate says that the API refused the token that Token returned last for
// the scope: the next one is a new one.
func (s *Source) Invalidate(_ context.Context, scope, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil {
		s.refused = make(map[string]time.Time)
	}
	s.refused[scope] = s.broker.now()
}
