package sandbox

// InventoryAppID is an API of Contoso's own, beside AzTS: one that whoever runs a
// portal may allow people to ask tokens for.
const (
	InventoryAppID    = "6d0f3b92-47ae-4c15-9e83-b1c5d702f648"
	InventoryAppIDURI = "api://" + InventoryAppID
)

// inventory returns the registration of that API. One of its permissions is for
// administrators to give.
func inventory() *application {
	return &application{appID: InventoryAppID, objectID: "28fe26ab-6bc5-4ad0-a92d-e4b5716cf38a", name: "Contoso Inventory", publisher: "Contoso",
		identifierURIs: []string{InventoryAppIDURI}, tokenVersion: 2,
		// The CLI needs nobody's consent here, PowerShell does (entra.md §7.7).
		preauthorized: map[string][]string{AzureCLIAppID: {"Items.Read"}},
		scopes: []permissionScope{
			{id: "8c5d0e17-2a64-4f3b-91d8-07e6b4a2c95f", value: "Items.Read",
				adminName: "Read the inventory", adminDescription: "Lets the application read the inventory as the signed-in person.",
				userName: "Read the inventory as you", userDescription: "Lets the application read the parts of the inventory that you may see."},
			{id: "9d6e1f28-3b75-404c-82e9-18f7c5b3da60", value: "Items.ReadWrite", adminOnly: true,
				adminName: "Change the inventory", adminDescription: "Lets the application change the inventory as the signed-in person.",
				userName: "Change the inventory as you", userDescription: "Lets the application change the parts of the inventory that you may change."},
		}}
}
