package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/session"
)

// logged is what was logged, as JSON lines.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// lines returns the records with the message.
func (l *logged) lines(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		if record["msg"] == message {
			found = append(found, record)
		}
	}
	return found
}

// nowhere is a network without a provider.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("there is no network here")
}

// newFrame returns a frame in which nobody is signed in, and what it logs.
func newFrame(t *testing.T) (*frame, *logged) {
	t.Helper()
	out := &logged{}
	log := slog.New(reqlog.Handler{Handler: slog.NewJSONHandler(out, nil)})
	keys, err := seal.NewKeyRing(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	// Without a cookie no record is asked for.
	sessions, err := session.New(struct{ session.Records }{}, keys, session.Options{Idle: time.Hour, Max: time.Hour,
		Accept: func(access.User) bool { return true }, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := entra.NewProvider(entra.Options{Issuer: "https://login.example", ClientID: "client", RedirectURL: "http://localhost/auth/callback",
		Client: &http.Client{Transport: nowhere{}}, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return &frame{sessions: sessions, provider: provider, now: time.Now, log: log}, out
}

// from is the context of a request from an address.
func from(ctx context.Context, addr string) context.Context {
	var client netip.Addr
	if addr != "" {
		client = netip.MustParseAddr(addr)
	}
	return reqlog.With(ctx, "REF", client)
}
