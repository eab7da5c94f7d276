package flows

import (
	"cmp"
	"slices"
)

// failures are what can be done wrong on purpose. The codes are those of the
// tenant (entra.md §2.7), of RFC 6750, or of the portal's own checks.
var failures = []Failure{
	{ID: "wrong-state", Title: "Wrong state", What: "The answer carries a state that this browser never sent.", Refuses: Portal,
		Check: "The state is a secret that this browser was given at the start. It must come back unchanged; this is checked before anything else is believed.", Code: "state_unknown", Marks: []string{"state"},
		Why: "Else a stranger could slip in an answer of their own, and you would work in their account without noticing."},
	{ID: "other-nonce", Title: "Other nonce", What: "The ID token was made for another sign-in: its nonce is another.", Refuses: Portal,
		Check: "The nonce in the ID token must be the one of this sign-in.", Code: "id_token_nonce", Marks: []string{"nonce"},
		Why: "Else a token that was caught elsewhere could be played again here."},
	{ID: "foreign-audience", Title: "Foreign audience", What: "The token is genuine, but for somebody else.", Refuses: Portal,
		Check: "aud must be who reads the token: this portal for an ID token, the API for an access token.", Code: "id_token_aud", Marks: []string{"aud", "scope"},
		Why: "Else any application that you ever signed in to could act as you everywhere."},
	{ID: "expired-token", Title: "Expired token", What: "The token was good once.", Refuses: Portal,
		Check: "exp must lie ahead, with five minutes of grace.", Code: "id_token_exp", Marks: []string{"exp"},
		Why: "Tokens get lost. An end makes that a small loss."},
	{ID: "tampered-signature", Title: "Tampered signature", What: "One character inside the token is changed, for example a name.", Refuses: Portal,
		Check: "The signature must fit the content, with a key of the tenant.", Code: "id_token_signature", Marks: []string{"id_token", "access_token", "client_assertion", "Authorization"},
		Why: "Else everybody could write themselves a token."},
	{ID: "wrong-verifier", Title: "Wrong verifier", What: "The code is redeemed with another verifier than the one whose hash was sent.", Refuses: Tenant,
		Check: "SHA-256 of the verifier must be the challenge.", Code: "AADSTS501481", Marks: []string{"code_verifier"},
		Why: "Whoever stole the code on its way has not got the verifier."},
	{ID: "used-code", Title: "Used code", What: "The same code is redeemed a second time.", Refuses: Tenant,
		Check: "A code is good once.", Code: "AADSTS54005", Marks: []string{"code"},
		Why: "Codes pass through browsers, where they are seen. The second user may be a thief."},
	{ID: "unregistered-redirect", Title: "Unregistered redirect URI", What: "The answer is asked for at an address that is not registered.", Refuses: Tenant,
		Check: "The redirect URI must be one of the registration's, letter by letter.", Code: "AADSTS50011", Marks: []string{"redirect_uri"},
		Why: "Else codes and tokens could be sent to anybody's server. That is also why the tenant shows this on its own page and sends nothing back."},
	{ID: "missing-consent", Title: "Missing consent", What: "A scope is asked for to which nobody has agreed.", Refuses: Tenant,
		Check: "There must be a grant for person, application and scope.", Code: "AADSTS65001", Marks: []string{"scope", "error"},
		Why: "The person decides what an application may do in their name."},
	{ID: "two-resources", Title: "Two resources in one request", What: "The token request names scopes of two APIs.", Refuses: Tenant,
		Check: "A token has one audience, so a token request has one resource.", Code: "AADSTS700022", Marks: []string{"scope", "resource"},
		Why: "A token for two APIs could be used by each of them at the other."},
	{ID: "secret-instead-of-certificate", Title: "Secret instead of certificate", What: "An application that proves itself by certificate comes with a secret.", Refuses: Tenant,
		Check: "The credential must be one of the application's own.", Code: "AADSTS7000215", Marks: []string{"client_secret"},
		Why: "A company that has done away with secrets can rely on it."},
	{ID: "no-mfa", Title: "No second factor", What: "A policy asks for a second factor, and the sign-in had none.", Refuses: Tenant,
		Check: "Conditional Access: the sign-in must have what the policy demands.", Code: "AADSTS50076", Marks: []string{"amr", "prompt", "password"},
		Why: "A password alone is guessed, fished or reused."},
	{ID: "clock-off", Title: "Clock ten minutes off", What: "The portal's clock is ten minutes slow, so a fresh token is from the future.", Refuses: Portal,
		Check: "The token must not come from the future: nbf and iat may lie ahead by five minutes at most.", Code: "id_token_nbf", Marks: []string{"nbf", "iat"},
		Why: "Times only mean something where clocks agree. The page Health compares them."},
}

// Failures returns everything that can be done wrong on purpose.
func Failures() []Failure { return slices.Clone(failures) }

// FindFailure returns a deliberate failure by its id.
func FindFailure(id string) (Failure, bool) {
	i := slices.IndexFunc(failures, func(f Failure) bool { return f.ID == id })
	if i < 0 {
		return Failure{}, false
	}
	return failures[i], true
}

// Breaks reports whether a flow can be run at a place with a failure; "" is none.
func (f Flow) Breaks(failure string, at Place) bool {
	if !f.Runs(at) {
		return false
	}
	if failure == "" {
		return true
	}
	if !slices.Contains(f.Failures, failure) {
		return false
	}
	if at == InLab {
		return true
	}
	return slices.Contains(tenantFailures[f.ID], failure)
}

// FailureIn returns a failure as a flow shows it at a place: the same thing done
// wrong is not refused by the same party everywhere.
func FailureIn(flow, id string, at Place) (Failure, bool) {
	f, ok := FindFailure(id)
	if !ok {
		return f, false
	}
	for _, other := range refusedElsewhere[id] {
		if slices.Contains(other.flows, flow) {
			f.Refuses, f.Code = other.by, other.code
			f.Check, f.What, f.Why = cmp.Or(other.check, f.Check), cmp.Or(other.what, f.What), cmp.Or(other.why, f.Why)
			if other.marks != nil {
				f.Marks = other.marks
			}
		}
	}
	return f, true
}

// elsewhere is who refuses a failure in some flows. Empty words, and no marks, are
// those of the failure itself.
type elsewhere struct {
	flows                  []string
	by                     Party
	code, check, what, why string
	marks                  []string
}

// What is the same in several flows.
const (
	askedAndRefuses = "The person is asked, and says no."
	mayRefuse       = "Who is asked may say no, and then there is no grant."
	inItsName       = "Else whoever got such a token could use it elsewhere in the application's name."
)

// What the API says stands in WWW-Authenticate (RFC 6750 §3.1).
var refusedElsewhere = map[string][]elsewhere{
	"wrong-state": {{flows: []string{"implicit"}, by: Browser, code: "state_unknown", check: "The script in the page must find the state that it sent."}},
	"foreign-audience": {
		{flows: []string{"on-behalf-of"}, by: AzTS, code: "invalid_token", check: "The audience of an access token must be the API that reads it."},
		{flows: []string{"client-credentials-secret"}, by: AzTS, code: "invalid_token", check: "The audience of an access token must be the API that reads it.", why: inItsName},
		{flows: []string{"client-credentials-certificate"}, by: Tenant, code: "AADSTS50012", check: "The assertion's audience must be the token endpoint of the tenant.", why: inItsName},
		{flows: []string{"client-credentials-federated"}, by: Tenant, code: "AADSTS700212", check: "The audience must be the one of the federated credential.", why: inItsName}},
	"expired-token": {
		{flows: []string{"on-behalf-of"}, by: AzTS, code: "invalid_token", check: "exp must lie ahead."},
		{flows: []string{"client-credentials-certificate", "client-credentials-federated"}, by: Tenant, code: "AADSTS700024", check: "The assertion must be within its time range."}},
	"tampered-signature": {
		{flows: []string{"on-behalf-of", "implicit"}, by: AzTS, code: "invalid_token", check: "The signature must fit the content, with a key of the tenant."},
		{flows: []string{"client-credentials-certificate"}, by: Tenant, code: "AADSTS700027", check: "The signature must fit the content, with the key of a registered certificate."},
		{flows: []string{"client-credentials-federated"}, by: Tenant, code: "AADSTS50013", check: "The signature must fit the content, with a key of the other issuer."}},
	"missing-consent": {
		{flows: []string{"incremental-consent", "admin-consent"}, by: Tenant, code: "AADSTS65004", check: mayRefuse, what: askedAndRefuses, marks: []string{"action"}},
		// The page told the person; the device hears of it by its next poll (entra.md §4.6).
		{flows: []string{"device-code"}, by: Tenant, code: "authorization_declined", check: mayRefuse, what: askedAndRefuses, marks: []string{"device_code"}}},
	"no-mfa": {{flows: []string{"refresh"}, by: Tenant, code: "AADSTS50076", marks: []string{"refresh_token"}}},
	"two-resources": {
		{flows: []string{"client-credentials-secret"}, by: Tenant, code: "AADSTS70011"},
		{flows: []string{"managed-identity"}, by: Machine, code: "invalid_resource", check: "A machine's endpoint knows one resource a request."}},
	"clock-off": {{flows: []string{"client-credentials-certificate"}, by: Tenant, code: "AADSTS700024", check: "The assertion must be within its time range, with five minutes of grace.",
		what: "The script's clock is ten minutes fast, so its assertion is from the future."}},
}

// tenantFailures are what can be broken against the configured tenant, by flow:
// what harms nobody, and is noticed on our side or by one refused request.
var tenantFailures = map[string][]string{
	"sign-in":             {"wrong-state", "other-nonce", "foreign-audience", "tampered-signature", "clock-off"},
	"hybrid":              {"wrong-state", "other-nonce", "foreign-audience", "tampered-signature", "clock-off", "wrong-verifier"},
	"code-pkce":           {"wrong-state", "wrong-verifier"},
	"incremental-consent": {"wrong-state"},
	"step-up":             {"wrong-state"},
}
