package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// aadsts is how the authority reports one of its numbered errors
// (entra.md §2.7).
type aadsts struct {
	err      string // the OAuth error at the token endpoint or in a redirect
	subError string
	text     string // %s is what the error is about
}

// aadstsTable holds the errors that the sandbox can give, by number. The texts
// are ours; programs branch on err, never on them (entra.md §2.6).
var aadstsTable = map[int]aadsts{
	16000:   {err: "interaction_required", text: "The account is unknown to this tenant, or a choice is needed."},
	28002:   {err: "invalid_scope", text: "The scope '%s' is not valid."},
	28003:   {err: "invalid_scope", text: "The scope must not be empty."},
	50001:   {err: "invalid_resource", text: "The resource '%s' is disabled or does not exist."},
	50005:   {err: "access_denied", text: "The device platform is not supported by the access policy."},
	50011:   {err: "invalid_client", text: "The redirect URI '%s' does not match any that is registered for the application."},
	50012:   {err: "invalid_client", text: "The client assertion is not trusted: %s."},
	50013:   {err: "invalid_grant", text: "The assertion is not valid: %s."},
	50014:   {err: "invalid_grant", text: "The guest has not redeemed the invitation yet."},
	50020:   {err: "invalid_grant", text: "The account '%s' belongs to another identity provider and does not exist in this tenant."},
	50027:   {err: "invalid_client", text: "The token is not a valid JWT: %s."},
	50034:   {err: "invalid_grant", text: "The account '%s' does not exist in this tenant."},
	50053:   {err: "invalid_grant", text: "The account is locked: too many wrong sign-ins."},
	50055:   {err: "user_password_expired", text: "The password has expired."},
	50056:   {err: "invalid_grant", text: "No password is stored for the account."},
	50057:   {err: "invalid_grant", text: "The account is disabled."},
	50058:   {err: "login_required", text: "A silent sign-in was asked for, but nobody is signed in, or more than one account is."},
	50059:   {err: "invalid_request", text: "No tenant can be told from the request."},
	50076:   {err: "interaction_required", subError: "basic_action", text: "A second factor is required to use '%s'."},
	50078:   {err: "interaction_required", subError: "basic_action", text: "The second factor has expired; prove it again."},
	50079:   {err: "interaction_required", subError: "basic_action", text: "A second factor must be registered."},
	50087:   {err: "temporarily_unavailable", text: "The second factor failed for a passing reason."},
	50097:   {err: "interaction_required", text: "The device must prove itself."},
	50105:   {err: "interaction_required", text: "The account is not assigned to a role of the application '%s'."},
	50126:   {err: "invalid_grant", text: "The user name or the password is wrong."},
	50131:   {err: "access_denied", text: "The access policy blocks this sign-in."},
	50132:   {err: "invalid_grant", text: "The session ended with a change of the password."},
	50140:   {err: "interaction_required", text: "The person must say whether to stay signed in."},
	50146:   {err: "invalid_request", text: "The application needs a signing key of its own."},
	50147:   {err: "invalid_request", text: "The size of the code challenge or verifier is not valid."},
	50173:   {err: "invalid_grant", subError: "bad_token", text: "The grant was revoked; sign in again."},
	50194:   {err: "invalid_request", text: "The application '%s' serves one tenant; the common endpoint is not for it."},
	50196:   {err: "invalid_grant", text: "The same request was sent over and over: a loop."},
	53000:   {err: "interaction_required", text: "The device does not comply with the access policy."},
	53003:   {err: "access_denied", subError: "message_only", text: "Access is blocked by a conditional access policy."},
	54005:   {err: "invalid_grant", text: "The code was already redeemed."},
	65001:   {err: "invalid_grant", subError: "consent_required", text: "Nobody has consented to '%s'."},
	65004:   {err: "access_denied", text: "The person declined to consent."},
	65005:   {err: "invalid_resource", text: "The application's permission list lacks the resource."},
	70000:   {err: "invalid_grant", text: "The grant is not valid: %s."},
	70002:   {err: "invalid_client", text: "The credentials of the client do not match."},
	70003:   {err: "unsupported_grant_type", text: "The grant type '%s' is not supported."},
	70005:   {err: "unsupported_response_type", text: "The response type '%s' is not supported."},
	70007:   {err: "invalid_request", text: "'%s' is not a response mode that fits the response type."},
	70008:   {err: "invalid_grant", text: "The code or refresh token is too old."},
	70011:   {err: "invalid_scope", text: "The scope '%s' is not valid."},
	70043:   {err: "invalid_grant", subError: "bad_token", text: "The sign-in frequency policy has ended the refresh token."},
	70044:   {err: "invalid_grant", text: "The sign-in frequency policy has ended the session."},
	70016:   {err: "authorization_pending", text: "The person has not finished on the other device yet."},
	70018:   {err: "bad_verification_code", text: "The verification code is not valid."},
	70019:   {err: "expired_token", text: "The user code has expired; start again on the device."},
	70020:   {err: "expired_token", text: "The device code has expired; start again."},
	70021:   {err: "invalid_request", text: "No federated identity credential of the application fits the assertion."},
	75011:   {err: "invalid_request", text: "The way of signing in does not match what was asked for."},
	90002:   {err: "invalid_request", text: "The tenant '%s' was not found."},
	90014:   {err: "invalid_request", text: "The field '%s' is missing."},
	90015:   {err: "invalid_request", text: "The query is too long."},
	90023:   {err: "invalid_request", text: "The request is not valid: %s."},
	90024:   {err: "temporarily_unavailable", text: "The tenant is asked too often at the moment."},
	90033:   {err: "temporarily_unavailable", text: "The service fails for a passing reason."},
	90094:   {err: "access_denied", text: "An administrator must consent to what the application asks for."},
	90119:   {err: "invalid_request", text: "The user code is empty."},
	90120:   {err: "invalid_request", text: "The user code was already used, or declined."},
	240002:  {err: "invalid_request", text: "An ID token is no assertion; send an access token."},
	500011:  {err: "invalid_resource", text: "The resource '%s' was not found in the tenant."},
	500113:  {err: "invalid_request", text: "No redirect URI is registered for the application."},
	500133:  {err: "invalid_grant", text: "The assertion has expired."},
	501481:  {err: "invalid_grant", text: "The code verifier does not match the code challenge."},
	530003:  {err: "interaction_required", text: "The device must be managed."},
	650052:  {err: "invalid_resource", text: "The organization has no subscription to the service."},
	650057:  {err: "invalid_resource", text: "The resource '%s' is not on the permission list of the application's registration."},
	700003:  {err: "interaction_required", text: "The device object is gone."},
	700005:  {err: "invalid_grant", text: "The code was issued for another tenant."},
	700016:  {err: "unauthorized_client", text: "The application '%s' was not found in the tenant."},
	700022:  {err: "invalid_scope", text: "The scope '%s' names more than one resource."},
	700024:  {err: "invalid_client", text: "The client assertion is outside its time window."},
	700027:  {err: "invalid_client", text: "The client assertion could not be verified: %s."},
	700030:  {err: "invalid_client", text: "The certificate's subject is not authorized."},
	700051:  {err: "unsupported_response_type", text: "The response type 'token' is not enabled for the application."},
	700054:  {err: "unsupported_response_type", text: "The response type 'id_token' is not enabled for the application."},
	700082:  {err: "invalid_grant", subError: "bad_token", text: "The refresh token was not used for too long."},
	700211:  {err: "invalid_client", text: "No federated identity credential names the issuer '%s' of the assertion."},
	700212:  {err: "invalid_client", text: "No federated identity credential names the audience '%s' of the assertion."},
	700213:  {err: "invalid_client", text: "No federated identity credential names the subject '%s' of the assertion."},
	900144:  {err: "invalid_request", text: "The request must contain the parameter '%s'."},
	900561:  {err: "invalid_request", text: "The endpoint takes POST only."},
	901002:  {err: "invalid_request", text: "The parameter 'resource' is not supported here."},
	7000112: {err: "unauthorized_client", text: "The application '%s' is disabled."},
	7000215: {err: "invalid_client", text: "The client secret is wrong. Send its value, not its id."},
	7000216: {err: "invalid_client", text: "A client credential is missing."},
	7000218: {err: "invalid_client", text: "The request must contain 'client_assertion' or 'client_secret'."},
	7000222: {err: "invalid_client", text: "The client secret has expired."},
	700025:  {err: "invalid_client", text: "The client is public and must not send a credential."},
	9001023: {err: "invalid_request", text: "The grant is not served on common or consumers; name the tenant or organizations."},
	9002313: {err: "invalid_request", text: "The request is malformed."},
}

// protocolError is one refusal of the authority, before it is put on the wire.
type protocolError struct {
	code     int // the AADSTS number; 0 for an error that has none
	err      string
	subError string
	text     string
	claims   string // the claims to ask for next, as JSON (entra.md §6.2)
	status   int    // HTTP status at the token endpoint
}

// fail makes the numbered error. about is what its text names. It panics on a
// number that is not in the table.
func (t *tenant) fail(code int, about ...any) *protocolError {
	entry, known := aadstsTable[code]
	if !known {
		panic(fmt.Sprintf("sandbox: AADSTS%d is not in the table", code))
	}
	text := entry.text
	if strings.Contains(text, "%s") {
		if len(about) == 0 {
			about = []any{"unknown"}
		}
		text = fmt.Sprintf(text, about...)
	}
	status := http.StatusBadRequest
	switch entry.err {
	case "invalid_client":
		status = http.StatusUnauthorized
	case "temporarily_unavailable":
		status = http.StatusServiceUnavailable
	}
	return &protocolError{code: code, err: entry.err, subError: entry.subError, text: text, status: status}
}

// failNamed makes the error that a fault's value names, or another one if the
// value is no number of the table.
func (t *tenant) failNamed(value string, byDefault int) *protocolError {
	code, err := strconv.Atoi(strings.TrimPrefix(value, "AADSTS"))
	if _, known := aadstsTable[code]; err != nil || !known {
		code = byDefault
	}
	return t.fail(code)
}

// trail is what identifies one answer of the authority to its operators.
type trail struct {
	trace       string
	correlation string
	at          time.Time
}

// trailOf makes the trail of an answer. A client-request-id that the client
// sent becomes the correlation id if it is a GUID.
func (t *tenant) trailOf(r *http.Request) trail {
	correlation := newGUID()
	if sent := r.Header.Get("client-request-id"); isGUID(sent) {
		correlation = sent
	}
	return trail{trace: newGUID(), correlation: correlation, at: t.s.now().UTC()}
}

// description returns error_description as the authority words it.
func (tr trail) description(e *protocolError) string {
	text := fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s", e.text, tr.trace, tr.correlation, tr.stamp())
	if e.code == 0 {
		return text
	}
	return fmt.Sprintf("AADSTS%d: %s", e.code, text)
}

func (tr trail) stamp() string { return tr.at.Format("2006-01-02 15:04:05Z") }

// errorURI is the page that explains an error by its number.
func (t *tenant) errorURI(code int) string {
	return t.s.options.Origin + "/error?code=" + strconv.Itoa(code)
}

// writeError answers with the full error JSON of entra.md §2.6.
func (t *tenant) writeError(w http.ResponseWriter, r *http.Request, e *protocolError) {
	tr := t.trailOf(r)
	document := map[string]any{
		"error":             e.err,
		"error_description": tr.description(e),
		"timestamp":         tr.stamp(),
		"trace_id":          tr.trace,
		"correlation_id":    tr.correlation,
	}
	if e.code != 0 {
		document["error_codes"], document["error_uri"] = []int{e.code}, t.errorURI(e.code)
	}
	if e.subError != "" {
		document["suberror"] = e.subError
	}
	if e.claims != "" {
		document["claims"] = e.claims
	}
	w.Header().Set("x-ms-request-id", tr.trace)
	writeJSON(w, e.status, document)
}

// writeJSON sends an answer that nobody may keep.
func writeJSON(w http.ResponseWriter, status int, document any) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("x-ms-ests-server", "2.1.sandbox")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // the reader is gone if this fails
}

// newGUID returns a random version 4 GUID.
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func isGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range []byte(text) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)):
			return false
		}
	}
	return true
}
