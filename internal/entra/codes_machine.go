package entra

import "azts.internal/portal/internal/apperr"

// The remedies of machines and of APIs: nobody signs in there.
var (
	fixCall   = askOwner("Tell the people who run the program: the call itself is wrong, so repeating it cannot help.")
	waitThen  = remedy{apperr.Unavailable, apperr.MenderNobody, true, "Wait and try again, at most five times, with pauses of 2, 6, 14, 30 and 60 seconds."}
	waitCheck = remedy{apperr.Unavailable, apperr.MenderNobody, true, waitThen.next + " If it stays, check that the managed identity is switched on."}
	grantRole = askAdmin("Ask an administrator: the account needs a directory role, or the app a permission that was never approved.")
)

// machineErrors explains the answers of a machine's own token endpoint, IMDS
// (entra.md §9.1). Where the answer has no error name, the key is the status.
var machineErrors = map[string]entry{
	"invalid_resource":          {oauthResource, "The managed identity was asked for a service that this organization does not have.", askOwner("Tell the people who run the program: the resource has to be the exact App ID URI of a service that is installed here.")},
	"bad_request_102":           {oauthRequest, "The header Metadata: true is missing, which the endpoint of managed identities demands.", askOwner("Tell the people who run the program: send the header Metadata with the value true, in lower case.")},
	oauthRequest:                {oauthRequest, "The request to the endpoint of managed identities is malformed, or the identity was not found.", askAdmin("Ask the owner of the machine to assign a managed identity to it. Where it has several, the program has to name one.")},
	"unknown_source":            {oauthRequest, "The endpoint of managed identities was called at a wrong address.", askOwner("Tell the people who run the program: the path is /metadata/identity/oauth2/token.")},
	oauthUnauth:                 {oauthUnauth, "The managed identity may not ask for this.", fixCall},
	oauthDenied:                 {oauthDenied, "The managed identity was refused the access that it asked for.", fixCall},
	"unsupported_response_type": {"unsupported_response_type", "The managed identity was asked for a kind of answer that it does not give.", fixCall},
	oauthScope:                  {oauthScope, "The managed identity was asked for a permission that does not exist.", fixCall},
	"404":                       {oauthUnavailable, "The endpoint of managed identities (IMDS) answers 404 while it is being updated.", waitThen},
	"410":                       {oauthUnavailable, "The endpoint of managed identities (IMDS) answers 410 while it is being updated, which takes up to 70 seconds.", waitThen},
	"429":                       {oauthUnavailable, "The endpoint of managed identities (IMDS) answers 429 when it is asked too often.", waitThen},
	"500":                       {"server_error", "The endpoint of managed identities had a fault, or no identity is switched on for the machine.", waitCheck},
	"unknown":                   {"server_error", "The endpoint of managed identities failed for a reason that it does not name.", waitCheck},
	"timeout":                   {oauthUnavailable, "The endpoint of managed identities did not answer in time.", waitThen},
}

// apiErrors explains the error codes of Microsoft Graph and of Azure (entra.md
// §7.5, §8), which stand beside those of RFC 6750 in their answers.
var apiErrors = map[string]entry{
	"InvalidAuthenticationToken":  {"invalid_token", "The service does not accept the access token: it has expired, or is for another service.", freshSignIn},
	"Authorization_RequestDenied": {"insufficient_scope", "The directory does not let this account or app do that.", grantRole},
	"Request_ResourceNotFound":    {oauthRequest, "The directory does not have this, or not any more.", askOwner("Tell the people who run the app. What was made a moment ago can take a minute to be found.")},

	"ExpiredAuthenticationToken":       {"invalid_token", "The access token has expired.", freshSignIn},
	"InvalidAuthenticationTokenTenant": {"invalid_token", "Azure expects a token of another tenant: that of the subscription.", askOwner("Tell the people who run the app: it has to ask the subscription's own tenant for the token.")},
	"AuthenticationFailed":             {"invalid_token", "Azure could not read the access token, or there was none.", freshSignIn},
	"AuthorizationFailed":              {"insufficient_scope", "You have no role in Azure that allows this here.", askAdmin("Ask an owner of the subscription for a role. A new role can take some minutes.")},
	"SubscriptionNotFound":             {oauthRequest, "Azure does not know this subscription, or hides it from this account.", person("Check the id and the tenant you are signed in to.")},
}
