package trace

import (
	"bytes"
	"strings"
)

// Kind says what a secret is, in the words in which fingerprints name it.
type Kind string

// The kinds of secrets.
const (
	Code         Kind = "code"
	AccessToken  Kind = "access token"
	RefreshToken Kind = "refresh token"
	IDToken      Kind = "ID token"
	LogoutToken  Kind = "logout token"
	Token        Kind = "token" // whose purpose is not known
	Assertion    Kind = "assertion"
	ClientSecret Kind = "client secret"
	Verifier     Kind = "code verifier"
	DeviceCode   Kind = "device code"
	UserCode     Kind = "user code"
	Password     Kind = "password"
	Cookie       Kind = "cookie"
	State        Kind = "state"
	Nonce        Kind = "nonce"
	SessionID    Kind = "session id"
	PrivateKey   Kind = "private key"
	LoginHint    Kind = "login hint" // as the claim has it
	Secret       Kind = "secret"     // of another kind
)

// place where a name and a value stand.
type standing uint8

const (
	parameter standing = iota // name=value: queries, forms, hidden inputs, headers
	member                    // "name": "value"
	prose                     // name: value
)

// need is what a value must look like to be a secret at a name.
type need uint8

const (
	never need = iota
	ifOpaque
	always
)

// names are those of credentials, without punctuation and in lower case, that
// hold one wherever they stand (RFC 6749, RFC 7521, RFC 7636, RFC 8628,
// OpenID Connect, entra.md §2-§5, §9).
var names = map[string]Kind{
	"accesstoken": AccessToken, "refreshtoken": RefreshToken, "idtoken": IDToken, "idtokenhint": IDToken,
	"logouttoken": LogoutToken, "subjecttoken": AccessToken, "actortoken": AccessToken, "requestverificationtoken": Token,
	"xmstokenaadidtoken": IDToken, "xmstokenaadaccesstoken": AccessToken, "xmstokenaadrefreshtoken": RefreshToken,
	"federatedtoken": Assertion, "assertion": Assertion, "clientassertion": Assertion, "samlresponse": Assertion,
	"clientsecret": ClientSecret, "secrettext": ClientSecret, "codeverifier": Verifier,
	"devicecode": DeviceCode, "usercode": UserCode, "otc": UserCode, "verificationuricomplete": UserCode,
	"password": Password, "passwd": Password, "newpassword": Password, "oldpassword": Password,
	"sessionstate": SessionID, "sid": SessionID, "nonce": Nonce, "dpop": Token, "authorization": Token, "proxyauthorization": Token,
	"xidentityheader": Secret, "identityheader": Secret, "msisecret": Secret, "accountkey": Secret, "sharedaccesskey": Secret,
	"privatekey": PrivateKey, "flowtoken": Secret, "sft": Secret, "sctx": Secret, "canary": Secret, "apicanary": Secret,
}

// inParameters are names of credentials in queries, forms and headers, and of
// other things elsewhere: error codes, states of subscriptions, words.
var inParameters = map[string]Kind{
	"code": Code, "state": State, "token": Token, "secret": Secret, "pwd": Password, "pass": Password, "pin": Secret,
	"sig": Secret, "key": Secret, "apikey": Secret, "ctx": Secret, "interaction": Secret, "otp": Secret, "jwt": Token,
	"ticket": Token, "cookie": Cookie, "credential": Secret, "wresult": Assertion,
}

// harmless are names that look like those of secrets.
var harmless = map[string]bool{
	"tokentype": true, "skiptoken": true, "continuationtoken": true, "clientassertiontype": true, "subjecttokentype": true,
	"actortokentype": true, "requestedtokentype": true, "requestedtokenuse": true, "issuedtokentype": true, "tokentypehint": true,
	"tokenendpoint": true, "keyid": true, "customkeyidentifier": true, "publickey": true, "passwordpolicies": true,
	"xmstokenaadexpireson": true, "secretid": true, "passwordexpired": true, "identityprovider": true,
}

// vocabulary are words of the protocol. As a value in a secret's place they are
// redacted there and nowhere else.
var vocabulary = map[string]bool{
	"access_token": true, "refresh_token": true, "id_token": true, "authorization_code": true, "client_credentials": true,
	"password": true, "bearer": true, "client_secret": true, "device_code": true, "basic": true, "openid": true, "profile": true,
	"offline_access": true, "form_post": true, "fragment": true, "consent": true, "select_account": true, "undefined": true, "string": true,
	"invalid_grant": true, "invalid_client": true, "invalid_request": true, "invalid_token": true, "cookie": true, "secret": true,
}

const maxName = 64

// sensitive returns what stands at a name, if it is a secret.
func sensitive(name []byte, where standing) (Kind, need) {
	outer, inner, bracketed := bytes.Cut(name, []byte("[")) // token[0], user[password]
	kind, n := sensitiveWord(outer, where)
	if bracketed && n != always {
		if other, m := sensitiveWord(inner, where); m > n {
			return other, m
		}
	}
	return kind, n
}

func sensitiveWord(name []byte, where standing) (Kind, need) {
	var buf [maxName]byte
	key := buf[:0]
	for _, c := range name[:min(len(name), maxName)] {
		switch {
		case c >= 'A' && c <= 'Z':
			key = append(key, c+'a'-'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			key = append(key, c)
		}
	}
	if len(key) < 3 || harmless[string(key)] {
		return "", never
	}
	if kind, found := names[string(key)]; found {
		return kind, always
	}
	if string(key) == "loginhint" || string(key) == "logouthint" {
		return LoginHint, ifOpaque // an account is no secret, what Entra makes of it is half the token
	}
	if kind, found := inParameters[string(key)]; found {
		switch {
		case where == parameter, where == member && string(key) != "code" && string(key) != "state" && string(key) != "key":
			return kind, always
		default:
			return kind, ifOpaque
		}
	}
	return bySyllable(key)
}

func bySyllable(key []byte) (Kind, need) {
	has := func(part string) bool { return bytes.Contains(key, []byte(part)) }
	ends := func(part string) bool { return bytes.HasSuffix(key, []byte(part)) }
	switch {
	case ends("supported"), ends("endpoint"), ends("policy"), ends("expiry"), ends("expireson"):
		return "", never
	case ends("secret"):
		return Secret, always
	case ends("password"), ends("passphrase"):
		return Password, always
	case ends("assertion"):
		return Assertion, always
	case ends("token"):
		return Token, always
	case ends("privatekey"):
		return PrivateKey, always
	case has("secret"), has("token"), has("key"), has("credential"), has("cookie"), has("passw"):
		return Secret, ifOpaque
	}
	return "", never
}

// minOpaque is how long a value must be that is a secret by its looks.
const minOpaque = 20

// opaque reports whether value looks like a random one, and not like a word, an
// address or an object's id.
func opaque(value []byte) bool {
	if len(value) < minOpaque || bytes.Contains(value, []byte("://")) || isGUID(value) {
		return false
	}
	digits, letters := 0, 0
	for _, c := range value {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letters++
		case !strings.ContainsRune("._~+/=-!*%:\\", rune(c)):
			return false
		}
	}
	return digits > 0 && letters > 0
}

func isGUID(value []byte) bool {
	if len(value) != 36 {
		return false
	}
	for i, c := range value {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') || !dash && hexDigit(c) < 0 {
			return false
		}
	}
	return true
}

// redactable reports whether value can be a secret at a place that calls for need.
func redactable(value []byte, n need) bool {
	switch string(value) {
	case "", "true", "false", "null":
		return false
	}
	return (n == always || n == ifOpaque && opaque(value)) && !isFingerprint(value)
}
