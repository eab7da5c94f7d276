package graph

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
)

// Limits of answers.
const (
	// MaxList is how many entries of one list are read.
	MaxList = 100_000
	// MaxText is the longest name or description that is kept, in bytes.
	MaxText = 512
	// pageSize is the most that Graph gives at once ($top).
	pageSize = 999
	// maxPages leaves room for pages smaller than asked for, and empty ones.
	maxPages = 2_000
	// maxMembers is how many permissions, roles or credentials of one object are kept.
	maxMembers = 2_000
)

// TokenSource gives tokens for Graph on behalf of a person.
type TokenSource = azhttp.TokenSource

// ChallengeError says that Graph wants a token with more claims (entra.md §6);
// find it with errors.As.
type ChallengeError = azhttp.ChallengeError

// RetryAfter returns how long Graph asked to wait, at most a day; zero when it
// did not say.
func RetryAfter(err error) time.Duration { return azhttp.RetryAfter(err) }

// MayHaveReached reports whether Graph may have acted on the call that ended
// with err, so that its effect must be looked up.
func MayHaveReached(err error) bool { return azhttp.MayHaveReached(err) }

// Permissions of Graph that the client asks for, one by one.
const (
	permissionRead   = "Directory.Read.All"
	permissionGrants = "DelegatedPermissionGrant.ReadWrite.All"
	permissionRoles  = "AppRoleAssignment.ReadWrite.All"
	permissionMe     = "User.Read"
)

// Config says which Graph a client talks to. BaseURL and ScopeBase are required.
type Config struct {
	// BaseURL is the address with the version, such as https://graph.microsoft.com/v1.0.
	BaseURL string
	// ScopeBase is the App ID URI of Graph in this cloud, without a slash at its
	// end: https://graph.microsoft.com in the public one.
	ScopeBase string
	// Transport sends the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Now, Sleep and Jitter are as in [azhttp.Config].
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error
	Jitter func() float64
}

// Client calls Graph. It is safe for use by several goroutines.
type Client struct {
	scopeBase                    string
	reads, grants, roles, myself *azhttp.Client // by the permission that the token carries
}

// New returns a client, or an error that names what is wrong with the configuration.
func New(cfg Config) (*Client, error) {
	if cfg.ScopeBase == "" || strings.HasSuffix(cfg.ScopeBase, "/") {
		return nil, errors.New("graph: the base of scopes must be the App ID URI without a slash at its end")
	}
	c := &Client{scopeBase: cfg.ScopeBase}
	for _, one := range []struct {
		client     **azhttp.Client
		permission string
	}{{&c.reads, permissionRead}, {&c.grants, permissionGrants}, {&c.roles, permissionRoles}, {&c.myself, permissionMe}} {
		made, err := azhttp.New(azhttp.Config{BaseURL: cfg.BaseURL, Scope: c.scope(one.permission), Service: "Microsoft Graph",
			Explain: explain, Transport: cfg.Transport, Now: cfg.Now, Sleep: cfg.Sleep, Jitter: cfg.Jitter})
		if err != nil {
			return nil, err
		}
		*one.client = made
	}
	return c, nil
}

func (c *Client) scope(permission string) string { return c.scopeBase + "/" + permission }

// ReadScope is what a token source is asked for to read grants, roles and names.
func (c *Client) ReadScope() string { return c.scope(permissionRead) }

// GrantScope is what a token source is asked for to change delegated grants.
func (c *Client) GrantScope() string { return c.scope(permissionGrants) }

// RoleScope is what a token source is asked for to withdraw app roles.
func (c *Client) RoleScope() string { return c.scope(permissionRoles) }

// MeScope is what a token source is asked for to read about the caller.
func (c *Client) MeScope() string { return c.scope(permissionMe) }

// Codes of errors that callers tell apart (apperr.HasCode).
const (
	CodeDenied   = "graph_denied"    // 403: a directory role is missing
	CodeNotFound = "graph_not_found" // 404: not there, or not there any more
	CodeExists   = "graph_exists"    // there is such a grant already
)

// explain gives a refusal the meaning of entra.md §7.5.
func explain(call *azhttp.CallError) *apperr.Error {
	switch {
	case call.Code == "Request_MultipleObjectsWithSameKeyValue" || call.Status == http.StatusConflict:
		return apperr.New(apperr.Conflict, CodeExists, "There is such a consent already.").
			WithNext(apperr.MenderPerson, "Load the list again to see it.")
	case call.Code == "Directory_ExpiredPageToken":
		return apperr.New(apperr.Expired, "graph_page_expired", "The list changed while it was read.").
			WithNext(apperr.MenderPerson, "Load it again.").WithRetry()
	case call.Code == "Directory_ResultSizeLimitExceeded":
		return apperr.New(apperr.TooLarge, "graph_too_many", "Microsoft Graph has more of these than it can list.").
			WithNext(apperr.MenderDeveloper, "Tell whoever runs this portal.")
	case call.Status == http.StatusForbidden:
		return apperr.New(apperr.Forbidden, CodeDenied, "Microsoft Graph does not let your account do this.").
			WithNext(apperr.MenderAdmin, "Your account needs a directory role. Reading consent: Directory Readers, Global Reader or an administrator role. "+
				"Changing it: Application, Cloud Application, Privileged Role or Global Administrator.")
	case call.Status == http.StatusNotFound:
		return apperr.New(apperr.NotFound, CodeNotFound, "Microsoft Graph does not have this, or not any more.").
			WithNext(apperr.MenderPerson, "Load the list again.")
	case call.Status == http.StatusTooManyRequests:
		return throttled(call.RetryAfter)
	}
	return nil
}

func throttled(wait time.Duration) *apperr.Error {
	next := "Wait a minute and try again."
	if seconds := int((wait + time.Second - 1) / time.Second); seconds > 1 {
		next = "It asks to wait " + strconv.Itoa(seconds) + " seconds. Try again then."
	}
	return apperr.New(apperr.TooMany, "graph_throttled", "Microsoft Graph has too much to do at the moment.").
		WithNext(apperr.MenderPerson, next).WithRetry()
}

func get(path string, query url.Values) azhttp.Request {
	return azhttp.Request{Method: http.MethodGet, Path: path, Query: query, Repeat: azhttp.Repeatable}
}

// one reads one entity.
func one[T any](ctx context.Context, c *azhttp.Client, source TokenSource, r azhttp.Request, decode func(json.RawMessage) (T, bool)) (T, error) {
	var none T
	res, err := c.Do(ctx, source, r)
	if err != nil {
		return none, err
	}
	var raw json.RawMessage
	if err := res.JSON(&raw); err != nil {
		return none, err
	}
	v, ok := decode(raw)
	if !ok {
		return none, res.Malformed(errors.New("an entity without an id"))
	}
	return v, nil
}

// list reads a list to its end. With an error it returns what arrived before, or
// what could be read.
func list[T any](ctx context.Context, c *azhttp.Client, source TokenSource, r azhttp.Request, decode func(json.RawMessage) (T, bool)) ([]T, error) {
	if r.Query == nil {
		r.Query = url.Values{}
	}
	r.Query.Set("$top", strconv.Itoa(pageSize))
	return gather(azhttp.Pages[json.RawMessage](ctx, c, source, r, maxPages), decode)
}

var (
	errTooMany = apperr.New(apperr.TooLarge, "graph_too_many", "Microsoft Graph has more of these than this portal lists.").
			WithNext(apperr.MenderDeveloper, "Tell whoever runs this portal.")
	errUnreadable = apperr.New(apperr.BadGateway, "graph_entries_unreadable", "Microsoft Graph gave entries that cannot be read.").
			WithNext(apperr.MenderDeveloper, "Tell whoever runs this portal, with the reference below.")
)

// gather puts the pages together. An entry that decode refuses is left out, and
// the error at the end says so: a list without it is not whole.
func gather[T any](pages iter.Seq2[[]json.RawMessage, error], decode func(json.RawMessage) (T, bool)) ([]T, error) {
	var all []T
	unreadable := 0
	for page, err := range pages {
		if err != nil {
			return all, err
		}
		for _, raw := range page {
			v, ok := decode(raw)
			if !ok {
				unreadable++
				continue
			}
			if len(all) >= MaxList {
				return all, errTooMany
			}
			all = append(all, v)
		}
	}
	if unreadable > 0 {
		return all, errUnreadable.Becausef("%d entries without an id, beside %d", unreadable, len(all))
	}
	return all, nil
}

// deletes sends a DELETE. That it is gone when an earlier try may have deleted
// it is what was wanted.
func deletes(ctx context.Context, c *azhttp.Client, source TokenSource, path string) error {
	_, err := c.Do(ctx, source, azhttp.Request{Method: http.MethodDelete, Path: path, Repeat: azhttp.Repeatable})
	var call *azhttp.CallError
	if errors.As(err, &call) && call.Status == http.StatusNotFound && call.Tries > 1 {
		return nil
	}
	return err
}
