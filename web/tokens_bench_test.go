package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkSilentTokenRequest is the figure "silent token from the cache: under
// 1 ms of our own time", for the whole of POST /tokens and its redirect, with the
// program as it is shipped: what it computes for one, and what a client waits on
// a connection that is open, both in turn with the health check, which does
// nothing. With a purpose that is noted, a durable write comes along.
func BenchmarkSilentTokenRequest(b *testing.B) {
	portal, w := childWorld(b, nil)
	chrome := w.browser()
	chrome.signIn(dana)
	before := w.tenant.count(tokenPath)
	form := asking("", "").Encode()
	post := func() *http.Request {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, w.url+"/tokens", strings.NewReader(form))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Cookie", sessionCookie+"="+chrome.cookie(sessionCookie))
		return r
	}
	nothing := func() *http.Request {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, w.url+"/healthz", nil)
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	send := func(r *http.Request, status int) float64 {
		start := time.Now()
		response, err := chrome.client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(start)
		_ = response.Body.Close()
		if response.StatusCode != status {
			b.Fatalf("%s answers %s", r.URL.Path, response.Status)
		}
		return float64(took.Nanoseconds()) / 1e3
	}
	const many = 1000
	for b.Loop() {
		var tokens, idle []float64
		for range many {
			tokens = append(tokens, send(post(), http.StatusSeeOther))
			idle = append(idle, send(nothing(), http.StatusOK))
		}
		started := portal.cpu()
		for range many {
			send(post(), http.StatusSeeOther)
		}
		b.ReportMetric(float64((portal.cpu()-started).Microseconds())/many, "cpu-µs/token")
		b.ReportMetric(median(tokens), "µs/token")
		slices.Sort(tokens)
		b.ReportMetric(tokens[len(tokens)*99/100], "µs/token-p99")
		b.ReportMetric(median(idle), "µs/nothing")
	}
	b.ReportMetric(0, "ns/op")
	if n := w.tenant.count(tokenPath) - before; n != 0 {
		b.Errorf("the tenant was asked %d times", n)
	}
}
