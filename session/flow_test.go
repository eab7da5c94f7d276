package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/session"
)

const flowPrefix = "__Host-flow-"

func aFlow() session.Flow {
	return session.Flow{Purpose: "sign-in", ResponseType: "code id_token", Scopes: []string{"openid", "api://azts/user_impersonation"},
		ReturnTo: "/scans?page=2&q=a"}
}

// startFlow starts a flow in the browser, which has its cookie then.
func (p *portal) startFlow(b browser) (state string, started session.Flow) {
	p.Helper()
	b.visit(p, func(w http.ResponseWriter, r *http.Request) {
		var err error
		if state, started, err = p.StartFlow(w, r, aFlow()); err != nil {
			p.Fatal(err)
		}
	})
	return state, started
}

// takeFlow takes the flow of the state as the browser's callback does.
func (p *portal) takeFlow(b browser, state string) (flow session.Flow, err error) {
	p.Helper()
	b.visit(p, func(w http.ResponseWriter, r *http.Request) { flow, err = p.TakeFlow(w, r, state) })
	return flow, err
}

// wantRefused checks that the error leads to a page with a button that starts again.
func wantRefused(t testing.TB, what string, flow session.Flow, err error, code string) {
	t.Helper()
	var e *apperr.Error
	if !errors.As(err, &e) || e.Kind != apperr.Expired || e.Code != code || !e.Retry || e.Next == "" {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
	if !reflect.DeepEqual(flow, session.Flow{}) {
		t.Errorf("%s: refused, but the flow is handed out", what)
	}
}

func (b browser) flows() (names []string) {
	for name := range b {
		if strings.HasPrefix(name, flowPrefix) {
			names = append(names, name)
		}
	}
	return names
}

func TestFlowComesBackOnce(t *testing.T) {
	p, b := newPortal(t), browser{}
	var state string
	var started session.Flow
	set := b.visit(t, func(w http.ResponseWriter, r *http.Request) {
		var err error
		if state, started, err = p.StartFlow(w, r, aFlow()); err != nil {
			t.Fatal(err)
		}
	})
	if len(set) != 1 {
		t.Fatalf("%d cookies", len(set))
	}
	// Only such a cookie comes along with the form of another site.
	if c := set[0]; c.SameSite != http.SameSiteNoneMode || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.MaxAge != 600 ||
		!strings.HasPrefix(c.Name, flowPrefix) {
		t.Errorf("cookie %+v", c)
	}
	for what, secret := range map[string]string{"state": state, "nonce": started.Nonce, "verifier": started.Verifier} {
		if len(secret) != 43 {
			t.Errorf("%s %q does not hold 256 bits", what, secret)
		}
		if strings.Contains(set[0].String(), secret) {
			t.Errorf("the cookie shows the %s", what)
		}
	}
	if state == started.Nonce || state == started.Verifier || started.Nonce == started.Verifier {
		t.Error("two secrets are one")
	}
	replay := browser{set[0].Name: set[0].Value}
	got, err := p.takeFlow(b, state)
	want := aFlow()
	want.Nonce, want.Verifier, want.StartedAt = started.Nonce, started.Verifier, *p.now
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the flow is %+v, %v\nwant %+v", got, err, want)
	}
	if left := b.flows(); len(left) != 0 {
		t.Errorf("the cookie is left: %v", left)
	}
	flow, err := p.takeFlow(b, state)
	wantRefused(t, "again, without the cookie", flow, err, "state_unknown")
	flow, err = p.takeFlow(replay, state)
	wantRefused(t, "again, with the cookie", flow, err, "state_used")
}

func TestAttackStateOfAnotherBrowser(t *testing.T) {
	p, victim, attacker := newPortal(t), browser{}, browser{}
	state, _ := p.startFlow(attacker)
	own, _ := p.startFlow(victim)
	flow, err := p.takeFlow(victim, state)
	wantRefused(t, "a state that this browser did not start", flow, err, "state_unknown")
	flow, err = p.takeFlow(browser{}, state)
	wantRefused(t, "no cookie", flow, err, "state_unknown")
	flow, err = p.takeFlow(victim, "")
	wantRefused(t, "no state", flow, err, "state_missing")
	// The victim's own cookie under the name of the attacker's state.
	renamed := browser{attacker.flows()[0]: victim[victim.flows()[0]]}
	flow, err = p.takeFlow(renamed, state)
	wantRefused(t, "the cookie of another state", flow, err, "state_unknown")
	if n := p.db.usedValues.Load(); n != 0 {
		t.Errorf("%d values were remembered for strangers", n)
	}
	if _, err := p.takeFlow(victim, own); err != nil {
		t.Errorf("the victim's own sign-in: %v", err)
	}
}

func TestFlowEndsAfterTenMinutes(t *testing.T) {
	p := newPortal(t)
	for _, tt := range []struct {
		age  time.Duration
		good bool
	}{{0, true}, {session.FlowAge, true}, {session.FlowAge + time.Second, false}, {24 * time.Hour, false}} {
		b := browser{}
		state, _ := p.startFlow(b)
		p.pass(tt.age)
		flow, err := p.takeFlow(b, state)
		if tt.good {
			if err != nil {
				t.Errorf("after %v: %v", tt.age, err)
			}
			if p.db.lastUntil.Load() < flow.StartedAt.Add(session.FlowAge).UnixMicro() {
				t.Errorf("after %v the state is forgotten before its flow ends", tt.age)
			}
		} else {
			wantRefused(t, tt.age.String(), flow, err, "state_unknown")
		}
	}
}

func TestFourFlowsAtOnceTheOldestGoes(t *testing.T) {
	p, b := newPortal(t), browser{}
	var states []string
	for range 6 {
		state, _ := p.startFlow(b)
		states = append(states, state)
		if n := len(b.flows()); n > 4 {
			t.Errorf("%d cookies", n)
		}
		p.pass(time.Second)
	}
	for i, state := range states {
		flow, err := p.takeFlow(b, state)
		if i < 2 {
			wantRefused(t, "one of the oldest", flow, err, "state_unknown")
		} else if err != nil {
			t.Errorf("flow %d: %v", i, err)
		}
	}
}

func TestAttackSameStateAtOnce(t *testing.T) {
	p, b := newPortal(t), browser{}
	state, _ := p.startFlow(b)
	var good, used atomic.Int32
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range 50 {
		wg.Go(func() {
			<-begin
			r := httptest.NewRequest(http.MethodPost, "/auth/callback", nil)
			for name, value := range b {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			switch _, err := p.TakeFlow(httptest.NewRecorder(), r, state); {
			case err == nil:
				good.Add(1)
			case apperr.HasCode(err, "state_used"):
				used.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	close(begin)
	wg.Wait()
	if good.Load() != 1 || used.Load() != 49 {
		t.Errorf("%d succeeded, %d were told that it was used", good.Load(), used.Load())
	}
}

func TestFlowIsNotBelievedWhenNobodyCanSayWhetherItWasUsed(t *testing.T) {
	p, b := newPortal(t), browser{}
	state, _ := p.startFlow(b)
	p.db.down.Store(true)
	if flow, err := p.takeFlow(b, state); !errors.Is(err, errDown) || flow.Nonce != "" {
		t.Errorf("flow %+v, %v", flow, err)
	}
}

// TestAttackCookieBomb: many sign-ins that were started at once leave cookies
// that reach no page people read, and each of them is small.
func TestAttackCookieBomb(t *testing.T) {
	p := newPortal(t)
	for _, returnTo := range []string{"/", "/scans?q=" + strings.Repeat("a", session.MaxReturnTo-9), "/scans?q=" + strings.Repeat("&", session.MaxReturnTo-9),
		"/scans?q=" + strings.Repeat("<", session.MaxReturnTo-9), "/scans?q=" + strings.Repeat(`"`, session.MaxReturnTo-9),
		"/scans?q=" + strings.Repeat("a", session.MaxReturnTo-8), "/scans?q=" + strings.Repeat("a", 100_000)} {
		flow := aFlow()
		flow.Session = session.ID(bytes.Repeat([]byte{0xff}, len(session.ID{})))
		flow.ReturnTo = returnTo
		for range 4 {
			flow.Scopes = append(flow.Scopes, "api://b1d04c77-6a2e-4d39-8f52-3e9ac0175d84/user_impersonation")
		}
		w := httptest.NewRecorder()
		_, started, err := p.StartFlow(w, httptest.NewRequest(http.MethodGet, "/auth/login", nil), flow)
		if err != nil {
			t.Fatal(err)
		}
		c := w.Result().Cookies()[0]
		if n := len(c.Name) + len(c.Value); n > 3500 {
			t.Errorf("a return_to of %.12q and %d bytes makes a cookie of %d bytes", returnTo, len(returnTo), n)
		}
		if c.Path != "/" {
			t.Errorf("the cookie goes to %s", c.Path)
		}
		want := returnTo
		if len(returnTo) > session.MaxReturnTo {
			want = "/scans"
		}
		if started.ReturnTo != want {
			t.Errorf("a return_to of %.12q and %d bytes comes back to %.12q", returnTo, len(returnTo), started.ReturnTo)
		}
	}
}

func FuzzFlowCookie(f *testing.F) {
	p, b := newPortal(f), browser{}
	state, started := p.startFlow(b)
	name := b.flows()[0]
	good := b[name]
	for _, seed := range []string{good, "", ".", "0.", good[:len(good)-1], good + "A", strings.Replace(good, ".", "..", 1), "9999999999" + good,
		strings.ToLower(good), good[len(good)/2:] + good[:len(good)/2], "1." + strings.Repeat("A", 600), "1.AQ", "\x00", good + good} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/auth/callback", nil)
		r.Header.Set("Cookie", name+"="+value)
		flow, err := p.TakeFlow(httptest.NewRecorder(), r, state)
		// What stands before the seal is only for sorting; whatever opens is
		// what we sealed, unchanged.
		if err == nil && (flow.Nonce != started.Nonce || flow.Verifier != started.Verifier || flow.ReturnTo != started.ReturnTo) {
			t.Errorf("%q opened as %+v", value, flow)
		}
		if err != nil && !apperr.IsKind(err, apperr.Expired) {
			t.Errorf("%q: %v", value, err)
		}
	})
}

func TestEveryChangedByteOfAFlowIsRefused(t *testing.T) {
	p, b := newPortal(t), browser{}
	state, _ := p.startFlow(b)
	name := b.flows()[0]
	good := b[name]
	// The last character carries bits that belong to no byte.
	for i := strings.IndexByte(good, '.') + 1; i < len(good)-1; i++ {
		other := byte('A')
		if good[i] == other {
			other = 'B'
		}
		changed := browser{name: good[:i] + string(other) + good[i+1:]}
		flow, err := p.takeFlow(changed, state)
		wantRefused(t, "a changed byte", flow, err, "state_unknown")
	}
	if _, err := p.takeFlow(b, state); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// TestFlowKeepsLongWishes: what a person writes about a token and twenty scopes of
// one API come back whole; what no cookie holds is refused before anybody leaves.
func TestFlowKeepsLongWishes(t *testing.T) {
	p, b := newPortal(t), browser{}
	start := func(names int, reason string) (session.Flow, session.Flow, error) {
		flow := aFlow()
		flow.Reason, flow.Scopes = reason, []string{"openid", "offline_access"}
		flow.Session = session.ID(bytes.Repeat([]byte{0xff}, len(session.ID{})))
		for i := range names {
			flow.Scopes = append(flow.Scopes, fmt.Sprintf("https://graph.microsoft.com/PrivilegedAccess.ReadWrite.AzureADGroup%02d", i))
		}
		flow.Scopes = append(flow.Scopes, "api://other/x/y", "api://other/x/z", "api://another/z")
		w := httptest.NewRecorder()
		state, started, err := p.StartFlow(w, httptest.NewRequest(http.MethodGet, "/auth/login", nil), flow)
		if err != nil {
			return flow, started, err
		}
		for _, c := range w.Result().Cookies() {
			b[c.Name] = c.Value
		}
		taken, err := p.takeFlow(b, state)
		return flow, taken, err
	}
	for _, reason := range []string{strings.Repeat("監", 200), strings.Repeat("🔑", 200), `"` + strings.Repeat("a", 199)} {
		flow, taken, err := start(18, reason)
		if err != nil || taken.Reason != reason || !slices.Equal(taken.Scopes, flow.Scopes) {
			t.Errorf("%.9q comes back as %.9q with %q: %v", reason, taken.Reason, taken.Scopes, err)
		}
	}
	for name, refused := range map[string]func() (session.Flow, session.Flow, error){
		"scopes": func() (session.Flow, session.Flow, error) { return start(100, "") },
		"reason": func() (session.Flow, session.Flow, error) { return start(1, strings.Repeat("a", session.MaxReason+1)) },
	} {
		if _, _, err := refused(); !apperr.HasCode(err, "visit_long") || !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenFlowsAreCounted(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/auth/callback", nil)
	if n := session.FlowCookies(r); n != 0 {
		t.Errorf("%d without cookies", n)
	}
	for _, name := range []string{"__Host-flow-a", "__Host-flow-b", "__Host-theme", "flow-c"} {
		r.AddCookie(&http.Cookie{Name: name, Value: "x"})
	}
	if n := session.FlowCookies(r); n != 2 {
		t.Errorf("%d, want 2", n)
	}
}
