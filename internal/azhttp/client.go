package azhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/reqlog"
)

// Limits of every call.
const (
	MaxTries           = 3                // sends of one call; a fresh token after a 401 allows one more
	DefaultTimeout     = 20 * time.Second // of one try
	DefaultMaxWait     = 10 * time.Second // between two tries
	DefaultMaxBody     = 16 << 20         // bytes of one answer, after decompression
	maxProblemBody     = 64 << 10         // bytes of a refusal that are read
	maxToldRetryAfter  = 24 * time.Hour   // a longer Retry-After is cut to this
	firstBackoff       = 500 * time.Millisecond
	retryAfterOvertime = 250 * time.Millisecond // spreads clients that were told the same second
)

// TokenSource gives bearer tokens on behalf of one person or one application.
type TokenSource interface {
	// Token returns an access token for the scope (RFC 6749 §3.3), valid now.
	// Its errors reach the caller of the client unchanged.
	Token(ctx context.Context, scope string) (string, error)
	// Invalidate says that the service refused this token of that scope. If Token
	// returns it again, there is no better one, and the refusal stands.
	Invalidate(ctx context.Context, scope, token string)
}

// Config says which API a client talks to. BaseURL, Scope and Service are required.
type Config struct {
	// BaseURL is the origin and path prefix of the API. Plain http is refused
	// outside loopback, since the token would travel in clear.
	BaseURL string
	// Scope is what the token source is asked for.
	Scope string
	// Service is the name of the API in texts for persons, such as "AzTS".
	Service string
	// Explain gives a refusal the meaning it has at this API. A nil func or a
	// nil result leaves it to the general meaning of the status.
	Explain func(*CallError) *apperr.Error
	// Transport sends the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Timeout limits one try, MaxWait one pause between tries, MaxBody the
	// bytes of one answer. Zero means the defaults above.
	Timeout time.Duration
	MaxWait time.Duration
	MaxBody int64
	// Now, Sleep and Jitter (0 to 1) are the clock and the dice; nil means the
	// real ones.
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error
	Jitter func() float64
}

// Client calls one API. It is safe for use by several goroutines.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
}

// New returns a client, or an error that names what is wrong with the configuration.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.BaseURL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("azhttp: base URL: %w", err)
	case cfg.Service == "" || cfg.Scope == "":
		return nil, errors.New("azhttp: service name and scope are required")
	case base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("azhttp: base URL of %s must be scheme, host and path only", cfg.Service)
	case base.Scheme != "https" && (base.Scheme != "http" || !isLoopback(base.Hostname())):
		return nil, fmt.Errorf("azhttp: base URL of %s must be https", cfg.Service)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = DefaultMaxWait
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	return &Client{cfg: cfg, base: base, http: &http.Client{
		Transport: cfg.Transport,
		// A redirect could carry the token to another host. The 3xx comes back as the answer.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Repeat says whether a call may be sent again when it is not known what
// became of it. The zero value is the careful one.
type Repeat uint8

// The two kinds of calls.
const (
	Once       Repeat = iota // has an effect that must not happen twice
	Repeatable               // only reads, or ends in the same state
)

// Request is one call.
type Request struct {
	Method string
	// Path is appended to the base URL. It is a path as in url.URL.Path, not escaped.
	Path   string
	Query  url.Values
	Header http.Header // added to each send, also of following pages
	Body   any         // encoded as JSON; nil means no body
	Repeat Repeat
}

// Response is a 2xx answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	client *Client
	call   CallError
}

// JSON decodes the body into out. The error says that the service answered
// with something unreadable; for a [Once] call it counts as reached.
func (r *Response) JSON(out any) error {
	body := bytes.TrimPrefix(r.Body, []byte("\xef\xbb\xbf")) // .NET writers like to put a BOM first
	if err := json.Unmarshal(body, out); err != nil {
		return r.Malformed(err)
	}
	return nil
}

// Malformed returns the error for an answer that makes no sense to the caller.
func (r *Response) Malformed(cause error) error {
	call := r.call
	call.Err, call.Reached = cause, true
	return r.client.explain(&call)
}

// Do sends the call with a token of source and returns the 2xx answer.
func (c *Client) Do(ctx context.Context, source TokenSource, r Request) (*Response, error) {
	u := *c.base
	u.Path += r.Path
	u.RawQuery = r.Query.Encode()
	return c.do(ctx, source, r, &u)
}

func (c *Client) do(ctx context.Context, source TokenSource, r Request, u *url.URL) (*Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = json.Marshal(r.Body); err != nil {
			return nil, apperr.From(fmt.Errorf("azhttp: encode body for %s: %w", r.Path, err))
		}
	}
	var refused *CallError // with the token before
	var before string
	for try := 1; ; {
		token, err := source.Token(ctx, c.cfg.Scope)
		if err != nil {
			return nil, err
		}
		if refused != nil && token == before {
			return nil, c.explain(refused)
		}
		res, call := c.send(ctx, r, u, body, token)
		if call == nil {
			return res, nil
		}
		call.Tries = try
		if err := ctx.Err(); errors.Is(err, context.Canceled) {
			return nil, fmt.Errorf("azhttp: %w: %w", err, call)
		}
		if call.Status == http.StatusUnauthorized || call.challenge != nil {
			source.Invalidate(ctx, c.cfg.Scope, token)
			if call.challenge != nil || refused != nil || errors.Is(call.Err, errClaimsLarge) {
				return nil, c.explain(call)
			}
			// RFC 6750 §3.1 invalid_token: another token may do, once.
			refused, before = call, token
			continue
		}
		wait, ok := c.wait(ctx, r, call, try)
		if !ok {
			return nil, c.explain(call)
		}
		if err := c.cfg.Sleep(ctx, wait); err != nil {
			return nil, c.explain(call)
		}
		try++
	}
}

// send makes one try. It returns either an answer or what went wrong.
func (c *Client) send(ctx context.Context, r Request, u *url.URL, body []byte, token string) (*Response, *CallError) {
	call := &CallError{Service: c.cfg.Service, Method: r.Method, Path: u.Path}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	// Without a connection nothing can have reached the service. Atomic, since
	// the transport may dial on after it has given up on the request.
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		call.Err = err
		return nil, call
	}
	if body == nil {
		req.Body, req.GetBody = nil, nil
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "azts-portal")
	req.Header.Set("Authorization", "Bearer "+token)
	if id := reqlog.ID(ctx); id != "" {
		req.Header.Set("Client-Request-Id", id)
	}
	res, err := c.http.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // url.Error repeats the query, where a skip token stands
		}
		call.Err, call.Reached = redactError(err, token), connected.Load()
		return nil, call
	}
	defer res.Body.Close()
	call.Status = res.StatusCode
	call.RequestID = requestID(res.Header, token)
	if res.StatusCode/100 != 2 {
		call.refused(res, token, c.cfg.Now())
		return nil, call
	}
	call.Reached = true
	data, err := io.ReadAll(io.LimitReader(res.Body, c.cfg.MaxBody+1))
	switch {
	case err != nil:
		call.Err = fmt.Errorf("read answer: %w", err)
		return nil, call
	case int64(len(data)) > c.cfg.MaxBody:
		call.Err = errTooLarge
		return nil, call
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: data, client: c, call: *call}, nil
}
