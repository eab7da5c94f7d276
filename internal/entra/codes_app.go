package entra

import "azts.internal/portal/internal/apperr"

// appCodes are the AADSTS numbers about the registration of an app or service
// and about the app's credential.
var appCodes = map[int]entry{
	50001:  {oauthResource, "The service that the app wants to reach is disabled or does not exist.", askAdmin("Ask an administrator to add that service to this organization. The app's owner can check its address.")},
	500011: {oauthResource, "The service that the app wants to reach is not set up in this organization.", askAdmin("Ask an administrator to add that service to this organization. The app's owner can check its address.")},

	50011:  {ownPage, "The app wants to come back to an address that is not registered for it.", redirect},
	500113: {ownPage, "The app has no registered address to come back to.", redirect},
	900971: {ownPage, "The app did not say to which address to come back.", askOwner("Tell the people who run the app: the request has to name its redirect address.")},

	50012:  {oauthClient, "The app could not prove who it is: its credential is not trusted.", newSecret},
	700027: {oauthClient, "The signature of the app's proof fits no certificate that is registered for it.", newSecret},
	700024: {oauthClient, "The app's proof of who it is was too old or not valid yet.", askOwner("Tell the people who run the app: its clock may be wrong, or the proof is made too early.")},
	700030: {oauthClient, "The name in the app's certificate is not allowed for it.", newSecret},

	50013:  {oauthGrant, "The app showed a token that is not valid: the one it was called with, or one of an issuer that it trusts.", freshToken},
	500133: {oauthGrant, "The app passed on a proof of your sign-in that has run out.", freshToken},
	50027:  {oauthGrant, "The app sent a proof of sign-in that is malformed or from elsewhere.", badApp},
	50048:  {oauthGrant, "The app's proof of who it is names two different senders.", badApp},
	240002: {oauthGrant, "The app used a sign-in token where an access token is needed.", badApp},

	65002:  {oauthRequest, "This app and this service of Microsoft are not allowed to work together.", askOwner("Tell the people who run the app: it has to use a client id of its own.")},
	65005:  {oauthResource, "The app asks for a service that is missing from its list of permissions.", listService},
	650052: {oauthResource, "The app needs a service that your organization has not subscribed to or enabled.", askAdmin("Ask an administrator to subscribe to that service or to enable it.")},
	650056: {oauthResource, "The app is set up wrongly: its permissions are missing or nobody approved them.", approve},
	650057: {oauthResource, "The app asked for a service that its registration does not list.", listService},

	70001:   {oauthUnauth, "The app is disabled or not found.", askAdmin("Ask an administrator to check that it is the right organization, and to install or enable the app.")},
	7000112: {oauthUnauth, "The app is disabled in its organization.", enable},
	700011:  {oauthUnauth, "The app was not found in this directory.", install},
	700016:  {oauthUnauth, "The app was not found in this organization.", install},
	7000229: {oauthUnauth, "The app has no service principal in this organization.", askAdmin("Ask an administrator to create the enterprise application for it.")},

	70002:   {oauthClient, "The app could not prove who it is: its secret does not match.", newSecret},
	7000215: {oauthClient, "The app sent a wrong secret, often the id of the secret and not its value.", askAdmin("Tell the owner of the app: it has to send the secret's value, not its id, URL-encoded. Else an administrator makes a new one.")},
	7000222: {oauthClient, "The app's secret has expired.", newSecret},
	7000216: {oauthClient, "The app did not send any proof of who it is.", askOwner("Tell the people who run the app: it has to send its secret or certificate proof.")},
	7000218: {oauthClient, "The app has to send a secret or certificate proof, or to allow public client flows.", askOwner("Tell the people who run the app: its client type and its credential do not fit.")},
	700025:  {oauthClient, "The app is registered as public and must not send a secret.", askOwner("Tell the people who run the app: its client type and its credential do not fit.")},

	70021:  {oauthRequest, "No federated credential of the app fits the proof that it sent.", federated},
	700211: {oauthClient, "No federated credential of the app names this issuer.", federated},
	700212: {oauthClient, "No federated credential of the app names this audience.", federated},
	700213: {oauthClient, "No federated credential of the app names this subject.", federated},
	700229: {oauthRequest, "The app proved who it is with the token of a person, and only those of apps are allowed.", badApp},

	700051: {oauthRequest, "The app asked for an access token in the browser, which is switched off for it.", askOwner("Tell the people who run the app: use the code flow, or tick access tokens in the registration.")},
	700054: {oauthRequest, "The app asked for an ID token in the browser, which is switched off for it.", askOwner("Tell the people who run the app: tick ID tokens in the registration, or use the code flow.")},

	9002325: {oauthRequest, "The app redeemed a code in the browser without the proof key (PKCE).", badApp},
	9002326: {oauthRequest, "The app redeemed a code in the browser, but is not registered as a single-page app.", badApp},
	9002327: {oauthRequest, "The app is a single-page app and redeemed a code outside the browser.", badApp},
	90008:   {oauthRequest, "The app lacks the permission to sign people in.", askOwner("Tell the people who run the app: it has to ask for the permission to sign in and read the profile.")},
	90009:   {oauthRequest, "The app asked for a token for itself and did not use its id.", badApp},
}

// requestCodes are the AADSTS numbers about a wrong request and about faults
// of the platform itself.
var requestCodes = map[int]entry{
	28002:  {oauthScope, "The app asked for a permission that is not valid.", badApp},
	28003:  {oauthScope, "The app did not say which permission it wants.", badApp},
	70011:  {oauthScope, "The app asked for permissions that are malformed or cannot be combined.", badApp},
	700022: {oauthScope, "The app asked for two services at once.", badApp},
	700023: {oauthScope, "The app did not say for which service it wants access.", badApp},
	901002: {oauthRequest, "The app named the service in a way that only the old sign-in version knows.", badApp},

	50059:   {oauthRequest, "The request does not tell which organization is meant.", tenant},
	50128:   {oauthRequest, "The domain in the request belongs to no organization here.", tenant},
	90019:   {oauthRequest, "The company sign-in could not tell the organization from the request.", tenant},
	50194:   {oauthRequest, "The app is for one organization only and used the address for all.", tenant},
	9001023: {oauthRequest, "The app's way of signing in is not offered at the address for all organizations.", tenant},
	90124:   {oauthRequest, "The service is not offered at the address for all organizations.", tenant},
	90130:   {oauthRequest, "The app may not use the address for all organizations.", tenant},
	9002332: {oauthRequest, "The app is for work accounts only and used the address for personal ones.", tenant},
	90002:   {oauthRequest, "The organization was not found, or it lives in another cloud.", tenant},
	90038:   {ownPage, "The organization lives in a national cloud, which has its own sign-in.", cloud},
	900439:  {ownPage, "Your account is one of the US Government cloud and cannot be used here.", cloud},

	50196: {oauthGrant, "The app sent the same request too many times within a few minutes.",
		remedy{apperr.TooMany, apperr.MenderDeveloper, false, "Wait five minutes before you try again. If it comes back, tell the people who run the app."}},

	70003:  {"unsupported_grant_type", "The app asked for access in a way that the company sign-in does not offer.", badApp},
	70004:  {oauthRequest, "The app gave an address to come back to that is not valid.", redirect},
	70005:  {"unsupported_response_type", "The app asked for a kind of answer that is not offered to it.", badApp},
	70007:  {oauthRequest, "The app asked for the answer in a way that is not offered.", badApp},
	50147:  {oauthRequest, "The app's proof key (PKCE) is missing or has a wrong size.", badApp},
	501481: {oauthGrant, "The app's proof key (PKCE) does not fit the one that this sign-in began with.", startOver("Start again in one window only. If it comes back, tell the people who run the app.")},
	501491: {oauthRequest, "The app's proof key (PKCE) has a wrong size.", badApp},
	700005: {oauthGrant, "The app redeemed a code at another organization than the one that gave it.", badApp},
	700020: {oauthGrant, "The company sign-in needs you for one more step.", person("Sign in again and follow the steps on the screen.")},

	90014:   {oauthRequest, "A field is missing from the request.", badApp},
	900144:  {oauthRequest, "The app left out a part that its request needs.", badApp},
	90015:   {oauthRequest, "The address of the request is too long.", badApp},
	90023:   {oauthRequest, "The request is not valid.", badApp},
	9002313: {oauthRequest, "The request is malformed.", badApp},
	90056:   {oauthRequest, "The request has to be posted and was not.", startOver("Do not go back in the browser; start again from the app. If it comes back, tell the people who run it.")},
	900561:  {oauthRequest, "The page was called in a wrong way, as happens after the Back button.", startOver("Do not go back in the browser; start again from the app. If it comes back, tell the people who run it.")},

	90006: {oauthUnavailable, "A service behind the company sign-in does not answer just now.", waitABit},
	90024: {oauthUnavailable, "The company sign-in had too much to do for this request.", waitABit},
	90033: {oauthUnavailable, "The directory of the company sign-in is not available just now.", waitABit},
	90055: {oauthUnavailable, "Your organization sends more requests than the company sign-in takes.", waitABit},
	90090: {oauthUnavailable, "The directory could not answer the company sign-in just now.", waitABit},
}
