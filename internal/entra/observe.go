package entra

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Observation is what a look at the provider's public documents found, beside
// what is in use. The copies in use are not touched by it.
type Observation struct {
	Issuer      string // that the portal expects, perhaps with {tenantid}
	MetadataURL string
	// MetadataErr is why the metadata could not be fetched or believed now; its
	// kind is Unavailable, Timeout or BadGateway. MetadataAt is when the copy in
	// use was fetched, zero for none that is good.
	MetadataErr error
	MetadataAt  time.Time
	IsEntra     bool // by the metadata, new or in use
	FormPost    bool // the answer can come as a form

	// KeysErr is why the keys could not be fetched now, nil also where there was no
	// metadata that says where they are. KeysAt is when those in use were
	// fetched, zero for none: they are fetched for the first ID token.
	KeysErr error
	KeyIDs  []string // kid of the usable signing keys, at most 100; "" for one without
	KeysAt  time.Time

	// ClockKnown says that the provider told its time; ClockAhead is how far its clock
	// is ahead of ours, to about a second.
	ClockKnown bool
	ClockAhead time.Duration
}

// Observe looks at the provider's documents as they are now: two requests, to the
// configured metadata address and to where that metadata says that the keys are.
// It waits no longer than ctx.
func (p *Provider) Observe(ctx context.Context) Observation {
	o := Observation{Issuer: p.options.Issuer, MetadataURL: p.options.MetadataURL}
	clock := &clockReader{base: p.options.Client.Transport, now: p.options.Now}
	client := *p.options.Client
	client.Transport = clock
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	fresh, err := (&metadataCache{client: &client, url: p.options.MetadataURL, issuer: p.options.Issuer, now: p.options.Now}).fetch(ctx)
	o.MetadataErr = err
	o.ClockAhead, o.ClockKnown = clock.read()
	used := p.metadata.inUse(&o)
	if fresh == nil {
		fresh = used
	}
	p.keys.inUse(&o)
	if fresh == nil {
		return o
	}
	o.IsEntra = fresh.isEntra()
	o.FormPost = len(fresh.ResponseModes) == 0 || slices.Contains(fresh.ResponseModes, "form_post")
	client.Transport = p.options.Client.Transport
	keys, err := (&keySet{client: &client, now: p.options.Now, log: p.options.Log}).fetch(ctx, fresh.JWKSURI)
	if o.KeysErr = err; err == nil {
		for _, key := range keys {
			o.KeyIDs = append(o.KeyIDs, key.KeyID)
		}
	}
	return o
}

// inUse notes the copy that serves, and returns it; nil for none that is good.
func (c *metadataCache) inUse(o *Observation) *metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil || c.now().Sub(c.fetched) >= metadataStale {
		return nil
	}
	o.MetadataAt = c.fetched
	return c.current
}

func (s *keySet) inUse(o *Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) > 0 && s.now().Sub(s.fetched) < keysForget {
		o.KeysAt = s.fetched
	}
}

// clockReader compares the Date of answers (RFC 9110 §6.6.1) with our clock.
type clockReader struct {
	base http.RoundTripper // nil: the default
	now  func() time.Time

	mu    sync.Mutex // guards the rest
	ahead time.Duration
	known bool
}

// RoundTrip implements http.RoundTripper.
func (c *clockReader) RoundTrip(r *http.Request) (*http.Response, error) {
	base := c.base
	if base == nil {
		base = http.DefaultTransport
	}
	sent := c.now()
	resp, err := base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	// Date is of when the answer was made, and is cut to the second. A copy that a
	// cache kept is Age older.
	date, bad := http.ParseTime(resp.Header.Get("Date"))
	age := 0
	if kept := resp.Header.Get("Age"); kept != "" && bad == nil {
		age, bad = strconv.Atoi(kept)
	}
	if bad == nil && age >= 0 && age < int(metadataStale/time.Second) {
		got := c.now()
		told := date.Add(time.Second/2 + time.Duration(age)*time.Second)
		c.mu.Lock()
		c.ahead, c.known = told.Sub(sent.Add(got.Sub(sent)/2)), true
		c.mu.Unlock()
	}
	return resp, nil
}

func (c *clockReader) read() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead, c.known
}

// CertificateEnd returns when the first certificate in a PEM text ends; zero where
// there is none that can be read.
func CertificateEnd(pemBytes []byte) time.Time {
	for rest := pemBytes; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return time.Time{}
		}
		if block.Type == "CERTIFICATE" {
			if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
				return certificate.NotAfter
			}
			return time.Time{}
		}
	}
}
