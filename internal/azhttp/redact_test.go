package azhttp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// sentToken is a token as Entra's look, of header, claims and signature.
var sentToken = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9." + "eyJhdWQiOiJhcGk6Ly9henRzIiwibmFtZSI6IkRhbmEifQ" + strings.Repeat("q7Zk", 300) + "." + strings.Repeat("S1gn-atUre_", 30)

type oneToken string

func (o oneToken) Token(context.Context, string) (string, error) { return string(o), nil }
func (o oneToken) Invalidate(context.Context, string, string)    {}

// TestAttackTokenInError: services repeat the Authorization header in their
// errors, whole or cut, and none of it gets into the log.
func TestAttackTokenInError(t *testing.T) {
	enc := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	middle := sentToken[200:900]
	for name, body := range map[string]string{
		"in JSON":               enc(map[string]string{"message": "IDX10223: Lifetime validation failed. token: '" + sentToken + "'"}),
		"in text":               "Blocked. Authorization: Bearer " + sentToken,
		"as the code":           enc(map[string]any{"error": map[string]string{"code": sentToken, "message": "no"}}),
		"in the middle":         enc(map[string]string{"detail": strings.Repeat("x", 1000) + sentToken}),
		"cut off":               "Bad token " + sentToken[:40] + "…",
		"a piece":               "Bad signature: " + sentToken[len(sentToken)-60:],
		"the middle":            "…" + middle + "… is wrong",
		"beyond what is read":   strings.Repeat("y", maxProblemBody-20) + sentToken,
		"somebody else's":       "other: eyJhbGciOiJub25lIn0.eyJzdWIiOiJvdGhlciJ9.c2lnbmF0dXJl",
		"twice, with an escape": `{"message":"\u0065yJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9 ` + sentToken + ` and ` + sentToken + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Ms-Request-Id", "id of "+sentToken)
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(body))
			})
			_, err := f.Do(t.Context(), oneToken(sentToken), Request{Method: http.MethodGet, Path: "/x"})
			var call *CallError
			if !errors.As(err, &call) {
				t.Fatal(err)
			}
			text := call.Error() + call.Code + call.Message + call.RequestID
			for i := 0; i+piece <= len(sentToken); i++ {
				if strings.Contains(text, sentToken[i:i+piece]) {
					t.Fatalf("it tells %q", sentToken[i:i+piece])
				}
			}
			if strings.Contains(text, "eyJhbGciOiJub25l") || !strings.Contains(text, hidden) {
				t.Errorf("it says %q", text)
			}
		})
	}
}

func TestRedactLeavesTheRest(t *testing.T) {
	for in, out := range map[string]string{
		"":                                    "",
		"The subscription was not found.":     "The subscription was not found.",
		"a " + sentToken + " b " + sentToken:  "a [token] b [token]",
		sentToken[50:80] + "!":                "[token]!",
		"eyJ is how they begin":               "eyJ is how they begin",
		sentToken[:piece-1][3:] + " is short": sentToken[:piece-1][3:] + " is short",
	} {
		if got := redact(in, sentToken); got != out {
			t.Errorf("%.60q becomes %.60q, want %q", in, got, out)
		}
	}
	if got := redact("opaque: token-17.", "token-17"); got != "opaque: [token]." {
		t.Errorf("a short token: %q", got)
	}
	if got := redact("not found", "t"); got != "not found" {
		t.Errorf("a token of one letter: %q", got)
	}
	// What a broken answer is quoted with.
	if err := redactError(errors.New(`malformed HTTP response "`+sentToken+`"`), sentToken); strings.Contains(err.Error(), "eyJ") {
		t.Error(err)
	}
	if err := redactError(context.DeadlineExceeded, sentToken); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an error without a token becomes %v", err)
	}
}
