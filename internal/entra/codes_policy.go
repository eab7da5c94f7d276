package entra

// policyCodes are the AADSTS numbers about rules of the organization: network,
// device, Conditional Access, assignment and approval.
var policyCodes = map[int]entry{
	50002:  {ownPage, "The network that you are in does not allow signing in to this organization.", network},
	500021: {ownPage, "Your network only allows certain organizations, and this one is not among them.", network},
	500022: {ownPage, "Your network's list of allowed organizations does not name this one.", network},
	500212: {ownPage, "Your own organization does not let you use this other organization.", bothSides},
	500213: {ownPage, "This organization does not let people of your organization in.", bothSides},

	50005: {ownPage, "Your organization does not allow this kind of device.", approvedApp},
	50127: {ownPage, "A helper app, such as Authenticator or Company Portal, has to be installed on this device.", person("Install the app that the page names, then sign in again.")},
	53002: {ownPage, "Your organization allows this only in apps that it has approved.", approvedApp},

	50097:  {oauthInteraction, "Your device has to prove that it belongs to your organization.", deviceLog},
	50129:  {ownPage, "Your device is not joined to your organization.", deviceLog},
	50155:  {ownPage, "Your device could not prove that it belongs to your organization.", deviceLog},
	700003: {ownPage, "Your device is not in the directory any more.", deviceLog},

	53000:  {ownPage, "Your device does not meet the rules of your organization.", healthyPC},
	53001:  {ownPage, "Your device is not joined to your organization's domain.", healthyPC},
	530003: {ownPage, "Your organization has to manage this device before you can use it here.", healthyPC},
	530004: {ownPage, "This organization asks for a healthy device, but does not accept those of other organizations.", askAdmin("Ask an administrator of this organization to accept the device of your own one.")},

	50131:  {ownPage, "A rule of your organization stopped this sign-in, because of the device or unusual activity.", policyLog},
	53011:  {ownPage, "Your own organization thinks that your account is at risk.", askHelpDesk("Ask the help desk of your own organization to check your account.")},
	53003:  {ownPage, "A Conditional Access rule of your organization does not let you in here.", policyLog},
	530032: {ownPage, "A security rule of this organization does not allow this request.", policyLog},
	530035: {ownPage, "The security defaults of this organization do not allow this way of signing in.", policyLog},

	50105:  {ownPage, "You are not assigned to this app, and your organization asks for that.", askAdmin("Ask an administrator to assign you, or a group that you are in, to the app.")},
	501051: {oauthGrant, "The app that calls is not assigned to the service, and the service asks for that.", askAdmin("Ask an administrator to give the calling app a role in that service.")},

	65001: {oauthGrant, "Nobody has approved yet that the app acts for you in this service.", person("Sign in again and approve it. If the page asks for an administrator, send the request from there.")},
	65004: {oauthDenied, "You declined what the app asked for.", person("Nothing was changed. If you want to use the app after all, sign in again and accept.")},
	90093: {oauthDenied, "The directory does not let you approve what the app asks for.", approve},
	90094: {ownPage, "An administrator has to approve the app before you can use it.", approve},
	90095: {ownPage, "The app waits for an administrator, and you can ask for the approval.", askAdmin("Send the request on that page. An administrator decides, and you get a mail.")},
}

// onPremisesCodes are the AADSTS numbers about sign-in services that an
// organization runs itself, and about SAML.
var onPremisesCodes = map[int]entry{
	20012: {ownPage, "Your organization's own sign-in service sent an answer that could not be read.", federator},
	40008: {ownPage, "Your organization's own sign-in service refused, and trying again will not help.", federator},
	75011: {ownPage, "You signed in by another method than the app asks for.", askOwner("Sign in with your password if you can. Tell the people who run the app that it asks for one method only.")},
	50003: {ownPage, "The app has no key to sign its sign-in with.", askOwner("Tell the people who run the app: its signing certificate is missing.")},
	50146: {ownPage, "The app needs a signing key of its own, and has no valid one.", askOwner("Tell the people who run the app: its own signing key is missing, expired or not valid yet.")},

	80001: {ownPage, "Your organization's password agents cannot reach Active Directory.", agents},
	80002: {ownPage, "Your organization's servers took too long to check the password.", agents},
	80003: {ownPage, "Your organization's password agent sent an answer that could not be read.", agents},
	80004: {ownPage, "Your organization's password agent does not know the name you signed in with.", askHelpDesk("Check the name you typed. If it is right, tell the help desk.")},
	80005: {ownPage, "The answer of your organization's password agent could not be processed.", agents},
	80007: {ownPage, "Your organization's password agent could not check your password.", agents},
	80010: {ownPage, "Your organization's password agent could not decrypt what it was sent.", agents},
	80011: {ownPage, "Your organization's password agent could not find its key.", agents},
	80012: {ownPage, "Your account may not sign in at this time of day.", askHelpDesk("Sign in during your allowed hours, or ask the help desk to change them.")},
	80013: {ownPage, "The clocks of your organization's servers differ too much.", agents},
	80014: {ownPage, "Your organization's password agent answered too late.", agents},

	81004: {ownPage, "The automatic sign-in of your computer failed.", desktop},
	81005: {ownPage, "Your computer offered a kind of automatic sign-in that is not supported.", desktop},
	81006: {ownPage, "Your browser did not send the automatic sign-in of your computer.", desktop},
	81007: {ownPage, "Automatic sign-in is not switched on in this organization.", desktop},
	81008: {ownPage, "The Kerberos ticket of your computer could not be checked.", desktop},
	81009: {ownPage, "The Kerberos ticket of your computer could not be read.", desktop},
	81010: {ownPage, "The Kerberos ticket of your computer has expired or is not valid.", askHelpDesk("Lock and unlock your computer and try again, or sign in with your password. Tell the help desk if this comes every time.")},
	81011: {ownPage, "The account of your computer was not found in this organization.", desktop},
	81012: {ownPage, "You tried to sign in with another account than the one of your computer.", askHelpDesk("Sign in with the account of your computer, or use a private window. The help desk knows more.")},
}
