package azts

import "testing"

func TestAcceptedRoles(t *testing.T) {
	for role, accepted := range map[string]bool{
		"8e3af657-a8ff-443c-a75c-2fe8c4bcb635": true, "b24988ac-6180-42a0-ab88-20f7382dd24c": true,
		"39bc4728-0917-49c7-9d2c-d95423bc2eb4": true, "fb1c8493-542b-48eb-b624-b4c8fea62acd": true,
		"acdd72a7-3385-48ef-bd42-f606fba81ae7": false, "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": false,
		"f58310d9-a9f6-439a-9e8d-f62e7b41a168": false, "": false, "Owner": false,
	} {
		if AcceptsRole(role) != accepted {
			t.Errorf("AcceptsRole(%q) = %v", role, !accepted)
		}
	}
}
