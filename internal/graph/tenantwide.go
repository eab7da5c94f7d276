package graph

import (
	"context"
	"net/url"
)

// TenantWideGrants returns the grants for everybody of one client, at one API, or
// both; an empty id leaves that open, and one of them is required. They are few,
// where the grants of single people can be one for each employee.
func (c *Client) TenantWideGrants(ctx context.Context, source TokenSource, client, resource string) ([]Grant, error) {
	filter := "consentType eq '" + allPrincipals + "'"
	for _, part := range []struct{ member, id string }{{"clientId", client}, {"resourceId", resource}} {
		if part.id == "" {
			continue
		}
		id := guid(part.id)
		if id == "" {
			return nil, errBadID
		}
		filter += " and " + part.member + " eq '" + id + "'"
	}
	if client == "" && resource == "" {
		return nil, errBadID
	}
	return list(ctx, c.reads, source, get(grantsPath, url.Values{"$filter": {filter}}), decodeGrant)
}
