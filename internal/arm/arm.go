// Package arm owns the reads of Azure Resource Manager that the portal needs
// (entra.md §8): the subscriptions that the signed-in person can see, and the
// roles that they have or may activate there. It writes nothing.
//
// The invariant its users rely on: ids of subscriptions and role definitions are
// in lower case, each thing appears once, and a list comes back whole or not at all.
package arm

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
)

// Limits of a list.
const (
	MaxSubscriptions = 20_000
	maxPages         = 200
	nameLimit        = 512 // bytes of a name
	// maxPause is how long a call waits before it is tried again: a page asks about
	// many subscriptions at once, and a person waits for it.
	maxPause = 3 * time.Second
)

// CodeNoPIM is the code of the refusal to list roles to activate where the tenant
// has no license for Privileged Identity Management.
const CodeNoPIM = "arm_no_pim"

// TokenSource gives tokens for Azure Resource Manager on behalf of a person.
type TokenSource = azhttp.TokenSource

// Client calls Azure Resource Manager.
type Client struct{ http *azhttp.Client }

// New returns a client for the Resource Manager at cfg.BaseURL with tokens of
// cfg.Scope (https://management.azure.com/.default in the public cloud).
// Service and Explain of cfg are set here; without a MaxWait it is 3 s.
func New(cfg azhttp.Config) (*Client, error) {
	cfg.Service, cfg.Explain, cfg.MaxWait = "Azure", explain, cmp.Or(cfg.MaxWait, maxPause)
	c, err := azhttp.New(cfg)
	if err != nil {
		return nil, err
	}
	return &Client{http: c}, nil
}

func explain(call *azhttp.CallError) *apperr.Error {
	switch {
	case call.Code == "InvalidAuthenticationTokenTenant":
		return apperr.New(apperr.Forbidden, "arm_wrong_tenant", "Azure expects a token of another tenant.").
			WithNext(apperr.MenderDeveloper, "Check the tenant that this portal signs people in with.")
	case call.Code == "AadPremiumLicenseRequired":
		return apperr.New(apperr.Forbidden, CodeNoPIM, "Your organization has no Privileged Identity Management.")
	case call.Status == http.StatusForbidden:
		return apperr.New(apperr.Forbidden, "arm_no_role", "Azure does not allow you to read this.").
			WithNext(apperr.MenderAdmin, "Ask an owner of the subscription for the Reader role.")
	case call.Code == "SubscriptionNotFound":
		return apperr.New(apperr.NotFound, "arm_no_subscription", "Azure does not know this subscription, or hides it from you.").
			WithNext(apperr.MenderPerson, "Check the id and the tenant you are signed in to.")
	}
	return nil
}

// RetryAfter returns how long Azure asked to wait, at most a day; zero when it did
// not say.
func RetryAfter(err error) time.Duration { return azhttp.RetryAfter(err) }

// Subscription is one that the person can see.
type Subscription struct {
	ID       string // GUID in lower case
	Name     string
	TenantID string
	State    string // Enabled, Warned, PastDue, Disabled, Deleted
}

// Subscriptions returns every subscription that the person of source can see
// in the token's tenant, in Azure's order. Members that cannot be read are left
// out. More than [MaxSubscriptions] are an error.
func (c *Client) Subscriptions(ctx context.Context, source TokenSource) ([]Subscription, error) {
	first := azhttp.Request{Method: http.MethodGet, Path: "/subscriptions",
		Query: url.Values{"api-version": {"2022-12-01"}}, Repeat: azhttp.Repeatable}
	var all []Subscription
	seen := map[string]bool{}
	for page, err := range azhttp.Pages[json.RawMessage](ctx, c.http, source, first, maxPages) {
		if err != nil {
			return nil, err
		}
		for _, raw := range page {
			var w struct{ SubscriptionID, DisplayName, TenantID, State string }
			if json.Unmarshal(raw, &w) != nil {
				continue
			}
			id := strings.ToLower(w.SubscriptionID)
			if id == "" || len(id) > nameLimit || seen[id] {
				continue
			}
			if len(all) >= MaxSubscriptions {
				return nil, apperr.New(apperr.TooLarge, "arm_too_many", "You can see more subscriptions than this portal can list.").
					WithNext(apperr.MenderDeveloper, "Tell whoever runs this portal.")
			}
			seen[id] = true
			all = append(all, Subscription{ID: id, Name: name(w.DisplayName), TenantID: name(w.TenantID), State: name(w.State)})
		}
	}
	return all, nil
}

// name cuts a text of Azure to its limit and takes out NUL, which PostgreSQL
// cannot store. It is a copy: a part would keep the whole text in memory.
func name(s string) string {
	if len(s) > nameLimit {
		s = s[:nameLimit]
	}
	return strings.Clone(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), ""))
}
