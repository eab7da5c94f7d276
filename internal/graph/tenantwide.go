package graph

import "context"

// TenantGrantsOnResource returns what all applications were granted for everybody
// at one API, whose object id resource is. They are few, where the grants of
// single people can be one for each employee.
func (c *Client) TenantGrantsOnResource(ctx context.Context, source TokenSource, resource string) ([]Grant, error) {
	return c.grantsBy(ctx, source, "resourceId", resource, "consentType eq '"+allPrincipals+"'")
}
