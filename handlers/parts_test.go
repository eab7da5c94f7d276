package handlers

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/doctor"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/flows"
	"azts.internal/portal/internal/graph"
	"azts.internal/portal/session"
)

type noDatabase struct{}

func (noDatabase) Ping(context.Context) error { return nil }

// TestNewNamesWhatIsMissing, so that a new part that nobody made is found at the
// start.
func TestNewNamesWhatIsMissing(t *testing.T) {
	if _, err := New(Parts{}); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("nothing is there: %v", err)
	}
	p := Parts{Sessions: new(session.Store), Provider: new(entra.Provider), Broker: new(entra.Broker), Database: noDatabase{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		BaseURL: "https://portal.example", Closing: make(chan struct{}), Going: new(sync.WaitGroup), OpenCertificate: entra.Opener(func(context.Context, []byte) ([]byte, error) { return nil, nil }),
		Lab: new(flows.Lab), Tenant: new(flows.TenantRuns), Runs: new(flows.Keeper), Doctor: new(doctor.Doctor)}
	if err := p.complete(); err != nil {
		t.Fatalf("all is there: %v", err)
	}
	for name, change := range map[string]func(*Parts){
		"Lab":         func(p *Parts) { p.Lab = nil },
		"BaseURL":     func(p *Parts) { p.BaseURL = "" },
		"Delegations": func(p *Parts) { p.AzTS = new(azts.Client) },
		"Consent":     func(p *Parts) { p.Graph = new(graph.Client) },
	} {
		broken := p
		change(&broken)
		if err := broken.complete(); err == nil || name != "Delegations" && !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
