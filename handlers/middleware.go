package handlers

import (
	"bufio"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/templates"
)

// maxForm bounds the body of every form of ours; the callback has its own bound.
const maxForm = 1 << 20

// recorder remembers what was sent, for the log. Unwrap keeps
// http.ResponseController working.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements http.Hijacker. A connection that is taken over for a stream
// is an answer as well, and must not be followed by a page.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rest, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusOK
	}
	return conn, rest, err
}

// outer is what every request passes, whatever its route: reference, client
// address, log line, and a page instead of a broken connection on a panic.
func (f *frame) outer(trusted []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := f.now()
		r = r.WithContext(reqlog.With(r.Context(), reqlog.NewID(), clientAddr(r, trusted)))
		rec := &recorder{ResponseWriter: w}
		defer func() {
			p := recover()
			begun := rec.status != 0
			if p != nil && p != http.ErrAbortHandler {
				f.log.ErrorContext(r.Context(), "panic", "value", p, "stack", string(debug.Stack()))
				if !begun {
					f.fail(rec, r, errPanic)
				}
			}
			f.access(r, rec, started)
			if p == http.ErrAbortHandler || p != nil && begun {
				panic(http.ErrAbortHandler) // the server breaks the connection: half an answer must not look whole
			}
		}()
		securityHeaders(w.Header(), f.contentPolicy())
		if f.overTLS {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(rec, r)
	})
}

var errPanic = apperr.New(apperr.Internal, "internal", "Something went wrong on our side.").
	WithNext(apperr.MenderHelpDesk, "Try again. If it stays, give the help desk the reference below.").WithRetry()

// access writes the access log. The query stays out of it: it may hold a
// provider's hints about a person.
func (f *frame) access(r *http.Request, rec *recorder, started time.Time) {
	if !f.log.Enabled(r.Context(), slog.LevelInfo) || strings.HasPrefix(r.URL.Path, "/static/") ||
		r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return
	}
	f.log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("method", r.Method), slog.String("path", pathShown(r.URL.Path)),
		slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", f.now().Sub(started)))
}

// pathShown returns a path as logs, error pages and the help desk may have it: who
// knows the address of a shared run may open it. It is looked for behind dots and
// double slashes too, which lead to the same page by a redirect.
func pathShown(shown string) string {
	if token, ok := strings.CutPrefix(path.Clean("/"+shown), templates.SharedRunURL("")); ok {
		_, file, _ := strings.Cut(token, "/")
		shown = strings.TrimSuffix(templates.SharedRunURL("")+"{token}/"+file, "/")
	}
	return clipped(shown)
}

// clipped keeps a long path from filling the log.
func clipped(path string) string {
	const most = 256
	if len(path) > most {
		return strings.ToValidUTF8(path[:most], "") + "…"
	}
	return path
}

// clientAddr returns the address of whoever asks: the connection's, or, when
// that is a trusted proxy, the last address in X-Forwarded-For that is none.
// What stands before it was written by the client.
func clientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	addr = addr.Unmap()
	if len(trusted) == 0 || !inAny(addr, trusted) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := parseHop(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
		if !inAny(addr, trusted) {
			break
		}
	}
	return addr
}

// parseHop reads an address, which Azure Application Gateway writes with the port.
func parseHop(hop string) (netip.Addr, error) {
	if withPort, err := netip.ParseAddrPort(hop); err == nil {
		return withPort.Addr(), nil
	}
	return netip.ParseAddr(hop)
}

func inAny(addr netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// contentPolicy is the content security policy of our pages. Browsers hold the
// redirects of a form to it as well, and some forms of ours end at the provider:
// signing out, and a token that needs the person. From there it goes on to
// places we cannot know, such as a federated sign-in or the check of a device;
// so any https address may follow, and the provider's own where that is http.
func (f *frame) contentPolicy() string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'; form-action 'self' https:" + f.provider.OriginList()
}

// securityHeaders sets what every answer carries; a route may replace it.
func securityHeaders(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// Not no-referrer: browsers then send "Origin: null" with our own forms, and
	// those that send no Sec-Fetch-Site would be refused.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}

// limitBody bounds what is read of a body.
func limitBody(most int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > most {
			// Not read at all: the connection is of no more use.
			w.Header().Set("Connection", "close")
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses forms of other sites, with one exception: the provider's
// page posts the answer of a sign-in, which is protected by its state.
func (f *frame) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.AddInsecureBypassPattern("POST " + callbackPath)
	protection.SetDenyHandler(f.serve(func(http.ResponseWriter, *http.Request) error { return errCrossOrigin }))
	return protection.Handler(next)
}
