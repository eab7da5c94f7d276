// Package reqlog owns what a log line knows of the request it belongs to: the
// request's reference number and the client's address.
//
// Both travel in the context, so that every line written with that context
// carries them without being told. The reference on an error page finds the
// line in the log. The invariant its users rely on: a reference is made here,
// never taken from a stranger.
package reqlog

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"log/slog"
	"net/netip"
)

type contextKey struct{}

type request struct {
	id     string
	client netip.Addr
}

// encoding leaves out letters that are misread on the telephone.
var encoding = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewID returns a new reference number: 60 random bits in twelve characters,
// such as "7K3M9QX2RB41", easy to read aloud.
func NewID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return encoding.EncodeToString(b[:])[:12]
}

// With returns a context that carries the reference and the client's address.
func With(ctx context.Context, id string, client netip.Addr) context.Context {
	return context.WithValue(ctx, contextKey{}, &request{id: id, client: client})
}

// ID returns the reference of the request that ctx belongs to, or "".
func ID(ctx context.Context) string {
	if r, ok := ctx.Value(contextKey{}).(*request); ok {
		return r.id
	}
	return ""
}

// Client returns the address of the client that ctx belongs to; the zero Addr
// when there is none.
func Client(ctx context.Context) netip.Addr {
	if r, ok := ctx.Value(contextKey{}).(*request); ok {
		return r.client
	}
	return netip.Addr{}
}

// Handler is a slog.Handler that adds the reference and the address of the
// context to each record.
type Handler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h Handler) Handle(ctx context.Context, record slog.Record) error {
	if r, ok := ctx.Value(contextKey{}).(*request); ok {
		record.AddAttrs(slog.String("ref", r.id))
		if r.client.IsValid() {
			record.AddAttrs(slog.String("client", r.client.String()))
		}
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return Handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h Handler) WithGroup(name string) slog.Handler { return Handler{h.Handler.WithGroup(name)} }
