package flows

// Party is somebody who takes part in a flow.
type Party string

// The parties.
const (
	Browser Party = "Browser"
	Portal  Party = "Portal"  // this application, as a client of the tenant
	Script  Party = "Script"  // a program of the person, or a service without one
	Tenant  Party = "Tenant"  // the company sign-in: Entra ID
	AzTS    Party = "AzTS"    // its Web API
	Azure   Party = "Azure"   // Azure Resource Manager, or another API behind AzTS
	Graph   Party = "Graph"   // Microsoft Graph
	Machine Party = "Machine" // its own identity endpoint: IMDS, or App Service's
	Issuer  Party = "Other issuer"
	Device  Party = "Other device"
	YourAPI Party = "Your API" // one of the company that is not AzTS
)

// Need is how much a message needs a parameter.
type Need string

// The needs. [Absent] is for a parameter that one of v1 and v2 does not have.
const (
	Required    Need = "required"
	Recommended Need = "recommended"
	Optional    Need = "optional"
	Absent      Need = "–"
)

// Parameter is one parameter of a message (entra.md §2.1, §4).
type Parameter struct {
	Name    string
	V1, V2  Need
	Meaning string // one sentence
}

// Message is one message of a flow as it should be.
type Message struct {
	ID         string // stays the same: traces and links name it
	From, To   Party
	Name       string // for example "Authorization request"
	What       string // one or two sentences
	Parameters []Parameter
	// V1 and V2 are examples of its two forms; V1 is empty where there is none.
	// Names in braces, as in [Facts], stand for what is configured.
	V1, V2 string
}

// Command does the same as a flow with a tool that people have.
type Command struct {
	Tool string // for example "Azure CLI"
	Code string // with names in braces, as in [Facts]
	Note string // what to know before running it, or ""
}

// Place is where a flow can be run.
type Place string

// The places.
const (
	InLab    Place = "lab"    // the tenant in the box, inside this process
	InTenant Place = "tenant" // the configured tenant, with the person's own rights
	InAzure  Place = "azure"  // the machine that this portal runs on, for admins
)

// Label says where that is.
func (p Place) Label() string {
	switch p {
	case InTenant:
		return "At your tenant"
	case InAzure:
		return "In Azure, as this portal's machine"
	}
	return "In the sandbox"
}

// Group is what people want when they look for a flow.
type Group string

// The groups, in the order in which they are shown.
const (
	SignIn  Group = "A person signs in"
	Own     Group = "A token in a person's name"
	Service Group = "A token without a person"
	Out     Group = "Signing out"
	Legacy  Group = "Legacy: know it, do not build it"
)

// Flow is one way to a token, or out of a session.
type Flow struct {
	ID      string // in addresses
	Group   Group
	Title   string
	Summary string // one sentence
	// UseWhen and AvoidWhen are sentences: when it is right and when not.
	UseWhen, AvoidWhen []string
	Parties            []Party // from left to right in the diagram
	Messages           []Message
	Commands           []Command
	Risks              []string // what it costs, in sentences
	// Places are where it can be run, PlacesNote what to know about that.
	Places     []Place
	PlacesNote string
	Failures   []string // ids of the deliberate failures that it can show
}

// Failure is something done wrong on purpose.
type Failure struct {
	ID    string
	Title string // for example "Wrong state"
	What  string // what is changed
	// Refuses is who notices, Check the very check, Code the error to expect.
	Refuses Party
	Check   string
	Code    string
	// Marks are the parameters, headers and claims of the refused message that are
	// wrong, by name, as far as they are in it.
	Marks []string
	Why   string // why it is good that this is refused
}
