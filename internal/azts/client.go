package azts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
)

// MaxSubscriptions is the most subscriptions that one call takes.
const MaxSubscriptions = 100

// ScansPerDay is how many on-demand scans AzTS allows per subscription and day.
const ScansPerDay = 10

// TokenSource gives tokens for AzTS on behalf of a person.
type TokenSource = azhttp.TokenSource

// ChallengeError says that AzTS wants a token with more claims; find it with errors.As.
type ChallengeError = azhttp.ChallengeError

// RetryAfter returns how long AzTS asked to wait, at most a day; zero when it
// did not say.
func RetryAfter(err error) time.Duration { return azhttp.RetryAfter(err) }

// MayHaveReached reports whether AzTS may have acted on the call that ended
// with err: a scan may have been queued.
func MayHaveReached(err error) bool { return azhttp.MayHaveReached(err) }

// Words returns what AzTS itself wrote about a refusal, at most 300 bytes; ""
// when it wrote nothing. It is a stranger's text: show it as a quotation.
func Words(err error) string {
	var call *azhttp.CallError
	if !errors.As(err, &call) {
		return ""
	}
	return limit(call.Message, 300)
}

// Client calls the AzTS REST API.
type Client struct{ http *azhttp.Client }

// New returns a client for the Web API at cfg.BaseURL with tokens of cfg.Scope
// (api://…/user_impersonation). Service and Explain of cfg are set here.
func New(cfg azhttp.Config) (*Client, error) {
	cfg.Service, cfg.Explain = "AzTS", explain
	c, err := azhttp.New(cfg)
	if err != nil {
		return nil, err
	}
	return &Client{http: c}, nil
}

// explain gives a refusal the meaning of azts.md, Errors.
func explain(call *azhttp.CallError) *apperr.Error {
	switch call.Status {
	case http.StatusForbidden:
		return apperr.New(apperr.Forbidden, "azts_no_role", "AzTS does not see a role of yours on this subscription.").
			WithNext(apperr.MenderAdmin, "You need Owner, Contributor, Security Reader or Security Admin on it or on one of its resource groups. "+
				"AzTS reads roles once in 24 hours: a role given today may count from tomorrow.")
	case http.StatusNotFound:
		return apperr.New(apperr.Unavailable, "azts_off", "The REST API of AzTS is switched off.").
			WithNext(apperr.MenderAdmin, "Ask the administrator of AzTS to switch on on-demand scans (FeatureManagement__OnDemandScanAPI).")
	case http.StatusBadRequest:
		return apperr.New(apperr.BadGateway, "azts_bad_request", "AzTS did not understand the request of this portal.").
			WithNext(apperr.MenderHelpDesk, "Give the help desk the reference below.")
	}
	return nil
}

var errBadID = apperr.New(apperr.Invalid, "subscription_id", "A subscription id must look like 00000000-0000-0000-0000-000000000000.").
	WithNext(apperr.MenderPerson, "Check the id and try again.")

// ParseSubscriptionID returns the GUID in lower case, or an Invalid error.
func ParseSubscriptionID(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) != 36 {
		return "", errBadID
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", errBadID
		}
	}
	return s, nil
}

// ParseSubscriptionIDs is ParseSubscriptionID for a list: repeated ids are left
// out, an empty list or more than limit ids are Invalid.
func ParseSubscriptionIDs(ids []string, limit int) ([]string, error) {
	if len(ids) == 0 {
		return nil, apperr.New(apperr.Invalid, "subscription_none", "No subscription is chosen.").
			WithNext(apperr.MenderPerson, "Choose at least one.")
	}
	seen := make(map[string]bool, min(len(ids), limit))
	out := make([]string, 0, min(len(ids), limit))
	for _, s := range ids {
		id, err := ParseSubscriptionID(s)
		if err != nil {
			return nil, err
		}
		if seen[id] {
			continue
		}
		if len(out) >= limit {
			return nil, apperr.New(apperr.Invalid, "subscription_many", fmt.Sprintf("More than %d subscriptions are chosen.", limit)).
				WithNext(apperr.MenderPerson, "Choose fewer.")
		}
		seen[id] = true
		out = append(out, id)
	}
	return out, nil
}

// elements decodes each member of a list by itself, so that one that cannot be
// read costs no other. It returns how many were skipped.
func elements[T any](list []json.RawMessage) (out []T, skipped int) {
	for _, raw := range list {
		var v T
		if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &v) != nil {
			skipped++
			continue
		}
		out = append(out, v)
	}
	return out, skipped
}

// isThrottle returns the refusal of a call by 429, nil if err is another one.
func isThrottle(err error) *azhttp.CallError {
	var call *azhttp.CallError
	if errors.As(err, &call) && call.Status == http.StatusTooManyRequests {
		return call
	}
	return nil
}

func (c *Client) post(ctx context.Context, source TokenSource, r azhttp.Request) (*azhttp.Response, error) {
	r.Method = http.MethodPost
	return c.http.Do(ctx, source, r)
}
