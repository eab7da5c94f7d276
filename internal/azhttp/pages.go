package azhttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"
)

// Errors of a list whose links cannot be followed; causes, for the log.
var (
	ErrForeignLink  = errors.New("nextLink leads to another origin")
	ErrPageLoop     = errors.New("nextLink repeats an earlier page")
	ErrTooManyPages = errors.New("more pages than the limit")
	ErrNoList       = errors.New("an answer without a list")
)

// Pages reads a list in the form of ARM and Graph: value, and nextLink or
// @odata.nextLink while there is more (entra.md §7.5). It yields the members
// page by page; a page may be empty. It ends at the last page, at the first
// error, or after maxPages. first must be a [Repeatable] read; its headers go
// with every page.
func Pages[T any](ctx context.Context, c *Client, source TokenSource, first Request, maxPages int) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		next := *c.base
		next.Path += first.Path
		next.RawQuery = first.Query.Encode()
		seen := map[string]bool{next.String(): true}
		for range maxPages {
			res, err := c.do(ctx, source, first, &next)
			if err != nil {
				yield(nil, err)
				return
			}
			var page struct {
				Value     []T             `json:"value"`
				Error     json.RawMessage `json:"error"`
				NextLink  string          `json:"nextLink"`
				ODataNext string          `json:"@odata.nextLink"`
			}
			if err := res.JSON(&page); err != nil {
				yield(nil, err)
				return
			}
			// A 200 may hold an error, from whoever stands before the service: not
			// an empty list, which would pass for a whole one.
			if page.Value == nil || len(page.Error) > 0 && string(page.Error) != "null" {
				yield(nil, res.Malformed(ErrNoList))
				return
			}
			if !yield(page.Value, nil) {
				return
			}
			link := page.NextLink
			if link == "" {
				link = page.ODataNext
			}
			if link == "" {
				return
			}
			u, err := c.sameOrigin(link)
			if err == nil && seen[u.String()] {
				err = ErrPageLoop
			}
			if err != nil {
				yield(nil, res.Malformed(err))
				return
			}
			next = *u
			seen[next.String()] = true
		}
		call := CallError{Service: c.cfg.Service, Method: first.Method, Path: first.Path, Status: 200, Err: ErrTooManyPages}
		yield(nil, c.explain(&call))
	}
}

// sameOrigin parses a link that the service gave and refuses it when the token
// would go anywhere but to the client's own origin.
func (c *Client) sameOrigin(link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, fmt.Errorf("nextLink: %w", err)
	}
	if u.User != nil || u.Opaque != "" || u.Scheme != c.base.Scheme || origin(u) != origin(c.base) {
		return nil, ErrForeignLink
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
