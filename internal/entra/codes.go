package entra

import "azts.internal/portal/internal/apperr"

// remedy is the part of an explanation that many errors share.
type remedy struct {
	kind   apperr.Kind
	mender apperr.Mender
	retry  bool
	next   string
}

// The OAuth errors that most AADSTS numbers come with.
const (
	oauthDenied      = "access_denied"
	oauthClient      = "invalid_client"
	oauthConsent     = "consent_required"
	oauthGrant       = "invalid_grant"
	oauthInteraction = "interaction_required"
	oauthLogin       = "login_required"
	oauthRequest     = "invalid_request"
	oauthResource    = "invalid_resource"
	oauthScope       = "invalid_scope"
	oauthUnavailable = "temporarily_unavailable"
	oauthUnauth      = "unauthorized_client"
	ownPage          = "" // shown on Entra's own page: no application hears of it
)

// person is a remedy in the hands of the person, who then signs in again.
func person(next string) remedy {
	return remedy{apperr.Forbidden, apperr.MenderPerson, true, next}
}

// startOver is for what was too old or used before.
func startOver(next string) remedy {
	return remedy{apperr.Expired, apperr.MenderPerson, true, next}
}

func askHelpDesk(next string) remedy {
	return remedy{apperr.Forbidden, apperr.MenderHelpDesk, false, next}
}

func askAdmin(next string) remedy {
	return remedy{apperr.Forbidden, apperr.MenderAdmin, false, next}
}

// askOwner is for a wrong registration or a wrong request. The visitor caused
// neither, but the callback that brings it is refused all the same, so its
// kind is Forbidden and never Internal.
func askOwner(next string) remedy {
	return remedy{apperr.Forbidden, apperr.MenderDeveloper, false, next}
}

// The remedies that several errors share.
var (
	freshSignIn  = startOver("Sign in again.")
	otherAccount = person("Sign in again and choose your account in this organization.")
	invite       = askAdmin("Use an account of this organization, or ask an administrator to invite this one as a guest.")
	secondProof  = person("Sign in again and confirm the second step, for example in your authenticator app.")
	enrolProof   = person("Sign in again and set up a second step when you are asked, for example an authenticator app.")
	newPassword  = person("Change your password, then sign in again. If you cannot change it, ask the help desk.")
	approvedApp  = person("Use the device or app that your organization asks for, then try again. The help desk knows which ones are allowed.")
	healthyPC    = person("Use your work device, or enrol this one in your company portal, then try again. If it is enrolled, ask the help desk to check it.")
	closeBrowser = remedy{apperr.Expired, apperr.MenderPerson, false,
		"You are signed out of the app. To end the company sign-in too, close all windows of this browser."}
	waitABit = remedy{apperr.Unavailable, apperr.MenderNobody, true,
		"Wait a minute and try again. If it lasts, tell the help desk."}
	policyLog = askHelpDesk("Give the help desk the code and the time. Their sign-in log shows which rule blocked you.")
	deviceLog = askHelpDesk("Ask the help desk to check how this device is registered.")
	network   = askHelpDesk("Ask the help desk: the tenant restrictions of your network decide this.")
	bothSides = askAdmin("Ask your administrator. The two organizations have to allow this access to each other.")
	install   = askAdmin("Ask an administrator to add the app to this organization, and to check that it is the right one.")
	enable    = askAdmin("Ask an administrator to enable the app again.")
	approve   = askAdmin("Ask an administrator to approve the app's permissions, then sign in again.")
	newSecret = askAdmin("Tell the owner of the app. An administrator has to give it a valid credential.")
	federated = askAdmin("Tell the owner of the app. The federated credential must match exactly, upper and lower case included, and needs some minutes after a change.")
	federator = askHelpDesk("Tell the help desk, who can reach the people who run your organization's own sign-in service.")
	agents    = askHelpDesk("Tell the help desk: the directory administrators have to look at the password agents.")
	desktop   = askHelpDesk("Sign in with your password instead. Tell the help desk if this comes every time.")
	badApp    = askOwner("You did nothing wrong. Give the code and the time to the people who run the app.")
	redirect  = askOwner("Tell the people who run the app: its exact redirect address has to be registered.")
	tenant    = askOwner("Tell the people who run the app: it has to use the address of the right organization.")
	cloud     = askOwner("Tell the people who run the app: it has to use the sign-in of the right cloud.")
	// What was passed on is at fault, not the person who signed in.
	freshToken  = askOwner("Tell the people who run the app: it has to show a fresh access token.")
	listService = askAdmin("Ask the app's owner to add the service to its API permissions, and an administrator to approve it.")
	noAction    = person("There is nothing to mend. Go on, or sign in again.")
)

// providerTrouble explains an answer with status 429 or 5xx that names nothing
// more specific.
var providerTrouble = entry{oauthUnavailable, "The company sign-in cannot answer just now.", waitABit}

// unknownError explains an answer that names nothing known.
var unknownError = entry{"", "The company sign-in answered with an error that this app does not know.",
	remedy{apperr.Forbidden, apperr.MenderHelpDesk, true,
		"Try again. If it comes back, give the help desk the code and the time."}}

// onPremises explains the numbers 80001 to 80014 and 81004 to 81012 that have
// no text of their own.
var onPremises = entry{ownPage, "Your organization's own servers could not check your sign-in.", agents}

// lookupAADSTS finds the entry of an AADSTS number.
func lookupAADSTS(number int) (entry, bool) {
	for _, table := range []map[int]entry{accountCodes, policyCodes, appCodes, requestCodes, onPremisesCodes} {
		if e, ok := table[number]; ok {
			return e, true
		}
	}
	if 80001 <= number && number <= 80014 || 81004 <= number && number <= 81012 {
		return onPremises, true
	}
	return entry{}, false
}
