package entra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"azts.internal/portal/internal/seal"
)

// TestAppTokensOfASession: what a session keeps of applications' tokens, sealed,
// and apart from its person's.
func TestAppTokensOfASession(t *testing.T) {
	ctx := context.Background()
	now := credentialNow
	memory := &tokenMemory{tokens: map[string]SealedToken{}}
	keys, err := seal.NewKeyRing(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	broker := &Broker{records: memory, keys: keys, now: func() time.Time { return now }}
	save := func(clientID string, life time.Duration) AppToken {
		t.Helper()
		kept, err := broker.SaveApp(ctx, testSession, AppToken{ClientID: clientID, TenantID: testTenant, Flow: FlowClientCredentials,
			AccessToken: AccessToken{Value: "token of " + clientID, Scopes: []string{"api://azts/.default"}, IssuedAt: now, ExpiresAt: now.Add(life), Purpose: "nightly"}})
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	first := save("one", time.Hour)
	for key, stored := range memory.tokens {
		if bytes.Contains(stored.Sealed, []byte("token of")) {
			t.Errorf("%q is readable", key)
		}
		if stored.IssueID == "" || stored.Flow != FlowClientCredentials || stored.Purpose != "nightly" || stored.IssuedAt.IsZero() {
			t.Errorf("the history gets %+v", stored)
		}
	}
	if held, err := broker.Held(ctx, testSession); err != nil || len(held) != 0 {
		t.Errorf("a person holds the token of an application: %v, %v", held, err)
	}
	got, err := broker.AppTokenByID(ctx, testSession, first.ID)
	if err != nil || got.Value != "token of one" || got.ClientID != "one" || got.TenantID != testTenant {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := broker.AppTokenByID(ctx, SessionID{2}, first.ID); !errors.Is(err, ErrNoToken) {
		t.Errorf("another session: %v", err)
	}
	// Renewing replaces.
	if again := save("one", 2*time.Hour); again.ID != first.ID {
		t.Errorf("the same application has two ids: %s, %s", first.ID, again.ID)
	}
	for i := range maxAppTokens {
		save(fmt.Sprint("other ", i), time.Duration(3+i)*time.Hour)
	}
	tokens, err := broker.AppTokens(ctx, testSession)
	if err != nil || len(tokens) != maxAppTokens {
		t.Fatalf("%d tokens, %v", len(tokens), err)
	}
	for _, token := range tokens {
		if token.ClientID == "one" {
			t.Error("the one that ends first did not make room")
		}
	}
	now = now.Add(5 * time.Hour)
	if tokens, err = broker.AppTokens(ctx, testSession); err != nil || len(tokens) != maxAppTokens-3 {
		t.Errorf("later there are %d tokens, %v", len(tokens), err)
	}
	if err := broker.ForgetApp(ctx, testSession, tokens[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := broker.AppTokenByID(ctx, testSession, tokens[0].ID); !errors.Is(err, ErrNoToken) {
		t.Errorf("a forgotten token: %v", err)
	}
}
