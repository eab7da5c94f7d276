package session

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
)

const (
	// flowPrefix carries __Host-, so that no other host of the domain can plant a
	// sign-in that it began itself. Such a cookie goes with every request; that a
	// page of strangers cannot make many of them is the sign-in handler's care.
	flowPrefix = "__Host-flow-"
	// FlowAge is how long a person has to finish at the provider.
	FlowAge = 10 * time.Minute
	// maxFlows is how many tabs can be signing in at once; cookies of more
	// would outgrow the header limits of proxies.
	maxFlows = 4
	// MaxReturnTo bounds the address that a flow comes back to, in bytes.
	MaxReturnTo = 512
	// MaxReason bounds what a person writes about a token, in bytes: 200
	// characters of any script.
	MaxReason = 800
	// maxFlowCookie bounds name and value of one cookie, in bytes. Browsers drop
	// more than 4096 (RFC 6265bis §5.6). Those of a browser travel together with
	// each request, below maxFlowBytes, or proxies would refuse it.
	maxFlowCookie = 3500
	maxFlowBytes  = 7000
)

// Flow is a visit to the authorization endpoint that has not come back yet. It
// lives in a cookie of its own, sealed, and nowhere else.
type Flow struct {
	// Purpose is what the visit is for: "sign-in", or the name of an
	// authorization that a signed-in person was sent for.
	Purpose      string    `json:"p"`
	Nonce        string    `json:"n"`
	Verifier     string    `json:"v"` // PKCE code_verifier
	ResponseType string    `json:"t"`
	Scopes       []string  `json:"s"`
	ReturnTo     string    `json:"r"`           // a local path; without its query where it is too long
	SteppedUp    bool      `json:"u,omitempty"` // MFA was demanded
	Reason       string    `json:"w,omitempty"` // what the person wants the token for
	Challenge    string    `json:"c,omitempty"` // names the claims challenge that the visit answers
	Claims       string    `json:"l,omitempty"` // the challenge itself, where it may have to be sent twice
	Session      ID        `json:"i,omitzero"`  // the browser's session when it left; zero for none
	StartedAt    time.Time `json:"at"`
}

// newSecret returns 256 random bits in base64url: 43 characters.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// flowCookie names the cookie of a state without repeating the state.
func flowCookie(state string) string {
	sum := sha256.Sum256([]byte(state))
	return flowPrefix + base64.RawURLEncoding.EncodeToString(sum[:12])
}

// FlowCookies counts the sign-ins that are open in the browser of a request: none
// is what a bookmark, another browser or blocked cookies look like.
func FlowCookies(r *http.Request) int {
	n := 0
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, flowPrefix) {
			n++
		}
	}
	return n
}

func setFlowCookie(w http.ResponseWriter, name, value string, maxAge int) {
	// None: the answer comes as a POST from the provider's site, and only
	// such cookies come along (entra.md §2.4).
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode})
}

// errFlowLong says that a visit has more to remember than a cookie holds.
var errFlowLong = apperr.New(apperr.Invalid, "visit_long", "This is more than can be taken to the company sign-in at once.").
	WithNext(apperr.MenderPerson, "Ask for fewer scopes, or write less about what the token is for.")

// fitting returns a local path that fits a flow: what stands in the query is lost
// before the page is.
func fitting(returnTo string) string {
	if len(returnTo) > MaxReturnTo {
		returnTo, _, _ = strings.Cut(returnTo, "?")
	}
	if len(returnTo) > MaxReturnTo {
		return "/"
	}
	return returnTo
}

// StartFlow fills in nonce, verifier and time, seals the flow in a cookie and
// returns its state. Of several flows in one browser the oldest goes when there
// are too many. What no cookie holds is refused, with an error of kind Invalid.
func (s *Store) StartFlow(w http.ResponseWriter, r *http.Request, flow Flow) (state string, started Flow, err error) {
	state = newSecret()
	flow.Nonce, flow.Verifier, flow.StartedAt = newSecret(), newSecret(), s.options.Now()
	flow.ReturnTo = fitting(flow.ReturnTo)
	if len(flow.Reason) > MaxReason {
		return "", Flow{}, errFlowLong.Becausef("a reason of %d bytes", len(flow.Reason))
	}
	name := flowCookie(state)
	value, err := s.sealFlow(flow, name, state)
	if err == nil && len(name)+len(value) > maxFlowCookie {
		flow.ReturnTo, _, _ = strings.Cut(flow.ReturnTo, "?")
		value, err = s.sealFlow(flow, name, state)
	}
	if err != nil {
		return "", Flow{}, err
	}
	if n := len(name) + len(value); n > maxFlowCookie {
		return "", Flow{}, errFlowLong.Becausef("a cookie of %d bytes", n)
	}
	s.dropOldFlows(w, r, maxFlowBytes-len(name)-len(value))
	setFlowCookie(w, name, value, int(FlowAge/time.Second))
	return state, flow, nil
}

// sealFlow returns the value of a flow's cookie.
func (s *Store) sealFlow(flow Flow, name, state string) (string, error) {
	var plain bytes.Buffer
	// As in HTML, each & of ReturnTo would take six bytes.
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	flow.Scopes = []string{packScopes(flow.Scopes)}
	if err := encoder.Encode(flow); err != nil {
		return "", fmt.Errorf("session: flow: %w", err)
	}
	// The time stands before the seal as well, so that the oldest can be found
	// without the state; inside the seal it is what counts.
	return fmt.Sprintf("%d.%s", flow.StartedAt.UnixMilli(), s.keys.SealText(plain.Bytes(), name+"/"+state)), nil
}

// packScopes writes scopes without repeating what the one before began with:
// twenty of one API would not fit otherwise. No scope begins with a slash.
func packScopes(scopes []string) string {
	var packed []string
	before := ""
	for _, scope := range scopes {
		of := scope[:strings.LastIndexByte(scope, '/')+1]
		if of != "" && of == before {
			packed = append(packed, "/"+scope[len(of):])
		} else {
			packed = append(packed, scope)
		}
		before = of
	}
	return strings.Join(packed, " ")
}

func unpackScopes(packed string) []string {
	scopes := strings.Fields(packed)
	before := ""
	for i, scope := range scopes {
		if name, short := strings.CutPrefix(scope, "/"); short {
			scopes[i] = before + name
		}
		before = scopes[i][:strings.LastIndexByte(scopes[i], '/')+1]
	}
	return scopes
}

// dropOldFlows makes room for one more flow: the oldest go until those that stay
// are few enough, and small enough together.
func (s *Store) dropOldFlows(w http.ResponseWriter, r *http.Request, room int) {
	type pending struct {
		name, started string
		size          int
	}
	var flows []pending
	total := 0
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, flowPrefix) {
			started, _, _ := strings.Cut(c.Value, ".")
			flows = append(flows, pending{c.Name, started, len(c.Name) + len(c.Value)})
			total += len(c.Name) + len(c.Value)
		}
	}
	slices.SortStableFunc(flows, func(a, b pending) int { return strings.Compare(a.started, b.started) })
	for i := 0; i < len(flows) && (len(flows)-i >= maxFlows || total > room); i++ {
		setFlowCookie(w, flows[i].name, "", -1)
		total -= flows[i].size
	}
}

// Errors of TakeFlow: all lead to a page with a button that starts again.
var (
	errNoState = apperr.New(apperr.Expired, "state_missing", "This answer to a sign-in does not say which sign-in it belongs to.").
			WithNext(apperr.MenderPerson, "Start again from here.").WithRetry()
	errNoFlow = apperr.New(apperr.Expired, "state_unknown", "This sign-in was not started in this browser, or it took longer than ten minutes.").
			WithNext(apperr.MenderPerson, "Start again from here. If you opened the page from a bookmark, bookmark the portal's first page instead.").WithRetry()
	errUsedFlow = apperr.New(apperr.Expired, "state_used", "This sign-in was already completed once.").
			WithNext(apperr.MenderPerson, "Start again from here.").WithRetry()
)

// TakeFlow returns the flow of a state that this browser started, and uses the
// state up: of any number of calls with the same state exactly one succeeds, on
// all replicas together. Its errors are of kind Expired.
func (s *Store) TakeFlow(w http.ResponseWriter, r *http.Request, state string) (Flow, error) {
	if state == "" {
		return Flow{}, errNoState
	}
	name := flowCookie(state)
	cookie, err := r.Cookie(name)
	if err != nil {
		return Flow{}, errNoFlow.Because(err)
	}
	setFlowCookie(w, name, "", -1)
	_, sealed, _ := strings.Cut(cookie.Value, ".")
	plain, err := s.keys.OpenText(sealed, name+"/"+state)
	if err != nil {
		return Flow{}, errNoFlow.Because(err)
	}
	var flow Flow
	if err := json.Unmarshal(plain, &flow); err != nil {
		return Flow{}, errNoFlow.Because(err)
	}
	flow.Scopes = unpackScopes(strings.Join(flow.Scopes, " "))
	if age := s.options.Now().Sub(flow.StartedAt); age > FlowAge {
		return Flow{}, errNoFlow.Becausef("started %v ago", age.Round(time.Second))
	}
	// Kept a little longer than the flow could live, for clocks that differ
	// between replicas.
	first, err := s.records.UseOnce(r.Context(), "state/"+state, flow.StartedAt.Add(FlowAge+5*time.Minute))
	if err != nil {
		return Flow{}, err
	}
	if !first {
		return Flow{}, errUsedFlow
	}
	return flow, nil
}
