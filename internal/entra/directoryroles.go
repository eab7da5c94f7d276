package entra

import "strings"

// directoryRoles are the names of directory roles by template id (entra.md §7.8).
var directoryRoles = map[string]string{
	"62e90394-69f5-4237-9190-012177145e10": "Global Administrator",
	"f2ef992c-3afb-46b9-b7cf-a126ee74c451": "Global Reader",
	"9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3": "Application Administrator",
	"5d6b6bb7-de71-4623-b4af-96380a352509": "Security Reader",
	"158c047a-c907-4556-b7ef-446551a6b5f7": "Cloud Application Administrator",
	"194ae4cb-b126-40b2-bd5b-6091b380977d": "Security Administrator",
	"e8611ab8-c189-46e8-94e1-60213ab1f814": "Privileged Role Administrator",
	"88d8e3e3-8f55-4a1e-953a-9b9898b8876b": "Directory Readers",
	"cf1c38e5-3621-4004-a7cb-879624dced7c": "Application Developer",
}

// DirectoryRoleNames returns the names of directory roles; an id we do not know
// as it stands.
func DirectoryRoleNames(templates []string) []string {
	names := make([]string, len(templates))
	for i, id := range templates {
		if names[i] = directoryRoles[strings.ToLower(id)]; names[i] == "" {
			names[i] = id
		}
	}
	return names
}
