package handlers

import (
	"context"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/session"
)

// consentTexts are the scopes of resources with the texts that the directory
// has for them, where a person may read it.
type consentTexts struct {
	*frame
}

// of returns the scopes of a resource that are known.
func (c *consentTexts) of(_ context.Context, _ *session.Session, resource entra.Resource) []entra.ResourceScope {
	return append([]entra.ResourceScope(nil), resource.Scopes...)
}
