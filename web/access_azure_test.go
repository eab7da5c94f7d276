package main

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

const (
	pia            = "pia@contoso.com" // has roles to activate
	eligibleSuffix = "/providers/Microsoft.Authorization/roleEligibilityScheduleInstances"
)

// azureSays lets Azure answer some calls with a status, and counts them.
func (w *world) azureSays(status int, retryAfter string, fits func(path string) bool) *atomic.Int32 {
	var calls atomic.Int32
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/arm/") || !fits(r.URL.Path) {
			return false
		}
		calls.Add(1)
		if retryAfter != "" {
			rw.Header().Set("Retry-After", retryAfter)
		}
		rw.WriteHeader(status)
		return true
	})
	return &calls
}

// TestWhatMayBeActivatedIsNotKnown: nobody is sent to an owner who cannot help
// while Azure did not say what the person may activate.
func TestWhatMayBeActivatedIsNotKnown(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"throttled": http.StatusTooManyRequests, "refused": http.StatusForbidden, "failing": http.StatusBadGateway} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := agreed(t, sandbox.Options{}, readAll)
			w.azureSays(status, "300", func(path string) bool { return strings.HasSuffix(path, eligibleSuffix) })
			p := w.browser().signInTo(pia, "/access").want(http.StatusOK, "Access")
			p.has("#roles .panel", "Azure did not say on which other subscriptions you may activate a role")
			text := p.text("table.roles")
			if strings.Contains(text, "Wrong role") || strings.Contains(text, "Ask the owner") {
				t.Errorf("the page judges: %s", text)
			}
			p.has("table.roles", "Azure did not say what you may activate here")
			// Only the list for all of Azure is missing: each subscription tells its own.
			w.azureSays(status, "300", func(path string) bool { return path == "/arm"+eligibleSuffix })
			p = w.browser().signInTo(pia, "/access")
			p.has("#roles .panel", "Azure did not say on which other subscriptions you may activate a role")
			p.has("table.roles", "Not activated")
			p.has("table.roles", "Wrong role")
		})
	}
}

// TestAThrottledAzureIsLeftAlone: what arrived is shown again, and a reload asks
// nothing before Azure may be asked.
func TestAThrottledAzureIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	calls := w.azureSays(http.StatusTooManyRequests, "600", func(path string) bool { return strings.HasSuffix(path, rolesSuffix) })
	b := w.browser()
	p := b.signInTo(dana, "/access").want(http.StatusOK, "Access")
	p.has("#roles .panel", "Azure did not say your roles")
	p.has("#roles .card-inset", "This page asks it again from")
	if n := calls.Load(); n == 0 || n > 10 {
		t.Errorf("Azure was asked %d times though it refused", n)
	}
	calls.Store(0)
	for _, p := range []*page{b.get("/access"), b.post("/access/refresh", nil)} {
		p.has("#roles .panel", "Azure did not say your roles")
		p.has("#roles .card-inset time", ":")
		p.has("table.roles", "Shown by AzTS") // what AzTS said needs no Azure
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("reloading asked %d times", n)
	}
	// Azure that tells nothing does not mean that the person has nothing.
	w.azureSays(http.StatusTooManyRequests, "600", func(string) bool { return true })
	p = w.browser().signInTo("oskar@contoso.com", "/access")
	p.has("#roles .card-empty", "there may be subscriptions that are not listed here")
	if text := p.text("#roles"); strings.Contains(text, "You have no role in Azure") {
		t.Error("the page judges though Azure said nothing")
	}
	// What is known stays, although Azure will not say the rest for now.
	w.tenant.answerWith(nil)
	b = w.browser()
	b.signInTo(pia, "/access")
	calls = w.azureSays(http.StatusTooManyRequests, "600", func(path string) bool { return strings.HasSuffix(path, eligibleSuffix) })
	b.post("/access/refresh", nil).has("table.roles", "Azure did not say what you may activate here")
	calls.Store(0)
	b.get("/access").has("table.roles", "Reader the subscription")
	b.post("/access/refresh", nil).has("table.roles", "Reader the subscription")
	if n := calls.Load(); n != 0 {
		t.Errorf("reloading asked %d times what may be activated", n)
	}
}

// TestWhatAzTSSaysOfOneSubscription: each of its refusals is told as what it is.
func TestWhatAzTSSaysOfOneSubscription(t *testing.T) {
	t.Parallel()
	const prod = "3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3"
	for name, test := range map[string]struct {
		status       int
		panel, judge string
	}{
		"no role":      {http.StatusForbidden, "", "AzTS sees no role of yours on it"},
		"switched off": {http.StatusNotFound, "switched off", "AzTS did not say whether it shows you this one"},
		"throttled":    {http.StatusTooManyRequests, "has too much to do", "AzTS did not say whether it shows you this one"},
		"failing":      {http.StatusBadGateway, "failed to answer", "AzTS did not say whether it shows you this one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := agreed(t, sandbox.Options{}, readAll)
			b := w.browser()
			b.signInTo("noor@contoso.com", "/access")
			w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/ComplianceSummary/search") {
					return false
				}
				rw.Header().Set("Retry-After", "600")
				rw.WriteHeader(test.status)
				return true
			})
			p := b.get("/access?subscription="+prod).want(http.StatusOK, "Access")
			p.has("#lookup", test.judge)
			if test.panel == "" {
				p.has("#lookup", "No role")
				if p.sel("#roles .panel").Length() != 0 {
					t.Errorf("the page worries: %s", p.text("#roles .panel"))
				}
				return
			}
			p.has("#roles .panel", test.panel)
			if p.evidence("Reference") == "" || w.log.lines("a service failed") == nil {
				t.Error("nobody can look it up in the log")
			}
			if text := p.text("#lookup"); strings.Contains(text, "No role") {
				t.Errorf("the page judges though AzTS said nothing: %s", text)
			}
		})
	}
}

// TestARowWithoutALevelIsShown: what AzTS has an answer about it shows, in the
// list and by its id.
func TestARowWithoutALevelIsShown(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{}, readAll)
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/ComplianceSummary/search") {
			return false
		}
		answer := httptest.NewRecorder()
		w.tenant.Sandbox.ServeHTTP(answer, r)
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(answer.Code)
		rw.Write([]byte(strings.ReplaceAll(answer.Body.String(), "callerAccessLevel", "someOtherMember")))
		return true
	})
	b := w.browser()
	p := b.signInTo(dana, "/access")
	if n := strings.Count(p.text("table.roles"), "Shown by AzTS"); n != 9 {
		t.Errorf("AzTS shows %d of 9: %s", n, p.text("table.roles"))
	}
	b.get("/access?subscription=3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3").has("#lookup", "Shown by AzTS")
}

// TestAzureAsksForMoreProof: the page leads to the company sign-in with what Azure
// asked for, and back.
func TestAzureAsksForMoreProof(t *testing.T) {
	t.Parallel()
	const claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	w := agreed(t, sandbox.Options{}, readAll)
	var asks atomic.Bool
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !asks.Load() || !strings.HasPrefix(r.URL.Path, "/arm/") {
			return false
		}
		rw.Header().Set("WWW-Authenticate", `Bearer realm="", error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(claims))+`"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	})
	b := w.browser()
	b.signIn(dana)
	asks.Store(true)
	p := b.get("/access").want(http.StatusOK, "Access")
	p.has("#roles .panel", "asks for more proof")
	if p.sel("table.roles").Length() != 0 {
		t.Errorf("the page tells of roles: %s", p.text("table.roles"))
	}
	form := p.fields("#roles .panel form")
	visited := b.send(visit{to: "/access/list", form: form, from: b.address("/")}).leadsTo(w.tenant.url)
	if q := visited.Query(); !strings.Contains(q.Get("claims"), `"c1"`) || !strings.Contains(q.Get("scope"), sandbox.ARMAudience) {
		t.Errorf("the tenant is asked for %v", q)
	}
	asks.Store(false)
	p = b.through(b.get(visited.String()), dana).want(http.StatusOK, "Access")
	p.has("table.roles", "Security Reader")
}
