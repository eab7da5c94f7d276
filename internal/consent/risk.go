package consent

import (
	"strings"

	"azts.internal/portal/internal/graph"
)

// Risk is a set of marks that an administrator should look at first.
type Risk uint8

// The marks.
const (
	// RiskTenant: the grant is for everybody in the tenant.
	RiskTenant Risk = 1 << iota
	// RiskWrite: a scope or role can change things or reaches everybody's data,
	// as far as its name says ([WriteLike]).
	RiskWrite
	// RiskUnused: nothing can use it any more. Graph v1.0 tells no last use, so
	// that is all it can honestly mean: the client was deleted or disabled, or the
	// API does not offer one of the scopes or the role any more.
	RiskUnused
	// RiskPublisher: the client is registered in another tenant, which is not
	// Microsoft's own, or Graph does not say in which ([Row.OwnerUnknown]), and
	// nobody has verified its publisher.
	RiskPublisher
)

// Has reports whether all marks of other are in r.
func (r Risk) Has(other Risk) bool { return r&other == other }

// microsoftTenant owns the registrations of Microsoft's own services.
const microsoftTenant = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"

// writeWords are parts of names of permissions that change things.
var writeWords = []string{"readwrite", "write", "fullcontrol", "full_access", "manage", "delete", "create", "send", "accessasuser"}

// WriteLike reports whether a permission's name promises more than reading what
// the signed-in person can see: it writes (ReadWrite, Write, FullControl, …), or
// it reaches everything (a name that ends in All). user_impersonation, the one
// scope of most APIs, says nothing of the kind and is not write-like.
func WriteLike(value string) bool {
	lower := strings.ToLower(value)
	if lower == "user_impersonation" {
		return false
	}
	for _, word := range writeWords {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return strings.HasSuffix(lower, ".all") || lower == "all"
}

// unknownPublisher reports whether nobody answers for a client. home is our tenant.
func unknownPublisher(client *graph.ServicePrincipal, home string) bool {
	return client != nil && client.VerifiedPublisher == "" && client.OwnerTenantID != home && client.OwnerTenantID != microsoftTenant
}

// KnownClients are the public clients of Microsoft that people use with AzTS, by
// client id (entra.md §7.7).
var KnownClients = map[string]string{
	"04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Microsoft Azure CLI",
	"1950a258-227b-4e31-a9cf-717495945fc2": "Microsoft Azure PowerShell",
	"872cd9fa-d31f-45e0-9eab-6e460a02d1f1": "Visual Studio",
	"aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
}
