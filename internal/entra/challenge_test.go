package entra

import (
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/seal"
)

// carrier returns a broker over a memory, with a clock that can be moved.
func carrier(t *testing.T) (*Broker, *tokenMemory, *time.Time) {
	t.Helper()
	keys, err := seal.NewKeyRing(slices.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	records := &tokenMemory{tokens: make(map[string]SealedToken)}
	b, err := NewBroker(&Provider{}, records, keys, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return b, records, &now
}

func (b *Broker) hold(t *testing.T, session SessionID, scope, value string, lives time.Duration) {
	t.Helper()
	sealed, err := b.Seal(session, []string{scope}, &TokenSet{AccessToken: value, ReceivedAt: b.now(), ExpiresAt: b.now().Add(lives),
		RefreshToken: "refresh-" + value}, "", FlowSignIn)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.records.SaveTokens(t.Context(), session, sealed...); err != nil {
		t.Fatal(err)
	}
}

func TestATokenOfOneSessionOpensInNoOther(t *testing.T) {
	b, records, _ := carrier(t)
	b.hold(t, SessionID{1}, "api://azts/x", "azts", time.Hour)
	stolen := records.tokens[string((&SessionID{1})[:])+"api://azts/x"]
	if err := records.SaveTokens(t.Context(), SessionID{2}, stolen); err != nil {
		t.Fatal(err)
	}
	if token, err := b.Cached(t.Context(), SessionID{2}, []string{"api://azts/x"}); err == nil {
		t.Errorf("it opened: %q", token.Value)
	}
}

func TestAnAnsweredChallengeIsRememberedForAWhile(t *testing.T) {
	b, _, now := carrier(t)
	session, scopes := SessionID{1}, []string{"api://azts/x"}
	challenge := ChallengeID(`{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`)
	if err := b.records.SaveTokens(t.Context(), session, b.sealAnswered(session, scopes, challenge)); err != nil {
		t.Fatal(err)
	}
	answered := func(session SessionID, scopes []string, challenge string) bool {
		t.Helper()
		yes, err := b.Answered(t.Context(), session, scopes, challenge)
		if err != nil {
			t.Fatal(err)
		}
		return yes
	}
	if !answered(session, scopes, challenge) {
		t.Error("the same challenge would be answered twice")
	}
	if answered(session, scopes, ChallengeID(`{"access_token":{"acrs":{"essential":true,"value":"c2"}}}`)) ||
		answered(session, []string{"api://other/x"}, challenge) || answered(SessionID{2}, scopes, challenge) {
		t.Error("another challenge, other scopes or another session count as answered")
	}
	*now = now.Add(challengeAge)
	if answered(session, scopes, challenge) {
		t.Error("it is remembered for ever")
	}
}

func TestAfterThreeChallengesTheNextIsALoop(t *testing.T) {
	b, _, now := carrier(t)
	session, scopes := SessionID{1}, []string{"api://azts/x", "api://azts/y"}
	for i, challenge := range []string{"one", "two", "three", "four"} {
		again, err := b.Answered(t.Context(), session, scopes, challenge)
		if err != nil || again != (i == 3) {
			t.Errorf("challenge %d is answered: %v, %v", i+1, again, err)
		}
		if err := b.records.SaveTokens(t.Context(), session, b.sealAnswered(session, scopes, challenge)); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := b.Answered(t.Context(), session, scopes[:1], "five"); again || err != nil {
		t.Errorf("those of other scopes count: %v", err)
	}
	*now = now.Add(challengeAge)
	if again, err := b.Answered(t.Context(), session, scopes, "five"); again || err != nil {
		t.Errorf("after a while they count still: %v", err)
	}
}

func TestMergedClaimsAskForBoth(t *testing.T) {
	const mfa = `{"id_token":{"amr":{"essential":true,"values":["mfa"]}}}`
	for second, want := range map[string]string{
		`{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`: `{"access_token":{"acrs":{"essential":true,"value":"c1"}},"id_token":{"amr":{"essential":true,"values":["mfa"]}}}`,
		`{"id_token":{"amr":null,"auth_time":null}}`:                `{"id_token":{"amr":{"essential":true,"values":["mfa"]},"auth_time":null}}`,
		`{}`: mfa,
	} {
		if got, err := MergeClaims(mfa, second); err != nil || got != want {
			t.Errorf("%s: %s, %v", second, got, err)
		}
	}
	for _, none := range []string{"", "[]", `"x"`, `{"id_token":1}`, "{"} {
		if got, err := MergeClaims(mfa, none); err == nil {
			t.Errorf("%q became %s", none, got)
		}
	}
}
