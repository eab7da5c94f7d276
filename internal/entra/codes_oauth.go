package entra

import "azts.internal/portal/internal/apperr"

// oauthErrors explains the error names of authorization, token, device and API
// answers. [ExplainOAuth] names the sources.
var oauthErrors = map[string]entry{
	// Authorization endpoint.
	oauthRequest:                {oauthRequest, "The app sent a request that the company sign-in does not understand.", badApp},
	oauthUnauth:                 {oauthUnauth, "The app is not set up in this organization, or may not sign people in this way.", install},
	oauthDenied:                 {oauthDenied, "The app was not given the access that it asked for.", person("If you declined, sign in again and accept. If you did not, ask an administrator.")},
	"unsupported_response_type": {"unsupported_response_type", "The app asked for a kind of answer that is switched off in its registration.", badApp},
	oauthScope:                  {oauthScope, "The app asked for a permission that does not exist or that cannot be combined.", badApp},
	"server_error":              {"server_error", "The company sign-in had a fault.", waitABit},
	oauthUnavailable:            {oauthUnavailable, "The company sign-in is too busy just now.", waitABit},
	oauthResource:               {oauthResource, "The service that the app wants to reach is not set up in this organization.", askAdmin("Ask an administrator to add that service to this organization.")},
	"invalid_target":            {"invalid_target", "The app asked for access to a service that the company sign-in does not know.", badApp},
	"permission_denied":         {"permission_denied", "The app's permissions were not approved.", approve},
	"invalid_tenant":            {"invalid_tenant", "The app named an organization that does not exist here.", tenant},

	// OpenID Connect.
	oauthLogin:                          {oauthLogin, "You are not signed in any more.", freshSignIn},
	oauthInteraction:                    {oauthInteraction, "The company sign-in needs you for one more step.", person("Sign in again and follow the steps on the screen.")},
	oauthConsent:                        {oauthConsent, "Nobody has approved the app's permissions yet.", person("Sign in again and approve them. If the page asks for an administrator, send the request from there.")},
	"account_selection_required":        {"account_selection_required", "You are signed in with several accounts.", otherAccount},
	"invalid_request_uri":               {"invalid_request_uri", "The company sign-in could not use the request of the app.", badApp},
	"invalid_request_object":            {"invalid_request_object", "The company sign-in could not read the request of the app.", badApp},
	"request_not_supported":             {"request_not_supported", "The app sent its request in a form that the company sign-in does not take.", badApp},
	"request_uri_not_supported":         {"request_uri_not_supported", "The app sent its request by an address, which the company sign-in does not take.", badApp},
	"registration_not_supported":        {"registration_not_supported", "The app tried to register itself, which the company sign-in does not allow.", badApp},
	"unmet_authentication_requirements": {"unmet_authentication_requirements", "You did not sign in as strongly as the app asks for.", secondProof},

	// Token endpoint.
	oauthGrant:               {oauthGrant, "Your sign-in has run out or was withdrawn.", freshSignIn},
	oauthClient:              {oauthClient, "The app could not prove to the company sign-in who it is.", newSecret},
	"unsupported_grant_type": {"unsupported_grant_type", "The app asked for access in a way that the company sign-in does not offer.", badApp},
	"user_password_expired":  {"user_password_expired", "Your password has expired.", newPassword},

	// Device sign-in. Waiting is no refusal, yet the answer gives no access.
	"authorization_pending":  {"authorization_pending", "The sign-in on your other device is not finished yet.", person("Finish it there, then come back here.")},
	"slow_down":              {"slow_down", "The app asked too often whether you have finished signing in.", remedy{apperr.TooMany, apperr.MenderNobody, true, "Finish the sign-in on your other device. The app asks again in a few seconds."}},
	"authorization_declined": {"authorization_declined", "The sign-in on your other device was declined.", person("Start again if you want to sign in.")},
	"bad_verification_code":  {"bad_verification_code", "The company sign-in does not know the code by which the program asks.", askOwner("Start again to get a new code. If it comes back, tell the people who run the program: it sends another code than it was given.")},
	"expired_token":          {"expired_token", "The code for signing in on another device has run out.", startOver("Start again to get a new code. It is good for 15 minutes.")},

	// API answers (RFC 6750 §3.1).
	"invalid_token":                    {"invalid_token", "The service does not accept your access any more.", freshSignIn},
	"insufficient_scope":               {"insufficient_scope", "You have not given the app the permission that this step needs.", person("Approve the missing permission, then try again.")},
	"insufficient_claims":              {"insufficient_claims", "The service wants a stronger or fresher sign-in for this step.", secondProof},
	"insufficient_user_authentication": {"insufficient_user_authentication", "The service wants a stronger or fresher sign-in for this step.", secondProof},
}

// bearerErrors explains names that mean something else in the header of an API
// (RFC 6750 §3.1) than at the company sign-in.
var bearerErrors = map[string]entry{
	oauthRequest: {oauthRequest, "The service did not understand the call, or the token came twice.", fixCall},
}

// plainErrors explains what the token endpoint says in plain text, without an error
// name (entra.md §10).
var plainErrors = map[string]entry{
	"Too Many Requests": {oauthUnavailable, "An app asks the company sign-in for tokens too often.",
		remedy{apperr.TooMany, apperr.MenderNobody, true, "Wait 60 seconds, or as long as Retry-After says. If it comes back, the app has to keep its tokens until they end."}},
}

// suberrors explains error_subcode and suberror. The last five are internal to
// Entra and may go without notice.
var suberrors = map[string]entry{
	"cancel":                       {oauthDenied, "You went back without signing in.", person("That is fine. Sign in when you are ready.")},
	"basic_action":                 {oauthInteraction, "The company sign-in needs you for one more step.", person("Sign in again and follow the steps on the screen.")},
	"additional_action":            {oauthInteraction, "Something outside the sign-in has to change first.", askHelpDesk("Give the help desk the code and the time. They see in the sign-in log what is missing.")},
	"message_only":                 {oauthInteraction, "A rule of your organization does not let you in here.", policyLog},
	oauthConsent:                   {oauthGrant, "Nobody has approved the app's permissions yet.", person("Sign in again and approve them. If the page asks for an administrator, send the request from there.")},
	"user_password_expired":        {oauthGrant, "Your password has expired.", newPassword},
	"bad_token":                    {oauthGrant, "The app's record of your sign-in is no longer good.", freshSignIn},
	"token_expired":                {oauthGrant, "Your sign-in has run out.", freshSignIn},
	"client_mismatch":              {oauthGrant, "The app used a sign-in that belongs to another app.", badApp},
	"protection_policy_required":   {oauthUnauth, "Your organization allows this only in an app that it protects.", approvedApp},
	"device_authentication_failed": {oauthGrant, "Your device could not prove that it belongs to your organization.", deviceLog},
}
