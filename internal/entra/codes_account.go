package entra

// accountCodes are the AADSTS numbers about the person's account, password,
// second step and session.
var accountCodes = map[int]entry{
	16000: {oauthInteraction, "The account that you are signed in with is not known in this organization, or you have to choose one.", otherAccount},
	16001: {oauthInteraction, "The account that you picked could not be used.", otherAccount},
	16002: {oauthLogin, "The app asked for a session that has ended.", freshSignIn},

	50014: {ownPage, "Your invitation as a guest is not completed yet.", askAdmin("Accept the invitation in your mail. If you have none, ask an administrator to invite you again.")},
	50020: {ownPage, "Your account belongs to another organization and is not a guest here.", invite},
	50034: {ownPage, "This organization does not know that account.", person("Check the name you typed and sign in again. If it is right, ask an administrator for an account here.")},
	51004: {ownPage, "Your account is not in the directory of this organization.", invite},
	90072: {oauthGrant, "Your account comes from outside and cannot complete the second step for this organization.", invite},

	50053: {oauthGrant, "The sign-in was blocked: too many wrong passwords, or a network address known for attacks.", person("Wait a while or reset your password, and use a network you trust. If it stays, the help desk can see the reason.")},
	50055: {"user_password_expired", "Your password has expired.", newPassword},
	50144: {ownPage, "Your password in your organization's Active Directory has expired.", newPassword},
	50135: {ownPage, "Your account is thought to be at risk, so its password has to change.", newPassword},
	50056: {oauthGrant, "There is no password for this account to compare with.", person("Sign in again with the name and password of your work account, or reset the password.")},
	50126: {oauthGrant, "The name or the password was wrong.", person("Check both and sign in again. You can reset a forgotten password on the sign-in page.")},
	50057: {oauthGrant, "Your account is disabled.", askAdmin("Ask an administrator or the help desk to enable it.")},

	50058: {oauthLogin, "You are not signed in any more.", freshSignIn},
	50061: {ownPage, "The company sign-in could not read the request to sign out.", closeBrowser},
	50068: {ownPage, "The app asked to end a company session that it was not part of.", closeBrowser},
	50070: {ownPage, "The session that you wanted to end is not known any more.", closeBrowser},
	50071: {ownPage, "The request to sign out came too late.", closeBrowser},

	50072: {oauthInteraction, "Your account needs a second step for signing in, and none is set up.", enrolProof},
	50079: {oauthInteraction, "Your organization now asks for a second step, and you have none set up.", enrolProof},
	53004: {ownPage, "You have to set up a second step, and this sign-in looked too risky for that.", person("Sign in from your work device or network and set it up there. If that is refused too, ask the help desk.")},
	50074: {oauthInteraction, "The second step of the sign-in was not completed.", secondProof},
	50076: {oauthInteraction, "Your organization asks for a second step here.", secondProof},
	50078: {oauthInteraction, "Your last second step was too long ago.", secondProof},
	50158: {oauthInteraction, "A further check outside the company sign-in is still open.", person("Sign in again and complete every step you are shown.")},

	50085: {oauthGrant, "The account that you signed in with elsewhere has to be checked again.", freshSignIn},
	50089: {oauthGrant, "The sign-in took too long and ran out.", freshSignIn},
	50132: {oauthGrant, "Your session ended because your password expired or was changed.", freshSignIn},
	50133: {oauthGrant, "Your session was withdrawn after your password expired or was changed.", freshSignIn},
	50143: {oauthGrant, "Your session belongs to another organization than the one asked for.", freshSignIn},

	50087: {oauthUnavailable, "The check of your second step failed for a moment.", waitABit},
	50088: {oauthUnavailable, "Too many phone calls or messages were sent for the second step.", waitABit},

	50140:   {ownPage, "The sign-in stopped to ask whether you want to stay signed in.", noAction},
	50199:   {ownPage, "The sign-in stopped to ask whether this is the app you want.", noAction},
	9002341: {oauthGrant, "You have to allow that this app signs in with the account of your device.", person("Sign in again and allow it when you are asked.")},

	50173:  {oauthGrant, "Your earlier sign-in was withdrawn, by you or by an administrator.", freshSignIn},
	70000:  {oauthGrant, "The app's record of your sign-in is not valid.", freshSignIn},
	70008:  {oauthGrant, "Your sign-in has run out.", freshSignIn},
	700082: {oauthGrant, "Your sign-in has run out because you did not use the app for a long time.", freshSignIn},
	700084: {oauthGrant, "Your sign-in in this browser has reached its limit of one day.", freshSignIn},
	70043:  {oauthGrant, "Your organization asks you to sign in again from time to time, and that time has come.", freshSignIn},
	70044:  {oauthGrant, "Your session is older than your organization allows.", freshSignIn},
	54005:  {oauthGrant, "This answer of the company sign-in was used before.", startOver("Start again from the app, and do not go back or reload while you sign in.")},

	70016: {"authorization_pending", "The sign-in on your other device is not finished yet.", person("Finish it there, then come back here.")},
	70018: {"bad_verification_code", "The code for signing in on another device is not right.", startOver("Type the code again, or start again to get a new one.")},
	70019: {"expired_token", "The code that you typed has run out.", startOver("Start again on the other device to get a new code.")},
	70020: {"expired_token", "The device sign-in was not finished in time.", startOver("Start again to get a new code. It is good for 15 minutes.")},
	90119: {ownPage, "No code for signing in on another device was typed.", person("Type the code that the other device shows.")},
	90120: {ownPage, "This device sign-in was already accepted or declined.", startOver("If the other device still waits, start again there.")},
	50134: {ownPage, "The device sign-in was begun in another region than yours.", startOver("Start again on the other device. If it comes back, tell the help desk.")},
}
