package azts

import "time"

// RoleDelay is how long AzTS may take to learn of a role in Azure: it reads them
// once in that time (azts.md, Authorization).
const RoleDelay = 24 * time.Hour

// acceptedRoles are the role definitions that AzTS accepts, by GUID in lower
// case (azts.md; GUIDs of entra.md §8). The classic administrators that it
// accepts too have none.
var acceptedRoles = map[string]bool{
	"8e3af657-a8ff-443c-a75c-2fe8c4bcb635": true, // Owner
	"b24988ac-6180-42a0-ab88-20f7382dd24c": true, // Contributor
	"39bc4728-0917-49c7-9d2c-d95423bc2eb4": true, // Security Reader
	"fb1c8493-542b-48eb-b624-b4c8fea62acd": true, // Security Admin
}

// AcceptsRole reports whether AzTS lets somebody with this role on a
// subscription, or on a resource group of it, request and read scans. role is
// the GUID of the role definition in lower case.
func AcceptsRole(role string) bool { return acceptedRoles[role] }
