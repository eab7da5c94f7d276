package store

import (
	"context"
	"embed"
	"log/slog"
)

// migrations holds the schema's steps, goose files, once for each database:
// their column types differ, the rest does not.
//
//go:embed migrations/*/*.sql
var migrations embed.FS

// quiet keeps warnings and worse; River tells of every step at the info level.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(atLeast{log.Handler(), slog.LevelWarn}) }

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

// Handle drops what is said of work that was called off: stopping is no failure.
func (h atLeast) Handle(ctx context.Context, record slog.Record) error {
	if ctx.Err() != nil {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attrs), h.level}
}

func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
