package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Transport returns a way to the sandbox that needs no listener: requests to its
// origin are answered in this process, requests to anywhere else are refused.
// With an origin such as https://lab.invalid, which no machine can have, nobody
// else can reach the sandbox and it reaches nobody.
//
// A request is answered on the goroutine that sends it, and the answer is
// complete when RoundTrip returns. The Date header tells the sandbox's clock.
func (s *Sandbox) Transport() http.RoundTripper { return transport{s} }

type transport struct{ s *Sandbox }

// maxUnread bounds what is read of a body that no handler wanted.
const maxUnread = 1 << 20

// errBrokenOff is what a client sees of a handler that gave up midway.
var errBrokenOff = errors.New("sandbox: the answer broke off")

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(sent *http.Request) (answer *http.Response, err error) {
	body := sent.Body
	if body == nil {
		body = http.NoBody
	}
	defer func() { _ = body.Close() }()
	if err := sent.Context().Err(); err != nil {
		return nil, err
	}
	if sent.URL.Scheme != t.s.origin.Scheme || sent.URL.Host != t.s.origin.Host {
		return nil, fmt.Errorf("sandbox: no way leads to %s from here", sent.URL.Host)
	}
	defer func() {
		if failed := recover(); failed != nil {
			if failed != http.ErrAbortHandler { //nolint:errorlint // a panic's value, by identity as net/http compares it
				t.s.log.ErrorContext(sent.Context(), "sandbox: a handler panicked", "path", sent.URL.Path, "panic", failed)
			}
			answer, err = nil, errBrokenOff
		}
	}()
	taken := &recorder{header: http.Header{}}
	t.s.ServeHTTP(taken, arrived(sent, body))
	// On a wire all of it is sent, whether the handler reads it or not.
	_, _ = io.Copy(io.Discard, io.LimitReader(body, maxUnread))
	if err := sent.Context().Err(); err != nil {
		return nil, err
	}
	return t.answer(taken, sent), nil
}

// arrived is the request as a server sees it.
func arrived(sent *http.Request, body io.ReadCloser) *http.Request {
	in := sent.Clone(sent.Context())
	in.RequestURI = sent.URL.RequestURI()
	in.URL = &url.URL{Path: sent.URL.Path, RawPath: sent.URL.RawPath, RawQuery: sent.URL.RawQuery}
	if in.URL.Path == "" {
		in.URL.Path = "/"
	}
	if in.Host == "" {
		in.Host = sent.URL.Host
	}
	if in.Header == nil {
		in.Header = http.Header{}
	}
	in.Body, in.RemoteAddr = body, "in-process:0"
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	return in
}

func (t transport) answer(taken *recorder, sent *http.Request) *http.Response {
	taken.WriteHeader(http.StatusOK) // unless it was written
	body := taken.body.Bytes()
	if taken.sent.Get("Content-Type") == "" && len(body) > 0 {
		taken.sent.Set("Content-Type", http.DetectContentType(body))
	}
	if taken.sent.Get("Date") == "" {
		taken.sent.Set("Date", t.s.now().UTC().Format(http.TimeFormat))
	}
	if sent.Method == http.MethodHead {
		body = nil
	}
	return &http.Response{Status: fmt.Sprintf("%d %s", taken.status, http.StatusText(taken.status)), StatusCode: taken.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: taken.sent, Body: io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)), Request: sent}
}

// recorder keeps what a handler writes.
type recorder struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status, r.sent = status, r.header.Clone()
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}
