package trace

import (
	"context"
	"io"
	"net/http"
)

type stepKey struct{}

// WithStep returns a context that says what the requests made with it are. What
// it leaves empty is filled in by the [Recorder].
func WithStep(ctx context.Context, s Step) context.Context {
	return context.WithValue(ctx, stepKey{}, s)
}

// Transport returns a RoundTripper over next that notes each exchange. The
// exchange itself stays as it is: bodies stream, and only the first 512 KB of
// each are looked at, of which 64 KB are kept. It adds nothing and holds up
// nothing.
func (r *Recorder) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		panic("trace: no transport")
	}
	return &transport{recorder: r, next: next}
}

type transport struct {
	recorder *Recorder
	next     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	r := t.recorder
	step, _ := req.Context().Value(stepKey{}).(Step)
	header := req.Header
	if req.Host != "" && req.URL != nil && req.Host != req.URL.Host {
		header = header.Clone()
		header.Set("Host", req.Host)
	}
	m := r.begin(step, req.Method, req.URL.String(), header)
	if m == nil {
		return t.next.RoundTrip(req)
	}
	if req.Body != nil && req.Body != http.NoBody {
		// A RoundTripper leaves the caller's request alone.
		tapped := *req
		tapped.Body = r.tapRequest(m, req.Body, req.Header)
		if again := req.GetBody; again != nil {
			tapped.GetBody = func() (io.ReadCloser, error) {
				body, err := again()
				if err != nil {
					return nil, err
				}
				return r.tapRequest(m, body, req.Header), nil
			}
		}
		req = &tapped
	}
	resp, err := t.next.RoundTrip(req)

	r.mu.Lock()
	defer r.mu.Unlock()
	m.wait = r.options.Now().Sub(m.startedAt)
	m.took = m.wait
	if err != nil {
		m.err = err.Error()
		return resp, err
	}
	m.answered, m.status, m.proto = true, resp.StatusCode, resp.Proto
	m.answer = r.headers(resp.Header)
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.Body == nil || resp.Body == http.NoBody {
		return resp, nil
	}
	m.content = newCapture(resp.Header)
	resp.Body = &tap{ReadCloser: resp.Body, recorder: r, capture: m.content, done: func() {
		m.took = r.options.Now().Sub(m.startedAt)
	}}
	return resp, nil
}

// tapRequest notes what is read of body; when a request is sent again, its last
// sending is what is kept.
func (r *Recorder) tapRequest(m *recorded, body io.ReadCloser, header http.Header) io.ReadCloser {
	c := newCapture(header)
	r.mu.Lock()
	defer r.mu.Unlock()
	m.body = c
	return &tap{ReadCloser: body, recorder: r, capture: c, done: func() {}}
}

// tap copies what is read of a body.
type tap struct {
	io.ReadCloser
	recorder *Recorder
	capture  *capture
	done     func() // with the recorder's lock held
}

// Read implements io.Reader.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.recorder.mu.Lock()
	defer t.recorder.mu.Unlock()
	t.capture.write(p[:n])
	if err != nil {
		t.end()
	}
	return n, err
}

// Close implements io.Closer.
func (t *tap) Close() error {
	t.recorder.mu.Lock()
	t.end()
	t.recorder.mu.Unlock()
	return t.ReadCloser.Close()
}

func (t *tap) end() {
	if !t.capture.settled {
		t.done()
		t.recorder.settle(t.capture)
	}
}
