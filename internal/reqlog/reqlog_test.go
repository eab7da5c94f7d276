package reqlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"azts.internal/portal/internal/reqlog"
)

func TestReferencesAreReadAloudAndDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for range 10_000 {
		id := reqlog.NewID()
		// I, L, O and U are misread.
		if len(id) != 12 || strings.Trim(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" {
			t.Fatalf("reference %q", id)
		}
		if seen[id] {
			t.Fatalf("%s was given twice", id)
		}
		seen[id] = true
	}
}

func TestContextKnowsItsRequest(t *testing.T) {
	client := netip.MustParseAddr("198.51.100.7")
	ctx := reqlog.With(t.Context(), "7K3M9QX2RB41", client)
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, c := range []context.Context{ctx, inner, context.WithoutCancel(inner)} {
		if reqlog.ID(c) != "7K3M9QX2RB41" || reqlog.Client(c) != client {
			t.Errorf("%q, %v", reqlog.ID(c), reqlog.Client(c))
		}
	}
	if reqlog.ID(t.Context()) != "" || reqlog.Client(t.Context()).IsValid() {
		t.Error("a context without a request has one")
	}
}

// record logs with the handler and returns what was written.
func record(t *testing.T, ctx context.Context, change func(*slog.Logger) *slog.Logger) map[string]any {
	t.Helper()
	var b bytes.Buffer
	log := slog.New(reqlog.Handler{Handler: slog.NewJSONHandler(&b, nil)})
	if change != nil {
		log = change(log)
	}
	log.InfoContext(ctx, "hello", "own", 1)
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v in %q", err, b.String())
	}
	return got
}

func TestLinesCarryTheirRequest(t *testing.T) {
	ctx := reqlog.With(t.Context(), "7K3M9QX2RB41", netip.MustParseAddr("198.51.100.7"))
	for name, change := range map[string]func(*slog.Logger) *slog.Logger{
		"plain":      nil,
		"attributes": func(l *slog.Logger) *slog.Logger { return l.With("a", "b") },
	} {
		got := record(t, ctx, change)
		if got["ref"] != "7K3M9QX2RB41" || got["client"] != "198.51.100.7" || got["own"] != float64(1) {
			t.Errorf("%s: %v", name, got)
		}
	}
	grouped, ok := record(t, ctx, func(l *slog.Logger) *slog.Logger { return l.WithGroup("g") })["g"].(map[string]any)
	if !ok || grouped["ref"] != "7K3M9QX2RB41" || grouped["own"] != float64(1) {
		t.Errorf("in a group: %v", grouped)
	}
	if got := record(t, t.Context(), nil); got["ref"] != nil || got["client"] != nil {
		t.Errorf("without a request: %v", got)
	}
	if got := record(t, reqlog.With(t.Context(), "7K3M9QX2RB41", netip.Addr{}), nil); got["ref"] != "7K3M9QX2RB41" || got["client"] != nil {
		t.Errorf("without an address: %v", got)
	}
}
