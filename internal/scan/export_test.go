package scan

import (
	"context"
	"time"
)

// Follow lets tests take single looks.
func (s *Service) Follow(ctx context.Context, id ID) (time.Duration, error) { return s.Look(ctx, id) }

// Limits of live updates, for tests that go beyond them.
const (
	EventBuffer    = eventBuffer
	MaxSubscribers = maxSubscribers
)

// PauseAt lets tests see how pauses grow.
var PauseAt = pauseAt
